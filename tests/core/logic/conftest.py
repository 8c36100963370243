"""An engine on the fake driver in a directory of the test, with a clock that the test moves."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tuinova.core.block_devices import find_volume
from tuinova.core.compute_api import CreateRequest
from tuinova.core.compute_manager import ComputeOptions, Duties
from tuinova.core.conductor import Conductor
from tuinova.core.context import RequestContext, new_request_id
from tuinova.core.drafts import new_uuid
from tuinova.core.engine_options import EngineOptions
from tuinova.core.errors.volumes import VolumeNotFound
from tuinova.core.image_store import ImageStore
from tuinova.core.records import Image, Instance, InstanceAction, Volume
from tuinova.core.service import Engine
from tuinova.core.volume_api.create import VolumeRequest
from tuinova.virt.fake import FakeDriver, FakeOptions
from tuinova.virt.fake.record import GuestRecord
from tuinova.virt.fake.volumes import FakeVolumeDriver

NOTE = "/home/cirros/note"


@dataclass
class House:
    """What a test has: the engine, its drivers by host, and short words for what tests do."""

    directory: Path
    host_names: tuple[str, ...]
    options: EngineOptions
    fake: FakeOptions
    seconds: float = 0.0
    engine: Engine = field(init=False)
    drivers: dict[str, FakeDriver] = field(init=False)
    volume_driver: FakeVolumeDriver = field(init=False)
    image: Image | None = None

    def open(self, *, start: bool = True) -> House:
        """An engine on the directory, as after a start of the service."""
        self.drivers = {
            name: FakeDriver(host=name, path=self.directory / "fake", options=self.fake) for name in self.host_names
        }
        self.volume_driver = FakeVolumeDriver(self.directory / "volumes")
        conductor = Conductor(
            f"sqlite:///{self.directory}/tuinova.sqlite", quota_defaults=self.options.quota, clock=self.now
        )
        self.engine = Engine(
            conductor,
            list(self.drivers.values()),
            ImageStore(self.directory / "images"),
            self.options,
            now=self.now,
            duties=Duties(clock=lambda: self.seconds, threaded=False),
            volume_driver=self.volume_driver,
        )
        if start:
            self.engine.start()
            self.engine.join_start()
        return self

    def now(self) -> datetime:
        return datetime.now(UTC) + timedelta(seconds=self.seconds)

    def pass_time(self, seconds: float) -> None:
        """Move the clock of the duties and let happen what is due."""
        self.seconds += seconds
        self.engine.duties.run_due()
        self.settle()

    def crash(self) -> None:
        """As kill -9: nothing that still runs can write any more, and the hypervisor's guests stay as they are."""
        self.engine.duties.stop()
        self.engine.conductor.close()
        for driver in self.drivers.values():
            driver.close()
        self.volume_driver.close()
        self.engine.bus.stop(10.0)

    def restart(self) -> House:
        """A new engine on the same directory, settled; ordered faults are gone."""
        self.open()
        self.settle()
        return self

    # words -----------------------------------------------------------------------------------------------------------
    @property
    def conductor(self) -> Conductor:
        return self.engine.conductor

    @property
    def driver(self) -> FakeDriver:
        return self.drivers[self.host_names[0]]

    def ctx(self, user: str = "admin", project: str = "admin") -> RequestContext:
        return replace(self.conductor.resolve_identity(user, project), request_id=new_request_id())

    def settle(self) -> None:
        assert self.engine.settle(20), "work is still open"

    def hang(self, method: str, when: str = "before", guest: str | None = None) -> threading.Event:
        """Let a driver's call hang; the event says that it does. `faults.order(method, None)` ends it with an error."""
        reached = threading.Event()
        faults = self.driver.faults
        strike = faults.strike

        def watched(name: str, moment: str, *names: str) -> None:
            if (name, moment) == (method, when) and (guest is None or guest in names):
                reached.set()
            strike(name, moment, *names)

        faults.strike = watched  # type: ignore[method-assign]
        faults.order(method, {"kind": "hang", "when": when, **({"guest": guest} if guest else {})})
        return reached

    def add_image(self, **fields: Any) -> Image:
        values = {
            "id": new_uuid(),
            "name": "tuinova-demo",
            "status": "active",
            "owner": self.ctx().project_id,
            "disk_format": "qcow2",
            "container_format": "bare",
            "visibility": "public",
            "size": 1 << 20,
        }
        return self.conductor.create_image(Image(**{**values, **fields}))

    def request(self, **fields: Any) -> CreateRequest:
        if self.image is None:
            self.image = self.add_image()
        return CreateRequest(**{"name": "vm1", "flavor_ref": "84", "image_ref": self.image.id, **fields})

    def create(self, *, ctx: RequestContext | None = None, settle: bool = True, **fields: Any) -> Instance:
        return self.create_many(ctx=ctx, settle=settle, **fields)[0]

    def create_many(self, *, ctx: RequestContext | None = None, settle: bool = True, **fields: Any) -> list[Instance]:
        made = self.engine.compute_api.create(ctx or self.ctx(), self.request(**fields))
        if not settle:
            return made
        self.settle()
        return [self.server(instance.uuid) for instance in made]

    def server(self, uuid: str) -> Instance:
        return self.conductor.instance(uuid, with_deleted=True)

    def act(
        self, uuid: str, name: str, body: Any = None, *, ctx: RequestContext | None = None, settle: bool = True
    ) -> Instance:
        accepted = self.engine.compute_api.act(ctx or self.ctx(), uuid, name, body).instance
        if not settle:
            return accepted
        self.settle()
        return self.server(uuid)

    def newest_action(self, uuid: str) -> InstanceAction:
        newest = self.conductor.actions(uuid)[0]
        return self.conductor.action(uuid, newest.request_id)

    def volume(
        self, size: int | None = 1, *, ctx: RequestContext | None = None, settle: bool = True, **fields: Any
    ) -> Volume:
        """A volume whose making has ended."""
        made = self.engine.volume_api.create(ctx or self.ctx(), VolumeRequest(size=size, **fields))
        if settle:
            self.settle()
        return self.conductor.volume(made.id)

    def status_of(self, volume_id: str) -> str:
        """The volume's status, "gone" for one that is not there."""
        try:
            return self.conductor.volume(volume_id).status
        except VolumeNotFound:
            return "gone"

    def attach(self, uuid: str, volume_id: str, *, settle: bool = True, **fields: Any) -> Instance:
        return self.act(uuid, "attach_volume", {"volumeId": volume_id, **fields}, settle=settle)

    def detach(self, uuid: str, volume_id: str, *, settle: bool = True) -> Instance:
        return self.act(uuid, "detach_volume", {"volume_id": volume_id}, settle=settle)

    def volumes_are_sound(self) -> bool:
        """Whether every attachment is a server's and every volume's data has its row, and the other way round."""
        for attachment in self.conductor.attachments():
            instance = self.server(attachment.instance_uuid)
            if instance.deleted or find_volume(instance, attachment.volume_id) is None:
                return False
        rows = {volume.id for volume in self.conductor.volumes() if volume.status != "error"}
        rows |= {snapshot.id for snapshot in self.conductor.snapshots() if snapshot.status == "available"}
        return set(self.volume_driver.made()) == rows

    def in_state(self, vm_state: str) -> Instance:
        """A server that got into the state by its own actions."""
        ways = {"active": (), "paused": ("pause",), "stopped": ("stop",), "suspended": ("suspend",)}
        server = self.create()
        for step in ways.get(vm_state, ()):
            server = self.act(server.uuid, step)
        if vm_state == "error":
            server = self.act(server.uuid, "resetState", {"state": "error"})
        assert server.vm_state == vm_state
        return server

    def write_note(self, uuid: str, text: str) -> None:
        """A file on the guest's root disk."""

        def change(record: GuestRecord, now: float) -> list[Any]:
            record.contents = {**record.contents, "root": {**record.contents.get("root", {}), NOTE: text}}
            return []

        self.driver_of(uuid).apply(uuid, change)

    def note_of(self, uuid: str) -> str | None:
        """What the file says."""
        return self.driver_of(uuid).store.load(uuid).contents.get("root", {}).get(NOTE)

    def driver_of(self, uuid: str) -> FakeDriver:
        return self.drivers[self.server(uuid).host or self.host_names[0]]

    def events(self, uuid: str) -> list[tuple[str, str | None]]:
        """Names and results of the newest action's events."""
        return [(event.event, event.result) for event in self.newest_action(uuid).events]

    def fault(self, uuid: str) -> tuple[int, str] | None:
        """Code and message of the newest fault."""
        newest = self.conductor.newest_fault(uuid)
        return (newest.code, newest.message) if newest else None

    def files_of_images(self) -> set[str]:
        """The names in the image store, half-written data included."""
        return {path.name for path in self.engine.image_store.directory.iterdir()}

    def no_image_is_half_made(self) -> bool:
        """Whether every image that has data or waits for some is whole."""
        whole = {image.id for image in self.conductor.images() if image.status == "active"}
        return self.files_of_images() <= whole and all(image.status == "active" for image in self.conductor.images())

    def nothing_left(self, uuid: str) -> bool:
        """Whether no host has anything of the server and it holds nothing."""
        for driver in self.drivers.values():
            if uuid in {guest.uuid for guest in driver.list_guests()} or uuid in driver.leftovers():
                return False
        held = {allocation.consumer for allocation in self.conductor.allocations()}
        return uuid not in held and not self.conductor.ports(uuid)


def quick_options(**compute: Any) -> EngineOptions:
    """Options for tests: nobody waits a minute for a guest that ignores the power button."""
    return EngineOptions(compute=ComputeOptions(**{"shutdown_timeout": 1, "shutdown_retry_interval": 1, **compute}))


@pytest.fixture
def make_house(tmp_path: Path) -> Iterator[Callable[..., House]]:
    """Houses with other hosts or options; closed at the end."""
    houses: list[House] = []

    def make(
        *hosts: str, options: EngineOptions | None = None, fake: FakeOptions | None = None, start: bool = True
    ) -> House:
        house = House(
            tmp_path / f"house{len(houses)}",
            hosts or ("node1",),
            options or quick_options(),
            fake or FakeOptions(boot_seconds=0, watch_seconds=3600),
        )
        house.directory.mkdir()
        houses.append(house)
        return house.open(start=start)

    yield make
    for house in houses:
        house.crash()


@pytest.fixture
def house(make_house: Callable[..., House]) -> House:
    """One host."""
    return make_house()
