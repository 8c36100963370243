"""Whether a qcow2 is all there: cut anywhere between its clusters, it is noticed."""

from __future__ import annotations

import os
import random
import subprocess
from pathlib import Path

import pytest

from tuinova.core import qcow2


@pytest.fixture(params=[[], ["-c"]], ids=["plain", "compressed"])
def image(tmp_path: Path, request) -> Path:
    raw = tmp_path / "raw"
    raw.write_bytes(os.urandom(1_000_000) + bytes(3_000_000) + os.urandom(500_000))
    target = tmp_path / "image.qcow2"
    subprocess.run(["qemu-img", "convert", "-O", "qcow2", *request.param, raw, target], check=True)
    return target


def test_a_whole_image_is_whole(image):
    qcow2.check_complete(image)


def test_cut_by_more_than_its_last_cluster_it_is_damaged(image):
    data = image.read_bytes()
    chooser = random.Random(1)
    for _ in range(25):
        image.write_bytes(data[: chooser.randrange(len(data) - 65536 - 512)])
        with pytest.raises(qcow2.Damaged, match="truncated"):
            qcow2.check_complete(image)


def test_impossible_headers_are_refused_without_reading_much(image):
    data = bytearray(image.read_bytes())
    data[20:24] = (63).to_bytes(4, "big")
    image.write_bytes(data)
    with pytest.raises(qcow2.Damaged, match="impossible sizes"):
        qcow2.check_complete(image)
    data[20:24] = (16).to_bytes(4, "big")
    data[36:40] = (0xFFFFFFFF).to_bytes(4, "big")
    image.write_bytes(data)
    with pytest.raises(qcow2.Damaged, match="impossible sizes"):
        qcow2.check_complete(image)
