"""The letters that keep the catalogue true: asking, reminding, and telling a coordinator that nobody answers."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID
from zoneinfo import ZoneInfo

from babel.dates import format_date
from sqlalchemy import select
from sqlmodel import Session, col

from portal.accounts import audit, users
from portal.accounts.models import Role, User
from portal.accounts.permissions import Permission, Powers
from portal.accounts.tokens import token_hash
from portal.catalogue import reports, reviewing
from portal.catalogue.models import ServiceArea
from portal.catalogue.records import RegionFile
from portal.catalogue.reviewing import Question
from portal.web.admin.letters import Letters
from portal.web.public.confirmation import Links, path

LANGUAGE = "de"
"""Of the letters to organizations; the page behind the link has all languages of the portal."""


@dataclass(frozen=True, slots=True)
class Sent:
    """How many offers, in how many letters."""

    asked: int
    reminded: int
    escalated: int
    letters: int
    to_be_phoned: int
    """Due offers of organizations without any mailbox."""


def send(
    session: Session, letters: Letters, region: RegionFile, *, secret_key: str, today: date, now: datetime
) -> Sent:
    """Write what is due into the outbox; the caller commits and delivers. A second run finds nothing left to do."""
    work = _Round(session, letters, region, Links(secret_key), today, now)
    zone = ZoneInfo(region.timezone)
    asked = reviewing.to_ask(session, region.slug, today=today, now=now)
    for questions in reviewing.grouped(asked).values():
        for question in questions:
            session.add(question.confirmation)
            work.renew(question)
        work.write_to_organization("confirmation", questions)
    escalated = work.escalate(reviewing.to_escalate(session, region.slug, today=today, zone=zone))
    reminded = reviewing.to_remind(session, region.slug, today=today, now=now, zone=zone)
    for questions in reviewing.grouped(reminded).values():
        for question in questions:
            question.confirmation.reminded_at = now
            work.renew(question)
        work.write_to_organization("reminder", questions)
    reports.erase_decided(session, region.slug, now=now)
    session.flush()
    return Sent(
        len(asked),
        len(reminded),
        escalated,
        work.letters_written,
        reviewing.number_due(session, region.slug, today, conditions=[reviewing.has_no_mailbox()]),
    )


class _Round:
    def __init__(
        self, session: Session, letters: Letters, region: RegionFile, links: Links, today: date, now: datetime
    ) -> None:
        self.session = session
        self.letters = letters
        self.region = region
        self.links = links
        self.today = today
        self.now = now
        self.letters_written = 0

    def renew(self, question: Question) -> None:
        """The same link again, or one under the new key when the secret was changed."""
        question.confirmation.token_hash = token_hash(self.links.token(question.confirmation.id))
        self.session.add(question.confirmation)

    def write_to_organization(self, template: str, questions: list[Question]) -> None:
        first = questions[0]
        self.letters_written += self.letters.write(
            self.session,
            template,
            key=f"{template}:{first.confirmation.id}",
            recipient=first.confirmation.recipient,
            language=LANGUAGE,
            now=self.now,
            organization=first.organization,
            offers=[
                {
                    "name": question.name,
                    "link": self.letters.address(path(self.links.token(question.confirmation.id), LANGUAGE)),
                }
                for question in questions
            ],
            asked=self._day(first.confirmation.asked_at),
            until=self._day(min(question.confirmation.expires_at for question in questions)),
            controller=self.region.controller,
        )
        self._note("confirmation.asked" if template == "confirmation" else "confirmation.reminded", questions)

    def escalate(self, questions: list[Question]) -> int:
        """One letter to each coordinator who may change the offers; when there is none, to the administrators.

        Where there is nobody at all, the offer waits for somebody. Returns how many offers are in good hands now.
        """
        to_whom: dict[UUID, tuple[User, list[Question]]] = {}
        told = []
        keepers = _keepers(self.session, self.region.county_area)
        areas = _areas(self.session, questions)
        for question in questions:
            responsible = _responsible(keepers, question, areas.get(question.confirmation.service_id, []))
            for user in responsible:
                to_whom.setdefault(user.id, (user, []))[1].append(question)
            if responsible:
                question.confirmation.escalated_at = self.now
                self.session.add(question.confirmation)
                told.append(question)
        for user, concerning in to_whom.values():
            self.letters_written += self.letters.write(
                self.session,
                "escalation",
                key=f"escalation:{user.id}:{concerning[0].confirmation.id}",
                recipient=user.email,
                language=user.language,
                now=self.now,
                name=user.name,
                number=len(concerning),
                offers=[
                    {"name": question.name, "organization": question.organization} for question in concerning
                ],
                link=self.letters.address("/admin/confirmations?show=silent"),
            )
        self._note("confirmation.escalated", told)
        return len(told)

    def _note(self, action: str, questions: Iterable[Question]) -> None:
        for question in questions:
            audit.record(
                self.session,
                action,
                now=self.now,
                region=self.region.slug,
                entity="service",
                entity_id=question.confirmation.service_id,
                entity_name=question.name,
            )

    def _day(self, moment: datetime) -> str:
        local = moment.astimezone(ZoneInfo(self.region.timezone)).date()
        return format_date(local, "long", locale=LANGUAGE)


def _keepers(session: Session, county: str) -> list[tuple[User, Powers]]:
    """Everybody who can sign in and may change something here."""
    found = []
    for user in users.all_users(session):
        if user.disabled_at is None and user.password_hash is not None:
            powers = Powers.of(users.grants_of(session, user.id), county=county)
            if powers.may(Permission.EDIT):
                found.append((user, powers))
    return found


def _responsible(keepers: list[tuple[User, Powers]], question: Question, areas: list[str]) -> list[User]:
    able = [
        (user, powers)
        for user, powers in keepers
        if powers.may_for(Permission.EDIT, organization_id=question.organization_id, areas=areas)
    ]
    coordinators = [user for user, powers in able if Role.COORDINATOR in powers.roles]
    return coordinators or [user for user, _powers in able]


def _areas(session: Session, questions: list[Question]) -> dict[UUID, list[str]]:
    ids = [question.confirmation.service_id for question in questions]
    found: dict[UUID, list[str]] = {}
    rows = session.execute(
        select(col(ServiceArea.service_id), col(ServiceArea.area)).where(col(ServiceArea.service_id).in_(ids))
    )
    for id_, area in rows:
        found.setdefault(id_, []).append(area)
    return found
