"""Port forwards of guests with user-mode networking."""

from __future__ import annotations

import socket
import uuid
from dataclasses import replace

import pytest

from tests.lab import PrivateLibvirt
from tests.lab.guests import blank_image, guest_spec
from tests.lab.wires import within
from tuinova.virt.driver import DriverError, Nic
from tuinova.virt.libvirt.driver import LibvirtDriver
from tuinova.virt.libvirt.net import forwards
from tuinova.virt.networks import NetworkMode, NetworkSpec, PortForward

USERNET = """Hub -1 (hostnet0):
  Protocol[State]    FD  Source Address  Port   Dest. Address  Port RecvQ SendQ
  TCP[HOST_FORWARD]  15       127.0.0.1  2222       10.0.2.15    22     0     0
  UDP[HOST_FORWARD]  16               *    53       10.0.2.15    53     0     0
  TCP[ESTABLISHED]   17       127.0.0.1  2222       10.0.2.15    22     0     0
"""


def test_what_the_monitor_shows_is_read() -> None:
    assert forwards.parse(USERNET) == {
        "hostnet0": {PortForward("tcp", 2222, 22), PortForward("udp", 53, 53, "0.0.0.0")}
    }


@pytest.mark.integration
def test_forwards_come_go_and_come_back_with_the_guest(
    private_libvirt: PrivateLibvirt, libvirt_driver: LibvirtDriver
) -> None:
    def is_open(port: int) -> bool:
        def ask() -> bool:
            with socket.socket() as client:
                return client.connect_ex(("127.0.0.1", port)) == 0

        return within(private_libvirt.pids["holder"], ask)

    spec = NetworkSpec(str(uuid.uuid4()), "user", NetworkMode.USER)
    nic = Nic(str(uuid.uuid4()), "fa:16:3e:02:00:01", "user", None, spec=spec, forwards=(PortForward("tcp", 2201, 22),))
    guest = guest_spec(blank_image(libvirt_driver.instances / "blank.qcow2"), nics=(nic,), root_gb=0)
    libvirt_driver.spawn(guest)
    assert is_open(2201)
    other = replace(nic, forwards=(PortForward("tcp", 2202, 22), PortForward("udp", 2203, 53)))
    for _ in range(2):
        libvirt_driver.update_ports({guest.uuid: [other]})
    assert (is_open(2201), is_open(2202)) == (False, True)
    taken = within(private_libvirt.pids["holder"], lambda: socket.create_server(("127.0.0.1", 2204)))
    with taken, pytest.raises(DriverError, match=r"tcp port 2204 of 127\.0\.0\.1"):
        libvirt_driver.update_ports({guest.uuid: [replace(nic, forwards=(PortForward("tcp", 2204, 22),))]})
    libvirt_driver.update_ports({guest.uuid: [other]})
    libvirt_driver.suspend(guest.uuid)
    libvirt_driver.resume(replace(guest, nics=(other,)))
    assert is_open(2202)
    libvirt_driver.power_off(guest.uuid, 0, 0)
    assert not is_open(2202)
    libvirt_driver.power_on(replace(guest, nics=(other,)))
    assert is_open(2202)
    libvirt_driver.update_ports({guest.uuid: [replace(nic, forwards=())]})
    assert not is_open(2202)
