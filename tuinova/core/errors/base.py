"""The base of every error that a caller can meet: its HTTP code and Nova's words."""

from __future__ import annotations

from typing import Any


class NovaError(Exception):
    """The base: `code` is the HTTP code, `msg_fmt` Nova's text."""

    code = 500
    msg_fmt = "An unknown exception occurred."

    def __init__(self, message: str | None = None, **kwargs: Any) -> None:
        self.kwargs = kwargs
        self.message = message if message is not None else self.msg_fmt.format(**kwargs)
        super().__init__(self.message)
