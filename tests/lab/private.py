"""Start and stop a private libvirtd with its virtlogd.

As root: mount, UTS and network namespaces of its own (bridge, dnsmasq, nftables and VNC ports are private too), own
directories bound over libvirt's. As another user: `qemu:///session` in own XDG directories. Both are reached from
outside by the path of the socket in the URI. Nothing of the host's libvirt is used, and nothing falls back to it.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
import uuid
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.lab import processes
from tuinova.virt.libvirt.kvm import probe_kvm

# The part of a Unix socket's address that the kernel keeps.
SOCKET_PATH_MAX = 107
PREFIX = "tn-lab-"
NEEDED = {
    "libvirtd": "libvirt-daemon-system",
    "virtlogd": "libvirt-daemon-system",
    "virsh": "libvirt-clients",
    "qemu-img": "qemu-utils",
    "qemu-system-x86_64": "qemu-system-x86",
}
NEEDED_BY_ROOT = {
    "dnsmasq": "dnsmasq-base",
    "ip": "iproute2",
    "iptables": "iptables",
    "nft": "nftables",
    "setpriv": "util-linux",
    "unshare": "util-linux",
    "nsenter": "util-linux",
    "setsid": "util-linux",
}
NETWORK = """<network><name>default</name><bridge name='virbr0'/><forward/>
<ip address='192.168.122.1' netmask='255.255.255.0'><dhcp>
<range start='192.168.122.2' end='192.168.122.254'/></dhcp></ip></network>
"""
SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class LabError(RuntimeError):
    """The private libvirt can't be had here; the message says why."""


def missing_tools(root: bool) -> dict[str, str]:
    """Programs that are not installed, with the Debian package that has each."""
    needed = NEEDED | NEEDED_BY_ROOT if root else NEEDED
    return {name: package for name, package in needed.items() if shutil.which(name, path=SYSTEM_PATH) is None}


