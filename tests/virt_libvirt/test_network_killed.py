"""A service that dies in the middle of what it does to networks: the next one finds all of it, and nothing stays."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any

import pytest

from tests.lab import PrivateLibvirt
from tests.lab.wires import lab_run
from tests.virt_libvirt.test_network_guard import OUT, network
from tuinova.virt.driver import Nic
from tuinova.virt.libvirt.driver import LibvirtDriver
from tuinova.virt.libvirt.net.commands import HostCommands
from tuinova.virt.networks import FixedIp, FloatingAddress, NetworkMode, PortSecurity, RouterSpec, Routing

pytestmark = pytest.mark.integration


class Died(BaseException):
    """The process ends here: nothing may be cleaned up on the way out."""


def traces(lab: PrivateLibvirt, driver: LibvirtDriver) -> dict[str, Any]:
    """All that may be left."""
    state = driver._networks.state
    return {
        "tables": [line for line in lab_run(lab, "nft", "list", "tables").splitlines() if state.table in line],
        "networks": [name for name in lab.virsh("net-list", "--all", "--name").stdout.split() if "tuinova" in name],
        "addresses": [
            line for line in lab_run(lab, "ip", "-br", "addr").splitlines() if "169.254" in line or "10.60." in line
        ],
        "records": driver._networks.records.all(),
        "directories": [path.name for path in (driver.instances / "networks").glob("*/")],
        "filters": [line for line in lab.virsh("nwfilter-list").stdout.splitlines() if "tuinova" in line],
    }


def test_what_a_killed_service_began_is_finished_or_goes(
    private_libvirt: PrivateLibvirt,
    instances_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> None:
    run = HostCommands.run
    calls, fatal = 0, 0

    def dying(self: HostCommands, *words: str, text: str | None = None, check: bool = True) -> Any:
        nonlocal calls
        # Looking changes nothing: whoever dies there has done the same as just before.
        if words[0] in ("nft", "tee", "dnsmasq", "iptables") or words[:2] in (("ip", "addr"), ("ip", "link")):
            calls += 1
            if calls == fatal:
                raise Died()
        return run(self, *words, text=text, check=check)

    monkeypatch.setattr(HostCommands, "run", dying)
    left, right = network(NetworkMode.NAT, 50), network(NetworkMode.ISOLATED, 51)
    fixed = (FixedIp("10.60.50.9", 24),)
    nic = Nic(str(uuid.uuid4()), "fa:16:3e:04:00:01", "n", "10.60.50.9", 24, fixed, left, PortSecurity(OUT))
    guest = str(uuid.uuid4())
    router = RouterSpec(str(uuid.uuid4()), ((left.id, "10.60.50.1", 24), (right.id, "10.60.51.5", 24)))
    floating = FloatingAddress("10.60.51.77", "10.60.50.9", left.id, right)

    def life(driver: LibvirtDriver) -> None:
        for spec in (left, right):
            driver.ensure_network(spec)
        driver._networks.plug(guest, [nic])
        driver.apply_routing(Routing((floating,), (router,)))
        driver.apply_routing(Routing())
        driver._networks.unplug_all(guest)
        for spec in (left, right):
            driver.remove_network(spec.id)

    def service() -> LibvirtDriver:
        driver = LibvirtDriver(host="host1", uri=private_libvirt.uri, instances_path=instances_path)
        driver.init_host(lambda *_: None, lambda *_: None)
        return driver

    service().close()
    first = service()
    calls = 0  # those of a life alone, on a host where a service has been before
    life(first)
    first.close()
    nothing = traces(private_libvirt, first)
    assert not any(nothing.values()), nothing
    steps, calls = calls, 0
    assert steps > 10
    for number in range(1, steps + 1, 1 if request.config.getoption("--all") else 4):
        killed = service()
        fatal, calls = number, 0
        with pytest.raises(Died):
            life(killed)
        fatal = 0
        killed.close()
        after = service()
        # What the next service is told: the record of the server is gone, and its networks and routers are.
        for known in after.leftovers():
            after.cleanup(known)
        after.apply_routing(Routing())
        for network_id in list(after.networks_made()):
            after.remove_network(network_id)
        assert traces(private_libvirt, after) == nothing, f"killed at step {number} of {steps}"
        after.close()
