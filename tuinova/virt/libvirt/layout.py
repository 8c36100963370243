"""Where a guest's files are: Nova's layout of the instances directory, and who may enter it."""

from __future__ import annotations

import os
import pwd
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tuinova.virt.driver import DriverError

UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
# What is appended to a guest's directory while it is deleted or moved; the first two are Nova's.
_LEFTOVER = re.compile(rf"({UUID.pattern})(_del|_resize|_incoming)?")
_EPHEMERAL = re.compile(r"disk\.eph\d+")
# QEMU's user must pass, nobody else need look around: disks and config drives hold secrets.
DIRECTORY_MODE = 0o711
FILE_MODE = 0o600  # libvirt hands a file to QEMU's user when the guest starts


@dataclass(frozen=True, slots=True)
class InstanceFiles:
    """The files of one guest (nova/virt/libvirt/utils.py get_instance_path)."""

    instances: Path
    uuid: str

    def __post_init__(self) -> None:
        if not UUID.fullmatch(self.uuid):
            raise DriverError(reason=f"{self.uuid!r} is no uuid")

    @property
    def directory(self) -> Path:
        """The guest's directory."""
        return self.instances / self.uuid

    def path(self, name: str) -> Path:
        """A file in it: disk, disk.local, disk.eph0, disk.swap, disk.config, kernel, ramdisk."""
        return self.directory / name

    @property
    def console_log(self) -> Path:
        """What virtlogd writes now; rotated parts are console.log.0 and so on."""
        return self.directory / "console.log"

    @property
    def set_aside(self) -> Path:
        """Where a resize or migration keeps the guest's files until it is confirmed or reverted."""
        return self.instances / f"{self.uuid}_resize"

    @property
    def incoming(self) -> Path:
        """Where files of a guest that comes from another host gather until they are complete."""
        return self.instances / f"{self.uuid}_incoming"

    @property
    def unrescue_xml(self) -> Path:
        """The definition that a rescued guest had before; it is there as long as the guest is rescued."""
        return self.path("unrescue.xml")

    def forget_rescue(self) -> None:
        """Remove what a rescue made."""
        self.unrescue_xml.unlink(missing_ok=True)
        for pattern in ("*.rescue", "*.rescue.part"):
            for path in self.directory.glob(pattern):
                path.unlink(missing_ok=True)

    @property
    def started(self) -> Path:
        """Its time is that of the guest's last start."""
        return self.path("started")

    def make(self) -> None:
        """An empty directory; what a failed build left there goes."""
        self.remove()
        make_directory(self.directory)

    def remove(self, *, keep_set_aside: bool = False) -> None:
        """Remove all of a guest, or what a move may still need back stays."""
        self.drop(self.directory, self.incoming, *(() if keep_set_aside else (self.set_aside,)))

    def drop(self, *directories: Path) -> None:
        """Rename to <uuid>_del, then remove the tree, so that a half-removed directory never looks like a guest's."""
        doomed = self.directory.with_name(f"{self.uuid}_del")
        try:
            _remove_tree(doomed)
            for directory in directories:
                if directory.exists():
                    directory.rename(doomed)
                    _remove_tree(doomed)
        except OSError as error:
            raise DriverError(reason=f"the files of guest {self.uuid} can't be removed: {error}") from error

    def put_back(self) -> None:
        """What was set aside is the guest's again, in place of anything that was made of it meanwhile."""
        if self.set_aside.exists():
            self.drop(self.directory)
            self.set_aside.rename(self.directory)


def local_disks(directory: Path) -> list[Path]:
    """A guest's own disks in its directory, the root first."""
    ephemerals = (path for path in directory.glob("disk.eph*") if _EPHEMERAL.fullmatch(path.name))
    in_order = sorted(ephemerals, key=lambda path: int(path.name.removeprefix("disk.eph")))
    paths = (directory / "disk", directory / "disk.local", *in_order, directory / "disk.swap")
    return [path for path in paths if path.exists()]


def make_directory(path: Path) -> None:
    """A directory that QEMU's user can pass, whatever the umask."""
    path.mkdir(mode=DIRECTORY_MODE)
    path.chmod(DIRECTORY_MODE)


def _remove_tree(path: Path) -> None:
    if path.exists():
        shutil.rmtree(path)


def guest_directories(instances: Path) -> Iterator[str]:
    """The uuids that have a directory, a half-removed one or one of a resize included."""
    seen = set()
    for entry in instances.iterdir() if instances.exists() else ():
        match = _LEFTOVER.fullmatch(entry.name)
        if match and match[1] not in seen:
            seen.add(match[1])
            yield match[1]


@dataclass(frozen=True, slots=True)
class QemuUser:
    """The user that QEMU runs as."""

    uid: int
    gid: int

    @property
    def name(self) -> str:
        """Its name, or the number when it has none."""
        try:
            return pwd.getpwuid(self.uid).pw_name
        except KeyError:
            return str(self.uid)

    def groups(self) -> set[int]:
        """All its groups."""
        try:
            return {self.gid, *os.getgrouplist(pwd.getpwuid(self.uid).pw_name, self.gid)}
        except KeyError:
            return {self.gid}


def first_closed_directory(path: Path, user: QemuUser) -> Path | None:
    """The first directory on the way to `path` that `user` can't enter, None when all are open."""
    groups = user.groups()
    for directory in (*reversed(path.parents), path):
        if user.uid != 0 and not _may_enter(directory, user, groups):
            return directory
    return None


def _may_enter(directory: Path, user: QemuUser, groups: set[int]) -> bool:
    if os.geteuid() == 0:
        # The kernel's own answer, access control lists included.
        done = subprocess.run(["test", "-x", str(directory)], user=user.uid, group=user.gid, extra_groups=list(groups))
        return done.returncode == 0
    stat = directory.stat()
    if stat.st_uid == user.uid:
        return bool(stat.st_mode & 0o100)
    if stat.st_gid in groups:
        return bool(stat.st_mode & 0o010)
    return bool(stat.st_mode & 0o001)


def supports_direct_io(directory: Path) -> bool:
    """Whether files there can be opened with O_DIRECT (tmpfs and some network file systems can't)."""
    probe = directory / ".directio"
    try:
        os.close(os.open(probe, os.O_CREAT | os.O_WRONLY | os.O_DIRECT, 0o600))
    except OSError:
        return False
    finally:
        probe.unlink(missing_ok=True)
    return True
