"""The distribution's kernel: its image and the few modules that a guest needs."""

import lzma
import re
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from .errors import BuildError
from .packages import read_members
from .tree import Tree

# Needed to reach the root disk; a name that a kernel does not have is built into it, or not needed there.
BOOT_MODULES = ("virtio_pci", "virtio_blk", "virtio_scsi", "sd_mod", "ata_piix", "ahci", "ext4")
ROOT_MODULES = (
    *("virtio_net", "virtio_balloon", "virtio_rng", "virtio_console", "button", "evdev", "isofs", "sr_mod"),
    *("vfat", "nls_ascii", "nls_cp437", "nls_utf8", "e1000", "8139cp", "virtio_input", "psmouse"),
    *("virtio_pci", "virtio_blk", "virtio_scsi", "sd_mod", "ata_piix", "ahci"),
)


@dataclass
class Kernel:
    """A kernel image and all its modules' bytes by normalised name."""

    version: str
    image: bytes
    paths: dict[str, str]
    _raw: dict[str, bytes]

    def add_modules(self, tree: Tree, names: Iterable[str]) -> None:
        """Put these modules, what they depend on and the list for modprobe into a tree."""
        chosen: dict[str, list[str]] = {}
        todo = [name for name in names if name in self.paths]
        contents: dict[str, bytes] = {}
        while todo:
            name = todo.pop()
            if name in chosen:
                continue
            contents[name] = _decompress(self.paths[name], self._raw[self.paths[name]])
            chosen[name] = [need for need in _dependencies(contents[name]) if need in self.paths]
            todo += chosen[name]
        base = f"lib/modules/{self.version}"
        lines = []
        for name in sorted(chosen):
            tree.file(f"{base}/{_plain(self.paths[name])}", contents[name])
            needs = " ".join(_plain(self.paths[need]) for need in _all_needs(name, chosen))
            lines.append(f"{_plain(self.paths[name])}: {needs}".rstrip() + "\n")
        tree.file(f"{base}/modules.dep", "".join(lines).encode())


def _all_needs(name: str, needs: dict[str, list[str]]) -> list[str]:
    """Return everything below a module, the deepest last, as modprobe wants it."""
    ordered: list[str] = []
    for need in needs[name]:
        for one in (need, *_all_needs(need, needs)):
            if one in ordered:
                ordered.remove(one)
            ordered.append(one)
    return ordered


def _plain(path: str) -> str:
    return re.sub(r"\.ko\.(xz|zst|gz)$", ".ko", path)


def _dependencies(module: bytes) -> list[str]:
    found = re.search(rb"\0depends=([^\0]*)\0", module)
    return [name for name in found.group(1).decode().replace("-", "_").split(",") if name] if found else []


def _decompress(path: str, content: bytes) -> bytes:
    if path.endswith(".xz"):
        return lzma.decompress(content)
    if path.endswith((".zst", ".gz")):
        tool = "zstd" if path.endswith(".zst") else "gzip"
        try:
            return subprocess.run([tool, "-dc"], input=content, capture_output=True, check=True).stdout
        except FileNotFoundError:
            raise BuildError(f"this kernel's modules are compressed: install {tool}") from None
    return content


def load_kernel(packages: Iterable[Path]) -> Kernel:
    """Read the kernel out of its packages."""
    image, version = b"", ""
    modules: dict[str, bytes] = {}
    for package in packages:
        # All modules are read, since which ones are needed is known only from the modules themselves.
        members = read_members(package, lambda path: path.startswith("boot/vmlinuz-") or ".ko" in path[-7:])
        for path, content in members.items():
            if not isinstance(content, bytes):
                continue
            if path.startswith("boot/vmlinuz-"):
                image, version = content, path.removeprefix("boot/vmlinuz-")
            else:
                modules[path] = content
    if not image:
        raise BuildError("the kernel's packages hold no boot/vmlinuz-*")
    prefix = re.compile(rf"^(usr/)?lib/modules/{re.escape(version)}/")
    raw = {prefix.sub("", path): content for path, content in modules.items() if prefix.match(path)}
    names = {re.sub(r"\.ko.*$", "", path.rsplit("/", 1)[1]).replace("-", "_"): path for path in raw}
    return Kernel(version, image, names, raw)
