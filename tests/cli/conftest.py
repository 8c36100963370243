"""The command line against a whole service in this process: two fake hosts, the REST face on a Unix socket."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.api.conftest import Running
from tests.cli.stub_cloud import Cloud, CloudService
from tuinova.cli.main import main
from tuinova.client import Client
from tuinova.core.paths import Paths


@dataclass
class Typed:
    """What a command did."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    base: Path = tmp_path_factory.mktemp("svc")
    (base / "run").mkdir()
    config = base / "tuinova.toml"
    config.write_text("[tuinova]\nfake_boot_seconds = 0.1\n")
    service = Running(Paths(base, base / "run", config), hosts=2)
    yield service
    service.stop()


@pytest.fixture(scope="module")
def admin(running: Running) -> Iterator[Client]:
    with running.client() as client:
        yield client


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OS_USERNAME", "OS_PROJECT_NAME", "TUINOVA_URL", "ALL_PROJECTS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TUINOVA_LANG", "en")


@pytest.fixture
def typed(running: Running, capsys: pytest.CaptureFixture[str]) -> Callable[..., Typed]:
    """Type one command line."""

    def run(*words: str, user: str = "admin", project: str = "admin") -> Typed:
        capsys.readouterr()
        code = main(["--url", running.url, "--os-username", user, "--os-project-name", project, *words])
        said = capsys.readouterr()
        return Typed(code, said.out, said.err)

    return run


# a service that keeps whatever it is given ---------------------------------------------------------------------------
@pytest.fixture
def cloud_service(tmp_path: Path) -> Iterator[CloudService]:
    service = CloudService(tmp_path / "s")
    thread = threading.Thread(target=service.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield service
    service.shutdown()
    service.server_close()
    thread.join()


@pytest.fixture
def cloud(cloud_service: CloudService) -> Cloud:
    return cloud_service.cloud


@pytest.fixture
def asked(cloud_service: CloudService, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., Typed]:
    """Type one command line at the cloud."""

    def run(*words: str) -> Typed:
        capsys.readouterr()
        code = main(["--url", f"unix://{tmp_path / 's'}", *words])
        said = capsys.readouterr()
        return Typed(code, said.out, said.err)

    return run
