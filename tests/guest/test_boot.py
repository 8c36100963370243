"""The demo guest on a real (emulated) machine. One boot serves several checks: it costs seconds."""

import base64
import json
import re
import socket
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.guest.machine import AMI_COMMAND_LINE, SILENT_NETWORK, Machine, config_drive, overlay

pytestmark = [pytest.mark.integration, pytest.mark.usefixtures("emulator")]

BANNER = r"login as 'cirros' user\. default password: 'gocubsgo'\. use 'sudo' for root\."
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl one two"
USER_DATA = "#!/bin/sh\nid -u\nhostname\ndate >> /root/user-data-runs\necho 'it\\nran'\n"


def metadata(**more: Any) -> dict[str, Any]:
    """Return what Nova puts on a config drive, with strings that need JSON's escapes."""
    return {
        "uuid": "8f4a2f33-5c55-4c0a-a0f9-0d0b1f0b9a10",
        "hostname": "web-1.novalocal",
        "name": "Web 1",
        "admin_pass": 'a"b\\c $(reboot) \u00e9',
        "public_keys": {"mine": KEY + "\n"},
        "keys": [{"name": "mine", "type": "ssh", "data": KEY}, {"name": "b", "type": "ssh", "data": "ssh-rsa AAAA\\b"}],
        "launch_index": 0,
        "availability_zone": "nova",
        "random_seed": "A" * 684,
        "devices": [],
        **more,
    }


@pytest.fixture
def disk(guest_cache: Path, tmp_path: Path) -> Path:
    """A root disk of 1 GiB over the disk image."""
    return overlay(guest_cache / "tuinova-demo.qcow2", tmp_path / "disk.qcow2", "1G")


def cdrom(iso: Path) -> list[str]:
    """Return the options that attach a config drive where Nova does on machine type pc."""
    return ["-drive", f"file={iso},if=ide,media=cdrom,format=raw"]


def test_instance_with_config_drive_lives_its_life(disk: Path, tmp_path: Path) -> None:
    iso = config_drive(tmp_path / "disk.config", metadata(), USER_DATA)
    with Machine(tmp_path, [disk], options=cdrom(iso)) as machine:
        console = machine.console
        console.expect(r"Linux version \d")
        console.expect(r"running user data\r?\n0\r?\nweb-1\r?\nit.*\r?\n(.*\r?\n)?tuinova: user data ended with 0")
        console.expect(r"web-1 is up after \d+ s; address: eth0 10\.0\.2\.15/24; root disk /dev/vda1: [\d.]+M")
        console.expect(BANNER)
        console.login()
        assert console.run("hostname") == (0, "web-1")
        assert console.run("hostname -f") == (0, "web-1.novalocal")
        assert "uid=1000(cirros)" in console.run("id")[1]
        assert console.run("sudo id -u") == (0, "0")
        assert console.run("sudo -u nobody sh -c 'echo \"$1 $USER\"' x 'a  b'") == (0, "a  b nobody")
        assert console.run("sudo touch /mnt/x && cat /etc/shadow")[0] == 1
        size = int(console.run("df -m / | awk 'NR == 2 { print $2 }'")[1])
        assert 960 < size <= 1024
        keys = console.run("cat .ssh/authorized_keys")[1].splitlines()
        assert [line.strip() for line in keys] == [KEY, "ssh-rsa AAAA\\b"]
        assert console.run("stat -c %a:%U .ssh/authorized_keys") == (0, "600:cirros")

        machine.press("ctrl", "alt", "delete")
        console.expect(r"tuinova: the system is going down")
        console.expect(r"web-1 login: ", 180)
        machine.qmp("system_reset")
        console.login(timeout=180)
        assert console.run("sudo wc -l /root/user-data-runs") == (0, "1 /root/user-data-runs")

        machine.qmp("system_powerdown")
        console.expect("power button pressed", 20)
        assert machine.wait_off() == 0


