"""The version documents, which clients ask first."""

from __future__ import annotations

from typing import Any

from tuinova.api.operations import MICROVERSION, Call, Operation, Reply

_V21 = "2013-07-23T11:33:21Z"


def _version(call: Call) -> dict[str, Any]:
    return {
        "id": "v2.1",
        "status": "CURRENT",
        "version": f"{MICROVERSION[0]}.{MICROVERSION[1]}",
        "min_version": f"{MICROVERSION[0]}.{MICROVERSION[1]}",
        "updated": _V21,
        "links": [{"rel": "self", "href": f"{call.base_url}/v2.1/"}],
    }


def compute_versions(call: Call) -> Any:
    """GET /: all versions."""
    return {"versions": [_version(call)]}


def compute_version(call: Call) -> Any:
    """GET /v2.1/: this one."""
    media = {"base": "application/json", "type": "application/vnd.openstack.compute+json;version=2.1"}
    return {"version": {**_version(call), "media-types": [media]}}


def image_versions(call: Call) -> Reply:
    """GET /image/."""
    links = [{"rel": "self", "href": f"{call.base_url}/image/v2/"}]
    return Reply({"versions": [{"id": "v2.9", "status": "CURRENT", "links": links}]}, 300)


def _identity(call: Call) -> dict[str, Any]:
    links = [{"rel": "self", "href": f"{call.base_url}/identity/v3/"}]
    return {"id": "v3.14", "status": "stable", "updated": "2020-04-07T00:00:00Z", "links": links}


def identity_versions(call: Call) -> Reply:
    """GET /identity/."""
    return Reply({"versions": {"values": [_identity(call)]}}, 300)


def identity_version(call: Call) -> Any:
    """GET /identity/v3/."""
    return {"version": _identity(call)}


ROOT = (Operation("GET", "/", compute_versions),)
COMPUTE = (Operation("GET", "/", compute_version),)
IMAGE_ROOT = (Operation("GET", "/", image_versions),)
IDENTITY_ROOT = (Operation("GET", "/", identity_versions), Operation("GET", "/v3", identity_version))
