# ruff: noqa: F811 (fixtures)
"""What cron does for referrals, on both databases."""

from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import Engine, update
from sqlmodel import Session, col

from portal.catalogue.models import Attribute, Organization
from portal.catalogue.queries import Catalogue
from portal.db import session_factory
from portal.referral import actions, choosing, notices
from portal.referral.choosing import Desk
from portal.referral.models import Referral, Team
from portal.referral.personal import Situation
from portal.referral.sealing import Keyring, new_key
from portal.referral.slips import create
from portal.web import chores
from portal.web.wiring import Store
from tests.factories import REGION, a_service, a_term
from tests.referral.conftest import (  # noqa: F401 (fixtures)
    MakeOffice,
    MakeReferral,
    Office,
    a_referral,
    an_office,
    days,
    keyring,
)

SITUATION = Situation(language="de", lines=(), service_name="Jugendamt")


@pytest.fixture
def store(engine: Engine) -> Store:
    sessions = session_factory(engine)
    return Store(engine, sessions, Catalogue(sessions, REGION))


def named(session: Session, office: Office, fallback: Office) -> None:
    session.execute(
        update(Team)
        .where(col(Team.organization_id) == office.desk.organization_id)
        .values(fallback_organization_id=fallback.desk.organization_id)
    )


def desk_of(referral: Referral) -> Desk:
    return Desk(referral.service_id, referral.organization_id)


def test_who_stands_in_knows_the_matter(
    session: Session,
    an_office: MakeOffice,
    a_referral: MakeReferral,
    now: datetime,
) -> None:
    first, second = an_office("jugendamt"), an_office("caritas")
    referral, _code = a_referral(first)
    assert choosing.stand_in(session, desk_of(referral), today=now.date()) is None, "nobody is named"
    named(session, first, second)
    assert choosing.stand_in(session, desk_of(referral), today=now.date()) is None, "of another kind"

    organization = session.get(Organization, second.desk.organization_id)
    same = a_service(session, slug="zz-same-kind", organization=organization)
    term = a_term(session, "contact_kinds", "jugendamt_asd")
    for service_id in (first.desk.service_id, same.id):
        session.add(
            Attribute(
                id=uuid4(),
                link_entity="service",
                link_id=service_id,
                link_type="contact_kinds",
                taxonomy_term_id=term.id,
            )
        )
    session.flush()
    found = choosing.stand_in(session, desk_of(referral), today=now.date())
    assert found is not None
    assert found.service_id == same.id

    session.execute(
        update(Team)
        .where(col(Team.organization_id) == second.desk.organization_id)
        .values(away_from=now.date())
    )
    assert choosing.stand_in(session, desk_of(referral), today=now.date()) is None


def test_erasing_twice_changes_nothing(
    store: Store,
    session: Session,
    keyring: Keyring,
    an_office: MakeOffice,
    a_referral: MakeReferral,
    now: datetime,
) -> None:
    referral, _code = a_referral(an_office())
    create(session, keyring, region=REGION, situation=SITUATION, words=None, now=now)
    session.commit()
    notices.deliver(
        store.sessions, keyring, type("Quiet", (), {"send": lambda *_a, **_n: None})(), now=lambda: now
    )
    actions.withdraw(session, referral, now=now)
    session.commit()
    session.close()
    later = now + timedelta(days=31)
    done = chores.erase(store, now=later)
    assert (done["referrals"], done["slips"], done["unscrubbed"]) == (1, 1, 0)
    assert not +chores.erase(store, now=later)
    with store.sessions() as own:
        assert not chores.neglected(own, now=later)


def test_every_record_is_counted_under_the_key_that_opens_it(
    session: Session,
    keyring: Keyring,
    an_office: MakeOffice,
    a_referral: MakeReferral,
    now: datetime,
) -> None:
    assert chores.oldest_code(session) is None
    a_referral(an_office())
    other = Keyring([new_key()])
    create(session, other, region=REGION, situation=SITUATION, words=None, now=now - timedelta(days=1))
    assert chores.opened_by(session, [keyring, other]) == {0: 1, 1: 1}
    assert chores.opened_by(session, [keyring]) == {0: 1, None: 1}
    assert chores.oldest_code(session) == now - timedelta(days=1)


def test_erasing_waits_for_nothing_else(
    store: Store, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, now: datetime
) -> None:
    def broken(*_arguments: object) -> None:
        raise RuntimeError("somebody@mail.example")

    erased: list[datetime] = []
    monkeypatch.setattr(chores, "referrals", broken)
    monkeypatch.setattr(chores, "erase", lambda _store, *, now: erased.append(now))
    tools = SimpleNamespace(keyring=None)
    portal: Any = SimpleNamespace(store=store, referrals=tools, settings=None, languages={}, now=lambda: now)
    chores.everything(portal)
    assert erased == [now]
    assert "RuntimeError" in caplog.text
    assert "mail.example" not in caplog.text


def test_it_is_noticed_when_nobody_looks(
    session: Session,
    an_office: MakeOffice,
    a_referral: MakeReferral,
    now: datetime,
) -> None:
    referral, _code = a_referral(an_office())
    assert not chores.neglected(session, now=now + timedelta(minutes=30))
    assert chores.neglected(session, now=now + timedelta(hours=3)), "the notice waits"
    session.execute(update(notices.Notice).values(sent_at=now))
    assert not chores.neglected(session, now=now + timedelta(days=10))
    assert chores.neglected(session, now=now + timedelta(days=30)), "nobody was reminded"
    session.execute(update(Referral).values(escalation=1))
    assert not chores.neglected(session, now=now + timedelta(days=30))
    assert chores.neglected(session, now=referral.erase_at + timedelta(days=3)), "nothing was erased"
