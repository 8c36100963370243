"""`tuinova keypair`. New ssh pairs are ED25519, made here: a private key never leaves this process but to its file."""

from __future__ import annotations

import os
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
    if private_key and Path(private_key).exists():
        raise CommandError(_("'{path}' exists already: choose another file").format(path=private_key))
    body: dict[str, Any] = {"name": name, "public_key": public, "type": type_}
    if user_id := _user_id(user):
        body["user_id"] = user_id
    created = session.client.keypairs.create(body)
    if private_key:
        _save(private_key, private)
    elif private:
        write(private)
        return None
    fields = {key: value for key, value in created.items() if key not in ("public_key", "private_key", "links")}
    fields.setdefault("id", name)
    return Record({key: fields[key] for key in sorted(fields)})


def _save(path: str, text: str) -> None:
    """Readable by the owner only, from its first byte on."""
    try:
        handle = os.open(os.path.expanduser(path), os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise CommandError(
            _("Can't open '{path}' of {option}: {reason}").format(
                path=path, option="--private-key", reason=error.strerror
            )
        ) from error
    with os.fdopen(handle, "w") as file:
        file.write(text)


@app.command("list", help=_("List key pairs"))
@lister
def list_keypairs(
    user: _User = None,
    limit: Annotated[int | None, typer.Option(help=_("At most so many"))] = None,
) -> Listing:
    """List key pairs."""
    pairs = session.client.keypairs.list(_user_id(user))
    rows = [(pair["name"], pair["fingerprint"], pair.get("type", "ssh")) for pair in pairs]
    return Listing(("Name", "Fingerprint", "Type"), rows[:limit] if limit is not None else rows)


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
    fields = {name: value for name, value in pair.items() if name != "links"}
    return Record({name: fields[name] for name in sorted(fields)})


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
