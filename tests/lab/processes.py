"""Finding and ending exactly the processes that a lab started."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Iterable
from pathlib import Path


def alive(pid: int) -> bool:
    """True unless the process is gone or a zombie."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] not in "ZX"


def start_ticks(pid: int) -> int | None:
    """The kernel's start time of a process: with the pid it names one process for good."""
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])
    except OSError:
        return None


def mentions(pid: int, text: str) -> bool:
    """Whether a process has `text` in its command line or environment (pids are reused)."""
    for part in ("cmdline", "environ"):
        with contextlib.suppress(OSError):
            if text.encode() in Path(f"/proc/{pid}/{part}").read_bytes():
                return True
    return False


def in_namespace(kind: str, link: str) -> list[int]:
    """The processes in the namespace `link` (as /proc/PID/ns/net reads), ourselves left out."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            with contextlib.suppress(OSError):
                if (entry / "ns" / kind).readlink() == Path(link):
                    found.append(int(entry.name))
    return found


def end(pids: Iterable[int], grace: float = 3.0) -> None:
    """SIGTERM, `grace` seconds, SIGKILL; returns when all are gone. Our own children are reaped."""
    asked = set(pids)
    left = {pid for pid in asked if alive(pid)}
    for number, wait in ((signal.SIGTERM, grace), (signal.SIGKILL, 10.0)):
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
        deadline = time.monotonic() + wait
        while left and time.monotonic() < deadline:
            left = {pid for pid in left if alive(pid)}
            if left:
                time.sleep(0.02)
    for pid in asked:
        _reap_one(pid)


def _reap_one(pid: int, seconds: float = 5.0) -> None:
    """Collect a child of ours for good: one whose threads still end looks dead before it can be collected."""
    deadline = time.monotonic() + seconds
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(pid, os.WNOHANG) == (0, 0) and time.monotonic() < deadline:
            time.sleep(0.01)


def reap(pids: Iterable[int]) -> None:
    """Collect those that are our children and have ended."""
    for pid in pids:
        with contextlib.suppress(ChildProcessError):
            os.waitpid(pid, os.WNOHANG)
