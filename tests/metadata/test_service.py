"""The metadata service among hostile clients: who asks is known by where he asks, and nobody can hold it up."""

from __future__ import annotations

import json
import socket
import time

import pytest

from tests.metadata.conftest import KEY, MAC, UUID, Guests, Served, options, parsed, read_all
from tuinova.core.conductor import DatabaseUnavailable
from tuinova.metadata.answers import Answers
from tuinova.metadata.limits import RateLimits
from tuinova.metadata.service import MetadataOptions, MetadataService
from tuinova.metadata.ways import NoWay, Ways

OTHER = "6b1f0c1e-7475-696e-6f76-612d6f746865"


def test_a_guest_is_told_what_it_is(served: Served) -> None:
    said = served.get("/openstack/latest/meta_data.json")
    assert (said.status, said.headers["content-type"]) == (200, "application/json")
    assert json.loads(said.body)["uuid"] == UUID
    key = served.get("/latest/meta-data/public-keys/0/openssh-key")
    assert (key.text, key.headers["content-type"]) == (KEY, "text/plain; charset=UTF-8")


def test_guests_are_told_apart_by_their_address(served: Served) -> None:
    served.guests.add("net", "127.0.0.7", uuid=OTHER, hostname="vm7")
    assert served.get("/latest/meta-data/hostname").text == "vm1.novalocal"
    assert served.get("/latest/meta-data/hostname", source="127.0.0.7").text == "vm7.novalocal"


@pytest.mark.parametrize("path", ["/", "/openstack", "/latest/meta-data/", "/openstack/latest/meta_data.json", "/x"])
def test_a_stranger_is_told_nothing(served: Served, path: str) -> None:
    said = served.get(path, source="127.0.0.9")
    assert (said.status, said.body) == (404, b"404 Not Found\n")


@pytest.mark.parametrize(
    "header",
    [
        "X-Forwarded-For: 127.0.0.1",
        "Forwarded: for=127.0.0.1",
        f"X-Instance-ID: {UUID}",
        "X-Tenant-ID: p",
        "X-Real-IP: 127.0.0.1",
        "X-Neutron-Network-ID: net",
    ],
)
def test_no_header_makes_a_guest_of_a_stranger(served: Served, header: str) -> None:
    assert served.get("/latest/meta-data/hostname", header, source="127.0.0.9").status == 404


def test_no_header_makes_a_guest_another_one(served: Served) -> None:
    served.guests.add("net", "127.0.0.7", uuid=OTHER, hostname="vm7")
    said = served.get("/latest/meta-data/hostname", "X-Forwarded-For: 127.0.0.7", f"X-Instance-ID: {OTHER}")
    assert said.text == "vm1.novalocal"


def test_an_address_of_another_network_is_a_stranger_here(guests: Guests, loopback: None) -> None:
    guests.add("other", "127.0.0.7", uuid=OTHER)
    with Served(guests, {"net": "lo"}, options()) as served:
        assert served.get("/latest/", source="127.0.0.7").status == 404


def test_whose_interface_answers_for_an_address_must_be_its_port(guests: Guests, loopback: None) -> None:
    macs = {"127.0.0.1": MAC.upper().lower(), "127.0.0.7": "fa:16:3e:66:66:66"}
    guests.add("net", "127.0.0.7", uuid=OTHER)
    with Served(guests, {"net": "lo"}, options(), neighbour=lambda _interface, address: macs[address]) as served:
        assert served.get("/latest/").status == 200
        assert served.get("/latest/", source="127.0.0.7").status == 404


def test_a_server_that_is_gone_is_not_told_any_more(served: Served) -> None:
    assert served.get("/latest/").status == 200
    del served.guests.instances[UUID]
    assert served.get("/latest/").status == 404


# what is kept --------------------------------------------------------------------------------------------------------
def test_the_tree_is_made_once_and_again_when_the_row_has_changed(served: Served) -> None:
    for _ in range(5):
        served.get("/openstack/latest/meta_data.json")
    assert served.guests.made == 1
    served.guests.change(metadata={"role": "web"})
    assert json.loads(served.get("/openstack/latest/meta_data.json").body)["meta"] == {"role": "web"}
    assert served.guests.made == 2


def test_what_is_kept_is_made_anew_after_a_while(guests: Guests, loopback: None) -> None:
    now = [0.0]
    with Served(guests, {"net": "lo"}, options(), expiration=15, clock=lambda: now[0]) as served:
        served.get("/latest/")
        now[0] = 14
        served.get("/latest/")
        assert guests.made == 1
        now[0] = 16
        served.get("/latest/")
        assert guests.made == 2


