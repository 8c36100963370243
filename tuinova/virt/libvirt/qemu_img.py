"""qemu-img under limits: image data is hostile, and one image must not eat the host."""

from __future__ import annotations

import errno
import json
import os
import re
import select
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tuinova.core.errors import ComputeResourcesUnavailable, ImageStorageFull
from tuinova.virt.driver import DriverError, Progress

# oslo.concurrency's limits as Nova uses them for `info`; converting real images needs more of both.
INFO_ADDRESS_SPACE = 1 << 30
INFO_CPU_SECONDS = 30
CONVERT_ADDRESS_SPACE = 4 << 30
NO_SPACE = "No space left on device"
IN_USE = "the disk is in use"
_QEMUS_IN_USE = "Is another process using the image"
PROGRESS_PERIOD = 0.5
_PERCENT = re.compile(rb"\((\d+\.\d+)/100%\)")


def run(arguments: list[str], *, timeout: int, address_space: int, cpu_seconds: int) -> str:
    """Standard output of `qemu-img ARGUMENTS`; any failure is a DriverError with qemu-img's last line."""
    command = _command(arguments, address_space, cpu_seconds)
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout,
            env=_environment(),
        )
    except subprocess.TimeoutExpired:
        raise DriverError(reason=f"qemu-img {arguments[0]} did not end within {timeout} s") from None
    except OSError as error:
        raise DriverError(reason=f"qemu-img can't be run: {error}") from error
    if done.returncode:
        complaint = _complaint(done.returncode, done.stderr or done.stdout)
        raise DriverError(reason=f"qemu-img {arguments[0]} failed: {complaint}")
    return done.stdout


def _command(arguments: list[str], address_space: int, cpu_seconds: int) -> list[str]:
    tool = shutil.which("qemu-img")
    if tool is None:
        raise DriverError(reason="qemu-img is not installed (Debian package qemu-utils)")
    return ["prlimit", f"--as={address_space}", f"--cpu={cpu_seconds}", "--core=0", tool, *arguments]


def _environment() -> dict[str, str]:
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"}


def _complaint(code: int, output: str) -> str:
    lines = [line for line in output.splitlines() if line.strip()]
    if code < 0:
        return f"killed by signal {-code} (its limit of CPU time or memory)"
    if lines and lines[-1].startswith(_QEMUS_IN_USE):
        return f"{IN_USE}: {lines[-1].removeprefix(_QEMUS_IN_USE).strip(' []?')}"
    return lines[-1].removeprefix("qemu-img: ") if lines else f"exit code {code}"


def info(path: Path, fmt: str, timeout: int) -> dict[str, Any]:
    """`qemu-img info` of a file whose format is known."""
    arguments = ["info", "--output=json", "-f", fmt, "-U", str(path)]
    out = run(arguments, timeout=timeout, address_space=INFO_ADDRESS_SPACE, cpu_seconds=INFO_CPU_SECONDS)
    found: dict[str, Any] = json.loads(out)
    return found


def refuse_used(path: Path, fmt: str, timeout: int) -> None:
    """Raise DriverError while another process, a guest's QEMU, may write the file."""
    run(["info", "-f", fmt, str(path)], timeout=timeout, address_space=INFO_ADDRESS_SPACE, cpu_seconds=INFO_CPU_SECONDS)


def check(path: Path, fmt: str, timeout: int) -> None:
    """`qemu-img check`: raises DriverError when the file's tables are damaged or point beyond its end."""
    arguments = ["check", "-q", "-f", fmt, str(path)]
    run(arguments, timeout=timeout, address_space=CONVERT_ADDRESS_SPACE, cpu_seconds=timeout)


def convert(source: Path, source_format: str, target: Path, target_format: str, timeout: int) -> None:
    """Write `target` anew, sparse; when the disk is full nothing is left of it."""
    arguments = ["convert", "-f", source_format, "-O", target_format, "-t", "writeback", str(source), str(target)]
    with_space_error(arguments, target, timeout)


