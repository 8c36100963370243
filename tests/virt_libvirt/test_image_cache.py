"""The ageing of the image cache: unused and old bases go, nothing that a disk stands on ever does."""

from __future__ import annotations

import hashlib
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tuinova.core.errors import ImageUnacceptable
from tuinova.virt.driver import DriverError, ImageFile
from tuinova.virt.libvirt.image_cache import CacheAging
from tuinova.virt.libvirt.images import ImageCache
from tuinova.virt.libvirt.options import LibvirtOptions

DAY = 86400
NOW = 1_800_000_000.0


@pytest.fixture
def instances(tmp_path: Path) -> Path:
    path = tmp_path / "instances"
    path.mkdir()
    ImageCache(path, LibvirtOptions()).prepare()
    return path


@pytest.fixture
def age(instances: Path) -> Callable[..., list[str]]:
    def call(*image_ids: str, **options: Any) -> list[str]:
        chosen = LibvirtOptions(**options)
        return CacheAging(ImageCache(instances, chosen), instances, chosen, clock=lambda: NOW).age(image_ids)

    return call


def sha1(image_id: str) -> str:
    return hashlib.sha1(image_id.encode(), usedforsecurity=False).hexdigest()


def base(instances: Path, name: str, seconds: float = 2 * DAY) -> Path:
    path = instances / "_base" / name
    path.write_bytes(bytes(1 << 20))
    os.utime(path, (NOW - seconds, NOW - seconds))
    return path


def overlay(path: Path, backing: Path | str) -> None:
    path.parent.mkdir(exist_ok=True)
    command = ["qemu-img", "create", "-q", "-u", "-f", "qcow2", "-F", "raw", "-b", str(backing), str(path), "1M"]
    subprocess.run(command, check=True)


def test_what_nobody_uses_goes_when_it_is_old(instances: Path, age: Callable[..., list[str]]) -> None:
    old, young = base(instances, sha1("old")), base(instances, sha1("young"), DAY - 60)
    kept_format = base(instances, sha1("other") + ".qcow2")
    made = [base(instances, name) for name in ("ephemeral_2_ext4", "swap_512")]
    resized = base(instances, sha1("old") + "_20", 3700)
    fresh = base(instances, sha1("young") + "_20", 3500)
    assert set(age()) == {path.name for path in (old, kept_format, resized, *made)}
    assert sorted((instances / "_base").iterdir()) == sorted([young, fresh])


def test_the_image_of_a_server_stays_young(instances: Path, age: Callable[..., list[str]]) -> None:
    used = [base(instances, sha1("used") + suffix) for suffix in ("", ".qcow2", "_20")]
    assert age("used", "another") == []
    assert {path.stat().st_mtime for path in used} == {NOW}


@pytest.mark.parametrize("directory", [f"b3c5a3a0-0000-4000-8000-000000000000{s}" for s in ("", "_resize", "_del")])
@pytest.mark.parametrize("name", ["disk", "disk.rescue", "disk.local", "some-delta"])
def test_what_a_disk_stands_on_stays(instances: Path, age: Callable[..., list[str]], directory: str, name: str) -> None:
    # The image may be long deleted, or be that of a server that was shelved.
    needed = base(instances, sha1("deleted image"))
    overlay(instances / directory / name, needed)
    assert age() == []
    assert needed.stat().st_mtime == NOW


def test_a_relative_name_or_a_link_is_followed(instances: Path, age: Callable[..., list[str]], tmp_path: Path) -> None:
    first, second = base(instances, sha1("first")), base(instances, sha1("second"))
    overlay(instances / "guest" / "disk", f"../_base/{first.name}")
    (tmp_path / "link").symlink_to(instances)
    overlay(instances / "guest2" / "disk", tmp_path / "link" / "_base" / second.name)
    assert age() == []


def test_files_that_are_not_the_caches_are_never_touched(instances: Path, age: Callable[..., list[str]]) -> None:
    strange = [
        base(instances, name, 99 * DAY)
        for name in ("my-backup", sha1("x") + ".part.", "ephemeral", "0" * 39, sha1("x") + "_", sha1("x") + "\n")
    ]
    assert age() == []
    assert all(path.exists() for path in strange)


def test_nothing_goes_where_that_is_not_asked_for(instances: Path, age: Callable[..., list[str]]) -> None:
    base(instances, sha1("old"))
    assert age(remove_unused_base_images=False) == []
    assert age(remove_unused_original_minimum_age_seconds=3 * DAY) == []
    assert age(remove_unused_original_minimum_age_seconds=DAY) == [sha1("old")]


def test_a_base_that_is_being_made_or_built_on_is_left(instances: Path, age: Callable[..., list[str]]) -> None:
    names = [sha1("busy"), sha1("busy") + ".part"]
    for name in names:
        base(instances, name)
    with ImageCache(instances, LibvirtOptions()).locked(sha1("busy")):
        assert age() == []
    assert age() == names


def test_a_disk_that_cannot_be_read_ends_the_pass(
    instances: Path, age: Callable[..., list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    needed = base(instances, sha1("needed"))
    overlay(instances / "guest" / "disk", needed)

    def unreadable(path: Path) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("tuinova.virt.libvirt.image_cache.qcow2_header", unreadable)
    with pytest.raises(DriverError, match="can't be looked through"):
        age()
    assert needed.exists()


@pytest.mark.parametrize("raw", [True, False])
def test_an_image_that_is_brought_in_ahead_is_the_base_that_a_guest_gets(instances: Path, raw: bool) -> None:
    disk = instances.parent / "image.qcow2"
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", str(disk), "1M"], check=True)
    image = ImageFile("ahead", disk, "qcow2", disk.stat().st_size)
    cache = ImageCache(instances, LibvirtOptions(force_raw_images=raw))
    assert cache.prefetch(image) is True
    [made] = (instances / "_base").iterdir()
    assert made.name == sha1("ahead") + ("" if raw else ".qcow2")
    os.utime(made, (NOW, NOW))
    before = made.stat().st_ino
    assert cache.prefetch(image) is False
    assert made.stat().st_mtime != NOW  # it is young again
    assert (cache.base(image).path, made.stat().st_ino) == (made, before)


def test_a_hostile_image_is_not_brought_in(instances: Path) -> None:
    disk = instances.parent / "image"
    disk.write_bytes(b"QFI\xfb" + bytes(2000))
    with pytest.raises(ImageUnacceptable):
        ImageCache(instances, LibvirtOptions()).prefetch(ImageFile("bad", disk, "raw", 2004))
    assert list((instances / "_base").iterdir()) == []
