"""The guest agent, interrupts and statistics, on a real guest with an agent; one boot serves them all."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from tests.lab import PrivateLibvirt
from tests.lab.guests import blank_image, demo_image, guest_spec, nic
from tests.virt_libvirt.conftest import Recorder, wait_until
from tuinova.core.errors import InstanceNotRunning, QemuGuestAgentNotEnabled, SetAdminPasswdNotSupported
from tuinova.core.states import PowerState
from tuinova.virt.driver import DriverError, GuestNotFound, GuestSpec, ImageFile
from tuinova.virt.libvirt.diagnostics import from_stats
from tuinova.virt.libvirt.driver import LibvirtDriver
from tuinova.virt.libvirt.options import LibvirtOptions

ROOT = Path(__file__).parents[2]
PASSWORD = "o'\"ther:$word"
KILLED = """
import os, signal, sys
from pathlib import Path
import libvirt
from tests.lab.guests import demo_image, guest_spec
from tuinova.virt.libvirt.driver import LibvirtDriver
uri, instances, uuid, target = sys.argv[1:]
driver = LibvirtDriver(host="h", uri=uri, instances_path=Path(instances))
driver.init_host(lambda *_: None, lambda *_: None)
libvirt.virDomain.backupBegin = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
driver.snapshot(guest_spec(demo_image(hw_qemu_guest_agent="yes"), uuid=uuid), Path(target), None, lambda *_: None)
"""


def test_statistics_are_novas_object() -> None:
    guest = guest_spec(ImageFile("i", Path("/nowhere"), "qcow2", 1), config_drive=True)
    nic_xml = "<interface><mac address='fa:16:3e:00:00:01'/><target dev='tap1'/></interface>"
    description = ET.fromstring(f"<domain><devices>{nic_xml}</devices></domain>")
    stats = {"vcpu.current": 2, "vcpu.0.time": 5, "net.count": 1, "net.0.name": "tap1", "net.0.rx.bytes": 7}
    stats |= {"block.count": 1, "block.0.rd.bytes": 9, "block.0.wr.reqs": 3, "balloon.maximum": 131072}
    found = from_stats(guest, "running", "qemu", stats, description, 12)
    assert json.loads(json.dumps(found)) == found
    assert (found["num_cpus"], found["num_nics"], found["num_disks"], found["uptime"]) == (2, 1, 1, 12)
    assert found["cpu_details"] == [
        {"id": 0, "time": 5, "utilisation": None},
        {"id": 1, "time": 0, "utilisation": None},
    ]
    assert (found["nic_details"][0]["mac_address"], found["nic_details"][0]["rx_octets"]) == ("fa:16:3e:00:00:01", 7)
    assert found["disk_details"] == [
        {"read_bytes": 9, "read_requests": 0, "write_bytes": 0, "write_requests": 3, "errors_count": 0}
    ]
    assert found["memory_details"] == {"maximum": 128, "used": 0}


def test_another_hypervisor_sets_no_passwords(tmp_path: Path) -> None:
    driver = LibvirtDriver(host="h", uri="test:///default", instances_path=tmp_path, options=LibvirtOptions())
    driver._host.virt_type = "lxc"
    with pytest.raises(SetAdminPasswdNotSupported):
        driver.set_admin_password(guest_spec(None), "x")


@pytest.mark.integration
def test_a_guest_without_agent_says_so(libvirt_driver: LibvirtDriver, instances_path: Path, tmp_path: Path) -> None:
    blank = blank_image(instances_path / "blank.qcow2")
    silent = ImageFile(blank.id, blank.path, "qcow2", 1, properties={"hw_qemu_guest_agent": "yes"})
    strict = ImageFile(blank.id, blank.path, "qcow2", 1, properties={**silent.properties, "os_require_quiesce": "yes"})
    guest = guest_spec(silent)
    libvirt_driver.spawn(guest)
    for image in (blank, silent):
        with pytest.raises(QemuGuestAgentNotEnabled):
            libvirt_driver.set_admin_password(guest_spec(image, uuid=guest.uuid), PASSWORD)
    with pytest.raises(DriverError, match="Quiescing is not supported"):
        libvirt_driver.snapshot(guest_spec(strict, uuid=guest.uuid), tmp_path / "copy", None, lambda *_: None)
    libvirt_driver.snapshot(guest, tmp_path / "copy", None, lambda *_: None)
    libvirt_driver.power_off(guest.uuid, 0, 1)
    for act in (lambda: libvirt_driver.inject_nmi(guest.uuid), lambda: libvirt_driver.diagnostics(guest)):
        with pytest.raises(InstanceNotRunning):
            act()
    with pytest.raises(DriverError):
        libvirt_driver.set_admin_password(guest, PASSWORD)
    with pytest.raises(GuestNotFound):
        libvirt_driver.inject_nmi("00000000-0000-4000-8000-000000000000")


@pytest.fixture
def talking(libvirt_driver: LibvirtDriver) -> GuestSpec:
    """A guest whose agent answers."""
    guest = guest_spec(demo_image(hw_qemu_guest_agent="yes"), nics=[nic(90)], vcpus=2, swap_mb=16)
    libvirt_driver.spawn(guest)
    wait_until(lambda: b"login:" in libvirt_driver.console_output(guest.uuid), 120)
    return guest


def log_in(driver: LibvirtDriver, guest: GuestSpec, user: bytes, password: bytes) -> None:
    console = Recorder()
    stream = driver.open_console(guest.uuid, console)
    stream.write(b"\r")
    for question, answer in ((b"login: ", user), (b"Password: ", password)):
        console.wait_for(question)
        stream.write(answer + b"\r")
    console.wait_for(b"# ", 20)
    stream.close()


@pytest.mark.integration
@pytest.mark.skipif(os.geteuid() != 0, reason="a session's guests have no network card of libvirt's")
def test_an_agent_that_answers(
    private_libvirt: PrivateLibvirt, libvirt_driver: LibvirtDriver, talking: GuestSpec, tmp_path: Path
) -> None:
    driver, lab, guest = libvirt_driver, private_libvirt, talking

    def frozen() -> str:
        done = lab.virsh("qemu-agent-command", guest.uuid, '{"execute": "guest-fsfreeze-status"}', check=False)
        return str(json.loads(done.stdout)["return"]) if done.returncode == 0 else done.stderr

    wait_until(lambda: frozen() == "thawed")
    driver.set_admin_password(guest, PASSWORD)
    log_in(driver, guest, b"root", PASSWORD.encode())
    strict = demo_image(hw_qemu_guest_agent="yes", os_require_quiesce="yes")
    driver.snapshot(guest_spec(strict, uuid=guest.uuid), tmp_path / "copy", None, lambda *_: None)
    assert frozen() == "thawed"
    # A file system that was frozen is clean; one that was only read behind the guest's back has its journal to replay.
    assert is_clean(tmp_path / "copy")

    arguments = [lab.uri, str(driver.instances), guest.uuid, str(tmp_path / "x")]
    done = subprocess.run([sys.executable, "-c", KILLED, *arguments], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert frozen() == "frozen"
    again = LibvirtDriver(host="h", uri=lab.uri, instances_path=driver.instances)
    again.init_host(lambda *_: None, lambda *_: None)
    again.close()
    assert frozen() == "thawed"

    driver.inject_nmi(guest.uuid)
    found = driver.diagnostics(guest)
    assert (found["state"], found["num_cpus"], found["num_disks"], found["num_nics"]) == ("running", 2, 2, 1)
    assert found["cpu_details"][0]["time"] > 0
    assert found["disk_details"][0]["read_bytes"] > 1 << 20
    assert found["nic_details"][0]["mac_address"] == guest.nics[0].mac
    assert 0 < found["uptime"] < 600
    driver.pause(guest.uuid)
    assert driver.diagnostics(guest)["state"] == "paused"
    driver.unpause(guest.uuid)
    assert driver.guest_info(guest.uuid).state is PowerState.RUNNING


def is_clean(disk: Path) -> bool:
    """Whether the ext4 in the first partition needs no recovery (the bit of that name in its superblock)."""
    raw = disk.with_name("head.raw")
    subprocess.run(
        ["qemu-img", "dd", "-f", "qcow2", "-O", "raw", "bs=1M", "count=2", f"if={disk}", f"of={raw}"], check=True
    )
    with raw.open("rb") as file:
        file.seek((1 << 20) + 1024 + 96)
        return not int.from_bytes(file.read(4), "little") & 4
