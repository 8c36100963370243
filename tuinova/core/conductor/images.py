"""Images: the rows; their data is the image store's."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import fields
from typing import Any

from sqlalchemy import ColumnElement, Connection, bindparam, delete, insert, or_, select, update

from tuinova.core.conductor.base import Base
from tuinova.core.conductor.transaction import Part, Tx
from tuinova.core.drafts import ANY, Any_, ImageFilter
from tuinova.core.errors import (
    ImageDataConflict,
    ImageExists,
    ImageNotFound,
    ImageProtected,
    InvalidInput,
    MarkerNotFound,
)
from tuinova.core.models import Image as ImageTable
from tuinova.core.records import Image, Instance

_T = ImageTable.__table__  # type: ignore[attr-defined]
_FIELDS = tuple(item.name for item in fields(Image))
_SELECT = select(*(_T.c[name] for name in _FIELDS))
_ONE = _SELECT.where(_T.c.id == bindparam("id"))
_DELETE = delete(_T).where(_T.c.id == bindparam("id"))
_IDS = select(_T.c.id)
_EXACT = ("name", "status", "visibility", "owner", "disk_format", "container_format", "os_hidden", "protected")
SORT_KEYS = (
    "name",
    "status",
    "container_format",
    "disk_format",
    "size",
    "id",
    "created_at",
    "updated_at",
    "min_disk",
    "min_ram",
    "owner",
    "visibility",
)


def _one(connection: Connection, image_id: str) -> Image:
    row = connection.execute(_ONE, {"id": image_id}).first()
    if row is None:
        raise ImageNotFound(image_id=image_id)
    return Image(*row)


def _conditions(wanted: ImageFilter) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = [
        _T.c[name] == value for name in _EXACT if (value := getattr(wanted, name)) is not None
    ]
    if wanted.ids is not None:
        found.append(_T.c.id.in_(list(wanted.ids)))
    if wanted.project_id is not None:
        # Community images are only in lists that ask for them (Glance).
        others = "community" if wanted.visibility == "community" else "public"
        found.append(or_(_T.c.owner == wanted.project_id, _T.c.visibility == others))
    return found


def insert_image(tx: Tx, image: Image) -> None:
    """Write a new image's row; raises ImageExists."""
    if tx.first(_ONE, {"id": image.id}) is not None:
        raise ImageExists(image_id=image.id)
    values = {name: getattr(image, name) for name in _FIELDS}
    tx.run(insert(_T), {**values, "created_at": image.created_at or tx.now, "updated_at": tx.now})
    tx.change("image", "update", image.id, image.owner)


def new_image(image: Image | Callable[[Instance], Image]) -> Part:
    """The row of an image that a server's action will fill, written with the request; maybe made of the server."""

    def part(tx: Tx, instance: Instance) -> None:
        insert_image(tx, image(instance) if callable(image) else image)

    return part


def fill_image(image_id: str, *, expect: str, properties: Mapping[str, str] | None = None, **values: Any) -> Part:
    """Change an image that a server's action fills, `properties` beside those that it has.

    Raises ImageNotFound when somebody deleted it, ImageDataConflict when its status is not the expected one.
    """

    def part(tx: Tx, instance: Instance) -> None:
        old = _one(tx.connection, image_id)
        if old.status != expect:
            raise ImageDataConflict(image_id=image_id, status=old.status)
        merged = {**old.properties, **(properties or {})}
        tx.run(update(_T).where(_T.c.id == image_id).values({**values, "properties": merged, "updated_at": tx.now}))
        tx.change("image", "update", image_id, old.owner)

    return part


def note_image(image_id: str, **values: Any) -> Part:
    """Change fields of an image together with its server; one that is gone is left alone."""

    def part(tx: Tx, instance: Instance) -> None:
        if tx.first(_ONE, {"id": image_id}) is None:
            return
        tx.run(update(_T).where(_T.c.id == image_id).values({**values, "updated_at": tx.now}))
        tx.change("image", "update", image_id, instance.project_id)

    return part


