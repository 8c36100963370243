"""Boots the demo guest under plain QEMU: pure emulation, no libvirt, one Unix socket each for console and QMP."""

import json
import shutil
import socket
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from tests.guest.serial import Serial

# Nova's own command line for images with a kernel of their own.
AMI_COMMAND_LINE = "root=/dev/vda console=tty0 console=ttyS0 console=hvc0"

DHCP = ("-nic", "user,model=virtio-net-pci")
SILENT_NETWORK = ("-netdev", "hubport,id=silent,hubid=0", "-device", "virtio-net-pci,netdev=silent")


def overlay(image: Path, disk: Path, size: str = "") -> Path:
    """Make a qcow2 disk over an image, of the image's size unless one is given (as qemu-img writes sizes)."""
    kind = "qcow2" if image.suffix == ".qcow2" else "raw"
    command = ["qemu-img", "create", "-q", "-f", "qcow2", "-F", kind, "-b", str(image), str(disk)]
    subprocess.run([*command, *([size] if size else [])], check=True)
    return disk


def config_drive(iso: Path, meta_data: dict[str, Any] | str, user_data: str | None = None) -> Path:
    """Make a config drive as Nova does: an ISO with label config-2."""
    content = iso.with_suffix(".d")
    latest = content / "openstack" / "latest"
    latest.mkdir(parents=True)
    text = meta_data if isinstance(meta_data, str) else json.dumps(meta_data)
    (latest / "meta_data.json").write_text(text)
    if user_data is not None:
        (latest / "user_data").write_text(user_data)
    options = ["-ldots", "-allow-lowercase", "-allow-multidot", "-l", "-quiet", "-J", "-r", "-V", "config-2"]
    subprocess.run(["genisoimage", "-o", str(iso), *options, str(content)], check=True, capture_output=True)
    shutil.rmtree(content)
    return iso


class Machine:
    """One running QEMU; a context manager that leaves no process behind."""

    def __init__(
        self,
        directory: Path,
        disks: Sequence[Path],
        memory: int = 128,
        options: Sequence[str] = (),
        network: Sequence[str] = DHCP,
    ) -> None:
        """Remember what to start; the first disk is the root disk."""
        self.directory = directory
        self.command = ["qemu-system-x86_64", "-accel", "tcg", "-m", str(memory), "-nodefaults", "-vga", "std"]
        self.command += ["-display", "none", *network]
        for disk in disks:
            kind = "qcow2" if disk.suffix == ".qcow2" else "raw"
            self.command += ["-drive", f"file={disk},if=virtio,format={kind}"]
        self.command += ["-serial", f"unix:{directory}/serial,server=on,wait=on"]
        self.command += ["-qmp", f"unix:{directory}/qmp,server=on,wait=off", *options]

    def __enter__(self) -> "Machine":
        """Start it and take both lines."""
        self.directory.mkdir(parents=True, exist_ok=True)
        self.process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL)
        try:
            self.console = Serial.connect(self.directory / "serial")
            self._qmp = socket.socket(socket.AF_UNIX)
            self._connect_qmp()
        except BaseException:
            self.process.kill()
            self.process.wait()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End it."""
        self.process.kill()
        self.process.wait()
        self.console.close()
        self._replies.close()
        self._qmp.close()

    def _connect_qmp(self) -> None:
        end = time.monotonic() + 10
        while True:
            try:
                self._qmp.connect(str(self.directory / "qmp"))
                break
            except OSError:
                if time.monotonic() > end:
                    raise
                time.sleep(0.02)
        self._replies = self._qmp.makefile("r")
        self._replies.readline()
        self.qmp("qmp_capabilities")

    def qmp(self, command: str, **arguments: Any) -> Any:
        """Execute a QMP command and return its answer."""
        self._qmp.sendall(json.dumps({"execute": command, "arguments": arguments}).encode() + b"\n")
        while True:
            answer = json.loads(self._replies.readline())
            if "error" in answer:
                raise AssertionError(f"{command}: {answer['error']}")
            if "return" in answer:
                return answer["return"]

    def press(self, *keys: str) -> None:
        """Press keys together on the guest's keyboard (QEMU's key names)."""
        self.qmp("send-key", keys=[{"type": "qcode", "data": key} for key in keys])

    def wait_off(self, timeout: float = 60) -> int:
        """Wait until the guest has powered off; return QEMU's exit code."""
        return self.process.wait(timeout)
