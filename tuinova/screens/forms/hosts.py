"""The host picker: let the scheduler choose, or name one; who may not name one reads so. No dialog of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tuinova.i18n import _
from tuinova.screens.fields import PickField
from tuinova.screens.forms.base import ActionForm, Json, if_allowed
from tuinova.screens.rows import Row
from tuinova.screens.widgets.pick_list import Offer


def host_note(host: Mapping[str, Any]) -> str:
    """What a host has left, in words."""
    text = _("{ram} MB, {disk} GB free; servers: {servers}")
    return text.format(
        servers=host.get("running_vms") or 0, ram=host.get("free_ram_mb", "?"), disk=host.get("free_disk_gb", "?")
    )


def host_reason(host: Mapping[str, Any], rows: Sequence[Row]) -> str:
    """Why a host can't be named; empty when it can."""
    if all(row.get("host") == host["host"] for row in rows):
        return _("it is there now")
    if host.get("state") != "up":
        return _("down")
    if host.get("status") != "enabled":
        return _("disabled")
    return ""


class HostForm(ActionForm):
    """A form with a host."""

    host = ""
    may_name = True
    hosts: tuple[Json, ...] = ()

    def host_field(self) -> PickField:
        """The field; call it in `fields`."""
        return PickField(_("let the scheduler choose"), id="host")

    def read(self, client: Any) -> Any:
        """The hosts; only an admin reads them, and only an admin names one."""
        return if_allowed(client.hypervisors.rows, None)

    def loaded(self, found: Any) -> None:
        """Who may not read hosts may not name one."""
        self.may_name = found is not None
        self.hosts = tuple(sorted(found or (), key=lambda one: str(one["host"])))
        self.show_host()

    def show_host(self) -> None:
        """The chosen host in its field."""
        field = self.query_one("#host", PickField)
        if not self.may_name:
            field.show(_("let the scheduler choose"), _("an admin may name one"))
            field.disabled = True
        elif not self.host:
            field.show(_("let the scheduler choose"))
        else:
            field.show(self.host, next((host_note(one) for one in self.hosts if one["host"] == self.host), ""))

    def pressed(self, field: str) -> None:
        """Open the list."""
        if field == "host":
            offers = [Offer("", _("let the scheduler choose"))]
            for one in self.hosts:
                reason = host_reason(one, self.legal)
                offers.append(Offer(one["host"], one["host"], "" if reason else host_note(one), reason))
            self.pick(_("Host"), offers, self.take_host, self.host)

    def take_host(self, host: str) -> None:
        """Another host."""
        self.host = host
        self.show_host()

    def host_words(self) -> list[str]:
        """The command's option."""
        return ["--host", self.host] if self.host else []
