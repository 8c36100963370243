"""The matrix: each action of the table from each state that it may begin from, and where it may end."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tests.faults.house import HOSTS, IMAGE, House
from tests.faults.middles import act, into_it, live, standing
from tests.faults.scenes import BIGGER, SCENES, Facts, Scene
from tuinova.core.block_devices import volumes_of
from tuinova.core.records import Instance
from tuinova.core.states import ACTIONS
from tuinova.core.volume_api.create import VolumeRequest

CREATE = "create"  # no row of the action table, and one of this


def shows(server: Instance) -> str:
    """How a server stands, in a word."""
    return "gone" if server.deleted else server.vm_state


def shows_place(server: Instance) -> str:
    """The same with its host."""
    return "gone" if server.deleted else f"{server.vm_state}@{server.host or '-'}"


def shows_lock(server: Instance) -> str:
    return f"{shows(server)}{' locked' if server.locked else ''}"


def shows_metadata(server: Instance) -> str:
    return f"{shows(server)} {','.join(f'{key}={value}' for key, value in sorted(server.metadata.items()))}"


def shows_volumes(server: Instance) -> str:
    """The same with the volumes that the guest has, or on no host shall have."""
    devices = [one for one in volumes_of(server) if one.connection is not None or server.host is None]
    return " ".join([shows(server), *(f"{one.device_name}:{one.volume_size}" for one in devices)])


def shows_ports(server: Instance) -> str:
    """The same with how many ports it has, how many addresses, and its groups."""
    if server.deleted:
        return "gone"
    ports = {entry["port_id"] for entry in server.addresses}
    groups = ",".join(sorted(server.security_groups))
    addresses = [entry for entry in server.addresses if entry["address"]]
    return f"{server.vm_state} {len(ports)}/{len(addresses)} {groups}"


@dataclass(frozen=True)
class Row:
    """One line of the matrix.

    `goal` is how the server stands after a success, `ends` how else it may stand after a crash once the request was
    accepted: then the action says "Error". `may_fail`: it may also say so where it ends at its goal (nothing differs
    before and after). `passes_on`: its own event says only that the word was passed on. `before` is what goes on when
    it is asked for, and `otherwise` how the server may stand when that ends without the request. `records`: whether
    the action log has it.
    """

    name: str
    action: str
    scene: Scene
    ask: Callable[[House, Facts], object]
    goal: str
    ends: frozenset[str] = frozenset()
    shows: Callable[[Instance], str] = shows
    may_fail: bool = False
    passes_on: bool = False
    before: Callable[[House, Facts], object] | None = None
    otherwise: frozenset[str] = frozenset()
    records: bool = True
    count: int = 1  # servers that are asked for by a create
    also_records: frozenset[str] = frozenset()

    @property
    def creates(self) -> bool:
        """Whether there is no server before."""
        return self.action == CREATE


def _row(action: str, scene: str, goal: str, *ends: str, body: Any = None, **more: Any) -> Row:
    where = more.pop("named", scene)
    return Row(
        more.pop("name", f"{action}: {where}"),
        action,
        SCENES[scene],
        more.pop("ask", act(action, body)),
        goal,
        frozenset(ends),
        **more,
    )


def _create(scene: str, name: str, goal: str, *ends: str, count: int = 1, may_fail: bool = False, **fields: Any) -> Row:
    return Row(
        f"create: {name}",
        CREATE,
        SCENES[scene],
        lambda house, facts: house.ask_create(min_count=count, **fields),
        goal,
        frozenset(ends),
        count=count,
        may_fail=may_fail,
    )


_ROOT_VOLUME = {
    "source_type": "image",
    "destination_type": "volume",
    "uuid": IMAGE,
    "boot_index": 0,
    "volume_size": 1,
    "delete_on_termination": True,
}
# What is asked of the volume service alone; where it ends is the invariants' to say.
_OF_VOLUMES: Mapping[str, Callable[[House, Facts], object]] = {
    "volume from an image": lambda house, facts: house.engine.volume_api.create(
        house.ctx(), VolumeRequest(size=1, image_id=IMAGE)
    ),
    "copy of a volume": lambda house, facts: house.engine.volume_api.create(
        house.ctx(), VolumeRequest(source_volid=facts["volume"])
    ),
    "extend": lambda house, facts: house.engine.volume_api.extend(house.ctx(), facts["volume"], 2),
    "snapshot": lambda house, facts: house.engine.volume_api.create_snapshot(house.ctx(), facts["volume"]),
    "image of": lambda house, facts: house.engine.volume_api.upload(
        house.ctx(), facts["volume"], image_name="of a volume"
    ),
    "delete": lambda house, facts: house.engine.volume_api.delete(house.ctx(), facts["volume"]),
}
_BACKUP = {"name": "backup", "backup_type": "daily", "rotation": 1}
_LIVE_BODY = {"host": None, "block_migration": "auto"}
_RESIZING = standing(act("resize", {"flavorRef": BIGGER}), HOSTS[0], "migrate_disk_and_power_off")
_EVACUATING = standing(act("evacuate", {"host": None}), HOSTS[1], "spawn")
_DELETED_FROM = (
    *("active", "paused", "stopped", "suspended", "error", "locked", "error on no host", "resized", "resized away"),
    *("stopped and resized away", "migrated", "active, host down", "resized away, source down"),
    "resized away, destination down",
)
_HARD_FROM = ("active", "stopped", "paused", "suspended", "error")
A1, A2 = (f"active@{host}" for host in HOSTS)
S1, S2 = (f"stopped@{host}" for host in HOSTS)
P1, P2 = (f"paused@{host}" for host in HOSTS)
E1, E2 = (f"error@{host}" for host in HOSTS)
R2 = f"resized@{HOSTS[1]}"


def _placed(action: str, scene: str, goal: str, *ends: str, **more: Any) -> Row:
    return _row(action, scene, goal, *ends, shows=shows_place, **more)


ALL_ROWS: Sequence[Row] = (
    # A build that had begun is not begun again: decided, since nobody knows what the image's copy has become.
    _create("nothing", "one", "active", "error"),
    _create("nothing", "one with config drive", "active", "error", config_drive=True),
    _create("nothing, two hosts", "three on two hosts", "active", "error", count=3),
    Row(
        "create: one that boots from a volume",
        CREATE,
        SCENES["nothing"],
        lambda house, facts: house.ask_create(image_ref=None, block_devices=[_ROOT_VOLUME]),
        "active",
        frozenset({"error"}),
    ),
    _create("nothing, first host broken", "one whose first host fails", "active", "error", may_fail=True),
    _create("nothing, little room", "one for which there is no room", "error", may_fail=True),
    *(
        _row(
            "delete",
            scene,
            "gone",
            also_records=frozenset({"confirmResize"}) if "resized" in scene or scene == "migrated" else frozenset(),
        )
        for scene in _DELETED_FROM
    ),
    _row("forceDelete", "active", "gone"),
    _row("start", "stopped", "active"),
    _row("stop", "active", "stopped"),
    _row("stop", "error", "stopped"),
    _row("reboot", "active", "active", body={"type": "SOFT"}),
    *(_row("reboot-hard", scene, "active", ask=act("reboot", {"type": "HARD"}), named=scene) for scene in _HARD_FROM),
    _row("pause", "active", "paused", "active"),
    _row("unpause", "paused", "active"),
    _row("suspend", "active", "suspended", "active"),
    _row("resume", "suspended", "active"),
    _row("lock", "active", "active locked", shows=shows_lock, body={"locked_reason": "why not"}),
    _row("unlock", "locked", "active", shows=shows_lock),
    # moves
    _row("resize", "active", "resized", "active", body={"flavorRef": BIGGER}, named="active, to the same host"),
    _row("resize", "stopped", "resized", "stopped", body={"flavorRef": BIGGER}, named="stopped, to the same host"),
    _placed("resize", "active, two hosts", R2, A1, body={"flavorRef": BIGGER}, named="active, to another host"),
    _placed("resize", "stopped, two hosts", R2, S1, body={"flavorRef": BIGGER}, named="stopped, to another host"),
    _placed(
        "resize", "active, two hosts, big disk", "", A1, body={"flavorRef": "1"}, named="to a smaller disk: refused"
    ),
    _row("confirmResize", "resized", "active"),
    _row("confirmResize", "stopped and resized", "stopped"),
    _placed("confirmResize", "resized away", A2),
    _placed("confirmResize", "stopped and resized away", S2),
    _row("revertResize", "resized", "active"),
    _row("revertResize", "stopped and resized", "stopped"),
    _placed("revertResize", "resized away", A1),
    _placed("revertResize", "stopped and resized away", S1),
    _placed("migrate", "active, two hosts", R2, A1),
    _placed("migrate", "stopped, two hosts", R2, S1),
    _placed("migrate", "active, broken destination", "", A1),
    _placed("migrate", "active, destination breaks in the end", "", A1, E2),
    _placed("os-migrateLive", "active, two hosts", A2, A1, body=_LIVE_BODY),
    _placed("os-migrateLive", "paused, two hosts", P2, P1, body=_LIVE_BODY),
    _placed(
        "abort live migration",
        "active, slow lines",
        A1,
        A2,
        otherwise=frozenset({A2}),
        before=live,
        passes_on=True,
        ask=act("abort live migration"),
        also_records=frozenset({"live-migration"}),
    ),
    _placed(
        "force_complete",
        "active, slow lines",
        A2,
        A1,
        otherwise=frozenset({A2}),
        passes_on=True,
        before=live,
        also_records=frozenset({"live-migration"}),
    ),
    _placed("evacuate", "active, host down", S2, body={"host": None}),
    _placed("evacuate", "stopped, host down", S2, body={"host": None}),
    _placed("evacuate", "error, host down", A2, body={"host": None}),
    # images, rescue, rebuild, shelving, deletes that are put off
    *(
        _row("createImage", scene, scene, may_fail=True, body={"name": "snap"})
        for scene in ("active", "stopped", "paused", "suspended")
    ),
    _row("createBackup", "active", "active", may_fail=True, body=_BACKUP),
    _row("rescue", "active", "rescued", "active", "stopped", body={}),
    _row("rescue", "stopped", "rescued", "stopped", body={}),
    _row("rescue", "error", "rescued", "error", body={}),
    _row("unrescue", "rescued", "active"),
    *(
        _row("rebuild", scene, goal, "error", body={"imageRef": IMAGE}, may_fail=scene == "error")
        for scene, goal in (("active", "active"), ("stopped", "stopped"), ("error", "active"))
    ),
    *(
        _row("shelve", scene, "shelved_offloaded", "shelved", scene, "stopped")
        for scene in ("active", "stopped", "paused", "suspended")
    ),
    _row("shelve", "active, shelved on its host", "shelved", "active", "stopped"),
    _row("shelveOffload", "shelved", "shelved_offloaded"),
    _row("unshelve", "shelved", "active", "shelved"),
    _row("unshelve", "shelved and offloaded", "active", "shelved_offloaded"),
    _row("delete", "active, deletes are put off", "soft-delete"),
    _row("delete", "rescued", "gone"),
    _row("delete", "shelved", "gone"),
    _row("delete", "shelved and offloaded", "gone"),
    _row("forceDelete", "soft-deleted", "gone"),
    _row("restore", "soft-deleted", "active"),
    _row("trigger_crash_dump", "active", "active", may_fail=True),
    _row("changePassword", "active", "active", may_fail=True, body={"adminPass": "secret"}),
    _row(
        "get_diagnostics",
        "active",
        "active",
        records=False,
        ask=lambda house, facts: house.engine.compute_api.act(house.ctx(), facts["uuid"], "get_diagnostics"),
    ),
    # in the middle of a move
    *(
        _placed(
            action,
            scene,
            goal,
            *ends,
            named=f"in {what}",
            before=before,
            ask=into_it(act(action, body)),
            passes_on=True,
            otherwise=frozenset({A1, A2, S2, R2}),
            also_records=frozenset({records}),
        )
        for what, scene, before, records, goal, *ends in (
            ("a resize", "active, two hosts", _RESIZING, "resize", A2, A1),
            ("a live migration", "active, slow lines", live, "live-migration", A1, A2),
            ("an evacuation", "active, host down", _EVACUATING, "evacuate", A2, A1),
        )
        for action, body, goal, ends in (
            ("resetState", {"state": "active"}, goal, ends),
            ("delete", None, "gone", ()),
        )
    ),
    # volumes
    *(
        _row(
            "attach_volume",
            f"{state}, a volume is free",
            f"{stands} /dev/vdb:1",
            stands,
            shows=shows_volumes,
            ask=lambda house, facts: house.ask(facts["uuid"], "attach_volume", {"volumeId": facts["volume"]}),
        )
        for state, stands in (("active", "active"), ("stopped", "stopped"), ("offloaded", "shelved_offloaded"))
    ),
    *(
        _row(
            "detach_volume",
            f"{state} with a volume",
            state,
            f"{state} /dev/vdb:1",
            shows=shows_volumes,
            ask=lambda house, facts: house.ask(facts["uuid"], "detach_volume", {"volume_id": facts["volume"]}),
        )
        for state in ("active", "stopped")
    ),
    _row("delete", "active with a volume", "gone"),
    _row("delete", "offloaded with a volume", "gone"),
    _row("delete", "active from a volume", "gone"),
    _row("shelve", "active with a volume", "shelved_offloaded", "shelved", "active", "stopped"),
    _row("shelve", "active from a volume", "shelved_offloaded", "active", "stopped"),
    _row("unshelve", "offloaded with a volume", "active", "shelved_offloaded"),
    _row("unshelve", "offloaded from a volume", "active", "shelved_offloaded"),
    _row("createImage", "active from a volume", "active", body={"name": "snap"}),
    _row("rebuild", "active from a volume", "active", "error", body={"imageRef": IMAGE}, may_fail=True),
    _row("rebuild", "active with a volume", "active", "error", body={"imageRef": IMAGE}, may_fail=True),
    _placed("resize", "active with a volume, two hosts", R2, A1, body={"flavorRef": BIGGER}),
    _placed("revertResize", "resized away with a volume", A1),
    _placed("confirmResize", "resized away with a volume", A2),
    _placed("os-migrateLive", "active with a volume, two hosts", A2, A1, body=_LIVE_BODY),
    _placed("os-migrateLive", "active from a volume, two hosts", A2, A1, body={"host": None, "block_migration": False}),
    _placed("evacuate", "active with a volume, host down", S2, body={"host": None}),
    *(
        _row(
            "attach_volume",
            f"{state} with a volume",
            f"{state} /dev/vdb:2",
            f"{state} /dev/vdb:1",
            name=f"extend a volume: {state} with a volume",
            shows=shows_volumes,
            records=False,
            ask=lambda house, facts: house.engine.volume_api.extend(house.ctx(), facts["volume"], 2),
        )
        for state in ("active", "stopped")
    ),
    *(
        _row(
            "attach_volume", "active, a volume is free", "active", name=f"{name}: a free volume", records=False, ask=ask
        )
        for name, ask in _OF_VOLUMES.items()
    ),
    _row(
        "attach_volume",
        "active with a volume",
        "active",
        name="snapshot of a volume: active with a volume",
        records=False,
        ask=lambda house, facts: house.engine.volume_api.create_snapshot(house.ctx(), facts["volume"], force=True),
    ),
    _row("delete", "active with a volume of its own", "gone"),
    # networks
    Row(
        "create: one on a network of ours, and on a port that is there",
        CREATE,
        SCENES["nothing, a network"],
        lambda house, facts: house.ask_create(networks=[{"uuid": facts["network"]}, {"port": facts["port"]}]),
        "active",
        frozenset({"error"}),
    ),
    *(
        _row(
            "attach_interface",
            f"{state}, a network is free",
            f"{state} 2/2 default",
            f"{state} 1/1 default",
            shows=shows_ports,
            ask=lambda house, facts: house.ask(facts["uuid"], "attach_interface", {"net_id": facts["network"]}),
        )
        for state in ("active", "stopped")
    ),
    _row(
        "detach_interface",
        "active on a network twice",
        "active 1/1 default",
        "active 2/2 default",
        shows=shows_ports,
        ask=lambda house, facts: house.ask(facts["uuid"], "detach_interface", {"port_id": facts["port"]}),
    ),
    *(
        _row(
            action,
            "active on a network twice",
            goal,
            shows=shows_ports,
            records=False,
            ask=lambda house, facts, action=action, body=body: house.ask(facts["uuid"], action, body(facts)),
        )
        for action, body, goal in (
            ("addFixedIp", lambda facts: {"networkId": facts["network"]}, "active 2/3 default"),
            ("removeFixedIp", lambda facts: {"address": facts["address"]}, "active 2/1 default"),
            ("addSecurityGroup", lambda facts: {"name": "late"}, "active 2/2 default,late"),
            ("removeSecurityGroup", lambda facts: {"name": "default"}, "active 2/2 "),
        )
    ),
    _row("delete", "active on a network twice", "gone"),
    _row("delete", "active with a floating address", "gone"),
    # what is written and nothing else
    _row("resetState", "active", "error", body={"state": "error"}),
    _row("resetState", "error", "active", body={"state": "active"}),
    _row(
        "update metadata",
        "with metadata",
        "active one=1,three=3,two=2",
        shows=shows_metadata,
        records=False,
        ask=lambda house, facts: house.engine.compute_api.set_metadata(house.ctx(), facts["uuid"], {"three": "3"}),
    ),
    _row(
        "delete metadata",
        "with metadata",
        "active two=2",
        shows=shows_metadata,
        records=False,
        ask=lambda house, facts: house.engine.compute_api.delete_metadata(house.ctx(), facts["uuid"], "one"),
    ),
    _row(
        "get_console_output",
        "active",
        "active",
        records=False,
        ask=lambda house, facts: house.engine.compute_api.raw_console_log(house.ctx(), facts["uuid"]),
    ),
)
_SERVED = {CREATE, *(action.name for action in ACTIONS if action.served)}
ROWS: Mapping[str, Row] = {row.name: row for row in ALL_ROWS if row.action in _SERVED}
