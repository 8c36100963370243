"""`tuinova security group`; its rules are in their own module."""

from __future__ import annotations

from typing import Annotated

import typer

from tuinova.cli import network_parts as parts
from tuinova.cli import security_group_rule
from tuinova.cli.commands import exclusive, lister, new_app, session, shower
from tuinova.cli.output import Cell, Listing, Record, list_dict_cell
from tuinova.cli.verbs import VerbGroup
from tuinova.i18n import _

app = new_app(_("Security groups"))
app.registered_commands.extend(security_group_rule.app.registered_commands)
APPS = {"security": VerbGroup(_("Security groups"), {"group": __name__})}

Group = Annotated[str, typer.Argument(metavar="<group>", help=_("Security group (name or ID)"))]
Stateful = Annotated[bool, typer.Option("--stateful", help=_("Answers pass by themselves (default)"))]
Stateless = Annotated[bool, typer.Option("--stateless", help=_("Answers need rules too"))]
_NO_WORD_OF_A_RULE = ("security_group_id", "tenant_id", "project_id")


def _record(group: parts.Json) -> Record:
    rules = group.get("security_group_rules") or []
    shown = [{key: value for key, value in rule.items() if value and key not in _NO_WORD_OF_A_RULE} for rule in rules]
    fields = {**group, "security_group_rules": Cell(rules, list_dict_cell(shown).human)}
    return parts.network_record(fields, {"security_group_rules": "rules"})


@app.command("group create", help=_("Create a security group"))
@shower
def create_group(
    name: Annotated[str, typer.Argument(metavar="<name>", help=_("Name of the new security group"))],
    description: parts.Description = None,
    project: parts.Project = None,
    stateful: Stateful = False,
    stateless: Stateless = False,
    tag: parts.AddTags = None,
    no_tag: parts.NoTag = False,
) -> Record:
    """Create a group: everything out, nothing in until a rule says so."""
    exclusive(tag=tag, no_tag=no_tag)
    fields = parts.given(
        name=name,
        description=name if description is None else description,
        stateful=parts.either(stateful=stateful, stateless=stateless),
        project_id=parts.project_id(project),
    )
    groups = session.client.security_groups
    return _record(parts.new_tags(groups, groups.create(fields), tag, no_tag))


@app.command("group delete", help=_("Delete security groups"))
def delete_groups(
    groups: Annotated[list[str], typer.Argument(metavar="<group>...", help=_("Security groups (name or ID)"))],
) -> None:
    """Delete groups with their rules; refused while a port is in them."""
    parts.delete_each(session.client.security_groups, groups, "security group", "groups")


@app.command("group list", help=_("List security groups"))
@lister
def list_groups(
    project: Annotated[str | None, typer.Option(metavar="<project>", help=_("Only this project"))] = None,
    share: Annotated[bool, typer.Option("--share", help=_("Only shared ones"))] = False,
    no_share: Annotated[bool, typer.Option("--no-share", help=_("Only ones that are not shared"))] = False,
    tags: parts.OnlyTags = None,
    any_tags: parts.AnyTags = None,
    not_tags: parts.NotTags = None,
) -> Listing:
    """List security groups."""
    filters = parts.given(shared=parts.either(share=share, no_share=no_share), project_id=parts.project_id(project))
    columns = {
        "ID": "id",
        "Name": "name",
        "Description": "description",
        "Project": "project_id",
        "Tags": "tags",
        "Shared": "shared",
    }
    rows = session.client.security_groups.list(**filters, **parts.tag_filters(tags, any_tags, not_tags))
    return parts.network_listing(columns, rows)


@app.command("group set", help=_("Set properties of a security group"))
def set_group(
    group: Group,
    name: parts.NewName = None,
    description: parts.Description = None,
    stateful: Stateful = False,
    stateless: Stateless = False,
    tag: parts.AddTags = None,
    no_tag: parts.NoTag = False,
) -> None:
    """Change what a group is called."""
    fields = parts.given(
        name=name, description=description, stateful=parts.either(stateful=stateful, stateless=stateless)
    )
    groups = session.client.security_groups
    found = groups.find(group)
    if fields:
        groups.update(found["id"], **fields)
    parts.more_tags(groups, found, tag, no_tag)


@app.command("group show", help=_("Show one security group"))
@shower
def show_group(group: Group) -> Record:
    """Show one group with its rules."""
    return _record(session.client.security_groups.find(group))


@app.command("group unset", help=_("Unset properties of a security group"))
def unset_group(group: Group, tag: parts.RemoveTags = None, all_tag: parts.AllTag = False) -> None:
    """Remove tags."""
    groups = session.client.security_groups
    parts.fewer_tags(groups, groups.find(group), tag, all_tag)
