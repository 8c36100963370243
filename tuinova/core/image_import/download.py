"""One download: connection after connection until the file is whole, each taking up where the last one broke."""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from tuinova.core.errors import DownloadRefused, ImageStorageFull
from tuinova.core.image_import.fetch import Answer, DownloadBroken, Fetcher
from tuinova.core.image_import.part import Note, Part, note_of

# (bytes done, bytes in all or None); called about once a second, what it raises ends the download.
Tell = Callable[[int, "int | None"], None]
_TELL_SECONDS: Final = 1.0
_PROGRESS: Final = 1 << 20  # a connection that brought that much was worth its while
_TEMPORARY: Final = frozenset({408, 425, 429, 500, 502, 503, 504})
_RANGE: Final = re.compile(r"bytes ([0-9]{1,18})-([0-9]{1,18})/([0-9]{1,18}|\*)")
_LONGEST_PAUSE: Final = 30.0


class DownloadGivenUp(Exception):
    """Connection after connection brought nothing."""


class Download:
    """Brings what a URI names into a `Part`."""

    def __init__(
        self, fetcher: Fetcher, part: Part, uri: str, tell: Tell, *, verified: bool, pause: Callable[[float], None]
    ) -> None:
        """`verified`: a checksum is looked at afterwards. `pause` waits between two connections, or raises."""
        self._fetcher = fetcher
        self._rules = fetcher.rules
        self._part = part
        self._uri = uri
        self._tell = tell
        self._verified = verified
        self._pause = pause
        self._told = 0.0

    def run(self) -> int:
        """Until it is whole: the number of bytes.

        Raises DownloadRefused, DownloadGivenUp, ImageStorageFull, OSError; what `tell` and `pause` raise.
        """
        failures = 0
        while True:
            before = self._come_to()
            try:
                return self._connection()
            except DownloadBroken as error:
                failures = 1 if self._come_to() >= before + _PROGRESS else failures + 1
                if failures >= self._rules.attempts:
                    self._pause(0.0)  # a connection that the service itself has ended is no failure
                    raise DownloadGivenUp(f"{error} ({failures} attempts)") from error
            finally:
                self._part.close()
            self._pause(min(2.0 ** (failures - 1), _LONGEST_PAUSE))

    def _come_to(self) -> int:
        note = self._part.note()
        return note.synced if note is not None else 0

    def _connection(self) -> int:
        note = self._part.note()
        if note is not None and note.uri != self._uri:
            note = None
        if note is not None and note.total == note.synced and note.synced:
            return note.synced
        if note is None or not note.synced or note.validator is None:
            with self._fetcher.open(self._uri, {}, verified=self._verified) as answer:
                return self._take(answer, self._anew(answer))
        asked = {"Range": f"bytes={note.synced}-", "If-Range": note.validator}
        with self._fetcher.open(note.url, asked, verified=self._verified) as answer:
            if answer.status == 206:
                return self._take(answer, self._spliced(answer, note))
            if answer.status == 200:
                # It is another file now, or the server can't give a part: nothing of the old one is kept.
                return self._take(answer, self._anew(answer))
            self._part.forget()
            raise DownloadBroken(f"the server does not go on with it: {answer.status} {answer.reason}")

    def _anew(self, answer: Answer) -> Note:
        if answer.status in _TEMPORARY:
            raise DownloadBroken(f"the server answers {answer.status} {answer.reason}")
        if answer.status != 200:
            raise DownloadRefused(reason=f"the server answers {answer.status} {answer.reason}")
        return note_of(self._uri, answer.url, answer.headers, answer.length)

    def _spliced(self, answer: Answer, note: Note) -> Note:
        """The note for what follows the bytes that are there, if the answer is really that."""
        match = _RANGE.fullmatch(answer.headers.get("Content-Range", ""))
        same = match is not None and int(match[1]) == note.synced and match[3] in ("*", str(note.total))
        etag = answer.headers.get("ETag")
        if not same or (note.etag is not None and etag is not None and etag != note.etag):
            self._part.forget()
            raise DownloadBroken("the server goes on with another file")
        return replace(note, url=answer.url)

    def _take(self, answer: Answer, note: Note) -> int:
        self._check_size(note.total or note.synced)
        self._check_room((note.total or 0) - note.synced)
        self._part.begin(note)
        self._tell(note.synced, note.total)
        self._told = time.monotonic()
        try:
            for chunk in answer.chunks():
                self._check_size(self._part.size + len(chunk))
                self._part.write(chunk)
                if time.monotonic() - self._told >= _TELL_SECONDS:
                    self._part.sync()
                    self._tell(self._part.size, note.total)
                    self._told = time.monotonic()
        finally:
            self._part.sync()
        if note.total is not None and self._part.size != note.total:
            raise DownloadBroken(f"{self._part.size} of {note.total} bytes came")
        return self._part.size

    def _check_size(self, size: int) -> None:
        if size > self._rules.max_bytes:
            raise DownloadRefused(reason=f"it has more than {self._rules.max_bytes} bytes ([image] max_download_gb)")

    def _check_room(self, needed: int) -> None:
        free = shutil.disk_usage(self._part.data.parent).free
        if needed > free:
            raise ImageStorageFull(reason=f"{needed} bytes are needed, {free} are free")
