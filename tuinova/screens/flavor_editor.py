"""The flavor editor: two tabs, required marks, and a refusal at its field with nothing lost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.widgets import Button, Checkbox, Input, SelectionList, TabbedContent, TabPane, TextArea
from textual.widgets.selection_list import Selection

from tuinova.i18n import _
from tuinova.screens.dialogs import Dialog, FlatButton, TextLine, cancel_button
from tuinova.screens.edit import parse_properties
from tuinova.screens.flavor_form import DEFAULTS, SIZES, FlavorForm, form_of, is_replacement, save
from tuinova.screens.widgets.tick import Tick, TickList
from tuinova.text import clean

Json = dict[str, Any]
_TEXT_FIELDS = ("name", "id", *SIZES, "rxtx_factor", "description")
# Which field a text of the service is about.
_ABOUT = (
    ("id", ("with ID", "flavorid", "field/attribute id")),
    ("vcpus", ("vcpus",)),
    ("ram", ("ram",)),
    ("disk", ("attribute disk",)),
    ("specs", ("extra_specs", "extra spec")),
)


class FlavorEditor(Dialog[bool]):
    """Create, copy or edit; dismisses with True when something was saved."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+s", "save", show=False),
        Binding("left", "pass", show=False),
        Binding("right", "pass", show=False),
    ]
    DEFAULT_CSS = """
    FlavorEditor > #frame { width: 84; height: 92%; }
    FlavorEditor TabbedContent { height: 1fr; }
    FlavorEditor TabPane { padding: 0; }
    FlavorEditor .field { height: auto; width: 1fr; }
    FlavorEditor .field > .label { width: 22; height: 1; }
    FlavorEditor .field > Input, FlavorEditor .field > TextArea { width: 1fr; }
    FlavorEditor TextArea { height: 4; }
    FlavorEditor Checkbox { border: none; padding: 0; height: 1; background: transparent; }
    FlavorEditor Checkbox:focus { border: none; }
    FlavorEditor .problem { height: auto; display: none; padding-left: 22; }
    FlavorEditor .problem.-shown { display: block; }
    FlavorEditor SelectionList { height: 1fr; border: none; padding: 0; background: $surface; }
    FlavorEditor #warning { height: auto; }
    """

    def __init__(self, flavor: Mapping[str, Any] | None, *, copy: bool = False) -> None:
        super().__init__()
        self.flavor = None if flavor is None or copy else dict(flavor)
        start = dict(flavor or DEFAULTS)
        if copy:
            start |= {"id": "", "name": f"{start['name']}-copy"}
        self._start: FlavorForm = form_of(start)
        self._before: frozenset[str] = frozenset()  # projects with access as it is
        self._projects: list[Json] = []
        self._chosen: set[str] = set()

    def heading(self) -> str:
        if self.flavor is None:
            return _("Create Flavor")
        return _("Edit Flavor {name}").format(name=self.flavor["name"])

    def hint(self) -> str:
        return _("Tab: next field   ^S: save   Esc: close")

    def body(self) -> ComposeResult:
        form = self._start
        with TabbedContent():
            with (
                TabPane(Content(_("Flavor information *")), id="information"),
                VerticalScroll(can_focus=False),
            ):
                yield from self._field("name", _("Name") + " *", Input(form.texts["name"], id="name", max_length=255))
                ident = Input(form.texts["id"], id="id", max_length=255, placeholder=_("made by the service"))
                ident.disabled = self.flavor is not None
                yield from self._field("id", _("ID"), ident)
                for name, (_key, label, _least) in SIZES.items():
                    yield from self._field(name, _(label) + " *", Input(form.texts[name], id=name, type="integer"))
                factor = Input(form.texts["rxtx_factor"], id="rxtx_factor", type="number")
                yield from self._field("rxtx_factor", _("RX/TX Factor"), factor)
                description = Input(form.texts["description"], id="description")
                yield from self._field("description", _("Description"), description)
                specs = "\n".join(f"{clean(key)}={clean(value)}" for key, value in sorted(form.specs.items()))
                area = TextArea(specs, id="specs", show_line_numbers=False, tab_behavior="focus")
                yield from self._field("specs", _("Extra Specs") + "  key=value", area)
            with TabPane(Content(_("Flavor access")), id="access"), Vertical():
                yield Tick(_("Public: every project may use it"), form.public, id="public")
                yield Input(placeholder=_("Filter projects"), id="project-filter")
                yield TickList(id="projects")
        yield TextLine([("", "")], id="warning")

    def _field(self, name: str, label: str, widget: Any) -> ComposeResult:
        with Horizontal(classes="field"):
            yield TextLine([(label, "label")], classes="label")
            yield widget
        yield TextLine([("", "")], id=f"problem-{name}", classes="problem")

    def buttons(self) -> Sequence[FlatButton]:
        return (cancel_button(), FlatButton(_("Save"), id="save"))

    def on_mount(self) -> None:
        super().on_mount()
        self.query_one("#name").focus()
        self._show_access()
        flavor = self.flavor

        def read(client: Any) -> tuple[list[Json], list[str]]:
            private = flavor is not None and not self._start.public
            return client.projects.list(), client.flavors.access(flavor["id"]) if private and flavor else []

        self.tui.call_service(read, self._loaded, title=_("Flavor access"))

    def _loaded(self, found: tuple[list[Json], list[str]]) -> None:
        self._projects = found[0]
        self._before = frozenset(found[1])
        self._chosen = set(found[1])
        if self.open:
            self._show_projects()

    # access ----------------------------------------------------------------------------------------------------------
    def _show_projects(self) -> None:
        words = self.query_one("#project-filter", Input).value.casefold()
        listed = self.query_one("#projects", SelectionList)
        with listed.prevent(SelectionList.SelectedChanged):
            listed.clear_options()
            for project in self._projects:
                if words in project["name"].casefold():
                    text = Content(f"{clean(project['name'])}  {project['id']}")
                    listed.add_option(Selection(text, project["id"], project["id"] in self._chosen))

    def _show_access(self) -> None:
        public = self.query_one("#public", Checkbox).value
        for widget in ("#project-filter", "#projects"):
            self.query_one(widget).disabled = public

    def on_selection_list_selection_toggled(self, event: SelectionList.SelectionToggled[str]) -> None:
        self._chosen ^= {event.selection.value}

    def on_checkbox_changed(self, event: Checkbox.Changed) -> None:
        event.stop()
        self._show_access()
        self._show_warning()

    # typing ----------------------------------------------------------------------------------------------------------
    def on_input_changed(self, event: Input.Changed) -> None:
        event.stop()
        if event.input.id == "project-filter":
            self._show_projects()
        elif self.is_mounted:
            self._show_warning()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Enter goes on to the next field."""
        event.stop()
        self.focus_next()

    def on_key(self, event: events.Key) -> None:
        """Up and down walk the one-line fields as Tab does."""
        if event.key in ("up", "down") and isinstance(self.focused, Input):
            event.stop()
            self.focus_next() if event.key == "down" else self.focus_previous()

    def action_pass(self) -> None:
        """Left and right belong to the fields' text."""

    def form(self) -> FlavorForm:
        """What is typed."""
        texts = {name: self.query_one(f"#{name}", Input).value for name in _TEXT_FIELDS}
        specs, _problem = parse_properties(self.query_one("#specs", TextArea).text)
        public = self.query_one("#public", Checkbox).value
        return FlavorForm(texts, public, specs, frozenset() if public else frozenset(self._chosen))

    def _show_warning(self) -> None:
        replaces = self.flavor is not None and is_replacement(self.flavor, self.form())
        text = _("This replaces the flavor under the same ID; servers keep their own copy of the old one.")
        self.query_one("#warning", TextLine).show([(text if replaces else "", "warn")])

    # saving ----------------------------------------------------------------------------------------------------------
    def _problem(self, field: str, text: str) -> None:
        line = self.query_one(f"#problem-{field}", TextLine)
        line.show([(text, "error")])
        line.set_class(bool(text), "-shown")

    def on_button_pressed(self, event: Button.Pressed) -> None:
        event.stop()
        if event.button.id == "save":
            self.action_save()
        else:
            self.dismiss(None)

    def action_save(self) -> None:
        """Ask the service; refused fields say why."""
        for line in self.query(".problem").results(TextLine):
            line.set_class(False, "-shown")
        form = self.form()
        problems = form.problems()
        _specs, problem = parse_properties(self.query_one("#specs", TextArea).text)
        if problem:
            problems["specs"] = problem
        for field, text in problems.items():
            self._problem(field, text)
        if problems:
            self.query_one(TabbedContent).active = "information"
            self.query_one(f"#{next(iter(problems))}").focus()
            return
        self.query_one("#save", Button).disabled = True
        flavor, before = self.flavor, self._before
        self.tui.call_service(
            lambda client: save(client, flavor, before, form),
            self._saved,
            title=self.heading(),
            failed=self._refused,
        )

    def _saved(self, _result: Any) -> None:
        if self.open:
            self.dismiss(True)

    def _refused(self, error: Exception) -> None:
        if not self.open:
            self.tui.say_error(error, _("Edit Flavor"))
            return
        self.query_one("#save", Button).disabled = False
        text = clean(error)
        field = next((name for name, words in _ABOUT if any(word in text for word in words)), "name")
        self.query_one(TabbedContent).active = "information"
        self._problem(field, text)
        self.query_one(f"#{field}").focus()
