"""`tuinova server`: which module holds which verb."""

from __future__ import annotations

from tuinova.cli.verbs import VerbGroup
from tuinova.i18n import _

_HERE = "tuinova.cli.server_"
_WORDS = {
    "list": ("list",),
    "show": ("show", "actions"),
    "create": ("create",),
    "actions": ("start", "stop", "reboot", "pause", "unpause", "suspend", "resume", "lock", "unlock", "dump"),
    "delete": ("delete", "restore"),
    "set": ("set", "unset"),
    "resize": ("resize", "migrate"),
    "migration": ("migration",),
    "rebuild": ("rebuild", "evacuate", "rescue", "unrescue"),
    "shelve": ("shelve", "unshelve"),
    "image": ("image", "backup"),
    "event": ("event", "schedule"),
    "group": ("group",),
    "ssh": ("ssh",),
    "add": ("add", "remove"),
    "volume": ("volume",),
}
# The first word of each command to its module.
MODULES = {word: _HERE + name for name, words in _WORDS.items() for word in words}
APPS = {"server": VerbGroup(_("Servers"), MODULES)}
