"""`--demo`: a service of its own with the fake driver and a throw-away state directory, and something to look at."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from types import TracebackType
from typing import Any

IMAGE_BYTES = 1 << 20
READY = b"ready"
STOP_SECONDS = 10.0
# name, flavor, what is done to it once it runs
SERVERS = (
    ("vm1", "m1.micro", None),
    ("web-1", "m1.small", None),
    ("web-2", "m1.small", None),
    ("db-1", "m1.medium", "os-stop"),
    ("build-runner", "m1.tiny", "pause"),
    ("archive", "m1.tiny", "suspend"),
)


class DemoService:
    """Started by the first connection (so the first frame does not wait for it), gone with everything on leaving."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._directory = ""

    def __enter__(self) -> DemoService:
        self._directory = tempfile.mkdtemp(prefix="tuinova-demo-")
        self._before = os.environ.get("TUINOVA_STATE_DIR")
        # For the client, the remembered choices and the commands that are typed after a colon.
        os.environ["TUINOVA_STATE_DIR"] = self._directory
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._lock:
            if self._process is not None:
                self._process.terminate()
                try:
                    self._process.wait(STOP_SECONDS)
                except subprocess.TimeoutExpired:
                    self._process.kill()
                    self._process.wait()
        if self._before is None:
            del os.environ["TUINOVA_STATE_DIR"]
        else:
            os.environ["TUINOVA_STATE_DIR"] = self._before
        shutil.rmtree(self._directory, ignore_errors=True)

    def connect(self, *, username: str | None = None, project: str | None = None) -> Any:
        """A client of the demo's service; the first one starts and fills it."""
        from tuinova.client import connect

        with self._lock:
            fresh = self._process is None or self._process.poll() is not None
            if fresh:
                self._start()
            client = connect(username=username, project=project, start=False)
            if fresh and not client.servers.rows(all_projects=True):
                populate(client)
        return client

    def _start(self) -> None:
        from tuinova.client import ServiceUnreachable

        log = Path(self._directory, "demo.log")
        command = [sys.executable, "-P", "-m", "tuinova.core.serve", "--driver", "fake", "--fake-hosts", "3"]
        with log.open("ab") as errors:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
                cwd="/",
                start_new_session=True,
            )
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if line.strip() == READY:
                return
        lines = log.read_text("utf-8", "replace").splitlines()
        raise ServiceUnreachable(f"The demo's service did not start: {lines[-1] if lines else 'no reason given'}")


def populate(client: Any) -> None:
    """An image, a key pair and a few servers in different states."""
    image = client.images.create(
        {
            "name": "tuinova-demo",
            "disk_format": "raw",
            "container_format": "bare",
            "visibility": "public",
            "min_ram": 96,
        }
    )
    client.images.upload(image["id"], io.BytesIO(bytes(IMAGE_BYTES)))
    flavors = {flavor["name"]: flavor["id"] for flavor in client.flavors.list()}
    networks = "auto"
    made = []
    for name, flavor, action in SERVERS:
        body = {"name": name, "imageRef": image["id"], "flavorRef": flavors[flavor], "networks": networks}
        made.append((client.servers.create(body)["id"], action))
    thread = threading.Thread(target=_act, args=(client, made), name="demo", daemon=True)
    thread.start()


def _act(client: Any, made: list[tuple[str, str | None]]) -> None:
    """Stop, pause and suspend some, each when it has started."""
    from tuinova.client import ClientError
    from tuinova.client.waiters import wait_for_status

    for server_id, action in made:
        if action is None:
            continue
        try:
            wait_for_status(client, server_id, "active")
            client.servers.action(server_id, action)
        except ClientError:
            return  # the demo is being left, or the operator was quicker
