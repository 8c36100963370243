"""`env`: a driver and what a test of the contract needs around it, once with the fake, once with a real libvirt.

The libvirt half boots the demo guest (built first where it is missing) on a libvirt of its own; where there can't be
one it fails, it never skips.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest

from tests.serial_text import without_kernel_lines
from tuinova.core.states import PowerState
from tuinova.virt.driver import (
    ComputeDriver,
    ConsoleSink,
    ConsoleStream,
    GuestNotFound,
    GuestSpec,
    HostNetwork,
    ImageFile,
    LifecycleEvent,
    Nic,
)
from tuinova.virt.fake import FakeDriver, FakeOptions
from tuinova.virt.fake.volumes import FakeVolumeDriver
from tuinova.virt.volumes import VolumeDriver

REPOSITORY = Path(__file__).resolve().parents[2]
LAB = "tests.lab.fixtures"
PASSWORD = b"gocubsgo"
_ECHO_IS_OFF = 0.5  # seconds after its question
# What a machine may not have for the libvirt half: a test that is marked `needs(...)` with one of these then runs for
# the fake alone. "other" is a second host to which guests can go: hosts with networks of their own need root. "time"
# is what a run with `--all` has.
LACKING = frozenset() if os.geteuid() == 0 else frozenset({"other"})


def pytest_configure(config: pytest.Config) -> None:
    """Make `private_libvirt` known when the suite is run by itself; without libvirt-python the fake half still runs."""
    config.addinivalue_line("markers", "needs(*names): what the test needs of the libvirt half's machine")
    if config.pluginmanager.has_plugin(LAB):
        return
    if str(REPOSITORY) not in sys.path:
        sys.path.insert(0, str(REPOSITORY))
    try:
        config.pluginmanager.import_plugin(LAB)
    except ImportError:
        return


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what can't be had here, or is walked elsewhere."""
    # Long on a real host, and whole servers walk the same in every run (`integration/test_every_action.py`, two hosts).
    spared = LACKING if config.getoption("--all", default=False) else LACKING | {"other", "time"}
    left_out = [item for item in items if _is_libvirts(item) and spared & _needs(item)]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]


def _is_libvirts(item: pytest.Item) -> bool:
    callspec = getattr(item, "callspec", None)
    return callspec is not None and callspec.params.get("env") == "libvirt"


def _needs(item: pytest.Item) -> set[str]:
    return {name for mark in item.iter_markers("needs") for name in mark.args}


class Console(ConsoleSink):
    """An attached console that a test talks to."""

    def __init__(self) -> None:
        self.received = b""
        self.ended: list[str | None] = []
        self.closed = False
        self.late = 0
        self.stream: ConsoleStream | None = None
        self._read = 0
        self._changed = threading.Condition()

    def data(self, chunk: bytes) -> None:
        with self._changed:
            self.late += self.closed or bool(self.ended)
            self.received += chunk
            self._changed.notify_all()

    def end(self, error: str | None) -> None:
        with self._changed:
            self.late += self.closed
            self.ended.append(error)
            self._changed.notify_all()

    def expect(self, *wanted: bytes, seconds: float = 60.0) -> bytes:
        """What the guest says from where the last call ended up to and with the first of `wanted` that comes."""
        with self._changed:
            self._changed.wait_for(lambda: self._found(wanted) or self.ended, seconds)
            found = self._found(wanted)
            assert found, f"{wanted!r} never came; the last was {self.received[-400:]!r}, {self.ended}"
            start, self._read = self._read, min(found)
            return self.received[start : self._read]

    def _found(self, wanted: tuple[bytes, ...]) -> list[int]:
        places = ((self.received.find(text, self._read), len(text)) for text in wanted)
        return [place + length for place, length in places if place >= 0]

    def expect_end(self, seconds: float = 30.0) -> str | None:
        with self._changed:
            assert self._changed.wait_for(lambda: self.ended, seconds), "the console never ended"
            assert len(self.ended) == 1
            return self.ended[0]

    def write(self, data: bytes) -> None:
        assert self.stream is not None
        self.stream.write(data)

    def login(self, user: bytes = b"cirros", password: bytes = PASSWORD, prompt: bytes = b"$ ") -> None:
        """At the shell's prompt, where the last test may have left it."""
        self.write(b"\r")
        if self.expect(b"login: ", prompt).endswith(prompt):
            return
        self.write(user + b"\r")
        self.expect(b"assword: ")
        # login(1) asks first and then throws away what was typed before its echo is off: a quick password is lost.
        time.sleep(_ECHO_IS_OFF)
        self.write(password + b"\r")
        self.expect(prompt)

    def run(self, line: bytes, seconds: float = 60.0) -> bytes:
        """Type a line at the shell; what came up to the next prompt."""
        self.write(line + b"\r")
        echo = self.expect(b"\n")
        while b"\n" not in without_kernel_lines(echo):
            echo += self.expect(b"\n")
        said = without_kernel_lines(self.expect(b"$ ", seconds=seconds))
        return said.removesuffix(b"$ ").replace(b"\x1b[6n", b"")

    def close(self) -> None:
        assert self.stream is not None
        self.stream.close()
        self.closed = True


