"""`tuinova keypair`: pairs are made here, public halves imported, certificates too."""

from __future__ import annotations

import base64
import stat
import struct
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.x509.oid import NameOID

from tuinova.client import Client

Type = Callable[..., Any]
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ6jP0t6n0r2hvVVjoyR1mMn4vYH5Cjwq7mDOCw1oKzT somebody@somewhere"
DEMO = {"user": "demo", "project": "demo"}


@pytest.fixture(autouse=True)
def none_left(admin: Client) -> Iterator[None]:
    yield
    for user in admin.users.list():
        for pair in admin.keypairs.list(user["id"]):
            admin.keypairs.delete(pair["name"], user["id"])


@pytest.fixture(scope="module")
def certificate() -> x509.Certificate:
    key = Ed25519PrivateKey.generate()
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "administrator")])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, now, now + timedelta(days=1))
    return builder.sign(key, None)


def blob(*parts: bytes) -> str:
    return base64.b64encode(b"".join(struct.pack(">I", len(part)) + part for part in parts)).decode()


def test_a_new_pair_is_printed_and_only_its_public_half_is_kept(typed: Type, admin: Client) -> None:
    private = typed("keypair", "create", "k").out
    key = serialization.load_ssh_private_key(private.encode(), None)
    assert isinstance(key, Ed25519PrivateKey)
    public = key.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    kept = admin.keypairs.get("k")
    assert kept["public_key"].encode() == public
    assert "PRIVATE" not in str(kept)
    assert typed("keypair", "show", "--public-key", "k").out == public.decode() + "\n"


def test_a_new_pair_is_saved_for_its_owner_alone(typed: Type, tmp_path: Path) -> None:
    path = tmp_path / "id"
    made = typed("keypair", "create", "--private-key", str(path), "k", "-f", "json").json
    assert list(made) == ["created_at", "fingerprint", "id", "is_deleted", "name", "type", "user_id"]
    assert (made["id"], made["type"], made["is_deleted"], made["fingerprint"].count(":")) == ("k", "ssh", False, 15)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert "OPENSSH PRIVATE KEY" in path.read_text()
    assert typed("keypair", "show", "k", "-f", "json").json == made
    again = typed("keypair", "create", "--private-key", str(path), "other")
    assert (again.code, again.err) == (1, f"'{path}' exists already: choose another file\n")
    assert typed("keypair", "show", "other").code == 1


def test_a_pair_that_is_refused_leaves_no_file_and_one_that_cannot_be_saved_no_pair(
    typed: Type, tmp_path: Path
) -> None:
    typed("keypair", "create", "k")
    refused = typed("keypair", "create", "--private-key", str(tmp_path / "id"), "k")
    assert "Key pair 'k' already exists. (HTTP 409)" in refused.err
    assert list(tmp_path.iterdir()) == []
    lost = typed("keypair", "create", "--private-key", str(tmp_path / "none" / "id"), "l")
    assert "No such file or directory" in lost.err
    assert [row["Name"] for row in typed("keypair", "list", "-f", "json").json] == ["k"]


def test_a_certificate_is_imported_and_told_to_the_guest(
    typed: Type, tmp_path: Path, certificate: x509.Certificate, running: Any, admin: Client
) -> None:
    pem = certificate.public_bytes(serialization.Encoding.PEM).decode()
    path = tmp_path / "cert.pem"
    path.write_text(pem)
    made = typed("keypair", "create", "--type", "x509", "--public-key", str(path), "win", "-f", "json").json
    digest = certificate.fingerprint(hashes.SHA1()).hex()
    assert made["fingerprint"] == ":".join(digest[at : at + 2] for at in range(0, len(digest), 2))
    assert made["type"] == "x509"
    server = running.boot(admin, name="w", key_name="win", config_drive=True)
    instance = running.engine.conductor.instance(server["id"])
    assert (instance.key_data["type"], instance.key_data["public_key"].strip()) == ("x509", pem.strip())
    told = running.engine.drivers[instance.host].store.directory / "guests" / server["id"]
    documents = [path.read_text() for path in told.rglob("meta_data.json")]
    assert documents
    assert any('"type": "x509"' in text or '"type":"x509"' in text for text in documents)
    running.remove(admin, server["id"])


