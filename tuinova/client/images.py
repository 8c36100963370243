"""Images: Glance's routes, and data streamed in bounded memory."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from tuinova.client.connection import Readable
from tuinova.client.errors import ServiceUnreachable
from tuinova.client.resources import Json, Resource, Rows, looks_like_uuid, pick

# (bytes done, bytes in all or None)
Progress = Callable[[int, "int | None"], None]
CHUNK = 1 << 20
_DATA_TIMEOUT = 600.0  # the service inspects and hashes what it got before it answers
_PATCH_TYPE = "application/openstack-images-v2.1-json-patch"


class Images(Resource):
    """Images and their data."""

    noun = "Image"
    path = "/image/v2/images"

    def list(self, **filters: Any) -> Rows:
        """Images by Glance's filters, by name."""
        return list(self._pages(self.path, "images", filters))

    def get(self, ident: str) -> Json:
        """One by id."""
        return dict(self.client.get(self._url(ident)))

    def find(self, name: str) -> Json:
        """By id, else by name."""
        if looks_like_uuid(name) and (found := self._by_id(name)):
            return found
        return pick([row for row in self.list(name=name) if row["name"] == name], self.noun, name)

    def create(self, fields: Mapping[str, Any]) -> Json:
        """A queued image: name, disk_format, container_format, visibility, min_disk, min_ram, properties on top."""
        return dict(self.client.post(self.path, dict(fields)))

    def patch(self, ident: str, changes: Rows) -> Json:
        """A JSON patch: [{"op": "add" | "replace" | "remove", "path": "/name", "value": ...}]."""
        answer = self.client.request("PATCH", self._url(ident), changes, headers={"Content-Type": _PATCH_TYPE})
        return dict(answer.json())

    def update(self, ident: str, **fields: Any) -> Json:
        """Set fields and properties; a value of None removes a property."""
        pointers = {key: key.replace("~", "~0").replace("/", "~1") for key in fields}
        return self.patch(
            ident,
            [
                {"op": "remove", "path": f"/{pointers[key]}"}
                if value is None
                else {"op": "add", "path": f"/{pointers[key]}", "value": value}
                for key, value in fields.items()
            ],
        )

    def delete(self, ident: str) -> None:
        """Remove image and data."""
        self.client.delete(self._url(ident))

    def upload(self, ident: str, file: Readable, progress: Progress | None = None) -> None:
        """Stream the data of a queued image."""
        size = _size(file)
        headers = {"Content-Type": "application/octet-stream"}
        if size is not None:
            headers["Content-Length"] = str(size)
        body = _chunks(file, size, progress)
        self.client.request("PUT", self._url(ident, "file"), body, headers=headers, timeout=_DATA_TIMEOUT)

    def download(self, ident: str, file: Any, progress: Progress | None = None) -> int:
        """Write the data to `file`; the number of bytes."""
        stream = self.client.connection.open("GET", self._url(ident, "file"), timeout=_DATA_TIMEOUT)
        try:
            length = stream.headers.get("content-length")
            total = int(length) if length else None
            done = 0
            while chunk := stream.read1(CHUNK):
                file.write(chunk)
                done += len(chunk)
                if progress is not None:
                    progress(done, total)
        finally:
            stream.close()
        if total is not None and done != total:
            raise ServiceUnreachable(f"The data of image {ident} broke off after {done} of {total} bytes.")
        return done


def _size(file: Readable) -> int | None:
    """Bytes from here to the end; None where that can't be known (a pipe)."""
    try:
        here = file.tell()
        end = file.seek(0, os.SEEK_END)
        file.seek(here)
    except (OSError, AttributeError):
        return None
    return end - here


def _chunks(file: Readable, size: int | None, progress: Progress | None) -> Iterator[bytes]:
    done = 0
    while chunk := file.read(CHUNK if size is None else min(CHUNK, size - done)):
        yield chunk
        done += len(chunk)
        if progress is not None:
            progress(done, size)
