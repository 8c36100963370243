"""/image/v2/images/{id}/file: data in and out, streamed in bounded memory.

Status: queued -> saving -> active. Data that is refused leaves the image killed; a broken upload or a full disk leaves
it queued, to be tried again. Nothing of refused or broken data stays.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator

import anyio.from_thread
import anyio.to_thread
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response, StreamingResponse

from tuinova.api.errors import MethodNotAllowed, ServiceStopping, UnsupportedMediaType, error_response
from tuinova.api.images import own_image, visible_image
from tuinova.api.operations import finish
from tuinova.api.state import ApiState
from tuinova.core.context import RequestContext, new_request_id
from tuinova.core.errors import Forbidden, ImageDataConflict, ImageUnacceptable, Invalid, InvalidDiskFormat, NovaError
from tuinova.core.image_import import STAGED
from tuinova.core.image_store import StoredImage
from tuinova.core.policy import authorize
from tuinova.core.records import Image

_ALLOWED = ("GET", "HEAD", "OPTIONS", "PUT")
_ALLOWED_STAGE = ("OPTIONS", "PUT")
# What takes the data of an image in a thread.
Receive = Callable[[ApiState, RequestContext, str, Iterator[bytes]], None]


async def image_file(state: ApiState, request: Request) -> Response:
    """Every method of `.../file`."""
    return await _answer(state, request, _ALLOWED, _receive)


async def image_stage(state: ApiState, request: Request) -> Response:
    """Every method of `.../stage`: data for an import with glance-direct."""
    return await _answer(state, request, _ALLOWED_STAGE, _stage)


async def _answer(state: ApiState, request: Request, allowed: tuple[str, ...], receive: Receive) -> Response:
    started = time.perf_counter()
    request_id = new_request_id()
    try:
        if request.method not in allowed:
            raise MethodNotAllowed(allowed=allowed)
        if request.method == "OPTIONS":
            response = Response(status_code=204, headers={"Allow": ", ".join(allowed)})
        else:
            ctx = await anyio.to_thread.run_sync(state.identity.context, request.headers, request_id)
            if request.method == "PUT":
                response = await _upload(state, request, ctx, receive)
            else:
                response = await _download(state, request, ctx)
    except Exception as error:  # noqa: BLE001 - the boundary of the service: every error becomes an answer
        response = error_response(error, face="image", request_id=request_id)
        if request.method == "PUT":
            response.headers["Connection"] = "close"  # what is left of the data is not read
    return finish(response, request, request_id, started)


async def _upload(state: ApiState, request: Request, ctx: RequestContext, receive: Receive) -> Response:
    kind = request.headers.get("content-type", "application/octet-stream").split(";")[0].strip()
    if kind != "application/octet-stream":
        raise UnsupportedMediaType(content_type=kind[:80])
    ident = request.path_params["id"]
    chunks = _Chunks(request.stream(), state.stopping)
    await anyio.to_thread.run_sync(receive, state, ctx, ident, chunks, limiter=state.uploads)
    return Response(status_code=204)


class _Chunks(Iterator[bytes]):
    """The request's body for a thread: each chunk is asked of the event loop when the one before is written."""

    def __init__(self, stream: AsyncIterator[bytes], stopping: asyncio.Event) -> None:
        self._stream = stream
        self._stopping = stopping

    async def _next(self) -> bytes | None:
        """The next bytes, None at the end; a client that says nothing does not hold up a service that stops."""
        read = asyncio.ensure_future(self._next_chunk())
        stop = asyncio.ensure_future(self._stopping.wait())
        try:
            await asyncio.wait({read, stop}, return_when=asyncio.FIRST_COMPLETED)
            if not read.done():
                raise ServiceStopping
            return read.result()
        finally:
            stop.cancel()
            read.cancel()

    async def _next_chunk(self) -> bytes | None:
        async for chunk in self._stream:
            if chunk:
                return chunk
        return None

    def __next__(self) -> bytes:
        chunk = anyio.from_thread.run(self._next)
        if chunk is None:
            raise StopIteration
        return chunk


def _receive(state: ApiState, ctx: RequestContext, ident: str, chunks: Iterator[bytes]) -> None:
    """In a thread: one upload from its first byte to the image's new status."""
    authorize(ctx, "upload_image")
    image = own_image(state, ctx, ident, "upload data to")
    if image.disk_format is None or image.container_format is None:
        raise Invalid("Properties disk_format, container_format must be set prior to saving data.")
    conductor = state.conductor
    if image.status != "queued":
        raise ImageDataConflict(image_id=ident, status=image.status)
    conductor.update_image(ident, expect_status="queued", status="saving")
    after = "queued"
    try:
        stored = state.image_store.write(ident, chunks, image.disk_format)
        _activate(state, ident, stored)
        after = "active"
    except (ImageUnacceptable, InvalidDiskFormat):
        after = "killed"
        raise
    except ClientDisconnect as error:
        raise Invalid("The upload broke off.") from error
    finally:
        if after != "active":
            _give_up(state, image, after)


def _stage(state: ApiState, ctx: RequestContext, ident: str, chunks: Iterator[bytes]) -> None:
    """In a thread: data that waits for its import; it is looked at then."""
    authorize(ctx, "upload_image")
    image = own_image(state, ctx, ident, "upload data to")
    task = {"method": STAGED, "staged": False}
    state.conductor.update_image(ident, expect_status="queued", status="uploading", task=task)
    whole = False
    try:
        size = state.image_store.stage(ident, chunks)
        state.conductor.update_image(ident, expect_status="uploading", task={**task, "staged": True}, size=size)
        whole = True
    except ClientDisconnect as error:
        raise Invalid("The upload broke off.") from error
    finally:
        if not whole:
            state.image_store.discard_import(ident)
            _give_up(state, image, "queued", before="uploading")


def _activate(state: ApiState, ident: str, stored: StoredImage) -> None:
    try:
        state.conductor.update_image(
            ident,
            expect_status="saving",
            status="active",
            size=stored.size,
            virtual_size=stored.virtual_size,
            checksum=stored.checksum,
            os_hash_algo="sha512",
            os_hash_value=stored.sha512,
            task=None,
        )
    except NovaError:
        state.image_store.delete(ident)  # the image was deleted while its data came in
        raise


def _give_up(state: ApiState, image: Image, status: str, before: str = "saving") -> None:
    try:
        state.conductor.update_image(image.id, expect_status=before, status=status, task=None)
    except NovaError:
        return  # deleted meanwhile


async def _download(state: ApiState, request: Request, ctx: RequestContext) -> Response:
    image, chunks = await anyio.to_thread.run_sync(_open, state, ctx, request.path_params["id"])
    if chunks is None:
        return Response(status_code=204)
    headers = {"Content-Length": str(image.size), "Content-MD5": image.checksum or ""}
    return StreamingResponse(chunks, headers=headers, media_type="application/octet-stream")


def _open(state: ApiState, ctx: RequestContext, ident: str) -> tuple[Image, Iterator[bytes] | None]:
    authorize(ctx, "download_image")
    image = visible_image(state, ctx, ident)
    if image.status == "deactivated" and not ctx.is_admin:
        raise Forbidden("The requested image has been deactivated. Image data download is forbidden.")
    # An image of a volume-backed server names snapshots and has no data.
    if image.status not in ("active", "deactivated") or image.size == 0:
        return image, None
    return image, state.image_store.read(ident)
