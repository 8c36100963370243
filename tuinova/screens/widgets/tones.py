"""The tones in which everything is drawn: names of styles that the themes fill (`app.tcss`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.style import Style

if TYPE_CHECKING:
    from textual.widget import Widget as _Base
else:
    _Base = object

TONES = (
    *("name", "ok", "busy", "warn", "off", "error", "dim", "label", "strong", "key", "brand", "current", "tab"),
    *("rule", "header", "sorted", "cursor", "hover", "mark", "marked", "match", "heading"),
)
TONE_CLASSES = frozenset(f"tone--{tone}" for tone in TONES)


class Toned(_Base):
    """Gives a widget with `COMPONENT_CLASSES = set(TONE_CLASSES)` its tones as rich styles."""

    _kept_tones: dict[str, Style] | None = None

    def tone(self, name: str) -> Style:
        """The style of a tone without the widget's own colours; an empty one for an empty name."""
        if not name:
            return Style.null()
        kept = self._kept_tones
        if kept is None:
            kept = self._kept_tones = {}
        style = kept.get(name)
        if style is None:
            style = kept[name] = self.get_component_rich_style(f"tone--{name}", partial=True)
        return style

    def forget_tones(self) -> None:
        """Another theme, another focus."""
        self._kept_tones = None

    def notify_style_update(self) -> None:
        """Textual says that styles changed."""
        self.forget_tones()
        super().notify_style_update()
