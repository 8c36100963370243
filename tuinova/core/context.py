"""Who asks: the request context that travels with every request and work order."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field, replace
from typing import Any

# Nova's implied roles: each role also has those behind it.
IMPLIED_ROLES = {
    "admin": ("admin", "manager", "member", "reader"),
    "manager": ("manager", "member", "reader"),
    "member": ("member", "reader"),
    "reader": ("reader",),
}


def new_request_id() -> str:
    """A request id as Nova makes them: `req-<uuid4>`."""
    return f"req-{uuid.uuid4()}"


@dataclass(frozen=True, slots=True)
class RequestContext:
    """The acting user, project and roles of one request, and its id.

    `user_id` and `project_id` are None for what the service does on its own account (power sync, recovery).
    """

    user_id: str | None
    project_id: str | None
    user_name: str = ""
    project_name: str = ""
    roles: frozenset[str] = frozenset()
    request_id: str = field(default_factory=new_request_id)

    @property
    def is_admin(self) -> bool:
        """Nova's rule `context_is_admin`: the role admin."""
        return "admin" in self.roles

    @property
    def all_roles(self) -> frozenset[str]:
        """The roles with those that they imply."""
        return frozenset(implied for role in self.roles for implied in IMPLIED_ROLES.get(role, (role,)))

    def elevated(self) -> RequestContext:
        """The same request with the admin role, for checks that the service makes on the caller's behalf."""
        return replace(self, roles=self.roles | {"admin"})

    def to_dict(self) -> dict[str, Any]:
        """Plain data for a work order; `from_dict` reads it."""
        return {
            "user_id": self.user_id,
            "project_id": self.project_id,
            "user_name": self.user_name,
            "project_name": self.project_name,
            "roles": sorted(self.roles),
            "request_id": self.request_id,
        }

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> RequestContext:
        """The context that `to_dict` wrote."""
        return cls(**{**data, "roles": frozenset(data["roles"])})


def service_context() -> RequestContext:
    """The context of what the service does by itself: admin, no user, no project, a request id of its own."""
    return RequestContext(user_id=None, project_id=None, roles=frozenset({"admin"}))
