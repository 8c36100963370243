"""The image cache: hostile image files become bases that overlays may trust.

As nova/virt/images.py and imagebackend.py: `_base/<sha1 of the image id>`, inspected before any tool of QEMU sees the
data, converted to raw, made under `.part` and renamed, one lock an image.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from tuinova.core.errors import ImageUnacceptable
from tuinova.virt.driver import DriverError, ImageFile
from tuinova.virt.libvirt import qemu_img, sparse
from tuinova.virt.libvirt.layout import DIRECTORY_MODE
from tuinova.virt.libvirt.options import LibvirtOptions

# disk_format -> (what the inspector must find, QEMU's name of the format)
FORMATS: dict[str, tuple[frozenset[str], str]] = {
    "raw": (frozenset({"raw", "gpt"}), "raw"),
    "qcow2": (frozenset({"qcow2"}), "qcow2"),
    # A bootable ISO often carries a partition table of its own.
    "iso": (frozenset({"iso", "gpt"}), "raw"),
    "vmdk": (frozenset({"vmdk"}), "vmdk"),
    "vdi": (frozenset({"vdi"}), "vdi"),
    "vhd": (frozenset({"vhd"}), "vpc"),
    "vhdx": (frozenset({"vhdx"}), "vhdx"),
    "ami": (frozenset({"raw", "gpt"}), "raw"),
    "aki": (frozenset({"raw", "gpt"}), "raw"),
    "ari": (frozenset({"raw", "gpt"}), "raw"),
}
# Formats of which `qemu-img check` knows whether the tables are sound and the file is whole.
_CHECKABLE = frozenset({"qcow2", "vdi", "vhdx"})
READ_SIZE = 64 * 1024
BASE_MODE = 0o644  # many guests read one base, and libvirt may take it back from its user while others need it


@dataclass(frozen=True, slots=True)
class Base:
    """A file that overlays stand on; `virtual_size` in bytes."""

    path: Path
    format: str
    virtual_size: int


def inspect(image: ImageFile) -> str:
    """QEMU's name of the format, once the data is what the image says and safe; raises ImageUnacceptable.

    Nova: nova/virt/images.py do_image_deep_inspection. The inspectors read headers only and never follow a name.
    """
    if image.disk_format not in FORMATS:
        raise ImageUnacceptable(image_id=image.id, reason=f"disk format {image.disk_format} is not supported")
    expected, qemu_format = FORMATS[image.disk_format]
    # Imported here: it takes 60 ms, and a service that boots no new image never needs it.
    from oslo_utils.imageutils import format_inspector

    try:
        with image.path.open("rb") as file:
            wrapper = format_inspector.InspectWrapper(file)
            while wrapper.formats is None and wrapper.read(READ_SIZE):
                pass
            wrapper.close()
        found = wrapper.formats or []
        names = {str(inspector) for inspector in found}
        if not names or not names <= expected or (image.disk_format == "iso" and "iso" not in names):
            told = ", ".join(sorted(names)) or "nothing known"
            reason = f"Image content does not match disk_format {image.disk_format}: it is {told}"
            raise ImageUnacceptable(image_id=image.id, reason=reason)
        for inspector in found:
            # A disk image may hold any boot record; only what QEMU would follow is a danger.
            if str(inspector) != "gpt":
                inspector.safety_check()
    except format_inspector.SafetyCheckFailed as error:
        failed = ", ".join(f"{name} ({why})" for name, why in error.failures.items())
        raise ImageUnacceptable(image_id=image.id, reason=f"it fails the safety check: {failed}") from error
    except format_inspector.ImageFormatError as error:
        raise ImageUnacceptable(image_id=image.id, reason=f"its format can't be read: {error}") from error
    except OSError as error:
        raise DriverError(reason=f"the data of image {image.id} can't be read: {error.strerror}") from error
    return qemu_format


class ImageCache:
    """Bases in `_base`, shared by all guests of the host."""

    def __init__(self, instances: Path, options: LibvirtOptions) -> None:
        self._options = options
        self.directory = instances / options.image_cache_subdirectory_name
        self._locks = instances / "locks"

    def prepare(self) -> None:
        """Make the directories, and drop what interrupted conversions left."""
        for directory in (self.directory, self._locks):
            directory.mkdir(exist_ok=True)
            directory.chmod(DIRECTORY_MODE)
        for part in self.directory.glob("*.part"):
            with suppress(BlockingIOError), self.locked(part.name.split(".")[0], fcntl.LOCK_NB):
                part.unlink(missing_ok=True)

    @contextmanager
    def locked(self, name: str, flags: int = 0) -> Iterator[None]:
        """One maker of a base at a time; the kernel frees the lock of a process that died."""
        with (self._locks / f"{name}.lock").open("ab") as file:
            fcntl.flock(file, fcntl.LOCK_EX | flags)
            yield

    def base_name(self, image: ImageFile) -> str:
        """Nova's name of a cached image."""
        return hashlib.sha1(image.id.encode(), usedforsecurity=False).hexdigest()

    def base(self, image: ImageFile) -> Base:
        """The base of an image; made on first use."""
        target = self._target(image)
        self._ensure(image, target)
        return self.known(target)

    def prefetch(self, image: ImageFile) -> bool:
        """Make the base of an image now; False when it was there already."""
        return self._ensure(image, self._target(image))

    def _target(self, image: ImageFile) -> Path:
        fmt = FORMATS.get(image.disk_format, ((), "raw"))[1]
        name = self.base_name(image)
        return self.directory / (name if self._options.force_raw_images or fmt == "raw" else f"{name}.{fmt}")

    def _ensure(self, image: ImageFile, target: Path) -> bool:
        with self.locked(self.base_name(image)):
            if target.exists():
                os.utime(target)
                return False
            self._make(image, target, keep=bool(target.suffix))
            return True

    def known(self, path: Path) -> Base:
        """The facts of a base that is there, by its name: `<sha1>` and what we made is raw, else `<sha1>.<format>`."""
        if not path.suffix:
            return Base(path, "raw", path.stat().st_size)
        fmt = path.suffix[1:]
        return Base(path, fmt, int(qemu_img.info(path, fmt, self._options.qemu_img_info_timeout)["virtual-size"]))

    def bring(self, image: ImageFile | None, source: Path) -> Base:
        """This host's base of the same name as `source`, another host's (or one of ours that went missing).

        Made from its image while there is one, else copied from the other host.
        """
        target = self.directory / source.name
        if image is not None and image.path.exists() and source.name.split(".")[0] == self.base_name(image):
            return self.base(image)
        with self.locked(source.name.split(".")[0]):
            if target.exists():
                os.utime(target)  # somebody builds on it now: it is no longer old
            else:
                self._copy(source, target)
        return self.known(target)

    def _copy(self, source: Path, target: Path) -> None:
        if not source.exists():
            raise DriverError(reason=f"neither the image of {target.name} nor {source} is there any more")
        part = target.with_name(f"{target.name}.part")
        part.unlink(missing_ok=True)
        try:
            sparse.copy(source, part)
            part.chmod(BASE_MODE)
            part.rename(target)
        except OSError as error:
            raise qemu_img.os_error(error, target) from error
        finally:
            part.unlink(missing_ok=True)

    def _make(self, image: ImageFile, target: Path, keep: bool) -> None:
        source_format = inspect(image)
        second_look(image, source_format, self._options)
        part = target.with_name(f"{target.name}.part")
        part.unlink(missing_ok=True)
        try:
            if keep:
                shutil.copyfile(image.path, part)
            else:
                qemu_img.convert(image.path, source_format, part, "raw", self._options.qemu_img_timeout)
            part.chmod(BASE_MODE)
            part.rename(target)
        except OSError as error:
            raise qemu_img.os_error(error, target) from error
        finally:
            part.unlink(missing_ok=True)


def second_look(image: ImageFile, source_format: str, options: LibvirtOptions) -> int:
    """What QEMU itself says of the file: no second file may stand behind it, and its tables must be whole.

    Returns the size in bytes that a guest would see; raises ImageUnacceptable.
    """
    try:
        found = qemu_img.info(image.path, source_format, options.qemu_img_info_timeout)
        if source_format in _CHECKABLE:
            qemu_img.check(image.path, source_format, options.qemu_img_timeout)
    except DriverError as error:
        raise ImageUnacceptable(image_id=image.id, reason=error.message) from error
    data = found.get("format-specific", {}).get("data", {})
    for key, held in (("backing-filename", found), ("data-file", data)):
        if held.get(key):
            raise ImageUnacceptable(image_id=image.id, reason=f"it refers to another file ({key})")
    if found.get("encrypted"):
        raise ImageUnacceptable(image_id=image.id, reason="it is encrypted")
    return int(found["virtual-size"])
