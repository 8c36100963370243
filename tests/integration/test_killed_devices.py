"""The service dies while networks and volumes come and go around real guests: all of it ends, and nothing stays.

The default run walks a sample of the moments; with --all each row is cut off at each.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any

import pytest

from tests.integration.conftest import House
from tests.integration.killing import Result
from tests.integration.world import LEAKED, STUCK, Violation, tables
from tests.lab.wires import lab_run
from tuinova.client.errors import ApiError, ServiceUnreachable

pytestmark = pytest.mark.integration

SETTLE = 90.0
MOMENTS = (0.0, 0.05, 0.15, 0.4, 1.0)  # seconds behind the answer
Json = dict[str, Any]


class Stage:
    """A house with one booted server on a network of ours, a free volume, and room for what is made and goes."""

    def __init__(self, house: House) -> None:
        self.house, self.client = house, house.client
        self.image = self.client.images.find("tuinova-demo")["id"]
        self.flavor = self.client.flavors.find("m1.micro")["id"]
        self.network = self.make_network("kept", 70)
        self.group = self.client.security_groups.create({"name": "kept"})["id"]
        self.volume = self.make_volume("kept")
        self.subject = self.create("subject")
        house.settled("subject", "ACTIVE")
        house.until_log("subject", "login:")  # who does not run lets go of no device

    # what there is to ask for ----------------------------------------------------------------------------------------
    def create(self, name: str, **fields: Any) -> str:
        """Ask for a server on the network."""
        wish = {"networks": [{"uuid": self.network}], "security_groups": [{"name": "kept"}], "imageRef": self.image}
        return str(self.client.servers.create({"name": name, "flavorRef": self.flavor, **wish, **fields})["id"])

    def with_volumes(self) -> None:
        """Ask for a server that has the volume, and one that is made for it and goes with it."""
        local = {"boot_index": 0, "source_type": "image", "destination_type": "local", "uuid": self.image}
        mapping = [
            {**local, "delete_on_termination": True},
            {"source_type": "volume", "destination_type": "volume", "uuid": self.volume, "boot_index": -1},
            {
                "source_type": "blank",
                "destination_type": "volume",
                "volume_size": 1,
                "boot_index": -1,
                "delete_on_termination": True,
            },
        ]
        self.create("made", block_device_mapping_v2=mapping)

    def make_network(self, name: str, number: int) -> str:
        """A network with a range of its own."""
        ident = str(self.client.networks.create({"name": name})["id"])
        self.client.subnets.create({"network_id": ident, "ip_version": 4, "cidr": f"10.{number}.0.0/24", "name": name})
        return ident

    def make_volume(self, name: str, **fields: Any) -> str:
        """A volume that is ready."""
        ident = str(self.client.volumes.create({"name": name, "size": 1, **fields})["id"])
        self.rest()
        return ident

    def made(self, nouns: Any) -> list[Json]:
        """What a row has made of a noun."""
        return [row for row in nouns.list() if row["name"] == "made"]

    def second_port(self) -> str | None:
        """The subject's port that a row has given it."""
        ports = self.client.servers.interfaces(self.subject)
        return str(ports[-1]["port_id"]) if len(ports) > 1 else None

    # before and after ------------------------------------------------------------------------------------------------
    def rest(self, seconds: float = SETTLE) -> list[Violation]:
        """What is wrong still when that time is over."""
        deadline = time.monotonic() + seconds
        while (wrong := World(self.house).violations()) and time.monotonic() < deadline:
            time.sleep(0.2)
        return wrong

    def clear(self) -> None:
        """As at the beginning, by the ordinary ways: what was cut off bars none of them."""
        client = self.client
        _delete("servers")(self)
        if port := self.second_port():
            client.servers.remove_interface(self.subject, port)
        if client.servers.volumes(self.subject):
            client.servers.detach_volume(self.subject, self.volume)
        assert self.rest() == []
        for noun in ("volume_snapshots", "volumes", "networks"):
            _delete(noun)(self)
            assert self.rest() == []

    def remove(self) -> None:
        """Everything that the stage itself has made."""
        self.clear()
        self.client.servers.delete(self.subject)
        assert self.rest() == []
        self.client.volumes.delete(self.volume)
        self.client.networks.delete(self.network)
        self.client.security_groups.delete(self.group)
        assert self.rest() == []


# rows ----------------------------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Row:
    """What is cut off: `begin` brings the stage to where it is asked for; `sample`: the moments of a short run."""

    name: str
    ask: Callable[[Stage], object]
    begin: Callable[[Stage], object] = lambda _stage: None
    sample: tuple[float, ...] = ()


def _attached(stage: Stage) -> None:
    stage.client.servers.attach_volume(stage.subject, stage.volume)


def _detach(stage: Stage) -> None:
    stage.client.servers.detach_volume(stage.subject, stage.volume)


