"""The text of a console log, as Nova's API gives it.

Sources: nova/compute/manager.py (get_console_output, _tail_log), nova/api/openstack/compute/console_output.py.
"""

from __future__ import annotations

import re

# All controls but tab and line feed: carriage returns and escapes go, the text between them stays.
_REMOVED = re.compile("[\x00-\x08\x0b-\x1f]")


def tail(log: bytes, length: int | str | None) -> bytes:
    """The last `length` lines; all for None, nothing for 0 or what is no number.

    -1, Nova's word for "unlimited", gives all but the first line: Nova slices with it, and clients know it so.
    """
    if length is None:
        return log
    try:
        count = int(length)
    except (TypeError, ValueError):
        return b""
    if count == 0:
        return b""
    return b"\n".join(log.split(b"\n")[-count:])


def text(log: bytes) -> str:
    """ASCII with replacement, without control characters but tab and line feed."""
    return _REMOVED.sub("", log.decode("ascii", "replace"))


def console_text(log: bytes, length: int | str | None = None) -> str:
    """The `output` of os-getConsoleOutput for a raw log."""
    return text(tail(log, length))
