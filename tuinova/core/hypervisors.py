"""Which hypervisors this service runs guests on: the drivers that the configuration, or what answers here, asks for."""

from __future__ import annotations

import logging
import os
import platform
import socket
import stat
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from tuinova.core.config import Config
from tuinova.core.errors import InvalidConfig
from tuinova.core.paths import Paths
from tuinova.virt.driver import ComputeDriver
from tuinova.virt.volumes import VolumeDriver

LOG = logging.getLogger(__name__)

SYSTEM, SESSION = "qemu:///system", "qemu:///session"
# Where libvirt's system daemon listens: the one of old, then the modular one.
_SYSTEM_SOCKETS = ("/run/libvirt/libvirt-sock", "/run/libvirt/virtqemud-sock")
_REMEMBERED = "hypervisor"
_HOST_NAME = "compute_host"


def open_drivers(config: Config, paths: Paths) -> list[ComputeDriver]:
    """A driver for each compute host; nothing is connected yet.

    Raises InvalidConfig where what is asked for can't work on this machine.
    """
    if config.tuinova.driver == "fake":
        return _fake_drivers(config, paths)
    uris = list(config.libvirt.connection_uris) or [config.libvirt.connection_uri or auto_uri(paths)]
    for uri in uris:
        check_reachable_files(uri, _instances_path(config, paths))
    return _libvirt_drivers(config, paths, uris)


def host_name(config: Config, paths: Paths) -> str:
    """The compute host's name: the configured one, else what this machine was called when the service first ran.

    Servers are recorded under it, so a machine that gets another name must not become another host.
    """
    if config.DEFAULT.host:
        return str(config.DEFAULT.host)
    path = paths.state_dir / _HOST_NAME
    if remembered := _line(path):
        return remembered
    name = socket.gethostname()
    paths.state_dir.mkdir(parents=True, exist_ok=True)
    path.write_text(name + "\n", encoding="utf-8")
    return name


def _names(config: Config, paths: Paths, count: int) -> list[str]:
    name = host_name(config, paths)
    return [name] if count == 1 else [f"{name}-{number}" for number in range(1, count + 1)]


def _instances_path(config: Config, paths: Paths) -> Path:
    return Path(config.DEFAULT.instances_path) if config.DEFAULT.instances_path else paths.instances


def open_volumes(config: Config, paths: Paths, drivers: Sequence[ComputeDriver]) -> VolumeDriver:
    """The driver of the volumes, one for all hosts; one without backends where there is no place for volumes.

    Called before the hosts connect, so that they show the volumes. Raises InvalidConfig.
    """
    if config.tuinova.driver == "fake":
        from tuinova.virt.fake.volumes import FakeVolumeDriver

        return FakeVolumeDriver(paths.state_dir / "fake-volumes")
    return _libvirt_volumes(config, paths, drivers)


# fake ----------------------------------------------------------------------------------------------------------------
def _fake_drivers(config: Config, paths: Paths) -> list[ComputeDriver]:
    from tuinova.virt.fake import FakeDriver, FakeOptions

    ours = config.tuinova
    options = FakeOptions(
        vcpus=ours.fake_vcpus,
        memory_mb=ours.fake_memory_mb,
        disk_gb=ours.fake_disk_gb,
        boot_seconds=ours.fake_boot_seconds,
    )
    path = paths.state_dir / "fake"
    return [FakeDriver(host=name, path=path, options=options) for name in _names(config, paths, ours.fake_hosts)]


# libvirt -------------------------------------------------------------------------------------------------------------
def _libvirt_drivers(config: Config, paths: Paths, uris: Sequence[str]) -> list[ComputeDriver]:
    try:
        from tuinova.virt.libvirt.driver import LibvirtDriver
    except ImportError as error:
        raise InvalidConfig(
            reason=f"libvirt-python is missing ({error}): install tuinova[libvirt], or use the fake driver "
            "([tuinova] driver = fake)"
        ) from error
    options = _libvirt_options(config)
    base = _instances_path(config, paths)
    drivers: list[ComputeDriver] = []
    for name, uri in zip(_names(config, paths, len(uris)), uris, strict=True):
        # Hosts on one machine must not share a directory: each would take the other's files for leftovers.
        instances = base if len(uris) == 1 else base.with_name(f"{base.name}-{name}")
        drivers.append(LibvirtDriver(host=name, uri=uri, instances_path=instances, options=options))
    return drivers


