"""The Debian guest's builder, as far as it needs no packages."""

from __future__ import annotations

import io
import py_compile
import stat
import tarfile
from pathlib import Path

import build
import debian
import pytest
from tuinova_guest.errors import BuildError
from tuinova_guest.packages import Package
from tuinova_guest.tree import EPOCH, Tree


def _archive(path: Path) -> Path:
    with tarfile.open(path, "w") as tar:

        def add(name: str, kind: bytes = tarfile.REGTYPE, data: bytes = b"", **fields: object) -> None:
            member = tarfile.TarInfo(name)
            member.type, member.size, member.mode = kind, len(data), 0o755
            for key, value in fields.items():
                setattr(member, key, value)
            tar.addfile(member, io.BytesIO(data))

        add("./", tarfile.DIRTYPE)
        add("./usr/bin/", tarfile.DIRTYPE)
        add("./usr/bin/su", data=b"su", mode=0o4755, uid=0, gid=42)
        add("./usr/bin/other", tarfile.LNKTYPE, linkname="./usr/bin/su")
        add("./bin", tarfile.SYMTYPE, linkname="usr/bin")
        add("./dev/null", tarfile.CHRTYPE)
        add("./var/cache/apt/x.bin", data=b"x" * 10)
        add("./etc/machine-id", data=b"0123\n")
    return path


def test_an_archive_becomes_a_tree_without_what_a_guest_does_not_need(tmp_path: Path) -> None:
    tree = debian.read_archive(_archive(tmp_path / "root.tar"))
    assert set(tree.entries) == {"usr/bin", "usr/bin/su", "usr/bin/other", "bin"}
    su = tree.entries["usr/bin/su"]
    assert (su.data, stat.S_IMODE(su.mode), su.gid) == (b"su", 0o4755, 42)
    assert tree.entries["usr/bin/other"].data == b"su"
    assert tree.entries["bin"].link == "usr/bin"


def test_compiled_python_fits_its_source_in_the_image(tmp_path: Path) -> None:
    source, compiled = tmp_path / "one.py", tmp_path / "one.pyc"
    source.write_text("VALUE = 1\n")
    py_compile.compile(str(source), str(compiled), doraise=True)
    told = debian._of_its_source(compiled.read_bytes())
    assert int.from_bytes(told[8:12], "little") == EPOCH
    assert (told[:8], told[12:]) == (compiled.read_bytes()[:8], compiled.read_bytes()[12:])
    mode = py_compile.PycInvalidationMode.UNCHECKED_HASH
    py_compile.compile(str(source), str(compiled), doraise=True, invalidation_mode=mode)
    assert debian._of_its_source(compiled.read_bytes()) == compiled.read_bytes()


def test_every_guest_gets_an_identity_of_its_own() -> None:
    tree = Tree()
    debian.configure(tree)
    assert tree.entries["etc/machine-id"].data == b""
    assert tree.entries["etc/systemd/system/apt-daily.timer"].link == "/dev/null"
    sources = (tree.entries["etc/cloud/cloud.cfg.d/90_tuinova.cfg"].data or b"").decode()
    assert "datasource_list: [ConfigDrive, OpenStack]" in sources


def test_another_version_of_a_package_is_another_image(monkeypatch: pytest.MonkeyPatch) -> None:
    old, new = ({"cloud-init": Package("cloud-init", version, ())} for version in "12")
    first = debian.inputs(old)
    assert debian.inputs(old) == first
    assert debian.inputs(new) != first
    monkeypatch.setattr(debian, "source_hash", lambda: "other")
    assert debian.inputs(old) != first


def test_the_demo_guest_does_not_depend_on_this_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("build.py", "debian.py", "debian/grub.cfg", "rootfs/etc/issue"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x")
    monkeypatch.setattr(build, "HERE", tmp_path)
    before = build.source_hash()
    (tmp_path / "debian.py").write_text("other")
    (tmp_path / "debian/grub.cfg").write_text("other")
    assert build.source_hash() == before
    (tmp_path / "rootfs/etc/issue").write_text("other")
    assert build.source_hash() != before


def test_it_is_built_of_debian_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "read_text", lambda *_, **__: 'ID="fedora"\nVERSION_CODENAME=""\n')
    with pytest.raises(BuildError, match="no Debian"):
        debian.debian_suite()
