"""How long a guest is asked to let go of a volume, and what its answers mean; the guest is a stand-in."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import libvirt
import pytest

from tests.lab.guests import guest_spec
from tuinova.core.errors import DeviceDetachFailed
from tuinova.virt.libvirt.events import DeviceEvents
from tuinova.virt.libvirt.options import LibvirtOptions
from tuinova.virt.libvirt.volume_attach import Attachments
from tuinova.virt.volumes import VolumeDisk

DISK = VolumeDisk("v1", "vdb", {"type": "file", "path": "/v", "format": "raw"})
PLUGGED = "<disk><target dev='vdb'/><serial>v1</serial><alias name='virtio-disk1'/></disk>"
OTHER = "<disk><target dev='vda'/><serial>v2</serial><alias name='virtio-disk0'/></disk>"


class Machine:
    """A running guest; `answer` is what it does with a request, told how many there were."""

    def __init__(self, answer: Callable[[Machine, int], None]) -> None:
        self.events = DeviceEvents()
        self.kept, self.now = PLUGGED, PLUGGED
        self.requests: list[str] = []
        self.state_now = libvirt.VIR_DOMAIN_RUNNING
        self._answer = answer
        host = SimpleNamespace(find_or_none=lambda uuid: self)
        options = LibvirtOptions(device_detach_attempts=3, device_detach_timeout=1)
        self.attachments = Attachments(SimpleNamespace(host=host), self.events, options)  # type: ignore[arg-type]

    def detach(self) -> None:
        self.attachments.detach(guest_spec(None, uuid="g"), DISK)

    def tell(self, alias: str, is_gone: bool) -> None:
        """As libvirt's event thread does."""
        self.events._answered(None, self, alias, is_gone)  # type: ignore[arg-type]

    # what the driver asks of a domain
    def UUIDString(self) -> str:
        return "g"

    def name(self) -> str:
        return "machine"

    def state(self) -> list[int]:
        return [self.state_now, 0]

    def hasManagedSaveImage(self) -> bool:
        return False

    def XMLDesc(self, flags: int) -> str:
        mine = self.kept if flags & libvirt.VIR_DOMAIN_XML_INACTIVE else self.now
        return f"<domain><devices>{OTHER}{mine}</devices></domain>"

    def detachDeviceFlags(self, xml: str, flags: int) -> None:
        assert "<serial>v1</serial>" in xml
        if flags == libvirt.VIR_DOMAIN_AFFECT_CONFIG:
            self.kept = ""
            return
        self.requests.append(xml)
        self._answer(self, len(self.requests))


def error(code: int, text: str) -> libvirt.libvirtError:
    made = libvirt.libvirtError("x")
    made.err = (code, 0, text, 0, "", None, None, 0, 0)
    return made


def let_go(machine: Machine, _: int) -> None:
    machine.now = ""
    machine.tell("virtio-disk1", True)


def refuse(machine: Machine, _: int) -> None:
    machine.tell("virtio-disk1", False)


def be_silent(machine: Machine, _: int) -> None:
    """It still boots."""


def test_a_guest_that_lets_go_is_asked_once() -> None:
    machine = Machine(let_go)
    machine.detach()
    assert (machine.kept, machine.now, len(machine.requests)) == ("", "", 1)
    machine.detach()
    assert len(machine.requests) == 1


def test_a_guest_that_refuses_is_asked_once_and_keeps_it() -> None:
    machine = Machine(refuse)
    with pytest.raises(DeviceDetachFailed, match="Device detach failed for vdb: the guest refused"):
        machine.detach()
    assert (machine.kept, len(machine.requests)) == ("", 1)


def test_a_silent_guest_is_asked_as_often_as_the_option_says() -> None:
    machine = Machine(be_silent)
    with pytest.raises(DeviceDetachFailed, match="after 3 requests within 3 s"):
        machine.detach()
    assert len(machine.requests) == 3


def test_a_guest_that_boots_lets_go_later_and_an_answer_about_another_disk_is_none() -> None:
    def boots(machine: Machine, number: int) -> None:
        if number == 1:
            machine.tell("virtio-disk0", True)
        elif number == 2:
            raise error(libvirt.VIR_ERR_OPERATION_FAILED, "Device virtio-disk1 is already in the process of unplug")
        else:
            let_go(machine, number)

    machine = Machine(boots)
    machine.detach()
    assert len(machine.requests) == 3


def test_a_guest_that_goes_off_meanwhile_has_let_go() -> None:
    def goes_off(machine: Machine, _: int) -> None:
        machine.state_now = libvirt.VIR_DOMAIN_SHUTOFF

    machine = Machine(goes_off)
    machine.detach()
    assert len(machine.requests) == 1


@pytest.mark.parametrize(
    ("code", "text", "is_fine"),
    [
        (libvirt.VIR_ERR_DEVICE_MISSING, "device not found", True),
        (libvirt.VIR_ERR_OPERATION_INVALID, "domain is not running", True),
        (libvirt.VIR_ERR_INTERNAL_ERROR, "something else", False),
    ],
)
def test_what_went_since_we_looked_is_gone_and_other_errors_go_up(code: Any, text: str, is_fine: bool) -> None:
    def fail(machine: Machine, _: int) -> None:
        machine.now = "" if is_fine else machine.now
        raise error(code, text)

    machine = Machine(fail)
    if is_fine:
        machine.detach()
    else:
        with pytest.raises(libvirt.libvirtError):
            machine.detach()
    assert len(machine.requests) == 1
