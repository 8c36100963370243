"""The same guests on `qemu:///session`: a user without rights has his own libvirt."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[2]
CHOSEN = "virsh_agrees or cleanup or enter or graceful or virsh_lists or half_an_attachment"
# To root's own eyes a user namespace makes him a plain user, whose files are still his; a dead /dev/kvm, which a plain
# user may not open, is closed to him as well.
AS_USER = """
if [ -e /dev/kvm ] && [ ! -L /dev/kvm ]; then mount --bind "$1" /dev/kvm; fi
shift
# Lock files of consoles carry a terminal's number only, and a libvirtd with a /dev/pts of its own counts from 0 too.
mount -t tmpfs -o mode=1777 tmpfs /run/lock
# libvirt wants an entry in passwd, and every machine has this one.
exec unshare --user --map-user="$(id -u daemon)" --map-group="$(id -g daemon)" "$@"
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="a plain user runs all tests on his session")
def test_guests_live_in_a_session(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.touch(mode=0o000)
    tests = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-k", CHOSEN]
    tests += [
        "--basetemp",
        str(tmp_path / "inner"),
        "tests/virt_libvirt/test_guests.py",
        "tests/virt_libvirt/test_volumes.py",
    ]
    command = ["unshare", "--mount", "--propagation", "private", "sh", "-c", AS_USER, "sh", str(closed), *tests]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    assert "passed" in done.stdout
