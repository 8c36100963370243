"""Members of shared images: the projects that an owner shares one with, and what each has answered."""

from __future__ import annotations

from sqlalchemy import Connection, delete, insert, select, update

from tuinova.core.conductor.base import Base
from tuinova.core.conductor.images import read_image
from tuinova.core.conductor.transaction import Tx
from tuinova.core.errors import ImageMemberExists, ImageMemberLimitExceeded, ImageMemberNotFound
from tuinova.core.models import ImageMember as MemberTable
from tuinova.core.records import ImageMember

_M = MemberTable.__table__  # type: ignore[attr-defined]
_MOST = 128  # Glance's image_member_quota
_SELECT = select(_M.c.image_id, _M.c.member_id, _M.c.status, _M.c.created_at, _M.c.updated_at)


def _member(connection: Connection, image_id: str, member_id: str) -> ImageMember:
    row = connection.execute(_SELECT.where(_M.c.image_id == image_id, _M.c.member_id == member_id)).first()
    if row is None:
        raise ImageMemberNotFound(image_id=image_id, member_id=member_id)
    return ImageMember(*row)


class ImageMembers(Base):
    """The conductor's calls about members; every change tells of the image too."""

    def image_members(self, image_id: str) -> list[ImageMember]:
        """The members of an image in the order in which they were added."""
        with self._reading() as connection:
            statement = _SELECT.where(_M.c.image_id == image_id).order_by(_M.c.id)
            return [ImageMember(*row) for row in connection.execute(statement)]

    def add_image_member(self, image_id: str, member_id: str) -> ImageMember:
        """Share an image with a project; raises ImageNotFound, ImageMemberExists."""

        def job(tx: Tx) -> ImageMember:
            image = read_image(tx.connection, image_id)
            if member_id in image.members:
                raise ImageMemberExists(image_id=image_id, member_id=member_id)
            if len(image.members) >= _MOST:
                raise ImageMemberLimitExceeded(image_id=image_id, attempted=_MOST + 1, maximum=_MOST)
            values = {"image_id": image_id, "member_id": member_id, "status": "pending"}
            tx.run(insert(_M), {**values, "created_at": tx.now, "updated_at": tx.now})
            tx.change("image", "update", image_id, image.owner)
            return _member(tx.connection, image_id, member_id)

        return self._write(job)

    def answer_image_member(self, image_id: str, member_id: str, status: str) -> ImageMember:
        """Write down what a member has answered; raises ImageNotFound, ImageMemberNotFound."""

        def job(tx: Tx) -> ImageMember:
            image = read_image(tx.connection, image_id)
            _member(tx.connection, image_id, member_id)
            chosen = update(_M).where(_M.c.image_id == image_id, _M.c.member_id == member_id)
            tx.run(chosen.values(status=status, updated_at=tx.now))
            tx.change("image", "update", image_id, image.owner)
            return _member(tx.connection, image_id, member_id)

        return self._write(job)

    def remove_image_member(self, image_id: str, member_id: str) -> None:
        """Share it no longer; raises ImageNotFound, ImageMemberNotFound."""

        def job(tx: Tx) -> None:
            image = read_image(tx.connection, image_id)
            _member(tx.connection, image_id, member_id)
            tx.run(delete(_M).where(_M.c.image_id == image_id, _M.c.member_id == member_id))
            tx.change("image", "update", image_id, image.owner)

        self._write(job)
