"""Interrupts, passwords and numbers of a guest."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from typing import Any

import pytest

from tuinova.core.errors import InstanceNotRunning, QemuGuestAgentNotEnabled
from tuinova.virt.driver import GuestNotFound, GuestSpec

WORD = b"o'ther:$word"
CPU = {"id", "time", "utilisation"}
NIC = {"mac_address"} | {
    f"{way}_{what}" for way in ("rx", "tx") for what in ("octets", "packets", "errors", "drop", "rate")
}
DISK = {"read_bytes", "read_requests", "write_bytes", "write_requests", "errors_count"}


def test_an_interrupt_is_on_the_console(env: Any, booted: GuestSpec) -> None:
    domain = env.domain_id(booted)
    for count in (1, 2):
        env.driver.inject_nmi(booted.uuid)
        env.wait_for(
            lambda count=count: env.driver.console_output(booted.uuid).count(b"NMI received") >= count,
            f"{count} interrupts",
        )
    assert env.domain_id(booted) == domain


def test_diagnostics_are_novas_object_and_move(env: Any, booted: GuestSpec) -> None:
    first = env.driver.diagnostics(booted)
    assert json.loads(json.dumps(first)) == first
    assert (first["state"], first["config_drive"]) == ("running", True)
    assert all(isinstance(first[name], str) for name in ("driver", "hypervisor", "hypervisor_os"))
    assert isinstance(first["uptime"], int)
    assert (first["num_cpus"], first["num_nics"]) == (booted.vcpus, len(booted.nics))
    assert [set(cpu) for cpu in first["cpu_details"]] == [CPU] * booted.vcpus
    assert [set(nic) for nic in first["nic_details"]] == [NIC] * len(booted.nics)
    assert [nic["mac_address"] for nic in first["nic_details"]] == [nic.mac for nic in booted.nics]
    assert first["num_disks"] == len(first["disk_details"]) >= 1
    assert all(set(disk) == DISK for disk in first["disk_details"])
    assert set(first["memory_details"]) == {"maximum", "used"}
    assert first["memory_details"]["maximum"] == booted.memory_mb
    with env.shell(booted) as console:
        console.run(b"seq 1 2000", 120)
    time.sleep(0.01)
    second = env.driver.diagnostics(booted)
    assert second["cpu_details"][0]["time"] > first["cpu_details"][0]["time"]


def test_what_is_off_or_unknown_says_so(env: Any) -> None:
    guest = env.spawn()
    env.driver.power_off(guest.uuid, 0, 0)
    with pytest.raises(InstanceNotRunning):
        env.driver.inject_nmi(guest.uuid)
    with pytest.raises(InstanceNotRunning):
        env.driver.diagnostics(guest)
    stranger = env.make_guest_spec()
    with pytest.raises(GuestNotFound):
        env.driver.inject_nmi(stranger.uuid)
    with pytest.raises(GuestNotFound):
        env.driver.diagnostics(stranger)


def test_without_an_agent_no_password_is_set(env: Any, booted: GuestSpec) -> None:
    with pytest.raises(QemuGuestAgentNotEnabled):
        env.driver.set_admin_password(booted, WORD.decode())


def test_the_agent_sets_the_password_with_which_root_logs_in(env: Any) -> None:
    image = replace(env.images["disk"], properties={"hw_qemu_guest_agent": "yes"})
    guest = env.boot(image=image)

    def is_set() -> bool:
        try:
            env.driver.set_admin_password(guest, WORD.decode())
        except QemuGuestAgentNotEnabled:
            return False  # the agent comes up beside the prompt
        return True

    env.wait_for(is_set, "the agent's answer", 3 * env.grace)
    env.driver.set_admin_password(guest, WORD.decode())
    console = env.console(guest)
    console.login(b"root", WORD, b"# ")
    console.close()
