"""What a client is answered: Nova's guards in Nova's order, then what each action asks besides."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from .records import Image, Move, Server
from .tables import (
    ACTORS,
    DELETE_TASKS,
    FLAVORS,
    QUIRKY_LOCK,
    ROLES,
    ROWS,
    STATE_409,
    UNKNOWN_409,
    Row,
    holds,
)

NO_SUCH_HOST = "nowhere"
NOT_SUPPORTED = "The requested functionality is not supported."
UNAVAILABLE = "Service is unavailable at this time."
Args = Mapping[str, Any]


@dataclass(frozen=True)
class Refusal:
    """A code and Nova's text; `start` is how a text begins of which the rest is ours."""

    code: int
    text: str = ""
    start: bool = False

    def fits(self, code: int, text: str | None) -> bool:
        """Whether that is what was answered."""
        said = text or ""
        return code == self.code and (said.startswith(self.text) if self.start else said == self.text)

    def __str__(self) -> str:
        return f"{self.code} {self.text!r}{' ...' if self.start else ''}"


@dataclass
class Host:
    """A compute service as an operator set it."""

    enabled: bool = True
    forced_down: bool = False

    @property
    def takes(self) -> bool:
        """Whether the scheduler may choose it."""
        return self.enabled and not self.forced_down


@dataclass
class Cloud:
    """All that the model knows."""

    hosts: dict[str, Host]
    unserved: frozenset[str]
    projects: dict[str, str]  # name to id
    quota: dict[str, dict[str, int]]
    servers: list[Server] = field(default_factory=list)
    images: list[Image] = field(default_factory=list)
    keeps_shelved: bool = False  # a shelved server stays on its host until it is offloaded
    softly: bool = False  # a delete can be taken back for a while

    # who may what ----------------------------------------------------------------------------------------------------
    def sees(self, actor: str, server: Server) -> bool:
        """Another project's server does not exist for those who are not admin."""
        _user, project, role = ACTORS[actor]
        return role == "admin" or project == server.project

    @staticmethod
    def may(actor: str, role: str) -> bool:
        """Whether the actor's role has this one in it."""
        return role in ROLES[ACTORS[actor][2]]

    def up(self, host: str | None) -> bool:
        """Whether a host's service is up."""
        return host is not None and not self.hosts[host].forced_down

    def choices(self, *without: str | None) -> frozenset[str]:
        """The hosts that the scheduler may choose."""
        return frozenset(name for name, host in self.hosts.items() if host.takes and name not in without)

    # quota -----------------------------------------------------------------------------------------------------------
    def used(self, project: str) -> dict[str, int]:
        """What counts against a project's quota."""
        live = [s for s in self.servers if s.project == project and not s.deleted and s.vm != "soft-delete"]
        return {
            "cores": sum(s.size[0] for s in live),
            "instances": len(live),
            "ram": sum(s.size[1] for s in live),
        }

    def over_quota(self, project: str, wanted: dict[str, int], asked: str | None = None) -> Refusal | None:
        """Nova's 403 with its parallel lists, in the order of the alphabet."""
        used, limits = self.used(project), self.quota[project]
        overs = [name for name in sorted(wanted) if 0 <= limits[name] < used[name] + wanted[name] and wanted[name] > 0]
        if not overs:
            return None
        names = ", ".join(overs)
        texts = {**wanted, **({"instances": asked} if asked else {})}
        requested, have, of = (", ".join(str(source[n]) for n in overs) for source in (texts, used, limits))
        return Refusal(
            403, f"Quota exceeded for {names}: Requested {requested}, but already used {have} of {of} {names}"
        )

    # the guards ------------------------------------------------------------------------------------------------------
    def refusal(self, actor: str, server: Server, action: str, args: Args) -> Refusal | None:
        """What speaks against it first; None: it is accepted."""
        row = ROWS[action]
        unknown = Refusal(404, f"Instance {server.uuid} could not be found.")
        if server.deleted or not self.sees(actor, server):
            return unknown
        if not self.may(actor, row.role):
            return forbidden(row.rule)
        if action in self.unserved:
            return Refusal(501, NOT_SUPPORTED, start=True)
        checks = (BEFORE_STATE.get(action), Cloud.guards, AFTER_STATE.get(action))
        refusals = (check(self, actor, server, {"row": row, **args}) for check in checks if check)
        return next((refusal for refusal in refusals if refusal), None)

    def guards(self, actor: str, server: Server, args: Args) -> Refusal | None:
        """Lock, host, states, launched."""
        row: Row = args["row"]
        unknown = UNKNOWN_409.format(uuid=server.uuid, said=row.said)
        if row.lock and server.locked_by and not self.may(actor, "admin"):
            return Refusal(409, unknown if row.name in QUIRKY_LOCK else f"Instance {server.uuid} is locked")
        if row.host == "set" and server.host is None:
            return Refusal(409, f"Instance {server.uuid} is not ready")
        for what, value, allowed in (("vm_state", server.vm, row.vm), ("task_state", server.task, row.task)):
            if allowed is not None and value not in allowed:
                return Refusal(409, STATE_409.format(said=row.said, uuid=server.uuid, what=what, value=value))
        if row.launched and not server.launched:
            return Refusal(409, unknown)
        if row.host == "up" and not self.up(server.host):
            return Refusal(409, UNAVAILABLE)
        return None

    def may_ask(self, actor: str, server: Server, action: str) -> bool:
        """Whether role, lock and states speak for it; what else is asked for may still be refused."""
        row = ROWS[action]
        if action in self.unserved or server.deleted or not self.sees(actor, server):
            return False
        return self.may(actor, row.role) and self.guards(actor, server, {"row": row}) is None

    def may_do(self, actor: str, server: Server) -> list[str]:
        """All of that."""
        return [name for name in ROWS if self.may_ask(actor, server, name)]


