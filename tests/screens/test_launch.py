"""The launch form asks for exactly what its command would, and shows a refusal where it belongs."""

from __future__ import annotations

import base64
import re
import shlex
import subprocess
from collections.abc import Callable
from typing import Any

import pytest
from fake_client import FakeService
from rich.cells import cell_len
from textual.widgets import Checkbox, Input, TextArea

from tuinova.client import ApiError
from tuinova.screens.app import TuinovaApp
from tuinova.screens.dialogs import TextLine
from tuinova.screens.launch import LaunchScreen, PickField
from tuinova.screens.launch_request import LaunchRequest, gauges, too_small

IMAGE = {
    "id": "img-1",
    "name": "tuinova-demo",
    "status": "active",
    "disk_format": "qcow2",
    "size": 17 << 20,
    "min_ram": 96,
    "min_disk": 0,
    "virtual_size": 64 << 20,
}
NANO = {"id": "42", "name": "m1.nano", "vcpus": 1, "ram": 64, "disk": 0}
MICRO = {"id": "84", "name": "m1.micro", "vcpus": 1, "ram": 128, "disk": 0}
TINY = {"id": "1", "name": "m1.tiny", "vcpus": 1, "ram": 512, "disk": 1}


@pytest.fixture
def service(service: FakeService) -> FakeService:
    """With an image, flavors, a key pair and a quota."""
    service.resources["images"] = [IMAGE]
    service.resources["flavors"] = [TINY, NANO, MICRO]
    service.resources["keypairs"] = [{"name": "operator", "fingerprint": "aa:bb"}]
    service.limits = {
        "maxTotalInstances": 10,
        "totalInstancesUsed": 9,
        "maxTotalCores": 20,
        "totalCoresUsed": 9,
        "maxTotalRAMSize": 51200,
        "totalRAMUsed": 4096,
    }
    return service


def gauge_text(app: TuinovaApp) -> str:
    return "\n".join(str(line.render()) for line in app.screen.query("#gauges TextLine").results(TextLine))


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (200, 60)])
async def test_a_name_is_enough_to_launch(
    size: tuple[int, int], make_app: Callable[..., TuinovaApp], service: FakeService, until: Callable[..., Any]
) -> None:
    app = make_app()
    async with app.run_test(size=size) as pilot:
        await until(pilot, lambda: app.state == "ready")
        await pilot.press("n")
        await until(pilot, lambda: isinstance(app.screen, LaunchScreen) and app.screen.image is not None)
        await pilot.press(*"vm9", "ctrl+s")
        await until(pilot, lambda: bool(service.created))
        await until(pilot, lambda: not isinstance(app.screen, LaunchScreen))
    server = service.created[0]["server"]
    assert (server["name"], server["imageRef"], server["flavorRef"]) == ("vm9", "img-1", "84")


async def test_flavors_that_can_t_carry_the_image_are_greyed_with_the_reason() -> None:
    assert too_small(NANO, IMAGE) == "needs 96 MB RAM"
    assert too_small(MICRO, IMAGE) == ""
    assert too_small(TINY, {**IMAGE, "virtual_size": 2 << 30}) == "the image is larger than its disk"


async def test_the_gauge_counts_the_request_and_warns_when_it_does_not_fit(
    make_app: Callable[..., TuinovaApp], until: Callable[..., Any]
) -> None:
    app = make_app()
    async with app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: app.state == "ready")
        await pilot.press("n")
        await until(pilot, lambda: isinstance(app.screen, LaunchScreen) and app.screen.image is not None)
        assert "9 used + 1 of max 10, 0 left" in gauge_text(app)
        app.screen.query_one("#count", Input).value = "3"
        await until(pilot, lambda: "-2 left" in gauge_text(app))
        assert [gauge.fits for gauge in gauges(app.screen.limits, MICRO, 3)] == [False, True, True]


async def test_a_refusal_stands_at_its_field_and_the_form_stays(
    make_app: Callable[..., TuinovaApp],
    service: FakeService,
    until: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    app = make_app()

    def refuse(_self: Any, _body: Any) -> Any:
        raise ApiError(403, "Quota exceeded for instances: Requested 1, but already used 10 of 10 instances", "req-q")

    monkeypatch.setattr("fake_client.FakeServers.create", refuse)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: app.state == "ready")
        await pilot.press("n")
        await until(pilot, lambda: isinstance(app.screen, LaunchScreen) and app.screen.image is not None)
        await pilot.press(*"x", "ctrl+s")
        line = app.screen.query_one("#problem-flavor", TextLine)
        await until(pilot, lambda: line.has_class("-shown"))
        assert "req-q" in str(line.render())
        assert app.screen.query_one("#name", Input).value == "x"
        assert not app.screen.query_one("#launch").disabled


async def test_an_empty_name_is_refused_before_anything_is_sent(
    make_app: Callable[..., TuinovaApp], service: FakeService, until: Callable[..., Any]
) -> None:
    app = make_app()
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: app.state == "ready")
        await pilot.press("n")
        await until(pilot, lambda: isinstance(app.screen, LaunchScreen) and app.screen.image is not None)
        await pilot.press("ctrl+s")
        await pilot.pause()
        assert app.screen.query_one("#problem-name").has_class("-shown")
        assert service.created == []


async def test_picking_with_the_filter(make_app: Callable[..., TuinovaApp], until: Callable[..., Any]) -> None:
    app = make_app()
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: app.state == "ready")
        await pilot.press("n")
        await until(pilot, lambda: isinstance(app.screen, LaunchScreen) and app.screen.image is not None)
        form = app.screen
        form.query_one("#flavor", PickField).press()
        await pilot.pause()
        await pilot.press(*"tiny", "enter")
        await until(pilot, lambda: app.screen is form)
        assert form.flavor is not None
        assert form.flavor["name"] == "m1.tiny"


