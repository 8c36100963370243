"""How the application carries out an action on servers: refuse, ask, do, tell."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any, cast

from tuinova.core.states import Confirm
from tuinova.i18n import _
from tuinova.screens.actions import TuiAction, refusal
from tuinova.screens.rows import Row
from tuinova.text import clean

if TYPE_CHECKING:
    from tuinova.screens.app import TuinovaApp
    from tuinova.screens.outcome import Outcome

PAGE_TABS = {
    "open": "overview",
    "console": "console",
    "log": "log",
    "events": "actions",
    "schedule": "schedule",
    "moves": "moves",
    "diagnostics": "diagnostics",
}


class ActingMixin:
    """The part of the application that acts on servers."""

    @property
    def _tui(self) -> TuinovaApp:
        return cast("TuinovaApp", self)

    # service calls ---------------------------------------------------------------------------------------------------
    def call_service(
        self,
        work: Callable[[Any], Any],
        then: Callable[[Any], None] | None = None,
        *,
        title: str = "",
        failed: Callable[[Exception], None] | None = None,
    ) -> None:
        """Run `work(client)` in a thread, then `then(result)` in the UI; an error becomes a toast, or goes to `failed`.

        The toast carries Nova's text and the request id.
        """
        app = self._tui
        client = app.client
        if client is None:
            self.say(_("Not connected yet."), title=title, severity="warning")
            return

        def run() -> None:
            try:
                result = work(client)
            except Exception as error:  # noqa: BLE001 - the operator reads it; a failed call must not end the screens
                app.call_from_thread(failed or (lambda one: self.say_error(one, title)), error)
                return
            if then is not None:
                app.call_from_thread(then, result)

        app.run_worker(run, thread=True, exit_on_error=False, group="service")

    def say(self, text: str, *, title: str = "", severity: Any = "information", timeout: float | None = None) -> None:
        """A toast; names in it are shown as they are."""
        self._tui.notify(clean(text), title=clean(title), severity=severity, timeout=timeout, markup=False)

    def say_error(self, error: Exception, title: str = "") -> None:
        """A failure's toast: the service's text with its request id."""
        self.say(str(error) or type(error).__name__, title=title or _("Failed"), severity="error", timeout=15)

    def refuse_read_only(self, label: str) -> bool:
        """Whether --read-only forbids it; says so."""
        if self._tui.read_only:
            self.say(_("Read-only: {action} is not done here.").format(action=label), severity="warning")
        return self._tui.read_only

    # acting ----------------------------------------------------------------------------------------------------------
    def act(self, action: TuiAction, rows: Sequence[Row]) -> None:
        """Carry out an action on servers: opens a page, or refuses, asks and does."""
        if not rows:
            self.say(_("No instance is chosen."), severity="warning")
            return
        label = _(action.label)
        if action.changes and self.refuse_read_only(label):
            return
        if len(rows) == 1 and (reason := refusal(action, rows[0], self._tui.roles)):
            self.say(f"{rows[0]['name']}: {reason}", title=label, severity="warning")
            return
        if action.id in PAGE_TABS:
            self.open_page(rows[0]["id"], PAGE_TABS[action.id])
            return
        if action.id == "edit":
            from tuinova.screens.edit import EditScreen

            self._tui.push_screen(EditScreen(rows[0]))
            return
        if action.form:
            self._ask_form(action, rows)
            return
        if action.confirm is Confirm.NONE:
            self._do(action, rows)
            return
        from tuinova.screens.confirm import ConfirmScreen

        def answered(yes: bool | None) -> None:
            if yes:
                self._do(action, rows)

        self._tui.push_screen(ConfirmScreen(action, rows, self._tui.roles), answered)

    def _ask_form(self, action: TuiAction, rows: Sequence[Row]) -> None:
        """Open the dialog that asks what the action needs; it sends by itself and closes with the results."""
        module, _colon, name = action.form.partition(":")

        def answered(outcomes: list[Outcome] | None) -> None:
            if outcomes:
                self.tell(action, outcomes)

        self._tui.push_screen(getattr(import_module(module), name)(action, rows), answered)

    def _do(self, action: TuiAction, rows: Sequence[Row]) -> None:
        from tuinova.screens.outcome import perform

        roles = self._tui.roles
        # The rows as they are now: a dialog may have stood open while they changed.
        known = self._tui.servers.rows
        fresh = [known.get(row["id"], row) for row in rows]

        def done(outcomes: list[Outcome]) -> None:
            self.tell(action, outcomes)

        self.call_service(lambda client: perform(client, action, fresh, roles), done, title=_(action.label))

    def tell(self, action: TuiAction, outcomes: list[Outcome]) -> None:
        """How it went: a toast for one server, a list for many; passwords that came back are shown this once."""
        label = _(action.label)
        if len(outcomes) == 1:
            outcome = outcomes[0]
            if outcome.ok:
                self.say(_("{name}: accepted").format(name=outcome.name), title=label, timeout=3)
            else:
                self.say(f"{outcome.name}: {outcome.text}", title=label, severity="error", timeout=15)
        else:
            from tuinova.screens.results import ResultsScreen

            self._tui.instances.table.clear_marks()
            self._tui.push_screen(ResultsScreen(label, outcomes))
        if any(outcome.password for outcome in outcomes):
            from tuinova.screens.forms.password import PasswordScreen

            self._tui.push_screen(PasswordScreen(outcomes))

    # screens ---------------------------------------------------------------------------------------------------------
    def open_page(self, server_id: str, tab: str = "overview") -> None:
        """The server's page at a tab; when it is open already, only the tab changes."""
        from tuinova.screens.server_page import ServerPage

        screen = self._tui.screen
        if isinstance(screen, ServerPage) and screen.server_id == server_id:
            screen.show_tab(tab)
            return
        self._tui.push_screen(ServerPage(server_id, tab))

    def open_menu(self, rows: Sequence[Row]) -> None:
        """The action menu for servers."""
        if not rows:
            self.say(_("No instance is chosen."), severity="warning")
            return
        from tuinova.screens.menu import ActionMenu

        def chosen(action: TuiAction | None) -> None:
            if action is not None:
                self.act(action, rows)

        self._tui.push_screen(ActionMenu(rows, self._tui.roles, self._tui.read_only), chosen)

    def chosen_rows(self) -> list[Row]:
        """The servers that an action would take: the page's, else the marked ones, else the one under the cursor."""
        from tuinova.screens.server_page import ServerPage

        for screen in reversed(self._tui.screen_stack):
            if isinstance(screen, ServerPage):
                return [screen.row]
        return self._tui.instances.chosen_rows()

    def run_place(self, action: TuiAction) -> None:
        """Run a row of the registry that is no server action, from the palette."""
        name = action.id.replace("-", "_")
        target: Any = self._tui if action.scope == "app" else self._tui.instances
        self._tui.run_worker(target.run_action(name))

    def go_to_room(self, room: str) -> None:
        """Open a room, from wherever it is asked."""
        while self._tui.screen is not self._tui.main:
            self._tui.pop_screen()
        self._tui.run_worker(self._tui.main.action_room(room))

    def open_launch(self) -> None:
        """The launch form."""
        if self.refuse_read_only(_("Launch Instance")):
            return
        if self._tui.client is None:
            self.say(_("Not connected yet."), title=_("Launch Instance"), severity="warning")
            return
        from tuinova.screens.launch.wizard import LaunchScreen

        def launched(server_id: str | None) -> None:
            if server_id:
                self._tui.instances.select(str(server_id))

        self._tui.push_screen(LaunchScreen(), launched)

    def action_reload(self) -> None:
        """Read again."""
        if self._tui.state == "ready":
            self._tui.main.view.reload()
        else:
            self._tui.reconnect_now()

    def action_help(self) -> None:
        """Keys and words, made from the registry."""
        from tuinova.screens.help import HelpScreen
        from tuinova.screens.server_page import ServerPage

        screen = self._tui.screen
        if isinstance(screen, ServerPage):
            own = screen.view.tab_actions() if screen.view else ()
        else:
            own = self._tui.main.view.room_actions()
        self._tui.push_screen(HelpScreen(own))

    def action_command(self) -> None:
        """The command line."""
        from tuinova.screens.command_line import CommandLine

        self._tui.push_screen(CommandLine())

    def action_project(self) -> None:
        """Switch project or user."""
        from tuinova.screens.pickers import pick_project

        pick_project(self._tui)

    def action_theme(self) -> None:
        """Pick a theme."""
        from tuinova.screens.pickers import pick_theme

        pick_theme(self._tui)

    def action_language(self) -> None:
        """Pick a language."""
        from tuinova.screens.pickers import pick_language

        pick_language(self._tui)
