"""Pytest plugin: `private_libvirt`, one for the whole run, and `libvirt_driver` on it.

Where there can't be a private libvirt the tests fail with the reason; they never skip and never use the host's.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab import LabError, LibvirtHosts, PrivateLibvirt
from tuinova.virt.libvirt.driver import LibvirtDriver


def pytest_addoption(parser: pytest.Parser) -> None:
    """What `./dev test --all` asks for."""
    parser.addoption("--all", action="store_true", help="walk long matrices whole, not a sample of them")


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
