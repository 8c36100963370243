"""The image cache: what it takes, what it refuses, what it leaves."""

from __future__ import annotations

import hashlib
import os
import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.lab.guests import blank_image
from tuinova.core.errors import ComputeResourcesUnavailable, ImageUnacceptable
from tuinova.virt.driver import DriverError, ImageFile
from tuinova.virt.libvirt import qemu_img
from tuinova.virt.libvirt.images import ImageCache, inspect
from tuinova.virt.libvirt.options import LibvirtOptions

MIB = 1 << 20


@pytest.fixture
def cache(tmp_path: Path) -> ImageCache:
    (tmp_path / "instances").mkdir()
    cache = ImageCache(tmp_path / "instances", LibvirtOptions())
    cache.prepare()
    return cache


def image_of(path: Path, fmt: str) -> ImageFile:
    return ImageFile(f"id of {path.name}", path, fmt, path.stat().st_size)


def qemu_create(path: Path, *arguments: str) -> Path:
    subprocess.run(["qemu-img", "create", "-q", *arguments, str(path), "8M"], check=True)
    return path


def filled_raw(path: Path, size: int = 3 * MIB) -> Path:
    path.write_bytes(os.urandom(size))
    return path


def filled_qcow2(tmp_path: Path) -> Path:
    path = tmp_path / "filled.qcow2"
    raw = filled_raw(tmp_path / "filled.raw")
    subprocess.run(["qemu-img", "convert", "-O", "qcow2", str(raw), str(path)], check=True)
    return path


def with_backing(tmp_path: Path) -> tuple[Path, str]:
    return qemu_create(tmp_path / "over.qcow2", "-f", "qcow2", "-F", "raw", "-u", "-b", "/etc/passwd"), "qcow2"


def with_data_file(tmp_path: Path) -> tuple[Path, str]:
    options = f"data_file={tmp_path / 'data'},data_file_raw=on"
    return qemu_create(tmp_path / "data.qcow2", "-f", "qcow2", "-o", options), "qcow2"


def qcow2_called_raw(tmp_path: Path) -> tuple[Path, str]:
    return qemu_create(tmp_path / "x.qcow2", "-f", "qcow2"), "raw"


def raw_called_qcow2(tmp_path: Path) -> tuple[Path, str]:
    return filled_raw(tmp_path / "x.raw"), "qcow2"


def noise_called_iso(tmp_path: Path) -> tuple[Path, str]:
    return filled_raw(tmp_path / "x.iso"), "iso"


