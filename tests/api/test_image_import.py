"""Images from the web: import, progress, what is refused and what it leaves."""

from __future__ import annotations

import hashlib
import io
import random
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.api.conftest import Running
from tests.web import Web, web_server
from tuinova.client import ApiError, Client, WaitFailed
from tuinova.client.waiters import wait_for_image
from tuinova.core.paths import Paths

RAW = {"name": "i", "disk_format": "raw", "container_format": "bare"}
DATA = random.Random(1).randbytes(2 << 20)  # the same in every worker: the checksums name tests
SHA256 = hashlib.sha256(DATA).hexdigest()


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    base: Path = tmp_path_factory.mktemp("svc")
    (base / "run").mkdir()
    config = base / "tuinova.toml"
    config.write_text("[image]\nprivate_hosts = ['127.0.0.1']\ndownload_attempts = 1\ndownload_timeout = 5\n")
    service = Running(Paths(base, base / "run", config))
    yield service
    service.stop()


@pytest.fixture
def web() -> Iterator[Web]:
    with web_server() as server:
        yield server


def files(running: Running) -> set[str]:
    return {path.name for path in Path(running.places.images).iterdir()}


def fetch(client: Client, uri: str, image: dict[str, Any] | None = None, **how: str) -> dict[str, Any]:
    ident = client.images.create(image or RAW)["id"]
    client.images.start_import(ident, uri, **how)
    return wait_for_image(client, ident, timeout=30)


def failure(client: Client, uri: str, image: dict[str, Any] | None = None, **how: str) -> tuple[str, str, str]:
    with pytest.raises(WaitFailed) as caught:
        fetch(client, uri, image, **how)
    view = caught.value.view
    return view["status"], view["task_message"], view["id"]


def refusal(call: Any) -> tuple[int, str]:
    with pytest.raises(ApiError) as caught:
        call()
    return caught.value.code, caught.value.message


@pytest.mark.parametrize(
    "checksum",
    [None, f"sha256:{SHA256}", f"SHA512:{hashlib.sha512(DATA).hexdigest()}", f"md5:{hashlib.md5(DATA).hexdigest()}"],
)
def test_an_image_from_the_web_is_as_if_it_had_been_uploaded(
    running: Running, admin: Client, web: Web, checksum: str | None
) -> None:
    image = fetch(admin, web.serve("/disk.img", DATA), **({"checksum": checksum} if checksum else {}))
    assert (image["status"], image["size"], image["virtual_size"]) == ("active", len(DATA), len(DATA))
    assert image["checksum"] == hashlib.md5(DATA).hexdigest()
    assert (image["os_hash_algo"], image["os_hash_value"]) == ("sha512", hashlib.sha512(DATA).hexdigest())
    assert not {"task_progress", "task_message"} & set(image)
    out = io.BytesIO()
    admin.images.download(image["id"], out)
    assert out.getvalue() == DATA
    assert not [name for name in files(running) if name.endswith(".part")]
    running.remove(admin, running.boot(admin, imageRef=image["id"])["id"])


def test_a_checksum_that_differs_kills_the_image_with_the_words(running: Running, admin: Client, web: Web) -> None:
    before = files(running)
    status, why, ident = failure(admin, web.serve("/disk.img", DATA), checksum=f"sha256:{'0' * 64}")
    assert (status, why) == (
        "killed",
        f"Image {ident} is unacceptable: its sha256 checksum is {SHA256}, not {'0' * 64}",
    )
    assert files(running) == before
    body = {"server": {"name": "x", "imageRef": ident, "flavorRef": "84", "networks": "none"}}
    assert refusal(lambda: admin.servers.create(body)) == (400, f"Image {ident} is not active.")
    assert admin.images.get(ident)["task_message"] == why


def test_published_checksums_are_fetched_and_checked(admin: Client, web: Web) -> None:
    url = web.serve("/disk.img", DATA)
    right = web.serve("/SHA256SUMS", f"{'1' * 64} *other.img\n{SHA256} *disk.img\n".encode())
    assert fetch(admin, url, checksum_uri=right)["status"] == "active"
    wrong = web.serve("/WRONG", f"{'1' * 64}  disk.img\n".encode())
    assert failure(admin, url, checksum_uri=wrong)[0] == "killed"
    missing = web.serve("/MISSING", f"{'1' * 64}  other.img\n".encode())
    status, why, _ident = failure(admin, url, checksum_uri=missing)
    assert (status, why) == ("queued", "the published checksums have none for disk.img")
    status, why, _ident = failure(admin, url, checksum_uri=web.url("/none"))
    assert (status, why) == ("queued", f"{web.url('/none')}: the server answers 404 Not Found")


