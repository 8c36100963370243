"""How a packet to 169.254.169.254 becomes ours: by a rule for each bridge, and by no address of this machine.

The machine may itself be a guest of a cloud, and ask that cloud's metadata service at the same address. So the address
is not put on an interface, where it would be this machine's for everybody on it: packets that come in on a bridge of
ours are looked up in a table of their own, in which it is local.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from typing import Any

from tuinova.core.guest_facts import METADATA_ADDRESS

_TABLE = "169254"
_PRIORITY = "169"  # before the tables that route everything else
_PATH = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C"}
_SECONDS = 20


class NoWay(OSError):
    """The rules of routing can't be set here; says why."""


class Ways:
    """The rules of this machine's routing that are the metadata service's."""

    def sweep(self) -> None:
        """Remove what an earlier service has left for bridges that are gone."""
        for rule in self._rules():
            if "iif_detached" in rule:
                self._ip("rule", "del", *self._words(str(rule["iif"])), check=False)

    def open(self, interface: str) -> None:
        """Packets to the address that come in on the interface are ours; open already is fine. Raises NoWay."""
        self._ip("route", "replace", "local", METADATA_ADDRESS, "dev", "lo", "table", _TABLE)
        if not any(rule["iif"] == interface for rule in self._rules()):
            self._ip("rule", "add", *self._words(interface))

    def close(self, interface: str) -> None:
        """They are no longer; closed already is fine."""
        self._ip("rule", "del", *self._words(interface), check=False)

    @staticmethod
    def _words(interface: str) -> tuple[str, ...]:
        return ("pref", _PRIORITY, "iif", interface, "lookup", _TABLE)

    def _rules(self) -> Iterator[dict[str, Any]]:
        shown = self._ip("-j", "rule", "show", check=False)
        try:
            rules = json.loads(shown or "[]")
        except ValueError:
            return
        yield from (rule for rule in rules if str(rule.get("table")) == _TABLE and rule.get("iif"))

    @staticmethod
    def _ip(*words: str, check: bool = True) -> str:
        try:
            done = subprocess.run(
                ["ip", *words], capture_output=True, text=True, stdin=subprocess.DEVNULL, env=_PATH, timeout=_SECONDS
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise NoWay(f"ip (Debian package iproute2): {error}") from error
        if check and done.returncode:
            raise NoWay(f"ip {' '.join(words)}: {done.stderr.strip()[:200]}")
        return done.stdout
