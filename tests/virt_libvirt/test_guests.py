"""Real guests on a private libvirt: what the driver says and what virsh says must agree."""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.lab import PrivateLibvirt
from tests.lab.guests import blank_image, demo_ami, demo_image, guest_spec, nic
from tests.serial_text import without_kernel_lines
from tests.virt_libvirt.conftest import Recorder, wait_until
from tuinova.core.errors import ConsoleNotAvailable, FlavorDiskSmallerThanImage, HypervisorUnavailable
from tuinova.core.states import PowerState
from tuinova.virt.driver import DriverError, GuestNotFound, GuestSpec, ImageFile, LifecycleEvent, RebootType
from tuinova.virt.libvirt.driver import LibvirtDriver
from tuinova.virt.libvirt.guests import Guests
from tuinova.virt.libvirt.options import LibvirtOptions

pytestmark = pytest.mark.integration
# A session's libvirt has no networks: its guests have QEMU's user-mode network, each the same address.
has_networks = pytest.mark.skipif(os.geteuid() != 0, reason="a session has no networks of libvirt's own")

FOREIGN = """
<domain type='qemu'><name>{name}</name><memory unit='MiB'>64</memory><vcpu>2</vcpu><os><type>hvm</type></os>
  <devices><disk type='file'>
    <driver name='qemu' type='qcow2'/><source file='{disk}'/><target dev='vda'/>
  </disk></devices>
</domain>"""


@pytest.fixture
def blank(instances_path: Path) -> ImageFile:
    return blank_image(instances_path / "blank.qcow2")


@pytest.fixture
def foreign(private_libvirt: PrivateLibvirt, instances_path: Path) -> Iterator[Callable[[str], str]]:
    """Defines a guest that tuinova did not make; returns its uuid."""
    made: list[str] = []

    def define(name: str) -> str:
        disk = instances_path / f"{name}.foreign"
        subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", str(disk), "3G"], check=True)
        xml = instances_path / f"{name}.xml"
        xml.write_text(FOREIGN.format(name=name, disk=disk))
        private_libvirt.virsh("define", str(xml))
        made.append(name)
        return private_libvirt.virsh("domuuid", name).stdout.strip()

    yield define
    for name in made:
        private_libvirt.virsh("destroy", name, check=False)
        private_libvirt.virsh("undefine", name)


def virsh_state(lab: PrivateLibvirt, guest: GuestSpec) -> str:
    return lab.virsh("domstate", guest.name).stdout.strip()


def assert_nothing_left(lab: PrivateLibvirt, driver: LibvirtDriver, *guests: GuestSpec) -> None:
    network = dhcp_entries(lab)
    for guest in guests:
        assert lab.virsh("dominfo", guest.uuid, check=False).returncode != 0
        assert not list(driver.instances.glob(f"{guest.uuid}*"))
        for port in guest.nics:
            assert port.mac not in network
            assert str(port.address) not in network
    assert list((driver.instances / "ports").iterdir()) == []
    assert driver.leftovers() == {}
    with pytest.raises(GuestNotFound):
        driver.guest_info(guests[0].uuid)


def dhcp_entries(lab: PrivateLibvirt) -> str:
    """The XML of the network that guests join; empty in a session, which has none."""
    return lab.virsh("net-dumpxml", "default").stdout if lab.root else ""


