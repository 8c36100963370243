"""What a fresh database holds: people, projects, roles, the customary flavors, the administrator's quota."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, insert

from tuinova.core.models import Flavor, FlavorExtraSpec, Project, Quota, Role, RoleAssignment, User, VolumeType
from tuinova.core.quota_table import NETWORK, VOLUME, names_of

_NAMESPACE = uuid.UUID("6f1d2b0e-6c57-4c0b-9e5e-7f4f0f6f3a51")


def seeded_id(kind: str, name: str) -> str:
    """The id of a seeded project, user or role: the same in every database."""
    return uuid.uuid5(_NAMESPACE, f"{kind}:{name}").hex


ROLES: Final = ("admin", "manager", "member", "reader")
PROJECTS: Final = {"admin": "Administration", "demo": "Demonstration"}
USERS: Final = {"admin": "admin", "demo": "demo"}  # name: default project
ASSIGNMENTS: Final = (("admin", "admin", "admin"), ("admin", "demo", "admin"), ("demo", "demo", "member"))
# DevStack's twelve (lib/nova, lib/tempest): id, name, RAM in MiB, root disk in GiB, vCPUs.
FLAVORS: Final = (
    ("42", "m1.nano", 64, 0, 1),
    ("84", "m1.micro", 128, 0, 1),
    ("1", "m1.tiny", 512, 1, 1),
    ("2", "m1.small", 2048, 20, 1),
    ("3", "m1.medium", 4096, 40, 2),
    ("4", "m1.large", 8192, 80, 4),
    ("5", "m1.xlarge", 16384, 160, 8),
    ("c1", "cirros256", 256, 1, 1),
    ("d1", "ds512M", 512, 5, 1),
    ("d2", "ds1G", 1024, 10, 1),
    ("d3", "ds2G", 2048, 10, 2),
    ("d4", "ds4G", 4096, 20, 4),
)
UNLIMITED: Final = (
    *("instances", "cores", "ram", "key_pairs", "server_groups", "server_group_members"),
    *names_of(NETWORK),
    *names_of(VOLUME),
)
# Cinder's own, which volumes get where none is asked for.
DEFAULT_VOLUME_TYPE: Final = "__DEFAULT__"


def sow(connection: Connection, now: datetime) -> None:
    """Write the seeds into empty tables."""
    _people(connection)
    connection.execute(
        insert(Flavor),
        [
            {
                "flavorid": flavorid,
                "name": name,
                "memory_mb": memory_mb,
                "root_gb": root_gb,
                "vcpus": vcpus,
                "ephemeral_gb": 0,
                "swap": 0,
                "rxtx_factor": 1.0,
                "is_public": True,
                "disabled": False,
                "created_at": now,
            }
            for flavorid, name, memory_mb, root_gb, vcpus in FLAVORS
        ],
    )
    connection.execute(
        insert(FlavorExtraSpec),
        [{"flavorid": flavor[0], "key": "hw_rng:allowed", "value": "True"} for flavor in FLAVORS],
    )
    connection.execute(
        insert(Quota),
        [
            {"project_id": seeded_id("project", "admin"), "resource": resource, "hard_limit": -1}
            for resource in UNLIMITED
        ],
    )
    connection.execute(insert(VolumeType), [default_volume_type(now)])


def default_volume_type(now: datetime) -> dict[str, Any]:
    """The row of the type that volumes get where none is asked for."""
    return {
        "id": str(uuid.uuid5(_NAMESPACE, f"volume_type:{DEFAULT_VOLUME_TYPE}")),
        "name": DEFAULT_VOLUME_TYPE,
        "description": "Default Volume Type",
        "is_public": True,
        "extra_specs": {},
        "projects": [],
        "created_at": now,
    }


def _people(connection: Connection) -> None:
    defaults = {"enabled": True, "domain_id": "default"}
    connection.execute(
        insert(Project),
        [
            {"id": seeded_id("project", name), "name": name, "description": text, **defaults}
            for name, text in PROJECTS.items()
        ],
    )
    connection.execute(
        insert(User),
        [
            {
                "id": seeded_id("user", name),
                "name": name,
                "description": "",
                "default_project_id": seeded_id("project", project),
                **defaults,
            }
            for name, project in USERS.items()
        ],
    )
    connection.execute(insert(Role), [{"id": seeded_id("role", name), "name": name} for name in ROLES])
    connection.execute(
        insert(RoleAssignment),
        [
            {"user_id": seeded_id("user", user), "project_id": seeded_id("project", project), "role": role}
            for user, project, role in ASSIGNMENTS
        ],
    )
