"""Sockets bound to bridges, with guests behind real ones: in network namespaces, which only root can make."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tuinova.metadata import listeners

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def found() -> dict[str, Any]:
    """What was said to whom."""
    if os.geteuid() != 0:
        pytest.skip("only root may make network namespaces and bind sockets to devices")
    command = ["unshare", "--net", "--pid", "--fork", "--kill-child", "--mount-proc", sys.executable, "-m"]
    done = subprocess.run(
        [*command, "tests.metadata.inside"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return dict(json.loads(done.stdout.splitlines()[-1]))


@pytest.mark.parametrize(
    ("who", "said"),
    [
        ("guest of the first", "vm1.novalocal"),
        ("guest of the second", "vm2.novalocal"),
        ("guest of the first, both served", "vm1.novalocal"),
        ("guest of the bridge made anew", "vm2.novalocal"),
        ("stranger of the first", "404"),
        ("guest of the second, not served", "TimeoutError"),
        ("the host itself", "OSError"),
        ("after the end", "TimeoutError"),
        ("rules", 1),
        ("rules after the end", 0),
        ("neighbour", True),
        ("neighbour elsewhere", None),
        ("warnings", []),
    ],
)
def test_who_is_told_what(found: dict[str, Any], who: str, said: object) -> None:
    assert found[who] == said


def test_the_kernels_table_of_neighbours(tmp_path: Path) -> None:
    table = tmp_path / "arp"
    table.write_text(
        "IP address       HW type     Flags       HW address            Mask     Device\n"
        "10.0.0.5         0x1         0x2         FA:16:3e:00:00:02     *        br0\n"
        "10.0.0.6         0x1         0x0         00:00:00:00:00:00     *        br0\n"
    )
    assert listeners.neighbour("br0", "10.0.0.5", table) == "fa:16:3e:00:00:02"
    assert listeners.neighbour("br1", "10.0.0.5", table) is None
    assert listeners.neighbour("br0", "10.0.0.6", table) is None
    assert listeners.neighbour("br0", "10.0.0.5", tmp_path / "none") is None
