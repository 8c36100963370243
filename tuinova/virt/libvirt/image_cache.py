"""The ageing of cached images: what no disk stands on and no server was made of goes when it is old.

nova/virt/libvirt/imagecache.py, nova/conf/imagecache.py. A base that a disk needs is a guest's data: where it can't be
told what the disks stand on, nothing is removed at all.
"""

from __future__ import annotations

import fcntl
import hashlib
import logging
import os
import re
import stat
import time
from collections.abc import Callable, Collection, Iterator
from pathlib import Path

from tuinova.virt.driver import DriverError
from tuinova.virt.libvirt.disks import qcow2_header
from tuinova.virt.libvirt.images import ImageCache
from tuinova.virt.libvirt.options import LibvirtOptions

LOG = logging.getLogger(__name__)

_ORIGINAL = re.compile(r"([0-9a-f]{40})(\.[a-z0-9]+)?\Z")
_RESIZED = re.compile(r"([0-9a-f]{40})_[0-9]+\Z")  # copies that old releases of Nova made
_MADE = re.compile(r"(ephemeral_[0-9]+|swap)_[0-9A-Za-z]+(_[0-9]+)?\Z")


class CacheAging:
    """Looks at one host's `_base`; names that are not the cache's are never touched."""

    def __init__(
        self,
        cache: ImageCache,
        instances: Path,
        options: LibvirtOptions,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._cache = cache
        self._instances = instances
        self._options = options
        self._clock = clock

    def age(self, image_ids: Collection[str]) -> list[str]:
        """Touch what is in use, remove what has been unused for long enough; returns the names that went.

        Raises DriverError when a disk can't be read, since it may stand on any base.
        """
        now = self._clock()
        try:
            entries = sorted(path for path in self._cache.directory.iterdir() if _lock_of(path.name))
            used = {os.path.realpath(path) for path in self._stood_on()}
        except OSError as error:
            raise DriverError(reason=f"the image cache can't be looked through: {error}") from error
        names = {hashlib.sha1(image_id.encode(), usedforsecurity=False).hexdigest() for image_id in image_ids}
        gone = []
        for path in entries:
            if path.name.split(".")[0].split("_")[0] in names or os.path.realpath(path) in used:
                _touch(path, now)
            elif self._options.remove_unused_base_images and self._remove(path, now):
                gone.append(path.name)
        return gone

    def _stood_on(self) -> Iterator[Path]:
        """What the disks in all directories of guests stand on: also of resized, rescued and half removed ones."""
        for directory in self._instances.iterdir():
            if directory == self._cache.directory or not directory.is_dir():
                continue
            for path in _files_of(directory):
                header = qcow2_header(path)
                if header is not None and header[1]:
                    yield path.parent / header[1]  # an absolute name stays what it is

    def _remove(self, path: Path, now: float) -> bool:
        """Under the lock of whoever makes it or builds on it, and only if nobody has touched it since."""
        try:
            with self._cache.locked(_lock_of(path.name) or path.name, fcntl.LOCK_NB):
                if now - path.stat().st_mtime < self._minimum_age(path.name):
                    return False
                path.unlink()
        except BlockingIOError:
            return False
        except FileNotFoundError:
            return False
        except OSError as error:
            LOG.warning("the cached image %s can't be removed: %s", path, error)
            return False
        return True

    def _minimum_age(self, name: str) -> int:
        if _RESIZED.match(name):
            return self._options.remove_unused_resized_minimum_age_seconds
        return self._options.remove_unused_original_minimum_age_seconds


def _lock_of(name: str) -> str | None:
    """The name of the lock of a cached file; None for a file that is not the cache's."""
    if _MADE.match(name) or _RESIZED.match(name):
        return name
    match = _ORIGINAL.match(name)
    return match[1] if match else None


def _files_of(directory: Path) -> Iterator[Path]:
    """The plain files of a directory; one that goes meanwhile had nothing that anybody needs."""
    try:
        entries = list(directory.iterdir())
    except FileNotFoundError:
        return
    for path in entries:
        try:
            if stat.S_ISREG(path.lstat().st_mode):
                yield path
        except FileNotFoundError:
            continue


def _touch(path: Path, now: float) -> None:
    try:
        os.utime(path, (now, now))
    except FileNotFoundError:
        LOG.debug("%s went meanwhile", path)
