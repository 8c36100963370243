"""Programs that change the network of the host: run where libvirt's bridges are.

That is the network namespace of the libvirtd that listens at the connection's socket: almost always our own.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
import socket
import struct
import subprocess
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tuinova.virt.driver import DriverError

LOG = logging.getLogger(__name__)

SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
SOCKETS = ("/run/libvirt/libvirt-sock", "/run/libvirt/virtqemud-sock")
TIMEOUT = 60.0
# Where each program is to be had from; all are among the packages that the project installs.
PACKAGES = {"nft": "nftables", "ip": "iproute2", "nsenter": "util-linux", "dnsmasq": "dnsmasq-base"}


def is_remote(uri: str) -> bool:
    """Whether a connection leads to another machine."""
    return bool(urlsplit(uri).hostname)


def may_change_network(uri: str) -> bool:
    """Whether the network that guests are on is ours to change: as root, and on this machine only."""
    return os.geteuid() == 0 and not is_remote(uri)


class HostCommands:
    """Runs programs in libvirtd's network namespace."""

    def __init__(self, uri: str) -> None:
        self._uri = uri
        self._namespace: int | None = None

    # where -----------------------------------------------------------------------------------------------------------
    def learn(self) -> None:
        """Find the namespace; again on every new connection, since a daemon may come back elsewhere."""
        found, before = self._open_namespace(), self._namespace
        if found is not None and before is not None and os.path.sameopenfile(found, before):
            # Another thread may be using the one that we have.
            os.close(found)
            return
        self._namespace = found
        if before is not None:
            os.close(before)

    def _open_namespace(self) -> int | None:
        pid = self._peer()
        if pid is None:
            return None
        try:
            found = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            LOG.debug("the network namespace of libvirtd (%d): %s", pid, error)
            return None
        ours = Path("/proc/self/ns/net").stat()
        there = os.fstat(found)
        if (ours.st_dev, ours.st_ino) == (there.st_dev, there.st_ino):
            os.close(found)
            return None
        return found

    def _peer(self) -> int | None:
        """The process that listens for libvirt's clients; None when it can't be told, or is on another machine."""
        if self.is_remote:
            return None
        asked = parse_qs(urlsplit(self._uri).query).get("socket")
        for path in asked or SOCKETS:
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
                probe.settimeout(2)
                try:
                    probe.connect(path)
                except OSError as error:
                    LOG.debug("%s: %s", path, error)
                    continue
                pid, *_ = struct.unpack("3i", probe.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
                return pid or None
        return None

    def close(self) -> None:
        """Let go of the namespace."""
        namespace, self._namespace = self._namespace, None
        if namespace is not None:
            os.close(namespace)

    @property
    def allowed(self) -> bool:
        """Whether we may change the network that guests are on."""
        return may_change_network(self._uri)

    @staticmethod
    def missing(*programs: str) -> list[str]:
        """Those that are not installed."""
        return [name for name in programs if shutil.which(name, path=SYSTEM_PATH) is None]

    @property
    def is_remote(self) -> bool:
        """Whether the connection leads to another machine."""
        return is_remote(self._uri)

    @property
    def is_here(self) -> bool:
        """Whether libvirt's bridges are in our own network namespace."""
        return self._namespace is None

    # running ---------------------------------------------------------------------------------------------------------
    def _within(self, words: tuple[str, ...]) -> tuple[list[str], tuple[int, ...]]:
        namespace = self._namespace
        if namespace is None:
            return list(words), ()
        return ["nsenter", f"--net=/proc/self/fd/{namespace}", "--", *words], (namespace,)

    def run(self, *words: str, text: str | None = None, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run one; with `check` a failure raises DriverError with its words."""
        command, keep = self._within(words)
        try:
            done = subprocess.run(
                command,
                input=text,
                stdin=subprocess.DEVNULL if text is None else None,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=TIMEOUT,
                env={"PATH": SYSTEM_PATH, "LC_ALL": "C"},
                pass_fds=keep,
            )
        except subprocess.TimeoutExpired as error:
            raise DriverError(reason=f"{words[0]} did not end within {TIMEOUT:.0f} s") from error
        except FileNotFoundError as error:
            package = PACKAGES.get(words[0], words[0])
            raise DriverError(reason=f"{words[0]} is not installed (Debian package {package})") from error
        if check and done.returncode:
            said = (done.stderr or done.stdout).strip()[-1000:]
            raise DriverError(reason=f"{' '.join(words)[:200]}: {said or f'exit code {done.returncode}'}")
        return done

    def start(self, *words: str) -> None:
        """Run one that goes into the background by itself."""
        self.run(*words)

    def json(self, *words: str) -> list[dict[str, Any]]:
        """The list that a program prints as JSON (`ip -j`); empty when it fails: the thing is not there."""
        done = self.run(*words, check=False)
        if done.returncode:
            LOG.debug("%s: %s", " ".join(words), done.stderr.strip())
            return []
        try:
            found = json.loads(done.stdout or "[]")
        except ValueError:
            return []
        return [item for item in found if isinstance(item, dict)]

    # the kernel's switches -------------------------------------------------------------------------------------------
    def switch(self, name: str) -> str | None:
        """A value below /proc/sys; None when the kernel has none of that name."""
        if self._namespace is None:
            try:
                return Path(f"/proc/sys/{name}").read_text().strip()
            except OSError:
                return None
        done = self.run("cat", f"/proc/sys/{name}", check=False)
        return done.stdout.strip() if done.returncode == 0 else None

    def set_switch(self, name: str, value: str) -> None:
        """Set one; set already is fine, one that is not there raises DriverError."""
        if self.switch(name) != value:
            self.run("tee", f"/proc/sys/{name}", text=value)
