"""The service process: one for each state directory, its socket, its life.

`main` is what `tuinova serve` runs. Only what is needed to refuse quickly is imported at the top.
"""

from __future__ import annotations

import argparse
import fcntl
import logging
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from tuinova.core.errors import NovaError, StateDirectoryLocked
from tuinova.core.paths import Paths, paths
from tuinova.core.sockets import connect_unix, listen_unix

if TYPE_CHECKING:
    import asyncio

    from starlette.applications import Starlette

    from tuinova.core.idle import Activity
    from tuinova.core.service import Engine

LOG = logging.getLogger("tuinova.serve")

SERVE_LOCK = "serve.lock"
# A service that is stopping has no socket any more but still holds the lock.
_LOCK_WAIT_SECONDS = 10.0
_STREAMS_END_SECONDS = 1


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line says."""

    driver: str | None = None
    fake_hosts: int | None = None
    config_file: Path | None = None
    on_demand: bool = False
    idle_exit: float | None = None
    log_level: str = "info"


def parse_arguments(arguments: Sequence[str]) -> Options:
    """The options of `tuinova serve`."""
    parser = argparse.ArgumentParser(prog="tuinova serve", description="Run the tuinova service.")
    parser.add_argument("--driver", choices=("libvirt", "fake"), help="the hypervisor driver")
    parser.add_argument("--fake-hosts", type=_positive, metavar="N", help="simulate N hosts (driver fake)")
    parser.add_argument("--config", dest="config_file", type=Path, metavar="FILE", help="the configuration file")
    parser.add_argument(
        "--on-demand", action="store_true", help="started by a client: leave after [tuinova] idle_exit_seconds"
    )
    parser.add_argument(
        "--idle-exit", type=float, metavar="SECONDS", help="leave when nothing runs and nobody asks for so long"
    )
    parser.add_argument("--log-level", choices=("debug", "info", "warning", "error"), default="info")
    return Options(**vars(parser.parse_args(arguments)))


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{number} is less than 1")
    return number


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the service until it is told to stop; the process's exit code."""
    options = parse_arguments(sys.argv[1:] if arguments is None else arguments)
    _set_up_logging(options.log_level)
    code = _run(options)
    hanging = [
        thread for thread in threading.enumerate() if not thread.daemon and thread is not threading.main_thread()
    ]
    # Workers of the REST face live on for some seconds after their last request; one may hang in a hypervisor's call.
    if hanging:
        logging.shutdown()
        os._exit(code)
    return code


def _run(options: Options) -> int:
    places = paths()
    os.umask(0o022)
    try:
        make_directories(places)
        with StateLock(places):
            return Service(places, options).run()
    except NovaError as error:
        LOG.error("%s", error.message)
    except OSError as error:
        LOG.error("%s", error)
    return 1


def _set_up_logging(level: str) -> None:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Lines("%(asctime)s %(levelname)s %(name)s %(message)s"))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    logging.getLogger("asyncio").setLevel(logging.WARNING)
    logging.getLogger("uvicorn").setLevel(logging.WARNING)


class _Lines(logging.Formatter):
    """UTC times; what a message quotes can't forge a line or steer the terminal that shows the log."""

    converter = staticmethod(time.gmtime)
    default_time_format = "%Y-%m-%dT%H:%M:%S"
    default_msec_format = "%s.%03dZ"

    def formatMessage(self, record: logging.LogRecord) -> str:
        from tuinova.text import clean

        return clean(super().formatMessage(record))


def make_directories(places: Paths) -> None:
    """State and runtime directories: the system's may be walked through (QEMU's own user), nobody else lists them."""
    places.state_dir.mkdir(mode=0o711 if os.geteuid() == 0 else 0o700, parents=True, exist_ok=True)
    places.runtime_dir.mkdir(mode=0o700 if os.geteuid() != 0 else 0o755, parents=True, exist_ok=True)


class StateLock:
    """The kernel's lock that says whose the state directory is; a crash frees it at once."""

    def __init__(self, places: Paths, wait: float = _LOCK_WAIT_SECONDS) -> None:
        self._places = places
        self._wait = wait
        self._fd = -1

    def __enter__(self) -> StateLock:
        path = self._places.state_dir / SERVE_LOCK
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        end = time.monotonic() + self._wait
        while not self._try():
            # One that answers is no stopping one: no use in waiting for it.
            if self._answers() or time.monotonic() > end:
                pid = os.pread(self._fd, 32, 0).decode(errors="replace").strip() or "?"
                os.close(self._fd)
                raise StateDirectoryLocked(pid=pid, path=self._places.state_dir)
            time.sleep(0.02)
        os.ftruncate(self._fd, 0)
        os.pwrite(self._fd, f"{os.getpid()}\n".encode(), 0)
        return self

    def __exit__(self, *exc: object) -> None:
        os.close(self._fd)

    def _try(self) -> bool:
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def _answers(self) -> bool:
        try:
            connect_unix(self._places.socket, 1.0).close()
        except OSError:
            return False
        return True


