"""The engine: conductor, scheduler, compute hosts, bus and console hub, put together and kept alive."""

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from tuinova.console.hub import ConsoleHub
from tuinova.core.catalogue_cache import CatalogueCache
from tuinova.core.compute_api import ComputeAPI
from tuinova.core.compute_manager import Compute, ComputeManager, Duties, GuestSpecs, networks, orphans
from tuinova.core.compute_manager.agent import diagnose
from tuinova.core.compute_manager.context import utc_now
from tuinova.core.compute_manager.options import spacing
from tuinova.core.compute_manager.orphans import Orphan
from tuinova.core.conductor import Conductor, ImageFilter, InstanceFilter
from tuinova.core.conductor_manager import ConductorManager
from tuinova.core.config import Config, load
from tuinova.core.engine_options import EngineOptions, options_from
from tuinova.core.errors import (
    ConsoleNotAvailable,
    HypervisorUnavailable,
    InstanceNotFound,
    InstanceNotReady,
    NovaError,
)
from tuinova.core.host_board import HostBoard
from tuinova.core.hypervisors import open_drivers, open_volumes
from tuinova.core.image_import import Importer
from tuinova.core.image_store import ImageStore
from tuinova.core.lazy_hosts import LazyHosts
from tuinova.core.network_api import NetworkAPI, NetworkHosts
from tuinova.core.order_watch import OrderWatch
from tuinova.core.paths import Paths
from tuinova.core.records import Instance, WorkOrder
from tuinova.core.states import PowerState, VmState
from tuinova.core.vendor_data import VendorData
from tuinova.core.volume_api.api import VolumeAPI
from tuinova.core.volume_manager.manager import VolumeManager
from tuinova.core.volume_manager.orphans import VolumeOrphans
from tuinova.core.volume_manager.store import VolumeStore
from tuinova.metadata.answers import Answers
from tuinova.metadata.service import MetadataService
from tuinova.rpc.local import LocalBus
from tuinova.virt.driver import ComputeDriver, ConsoleSink, ConsoleStream, GuestNotFound
from tuinova.virt.volumes import NoVolumes, VolumeDriver

LOG = logging.getLogger(__name__)

_INTERNAL_SERVICES = (("nova-conductor", "conductor"), ("nova-scheduler", "scheduler"))
# How often orders are looked for that nobody works on (the database refused their end).
_STRAY_SECONDS = 60.0
_RUNNING = (PowerState.RUNNING, PowerState.PAUSED)


