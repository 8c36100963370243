"""The private libvirt itself: it says why it can't be, and leaves nothing behind."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.lab import LabError, PrivateLibvirt, private, processes

ROOT = Path(__file__).parents[2]
KILLED_RUN = """
import os, signal
from tests.lab import PrivateLibvirt
lab = PrivateLibvirt()
lab.start()
print(lab.directory, *lab.pids.values(), flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_missing_programs_are_named_with_their_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(private, "SYSTEM_PATH", "/nowhere")
    lab = PrivateLibvirt()
    with pytest.raises(LabError, match=r"needs libvirtd, .*apt-get install .*libvirt-daemon-system"):
        lab.start()
    assert not lab.directory.exists()


def test_a_path_that_no_socket_can_have_is_refused(tmp_path: Path) -> None:
    directory = tmp_path / ("x" * 100)
    with pytest.raises(LabError, match="too long"):
        PrivateLibvirt(directory).start()
    assert not directory.exists()


def test_a_directory_without_a_lab_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LabError, match="holds no lab"):
        PrivateLibvirt.load(tmp_path)


def test_only_processes_that_are_ours_are_ended() -> None:
    mine = subprocess.Popen(["sleep", "60"])
    other = subprocess.Popen(["sleep", "60"])
    processes.end([mine.pid])
    assert not processes.alive(mine.pid)
    assert processes.alive(other.pid)
    other.kill()
    other.wait()


@pytest.mark.integration
def test_what_a_killed_run_left_is_swept_by_the_next(private_libvirt: PrivateLibvirt) -> None:
    done = subprocess.run([sys.executable, "-c", KILLED_RUN], cwd=ROOT, capture_output=True, text=True)
    directory, *pids = done.stdout.split()
    assert Path(directory).exists(), done.stderr
    assert all(processes.alive(int(pid)) for pid in pids)
    # The workers of a run come at the same time.
    with ThreadPoolExecutor(4) as pool:
        for swept in [pool.submit(private.sweep) for _ in range(4)]:
            swept.result()
    assert not Path(directory).exists()
    assert not any(processes.alive(int(pid)) for pid in pids)
    assert private_libvirt.answers()


@pytest.mark.integration
@pytest.mark.skipif(os.geteuid() != 0, reason="a session has no namespaces of its own")
def test_its_network_is_not_the_hosts(private_libvirt: PrivateLibvirt) -> None:
    private_libvirt.virsh("net-start", "default", check=False)
    inside = Path(f"/proc/{private_libvirt.pids['holder']}/net/dev").read_text()
    assert "virbr0" in inside
    assert os.readlink(f"/proc/{private_libvirt.pids['holder']}/ns/net") != os.readlink("/proc/self/ns/net")
