"""The numbers of the public quality page."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import pytest
from sqlmodel import Session

from portal.catalogue import quality
from portal.catalogue.miss_decisions import AlreadyDecided, decide, listed, numbers, reopen
from portal.catalogue.models import SearchMiss
from portal.catalogue.quality import CONFIRMED_DAYS, translated
from portal.catalogue.translating.texts import STATES
from tests.factories import REGION, a_region, a_service

TODAY = date(2026, 11, 20)
NOW = datetime(2026, 11, 20, 9, tzinfo=UTC)


def test_confirmed_counts_what_the_public_sees_within_ninety_days(session: Session) -> None:
    a_service(session, "fresh", assured_date=TODAY)
    a_service(session, "just", assured_date=TODAY - timedelta(days=CONFIRMED_DAYS))
    a_service(session, "old", assured_date=TODAY - timedelta(days=CONFIRMED_DAYS + 1))
    a_service(session, "never")
    a_service(session, "draft", assured_date=TODAY, status="draft")
    a_service(session, "over", assured_date=TODAY, valid_to=TODAY - timedelta(days=1))
    services, confirmed, never, last_change = quality._confirmed(session, REGION, TODAY)
    assert (services, confirmed, never) == (4, 2, 1)
    assert last_change is not None


@dataclass(frozen=True)
class Counted:
    public: bool
    counts: dict[str, tuple[int, ...]]


def line(public: bool, **numbers_: int) -> Counted:
    return Counted(public, {"en": tuple(numbers_.get(state, 0) for state in STATES)})


def test_outdated_is_not_translated_and_machine_is_nobody() -> None:
    share = translated(
        [line(True, missing=1, outdated=1, machine=3, unchecked=2, checked=3), line(False, missing=90)]
    )["en"]
    assert (share.total, share.current, share.by_people) == (10, 8, 5)
    assert (share.percent, share.percent_by_people) == (80, 50)


def test_a_hundred_percent_means_all() -> None:
    share = translated([line(True, missing=1, checked=999)])["en"]
    assert share.percent == 99
    assert translated([]) == {}


@pytest.fixture
def misses(session: Session) -> str:
    a_region(session)
    for term, count in (("einradkurs", 3), ("mofa", 9), ("zirkus", 5)):
        session.add(
            SearchMiss(region=REGION, language="de", term=term, count=count, first_day=TODAY, last_day=TODAY)
        )
    session.flush()
    return REGION


def terms(session: Session, state: str) -> list[str]:
    return [found.term for found in listed(session, REGION, state, limit=10, offset=0)]


def test_words_wait_until_somebody_decides(session: Session, misses: str) -> None:
    assert terms(session, "open") == ["mofa", "zirkus", "einradkurs"]
    decide(session, misses, "de", "mofa", "synonym", concept="fahren", by=None, now=NOW)
    decide(session, misses, "de", "zirkus", "missing", by=None, now=NOW)
    assert terms(session, "open") == ["einradkurs"]
    assert numbers(session, misses) == {"open": 1, "synonym": 1, "missing": 1, "ignored": 0}
    [found] = listed(session, misses, "synonym", limit=10, offset=0)
    assert (found.term, found.count, found.concept) == ("mofa", 9, "fahren")
    assert listed(session, misses, "open", limit=1, offset=1) == []


def test_nobody_decides_twice_or_about_nothing(session: Session, misses: str) -> None:
    decide(session, misses, "de", "mofa", "ignored", by=None, now=NOW)
    for term in ("mofa", "never searched for"):
        with pytest.raises(AlreadyDecided):
            decide(session, misses, "de", term, "missing", by=None, now=NOW)
    assert reopen(session, misses, "de", "mofa").decision == "ignored"
    assert "mofa" in terms(session, "open")
    with pytest.raises(AlreadyDecided):
        reopen(session, misses, "de", "mofa")
