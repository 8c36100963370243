"""`image create --from-url` and `--from-catalog`, with a web server on the loopback; no vendor is ever asked."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.api.conftest import Running
from tests.cli.conftest import Typed
from tests.web import Web, web_server
from tuinova.cli.output import Record
from tuinova.client import Client, image_catalog
from tuinova.client.image_catalog import CATALOG, UnknownCatalogImage, catalog_image
from tuinova.client.waiters import wait_for_image
from tuinova.core.paths import Paths

Type = Callable[..., Typed]
DATA = os.urandom(1 << 20)
SHA256 = hashlib.sha256(DATA).hexdigest()


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    base: Path = tmp_path_factory.mktemp("svc")
    (base / "run").mkdir()
    config = base / "tuinova.toml"
    config.write_text("[image]\nallow_private_addresses = true\ndownload_attempts = 1\n")
    service = Running(Paths(base, base / "run", config))
    yield service
    service.stop()


@pytest.fixture
def web() -> Iterator[Web]:
    with web_server() as server:
        yield server


def names(client: Client) -> list[str]:
    return [image["name"] for image in client.images.list()]


def test_an_image_from_a_url_is_waited_for(typed: Type, web: Web) -> None:
    url = web.serve("/disk.img", DATA)
    done = typed(
        "image", "create", "--from-url", url, "--checksum", f"sha256:{SHA256}", "--wait", "--public", "w1", "-f", "json"
    )
    assert (done.code, done.err) == (0, "")
    assert (done.json["status"], done.json["size"], done.json["visibility"]) == ("active", len(DATA), "public")
    assert "task_progress" not in done.json


def test_without_wait_the_service_goes_on_alone(typed: Type, admin: Client, web: Web) -> None:
    url = web.serve("/disk.img", DATA, pause=0.05)
    image = typed("image", "create", "--from-url", url, "w2", "-f", "json").json  # no terminal: --no-wait
    assert image["status"] == "importing"
    assert image["task_progress"]["what"] in ("waiting", "downloading")
    assert wait_for_image(admin, image["id"], timeout=30)["size"] == len(DATA)


def test_a_failure_is_told_and_the_image_says_it_too(typed: Type, web: Web) -> None:
    url = web.serve("/disk.img", DATA)
    done = typed("image", "create", "--from-url", url, "--checksum", f"sha256:{'0' * 64}", "--wait", "w3")
    assert done.code == 1
    match = re.search(r"Image w3 is in status killed: .*its sha256 checksum is .*\nImage ID: (\S+)", done.err, re.S)
    assert match is not None, done.err
    shown = typed("image", "show", match[1], "-f", "json").json
    assert (shown["status"], "its sha256 checksum is" in shown["task_message"]) == ("killed", True)


def test_a_refusal_at_once_leaves_no_image(typed: Type, admin: Client) -> None:
    for url, said in (("ftp://x/y", "scheme 'ftp'"), ("http:///y", "it names no host")):
        done = typed("image", "create", "--from-url", url, "w4")
        assert (done.code, said in done.err) == (1, True), done.err
    assert "w4" not in names(admin)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--from-url", "http://x/y", "--file", "z"], "argument --from-url: not allowed with argument --file"),
        (["--from-url", "http://x/y", "--from-catalog", "debian-12"], "--from-catalog: not allowed with"),
        (["--checksum", "md5:00"], "argument --checksum: only with --from-url"),
        (["--checksum-url", "http://x/y"], "argument --checksum-url: only with --from-url"),
        (["--arch", "x86_64"], "argument --arch: only with --from-catalog"),
        (
            ["--from-url", "http://x/y", "--checksum", "a", "--checksum-url", "b"],
            "not allowed with argument --checksum",
        ),
    ],
)
def test_options_that_do_not_fit(typed: Type, words: list[str], said: str) -> None:
    done = typed("image", "create", *words, "x")
    assert (done.code, said in done.err) == (2, True), done.err


def test_an_image_of_the_catalogue_comes_with_what_is_known_of_it(
    typed: Type, admin: Client, web: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    web.serve("/img/os-amd64.img", DATA)
    web.serve("/img/SHA256SUMS", f"{SHA256} *os-amd64.img\n".encode())
    entry = replace(
        catalog_image("ubuntu-24.04"),
        name="ours",
        url=web.url("/img/os-{arch}.img"),
        properties={"hw_rng_model": "virtio"},
    )
    raw = entry.fields("x86_64") | {"disk_format": "raw"}
    monkeypatch.setattr(image_catalog, "CATALOG", (replace(entry),))
    monkeypatch.setattr(image_catalog.CatalogImage, "fields", lambda self, arch: raw)
    made = typed(
        "image", "create", "--from-catalog", "ours", "--arch", "x86_64", "--wait", "--min-ram", "64", "c1", "-f", "json"
    )
    assert made.code == 0, made.err
    image = admin.images.get(made.json["id"])
    kept = ("os_distro", "os_version", "os_type", "os_admin_user", "hw_architecture", "hw_rng_model")
    assert [image[key] for key in kept] == ["ubuntu", "24.04", "linux", "ubuntu", "x86_64", "virtio"]
    assert (image["min_disk"], image["min_ram"]) == (4, 64)  # what is typed wins
    web.serve("/img/SHA256SUMS", f"{'0' * 64} *os-amd64.img\n".encode())
    done = typed("image", "create", "--from-catalog", "ours", "--arch", "x86_64", "--wait", "c2")
    assert (done.code, "its sha256 checksum is" in done.err) == (1, True)


def test_what_the_catalogue_does_not_have(typed: Type, admin: Client) -> None:
    done = typed("image", "create", "--from-catalog", "debain-12", "c3")
    assert (done.code, "No image 'debain-12' in the catalogue. Did you mean debian-12" in done.err) == (1, True)
    done = typed("image", "create", "--from-catalog", "arch", "--arch", "aarch64", "c3")
    assert (done.code, "arch is not published for aarch64, but for x86_64." in done.err) == (1, True)
    assert "c3" not in names(admin)


def test_the_catalogue_is_listed_and_shown(typed: Type) -> None:
    rows = typed("image", "catalog", "list", "-f", "json").json
    assert [row["Name"] for row in rows] == [image.name for image in CATALOG]
    assert {"debian-12", "ubuntu-24.04", "fedora-43", "rocky-9", "almalinux-9", "cirros-0.6", "arch"} < {
        row["Name"] for row in rows
    }
    arm = typed("image", "catalog", "list", "--arch", "aarch64", "--long", "-f", "json").json
    assert "arch" not in [row["Name"] for row in arm]
    assert all("arm64" in row["URL"] or "aarch64" in row["URL"] for row in arm)
    shown = typed("image", "catalog", "show", "debian-12", "--arch", "aarch64", "-f", "json").json
    assert shown["url"].endswith("/debian-12-genericcloud-arm64.qcow2")
    assert shown["checksums"].endswith("/latest/SHA512SUMS")
    assert typed("image", "catalog", "show", "nothing").code == 1


@pytest.mark.parametrize("image", CATALOG, ids=lambda image: image.name)
def test_every_row_of_the_catalogue_is_whole(image: Any) -> None:
    assert re.fullmatch(r"[a-z0-9][a-z0-9.-]+", image.name)
    assert image.user
    assert image.min_disk > 0
    assert image.min_ram >= 128
    for arch in image.arches:
        for url in image.where(arch):
            parts = urlsplit(url)
            assert (parts.scheme, bool(parts.hostname), "{" in url, "?" in url) == ("https", True, False, False)
        assert all(isinstance(value, str) for key, value in image.fields(arch).items() if not key.startswith("min_"))
    assert len({one.name for one in CATALOG}) == len(CATALOG)
    with pytest.raises(UnknownCatalogImage):
        image.where("vax")


def test_a_record_has_no_task_when_there_is_none() -> None:
    from tuinova.cli.image_record import image_record

    record: Record = image_record({"id": "i", "tags": []})
    assert "task_message" not in record.fields


def test_the_end_of_a_url_tells_the_format_unless_it_is_typed(typed: Type, admin: Client, web: Web) -> None:
    for words, name, kind in (
        ([], "/a.qcow2", "qcow2"),
        ([], "/a.QCOW2?x=1", "qcow2"),
        ([], "/a.iso", "iso"),
        ([], "/a.img", "raw"),
        (["--disk-format", "raw"], "/a.qcow2", "raw"),
    ):
        made = typed("image", "create", "--from-url", web.url(name), *words, "f", "-f", "json")
        assert made.json["disk_format"] == kind, (words, name)
