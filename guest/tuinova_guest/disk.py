"""Disk images: an ext4 file system, an MBR disk with GRUB on it, a compressed qcow2."""

import os
import shutil
import struct
import subprocess
from pathlib import Path

from .errors import BuildError
from .packages import run
from .tree import EPOCH, Tree

SECTOR = 512
MIB = 1 << 20
PARTITION_START = MIB
_GRUB_MODULES = (
    "biosdisk",
    "part_msdos",
    "ext2",
    "linux16",
    "normal",
    "configfile",
    "serial",
    "terminal",
    "echo",
    "boot",
    "datehook",
    "loadenv",
)
# GRUB never makes this file longer or shorter: it writes into its sectors.
GRUB_ENVIRONMENT = b"# GRUB Environment Block\n".ljust(1024, b"#")

# Said here instead of taken from the machine's own file: GRUB and older kernels must be able to read it.
_MKE2FS_CONF = """[defaults]
base_features = sparse_super,large_file,filetype,resize_inode,dir_index,ext_attr
[fs_types]
ext4 = {
    features = has_journal,extent,huge_file,flex_bg,metadata_csum,64bit,dir_nlink,extra_isize
    inode_size = 256
}
"""
# Room in the group descriptors for growing to 512 GiB without moving anything.
_GROW_BLOCKS = 512 * (1 << 30) // 4096


def _e2fs_tool(name: str) -> str:
    found = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    if not found:
        raise BuildError(f"{name} is not installed (package e2fsprogs)")
    return found


def _e2fs(command: list[str], scratch: Path, script: str | None = None) -> None:
    conf = scratch / "mke2fs.conf"
    conf.write_text(_MKE2FS_CONF)
    environment = {**os.environ, "MKE2FS_CONFIG": str(conf), "E2FSPROGS_FAKE_TIME": str(EPOCH), "LC_ALL": "C"}
    done = subprocess.run(command, input=script, capture_output=True, text=True, check=False, env=environment)
    # debugfs reports a failed command on standard error and exits 0.
    trouble = [line for line in done.stderr.splitlines() if not line.startswith(("mke2fs ", "debugfs "))]
    if done.returncode != 0 or (script is not None and trouble):
        raise BuildError(f"{Path(command[0]).name} failed: {' '.join(trouble)[:500]}")


def make_ext4(tree: Tree, image: Path, size: int, uuid: str, scratch: Path) -> None:
    """Write a tree into a new ext4 file system of this size in bytes."""
    staging = scratch / f"{image.name}.files"
    tree.write(staging)
    with image.open("wb") as file:
        file.truncate(size)
    command = [
        _e2fs_tool("mke2fs"),
        "-q",
        "-F",
        "-t",
        "ext4",
        "-d",
        str(staging),
        "-b",
        "4096",
        "-i",
        "16384",
        "-m",
        "1",
    ]
    command += ["-J", "size=4", "-L", "tuinova-root", "-U", uuid]
    command += ["-E", f"resize={_GROW_BLOCKS},hash_seed={uuid},root_owner=0:0,lazy_itable_init=0", str(image)]
    _e2fs(command, scratch)
    shutil.rmtree(staging)
    lines = []
    for path, entry in {"": None, "lost+found": None, **tree.entries}.items():
        uid, gid = (entry.uid, entry.gid) if entry else (0, 0)
        name = f'"/{path}"'
        lines += [f"sif {name} uid {uid}", f"sif {name} gid {gid}"]
        # The change time is the build's, and the only thing that would differ from one build to the next.
        lines += [f"sif {name} {field} @{EPOCH}" for field in ("ctime", "atime", "crtime")]
        lines += [f"sif {name} {field}_extra 0" for field in ("ctime", "atime", "mtime", "crtime")]
    _e2fs([_e2fs_tool("debugfs"), "-w", "-f", "-", str(image)], scratch, "\n".join(lines) + "\n")


def grub_core(mkimage: str, modules: Path, scratch: Path, environment: dict[str, str]) -> tuple[bytes, bytes]:
    """Return GRUB's boot sector and its core image, which reads /boot/grub/grub.cfg of the first partition."""
    core = scratch / "core.img"
    command = [mkimage, "-O", "i386-pc", "-o", str(core), "-d", str(modules), "-p", "(hd0,msdos1)/boot/grub"]
    command += _GRUB_MODULES
    done = subprocess.run(command, capture_output=True, check=False, env={**os.environ, **environment})
    if done.returncode != 0:
        raise BuildError(f"grub-mkimage failed: {done.stderr.decode(errors='replace').strip()}")
    return (modules / "boot.img").read_bytes(), core.read_bytes()


def make_disk(filesystem: Path, disk: Path, boot: bytes, core: bytes) -> None:
    """Put a file system behind an MBR with GRUB in front of it."""
    if len(core) > PARTITION_START - SECTOR:
        raise BuildError("GRUB's core image does not fit before the first partition")
    size = filesystem.stat().st_size
    with disk.open("wb") as file, filesystem.open("rb") as source:
        # The core's first sector holds a list of where the rest lies; grub-mkimage writes "the sectors that follow".
        file.write(boot[:440] + struct.pack("<IH", 0x74756E6F, 0) + _partition(size) + bytes(48) + b"\x55\xaa")
        file.write(core)
        file.truncate(PARTITION_START + size)
        file.seek(PARTITION_START)
        while chunk := source.read(MIB):
            if chunk.count(0) == len(chunk):
                file.seek(len(chunk), os.SEEK_CUR)
            else:
                file.write(chunk)


def _partition(size: int) -> bytes:
    # 0xfeffff: the end of what cylinders, heads and sectors can say; everyone reads the sector numbers instead.
    beyond = b"\xfe\xff\xff"
    return b"\x80" + beyond + b"\x83" + beyond + struct.pack("<II", PARTITION_START // SECTOR, size // SECTOR)


def make_qcow2(raw: Path, target: Path) -> None:
    """Compress a raw disk; zlib, which every QEMU and every image inspector reads."""
    qemu_img = shutil.which("qemu-img")
    if not qemu_img:
        raise BuildError("qemu-img is not installed (package qemu-utils)")
    run([qemu_img, "convert", "-c", "-f", "raw", "-O", "qcow2", str(raw), str(target)])
