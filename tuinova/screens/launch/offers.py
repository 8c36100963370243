"""What the service has to choose from, and how each thing reads in a list."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tuinova.client import ApiError
from tuinova.i18n import _

Json = dict[str, Any]
_PARTS = ("aki", "ari")  # kernels and ramdisks: parts of images, not images to boot from


@dataclass(slots=True)
class Offers:
    """All lists of one reading; `missing` says why one could not be read."""

    images: list[Json] = field(default_factory=list)
    volumes: list[Json] = field(default_factory=list)
    snapshots: list[Json] = field(default_factory=list)
    flavors: list[Json] = field(default_factory=list)
    networks: list[Json] = field(default_factory=list)
    subnets: list[Json] = field(default_factory=list)
    ports: list[Json] = field(default_factory=list)
    security_groups: list[Json] = field(default_factory=list)
    keypairs: list[Json] = field(default_factory=list)
    server_groups: list[Json] = field(default_factory=list)
    zones: list[str] = field(default_factory=list)
    limits: Json = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)

    def one(self, kind: str, ident: str) -> Json | None:
        """One thing of a list by its id."""
        return next((one for one in getattr(self, kind) if one["id"] == ident), None)


def _by_name(rows: Sequence[Json]) -> list[Json]:
    return sorted(rows, key=lambda one: (not one.get("name"), one.get("name") or "", str(one["id"])))


def _images(client: Any) -> list[Json]:
    return [
        image
        for image in client.images.list()
        if image.get("status", "active") == "active" and image.get("disk_format") not in _PARTS
    ]


def _volumes(client: Any) -> list[Json]:
    return [
        volume
        for volume in client.volumes.list()
        if volume["status"] == "available" and str(volume.get("bootable")).lower() == "true"
    ]


_READERS: Mapping[str, Callable[[Any], Any]] = {
    "images": _images,
    "flavors": lambda client: client.flavors.list(True),
    "keypairs": lambda client: client.keypairs.list(),
    "zones": lambda client: [zone["zoneName"] for zone in client.availability_zones()],
    "limits": lambda client: client.limits(),
    "networks": lambda client: client.networks.list(),
    "subnets": lambda client: client.subnets.list(),
    "ports": lambda client: [port for port in client.ports.list() if not port.get("device_id")],
    "security_groups": lambda client: client.security_groups.list(),
    "volumes": _volumes,
    "snapshots": lambda client: [one for one in client.volume_snapshots.list() if one["status"] == "available"],
    "server_groups": lambda client: client.server_groups.list(),
}
_SORTED = frozenset({"images", "volumes", "snapshots", "networks", "security_groups", "server_groups", "ports"})


def read_offers(client: Any) -> Offers:
    """Read everything, in a thread; a list that is refused is empty and says why, the rest is there all the same."""
    offers = Offers()
    for name, reader in _READERS.items():
        try:
            found = reader(client)
        except ApiError as error:
            offers.missing[name] = error.message
            continue
        setattr(offers, name, _by_name(found) if name in _SORTED else found)
    offers.flavors.sort(key=lambda one: (one["ram"], one["vcpus"], one["disk"]))
    return offers


# how things read -----------------------------------------------------------------------------------------------------
def image_note(image: Json) -> str:
    """Format, size, what it needs."""
    size = image.get("size")
    parts = [str(image.get("disk_format") or "")]
    if size:
        parts.append(f"{int(size) / (1 << 20):.0f} MiB")
    if image.get("min_ram"):
        parts.append(_("from {ram} MB RAM").format(ram=image["min_ram"]))
    return ", ".join(part for part in parts if part)


def size_note(volume: Json) -> str:
    """The size of a volume or snapshot, and its description."""
    return " ".join(part for part in (f"{volume['size']} GB", str(volume.get("description") or "")) if part)


def flavor_note(flavor: Json) -> str:
    """Its sizes."""
    disk = _("disk of the image") if not flavor["disk"] else f"{flavor['disk']} GB"
    return f"{flavor['vcpus']} vCPU, {flavor['ram']} MB, {disk}"


def network_note(network: Json, subnets: Sequence[Json]) -> str:
    """Its ranges of addresses, and how it reaches the world."""
    ranges = [str(one["cidr"]) for one in subnets if one["network_id"] == network["id"]]
    words = [str(network.get("tuinova:mode") or ""), ", ".join(ranges)]
    words += [_("shared")] if network.get("shared") else []
    return "  ".join(word for word in words if word)


def port_label(port: Json) -> str:
    """A port's name, or the beginning of its id."""
    return str(port.get("name") or port["id"][:13])


def port_note(port: Json, networks: Sequence[Json]) -> str:
    """Addresses, MAC and network."""
    network = next((one["name"] for one in networks if one["id"] == port["network_id"]), "")
    addresses = ", ".join(str(one["ip_address"]) for one in port.get("fixed_ips") or ())
    return "  ".join(part for part in (addresses, str(port["mac_address"]), network) if part)


def group_note(group: Json) -> str:
    """A server group's policy and members."""
    members = len(group.get("members") or ())
    return f"{group.get('policy') or ''}  " + _("{count} members").format(count=members)
