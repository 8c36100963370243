"""`tuinova quota`, and `tuinova limits show`."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Final

import typer

from tuinova.cli.commands import exclusive, lister, new_app, session
from tuinova.cli.diagnostics import CommandError, say
from tuinova.cli.output import Listing
from tuinova.i18n import _

app = new_app(_("Quotas"))
limits_app = new_app(_("Limits"))
APPS = {"quota": app, "limits": limits_app}
SERVICES: Final = ("compute", "volume", "network")
# By service: openstack's name of a resource, the name of the REST face, what its option of `quota set` says.
RESOURCES: Final[Mapping[str, Mapping[str, tuple[str, str]]]] = {
    "compute": {
        "cores": ("cores", _("Virtual CPUs; -1: no limit")),
        "instances": ("instances", _("Servers")),
        "key-pairs": ("key_pairs", _("Key pairs of each user")),
        "properties": ("metadata_items", _("Properties of each server")),
        "ram": ("ram", _("Memory in MB")),
        "server-group-members": ("server_group_members", _("Servers in each group")),
        "server-groups": ("server_groups", _("Server groups")),
    },
    "volume": {
        "gigabytes": ("gigabytes", _("GB of volumes and snapshots")),
        "snapshots": ("snapshots", _("Volume snapshots")),
        "volumes": ("volumes", _("Volumes")),
    },
    "network": {
        "floating-ips": ("floatingip", _("Floating IPs")),
        "networks": ("network", _("Networks")),
        "ports": ("port", _("Ports")),
        "routers": ("router", _("Routers")),
        "secgroup-rules": ("security_group_rule", _("Security group rules")),
        "secgroups": ("security_group", _("Security groups")),
        "subnets": ("subnet", _("Subnets")),
    },
}
# The columns of `quota list`.
_COLUMNS: Final[Mapping[str, Mapping[str, str]]] = {
    "compute": {
        "Cores": "cores",
        "Instances": "instances",
        "Key Pairs": "key_pairs",
        "Metadata Items": "metadata_items",
        "Ram": "ram",
        "Server Groups": "server_groups",
        "Server Group Members": "server_group_members",
    },
    "volume": {"Gigabytes": "gigabytes", "Snapshots": "snapshots", "Volumes": "volumes"},
    "network": {
        "Floating IPs": "floatingip",
        "Networks": "network",
        "Ports": "port",
        "Routers": "router",
        "Security Groups": "security_group",
        "Security Group Rules": "security_group_rule",
        "Subnets": "subnet",
    },
}
_Project = Annotated[str | None, typer.Argument(metavar="[<project>]", help=_("Project (name or ID)"))]
_All = Annotated[bool, typer.Option("--all", help=_("Of all services (default)"))]
_Compute = Annotated[bool, typer.Option("--compute", help=_("Of servers"))]
_Volume = Annotated[bool, typer.Option("--volume", help=_("Of volumes"))]
_Network = Annotated[bool, typer.Option("--network", help=_("Of networks"))]


def _project_id(name: str | None) -> str:
    return str(session.client.projects.find(name or session.client.project)["id"])


def _chosen(every: bool, **asked: bool) -> list[str]:
    """The services that were asked for: one, or all."""
    exclusive(all=every, **asked)
    return [service for service in SERVICES if asked[service]] or list(SERVICES)


@app.command("show", help=_("Show the quotas of a project"))
@lister
def show_quota(
    project: _Project = None,
    default: Annotated[bool, typer.Option("--default", help=_("The defaults"))] = False,
    usage: Annotated[bool, typer.Option("--usage", help=_("With what is in use"))] = False,
    every: _All = False,
    compute: _Compute = False,
    volume: _Volume = False,
    network: _Network = False,
) -> Listing:
    """Show a project's quotas."""
    exclusive(default=default, usage=usage)
    services = _chosen(every, compute=compute, volume=volume, network=network)
    ident, quotas = _project_id(project), session.client.quotas
    rows: list[tuple[Any, ...]] = []
    for service in services:
        if usage:
            detail = quotas.detail(ident, service)
            rows += [
                (name, detail[key]["limit"], detail[key]["in_use"], detail[key]["reserved"])
                for name, (key, _help) in RESOURCES[service].items()
            ]
        else:
            limits = quotas.defaults(ident, service) if default else quotas.get(ident, service)
            rows += [(name, limits[key]) for name, (key, _help) in RESOURCES[service].items()]
    return Listing(("Resource", "Limit", "In Use", "Reserved") if usage else ("Resource", "Limit"), rows)


