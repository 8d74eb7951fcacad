"""A referral from the draft to its end, and what must not happen on the way."""

from datetime import timedelta

import pytest
from sqlmodel import Session, select

from portal.referral import actions, queries
from portal.referral.errors import Changed, ConsentMissing, DeskUnavailable, NotFound, NotYourTeam
from portal.referral.lifecycle import MoveNotAllowed
from portal.referral.models import Consent, Message, Notice, Outcome, Referral, Status, Team
from portal.referral.personal import Line
from tests.referral.conftest import agreed

KEEP = timedelta(days=90)


def test_from_the_draft_to_the_end(session, keyring, days, now, an_office, a_referral):
    office = an_office()
    referral, code = a_referral(office)
    assert referral.status == Status.REQUESTED
    assert referral.due_date.isoformat() == "2026-11-25"
    assert queries.by_code(session, keyring, code.upper()).id == referral.id

    actions.accept(session, referral, office.counsellor, now=now)
    assert referral.claimed_by == office.counsellor.user_id
    actions.message(
        session,
        keyring,
        referral,
        "Hallo, hier ist das Jugendamt.",
        organization_id=office.desk.organization_id,
        by=office.counsellor,
        days=days,
        now=now,
    )
    assert referral.status == Status.IN_PROGRESS
    assert referral.first_contact_at == now
    view = queries.for_person(session, keyring, referral)
    assert [one.text for one in view.messages] == ["Hallo, hier ist das Jugendamt."]
    actions.complete(
        session, keyring, referral, office.counsellor, outcome=Outcome.ARRIVED, now=now, keep=KEEP
    )
    assert referral.status == Status.COMPLETED
    assert referral.erase_at == now + KEEP


def test_nothing_is_sent_without_the_words_of_a_consent(session, keyring, days, now, an_office):
    office = an_office()
    referral, _token = actions.begin(session, keyring, region="tal", language="ar", desk=office.desk, now=now)
    with pytest.raises(ConsentMissing):
        actions.submit(
            session,
            keyring,
            referral,
            agreed().model_copy(update={"statement_de": " "}),
            text_version="1",
            days=days,
            now=now,
        )
    assert referral.status == Status.DRAFT


def test_a_team_that_turned_full_gets_nothing(session, keyring, days, now, an_office):
    office = an_office(open_at_most=0)
    referral, _token = actions.begin(session, keyring, region="tal", language="ar", desk=office.desk, now=now)
    with pytest.raises(DeskUnavailable):
        actions.submit(session, keyring, referral, agreed(), text_version="1", days=days, now=now)
    assert referral.status == Status.DRAFT


def test_another_team_sees_and_moves_nothing(session, keyring, now, an_office, a_referral):
    office, stranger = an_office(), an_office("jobcenter")
    referral, _code = a_referral(office)
    with pytest.raises(NotYourTeam):
        queries.for_team(session, keyring, referral.id, stranger.counsellor, now=now)
    with pytest.raises(NotYourTeam):
        actions.accept(session, referral, stranger.counsellor, now=now)
    assert queries.inbox(session, stranger.counsellor.organizations, now=now, today=now.date()) == []


def test_a_team_reads_exactly_what_was_agreed(session, keyring, now, an_office, a_referral):
    office = an_office()
    referral, _code = a_referral(office)
    view = queries.for_team(session, keyring, referral.id, office.counsellor, now=now)
    assert [(line.key, line.value_de) for line in view.agreed.lines] == [("name", "Sternchen")]


