"""/image/v2/images/{id}/members: whom a shared image is shared with (glance/api/v2/image_members.py)."""

from __future__ import annotations

from typing import Any

from tuinova.api.images import visible_image
from tuinova.api.operations import Call, Operation
from tuinova.api.schemas import images as schemas
from tuinova.api.views import seconds
from tuinova.core.errors import Forbidden, ImageMemberNotFound, Invalid
from tuinova.core.records import Image, ImageMember

ANSWERS = ("pending", "accepted", "rejected")


def _view(member: ImageMember) -> dict[str, Any]:
    return {
        "member_id": member.member_id,
        "image_id": member.image_id,
        "status": member.status,
        "created_at": seconds(member.created_at),
        "updated_at": seconds(member.updated_at),
        "schema": "/v2/schemas/member",
    }


def _image(call: Call) -> Image:
    """A shared image that the caller may know of."""
    image = visible_image(call.state, call.ctx, call.param("id"))
    if image.visibility != "shared":
        raise Forbidden("Only shared images have members.")
    return image


def _owns(call: Call, image: Image) -> bool:
    return call.ctx.is_admin or image.owner == call.ctx.project_id


def index(call: Call) -> Any:
    """All members for the owner; a member sees itself."""
    image = _image(call)
    found = call.state.conductor.image_members(image.id)
    shown = found if _owns(call, image) else [one for one in found if one.member_id == call.ctx.project_id]
    return {"members": [_view(one) for one in shown], "schema": "/v2/schemas/members"}


def show(call: Call) -> Any:
    """One member."""
    image, wanted = _image(call), call.param("member")
    for member in call.state.conductor.image_members(image.id):
        if member.member_id == wanted and (_owns(call, image) or wanted == call.ctx.project_id):
            return _view(member)
    raise ImageMemberNotFound(image_id=image.id, member_id=wanted)


def create(call: Call) -> Any:
    """Share with a project, which must be one of ours; it is pending until that project accepts."""
    image, asked = _image(call), call.body
    if "member" not in asked:
        raise Invalid("Member to be added not specified")
    if not asked["member"]:
        raise Invalid("Member can't be empty")
    if not _owns(call, image):
        raise Forbidden(f"Not allowed to create members for image {image.id}.")
    project = call.state.conductor.project(asked["member"])
    return _view(call.state.conductor.add_image_member(image.id, project.id))


def update(call: Call) -> Any:
    """The member's answer, or an admin's for it; not the owner's."""
    image, member = _image(call), call.param("member")
    if "status" not in call.body:
        raise Invalid("Status not specified")
    if not call.ctx.is_admin and member != call.ctx.project_id:
        raise Forbidden(f"Not allowed to update members for image {image.id}.")
    status = call.body["status"]
    if status not in ANSWERS:
        raise Invalid(
            f'Incorrect request: Status must be "pending", "accepted" or "rejected", not {str(status)[:40]!r}.'
        )
    return _view(call.state.conductor.answer_image_member(image.id, member, status))


def delete(call: Call) -> None:
    """Share it no longer; servers that were made of it keep their disks."""
    image = _image(call)
    if not _owns(call, image):
        raise Forbidden(f"Not allowed to delete members for image {image.id}.")
    call.state.conductor.remove_image_member(image.id, call.param("member"))


OPERATIONS = (
    Operation("GET", "/images/{id}/members", index, rule="get_members"),
    Operation("POST", "/images/{id}/members", create, 200, "add_member", schemas.MEMBER),
    Operation("GET", "/images/{id}/members/{member}", show, rule="get_member"),
    Operation("PUT", "/images/{id}/members/{member}", update, 200, "modify_member", schemas.ANSWER),
    Operation("DELETE", "/images/{id}/members/{member}", delete, 204, "delete_member"),
)
