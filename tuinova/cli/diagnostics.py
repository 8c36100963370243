"""The one owner of stderr and of exit codes: 0 done, 1 failed, 2 used wrongly."""

from __future__ import annotations

import sys

from tuinova.text import clean_lines

OK, FAILED, USAGE = 0, 1, 2


class CommandError(Exception):
    """A command that can't go on; the text is for the operator. `silent` when everything was said already."""

    def __init__(self, message: str = "", *, code: int = FAILED) -> None:
        super().__init__(message)
        self.message = message
        self.code = code


def say(message: object) -> None:
    """Narration: progress, warnings, what was skipped."""
    sys.stderr.write(clean_lines(message) + "\n")
    sys.stderr.flush()


def fail(message: object) -> int:
    """Print an error and give the exit code for it."""
    if str(message):
        say(message)
    return FAILED
