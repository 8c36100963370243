"""Whatever is asked, in whatever order and state, the answers and the ends are Nova's."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest
from hypothesis import HealthCheck, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from .machine import Machine

STEPS = 30
EXAMPLES, MANY_EXAMPLES = 8, 300
SHRINKING_SECONDS = 60.0
# Deletes that can be taken back, and shelved servers that stay on their hosts: what an operator may ask for.
OTHER_OPTIONS = {"shelved_offload_time": -1, "reclaim_instance_interval": 1_000_000}


@pytest.mark.parametrize("number", range(4))
def test_the_engine_answers_and_ends_as_nova_does(
    tmp_path: Path, template: Path, number: int, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same examples every time; with --all many more, others each time (TUINOVA_MODEL_SEED repeats one)."""
    monkeypatch.setattr("hypothesis.internal.conjecture.engine.MAX_SHRINKING_SECONDS", SHRINKING_SECONDS, raising=False)
    is_long = request.config.getoption("--all")
    begin = int(os.environ.get("TUINOVA_MODEL_SEED") or (random.SystemRandom().randrange(1 << 32) if is_long else 0))
    print(f"TUINOVA_MODEL_SEED={begin}")
    other = bool(number % 2)
    parts = {
        "base": tmp_path,
        "template": template,
        "options": OTHER_OPTIONS if other else {},
        "policy": {"keeps_shelved": other, "softly": other},
    }
    run_state_machine_as_test(
        seed(begin + number)(type("Machine", (Machine,), parts)),
        settings=settings(
            max_examples=MANY_EXAMPLES if is_long else EXAMPLES,
            stateful_step_count=STEPS,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
