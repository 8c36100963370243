"""Waiting for servers, images and volumes by following the change feed, not a timer."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterator
from typing import TYPE_CHECKING, Any

from tuinova.client.errors import ApiError, ServiceUnreachable, StreamEnded, Trimmed, WaitFailed, WaitTimeout

if TYPE_CHECKING:
    from tuinova.client import Client

View = dict[str, Any]
OnProgress = Callable[[View], None]
_RETRIES = 8  # growing pauses, about 7 s in all: the restart of a service


def wait_for_status(
    client: Client,
    ident: str,
    wanted: str | Collection[str],
    *,
    failed: Collection[str] = ("error",),
    begun: bool = False,
    on_progress: OnProgress | None = None,
    timeout: float | None = None,
) -> View:
    """The row view of the server once its status (any case) is one of `wanted`.

    Raises WaitFailed for a status of `failed`, a deleted server, or a task that ended in another status; WaitTimeout
    after `timeout` seconds. `begun`: an action with a task was accepted before, so a server without one has ended it.
    """
    goal = {wanted.lower()} if isinstance(wanted, str) else {status.lower() for status in wanted}
    failures = {status.lower() for status in failed} - goal
    had_task = begun
    for view in _views(client, ident, timeout):
        if view is None:
            raise WaitFailed(f"Server {ident} was deleted.")
        if on_progress is not None:
            on_progress(view)
        status = view["status"].lower()
        if status in goal and view["task_state"] is None:
            return view
        # A server in ERROR that is being rebooted or deleted keeps its status until the task ends.
        if status in failures and view["task_state"] is None:
            raise WaitFailed(_why(view), view)
        if had_task and view["task_state"] is None and view["vm_state"] != "building" and status not in goal:
            raise WaitFailed(_why(view), view)
        had_task = view["task_state"] is not None
    raise WaitTimeout(f"Server {ident} did not reach {', '.join(sorted(goal))} within {timeout:g} s.")


def wait_for_delete(
    client: Client,
    ident: str,
    *,
    begun: bool = False,
    on_progress: OnProgress | None = None,
    timeout: float | None = None,
) -> None:
    """Return when the server is gone, or kept for a while as SOFT_DELETED; raises WaitFailed when that went wrong.

    `begun`: the deletion was accepted before.
    """
    had_task = begun
    for view in _views(client, ident, timeout):
        if view is None:
            return
        if on_progress is not None:
            on_progress(view)
        if view["status"] == "SOFT_DELETED" and view["task_state"] is None:
            return
        if had_task and view["task_state"] is None:
            raise WaitFailed(_why(view), view)
        had_task = view["task_state"] is not None
    raise WaitTimeout(f"Server {ident} was not deleted within {timeout:g} s.")


def _why(view: View) -> str:
    fault = view.get("fault") or {}
    tail = f": {fault['message']}" if fault.get("message") else ""
    return f"Server {view['name']} is in status {view['status']}{tail}"


def wait_for_image(
    client: Client, ident: str, *, on_progress: OnProgress | None = None, timeout: float | None = None
) -> View:
    """The image once it is active; raises WaitFailed with what its task says when its import has ended otherwise."""
    for image in _views(client, ident, timeout, "image", _image_now):
        if image is None:
            raise WaitFailed(f"Image {ident} was deleted.")
        if on_progress is not None:
            on_progress(image)
        if image["status"] == "active":
            return image
        if image["status"] not in ("importing", "saving"):
            tail = f": {image['task_message']}" if image.get("task_message") else ""
            raise WaitFailed(f"Image {image['name'] or ident} is in status {image['status']}{tail}", image)
    raise WaitTimeout(f"Image {ident} was not active within {timeout:g} s.")


def wait_for_volume(
    client: Client, ident: str, wanted: Collection[str] = ("available",), *, timeout: float | None = None
) -> View:
    """The volume once its status is one of `wanted`; raises WaitFailed when it is gone or has ended in an error."""
    for volume in _views(client, ident, timeout, "volume", _volume_now):
        if volume is None:
            raise WaitFailed(f"Volume {ident} was deleted.")
        if volume["status"] in wanted:
            return volume
        if volume["status"].startswith("error"):
            tail = f": {volume['tuinova:fault']}" if volume.get("tuinova:fault") else ""
            raise WaitFailed(f"Volume {volume['name'] or ident} is in status {volume['status']}{tail}", volume)
    raise WaitTimeout(f"Volume {ident} was not {', '.join(sorted(wanted))} within {timeout:g} s.")


def _volume_now(client: Client, ident: str) -> View | None:
    try:
        return client.volumes.get(ident)
    except ApiError as error:
        if error.code == 404:
            return None
        raise


def _image_now(client: Client, ident: str) -> View | None:
    try:
        return client.images.get(ident)
    except ApiError as error:
        if error.code == 404:
            return None
        raise


def _server_now(client: Client, ident: str) -> View | None:
    """The row view of one server; None when there is none (any more)."""
    try:
        return dict(client.get(f"/tuinova/v1/servers/{ident}"))
    except ApiError as error:
        if error.code == 404:
            return None
        raise


def _views(
    client: Client,
    ident: str,
    timeout: float | None,
    kind: str = "server",
    now: Callable[[Client, str], View | None] = _server_now,
) -> Iterator[View | None]:
    """What it is now, then after each change; None when it is gone. Ends after `timeout`."""
    expired = threading.Event()
    streams: list[Any] = []

    def expire() -> None:
        expired.set()
        for stream in streams:
            stream.close()

    timer = threading.Timer(timeout, expire) if timeout is not None else None
    if timer is not None:
        timer.daemon = True
        timer.start()
    try:
        lost = 0
        while not expired.is_set():
            try:
                # The stream first, then the state: so no change falls between them.
                with client.changes(None) as stream:
                    streams[:] = [stream]
                    view = now(client, ident)
                    yield view
                    if view is None:
                        return
                    for change in _of(stream, kind, ident):
                        lost = 0
                        # Only the feed's entries of servers carry what they are.
                        yield None if change["op"] == "delete" else change["view"] or now(client, ident)
            except (StreamEnded, Trimmed, ServiceUnreachable):
                # The service left or was killed: look again, it is started anew where that is allowed.
                lost += 1
                if not streams or lost > _RETRIES:
                    raise
                expired.wait(0.2 * lost)
    finally:
        if timer is not None:
            timer.cancel()


def _of(stream: Any, kind: str, ident: str) -> Iterator[View]:
    for batch in stream:
        for change in batch:
            if change["kind"] == kind and change["key"] == ident:
                yield change
