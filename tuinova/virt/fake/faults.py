"""Failures to order: a test says which call of a fake driver goes wrong, and how.

The orders are an object, by method name (`spawn`, `power_off`, `reboot` ...; `*` for any), in `faults.json` in the
driver's directory (read again when it changes, so another process can order) or in `FakeOptions.faults`:

    {"spawn": {"error": "No space left", "kind": "reschedule", "times": 2, "guest": "vm1", "when": "middle"}}

kind: `reschedule` an ordinary driver error (the default); `abort` a BuildAbortException; `lost` HypervisorUnavailable;
`hang` never returns until the order is withdrawn or the driver is closed; `slow` only waits `delay`; `kill` ends the
whole process as kill -9 would. `delay` seconds go by first. `times` absent: for ever. `guest`: only this uuid, domain
name or display name. `when`: `before` the work (the default), in the `middle` of it (spawn: a directory, nothing runs;
destroy and cleanup: off, files still there; the calls of rescues, snapshots and migrations say theirs in their
docstrings; others: as before), `after` it.
The method `connection` is special: while it is ordered every call fails with HypervisorUnavailable.
"""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tuinova.core.errors import BuildAbortException, HypervisorUnavailable
from tuinova.virt.driver import DriverError

_LOOK_SECONDS = 0.01  # how late an order of another process may be noticed; our own are at once
_version = 0


def _changed() -> None:
    global _version
    _version += 1


def order_faults(directory: Path, faults: Mapping[str, Mapping[str, Any]]) -> None:
    """Write `faults.json` of a driver's directory; an empty mapping withdraws every order."""
    path = directory / "faults.json"
    if not faults:
        path.unlink(missing_ok=True)
        _changed()
        return
    new = path.with_suffix(".new")
    new.write_text(json.dumps(faults))
    os.replace(new, path)
    _changed()


class Faults:
    """The orders in force for one driver."""

    def __init__(self, directory: Path, host: str, ordered: Mapping[str, Mapping[str, Any]]) -> None:
        self._directory = directory
        self._path = str(directory / "faults.json")
        self._host = host
        self._ordered: dict[str, dict[str, Any]] = {name: dict(order) for name, order in ordered.items()}
        self._lock = threading.Lock()
        self._stamp: tuple[int, int] | None = None
        self._filed: dict[str, dict[str, Any]] = {}
        self._orders: dict[str, dict[str, Any]] = self._ordered
        self._looked = (-1, 0.0)  # version and time of the last look at the file
        self.closed = threading.Event()

    @property
    def are_ordered(self) -> bool:
        """Whether anything is to go wrong; cheap, since every call asks (a file system call lets other threads in)."""
        now = time.monotonic()
        if self._looked[0] != _version or now - self._looked[1] >= _LOOK_SECONDS:
            with self._lock:
                version = _version
                self._read()
                # Not before: another thread would take what was known until now for the answer.
                self._looked = (version, now)
        return bool(self._orders)

    def _read(self) -> None:
        try:
            status = os.stat(self._path)
        except FileNotFoundError:
            self._stamp, self._filed, self._orders = None, {}, self._ordered
            return
        stamp = (status.st_ino, status.st_mtime_ns)
        if stamp != self._stamp:
            with open(self._path, "rb") as file:
                self._filed = json.loads(file.read() or b"{}")
            self._stamp = stamp
        self._orders = {**self._ordered, **self._filed}

    def order(self, method: str, fault: Mapping[str, Any] | None) -> None:
        """Order a fault of this object alone, or withdraw it with None."""
        with self._lock:
            if fault is None:
                self._ordered.pop(method, None)
            else:
                self._ordered[method] = dict(fault)
            self._read()

    def connection_lost(self) -> str | None:
        """Why the connection is gone; None while it is there."""
        if not self.are_ordered:
            return None
        order = self._orders.get("connection")
        return None if order is None else str(order.get("error", "end of file from the hypervisor"))

    def _take(self, method: str, when: str, names: tuple[str, ...]) -> dict[str, Any] | None:
        with self._lock:
            orders = self._orders
            name = method if method in orders else "*"
            order = orders.get(name)
            if order is None or order.get("when", "before") != when:
                return None
            if order.get("guest") is not None and order["guest"] not in names:
                return None
            times = order.get("times")
            if times is None:
                return order
            if times <= 0:
                return None
            order["times"] = times - 1
            if name in self._filed:
                order_faults(self._directory, self._filed)
                self._stamp = None
            return dict(order)

    def strike(self, method: str, when: str, *names: str) -> None:
        """Do what was ordered for this call at this point; `names` are the guest's uuid and names."""
        if not self.are_ordered:
            return
        if when == "before":
            reason = self.connection_lost()
            if reason is not None:
                raise HypervisorUnavailable(host=self._host, reason=reason)
        order = self._take(method, when, names)
        if order is None:
            return
        self.closed.wait(float(order.get("delay", 0)))
        text = str(order.get("error", f"{method} failed as ordered"))
        kind = order.get("kind", "reschedule")
        if kind == "slow":
            return
        if kind == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        if kind == "hang":
            while not self.closed.wait(0.02) and self._still_ordered(method):
                continue
        if kind == "abort":
            raise BuildAbortException(instance_uuid=names[0] if names else "", reason=text)
        if kind == "lost":
            raise HypervisorUnavailable(host=self._host, reason=text)
        raise DriverError(reason=text)

    def _still_ordered(self, method: str) -> bool:
        return self.are_ordered and (method in self._orders or "*" in self._orders)
