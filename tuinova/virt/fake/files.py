"""The file system of a fake guest: texts by path, on the disk that is mounted there.

What lies on a disk goes where the disk goes (a snapshot, a rescue, another host) and outlives reboots; /tmp and /run
are memory. The contents in a record are replaced and never changed, since copies of the record share them.
"""

from __future__ import annotations

import posixpath

from tuinova.virt.fake import boot
from tuinova.virt.fake.disks import DISK_LIMIT, EPHEMERAL, MEMORY, RESCUE, ROOT, Disk, booted, length, seen
from tuinova.virt.fake.record import GuestRecord

HOME = "/home/cirros"
_NAME_LIMIT = 255
_TOP = "bin boot dev etc home lib mnt proc root run sbin sys tmp usr var"
_DIRECTORIES = frozenset(
    {"/", HOME, "/etc/init.d", "/var/log", "/var/tmp", "/sys/block", *(f"/{name}" for name in _TOP.split())}  # noqa: S108
)
_MEMORY = ("/tmp", "/run", "/dev")  # noqa: S108 - the guest's own
_USERS_OWN = (HOME, "/tmp", "/var/tmp")  # noqa: S108
_HIDDEN = {HOME: (".ash_history",)}


class FileProblem(Exception):
    """What the guest's kernel answers; the message is busybox's."""


def mounts(record: GuestRecord) -> dict[str, str]:
    """Mount point to disk."""
    table = {"/": booted(record), **dict.fromkeys(_MEMORY, MEMORY)}
    if any(disk.role == EPHEMERAL for disk in seen(record)):
        table["/mnt"] = EPHEMERAL
    return {**table, **record.mounts}


def absolute(path: str) -> str:
    """A path as typed, from the home directory where it is relative."""
    path = HOME + path[1:] if path == "~" or path.startswith("~/") else path
    return "/" + posixpath.normpath(posixpath.join(HOME, path)).lstrip("/")


def _place(record: GuestRecord, path: str) -> tuple[str, str]:
    """The disk that holds a path, and the path on it."""
    table = mounts(record)
    point = max((p for p in table if p == "/" or path == p or path.startswith(p + "/")), key=len)
    role = table[point]
    return role, path if point == "/" or role == MEMORY else path[len(point) :] or "/"


def _computed(record: GuestRecord, uptime: float) -> dict[str, str]:
    texts = {
        "/proc/uptime": f"{uptime:.2f} {uptime:.2f}\n",
        "/proc/meminfo": f"MemTotal:       {record.memory_mb << 10} kB\n",
        "/proc/partitions": _partitions(seen(record)),
        "/proc/mounts": "".join(f"{_source(record, role)} {p} ext4 rw 0 0\n" for p, role in mounts(record).items()),
        "/etc/hostname": record.hostname + "\n",
        "/etc/issue": boot.ISSUE.replace("\r\n", "\n"),
    }
    return texts | {f"/sys/block/{disk.name}/size": f"{disk.size >> 9}\n" for disk in seen(record)}


def _source(record: GuestRecord, role: str) -> str:
    name = next((disk.name for disk in seen(record) if disk.role == role), "")
    return "tmpfs" if not name else f"/dev/{name}" + ("1" if role in (ROOT, RESCUE) else "")


def _partitions(disks: list[Disk]) -> str:
    lines = ["major minor  #blocks  name\n"]
    for number, disk in enumerate(disks):
        lines.append(f" 254 {16 * number:8} {disk.size >> 10:10} {disk.name}")
        if disk.role in (ROOT, RESCUE):
            lines.append(f" 254 {16 * number + 1:8} {max(0, (disk.size >> 10) - 1024):10} {disk.name}1")
    return "\n".join(lines) + "\n"


def _is_directory(record: GuestRecord, path: str) -> bool:
    role, inner = _place(record, path)
    if inner == "/" or (inner in _DIRECTORIES and role in (ROOT, RESCUE)) or (role == MEMORY and inner in _MEMORY):
        return True
    stored = record.contents.get(role, {})
    return inner + "/" in stored or any(name.startswith(inner + "/") for name in stored)


def _may_write(path: str, as_root: bool) -> bool:
    return as_root or any(path == own or path.startswith(own + "/") for own in _USERS_OWN)


