"""`tuinova keypair`. New ssh pairs are ED25519, made here: a private key never leaves this process but to its file."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from tuinova.cli.commands import each, exclusive, lister, new_app, session, shower
from tuinova.cli.diagnostics import CommandError
from tuinova.cli.output import Listing, Record, write
from tuinova.cli.server_create import read_file
from tuinova.client.keys import generate_ed25519
from tuinova.i18n import _

app = new_app(_("Key pairs"))
APPS = {"keypair": app}
_User = Annotated[str | None, typer.Option(metavar="<user>", help=_("Whose (admin only)"))]


def _user_id(user: str | None) -> str | None:
    return session.client.users.find(user)["id"] if user else None


@app.command("create", help=_("Create or import a key pair"))
@shower
def create_keypair(
    name: Annotated[str, typer.Argument(metavar="<name>", help=_("Name"))],
    public_key: Annotated[str | None, typer.Option(metavar="<file>", help=_("Import this public key"))] = None,
    private_key: Annotated[str | None, typer.Option(metavar="<file>", help=_("Save the new private key here"))] = None,
    type_: Annotated[str, typer.Option("--type", metavar="ssh|x509", help=_("Kind of key"))] = "ssh",
    user: _User = None,
) -> Record | None:
    """Create an ED25519 pair, or import a public key; without a file option the private key is printed."""
    exclusive(public_key=public_key, private_key=private_key)
    if type_ not in ("ssh", "x509"):
        raise CommandError(
            _("argument --type: invalid choice: '{given}' (choose from {choices})").format(
                given=type_, choices="ssh, x509"
            ),
            code=2,
        )
    private = ""
    if public_key:
        public = read_file(os.path.expanduser(public_key), "--public-key").decode("utf-8", "replace").strip()
    elif type_ == "x509":
        raise CommandError(_("An x509 key pair is imported: use --public-key with a certificate"))
    else:
        private, public = generate_ed25519()
    body: dict[str, Any] = {"name": name, "public_key": public, "type": type_}
    if user_id := _user_id(user):
        body["user_id"] = user_id
    with _saved(private_key, private):
        created = session.client.keypairs.create(body)
    if private and not private_key:
        write(private)
        return None
    return _record(session.client.keypairs.get(name, created["user_id"]))


def _record(pair: dict[str, Any]) -> Record:
    """The fields of one pair, without the key itself; `openstack` has its name for an id."""
    fields = {key: pair[key] for key in ("created_at", "fingerprint", "name", "type", "user_id")}
    fields |= {"id": pair["name"], "is_deleted": pair["deleted"]}
    return Record({key: fields[key] for key in sorted(fields)})


@contextmanager
def _saved(path: str | None, text: str) -> Iterator[None]:
    """The private key in its file, readable by the owner only; taken away again when the pair is refused.

    Written first: a pair whose private half could not be kept is worth nothing.
    """
    if path is None:
        yield
        return
    file = Path(path).expanduser()
    try:
        with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as opened:
            opened.write(text)
    except FileExistsError as error:
        raise CommandError(_("'{path}' exists already: choose another file").format(path=path)) from error
    except OSError as error:
        raise CommandError(
            _("Can't open '{path}' of {option}: {reason}").format(
                path=path, option="--private-key", reason=error.strerror
            )
        ) from error
    try:
        yield
    except BaseException:
        file.unlink(missing_ok=True)
        raise


@app.command("list", help=_("List key pairs"))
@lister
def list_keypairs(
    user: _User = None,
    project: Annotated[
        str | None, typer.Option(metavar="<project>", help=_("Of all users of this project (admin only)"))
    ] = None,
    marker: Annotated[str | None, typer.Option(metavar="<key>", help=_("Those after this one"))] = None,
    limit: Annotated[int | None, typer.Option(metavar="<n>", help=_("At most so many"))] = None,
) -> Listing:
    """List key pairs of a user, or of all users of a project."""
    exclusive(user=user, project=project)
    exclusive(project=project, marker=marker)
    client = session.client
    owners: list[str | None] = [_user_id(user)]
    if project:
        owners = list(client.users.in_project(client.projects.find(project)["id"]))
    pairs = [pair for owner in owners for pair in client.keypairs.list(owner, marker=marker)]
    rows = [(pair["name"], pair["fingerprint"], pair["type"]) for pair in pairs]
    return Listing(("Name", "Fingerprint", "Type"), rows if limit is None or limit < 0 else rows[:limit])


@app.command("show", help=_("Show one key pair"))
@shower
def show_keypair(
    key: Annotated[str, typer.Argument(metavar="<key>", help=_("Key pair"))],
    public_key: Annotated[bool, typer.Option("--public-key", help=_("Only the public key"))] = False,
    user: _User = None,
) -> Record | None:
    """Show one key pair."""
    pair = session.client.keypairs.get(key, _user_id(user))
    if public_key:
        write(pair["public_key"])
        return None
    return _record(pair)


@app.command("delete", help=_("Delete key pairs"))
def delete_keypairs(
    keys: Annotated[list[str], typer.Argument(metavar="<key>...", help=_("Key pairs"))],
    user: _User = None,
) -> None:
    """Delete key pairs."""
    user_id = _user_id(user)
    each(
        keys,
        lambda name: session.client.keypairs.delete(name, user_id),
        _("Failed to delete key with name '{name}': {error}"),
        _("{failed} of {total} keys failed to delete."),
    )
