"""Building, starting, stopping and removing guests: each step in Nova's order."""

from __future__ import annotations

import logging
from concurrent.futures import Future, ThreadPoolExecutor, wait
from threading import Event

import libvirt

from tuinova.core.errors import NovaError
from tuinova.core.states import PowerState
from tuinova.virt.driver import DriverError, GuestSpec, RebootType
from tuinova.virt.libvirt import configdrive, console_log, disk_plan, power
from tuinova.virt.libvirt.disks import GuestDisks
from tuinova.virt.libvirt.errors import connection_broken, words
from tuinova.virt.libvirt.guest_xml import GuestXml
from tuinova.virt.libvirt.host import Host
from tuinova.virt.libvirt.images import ImageCache
from tuinova.virt.libvirt.layout import InstanceFiles
from tuinova.virt.libvirt.network import Networks
from tuinova.virt.libvirt.options import LibvirtOptions
from tuinova.virt.libvirt.volume_backend import trusted

LOG = logging.getLogger(__name__)

# What is done to networks beside a start or an end; libvirt changes one network one thing at a time anyway.
NETWORK_THREADS = 8


class Guests:
    """What is done to one guest; calls for one guest come one after another. Raises libvirtError too: see driver.py."""

    def __init__(self, host: Host, networks: Networks, cache: ImageCache, options: LibvirtOptions) -> None:
        self.host = host
        self.networks = networks
        self.options = options
        self.disks = GuestDisks(cache, options)
        self._beside = ThreadPoolExecutor(NETWORK_THREADS, "libvirt-network")

    def close(self) -> None:
        """Take no more work."""
        self._beside.shutdown(wait=False)

    def files(self, uuid: str) -> InstanceFiles:
        """A guest's files."""
        return InstanceFiles(self.host.instances, uuid)

    # making and removing ---------------------------------------------------------------------------------------------
    def spawn(self, guest: GuestSpec) -> None:
        """All of a new guest; a failure leaves nothing of it."""
        files = self.files(guest.uuid)
        self.host.refuse_foreign(guest.uuid)
        if self.host.find_or_none(guest.uuid) is not None:
            raise DriverError(reason=f"Guest {guest.uuid} exists already")
        try:
            files.make()
            self.disks.create(guest, files)
            self.networks.ensure_for(guest)
            domain = self.define(guest, files)
            console_log.begin_boot(files, self.options.keep_boot_logs)
            self._start_while_plugging(guest, domain)
            files.started.touch()
        except BaseException:
            self._undo(guest.uuid)
            raise

    def _undo(self, uuid: str) -> None:
        try:
            self.host.connection.lasting(lambda: self.remove(uuid))
        except (NovaError, libvirt.libvirtError) as error:
            # The build's own error goes up; what stays is found by `leftovers` and the list of guests.
            LOG.warning("after a failed build, guest %s can't be removed: %s", uuid, error)

    def remove(self, uuid: str, *, keep_set_aside: bool = False) -> None:
        """Domain, ports, files; what is gone already is fine. Files last: QEMU must not lose them under its feet.

        Addresses are given back meanwhile; what guards the ports stays until the guest can't send any more.
        """
        domain = self.host.find_or_none(uuid)
        off: Future[None] = Future()
        unplugged = self._beside.submit(self.networks.unplug_all, uuid, off.result)
        try:
            if domain is not None:
                power.force_off(domain, uuid)
                power.undefine(domain)
        except BaseException as error:
            off.set_exception(error)
            raise
        else:
            off.set_result(None)
        finally:
            wait([unplugged])
        unplugged.result()
        self.files(uuid).remove(keep_set_aside=keep_set_aside)

    def _start_while_plugging(self, guest: GuestSpec, domain: libvirt.virDomain) -> None:
        """Start paused, let it run once DHCP knows its addresses.

        libvirt writes the whole firewall of a network anew for one DHCP entry (0.4 s) and holds the network meanwhile;
        QEMU needs the network only for a moment when it starts. So the entry is made right after that moment.
        """
        started = Event()
        plugged = self._beside.submit(self._plug_after_start, guest, started)
        try:
            domain.createWithFlags(libvirt.VIR_DOMAIN_START_PAUSED)
        finally:
            started.set()
            wait([plugged])
        plugged.result()
        domain.resume()
        power.wait_running(domain, self.options.start_timeout)
        self.networks.forward(domain)

    def _plug_after_start(self, guest: GuestSpec, started: Event) -> None:
        for nic in guest.nics:
            while not started.is_set() and not self.networks.is_joined(guest.uuid, nic):
                started.wait(power.POLL / 10)
        self.plug(guest)

    def plug(self, guest: GuestSpec) -> None:
        """All its ports; plugged already is fine."""
        self.networks.ensure_for(guest)
        self.networks.plug(guest.uuid, guest.nics)

    def define(self, guest: GuestSpec, files: InstanceFiles) -> libvirt.virDomain:
        """Write the definition from the present record, then the config drive if there is none yet."""
        for volume in guest.volumes:
            trusted(volume.connection, volume.volume_id)
        facts = self.host.facts(guest)
        drives = disk_plan.plan(guest, facts.machine, self.options, has_disk=files.path("disk").exists())
        xml = GuestXml(guest, drives, files, facts, self.options).build()
        domain = self.host.connection.get().defineXMLFlags(xml, 0)
        drive = files.path("disk.config")
        if guest.config_drive and not drive.exists():
            if guest.config_drive_files is None:
                raise DriverError(reason=f"the contents of the config drive of {guest.uuid} are not given")
            configdrive.write(drive, guest.config_drive_files(), self.options.config_drive_format)
        return domain

    def start_boot(self, domain: libvirt.virDomain, files: InstanceFiles) -> None:
        """Start as it is defined, with an empty console log."""
        console_log.begin_boot(files, self.options.keep_boot_logs)
        power.start(domain, self.options.start_timeout)
        self.networks.forward(domain)
        files.started.touch()

    # power -----------------------------------------------------------------------------------------------------------
    def power_off(self, uuid: str, timeout: int, retry_interval: int) -> None:
        """Gracefully if there is time and the guest can hear, then by force."""
        domain = self.host.find(uuid)
        if timeout > 0 and power.state_of(domain) != PowerState.PAUSED:
            power.shut_down(domain, timeout, retry_interval)
        power.force_off(domain, uuid)

    def power_on(self, guest: GuestSpec) -> None:
        """Start, from a definition written anew; running already is fine."""
        domain = self.host.find_or_none(guest.uuid)
        if domain is None or power.state_of(domain) != PowerState.RUNNING:
            self.hard_reboot(guest)

    def hard_reboot(self, guest: GuestSpec) -> None:
        """Off, definition and missing files anew, on; saved memory is dropped, an undefined domain comes back."""
        self.host.refuse_foreign(guest.uuid)
        domain = self.host.find_or_none(guest.uuid)
        files = self.existing_files(guest.uuid)
        if domain is not None:
            power.force_off(domain, guest.uuid)
        self.start_boot(self.redefine(guest), files)

    def redefine(self, guest: GuestSpec) -> libvirt.virDomain:
        """A guest that is off: definition and missing files anew, ports plugged; saved memory is dropped."""
        files = self.existing_files(guest.uuid)
        domain = self.host.find_or_none(guest.uuid)
        if domain is not None and domain.hasManagedSaveImage():
            domain.managedSaveRemove(0)
        self.disks.mend(guest, files)
        self.plug(guest)
        domain = self.define(guest, files)
        # It starts from its own disks now, so it is not rescued any more.
        files.forget_rescue()
        return domain

    def existing_files(self, uuid: str) -> InstanceFiles:
        """The files of a guest that must have some."""
        files = self.files(uuid)
        if not files.directory.exists():
            raise DriverError(reason=f"the directory of guest {uuid} is missing: {files.directory}")
        return files

    def reboot(self, guest: GuestSpec, kind: RebootType) -> RebootType:
        """Soft if asked and the guest obeys, else hard."""
        if kind is RebootType.SOFT and self._soft_reboot(guest.uuid):
            return RebootType.SOFT
        self.hard_reboot(guest)
        return RebootType.HARD

    def _soft_reboot(self, uuid: str) -> bool:
        domain = self.host.find(uuid)
        try:
            went_off = power.soft_reboot(domain, self.options.wait_soft_reboot_seconds)
            if went_off:
                self.start_boot(domain, self.files(uuid))
            return went_off is not False
        except libvirt.libvirtError as error:
            if connection_broken(error):
                raise
            LOG.warning("soft reboot of %s failed, a hard one follows: %s", uuid, words(error))
            return False

    def pause(self, uuid: str) -> None:
        """Freeze."""
        domain = self.host.find(uuid)
        if power.state_of(domain) != PowerState.PAUSED:
            domain.suspend()

    def unpause(self, uuid: str) -> None:
        """Go on."""
        domain = self.host.find(uuid)
        if power.state_of(domain) != PowerState.RUNNING:
            domain.resume()
            self._set_time(domain)

    def _set_time(self, domain: libvirt.virDomain) -> None:
        """Ask the guest agent to set the clock, which stood still; most guests have none."""
        try:
            domain.setTime(None, libvirt.VIR_DOMAIN_TIME_SYNC)
        except libvirt.libvirtError as error:
            LOG.debug("clock of %s: %s", domain.name(), words(error))

    def suspend(self, uuid: str) -> None:
        """Save the memory; saved already is fine."""
        domain = self.host.find(uuid)
        if power.state_of(domain) == PowerState.SHUTDOWN and domain.hasManagedSaveImage():
            return
        domain.managedSave(0)

    def resume(self, guest: GuestSpec) -> None:
        """Start from the saved memory; without one the guest boots."""
        domain = self.host.find(guest.uuid)
        if power.state_of(domain) == PowerState.RUNNING:
            return
        files = self.files(guest.uuid)
        if power.state_of(domain) != PowerState.PAUSED:
            self.plug(guest)
            if not domain.hasManagedSaveImage():
                self.start_boot(domain, files)
                return
            console_log.continue_boot(files)
            domain.createWithFlags(0)
            self.networks.forward(domain)
        if power.state_of(domain) == PowerState.PAUSED:
            domain.resume()
        self._set_time(domain)

    def resume_state_on_host_boot(self, guest: GuestSpec) -> None:
        """Nova: nothing when it runs, is paused or suspended (saved memory waits for `resume`), else a hard reboot."""
        domain = self.host.find_or_none(guest.uuid)
        if domain is not None:
            calm = (PowerState.RUNNING, PowerState.PAUSED, PowerState.SUSPENDED)
            if power.state_of(domain) in calm or domain.hasManagedSaveImage():
                return
            files = self.files(guest.uuid)
            if files.unrescue_xml.exists():
                self.plug(guest)
                self.start_boot(domain, files)
                return
        self.hard_reboot(guest)
