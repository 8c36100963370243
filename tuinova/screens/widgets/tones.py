"""The tones in which everything is drawn, as rich styles made from the theme's variables.

Component classes would do the same through CSS, but cost two hundred style computations before the first frame.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING

from rich.style import Style
from textual.color import Color, ColorParseError

from tuinova.screens.themes import DEFAULT_VARIABLES

if TYPE_CHECKING:
    from textual.widget import Widget as _Base
else:
    _Base = object

# tone: (foreground variable, background variable, attributes)
LOOKS: dict[str, tuple[str, str, str]] = {
    "name": ("foreground", "", ""),
    "strong": ("foreground", "", "bold"),
    "ok": ("tone-ok", "", ""),
    "busy": ("tone-busy", "", ""),
    "warn": ("tone-warn", "", ""),
    "off": ("tone-off", "", ""),
    "error": ("tone-error", "", "bold"),
    "dim": ("tone-dim", "", ""),
    "label": ("tone-label", "", ""),
    "key": ("key-fg", "", "bold"),
    "heading": ("key-fg", "", "bold"),
    "brand": ("brand-fg", "brand-bg", "bold"),
    "current": ("brand-bg", "background", "bold"),
    "tab": ("tab-fg", "", ""),
    "rule": ("border-blurred", "", ""),
    "header": ("header-fg", "header-bg", "bold"),
    "sorted": ("accent", "", "bold"),
    "cursor": ("", "cursor-bg", "bold"),
    "cursor-blur": ("", "cursor-blur-bg", ""),
    "hover": ("", "hover-bg", ""),
    "mark": ("accent", "", "bold"),
    "marked": ("", "marked-bg", ""),
    "match": ("brand-fg", "tone-warn", ""),
}
# Without colour, what is chosen shows by attributes.
REVERSED = ("brand", "current", "cursor", "match")


def _color(variables: Mapping[str, str], name: str) -> Color | None:
    if not name:
        return None
    try:
        return Color.parse(variables.get(name, ""))
    except ColorParseError:
        return None


def tone_styles(variables: Mapping[str, str], no_color: bool) -> dict[str, Style]:
    """Every tone's style under a theme's variables; the empty name is no style at all."""
    styles: dict[str, Style] = {"": Style.null()}
    for tone, (foreground, background, attributes) in LOOKS.items():
        front, back = _color(variables, foreground), _color(variables, background)
        styles[tone] = Style(
            color=front.rich_color if front else None,
            bgcolor=back.rich_color if back else None,
            bold="bold" in attributes or None,
            reverse=(no_color and tone in REVERSED) or None,
            underline=(no_color and tone == "header") or None,
        )
    return styles


@cache
def default_styles() -> dict[str, Style]:
    """The tones of the default theme."""
    return tone_styles(DEFAULT_VARIABLES, False)


class Toned(_Base):
    """Gives a widget the application's tones (`TuinovaApp.tone_styles`)."""

    @property
    def tones(self) -> dict[str, Style]:
        """All of them; another dictionary after the theme changed. In a foreign application: the default theme's."""
        styles: dict[str, Style] | None = getattr(self.app, "tone_styles", None)
        return default_styles() if styles is None else styles

    _base: tuple[dict[str, Style], Style] | None = None

    @property
    def base_style(self) -> Style:
        """The widget's own rich style, kept: Textual works it out anew, from all ancestors, at each call."""
        tones, kept = self.tones, self._base
        if kept is None or kept[0] is not tones:
            kept = self._base = (tones, self.rich_style)
        return kept[1]

    def notify_style_update(self) -> None:
        """Textual says that styles changed."""
        self._base = None
        super().notify_style_update()

    def tone(self, name: str) -> Style:
        """The style of a tone without the widget's own colours; an empty one for an empty name."""
        return self.tones[name]