def forbidden(rule: str) -> Refusal:
    """Nova's 403 of a policy."""
    return Refusal(403, f"Policy doesn't allow {rule} to be performed.")


def finished_move(server: Server) -> Move | None:
    """The resize or migration that waits to be confirmed."""
    return next((move for move in reversed(server.moves) if move.status == "finished"), None)


# before the lock and the states --------------------------------------------------------------------------------------
def _host_needs_admin(rule: str) -> Callable[[Cloud, str, Server, Args], Refusal | None]:
    def check(cloud: Cloud, actor: str, server: Server, args: Args) -> Refusal | None:
        return forbidden("os_compute_api:" + rule) if args.get("host") and not cloud.may(actor, "admin") else None

    return check


def _has_item(cloud: Cloud, actor: str, server: Server, args: Args) -> Refusal | None:
    return None if args["key"] in server.metadata else Refusal(404, "Metadata item was not found")


BEFORE_STATE = {
    "migrate": _host_needs_admin("os-migrate-server:migrate:host"),
    "live migrate": _host_needs_admin("os-migrate-server:migrate_live:host"),
    "delete metadata": _has_item,
}


# after them ----------------------------------------------------------------------------------------------------------
def _resize(cloud: Cloud, actor: str, server: Server, args: Args) -> Refusal | None:
    asked = args["flavor"]
    if asked not in FLAVORS:
        return Refusal(400, f"Flavor {asked} could not be found.")
    (cpus, ram, disk), (old_cpus, old_ram, old_disk) = holds(asked), server.size
    if disk == 0 and old_disk:
        return Refusal(400, "Server disk was unable to be resized because: Resize to zero disk flavor is not allowed.")
    if asked == server.flavor:
        return Refusal(400, "When resizing, instances must change flavor!")
    return cloud.over_quota(server.project, {"cores": cpus - old_cpus, "ram": ram - old_ram})


def _confirm(cloud: Cloud, actor: str, server: Server, args: Args) -> Refusal | None:
    move = finished_move(server)
    if move is None:
        return Refusal(400, "Instance has not been resized.")
    return None if cloud.up(move.source) else Refusal(409, UNAVAILABLE)


