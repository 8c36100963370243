"""What one host's libvirt is: its daemon, its kind of guests, its user, and which domains are ours."""

from __future__ import annotations

import logging
import platform
import socket
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import parse_qs, urlsplit
from xml.etree import ElementTree as ET

import libvirt

from tuinova.virt.driver import DriverError, GuestNotFound, GuestSpec
from tuinova.virt.libvirt import layout, resources
from tuinova.virt.libvirt.connection import Connection
from tuinova.virt.libvirt.errors import words
from tuinova.virt.libvirt.guest_xml import MARK_NS, HostFacts, machine_type
from tuinova.virt.libvirt.kvm import KvmProbe, cpu_has_virtualisation, probe_kvm
from tuinova.virt.libvirt.net.commands import may_change_network
from tuinova.virt.libvirt.options import LibvirtOptions

LOG = logging.getLogger(__name__)

QEMU_USER_SENTENCE = (
    "the instances directory {instances} can't be used: QEMU runs as user {user}, who may not enter {closed}. Move the "
    "state directory (TUINOVA_STATE_DIR), open that directory (chmod o+x), or use qemu:///session"
)


class Host:
    """Facts of the host, read again on every new connection."""

    def __init__(self, host: str, connection: Connection, instances: Path, options: LibvirtOptions) -> None:
        self.name = host
        self.node = host
        self.connection = connection
        self.instances = instances
        self.options = options
        self.user_mode = urlsplit(connection.uri).path.rstrip("/") != "/system"
        self.virt_type = options.virt_type if options.virt_type in ("kvm", "qemu") else "qemu"
        self.virt_type_reason = "libvirt was not asked yet"
        self.capabilities = resources.Capabilities("<capabilities/>")
        self.kvm = KvmProbe(False, False, False, "not tried yet")
        self._cache_mode = ""
        self._video_models: dict[str, frozenset[str]] = {}
        self._ours: dict[str, bool] = {}
        self.foreign = resources.ForeignGuests()

    # facts -----------------------------------------------------------------------------------------------------------
    def learn(self, conn: libvirt.virConnect) -> None:
        """Capabilities, kind of guests, QEMU's user; raises DriverError when guests could never start here."""
        self.redefined(None)
        self._video_models.clear()
        self.node = conn.getHostname()
        self.capabilities = resources.Capabilities(conn.getCapabilities())
        self.kvm = probe_kvm()
        self._choose_virt_type()
        self.instances.mkdir(parents=True, exist_ok=True)
        user = self.capabilities.qemu_user()
        if user is not None and not self.user_mode:
            closed = layout.first_closed_directory(self.instances.resolve(), user)
            if closed is not None:
                sentence = QEMU_USER_SENTENCE.format(instances=self.instances, user=user.name, closed=closed)
                raise DriverError(reason=sentence)
        self._cache_mode = _cache_mode_of(self.instances)

    def _choose_virt_type(self) -> None:
        wanted = self.options.virt_type
        if wanted not in ("auto", "kvm", "qemu"):
            raise DriverError(reason=f"virt_type {wanted!r} is not known (auto, kvm, qemu)")
        if wanted != "auto":
            self.virt_type, self.virt_type_reason = wanted, f"virt_type is set to {wanted}"
            return
        works, reason = self.kvm.works, self.kvm.reason
        if self.kvm.denied and not self.user_mode:
            # We may not try, but the libvirtd that runs the guests may.
            works = cpu_has_virtualisation()
            reason += "; libvirtd may, and the processor shows " + ("vmx or svm" if works else "neither vmx nor svm")
        if works and not self.capabilities.offers_kvm():
            works, reason = False, f"{reason}, but libvirt offers no kvm guests"
        self.virt_type = "kvm" if works else "qemu"
        self.virt_type_reason = reason

    def facts(self, guest: GuestSpec) -> HostFacts:
        """What a guest's XML needs."""
        arch = self.capabilities.arch or platform.machine()
        machine = machine_type(guest, self.options, arch)
        return HostFacts(
            host=self.name,
            instances=self.instances,
            arch=arch,
            virt_type=self.virt_type,
            machine=machine,
            user_network=self.user_mode,
            cache_mode=self._cache_mode,
            cache_mode_of=_cache_mode_of,
            video_models=self._video(arch, machine),
            has_filters=not self.user_mode and not may_change_network(self.connection.uri),
        )

    def _video(self, arch: str, machine: str) -> frozenset[str]:
        """The video models of this QEMU (some distributions ship virtio's apart)."""
        if machine not in self._video_models:
            try:
                xml = self.connection.get().getDomainCapabilities(None, arch, machine or None, self.virt_type, 0)
            except libvirt.libvirtError as error:
                # A machine that QEMU does not know is said by the definition, with the name in it.
                LOG.debug("capabilities of machine %s: %s", machine, words(error))
                return frozenset()
            path = "./devices/video/enum[@name='modelType']/value"
            models = ET.fromstring(xml).findall(path)  # noqa: S314 - libvirt's own XML
            self._video_models[machine] = frozenset(model.text or "" for model in models)
        return self._video_models[machine]

    # ours and foreign ------------------------------------------------------------------------------------------------
    def redefined(self, uuid: str | None) -> None:
        """A domain's definition came, changed or went (None: any may have)."""
        self.foreign.forget(uuid)
        if uuid is None:
            self._ours.clear()
        else:
            self._ours.pop(uuid, None)

    def is_ours(self, domain: libvirt.virDomain) -> bool:
        """Whether a domain carries our mark with our instances directory (two tuinovas may share a libvirt)."""
        uuid = domain.UUIDString()
        known = self._ours.get(uuid)
        if known is None:
            known = self._ours[uuid] = self._carries_mark(domain)
        return known

    def _carries_mark(self, domain: libvirt.virDomain) -> bool:
        try:
            xml = domain.metadata(libvirt.VIR_DOMAIN_METADATA_ELEMENT, MARK_NS, 0)
        except libvirt.libvirtError as error:
            if error.get_error_code() == libvirt.VIR_ERR_NO_DOMAIN_METADATA:
                return False
            raise
        return ET.fromstring(xml).get("instances") == str(self.instances)  # noqa: S314 - libvirt's own XML

    def find(self, uuid: str) -> libvirt.virDomain:
        """Our domain; raises GuestNotFound, also for a foreign one."""
        try:
            domain = self.connection.get().lookupByUUIDString(uuid)
            if self.is_ours(domain):
                return domain
        except libvirt.libvirtError as error:
            if error.get_error_code() not in (libvirt.VIR_ERR_NO_DOMAIN, libvirt.VIR_ERR_INVALID_ARG):
                raise
        raise GuestNotFound(uuid=uuid)

    def find_or_none(self, uuid: str) -> libvirt.virDomain | None:
        """Our domain, None when there is none."""
        try:
            return self.find(uuid)
        except GuestNotFound:
            return None

    def refuse_foreign(self, uuid: str) -> None:
        """Raise DriverError when a foreign domain has this uuid: defining ours would overwrite it."""
        with suppress(libvirt.libvirtError):
            domain = self.connection.get().lookupByUUIDString(uuid)
            if not self.is_ours(domain):
                raise DriverError(reason=f"a guest that tuinova did not make has the uuid {uuid}: {domain.name()}")

    # health ----------------------------------------------------------------------------------------------------------
    def warnings(self) -> Iterator[str]:
        """What an operator should know."""
        if self.kvm.exists and not self.kvm.works and not self.kvm.denied and self.capabilities.offers_kvm():
            yield (
                f"KVM does not work here: {self.kvm.reason}. Guests are emulated, and libvirt probes every QEMU again "
                "at each start as long as it sees the device; take /dev/kvm away from libvirtd to make starts fast."
            )
        if self.virt_type == "kvm" and not self.kvm.works and not self.kvm.denied:
            yield f"virt_type is kvm, but {self.kvm.reason}."
        problem = self._virtlogd_problem()
        if problem:
            yield f"virtlogd does not answer ({problem}): console logs stand still and no guest can start."
        if not self.connection.up:
            yield f"libvirt at {self.connection.uri} does not answer; it is tried again and again."

    def _virtlogd_problem(self) -> str:
        """Why virtlogd can't be reached; empty when it can, or when we can't tell."""
        if self.user_mode:
            # libvirt starts a session's virtlogd by itself, when a guest needs it.
            return ""
        asked = parse_qs(urlsplit(self.connection.uri).query).get("socket")
        directory = Path(asked[0]).parent if asked else Path("/run/libvirt")
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            probe.settimeout(2)
            try:
                probe.connect(str(directory / "virtlogd-sock"))
            except PermissionError:
                return ""
            except OSError as error:
                return error.strerror or str(error)
        return ""


def _cache_mode_of(directory: Path) -> str:
    """Nova's: the guest's own caches are enough where files can be read past those of the host."""
    return "none" if layout.supports_direct_io(directory) else "writeback"
