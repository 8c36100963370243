"""All that the host's network has for our sake beside libvirt's networks: tables, addresses, routes, switches.

It is always made whole from records (networks, ports, routing), never by steps from what was there: so a call may be
repeated, and what a crash left half done is right after the next one.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Lock

from tuinova.virt.driver import DriverError
from tuinova.virt.libvirt.guest_xml import tap_name
from tuinova.virt.libvirt.net import firewall, network_xml, plain, ways
from tuinova.virt.libvirt.net.addresses import HostAddresses, Item
from tuinova.virt.libvirt.net.commands import HostCommands
from tuinova.virt.libvirt.net.firewall import GuardedPort
from tuinova.virt.libvirt.net.host_firewall import HostFirewall
from tuinova.virt.libvirt.net.network_xml import Owner, address_of, range_of
from tuinova.virt.libvirt.net.provider import ProviderDhcp
from tuinova.virt.libvirt.net.records import PortRecord, PortRecords
from tuinova.virt.networks import NetworkMode, NetworkSpec, Routing

LOG = logging.getLogger(__name__)

_BRIDGE_SWITCHES = ("net/bridge/bridge-nf-call-iptables", "net/bridge/bridge-nf-call-ip6tables")
BUSY_TRIES = 5
_BUSY = ("Resource busy", "temporarily unavailable", "Interrupted system call")
Made = Callable[[], tuple[NetworkSpec, ...]]
Device = Callable[[str], str | None]


class HostState:
    """Makes the host's network as the records say."""

    def __init__(
        self, commands: HostCommands, owner: Owner, records: PortRecords, made: Made, host_device: Device
    ) -> None:
        """`made`: our networks' records; `host_device`: the bridge of a network that the hypervisor has without us."""
        self._commands = commands
        self._owner = owner
        self._records = records
        self._made = made
        self._host_device = host_device
        directory = owner.instances / "networks"
        self._routing_file = directory / "routing.json"
        self._addresses = HostAddresses(commands, directory / "addresses.json", owner.prefix)
        self.host_firewall = HostFirewall(commands, owner.prefix)
        self.table = f"tuinova_{owner.tag}"
        self._lock, self._counter = Lock(), Lock()
        self._asked = self._done = 0
        self._has_tables: bool | None = None
        self._families: set[str] = set()

    # routing ---------------------------------------------------------------------------------------------------------
    @property
    def routing(self) -> Routing:
        """What was said last, also before this service started."""
        try:
            return plain.routing(json.loads(self._routing_file.read_text()))
        except FileNotFoundError:
            return Routing()
        except (OSError, ValueError, TypeError, KeyError) as error:
            LOG.warning("%s can't be read: %s", self._routing_file, error)
            return Routing()

    def set_routing(self, routing: Routing) -> None:
        """Note it, then make it so."""
        if routing != self.routing:
            self._routing_file.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
            part = Path(f"{self._routing_file}.part")
            part.write_text(json.dumps(plain.plain(routing)))
            part.rename(self._routing_file)
        self.apply()

    # making it so ----------------------------------------------------------------------------------------------------
    def apply(self) -> None:
        """Tables, addresses, routes, switches.

        Many callers at a time share one pass: whoever waited while a pass began after its call has nothing to do.
        """
        with self._counter:
            self._asked += 1
            mine = self._asked
        with self._lock:
            if self._done >= mine:
                return
            upto = self._asked
            self._apply()
            self._done = upto

    def _apply(self) -> None:
        plan = self._ways()
        ports = [port for record in self._records.staying() for port in self._guarded(record, plan)]
        texts = {
            "bridge": firewall.bridge_table(self.table, ports),
            "inet": ways.inet_table(self.table, plan, ports),
        }
        addresses, routes = sorted(set(self._wanted_addresses(plan))), self._wanted_routes(plan)
        nothing = not any(texts.values()) and not addresses and not routes
        if nothing and not self._addresses.has_any() and not self._may_have_tables():
            # Nothing to do here, and nothing to be allowed.
            return
        if not self._commands.allowed:
            # The ports' firewall is then libvirt's (nwfilter.py).
            if plan.networks or plan.routing != Routing():
                raise DriverError(
                    reason="networks, firewalls and routers need a service that runs as root, on this host"
                )
            return
        if ports:
            self._see_bridged_packets()
        self._replace_tables(texts)
        self._addresses.sync(addresses, routes)
        self.host_firewall.sync(wanted=bool(plan.bridges))

    def _may_have_tables(self) -> bool:
        """Whether tables of ours may be left; asked of the kernel once."""
        if self._has_tables is None:
            may = self._commands.allowed and not self._commands.missing("nft")
            done = self._commands.run("nft", "list", "tables", check=False) if may else None
            self._has_tables = done is not None and self.table in done.stdout
        return self._has_tables

    def mend(self) -> bool:
        """Make the tables anew when another program has thrown them away (`nft flush ruleset`); whether it had."""
        wanted = {f"table {family} {self.table}" for family in self._families}
        if not wanted or wanted <= set(self._commands.run("nft", "list", "tables", check=False).stdout.splitlines()):
            return False
        self.apply()
        return True

    def _replace_tables(self, texts: dict[str, str]) -> None:
        script = "".join(
            f"table {family} {self.table}\ndelete table {family} {self.table}\n{text}" for family, text in texts.items()
        )
        done = self._commands.run("nft", "-f", "-", text=script, check=False)
        for _ in range(BUSY_TRIES):
            if not done.returncode or not any(word in done.stderr for word in _BUSY):
                break
            # Another program (libvirt's iptables) was changing the rules at that moment.
            done = self._commands.run("nft", "-f", "-", text=script, check=False)
        if done.returncode:
            LOG.error("nft refused:\n%s", script)
            raise DriverError(reason=f"the firewall can't be set: {done.stderr.strip()[:1000]}")
        self._families = {family for family, text in texts.items() if text}
        self._has_tables = bool(self._families)

    def _see_bridged_packets(self) -> None:
        """Without this what guests of one bridge send each other passes the firewall by."""
        for name in _BRIDGE_SWITCHES:
            if self._commands.switch(name) is None:
                self._commands.run("modprobe", "br_netfilter", check=False)
            if self._commands.switch(name) is None:
                raise DriverError(
                    reason="this kernel shows bridged packets to no firewall (module br_netfilter): ports with "
                    "security groups can't be guarded"
                )
            self._commands.set_switch(name, "1")

    def unseen_packets(self) -> list[str]:
        """Where libvirt's filters have to do it and can't, in words."""
        if all(self._commands.switch(name) == "1" for name in _BRIDGE_SWITCHES):
            return []
        return [
            "bridged packets pass this host's firewall by (net.bridge.bridge-nf-call-iptables is not 1): security "
            "groups are not in force between guests of one network; set it, or run the service as root"
        ]

    # what is wanted --------------------------------------------------------------------------------------------------
    def _ways(self) -> ways.Ways:
        made, routing = self._made(), self.routing
        devices = {spec.id: self.device(spec) for spec in made}
        outside = [item.external for item in routing.floating]
        outside += [item.external for item in routing.routers if item.external is not None]
        hosts = {spec.source or spec.name for spec in outside if spec.mode is NetworkMode.HOST}
        hosts |= {record.network for record in self._records.staying() if record.network not in devices}
        for name in hosts:
            found = self._host_device(name)
            if found is not None:
                devices[name] = found
        return ways.Ways(made, devices, routing)

    def device(self, spec: NetworkSpec) -> str:
        """The bridge of a network of ours."""
        return spec.bridge or "" if spec.mode is NetworkMode.PROVIDER else self._owner.bridge(spec.id)

    @staticmethod
    def _guarded(record: PortRecord, plan: ways.Ways) -> Iterator[GuardedPort]:
        nic, bridge = record.nic, plan.devices.get(record.network)
        if nic.security is None or not bridge:
            return
        made = next((spec for spec in plan.networks if spec.id == record.network), None)
        addresses = tuple(address_of(item.address) for item in nic.addresses)
        dhcp = made is None or any(subnet.dhcp for subnet in made.subnets)
        yield GuardedPort(tap_name(nic.port_id), bridge, record.mac, addresses, nic.security, dhcp)

    def _wanted_addresses(self, plan: ways.Ways) -> Iterator[Item]:
        for spec in plan.networks:
            if spec.mode is NetworkMode.PROVIDER:
                yield from ((spec.bridge or "", address) for address in ProviderDhcp.addresses(spec))
                continue
            for subnet in spec.subnets:
                if subnet.host_address and not network_xml.announced(subnet):
                    prefix = range_of(subnet.cidr).prefixlen
                    yield self.device(spec), f"{address_of(subnet.host_address)}/{prefix}"
        for floating in plan.routing.floating:
            if (outer := plan.device(floating.external)) is not None:
                yield outer, f"{address_of(floating.address)}/32"
        for router in plan.routing.routers:
            for network_id, address, prefix in router.interfaces:
                if network_id in plan.devices and not self._has_by_itself(plan, network_id, address):
                    yield plan.devices[network_id], f"{address_of(address)}/{prefix}"
            outside = plan.device(router.external) if router.external else None
            if outside is not None and router.external_address:
                own = address_of(router.external_address)
                yield outside, f"{own}/{128 if ':' in own else 32}"

    @staticmethod
    def _has_by_itself(plan: ways.Ways, network_id: str, address: str) -> bool:
        """Whether libvirt gives the host this address already."""
        subnets = (subnet for spec in plan.networks if spec.id == network_id for subnet in spec.subnets)
        wanted = address_of(address)
        return any(subnet.host_address and address_of(subnet.host_address) == wanted for subnet in subnets)

    @staticmethod
    def _wanted_routes(plan: ways.Ways) -> list[Item]:
        routes = ((str(range_of(to)), address_of(hop)) for router in plan.routing.routers for to, hop in router.routes)
        return sorted(set(routes))

    def links(self, plan: ways.Ways | None = None) -> dict[str, str]:
        """Network to the interface on which the metadata is asked for."""
        plan = plan or self._ways()
        used = {record.network for record in self._records.staying()} | {spec.id for spec in plan.networks}
        return {name: device for name, device in plan.devices.items() if device and name in used}