# a life --------------------------------------------------------------------------------------------------------------
def test_virsh_agrees_after_every_action(
    private_libvirt: PrivateLibvirt, libvirt_driver: LibvirtDriver, blank: ImageFile
) -> None:
    driver, lab = libvirt_driver, private_libvirt
    guest = guest_spec(blank, nics=[nic(20)], swap_mb=16)
    steps: list[tuple[Callable[[], object], str, PowerState]] = [
        (lambda: driver.spawn(guest), "running", PowerState.RUNNING),
        (lambda: driver.pause(guest.uuid), "paused", PowerState.PAUSED),
        (lambda: driver.pause(guest.uuid), "paused", PowerState.PAUSED),
        (lambda: driver.unpause(guest.uuid), "running", PowerState.RUNNING),
        (lambda: driver.unpause(guest.uuid), "running", PowerState.RUNNING),
        (lambda: driver.suspend(guest.uuid), "shut off", PowerState.SHUTDOWN),
        (lambda: driver.suspend(guest.uuid), "shut off", PowerState.SHUTDOWN),
        (lambda: driver.resume(guest), "running", PowerState.RUNNING),
        (lambda: driver.resume(guest), "running", PowerState.RUNNING),
        (lambda: driver.power_off(guest.uuid, 0, 10), "shut off", PowerState.SHUTDOWN),
        (lambda: driver.power_off(guest.uuid, 0, 10), "shut off", PowerState.SHUTDOWN),
        (lambda: driver.power_on(guest), "running", PowerState.RUNNING),
        (lambda: driver.power_on(guest), "running", PowerState.RUNNING),
        (lambda: driver.reboot(guest, RebootType.HARD), "running", PowerState.RUNNING),
    ]
    for do, virsh_says, we_say in steps:
        do()
        assert virsh_state(lab, guest) == virsh_says
        assert driver.guest_info(guest.uuid).state is we_say
        assert [(info.uuid, info.state) for info in driver.list_guests()] == [(guest.uuid, we_say)]
    driver.destroy(guest)
    driver.destroy(guest)
    assert_nothing_left(lab, driver, guest)


@has_networks
def test_the_demo_guest_boots_with_its_drive_disks_and_address(
    private_libvirt: PrivateLibvirt, libvirt_driver: LibvirtDriver
) -> None:
    contents = {"openstack/latest/meta_data.json": b'{"uuid": "1", "hostname": "named-by-drive", "name": "x"}'}
    guest = guest_spec(
        demo_image(),
        nics=[nic(21)],
        root_gb=2,
        ephemeral_gb=1,
        swap_mb=16,
        config_drive=True,
        config_drive_files=lambda: contents,
    )
    libvirt_driver.spawn(guest)
    console = Recorder()
    libvirt_driver.open_console(guest.uuid, console)
    console.wait_for(b"login:")
    wait_until(lambda: b"login:" in libvirt_driver.console_output(guest.uuid))
    log = without_kernel_lines(libvirt_driver.console_output(guest.uuid)).decode(errors="replace")
    assert "named-by-drive login:" in log
    assert "192.168.122.21/24" in log
    assert "2.0G" in log or "1.9G" in log
    leases = private_libvirt.virsh("net-dhcp-leases", "default").stdout
    assert "192.168.122.21" in leases
    assert libvirt_driver.graphics_address(guest.uuid) is not None
    libvirt_driver.destroy(guest)
    assert console.wait_for_end() is None
    assert_nothing_left(private_libvirt, libvirt_driver, guest)
    # Its lease goes on for some minutes: until then nobody else gets the address.
    assert "192.168.122.21" in libvirt_driver.list_networks()[0].reserved


@pytest.mark.long  # the same way through the whole program is `tests/integration/test_life.py`
def test_a_graceful_stop_and_a_soft_reboot_are_the_guests_own_doing(libvirt_driver: LibvirtDriver) -> None:
    disk, kernel, ramdisk = demo_ami()
    guest = guest_spec(disk, kernel=kernel, ramdisk=ramdisk)
    libvirt_driver.spawn(guest)
    console = Recorder()
    libvirt_driver.open_console(guest.uuid, console)
    console.wait_for(b"login:")
    first = libvirt_driver.guest_info(guest.uuid).hypervisor_id
    assert libvirt_driver.reboot(guest, RebootType.SOFT) is RebootType.SOFT
    assert console.wait_for_end() is None
    assert libvirt_driver.guest_info(guest.uuid).hypervisor_id != first
    again = Recorder()
    libvirt_driver.open_console(guest.uuid, again)
    again.wait_for(b"login:")
    wait_until(lambda: b"login:" in libvirt_driver.console_output(guest.uuid))
    this_boot, all_boots = (libvirt_driver.console_output(guest.uuid, all_boots=value) for value in (False, True))
    assert (this_boot.count(b"login:"), all_boots.count(b"login:")) == (1, 2)
    libvirt_driver.power_off(guest.uuid, 60, 10)
    assert again.wait_for_end() is None
    assert b"Power down" in again.received or b"reboot: " in again.received


