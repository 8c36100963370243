"""What the TUI remembers of an operator's choices: one small JSON file in the state directory."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from tuinova.core.paths import paths


@dataclass(slots=True)
class Settings:
    """Sort column and direction, theme, chosen columns (empty: by width), language (empty: the environment's)."""

    theme: str = ""
    sort_by: str = "age"
    descending: bool = False
    columns: list[str] = field(default_factory=list)
    language: str = ""
    detach_key: str = "ctrl+right_square_bracket"


def settings_file() -> Path:
    """Where the choices are kept."""
    return paths().state_dir / "ui.json"


def load_settings(file: Path) -> Settings:
    """The kept choices; defaults where the file is missing, unreadable or has another type in a field."""
    try:
        data: Any = json.loads(file.read_text("utf-8"))
    except (OSError, ValueError):
        return Settings()
    settings = Settings()
    if isinstance(data, dict):
        for item in fields(Settings):
            value = data.get(item.name)
            if isinstance(value, type(getattr(settings, item.name))):
                setattr(settings, item.name, value)
    settings.columns = [column for column in settings.columns if isinstance(column, str)]
    return settings


def save_settings(file: Path, settings: Settings) -> str | None:
    """Keep the choices; the reason when that was not possible (a read-only home is no reason to stop)."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        fresh = file.with_name(f"{file.name}.{os.getpid()}")
        fresh.write_text(json.dumps(asdict(settings), indent=1) + "\n", "utf-8")
        fresh.replace(file)
    except OSError as error:
        return str(error)
    return None
