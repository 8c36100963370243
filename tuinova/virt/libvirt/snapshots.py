"""Snapshots: the root disk of a guest, or a volume that it has, as one disk that stands on nothing.

A guest that runs is copied by a backup job of libvirt's (push mode): the copy is the disk at the moment when the job
began, the guest runs on, its definition is not touched, and it is frozen for that moment only. (Nova's block copy needs
the domain undefined meanwhile and the guest frozen at the end of the copying.) A guest that is off is converted.

While a snapshot is made, a note in the snapshots directory says what a killed process leaves: a job, a guest that may
be frozen, the working file, half a target.
"""

from __future__ import annotations

import json
import logging
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import libvirt

from tuinova.core.errors import NovaError
from tuinova.core.states import PowerState
from tuinova.virt.driver import DriverError, GuestSpec, ImageFile, Progress
from tuinova.virt.libvirt import agent, disk_plan, disks, power, qemu_img, sparse
from tuinova.virt.libvirt.host import Host
from tuinova.virt.libvirt.images import inspect
from tuinova.virt.libvirt.layout import DIRECTORY_MODE, FILE_MODE, UUID, InstanceFiles
from tuinova.virt.libvirt.moved_disks import MovedDisks
from tuinova.virt.libvirt.options import LibvirtOptions
from tuinova.virt.libvirt.volume_backend import trusted
from tuinova.virt.libvirt.volume_lvm import VolumeGroup, new_volume
from tuinova.virt.volumes import VolumeDisk

LOG = logging.getLogger(__name__)

FORMATS = ("qcow2", "raw")
_WORKING_FORMAT = "qcow2"
JOB_POLL = 0.2  # seconds
JOB_END = 60  # seconds that a job gets to end after it was told to
_ACTIVE = (PowerState.RUNNING, PowerState.PAUSED)


@dataclass(frozen=True, slots=True)
class Note:
    """`instances`: whose snapshot it is, where several hosts share the directory; `agent`: the guest may be frozen."""

    instances: str
    target: str
    agent: bool


@dataclass(frozen=True, slots=True)
class _Source:
    """A disk of a guest: a file, or a device."""

    path: Path
    format: str

    def size(self) -> int:
        """Bytes that the guest sees now."""
        if self.path.is_block_device():
            with self.path.open("rb") as file:
                return file.seek(0, os.SEEK_END)
        return disks.virtual_size(self.path)


@dataclass(frozen=True, slots=True)
class _Target:
    """What is written: a new file, or a device that is there."""

    path: Path
    format: str
    is_device: bool = False


