"""All networks of a host, as guests and the driver see them: which there are, plugging, firewall, ways out."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

import libvirt

from tuinova.core.errors import HypervisorUnavailable, NovaError
from tuinova.virt.driver import DriverError, GuestSpec, HostNetwork, Nic
from tuinova.virt.libvirt.connection import Connection
from tuinova.virt.libvirt.errors import translated, words
from tuinova.virt.libvirt.guest_xml import source_network
from tuinova.virt.libvirt.net import forwards
from tuinova.virt.libvirt.net.checks import NetworkChecks
from tuinova.virt.libvirt.net.commands import HostCommands
from tuinova.virt.libvirt.net.host_networks import HostNetworks
from tuinova.virt.libvirt.net.made import MadeNetworks
from tuinova.virt.libvirt.net.network_xml import Owner
from tuinova.virt.libvirt.net.nwfilter import NwFilters
from tuinova.virt.libvirt.net.records import PortRecord, PortRecords, network_key
from tuinova.virt.libvirt.net.state import HostState
from tuinova.virt.libvirt.options import LibvirtOptions
from tuinova.virt.networks import NetworkMode, NetworkModes, NetworkSpec, Routing

LOG = logging.getLogger(__name__)


class Networks:
    """Plugs and unplugs ports, makes networks, and tells what there is."""

    def __init__(
        self, connection: Connection, instances: Path, options: LibvirtOptions, user_mode: bool, host: str
    ) -> None:
        self._connection = connection
        self._options = options
        self.user_mode = user_mode
        self.commands = HostCommands(connection.uri)
        self.records = PortRecords(instances)
        owner = Owner(instances, host)
        self._host_networks = HostNetworks(connection, options, self.records, user_mode)
        self._made = MadeNetworks(connection, self.commands, owner, self.records)
        self.state = HostState(self.commands, owner, self.records, lambda: self._made.specs, self._host_networks.device)
        self._filters = NwFilters(connection)
        self._checks = NetworkChecks(connection, self.commands, owner, user_mode)

    def prepare(self, conn: libvirt.virConnect) -> None:
        """On every new connection: the network that guests join, and all that is ours as the records say."""
        if self.user_mode:
            return
        self.commands.learn()
        self._host_networks.prepare(conn)
        self._made.learn(conn)

    def recover(self) -> None:
        """Once the connection is there: what the host's network has for our sake, as it shall be."""
        if self.user_mode:
            return
        try:
            self._made.supervise()
            self.state.apply()
        except DriverError as error:
            # Guests go on with what there is; the next change tries again and tells its caller.
            LOG.warning("the networks of this host: %s", error)

    def close(self) -> None:
        """Let go of the host; nothing of its network is touched."""
        self.commands.close()

    # what there is ---------------------------------------------------------------------------------------------------
    def list(self) -> Sequence[HostNetwork]:
        """All that guests can join without us, the default first."""
        return self._host_networks.list()

    def modes(self) -> NetworkModes:
        """See the contract."""
        return self._checks.modes()

    def check(self, network: NetworkSpec) -> None:
        """See the contract."""
        self._checks.check(network, self._made.specs)

    def problem(self, network: NetworkSpec) -> str:
        """Why this host can't have a network, in a sentence; empty: it can."""
        return self._checks.problem(network)

    def ids(self) -> Collection[str]:
        """The ids of the networks that were made here."""
        return self._made.ids()

    def links(self) -> Mapping[str, str]:
        """See the contract's `metadata_links`."""
        if self.user_mode or not self.commands.allowed:
            return {}
        self.state.apply()
        return self.state.links()

    def no_metadata(self) -> str:
        """See the contract; an interface of that name on another machine, or in another namespace, is another one."""
        return next((reason for reason, is_so in self._against_metadata() if is_so), "")

    def _against_metadata(self) -> Iterator[tuple[str, bool]]:
        yield "user-mode networking leads to none", self.user_mode
        yield "their networks are on another machine", self.commands.is_remote
        yield "libvirt's networks are in another network namespace than this service", not self.commands.is_here
        yield "only a service that runs as root can give networks its address", not self.commands.allowed

    def warnings(self) -> Iterable[str]:
        """What an operator should know; of another machine's network nothing can be told from here."""
        if self.user_mode or self.commands.is_remote:
            return ()
        if not self.commands.allowed:
            return self.state.unseen_packets()
        try:
            with translated(self._connection.host):
                is_mended = self.state.mend()
        except NovaError as error:
            return [f"the networks' firewall had been removed by another program, and is not back: {error.message}"]
        found = ["the networks' firewall had been removed by another program; it is back"] if is_mended else []
        return [*found, *(self.state.host_firewall.problems() if self._made.specs else ())]

    # networks of ours ------------------------------------------------------------------------------------------------
    def ensure(self, network: NetworkSpec) -> None:
        """See the contract."""
        if self.user_mode or network.mode in (NetworkMode.HOST, NetworkMode.USER):
            return
        self._checks.require(network)
        if self._made.ensure(network):
            self.state.apply()

    def remove(self, network_id: str) -> None:
        """See the contract."""
        self._made.remove(network_id)
        self.state.apply()

    def apply_routing(self, routing: Routing) -> None:
        """See the contract."""
        self.state.set_routing(routing)

    # ports -----------------------------------------------------------------------------------------------------------
    def ensure_for(self, guest: GuestSpec) -> None:
        """The networks of a guest's ports, before it starts; on a host where they are not yet they are made."""
        for nic in guest.nics:
            self.ensure_nic(nic)
        self._filter(guest.uuid, guest.nics)

    def _filter(self, uuid: str, nics: Iterable[Nic]) -> None:
        """The ports' filters of libvirt, where we may write no firewall of our own; before a guest uses them."""
        if self.user_mode or self.commands.allowed:
            return
        for nic in nics:
            if nic.security is not None or self.records.get(nic.mac) is not None:
                self.records.add(uuid, nic)
                self._filters.ensure(nic)

    def ensure_nic(self, nic: Nic) -> None:
        """The network of one port."""
        spec = nic.spec
        if (
            spec is not None
            and not is_user(nic)
            and (all(item.id != spec.id for item in self._made.specs) or not self._is_on(nic))
        ):
            self.ensure(spec)

    def _is_on(self, nic: Nic) -> bool:
        try:
            return bool(self._connection.get().networkLookupByName(source_network(nic)).isActive())
        except libvirt.libvirtError as error:
            if error.get_error_code() == libvirt.VIR_ERR_NO_NETWORK:
                return False
            raise

    def plug(self, uuid: str, nics: Sequence[Nic]) -> None:
        """A guest's ports: addresses in DHCP, firewall; plugged already is fine."""
        self._note(uuid, nics)
        if self.user_mode or not nics:
            return
        self._filter(uuid, nics)
        for step in self._reservations(nics):
            step()
        self.state.apply()

    def _note(self, uuid: str, nics: Iterable[Nic]) -> None:
        """Write down ports; a session has something to remember of those with forwards only."""
        for nic in nics:
            if not self.user_mode or nic.forwards or self.records.get(nic.mac) is not None:
                self.records.add(uuid, nic)

    def _reservations(self, nics: Iterable[Nic]) -> Iterator[Callable[[], None]]:
        """What tells DHCP of these ports, each step by itself."""
        made = {spec.id for spec in self._made.specs}
        for network in sorted({network_key(nic) for nic in nics if network_key(nic) in made}):
            yield partial(self._made.reserve, network)
        for nic in nics:
            if network_key(nic) not in made and not is_user(nic):
                yield partial(self._host_networks.reserve, nic)

    def is_joined(self, uuid: str, nic: Nic) -> bool:
        """Whether a guest that starts has got its port of the network (or the network has none to give)."""
        if self.user_mode or is_user(nic):
            return True
        try:
            ports = self._connection.get().networkLookupByName(source_network(nic)).listAllPorts(0)
            return any(uuid in port.XMLDesc(0) for port in ports)
        except libvirt.libvirtError as error:
            # The start says what is wrong; here only its progress is asked for.
            LOG.debug("ports of %s: %s", network_key(nic), words(error))
            return True

    def unplug_all(self, uuid: str, until_off: Callable[[], None] = lambda: None) -> None:
        """Take all that a guest's ports have back; what is gone already is fine.

        `until_off` returns when nobody can send by them any more, and raises when somebody still can: so long, and
        then, the firewall stays.
        """
        self.unplug(self.records.of(uuid), until_off)

    def unplug(self, records: Sequence[PortRecord], until_off: Callable[[], None] = lambda: None) -> None:
        """Reservations and firewall first, the records last: a crash must not leave what nobody knows of."""
        if self.user_mode:
            for record in records:
                self.records.remove(record.mac)
        if self.user_mode or not records:
            return
        made = {spec.id for spec in self._made.specs}
        for record in records:
            if record.network not in made and not is_user(record.nic):
                self._host_networks.release(record)
        until_off()
        with self.records.leaving({record.mac for record in records}):
            for network in sorted({record.network for record in records} & made):
                self._made.reserve(network)
            self.state.apply()
            if not self.commands.allowed:
                for record in records:
                    self._filters.remove(record.nic.port_id)

    def update(self, guests: Mapping[str, Sequence[Nic]]) -> None:
        """Ports of many guests at once: one pass over the firewall, however many there are."""
        stale: list[PortRecord] = []
        for uuid, nics in guests.items():
            macs = {nic.mac.lower() for nic in nics}
            stale += [record for record in self.records.of(uuid) if record.mac not in macs]
            self._note(uuid, nics)
        self.unplug(stale)
        if self.user_mode:
            return
        # What guards comes first; one port that DHCP can't be told of does not stop the rest.
        self.state.apply()
        steps: list[Callable[[], None]] = [partial(self._filter, uuid, nics) for uuid, nics in guests.items()]
        steps += self._reservations([nic for nics in guests.values() for nic in nics])
        failed = []
        for step in steps:
            try:
                with translated(self._connection.host):
                    step()
            except HypervisorUnavailable:
                raise
            except NovaError as error:
                failed.append(error.message)
        if failed:
            raise DriverError(reason="; ".join(failed))

    def forward(self, domain: libvirt.virDomain) -> None:
        """Port forwards of a guest that has just started; it runs without one that can't be."""
        nics = [record.nic for record in self.records.of(domain.UUIDString()) if record.nic.forwards]
        try:
            if nics:
                forwards.sync(domain, nics)
        except (DriverError, ValueError) as error:
            LOG.warning("port forwards of %s: %s", domain.name(), error)


def is_user(nic: Nic) -> bool:
    """Whether a port has user-mode networking, also where there is better."""
    return nic.spec is not None and nic.spec.mode is NetworkMode.USER
