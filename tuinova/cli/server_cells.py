"""Values of servers as commands show them, and the record of `server show`, `create`, `rebuild` and `evacuate`."""

from __future__ import annotations

from typing import Any

from tuinova.cli.commands import session
from tuinova.cli.output import Cell, Record, dict_cell, dict_list_cell, list_cell, list_dict_cell
from tuinova.client.errors import ApiError
from tuinova.core.states import POWER_STATE_TEXT, PowerState
from tuinova.i18n import _

Json = dict[str, Any]
_LEFT_OUT_WHEN_NULL = ("fault", "security_groups", "adminPass")


def power_state_cell(value: int | None) -> Cell:
    """Text in tables, the integer for machines."""
    try:
        text = POWER_STATE_TEXT[PowerState(value)] if value is not None else "N/A"
    except ValueError:
        text = "N/A"
    return Cell(value, text)


def networks_cell(addresses: dict[str, list[Json]]) -> Cell:
    """`net=10.0.0.3, fd00::3`."""
    return dict_list_cell({net: [entry["addr"] for entry in entries] for net, entries in addresses.items()})


def server_record(server: Json, admin_pass: str | None = None) -> Record:
    """The fields of `server show`, sorted, with openstack's renamed and resolved values."""
    fields: dict[str, Any] = dict(server)
    for name in ("links", "user_data"):  # a rebuild's answer has the latter twice
        fields.pop(name, None)
    fields["addresses"] = networks_cell(fields.get("addresses") or {})
    fields["properties"] = dict_cell(fields.pop("metadata", {}))
    fields["project_id"] = fields.pop("tenant_id", None)
    fields["volumes_attached"] = list_dict_cell(fields.pop("os-extended-volumes:volumes_attached", []))
    fields["OS-EXT-STS:power_state"] = power_state_cell(fields.get("OS-EXT-STS:power_state"))
    fields["flavor"] = _flavor_cell(server["flavor"])
    fields["image"] = _image_text(server.get("image"))
    if fields.get("security_groups"):
        fields["security_groups"] = list_dict_cell(fields["security_groups"])
    for name in ("tags", "server_groups"):
        if isinstance(fields.get(name), list):
            fields[name] = list_cell(fields[name])
    if fields.get("fault"):
        fields["fault"] = dict_cell(fields["fault"])
    if admin_pass:
        fields["adminPass"] = admin_pass
    for name in _LEFT_OUT_WHEN_NULL:
        if name in fields and fields[name] is None:
            del fields[name]
    return Record({name: fields[name] for name in sorted(fields)})


def _flavor_cell(flavor: Json) -> Cell:
    """Nova's embedded flavor for machines, `name (id)` for people while a flavor of that name exists.

    Below 2.47 Nova names it by its id only.
    """
    if "original_name" not in flavor:
        known = [f for f in session.client.flavors.list(None) if f["id"] == flavor["id"]]
        text = f"{known[0]['name']} ({flavor['id']})" if known else str(flavor["id"])
        return Cell(text, text)
    named = [f for f in session.client.flavors.list(None) if f["name"] == flavor["original_name"]]
    human = f"{flavor['original_name']} ({named[0]['id']})" if named else flavor["original_name"]
    return Cell(flavor, human)


def _image_text(image: Json | str | None) -> str:
    if not image or isinstance(image, str):
        return _("N/A (booted from volume)")
    try:
        return f"{session.client.images.get(image['id'])['name']} ({image['id']})"
    except ApiError:  # deleted since: the server keeps its id
        return str(image["id"])
