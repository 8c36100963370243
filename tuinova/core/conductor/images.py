"""Images: the rows; their data is the image store's."""

from __future__ import annotations

import operator
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping
from dataclasses import fields
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, bindparam, delete, insert, or_, select, update

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
from tuinova.core.models import ImageMember as MemberTable
from tuinova.core.records import Image, Instance

_T = ImageTable.__table__  # type: ignore[attr-defined]
_M = MemberTable.__table__  # type: ignore[attr-defined]
_FIELDS = tuple(item.name for item in fields(Image) if item.name != "members")
_SELECT = select(*(_T.c[name] for name in _FIELDS))
_ONE = _SELECT.where(_T.c.id == bindparam("id"))
_DELETE = delete(_T).where(_T.c.id == bindparam("id"))
_DELETE_MEMBERS = delete(_M).where(_M.c.image_id == bindparam("id"))
_IDS = select(_T.c.id)
_MEMBERS = select(_M.c.image_id, _M.c.member_id, _M.c.status)
_MEMBERS_OF = _MEMBERS.where(_M.c.image_id == bindparam("id"))
_EXACT = (
    *("name", "status", "owner", "disk_format", "container_format", "checksum", "os_hash_value"),
    *("min_disk", "min_ram", "os_hidden", "protected"),
)
_COMPARE = {
    "lt": operator.lt,
    "lte": operator.le,
    "gt": operator.gt,
    "gte": operator.ge,
    "eq": operator.eq,
    "neq": operator.ne,
}
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


def read_image(connection: Connection, image_id: str) -> Image:
    """One image with its members; raises ImageNotFound."""
    row = connection.execute(_ONE, {"id": image_id}).first()
    if row is None:
        raise ImageNotFound(image_id=image_id)
    return _record(row, {one.member_id: one.status for one in connection.execute(_MEMBERS_OF, {"id": image_id})})


def _record(row: Any, members: dict[str, str]) -> Image:
    values: dict[str, Any] = dict(zip(_FIELDS, row, strict=True))
    return Image(**values, members=members)


def _conditions(wanted: ImageFilter) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = [
        _T.c[name].in_(list(value)) if _is_several(value) else _T.c[name] == value
        for name in _EXACT
        if (value := getattr(wanted, name)) is not None
    ]
    if wanted.ids is not None:
        found.append(_T.c.id.in_(list(wanted.ids)))
    if wanted.visibility not in (None, "all"):
        found.append(_T.c.visibility == wanted.visibility)
    if wanted.size_min is not None:
        found.append(_T.c.size >= wanted.size_min)
    if wanted.size_max is not None:
        found.append(_T.c.size <= wanted.size_max)
    found += [_COMPARE[how](_T.c[name], moment) for name, how, moment in wanted.times]
    if wanted.member_id is not None:
        found.append(_shared_with(wanted.member_id, wanted.member_status))
    if wanted.project_id is not None:
        # Community images are only in lists that ask for them (Glance).
        others = ("public", "community") if wanted.visibility in ("community", "all") else ("public",)
        shared = _shared_with(wanted.project_id, wanted.member_status)
        found.append(or_(_T.c.owner == wanted.project_id, _T.c.visibility.in_(others), shared))
    return found


def _is_several(value: object) -> bool:
    return isinstance(value, Collection) and not isinstance(value, str)


def _shared_with(project_id: str, status: str) -> ColumnElement[bool]:
    """Images that are shared with a project, which has answered so."""
    members = select(_M.c.image_id).where(_M.c.member_id == project_id)
    if status != "all":
        members = members.where(_M.c.status == status)
    return and_(_T.c.visibility == "shared", _T.c.id.in_(members))


def _fits(image: Image, wanted: ImageFilter) -> bool:
    """What is kept as JSON and so not looked for in the database."""
    properties = image.properties
    return all(tag in image.tags for tag in wanted.tags) and all(
        properties.get(key) == value for key, value in wanted.properties.items()
    )


def insert_image(tx: Tx, image: Image) -> None:
    """Write a new image's row; raises ImageExists."""
    if tx.first(_ONE, {"id": image.id}) is not None:
        raise ImageExists(image_id=image.id)
    values = {name: getattr(image, name) for name in _FIELDS}
    tx.run(insert(_T), {**values, "created_at": image.created_at or tx.now, "updated_at": tx.now})
    for member_id, status in image.members.items():
        row = {"image_id": image.id, "member_id": member_id, "status": status, "created_at": tx.now}
        tx.run(insert(_M), {**row, "updated_at": tx.now})
    tx.change("image", "update", image.id, image.owner)


def remove_image(tx: Tx, image_id: str) -> None:
    """Take an image's rows away."""
    tx.run(_DELETE_MEMBERS, {"id": image_id})
    tx.run(_DELETE, {"id": image_id})


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
        old = read_image(tx.connection, image_id)
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
            remove_image(tx, image_id)
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
            members: dict[str, dict[str, str]] = defaultdict(dict)
            for image_id, member_id, status in connection.execute(_MEMBERS):
                members[image_id][member_id] = status
            rows = connection.execute(statement)
            found = [_record(row, members.get(row.id, {})) for row in rows]
        found = [image for image in found if _fits(image, wanted)]
        if wanted.marker is not None:
            places = [place for place, image in enumerate(found) if image.id == wanted.marker]
            if not places:
                raise MarkerNotFound(marker=wanted.marker)
            found = found[places[0] + 1 :]
        return found if wanted.limit is None else found[: wanted.limit]

    def image(self, image_id: str) -> Image:
        """One image; raises ImageNotFound."""
        with self._reading() as connection:
            return read_image(connection, image_id)

    def image_ids(self) -> set[str]:
        """The ids of all images, for finding data without a row."""
        with self._reading() as connection:
            return set(connection.execute(_IDS).scalars())

    def create_image(self, image: Image) -> Image:
        """Write a new image; raises ImageExists."""

        def job(tx: Tx) -> Image:
            insert_image(tx, image)
            return read_image(tx.connection, image.id)

        return self._write(job)

    def update_image(self, image_id: str, *, expect_status: Any_ | str | Collection[str] = ANY, **values: Any) -> Image:
        """Change fields; raises ImageNotFound, ImageDataConflict when the status is not the expected one."""

        def job(tx: Tx) -> Image:
            old = read_image(tx.connection, image_id)
            if not isinstance(expect_status, Any_):
                allowed = (expect_status,) if isinstance(expect_status, str) else expect_status
                if old.status not in allowed:
                    raise ImageDataConflict(image_id=image_id, status=old.status)
            tx.run(update(_T).where(_T.c.id == image_id).values({**values, "updated_at": tx.now}))
            new = read_image(tx.connection, image_id)
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
            old = read_image(tx.connection, image_id)
            if old.protected:
                raise ImageProtected(image_id=image_id)
            remove_image(tx, image_id)
            tx.change("image", "delete", image_id, old.owner)
            return old

        return self._write(job)
