"""Volumes, their snapshots and types: Cinder's routes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tuinova.client.resources import Json, Resource, Rows, Texts, looks_like_uuid, pick

ROOT = "/volume/v3"
# Without it the service would answer as Cinder 3.0 did; a volume in use is extended from 3.42 on.
_NEWEST = {"OpenStack-API-Version": "volume latest"}


class VolumeResource(Resource):
    """One of Cinder's collections; `key` wraps one of them, `plural` their list."""

    key = ""
    plural = ""
    detail = "/detail"

    def _ask(self, method: str, path: str, body: Any = None, params: Mapping[str, Any] | None = None) -> Any:
        return self.client.request(method, path, body, headers=_NEWEST, params=params).json()

    def list(self, **filters: Any) -> Rows:
        """All that the caller may see, with details, by Cinder's filters: `name`, `status`, `all_tenants` ..."""
        rows: Rows = []
        while True:
            page = self._ask("GET", self.path + self.detail, params=filters)
            rows += page[self.plural]
            if not page.get(f"{self.plural}_links") or not page[self.plural] or "limit" in filters:
                return rows
            filters["marker"] = page[self.plural][-1]["id"]

    def get(self, ident: str) -> Json:
        """One by its id."""
        return dict(self._ask("GET", self._url(ident))[self.key])

    def find(self, name_or_id: str, all_projects: bool = False) -> Json:
        """By id, else by its exact name; raises NotFoundByName, NotUnique."""
        if looks_like_uuid(name_or_id) and (found := self._by_id(name_or_id)):
            return found
        rows = self._named(name_or_id, {"all_tenants": 1} if all_projects else {}) if name_or_id else []
        return pick([row for row in rows if row["name"] == name_or_id], self.noun, name_or_id)

    def _named(self, name: str, filters: dict[str, Any]) -> Rows:
        return self.list(name=name, **filters)

    def create(self, fields: Mapping[str, Any]) -> Json:
        """A new one from Cinder's fields."""
        return dict(self._ask("POST", self.path, {self.key: dict(fields)})[self.key])

    def update(self, ident: str, **fields: Any) -> Json:
        """Change name, description and the like."""
        return dict(self._ask("PUT", self._url(ident), {self.key: fields})[self.key])

    def delete(self, ident: str, **params: Any) -> None:
        """Remove it; refused (400, 409) with the words who uses it."""
        self._ask("DELETE", self._url(ident), params=params)

    def set_metadata(self, ident: str, metadata: Mapping[str, str]) -> dict[str, str]:
        """Add or change properties."""
        return dict(self._ask("POST", self._url(ident, "metadata"), {"metadata": dict(metadata)})["metadata"])

    def replace_metadata(self, ident: str, metadata: Mapping[str, str]) -> dict[str, str]:
        """Exactly these properties."""
        return dict(self._ask("PUT", self._url(ident, "metadata"), {"metadata": dict(metadata)})["metadata"])

    def delete_metadata(self, ident: str, key: str) -> None:
        """Remove one property."""
        self._ask("DELETE", self._url(ident, "metadata", key))

    def action(self, ident: str, name: str, body: Any = None) -> Any:
        """Post one action by Cinder's request key (`os-extend` ...)."""
        return self._ask("POST", self._url(ident, "action"), {name: body})

    def reset_status(self, ident: str, status: str) -> None:
        """Say that it is in another status (admin); nothing else is done to it."""
        self.action(ident, "os-reset_status", {"status": status})

    def force_delete(self, ident: str) -> None:
        """Remove it whatever its status is (admin)."""
        self.action(ident, "os-force_delete")


class Volumes(VolumeResource):
    """Volumes: block devices that outlive servers."""

    noun, path, key, plural = "Volume", ROOT + "/volumes", "volume", "volumes"

    def extend(self, ident: str, size: int) -> None:
        """Make it larger, in GiB, online too."""
        self.action(ident, "os-extend", {"new_size": size})

    def set_bootable(self, ident: str, bootable: bool) -> None:
        """Whether a server may boot from it."""
        self.action(ident, "os-set_bootable", {"bootable": bootable})

    def set_readonly(self, ident: str, readonly: bool) -> None:
        """Whether servers may write to it."""
        self.action(ident, "os-update_readonly_flag", {"readonly": readonly})

    def set_attach_status(self, ident: str, status: str) -> None:
        """Say that it is attached or detached (admin); no server is asked."""
        self.action(ident, "os-reset_status", {"attach_status": status})

    def retype(self, ident: str, type_id: str, policy: str) -> None:
        """Another type; `policy`: never, on-demand (may be copied elsewhere)."""
        self.action(ident, "os-retype", {"new_type": type_id, "migration_policy": policy})

    def set_image_metadata(self, ident: str, metadata: Mapping[str, str]) -> None:
        """Add or change image properties of a bootable volume."""
        self.action(ident, "os-set_image_metadata", {"metadata": dict(metadata)})

    def delete_image_metadata(self, ident: str, key: str) -> None:
        """Remove one image property."""
        self.action(ident, "os-unset_image_metadata", {"key": key})


class VolumeSnapshots(VolumeResource):
    """Snapshots of volumes."""

    noun, path, key, plural = "Snapshot", ROOT + "/snapshots", "snapshot", "snapshots"


class VolumeTypes(VolumeResource):
    """Volume types with their extra specs and access."""

    noun, path, key, plural = "Type", ROOT + "/types", "volume_type", "volume_types"
    detail = ""

    def _named(self, name: str, filters: dict[str, Any]) -> Rows:
        return self.list(is_public="None")  # Cinder has no filter by a type's name

    def default(self) -> Json:
        """The type of volumes that are created without one."""
        return self.get("default")

    def set_extra_specs(self, ident: str, specs: Mapping[str, str]) -> None:
        """Add or change extra specs."""
        self._ask("POST", self._url(ident, "extra_specs"), {"extra_specs": dict(specs)})

    def delete_extra_spec(self, ident: str, key: str) -> None:
        """Remove one extra spec."""
        self._ask("DELETE", self._url(ident, "extra_specs", key))

    def access(self, ident: str) -> Texts:
        """The ids of the projects that may use a private type."""
        rows = self._ask("GET", self._url(ident, "os-volume-type-access"))["volume_type_access"]
        return [row["project_id"] for row in rows]

    def add_access(self, ident: str, project_id: str) -> None:
        """Give a project access."""
        self.action(ident, "addProjectAccess", {"project": project_id})

    def remove_access(self, ident: str, project_id: str) -> None:
        """Take it away."""
        self.action(ident, "removeProjectAccess", {"project": project_id})


class VolumeServices(Resource):
    """What runs the volumes."""

    noun, path = "Service", ROOT + "/os-services"

    def list(self, **filters: Any) -> Rows:
        """Services; filters `binary`, `host`."""
        return list(self.client.request("GET", self.path, headers=_NEWEST, params=filters).json()["services"])
