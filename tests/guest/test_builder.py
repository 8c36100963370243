"""What the builder promises, checked without booting anything."""

import gzip
import hashlib
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from tuinova_guest import disk, kernel, packages
from tuinova_guest.elf import needed_libraries, setuid_launcher
from tuinova_guest.errors import BuildError
from tuinova_guest.packages import AptSource, Package, closure
from tuinova_guest.tree import Tree

from tests.guest.conftest import BUILDER, ROOT


class Shelf:
    """A package source made of a table."""

    def __init__(self, **rows: str) -> None:
        self.rows = {
            name.replace("_", "-"): Package(name.replace("_", "-"), "1", packages._parse_depends(depends))
            for name, depends in rows.items()
        }

    def lookup(self, names: Iterable[str]) -> dict[str, Package]:
        return {name: self.rows[name] for name in names if name in self.rows}

    def fetch(self, wanted: Iterable[Package], store: Path) -> dict[str, Path]:
        raise NotImplementedError


def test_closure_follows_libraries_and_kernel_parts_only() -> None:
    shelf = Shelf(
        tool="libone (>= 2.0), perl:any, libgone | libtwo (>> 1~)",
        libone="libthree",
        libtwo="debconf | debconf-2.0",
        libthree="libone",
        perl="",
        linux_image_virtual="linux-image-6.8.0-31-generic (= 6.8), linux-firmware",
        **{"linux_image_6.8.0_31_generic": "kmod, linux-modules-6.8.0-31-generic"},
        **{"linux_modules_6.8.0_31_generic": ""},
    )
    found = closure(shelf, [("linux-image-cloud-amd64", "linux-image-virtual"), ("tool",)])
    assert sorted(found) == [
        *("libone", "libthree", "libtwo", "linux-image-6.8.0-31-generic", "linux-image-virtual"),
        *("linux-modules-6.8.0-31-generic", "tool"),
    ]


def test_closure_names_a_package_that_is_nowhere() -> None:
    with pytest.raises(BuildError, match="no package busybox-static"):
        closure(Shelf(tool=""), [("tool",), ("busybox-static",)])


def test_missing_package_lists_say_what_to_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(AptSource, "lists", tmp_path)
    with pytest.raises(BuildError, match="apt-get update"):
        AptSource().lookup(["busybox-static"])


def test_modules_come_with_all_that_they_need(tmp_path: Path) -> None:
    def module(needs: str) -> bytes:
        return b"\x7fELF..\0license=GPL\0depends=" + needs.encode() + b"\0"

    raw = {"a/virtio-blk.ko": module("virtio,virtio-ring"), "virtio.ko": module("virtio_ring")}
    raw |= {"virtio_ring.ko": module(""), "other.ko": module("")}
    names = {
        "virtio_blk": "a/virtio-blk.ko",
        "virtio": "virtio.ko",
        "virtio_ring": "virtio_ring.ko",
        "other": "other.ko",
    }
    tree = Tree()
    kernel.Kernel("6.1-x", b"", names, raw).add_modules(tree, ["virtio_blk", "not_in_this_kernel"])
    listing = tree.entries["lib/modules/6.1-x/modules.dep"].data
    assert listing == b"virtio.ko: virtio_ring.ko\na/virtio-blk.ko: virtio.ko virtio_ring.ko\nvirtio_ring.ko:\n"
    assert "lib/modules/6.1-x/other.ko" not in tree.entries


def test_partition_table_entry_covers_the_file_system(tmp_path: Path) -> None:
    filesystem, target = tmp_path / "fs", tmp_path / "disk"
    filesystem.write_bytes(b"data" + bytes(3 * disk.MIB) + b"end!")
    with filesystem.open("r+b") as file:
        file.truncate(4 * disk.MIB)
    disk.make_disk(filesystem, target, bytes(range(256)) * 2, b"core")
    content = target.read_bytes()
    entry = content[446:462]
    assert entry[0] == 0x80
    assert entry[4] == 0x83
    assert int.from_bytes(entry[8:12], "little") * 512 == disk.PARTITION_START
    assert int.from_bytes(entry[12:16], "little") * 512 == 4 * disk.MIB
    assert content[510:516] == b"\x55\xaacore"
    assert content[disk.PARTITION_START :] == filesystem.read_bytes()
    with pytest.raises(BuildError, match="does not fit"):
        disk.make_disk(filesystem, target, bytes(512), bytes(disk.PARTITION_START))


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="the guest's programs are for x86-64")
def test_setuid_launcher_hands_its_arguments_to_the_script(tmp_path: Path) -> None:
    assert needed_libraries(setuid_launcher("/bin/sh", "/x")) == (None, [])
    if os.geteuid() != 0:
        pytest.skip("only root may become root")
    script, program = tmp_path / "script", tmp_path / "launcher"
    script.write_text('printf "%s|" "$#" "$@" "$MARK"; id -u')
    program.write_bytes(setuid_launcher("/bin/sh", str(script)))
    program.chmod(0o755)
    environment = {"MARK": "kept", "PATH": "/usr/bin:/bin"}
    done = subprocess.run([program, "a b", ""], capture_output=True, text=True, env=environment, check=True)
    assert done.stdout == "2|a b||kept|0\n"


