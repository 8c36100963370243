"""Thin helpers, one class a resource: paths and bodies in one place, answers as the service gave them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from tuinova.client.connection import segment
from tuinova.client.errors import ApiError, NotFoundByName, NotUnique

if TYPE_CHECKING:
    from tuinova.client import Client

Json = dict[str, Any]
Rows = list[Json]
Texts = list[str]
_UUID = r"[0-9a-fA-F]{8}-?(?:[0-9a-fA-F]{4}-?){3}[0-9a-fA-F]{12}"


def looks_like_uuid(text: str) -> bool:
    """Whether the service could know something by this id."""
    return re.fullmatch(_UUID, text) is not None


def pick(found: Rows, noun: str, name: str) -> Json:
    """The only one of the list; NotFoundByName and NotUnique otherwise."""
    if not found:
        raise NotFoundByName(noun, name)
    if len(found) > 1:
        raise NotUnique(noun, name)
    return found[0]


def without_host(href: str) -> str:
    """The path of a link: its host means nothing behind a socket."""
    return re.sub(r"^https?://[^/]*", "", href)


class Resource:
    """What all resources share."""

    noun = "Resource"
    path = ""

    def __init__(self, client: Client) -> None:
        self.client = client

    def _url(self, *parts: object) -> str:
        return "/".join((self.path, *(segment(part) for part in parts)))

    def _pages(self, path: str, key: str, params: Mapping[str, Any] | None = None) -> Iterator[Json]:
        """The rows of all pages, by Nova's `<key>_links` or Glance's `next`."""
        page = self.client.get(path, params=params)
        while True:
            yield from page[key]
            links = page.get(f"{key}_links") or page.get("links") or ()  # the action log has the bare word
            follow = page.get("next") or next((link["href"] for link in links if link["rel"] == "next"), None)
            if not follow:
                return
            follow = without_host(follow)
            page = self.client.get(follow if follow.startswith("/image/") or key != "images" else "/image" + follow)

    def _by_id(self, ident: str) -> Json | None:
        """The one with this id, None when there is none."""
        if not ident:
            return None
        try:
            found: Json = self.get(ident)
        except ApiError as error:
            if error.code == 404:
                return None
            raise
        return found

    def get(self, ident: str) -> Json:
        """One by its id."""
        raise NotImplementedError


class Flavors(Resource):
    """Flavors, their extra specs and access."""

    noun = "Flavor"
    path = "/v2.1/flavors"

    def list(self, is_public: bool | None = True, **params: Any) -> Rows:
        """Flavors with details; `is_public` None means all (admins)."""
        params = {"is_public": str(is_public), **params}
        return list(self._pages(self.path + "/detail", "flavors", params))

    def get(self, ident: str) -> Json:
        """One flavor by id."""
        return dict(self.client.get(self._url(ident))["flavor"])

    def find(self, name: str) -> Json:
        """By id, else by name, private ones too."""
        return self._by_id(name) or pick([f for f in self.list(None) if f["name"] == name], self.noun, name)

    def create(self, fields: Mapping[str, Any]) -> Json:
        """A new flavor from Nova's body keys."""
        return dict(self.client.post(self.path, {"flavor": dict(fields)})["flavor"])

    def replace(self, ident: str, fields: Mapping[str, Any]) -> Json:
        """Edit sizes in one transaction: same id, extra specs and access carried over."""
        path = f"/tuinova/v1/flavors/{segment(ident)}/replace"
        return dict(self.client.post(path, {"flavor": dict(fields)})["flavor"])

    def describe(self, ident: str, description: str | None) -> Json:
        """The only thing that Nova lets one update."""
        return dict(self.client.put(self._url(ident), {"flavor": {"description": description}})["flavor"])

    def delete(self, ident: str) -> None:
        """Remove; servers keep their copy."""
        self.client.delete(self._url(ident))

    def extra_specs(self, ident: str) -> dict[str, str]:
        """The extra specs."""
        return dict(self.client.get(self._url(ident, "os-extra_specs"))["extra_specs"])

    def set_extra_specs(self, ident: str, specs: Mapping[str, str]) -> dict[str, str]:
        """Add or change extra specs."""
        body = {"extra_specs": dict(specs)}
        return dict(self.client.post(self._url(ident, "os-extra_specs"), body)["extra_specs"])

    def delete_extra_spec(self, ident: str, key: str) -> None:
        """Remove one extra spec."""
        self.client.delete(self._url(ident, "os-extra_specs", key))

    def access(self, ident: str) -> Texts:
        """The ids of the projects that may use a private flavor."""
        rows = self.client.get(self._url(ident, "os-flavor-access"))["flavor_access"]
        return [row["tenant_id"] for row in rows]

    def add_access(self, ident: str, project_id: str) -> None:
        """Give a project access."""
        self.client.post(self._url(ident, "action"), {"addTenantAccess": {"tenant": project_id}})

    def remove_access(self, ident: str, project_id: str) -> None:
        """Take it away."""
        self.client.post(self._url(ident, "action"), {"removeTenantAccess": {"tenant": project_id}})


