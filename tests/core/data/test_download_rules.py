"""What a download may reach, and how published checksums are read."""

from __future__ import annotations

import ipaddress

import pytest

from tuinova.core.errors import DownloadRefused
from tuinova.core.image_import.checksums import find_checksum, parse_checksum
from tuinova.core.image_import.rules import DownloadRules, check_literal, is_public, parse_url

A, B = "a" * 64, "b" * 64


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "127.8.8.8", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1"),
        *("0.0.0.0", "224.0.0.1", "239.1.1.1", "255.255.255.255", "240.0.0.1", "192.0.2.1", "198.18.0.1"),
        *("::1", "::", "fe80::1", "fc00::1", "fec0::1", "ff02::1", "2001:db8::1", "::127.0.0.1"),
        *("::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "2002:7f00:1::"),
    ],
)
def test_what_is_not_of_the_internet_is_not_reached(address: str) -> None:
    assert not is_public(ipaddress.ip_address(address))
    assert not DownloadRules().permits("example.org", address)


@pytest.mark.parametrize(
    "address", ["1.1.1.1", "151.101.2.132", "2606:4700::1111", "::ffff:1.1.1.1", "64:ff9b::101:101"]
)
def test_what_is_of_the_internet_is(address: str) -> None:
    assert DownloadRules().permits("example.org", address)


def test_what_opens_the_way_to_private_addresses() -> None:
    listed = DownloadRules(private_hosts=("mirror.lan", "10.9.0.0/16", "192.168.1.7"))
    assert listed.permits("mirror.lan", "172.16.0.1")
    assert listed.permits("MIRROR.lan", "172.16.0.1")
    assert listed.permits("elsewhere", "10.9.1.1")
    assert listed.permits("elsewhere", "192.168.1.7")
    assert not listed.permits("elsewhere", "10.8.1.1")
    assert not listed.permits("evil.mirror.lan", "172.16.0.1")
    assert DownloadRules(allow_private_addresses=True).permits("x", "127.0.0.1")
    assert not DownloadRules(allow_private_addresses=True).permits("x", "224.0.0.1")
    assert not DownloadRules(allow_private_addresses=True).permits("x", "no address")


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("ftp://example.org/a", "scheme 'ftp' is none of http, https"),
        ("file:///etc/passwd", "scheme 'file'"),
        ("gopher://example.org/", "scheme 'gopher'"),
        ("example.org/a", "scheme 'none'"),
        ("http:///a", "it names no host"),
        ("http://user:secret@example.org/a", "it has a user or a password"),
        ("http://example.org:0/", "port 0"),
        ("http://example.org:99999/", "Port out of range"),
        ("http://[fe80::1%25eth0]/", "it names no host"),
        ("http://[::1/", "Invalid IPv6 URL"),
        ("http://example.org/a b", "no spaces"),
        ("http://example.org/\r\nHost: evil", "no spaces"),
        ("http://example.org/\u0430", "printable ASCII"),
        ("http://example.org/" + "a" * 3000, "at most 2048"),
    ],
)
def test_a_url_that_is_refused_by_its_text(url: str, why: str) -> None:
    with pytest.raises(DownloadRefused) as caught:
        parse_url(url)
    assert why in caught.value.message
    assert "secret" not in caught.value.message


def test_a_url_taken_apart() -> None:
    target = parse_url("https://Example.org/a/b.qcow2?x=1#top")
    assert (target.host, target.port, target.path) == ("example.org", 443, "/a/b.qcow2?x=1")
    assert target.url == "https://Example.org/a/b.qcow2?x=1"
    assert parse_url("http://example.org").path == "/"


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "169.254.169.254", "[::ffff:10.0.0.1]"])
def test_an_address_in_the_url_is_refused_at_once(host: str) -> None:
    target = parse_url(f"http://{host}/x")
    with pytest.raises(DownloadRefused, match="is no public address"):
        check_literal(DownloadRules(), target)
    check_literal(DownloadRules(allow_private_addresses=True), target)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (f"{A}  other.img\n{B}  disk.img\n", f"sha256:{B}"),
        (f"{A} *other.img\n{B} *disk.img\n", f"sha256:{B}"),
        (f"{B}  ./images/disk.img\n", f"sha256:{B}"),
        (f"-----BEGIN PGP SIGNED MESSAGE-----\n# disk.img: 12 bytes\nSHA256 (disk.img) = {B}\n", f"sha256:{B}"),
        (f"SHA512 (disk.img) = {A}{B}\n", f"sha512:{A}{B}"),
        (f"{'c' * 32}  disk.img", f"md5:{'c' * 32}"),
        (f"{A}{B}\n", f"sha512:{A}{B}"),
        (f"{B.upper()}  disk.img\n", f"sha256:{B}"),
    ],
)
def test_lists_of_checksums_of_every_kind(text: str, found: str) -> None:
    assert str(find_checksum(text, "disk.img")) == found


@pytest.mark.parametrize(
    "text", ["", f"{A}  other.img", f"{A}\n{B}\n", "disk.img", "xyz  disk.img", f"{'a' * 40}  disk.img"]
)
def test_a_list_without_the_file(text: str) -> None:
    with pytest.raises(DownloadRefused, match=r"have none for disk\.img"):
        find_checksum(text, "disk.img")


def test_the_list_of_one_file_may_name_it_otherwise() -> None:
    text = f"# a comment\nSHA256 (disk-9.4.1.img) = {B}\n"
    with pytest.raises(DownloadRefused):
        find_checksum(text, "disk.img")
    assert str(find_checksum(text, "disk.img", of_one=True)) == f"sha256:{B}"
    with pytest.raises(DownloadRefused):
        find_checksum(f"{A}  x.img\n{B}  y.img\n", "disk.img", of_one=True)


@pytest.mark.parametrize("text", ["", A, f"sha1:{'a' * 40}", "sha256:abc", f"sha256:{'g' * 64}", "md5:"])
def test_a_checksum_that_is_none(text: str) -> None:
    with pytest.raises(DownloadRefused):
        parse_checksum(text)
    assert str(parse_checksum(f" SHA256:{A.upper()} ")) == f"sha256:{A}"
