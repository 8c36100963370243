"""The one place where an error becomes an answer: Nova's, Glance's and Keystone's bodies."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from http import HTTPStatus

from starlette.responses import Response

from tuinova.core.errors import NovaError

LOG = logging.getLogger("tuinova.api")

# nova/api/openstack/wsgi.py, Fault._fault_names
FAULT_NAMES = {
    400: "badRequest",
    401: "unauthorized",
    403: "forbidden",
    404: "itemNotFound",
    405: "badMethod",
    409: "conflictingRequest",
    410: "gone",
    413: "overLimit",
    415: "badMediaType",
    429: "overLimit",
    501: "notImplemented",
    503: "serviceUnavailable",
}
UNEXPECTED = "Unexpected API Error. The log of the service has more under the id of this request."


class RequestTooLarge(NovaError):
    """A body beyond the limit."""

    code = 413
    msg_fmt = "Request is too large."


class UnsupportedMediaType(NovaError):
    """A body that is not JSON where JSON is wanted."""

    code = 415
    msg_fmt = "Unsupported content type {content_type}"


class RouteNotFound(NovaError):
    """No such route."""

    code = 404
    msg_fmt = "The resource could not be found."


class MethodNotAllowed(NovaError):
    """A route without this method; `allowed` are those that it has."""

    code = 405
    msg_fmt = "The method specified is not allowed for this resource."


class ServiceStopping(NovaError):
    """A long request that the service can't end any more."""

    code = 503
    msg_fmt = "The service is stopping."


def face_of(path: str) -> str:
    """Whose words an error of this path is told in."""
    first = path.split("/", 2)[1] if path.startswith("/") else ""
    return first if first in ("image", "identity", "network", "volume") else "compute"


def error_body(face: str, code: int, message: str, kind: str = "") -> dict[str, object]:
    """The body of an error in the words of the face: compute and volume (Nova's, Cinder's), image (Glance's),
    identity (Keystone's), network (Neutron's, which names its `kind`)."""
    if face == "network":
        return {"NeutronError": {"type": kind, "message": message, "detail": ""}}
    if face == "identity":
        return {"error": {"code": code, "message": message, "title": HTTPStatus(code).phrase}}
    if face == "image":
        return {"code": f"{code} {HTTPStatus(code).phrase}", "title": HTTPStatus(code).phrase, "message": message}
    return {FAULT_NAMES.get(code, "computeFault"): {"code": code, "message": message}}


def error_response(
    error: Exception, *, face: str, request_id: str, headers: Mapping[str, str] | None = None
) -> Response:
    """The answer to a request that raised; what is not ours is logged and said to be unexpected."""
    sent = dict(headers or {})
    if isinstance(error, NovaError):
        code, message, kind = error.code, error.message, type(error).__name__
        if code >= 500 and code not in (501, 503):
            LOG.error("[%s] %s: %s", request_id, type(error).__name__, message)
        if isinstance(error, MethodNotAllowed):
            sent["Allow"] = ", ".join(error.kwargs["allowed"])
    else:
        LOG.error("[%s] unexpected error", request_id, exc_info=error)
        code, message, kind = 500, UNEXPECTED, "HTTPInternalServerError"
    body = json.dumps(error_body(face, code, message, kind))
    return Response(body, code, sent, media_type="application/json")
