"""What a guest is told: the documents of the config drive and of the metadata service (nova/api/metadata/base.py).

Both have one tree; each version's document differs only in the keys that came later.
"""

from __future__ import annotations

import base64
import json
import secrets
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tuinova.core.guest_facts import GuestFacts
from tuinova.core.network_data import network_document
from tuinova.core.vendor_data import VendorData

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
GRIZZLY, HAVANA, LIBERTY, NEWTON_ONE, NEWTON_TWO = OPENSTACK_VERSIONS[1:6]
ROCKY, VICTORIA = OPENSTACK_VERSIONS[7:9]
EC2_VERSIONS = (
    "1.0",
    "2007-01-19",
    "2007-03-01",
    "2007-08-29",
    "2007-10-10",
    "2007-12-15",
    "2008-02-01",
    "2008-09-01",
    "2009-04-04",
    "latest",
)
# `[api] config_drive_skip_versions`
SKIPPED_VERSIONS = EC2_VERSIONS[:8]
_RANDOM_SEED_BYTES = 512


def at_least(version: str, since: str) -> bool:
    """Whether a version is that or a later one; "latest" sorts after every date."""
    return version >= since


def config_drive_files(
    facts: GuestFacts, vendor: VendorData | None = None, skip_versions: Sequence[str] = SKIPPED_VERSIONS
) -> dict[str, bytes]:
    """Every file of the config drive: path inside the drive to content."""
    files: dict[str, bytes] = {}
    vendor = vendor or VendorData()
    user_data = decoded_user_data(facts)
    for version in EC2_VERSIONS:
        if version in skip_versions:
            continue
        files[f"ec2/{version}/meta-data.json"] = to_json(_without_names(ec2_document(facts, version)))
        if user_data is not None:
            files[f"ec2/{version}/user-data"] = user_data
    network_data = to_json(network_document(facts.ports))
    static, dynamic = to_json(vendor.static()), to_json(vendor.version_2(facts))
    for version in OPENSTACK_VERSIONS:
        folder = f"openstack/{version}"
        files[f"{folder}/meta_data.json"] = to_json(meta_data_document(facts, version))
        if user_data is not None:
            files[f"{folder}/user_data"] = user_data
        for since, name, content in (
            (HAVANA, "vendor_data.json", static),
            (LIBERTY, "network_data.json", network_data),
            (NEWTON_TWO, "vendor_data2.json", dynamic),
        ):
            if at_least(version, since):
                files[f"{folder}/{name}"] = content
    files.update((f"openstack/{path}", content) for path, _name, content in contents(facts))
    return files


def contents(facts: GuestFacts) -> Iterator[tuple[str, str, bytes]]:
    """The injected files: path below openstack/, the path where the guest shall have it, and what is in it."""
    for number, (path, content) in enumerate(facts.files):
        yield f"content/{number:04d}", path, content


def decoded_user_data(facts: GuestFacts) -> bytes | None:
    """The user data as the guest gets it."""
    return base64.b64decode(facts.user_data) if facts.user_data else None


def meta_data_document(facts: GuestFacts, version: str) -> dict[str, Any]:
    """`meta_data.json` of one version, with a random seed of its own."""
    document: dict[str, Any] = {"uuid": facts.uuid}
    if facts.metadata:
        document["meta"] = dict(facts.metadata)
    if facts.files:
        document["files"] = [{"path": name, "content_path": f"/{path}"} for path, name, _content in contents(facts)]
    if facts.admin_password:
        document["admin_pass"] = facts.admin_password
    if facts.public_key and facts.key_name:
        document["public_keys"] = {facts.key_name: facts.public_key}
        document["keys"] = [{"name": facts.key_name, "type": facts.key_type, "data": facts.public_key}]
    document |= {
        "hostname": facts.full_hostname,
        "name": facts.display_name,
        "launch_index": facts.launch_index,
        "availability_zone": facts.availability_zone,
    }
    if at_least(version, GRIZZLY):
        document["random_seed"] = base64.b64encode(secrets.token_bytes(_RANDOM_SEED_BYTES)).decode()
    if at_least(version, LIBERTY):
        document["project_id"] = facts.project_id
    if at_least(version, NEWTON_ONE):
        document["devices"] = devices_document(facts, version)
    if at_least(version, VICTORIA):
        document["dedicated_cpus"] = list(facts.dedicated_cpus)
    return document


