"""The service dies, the database refuses or the hypervisor goes away at the steps of every action."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.faults import report
from tests.faults.plugin import seed
from tests.faults.rows import ALL_ROWS, CREATE, ROWS
from tuinova.core.states import ACTION_BY_NAME, ACTIONS


def test_every_served_action_has_a_row() -> None:
    served = {action.name for action in ACTIONS if action.served}
    walked = {row.action for row in ROWS.values()} - {CREATE}
    assert served - walked == set()
    assert {row.action for row in ALL_ROWS} - {CREATE} <= ACTION_BY_NAME.keys()


@pytest.mark.parametrize("name", list(ROWS))
def test_whatever_happens_at_a_step_nothing_is_stuck_and_nothing_leaks(
    name: str, walk: Callable[[str], dict[str, Any]], record_property: Callable[[str, Any], None]
) -> None:
    result = walk(name)
    record_property("faults", {**result, "cells": [{**cell, "log": ""} for cell in result["cells"]]})
    assert not report.failures([result]), "\n".join([report.heading(seed()), *report.failures([result])])
