"""The host's own firewall beside ours: where it drops by default, our bridges are let through.

What a table of nftables accepts another may still drop. Docker sets the policy of FORWARD to drop, ufw that of INPUT:
there two rules for our bridges, known by the beginning of their names, leave the decision to our own table.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

from tuinova.virt.libvirt.net.commands import HostCommands

LOG = logging.getLogger(__name__)

_PROGRAMS = ("iptables", "ip6tables")


class HostFirewall:
    """iptables' built-in chains of IPv4 and IPv6."""

    def __init__(self, commands: HostCommands, prefix: str) -> None:
        self._commands = commands
        self._prefix = prefix
        self._note = f"tuinova:{prefix}"

    def _rules(self, program: str) -> list[tuple[str, ...]]:
        comment = ("-m", "comment", "--comment", self._note, "-j", "ACCEPT")
        bridges = f"{self._prefix}+"
        dhcp = "67" if program == "iptables" else "547"
        icmp = "icmp" if program == "iptables" else "ipv6-icmp"
        rules: list[tuple[str, ...]] = [("FORWARD", way, bridges, *comment) for way in ("-i", "-o")]
        for match in (("udp", "--dport", dhcp), ("udp", "--dport", "53"), ("tcp", "--dport", "53")):
            rules.append(("INPUT", "-i", bridges, "-p", *match, *comment))
        rules.append(("INPUT", "-i", bridges, "-p", icmp, *comment))
        if program == "iptables":
            where = ("-d", "169.254.169.254/32", "-p", "tcp", "--dport", "80")
            rules.append(("INPUT", "-i", bridges, *where, *comment))
        return rules

    def sync(self, *, wanted: bool) -> None:
        """Rules where a policy drops and we have bridges, none elsewhere."""
        for program in _PROGRAMS:
            if self._commands.missing(program):
                continue
            present = self._lines(program)
            for rule in self._rules(program):
                needed = wanted and f"-P {rule[0]} DROP" in present
                has = self._holds(present, rule)
                if needed and not has:
                    self._commands.run(program, "-w", "-I", *rule)
                elif has and not needed:
                    self._commands.run(program, "-w", "-D", *rule, check=False)

    def _lines(self, program: str) -> Sequence[str]:
        done = self._commands.run(program, "-w", "-S", check=False)
        return done.stdout.splitlines() if done.returncode == 0 else ()

    def _holds(self, lines: Sequence[str], rule: tuple[str, ...]) -> bool:
        """Whether a rule of ours is there; iptables writes it with words of its own between ours."""
        chain, *words = rule
        marked = [line.replace('"', "").split() for line in lines if self._note in line]
        wanted = [word for word in words if word not in ("-m", "comment")]
        return any(line[:2] == ["-A", chain] and all(word in line for word in wanted) for line in marked)

    def problems(self) -> list[str]:
        """Chains whose policy is to drop, in words: bridges that are not ours are not let through."""
        found = []
        for program in _PROGRAMS:
            if not self._commands.missing(program) and "-P FORWARD DROP" in self._lines(program):
                found.append(
                    f"the host's own firewall ({program}, chain FORWARD) drops what it does not know: networks made "
                    "here are let through, guests on existing bridges may be cut off"
                )
        return found
