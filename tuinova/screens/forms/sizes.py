"""Old and new sizes side by side, and what becomes of a resize to a flavor. No Textual here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from tuinova.i18n import N_, _
from tuinova.screens.rows import Row
from tuinova.screens.widgets.line_table import fit
from tuinova.screens.widgets.text_panel import Line

Flavor = Mapping[str, Any]
# label, key of a row view's flavor
SIZES = (
    (N_("vCPUs"), "vcpus"),
    (N_("RAM (MB)"), "ram"),
    (N_("Root disk (GB)"), "disk"),
    (N_("Ephemeral disk (GB)"), "ephemeral"),
    (N_("Swap disk (MB)"), "swap"),
)
_DISKS = ("disk", "ephemeral")
_RARE = ("ephemeral", "swap")


class Verdict(NamedTuple):
    """What becomes of it: `refused` at once, or accepted and `rolled_back`; `text` says why."""

    text: str = ""
    refused: bool = False
    rolled_back: bool = False


def sizes_of(flavor: Flavor) -> dict[str, Any]:
    """A flavor of the API by the keys of a row view's flavor."""
    return {
        "id": flavor["id"],
        "name": flavor["name"],
        "vcpus": int(flavor["vcpus"]),
        "ram": int(flavor["ram"]),
        "disk": int(flavor["disk"]),
        "ephemeral": int(flavor.get("OS-FLV-EXT-DATA:ephemeral") or 0),
        "swap": int(flavor.get("swap") or 0),
        "disabled": bool(flavor.get("OS-FLV-DISABLED:disabled")),
    }


def verdict(old: Flavor, new: Flavor) -> Verdict:
    """A resize from one to the other (nova/compute/api.py resize, virt/libvirt migrate_disk_and_power_off)."""
    if new.get("disabled"):
        return Verdict(_("disabled"), refused=True)
    if not new["disk"] and old.get("disk"):
        return Verdict(_("no resize to a zero disk"), refused=True)
    if str(new["id"]) == str(old.get("id")):
        return Verdict(_("its flavor now"), refused=True)
    if any(new[key] < int(old.get(key) or 0) for key in _DISKS):
        return Verdict(_("smaller disk: it will be rolled back"), rolled_back=True)
    return Verdict()


def is_larger(old: Flavor, new: Flavor) -> bool:
    """Whether nothing gets less."""
    return all(int(new[key]) >= int(old.get(key) or 0) for _label, key in SIZES)


def verdict_for(rows: Sequence[Row], new: Flavor) -> Verdict:
    """The verdict for several servers: refused only where it is for all, else for how many."""
    found = [verdict(row.get("flavor") or {}, new) for row in rows]
    if len(found) == 1 or all(one == found[0] for one in found):
        return found[0]
    refused = [one for one in found if one.refused]
    if len(refused) == len(found):
        return refused[0]
    if refused:
        return Verdict(_("refused for {count} of {all}").format(count=len(refused), all=len(found)))
    back = [one for one in found if one.rolled_back]
    return Verdict(_("rolled back for {count} of {all}").format(count=len(back), all=len(found)), rolled_back=True)


def _now(rows: Sequence[Row], key: str) -> tuple[str, int | None]:
    """What the servers have, as text, and as a number where all have the same."""
    values = sorted({int((row.get("flavor") or {}).get(key) or 0) for row in rows})
    return (str(values[0]), values[0]) if len(values) == 1 else (f"{values[0]} - {values[-1]}", None)


def comparison(rows: Sequence[Row], new: Flavor | None) -> list[Line]:
    """A line for each size that one of them has: now, new, difference."""
    names = sorted({str((row.get("flavor") or {}).get("name") or "-") for row in rows})
    now = names[0] if len(names) == 1 else _("{count} flavors").format(count=len(names))
    head = (fit("", 20), fit(now, 16, True), fit(str(new["name"]) if new else "-", 16, True))
    lines: list[Line] = [[("".join(head), "label"), (fit(_("difference"), 14, True), "label")]]
    for label, key in SIZES:
        text, old = _now(rows, key)
        if old == 0 and not (new and new[key]) and key in _RARE:
            continue
        line = [(fit(_(label), 20), "label"), (fit(text, 16, True), "")]
        if new is not None:
            line.append((fit(str(new[key]), 16, True), "strong"))
            line.append(_difference(key, old, int(new[key])))
        lines.append(line)
    return lines


def _difference(key: str, old: int | None, new: int) -> tuple[str, str]:
    if old is None:
        return fit("", 14), ""
    if old == new:
        return fit("=", 14, True), "dim"
    tone = "ok" if new > old else "warn" if key in _DISKS else "busy"
    return fit(f"{new - old:+d}", 14, True), tone
