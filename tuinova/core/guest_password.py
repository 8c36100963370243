"""The password that a guest posts, encrypted with its key pair, for its owner (nova/api/metadata/password.py)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_CHUNK_LENGTH = 255
PASSWORD_KEYS = tuple(f"password_{number}" for number in range(4))
LONGEST_PASSWORD = _CHUNK_LENGTH * len(PASSWORD_KEYS)


def password_of(system_metadata: Mapping[str, Any]) -> str:
    """What was posted, empty if nothing was."""
    return "".join(str(system_metadata.get(key) or "") for key in PASSWORD_KEYS)


def password_chunks(password: str) -> dict[str, Any]:
    """The items of the system metadata that hold it."""
    starts = range(0, LONGEST_PASSWORD, _CHUNK_LENGTH)
    return {
        key: password[start : start + _CHUNK_LENGTH] or None for key, start in zip(PASSWORD_KEYS, starts, strict=True)
    }
