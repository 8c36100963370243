"""`tuinova image add project`, `remove project` and `image member`: whom a shared image is shared with."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from tuinova.cli.commands import lister, new_app, session, shower
from tuinova.cli.image_options import Image, ProjectDomain
from tuinova.cli.output import Listing, Record
from tuinova.i18n import _

app = new_app(_("Images"))
_Member = Annotated[str, typer.Argument(metavar="<project>", help=_("Project (name or ID)"))]


def _record(member: dict[str, Any]) -> Record:
    return Record({name: member[name] for name in sorted(member)})


def _project(name: str) -> str:
    return str(session.client.projects.find(name)["id"])


@app.command("add project", help=_("Share an image with a project"))
@shower
def add_project(image: Image, project: _Member, project_domain: ProjectDomain = None) -> Record:
    """Share an image with a project, which finds it in its lists when it has accepted."""
    client = session.client
    return _record(client.images.add_member(client.images.find(image)["id"], _project(project)))


@app.command("remove project", help=_("Share an image with a project no longer"))
def remove_project(image: Image, project: _Member, project_domain: ProjectDomain = None) -> None:
    """Share an image with a project no longer."""
    client = session.client
    client.images.remove_member(client.images.find(image)["id"], _project(project))


@app.command("member list", help=_("List the projects that an image is shared with"))
@lister
def list_members(image: Image, project_domain: ProjectDomain = None) -> Listing:
    """List members; one that is no owner sees itself."""
    client = session.client
    members = client.images.members(client.images.find(image)["id"])
    rows = [[member["image_id"], member["member_id"], member["status"]] for member in members]
    return Listing(["Image ID", "Member ID", "Status"], rows)


@app.command("member get", help=_("Show one project that an image is shared with"))
@shower
def get_member(image: Image, project: _Member, project_domain: ProjectDomain = None) -> Record:
    """Show one member."""
    client = session.client
    return _record(client.images.member(client.images.find(image)["id"], _project(project)))