@pytest.mark.parametrize(
    ("text", "kind", "reason"),
    [
        ("hello", "ssh", "failed to generate fingerprint"),
        ("ssh-ed25519 AAAA", "ssh", "failed to generate fingerprint"),
        (f"ssh-ed25519 {blob(b'ssh-ed25519', b'x' * 31)}", "ssh", "failed to generate fingerprint"),
        (f"ssh-rsa {blob(b'ssh-rsa', b'rubbish')}", "ssh", "failed to generate fingerprint"),
        (f"ssh-made-up {blob(b'ssh-made-up', b'x' * 32)}", "ssh", "failed to generate fingerprint"),
        (KEY + "\n" + KEY, "ssh", "failed to generate fingerprint"),
        ("-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----", "ssh", "failed to generate"),
        (KEY, "x509", "failed to generate X509 fingerprint. Error message: "),
        ("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----", "x509", "failed to generate X509 fingerprint"),
    ],
)
def test_a_key_that_is_no_key(typed: Type, tmp_path: Path, text: str, kind: str, reason: str) -> None:
    path = tmp_path / "key"
    path.write_text(text)
    refused = typed("keypair", "create", "--type", kind, "--public-key", str(path), "k")
    assert refused.code == 1
    assert refused.err.startswith(f"Keypair data is invalid: {reason}")
    assert "(HTTP 400)" in refused.err
    assert typed("keypair", "list", "-f", "json").json == []


def test_keys_of_many_kinds_are_keys(typed: Type, tmp_path: Path) -> None:
    kinds = {
        "rsa": f"ssh-rsa {blob(b'ssh-rsa', bytes([1, 0, 1]), bytes([0]) + bytes([255]) * 256)} me",
        "sk": f"sk-ssh-ed25519@openssh.com {blob(b'sk-ssh-ed25519@openssh.com', b'x' * 32, b'ssh:')}",
        "plain": KEY.rsplit(" ", 1)[0],
    }
    for name, text in kinds.items():
        path = tmp_path / name
        path.write_text(text + "\n")
        assert typed("keypair", "create", "--public-key", str(path), name).code == 0, name
    listed = typed("keypair", "list", "--marker", "plain", "--limit", "1", "-f", "json").json
    assert [row["Name"] for row in listed] == ["rsa"]


def test_an_administrator_sees_those_of_others(typed: Type, admin: Client) -> None:
    typed("keypair", "create", "mine")
    typed("keypair", "create", "--user", "demo", "theirs")
    typed("keypair", "create", "own", **DEMO)
    assert [row["Name"] for row in typed("keypair", "list", "--user", "demo", "-f", "json").json] == ["own", "theirs"]
    assert [row["Name"] for row in typed("keypair", "list", "--project", "demo", "-f", "json").json] == [
        *("mine", "own", "theirs")
    ]
    assert [row["Name"] for row in typed("keypair", "list", "--project", "admin", "-f", "json").json] == ["mine"]
    for words in (("list", "--user", "admin"), ("list", "--project", "demo"), ("create", "--user", "admin", "x")):
        refused = typed("keypair", *words, **DEMO)
        assert refused.code == 1, words
    assert typed("keypair", "delete", "--user", "demo", "theirs", "none").code == 1
    assert [row["Name"] for row in typed("keypair", "list", "-f", "json", **DEMO).json] == ["own"]


def test_pages_keep_the_user(admin: Client) -> None:
    demo = admin.users.find("demo")["id"]
    for name in ("a b", "c@d"):
        admin.keypairs.create({"name": name, "public_key": KEY, "user_id": demo})
    page = admin.get(f"/v2.1/os-keypairs?limit=1&user_id={demo}")
    following = admin.get(page["keypairs_links"][0]["href"].split("localhost", 1)[1])
    assert [row["keypair"]["name"] for row in (*page["keypairs"], *following["keypairs"])] == ["a b", "c@d"]


def test_the_quota_is_each_users(typed: Type) -> None:
    typed("quota", "set", "--key-pairs", "1", "demo")
    try:
        assert typed("keypair", "create", "a", **DEMO).code == 0
        refused = typed("keypair", "create", "b", **DEMO)
        assert (refused.code, "Quota exceeded, too many key pairs. (HTTP 403)" in refused.err) == (1, True)
        assert typed("keypair", "create", "b").code == 0
    finally:
        typed("quota", "delete", "demo")
