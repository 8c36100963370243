"""The dialogs of actions that ask more than yes or no: what they send, what they show, what stays in them."""

from __future__ import annotations

import shlex
from typing import Any

import pytest
from fake_client import MADE_PASSWORD, FakeService, uuid_of
from grammar import assert_parses
from story import catalogue
from test_walk import screen_text
from textual.widgets import Input, OptionList

from tuinova.client import ApiError
from tuinova.screens.confirm import ConfirmScreen
from tuinova.screens.forms.base import ActionForm
from tuinova.screens.forms.password import PasswordScreen
from tuinova.screens.results import ResultsScreen
from tuinova.screens.widgets.text_panel import TextPanel

SIZES = [(80, 24), (120, 40), (200, 60)]
FORMS = {
    "z": "Resize Instance",
    "m": "Migrate Instance",
    "M": "Live Migrate Instance",
    "aV": "Evacuate Instance",
    "ai": "Rebuild Instance",
    "aq": "Rescue Instance",
    "an": "Create Snapshot",
    "aN": "Create Backup",
    "aP": "Change Password",
}


@pytest.fixture(autouse=True)
def offers(service: FakeService) -> None:
    """Flavors, images and hosts to choose from."""
    catalogue(service)


def sent(service: FakeService) -> list[tuple[str, str, Any]]:
    """What reached the service about servers."""
    return [request for request in service.requests if request[0] in service.servers]


def command(app: Any) -> str:
    """The command that the dialog shows, which the command line takes."""
    if len(app.screen.legal) == 1:
        assert_parses(shlex.split(app.screen.command(app.screen.options())))
    return next(line.split("│ ")[1].strip(" │") for line in screen_text(app).splitlines() if "│ $ " in line)


@pytest.fixture
def opened(make_app: Any, until: Any) -> Any:
    """Open a dialog on the server under the cursor: `async with opened(keys, size) as (app, pilot)`."""
    from contextlib import asynccontextmanager

    @asynccontextmanager
    async def enter(*keys: str, size: tuple[int, int] = (80, 24), **options: Any) -> Any:
        app = make_app(**options)
        async with app.run_test(size=size) as pilot:
            await until(pilot, lambda: app.state == "ready")
            await pilot.press(*keys)
            await until(pilot, lambda: isinstance(app.screen, ActionForm))
            await pilot.pause(0.1)
            yield app, pilot

    return enter


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("keys", FORMS)
async def test_each_names_the_server_shows_its_command_and_cancels_by_itself(
    opened: Any, service: FakeService, until: Any, keys: str, size: Any
) -> None:
    async with opened(*keys, size=size) as (app, pilot):
        text = screen_text(app)
        assert FORMS[keys] in text
        assert "vm1" in text
        assert command(app).startswith("$ tuinova server ")
        assert "Cancel" in text  # the buttons are in sight at any size
        for _press in range(12):  # Enter alone never does it: after the fields comes Cancel
            if not isinstance(app.screen, ActionForm):
                break
            if app.screen.focused is not None and app.screen.focused.id in ("host", "image", "key"):
                await pilot.press("down")  # fields that would open their list
            await pilot.press("enter")
            await pilot.pause()
        if isinstance(app.screen, ActionForm):  # a text of several lines takes Enter for itself
            await pilot.press("escape")
        await until(pilot, lambda: app.screen is app.main)
        assert sent(service) == []


async def test_resize_sends_the_flavor_under_the_cursor(opened: Any, service: FakeService, until: Any) -> None:
    async with opened("z") as (app, pilot):
        assert app.screen.flavor["name"] == "m1.tiny"  # the next larger one
        await pilot.press("down")
        await until(pilot, lambda: app.screen.flavor["name"] == "m1.small")
        assert command(app) == "$ tuinova server resize --flavor m1.small vm1"
        shown = app.screen.query_one("#compare", TextPanel).plain_text()
        assert "+1920" in shown
        assert "+20" in shown
        await pilot.press("enter", "tab", "enter")
        await until(pilot, lambda: sent(service) == [(uuid_of(1), "resize", {"flavorRef": "2"})])
        await until(pilot, lambda: app.screen is app.main and "resize_prep" in screen_text(app))


