"""Who carries out imports: a few threads, the rows as the list of what is to do.

An image that is being imported has status importing, and its task says from where; both are written with the request,
so that a service that was killed goes on at its next start. Data that is refused leaves the image killed; what may go
better another time leaves it queued. Either way the task's message says why, and nothing of the data stays.
"""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from tuinova.core.drafts import ImageFilter
from tuinova.core.errors import (
    DownloadRefused,
    ImageDataConflict,
    ImageNotFound,
    ImageStorageFull,
    ImageUnacceptable,
    InvalidDiskFormat,
    NovaError,
)
from tuinova.core.image_import.rules import DownloadRules
from tuinova.core.image_store import storage_error
from tuinova.core.records import Image

if TYPE_CHECKING:
    from tuinova.core.conductor import Conductor
    from tuinova.core.image_import.checksums import Checksum
    from tuinova.core.image_import.fetch import Fetcher
    from tuinova.core.image_store import ImageStore

LOG = logging.getLogger(__name__)
_MAX_LIST: Final = 4 << 20  # bytes of a published list of checksums
_MESSAGE: Final = 1000
# Glance's methods: the data was brought by the client before, or is fetched.
STAGED: Final = "glance-direct"
WEB: Final = "web-download"
IMPORT_METHODS: Final = (STAGED, WEB)


class _Stopping(Exception):
    """The service leaves: data and note stay for the next start."""


