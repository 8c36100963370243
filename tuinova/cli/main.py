"""The entry of the command line: global options, finding the noun's module, errors and exit codes.

Only the module of the noun that was typed is imported: that is what keeps a command fast.
"""

from __future__ import annotations

import importlib
import os
import sys
from typing import Any

from tuinova.cli.diagnostics import FAILED, OK, USAGE, CommandError, fail, say
from tuinova.i18n import N_, _

# noun: (module, what its commands are about). `compute service` and the like are found by their first word.
NOUNS: dict[str, tuple[str, str]] = {
    "server": ("tuinova.cli.server", N_("Servers: create, list, show, actions, events, scheduling")),
    "flavor": ("tuinova.cli.flavor", N_("Flavors and their access")),
    "image": ("tuinova.cli.image", N_("Images")),
    "keypair": ("tuinova.cli.keypair", N_("Key pairs")),
    "console": ("tuinova.cli.console", N_("A server's serial console and its log")),
    "hypervisor": ("tuinova.cli.hypervisor", N_("Hypervisors and what they have left")),
    "compute": ("tuinova.cli.compute", N_("Compute services")),
    "network": ("tuinova.cli.network", N_("Networks that servers can join")),
    "subnet": ("tuinova.cli.subnet", N_("Ranges of addresses of networks")),
    "port": ("tuinova.cli.port", N_("Ports: what a server has on a network")),
    "security": ("tuinova.cli.security_group", N_("Security groups and their rules")),
    "router": ("tuinova.cli.router", N_("Routers between networks")),
    "floating": ("tuinova.cli.floating_ip", N_("Floating IPs")),
    "volume": ("tuinova.cli.volume", N_("Volumes, their snapshots and types")),
    "extension": ("tuinova.cli.extension", N_("API extensions")),
    "quota": ("tuinova.cli.quota", N_("Quotas of a project")),
    "limits": ("tuinova.cli.quota", N_("What a project may use, and uses")),
    "usage": ("tuinova.cli.usage", N_("What projects have used")),
    "aggregate": ("tuinova.cli.aggregate", N_("Host aggregates")),
    "availability": ("tuinova.cli.zone", N_("Availability zones")),
    "project": ("tuinova.cli.identity", N_("Projects")),
    "user": ("tuinova.cli.identity", N_("Users")),
    "info": ("tuinova.cli.about", N_("The service: socket, directories, driver, and why that one")),
    "config": ("tuinova.cli.about", N_("Every configuration value in force and where it came from")),
    "shell": ("tuinova.cli.shell", N_("An interactive prompt for these commands")),
}
# Commands that are no noun of the REST face; tuinova.__main__ carries them out.
PROCESSES: dict[str, str] = {
    "serve": N_("Run the service in the foreground"),
    "tui": N_("The full-screen interface"),
}
_GLOBAL = {
    "--os-username": ("username", "OS_USERNAME"),
    "--os-project-name": ("project", "OS_PROJECT_NAME"),
    "--os-compute-api-version": ("compute_version", "OS_COMPUTE_API_VERSION"),
    "--url": ("url", "TUINOVA_URL"),
}


def main(argv: list[str] | None = None) -> int:
    """Run one command line; returns the exit code and raises nothing."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        settings, rest = split_globals(arguments)
    except CommandError as error:
        fail(error.message)
        return error.code
    if not rest or rest[0] in ("--help", "-h", "--version") or rest == ["help"]:
        return run(rest)  # without the 50 ms that typer takes
    from tuinova.cli.commands import session

    session.configure(**settings)
    try:
        return run(rest)
    finally:
        session.close()


def split_globals(arguments: list[str]) -> tuple[dict[str, str | None], list[str]]:
    """The global options, wherever they stand before `--`, and the rest."""
    settings: dict[str, str | None] = {name: os.environ.get(variable) or None for name, variable in _GLOBAL.values()}
    rest: list[str] = []
    waiting = iter(arguments)
    for argument in waiting:
        if argument == "--":
            rest += [argument, *waiting]
            break
        name, sign, value = argument.partition("=")
        if name in _GLOBAL:
            if not sign:
                value = next(waiting, "")
            if not value:
                raise CommandError(_("argument {name}: expected one argument").format(name=name), code=USAGE)
            settings[_GLOBAL[name][0]] = value
        else:
            rest.append(argument)
    settings["compute_version"] = _microversion(settings["compute_version"])
    return settings, rest


def _microversion(text: str | None) -> str | None:
    """Nova's API version to ask at; None, as `openstack` reads a bare 2: the newest that both sides know."""
    if text in (None, "2", "2.latest", "latest"):
        return None
    major, _dot, minor = str(text).partition(".")
    if major != "2" or not minor.isascii() or not minor.isdigit() or minor != str(int(minor)) or minor == "0":
        raise CommandError(
            _("argument --os-compute-api-version: invalid version '{given}': 2.1 to 2.96, or latest").format(
                given=text
            ),
            code=USAGE,
        )
    return str(text)


