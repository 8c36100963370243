"""The file that a download grows in, and the note beside it that says what the bytes are of.

A download is taken up again only where the server proves that the rest belongs to the same file: by a strong ETag or a
date of its last change that is old enough to be one (RFC 9110, 13.1.5).
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, replace
from email.message import Message
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any, Final

_OLD_ENOUGH: Final = 60.0  # seconds between a file's last change and the answer, so that the date tells it apart


@dataclass(frozen=True, slots=True)
class Note:
    """`uri` is what was asked for, `url` where the redirects led; `synced` bytes are safely on the disk."""

    uri: str
    url: str
    etag: str | None = None
    last_modified: str | None = None
    total: int | None = None
    synced: int = 0

    @property
    def validator(self) -> str | None:
        """What If-Range is given."""
        return self.etag or self.last_modified


def note_of(uri: str, url: str, headers: Message, total: int | None) -> Note:
    """The note of an answer; ETag and Last-Modified only where they are strong enough to splice by."""
    etag = headers.get("ETag")
    if etag is not None and (etag.startswith("W/") or not etag.startswith('"')):
        etag = None
    return Note(uri, url, etag, _strong_date(headers), total)


def _strong_date(headers: Message) -> str | None:
    text = headers.get("Last-Modified")
    try:
        changed, now = parsedate_to_datetime(text or ""), parsedate_to_datetime(headers.get("Date") or "")
        return text if (now - changed).total_seconds() >= _OLD_ENOUGH else None
    except (TypeError, ValueError):
        return None


class Part:
    """Data and note; every method but `note` is for the one thread that downloads."""

    def __init__(self, data: Path, note: Path) -> None:
        self.data = data
        self._note_path = note
        self._file: Any = None
        self._note: Note | None = None

    def note(self) -> Note | None:
        """What is known of the bytes that are there; None when that is nothing to build on."""
        try:
            read = Note(**json.loads(self._note_path.read_text(encoding="utf-8")))
            size = self.data.stat().st_size
        except (OSError, ValueError, TypeError):
            return None
        return read if isinstance(read.synced, int) and 0 <= read.synced <= size else None

    def begin(self, note: Note) -> None:
        """Write from the first byte, or go on behind `synced`."""
        self.close()
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW
        self._file = os.fdopen(os.open(self.data, flags, 0o600), "r+b", buffering=0)
        self._file.truncate(note.synced)
        self._file.seek(note.synced)
        self._note = note
        self._write_note(note)

    def write(self, chunk: bytes) -> None:
        """Add bytes."""
        view = memoryview(chunk)
        while view:
            view = view[self._file.write(view) :]

    @property
    def size(self) -> int:
        """Bytes that were written."""
        return int(self._file.tell())

    def sync(self) -> None:
        """Bring what was written onto the disk, then say so in the note: never the other way round."""
        assert self._note is not None
        os.fdatasync(self._file.fileno())
        self._note = replace(self._note, synced=self.size)
        self._write_note(self._note)

    def _write_note(self, note: Note) -> None:
        new = self._note_path.with_name(f"{self._note_path.name}.new.part")
        new.write_text(json.dumps(asdict(note)), encoding="utf-8")
        new.replace(self._note_path)

    def close(self) -> None:
        """Let go of the file."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def forget(self) -> None:
        """Remove both."""
        self.close()
        self._note_path.unlink(missing_ok=True)
        self.data.unlink(missing_ok=True)
