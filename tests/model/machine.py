"""The state machine that plays both: Hypothesis chooses who asks what of which server, legal or not."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from .duel import Duel
from .records import Server
from .rules import NO_SUCH_HOST
from .shaken import MOVES
from .tables import ACTORS, FLAVORS, ROWS, WALKS
from .walks import AT_ONCE
from .world import World

MOST_SERVERS = 5
HOSTS = ("host1", "host2", "host3")
# The calls at which an action can be held, or made to fail.
CALLS: dict[str, tuple[str, ...]] = {
    **{name: (walk.call,) for name, walk in WALKS.items()},
    **dict.fromkeys(("delete", "force delete"), ("destroy",)),
    **dict.fromkeys(("resize", "migrate"), ("migrate_disk_and_power_off", "finish_migration")),
    **dict.fromkeys(("evacuate", "rebuild"), ("spawn",)),
    "confirm": ("confirm_migration",),
    "revert": ("discard_migrated", "finish_revert_migration"),
    **dict.fromkeys(("create image", "create backup"), ("snapshot",)),
    "shelve": ("power_off", "snapshot"),
    "shelve offload": ("destroy",),
    "unshelve": ("spawn",),
    "live migrate": ("check_can_live_migrate_destination", "pre_live_migration", "live_migration"),
}
# What may be accepted of a server whose action is held; two moves at once on several hosts have no order.
MEANWHILE = frozenset(ROWS) - MOVES
# The same after its state was reset in the middle of a move, which goes on all the same.
_DELETES = frozenset({"delete", "force delete"})
WHEN_SHAKEN = _DELETES | frozenset(AT_ONCE)

which = st.integers(0, MOST_SERVERS - 1)
who = st.sampled_from(["member", "member", "admin", "demo admin", "manager", "reader", "stranger"])
owners = st.sampled_from(["member", "member", "member", "admin", "demo admin", "stranger"])
flavors = st.sampled_from(list(FLAVORS))
moments = st.sampled_from(["before", "after"])
numbers = st.integers(0, 40)


class Machine(RuleBasedStateMachine):
    """One example is one engine."""

    # Set by whoever runs it: where engines live, the database that they begin with, what they are like.
    base: Path
    template: Path
    hosts: tuple[str, ...] = HOSTS
    options: ClassVar[dict[str, Any]] = {}
    policy: ClassVar[dict[str, bool]] = {}
    made = itertools.count()

    def __init__(self) -> None:
        super().__init__()
        world = World(self.base / f"e{next(self.made)}", self.hosts, template=self.template, **self.options)
        self.duel = Duel(world, **self.policy)

    def teardown(self) -> None:
        """Everything is deleted at the end, and nothing may be left; not after a disagreement."""
        try:
            if not self.duel.disagreed:
                self.duel.end()
        finally:
            self.duel.world.close()

    # choosing --------------------------------------------------------------------------------------------------------
    def server(self, which: int) -> Server | None:
        """A server that lives, or now and then one that did."""
        known = self.duel.live or self.duel.cloud.servers
        return known[which % len(known)] if known else None

    def args(self, server: Server, action: str, number: int) -> dict[str, Any]:
        """What stands in the body: right ones mostly."""
        flavor = [*FLAVORS, "none"]
        others = [host for host in self.hosts if host != server.host]
        hosts: list[str | None] = [None, None, None, server.host, *others, NO_SUCH_HOST]
        choices: dict[str, Callable[[], dict[str, Any]]] = {
            "resize": lambda: {"flavor": flavor[number % len(flavor)]},
            "reset state": lambda: {"state": ("active", "error", "error", "stopped")[number % 4]},
            "lock": lambda: {"reason": (None, "mine", "kept")[number % 3]},
            "rename": lambda: {"name": f"name{number}"},
            "set metadata": lambda: {"items": {f"key{number % 3}": str(number)}},
            "delete metadata": lambda: {"key": f"key{number % 3}"},
            "rebuild": lambda: {"image": self.duel.image},
            "create image": lambda: {"name": f"image{number}"},
            "create backup": lambda: {"name": f"backup{number}", "backup_type": "daily", "rotation": number % 3},
            **dict.fromkeys(
                ("migrate", "live migrate", "evacuate"),
                lambda: {"host": host} if (host := hosts[number % len(hosts)]) else {},
            ),
        }
        return choices.get(action, dict)()

    def legal(self, actor: str, server: Server) -> list[str]:
        """What role and states allow now."""
        return self.duel.cloud.may_do(actor, server)

    def ask(self, actor: str, server: Server, action: str, number: int, **more: Any) -> None:
        """Ask, unless the model could not say what comes of it."""
        args = self.args(server, action, number)
        if action == "reset state" and not self.duel.cloud.may(actor, "admin"):
            args = {"state": "active"}  # whether a wrong body or a wrong role is told first is Nova's own affair
        held = self.duel.held.get(server.uuid)
        accepted = self.duel.cloud.refusal(actor, server, action, args) is None
        if accepted and server.odd and action in CALLS and action not in ("delete", "force delete"):
            return
        if accepted and held is not None:
            if action not in (WHEN_SHAKEN if held.shaken else MEANWHILE):
                return
            if action == "reset state" and any(run.action not in _DELETES for run in held.later):
                return
            more = {}
        self.duel.act(actor, server, action, **more, **args)

    # rules -----------------------------------------------------------------------------------------------------------
    @rule(actor=owners, flavor=flavors, least=st.integers(1, 2), most=st.integers(1, 2))
    def create(self, actor: str, flavor: str, least: int, most: int) -> None:
        if len(self.duel.live) + most <= MOST_SERVERS:
            self.duel.create(actor, flavor, least=least, most=most)

    @rule(actor=owners, flavor=flavors, hold=moments)
    def create_slowly(self, actor: str, flavor: str, hold: str) -> None:
        if len(self.duel.live) < MOST_SERVERS and not self.duel.held:
            self.duel.create(actor, flavor, hold=hold)

    @rule(
        actor=owners,
        flavor=flavors,
        fails=st.lists(st.sampled_from(["error", "error", "abort"]), min_size=1, max_size=3),
    )
    def create_badly(self, actor: str, flavor: str, fails: list[str]) -> None:
        if len(self.duel.live) < MOST_SERVERS:
            self.duel.create(actor, flavor, fails=tuple(fails))

    @rule(actor=who, which=which, action=st.sampled_from(list(ROWS)), number=numbers)
    def anything(self, actor: str, which: int, action: str, number: int) -> None:
        if (server := self.server(which)) is not None:
            self.ask(actor, server, action, number)

    @rule(actor=owners, which=which, choice=numbers, number=numbers)
    def legal_action(self, actor: str, which: int, choice: int, number: int) -> None:
        server = self.server(which)
        if server is not None and (legal := self.legal(actor, server)):
            self.ask(actor, server, legal[choice % len(legal)], number)

    @rule(actor=owners, which=which, choice=numbers, number=numbers, call=numbers)
    def failing_action(self, actor: str, which: int, choice: int, number: int, call: int) -> None:
        server = self.server(which)
        if server is None or server.uuid in self.duel.held:
            return
        legal = [name for name in self.legal(actor, server) if name in CALLS]
        if legal:
            action = legal[choice % len(legal)]
            self.ask(actor, server, action, number, fails=(CALLS[action][call % len(CALLS[action])],))

    @rule(actor=owners, which=which, choice=numbers, number=numbers, call=numbers, moment=moments)
    def slow_action(self, actor: str, which: int, choice: int, number: int, call: int, moment: str) -> None:
        server = self.server(which)
        if server is None or self.duel.held:
            return
        legal = [name for name in self.legal(actor, server) if name in CALLS]
        if legal:
            action = legal[choice % len(legal)]
            self.ask(actor, server, action, number, hold=(CALLS[action][call % len(CALLS[action])], moment))

    @precondition(lambda self: bool(self.duel.held))
    @rule(actor=owners, which=which, choice=numbers, number=numbers)
    def in_the_middle(self, actor: str, which: int, choice: int, number: int) -> None:
        """Something that is legal while an action is held, or the hold's end."""
        servers = [server for server in self.duel.live if server.uuid in self.duel.held]
        server = servers[which % len(servers)] if servers else None
        legal = self.legal(actor, server) if server is not None else []
        if server is not None and legal:
            self.ask(actor, server, legal[choice % len(legal)], number)

    @precondition(lambda self: bool(self.duel.held))
    @rule()
    def go_on(self) -> None:
        uuid = next(iter(self.duel.held))
        self.duel.release(next(server for server in self.duel.cloud.servers if server.uuid == uuid))

    @precondition(lambda self: not self.duel.held)
    @rule(host=st.integers(0, 2), enabled=st.booleans(), down=st.booleans())
    def operate(self, host: int, enabled: bool, down: bool) -> None:
        self.duel.set_host(self.hosts[host % len(self.hosts)], enabled=enabled, forced_down=down)

    @rule(instances=st.sampled_from([2, 4, 10]), cores=st.sampled_from([4, 20]), ram=st.sampled_from([2500, 51200]))
    def quota(self, instances: int, cores: int, ram: int) -> None:
        self.duel.set_quota("demo", instances=instances, cores=cores, ram=ram)

    @precondition(lambda self: not self.duel.held)
    @rule()
    def time_passes(self) -> None:
        self.duel.pass_time()

    @rule(actor=st.sampled_from([*ACTORS, "nobody"]), which=which)
    def look(self, actor: str, which: int) -> None:
        if (server := self.server(which)) is not None:
            self.duel.look(actor, server)