async def test_the_flavor_list_says_what_nova_refuses_and_what_will_be_rolled_back(
    opened: Any, service: FakeService
) -> None:
    old = {"id": "3", "name": "m1.medium", "vcpus": 2, "ram": 4096, "disk": 40, "ephemeral": 0, "swap": 0}
    service.servers[uuid_of(1)]["flavor"] = old
    async with opened("z", size=(120, 40)) as (app, _pilot):
        listed = app.screen.query_one("#flavors", OptionList)
        lines = {option.id: (str(option.prompt), option.disabled) for option in listed.options}
        assert "no resize to a zero disk" in lines["84"][0]
        assert lines["84"][1]
        assert "its flavor now" in lines["3"][0]
        assert lines["3"][1]
        assert "smaller disk: it will be rolled back" in lines["2"][0]
        assert not lines["2"][1]
        assert lines["4"] == (lines["4"][0], False)
        assert "rolled" not in lines["4"][0]


async def test_typing_narrows_the_flavors(opened: Any, service: FakeService, until: Any) -> None:
    async with opened("z") as (app, pilot):
        await pilot.press(*"large")
        await until(pilot, lambda: app.screen.flavor and app.screen.flavor["name"] == "m1.large")
        assert app.screen.query_one("#flavors", OptionList).option_count == 1
        await pilot.press(*"xyz")
        await until(pilot, lambda: app.screen.flavor is None)
        await pilot.press("ctrl+s")
        await pilot.pause()
        assert "A flavor is needed." in screen_text(app)
        assert sent(service) == []


async def test_migrate_lets_the_scheduler_choose_or_names_a_host(opened: Any, service: FakeService, until: Any) -> None:
    async with opened("m") as (app, pilot):
        await pilot.press("up", "enter")  # from Cancel to the host
        await until(pilot, lambda: "it is there now" in screen_text(app))
        text = screen_text(app)
        assert "disabled" in text
        assert "down" in text
        await pilot.press(*"host-2", "enter")
        await until(pilot, lambda: "--host kvm-host-2" in screen_text(app))
        command(app)
        await pilot.press("down", "y")
        await until(pilot, lambda: sent(service) == [(uuid_of(1), "migrate", {"host": "kvm-host-2"})])
    service.requests.clear()
    async with opened("down", "m") as (_app, pilot):
        await pilot.press("y")
        await until(pilot, lambda: sent(service) == [(uuid_of(2), "migrate", None)])


async def test_live_migration_says_whether_disks_are_copied(opened: Any, service: FakeService, until: Any) -> None:
    async with opened("M") as (app, pilot):
        assert command(app) == "$ tuinova server migrate --live-migration vm1"
        await pilot.press("up", "right")
        await until(pilot, lambda: "--block-migration vm1" in screen_text(app))
        await pilot.press("right")
        await until(pilot, lambda: "--shared-migration vm1" in screen_text(app))
        command(app)
        await pilot.press("left", "left", "down", "y")
        wanted = {"host": None, "block_migration": "auto"}
        await until(pilot, lambda: sent(service) == [(uuid_of(1), "os-migrateLive", wanted)])


async def test_the_choice_is_made_with_the_mouse_too(opened: Any, service: FakeService, until: Any) -> None:
    async with opened("M") as (app, pilot):
        await pilot.click("#block", offset=(19, 0))
        await until(pilot, lambda: "--block-migration vm1" in screen_text(app))
        await pilot.click("#send")
        await until(pilot, lambda: sent(service)[0][2] == {"host": None, "block_migration": True})


async def test_a_member_reads_that_only_an_admin_names_a_host(opened: Any, service: FakeService) -> None:
    service.refusals["hypervisors.list"] = ApiError(403, "Policy doesn't allow it.", "req-403")
    async with opened("m") as (app, _pilot):
        assert "an admin may name one" in screen_text(app)
        assert app.screen.query_one("#host").disabled


