"""Networks, ports and security groups."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult

from tuinova.i18n import _
from tuinova.screens.dialogs import TextLine
from tuinova.screens.launch.offers import network_note, port_label, port_note
from tuinova.screens.launch.step import Step
from tuinova.screens.widgets.pick_list import Offer, PickList
from tuinova.screens.widgets.tick import Tick


class NetworksStep(Step):
    """The networks that get a port, in the order of the guest's interfaces."""

    FIRST: ClassVar[str] = "networks"

    def compose(self) -> ComposeResult:
        """The list, and none at all."""
        yield TextLine([(_("Each gives an interface, in this order; with none chosen the only one is taken."), "dim")])
        yield PickList(id="networks", many=True, ordered=True)
        yield self.trouble("networks")
        yield Tick(_("No network"), self.draft.no_network, id="no_network")

    def show(self) -> None:
        """Networks that servers can join."""
        offers = self.offers
        lines = [
            Offer(
                one["id"],
                one.get("name") or one["id"],
                network_note(one, offers.subnets),
                _("external: servers get floating addresses of it") if one.get("router:external") else "",
            )
            for one in offers.networks
        ]
        empty = offers.missing.get("networks") or _("No network yet: the Networks room makes one.")
        self.query_one(PickList).show(lines, self.draft.networks, empty)

    def on_pick_list_changed(self, event: PickList.Changed) -> None:
        """Taken or dropped."""
        event.stop()
        self.write("networks", list(event.pick_list.chosen))


class PortsStep(Step):
    """Ports that exist already and belong to no server."""

    FIRST: ClassVar[str] = "ports"

    def compose(self) -> ComposeResult:
        """The list."""
        yield TextLine([(_("Free ports, with the addresses that they have; they come after the networks."), "dim")])
        yield PickList(id="ports", many=True, ordered=True)
        yield self.trouble("ports")

    def show(self) -> None:
        """The free ports."""
        offers = self.offers
        lines = [Offer(one["id"], port_label(one), port_note(one, offers.networks)) for one in offers.ports]
        self.query_one(PickList).show(lines, self.draft.ports, offers.missing.get("ports") or _("No free port."))

    def on_pick_list_changed(self, event: PickList.Changed) -> None:
        """Taken or dropped."""
        event.stop()
        self.write("ports", list(event.pick_list.chosen))


class SecurityGroupsStep(Step):
    """What may reach the ports that are made with the server."""

    FIRST: ClassVar[str] = "security_groups"

    def compose(self) -> ComposeResult:
        """The list."""
        yield TextLine([(_("They hold for the ports that are made with the server; ports keep their own."), "dim")])
        yield PickList(id="security_groups", many=True)
        yield self.trouble("security_groups")

    def show(self) -> None:
        """The project's groups."""
        offers = self.offers
        lines = [
            Offer(
                one["id"],
                one["name"],
                _("{count} rules").format(count=len(one.get("security_group_rules") or ()))
                + (f"  {one['description']}" if one.get("description") else ""),
            )
            for one in offers.security_groups
        ]
        empty = offers.missing.get("security_groups") or _("No security group.")
        self.query_one(PickList).show(lines, self.draft.security_groups, empty)

    def on_pick_list_changed(self, event: PickList.Changed) -> None:
        """Taken or dropped."""
        event.stop()
        self.write("security_groups", list(event.pick_list.chosen))