def _libvirt_volumes(config: Config, paths: Paths, drivers: Sequence[ComputeDriver]) -> VolumeDriver:
    from tuinova.virt.libvirt.driver import LibvirtDriver
    from tuinova.virt.libvirt.volume_options import VolumeOptions, read_backends
    from tuinova.virt.libvirt.volumes import LibvirtVolumeDriver

    ours = config.volumes
    usual = Path(ours.directory) if ours.directory else paths.state_dir / "volumes"
    backends = read_backends(ours.backends, usual.absolute(), ours.format, ours.volume_group or "")
    hosts = [driver for driver in drivers if isinstance(driver, LibvirtDriver)]
    for host in hosts:
        host.show_volumes({backend.name: backend.directory for backend in backends if backend.directory})

    def refresh() -> None:
        for host in hosts:
            host.refresh_pools()

    return LibvirtVolumeDriver(VolumeOptions(backends, ours.volume_clear), _libvirt_options(config), refresh)


def _libvirt_options(config: Config) -> Any:
    from tuinova.virt.libvirt.options import LibvirtOptions

    given = {
        "vnc_enabled": config.vnc.enabled,
        "vnc_server_listen": config.vnc.server_listen,
        "image_cache_subdirectory_name": config.image_cache.subdirectory_name,
        "hw_machine_type": _machine_type(config.libvirt.hw_machine_type),
    }
    for item in fields(LibvirtOptions):
        if item.name in given:
            continue
        for group in (config.libvirt, config.image_cache, config.DEFAULT):
            value = getattr(group, item.name, None)
            if value is not None:
                given[item.name] = value
                break
    return LibvirtOptions(**given)


def _machine_type(entries: Sequence[str]) -> str:
    """This machine's entry of Nova's list `arch=type`."""
    for entry in entries:
        architecture, _, machine = entry.partition("=")
        if architecture.strip() == platform.machine():
            return machine.strip()
    return ""


def auto_uri(paths: Paths) -> str:
    """The system's libvirt when it answers and can reach our files, else the session's.

    What was chosen once is kept: servers live on one hypervisor, and another one would not know them.
    """
    remembered = _line(paths.state_dir / _REMEMBERED)
    if remembered == SYSTEM or (remembered == SESSION and _has_servers(paths)):
        return remembered
    uri = SYSTEM if _system_answers() and (os.geteuid() == 0 or may_be_entered(paths.instances)) else SESSION
    if uri != remembered:
        paths.state_dir.mkdir(parents=True, exist_ok=True)
        (paths.state_dir / _REMEMBERED).write_text(uri + "\n", encoding="utf-8")
        LOG.info("guests run on %s", uri)
    return uri


def _line(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8").strip() or None
    except OSError:
        return None


def _has_servers(paths: Paths) -> bool:
    """Whether any server has files; the image cache (`_base`) is none."""
    return paths.instances.is_dir() and any(not entry.name.startswith("_") for entry in paths.instances.iterdir())


def _system_answers() -> bool:
    for path in _SYSTEM_SOCKETS:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            probe.settimeout(2.0)
            try:
                probe.connect(path)
            except OSError:
                continue
            return True
    return False


def check_reachable_files(uri: str, instances: Path) -> None:
    """Refuse what can't work: the system's QEMU runs as its own user and must be able to enter our directory."""
    if uri != SYSTEM or os.geteuid() == 0 or may_be_entered(instances):
        return
    raise InvalidConfig(
        reason=f"{SYSTEM} runs guests as another user, who can't enter {instances}: use {SESSION}, or move the state "
        "directory (TUINOVA_STATE_DIR) to a place that others may enter"
    )


def may_be_entered(path: Path) -> bool:
    """Whether every directory above, as far as there are any, lets others through."""
    for directory in path.absolute().parents:
        try:
            mode = directory.stat().st_mode
        except OSError:
            continue
        if not mode & stat.S_IXOTH:
            return False
    return True