def _joined(stage: Stage) -> None:
    stage.client.servers.add_interface(stage.subject, net_id=stage.network)


def _leave(stage: Stage) -> None:
    stage.client.servers.remove_interface(stage.subject, stage.second_port() or "")


def _delete(noun: str) -> Callable[[Stage], None]:
    def ask(stage: Stage) -> None:
        nouns = getattr(stage.client, noun)
        for row in stage.made(nouns):
            nouns.delete(row["id"])

    return ask


def _open(stage: Stage) -> None:
    number = 1000 + sum(len(group["security_group_rules"]) for group in stage.client.security_groups.list())
    stage.client.security_group_rules.create(
        {
            "security_group_id": stage.group,
            "direction": "ingress",
            "protocol": "tcp",
            "ethertype": "IPv4",
            "port_range_min": number,
            "port_range_max": number,
        }
    )


def _of_image(stage: Stage) -> None:
    stage.client.volumes.create({"name": "made", "size": 1, "imageRef": stage.image})


def _snapshot(stage: Stage) -> None:
    stage.client.volume_snapshots.create({"name": "made", "volume_id": stage.volume})


def _network(stage: Stage) -> None:
    stage.make_network("made", 71)


ROWS = (
    Row("server create", Stage.with_volumes, sample=(0.4,)),
    Row("server delete", _delete("servers"), Stage.with_volumes, sample=(0.15,)),
    Row("interface attach", _joined, sample=(0.05,)),
    Row("interface detach", _leave, _joined),
    Row("volume attach", _attached),
    Row("volume detach", _detach, _attached, sample=(0.4,)),
    Row("volume create", _of_image, sample=(0.05,)),
    Row(
        "volume extend",
        lambda stage: stage.client.volumes.extend(stage.made(stage.client.volumes)[0]["id"], 2),
        _of_image,
    ),
    Row("volume delete", _delete("volumes"), _of_image),
    Row("snapshot create", _snapshot),
    Row("snapshot delete", _delete("volume_snapshots"), _snapshot),
    Row("network create", _network),
    Row("network delete", _delete("networks"), _network, sample=(0.05,)),
    Row("rule create", _open),
)