def read(record: GuestRecord, path: str, uptime: float, *, as_root: bool) -> str:
    """The text of a file; raises FileProblem."""
    role, inner = _place(record, path)
    if inner == "/etc/shadow" and not as_root:
        raise FileProblem("Permission denied")
    text = record.contents.get(role, {}).get(inner)
    if text is None:
        text = _computed(record, uptime).get(path)
    if text is None:
        raise FileProblem("Is a directory" if _is_directory(record, path) else "No such file or directory")
    return text


def write(record: GuestRecord, path: str, text: str, *, append: bool, as_root: bool) -> None:
    """Make or replace a file; raises FileProblem."""
    if path == "/dev/null":
        return
    role, inner = _check_writable(record, path, as_root)
    if _is_directory(record, path):
        raise FileProblem("Is a directory")
    stored = record.contents.get(role, {})
    _store(record, role, {**stored, inner: (stored.get(inner, "") if append else "") + text})


def make_directory(record: GuestRecord, path: str, *, as_root: bool) -> None:
    """Make one directory; raises FileProblem."""
    role, inner = _check_writable(record, path, as_root)
    stored = record.contents.get(role, {})
    if inner in stored or _is_directory(record, path):
        raise FileProblem("File exists")
    _store(record, role, {**stored, inner + "/": ""})


def remove(record: GuestRecord, path: str, *, as_root: bool, whole: bool = False) -> None:
    """Remove a file, with `whole` a directory too; raises FileProblem."""
    role, inner = _check_writable(record, path, as_root)
    stored = record.contents.get(role, {})
    if inner in stored:
        gone = {inner}
    elif not _is_directory(record, path):
        raise FileProblem("No such file or directory")
    elif not whole:
        raise FileProblem("Is a directory")
    else:
        gone = {name for name in stored if name.startswith(inner + "/")}
    record.contents = {**record.contents, role: {name: text for name, text in stored.items() if name not in gone}}


def _check_writable(record: GuestRecord, path: str, as_root: bool) -> tuple[str, str]:
    if path.startswith(("/proc/", "/sys/")) or not _may_write(path, as_root):
        raise FileProblem("Permission denied")
    if len(posixpath.basename(path)) > _NAME_LIMIT:
        raise FileProblem("File name too long")
    if not _is_directory(record, posixpath.dirname(path)):
        raise FileProblem("No such file or directory")
    return _place(record, path)


def _store(record: GuestRecord, role: str, files: dict[str, str]) -> None:
    if length(files) > DISK_LIMIT:
        raise FileProblem("No space left on device")
    record.contents = {**record.contents, role: files}


def names(record: GuestRecord, path: str, *, hidden: bool) -> list[str]:
    """What `ls` lists: the names in a directory, or the file itself; raises FileProblem."""
    role, inner = _place(record, path)
    stored = record.contents.get(role, {})
    if inner in stored or path in _computed(record, 0):
        return [path]
    if not _is_directory(record, path):
        raise FileProblem("No such file or directory")
    prefix = inner.rstrip("/") + "/"
    found = {name[len(prefix) :].split("/")[0] for name in stored if name.startswith(prefix) and name != prefix}
    if role in (ROOT, RESCUE):
        found |= {d[len(prefix) :] for d in _DIRECTORIES if posixpath.dirname(d) == inner and d != "/"}
        found |= set(_HIDDEN.get(inner, ()))
    if path == "/sys/block":
        found |= {disk.name for disk in seen(record)}
    return sorted(name for name in found if hidden or not name.startswith("."))


def mount(record: GuestRecord, device: str, point: str) -> None:
    """Mount a disk of the guest; raises FileProblem."""
    for disk in seen(record):
        if device in {f"/dev/{disk.name}", f"/dev/{disk.name}1"}:
            has_partition = disk.role in (ROOT, RESCUE)
            if has_partition != device.endswith("1"):
                break
            if not _is_directory(record, point):
                raise FileProblem("No such file or directory")
            record.mounts = {**record.mounts, point: disk.role}
            return
    raise FileProblem("No such file or directory" if not device.startswith("/dev/vd") else "Invalid argument")


def unmount(record: GuestRecord, what: str) -> None:
    """Unmount by mount point; raises FileProblem."""
    if what not in record.mounts:
        raise FileProblem("Invalid argument")
    record.mounts = {point: role for point, role in record.mounts.items() if point != what}