def flatten(document: str) -> subprocess.CompletedProcess[str]:
    """Run the guest's JSON reader with the awk that the guest has."""
    busybox = shutil.which("busybox")
    if busybox is None:
        pytest.skip("busybox is not installed")
    script = ROOT / "guest" / "rootfs" / "usr" / "lib" / "tuinova" / "json.awk"
    return subprocess.run(
        [busybox, "awk", "-f", str(script)], input=document, capture_output=True, text=True, check=False
    )


def test_json_reader_understands_every_escape() -> None:
    content = {
        "a": {"b/c": 'quote " slash / back \\ é'},
        "list": [1, [True, None], {"x": "line\nend\ttab"}],
        "none": {},
        "smile": "\U0001f600\u007f",
        "\u00e4": -1.5e3,
    }
    done = flatten(json.dumps(content))
    assert done.returncode == 0, done.stderr
    escaped = dict(line.split("\t", 1) for line in done.stdout.splitlines())
    printf = {
        key: subprocess.run(["busybox", "printf", "%b", value], capture_output=True, text=True, check=True).stdout
        for key, value in escaped.items()
    }
    assert printf == {
        "a/b/c": 'quote " slash / back \\ é',
        "list/0": "1",
        "list/1/0": "true",
        "list/1/1": "null",
        "list/2/x": "line\nend\ttab",
        "smile": "\U0001f600\u007f",
        "\\0303\\0244": "-1500.0",
    }


@pytest.mark.parametrize(
    "document", ["", "{", '{"a":1,}', "[1,]", '{"a" 1}', "nonsense", '{"a":"\\q"}', "[1] 2", '{"a":"open', "{1:2}"]
)
def test_json_reader_refuses_what_is_not_json(document: str) -> None:
    done = flatten(document)
    assert done.returncode == 1
    assert done.stdout == ""


