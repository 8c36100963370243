"""Several private libvirts that reach each other: guests migrate between them, nothing else sees the link.

Each is a `PrivateLibvirt` with a name of its own; a virtual cable joins the network namespaces of each two, so no
interface, bridge or address of the machine is used. They know each other by name, as hosts of a data centre do, and
libvirtd listens for its peers on that cable. A program outside reaches each by its Unix socket.
"""

from __future__ import annotations

import subprocess
from types import TracebackType
from typing import Self

from tests.lab.private import SYSTEM_PATH, LabError, PrivateLibvirt

_LISTEN = 'listen_tls = 0\nlisten_tcp = 1\nauth_tcp = "none"\n'


class LinkedLibvirt(PrivateLibvirt):
    """One host of several: it has the address 10.77.0.NUMBER for its peers."""

    def __init__(self, number: int, names: dict[str, str]) -> None:
        self.name = f"tn-host{number}"
        super().__init__(hostname=self.name)
        self.number = number
        self.address = names[self.name]
        self.libvirtd_arguments = ("--listen",)
        lines = ["127.0.0.1 localhost", *(f"{address} {name}" for name, address in names.items())]
        (self.directory / "hosts").write_text("\n".join(lines) + "\n")

    def _configuration(self) -> str:
        return super()._configuration() + _LISTEN

    @property
    def peer_uri(self) -> str:
        """How its peers reach it."""
        return f"qemu+tcp://{self.name}/system"


class LibvirtHosts:
    """`with LibvirtHosts(2) as hosts: hosts[0].uri, hosts[0].peer_uri`; needs root, as namespaces do."""

    def __init__(self, count: int = 2) -> None:
        names = {f"tn-host{number}": f"10.77.0.{number}" for number in range(1, count + 1)}
        self.hosts = [LinkedLibvirt(number, names) for number in range(1, count + 1)]

    def __getitem__(self, place: int) -> LinkedLibvirt:
        return self.hosts[place]

    def __len__(self) -> int:
        return len(self.hosts)

    def __enter__(self) -> Self:
        try:
            for host in self.hosts:
                if not host.root:
                    raise LabError("several libvirt hosts need root: each has a network namespace of its own")
                host.start()
            for place, first in enumerate(self.hosts):
                for second in self.hosts[place + 1 :]:
                    self._link(first, second)
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """Guests, daemons, namespaces; the cables go with them."""
        for host in self.hosts:
            host.stop()

    @staticmethod
    def _link(first: LinkedLibvirt, second: LinkedLibvirt) -> None:
        """A cable between two namespaces, with a route to the other end's address and nothing else."""
        ends = (first, f"to{second.number}", second), (second, f"to{first.number}", first)
        names = [(host.pids["holder"], name) for host, name, _ in ends]
        _ip(
            "link",
            "add",
            names[0][1],
            "netns",
            str(names[0][0]),
            "type",
            "veth",
            "peer",
            "name",
            names[1][1],
            "netns",
            str(names[1][0]),
        )
        for host, name, peer in ends:
            within = ["nsenter", "--target", str(host.pids["holder"]), "--net", "ip"]
            _run([*within, "addr", "add", f"{host.address}/32", "peer", f"{peer.address}/32", "dev", name])
            _run([*within, "link", "set", name, "up"])


def _ip(*words: str) -> None:
    _run(["ip", *words])


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, env={"PATH": SYSTEM_PATH}, timeout=20)
    if done.returncode:
        raise LabError(f"{' '.join(command)}: {done.stderr.strip()}")
