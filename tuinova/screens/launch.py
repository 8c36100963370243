"""The launch form: what works is shown, the quota it takes, and the command that would do the same."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, VerticalScroll
from textual.widgets import Button, Checkbox, Input, TextArea

from tuinova.i18n import N_, _
from tuinova.screens.dialogs import Dialog, FlatButton, TextLine, cancel_button
from tuinova.screens.edit import parse_properties
from tuinova.screens.fields import PickField
from tuinova.screens.filter_picker import FilterPicker, Offer
from tuinova.screens.launch_request import LaunchRequest, gauges, too_small, word_for
from tuinova.screens.widgets.text_panel import Line, padded
from tuinova.screens.widgets.tick import Tick
from tuinova.text import clean

Json = dict[str, Any]
# Which field a text of the service is about: the first word that it holds decides.
_ABOUT = (
    ("name", ("field/attribute name", "Name")),
    ("key_name", ("key_name", "Key pair")),
    ("availability_zone", ("availability zone", "availability_zone")),
    ("image", ("image", "Image")),
    ("flavor", ("flavor", "Flavor", "Quota")),
    ("user_data", ("user_data",)),
)
_NONE = N_("none")


class CommandScreen(Dialog[None]):
    """The equivalent command, to be copied."""

    def __init__(self, command: str) -> None:
        super().__init__()
        self._command = command

    def heading(self) -> str:
        return _("The same from a shell")

    def hint(self) -> str:
        return _("select with the mouse; Esc closes")

    def body(self) -> ComposeResult:
        yield TextLine([(self._command, "key")], id="command")

    def buttons(self) -> Sequence[FlatButton]:
        return (FlatButton(_("Close"), id="close"),)

    def on_button_pressed(self) -> None:
        self.dismiss(None)


class LaunchScreen(Dialog[str]):
    """The form; dismisses with the new server's id."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+s", "launch", show=False),
        Binding("ctrl+o", "command", show=False),
        Binding("left", "pass", show=False),
        Binding("right", "pass", show=False),
    ]
    DEFAULT_CSS = """
    LaunchScreen > #frame { width: 96; height: 92%; }
    LaunchScreen #fields { height: 1fr; scrollbar-size-vertical: 1; }
    LaunchScreen .field { height: auto; width: 1fr; }
    LaunchScreen .field > .label { width: 16; height: 1; }
    LaunchScreen .field > Input, LaunchScreen .field > TextArea { width: 1fr; }
    LaunchScreen TextArea { height: 3; }
    LaunchScreen Checkbox { border: none; padding: 0; height: 1; background: transparent; }
    LaunchScreen Checkbox:focus { border: none; }
    LaunchScreen .gauge { height: 1; }
    LaunchScreen .problem { height: auto; display: none; padding-left: 16; }
    LaunchScreen .problem.-shown { display: block; }
    LaunchScreen #gauges { height: 3; margin-top: 1; }
    """

    def __init__(self) -> None:
        super().__init__()
        self.images: list[Json] = []
        self.flavors: list[Json] = []
        self.keypairs: list[Json] = []
        self.zones: list[str] = []
        self.limits: Json = {}
        self.image: Json | None = None
        self.flavor: Json | None = None
        self.key_name = ""
        self.zone = ""

    def heading(self) -> str:
        return _("Launch Instance")

    def hint(self) -> str:
        return _("Tab: next field   ^O: show command   ^S: launch   Esc: close")

    def body(self) -> ComposeResult:
        with VerticalScroll(id="fields", can_focus=False):
            yield from self._field("name", _("Name") + " *", Input(id="name", max_length=255))
            yield from self._field("count", _("Count") + " *", Input("1", id="count", type="integer", max_length=4))
            yield from self._field("image", _("Image") + " *", PickField(_("reading ..."), id="image"))
            yield from self._field("flavor", _("Flavor") + " *", PickField(_("reading ..."), id="flavor"))
            yield from self._field("key_name", _("Key Pair"), PickField(_(_NONE), id="key_name"))
            yield from self._field("availability_zone", _("Zone"), PickField(_("any"), id="availability_zone"))
            yield from self._field("config_drive", _("Configuration"), Tick(_("Config drive"), True, id="config_drive"))
            yield from self._field("description", _("Description"), Input(id="description", max_length=255))
            yield from self._field("properties", _("Properties"), self._area("properties", "key=value"))
            yield from self._field("hints", _("Scheduler Hints"), self._area("hints", "key=value"))
            yield from self._field("user_data", _("User Data"), self._area("user_data", _("text, or @/path/of/a/file")))
        with VerticalScroll(id="gauges", can_focus=False):
            for index in range(3):
                yield TextLine([("", "")], id=f"gauge-{index}", classes="gauge")

    def _field(self, name: str, label: str, widget: Any) -> ComposeResult:
        with Horizontal(classes="field"):
            yield TextLine([(label, "label")], classes="label")
            yield widget
        yield TextLine([("", "")], id=f"problem-{name}", classes="problem")

    def _area(self, name: str, placeholder: str) -> TextArea:
        return TextArea(
            "", id=name, show_line_numbers=False, tab_behavior="focus", soft_wrap=True, placeholder=placeholder
        )

    def buttons(self) -> Sequence[FlatButton]:
        return (
            cancel_button(),
            FlatButton(_("Show command"), id="command"),
            FlatButton(_("Launch"), id="launch"),
        )

    def on_mount(self) -> None:
        super().on_mount()
        self.query_one("#name").focus()
        self._show_gauges()
        self.tui.call_service(self._read, self._loaded, title=_("Launch Instance"))

    @staticmethod
    def _read(client: Any) -> dict[str, Any]:
        return {
            "images": [image for image in client.images.list() if image.get("status", "active") == "active"],
            "flavors": client.flavors.list(True),
            "keypairs": client.keypairs.list(),
            "zones": [zone["zoneName"] for zone in client.availability_zones()],
            "limits": client.limits(),
        }

    def _loaded(self, found: dict[str, Any]) -> None:
        if not self.open:
            return
        # Kernels and ramdisks are parts of images, not images to boot from.
        bootable = [image for image in found["images"] if image.get("disk_format") not in ("aki", "ari")]
        self.images = sorted(bootable, key=lambda one: (not one["name"], one["name"] or "", one["id"]))
        self.flavors = sorted(found["flavors"], key=lambda one: (one["ram"], one["vcpus"], one["disk"]))
        self.keypairs, self.zones, self.limits = found["keypairs"], found["zones"], found["limits"]
        self.image = self.images[0] if self.images else None
        fitting = [flavor for flavor in self.flavors if not too_small(flavor, self.image)]
        self.flavor = fitting[0] if fitting else None
        self._show_picks()

    # showing ---------------------------------------------------------------------------------------------------------
    def _show_picks(self) -> None:
        image, flavor = self.image, self.flavor
        field = self.query_one("#image", PickField)
        field.show(image["name"] or image["id"], _image_note(image)) if image else field.show(_("no image yet"))
        field = self.query_one("#flavor", PickField)
        field.show(flavor["name"], _flavor_note(flavor)) if flavor else field.show(_("none fits this image"))
        self.query_one("#key_name", PickField).show(self.key_name or _(_NONE))
        self.query_one("#availability_zone", PickField).show(self.zone or _("any"))
        self._show_gauges()

    def _show_gauges(self) -> None:
        if not self.limits:
            return
        for index, gauge in enumerate(gauges(self.limits, self.flavor, self._count() or 0)):
            used, added, free = gauge.bar(14)
            tone = "busy" if gauge.fits else "error"
            line: Line = [
                (padded(gauge.label, 12), "label"),
                (used, "dim"),
                (added, tone),
                (free, "dim"),
                ("  " + gauge.words(), "" if gauge.fits else "error"),
            ]
            self.query_one(f"#gauge-{index}", TextLine).show(line)

    def _problem(self, field: str, text: str) -> None:
        line = self.query_one(f"#problem-{field}", TextLine)
        line.show([(text, "error")])
        line.set_class(bool(text), "-shown")

    def _clear_problems(self) -> None:
        for line in self.query(".problem").results(TextLine):
            line.set_class(False, "-shown")

    # picking ---------------------------------------------------------------------------------------------------------
    def on_button_pressed(self, event: Button.Pressed) -> None:
        event.stop()
        match event.button.id:
            case "cancel":
                self.dismiss(None)
            case "launch":
                self.action_launch()
            case "command":
                self.action_command()
            case "image":
                offers = [Offer(one["id"], one["name"] or one["id"], _image_note(one)) for one in self.images]
                self._pick(_("Image"), offers, self._take_image, self.image["id"] if self.image else "")
            case "flavor":
                offers = [
                    Offer(one["id"], one["name"], _flavor_note(one), too_small(one, self.image)) for one in self.flavors
                ]
                self._pick(_("Flavor"), offers, self._take_flavor, self.flavor["id"] if self.flavor else "")
            case "key_name":
                offers = [Offer("", _(_NONE)), *(Offer(k["name"], k["name"], k["fingerprint"]) for k in self.keypairs)]
                self._pick(_("Key Pair"), offers, self._take_key, self.key_name)
            case "availability_zone":
                offers = [Offer("", _("any")), *(Offer(zone, zone) for zone in self.zones)]
                self._pick(_("Zone"), offers, self._take_zone, self.zone)

    def _pick(self, title: str, offers: list[Offer], take: Any, current: str) -> None:
        def picked(chosen: str | None) -> None:
            if chosen is not None:
                take(chosen)
                self._show_picks()

        self.tui.push_screen(FilterPicker(title, offers, current), picked)

    def _take_image(self, ident: str) -> None:
        self.image = next((one for one in self.images if one["id"] == ident), None)
        if self.flavor and too_small(self.flavor, self.image):
            self.flavor = next((one for one in self.flavors if not too_small(one, self.image)), None)

    def _take_flavor(self, ident: str) -> None:
        self.flavor = next((one for one in self.flavors if one["id"] == ident), None)

    def _take_key(self, name: str) -> None:
        self.key_name = name

    def _take_zone(self, name: str) -> None:
        self.zone = name

    def on_input_changed(self, event: Input.Changed) -> None:
        if event.input.id == "count":
            self._show_gauges()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Enter in a field goes on to the next."""
        event.stop()
        self.focus_next()

    def on_key(self, event: events.Key) -> None:
        """Up and down walk the one-line fields as Tab does."""
        if event.key in ("up", "down") and not isinstance(self.focused, TextArea):
            event.stop()
            self.focus_next() if event.key == "down" else self.focus_previous()

    def action_pass(self) -> None:
        """Left and right belong to the fields' text."""

    # asking ----------------------------------------------------------------------------------------------------------
    def _count(self) -> int | None:
        try:
            count = int(self.query_one("#count", Input).value)
        except ValueError:
            return None
        return count if count >= 1 else None

    def _user_data(self) -> str:
        text = self.query_one("#user_data", TextArea).text
        if text.startswith("@") and "\n" not in text.strip():
            path = Path(text.strip()[1:]).expanduser()
            return path.read_bytes().decode("utf-8", "surrogateescape")
        return text

    def request(self) -> LaunchRequest | None:
        """The filled form, or None after the problems were shown beside their fields."""
        self._clear_problems()
        problems: dict[str, str] = {}
        name = self.query_one("#name", Input).value.strip()
        count = self._count()
        if not name:
            problems["name"] = _("A name is needed.")
        if count is None:
            problems["count"] = _("A whole number from 1 on is needed.")
        if self.image is None:
            problems["image"] = _("An image is needed.")
        if self.flavor is None:
            problems["flavor"] = _("A flavor is needed.")
        properties, problem = parse_properties(self.query_one("#properties", TextArea).text)
        problems |= {"properties": problem} if problem else {}
        hints, problem = parse_properties(self.query_one("#hints", TextArea).text)
        problems |= {"hints": problem} if problem else {}
        user_data = ""
        try:
            user_data = self._user_data()
        except OSError as error:
            problems["user_data"] = _("Can't read the file: {reason}").format(reason=error.strerror)
        for field, text in problems.items():
            self._problem(field, text)
        if problems or self.image is None or self.flavor is None or count is None:
            self.query_one(f"#{next(iter(problems))}").focus()
            return None
        return LaunchRequest(
            name,
            self.image,
            self.flavor,
            word_for(self.image, self.images),
            word_for(self.flavor, self.flavors),
            count,
            self.zone,
            self.key_name,
            self.query_one("#description", Input).value,
            self.query_one("#config_drive", Checkbox).value,
            user_data,
            properties,
            hints,
        )

    def action_command(self) -> None:
        """Show the equivalent command."""
        if (request := self.request()) is not None:
            self.tui.push_screen(CommandScreen(request.command()))

    def action_launch(self) -> None:
        """Ask for the server; a refusal is shown at its field and nothing of the form is lost."""
        request = self.request()
        if request is None:
            return
        self.query_one("#launch", Button).disabled = True
        self.tui.call_service(
            lambda client: client.servers.create(request.body()),
            self._created,
            title=_("Launch Instance"),
            failed=self._refused,
        )

    def _created(self, server: Json) -> None:
        if self.open:
            self.dismiss(server.get("id"))

    def _refused(self, error: Exception) -> None:
        if not self.open:
            self.tui.say_error(error, _("Launch Instance"))
            return
        self.query_one("#launch", Button).disabled = False
        text = clean(error)
        field = next((name for name, words in _ABOUT if any(word in text for word in words)), "name")
        self._problem(field, text)
        self.query_one(f"#{field}").focus()


def _image_note(image: Json) -> str:
    size = image.get("size")
    parts = [str(image.get("disk_format") or "")]
    if size:
        parts.append(f"{int(size) / (1 << 20):.0f} MiB")
    if image.get("min_ram"):
        parts.append(_("from {ram} MB RAM").format(ram=image["min_ram"]))
    return ", ".join(part for part in parts if part)


def _flavor_note(flavor: Json) -> str:
    disk = _("disk of the image") if not flavor["disk"] else f"{flavor['disk']} GB"
    return f"{flavor['vcpus']} vCPU, {flavor['ram']} MB, {disk}"
