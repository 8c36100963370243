"""A double of the client's surface: a service in memory, with a change feed, for tests of the screens.

`FakeService` holds the truth; `service.factory` is what the application gets for `tuinova.client.connect`.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any
from uuid import UUID

from tuinova.client import ApiError, ServiceUnreachable, StreamEnded, Trimmed
from tuinova.core.states import ACTION_BY_KEY, ACTION_BY_NAME, GuardFacts, guard, server_status

NOW = datetime(2026, 8, 20, 12, 0, 0, tzinfo=UTC).timestamp()
IMPLIED = {"admin": ["admin", "manager", "member", "reader"], "member": ["member", "reader"], "reader": ["reader"]}
POWER = {"active": 1, "resized": 1, "rescued": 1, "paused": 3, "error": 0, "building": 0}  # else 4: off
FLAVOR = {"id": "84", "name": "m1.micro", "vcpus": 1, "ram": 128, "disk": 0, "ephemeral": 0, "swap": 0}
# action: (task while it runs, vm_state after it)
WALK = {
    "os-start": ("powering-on", "active"),
    "os-stop": ("powering-off", "stopped"),
    "reboot": ("rebooting", "active"),
    "pause": ("pausing", "paused"),
    "unpause": ("unpausing", "active"),
    "suspend": ("suspending", "suspended"),
    "resume": ("resuming", "active"),
    "resize": ("resize_prep", "resized"),
    "migrate": ("resize_prep", "resized"),
    "revertResize": ("resize_reverting", "active"),
    "os-migrateLive": ("migrating", "active"),
    "evacuate": ("rebuilding", "active"),
    "rebuild": ("rebuilding", "active"),
    "rescue": ("rescuing", "rescued"),
    "unrescue": ("unrescuing", "active"),
    "shelve": ("shelving", "shelved_offloaded"),
    "shelveOffload": ("shelving_offloading", "shelved_offloaded"),
    "unshelve": ("unshelving", "active"),
    "createImage": ("image_snapshot_pending", "active"),
    "createBackup": ("image_backup", "active"),
    "changePassword": ("updating_password", "active"),
    "restore": ("restoring", "active"),
}
MADE_PASSWORD = "wQ3kT9x"


def at(seconds_ago: float) -> str:
    """An ISO time so many seconds before the fake clock's now."""
    return datetime.fromtimestamp(NOW - seconds_ago, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def uuid_of(number: int) -> str:
    """A stable id for the n-th server."""
    return str(UUID(int=(0xF6CD << 112) + number))


def server_view(number: int, name: str, vm_state: str = "active", **fields: Any) -> dict[str, Any]:
    """A row view as the service gives it."""
    task = fields.pop("task_state", None)
    view = {
        "id": uuid_of(number),
        "name": name,
        "vm_state": vm_state,
        "task_state": task,
        "status": server_status(vm_state, task),
        "power_state": POWER.get(vm_state, 4),
        "image": {"id": "img-1", "name": "tuinova-demo"},
        "flavor": dict(FLAVOR),
        "addresses": [f"10.0.{number // 250}.{number % 250 + 2}"],
        "networks": {"default": [f"10.0.{number // 250}.{number % 250 + 2}"]},
        "key_name": "operator",
        "az": "nova",
        "host": "kvm-host-1",
        "created": at(60 * number + 90),
        "updated": at(60),
        "launched": at(60 * number + 80),
        "project_id": "p-admin",
        "user_id": "u-admin",
        "locked": False,
        "locked_by": None,
        "locked_reason": None,
        "instance_name": f"instance-{number:08x}",
        "description": None,
        "metadata": {},
        "fault": None,
        "progress": 0,
        "task_progress": None,
    }
    view.update(fields)
    return view


def mixed_servers() -> list[dict[str, Any]]:
    """A small house with every kind of state, and names that are hostile or wide."""
    fault = {
        "code": 500,
        "message": "No valid host was found. There are not enough hosts available.",
        "created": at(50),
    }
    return [
        server_view(1, "vm1"),
        server_view(2, "web-1", metadata={"role": "web"}),
        server_view(3, "web-2", task_state="powering-off"),
        server_view(4, "db-1", "stopped", flavor={**FLAVOR, "id": "3", "name": "m1.medium", "ram": 4096, "vcpus": 2}),
        server_view(5, "build-runner", "paused"),
        server_view(6, "archive", "suspended", locked=True, locked_by="admin", locked_reason="audit"),
        server_view(7, "broken", "error", host=None, az=None, fault=fault, addresses=[], launched=None),
        server_view(8, "fresh", "building", task_state="spawning", launched=None, addresses=[]),
        server_view(9, "resized", "resized"),
        server_view(10, "vm[/bold]\x1b]52;c;aGk=\x07", "shelved_offloaded", host=None, az=""),
        server_view(11, "数据库-主", key_name=None),
    ]


class FakeStream:
    """A change stream; iterates for batches, ends as the real one does."""

    def __init__(self, service: FakeService, since: int) -> None:
        self.service = service
        self.since = since
        self.last_id = since
        self.closed = False
        self.broken = False

    def close(self) -> None:
        with self.service.changed:
            self.closed = True
            self.service.changed.notify_all()

    def __iter__(self) -> Iterator[list[dict[str, Any]]]:
        service = self.service
        while True:
            with service.changed:
                service.changed.wait_for(lambda: self.closed or self.broken or service.last_change > self.last_id)
                if self.closed:
                    return
                if self.broken:
                    raise StreamEnded("The tuinova service is stopping.", stopping=True)
                batch = [change for change in service.feed if change["id"] > self.last_id]
                self.last_id = service.last_change
            yield batch


class FakeServers:
    """`client.servers`."""

    def __init__(self, client: FakeClient) -> None:
        self.client = client
        self.service = client.service

    def rows_and_change(self, all_projects: bool = False) -> tuple[list[dict[str, Any]], int]:
        self.client.check()
        with self.service.changed:
            rows = [
                view
                for view in self.service.servers.values()
                if all_projects or view["project_id"] == self.client.project_id
            ]
            return sorted(rows, key=lambda view: view["created"], reverse=True), self.service.last_change

    def rows(self, all_projects: bool = False) -> list[dict[str, Any]]:
        return self.rows_and_change(all_projects)[0]

    def list(self, **filters: Any) -> list[dict[str, Any]]:
        self.client.check()
        shown = {**self.service.servers, **self.service.soft_deleted}
        wanted = filters.get("status")
        return [{"id": view["id"]} for view in shown.values() if wanted in (None, view["status"])]

    def row(self, ident: str) -> dict[str, Any]:
        self.client.check()
        return self.service.soft_deleted.get(ident) or self._view(ident)

    def migrations(self, ident: str) -> list[dict[str, Any]]:
        self.client.check()
        moves = self.service.resources["migrations"]
        return [one for one in moves if one["instance_uuid"] == ident and one["status"] == "running"]

    def abort_migration(self, ident: str, migration: int) -> None:
        self.service.requests.append((ident, "abort", migration))
        if problem := self.service.refusals.get(ident):
            raise problem

    def force_complete(self, ident: str, migration: int) -> None:
        self.service.requests.append((ident, "force_complete", migration))

    def diagnostics(self, ident: str) -> dict[str, Any]:
        self.client.check()
        if problem := self.service.refusals.get(ident):
            raise problem
        return self.service.readings.pop(0) if len(self.service.readings) > 1 else self.service.readings[0]

    def get(self, ident: str) -> dict[str, Any]:
        self.client.check()
        view = self._view(ident)
        return {
            "id": ident,
            "name": view["name"],
            "description": view["description"],
            "metadata": view["metadata"],
            "security_groups": [{"name": "default"}],
            "hostId": "b" * 8,
            "config_drive": "True",
            "OS-EXT-SRV-ATTR:hostname": "vm1",
            "OS-EXT-SRV-ATTR:root_device_name": "/dev/vda",
            "addresses": {"default": [{"addr": one, "version": 4} for one in view["addresses"]]},
        }

    def _view(self, ident: str) -> dict[str, Any]:
        try:
            return self.service.servers.get(ident) or self.service.soft_deleted[ident]
        except KeyError:
            raise ApiError(404, f"Instance {ident} could not be found.", "req-404") from None

    def create(self, body: dict[str, Any]) -> dict[str, Any]:
        self.client.check()
        server = body.get("server", body)
        self.service.created.append(body)
        number = len(self.service.servers) + 100
        view = server_view(number, server["name"], "building", task_state="scheduling", launched=None, host=None)
        self.service.put(view)
        return {"id": view["id"]}

    def action(self, ident: str, key: str, body: Any = None) -> Any:
        self.client.check()
        self.service.requests.append((ident, key, body))
        view = self._view(ident)
        if problem := self.service.refusals.get(ident):
            raise problem
        row = ACTION_BY_NAME["reboot-hard"] if body == {"type": "HARD"} else ACTION_BY_KEY[key]
        facts = GuardFacts(
            view["vm_state"], view["task_state"], view["locked"], bool(view["launched"]), bool(view["host"])
        )
        refused = guard(row, facts, self.client.roles)
        if refused is not None:
            text = f"Cannot '{row.name}' instance {ident} while it is in {refused.why} {refused.value}"
            raise ApiError(409, text, "req-409")
        if key in ("lock", "unlock"):
            self.service.change(ident, locked=key == "lock", locked_by="owner" if key == "lock" else None)
        elif key == "os-resetState":
            self.service.change(ident, vm_state=body["state"], task_state=None)
        elif key in WALK:
            self.service.change(ident, task_state=WALK[key][0])
            self.service.waiting[ident] = WALK[key][1]
        if key == "rescue":
            return {"adminPass": (body or {}).get("adminPass", MADE_PASSWORD)}
        return None

    def delete(self, ident: str) -> None:
        self.client.check()
        self.service.requests.append((ident, "delete", None))
        if problem := self.service.refusals.get(ident):
            raise problem
        self._view(ident)
        self.service.remove(ident)

    def update(self, ident: str, **fields: Any) -> dict[str, Any]:
        self.service.requests.append((ident, "update", fields))
        self.service.change(ident, **fields)
        return self.get(ident)

    def set_metadata(self, ident: str, metadata: dict[str, str]) -> dict[str, str]:
        self.service.requests.append((ident, "set_metadata", metadata))
        merged = {**self._view(ident)["metadata"], **metadata}
        self.service.change(ident, metadata=merged)
        return merged

    def replace_metadata(self, ident: str, metadata: dict[str, str]) -> dict[str, str]:
        self.service.requests.append((ident, "replace_metadata", metadata))
        self.service.change(ident, metadata=dict(metadata))
        return metadata

    def delete_metadata(self, ident: str, key: str) -> None:
        self.service.requests.append((ident, "delete_metadata", key))
        left = {name: value for name, value in self._view(ident)["metadata"].items() if name != key}
        self.service.change(ident, metadata=left)

    def events(self, ident: str, **_params: Any) -> list[dict[str, Any]]:
        self.client.check()
        return self.service.action_log.get(ident, [])

    def event(self, ident: str, request_id: str) -> dict[str, Any]:
        for action in self.service.action_log.get(ident, []):
            if action["request_id"] == request_id:
                return {**action, "events": self.service.action_events.get(request_id, [])}
        raise ApiError(404, f"Action for request_id {request_id} not found", "req-404")

    def schedule(self, ident: str) -> list[dict[str, Any]]:
        self.client.check()
        return self.service.decisions.get(ident, [])

    def actions(self, _ident: str) -> list[dict[str, Any]]:
        return []

    def attach_volume(self, ident: str, volume_id: str, **fields: Any) -> dict[str, Any]:
        self.service.requests.append((ident, "attach_volume", (volume_id, fields)))
        if problem := self.service.refusals.get(volume_id):
            raise problem
        return {"volumeId": volume_id, "device": "/dev/vdb"}

    def detach_volume(self, ident: str, volume_id: str) -> None:
        self.service.requests.append((ident, "detach_volume", volume_id))

    def volumes(self, ident: str) -> list[dict[str, Any]]:
        held = [one for one in self.service.resources["volumes"] if one["status"] == "in-use"]
        return [{"volumeId": one["id"], "device": "/dev/vdb", "serverId": ident} for one in held]

    def interfaces(self, ident: str) -> list[dict[str, Any]]:
        own = [one for one in self.service.resources["ports"] if one["device_id"] == ident]
        return [
            {
                "port_id": one["id"],
                "net_id": one["network_id"],
                "mac_addr": one["mac_address"],
                "fixed_ips": one["fixed_ips"],
            }
            for one in own
        ]

    def add_interface(self, ident: str, **fields: Any) -> dict[str, Any]:
        self.service.requests.append((ident, "add_interface", fields))
        return fields

    def remove_interface(self, ident: str, port_id: str) -> None:
        self.service.requests.append((ident, "remove_interface", port_id))

    def security_groups(self, _ident: str) -> list[dict[str, Any]]:
        return self.service.resources["security_groups"][:1]

    def console_log(self, ident: str, all_boots: bool = False) -> bytes:
        self.client.check()
        return self.service.logs.get(ident, b"")

    def send_keys(self, ident: str, keys: list[str]) -> None:
        self.service.requests.append((ident, "keys", keys))


class FakeClient:
    """`tuinova.client.Client` as one user in one project."""

    def __init__(self, service: FakeService, username: str, project: str) -> None:
        self.service = service
        self.username = username
        self.project = project
        self.project_id = f"p-{project}"
        self.roles = IMPLIED["admin" if username == "admin" else "member"]
        self.servers = FakeServers(self)
        for name, rows in service.resources.items():
            setattr(self, name, FakeResource(self, name, rows))

    def check(self) -> None:
        """Raise as an unreachable service does."""
        if self.service.down:
            raise ServiceUnreachable(self.service.down)

    def info(self) -> dict[str, Any]:
        self.check()
        return {
            "version": "0.1.0",
            "driver": "libvirt",
            "libvirt_uri": "qemu:///system",
            "virt_type": "kvm",
            "socket": "/run/tuinova/api.sock",
            "last_change": self.service.last_change,
            "user": {"id": f"u-{self.username}", "name": self.username},
            "project": {"id": self.project_id, "name": self.project},
            "roles": self.roles,
            "warnings": [],
        }

    def config(self) -> list[dict[str, Any]]:
        self.check()
        if problem := self.service.refusals.get("config"):
            raise problem
        return [{"group": "DEFAULT", "name": "reclaim_instance_interval", "value": self.service.reclaim}]

    def changes(self, since: int | None = None) -> FakeStream:
        self.check()
        if self.service.trimmed_once:
            self.service.trimmed_once = False
            raise Trimmed("Changes before 7 are no longer kept; read the list again.")
        stream = FakeStream(self.service, self.service.last_change if since is None else since)
        self.service.streams.append(stream)
        return stream

    def limits(self, **_params: Any) -> dict[str, Any]:
        self.check()
        return dict(self.service.limits)

    def availability_zones(self, detail: bool = False) -> list[dict[str, Any]]:
        return [{"zoneName": "nova", "zoneState": {"available": True}}]

    def get(self, path: str, *, params: Any = None) -> Any:
        self.check()
        return self.service.answers[path]

    def acting_as(self, *, username: str | None = None, project: str | None = None) -> FakeClient:
        return FakeClient(self.service, username or self.username, project or self.project)

    def close(self) -> None:
        """Nothing is open."""


class FakeResource:
    """Lists of flavors, images and the like: what a test put into `service.resources[name]`; calls are recorded."""

    def __init__(self, client: FakeClient, name: str, rows: list[dict[str, Any]]) -> None:
        self.client = client
        self.name = name
        self._rows = rows

    def list(self, *_args: Any, **params: Any) -> list[dict[str, Any]]:
        self.client.check()
        if problem := self.client.service.refusals.get(f"{self.name}.list"):
            raise problem
        return [dict(row) for row in self._rows if all(row.get(key, value) == value for key, value in params.items())]

    def rows(self, **params: Any) -> list[dict[str, Any]]:
        return self.list(**params)

    def get(self, ident: str) -> dict[str, Any]:
        for row in self._rows:
            if ident in (str(row.get("id")), row.get("name"), row.get("floating_ip_address")):
                return dict(row)
        raise ApiError(404, f"{self.name} {ident} could not be found.", "req-404")

    def find(self, word: str) -> dict[str, Any]:
        return self.get(word)

    def __getattr__(self, verb: str) -> Any:
        if verb.startswith("_"):
            raise AttributeError(verb)

        def call(*args: Any, **kwargs: Any) -> Any:
            self.client.check()
            self.client.service.requests.append((self.name, verb, (args, kwargs)))
            if problem := self.client.service.refusals.get(f"{self.name}.{verb}"):
                raise problem
            return self.client.service.answers.get(f"{self.name}.{verb}", {})

        return call


class FakeService:
    """The truth in memory: servers, the feed, and levers for a test."""

    def __init__(self, servers: list[dict[str, Any]] | None = None) -> None:
        self.changed = threading.Condition()
        self.servers: dict[str, dict[str, Any]] = {view["id"]: view for view in servers or []}
        self.feed: deque[dict[str, Any]] = deque(maxlen=10_000)
        self.last_change = 10
        self.streams: list[FakeStream] = []
        self.down = ""
        self.trimmed_once = False
        self.closed_projects: set[str] = set()
        self.connections: list[SimpleNamespace] = []
        self.requests: list[tuple[str, str, Any]] = []
        self.created: list[dict[str, Any]] = []
        self.refusals: dict[str, Exception] = {}
        self.waiting: dict[str, str] = {}
        self.logs: dict[str, bytes] = {}
        self.soft_deleted: dict[str, dict[str, Any]] = {}
        self.reclaim = 0
        self.readings: list[dict[str, Any]] = [{}]
        self.action_log: dict[str, list[dict[str, Any]]] = {}
        self.action_events: dict[str, list[dict[str, Any]]] = {}
        self.decisions: dict[str, list[dict[str, Any]]] = {}
        self.answers: dict[str, Any] = {}
        self.limits: dict[str, Any] = {"maxTotalInstances": 10, "totalInstancesUsed": 1}
        self.resources: dict[str, list[dict[str, Any]]] = {
            "flavors": [],
            "images": [],
            "keypairs": [],
            "hypervisors": [],
            "services": [],
            "quotas": [],
            "server_groups": [],
            "aggregates": [],
            "usage": [],
            "networks": [],
            "subnets": [],
            "ports": [],
            "security_groups": [],
            "security_group_rules": [],
            "routers": [],
            "floating_ips": [],
            "volumes": [],
            "volume_snapshots": [],
            "volume_types": [],
            "migrations": [],
            "projects": [{"id": "p-admin", "name": "admin"}, {"id": "p-demo", "name": "demo"}],
            "users": [{"id": "u-admin", "name": "admin"}, {"id": "u-demo", "name": "demo"}],
        }

    def factory(self, *, username: str | None = None, project: str | None = None) -> FakeClient:
        """In the place of `tuinova.client.connect`."""
        self.connections.append(SimpleNamespace(username=username, project=project))
        if self.down:
            raise ServiceUnreachable(self.down)
        if project in self.closed_projects:
            raise ApiError(403, f"User {username} has no role in project {project}.", "req-403")
        return FakeClient(self, username or "admin", project or "admin")

    # levers ----------------------------------------------------------------------------------------------------------
    def put(self, view: dict[str, Any]) -> None:
        """A new or changed server."""
        self._publish(view["id"], "update", view)

    def change(self, ident: str, **fields: Any) -> None:
        """Change fields of a server; status and power follow."""
        view = {**self.servers[ident], **fields}
        view["status"] = server_status(view["vm_state"], view["task_state"])
        if "power_state" not in fields:
            view["power_state"] = POWER.get(view["vm_state"], 4)
        self._publish(ident, "update", view)

    def finish(self, ident: str) -> None:
        """The task that an action began ends well."""
        self.change(ident, vm_state=self.waiting.pop(ident), task_state=None)

    def remove(self, ident: str) -> None:
        """A server is gone."""
        self._publish(ident, "delete", None)

    def soft_delete(self, ident: str) -> None:
        """A server is deleted but can still be restored: the feed and the lists know it no more."""
        view = self.servers[ident]
        self.soft_deleted[ident] = {**view, "vm_state": "soft-delete", "status": "SOFT_DELETED", "power_state": 4}
        self._publish(ident, "delete", None)

    def announce_gone(self, ident: str) -> None:
        """The feed tells a server as gone (again)."""
        self._publish(ident, "delete", None)

    def announce(self, kind: str, key: str) -> None:
        """A change of another kind (flavor, image ...)."""
        self._publish(key, "update", None, kind)

    def stop(self, reason: str = "No tuinova service answers.") -> None:
        """The service leaves: streams end, nothing answers."""
        self.down = reason
        self.break_streams()

    def come_back(self) -> None:
        """It answers again."""
        self.down = ""

    def break_streams(self) -> None:
        """Every stream ends as when the service stops."""
        with self.changed:
            for stream in self.streams:
                stream.broken = True
            self.streams.clear()
            self.changed.notify_all()

    def _publish(self, key: str, op: str, view: dict[str, Any] | None, kind: str = "server") -> None:
        with self.changed:
            project = (view or self.servers.get(key) or {}).get("project_id", "p-admin")
            if kind == "server":
                if view is None:
                    self.servers.pop(key, None)
                else:
                    self.servers[key] = view
            self.last_change += 1
            self.feed.append(
                {
                    "id": self.last_change,
                    "kind": kind,
                    "op": op,
                    "key": key,
                    "project_id": project,
                    "at": at(0),
                    "view": view,
                }
            )
            self.changed.notify_all()
