"""Images, hypervisors, services and key pairs: what the rooms show and what they ask of the service."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fake_client import FakeService
from rich.cells import cell_len
from textual.widgets import Input, TextArea

from tuinova.client import ApiError
from tuinova.screens.app import TuinovaApp
from tuinova.screens.hypervisors import bar, share
from tuinova.screens.image_form import ImageForm, guess_format
from tuinova.screens.images import size_text
from tuinova.screens.keypairs import NewKeyScreen, PrivateKeyScreen
from tuinova.screens.list_room import ListRoom, TypeNameScreen, facts
from tuinova.screens.services import ReasonScreen

NODE = {
    "id": "n-1",
    "hypervisor_hostname": "kvm-1",
    "hypervisor_type": "QEMU",
    "state": "up",
    "vcpus": 4,
    "vcpus_used": 8,
    "cpu_allocation_ratio": 4.0,
    "memory_mb": 8192,
    "memory_mb_used": 8000,
    "ram_allocation_ratio": 1.0,
    "local_gb": 100,
    "local_gb_used": 10,
    "disk_allocation_ratio": 1.0,
    "running_vms": 3,
    "foreign": [{"name": "router\x1b[2J", "vcpus": 1, "memory_mb": 512, "disk_gb": 8}],
}
SERVICE = {"id": "s-1", "binary": "nova-compute", "host": "kvm-1", "status": "enabled", "state": "up", "zone": "nova"}
IMAGE = {
    "id": "i-1",
    "name": "debian",
    "status": "active",
    "disk_format": "qcow2",
    "size": 3 << 20,
    "visibility": "public",
    "min_ram": 96,
    "min_disk": 0,
    "protected": False,
    "hw_disk_bus": "virtio",
}


@pytest.fixture
def service(service: FakeService) -> FakeService:
    """With one row of each kind."""
    service.resources["hypervisors"] = [NODE]
    service.resources["services"] = [SERVICE]
    service.resources["images"] = [IMAGE]
    service.resources["keypairs"] = [{"name": "operator", "fingerprint": "aa:bb", "public_key": "ssh-ed25519 AAAA x"}]
    service.answers["images.create"] = {"id": "i-2"}
    return service


def asked(service: FakeService, kind: str) -> list[tuple[str, Any]]:
    return [(verb, call[0]) for name, verb, call in service.requests if name == kind]


async def open_room(app: TuinovaApp, pilot: Any, until: Callable[..., Any], key: str) -> Any:
    await until(pilot, lambda: app.state == "ready")
    await pilot.press(key)
    await until(pilot, lambda: isinstance(app.main.view, ListRoom) and len(app.main.view.model) == 1)
    return app.main.view


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (200, 60)])
@pytest.mark.parametrize(("key", "word"), [("3", "debian"), ("4", "kvm-1"), ("5", "nova-compute"), ("6", "operator")])
async def test_each_room_shows_its_rows(
    key: str, word: str, size: tuple[int, int], make_app: Callable[..., TuinovaApp], until: Callable[..., Any]
) -> None:
    app = make_app()
    async with app.run_test(size=size) as pilot:
        room = await open_room(app, pilot, until, key)
        assert word in "\n".join(room.table.render_line(y).text for y in range(3))


async def test_foreign_guests_stand_in_the_details_as_text(
    make_app: Callable[..., TuinovaApp], until: Callable[..., Any]
) -> None:
    app = make_app()
    async with app.run_test(size=(120, 40)) as pilot:
        room = await open_room(app, pilot, until, "4")
        text = "\n".join("".join(part for part, _tone in line) for line in room.details(room.row))
        assert "router\\x1b[2J" in text


def test_capacity_counts_the_allocation_ratio() -> None:
    assert share(NODE, "vcpus") == (8.0, 16.0)
    assert bar(8, 16, 10) == "█████░░░░░"
    assert bar(1, 0, 4) == "────"


async def test_disabling_a_service_asks_why(
    make_app: Callable[..., TuinovaApp], service: FakeService, until: Callable[..., Any]
) -> None:
    app = make_app()
    async with app.run_test(size=(80, 24)) as pilot:
        await open_room(app, pilot, until, "5")
        await pilot.press("d")
        await until(pilot, lambda: isinstance(app.screen, ReasonScreen))
        await pilot.press(*"disk", "enter")
        await until(pilot, lambda: bool(asked(service, "services")))
    assert asked(service, "services") == [("set", ("s-1", {"status": "disabled", "disabled_reason": "disk"}))]


async def test_a_new_key_pair_s_private_key_is_shown_once_and_saved_for_the_owner_only(
    make_app: Callable[..., TuinovaApp], service: FakeService, until: Callable[..., Any], tmp_path: Path
) -> None:
    app = make_app()
    async with app.run_test(size=(80, 24)) as pilot:
        await open_room(app, pilot, until, "6")
        await pilot.press("n")
        await until(pilot, lambda: isinstance(app.screen, NewKeyScreen))
        await pilot.press(*"mine", "enter")
        await until(pilot, lambda: isinstance(app.screen, PrivateKeyScreen))
        private = app.screen.query_one(TextArea).text
        app.screen.query_one("#path", Input).value = str(tmp_path / "key")
        app.screen.query_one("#save").press()
        await until(pilot, lambda: (tmp_path / "key").exists())
    assert (tmp_path / "key").read_text() == private
    assert (tmp_path / "key").stat().st_mode & 0o777 == 0o600
    ((verb, (body,)),) = asked(service, "keypairs")
    assert (verb, body["name"], body["public_key"].split()[0]) == ("create", "mine", "ssh-ed25519")
    assert private not in str(service.requests)


@pytest.mark.parametrize(
    ("text", "kind"), [("ssh-ed25519 AAAA me", "ssh"), ("-----BEGIN CERTIFICATE-----\nAAAA", "x509")]
)
async def test_what_is_imported_is_a_key_or_a_certificate(
    make_app: Callable[..., TuinovaApp],
    service: FakeService,
    until: Callable[..., Any],
    tmp_path: Path,
    text: str,
    kind: str,
) -> None:
    (tmp_path / "key").write_text(text)
    app = make_app()
    async with app.run_test(size=(80, 24)) as pilot:
        await open_room(app, pilot, until, "6")
        await pilot.press("i")
        await until(pilot, lambda: isinstance(app.screen, NewKeyScreen))
        app.screen.query_one("#key", TextArea).text = f"@{tmp_path / 'key'}"
        await pilot.press(*"mine", "enter")
        await until(pilot, lambda: bool(asked(service, "keypairs")))
    assert asked(service, "keypairs") == [("create", ({"name": "mine", "type": kind, "public_key": text},))]


async def test_an_image_is_made_from_a_file_whose_format_is_seen(
    make_app: Callable[..., TuinovaApp], service: FakeService, until: Callable[..., Any], tmp_path: Path
) -> None:
    disk = tmp_path / "disk-one.img"
    disk.write_bytes(b"QFI\xfb" + bytes(100))
    app = make_app()
    async with app.run_test(size=(80, 24)) as pilot:
        await open_room(app, pilot, until, "3")
        await pilot.press("n")
        await until(pilot, lambda: isinstance(app.screen, ImageForm))
        form = app.screen
        form.query_one("#file", Input).value = str(disk)
        await until(pilot, lambda: form.query_one("#name", Input).value == "disk-one")
        assert form.query_one("#format", Input).value == "qcow2"
        await pilot.press("ctrl+s")
        await until(pilot, lambda: not isinstance(app.screen, ImageForm))
    (create, (body,)), (upload, arguments) = asked(service, "images")
    assert (create, body["disk_format"], body["container_format"], upload) == ("create", "qcow2", "bare", "upload")
    assert arguments[0] == "i-2"


async def test_a_refused_upload_leaves_no_image_and_says_why(
    make_app: Callable[..., TuinovaApp], service: FakeService, until: Callable[..., Any], tmp_path: Path
) -> None:
    disk = tmp_path / "x.img"
    disk.write_bytes(b"x")
    service.refusals["images.upload"] = ApiError(400, "Image i-2 is unacceptable: it has a backing file", "req-b")
    app = make_app()
    async with app.run_test(size=(80, 24)) as pilot:
        await open_room(app, pilot, until, "3")
        await pilot.press("n")
        await until(pilot, lambda: isinstance(app.screen, ImageForm))
        app.screen.query_one("#file", Input).value = str(disk)
        await until(pilot, lambda: app.screen.query_one("#name", Input).value == "x")
        await pilot.press("ctrl+s")
        await until(pilot, lambda: "backing file" in str(app.screen.query_one("#problem").render()))
    assert asked(service, "images")[-1] == ("delete", ("i-2",))


async def test_an_edit_sends_only_what_differs(
    make_app: Callable[..., TuinovaApp], service: FakeService, until: Callable[..., Any]
) -> None:
    app = make_app()
    async with app.run_test(size=(80, 24)) as pilot:
        await open_room(app, pilot, until, "3")
        await pilot.press("e")
        await until(pilot, lambda: isinstance(app.screen, ImageForm))
        app.screen.query_one("#min_ram", Input).value = "128"
        app.screen.query_one("#properties", TextArea).text = "os_distro=debian"
        await pilot.press("ctrl+s")
        await until(pilot, lambda: bool(asked(service, "images")))
    calls = [call for name, verb, call in service.requests if (name, verb) == ("images", "update")]
    assert calls == [(("i-1",), {"min_ram": 128, "os_distro": "debian", "hw_disk_bus": None})]


async def test_a_list_that_the_role_may_not_see_says_so_in_its_place(
    make_app: Callable[..., TuinovaApp], monkeypatch: pytest.MonkeyPatch, until: Callable[..., Any]
) -> None:
    def refuse(_self: Any) -> Any:
        raise ApiError(403, "Policy doesn't allow os_compute_api:os-hypervisors:list to be performed.", "req-p")

    monkeypatch.setattr("fake_client.FakeResource.rows", refuse)
    app = make_app()
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: app.state == "ready")
        await pilot.press("4")
        await until(pilot, lambda: isinstance(app.main.view, ListRoom) and bool(app.main.view.table.problem))
        room = app.main.view
        text = "\n".join(room.table.render_line(y).text for y in range(room.table.size.height))
        assert "Policy doesn't allow" in text


async def test_deleting_an_image_asks_for_its_name(
    make_app: Callable[..., TuinovaApp], service: FakeService, until: Callable[..., Any]
) -> None:
    app = make_app()
    async with app.run_test(size=(80, 24)) as pilot:
        await open_room(app, pilot, until, "3")
        await pilot.press("D")
        await until(pilot, lambda: isinstance(app.screen, TypeNameScreen))
        await pilot.press("escape")
        assert asked(service, "images") == []


def test_formats_and_sizes(tmp_path: Path) -> None:
    iso = tmp_path / "a.iso"
    iso.write_bytes(bytes(32769) + b"CD001")
    assert guess_format(iso) == "iso"
    assert size_text(3 << 20) == "3.0 MiB"
    assert size_text(None) == ""


def test_facts_stand_in_columns_also_with_double_width_labels() -> None:
    lines = facts([("ID", "1"), ("最小磁盘", "2"), ("名称 Name", "3")])
    assert {cell_len(line[0][0]) for line in lines} == {18}
