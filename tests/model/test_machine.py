"""Whatever is asked, in whatever order and state, the answers and the ends are Nova's."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from .duel import unserved
from .machine import Machine

EXAMPLES, STEPS = int(os.environ.get("EX", 12)), 30
# Deletes that can be taken back, and shelved servers that stay on their hosts: what an operator may ask for.
OTHER_OPTIONS = {"shelved_offload_time": -1, "reclaim_instance_interval": 1_000_000}


@pytest.mark.parametrize("number", [int(n) for n in os.environ.get("SEEDS", "0,1,2").split(",")])
def test_the_engine_answers_and_ends_as_nova_does(tmp_path: Path, template: Path, number: int) -> None:
    other = bool(number % 2)
    machine = type(
        "Machine",
        (Machine,),
        {
            "base": tmp_path,
            "template": template,
            "options": OTHER_OPTIONS if other else {},
            "policy": {"keeps_shelved": other, "softly": other and "restore" not in unserved()},
        },
    )
    run_state_machine_as_test(
        seed(number)(machine),
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=STEPS,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
            phases=[Phase.generate] + [Phase.shrink] * bool(os.environ.get("SHRINK")),
        ),
    )