def drop_image(image_id: str, *, half_made: bool = False) -> Part:
    """Remove an image's row together with its server's step; its data is the caller's, after the commit.

    A protected one stays. With `half_made` one that is active stays, and nothing protects another.
    """

    def part(tx: Tx, instance: Instance) -> None:
        row = tx.first(_ONE, {"id": image_id})
        if row is not None and not (row.status == "active" if half_made else row.protected):
            tx.run(_DELETE, {"id": image_id})
            tx.change("image", "delete", image_id, instance.project_id)

    return part


class Images(Base):
    """The conductor's calls about images."""

    def images(self, wanted: ImageFilter | None = None) -> list[Image]:
        """The images that match; raises MarkerNotFound, InvalidInput for an unknown sort key."""
        wanted = wanted or ImageFilter()
        statement = _SELECT.where(*_conditions(wanted))
        for name, direction in (*wanted.sort, ("id", "desc")):
            if name not in SORT_KEYS:
                raise InvalidInput(reason=f"sort_key: {name} is none of {', '.join(SORT_KEYS)}")
            statement = statement.order_by(_T.c[name].desc() if direction == "desc" else _T.c[name].asc())
        with self._reading() as connection:
            found = [Image(*row) for row in connection.execute(statement)]
        if wanted.tag is not None:
            found = [image for image in found if wanted.tag in image.tags]
        if wanted.marker is not None:
            places = [place for place, image in enumerate(found) if image.id == wanted.marker]
            if not places:
                raise MarkerNotFound(marker=wanted.marker)
            found = found[places[0] + 1 :]
        return found if wanted.limit is None else found[: wanted.limit]

    def image(self, image_id: str) -> Image:
        """One image; raises ImageNotFound."""
        with self._reading() as connection:
            return _one(connection, image_id)

    def image_ids(self) -> set[str]:
        """The ids of all images, for finding data without a row."""
        with self._reading() as connection:
            return set(connection.execute(_IDS).scalars())

    def create_image(self, image: Image) -> Image:
        """Write a new image; raises ImageExists."""

        def job(tx: Tx) -> Image:
            insert_image(tx, image)
            return _one(tx.connection, image.id)

        return self._write(job)

    def update_image(self, image_id: str, *, expect_status: Any_ | str | Collection[str] = ANY, **values: Any) -> Image:
        """Change fields; raises ImageNotFound, ImageDataConflict when the status is not the expected one."""

        def job(tx: Tx) -> Image:
            old = _one(tx.connection, image_id)
            if not isinstance(expect_status, Any_):
                allowed = (expect_status,) if isinstance(expect_status, str) else expect_status
                if old.status not in allowed:
                    raise ImageDataConflict(image_id=image_id, status=old.status)
            tx.run(update(_T).where(_T.c.id == image_id).values({**values, "updated_at": tx.now}))
            new = _one(tx.connection, image_id)
            tx.change("image", "update", image_id, new.owner)
            return new

        return self._write(job)

    def abandon_uploads(self) -> list[str]:
        """Put images whose upload was cut off by the service's end back to queued; only for a start."""

        def job(tx: Tx) -> list[str]:
            saving = list(tx.run(_IDS.where(_T.c.status == "saving")).scalars())
            for image_id in saving:
                tx.run(update(_T).where(_T.c.id == image_id).values(status="queued", updated_at=tx.now))
                tx.change("image", "update", image_id)
            return saving

        return self._write(job)

    def delete_image(self, image_id: str) -> Image:
        """Remove an image's row and return what it was; raises ImageNotFound, ImageProtected."""

        def job(tx: Tx) -> Image:
            old = _one(tx.connection, image_id)
            if old.protected:
                raise ImageProtected(image_id=image_id)
            tx.run(_DELETE, {"id": image_id})
            tx.change("image", "delete", image_id, old.owner)
            return old

        return self._write(job)
