"""/image/v2/images/{id}/actions: take an image out of use for a while (glance/api/v2/image_actions.py)."""

from __future__ import annotations

from tuinova.api.images import own_image
from tuinova.api.operations import Call, Operation
from tuinova.core.errors import Forbidden, ImageDataConflict


def deactivate(call: Call) -> None:
    """Nobody boots from it or reads it until it is reactivated; servers that were made of it stay."""
    _turn(call, "active", "deactivated", "deactivate")


def reactivate(call: Call) -> None:
    """Back into use."""
    _turn(call, "deactivated", "active", "reactivate")


def _turn(call: Call, before: str, after: str, what: str) -> None:
    image = own_image(call.state, call.ctx, call.param("id"), what)
    if image.status == after:
        return
    try:
        call.state.conductor.update_image(image.id, expect_status=before, status=after)
    except ImageDataConflict as error:
        raise Forbidden(f"Not allowed to {what} image in status '{error.kwargs['status']}'") from error


OPERATIONS = (
    Operation("POST", "/images/{id}/actions/deactivate", deactivate, 204, "deactivate"),
    Operation("POST", "/images/{id}/actions/reactivate", reactivate, 204, "reactivate"),
)