@dataclass
class Env:
    """`real`: guests are machines; `grace`: seconds within which what is asked of a guest should have happened."""

    driver: ComputeDriver
    real: bool
    grace: float
    make_driver: Callable[..., ComputeDriver]
    files_of: Callable[[str], list[Path]]
    plant_foreign: Callable[[str], str]
    images: Mapping[str, ImageFile]
    other: ComputeDriver | None = None  # another host, to which guests of this one can go
    volumes: VolumeDriver | None = None  # for the guests of both
    events: list[tuple[str, str, LifecycleEvent]] = field(default_factory=list)
    other_events: list[tuple[str, str, LifecycleEvent]] = field(default_factory=list)
    connection: list[tuple[bool, str]] = field(default_factory=list)
    planted: list[Callable[[], object]] = field(default_factory=list)  # what removes guests of somebody else
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    _made: list[GuestSpec] = field(default_factory=list)

    def nic(self, number: int) -> Nic:
        network = self.driver.list_networks()[0]
        address = str(ip_address(network.first) + number)
        mac = f"fa:16:3e:00:{number >> 8 & 0xFF:02x}:{number & 0xFF:02x}"
        return Nic(str(uuid.uuid4()), mac, network.name, address, int(network.cidr.rpartition("/")[2]))

    def make_guest_spec(self, *, metadata: Mapping[str, str] | None = None, **changes: Any) -> GuestSpec:
        """A guest of m1.micro's size from the demo image; `metadata` goes into its config drive."""
        number = next(self._numbers)
        values: dict[str, Any] = {
            "uuid": str(uuid.uuid4()),
            "name": f"contract-{number:08x}",
            "display_name": f"vm{number}",
            "hostname": f"vm{number}",
            "project_id": "0" * 32,
            "user_id": "1" * 32,
            "project_name": "demo",
            "user_name": "demo",
            "flavor_name": "m1.micro",
            "memory_mb": 128,
            "vcpus": 1,
            "root_gb": 1,
            "ephemeral_gb": 0,
            "swap_mb": 0,
            "extra_specs": {},
            "image": self.images["disk"],
            "nics": [self.nic(number)],
        }
        values |= changes
        if metadata is not None:
            drive = {"uuid": values["uuid"], "name": values["display_name"], "hostname": values["hostname"]}
            text = json.dumps(drive | {"meta": dict(metadata)}).encode()
            values |= {"config_drive": True, "config_drive_files": lambda: {"openstack/latest/meta_data.json": text}}
        return GuestSpec(**values)

    def spawn(self, **changes: Any) -> GuestSpec:
        """A new guest that is removed after the test."""
        guest = self.make_guest_spec(**changes)
        self._made.append(guest)
        self.driver.spawn(guest)
        return guest

    def boot(self, **changes: Any) -> GuestSpec:
        """A new guest at its login prompt."""
        guest = self.spawn(**changes)
        self.wait_for_login(guest)
        return guest

    def clear(self) -> None:
        while self._made:
            guest = self._made.pop()
            for driver in filter(None, (self.driver, self.other)):
                driver.cleanup(guest.uuid)

    def state(self, guest: GuestSpec) -> PowerState:
        return self.driver.guest_info(guest.uuid).state

    def domain_id(self, guest: GuestSpec) -> int | None:
        return self.driver.guest_info(guest.uuid).hypervisor_id

    def is_known(self, guest: GuestSpec) -> bool:
        try:
            self.driver.guest_info(guest.uuid)
        except GuestNotFound:
            return False
        return True

    def wait_for(self, condition: Callable[[], Any], what: str, seconds: float | None = None) -> None:
        give_up = time.monotonic() + (seconds or self.grace)
        while not condition():
            assert time.monotonic() < give_up, f"{what}: never happened"
            time.sleep(0.01)

    def wait_for_text(self, guest: GuestSpec, text: bytes) -> None:
        """Until the log of this boot has it."""

        def is_there() -> bool:
            log = self.driver.console_output(guest.uuid)
            return text in log or text in without_kernel_lines(log)

        self.wait_for(is_there, repr(text), 3 * self.grace)

    def wait_for_login(self, guest: GuestSpec) -> None:
        self.wait_for_text(guest, b" login: ")

    @contextlib.contextmanager
    def impatient(self) -> Iterator[ComputeDriver]:
        """A second driver on the same host, which waits for a soft reboot 2 s only."""
        driver = self.make_driver(soft_reboot_seconds=2)
        driver.init_host(lambda *_: None, lambda *_: None)
        try:
            yield driver
        finally:
            driver.close()

    def events_of(self, guest: GuestSpec) -> list[LifecycleEvent]:
        return [event for _, uuid_, event in self.events if uuid_ == guest.uuid]

    def wait_for_event(self, guest: GuestSpec, event: LifecycleEvent) -> None:
        self.wait_for(lambda: event in self.events_of(guest), f"event {event}")

    def console(self, guest: GuestSpec, *, force: bool = False) -> Console:
        console = Console()
        console.stream = self.driver.open_console(guest.uuid, console, force=force)
        return console

    @contextlib.contextmanager
    def shell(self, guest: GuestSpec, driver: ComputeDriver | None = None) -> Iterator[Console]:
        """Somebody at the guest's shell."""
        console = Console()
        console.stream = (driver or self.driver).open_console(guest.uuid, console)
        console.login()
        yield console
        console.close()

    def write_note(self, guest: GuestSpec, text: bytes) -> None:
        """Put a file on the guest's root disk."""
        with self.shell(guest) as console:
            console.run(b"echo %s > note; sync" % text)

    def note(self, guest: GuestSpec, path: bytes = b"note", driver: ComputeDriver | None = None) -> bytes:
        """What the file holds."""
        with self.shell(guest, driver) as console:
            return console.run(b"cat " + path).strip()

    def disks(self, guest: GuestSpec, driver: ComputeDriver | None = None) -> dict[str, int]:
        """Name and bytes of the virtio disks that the guest sees, in its order."""
        with self.shell(guest, driver) as console:
            rows = [line.split() for line in console.run(b"cat /proc/partitions").splitlines()]
        names = {row[3].decode(): int(row[2]) << 10 for row in rows if len(row) == 4 and row[3].startswith(b"vd")}
        return {name: size for name, size in names.items() if not name[-1].isdigit()}

    def network(self) -> HostNetwork:
        return self.driver.list_networks()[0]