def test_a_deaf_guest_is_forced(private_libvirt: PrivateLibvirt, instances_path: Path, blank: ImageFile) -> None:
    options = LibvirtOptions(wait_soft_reboot_seconds=2)
    driver = LibvirtDriver(host="h", uri=private_libvirt.uri, instances_path=instances_path, options=options)
    driver.init_host(lambda *_: None, lambda *_: None)
    guest = guest_spec(blank)
    driver.spawn(guest)
    before = driver.guest_info(guest.uuid).hypervisor_id
    assert driver.reboot(guest, RebootType.SOFT) is RebootType.HARD
    assert driver.guest_info(guest.uuid).hypervisor_id != before
    driver.power_off(guest.uuid, 2, 1)
    assert driver.guest_info(guest.uuid).state is PowerState.SHUTDOWN
    driver.destroy(guest)
    driver.close()


def test_a_log_goes_on_over_suspend_and_begins_anew_with_a_start(
    libvirt_driver: LibvirtDriver, blank: ImageFile
) -> None:
    guest = guest_spec(blank)
    libvirt_driver.spawn(guest)
    log = libvirt_driver.instances / guest.uuid / "console.log"
    log.write_bytes(b"first boot\n")
    libvirt_driver.suspend(guest.uuid)
    libvirt_driver.resume(guest)
    assert libvirt_driver.console_output(guest.uuid) == b"first boot\n"
    libvirt_driver.reboot(guest, RebootType.HARD)
    assert libvirt_driver.console_output(guest.uuid) == b""
    assert libvirt_driver.console_output(guest.uuid, all_boots=True) == b"first boot\n"


@has_networks
def test_many_at_once(private_libvirt: PrivateLibvirt, libvirt_driver: LibvirtDriver, blank: ImageFile) -> None:
    guests = [guest_spec(blank, nics=[nic(30 + number)]) for number in range(4)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(libvirt_driver.spawn, guests))
        assert {info.uuid for info in libvirt_driver.list_guests()} == {guest.uuid for guest in guests}
        for guest in guests:
            assert f"mac='{guest.nics[0].mac}' ip='{guest.nics[0].address}'" in dhcp_entries(private_libvirt)
        list(pool.map(libvirt_driver.destroy, guests))
    assert_nothing_left(private_libvirt, libvirt_driver, *guests)


# failures leave nothing ----------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("properties", "fields", "error"),
    [
        ({"hw_machine_type": "nonsense"}, {}, DriverError),
        ({"hw_video_model": "vga"}, {"memory_mb": 1 << 30}, DriverError),
        ({}, {"config_drive": True, "config_drive_files": lambda: {"../x": b""}}, DriverError),
        pytest.param({}, {"nics": [nic(40, network="nowhere")]}, DriverError, marks=has_networks),
    ],
)
def test_a_spawn_that_fails_leaves_nothing(
    private_libvirt: PrivateLibvirt,
    libvirt_driver: LibvirtDriver,
    blank: ImageFile,
    properties: dict[str, str],
    fields: dict[str, object],
    error: type[Exception],
) -> None:
    image = ImageFile(blank.id, blank.path, blank.disk_format, blank.size, properties=properties)
    guest = guest_spec(image, **({"nics": [nic(41)]} | fields))
    with pytest.raises(error):
        libvirt_driver.spawn(guest)
    assert_nothing_left(private_libvirt, libvirt_driver, guest)


def test_an_image_that_does_not_fit_leaves_nothing(
    private_libvirt: PrivateLibvirt, libvirt_driver: LibvirtDriver, instances_path: Path
) -> None:
    guest = guest_spec(blank_image(instances_path / "big.qcow2", 2 << 30), root_gb=1)
    with pytest.raises(FlavorDiskSmallerThanImage):
        libvirt_driver.spawn(guest)
    assert_nothing_left(private_libvirt, libvirt_driver, guest)