def convert_whole(
    source: Path,
    source_format: str,
    target: Path,
    target_format: str,
    size: int,
    timeout: int,
    progress: Progress,
    *,
    is_device: bool = False,
) -> None:
    """`convert` of a disk of `size` bytes that tells how far it is, and ends when `progress` raises.

    `is_device`: the target is there and stays there.
    """
    # -U: a disc that a running guest reads is open in QEMU, too.
    arguments = ["convert", "-p", "-U", "-f", source_format, "-O", target_format, "-t", "writeback"]
    arguments += ["-n"] if is_device else []
    command = _command([*arguments, str(source), str(target)], CONVERT_ADDRESS_SPACE, timeout)
    deadline = time.monotonic() + timeout
    with tempfile.TemporaryFile() as words:
        try:
            with subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=words, env=_environment()
            ) as process:
                try:
                    for percent in _percents(process):
                        progress(int(size * percent / 100), size)
                        if time.monotonic() > deadline:
                            raise DriverError(reason=f"qemu-img convert did not end within {timeout} s")
                except BaseException:
                    process.kill()
                    raise
            if process.returncode:
                words.seek(0)
                complaint = _complaint(process.returncode, words.read().decode(errors="replace"))
                if NO_SPACE in complaint:
                    raise no_space(target)
                raise DriverError(reason=f"qemu-img convert failed: {complaint}")
        except BaseException:
            if not is_device:
                target.unlink(missing_ok=True)
            raise


def _percents(process: subprocess.Popen[bytes]) -> Iterator[float]:
    """What `-p` prints, and the last of it again twice a second; ends with the program."""
    assert process.stdout is not None
    latest, text = 0.0, b""
    while True:
        if select.select([process.stdout], [], [], PROGRESS_PERIOD)[0]:
            part = os.read(process.stdout.fileno(), 4096)
            if not part:
                return
            text = (text + part)[-64:]
            if found := _PERCENT.findall(text):
                latest = float(found[-1])
        yield latest


def create(path: Path, fmt: str, size: int, timeout: int) -> None:
    """An empty disk that stands on nothing."""
    with_space_error(["create", "-q", "-f", fmt, str(path), str(size)], path, timeout)


def create_overlay(target: Path, base: Path, base_format: str, size: int, timeout: int) -> None:
    """A qcow2 of `size` bytes over `base`, whose format is written into it (never probed)."""
    options = ["create", "-q", "-f", "qcow2", "-F", base_format, "-b", str(base), str(target), str(size)]
    with_space_error(options, target, timeout)


def resize(path: Path, fmt: str, size: int, timeout: int) -> None:
    """Make a disk that nobody uses larger."""
    arguments = ["resize", "-q", "-f", fmt, str(path), str(size)]
    try:
        run(arguments, timeout=timeout, address_space=CONVERT_ADDRESS_SPACE, cpu_seconds=timeout)
    except DriverError as error:
        if NO_SPACE in error.message:
            raise no_space(path) from error
        raise


def point_to(path: Path, base: Path, base_format: str, timeout: int) -> None:
    """Write another name of the same base into an overlay that nobody uses: its header alone changes, in one write."""
    arguments = ["rebase", "-u", "-f", "qcow2", "-F", base_format, "-b", str(base), str(path)]
    run(arguments, timeout=timeout, address_space=CONVERT_ADDRESS_SPACE, cpu_seconds=timeout)


def create_raw(target: Path, size: int) -> None:
    """A sparse raw file of `size` bytes."""
    try:
        with target.open("xb") as file:
            file.truncate(size)
    except OSError as error:
        target.unlink(missing_ok=True)
        raise os_error(error, target) from error


def with_space_error(arguments: list[str], target: Path, timeout: int) -> None:
    """Run; a failure removes `target`, and a full disk is said to be one."""
    try:
        run(arguments, timeout=timeout, address_space=CONVERT_ADDRESS_SPACE, cpu_seconds=timeout)
    except DriverError as error:
        target.unlink(missing_ok=True)
        if NO_SPACE in error.message:
            raise no_space(target) from error
        raise


def no_space(target: Path) -> ComputeResourcesUnavailable:
    """The error for a full file system: another host may have room."""
    name = target.name.removesuffix(".part")
    return ComputeResourcesUnavailable(reason=f"the file system of {target.parent} is full; {name} can't be written")


def os_error(error: OSError, target: Path) -> ComputeResourcesUnavailable | DriverError:
    """An operating system's error while `target` was written."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return no_space(target)
    return DriverError(reason=f"{target} can't be written: {error.strerror or error}")


def storage_error(error: BaseException, target: Path) -> BaseException:
    """A full disk, whoever met it, is one of the image storage; an operating system's error is a DriverError."""
    if isinstance(error, OSError):
        error = os_error(error, target)
    if isinstance(error, ComputeResourcesUnavailable) or (isinstance(error, DriverError) and NO_SPACE in error.message):
        return ImageStorageFull(reason=str(error.message))
    return error
