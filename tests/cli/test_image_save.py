"""`image save`: whole and checked under its name, or not there."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Typed
from tuinova.client import Client, ServiceUnreachable

Type = Callable[..., Typed]
DATA = os.urandom(3 << 20)


@pytest.fixture(scope="module")
def image(admin: Client) -> dict[str, Any]:
    made = admin.images.create({"name": "save-me", "disk_format": "raw", "container_format": "bare"})
    admin.images.upload(made["id"], io.BytesIO(DATA))
    return admin.images.get(made["id"])


def test_a_file_is_whole_and_has_a_files_usual_mode(typed: Type, image: dict[str, Any], tmp_path: Path) -> None:
    target = tmp_path / "out.img"
    done = typed("image", "save", "--file", str(target), "--chunk-size", "1000", image["name"])
    assert done == Typed(0, "", "")
    assert target.read_bytes() == DATA
    mask = os.umask(0)
    os.umask(mask)
    assert target.stat().st_mode & 0o777 == 0o666 & ~mask
    assert os.listdir(tmp_path) == ["out.img"]


def test_standard_output_is_the_data_and_nothing_else(running: Any, image: dict[str, Any]) -> None:
    words = [sys.executable, "-m", "tuinova", "--url", running.url, "image", "save", image["id"]]
    done = subprocess.run(words, capture_output=True, check=True)
    assert (done.stdout == DATA, done.stderr) == (True, b"")


def test_a_broken_pipe_is_told_in_words(running: Any, image: dict[str, Any]) -> None:
    command = f"{sys.executable} -m tuinova --url {running.url} image save {image['id']} | head -c 10 >/dev/null"
    done = subprocess.run(["bash", "-o", "pipefail", "-c", command], capture_output=True, text=True)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr


def damaged(running: Any, image: dict[str, Any]) -> Any:
    """The stored file with one byte changed; gives what puts it right again."""
    path = running.engine.image_store.path(image["id"])
    path.write_bytes(b"x" + DATA[1:] if DATA[0] != ord("x") else b"y" + DATA[1:])
    return lambda: path.write_bytes(DATA)


def test_damaged_data_is_told_and_the_old_file_stays(
    running: Any, typed: Type, image: dict[str, Any], tmp_path: Path
) -> None:
    target = tmp_path / "out.img"
    target.write_text("old")
    mend = damaged(running, image)
    try:
        done = typed("image", "save", "--file", str(target), image["id"])
    finally:
        mend()
    assert (done.code, "is damaged: its sha512 is" in done.err) == (1, True)
    assert target.read_text() == "old"
    assert os.listdir(tmp_path) == ["out.img"]


def test_what_breaks_off_leaves_no_file(
    typed: Type, image: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tuinova.client.connection import Stream

    real, seen = Stream.read1, [0]

    def break_off(self: Stream, size: int = 1 << 20) -> bytes:
        seen[0] += 1
        if seen[0] > 2:
            raise ConnectionResetError(104, "Connection reset by peer")
        return real(self, 1000)

    monkeypatch.setattr(Stream, "read1", break_off)
    done = typed("image", "save", "--file", str(tmp_path / "out.img"), image["id"])
    assert (done.code, "broke off: [Errno 104]" in done.err) == (1, True), done.err
    assert os.listdir(tmp_path) == []
    assert issubclass(ServiceUnreachable, Exception)


def test_a_place_that_can_not_be_written_to(typed: Type, image: dict[str, Any], tmp_path: Path) -> None:
    done = typed("image", "save", "--file", str(tmp_path / "none" / "out.img"), image["id"])
    assert (done.code, "Can't write" in done.err, "No such file or directory" in done.err) == (1, True, True)
    done = typed("image", "save", "--file", "/dev/full", image["id"])
    assert (done.code, "No space left on device" in done.err) == (1, True)
    assert typed("image", "save", "--file", "/dev/null", image["id"]) == Typed(0, "", "")


def test_a_link_goes_on_pointing_at_what_is_saved(typed: Type, image: dict[str, Any], tmp_path: Path) -> None:
    real, link = tmp_path / "real.img", tmp_path / "link.img"
    real.write_text("old")
    real.chmod(0o600)
    link.symlink_to(real)
    assert typed("image", "save", "--file", str(link), image["id"]).code == 0
    assert link.is_symlink()
    assert real.read_bytes() == DATA
    assert real.stat().st_mode & 0o777 == 0o600


def test_an_image_without_data_gives_no_empty_file(typed: Type, admin: Client, tmp_path: Path) -> None:
    admin.images.create({"name": "empty", "disk_format": "raw", "container_format": "bare"})
    done = typed("image", "save", "--file", str(tmp_path / "out.img"), "empty")
    assert (done.code, "Image empty has no data: it is in status queued." in done.err) == (1, True)
    assert os.listdir(tmp_path) == []
