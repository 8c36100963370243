"""The launch wizard asks for exactly what its command would, and shows a refusal on the page where it belongs."""

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
from tuinova.screens.launch.draft import Draft
from tuinova.screens.launch.gauges import gauges, too_small
from tuinova.screens.launch.offers import Offers
from tuinova.screens.launch.request import PASSWORD_WORD, LaunchRequest, Named, Source
from tuinova.screens.launch.wizard import PAGES, LaunchScreen, problem_of
from tuinova.screens.widgets.pick_list import PickList

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
NET_A = {"id": "net-a", "name": "front", "tuinova:mode": "nat"}
NET_B = {"id": "net-b", "name": "back", "tuinova:mode": "isolated"}
OUTSIDE = {"id": "net-x", "name": "outside", "router:external": True}
PORT = {
    "id": "port-1",
    "name": "kept",
    "network_id": "net-b",
    "mac_address": "fa:16:3e:00:00:01",
    "fixed_ips": [{"ip_address": "10.2.0.9", "subnet_id": "s-b"}],
    "device_id": "",
}
DEFAULT = {"id": "sg-default", "name": "default", "security_group_rules": [{}, {}]}
WEB = {"id": "sg-web", "name": "web", "security_group_rules": [{}]}
VOLUME = {"id": "vol-1", "name": "rooted", "status": "available", "bootable": "true", "size": 2}
SNAPSHOT = {"id": "snap-1", "name": "kept-state", "status": "available", "size": 2}
GROUP = {"id": "g-1", "name": "apart", "policy": "anti-affinity", "members": []}


@pytest.fixture
def service(service: FakeService) -> FakeService:
    """With something of everything that a server is made of."""
    service.resources |= {
        "images": [IMAGE],
        "flavors": [TINY, NANO, MICRO],
        "keypairs": [{"id": "operator", "name": "operator", "fingerprint": "aa:bb"}],
        "networks": [NET_A, NET_B, OUTSIDE],
        "subnets": [{"id": "s-a", "network_id": "net-a", "cidr": "10.1.0.0/24"}],
        "ports": [PORT, {**PORT, "id": "port-2", "device_id": "somebody"}],
        "security_groups": [DEFAULT, WEB],
        "volumes": [VOLUME, {**VOLUME, "id": "vol-2", "status": "in-use"}],
        "volume_snapshots": [SNAPSHOT],
        "server_groups": [GROUP],
    }
    service.limits = {
        "maxTotalInstances": 10,
        "totalInstancesUsed": 9,
        "maxTotalCores": 20,
        "totalCoresUsed": 9,
        "maxTotalRAMSize": 51200,
        "totalRAMUsed": 4096,
    }
    return service


async def opened(app: TuinovaApp, pilot: Any, until: Callable[..., Any]) -> LaunchScreen:
    await until(pilot, lambda: app.state == "ready")
    await pilot.press("n")
    await until(pilot, lambda: isinstance(app.screen, LaunchScreen) and app.screen.ready)
    assert isinstance(app.screen, LaunchScreen)
    return app.screen


async def turned(wizard: LaunchScreen, pilot: Any, until: Callable[..., Any], name: str) -> None:
    """A page opened by its id, and drawn."""
    wizard.open_page(next(page for page in PAGES if page.id == name))
    await until(pilot, lambda: wizard.page.id == name and wizard._steps[name].has_class("-shown"))
    await pilot.pause()


def gauge_text(app: TuinovaApp) -> str:
    lines = app.screen.query("DetailsStep .gauge").results(TextLine)
    return "\n".join(str(line.render()) for line in lines)


def test_the_wizard_has_the_eleven_pages_of_nova_s_dashboard_and_a_review() -> None:
    assert [page.label for page in PAGES] == [
        "Details",
        "Source",
        "Flavor",
        "Networks",
        "Network Ports",
        "Security Groups",
        "Key Pair",
        "Configuration",
        "Server Groups",
        "Scheduler Hints",
        "Metadata",
        "Review",
    ]


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (200, 60)])
async def test_a_name_is_enough_to_launch(
    size: tuple[int, int], make_app: Callable[..., TuinovaApp], service: FakeService, until: Callable[..., Any]
) -> None:
    app = make_app()
    async with app.run_test(size=size) as pilot:
        await opened(app, pilot, until)
        await pilot.press(*"vm9", "ctrl+s")
        await until(pilot, lambda: bool(service.created))
        await until(pilot, lambda: not isinstance(app.screen, LaunchScreen))
    server = service.created[0]["server"]
    assert (server["name"], server["imageRef"], server["flavorRef"]) == ("vm9", "img-1", "84")
    assert server["networks"] == "auto"
    assert "security_groups" not in server


