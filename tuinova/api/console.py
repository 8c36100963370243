"""The serial console: a token, then a WebSocket to the hub."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from typing import Any

from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from tuinova.api.operations import Call, Operation
from tuinova.api.state import ApiState
from tuinova.console.hub import Viewer
from tuinova.core.errors import ConsoleTokenExpired, ConsoleUnavailableNow
from tuinova.core.records import Instance
from tuinova.core.states import TaskState, VmState

LOG = logging.getLogger("tuinova.api")

_PATH = "/tuinova/v1/console"
_SUBPROTOCOL = "binary"
# Close codes of RFC 6455: policy violation (no right), going away.
_REFUSED, _GOING_AWAY = 1008, 1001
_COMMAND_MOST = 4096

# Why there is no console now, and what to do.
_NO_HOST = "The server is on no host, so it has no guest: see its fault."
_REASONS = {
    VmState.BUILDING: "The server is being built: the console opens when its guest has started.",
    VmState.STOPPED: "The server is off: start it.",
    VmState.SUSPENDED: "The server is suspended: resume it.",
    VmState.SHELVED: "The server is shelved: unshelve it.",
    VmState.SHELVED_OFFLOADED: "The server is shelved and on no host: unshelve it.",
    VmState.SOFT_DELETED: "The server is deleted: restore it.",
}


def why_no_console(instance: Instance) -> str | None:
    """The reason why a console can't be opened now, None where it is worth trying.

    A paused guest and one in error have a console (it says nothing); a guest that is being started gets one soon.
    """
    if instance.task_state in (TaskState.DELETING, TaskState.SOFT_DELETING):
        return "The server is being deleted."
    if instance.task_state in (TaskState.POWERING_ON, TaskState.RESUMING, TaskState.UNSHELVING) and instance.host:
        return None
    if instance.vm_state == VmState.BUILDING and instance.task_state == TaskState.SPAWNING and instance.host:
        return None
    if instance.vm_state in _REASONS:
        return _REASONS[VmState(instance.vm_state)]
    return None if instance.host else _NO_HOST


def open_console(call: Call) -> Any:
    """A token for the WebSocket; 409 with the reason when there is no console now."""
    instance = call.state.instance(call.ctx, call.param("id"))
    reason = why_no_console(instance)
    if reason is not None:
        raise ConsoleUnavailableNow(reason=reason)
    token = call.state.tokens.issue(instance.uuid, call.ctx.user_id or "", call.ctx.project_id or "")
    return {
        "token": token,
        "path": _PATH,
        "domain": instance.instance_name,
        "connection": call.state.connection_name(instance),
        "log_size": call.state.console_log_size(instance),
    }


async def attach(state: ApiState, websocket: WebSocket) -> None:
    """The WebSocket: guest bytes as binary frames, events and commands as JSON text."""
    try:
        grant = state.tokens.validate(websocket.query_params.get("token", ""))
    except ConsoleTokenExpired as error:
        await websocket.close(_REFUSED, error.message)
        return
    offered = websocket.scope.get("subprotocols") or []
    await websocket.accept(_SUBPROTOCOL if _SUBPROTOCOL in offered else None)
    viewer = await state.hub.attach(grant.instance_uuid)
    sender = asyncio.create_task(_send(websocket, viewer))
    receiver = asyncio.create_task(_receive(websocket, viewer))
    try:
        await asyncio.wait({sender, receiver}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        viewer.close()
        for task in (sender, receiver):
            task.cancel()
        await asyncio.gather(sender, receiver, return_exceptions=True)
        if websocket.application_state is WebSocketState.CONNECTED:
            with contextlib.suppress(RuntimeError, WebSocketDisconnect):
                await websocket.close(_GOING_AWAY, viewer.closed_because)


async def _send(websocket: WebSocket, viewer: Viewer) -> None:
    """Hub to client."""
    try:
        async for frame in viewer:
            if isinstance(frame, dict):
                await websocket.send_text(json.dumps(frame))
            else:
                await websocket.send_bytes(frame)
    except (WebSocketDisconnect, RuntimeError):
        return  # the client went away in the middle of a frame


async def _receive(websocket: WebSocket, viewer: Viewer) -> None:
    """Client to hub."""
    while True:
        message = await websocket.receive()
        if message["type"] == "websocket.disconnect":
            return
        data = message.get("bytes")
        if data is not None:
            await viewer.send(data)
            continue
        command = _command(message.get("text") or "")
        if command is None:
            await websocket.send_text(json.dumps({"event": "error", "reason": "A text frame must be a JSON command."}))
        else:
            await viewer.send(command)


def _command(text: str) -> dict[str, Any] | None:
    if len(text) > _COMMAND_MOST:
        return None
    try:
        command = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return command if isinstance(command, dict) else None


OPERATIONS = (Operation("POST", "/servers/{id}/console", open_console, rule="tuinova:servers:console"),)
