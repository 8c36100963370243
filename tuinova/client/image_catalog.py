"""Well-known cloud images, as data: what each is called, needs and logs in as, and where its maker publishes it.

Checksums are those that the maker publishes beside the image; the service fetches and checks them. A URL with `latest`
in it (or a directory without a date) always names the newest build of its release.
"""

from __future__ import annotations

import platform
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

_DEB: Final = {"x86_64": "amd64", "aarch64": "arm64"}
_SAME: Final = {"x86_64": "x86_64", "aarch64": "aarch64"}


class UnknownCatalogImage(Exception):
    """No image of that name, or none for the architecture; the message says which there are."""


@dataclass(frozen=True, slots=True)
class CatalogImage:
    """One release. `arches`: our word for an architecture to the maker's, which stands for {arch} in the URLs.

    `min_disk` in GiB is at least the image's virtual size, `min_ram` in MiB what it boots with in comfort.
    """

    name: str
    title: str
    distro: str
    version: str
    user: str
    url: str
    checksum_url: str
    min_disk: int
    min_ram: int
    arches: Mapping[str, str] = field(default_factory=lambda: _SAME)
    properties: Mapping[str, str] = field(default_factory=dict)

    def where(self, arch: str) -> tuple[str, str]:
        """URLs of image and checksums; raises UnknownCatalogImage."""
        if arch not in self.arches:
            raise UnknownCatalogImage(f"{self.name} is not published for {arch}, but for {', '.join(self.arches)}.")
        name = self.url.format(arch=self.arches[arch])
        return name, self.checksum_url.format(arch=self.arches[arch], url=name, folder=name.rsplit("/", 1)[0])

    def fields(self, arch: str) -> dict[str, Any]:
        """What `images.create` is given: formats, minimums, properties."""
        return {
            "disk_format": "qcow2",
            "container_format": "bare",
            "min_disk": self.min_disk,
            "min_ram": self.min_ram,
            "hw_architecture": arch,
            "os_type": "linux",
            "os_distro": self.distro,
            "os_version": self.version,
            "os_admin_user": self.user,
            **self.properties,
        }


def _debian(version: str, codename: str, min_disk: int) -> CatalogImage:
    return CatalogImage(
        f"debian-{version}",
        f"Debian {version} ({codename})",
        "debian",
        version,
        "debian",
        f"https://cloud.debian.org/images/cloud/{codename}/latest/debian-{version}-genericcloud-{{arch}}.qcow2",
        "{folder}/SHA512SUMS",
        min_disk,
        512,
        _DEB,
    )


def _ubuntu(version: str, codename: str, min_disk: int) -> CatalogImage:
    return CatalogImage(
        f"ubuntu-{version}",
        f"Ubuntu {version} LTS ({codename})",
        "ubuntu",
        version,
        "ubuntu",
        f"https://cloud-images.ubuntu.com/releases/{codename}/release/ubuntu-{version}-server-cloudimg-{{arch}}.img",
        "{folder}/SHA256SUMS",
        min_disk,
        1024,
        _DEB,
    )


def _fedora(version: str, compose: str) -> CatalogImage:
    """The image from a mirror, its checksum from the maker himself."""
    folder = f"pub/fedora/linux/releases/{version}/Cloud/{{arch}}/images"
    return CatalogImage(
        f"fedora-{version}",
        f"Fedora Cloud {version}",
        "fedora",
        version,
        "fedora",
        f"https://download.fedoraproject.org/{folder}/Fedora-Cloud-Base-Generic-{compose}.{{arch}}.qcow2",
        f"https://dl.fedoraproject.org/{folder}/Fedora-Cloud-{compose}-{{arch}}-CHECKSUM",
        5,
        1024,
    )


def _rocky(version: str) -> CatalogImage:
    folder = f"https://dl.rockylinux.org/pub/rocky/{version}/images/{{arch}}"
    return CatalogImage(
        f"rocky-{version}",
        f"Rocky Linux {version}",
        "rocky",
        version,
        "rocky",
        f"{folder}/Rocky-{version}-GenericCloud-Base.latest.{{arch}}.qcow2",
        "{url}.CHECKSUM",
        10,
        1024,
    )


