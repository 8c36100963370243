"""Who may log in to a fake guest: defaults of the image, and what its /etc/shadow says since."""

from __future__ import annotations

import hashlib
import secrets

from tuinova.virt.fake import boot
from tuinova.virt.fake.disks import booted
from tuinova.virt.fake.record import GuestRecord

SHADOW = "/etc/shadow"
_DEFAULTS = {"cirros": boot.PASSWORD, "root": boot.PASSWORD}


def exists(user: str) -> bool:
    """Whether the guest knows the user."""
    return user in _DEFAULTS


def _hash(salt: str, password: str) -> str:
    return hashlib.sha256(f"{salt}{password}".encode(errors="replace")).hexdigest()


def _entries(shadow: str) -> dict[str, str]:
    return dict(line.split(":")[:2] for line in shadow.splitlines() if line.count(":") >= 2)


def with_password(files: dict[str, str], user: str, password: str) -> dict[str, str]:
    """The files of a disk with the user's new password."""
    salt = secrets.token_hex(4)
    entries = _entries(files.get(SHADOW, "")) | {user: f"$fake${salt}${_hash(salt, password)}"}
    return {**files, SHADOW: "".join(f"{name}:{entry}:20000:0:99999:7:::\n" for name, entry in entries.items())}


def accepts(record: GuestRecord, user: str, password: str) -> bool:
    """Whether login lets somebody in."""
    entry = _entries(record.contents.get(booted(record), {}).get(SHADOW, "")).get(user)
    if entry is None:
        return _DEFAULTS.get(user) == password
    _, kind, salt, known = (*entry.split("$"), "", "", "")[:4]
    return kind == "fake" and known == _hash(salt, password)
