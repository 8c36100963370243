"""The files of a cold migration: what the source sets aside, and what is brought to the destination.

`<uuid>_resize` beside the guest's directory holds all that the guest was; its `guest.json` comes last and goes first,
so that it says whether the rest is whole. `brought.json` in the guest's directory is what came and is no guest yet.
"""

from __future__ import annotations

import contextlib
import os
import shutil

from tuinova.virt.driver import GuestNotFound
from tuinova.virt.fake.record import GuestRecord
from tuinova.virt.fake.store import ASIDE, GuestStore

_BROUGHT = "brought.json"
_FILES = ("console.log", "boot-", "disk.config")


def is_set_aside(store: GuestStore, uuid: str) -> bool:
    """Whether all that the guest was lies beside it."""
    return os.path.exists(store.path(uuid + ASIDE, "guest.json"))


def set_aside(store: GuestStore, record: GuestRecord) -> None:
    """Keep the guest as it is now, its logs and config drive too; under its lock."""
    store.remove(record.uuid + ASIDE)
    os.mkdir(store.path(record.uuid + ASIDE), 0o700)
    copy_files(store.path(record.uuid), store.path(record.uuid + ASIDE))
    kept = record.clone()
    kept.aside = kept.came_from = ""
    store.write(store.path(record.uuid + ASIDE, "guest.json"), kept)


def put_back(store: GuestStore, uuid: str) -> None:
    """Make what was set aside the guest again, in place of what is there."""
    store.remove(uuid)
    os.rename(store.path(uuid + ASIDE), store.path(uuid))


def bring(source: GuestStore, destination: GuestStore, record: GuestRecord) -> None:
    """Copy the guest's disks to its directory at the destination, which may be the source itself."""
    if source.guests != destination.guests:
        destination.make_directory(record.uuid)
        copy_files(source.path(record.uuid + ASIDE), destination.path(record.uuid))
    carried = record.clone()
    carried.aside, carried.came_from = "", source.host
    destination.write(destination.path(record.uuid, _BROUGHT), carried)


def brought(store: GuestStore, uuid: str) -> GuestRecord | None:
    """What came, as it was at the source; None when nothing did."""
    try:
        with open(store.path(uuid, _BROUGHT), "rb") as file:
            return GuestRecord.from_json(file.read())
    except (FileNotFoundError, NotADirectoryError, ValueError, TypeError):
        return None


def forget_brought(store: GuestStore, uuid: str, *, whole: bool) -> None:
    """Remove what came; with `whole` the directory too, unless a guest lives in it."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(store.path(uuid, _BROUGHT))
    if whole:
        with contextlib.suppress(GuestNotFound), store.locked(uuid):
            if not store.exists(uuid):
                store.remove(uuid)


def copy_files(source: str, target: str) -> None:
    """Copy a guest's logs and config drive from one directory into another, over what is there."""
    for name in os.listdir(source):
        if name.startswith(_FILES):
            path, copy = f"{source}/{name}", f"{target}/{name}"
            if os.path.isdir(path):
                shutil.rmtree(copy, ignore_errors=True)
                shutil.copytree(path, copy)
            else:
                shutil.copyfile(path, copy)
