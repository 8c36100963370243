"""Where guests can't be served by a metadata service of ours, and what an operator is told."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tuinova.virt.libvirt.driver import LibvirtDriver


def driver(tmp_path: Path, uri: str) -> LibvirtDriver:
    return LibvirtDriver(host="h", uri=uri, instances_path=tmp_path)


@pytest.mark.parametrize(
    ("uri", "euid", "words"),
    [
        ("qemu:///session", 0, "user-mode networking"),
        ("qemu+ssh://root@elsewhere/system", 0, "on another machine"),
        ("qemu:///system?socket=/nowhere", 1000, "runs as root"),
        ("qemu:///system?socket=/nowhere", 0, ""),
    ],
)
def test_why_there_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, uri: str, euid: int, words: str) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: euid)
    reason = driver(tmp_path, uri).no_metadata()
    assert (words in reason, bool(reason)) == (True, bool(words))


def test_bridges_in_another_namespace_are_not_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    one = driver(tmp_path, "qemu:///system?socket=/nowhere")
    monkeypatch.setattr(one._networks.commands, "_namespace", 99)
    assert "another network namespace" in one.no_metadata()