async def test_evacuate_warns_while_the_host_is_up(opened: Any, service: FakeService, until: Any) -> None:
    async with opened("a", "V") as (app, pilot):
        assert "kvm-host-1 is up" in screen_text(app)
        await pilot.press("up", *"secret")
        await until(pilot, lambda: "--password PASSWORD" in screen_text(app))
        command(app)
        assert "secret" not in screen_text(app)
        service.refusals[uuid_of(1)] = ApiError(400, "Compute service of kvm-host-1 is still in use.", "req-9")
        await pilot.press("ctrl+s")
        await until(pilot, lambda: "req-9" in screen_text(app))
        assert isinstance(app.screen, ActionForm)  # nothing of the form is lost
        assert app.screen.query_one("#password", Input).value == "secret"
        del service.refusals[uuid_of(1)]
        await pilot.press("ctrl+s")
        await until(pilot, lambda: app.screen is app.main)
        assert sent(service)[-1] == (uuid_of(1), "evacuate", {"adminPass": "secret"})


async def test_rebuild_sends_the_image_and_what_was_edited(opened: Any, service: FakeService, until: Any) -> None:
    async with opened("down", "a", "i", size=(120, 40)) as (app, pilot):
        app.screen.query_one("#name", Input).value = "web-9"
        app.screen.query_one("#key").press()
        await pilot.pause()
        await pilot.press(*"none", "enter")
        await until(pilot, lambda: "--no-key-name" in screen_text(app))
        assert command(app) == "$ tuinova server rebuild --name web-9 --no-key-name web-1"
        await pilot.press("ctrl+s")
        wanted = {"imageRef": "img-1", "name": "web-9", "key_name": None}
        await until(pilot, lambda: sent(service) == [(uuid_of(2), "rebuild", wanted)])


async def test_rebuild_replaces_the_properties_only_when_they_were_edited(
    opened: Any, service: FakeService, until: Any
) -> None:
    async with opened("down", "a", "i", size=(120, 40)) as (app, pilot):
        app.screen.query_one("#properties").text = "role=db"
        await until(pilot, lambda: "--property role=db" in screen_text(app))
        command(app)
        app.screen.query_one("#properties").text = "no equals"
        await pilot.press("ctrl+s")
        await until(pilot, lambda: "key=value is expected" in screen_text(app))
        app.screen.query_one("#properties").text = ""
        await pilot.press("ctrl+s")
        await until(pilot, lambda: sent(service) == [(uuid_of(2), "rebuild", {"imageRef": "img-1", "metadata": {}})])


async def test_rescue_shows_the_password_once_and_copies_it(opened: Any, service: FakeService, until: Any) -> None:
    async with opened("a", "q") as (app, pilot):
        app.screen.query_one("#image").press()
        await pilot.pause()
        assert "uec-kernel" not in screen_text(app)  # a kernel is no image to boot
        await pilot.press(*"rescue", "enter")
        await until(pilot, lambda: "--image rescue-disk" in screen_text(app))
        command(app)
        await pilot.press("ctrl+s")
        await until(pilot, lambda: isinstance(app.screen, PasswordScreen))
        assert sent(service) == [(uuid_of(1), "rescue", {"rescue_image_ref": "img-2"})]
        assert MADE_PASSWORD in screen_text(app)
        await pilot.press("enter")  # the default copies; it does not close what can't be had again
        await until(pilot, lambda: app.clipboard == MADE_PASSWORD)
        await pilot.press("escape")
        await until(pilot, lambda: app.screen is app.main)


async def test_a_password_that_was_typed_is_not_shown_again(opened: Any, service: FakeService, until: Any) -> None:
    async with opened("a", "q") as (app, pilot):
        await pilot.press("up", *"s3cret", "ctrl+s")
        await until(pilot, lambda: sent(service) == [(uuid_of(1), "rescue", {"adminPass": "s3cret"})])
        await until(pilot, lambda: app.screen is app.main)
        assert "s3cret" not in screen_text(app)


