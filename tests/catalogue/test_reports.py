"""What visitors report: kept without them, merged, decided, erased."""

from datetime import date, datetime, timedelta

import pytest
from sqlmodel import Session, select

from portal.catalogue import reports
from portal.catalogue.models import Service, VisitorReport
from tests.factories import REGION, a_service

DAY = date(2026, 11, 20)


@pytest.fixture
def service(session: Session) -> Service:
    return a_service(session, "a")


def say(session: Session, service: Service, reason: str, text: str = "", *, day: date = DAY) -> str:
    return reports.report(session, service, reason, text, language="de", day=day)


def kept(session: Session) -> list[tuple[str, str]]:
    return [(row.report.reason, row.report.text) for row in reports.listed(session, REGION)]


def test_the_same_is_kept_once(session: Session, service: Service) -> None:
    assert say(session, service, "phone") == "kept"
    assert say(session, service, "phone") == "known"
    assert say(session, service, "hours", "Montag  zu") == "kept"
    assert say(session, service, "hours", "MONTAG ZU ") == "known"
    assert say(session, service, "hours") == "known"
    assert say(session, service, "hours", "Mittwoch zu") == "kept"
    assert sorted(kept(session)) == [("hours", "Mittwoch zu"), ("hours", "Montag zu"), ("phone", "")]


def test_a_text_joins_the_report_that_had_none(session: Session, service: Service) -> None:
    say(session, service, "phone")
    assert say(session, service, "phone", "Es ist die 12.", day=DAY + timedelta(days=3)) == "known"
    (row,) = reports.listed(session, REGION)
    assert (row.report.text, row.report.day) == ("Es ist die 12.", DAY)


def test_nobody_can_fill_the_disk(
    session: Session, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    outcomes = [say(session, service, "other", f"Nummer {number}") for number in range(25)]
    assert outcomes.count("kept") == reports.MOST_OPEN
    monkeypatch.setattr(reports, "MOST_A_DAY", reports.MOST_OPEN)
    another = a_service(session)
    assert say(session, another, "phone") == "known"
    assert say(session, another, "phone", day=DAY + timedelta(days=1)) == "kept"


def test_a_reason_that_does_not_exist_is_refused(session: Session, service: Service) -> None:
    with pytest.raises(ValueError, match="nonsense"):
        say(session, service, "nonsense")


@pytest.mark.parametrize(
    ("typed", "plain"),
    [
        ("  a \t b\r\nc  ", "a b\nc"),
        ("a\n\n\n\nb", "a\n\nb"),
        ("\x00a\x07\u202eb", "ab"),
        ("می‌خواهم", "می‌خواهم"),
        ("x" * 900, "x" * 500),
    ],
)
def test_texts_are_cleaned(typed: str, plain: str) -> None:
    assert reports.plain_text(typed) == plain


def test_done_dismissed_taken_back_and_erased(session: Session, service: Service, now: datetime) -> None:
    for reason in ("phone", "hours", "gone"):
        say(session, service, reason)
    done, dismissed, _open = (row.report for row in reports.listed(session, REGION))
    reports.decide(session, done, "done", by=None, now=now)
    reports.decide(session, dismissed, "dismissed", by=None, now=now)
    with pytest.raises(reports.UnknownReport):
        reports.decide(session, done, "dismissed", by=None, now=now)
    assert [reports.number(session, REGION, state) for state in ("open", "done", "dismissed")] == [1, 1, 1]
    reports.reopen(session, dismissed)
    with pytest.raises(reports.UnknownReport):
        reports.reopen(session, dismissed)
    assert [reports.number(session, REGION, state) for state in ("open", "done", "dismissed")] == [2, 1, 0]
    assert reports.erase_decided(session, REGION, now=now + timedelta(days=179)) == 0
    assert reports.erase_decided(session, REGION, now=now + timedelta(days=181)) == 1
    assert len(session.exec(select(VisitorReport)).all()) == 2


def test_reported_again_after_it_was_put_right(session: Session, service: Service, now: datetime) -> None:
    say(session, service, "phone")
    (row,) = reports.listed(session, REGION)
    reports.decide(session, row.report, "done", by=None, now=now)
    assert say(session, service, "phone") == "kept"


def test_the_list_knows_the_offer_and_keeps_to_what_somebody_may_see(session: Session) -> None:
    one, other = a_service(session, "one"), a_service(session, "other")
    say(session, one, "phone")
    say(session, other, "phone")
    mine = [Service.organization_id == one.organization_id]
    (row,) = reports.listed(session, REGION, conditions=mine)  # type: ignore[arg-type]
    assert (row.slug, row.name, row.status) == ("one", one.name, "published")
    assert reports.number(session, REGION, conditions=mine) == 1  # type: ignore[arg-type]
    assert reports.number(session, REGION) == 2
