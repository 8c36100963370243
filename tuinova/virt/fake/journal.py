"""Lifecycle events between processes: a file to which every change of a guest adds a line."""

from __future__ import annotations

import os
import uuid as uuids

from tuinova.virt.driver import LifecycleEvent

_LIMIT = 1024 * 1024


class Journal:
    """Appends this driver's events and reads those of others; one small write an event."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._me = uuids.uuid4().hex[:12]
        self._descriptor = -1
        self._offset = 0

    def open(self) -> None:
        """Start reading at the end: what happened before is seen in the guests themselves."""
        if self._descriptor < 0:
            self._descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
            if os.fstat(self._descriptor).st_size > _LIMIT:
                os.ftruncate(self._descriptor, 0)
            self._offset = os.fstat(self._descriptor).st_size

    def close(self) -> None:
        """Let go of the file."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def add(self, guest: str, event: LifecycleEvent) -> None:
        """Tell other processes."""
        if self._descriptor >= 0:
            os.write(self._descriptor, f"{self._me} {guest} {event}\n".encode())

    def others(self) -> list[tuple[str, LifecycleEvent]]:
        """What other drivers on this directory have done since the last call."""
        if self._descriptor < 0:
            return []
        size = os.fstat(self._descriptor).st_size
        if size <= self._offset:
            self._offset = size  # somebody cut the file
            return []
        data = os.pread(self._descriptor, size - self._offset, self._offset)
        whole = data.rfind(b"\n") + 1
        self._offset += whole
        found = []
        for line in data[:whole].decode(errors="replace").splitlines():
            words = line.split(" ")
            if len(words) == 3 and words[0] != self._me and words[2] in set(LifecycleEvent):
                found.append((words[1], LifecycleEvent(words[2])))
        if self._offset > _LIMIT:
            os.ftruncate(self._descriptor, 0)
            self._offset = 0
        return found
