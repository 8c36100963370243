"""A service that keeps whatever it is given: Neutron's and Cinder's collections, and Nova's create, on a Unix socket.

It refuses nothing but what a test tells it to: what is looked at is what the command line asks, and what it prints.
"""

from __future__ import annotations

import json
import re
import uuid
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from tests.client.conftest import Handler, StubService

Json = dict[str, Any]
# Path of a collection to the keys of one and of their list.
COLLECTIONS = {
    "/network/v2.0/networks": ("network", "networks"),
    "/network/v2.0/subnets": ("subnet", "subnets"),
    "/network/v2.0/ports": ("port", "ports"),
    "/network/v2.0/security-groups": ("security_group", "security_groups"),
    "/network/v2.0/security-group-rules": ("security_group_rule", "security_group_rules"),
    "/network/v2.0/routers": ("router", "routers"),
    "/network/v2.0/floatingips": ("floatingip", "floatingips"),
    "/volume/v3/volumes": ("volume", "volumes"),
    "/volume/v3/snapshots": ("snapshot", "snapshots"),
    "/volume/v3/types": ("volume_type", "volume_types"),
    "/v2.1/servers": ("server", "servers"),
    "/v2.1/flavors": ("flavor", "flavors"),
    "/v2.1/os-server-groups": ("server_group", "server_groups"),
    "/identity/v3/projects": ("project", "projects"),
}
# What a new one has besides what it was asked to have.
DEFAULTS: dict[str, Json] = {
    "network": {"admin_state_up": True, "subnets": [], "shared": False, "router:external": False, "status": "ACTIVE"},
    "subnet": {"allocation_pools": [], "dns_nameservers": [], "host_routes": [], "service_types": []},
    "port": {"fixed_ips": [], "security_groups": [], "allowed_address_pairs": [], "status": "DOWN", "tags": []},
    "security_group": {"security_group_rules": [], "shared": False},
    "security_group_rule": {"remote_group_id": None, "port_range_min": None, "port_range_max": None},
    "router": {"routes": [], "admin_state_up": True, "status": "ACTIVE", "external_gateway_info": None, "tags": []},
    "floatingip": {"port_id": None, "fixed_ip_address": None, "floating_ip_address": "192.0.2.9"},
    "volume": {"status": "available", "attachments": [], "metadata": {}, "volume_type": "file", "bootable": "false"},
    "snapshot": {"status": "available", "metadata": {}, "size": 1},
    "volume_type": {"is_public": True, "extra_specs": {}},
}
ACTIONS_OF = re.compile(r"^(?P<collection>.*)/(?P<ident>[^/]+)/(?P<verb>[^/]+)$")


@dataclass
class Cloud:
    """What was made, by collection, and what was asked: (method, path, body), reads left out."""

    rows: dict[str, dict[str, Json]] = field(default_factory=lambda: {path: {} for path in COLLECTIONS})
    images: dict[str, Json] = field(default_factory=dict)
    asked: list[tuple[str, str, Any]] = field(default_factory=list)
    versions: list[str] = field(default_factory=list)
    refusals: dict[tuple[str, str], tuple[int, Json]] = field(default_factory=dict)
    answers: dict[tuple[str, str], Json] = field(default_factory=dict)

    def add(self, collection: str, **fields: Any) -> Json:
        """Something that is there already."""
        path = next(path for path in COLLECTIONS if path.endswith("/" + collection))
        row = {"id": str(uuid.uuid4()), **DEFAULTS.get(COLLECTIONS[path][0], {}), **fields}
        self.rows[path][row["id"]] = row
        return row

    def add_image(self, **fields: Any) -> Json:
        """An image that is there already."""
        row = {"id": str(uuid.uuid4()), "status": "active", **fields}
        self.images[row["id"]] = row
        return row

    def body(self, method: str, path: str) -> Any:
        """The only body that was sent so."""
        [found] = [body for asked, where, body in self.asked if (asked, where) == (method, path)]
        return found

    def answer(self, method: str, url: str, body: Any) -> tuple[int, Any]:
        split = urlsplit(url)
        path, query = split.path, dict(parse_qsl(split.query))
        if method != "GET":
            self.asked.append((method, path, body))
        if (method, path) in self.refusals:
            return self.refusals[method, path]
        if (method, path) in self.answers:
            return 200, self.answers[method, path]
        if path.startswith("/image/v2/images"):
            return self._image(path.removeprefix("/image/v2/images").strip("/"), query)
        if path == "/v2.1/flavors/detail":
            path = "/v2.1/flavors"
        path = path.removesuffix("/detail")
        if path in COLLECTIONS:
            return self._collection(method, path, query, body)
        where, _slash, ident = path.rpartition("/")
        if where in COLLECTIONS:
            return self._one(method, where, ident, body)
        return self._under(method, path, body)

    def _image(self, ident: str, query: Json) -> tuple[int, Any]:
        if ident:
            return (200, self.images[ident]) if ident in self.images else (404, "no such image")
        named = query.get("name")
        return 200, {"images": [row for row in self.images.values() if named in (None, row["name"])]}

    def _collection(self, method: str, path: str, query: Json, body: Any) -> tuple[int, Any]:
        key, plural = COLLECTIONS[path]
        if method == "POST":
            row = {"id": str(uuid.uuid4()), **DEFAULTS.get(key, {}), **body[key]}
            self.rows[path][row["id"]] = row
            return 201, {key: row}
        found = list(self.rows[path].values())
        if path == "/v2.1/servers" and "name" in query:
            return 200, {plural: [row for row in found if re.search(query["name"], row["name"])]}
        for name, value in query.items():
            found = [row for row in found if value == "None" or str(row.get(name)) == value]
        return 200, {plural: found}

    def _one(self, method: str, path: str, ident: str, body: Any) -> tuple[int, Any]:
        key, _plural = COLLECTIONS[path]
        row = self.rows[path].get(ident)
        if row is None:
            return 404, {"itemNotFound": {"code": 404, "message": f"{key} {ident} could not be found."}}
        if method == "DELETE":
            del self.rows[path][ident]
            return 204, None
        if method == "PUT":
            row.update(body[key])
        return 200, {key: row}

    def _under(self, method: str, path: str, body: Any) -> tuple[int, Any]:
        match = ACTIONS_OF.match(path)
        row = self.rows.get(match["collection"], {}).get(match["ident"]) if match else None
        if match is None or row is None:
            return 404, {"itemNotFound": {"code": 404, "message": "not there"}}
        if match["verb"] == "tags":
            row["tags"] = body["tags"]
        if match["verb"] == "metadata":
            kept = row.get("metadata") or {} if method == "POST" else {}
            row["metadata"] = {**kept, **body["metadata"]}
            return 200, {"metadata": row["metadata"]}
        return 202, {}


class CloudHandler(Handler):
    """Everything is answered by the cloud."""

    server: CloudService

    def answer(self) -> None:
        data = self.body()
        cloud = self.server.cloud
        cloud.versions.append(self.headers.get("OpenStack-API-Version", ""))
        status, answer = cloud.answer(self.command, self.path, json.loads(data) if data else None)
        payload = b"" if answer is None else json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("x-openstack-request-id", "req-of-service")
        self.send_header("Content-Length", str(len(payload)))
        self.end_headers()
        self.wfile.write(payload)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = answer


class CloudService(StubService):
    """The cloud on its socket."""

    def __init__(self, path: Any) -> None:
        super().__init__(path)
        self.RequestHandlerClass = CloudHandler
        self.cloud = Cloud()
