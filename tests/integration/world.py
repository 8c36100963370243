"""What is there against what the servers account for: the hypervisors, the directories, the database.

Nothing may be stuck (a task, an order, an event, a move that nobody goes on with) and nothing may leak (a domain, a
directory, an address, an image, a share of a host that belongs to no server).
"""

from __future__ import annotations

import json
import re
import sqlite3
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from tests.integration.conftest import House
from tests.integration.pair import Hosts
from tests.lab import PrivateLibvirt

STUCK, LEAKED = "stuck", "leaked"
# (stuck or leaked, what is wrong)
Violation = tuple[str, str]
Row = dict[str, Any]

NOSTATE, RUNNING, PAUSED, SHUTDOWN, CRASHED = 0, 1, 3, 4, 6
POWER_OF = {"running": RUNNING, "paused": PAUSED, "shut off": SHUTDOWN, "crashed": CRASHED}
# What the guest of a server in this state does; a state that is not here says nothing of it.
POWER = {
    "active": {RUNNING},
    "paused": {PAUSED},
    "suspended": {SHUTDOWN},
    "stopped": {SHUTDOWN},
    "rescued": {RUNNING},
    "resized": {RUNNING, SHUTDOWN},
    "soft-delete": {SHUTDOWN},
    "shelved": {SHUTDOWN},
}
STABLE = frozenset({*POWER, "error", "shelved_offloaded"})
_ENDED = frozenset({"confirmed", "reverted", "error", "failed", "completed", "cancelled", "done"})
_MAC = re.compile(r"mac='(fa:16:3e:[0-9a-f:]+)'")
_GUESTS_DIRECTORY = re.compile(r"[0-9a-f]{8}-[0-9a-f-]{27}.*")
_TABLES = (
    *("instance", "instance_action", "action_event", "migration", "work_order", "allocation", "compute_node", "port"),
    *("fixed_ip", "image", "service"),
)


@dataclass(frozen=True)
class Place:
    """A compute host: its libvirt, and where the disks of its servers are."""

    lab: PrivateLibvirt
    instances: Path

    @cached_property
    def domains(self) -> dict[str, int]:
        """Domain: power state."""
        listed = self.lab.virsh("list", "--all").stdout.splitlines()
        rows = [line.split(None, 2) for line in listed if line.strip()]
        return {name: POWER_OF.get(state.strip(), NOSTATE) for _, name, state in rows}

    @cached_property
    def reserved(self) -> set[str]:
        """The MAC addresses with an entry in the network's DHCP server."""
        return set(_MAC.findall(self.lab.virsh("net-dumpxml", "default").stdout))

    @cached_property
    def entries(self) -> set[str]:
        """The directories of guests, whatever state they are in."""
        names = (path.name for path in self.instances.iterdir()) if self.instances.exists() else ()
        return {name for name in names if _GUESTS_DIRECTORY.fullmatch(name)}

    def files(self, directory: str) -> set[str]:
        """The files of a directory that hosts use for their work."""
        path = self.instances / directory
        return {one.name for one in path.iterdir()} if path.exists() else set()


def places_of(house: House) -> dict[str, Place]:
    """Compute host: where it is."""
    if isinstance(house, Hosts):
        return {
            f"pair-{host.number}": Place(host, house.state / f"instances-pair-{host.number}")
            for host in house.hosts.hosts
        }
    name = (house.state / "compute_host").read_text().strip()
    return {name: Place(house.lab, house.state / "instances")}


def tables(house: House) -> dict[str, list[Row]]:
    """The rows of one moment, straight from the database: also of a service that is dead."""
    with closing(sqlite3.connect(f"file:{house.state}/tuinova.sqlite?mode=ro", uri=True)) as connection:
        connection.row_factory = sqlite3.Row
        connection.execute("BEGIN")
        return {name: [dict(row) for row in connection.execute(f"SELECT * FROM {name}")] for name in _TABLES}


def json_of(row: Row, column: str) -> Any:
    """A JSON column; None where it is NULL."""
    return json.loads(row[column]) if row[column] is not None else None


def domain_of(server: Row) -> str:
    """The name of its domain."""
    return f"instance-{server['id']:08x}"


