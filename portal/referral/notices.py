""" "There is something for you": written with the change it tells of, sent after the commit, again when that failed.

No notice holds content or a name. The address is looked up at the moment of sending: it stands sealed in the
referral, and nowhere else.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from sqlalchemy import select, update
from sqlmodel import Session, col

from portal.accounts import posting
from portal.accounts.models import Role, RoleGrant, User
from portal.catalogue.models import Region
from portal.db import SessionFactory
from portal.referral.models import Channel, Notice, Referral, Team
from portal.referral.personal import Person
from portal.referral.sealing import Keyring

ALWAYS_WORKING = frozenset({Channel.MAIL})
"""What needs no connector."""


@dataclass(frozen=True, slots=True)
class Receiver:
    channel: Channel
    """MAIL, SMS or MESSENGER."""
    address: str
    language: str
    to_person: bool

    def __repr__(self) -> str:
        return f"Receiver({self.channel})"


class Unreachable(Exception):
    """This channel is not set up here, or the address is refused: the next one that the person named is tried instead."""


class Sender(Protocol):
    """Words the notice and sends it. Raises Unreachable, or anything else when it cannot now; the notice then waits.

    `id_` is the same at every try, so that a receiving system can drop a repetition.
    """

    def send(self, receiver: Receiver, about: str, *, id_: UUID) -> None: ...


def to_person(session: Session, referral: Referral, about: str, *, now: datetime, key: object = "") -> None:
    """By the first channel of their wish that can be used; "only through this page" gets none."""
    _write(session, f"{about}:{referral.id}:{key or referral.version}:person", referral, about, True, now)


def to_team(
    session: Session,
    referral: Referral,
    about: str,
    *,
    now: datetime,
    organization_id: UUID | None = None,
    key: object = "",
) -> None:
    """To the team's mailbox, or to every counsellor of the team; to the coordinators where nobody is left there."""
    organization_id = organization_id or referral.organization_id
    team = session.get(Team, organization_id)
    key = f"{about}:{referral.id}:{key or referral.version}:{organization_id}"
    if team is not None and team.email:
        _write(session, key, referral, about, False, now, organization_id=organization_id)
        return
    _to_counsellors(session, referral, about, organization_id, key=key, now=now)


def _to_counsellors(
    session: Session, referral: Referral, about: str, organization_id: UUID, *, key: str, now: datetime
) -> None:
    counsellors = _counsellors(session, organization_id)
    if not counsellors:
        to_coordinators(session, referral, about, now=now, key=key)
    for user_id in counsellors:
        _write(
            session,
            f"{key}:{user_id}",
            referral,
            about,
            False,
            now,
            organization_id=organization_id,
            user_id=user_id,
        )


def pass_on(session: Session, notice: Notice, *, now: datetime) -> None:
    """To somebody who can be reached instead: of a team's mailbox to every counsellor, of the last counsellor to the
    coordinators. Written once, however often it is asked for."""
    referral = session.get(Referral, notice.referral_id) if notice.referral_id else None
    if referral is None or notice.organization_id is None:
        return
    if notice.user_id is None:
        _to_counsellors(session, referral, notice.about, notice.organization_id, key=notice.key, now=now)
        return
    to_all = notice.key.removesuffix(f":{notice.user_id}")
    colleague = session.execute(
        select(col(Notice.id)).where(
            col(Notice.referral_id) == referral.id,
            col(Notice.key).startswith(f"{to_all}:", autoescape=True),
            col(Notice.user_id) != notice.user_id,
            col(Notice.organization_id) == notice.organization_id,
            col(Notice.failure).is_distinct_from(Unreachable.__name__),
        )
    ).first()
    if colleague is None:
        to_coordinators(session, referral, notice.about, now=now, key=to_all)


def to_coordinators(
    session: Session, referral: Referral, about: str, *, now: datetime, key: object = ""
) -> None:
    """To everybody who keeps the region's catalogue, and to the administrators where there is nobody."""
    for user_id in _coordinators(session, referral.region):
        _write(
            session,
            f"{about}:{referral.id}:{key or referral.version}:coordinator:{user_id}",
            referral,
            about,
            False,
            now,
            user_id=user_id,
        )


def _write(
    session: Session,
    key: str,
    referral: Referral,
    about: str,
    to_person: bool,
    now: datetime,
    *,
    organization_id: UUID | None = None,
    user_id: UUID | None = None,
) -> None:
    if session.execute(select(col(Notice.id)).where(col(Notice.key) == key)).first() is not None:
        return
    session.add(
        Notice(
            key=key,
            referral_id=referral.id,
            about=about,
            to_person=to_person,
            organization_id=organization_id,
            user_id=user_id,
            written_at=now,
            next_try_at=now,
        )
    )
    session.flush()


