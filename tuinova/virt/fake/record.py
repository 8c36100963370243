"""A fake guest as it stands in its file: all that must outlive the service."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from tuinova.core.states import PowerState
from tuinova.virt.driver import DriverError, GuestSpec, Nic
from tuinova.virt.fake import disks
from tuinova.virt.fake.boot import BOOT_LINES, boot_text, lines_due
from tuinova.virt.fake.disk_file import DiskContent, unpack, write_disk
from tuinova.virt.volumes import VolumeDisk

# Stages of the guest's terminal.
LOGIN, PASSWORD, SHELL = "login", "password", "shell"


@dataclass(slots=True)
class GuestRecord:
    """One guest. The guest's own clock (`ran` plus the time since `since`) stands still while it is paused or saved.

    `boot_at` is the guest's clock at its last reset, `boot_lines` how much of the boot text is in the log already,
    `pending` what the guest said after that: nothing is written to a log before somebody reads it. `earlier` are boots
    that were over before anybody did: (domain id, lines, pending). `down_at` is the wall time at which a shutdown that
    has begun is over, `down_then` what follows: "off" or "reset".

    What few guests have (written only when there is something): `contents` are the files on each disk, `mounts` disks
    mounted by hand; `rescue` is what it was rescued with; `aside` the host to which a cold migration takes its disks,
    `came_from` that from which one brought them; `migrating` the live migration that carries it away; `nmis` are
    interrupts that wait until it runs; `ports` are its interfaces where there is more to say than one address.
    """

    uuid: str
    name: str
    hostname: str = "guest"
    display_name: str = ""
    foreign: bool = False
    memory_mb: int = 0
    vcpus: int = 0
    disk_gb: int = 0  # all of them, for the host's sums
    root_gb: int = 0
    address: str | None = None
    ignore_acpi: bool = False
    boot_seconds: float = 1.0
    state: int = int(PowerState.SHUTDOWN)
    saved: bool = False
    domain_id: int | None = None
    ran: float = 0.0
    since: float | None = None
    boot_at: float = 0.0
    boot_lines: int = 0
    pending: str = ""
    earlier: list[tuple[int, int, str]] = field(default_factory=list)
    logged: bool = False  # this boot has a console.log
    down_at: float | None = None
    down_then: str = "off"
    stage: str = LOGIN
    user: str = ""
    line: str = ""
    variables: dict[str, str] = field(default_factory=dict)
    ephemeral_gb: int = 0
    swap_mb: int = 0
    image_bytes: int = 0
    contents: dict[str, dict[str, str]] = field(default_factory=dict)
    mounts: dict[str, str] = field(default_factory=dict)
    rescue: dict[str, Any] | None = None
    aside: str = ""
    came_from: str = ""
    migrating: dict[str, Any] | None = None
    nmis: int = 0
    ports: list[dict[str, Any]] = field(default_factory=list)
    # {id, device, path, size, role} of each; what it holds is among the contents while the guest has it.
    volumes: list[dict[str, Any]] = field(default_factory=list)
    # Sizes of ephemeral disks that were asked for, other than the flavor's one.
    ephemerals: list[int] = field(default_factory=list)

    @property
    def volumes_root(self) -> dict[str, Any] | None:
        """The volume that it boots from."""
        return next((one for one in self.volumes if one["role"] == disks.ROOT), None)

    @property
    def power(self) -> PowerState:
        """The power state as the contract has it."""
        return PowerState(self.state)

    @property
    def is_active(self) -> bool:
        """Running or paused: there is a domain with a serial port."""
        return self.state in (PowerState.RUNNING, PowerState.PAUSED)

    def clock(self, now: float) -> float:
        """The guest's own clock, in seconds, at wall time `now`."""
        return self.ran + (max(0.0, now - self.since) if self.since is not None else 0.0)

    def run(self, now: float) -> None:
        """Let the clock go."""
        self.state, self.since = int(PowerState.RUNNING), now

    def halt(self, now: float, state: PowerState) -> None:
        """Stop the clock, in whatever state."""
        self.ran, self.since, self.state = self.clock(now), None, int(state)

    def reset(self, now: float) -> None:
        """A cold boot of the machine: its memory is lost."""
        self.boot_at, self.boot_lines, self.pending = self.clock(now), 0, ""
        self.down_at, self.down_then = None, "off"
        self.stage, self.user, self.line, self.variables = LOGIN, "", "", {}
        self.forget_memory()

    def forget_memory(self) -> None:
        """What lies in no disk's files is gone."""
        self.mounts, self.nmis = {}, 0
        if disks.MEMORY in self.contents:
            self.contents = {role: files for role, files in self.contents.items() if role != disks.MEMORY}

    def lines_due(self, now: float) -> int:
        """How much of the boot text the guest has said."""
        return lines_due(self.clock(now) - self.boot_at, self.boot_seconds)

    def is_up(self, now: float) -> bool:
        """The boot is over: somebody listens on the serial port."""
        return self.lines_due(now) >= BOOT_LINES

    def boot_text(self, first: int, last: int) -> bytes:
        """Lines of this guest's boot text."""
        return boot_text(
            first,
            last,
            hostname=self.hostname,
            memory_mb=self.memory_mb,
            vcpus=self.vcpus,
            disks=[(disk.name, disk.size) for disk in disks.seen(self)],
            address=self.address,
            began=self.boot_at,
        ).encode()

    def unlogged(self, now: float) -> bytes:
        """What the guest has said and its log does not have yet."""
        due = self.lines_due(now)
        text = self.boot_text(self.boot_lines, due) if due > self.boot_lines else b""
        text += self.pending.encode()
        self.boot_lines, self.pending = max(due, self.boot_lines), ""
        return text

    def clone(self) -> GuestRecord:
        """A copy; dictionaries are replaced, never changed, so they may be shared."""
        made = object.__new__(GuestRecord)
        for name in _FIELDS:
            setattr(made, name, getattr(self, name))
        return made

    def to_json(self) -> str:
        """The file's text."""
        values = {name: getattr(self, name) for name in _ALWAYS}
        for name in _RARE:
            if value := getattr(self, name):
                values[name] = value
        return json.dumps(values, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str | bytes) -> GuestRecord:
        """The record of a file; raises ValueError for what is not one."""
        data = json.loads(text)
        if not isinstance(data, dict) or not isinstance(data.get("uuid"), str):
            raise ValueError("not a guest's file")
        return cls(**{name: value for name, value in data.items() if name in _FIELDS})