class PrivateLibvirt:
    """A libvirtd + virtlogd of our own; `with PrivateLibvirt() as lab: lab.uri`.

    `directory` must have a short path; by default a new one under /tmp that `stop` removes. `instances` is an empty
    directory that QEMU's user can enter.
    """

    def __init__(self, directory: Path | None = None, *, hostname: str = "lab") -> None:
        self.own_directory = directory is None
        self.directory = directory or Path(tempfile.mkdtemp(prefix=PREFIX, dir="/tmp"))
        self.hostname = hostname
        self.root = os.geteuid() == 0
        self.libvirtd_arguments: tuple[str, ...] = ()
        self.pids: dict[str, int] = {}

    # where things are ------------------------------------------------------------------------------------------------
    @property
    def instances(self) -> Path:
        """An instances directory for a driver."""
        return self.directory / "instances"

    @property
    def runtime(self) -> Path:
        """Where the sockets are."""
        return self.directory / ("run" if self.root else "run/libvirt")

    @property
    def uri(self) -> str:
        """The connection URI, usable from anywhere on this machine by this user."""
        return f"qemu:///{'system' if self.root else 'session'}?socket={self.runtime}/libvirt-sock"

    # life ------------------------------------------------------------------------------------------------------------
    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Namespaces or session directories, virtlogd, libvirtd; returns when libvirt answers."""
        try:
            self._check()
            sweep()
            self.directory.mkdir(exist_ok=True)
            self.directory.chmod(0o755)
            if self.root:
                self._make_namespaces()
            else:
                self._make_session_directories()
            self.instances.mkdir(exist_ok=True)
            self.instances.chmod(0o755)
            self.start_virtlogd()
            self.start_libvirtd()
        except BaseException:
            self.stop()
            raise

    def _check(self) -> None:
        missing = missing_tools(self.root)
        if missing:
            packages = " ".join(sorted(set(missing.values())))
            raise LabError(f"a private libvirt needs {', '.join(missing)}: apt-get install {packages}")
        if len(f"{self.runtime}/virtlogd-admin-sock") > SOCKET_PATH_MAX:
            raise LabError(f"{self.directory} is too long for Unix sockets: choose a shorter directory")

    def _make_namespaces(self) -> None:
        for part in ("etc/qemu/networks", "varlib", "cache", "log", "run"):
            (self.directory / part).mkdir(parents=True, exist_ok=True)
        (self.directory / "etc/libvirtd.conf").write_text(self._configuration())
        # No AppArmor or SELinux labels: the profiles of the host know only the host's directories.
        (self.directory / "etc/qemu.conf").write_text('security_driver = "none"\n')
        # As a distribution's package leaves it: defined, and off.
        (self.directory / "etc/qemu/networks/default.xml").write_text(NETWORK)
        ready = self.directory / "ready"
        ready.unlink(missing_ok=True)
        kvm = "keep" if probe_kvm().works else "hide"
        script = Path(__file__).with_name("namespace.sh")
        command = ["unshare", "--mount", "--uts", "--net", "--propagation", "private"]
        self._spawn("holder", [*command, "sh", str(script), str(self.directory), self.hostname, kvm])
        self._wait(ready.exists, "the namespaces", 20, "holder")

    def _configuration(self) -> str:
        """libvirtd.conf."""
        return f'host_uuid = "{uuid.uuid4()}"\nauth_unix_rw = "none"\n'

    def _make_session_directories(self) -> None:
        for part in ("run/libvirt", "config/libvirt", "cache", "data", "home"):
            (self.directory / part).mkdir(parents=True, exist_ok=True)
        (self.directory / "run").chmod(0o700)
        (self.directory / "config/libvirt/libvirtd.conf").write_text(f'host_uuid = "{uuid.uuid4()}"\n')

    def _environment(self) -> dict[str, str]:
        env = {"PATH": SYSTEM_PATH, "LC_ALL": "C.UTF-8", "TUINOVA_LAB": str(self.directory)}
        if not self.root:
            env |= {"HOME": f"{self.directory}/home", "XDG_RUNTIME_DIR": f"{self.directory}/run"}
            env |= {f"XDG_{name.upper()}_HOME": f"{self.directory}/{name}" for name in ("config", "cache", "data")}
        return env

    def _spawn(self, name: str, command: list[str]) -> None:
        with (self.directory / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                env=self._environment(),
                cwd="/",
            )
        # Reaped by pid in processes.end; a Popen that is dropped while it runs would warn.
        process.returncode = 0
        self.pids[name] = process.pid
        self._save()

    def _daemon(self, name: str, program: str, *arguments: str) -> None:
        command = [program, "-p", f"{self.directory}/{name}.pid", *arguments]
        if self.root:
            command = ["nsenter", "--target", str(self.pids["holder"]), "--mount", "--uts", "--net", "--", *command]
        (self.directory / f"{name}.pid").unlink(missing_ok=True)
        self._spawn(name, command)

    def start_virtlogd(self) -> None:
        """The keeper of console logs."""
        self._daemon("virtlogd", "virtlogd")
        self._wait((self.runtime / "virtlogd-sock").exists, "virtlogd", 20, "virtlogd")

    def start_libvirtd(self) -> None:
        """libvirtd; returns when it answers (the first time it looks at every QEMU: 2 s)."""
        self._daemon("libvirtd", "libvirtd", *self.libvirtd_arguments)
        self._wait(self.answers, "libvirtd", 60, "libvirtd")

    def answers(self) -> bool:
        """Whether libvirt answers at our URI."""
        if not (self.runtime / "libvirt-sock").exists():
            return False
        return self.virsh("version", check=False).returncode == 0

    def virsh(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run virsh on our URI; with `check` a failure raises LabError with its words."""
        done = subprocess.run(
            ["virsh", "-q", "-c", self.uri, *arguments],
            capture_output=True,
            text=True,
            timeout=120,
            stdin=subprocess.DEVNULL,
            env=self._environment(),
        )
        if check and done.returncode:
            raise LabError(f"virsh {' '.join(arguments)}: {done.stderr.strip()}")
        return done

    def _wait(self, done: Any, what: str, seconds: float, name: str) -> None:
        deadline = time.monotonic() + seconds
        while not done():
            processes.reap([self.pids[name]])
            if not processes.alive(self.pids[name]) or time.monotonic() > deadline:
                log = (self.directory / f"{name}.log").read_text(errors="replace")
                raise LabError(f"{what} of the private libvirt did not come up: {log[-2000:].strip() or 'no output'}")
            time.sleep(0.02)

    # what tests do to it ---------------------------------------------------------------------------------------------
    def kill(self) -> None:
        """kill -9 libvirtd; guests and virtlogd go on."""
        os.kill(self.pids["libvirtd"], signal.SIGKILL)
        processes.end([self.pids["libvirtd"]])

    def restart(self) -> None:
        """libvirtd stopped (if it runs) and started again; guests go on."""
        processes.end([self.pids["libvirtd"]])
        self.start_libvirtd()

    def stop_virtlogd(self) -> None:
        """Take virtlogd away: console logs stop, starts fail."""
        processes.end([self.pids["virtlogd"]])
        (self.runtime / "virtlogd-sock").unlink(missing_ok=True)

    def guests(self) -> list[str]:
        """Names of the guests that run."""
        return self.virsh("list", "--name").stdout.split()

    def stop(self) -> None:
        """Guests first, then the daemons, then the namespaces; removes the directory if it is our own."""
        if "libvirtd" in self.pids and self._is_ours("libvirtd") and self.answers():
            for name in self.guests():
                self.virsh("destroy", name, check=False)
        self._end_daemons()
        self._end_rest()
        self.pids.clear()
        if self.own_directory:
            shutil.rmtree(self.directory, ignore_errors=True)

    def _is_ours(self, name: str) -> bool:
        pid = self.pids[name]
        return processes.alive(pid) and processes.mentions(pid, str(self.directory))

    def _end_daemons(self) -> None:
        for name in ("libvirtd", "virtlogd"):
            if name in self.pids:
                processes.end([self.pids[name]] if self._is_ours(name) else [], grace=5)
                processes.reap([self.pids[name]])

    def _end_rest(self) -> None:
        """What outlived libvirtd (guests, dnsmasq): all that is in our network namespace, or names our directory."""
        holder = self.pids.get("holder")
        if holder and self._is_ours("holder"):
            link = os.readlink(f"/proc/{holder}/ns/net")
            if link != os.readlink("/proc/self/ns/net"):
                processes.end(pid for pid in processes.in_namespace("net", link) if pid != holder)
            processes.end([holder], grace=0)
        elif not self.root:
            everyone = (int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit())
            processes.end(
                pid for pid in everyone if pid != os.getpid() and processes.mentions(pid, f"{self.directory}/")
            )

    # the hand-driven kind --------------------------------------------------------------------------------------------
    def _save(self) -> None:
        owner = os.getpid() if self.own_directory else 0
        state = {"pids": self.pids, "root": self.root, "hostname": self.hostname}
        state |= {"owner": owner, "ticks": processes.start_ticks(owner)}
        (self.directory / "lab.json").write_text(json.dumps(state))

    @classmethod
    def load(cls, directory: Path) -> PrivateLibvirt:
        """The lab that `start` left in `directory`."""
        try:
            state = json.loads((directory / "lab.json").read_text())
        except (OSError, ValueError) as error:
            raise LabError(f"{directory} holds no lab: {error}") from None
        lab = cls(directory, hostname=state["hostname"])
        lab.pids, lab.root = state["pids"], state["root"]
        return lab


def sweep() -> None:
    """Stop the labs whose test run was killed; one run at a time does so, and the others wait for it."""
    lock = os.open(f"/tmp/{PREFIX}sweep-{os.geteuid()}", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        _sweep()
    finally:
        os.close(lock)


def _sweep() -> None:
    for path in Path("/tmp").glob(f"{PREFIX}*/lab.json"):
        try:
            state = json.loads(path.read_text())
            mine = path.stat().st_uid == os.geteuid()
        except (OSError, ValueError):
            continue
        if mine and state["owner"] and processes.start_ticks(state["owner"]) != state["ticks"]:
            lab = PrivateLibvirt.load(path.parent)
            lab.own_directory = True
            lab.stop()