def devices_document(facts: GuestFacts, version: str) -> list[dict[str, Any]]:
    """What has a tag; where on its bus it is only the hypervisor knows: "none" where it does not say, as in Nova."""
    devices: list[dict[str, Any]] = []
    for port in facts.ports:
        if not port.tag:
            continue
        trusted = {"vf_trusted": False} if at_least(version, ROCKY) else {}
        bus, address = facts.places.get(port.mac.lower(), ("pci", "none"))
        devices.append({**trusted, "type": "nic", "mac": port.mac, "bus": bus, "address": address, "tags": [port.tag]})
    for disk in facts.disks:
        entry: dict[str, Any] = {"type": "disk"}
        if disk.serial:
            entry["serial"] = disk.serial
        if disk.path:
            entry["path"] = disk.path
        bus, address = facts.places.get((disk.serial or "").lower(), (disk.bus, "none"))
        devices.append({**entry, "bus": bus, "address": address, "tags": [disk.tag]})
    return devices


# EC2 -----------------------------------------------------------------------------------------------------------------
def ec2_document(facts: GuestFacts, version: str = "latest") -> dict[str, Any]:
    """`meta-data` of one version of the EC2 tree; a `_name` says how a listing calls the branch that holds it."""
    document: dict[str, Any] = {
        "ami-id": _ec2_image("ami", facts.image_ref),
        "ami-launch-index": facts.launch_index,
        "ami-manifest-path": "FIXME",  # Nova's literal
        "instance-id": f"i-{facts.id:08x}",
        "hostname": facts.full_hostname,
        "local-ipv4": facts.first_address,
        "reservation-id": facts.reservation_id,
        "security-groups": list(facts.security_groups),
    }
    if facts.public_key and facts.key_name:
        document["public-keys"] = {"0": {"_name": f"0={facts.key_name}", "openssh-key": facts.public_key}}
    for since, added in _added(facts):
        if at_least(version, since):
            document |= added
    return document


def _added(facts: GuestFacts) -> Iterator[tuple[str, dict[str, Any]]]:
    """What each version brought."""
    yield (
        "2007-01-19",
        {
            "local-hostname": facts.full_hostname,
            "public-hostname": facts.full_hostname,
            "public-ipv4": next(iter(facts.floating_addresses), ""),
        },
    )
    yield "2007-08-29", {"instance-type": facts.flavor_name}
    yield "2007-12-15", {"block-device-mapping": _block_devices(facts)}
    for key, kind, image in (("kernel-id", "aki", facts.kernel_id), ("ramdisk-id", "ari", facts.ramdisk_id)):
        if image:
            yield "2007-12-15", {key: _ec2_image(kind, image)}
    yield "2008-02-01", {"placement": {"availability-zone": facts.availability_zone}}
    yield "2008-09-01", {"instance-action": "none"}


def _block_devices(facts: GuestFacts) -> dict[str, str]:
    root = facts.root_device
    mapping = {"ami": root.removeprefix("/dev/"), "root": root}
    stem, letter = root.rstrip("0123456789")[:-1], root.rstrip("0123456789")[-1]
    for name, there in (("ephemeral0", facts.has_ephemeral), ("swap", facts.has_swap)):
        if there:
            letter = chr(ord(letter) + 1)
            mapping[name] = f"{stem}{letter}"
    return mapping


def _without_names(document: Mapping[str, Any]) -> dict[str, Any]:
    return {
        key: _without_names(value) if isinstance(value, Mapping) else value
        for key, value in document.items()
        if key != "_name"
    }


def _ec2_image(kind: str, image_id: str | None) -> str:
    """EC2 knows images by eight hexadecimal digits; ours are the first of the image's id."""
    return f"{kind}-{(image_id or '0').replace('-', '')[:8]:0>8}"


def to_json(document: Any) -> bytes:
    """A document as it is sent."""
    return json.dumps(document, ensure_ascii=False).encode()
