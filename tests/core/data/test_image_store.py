"""The image store: whole or nothing, and only what is what it says."""

from __future__ import annotations

import errno
import hashlib
import os
import struct
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tuinova.core import image_store
from tuinova.core.errors import (
    ImageDataConflict,
    ImageNotFound,
    ImageStorageFull,
    ImageUnacceptable,
    InvalidDiskFormat,
)
from tuinova.core.image_store import ImageStore

CLUSTER = 65536


@pytest.fixture
def store(tmp_path: Path) -> ImageStore:
    return ImageStore(tmp_path / "images")


def pieces(data: bytes, size: int = 10_000) -> Iterator[bytes]:
    for start in range(0, len(data), size):
        yield data[start : start + size]


def qcow2(virtual: int = 4 * CLUSTER, *, backing: int = 0, features: int = 0, data_clusters: int = 2) -> bytes:
    """A small whole qcow2 v3: header, reference counts (table and block), L1, L2, data."""
    header = struct.pack(
        ">4sIQIIQIIQQIIQQQQII",
        b"QFI\xfb",
        3,
        backing,
        8 if backing else 0,
        16,
        virtual,
        0,
        1,
        3 * CLUSTER,
        CLUSTER,
        1,
        0,
        0,
        features,
        0,
        0,
        4,
        104,
    )
    clusters = 5 + data_clusters
    refcount_table = struct.pack(">Q", 2 * CLUSTER)
    refcounts = struct.pack(">H", 1) * clusters
    l1 = struct.pack(">Q", 4 * CLUSTER | 1 << 63)
    l2 = b"".join(struct.pack(">Q", (5 + n) * CLUSTER | 1 << 63) for n in range(data_clusters))
    blocks = [header, refcount_table, refcounts, l1, l2, *[bytes([n + 1]) * CLUSTER for n in range(data_clusters)]]
    return b"".join(block.ljust(CLUSTER, b"\0") for block in blocks)


def nothing_left(store: ImageStore) -> bool:
    return list(store.directory.iterdir()) == []


def test_the_data_is_stored_whole_with_its_sums(store):
    data = os.urandom(123_457)
    stored = store.write("i1", pieces(data), "raw")
    assert (stored.size, stored.virtual_size) == (len(data), len(data))
    assert stored.checksum == hashlib.md5(data).hexdigest()
    assert stored.sha512 == hashlib.sha512(data).hexdigest()
    assert b"".join(store.read("i1", 1000)) == data
    assert store.path("i1").stat().st_mode & 0o077 == 0
    assert [path.name for path in store.directory.iterdir()] == ["i1"]


def test_a_qcow2_tells_its_virtual_size(store):
    stored = store.write("i1", pieces(qcow2(virtual=4 * CLUSTER)), "qcow2")
    assert (stored.virtual_size, stored.size) == (4 * CLUSTER, 7 * CLUSTER)


