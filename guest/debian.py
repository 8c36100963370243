#!/usr/bin/env python3
"""Builds the Debian guest with a real cloud-init that the tests boot: `python3 guest/debian.py OUTDIR`.

Packages come by mmdebstrap from the suite that this machine's own apt knows (root, or a user with sub-ids); kernel,
boot loader and disk are made as the demo guest's. Built anew only when its sources or package versions change.
"""

import argparse
import hashlib
import json
import os
import re
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import build as demo
from tuinova_guest import disk, rootfs
from tuinova_guest.errors import BuildError
from tuinova_guest.kernel import BOOT_MODULES, ROOT_MODULES, load_kernel
from tuinova_guest.packages import AptSource, Package, closure, run
from tuinova_guest.tree import EPOCH, Entry, Tree

HERE = Path(__file__).resolve().parent
PARTS = HERE / "debian"
NAME = "tuinova-debian"
DISK_SIZE = 300 * disk.MIB
ROOT_UUID = "6b1f0c1e-7475-696e-6f76-612d64656269"
INCLUDED = ("cloud-init", "systemd-sysv", "udev", "dbus", "iproute2", "isc-dhcp-client", "netbase", "sudo", "login")
# What the guest needs in its memory before udev runs; cloud-init looks for a config drive at once.
MODULES = (*BOOT_MODULES, *ROOT_MODULES, "virtio_net", "virtio_rng", "isofs", "sr_mod")
_LEFT_OUT = ("usr/share/doc/*", "usr/share/man/*", "usr/share/info/*", "usr/share/locale/*", "usr/share/i18n/*")
_REMOVED = re.compile(
    r"^(var/cache/|var/lib/apt/lists/|var/lib/dpkg/info/.*\.(md5sums|list)$|usr/lib/udev/hwdb|usr/share/(perl|lintian|bash)"
    r"|usr/lib/x86_64-linux-gnu/perl|usr/share/zsh|usr/lib/python3/dist-packages/jsonschema/|etc/machine-id$|etc/hostname$|etc/resolv.conf$)"
)
# Units that only take time here: what they look after is not in this guest, or lasts no longer than it.
_MASKED = (
    *("apt-daily.timer", "apt-daily-upgrade.timer", "dpkg-db-backup.timer", "e2scrub_all.timer", "fstrim.timer"),
    *("systemd-timesyncd.service", "systemd-update-utmp.service", "systemd-update-utmp-runlevel.service"),
    *("systemd-journal-flush.service", "systemd-random-seed.service", "systemd-pstore.service"),
    *("dev-hugepages.mount", "dev-mqueue.mount", "sys-kernel-debug.mount", "sys-kernel-tracing.mount"),
    *("sys-kernel-config.mount", "sys-fs-fuse-connections.mount", "modprobe@.service", "kmod-static-nodes.service"),
    *("getty@tty1.service", "e2scrub_reap.service", "proc-sys-fs-binfmt_misc.automount", "systemd-logind.service"),
    *("systemd-hwdb-update.service", "ldconfig.service", "cloud-init-hotplugd.socket", "networking.service"),
    *("systemd-machine-id-commit.service", "systemd-user-sessions.service", "remote-fs.target"),
    *("cloud-config.service", "cloud-final.service"),
)
_WANTED = {
    "systemd-networkd.service": "multi-user.target.wants",
    "systemd-networkd-wait-online.service": "cloud-init.service.wants",
}


def source_hash() -> str:
    """Return a hash over what decides what is built."""
    digest = hashlib.sha256()
    files = [Path(__file__), *sorted(PARTS.rglob("*")), *sorted((HERE / "tuinova_guest").glob("*.py"))]
    for file in files:
        if file.is_file():
            digest.update(f"{file.relative_to(HERE)}\0{file.stat().st_size}\0".encode())
            digest.update(file.read_bytes())
    return digest.hexdigest()


def debian_suite() -> str:
    """Return the name of the release that this machine's apt installs from; BuildError where that is not Debian."""
    facts = dict(re.findall(r'^(\w+)="?([^"\n]*)"?$', Path("/etc/os-release").read_text(), re.MULTILINE))
    if facts.get("ID") != "debian" or not facts.get("VERSION_CODENAME"):
        raise BuildError("the Debian guest is built from this machine's own packages, and this is no Debian")
    return facts["VERSION_CODENAME"]


def bootstrap(archive: Path) -> None:
    """Write a tar archive of the installed system."""
    command = ["mmdebstrap", "--quiet", "--variant=essential", f"--include={','.join(INCLUDED)}", "--format=tar"]
    command += [f"--dpkgopt=path-exclude=/{pattern}" for pattern in _LEFT_OUT]
    command += ['--aptopt=APT::Install-Recommends "false"', "--dpkgopt=force-unsafe-io"]
    run([*command, debian_suite(), str(archive), *map(str, _sources())])


def _sources() -> list[Path]:
    """Return the files with this machine's own Debian sources: no mirror is written down here."""
    found = [*Path("/etc/apt").glob("sources.list"), *sorted(Path("/etc/apt/sources.list.d").glob("*"))]
    named = re.compile(rf"^(Suites:.*\b{debian_suite()}\b|deb\b.*\s{debian_suite()}\b)", re.MULTILINE)
    return [path for path in found if path.suffix in (".list", ".sources") and named.search(path.read_text())]


