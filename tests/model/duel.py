"""The engine and the model side by side: every request goes to both, every answer and every end is compared."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tuinova.core.drafts import MigrationFilter
from tuinova.core.states import ACTION_BY_NAME

from . import creating, images, moves, shaken
from .asking import body_is_right, request
from .compare import Comparison
from .records import Failure, Log, Server
from .rules import Cloud, Host, Refusal, ignored
from .tables import ACTORS, RECORDED, ROWS, SOFT_DELETED, SYNC, WALKS
from .walks import (
    AT_ONCE,
    Run,
    Steps,
    accepted_at_once,
    change_password,
    create,
    delete,
    delete_softly,
    end_moves,
    one_call,
    reboot,
    rescue,
)
from .world import World

# Name in the table under test, where it is another one than in Nova's texts.
_SERVED_AS = {"hard reboot": "reboot-hard"}
_STEPS: Mapping[str, Callable[[Run], Steps]] = {
    **{name: lambda run: one_call(run, WALKS[run.action]) for name in WALKS},
    "create": create,
    "delete": delete,
    "force delete": delete,
    "reboot": reboot,
    "hard reboot": reboot,
    "rescue": rescue,
    "change password": change_password,
    "resize": moves.cold,
    "migrate": moves.cold,
    "confirm": moves.confirm,
    "revert": moves.revert,
    "live migrate": moves.live,
    "evacuate": moves.evacuate,
    "rebuild": moves.rebuild,
    **dict.fromkeys(("create image", "create backup"), images.snapshot),
    "shelve": images.shelve,
    "shelve offload": images.offload,
    "unshelve": images.unshelve,
}
# What a task is called as soon as the action is accepted.
_FIRST_TASK = {
    **{name: walk.tasks[0] for name, walk in WALKS.items() if walk.tasks},
    **dict.fromkeys(("resize", "migrate"), "resize_prep"),
    **dict.fromkeys(("delete", "force delete"), "deleting"),
    **dict.fromkeys(("evacuate", "rebuild"), "rebuilding"),
    "revert": "resize_reverting",
    "live migrate": "migrating",
    "create image": "image_snapshot_pending",
    "create backup": "image_backup",
    "shelve": "shelving",
    "shelve offload": "shelving_offloading",
    "unshelve": "unshelving",
}
_MOVES = {
    "resize": ("resize", "pre-migrating"),
    "migrate": ("migration", "pre-migrating"),
    "live migrate": ("live-migration", "accepted"),
    "evacuate": ("evacuation", "accepted"),
}


class Disagreement(AssertionError):
    """The engine and the model differ; the message is the story that led there."""


def unserved() -> frozenset[str]:
    """The actions that this version refuses with 501."""
    rows = {name: ACTION_BY_NAME.get(_SERVED_AS.get(name, row.said)) for name, row in ROWS.items()}
    return frozenset(name for name, row in rows.items() if row is not None and not row.served)


@dataclass
class Held:
    """A server whose action stands at a call on a host, and what was accepted since."""

    run: Run
    host: str | None
    later: list[Run] = field(default_factory=list)
    # The state was reset since, in the middle of a move.
    shaken: bool = False


class Duel:
    """One engine, one model, one story."""

    def __init__(self, world: World, **policy: bool) -> None:
        self.world = world
        projects = {name: world.conductor.project(name).id for name in ("admin", "demo", "other")}
        quota = {name: self._limits(ident) for name, ident in projects.items()}
        self.cloud = Cloud({host: Host() for host in world.drivers}, unserved(), projects, quota, **policy)
        self.image = next(image.id for image in world.conductor.images())
        self.story: list[str] = []
        self.held: dict[str, Held] = {}
        self.disagreed = False
        self._names = 0
        self._comparison = Comparison(world, self.cloud)

    def _limits(self, ident: str) -> dict[str, int]:
        limits = self.world.conductor.quota_limits(ident)
        return {name: getattr(limits, name) for name in ("instances", "cores", "ram")}

    # the story -------------------------------------------------------------------------------------------------------
    def tell(self, line: str) -> None:
        """What is done next."""
        self.story.append(line)

    def disagree(self, what: Iterable[str]) -> None:
        """End with the story, if there is anything to say."""
        found = list(what)
        if found:
            self.disagreed = True
            steps = "\n".join(f"  {number}. {line}" for number, line in enumerate(self.story, 1))
            raise Disagreement(f"\n{steps}\n  => " + "\n  => ".join(found))

    def new_label(self) -> str:
        """A name for the next server."""
        self._names += 1
        return f"vm{self._names}"

    @property
    def live(self) -> list[Server]:
        """Servers that are not deleted."""
        return [server for server in self.cloud.servers if not server.deleted]

    # requests --------------------------------------------------------------------------------------------------------
    def create(self, actor: str, flavor: str, **more: Any) -> list[Server]:
        """Ask for new servers."""
        return creating.create(self, creating.Wish(actor, flavor, **more))

    def act(
        self,
        actor: str,
        server: Server,
        action: str,
        *,
        hold: tuple[str, str] | None = None,
        fails: tuple[str, ...] = (),
        **args: Any,
    ) -> int:
        """Ask for an action; `hold`: (call, "before" or "after") at which it stands; `fails`: calls that fail once."""
        self.tell(f"{actor}: {action} {server.label}{given(args)}{failing(fails)}{held_at(hold)}")
        refusal = self.cloud.refusal(actor, server, action, args)
        if refusal is None:
            for call in fails:
                self.plan(server, call)
        gate = self.world.hold(server.uuid, *hold) if hold and refusal is None else None
        method, path, body = request(action, server, args)
        reply = self.world.face.ask(actor, method, path, body)
        self.check_answer(reply.code, reply.text, refusal, ROWS[action].code)
        if refusal is None:
            if not body_is_right(action, reply, server, args):
                self.disagree([f"the answer's body is {reply.body!r}"])
            given_image = reply.body["image_id"] if action in ("create image", "create backup") else None
            run = self._accept(actor, server, action, {**args, "image_id": given_image}, reply.request_id)
            if run is not None:
                self._carry_out(run, hold, gate)
            held = self.held.get(server.uuid)
            if held is not None and action == "reset state" and held.run.action in shaken.MOVES:
                held.shaken = True
        self.check()
        return reply.code

    def check_answer(self, code: int, text: str | None, refusal: Refusal | None, success: int) -> None:
        """The code, and the text of a refusal."""
        if refusal is None and code != success:
            self.disagree([f"the answer is {code} {text!r}, should be {success}"])
        if refusal is not None and not refusal.fits(code, text):
            self.disagree([f"the answer is {code} {text!r}, should be {refusal}"])

    def plan(self, server: Server, call: str, kind: str = "error") -> None:
        """The server's next such call fails, here and there."""
        text = f"no luck with {call}"
        self.world.director.plan(server.uuid, call, text, kind)
        server.failures.setdefault(call, []).append(Failure(text, kind=kind))

    def look(self, actor: str, server: Server) -> None:
        """Who sees the server, alone and in the list, and how much of it."""
        self.tell(f"{actor}: show {server.label}")
        path = f"/v2.1/servers/{server.uuid}"
        reply, listed = (self.world.face.ask(actor, "GET", path) for path in (path, "/v2.1/servers/detail"))
        if actor not in ACTORS:
            for answer in (reply, listed):
                self.check_answer(answer.code, answer.text, Refusal(404, f"Could not find user: {actor}."), 0)
            return
        is_seen = not server.deleted and self.cloud.sees(actor, server)
        refusal = None if is_seen else Refusal(404, f"Instance {server.uuid} could not be found.")
        self.check_answer(reply.code, reply.text, refusal, 200)
        if is_seen and ("OS-EXT-SRV-ATTR:host" in reply.body["server"]) != self.cloud.may(actor, "admin"):
            self.disagree([f"{actor} sees {sorted(reply.body['server'])}"])
        seen = sorted(row["name"] for row in listed.body["servers"])
        shown = [one for one in self.live if one.vm != SOFT_DELETED and one.project == ACTORS[actor][1]]
        want = sorted(one.name for one in shown)
        self.disagree([f"the list has {seen}, should have {want}"] if seen != want else [])

    # what follows ----------------------------------------------------------------------------------------------------
    def _accept(self, actor: str | None, server: Server, action: str, args: dict[str, Any], ident: str) -> Run | None:
        """Write down what accepting it writes; the run of what is left to do, None when nothing is."""
        if ignored(self.cloud, server, action):
            return None
        log = Log(RECORDED.get(action, ""), ident or None, actor)
        if action in AT_ONCE:
            assert actor is not None
            if accepted_at_once(self.cloud, actor, server, action, args, log):
                server.logs.append(log)
            return None
        server.logs.append(log)
        run = self.begin(server, action, actor, log, args)
        if action in ("delete", "force delete"):
            args["local"] = not self.cloud.up(server.host)
            end_moves(run)
            images.forget_shelved_image(run, at_last=False)
            if self.cloud.softly and action == "delete" and server.launched and not args["local"]:
                run.steps, server.task = delete_softly(run), "soft-deleting"
                return run
        if action in _MOVES:
            moves.begin_move(run, *_MOVES[action], args.get("flavor"))
        if action in ("create image", "create backup"):
            images.new_image(run, args["name"], args["image_id"], args.get("backup_type"))
        if action == "shelve":
            images.new_image(run, f"{server.name}-shelved", None).is_shelved = True
        server.task = _FIRST_TASK.get(action, server.task)
        return run

    def begin(self, server: Server, action: str, actor: str | None, log: Log, args: dict[str, Any]) -> Run:
        """The model's run of an accepted action."""
        run = Run(self.cloud, server, action, actor, log, args)
        run.steps = _STEPS[action](run)
        run.at_last = lambda: images.forget_shelved_image(run)
        return run

    def _carry_out(self, run: Run, hold: tuple[str, str] | None, gate: Any) -> None:
        if hold is not None:
            self.stand(run, hold, gate)
            self.world.settle()
            return
        self.world.settle()
        held = self.held.get(run.server.uuid)
        # Behind what is held on the same host; what the conductor does, or another host, waits for nobody.
        if held is not None and not run.args.get("local") and held.host == run.server.host:
            held.later.append(run)
        else:
            run.go()

    def stand(self, run: Run, hold: tuple[str, str], gate: Any) -> None:
        """Both stand at the call that is held."""
        if not run.go(hold):
            self.world.settle()
            self.disagree([f"{hold[0]} was called, and should not be"] if gate.reached.is_set() else [])
            self.world.director.gates.pop(run.server.uuid, None)
            return
        if not gate.reached.wait(10):
            self.disagree([f"{hold[0]} was never called"])
        self.held[run.server.uuid] = Held(run, self._host_of(run, hold[0]))
        self.world.director.gates[run.server.uuid] = gate

    def _host_of(self, run: Run, call: str) -> str | None:
        """Where a call is made: at the server's host, or at the other end of its move."""
        move = run.server.moves[-1] if run.server.moves else None
        record = self.world.conductor.instance(run.server.uuid)
        if call == "confirm_migration" and move is not None:
            return move.source
        if call in ("check_can_live_migrate_destination", "pre_live_migration"):
            found = self.world.conductor.migrations(MigrationFilter(instance_uuid=record.uuid))
            return found[0].dest_compute
        return record.host

    def release(self, server: Server) -> None:
        """Let what stands go on."""
        self.tell(f"{server.label} goes on")
        self._release(server.uuid)
        self.world.settle()
        self.check()

    def _release(self, uuid: str) -> None:
        held = self.held.pop(uuid)
        self.world.release(uuid)
        self.world.settle()
        if held.shaken:
            shaken.let_go(held.run)
        else:
            held.run.go()
        for run in held.later:
            run.go()
        server = held.run.server
        if held.shaken and not server.deleted:
            self.disagree(shaken.taken_over(self.world, held.run))

    # the operator's --------------------------------------------------------------------------------------------------
    def set_host(self, host: str, **settings: bool) -> None:
        """Enable, disable, force down."""
        self.tell(f"admin: {host} {given(settings)}")
        found = self.world.conductor.services(host, "nova-compute")[0]
        body: dict[str, Any] = {}
        if "enabled" in settings:
            body["status"] = "enabled" if settings["enabled"] else "disabled"
            self.cloud.hosts[host].enabled = settings["enabled"]
        if "forced_down" in settings:
            body["forced_down"] = self.cloud.hosts[host].forced_down = settings["forced_down"]
        reply = self.world.face.ask("admin", "PUT", f"/v2.1/os-services/{found.uuid}", body)
        self.check_answer(reply.code, reply.text, None, 200)
        self.check()

    def set_quota(self, project: str, **limits: int) -> None:
        """Change a project's limits, whatever it uses."""
        self.tell(f"admin: quota of {project} {given(limits)}")
        path = f"/v2.1/os-quota-sets/{self.cloud.projects[project]}"
        reply = self.world.face.ask("admin", "PUT", path, {"quota_set": {**limits, "force": True}})
        self.check_answer(reply.code, reply.text, None, 200)
        self.cloud.quota[project].update(limits)
        self.check()

    def pass_time(self, seconds: float = 2000) -> None:
        """Let the periodic tasks have their turn, several times: what one starts the next sees."""
        self.tell("time passes")
        assert not self.held
        for _ in range(2):
            self.world.pass_time(seconds)
        for server in self.cloud.servers:
            self._sync(server)
        self.check(everything=True)

    def _sync(self, server: Server) -> None:
        for host in list(server.ghosts):
            if self.cloud.up(host):
                server.ghosts.discard(host)
        for move in server.moves:
            if move.status == "done" and self.cloud.up(move.source):
                move.status = "completed"
        if server.deleted or server.task is not None or server.host is None or server.odd:
            return
        server.see_power()
        if SYNC.get((server.vm, server.power)) is not None:
            run = self._accept(None, server, "stop", {}, "")
            assert run is not None
            run.go()

    # comparing -------------------------------------------------------------------------------------------------------
    def check(self, *, everything: bool = False) -> None:
        """What has changed, or everything that can be seen, is as the model has it."""
        self.disagree(self._comparison.differences(set(self.held), everything=everything))

    def end(self) -> None:
        """Let all go on, delete everything: nothing may be left."""
        for uuid in list(self.held):
            self._release(uuid)
        self.world.settle()
        self.check()
        for host in self.cloud.hosts:
            if self.cloud.hosts[host] != Host():
                self.set_host(host, enabled=True, forced_down=False)
        for server in self.live:
            server.failures.clear()
            self.world.director.failures.clear()
            self.act("admin", server, "force delete")
        self.pass_time()


def given(args: Mapping[str, Any]) -> str:
    """Arguments in the story."""
    return "".join(f" {name}={value}" for name, value in args.items())


def failing(calls: tuple[str, ...]) -> str:
    """Calls that will fail, in the story."""
    return f", whose {' and '.join(calls)} will fail" if calls else ""


def held_at(hold: tuple[str, str] | None) -> str:
    """Where it stands, in the story."""
    return f", which stands {hold[1]} {hold[0]}" if hold else ""
