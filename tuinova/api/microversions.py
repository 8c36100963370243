"""Which version of the compute API a request is made in (nova/api/openstack/api_version_request.py, wsgi.py).

Answers have the form of the newest one; an older version counts where a request may say more, or less, than today's.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from tuinova.core.errors import Invalid, NovaError

Microversion = tuple[int, int]
OLDEST: Microversion = (2, 1)
NEWEST: Microversion = (2, 96)
_HEADERS = ("openstack-api-version", "x-openstack-nova-api-version")
_FORM = re.compile(r"([1-9]\d{0,5})\.([1-9]\d{0,5}|0)")
_SHOWN = 40


class VersionNotSupported(NovaError):
    """A version that this API does not have."""

    code = 406
    msg_fmt = "Version {req_ver} is not supported by the API. Minimum is {min_ver} and maximum is {max_ver}."


def text_of(version: Microversion) -> str:
    """2.96"""
    return f"{version[0]}.{version[1]}"


def asked_version(headers: Mapping[str, str]) -> Microversion:
    """The version that the headers name, the newest where none does; raises Invalid, VersionNotSupported."""
    said = _said(headers)
    if said is None or said.lower() == "latest":
        return NEWEST
    match = _FORM.fullmatch(said)
    if match is None:
        raise Invalid(f"API Version String {said[:_SHOWN]} is of invalid format. Must be of format MajorNum.MinorNum.")
    version = (int(match[1]), int(match[2]))
    if not OLDEST <= version <= NEWEST:
        raise VersionNotSupported(req_ver=said, min_ver=text_of(OLDEST), max_ver=text_of(NEWEST))
    return version


def _said(headers: Mapping[str, str]) -> str | None:
    """What stands for compute in today's header (`compute 2.56, volume 3.70`), else in the one of old."""
    for part in headers.get(_HEADERS[0], "").split(","):
        service, _, version = part.strip().partition(" ")
        if service.lower() == "compute":
            return version.strip()
    return headers.get(_HEADERS[1])
