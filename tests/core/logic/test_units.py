"""Small parts: names, duties, policy, quota arithmetic, hypervisor choice."""

from __future__ import annotations

from pathlib import Path

import pytest

from tuinova.core import hypervisors, policy
from tuinova.core.compute_api.checks import parse_zone
from tuinova.core.compute_api.naming import generate_password, reservation_id, sanitize_hostname, server_hostname
from tuinova.core.compute_manager.duties import Duties
from tuinova.core.config import load
from tuinova.core.context import RequestContext
from tuinova.core.drafts import QuotaLimits
from tuinova.core.engine_options import options_from
from tuinova.core.errors import InvalidConfig, InvalidZone, PolicyNotAuthorized, QuotaExceeded
from tuinova.core.paths import Paths
from tuinova.core.quota import fitting_count
from tuinova.core.records import Flavor, QuotaUsage
from tuinova.core.states import ACTIONS


# names ---------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("name", "hostname"),
    [
        ("vm1", "vm1"),
        ("My Server_1.example", "my-server-1-example"),
        ("--x--", "x"),
        ("vm[/bold]\x1b]52;c;x\x07", "vmbold52cx"),
        ("é" * 3, "e" * 3),
        ("a" * 80, "a" * 63),
        ("服务器", "server-uuid"),
        ("...", "server-uuid"),
    ],
)
def test_hostnames_are_made_of_names(name: str, hostname: str) -> None:
    assert sanitize_hostname(name, "Server-uuid") == hostname


def test_hostnames_of_several_servers_stay_within_63_characters() -> None:
    name = server_hostname("a" * 80, 11, 20, "u", None)
    assert (len(name), name[-3:]) == (63, "-12")
    assert server_hostname("x", 0, 1, "u", "web.example.org") == "web.example.org"


def test_passwords_and_reservations_are_drawn_as_novas() -> None:
    password = generate_password(12)
    assert len(password) == 12
    assert any(c.isdigit() for c in password)
    assert any(c.isupper() for c in password)
    assert any(c.islower() for c in password)
    assert not set(password) & set("01OIl")
    assert len({generate_password() for _ in range(50)}) == 50
    assert len(generate_password(2)) == 2
    assert len(reservation_id()) == 10


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        (None, (None, None, None)),
        ("", (None, None, None)),
        ("nova", ("nova", None, None)),
        ("nova:h1", ("nova", "h1", None)),
        ("nova:h1:n1", ("nova", "h1", "n1")),
        ("nova::n1", ("nova", None, "n1")),
        (":h1", (None, "h1", None)),
    ],
)
def test_zone_syntax(text: str | None, parts: tuple[str | None, ...]) -> None:
    assert parse_zone(text) == parts
    with pytest.raises(InvalidZone):
        parse_zone("a:b:c:d")


# duties --------------------------------------------------------------------------------------------------------------
class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_duties_come_in_time_and_survive_their_failures() -> None:
    clock, seen = Clock(), []
    duties = Duties(clock=clock, threaded=False)

    def fail() -> None:
        seen.append("fail")
        raise RuntimeError("no")

    duties.every(10, "beat", lambda: seen.append("beat"))
    duties.every(10, "fail", fail, first=0)
    duties.every(None, "never", lambda: seen.append("never"))
    cancel = duties.after(5, lambda: seen.append("cancelled"))
    duties.after(6, lambda: seen.append("once"))
    assert duties.next_due() == 5
    cancel()
    assert duties.next_due() == 6
    duties.run_due()
    assert seen == ["fail"]
    clock.now = 10
    duties.run_due()
    assert sorted(seen) == ["beat", "fail", "fail", "once"]
    clock.now = 1000  # after a pause of the machine nothing is made up for
    assert duties.run_due() == 2
    assert duties.next_due() is None


def test_duties_run_on_their_thread() -> None:
    import threading

    heard = threading.Event()
    duties = Duties()
    duties.start()
    duties.after(0.0, heard.set)
    assert heard.wait(10)
    duties.stop()


# policy, quota -------------------------------------------------------------------------------------------------------
def test_roles_imply_those_below() -> None:
    def who(*roles: str) -> RequestContext:
        return RequestContext("u", "p", roles=frozenset(roles))

    policy.authorize(who("reader"), "os_compute_api:servers:show")
    with pytest.raises(PolicyNotAuthorized, match="Policy doesn't allow os_compute_api:servers:create to be performed"):
        policy.authorize(who("reader"), "os_compute_api:servers:create")
    policy.authorize(who("manager"), "os_compute_api:servers:create")
    policy.authorize(who("admin"), "os_compute_api:os-flavor-manage:create")
    with pytest.raises(PolicyNotAuthorized):
        policy.authorize(who("manager"), "os_compute_api:os-flavor-manage:create")
    with pytest.raises(KeyError):
        policy.authorize(who("admin"), "os_compute_api:no:such:rule")


def test_every_action_row_has_its_rule() -> None:
    assert {row.policy: row.role for row in ACTIONS}.items() <= policy.RULES.items()


