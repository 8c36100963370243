"""Networks of a fake host: what was made is a file, so that a test can look at it from another process.

`networks/<id>.json` is a network as it was asked for, `routing.json` floating addresses and routers; a guest's ports,
with their firewalls, are in its own record (`GuestRecord.ports`) where they say more than its first address.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from typing import Any

from tuinova.core.errors import DeviceDetachFailed
from tuinova.core.errors.network import InvalidInput
from tuinova.virt.driver import DriverError, GuestNotFound, GuestSpec, Nic
from tuinova.virt.fake import machine
from tuinova.virt.fake.guests import GuestKeeper
from tuinova.virt.fake.record import GuestRecord, ports_of
from tuinova.virt.networks import NetworkMode, NetworkModes, NetworkSpec, Routing


class Networks(GuestKeeper):
    """The part of the contract about networks."""

    def network_modes(self) -> NetworkModes:
        """See the contract: nothing is made, so everything can be."""
        return dict.fromkeys(NetworkMode, "")

    def check_network(self, network: NetworkSpec) -> None:
        """See the contract; the bridges of the host are those of its options."""
        self.faults.strike("check_network", "before")
        if network.mode is NetworkMode.PROVIDER and network.bridge not in self.options.bridges:
            known = ", ".join(self.options.bridges)
            raise InvalidInput(error_message=f"there is no bridge {network.bridge} on {self.host}; it has {known}")

    def ensure_network(self, network: NetworkSpec) -> None:
        """See the contract."""
        self.faults.strike("ensure_network", "before")
        os.makedirs(self._networks, mode=0o700, exist_ok=True)
        self._file(f"networks/{network.id}.json", asdict(network))
        self.faults.strike("ensure_network", "after")

    def remove_network(self, network_id: str) -> None:
        """See the contract."""
        self.faults.strike("remove_network", "before")
        for record in self.store.records():
            if any((port["spec"] or {}).get("id") == network_id for port in record.ports):
                raise DriverError(reason=f"network {network_id} is in use by {record.name}")
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.directory / "networks" / f"{network_id}.json")
        self.faults.strike("remove_network", "after")

    def networks_made(self) -> Collection[str]:
        """See the contract."""
        self.faults.strike("networks_made", "before")
        try:
            return sorted(name.removesuffix(".json") for name in os.listdir(self._networks) if name.endswith(".json"))
        except FileNotFoundError:
            return ()

    def update_ports(self, guests: Mapping[str, Sequence[Nic]]) -> None:
        """See the contract."""
        self.faults.strike("update_ports", "before")
        for uuid, nics in guests.items():
            with contextlib.suppress(GuestNotFound):
                self.apply(uuid, partial(_refresh_ports, nics))
        self.faults.strike("update_ports", "after")

    def attach_interface(self, guest: GuestSpec, nic: Nic) -> None:
        """See the contract; in the middle the port is plugged."""
        names = (guest.uuid, guest.name, guest.display_name)
        self.faults.strike("attach_interface", "before", *names)
        before = self.ours(guest.uuid).ports
        self.apply(guest.uuid, lambda record, now: _set_ports(record, guest.nics, whole=True))
        try:
            self.faults.strike("attach_interface", "middle", *names)
            self.faults.strike("attach_interface", "after", *names)
        except DriverError:
            self.apply(guest.uuid, lambda record, now: _put_back(record, before))
            raise

    def detach_interface(self, guest: GuestSpec, nic: Nic) -> None:
        """See the contract; a guest that ignores ACPI holds on to it while it runs."""
        names = (guest.uuid, guest.name, guest.display_name)
        self.faults.strike("detach_interface", "before", *names)

        def change(record: GuestRecord, _now: float) -> machine.Events:
            if record.is_active and record.ignore_acpi:
                raise DeviceDetachFailed(device=nic.port_id, reason="the guest does not let go of it")
            left = [one for one in guest.nics if one.port_id != nic.port_id]
            return _set_ports(record, left, whole=bool(left))

        self.apply(guest.uuid, change)
        self.faults.strike("detach_interface", "middle", *names)
        self.faults.strike("detach_interface", "after", *names)

    def apply_routing(self, routing: Routing) -> None:
        """See the contract."""
        self.faults.strike("apply_routing", "before")
        self._file("routing.json", asdict(routing))
        self.faults.strike("apply_routing", "after")

    # for tests -------------------------------------------------------------------------------------------------------
    def made_network(self, network_id: str) -> dict[str, Any] | None:
        """A network as it was asked for; not of the contract."""
        return self._filed(f"networks/{network_id}.json")

    def routing(self) -> dict[str, Any]:
        """Floating addresses and routers; not of the contract."""
        return self._filed("routing.json") or {"floating": [], "routers": []}

    def ports_of(self, uuid: str) -> list[dict[str, Any]]:
        """A guest's ports as it has them; not of the contract."""
        return self.ours(uuid).ports

    @property
    def _networks(self) -> str:
        return str(self.directory / "networks")

    def _file(self, name: str, data: Any) -> None:
        path = self.directory / name
        new = path.with_name(path.name + ".new")
        new.write_text(json.dumps(data))
        os.replace(new, path)

    def _filed(self, name: str) -> dict[str, Any] | None:
        try:
            found: dict[str, Any] = json.loads((self.directory / name).read_text())
        except FileNotFoundError:
            return None
        return found


def _set_ports(record: GuestRecord, nics: Sequence[Nic], *, whole: bool = False) -> machine.Events:
    record.ports = ports_of(nics, whole=whole)
    record.address = next((nic.address for nic in nics if nic.address), None)
    return []


def _refresh_ports(nics: Sequence[Nic], record: GuestRecord, _now: float) -> machine.Events:
    return _set_ports(record, nics)


def _put_back(record: GuestRecord, before: list[dict[str, Any]]) -> machine.Events:
    record.ports = before
    return []