def _opened(env: Env) -> Iterator[Env]:
    if env.volumes is not None:
        env.volumes.start()
    env.driver.init_host(
        lambda node, guest, event: env.events.append((node, guest, event)),
        lambda available, reason: env.connection.append((available, reason)),
    )
    if env.other is not None:
        env.other.init_host(lambda *event: env.other_events.append(event), lambda *_: None)
    yield env
    # The guests that tests shared too: whoever uses these hosts next finds them empty.
    for driver in filter(None, (env.driver, env.other)):
        for guest in driver.list_guests():
            driver.cleanup(guest.uuid)
        driver.close()
    for forget in env.planted:
        forget()


def _fake(path: Path) -> Env:
    options = FakeOptions(boot_seconds=0.05, watch_seconds=0.02, live_migration_mb_per_second=500)

    def make(soft_reboot_seconds: int = 20) -> FakeDriver:
        return FakeDriver(host="cmp1", path=path, options=options)

    driver = make()
    nowhere = ImageFile("11111111-1111-4111-8111-111111111111", Path("/nowhere"), "qcow2", 1)
    return Env(
        driver,
        real=False,
        grace=10.0,
        make_driver=make,
        files_of=lambda guest: [path for path in driver.directory.rglob("*") if guest in str(path)],
        plant_foreign=driver.plant_foreign,
        images={"disk": nowhere},
        other=FakeDriver(host="cmp2", path=path, options=options),
        volumes=FakeVolumeDriver(path / "volumes"),
    )


