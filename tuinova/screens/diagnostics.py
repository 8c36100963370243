"""A guest's diagnostics as facts: totals, and rates between two readings. No Textual here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from tuinova.i18n import N_, _
from tuinova.screens.facts import Section
from tuinova.screens.progress import size_text
from tuinova.screens.rows import span_text

Numbers = Mapping[str, Any]
_BAR = 20
# Nova's words for the guest's state.
STATES = (N_("running"), N_("paused"), N_("shutdown"), N_("crashed"), N_("suspended"), N_("pending"))


class Reading(NamedTuple):
    """What the service said at a moment (seconds)."""

    at: float
    numbers: Numbers


def bar(share: float, width: int = _BAR) -> str:
    """A bar of so many cells for 0 to 1."""
    full = max(0, min(width, round(share * width)))
    return "█" * full + "░" * (width - full)


def _part(reading: Reading | None, group: str, place: int) -> Numbers:
    found: Sequence[Numbers] = (reading.numbers.get(group) or ()) if reading else ()
    return found[place] if place < len(found) else {}


def _rate(now: Reading, before: Reading | None, group: str, place: int, key: str) -> float | None:
    """How fast a counter grew since the last reading; None when that can't be told (first reading, guest restarted)."""
    new, old = _part(now, group, place).get(key), _part(before, group, place).get(key)
    if new is None or old is None or before is None or now.at <= before.at or new < old:
        return None
    return float(new - old) / (now.at - before.at)


def cpu_share(now: Reading, before: Reading | None, place: int) -> float | None:
    """How busy a processor was between the readings, 0 to 1: said by the hypervisor, else from its time (ns)."""
    said = _part(now, "cpu_details", place).get("utilisation")
    if said is not None:
        return float(said) / 100
    grown = _rate(now, before, "cpu_details", place, "time")
    return None if grown is None else max(0.0, min(1.0, grown / 1e9))


def _counted(now: Reading, before: Reading | None, group: str, place: int, key: str, unit: str = "") -> str:
    total = _part(now, group, place).get(key)
    if total is None:
        return "-"
    rate = _rate(now, before, group, place, key)
    if unit == "B":
        tail = "" if rate is None else f"   {size_text(rate)}/s"
        return size_text(total) + tail
    tail = "" if rate is None else f"   {rate:.0f}/s"
    return f"{total}{tail}"


def guest_section(now: Reading) -> Section:
    """State, driver, uptime."""
    numbers = now.numbers
    section = Section(_("Guest"))
    section.add(_("State"), _(str(numbers.get("state"))) if numbers.get("state") else None)
    section.add(_("Driver"), " ".join(str(numbers[key]) for key in ("driver", "hypervisor") if numbers.get(key)))
    section.add(_("Host system"), numbers.get("hypervisor_os"))
    uptime = numbers.get("uptime")
    section.add(_("Uptime"), span_text(float(uptime)) if uptime is not None else None)
    section.add(_("Config drive"), _("yes") if numbers.get("config_drive") else _("no"))
    return section


def memory_section(now: Reading) -> Section:
    """What it has and uses, in MiB."""
    memory = now.numbers.get("memory_details") or {}
    section = Section(_("Memory"))
    most, used = memory.get("maximum"), memory.get("used")
    section.add(_("Maximum"), f"{most} MiB" if most is not None else None)
    section.add(_("Used"), f"{used} MiB" if used is not None else None)
    if most and used is not None:
        section.add("", f"{bar(used / most)} {used * 100 // most}%", "ok" if used < most * 0.9 else "warn")
    return section


def cpu_section(now: Reading, before: Reading | None) -> Section:
    """A line for each virtual processor."""
    section = Section(_("Processors"))
    for place, cpu in enumerate(now.numbers.get("cpu_details") or ()):
        share = cpu_share(now, before, place)
        label = _("vCPU {number}").format(number=cpu.get("id", place))
        spent = f"{(cpu.get('time') or 0) / 1e9:.1f} s"
        if share is None:
            section.add(label, spent)
        else:
            section.add(label, f"{bar(share)} {share * 100:.0f}%   {spent}", "ok" if share < 0.9 else "warn")
    return section


def nic_sections(now: Reading, before: Reading | None) -> list[Section]:
    """Received and sent, for each interface."""
    sections = []
    for place, nic in enumerate(now.numbers.get("nic_details") or ()):
        section = Section(_("Interface {mac}").format(mac=nic.get("mac_address") or place))
        for label, way in ((_("Received"), "rx"), (_("Sent"), "tx")):
            section.add(label, _counted(now, before, "nic_details", place, f"{way}_octets", "B"))
            section.add("  " + _("packets"), _counted(now, before, "nic_details", place, f"{way}_packets"))
            section.add("  " + _("errors, drops"), f"{nic.get(f'{way}_errors', '-')}, {nic.get(f'{way}_drop', '-')}")
        sections.append(section)
    return sections


def disk_sections(now: Reading, before: Reading | None) -> list[Section]:
    """Read and written, for each disk."""
    sections = []
    for place, disk in enumerate(now.numbers.get("disk_details") or ()):
        section = Section(_("Disk {number}").format(number=place))
        for label, way in ((_("Read"), "read"), (_("Written"), "write")):
            section.add(label, _counted(now, before, "disk_details", place, f"{way}_bytes", "B"))
            section.add("  " + _("requests"), _counted(now, before, "disk_details", place, f"{way}_requests"))
        section.add(_("Errors"), disk.get("errors_count"))
        sections.append(section)
    return sections


def diagnostics_sections(now: Reading, before: Reading | None) -> list[Section]:
    """Everything."""
    return [
        cpu_section(now, before),
        memory_section(now),
        *disk_sections(now, before),
        *nic_sections(now, before),
        guest_section(now),
    ]