# the password --------------------------------------------------------------------------------------------------------
PASSWORD = "/openstack/latest/password"


def test_a_password_is_posted_once(served: Served) -> None:
    assert served.get(PASSWORD).text == ""
    assert served.get(PASSWORD, method="POST", body=b"c2VjcmV0" * 80).status == 200
    assert served.get(PASSWORD).body == b"c2VjcmV0" * 80
    assert served.get(PASSWORD, method="POST", body=b"other").status == 409
    assert served.get(PASSWORD).body == b"c2VjcmV0" * 80


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", PASSWORD, b"x" * 1020, 200),
        ("POST", PASSWORD, b"x" * 1021, 400),
        ("POST", PASSWORD, b"\x1b[2J", 400),
        ("POST", PASSWORD, b"\xff", 400),
        ("PUT", PASSWORD, b"x", 400),
        ("DELETE", PASSWORD, b"", 400),
        ("POST", "/openstack/2012-08-10/password", b"x", 404),
        ("POST", "/latest/meta-data/hostname", b"x", 405),
        ("PUT", "/latest/api/token", b"", 404),
    ],
)
def test_what_may_be_sent(served: Served, method: str, path: str, body: bytes, status: int) -> None:
    assert served.get(path, method=method, body=body).status == status


def test_a_head_has_no_body(served: Served) -> None:
    said = served.get("/latest/meta-data/hostname", method="HEAD")
    assert (said.status, said.body, said.headers["content-length"]) == (200, b"", "13")


# hostile clients -----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/openstack/latest/../../../../etc/passwd", 404),
        ("/%2e%2e/%2e%2e/etc/passwd", 404),
        ("/openstack/latest/%2e%2e/latest/password", 200),
        ("/latest/meta-data/hostname%00", 404),
        ("/latest/meta-data/hostname?x=../..", 200),
        ("http://169.254.169.254/latest/meta-data/hostname", 200),
        ("/%ff%fe", 404),
        ("/" + "../" * 500, 200),
    ],
)
def test_paths_lead_nowhere_but_into_the_tree(served: Served, path: str, status: int) -> None:
    said = served.get(path)
    assert said.status == status
    assert b"root:" not in said.body


HOST = b"Host: x\r\n"


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"GET / HTTP/1.1\r\n" + HOST + b"X: " + b"a" * 20000 + b"\r\n\r\n", 431),
        (b"GET /" + b"a" * 20000 + b" HTTP/1.1\r\n" + HOST + b"\r\n", 431),
        (b"GET / HTTP/1.1\r\n" + HOST + b"a: b\r\n" * 3000 + b"\r\n", 431),
        (b"POST /openstack/latest/password HTTP/1.1\r\n" + HOST + b"Content-Length: 5000\r\n\r\n" + b"x" * 5000, 413),
        (
            b"POST / HTTP/1.1\r\n"
            + HOST
            + b"Transfer-Encoding: chunked\r\n\r\n"
            + b"1000\r\n"
            + b"x" * 4096
            + b"\r\n1\r\nx",
            413,
        ),
        (b"GET / HTTP/1.1\r\nX: no host\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n" + HOST + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n" + HOST + b"Content-Length: -1\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n" + HOST + b"bad header\r\n\r\n", 400),
    ],
)
def test_what_is_too_large_or_broken_is_refused(served: Served, request_: bytes, status: int) -> None:
    assert parsed(served.raw(request_)).status == status
    assert served.get("/latest/").status == 200


def test_requests_on_one_connection(served: Served) -> None:
    with served.connect(address="127.0.0.1") as client:
        for _ in range(3):
            client.sendall(b"GET /latest/meta-data/hostname HTTP/1.1\r\nHost: x\r\n\r\n")
            data = b""
            while not data.endswith(b"vm1.novalocal"):
                data += client.recv(4096)


def test_a_client_that_sends_slowly_is_cut_off(guests: Guests, loopback: None) -> None:
    with (
        Served(guests, {"net": "lo"}, options(request_seconds=0.5)) as served,
        served.connect(address="127.0.0.1") as slow,
    ):
        started = time.monotonic()
        slow.sendall(b"GET / HTTP/1.1\r\n")
        with pytest.raises((BrokenPipeError, ConnectionResetError)):
            _drip(slow)
        assert 0.4 < time.monotonic() - started < 3
        assert served.get("/latest/").status == 200


def _drip(slow: socket.socket) -> None:
    for _ in range(100):
        slow.sendall(b"X: y\r\n")
        time.sleep(0.05)


