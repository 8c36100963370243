"""`tuinova image`: which module holds which verb."""

from __future__ import annotations

from tuinova.cli.verbs import VerbGroup
from tuinova.i18n import _

_HERE = "tuinova.cli.image_"
_WORDS = {
    "list": ("list", "show", "delete"),
    "create": ("create",),
    "save": ("save",),
    "set": ("set", "unset"),
    "catalog": ("catalog",),
    "members": ("add", "remove", "member"),
}
# The first word of each command to its module.
MODULES = {word: _HERE + name for name, words in _WORDS.items() for word in words}
APPS = {"image": VerbGroup(_("Images"), MODULES)}
