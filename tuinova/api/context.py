"""Who asks: over the Unix socket a client says as whom it acts; access to the socket is its right to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Protocol
from urllib.parse import unquote

from tuinova.core.context import RequestContext

DEFAULT_USER = DEFAULT_PROJECT = "admin"


class ResolvesIdentity(Protocol):
    """The conductor's part that knows people."""

    def resolve_identity(self, user_name: str, project_name: str) -> RequestContext:
        """The context of a user in a project; raises UserNotFound, ProjectNotFound, Forbidden."""


class Identity:
    """Turns the identity headers into a context; the conductor keeps what it has resolved."""

    def __init__(self, source: ResolvesIdentity) -> None:
        self._source = source

    def context(self, headers: Mapping[str, str], request_id: str) -> RequestContext:
        """The context of a request. Names are percent-encoded in their headers."""
        user = unquote(headers.get("x-tuinova-username") or DEFAULT_USER)
        project = unquote(headers.get("x-tuinova-project-name") or DEFAULT_PROJECT)
        return replace(self._source.resolve_identity(user, project), request_id=request_id)
