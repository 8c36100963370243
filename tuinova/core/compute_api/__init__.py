"""nova-api's engine side: what is checked and written before a request is accepted."""

from tuinova.core.compute_api.api import ComputeAPI
from tuinova.core.compute_api.guards import action_row, facts_of
from tuinova.core.compute_api.options import ApiOptions
from tuinova.core.compute_api.request import CreateRequest

__all__ = ["ApiOptions", "ComputeAPI", "CreateRequest", "action_row", "facts_of"]
