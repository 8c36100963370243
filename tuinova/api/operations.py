"""What a route is: a row of data and a handler, and the endpoint that is made of them.

A handler is a blocking function that runs in a thread; it gets a `Call` and gives a body, or a `Reply`.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from tuinova.api.errors import MethodNotAllowed, RequestTooLarge, UnsupportedMediaType, error_response
from tuinova.api.microversions import NEWEST, Microversion, asked_version
from tuinova.api.validation import Schema, parse_json, validate
from tuinova.core.context import RequestContext, new_request_id
from tuinova.core.errors import Invalid, PolicyNotAuthorized
from tuinova.core.policy import authorize

if TYPE_CHECKING:
    from tuinova.api.state import ApiState

LOG = logging.getLogger("tuinova.api")

MICROVERSION = NEWEST
# oslo.middleware's max_request_body_size, which Nova runs with.
MAX_BODY = 114688
_VERSION = f"{MICROVERSION[0]}.{MICROVERSION[1]}"
# What every answer carries, as the server sends it.
_SAME_HEADERS = (
    (b"openstack-api-version", f"compute {_VERSION}".encode()),
    (b"x-openstack-nova-api-version", _VERSION.encode()),
    (b"vary", b"OpenStack-API-Version, X-OpenStack-Nova-API-Version"),
)
_VOLUME_HEADERS = ((b"openstack-api-version", b"volume 3.70"), (b"vary", b"OpenStack-API-Version"))
_OF_A_SERVER = ("/v2.1/servers/", "/tuinova/v1/servers/")
_READS = frozenset({"GET", "HEAD"})


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer other than plain JSON with the operation's usual code; `body` bytes or str are sent as they are."""

    body: Any = None
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    media_type: str = "application/json"


@dataclass(frozen=True, slots=True)
class Call:
    """One request as a handler sees it."""

    state: ApiState
    ctx: RequestContext
    request: Request
    query: QueryParams
    body: Any = None
    mv: Microversion = MICROVERSION  # of the answer
    asked: Microversion = MICROVERSION  # of the request

    def param(self, name: str) -> str:
        """A part of the path."""
        return str(self.request.path_params[name])

    @property
    def base_url(self) -> str:
        """Where links in answers point to."""
        return self.state.base_url


Handler = Callable[[Call], Any]


@dataclass(frozen=True, slots=True)
class Operation:
    """One method of one path.

    `rule` is the policy rule; `schema` the body's, or None for an operation that takes no body; `query` that of the
    query, which is checked only where Nova's is closed. `older` are the schemas of older microversions, each with the
    last one that it is of, the oldest first.
    """

    method: str
    path: str
    handler: Handler
    status: int = 200
    rule: str | None = None
    schema: Schema | None = None
    query: Schema | None = None
    json_body: bool = False  # a body without a schema of its own
    older: tuple[tuple[Microversion, Schema], ...] = ()

    def schema_at(self, asked: Microversion) -> Schema | None:
        """The body's schema in a version."""
        return next((schema for last, schema in self.older if asked <= last), self.schema)


Endpoint = Callable[[Scope, Receive, Send], Awaitable[None]]


