"""The built demo guest: made once, kept in a cache directory between runs."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
BUILDER = ROOT / "guest" / "build.py"
sys.path.insert(0, str(ROOT / "guest"))  # the builder runs from there too; it is no part of the installed package


@pytest.fixture(scope="session")
def guest_cache() -> Path:
    """The directory with the built images, up to date with the sources."""
    cache = Path(os.environ.get("TUINOVA_GUEST_CACHE") or ROOT / ".cache" / "guest")
    subprocess.run([sys.executable, str(BUILDER), str(cache)], check=True)
    return cache


@pytest.fixture(scope="session")
def manifest(guest_cache: Path) -> dict[str, Any]:
    """What the builder says about the images."""
    content: dict[str, Any] = json.loads((guest_cache / "manifest.json").read_text())
    return content


@pytest.fixture(scope="session")
def emulator() -> str:
    """QEMU and the tools that the boot tests need."""
    for tool in ("qemu-system-x86_64", "qemu-img", "genisoimage"):
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not installed")
    return "qemu-system-x86_64"
