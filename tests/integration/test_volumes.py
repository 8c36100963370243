"""A volume's way through the whole program: written by one guest, read by another that itself starts from a volume."""

from __future__ import annotations

import base64
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.integration.conftest import House

pytestmark = pytest.mark.integration

WRITES = b"""#!/bin/sh
until [ -b /dev/vdb ]; do sleep 0.2; done
echo carried | dd of=/dev/vdb bs=4096 count=1 conv=sync,fsync 2>/dev/null
echo "wrote to $(cat /sys/block/vdb/serial)."
while [ -b /dev/vdb ]; do sleep 0.2; done
echo "let go."
"""
READS = b"""#!/bin/sh
echo "read $(head -n 1 /dev/vdb) of $(cat /sys/block/vdb/size)."
"""


def until(condition: Callable[[], Any], house: House, seconds: float = 90) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, house.log()[-3000:]
        time.sleep(0.1)


def create(house: House, name: str, script: bytes, **fields: Any) -> str:
    body = {
        "name": name,
        "flavorRef": house.client.flavors.find("m1.micro")["id"],
        "networks": "auto",
        "config_drive": True,
        "user_data": base64.b64encode(script).decode(),
        **fields,
    }
    return str(house.client.servers.create(body)["id"])


def volume_files(house: House) -> list[str]:
    return sorted(path.name for path in (house.state / "volumes").iterdir())


def test_a_volume_is_written_in_one_server_and_read_in_another_that_boots_from_a_volume(house: House) -> None:
    client, image = house.client, house.client.images.find("tuinova-demo")["id"]

    def status() -> str:
        return str(client.volumes.get(data)["status"])

    data = str(client.volumes.create({"name": "data", "size": 1})["id"])
    until(lambda: status() == "available", house)
    writer = create(house, "writer", WRITES, imageRef=image)
    house.settled("writer", "ACTIVE")
    client.servers.attach_volume(writer, data)
    house.until_log("writer", f"wrote to {data[:20]}.")
    assert status() == "in-use"
    client.volumes.extend(data, 2)
    until(lambda: client.volumes.get(data)["size"] == 2, house)
    client.servers.detach_volume(writer, data)
    until(lambda: status() == "available", house)
    house.until_log("writer", "let go.")

    root = {"boot_index": 0, "source_type": "image", "destination_type": "volume", "uuid": image, "volume_size": 1}
    second = {"boot_index": -1, "source_type": "volume", "destination_type": "volume", "uuid": data}
    mapping = [{**root, "delete_on_termination": True}, second]
    reader = create(house, "reader", READS, block_device_mapping_v2=mapping)
    house.settled("reader", "ACTIVE")
    house.until_log("reader", f"read carried of {2 << 21}.", 120)
    pool = house.lab.virsh("vol-list", "tuinova-volumes").stdout
    assert [name for name in volume_files(house) if name not in pool] == []
    assert len(volume_files(house)) == 2

    client.servers.action(reader, "os-stop")
    house.settled("reader", "SHUTOFF")
    client.servers.detach_volume(reader, data)
    until(lambda: status() == "available", house)
    name = str(house.show("reader")["OS-EXT-SRV-ATTR:instance_name"])
    assert data not in house.lab.virsh("dumpxml", "--inactive", name).stdout
    for server in ("reader", "writer"):
        client.servers.delete(house.show(server)["id"])
        house.wait_gone(server)
    until(lambda: [Path(name).stem for name in volume_files(house)] == [f"volume-{data}"], house)
    client.volumes.delete(data)
    until(lambda: volume_files(house) == [], house)