def build(out: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Run the builder as its user does."""
    command = [sys.executable, str(BUILDER), str(out), *options]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.integration
def test_images_are_what_the_manifest_says(guest_cache: Path, manifest: dict[str, Any]) -> None:
    by_name = {image["name"]: image for image in manifest["images"]}
    assert list(by_name) == ["tuinova-demo-uec-kernel", "tuinova-demo-uec-ramdisk", "tuinova-demo-uec", "tuinova-demo"]
    for image in by_name.values():
        content = (guest_cache / image["file"]).read_bytes()
        assert len(content) == image["size"]
        assert hashlib.sha256(content).hexdigest() == image["sha256"]
        assert image["min_ram"] == 96
    assert by_name["tuinova-demo"]["size"] <= 25_000_000
    ami = by_name["tuinova-demo-uec"]
    assert (ami["disk_format"], by_name[ami["kernel"]]["disk_format"], by_name[ami["ramdisk"]]["disk_format"]) == (
        *("ami", "aki"),
        "ari",
    )
    ramdisk = gzip.decompress((guest_cache / by_name[ami["ramdisk"]]["file"]).read_bytes())
    assert ramdisk.startswith(b"070701")
    information = json.loads(
        subprocess.run(
            ["qemu-img", "info", "--output=json", str(guest_cache / "tuinova-demo.qcow2")],
            capture_output=True,
            check=True,
        ).stdout
    )
    assert information["format"] == "qcow2"
    assert "backing-filename" not in information
    assert information["virtual-size"] == by_name["tuinova-demo"]["virtual_size"]


@pytest.mark.integration
def test_second_run_does_nothing(guest_cache: Path) -> None:
    before = {file.name: file.stat().st_mtime_ns for file in guest_cache.iterdir() if file.is_file()}
    done = build(guest_cache)
    assert done.returncode == 0
    assert "nothing to do" in done.stdout
    assert {name: (guest_cache / name).stat().st_mtime_ns for name in before if name != ".lock"} == {
        name: time for name, time in before.items() if name != ".lock"
    }


@pytest.fixture
def open_directory() -> Iterator[Path]:
    """A directory that other users can reach, unlike pytest's own."""
    with tempfile.TemporaryDirectory(prefix="tuinova-guest-test-") as directory:
        Path(directory).chmod(0o755)
        yield Path(directory)


def someone_else() -> tuple[str, dict[str, Any]]:
    """Return a Python and subprocess options that make root an ordinary user; nothing changes for others."""
    system = Path("/usr/bin/python3")
    if os.geteuid() != 0 or not system.exists():
        return sys.executable, {}
    check = [str(system), "-c", "import sys; sys.exit(sys.version_info < (3, 11))"]
    if subprocess.run(check, check=False).returncode != 0:
        return sys.executable, {}
    return str(system), {"user": 65534, "group": 65534, "extra_groups": []}


@pytest.mark.integration
def test_anyone_rebuilds_the_same_images_after_a_crash(guest_cache: Path, open_directory: Path) -> None:
    """An ordinary user, the packages at hand, a killed builder's leavings: the same bytes come out."""
    sources = shutil.copytree(BUILDER.parent, open_directory / "guest", ignore=shutil.ignore_patterns("__pycache__"))
    store = shutil.copytree(guest_cache / ".packages", open_directory / "packages")
    out = open_directory / "out"
    (out / ".build-killed").mkdir(parents=True)
    (out / "tuinova-demo.qcow2").write_bytes(b"half")
    (out / "manifest.json.part").write_text("{")
    python, user = someone_else()
    if user:
        for path in (out, *out.iterdir()):
            os.chown(path, 65534, 65534)
    done = subprocess.run(
        [python, str(sources / "build.py"), str(out), "--packages", str(store)],
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": os.environ["PATH"], "HOME": "/nonexistent"},
        **user,
    )
    assert done.returncode == 0, done.stderr
    assert not list(out.glob(".build-*"))
    assert not (out / "manifest.json.part").exists()
    images = [json.loads((directory / "manifest.json").read_text())["images"] for directory in (guest_cache, out)]
    assert images[0] == images[1]
    assert all((out / image["file"]).stat().st_size == image["size"] for image in images[1])


def test_unusable_package_directory_is_an_error(tmp_path: Path) -> None:
    done = build(tmp_path / "out", "--packages", str(tmp_path))
    assert done.returncode == 1
    assert done.stderr.startswith("guest/build.py: there is no .deb file in")
    assert not (tmp_path / "out" / "manifest.json").exists()


@pytest.fixture
def builder() -> ModuleType:
    """The builder's own module, in this process."""
    specification = importlib.util.spec_from_file_location("tuinova_guest_build", BUILDER)
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def pretend_built(builder: ModuleType, out: Path, **changes: Any) -> None:
    """Leave a manifest as a build with today's sources would."""
    manifest = {"sources": builder.source_hash(), "seen": "lists of yesterday", "packages": {"a": "1"}, "images": []}
    (out / "manifest.json").write_text(json.dumps({**manifest, **changes}))


def test_build_is_kept_when_newer_packages_are_out_of_reach(
    builder: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreachable(self: AptSource, names: Iterable[str]) -> dict[str, Package]:
        raise BuildError("no network")

    monkeypatch.setattr(AptSource, "fingerprint", lambda self: "lists of today")
    monkeypatch.setattr(AptSource, "lookup", unreachable)
    pretend_built(builder, tmp_path)
    assert "no network" in builder.make(tmp_path, None, force=False)
    with pytest.raises(BuildError, match="no network"):
        builder.make(tmp_path, None, force=True)
    pretend_built(builder, tmp_path, sources="others")
    with pytest.raises(BuildError, match="no network"):
        builder.make(tmp_path, None, force=False)


def test_new_lists_with_the_same_packages_build_nothing(
    builder: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(AptSource, "fingerprint", lambda self: "lists of today")
    monkeypatch.setattr(builder, "resolve", lambda source: ({"a": Package("a", "1", ())}, []))
    pretend_built(builder, tmp_path)
    assert builder.make(tmp_path, None, force=False) == "nothing to do (same packages)"
    assert json.loads((tmp_path / "manifest.json").read_text())["seen"] == "lists of today"
    assert builder.make(tmp_path, None, force=False) == "nothing to do"


def test_half_a_build_counts_as_none(builder: ModuleType, tmp_path: Path) -> None:
    pretend_built(builder, tmp_path, images=[{"file": "x", "size": 3}])
    (tmp_path / "x").write_text("12")
    assert builder.read_manifest(tmp_path) is None
    (tmp_path / "x").write_text("123")
    assert builder.read_manifest(tmp_path) is not None
