"""What every handler may reach: the engine's parts, and what the REST face keeps beside them."""

from __future__ import annotations

import asyncio
import re
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import anyio
from starlette.requests import Request

from tuinova.api.context import Identity
from tuinova.api.views import DetailTexts
from tuinova.console.tokens import TokenStore
from tuinova.core.context import RequestContext
from tuinova.core.errors import InstanceNotFound, Invalid, NovaError
from tuinova.core.policy import sees_project
from tuinova.core.records import Instance

if TYPE_CHECKING:
    from tuinova.api.feed import Broadcast
    from tuinova.core.service import Engine

BASE_URL = "http://localhost"
_UPLOADS_AT_ONCE = 16
_REQUESTS_AT_ONCE = 40
_PROJECT_ID = re.compile(r"[0-9a-f]{32}|[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


class ApiState:
    """One for each application."""

    def __init__(self, engine: Engine) -> None:
        from tuinova.api.feed import Broadcast

        # The service builds its engine of both.
        assert engine.config is not None
        assert engine.paths is not None
        self.engine = engine
        self.config = engine.config
        self.places = engine.paths
        self.conductor = engine.conductor
        self.compute = engine.compute_api
        self.volumes = engine.volume_api
        self.network = engine.network_api
        self.order_watch = engine.order_watch
        self.image_store = engine.image_store
        self.importer = engine.importer
        self.identity = Identity(engine.conductor)
        self.details = DetailTexts(BASE_URL)
        self.base_url = BASE_URL
        self.broadcast: Broadcast = Broadcast(engine.conductor)
        self.stopping = asyncio.Event()
        # Not anyio's: its tokens and scopes cost the event loop more than all else of a short request.
        self.threads = ThreadPoolExecutor(_REQUESTS_AT_ONCE, "tuinova-request")
        # Uploads have threads of their own: slow ones must not keep other requests waiting.
        self.uploads = anyio.CapacityLimiter(_UPLOADS_AT_ONCE)
        self.hub = engine.console_hub
        self.tokens = TokenStore(engine.config.consoleauth.token_ttl)
        self.service_down_time = engine.options.service_down_time

    def stop(self) -> None:
        """End the streams; called in the event loop as soon as the service is told to stop."""
        self.broadcast.stop()
        self.stopping.set()

    async def close(self) -> None:
        """Let go of consoles; called in the event loop when no request is open any more."""
        self.threads.shutdown(wait=False, cancel_futures=True)
        await self.hub.stop()

    def check_project_in_path(self, request: Request, ctx: RequestContext) -> None:
        """Nova's check of `/v2.1/{project_id}/...`."""
        given = request.scope.get("url_project_id")
        if given is not None and given != ctx.project_id:
            raise Invalid(
                f"Malformed request URL: URL's project_id '{given[:64]}' doesn't match Context's project_id "
                f"'{ctx.project_id}'"
            )

    # what the engine knows of hosts and guests
    def host_statuses(self) -> dict[str, str]:
        """The API's host_status by host."""
        return self.engine.host_statuses()

    def host_up(self, host: str) -> bool:
        """Whether the service of a host is up."""
        return self.host_statuses().get(host) in ("UP", "MAINTENANCE")

    def connection_name(self, instance: Instance) -> str:
        """How the server's hypervisor is reached, for people."""
        return self.engine.driver_for(instance.uuid).connection_name

    def console_log_size(self, instance: Instance) -> int | None:
        """Bytes of the console log of this boot that can be shown, None where there is none."""
        try:
            return len(self.engine.driver_for(instance.uuid).console_output(instance.uuid))
        except NovaError:
            return None

    def instance(self, ctx: RequestContext, uuid: str, *, with_deleted: bool = False) -> Instance:
        """A server that the caller may know of; raises InstanceNotFound."""
        found = self.conductor.instance(uuid, with_deleted=with_deleted)
        if not sees_project(ctx, found.project_id):
            raise InstanceNotFound(instance_id=uuid)
        return found


def looks_like_project_id(text: str) -> bool:
    """Whether a part of a path may be a project's id."""
    return _PROJECT_ID.fullmatch(text) is not None
