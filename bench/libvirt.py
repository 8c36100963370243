"""A real server's spawn beside libvirt's own calls for the same domain, on a private libvirt."""

from __future__ import annotations

import statistics
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.lab import PrivateLibvirt
from tests.lab.guests import demo_image, guest_spec, nic
from tuinova.virt.driver import GuestSpec
from tuinova.virt.libvirt.driver import LibvirtDriver

ROUNDS = 5
ALLOWED_FACTOR = 1.10
ALLOWED_MS = 150.0


def _virsh(lab: PrivateLibvirt, *commands: str) -> float:
    """Milliseconds of one virsh process that runs `commands`."""
    started = time.perf_counter()
    subprocess.run(["virsh", "-q", "-c", lab.uri, "; ".join(commands)], check=True, capture_output=True)
    return (time.perf_counter() - started) * 1000


def _spawn(driver: LibvirtDriver, guest: GuestSpec) -> float:
    started = time.perf_counter()
    driver.spawn(guest)
    return (time.perf_counter() - started) * 1000


def _round(lab: PrivateLibvirt, driver: LibvirtDriver, number: int) -> tuple[float, float]:
    """One server by the driver, then its domain again by virsh alone, disks and DHCP entry being there."""
    contents = {"openstack/latest/meta_data.json": b'{"hostname": "vm1"}'}
    guest = guest_spec(demo_image(), nics=[nic(10 + number)], config_drive=True, config_drive_files=lambda: contents)
    ours = _spawn(driver, guest)
    with tempfile.NamedTemporaryFile("w", suffix=".xml") as file:
        file.write(lab.virsh("dumpxml", "--inactive", guest.name).stdout)
        file.flush()
        driver.power_off(guest.uuid, 0, 0)
        lab.virsh("undefine", guest.name)
        theirs = _virsh(lab, f"define {file.name}", f"start {guest.name}")
    driver.destroy(guest)
    return ours, theirs


def measure() -> list[dict[str, Any]]:
    """Milliseconds from the call to the running guest, medians."""
    with PrivateLibvirt() as lab:
        driver = LibvirtDriver(host="bench", uri=lab.uri, instances_path=Path(lab.instances))
        driver.init_host(lambda *_: None, lambda *_: None)
        first = guest_spec(demo_image(), nics=[nic(9)])
        cold = _spawn(driver, first)
        driver.destroy(first)
        pairs = [_round(lab, driver, number) for number in range(ROUNDS)]
        driver.close()
    ours, theirs = (statistics.median(values) for values in zip(*pairs, strict=True))
    peer = f"virsh define + start: {theirs:.0f} ms"
    note = f"{ROUNDS} rounds; with disk, config drive and DHCP entry, which virsh found made"
    budget = theirs * ALLOWED_FACTOR + ALLOWED_MS
    return [
        {"name": "server to running guest", "value": ours, "unit": "ms", "budget": budget, "peer": peer, "note": note},
        {"name": "first server of an image", "value": cold, "unit": "ms", "note": "converts the image to its base"},
    ]


if __name__ == "__main__":
    for row in measure():
        print(row)
