"""The libvirt driver: the contract's door; the rooms behind it are the other modules of this package."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar
from xml.etree import ElementTree as ET

import libvirt

from tuinova.core.errors import ConsoleNotAvailable, SetAdminPasswdNotSupported
from tuinova.virt.driver import (
    BootImages,
    ConnectionListener,
    ConsoleSink,
    ConsoleStream,
    DriverError,
    GuestInfo,
    GuestNotFound,
    GuestSpec,
    HostNetwork,
    ImageFile,
    LifecycleListener,
    LiveProgress,
    NodeResources,
    Progress,
    RebootType,
)
from tuinova.virt.libvirt import agent, console, console_log, diagnostics, layout, live_checks, power, resources
from tuinova.virt.libvirt.cold_migration import ColdMigrations
from tuinova.virt.libvirt.connection import Connection
from tuinova.virt.libvirt.driver_volumes import VolumeCalls
from tuinova.virt.libvirt.errors import translated
from tuinova.virt.libvirt.events import LifecycleEvents
from tuinova.virt.libvirt.guests import Guests
from tuinova.virt.libvirt.host import Host
from tuinova.virt.libvirt.image_cache import CacheAging
from tuinova.virt.libvirt.images import ImageCache
from tuinova.virt.libvirt.keys import key_codes
from tuinova.virt.libvirt.live_checks import LiveChecks
from tuinova.virt.libvirt.live_files import LiveFiles
from tuinova.virt.libvirt.live_migration import LiveMigrations
from tuinova.virt.libvirt.moved_disks import MovedDisks
from tuinova.virt.libvirt.network import Networks
from tuinova.virt.libvirt.network_calls import NetworkCalls
from tuinova.virt.libvirt.options import LibvirtOptions
from tuinova.virt.libvirt.ports import Ports
from tuinova.virt.libvirt.rescue import Rescues
from tuinova.virt.libvirt.snapshots import Snapshots

KEY_HOLD_MS = 100
T = TypeVar("T")


class LibvirtDriver(NetworkCalls, VolumeCalls):
    """Guests of one libvirt."""

    def __init__(self, *, host: str, uri: str, instances_path: Path, options: LibvirtOptions | None = None) -> None:
        self.host = host
        self.connection_name = uri
        self.options = options or LibvirtOptions()
        self.instances = instances_path.resolve()
        self._connection = Connection(uri, host)
        self._host = Host(host, self._connection, self.instances, self.options)
        self._networks = Networks(self._connection, self.instances, self.options, self._host.user_mode, host)
        self._cache = ImageCache(self.instances, self.options)
        self._guests = Guests(self._host, self._networks, self._cache, self.options)
        self._moved_disks = MovedDisks(self._guests.disks, self._cache, self.options)
        self._cold_migrations = ColdMigrations(self._guests, self._moved_disks)
        self._live_checks = LiveChecks(self._guests, self._moved_disks)
        live_files = LiveFiles(self._guests.disks, self._cache, self.options)
        self._live_migrations = LiveMigrations(self._guests, self._live_checks, live_files, self.options)
        self._rescues = Rescues(self._guests, self._cache, self.options)
        self._snapshots = Snapshots(self._host, self._moved_disks, self.options)
        self._ports = Ports(self._guests)
        self._events = LifecycleEvents(self._host.redefined)
        self._open_volumes(self._guests, self.options)
        self._has_prepared_files = False

    @property
    def virt_type(self) -> str:  # type: ignore[override]
        """Kvm or qemu."""
        return self._host.virt_type

    @property
    def virt_type_reason(self) -> str:  # type: ignore[override]
        """Why that one."""
        return self._host.virt_type_reason

    @contextmanager
    def _errors(self, uuid: str = "") -> Iterator[None]:
        with translated(self.host, uuid):
            yield

    def _lasting(self, uuid: str, call: Callable[[], T]) -> T:
        """A call that may be made again: a short outage of libvirtd only makes it last longer."""
        with self._errors(uuid):
            return self._connection.lasting(call)

    # life ------------------------------------------------------------------------------------------------------------
    def init_host(self, on_lifecycle: LifecycleListener, on_connection: ConnectionListener) -> None:
        """See the contract; raises DriverError when QEMU's user can't enter the instances directory."""
        self._events.listener = on_lifecycle
        self._connection.open(self._prepare, on_connection)
        self._lasting("", self._networks.recover)
        self._snapshots.recover()

    def _prepare(self, conn: libvirt.virConnect) -> None:
        """On every new connection."""
        self._host.learn(conn)
        self._events.node = self._host.node
        if not self._has_prepared_files:
            # Once: later, what looks half made may be in the making.
            self._cache.prepare()
            self._networks.records.prepare()
            self._has_prepared_files = True
        self._networks.prepare(conn)
        self._events.register(conn)
        self._prepare_volumes(conn)

    def close(self) -> None:
        """See the contract."""
        self._events.listener = None
        self._guests.close()
        self._connection.close()
        self._networks.close()

    def warnings(self) -> Sequence[str]:
        """See the contract."""
        return [*self._host.warnings(), *self._networks.warnings(), *self._pool_problems()]

    # what is there ---------------------------------------------------------------------------------------------------
    def list_guests(self) -> Sequence[GuestInfo]:
        """See the contract; one call for all states."""
        return self._lasting("", self._list_guests)

    def _list_guests(self) -> list[GuestInfo]:
        found = self._connection.get().getAllDomainStats(libvirt.VIR_DOMAIN_STATS_STATE, 0)
        return [
            self._info(domain, int(stats.get("state.state", libvirt.VIR_DOMAIN_NOSTATE)))
            for domain, stats in found
            if self._host.is_ours(domain) and not power.may_be_incoming(stats, domain)
        ]

    def _info(self, domain: libvirt.virDomain, state: int) -> GuestInfo:
        number = domain.ID()
        return GuestInfo(domain.UUIDString(), power.POWER_STATES[state], None if number < 0 else number)

    def guest_info(self, uuid: str) -> GuestInfo:
        """See the contract."""
        return self._lasting(uuid, lambda: self._guest_info(uuid))

    def _guest_info(self, uuid: str) -> GuestInfo:
        domain = self._host.find(uuid)
        if power.is_incoming(domain):
            raise GuestNotFound(uuid=uuid)
        return self._info(domain, domain.state()[0])

    def node_resources(self) -> Sequence[NodeResources]:
        """See the contract."""
        with self._errors():
            conn = self._connection.get()
            vcpus = conn.getInfo()[2]
            # Not getInfo's memory: it misses what was plugged in since the host booted.
            memory_kib = conn.getMemoryStats(libvirt.VIR_NODE_MEMORY_STATS_ALL_CELLS, 0)["total"]
            domains = conn.listAllDomains()
            described = (self._host.foreign.describe(domain) for domain in domains if not self._host.is_ours(domain))
            foreign = tuple(guest for guest in described if guest is not None)
            version = conn.getVersion()
        capabilities = self._host.capabilities
        node = NodeResources(
            node=self._host.node,
            hypervisor_type="QEMU",
            hypervisor_version=version,
            host_ip=self.options.my_ip or resources.host_address(),
            vcpus=vcpus,
            memory_mb=memory_kib // 1024,
            local_gb=resources.disk_gb(self.instances),
            disk_available_least=resources.disk_available_least(
                self.instances, [pool.directory for pool in self._pools]
            ),
            cpu_info=capabilities.cpu_info(),
            supported_instances=capabilities.supported(self.virt_type == "kvm"),
            foreign=foreign,
            uptime=resources.uptime(),
        )
        return [node]

    def list_networks(self) -> Sequence[HostNetwork]:
        """See the contract."""
        return self._lasting("", self._networks.list)

    def leftovers(self) -> Mapping[str, Sequence[str]]:
        """See the contract."""
        known = {guest.uuid for guest in self.list_guests()}
        found: dict[str, list[str]] = {}
        for uuid in layout.guest_directories(self.instances):
            found.setdefault(uuid, []).append("directory")
        for item in self._networks.records.all():
            kinds = found.setdefault(item.uuid, [])
            if "reservation" not in kinds:
                kinds.append("reservation")
        return {uuid: kinds for uuid, kinds in found.items() if uuid not in known}

    # a guest's life --------------------------------------------------------------------------------------------------
    def spawn(self, guest: GuestSpec) -> None:
        """See the contract."""
        self._lasting(guest.uuid, lambda: self._guests.spawn(guest))

    def destroy(self, guest: GuestSpec) -> None:
        """See the contract."""
        self.cleanup(guest.uuid)

    def cleanup(self, uuid: str) -> None:
        """See the contract; a foreign guest's domain is left alone."""
        self._lasting(uuid, lambda: self._guests.remove(uuid))
        self._lasting(uuid, lambda: self._snapshots.clear(uuid))

    def power_off(self, uuid: str, timeout: int, retry_interval: int) -> None:
        """See the contract."""
        self._lasting(uuid, lambda: self._guests.power_off(uuid, timeout, retry_interval))

    def power_on(self, guest: GuestSpec) -> None:
        """See the contract."""
        self._lasting(guest.uuid, lambda: self._guests.power_on(guest))

    def reboot(self, guest: GuestSpec, kind: RebootType) -> RebootType:
        """See the contract."""
        return self._lasting(guest.uuid, lambda: self._guests.reboot(guest, kind))

    def pause(self, uuid: str) -> None:
        """See the contract."""
        self._lasting(uuid, lambda: self._guests.pause(uuid))

    def unpause(self, uuid: str) -> None:
        """See the contract."""
        self._lasting(uuid, lambda: self._guests.unpause(uuid))

    def suspend(self, uuid: str) -> None:
        """See the contract."""
        self._lasting(uuid, lambda: self._guests.suspend(uuid))

    def resume(self, guest: GuestSpec) -> None:
        """See the contract."""
        self._lasting(guest.uuid, lambda: self._guests.resume(guest))

    def resume_state_on_host_boot(self, guest: GuestSpec) -> None:
        """See the contract."""
        self._lasting(guest.uuid, lambda: self._guests.resume_state_on_host_boot(guest))

    # images and rescue -----------------------------------------------------------------------------------------------
    def snapshot(self, guest: GuestSpec, target: Path, disk_format: str | None, progress: Progress) -> str:
        """See the contract."""
        return self._lasting(guest.uuid, lambda: self._snapshots.take(guest, target, disk_format, progress))

    def rescue(self, guest: GuestSpec, boot: BootImages) -> None:
        """See the contract."""
        self._lasting(guest.uuid, lambda: self._rescues.rescue(guest, boot))

    def unrescue(self, guest: GuestSpec) -> None:
        """See the contract."""
        self._lasting(guest.uuid, lambda: self._rescues.unrescue(guest))

    # moving to other sizes or hosts ----------------------------------------------------------------------------------
    def migration_address(self) -> Mapping[str, Any]:
        """See the contract; `instances` must be the same directory for the source, which writes there."""
        return live_checks.address(self.host, self.connection_name, self._host.node, self.instances, self.options)

    def migrate_disk_and_power_off(
        self,
        guest: GuestSpec,
        new: GuestSpec,
        destination: Mapping[str, Any],
        timeout: int,
        retry_interval: int,
        progress: Progress,
    ) -> None:
        """See the contract."""
        migrate = self._cold_migrations.migrate
        self._lasting(guest.uuid, lambda: migrate(guest, new, destination, timeout, retry_interval, progress))

    def finish_migration(self, guest: GuestSpec, *, power_on: bool) -> None:
        """See the contract."""
        self._lasting(guest.uuid, lambda: self._cold_migrations.finish(guest, power_on=power_on))

    def confirm_migration(self, guest: GuestSpec, *, same_host: bool) -> None:
        """See the contract."""
        self._lasting(guest.uuid, lambda: self._cold_migrations.confirm(guest, same_host=same_host))

    def discard_migrated(self, guest: GuestSpec) -> None:
        """See the contract."""
        self._lasting(guest.uuid, lambda: self._cold_migrations.discard(guest))

    def finish_revert_migration(self, guest: GuestSpec, *, power_on: bool) -> None:
        """See the contract."""
        self._lasting(guest.uuid, lambda: self._cold_migrations.revert(guest, power_on=power_on))

    def check_can_live_migrate_destination(self, guest: GuestSpec, block_migration: bool | None) -> Mapping[str, Any]:
        """See the contract."""
        here = dict(self.migration_address())
        return self._lasting(guest.uuid, lambda: self._live_checks.at_destination(guest, block_migration, here))

    def check_can_live_migrate_source(self, guest: GuestSpec, data: Mapping[str, Any]) -> Mapping[str, Any]:
        """See the contract."""
        return self._lasting(guest.uuid, lambda: self._live_checks.at_source(guest, data))

    def pre_live_migration(self, guest: GuestSpec, data: Mapping[str, Any]) -> Mapping[str, Any]:
        """See the contract."""
        return self._lasting(guest.uuid, lambda: self._live_migrations.prepare(guest, data))

    def live_migration(self, guest: GuestSpec, data: Mapping[str, Any], progress: LiveProgress) -> None:
        """See the contract; called again while the move is under way, it follows that one."""
        with self._errors(guest.uuid):
            self._live_migrations.move(guest, data, progress)

    def live_migration_abort(self, uuid: str) -> None:
        """See the contract; returns when the move is over."""
        with self._errors(uuid):
            self._live_migrations.abort(uuid)

    def live_migration_force_complete(self, uuid: str) -> None:
        """See the contract."""
        with self._errors(uuid):
            self._live_migrations.force_complete(uuid)

    def post_live_migration(self, guest: GuestSpec, data: Mapping[str, Any]) -> None:
        """See the contract; raises DriverError, with nothing removed, when the guest is still here."""
        self._lasting(guest.uuid, lambda: self._live_migrations.leave(guest, data))

    def post_live_migration_at_destination(self, guest: GuestSpec, data: Mapping[str, Any]) -> None:
        """See the contract."""
        self._lasting(guest.uuid, lambda: self._live_migrations.settle(guest, data))

    def rollback_live_migration_at_destination(self, guest: GuestSpec, data: Mapping[str, Any]) -> None:
        """See the contract; raises DriverError, with nothing removed, when the guest has come after all."""
        self._lasting(guest.uuid, lambda: self._live_migrations.roll_back(guest, data))

    # other doings ----------------------------------------------------------------------------------------------------
    def inject_nmi(self, uuid: str) -> None:
        """See the contract."""
        with self._errors(uuid):
            power.inject_nmi(self._host.find(uuid), uuid)

    def set_admin_password(self, guest: GuestSpec, password: str) -> None:
        """See the contract; an agent that is silent counts as none."""
        if self.virt_type not in ("kvm", "qemu"):
            raise SetAdminPasswdNotSupported()
        self._lasting(guest.uuid, lambda: agent.set_password(self._host.find(guest.uuid), guest, password))

    def diagnostics(self, guest: GuestSpec) -> Mapping[str, Any]:
        """See the contract."""
        files = self._guests.files(guest.uuid)
        return self._lasting(guest.uuid, lambda: diagnostics.read(self._host, guest, files.started))

    def age_image_cache(self, image_ids: Collection[str]) -> Sequence[str]:
        """See the contract; nothing is asked of libvirt."""
        return CacheAging(self._cache, self.instances, self.options).age(image_ids)

    def cache_image(self, image: ImageFile) -> bool:
        """See the contract; nothing is asked of libvirt."""
        return self._cache.prefetch(image)

    # console ---------------------------------------------------------------------------------------------------------
    def console_output(self, uuid: str, all_boots: bool = False) -> bytes:
        """See the contract; read from the files, so it works while libvirt is down."""
        files = self._guests.files(uuid)
        if not files.console_log.exists():
            raise ConsoleNotAvailable()
        try:
            return console_log.read(files, all_boots)
        except OSError as error:
            raise DriverError(reason=f"the console log of {uuid} can't be read: {error.strerror}") from error

    def open_console(self, uuid: str, sink: ConsoleSink, *, force: bool = False) -> ConsoleStream:
        """See the contract."""
        with self._errors(uuid):
            self._host.find(uuid)
            return console.open_console(self._connection, uuid, sink, force)

    def send_keys(self, uuid: str, keys: Sequence[str]) -> None:
        """See the contract."""
        codes = key_codes(keys)
        with self._errors(uuid):
            self._host.find(uuid).sendKey(libvirt.VIR_KEYCODE_SET_LINUX, KEY_HOLD_MS, codes, len(codes), 0)

    def graphics_address(self, uuid: str) -> str | None:
        """See the contract."""
        with self._errors(uuid):
            root = ET.fromstring(self._host.find(uuid).XMLDesc(0))  # noqa: S314 - libvirt's own XML
        graphics = root.find("./devices/graphics[@type='vnc']")
        if graphics is None or int(graphics.get("port", "-1")) < 0:
            return None
        listen = graphics.find("listen[@type='address']")
        address = graphics.get("listen") or (listen.get("address") if listen is not None else None)
        return f"{address or '127.0.0.1'}:{graphics.get('port')}"