def _alma(version: str) -> CatalogImage:
    folder = f"https://repo.almalinux.org/almalinux/{version}/cloud/{{arch}}/images"
    return CatalogImage(
        f"almalinux-{version}",
        f"AlmaLinux {version}",
        "almalinux",
        version,
        "almalinux",
        f"{folder}/AlmaLinux-{version}-GenericCloud-latest.{{arch}}.qcow2",
        "{folder}/CHECKSUM",
        10,
        1024,
    )


def _centos(version: str) -> CatalogImage:
    folder = f"https://cloud.centos.org/centos/{version}-stream/{{arch}}/images"
    return CatalogImage(
        f"centos-stream-{version}",
        f"CentOS Stream {version}",
        "centos",
        version,
        "cloud-user",
        f"{folder}/CentOS-Stream-GenericCloud-{version}-latest.{{arch}}.qcow2",
        "{url}.SHA256SUM",
        10,
        1024,
    )


def _suse(name: str, title: str, version: str, path: str) -> CatalogImage:
    return CatalogImage(
        name,
        title,
        "opensuse",
        version,
        "opensuse",
        f"https://download.opensuse.org/{path}",
        "{url}.sha256",
        24,
        1024,
        {"x86_64": "x86_64"},
    )


def _alpine(version: str, build: str) -> CatalogImage:
    folder = f"https://dl-cdn.alpinelinux.org/alpine/v{version}/releases/cloud"
    return CatalogImage(
        f"alpine-{version}",
        f"Alpine Linux {version}",
        "alpine",
        version,
        "alpine",
        f"{folder}/generic_alpine-{build}-{{arch}}-bios-cloudinit-r0.qcow2",
        "{url}.sha512",
        1,
        256,
        {"x86_64": "x86_64"},
    )


CATALOG: Final = (
    _alma("9"),
    _alma("10"),
    _alpine("3.23", "3.23.0"),
    _alpine("3.24", "3.24.1"),
    CatalogImage(
        "arch",
        "Arch Linux (latest)",
        "arch",
        "rolling",
        "arch",
        "https://geo.mirror.pkgbuild.com/images/latest/Arch-Linux-{arch}-cloudimg.qcow2",
        "{url}.SHA256",
        40,
        1024,
        {"x86_64": "x86_64"},
    ),
    _centos("9"),
    _centos("10"),
    CatalogImage(
        "cirros-0.6",
        "CirrOS 0.6.2 (for tests)",
        "cirros",
        "0.6.2",
        "cirros",
        "https://download.cirros-cloud.net/0.6.2/cirros-0.6.2-{arch}-disk.img",
        "{folder}/MD5SUMS",
        1,
        128,
    ),
    _debian("12", "bookworm", 2),
    _debian("13", "trixie", 3),
    _fedora("43", "43-1.6"),
    _fedora("44", "44-1.7"),
    _suse(
        "opensuse-leap-15.6",
        "openSUSE Leap 15.6",
        "15.6",
        "distribution/leap/15.6/appliances/openSUSE-Leap-15.6-Minimal-VM.{arch}-Cloud.qcow2",
    ),
    _suse(
        "opensuse-leap-16.0",
        "openSUSE Leap 16.0",
        "16.0",
        "distribution/leap/16.0/appliances/Leap-16.0-Minimal-VM.{arch}-Cloud.qcow2",
    ),
    _suse(
        "opensuse-tumbleweed",
        "openSUSE Tumbleweed",
        "tumbleweed",
        "tumbleweed/appliances/openSUSE-Tumbleweed-Minimal-VM.{arch}-Cloud.qcow2",
    ),
    _rocky("9"),
    _rocky("10"),
    _ubuntu("22.04", "jammy", 3),
    _ubuntu("24.04", "noble", 4),
)


def catalog_image(name: str) -> CatalogImage:
    """One by its name; raises UnknownCatalogImage with the nearest names."""
    for image in CATALOG:
        if image.name == name:
            return image
    import difflib

    near = difflib.get_close_matches(name, [image.name for image in CATALOG], n=3, cutoff=0.4)
    raise UnknownCatalogImage(
        f"No image {name!r} in the catalogue." + (f" Did you mean {', '.join(near)}?" if near else "")
    )


def this_architecture() -> str:
    """The architecture of this machine in our words."""
    return {"amd64": "x86_64", "arm64": "aarch64"}.get(platform.machine().lower(), platform.machine().lower())
