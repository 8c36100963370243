"""Volumes and snapshots of which no record speaks: told, and removed where `reap_orphans` says so."""

from __future__ import annotations

import logging

from tuinova.core.compute_manager.options import ComputeOptions
from tuinova.core.compute_manager.orphans import Orphan
from tuinova.core.conductor import Conductor
from tuinova.core.errors import NovaError
from tuinova.virt.volumes import VolumeDriver

LOG = logging.getLogger(__name__)


class VolumeOrphans:
    """They are another service's, or those of a lost database: a kill leaves none, as a record outlives its data."""

    def __init__(self, conductor: Conductor, driver: VolumeDriver, host: str, options: ComputeOptions) -> None:
        self._conductor = conductor
        self._driver = driver
        self._host = host
        self._options = options

    def find(self) -> list[Orphan]:
        """All that there are; raises DriverError and kin where a place for volumes can't be read."""
        made = self._driver.made()
        known = {volume.id for volume in self._conductor.volumes()}
        known |= {snapshot.id for snapshot in self._conductor.snapshots()}
        found = {key: kinds for key, kinds in made.items() if key not in known}
        # What was deleted between the two looks is gone by now.
        still = self._driver.made() if found else {}
        action, reaps = self._options.running_deleted_instance_action, self._options.reap_orphans
        fate = "noop" if action == "noop" else "reap" if reaps else "log"
        return [
            Orphan(key, self._host, tuple(kinds), "this service has no record of it", fate)
            for key, kinds in sorted(found.items())
            if key in still
        ]

    def reap(self) -> None:
        """Tell of them and do what the options say."""
        if self._options.running_deleted_instance_action == "noop":
            return
        try:
            for orphan in self.find():
                LOG.warning("%s (%s) is nobody's: %s", orphan.uuid, ", ".join(orphan.what), orphan.why)
                if orphan.fate == "reap":
                    self._driver.cleanup(orphan.uuid)
        except NovaError as error:
            LOG.warning("volumes without a record: %s", error)
