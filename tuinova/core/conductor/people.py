"""Projects, users, roles, and the key pairs of users."""

from __future__ import annotations

import threading
from dataclasses import fields
from typing import Any

from sqlalchemy import Connection, bindparam, delete, func, insert, or_, select

from tuinova.core.conductor.base import Base
from tuinova.core.conductor.statements import InsertStatement
from tuinova.core.conductor.transaction import Tx
from tuinova.core.context import RequestContext
from tuinova.core.errors import (
    Conflict,
    Forbidden,
    KeypairExists,
    KeypairLimitExceeded,
    KeypairNotFound,
    MarkerNotFound,
    ProjectNotFound,
    UserNotFound,
)
from tuinova.core.models import Keypair as KeypairTable
from tuinova.core.models import Project as ProjectTable
from tuinova.core.models import RoleAssignment as AssignmentTable
from tuinova.core.models import User as UserTable
from tuinova.core.records import Keypair, Project, RoleAssignment, User

_P = ProjectTable.__table__  # type: ignore[attr-defined]
_U = UserTable.__table__  # type: ignore[attr-defined]
_R = AssignmentTable.__table__  # type: ignore[attr-defined]
_K = KeypairTable.__table__  # type: ignore[attr-defined]

_PROJECTS = select(*(_P.c[item.name] for item in fields(Project))).order_by(_P.c.name)
_USERS = select(*(_U.c[item.name] for item in fields(User))).order_by(_U.c.name)
_PROJECT = _PROJECTS.where(or_(_P.c.id == bindparam("key"), _P.c.name == bindparam("key")))
_USER = _USERS.where(or_(_U.c.id == bindparam("key"), _U.c.name == bindparam("key")))
_ROLES = select(_R.c.role).where(_R.c.user_id == bindparam("user_id"), _R.c.project_id == bindparam("project_id"))
_ASSIGNMENTS = select(_R.c.user_id, _R.c.project_id, _R.c.role).order_by(_R.c.id)
_KEYPAIRS = (
    select(*(_K.c[item.name] for item in fields(Keypair)))
    .where(_K.c.user_id == bindparam("user_id"))
    .order_by(_K.c.name)
)
_KEYPAIR = _KEYPAIRS.where(_K.c.name == bindparam("name"))
_INSERT_KEYPAIR = InsertStatement(_K)
_COUNT_KEYPAIRS = select(func.count(_K.c.id)).where(_K.c.user_id == bindparam("user_id"))
_DELETE_KEYPAIR = delete(_K).where(_K.c.user_id == bindparam("user_id"), _K.c.name == bindparam("name"))


def _project(connection: Connection, key: str) -> Project:
    row = connection.execute(_PROJECT, {"key": key}).first()
    if row is None:
        raise ProjectNotFound(project_id=key)
    return Project(*row)


def _user(connection: Connection, key: str) -> User:
    row = connection.execute(_USER, {"key": key}).first()
    if row is None:
        raise UserNotFound(user_id=key)
    return User(*row)


