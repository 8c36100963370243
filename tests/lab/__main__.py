"""`python -m tests.lab up DIR [HOSTNAME]` starts a private libvirt by hand and prints its URI; `down DIR` stops it."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.lab import LabError, PrivateLibvirt


def main(arguments: list[str]) -> int:
    """0 when done, 1 with a sentence on stderr, 2 for a wrong call."""
    if len(arguments) not in (2, 3) or arguments[0] not in ("up", "down"):
        print(__doc__, file=sys.stderr)
        return 2
    directory = Path(arguments[1]).resolve()
    try:
        if arguments[0] == "up":
            lab = PrivateLibvirt(directory, hostname=arguments[2] if len(arguments) == 3 else "lab")
            lab.start()
            print(lab.uri)
        else:
            PrivateLibvirt.load(directory).stop()
            (directory / "lab.json").unlink()
    except LabError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
