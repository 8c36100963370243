"""What every answer has, and what hostile or broken requests get."""

from __future__ import annotations

import json
import logging
import re
from typing import Any

import pytest

JSON = {"Content-Type": "application/json"}


@pytest.mark.parametrize("path", ["/v2.1/servers", "/v2.1/none", "/tuinova/v1/info", "/image/v2/images", "/"])
def test_every_answer_has_the_request_id_and_the_version(running: Any, path: str) -> None:
    answer = running.raw("GET", path)
    ident = answer.headers["x-openstack-request-id"]
    assert re.fullmatch(r"req-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", ident)
    assert answer.headers["x-compute-request-id"] == ident
    assert answer.headers["OpenStack-API-Version"] == "compute 2.96"
    assert answer.headers["X-OpenStack-Nova-API-Version"] == "2.96"


@pytest.mark.parametrize(
    ("method", "path", "code", "body"),
    [
        ("GET", "/none", 404, {"itemNotFound": {"code": 404, "message": "The resource could not be found."}}),
        ("GET", "/v2.1/none", 404, {"itemNotFound": {"code": 404, "message": "The resource could not be found."}}),
        (
            "PATCH",
            "/v2.1/servers",
            405,
            {"badMethod": {"code": 405, "message": "The method specified is not allowed for this resource."}},
        ),
        (
            "GET",
            "/image/v2/images/none",
            404,
            {"code": "404 Not Found", "title": "Not Found", "message": "Image none could not be found."},
        ),
        (
            "GET",
            "/identity/v3/users/none",
            404,
            {"error": {"code": 404, "message": "Could not find user: none.", "title": "Not Found"}},
        ),
    ],
)
def test_errors_read_as_the_face_has_them(running: Any, method: str, path: str, code: int, body: Any) -> None:
    answer = running.raw(method, path)
    assert (answer.status, answer.json) == (code, body)


def test_what_is_allowed_is_said(running: Any) -> None:
    assert running.raw("PATCH", "/v2.1/servers").headers["Allow"] == "GET, HEAD, OPTIONS, POST"
    options = running.raw("OPTIONS", "/v2.1/servers")
    assert (options.status, options.headers["Allow"], options.data) == (204, "GET, HEAD, OPTIONS, POST", b"")


def test_head_has_no_body(running: Any) -> None:
    answer = running.raw("HEAD", "/v2.1/servers")
    assert (answer.status, answer.data) == (200, b"")


@pytest.mark.parametrize("path", ["/v2.1/servers/", "/v2.1", "/v2.1/", "/v2.1/flavors/1/"])
def test_a_closing_slash_is_no_difference(running: Any, path: str) -> None:
    assert running.raw("GET", path).status == 200


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b"nonsense",
        b'{"server": NaN}',
        b'{"server": {"name": "\\ud800", "flavorRef": "1"}}',
        b"[" * 50_000,
        b'{"a":' * 15_000,
        b'{"server": ' + b"9" * 5000 + b"}",
        b'{"server": {"name": "x"}} trailing',
    ],
)
def test_what_is_no_json_is_malformed(running: Any, raw: bytes) -> None:
    answer = running.raw("POST", "/v2.1/servers", raw, JSON)
    assert answer.status == 400
    assert answer.json == {"badRequest": {"code": 400, "message": "Malformed request body"}}


def test_a_huge_body_is_refused_before_it_is_read(running: Any) -> None:
    answer = running.raw("POST", "/v2.1/servers", b"", {**JSON, "Content-Length": str(1 << 40)})
    assert answer.status == 413
    assert answer.json == {"overLimit": {"code": 413, "message": "Request is too large."}}


def test_a_huge_body_without_a_length_is_refused_too(running: Any) -> None:
    chunk = b"10000\r\n" + b" " * 0x10000 + b"\r\n"
    body = chunk * 3 + b"0\r\n\r\n"
    answer = running.raw("POST", "/v2.1/servers", body, {**JSON, "Transfer-Encoding": "chunked", "Content-Length": "0"})
    assert answer.status in (400, 413)


def test_a_foreign_media_type_is_415(running: Any) -> None:
    answer = running.raw("POST", "/v2.1/servers", b"<a/>", {"Content-Type": "application/xml"})
    assert answer.status == 415
    assert answer.json["badMediaType"]["message"] == "Unsupported content type application/xml"


@pytest.mark.parametrize(
    ("headers", "code", "message"),
    [
        ({"X-Tuinova-Username": "nobody"}, 404, "Could not find user: nobody."),
        ({"X-Tuinova-Project-Name": "none"}, 404, "Could not find project: none."),
        (
            {"X-Tuinova-Username": "demo", "X-Tuinova-Project-Name": "admin"},
            403,
            "User demo has no role in project admin.",
        ),
    ],
)
def test_who_nobody_is(running: Any, headers: dict[str, str], code: int, message: str) -> None:
    answer = running.raw("GET", "/v2.1/servers", headers=headers)
    assert answer.status == code
    [body] = answer.json.values()
    assert body["message"] == message


def test_an_unexpected_error_tells_nothing_and_is_logged(
    running: Any, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_args: Any, **_kwargs: Any) -> None:
        raise ZeroDivisionError("secret detail")

    monkeypatch.setattr(running.engine.conductor, "instance_versions", broken)
    with caplog.at_level(logging.ERROR, logger="tuinova.api"):
        answer = running.raw("GET", "/v2.1/servers/detail")
    assert answer.status == 500
    assert "secret" not in answer.data.decode()
    assert answer.json["computeFault"]["code"] == 500
    assert answer.headers["x-openstack-request-id"] in caplog.text
    assert "ZeroDivisionError: secret detail" in caplog.text


@pytest.mark.parametrize(
    "path",
    [
        "/v2.1/servers/%00",
        "/v2.1/servers/..%2f..%2fetc",
        "/v2.1/servers/%ff%fe",
        "/v2.1/servers/" + "x" * 4000,
        "/v2.1/flavors/%0d%0aX-Evil:1",
        "/v2.1/os-keypairs/%27%20OR%201=1",
        "/image/v2/images/..%2f..%2fserve.lock",
        "/image/v2/images/%2e%2e/file",
        "/v2.1/servers/a/metadata/%00",
    ],
)
def test_a_hostile_path_is_not_found(running: Any, path: str) -> None:
    answer = running.raw("GET", path)
    assert answer.status == 404
    assert "X-Evil" not in answer.headers


def test_a_forged_request_id_is_no_line_of_the_log(running: Any, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG, logger="tuinova.api"):
        running.raw("GET", "/v2.1/servers", headers={"X-OpenStack-Request-ID": "x" * 300})
        running.raw("GET", "/v2.1/servers", headers={"X-OpenStack-Request-ID": "req-mine"})
    assert "x" * 300 not in caplog.text
    assert "(client: req-mine)" in caplog.text


def test_the_version_documents(running: Any) -> None:
    assert running.raw("GET", "/").json["versions"][0]["version"] == "2.96"
    document = running.raw("GET", "/v2.1/").json["version"]
    assert {"id", "status", "version", "min_version", "updated", "links", "media-types"} == set(document)
    assert running.raw("GET", "/image/").status == 300
    assert running.raw("GET", "/identity/").json["versions"]["values"][0]["id"] == "v3.14"
    assert json.loads(running.raw("GET", "/identity/v3").data)["version"]["status"] == "stable"
