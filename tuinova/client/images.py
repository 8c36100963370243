"""Images: Glance's routes, and data streamed in bounded memory."""

from __future__ import annotations

import http.client
import itertools
import os
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from tuinova.client.connection import Readable, Stream
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

    def list(self, *, most: int | None = None, **filters: Any) -> Rows:
        """Images by Glance's filters, by name; `most` of them, whatever the size of a page."""
        if most is not None:
            filters.setdefault("limit", most)
        return list(itertools.islice(self._pages(self.path, "images", filters), most))

    def get(self, ident: str) -> Json:
        """One by id."""
        return dict(self.client.get(self._url(ident)))

    def find(self, name: str) -> Json:
        """By id, else by name."""
        if looks_like_uuid(name) and (found := self._by_id(name)):
            return found
        named = [row for row in self.list(name=name) if row["name"] == name]
        # A name is also looked for among those that no list shows unless it is asked to (openstacksdk does).
        return pick(named or self.list(name=name, os_hidden=True), self.noun, name)

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

    def start_import(
        self, ident: str, uri: str, *, checksum: str | None = None, checksum_uri: str | None = None
    ) -> None:
        """Let the service fetch the data of a queued image from the web."""
        method = {"name": "web-download", "uri": uri, "checksum": checksum, "checksum_uri": checksum_uri}
        self.client.post(
            self._url(ident, "import"), {"method": {key: value for key, value in method.items() if value is not None}}
        )

    def deactivate(self, ident: str) -> None:
        """Take it out of use."""
        self.client.post(self._url(ident, "actions", "deactivate"))

    def reactivate(self, ident: str) -> None:
        """Back into use."""
        self.client.post(self._url(ident, "actions", "reactivate"))

    def add_tag(self, ident: str, tag: str) -> None:
        """Put a tag on."""
        self.client.put(self._url(ident, "tags", tag))

    def remove_tag(self, ident: str, tag: str) -> None:
        """Take a tag off."""
        self.client.delete(self._url(ident, "tags", tag))

    def members(self, ident: str) -> Rows:
        """The projects that a shared image is shared with."""
        return list(self.client.get(self._url(ident, "members"))["members"])

    def member(self, ident: str, project: str) -> Json:
        """One of them."""
        return dict(self.client.get(self._url(ident, "members", project)))

    def add_member(self, ident: str, project: str) -> Json:
        """Share it with a project."""
        return dict(self.client.post(self._url(ident, "members"), {"member": project}))

    def answer(self, ident: str, project: str, status: str) -> Json:
        """A member's answer: accepted, rejected, pending."""
        return dict(self.client.put(self._url(ident, "members", project), {"status": status}))

    def remove_member(self, ident: str, project: str) -> None:
        """Share it no longer."""
        self.client.delete(self._url(ident, "members", project))

    def delete(self, ident: str) -> None:
        """Remove image and data."""
        self.client.delete(self._url(ident))

    def upload(self, ident: str, file: Readable, progress: Progress | None = None) -> None:
        """Stream the data of a queued image."""
        self._send(ident, "file", file, progress)

    def _send(self, ident: str, where: str, file: Readable, progress: Progress | None) -> None:
        size = _size(file)
        headers = {"Content-Type": "application/octet-stream"}
        if size is not None:
            headers["Content-Length"] = str(size)
        body = _chunks(file, size, progress)
        self.client.request("PUT", self._url(ident, where), body, headers=headers, timeout=_DATA_TIMEOUT)

    def stage(self, ident: str, file: Readable, progress: Progress | None = None) -> None:
        """Bring the data of a queued image for an import."""
        self._send(ident, "stage", file, progress)

    def import_staged(self, ident: str) -> None:
        """Let the service look at what was staged, and take it."""
        self.client.post(self._url(ident, "import"), {"method": {"name": "glance-direct"}})

    def download(self, ident: str, file: Any, progress: Progress | None = None, *, chunk_size: int = CHUNK) -> int:
        """Write the data to `file`; the number of bytes. Raises ServiceUnreachable when it breaks off."""
        stream = self.client.connection.open("GET", self._url(ident, "file"), timeout=_DATA_TIMEOUT)
        try:
            length = stream.headers.get("content-length")
            total = int(length) if length else None
            done = 0
            while chunk := _read(stream, chunk_size, ident):
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


def _read(stream: Stream, size: int, ident: str) -> bytes:
    """The next bytes; a service that goes away in the middle is told as that, not as an error of sockets."""
    try:
        return stream.read1(size)
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise ServiceUnreachable(f"The data of image {ident} broke off: {error or type(error).__name__}") from error