@pytest.mark.parametrize("size", [(80, 24), (200, 60)])
async def test_every_page_is_reached_by_the_next_key_and_shows_its_first_field(
    size: tuple[int, int], make_app: Callable[..., TuinovaApp], until: Callable[..., Any]
) -> None:
    app = make_app()
    async with app.run_test(size=size) as pilot:
        wizard = await opened(app, pilot, until)
        for page in PAGES:
            await until(pilot, lambda page=page: wizard.page is page)  # type: ignore[misc]
            await pilot.pause()
            step = wizard._steps[page.id]
            first = step.query_one(f"#{step.FIRST}")
            assert first.region.height > 0, page.id
            assert wizard.query_one("#buttons").region.bottom <= size[1]
            await pilot.press("ctrl+n")
        await pilot.press("ctrl+b")
        await until(pilot, lambda: wizard.page is PAGES[-2])


async def test_flavors_that_can_t_carry_the_image_are_greyed_with_the_reason() -> None:
    assert too_small(NANO, IMAGE) == "needs 96 MB RAM"
    assert too_small(MICRO, IMAGE) == ""
    assert too_small(TINY, {**IMAGE, "virtual_size": 2 << 30}) == "the image is larger than its disk"
    assert too_small(TINY, {**IMAGE, "virtual_size": 2 << 30}, on_volume=True) == ""


async def test_the_gauge_counts_the_request_and_warns_when_it_does_not_fit(
    make_app: Callable[..., TuinovaApp], until: Callable[..., Any]
) -> None:
    app = make_app()
    async with app.run_test(size=(120, 40)) as pilot:
        wizard = await opened(app, pilot, until)
        assert "9 used + 1 of max 10, 0 left" in gauge_text(app)
        app.screen.query_one("#count", Input).value = "3"
        await until(pilot, lambda: "-2 left" in gauge_text(app))
        assert [gauge.fits for gauge in gauges(wizard.offers.limits, MICRO, 3)] == [False, True, True]


@pytest.mark.parametrize(
    ("text", "page"),
    [
        ("Quota exceeded for instances: Requested 1, but already used 10 of 10 instances", "flavor"),
        ("Flavor's memory is too small for requested image.", "flavor"),
        ("Image 5 is not active.", "source"),
        ("Volume vol-1 could not be found.", "source"),
        ("Network net-a could not be found.", "networks"),
        ("Fixed IP 10.0.0.5 is already in use.", "networks"),
        ("Port port-1 is still in use.", "ports"),
        ("Security group web not found.", "security_groups"),
        ("Invalid key_name provided.", "key_pair"),
        ("User data too large. User data must be no larger than 64KB", "configuration"),
        ("Quota exceeded, too many servers in group", "server_groups"),
        ("Invalid input for field/attribute scheduler_hints. Value: 1.", "hints"),
        ("Maximum number of metadata items exceeds 128", "metadata"),
        ("The requested availability zone is not available", "details"),
        ("Something else", "details"),
    ],
)
def test_a_refusal_belongs_to_the_page_that_it_speaks_of(text: str, page: str) -> None:
    assert problem_of(text).step == page


