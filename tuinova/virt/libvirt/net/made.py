"""The networks that we make in libvirt: there and on as their records say, with a reservation for each port."""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import signal
from collections.abc import Iterable, Mapping
from pathlib import Path
from threading import RLock
from xml.etree import ElementTree as ET

import libvirt

from tuinova.virt.driver import DriverError, Nic
from tuinova.virt.libvirt.connection import Connection
from tuinova.virt.libvirt.guest_xml import network_name
from tuinova.virt.libvirt.net import network_xml
from tuinova.virt.libvirt.net.commands import HostCommands
from tuinova.virt.libvirt.net.network_xml import Owner
from tuinova.virt.libvirt.net.provider import ProviderDhcp
from tuinova.virt.libvirt.net.records import PortRecords
from tuinova.virt.libvirt.net.taps import plug_again
from tuinova.virt.networks import NetworkMode, NetworkSpec

LOG = logging.getLogger(__name__)

# dnsmasq's user must read its files, nobody else need look around.
DIRECTORY_MODE = 0o755


class MadeNetworks:
    """All networks of ours on one host."""

    def __init__(self, connection: Connection, commands: HostCommands, owner: Owner, records: PortRecords) -> None:
        self._connection = connection
        self._commands = commands
        self._owner = owner
        self._records = records
        self.directory = owner.instances / "networks"
        self._dhcp = ProviderDhcp(commands, owner)
        # libvirt refuses two updates of one network at the same time with a plain error.
        self._lock = RLock()
        self._known: dict[str, NetworkSpec] = {}

    # what is there ---------------------------------------------------------------------------------------------------
    def learn(self, conn: libvirt.virConnect) -> None:
        """Which of libvirt's networks are ours; what each is on is mended."""
        with self._lock:
            self._known = {}
            for network in conn.listAllNetworks(0):
                mark = network_xml.parse_mark(network.XMLDesc(0))
                if mark is not None and mark[:2] == (str(self._owner.instances), self._owner.host):
                    self._known[mark[2].id] = mark[2]

    @property
    def specs(self) -> tuple[NetworkSpec, ...]:
        """Their records."""
        return tuple(self._known.values())

    def ids(self) -> set[str]:
        """All of which anything is here: a network, or files that a crash left."""
        kept = {path.name for path in self.directory.iterdir()} if self.directory.exists() else set()
        return {*self._known, *(name for name in kept if (self.directory / name).is_dir())}

    def device(self, spec: NetworkSpec) -> str:
        """The bridge of a network."""
        return spec.bridge or "" if spec.mode is NetworkMode.PROVIDER else self._owner.bridge(spec.id)

    def _files(self, network_id: str) -> Path:
        if not network_id or "/" in network_id or network_id.startswith("."):
            raise DriverError(reason=f"{network_id!r} is no id of a network")
        return self.directory / network_id

    def _lookup(self, network_id: str) -> libvirt.virNetwork | None:
        try:
            return self._connection.get().networkLookupByName(network_name(network_id))
        except libvirt.libvirtError as error:
            if error.get_error_code() == libvirt.VIR_ERR_NO_NETWORK:
                return None
            raise

    def _own(self, network: libvirt.virNetwork) -> NetworkSpec:
        """Its record; a network of another tuinova on this machine is never touched."""
        mark = network_xml.parse_mark(network.XMLDesc(libvirt.VIR_NETWORK_XML_INACTIVE))
        if mark is None or mark[:2] != (str(self._owner.instances), self._owner.host):
            raise DriverError(reason=f"libvirt's network {network.name()} was not made by this service")
        return mark[2]

    # making ----------------------------------------------------------------------------------------------------------
    def ensure(self, spec: NetworkSpec) -> bool:
        """There and on, as `spec` says; what differs is changed, and guests stay joined. False: nothing was to do."""
        with self._lock:
            files = self._files(spec.id)
            files.mkdir(mode=DIRECTORY_MODE, parents=True, exist_ok=True)
            for directory in (self.directory, files):
                directory.chmod(DIRECTORY_MODE)
            is_told = not self._write_files(spec)
            network, is_defined = self._define(spec)
            is_on = bool(network.isActive())
            if not is_on:
                network.create()
            self._known[spec.id] = spec
            if not (is_on and is_defined):
                self._reserve(network, spec)
                plug_again(self._commands, self.device(spec), self._ports(spec.id))
            if spec.mode is NetworkMode.PROVIDER:
                self._dhcp.ensure(spec, files, is_told=is_told)
            elif is_on and not is_told:
                self._tell_dnsmasq(spec)
            return not (is_told and is_defined and is_on)

    def _define(self, spec: NetworkSpec) -> tuple[libvirt.virNetwork, bool]:
        """The network, and whether it was defined so already."""
        conn = self._connection.get()
        network = self._lookup(spec.id)
        files = self._files(spec.id)
        wanted = network_xml.build(spec, self._owner, files)
        if network is None:
            network = conn.networkDefineXML(wanted)
            network.setAutostart(1)
            return network, False
        before = self._own(network)
        if before == spec:
            return network, True
        restarts = _without_mark(network_xml.build(before, self._owner, files)) != _without_mark(wanted)
        root = ET.fromstring(wanted)  # noqa: S314 - our own XML
        ET.SubElement(root, "uuid").text = network.UUIDString()
        changed = conn.networkDefineXML(ET.tostring(root, encoding="unicode"))
        if restarts and changed.isActive():
            # libvirt changes neither subnets nor options of a network that is on; the taps are plugged again.
            changed.destroy()
        return changed, False

    def remove(self, network_id: str) -> None:
        """Gone with all that belongs to it; raises DriverError while ports are on it."""
        with self._lock:
            users = sorted({record.uuid for record in self._records.all() if record.network == network_id})
            if users:
                raise DriverError(reason=f"network {network_id} is used by {', '.join(users)}")
            files = self._files(network_id)
            network = self._lookup(network_id)
            if network is not None:
                self._own(network)
                if network.isActive():
                    if ports := network.listAllPorts(0):
                        raise DriverError(reason=f"network {network_id} is used by {len(ports)} guests that run")
                    network.destroy()
                network.undefine()
            self._dhcp.remove(files)
            self._known.pop(network_id, None)
            shutil.rmtree(files, ignore_errors=True)

    # ports -----------------------------------------------------------------------------------------------------------
    def _ports(self, network_id: str) -> list[Nic]:
        return [item.nic for item in self._records.staying() if item.network == network_id]

    def reserve(self, network_id: str) -> None:
        """Bring the reservations of a network to the records of its ports."""
        with self._lock:
            spec = self._known.get(network_id)
            network = self._lookup(network_id) if spec is not None else None
            if spec is None or network is None:
                return
            changed = self._write_files(spec)
            self._reserve(network, spec)
            if changed and spec.mode is NetworkMode.PROVIDER:
                self._dhcp.tell(self._files(network_id))
            elif changed:
                self._tell_dnsmasq(spec)

    def _reserve(self, network: libvirt.virNetwork, spec: NetworkSpec) -> None:
        """libvirt's own entries."""
        wanted = {}
        for nic in self._ports(spec.id):
            address = network_xml.libvirt_reservation(spec, nic)
            if address is not None:
                wanted[nic.mac.lower()] = address
        # The definition and what runs apart: a definition that was written anew has no entries.
        _bring(network, wanted, libvirt.VIR_NETWORK_UPDATE_AFFECT_CONFIG, libvirt.VIR_NETWORK_XML_INACTIVE)
        if network.isActive():
            _bring(network, wanted, libvirt.VIR_NETWORK_UPDATE_AFFECT_LIVE, 0)

    def _write_files(self, spec: NetworkSpec) -> bool:
        """dnsmasq's two files; whether one of them is another than before."""
        files = self._files(spec.id)
        texts = {
            "hosts": network_xml.hosts_file(spec, self._ports(spec.id)),
            "options": network_xml.options_file(spec),
        }
        changed = [_replace(files / name, text) for name, text in texts.items()]
        return any(changed)

    def _tell_dnsmasq(self, spec: NetworkSpec) -> None:
        """Have libvirt's dnsmasq read our files again."""
        for pid in _processes("dnsmasq", f"/{network_name(spec.id)}.conf"):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGHUP)

    def supervise(self) -> None:
        """At the start of a service: what runs beside libvirt, and what the one before may not have come to tell."""
        with self._lock:
            for spec in self.specs:
                plug_again(self._commands, self.device(spec), self._ports(spec.id))
                if spec.mode is NetworkMode.PROVIDER:
                    self._dhcp.ensure(spec, self._files(spec.id), is_told=False)
                else:
                    self._tell_dnsmasq(spec)


