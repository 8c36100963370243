"""Fails on a user-visible string of screens and cli without its Chinese, and on a catalogue that is out of date.

`python tools/check_translations.py` checks; with `--update` it adds new strings to the .po file (untranslated), drops
dead ones and compiles the .mo file that the package ships.
"""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import polib

from tuinova.core.states import STATUSES, TaskState

ROOT = Path(__file__).resolve().parent.parent
PO = ROOT / "tuinova" / "locale" / "zh_CN" / "LC_MESSAGES" / "tuinova.po"
ROOMS = ("screens", "cli")


def strings_in(path: Path) -> dict[str, int]:
    """The literal arguments of `_()` in a module, with their line."""
    found: dict[str, int] = {}
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "_" and node.args:
            argument = node.args[0]
            if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
                found.setdefault(argument.value, node.lineno)
        # Registries hold their labels as N_("..."): translated where they are shown.
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "N_" and node.args:
            argument = node.args[0]
            if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
                found.setdefault(argument.value, node.lineno)
    return found


def all_strings() -> dict[str, str]:
    """Every string of the front ends and the place of its first use; Nova's words are shown from the states as data."""
    found: dict[str, str] = dict.fromkeys((*STATUSES, *TaskState), "tuinova/core/states.py")
    for room in ROOMS:
        for path in sorted((ROOT / "tuinova" / room).rglob("*.py")):
            for text, line in strings_in(path).items():
                found.setdefault(text, f"{path.relative_to(ROOT)}:{line}")
    return found


def update(wanted: dict[str, str]) -> None:
    """Bring the catalogue in step with the code."""
    PO.parent.mkdir(parents=True, exist_ok=True)
    old = polib.pofile(str(PO)) if PO.exists() else polib.POFile()
    known = {entry.msgid: entry.msgstr for entry in old}
    new = polib.POFile(wrapwidth=0)
    new.metadata = {"Language": "zh_CN", "Content-Type": "text/plain; charset=utf-8", "MIME-Version": "1.0"}
    for text in sorted(wanted):
        new.append(polib.POEntry(msgid=text, msgstr=known.get(text, "")))
    new.save(str(PO))
    new.save_as_mofile(str(PO.with_suffix(".mo")))


def problems(wanted: dict[str, str]) -> list[str]:
    """What is wrong, a line each."""
    if not PO.exists():
        return [f"{PO.relative_to(ROOT)} is missing"] if wanted else []
    catalogue = {entry.msgid: entry.msgstr for entry in polib.pofile(str(PO))}
    found = [f"{place}: no Chinese for {text!r}" for text, place in wanted.items() if not catalogue.get(text)]
    found += [f"{PO.name}: {text!r} is used nowhere" for text in catalogue if text not in wanted]
    mo = PO.with_suffix(".mo")
    compiled = {entry.msgid: entry.msgstr for entry in polib.mofile(str(mo))} if mo.exists() else {}
    if compiled != {text: chinese for text, chinese in catalogue.items() if chinese}:
        found.append(f"{mo.name} is out of date: run tools/check_translations.py --update")
    for text, chinese in catalogue.items():
        if chinese and sorted(placeholders(text)) != sorted(placeholders(chinese)):
            found.append(f"{PO.name}: {text!r} and its Chinese differ in their placeholders")
    return found


def placeholders(text: str) -> list[str]:
    """The names in braces of a format string."""
    import string

    return [name for _text, name, _spec, _conversion in string.Formatter().parse(text) if name is not None]


def main() -> int:
    """0 when every string has its Chinese."""
    wanted = all_strings()
    if "--update" in sys.argv[1:]:
        update(wanted)
    found = problems(wanted)
    for line in found:
        print(line)
    print(f"{len(wanted)} strings, {len(found)} problems")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