def truncated(tmp_path: Path) -> tuple[Path, str]:
    path = filled_qcow2(tmp_path)
    os.truncate(path, path.stat().st_size // 2)
    return path, "qcow2"


def header_only(tmp_path: Path) -> tuple[Path, str]:
    path = filled_qcow2(tmp_path)
    os.truncate(path, 40)
    return path, "qcow2"


def vmdk_of_another_file(tmp_path: Path) -> tuple[Path, str]:
    path = tmp_path / "x.vmdk"
    extent = 'RW 16384 FLAT "/etc/passwd" 0\n'
    path.write_text(
        f'# Disk DescriptorFile\nversion=1\nCID=1\nparentCID=ffffffff\ncreateType="monolithicFlat"\n{extent}'
    )
    return path, "vmdk"


def unknown_format(tmp_path: Path) -> tuple[Path, str]:
    return filled_raw(tmp_path / "x"), "ploop"


REFUSED = [
    with_backing,
    with_data_file,
    qcow2_called_raw,
    raw_called_qcow2,
    noise_called_iso,
    truncated,
    header_only,
    vmdk_of_another_file,
    unknown_format,
]


@pytest.mark.parametrize("make", REFUSED, ids=lambda make: make.__name__)
def test_bad_images_are_refused_and_leave_nothing(
    cache: ImageCache, tmp_path: Path, make: Callable[[Path], tuple[Path, str]]
) -> None:
    path, fmt = make(tmp_path)
    with pytest.raises(ImageUnacceptable) as raised:
        cache.base(image_of(path, fmt))
    assert raised.value.code == 400
    assert f"id of {path.name}" in raised.value.message
    assert list(cache.directory.iterdir()) == []


def test_a_qcow2_becomes_a_sparse_raw_base(cache: ImageCache, tmp_path: Path) -> None:
    raw = filled_raw(tmp_path / "filled.raw")
    os.truncate(raw, 64 * MIB)
    path = tmp_path / "x.qcow2"
    subprocess.run(["qemu-img", "convert", "-O", "qcow2", str(raw), str(path)], check=True)
    image = image_of(path, "qcow2")
    base = cache.base(image)
    assert base.path == cache.directory / hashlib.sha1(image.id.encode()).hexdigest()
    assert (base.format, base.virtual_size) == ("raw", 64 * MIB)
    assert base.path.read_bytes() == raw.read_bytes()
    assert base.path.stat().st_blocks * 512 < 8 * MIB
    assert base.path.stat().st_mode & 0o004


def test_a_base_is_made_once_even_for_many_at_a_time(
    cache: ImageCache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = blank_image(tmp_path / "x.qcow2")
    made: list[Path] = []
    convert = qemu_img.convert

    def counted(source: Path, source_format: str, target: Path, target_format: str, timeout: int) -> None:
        made.append(source)
        convert(source, source_format, target, target_format, timeout)

    monkeypatch.setattr(qemu_img, "convert", counted)
    with ThreadPoolExecutor(6) as pool:
        bases = list(pool.map(cache.base, [image] * 6))
    assert len(set(bases)) == 1
    assert made == [image.path]


def test_a_cached_base_needs_the_image_no_more(cache: ImageCache, tmp_path: Path) -> None:
    image = blank_image(tmp_path / "x.qcow2")
    base = cache.base(image)
    image.path.unlink()
    os.utime(base.path, (0, 0))
    assert cache.base(image) == base
    assert base.path.stat().st_mtime > 0


def test_a_disk_image_with_a_partition_table_is_raw(tmp_path: Path) -> None:
    path = filled_raw(tmp_path / "x.raw")
    with path.open("r+b") as file:
        file.seek(510)
        file.write(b"\x55\xaa")
    assert inspect(image_of(path, "raw")) == "raw"


def test_an_iso_is_an_iso(tmp_path: Path) -> None:
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / "file").write_text("x")
    path = tmp_path / "x.iso"
    subprocess.run(["genisoimage", "-quiet", "-o", str(path), str(tmp_path / "tree")], check=True)
    assert inspect(image_of(path, "iso")) == "raw"
    with pytest.raises(ImageUnacceptable):
        inspect(image_of(path, "raw"))


def test_without_force_raw_a_qcow2_stays_one(tmp_path: Path) -> None:
    cache = ImageCache(tmp_path, LibvirtOptions(force_raw_images=False))
    cache.prepare()
    base = cache.base(blank_image(tmp_path / "x.qcow2", 5 * MIB))
    assert (base.format, base.virtual_size) == ("qcow2", 5 * MIB)


def test_a_full_disk_is_said_to_be_one_and_leaves_no_part(
    cache: ImageCache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fill_up(arguments: list[str], **_: int) -> str:
        Path(arguments[-1]).write_bytes(b"half")
        raise DriverError(reason="qemu-img convert failed: error while writing: No space left on device")

    image = blank_image(tmp_path / "x.qcow2")
    run = qemu_img.run
    monkeypatch.setattr(
        qemu_img, "run", lambda arguments, **rest: (fill_up if arguments[0] == "convert" else run)(arguments, **rest)
    )
    with pytest.raises(ComputeResourcesUnavailable, match="is full"):
        cache.base(image)
    assert list(cache.directory.iterdir()) == []


def test_parts_of_an_interrupted_conversion_go_at_the_start(cache: ImageCache) -> None:
    (cache.directory / "0123.part").write_bytes(b"half")
    cache.prepare()
    assert list(cache.directory.iterdir()) == []


def test_missing_image_data_is_said_with_the_images_name(cache: ImageCache, tmp_path: Path) -> None:
    with pytest.raises(DriverError, match="image gone"):
        cache.base(ImageFile("gone", tmp_path / "nowhere", "raw", 1))


def test_qemu_img_that_eats_too_much_is_stopped(tmp_path: Path) -> None:
    with pytest.raises(DriverError, match="qemu-img info failed"):
        qemu_img.run(["info", str(tmp_path)], timeout=10, address_space=1 << 20, cpu_seconds=1)
