#!/usr/bin/env python3
"""Builds the demo guest: `python3 guest/build.py OUTDIR` (no root; the network only for apt's package download)."""

import argparse
import contextlib
import fcntl
import hashlib
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tuinova_guest import disk, rootfs
from tuinova_guest.errors import BuildError
from tuinova_guest.kernel import load_kernel
from tuinova_guest.packages import AptSource, DirectorySource, Package, Source, closure

HERE = Path(__file__).resolve().parent
VERSION = "1.1"
MIN_RAM = 96
DISK_SIZE = 112 * disk.MIB
UEC_SIZE = 32 * disk.MIB
ROOT_UUID = "6b1f0c1e-7475-696e-6f76-612d64656d6f"
UEC_UUID = "6b1f0c1e-7475-696e-6f76-612d75656330"

# Debian's and Ubuntu's smallest kernel for virtual machines, in the order of preference.
KERNELS = ("linux-image-cloud-amd64", "linux-image-virtual", "linux-image-generic", "linux-image-amd64")
PROGRAM_PACKAGES = (("busybox-static",), ("e2fsprogs",), ("dropbear-bin",), ("qemu-guest-agent",))
GRUB_PACKAGES = (("grub-common",), ("grub-pc-bin",))
GRUB_MODULES = Path("/usr/lib/grub/i386-pc")
"""What the system has is used; otherwise GRUB's packages are downloaded and used unpacked."""


def source_hash() -> str:
    """Return a hash over everything of this directory that decides what is built (not the Debian guest's parts)."""
    digest = hashlib.sha256()
    for file in sorted(HERE.rglob("*")):
        parts = file.relative_to(HERE).with_suffix("").parts
        if file.is_file() and "__pycache__" not in parts and parts[0] != "debian" and file.suffix != ".md":
            executable = bool(file.stat().st_mode & 0o100)
            digest.update(f"{file.relative_to(HERE)}\0{executable}\0{file.stat().st_size}\0".encode())
            digest.update(file.read_bytes())
    return digest.hexdigest()


