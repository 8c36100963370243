"""The wizard's frame: its pages down the side, back and next, launch, and refusals on the page where they belong."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, NamedTuple, cast

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.widgets import Button, Input, OptionList, TextArea
from textual.widgets.option_list import Option

from tuinova.i18n import N_, _
from tuinova.screens.dialogs import Dialog, FlatButton, TextLine, cancel_button
from tuinova.screens.launch import basic_steps, guest_steps, network_steps
from tuinova.screens.launch.draft import Draft, Problem
from tuinova.screens.launch.offers import Json, Offers, read_offers
from tuinova.screens.launch.step import Step
from tuinova.text import clean


class Page(NamedTuple):
    """A row of the wizard: `words` of a refusal that belong here (the first page with a match has it), at `field`."""

    id: str
    label: str
    make: type[Step]
    required: bool = False
    field: str = ""
    words: tuple[str, ...] = ()


# Nova's, Neutron's and Cinder's texts are told apart by these words; what none has is the details'.
PAGES: tuple[Page, ...] = (
    Page("details", N_("Details"), basic_steps.DetailsStep, True, "name", ("attribute name", "Name")),
    Page("source", N_("Source"), basic_steps.SourceStep, True, "source", ("image", "Image", "olume", "Block Device")),
    Page("flavor", N_("Flavor"), basic_steps.FlavorStep, True, "flavor", ("flavor", "Flavor", "Quota exceeded for")),
    Page("networks", N_("Networks"), network_steps.NetworksStep, False, "networks", ("etwork", "ixed IP", "fixed_ip")),
    Page("ports", N_("Network Ports"), network_steps.PortsStep, False, "ports", ("Port ", " port")),
    Page(
        "security_groups",
        N_("Security Groups"),
        network_steps.SecurityGroupsStep,
        False,
        "security_groups",
        ("ecurity group", "security_group"),
    ),
    Page("key_pair", N_("Key Pair"), guest_steps.KeyPairStep, False, "key_name", ("key_name", "Key pair", "Keypair")),
    Page(
        "configuration",
        N_("Configuration"),
        guest_steps.ConfigurationStep,
        False,
        "user_data",
        ("user_data", "User data", "hostname", "config_drive"),
    ),
    Page(
        "server_groups",
        N_("Server Groups"),
        guest_steps.ServerGroupsStep,
        False,
        "server_group",
        ("server group", "ServerGroup", "Instance group", "servers in group"),
    ),
    Page("hints", N_("Scheduler Hints"), guest_steps.HintsStep, False, "hints", ("scheduler_hints", "hint")),
    Page("metadata", N_("Metadata"), guest_steps.MetadataStep, False, "properties", ("metadata", "Metadata")),
    Page("review", N_("Review"), guest_steps.ReviewStep),
)
# Looked at in this order, since the words of one may stand in a text of another.
_MOST_TELLING = (
    *("key_pair", "security_groups", "server_groups", "hints", "configuration", "metadata", "ports", "networks"),
    *("flavor", "source", "details"),
)
_BY_ID = {page.id: page for page in PAGES}
_ZONE_WORDS = ("availability zone", "availability_zone")


def problem_of(text: str) -> Problem:
    """Where a refusal of the service belongs."""
    if any(word in text for word in _ZONE_WORDS):
        return Problem("details", "zone", text)
    for page in (_BY_ID[name] for name in _MOST_TELLING):
        if any(word in text for word in page.words):
            return Problem(page.id, page.field, text)
    return Problem("details", "name", text)


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


class PageList(OptionList):
    """The pages; moving in it turns them."""

    def on_key(self, event: events.Key) -> None:
        """Right and Enter go into the page."""
        if event.key in ("right", "enter"):
            event.stop()
            cast("LaunchScreen", self.screen).focus_page()


class LaunchScreen(Dialog[str]):
    """The wizard; dismisses with the new server's id."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+s", "launch", show=False),
        Binding("ctrl+o", "command", show=False),
        Binding("ctrl+n", "turn(1)", show=False, priority=True),
        Binding("ctrl+b", "turn(-1)", show=False, priority=True),
        Binding("left", "pass", show=False),
        Binding("right", "pass", show=False),
    ]
    DEFAULT_CSS = """
    LaunchScreen > #frame { width: 104; max-width: 100%; height: 92%; }
    LaunchScreen #wizard { height: 1fr; }
    LaunchScreen #pages { width: 20; height: 1fr; max-height: 100%; border-right: solid $border-blurred; }
    LaunchScreen #page { width: 1fr; height: 1fr; }
    LaunchScreen #page > Step { display: none; }
    LaunchScreen #page > Step.-shown { display: block; }
    LaunchScreen #buttons Button { min-width: 8; }
    """

    def __init__(self) -> None:
        super().__init__()
        self.draft = Draft()
        self.offers = Offers()
        self.ready = False
        self._steps: dict[str, Step] = {}
        self._problems: list[Problem] = []
        self.page = PAGES[0]

    def heading(self) -> str:
        return _("Launch Instance")

    def hint(self) -> str:
        return _("^N ^B: next, back   ^O: show command   ^S: launch   Esc: close")

    def body(self) -> ComposeResult:
        with Horizontal(id="wizard"):
            yield PageList(*(Option(self._label(page), id=page.id) for page in PAGES), id="pages")
            yield Vertical(id="page")

    def _label(self, page: Page) -> Content:
        wrong = any(problem.step == page.id for problem in self._problems)
        mark = ("! ", "bold $tone-error") if wrong else ("  ", "")
        return Content.assemble(mark, _(page.label), ("*" if page.required else "", "$tone-warn"))

    def buttons(self) -> Sequence[FlatButton]:
        return (
            cancel_button(),
            FlatButton(_("Back"), id="back"),
            FlatButton(_("Next"), id="next"),
            FlatButton(_("Show command"), id="command"),
            FlatButton(_("Launch"), id="launch"),
        )

    def on_mount(self) -> None:
        super().on_mount()
        self.open_page(PAGES[0])
        self.tui.call_service(read_offers, self._loaded, title=_("Launch Instance"))

    def _loaded(self, offers: Offers) -> None:
        if not self.open:
            return
        self.offers = offers
        self.draft.begin(offers)
        self.ready = True
        for step in self._steps.values():
            step.show()

    # pages -----------------------------------------------------------------------------------------------------------
    def step(self, page: Page) -> Step:
        """The page's widget, made when it is first opened."""
        found = self._steps.get(page.id)
        if found is None:
            found = self._steps[page.id] = page.make(self.draft, lambda: self.offers)
            self.query_one("#page").mount(found)
        return found

    def open_page(self, page: Page, field: str = "", *, focus: bool = True) -> None:
        """Turn to a page."""
        self.page = page
        fresh = page.id not in self._steps
        opened = self.step(page)
        for step in self._steps.values():
            step.set_class(step is opened, "-shown")
        pages = self.query_one(PageList)
        place = PAGES.index(page)
        if pages.highlighted != place:
            pages.highlighted = place
        self.query_one("#back", Button).disabled = place == 0
        self.query_one("#next", Button).disabled = place == len(PAGES) - 1

        def shown() -> None:
            if not fresh:
                opened.show()
            opened.show_problems([(one.field, one.text) for one in self._problems if one.step == page.id])
            if focus:
                opened.focus_field(field)

        self.call_after_refresh(shown)

    def focus_page(self) -> None:
        """From the list of pages into the page."""
        self._steps[self.page.id].focus_field()

    def action_turn(self, step: int) -> None:
        """Next or back."""
        place = PAGES.index(self.page) + step
        if 0 <= place < len(PAGES):
            self.open_page(PAGES[place])

    def on_option_list_option_highlighted(self, event: OptionList.OptionHighlighted) -> None:
        """Moving in the list of pages turns them, and keeps the focus there."""
        if event.option_list.id == "pages" and event.option_id and event.option_id != self.page.id:
            self.open_page(_BY_ID[event.option_id], focus=False)

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        """A click on a page, or Enter."""
        if event.option_list.id == "pages":
            self.focus_page()

    def on_step_edited(self, event: Step.Edited) -> None:
        """What was wrong on the page may be right now: its marks go, the next look finds what is left."""
        event.stop()
        if any(problem.step == self.page.id for problem in self._problems):
            self._take_problems([one for one in self._problems if one.step != self.page.id])

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Enter in a field goes on to the next."""
        event.stop()
        self.focus_next()

    def on_key(self, event: events.Key) -> None:
        """Up and down walk the one-line fields as Tab does."""
        if event.key in ("up", "down") and not isinstance(self.focused, (TextArea, OptionList)):
            event.stop()
            self.focus_next() if event.key == "down" else self.focus_previous()

    def action_pass(self) -> None:
        """Left and right belong to the fields' text."""

    # asking ----------------------------------------------------------------------------------------------------------
    def _take_problems(self, problems: list[Problem]) -> None:
        self._problems = problems
        pages = self.query_one(PageList)
        for place, page in enumerate(PAGES):
            pages.replace_option_prompt_at_index(place, self._label(page))
        step = self._steps.get(self.page.id)
        if step is not None:
            step.show_problems([(one.field, one.text) for one in problems if one.step == self.page.id])

    def request(self) -> Any:
        """The request, or None after the pages with problems were marked and the first of them was opened."""
        if not self.ready:
            return None
        self._take_problems(self.draft.problems(self.offers))
        if self._problems:
            first = self._problems[0]
            self.open_page(_BY_ID[first.step], first.field)
            return None
        return self.draft.request(self.offers)

    def on_button_pressed(self, event: Button.Pressed) -> None:
        event.stop()
        match event.button.id:
            case "cancel":
                self.dismiss(None)
            case "launch":
                self.action_launch()
            case "command":
                self.action_command()
            case "next":
                self.action_turn(1)
            case "back":
                self.action_turn(-1)

    def action_command(self) -> None:
        """Show the equivalent command."""
        if (request := self.request()) is not None:
            self.tui.push_screen(CommandScreen(request.command()))

    def action_launch(self) -> None:
        """Ask for the server; a refusal is shown where it belongs and nothing of the draft is lost."""
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
        problem = problem_of(clean(error))
        self._take_problems([problem])
        self.open_page(_BY_ID[problem.step], problem.field)
