"""Kills a process between any two lines of some modules, for what must survive that."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from types import FrameType, ModuleType
from typing import Any


def killed_at_each_line(
    call: Callable[[], object], *modules: ModuleType, before: Callable[[], object]
) -> Iterator[int]:
    """Before each line in turn: `before()`, then `call()` in a process that is killed there; yields how many it passed.

    A line that is passed again (the next file of a loop) counts once. Ends when a call came through unkilled.
    """
    names = {module.__file__ for module in modules}
    number = 0
    while True:
        number += 1
        before()
        child = os.fork()
        if child == 0:
            _run_to_death(call, names, number)
        _, status = os.waitpid(child, 0)
        if os.WIFEXITED(status):
            assert os.WEXITSTATUS(status) == 0, f"the call failed by itself, {number} lines on"
            return
        assert os.WTERMSIG(status) == signal.SIGKILL
        yield number


def _run_to_death(call: Callable[[], object], names: set[str | None], number: int) -> None:
    passed: set[tuple[str, int]] = set()

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        if frame.f_code.co_filename not in names:
            return None
        if event == "line":
            passed.add((frame.f_code.co_filename, frame.f_lineno))
            if len(passed) == number:
                os.kill(os.getpid(), signal.SIGKILL)
        return trace

    try:
        sys.settrace(trace)
        call()
        sys.settrace(None)
        os._exit(0)
    except BaseException as error:  # noqa: BLE001 - the child must end here, whatever happens
        sys.settrace(None)
        os.write(2, f"{type(error).__name__}: {error}\n".encode())
        os._exit(1)