class Snapshots:
    """Makes them, and ends what killed calls left."""

    def __init__(self, host: Host, trusted: MovedDisks, options: LibvirtOptions) -> None:
        self._host = host
        self._trusted = trusted
        self._options = options
        self.directory = Path(options.snapshots_directory.replace("$instances_path", str(host.instances)))

    def take(self, guest: GuestSpec, target: Path, disk_format: str | None, progress: Progress) -> str:
        """Write the root disk to `target`; returns its format."""
        fmt = disk_format or self._options.snapshot_image_format or disk_plan.disk_format(self._options)
        if fmt not in FORMATS:
            raise DriverError(reason=f"a snapshot can't be of format {fmt!r} ({', '.join(FORMATS)})")
        root = InstanceFiles(self._host.instances, guest.uuid).path("disk")
        self._trusted.base_of(root)
        source = _Source(root, disk_plan.disk_format(self._options))
        with self._noted_until_whole(guest, target):
            self._write_out(guest, source, fmt, target, progress)
        return fmt

    def take_volume(self, guest: GuestSpec, volume: VolumeDisk, target: Mapping[str, Any], progress: Progress) -> None:
        """Write a volume to where its snapshot shall be; there already is fine."""
        trusted(volume.connection, volume.volume_id)
        source = _Source(Path(volume.connection["path"]), volume.connection["format"])
        path, fmt = Path(target["path"]), str(target["format"])
        if path.exists():
            return
        if target["type"] == "file":
            part = path.with_name(f"{path.name}.part")
            with self._noted_until_whole(guest, part):
                self._write_out(guest, source, fmt, part, progress)
                part.rename(path)
            return
        # Not the device is noted: what is noted is unlinked.
        noted = self._noted_until_whole(guest, self._working_file(guest.uuid))
        with new_volume(VolumeGroup(target["volume_group"]), path.name, source.size()) as device, noted:
            self._write_out(guest, source, fmt, device, progress, is_device=True)

    @contextmanager
    def _noted_until_whole(self, guest: GuestSpec, target: Path) -> Iterator[None]:
        """What a killed caller left is found by the note; a failure leaves nothing."""
        self._prepare_directory()
        self.clear(guest.uuid)
        self._write(guest.uuid, Note(str(self._host.instances), str(target), agent.has_channel(guest)))
        try:
            yield
        except BaseException as error:
            self.clear(guest.uuid)
            told = qemu_img.storage_error(error, target)
            if told is error:
                raise
            raise told from error
        self._note(guest.uuid).unlink()

    def _write_out(
        self, guest: GuestSpec, source: _Source, fmt: str, target: Path, progress: Progress, *, is_device: bool = False
    ) -> None:
        domain = self._host.find_or_none(guest.uuid)
        out = _Target(target, fmt, is_device)
        if domain is None or not self._copy_live(guest, domain, source, out, progress):
            self._convert(source.path, source.format, out, source.size(), progress)

    def _convert(self, path: Path, source_format: str, out: _Target, size: int, progress: Progress) -> None:
        timeout = self._options.qemu_img_timeout
        qemu_img.convert_whole(
            path, source_format, out.path, out.format, size, timeout, progress, is_device=out.is_device
        )
        if not out.is_device:
            out.path.chmod(FILE_MODE)

    # a guest that runs -----------------------------------------------------------------------------------------------
    def _copy_live(
        self, guest: GuestSpec, domain: libvirt.virDomain, source: _Source, out: _Target, progress: Progress
    ) -> bool:
        """True when it is done; False when the guest is off, or the disk is one that it can't write."""
        state = power.state_of(domain)
        working = self._working_file(guest.uuid)
        job = backup_job(domain.XMLDesc(0), source.path, working) if state in _ACTIVE else None
        if job is None:
            return False
        # Made by us, so that it is ours again when libvirt gives it back.
        qemu_img.create(working, _WORKING_FORMAT, source.size(), self._options.qemu_img_timeout)
        working.chmod(FILE_MODE)
        is_moved = out.format == _WORKING_FORMAT and not out.is_device
        parts = 1 if is_moved else 2
        try:
            # A guest that stands still has no agent that could answer, and writes nothing.
            with agent.quiesced(domain, guest) if state == PowerState.RUNNING else nullcontext():
                domain.backupBegin(job, None, libvirt.VIR_DOMAIN_BACKUP_BEGIN_REUSE_EXTERNAL)
            self._follow(domain, _part_of(progress, 0, parts))
        except libvirt.libvirtError:
            if power.state_of(domain) in _ACTIVE:
                raise
            # Its end ended the job. What it wrote last is on its disk now.
            working.unlink(missing_ok=True)
            return False
        if is_moved:
            _move(working, out.path)
        else:
            self._convert_working(guest, working, out, _part_of(progress, 1, parts))
        return True

    def _convert_working(self, guest: GuestSpec, working: Path, out: _Target, progress: Progress) -> None:
        """QEMU's own raw copy would have no holes."""
        # QEMU could write it, so that a guest which broke out of its machine could too.
        inspect(ImageFile(guest.uuid, working, _WORKING_FORMAT, working.stat().st_size))
        self._convert(working, _WORKING_FORMAT, out, disks.virtual_size(working), progress)
        working.unlink()

    def _follow(self, domain: libvirt.virDomain, progress: Progress) -> None:
        """Return when the job is over; raises what `progress` raises, or DriverError with QEMU's words."""
        while (stats := _backup_stats(domain)) is not None:
            total = int(stats.get("disk_total", 0))
            progress(total - int(stats.get("disk_remaining", total)), total)
            time.sleep(JOB_POLL)
        done = domain.jobStats(libvirt.VIR_DOMAIN_JOB_STATS_COMPLETED)
        if not done.get("success"):
            raise DriverError(reason=f"the snapshot failed: {done.get('errmsg') or 'the copying was ended'}")
        progress(int(done.get("disk_total", 0)), int(done.get("disk_total", 0)))

    # what killed calls left ------------------------------------------------------------------------------------------
    def recover(self) -> None:
        """At the start of the host."""
        for uuid in list(self._noted()):
            LOG.info("a snapshot of %s was interrupted; what it left is removed", uuid)
            try:
                self.clear(uuid)
            except (NovaError, libvirt.libvirtError) as error:
                # The guest's next snapshot tries again; the other guests must not wait for this one.
                LOG.warning("what a snapshot of %s left can't be removed: %s", uuid, error)

    def _noted(self) -> Iterator[str]:
        for path in self.directory.glob("*.json") if self.directory.exists() else ():
            note = self._read(path.stem) if UUID.fullmatch(path.stem) else None
            if note is not None and note.instances == str(self._host.instances):
                yield path.stem

    def clear(self, uuid: str) -> None:
        """Remove what a killed call left of one guest; nothing is fine."""
        note = self._read(uuid)
        if note is None:
            return
        domain = self._host.find_or_none(uuid)
        if domain is not None and power.state_of(domain) in _ACTIVE:
            self._end_job(domain)
            if note.agent:
                agent.thaw(domain)
        for path in (self._working_file(uuid), Path(note.target), self._note(uuid)):
            path.unlink(missing_ok=True)

    def _end_job(self, domain: libvirt.virDomain) -> None:
        """End a backup that goes to our working file; another program's is left alone."""
        try:
            if _backup_stats(domain) is None or not self._is_ours(domain):
                return
            domain.abortJob()
            deadline = time.monotonic() + JOB_END
            while _backup_stats(domain) is not None:
                if time.monotonic() > deadline:
                    raise DriverError(reason=f"the snapshot of {domain.UUIDString()} can't be ended")
                time.sleep(JOB_POLL)
        except libvirt.libvirtError as error:
            # It ended by itself since we looked, or with the guest.
            if error.get_error_code() not in (libvirt.VIR_ERR_OPERATION_INVALID, libvirt.VIR_ERR_NO_DOMAIN_BACKUP):
                raise

    def _is_ours(self, domain: libvirt.virDomain) -> bool:
        xml = ET.fromstring(domain.backupGetXMLDesc(0))  # noqa: S314 - libvirt's own XML
        targets = {target.get("file") for target in xml.findall("./disks/disk/target")}
        return targets == {str(self._working_file(domain.UUIDString()))}

    # files -----------------------------------------------------------------------------------------------------------
    def _prepare_directory(self) -> None:
        try:
            if not self.directory.exists():
                self.directory.mkdir(parents=True)
                self.directory.chmod(DIRECTORY_MODE)
        except OSError as error:
            raise DriverError(reason=f"{self.directory} can't be made: {error.strerror}") from error

    def _working_file(self, uuid: str) -> Path:
        return self.directory / f"{uuid}.snapshot"

    def _note(self, uuid: str) -> Path:
        return self.directory / f"{uuid}.json"

    def _write(self, uuid: str, note: Note) -> None:
        part = self._note(uuid).with_suffix(".part")
        part.write_text(json.dumps(asdict(note)))
        part.rename(self._note(uuid))

    def _read(self, uuid: str) -> Note | None:
        try:
            return Note(**json.loads(self._note(uuid).read_text()))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, TypeError) as error:
            LOG.warning("%s is no note of a snapshot: %s", self._note(uuid), error)
            return None


