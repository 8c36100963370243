"""`tuinova` on a terminal: reads the TUI's few options and opens it."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import argparse

    from tuinova.screens.app import TuinovaApp


def parse_arguments(arguments: Sequence[str]) -> argparse.Namespace:
    """The options of the TUI; argparse is imported only where there are any."""
    import argparse

    parser = argparse.ArgumentParser(prog="tuinova", description="The full-screen TUI.", allow_abbrev=False)
    parser.add_argument("--read-only", action="store_true", help="refuse every action")
    parser.add_argument("--demo", action="store_true", help="the fake driver and a throw-away state directory")
    parser.add_argument("--url", help="the service to connect to (also TUINOVA_URL)")
    parser.add_argument("--os-username", metavar="NAME", help="act as this user")
    parser.add_argument("--os-project-name", metavar="NAME", help="act in this project")
    parser.add_argument("--theme", metavar="NAME", help="a theme for this time")
    return parser.parse_args([word for word in arguments if word != "tui"])


def main(arguments: Sequence[str] = ()) -> int:
    """Open the TUI; 2 where there is no terminal."""
    options = parse_arguments(arguments) if arguments else None
    # Textual draws on stderr.
    if not (sys.stdin.isatty() and sys.stdout.isatty() and sys.stderr.isatty()):
        print("tuinova: the TUI needs a terminal; see tuinova --help for the commands.", file=sys.stderr)
        return 2
    if options is not None and options.demo:
        from tuinova.screens.demo import DemoService

        with DemoService() as demo:
            return _run(demo.connect, options, {})
    url = options.url if options else None

    def factory(*, username: str | None = None, project: str | None = None) -> Any:
        from tuinova.client import connect

        return connect(url=url, username=username, project=project)

    return _run(factory, options, {"TUINOVA_URL": url} if url else {})


def _run(factory: Any, options: argparse.Namespace | None, environment: dict[str, str]) -> int:
    from tuinova.screens.app import TuinovaApp
    from tuinova.screens.identity import Acting

    acting = Acting(options.os_username, options.os_project_name) if options else Acting()
    app = TuinovaApp(factory, read_only=bool(options and options.read_only), acting=acting, command_env=environment)
    if options and options.theme:
        if options.theme not in app.available_themes:
            names = ", ".join(sorted(app.available_themes))
            print(f"tuinova: there is no theme {options.theme!r}; there are {names}", file=sys.stderr)
            return 2
        app.theme = options.theme
    return _end(app)


def _end(app: TuinovaApp) -> int:
    app.run()
    return app.return_code or 0
