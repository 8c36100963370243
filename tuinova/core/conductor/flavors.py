"""Flavors, their extra specs, and who may use private ones."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, bindparam, delete, insert, select, update

from tuinova.core.conductor.base import Base
from tuinova.core.conductor.patterns import searcher
from tuinova.core.conductor.transaction import Tx
from tuinova.core.drafts import FlavorFilter
from tuinova.core.errors import (
    FlavorAccessExists,
    FlavorAccessListPublic,
    FlavorAccessNotFound,
    FlavorAccessPublic,
    FlavorExists,
    FlavorExtraSpecsNotFound,
    FlavorIdExists,
    FlavorNotFound,
    InvalidInput,
    MarkerNotFound,
)
from tuinova.core.models import Flavor as FlavorTable
from tuinova.core.models import FlavorAccess as AccessTable
from tuinova.core.models import FlavorExtraSpec as SpecTable
from tuinova.core.records import Flavor

_F = FlavorTable.__table__  # type: ignore[attr-defined]
_S = SpecTable.__table__  # type: ignore[attr-defined]
_A = AccessTable.__table__  # type: ignore[attr-defined]

_OWN = (
    "flavorid",
    "name",
    "memory_mb",
    "vcpus",
    "root_gb",
    "ephemeral_gb",
    "swap",
    "rxtx_factor",
    "is_public",
    "disabled",
    "description",
    "created_at",
    "updated_at",
)
_SELECT = select(*(_F.c[name] for name in _OWN)).order_by(_F.c.id)
_SPECS = select(_S.c.flavorid, _S.c.key, _S.c.value).order_by(_S.c.key)
_ACCESS = select(_A.c.flavorid, _A.c.project_id).order_by(_A.c.id)
_ONE = _SELECT.where(_F.c.flavorid == bindparam("flavorid"))
_SPECS_OF = _SPECS.where(_S.c.flavorid == bindparam("flavorid"))
_ACCESS_OF = _ACCESS.where(_A.c.flavorid == bindparam("flavorid"))
_NUMBERS = select(_F.c.flavorid, _F.c.id)
_BY_NAME = select(_F.c.flavorid).where(_F.c.name == bindparam("name"))
_DELETE = delete(_F).where(_F.c.flavorid == bindparam("flavorid"))
_DELETE_SPECS = delete(_S).where(_S.c.flavorid == bindparam("flavorid"))
_DELETE_SPEC = _DELETE_SPECS.where(_S.c.key == bindparam("key"))
_DELETE_ACCESS = delete(_A).where(_A.c.flavorid == bindparam("flavorid"))
_DELETE_ACCESS_OF = _DELETE_ACCESS.where(_A.c.project_id == bindparam("project_id"))
_DESCRIBE = (
    update(_F)
    .where(_F.c.flavorid == bindparam("_flavorid"))
    .values(description=bindparam("v_description"), updated_at=bindparam("v_updated_at"))
)
# Nova's sort keys (nova/api/openstack/compute/schemas/flavors.py) to our columns.
SORT_KEYS = {
    "created_at": "created_at",
    "description": "description",
    "disabled": "disabled",
    "ephemeral_gb": "ephemeral_gb",
    "flavorid": "flavorid",
    "id": "flavorid",
    "is_public": "is_public",
    "memory_mb": "memory_mb",
    "name": "name",
    "root_gb": "root_gb",
    "rxtx_factor": "rxtx_factor",
    "swap": "swap",
    "updated_at": "updated_at",
    "vcpus": "vcpus",
}


def _all(connection: Connection) -> list[Flavor]:
    specs: defaultdict[str, dict[str, str]] = defaultdict(dict)
    for flavorid, key, value in connection.execute(_SPECS):
        specs[flavorid][key] = value
    access: defaultdict[str, list[str]] = defaultdict(list)
    for flavorid, project_id in connection.execute(_ACCESS):
        access[flavorid].append(project_id)
    return [
        Flavor(**row._mapping, extra_specs=specs[row.flavorid], projects=tuple(access[row.flavorid]))
        for row in connection.execute(_SELECT)
    ]


def _one(connection: Connection, flavorid: str) -> Flavor:
    row = connection.execute(_ONE, {"flavorid": flavorid}).first()
    if row is None:
        raise FlavorNotFound(flavor_id=flavorid)
    specs = {spec.key: spec.value for spec in connection.execute(_SPECS_OF, {"flavorid": flavorid})}
    projects = tuple(access.project_id for access in connection.execute(_ACCESS_OF, {"flavorid": flavorid}))
    return Flavor(**row._mapping, extra_specs=specs, projects=projects)


def _matches(flavor: Flavor, wanted: FlavorFilter) -> bool:
    if wanted.is_public is True and not flavor.is_public and wanted.project_id not in flavor.projects:
        return False
    if wanted.is_public is False and flavor.is_public:
        return False
    if wanted.disabled is not None and flavor.disabled != wanted.disabled:
        return False
    if wanted.min_ram is not None and flavor.memory_mb < wanted.min_ram:
        return False
    if wanted.min_disk is not None and flavor.root_gb < wanted.min_disk:
        return False
    return wanted.name is None or searcher(wanted.name)(flavor.name)


def _sorted(flavors: list[Flavor], wanted: FlavorFilter) -> list[Flavor]:
    if wanted.sort_key not in SORT_KEYS:
        raise InvalidInput(reason=f"sort_key: {wanted.sort_key} is none of {', '.join(sorted(SORT_KEYS))}")
    name = SORT_KEYS[wanted.sort_key]
    flavors.sort(key=lambda flavor: flavor.flavorid)

    def key(flavor: Flavor) -> tuple[bool, Any]:
        value = getattr(flavor, name)
        return (value is None, value if value is not None else 0)

    flavors.sort(key=key, reverse=wanted.sort_dir.lower() == "desc")
    return flavors


def _page(flavors: list[Flavor], wanted: FlavorFilter) -> list[Flavor]:
    if wanted.marker is not None:
        places = [place for place, flavor in enumerate(flavors) if flavor.flavorid == wanted.marker]
        if not places:
            raise MarkerNotFound(marker=wanted.marker)
        flavors = flavors[places[0] + 1 :]
    return flavors if wanted.limit is None else flavors[: wanted.limit]


def _insert(tx: Tx, flavor: Flavor) -> Flavor:
    if tx.first(_ONE, {"flavorid": flavor.flavorid}) is not None:
        raise FlavorIdExists(flavor_id=flavor.flavorid)
    if tx.first(_BY_NAME, {"name": flavor.name}) is not None:
        raise FlavorExists(name=flavor.name)
    values = {name: getattr(flavor, name) for name in _OWN}
    tx.run(insert(_F), {**values, "created_at": flavor.created_at or tx.now})
    _insert_specs(tx, flavor.flavorid, flavor.extra_specs)
    for project_id in flavor.projects:
        tx.run(insert(_A), {"flavorid": flavor.flavorid, "project_id": project_id})
    return _one(tx.connection, flavor.flavorid)


def _insert_specs(tx: Tx, flavorid: str, specs: Mapping[str, str]) -> None:
    for key, value in specs.items():
        tx.run(insert(_S), {"flavorid": flavorid, "key": key, "value": str(value)})


def _remove(tx: Tx, flavorid: str) -> Flavor:
    old = _one(tx.connection, flavorid)
    for statement in (_DELETE_SPECS, _DELETE_ACCESS, _DELETE):
        tx.run(statement, {"flavorid": flavorid})
    return old


class Flavors(Base):
    """The conductor's calls about flavors."""

    def flavors(self, wanted: FlavorFilter | None = None) -> list[Flavor]:
        """The flavors that match; raises MarkerNotFound, InvalidInput for an unknown sort key."""
        wanted = wanted or FlavorFilter()
        with self._reading() as connection:
            found = [flavor for flavor in _all(connection) if _matches(flavor, wanted)]
        return _page(_sorted(found, wanted), wanted)

    def flavor_numbers(self) -> dict[str, int]:
        """The row's number of each flavor: what Nova shows of a flavor in moves."""
        with self._reading() as connection:
            return {row.flavorid: row.id for row in connection.execute(_NUMBERS)}

    def flavor(self, flavorid: str) -> Flavor:
        """One flavor by the id that the API shows; raises FlavorNotFound."""
        with self._reading() as connection:
            return _one(connection, flavorid)

    def create_flavor(self, flavor: Flavor) -> Flavor:
        """Write a new flavor with its extra specs and access; raises FlavorIdExists, FlavorExists."""

        def job(tx: Tx) -> Flavor:
            made = _insert(tx, flavor)
            tx.change("flavor", "update", flavor.flavorid)
            return made

        return self._write(job)

    def replace_flavor(self, flavorid: str, flavor: Flavor) -> Flavor:
        """Delete and create with the same id in one transaction; extra specs and access are carried over.

        Raises FlavorNotFound, FlavorExists; the old one then stays.
        """

        def job(tx: Tx) -> Flavor:
            old = _remove(tx, flavorid)
            values = {name: getattr(flavor, name) for name in _OWN}
            values |= {"flavorid": flavorid, "created_at": old.created_at, "updated_at": tx.now}
            projects = () if flavor.is_public else old.projects
            made = _insert(tx, Flavor(**values, extra_specs=old.extra_specs, projects=projects))
            tx.change("flavor", "update", flavorid)
            return made

        return self._write(job)

    def describe_flavor(self, flavorid: str, description: str | None) -> Flavor:
        """Set the description, the one field that Nova lets change."""

        def job(tx: Tx) -> Flavor:
            _one(tx.connection, flavorid)
            tx.run(_DESCRIBE, {"_flavorid": flavorid, "v_description": description, "v_updated_at": tx.now})
            tx.change("flavor", "update", flavorid)
            return _one(tx.connection, flavorid)

        return self._write(job)

    def delete_flavor(self, flavorid: str) -> None:
        """Remove a flavor; servers keep their copy. Raises FlavorNotFound."""

        def job(tx: Tx) -> None:
            _remove(tx, flavorid)
            tx.change("flavor", "delete", flavorid)

        self._write(job)

    def set_extra_specs(self, flavorid: str, specs: Mapping[str, str]) -> Flavor:
        """Add or change extra specs; the others stay."""

        def job(tx: Tx) -> Flavor:
            _one(tx.connection, flavorid)
            for key in specs:
                tx.run(_DELETE_SPEC, {"flavorid": flavorid, "key": key})
            _insert_specs(tx, flavorid, specs)
            tx.change("flavor", "update", flavorid)
            return _one(tx.connection, flavorid)

        return self._write(job)

    def delete_extra_spec(self, flavorid: str, key: str) -> None:
        """Remove one extra spec; raises FlavorExtraSpecsNotFound."""

        def job(tx: Tx) -> None:
            _one(tx.connection, flavorid)
            if tx.run(_DELETE_SPEC, {"flavorid": flavorid, "key": key}).rowcount == 0:
                raise FlavorExtraSpecsNotFound(flavor_id=flavorid, key=key)
            tx.change("flavor", "update", flavorid)

        self._write(job)

    def flavor_access(self, flavorid: str) -> list[str]:
        """The projects that may use a private flavor; raises FlavorAccessListPublic."""
        flavor = self.flavor(flavorid)
        if flavor.is_public:
            raise FlavorAccessListPublic
        return list(flavor.projects)

    def add_flavor_access(self, flavorid: str, project_id: str) -> list[str]:
        """Let a project use a private flavor; raises FlavorAccessPublic, FlavorAccessExists."""

        def job(tx: Tx) -> list[str]:
            flavor = _one(tx.connection, flavorid)
            if flavor.is_public:
                raise FlavorAccessPublic
            if project_id in flavor.projects:
                raise FlavorAccessExists(flavor_id=flavorid, project_id=project_id)
            tx.run(insert(_A), {"flavorid": flavorid, "project_id": project_id})
            tx.change("flavor", "update", flavorid)
            return [*flavor.projects, project_id]

        return self._write(job)

    def remove_flavor_access(self, flavorid: str, project_id: str) -> list[str]:
        """Take it away again; raises FlavorAccessNotFound."""

        def job(tx: Tx) -> list[str]:
            flavor = _one(tx.connection, flavorid)
            if project_id not in flavor.projects:
                raise FlavorAccessNotFound(flavor_id=flavorid, project_id=project_id)
            tx.run(_DELETE_ACCESS_OF, {"flavorid": flavorid, "project_id": project_id})
            tx.change("flavor", "update", flavorid)
            return [project for project in flavor.projects if project != project_id]

        return self._write(job)
