"""An image's data as a file of the caller's: checked against the image's hash, and under its name only when whole."""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from tuinova.client.errors import ClientError
from tuinova.client.images import CHUNK, Progress
from tuinova.client.resources import Json

if TYPE_CHECKING:
    from tuinova.client import Client


class Writable(Protocol):
    """What takes bytes."""

    def write(self, data: bytes, /) -> Any: ...


class DataDiffers(ClientError):
    """What came is not what the image's hash says."""


class NoData(ClientError):
    """An image without data."""


class _Hashing:
    """Passes bytes on and hashes them."""

    def __init__(self, target: Writable, digest: Any) -> None:
        self._target = target
        self._digest = digest

    def write(self, data: bytes) -> None:
        """One piece."""
        self._digest.update(data)
        self._target.write(data)


def read_image(
    client: Client, image: Json, target: Writable, progress: Progress | None = None, *, chunk_size: int = CHUNK
) -> int:
    """Write an image's data to `target` and check its hash: the number of bytes.

    Raises DataDiffers when it is all written and wrong, NoData, ServiceUnreachable when it breaks off, OSError.
    """
    algorithm, wanted = image.get("os_hash_algo"), image.get("os_hash_value")
    if not algorithm or not wanted:
        algorithm, wanted = "md5", image.get("checksum")
    if not wanted:
        raise NoData(f"Image {image.get('name') or image['id']} has no data: it is in status {image['status']}.")
    digest = hashlib.new(algorithm, usedforsecurity=False)
    done = client.images.download(image["id"], _Hashing(target, digest), progress, chunk_size=chunk_size)
    if digest.hexdigest() != wanted:
        raise DataDiffers(f"The data of image {image['id']} is damaged: its {algorithm} is {digest.hexdigest()}.")
    return done


def save_image(
    client: Client, image: Json, path: Path, progress: Progress | None = None, *, chunk_size: int = CHUNK
) -> int:
    """Save an image's data as a file, which is there whole and checked or is as it was before; raises as `read_image`.

    A device or a pipe is written to as it is.
    """
    with _target(path) as file:
        return read_image(client, image, file, progress, chunk_size=chunk_size)


@contextlib.contextmanager
def _target(path: Path) -> Iterator[Writable]:
    if path.exists() and not stat.S_ISREG(path.stat().st_mode):
        with path.open("wb", buffering=0) as file:
            yield file
        return
    path = path.resolve()  # a link stays a link to what is new
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name[:200]}.", suffix=".part", dir=path.parent)
    part = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            os.fchmod(file.fileno(), _mode(path))
            os.fsync(file.fileno())
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def _mode(path: Path) -> int:
    """That of the file that is replaced, else a new file's."""
    with contextlib.suppress(FileNotFoundError):
        return stat.S_IMODE(path.stat().st_mode)
    mask = os.umask(0)
    os.umask(mask)
    return 0o666 & ~mask
