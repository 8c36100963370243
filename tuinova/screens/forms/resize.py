"""Resize: a flavor list that says what Nova refuses or rolls back, and old and new sizes side by side."""

from __future__ import annotations

from typing import Any

from textual import events
from textual.app import ComposeResult
from textual.content import Content
from textual.widgets import Input, OptionList
from textual.widgets.option_list import Option

from tuinova.i18n import _
from tuinova.screens.dialogs import TextLine
from tuinova.screens.forms.base import ActionForm, Json
from tuinova.screens.forms.sizes import comparison, is_larger, sizes_of, verdict_for
from tuinova.screens.launch.request import word_for
from tuinova.screens.rows import Row
from tuinova.screens.widgets.line_table import fit
from tuinova.screens.widgets.text_panel import TextPanel
from tuinova.text import clean

_NAME, _NUMBER = 18, 8  # cells of the list's columns
_AROUND = 20  # lines of the frame that are not the list's


class ResizeForm(ActionForm):
    """Pick the new flavor."""

    HEIGHT = 30
    FIRST = "filter"
    DEFAULT_CSS = """
    ResizeForm OptionList { height: 1fr; min-height: 4; }
    ResizeForm #compare { height: auto; padding-top: 1; background: $surface; }
    """

    def fields(self) -> ComposeResult:
        """Filter, list, comparison."""
        self.flavors: list[Json] = []
        self.flavor: Json | None = None
        yield Input(placeholder=_("Filter"), id="filter")
        names = (_("vCPUs"), _("RAM (MB)"), _("Disk (GB)"))
        heads = "".join(fit(name, _NUMBER + 2, True) for name in names)
        yield TextLine([(" " + fit(_("Flavor"), _NAME) + heads, "label")])
        yield OptionList(id="flavors")
        compare = TextPanel(wrap=False, id="compare")
        compare.can_focus = False
        yield compare

    def read(self, client: Any) -> Any:
        """All flavors that this person may use, private ones too."""
        return client.flavors.list(None)

    def loaded(self, found: list[Json]) -> None:
        """The list, smallest first."""
        listed = [sizes_of(flavor) for flavor in found]
        self.flavors = sorted(listed, key=lambda one: (one["ram"], one["vcpus"], one["disk"], one["name"]))
        self.query_one("#frame").styles.max_height = min(self.HEIGHT, len(listed) + _AROUND)
        self._fill()

    def _fill(self) -> None:
        listed = self.query_one("#flavors", OptionList)
        kept = self.flavor["id"] if self.flavor else None
        words = self.text_of("filter").casefold().split()
        shown = [one for one in self.flavors if all(word in f"{one['name']} {one['id']}".casefold() for word in words)]
        verdicts = [verdict_for(self.legal, one) for one in shown]
        listed.clear_options()
        for one, becomes in zip(shown, verdicts, strict=True):
            numbers = "".join(fit(str(one[key]), _NUMBER + 2, True) for key in ("vcpus", "ram", "disk"))
            text = fit(clean(one["name"]), _NAME) + numbers
            note = f"  {becomes.text}" if becomes.text else ""
            tone = "$tone-dim" if becomes.refused else "$tone-warn"
            prompt = Content.assemble((text, "$tone-dim" if becomes.refused else ""), (note, tone))
            listed.add_option(Option(prompt, id=str(one["id"]), disabled=becomes.refused))
        open_ = [place for place, becomes in enumerate(verdicts) if not becomes.refused]
        again = [place for place in open_ if shown[place]["id"] == kept]
        larger = [place for place in open_ if is_larger(self.row.get("flavor") or {}, shown[place])]
        listed.highlighted = next(iter([*again, *larger, *open_]), None)
        if listed.highlighted is None:
            self._choose(None)

    def _choose(self, ident: str | None) -> None:
        self.flavor = next((one for one in self.flavors if str(one["id"]) == ident), None)
        self.changed()

    def changed(self) -> None:
        """Command and comparison follow the cursor."""
        super().changed()
        self.query_one("#compare", TextPanel).show(comparison(self.legal or self.rows, self.flavor))

    def options(self) -> list[str]:
        """The flavor by its name, or its id where the name is another's too."""
        return ["--flavor", word_for(self.flavor, self.flavors)] if self.flavor else ["--flavor", "FLAVOR"]

    def payload(self, row: Row) -> Any:
        """Nova's body."""
        return {"flavorRef": str(self.flavor["id"])} if self.flavor else None

    def problem(self) -> tuple[str, str]:
        """A flavor is needed."""
        return ("", "") if self.flavor else ("filter", _("A flavor is needed."))

    # keys ------------------------------------------------------------------------------------------------------------
    def on_option_list_option_highlighted(self, event: OptionList.OptionHighlighted) -> None:
        """The cursor is the choice."""
        event.stop()
        self._choose(event.option_id)

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        """Enter or a click: it stands, on to the buttons."""
        event.stop()
        self._choose(event.option_id)
        self.query_one("#cancel").focus()

    def on_input_changed(self, event: Input.Changed) -> None:
        """The filter."""
        event.stop()
        self._fill()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Enter in the filter: the choice stands, on to the buttons."""
        event.stop()
        self.query_one("#cancel").focus()

    def on_key(self, event: events.Key) -> None:
        """The list moves while the filter keeps the focus."""
        listed = self.query_one("#flavors", OptionList)
        if event.key in ("up", "down") and self.focused is self.query_one("#filter"):
            event.stop()
            listed.action_cursor_up() if event.key == "up" else listed.action_cursor_down()
        elif event.key == "up" and self.focused in (self.query_one("#cancel"), self.query_one("#send")):
            event.stop()
            listed.focus()
