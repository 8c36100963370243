"""Images and a service that is killed in the middle: what comes from the web goes on, what was uploaded begins anew."""

from __future__ import annotations

import hashlib
import io
import json
import os
import resource
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.web import Web, web_server
from tuinova.client import ApiError, WaitFailed, connect
from tuinova.client.waiters import wait_for_image
from tuinova.core.sockets import connect_unix

RAW = {"name": "i", "disk_format": "raw", "container_format": "bare"}
DATA = os.urandom(6 << 20)
SHA256 = f"sha256:{hashlib.sha256(DATA).hexdigest()}"


@pytest.fixture
def web() -> Iterator[Web]:
    with web_server() as server:
        yield server


def synced(directory: Path, ident: str) -> int:
    """What the note of an import says is on the disk."""
    try:
        return int(json.loads((directory / f"{ident}.note.import.part").read_text())["synced"])
    except (OSError, ValueError):
        return 0


def killed_in_the_middle(place: Any, url: str, checksum: str | None = SHA256) -> tuple[str, int]:
    """The id of an image whose import a SIGKILL cut off, and the bytes that it had come to."""
    place.environment["TUINOVA_IMAGE_ALLOW_PRIVATE_ADDRESSES"] = "true"
    process = place.ready()
    with connect(url=place.url) as client:
        ident = str(client.images.create(RAW)["id"])
        client.images.start_import(ident, url, checksum=checksum)
        place.wait_until(lambda: synced(place.directory / "images", ident) > 0)
    process.send_signal(signal.SIGKILL)
    process.wait(20)
    return ident, synced(place.directory / "images", ident)


def test_a_download_goes_on_after_the_service_was_killed(place: Any, web: Web) -> None:
    url = web.serve("/a", DATA, pause=0.02)
    ident, come_to = killed_in_the_middle(place, url)
    assert 0 < come_to < len(DATA)
    web.files["/a"].pause = 0.0
    place.ready()
    with connect(url=place.url) as client:
        image = wait_for_image(client, ident, timeout=60)
        assert image["os_hash_value"] == hashlib.sha512(DATA).hexdigest()
    assert [headers.get("Range") for _path, headers in web.asked] == [None, f"bytes={come_to}-"]
    assert {path.name for path in (place.directory / "images").iterdir()} == {ident}


def test_a_file_that_changed_meanwhile_is_fetched_anew(place: Any, web: Web) -> None:
    url = web.serve("/a", DATA, pause=0.02)
    ident, _come_to = killed_in_the_middle(place, url, checksum=None)
    other = os.urandom(1 << 20)
    web.serve("/a", other, etag='"two"')
    place.ready()
    with connect(url=place.url) as client:
        image = wait_for_image(client, ident, timeout=60)
        assert (image["size"], image["os_hash_value"]) == (len(other), hashlib.sha512(other).hexdigest())


def test_a_stop_leaves_a_download_for_the_next_start(place: Any, web: Web) -> None:
    place.environment["TUINOVA_IMAGE_ALLOW_PRIVATE_ADDRESSES"] = "true"
    url = web.serve("/a", DATA, pause=0.05)
    process = place.ready()
    with connect(url=place.url) as client:
        ident = str(client.images.create(RAW)["id"])
        client.images.start_import(ident, url)
        place.wait_until(lambda: synced(place.directory / "images", ident) > 0)
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == 0
    web.files["/a"].pause = 0.0
    place.ready()
    with connect(url=place.url) as client:
        assert wait_for_image(client, ident, timeout=60)["size"] == len(DATA)
    assert web.asked[-1][1].get("Range") is not None


def test_an_upload_that_a_kill_cut_off_may_be_made_again(place: Any) -> None:
    process = place.ready()
    images = place.directory / "images"
    with connect(url=place.url) as client:
        ident = client.images.create(RAW)["id"]
    head = (
        f"PUT /image/v2/images/{ident}/file HTTP/1.1\r\nHost: x\r\nContent-Type: application/octet-stream\r\n"
        f"Content-Length: {len(DATA)}\r\n\r\n"
    )
    with connect_unix(place.socket, 10) as sock:
        sock.sendall(head.encode() + DATA[: 2 << 20])
        place.wait_until(lambda: any(path.stat().st_size for path in images.glob("*.part")))
        process.send_signal(signal.SIGKILL)
        process.wait(20)
    assert list(images.glob("*.part"))
    place.ready()
    assert not list(images.iterdir())
    with connect(url=place.url) as client:
        assert client.images.get(ident)["status"] == "queued"
        client.images.upload(ident, io.BytesIO(DATA))
        assert client.images.get(ident)["os_hash_value"] == hashlib.sha512(DATA).hexdigest()