def test_administrators_password_is_roots(disk: Path, tmp_path: Path) -> None:
    iso = config_drive(tmp_path / "disk.config", metadata(admin_pass="x\\y\"z'$PATH"))
    with Machine(tmp_path, [disk], options=cdrom(iso)) as machine:
        machine.console.login("root", "x\\y\"z'$PATH")
        assert machine.console.run("id -u") == (0, "0")
        machine.console.send("exit\n")
        machine.console.login()
        machine.console.send("sudo poweroff\n")
        assert machine.wait_off() == 0


@pytest.mark.long
def test_ignores_acpi_when_asked_and_boots_in_the_least_memory(
    disk: Path, tmp_path: Path, manifest: dict[str, Any]
) -> None:
    iso = config_drive(tmp_path / "disk.config", metadata(meta={"ignore_acpi": "true"}))
    with Machine(tmp_path, [disk], memory=manifest["min_ram"], options=cdrom(iso)) as machine:
        machine.console.login(timeout=180)
        machine.qmp("system_powerdown")
        assert machine.console.run("sleep 4; echo still here") == (0, "still here")
        assert machine.process.poll() is None
        assert b"power button pressed" not in machine.console.text


def test_ami_image_boots_with_its_kernel_and_novas_command_line(guest_cache: Path, tmp_path: Path) -> None:
    root = overlay(guest_cache / "tuinova-demo-uec.img", tmp_path / "disk.qcow2", "300M")
    iso = config_drive(tmp_path / "disk.config", metadata(hostname="", name="The AMI one"), "not a script\n")
    ephemeral, swap = tmp_path / "disk.eph0", tmp_path / "disk.swap"
    for file in (ephemeral, swap):
        with file.open("wb") as stream:
            stream.truncate(16 << 20)
    subprocess.run(["mkfs.ext4", "-q", "-F", "-L", "ephemeral0", str(ephemeral)], check=True)
    subprocess.run(["mkswap", "-q", str(swap)], check=True)
    kernel = ["-kernel", str(guest_cache / "tuinova-demo-uec-kernel")]
    kernel += ["-initrd", str(guest_cache / "tuinova-demo-uec-ramdisk"), "-append", AMI_COMMAND_LINE]
    # The config drive as a virtio disk, as on machine types without IDE.
    with Machine(tmp_path, [root, ephemeral, swap, iso], memory=96, options=kernel) as machine:
        console = machine.console
        console.expect("user data does not start with '#!': ignored")
        console.expect(r"the-ami-one is up .* root disk /dev/vda: ")
        console.login()
        assert 270 < int(console.run("df -m / | awk 'NR == 2 { print $2 }'")[1]) <= 300
        assert console.run("awk '$2 == \"/mnt\" { print $1 }' /proc/mounts") == (0, "/dev/vdb")
        assert console.run("awk 'NR == 2 { print $1 }' /proc/swaps") == (0, "/dev/vdc")
        machine.qmp("system_powerdown")
        assert machine.wait_off() == 0


@pytest.mark.long
def test_broken_metadata_and_no_network_still_reach_the_prompt(disk: Path, tmp_path: Path) -> None:
    iso = config_drive(tmp_path / "disk.config", '{"uuid": "x", "hostname": "half')
    with Machine(tmp_path, [disk], options=cdrom(iso), network=SILENT_NETWORK) as machine:
        machine.console.expect("meta_data.json is not JSON: ignored")
        machine.console.expect("tuinova-demo is up after .* address: none yet;")
        machine.console.expect("tuinova-demo login: ")
        machine.console.send("cirros\n")
        machine.console.expect("Password: ")
        machine.console.send("wrong\n")
        machine.console.expect("Login incorrect", 20)


def test_prompt_is_on_the_screen_too_and_ssh_lets_in(disk: Path, tmp_path: Path) -> None:
    with Machine(tmp_path, [disk]) as machine:
        console = machine.console
        console.login()
        assert console.run("DROPBEAR_PASSWORD=gocubsgo dbclient -y cirros@127.0.0.1 hostname")[1].endswith(
            "tuinova-demo"
        )
        assert console.run("pidof qemu-ga")[0] == 1  # no channel, no agent
        key = "dropbearkey -t ed25519 -f key | grep ^ssh >>.ssh/authorized_keys"
        reach = "dbclient -y -i key cirros@127.0.0.1 id -un"
        assert console.run(f"mkdir -pm 700 .ssh; {key}; {reach}")[1].endswith("cirros")
        # What the first virtual terminal shows, read through its memory device.
        shown = machine.console.run("sudo dd if=/dev/vcs1 2>/dev/null | fold -w 80 | sed 's/ *$//'")[1]
    assert re.search(BANNER, shown)
    assert re.search(r"^tuinova-demo login:", shown, re.MULTILINE)


