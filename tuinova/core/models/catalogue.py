"""Flavors, images, key pairs, quotas."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Text, UniqueConstraint
from sqlmodel import Field

from tuinova.core.models.base import Table, json_field, text_field


class Flavor(Table, table=True):
    """A flavor."""

    __tablename__ = "flavor"

    id: int | None = Field(default=None, primary_key=True)
    flavorid: str = Field(max_length=255, unique=True)
    name: str = Field(max_length=255, unique=True)
    memory_mb: int
    vcpus: int
    root_gb: int = 0
    ephemeral_gb: int = 0
    swap: int = 0
    rxtx_factor: float = 1.0
    is_public: bool = True
    disabled: bool = False
    description: str | None = text_field()
    created_at: datetime
    updated_at: datetime | None = None


class FlavorExtraSpec(Table, table=True):
    """One extra spec of a flavor."""

    __tablename__ = "flavor_extra_spec"
    __table_args__ = (UniqueConstraint("flavorid", "key"),)

    id: int | None = Field(default=None, primary_key=True)
    flavorid: str = Field(max_length=255)
    key: str = Field(max_length=255)
    value: str = Field(max_length=255)


class FlavorAccess(Table, table=True):
    """A project that may use a private flavor."""

    __tablename__ = "flavor_access"
    __table_args__ = (UniqueConstraint("flavorid", "project_id"),)

    id: int | None = Field(default=None, primary_key=True)
    flavorid: str = Field(max_length=255)
    project_id: str = Field(max_length=64)


class Image(Table, table=True):
    """An image; its data is a file of the image store."""

    __tablename__ = "image"

    id: str = Field(primary_key=True, max_length=36)
    name: str | None = Field(default=None, max_length=255)
    status: str = Field(max_length=16)
    owner: str | None = Field(default=None, max_length=64, index=True)
    disk_format: str | None = Field(default=None, max_length=20)
    container_format: str | None = Field(default=None, max_length=20)
    visibility: str = Field(default="shared", max_length=16)
    size: int | None = Field(default=None, sa_type=BigInteger, nullable=True)
    virtual_size: int | None = Field(default=None, sa_type=BigInteger, nullable=True)
    checksum: str | None = Field(default=None, max_length=32)
    os_hash_algo: str | None = Field(default=None, max_length=64)
    os_hash_value: str | None = Field(default=None, max_length=128)
    min_disk: int = 0
    min_ram: int = 0
    protected: bool = False
    os_hidden: bool = False
    properties: dict[str, Any] = json_field({})
    tags: list[Any] = json_field([])
    created_at: datetime
    updated_at: datetime | None = None
    task: dict[str, Any] | None = json_field(None, nullable=True)


class ImageMember(Table, table=True):
    """A project that a shared image is shared with."""

    __tablename__ = "image_member"
    __table_args__ = (UniqueConstraint("image_id", "member_id"),)

    id: int | None = Field(default=None, primary_key=True)
    image_id: str = Field(max_length=36)
    member_id: str = Field(max_length=64, index=True)
    status: str = Field(default="pending", max_length=16)
    created_at: datetime
    updated_at: datetime | None = None


class Keypair(Table, table=True):
    """A public key of a user."""

    __tablename__ = "keypair"
    __table_args__ = (UniqueConstraint("user_id", "name"),)

    id: int | None = Field(default=None, primary_key=True)
    user_id: str = Field(max_length=64)
    name: str = Field(max_length=255)
    type: str = Field(max_length=16)
    public_key: str = Field(sa_type=Text)
    fingerprint: str = Field(max_length=255)
    created_at: datetime


class Quota(Table, table=True):
    """A limit of a project that differs from the default; -1 is unlimited."""

    __tablename__ = "quota"
    __table_args__ = (UniqueConstraint("project_id", "resource"),)

    id: int | None = Field(default=None, primary_key=True)
    project_id: str = Field(max_length=64)
    resource: str = Field(max_length=64)
    hard_limit: int


class QuotaClass(Table, table=True):
    """A limit of a class of projects; the class "default" stands for every project without its own."""

    __tablename__ = "quota_class"
    __table_args__ = (UniqueConstraint("class_name", "resource"),)

    id: int | None = Field(default=None, primary_key=True)
    class_name: str = Field(max_length=255)
    resource: str = Field(max_length=64)
    hard_limit: int
