"""The guest's root file system and initramfs."""

import gzip
import os
import subprocess
import tarfile
import tempfile
from pathlib import Path

from .elf import needed_libraries, setuid_launcher
from .errors import BuildError
from .kernel import BOOT_MODULES, ROOT_MODULES, Kernel
from .packages import read_members
from .tree import Tree

SUDO_GROUP = 27
USER = 1000
# Programs beside busybox: where the package has them, where the guest gets them.
PROGRAMS = {
    "resize2fs": "usr/sbin/resize2fs",
    "dropbear": "usr/sbin/dropbear",
    "dropbearkey": "usr/bin/dropbearkey",
    "dbclient": "usr/bin/dbclient",
    "qemu-ga": "usr/sbin/qemu-ga",
}
# What the boot scripts call; a distribution may build its busybox with less.
_APPLETS = (
    *("acpid", "awk", "blockdev", "dd", "df", "findfs", "getty", "grep", "hostname", "init", "ip", "klogd", "login"),
    *("mkpasswd", "modprobe", "mount", "poweroff", "reboot", "sh", "su", "swapon", "switch_root", "syslogd", "tee"),
    *("udhcpc", "umount", "usleep"),
)
_LIBRARY_DIRECTORIES = ("lib/", "lib64/", "usr/lib/", "usr/lib64/")


def _is_library(path: str) -> bool:
    return path.startswith(_LIBRARY_DIRECTORIES) and ".so" in path


class Files:
    """The programs and libraries that packages hold, links followed."""

    def __init__(self, packages: list[Path]) -> None:
        """Read them all; they are a few megabytes."""
        self.members: dict[str, tarfile.TarInfo | bytes] = {}
        for package in packages:
            self.members |= read_members(package, lambda path: _is_library(path) or "bin/" in path)
        # A link and its target in another directory may share a name: the file itself wins.
        ordered = sorted(self.members, key=lambda path: isinstance(self.members[path], bytes))
        self.by_name = {path.rsplit("/", 1)[1]: path for path in ordered}

    def content(self, name: str) -> bytes:
        """Return a program's or library's bytes by its file name."""
        for _ in range(8):
            path = self.by_name.get(name)
            if path is None:
                raise BuildError(f"none of the packages holds {name}")
            member = self.members[path]
            if isinstance(member, bytes):
                return member
            name = member.linkname.rsplit("/", 1)[1] if "/" in member.linkname else member.linkname
        raise BuildError(f"{name} is a link without end")


def unpack_programs(package: Path, target: Path) -> None:
    """Write a package's programs, libraries and GRUB modules to a directory, to be used from there."""
    members = read_members(
        package, lambda path: _is_library(path) or "bin/" in path or path.startswith("usr/lib/grub/")
    )
    for path, member in members.items():
        place = target / path
        place.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(member, bytes):
            place.write_bytes(member)
            place.chmod(0o755)
        elif not place.is_symlink():
            place.symlink_to(member.linkname)


def add_busybox(tree: Tree, busybox: bytes, mode: int) -> None:
    """Put busybox into a tree, with a link for each of its applets."""
    tree.file("bin/busybox", busybox, mode)
    with tempfile.TemporaryDirectory() as scratch:
        program = Path(scratch) / "busybox"
        program.write_bytes(busybox)
        program.chmod(0o755)
        try:
            listed = subprocess.run([program, "--list-full"], capture_output=True, text=True, check=True).stdout
        except (OSError, subprocess.CalledProcessError) as error:
            raise BuildError(f"the package's busybox does not run here: {error}") from None
    lacking = set(_APPLETS) - {path.rsplit("/", 1)[-1] for path in listed.split()}
    if lacking:
        raise BuildError(f"this distribution's busybox-static lacks {', '.join(sorted(lacking))}")
    for path in sorted(listed.split()):
        if path != "bin/busybox" and path != "linuxrc":
            tree.link(path, os.path.relpath("bin/busybox", os.path.dirname(path)) if "/" in path else "bin/busybox")


def _add_programs(tree: Tree, files: Files) -> None:
    todo = []
    for name, path in PROGRAMS.items():
        tree.file(path, files.content(name), 0o755)
        todo.append(name)
    done: set[str] = set()
    while todo:
        loader, libraries = needed_libraries(files.content(todo.pop()))
        if loader:
            # The loader's path is fixed in the programs; the libraries may lie where it looks by default.
            tree.file(loader.lstrip("/"), files.content(loader.rsplit("/", 1)[1]), 0o755)
            done.add(loader.rsplit("/", 1)[1])
        for library in libraries:
            if library not in done:
                done.add(library)
                todo.append(library)
                tree.file(f"usr/lib/{library}", files.content(library), 0o755)


def root_tree(source: Path, files: Files, kernel: Kernel) -> Tree:
    """Return the root file system, without kernel and boot loader."""
    tree = Tree()
    for path in ("dev", "proc", "sys", "run", "mnt", "usr/local/bin", "var/log", "var/lib/tuinova", "etc/dropbear"):
        tree.directory(path)
    tree.directory("root", 0o700)
    tree.directory("tmp", 0o1777)
    tree.directory("home/cirros", 0o755, USER)
    # Set-uid for su, passwd and ping; busybox gives the right up at once in every other applet.
    add_busybox(tree, files.content("busybox"), 0o4755)
    _add_programs(tree, files)
    kernel.add_modules(tree, ROOT_MODULES)
    tree.copy_of(source)
    tree.entries["etc/shadow"].mode = 0o600
    tree.file("usr/bin/sudo", setuid_launcher("/bin/sh", "/usr/lib/tuinova/sudo"), 0o4750, (0, SUDO_GROUP))
    tree.link("etc/mtab", "../proc/mounts")
    tree.link("var/run", "../run")
    tree.file("etc/resolv.conf", b"")
    return tree


def initramfs(source: Path, files: Files, kernel: Kernel) -> bytes:
    """Return the compressed initramfs."""
    tree = Tree()
    for path in ("dev", "proc", "sys", "root"):
        tree.directory(path)
    add_busybox(tree, files.content("busybox"), 0o755)
    kernel.add_modules(tree, BOOT_MODULES)
    tree.copy_of(source)
    return gzip.compress(tree.cpio(), 9, mtime=0)