def read_archive(archive: Path) -> Tree:
    """Return the system of an archive without what is removed; devices are the kernel's business."""
    tree = Tree()
    with tarfile.open(archive) as tar:
        for member in tar:
            path = member.name.removeprefix("./").rstrip("/")
            if not path or path == "." or _REMOVED.match(path):
                continue
            if member.isdir():
                tree.entries[path] = Entry(member.mode, member.uid, member.gid)
            elif member.issym():
                tree.entries[path] = Entry(0o777, member.uid, member.gid, link=member.linkname)
            elif member.isreg() or member.islnk():
                content = tar.extractfile(member)
                data = content.read() if content else b""
                if path.endswith(".pyc"):
                    data = _of_its_source(data)
                tree.entries[path] = Entry(member.mode, member.uid, member.gid, data=data)
    return tree


def _of_its_source(compiled: bytes) -> bytes:
    """Return compiled Python that names the time of its source in the image: else it would be compiled again."""
    by_time = compiled[4:8] == bytes(4)
    return compiled[:8] + EPOCH.to_bytes(4, "little") + compiled[12:] if by_time else compiled


def configure(tree: Tree) -> None:
    """Add the guest's own files, and leave out the units that only take time."""
    tree.copy_of(PARTS / "rootfs")
    tree.file("etc/machine-id", b"")
    tree.file("etc/hostname", b"unnamed\n")
    tree.file("etc/resolv.conf", b"")
    tree.file("etc/fstab", b"")
    for unit in _MASKED:
        tree.link(f"etc/systemd/system/{unit}", "/dev/null")
    for unit, where in _WANTED.items():
        tree.link(f"etc/systemd/system/{where}/{unit}", f"/lib/systemd/system/{unit}")


def initramfs(programs: rootfs.Files, kernel: Any) -> bytes:
    """Return the compressed initramfs: as the demo guest's, with the modules of this guest."""
    import gzip

    tree = Tree()
    for path in ("dev", "proc", "sys", "root"):
        tree.directory(path)
    rootfs.add_busybox(tree, programs.content("busybox"), 0o755)
    kernel.add_modules(tree, MODULES)
    tree.copy_of(PARTS / "initramfs")
    return gzip.compress(tree.cpio(), 6, mtime=0)


def build(work: Path, files: dict[str, Path], kernel_packages: list[str]) -> Path:
    """Make the disk in a directory of its own; return it."""
    kernel = load_kernel(files[name] for name in kernel_packages)
    programs = rootfs.Files([files["busybox-static"]])
    bootstrap(work / "root.tar")
    tree = read_archive(work / "root.tar")
    (work / "root.tar").unlink()
    configure(tree)
    kernel.add_modules(tree, MODULES)
    tree.file("boot/vmlinuz", kernel.image)
    tree.file("boot/initrd.img", initramfs(programs, kernel))
    tree.file("boot/grub/grub.cfg", (PARTS / "grub.cfg").read_bytes())
    disk.make_ext4(tree, work / "root.ext4", DISK_SIZE, ROOT_UUID, work)
    boot, core = demo.make_grub(files, work)
    disk.make_disk(work / "root.ext4", work / "disk.raw", boot, core)
    target = work / f"{NAME}.qcow2"
    disk.make_qcow2(work / "disk.raw", target)
    return target


def resolve(source: AptSource) -> tuple[dict[str, Package], list[str]]:
    """Return the packages that are used unpacked, and which of them are the kernel's."""
    grub = () if demo.system_grub() else demo.GRUB_PACKAGES
    packages = closure(source, [demo.KERNELS, ("busybox-static",), *grub])
    return packages, sorted(name for name in packages if name.startswith(("linux-image", "linux-modules")))


def inputs(packages: Mapping[str, Package]) -> str:
    """Return a text that differs when another image would be built; `packages` are all that go into it."""
    versions = {name: package.version for name, package in packages.items()}
    return hashlib.sha256(json.dumps([source_hash(), sorted(versions.items())]).encode()).hexdigest()


def make(out: Path, force: bool) -> str:
    """Build what is not there yet; return one sentence about it."""
    source = AptSource()
    out.mkdir(parents=True, exist_ok=True)
    image, note = out / f"{NAME}.qcow2", out / f"{NAME}.inputs"
    with demo.alone(out / NAME):
        packages, kernel_packages = resolve(source)
        wanted = inputs({**packages, **source.lookup(INCLUDED)})
        if not force and image.exists() and note.exists() and note.read_text() == wanted:
            return "nothing to do"
        started = time.monotonic()
        files = source.fetch(packages.values(), out / NAME / ".packages")
        with tempfile.TemporaryDirectory(prefix=".build-", dir=out / NAME) as scratch:
            made = build(Path(scratch), files, kernel_packages)
            note.unlink(missing_ok=True)
            made.rename(image)
        note.write_text(wanted)
        return f"built in {time.monotonic() - started:.1f} s"


def main(arguments: list[str] | None = None) -> int:
    """Run the builder; 0 when the image is there."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("outdir", type=Path, help="where the image goes")
    parser.add_argument("--force", action="store_true", help="build even if nothing has changed")
    options = parser.parse_args(arguments)
    os.umask(0o022)
    try:
        result = make(options.outdir, options.force)
    except (BuildError, OSError, subprocess.SubprocessError) as error:
        print(f"guest/debian.py: {error}", file=sys.stderr)
        return 1
    print(f"Debian guest in {options.outdir}: {result}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
