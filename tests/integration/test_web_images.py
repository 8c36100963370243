"""An image that the service fetched, with a crash in the middle, boots a real guest made as its properties say."""

from __future__ import annotations

import hashlib
import json
from xml.etree import ElementTree as ET

import pytest

from tests.integration.conftest import GUEST, House
from tests.web import web_server
from tuinova.client.waiters import wait_for_image

pytestmark = pytest.mark.integration


def test_a_fetched_image_boots(house: House, request: pytest.FixtureRequest) -> None:
    if not request.config.getoption("--all"):
        pytest.skip("half a minute: with --all")
    data = GUEST.read_bytes()
    checksum = f"sha256:{hashlib.sha256(data).hexdigest()}"
    with web_server() as web, house.options(IMAGE_PRIVATE_HOSTS="127.0.0.1"):
        # Slow enough that the crash comes in the middle.
        url = web.serve("/demo.qcow2", data, piece=1 << 18, pause=3.0 / (len(data) >> 18))
        words = ("image", "create", "--from-url", url, "--checksum", checksum, "--no-wait", "--min-ram", "96")
        properties = ("--property", "hw_cpu_sockets=1", "--property", "hw_serial_port_count=2")
        ident = json.loads(house.ok(*words, *properties, "fetched", "-f", "json"))["id"]
        images = house.state / "images"
        note = images / f"{ident}.note.import.part"
        while not (note.exists() and json.loads(note.read_text())["synced"]):
            assert house.client.images.get(ident)["status"] == "importing"
        house.kill()
        web.files["/demo.qcow2"].pause = 0.0
        house.start()
        image = wait_for_image(house.client, ident, timeout=120)
        assert image["os_hash_value"] == hashlib.sha512(data).hexdigest()
        assert [headers.get("Range") is not None for _path, headers in web.asked] == [False, True]
        house.client.flavors.create({"name": "two", "ram": 128, "vcpus": 2, "disk": 0})
        try:
            house.ok("server", "create", "--flavor", "two", "--image", "fetched", "--wait", "from-the-web")
            name = str(house.show("from-the-web")["OS-EXT-SRV-ATTR:instance_name"])
            live = ET.fromstring(house.lab.virsh("dumpxml", name).stdout)
            topology = live.find("cpu/topology")
            assert topology is not None
            assert (topology.get("sockets"), topology.get("cores")) == ("1", "2")
            assert len(live.findall("devices/serial")) == 2
            house.until_log("from-the-web", "login:")
        finally:
            house.run("server", "delete", "--wait", "from-the-web")
            house.run("flavor", "delete", "two")
            house.run("image", "delete", "fetched")
