"""The REST face without a socket: requests as bytes into the ASGI application, answers as a client sees them."""

from __future__ import annotations

import asyncio
import json
import threading
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from .tables import ACTORS


@dataclass(frozen=True)
class Reply:
    """What came back: the code, the body, Nova's text where it is an error, the request's id."""

    code: int
    body: Any
    request_id: str

    @property
    def text(self) -> str | None:
        """The message of an error."""
        if self.code < 400 or not isinstance(self.body, dict):
            return None
        return next(iter(self.body.values()))["message"]


class Face:
    """Asks as one of the actors; every thread has an event loop of its own."""

    def __init__(self, app: Any) -> None:
        self._app = app
        self._local = threading.local()
        self._loops: list[asyncio.AbstractEventLoop] = []

    def ask(self, who: str, method: str, path: str, body: Any = None) -> Reply:
        """One request."""
        user, project, _role = ACTORS.get(who, (who, "demo", ""))
        raw = b"" if body is None else json.dumps(body).encode()
        route, _, query = path.partition("?")
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": route,
            "raw_path": quote(route).encode(),
            "query_string": query.encode(),
            "root_path": "",
            "headers": [
                (b"host", b"localhost"),
                (b"content-type", b"application/json"),
                (b"content-length", str(len(raw)).encode()),
                (b"x-tuinova-username", user.encode()),
                (b"x-tuinova-project-name", project.encode()),
            ],
            "client": ("", 0),
            "server": ("localhost", 0),
        }
        return self._loop().run_until_complete(self._run(scope, raw))

    async def _run(self, scope: dict[str, Any], raw: bytes) -> Reply:
        sent: list[dict[str, Any]] = []

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": raw, "more_body": False}

        async def send(message: dict[str, Any]) -> None:
            sent.append(message)

        await self._app(scope, receive, send)
        headers = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
        data = b"".join(message.get("body", b"") for message in sent[1:])
        is_json = data and "json" in headers.get("content-type", "")
        return Reply(sent[0]["status"], json.loads(data) if is_json else data, headers["x-openstack-request-id"])

    def _loop(self) -> asyncio.AbstractEventLoop:
        loop: asyncio.AbstractEventLoop | None = getattr(self._local, "loop", None)
        if loop is None:
            loop = self._local.loop = asyncio.new_event_loop()
            self._loops.append(loop)
        return loop

    def close(self) -> None:
        """Let the loops go; no request may be under way."""
        for loop in self._loops:
            loop.close()
        self._loops.clear()
