"""When an offer is due, who is asked, and what an answer does."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from sqlmodel import Session, select

from portal.catalogue import editing, proposals, reviewing
from portal.catalogue.models import Confirmation, Proposal, Service
from portal.catalogue.records import Confidence
from tests.factories import REGION, a_service, an_organization

TODAY = date(2026, 11, 20)
BERLIN = ZoneInfo("Europe/Berlin")


@dataclass(frozen=True)
class Somebody:
    name: str = "Haus am Tal"
    id: UUID | None = None


def due(session: Session, today: date = TODAY) -> list[str]:
    return [row.slug for row in reviewing.due(session, REGION, today)]


def ask(session: Session, now: datetime, today: date = TODAY) -> list[reviewing.Question]:
    questions = reviewing.to_ask(session, REGION, today=today, now=now)
    for question in questions:
        question.confirmation.token_hash = str(question.confirmation.id)
        session.add(question.confirmation)
    session.flush()
    return questions


def set_fields(session: Session, service: Service, **fields: Any) -> None:
    for name, value in fields.items():
        setattr(service, name, value)
    session.add(service)
    session.flush()


@pytest.mark.parametrize(
    ("fields", "is_due"),
    [
        ({"assured_date": TODAY - timedelta(days=179)}, False),
        ({"assured_date": TODAY - timedelta(days=180)}, True),
        ({"assured_date": TODAY - timedelta(days=30), "review_days": 30}, True),
        ({"assured_date": TODAY - timedelta(days=29), "review_days": 30}, False),
        ({"assured_date": TODAY - timedelta(days=300), "review_days": 365}, False),
        ({"assured_date": TODAY, "review_due": TODAY}, True),
        ({"assured_date": TODAY - timedelta(days=900), "review_due": TODAY + timedelta(days=1)}, False),
        ({"assured_date": None, "last_modified": datetime(2026, 5, 24, 12, tzinfo=BERLIN)}, True),
        ({"assured_date": None, "last_modified": datetime(2026, 5, 25, 12, tzinfo=BERLIN)}, False),
        ({"assured_date": date(2020, 1, 1), "status": "draft"}, False),
        ({"assured_date": date(2020, 1, 1), "status": "archived"}, False),
        ({"assured_date": date(2020, 1, 1), "valid_to": TODAY - timedelta(days=1)}, False),
        ({"assured_date": date(2020, 1, 1), "valid_to": TODAY}, True),
    ],
)
def test_an_offer_is_due_after_its_interval_or_on_the_day_set_by_hand(
    session: Session, fields: dict[str, Any], is_due: bool
) -> None:
    service = a_service(session, "a")
    set_fields(session, service, **fields)
    assert due(session) == (["a"] if is_due else [])
    assert reviewing.number_due(session, REGION, TODAY) == int(is_due)


def test_saving_an_offer_that_was_never_confirmed_does_not_move_its_day(
    session: Session, now: datetime
) -> None:
    service = a_service(session, "a")
    set_fields(session, service, last_modified=now - timedelta(days=200))
    assert due(session) == ["a"]
    current = editing.entry(session, REGION, "service", "a")
    changed = current.record.model_copy(update={"description": "Neuer Text."})
    editing.save(session, REGION, "service", changed, base_hash=current.hash, author=None, now=now)
    assert due(session) == ["a"]


def test_those_waiting_longest_come_first_in_pages(session: Session) -> None:
    for slug, days in (("b", 300), ("a", 200), ("c", 400)):
        set_fields(session, a_service(session, slug), assured_date=TODAY - timedelta(days=days))
    assert due(session) == ["c", "b", "a"]
    assert [row.slug for row in reviewing.due(session, REGION, TODAY, limit=1, offset=1)] == ["b"]


def test_a_part_of_the_county_sees_only_what_lies_in_it_altogether(session: Session) -> None:
    office = an_organization(session, "office")
    for slug, areas in (("in", ["15987001"]), ("both", ["15987001", "15987002"]), ("county", ["15987"])):
        service = a_service(session, slug, organization=office, service_areas=areas)
        set_fields(session, service, assured_date=date(2020, 1, 1))

    def seen(*reaches: tuple[UUID | None, str]) -> set[str]:
        condition = reviewing.within(reaches)
        return {row.slug for row in reviewing.due(session, REGION, TODAY, conditions=[condition])}

    assert seen((None, "15987001")) == {"in"}
    assert seen((None, "15987001"), (None, "15987002")) == {"in"}
    assert seen((None, "")) == {"in", "both", "county"}
    assert seen((office.id, "")) == {"in", "both", "county"}
    assert seen((an_organization(session).id, "")) == set()
    assert seen() == set()


def test_the_own_mailbox_goes_before_the_one_of_the_organization(session: Session, now: datetime) -> None:
    office = an_organization(session, email="office@example.org")
    other = an_organization(session)
    for slug, owner, email in (
        ("own", office, "own@example.org"),
        ("of-the-office", office, None),
        ("also", office, "OFFICE@example.org"),
        ("none", other, None),
    ):
        service = a_service(session, slug, organization=owner, email=email)
        set_fields(session, service, assured_date=date(2020, 1, 1))
    questions = ask(session, now)
    letters = reviewing.grouped(questions)
    assert {key[1]: sorted(q.slug for q in found) for key, found in letters.items()} == {
        "own@example.org": ["own"],
        "office@example.org": ["also", "of-the-office"],
    }
    unreachable = [reviewing.has_no_mailbox()]
    assert [row.slug for row in reviewing.due(session, REGION, TODAY, conditions=unreachable)] == ["none"]
    assert reviewing.number_due(session, REGION, TODAY, conditions=unreachable) == 1


@pytest.fixture
def asked(session: Session, now: datetime) -> Confirmation:
    """About the offer "a", which is due."""
    service = a_service(session, "a", email="a@example.org", application_process="Ruf an.")
    set_fields(session, service, assured_date=date(2026, 1, 1))
    (question,) = ask(session, now)
    return question.confirmation


def test_nobody_is_asked_twice(session: Session, asked: Confirmation, now: datetime) -> None:
    assert ask(session, now) == []
    assert ask(session, now + timedelta(days=89), TODAY + timedelta(days=89)) == []
    again = ask(session, now + timedelta(days=91), TODAY + timedelta(days=91))
    assert [question.slug for question in again] == ["a"]
    assert again[0].confirmation.id != asked.id


def test_a_coordinator_can_have_it_asked_again_earlier(
    session: Session, asked: Confirmation, now: datetime
) -> None:
    service = session.get(Service, asked.service_id)
    assert service is not None
    set_fields(session, service, review_due=TODAY + timedelta(days=20))
    assert ask(session, now + timedelta(days=19), TODAY + timedelta(days=19)) == []
    assert len(ask(session, now + timedelta(days=20), TODAY + timedelta(days=20))) == 1


def after(session: Session, now: datetime, days: int) -> tuple[int, int]:
    """How many are to be reminded and escalated so many days later."""
    today, then = TODAY + timedelta(days=days), now + timedelta(days=days)
    reminded = reviewing.to_remind(session, REGION, today=today, now=then, zone=BERLIN)
    return len(reminded), len(reviewing.to_escalate(session, REGION, today=today, zone=BERLIN))


def test_reminder_after_fourteen_days_and_escalation_after_twenty_eight(
    session: Session, asked: Confirmation, now: datetime
) -> None:
    assert after(session, now, 13) == (0, 0)
    assert after(session, now, 14) == (1, 0)
    # Whole days count: a run earlier on the day is as good.
    assert after(session, now - timedelta(hours=8), 14) == (1, 0)
    assert after(session, now, 28) == (1, 0), "nobody is passed over to the coordinator without a reminder"
    asked.reminded_at = now + timedelta(days=14)
    session.flush()
    assert after(session, now, 27) == (0, 0)
    assert after(session, now, 28) == (0, 1)
    asked.escalated_at = now + timedelta(days=28)
    session.flush()
    assert after(session, now, 40) == (0, 0)
    assert reviewing.number_due(session, REGION, TODAY, conditions=[reviewing.nobody_answered()]) == 1


def test_whoever_was_confirmed_by_phone_is_left_in_peace(
    session: Session, asked: Confirmation, now: datetime
) -> None:
    editing.confirm(session, REGION, "service", "a", on=TODAY, author=None, now=now)
    assert after(session, now, 14) == (0, 0)
    assert due(session) == []
    # Half a year later it is asked as if nothing had been open.
    later = timedelta(days=180)
    assert len(ask(session, now + later, TODAY + later)) == 1


def test_everything_is_right(session: Session, asked: Confirmation, now: datetime) -> None:
    reviewing.answer_right(session, asked, author=Somebody(), today=TODAY, now=now)
    current = editing.entry(session, REGION, "service", "a")
    assert (current.record.assured_date, current.record.confidence) == (TODAY, Confidence.CONFIRMED)
    newest = editing.versions(session, current.id)[0]
    assert (newest.cause, newest.author_name) == ("confirmed", "Haus am Tal")
    assert (asked.answer, asked.answered_at) == ("right", now)
    with pytest.raises(reviewing.AlreadyAnswered):
        reviewing.answer_gone(session, asked, author=Somebody(), now=now)
    assert session.exec(select(Proposal)).all() == []


def test_a_correction_waits_for_a_coordinator_and_then_counts_as_confirmation(
    session: Session, asked: Confirmation, now: datetime
) -> None:
    base = reviewing.entry_of(session, asked)
    record = base.record.model_copy(update={"application_process": "Komm vorbei."})
    proposal = reviewing.answer_corrected(
        session, asked, record, base=base, author=Somebody(), today=TODAY, now=now
    )
    assert (proposal.source, proposal.wish, proposal.author_name) == ("confirmation", "change", "Haus am Tal")
    assert editing.entry(session, REGION, "service", "a").record == base.record
    assert due(session) == ["a"]
    assert ask(session, now + timedelta(days=1), TODAY) == []
    proposals.accept(session, proposal, by=Somebody("Koordination"), now=now)
    accepted = editing.entry(session, REGION, "service", "a").record
    assert accepted.application_process == "Komm vorbei."
    assert (accepted.assured_date, accepted.confidence) == (TODAY, Confidence.CONFIRMED)
    assert due(session) == []


def test_with_remarks_still_to_be_worked_in_nothing_is_confirmed_yet(
    session: Session, asked: Confirmation, now: datetime
) -> None:
    base = reviewing.entry_of(session, asked)
    proposal = reviewing.answer_corrected(
        session, asked, base.record, base=base, author=Somebody(), today=TODAY, now=now,
        remarks="Öffnungszeiten: nur noch montags",
    )  # fmt: skip
    assert proposal.comment == "Öffnungszeiten: nur noch montags"
    assert proposal.record["assured_date"] == "2026-01-01"


def test_a_correction_without_any_change_is_none(
    session: Session, asked: Confirmation, now: datetime
) -> None:
    base = reviewing.entry_of(session, asked)
    with pytest.raises(reviewing.NothingChanged):
        reviewing.answer_corrected(
            session, asked, base.record, base=base, author=Somebody(), today=TODAY, now=now
        )
    session.refresh(asked)
    assert asked.answer is None


def test_gone_is_a_wish_that_changes_nothing_by_itself(
    session: Session, asked: Confirmation, now: datetime
) -> None:
    proposal = reviewing.answer_gone(session, asked, author=Somebody(), now=now, remarks=" Jetzt die AWO. ")
    assert (proposal.wish, proposal.comment) == ("archive", "Jetzt die AWO.")
    assert editing.entry(session, REGION, "service", "a").status == "published"
    proposals.accept(session, proposal, by=Somebody("Koordination"), now=now)
    assert editing.entry(session, REGION, "service", "a").status == "archived"


def test_links_that_lead_nowhere(session: Session, asked: Confirmation, now: datetime) -> None:
    assert reviewing.question_of(session, asked.token_hash, now=now) == asked
    with pytest.raises(reviewing.UnknownLink):
        reviewing.question_of(session, "something else", now=now)
    with pytest.raises(reviewing.LinkExpired):
        reviewing.question_of(session, asked.token_hash, now=asked.expires_at)
    assert asked.expires_at - now == timedelta(days=60)
    service = session.get(Service, asked.service_id)
    assert service is not None
    set_fields(session, service, status="archived")
    with pytest.raises(reviewing.NoLongerThere):
        reviewing.entry_of(session, asked)


def test_only_what_the_office_changed_counts_when_the_entry_changed_meanwhile(
    session: Session, asked: Confirmation, now: datetime
) -> None:
    seen = reviewing.entry_of(session, asked)
    meanwhile = seen.record.model_copy(update={"description": "Von der Koordination."})
    editing.save(session, REGION, "service", meanwhile, base_hash=seen.hash, author=None, now=now)
    base = reviewing.seen_by_author(session, reviewing.entry_of(session, asked), seen.hash)
    assert base.record == seen.record
    record = base.record.model_copy(update={"application_process": "Komm vorbei."})
    proposal = reviewing.answer_corrected(
        session, asked, record, base=base, author=Somebody(), today=TODAY, now=now
    )
    values, fields, _current = proposals.merged(session, proposal)
    assert values["description"] == "Von der Koordination."
    assert not any(field.clash for field in fields)
