"""What a guest may learn of itself: the tree of the config drive (nova/api/metadata/base.py).

One function makes every file, so that each version's document differs only in the keys that came later.
"""

from __future__ import annotations

import base64
import ipaddress
import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

# Version and what it added; a document of a version holds the keys of all versions up to it.
OPENSTACK_VERSIONS = (
    "2012-08-10",
    "2013-04-04",
    "2013-10-17",
    "2015-10-15",
    "2016-06-30",
    "2016-10-06",
    "2017-02-22",
    "2018-08-27",
    "2020-10-14",
    "2025-04-04",
    "latest",
)
EC2_VERSIONS = ("2009-04-04", "latest")
_RANDOM_SEED_BYTES = 512


@dataclass(frozen=True, slots=True)
class GuestPort:
    """One NIC as the guest must configure it."""

    port_id: str
    mac: str
    network: str
    address: str | None
    cidr: str
    gateway: str | None
    dns: Sequence[str] = ()
    mtu: int = 1500
    dhcp: bool = True


@dataclass(frozen=True, slots=True)
class GuestFacts:
    """What the tree is made of; `user_data` is base64 text, `hostname` is without domain."""

    id: int
    uuid: str
    display_name: str
    hostname: str
    project_id: str
    availability_zone: str | None
    launch_index: int
    flavor_name: str
    reservation_id: str
    metadata: Mapping[str, str] = field(default_factory=dict)
    key_name: str | None = None
    public_key: str | None = None
    key_type: str = "ssh"
    user_data: str | None = None
    admin_password: str | None = field(default=None, repr=False)
    security_groups: Sequence[str] = ()
    image_ref: str | None = None
    kernel_id: str | None = None
    ramdisk_id: str | None = None
    ports: Sequence[GuestPort] = ()
    dhcp_domain: str = "novalocal"

    @property
    def full_hostname(self) -> str:
        """The host name with the DHCP domain; one that is a full name already stays."""
        if self.dhcp_domain and "." not in self.hostname:
            return f"{self.hostname}.{self.dhcp_domain}"
        return self.hostname


def config_drive_files(facts: GuestFacts) -> dict[str, bytes]:
    """Every file of the config drive: path inside the drive to content."""
    files: dict[str, bytes] = {}
    user_data = base64.b64decode(facts.user_data) if facts.user_data else None
    seed = base64.b64encode(secrets.token_bytes(_RANDOM_SEED_BYTES)).decode()
    network_data = _json(network_document(facts.ports))
    for version in OPENSTACK_VERSIONS:
        folder = f"openstack/{version}"
        files[f"{folder}/meta_data.json"] = _json(meta_data_document(facts, version, seed))
        if user_data is not None:
            files[f"{folder}/user_data"] = user_data
        if version >= "2013-10-17":
            files[f"{folder}/vendor_data.json"] = b"{}"
        if version >= "2015-10-15":
            files[f"{folder}/network_data.json"] = network_data
        if version >= "2016-10-06":
            files[f"{folder}/vendor_data2.json"] = b"{}"
    for version in EC2_VERSIONS:
        files[f"ec2/{version}/meta-data.json"] = _json(ec2_document(facts))
        if user_data is not None:
            files[f"ec2/{version}/user-data"] = user_data
    return files


def meta_data_document(facts: GuestFacts, version: str, random_seed: str) -> dict[str, Any]:
    """`meta_data.json` of one version; "latest" sorts after every date."""
    document: dict[str, Any] = {
        "uuid": facts.uuid,
        "hostname": facts.full_hostname,
        "name": facts.display_name,
        "launch_index": facts.launch_index,
        "availability_zone": facts.availability_zone,
    }
    if facts.metadata:
        document["meta"] = dict(facts.metadata)
    if facts.admin_password:
        document["admin_pass"] = facts.admin_password
    if facts.public_key and facts.key_name:
        document["public_keys"] = {facts.key_name: facts.public_key}
        document["keys"] = [{"name": facts.key_name, "type": facts.key_type, "data": facts.public_key}]
    if version >= "2013-04-04":
        document["random_seed"] = random_seed
    if version >= "2015-10-15":
        document["project_id"] = facts.project_id
    if version >= "2016-06-30":
        document["devices"] = []
    if version >= "2020-10-14":
        document["dedicated_cpus"] = []
    return document


def network_document(ports: Sequence[GuestPort]) -> dict[str, Any]:
    """`network_data.json`: links, networks and name servers."""
    links, networks = [], []
    servers: dict[str, None] = {}
    for index, port in enumerate(ports):
        link = f"tap{port.port_id[:11]}"
        links.append(
            {
                "id": link,
                "vif_id": port.port_id,
                "type": "bridge",
                "mtu": port.mtu,
                "ethernet_mac_address": port.mac,
            }
        )
        networks.append(_network_entry(index, link, port))
        servers.update(dict.fromkeys(port.dns))
    services = [{"type": "dns", "address": address} for address in servers]
    return {"links": links, "networks": networks, "services": services}


def _network_entry(index: int, link: str, port: GuestPort) -> dict[str, Any]:
    entry: dict[str, Any] = {"id": f"network{index}", "network_id": port.network, "link": link}
    if port.address is None or port.dhcp or not port.cidr:
        return entry | {"type": "ipv4_dhcp"}
    network = ipaddress.ip_network(port.cidr, strict=False)
    routes = []
    if port.gateway:
        any_address = "0.0.0.0"  # noqa: S104 - the default route, not an address to listen on
        routes.append({"network": any_address, "netmask": any_address, "gateway": port.gateway})
    return entry | {
        "type": "ipv4",
        "ip_address": port.address,
        "netmask": str(network.netmask),
        "routes": routes,
        "services": [{"type": "dns", "address": address} for address in port.dns],
    }


def ec2_document(facts: GuestFacts) -> dict[str, Any]:
    """The EC2 tree's `meta-data.json`."""
    address = next((port.address for port in facts.ports if port.address), "")
    ec2_id = f"i-{facts.id:08x}"
    document: dict[str, Any] = {
        "ami-id": _ec2_image("ami", facts.image_ref),
        "ami-launch-index": facts.launch_index,
        "ami-manifest-path": "FIXME",  # Nova's literal
        "block-device-mapping": {"ami": "vda", "root": "/dev/vda"},
        "hostname": facts.full_hostname,
        "instance-action": "none",
        "instance-id": ec2_id,
        "instance-type": facts.flavor_name,
        "local-hostname": facts.full_hostname,
        "local-ipv4": address,
        "placement": {"availability-zone": facts.availability_zone},
        "public-hostname": facts.full_hostname,
        "public-ipv4": "",
        "reservation-id": facts.reservation_id,
        "security-groups": list(facts.security_groups),
    }
    if facts.public_key and facts.key_name:
        document["public-keys"] = {"0": {"_name": f"0={facts.key_name}", "openssh-key": facts.public_key}}
    if facts.kernel_id:
        document["kernel-id"] = _ec2_image("aki", facts.kernel_id)
    if facts.ramdisk_id:
        document["ramdisk-id"] = _ec2_image("ari", facts.ramdisk_id)
    return document


def _ec2_image(kind: str, image_id: str | None) -> str:
    """EC2 knows images by eight hexadecimal digits; ours are the first of the image's id."""
    return f"{kind}-{(image_id or '0').replace('-', '')[:8]:0>8}"


def _json(document: Mapping[str, Any]) -> bytes:
    return json.dumps(document, ensure_ascii=False).encode()
