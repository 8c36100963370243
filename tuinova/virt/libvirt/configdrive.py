"""The config drive: an ISO 9660 disc (or a FAT disk) labelled config-2 (nova/virt/configdrive.py)."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from tuinova.virt.driver import DriverError
from tuinova.virt.libvirt import qemu_img
from tuinova.virt.libvirt.layout import FILE_MODE

LABEL = "config-2"
PUBLISHER = "tuinova"
VFAT_BYTES = 64 << 20


def write(target: Path, contents: Mapping[str, bytes], drive_format: str) -> None:
    """Write the drive; under `.part` first, so that a crash leaves no half drive that a later start would keep."""
    part = target.with_name(f"{target.name}.part")
    try:
        with tempfile.TemporaryDirectory(prefix="config-", dir=target.parent) as name:
            tree = Path(name)
            _put_files(tree, contents)
            if drive_format == "vfat":
                _make_vfat(tree, part)
            else:
                _make_iso(tree, part)
        part.chmod(FILE_MODE)
        part.rename(target)
    except OSError as error:
        raise qemu_img.os_error(error, target) from error
    finally:
        part.unlink(missing_ok=True)


def _put_files(tree: Path, contents: Mapping[str, bytes]) -> None:
    for name, data in contents.items():
        path = PurePosixPath(name)
        if path.is_absolute() or ".." in path.parts or not path.parts:
            raise DriverError(reason=f"{name!r} can't be a path in a config drive")
        file = tree / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)


def _iso_command() -> list[str]:
    for tool, command in (("genisoimage", []), ("mkisofs", []), ("xorriso", ["-as", "mkisofs"])):
        found = shutil.which(tool)
        if found:
            return [found, *command]
    raise DriverError(reason="a config drive needs genisoimage, mkisofs or xorriso; none is installed")


def _make_iso(tree: Path, target: Path) -> None:
    command = _iso_command()
    options = ["-o", str(target), "-publisher", PUBLISHER, "-quiet", "-J", "-r", "-V", LABEL]
    if not command[0].endswith("xorriso"):
        options = ["-ldots", "-allow-lowercase", "-allow-multidot", "-l", *options]
    _run([*command, *options, str(tree)], target)


def _make_vfat(tree: Path, target: Path) -> None:
    qemu_img.create_raw(target, VFAT_BYTES)
    mkfs = shutil.which("mkfs.vfat") or shutil.which("mkfs.vfat", path="/usr/sbin:/sbin")
    mcopy = shutil.which("mcopy")
    if mkfs is None or mcopy is None:
        raise DriverError(reason="config_drive_format vfat needs mkfs.vfat and mcopy (packages dosfstools and mtools)")
    _run([mkfs, "-n", LABEL, str(target)], target)
    _run([mcopy, "-s", "-i", str(target), *map(str, sorted(tree.iterdir())), "::"], target)


def _run(command: list[str], target: Path) -> None:
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", stdin=subprocess.DEVNULL)
    if done.returncode:
        if qemu_img.NO_SPACE in done.stderr:
            raise qemu_img.no_space(target)
        raise DriverError(reason=f"the config drive can't be written: {done.stderr.strip()[-300:]}")
