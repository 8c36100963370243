"""Distribution packages: what they need, where they come from, what is in them."""

import functools
import os
import re
import subprocess
import tarfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from .errors import BuildError

# Of a package's dependencies only these can hold a file that the guest needs.
_FOLLOWED = re.compile(r"^(lib(?!c-bin)|zlib1g|linux-image-(unsigned-)?\d|linux-modules-\d)")


@dataclass(frozen=True)
class Package:
    """One version of a package; depends holds, for each requirement, the names that satisfy it."""

    name: str
    version: str
    depends: tuple[tuple[str, ...], ...]
    sha256: str = ""


class Source(Protocol):
    """Where packages come from."""

    def lookup(self, names: Iterable[str]) -> dict[str, Package]:
        """Return the packages known under these names."""

    def fetch(self, packages: Iterable[Package], store: Path) -> dict[str, Path]:
        """Return the package files by name."""


def run(command: list[str], cwd: Path | None = None) -> str:
    """Run a tool, return what it prints; BuildError with its words when it fails."""
    try:
        done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    except FileNotFoundError:
        raise BuildError(f"{command[0]} is not installed") from None
    if done.returncode != 0:
        raise BuildError(f"{' '.join(command[:3])} ... failed: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout


def _parse_depends(*fields: str) -> tuple[tuple[str, ...], ...]:
    return tuple(
        tuple(re.split(r"[\s(:]", choice.strip(), maxsplit=1)[0] for choice in requirement.split("|"))
        for field in fields
        for requirement in field.split(",")
        if requirement.strip()
    )


def _parse_stanza(text: str) -> Package:
    fields = dict(re.findall(r"^([A-Za-z0-9-]+): (.*)$", text, re.MULTILINE))
    depends = _parse_depends(fields.get("Pre-Depends", ""), fields.get("Depends", ""))
    return Package(fields["Package"], fields["Version"], depends, fields.get("SHA256", ""))


class AptSource:
    """The system's apt: its lists say what there is, `apt-get download` brings it (no root needed)."""

    lists = Path("/var/lib/apt/lists")

    def fingerprint(self) -> str:
        """Return a text that changes when apt's lists do; empty if there are none."""
        files = sorted(self.lists.glob("*Packages*")) if self.lists.is_dir() else []
        return ";".join(f"{file.name}:{file.stat().st_size}:{file.stat().st_mtime_ns}" for file in files)

    def lookup(self, names: Iterable[str]) -> dict[str, Package]:
        """Return the candidate versions of these packages."""
        if not self.fingerprint():
            raise BuildError("apt has no package lists: run `apt-get update` (with sudo when not root) first")
        command = ["apt-cache", "show", "--no-all-versions", *sorted(names)]
        # Its exit code says "one of them is unknown", which is no error here.
        done = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, "LC_ALL": "C"})
        found = [_parse_stanza(text) for text in done.stdout.split("\n\n") if "Package: " in text]
        return {package.name: package for package in found}

    def fetch(self, packages: Iterable[Package], store: Path) -> dict[str, Path]:
        """Download what the store does not hold yet."""
        store.mkdir(parents=True, exist_ok=True)
        files = {package.name: store / f"{package.name}_{_safe(package.version)}.deb" for package in packages}
        missing = [package for package in packages if not files[package.name].exists()]
        if missing:
            incoming = store / "incoming"
            incoming.mkdir(exist_ok=True)
            wanted = [f"{package.name}={package.version}" for package in missing]
            # The sandbox user may not write into a private directory; without the sandbox apt says nothing.
            run(["apt-get", "-q", "-o", "APT::Sandbox::User=root", "download", *wanted], cwd=incoming)
            for package in missing:
                _newest(incoming, package.name).rename(files[package.name])
        return files


def _newest(directory: Path, name: str) -> Path:
    matches = sorted(directory.glob(f"{name}_*.deb"), key=lambda file: file.stat().st_mtime)
    if not matches:
        raise BuildError(f"apt-get download brought no file for {name}")
    return matches[-1]


def _safe(version: str) -> str:
    return version.replace(":", "%3a").replace("/", "_")


class DirectorySource:
    """Package files that somebody downloaded before."""

    def __init__(self, directory: Path) -> None:
        """Read the control fields of every .deb of the directory; of two versions the newer counts."""
        self.files: dict[str, tuple[Package, Path]] = {}
        for file in sorted(directory.glob("*.deb")):
            fields = ["Package", "Version", "Pre-Depends", "Depends"]
            package = _parse_stanza(run(["dpkg-deb", "-f", str(file), *fields]))
            known = self.files.get(package.name)
            if known is None or _compare(known[0].version, package.version) < 0:
                self.files[package.name] = (package, file)
        if not self.files:
            raise BuildError(f"there is no .deb file in {directory}")

    def lookup(self, names: Iterable[str]) -> dict[str, Package]:
        """Return the packages of the directory that have these names."""
        return {name: self.files[name][0] for name in names if name in self.files}

    def fetch(self, packages: Iterable[Package], store: Path) -> dict[str, Path]:
        """Return their files where they are."""
        return {package.name: self.files[package.name][1] for package in packages}


@functools.cache
def _compare(left: str, right: str) -> int:
    if left == right:
        return 0
    older = subprocess.run(["dpkg", "--compare-versions", left, "lt", right], check=False).returncode == 0
    return -1 if older else 1


def closure(source: Source, wanted: Iterable[tuple[str, ...]]) -> dict[str, Package]:
    """Resolve requirements (each a choice of names) with the libraries and kernel parts they need, by name."""
    chosen: dict[str, Package] = {}
    todo = list(wanted)
    required = set(todo)
    while todo:
        known = source.lookup({name for choice in todo for name in choice} - chosen.keys()) | chosen
        following: list[tuple[str, ...]] = []
        for choice in todo:
            name = next((name for name in choice if name in known), None)
            if name is None:
                # A dependency may be virtual, or missing from a hand-picked directory; the file check comes later.
                if choice in required:
                    raise BuildError(f"no package {' or '.join(choice)} here: is it in the archive, are the lists new?")
            elif name not in chosen:
                chosen[name] = known[name]
                following += [need for need in known[name].depends if _FOLLOWED.match(need[0])]
        todo = following
    return chosen


def read_members(package: Path, wanted: Callable[[str], bool]) -> dict[str, tarfile.TarInfo | bytes]:
    """Return files (as bytes) and symbolic links (as TarInfo) of a package whose path, without ./, is wanted."""
    members: dict[str, tarfile.TarInfo | bytes] = {}
    with (
        subprocess.Popen(["dpkg-deb", "--fsys-tarfile", str(package)], stdout=subprocess.PIPE) as unpack,
        tarfile.open(fileobj=unpack.stdout, mode="r|") as archive,
    ):
        for member in archive:
            path = member.name.removeprefix("./")
            if not wanted(path):
                continue
            if member.issym():
                members[path] = member
            elif member.isreg():
                content = archive.extractfile(member)
                members[path] = content.read() if content else b""
    if unpack.returncode != 0:
        raise BuildError(f"{package.name} is damaged: dpkg-deb could not unpack it")
    return members
