"""What snapshots, backups and shelving go through: images that come and go."""

from __future__ import annotations

from .records import SUCCESS, Event, Failure, Image, Overtaken, Server
from .tables import ACTIVE, OFFLOADED, SHELVE_TASKS, SHELVED, SHUTDOWN
from .walks import Run, Steps

GONE, HALF, DONE = "gone", "queued|saving", "active"
_SNAPSHOT_TASKS = ("image_snapshot_pending", "image_snapshot", "image_pending_upload", "image_uploading")
_BACKUP_TASKS = ("image_backup", "image_pending_upload", "image_uploading")


def new_image(run: Run, name: str, image_id: str | None, backup_type: str | None = None) -> Image:
    """The image that an accepted action begins."""
    image = Image(name, run.server.uuid, image_id, backup_type)
    run.cloud.images.append(image)
    run.args["image"] = image
    return image


def snapshot(run: Run) -> Steps:
    """An image of a guest that goes on as it is; a failure leaves none."""
    image: Image = run.args["image"]
    is_backup = image.backup_type is not None
    server = run.server

    def good() -> None:
        server.task, image.status = None, DONE

    def bad(event: Event, failure: Failure) -> None:
        image.status = GONE
        run.fail(event, failure)

    event = "compute_backup_instance" if is_backup else "compute_snapshot_instance"
    tasks = _BACKUP_TASKS if is_backup else _SNAPSHOT_TASKS
    yield from _with_image(run, image, run.order(event, tasks, ("snapshot",), good, bad))
    if is_backup:
        _rotate(run, image)


def _with_image(run: Run, image: Image, steps: Steps) -> Steps:
    """Whoever is overtaken leaves a whole image, or none."""
    try:
        yield from steps
    except Overtaken:
        image.status = f"{DONE}|{GONE}"
        raise


def _rotate(run: Run, image: Image) -> None:
    """The newest so many of this kind stay."""
    kind = [
        one
        for one in run.cloud.images
        if one.backup_type == image.backup_type and one.server == image.server and one.status == DONE
    ]
    rotation = int(run.args["rotation"])
    for one in kind[: len(kind) - rotation] if rotation < len(kind) else []:
        one.status = GONE


# shelving ------------------------------------------------------------------------------------------------------------
def _shelved_images(run: Run) -> list[Image]:
    return [one for one in run.cloud.images if one.server == run.server.uuid and one.is_shelved and DONE in one.status]


def forget_shelved_image(run: Run, *, at_last: bool = True) -> None:
    """It goes with an unshelve, or a delete; when the delete only began (not `at_last`) it may have gone already."""
    for image in _shelved_images(run):
        image.status = GONE if at_last else f"{DONE}|{GONE}"


def shelve(run: Run) -> Steps:
    """Off, an image, and off the host as well unless the server is to stay there for a while."""
    server, stays = run.server, run.cloud.keeps_shelved
    image: Image = run.args["image"]

    def good() -> None:
        server.vm, server.task, image.status = SHELVED, None, DONE
        if not stays:
            _leave_host(server)

    def bad(event: Event, failure: Failure) -> None:
        if failure.call == "destroy":
            server.vm, image.status = SHELVED, DONE
        else:
            image.status = GONE
        run.fail(event, failure)

    calls = ("power_off", "snapshot") if stays else ("power_off", "snapshot", "destroy")
    steps = run.order("compute_shelve_instance", SHELVE_TASKS, calls, good, bad)
    yield from _with_image(run, image, steps)


def _leave_host(server: Server) -> None:
    server.vm, server.task, server.host, server.places, server.guest = OFFLOADED, None, None, None, None


def offload(run: Run) -> Steps:
    """A shelved server leaves its host."""

    def good() -> None:
        _leave_host(run.server)

    tasks = ("shelving_offloading",)
    yield from run.order("compute_shelve_offload_instance", tasks, ("destroy",), good, run.fail)


def unshelve(run: Run) -> Steps:
    """On again where it is, or built on a host from its image."""
    server, log = run.server, run.log
    if server.vm == SHELVED:
        yield from run.order(
            "compute_start_instance", ("unshelving", "powering-on"), ("power_on",), lambda: _awake(run), run.fail
        )
        return
    log.begin("get_image_info").result = SUCCESS
    choices = run.cloud.choices()
    scheduled = log.begin("schedule_instances")
    if not choices:
        log.fail(scheduled)
        server.task = None
        return
    scheduled.result = SUCCESS
    server.places = choices

    def bad(event: Event, failure: Failure) -> None:
        run.fail(event, failure)
        server.host, server.places, server.power = None, None, SHUTDOWN

    yield from run.order(
        "compute_unshelve_instance", ("unshelving", "spawning"), ("spawn",), lambda: _awake(run), bad, "spawning"
    )


def _awake(run: Run) -> None:
    run.server.vm, run.server.task = ACTIVE, None
    forget_shelved_image(run)
