"""DHCP on a bridge that is not ours: a dnsmasq of our own, which answers the MACs of our ports and nobody else.

The host gets the network's host address on that bridge, as /32: guests find DHCP and the metadata there, and no route
of the host is touched. dnsmasq looks after itself as a daemon; its pid file says which one it is.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from pathlib import Path

from tuinova.virt.driver import DriverError
from tuinova.virt.libvirt.net import network_xml
from tuinova.virt.libvirt.net.commands import HostCommands
from tuinova.virt.libvirt.net.network_xml import LEASE_SECONDS, Owner, address_of, range_of
from tuinova.virt.networks import NetworkSpec

END_PATIENCE = 5.0


class ProviderDhcp:
    """One dnsmasq a provider network with DHCP."""

    def __init__(self, commands: HostCommands, owner: Owner) -> None:
        self._commands = commands
        self._owner = owner

    def ensure(self, spec: NetworkSpec, files: Path, *, is_told: bool) -> None:
        """Running with the present configuration; without a subnet to serve there is none."""
        wanted = self._configuration(spec, files)
        path = files / "dnsmasq.conf"
        present = path.read_text() if path.exists() else ""
        if wanted != present or not self._pid(files):
            self._end(files)
            if not wanted:
                path.unlink(missing_ok=True)
                return
            path.write_text(wanted)
            self._commands.run("dnsmasq", f"--conf-file={path}")
        elif not is_told:
            self.tell(files)

    def _configuration(self, spec: NetworkSpec, files: Path) -> str:
        served = [subnet for subnet in spec.subnets if subnet.dhcp and subnet.host_address and ":" not in subnet.cidr]
        if not served or not spec.bridge:
            return ""
        lines = [
            "port=0",
            "strict-order",
            "bind-dynamic",
            f"interface={spec.bridge}",
            "except-interface=lo",
            "no-resolv",
            "no-hosts",
            "dhcp-ignore=tag:!known",
            f"pid-file={files}/dnsmasq.pid",
            f"dhcp-leasefile={files}/leases",
            f"dhcp-hostsfile={files}/hosts",
            f"dhcp-optsfile={files}/options",
        ]
        if network_xml.is_domain(spec.dns_domain):
            lines.append(f"domain={spec.dns_domain}")
        for subnet in served:
            network = range_of(subnet.cidr)
            tag = network_xml.tag_of(subnet)
            lines.append(f"dhcp-range=set:{tag},{network.network_address},static,{network.netmask},{LEASE_SECONDS}")
        return "".join(f"{line}\n" for line in lines)

    @staticmethod
    def addresses(spec: NetworkSpec) -> list[str]:
        """What the host has on the bridge for it."""
        here = (subnet.host_address for subnet in spec.subnets)
        return [f"{address_of(address)}/32" for address in here if address is not None and ":" not in address]

    def tell(self, files: Path) -> None:
        """Have it read its hosts and options again."""
        pid = self._pid(files)
        if pid:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGHUP)

    def remove(self, files: Path) -> None:
        """End it."""
        if files.exists():
            self._end(files)

    def _end(self, files: Path) -> None:
        pid = self._pid(files)
        if not pid:
            return
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
        deadline = time.monotonic() + END_PATIENCE
        while self._pid(files):
            if time.monotonic() > deadline:
                raise DriverError(reason=f"dnsmasq (process {pid}) of {files.name} does not end")
            time.sleep(0.02)

    @staticmethod
    def _pid(files: Path) -> int:
        """The process, 0 when it does not run: a number may have passed to another program."""
        try:
            pid = int((files / "dnsmasq.pid").read_text())
            words = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except (OSError, ValueError):
            return 0
        return pid if f"--conf-file={files}/dnsmasq.conf" in words and state not in "ZX" else 0