FULL = LaunchRequest(
    "it's a $name",
    IMAGE,
    MICRO,
    "tuinova-demo",
    "m1.micro",
    2,
    "nova",
    "operator",
    "two words",
    True,
    "#!/bin/sh\necho 'hi'\n",
    {"role": "web server"},
    {"group": "g-1"},
)


@pytest.mark.parametrize("request_", [FULL, LaunchRequest("-dash", IMAGE, MICRO, "tuinova-demo", "84")])
def test_the_shown_command_creates_the_same_server(request_: LaunchRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Field by field: a shell reads the line, the command line's own code makes the body."""
    from tuinova.cli import commands, server_create
    from tuinova.cli.main import main

    bodies: list[Any] = []

    class Client:
        images = flavors = None

        class servers:
            @staticmethod
            def create(body: Any) -> Any:
                bodies.append(body)
                raise ApiError(400, "seen enough", "req-1")

        def close(self) -> None:
            """Nothing is open."""

    client: Any = Client()
    client.images = type("I", (), {"find": staticmethod(lambda name: {"tuinova-demo": IMAGE}[name])})
    client.flavors = type("F", (), {"find": staticmethod(lambda name: {"m1.micro": MICRO, "84": MICRO}[name])})
    monkeypatch.setattr(commands.Session, "client", property(lambda _self: client))
    if request_.user_data:
        # The process substitution is the shell's: let it write what the command would read.
        monkeypatch.setattr(server_create, "read_file", lambda path, _option: path.encode())
        line = request_.command().replace("<(", "$(")
        words = run_by_bash(line.replace(f"$(echo {request_._encoded()} | base64 -d)", '"DATA"'))
        data = subprocess.run(
            ["bash", "-c", f"echo {request_._encoded()} | base64 -d"], capture_output=True, check=True
        ).stdout
        monkeypatch.setattr(server_create, "read_file", lambda _path, _option: data)
    else:
        words = run_by_bash(request_.command())
    assert words[0] == "tuinova"
    assert main(words[1:]) == 1
    assert bodies == [request_.body()]


def run_by_bash(line: str) -> list[str]:
    """The words that a shell makes of the line."""
    output = subprocess.run(["bash", "-c", f"printf '%s\\0' {line}"], capture_output=True, check=True).stdout
    return output.decode().split("\0")[:-1]


async def test_every_field_of_the_form_is_in_the_request(
    make_app: Callable[..., TuinovaApp], until: Callable[..., Any], tmp_path: Any
) -> None:
    script = tmp_path / "user-data"
    script.write_bytes(b"#!/bin/sh\n\xff\n")
    app = make_app()
    async with app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: app.state == "ready")
        await pilot.press("n")
        await until(pilot, lambda: isinstance(app.screen, LaunchScreen) and app.screen.image is not None)
        form = app.screen
        form.query_one("#name", Input).value = "full"
        form.query_one("#description", Input).value = "words"
        form.query_one("#config_drive", Checkbox).value = True
        form.query_one("#properties", TextArea).text = "a=1\nb = two"
        form.query_one("#hints", TextArea).text = "group=g"
        form.query_one("#user_data", TextArea).text = f"@{script}"
        request = form.request()
        assert request is not None
        body = request.body()
        assert body["os:scheduler_hints"] == {"group": "g"}
        server = body["server"]
        assert server["metadata"] == {"a": "1", "b": "two"}
        assert server["description"] == "words"
        assert server["config_drive"] is True
        assert base64.b64decode(server["user_data"]) == b"#!/bin/sh\n\xff\n"
        assert shlex.split(request.command())[:3] == ["tuinova", "server", "create"]


async def test_what_the_guest_is_to_take_reaches_it_unless_the_drive_is_unticked(
    make_app: Callable[..., TuinovaApp], until: Callable[..., Any]
) -> None:
    """There is no metadata service: host name, keys and user data travel on the config drive alone."""
    app = make_app()
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: app.state == "ready")
        await pilot.press("n")
        await until(pilot, lambda: isinstance(app.screen, LaunchScreen) and app.screen.image is not None)
        form = app.screen
        form.query_one("#name", Input).value = "keyed"
        request = form.request()
        assert request is not None
        assert "--use-config-drive" in request.command()
        form.query_one("#config_drive", Checkbox).value = False
        request = form.request()
        assert request is not None
        assert "--use-config-drive" not in request.command()


async def test_images_to_boot_from_stand_by_name(
    make_app: Callable[..., TuinovaApp], service: FakeService, until: Callable[..., Any]
) -> None:
    service.resources["images"] = [{**IMAGE, "id": f"i-{name}", "name": name} for name in ("b", None, "a")]
    app = make_app()
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: app.state == "ready")
        await pilot.press("n")
        await until(pilot, lambda: isinstance(app.screen, LaunchScreen) and app.screen.image is not None)
        assert [image["name"] for image in app.screen.images] == ["a", "b", None]
        assert app.screen.image == app.screen.images[0]


async def test_gauges_stand_in_columns_in_chinese(
    make_app: Callable[..., TuinovaApp], until: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TUINOVA_LANG", "zh_CN")
    app = make_app()
    async with app.run_test(size=(100, 30)) as pilot:
        await until(pilot, lambda: app.state == "ready")
        await pilot.press("n")
        await until(pilot, lambda: isinstance(app.screen, LaunchScreen) and app.screen.image is not None)
        shown = [str(line.render()) for line in app.screen.query(".gauge")]
        assert "实例" in shown[0]
        bars = [re.search("[█▓░─]", line) for line in shown]
        starts = {cell_len(line[: bar.start()]) for line, bar in zip(shown, bars, strict=True) if bar}
        assert len(starts) == 1