async def test_the_passwords_of_many_are_listed(opened: Any, service: FakeService, until: Any) -> None:
    async with opened("space", "space", "a", "q") as (app, pilot):
        await pilot.press("y")
        await until(pilot, lambda: isinstance(app.screen, PasswordScreen))
        shown = app.screen.query_one(TextPanel).plain_text()
        assert "vm1" in shown
        assert "web-1" in shown
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(app.screen, ResultsScreen))


async def test_a_password_is_typed_twice_and_never_shown(opened: Any, service: FakeService, until: Any) -> None:
    async with opened("a", "P") as (app, pilot):
        await pilot.press("ctrl+s")
        await until(pilot, lambda: "A password is needed." in screen_text(app))
        await pilot.press(*"s3cret", "enter", *"s3creT", "ctrl+s")
        await until(pilot, lambda: "The two are not the same." in screen_text(app))
        assert sent(service) == []
        await pilot.press("backspace", "t")
        text = screen_text(app)
        assert "s3cret" not in text
        assert "tuinova server set --password PASSWORD vm1" in text
        await pilot.press("ctrl+s")
        await until(pilot, lambda: sent(service) == [(uuid_of(1), "changePassword", {"adminPass": "s3cret"})])
        await until(pilot, lambda: app.screen is app.main)
        assert all("s3cret" not in note.message for note in app._notifications)


async def test_an_image_of_each_of_many_servers_has_its_name(opened: Any, service: FakeService, until: Any) -> None:
    async with opened("space", "space", "a", "n", size=(120, 40)) as (app, pilot):
        assert "{name}-snapshot" in screen_text(app)
        assert command(app).startswith("$ for server in vm1 web-1; do tuinova server image create")
        await pilot.press("ctrl+s")
        await until(pilot, lambda: isinstance(app.screen, ResultsScreen))
        assert [body["name"] for _ident, _key, body in sent(service)] == ["vm1-snapshot", "web-1-snapshot"]


async def test_a_backup_says_what_rotation_does(opened: Any, service: FakeService, until: Any) -> None:
    async with opened("a", "N") as (app, pilot):
        field = app.screen.query_one("#rotation", Input)
        field.value = "0"
        await until(pilot, lambda: "the new one too" in screen_text(app))
        field.value = ""
        await pilot.press("ctrl+s")
        await until(pilot, lambda: "A whole number from 0 on is needed." in screen_text(app))
        field.value = "7"
        await pilot.press("ctrl+s")
        wanted = {"name": "vm1-backup", "backup_type": "daily", "rotation": 7}
        await until(pilot, lambda: sent(service) == [(uuid_of(1), "createBackup", wanted)])


async def test_unshelve_goes_at_once_by_its_key_and_to_a_place_by_the_menu(
    opened: Any, make_app: Any, service: FakeService, until: Any
) -> None:
    async with opened(*["down"] * 9, "a", "H") as (app, pilot):
        app.screen.query_one("#zone").press()
        await pilot.pause()
        await pilot.press(*"nova", "enter")
        await until(pilot, lambda: "--availability-zone nova" in screen_text(app))
        app.screen.take_host("kvm-host-2")
        app.screen.changed()
        command(app)
        app.screen.take_host("")
        await pilot.press("ctrl+s")
        await until(pilot, lambda: sent(service) == [(uuid_of(10), "unshelve", {"availability_zone": "nova"})])
    service.requests.clear()
    service.change(uuid_of(10), task_state=None)
    app = make_app()
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: app.state == "ready")
        await pilot.press(*["down"] * 9)
        await until(pilot, lambda: "x Unshelve" in screen_text(app))
        await pilot.press("x")
        await until(pilot, lambda: sent(service) == [(uuid_of(10), "unshelve", None)])