@pytest.mark.parametrize(
    "options", [[], ["-c"], ["-o", "preallocation=metadata"], ["-o", "cluster_size=4k"], ["-o", "compat=0.10"]]
)
def test_what_qemu_img_writes_is_accepted(store, tmp_path, options):
    (tmp_path / "raw").write_bytes(os.urandom(300_000) + bytes(2_000_000) + os.urandom(70_000))
    target = tmp_path / "x.qcow2"
    subprocess.run(["qemu-img", "convert", "-O", "qcow2", *options, tmp_path / "raw", target], check=True)
    stored = store.write("i1", pieces(target.read_bytes()), "qcow2")
    assert stored.virtual_size == -(-2_370_000 // 512) * 512


def test_ordinary_contents_of_the_other_formats_are_accepted(store):
    boot_sector = bytearray(1024)
    boot_sector[510:512] = b"\x55\xaa"
    iso = bytearray(40 * 2048)
    iso[16 * 2048 : 16 * 2048 + 7] = b"\x01CD001\x01"
    iso[17 * 2048 : 17 * 2048 + 7] = b"\xffCD001\x01"
    struct.pack_into("<I", iso, 16 * 2048 + 80, 40)
    struct.pack_into("<H", iso, 16 * 2048 + 128, 2048)
    for number, (disk_format, data) in enumerate(
        [("aki", bytes(boot_sector)), ("ari", b"\x1f\x8b" + bytes(2000)), ("ami", bytes(4096)), ("iso", bytes(iso))]
    ):
        assert store.write(f"i{number}", pieces(data), disk_format).size == len(data)


@pytest.mark.parametrize(
    ("disk_format", "data", "reason"),
    [
        ("qcow2", qcow2(backing=200), "has a backing file"),
        ("qcow2", qcow2(features=1 << 2), "data_file"),
        ("qcow2", qcow2(features=1 << 20), "Unknown QCOW2 features"),
        ("qcow2", qcow2()[: 6 * CLUSTER], "truncated"),
        ("qcow2", qcow2()[: 3 * CLUSTER + 100], "truncated"),
        ("qcow2", qcow2()[:CLUSTER], "truncated"),
        ("qcow2", qcow2()[:300], "does not match disk_format qcow2"),
        ("qcow2", qcow2(virtual=1 << 40), "L1 table is too small"),
        ("qcow2", b"x" * 100_000, "does not match expected format 'qcow2'"),
        ("raw", qcow2(), "does not match disk_format raw: it is qcow2"),
        ("raw", b"KDMV" + b"\x01\0\0\0" + bytes(2000), "it is vmdk"),
        ("ami", qcow2(), "it is qcow2"),
        ("aki", qcow2(), "it is qcow2"),
        ("iso", bytes(100_000), "does not match expected format 'iso'"),
        ("raw", b"", "it is empty"),
    ],
)
def test_what_is_not_what_it_says_is_refused_and_gone(store, disk_format, data, reason):
    with pytest.raises(ImageUnacceptable, match=reason) as refusal:
        store.write("i1", pieces(data), disk_format)
    assert str(refusal.value).startswith("Image i1 is unacceptable: ")
    assert nothing_left(store)


@pytest.mark.parametrize("disk_format", ["vmdk", "vhd", "exe", ""])
def test_formats_that_are_not_served_are_refused_before_any_data(store, disk_format):
    with pytest.raises(InvalidDiskFormat):
        store.write("i1", iter(lambda: pytest.fail("data was read"), None), disk_format)
    assert nothing_left(store)


def test_a_kernel_has_a_limit(store, monkeypatch):
    monkeypatch.setitem(image_store._LIMITS, "aki", 1000)
    with pytest.raises(ImageUnacceptable, match="at most 1000 bytes"):
        store.write("i1", pieces(bytes(1001)), "aki")
    assert nothing_left(store)


def test_a_full_disk_leaves_nothing(store, monkeypatch):
    def full(file, chunk) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(image_store, "_write_sparse", full)
    with pytest.raises(ImageStorageFull, match="No space left"):
        store.write("i1", pieces(bytes(100)), "raw")
    assert nothing_left(store)


def test_a_full_disk_at_the_very_end_leaves_nothing(store, monkeypatch):
    def full(descriptor: int) -> None:
        raise OSError(errno.EDQUOT, os.strerror(errno.EDQUOT))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ImageStorageFull):
        store.write("i1", pieces(bytes(100)), "raw")
    assert nothing_left(store)


def test_an_upload_that_breaks_off_leaves_nothing(store):
    def broken() -> Iterator[bytes]:
        yield b"x" * 1000
        raise ConnectionError("the client went away")

    with pytest.raises(ConnectionError):
        store.write("i1", broken(), "raw")
    assert nothing_left(store)
    assert store.write("i1", pieces(b"again"), "raw").size == 5


def test_two_uploads_of_one_image_do_not_mix(store):
    def slow() -> Iterator[bytes]:
        yield b"first"
        with pytest.raises(ImageDataConflict, match="saving"):
            store.write("i1", pieces(b"second"), "raw")

    store.write("i1", slow(), "raw")
    with pytest.raises(ImageDataConflict, match="active"):
        store.write("i1", pieces(b"third"), "raw")
    assert b"".join(store.read("i1")) == b"first"


@pytest.mark.parametrize("image_id", ["../i1", "a/b", "", ".", "..", ".hidden", "x\0y", "x.part"])
def test_an_id_can_not_lead_out_of_the_store(store, image_id):
    for call in (store.path, store.read, store.delete):
        with pytest.raises(ImageNotFound):
            call(image_id)
    with pytest.raises(ImageNotFound):
        store.write(image_id, pieces(b"x"), "raw")


def test_deleting_and_reading_what_is_not_there(store):
    store.delete("i1")
    with pytest.raises(ImageNotFound):
        store.read("i1")
    store.write("i1", pieces(b"x"), "raw")
    assert store.exists("i1")
    store.delete("i1")
    assert not store.exists("i1")


def test_a_start_sweeps_what_was_left_over(store):
    store.write("kept", pieces(b"x"), "raw")
    store.write("orphan", pieces(b"x"), "raw")
    (store.directory / "kept2.part").write_bytes(b"half")
    assert store.sweep({"kept", "kept2"}) == ["kept2.part", "orphan"]
    assert [path.name for path in store.directory.iterdir()] == ["kept"]