def read_manifest(out: Path) -> dict[str, Any] | None:
    """Return the manifest of a complete earlier build, or None."""
    try:
        manifest: dict[str, Any] = json.loads((out / "manifest.json").read_text())
        complete = all((out / image["file"]).stat().st_size == image["size"] for image in manifest["images"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return manifest if complete else None


def system_grub() -> bool:
    """Return whether this machine has what makes a BIOS boot loader."""
    return shutil.which("grub-mkimage") is not None and (GRUB_MODULES / "boot.img").exists()


def resolve(source: Source) -> tuple[dict[str, Package], list[str]]:
    """Return all packages of the guest by name, and which of them are the kernel's."""
    packages = closure(source, [KERNELS, *PROGRAM_PACKAGES, *(() if system_grub() else GRUB_PACKAGES)])
    return packages, sorted(name for name in packages if name.startswith(("linux-image", "linux-modules")))


def build(work: Path, files: dict[str, Path], kernel_packages: list[str]) -> None:
    """Make the four images in a directory of their own."""
    kernel = load_kernel(files[name] for name in kernel_packages)
    programs = rootfs.Files([file for name, file in files.items() if name not in kernel_packages])
    ramdisk = rootfs.initramfs(HERE / "initramfs", programs, kernel)
    (work / "tuinova-demo-uec-kernel").write_bytes(kernel.image)
    (work / "tuinova-demo-uec-ramdisk").write_bytes(ramdisk)

    tree = rootfs.root_tree(HERE / "rootfs", programs, kernel)
    disk.make_ext4(tree, work / "tuinova-demo-uec.img", UEC_SIZE, UEC_UUID, work)

    tree.file("boot/vmlinuz", kernel.image)
    tree.file("boot/initrd.img", ramdisk)
    tree.file("boot/grub/grub.cfg", (HERE / "grub.cfg").read_bytes())
    tree.file("boot/grub/grubenv", disk.GRUB_ENVIRONMENT)
    disk.make_ext4(tree, work / "root.ext4", DISK_SIZE, ROOT_UUID, work)
    boot, core = make_grub(files, work)
    disk.make_disk(work / "root.ext4", work / "disk.raw", boot, core)
    disk.make_qcow2(work / "disk.raw", work / "tuinova-demo.qcow2")


def make_grub(files: dict[str, Path], work: Path) -> tuple[bytes, bytes]:
    """Return boot sector and core, with the system's GRUB or the downloaded one."""
    if system_grub():
        return disk.grub_core("grub-mkimage", GRUB_MODULES, work, {})
    unpacked = work / "grub"
    for file in files.values():
        rootfs.unpack_programs(file, unpacked)
    modules = unpacked / "usr/lib/grub/i386-pc"
    libraries = f"{unpacked}/usr/lib/x86_64-linux-gnu:{unpacked}/lib/x86_64-linux-gnu"
    return disk.grub_core(str(unpacked / "usr/bin/grub-mkimage"), modules, work, {"LD_LIBRARY_PATH": libraries})


def describe(work: Path) -> list[dict[str, Any]]:
    """Return the manifest's list of images; order matters: the parts come before the image that names them."""
    rows = [
        ("tuinova-demo-uec-kernel", "tuinova-demo-uec-kernel", "aki", "aki"),
        ("tuinova-demo-uec-ramdisk", "tuinova-demo-uec-ramdisk", "ari", "ari"),
        ("tuinova-demo-uec", "tuinova-demo-uec.img", "ami", "ami"),
        ("tuinova-demo", "tuinova-demo.qcow2", "qcow2", "bare"),
    ]
    images = []
    for name, file, disk_format, container_format in rows:
        with (work / file).open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
        image: dict[str, Any] = {"name": name, "file": file, "size": (work / file).stat().st_size, "sha256": digest}
        image |= {"disk_format": disk_format, "container_format": container_format, "min_ram": MIN_RAM, "min_disk": 0}
        if disk_format == "qcow2":
            image["virtual_size"] = disk.PARTITION_START + DISK_SIZE
        if disk_format == "ami":
            image |= {"kernel": "tuinova-demo-uec-kernel", "ramdisk": "tuinova-demo-uec-ramdisk"}
        images.append(image)
    return images


@contextlib.contextmanager
def alone(out: Path) -> Iterator[None]:
    """Hold the output directory; a second builder waits and then finds the work done."""
    out.mkdir(parents=True, exist_ok=True)
    with (out / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for left_over in out.glob(".build-*"):
            shutil.rmtree(left_over, ignore_errors=True)
        yield


def publish(work: Path, out: Path, manifest: dict[str, Any]) -> None:
    """Move a finished build into place; without a manifest a half-moved one counts as none."""
    (out / "manifest.json").unlink(missing_ok=True)
    for image in manifest["images"]:
        (work / image["file"]).rename(out / image["file"])
    write_manifest(out, manifest)


def write_manifest(out: Path, manifest: dict[str, Any]) -> None:
    """Write the manifest whole or not at all."""
    part = out / "manifest.json.part"
    part.write_text(json.dumps(manifest, indent=2) + "\n")
    part.rename(out / "manifest.json")


def make(out: Path, packages: Path | None, force: bool) -> str:
    """Build what is not there yet; return one sentence about it."""
    sources = source_hash()
    apt = AptSource()
    seen = "" if packages else apt.fingerprint()
    with alone(out):
        old = None if force else read_manifest(out)
        if old and old["sources"] != sources:
            old = None
        if old and not packages and seen in ("", old["seen"]):
            return "nothing to do"
        started = time.monotonic()
        source: Source = DirectorySource(packages) if packages else apt
        try:
            resolved, kernel_packages = resolve(source)
            versions = {name: package.version for name, package in sorted(resolved.items())}
            if old and old["packages"] == versions:
                write_manifest(out, {**old, "seen": seen})
                return "nothing to do (same packages)"
            files = source.fetch(resolved.values(), out / ".packages")
        except BuildError as error:
            if old is None or packages:
                raise
            return f"kept as it is, newer packages can't be had: {error}"
        build_and_publish(out, files, kernel_packages, {"packages": versions, "sources": sources, "seen": seen})
        for file in set((out / ".packages").glob("*.deb")) - set(files.values()):
            file.unlink()
        return f"built in {time.monotonic() - started:.1f} s"


def build_and_publish(out: Path, files: dict[str, Path], kernel_packages: list[str], inputs: dict[str, Any]) -> None:
    """Build beside the old images and put the new ones in their place."""
    with tempfile.TemporaryDirectory(prefix=".build-", dir=out) as scratch:
        work = Path(scratch)
        build(work, files, kernel_packages)
        facts = {"version": VERSION, "user": "cirros", "password": "gocubsgo", "min_ram": MIN_RAM}
        publish(work, out, {**facts, "images": describe(work), **inputs})


def main(arguments: list[str] | None = None) -> int:
    """Run the builder; 0 when the images are there."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("outdir", type=Path, help="where the images and manifest.json go")
    parser.add_argument("--packages", type=Path, metavar="DIR", help="take .deb files from here instead of from apt")
    parser.add_argument("--force", action="store_true", help="build even if nothing has changed")
    options = parser.parse_args(arguments)
    os.umask(0o022)
    try:
        result = make(options.outdir, options.packages, options.force)
    except (BuildError, OSError) as error:
        print(f"guest/build.py: {error}", file=sys.stderr)
        return 1
    print(f"demo guest in {options.outdir}: {result}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