def _part_of(progress: Progress, number: int, parts: int) -> Progress:
    """The progress of one of several steps that each move the whole disk."""
    return lambda done, total: progress(number * total + done, parts * total)


def backup_job(xml: str, root: Path, target: Path) -> str | None:
    """libvirt's description of a copy of the disk `root`; None when the guest can't write that disk, or has it not."""
    job = ET.Element("domainbackup", {"mode": "push"})
    described = ET.SubElement(job, "disks")
    found = False
    for disk in ET.fromstring(xml).findall("./devices/disk"):  # noqa: S314 - libvirt's own XML
        device, source = disk.find("target"), disk.find("source")
        if device is None or source is None:
            continue
        name = device.get("dev", "")
        if str(root) not in (source.get("file"), source.get("dev")):
            ET.SubElement(described, "disk", {"name": name, "backup": "no"})
        elif disk.find("readonly") is None:
            found = True
            ours = ET.SubElement(described, "disk", {"name": name, "backup": "yes", "type": "file"})
            ET.SubElement(ours, "driver", {"type": _WORKING_FORMAT})
            ET.SubElement(ours, "target", {"file": str(target)})
    return ET.tostring(job, encoding="unicode") if found else None


def _backup_stats(domain: libvirt.virDomain) -> dict[str, Any] | None:
    """The figures of a backup that runs; None without one."""
    stats: dict[str, Any] = domain.jobStats()
    is_backup = stats.get("operation") == libvirt.VIR_DOMAIN_JOB_OPERATION_BACKUP
    return stats if is_backup and stats.get("type") != libvirt.VIR_DOMAIN_JOB_NONE else None


def _move(working: Path, target: Path) -> None:
    """Between file systems by copying."""
    try:
        os.rename(working, target)
    except OSError:
        target.unlink(missing_ok=True)
        sparse.copy(working, target)
        working.unlink()
    target.chmod(FILE_MODE)
