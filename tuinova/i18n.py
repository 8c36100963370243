"""The gettext seam: `_` for every string that a user reads, English and Chinese (zh_CN)."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

LOCALE_DIR = Path(__file__).parent / "locale"


@cache
def _catalogue(language: str) -> dict[str, str]:
    # gettext's module costs 4 ms at start; English needs none of it.
    if not language.startswith("zh"):
        return {}
    import gettext

    try:
        translations = gettext.translation("tuinova", LOCALE_DIR, languages=["zh_CN"])
    except OSError:
        return {}
    return dict(getattr(translations, "_catalog", {}))


def language() -> str:
    """The language in force: TUINOVA_LANG, else LC_ALL, LC_MESSAGES, LANG, by the usual order."""
    for name in ("TUINOVA_LANG", "LC_ALL", "LC_MESSAGES", "LANG"):
        if value := os.environ.get(name):
            return value
    return "en"


def _(message: str) -> str:
    """The message in the user's language; the English text itself where there is no translation."""
    return _catalogue(language()).get(message) or message


def N_(message: str) -> str:
    """Marks a string of a table for translation where it is shown."""
    return message
