"""The change feed: Server-Sent Events turned into lists of changes."""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from tuinova.client.errors import ApiError, StreamEnded, Trimmed

if TYPE_CHECKING:
    from tuinova.client.connection import Connection

SILENCE = 45.0  # seconds; the service sends a comment every 15


class ChangeStream:
    """Iterate for lists of change dicts, one list a wake-up; `last_id` is the newest that was handed out.

    `close()` from any thread ends the iteration. Raises Trimmed when `since` is too old, StreamEnded when the service
    leaves or is silent: connect again with `last_id`.
    """

    def __init__(self, connection: Connection, since: int | None) -> None:
        path = "/tuinova/v1/changes" + ("" if since is None else f"?since={since}")
        try:
            self._stream = connection.open("GET", path, timeout=SILENCE, headers={"Accept": "text/event-stream"})
        except ApiError as error:
            if error.code == 410:
                raise Trimmed(error.message) from error
            raise
        position = self._stream.headers.get("x-tuinova-last-change")
        self.last_id = since if since is not None else int(position or 0)
        self._buffer = b""
        self._stopping = False
        self._closed = threading.Event()

    def close(self) -> None:
        """End the stream; a waiting iteration stops."""
        self._closed.set()
        self._stream.shutdown()

    def __enter__(self) -> ChangeStream:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()
        self._stream.close()

    def __iter__(self) -> Iterator[list[dict[str, Any]]]:
        return self

    def __next__(self) -> list[dict[str, Any]]:
        try:
            while not self._closed.is_set():
                batch = self._next_batch()
                if batch:
                    self.last_id = batch[-1]["id"]
                    return batch
        except BaseException:
            self._stream.close()
            raise
        self._stream.close()
        raise StopIteration

    def _next_batch(self) -> list[dict[str, Any]]:
        """The events of one read; empty after a comment or a closed stream."""
        if self._stopping:
            raise StreamEnded("The tuinova service is stopping.", stopping=True)
        try:
            data = self._stream.read1()
        except (OSError, ValueError, http.client.HTTPException) as error:
            if self._closed.is_set():
                return []
            raise StreamEnded("The tuinova service ended the change feed.") from error
        if not data:
            if self._closed.is_set():
                return []
            raise StreamEnded("The tuinova service ended the change feed.")
        *events, self._buffer = (self._buffer + data).split(b"\n\n")
        batch: list[dict[str, Any]] = []
        for event in events:
            self._parse(event, batch)
        return batch

    def _parse(self, event: bytes, batch: list[dict[str, Any]]) -> None:
        name = b"message"
        data: list[bytes] = []
        for line in event.split(b"\n"):
            if line.startswith(b"data:"):
                data.append(line[5:].strip())
            elif line.startswith(b"event:"):
                name = line[6:].strip()
        if name == b"stopping":
            self._stopping = True  # what came before it is handed out first
        elif data:
            batch.append(json.loads(b"\n".join(data)))
