"""That the tests of real guests leave no row of the action table out."""

from __future__ import annotations

import importlib

from tests.integration.report import WALKED
from tuinova.core.states import ACTION_BY_NAME


def test_every_row_of_the_action_table_is_walked_on_a_real_guest() -> None:
    for module in ("test_every_action", "test_two_hosts"):
        importlib.import_module(f"tests.integration.{module}")
    assert {row for rows in WALKED.values() for row in rows} == ACTION_BY_NAME.keys()
