"""The console log on disk: one boot apart from the next, across the files that virtlogd rotates.

virtlogd writes console.log and moves it on to console.log.0, .1 ... at 2 MiB; with each start of the guest it empties
console.log only. So before a start all of it is put aside as console.log.boot-N (a higher N is later), and before a
start from saved memory, which goes on with the same boot, as console.log.before.
"""

from __future__ import annotations

import re
from pathlib import Path

from tuinova.virt.libvirt.layout import FILE_MODE, InstanceFiles

MAX_BYTES = 100 * 1024  # nova/virt/libvirt/driver.py MAX_CONSOLE_BYTES
MAX_BOOT_BYTES = 1 << 20  # kept of an earlier boot
_ROTATED = re.compile(r"console\.log\.(\d+)")
_BOOT = re.compile(r"console\.log\.boot-(\d+)")


def _numbered(files: InstanceFiles, pattern: re.Pattern[str]) -> list[tuple[int, Path]]:
    matches = ((pattern.fullmatch(path.name), path) for path in files.directory.glob("console.log.*"))
    return sorted((int(match[1]), path) for match, path in matches if match)


def _this_boot(files: InstanceFiles) -> list[Path]:
    """The parts of the present boot, oldest first."""
    rotated = [path for _, path in reversed(_numbered(files, _ROTATED))]
    return [files.path("console.log.before"), *rotated, files.console_log]


def _tail(paths: list[Path], limit: int) -> bytes:
    """The last `limit` bytes over several files."""
    parts: list[bytes] = []
    for path in reversed(paths):
        if limit <= 0:
            break
        try:
            with path.open("rb") as file:
                size = file.seek(0, 2)
                file.seek(max(0, size - limit))
                part = file.read(limit)
        except FileNotFoundError:
            continue
        parts.append(part)
        limit -= len(part)
    return b"".join(reversed(parts))


def read(files: InstanceFiles, all_boots: bool) -> bytes:
    """The end of this boot's log, with `all_boots` after the ends of the earlier ones."""
    text = _tail(_this_boot(files), MAX_BYTES)
    if not all_boots:
        return text
    earlier = [_tail([path], MAX_BYTES) for _, path in _numbered(files, _BOOT)]
    return b"".join([*earlier, text])


def begin_boot(files: InstanceFiles, keep: int) -> None:
    """Put the log of the boot that is over aside, keep `keep` of them, and leave an empty console.log."""
    parts = [path for path in _this_boot(files) if path.exists() and path.stat().st_size]
    boots = _numbered(files, _BOOT)
    if parts and keep > 0:
        number = boots[-1][0] + 1 if boots else 1
        path = files.path(f"console.log.boot-{number}")
        if parts == [files.console_log]:
            # Renamed, not copied: virtlogd may still be writing the guest's last words.
            files.console_log.rename(path)
        else:
            path.write_bytes(_tail(parts, MAX_BOOT_BYTES))
        boots.append((number, path))
    for _, path in boots[: max(0, len(boots) - keep)]:
        path.unlink(missing_ok=True)
    _empty(files)


def continue_boot(files: InstanceFiles) -> None:
    """Keep what this boot said before its memory was saved: the start from it empties console.log."""
    text = _tail(_this_boot(files), MAX_BOOT_BYTES)
    _empty(files)
    files.path("console.log.before").write_bytes(text)


def prepend(earlier: InstanceFiles, files: InstanceFiles) -> None:
    """This boot began in another directory: what it said there comes before what it says here."""
    part = files.path("console.log.before.part")
    part.write_bytes(_tail(_this_boot(earlier), MAX_BOOT_BYTES))
    part.chmod(FILE_MODE)
    part.rename(files.path("console.log.before"))


def _empty(files: InstanceFiles) -> None:
    for path in _this_boot(files):
        path.unlink(missing_ok=True)
    # Nova makes the file, so that it is there and ours before virtlogd (root) opens it.
    files.console_log.touch(mode=FILE_MODE)
