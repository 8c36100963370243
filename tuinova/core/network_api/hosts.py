"""What the network API asks of the hosts before it writes anything."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from tuinova.core.errors import HypervisorUnavailable, NotSupported
from tuinova.core.errors.network import InvalidInput
from tuinova.virt.networks import NetworkMode, NetworkSpec

if TYPE_CHECKING:
    from tuinova.virt.driver import ComputeDriver

LOG = logging.getLogger(__name__)


class NetworkHosts:
    """All hosts of this engine; one whose hypervisor is away has no say, and reports what it can't do later."""

    def __init__(self, drivers: Callable[[], Mapping[str, ComputeDriver]]) -> None:
        self._drivers = drivers

    def modes(self) -> dict[NetworkMode, str]:
        """Each mode to why it can't be made, "" where at least one host can."""
        found: dict[NetworkMode, str] = {}
        for driver in self._drivers().values():
            for mode, reason in driver.network_modes().items():
                if not reason or mode not in found:
                    found[mode] = reason
        return found

    def refuse_mode(self, mode: NetworkMode) -> None:
        """Raise InvalidInput with the hosts' reason for a mode that none can make."""
        reason = self.modes().get(mode, "there is no hypervisor")
        if reason:
            raise InvalidInput(error_message=f"a network of mode {mode} can't be made here: {reason.rstrip('.')}")

    def check(self, network: NetworkSpec) -> None:
        """Raise what any host says against a network: a bridge that isn't there, a range that it uses itself."""
        for host, driver in self._drivers().items():
            if driver.network_modes().get(network.mode):
                continue
            try:
                driver.check_network(network)
            except NotSupported:
                continue
            except HypervisorUnavailable as error:
                LOG.warning("%s is not asked about network %s: %s", host, network.id, error)
