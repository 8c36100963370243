"""One server that a matrix of tests uses over and over, brought into whatever state the next one begins from."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

from tests.integration.conftest import GUEST, House, running
from tests.integration.killing import at_rest, row_of
from tests.integration.pair import Hosts
from tests.integration.world import World, tables
from tests.lab import LibvirtHosts
from tuinova.client import Client
from tuinova.client.errors import ApiError

IMAGE = "killable"
SMALL, LARGE = "k.small", "k.large"
# The next step back to an ACTIVE server.
_BACK: Mapping[str, str] = {
    "stopped": "os-start",
    "suspended": "resume",
    "paused": "unpause",
    "resized": "confirmResize",
    "rescued": "unrescue",
    "shelved": "unshelve",
    "shelved_offloaded": "unshelve",
    "soft-delete": "restore",
}
_TO: Mapping[str, str] = {
    "stopped": "os-stop",
    "suspended": "suspend",
    "rescued": "rescue",
    "shelved_offloaded": "shelve",
    "migrated": "migrate",
}


def other_flavor(client: Client, uuid: str) -> str:
    """The id of the one of the two that the server does not have."""
    now = client.servers.get(uuid)["flavor"]["original_name"]
    return str(client.flavors.find(LARGE if now == SMALL else SMALL)["id"])


def prepare(house: House) -> None:
    """An image that gives up its shutdown soon, so that a guest need not have booted; two flavors of little memory."""
    house.ok(
        *("image", "create", "--public", "--disk-format", "qcow2", "--min-ram", "96"),
        *("--property", "os_shutdown_timeout=2", "--file", str(GUEST), IMAGE),
    )
    there = {flavor["name"] for flavor in house.client.flavors.list(None)}
    for name, memory in ((SMALL, 128), (LARGE, 144)):
        if name not in there:
            house.client.flavors.create({"name": name, "ram": memory, "vcpus": 1, "disk": 0})


def create(client: Client, name: str, **fields: Any) -> str:
    """Ask for a server; its uuid."""
    body = {
        "name": name,
        "flavorRef": client.flavors.find(SMALL)["id"],
        "imageRef": client.images.find(IMAGE)["id"],
        "networks": "auto",
        **fields,
    }
    return str(client.servers.create(body)["id"])


class Stage:
    """A house with at most one server."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.uuid = ""

    def set(self, begin: str) -> str:
        """The server's uuid once it is in the state: "" none is needed, "booted" an active one with its prompt."""
        if not begin:
            return ""
        if self.uuid and (row_of(self.house, self.uuid)["deleted"] or self.state() == "error"):
            self.clear()
        if not self.uuid:
            self.uuid = create(self.house.client, "subject")
            self._rest()
        wanted = {"booted": "active", "migrated": "resized"}.get(begin, begin)
        if self.state() != wanted:
            self.revive()
        if self.state() != wanted:
            self._act(*self._way(begin))
        assert self.state() == wanted, self.house.log()[-3000:]
        if begin == "booted":
            self.house.until_log(self.uuid, "login:")
        return self.uuid

    def _way(self, begin: str) -> tuple[str, Any]:
        if begin == "resized":
            return "resize", {"flavorRef": other_flavor(self.house.client, self.uuid)}
        return _TO[begin], {} if begin == "rescued" else None

    def state(self) -> str:
        """The server's vm_state."""
        return str(row_of(self.house, self.uuid)["vm_state"])

    def revive(self) -> None:
        """Back to an ACTIVE server by the ordinary ways."""
        while (way := _BACK.get(self.state())) is not None:
            self._act(way, None)
        assert self.state() == "active", self.house.log()[-3000:]

    def reboot(self) -> None:
        """A hard one, which needs all that a server has."""
        self._act("reboot", {"type": "HARD"})
        assert self.state() == "active", self.house.log()[-3000:]

    def _act(self, key: str, body: Any) -> None:
        self.house.client.servers.action(self.uuid, key, body)
        self._rest()

    def _rest(self, seconds: float = 90) -> None:
        """Until nothing is under way."""
        deadline = time.monotonic() + seconds
        while True:
            row = row_of(self.house, self.uuid)
            # A confirm has no task: its order is open.
            if row["task_state"] is None and row["vm_state"] != "building" and not tables(self.house)["work_order"]:
                return
            assert time.monotonic() < deadline, (row, self.house.log()[-3000:])
            time.sleep(0.1)

    def clear(self) -> None:
        """No server, and nothing that was ever one's."""
        for row in World(self.house).living:
            with suppress(ApiError):
                self.house.client.servers.action(row["uuid"], "forceDelete")
        deadline = time.monotonic() + 60
        while World(self.house).living:
            assert time.monotonic() < deadline, self.house.log()[-3000:]
            time.sleep(0.2)
        self.uuid = ""
        self._assert_nothing_left()

    def _assert_nothing_left(self) -> None:
        _, wrong = at_rest(self.house)
        world = World(self.house)
        for host, place in world.places.items():
            left = sorted((*place.domains, *place.entries, *place.reserved))
            wrong += [("leaked", f"{host} has {left}")] if left else []
        wrong += [("leaked", f"held is {world.tables['allocation']}")] if world.tables["allocation"] else []
        assert not wrong, (wrong, self.house.log()[-3000:])


@contextmanager
def on_one_host(house: House) -> Iterator[Stage]:
    """A server on the run's house."""
    prepare(house)
    stage = Stage(house)
    yield stage
    stage.clear()
    house.ok("image", "delete", IMAGE)


@contextmanager
def on_two_hosts(hosts: LibvirtHosts) -> Iterator[Stage]:
    """A server on two hosts between which a guest takes some seconds to move."""
    house = Hosts(hosts)
    house.env["TUINOVA_LIBVIRT_LIVE_MIGRATION_BANDWIDTH"] = "8"
    with running(house) as one:
        prepare(one)
        stage = Stage(one)
        yield stage
        stage.clear()
