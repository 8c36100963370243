"""What a caller of the client can meet."""

from __future__ import annotations


class ClientError(Exception):
    """The base of all errors of the client; `str()` is a sentence for people."""


class ServiceUnreachable(ClientError):
    """No service answers, or it went away before it answered; `request_id` is the client's own id of the request."""

    def __init__(self, message: str, request_id: str | None = None) -> None:
        super().__init__(message)
        self.request_id = request_id


class ApiError(ClientError):
    """The service refused: `code` is the HTTP code, `message` Nova's text, `request_id` the service's."""

    def __init__(self, code: int, message: str, request_id: str | None = None) -> None:
        super().__init__(code, message, request_id)
        self.code = code
        self.message = message
        self.request_id = request_id

    def __str__(self) -> str:
        tail = f" (Request-ID: {self.request_id})" if self.request_id else ""
        return f"{self.message} (HTTP {self.code}){tail}"


class NotFoundByName(ClientError):
    """Neither an id nor a name: openstack's text."""

    def __init__(self, noun: str, name: str) -> None:
        super().__init__(f"No {noun} found for {name}")
        self.noun = noun
        self.name = name


class NotUnique(ClientError):
    """Several of one name: openstack's text."""

    def __init__(self, noun: str, name: str) -> None:
        super().__init__(f"More than one {noun} exists with the name '{name}'.")
        self.noun = noun
        self.name = name


class Trimmed(ClientError):
    """The asked part of the change feed is no longer kept: read the list again."""


class StreamEnded(ClientError):
    """The change feed is over: the service is stopping or gone; `stopping` says whether it announced it."""

    def __init__(self, message: str, *, stopping: bool = False) -> None:
        super().__init__(message)
        self.stopping = stopping


class ConsoleClosed(ClientError):
    """The console's connection is over."""


class WaitFailed(ClientError):
    """A waited-for server ended in another status; `view` is the last that was seen of it."""

    def __init__(self, message: str, view: dict[str, object] | None = None) -> None:
        super().__init__(message)
        self.view = view


class WaitTimeout(ClientError):
    """A wait took longer than its caller allowed."""
