"""Two teams that take referrals, each with a desk and counsellors."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from sqlmodel import Session

from portal.accounts.models import Role, RoleGrant, User
from portal.referral import actions
from portal.referral.actions import Counsellor
from portal.referral.choosing import Desk
from portal.referral.models import Referral, Team
from portal.referral.personal import Agreed, Line, Person
from portal.referral.promise import WorkingDays
from portal.referral.sealing import Keyring, new_key
from tests.factories import REGION, a_region, a_service, an_organization


@dataclass(frozen=True)
class Office:
    desk: Desk
    counsellor: Counsellor


MakeOffice = Callable[..., Office]
MakeReferral = Callable[..., tuple[Referral, str]]


@pytest.fixture
def keyring() -> Keyring:
    return Keyring([new_key()])


@pytest.fixture
def days() -> WorkingDays:
    return WorkingDays("ST", ZoneInfo("Europe/Berlin"))


@pytest.fixture
def an_office(session: Session, now: datetime) -> MakeOffice:
    def make(slug: str = "jugendamt", **team: object) -> Office:
        a_region(session)
        organization = an_organization(session, slug=slug)
        service = a_service(session, slug=f"{slug}-empfang", organization=organization)
        user = User(email=f"{slug}@example.org", name=f"Team {slug}", password_hash="x", created_at=now)
        session.add(user)
        session.flush()
        session.add(
            RoleGrant(
                user_id=user.id,
                role=Role.COUNSELLOR.value,
                organization_id=organization.id,
                granted_at=now,
            )
        )
        session.add(
            Team(
                **{
                    "organization_id": organization.id,
                    "region": REGION,
                    "accepts": True,
                    "changed_at": now,
                    **team,
                }
            )
        )
        session.flush()
        return Office(Desk(service.id, organization.id), Counsellor(user.id, frozenset({organization.id})))

    return make


def agreed(*lines: Line) -> Agreed:
    return Agreed(
        statement="أوافق.",
        statement_de="Ich bin einverstanden.",
        lines=lines
        or (Line(key="name", label="الاسم", label_de="Name", value="Sternchen", value_de="Sternchen"),),
    )


@pytest.fixture
def a_referral(session: Session, keyring: Keyring, days: WorkingDays, now: datetime) -> MakeReferral:
    """Sent to an office; returns it with its receipt code."""

    def make(
        office: Office, person: Person | None = None, at: datetime | None = None
    ) -> tuple[Referral, str]:
        moment = at or now
        referral, _token = actions.begin(
            session, keyring, region=REGION, language="ar", desk=office.desk, now=moment
        )
        actions.write(session, keyring, referral, person or Person(name="Sternchen"), now=moment)
        code = actions.submit(session, keyring, referral, agreed(), text_version="1", days=days, now=moment)
        return referral, code

    return make