def test_data_that_is_not_what_it_says_kills_the_image(running: Running, admin: Client, web: Web) -> None:
    before = files(running)
    page = web.serve("/disk.qcow2", b"<html>not found</html>" * 1000)
    status, why, ident = failure(admin, page, {**RAW, "disk_format": "qcow2"})
    assert (status, why.startswith(f"Image {ident} is unacceptable: ")) == ("killed", True)
    assert files(running) == before


def test_a_download_that_fails_leaves_the_image_to_be_tried_again(running: Running, admin: Client, web: Web) -> None:
    before = files(running)
    status, why, ident = failure(admin, web.serve("/a", DATA, breaks=[1000]))
    assert (status, why) == ("queued", f"the connection ended {len(DATA) - 1000} bytes early (1 attempts)")
    assert files(running) == before
    assert failure(admin, web.url("/none"))[:2] == ("queued", "the server answers 404 Not Found")
    admin.images.start_import(ident, web.serve("/a", DATA))
    image = wait_for_image(admin, ident, timeout=30)
    assert image["size"] == len(DATA)
    assert "task_message" not in image


@pytest.mark.parametrize(
    ("method", "why"),
    [
        ({"uri": "ftp://example.org/x"}, "does not pass filtering: ftp://example.org/x: scheme 'ftp' is none of"),
        ({"uri": "file:///etc/shadow"}, "does not pass filtering"),
        ({"uri": "http://169.254.169.254/latest"}, "169.254.169.254 is no public address: [image] allow_private"),
        ({"uri": "http://127.0.0.2/x"}, "127.0.0.2 is no public address"),
        ({"uri": "http://10.0.0.1/x"}, "10.0.0.1 is no public address"),
        ({"uri": "http://[::ffff:10.0.0.1]/x"}, "is no public address"),
        ({"uri": "http://me:secret@example.org/x"}, "it has a user or a password"),
        ({}, "URI is required when using 'web-download' import method."),
        ({"name": "copy-image"}, "Unknown import method name 'copy-image'."),
        ({"uri": "http://example.org/x", "checksum": "sha1:00"}, "a checksum begins with one of md5:"),
        ({"uri": "http://example.org/x", "checksum": "md5:00"}, "a checksum of md5 has 32"),
        ({"uri": "http://example.org/x", "checksum_uri": "file:///x"}, "does not pass filtering: file:///x"),
        (
            {"uri": "http://example.org/x", "checksum": f"md5:{'0' * 32}", "checksum_uri": "http://example.org/y"},
            "exclude each other",
        ),
        ({"uri": 5}, "Invalid input for field/attribute uri."),
    ],
)
def test_what_is_refused_at_once(admin: Client, method: dict[str, Any], why: str) -> None:
    ident = admin.images.create(RAW)["id"]
    body = {"method": {"name": "web-download", **method}}
    code, text = refusal(lambda: admin.post(f"/image/v2/images/{ident}/import", body))
    assert (code, why in text) == (400, True), text
    assert "task_message" not in admin.images.get(ident)
    assert admin.images.get(ident)["status"] == "queued"


def test_a_redirect_to_a_private_address_is_refused_in_words(admin: Client, web: Web) -> None:
    url = web.serve("/a", status=302, location="http://169.254.169.254/latest/meta-data/")
    status, why, _ident = failure(admin, url)
    assert (status, why.startswith("169.254.169.254 is no public address")) == ("queued", True)


def test_who_may_import_and_into_what(running: Running, admin: Client, demo: Client, web: Web) -> None:
    url = web.serve("/a", DATA)
    public = admin.images.create({**RAW, "visibility": "public"})["id"]
    assert refusal(lambda: demo.images.start_import(public, url))[0] == 403
    bare = admin.images.create({"name": "x"})["id"]
    assert refusal(lambda: admin.images.start_import(bare, url)) == (
        409,
        "'container_format' needs to be set before import",
    )
    active = running.upload(admin)["id"]
    assert refusal(lambda: admin.images.start_import(active, url)) == (
        409,
        "Image needs to be in 'queued' state to use 'web-download' method; it is in 'active'",
    )
    assert fetch(demo, url)["status"] == "active"
    assert admin.get("/image/v2/info/import")["import-methods"]["value"] == ["glance-direct", "web-download"]