def _revert(cloud: Cloud, actor: str, server: Server, args: Args) -> Refusal | None:
    move = finished_move(server)
    if move is None:
        return Refusal(400, "Instance has not been resized.")
    (cpus, ram, _), (now_cpus, now_ram, _) = holds(move.old_flavor), server.size
    return cloud.over_quota(server.project, {"cores": cpus - now_cpus, "ram": ram - now_ram})


def _migrate(cloud: Cloud, actor: str, server: Server, args: Args) -> Refusal | None:
    host = args.get("host")
    if host is not None and host == server.host:
        return Refusal(400, "Cannot migrate to the host where the server exists.")
    return _unknown_host(cloud, host)


def _live(cloud: Cloud, actor: str, server: Server, args: Args) -> Refusal | None:
    host = args.get("host")
    if host is not None and host == server.host:
        return Refusal(400, f"Unable to migrate instance ({server.uuid}) to current host ({host}).")
    return _unknown_host(cloud, host)


def _unknown_host(cloud: Cloud, host: str | None) -> Refusal | None:
    if host is None or host in cloud.hosts:
        return None
    return Refusal(400, f"Compute host {host} could not be found.")


def _evacuate(cloud: Cloud, actor: str, server: Server, args: Args) -> Refusal | None:
    host = args.get("host")
    if host is not None and host not in cloud.hosts:
        return Refusal(404, f"Compute host {host} not found.")
    if host is not None and host == server.host:
        return Refusal(400, "The target host can't be the same one.")
    return Refusal(400, f"Compute service of {server.host} is still in use.") if cloud.up(server.host) else None


def _unlock(cloud: Cloud, actor: str, server: Server, args: Args) -> Refusal | None:
    if server.locked_by in (None, lock_owner(actor, server)) or cloud.may(actor, "admin"):
        return None
    return forbidden("os_compute_api:os-lock-server:unlock:unlock_override")


def lock_owner(actor: str, server: Server) -> str:
    """Who a lock of this actor belongs to."""
    return "owner" if ACTORS[actor][1] == server.project else "admin"


def _rebuild(cloud: Cloud, actor: str, server: Server, args: Args) -> Refusal | None:
    return Refusal(400, "Cannot find image for rebuild") if args["image"] == NO_IMAGE else None


def _state(cloud: Cloud, actor: str, server: Server, args: Args) -> Refusal | None:
    if args["state"] in ("active", "error"):
        return None
    return Refusal(400, "Invalid input for field/attribute state.", start=True)


def _restore(cloud: Cloud, actor: str, server: Server, args: Args) -> Refusal | None:
    cpus, ram, _ = server.size
    return cloud.over_quota(server.project, {"instances": 1, "cores": cpus, "ram": ram})


def _diagnostics(cloud: Cloud, actor: str, server: Server, args: Args) -> Refusal | None:
    if server.guest is not None and server.guest.power == 1:
        return None
    return Refusal(409, "Cannot 'get_diagnostics' instance", start=True)


def _console(cloud: Cloud, actor: str, server: Server, args: Args) -> Refusal | None:
    return None if server.guest is not None else Refusal(404, "Guest does not have a console available.")


NO_IMAGE = "00000000-0000-0000-0000-000000000000"
AFTER_STATE: Mapping[str, Callable[[Cloud, str, Server, Args], Refusal | None]] = {
    "resize": _resize,
    "confirm": _confirm,
    "revert": _revert,
    "migrate": _migrate,
    "live migrate": _live,
    "evacuate": _evacuate,
    "unlock": _unlock,
    "rebuild": _rebuild,
    "reset state": _state,
    "restore": _restore,
    "diagnostics": _diagnostics,
    "console log": _console,
}


def ignored(cloud: Cloud, server: Server, action: str) -> bool:
    """A delete of what is being deleted is answered and does nothing."""
    return action in ("delete", "force delete") and server.task in DELETE_TASKS and cloud.up(server.host)