class Importer:
    """Imports images; `accept` returns at once."""

    def __init__(self, conductor: Conductor, store: ImageStore, rules: DownloadRules | None = None) -> None:
        self.rules = rules or DownloadRules()
        self._conductor = conductor
        self._store = store
        self._waiting: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._threads = 0
        self._busy = 0
        self._stop = threading.Event()
        self._fetchers: dict[str, Fetcher] = {}

    # what others call ------------------------------------------------------------------------------------------------
    def accept(self, image_id: str, task: Mapping[str, Any], *, status: str = "queued") -> Image:
        """Begin to import into an image of this status; raises ImageNotFound, ImageDataConflict."""
        told = {**task, "progress": {"what": "waiting", "done": 0, "total": None}}
        image = self._conductor.update_image(image_id, expect_status=status, status="importing", task=told)
        self._enqueue(image_id)
        return image

    def resume(self) -> None:
        """Take up what a service before left; for the start."""
        for image in self._conductor.images(ImageFilter(status="importing", os_hidden=None)):
            self._store.take_back(image.id)  # data in its place that the row does not know of yet
            self._enqueue(image.id)

    def cancel(self, image_id: str) -> None:
        """Its image was deleted: end the connection, so that the rest follows at once."""
        with self._lock:
            fetcher = self._fetchers.get(image_id)
        if fetcher is not None:
            fetcher.close()

    def busy(self) -> bool:
        """Whether something is imported."""
        return self._busy > 0

    def stop(self) -> None:
        """End without losing anything."""
        self._stop.set()
        with self._lock:
            fetchers = list(self._fetchers.values())
            threads, self._threads = self._threads, 0
        for fetcher in fetchers:
            fetcher.close()
        for _ in range(threads):
            self._waiting.put("")

    # threads ---------------------------------------------------------------------------------------------------------
    def _enqueue(self, image_id: str) -> None:
        with self._lock:
            self._busy += 1
            self._waiting.put(image_id)
            if self._threads < min(self._busy, self.rules.at_once) and not self._stop.is_set():
                self._threads += 1
                threading.Thread(target=self._work, name="tuinova-import", daemon=True).start()

    def _work(self) -> None:
        while (image_id := self._waiting.get()) and not self._stop.is_set():
            try:
                self._carry_out(image_id)
            finally:
                with self._lock:
                    self._busy -= 1

    def _carry_out(self, image_id: str) -> None:
        from tuinova.core.image_import.download import DownloadGivenUp

        try:
            self._import(image_id)
        except _Stopping:
            return
        except (ImageNotFound, ImageDataConflict):
            self._end(image_id, "queued", "its data is gone")  # or all of it: then nobody reads that
        except (ImageUnacceptable, InvalidDiskFormat) as error:
            self._end(image_id, "killed", error.message)
        except (DownloadRefused, ImageStorageFull) as error:
            self._end(image_id, "queued", error.message)
        except DownloadGivenUp as error:
            self._end(image_id, "queued", str(error))
        except OSError as error:
            self._end(image_id, "queued", str(storage_error(error)))
        except Exception as error:
            if self._stop.is_set():
                return  # what it needs is gone already; the next start goes on
            LOG.exception("the import of image %s failed", image_id)
            self._end(image_id, "queued", f"unexpected: {type(error).__name__}")

    def _end(self, image_id: str, status: str, message: str) -> None:
        LOG.info("Image %s is not imported: %s", image_id, message)
        self._store.discard_import(image_id)
        try:
            task = self._conductor.image(image_id).task or {}
            told = {**task, "progress": None, "message": message[:_MESSAGE]}
            self._conductor.update_image(image_id, expect_status="importing", status=status, task=told)
        except NovaError:
            LOG.info("Image %s is gone", image_id)

    # one image -------------------------------------------------------------------------------------------------------
    def _import(self, image_id: str) -> None:
        from tuinova.core.image_import.fetch import Fetcher

        image = self._conductor.image(image_id)
        task = image.task
        if image.status != "importing" or task is None:
            return
        if task["method"] == STAGED:
            self._keep(image, task, None)
            return
        fetcher = Fetcher(self.rules)
        with self._lock:
            self._fetchers[image_id] = fetcher
        try:
            wanted = self._checksum(fetcher, task)
            self._download(fetcher, image, task, verified=wanted is not None)
        finally:
            with self._lock:
                self._fetchers.pop(image_id, None)
        self._keep(image, task, wanted)

    def _download(self, fetcher: Fetcher, image: Image, task: Mapping[str, Any], *, verified: bool) -> None:
        from tuinova.core.image_import.download import Download
        from tuinova.core.image_import.part import Part

        def tell(done: int, total: int | None) -> None:
            self._tell(image.id, task, "downloading", done, total)

        def pause(seconds: float) -> None:
            if self._stop.wait(seconds):
                raise _Stopping
            tell(*_come_to(part))

        part = Part(self._store.import_path(image.id), self._store.import_note(image.id))
        Download(fetcher, part, task["uri"], tell, verified=verified, pause=pause).run()

    def _keep(self, image: Image, task: Mapping[str, Any], wanted: Checksum | None) -> None:
        """Look at what came, and put it in its place."""

        def tell(done: int, total: int) -> None:
            self._tell(image.id, task, "checking", done, total)

        told = _Seldom(tell)
        if wanted is not None:
            self._verify(image.id, wanted)
        stored = self._store.adopt_import(image.id, image.disk_format or "", told)
        try:
            self._conductor.update_image(
                image.id,
                expect_status="importing",
                status="active",
                size=stored.size,
                virtual_size=stored.virtual_size,
                checksum=stored.checksum,
                os_hash_algo="sha512",
                os_hash_value=stored.sha512,
                task=None,
            )
        except NovaError:
            self._store.delete(image.id)
            raise
        LOG.info("Image %s is imported: %d bytes", image.id, stored.size)

    def _verify(self, image_id: str, wanted: Checksum) -> None:
        from tuinova.core.image_import.checksums import digits_of

        found = digits_of(self._store.import_path(image_id), wanted.algorithm)
        if found != wanted.digits:
            raise ImageUnacceptable(
                image_id=image_id, reason=f"its {wanted.algorithm} checksum is {found}, not {wanted.digits}"
            )

    def _checksum(self, fetcher: Fetcher, task: Mapping[str, Any]) -> Checksum | None:
        """The checksum that was given, or that of the published list."""
        from tuinova.core.image_import.checksums import find_checksum, parse_checksum
        from tuinova.core.image_import.rules import parse_url

        if task.get("checksum"):
            return parse_checksum(task["checksum"])
        if not task.get("checksum_uri"):
            return None
        text = self._published(fetcher, task["checksum_uri"])
        name, of = (parse_url(task[key]).path.partition("?")[0].rsplit("/", 1)[-1] for key in ("uri", "checksum_uri"))
        return find_checksum(text, name, of_one=of.startswith(name))

    def _published(self, fetcher: Fetcher, uri: str) -> str:
        from tuinova.core.image_import.download import DownloadGivenUp
        from tuinova.core.image_import.fetch import DownloadBroken

        for attempt in range(self.rules.attempts):
            try:
                with fetcher.open(uri, {}) as answer:
                    if answer.status != 200:
                        raise DownloadRefused(reason=f"{uri}: the server answers {answer.status} {answer.reason}")
                    data = bytearray()
                    for chunk in answer.chunks():
                        data += chunk
                        if len(data) > _MAX_LIST:
                            raise DownloadRefused(reason=f"{uri} is too long for a list of checksums")
                    return data.decode("utf-8", "replace")
            except DownloadBroken as error:
                reason = error
                if self._stop.wait(float(attempt)):
                    raise _Stopping from error
        raise DownloadGivenUp(f"{uri}: {reason}")

    def _tell(self, image_id: str, task: Mapping[str, Any], what: str, done: int, total: int | None) -> None:
        """Write down how far it is; raises when the image is gone or the service leaves."""
        if self._stop.is_set():
            raise _Stopping
        told = {**task, "progress": {"what": what, "done": done, "total": total}, "message": None}
        self._conductor.update_image(image_id, expect_status="importing", task=told)


class _Seldom:
    """Tells at most once a second."""

    def __init__(self, tell: Any) -> None:
        import time

        self._tell = tell
        self._now = time.monotonic
        self._last = 0.0

    def __call__(self, done: int, total: int) -> None:
        if self._now() - self._last >= 1.0:
            self._last = self._now()
            self._tell(done, total)


def _come_to(part: Any) -> tuple[int, int | None]:
    note = part.note()
    return (0, None) if note is None else (note.synced, note.total)
