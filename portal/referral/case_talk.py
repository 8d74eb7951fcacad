"""Colleagues talk about a case that nobody could recognise ("Kollegiale Fallberatung"), in six steps.

The steps are those of Tietze, Kollegiale Beratung (2003). Nothing of a referral is copied here: a talk knows at most
which one it began with, and every text is held against what was told there. When that referral is erased, so is what
was written here (`actions.erase_talks`).
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from enum import IntEnum, StrEnum
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import delete, func, select, update
from sqlmodel import Session, col

from portal.accounts.models import Role, RoleGrant, User
from portal.catalogue.models import Organization, Region
from portal.referral import queries
from portal.referral.actions import CONSENT_HOLDS, Counsellor
from portal.referral.errors import Changed, ConsentMissing, NotFound, ReferralError
from portal.referral.models import CaseTalk, CaseTalkIdea, CaseTalkParticipant, Notice, Referral
from portal.referral.personal import Agreed, CaseSheet
from portal.referral.recognising import Finding, refusals
from portal.referral.sealing import Keyring, Sealer

HOLDS = CONSENT_HOLDS
"""No talk stays longer than a consent would."""
IDEA_AT_MOST = 500
"""Characters."""
TWICE = timedelta(minutes=5)
"""Within this time the same sheet is the same form, sent twice."""
SEATS = 12
"""Including the presenter; beyond that nobody has a say."""


class Step(IntEnum):
    CASTING = 1
    PRESENTING = 2
    QUESTIONS = 3
    IDEAS = 4
    CHOOSING = 5
    AGREEING = 6
    """Agreed next steps and feedback."""


MINUTES: Mapping[Step, int] = {
    Step.CASTING: 5,
    Step.PRESENTING: 10,
    Step.QUESTIONS: 10,
    Step.IDEAS: 15,
    Step.CHOOSING: 10,
    Step.AGREEING: 10,
}
"""Suggested: an hour altogether."""


class Part(StrEnum):
    """The role of a participant."""

    PRESENTER = "presenter"
    """Who brings the case; listens while the others collect ideas, and chooses."""
    MODERATOR = "moderator"
    TIMEKEEPER = "timekeeper"
    WRITER = "writer"
    ADVISOR = "advisor"


LEADING = frozenset({Part.PRESENTER, Part.MODERATOR})
"""Who moves the talk on."""
CAST = (Part.MODERATOR, Part.TIMEKEEPER, Part.WRITER)
"""One of each."""


class Refused(ReferralError):
    """A text tells who somebody is. The findings are for the one who typed it, and stand in no message."""

    def __init__(self, findings: Mapping[str, Sequence[Finding]]) -> None:
        super().__init__("a text tells who somebody is")
        self.findings = findings
        """By field; of `next_steps` in the lines joined by line ends."""


class NotYourPart(ReferralError):
    """Another role does this, or the talk is at another step."""


@dataclass(frozen=True, slots=True)
class Seat:
    user_id: UUID
    name: str
    part: Part
    joined: bool


@dataclass(frozen=True, slots=True)
class Colleague:
    user_id: UUID
    name: str
    offices: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Idea:
    id: UUID
    user_id: UUID | None
    chosen: bool
    text: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class TalkView:
    """A talk as a participant sees it."""

    talk: CaseTalk
    me: Seat
    seats: tuple[Seat, ...]
    sheet: CaseSheet = field(repr=False)
    ideas: tuple[Idea, ...] = field(repr=False)
    """Empty for somebody who is invited and has not joined."""

    @property
    def step(self) -> Step:
        return Step(self.talk.step)

    @property
    def leads(self) -> bool:
        return self.me.joined and self.me.part in LEADING and self.talk.ended_at is None


@dataclass(frozen=True, slots=True)
class ListedTalk:
    talk: CaseTalk
    part: Part
    joined: bool
    title: str | None = field(repr=False)
    """None: the case is erased."""


# -- reading -----------------------------------------------------------------------------------------------------------


def mine(
    session: Session, keyring: Keyring, user_id: UUID, *, region: str, now: datetime
) -> list[ListedTalk]:
    """Those somebody takes part in or is invited to: open ones first, the newest first."""
    rows = session.execute(
        select(CaseTalk, CaseTalkParticipant)
        .join(CaseTalkParticipant, col(CaseTalkParticipant.case_talk_id) == col(CaseTalk.id))
        .where(
            col(CaseTalkParticipant.user_id) == user_id,
            col(CaseTalk.region) == region,
            col(CaseTalk.erase_at) > now,
        )
        .order_by(col(CaseTalk.ended_at).is_not(None), col(CaseTalk.created_at).desc(), col(CaseTalk.id))
    )
    return [
        ListedTalk(
            talk,
            Part(row.role),
            row.joined_at is not None,
            None if talk.key_sealed is None else _sheet(keyring, talk).title,
        )
        for talk, row in rows
    ]


def view(
    session: Session, keyring: Keyring, talk_id: UUID, user_id: UUID, *, region: str, now: datetime
) -> TalkView:
    """Raises NotFound for everybody who is not a participant, Erased, CannotOpen."""
    talk = session.get(CaseTalk, talk_id)
    if talk is None or talk.region != region or talk.erase_at <= now:
        raise NotFound
    seats = _seats(session, talk)
    me = next((seat for seat in seats if seat.user_id == user_id), None)
    if me is None:
        raise NotFound
    return TalkView(
        talk, me, seats, _sheet(keyring, talk), _ideas(session, keyring, talk) if me.joined else ()
    )


def colleagues(session: Session, region: str) -> list[Colleague]:
    """Whom one may invite: counsellors and coordinators of the region who can sign in."""
    settings = session.execute(select(col(Region.settings)).where(col(Region.slug) == region)).scalar()
    county = str((settings or {}).get("county_area", ""))
    rows = session.execute(
        select(  # type: ignore[call-overload]
            User.id, User.name, RoleGrant.role, RoleGrant.area, Organization.region, Organization.name
        )
        .join(RoleGrant, col(RoleGrant.user_id) == col(User.id))
        .outerjoin(Organization, col(Organization.id) == col(RoleGrant.organization_id))
        .where(
            col(RoleGrant.role).in_((Role.COUNSELLOR.value, Role.COORDINATOR.value)),
            col(User.disabled_at).is_(None),
            col(User.password_hash).is_not(None),
        )
        .order_by(Organization.name)
    ).all()
    names: dict[UUID, str] = {}
    offices: dict[UUID, list[str]] = {}
    for id_, name, role, area, home, office in rows:
        here = home == region if role == Role.COUNSELLOR else _meet(area, county)
        if here:
            names[id_] = name
            offices.setdefault(id_, []).extend([office] if office else [])
    found = [Colleague(id_, name, tuple(offices[id_])) for id_, name in names.items()]
    return sorted(found, key=lambda one: (one.name.casefold(), one.user_id))


def _meet(area: str, county: str) -> bool:
    return area.startswith(county) or county.startswith(area)


def _seats(session: Session, talk: CaseTalk) -> tuple[Seat, ...]:
    rows = session.execute(
        select(CaseTalkParticipant, User.name)  # type: ignore[call-overload]
        .join(User, col(User.id) == col(CaseTalkParticipant.user_id))
        .where(col(CaseTalkParticipant.case_talk_id) == talk.id)
    )
    seats = [Seat(row.user_id, name, Part(row.role), row.joined_at is not None) for row, name in rows]
    order = list(Part)
    return tuple(sorted(seats, key=lambda seat: (order.index(seat.part), seat.name.casefold(), seat.user_id)))


def _ideas(session: Session, keyring: Keyring, talk: CaseTalk) -> tuple[Idea, ...]:
    sealer = keyring.record(talk.id, talk.key_sealed)
    rows = session.execute(
        select(CaseTalkIdea)
        .where(col(CaseTalkIdea.case_talk_id) == talk.id)
        .order_by(col(CaseTalkIdea.at), col(CaseTalkIdea.id))
    ).scalars()
    return tuple(
        Idea(row.id, row.user_id, row.chosen, sealer.open(f"idea:{row.id}", row.text_sealed))
        for row in rows
        if row.text_sealed is not None
    )


def _sheet(keyring: Keyring, talk: CaseTalk) -> CaseSheet:
    return CaseSheet.open(keyring.record(talk.id, talk.key_sealed), "sheet", talk.sheet_sealed)


# -- the sheet ---------------------------------------------------------------------------------------------------------


def create(
    session: Session,
    keyring: Keyring,
    sheet: CaseSheet,
    by: Counsellor,
    *,
    region: str,
    now: datetime,
    today: date,
    referral_id: UUID | None = None,
    no_names: Collection[str] = (),
) -> CaseTalk:
    """A talk with its presenter, from nothing or from a referral of the presenter's team.

    `no_names` here and below: see `recognising.refusals`. Raises Refused; NotYourTeam, ConsentMissing for a referral
    that the team may not read now.
    """
    names: tuple[str, ...] = ()
    if referral_id is not None:
        told = queries.for_team(session, keyring, referral_id, by, now=now)
        if told.agreed is None or told.referral.region != region:
            raise ConsentMissing
        names = _names(told.agreed)
    _must_be_anonymous(_fields(sheet), names, today, no_names)
    before = _just_made(session, keyring, sheet, by, referral_id, since=now - TWICE)
    if before is not None:
        return before
    id_ = uuid4()
    sealer, key_sealed = keyring.new_record(id_)
    talk = CaseTalk(
        id=id_,
        region=region,
        referral_id=referral_id,
        key_sealed=key_sealed,
        sheet_sealed=sheet.seal(sealer, "sheet"),
        step_started_at=now,
        created_by=by.user_id,
        created_at=now,
        erase_at=now + HOLDS,
    )
    session.add(talk)
    session.flush()
    session.add(
        CaseTalkParticipant(case_talk_id=id_, user_id=by.user_id, role=Part.PRESENTER.value, joined_at=now)
    )
    session.flush()
    return talk


def _just_made(
    session: Session,
    keyring: Keyring,
    sheet: CaseSheet,
    by: Counsellor,
    referral_id: UUID | None,
    *,
    since: datetime,
) -> CaseTalk | None:
    made: Sequence[CaseTalk] = (
        session.execute(
            select(CaseTalk).where(
                col(CaseTalk.created_by) == by.user_id,
                col(CaseTalk.created_at) >= since,
                col(CaseTalk.ended_at).is_(None),
            )
        )
        .scalars()
        .all()
    )
    return next(
        (one for one in made if one.referral_id == referral_id and _sheet(keyring, one) == sheet), None
    )


def rewrite(
    session: Session,
    keyring: Keyring,
    talk: CaseTalk,
    user_id: UUID,
    sheet: CaseSheet,
    *,
    now: datetime,
    today: date,
    no_names: Collection[str] = (),
) -> None:
    """The presenter says it better, or without what slipped in. Raises Refused, NotYourPart, Changed."""
    _part(session, talk, user_id, {Part.PRESENTER})
    _must_be_anonymous(_fields(sheet), _names_of(session, keyring, talk, now=now), today, no_names)
    _change(session, talk, sheet_sealed=sheet.seal(_sealer(keyring, talk), "sheet"))


def erase(session: Session, talk: CaseTalk, user_id: UUID) -> None:
    """At once, with everything that was said. Raises NotYourPart."""
    _part(session, talk, user_id, {Part.PRESENTER}, ended_too=True)
    session.execute(delete(CaseTalk).where(col(CaseTalk.id) == talk.id))
    session.expunge(talk)


# -- who takes part ----------------------------------------------------------------------------------------------------


def invite(
    session: Session, talk: CaseTalk, user_id: UUID, invited: Collection[UUID], *, now: datetime
) -> int:
    """As advisors, until the roles are cast; returns how many are new, and tells them that there is something.

    Raises NotYourPart, NotFound for somebody who may not be invited, ValueError when there are not enough seats.
    """
    _part(session, talk, user_id, LEADING)
    if not set(invited) <= {one.user_id for one in colleagues(session, talk.region)}:
        raise NotFound
    _hold(session, talk)
    there = _user_ids(session, talk)
    fresh = sorted(set(invited) - there)
    if len(there) + len(fresh) > SEATS:
        raise ValueError("too many participants")
    for id_ in fresh:
        session.add(CaseTalkParticipant(case_talk_id=talk.id, user_id=id_, role=Part.ADVISOR.value))
        _tell(session, talk, id_, now=now)
    session.flush()
    return len(fresh)


def join(session: Session, talk: CaseTalk, user_id: UUID, *, now: datetime) -> None:
    """Raises NotFound for somebody who is not invited, NotYourPart after the end."""
    _hold(session, talk)
    joined = session.execute(
        update(CaseTalkParticipant)
        .where(col(CaseTalkParticipant.case_talk_id) == talk.id, col(CaseTalkParticipant.user_id) == user_id)
        .values(joined_at=func.coalesce(col(CaseTalkParticipant.joined_at), now))
        .returning(col(CaseTalkParticipant.user_id)),
        execution_options={"synchronize_session": False},
    ).first()
    if joined is None:
        raise NotFound


def leave(session: Session, talk: CaseTalk, user_id: UUID, *, who: UUID | None = None) -> None:
    """Somebody goes, or those who lead take `who` off the list; ideas stay. Never the presenter.

    Raises NotYourPart.
    """
    goes = who or user_id
    if goes != user_id:
        _part(session, talk, user_id, LEADING)
    gone = session.execute(
        delete(CaseTalkParticipant)
        .where(
            col(CaseTalkParticipant.case_talk_id) == talk.id,
            col(CaseTalkParticipant.user_id) == goes,
            col(CaseTalkParticipant.role) != Part.PRESENTER.value,
        )
        .returning(col(CaseTalkParticipant.user_id)),
        execution_options={"synchronize_session": False},
    ).first()
    if gone is None:
        raise NotYourPart
    session.expire_all()


def cast(session: Session, talk: CaseTalk, user_id: UUID, roles: Mapping[Part, UUID | None]) -> None:
    """Who is moderator, timekeeper and writer; everybody else advises. One may do two things only as an advisor.

    Raises NotYourPart, Changed; ValueError when one person gets two roles, or somebody who has not joined gets one.
    """
    _part(session, talk, user_id, LEADING)
    wanted = [id_ for part in CAST if (id_ := roles.get(part)) is not None]
    free = {seat.user_id for seat in _seats(session, talk) if seat.joined and seat.part is not Part.PRESENTER}
    if len(set(wanted)) != len(wanted) or not set(wanted) <= free:
        raise ValueError("one person, one role")
    _change(session, talk)
    parts = {roles.get(part): part for part in CAST}
    for row in session.execute(
        select(CaseTalkParticipant).where(
            col(CaseTalkParticipant.case_talk_id) == talk.id,
            col(CaseTalkParticipant.role) != Part.PRESENTER.value,
        )
    ).scalars():
        row.role = parts.get(row.user_id, Part.ADVISOR).value
        session.add(row)
    session.flush()


# -- the six steps -----------------------------------------------------------------------------------------------------


def go_to(session: Session, talk: CaseTalk, user_id: UUID, step: int, *, now: datetime) -> None:
    """One step on or back. Raises NotYourPart, Changed."""
    _part(session, talk, user_id, LEADING)
    if abs(step - talk.step) != 1 or step not in list(Step):
        raise NotYourPart
    _change(session, talk, step=step, step_started_at=now)


def add_idea(
    session: Session,
    keyring: Keyring,
    talk: CaseTalk,
    user_id: UUID,
    text: str,
    *,
    now: datetime,
    today: date,
    no_names: Collection[str] = (),
) -> CaseTalkIdea:
    """From everybody but the presenter, who listens. Raises Refused, NotYourPart; ValueError for too much or nothing.

    The same text by the same person twice is one idea: a form that was sent twice.
    """
    text = text.strip()
    _part(session, talk, user_id, set(Part) - {Part.PRESENTER})
    if not text or len(text) > IDEA_AT_MOST:
        raise ValueError("an idea is a sentence or two")
    _must_be_anonymous({"text": text}, _names_of(session, keyring, talk, now=now), today, no_names)
    _hold(session, talk, Step.IDEAS)
    for one in _ideas(session, keyring, talk):
        if one.user_id == user_id and one.text == text:
            return session.get_one(CaseTalkIdea, one.id)
    id_ = uuid4()
    idea = CaseTalkIdea(
        id=id_,
        case_talk_id=talk.id,
        user_id=user_id,
        step=talk.step,
        at=now,
        text_sealed=_sealer(keyring, talk).seal(f"idea:{id_}", text),
    )
    session.add(idea)
    session.flush()
    return idea


def remove_idea(session: Session, talk: CaseTalk, user_id: UUID, idea_id: UUID) -> None:
    """By whoever wrote it, or by those who lead. Raises NotYourPart, NotFound."""
    part = _part(session, talk, user_id, set(Part))
    idea = session.get(CaseTalkIdea, idea_id)
    if idea is None or idea.case_talk_id != talk.id:
        raise NotFound
    if idea.user_id != user_id and part not in LEADING:
        raise NotYourPart
    session.delete(idea)
    session.flush()


def choose(session: Session, talk: CaseTalk, user_id: UUID, ideas: Iterable[UUID]) -> None:
    """What the presenter takes up; exactly these. Raises NotYourPart."""
    _part(session, talk, user_id, {Part.PRESENTER})
    _hold(session, talk, Step.CHOOSING)
    chosen = set(ideas)
    for row in session.execute(
        select(CaseTalkIdea).where(col(CaseTalkIdea.case_talk_id) == talk.id)
    ).scalars():
        row.chosen = row.id in chosen
        session.add(row)
    session.flush()


def end(
    session: Session,
    keyring: Keyring,
    talk: CaseTalk,
    user_id: UUID,
    next_steps: Sequence[str],
    *,
    keep: timedelta,
    now: datetime,
    today: date,
    no_names: Collection[str] = (),
) -> None:
    """With what was agreed, written down by those who lead or by the writer.

    Raises ValueError without a next step, Refused, NotYourPart, Changed.
    """
    _part(session, talk, user_id, {*LEADING, Part.WRITER})
    if talk.step != Step.AGREEING:
        raise NotYourPart
    agreed = tuple(line.strip() for line in next_steps if line.strip())
    if not agreed:
        raise ValueError("a talk ends with a next step")
    names = _names_of(session, keyring, talk, now=now)
    _must_be_anonymous({"next_steps": "\n".join(agreed)}, names, today, no_names)
    sheet = CaseSheet(**{**_sheet(keyring, talk).model_dump(), "next_steps": agreed})
    _change(
        session,
        talk,
        sheet_sealed=sheet.seal(_sealer(keyring, talk), "sheet"),
        ended_at=now,
        erase_at=min(talk.erase_at, now + keep),
    )


# -- inside ------------------------------------------------------------------------------------------------------------


def _fields(sheet: CaseSheet) -> dict[str, str]:
    return {name: getattr(sheet, name) for name in ("title", "question", "situation", "tried")}


def _must_be_anonymous(
    texts: Mapping[str, str], names: Iterable[str], today: date, no_names: Collection[str]
) -> None:
    """Raises Refused."""
    found = {
        name: refusals(text, today=today, names=names, no_names=no_names) for name, text in texts.items()
    }
    if any(found.values()):
        raise Refused({name: tuple(findings) for name, findings in found.items() if findings})


def _names(agreed: Agreed) -> tuple[str, ...]:
    return tuple(
        value for line in agreed.lines if line.key == "name" for value in {line.value, line.value_de}
    )


def _names_of(session: Session, keyring: Keyring, talk: CaseTalk, *, now: datetime) -> tuple[str, ...]:
    """What teams with a live consent were told, opened only to compare. Nothing once it was taken back."""
    referral = session.get(Referral, talk.referral_id) if talk.referral_id else None
    if referral is None or referral.key_sealed is None:
        return ()
    sealer = keyring.record(referral.id, referral.key_sealed)
    return tuple(
        name
        for consent in queries.consents_of(session, referral)
        if queries.is_live(consent, now=now) and consent.agreed_sealed is not None
        for name in _names(Agreed.open(sealer, f"consent:{consent.id}", consent.agreed_sealed))
    )


def _sealer(keyring: Keyring, talk: CaseTalk) -> Sealer:
    return keyring.record(talk.id, talk.key_sealed)


def _user_ids(session: Session, talk: CaseTalk) -> set[UUID]:
    return set(
        session.execute(
            select(col(CaseTalkParticipant.user_id)).where(col(CaseTalkParticipant.case_talk_id) == talk.id)
        ).scalars()
    )


def _part(
    session: Session, talk: CaseTalk, user_id: UUID, parts: Collection[Part], *, ended_too: bool = False
) -> Part:
    """Of somebody who joined. Raises NotYourPart."""
    role = session.execute(
        select(col(CaseTalkParticipant.role)).where(
            col(CaseTalkParticipant.case_talk_id) == talk.id,
            col(CaseTalkParticipant.user_id) == user_id,
            col(CaseTalkParticipant.joined_at).is_not(None),
        )
    ).scalar_one_or_none()
    if role is None or Part(role) not in parts or (talk.ended_at is not None and not ended_too):
        raise NotYourPart
    return Part(role)


def _hold(session: Session, talk: CaseTalk, step: Step | None = None) -> None:
    """Nobody moves the talk until this transaction ends. Raises NotYourPart when somebody was quicker."""
    query = update(CaseTalk).where(col(CaseTalk.id) == talk.id, col(CaseTalk.ended_at).is_(None))
    if step is not None:
        query = query.where(col(CaseTalk.step) == step.value)
    held = session.execute(
        query.values(version=col(CaseTalk.version)).returning(col(CaseTalk.id)),
        execution_options={"synchronize_session": False},
    ).first()
    if held is None:
        raise NotYourPart


def _change(session: Session, talk: CaseTalk, **values: Any) -> None:
    """Raises Changed."""
    changed = session.execute(
        update(CaseTalk)
        .where(
            col(CaseTalk.id) == talk.id,
            col(CaseTalk.version) == talk.version,
            col(CaseTalk.ended_at).is_(None),
        )
        .values(version=col(CaseTalk.version) + 1, **values)
        .returning(col(CaseTalk.version)),
        execution_options={"synchronize_session": False},
    ).first()
    if changed is None:
        raise Changed
    session.refresh(talk)


def _tell(session: Session, talk: CaseTalk, user_id: UUID, *, now: datetime) -> None:
    """Once for each talk and person: whoever is invited a second time knows it already."""
    key = f"case_talk.invited:{talk.id}:{user_id}"
    if session.execute(select(col(Notice.id)).where(col(Notice.key) == key)).first() is None:
        session.add(
            Notice(
                key=key,
                about="case_talk.invited",
                to_person=False,
                user_id=user_id,
                written_at=now,
                next_try_at=now,
            )
        )
