"""Key pairs: what Nova checks and computes of them (nova/crypto.py, nova/compute/api.py KeypairAPI)."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
import struct

from tuinova.core.errors import InvalidKeypair

_NAME = re.compile(r"[A-Za-z0-9 _@.-]{1,255}\Z")
_KEY_TYPES = re.compile(r"(ssh|ecdsa|sk-ssh|sk-ecdsa)-[A-Za-z0-9@.-]+\Z")


def check_name(name: str) -> str:
    """The name, when Nova takes it: 1 to 255 letters, digits, blanks and `_-@.`, no blank at either end."""
    if name != name.strip() or not _NAME.match(name):
        raise InvalidKeypair(
            reason="Keypair name contains unsafe characters"
            if name.strip()
            else "Keypair name must be string and between 1 and 255 characters long"
        )
    return name


def fingerprint_of(kind: str, public_key: str) -> str:
    """Nova's fingerprint of a key of this kind, `ssh` or `x509`; raises InvalidKeypair for what is no key."""
    if kind not in _FINGERPRINTS:
        raise InvalidKeypair(reason=f"Invalid keypair type {kind}")
    return _FINGERPRINTS[kind](public_key)


def ssh_fingerprint(public_key: str) -> str:
    """The MD5 fingerprint of an OpenSSH public key in hexadecimal with colons; raises InvalidKeypair."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_ssh_public_key

    blob = _key_blob(public_key)
    try:
        # The frame is right; whether the numbers in it are a key is for who knows the algorithms.
        load_ssh_public_key(" ".join(public_key.split(None, 2)[:2]).encode())
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise InvalidKeypair(reason="failed to generate fingerprint") from error
    return _with_colons(hashlib.md5(blob, usedforsecurity=False).hexdigest())


def x509_fingerprint(pem: str) -> str:
    """The SHA-1 fingerprint of a certificate in hexadecimal with colons; raises InvalidKeypair."""
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import Encoding

    try:
        der = x509.load_pem_x509_certificate(pem.encode()).public_bytes(Encoding.DER)
    except (ValueError, TypeError) as error:
        reason = f"failed to generate X509 fingerprint. Error message: {str(error).splitlines()[0][:200]}"
        raise InvalidKeypair(reason=reason) from error
    return _with_colons(hashlib.sha1(der, usedforsecurity=False).hexdigest())


_FINGERPRINTS = {"ssh": ssh_fingerprint, "x509": x509_fingerprint}


def _with_colons(digest: str) -> str:
    return ":".join(digest[at : at + 2] for at in range(0, len(digest), 2))


def _key_blob(public_key: str) -> bytes:
    parts = public_key.strip().split(None, 2)
    if len(parts) < 2 or "\n" in public_key.strip() or not _KEY_TYPES.match(parts[0]):
        raise InvalidKeypair(reason="failed to generate fingerprint")
    try:
        blob = base64.b64decode(parts[1], validate=True)
    except (binascii.Error, ValueError) as error:
        raise InvalidKeypair(reason="failed to generate fingerprint") from error
    if len(blob) < 4:
        raise InvalidKeypair(reason="failed to generate fingerprint")
    (length,) = struct.unpack(">I", blob[:4])
    # The blob repeats the key type; anything else is not the key that its first word claims.
    if blob[4 : 4 + length] != parts[0].encode() or len(blob) <= 4 + length:
        raise InvalidKeypair(reason="failed to generate fingerprint")
    return blob