async def test_only_an_offloaded_server_takes_a_place(opened: Any, service: FakeService, until: Any) -> None:
    service.change(uuid_of(10), vm_state="shelved")
    async with opened(*["down"] * 9, "a", "H") as (app, pilot):
        app.screen.take_host("kvm-host-2")
        await pilot.press("ctrl+s")
        await until(pilot, lambda: "is still on its host" in " ".join(screen_text(app).split()))
        assert sent(service) == []


async def test_the_likely_key_confirms_a_resize_after_asking(make_app: Any, service: FakeService, until: Any) -> None:
    app = make_app()
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: app.state == "ready")
        await pilot.press(*["down"] * 8)
        await until(pilot, lambda: "x Confirm Resize" in screen_text(app))
        await pilot.press("x")
        await until(pilot, lambda: isinstance(app.screen, ConfirmScreen))
        assert "tuinova server resize confirm resized" in screen_text(app)
        await pilot.press("y")
        await until(pilot, lambda: sent(service) == [(uuid_of(9), "confirmResize", None)])


async def test_a_running_live_migration_is_aborted_by_the_likely_key(
    opened: Any, service: FakeService, until: Any
) -> None:
    memory = {"what": "memory", "done": 512 << 20, "total": 1 << 30}
    service.change(uuid_of(2), task_state="migrating", task_progress=memory)
    async with opened("down", "x") as (app, pilot):
        await until(pilot, lambda: "tuinova server migration abort web-1 9" in screen_text(app))
        text = screen_text(app)
        assert "from kvm-host-1 to kvm-host-2: running" in text
        assert "50%  memory: 512 MiB of 1.0 GiB" in text
        service.change(uuid_of(2), task_progress={**memory, "done": 768 << 20})
        await until(pilot, lambda: "75%  memory" in screen_text(app))  # it goes on while the question stands
        await pilot.press("y")
        await until(pilot, lambda: sent(service) == [(uuid_of(2), "abort", 9)])


async def test_a_migration_that_ended_meanwhile_is_said(opened: Any, service: FakeService, until: Any) -> None:
    service.change(uuid_of(2), task_state="migrating")
    async with opened("down", "a", "C") as (app, pilot):
        service.resources["migrations"][0]["status"] = "completed"
        service.change(uuid_of(2), task_state=None)
        await until(pilot, lambda: "It is over." in screen_text(app))
        await pilot.press("y")
        await until(pilot, lambda: "web-1 has no live migration that runs." in screen_text(app))
        assert sent(service) == []


async def test_many_servers_get_a_result_each(opened: Any, service: FakeService, until: Any) -> None:
    service.refusals[uuid_of(2)] = ApiError(400, "When resizing, instances must change flavor!", "req-5")
    async with opened("space", "space", "space", "z", size=(120, 40)) as (app, pilot):
        assert "left out: while powering-off runs" in screen_text(app)
        await pilot.press("ctrl+s")
        await until(pilot, lambda: isinstance(app.screen, ResultsScreen))
        result = app.screen.query_one(TextPanel).plain_text()
        assert "must change flavor! (HTTP 400) (Request-ID: req-5)" in result
        assert "vm1  accepted" in result
        assert len(sent(service)) == 2


async def test_an_answer_that_comes_after_esc_is_told_all_the_same(
    opened: Any, service: FakeService, until: Any
) -> None:
    service.refusals[uuid_of(1)] = ApiError(409, "Instance is locked", "req-8")
    async with opened("m") as (app, pilot):
        form = app.screen
        await pilot.press("escape")
        await until(pilot, lambda: app.screen is app.main)
        from tuinova.screens.outcome import Outcome

        form._sent([Outcome(uuid_of(1), "vm1", False, "Instance is locked (HTTP 409) (Request-ID: req-8)")])
        await until(pilot, lambda: any("req-8" in note.message for note in app._notifications))


async def test_read_only_opens_none_of_them(make_app: Any, service: FakeService, until: Any) -> None:
    app = make_app(read_only=True)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: app.state == "ready")
        for key in ("z", "m", "M"):
            await pilot.press(key)
            await pilot.pause()
            assert app.screen is app.main