@has_networks
def test_an_address_of_another_is_refused(
    private_libvirt: PrivateLibvirt, libvirt_driver: LibvirtDriver, blank: ImageFile
) -> None:
    first, second = nic(42), nic(43)
    holder = guest_spec(blank, nics=[first])
    libvirt_driver.spawn(holder)
    thief = guest_spec(blank, nics=[type(second)(second.port_id, second.mac, second.network, first.address)])
    with pytest.raises(DriverError, match=rf"192\.168\.122\.42 .* belongs to {first.mac}"):
        libvirt_driver.spawn(thief)
    assert first.mac in dhcp_entries(private_libvirt)
    libvirt_driver.destroy(holder)
    assert_nothing_left(private_libvirt, libvirt_driver, holder, thief)


@has_networks
def test_an_address_of_another_network_is_refused(
    private_libvirt: PrivateLibvirt, libvirt_driver: LibvirtDriver, blank: ImageFile
) -> None:
    guest = guest_spec(blank, nics=[nic(44, subnet="10.9.8")])
    with pytest.raises(DriverError, match="not of network default"):
        libvirt_driver.spawn(guest)
    assert_nothing_left(private_libvirt, libvirt_driver, guest)


@has_networks
def test_a_network_that_is_missing_is_made_and_one_that_is_off_is_started(
    private_libvirt: PrivateLibvirt, libvirt_driver: LibvirtDriver
) -> None:
    def host(create_network: bool = True) -> LibvirtDriver:
        values = LibvirtOptions(network="made-for-test", create_network=create_network)
        return LibvirtDriver(host="h", uri=private_libvirt.uri, instances_path=libvirt_driver.instances, options=values)

    def start(driver: LibvirtDriver) -> None:
        driver.init_host(lambda *_: None, lambda *_: None)

    with pytest.raises(DriverError, match="no network 'made-for-test'"):
        start(host(create_network=False))
    driver = host()
    try:
        start(driver)
        first, second = driver.list_networks()
        assert (first.name, second.name) == ("made-for-test", "default")
        assert first.cidr != second.cidr
        private_libvirt.virsh("net-destroy", "made-for-test")
        again = host()
        start(again)
        assert again.list_networks()[0].name == "made-for-test"
        again.close()
    finally:
        driver.close()
        private_libvirt.virsh("net-destroy", "made-for-test", check=False)
        private_libvirt.virsh("net-undefine", "made-for-test", check=False)


def test_virtlogd_gone_is_said_in_words(
    private_libvirt: PrivateLibvirt, libvirt_driver: LibvirtDriver, blank: ImageFile
) -> None:
    guest = guest_spec(blank)
    private_libvirt.stop_virtlogd()
    try:
        assert any("virtlogd does not answer" in line for line in libvirt_driver.warnings())
        with pytest.raises(DriverError, match="virtlogd, which keeps the guests' console logs, does not answer"):
            libvirt_driver.spawn(guest)
    finally:
        private_libvirt.start_virtlogd()
    assert_nothing_left(private_libvirt, libvirt_driver, guest)
    assert not any("virtlogd" in line for line in libvirt_driver.warnings())
    libvirt_driver.spawn(guest)


