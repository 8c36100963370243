"""What is plugged into a server and taken out again: volumes, interfaces, addresses, security groups, floating IPs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar

from textual.app import ComposeResult
from textual.widgets import Input

from tuinova.i18n import N_, _
from tuinova.screens.actions import command_line
from tuinova.screens.commands import unique_name
from tuinova.screens.fields import PickField
from tuinova.screens.forms.base import ActionForm, Json
from tuinova.screens.launch.offers import network_note, port_note, size_note
from tuinova.screens.rows import Row
from tuinova.screens.widgets.pick_list import Offer
from tuinova.text import clean


def _word(row: Mapping[str, Any]) -> str:
    return str(row.get("name") or row["id"])


class PickedForm(ActionForm):
    """A form around one thing that is picked; subclasses say what there is and what is sent for it."""

    HEIGHT = 16
    FIRST = "picked"
    WHAT: ClassVar[str] = ""
    NOTHING: ClassVar[str] = ""

    offers: tuple[Offer, ...] = ()
    picked: Offer | None = None

    def fields(self) -> ComposeResult:
        """The field, and what else there is."""
        yield from self.field(_(self.WHAT) + " *", PickField("...", id="picked"))
        yield from self.more()

    def more(self) -> ComposeResult:
        """Further fields."""
        yield from ()

    def loaded(self, found: Sequence[Offer]) -> None:
        """What there is to pick from; the first is picked."""
        self.offers = tuple(found)
        self._choose(self.offers[0].id if self.offers else "")

    def _choose(self, ident: str) -> None:
        self.picked = next((offer for offer in self.offers if offer.id == ident), None)
        field = self.query_one("#picked", PickField)
        field.show(self.picked.label, self.picked.note) if self.picked else field.show(_(self.NOTHING))

    def pressed(self, field: str) -> None:
        """Open the list."""
        self.pick(_(self.WHAT), self.offers, self._choose, self.picked.id if self.picked else "")

    def problem(self) -> tuple[str, str]:
        """Something must be picked."""
        return ("", "") if self.picked else ("picked", _(self.NOTHING))

    def command(self, options: list[str]) -> str:
        """The picked one stands after the server."""
        known = list(self.tui.servers.rows.values())
        names = [unique_name(row, known) for row in self.legal]
        action = replace(self.action, after=(self.word(),)) if self.picked else self.action
        return command_line(action, *names, options=options)

    def word(self) -> str:
        """What a command calls the picked one."""
        return self.picked.id if self.picked else ""

    def typed(self, field: str) -> str:
        """What stands in a further field."""
        return self.text_of(field).strip()

    def send(self, client: Any, row: Row, payload: Any) -> Any:
        """Ask the service, in a thread."""
        return self.ask(client, row["id"], *payload)

    def payload(self, row: Row) -> Any:
        """The picked one, and the further fields as keywords: read in the UI's thread."""
        return (self.picked.id if self.picked else "", self.extras())

    def extras(self) -> Json:
        """The further fields."""
        return {}

    def ask(self, client: Any, server: str, picked: str, extras: Json) -> Any:
        """Send it."""
        raise NotImplementedError


class AttachVolumeForm(PickedForm):
    """Plug in a volume that is free."""

    WHAT, NOTHING = N_("Volume"), N_("No volume is free.")

    def more(self) -> ComposeResult:
        """The name of the disk in the guest."""
        yield from self.field(_("Device"), Input(id="device", placeholder=_("the next free one")))

    def read(self, client: Any) -> list[Offer]:
        """The free volumes."""
        free = [one for one in client.volumes.list() if one["status"] == "available"]
        return [Offer(one["id"], _word(one), size_note(one)) for one in free]

    def options(self) -> list[str]:
        """openstack's."""
        return ["--device", self.typed("device")] if self.typed("device") else []

    def extras(self) -> Json:
        """The device, if one was named."""
        return {"device": self.typed("device")} if self.typed("device") else {}

    def ask(self, client: Any, server: str, picked: str, extras: Json) -> Any:
        """Attach."""
        return client.servers.attach_volume(server, picked, **extras)


class DetachVolumeForm(PickedForm):
    """Take one of the server's volumes out."""

    WHAT, NOTHING = N_("Volume"), N_("No volume is attached.")

    def read(self, client: Any) -> list[Offer]:
        """The server's volumes."""
        known = {one["id"]: one for one in client.volumes.list()}
        held = client.servers.volumes(self.rows[0]["id"])
        return [
            Offer(one["volumeId"], _word(known.get(one["volumeId"], {"id": one["volumeId"]})), str(one.get("device")))
            for one in held
        ]

    def ask(self, client: Any, server: str, picked: str, extras: Json) -> Any:
        """Detach."""
        return client.servers.detach_volume(server, picked)


_PORT = "port:"


class AttachInterfaceForm(PickedForm):
    """A new port on a network, or a port that is there already."""

    WHAT, NOTHING = N_("Network or port"), N_("No network.")

    def read(self, client: Any) -> list[Offer]:
        """The networks, then the free ports."""
        networks, subnets = client.networks.list(), client.subnets.list()
        inner = [one for one in networks if not one.get("router:external")]
        free = [one for one in client.ports.list() if not one.get("device_id")]
        return [
            *(Offer(one["id"], _word(one), network_note(one, subnets)) for one in inner),
            *(Offer(_PORT + one["id"], _word(one), port_note(one, networks)) for one in free),
        ]

    def command(self, options: list[str]) -> str:
        """Networks and ports have a command each."""
        line = super().command(options)
        is_port = self.picked is not None and self.picked.id.startswith(_PORT)
        return line.replace("server add network ", "server add port ") if is_port else line

    def word(self) -> str:
        """The id of either."""
        return super().word().removeprefix(_PORT)

    def ask(self, client: Any, server: str, picked: str, extras: Json) -> Any:
        """Attach."""
        if picked.startswith(_PORT):
            return client.servers.add_interface(server, port_id=picked.removeprefix(_PORT))
        return client.servers.add_interface(server, net_id=picked)


