"""What the line of `--wait` says of a long task."""

from __future__ import annotations

from typing import Any

import pytest

from tuinova.cli.waiting import human_bytes, progress_share, progress_text


def _view(**values: Any) -> dict[str, Any]:
    return {"status": "RESIZE", "task_state": "resize_migrating", "task_progress": None, **values}


@pytest.mark.parametrize(
    ("view", "text", "share"),
    [
        (_view(), "RESIZE (resize_migrating)", None),
        (_view(status="ACTIVE", task_state=None), "ACTIVE", None),
        (
            _view(task_progress={"what": "disk", "done": 512 << 20, "total": 2 << 30}),
            "resize_migrating, disk: 512 MiB of 2 GiB",
            0.25,
        ),
        (
            _view(status="MIGRATING", task_state="migrating", task_progress={"what": "memory", "done": 9, "total": 6}),
            "migrating, memory: 9 B of 6 B",
            1.0,
        ),
        (_view(task_progress={"what": "disk", "done": 1, "total": 0}), "RESIZE (resize_migrating)", None),
        (_view(task_state=None, task_progress={"what": "disk", "done": 1, "total": 2}), "RESIZE", None),
        (_view(task_progress={"what": "\x1b[2J", "done": None, "total": 2}), None, 0.0),
        (_view(status="BUILD", task_state="spawning"), "BUILD (spawning)", 0.8),
    ],
)
def test_the_progress_of_a_task(view: dict[str, Any], text: str | None, share: float | None) -> None:
    told = progress_text(view)
    assert "\x1b" not in told
    if text is not None:
        assert told == text
    assert progress_share(view) == share


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0 B"), (1023, "1023 B"), (1536, "1.5 KiB"), (128 << 20, "128 MiB"), (5 << 40, "5 TiB")],
)
def test_sizes_for_people(size: int, text: str) -> None:
    assert human_bytes(size) == text
