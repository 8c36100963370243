"""Where volumes lie: the driver behind the volume service, as the service and the compute hosts use it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from tuinova.core.catalogue_cache import CatalogueCache
from tuinova.core.conductor import Conductor
from tuinova.core.context import RequestContext
from tuinova.core.errors import ImageNotActive
from tuinova.core.errors.volumes import InvalidVolume, NoValidBackend
from tuinova.core.image_store import ImageStore
from tuinova.core.records import Image, Volume
from tuinova.core.states.volumes import VolumeStatus
from tuinova.core.volume_api.create import VolumeRequest, new_volume
from tuinova.virt.model import ImageFile, Progress
from tuinova.virt.volumes import VolumeBackend, VolumeDriver, VolumeSource, VolumeSpec

# What a type's volumes name their backend by (cinder/scheduler/filters, extra spec of every deployment).
BACKEND_NAME = "volume_backend_name"
_MAKING = frozenset({VolumeStatus.CREATING, VolumeStatus.DOWNLOADING})
_REPORT_SECONDS = 1.0


class VolumeStore:
    """Makes volumes and says how guests reach them; no order is read here."""

    def __init__(
        self, driver: VolumeDriver, conductor: Conductor, catalogue: CatalogueCache, images: ImageStore
    ) -> None:
        self.driver = driver
        self.images = images
        self._conductor = conductor
        self._catalogue = catalogue
        self._locks: dict[str, tuple[threading.RLock, int]] = {}
        self._guard = threading.Lock()
        # One volume is placed after another, so that two don't count on the same space.
        self._placing = threading.Lock()

    # places ----------------------------------------------------------------------------------------------------------
    def backends(self) -> list[VolumeBackend]:
        """The places for volumes, the default first."""
        return list(self.driver.backends())

    def backend_for(self, volume_type: str, size_gb: int) -> VolumeBackend:
        """Where a new volume of a type goes; raises NoValidBackend when none is of its name or has room."""
        wanted = self._conductor.volume_type(volume_type).extra_specs.get(BACKEND_NAME)
        named = [backend for backend in self.backends() if wanted in (None, backend.name)]
        if not named:
            what = f"There is no backend {wanted}." if wanted else "This service has no place for volumes."
            raise NoValidBackend(reason=what)
        for backend in named:
            if size_gb <= backend.free_gb:
                return backend
        most = max(backend.free_gb for backend in named)
        raise NoValidBackend(reason=f"{size_gb} GiB were asked for, {int(most)} GiB are free.")

    # one volume ------------------------------------------------------------------------------------------------------
    @staticmethod
    def spec(volume: Volume) -> VolumeSpec:
        """The volume as the driver knows it."""
        return VolumeSpec(volume.id, volume.backend, volume.size)

    def connection(self, volume: Volume) -> Mapping[str, Any]:
        """How a guest reaches it."""
        return self.driver.connection(self.spec(volume))

    def draft(self, ctx: RequestContext, request: VolumeRequest) -> dict[str, Any]:
        """The row of a new volume; raises Cinder's refusals."""
        return new_volume(ctx, request, self._conductor, self._catalogue)

    @contextmanager
    def alone(self, *volume_ids: str) -> Iterator[None]:
        """While a volume's data are copied at rest no guest may get it, and the other way round."""
        taken = [self._take(ident) for ident in sorted(set(volume_ids))]
        try:
            for lock, _ in taken:
                lock.acquire()
            yield
        finally:
            for lock, ident in reversed(taken):
                lock.release()
                self._give_back(ident)

    def _take(self, ident: str) -> tuple[threading.RLock, str]:
        with self._guard:
            lock, users = self._locks.get(ident, (threading.RLock(), 0))
            self._locks[ident] = (lock, users + 1)
            return lock, ident

    def _give_back(self, ident: str) -> None:
        with self._guard:
            lock, users = self._locks[ident]
            if users > 1:
                self._locks[ident] = (lock, users - 1)
            else:
                del self._locks[ident]

    # making one ------------------------------------------------------------------------------------------------------
    def make(self, volume: Volume, told: Callable[[int, int], None] | None = None) -> None:
        """Make the data of a volume that is being created, and say so in its row; repeated after a crash.

        Raises what the driver raises, and InvalidVolume when the volume is something else's by now (deleted, reset);
        its row is the caller's then. `told` hears of the progress too.
        """
        image = self._catalogue.image(volume.image_id) if volume.image_id else None
        with self._placing:
            placed = self._place(volume, image)
        progress = Progresses(VolumeReporter(self._conductor, volume.id, "creating", _MAKING), told)
        source = self._source(placed, image)
        held = [source.volume.id] if source is not None and source.volume is not None else []
        with self.alone(volume.id, *held):  # a delete waits for the end of what it takes away
            self.driver.create(self.spec(placed), source, progress)
        made = _made_of(image) if image is not None else {}
        done = self._conductor.volume_step(
            volume.id,
            lambda facts: (
                {**made, "status": VolumeStatus.AVAILABLE, "progress": None, "fault": None}
                if facts.volume.status in _MAKING
                else None
            ),
        )
        if done is None or done.status != VolumeStatus.AVAILABLE:
            raise InvalidVolume(reason=f"Volume {volume.id} was taken away while it was created")

    def revert(self, volume: Volume, snapshot_id: str, told: Progress) -> None:
        """Write a volume at rest anew from a snapshot of its own, which stands alone. May be repeated."""
        source = VolumeSource(snapshot_id=snapshot_id, volume=self.spec(volume))
        with self.alone(volume.id):
            self.driver.replace(self.spec(volume), source, told)

    def reimage(self, volume: Volume, image_id: str, told: Progress) -> None:
        """Write a volume anew from an image; no guest has it meanwhile. May be repeated."""
        image = self._catalogue.image(image_id)
        source = VolumeSource(image=self.image_file(image), properties=dict(image.properties))
        with self.alone(volume.id):
            self.driver.replace(self.spec(volume), source, told)
        self._conductor.volume_step(volume.id, {**_made_of(image), "image_id": image_id})

    def _place(self, volume: Volume, image: Image | None) -> Volume:
        """Choose the backend, once."""
        backend = volume.backend or self.backend_for(volume.volume_type, volume.size).name
        status = VolumeStatus.DOWNLOADING if image is not None else VolumeStatus.CREATING
        placed = self._conductor.volume_step(
            volume.id,
            lambda facts: {"backend": backend, "status": status} if facts.volume.status in _MAKING else None,
        )
        if placed is None or placed.status not in _MAKING:
            raise InvalidVolume(reason=f"Volume {volume.id} was taken away while it was created")
        return placed

    def _source(self, volume: Volume, image: Image | None) -> VolumeSource | None:
        if image is not None:
            return VolumeSource(image=self.image_file(image), properties=dict(image.properties))
        if volume.snapshot_id:
            snapshot = self._conductor.snapshot(volume.snapshot_id)
            origin = self._conductor.volume(snapshot.volume_id)
            return VolumeSource(snapshot_id=snapshot.id, volume=self.spec(origin))
        if volume.source_volid:
            return VolumeSource(volume=self.spec(self._conductor.volume(volume.source_volid)))
        return None

    def image_file(self, image: Image) -> ImageFile:
        """An image's data for the driver; raises ImageNotActive."""
        if image.status != "active" or not image.disk_format:
            raise ImageNotActive(image_id=image.id)
        return ImageFile(
            id=image.id,
            path=self.images.path(image.id),
            disk_format=image.disk_format,
            size=image.size or 0,
            min_disk=image.min_disk,
            properties=dict(image.properties),
        )


