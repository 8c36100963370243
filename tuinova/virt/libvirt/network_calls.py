"""The networks' part of the driver's door."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TypeVar

from tuinova.virt.driver import ComputeDriver, GuestSpec, Nic
from tuinova.virt.libvirt import device_addresses
from tuinova.virt.libvirt.host import Host
from tuinova.virt.libvirt.network import Networks
from tuinova.virt.libvirt.ports import Ports
from tuinova.virt.networks import NetworkModes, NetworkSpec, Routing

T = TypeVar("T")


class NetworkCalls(ComputeDriver):
    """What the contract says of networks."""

    _host: Host
    _networks: Networks
    _ports: Ports

    def _lasting(self, uuid: str, call: Callable[[], T]) -> T:
        """A call that may be made again; errors come out as the contract's."""
        raise NotImplementedError

    def network_modes(self) -> NetworkModes:
        """See the contract."""
        return self._networks.modes()

    def check_network(self, network: NetworkSpec) -> None:
        """See the contract."""
        self._lasting("", lambda: self._networks.check(network))

    def ensure_network(self, network: NetworkSpec) -> None:
        """See the contract."""
        self._lasting("", lambda: self._networks.ensure(network))

    def remove_network(self, network_id: str) -> None:
        """See the contract."""
        self._lasting("", lambda: self._networks.remove(network_id))

    def networks_made(self) -> Collection[str]:
        """See the contract."""
        return self._networks.ids()

    def update_ports(self, guests: Mapping[str, Sequence[Nic]]) -> None:
        """See the contract."""
        self._lasting("", lambda: self._ports.update(guests))

    def attach_interface(self, guest: GuestSpec, nic: Nic) -> None:
        """See the contract."""
        self._lasting(guest.uuid, lambda: self._ports.attach(guest, nic))

    def detach_interface(self, guest: GuestSpec, nic: Nic) -> None:
        """See the contract."""
        self._lasting(guest.uuid, lambda: self._ports.detach(guest, nic))

    def apply_routing(self, routing: Routing) -> None:
        """See the contract."""
        self._lasting("", lambda: self._networks.apply_routing(routing))

    def device_addresses(self, uuid: str) -> Mapping[str, tuple[str, str]]:
        """See the contract."""

        def read() -> Mapping[str, tuple[str, str]]:
            domain = self._host.find_or_none(uuid)
            return {} if domain is None else device_addresses.device_addresses(domain.XMLDesc(0))

        return self._lasting(uuid, read)

    def no_metadata(self) -> str:
        """See the contract."""
        return self._networks.no_metadata()

    def metadata_links(self) -> Mapping[str, str]:
        """See the contract."""
        return self._lasting("", self._networks.links)
