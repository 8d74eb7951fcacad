"""Counting tries, also when the counters are away."""

import logging

import pytest
from limits.storage import MemoryStorage

from portal.web.limits import Limits, Rule, connection

TWICE = Rule("twice", "2 per minute")


def test_counts_by_rule_and_key() -> None:
    counters = Limits("")
    assert [counters.hit(TWICE, "a") for _ in range(3)] == [True, True, False]
    assert not counters.left(TWICE, "a")
    assert counters.left(TWICE, "b")
    assert counters.hit(Rule("other", "2 per minute"), "a")
    counters.clear(TWICE, "a")
    assert counters.hit(TWICE, "a")


def test_looking_counts_nothing() -> None:
    counters = Limits("")
    assert all(counters.left(TWICE, "a") for _ in range(5))
    assert counters.hit(TWICE, "a")


def test_counters_know_no_addresses() -> None:
    counters = Limits("")
    counters.hit(TWICE, "kim@example.org")
    storage = counters._storage
    assert isinstance(storage, MemoryStorage)
    assert storage.events
    assert "kim" not in str(dict(storage.events))


def test_without_redis_people_go_on_and_the_log_says_so(caplog: pytest.LogCaptureFixture) -> None:
    counters = Limits("redis://:pass-of-redis@127.0.0.1:1/0")
    with caplog.at_level(logging.ERROR, logger="portal.web.admin"):
        assert counters.hit(TWICE, "kim@example.org")
        assert counters.left(TWICE, "kim@example.org")
        counters.clear(TWICE, "kim@example.org")
    assert len(caplog.records) == 3
    assert "rate limits do not work" in caplog.text
    assert "pass-of-redis" not in caplog.text
    assert "kim" not in caplog.text


def test_a_household_counts_as_one_connection() -> None:
    assert (
        connection("2001:db8:1:2::5") == connection("2001:db8:1:2:ffff::9") != connection("2001:db8:1:3::5")
    )
    assert connection("192.0.2.1") != connection("192.0.2.2")
    assert connection(None) == connection("") == ""
