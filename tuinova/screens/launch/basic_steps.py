"""Details, source and flavor: what every server needs."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.widgets import Button, Input

from tuinova.i18n import _
from tuinova.screens.dialogs import TextLine
from tuinova.screens.fields import ChoiceField, PickField
from tuinova.screens.filter_picker import FilterPicker
from tuinova.screens.launch.draft import IMAGE, KINDS, SNAPSHOT, VOLUME
from tuinova.screens.launch.gauges import gauges
from tuinova.screens.launch.offers import flavor_note, image_note, size_note
from tuinova.screens.launch.step import Step
from tuinova.screens.widgets.pick_list import Offer, PickList
from tuinova.screens.widgets.text_panel import Line, padded, width_of
from tuinova.screens.widgets.tick import Tick

_LABEL, _BAR, _SHORTEST_BAR = 10, 14, 4


class Gauges(Horizontal):
    """The quota with what the request adds."""

    DEFAULT_CSS = """
    Gauges { height: 3; margin-top: 1; layout: vertical; }
    Gauges .gauge { height: 1; }
    """

    def compose(self) -> ComposeResult:
        """A line for instances, vCPUs and RAM."""
        for index in range(3):
            yield TextLine([("", "")], id=f"gauge-{index}", classes="gauge")

    def on_resize(self) -> None:
        """The bars get what the words leave."""
        self.show(self.query_ancestor(Step))

    def show(self, step: Step) -> None:
        """The bars of the present draft."""
        offers, draft = step.offers, step.draft
        if not offers.limits:
            return
        flavor = offers.one("flavors", draft.flavor)
        found = gauges(offers.limits, flavor, draft.number() or 0)
        room = self.size.width - _LABEL - 2 - max(width_of(gauge.words()) for gauge in found)
        width = _BAR if not self.size.width else max(_SHORTEST_BAR, min(_BAR, room))
        for index, gauge in enumerate(found):
            used, added, free = gauge.bar(width)
            line: Line = [
                (padded(gauge.label, _LABEL), "label"),
                (used, "dim"),
                (added, "busy" if gauge.fits else "error"),
                (free, "dim"),
                ("  " + gauge.words(), "" if gauge.fits else "error"),
            ]
            self.query_one(f"#gauge-{index}", TextLine).show(line)


class DetailsStep(Step):
    """Name, number, zone."""

    FIRST: ClassVar[str] = "name"

    def compose(self) -> ComposeResult:
        """The fields."""
        yield from self.field("name", _("Name") + " *", self.text("name", max_length=255))
        yield from self.field("count", _("Count") + " *", self.text("count", type="integer", max_length=4))
        yield from self.field("description", _("Description"), self.text("description", max_length=255))
        yield from self.field("zone", _("Zone"), PickField(_("any"), id="zone"))
        yield Gauges()

    def show(self) -> None:
        """Zone and gauges."""
        self.query_one("#zone", PickField).show(self.draft.zone or _("any"))
        self.query_one(Gauges).show(self)

    def write(self, name: str, value: object) -> None:
        """The gauges follow the number."""
        super().write(name, value)
        self.query_one(Gauges).show(self)

    def on_button_pressed(self, event: Button.Pressed) -> None:
        """Pick a zone."""
        event.stop()
        offers = [Offer("", _("any")), *(Offer(zone, zone) for zone in self.offers.zones)]

        def picked(zone: str | None) -> None:
            if zone is not None:
                self.write("zone", zone)
                self.show()

        self.app.push_screen(FilterPicker(_("Zone"), offers, self.draft.zone), picked)


class SourceStep(Step):
    """An image, a volume or a snapshot of one; an image may become a volume first."""

    FIRST: ClassVar[str] = "source"
    DEFAULT_CSS = """
    SourceStep #volume { height: auto; layout: vertical; }
    SourceStep .hidden { display: none; }
    """

    def compose(self) -> ComposeResult:
        """Kind, list, and what becomes of the root disk."""
        kinds = ((IMAGE, _("Image")), (VOLUME, _("Volume")), (SNAPSHOT, _("Snapshot")))
        choice = ChoiceField(kinds, id="kind")
        choice.value = self.draft.kind
        yield from self.field("kind", _("Boot from") + " *", choice)
        yield PickList(id="source")
        yield self.trouble("source")
        yield Tick(_("Create a new volume of it"), self.draft.new_volume, id="new_volume")
        with Horizontal(id="volume"):
            yield from self.field("volume_gb", _("Size (GB)") + " *", self.text("volume_gb", type="integer"))
            yield Tick(_("Delete the volume with the server"), self.draft.delete_volume, id="delete_volume")

    def show(self) -> None:
        """The list of the kind, and the fields that it has."""
        draft, offers = self.draft, self.offers
        kind = KINDS[draft.kind]
        note = image_note if draft.kind == IMAGE else size_note
        lines = [Offer(one["id"], one.get("name") or one["id"], note(one)) for one in getattr(offers, kind)]
        empty = (
            offers.missing.get(kind)
            or {
                IMAGE: _("No image yet: the Images room uploads one."),
                VOLUME: _("No volume that is free and bootable."),
                SNAPSHOT: _("No snapshot of a volume."),
            }[draft.kind]
        )
        chosen = draft.sources.get(draft.kind)
        self.query_one(PickList).show(lines, [chosen] if chosen else [], empty)
        self._show_volume()

    def _show_volume(self) -> None:
        draft = self.draft
        self.query_one("#new_volume").set_class(draft.kind != IMAGE, "hidden")
        self.query_one("#volume").set_class(not draft.on_volume, "hidden")
        for part in self.query("#volume > .field, #volume > .problem"):
            part.set_class(draft.kind != IMAGE, "hidden")

    def on_choice_field_changed(self, event: ChoiceField.Changed) -> None:
        """Another kind."""
        event.stop()
        self.write("kind", event.field.value)
        self.draft.fit(self.offers)
        self.show()

    def on_pick_list_changed(self, event: PickList.Changed) -> None:
        """Another source; a flavor that can't carry it gives way."""
        event.stop()
        self.draft.sources[self.draft.kind] = event.pick_list.chosen[0]
        self.draft.fit(self.offers)
        self.edited()

    def write(self, name: str, value: object) -> None:
        """A root on a volume frees the flavor's disk, and shows the volume's fields."""
        if name == "new_volume" and value and not self.draft.volume_gb:
            self._suggest_size()
        super().write(name, value)
        if name == "new_volume":
            self.draft.fit(self.offers)
            self._show_volume()

    def _suggest_size(self) -> None:
        image = self.draft.image(self.offers) or {}
        least = -(-int(image.get("virtual_size") or 0) // (1 << 30))
        self.draft.volume_gb = str(max(1, least, int(image.get("min_disk") or 0)))
        self.query_one("#volume_gb", Input).value = self.draft.volume_gb


class FlavorStep(Step):
    """The sizes; those that can't carry the source are greyed with the reason."""

    FIRST: ClassVar[str] = "flavor"

    def compose(self) -> ComposeResult:
        """The list and what it takes of the quota."""
        yield PickList(id="flavor")
        yield self.trouble("flavor")
        yield Gauges()

    def show(self) -> None:
        """The flavors for the present source."""
        lines = [
            Offer(one["id"], one["name"], flavor_note(one), self.draft.obstacle(one, self.offers))
            for one in self.offers.flavors
        ]
        empty = self.offers.missing.get("flavors") or _("No flavor yet: the Flavors room makes one.")
        self.query_one(PickList).show(lines, [self.draft.flavor], empty)
        self.query_one(Gauges).show(self)

    def on_pick_list_changed(self, event: PickList.Changed) -> None:
        """Another flavor."""
        event.stop()
        self.write("flavor", event.pick_list.chosen[0])
        self.query_one(Gauges).show(self)
