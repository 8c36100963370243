"""The states of a house that actions begin from; each is made once and copied for every cell."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.faults.house import HOSTS, IMAGE, House
from tuinova.core.compute_api import ApiOptions
from tuinova.core.compute_manager import ComputeOptions
from tuinova.core.engine_options import EngineOptions
from tuinova.virt.fake.faults import order_faults

# What a scene tells its rows: `uuid` of the server and the like, plain JSON.
Facts = dict[str, Any]
# An action and its body.
Act = tuple[str, Any]
BIGGER, SMALLER = "2", "42"  # m1.small 2048/20/1; m1.nano 64/0/1


@dataclass(frozen=True)
class Scene:
    """`make` brings a fresh house into the state and says what there is; the options hold for its cells too."""

    name: str
    make: Callable[[House], Facts]
    hosts: int = 1
    compute: Mapping[str, Any] = field(default_factory=dict)
    fake: Mapping[str, Any] = field(default_factory=dict)
    api: Mapping[str, Any] = field(default_factory=dict)

    @property
    def options(self) -> EngineOptions:
        """Nobody waits a minute for a guest; builds one by one, so that steps come in one order."""
        compute = {"shutdown_timeout": 1, "shutdown_retry_interval": 1, **self.compute}
        return EngineOptions(compute=ComputeOptions(**compute), api=ApiOptions(**self.api), max_concurrent_builds=1)


def _nothing(house: House) -> Facts:
    return {}


def _server(*acts: Act, host: str | None = None, **create: Any) -> Callable[[House], Facts]:
    """One server and what was done to it."""

    def make(house: House) -> Facts:
        place = host or (HOSTS[0] if len(house.drivers) > 1 else None)
        server = house.create(host=place, **create)
        assert server.vm_state == "active", server.fault
        for name, body in acts:
            server = house.act(server.uuid, name, body)
            assert server.task_state is None, (name, server)
        return {"uuid": server.uuid}

    return make


def _host_down(make: Callable[[House], Facts], host: str = HOSTS[0]) -> Callable[[House], Facts]:
    """An operator says that a host is down."""

    def made(house: House) -> Facts:
        facts = make(house)
        house.conductor.set_service(host, "nova-compute", forced_down=True)
        return {**facts, "down": host}

    return made


def _faulty(make: Callable[[House], Facts], host: str, **orders: Mapping[str, Any]) -> Callable[[House], Facts]:
    """A host on which calls of the driver fail from now on."""

    def made(house: House) -> Facts:
        facts = make(house)
        order_faults(house.drivers[host].directory, orders)
        return facts

    return made


def _with_volume(house: House, *acts: Act, attached: bool, **fields: Any) -> Facts:
    facts = _server()(house)
    volume = house.volume()
    if attached:
        house.act(facts["uuid"], "attach_volume", {"volumeId": volume, **fields})
    for name, body in acts:
        assert house.act(facts["uuid"], name, body).task_state is None
    return {**facts, "volume": volume}


def _from_volume(*acts: Act, host: str | None = None) -> Callable[[House], Facts]:
    """One server that boots from a volume, which goes with it."""
    root = {"source_type": "image", "destination_type": "volume", "uuid": IMAGE, "boot_index": 0, "volume_size": 1}
    return _server(*acts, host=host, image_ref=None, block_devices=[{**root, "delete_on_termination": True}])


def _volume(*acts: Act, attached: bool, **fields: Any) -> Callable[[House], Facts]:
    """One server and one volume, which it has or not."""
    return lambda house: _with_volume(house, *acts, attached=attached, **fields)


def _with_network(house: House, *acts: Act, on: int, **wish: str) -> Facts:
    """One server on a network of the host or, `on` so many ports, on one of ours; a group that it is not in."""
    ctx, api = house.ctx(), house.engine.network_api
    network = api.networks.create(ctx, {"name": "blue"})
    api.subnets.create(ctx, {"network_id": network.id, "cidr": "10.55.0.0/24"})
    api.groups.create(ctx, {"name": "late"})
    house.settle()
    wishes = [{"uuid": network.id, **wish} for _ in range(on)] or [{"uuid": "fake"}]
    server = house.create(networks=wishes)
    for name, body in acts:
        assert house.act(server.uuid, name, body).task_state is None
    port = house.conductor.ports(server.uuid)[-1]
    return {"uuid": server.uuid, "network": network.id, "port": port.id, "address": port.address}


def _network(*acts: Act, on: int, **wish: str) -> Callable[[House], Facts]:
    return lambda house: _with_network(house, *acts, on=on, **wish)


def _network_alone(house: House) -> Facts:
    """A network without a server."""
    ctx, api = house.ctx(), house.engine.network_api
    network = api.networks.create(ctx, {"name": "blue"})
    api.subnets.create(ctx, {"network_id": network.id, "cidr": "10.55.0.0/24"})
    port = api.ports.create(ctx, {"network_id": network.id})
    house.settle()
    return {"network": network.id, "port": port.id}


def _with_floating(house: House) -> Facts:
    """One server on a network of ours, and an address from outside that leads to it."""
    facts = _with_network(house, on=1)
    ctx, api = house.ctx(), house.engine.network_api
    outside = api.networks.create(ctx, {"name": "outside", "router:external": True})
    api.subnets.create(ctx, {"network_id": outside.id, "cidr": "198.51.100.0/24"})
    api.floating.create(ctx, {"floating_network_id": outside.id, "port_id": facts["port"]})
    house.settle()
    return facts


def _failed_build(house: House) -> Facts:
    order_faults(house.drivers[HOSTS[0]].directory, {"spawn": {"kind": "abort", "error": "no such disk"}})
    server = house.create()
    assert (server.vm_state, server.host) == ("error", None)
    order_faults(house.drivers[HOSTS[0]].directory, {})
    return {"uuid": server.uuid}


STOP: Act = ("stop", None)
PAUSE: Act = ("pause", None)
SUSPEND: Act = ("suspend", None)
LOCK: Act = ("lock", {"locked_reason": "why not"})
ERROR: Act = ("resetState", {"state": "error"})
RESIZE: Act = ("resize", {"flavorRef": BIGGER})
MIGRATE: Act = ("migrate", None)
RESCUE: Act = ("rescue", None)
SHELVE: Act = ("shelve", None)
DELETE: Act = ("delete", None)
_KEPT = {"reclaim_instance_interval": 86400}
_ON_HOST = {"shelved_offload_time": -1}
_AWAY = {"allow_resize_to_same_host": False}
# Eight seconds for a guest of 512 MB: what is asked meanwhile comes in time, however busy the machine is.
_SLOW = {"live_migration_mb_per_second": 64}
_FAILS = {"error": "broken as ordered"}

_SCENES: Sequence[Scene] = (
    Scene("nothing", _nothing),
    Scene("nothing, two hosts", _nothing, hosts=2),
    Scene("nothing, first host broken", _faulty(_nothing, HOSTS[0], spawn=_FAILS), hosts=2),
    Scene("nothing, little room", _nothing, fake={"memory_mb": 768}),
    Scene("active", _server()),
    Scene("active with config drive", _server(config_drive=True)),
    Scene("stopped", _server(STOP)),
    Scene("paused", _server(PAUSE)),
    Scene("suspended", _server(SUSPEND)),
    Scene("error", _server(ERROR)),
    Scene("locked", _server(LOCK)),
    Scene("with metadata", _server(metadata={"one": "1", "two": "2"})),
    Scene("error on no host", _failed_build),
    Scene("rescued", _server(RESCUE)),
    Scene("active, shelved on its host", _server(), compute=_ON_HOST),
    Scene("shelved", _server(SHELVE), compute=_ON_HOST),
    Scene("shelved and offloaded", _server(SHELVE)),
    Scene("active, deletes are put off", _server(), compute=_KEPT, api=_KEPT),
    Scene("soft-deleted", _server(DELETE), compute=_KEPT, api=_KEPT),
    Scene("resized", _server(RESIZE)),
    Scene("stopped and resized", _server(STOP, RESIZE)),
    Scene("active, two hosts", _server(), hosts=2, compute=_AWAY),
    Scene("stopped, two hosts", _server(STOP), hosts=2, compute=_AWAY),
    Scene("paused, two hosts", _server(PAUSE), hosts=2),
    Scene("resized away", _server(RESIZE), hosts=2, compute=_AWAY),
    Scene("stopped and resized away", _server(STOP, RESIZE), hosts=2, compute=_AWAY),
    Scene("migrated", _server(MIGRATE), hosts=2),
    Scene("active, a volume is free", _volume(attached=False)),
    Scene("stopped, a volume is free", _volume(STOP, attached=False)),
    Scene("offloaded, a volume is free", _volume(SHELVE, attached=False)),
    Scene("active with a volume", _volume(attached=True)),
    Scene("stopped with a volume", _volume(STOP, attached=True)),
    Scene("active with a volume of its own", _volume(attached=True, delete_on_termination=True)),
    Scene("nothing, a network", _network_alone, hosts=2),
    Scene("active, a network is free", _network(on=0)),
    Scene("stopped, a network is free", _network(STOP, on=0)),
    Scene("active on a network", _network(on=1)),
    Scene("active with a floating address", _with_floating),
    Scene("active on a network twice", _network(on=2)),
    Scene("active with a volume, two hosts", _volume(attached=True), hosts=2, compute=_AWAY),
    Scene("resized away with a volume", _volume(RESIZE, attached=True), hosts=2, compute=_AWAY),
    Scene("active with a volume, host down", _host_down(_volume(attached=True)), hosts=2),
    Scene("offloaded with a volume", _volume(SHELVE, attached=True)),
    Scene("active from a volume", _from_volume()),
    Scene("active from a volume, two hosts", _from_volume(), hosts=2),
    Scene("offloaded from a volume", _from_volume(SHELVE)),
    Scene("active, slow lines", _server(), hosts=2, fake=_SLOW),
    Scene("active, two hosts, big disk", _server(flavor_ref=BIGGER), hosts=2, compute=_AWAY),
    Scene("active, broken destination", _faulty(_server(), HOSTS[1], migration_address=_FAILS), hosts=2),
    Scene(
        "active, destination breaks in the end",
        _faulty(_server(), HOSTS[1], finish_migration={**_FAILS, "when": "middle"}),
        hosts=2,
    ),
    Scene("active, host down", _host_down(_server()), hosts=2),
    Scene("stopped, host down", _host_down(_server(STOP)), hosts=2),
    Scene("error, host down", _host_down(_server(ERROR)), hosts=2),
    Scene("resized away, source down", _host_down(_server(RESIZE)), hosts=2, compute=_AWAY),
    Scene("resized away, destination down", _host_down(_server(RESIZE), HOSTS[1]), hosts=2, compute=_AWAY),
)
SCENES: Mapping[str, Scene] = {scene.name: scene for scene in _SCENES}
