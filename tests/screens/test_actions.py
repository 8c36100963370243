"""The registry: every action of Nova's table, its legality and its command."""

from __future__ import annotations

import shlex
from typing import Any

import pytest
from fake_client import mixed_servers, server_view

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
        ("rebuild", "vm1", ADMIN, "not in this version"),
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
    assert {status: row_action({"status": status}).id for status in expected} == expected


def test_commands_survive_a_shell() -> None:
    assert command_line(BY_ID["stop"], "vm1") == "tuinova server stop vm1"
    assert command_line(BY_ID["reboot-hard"], "a b") == "tuinova server reboot --hard 'a b'"
    hostile = "x'; rm -rf / #"
    assert shlex.split(command_line(BY_ID["delete"], hostile)) == ["tuinova", "server", "delete", hostile]
    assert command_line(BY_ID["delete"], "-f") == "tuinova server delete -- -f"
    assert command_line(BY_ID["start"], "a", "b") == "tuinova server start a b"
