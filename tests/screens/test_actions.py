"""The registry: every action of Nova's table, its legality and its command."""

from __future__ import annotations

import shlex
import subprocess
from importlib import import_module
from typing import Any

import pytest
from fake_client import mixed_servers, server_view
from grammar import assert_parses

from tuinova.core.states import ACTIONS
from tuinova.screens.actions import (
    BY_ID,
    LIKELY,
    PLACE_ACTIONS,
    SERVER_ACTIONS,
    command_line,
    refusal,
    row_action,
)
from tuinova.screens.forms.base import ActionForm
from tuinova.screens.rows import STATUS_LOOK

ADMIN = ("admin", "manager", "member", "reader")
MEMBER = ("member", "reader")
BY_NAME = {row["name"]: row for row in mixed_servers()}


def test_every_row_of_novas_table_is_in_the_menu() -> None:
    looked_at = {"update metadata", "delete metadata", "get_console_output"}  # Edit and View Log
    assert {action.name for action in ACTIONS} - looked_at == {action.nova for action in SERVER_ACTIONS if action.nova}


def test_letters_of_the_menu_and_keys_of_each_place_are_unique() -> None:
    letters = [action.letter for action in SERVER_ACTIONS]
    assert len(letters) == len(set(letters))
    table = [action.key for action in SERVER_ACTIONS if action.key]
    for scope in ("table", "app"):
        table += [
            key for action in PLACE_ACTIONS if action.scope == scope for key in (action.key, *action.alias) if key
        ]
    assert len(table) == len(set(table))


@pytest.mark.parametrize(
    ("action", "server", "roles", "reason"),
    [
        ("start", "vm1", ADMIN, "not while ACTIVE"),
        ("stop", "web-2", ADMIN, "while powering-off runs"),
        ("stop", "vm1", ADMIN, ""),
        ("resume", "archive", MEMBER, "locked: audit"),
        ("resume", "archive", ADMIN, ""),
        ("reset-active", "vm1", MEMBER, "needs the role admin"),
        ("attach-volume", "vm1", ADMIN, ""),
        ("stop", "broken", ADMIN, "has no host yet"),
        ("delete", "broken", ADMIN, ""),
        ("console", "broken", ADMIN, ""),
    ],
)
def test_a_refusal_says_why(action: str, server: str, roles: Any, reason: str) -> None:
    assert refusal(BY_ID[action], BY_NAME[server], roles) == reason


def test_a_server_that_was_never_launched_says_so() -> None:
    row = server_view(1, "half", "stopped", launched=None)
    assert refusal(BY_ID["start"], row, ADMIN) == "was never launched"


@pytest.mark.parametrize("status", STATUS_LOOK)
def test_each_status_has_a_likely_action(status: str) -> None:
    assert row_action({"status": status}).id == LIKELY.get(status, "open")


def test_likely_actions_are_those_of_the_states() -> None:
    expected = {"ACTIVE": "console", "SHUTOFF": "start", "PAUSED": "unpause", "SUSPENDED": "resume"}
    expected |= {"VERIFY_RESIZE": "confirm-resize", "SHELVED": "unshelve", "SHELVED_OFFLOADED": "unshelve"}
    expected |= {"RESCUE": "unrescue", "SOFT_DELETED": "restore"}
    assert {status: row_action({"status": status}).id for status in expected} == expected


def test_commands_survive_a_shell() -> None:
    assert command_line(BY_ID["stop"], "vm1") == "tuinova server stop vm1"
    assert command_line(BY_ID["reboot-hard"], "a b") == "tuinova server reboot --hard 'a b'"
    hostile = "x'; rm -rf / #"
    assert shlex.split(command_line(BY_ID["delete"], hostile)) == ["tuinova", "server", "delete", hostile]
    assert command_line(BY_ID["delete"], "-f") == "tuinova server delete -- -f"
    assert command_line(BY_ID["start"], "a", "b") == "tuinova server start a b"


def test_a_command_that_takes_one_server_stands_in_a_loop_over_several() -> None:
    asked = command_line(BY_ID["resize"], "a b", "-c", options=["--flavor", "m1.x; true"])
    stand_in = 'tuinova() { printf "[%s]" "$@"; echo; }\n'
    done = subprocess.run(["bash", "-c", stand_in + asked], capture_output=True, text=True, check=True)
    words = "[server][resize][--flavor][m1.x; true][--]"
    assert done.stdout.splitlines() == [words + "[a b]", words + "[-c]"]


@pytest.mark.parametrize("action", [action for action in SERVER_ACTIONS if action.form], ids=lambda action: action.id)
def test_each_form_is_there(action: Any) -> None:
    module, _colon, name = action.form.partition(":")
    assert issubclass(getattr(import_module(module), name), ActionForm)


def test_what_is_refused_only_outside_a_task_names_the_task() -> None:
    assert refusal(BY_ID["abort-migration"], BY_NAME["vm1"], ADMIN) == "only while migrating runs"
    moving = server_view(1, "vm1", task_state="migrating")
    assert refusal(BY_ID["abort-migration"], moving, ADMIN) == ""
    assert row_action(moving).id == "abort-migration"


@pytest.mark.parametrize(
    "action", [action for action in SERVER_ACTIONS if action.command], ids=lambda action: action.id
)
def test_the_shown_command_is_one_that_the_command_line_knows(action: Any) -> None:
    assert_parses(shlex.split(command_line(action, "vm1")))
