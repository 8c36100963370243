"""Console tokens: who may open which guest's console, for a while.

As nova-consoleauth's, but in memory only: a token dies with the service that gave it, which the client is told (it asks
for a new one). Tokens are kept by their digest and compared in constant time.
"""

from __future__ import annotations

import hashlib
import hmac
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass

from tuinova.core.errors import ConsoleTokenExpired

DEFAULT_TTL = 600.0  # [consoleauth] token_ttl
_SHOWN = 8


@dataclass(frozen=True, slots=True)
class ConsoleGrant:
    """What a token stands for; `expires_at` is on the store's clock, in seconds."""

    instance_uuid: str
    user_id: str
    project_id: str
    expires_at: float


class TokenStore:
    """Issues and validates tokens; thread-safe. A token may be used again until it expires, as Nova's may."""

    def __init__(self, ttl: float = DEFAULT_TTL, clock: Callable[[], float] = time.monotonic) -> None:
        self._ttl = ttl
        self._clock = clock
        self._lock = threading.Lock()
        self._grants: dict[bytes, tuple[bytes, ConsoleGrant]] = {}

    def issue(self, instance_uuid: str, user_id: str = "", project_id: str = "") -> str:
        """A new token for one guest's console."""
        token = str(uuid.uuid4())
        now = self._clock()
        with self._lock:
            self._forget_expired(now)
            grant = ConsoleGrant(instance_uuid, user_id, project_id, now + self._ttl)
            self._grants[_digest(token)] = (token.encode(), grant)
        return token

    def validate(self, token: str) -> ConsoleGrant:
        """What the token stands for; raises ConsoleTokenExpired when it is unknown or too old."""
        given = token.encode(errors="replace")
        with self._lock:
            self._forget_expired(self._clock())
            kept = self._grants.get(_digest(token))
        if kept is None or not hmac.compare_digest(kept[0], given):
            # Only the head of it: the message goes to logs.
            raise ConsoleTokenExpired(token=token[:_SHOWN])
        return kept[1]

    def revoke(self, instance_uuid: str) -> None:
        """End every token of a guest: it is deleted."""
        with self._lock:
            self._grants = {key: kept for key, kept in self._grants.items() if kept[1].instance_uuid != instance_uuid}

    def _forget_expired(self, now: float) -> None:
        expired = [key for key, (_, grant) in self._grants.items() if grant.expires_at <= now]
        for key in expired:
            del self._grants[key]

    def __len__(self) -> int:
        with self._lock:
            self._forget_expired(self._clock())
            return len(self._grants)


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode(errors="replace")).digest()