class Engine:
    """All of it in one process; `start` makes it ready, what may take longer goes on behind."""

    def __init__(
        self,
        conductor: Conductor,
        drivers: Sequence[ComputeDriver],
        image_store: ImageStore,
        options: EngineOptions | None = None,
        *,
        config: Config | None = None,
        paths: Paths | None = None,
        now: Callable[[], datetime] = utc_now,
        duties: Duties | None = None,
        volume_driver: VolumeDriver | None = None,
    ) -> None:
        self.options = options or EngineOptions()
        self.config = config
        self.paths = paths
        self.conductor = conductor
        self.image_store = image_store
        self.drivers: Mapping[str, ComputeDriver] = {driver.host: driver for driver in drivers}
        self.bus = LocalBus(builds=self.options.max_concurrent_builds, workers=self.options.workers)
        self.duties = duties or Duties()
        self.hosts = LazyHosts(conductor, self.options.scheduler, now)
        self._now = now
        # A single compute host lends its name to the other services, as where all of Nova runs on one machine.
        self._name = drivers[0].host if len(drivers) == 1 else socket.gethostname()
        self._catalogue = CatalogueCache(conductor)
        self.volume_store = VolumeStore(volume_driver or NoVolumes(), conductor, self._catalogue, image_store)
        self.volume_api = VolumeAPI(conductor, self._catalogue, self.volume_store)
        self.volume_manager = VolumeManager(conductor, self.volume_store, self.bus)
        self._volume_orphans = VolumeOrphans(conductor, self.volume_store.driver, self._name, self.options.compute)
        self._board = HostBoard(conductor, now, service_down_time=self.options.service_down_time)
        self._uuid_host: dict[str, str] = {}
        self._vendor = VendorData(self.options.vendor_data)
        self.compute_api = ComputeAPI(
            conductor,
            self._catalogue,
            self.options.api,
            host_up=self._board.up,
            console_log=self._console_log,
            diagnose=self._diagnose,
        )
        self.importer = Importer(conductor, image_store, self.options.downloads)
        self.order_watch = OrderWatch(conductor)
        self.network_api = NetworkAPI(conductor, NetworkHosts(lambda: self.drivers))
        self.console_hub = ConsoleHub(
            self._open_console, read_log=self._read_console_log, power_of=self._power_of_guest
        )
        self._conductor_manager = ConductorManager(
            conductor,
            self.hosts,
            image_store,
            max_attempts=self.options.compute.max_attempts,
            resize_to_same_host=self.options.compute.allow_resize_to_same_host,
        )
        self.managers: Mapping[str, ComputeManager] = {driver.host: self._manager(driver) for driver in drivers}
        answers = Answers(conductor, self._specs_of, expiration=self.options.metadata_cache_expiration)
        self.metadata = MetadataService(answers, self._metadata_links, self.options.metadata)
        # Host to why its networks could not be looked at.
        self._unserved: dict[str, str] = {}
        # Simulated guests have no network on which they could ask.
        self._guests_ask = any(
            getattr(one.metadata_links, "__func__", None) is not ComputeDriver.metadata_links for one in drivers
        )
        self._warm: threading.Thread | None = None
        self.started_at = now()

    def _manager(self, driver: ComputeDriver) -> ComputeManager:
        options = self.options.compute
        specs = GuestSpecs(
            self.conductor,
            self._catalogue,
            self.image_store,
            driver.list_networks,
            dhcp_domain=options.dhcp_domain,
            vendor=self._vendor,
            skip_versions=self.options.config_drive_skip_versions,
            device_addresses=driver.device_addresses,
        )
        compute = Compute(
            host=driver.host,
            conductor=self.conductor,
            driver=driver,
            options=options,
            specs=specs,
            bus=self.bus,
            sync_actions=self.compute_api,
            images=self.image_store,
            volumes=self.volume_store,
            now=self._now,
            build_ended=self.hosts.build_ended,
            released=self.hosts.released,
            moved=self.console_hub.guest_started,
            networks_made=lambda: self.metadata.look(),
        )
        compute.networks_changed = partial(networks.caught_up, compute)
        return ComputeManager(compute, self.duties, self.console_hub.guest_started)

    # life ------------------------------------------------------------------------------------------------------------
    def start(self) -> None:
        """Open the database, register the services, recover, take orders. Ready when it returns."""
        self.conductor.open()
        self._sweep_images()
        self.conductor.on_orders(self.bus.ring)
        self.bus.serve(None, self._conductor_manager.handle)
        for binary, topic in _INTERNAL_SERVICES:
            self.conductor.register_service(self._name, binary, topic)
        for manager in self.managers.values():
            self.conductor.register_service(manager.host)
        self.volume_manager.start()
        for manager in self.managers.values():
            manager.start()
        self.volume_manager.recover(self._ring_again)
        self._conductor_manager.recover(self._ring_again)
        self.importer.resume()
        self.duties.every(self.options.report_interval, "heartbeat", self._beat)
        self.duties.every(_STRAY_SECONDS, "stray orders", self._pick_up_strays)
        leftovers = spacing(self.options.compute.running_deleted_instance_poll_interval)
        self.duties.every(leftovers, "volumes without a record", self._volume_orphans.reap)
        if self.options.periodic_enable:
            self.duties.start()
        if self._guests_ask:
            self.metadata.start()
        self._warm = threading.Thread(target=self._after_start, name="tuinova-warm", daemon=True)
        self._warm.start()

    def _sweep_images(self) -> None:
        """Before anybody can upload: half-written data goes, a cut-off upload may be made again.

        What a server's action was filling is recovery's: the action's order still names the image.
        """
        importing = [one.id for one in self.conductor.images(ImageFilter(status="importing", os_hidden=None))]
        self.image_store.sweep(self.conductor.image_ids(), importing)
        for image in self.conductor.images(ImageFilter(status="uploading", os_hidden=None)):
            # Staged data is not kept over a restart: who brought it is told so by the image's status.
            self.conductor.update_image(image.id, expect_status="uploading", status="queued", task=None, size=None)
        ordered = {order.args.get("image_id") for order in self.conductor.open_orders()}
        for image in self.conductor.images(ImageFilter(status="saving", os_hidden=None)):
            if image.id not in ordered:
                self.image_store.delete(image.id)
                self.conductor.update_image(image.id, expect_status="saving", status="queued")

    def _after_start(self) -> None:
        """What nobody waits for: the scheduler's import, the first power sync, leftovers."""
        steps: list[tuple[str, Callable[[], object]]] = [("scheduler", self.hosts.feed)]
        steps += [(f"first look at {manager.host}", manager.first_look) for manager in self.managers.values()]
        for what, step in steps:
            try:
                step()
            except Exception:
                LOG.exception("after the start: %s", what)

    def join_start(self, timeout: float = 30.0) -> None:
        """Wait for what goes on behind the start (tests and benches)."""
        if self._warm is not None:
            self._warm.join(timeout)

    def stop(self) -> None:
        """Take no more orders, let what runs end, leave the hypervisors; guests go on."""
        self.duties.stop()
        if not self.bus.stop(self.options.stop_timeout, builds=self.options.build_stop_timeout):
            LOG.warning("some work did not end in time; the next start takes it up")
        self.importer.stop()
        self.join_start(5.0)
        self.metadata.stop()
        # First the conductor: a call that ends because its hypervisor is left must not be written down as a failure.
        self.conductor.close()
        for manager in self.managers.values():
            manager.close()
        self.volume_manager.close()

    def busy(self) -> bool:
        """Whether leaving now would leave something undone: a guest runs, work is open, a time runs."""
        if (
            self.importer.busy()
            or self.bus.open_jobs()
            or self.duties.next_due() is not None
            or self.conductor.open_orders()
        ):
            return True
        waiting = [InstanceFilter(power_state=int(state), deleted=False) for state in _RUNNING]
        options = self.options.compute
        if options.reclaim_instance_interval > 0:
            waiting.append(InstanceFilter(vm_state=(VmState.SOFT_DELETED,), deleted=False))
        if options.shelved_offload_time > 0:
            waiting.append(InstanceFilter(vm_state=(VmState.SHELVED,), deleted=False))
        return any(self.conductor.count_instances(wanted) for wanted in waiting)

    def _ring_again(self, orders: Iterable[WorkOrder]) -> None:
        self.bus.ring(orders, still=self.conductor.order_is_open)

    def _pick_up_strays(self) -> None:
        oldest = self._now() - timedelta(seconds=_STRAY_SECONDS / 2)
        self._conductor_manager.pick_up_strays(self._ring_again, oldest)
        self.volume_manager.pick_up_strays(self._ring_again, oldest)

    def _beat(self) -> None:
        for binary, _topic in _INTERNAL_SERVICES:
            self.conductor.heartbeat(self._name, binary)
        for manager in self.managers.values():
            self.conductor.heartbeat(manager.host)
            self.hosts.heartbeat(manager.host)

    @property
    def service_name(self) -> str:
        """The host that the services of no compute host are told to be on."""
        return self._name

    def clock(self) -> datetime:
        """The moment."""
        return self._now()

    # what the faces ask ----------------------------------------------------------------------------------------------
    def host_statuses(self) -> dict[str, str]:
        """The API's host_status of every compute host."""
        return self._board.statuses()

    def warnings(self) -> list[str]:
        """What an operator should read, from every hypervisor."""
        told = [text for driver in self.drivers.values() for text in driver.warnings()]
        return [*told, *self._without_metadata(), *self.metadata.warnings()]

    def _without_metadata(self) -> Iterator[str]:
        if not self.options.metadata.enabled:
            return
        for host, driver in self.drivers.items():
            if reason := driver.no_metadata() or self._unserved.get(host):
                yield f"guests of {host} have no metadata service, only a config drive can tell them things: {reason}"

    def orphans(self) -> list[Orphan]:
        """What tuinova made on our hosts and is no server's or volume's of this service: guests, files, addresses."""
        found: list[Orphan] = []
        for manager in self.managers.values():
            try:
                found += orphans.find(manager.compute)
            except HypervisorUnavailable as error:
                LOG.warning("orphans of %s are not looked for: %s", manager.host, error)
        try:
            found += self._volume_orphans.find()
        except NovaError as error:
            LOG.warning("volumes without a record are not looked for: %s", error)
        return found

    def _metadata_links(self) -> Mapping[str, Mapping[str, str]]:
        """Where the guests of each host ask what they are; a host that can't be asked now has none."""
        found: dict[str, Mapping[str, str]] = {}
        for host, driver in self.drivers.items():
            try:
                found[host] = {} if driver.no_metadata() else driver.metadata_links()
            except NovaError as error:
                LOG.info("networks of %s: %s", host, error)
                self._unserved[host] = error.message
            else:
                self._unserved.pop(host, None)
        return found

    def _specs_of(self, host: str) -> GuestSpecs | None:
        manager = self.managers.get(host)
        return manager.compute.specs if manager is not None else None

    def driver_for(self, uuid: str) -> ComputeDriver:
        """The driver of a server's host; raises InstanceNotFound, ConsoleNotAvailable without a host of ours."""
        host = self.conductor.instance(uuid).host
        driver = self.drivers.get(host or "")
        if driver is None:
            raise ConsoleNotAvailable()
        return driver

    def _diagnose(self, instance: Instance) -> Mapping[str, Any]:
        manager = self.managers.get(instance.host or "")
        if manager is None:
            raise InstanceNotReady(instance_id=instance.uuid)
        return diagnose(manager.compute, instance)

    # console ---------------------------------------------------------------------------------------------------------
    def _console_log(self, host: str, uuid: str, all_boots: bool) -> bytes:
        driver = self.drivers.get(host)
        if driver is None:
            raise ConsoleNotAvailable()
        return driver.console_output(uuid, all_boots)

    def _read_console_log(self, uuid: str) -> bytes:
        return self.driver_for(uuid).console_output(uuid)

    def _open_console(self, uuid: str, sink: ConsoleSink, *, force: bool = False) -> ConsoleStream:
        return self.driver_for(uuid).open_console(uuid, sink, force=force)

    def _power_of_guest(self, uuid: str) -> PowerState:
        try:
            return self.driver_for(uuid).guest_info(uuid).state
        except (GuestNotFound, InstanceNotFound, ConsoleNotAvailable):
            return PowerState.NOSTATE

    def send_keys(self, uuid: str, keys: Sequence[str]) -> None:
        """Press keys on a guest's keyboard."""
        self.driver_for(uuid).send_keys(uuid, keys)

    def settle(self, timeout: float = 30.0) -> bool:
        """Wait until no work is open (tests and benches; clients follow the change feed)."""
        while self.bus.wait_idle(timeout):
            # The writer rings for an order after whoever wrote it has gone on; behind this write it has rung for all.
            self.conductor.order_done(0)
            if not self.bus.open_jobs():
                return True
        return False


def build_engine(places: Paths, options: Any = None) -> Engine:
    """The engine of a state directory; `options` are those of the command line, which win over the configuration."""
    config = load(getattr(options, "config_file", None) or places.config_file)
    for name in ("driver", "fake_hosts"):
        value = getattr(options, name, None)
        if value is not None:
            config.set("tuinova", name, value, "command line")
    for warning in config.warnings:
        LOG.warning("%s", warning)
    engine_options = options_from(config)
    url = config.database.connection or f"sqlite:///{places.database}"
    conductor = Conductor(
        url,
        keep_changes=config.tuinova.keep_changes,
        quota_defaults=engine_options.quota,
        other_quota_defaults=engine_options.other_quota,
        default_availability_zone=engine_options.api.default_availability_zone,
    )
    store = ImageStore(places.images)
    drivers = open_drivers(config, places)
    return Engine(
        conductor,
        drivers,
        store,
        engine_options,
        config=config,
        paths=places,
        volume_driver=open_volumes(config, places, drivers),
    )