class World:
    """Everything of one moment."""

    def __init__(self, house: House) -> None:
        self.house = house
        # The database first: what it does not know of yet is looked at again anyhow.
        self.tables = tables(house)
        self.places = places_of(house)
        self.living = [row for row in self.tables["instance"] if not row["deleted"]]

    def violations(self) -> list[Violation]:
        """All that is wrong in a house that is at rest."""
        stuck = (self._states(), self._log(), self._orders(), self._moves(), self._services())
        leaked = (self._domains(), self._directories(), self._addresses(), self._images(), self._shares())
        found = [(STUCK, text) for part in stuck for text in part]
        return found + [(LEAKED, text) for part in leaked for text in part]

    # states, log, orders ---------------------------------------------------------------------------------------------
    def _states(self) -> Iterator[str]:
        for server in self.living:
            name, vm_state = _name(server), server["vm_state"]
            if server["task_state"] is not None:
                yield f"the task of {name} did not end"
            if vm_state not in STABLE:
                yield f"{name} is in no state to stay in"
            if server["task_progress"] not in (None, "null"):
                yield f"{name} still shows progress {server['task_progress']}"
            if vm_state == "error" and server["fault"] in (None, "null"):
                yield f"{name} is in ERROR without a fault"
            power = self.power_of(server)
            if server["host"] is None:
                if vm_state not in ("error", "shelved_offloaded"):
                    yield f"{name} is on no host"
                continue
            if server["power_state"] != power:
                yield f"{name} has power state {server['power_state']}, virsh says {power}"
            if power not in POWER.get(vm_state, {power}):
                yield f"virsh says {power} of {name}"

    def power_of(self, server: Row) -> int:
        """What virsh says of its guest on its host."""
        place = self.places.get(server["host"] or "")
        return place.domains.get(domain_of(server), NOSTATE) if place else NOSTATE

    def _log(self) -> Iterator[str]:
        """Every event closed; an action says "Error" exactly where one of its events failed."""
        for action in self.tables["instance_action"]:
            events = [event for event in self.tables["action_event"] if event["action_id"] == action["id"]]
            for event in events:
                if event["finish_time"] is None or event["result"] not in ("Success", "Error"):
                    yield f"event {event['event']} of {action['action']} is open"
            if (action["message"] == "Error") != any(event["result"] == "Error" for event in events):
                yield f"the message of {action['action']} is {action['message']}: {_short(events)}"

    def _orders(self) -> Iterator[str]:
        for order in self.tables["work_order"]:
            yield f"order {order['method']} of {order['instance_uuid']} is open"

    def _moves(self) -> Iterator[str]:
        for move in self.tables["migration"]:
            if move["status"] not in _ENDED and move not in self.waiting:
                yield f"the {move['migration_type']} of {move['instance_uuid']} is {move['status']}"
        confirmable = Counter(move["instance_uuid"] for move in self.waiting)
        for server in self.living:
            if server["vm_state"] == "resized" and confirmable[server["uuid"]] != 1:
                yield f"{_name(server)} has {confirmable[server['uuid']]} moves that wait to be confirmed"

    @cached_property
    def waiting(self) -> list[Row]:
        """The moves that wait to be confirmed."""
        resized = {server["uuid"] for server in self.living if server["vm_state"] == "resized"}
        return [
            move
            for move in self.tables["migration"]
            if move["status"] == "finished" and move["instance_uuid"] in resized
        ]

    def _services(self) -> Iterator[str]:
        for service in self.tables["service"]:
            if service["disabled"]:
                yield f"{service['binary']} of {service['host']} is disabled: {service['disabled_reason']}"

    # what is there ---------------------------------------------------------------------------------------------------
    @cached_property
    def kept(self) -> set[tuple[str, str]]:
        """(host, server) where an old copy is kept: until the move is confirmed, or of one that failed elsewhere."""
        hosts = {server["uuid"]: server["host"] for server in self.living}
        failed = [
            move
            for move in self.tables["migration"]
            if move["status"] == "error"
            and move["migration_type"] in ("resize", "migration")
            and hosts.get(move["instance_uuid"], move["source_compute"]) != move["source_compute"]
        ]
        return {(move["source_compute"], move["instance_uuid"]) for move in (*self.waiting, *failed)}

    def _here(self, host: str) -> tuple[set[str], set[str]]:
        """The servers that must have a guest on a host, and those of which one may be there: ERROR says nothing."""
        here = [server for server in self.living if server["host"] == host]
        broken = {server["uuid"] for server in here if server["vm_state"] == "error"}
        return {server["uuid"] for server in here} - broken, broken

    def _domains(self) -> Iterator[str]:
        names = {server["uuid"]: domain_of(server) for server in self.living}
        for host, place in self.places.items():
            must, may = ({names[uuid] for uuid in uuids} for uuids in self._here(host))
            kept = {names[uuid] for at, uuid in self.kept if at == host and uuid in names}
            for name in sorted(must - place.domains.keys()):
                yield f"{host} has no domain {name}"
            for name in sorted(place.domains.keys() - must - may):
                # A definition that is off stays at the source until the move is confirmed.
                if name not in kept or place.domains[name] != SHUTDOWN:
                    yield f"{host} has the domain {name}, power state {place.domains[name]}"

    def _directories(self) -> Iterator[str]:
        for host, place in self.places.items():
            must, may = self._here(host)
            kept = {f"{uuid}_resize" for at, uuid in self.kept if at == host}
            for name in sorted((must | kept) - place.entries):
                yield f"{host} has no directory {name}"
            for name in sorted(place.entries - must - may - kept):
                if name.removesuffix("_resize") not in may:
                    yield f"{host} has the directory {name}"
            for name in sorted(place.files("snapshots")):
                yield f"{host} has the file snapshots/{name}"

    def _addresses(self) -> Iterator[str]:
        """Ports, the DHCP server's entries and the hosts' notes of them, all of the same servers."""
        by_server = {server["uuid"]: server for server in self.living}
        ports = [port for port in self.tables["port"] if port["device_owner"].startswith("compute:")]
        addresses = {one["port_id"]: one["address"] for one in self.tables["fixed_ip"]}
        for port in ports:
            server = by_server.get(port["device_id"])
            if server is None:
                yield f"the port {addresses.get(port['id'])} is of {port['device_id']}, which is gone"
            elif server["host"] is not None and port["host"] != server["host"]:
                yield f"the port {addresses.get(port['id'])} of {_name(server)} is bound to {port['host']}"
        for server in self.living:
            mine = [addresses.get(port["id"]) for port in ports if port["device_id"] == server["uuid"]]
            shown = [one["address"] for one in json_of(server, "addresses") or ()]
            if mine != shown or (server["host"] is not None and len(mine) != 1):
                yield f"{_name(server)} shows {shown}, its ports are {mine}"
        for host, place in self.places.items():
            must, may = self._here(host)
            kept = {uuid for at, uuid in self.kept if at == host}
            macs = {port["mac"]: port["device_id"] for port in ports}
            for mac in sorted(mac for mac, uuid in macs.items() if uuid in must and mac not in place.reserved):
                yield f"{host} has no DHCP entry for {mac}"
            for mac in sorted(place.reserved):
                if macs.get(mac) not in must | may | kept:
                    yield f"{host} has a DHCP entry for {mac}"
            noted = {name.removesuffix(".json").replace("-", ":") for name in place.files("ports")}
            if noted != place.reserved:
                yield f"{host} notes the ports {sorted(noted)}, the DHCP server has {sorted(place.reserved)}"

    def _images(self) -> Iterator[str]:
        images = self.tables["image"]
        files = {path.name for path in (self.house.state / "images").iterdir()}
        for image in images:
            if image["status"] != "active":
                yield f"the image {image['name']} is {image['status']}"
            elif image["id"] not in files:
                yield f"the image {image['name']} has no data"
        for name in sorted(files - {image["id"] for image in images}):
            yield f"the image data {name} belongs to no image"
        shelved = sorted(
            f"{server['name']}-shelved"
            for server in self.living
            if server["vm_state"] in ("shelved", "shelved_offloaded")
        )
        found = sorted(image["name"] for image in images if str(image["name"]).endswith("-shelved"))
        if found != shelved:
            yield f"the images of shelved servers are {found}, and should be {shelved}"

    # what is held ----------------------------------------------------------------------------------------------------
    def _shares(self) -> Iterator[str]:
        wanted = {
            server["uuid"]: (server["host"], *_amounts(json_of(server, "flavor")))
            for server in self.living
            if server["host"] is not None
        }
        wanted |= {
            move["uuid"]: (move["source_compute"], *_amounts(json_of(move, "old_flavor"))) for move in self.waiting
        }
        held = {
            row["consumer"]: (row["host"], row["vcpus"], row["memory_mb"], row["disk_gb"])
            for row in self.tables["allocation"]
        }
        for consumer in sorted(wanted.keys() | held.keys()):
            if wanted.get(consumer) != held.get(consumer):
                yield f"{consumer} holds {held.get(consumer)} and should hold {wanted.get(consumer)}"
        for node in self.tables["compute_node"]:
            here = [share[1:] for share in held.values() if share[0] == node["host"]]
            sums = tuple(sum(column) for column in zip(*here, strict=True)) if here else (0, 0, 0)
            counted = tuple(node[f"{what}_allocated"] for what in ("vcpus", "memory_mb", "local_gb"))
            if counted != sums:
                yield f"{node['host']} counts {counted}, its servers hold {sums}"
            shown = self._shown_use[node["host"]]
            if shown != sums:
                yield f"hypervisor show says {shown} of {node['host']}, its servers hold {sums}"

    @cached_property
    def _shown_use(self) -> dict[str, tuple[int, ...]]:
        """Host: vCPUs, MiB and GiB in use, beside what is kept for the host, as `hypervisor show` says."""
        parts = (("vcpus", "cpus"), ("memory_mb", "memory_mb"), ("local_gb", "disk_gb"))
        reserved = {node["host"]: node for node in self.tables["compute_node"]}
        return {
            (host := str(row["service"]["host"])): tuple(
                int(row[f"{what}_used"]) - reserved[host][f"reserved_host_{kept}"] for what, kept in parts
            )
            for row in self.house.client.hypervisors.rows()
        }


def _amounts(flavor: Mapping[str, Any]) -> tuple[int, int, int]:
    swap_gb = -(-int(flavor.get("swap") or 0) // 1024)
    disk = int(flavor.get("root_gb") or 0) + int(flavor.get("ephemeral_gb") or 0) + swap_gb
    return int(flavor["vcpus"]), int(flavor["memory_mb"]), disk


def _name(server: Row) -> str:
    return f"{server['name']} ({server['vm_state']}/{server['task_state'] or '-'} on {server['host'] or 'no host'})"


def _short(events: Sequence[Row]) -> list[tuple[str, str]]:
    return [(event["event"], event["result"]) for event in events]
