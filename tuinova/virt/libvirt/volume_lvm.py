"""Volumes that are logical volumes of a volume group: `volume-<id>`, `snapshot-<id>`, each as large as it says.

One is made under the name `part-...` and renamed when it is whole; whoever makes it holds a lock on its device. What
replaces another is called `whole-...` until the other has become a `part-...` itself, so that at each moment one of the
two is whole and known to be. What it held is zeroed before its place is given back: the next owner finds nothing.
"""

from __future__ import annotations

import fcntl
import logging
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tuinova.virt.driver import DriverError, Progress
from tuinova.virt.libvirt import qemu_img
from tuinova.virt.libvirt.layout import UUID
from tuinova.virt.libvirt.options import LibvirtOptions
from tuinova.virt.libvirt.volume_backend import GIB, Backend, Data, check_key, refuse_bigger
from tuinova.virt.libvirt.volume_options import BackendOptions
from tuinova.virt.volumes import VolumeBackend

LOG = logging.getLogger(__name__)

TOOL_SECONDS = 120
_SBIN = "/usr/sbin:/sbin:/usr/bin:/bin"
_NO_ROOM = "nsufficient free space"
_PART, _WHOLE = "part-", "whole-"
_NAME = re.compile(rf"({_PART}|{_WHOLE})?(volume|snapshot)-({UUID.pattern})")


class VolumeGroup:
    """LVM's own tools on one volume group."""

    devices = Path("/dev")

    def __init__(self, name: str, zero_seconds: int = 3600, *, clear: bool = True) -> None:
        self.name = name
        self._zero_seconds = zero_seconds
        self._clear = clear

    def device(self, volume: str) -> Path:
        """Where a logical volume is seen."""
        return self.devices / self.name / volume

    def sizes(self) -> tuple[int, int]:
        """Bytes in all and free; raises DriverError where there is no such group."""
        columns = ["--noheadings", "--nosuffix", "--units", "b", "-o", "vg_size,vg_free"]
        total, free = _run("vgs", *columns, self.name).split()
        return int(total), int(free)

    def volumes(self) -> dict[str, tuple[int, bool]]:
        """Name -> bytes, and whether somebody has it open; ours and others'."""
        columns = "lv_name,lv_size,lv_device_open"
        table = _run("lvs", "--noheadings", "--nosuffix", "--units", "b", "--separator", "|", "-o", columns, self.name)
        rows = (line.strip().split("|") for line in table.splitlines() if line.strip())
        return {name: (int(size), bool(is_open)) for name, size, is_open in rows}

    def make(self, volume: str, size: int) -> None:
        """A new one; raises ComputeResourcesUnavailable when the group is full."""
        arguments = ["--yes", "--wipesignatures", "y", "--zero", "y", "--size", f"{size}b", "--name", volume]
        try:
            _run("lvcreate", *arguments, self.name)
        except DriverError as error:
            if _NO_ROOM in error.message:
                raise qemu_img.no_space(self.device(volume)) from error
            raise

    def rename(self, volume: str, new: str) -> None:
        """Another name."""
        _run("lvrename", self.name, volume, new)

    def extend(self, volume: str, size: int) -> None:
        """As large as that; larger already is fine, in use is, too."""
        found = self.volumes().get(volume)
        if found is None:
            raise DriverError(reason=f"volume group {self.name} has no {volume}")
        if found[0] < size:
            try:
                _run("lvextend", "--size", f"{size}b", f"{self.name}/{volume}")
            except DriverError as error:
                if _NO_ROOM in error.message:
                    raise qemu_img.no_space(self.device(volume)) from error
                raise

    def remove(self, volume: str) -> None:
        """Zero and remove; gone already is fine, in use is a DriverError before anything is lost."""
        found = self.volumes().get(volume)
        if found is None:
            return
        if found[1]:
            raise DriverError(reason=f"{self.device(volume)} is in use")
        if self._clear:
            _run("blkdiscard", "--zeroout", str(self.device(volume)), seconds=self._zero_seconds)
        _run("lvremove", "--yes", "--force", f"{self.name}/{volume}")


