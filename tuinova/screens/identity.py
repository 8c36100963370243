"""What the service says of itself and of the acting person, in the shape that the screens use."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple


class Acting(NamedTuple):
    """As whom, in which project, and whether every project's servers and the soft-deleted ones are shown."""

    username: str | None = None
    project: str | None = None
    all_projects: bool = False
    soft_deleted: bool = False


class Identity(NamedTuple):
    """The connection and who acts over it."""

    version: str = ""
    driver: str = ""
    virt_type: str = ""
    libvirt_uri: str = ""
    socket: str = ""
    user: str = ""
    project: str = ""
    project_id: str = ""
    roles: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def connection(self) -> str:
        """The hypervisor in a few words: `qemu:///system kvm`, `fake`."""
        where = self.libvirt_uri if self.driver == "libvirt" and self.libvirt_uri else self.driver
        return f"{where} {self.virt_type}".strip() if self.driver != "fake" else "fake"


def _named(value: Any) -> tuple[str, str]:
    """(name, id) of a user or project that is a mapping, a pair or a plain name."""
    if isinstance(value, Mapping):
        return str(value.get("name") or value.get("id") or ""), str(value.get("id") or "")
    return str(value or ""), ""


def identity_of(info: Mapping[str, Any]) -> Identity:
    """From the answer of `/tuinova/v1/info`."""
    user, _user_id = _named(info.get("user"))
    project, project_id = _named(info.get("project"))
    roles: Sequence[Any] = info.get("roles") or ()
    return Identity(
        version=str(info.get("version") or ""),
        driver=str(info.get("driver") or ""),
        virt_type=str(info.get("virt_type") or ""),
        libvirt_uri=str(info.get("libvirt_uri") or ""),
        socket=str(info.get("socket") or ""),
        user=user or str(info.get("user_name") or ""),
        project=project or str(info.get("project_name") or ""),
        project_id=project_id or str(info.get("project_id") or ""),
        roles=implied(str(role) for role in roles),
        warnings=tuple(str(warning) for warning in info.get("warnings") or ()),
    )


_IMPLIED = {"admin": ("manager",), "manager": ("member",), "member": ("reader",)}


def implied(roles: Any) -> tuple[str, ...]:
    """The roles with those that they imply (admin > manager > member > reader)."""
    held: list[str] = []
    waiting = list(roles)
    while waiting:
        role = waiting.pop(0)
        if role not in held:
            held.append(role)
            waiting += _IMPLIED.get(role, ())
    return tuple(held)
