"""A whole service in this process: engine with the fake driver, REST face on a Unix socket, the real client."""

from __future__ import annotations

import asyncio
import http.client
import io
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest

from tuinova.api.app import create_app
from tuinova.client import Client, connect
from tuinova.client.waiters import wait_for_delete, wait_for_status
from tuinova.core.paths import Paths
from tuinova.core.serve import Options, make_server
from tuinova.core.service import Engine, build_engine
from tuinova.core.sockets import connect_unix, listen_unix


@dataclass
class Raw:
    """An answer as it came."""

    status: int
    headers: http.client.HTTPMessage
    data: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.data)


class Running:
    """The service, and ways to speak to it."""

    def __init__(self, places: Paths, hosts: int | None = None) -> None:
        self.places = places
        self.engine: Engine = build_engine(places, Options(driver="fake", fake_hosts=hosts))
        self.app = create_app(self.engine)
        self.state = self.app.state.api
        self.server = make_server(self.app)
        self.engine.start()
        self._listener = listen_unix(places.socket)
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True)
        self._thread.start()
        self.url = f"unix://{places.socket}"

    async def _serve(self) -> None:
        self.loop = asyncio.get_running_loop()
        await self.server._serve(sockets=[self._listener])
        await self.state.close()

    def stop(self) -> None:
        self.loop.call_soon_threadsafe(self.state.stop)
        self.server.should_exit = True
        self._thread.join(10)
        self.engine.stop()

    def client(self, username: str = "admin", project: str = "admin") -> Client:
        return connect(url=self.url, username=username, project=project)

    def raw(self, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None) -> Raw:
        """A request exactly as given."""
        connection = http.client.HTTPConnection("localhost")
        connection.sock = connect_unix(self.places.socket, 10)
        try:
            connection.putrequest(method, path, skip_accept_encoding=True)
            if body is not None and "Content-Length" not in (headers or {}):
                connection.putheader("Content-Length", str(len(body)))
            for name, value in (headers or {}).items():
                connection.putheader(name, value)
            connection.endheaders(body)
            response = connection.getresponse()
            return Raw(response.status, response.headers, response.read())
        finally:
            connection.close()

    # the usual things ------------------------------------------------------------------------------------------------
    def upload(self, client: Client, **fields: Any) -> dict[str, Any]:
        """An active image of a megabyte of zeros."""
        body = {"name": "img", "disk_format": "raw", "container_format": "bare", **fields}
        image = client.images.create(body)
        client.images.upload(image["id"], io.BytesIO(bytes(1 << 20)))
        return client.images.get(image["id"])

    def boot(self, client: Client, **fields: Any) -> dict[str, Any]:
        """A server that is ACTIVE; its row view."""
        body = {"name": "vm", "imageRef": self.image["id"], "flavorRef": "84", "networks": "auto", **fields}
        made = client.servers.create({"server": body})
        return wait_for_status(client, made["id"], "active", timeout=30)

    def remove(self, client: Client, ident: str) -> None:
        """Delete and wait."""
        client.servers.delete(ident)
        wait_for_delete(client, ident, timeout=30)

    @cached_property
    def image(self) -> dict[str, Any]:
        """A public image."""
        with self.client() as admin:
            return self.upload(admin, visibility="public")


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    base: Path = tmp_path_factory.mktemp("svc")
    (base / "run").mkdir()
    config = base / "tuinova.toml"
    config.write_text("[tuinova]\nfake_boot_seconds = 0.1\n")
    service = Running(Paths(base, base / "run", config))
    yield service
    service.stop()


@pytest.fixture(scope="module")
def admin(running: Running) -> Iterator[Client]:
    with running.client() as client:
        yield client


@pytest.fixture(scope="module")
def demo(running: Running) -> Iterator[Client]:
    """User demo, a member of project demo."""
    with running.client("demo", "demo") as client:
        yield client


@pytest.fixture(scope="module")
def demo_admin(running: Running) -> Iterator[Client]:
    """User admin in project demo."""
    with running.client("admin", "demo") as client:
        yield client
