"""Pytest plugin: `private_libvirt`, one for the whole run, and `libvirt_driver` on it; the tables of real guests.

Where there can't be a private libvirt the tests fail with the reason; they never skip and never use the host's.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.lab import LabError, LibvirtHosts, PrivateLibvirt
from tuinova.virt.libvirt.driver import LibvirtDriver


def pytest_addoption(parser: pytest.Parser) -> None:
    """What `./dev test --all` asks for."""
    parser.addoption("--all", action="store_true", help="walk long matrices whole, not a sample of them")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """What takes long and breaks seldom runs with `--all` only."""
    left_out = [] if config.getoption("--all") else [item for item in items if _is_long(item)]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]


def _is_long(item: pytest.Item) -> bool:
    """`long`, or `long("libvirt")`: on that driver only."""
    mark = item.get_closest_marker("long")
    callspec = getattr(item, "callspec", None)
    return mark is not None and (not mark.args or (callspec is not None and callspec.params.get("env") in mark.args))


@pytest.fixture(scope="session")
def private_libvirt() -> Iterator[PrivateLibvirt]:
    """A libvirt of this run's own: `.uri`, `.instances`, `.virsh()`, `.restart()`, `.kill()`."""
    try:
        with PrivateLibvirt() as lab:
            yield lab
    except LabError as error:
        pytest.fail(f"no private libvirt: {error}", pytrace=False)


@pytest.fixture(scope="session")
def libvirt_hosts() -> Iterator[LibvirtHosts]:
    """Two hosts between which guests migrate: each has `.uri`, `.peer_uri`, `.name`, `.virsh()`, `.kill()`."""
    try:
        with LibvirtHosts(2) as hosts:
            yield hosts
    except LabError as error:
        pytest.fail(f"no libvirt hosts: {error}", pytrace=False)


@pytest.fixture
def instances_path(private_libvirt: PrivateLibvirt) -> Iterator[Path]:
    """An empty instances directory that QEMU's user can enter, with a path short enough for libvirt."""
    path = Path(tempfile.mkdtemp(prefix="i-", dir=private_libvirt.directory))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def libvirt_driver(private_libvirt: PrivateLibvirt, instances_path: Path) -> Iterator[LibvirtDriver]:
    """A driver with an empty instances directory; its guests go when the test is over."""
    driver = LibvirtDriver(host="host1", uri=private_libvirt.uri, instances_path=instances_path)
    driver.init_host(lambda *_: None, lambda *_: None)
    yield driver
    for guest in driver.list_guests():
        driver.cleanup(guest.uuid)
    driver.close()


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """The tables: each action that was walked, each moment at which something was killed.

    Here, because with several workers the process that prints has no conftest of the tests.
    """
    reports = [one for kind in ("passed", "failed") for one in terminalreporter.stats.get(kind, ())]
    told = [pair for one in reports for pair in getattr(one, "user_properties", ()) if pair[0] in ("walked", "killed")]
    if not told:
        return
    from tests.integration import killing, report

    lines = [line for name, value in told if name == "walked" for line in value]
    results = [killing.Result(**value) for name, value in told if name == "killed"]
    for title, rows in (
        ("actions on real guests", report.table(lines) if lines else ()),
        ("killed on real guests", killing.table(results) if results else ()),
    ):
        for number, row in enumerate(rows):
            if number == 0:
                terminalreporter.section(title)
            terminalreporter.write_line(row)