@app.command("list", help=_("List the projects whose quotas differ from the defaults"))
@lister
def list_quotas(compute: _Compute = False, volume: _Volume = False, network: _Network = False) -> Listing:
    """Projects with quotas of their own."""
    if not (compute or volume or network):
        raise CommandError(_("one of the arguments --compute --volume --network is required"), code=2)
    [service] = _chosen(False, compute=compute, volume=volume, network=network)
    columns, client = _COLUMNS[service], session.client
    rows = []
    for project in client.projects.list():
        limits = client.quotas.get(project["id"], service)
        defaults = client.quotas.defaults(project["id"], service)
        if any(limits[key] != defaults[key] for key in columns.values()):
            rows.append([project["id"], *(limits[key] for key in columns.values())])
    return Listing(["Project ID", *columns], rows)


def _parameters() -> Iterator[inspect.Parameter]:
    """The options of `quota set`: one for each resource, then what they apply to."""

    def parameter(name: str, kind: Any, option: Any, default: Any = None) -> inspect.Parameter:
        return inspect.Parameter(
            name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=Annotated[kind, option]
        )

    yield parameter(
        "project", str | None, typer.Argument(metavar="[<project>]", help=_("Project, or class with --class"))
    )
    for service in SERVICES:
        for name, (_key, text) in RESOURCES[service].items():
            option = typer.Option(f"--{name}", metavar="<n>", help=text)
            yield parameter(name.replace("-", "_"), int | None, option)
    flags = {
        "force": _("Also below what is in use"),
        "no_force": _("Not below what is in use (default)"),
        "default": _("The defaults of all projects"),
        "class": _("Of a class; only the class default has a meaning"),
    }
    for name, text in flags.items():
        yield parameter(f"{name}_", bool, typer.Option("--" + name.replace("_", "-"), help=text), False)


def set_quota(**given: Any) -> None:
    """Change a project's quotas, or the defaults."""
    exclusive(force=given["force_"], no_force=given["no_force_"])
    exclusive(default=given["default_"], **{"class": given["class_"]})
    for service in SERVICES:
        limits = {
            key: given[name.replace("-", "_")]
            for name, (key, _help) in RESOURCES[service].items()
            if given[name.replace("-", "_")] is not None
        }
        if not limits:
            continue
        if not (given["default_"] or given["class_"]):
            ident = _project_id(given["project"])
            session.client.quotas.set(ident, limits, force=given["force_"], service=service)
        elif service == "network":
            say(_("Network quotas are ignored since quota classes are not supported."))
        else:
            session.client.quotas.set_class(given["project"] or "default", limits, service)


set_quota.__signature__ = inspect.Signature(list(_parameters()))  # type: ignore[attr-defined]  # what typer reads; mypy knows no such attribute of functions
set_quota.__annotations__ = {parameter.name: parameter.annotation for parameter in _parameters()}
app.command("set", help=_("Set the quotas of a project, or the defaults"))(set_quota)


@app.command("delete", help=_("Reset the quotas of a project to the defaults"))
def delete_quota(
    project: Annotated[str, typer.Argument(metavar="<project>", help=_("Project (name or ID)"))],
    every: _All = False,
    compute: _Compute = False,
    volume: _Volume = False,
    network: _Network = False,
) -> None:
    """Back to the defaults."""
    services = _chosen(every, compute=compute, volume=volume, network=network)
    ident = _project_id(project)
    for service in services:
        session.client.quotas.delete(ident, service)


# The callback keeps `show` a word of the grammar: an application with a single command would swallow it.
@limits_app.callback()
def limits_callback() -> None:
    """Limits."""


@limits_app.command("show", help=_("Show what a project may use, and uses"))
@lister
def show_limits(
    absolute: Annotated[bool, typer.Option("--absolute", help=_("Absolute limits"))] = False,
    rate: Annotated[bool, typer.Option("--rate", help=_("Rate limits: there are none"))] = False,
    project: Annotated[str | None, typer.Option(metavar="<project>", help=_("Of this project (admin only)"))] = None,
) -> Listing:
    """Show the limits of the acting project, or of another."""
    exclusive(absolute=absolute, rate=rate)
    if not (absolute or rate):
        raise CommandError(_("one of the arguments --absolute --rate is required"), code=2)
    if rate:
        return Listing(("Verb", "URI", "Value", "Remain", "Unit", "Next Available"), [])
    compute = session.client.limits(**({"tenant_id": _project_id(project)} if project else {}))
    # Cinder has no limits of another project.
    volume = {} if project else session.client.volume_limits()
    return Listing(("Name", "Value"), sorted({**compute, **volume}.items()))