# what a driver wrote -------------------------------------------------------------------------------------------------
def test_a_file_of_the_drivers_becomes_an_image_like_an_upload(store):
    data, told = qcow2(), []
    path = store.snapshot_path("i1")
    path.write_bytes(data)
    path.chmod(0o644)
    stored = store.adopt("i1", "qcow2", lambda done, total: told.append((done, total)))
    assert (stored.size, stored.virtual_size) == (len(data), 4 * CLUSTER)
    assert stored.checksum == hashlib.md5(data).hexdigest()
    assert stored.sha512 == hashlib.sha512(data).hexdigest()
    assert told[-1] == (len(data), len(data))
    assert [entry.name for entry in store.directory.iterdir()] == ["i1"]
    assert store.path("i1").read_bytes() == data
    assert store.path("i1").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("data", "disk_format"),
    [
        (qcow2(backing=512), "qcow2"),
        (qcow2()[:-CLUSTER], "qcow2"),
        (qcow2(features=1 << 2), "qcow2"),
        (qcow2(), "raw"),
        (b"no qcow2 at all" * 100, "qcow2"),
        (b"", "raw"),
    ],
    ids=["backing file", "cut off", "data file", "hidden format", "other format", "empty"],
)
def test_a_hostile_file_of_a_guest_is_refused_and_removed(store, data, disk_format):
    store.snapshot_path("i1").write_bytes(data)
    with pytest.raises(ImageUnacceptable):
        store.adopt("i1", disk_format)
    assert nothing_left(store)


def test_a_link_is_no_image(store, tmp_path):
    secret = tmp_path / "secret"
    secret.write_bytes(b"x" * 1000)
    store.snapshot_path("i1").symlink_to(secret)
    with pytest.raises(OSError, match="symbolic links"):
        store.adopt("i1", "raw")
    assert nothing_left(store)
    os.mkfifo(store.snapshot_path("i1"))
    with pytest.raises(ImageUnacceptable, match="no plain file"):
        store.adopt("i1", "raw")
    assert nothing_left(store)
    assert secret.read_bytes() == b"x" * 1000


def test_a_file_that_is_not_there_is_none(store):
    with pytest.raises(ImageNotFound):
        store.adopt("i1", "raw")
    with pytest.raises(InvalidDiskFormat):
        store.adopt("i1", "exe")


def test_an_image_with_data_is_not_replaced_by_a_snapshot(store):
    store.write("i1", [b"first" * 200], "raw")
    store.snapshot_path("i1").write_bytes(b"second" * 200)
    with pytest.raises(ImageDataConflict):
        store.adopt("i1", "raw")
    assert store.path("i1").read_bytes() == b"first" * 200
    assert [entry.name for entry in store.directory.iterdir()] == ["i1"]


def test_what_ends_the_looking_through_leaves_nothing(store):
    store.snapshot_path("i1").write_bytes(b"data" * 1_000_000)

    def enough(done: int, total: int) -> None:
        raise KeyError("enough")

    with pytest.raises(KeyError):
        store.adopt("i1", "raw", enough)
    assert nothing_left(store)


def test_a_full_disk_while_a_snapshot_is_made_durable(store, monkeypatch):
    store.snapshot_path("i1").write_bytes(b"data" * 1000)

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(image_store.os, "fsync", full)
    with pytest.raises(ImageStorageFull):
        store.adopt("i1", "raw")
    assert nothing_left(store)


def test_a_path_for_a_snapshot_is_free_and_swept_at_a_start(store):
    store.snapshot_path("i1").write_bytes(b"left by a crash")
    assert not store.snapshot_path("i1").exists()
    store.snapshot_path("i2").write_bytes(b"left by a crash")
    store.write("i3", [b"whole" * 200], "raw")
    store.sweep({"i2", "i3"})
    assert [entry.name for entry in store.directory.iterdir()] == ["i3"]
    store.discard("i3")
    store.discard("i3")
    assert nothing_left(store)
    with pytest.raises(ImageNotFound):
        store.snapshot_path("../x")


def test_zeros_become_holes_and_read_as_zeros(store: ImageStore) -> None:
    data = bytes(4 << 20) + os.urandom(1 << 20) + bytes(4 << 20)
    stored = store.write("i", pieces(data, 1 << 20), "raw")
    assert (stored.size, stored.sha512) == (len(data), hashlib.sha512(data).hexdigest())
    assert b"".join(store.read("i")) == data
    assert store.path("i").stat().st_blocks * 512 < 2 << 20
