"""One action on one or many servers, in a worker thread: a result for each server."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from tuinova.screens.actions import TuiAction, refusal
from tuinova.screens.rows import Row


class Outcome(NamedTuple):
    """What became of one server's request: `text` is the service's error with its request id, or our reason."""

    server_id: str
    name: str
    ok: bool
    text: str = ""
    asked: bool = True
    answer: Any = None

    @property
    def password(self) -> str:
        """The administrator's password that the service made or took, where it answers with one."""
        answer = self.answer if isinstance(self.answer, Mapping) else {}
        return str(answer.get("adminPass") or (answer.get("server") or {}).get("adminPass") or "")


Send = Callable[[Any, Row], Any]  # asks one thing of the service, with its client, for one server


def execute(client: Any, action: TuiAction, row: Row, body: Any = None) -> Any:
    """Post one action and return the service's answer; raises what the client raises."""
    nova = action.row
    if nova is None:
        raise ValueError(action.id)
    if nova.name == "delete":
        return client.servers.delete(row["id"])
    return client.servers.action(row["id"], nova.key, action.body if body is None else body)


def perform(
    client: Any, action: TuiAction, rows: Sequence[Row], roles: Sequence[str], send: Send | None = None
) -> list[Outcome]:
    """The action on each server; one that is not legal now is not asked for, one that fails stops no other."""
    outcomes: list[Outcome] = []
    for row in rows:
        name = row["name"]
        reason = refusal(action, row, roles) if len(rows) > 1 else ""
        if reason:
            outcomes.append(Outcome(row["id"], name, False, reason, asked=False))
            continue
        try:
            answer = send(client, row) if send else execute(client, action, row)
        except Exception as error:  # noqa: BLE001 - each server has a result of its own
            outcomes.append(Outcome(row["id"], name, False, str(error) or type(error).__name__))
        else:
            outcomes.append(Outcome(row["id"], name, True, answer=answer))
    return outcomes
