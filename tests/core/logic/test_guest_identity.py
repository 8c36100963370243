"""What the engine knows of a guest that asks: whose an address is, and the password that it posts."""

from __future__ import annotations

from typing import Any

import pytest

from tuinova.core.compute_manager import networks
from tuinova.core.errors import GuestPasswordSet, HypervisorUnavailable
from tuinova.core.guest_password import LONGEST_PASSWORD, password_of
from tuinova.core.records import Instance
from tuinova.metadata.answers import Answers
from tuinova.metadata.http import Asked
from tuinova.metadata.listeners import Link


def _where(house: Any, instance: Instance) -> tuple[Link, str, str]:
    """Where a server's guest asks from."""
    (address, *_) = instance.addresses
    return Link(instance.host or "", address["network"], "virbr0", 1), address["address"], address["mac"]


def test_a_guest_is_known_by_host_network_and_address(house: Any) -> None:
    one, two = house.create(name="one"), house.create(name="two")
    link, address, mac = _where(house, one)
    conductor = house.conductor
    assert conductor.guest_at(link.host, link.network, address) == (one.uuid, mac)
    (port,) = conductor.ports(one.uuid)
    assert conductor.guest_at(link.host, port.network_id, address) == (one.uuid, mac)
    assert conductor.guest_at(link.host, link.network, _where(house, two)[1])[0] == two.uuid
    assert conductor.guest_at("other", link.network, address) is None
    assert conductor.guest_at(link.host, "other", address) is None
    assert conductor.guest_at(link.host, link.network, "10.255.255.254") is None


def test_the_address_of_a_deleted_server_is_a_strangers(house: Any) -> None:
    one = house.create(name="one")
    link, address, _mac = _where(house, one)
    house.engine.compute_api.delete(house.ctx(), one.uuid)
    house.settle()
    assert house.conductor.guest_at(link.host, link.network, address) is None


def test_the_service_answers_from_the_record_as_it_is_now(house: Any) -> None:
    one = house.create(name="one")
    link, address, _mac = _where(house, one)
    answers = Answers(house.conductor, house.engine._specs_of, neighbour=lambda *_: None)

    def get(path: str) -> str:
        return answers.answer(link, Asked(address, "GET", path)).content.decode()

    assert get("/latest/meta-data/local-ipv4") == address
    assert get("/latest/meta-data/hostname") == "one.novalocal"
    house.conductor.update_instance(house.ctx(), one.uuid, {"hostname": "renamed"})
    assert get("/latest/meta-data/hostname") == "renamed.novalocal"


def test_the_service_is_told_of_networks_that_come_and_go(house: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[bool] = []
    monkeypatch.setattr(house.engine.metadata, "look", lambda: looked.append(True))
    (manager,) = house.engine.managers.values()
    networks._apply(manager.compute, {"ports": ["nobody"]})
    assert looked == []
    networks._apply(manager.compute, {"networks": ["gone"]})
    assert looked == [True]


def test_an_operator_reads_why_guests_are_not_served(house: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    assert house.engine.warnings() == []
    monkeypatch.setattr(house.driver, "no_metadata", lambda: "it is a test")
    (warning,) = house.engine.warnings()
    assert "guests of node1 have no metadata service" in warning
    assert warning.endswith("it is a test")
    monkeypatch.setattr(house.driver, "metadata_links", lambda: {"default": "virbr0"})
    assert house.engine._metadata_links() == {"node1": {}}
    monkeypatch.setattr(house.driver, "no_metadata", lambda: "")
    assert house.engine._metadata_links() == {"node1": {"default": "virbr0"}}
    assert house.engine.warnings() == []

    def refuse() -> None:
        raise HypervisorUnavailable(host="node1", reason="gone")

    monkeypatch.setattr(house.driver, "metadata_links", refuse)
    assert house.engine._metadata_links() == {}
    assert "guests of node1 have no metadata service" in house.engine.warnings()[0]


def test_a_guest_posts_its_password_once_until_it_is_cleared(house: Any) -> None:
    one = house.create(name="one")
    text = "x" * (LONGEST_PASSWORD - 1) + "y"
    made = house.conductor.post_guest_password(one.uuid, text)
    assert password_of(made.system_metadata) == text
    with pytest.raises(GuestPasswordSet):
        house.conductor.post_guest_password(one.uuid, "other")
    assert password_of(house.conductor.instance(one.uuid).system_metadata) == text
    cleared = house.conductor.clear_guest_password(one.uuid)
    assert password_of(cleared.system_metadata) == ""
    assert cleared.system_metadata.items() >= one.system_metadata.items()
    assert password_of(house.conductor.post_guest_password(one.uuid, "z").system_metadata) == "z"
