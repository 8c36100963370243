"""nova-compute: what a host does with its guests, one module a group of actions."""

from tuinova.core.compute_manager.context import Compute, SyncActions
from tuinova.core.compute_manager.duties import Duties
from tuinova.core.compute_manager.guests import GuestSpecs
from tuinova.core.compute_manager.manager import ComputeManager
from tuinova.core.compute_manager.methods import BUILD_METHOD
from tuinova.core.compute_manager.options import ComputeOptions

__all__ = ["BUILD_METHOD", "Compute", "ComputeManager", "ComputeOptions", "Duties", "GuestSpecs", "SyncActions"]
