"""Facts in sections, laid out in one or two columns of labelled lines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from tuinova.screens.widgets.line_table import fit
from tuinova.screens.widgets.text_panel import Line, Part, width_of
from tuinova.text import clean

LABEL = 18
TWO_COLUMNS = 108


@dataclass(slots=True)
class Section:
    """A heading and its facts; `wide` sections take the whole width and may wrap."""

    title: str
    facts: list[tuple[str, list[Part]]] = field(default_factory=list)
    wide: bool = False
    tone: str = "heading"

    def add(self, label: str, text: object, tone: str = "") -> None:
        """One fact; nothing reads as a dash."""
        shown = "" if text is None else str(text)
        self.facts.append((label, [(shown, tone)] if shown else [("-", "dim")]))

    def lines(self) -> list[Line]:
        """Heading, facts, and a blank line."""
        rows: list[Line] = [[(self.title, self.tone)]]
        rows += [[("  " + fit(label, LABEL - 1) + " ", "label"), *parts] for label, parts in self.facts]
        return [*rows, []]


def lay_out(sections: Sequence[Section], width: int) -> list[Line]:
    """The sections under each other, or in two columns of about the same height where there is width."""
    wide = [line for section in sections if section.wide for line in section.lines()]
    narrow = [section for section in sections if not section.wide]
    if width < TWO_COLUMNS:
        return wide + [line for section in narrow for line in section.lines()]
    left: list[Line] = []
    right: list[Line] = []
    half = sum(len(section.facts) + 2 for section in narrow) / 2
    for section in narrow:
        (left if len(left) + len(section.facts) / 2 < half else right).extend(section.lines())
    return wide + beside(left, right, width // 2)


def beside(left: Sequence[Line], right: Sequence[Line], half: int) -> list[Line]:
    """Two columns of lines; what is too long for its half is cut."""
    rows: list[Line] = []
    for place in range(max(len(left), len(right))):
        first = cut(left[place] if place < len(left) else [], half - 2)
        second = cut(right[place] if place < len(right) else [], half - 2)
        rows.append([*first, *second])
    return rows


def cut(line: Line, width: int) -> list[Part]:
    """The line padded or cut to `width + 2` cells."""
    parts: list[Part] = []
    room = width
    for text, tone in line:
        shown = clean(text)
        if width_of(shown) > room:
            shown = fit(shown, room)
        parts.append((shown, tone))
        room -= width_of(shown)
        if room <= 0:
            break
    parts.append((" " * (max(0, room) + 2), ""))
    return parts
