"""What a place for volumes must be able to do, and the data that a new volume begins with."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tuinova.core.errors import ImageUnacceptable
from tuinova.virt.driver import DriverError, ImageFile, Progress
from tuinova.virt.libvirt import disks, qemu_img
from tuinova.virt.libvirt.images import inspect, second_look
from tuinova.virt.libvirt.layout import UUID
from tuinova.virt.libvirt.options import LibvirtOptions
from tuinova.virt.volumes import VolumeBackend

GIB = 1 << 30


@dataclass(frozen=True, slots=True)
class Data:
    """A disk to copy from; `size` is what a guest sees of it, in bytes."""

    path: Path
    format: str
    size: int


class Backend(ABC):
    """A place for volumes and snapshots. Every call may be made again; sizes are GiB."""

    name: str
    format: str

    @abstractmethod
    def start(self) -> None:
        """Make it ready, and remove what killed calls left."""

    @abstractmethod
    def describe(self) -> VolumeBackend | None:
        """What it has room for; None while it can't be used."""

    @abstractmethod
    def find(self, kind: str, key: str) -> Mapping[str, Any] | None:
        """How a `volume` or `snapshot` is reached; None when there is none of that id."""

    @abstractmethod
    def place(self, kind: str, key: str) -> Mapping[str, Any]:
        """The same of one that is yet to be made."""

    @abstractmethod
    def create(self, kind: str, key: str, size: int, data: Data | None, progress: Progress) -> None:
        """Make a disk of `size` bytes, empty or with `data`; a failure leaves nothing."""

    @abstractmethod
    def replace(self, key: str, size: int, data: Data | None, progress: Progress) -> None:
        """Write a volume anew that nobody uses; the old one goes when the new one is whole."""

    @abstractmethod
    def extend(self, key: str, size: int) -> None:
        """Make a volume larger that nobody uses."""

    @abstractmethod
    def delete(self, kind: str, key: str) -> None:
        """Remove it; gone already is fine."""

    @abstractmethod
    def made(self) -> Mapping[str, list[str]]:
        """id -> what there is of it."""


def check_key(key: str) -> str:
    """The id of a volume or snapshot; it becomes part of a path."""
    if not UUID.fullmatch(key):
        raise DriverError(reason=f"{key!r} is no uuid")
    return key


def image_data(image: ImageFile, size: int, options: LibvirtOptions) -> Data:
    """An image's, once it is safe and fits into `size` bytes; raises ImageUnacceptable."""
    fmt = inspect(image)
    found = second_look(image, fmt, options)
    if found > size:
        # Cinder's words (cinder/image/image_utils.py check_virtual_size).
        reason = f"Image virtual size is {-(-found // GIB)}GB and doesn't fit in a volume of size {size // GIB}GB."
        raise ImageUnacceptable(image_id=image.id, reason=reason)
    return Data(image.path, fmt, found)


def disk_data(connection: Mapping[str, Any], key: str, options: LibvirtOptions) -> Data:
    """A volume's or snapshot's, at rest; raises DriverError while a guest uses it, or when it is not whole in itself.

    A guest that broke out of its machine can write any file's name into the header of its own disk.
    """
    path, fmt = Path(connection["path"]), str(connection["format"])
    trusted(connection, key)
    if connection["type"] == "block":
        with path.open("rb") as file:
            return Data(path, fmt, file.seek(0, 2))
    qemu_img.refuse_used(path, fmt, options.qemu_img_info_timeout)
    return Data(path, fmt, disks.virtual_size(path))


def trusted(connection: Mapping[str, Any], key: str) -> None:
    """Raise DriverError for a disk of ours that names another file."""
    path = Path(connection["path"])
    if connection["format"] != "qcow2":
        return
    try:
        inspect(ImageFile(key, path, "qcow2", path.stat().st_size))
    except ImageUnacceptable as error:
        raise DriverError(reason=f"{path} can't be used: {error.message}") from error
    except FileNotFoundError as error:
        raise DriverError(reason=f"{path} is missing") from error


def refuse_bigger(data: Data | None, size: int) -> None:
    """Before anything is written."""
    if data is not None and data.size > size:
        raise DriverError(reason=f"{data.size} bytes do not fit in a volume of {size} bytes")
