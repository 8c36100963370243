"""/os-keypairs: public keys of users (from 2.92 a key pair is always made by the client)."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from tuinova.api import params
from tuinova.api.operations import Call, Operation
from tuinova.api.schemas import catalogue as schemas
from tuinova.api.views import microseconds
from tuinova.core.policy import authorize_user
from tuinova.core.records import Keypair

_RULE = "os_compute_api:os-keypairs:"


def _user(call: Call, rule: str, asked: str | None) -> str:
    """Whose key pairs: the caller's, or by `user_id` an admin's choice."""
    user_id = asked or call.ctx.user_id or ""
    authorize_user(call.ctx, _RULE + rule, user_id)
    return user_id


def _row(keypair: Keypair) -> dict[str, Any]:
    return {
        "name": keypair.name,
        "public_key": keypair.public_key,
        "fingerprint": keypair.fingerprint,
        "type": keypair.type,
    }


def index(call: Call) -> Any:
    """A user's key pairs by name."""
    user_id = _user(call, "index", call.query.get("user_id"))
    limit = params.page_limit(call.query)
    found = call.state.conductor.keypairs(user_id, limit=limit, marker=call.query.get("marker"))
    body: dict[str, Any] = {"keypairs": [{"keypair": _row(keypair)} for keypair in found]}
    if found and len(found) == limit:
        query = {**dict(call.query), "limit": str(limit), "marker": found[-1].name}
        body["keypairs_links"] = [{"rel": "next", "href": f"{call.base_url}/v2.1/os-keypairs?{urlencode(query)}"}]
    return body


def show(call: Call) -> Any:
    """One key pair."""
    user_id = _user(call, "show", call.query.get("user_id"))
    keypair = call.state.conductor.keypair(user_id, call.param("name"))
    more = {
        "user_id": keypair.user_id,
        "id": keypair.id,
        "created_at": microseconds(keypair.created_at),
        "updated_at": None,
        "deleted": False,
        "deleted_at": None,
    }
    return {"keypair": {**_row(keypair), **more}}


def create(call: Call) -> Any:
    """Import a public key."""
    asked = call.body["keypair"]
    made = call.state.compute.import_keypair(
        call.ctx,
        asked["name"],
        asked["public_key"],
        key_type=asked.get("type", "ssh"),
        user_id=asked.get("user_id"),
    )
    return {"keypair": {**_row(made), "user_id": made.user_id}}


def delete(call: Call) -> None:
    """Remove; servers keep their copy."""
    user_id = _user(call, "delete", call.query.get("user_id"))
    call.state.conductor.delete_keypair(user_id, call.param("name"))


OPERATIONS = (
    Operation("GET", "/os-keypairs", index),
    Operation("POST", "/os-keypairs", create, 201, None, schemas.KEYPAIR),
    Operation("GET", "/os-keypairs/{name}", show),
    Operation("DELETE", "/os-keypairs/{name}", delete, 204),
)