def _counsellors(session: Session, organization_id: UUID) -> Collection[UUID]:
    return sorted(
        set(
            session.execute(
                select(col(User.id))
                .join(RoleGrant, col(RoleGrant.user_id) == col(User.id))
                .where(
                    col(RoleGrant.role) == Role.COUNSELLOR.value,
                    col(RoleGrant.organization_id) == organization_id,
                    col(User.disabled_at).is_(None),
                    col(User.password_hash).is_not(None),
                )
            ).scalars()
        )
    )


def _coordinators(session: Session, region: str) -> Collection[UUID]:
    settings = session.execute(select(col(Region.settings)).where(col(Region.slug) == region)).scalar()
    county = str((settings or {}).get("county_area", ""))
    rows = session.execute(
        select(col(User.id), col(RoleGrant.role), col(RoleGrant.area))
        .join(RoleGrant, col(RoleGrant.user_id) == col(User.id))
        .where(
            col(RoleGrant.role).in_((Role.COORDINATOR.value, Role.ADMINISTRATOR.value)),
            col(User.disabled_at).is_(None),
            col(User.password_hash).is_not(None),
        )
    ).all()
    here = [(id_, role) for id_, role, area in rows if county.startswith(area)]
    return sorted({id_ for id_, role in here if role == Role.COORDINATOR} or {id_ for id_, _role in here})


def receivers(session: Session, keyring: Keyring, notice: Notice) -> list[Receiver]:
    """In the order of wish. Looked up now: an address that was withdrawn or changed meanwhile is not used."""
    if notice.to_person:
        referral = session.get(Referral, notice.referral_id) if notice.referral_id else None
        if referral is None or referral.key_sealed is None or referral.person_sealed is None:
            return []
        person = _person(keyring, referral)
        return [
            Receiver(channel, address, referral.language, True) for channel, address in _addresses(person)
        ]
    if notice.user_id is not None:
        user = session.get(User, notice.user_id)
        if user is None or user.disabled_at is not None:
            return []
        return [Receiver(Channel.MAIL, user.email, user.language, False)]
    team = session.get(Team, notice.organization_id) if notice.organization_id else None
    return [Receiver(Channel.MAIL, team.email, "de", False)] if team is not None and team.email else []


def is_told(session: Session, keyring: Keyring, referral: Referral, working: Collection[Channel]) -> bool:
    """Whether the young person learns that something is new: by a channel that is `working` here and did not fail the
    last time, or because the private page is all that they want."""
    person = _person(keyring, referral)
    if set(person.channels) == {Channel.PAGE}:
        return True
    last = session.execute(
        select(col(Notice.failure))
        .where(
            col(Notice.referral_id) == referral.id,
            col(Notice.to_person),
            col(Notice.sent_at).is_not(None),
        )
        .order_by(col(Notice.sent_at).desc())
        .limit(1)
    ).scalar()
    return last != Unreachable.__name__ and any(
        channel in working for channel, _address in _addresses(person)
    )


def _person(keyring: Keyring, referral: Referral) -> Person:
    return Person.open(keyring.record(referral.id, referral.key_sealed), "person", referral.person_sealed)


def _addresses(person: Person) -> list[tuple[Channel, str]]:
    """To which a notice can go, in the order of wish."""
    known = {Channel.MAIL: person.mail, Channel.SMS: person.phone, Channel.MESSENGER: person.messenger}
    return [(channel, known[channel]) for channel in person.channels if known.get(channel)]


def deliver(
    sessions: SessionFactory,
    keyring: Keyring,
    sender: Sender,
    *,
    now: Callable[[], datetime],
    limit: int = 200,
) -> tuple[int, int]:
    """Send what is due, to the first receiver that can be reached; returns (sent, failed).

    Where a professional cannot be reached, somebody else is told (`pass_on`); the notice fails and is tried again, so
    that it is seen. A young person has the private page, and is not tried again; the failure stays for `is_told`.
    """
    unreached: list[UUID] = []

    def send(id_: UUID) -> None:
        # A session of its own for every notice, closed before the slow part: nothing stale, nothing locked.
        with sessions() as session:
            notice = session.get(Notice, id_)
            if notice is None:
                return
            about, to_person, found = notice.about, notice.to_person, receivers(session, keyring, notice)
        for receiver in found:
            try:
                sender.send(receiver, about, id_=id_)
            except Unreachable:
                continue
            return
        if to_person:
            if found:
                unreached.append(id_)
            return
        with sessions() as session:
            notice = session.get(Notice, id_)
            if notice is not None:
                pass_on(session, notice, now=now())
                session.commit()
        if found:
            raise Unreachable

    done = posting.post(sessions, Notice, send, now=now, limit=limit)
    if unreached:
        with sessions() as session:
            session.execute(
                update(Notice).where(col(Notice.id).in_(unreached)).values(failure=Unreachable.__name__)
            )
            session.commit()
    return done
