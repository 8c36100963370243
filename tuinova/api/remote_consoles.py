"""POST /servers/{id}/remote-consoles: no console proxy is served yet, which Nova says so."""

from __future__ import annotations

from typing import Any

from tuinova.api.operations import Call, Operation
from tuinova.api.schemas import catalogue as schemas
from tuinova.core.errors import ConsoleTypeInvalid, ConsoleTypeUnavailable

_TYPES = {
    "vnc": ("novnc",),
    "spice": ("spice-html5", "spice-direct"),
    "serial": ("serial",),
    "mks": ("webmks",),
    "rdp": ("rdp-html5",),
}


def create(call: Call) -> Any:
    """Refused with Nova's text for a type that is not enabled."""
    call.state.instance(call.ctx, call.param("id"))
    asked = call.body["remote_console"]
    if asked["type"] not in _TYPES[asked["protocol"]]:
        raise ConsoleTypeInvalid(console_type=asked["type"])
    raise ConsoleTypeUnavailable(console_type=asked["type"])


OPERATIONS = (
    Operation(
        "POST",
        "/servers/{id}/remote-consoles",
        create,
        200,
        "os_compute_api:os-remote-consoles",
        schemas.REMOTE_CONSOLE,
    ),
)
