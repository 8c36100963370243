"""`tuinova image create`."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import typer

from tuinova.cli.arguments import Properties
from tuinova.cli.commands import exclusive, key_values, new_app, session, shower
from tuinova.cli.diagnostics import CommandError
from tuinova.cli.image_options import (
    Community,
    MinDisk,
    MinRam,
    Private,
    Project,
    ProjectDomain,
    Public,
    Shared,
    Tags,
    either,
    import_bar,
    progress_bar,
    project_id,
    visibility,
)
from tuinova.cli.image_record import image_record
from tuinova.cli.output import Record
from tuinova.client import ClientError, WaitFailed
from tuinova.i18n import _

Json = dict[str, Any]
app = new_app(_("Images"))


@app.command("create", help=_("Create an image"))
@shower
def create_image(
    name: Annotated[str, typer.Argument(metavar="<name>", help=_("Name"))],
    id_: Annotated[
        str | None, typer.Option("--id", metavar="<id>", help=_("ID; made by the service if absent"))
    ] = None,
    container_format: Annotated[str | None, typer.Option(help=_("bare (default), ami, aki, ari"))] = None,
    disk_format: Annotated[
        str | None, typer.Option(help=_("raw (default; else as a URL ends), qcow2, iso, ami, aki, ari"))
    ] = None,
    min_disk: MinDisk = None,
    min_ram: MinRam = None,
    file: Annotated[str | None, typer.Option(metavar="<file>", help=_("Data; standard input if piped"))] = None,
    volume: Annotated[
        str | None, typer.Option("--volume", metavar="<volume>", help=_("Data of this volume (name or ID)"))
    ] = None,
    force: Annotated[bool, typer.Option("--force", help=_("With --volume: also of one that is in use"))] = False,
    import_: Annotated[
        bool, typer.Option("--import", help=_("Upload first, then let the service look at it on its own"))
    ] = False,
    from_url: Annotated[
        str | None, typer.Option("--from-url", metavar="<url>", help=_("The service fetches the data (http, https)"))
    ] = None,
    from_catalog: Annotated[
        str | None,
        typer.Option("--from-catalog", metavar="<name>", help=_("A well-known image; see 'image catalog list'")),
    ] = None,
    arch: Annotated[
        str | None,
        typer.Option("--arch", metavar="<arch>", help=_("With --from-catalog: x86_64, aarch64; else this machine's")),
    ] = None,
    checksum: Annotated[
        str | None,
        typer.Option(metavar="<algorithm:digits>", help=_("With --from-url: md5:, sha256: or sha512: and its digits")),
    ] = None,
    checksum_url: Annotated[
        str | None, typer.Option(metavar="<url>", help=_("With --from-url: a published list of checksums"))
    ] = None,
    wait: Annotated[
        bool | None, typer.Option("--wait/--no-wait", help=_("Wait until it is fetched (default on a terminal)"))
    ] = None,
    progress: Annotated[bool, typer.Option("--progress", help=_("Show a progress bar"))] = False,
    protected: Annotated[bool, typer.Option("--protected", help=_("May not be deleted"))] = False,
    unprotected: Annotated[bool, typer.Option("--unprotected", help=_("May be deleted (default)"))] = False,
    public: Public = False,
    private: Private = False,
    shared: Shared = False,
    community: Community = False,
    property_: Properties = None,
    tag: Tags = None,
    project: Project = None,
    project_domain: ProjectDomain = None,
) -> Record:
    """Create an image and upload its data or let the service fetch it; an upload that fails leaves no image behind."""
    exclusive(file=file, volume=volume, from_url=from_url, from_catalog=from_catalog)
    if force and volume is None:
        raise CommandError(_("argument --force: only with --volume"), code=2)
    exclusive(checksum=checksum, checksum_url=checksum_url)
    body: Json = {
        "name": name,
        "id": id_,
        "container_format": container_format,
        "disk_format": disk_format,
        "min_disk": min_disk,
        "min_ram": min_ram,
        "protected": bool(either(protected=protected, unprotected=unprotected)),
        "visibility": visibility(public=public, private=private, shared=shared, community=community) or "shared",
        "tags": tag or None,
        **key_values(property_),
    }
    web = _from_where(from_url, from_catalog, arch, checksum, checksum_url)
    given = {key: value for key, value in body.items() if value is not None}
    if volume is not None:
        return _of_volume(volume, force, given, bool(wait))
    source = None if web else _open_source(file)
    body = {
        "container_format": "bare",
        "disk_format": "raw",
        "min_disk": 0,
        "min_ram": 0,
        **(web or _Web()).fields,
        **given,
    }
    if project is not None:
        body["owner"] = project_id(project)
    client = session.client
    created = client.images.create(body)
    if web is not None:
        return _fetch(created, web, sys.stderr.isatty() if wait is None else wait)
    if source is not None:
        with source, progress_bar(name, progress) as report:
            try:
                (client.images.stage if import_ else client.images.upload)(created["id"], source, report)
                if import_:
                    client.images.import_staged(created["id"])
            except ClientError:
                _forget(created["id"])
                raise
        if import_ and (sys.stderr.isatty() if wait is None else wait):
            return _waited(created)
    return image_record(client.images.get(created["id"]))


@dataclass(frozen=True, slots=True)
class _Web:
    """Where the service is to fetch the data, and what is known of it."""

    url: str = ""
    checksum: str | None = None
    checksum_url: str | None = None
    fields: Mapping[str, Any] = field(default_factory=dict)


def _from_where(
    url: str | None, catalog: str | None, arch: str | None, checksum: str | None, checksum_url: str | None
) -> _Web | None:
    """The web's part of the command line; a usage error for options that need others."""
    if catalog is None and arch is not None:
        raise CommandError(_("argument --arch: only with --from-catalog"), code=2)
    if url is None and (checksum or checksum_url):
        option = "--checksum" if checksum else "--checksum-url"
        raise CommandError(_("argument {option}: only with --from-url").format(option=option), code=2)
    if url is not None:
        ending = url.partition("?")[0].rpartition(".")[2].lower()
        return _Web(url, checksum, checksum_url, {"disk_format": ending} if ending in ("qcow2", "iso") else {})
    if catalog is None:
        return None
    from tuinova.client.image_catalog import UnknownCatalogImage, catalog_image, this_architecture

    try:
        entry, kind = catalog_image(catalog), arch or this_architecture()
        where, list_ = entry.where(kind)
    except UnknownCatalogImage as error:
        raise CommandError(str(error)) from error
    return _Web(where, None, list_, entry.fields(kind))


