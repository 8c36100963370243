"""The storage pools in which libvirt, and so virsh, sees our volumes.

A pool only shows what is there: volumes are made, used and removed without it, so a failure of one is a warning.
"""

from __future__ import annotations

import logging
import uuid
from pathlib import Path
from xml.etree import ElementTree as ET

import libvirt

from tuinova.virt.libvirt import layout
from tuinova.virt.libvirt.errors import connection_broken, words
from tuinova.virt.libvirt.layout import QemuUser

LOG = logging.getLogger(__name__)

NAME = "tuinova-volumes"
# A pool's XML holds no mark of ours; its uuid says that it is ours, and whose.
_OURS = uuid.UUID("6b1f0c1e-7475-696e-6f76-612d706f6f6c")


class VolumePool:
    """The pool of one directory, on one libvirt."""

    def __init__(self, name: str, directory: Path) -> None:
        """`name`: of the backend, empty for the only one."""
        self.directory = directory
        self._uuid = str(uuid.uuid5(_OURS, str(directory)))
        self._name = f"{NAME}-{name}" if name else NAME
        self.problem = ""
        self.closed = ""

    def look(self, user: QemuUser | None) -> None:
        """Whether QEMU's user gets to the volumes; it is None where that is the one who runs this."""
        closed = layout.first_closed_directory(self.directory, user) if user and self.directory.exists() else None
        self.closed = ""
        if user is not None and closed is not None:
            self.closed = (
                f"QEMU runs as user {user.name}, who may not enter {closed}: no guest can have a volume of "
                f"{self.directory}. Open that directory (chmod o+x), or set [volumes] directory."
            )

    @property
    def problems(self) -> list[str]:
        """What an operator should know."""
        return [problem for problem in (self.closed, self.problem) if problem]

    def ensure(self, conn: libvirt.virConnect) -> None:
        """Define and start it where it is not."""
        try:
            pool = self._find(conn) or conn.storagePoolDefineXML(self._xml(conn), 0)
            if not pool.autostart():
                pool.setAutostart(1)
            if not pool.isActive():
                pool.create(0)
            else:
                pool.refresh(0)
            self.problem = ""
        except libvirt.libvirtError as error:
            if connection_broken(error):
                raise
            self.problem = f"libvirt has no pool of the volumes in {self.directory}: {words(error)}"
            LOG.warning("%s", self.problem)

    def refresh(self, conn: libvirt.virConnect) -> None:
        """A volume came, changed or went; a pool that somebody switched off is on again."""
        try:
            pool = self._find(conn)
            if pool is None or not pool.isActive():
                self.ensure(conn)
            else:
                pool.refresh(0)
        except libvirt.libvirtError as error:
            # Another host's refresh, or a file that went while it was looked at: the next one sees it.
            LOG.debug("pool of %s: %s", self.directory, words(error))

    def _find(self, conn: libvirt.virConnect) -> libvirt.virStoragePool | None:
        try:
            return conn.storagePoolLookupByUUIDString(self._uuid)
        except libvirt.libvirtError as error:
            if error.get_error_code() != libvirt.VIR_ERR_NO_STORAGE_POOL:
                raise
            return None

    def _xml(self, conn: libvirt.virConnect) -> str:
        taken = {pool.name() for pool in conn.listAllStoragePools(0)}
        name = f"{self._name}-{self._uuid[:8]}" if self._name in taken else self._name
        root = ET.Element("pool", {"type": "dir"})
        ET.SubElement(root, "name").text = name
        ET.SubElement(root, "uuid").text = self._uuid
        ET.SubElement(ET.SubElement(root, "target"), "path").text = str(self.directory)
        return ET.tostring(root, encoding="unicode")
