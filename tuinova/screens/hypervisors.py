"""The hypervisors room: what each node has, what is used and what is left, as bars; foreign guests in the details."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tuinova.i18n import N_, _
from tuinova.screens.columns import Cell, Column
from tuinova.screens.list_room import Json, ListRoom, facts, text_column
from tuinova.screens.widgets.text_panel import Line
from tuinova.text import clean

_BAR = 12


def share(row: Mapping[str, Any], resource: str) -> tuple[float, float]:
    """What is used and what may be used of `vcpus`, `memory_mb` or `local_gb`, with the allocation ratio."""
    ratio = {"vcpus": "cpu", "memory_mb": "ram", "local_gb": "disk"}[resource]
    total = float(row.get(resource) or 0) * float(row.get(f"{ratio}_allocation_ratio") or 1.0)
    return float(row.get(f"{resource}_used") or 0), total


def bar(used: float, total: float, width: int = _BAR) -> str:
    """A bar of so many cells."""
    if total <= 0:
        return "─" * width
    full = min(width, max(0, round(used * width / total)))
    return "█" * full + "░" * (width - full)


def _tone(used: float, total: float) -> str:
    if total <= 0:
        return "dim"
    filled = used / total
    return "error" if filled >= 0.95 else "warn" if filled >= 0.8 else "ok"


def capacity(key: str, label: str, resource: str) -> Column:
    """A column with a bar and `used/total`."""

    def cell(row: Json, _now: float) -> Cell:
        used, total = share(row, resource)
        return f"{bar(used, total)} {used:.0f}/{total:.0f}", _tone(used, total)

    def sort(row: Json) -> float:
        used, total = share(row, resource)
        return used / total if total else 0.0

    return Column(key, label, cell, sort, 20, 27, descending=True)


class HypervisorsRoom(ListRoom):
    """Nodes of all compute hosts."""

    KINDS = frozenset({"node", "service"})
    SORT = "name"
    HINT = (N_("No hypervisor yet."), N_("A compute service registers its own when it starts."))
    COLUMNS = (
        text_column("name", N_("Hypervisor"), lambda row: row["hypervisor_hostname"], 10, 24, tone="name"),
        capacity("ram", N_("RAM (MB)"), "memory_mb"),
        capacity("vcpus", N_("vCPUs"), "vcpus"),
        capacity("disk", N_("Disk (GB)"), "local_gb"),
        text_column("state", N_("State"), lambda row: row.get("state"), 5, 6),
        text_column("servers", N_("Servers"), lambda row: row.get("running_vms"), 7, 7, right=True),
        text_column("type", N_("Type"), lambda row: row.get("hypervisor_type"), 6, 8),
        text_column("ip", N_("Host IP"), lambda row: row.get("host_ip"), 12, 15),
    )

    def read(self, client: Any) -> Sequence[Json]:
        return list(client.hypervisors.rows())

    def details(self, row: Mapping[str, Any]) -> Sequence[Line]:
        lines = facts(
            [
                (_("Hypervisor"), f"{row.get('hypervisor_type')} {row.get('hypervisor_version', '')}"),
                (_("Uptime"), row.get("uptime")),
                (
                    _("Ratios"),
                    "CPU {cpu_allocation_ratio}  RAM {ram_allocation_ratio}  disk {disk_allocation_ratio}".format_map(
                        _Missing(row)
                    ),
                ),
                (_("Disk really free"), f"{row.get('disk_available_least', '-')} GB"),
            ]
        )
        foreign = row.get("foreign") or row.get("foreign_guests") or []
        if foreign:
            lines.append([(_("Foreign guests: not tuinova's, never touched, counted as used"), "heading")])
        for guest in foreign:
            text = f"{clean(guest['name'])}  {guest['vcpus']} vCPU  {guest['memory_mb']} MB  {guest['disk_gb']} GB"
            lines.append([("  ", ""), (text, "warn")])
        return lines


class _Missing(dict[str, Any]):
    """A dash for what a node does not say."""

    def __missing__(self, key: str) -> str:
        return "-"
