"""What callers may ask of the engine (nova/compute/api.py): one object, each method one request."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tuinova.console.log import console_text
from tuinova.core import policy
from tuinova.core.catalogue_cache import CatalogueCache
from tuinova.core.compute_api import actions, basic, metadata, volumes
from tuinova.core.compute_api.accepting import Accepted, Acceptor, Diagnose
from tuinova.core.compute_api.aggregates import cache_images
from tuinova.core.compute_api.create import create
from tuinova.core.compute_api.guards import HostUp, check, check_visible
from tuinova.core.compute_api.keypairs import check_name, fingerprint_of
from tuinova.core.compute_api.options import ApiOptions
from tuinova.core.compute_api.request import CreateRequest
from tuinova.core.conductor import Conductor
from tuinova.core.context import RequestContext, service_context
from tuinova.core.errors import Invalid
from tuinova.core.records import Instance, Keypair
from tuinova.core.states import ACTION_BY_NAME

# (host, server, all boots) to the console's text as bytes; raises ConsoleNotAvailable.
ConsoleLog = Callable[[str, str, bool], bytes]
# Control characters that no text format takes; a carriage return and escape sequences are among them, as in Nova.
_FIELDS = frozenset({"name", "description", "hostname", "access_ip_v4", "access_ip_v6", "disk_config"})


class ComputeAPI:
    """Guards in Nova's order, then one transaction; what is to be done on a host is a work order in it."""

    def __init__(
        self,
        conductor: Conductor,
        catalogue: CatalogueCache,
        options: ApiOptions,
        *,
        host_up: HostUp,
        console_log: ConsoleLog,
        diagnose: Diagnose,
    ) -> None:
        self._conductor = conductor
        self._catalogue = catalogue
        self._options = options
        self._host_up = host_up
        self._console_log = console_log
        self._acceptor = Acceptor(conductor, catalogue, options, host_up, diagnose)

    # servers ---------------------------------------------------------------------------------------------------------
    def create(self, ctx: RequestContext, request: CreateRequest) -> list[Instance]:
        """Accept new servers; they are scheduled and built afterwards."""
        return create(ctx, request, self._conductor, self._catalogue, self._options)

    def get(self, ctx: RequestContext, uuid: str) -> Instance:
        """One server that the caller may see."""
        policy.authorize(ctx, "os_compute_api:servers:show")
        instance = self._conductor.instance(uuid)
        check_visible(ctx, instance)
        return instance

    def act(self, ctx: RequestContext, uuid: str, name: str, body: Any = None) -> Accepted:
        """Accept an action of the table by its name or request key; `body` is what stands under that key."""
        return actions.act(self._acceptor, ctx, uuid, name, body)

    def delete(self, ctx: RequestContext, uuid: str) -> Instance:
        """Accept a delete; one that is under way already is answered as if it were new."""
        return self.act(ctx, uuid, "delete").instance

    def update(self, ctx: RequestContext, uuid: str, fields: Mapping[str, Any]) -> Instance:
        """Change name, description, hostname and the like, whatever state or lock the server has."""
        policy.authorize(ctx, "os_compute_api:servers:update")
        unknown = set(fields) - _FIELDS
        if unknown:
            raise Invalid(f"Additional properties are not allowed ({', '.join(sorted(unknown))})")
        return self._conductor.update_instance(
            ctx, uuid, dict(fields), check=lambda instance: check_visible(ctx, instance)
        )

    def update_attachment(self, ctx: RequestContext, uuid: str, volume_id: str, body: Mapping[str, Any]) -> None:
        """Change what is said of an attached volume."""
        volumes.update_attachment(self._acceptor, ctx, uuid, volume_id, body)

    # metadata --------------------------------------------------------------------------------------------------------
    def set_metadata(
        self, ctx: RequestContext, uuid: str, items: Mapping[str, str], *, replace: bool = False
    ) -> dict[str, str]:
        """Merge items into a server's metadata, or replace all of it; returns what it has then."""
        return metadata.set_metadata(ctx, uuid, items, self._conductor, self._host_up, replace=replace)

    def delete_metadata(self, ctx: RequestContext, uuid: str, key: str) -> dict[str, str]:
        """Take one item of metadata away; returns what is left."""
        return metadata.delete_metadata(ctx, uuid, key, self._conductor, self._host_up)

    # console ---------------------------------------------------------------------------------------------------------
    def console_output(self, ctx: RequestContext, uuid: str, length: int | None = None) -> str:
        """The last `length` lines of the console log of this boot, as Nova's API words them; None for all."""
        return console_text(self.raw_console_log(ctx, uuid), length)

    def raw_console_log(self, ctx: RequestContext, uuid: str, *, all_boots: bool = False) -> bytes:
        """The console log as the guest wrote it."""
        instance = self._conductor.instance(uuid)
        check(ctx, ACTION_BY_NAME["get_console_output"], instance, self._host_up)
        return self._console_log(instance.host or "", uuid, all_boots)

    # aggregates ------------------------------------------------------------------------------------------------------
    def cache_images(self, ctx: RequestContext, aggregate_id: int, image_ids: Sequence[str]) -> None:
        """Have the hosts of an aggregate fetch images before servers need them."""
        policy.authorize(ctx, "compute:aggregates:images")
        cache_images(ctx, self._conductor.aggregate(aggregate_id), image_ids, self._conductor, self._host_up)

    # key pairs -------------------------------------------------------------------------------------------------------
    def import_keypair(
        self, ctx: RequestContext, name: str, public_key: str, *, key_type: str = "ssh", user_id: str | None = None
    ) -> Keypair:
        """Keep a public key of the caller's (or, for admins, of another user)."""
        owner = user_id or ctx.user_id or ""
        policy.authorize_user(ctx, "os_compute_api:os-keypairs:create", owner)
        check_name(name)
        return self._conductor.create_keypair(
            owner,
            name,
            key_type,
            public_key,
            fingerprint_of(key_type, public_key),
            limit=self._catalogue.limits(ctx.project_id or "").key_pairs,
        )

    # what a host asks on its own account -----------------------------------------------------------------------------
    def stop(self, uuid: str) -> None:
        """The API's stop as an admin of no project: power sync found the guest off."""
        self.act(service_context(), uuid, "stop")

    def confirm_resize(self, uuid: str) -> None:
        """The API's confirm: nobody has, and `resize_confirm_window` is over."""
        self.act(service_context(), uuid, "confirmResize")

    def unrescue(self, uuid: str) -> None:
        """The API's unrescue: a rescue has lasted for `rescue_timeout`."""
        self.act(service_context(), uuid, "unrescue")

    def force_stop(self, uuid: str) -> None:
        """Stop a guest that somebody started behind our back."""
        basic.force_stop(self._acceptor, service_context(), uuid)
