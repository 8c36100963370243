"""Where volumes may lie: the options of group [volumes], and the backends that they name."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tuinova.core.errors import InvalidConfig

FORMATS = ("qcow2", "raw")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}")
_GROUP = re.compile(r"[A-Za-z0-9+_.][A-Za-z0-9+_.-]{0,126}")  # lvm(8), and never an option of a tool
_ENTRY = "NAME=file:DIRECTORY[:qcow2|raw] or NAME=lvm:GROUP"


@dataclass(frozen=True, slots=True)
class BackendOptions:
    """One backend: `kind` file with its directory and the format of its volumes, or lvm with its volume group."""

    name: str
    kind: str
    directory: Path | None = None
    format: str = "raw"
    volume_group: str = ""


@dataclass(frozen=True, slots=True)
class VolumeOptions:
    """`volume_clear`: zero what an LVM volume held before its place is given to another (Cinder's option), or none."""

    backends: tuple[BackendOptions, ...]
    volume_clear: str = "zero"


def read_backends(entries: Sequence[str], directory: Path, fmt: str, volume_group: str) -> tuple[BackendOptions, ...]:
    """The backends of `entries`, the default first; without any, the volume group where one is named, and a directory.

    Raises InvalidConfig.
    """
    if not entries:
        usual = BackendOptions("file", "file", directory, fmt)
        return (_group("lvm", volume_group), usual) if volume_group else (usual,)
    found = tuple(_read(entry, fmt) for entry in entries)
    for what in ("name", "directory", "volume_group"):
        values = [value for backend in found if (value := getattr(backend, what))]
        if len(set(values)) < len(values):
            raise InvalidConfig(reason=f"[volumes] backends: two of them have the same {what.replace('_', ' ')}")
    return found


def _read(entry: str, fmt: str) -> BackendOptions:
    name, _, rest = entry.partition("=")
    kind, _, place = rest.partition(":")
    if not _NAME.fullmatch(name.strip()) or kind not in ("file", "lvm") or not place:
        raise InvalidConfig(reason=f"[volumes] backends: {entry!r} is not {_ENTRY}")
    if kind == "lvm":
        return _group(name.strip(), place)
    path, _, own = place.rpartition(":")
    path, own = (path, own) if own in FORMATS else (place, fmt)
    if not Path(path).is_absolute():
        raise InvalidConfig(reason=f"[volumes] backends: {path!r} is no absolute path")
    return BackendOptions(name.strip(), "file", Path(path), own)


def _group(name: str, volume_group: str) -> BackendOptions:
    if not _GROUP.fullmatch(volume_group) or volume_group in (".", ".."):
        raise InvalidConfig(reason=f"[volumes] {volume_group!r} can't be the name of a volume group")
    return BackendOptions(name, "lvm", volume_group=volume_group)
