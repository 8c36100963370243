"""The change feed as Server-Sent Events: one batch a wake-up, a comment line when it is quiet."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from typing import Protocol

import anyio.to_thread
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from tuinova.api.errors import error_response
from tuinova.api.operations import finish
from tuinova.api.state import ApiState
from tuinova.core.context import RequestContext, new_request_id
from tuinova.core.errors import ChangesTrimmed, Invalid
from tuinova.core.policy import sees_project
from tuinova.core.records import Change

QUIET_SECONDS = 15.0
_BATCH = 1000
_IN_MEMORY = 2000
_QUIET = b": quiet\n\n"
_STOPPING = b"event: stopping\ndata: {}\n\n"
# What a member's row view does not show (Nova's os-extended-server-attributes).
ADMIN_KEYS = ("host", "instance_name")


class HasChanges(Protocol):
    """The conductor's part that knows changes."""

    def last_change(self) -> int:
        """The newest change's number."""

    def changes(self, since: int, limit: int = 1000) -> list[Change]:
        """The changes after a number; raises ChangesTrimmed."""

    def on_commit(self, callback: Callable[[int], None]) -> None:
        """Call after each commit, without blocking."""


class Follower:
    """One open stream: woken when there is something, or when the service stops."""

    def __init__(self) -> None:
        self.event = asyncio.Event()


class Broadcast:
    """Wakes the followers after a commit; at most one wake-up is on its way to the loop at any time."""

    def __init__(self, source: HasChanges) -> None:
        self.source = source
        self.stopping = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._followers: set[Follower] = set()
        self._told = False
        source.on_commit(self._committed)

    @property
    def followers(self) -> int:
        """How many streams are open."""
        return len(self._followers)

    def join(self) -> Follower:
        """A new follower, in the event loop."""
        self._loop = asyncio.get_running_loop()
        follower = Follower()
        self._followers.add(follower)
        return follower

    def leave(self, follower: Follower) -> None:
        """A stream that is over."""
        self._followers.discard(follower)

    def stop(self) -> None:
        """End all streams; called in the event loop."""
        self.stopping = True
        self._wake()

    def _committed(self, _last: int) -> None:
        # In the writer's thread. Without followers there is nobody to tell.
        loop = self._loop
        if self._told or not self._followers or loop is None or loop.is_closed():
            return
        self._told = True
        loop.call_soon_threadsafe(self._wake)

    def _wake(self) -> None:
        self._told = False
        for follower in self._followers:
            follower.event.set()


def visible(change: Change, ctx: RequestContext) -> bool:
    """Whether the caller may know of it: members see their project's rows, and what belongs to none."""
    return change.project_id is None or sees_project(ctx, change.project_id)


def change_text(change: Change, ctx: RequestContext) -> str:
    """One change as JSON text, without what only administrators see of a server."""
    if ctx.is_admin or (change.view_text is None and change.kind != "keypair"):
        return change.to_json()
    whole = json.loads(change.to_json())
    if change.kind == "keypair":
        whole["key"] = ""  # whose it is isn't known here: a member learns that the list may have changed
    else:
        whole["view"].update(dict.fromkeys(ADMIN_KEYS))
    return json.dumps(whole, separators=(",", ":"), ensure_ascii=False)


def events(changes: list[Change], ctx: RequestContext) -> bytes:
    """The changes as events of the stream."""
    return "".join(
        f"id: {change.id}\ndata: {change_text(change, ctx)}\n\n" for change in changes if visible(change, ctx)
    ).encode()


async def stream_changes(state: ApiState, request: Request) -> Response:
    """GET /tuinova/v1/changes[?since=N]: what comes after N, or from now on."""
    started = time.perf_counter()
    request_id = new_request_id()
    follower = state.broadcast.join()  # before anything is read: so no change falls between
    try:
        ctx = await anyio.to_thread.run_sync(state.identity.context, request.headers, request_id)
        since = _since(request, state.broadcast.source.last_change())
        # The first read is made here, so that a position that is gone answers 410 and not a broken stream.
        first = await _read(state.broadcast.source, since)
    except Exception as error:  # noqa: BLE001 - the boundary of the service: every error becomes an answer
        state.broadcast.leave(follower)
        response = error_response(error, face="compute", request_id=request_id)
        return finish(response, request, request_id, started)
    body = _follow(state.broadcast, follower, ctx, since, first)
    headers = {"Cache-Control": "no-store", "X-Tuinova-Last-Change": str(since)}
    response = StreamingResponse(body, headers=headers, media_type="text/event-stream")
    return finish(response, request, request_id, started)


def _since(request: Request, last: int) -> int:
    text = request.query_params.get("since") or request.headers.get("last-event-id")
    if text is None:
        return last
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        raise Invalid(f"Invalid input for query parameters since. Value: {text[:80]}. It is no change number.")
    return int(text)


async def _read(source: HasChanges, since: int) -> list[Change]:
    """What comes after a position that may be old: from the database, in a thread."""
    if source.last_change() == since:
        return []
    return await anyio.to_thread.run_sync(source.changes, since, _BATCH)


async def _read_on(source: HasChanges, since: int) -> list[Change]:
    """What comes after a position that this stream has reached: the conductor has the newest in memory."""
    if source.last_change() - since < _IN_MEMORY:
        return source.changes(since, _BATCH)
    return await anyio.to_thread.run_sync(source.changes, since, _BATCH)


async def _follow(
    broadcast: Broadcast, follower: Follower, ctx: RequestContext, since: int, batch: list[Change]
) -> AsyncIterator[bytes]:
    try:
        while True:
            if batch:
                since = batch[-1].id
                if data := events(batch, ctx):
                    yield data
            elif broadcast.stopping:
                yield _STOPPING
                return
            else:
                try:
                    await asyncio.wait_for(follower.event.wait(), QUIET_SECONDS)
                except TimeoutError:
                    yield _QUIET
            follower.event.clear()
            try:
                batch = await _read_on(broadcast.source, since)
            except ChangesTrimmed:
                return  # too slow: the client comes again, gets 410 and reads the list
    finally:
        broadcast.leave(follower)
