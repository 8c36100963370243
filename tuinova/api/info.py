"""What the service says of itself: `tuinova info`, `tuinova config show`."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any

from tuinova import __version__
from tuinova.api.operations import Call, Operation
from tuinova.api.state import ApiState

if TYPE_CHECKING:
    from tuinova.core.service import Engine

_SHOWN_HOSTS = 16


def info(call: Call) -> Any:
    """Version, places, drivers, warnings, and as whom the caller acts."""
    ctx, engine = call.ctx, call.state.engine
    return {
        "version": __version__,
        "pid": os.getpid(),
        **_places(call.state),
        **_hypervisors(engine),
        "warnings": [*call.state.config.warnings, *engine.warnings()],
        "started_at": engine.started_at.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "last_change": call.state.conductor.last_change(),
        "user": {"id": ctx.user_id, "name": ctx.user_name},
        "project": {"id": ctx.project_id, "name": ctx.project_name},
        "roles": sorted(ctx.all_roles),
    }


def _places(state: ApiState) -> dict[str, Any]:
    places, config = state.places, state.config
    return {
        "socket": str(places.socket),
        "state_dir": str(places.state_dir),
        "instances_path": str(config.DEFAULT.instances_path or places.instances),
        "database": _without_password(config.database.connection or f"sqlite:///{places.database}"),
        "config": str(config.path) if config.path else None,
        "log": str(places.log),
    }


def _hypervisors(engine: Engine) -> dict[str, Any]:
    """The first host's at the top; all of them where there are several."""
    rows = [
        {
            "host": driver.host,
            "connection": driver.connection_name,
            "virt_type": driver.virt_type,
            "virt_type_reason": driver.virt_type_reason,
        }
        for driver in engine.drivers.values()
    ]
    first = rows[0]
    fake = first["connection"] == "fake"
    return {
        "driver": "fake" if fake else "libvirt",
        "libvirt_uri": None if fake else first["connection"],
        "virt_type": first["virt_type"],
        "virt_type_reason": first["virt_type_reason"],
        "hosts": rows if len(rows) <= _SHOWN_HOSTS else rows[:_SHOWN_HOSTS],
        "host_count": len(rows),
    }


def _without_password(url: str) -> str:
    return re.sub(r"(://[^:/@]*):[^@]*@", r"\1:***@", url)


def config(call: Call) -> Any:
    """Every option in force and where it came from; for administrators, as all that speaks of hosts."""
    return call.state.config.describe()


OPERATIONS = (
    Operation("GET", "/info", info),
    Operation("GET", "/config", config, rule="os_compute_api:os-services:list"),
)
