"""The tree that a guest walks: openstack/ and ec2/, by path (nova/api/metadata/base.py lookup)."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from tuinova.core.guest_facts import GuestFacts
from tuinova.core.instance_metadata import (
    EC2_VERSIONS,
    GRIZZLY,
    HAVANA,
    LIBERTY,
    NEWTON_TWO,
    OPENSTACK_VERSIONS,
    at_least,
    decoded_user_data,
    ec2_document,
    meta_data_document,
    to_json,
)
from tuinova.core.network_data import network_document
from tuinova.core.vendor_data import VendorData

TEXT, JSON = "text/plain; charset=UTF-8", "application/json"
PASSWORD = "password"  # noqa: S105 - the last step of a path
# What a version of openstack/ has, since when, in the order of its listing.
_NAMES = (
    ("meta_data.json", OPENSTACK_VERSIONS[0]),
    ("user_data", OPENSTACK_VERSIONS[0]),
    (PASSWORD, GRIZZLY),
    ("vendor_data.json", HAVANA),
    ("network_data.json", LIBERTY),
    ("vendor_data2.json", NEWTON_TWO),
)


@dataclass(frozen=True, slots=True)
class Found:
    """What is at a path; `is_password` where a guest may also post."""

    content: bytes
    media_type: str = TEXT
    is_password: bool = False


class Tree:
    """The tree of one server as it is recorded now; only what is asked for is made."""

    def __init__(self, facts: GuestFacts, vendor: VendorData, password: str = "") -> None:
        self.facts = facts
        self._vendor = vendor
        self._password = password
        self._user_data = decoded_user_data(facts)

    def find(self, path: str) -> Found:
        """What is at a path; raises KeyError."""
        steps = [step for step in posixpath.normpath("/" + path.lstrip("/")).split("/") if step]
        if not steps or steps[0] not in ("ec2", "openstack"):
            steps = ["ec2", *steps]  # the old addresses have no such first step
        if steps[0] == "openstack":
            return self._openstack(steps[1:])
        return self._ec2(steps[1:])

    # openstack/ ------------------------------------------------------------------------------------------------------
    def _openstack(self, steps: list[str]) -> Found:
        if not steps:
            return Found("\n".join(OPENSTACK_VERSIONS).encode())
        version = steps[0]
        if version not in OPENSTACK_VERSIONS:
            raise KeyError(version)
        names = [
            name
            for name, since in _NAMES
            if at_least(version, since) and (name != "user_data" or self._user_data is not None)
        ]
        if len(steps) == 1:
            return Found("\n".join(names).encode())
        if len(steps) > 2 or steps[1] not in names:
            raise KeyError(steps[-1])
        return self._document(steps[1], version)

    def _document(self, name: str, version: str) -> Found:
        if name == "meta_data.json":
            return Found(to_json(meta_data_document(self.facts, version)), JSON)
        if name == "user_data":
            return Found(self._user_data or b"")
        if name == PASSWORD:
            return Found(self._password.encode(), is_password=True)
        return Found(self._same[name], JSON if name != "network_data.json" else TEXT)

    @cached_property
    def _same(self) -> Mapping[str, bytes]:
        """The documents that do not depend on the version."""
        return _Lazy(
            {
                "vendor_data.json": self._vendor.static,
                "network_data.json": lambda: network_document(self.facts.ports),
                "vendor_data2.json": lambda: self._vendor.version_2(self.facts),
            }
        )

    # ec2/ ------------------------------------------------------------------------------------------------------------
    def _ec2(self, steps: list[str]) -> Found:
        if not steps:
            return Found("\n".join(EC2_VERSIONS).encode())
        if steps[0] not in EC2_VERSIONS:
            raise KeyError(steps[0])
        branch: Any = {"meta-data": ec2_document(self.facts, steps[0])}
        if self._user_data is not None:
            branch["user-data"] = self._user_data
        for step in steps[1:]:
            if not isinstance(branch, Mapping) or step == "_name":
                raise KeyError(step)
            branch = branch[step]
        return Found(_shown(branch))


class _Lazy(dict[str, bytes]):
    """Documents that are made when first asked for."""

    def __init__(self, makers: Mapping[str, Any]) -> None:
        super().__init__()
        self._makers = makers

    def __missing__(self, name: str) -> bytes:
        content = to_json(self._makers[name]())
        self[name] = content
        return content


def _shown(branch: Any) -> bytes:
    """A leaf as it is; a branch as the list of what is below it (nova/api/metadata/base.py ec2_md_print)."""
    if isinstance(branch, bytes):
        return branch
    if isinstance(branch, Mapping):
        return "\n".join(_listed(key, branch[key]) for key in sorted(branch) if key != "_name").encode()
    if isinstance(branch, list | tuple):
        return "\n".join(str(item) for item in branch).encode()
    return b"" if branch is None else str(branch).encode()


def _listed(key: str, value: Any) -> str:
    if not isinstance(value, Mapping):
        return key
    return str(value["_name"]) if "_name" in value else f"{key}/"
