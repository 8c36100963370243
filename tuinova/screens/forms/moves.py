"""Cold and live migration, evacuation, unshelving to a zone or host."""

from __future__ import annotations

from typing import Any

from textual.app import ComposeResult
from textual.widgets import Input

from tuinova.i18n import _
from tuinova.screens.dialogs import TextLine
from tuinova.screens.fields import ChoiceField, PickField
from tuinova.screens.forms.hosts import HostForm
from tuinova.screens.launch.request import PASSWORD_WORD
from tuinova.screens.rows import Row
from tuinova.screens.widgets.pick_list import Offer


class MigrateForm(HostForm):
    """Cold migration."""

    HEIGHT = 14

    def fields(self) -> ComposeResult:
        """The host."""
        yield from self.field(_("Host"), self.host_field())

    def options(self) -> list[str]:
        """The host, where one is named."""
        return self.host_words()

    def payload(self, row: Row) -> Any:
        """Nova's body; None lets the scheduler choose."""
        return {"host": self.host} if self.host else None


class LiveMigrateForm(HostForm):
    """Live migration: the host, and whether disks are copied."""

    HEIGHT = 16

    def fields(self) -> ComposeResult:
        """Host and block migration."""
        yield from self.field(_("Host"), self.host_field())
        words = (("auto", _("find out")), ("yes", _("yes")), ("no", _("no, they are shared")))
        yield from self.field(_("Copy the disks"), ChoiceField(words, id="block"))

    @property
    def _block(self) -> str:
        return self.query_one("#block", ChoiceField).value

    def options(self) -> list[str]:
        """openstack's words for both."""
        block = {"yes": ["--block-migration"], "no": ["--shared-migration"]}.get(self._block, [])
        return ["--live-migration", *self.host_words(), *block]

    def payload(self, row: Row) -> Any:
        """Nova's body."""
        return {"host": self.host or None, "block_migration": {"yes": True, "no": False}.get(self._block, "auto")}


class EvacuateForm(HostForm):
    """Evacuation; says beforehand that Nova refuses it while the host is heard of."""

    HEIGHT = 18

    def fields(self) -> ComposeResult:
        """Host, password, the state of the host that is left."""
        yield from self.field(_("Host"), self.host_field())
        password = Input(id="password", password=True, placeholder=_("one is made"))
        yield from self.field(_("Admin password"), password)
        yield TextLine([("", "")], id="source")

    def loaded(self, found: Any) -> None:
        """The hosts, and how it stands with the server's own."""
        super().loaded(found)
        line: list[tuple[str, str]] = []
        for host in sorted({str(row.get("host") or "") for row in self.legal} - {""}):
            state = next((one.get("state") for one in self.hosts if one["host"] == host), None)
            if state == "up":
                text = _("{host} is up: the service refuses while it is heard of (force it down first).")
                line.append((text.format(host=host) + " ", "warn"))
            elif state:
                line.append((_("{host} is down.").format(host=host) + " ", "ok"))
        self.query_one("#source", TextLine).show(line or [("", "")])

    def options(self) -> list[str]:
        """Host and password; a password never stands in a command that is shown."""
        return [*self.host_words(), *(["--password", PASSWORD_WORD] if self.text_of("password") else [])]

    def payload(self, row: Row) -> Any:
        """Nova's body."""
        password = self.text_of("password")
        return {**({"host": self.host} if self.host else {}), **({"adminPass": password} if password else {})}


class UnshelveForm(HostForm):
    """Unshelving an offloaded server in a zone or on a host."""

    HEIGHT = 16
    zone = ""
    zones: tuple[str, ...] = ()

    def fields(self) -> ComposeResult:
        """Zone and host."""
        yield from self.field(_("Zone"), PickField(_("any"), id="zone"))
        yield from self.field(_("Host"), self.host_field())

    def read(self, client: Any) -> Any:
        """Zones and hosts."""
        zones = [zone["zoneName"] for zone in client.availability_zones()]
        return zones, super().read(client)

    def loaded(self, found: Any) -> None:
        """Both."""
        self.zones = tuple(found[0])
        super().loaded(found[1])

    def pressed(self, field: str) -> None:
        """Open a list."""
        super().pressed(field)
        if field == "zone":
            offers = [Offer("", _("any")), *(Offer(zone, zone) for zone in self.zones)]
            self.pick(_("Zone"), offers, self._take_zone, self.zone)

    def _take_zone(self, zone: str) -> None:
        self.zone = zone
        self.query_one("#zone", PickField).show(zone or _("any"))

    def problem(self) -> tuple[str, str]:
        """Nova takes a place only for what was offloaded."""
        kept = [row["name"] for row in self.legal if row["vm_state"] != "shelved_offloaded"]
        if kept and (self.zone or self.host):
            return "zone", _("{name} is still on its host: only an offloaded server takes a zone or host.").format(
                name=kept[0]
            )
        return "", ""

    def options(self) -> list[str]:
        """Zone and host."""
        return [*(["--availability-zone", self.zone] if self.zone else []), *self.host_words()]

    def payload(self, row: Row) -> Any:
        """Nova's body; None for nowhere in particular."""
        body = {**({"availability_zone": self.zone} if self.zone else {}), **({"host": self.host} if self.host else {})}
        return body or None
