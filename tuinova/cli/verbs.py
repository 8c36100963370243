"""A noun whose verbs are found by their words, each verb's module imported when it is typed.

As in `openstack`, the longest name wins: `server resize confirm vm1` is another command than `server resize vm1`.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping, MutableMapping
from typing import TYPE_CHECKING, Any, cast

from tuinova.cli.commands import Group
from tuinova.i18n import _

if TYPE_CHECKING:
    import typer

_MOST_WORDS = 3


class LazyCommands(MutableMapping[str, Any]):
    """Commands by name; `modules` says which module's `app` holds the names that begin with a word."""

    def __init__(self, modules: Mapping[str, str]) -> None:
        self._modules = modules
        self._loaded: set[str] = set()
        self._commands: dict[str, Any] = {}

    def _load(self, word: str) -> None:
        module = self._modules.get(word)
        if module is None or module in self._loaded:
            return
        import typer.main

        app: typer.Typer = importlib.import_module(module).app
        self._commands.update(typer.main.get_group(app).commands)
        self._loaded.add(module)

    def __getitem__(self, name: str) -> Any:
        self._load(name.partition(" ")[0])
        return self._commands[name]

    def __iter__(self) -> Iterator[str]:
        for word in self._modules:
            self._load(word)
        yield from sorted(self._commands)

    def __len__(self) -> int:
        return sum(1 for _name in self)

    def __setitem__(self, name: str, command: Any) -> None:
        self._commands[name] = command

    def __delitem__(self, name: str) -> None:
        del self._commands[name]


class VerbGroup(Group):
    """The group of a noun with many verbs."""

    def __init__(self, help_text: str, modules: Mapping[str, str]) -> None:
        commands = cast("dict[str, Any]", LazyCommands(modules))
        super().__init__(commands=commands, help=help_text, no_args_is_help=True, rich_markup_mode=None)

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        """The command with the most words that the arguments begin with, its name, and what follows it."""
        for count in range(min(len(args), _MOST_WORDS), 1, -1):
            name = " ".join(args[:count])
            command = self.commands.get(name)
            if command is not None:
                return name, command, args[count:]
        if args[0] not in self.commands:
            self._say_what_follows(ctx, args)
        return super().resolve_command(ctx, args)

    def _say_what_follows(self, ctx: Any, args: list[str]) -> None:
        """A usage error for the first words of longer names: which ones there are."""
        longer = [name for name in self.commands if name.startswith(args[0] + " ")]
        if not longer:
            return
        import difflib  # 5 ms that a command typed right does not pay

        given = " ".join(word for word in args[:_MOST_WORDS] if not word.startswith("-"))
        further = [name for name in longer if name.startswith(given + " ")]
        near = further or difflib.get_close_matches(given, longer, n=1, cutoff=0.8) or longer
        text = _("'{given}' goes on with: {near}") if further else _("No such command '{given}'. Did you mean {near}?")
        ctx.fail(text.format(given=given, near=", ".join(f"'{name}'" for name in near)))
