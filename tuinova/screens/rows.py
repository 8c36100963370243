"""What a server's row view says, as pure functions: glyphs, tones, addresses, ages. No Textual here."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from tuinova.core.states import POWER_STATE_TEXT
from tuinova.i18n import N_

Row = Mapping[str, Any]

# status: (glyph, tone). The glyph alone tells states apart without colour; every one is a single cell wide.
STATUS_LOOK: dict[str, tuple[str, str]] = {
    "ACTIVE": ("●", "ok"),
    "BUILD": ("◐", "busy"),
    "REBUILD": ("◐", "busy"),
    "REBOOT": ("↻", "busy"),
    "HARD_REBOOT": ("↻", "busy"),
    "PASSWORD": ("◐", "busy"),
    "MIGRATING": ("⇄", "busy"),
    "RESIZE": ("↕", "busy"),
    "VERIFY_RESIZE": ("↕", "warn"),
    "REVERT_RESIZE": ("↕", "busy"),
    "PAUSED": ("‖", "warn"),
    "SUSPENDED": ("◒", "warn"),
    "RESCUE": ("✚", "warn"),
    "SHUTOFF": ("○", "off"),
    "SHELVED": ("▣", "off"),
    "SHELVED_OFFLOADED": ("▢", "off"),
    "SOFT_DELETED": ("◌", "off"),
    "DELETED": ("◌", "off"),
    "ERROR": ("✖", "error"),
    "UNKNOWN": ("?", "warn"),
}
# The order in which states are counted and sorted: what needs a person first.
_RANKED = (
    *("ERROR", "VERIFY_RESIZE", "RESCUE", "UNKNOWN", "BUILD", "REBUILD", "RESIZE", "REVERT_RESIZE", "MIGRATING"),
    *("REBOOT", "HARD_REBOOT", "PASSWORD", "ACTIVE", "PAUSED", "SUSPENDED", "SHUTOFF", "SHELVED", "SHELVED_OFFLOADED"),
    *("SOFT_DELETED", "DELETED"),
)
STATUS_RANK = {name: rank for rank, name in enumerate(_RANKED)}
POWER_LOOK: dict[int, tuple[str, str]] = {
    0: ("NOSTATE", "dim"),
    1: ("Running", "ok"),
    3: ("Paused", "warn"),
    4: ("Shutdown", "off"),
    6: ("Crashed", "error"),
    7: ("Suspended", "warn"),
}
POWER_WORDS = (N_("Running"), N_("Paused"), N_("Shutdown"), N_("Crashed"), N_("Suspended"), N_("NOSTATE"))


def status_look(status: str) -> tuple[str, str]:
    """The glyph and the tone (`ok`, `busy`, `warn`, `off`, `error`) of a status."""
    return STATUS_LOOK.get(status, STATUS_LOOK["UNKNOWN"])


def power_text(power_state: int | None) -> str:
    """The word of a power state, as `openstack` prints it."""
    return POWER_STATE_TEXT.get(power_state, "N/A") if power_state is not None else "N/A"  # type: ignore[call-overload]


@lru_cache(20_000)
def parse_time(text: str | None) -> float | None:
    """Seconds since the epoch of an ISO 8601 time; None for none or for something that is not one."""
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def span_text(seconds: float | None) -> str:
    """A duration in at most four cells: 42s, 5m, 3h, 12d, 2y."""
    if seconds is None:
        return "-"
    whole = max(0, int(seconds))
    for size, unit in ((365 * 86400, "y"), (86400, "d"), (3600, "h"), (60, "m")):
        if whole >= size:
            return f"{whole // size}{unit}"
    return f"{whole}s"


def age(row: Row, now: float) -> float | None:
    """Seconds since the server was created."""
    created = parse_time(row.get("created"))
    return None if created is None else now - created


def local_time(text: str | None) -> str:
    """A time as this machine's clock reads it, to the second; "-" for none."""
    moment = parse_time(text)
    if moment is None:
        return "-"
    return datetime.fromtimestamp(moment).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def since_text(text: str | None, now: float) -> str:
    """`local_time` and how long ago that was."""
    moment = parse_time(text)
    return "-" if moment is None else f"{local_time(text)} ({span_text(now - moment)})"


def name_of(thing: Mapping[str, Any] | None) -> str:
    """The name, else the id, of an image or flavor in a row view."""
    return str(thing.get("name") or thing.get("id") or "") if thing else ""


def addresses(row: Row) -> str:
    """The addresses in one line, IPv4 first."""
    return ", ".join(sorted(row.get("addresses") or (), key=lambda address: ":" in address))


# Names of projects and users by id, filled when the service told them.
NAMES: dict[str, str] = {}


def named(ident: object) -> str:
    """The name of a project or user, its id while that is unknown."""
    return NAMES.get(str(ident), str(ident)) if ident else ""


def haystack(row: Row) -> str:
    """Everything that a plain word of the filter looks at, in lower case."""
    get = row.get
    return (
        f"{row['name']}\n{row['id']}\n{row['status']}\n{get('task_state') or ''}\n{name_of(get('image'))}\n"
        f"{name_of(get('flavor'))}\n{' '.join(get('addresses') or ())}\n{get('key_name') or ''}\n{get('az') or ''}\n"
        f"{get('host') or ''}\n{get('description') or ''}"
    ).lower()
