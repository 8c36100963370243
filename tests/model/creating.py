"""New servers: what is asked for, how many there may be, and what comes of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .records import Failure, Log, Server
from .rules import Refusal, forbidden
from .tables import ACTORS, FLAVORS, holds

if TYPE_CHECKING:
    from .duel import Duel

_ANSWER = {"id", "links", "OS-DCF:diskConfig", "security_groups", "adminPass"}


@dataclass(frozen=True)
class Wish:
    """A request; `hold` ("before", "after") and `fails` (kinds of failures, one an attempt) speak of the spawn.

    Both need a request for one server.
    """

    actor: str
    flavor: str
    least: int = 1
    most: int = 1
    hold: str | None = None
    fails: tuple[str, ...] = ()

    def __str__(self) -> str:
        count = "" if (self.least, self.most) == (1, 1) else f" {self.least} to {self.most} of"
        failing = f", whose spawn will fail ({', '.join(self.fails)})" if self.fails else ""
        return f"{count} {_name(self.flavor)}{failing}" + (f", which stands {self.hold} spawn" if self.hold else "")


def _name(flavor: str) -> str:
    return FLAVORS[flavor][0] if flavor in FLAVORS else flavor


def create(duel: Duel, wish: Wish) -> list[Server]:
    """Ask both for it; the servers that were made."""
    label = duel.new_label()
    duel.tell(f"{wish.actor}: create {label}{wish}")
    body = {"name": label, "flavorRef": wish.flavor, "imageRef": duel.image, "networks": "auto"}
    if (wish.least, wish.most) != (1, 1):
        body |= {"min_count": wish.least, "max_count": wish.most}
    count, refusal = _may(duel, wish)
    director = duel.world.director
    gate = director.hold_next(wish.hold) if wish.hold and count else None
    if count:
        for number, kind in enumerate(wish.fails, 1):
            director.plan(director.NEW, "spawn", f"no luck {number}", kind)
    before = {row["id"] for row in _rows(duel)}
    reply = duel.world.face.ask(wish.actor, "POST", "/v2.1/servers", {"server": body})
    duel.check_answer(reply.code, reply.text, refusal, 202)
    made = []
    if refusal is None:
        if set(reply.body["server"]) != _ANSWER:
            duel.disagree([f"the answer has {sorted(reply.body['server'])}"])
        rows = sorted((row for row in _rows(duel) if row["id"] not in before), key=lambda row: str(row["name"]))
        made = [_server(wish, row, reply.request_id) for row in rows]
        names = [label] if count == 1 else [f"{label}-{number}" for number in range(1, count + 1)]
        if [server.name for server in made] != names or made[0].uuid != reply.body["server"]["id"]:
            duel.disagree([f"made were {[server.name for server in made]}, should be {names}, the first in the answer"])
        _build(duel, wish, made, gate)
    duel.check()
    return made


def _may(duel: Duel, wish: Wish) -> tuple[int, Refusal | None]:
    """How many are made: the most that the quota has room for."""
    cloud, project = duel.cloud, ACTORS[wish.actor][1]
    if not cloud.may(wish.actor, "member"):
        return 0, forbidden("os_compute_api:servers:create")
    if wish.least > wish.most:
        return 0, Refusal(400, "min_count must be <= max_count")
    if wish.flavor not in FLAVORS:
        return 0, Refusal(400, f"Flavor {wish.flavor} could not be found.")
    cpus, ram, _ = holds(wish.flavor)
    refusals = []
    for count in range(wish.most, wish.least - 1, -1):
        asked = str(count) if wish.least == wish.most else f"{wish.least}-{wish.most}"
        wanted = {"instances": count, "cores": cpus * count, "ram": ram * count}
        refusals.append(cloud.over_quota(project, wanted, asked))
        if refusals[-1] is None:
            return count, None
    return 0, refusals[0]


def _rows(duel: Duel) -> list[Any]:
    found: list[Any] = duel.world.face.ask("admin", "GET", "/v2.1/servers?all_tenants=1").body["servers"]
    return found


def _server(wish: Wish, row: Any, request_id: str) -> Server:
    server = Server(row["name"], row["id"], ACTORS[wish.actor][1], wish.flavor, name=row["name"])
    server.logs.append(Log("create", request_id, wish.actor))
    return server


def _build(duel: Duel, wish: Wish, made: list[Server], gate: Any) -> None:
    duel.cloud.servers.extend(made)
    runs = [duel.begin(server, "create", wish.actor, server.logs[-1], {}) for server in made]
    for number, kind in enumerate(wish.fails, 1):
        made[0].failures.setdefault("spawn", []).append(Failure(f"no luck {number}", kind=kind))
    if gate is not None:
        duel.stand(runs[0], ("spawn", wish.hold or ""), gate)
    duel.world.settle()
    duel.world.director.failures.pop((duel.world.director.NEW, "spawn"), None)
    for run in runs:
        if run.server.uuid not in duel.held:
            run.go()
