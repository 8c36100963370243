"""Children: a process forked for a piece of work, which gives its answer as JSON, or is killed."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import select
import signal
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# What a child gets before it counts as stuck; a cell takes a quarter of a second.
_PATIENCE = 90.0


@dataclass(frozen=True)
class Ended:
    """How a child ended: its answer, None where it gave none; its wait status; what it said of a failure."""

    answer: Any
    status: int
    error: str = ""

    @property
    def killed(self) -> bool:
        """Whether SIGKILL ended it."""
        return self.status == -signal.SIGKILL

    def __str__(self) -> str:
        return self.error or f"it ended with {self.status}"


def in_child(work: Callable[[], Any], log: Path) -> Ended:
    """Do it in a process of its own; only from a process without threads. What it logs is added to `log`."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        _be_child(work, writer, log)
    os.close(writer)
    try:
        said = _read(reader, child)
    finally:
        os.close(reader)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if said is None:
        return Ended(None, status, f"it was still at work after {_PATIENCE:.0f} s")
    answer = json.loads(said) if said else None
    if answer is None:
        return Ended(None, status)
    return Ended(answer.get("answer"), status, answer.get("error", ""))


def _read(descriptor: int, child: int) -> bytes | None:
    """All that the child says until it ends; None when that took too long, and then it is ended."""
    deadline, parts = time.monotonic() + _PATIENCE, []
    while True:
        ready, _, _ = select.select([descriptor], [], [], max(0.0, deadline - time.monotonic()))
        if not ready:
            os.kill(child, signal.SIGKILL)
            return None
        part = os.read(descriptor, 1 << 16)
        if not part:
            return b"".join(parts)
        parts.append(part)


def _be_child(work: Callable[[], Any], writer: int, log: Path) -> None:
    code = 1
    try:
        os.setpgid(0, 0)
        _log_to(log)
        said = {"answer": work()}
        code = 0
    except BaseException:  # noqa: BLE001 - all that a child can say is said to its parent
        said = {"answer": None, "error": traceback.format_exc(limit=-12)}
    with contextlib.suppress(OSError):
        os.write(writer, json.dumps(said).encode())  # a pipe takes it in parts while the parent reads
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _log_to(path: Path) -> None:
    root = logging.getLogger()
    for handler in list(root.handlers):
        root.removeHandler(handler)
    handler = logging.FileHandler(path)
    handler.setFormatter(logging.Formatter("%(process)d %(relativeCreated)7d %(threadName)s %(levelname)s %(message)s"))
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    logging.raiseExceptions = False
