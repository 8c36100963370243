"""What all commands share: the decorators `silent`, `lister` and `shower`, and the connection to the service.

A decorated function returns data; the wrapper adds openstack's output options to its signature, formats and writes.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any, get_type_hints

import typer
from typer.core import TyperCommand, TyperGroup

from tuinova.cli.diagnostics import CommandError
from tuinova.cli.output import LIST_FORMATS, SHOW_FORMATS, Listing, Options, OutputError, Record, render, write
from tuinova.i18n import _

if TYPE_CHECKING:
    from tuinova.client import Client


class Session:
    """The settings of this invocation and its one client, connected when a command first needs it."""

    def __init__(self) -> None:
        self.settings: dict[str, str | None] = {}
        self.words: list[str] = []  # of the command that runs, as they were typed
        self._client: Client | None = None

    def configure(self, **settings: str | None) -> None:
        """Settings of the global options; a changed identity or address gives a new connection."""
        if settings != self.settings:
            self.settings = settings
            self.close()

    @property
    def client(self) -> Client:
        """The client, connected; starts a service when none answers."""
        if self._client is None:
            from tuinova.client import connect

            self._client = connect(
                url=self.settings.get("url"),
                username=self.settings.get("username"),
                project=self.settings.get("project"),
                microversion=self.settings.get("compute_version"),
            )
        return self._client

    @property
    def microversion(self) -> tuple[int, int]:
        """The version that Nova's API is asked at."""
        from tuinova.client.connection import MICROVERSION

        major, _dot, minor = (self.settings.get("compute_version") or MICROVERSION).partition(".")
        return int(major), int(minor)

    def needs(self, microversion: tuple[int, int], what: str, used: object = True) -> None:
        """Refuse what Nova's API has only from this version on; `what` reads like "the --tag option"."""
        if used and self.microversion < microversion:
            raise CommandError(
                _("--os-compute-api-version {major}.{minor} or greater is required to support {what}").format(
                    major=microversion[0], minor=microversion[1], what=what
                )
            )

    def needs_option(self, microversion: tuple[int, int], option: str, used: object = True) -> None:
        """Refuse an option that Nova's API has only from this version on."""
        self.needs(microversion, _("the {option} option").format(option=option), used)

    def close(self) -> None:
        """Leave the service."""
        if self._client is not None:
            self._client.close()
            self._client = None


session = Session()


HELP_OPTIONS = ["-h", "--help"]


class Command(TyperCommand):
    """A command whose usage line reads as `openstack`'s: `<server>`, not `{<server>}`."""

    def get_help_option_names(self, ctx: Any) -> list[str]:
        """As `openstack`'s."""
        return HELP_OPTIONS

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """The parts of the usage line."""
        return [piece.replace("{", "").replace("}", "") for piece in super().collect_usage_pieces(ctx)]


class Group(TyperGroup):
    """A noun, or its first words."""

    def get_help_option_names(self, ctx: Any) -> list[str]:
        """As `openstack`'s."""
        return HELP_OPTIONS


class App(typer.Typer):
    """A noun's application: its commands are `Command`s."""

    def command(self, name: str | None = None, **settings: Any) -> Any:
        """Register a command."""
        settings.setdefault("cls", Command)
        return super().command(name, **settings)


def new_app(help_text: str) -> App:
    """A noun's application."""
    return App(
        cls=Group,
        help=help_text,
        no_args_is_help=True,
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
    )


def _parameter(name: str, kind: Any, option: Any, default: Any) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=Annotated[kind, option])


def _common_parameters() -> list[inspect.Parameter]:
    return [
        _parameter(
            "out_columns",
            list[str] | None,
            typer.Option("-c", "--column", metavar="COLUMN", help=_("Show only this column (repeatable)")),
            None,
        ),
        _parameter("out_noindent", bool, typer.Option("--noindent", help=_("JSON on one line")), False),
        _parameter(
            "out_max_width",
            int,
            typer.Option("--max-width", metavar="N", help=_("Widest table; less than 1: no limit")),
            0,
        ),
        _parameter("out_fit_width", bool, typer.Option("--fit-width", help=_("Fit the table to the terminal")), False),
        _parameter(
            "out_print_empty", bool, typer.Option("--print-empty", help=_("Print the header without rows")), False
        ),
    ]


def _format_parameter(formats: tuple[str, ...]) -> inspect.Parameter:
    return _parameter(
        "out_format", str, typer.Option("-f", "--format", metavar="|".join(formats), help=_("Output format")), "table"
    )


