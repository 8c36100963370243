"""Pytest plugin: `private_libvirt`, one for the whole run; where there can't be one the tests fail, never skip."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.lab import LabError, PrivateLibvirt


@pytest.fixture(scope="session")
def private_libvirt() -> Iterator[PrivateLibvirt]:
    """A libvirt of this run's own: `.uri`, `.instances`, `.virsh()`, `.restart()`, `.kill()`."""
    try:
        with PrivateLibvirt() as lab:
            yield lab
    except LabError as error:
        pytest.fail(f"no private libvirt: {error}", pytrace=False)