def test_a_client_that_says_nothing_more_is_let_go(guests: Guests, loopback: None) -> None:
    with (
        Served(guests, {"net": "lo"}, options(idle_seconds=0.3)) as served,
        served.connect(address="127.0.0.1") as idle,
    ):
        idle.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        started = time.monotonic()
        assert read_all(idle)
        assert time.monotonic() - started < 3


def test_one_address_can_not_take_all_connections(guests: Guests, loopback: None) -> None:
    guests.add("net", "127.0.0.7", uuid=OTHER, hostname="vm7")
    with Served(guests, {"net": "lo"}, options(connections_of_one=4)) as served:
        held = [served.connect("127.0.0.1", "127.0.0.1") for _ in range(4)]
        try:
            fifth = served.connect("127.0.0.1", "127.0.0.1")
            assert read_all(fifth) == b""
            fifth.close()
            assert served.get("/latest/meta-data/hostname", source="127.0.0.7").text == "vm7.novalocal"
        finally:
            for one in held:
                one.close()
        served.until(lambda: _answers(served))


def _answers(served: Served) -> bool:
    try:
        return served.get("/latest/").status == 200
    except (ValueError, IndexError, OSError):
        return False


def test_who_asks_too_often_is_told_when_to_come_back(guests: Guests, loopback: None) -> None:
    guests.add("net", "127.0.0.7", uuid=OTHER)
    rates = RateLimits(
        base_window_duration=60, base_query_rate_limit=600, burst_window_duration=20, burst_query_rate_limit=5
    )
    with Served(guests, {"net": "lo"}, options(rates=rates)) as served:
        assert [served.get("/latest/").status for _ in range(5)] == [200] * 5
        refused = served.get("/latest/")
        assert (refused.status, 1 <= int(refused.headers["retry-after"]) <= 4) == (429, True)
        assert served.get("/latest/", source="127.0.0.7").status == 200


def test_a_database_that_is_away_is_no_secret_and_no_end(guests: Guests, loopback: None) -> None:
    away = [True]

    def guest_at(host: str, network: str, address: str) -> tuple[str, str] | None:
        if away[0]:
            raise DatabaseUnavailable(reason="disk is full at /secret")
        return guests.known.get((host, network, address))

    guests.guest_at = guest_at  # type: ignore[method-assign]
    with Served(guests, {"net": "lo"}, options()) as served:
        said = served.get("/latest/")
        assert said.status in (500, 503)
        assert b"secret" not in said.body
        away[0] = False
        assert served.get("/latest/").status == 200


# networks that come and go -------------------------------------------------------------------------------------------
def test_a_network_that_goes_takes_its_listener_with_it(served: Served) -> None:
    assert served.get("/latest/").status == 200
    served.interfaces.clear()
    served.service.look()
    served.until(lambda: not served.service.links())
    with pytest.raises(OSError), socket.create_connection(("127.0.0.1", served.port), 2):
        pass
    served.interfaces["net"] = "lo"
    served.service.look()
    served.until(lambda: served.service.links())
    assert served.get("/latest/").status == 200


def test_an_interface_that_is_not_here_is_left_alone(guests: Guests, loopback: None) -> None:
    with Served(guests, {}, options()) as served:
        served.interfaces["net"] = "tnv-none0"
        served.service.look()
        time.sleep(0.4)
        assert (served.service.links(), list(served.service.warnings())) == ([], [])


def test_what_may_not_be_listened_on_is_a_warning(guests: Guests, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(interface: str, port: int) -> socket.socket:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr("tuinova.metadata.listeners.listen", refuse)
    with Served(guests, {"net": "lo"}, options()) as served:
        (warning,) = served.service.warnings()
        assert "net of cmp1 (lo): only root" in warning


def test_rules_that_can_not_be_set_are_a_warning_and_nothing_listens(guests: Guests, loopback: None) -> None:
    class Forbidden(Ways):
        def sweep(self) -> None:
            raise NoWay("ip rule show: no")

        def open(self, interface: str) -> None:
            raise NoWay("ip rule add: Operation not permitted")

    with Served(guests, {"net": "lo"}, options(), Forbidden()) as served:
        (warning,) = served.service.warnings()
        assert "ip rule add: Operation not permitted" in warning
        assert served.service.links() == []


def test_a_service_that_is_turned_off_listens_nowhere(guests: Guests) -> None:
    asked: list[bool] = []

    def links() -> dict[str, dict[str, str]]:
        asked.append(True)
        return {}

    service = MetadataService(Answers(guests, lambda _host: guests), links, MetadataOptions(enabled=False))
    service.start()
    service.look()
    service.stop()
    assert (asked, service.links(), list(service.warnings())) == ([], [], [])
