"""Checksums: how one is asked for, and how those look that are published beside images."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tuinova.core.errors import DownloadRefused

# Algorithm to digits.
DIGITS: Final = {"md5": 32, "sha256": 64, "sha512": 128}
_BY_DIGITS: Final = {digits: name for name, digits in DIGITS.items()}
# SHA256 (name) = 1234, as BSD's tools write it.
_TAGGED: Final = re.compile(r"(MD5|SHA256|SHA512) \((?P<name>[^)]+)\) = (?P<digits>[0-9a-fA-F]+)")
_PLAIN: Final = re.compile(r"(?P<digits>[0-9a-fA-F]{32,128})(?:\s+[* ]?(?P<name>\S+))?")
_CHUNK: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Checksum:
    """What the data must have."""

    algorithm: str
    digits: str

    def __str__(self) -> str:
        return f"{self.algorithm}:{self.digits}"


def parse_checksum(text: str) -> Checksum:
    """`sha256:1234...`; raises DownloadRefused."""
    algorithm, _, digits = text.strip().partition(":")
    algorithm, digits = algorithm.lower(), digits.strip().lower()
    if algorithm not in DIGITS:
        raise DownloadRefused(
            reason=f"a checksum begins with one of {', '.join(f'{name}:' for name in sorted(DIGITS))}"
        )
    if not re.fullmatch(f"[0-9a-f]{{{DIGITS[algorithm]}}}", digits):
        raise DownloadRefused(reason=f"a checksum of {algorithm} has {DIGITS[algorithm]} hexadecimal digits")
    return Checksum(algorithm, digits)


def find_checksum(text: str, name: str, *, of_one: bool = False) -> Checksum:
    """The checksum of a file in a published list (SHA256SUMS and its kin); raises DownloadRefused without one.

    A list of one line without a name is that of the file beside it. With `of_one` the list is that of one file, whose
    name in it may be another: a file that is called `latest` is listed under the name that it has a version in.
    """
    nameless: list[Checksum] = []
    for line in text.splitlines():
        line = line.strip()
        match = _TAGGED.fullmatch(line) or _PLAIN.fullmatch(line)
        if match is None:
            continue
        digits = match["digits"].lower()
        algorithm = _BY_DIGITS.get(len(digits))
        if algorithm is None:
            continue
        if match["name"] is None or (of_one and match["name"].rsplit("/", 1)[-1] != name):
            nameless.append(Checksum(algorithm, digits))
        elif match["name"].rsplit("/", 1)[-1] == name:
            return Checksum(algorithm, digits)
    if len(nameless) == 1:
        return nameless[0]
    raise DownloadRefused(reason=f"the published checksums have none for {name[:255]}")


def digits_of(path: Path, algorithm: str) -> str:
    """The checksum of a file."""
    digest = hashlib.new(algorithm, usedforsecurity=False)
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()