def _libvirt(lab: Any, second: Any = None) -> Env:
    from tests.lab.guests import demo_image
    from tuinova.virt.libvirt.driver import LibvirtDriver
    from tuinova.virt.libvirt.options import LibvirtOptions
    from tuinova.virt.libvirt.volume_options import BackendOptions, VolumeOptions
    from tuinova.virt.libvirt.volumes import LibvirtVolumeDriver

    def make(soft_reboot_seconds: int = 20) -> LibvirtDriver:
        options = LibvirtOptions(wait_soft_reboot_seconds=soft_reboot_seconds)
        return LibvirtDriver(host="cmp1", uri=lab.uri, instances_path=lab.instances, options=options)

    planted: list[Callable[[], object]] = []

    def plant(name: str) -> str:
        definition = lab.directory / f"{name}.xml"
        identity = str(uuid.uuid4())
        definition.write_text(
            f"<domain type='qemu'><name>{name}</name><uuid>{identity}</uuid><memory unit='MiB'>64</memory>"
            "<vcpu>1</vcpu><os><type>hvm</type></os></domain>"
        )
        lab.virsh("define", str(definition))
        planted.append(lambda: lab.virsh("undefine", name))
        return identity

    other = None
    if second is not None:
        other = LibvirtDriver(host="cmp2", uri=second.uri, instances_path=second.instances)
    directory = lab.directory / "volumes"
    driver = make()
    hosts = [host for host in (driver, other) if host is not None]
    for host in hosts:
        host.show_volumes({"file": directory})
    place = VolumeOptions((BackendOptions("file", "file", directory, "qcow2"),))
    return Env(
        driver,
        other=other,
        volumes=LibvirtVolumeDriver(place, changed=lambda: [host.refresh_pools() for host in hosts] and None),
        real=True,
        grace=60.0,
        make_driver=make,
        files_of=lambda guest: [path for path in Path(lab.instances).rglob("*") if guest in str(path)],
        plant_foreign=plant,
        planted=planted,
        images={"disk": demo_image()},
    )


@pytest.fixture(scope="package")
def libvirt_half(request: pytest.FixtureRequest) -> Iterator[Env]:
    if "other" in LACKING:
        yield from _opened(_libvirt(request.getfixturevalue("private_libvirt")))
    else:
        yield from _opened(_libvirt(*request.getfixturevalue("libvirt_hosts")))


@pytest.fixture(scope="package")
def fake_half(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Env]:
    yield from _opened(_fake(tmp_path_factory.mktemp("fake")))


@pytest.fixture(params=["fake", pytest.param("libvirt", marks=pytest.mark.integration)])
def env(request: pytest.FixtureRequest) -> Iterator[Env]:
    """A driver; the guests that a test makes are removed after it."""
    made: Env = request.getfixturevalue(f"{request.param}_half")
    yield made
    made.clear()


@pytest.fixture
def real_env(libvirt_half: Env) -> Iterator[Env]:
    """For what only a real hypervisor can get wrong; its tests are marked integration."""
    yield libvirt_half
    libvirt_half.clear()


_running: dict[int, GuestSpec] = {}


@pytest.fixture
def booted(env: Env) -> GuestSpec:
    """A guest at its login prompt that tests share: a boot takes seconds. It is put right again before each of them."""
    return _at_login(env, _running)


def _at_login(env: Env, shared: dict[int, GuestSpec]) -> GuestSpec:
    guest = shared.get(id(env))
    if guest is None or not env.is_known(guest):
        guest = shared[id(env)] = env.make_guest_spec(metadata={})
        env.driver.spawn(guest)
    if env.state(guest) is PowerState.PAUSED:
        env.driver.unpause(guest.uuid)
    if env.state(guest) is not PowerState.RUNNING:
        env.driver.power_on(guest)
    env.wait_for_login(guest)
    env.events.clear()
    return guest


@dataclass
class Mover:
    """A shared guest that is resized: `guest` is what it is now."""

    env: Env
    guest: GuestSpec

    def bigger(self) -> GuestSpec:
        return replace(self.guest, root_gb=self.guest.root_gb + 1, memory_mb=160, flavor_name="bigger")

    def migrate(self, new: GuestSpec, progress: Callable[[int, int], None] = lambda _done, _total: None) -> None:
        driver = self.env.driver
        driver.migrate_disk_and_power_off(self.guest, new, driver.migration_address(), 60, 10, progress)

    def became(self, new: GuestSpec) -> None:
        self.guest = _movers[id(self.env)] = new


_movers: dict[int, GuestSpec] = {}


@pytest.fixture
def mover(env: Env) -> Mover:
    """A guest at its login prompt that the tests of resizes share."""
    return Mover(env, _at_login(env, _movers))
