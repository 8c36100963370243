"""The ports that are plugged here, a file a MAC address: what libvirt's definitions can't say of them.

Written before anything is made for a port and removed after the last of it is gone, so that a crash leaves no trace
without a record. The whole firewall is made of these records, also when the service starts anew.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from threading import RLock
from typing import Any

from tuinova.virt.driver import Nic
from tuinova.virt.libvirt.net import plain

LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class PortRecord:
    """A port and whose it is; `addresses` that the network's DHCP was told are those of `nic`."""

    uuid: str
    nic: Nic

    @property
    def mac(self) -> str:
        """In lower case, as libvirt and dnsmasq write it."""
        return self.nic.mac.lower()

    @property
    def network(self) -> str:
        """The id of a network of ours, or the hypervisor's own name of its network."""
        return network_key(self.nic)


def network_key(nic: Nic) -> str:
    """What a port's network is known by here."""
    spec = nic.spec
    if spec is None:
        return nic.network
    return spec.source or nic.network if spec.mode == "host" else spec.id


def _read(path: Path) -> PortRecord | None:
    try:
        value: Mapping[str, Any] = json.loads(path.read_text())
        if "nic" in value:
            return PortRecord(str(value["uuid"]), plain.nic(value["nic"]))
        # What an earlier version noted of a DHCP entry.
        return PortRecord(str(value["uuid"]), Nic("", value["mac"], value["network"], value["address"]))
    except (OSError, ValueError, TypeError, KeyError) as error:
        LOG.warning("%s is not a record of a port: %s", path, error)
        return None


class PortRecords:
    """All of them; kept in memory too, since each change of the firewall wants them all."""

    def __init__(self, instances: Path) -> None:
        self.directory = instances / "ports"
        self._lock = RLock()
        self._known: dict[str, PortRecord] | None = None
        self._leaving: set[str] = set()

    def prepare(self) -> None:
        """Make the directory, and drop what a crash left half written."""
        self.directory.mkdir(mode=0o700, exist_ok=True)
        for part in self.directory.glob("*.part"):
            part.unlink(missing_ok=True)

    def _path(self, mac: str) -> Path:
        return self.directory / f"{mac.replace(':', '-')}.json"

    def _all(self) -> dict[str, PortRecord]:
        if self._known is None:
            paths = sorted(self.directory.glob("*.json")) if self.directory.exists() else []
            found = (_read(path) for path in paths)
            self._known = {record.mac: record for record in found if record is not None}
        return self._known

    def add(self, uuid: str, nic: Nic) -> PortRecord:
        """Note a port, or what is new of it."""
        record = PortRecord(uuid, replace(nic, mac=nic.mac.lower()))
        with self._lock:
            if self._all().get(record.mac) != record:
                part = self._path(record.mac).with_suffix(".part")
                text = json.dumps({"uuid": uuid, "nic": plain.plain(record.nic)})
                descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
                with os.fdopen(descriptor, "w") as file:
                    file.write(text)
                part.rename(self._path(record.mac))
                self._all()[record.mac] = record
        return record

    def remove(self, mac: str) -> None:
        """Forget a port."""
        with self._lock:
            self._path(mac.lower()).unlink(missing_ok=True)
            self._all().pop(mac.lower(), None)

    def all(self) -> list[PortRecord]:
        """All that are noted."""
        with self._lock:
            return list(self._all().values())

    @contextmanager
    def leaving(self, macs: Collection[str]) -> Iterator[None]:
        """While what was made for these is taken away: nobody makes it anew meanwhile. Forgotten at the end."""
        gone = {mac.lower() for mac in macs}
        with self._lock:
            self._leaving |= gone
        try:
            yield
            for mac in gone:
                self.remove(mac)
        finally:
            with self._lock:
                self._leaving -= gone

    def staying(self) -> list[PortRecord]:
        """Those that something is to be made for: all but the leaving ones."""
        with self._lock:
            return [record for mac, record in self._all().items() if mac not in self._leaving]

    def get(self, mac: str) -> PortRecord | None:
        """One, None when it is not noted."""
        with self._lock:
            return self._all().get(mac.lower())

    def of(self, uuid: str) -> list[PortRecord]:
        """Those of one guest."""
        return [record for record in self.all() if record.uuid == uuid]
