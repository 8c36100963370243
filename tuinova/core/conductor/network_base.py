"""What the conductor's calls about networks share."""

from __future__ import annotations

from tuinova.core.conductor.addresses import AddressPool
from tuinova.core.conductor.quotas import Quotas


class NetworkBase(Quotas):
    """Writing and reading, quotas, and the one pool of addresses."""

    _pool: AddressPool