class Agent:
    """The host's end of the guest agent's channel."""

    def __init__(self, path: Path) -> None:
        self.line = socket.socket(socket.AF_UNIX)
        self.line.connect(str(path))
        self.received = b""

    def ask(self, command: str, seconds: float = 60, **arguments: object) -> dict[str, Any] | None:
        """The answer; None when there is none in time."""
        self.line.sendall(json.dumps({"execute": command, "arguments": arguments}).encode() + b"\n")
        self.line.settimeout(seconds)
        try:
            while b"\n" not in self.received:
                self.received += self.line.recv(4096)
        except TimeoutError:
            return None
        answer, _, self.received = self.received.partition(b"\n")
        found: dict[str, Any] = json.loads(answer)
        return found

    def meet(self, number: int) -> None:
        """Until it answers: what is said to a port that nobody has opened yet is lost."""
        for _ in range(60):
            if self.ask("guest-sync", 2, id=number) == {"return": number}:
                return
        raise AssertionError("the agent does not answer")


def test_the_agent_sets_passwords_and_freezes(disk: Path, tmp_path: Path) -> None:
    options = ["-device", "virtio-serial", "-chardev", f"socket,id=agent,path={tmp_path}/agent,server=on,wait=off"]
    options += ["-device", "virtserialport,chardev=agent,name=org.qemu.guest_agent.0"]
    with Machine(tmp_path, [disk], options=options) as machine:
        machine.console.login()
        agent = Agent(tmp_path / "agent")
        agent.meet(7)
        secret = base64.b64encode(b"a\\b:c d$(id)").decode()
        assert agent.ask("guest-set-user-password", username="root", password=secret, crypted=False) == {"return": {}}
        refused = agent.ask("guest-set-user-password", username="nobody-else", password=secret, crypted=False)
        assert refused is not None
        assert "error" in refused
        assert agent.ask("guest-fsfreeze-freeze") == {"return": 1}
        assert agent.ask("guest-fsfreeze-status") == {"return": "frozen"}
        assert agent.ask("guest-fsfreeze-thaw") == {"return": 1}
        machine.console.send("exit\n")
        machine.console.login("root", "a\\b:c d$(id)")
        assert machine.console.run("id -u") == (0, "0")
        # Killed, it is back: nobody else would thaw.
        assert machine.console.run("kill -9 $(pidof qemu-ga)")[0] == 0
        agent.meet(8)


@pytest.mark.parametrize("first", ["own", "rescue"])
def test_of_two_disks_of_one_image_the_one_that_booted_is_root(guest_cache: Path, tmp_path: Path, first: str) -> None:
    """A rescue: same file system, same label, same identity; the boot order says which one it is."""
    order = ["own", "rescue"] if first == "own" else ["rescue", "own"]
    options: list[str] = []
    for name in order:
        path = overlay(
            guest_cache / "tuinova-demo.qcow2", tmp_path / f"{name}.qcow2", "200M" if name == "rescue" else "1G"
        )
        options += ["-drive", f"file={path},if=none,id={name},format=qcow2"]
        options += ["-device", f"virtio-blk-pci,drive={name}" + (",bootindex=1" if name == "rescue" else "")]
    with Machine(tmp_path, [], options=options) as machine:
        root, other = ("vdb1", "vda1") if first == "own" else ("vda1", "vdb1")
        machine.console.expect(f"another system's disk is here: sudo mount /dev/{other} /mnt")
        machine.console.expect(rf"root disk /dev/{root}: 1\d\d\.\d+M")
        machine.console.login()
        assert machine.console.run(f"sudo mount /dev/{other} /mnt && ls /mnt/etc/inittab") == (0, "/mnt/etc/inittab")
