"""What an administrator and a user set beside servers: quotas, usage, server groups, aggregates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from tuinova.client.connection import segment
from tuinova.client.resources import Json, Resource, Rows, looks_like_uuid, pick, without_host

# A service's quotas: where they are, what a body is called, what is used is asked by, and the key of what is used.
_QUOTAS: Final[Mapping[str, tuple[str, str, str, str]]] = {
    "compute": ("/v2.1/os-quota-sets", "quota_set", "/detail", "in_use"),
    "network": ("/network/v2.0/quotas", "quota", "/details", "used"),
    "volume": ("/volume/v3/os-quota-sets", "quota_set", "?usage=True", "in_use"),
}
_CLASSES: Final[Mapping[str, str]] = {
    "compute": "/v2.1/os-quota-class-sets",
    "volume": "/volume/v3/os-quota-class-sets",
}


class Quotas(Resource):
    """Quotas of projects, by service: compute, network, volume."""

    noun = "Quota"

    def get(self, ident: str, service: str = "compute") -> Json:
        """Limits of a project."""
        path, key, _, _ = _QUOTAS[service]
        return dict(self.client.get(f"{path}/{segment(ident)}")[key])

    def detail(self, ident: str, service: str = "compute") -> Json:
        """{name: {limit, in_use, reserved}}."""
        path, key, more, used = _QUOTAS[service]
        rows = self.client.get(f"{path}/{segment(ident)}{more}")[key]
        return {
            name: {"limit": row["limit"], "in_use": row[used], "reserved": row["reserved"]}
            for name, row in rows.items()
            if isinstance(row, dict)  # not the project's id
        }

    def defaults(self, ident: str, service: str = "compute") -> Json:
        """Limits of a project that has none of its own."""
        path, key, _, _ = _QUOTAS[service]
        word = "default" if service == "network" else "defaults"
        return dict(self.client.get(f"{path}/{segment(ident)}/{word}")[key])

    def set(self, ident: str, limits: Mapping[str, Any], *, force: bool = False, service: str = "compute") -> Json:
        """Change limits; -1 is unlimited."""
        path, key, _, _ = _QUOTAS[service]
        body = {key: {**limits, **({"force": True} if force else {})}}
        return dict(self.client.put(f"{path}/{segment(ident)}", body)[key])

    def delete(self, ident: str, service: str = "compute") -> None:
        """Back to the defaults."""
        self.client.delete(f"{_QUOTAS[service][0]}/{segment(ident)}")

    def get_class(self, name: str = "default", service: str = "compute") -> Json:
        """Limits of a class: "default" is every project without its own."""
        return dict(self.client.get(f"{_CLASSES[service]}/{segment(name)}")["quota_class_set"])

    def set_class(self, name: str, limits: Mapping[str, Any], service: str = "compute") -> None:
        """Change them."""
        self.client.put(f"{_CLASSES[service]}/{segment(name)}", {"quota_class_set": dict(limits)})


class ServerGroups(Resource):
    """Server groups."""

    noun = "ServerGroup"
    path = "/v2.1/os-server-groups"

    def list(self, all_projects: bool = False) -> Rows:
        """Groups of the project, or of all (admins)."""
        params = {"all_projects": "True"} if all_projects else None
        return list(self.client.get(self.path, params=params)["server_groups"])

    def get(self, ident: str) -> Json:
        """One by id."""
        return dict(self.client.get(self._url(ident))["server_group"])

    def find(self, name: str) -> Json:
        """By id, else by name."""
        if looks_like_uuid(name) and (found := self._by_id(name)):
            return found
        return pick([row for row in self.list() if row["name"] == name], self.noun, name)

    def create(self, fields: Mapping[str, Any]) -> Json:
        """A new group: name, policy, rules."""
        return dict(self.client.post(self.path, {"server_group": dict(fields)})["server_group"])

    def delete(self, ident: str) -> None:
        """Remove the group; its members are not touched."""
        self.client.delete(self._url(ident))


class Aggregates(Resource):
    """Host aggregates."""

    noun = "Aggregate"
    path = "/v2.1/os-aggregates"

    def list(self) -> Rows:
        """All of them, oldest first."""
        return list(self.client.get(self.path)["aggregates"])

    def get(self, ident: str) -> Json:
        """One by its number."""
        return dict(self.client.get(self._url(ident))["aggregate"])

    def find(self, name: str) -> Json:
        """By number or uuid, else by name."""
        rows = self.list()
        by_id = [row for row in rows if name in (str(row["id"]), row["uuid"])]
        return by_id[0] if by_id else pick([row for row in rows if row["name"] == name], self.noun, name)

    def create(self, name: str, zone: str | None = None) -> Json:
        """A new one, without hosts."""
        fields = {"name": name, **({"availability_zone": zone} if zone else {})}
        return dict(self.client.post(self.path, {"aggregate": fields})["aggregate"])

    def update(self, ident: object, fields: Mapping[str, Any]) -> Json:
        """Another name or availability_zone."""
        return dict(self.client.put(self._url(ident), {"aggregate": dict(fields)})["aggregate"])

    def delete(self, ident: object) -> None:
        """Remove one without hosts."""
        self.client.delete(self._url(ident))

    def _act(self, ident: object, action: str, body: Mapping[str, Any]) -> Json:
        return dict(self.client.post(self._url(ident, "action"), {action: dict(body)})["aggregate"])

    def add_host(self, ident: object, host: str) -> Json:
        """Put a host in."""
        return self._act(ident, "add_host", {"host": host})

    def remove_host(self, ident: object, host: str) -> Json:
        """Take a host out."""
        return self._act(ident, "remove_host", {"host": host})

    def set_metadata(self, ident: object, metadata: Mapping[str, str | None]) -> Json:
        """Add and change items; None removes one."""
        return self._act(ident, "set_metadata", {"metadata": dict(metadata)})

    def cache_images(self, ident: object, image_ids: Sequence[str]) -> None:
        """Have its hosts fetch images."""
        self.client.post(self._url(ident, "images"), {"cache": [{"id": image_id} for image_id in image_ids]})


class Usage(Resource):
    """What projects have used over a period; times as `2026-01-31T12:00:00`, UTC."""

    noun = "Usage"
    path = "/v2.1/os-simple-tenant-usage"

    def list(self, start: str, end: str) -> Rows:
        """Each project's hours with its servers (admins)."""
        found: dict[str, Json] = {}
        params = {"start": start, "end": end, "detailed": "1"}
        for row in self._pages(self.path, "tenant_usages", params):
            _add_up(found.setdefault(row["tenant_id"], {}), row)
        return [*found.values()]

    def get(self, ident: str, start: str = "", end: str = "") -> Json:
        """One project's hours; empty when it had no server."""
        found: Json = {}
        path = self._url(ident)
        params: Mapping[str, Any] | None = {"start": start, "end": end}
        while True:
            page = self.client.get(path, params=params)
            _add_up(found, page["tenant_usage"])
            links = page.get("tenant_usage_links")
            if not links:
                return found
            path, params = without_host(links[0]["href"]), None


def _add_up(total: Json, page: Json) -> None:
    """A project whose servers are on several pages is told of on each."""
    for key, value in page.items():
        if key in total and isinstance(value, int | float | list):
            total[key] += value
        else:
            total[key] = value
