"""Guests for tests: the demo image and records of servers."""

from __future__ import annotations

import os
import subprocess
import sys
import uuid
from pathlib import Path
from typing import Any

from tests.lab.private import LabError
from tuinova.virt.driver import GuestSpec, ImageFile, Nic

ROOT = Path(__file__).parents[2]
USER, PASSWORD = b"cirros", b"gocubsgo"


def demo_directory() -> Path:
    """Where the demo guest is; built first if it is missing (a minute, once)."""
    directory = Path(os.environ.get("TUINOVA_GUEST_CACHE") or ROOT / ".cache" / "guest")
    if not (directory / "tuinova-demo.qcow2").exists():
        command = [sys.executable, str(ROOT / "guest" / "build.py"), str(directory)]
        done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL)
        if done.returncode:
            raise LabError(f"the demo guest can't be built: {(done.stderr or done.stdout)[-2000:]}")
    return directory


def demo_image(**properties: str) -> ImageFile:
    """The disk image of the demo guest."""
    path = demo_directory() / "tuinova-demo.qcow2"
    return ImageFile("demo-image", path, "qcow2", path.stat().st_size, properties=properties)


def debian_image() -> Path:
    """The Debian guest with a real cloud-init, up to date with its sources (built in two minutes where it is not)."""
    directory = Path(os.environ.get("TUINOVA_GUEST_CACHE") or ROOT / ".cache" / "guest")
    command = [sys.executable, str(ROOT / "guest" / "debian.py"), str(directory)]
    done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    if done.returncode:
        raise LabError(f"the Debian guest can't be built: {(done.stderr or done.stdout)[-2000:]}")
    return directory / "tuinova-debian.qcow2"


def demo_ami() -> tuple[ImageFile, ImageFile, ImageFile]:
    """The demo guest as disk, kernel and ramdisk."""
    parts = (("tuinova-demo-uec.img", "ami"), ("tuinova-demo-uec-kernel", "aki"), ("tuinova-demo-uec-ramdisk", "ari"))
    paths = [(demo_directory() / name, fmt) for name, fmt in parts]
    disk, kernel, ramdisk = (ImageFile(path.name, path, fmt, path.stat().st_size) for path, fmt in paths)
    return disk, kernel, ramdisk


def blank_image(path: Path, size: int = 1 << 20, fmt: str = "qcow2") -> ImageFile:
    """An empty disk: for what needs no guest that boots."""
    subprocess.run(["qemu-img", "create", "-q", "-f", fmt, str(path), str(size)], check=True)
    return ImageFile(str(path), path, fmt, path.stat().st_size)


def nic(last_byte: int, network: str = "default", subnet: str = "192.168.122") -> Nic:
    """A port on the private libvirt's network; `last_byte` (2..254) is that of address and MAC."""
    return Nic(str(uuid.uuid4()), f"fa:16:3e:00:00:{last_byte:02x}", network, f"{subnet}.{last_byte}")


def guest_spec(image: ImageFile | None, **fields: Any) -> GuestSpec:
    """A server of m1.micro's size with a name of its own."""
    identity = str(uuid.uuid4())
    values: dict[str, Any] = {
        "uuid": identity,
        "name": f"instance-{identity[:8]}",
        "display_name": "vm1",
        "hostname": "vm1",
        "project_id": "1" * 32,
        "user_id": "2" * 32,
        "project_name": "admin",
        "user_name": "admin",
        "flavor_name": "m1.micro",
        "memory_mb": 128,
        "vcpus": 1,
        "root_gb": 1,
        "ephemeral_gb": 0,
        "swap_mb": 0,
        "extra_specs": {},
        "image": image,
    }
    return GuestSpec(**(values | fields))
