"""Files that options name."""

from __future__ import annotations

from pathlib import Path

from tuinova.cli.diagnostics import CommandError
from tuinova.i18n import _


def read_file(path: str, option: str) -> bytes:
    """A file that an option names; its absence is a clear error."""
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise CommandError(
            _("Can't open '{path}' of {option}: {reason}").format(path=path, option=option, reason=error.strerror)
        ) from error
