"""Quotas of projects and of the default class."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from sqlalchemy import Connection, bindparam, delete, insert, select

from tuinova.core.conductor import quota_counts
from tuinova.core.conductor.base import Base
from tuinova.core.conductor.transaction import Tx
from tuinova.core.drafts import QuotaLimits
from tuinova.core.errors import InvalidInput, QuotaBelowUsage
from tuinova.core.models import Quota as QuotaTable
from tuinova.core.models import QuotaClass as QuotaClassTable
from tuinova.core.quota_table import BY_NAME, COMPUTE, DEFAULT_CLASS, RESOURCES, names_of

_Q = QuotaTable.__table__  # type: ignore[attr-defined]
_C = QuotaClassTable.__table__  # type: ignore[attr-defined]

_LIMITS = select(_Q.c.resource, _Q.c.hard_limit).where(_Q.c.project_id == bindparam("project_id"))
_OWN = select(_Q.c.project_id, _Q.c.resource, _Q.c.hard_limit).order_by(_Q.c.project_id)
_DELETE_ONE = delete(_Q).where(_Q.c.project_id == bindparam("project_id"), _Q.c.resource == bindparam("resource"))
_CLASS_LIMITS = select(_C.c.resource, _C.c.hard_limit).where(_C.c.class_name == bindparam("class_name"))
_DELETE_OF_CLASS = delete(_C).where(_C.c.class_name == bindparam("class_name"), _C.c.resource == bindparam("resource"))


def _known(limits: Iterable[str]) -> None:
    for name in limits:
        if name not in BY_NAME:
            raise InvalidInput(reason=f"{name} is no quota: use one of {', '.join(BY_NAME)}")


class Quotas(Base):
    """The conductor's calls about quotas.

    A limit is the project's own where it has one, else that of the default class, else the configuration's.
    """

    quota_defaults: QuotaLimits
    other_quota_defaults: Mapping[str, int]

    def _defaults(self, connection: Connection, class_name: str = DEFAULT_CLASS) -> dict[str, int]:
        compute = self.quota_defaults.as_dict()
        found = {
            resource.name: compute.get(resource.name, self.other_quota_defaults.get(resource.name, resource.default))
            for resource in RESOURCES
        }
        rows = connection.execute(_CLASS_LIMITS, {"class_name": class_name})
        found.update({name: limit for name, limit in rows if name in found})
        return found

    def _limits(self, connection: Connection, project_id: str) -> dict[str, int]:
        found = self._defaults(connection)
        rows = connection.execute(_LIMITS, {"project_id": project_id})
        found.update({name: limit for name, limit in rows if name in found})
        return found

    def quota_limits(self, project_id: str) -> QuotaLimits:
        """The limits of a project on Nova's resources."""
        with self._reading() as connection:
            limits = self._limits(connection, project_id)
        return QuotaLimits(**{name: limits[name] for name in names_of(COMPUTE)})

    def quota_of(self, project_id: str, service: str) -> dict[str, int]:
        """The limits of a project on the resources of a service (core.quota_table), by name."""
        with self._reading() as connection:
            limits = self._limits(connection, project_id)
        return {name: limits[name] for name in names_of(service)}

    def default_quota(self, service: str = COMPUTE, class_name: str = DEFAULT_CLASS) -> dict[str, int]:
        """The limits of a project without its own, or of another class."""
        with self._reading() as connection:
            limits = self._defaults(connection, class_name)
        return {name: limits[name] for name in names_of(service)}

    def own_quotas(self, service: str) -> dict[str, dict[str, int]]:
        """What is set for projects on the resources of a service, by project."""
        names = names_of(service)
        found: dict[str, dict[str, int]] = {}
        with self._reading() as connection:
            for project_id, resource, limit in connection.execute(_OWN):
                if resource in names:
                    found.setdefault(project_id, {})[resource] = limit
        return found

    def quota_usage(self, project_id: str, service: str) -> dict[str, int]:
        """What a project holds of a service's resources; those that are not counted for projects are left out."""
        with self._reading() as connection:
            return quota_counts.held(connection, project_id, names_of(service))

    def set_quota(self, project_id: str, limits: Mapping[str, int], *, force: bool = False) -> QuotaLimits:
        """Give a project limits of its own; raises QuotaBelowUsage unless forced, InvalidInput for an unknown name."""

        def job(tx: Tx) -> None:
            _known(limits)
            used = quota_counts.held(tx.connection, project_id, limits)
            for resource, limit in limits.items():
                if not force and 0 <= limit < used.get(resource, 0):
                    raise QuotaBelowUsage(limit=limit, resource=resource, used=used[resource])
                tx.run(_DELETE_ONE, {"project_id": project_id, "resource": resource})
                tx.run(insert(_Q), {"project_id": project_id, "resource": resource, "hard_limit": limit})
            tx.change("quota", "update", project_id, project_id)

        self._write(job)
        return self.quota_limits(project_id)

    def set_quota_class(self, class_name: str, limits: Mapping[str, int]) -> None:
        """Change the limits of a class; those of "default" count for every project without its own."""

        def job(tx: Tx) -> None:
            _known(limits)
            for resource, limit in limits.items():
                tx.run(_DELETE_OF_CLASS, {"class_name": class_name, "resource": resource})
                tx.run(insert(_C), {"class_name": class_name, "resource": resource, "hard_limit": limit})
            tx.change("quota", "update", class_name)

        self._write(job)

    def delete_quota(self, project_id: str, service: str | None = None) -> None:
        """Back to the defaults, for one service's resources or all."""
        names = names_of(service) if service else tuple(BY_NAME)

        def job(tx: Tx) -> None:
            for resource in names:
                tx.run(_DELETE_ONE, {"project_id": project_id, "resource": resource})
            tx.change("quota", "delete", project_id, project_id)

        self._write(job)

    def require_quota(self, tx: Tx, project_id: str, **wanted: int) -> None:
        """Refuse, within the transaction that makes them, so many more of Neutron's or Cinder's resources.

        Raises OverQuota, VolumeLimitExceeded, SnapshotLimitExceeded, VolumeSizeExceedsQuota.
        """
        quota_counts.refuse_beyond(tx.connection, project_id, self._limits(tx.connection, project_id), wanted)