class IdentityCache:
    """Who is who, by the names that requests carry; every request asks, and the answer hardly ever changes."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: dict[tuple[str, str], tuple[User, Project, frozenset[str]]] = {}

    def get(self, key: tuple[str, str]) -> tuple[User, Project, frozenset[str]] | None:
        """What is known of these names."""
        return self._known.get(key)

    def put(self, key: tuple[str, str], value: tuple[User, Project, frozenset[str]]) -> None:
        """Remember it."""
        with self._lock:
            self._known[key] = value

    def clear(self) -> None:
        """Forget all, after a change."""
        with self._lock:
            self._known = {}


class People(Base):
    """The conductor's calls about projects, users, roles and key pairs."""

    _identities: IdentityCache

    def resolve_identity(self, user_name: str, project_name: str) -> RequestContext:
        """The context of a request, by names or ids; raises UserNotFound, ProjectNotFound, Forbidden without a role."""
        key = (user_name, project_name)
        known = self._identities.get(key)
        if known is None:
            known = self._look_up(user_name, project_name)
            self._identities.put(key, known)
        user, project, roles = known
        return RequestContext(user.id, project.id, user.name, project.name, roles)

    def _look_up(self, user_name: str, project_name: str) -> tuple[User, Project, frozenset[str]]:
        with self._reading() as connection:
            user, project = _user(connection, user_name), _project(connection, project_name)
            held = connection.execute(_ROLES, {"user_id": user.id, "project_id": project.id}).scalars()
            roles = frozenset(held)
        if not roles:
            raise Forbidden(f"User {user.name} has no role in project {project.name}.")
        return user, project, roles

    def projects(self) -> list[Project]:
        """All projects by name."""
        with self._reading() as connection:
            return [Project(*row) for row in connection.execute(_PROJECTS)]

    def project(self, key: str) -> Project:
        """One project by id or name; raises ProjectNotFound."""
        with self._reading() as connection:
            return _project(connection, key)

    def users(self) -> list[User]:
        """All users by name."""
        with self._reading() as connection:
            return [User(*row) for row in connection.execute(_USERS)]

    def user(self, key: str) -> User:
        """One user by id or name; raises UserNotFound."""
        with self._reading() as connection:
            return _user(connection, key)

    def roles(self, user_id: str, project_id: str) -> frozenset[str]:
        """The roles of a user in a project."""
        with self._reading() as connection:
            held = connection.execute(_ROLES, {"user_id": user_id, "project_id": project_id})
            return frozenset(held.scalars())

    def role_assignments(self, *, project_id: str | None = None, user_id: str | None = None) -> list[RoleAssignment]:
        """Who has which role where, of one project, of one user, or all."""
        statement = _ASSIGNMENTS
        if project_id is not None:
            statement = statement.where(_R.c.project_id == project_id)
        if user_id is not None:
            statement = statement.where(_R.c.user_id == user_id)
        with self._reading() as connection:
            return [RoleAssignment(*row) for row in connection.execute(statement)]

    def create_project(self, project: Project) -> Project:
        """Write a new project; it has Nova's default quota. Raises Conflict for a name that is taken."""
        return self._create_person(_P, project, f"Project name {project.name} is taken.")

    def create_user(self, user: User) -> User:
        """Write a new user; raises Conflict for a name that is taken."""
        return self._create_person(_U, user, f"User name {user.name} is taken.")

    def _create_person(self, table: Any, record: Any, refusal: str) -> Any:
        values = {item.name: getattr(record, item.name) for item in fields(record)}

        def job(tx: Tx) -> Any:
            if tx.first(select(table.c.id).where(or_(table.c.id == record.id, table.c.name == record.name))):
                raise Conflict(refusal)
            tx.run(insert(table), values)
            return record

        made = self._write(job)
        self._identities.clear()
        return made

    def assign_role(self, user_id: str, project_id: str, role: str) -> None:
        """Give a user a role in a project; harmless when it has it."""

        def job(tx: Tx) -> None:
            _user(tx.connection, user_id)
            _project(tx.connection, project_id)
            held = set(tx.run(_ROLES, {"user_id": user_id, "project_id": project_id}).scalars())
            if role not in held:
                tx.run(insert(_R), {"user_id": user_id, "project_id": project_id, "role": role})

        self._write(job)
        self._identities.clear()

    # key pairs -------------------------------------------------------------------------------------------------------
    def keypairs(self, user_id: str, *, limit: int | None = None, marker: str | None = None) -> list[Keypair]:
        """A user's key pairs by name; raises MarkerNotFound."""
        with self._reading() as connection:
            found = [Keypair(*row) for row in connection.execute(_KEYPAIRS, {"user_id": user_id})]
        if marker is not None:
            names = [keypair.name for keypair in found]
            if marker not in names:
                raise MarkerNotFound(marker=marker)
            found = found[names.index(marker) + 1 :]
        return found if limit is None else found[:limit]

    def keypair(self, user_id: str, name: str) -> Keypair:
        """One key pair; raises KeypairNotFound."""
        with self._reading() as connection:
            row = connection.execute(_KEYPAIR, {"user_id": user_id, "name": name}).first()
        if row is None:
            raise KeypairNotFound(name=name, user_id=user_id)
        return Keypair(*row)

    def create_keypair(
        self, user_id: str, name: str, type: str, public_key: str, fingerprint: str, *, limit: int = -1
    ) -> Keypair:
        """Write a key pair; raises KeypairExists, KeypairLimitExceeded beyond `limit` (-1: none)."""

        def job(tx: Tx) -> Keypair:
            if tx.first(_KEYPAIR, {"user_id": user_id, "name": name}) is not None:
                raise KeypairExists(name=name)
            if 0 <= limit <= (tx.run(_COUNT_KEYPAIRS, {"user_id": user_id}).scalar() or 0):
                raise KeypairLimitExceeded
            values: dict[str, Any] = {
                "user_id": user_id,
                "name": name,
                "type": type,
                "public_key": public_key,
                "fingerprint": fingerprint,
                "created_at": tx.now,
            }
            number = tx.insert(_INSERT_KEYPAIR, values)
            tx.change("keypair", "update", name)
            return Keypair(id=number, **values)

        return self._write(job)

    def delete_keypair(self, user_id: str, name: str) -> None:
        """Remove a key pair; servers keep their copy. Raises KeypairNotFound."""

        def job(tx: Tx) -> None:
            if tx.run(_DELETE_KEYPAIR, {"user_id": user_id, "name": name}).rowcount == 0:
                raise KeypairNotFound(name=name, user_id=user_id)
            tx.change("keypair", "delete", name)

        self._write(job)