def test_an_importing_image_tells_how_far_it_is_and_takes_nothing_else(admin: Client, web: Web) -> None:
    hold = threading.Event()
    url = web.serve("/a", DATA, hold=hold)
    ident = admin.images.create(RAW)["id"]
    admin.images.start_import(ident, url)
    seen: list[dict[str, Any]] = []

    def progress(image: dict[str, Any]) -> None:
        seen.append(image)
        if (image.get("task_progress") or {}).get("what") == "downloading":
            hold.set()

    image = admin.images.get(ident)
    assert image["status"] == "importing"
    assert image["task_progress"]["what"] in ("waiting", "downloading")
    assert refusal(lambda: admin.images.start_import(ident, url))[0] == 409
    assert refusal(lambda: admin.images.upload(ident, io.BytesIO(b"x")))[0] == 409
    assert refusal(lambda: admin.images.update(ident, disk_format="qcow2"))[0] == 403
    assert wait_for_image(admin, ident, on_progress=progress, timeout=30)["status"] == "active"
    told = [image["task_progress"] for image in seen if image.get("task_progress")]
    assert {"what": "downloading", "done": 0, "total": len(DATA)} in told


def test_deleting_an_importing_image_ends_its_download(running: Running, admin: Client, web: Web) -> None:
    before = files(running)
    hold = threading.Event()
    ident = admin.images.create(RAW)["id"]
    admin.images.start_import(ident, web.serve("/a", DATA, hold=hold))
    done = threading.Event()
    for _ in range(200):
        if web.asked and files(running) != before:
            break
        done.wait(0.02)
    admin.images.delete(ident)
    with pytest.raises(WaitFailed, match="was deleted"):
        wait_for_image(admin, ident, timeout=5)
    for _ in range(200):
        if files(running) == before and not running.engine.importer.busy():
            break
        done.wait(0.02)
    assert files(running) == before
    assert not running.engine.importer.busy()
    hold.set()


def test_a_full_disk_leaves_nothing_and_says_so(
    running: Running, admin: Client, web: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    import errno

    from tuinova.core.image_import.part import Part

    def full(_part: Part, _chunk: bytes) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    before = files(running)
    monkeypatch.setattr(Part, "write", full)
    status, why, _ident = failure(admin, web.serve("/a", DATA))
    assert (status, why) == ("queued", "Image storage media is full: No space left on device")
    assert files(running) == before


# staged data ---------------------------------------------------------------------------------------------------------
def test_staged_data_is_looked_at_when_it_is_imported(running: Running, admin: Client) -> None:
    ident = admin.images.create(RAW)["id"]
    admin.images.stage(ident, io.BytesIO(DATA))
    staged = admin.images.get(ident)
    assert (staged["status"], staged["size"]) == ("uploading", len(DATA))
    assert refusal(lambda: admin.images.stage(ident, io.BytesIO(DATA)))[0] == 409
    assert refusal(lambda: admin.images.upload(ident, io.BytesIO(DATA)))[0] == 409
    admin.images.import_staged(ident)
    image = wait_for_image(admin, ident, timeout=30)
    assert image["os_hash_value"] == hashlib.sha512(DATA).hexdigest()
    assert not [name for name in files(running) if name.endswith(".part")]


def test_staged_data_that_is_refused_kills_the_image(running: Running, admin: Client) -> None:
    before = files(running)
    ident = admin.images.create({**RAW, "disk_format": "qcow2"})["id"]
    admin.images.stage(ident, io.BytesIO(b"no image" * 1000))
    admin.images.import_staged(ident)
    with pytest.raises(WaitFailed, match="is in status killed"):
        wait_for_image(admin, ident, timeout=30)
    assert files(running) == before


def test_there_is_nothing_to_import_before_all_is_staged(running: Running, admin: Client) -> None:
    before = files(running)
    ident = admin.images.create(RAW)["id"]
    assert refusal(lambda: admin.images.import_staged(ident)) == (
        409,
        "Image needs to be in 'uploading' state to use 'glance-direct' method; it is in 'queued'",
    )
    seen: list[tuple[int, str]] = []

    class Asking(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            if self.tell() and not seen:
                pause = threading.Event()
                for _ in range(200):
                    if admin.images.get(ident)["status"] == "uploading":
                        break
                    pause.wait(0.02)
                seen.append(refusal(lambda: admin.images.import_staged(ident)))
            return super().read(min(size or 0, 1 << 16))

    with running.client() as other:
        other.images.stage(ident, Asking(bytes(1 << 18)))
    assert seen[0][0] == 409
    assert seen[0][1].endswith("it is in 'uploading' and its data is still coming")
    admin.images.delete(ident)
    assert files(running) == before


def test_an_image_has_only_so_many_members(running: Running, admin: Client) -> None:
    ident = admin.images.create({**RAW, "visibility": "shared"})["id"]
    for number in range(128):
        running.engine.conductor.add_image_member(ident, f"p{number}")
    demo = next(one["id"] for one in admin.projects.list() if one["name"] == "demo")
    assert refusal(lambda: admin.images.add_member(ident, demo)) == (
        413,
        f"Image member limit exceeded for image {ident}: Attempted: 129, Maximum: 128",
    )