def _made_of(image: Image) -> dict[str, Any]:
    return {"bootable": True, "image_metadata": image_metadata(image)}


def image_metadata(image: Image) -> dict[str, str]:
    """What a bootable volume keeps of its image: Cinder's texts."""
    fixed = {
        "image_id": image.id,
        "image_name": image.name or "",
        "checksum": image.checksum,
        "container_format": image.container_format,
        "disk_format": image.disk_format,
        "min_disk": image.min_disk,
        "min_ram": image.min_ram,
        "size": image.size,
    }
    return {
        **{name: str(value) for name, value in image.properties.items()},
        **{name: str(value) for name, value in fixed.items() if value is not None},
    }


class Progresses:
    """A driver's progress told to several, none of which may be there."""

    def __init__(self, *listeners: Progress | None) -> None:
        self._listeners = [listener for listener in listeners if listener is not None]

    def __call__(self, done: int, total: int) -> None:
        """So many bytes of so many."""
        for listener in self._listeners:
            listener(done, total)


class VolumeReporter:
    """Writes progress into a volume's row at most once a second, and ends the work when the volume is taken away."""

    def __init__(
        self,
        conductor: Conductor,
        volume_id: str,
        what: str,
        statuses: Iterable[str],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._conductor = conductor
        self._volume_id = volume_id
        self._what = what
        self._statuses = frozenset(statuses)
        self._clock = clock
        self._next = clock() + _REPORT_SECONDS

    def __call__(self, done: int, total: int) -> None:
        """So many bytes of so many."""
        now = self._clock()
        if now < self._next:
            return
        self._next = now + _REPORT_SECONDS
        progress = {"what": self._what, "done": done, "total": total}
        volume = self._conductor.volume_step(
            self._volume_id,
            lambda facts: {"progress": progress} if facts.volume.status in self._statuses else None,
        )
        if volume is None or volume.status not in self._statuses:
            raise InvalidVolume(reason=f"Volume {self._volume_id} was taken away by another request")
