"""What a guest gets: who it is, and what is at the path that it asks for. Blocking, called from several threads."""

from __future__ import annotations

import logging
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from threading import Lock
from typing import Protocol

from tuinova.core.errors import Conflict, InstanceNotFound, NovaError
from tuinova.core.guest_facts import GuestFacts
from tuinova.core.guest_password import LONGEST_PASSWORD, password_of
from tuinova.core.records import Instance
from tuinova.core.vendor_data import VendorData
from tuinova.metadata import listeners
from tuinova.metadata.http import Answer, Asked, error
from tuinova.metadata.listeners import Link
from tuinova.metadata.tree import Found, Tree

LOG = logging.getLogger(__name__)
_KEPT = 1024
_PRINTABLE = frozenset(range(0x20, 0x7F)) | frozenset(b"\t\r\n")


class Rows(Protocol):
    """The conductor, as far as it is asked here."""

    def guest_at(self, host: str, network: str, address: str) -> tuple[str, str] | None:
        """Server and MAC address of the port that has an address."""

    def instance(self, uuid: str) -> Instance:
        """A server; raises InstanceNotFound."""

    def post_guest_password(self, uuid: str, password: str) -> Instance:
        """Keep what a guest posts; raises GuestPasswordSet."""


class Facts(Protocol):
    """`GuestSpecs` of a host."""

    vendor: VendorData

    def facts(self, instance: Instance) -> GuestFacts:
        """What the guest may learn of itself."""


@dataclass(frozen=True, slots=True)
class _Kept:
    version: int
    until: float
    tree: Tree


class Answers:
    """Each server's tree is made once, and again when its row has changed or `expiration` seconds have passed."""

    def __init__(
        self,
        rows: Rows,
        facts: Callable[[str], Facts | None],
        *,
        expiration: float = 15.0,
        clock: Callable[[], float] = time.monotonic,
        neighbour: Callable[[str, str], str | None] = listeners.neighbour,
    ) -> None:
        self._rows = rows
        self._facts = facts
        self._expiration = expiration
        self._clock = clock
        self._neighbour = neighbour
        self._lock = Lock()
        self._trees: OrderedDict[str, _Kept] = OrderedDict()

    def answer(self, link: Link, asked: Asked) -> Answer:
        """The answer; who is no guest of this network is told nothing, not even that there is something."""
        try:
            instance = self._who(link, asked.address)
            if instance is None:
                return error(404)
            found = self._tree(link.host, instance).find(asked.path)
            if found.is_password and asked.method == "POST":
                return self._post_password(instance, asked.body)
        except KeyError:
            return error(404)
        except NovaError as why:
            LOG.warning("a guest on %s can't be answered: %s", link.interface, why)
            return error(503 if why.code == 503 else 500)
        return _shown(found, asked.method)

    def _who(self, link: Link, address: str) -> Instance | None:
        """The server of an address on a network: the address, and who answers for it there, both must be its port's."""
        found = self._rows.guest_at(link.host, link.network, address)
        if found is None:
            return None
        uuid, mac = found
        seen = self._neighbour(link.interface, address)
        if seen is not None and seen != mac.lower():
            LOG.warning("%s on %s is %s and not its port %s: not answered", address, link.interface, seen, mac)
            return None
        try:
            return self._rows.instance(uuid)
        except InstanceNotFound:
            return None

    def _tree(self, host: str, instance: Instance) -> Tree:
        now = self._clock()
        with self._lock:
            kept = self._trees.get(instance.uuid)
            if kept is not None and kept.version == instance.version and now < kept.until:
                self._trees.move_to_end(instance.uuid)
                return kept.tree
        of_host = self._facts(host)
        if of_host is None:
            raise KeyError(instance.uuid)
        tree = Tree(of_host.facts(instance), of_host.vendor, password_of(instance.system_metadata))
        with self._lock:
            self._trees[instance.uuid] = _Kept(instance.version, now + self._expiration, tree)
            self._trees.move_to_end(instance.uuid)
            while len(self._trees) > _KEPT:
                self._trees.popitem(last=False)
        return tree

    def _post_password(self, instance: Instance, body: bytes) -> Answer:
        if len(body) > LONGEST_PASSWORD:
            return error(400, "Request is too large.")
        if not _PRINTABLE.issuperset(body):
            return error(400, "A password is plain text: encrypted, and then in base64.")
        try:
            self._rows.post_guest_password(instance.uuid, body.decode("ascii"))
        except Conflict:
            return error(409)
        return Answer(200)


_METHODS: Mapping[bool, tuple[str, ...]] = {False: ("GET", "HEAD"), True: ("GET", "HEAD", "POST")}


def _shown(found: Found, method: str) -> Answer:
    allowed = _METHODS[found.is_password]
    if method in allowed:
        return Answer(200, found.content, found.media_type)
    if found.is_password:
        return error(400, "GET and POST only are supported.")
    return error(405, Allow=", ".join(allowed))
