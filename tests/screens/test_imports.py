"""What the screens may import, and what must wait until the first frame stands."""

from __future__ import annotations

import subprocess
import sys

NEVER = (
    "sqlmodel",
    "sqlalchemy",
    "libvirt",
    "starlette",
    "uvicorn",
    "pydantic",
    "numpy",
    "alembic",
    "typer",
    "websockets",
)
LATER = (
    "tuinova.client",
    "http.client",
    "pyte",
    "tuinova.screens.server_page",
    "tuinova.screens.menu",
    "tuinova.screens.forms.base",
)
CODE = """
import sys
from tuinova.screens.app import TuinovaApp
import tuinova.screens.instances
print("\\n".join(sys.modules))
"""


def test_the_application_imports_no_engine_and_no_client_before_its_first_frame() -> None:
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert "tuinova.screens.app" in loaded
    assert not loaded & {*NEVER, *LATER}
