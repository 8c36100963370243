"""People, projects and roles."""

from __future__ import annotations

from sqlalchemy import UniqueConstraint
from sqlmodel import Field

from tuinova.core.models.base import Table


class Project(Table, table=True):
    """A project."""

    __tablename__ = "project"

    id: str = Field(primary_key=True, max_length=64)
    name: str = Field(max_length=64, unique=True)
    description: str = ""
    enabled: bool = True
    domain_id: str = Field(default="default", max_length=64)


class User(Table, table=True):
    """A user."""

    __tablename__ = "user"

    id: str = Field(primary_key=True, max_length=64)
    name: str = Field(max_length=255, unique=True)
    description: str = ""
    enabled: bool = True
    domain_id: str = Field(default="default", max_length=64)
    default_project_id: str | None = Field(default=None, max_length=64)


class Role(Table, table=True):
    """A role that can be given."""

    __tablename__ = "role"

    id: str = Field(primary_key=True, max_length=64)
    name: str = Field(max_length=255, unique=True)


class RoleAssignment(Table, table=True):
    """A role of a user in a project."""

    __tablename__ = "role_assignment"
    __table_args__ = (UniqueConstraint("user_id", "project_id", "role"),)

    id: int | None = Field(default=None, primary_key=True)
    user_id: str = Field(max_length=64, foreign_key="user.id")
    project_id: str = Field(max_length=64, foreign_key="project.id")
    role: str = Field(max_length=255)