def _fetch(created: Json, web: _Web, wait: bool) -> Record:
    """Let the service fetch the data; a refusal at once leaves no image behind, a later one is told by the image."""
    client, ident = session.client, created["id"]
    try:
        client.images.start_import(ident, web.url, checksum=web.checksum, checksum_uri=web.checksum_url)
    except ClientError:
        _forget(ident)
        raise
    return _waited(created) if wait else image_record(client.images.get(ident))


def _waited(image: Json) -> Record:
    """Until the service has imported it; an interrupt ends the wait, not the import."""
    from tuinova.client import waiters

    try:
        with import_bar(image["name"]) as report:
            return image_record(waiters.wait_for_image(session.client, image["id"], on_progress=report))
    except WaitFailed as error:
        raise CommandError(f"{error}\n" + _("Image ID: {ident}").format(ident=image["id"])) from error
    except KeyboardInterrupt:
        raise CommandError(_("The service goes on with it. Image ID: {ident}").format(ident=image["id"])) from None


def _of_volume(volume: str, force: bool, given: Json, wait: bool) -> Record:
    """An image of a volume's data; what openstack prints of it."""
    client = session.client
    body = {
        "image_name": given["name"],
        "force": force,
        "container_format": given.get("container_format") or "bare",
        "disk_format": given.get("disk_format") or "raw",
        "visibility": given["visibility"],
        "protected": given["protected"],
    }
    found = client.volumes.find(volume)
    told = client.volumes.action(found["id"], "os-volume_upload_image", body)["os-volume_upload_image"]
    if wait:
        return _waited({"id": told["image_id"], "name": told["image_name"]})
    kind = told.get("volume_type")
    return Record({**dict(sorted(told.items())), "volume_type": kind["name"] if isinstance(kind, dict) else kind})


def _open_source(file: str | None) -> Any:
    if file is None:
        # As openstack: data on a pipe is the image. A terminal or no input: only the record.
        return None if sys.stdin is None or sys.stdin.isatty() or not _piped() else sys.stdin.buffer
    try:
        return Path(file).open("rb")
    except OSError as error:
        raise CommandError(
            _("Can't open '{path}' of {option}: {reason}").format(path=file, option="--file", reason=error.strerror)
        ) from error


def _piped() -> bool:
    """Standard input is a pipe or a file, not /dev/null or closed."""
    import os
    import stat

    try:
        mode = os.fstat(sys.stdin.fileno()).st_mode
    except (OSError, ValueError):
        return False
    return stat.S_ISFIFO(mode) or stat.S_ISREG(mode)


def _forget(ident: str) -> None:
    with contextlib.suppress(ClientError):
        session.client.images.delete(ident)