class Service:
    """Engine, REST face and socket, from start to stop."""

    def __init__(self, places: Paths, options: Options) -> None:
        self._places = places
        self._options = options

    def run(self) -> int:
        """Start, say ready, serve, stop."""
        import asyncio
        import gc

        # A tenth of the start would be the collector's, which finds nothing among modules and classes.
        gc.disable()
        from tuinova.api.app import create_app
        from tuinova.core.idle import Activity
        from tuinova.core.service import build_engine

        engine = build_engine(self._places, self._options)
        if engine.config is not None and engine.config.DEFAULT.debug:
            logging.getLogger().setLevel(logging.DEBUG)
        if engine.config is not None and engine.config.tuinova.listen:
            LOG.warning("[tuinova] listen is not served by this version: over TCP only tokens would count")
        # All that is slow to import comes before the start: what the engine does behind itself would compete with it.
        activity = Activity()
        app = create_app(engine, activity)
        server = make_server(app)
        engine.start()
        gc.enable()
        gc.freeze()
        try:
            listener = listen_unix(self._places.socket)
            LOG.info("listening on %s", self._places.socket)
            asyncio.run(self._serve(engine, app, server, activity, listener))
        finally:
            # The lock is held still, so this is our own socket.
            self._places.socket.unlink(missing_ok=True)
            engine.stop()
        LOG.info("stopped")
        return 0

    async def _serve(self, engine: Engine, app: Starlette, server: Any, activity: Activity, listener: Any) -> None:
        import asyncio

        loop = asyncio.get_running_loop()

        def stop() -> None:
            if server.should_exit:
                server.force_exit = True  # asked twice
            app.state.api.stop()
            server.should_exit = True

        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop)
        watch = self._watch(engine, activity, stop)
        announce_ready(sys.stdout)
        try:
            await server._serve(sockets=[listener])
        finally:
            notify("STOPPING=1")
            if watch is not None:
                watch.cancel()
            await app.state.api.close()

    def _watch(self, engine: Engine, activity: Activity, stop: Any) -> asyncio.Task[None] | None:
        seconds = self._options.idle_exit
        if seconds is None and self._options.on_demand and engine.config is not None:
            seconds = engine.config.tuinova.idle_exit_seconds
        if not seconds:
            return None
        import asyncio

        from tuinova.core.idle import IdleExit

        idle = IdleExit(self._places.socket, seconds, activity, engine.busy, stop)
        return asyncio.get_running_loop().create_task(idle.run())


def make_server(app: Any) -> Any:
    """uvicorn, quiet, with our own signals and a stop that does not wait for streams."""
    import uvicorn

    class Server(uvicorn.Server):
        @contextmanager
        def capture_signals(self) -> Generator[None, None, None]:
            yield

    config = uvicorn.Config(
        app,
        loop="none",
        http="h11",
        ws="websockets-sansio",
        ws_max_size=1 << 20,
        ws_per_message_deflate=False,
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        # Kept connections cost nothing on a Unix socket, and a closed one costs a client a round trip.
        timeout_keep_alive=3600,
        timeout_graceful_shutdown=_STREAMS_END_SECONDS,
    )
    return Server(config)


def announce_ready(stream: IO[str]) -> None:
    """Tell whoever started us: a line on standard output, and systemd."""
    stream.write("ready\n")
    stream.flush()
    if not stream.isatty():
        # The reader of a pipe leaves after this line; nothing may be written into its broken end.
        os.dup2(sys.stderr.fileno(), stream.fileno())
    notify("READY=1")


def notify(message: str) -> None:
    """systemd's sd_notify; nothing where nobody asked for it."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    if address.startswith("@"):
        address = "\0" + address[1:]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sock:
        try:
            sock.sendto(message.encode(), address)
        except OSError as error:
            LOG.warning("systemd can't be told %s: %s", message, error)


if __name__ == "__main__":
    sys.exit(main())
