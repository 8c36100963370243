"""Servers: Nova's routes and tuinova's own beside them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from tuinova.client.connection import segment
from tuinova.client.resources import Json, Resource, Rows, Texts, looks_like_uuid, pick


class Servers(Resource):
    """Servers, their actions, metadata, action log and console log."""

    noun = "Server"
    path = "/v2.1/servers"

    def _own(self, ident: str, *parts: str) -> str:
        return "/".join(("/tuinova/v1/servers", segment(ident), *parts))

    def list(self, **filters: Any) -> Rows:
        """Servers with details by Nova's filters, newest first, all pages."""
        return list(self._pages(self.path + "/detail", "servers", filters))

    def rows(self, all_projects: bool = False) -> Rows:
        """The row views, newest first."""
        return self.rows_and_change(all_projects)[0]

    def rows_and_change(self, all_projects: bool = False) -> tuple[Rows, int]:
        """The row views and the number of the change that they include: follow the feed from there."""
        params = {"all_projects": 1} if all_projects else None
        answer = self.client.get("/tuinova/v1/servers", params=params)
        return answer["servers"], answer["change"]

    def row(self, ident: str) -> Json:
        """One row view, of a soft-deleted server too."""
        return dict(self.client.get(self._own(ident)))

    def get(self, ident: str) -> Json:
        """One by id."""
        return dict(self.client.get(self._url(ident))["server"])

    def find(self, name_or_id: str, all_projects: bool = False, status: str | None = None) -> Json:
        """By id, else by its exact name; raises NotFoundByName, NotUnique.

        Names of soft-deleted servers are found only when `status` says SOFT_DELETED.
        """
        if looks_like_uuid(name_or_id) and (found := self._by_id(name_or_id)):
            return found
        params = {"name": f"^{re.escape(name_or_id)}$", "all_tenants": 1 if all_projects else None, "status": status}
        listed = self._pages(self.path, "servers", params)
        found = pick([row for row in listed if row["name"] == name_or_id], self.noun, name_or_id)
        return self.get(found["id"])

    def create(self, body: Mapping[str, Any]) -> Json:
        """Nova's create body: `server`, and `os:scheduler_hints` beside it; the answer's `server`, or what it is."""
        answer = self.client.post(self.path, dict(body) if "server" in body else {"server": dict(body)})
        return dict(answer.get("server", answer))

    def action(self, ident: str, key: str, body: Any = None) -> Any:
        """Post one action by Nova's request key (`os-start`, `reboot` ...)."""
        return self.client.post(self._url(ident, "action"), {key: body})

    def ask(self, ident: str, key: str, body: Any = None) -> tuple[Any, str]:
        """Post one action: what is answered, and the request's id, under which the action log tells of its end."""
        answer = self.client.request("POST", self._url(ident, "action"), {key: body})
        return answer.json(), answer.headers.get("x-openstack-request-id", "")

    def delete(self, ident: str) -> None:
        """Ask for deletion."""
        self.client.delete(self._url(ident))

    def update(self, ident: str, **fields: Any) -> Json:
        """Change name, description, hostname, accessIPv4, accessIPv6."""
        return dict(self.client.put(self._url(ident), {"server": fields})["server"])

    def metadata(self, ident: str) -> dict[str, str]:
        """The properties."""
        return dict(self.client.get(self._url(ident, "metadata"))["metadata"])

    def set_metadata(self, ident: str, metadata: Mapping[str, str]) -> dict[str, str]:
        """Add or change properties."""
        return dict(self.client.post(self._url(ident, "metadata"), {"metadata": dict(metadata)})["metadata"])

    def replace_metadata(self, ident: str, metadata: Mapping[str, str]) -> dict[str, str]:
        """Exactly these properties."""
        return dict(self.client.put(self._url(ident, "metadata"), {"metadata": dict(metadata)})["metadata"])

    def delete_metadata(self, ident: str, key: str) -> None:
        """Remove one property."""
        self.client.delete(self._url(ident, "metadata", key))

    def add_tag(self, ident: str, tag: str) -> None:
        """Add one tag."""
        self.client.put(self._url(ident, "tags", tag))

    def delete_tag(self, ident: str, tag: str) -> None:
        """Take one tag away."""
        self.client.delete(self._url(ident, "tags", tag))

    def delete_tags(self, ident: str) -> None:
        """Take all tags away."""
        self.client.delete(self._url(ident, "tags"))

    def events(self, ident: str, **params: Any) -> Rows:
        """The action log, newest first."""
        return list(self._pages(self._url(ident, "os-instance-actions"), "instanceActions", params))

    def event(self, ident: str, request_id: str) -> Json:
        """One request of the action log with its events."""
        return dict(self.client.get(self._url(ident, "os-instance-actions", request_id))["instanceAction"])

    def migrations(self, ident: str) -> Rows:
        """The live migrations of the server that are under way, with what they have moved."""
        return list(self.client.get(self._url(ident, "migrations"))["migrations"])

    def migration(self, ident: str, number: int | str) -> Json:
        """One of them by its number."""
        return dict(self.client.get(self._url(ident, "migrations", number))["migration"])

    def abort_migration(self, ident: str, migration: int) -> None:
        """End a live migration that is queued, prepared or runs: the server stays where it is."""
        self.client.delete(self._url(ident, "migrations", migration))

    def force_complete(self, ident: str, migration: int) -> None:
        """Make a live migration that runs end soon, at the cost of a pause."""
        self.client.post(self._url(ident, "migrations", migration, "action"), {"force_complete": None})

    def diagnostics(self, ident: str) -> Json:
        """The running guest's numbers; refused while it does not run."""
        return dict(self.client.get(self._url(ident, "diagnostics")))

    def topology(self, ident: str) -> Json:
        """The guest's NUMA nodes and page size."""
        return dict(self.client.get(self._url(ident, "topology")))

    def clear_password(self, ident: str) -> None:
        """Forget the password that the guest posted; the guest's own stays as it is."""
        self.client.delete(self._url(ident, "os-server-password"))

    def actions(self, ident: str) -> Rows:
        """Every action of Nova's table: legal now, or why not."""
        return list(self.client.get(self._own(ident, "actions")))

    def schedule(self, ident: str) -> Rows:
        """The scheduler's decisions with their traces, newest first."""
        return list(self.client.get(self._own(ident, "schedule"))["decisions"])

    def console_log(self, ident: str, all_boots: bool = False) -> bytes:
        """The raw console log of this boot, or of all kept ones. Bytes of the guest: hostile."""
        params = {"all_boots": 1} if all_boots else None
        return self.client.request("GET", self._own(ident, "console", "log"), params=params).data

    def console_output(self, ident: str, length: int | None = None) -> str:
        """Nova's console log: the last `length` lines, all of this boot when None."""
        body = {} if length is None else {"length": length}
        return str(self.action(ident, "os-getConsoleOutput", body)["output"])

    def send_keys(self, ident: str, keys: Texts) -> None:
        """Press keys together on the guest's keyboard: ctrl, alt, delete."""
        self.client.post(self._own(ident, "console", "keys"), {"keys": keys})

    # ports, security groups and volumes
    def interfaces(self, ident: str) -> Rows:
        """The server's ports: port_id, net_id, mac_addr, port_state, fixed_ips, tag."""
        return list(self.client.get(self._url(ident, "os-interface"))["interfaceAttachments"])

    def add_interface(self, ident: str, **fields: Any) -> Json:
        """Give it a port: `net_id`, or `port_id` of one that there is; `fixed_ips`, `tag`."""
        return dict(
            self.client.post(self._url(ident, "os-interface"), {"interfaceAttachment": fields})["interfaceAttachment"]
        )

    def remove_interface(self, ident: str, port_id: str) -> None:
        """Take a port away."""
        self.client.delete(self._url(ident, "os-interface", port_id))

    def security_groups(self, ident: str) -> Rows:
        """The security groups of its ports."""
        return list(self.client.get(self._url(ident, "os-security-groups"))["security_groups"])

    def volumes(self, ident: str) -> Rows:
        """Its volumes: volumeId, device, tag, delete_on_termination, attachment_id, bdm_uuid."""
        return list(self.client.get(self._url(ident, "os-volume_attachments"))["volumeAttachments"])

    def attach_volume(self, ident: str, volume_id: str, **fields: Any) -> Json:
        """Attach a volume: `device`, `tag`, `delete_on_termination`."""
        body = {"volumeAttachment": {"volumeId": volume_id, **fields}}
        return dict(self.client.post(self._url(ident, "os-volume_attachments"), body)["volumeAttachment"])

    def update_volume(self, ident: str, volume_id: str, **fields: Any) -> None:
        """Change `delete_on_termination` of an attached volume."""
        body = {"volumeAttachment": {"volumeId": volume_id, **fields}}
        self.client.put(self._url(ident, "os-volume_attachments", volume_id), body)

    def detach_volume(self, ident: str, volume_id: str) -> None:
        """Take a volume away; its data stays."""
        self.client.delete(self._url(ident, "os-volume_attachments", volume_id))
