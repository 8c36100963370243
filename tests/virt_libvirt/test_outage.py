"""A call under which the connection breaks: again when libvirtd is back soon, an error when it is not."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from pathlib import Path

import libvirt
import pytest

from tests.lab import PrivateLibvirt
from tests.lab.guests import blank_image, guest_spec, nic
from tuinova.core.errors import HypervisorUnavailable
from tuinova.core.states import PowerState
from tuinova.virt.driver import DriverError, GuestSpec
from tuinova.virt.libvirt.connection import Connection, start_event_loop
from tuinova.virt.libvirt.driver import LibvirtDriver
from tuinova.virt.libvirt.guests import Guests


@pytest.fixture
def connection() -> Connection:
    """One that counts as up, to libvirt's own mock, which needs no daemon (and knows no keepalive)."""
    one = Connection("test:///default", "node1")
    start_event_loop()
    one._conn, one._lost_at = libvirt.open(one.uri), None
    return one


def failing(times: int, error: Exception) -> Callable[[], int]:
    """A call that fails so often and then says how often it was made."""
    made = 0

    def call() -> int:
        nonlocal made
        made += 1
        if made <= times:
            raise error
        return made

    return call


def test_a_broken_call_is_made_again(connection: Connection) -> None:
    lost = HypervisorUnavailable(host="node1", reason="end of file")
    assert connection.lasting(failing(2, lost)) == 3


def test_other_errors_go_up_at_once(connection: Connection) -> None:
    with pytest.raises(libvirt.libvirtError, match="Domain not found"):
        connection.lasting(lambda: connection.main().lookupByName("nobody"))
    with pytest.raises(DriverError):
        connection.lasting(failing(1, DriverError(reason="no")))


def test_in_a_long_outage_a_call_fails_at_once(connection: Connection) -> None:
    connection._lost_at = -math.inf
    with pytest.raises(HypervisorUnavailable):
        connection.lasting(failing(1, HypervisorUnavailable(host="node1", reason="refused")))


def test_a_closed_driver_waits_for_nothing() -> None:
    one = Connection("test:///default", "node1")
    with pytest.raises(HypervisorUnavailable, match="not connected yet"):
        one.lasting(one.get)


@pytest.mark.integration
def test_a_restart_of_libvirtd_fails_no_action(
    private_libvirt: PrivateLibvirt,
    libvirt_driver: LibvirtDriver,
    instances_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The connection breaks in the middle of a build, of a stop that waits for the guest, and before a suspend."""
    guest = guest_spec(blank_image(instances_path / "blank.qcow2"), nics=[nic(61)])
    plug = Guests.plug
    restarts: list[str] = []

    def restart_then_plug(guests: Guests, spec: GuestSpec) -> None:
        if not restarts:
            restarts.append(spec.uuid)
            private_libvirt.restart()
        plug(guests, spec)

    monkeypatch.setattr(Guests, "plug", restart_then_plug)
    libvirt_driver.spawn(guest)
    assert restarts == [guest.uuid]
    assert libvirt_driver.guest_info(guest.uuid).state is PowerState.RUNNING
    private_libvirt.restart()
    libvirt_driver.suspend(guest.uuid)
    assert libvirt_driver.guest_info(guest.uuid).state is PowerState.SHUTDOWN
    libvirt_driver.resume(guest)
    # An empty disk hears no power button: the stop waits, and is cut off in its wait.
    later = threading.Timer(0.5, private_libvirt.restart)
    later.start()
    libvirt_driver.power_off(guest.uuid, 2, 1)
    later.join()
    assert libvirt_driver.guest_info(guest.uuid).state is PowerState.SHUTDOWN
    libvirt_driver.destroy(guest)
