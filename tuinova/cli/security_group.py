"""`tuinova security group`; its rules are in their own module."""

from __future__ import annotations

from typing import Annotated

import typer

from tuinova.cli import security_group_rule
from tuinova.cli.commands import exclusive, lister, new_app, session, shower
from tuinova.cli.network_parts import (
    AddTags,
    AllTag,
    AnyTags,
    Description,
    Json,
    NewName,
    NoTag,
    NotTags,
    OnlyTags,
    Project,
    RemoveTags,
    delete_each,
    either,
    fewer_tags,
    given,
    more_tags,
    network_listing,
    network_record,
    new_tags,
    project_id,
    tag_filters,
)
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


def _record(group: Json) -> Record:
    rules = group.get("security_group_rules") or []
    shown = [{key: value for key, value in rule.items() if value and key not in _NO_WORD_OF_A_RULE} for rule in rules]
    fields = {**group, "security_group_rules": Cell(rules, list_dict_cell(shown).human)}
    return network_record(fields, {"security_group_rules": "rules"})


@app.command("group create", help=_("Create a security group"))
@shower
def create_group(
    name: Annotated[str, typer.Argument(metavar="<name>", help=_("Name of the new security group"))],
    description: Description = None,
    project: Project = None,
    stateful: Stateful = False,
    stateless: Stateless = False,
    tag: AddTags = None,
    no_tag: NoTag = False,
) -> Record:
    """Create a group: everything out, nothing in until a rule says so."""
    exclusive(tag=tag, no_tag=no_tag)
    fields = given(
        name=name,
        description=name if description is None else description,
        stateful=either(stateful=stateful, stateless=stateless),
        project_id=project_id(project),
    )
    groups = session.client.security_groups
    return _record(new_tags(groups, groups.create(fields), tag, no_tag))


@app.command("group delete", help=_("Delete security groups"))
def delete_groups(
    groups: Annotated[list[str], typer.Argument(metavar="<group>...", help=_("Security groups (name or ID)"))],
) -> None:
    """Delete groups with their rules; refused while a port is in them."""
    delete_each(session.client.security_groups, groups, "security group", "groups")


@app.command("group list", help=_("List security groups"))
@lister
def list_groups(
    project: Annotated[str | None, typer.Option(metavar="<project>", help=_("Only this project"))] = None,
    share: Annotated[bool, typer.Option("--share", help=_("Only shared ones"))] = False,
    no_share: Annotated[bool, typer.Option("--no-share", help=_("Only ones that are not shared"))] = False,
    tags: OnlyTags = None,
    any_tags: AnyTags = None,
    not_tags: NotTags = None,
) -> Listing:
    """List security groups."""
    filters = given(shared=either(share=share, no_share=no_share), project_id=project_id(project))
    columns = {
        "ID": "id",
        "Name": "name",
        "Description": "description",
        "Project": "project_id",
        "Tags": "tags",
        "Shared": "shared",
    }
    rows = session.client.security_groups.list(**filters, **tag_filters(tags, any_tags, not_tags))
    return network_listing(columns, rows)


@app.command("group set", help=_("Set properties of a security group"))
def set_group(
    group: Group,
    name: NewName = None,
    description: Description = None,
    stateful: Stateful = False,
    stateless: Stateless = False,
    tag: AddTags = None,
    no_tag: NoTag = False,
) -> None:
    """Change what a group is called."""
    fields = given(name=name, description=description, stateful=either(stateful=stateful, stateless=stateless))
    groups = session.client.security_groups
    found = groups.find(group)
    if fields:
        groups.update(found["id"], **fields)
    more_tags(groups, found, tag, no_tag)


@app.command("group show", help=_("Show one security group"))
@shower
def show_group(group: Group) -> Record:
    """Show one group with its rules."""
    return _record(session.client.security_groups.find(group))


@app.command("group unset", help=_("Unset properties of a security group"))
def unset_group(group: Group, tag: RemoveTags = None, all_tag: AllTag = False) -> None:
    """Remove tags."""
    groups = session.client.security_groups
    fewer_tags(groups, groups.find(group), tag, all_tag)