class LvmBackend(Backend):
    """A volume group."""

    format = "raw"

    def __init__(self, backend: BackendOptions, options: LibvirtOptions, *, clear: bool = True) -> None:
        self.name = backend.name
        self.group = VolumeGroup(backend.volume_group, options.qemu_img_timeout, clear=clear)
        self._options = options

    def start(self) -> None:
        """See above; raises DriverError where the host has no such volume group."""
        for volume in self._left(_WHOLE):
            self._settle(volume, lambda group, name: put_in_place(group, name.removeprefix(_WHOLE)))
        for volume in self._left(_PART):
            self._settle(volume, VolumeGroup.remove)

    def _left(self, prefix: str) -> list[str]:
        return [name for name in self.group.volumes() if (match := _NAME.fullmatch(name)) and match[1] == prefix]

    def _settle(self, volume: str, end: Callable[[VolumeGroup, str], None]) -> None:
        """End what an interrupted call left, unless somebody is at it; one that can't be does not keep the others."""
        try:
            with _locked(self.group.device(volume)):
                pass
            end(self.group, volume)
            LOG.info("an interrupted call had left %s", self.group.device(volume))
        except BlockingIOError:
            LOG.debug("%s is being made", volume)
        except DriverError as error:
            LOG.warning("%s, which an interrupted call left: %s", self.group.device(volume), error.message)

    def describe(self) -> VolumeBackend | None:
        """See above."""
        try:
            total, free = self.group.sizes()
        except DriverError as error:
            LOG.warning("volume group %s: %s", self.group.name, error.message)
            return None
        return VolumeBackend(self.name, "lvm", self.format, total / GIB, free / GIB)

    def find(self, kind: str, key: str) -> Mapping[str, Any] | None:
        """See above; a device that is there is whole."""
        found = self.place(kind, key)
        return found if Path(found["path"]).exists() else None

    def place(self, kind: str, key: str) -> Mapping[str, Any]:
        """See above; with the group, for whoever extends it under a guest."""
        return connection(self.group, f"{kind}-{check_key(key)}")

    def create(self, kind: str, key: str, size: int, data: Data | None, progress: Progress) -> None:
        """See above."""
        refuse_bigger(data, size)
        name = f"{kind}-{check_key(key)}"
        if name in self.group.volumes():
            return
        with new_volume(self.group, name, size) as device:
            self._fill(device, data, progress)

    def _fill(self, device: Path, data: Data | None, progress: Progress) -> None:
        if data is not None:
            timeout = self._options.qemu_img_timeout
            source = (data.path, data.format)
            qemu_img.convert_whole(*source, device, "raw", data.size, timeout, progress, is_device=True)

    def replace(self, key: str, size: int, data: Data | None, progress: Progress) -> None:
        """See above; the group must have room for both."""
        refuse_bigger(data, size)
        name = f"volume-{check_key(key)}"
        present = self.group.volumes()
        if f"{_WHOLE}{name}" in present:
            put_in_place(self.group, name)
        if present.get(name, (0, False))[1]:
            raise DriverError(reason=f"{self.group.device(name)} is in use")
        with new_volume(self.group, name, size, replaces=True) as device:
            self._fill(device, data, progress)
        try:
            self.group.remove(f"{_PART}{name}")
        except DriverError as error:
            LOG.warning("what %s held stays until the next start: %s", self.group.device(name), error.message)

    def extend(self, key: str, size: int) -> None:
        """See above."""
        self.group.extend(f"volume-{check_key(key)}", size)

    def delete(self, kind: str, key: str) -> None:
        """See above."""
        name = f"{kind}-{check_key(key)}"
        for what in ("", _WHOLE, _PART):
            self.group.remove(f"{what}{name}")

    def made(self) -> Mapping[str, list[str]]:
        """See above."""
        found: dict[str, list[str]] = {}
        try:
            names = self.group.volumes()
        except DriverError as error:
            LOG.warning("volume group %s: %s", self.group.name, error.message)
            return found
        for name in sorted(names):
            if match := _NAME.fullmatch(name):
                found.setdefault(match[3], []).append(f"logical volume of a {match[2]}")
        return found


def connection(group: VolumeGroup, volume: str) -> dict[str, Any]:
    """How a guest reaches a logical volume."""
    return {"type": "block", "path": str(group.device(volume)), "format": "raw", "volume_group": group.name}


@contextmanager
def new_volume(group: VolumeGroup, name: str, size: int, *, replaces: bool = False) -> Iterator[Path]:
    """The device of a logical volume that gets its name when all went well; otherwise nothing is left of it.

    `replaces`: one of that name, which becomes the part then.
    """
    part, whole = f"{_PART}{name}", f"{_WHOLE}{name}"
    group.remove(part)
    group.make(part, size)
    try:
        with _locked(group.device(part)):
            yield group.device(part)
        group.rename(part, whole if replaces else name)
    except BaseException:
        group.remove(part)
        raise
    if replaces:
        put_in_place(group, name)


def put_in_place(group: VolumeGroup, name: str) -> None:
    """Give a replacement that is whole its name; what had that name is a part, and of no use to anybody.

    It goes on from wherever it was interrupted.
    """
    present = group.volumes()
    if name in present:
        group.remove(f"{_PART}{name}")
        group.rename(name, f"{_PART}{name}")
    group.rename(f"{_WHOLE}{name}", name)


@contextmanager
def _locked(device: Path) -> Iterator[None]:
    """While one is made; raises BlockingIOError when somebody else makes it, DriverError for one that is not active."""
    try:
        file = device.open("rb")
    except FileNotFoundError as error:
        raise DriverError(reason=f"there is no device {device}") from error
    with file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield


def _run(tool: str, *arguments: str, seconds: int = TOOL_SECONDS) -> str:
    """What one of LVM's tools prints; any failure is a DriverError with its last line."""
    path = shutil.which(tool) or shutil.which(tool, path=_SBIN)
    if path is None:
        raise DriverError(reason=f"{tool} is not installed (Debian package lvm2)")
    # LVM complains about every descriptor that it did not open itself.
    env = {"PATH": os.environ.get("PATH", _SBIN), "LC_ALL": "C", "LVM_SUPPRESS_FD_WARNINGS": "1"}
    try:
        done = subprocess.run(
            [path, *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=seconds, env=env
        )
    except subprocess.TimeoutExpired:
        raise DriverError(reason=f"{tool} did not end within {seconds} s") from None
    if done.returncode:
        lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
        raise DriverError(reason=f"{tool} failed: {lines[-1] if lines else f'exit code {done.returncode}'}")
    return done.stdout
