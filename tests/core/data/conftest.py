"""A conductor on a database of its own, and short ways to make what tests need."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tuinova.core.conductor import Conductor, InstanceDraft, OrderDraft, QuotaLimits
from tuinova.core.context import RequestContext
from tuinova.core.records import Instance

UNLIMITED = QuotaLimits(instances=-1, cores=-1, ram=-1)
MICRO: dict[str, Any] = {
    "id": "84",
    "name": "m1.micro",
    "memory_mb": 128,
    "vcpus": 1,
    "root_gb": 0,
    "ephemeral_gb": 0,
    "swap": 0,
    "rxtx_factor": 1.0,
    "extra_specs": {"hw_rng:allowed": "True"},
    "is_public": True,
    "disabled": False,
    "description": None,
}


@dataclass(frozen=True)
class Amounts:
    vcpus: int = 1
    memory_mb: int = 128
    disk_gb: int = 0
    others: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True)
class Guest:
    uuid: str
    name: str
    memory_mb: int
    vcpus: int
    disk_gb: int
    state: int = 1


@dataclass(frozen=True)
class Resources:
    node: str = "node1"
    hypervisor_type: str = "QEMU"
    hypervisor_version: int = 7002000
    host_ip: str | None = "192.0.2.1"
    vcpus: int = 2
    memory_mb: int = 4096
    local_gb: int = 50
    disk_available_least: int | None = 40
    cpu_info: dict[str, Any] = field(default_factory=dict)
    supported_instances: tuple[tuple[str, str, str], ...] = (("x86_64", "kvm", "hvm"),)
    foreign: tuple[Guest, ...] = ()
    uptime: str = ""


@dataclass(frozen=True)
class Net:
    name: str = "default"
    mode: str = "nat"
    cidr: str = "192.0.2.0/29"
    gateway: str | None = "192.0.2.1"
    first: str = "192.0.2.1"
    last: str = "192.0.2.6"
    dns: tuple[str, ...] = ()
    mtu: int = 1500
    reserved: frozenset[str] = frozenset({"192.0.2.2"})
    holders: dict[str, str] = field(default_factory=dict)


@pytest.fixture
def database_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/state/tuinova.sqlite"


@pytest.fixture
def conductor(database_url: str) -> Iterator[Conductor]:
    opened = Conductor(database_url)
    opened.open()
    yield opened
    opened.close()


@pytest.fixture
def admin(conductor: Conductor) -> RequestContext:
    return conductor.resolve_identity("admin", "admin")


@pytest.fixture
def demo(conductor: Conductor) -> RequestContext:
    return conductor.resolve_identity("demo", "demo")


@pytest.fixture
def make(conductor: Conductor, demo: RequestContext) -> Callable[..., Instance]:
    """Make one server of project demo; keyword arguments are fields of the draft, `ctx` and `updates` aside."""

    def make_server(
        name: str = "vm1", ctx: RequestContext | None = None, updates: dict[str, Any] | None = None, **draft: Any
    ) -> Instance:
        order = OrderDraft("schedule_and_build_instances")
        drafts = [InstanceDraft(name=name, flavor=draft.pop("flavor", MICRO), **draft)]
        made = conductor.create_instances(ctx or demo, drafts, limits=UNLIMITED, order=order)[0]
        return conductor.step(made.uuid, updates=updates) if updates else made

    return make_server


@pytest.fixture
def amounts() -> type[Amounts]:
    return Amounts


@pytest.fixture
def resources() -> type[Resources]:
    return Resources


@pytest.fixture
def foreign_guest() -> type[Guest]:
    return Guest


@pytest.fixture
def net() -> type[Net]:
    return Net


@pytest.fixture
def micro() -> dict[str, Any]:
    return dict(MICRO)
