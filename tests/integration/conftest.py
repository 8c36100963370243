"""The whole program on real guests: a service and a libvirt of the run's own, driven by its commands."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest

from tests.lab import PrivateLibvirt
from tuinova.client import Client, NotFoundByName, connect

ROOT = Path(__file__).resolve().parents[2]
GUEST = Path(os.environ.get("TUINOVA_GUEST_CACHE") or ROOT / ".cache" / "guest") / "tuinova-demo.qcow2"


class House:
    """One state directory, one service, one private libvirt."""

    def __init__(self, lab: PrivateLibvirt) -> None:
        self.lab = lab
        self.state = Path(tempfile.mkdtemp(prefix="tn-", dir="/tmp"))
        self.state.chmod(0o711)
        self.env = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("OS_", "TUINOVA_"))},
            "TUINOVA_STATE_DIR": str(self.state),
            "TUINOVA_LANG": "en",
            "TUINOVA_LIBVIRT_CONNECTION_URI": lab.uri,
            "TUINOVA_TUINOVA_DRIVER": "libvirt",
        }
        self.service: subprocess.Popen[str] | None = None
        self.within: list[str] = []  # what the service is started by, nsenter and its arguments

    # the service -----------------------------------------------------------------------------------------------------
    def start(self) -> None:
        """Start the service and wait until it says that it is ready."""
        with (self.state / "serve.err").open("a") as log:
            self.service = subprocess.Popen(
                [*self.within, sys.executable, "-m", "tuinova", "serve"],
                env=self.env,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                start_new_session=True,
            )
        assert self.service.stdout is not None
        line = self.service.stdout.readline()
        assert line.strip() == "ready", (line, self.log())

    def kill(self) -> None:
        """SIGKILL, as a crash."""
        assert self.service is not None
        self.service.kill()
        self.service.wait()

    def stop(self) -> None:
        """SIGTERM, as systemd does."""
        if self.service is not None and self.service.poll() is None:
            self.service.send_signal(signal.SIGTERM)
            self.service.wait(timeout=30)

    @contextmanager
    def options(self, **options: object) -> Iterator[None]:
        """The service started anew with other options, `DEFAULT_SHELVED_OFFLOAD_TIME=-1`; afterwards as before."""
        usual = dict(self.env)
        self.env |= {f"TUINOVA_{name}": str(value) for name, value in options.items()}
        self.stop()
        self.start()
        try:
            yield
        finally:
            self.env = usual
            self.stop()
            self.start()

    def log(self) -> str:
        """What the service said."""
        return (self.state / "serve.err").read_text()

    # commands --------------------------------------------------------------------------------------------------------
    def run(self, *words: str, user: str = "", project: str = "") -> subprocess.CompletedProcess[str]:
        """One command line, as a person types it."""
        acting = [*(["--os-username", user] if user else []), *(["--os-project-name", project] if project else [])]
        return subprocess.run(
            [sys.executable, "-m", "tuinova", *acting, *words],
            env=self.env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=300,
        )

    def ok(self, *words: str, **acting: str) -> str:
        """One that must succeed; its output."""
        done = self.run(*words, **acting)
        assert done.returncode == 0, (words, done.stdout, done.stderr, self.log()[-3000:])
        return done.stdout

    # looking on ------------------------------------------------------------------------------------------------------
    @cached_property
    def client(self) -> Client:
        """A client of the service: a command takes half a second of the processor that the guests need."""
        return connect(url=f"unix://{json.loads(self.ok('info', '-f', 'json'))['socket']}")

    def show(self, name: str) -> dict[str, Any]:
        """A server as the API shows it."""
        return dict(self.client.servers.find(name))

    def wait(self, name: str, condition: Callable[[dict[str, Any]], bool], seconds: float = 90) -> dict[str, Any]:
        """Until the server is so."""
        deadline = time.monotonic() + seconds
        while True:
            server = self.show(name)
            if condition(server):
                return server
            assert time.monotonic() < deadline, (server, self.log()[-3000:])
            time.sleep(0.1)

    def settled(self, name: str, status: str) -> dict[str, Any]:
        """Until the server has this status and no task."""
        return self.wait(name, lambda s: s["status"] == status and s["OS-EXT-STS:task_state"] is None)

    def wait_gone(self, name: str, seconds: float = 60) -> None:
        """Until no server has this name."""
        deadline = time.monotonic() + seconds
        with contextlib.suppress(NotFoundByName):
            while self.show(name):
                assert time.monotonic() < deadline, self.log()[-3000:]
                time.sleep(0.2)

    def until_log(self, name: str, text: str, seconds: float = 90) -> str:
        """Until the console log holds the text."""
        deadline = time.monotonic() + seconds
        uuid = self.show(name)["id"]
        while text not in (log := self.client.servers.console_output(uuid)):
            assert time.monotonic() < deadline, log[-2000:]
            time.sleep(0.3)
        return log

    # what the hypervisor says ----------------------------------------------------------------------------------------
    def virsh(self) -> dict[str, str]:
        """Domain name: state, for every domain."""
        listed = self.lab.virsh("list", "--all").stdout
        rows = [line.split(None, 2) for line in listed.splitlines() if line.strip() and line.split()[0] not in ("Id",)]
        return {row[1]: row[2].strip() for row in rows if len(row) == 3}

    def left(self, uuid: str) -> list[str]:
        """Files of a server that still exist."""
        return [str(path) for path in self.state.rglob(f"{uuid}*")]


@contextmanager
def running(one: House) -> Iterator[House]:
    """A service with the demo image registered; its servers and files go at the end."""
    try:
        one.start()
        one.ok(
            *("image", "create", "--public", "--disk-format", "qcow2", "--min-ram", "96"),
            *("--file", str(GUEST), "tuinova-demo"),
        )
        yield one
    finally:
        if one.service is not None and one.service.poll() is None:
            one.run("server", "delete", "--wait", *names_of(one))
            one.client.close()
        one.stop()
        shutil.rmtree(one.state, ignore_errors=True)


@pytest.fixture(scope="session")
def house(private_libvirt: PrivateLibvirt) -> Iterator[House]:
    """A running service with the demo image registered."""
    with running(House(private_libvirt)) as one:
        yield one


def names_of(house: House) -> list[str]:
    """The ids of all servers."""
    return house.run("server", "list", "--all-projects", "-f", "value", "-c", "ID").stdout.split()


@pytest.fixture
def server(house: House, request: pytest.FixtureRequest) -> Iterator[str]:
    """A server of the test's own that prints its prompt; gone afterwards."""
    name = f"t-{request.node.name[:40].split('[')[0]}".replace("_", "-")
    house.ok(
        "server", "create", "--flavor", "m1.micro", "--image", "tuinova-demo", "--use-config-drive", "--wait", name
    )
    house.until_log(name, "login:")
    yield name
    house.run("server", "delete", "--wait", name)
