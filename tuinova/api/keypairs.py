"""/os-keypairs: public keys of users (from 2.92 a key pair is always made by the client)."""

from __future__ import annotations

import hashlib
from typing import Any

from tuinova.api import params
from tuinova.api.operations import Call, Operation
from tuinova.api.schemas import catalogue as schemas
from tuinova.api.views import microseconds
from tuinova.core.compute_api.keypairs import check_name, ssh_fingerprint
from tuinova.core.errors import InvalidKeypair
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
        href = f"{call.base_url}/v2.1/os-keypairs?limit={limit}&marker={found[-1].name}"
        body["keypairs_links"] = [{"rel": "next", "href": href}]
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
    user_id = _user(call, "create", asked.get("user_id"))
    name = check_name(asked["name"])
    kind = asked.get("type", "ssh")
    public_key = asked["public_key"]
    fingerprint = ssh_fingerprint(public_key) if kind == "ssh" else _certificate_fingerprint(public_key)
    limit = call.state.conductor.quota_limits(call.ctx.project_id or "").key_pairs
    made = call.state.conductor.create_keypair(user_id, name, kind, public_key, fingerprint, limit=limit)
    return {"keypair": {**_row(made), "user_id": made.user_id}}


def _certificate_fingerprint(pem: str) -> str:
    """Nova's of an X.509 certificate: SHA-1 in hexadecimal with colons."""
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import Encoding

    try:
        der = x509.load_pem_x509_certificate(pem.encode()).public_bytes(Encoding.DER)
    except ValueError as error:
        raise InvalidKeypair(reason="failed to generate X509 fingerprint") from error
    digest = hashlib.sha1(der, usedforsecurity=False).hexdigest()
    return ":".join(digest[at : at + 2] for at in range(0, len(digest), 2))


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