async def test_a_refusal_opens_its_page_and_the_draft_stays(
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
        wizard = await opened(app, pilot, until)
        await pilot.press(*"x", "ctrl+s")
        await until(pilot, lambda: wizard.page.id == "flavor" and wizard.query("FlavorStep .problem.-shown"))
        line = wizard.query_one("FlavorStep #problem-flavor", TextLine)
        assert "req-q" in str(line.render())
        assert wizard.draft.name == "x"
        assert not wizard.query_one("#launch").disabled


async def test_an_empty_name_is_refused_before_anything_is_sent(
    make_app: Callable[..., TuinovaApp], service: FakeService, until: Callable[..., Any]
) -> None:
    app = make_app()
    async with app.run_test(size=(80, 24)) as pilot:
        wizard = await opened(app, pilot, until)
        await pilot.press("ctrl+n", "ctrl+n", "ctrl+s")
        await until(pilot, lambda: wizard.page.id == "details")
        await until(pilot, lambda: wizard.query_one("#problem-name").has_class("-shown"))
        assert service.created == []
        await pilot.press("a")
        await until(pilot, lambda: not wizard.query_one("#problem-name").has_class("-shown"))


async def test_picking_with_the_filter(make_app: Callable[..., TuinovaApp], until: Callable[..., Any]) -> None:
    app = make_app()
    async with app.run_test(size=(80, 24)) as pilot:
        wizard = await opened(app, pilot, until)
        await turned(wizard, pilot, until, "flavor")
        await pilot.press(*"tiny", "enter")
        assert wizard.draft.flavor == "1"


async def test_networks_keep_the_order_in_which_they_were_taken(
    make_app: Callable[..., TuinovaApp], until: Callable[..., Any]
) -> None:
    app = make_app()
    async with app.run_test(size=(80, 24)) as pilot:
        wizard = await opened(app, pilot, until)
        wizard.draft.name = "two"
        await turned(wizard, pilot, until, "networks")
        picks = wizard.query_one("NetworksStep PickList", PickList)
        assert [offer.id for offer in picks._offers if offer.reason] == ["net-x"]
        await pilot.press(*"front", "enter")
        picks.toggle("net-b")
        await pilot.pause()
        request = wizard.request()
        assert request.body()["server"]["networks"] == [{"uuid": "net-a"}, {"uuid": "net-b"}]
        picks.toggle("net-a")
        picks.toggle("net-a")
        await pilot.pause()
        assert wizard.draft.networks == ["net-b", "net-a"]


async def test_an_image_may_become_a_volume_whose_size_is_proposed(
    make_app: Callable[..., TuinovaApp], service: FakeService, until: Callable[..., Any]
) -> None:
    service.resources["images"] = [{**IMAGE, "virtual_size": 3 << 30}]
    app = make_app()
    async with app.run_test(size=(80, 24)) as pilot:
        wizard = await opened(app, pilot, until)
        wizard.draft.name = "rooted"
        await turned(wizard, pilot, until, "source")
        wizard.query_one("#new_volume", Checkbox).value = True
        await until(pilot, lambda: wizard.draft.new_volume)
        assert wizard.query_one("#volume_gb", Input).value == "3"
        wizard.query_one("#delete_volume", Checkbox).value = True
        await until(pilot, lambda: wizard.draft.delete_volume)
        server = wizard.request().body()["server"]
    assert server["imageRef"] == ""
    assert server["block_device_mapping_v2"] == [
        {
            "uuid": "img-1",
            "boot_index": 0,
            "source_type": "image",
            "destination_type": "volume",
            "volume_size": 3,
            "delete_on_termination": True,
        }
    ]


IMAGED = Source("image", Named("img-1", "tuinova-demo"))
FLAVOR = Named("84", "m1.micro")
FULL = LaunchRequest(
    "it's a $name",
    IMAGED,
    FLAVOR,
    2,
    "two words",
    "nova",
    networks=[Named("net-a", "front"), Named("net-b", "net-b")],
    security_groups=[Named("sg-default", "default"), Named("sg-web", "web")],
    key_name="operator",
    config_drive=True,
    user_data="#!/bin/sh\necho 'hi'\n",
    password="s3 cret",
    server_group=Named("g-1", "apart"),
    properties={"role": "web server"},
    hints={"same_host": "s-1"},
)
REQUESTS = [
    FULL,
    LaunchRequest("-dash", IMAGED, Named("84", "84")),
    LaunchRequest("ported", IMAGED, FLAVOR, ports=[Named("port-1", "kept")], hostname="ported"),
    LaunchRequest("alone", IMAGED, FLAVOR, no_network=True),
    LaunchRequest("made", Source("image", IMAGED.of, 4, True), FLAVOR),
    LaunchRequest("made-kept", Source("image", IMAGED.of, 4), FLAVOR),
    LaunchRequest("rooted", Source("volume", Named("vol-1", "rooted")), FLAVOR),
    LaunchRequest("rooted-gone", Source("volume", Named("vol-1", "rooted"), None, True), FLAVOR),
    LaunchRequest("snapped", Source("snapshot", Named("snap-1", "kept-state")), FLAVOR),
]
KNOWN: dict[str, list[dict[str, Any]]] = {
    "images": [IMAGE],
    "flavors": [MICRO],
    "networks": [NET_A, NET_B],
    "ports": [PORT],
    "security_groups": [DEFAULT, WEB],
    "volumes": [VOLUME],
    "volume_snapshots": [SNAPSHOT],
    "server_groups": [GROUP],
}


class Finding:
    """The part of a client's resource that the command line asks for names."""

    def __init__(self, rows: list[dict[str, Any]]) -> None:
        self._rows = rows

    def find(self, word: str, **_more: Any) -> dict[str, Any]:
        return next(row for row in self._rows if word in (row["id"], row["name"]))


class CommandClient:
    """Takes the body that the command line makes."""

    def __init__(self) -> None:
        self.bodies: list[Any] = []
        self.servers = self
        for name, rows in KNOWN.items():
            setattr(self, name, Finding(rows))

    def create(self, body: Any, **_more: Any) -> Any:
        self.bodies.append(body)
        raise ApiError(400, "seen enough", "req-1")

    def close(self) -> None:
        """Nothing is open."""


def run_by_bash(line: str) -> list[str]:
    """The words that a shell makes of the line."""
    output = subprocess.run(["bash", "-c", f"printf '%s\\0' {line}"], capture_output=True, check=True).stdout
    return output.decode().split("\0")[:-1]


@pytest.mark.parametrize("request_", REQUESTS, ids=[one.name for one in REQUESTS])
def test_the_shown_command_creates_the_same_server(request_: LaunchRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Field by field: a shell reads the line, the command line's own code makes the body."""
    from tuinova.cli import commands, server_create
    from tuinova.cli.main import main

    client = CommandClient()
    monkeypatch.setattr(commands.Session, "client", property(lambda _self: client))
    line = request_.command()
    if request_.user_data:
        # The process substitution is the shell's: what it would let the command read is read here.
        inner = f"echo {request_._encoded()} | base64 -d"
        data = subprocess.run(["bash", "-c", inner], capture_output=True, check=True).stdout
        monkeypatch.setattr(server_create, "read_file", lambda _path, _option: data)
        line = line.replace(f"<({inner})", '"DATA"')
    words = run_by_bash(line)
    assert words[0] == "tuinova"
    assert main(words[1:]) == 1
    wanted = request_.body()
    if request_.password:  # it is typed in the place of the word
        assert request_.password not in line
        wanted["server"]["adminPass"] = PASSWORD_WORD
    assert client.bodies == [wanted]


async def test_every_field_of_the_wizard_is_in_the_request(
    make_app: Callable[..., TuinovaApp], until: Callable[..., Any], tmp_path: Any
) -> None:
    script = tmp_path / "user-data"
    script.write_bytes(b"#!/bin/sh\n\xff\n")
    app = make_app()
    async with app.run_test(size=(120, 40)) as pilot:
        wizard = await opened(app, pilot, until)
        wizard.query_one("#name", Input).value = "full"
        wizard.query_one("#description", Input).value = "words"
        for page, chosen in (
            ("networks", "net-b"),
            ("ports", "port-1"),
            ("security_groups", "sg-web"),
            ("key_pair", "operator"),
            ("server_groups", "g-1"),
        ):
            await turned(wizard, pilot, until, page)
            wizard._steps[page].query_one(PickList).toggle(chosen)
        await turned(wizard, pilot, until, "configuration")
        wizard.query_one("#user_data", TextArea).text = f"@{script}"
        wizard.query_one("#hostname", Input).value = "full-host"
        wizard.query_one("#password", Input).value = "pass"
        await turned(wizard, pilot, until, "hints")
        wizard.query_one("#hints", TextArea).text = "same_host=s"
        await turned(wizard, pilot, until, "metadata")
        wizard.query_one("#properties", TextArea).text = "a=1\nb = two"
        await pilot.pause()
        request = wizard.request()
    assert request is not None
    body = request.body()
    assert body["os:scheduler_hints"] == {"same_host": "s", "group": "g-1"}
    server = body["server"]
    assert server["metadata"] == {"a": "1", "b": "two"}
    assert (server["description"], server["hostname"], server["adminPass"]) == ("words", "full-host", "pass")
    assert server["networks"] == [{"uuid": "net-b"}, {"port": "port-1"}]
    assert server["security_groups"] == [{"name": "sg-default"}, {"name": "sg-web"}]
    assert server["key_name"] == "operator"
    assert server["config_drive"] is True
    assert base64.b64decode(server["user_data"]) == b"#!/bin/sh\n\xff\n"
    assert shlex.split(request.command())[:3] == ["tuinova", "server", "create"]


async def test_the_review_says_what_is_wrong_and_then_the_command(
    make_app: Callable[..., TuinovaApp], until: Callable[..., Any]
) -> None:
    from tuinova.screens.widgets.text_panel import TextPanel

    def words(wizard: LaunchScreen) -> str:
        return wizard.query_one("ReviewStep TextPanel", TextPanel).plain_text()

    app = make_app()
    async with app.run_test(size=(120, 40)) as pilot:
        wizard = await opened(app, pilot, until)
        await turned(wizard, pilot, until, "review")
        assert "A name is needed." in words(wizard)
        wizard.draft.name = "named"
        await turned(wizard, pilot, until, "details")
        await turned(wizard, pilot, until, "review")
        await until(pilot, lambda: "tuinova server create" in words(wizard))
        assert "A name is needed." not in words(wizard)


async def test_a_list_that_is_refused_leaves_the_others_and_says_why(
    make_app: Callable[..., TuinovaApp], service: FakeService, until: Callable[..., Any]
) -> None:
    service.refusals["volumes.list"] = ApiError(503, "No place for volumes.", "req-v")
    app = make_app()
    async with app.run_test(size=(120, 40)) as pilot:
        wizard = await opened(app, pilot, until)
        assert wizard.offers.missing == {"volumes": "No place for volumes."}
        assert wizard.draft.image(wizard.offers) == IMAGE


def test_a_draft_begins_with_what_fits() -> None:
    offers = Offers(images=[IMAGE], flavors=[NANO, MICRO], networks=[NET_A], security_groups=[DEFAULT, WEB])
    draft = Draft(name="x")
    draft.begin(offers)
    assert (draft.flavor, draft.networks, draft.security_groups) == ("84", ["net-a"], ["sg-default"])
    assert draft.request(offers).words() == [
        *("server", "create", "--flavor", "m1.micro", "--image", "tuinova-demo", "--network", "front"),
        "--use-config-drive",
    ]


def test_no_network_and_ports_exclude_each_other() -> None:
    offers = Offers(images=[IMAGE], flavors=[MICRO], ports=[PORT])
    draft = Draft(name="x", no_network=True, ports=["port-1"])
    draft.begin(offers)
    assert [problem.step for problem in draft.problems(offers)] == ["networks"]


async def test_images_to_boot_from_stand_by_name(
    make_app: Callable[..., TuinovaApp], service: FakeService, until: Callable[..., Any]
) -> None:
    service.resources["images"] = [{**IMAGE, "id": f"i-{name}", "name": name} for name in ("b", None, "a")]
    app = make_app()
    async with app.run_test(size=(80, 24)) as pilot:
        wizard = await opened(app, pilot, until)
        assert [image["name"] for image in wizard.offers.images] == ["a", "b", None]
        assert wizard.draft.image(wizard.offers) == wizard.offers.images[0]


async def test_gauges_stand_in_columns_in_chinese(
    make_app: Callable[..., TuinovaApp], until: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TUINOVA_LANG", "zh_CN")
    app = make_app()
    async with app.run_test(size=(100, 30)) as pilot:
        wizard = await opened(app, pilot, until)
        await pilot.pause()
        shown = [str(line.render()) for line in wizard.query("DetailsStep .gauge")]
        assert "实例" in shown[0]
        bars = [re.search("[█▓░─]", line) for line in shown]
        starts = {cell_len(line[: bar.start()]) for line, bar in zip(shown, bars, strict=True) if bar}
        assert len(starts) == 1