def test_what_belongs_to_a_project_or_user() -> None:
    member = RequestContext("u1", "p1", roles=frozenset({"member"}))
    admin = RequestContext("u2", "p2", roles=frozenset({"admin"}))
    policy.authorize_user(member, "os_compute_api:os-keypairs:show", "u1")
    policy.authorize_user(admin, "os_compute_api:os-keypairs:show", "u1")
    with pytest.raises(PolicyNotAuthorized):
        policy.authorize_user(member, "os_compute_api:os-keypairs:show", "u2")
    policy.authorize_project(admin, "os_compute_api:os-quota-sets:show", "p1")
    with pytest.raises(PolicyNotAuthorized):
        policy.authorize_project(member, "os_compute_api:os-quota-sets:show", "p2")
    assert policy.sees_project(member, "p1")
    assert not policy.sees_project(member, "p2")
    assert not policy.sees_project(member, None)


@pytest.mark.parametrize(
    ("limits", "used", "least", "most", "count"),
    [
        (QuotaLimits(instances=10, cores=20, ram=51200), QuotaUsage(), 1, 5, 5),
        (QuotaLimits(instances=3, cores=20, ram=51200), QuotaUsage(instances=1), 1, 5, 2),
        (QuotaLimits(instances=10, cores=5, ram=51200), QuotaUsage(), 1, 5, 2),
        (QuotaLimits(instances=10, cores=20, ram=2500), QuotaUsage(), 1, 5, 2),
        (QuotaLimits(instances=-1, cores=-1, ram=-1), QuotaUsage(1000, 1000, 10**6), 1, 50, 50),
        (QuotaLimits(instances=2, cores=20, ram=51200), QuotaUsage(instances=3), 1, 5, None),
        (QuotaLimits(instances=10, cores=5, ram=51200), QuotaUsage(), 3, 5, None),
    ],
)
def test_the_largest_number_that_fits(
    limits: QuotaLimits, used: QuotaUsage, least: int, most: int, count: int | None
) -> None:
    flavor = Flavor("x", "x", memory_mb=1024, vcpus=2)
    if count is None:
        with pytest.raises(QuotaExceeded):
            fitting_count(limits, used, flavor, least, most)
    else:
        assert fitting_count(limits, used, flavor, least, most) == count


# configuration and hypervisors ---------------------------------------------------------------------------------------
def places(tmp_path: Path) -> Paths:
    return Paths(tmp_path / "state", tmp_path / "run", tmp_path / "tuinova.toml")


def test_options_come_from_the_configuration(tmp_path: Path) -> None:
    path = tmp_path / "tuinova.toml"
    path.write_text(
        "[DEFAULT]\nshutdown_timeout = 7\ncpu_allocation_ratio = 2.0\n[quota]\ncores = 5\n"
        '[filter_scheduler]\nenabled_filters = "ocata"\n'
    )
    options = options_from(load(path, environ={}))
    assert options.compute.shutdown_timeout == 7
    assert (options.compute.cpu_allocation_ratio, options.compute.ram_allocation_ratio) == (2.0, 1.0)
    assert (options.quota.cores, options.quota.instances) == (5, 10)
    assert options.scheduler["enabled_filters"] == "ocata"


def test_several_fake_hosts_have_names_and_directories(tmp_path: Path) -> None:
    config = load(None, environ={"TUINOVA_TUINOVA_DRIVER": "fake", "TUINOVA_TUINOVA_FAKE_HOSTS": "3"})
    config.set("DEFAULT", "host", "lab", "test")
    drivers = hypervisors.open_drivers(config, places(tmp_path))
    assert [driver.host for driver in drivers] == ["lab-1", "lab-2", "lab-3"]


def test_a_user_with_a_closed_directory_cannot_use_the_systems_libvirt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hypervisors.os, "geteuid", lambda: 1000)
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    with pytest.raises(InvalidConfig, match="runs guests as another user"):
        hypervisors.check_reachable_files("qemu:///system", closed / "instances")
    hypervisors.check_reachable_files("qemu:///session", closed / "instances")


def test_the_hypervisor_that_was_chosen_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    where = places(tmp_path)
    monkeypatch.setattr(hypervisors.os, "geteuid", lambda: 0)
    answers = [False]
    monkeypatch.setattr(hypervisors, "_system_answers", lambda: answers[0])
    assert hypervisors.auto_uri(where) == "qemu:///session"
    (where.instances / "11111111-2222-3333-4444-555555555555").mkdir(parents=True)
    answers[0] = True
    assert hypervisors.auto_uri(where) == "qemu:///session"  # its servers live there
    (where.instances / "11111111-2222-3333-4444-555555555555").rmdir()
    assert hypervisors.auto_uri(where) == "qemu:///system"
    answers[0] = False
    assert hypervisors.auto_uri(where) == "qemu:///system"


def test_a_machine_that_is_renamed_stays_the_same_host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = load(None, environ={})
    monkeypatch.setattr(hypervisors.socket, "gethostname", lambda: "old")
    assert hypervisors.host_name(config, places(tmp_path)) == "old"
    monkeypatch.setattr(hypervisors.socket, "gethostname", lambda: "new")
    assert hypervisors.host_name(config, places(tmp_path)) == "old"
    config.set("DEFAULT", "host", "mine", "test")
    assert hypervisors.host_name(config, places(tmp_path)) == "mine"
