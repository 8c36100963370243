"""The files of a guest that moves alive, and where its definition says they are.

At the destination they are made before the guest comes: its directory with a note that it is a copy, disks that QEMU
fills, and everything that QEMU does not copy. The note goes when the guest is at home there.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

from tuinova.virt.driver import DriverError, GuestSpec, MigrationPreCheckError
from tuinova.virt.libvirt import console_log, move_notes, qemu_img, sparse
from tuinova.virt.libvirt.disks import GuestDisks
from tuinova.virt.libvirt.guest_xml import MARK_NS, MARK_TAG
from tuinova.virt.libvirt.images import Base, ImageCache
from tuinova.virt.libvirt.layout import FILE_MODE, InstanceFiles, make_directory
from tuinova.virt.libvirt.move_notes import FROM, MoveNote
from tuinova.virt.libvirt.options import LibvirtOptions

_COPIED = ("disk.config", "kernel", "ramdisk", "started")
_LOG_STILL = 0.1  # seconds without a new byte until the writer of a log is taken to be gone
_LOG_PATIENCE = 3.0


def is_arriving(files: InstanceFiles) -> bool:
    """Whether a guest's directory was made for a move that is not over."""
    note = move_notes.read(files.directory, FROM)
    return note is not None and not note.taken


class LiveFiles:
    """What is made at the destination, and removed again."""

    def __init__(self, made: GuestDisks, cache: ImageCache, options: LibvirtOptions) -> None:
        self._made = made
        self._cache = cache
        self._options = options

    def prepare(self, guest: GuestSpec, files: InstanceFiles, data: Mapping[str, Any]) -> None:
        """An empty copy of the guest; a failure leaves nothing."""
        if files.directory.exists() and not is_arriving(files):
            raise MigrationPreCheckError(reason=f"the destination has files of this guest already: {files.directory}")
        source = InstanceFiles(Path(data["source"]["instances"]), guest.uuid)
        try:
            files.drop(files.directory, files.incoming)
            make_directory(files.incoming)
            move_notes.write(files.incoming, FROM, MoveNote(str(source.instances)))
            files.incoming.rename(files.directory)
            self._copy(source, files)
            for disk in data["disks"]:
                self._make_disk(guest, source, files, disk)
            self._made.note(files)
            files.console_log.touch(mode=FILE_MODE)
        except BaseException as error:
            files.drop(files.directory, files.incoming)
            if isinstance(error, OSError):
                raise qemu_img.os_error(error, files.directory) from error
            raise

    def _copy(self, source: InstanceFiles, files: InstanceFiles) -> None:
        """What QEMU does not: the config drive is read only, kernel and logs are no disks."""
        names = [*_COPIED, *(path.name for path in source.directory.glob("console.log.boot-*"))]
        for path in (source.path(name) for name in names):
            if path.exists():
                target = files.path(path.name)
                sparse.copy(path, target)
                target.chmod(FILE_MODE)
                os.utime(target, (path.stat().st_atime, path.stat().st_mtime))

    def _make_disk(
        self, guest: GuestSpec, source: InstanceFiles, files: InstanceFiles, disk: Mapping[str, Any]
    ) -> None:
        path, timeout = files.path(disk["name"]), self._options.qemu_img_timeout
        if path.exists() or (disk["readonly"] and disk["base"] is None):
            return
        if disk["base"] is None:
            qemu_img.create(path, disk["format"], disk["size"], timeout)
            path.chmod(FILE_MODE)
            return
        base = self._base(guest, source, files, disk["name"], Path(disk["base"]))
        if disk["readonly"]:
            # QEMU copies nothing of a disc: the overlay itself is copied.
            sparse.copy(source.path(disk["name"]), path)
            path.chmod(FILE_MODE)
            qemu_img.point_to(path, base.path, base.format, timeout)
        else:
            self._made.put(path, base, disk["size"])

    def _base(self, guest: GuestSpec, source: InstanceFiles, files: InstanceFiles, name: str, theirs: Path) -> Base:
        """What the disk stands on here: QEMU copies the overlay only, so it must be the same byte by byte."""
        allowed = (source.instances / self._options.image_cache_subdirectory_name, source.directory)
        if theirs.parent not in allowed:
            raise DriverError(reason=f"{theirs} is no base of the other host")
        ours = self._made.base_named(theirs.name)
        if ours is None and theirs.parent == allowed[0]:
            base = self._cache.bring(guest.image, theirs)
            if self._cache.known(theirs).virtual_size != base.virtual_size:
                raise DriverError(reason=f"{base.path} is not the image that the guest's disk stands on")
            return base
        if ours is not None and (name == "disk.swap" or sparse.same_content(ours.path, theirs)):
            return ours
        private = files.path(f"{name}.base")
        sparse.copy(theirs, private)
        private.chmod(0o644)
        return Base(private, "raw", private.stat().st_size)


def carry_log(source: InstanceFiles, files: InstanceFiles) -> None:
    """This boot's log, as the source has it, goes before what the guest says at the destination."""
    if not source.console_log.exists() or not is_arriving(files):
        return
    deadline = time.monotonic() + _LOG_PATIENCE
    size = -1
    # virtlogd may still be writing the guest's last words there.
    while size != (size := source.console_log.stat().st_size) and time.monotonic() < deadline:
        time.sleep(_LOG_STILL)
    console_log.prepend(source, files)


def moved_definition(xml: str, data: Mapping[str, Any], uuid: str) -> str:
    """A guest's definition with the destination's paths, and its mark."""
    here, there = (InstanceFiles(Path(data[end]["instances"]), uuid).directory for end in ("source", "destination"))
    root = ET.fromstring(xml)  # noqa: S314 - libvirt's own XML
    for disk in root.findall("./devices/disk"):
        # The overlay at the destination names its base itself; a volume stands on nothing, and says so.
        for chain in disk.findall("backingStore") if disk.find("serial") is None else ():
            disk.remove(chain)
    for element in root.iter():
        if "file" in element.attrib:
            element.set("file", _moved(element.get("file", ""), here, there))
        if element.tag == "log" and not data["block_migration"]:
            element.set("append", "on")  # both hosts write one file
        if element.tag in ("kernel", "initrd") and element.text:
            element.text = _moved(element.text, here, there)
        if element.tag == f"{{{MARK_NS}}}{MARK_TAG}":
            element.set("instances", data["destination"]["instances"])
            element.set("host", data["destination"]["host"])
    return ET.tostring(root, encoding="unicode")


def _moved(path: str, here: Path, there: Path) -> str:
    return str(there / Path(path).name) if Path(path).parent == here else path
