"""Four lines about the selected server under a tall table."""

from __future__ import annotations

from collections.abc import Callable

from rich.segment import Segment
from textual.strip import Strip
from textual.widget import Widget

from tuinova.i18n import _
from tuinova.screens import rows
from tuinova.screens.rows import Row
from tuinova.screens.widgets.line_table import fit
from tuinova.screens.widgets.tones import Toned
from tuinova.text import clean

Fact = tuple[str, str, str]  # label, text, tone


class Summary(Toned, Widget):
    """The selected server's facts that the table has no room for; the fault where there is one."""

    DEFAULT_CSS = """
    Summary {
        height: 6; width: 1fr; background: $background; color: $foreground;
    }
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        super().__init__()
        self._clock = clock
        self._row: Row | None = None

    def show(self, row: Row | None) -> None:
        """Another server, or another state of it."""
        if row is not self._row:
            self._row = row
            if self.display:
                self.refresh()

    def _facts(self, row: Row) -> list[list[Fact]]:
        flavor = row.get("flavor") or {}
        sizes = f"{flavor.get('vcpus', 0)} vCPU  {flavor.get('ram', 0)} MB  {flavor.get('disk', 0)} GB"
        where = " · ".join(str(part) for part in (row.get("az"), row.get("host"), row.get("instance_name")) if part)
        lock = row.get("locked_reason") or _("by {who}").format(who=row.get("locked_by") or "?")
        properties = "  ".join(f"{key}={value}" for key, value in (row.get("metadata") or {}).items())
        third: Fact = (_("Properties"), properties or "-", "")
        if row.get("locked"):
            third = (_("Locked"), str(lock), "warn")
        lines: list[list[Fact]] = [
            [(_("Instance"), row["name"], "name"), (_("ID"), row["id"], "")],
            [(_("Flavor"), f"{rows.name_of(flavor)}  {sizes}", ""), (_("Where"), where or "-", "")],
            [
                (_("Image"), rows.name_of(row.get("image")) or "-", ""),
                (_("IP Address"), rows.addresses(row) or "-", ""),
            ],
            [third, (_("Created"), rows.since_text(row.get("created"), self._clock()), "")],
        ]
        if fault := row.get("fault"):
            lines.append([(_("Fault"), f"{fault.get('code', '')} {fault.get('message', '')}", "error")])
        elif row.get("description"):
            lines.append([(_("Description"), str(row["description"]), "dim")])
        return lines

    def render_line(self, y: int) -> Strip:
        width = self.size.width
        base = self.base_style
        if y == 0:
            return Strip([Segment("─" * width, base + self.tone("rule"))])
        if self._row is None:
            return Strip.blank(width, base)
        lines = self._facts(self._row)
        if y > len(lines):
            return Strip.blank(width, base)
        segments: list[Segment] = []
        facts = lines[y - 1]
        half = width // len(facts)
        for label, text, tone in facts:
            segments.append(Segment(fit(f" {label}", 14) + " ", base + self.tone("label")))
            segments.append(Segment(fit(clean(text), half - 15), base + self.tone(tone) if tone else base))
        return Strip(segments).crop_extend(0, width, base)