class Keypairs(Resource):
    """Key pairs of the acting user, or of `user_id` (admins)."""

    noun = "Keypair"
    path = "/v2.1/os-keypairs"

    def list(self, user_id: str | None = None, *, marker: str | None = None) -> Rows:
        """Key pairs by name, unwrapped, those after `marker`."""
        rows = self._pages(self.path, "keypairs", {"user_id": user_id, "marker": marker})
        return [row["keypair"] for row in rows]

    def get(self, ident: str, user_id: str | None = None) -> Json:
        """One by name."""
        return dict(self.client.get(self._url(ident), params={"user_id": user_id})["keypair"])

    def find(self, name: str, user_id: str | None = None) -> Json:
        """One by name, with openstack's text when there is none."""
        return pick([row for row in self.list(user_id) if row["name"] == name], self.noun, name)

    def create(self, fields: Mapping[str, Any]) -> Json:
        """Import a public key: name, public_key, type."""
        return dict(self.client.post(self.path, {"keypair": dict(fields)})["keypair"])

    def delete(self, ident: str, user_id: str | None = None) -> None:
        """Remove; servers keep their copy."""
        self.client.delete(self._url(ident), params={"user_id": user_id})


class Hypervisors(Resource):
    """Hypervisor nodes."""

    noun = "Hypervisor"
    path = "/v2.1/os-hypervisors"

    def list(self, **params: Any) -> Rows:
        """Nova's details (2.88: without resource counts)."""
        return list(self._pages(self.path + "/detail", "hypervisors", params))

    def rows(self) -> Rows:
        """Nodes with totals, used, reserved, ratios and foreign guests."""
        return list(self.client.get("/tuinova/v1/hypervisors")["hypervisors"])

    def get(self, ident: str) -> Json:
        """One by its uuid."""
        return dict(self.client.get(self._url(ident))["hypervisor"])

    def find(self, name: str) -> Json:
        """By uuid, else by hostname."""
        if looks_like_uuid(name) and (found := self._by_id(name)):
            return found
        return pick([row for row in self.list() if row["hypervisor_hostname"] == name], self.noun, name)

    def orphans(self) -> Rows:
        """What is on the hosts and belongs to no server: uuid, host, what, why, fate (noop, log, shutdown, reap)."""
        return list(self.client.get("/tuinova/v1/orphans")["orphans"])


class Services(Resource):
    """Compute services."""

    noun = "Service"
    path = "/v2.1/os-services"

    def list(self, **params: Any) -> Rows:
        """Services; filters `binary`, `host`."""
        return list(self.client.get(self.path, params=params)["services"])

    def set(self, ident: str, fields: Mapping[str, Any]) -> Json:
        """Change status, disabled_reason, forced_down by service uuid."""
        return dict(self.client.put(self._url(ident), dict(fields))["service"])

    def delete(self, ident: str) -> None:
        """Forget a service."""
        self.client.delete(self._url(ident))


class Migrations(Resource):
    """Moves of servers, the finished ones too."""

    noun = "Migration"
    path = "/v2.1/os-migrations"

    def list(self, **filters: Any) -> Rows:
        """Moves by Nova's filters (instance_uuid, host, status, migration_type ...), newest first, all pages."""
        return list(self._pages(self.path, "migrations", filters))

    def rows(self, **filters: Any) -> Rows:
        """The same with `old_flavor`, `new_flavor` {id, name} and `stats`, what a live migration has moved."""
        return list(self._pages("/tuinova/v1/migrations", "migrations", filters))


class HostNetworks(Resource):
    """The networks that the hosts have."""

    noun = "Network"
    path = "/tuinova/v1/networks"

    def list(self) -> Rows:
        """Each host's networks, its default one first."""
        return list(self.client.get(self.path)["networks"])

    def find(self, name: str) -> Json:
        """By id, else by name; hosts may have networks of one name, any of which stands for all."""
        found = [row for row in self.list() if name in (row["id"], row["name"])]
        return pick(found[:1], self.noun, name)


class _Identity(Resource):
    key = ""

    def list(self) -> Rows:
        """All of them."""
        return list(self.client.get(self.path)[self.key + "s"])

    def get(self, ident: str) -> Json:
        """One by id."""
        return dict(self.client.get(self._url(ident))[self.key])

    def find(self, name: str) -> Json:
        """By id, else by name."""
        rows = self.list()
        by_id = [row for row in rows if row["id"] == name]
        return by_id[0] if by_id else pick([row for row in rows if row["name"] == name], self.noun, name)


class Projects(_Identity):
    """Projects."""

    noun, path, key = "Project", "/identity/v3/projects", "project"


class Users(_Identity):
    """Users."""

    noun, path, key = "User", "/identity/v3/users", "user"

    def in_project(self, project_id: str) -> Texts:
        """The ids of the users that have a role in a project (admins)."""
        rows = self.client.get("/identity/v3/role_assignments", params={"scope.project.id": project_id})
        return [*dict.fromkeys(row["user"]["id"] for row in rows["role_assignments"])]
