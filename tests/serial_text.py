"""What a guest's programs said on its serial line, without what its kernel said in between."""

from __future__ import annotations

import re

_KERNEL_LINE = re.compile(rb"\[ *\d+\.\d{6}\] [^\n]*\n")


def without_kernel_lines(text: bytes) -> bytes:
    """The text less the kernel's lines, which come when they like: behind a prompt, or in the middle of it.

    A driver that is ready a second after the login prompt says so all the same ("eth0: link becomes ready").
    """
    return _KERNEL_LINE.sub(b"", text)
