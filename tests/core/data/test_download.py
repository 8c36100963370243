"""Downloads: whole, taken up again, never spliced, and only from where they may come."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.web import Web, certificate, web_server
from tuinova.core.errors import DownloadRefused, ImageStorageFull
from tuinova.core.image_import import download as module
from tuinova.core.image_import.download import Download, DownloadGivenUp
from tuinova.core.image_import.fetch import Fetcher
from tuinova.core.image_import.part import Part
from tuinova.core.image_import.rules import DownloadRules

DATA = os.urandom(3 << 20)
OTHER = os.urandom(3 << 20)
OLD = "Mon, 01 Jan 2024 00:00:00 GMT"


@pytest.fixture
def web() -> Iterator[Web]:
    with web_server() as server:
        yield server


@pytest.fixture
def part(tmp_path: Path) -> Part:
    return Part(tmp_path / "data", tmp_path / "note")


class Getting:
    """A download with everything that a test may want to see or set."""

    def __init__(self, part: Part, **rules: Any) -> None:
        self.part = part
        self.rules = DownloadRules(**{"allow_private_addresses": True, "timeout": 5.0, "attempts": 3, **rules})
        self.fetcher = Fetcher(self.rules)
        self.told: list[tuple[int, int | None]] = []
        self.pauses: list[float] = []
        self.in_a_pause: Callable[[], object] = bool

    def pause(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.in_a_pause()

    def run(self, uri: str, *, verified: bool = False) -> bytes:
        told = self.told
        Download(self.fetcher, self.part, uri, lambda *how: told.append(how), verified=verified, pause=self.pause).run()
        return self.part.data.read_bytes()


def ranges(web: Web) -> list[str | None]:
    return [headers.get("Range") for _path, headers in web.asked]


def test_a_file_comes_whole(web: Web, part: Part) -> None:
    getting = Getting(part)
    assert getting.run(web.serve("/a", DATA)) == DATA
    assert getting.told[0] == (0, len(DATA))
    assert web.asked[0][1]["Accept-Encoding"] == "identity"
    assert web.asked[0][1]["Host"] == f"127.0.0.1:{web.port}"
    assert getting.pauses == []


@pytest.mark.parametrize("how", [{}, {"etag": None, "modified": OLD}])
def test_a_broken_connection_is_taken_up_where_it_broke(web: Web, part: Part, how: dict[str, Any]) -> None:
    url = web.serve("/a", DATA, breaks=[1_500_000, 100_000, 0], **how)
    assert Getting(part, attempts=4).run(url) == DATA
    assert ranges(web) == [None, "bytes=1500000-", "bytes=1600000-", "bytes=1600000-"]
    assert web.sent == len(DATA)


@pytest.mark.parametrize(
    "how", [{"etag": None}, {"etag": 'W/"weak"'}, {"ranges": False}, {"etag": None, "modified": "rubbish"}]
)
def test_without_proof_it_begins_again(web: Web, part: Part, how: dict[str, Any]) -> None:
    assert Getting(part).run(web.serve("/a", DATA, breaks=[1_500_000], **how)) == DATA
    assert web.sent == len(DATA) + 1_500_000


def test_a_file_that_has_changed_is_not_spliced(web: Web, part: Part) -> None:
    url = web.serve("/a", DATA, breaks=[1_500_000])
    getting = Getting(part)
    getting.in_a_pause = lambda: web.serve("/a", OTHER, etag='"two"')
    assert getting.run(url) == OTHER
    assert ranges(web) == [None, "bytes=1500000-"]


@pytest.mark.parametrize("how", [{"first_byte": 7}, {"headers": {"ETag": '"other"'}, "etag": None}])
def test_a_part_of_something_else_is_not_spliced(web: Web, part: Part, how: dict[str, Any]) -> None:
    url = web.serve("/a", DATA, breaks=[1_500_000])
    getting = Getting(part)
    seen = 0

    def pause(_seconds: float) -> None:
        nonlocal seen
        seen += 1
        if seen == 1:
            lying = web.files["/a"]
            web.serve("/a", DATA, **how)
            if how.get("headers"):  # answers 206 with another ETag to any If-Range
                web.files["/a"].modified = lying.etag
        else:
            web.serve("/a", DATA)

    Download(getting.fetcher, part, url, lambda *_how: None, verified=False, pause=pause).run()
    assert part.data.read_bytes() == DATA


def test_what_a_killed_service_left_is_gone_on_with(web: Web, part: Part) -> None:
    url = web.serve("/a", DATA, breaks=[2_000_000])
    getting = Getting(part)
    with pytest.raises(KeyboardInterrupt):
        Download(getting.fetcher, part, url, lambda *_how: None, verified=False, pause=_interrupt).run()
    with part.data.open("ab") as file:
        file.write(b"behind what was synced")
    again = Part(part.data, part._note_path)
    assert Getting(again).run(url) == DATA
    assert ranges(web) == [None, "bytes=2000000-"]
    # Once more: it is whole, so nothing is asked for.
    assert Getting(again).run(url) == DATA
    assert len(web.asked) == 2


def _interrupt(_seconds: float) -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize("note", ["", "{", "[]", '{"uri": 1}', '{"uri": "u", "url": "u", "synced": 99999999}'])
def test_a_note_that_is_damaged_is_nothing_to_build_on(web: Web, part: Part, note: str) -> None:
    part.data.write_bytes(b"old")
    part._note_path.write_text(note)
    assert Getting(part).run(web.serve("/a", DATA)) == DATA


def test_another_uri_begins_anew(web: Web, part: Part) -> None:
    url = web.serve("/a", DATA, breaks=[2_000_000])
    with pytest.raises(KeyboardInterrupt):
        Download(Getting(part).fetcher, part, url, lambda *_how: None, verified=False, pause=_interrupt).run()
    assert Getting(part).run(web.serve("/b", OTHER)) == OTHER
    assert ranges(web)[-1] is None


def test_it_is_given_up_when_connections_bring_nothing(web: Web, part: Part) -> None:
    getting = Getting(part)
    with pytest.raises(DownloadGivenUp, match=r"3 attempts"):
        getting.run(web.serve("/a", DATA, breaks=[10] * 9))
    assert getting.pauses == [1.0, 2.0, 0.0]
    assert len(web.asked) == 3


def test_connections_that_bring_something_never_count_up(web: Web, part: Part) -> None:
    big = os.urandom(9 << 20)
    assert Getting(part, attempts=2).run(web.serve("/a", big, breaks=[(1 << 20) + 1] * 8)) == big


def test_without_a_length_the_end_is_the_end(web: Web, part: Part) -> None:
    assert Getting(part).run(web.serve("/a", DATA, length=False)) == DATA


@pytest.mark.parametrize("status", [403, 404, 410, 418])
def test_a_server_that_refuses_is_believed_at_once(web: Web, part: Part, status: int) -> None:
    with pytest.raises(DownloadRefused, match=f"the server answers {status}"):
        Getting(part).run(web.serve("/a", b"", status=status))
    assert len(web.asked) == 1


def test_a_server_that_is_busy_is_asked_again(web: Web, part: Part) -> None:
    with pytest.raises(DownloadGivenUp, match="503"):
        Getting(part).run(web.serve("/a", b"", status=503))
    assert len(web.asked) == 3


def test_redirects_are_followed_as_far_as_the_rules_say(web: Web, part: Part) -> None:
    web.serve("/c", DATA, breaks=[1_500_000])
    web.serve("/b", status=302, location="/c")
    url = web.serve("/a", status=301, location=web.url("/b"))
    assert Getting(part, redirects=2).run(url) == DATA
    assert [path for path, _headers in web.asked] == ["/a", "/b", "/c", "/c"]  # it goes on where the way ended
    with pytest.raises(DownloadRefused, match="more than 1 redirects"):
        Getting(Part(part.data.with_name("x"), part.data.with_name("y")), redirects=1).run(url)


@pytest.mark.parametrize(
    ("location", "why"),
    [
        ("http://169.254.169.254/latest/meta-data", "169.254.169.254 is no public address"),
        ("http://[::1]:80/", "::1 is no public address"),
        ("file:///etc/passwd", "scheme 'file'"),
        ("ftp://example.org/", "scheme 'ftp'"),
        ("http://user@127.0.0.1/", "it has a user"),
        ("", "a redirect to nowhere"),
    ],
)
def test_a_redirect_leads_nowhere_that_is_refused(web: Web, part: Part, location: str, why: str) -> None:
    url = web.serve("/a", status=302, location=location)
    with pytest.raises(DownloadRefused) as caught:
        Getting(part, allow_private_addresses=False, private_hosts=("127.0.0.1",)).run(url)
    assert why in caught.value.message


def test_only_a_checksum_allows_the_way_from_https_to_http() -> None:
    from tuinova.core.image_import.fetch import _next
    from tuinova.core.image_import.rules import parse_url

    secure = parse_url("https://example.org/a")
    with pytest.raises(DownloadRefused, match="only followed with a checksum"):
        _next(secure, "http://example.org/b", False)
    assert _next(secure, "http://example.org/b", True).scheme == "http"
    assert _next(secure, "/b", False).url == "https://example.org/b"


def test_a_name_is_resolved_once_and_the_connection_goes_to_what_was_looked_at(web: Web, part: Part) -> None:
    """A name that answers with a public address first and with a private one then (DNS rebinding) gains nothing."""
    asked: list[str] = []

    def resolve(host: str, port: int, **_kind: Any) -> list[tuple[Any, ...]]:
        asked.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", web.port))]

    web.serve("/a", DATA)
    url = f"http://rebinding.example:{web.port}/a"
    getting = Getting(part, allow_private_addresses=False)
    getting.fetcher = Fetcher(getting.rules, resolve)
    with pytest.raises(DownloadRefused, match=r"rebinding\.example \(127\.0\.0\.1\) is no public address"):
        getting.run(url)
    assert (web.asked, asked) == ([], ["rebinding.example"])
    getting = Getting(part, allow_private_addresses=False, private_hosts=("rebinding.example",))
    getting.fetcher = Fetcher(getting.rules, resolve)
    assert getting.run(url) == DATA
    assert asked == ["rebinding.example"] * 2


def test_only_the_addresses_that_are_permitted_are_tried(web: Web, part: Part) -> None:
    def resolve(host: str, port: int, **_kind: Any) -> list[tuple[Any, ...]]:
        return [
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("10.255.255.1", 9)),
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", web.port)),
        ]

    getting = Getting(part, allow_private_addresses=False, private_hosts=("127.0.0.0/8",))
    getting.fetcher = Fetcher(getting.rules, resolve)
    web.serve("/a", DATA)
    begun = time.monotonic()
    assert getting.run(f"http://two.example:{web.port}/a") == DATA
    assert time.monotonic() - begun < 4


def test_too_much_is_not_taken(web: Web, part: Part) -> None:
    for how in ({}, {"length": False}):
        with pytest.raises(DownloadRefused, match="it has more than 1000000 bytes"):
            Getting(part, max_bytes=1_000_000).run(web.serve("/a", DATA, **how))
        assert not part.data.exists() or part.data.stat().st_size <= 1_000_000


def test_what_can_not_fit_is_not_begun(web: Web, part: Part, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module.shutil, "disk_usage", lambda _path: type("Usage", (), {"free": 1_000})())
    with pytest.raises(ImageStorageFull, match=f"{len(DATA)} bytes are needed, 1000 are free"):
        Getting(part).run(web.serve("/a", DATA))


def test_a_connection_that_stands_still_or_crawls_is_broken(web: Web, part: Part) -> None:
    with pytest.raises(DownloadGivenUp, match="timed out"):
        Getting(part, timeout=0.3, attempts=1).run(web.serve("/a", DATA, hold=threading.Event()))
    with pytest.raises(DownloadGivenUp, match="bytes came in"):
        Getting(part, timeout=0.3, attempts=1).run(web.serve("/b", DATA, piece=10, pause=0.05))


def test_data_in_another_encoding_is_refused(web: Web, part: Part) -> None:
    with pytest.raises(DownloadRefused, match="another encoding"):
        Getting(part).run(web.serve("/a", DATA, headers={"Content-Encoding": "gzip"}))


def test_a_close_from_another_thread_ends_a_connection(web: Web, part: Part) -> None:
    getting = Getting(part, attempts=1)
    url = web.serve("/a", DATA, hold=threading.Event())
    threading.Timer(0.2, getting.fetcher.close).start()
    begun = time.monotonic()
    with pytest.raises(DownloadGivenUp):
        getting.run(url)
    assert time.monotonic() - begun < 3


def test_a_link_in_the_place_of_the_data_is_not_followed(web: Web, part: Part, tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_text("keep")
    part.data.symlink_to(precious)
    with pytest.raises(OSError, match="symbolic link"):
        Getting(part).run(web.serve("/a", DATA))
    assert precious.read_text() == "keep"


# https ---------------------------------------------------------------------------------------------------------------
def test_https_is_taken_only_with_a_certificate_of_that_host(
    part: Part, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tls, authority = certificate(tmp_path)
    with web_server(tls) as web:
        web.serve("/a", DATA, breaks=[1_500_000])
        url = web.url("/a", "localhost")
        monkeypatch.delenv("SSL_CERT_FILE", raising=False)
        with pytest.raises(DownloadRefused, match="the certificate of localhost is not valid: self-signed certificate"):
            Getting(part).run(url)
        monkeypatch.setenv("SSL_CERT_FILE", str(authority))
        assert Getting(part).run(url) == DATA
        assert ranges(web) == [None, "bytes=1500000-"]
        with pytest.raises(DownloadRefused, match=r"the certificate of 127\.0\.0\.1 is not valid"):
            Getting(Part(tmp_path / "x", tmp_path / "y")).run(web.url("/a"))
        assert len(web.asked) == 2  # nothing is asked before the certificate was looked at
