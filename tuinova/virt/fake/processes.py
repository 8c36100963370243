"""Which process did something, so that others can see whether it still lives."""

from __future__ import annotations

import os


def started(pid: int) -> str:
    """When a process started (ticks since boot), empty when it is gone: a pid alone may come again."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return file.read().rpartition(b")")[2].split()[19].decode()
    except (OSError, IndexError):
        return ""


def me() -> tuple[int, str]:
    """This process: its pid and when it started."""
    return os.getpid(), started(os.getpid())


def lives(pid: int, start: str) -> bool:
    """Whether a process that called itself `me` is still there."""
    return bool(start) and started(pid) == start
