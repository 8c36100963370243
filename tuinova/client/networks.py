"""Networks, subnets, ports, security groups, routers and floating IPs: Neutron's routes, one class a collection."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from tuinova.client.resources import Json, Resource, Rows, looks_like_uuid, pick

ROOT = "/network/v2.0"


class NetworkResource(Resource):
    """One of Neutron's collections; `key` wraps one of them, `plural` their list."""

    key = ""
    plural = ""
    named = "name"  # what people call one by, beside its id

    def list(self, **filters: Any) -> Rows:
        """All that the caller may see, by Neutron's filters: `name`, `network_id`, `device_id` ..., all pages."""
        return list(self._pages(self.path, self.plural, filters))

    def get(self, ident: str) -> Json:
        """One by its id."""
        return dict(self.client.get(self._url(ident))[self.key])

    def find(self, name_or_id: str, **filters: Any) -> Json:
        """By id, else by its exact name; raises NotFoundByName, NotUnique.

        Administrators see the networks of all projects: of several of one name the acting project's own is meant.
        """
        if looks_like_uuid(name_or_id) and (found := self._by_id(name_or_id)):
            return found
        rows = self.list(**{self.named: name_or_id}, **filters) if name_or_id else []
        rows = [row for row in rows if row[self.named] == name_or_id]
        if len(rows) > 1:
            rows = [row for row in rows if row.get("project_id") == self.client.project_id] or rows
        return pick(rows, self.noun, name_or_id)

    def create(self, fields: Mapping[str, Any]) -> Json:
        """A new one from Neutron's fields."""
        return dict(self.client.post(self.path, {self.key: dict(fields)})[self.key])

    def update(self, ident: str, **fields: Any) -> Json:
        """Change fields; the others stay."""
        return dict(self.client.put(self._url(ident), {self.key: fields})[self.key])

    def delete(self, ident: str) -> None:
        """Remove it; refused (409) with the words who uses it."""
        self.client.delete(self._url(ident))

    def set_tags(self, ident: str, tags: Iterable[str]) -> None:
        """Exactly these tags."""
        self.client.put(self._url(ident, "tags"), {"tags": list(tags)})


class Networks(NetworkResource):
    """Networks."""

    noun, path, key, plural = "Network", ROOT + "/networks", "network", "networks"


class Subnets(NetworkResource):
    """The ranges of addresses of networks."""

    noun, path, key, plural = "Subnet", ROOT + "/subnets", "subnet", "subnets"


class Ports(NetworkResource):
    """Ports: a MAC with its addresses on a network."""

    noun, path, key, plural = "Port", ROOT + "/ports", "port", "ports"


class SecurityGroups(NetworkResource):
    """Security groups with their rules."""

    noun, path = "SecurityGroup", ROOT + "/security-groups"
    key, plural = "security_group", "security_groups"


class SecurityGroupRules(NetworkResource):
    """The rules of security groups; a rule has no name and is never changed."""

    noun, path = "SecurityGroupRule", ROOT + "/security-group-rules"
    key, plural = "security_group_rule", "security_group_rules"

    def find(self, name_or_id: str, **filters: Any) -> Json:
        """By id."""
        found = self._by_id(name_or_id) if looks_like_uuid(name_or_id) else None
        return pick([found] if found else [], self.noun, name_or_id)


class Routers(NetworkResource):
    """Routers between networks."""

    noun, path, key, plural = "Router", ROOT + "/routers", "router", "routers"

    def add_interface(self, ident: str, *, subnet_id: str | None = None, port_id: str | None = None) -> Json:
        """Join a subnet by its gateway address, or by a port of one's own."""
        return self._interface(ident, "add_router_interface", subnet_id, port_id)

    def remove_interface(self, ident: str, *, subnet_id: str | None = None, port_id: str | None = None) -> Json:
        """Leave a subnet."""
        return self._interface(ident, "remove_router_interface", subnet_id, port_id)

    def _interface(self, ident: str, verb: str, subnet_id: str | None, port_id: str | None) -> Json:
        body = {"subnet_id": subnet_id} if port_id is None else {"port_id": port_id}
        return dict(self.client.put(self._url(ident, verb), body))


class FloatingIPs(NetworkResource):
    """Floating IPs, which people call by their address."""

    noun, path, key, plural = "FloatingIP", ROOT + "/floatingips", "floatingip", "floatingips"
    named = "floating_ip_address"


class Extensions(Resource):
    """What the network service can beyond Neutron's core."""

    noun, path = "Extension", ROOT + "/extensions"

    def list(self) -> Rows:
        """All of them: alias, name, description, updated."""
        return list(self.client.get(self.path)["extensions"])

    def get(self, ident: str) -> Json:
        """One by its alias."""
        return dict(self.client.get(self._url(ident))["extension"])