def _bring(network: libvirt.virNetwork, wanted: Mapping[str, str], side: int, view: int) -> None:
    """The entries of one side to what is wanted (MAC to address)."""
    root = ET.fromstring(network.XMLDesc(view))  # noqa: S314 - libvirt's own XML
    hosts, place = root.findall("./ip/dhcp/host"), network_xml.dhcp_place(root)
    present = {host.get("mac", "").lower(): host.get("ip", "") for host in hosts if host.get("mac")}
    # First those that go: an address may have passed from one port to another.
    for mac, address in present.items():
        if wanted.get(mac) != address:
            _update(network, place, libvirt.VIR_NETWORK_UPDATE_COMMAND_DELETE, mac, address, side)
    for mac, address in wanted.items():
        if present.get(mac) != address:
            _update(network, place, libvirt.VIR_NETWORK_UPDATE_COMMAND_ADD_LAST, mac, address, side)


def _update(network: libvirt.virNetwork, place: int, command: int, mac: str, address: str, side: int) -> None:
    host = ET.Element("host", {"mac": mac, "ip": address})
    # A lease outlives its guest, and until its end dnsmasq gives the address to nobody else: keep it short.
    ET.SubElement(host, "lease", {"expiry": str(network_xml.LEASE_SECONDS // 60), "unit": "minutes"})
    section = libvirt.VIR_NETWORK_SECTION_IP_DHCP_HOST
    network.update(command, section, place, ET.tostring(host, encoding="unicode"), side)


def _without_mark(xml: str) -> str:
    root = ET.fromstring(xml)  # noqa: S314 - our own XML
    for metadata in root.findall("metadata"):
        root.remove(metadata)
    return ET.tostring(root, encoding="unicode")


def _replace(path: Path, text: str) -> bool:
    """Write a file whole; whether it is another than before."""
    if path.exists() and path.read_text() == text:
        return False
    part = path.with_suffix(".part")
    part.write_text(text)
    part.chmod(0o644)
    part.rename(path)
    return True


def _processes(program: str, argument: str) -> Iterable[int]:
    """Those of a program with something in their arguments."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                words = (entry / "cmdline").read_bytes().decode(errors="replace").split("\0")
                if words[0].endswith(program) and any(word.endswith(argument) for word in words):
                    yield int(entry.name)