# what is so ----------------------------------------------------------------------------------------------------------
@dataclass
class World:
    """What the API says, what the host has, and what does not go together."""

    house: House
    found: list[Violation] = field(default_factory=list)

    def violations(self) -> list[Violation]:
        """All of them, of a house that is at rest."""
        self.found = [(STUCK, f"order {order['method']} is open") for order in tables(self.house)["work_order"]]
        try:
            self._servers()
            self._volumes()
            self._host()
        except ApiError as error:
            # Between two of its reads something went: that is no rest.
            self.found.append((STUCK, f"{error}"))
        return self.found

    def _wrong(self, kind: str, what: str, shown: Any, there: Any) -> None:
        if shown != there:
            self.found.append((kind, f"{what}: {shown} are known, {there} are there"))

    @cached_property
    def servers(self) -> list[Json]:
        """All of them."""
        return [self.house.client.servers.get(row["id"]) for row in self.house.client.servers.list()]

    @cached_property
    def ports(self) -> list[Json]:
        """Those of guests that run."""
        running = {server["id"] for server in self.servers if server["status"] == "ACTIVE"}
        return [port for port in self.house.client.ports.list() if port["device_id"] in running]

    def _xml(self, server: Json, *words: str) -> str:
        return str(self.house.lab.virsh("dumpxml", *words, server["OS-EXT-SRV-ATTR:instance_name"], check=False).stdout)

    def _servers(self) -> None:
        for server in self.servers:
            name = server["name"]
            if server["OS-EXT-STS:task_state"] is not None or server["status"] not in ("ACTIVE", "ERROR"):
                self.found.append((STUCK, f"{name} is {server['status']}, {server['OS-EXT-STS:task_state']}"))
            if server["status"] != "ACTIVE":
                continue
            macs = sorted(port["mac_address"] for port in self.ports if port["device_id"] == server["id"])
            volumes = sorted(row["volumeId"] for row in self.house.client.servers.volumes(server["id"]))
            for words in ((), ("--inactive",)):
                xml = self._xml(server, *words)
                self._wrong(LEAKED, f"interfaces of {name}", macs, sorted(re.findall(r"<mac address='([^']+)'", xml)))
                self._wrong(LEAKED, f"volumes of {name}", volumes, sorted(re.findall(r"<serial>([^<]{36})<", xml)))

    def _volumes(self) -> None:
        client = self.house.client
        volumes, snapshots = client.volumes.list(), client.volume_snapshots.list()
        for row in (*volumes, *snapshots):
            if row["status"] not in ("available", "in-use", "error"):
                self.found.append((STUCK, f"{row['name']} is {row['status']}"))
        told = sorted((one["server_id"], row["id"]) for row in volumes for one in row["attachments"])
        mine = sorted(
            (server["id"], one["volumeId"]) for server in self.servers for one in client.servers.volumes(server["id"])
        )
        self._wrong(STUCK, "attachments", told, mine)
        in_use = sorted(row["id"] for row in volumes if row["status"] == "in-use")
        self._wrong(STUCK, "volumes in use", in_use, sorted(ident for _, ident in told))
        wanted = {f"volume-{row['id']}" for row in volumes} | {f"snapshot-{row['id']}" for row in snapshots}
        # One that could not be made is known and has no data.
        broken = {f"volume-{row['id']}" for row in volumes if row["status"] == "error"}
        place = self.house.state / "volumes"
        there = {path.name.partition(".")[0] for path in place.iterdir()} if place.exists() else set()
        self._wrong(LEAKED, "data of volumes", sorted(wanted - broken), sorted(there - broken))

    def _host(self) -> None:
        lab, client = self.house.lab, self.house.client
        taps = sorted(f"tap{port['id'][:11]}" for port in self.ports)
        links = lab_run(lab, "ip", "-o", "link")
        self._wrong(
            LEAKED, "interfaces on the host", taps, sorted(re.findall(r"^\d+: (tap[^:@]+)", links, re.MULTILINE))
        )
        rules = lab_run(lab, "nft", "list", "ruleset", check=False)
        secured = sorted(f"tap{port['id'][:11]}" for port in self.ports if port["port_security_enabled"])
        self._wrong(LEAKED, "ports in the firewall", secured, sorted(set(re.findall(r'"(tap[0-9a-f-]{11})"', rules))))
        own = [network["id"] for network in client.networks.list() if network["tuinova:mode"] == "nat"]
        defined = {name: self._network(name) for name in lab.virsh("net-list", "--all", "--name").stdout.split()}
        ours = [xml for name, xml in defined.items() if name.startswith("tuinova")]
        self._wrong(
            LEAKED, "networks", sorted(own), sorted(ident for ident in own if any(ident in xml for xml in ours))
        )
        self._wrong(LEAKED, "number of networks", len(own), len(ours))
        bridges = re.findall(r"^\d+: (tn[0-9a-f]{12}):", links, re.MULTILINE)
        self._wrong(LEAKED, "number of bridges", len(own), len(bridges))
        macs = sorted(port["mac_address"] for port in self.ports)
        reserved = [mac for xml in defined.values() for mac in re.findall(r"<host mac='([^']+)'", xml)]
        self._wrong(LEAKED, "DHCP entries", macs, sorted(reserved))

    def _network(self, name: str) -> str:
        return str(self.house.lab.virsh("net-dumpxml", name, check=False).stdout)


# the test ------------------------------------------------------------------------------------------------------------
def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test for each cell that this run walks."""
    if "cell" in metafunc.fixturenames:
        whole = metafunc.config.getoption("--all")
        cells = [(row, moment) for row in ROWS for moment in (MOMENTS if whole else row.sample)]
        metafunc.parametrize("cell", cells, ids=[f"{row.name} +{moment:g} s" for row, moment in cells])


@pytest.fixture(scope="module")
def stage(house: House) -> Iterator[Stage]:
    """The server and all that it has; at the end nothing of them is left."""
    if not house.lab.root:
        pytest.skip("user-mode networking has no networks of one's own")
    one = Stage(house)
    yield one
    if house.service is None or house.service.poll() is not None:
        house.start()
    one.remove()


def test_a_kill_leaves_no_device_half_made(
    stage: Stage, cell: tuple[Row, float], record_property: Callable[[str, Any], None]
) -> None:
    row, moment = cell
    row.begin(stage)
    assert stage.rest() == []
    with suppress(ServiceUnreachable):
        row.ask(stage)
    time.sleep(moment)
    stage.house.kill()
    began = time.monotonic()
    stage.house.start()
    wrong = stage.rest()
    seconds = time.monotonic() - began
    result = Result(row.name, f"{moment:g} s", "-", _end(stage), seconds, wrong)
    record_property("killed", asdict(result))
    assert not wrong, "\n".join((str(result), stage.house.log()[-6000:]))
    stage.clear()


def _end(stage: Stage) -> str:
    """What is there of the row."""
    there = [f"server {row['status']}" for row in stage.made(stage.client.servers)]
    for noun in ("volumes", "volume_snapshots", "networks"):
        there += [
            f"{noun[:-1].replace('volume_', '')} {row['status']}" for row in stage.made(getattr(stage.client, noun))
        ]
    there += ["second port"] if stage.second_port() else []
    there += ["attached"] if stage.client.servers.volumes(stage.subject) else []
    return ", ".join(there) or "nothing"
