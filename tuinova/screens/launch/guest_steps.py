"""Key pair, configuration, server group, hints, metadata, and the review of it all."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult

from tuinova.i18n import _
from tuinova.screens.dialogs import TextLine
from tuinova.screens.launch.offers import group_note
from tuinova.screens.launch.step import Step
from tuinova.screens.widgets.pick_list import Offer, PickList
from tuinova.screens.widgets.text_panel import Line, TextPanel, padded
from tuinova.screens.widgets.tick import Tick


class KeyPairStep(Step):
    """The public key that goes into the guest."""

    FIRST: ClassVar[str] = "key_name"

    def compose(self) -> ComposeResult:
        """The list, with none."""
        yield PickList(id="key_name")
        yield self.trouble("key_name")

    def show(self) -> None:
        """The user's key pairs."""
        offers = self.offers
        lines = [Offer("", _("none"))]
        lines += [Offer(one["name"], one["name"], one["fingerprint"]) for one in offers.keypairs]
        self.query_one(PickList).show(lines, [self.draft.key_name])

    def on_pick_list_changed(self, event: PickList.Changed) -> None:
        """Another key pair, or none."""
        event.stop()
        self.write("key_name", event.pick_list.chosen[0])


class ConfigurationStep(Step):
    """What the guest is told when it first boots."""

    FIRST: ClassVar[str] = "user_data"
    DEFAULT_CSS = "ConfigurationStep TextArea { height: 1fr; min-height: 4; }"

    def compose(self) -> ComposeResult:
        """User data, drive, host name, password."""
        yield TextLine([(_("User Data"), "label"), ("  " + _("text, or @/path/of/a/file"), "dim")])
        yield self.area("user_data", "#cloud-config")
        yield self.trouble("user_data")
        yield from self.field("hostname", _("Host name"), self.text("hostname", max_length=255))
        yield from self.field("password", _("Password"), self.text("password", max_length=255, password=True))
        yield Tick(_("Config drive"), self.draft.config_drive, id="config_drive")


class ServerGroupsStep(Step):
    """The group whose policy says which host it may be on."""

    FIRST: ClassVar[str] = "server_group"

    def compose(self) -> ComposeResult:
        """The list, with none."""
        yield PickList(id="server_group")
        yield self.trouble("server_group")

    def show(self) -> None:
        """The project's groups."""
        offers = self.offers
        lines = [
            Offer("", _("none")),
            *(Offer(one["id"], one["name"], group_note(one)) for one in offers.server_groups),
        ]
        self.query_one(PickList).show(lines, [self.draft.server_group])

    def on_pick_list_changed(self, event: PickList.Changed) -> None:
        """Another group, or none."""
        event.stop()
        self.write("server_group", event.pick_list.chosen[0])


class _PairsStep(Step):
    """Lines of key=value."""

    DEFAULT_CSS = "_PairsStep TextArea { height: 1fr; min-height: 4; }"
    ABOUT: ClassVar[str] = ""

    def about(self) -> str:
        """What they are for."""
        return ""

    def compose(self) -> ComposeResult:
        """The lines."""
        yield TextLine([(self.about(), "dim")])
        yield self.area(self.FIRST, "key=value")
        yield self.trouble(self.FIRST)


class HintsStep(_PairsStep):
    """What the scheduler shall consider."""

    FIRST: ClassVar[str] = "hints"

    def about(self) -> str:
        return _("One hint a line: same_host=<server>, different_host=<server>, build_near_host_ip=<address> ...")


class MetadataStep(_PairsStep):
    """Properties of the server."""

    FIRST: ClassVar[str] = "properties"

    def about(self) -> str:
        return _("One property a line: the guest reads them as its metadata.")


class ReviewStep(Step):
    """Everything that was chosen, and the command that does the same."""

    FIRST: ClassVar[str] = "review"
    DEFAULT_CSS = "ReviewStep TextPanel { height: 1fr; max-height: 100%; }"

    def compose(self) -> ComposeResult:
        """One panel."""
        yield TextPanel(id="review")

    def show(self) -> None:
        """The draft as it is now."""
        problems = self.draft.problems(self.offers)
        lines: list[Line] = [[(problem.text, "error")] for problem in problems]
        for _step, label, value in self.draft.summary(self.offers):
            lines.append([(padded(label, 20), "label"), (value or "-", "" if value else "dim")])
        if not problems:
            lines += [[], [(self.draft.request(self.offers).command(), "key")]]
        self.query_one(TextPanel).show(lines)
