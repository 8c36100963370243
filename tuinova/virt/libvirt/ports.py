"""Ports of guests that are there: brought to what is said of them, plugged and unplugged while the guest runs."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from xml.etree import ElementTree as ET

import libvirt

from tuinova.core.errors import DeviceDetachFailed, NovaError
from tuinova.core.states import PowerState
from tuinova.virt.driver import DriverError, GuestSpec, Nic
from tuinova.virt.libvirt import power
from tuinova.virt.libvirt.errors import connection_broken, words
from tuinova.virt.libvirt.guest_xml import interface
from tuinova.virt.libvirt.guests import Guests
from tuinova.virt.libvirt.net import forwards

LOG = logging.getLogger(__name__)

# Nova's device_detach_timeout and device_detach_attempts.
DETACH_SECONDS = 20.0
DETACH_ATTEMPTS = 8
POLL = 0.1
_ON = frozenset({PowerState.RUNNING, PowerState.PAUSED})
# How libvirt says that a device is not there, or is on its way out already.
_GONE = frozenset({libvirt.VIR_ERR_DEVICE_MISSING, libvirt.VIR_ERR_OPERATION_FAILED, libvirt.VIR_ERR_INTERNAL_ERROR})


class Ports:
    """What is done to the ports of guests."""

    def __init__(self, guests: Guests) -> None:
        self._guests = guests
        self._host = guests.host
        self._networks = guests.networks

    def update(self, guests: Mapping[str, Sequence[Nic]]) -> None:
        """See the contract."""
        found = {uuid: self._host.find_or_none(uuid) for uuid in guests}
        here = {uuid: domain for uuid, domain in found.items() if domain is not None}
        before = {uuid: bool([item for item in self._networks.records.of(uuid) if item.nic.forwards]) for uuid in here}
        self._networks.update({uuid: guests[uuid] for uuid in here})
        failed = []
        for uuid, domain in here.items():
            if (before[uuid] or any(nic.forwards for nic in guests[uuid])) and power.state_of(domain) in _ON:
                try:
                    forwards.sync(domain, guests[uuid])
                except (DriverError, ValueError) as error:
                    failed.append(f"{uuid}: {error}")
        if failed:
            raise DriverError(reason="; ".join(failed))

    # plugging --------------------------------------------------------------------------------------------------------
    def attach(self, guest: GuestSpec, nic: Nic) -> None:
        """See the contract; attached already is fine."""
        domain = self._host.find(guest.uuid)
        device = interface(guest, nic, self._host.facts(guest), self._guests.options)
        xml = ET.tostring(device, encoding="unicode")
        try:
            self._networks.ensure_nic(nic)
            self._networks.plug(guest.uuid, [nic])
            for flag in _sides(domain):
                if _find(domain, nic.mac, flag) is None:
                    domain.attachDeviceFlags(xml, flag)
            if nic.forwards and power.state_of(domain) in _ON:
                forwards.sync(domain, [nic])
        except (NovaError, libvirt.libvirtError) as error:
            if isinstance(error, libvirt.libvirtError) and connection_broken(error):
                raise
            self._take_back(domain, guest.uuid, nic)
            raise

    def _take_back(self, domain: libvirt.virDomain, uuid: str, nic: Nic) -> None:
        try:
            for flag in _sides(domain):
                device = _find(domain, nic.mac, flag)
                if device is not None:
                    domain.detachDeviceFlags(device, flag)
            self._networks.unplug([item for item in self._networks.records.of(uuid) if item.mac == nic.mac.lower()])
        except (NovaError, libvirt.libvirtError) as error:
            # The attachment's own error goes up; what stays goes with the guest, or when this is called again.
            LOG.warning("port %s of %s can't be taken back: %s", nic.port_id, uuid, error)

    def detach(self, guest: GuestSpec, nic: Nic) -> None:
        """See the contract; the definition first, so that a guest that goes off meanwhile starts without it."""
        domain = self._host.find_or_none(guest.uuid)
        if domain is not None:
            for flag in _sides(domain):
                if flag == libvirt.VIR_DOMAIN_AFFECT_LIVE:
                    self._unplug_live(domain, nic)
                elif (device := _find(domain, nic.mac, flag)) is not None:
                    domain.detachDeviceFlags(device, flag)
        records = self._networks.records.of(guest.uuid)
        self._networks.unplug([item for item in records if item.mac == nic.mac.lower()])

    def _unplug_live(self, domain: libvirt.virDomain, nic: Nic) -> None:
        """Ask the guest to let go of it, again when it does not."""
        said = ""
        for _ in range(DETACH_ATTEMPTS):
            device = _find(domain, nic.mac, libvirt.VIR_DOMAIN_AFFECT_LIVE)
            if device is None:
                return
            try:
                domain.detachDeviceFlags(device, libvirt.VIR_DOMAIN_AFFECT_LIVE)
            except libvirt.libvirtError as error:
                if connection_broken(error) or error.get_error_code() not in _GONE:
                    raise
                # Asked for already: the guest takes its time.
                said = words(error)
            deadline = time.monotonic() + DETACH_SECONDS
            while time.monotonic() < deadline:
                if power.state_of(domain) not in _ON or _find(domain, nic.mac, libvirt.VIR_DOMAIN_AFFECT_LIVE) is None:
                    return
                time.sleep(POLL)
        raise DeviceDetachFailed(device=nic.port_id, reason=said or "the guest does not let go of it")


def _sides(domain: libvirt.virDomain) -> list[int]:
    """The definition, and the running guest where there is one."""
    sides = [libvirt.VIR_DOMAIN_AFFECT_CONFIG] if domain.isPersistent() else []
    return [*sides, libvirt.VIR_DOMAIN_AFFECT_LIVE] if power.state_of(domain) in _ON else sides


def _find(domain: libvirt.virDomain, mac: str, side: int) -> str | None:
    """The XML of the interface with a MAC address, None when there is none."""
    flags = libvirt.VIR_DOMAIN_XML_INACTIVE if side == libvirt.VIR_DOMAIN_AFFECT_CONFIG else 0
    root = ET.fromstring(domain.XMLDesc(flags))  # noqa: S314 - libvirt's own XML
    for device in root.findall("./devices/interface"):
        address = device.find("mac")
        if address is not None and address.get("address", "").lower() == mac.lower():
            return ET.tostring(device, encoding="unicode")
    return None