def run(arguments: list[str]) -> int:
    """One command without its global options."""
    if not arguments:
        print_help()
        return USAGE
    first = arguments[0]
    if first in ("--help", "-h") or arguments == ["help"]:
        print_help()
        return OK
    if first == "--version":
        from tuinova import __version__

        print(f"tuinova {__version__}")
        return OK
    if first == "help":
        return help_command(arguments[1:])
    if first not in NOUNS:
        import difflib  # 5 ms that a command typed right does not pay

        near = difflib.get_close_matches(first, [*NOUNS, *PROCESSES], n=1)
        say(
            _("tuinova: '{command}' is not a tuinova command. See 'tuinova --help'.").format(
                command=" ".join(arguments)
            )
            + (_(" Did you mean '{near}'?").format(near=near[0]) if near else "")
        )
        return USAGE
    return invoke(first, arguments[1:])


def command_of(noun: str) -> Any:
    """The typer command of a noun."""
    import typer.main

    app = importlib.import_module(NOUNS[noun][0]).APPS[noun]
    return typer.main.get_command(app) if isinstance(app, typer.Typer) else app


def invoke(noun: str, arguments: list[str]) -> int:
    """Run a noun's command and turn what it raises into an exit code."""
    from typer import Abort, Exit
    from typer._click.exceptions import ClickException, NoArgsIsHelpError, UsageError

    from tuinova.cli.commands import session
    from tuinova.client.errors import ClientError

    command = command_of(noun)
    session.words = arguments
    try:
        _suggest_long_options(command, arguments)
        result = command.main(args=arguments, prog_name=f"tuinova {noun}", standalone_mode=False)
    except NoArgsIsHelpError as error:
        print(error.format_message())
        return USAGE
    except UsageError as error:
        usage = error.ctx.get_usage() + "\n" if error.ctx is not None else ""
        command_path = error.ctx.command_path if error.ctx is not None else f"tuinova {noun}"
        say(f"{usage}{command_path}: {error.format_message()}")
        return USAGE
    except ClickException as error:
        return fail(error.format_message())
    except Exit as stop:
        return stop.exit_code
    except (Abort, KeyboardInterrupt):
        return fail("")
    except CommandError as error:
        fail(error.message)
        return error.code
    except ClientError as error:
        return fail(error)
    return result if isinstance(result, int) else OK


def _suggest_long_options(command: Any, arguments: list[str]) -> None:
    """`-long` is a typing slip for `--long`: say so, where click would read it as `-l -o -n -g`."""
    group, names = command, []
    for argument in arguments:
        sub = getattr(group, "commands", {}).get(argument)
        if sub is not None:
            group = sub
    for parameter in getattr(group, "params", []):
        names += parameter.opts
    for argument in arguments:
        if argument == "--":
            return
        name = argument.partition("=")[0]
        if len(name) > 2 and name[0] == "-" and name[1] != "-" and "-" + name in names:
            raise CommandError(_("No such option: {given}. Did you mean -{given}?").format(given=name), code=USAGE)


def all_commands() -> list[tuple[str, str]]:
    """Every command and its one-line help, for `help`, the shell's completion and the tests."""
    found: list[tuple[str, str]] = []

    def walk(prefix: str, command: Any) -> None:
        children = getattr(command, "commands", None)
        if children is None:
            found.append((prefix, command.get_short_help_str(100)))
            return
        for name in sorted(children):
            walk(f"{prefix} {name}", children[name])

    for noun in NOUNS:
        walk(noun, command_of(noun))
    return found


def help_command(words: list[str]) -> int:
    """`help server create` is `server create --help`; `help server` lists the commands that begin so."""
    typed = " ".join(words)
    commands = all_commands()
    if any(name == typed for name, _help in commands):
        return invoke(words[0], [*words[1:], "--help"])
    matching = [(name, text) for name, text in commands if name.startswith(typed)]
    if not matching:
        say(_("tuinova: '{command}' is not a tuinova command. See 'tuinova --help'.").format(command=typed))
        return USAGE
    print(_('Command "{command}" matches:').format(command=typed))
    width = max(len(name) for name, _text in matching)
    for name, text in matching:
        print(f"  {name.ljust(width)}  {text}")
    return OK


def print_help() -> None:
    """The page of `tuinova --help`, made from the tables: no noun's module is imported for it."""
    lines = [
        _("usage: tuinova [global options] <command> [options]"),
        _("       tuinova            the full-screen interface (on a terminal)"),
        _("       tuinova --demo     the same on a fake hypervisor whose state is thrown away"),
        "",
        _("OpenStack Nova's behaviour on the hypervisor in front of you."),
        "",
        _("global options:"),
        _("  --os-username NAME      act as this user (OS_USERNAME, default admin)"),
        _("  --os-project-name NAME  act in this project (OS_PROJECT_NAME, default admin)"),
        _("  --os-compute-api-version 2.N  ask Nova's API at this version (OS_COMPUTE_API_VERSION, default 2.96)"),
        _("  --url URL               the service, unix:///path or http://host:port (TUINOVA_URL)"),
        _("  --version, -h, --help"),
        "",
        _("commands (tuinova help <command> lists what begins so):"),
    ]
    rows = [(noun, text) for noun, (_module, text) in NOUNS.items()] + list(PROCESSES.items())
    lines += [f"  {noun.ljust(14)}{_(text)}" for noun, text in rows]
    print("\n".join(lines))


__all__ = ["FAILED", "OK", "USAGE", "main"]
