"""Resize and cold migration (nova/virt/libvirt/driver.py migrate_disk_and_power_off and finish_migration).

What a killed process leaves is always one of these, so that any call may simply be made again:

* `<uuid>` alone: not begun, or over;
* `<uuid>_resize` without a copy: half done; the copy gathers in `<uuid>_incoming` and is renamed when it is whole;
* `<uuid>_resize` and the copy `<uuid>`, here or in the destination's directory: done, to be confirmed or reverted.

Notes (`move_notes.py`) say where the other one is, and which of two directories is the copy: a call that comes again
after everything was put back must not take the original for it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tuinova.core.errors import ResizeError
from tuinova.core.states import PowerState
from tuinova.virt.driver import DriverError, GuestSpec, Progress
from tuinova.virt.libvirt import disks, move_notes, power, qemu_img, sparse
from tuinova.virt.libvirt.disk_plan import root_volume
from tuinova.virt.libvirt.disks import GIB
from tuinova.virt.libvirt.guests import Guests
from tuinova.virt.libvirt.layout import FILE_MODE, InstanceFiles, local_disks, make_directory
from tuinova.virt.libvirt.move_notes import FROM, TO, MoveNote
from tuinova.virt.libvirt.moved_disks import MovedDisks

_BROUGHT = ("disk.config", "disk.info", "kernel", "ramdisk")
# What stands beside disks that came alive, and the logs; swap is made anew, volumes are everybody's.
_BROUGHT_TOO = ("*.base", "console.log*")
_ACTIVE = (PowerState.RUNNING, PowerState.PAUSED)


class ColdMigrations:
    """The calls at source and destination; both may be one host."""

    def __init__(self, guests: Guests, moved: MovedDisks) -> None:
        self._guests = guests
        self._host = guests.host
        self._disks = moved

    # at the source ---------------------------------------------------------------------------------------------------
    def migrate(
        self, guest: GuestSpec, new: GuestSpec, destination: Mapping[str, Any], timeout: int, retry: int, told: Progress
    ) -> None:
        """Power off, set aside, copy. A failure before the power goes off is a ResizeError, any other is undone."""
        files = self._guests.files(guest.uuid)
        target = InstanceFiles(Path(destination["instances"]), guest.uuid)
        if not files.set_aside.exists():
            self._check(guest, new, files, target)
        elif target.directory.exists():
            return
        try:
            if self._host.find_or_none(guest.uuid) is not None:
                self._guests.power_off(guest.uuid, timeout, retry)
            if not files.set_aside.exists():
                move_notes.forget(files.directory, FROM)
                move_notes.write(files.directory, TO, MoveNote(str(target.instances)))
                files.directory.rename(files.set_aside)
            self._bring(files, target, told)
        except BaseException as error:
            target.drop(target.incoming)
            self._put_back(files)
            if isinstance(error, OSError):
                raise qemu_img.os_error(error, target.directory) from error
            raise

    def _check(self, guest: GuestSpec, new: GuestSpec, files: InstanceFiles, target: InstanceFiles) -> None:
        """Everything that can be known before the guest is touched."""
        if not files.directory.exists():
            raise DriverError(reason=f"the directory of guest {guest.uuid} is missing: {files.directory}")
        # A volume keeps its own size, whatever the flavor says of the root.
        is_own = root_volume(guest) is None
        shrinks = (is_own and new.root_gb < guest.root_gb) or new.ephemeral_gb < guest.ephemeral_gb
        root, is_disc = files.path("disk"), guest.image is not None and guest.image.disk_format == "iso"
        if is_own and guest.root_gb == 0 < new.root_gb and root.exists() and not is_disc:
            # An image's own size (0 GiB) may be larger than what comes next.
            shrinks |= disks.virtual_size(root) > new.root_gb * GIB
        if shrinks:
            raise ResizeError(reason="Unable to resize disk down.")
        if target.directory != files.directory:
            if target.directory.exists() and not _is_untaken_copy(target):
                raise ResizeError(reason=f"the destination has files of this guest already: {target.directory}")
            target.drop(target.directory)
        _make_incoming(target)
        _check_room(files, target)

    def _bring(self, files: InstanceFiles, target: InstanceFiles, told: Progress) -> None:
        _make_incoming(target)
        sources = _brought(files.set_aside)
        total, done = sparse.allocated(sources), 0
        told(0, total)

        def moved(count: int) -> None:
            nonlocal done
            done = min(total, done + count)
            told(done, total)

        for path in sources:
            copy = target.incoming / path.name
            sparse.copy(path, copy, moved)
            copy.chmod(FILE_MODE)
        told(total, total)
        move_notes.write(target.incoming, FROM, MoveNote(str(files.instances)))
        target.incoming.rename(target.directory)

    def _put_back(self, files: InstanceFiles) -> None:
        if files.set_aside.exists():
            self._withdraw(files)
            files.put_back()
        move_notes.forget(files.directory, TO)

    def _withdraw(self, files: InstanceFiles) -> None:
        """Remove what was brought and that nobody has taken over."""
        note = move_notes.read(files.set_aside, TO)
        if note is not None and Path(note.instances).exists():
            target = InstanceFiles(Path(note.instances), files.uuid)
            target.drop(target.incoming, *((target.directory,) if _is_untaken_copy(target) else ()))

    def confirm(self, guest: GuestSpec, *, same_host: bool) -> None:
        """Nothing can be put back any more."""
        files = self._guests.files(guest.uuid)
        note = move_notes.read(files.set_aside, TO)
        if note is not None:
            move_notes.forget(InstanceFiles(Path(note.instances), guest.uuid).directory, FROM)
        files.drop(files.set_aside)
        # A directory here is that of a guest that has come back meanwhile.
        if not same_host and not files.directory.exists():
            self._guests.remove(guest.uuid)

    def revert(self, guest: GuestSpec, *, power_on: bool) -> None:
        """The guest as it was before."""
        files = self._guests.files(guest.uuid)
        domain = self._host.find_or_none(guest.uuid)
        if files.set_aside.exists():
            if domain is not None:
                # The one of the new size, where source and destination are one host.
                power.force_off(domain, guest.uuid)
            self._withdraw(files)
            files.put_back()
        # What the check had made, of a move on this host that was cut off while the guest was shutting down.
        files.drop(files.incoming)
        move_notes.forget(files.directory, TO)
        if domain is not None and power.state_of(domain) in _ACTIVE:
            return
        self._settle(guest, power_on=power_on)

    # at the destination ----------------------------------------------------------------------------------------------
    def finish(self, guest: GuestSpec, *, power_on: bool) -> None:
        """Take over what was brought."""
        files = self._guests.files(guest.uuid)
        self._host.refuse_foreign(guest.uuid)
        domain = self._host.find_or_none(guest.uuid)
        note = move_notes.read(files.directory, FROM)
        if domain is not None and power.state_of(domain) in _ACTIVE and (note is None or note.taken):
            return
        if not files.directory.exists():
            raise DriverError(reason=f"no files of guest {guest.uuid} were brought here")
        if domain is not None:
            power.force_off(domain, guest.uuid)
        if note is not None:
            # First: if the rest fails, a hard reboot may still make it a guest, which the source must not throw away.
            move_notes.write(files.directory, FROM, MoveNote(note.instances, taken=True))
        self._disks.adopt(guest, files, Path(note.instances) if note else None)
        self._settle(guest, power_on=power_on)

    def discard(self, guest: GuestSpec) -> None:
        """Nothing of the guest stays here but what was set aside, and what was put back already."""
        files = self._guests.files(guest.uuid)
        if not files.directory.exists() or move_notes.read(files.directory, FROM) is not None:
            self._guests.remove(guest.uuid, keep_set_aside=True)

    def _settle(self, guest: GuestSpec, *, power_on: bool) -> None:
        """Define from the record, and start."""
        if power_on:
            self._guests.hard_reboot(guest)
        else:
            self._guests.redefine(guest)


def _brought(directory: Path) -> list[Path]:
    """The files of a guest that go along."""
    disks = (path for path in local_disks(directory) if path.name != "disk.swap")
    others = (path for pattern in _BROUGHT_TOO for path in sorted(directory.glob(pattern)))
    return [*disks, *(path for name in _BROUGHT if (path := directory / name).is_file()), *others]


def _is_untaken_copy(files: InstanceFiles) -> bool:
    note = move_notes.read(files.directory, FROM)
    return note is not None and not note.taken


def _make_incoming(target: InstanceFiles) -> None:
    try:
        target.drop(target.incoming)
        make_directory(target.incoming)
    except (OSError, DriverError) as error:
        raise ResizeError(reason=f"the destination's directory {target.instances} can't be written: {error}") from error


def _check_room(files: InstanceFiles, target: InstanceFiles) -> None:
    """A guest must not be powered off for a copy that has no room."""
    needed = sparse.allocated(_brought(files.directory))
    stat = os.statvfs(target.instances)
    free = stat.f_bavail * stat.f_frsize
    if needed > free and not sparse.can_clone(files.path("disk.info"), target.incoming):
        target.drop(target.incoming)
        raise ResizeError(
            reason=f"the file system of {target.instances} has {free} bytes free, the disks take {needed}"
        )
