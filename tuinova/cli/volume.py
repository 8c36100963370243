"""`tuinova volume`: which module holds which verb."""

from __future__ import annotations

from tuinova.cli.verbs import VerbGroup
from tuinova.i18n import _

_HERE = "tuinova.cli.volume_"
_WORDS = {
    "verbs": ("create", "delete", "list", "show", "set", "unset", "revert"),
    "snapshot": ("snapshot",),
    "type": ("type",),
    "service": ("service",),
}
# The first word of each command to its module.
MODULES = {word: _HERE + name for name, words in _WORDS.items() for word in words}
APPS = {"volume": VerbGroup(_("Volumes"), MODULES)}