class Zeros(io.RawIOBase):
    """So many bytes of zeros behind a few that are none."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.place = 0
        self._block = bytes(1 << 20)

    def tell(self) -> int:
        return self.place

    def seek(self, offset: int, whence: int = 0) -> int:
        self.place = offset if whence == 0 else self.size + offset
        return self.place

    def read(self, size: int = -1) -> bytes:
        size = min(size, self.size - self.place, len(self._block))
        piece = (b"raw data" + self._block)[:size] if self.place == 0 else self._block[:size]
        self.place += size
        return piece


def peak_memory(pid: int) -> int:
    """VmHWM in bytes."""
    line = next(one for one in Path(f"/proc/{pid}/status").read_text().splitlines() if one.startswith("VmHWM"))
    return int(line.split()[1]) << 10


def test_a_big_upload_and_download_take_little_memory(place: Any, pytestconfig: pytest.Config) -> None:
    size = (3 << 30 if pytestconfig.getoption("--all") else 300 << 20) + 12345
    process = place.ready()
    with connect(url=place.url) as client:
        client.images.create({**RAW, "name": "warm"})
        ident = client.images.create(RAW)["id"]
        client.images.upload(ident, io.BytesIO(bytes(1 << 20)))  # what is imported only once
        before = peak_memory(process.pid)
        big = client.images.create(RAW)["id"]
        client.images.upload(big, Zeros(size))
        assert client.images.get(big)["size"] == size
        counted = [0]

        class Sink:
            def write(self, data: bytes) -> None:
                counted[0] += len(data)

        client.images.download(big, Sink())
    assert counted[0] == size
    assert peak_memory(process.pid) - before < 48 << 20
    assert (place.directory / "images" / big).stat().st_blocks * 512 < 8 << 20


def test_a_full_disk_leaves_nothing_of_an_upload_or_a_download(place: Any, web: Web) -> None:
    """The kernel's limit of a file's size stands for the disk's."""
    place.environment["TUINOVA_IMAGE_ALLOW_PRIVATE_ADDRESSES"] = "true"
    process = place.ready()
    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (3 << 20, 3 << 20))
    with connect(url=place.url) as client:
        ident = client.images.create(RAW)["id"]
        with pytest.raises(ApiError) as caught:
            client.images.upload(ident, io.BytesIO(DATA))
        assert (caught.value.code, caught.value.message) == (413, "Image storage media is full: File too large")
        assert client.images.get(ident)["status"] == "queued"
        client.images.start_import(ident, web.serve("/a", DATA))
        with pytest.raises(WaitFailed, match="in status queued: Image storage media is full: File too large"):
            wait_for_image(client, ident, timeout=60)
        assert not list((place.directory / "images").iterdir())
        client.images.upload(ident, io.BytesIO(DATA[: 1 << 20]))
        assert client.images.get(ident)["status"] == "active"


def test_a_kill_between_the_data_and_the_row_loses_neither(place: Any, web: Web) -> None:
    """The data lies in its place, the row still says importing: it is taken back and looked at again."""
    ident, _come_to = killed_in_the_middle(place, web.serve("/a", DATA, pause=0.02), checksum=None)
    images = place.directory / "images"
    note = json.loads((images / f"{ident}.note.import.part").read_text())
    (images / f"{ident}.note.import.part").write_text(json.dumps({**note, "synced": len(DATA)}))
    (images / f"{ident}.import.part").unlink()
    (images / ident).write_bytes(DATA)
    web.files.clear()  # nothing more is fetched
    place.ready()
    with connect(url=place.url) as client:
        assert wait_for_image(client, ident, timeout=60)["os_hash_value"] == hashlib.sha512(DATA).hexdigest()
    assert {path.name for path in images.iterdir()} == {ident}