class AddFixedIpForm(PickedForm):
    """A certain address of a network, or any."""

    WHAT, NOTHING = N_("Network"), N_("No network.")

    def more(self) -> ComposeResult:
        """The address."""
        yield from self.field(_("Fixed address"), Input(id="address", placeholder=_("any")))

    def read(self, client: Any) -> list[Offer]:
        """The networks."""
        networks, subnets = client.networks.list(), client.subnets.list()
        inner = [one for one in networks if not one.get("router:external")]
        return [Offer(one["id"], _word(one), network_note(one, subnets)) for one in inner]

    def options(self) -> list[str]:
        """openstack's."""
        return ["--fixed-ip-address", self.typed("address")] if self.typed("address") else []

    def extras(self) -> Json:
        """The address."""
        return {"fixed_ips": [{"ip_address": self.typed("address")}]} if self.typed("address") else {}

    def ask(self, client: Any, server: str, picked: str, extras: Json) -> Any:
        """As openstack does: an interface with that address."""
        return client.servers.add_interface(server, net_id=picked, **extras)


class DetachInterfaceForm(PickedForm):
    """One of the server's ports."""

    WHAT, NOTHING = N_("Port"), N_("The server has no port.")

    def read(self, client: Any) -> list[Offer]:
        """The server's ports."""
        return [
            Offer(
                one["port_id"],
                ", ".join(str(fixed["ip_address"]) for fixed in one.get("fixed_ips") or ()) or one["port_id"],
                one["mac_addr"],
            )
            for one in client.servers.interfaces(self.rows[0]["id"])
        ]

    def ask(self, client: Any, server: str, picked: str, extras: Json) -> Any:
        """Detach."""
        return client.servers.remove_interface(server, picked)


class RemoveFixedIpForm(PickedForm):
    """One of the server's addresses."""

    WHAT, NOTHING = N_("Fixed address"), N_("The server has no address.")

    def read(self, client: Any) -> list[Offer]:
        """The fixed addresses."""
        found = client.servers.interfaces(self.rows[0]["id"])
        return [
            Offer(fixed["ip_address"], fixed["ip_address"], one["mac_addr"])
            for one in found
            for fixed in one.get("fixed_ips") or ()
        ]

    def ask(self, client: Any, server: str, picked: str, extras: Json) -> Any:
        """Remove."""
        return client.servers.action(server, "removeFixedIp", {"address": picked})


class GroupForm(PickedForm):
    """A security group of the project."""

    WHAT, NOTHING = N_("Security group"), N_("No security group.")

    def read(self, client: Any) -> list[Offer]:
        """Those that it does not have, or has."""
        has = {one["id"] for one in client.servers.security_groups(self.rows[0]["id"])}
        adds = self.action.nova == "addSecurityGroup"
        groups = [one for one in client.security_groups.list() if (one["id"] in has) != adds]
        return [Offer(one["id"], _word(one), str(one.get("description") or "")) for one in groups]

    def word(self) -> str:
        """Groups are called by name here."""
        return clean(self.picked.label) if self.picked else ""

    def ask(self, client: Any, server: str, picked: str, extras: Json) -> Any:
        """Add or remove it on all ports of the server."""
        return client.servers.action(server, self.action.nova, {"name": picked})


class FloatingIpForm(PickedForm):
    """An address of the outside that stands for nothing yet."""

    WHAT, NOTHING = N_("Floating IP"), N_("No floating IP is free: the Networks room allocates one.")

    def read(self, client: Any) -> list[Offer]:
        """The free ones."""
        free = [one for one in client.floating_ips.list() if not one.get("port_id")]
        return [Offer(one["floating_ip_address"], one["floating_ip_address"], "") for one in free]

    def ask(self, client: Any, server: str, picked: str, extras: Json) -> Any:
        """Let it stand for the server's first port."""
        floating = client.floating_ips.find(picked)
        ports = client.ports.list(device_id=server)
        if not ports:
            raise ValueError(_("The server has no port."))
        return client.floating_ips.update(floating["id"], port_id=ports[0]["id"])


class RemoveFloatingIpForm(PickedForm):
    """An address of the outside that stands for one of the server's ports."""

    WHAT, NOTHING = N_("Floating IP"), N_("The server has no floating IP.")

    def read(self, client: Any) -> list[Offer]:
        """Those of its ports."""
        ports = {one["id"] for one in client.ports.list(device_id=self.rows[0]["id"])}
        held = [one for one in client.floating_ips.list() if one.get("port_id") in ports]
        return [
            Offer(one["floating_ip_address"], one["floating_ip_address"], str(one.get("fixed_ip_address") or ""))
            for one in held
        ]

    def ask(self, client: Any, server: str, picked: str, extras: Json) -> Any:
        """Let it stand for nothing."""
        floating = client.floating_ips.find(picked)
        return client.floating_ips.update(floating["id"], port_id=None)
