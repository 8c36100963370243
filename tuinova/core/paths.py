"""The one module that knows directories (standard library only: front ends import it at start).

Root has the system's places, a user the XDG ones; `TUINOVA_STATE_DIR` moves everything under one directory.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

APP = "tuinova"


# No dataclass: that module alone would be a quarter of what the client imports.
class Paths(NamedTuple):
    """Where this service or client keeps its things."""

    state_dir: Path
    runtime_dir: Path
    config_file: Path

    @property
    def socket(self) -> Path:
        """The Unix socket of the REST face (at most 107 bytes, the kernel's limit)."""
        return self.runtime_dir / "api.sock"

    @property
    def database(self) -> Path:
        """The SQLite file of the default database."""
        return self.state_dir / "tuinova.sqlite"

    @property
    def instances(self) -> Path:
        """Nova's instances_path of the default host."""
        return self.state_dir / "instances"

    @property
    def images(self) -> Path:
        """The image store."""
        return self.state_dir / "images"

    @property
    def log(self) -> Path:
        """The log of a service that was started on demand."""
        return self.state_dir / "serve.log"


def system_paths() -> Paths:
    """Root's places."""
    return Paths(Path("/var/lib") / APP, Path("/run") / APP, Path("/etc") / APP / f"{APP}.toml")


def user_paths() -> Paths:
    """An ordinary user's XDG places."""
    home = Path.home()
    state = Path(os.environ.get("XDG_STATE_HOME") or home / ".local" / "state") / APP
    config = Path(os.environ.get("XDG_CONFIG_HOME") or home / ".config") / APP / f"{APP}.toml"
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    return Paths(state, Path(runtime) / APP if runtime else state / "run", config)


def paths() -> Paths:
    """The places in force for this process."""
    if moved := os.environ.get("TUINOVA_STATE_DIR"):
        base = Path(moved).absolute()
        return Paths(base, base / "run", base / f"{APP}.toml")
    return system_paths() if os.geteuid() == 0 else user_paths()