def test_handing_over_needs_a_new_consent_and_ends_the_old_one(
    session, keyring, days, now, an_office, a_referral
):
    first, second = an_office(), an_office("jobcenter")
    referral, _code = a_referral(first)
    actions.accept(session, referral, first.counsellor, now=now)
    actions.propose_handover(
        session, keyring, referral, second.desk, by=first.counsellor, reason="Geht um Geld.", now=now
    )
    assert referral.organization_id == first.desk.organization_id
    with pytest.raises(NotYourTeam):
        queries.for_team(session, keyring, referral.id, second.counsellor, now=now)

    only_town = Line(key="place", label="المكان", label_de="Ort", value="Harz", value_de="Harz")
    actions.agree_handover(
        session, keyring, referral, agreed(only_town), text_version="1", days=days, now=now
    )
    assert referral.status == Status.REQUESTED
    view = queries.for_team(session, keyring, referral.id, second.counsellor, now=now)
    assert [line.key for line in view.agreed.lines] == ["place"]
    assert [one.note for one in view.events if one.note] == []
    with pytest.raises(NotYourTeam):
        queries.for_team(session, keyring, referral.id, first.counsellor, now=now)


def test_withdrawing_takes_everything_away_and_tells_the_team(
    session, keyring, days, now, an_office, a_referral
):
    office = an_office()
    referral, code = a_referral(office)
    actions.accept(session, referral, office.counsellor, now=now)
    actions.message(
        session,
        keyring,
        referral,
        "Ich heiße …",
        organization_id=office.desk.organization_id,
        by=None,
        days=days,
        now=now,
    )
    actions.withdraw(session, referral, now=now)
    with pytest.raises(NotFound):
        queries.by_code(session, keyring, code)
    assert session.exec(select(Message)).all() == []
    assert [row.agreed_sealed for row in session.exec(select(Consent))] == [None]
    row = session.exec(select(Referral)).one()
    assert (row.status, row.key_sealed, row.person_sealed) == (Status.CANCELLED, None, None)
    assert "referral.withdrawn" in {notice.about for notice in session.exec(select(Notice))}
    view = queries.for_team(session, keyring, referral.id, office.counsellor, now=now)
    assert view.agreed is None and view.messages == ()


def test_two_counsellors_claim_at_once(engine, session, keyring, now, an_office, a_referral):
    office = an_office()
    referral, _code = a_referral(office)
    session.commit()
    with Session(engine, expire_on_commit=False) as other:
        same = other.get(Referral, referral.id)
        actions.claim(session, referral, office.counsellor, now=now)
        session.commit()
        with pytest.raises(Changed):
            actions.claim(other, same, office.counsellor, now=now)


def test_what_the_table_does_not_allow_does_not_happen(session, keyring, now, an_office, a_referral):
    office = an_office()
    referral, _code = a_referral(office)
    with pytest.raises(MoveNotAllowed):
        actions.complete(
            session, keyring, referral, office.counsellor, outcome=Outcome.OTHER, now=now, keep=KEEP
        )
    assert referral.status == Status.REQUESTED


def test_a_team_without_a_mailbox_is_told_one_by_one(session, now, an_office, a_referral):
    office, with_mailbox = an_office(), an_office("jobcenter", email="team@example.org")
    a_referral(office)
    a_referral(with_mailbox)
    found = {
        (notice.organization_id, notice.user_id)
        for notice in session.exec(select(Notice).where(Notice.about == "referral.requested"))
    }
    assert found == {
        (office.desk.organization_id, office.counsellor.user_id),
        (with_mailbox.desk.organization_id, None),
    }
    assert session.get(Team, with_mailbox.desk.organization_id).email == "team@example.org"


@pytest.mark.parametrize("end", ["complete", "expire"])
def test_every_team_that_takes_part_hears_of_the_end(session, keyring, now, an_office, a_referral, end):
    first, second = an_office(), an_office("jobcenter", email="team@example.org")
    referral, _code = a_referral(first)
    actions.accept(session, referral, first.counsellor, now=now)
    asked = actions.propose_joint(session, referral, first.counsellor, second.desk, now=now)
    actions.agree_joint(session, keyring, referral, asked, agreed(), text_version="1", now=now)
    if end == "complete":
        actions.complete(
            session, keyring, referral, first.counsellor, outcome=Outcome.OTHER, now=now, keep=KEEP
        )
    else:
        actions.expire(session, referral, now=now)
    told = session.exec(
        select(Notice.about).where(Notice.organization_id == second.desk.organization_id)
    ).all()
    assert f"referral.{end.removesuffix('e')}ed" in told
