"""Notes in the directories of guests that move: they tell a copy from an original, also after a crash.

Written whole or not at all. `TO` is in what was set aside; `FROM` in the copy, until the move is confirmed.
"""

from __future__ import annotations

import json
import logging
from dataclasses import asdict, dataclass
from pathlib import Path

LOG = logging.getLogger(__name__)

TO = "moved_to.json"
FROM = "moved_from.json"


@dataclass(frozen=True, slots=True)
class MoveNote:
    """`instances`: the instances directory of the other end; `taken`: the destination has made the copy its guest."""

    instances: str
    taken: bool = False


def write(directory: Path, name: str, note: MoveNote) -> None:
    """Put a note into a guest's directory."""
    part = directory / f"{name}.part"
    part.write_text(json.dumps(asdict(note)))
    part.rename(directory / name)


def read(directory: Path, name: str) -> MoveNote | None:
    """The note; None without one."""
    path = directory / name
    try:
        return MoveNote(**json.loads(path.read_text()))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError) as error:
        LOG.warning("%s can't be read: %s", path, error)
        return None


def forget(directory: Path, *names: str) -> None:
    """Remove notes, half ones too."""
    for name in names:
        (directory / f"{name}.part").unlink(missing_ok=True)
        (directory / name).unlink(missing_ok=True)
