"""Names that a create makes: display names, host names, reservation ids, passwords."""

from __future__ import annotations

import re
import secrets
import string
import unicodedata

_HOSTNAME_LIMIT = 63
# Nova's password symbols: no characters that are easily mistaken for others (nova/conf/api, utils.generate_password).
_PASSWORD_GROUPS = ("23456789", "ABCDEFGHJKLMNPQRSTUVWXYZ", "abcdefghijkmnopqrstuvwxyz")


def sanitize_hostname(name: str, default: str) -> str:
    """A host name made of a display name (nova/utils.py sanitize_hostname): at most 63 of `[a-z0-9-]`.

    What can't be kept is dropped; `default` when nothing is left.
    """
    text = unicodedata.normalize("NFKD", name).encode("latin-1", "ignore").decode("latin-1")
    text = _clean(text[:_HOSTNAME_LIMIT])
    if not text:
        text = _clean(default[:_HOSTNAME_LIMIT])
    return text


def _clean(text: str) -> str:
    text = re.sub(r"[ _.]", "-", text)
    return re.sub(r"[^\w.-]+", "", text, flags=re.ASCII).replace("_", "-").lower().strip(".-")


def server_names(name: str, count: int) -> list[str]:
    """The display names of `count` servers of one request: suffixed from 1 when there are several."""
    if count == 1:
        return [name]
    return [f"{name}-{number}" for number in range(1, count + 1)]


def server_hostname(name: str, index: int, count: int, uuid: str, asked: str | None) -> str:
    """The host name of one server; `asked` is the request's own, only with one server."""
    if asked is not None:
        return asked
    base = sanitize_hostname(name, f"Server-{uuid}")
    if count == 1:
        return base
    suffix = f"-{index + 1}"
    return base[: _HOSTNAME_LIMIT - len(suffix)].rstrip("-") + suffix


def reservation_id() -> str:
    """`r-` and eight characters, as Nova's."""
    return "r-" + _draw(string.digits + string.ascii_lowercase, 8)


def generate_password(length: int = 12) -> str:
    """A password with at least one character of each group that Nova draws from."""
    characters = [_draw(group, 1) for group in _PASSWORD_GROUPS[:length]]
    characters += _draw("".join(_PASSWORD_GROUPS), length - len(characters))
    secrets.SystemRandom().shuffle(characters)
    return "".join(characters)


def _draw(alphabet: str, count: int) -> str:
    """So many characters, each as likely as the others: bytes of the uneven rest are thrown away."""
    even = 256 - 256 % len(alphabet)
    drawn = ""
    while len(drawn) < count:
        drawn += "".join(alphabet[byte % len(alphabet)] for byte in secrets.token_bytes(2 * count) if byte < even)
    return drawn[:count]