_FIELDS = tuple(f.name for f in fields(GuestRecord))
_RARE = _FIELDS[_FIELDS.index("ephemeral_gb") :]
_ALWAYS = _FIELDS[: -len(_RARE)]


def is_true(value: Any) -> bool:
    """Nova's boolean words in image properties and metadata."""
    return str(value).strip().lower() in ("true", "yes", "1", "on", "t", "y")


def drive_metadata(files: Mapping[str, bytes] | None) -> dict[str, Any]:
    """What the guest reads from its config drive."""
    if not files:
        return {}
    try:
        found = json.loads(files.get("openstack/latest/meta_data.json", b"{}"))
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def ignores_acpi(guest: GuestSpec, metadata: Mapping[str, Any]) -> bool:
    """Whether the guest was asked to ignore the power button: an image property, or metadata in its config drive.

    The demo guest reads `ignore_acpi` from its config drive's metadata, so one server behaves alike on both.
    """
    properties = guest.image.properties if guest.image else {}
    if is_true(properties.get("tuinova_ignore_acpi")) or is_true(properties.get("hw_tuinova_ignore_acpi")):
        return True
    meta = metadata.get("meta")
    return isinstance(meta, dict) and is_true(meta.get("ignore_acpi"))


def ports_of(nics: Sequence[Nic], *, whole: bool = False) -> list[dict[str, Any]]:
    """The ports as the file has them; one on a host's own network, without a firewall, is not worth a line."""
    if not whole and len(nics) == 1 and nics[0].spec is None and nics[0].security is None and not nics[0].forwards:
        return []
    return [json.loads(json.dumps(asdict(nic))) for nic in nics]


def redefine(record: GuestRecord, guest: GuestSpec) -> None:
    """Make the record's definition that of the server."""
    record.name = guest.name
    record.hostname = guest.hostname or "guest"
    record.display_name = guest.display_name
    record.memory_mb = guest.memory_mb
    record.vcpus = guest.vcpus
    record.root_gb = guest.root_gb
    record.ephemeral_gb = guest.ephemeral_gb
    record.swap_mb = guest.swap_mb
    record.disk_gb = guest.root_gb + guest.ephemeral_gb
    record.ephemerals = [disk.size_gb for disk in guest.ephemerals or ()]
    plug(record, guest)
    record.address = next((nic.address for nic in guest.nics if nic.address), None)
    record.ports = ports_of(guest.nics)


def plugged(disk: VolumeDisk) -> dict[str, Any]:
    """How a guest's record keeps a volume; the root's contents are those of the root disk."""
    return {
        "id": disk.volume_id,
        "device": disk.device,
        "path": str(disk.connection["path"]),
        "size": disk.size_gb * disks.GIB,
        "role": disks.ROOT if disk.boot_index == 0 else f"volume {disk.volume_id}",
    }


def volume_content(entry: Mapping[str, Any]) -> DiskContent:
    """What lies on a volume now; raises DriverError when it is not there."""
    path = Path(entry["path"])
    if not path.exists():
        raise DriverError(reason=f"Cannot access storage file '{path}': No such file or directory")
    return unpack(path, path.stat().st_size)


def plug(record: GuestRecord, guest: GuestSpec) -> None:
    """Give a guest the volumes of its definition, with what lies on them now."""
    old = {one["role"] for one in record.volumes}
    record.volumes = [plugged(disk) for disk in guest.volumes]
    contents = {role: files for role, files in record.contents.items() if role not in old}
    for entry in record.volumes:
        content = volume_content(entry)
        entry["size"] = content.size
        contents[entry["role"]] = content.files
    if old or record.volumes:
        record.contents = contents


def flush(before: GuestRecord | None, record: GuestRecord) -> None:
    """Write what the guest changed on its volumes into their files."""
    for entry in record.volumes:
        files = record.contents.get(entry["role"], {})
        if before is None or before.contents.get(entry["role"], files) is not files:
            write_disk(entry["path"], DiskContent(int(entry["size"]), files))


def record_of(guest: GuestSpec, boot_seconds: float) -> GuestRecord:
    """The record of a new guest, off."""
    record = GuestRecord(guest.uuid, guest.name, boot_seconds=boot_seconds)
    redefine(record, guest)
    return record
