"""Work that takes a while: told in quarters, and ended when the driver is closed."""

from __future__ import annotations

from collections.abc import Iterator

from tuinova.virt.driver import DriverError, Progress
from tuinova.virt.fake.guests import GuestKeeper

STEPS = 4


def quarters(keeper: GuestKeeper, progress: Progress, total: int) -> Iterator[tuple[int, int]]:
    """(from, to) of each part of `total` bytes, to be worked off before the next is asked for."""
    done = 0
    for step in range(1, STEPS + 1):
        if keeper.options.copy_seconds and keeper.faults.closed.wait(keeper.options.copy_seconds / STEPS):
            raise DriverError(reason="The driver was closed while data was copied")
        upto = total * step // STEPS
        yield done, upto
        done = upto
        progress(done, total)
