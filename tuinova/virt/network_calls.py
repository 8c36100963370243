"""The contract's calls about networks; `driver` has the whole, and what holds for every call."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from tuinova.core.errors import NotSupported
from tuinova.virt.model import GuestSpec, Nic
from tuinova.virt.networks import NetworkMode, NetworkModes, NetworkSpec, Routing


class NetworkCalls:
    """What a hypervisor does about networks; one that makes none leaves these as they are."""

    def network_modes(self) -> NetworkModes:
        """Which networks can be made here, and why not the others."""
        reason = "This hypervisor makes no networks."
        return {mode: "" if mode is NetworkMode.HOST else reason for mode in NetworkMode}

    def check_network(self, network: NetworkSpec) -> None:
        """Refuse, with nothing touched, what can't be made: a bridge that isn't there, a range that the host uses.

        Raises Invalid with a sentence that says what, why and what to do.
        """
        raise NotSupported()

    def ensure_network(self, network: NetworkSpec) -> None:
        """Make a network be there and be on as it is said; what differs is changed, its guests stay joined."""
        raise NotSupported()

    def remove_network(self, network_id: str) -> None:
        """Remove a network that was made here, with all that belongs to it; raises DriverError while guests use it."""
        raise NotSupported()

    def networks_made(self) -> Collection[str]:
        """The ids of the networks that were made here, for finding orphans."""
        return ()

    def update_ports(self, guests: Mapping[str, Sequence[Nic]]) -> None:
        """Guest uuid -> its ports: bring their DHCP entries, firewalls and forwards to what is said, live.

        It may come while another call for one of them runs. Guests that are off get it too; a guest that is not here is
        passed over, and one whose ports are none loses what there is of any. One that fails does not stop the rest:
        then DriverError names those that failed.
        """
        raise NotSupported()

    def attach_interface(self, guest: GuestSpec, nic: Nic) -> None:
        """Plug a port into a guest, now and for later starts; `guest` has it already among its ports.

        Raises DriverError, with nothing left of it.
        """
        raise NotSupported()

    def detach_interface(self, guest: GuestSpec, nic: Nic) -> None:
        """Unplug it; the guest must let go of it. What is unplugged already is fine; raises DeviceDetachFailed."""
        raise NotSupported()

    def apply_routing(self, routing: Routing) -> None:
        """Floating addresses and routers of this host shall be these and no others, from one moment to the next."""
        raise NotSupported()

    def metadata_links(self) -> Mapping[str, str]:
        """Network id (or the hypervisor's name of its own network) -> interface on which its guests ask for metadata.

        Empty where guests can't be served from here. The service itself makes the address answer there.
        """
        return {}

    def no_metadata(self) -> str:
        """Why no guest here can be served by a metadata service in this process, a sentence; empty: they can."""
        return ""

    def device_addresses(self, uuid: str) -> Mapping[str, tuple[str, str]]:
        """MAC address, or serial in lower case, of a guest's devices to bus and address there (pci, 0000:01:00.0).

        What can't be told is "none"; a guest that is not defined (yet) has nothing.
        """
        return {}
