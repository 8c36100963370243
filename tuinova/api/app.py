"""The ASGI application: every face's routes, put together."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Protocol

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from tuinova.api import (
    aggregates,
    console,
    feed,
    flavor_access,
    flavor_extra_specs,
    flavors,
    hypervisors,
    identity,
    image_actions,
    image_data,
    image_import,
    image_list,
    image_members,
    image_schemas,
    images,
    info,
    instance_actions,
    keypairs,
    migrations,
    network_face,
    network_groups,
    network_quotas,
    network_resources,
    network_routers,
    networks,
    own_servers,
    quotas,
    remote_consoles,
    server_actions,
    server_devices,
    server_groups,
    server_metadata,
    server_migrations,
    server_tags,
    servers,
    services,
    usage,
    versions,
    volume_actions,
    volume_quotas,
    volume_services,
    volume_snapshots,
    volume_types,
    volumes,
    zones,
)
from tuinova.api.errors import RouteNotFound, error_response, face_of
from tuinova.api.operations import Endpoint, Operation, endpoint, finish
from tuinova.api.paths import PathTable
from tuinova.api.state import ApiState, looks_like_project_id
from tuinova.core.context import new_request_id

if TYPE_CHECKING:
    from tuinova.core.service import Engine

_COMPUTE = (
    *versions.COMPUTE,
    *servers.OPERATIONS,
    *server_actions.OPERATIONS,
    *server_metadata.OPERATIONS,
    *server_devices.OPERATIONS,
    *server_migrations.OPERATIONS,
    *server_tags.OPERATIONS,
    *migrations.OPERATIONS,
    *instance_actions.OPERATIONS,
    *remote_consoles.OPERATIONS,
    *flavors.OPERATIONS,
    *flavor_extra_specs.OPERATIONS,
    *flavor_access.OPERATIONS,
    *keypairs.OPERATIONS,
    *quotas.OPERATIONS,
    *usage.OPERATIONS,
    *hypervisors.OPERATIONS,
    *services.OPERATIONS,
    *zones.OPERATIONS,
    *aggregates.OPERATIONS,
    *server_groups.OPERATIONS,
)
_NETWORK = (
    *network_face.OPERATIONS,
    *network_resources.OPERATIONS,
    *network_groups.OPERATIONS,
    *network_routers.OPERATIONS,
    *network_quotas.OPERATIONS,
    *zones.NETWORK_OPERATIONS,
)
_VOLUME = (
    *volume_services.OPERATIONS,
    *volumes.OPERATIONS,
    *volume_actions.OPERATIONS,
    *volume_snapshots.OPERATIONS,
    *volume_types.OPERATIONS,
    *volume_quotas.OPERATIONS,
    *zones.VOLUME_OPERATIONS,
)
_OWN = (
    *info.OPERATIONS,
    *own_servers.OPERATIONS,
    *console.OPERATIONS,
    *flavors.OWN_OPERATIONS,
    *hypervisors.OWN_OPERATIONS,
    *migrations.OWN_OPERATIONS,
    *networks.OWN_OPERATIONS,
)
_IMAGE = (
    *image_list.OPERATIONS,
    *images.OPERATIONS,
    *image_members.OPERATIONS,
    *image_actions.OPERATIONS,
    *image_import.OPERATIONS,
    *image_schemas.OPERATIONS,
)
# (prefix, face, operations); the face decides how errors read.
FACES: tuple[tuple[str, str, tuple[Operation, ...]], ...] = (
    ("", "compute", versions.ROOT),
    ("/v2.1", "compute", _COMPUTE),
    ("/tuinova/v1", "compute", _OWN),
    ("/image", "image", versions.IMAGE_ROOT),
    ("/image/v2", "image", _IMAGE),
    ("/network", "network", network_face.ROOT),
    ("/network/v2.0", "network", _NETWORK),
    ("/volume", "volume", volume_services.ROOT),
    ("/volume/v3", "volume", _VOLUME),
    ("/identity", "identity", (*versions.IDENTITY_ROOT, *identity.OPERATIONS)),
)


_ROOTS = frozenset({"/v2.1", "/image", "/identity", "/network", "/network/v2.0"})


class CountsRequests(Protocol):
    """`core.idle.Activity`: what keeps a service from leaving."""

    def begin(self) -> None:
        """A request has come in."""

    def end(self) -> None:
        """It is over."""


def create_app(engine: Engine, activity: CountsRequests | None = None) -> Starlette:
    """The REST face on an engine; `app.state.api` is the `ApiState`."""
    state = ApiState(engine)
    table: PathTable[Endpoint] = PathTable()
    for prefix, face, operations in FACES:
        _fill(table, state, prefix, face, operations)
    app = Starlette(routes=_streams(state), exception_handlers={404: _not_found})
    app.router.redirect_slashes = False
    app.state.api = state
    app.add_middleware(Door, activity=activity, state=state, table=table)
    return app


def _fill(table: PathTable[Endpoint], state: ApiState, prefix: str, face: str, operations: Iterable[Operation]) -> None:
    by_path: dict[str, list[Operation]] = defaultdict(list)
    for operation in operations:
        by_path[prefix + operation.path].append(operation)
    for path, together in by_path.items():
        table.add(path, endpoint(state, face, together))


class _AnyMethod(Route):
    """A route whose endpoint answers every method (405 with the words of the face)."""

    def __init__(self, path: str, endpoint: Any) -> None:
        super().__init__(path, endpoint)
        self.methods = None


def _streams(state: ApiState) -> list[BaseRoute]:
    async def changes(request: Request) -> Response:
        return await feed.stream_changes(state, request)

    async def image_file(request: Request) -> Response:
        return await image_data.image_file(state, request)

    async def image_stage(request: Request) -> Response:
        return await image_data.image_stage(state, request)

    async def attach(websocket: Any) -> None:
        await console.attach(state, websocket)

    return [
        Route("/tuinova/v1/changes", changes, methods=["GET"]),
        _AnyMethod("/image/v2/images/{id}/file", image_file),
        _AnyMethod("/image/v2/images/{id}/stage", image_stage),
        WebSocketRoute("/tuinova/v1/console", attach),
    ]


async def _not_found(request: Request, _error: Exception) -> Response:
    request_id = new_request_id()
    response = error_response(RouteNotFound(), face=face_of(request.url.path), request_id=request_id)
    return finish(response, request, request_id, time.perf_counter())


class Door:
    """What every request passes first: it is counted, and its path is brought into one form.

    `/v2.1/{project_id}/servers` (Cinder: `/volume/v3/{project_id}/...`) and a closing slash are old forms that clients
    still use. Operations are found here, at once; only streams and unknown paths go through Starlette's router.
    """

    def __init__(
        self, app: ASGIApp, activity: CountsRequests | None, state: ApiState, table: PathTable[Endpoint]
    ) -> None:
        self._app = app
        self._activity = activity
        self._state = state
        self._table = table

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request or WebSocket."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if self._activity is not None:
            self._activity.begin()
        try:
            scope = _in_one_form(scope)
            found = self._table.find(scope["path"]) if scope["type"] == "http" else None
            if found is None:
                await self._app(scope, receive, send)
            else:
                operations, scope["path_params"] = found
                await operations(scope, receive, send)
        except asyncio.CancelledError:
            # The server cancels what a stop does not wait for, and calls that an error of ours.
            if not self._state.stopping.is_set():
                raise
        finally:
            if self._activity is not None:
                self._activity.end()


# Faces whose paths may name the project first.
_WITH_PROJECT = ("/v2.1/", "/volume/v3/")


def _in_one_form(scope: Scope) -> Scope:
    path: str = scope["path"]
    for prefix in _WITH_PROJECT:
        if path.startswith(prefix):
            given, _, rest = path.removeprefix(prefix).partition("/")
            if looks_like_project_id(given):
                scope = {**scope, "path": prefix + rest, "url_project_id": given}
                path = scope["path"]
    if path in _ROOTS:
        return {**scope, "path": path + "/"}
    if len(path) > 1 and path.endswith("/") and path[:-1] not in _ROOTS:
        return {**scope, "path": path.rstrip("/") or "/"}
    return scope
