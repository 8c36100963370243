"""The overview tab: all facts of a server, its fault first."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from textual import events
from textual.app import ComposeResult

from tuinova.i18n import _
from tuinova.screens import rows
from tuinova.screens.facts import Section, lay_out
from tuinova.screens.progress import Rate, amount_text, percent_of, progress_of, size_text
from tuinova.screens.rows import Row, span_text
from tuinova.screens.server_page import TabView
from tuinova.screens.widgets.text_panel import Line, TextPanel


def fault_section(row: Row, now: float) -> Section | None:
    """Code, message and time of the newest fault; only where Nova shows it."""
    fault = row.get("fault")
    if not fault:
        return None
    section = Section(_("Fault"), wide=True, tone="error")
    section.add(_("Code"), fault.get("code"), "error")
    section.add(_("Message"), fault.get("message"), "error")
    section.add(_("Created"), rows.since_text(fault.get("created"), now))
    return section


def progress_section(row: Row, rate: Rate, width: int) -> Section | None:
    """How far the running task is: bar, bytes, how fast; only while it says so."""
    percent = percent_of(row)
    if percent is None or not row.get("task_state"):
        return None
    section = Section(_(row["task_state"]), wide=True, tone="busy")
    cells = max(10, min(40, width - 40))
    full = percent * cells // 100
    section.add(_("Progress"), f"{'█' * full}{'░' * (cells - full)} {percent}%", "busy")
    progress = progress_of(row)
    if progress is not None and progress.total > 0:
        section.add(_("Amount"), amount_text(progress))
        speed, left = rate.per_second, rate.left()
        if speed is not None:
            text = f"{size_text(speed)}/s"
            section.add(
                _("Rate"), text if left is None else _("{rate}, {left} left").format(rate=text, left=span_text(left))
            )
    return section


def state_section(row: Row, now: float) -> Section:
    """The three state fields, the lock, the times."""
    section = Section(_("State"))
    glyph, tone = rows.status_look(row["status"])
    section.add(_("Status"), f"{glyph} {_(row['status'])}", tone)
    task = row.get("task_state")
    section.add(_("Task"), _(task) if task else _("None"), "busy" if task else "dim")
    word, power_tone = rows.POWER_LOOK.get(row.get("power_state") or 0, ("N/A", "dim"))
    section.add(_("Power State"), _(word), power_tone)
    section.add("vm_state", row.get("vm_state"), "dim")
    if row.get("locked"):
        reason = row.get("locked_reason")
        who = _("by {who}").format(who=row.get("locked_by") or "?")
        section.add(_("Locked"), f"{who}: {reason}" if reason else who, "warn")
    else:
        section.add(_("Locked"), _("no"), "dim")
    section.add(_("Created"), rows.since_text(row.get("created"), now))
    section.add(_("Launched"), rows.since_text(row.get("launched"), now))
    section.add(_("Updated"), rows.since_text(row.get("updated"), now))
    return section


def instance_section(row: Row, detail: Mapping[str, Any]) -> Section:
    """Names and owners."""
    section = Section(_("Instance"))
    section.add(_("Name"), row["name"], "strong")
    section.add(_("ID"), row["id"])
    section.add(_("Description"), row.get("description"))
    section.add(_("Host name"), detail.get("OS-EXT-SRV-ATTR:hostname"))
    section.add(_("Domain"), row.get("instance_name"))
    section.add(_("Project"), rows.named(row.get("project_id")))
    section.add(_("User"), rows.named(row.get("user_id")))
    section.add(_("Key Pair"), row.get("key_name"))
    return section


def place_section(row: Row, detail: Mapping[str, Any]) -> Section:
    """Where it runs."""
    section = Section(_("Place"))
    section.add(_("Availability Zone"), row.get("az"))
    section.add(_("Host"), row.get("host"))
    section.add(_("Node"), detail.get("OS-EXT-SRV-ATTR:hypervisor_hostname"))
    section.add(_("Root device"), detail.get("OS-EXT-SRV-ATTR:root_device_name"))
    section.add(_("Config drive"), detail.get("config_drive"))
    return section


def size_section(row: Row) -> Section:
    """Flavor and image."""
    flavor = row.get("flavor") or {}
    image = row.get("image") or {}
    section = Section(_("Flavor and image"))
    section.add(_("Flavor"), f"{flavor.get('name', '')} ({flavor.get('id', '')})" if flavor else None, "strong")
    section.add(_("vCPUs"), flavor.get("vcpus"))
    section.add(_("RAM"), f"{flavor.get('ram', 0)} MB" if flavor else None)
    section.add(_("Root disk"), f"{flavor.get('disk', 0)} GB" if flavor else None)
    if flavor.get("ephemeral"):
        section.add(_("Ephemeral disk"), f"{flavor['ephemeral']} GB")
    if flavor.get("swap"):
        section.add(_("Swap disk"), f"{flavor['swap']} MB")
    section.add(_("Image Name"), image.get("name"), "strong")
    section.add(_("Image ID"), image.get("id"))
    return section


def network_section(row: Row, detail: Mapping[str, Any]) -> Section:
    """Networks with their addresses, security groups."""
    section = Section(_("Network"))
    for network, found in (row.get("networks") or {}).items():
        section.add(network, ", ".join(found))
    if not row.get("networks"):
        section.add(_("IP Address"), rows.addresses(row))
    groups = detail.get("security_groups") or ()
    section.add(_("Security groups"), ", ".join(sorted({group.get("name", "") for group in groups})))
    return section


def property_section(row: Row) -> Section:
    """The metadata."""
    section = Section(_("Properties"))
    for key, value in sorted((row.get("metadata") or {}).items()):
        section.add(key, value)
    if not section.facts:
        section.add("-", "", "dim")
    return section


def overview_lines(row: Row, detail: Mapping[str, Any], width: int, now: float, rate: Rate | None = None) -> list[Line]:
    """Everything, for a panel of this width."""
    sections = [
        state_section(row, now),
        instance_section(row, detail),
        place_section(row, detail),
        size_section(row),
        network_section(row, detail),
        property_section(row),
    ]
    first = (fault_section(row, now), progress_section(row, rate or Rate(), width))
    return lay_out([*(one for one in first if one is not None), *sections], width)


class OverviewTab(TabView):
    """The facts, drawn anew with every change of the row."""

    DEFAULT_CSS = "OverviewTab TextPanel { padding: 1 1 0 1; }"

    def compose(self) -> ComposeResult:
        yield TextPanel(indent=20)

    def on_mount(self) -> None:
        self._detail: dict[str, Any] = {}
        self.set_interval(5.0, self._draw)

    def opened(self) -> None:
        """Draw what the row says, read the rest."""
        self._draw()
        server_id = self.page.server_id
        self.tui.call_service(
            lambda client: client.servers.get(server_id), self._detailed, failed=lambda _error: self._draw()
        )

    def row_changed(self, old: Row | None) -> None:
        """The new row; the rest again when a task ended."""
        if self.page.gone or self.page.row.get("task_state"):
            self._draw()
        else:
            self.opened()

    def on_resize(self, _event: events.Resize) -> None:
        self._draw()

    def _detailed(self, detail: dict[str, Any]) -> None:
        self._detail = detail
        self._draw()

    def _draw(self) -> None:
        if self.is_mounted and self.display:
            panel = self.query_one(TextPanel)
            width = panel.scrollable_content_region.width
            panel.show(overview_lines(self.page.row, self._detail, width, self.tui.clock(), self.page.rate))
