"""Records of flavors, images, key pairs, quotas, people."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

JsonDict = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Flavor:
    """A flavor; memory and swap in MiB, disks in GiB. `projects` are those with access to a private one."""

    flavorid: str
    name: str
    memory_mb: int
    vcpus: int
    root_gb: int = 0
    ephemeral_gb: int = 0
    swap: int = 0
    rxtx_factor: float = 1.0
    is_public: bool = True
    disabled: bool = False
    description: str | None = None
    extra_specs: dict[str, str] = field(default_factory=dict)
    projects: tuple[str, ...] = ()
    created_at: datetime | None = None
    updated_at: datetime | None = None

    @property
    def id(self) -> str:
        """The id that the API shows."""
        return self.flavorid

    def embedded(self) -> JsonDict:
        """The copy that a server keeps."""
        return {
            "id": self.flavorid,
            "name": self.name,
            "memory_mb": self.memory_mb,
            "vcpus": self.vcpus,
            "root_gb": self.root_gb,
            "ephemeral_gb": self.ephemeral_gb,
            "swap": self.swap,
            "rxtx_factor": self.rxtx_factor,
            "extra_specs": dict(self.extra_specs),
            "is_public": self.is_public,
            "disabled": self.disabled,
            "description": self.description,
        }


@dataclass(frozen=True, slots=True)
class ImageMember:
    """A project that an image is shared with: pending, accepted or rejected by it."""

    image_id: str
    member_id: str
    status: str = "pending"
    created_at: datetime | None = None
    updated_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Image:
    """An image as Glance shows it; sizes in bytes, min_disk in GiB, min_ram in MiB.

    `members` are the projects that it is shared with, each with its status; `task` is what an import has come to.
    """

    id: str
    name: str | None
    status: str
    owner: str | None
    disk_format: str | None = None
    container_format: str | None = None
    visibility: str = "shared"
    size: int | None = None
    virtual_size: int | None = None
    checksum: str | None = None
    os_hash_algo: str | None = None
    os_hash_value: str | None = None
    min_disk: int = 0
    min_ram: int = 0
    protected: bool = False
    os_hidden: bool = False
    properties: dict[str, str] = field(default_factory=dict)
    tags: list[str] = field(default_factory=list)
    task: JsonDict | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None
    members: dict[str, str] = field(default_factory=dict)

    def visible_to(self, project_id: str | None) -> bool:
        """Whether a project that knows its id may use it.

        A member may, whatever it has answered: accepting brings the image into its lists (Glance).
        """
        if self.visibility in ("public", "community"):
            return True
        if project_id is None:
            return False
        return self.owner == project_id or (self.visibility == "shared" and project_id in self.members)


@dataclass(frozen=True, slots=True)
class Keypair:
    """A public key of a user."""

    id: int
    user_id: str
    name: str
    type: str
    public_key: str
    fingerprint: str
    created_at: datetime

    def embedded(self) -> JsonDict:
        """The copy that a server keeps."""
        return {
            "name": self.name,
            "type": self.type,
            "public_key": self.public_key,
            "fingerprint": self.fingerprint,
        }


@dataclass(frozen=True, slots=True)
class QuotaUsage:
    """What a project holds now; RAM in MiB."""

    instances: int = 0
    cores: int = 0
    ram: int = 0
    server_groups: int = 0


@dataclass(frozen=True, slots=True)
class Project:
    """A project."""

    id: str
    name: str
    description: str = ""
    enabled: bool = True
    domain_id: str = "default"


@dataclass(frozen=True, slots=True)
class User:
    """A user."""

    id: str
    name: str
    description: str = ""
    enabled: bool = True
    domain_id: str = "default"
    default_project_id: str | None = None


@dataclass(frozen=True, slots=True)
class RoleAssignment:
    """A role of a user in a project."""

    user_id: str
    project_id: str
    role: str
