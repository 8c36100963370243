"""Guests without a machine: a network namespace at the end of a port's interface, in which a test may send anything.

A real guest needs seconds under emulation and has no program that forges frames; to the host a port is only the name of
its interface, so here a virtual cable has it.
"""

from __future__ import annotations

import ctypes
import os
import socket
import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from tests.lab import processes
from tests.lab.private import SYSTEM_PATH, LabError, PrivateLibvirt

T = TypeVar("T")
_CLONE_NEWNET = 0x40000000


def within(pid: int, call: Callable[[], T]) -> T:
    """Make a call in the network namespace of a process; sockets that it makes stay there."""

    def enter() -> T:
        libc = ctypes.CDLL(None, use_errno=True)
        descriptor = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        try:
            if libc.setns(descriptor, _CLONE_NEWNET):
                raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
        finally:
            os.close(descriptor)
        return call()

    # A thread of its own, which ends in the other namespace.
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(enter).result()


def run_in(pid: int, *words: str, check: bool = True) -> str:
    """What a program prints in the network namespace of a process."""
    command = ["nsenter", "--target", str(pid), "--net", "--", *words]
    done = subprocess.run(command, capture_output=True, text=True, env={"PATH": SYSTEM_PATH}, timeout=60)
    if check and done.returncode:
        raise LabError(f"{' '.join(words)}: {done.stderr.strip()}")
    return done.stdout


def lab_run(lab: PrivateLibvirt, *words: str, check: bool = True) -> str:
    """The same where the lab's bridges are."""
    return run_in(lab.pids["holder"], *words, check=check)


class Wire:
    """An interface of the lab's host, and what is at its other end."""

    def __init__(self, lab: PrivateLibvirt, name: str, bridge: str | None, mac: str | None = None) -> None:
        # It must not outlive the test run, however that ends.
        holder = ["setpriv", "--pdeathsig", "KILL", "unshare", "--net", "sleep", "infinity"]
        self._holder = subprocess.Popen(holder, stdin=subprocess.DEVNULL)
        self.pid = self._holder.pid
        self.name = name
        self.lab = lab
        ours = os.readlink("/proc/self/ns/net")
        while not _moved(self.pid, ours):
            if not processes.alive(self.pid):
                raise LabError("no network namespace for a wire")
        lab_run(lab, "ip", "link", "add", name, "type", "veth", "peer", "name", "eth0", "netns", str(self.pid))
        if bridge:
            lab_run(lab, "ip", "link", "set", name, "master", bridge)
        lab_run(lab, "ip", "link", "set", name, "up")
        self.run("ip", "link", "set", "lo", "up")
        if mac:
            self.run("ip", "link", "set", "eth0", "address", mac)
        self.run("ip", "link", "set", "eth0", "up")

    def run(self, *words: str, check: bool = True) -> str:
        """A program in there."""
        return run_in(self.pid, *words, check=check)

    def socket(self, kind: int = socket.SOCK_STREAM, family: int = socket.AF_INET) -> socket.socket:
        """A socket in there."""
        found = within(self.pid, lambda: socket.socket(family, kind))
        found.settimeout(2)
        return found

    def raw(self) -> socket.socket:
        """Whole frames of its interface."""

        def make() -> socket.socket:
            found = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
            found.bind(("eth0", 0))
            return found

        found = within(self.pid, make)
        found.settimeout(0.3)
        return found

    def listen(self, port: int) -> socket.socket:
        """A TCP server in there."""
        server = self.socket()
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind(("", port))
        server.listen(8)
        return server

    def reaches(self, address: str, port: int, seconds: float = 0.5) -> bool:
        """Whether a TCP connection comes about."""
        with self.socket() as client:
            client.settimeout(seconds)
            try:
                client.connect((address, port))
            except OSError:
                return False
            return True

    def close(self) -> None:
        """The namespace goes, and the cable with it."""
        lab_run(self.lab, "ip", "link", "del", self.name, check=False)
        processes.end([self.pid], grace=0.0)
        self._holder.wait()


def _moved(pid: int, ours: str) -> bool:
    try:
        return os.readlink(f"/proc/{pid}/ns/net") != ours
    except OSError:
        return False
