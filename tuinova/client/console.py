"""A server's serial console over the service's WebSocket (`websockets` is imported only here, when one is opened)."""

from __future__ import annotations

import json
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from tuinova.client.errors import ConsoleClosed, ServiceUnreachable

if TYPE_CHECKING:
    from tuinova.client.connection import Connection


class Console:
    """One viewer: `recv` gives guest bytes or an event dict, `send` types, `command` steers; thread-safe.

    `domain`, `connection_name` and `log_size` are what the service said of the guest. Raises ConsoleClosed when the
    connection is over. The bytes are the guest's: hostile.
    """

    def __init__(self, connection: Connection, grant: dict[str, Any]) -> None:
        from websockets.exceptions import WebSocketException
        from websockets.sync.client import connect
        from websockets.typing import Subprotocol

        self.domain: str = grant["domain"]
        self.connection_name: str = grant["connection"]
        self.log_size: int | None = grant["log_size"]
        path = f"{grant['path']}{'&' if '?' in grant['path'] else '?'}token={quote(grant['token'], safe='')}"
        target = connection.target
        self._held = ExitStack()
        try:
            sock = target.open(10.0)
            sock.settimeout(None)
            dialogue = connect(
                f"ws://localhost{path}",
                sock=sock,
                subprotocols=[Subprotocol("binary")],
                compression=None,
                additional_headers=connection.identity_headers(),
                max_size=None,
                open_timeout=10,
                close_timeout=1,
                proxy=None,
            )
            self._socket = self._held.enter_context(dialogue)
        except (OSError, WebSocketException) as error:
            raise ServiceUnreachable(f"The console at {target} can't be opened: {error}") from error

    def recv(self, timeout: float | None = None) -> bytes | dict[str, Any]:
        """The next guest bytes or event; raises TimeoutError after `timeout` seconds."""
        from websockets.exceptions import ConnectionClosed

        try:
            frame = self._socket.recv(timeout)
        except ConnectionClosed as error:
            raise ConsoleClosed(_reason(error)) from error
        if isinstance(frame, str):
            return dict(json.loads(frame))
        return bytes(frame)

    def send(self, data: bytes) -> None:
        """Type bytes."""
        self._put(data)

    def command(self, command: dict[str, Any]) -> None:
        """A command to the hub, such as {"cmd": "takeover"}."""
        self._put(json.dumps(command))

    def _put(self, frame: bytes | str) -> None:
        from websockets.exceptions import ConnectionClosed

        try:
            self._socket.send(frame)
        except ConnectionClosed as error:
            raise ConsoleClosed(_reason(error)) from error

    def close(self) -> None:
        """Leave; a waiting `recv` raises ConsoleClosed."""
        self._held.close()

    def __enter__(self) -> Console:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


def _reason(error: Any) -> str:
    received = error.rcvd
    if received is not None and received.reason:
        return str(received.reason)
    return "The console's connection is closed."
