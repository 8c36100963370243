"""What the lists of this room share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tuinova.screens.networks.base import FieldsRoom


def counts_anew(change: Mapping[str, Any]) -> bool:
    """Whether a server came or went: what is counted of a project, and who is in a group, is another then."""
    if change["kind"] != "server":
        return False
    return change["op"] == "delete" or (change.get("view") or {}).get("task_state") == "scheduling"


class CountingRoom(FieldsRoom):
    """A list that is about servers without being one of servers."""

    def changed(self, changes: Sequence[dict[str, Any]]) -> None:
        """As any list, and when servers come or go."""
        if self.is_mounted and any(change["kind"] in self.KINDS or counts_anew(change) for change in changes):
            self.connected(self.tui.client)
