"""/flavors: list, show, create, describe, delete, and tuinova's edit in one transaction."""

from __future__ import annotations

import uuid
from typing import Any
from urllib.parse import urlencode

from tuinova.api import params
from tuinova.api.operations import Call, Operation
from tuinova.api.schemas import catalogue as schemas
from tuinova.api.schemas.types import is_true
from tuinova.api.views import links
from tuinova.core.context import RequestContext
from tuinova.core.drafts import FlavorFilter
from tuinova.core.errors import FlavorNotFound, Invalid
from tuinova.core.records import Flavor

_RULE = "os_compute_api:flavors"
_MANAGE = "os_compute_api:os-flavor-manage:"


def view(flavor: Flavor, base: str) -> dict[str, Any]:
    """The whole flavor as at 2.75 to 2.101."""
    return {
        "id": flavor.id,
        "name": flavor.name,
        "ram": flavor.memory_mb,
        "disk": flavor.root_gb,
        "swap": flavor.swap,
        "OS-FLV-EXT-DATA:ephemeral": flavor.ephemeral_gb,
        "OS-FLV-DISABLED:disabled": flavor.disabled,
        "vcpus": flavor.vcpus,
        "os-flavor-access:is_public": flavor.is_public,
        "rxtx_factor": flavor.rxtx_factor,
        "links": links(base, "flavors", flavor.id),
        "description": flavor.description,
        "extra_specs": flavor.extra_specs,
    }


def visible_flavor(call: Call, ident: str) -> Flavor:
    """A flavor that the caller may see; raises FlavorNotFound."""
    flavor = call.state.conductor.flavor(ident)
    if not (call.ctx.is_admin or flavor.is_public or call.ctx.project_id in flavor.projects):
        raise FlavorNotFound(flavor_id=ident)
    return flavor


def index(call: Call) -> Any:
    """The short list."""
    found, follow = _listed(call, "flavors")
    rows = [
        {"id": f.id, "name": f.name, "description": f.description, "links": links(call.base_url, "flavors", f.id)}
        for f in found
    ]
    return {"flavors": rows, **follow}


def detail(call: Call) -> Any:
    """The list with details."""
    found, follow = _listed(call, "flavors/detail")
    return {"flavors": [view(flavor, call.base_url) for flavor in found], **follow}


def _listed(call: Call, path: str) -> tuple[list[Flavor], dict[str, Any]]:
    limit = params.page_limit(call.query)
    found = call.state.conductor.flavors(_filter(call, limit))
    if not found or len(found) < limit:
        return found, {}
    kept = [(key, value) for key, value in call.query.multi_items() if key != "marker"]
    href = f"{call.base_url}/v2.1/{path}?{urlencode([*kept, ('marker', found[-1].id)])}"
    return found, {"flavors_links": [{"rel": "next", "href": href}]}


def _filter(call: Call, limit: int) -> FlavorFilter:
    query, ctx = call.query, call.ctx
    [(sort_key, sort_dir)] = params.sort_pairs(query, default="asc")[:1] or (("flavorid", "asc"),)
    return FlavorFilter(
        is_public=_is_public(call) if ctx.is_admin else True,
        project_id=ctx.project_id,
        disabled=None if ctx.is_admin else False,
        min_ram=params.integer(query, "minRam"),
        min_disk=params.integer(query, "minDisk"),
        sort_key=sort_key,
        sort_dir=sort_dir,
        limit=limit,
        marker=query.get("marker"),
    )


def _is_public(call: Call) -> bool | None:
    """Public ones (also by default), private ones, or both by the word None."""
    text = call.query.get("is_public")
    if text is None:
        return True
    if text.lower() == "none":
        return None
    try:
        return params.parse_boolean(text, "is_public")
    except Invalid as error:
        raise Invalid(f"Invalid is_public filter [{text[:80]}]") from error


def show(call: Call) -> Any:
    """One flavor."""
    return {"flavor": view(visible_flavor(call, call.param("id")), call.base_url)}


def create(call: Call) -> Any:
    """A new flavor."""
    asked = call.body["flavor"]
    given = asked.get("id")
    flavorid = str(uuid.uuid4()) if given is None or str(given).lower() == "auto" else str(given)
    base = Flavor(flavorid=flavorid, name="", memory_mb=1, vcpus=1)
    flavor = _from_body(asked, base, call.ctx)
    return {"flavor": view(call.state.conductor.create_flavor(flavor), call.base_url)}


def replace(call: Call) -> Any:
    """Edit a flavor: what the body leaves out stays; extra specs and access are carried over."""
    ident = call.param("id")
    asked = call.body["flavor"]
    if "id" in asked and str(asked["id"]) != ident:
        raise Invalid("The id of a flavor can't be changed.")
    flavor = _from_body(asked, call.state.conductor.flavor(ident), call.ctx)
    return {"flavor": view(call.state.conductor.replace_flavor(ident, flavor), call.base_url)}


def _from_body(asked: dict[str, Any], old: Flavor, ctx: RequestContext) -> Flavor:
    """The old flavor with what the body says."""
    return Flavor(
        flavorid=old.flavorid,
        name=asked.get("name", old.name).strip(),
        memory_mb=int(asked.get("ram", old.memory_mb)),
        vcpus=int(asked.get("vcpus", old.vcpus)),
        root_gb=int(asked.get("disk", old.root_gb)),
        ephemeral_gb=int(asked.get("OS-FLV-EXT-DATA:ephemeral", old.ephemeral_gb)),
        swap=int(asked.get("swap", old.swap)),
        rxtx_factor=float(asked.get("rxtx_factor", old.rxtx_factor)),
        is_public=is_true(asked.get("os-flavor-access:is_public", old.is_public)),
        disabled=old.disabled,
        description=asked.get("description", old.description),
        extra_specs=old.extra_specs,
        projects=old.projects,
    )


def describe(call: Call) -> Any:
    """The one field that Nova lets change."""
    changed = call.state.conductor.describe_flavor(call.param("id"), call.body["flavor"]["description"])
    return {"flavor": view(changed, call.base_url)}


def delete(call: Call) -> None:
    """Remove; servers keep their copy."""
    call.state.conductor.delete_flavor(call.param("id"))


OPERATIONS = (
    Operation("GET", "/flavors", index, rule=_RULE),
    Operation("POST", "/flavors", create, 200, _MANAGE + "create", schemas.FLAVOR_CREATE),
    Operation("GET", "/flavors/detail", detail, rule=_RULE),
    Operation("GET", "/flavors/{id}", show, rule=_RULE),
    Operation("PUT", "/flavors/{id}", describe, 200, _MANAGE + "update", schemas.FLAVOR_UPDATE),
    Operation("DELETE", "/flavors/{id}", delete, 202, _MANAGE + "delete"),
)
OWN_OPERATIONS = (Operation("POST", "/flavors/{id}/replace", replace, 200, _MANAGE + "create", schemas.FLAVOR_REPLACE),)
