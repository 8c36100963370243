"""Console tokens live for a while, stand for one guest, and can be taken back."""

from __future__ import annotations

import pytest

from tuinova.console.tokens import TokenStore
from tuinova.core.errors import ConsoleTokenExpired


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_a_token_stands_for_its_guest_and_person() -> None:
    store = TokenStore()
    token = store.issue("guest-1", "user", "project")
    grant = store.validate(token)
    assert (grant.instance_uuid, grant.user_id, grant.project_id) == ("guest-1", "user", "project")


def test_a_token_may_be_used_again_until_it_expires() -> None:
    clock = Clock()
    store = TokenStore(ttl=600, clock=clock)
    token = store.issue("guest-1")
    clock.now += 599
    assert store.validate(token).instance_uuid == "guest-1"
    clock.now += 1
    with pytest.raises(ConsoleTokenExpired) as caught:
        store.validate(token)
    assert caught.value.code == 401


@pytest.mark.parametrize("wrong", ["", "nonsense", "\ud800", "0" * 100_000])
def test_an_unknown_token_is_refused(wrong: str) -> None:
    store = TokenStore()
    store.issue("guest-1")
    with pytest.raises(ConsoleTokenExpired):
        store.validate(wrong)


def test_the_refusal_does_not_repeat_the_whole_token() -> None:
    clock = Clock()
    store = TokenStore(ttl=1, clock=clock)
    token = store.issue("guest-1")
    clock.now += 2
    with pytest.raises(ConsoleTokenExpired) as caught:
        store.validate(token)
    assert token not in caught.value.message


def test_deleting_a_guest_ends_its_tokens_only() -> None:
    store = TokenStore()
    first, second = store.issue("guest-1"), store.issue("guest-2")
    store.revoke("guest-1")
    with pytest.raises(ConsoleTokenExpired):
        store.validate(first)
    assert store.validate(second).instance_uuid == "guest-2"


def test_expired_tokens_are_forgotten() -> None:
    clock = Clock()
    store = TokenStore(ttl=10, clock=clock)
    for number in range(50):
        store.issue(f"guest-{number}")
    assert len(store) == 50
    clock.now += 11
    assert len(store) == 0
