"""What a hypervisor warns of is looked at now and then: drivers mend what they can on the way, an operator reads it."""

from __future__ import annotations

import logging

from tuinova.core.compute_manager.context import Compute

LOG = logging.getLogger(__name__)


class Health:
    """Says each warning once, as long as it stays."""

    def __init__(self) -> None:
        self._said: frozenset[str] = frozenset()

    def look(self, compute: Compute) -> None:
        """A firewall that another program threw away is back when this returns (`ComputeDriver.warnings`)."""
        found = frozenset(compute.driver.warnings())
        for text in sorted(found - self._said):
            LOG.warning("%s: %s", compute.host, text)
        self._said = found