def _list_parameters() -> list[inspect.Parameter]:
    return [
        _format_parameter(LIST_FORMATS),
        *_common_parameters(),
        _parameter(
            "out_sort_columns",
            list[str] | None,
            typer.Option("--sort-column", metavar="COLUMN", help=_("Sort by this column (repeatable)")),
            None,
        ),
        _parameter("out_ascending", bool, typer.Option("--sort-ascending", help=_("Smallest first (default)")), False),
        _parameter("out_descending", bool, typer.Option("--sort-descending", help=_("Largest first")), False),
        _parameter(
            "out_quote",
            str,
            typer.Option("--quote", metavar="all|minimal|none|nonnumeric", help=_("Quoting of csv")),
            "nonnumeric",
        ),
    ]


def _show_parameters() -> list[inspect.Parameter]:
    return [
        _format_parameter(SHOW_FORMATS),
        *_common_parameters(),
        _parameter(
            "out_prefix", str, typer.Option("--prefix", metavar="PREFIX", help=_("Prefix of shell variables")), ""
        ),
    ]


def _options(given: dict[str, Any], formats: tuple[str, ...]) -> Options:
    """The output options taken out of a command's arguments."""
    if given["out_format"] not in formats:
        raise CommandError(
            _("argument -f/--format: invalid choice: '{given}' (choose from {choices})").format(
                given=given["out_format"], choices=", ".join(formats)
            ),
            code=2,
        )
    if given.get("out_ascending") and given.get("out_descending"):
        raise CommandError(_("--sort-ascending and --sort-descending exclude each other"), code=2)
    quote = given.get("out_quote") or "nonnumeric"
    if quote not in ("all", "minimal", "none", "nonnumeric"):
        raise CommandError(_("argument --quote: invalid choice: '{given}'").format(given=quote), code=2)
    return Options(
        format=given["out_format"],
        columns=list(given.get("out_columns") or []),
        sort_columns=list(given.get("out_sort_columns") or []),
        descending=bool(given.get("out_descending")),
        max_width=given["out_max_width"],
        fit_width=given["out_fit_width"],
        print_empty=given["out_print_empty"],
        noindent=given["out_noindent"],
        prefix=given.get("out_prefix", ""),
        quote=quote,
    )


def _with_output(
    function: Callable[..., Listing | Record | None], extra: list[inspect.Parameter], formats: tuple[str, ...]
) -> Callable[..., None]:
    hints = get_type_hints(function, include_extras=True)
    own = [
        parameter.replace(annotation=hints.get(name, parameter.annotation), kind=inspect.Parameter.KEYWORD_ONLY)
        for name, parameter in inspect.signature(function).parameters.items()
    ]

    @functools.wraps(function)
    def command(**given: Any) -> None:
        options = _options(given, formats)
        result = function(**{name: value for name, value in given.items() if not name.startswith("out_")})
        if result is None:
            return
        try:
            write(render(result, options))
        except OutputError as error:
            raise CommandError(str(error)) from error

    parameters = own + extra
    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    command.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    del command.__wrapped__  # typer would read the original's hints through it
    return command


def lister(function: Callable[..., Listing | None]) -> Callable[..., None]:
    """A list command: the function returns a `Listing`."""
    return _with_output(function, _list_parameters(), LIST_FORMATS)


def shower(function: Callable[..., Record | None]) -> Callable[..., None]:
    """A show or create command: the function returns a `Record`, or None after it wrote something itself."""
    return _with_output(function, _show_parameters(), SHOW_FORMATS)


def key_values(pairs: list[str] | None, option: str = "--property") -> dict[str, str]:
    """`k=v` arguments as a dictionary; a clear usage error for one without `=`."""
    result: dict[str, str] = {}
    for pair in pairs or []:
        key, sign, value = pair.partition("=")
        if not sign or not key:
            raise CommandError(
                _("argument {option}: Expected 'key=value' type, but got: {given}").format(option=option, given=pair),
                code=2,
            )
        result[key] = value
    return result


def exclusive(**given: object) -> None:
    """At most one of these options may be used; names as the user types them, with _ for -."""
    used = ["--" + name.rstrip("_").replace("_", "-") for name, value in given.items() if value]
    if len(used) > 1:
        raise CommandError(
            _("argument {second}: not allowed with argument {first}").format(first=used[0], second=used[1]), code=2
        )


def each(names: list[str], function: Callable[[str], object], failed: str, summary: str) -> None:
    """Do it for every name, telling failures as they come; a summary and exit 1 at the end if there were any."""
    from tuinova.cli.diagnostics import say
    from tuinova.client import ClientError

    failures = 0
    for name in names:
        try:
            function(name)
        except (ClientError, CommandError) as error:
            failures += 1
            say(failed.format(name=name, error=error))
    if failures:
        raise CommandError(summary.format(failed=failures, total=len(names)))
