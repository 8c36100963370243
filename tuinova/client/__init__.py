"""The one client of the REST face, for the screens and the command line (standard library only)."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

from tuinova.client import resources
from tuinova.client.admin import Aggregates, Quotas, ServerGroups, Usage
from tuinova.client.connection import MICROVERSION, Answer, Connection, segment
from tuinova.client.errors import (
    ApiError,
    ClientError,
    ConsoleClosed,
    NotFoundByName,
    NotUnique,
    ServiceUnreachable,
    StreamEnded,
    Trimmed,
    WaitFailed,
    WaitTimeout,
)
from tuinova.client.servers import Servers
from tuinova.client.target import find_target

if TYPE_CHECKING:
    from tuinova.client.console import Console
    from tuinova.client.feed import ChangeStream
    from tuinova.client.images import Images
    from tuinova.client.networks import (
        Extensions,
        FloatingIPs,
        Networks,
        Ports,
        Routers,
        SecurityGroupRules,
        SecurityGroups,
        Subnets,
    )
    from tuinova.client.volumes import Volumes, VolumeServices, VolumeSnapshots, VolumeTypes

__all__ = [
    "Answer",
    "ApiError",
    "ChangeStream",
    "Client",
    "ClientError",
    "ConsoleClosed",
    "NotFoundByName",
    "NotUnique",
    "ServiceUnreachable",
    "StreamEnded",
    "Trimmed",
    "WaitFailed",
    "WaitTimeout",
    "connect",
]


def __getattr__(name: str) -> Any:
    # A command that follows nothing does without the module.
    if name == "ChangeStream":
        from tuinova.client.feed import ChangeStream

        return ChangeStream
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def connect(
    *,
    url: str | None = None,
    username: str | None = None,
    project: str | None = None,
    start: bool = True,
    microversion: str | None = None,
) -> Client:
    """A client of the service at `url` (TUINOVA_URL), the user's socket, the system's, else of one that is started.

    Acts as `username` in `project`: OS_USERNAME, OS_PROJECT_NAME, else admin, admin; asks Nova's API at `microversion`
    ("2.96" when None). Raises ServiceUnreachable.
    """
    target, opened = find_target(url or os.environ.get("TUINOVA_URL"), start)
    user = username or os.environ.get("OS_USERNAME") or "admin"
    acting = project or os.environ.get("OS_PROJECT_NAME") or "admin"
    return Client(Connection(target, opened, user, acting, microversion or MICROVERSION))


class Client:
    """Requests as one user in one project; thread-safe."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection

    @property
    def username(self) -> str:
        """The acting user's name."""
        return self.connection.username

    @property
    def project(self) -> str:
        """The acting project's name."""
        return self.connection.project

    def acting_as(self, *, username: str | None = None, project: str | None = None) -> Client:
        """Another client of the same service, acting as somebody else."""
        own = self.connection
        acting = (username or own.username, project or own.project)
        return Client(Connection(own.target, None, *acting, own.microversion))

    def close(self) -> None:
        """Close the connections of all threads."""
        self.connection.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    # requests
    def request(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, Any] | None = None,
        timeout: float | None = None,
    ) -> Answer:
        """One request; raises ApiError (400 and above) and ServiceUnreachable. `timeout` in seconds, 60 if None."""
        extra: dict[str, Any] = {} if timeout is None else {"timeout": timeout}
        return self.connection.request(method, path, body, headers=headers, params=params, **extra)

    def get(self, path: str, *, params: Mapping[str, Any] | None = None) -> Any:
        """The parsed answer to GET."""
        return self.request("GET", path, params=params).json()

    def post(self, path: str, body: Any = None) -> Any:
        """The parsed answer to POST."""
        return self.request("POST", path, body).json()

    def put(self, path: str, body: Any = None) -> Any:
        """The parsed answer to PUT."""
        return self.request("PUT", path, body).json()

    def patch(self, path: str, body: Any = None, *, headers: Mapping[str, str] | None = None) -> Any:
        """The parsed answer to PATCH."""
        return self.request("PATCH", path, body, headers=headers).json()

    def delete(self, path: str, *, params: Mapping[str, Any] | None = None) -> Any:
        """The parsed answer to DELETE."""
        return self.request("DELETE", path, params=params).json()

    # the service
    def info(self) -> dict[str, Any]:
        """What `tuinova info` prints."""
        return dict(self.get("/tuinova/v1/info"))

    def config(self) -> list[dict[str, Any]]:
        """Every option in force and where it came from."""
        return list(self.get("/tuinova/v1/config"))

    def limits(self, **params: Any) -> dict[str, Any]:
        """Nova's absolute limits of the acting project."""
        return dict(self.get("/v2.1/limits", params=params)["limits"]["absolute"])

    def volume_limits(self) -> dict[str, Any]:
        """Cinder's absolute limits of the acting project."""
        return dict(self.get("/volume/v3/limits")["limits"]["absolute"])

    def availability_zones(self, detail: bool = False) -> list[dict[str, Any]]:
        """The hosts' zones and whether they are available."""
        path = "/v2.1/os-availability-zone" + ("/detail" if detail else "")
        return list(self.get(path)["availabilityZoneInfo"])

    def network_zones(self) -> list[dict[str, Any]]:
        """Neutron's zones: name, resource (network, router), state."""
        return list(self.get("/network/v2.0/availability_zones")["availability_zones"])

    def volume_zones(self) -> list[dict[str, Any]]:
        """Cinder's zones, as the hosts' ones but without hosts."""
        return list(self.get("/volume/v3/os-availability-zone")["availabilityZoneInfo"])

    def changes(self, since: int | None = None) -> ChangeStream:
        """The change feed after `since`, from now on when None; raises Trimmed and, while iterating, StreamEnded."""
        from tuinova.client.feed import ChangeStream

        return ChangeStream(self.connection, since)

    def console(self, server_id: str) -> Console:
        """A viewer of the serial console; raises ApiError (409) with the reason when there is none now."""
        from tuinova.client.console import Console

        grant = self.post(f"/tuinova/v1/servers/{segment(server_id)}/console")
        return Console(self.connection, grant)

    @cached_property
    def project_id(self) -> str:
        """The acting project's id."""
        return str(self.info()["project"]["id"])

    # resources
    @cached_property
    def servers(self) -> Servers:
        """Servers."""
        return Servers(self)

    @cached_property
    def images(self) -> Images:
        """Images."""
        from tuinova.client.images import Images

        return Images(self)

    @cached_property
    def flavors(self) -> resources.Flavors:
        """Flavors."""
        return resources.Flavors(self)

    @cached_property
    def keypairs(self) -> resources.Keypairs:
        """Key pairs."""
        return resources.Keypairs(self)

    @cached_property
    def hypervisors(self) -> resources.Hypervisors:
        """Hypervisors."""
        return resources.Hypervisors(self)

    @cached_property
    def services(self) -> resources.Services:
        """Compute services."""
        return resources.Services(self)

    @cached_property
    def migrations(self) -> resources.Migrations:
        """Moves of servers."""
        return resources.Migrations(self)

    @cached_property
    def host_networks(self) -> resources.HostNetworks:
        """The networks that the hosts have."""
        return resources.HostNetworks(self)

    @cached_property
    def quotas(self) -> Quotas:
        """Quotas."""
        return Quotas(self)

    @cached_property
    def aggregates(self) -> Aggregates:
        """Host aggregates."""
        return Aggregates(self)

    @cached_property
    def usage(self) -> Usage:
        """What projects have used."""
        return Usage(self)

    @cached_property
    def server_groups(self) -> ServerGroups:
        """Server groups."""
        return ServerGroups(self)

    @cached_property
    def projects(self) -> resources.Projects:
        """Projects."""
        return resources.Projects(self)

    @cached_property
    def users(self) -> resources.Users:
        """Users."""
        return resources.Users(self)

    @cached_property
    def networks(self) -> Networks:
        """Networks."""
        from tuinova.client.networks import Networks

        return Networks(self)

    @cached_property
    def subnets(self) -> Subnets:
        """Subnets."""
        from tuinova.client.networks import Subnets

        return Subnets(self)

    @cached_property
    def ports(self) -> Ports:
        """Ports."""
        from tuinova.client.networks import Ports

        return Ports(self)

    @cached_property
    def security_groups(self) -> SecurityGroups:
        """Security groups."""
        from tuinova.client.networks import SecurityGroups

        return SecurityGroups(self)

    @cached_property
    def security_group_rules(self) -> SecurityGroupRules:
        """Rules of security groups."""
        from tuinova.client.networks import SecurityGroupRules

        return SecurityGroupRules(self)

    @cached_property
    def routers(self) -> Routers:
        """Routers."""
        from tuinova.client.networks import Routers

        return Routers(self)

    @cached_property
    def floating_ips(self) -> FloatingIPs:
        """Floating IPs."""
        from tuinova.client.networks import FloatingIPs

        return FloatingIPs(self)

    @cached_property
    def extensions(self) -> Extensions:
        """What the network service can."""
        from tuinova.client.networks import Extensions

        return Extensions(self)

    @cached_property
    def volumes(self) -> Volumes:
        """Volumes."""
        from tuinova.client.volumes import Volumes

        return Volumes(self)

    @cached_property
    def volume_snapshots(self) -> VolumeSnapshots:
        """Snapshots of volumes."""
        from tuinova.client.volumes import VolumeSnapshots

        return VolumeSnapshots(self)

    @cached_property
    def volume_types(self) -> VolumeTypes:
        """Volume types."""
        from tuinova.client.volumes import VolumeTypes

        return VolumeTypes(self)

    @cached_property
    def volume_services(self) -> VolumeServices:
        """What runs the volumes."""
        from tuinova.client.volumes import VolumeServices

        return VolumeServices(self)