def test_libvirtd_that_dies_in_a_spawn_leaves_what_cleanup_finds(
    private_libvirt: PrivateLibvirt, instances_path: Path, blank: ImageFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    driver = LibvirtDriver(host="h", uri=private_libvirt.uri, instances_path=instances_path)
    back = threading.Event()
    driver.init_host(lambda *_: None, lambda available, _: back.set() if available else None)
    plug = Guests.plug

    def kill_then_plug(guests: Guests, guest: GuestSpec) -> None:
        private_libvirt.kill()
        plug(guests, guest)

    monkeypatch.setattr(Guests, "plug", kill_then_plug)
    monkeypatch.setattr("tuinova.virt.libvirt.connection.SHORT_OUTAGE", 0.0)
    guest = guest_spec(blank, nics=[nic(52)])
    try:
        with pytest.raises(HypervisorUnavailable):
            driver.spawn(guest)
    finally:
        private_libvirt.start_libvirtd()
    assert back.wait(30)
    traces = set(driver.leftovers()) | {info.uuid for info in driver.list_guests()}
    assert traces == {guest.uuid}
    driver.cleanup(guest.uuid)
    assert_nothing_left(private_libvirt, driver, guest)
    monkeypatch.undo()
    driver.spawn(guest)
    driver.destroy(guest)
    driver.close()


# what others do ------------------------------------------------------------------------------------------------------
def test_foreign_guests_are_counted_and_never_touched(
    private_libvirt: PrivateLibvirt,
    libvirt_driver: LibvirtDriver,
    blank: ImageFile,
    foreign: Callable[[str], str],
) -> None:
    uuid = foreign("somebody-elses")
    private_libvirt.virsh("start", "somebody-elses")
    seen = {guest.uuid: guest for guest in libvirt_driver.node_resources()[0].foreign}[uuid]
    assert (seen.name, seen.state, seen.memory_mb, seen.vcpus) == ("somebody-elses", PowerState.RUNNING, 64, 2)
    assert seen.disk_gb == 3
    assert uuid not in {info.uuid for info in libvirt_driver.list_guests()}
    for act in (libvirt_driver.pause, libvirt_driver.suspend, lambda uuid: libvirt_driver.power_off(uuid, 0, 1)):
        with pytest.raises(GuestNotFound):
            act(uuid)
    libvirt_driver.cleanup(uuid)
    with pytest.raises(DriverError, match="did not make"):
        libvirt_driver.spawn(guest_spec(blank, uuid=uuid))
    with pytest.raises(DriverError, match="somebody-elses"):
        libvirt_driver.spawn(guest_spec(blank, name="somebody-elses"))
    assert private_libvirt.virsh("domstate", uuid).stdout.strip() == "running"


def test_guests_of_another_instances_directory_are_foreign(
    private_libvirt: PrivateLibvirt, libvirt_driver: LibvirtDriver, instances_path: Path, blank: ImageFile
) -> None:
    (instances_path / "other").mkdir()
    other = LibvirtDriver(host="h2", uri=private_libvirt.uri, instances_path=instances_path / "other")
    other.init_host(lambda *_: None, lambda *_: None)
    guest = guest_spec(blank)
    other.spawn(guest)
    libvirt_driver.cleanup(guest.uuid)
    assert other.guest_info(guest.uuid).state is PowerState.RUNNING
    assert guest.uuid in {item.uuid for item in libvirt_driver.node_resources()[0].foreign}
    other.destroy(guest)
    other.close()


@has_networks
def test_a_guest_that_was_undefined_by_hand_comes_back(
    private_libvirt: PrivateLibvirt, libvirt_driver: LibvirtDriver, blank: ImageFile
) -> None:
    guest = guest_spec(blank, nics=[nic(50)])
    libvirt_driver.spawn(guest)
    private_libvirt.virsh("destroy", guest.name)
    private_libvirt.virsh("undefine", guest.name)
    assert libvirt_driver.leftovers() == {guest.uuid: ["directory", "reservation"]}
    libvirt_driver.power_on(guest)
    assert libvirt_driver.guest_info(guest.uuid).state is PowerState.RUNNING
    assert libvirt_driver.leftovers() == {}


def test_cleanup_needs_only_the_uuid(
    private_libvirt: PrivateLibvirt, libvirt_driver: LibvirtDriver, blank: ImageFile
) -> None:
    guest = guest_spec(blank, nics=[nic(51)])
    libvirt_driver.spawn(guest)
    libvirt_driver.suspend(guest.uuid)
    libvirt_driver.cleanup(guest.uuid)
    libvirt_driver.cleanup(guest.uuid)
    assert_nothing_left(private_libvirt, libvirt_driver, guest)
    assert not list((private_libvirt.directory / "varlib/qemu/save").glob("*"))


def test_after_a_host_boot_running_guests_come_back_and_saved_ones_wait(
    private_libvirt: PrivateLibvirt, libvirt_driver: LibvirtDriver, blank: ImageFile
) -> None:
    guest = guest_spec(blank)
    libvirt_driver.spawn(guest)
    libvirt_driver.suspend(guest.uuid)
    libvirt_driver.resume_state_on_host_boot(guest)
    assert virsh_state(private_libvirt, guest) == "shut off"
    libvirt_driver.resume(guest)
    private_libvirt.virsh("destroy", guest.name)
    libvirt_driver.resume_state_on_host_boot(guest)
    assert virsh_state(private_libvirt, guest) == "running"


def test_a_hard_reboot_drops_saved_memory(
    private_libvirt: PrivateLibvirt, libvirt_driver: LibvirtDriver, blank: ImageFile
) -> None:
    guest = guest_spec(blank)
    libvirt_driver.spawn(guest)
    libvirt_driver.suspend(guest.uuid)
    libvirt_driver.reboot(guest, RebootType.HARD)
    assert "Managed save:   no" in private_libvirt.virsh("dominfo", guest.name).stdout
    assert virsh_state(private_libvirt, guest) == "running"


def test_what_is_not_there_is_said(libvirt_driver: LibvirtDriver, blank: ImageFile) -> None:
    guest = guest_spec(blank)
    for act in (libvirt_driver.guest_info, libvirt_driver.pause, libvirt_driver.suspend, libvirt_driver.unpause):
        with pytest.raises(GuestNotFound):
            act(guest.uuid)
    with pytest.raises(GuestNotFound):
        libvirt_driver.guest_info("nonsense")
    with pytest.raises(ConsoleNotAvailable):
        libvirt_driver.console_output(guest.uuid)
    with pytest.raises(DriverError):
        libvirt_driver.power_on(guest)


def test_lifecycle_events_come_with_node_and_uuid(
    private_libvirt: PrivateLibvirt, instances_path: Path, blank: ImageFile
) -> None:
    events: list[tuple[str, str, LifecycleEvent]] = []
    driver = LibvirtDriver(host="h", uri=private_libvirt.uri, instances_path=instances_path)
    driver.init_host(lambda *event: events.append(event), lambda *_: None)
    node = driver.node_resources()[0].node
    guest = guest_spec(blank)
    driver.spawn(guest)
    driver.pause(guest.uuid)
    driver.unpause(guest.uuid)
    private_libvirt.virsh("destroy", guest.name)
    wait_until(lambda: (node, guest.uuid, LifecycleEvent.STOPPED) in events)
    kinds = [event for _, uuid, event in events if uuid == guest.uuid]
    for expected in LifecycleEvent:
        assert expected in kinds
    assert kinds[-1] is LifecycleEvent.STOPPED
    driver.destroy(guest)
    driver.close()


def test_the_node_says_what_it_has(libvirt_driver: LibvirtDriver) -> None:
    node = libvirt_driver.node_resources()[0]
    memory = int(Path("/proc/meminfo").read_text().split()[1]) // 1024
    assert node.memory_mb == memory
    assert node.vcpus >= 1
    assert node.local_gb > 0
    assert node.hypervisor_type == "QEMU"
    assert node.hypervisor_version > 5_000_000
    assert any(hypervisor == libvirt_driver.virt_type for _, hypervisor, _ in node.supported_instances)
    assert "load average" in node.uptime


def test_qemus_user_must_be_able_to_enter(private_libvirt: PrivateLibvirt, instances_path: Path) -> None:
    closed = instances_path / "closed"
    closed.mkdir(mode=0o700)
    driver = LibvirtDriver(host="h", uri=private_libvirt.uri, instances_path=closed / "instances")
    if "/session" in private_libvirt.uri:
        driver.init_host(lambda *_: None, lambda *_: None)
    else:
        with pytest.raises(DriverError, match=r"QEMU runs as user .*, who may not enter .*closed"):
            driver.init_host(lambda *_: None, lambda *_: None)
    driver.close()
