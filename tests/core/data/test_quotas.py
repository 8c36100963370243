"""Quotas as data: Nova's, Neutron's and Cinder's resources, classes, counts, and the refusals of each."""

from __future__ import annotations

import pytest
from sqlalchemy import literal, select

from tuinova.core.conductor import Conductor, QuotaLimits, quota_counts
from tuinova.core.errors import (
    NovaError,
    OverQuota,
    QuotaBelowUsage,
    SnapshotLimitExceeded,
    VolumeLimitExceeded,
    VolumeSizeExceedsQuota,
)
from tuinova.core.quota_table import BY_NAME, COMPUTE, NETWORK, RESOURCES, VOLUME, names_of


@pytest.fixture
def holding(monkeypatch: pytest.MonkeyPatch):
    """Let every project hold so many of these."""

    def hold(**counts: int) -> None:
        for name, count in counts.items():
            monkeypatch.setitem(quota_counts.COUNTS, name, select(literal(count)))

    return hold


def test_the_defaults_are_those_of_neutron_and_cinder(conductor: Conductor) -> None:
    assert conductor.quota_of("p9", NETWORK) == {
        "network": 100,
        "subnet": 100,
        "port": 500,
        "router": 10,
        "floatingip": 50,
        "security_group": 10,
        "security_group_rule": 100,
    }
    assert conductor.quota_of("p9", VOLUME) == {"volumes": 10, "snapshots": 10, "gigabytes": 1000}
    assert conductor.quota_of("p9", COMPUTE) == QuotaLimits().as_dict()
    assert len(BY_NAME) == len(RESOURCES)


def test_every_service_has_its_own_limits_of_a_project(conductor: Conductor) -> None:
    conductor.set_quota("p9", {"cores": 4, "volumes": 2, "port": -1})
    assert conductor.quota_of("p9", VOLUME)["volumes"] == 2
    assert conductor.own_quotas(NETWORK)["p9"] == {"port": -1}
    conductor.delete_quota("p9", VOLUME)
    assert (conductor.quota_of("p9", VOLUME)["volumes"], conductor.quota_of("p9", NETWORK)["port"]) == (10, -1)
    conductor.delete_quota("p9")
    assert "p9" not in conductor.own_quotas(NETWORK)
    assert conductor.quota_limits("p9") == QuotaLimits()


def test_the_configuration_sets_the_defaults_of_all_services(conductor: Conductor) -> None:
    conductor.other_quota_defaults = {"volumes": 3}
    assert conductor.default_quota(VOLUME) == {"volumes": 3, "snapshots": 10, "gigabytes": 1000}


def test_the_default_class_stands_for_projects_without_their_own(conductor: Conductor) -> None:
    conductor.set_quota("p8", {"cores": 9})
    conductor.set_quota_class("default", {"cores": 5, "gigabytes": 7})
    conductor.set_quota_class("gold", {"cores": 500})
    assert (conductor.quota_limits("p9").cores, conductor.quota_limits("p8").cores) == (5, 9)
    assert conductor.quota_of("p9", VOLUME)["gigabytes"] == 7
    assert conductor.default_quota(COMPUTE, "gold")["cores"] == 500
    assert conductor.default_quota(COMPUTE)["cores"] == 5
    conductor.set_quota_class("default", {"cores": 6})
    assert conductor.quota_limits("p9").cores == 6
    assert [change.kind for change in conductor.changes(0)] == ["quota"] * 4


def test_what_is_counted_is_in_use_and_bounds_the_limit(conductor: Conductor, holding) -> None:
    assert not any(conductor.quota_usage("p9", NETWORK).values())
    holding(port=3, volumes=2)
    assert {name: count for name, count in conductor.quota_usage("p9", NETWORK).items() if count} == {"port": 3}
    with pytest.raises(QuotaBelowUsage, match="Quota limit 2 for port must be greater than or equal to already used"):
        conductor.set_quota("p9", {"volumes": 5, "port": 2})
    assert conductor.own_quotas(VOLUME).get("p9") is None
    conductor.set_quota("p9", {"port": 2}, force=True)
    assert conductor.quota_of("p9", NETWORK)["port"] == 2


@pytest.mark.parametrize(
    ("wanted", "error", "code", "text"),
    [
        ({"port": 1, "network": 1}, OverQuota, 409, "Quota exceeded for resources: ['port']."),
        (
            {"volumes": 1},
            VolumeLimitExceeded,
            413,
            "Maximum number of volumes allowed (10) exceeded for quota 'volumes'.",
        ),
        ({"snapshots": 2}, SnapshotLimitExceeded, 413, "Maximum number of snapshots allowed (10) exceeded"),
        (
            {"volumes": 1, "gigabytes": 5},
            VolumeSizeExceedsQuota,
            413,
            "Requested volume or snapshot exceeds allowed gigabytes quota. Requested 5G, quota is 1000G and 996G has "
            "been consumed.",
        ),
    ],
)
def test_what_goes_beyond_is_refused_in_the_words_of_its_service(
    conductor: Conductor, holding, wanted: dict[str, int], error: type[NovaError], code: int, text: str
) -> None:
    holding(port=500, network=99, volumes=10, snapshots=9, gigabytes=996)
    with pytest.raises(error) as caught:
        conductor._write(lambda tx: conductor.require_quota(tx, "p9", **wanted))
    assert (caught.value.code, str(caught.value)) == (code, text)


def test_what_fits_or_has_no_limit_is_let_through(conductor: Conductor, holding) -> None:
    holding(port=499, volumes=10**6)
    conductor._write(lambda tx: conductor.require_quota(tx, "p9", port=1, subnet=100))
    conductor.set_quota("p9", {"volumes": -1})
    conductor._write(lambda tx: conductor.require_quota(tx, "p9", volumes=5))


def test_the_administrators_project_has_no_limits(conductor: Conductor, admin) -> None:
    for service in (NETWORK, VOLUME):
        assert set(conductor.quota_of(admin.project_id, service).values()) == {-1}
    assert set(names_of(NETWORK)).isdisjoint(names_of(VOLUME))
