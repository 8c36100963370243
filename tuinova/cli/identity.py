"""`tuinova project list` and `tuinova user list`."""

from __future__ import annotations

from tuinova.cli.commands import lister, new_app, session
from tuinova.cli.output import Listing
from tuinova.i18n import _

project_app = new_app(_("Projects"))
user_app = new_app(_("Users"))
APPS = {"project": project_app, "user": user_app}


# The callbacks keep `list` a word of the grammar: an application with a single command would swallow it.
@project_app.callback()
def project_callback() -> None:
    """Projects."""


@user_app.callback()
def user_callback() -> None:
    """Users."""


@project_app.command("list", help=_("List projects"))
@lister
def list_projects() -> Listing:
    """List projects."""
    return Listing(("ID", "Name"), [(row["id"], row["name"]) for row in session.client.projects.list()])


@user_app.command("list", help=_("List users"))
@lister
def list_users() -> Listing:
    """List users."""
    return Listing(("ID", "Name"), [(row["id"], row["name"]) for row in session.client.users.list()])
