"""The metadata service on the loopback, with guests that a test names, and a client that says what it is told."""

from __future__ import annotations

import base64
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import pytest

from tuinova.core.errors import GuestPasswordSet, InstanceNotFound
from tuinova.core.guest_facts import GuestAddress, GuestFacts, GuestPort
from tuinova.core.guest_password import password_chunks, password_of
from tuinova.core.records import Instance
from tuinova.core.vendor_data import VendorData
from tuinova.metadata import listeners
from tuinova.metadata.answers import Answers
from tuinova.metadata.http import Limits
from tuinova.metadata.limits import RateLimits
from tuinova.metadata.service import MetadataOptions, MetadataService
from tuinova.metadata.ways import Ways

UUID = "6b1f0c1e-7475-696e-6f76-612d64656d6f"
MAC = "fa:16:3e:00:00:02"
USER_DATA = b"#!/bin/sh\necho \xff\n"
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIExample k"


def facts(**fields: Any) -> GuestFacts:
    """A server with all that a guest may be told."""
    port = GuestPort("11111111-2222", MAC, "net", [GuestAddress("127.0.0.1", "127.0.0.0/8", "127.0.0.2")])
    values: dict[str, Any] = {
        "id": 42,
        "uuid": UUID,
        "display_name": "Vm One",
        "hostname": "vm1",
        "project_id": "p" * 32,
        "availability_zone": "nova",
        "launch_index": 0,
        "flavor_name": "m1.micro",
        "reservation_id": "r-1234abcd",
        "metadata": {"role": "db"},
        "key_name": "mine",
        "public_key": KEY,
        "user_data": base64.b64encode(USER_DATA).decode(),
        "security_groups": ["default", "web"],
        "image_ref": "0a1b2c3d-0000-0000-0000-000000000000",
        "ports": [port],
    }
    return GuestFacts(**(values | fields))


@dataclass
class Guests:
    """Who has which address: (host, network, address) to server and MAC address."""

    known: dict[tuple[str, str, str], tuple[str, str]] = field(default_factory=dict)
    instances: dict[str, Instance] = field(default_factory=dict)
    told: dict[str, GuestFacts] = field(default_factory=dict)
    made: int = 0
    vendor: VendorData = field(default_factory=VendorData)

    def add(self, network: str, address: str, **fields: Any) -> None:
        one = facts(**fields)
        self.known["cmp1", network, address] = (one.uuid, MAC)
        self.told[one.uuid] = one
        self.instances[one.uuid] = Instance(
            one.id, one.uuid, one.display_name, one.project_id, "u", "active", {}, datetime.now(UTC), host="cmp1"
        )

    def change(self, uuid: str = UUID, **fields: Any) -> None:
        """Another version of a server."""
        self.told[uuid] = replace(self.told[uuid], **fields)
        self.instances[uuid] = replace(self.instances[uuid], version=self.instances[uuid].version + 1)

    # what the service asks
    def guest_at(self, host: str, network: str, address: str) -> tuple[str, str] | None:
        return self.known.get((host, network, address))

    def instance(self, uuid: str) -> Instance:
        if uuid not in self.instances:
            raise InstanceNotFound(instance_id=uuid)
        return self.instances[uuid]

    def post_guest_password(self, uuid: str, password: str) -> Instance:
        old = self.instances[uuid]
        if password_of(old.system_metadata):
            raise GuestPasswordSet()
        new = replace(old, system_metadata=password_chunks(password), version=old.version + 1)
        self.instances[uuid] = new
        return new

    def facts(self, instance: Instance) -> GuestFacts:
        self.made += 1
        return self.told[instance.uuid]


@dataclass
class Said:
    """An answer off the wire."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()


class NoWays(Ways):
    """The loopback needs no rules, and the machine that tests run on gets none."""

    def sweep(self) -> None:
        """Nothing."""

    def open(self, interface: str) -> None:
        """Nothing."""

    def close(self, interface: str) -> None:
        """Nothing."""


class Served:
    """A running service whose networks are interfaces of this machine."""

    def __init__(
        self, guests: Guests, links: dict[str, str], options: MetadataOptions, ways: Ways | None = None, **more: Any
    ) -> None:
        self.guests = guests
        self.interfaces = links
        self.port = options.port
        answers = Answers(guests, lambda _host: guests, **{"neighbour": lambda *_: None, **more})
        self.service = MetadataService(answers, lambda: {"cmp1": dict(self.interfaces)}, options, ways=ways or NoWays())

    def __enter__(self) -> Served:
        self.service.start()
        self.until(lambda: len(self.service.links()) == len(self.interfaces) or bool(self.service.warnings()))
        return self

    def __exit__(self, *_: object) -> None:
        self.service.stop()

    def until(self, true: Any, seconds: float = 5.0) -> None:
        end = time.monotonic() + seconds
        while not true():
            assert time.monotonic() < end
            time.sleep(0.01)

    def connect(self, source: str = "127.0.0.1", address: str = "169.254.169.254") -> socket.socket:
        """A connection from an address of this machine."""
        client = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        client.settimeout(10)
        client.bind((source, 0))
        client.connect((address, self.port))
        return client

    def raw(self, request: bytes, source: str = "127.0.0.1") -> bytes:
        """All that comes back until the connection ends."""
        with self.connect(source, "127.0.0.1") as client:
            client.sendall(request)
            return read_all(client)

    def get(self, path: str, *headers: str, source: str = "127.0.0.1", method: str = "GET", body: bytes = b"") -> Said:
        lines = [f"{method} {path} HTTP/1.1", "Host: 169.254.169.254", "Connection: close", *headers]
        if body:
            lines.append(f"Content-Length: {len(body)}")
        return parsed(self.raw("\r\n".join([*lines, "", ""]).encode() + body, source))


def read_all(client: socket.socket) -> bytes:
    data = b""
    try:
        while chunk := client.recv(65536):
            data += chunk
    except ConnectionResetError:
        pass
    return data


def parsed(data: bytes) -> Said:
    head, _, body = data.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    return Said(int(first.split()[1]), headers, body)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    """The service listens on 127.0.0.1, where no test needs to be root; that it is bound to a device stays as it is."""
    real = listeners.listen
    monkeypatch.setattr(listeners, "listen", lambda interface, port: real(interface, "127.0.0.1", port))


def options(**fields: Any) -> MetadataOptions:
    rates = fields.pop("rates", RateLimits(rate_limit_enabled=False))
    return MetadataOptions(rates=rates, limits=Limits(**fields), port=free_port())


@pytest.fixture
def guests() -> Guests:
    found = Guests()
    found.add("net", "127.0.0.1")
    return found


@pytest.fixture
def served(guests: Guests, loopback: None) -> Iterator[Served]:
    """One guest, 127.0.0.1 on the network of `lo`."""
    with Served(guests, {"net": "lo"}, options()) as one:
        yield one
    assert not [thread for thread in threading.enumerate() if thread.name == "tuinova-metadata-loop"]
