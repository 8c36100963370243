"""A file tree held in memory, with owners and modes that the building user could not give to real files."""

import os
import stat
from dataclasses import dataclass
from pathlib import Path

EPOCH = 1_700_000_000  # every file's time, so that equal inputs give equal images


@dataclass
class Entry:
    """A directory (data and link None), a file (data) or a symbolic link (link)."""

    mode: int
    uid: int = 0
    gid: int = 0
    data: bytes | None = None
    link: str | None = None


class Tree:
    """Paths without a leading slash, each with its entry; parents come before children."""

    def __init__(self) -> None:
        """Start empty."""
        self.entries: dict[str, Entry] = {}

    def directory(self, path: str, mode: int = 0o755, owner: int = 0) -> None:
        """Add a directory and its parents; an existing one gets this mode and owner."""
        self._parents(path)
        self.entries[path] = Entry(mode, owner, owner)

    def file(self, path: str, data: bytes, mode: int = 0o644, owner: tuple[int, int] = (0, 0)) -> None:
        """Add a file and its parents."""
        self._parents(path)
        self.entries[path] = Entry(mode, *owner, data=data)

    def link(self, path: str, target: str) -> None:
        """Add a symbolic link and its parents."""
        self._parents(path)
        self.entries[path] = Entry(0o777, link=target)

    def copy_of(self, source: Path) -> None:
        """Add every file below a directory; only the executable bit of its mode is taken."""
        for file in sorted(source.rglob("*")):
            if file.is_file():
                mode = 0o755 if file.stat().st_mode & 0o100 else 0o644
                self.file(file.relative_to(source).as_posix(), file.read_bytes(), mode)

    def _parents(self, path: str) -> None:
        parts = path.split("/")[:-1]
        for length in range(1, len(parts) + 1):
            self.entries.setdefault("/".join(parts[:length]), Entry(0o755))

    def write(self, target: Path) -> None:
        """Write the tree to a directory, as far as an ordinary user can: without owners."""
        target.mkdir(parents=True)
        for path, entry in self.entries.items():
            place = target / path
            if entry.link is not None:
                place.symlink_to(entry.link)
            elif entry.data is None:
                place.mkdir()
            else:
                place.write_bytes(entry.data)
        for path, entry in reversed(list(self.entries.items())):
            if entry.link is None:
                (target / path).chmod(entry.mode)
            os.utime(target / path, (EPOCH, EPOCH), follow_symlinks=False)

    def cpio(self) -> bytes:
        """Return the tree as an initramfs archive (cpio, format newc)."""
        parts = []
        for number, (path, entry) in enumerate(self.entries.items(), 1):
            kind = stat.S_IFLNK if entry.link is not None else stat.S_IFREG if entry.data is not None else stat.S_IFDIR
            body = entry.link.encode() if entry.link is not None else entry.data or b""
            parts.append(_cpio_member(path, number, kind | entry.mode, entry, body))
        parts.append(_cpio_member("TRAILER!!!", 0, 0, Entry(0), b""))
        return b"".join(parts)


def _cpio_member(path: str, number: int, mode: int, entry: Entry, body: bytes) -> bytes:
    name = path.encode() + b"\0"
    fields = [number, mode, entry.uid, entry.gid, 1, EPOCH, len(body), 0, 0, 0, 0, len(name), 0]
    head = b"070701" + b"".join(b"%08X" % field for field in fields) + name
    return head + bytes(-len(head) % 4) + body + bytes(-len(body) % 4)