def endpoint(state: ApiState, face: str, operations: Iterable[Operation]) -> Endpoint:
    """The ASGI endpoint of one path: all its methods."""
    by_method = {operation.method: operation for operation in operations}
    if "GET" in by_method:
        by_method["HEAD"] = by_method["GET"]
    allowed = sorted({*by_method, "OPTIONS"})

    async def respond(scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        started = time.perf_counter()
        request_id = new_request_id()
        operation = by_method.get(request.method)
        try:
            if operation is not None:
                raw = await read_body(request, MAX_BODY)
                # Abandoned where the service stops while a hypervisor hangs: nothing waits for that thread.
                response = await asyncio.get_running_loop().run_in_executor(
                    state.threads, _carry_out, state, face, operation, request, raw, request_id
                )
            elif request.method == "OPTIONS":
                response = Response(status_code=204, headers={"Allow": ", ".join(allowed)})
            else:
                raise MethodNotAllowed(allowed=allowed)
        except Exception as error:  # noqa: BLE001 - the boundary of the service: every error becomes an answer
            response = error_response(error, face=face, request_id=request_id)
        await finish(response, request, request_id, started)(scope, receive, send)

    return respond


def finish(response: Response, request: Request, request_id: str, started: float) -> Response:
    """The headers that every answer has, and a line in the log."""
    ident = request_id.encode()
    response.raw_headers += (
        (b"x-openstack-request-id", ident),
        (b"x-compute-request-id", ident),
        *(_VOLUME_HEADERS if request.scope["path"].startswith("/volume") else _SAME_HEADERS),
    )
    level = logging.DEBUG if request.method in _READS and response.status_code < 500 else logging.INFO
    if LOG.isEnabledFor(level):
        LOG.log(
            level,
            "[%s] %s %s %d %.1f ms%s",
            request_id,
            request.method,
            quoted_target(request),
            response.status_code,
            (time.perf_counter() - started) * 1000,
            _clients_id(request),
        )
    return response


def quoted_target(request: Request) -> str:
    """The path as it came (percent-encoded, so nothing can forge a line of the log), without the query."""
    raw: bytes = request.scope.get("raw_path") or b""
    return raw.split(b"?")[0].decode("ascii", "backslashreplace")[:300]


def _clients_id(request: Request) -> str:
    given = request.headers.get("x-openstack-request-id", "")
    return f" (client: {given})" if 0 < len(given) <= 64 and given.isascii() and given.isprintable() else ""


async def read_body(request: Request, limit: int) -> bytes:
    """The whole body, at most `limit` bytes."""
    declared = request.headers.get("content-length", "0")
    if declared.isdigit() and int(declared) > limit:
        raise RequestTooLarge
    parts = bytearray()
    async for chunk in request.stream():
        parts += chunk
        if len(parts) > limit:
            raise RequestTooLarge
    return bytes(parts)


def _carry_out(
    state: ApiState, face: str, operation: Operation, request: Request, raw: bytes, request_id: str
) -> Response:
    """In a thread: who asks, may he, is the body right, then the handler."""
    ctx = state.identity.context(request.headers, request_id)
    state.check_project_in_path(request, ctx)
    if operation.rule is not None:
        _authorize(state, operation.rule, request, ctx)
    asked = asked_version(request.headers) if face == "compute" else MICROVERSION
    body = None
    if operation.schema is not None or operation.json_body:
        body = _parse_body(request, raw)
        if (schema := operation.schema_at(asked)) is not None:
            validate(schema, body)
    query = request.query_params
    if operation.query is not None:
        check_query(operation.query, query)
    reply = operation.handler(Call(state, ctx, request, query, body, asked=asked))
    return to_response(reply, operation.status)


def _authorize(state: ApiState, rule: str, request: Request, ctx: RequestContext) -> None:
    """Whether the caller may; of a server that he does not see he is told that it is not there, as Nova does."""
    try:
        authorize(ctx, rule)
    except PolicyNotAuthorized:
        if request.url.path.startswith(_OF_A_SERVER) and "id" in request.path_params:
            state.instance(ctx, str(request.path_params["id"]))
        raise


def _parse_body(request: Request, raw: bytes) -> Any:
    content_type = request.headers.get("content-type", "application/json").split(";")[0].strip().lower()
    if "json" not in content_type and raw:
        raise UnsupportedMediaType(content_type=content_type[:80])
    if not raw:
        raise Invalid("Malformed request body")
    return parse_json(raw)


def check_query(schema: Schema, query: QueryParams) -> None:
    """Nova's check of a query: each parameter is a list of texts."""
    data: dict[str, list[str]] = {}
    for key, value in query.multi_items():
        data.setdefault(key, []).append(value)
    validate(schema, data, where="query parameters")


def to_response(reply: Any, status: int) -> Response:
    """The HTTP answer for what a handler gave."""
    if isinstance(reply, Response):
        return reply
    if not isinstance(reply, Reply):
        reply = Reply(reply)
    code = reply.status or status
    if reply.body is None:
        return Response(status_code=code, headers=dict(reply.headers))
    if isinstance(reply.body, bytes | str):
        return Response(reply.body, code, dict(reply.headers), media_type=reply.media_type)
    text = json.dumps(reply.body, separators=(",", ":"), ensure_ascii=False)
    return Response(text, code, dict(reply.headers), media_type=reply.media_type)
