"""Images are hostile input: what is not plainly a disk is refused before a guest exists (real hypervisors only)."""

from __future__ import annotations

import shutil
import subprocess
import uuid
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tuinova.core.errors import NovaError
from tuinova.virt.driver import ImageFile

pytestmark = pytest.mark.integration


def qemu_img(*arguments: str | Path) -> None:
    subprocess.run(["qemu-img", *map(str, arguments)], check=True, capture_output=True)


def image(path: Path, disk_format: str = "qcow2") -> ImageFile:
    return ImageFile(str(uuid.uuid4()), path, disk_format, path.stat().st_size)


def backed(directory: Path, _demo: Path) -> ImageFile:
    path = directory / "backed.qcow2"
    qemu_img("create", "-f", "qcow2", "-F", "raw", "-b", "/etc/passwd", "-u", path, "1M")
    return image(path)


def with_data_file(directory: Path, _demo: Path) -> ImageFile:
    path = directory / "data.qcow2"
    qemu_img("create", "-f", "qcow2", "-o", f"data_file={directory}/data.raw,data_file_raw=on", path, "1M")
    return image(path)


def not_what_it_says(directory: Path, _demo: Path) -> ImageFile:
    path = directory / "text.qcow2"
    path.write_bytes(b"this is no disk\n" * 1000)
    return image(path)


def raw_that_is_qcow2(directory: Path, _demo: Path) -> ImageFile:
    path = directory / "hidden.raw"
    qemu_img("create", "-f", "qcow2", path, "1M")
    return image(path, "raw")


def truncated(directory: Path, demo: Path) -> ImageFile:
    path = directory / "short.qcow2"
    path.write_bytes(demo.read_bytes()[: demo.stat().st_size // 2])
    return image(path)


def missing(directory: Path, _demo: Path) -> ImageFile:
    return ImageFile(str(uuid.uuid4()), directory / "missing.qcow2", "qcow2", 1)


@pytest.mark.parametrize("make", [backed, with_data_file, not_what_it_says, raw_that_is_qcow2, truncated, missing])
def test_a_bad_image_is_refused_and_leaves_nothing(real_env: Any, tmp_path: Path, make: Any) -> None:
    bad = make(tmp_path, real_env.images["disk"].path)
    guest = real_env.make_guest_spec(image=bad)
    with pytest.raises(NovaError) as caught:
        real_env.driver.spawn(guest)
    assert caught.value.message
    assert not real_env.is_known(guest)
    assert guest.uuid not in real_env.driver.leftovers()
    assert real_env.files_of(guest.uuid) == []


def test_a_root_disk_smaller_than_the_image_is_refused_in_novas_words(real_env: Any, tmp_path: Path) -> None:
    path = tmp_path / "big.qcow2"
    qemu_img("create", "-f", "qcow2", path, "2G")
    guest = real_env.make_guest_spec(image=image(path), root_gb=1)
    with pytest.raises(NovaError, match="Flavor's disk is too small for requested image"):
        real_env.driver.spawn(guest)
    assert real_env.files_of(guest.uuid) == []


def test_the_same_image_can_be_a_disk_of_zero_gigabytes(real_env: Any, tmp_path: Path) -> None:
    copied = tmp_path / "copy.qcow2"
    shutil.copy(real_env.images["disk"].path, copied)
    guest = real_env.spawn(image=replace(real_env.images["disk"], id=str(uuid.uuid4()), path=copied), root_gb=0)
    assert real_env.is_known(guest)
