"""Tables of guided referral.

Whatever a young person told is sealed (`sealing`): columns that end in `_sealed` hold cipher text, and nothing else in
these tables tells who somebody is or what it is about. States are those of FHIR Task
(https://hl7.org/fhir/task.html); see `lifecycle` for the moves between them.
"""

from datetime import date, datetime
from enum import StrEnum
from uuid import UUID, uuid4

from sqlalchemy import JSON, BigInteger, CheckConstraint, Date, Index, Integer, LargeBinary
from sqlmodel import Field

from portal.accounts import models as accounts
from portal.catalogue import models as catalogue
from portal.db import Table, UtcDateTime

__all__ = ["accounts", "catalogue"]


class Status(StrEnum):
    """FHIR Task.status, without those nobody needs here."""

    DRAFT = "draft"
    """Being written; not sent, seen by nobody."""
    REQUESTED = "requested"
    """Sent to a team that has not answered yet."""
    ACCEPTED = "accepted"
    REJECTED = "rejected"
    """Not the right team; it names a better one, and the young person decides."""
    IN_PROGRESS = "in_progress"
    """There was a first contact."""
    COMPLETED = "completed"
    CANCELLED = "cancelled"
    """Withdrawn by the young person, or its consent ran out."""


class Actor(StrEnum):
    YOUNG_PERSON = "young_person"
    COUNSELLOR = "counsellor"
    COORDINATOR = "coordinator"
    SYSTEM = "system"


class Outcome(StrEnum):
    """What came of it, as the team says. Counted; never shown for fewer than five."""

    ARRIVED = "arrived"
    ADVICE_GIVEN = "advice_given"
    IN_TRAINING = "in_training"
    IN_WORK = "in_work"
    BACK_AT_SCHOOL = "back_at_school"
    BENEFIT_APPLIED = "benefit_applied"
    PASSED_ON = "passed_on"
    NO_CONTACT = "no_contact"
    WITHDRAWN = "withdrawn"
    OTHER = "other"


class ConsentKind(StrEnum):
    REFERRAL = "referral"
    """The first one: to the first team."""
    HANDOVER = "handover"
    """To another team, which takes over."""
    JOINT = "joint"
    """To another team, which takes part beside the responsible one."""


class GivenHow(StrEnum):
    FORM = "form"
    PRIVATE_PAGE = "private_page"
    OWN_PHONE = "own_phone"
    """With a professional beside them, on the young person's own phone."""
    IN_PERSON = "in_person"
    """Told a counsellor, who recorded it."""


class AppointmentState(StrEnum):
    PROPOSED = "proposed"
    AGREED = "agreed"
    DECLINED = "declined"
    CANCELLED = "cancelled"


class Channel(StrEnum):
    """How the young person wants to be reached."""

    PAGE = "page"
    PHONE = "phone"
    SMS = "sms"
    MAIL = "mail"
    MESSENGER = "messenger"


class Team(Table, table=True):
    """An organization that takes referrals: whom it can take, and how quickly it promises to answer."""

    __tablename__ = "referral_team"

    organization_id: UUID = Field(foreign_key="organization.id", ondelete="CASCADE", primary_key=True)
    region: str = Field(index=True)
    accepts: bool = False
    email: str | None = None
    """Shared mailbox for "there is something for you"; without one every counsellor of the team gets the mail."""
    promise_days: int = 3
    """Working days until the first contact."""
    languages: list[str] = Field(default_factory=list, sa_type=JSON)
    """Spoken without an interpreter, beside German."""
    open_at_most: int | None = None
    """Full when so many referrals are open; None: no limit."""
    away_from: date | None = Field(default=None, sa_type=Date)
    away_to: date | None = Field(default=None, sa_type=Date)
    """Both days included."""
    fallback_organization_id: UUID | None = Field(
        default=None, foreign_key="organization.id", ondelete="SET NULL"
    )
    """The team that is proposed when this one is full or away."""
    changed_at: datetime = Field(sa_type=UtcDateTime)


class Referral(Table, table=True):
    __tablename__ = "referral"
    __table_args__ = (
        CheckConstraint(
            "status IN ('draft', 'requested', 'accepted', 'rejected', 'in_progress', 'completed', 'cancelled')",
            name="status",
        ),
        Index(None, "region", "status"),
        Index(None, "organization_id", "status"),
    )

    id: UUID = Field(default_factory=uuid4, primary_key=True)
    region: str
    label: str = Field(unique=True)
    """Six letters to name the case by in talk between professionals; random, tells nothing."""
    status: str = Status.DRAFT
    version: int = 1
    """Counts every move: who wants to move a state that has changed meanwhile is told so."""
    language: str
    """The young person's, as a path code."""
    service_id: UUID = Field(foreign_key="service.id", ondelete="RESTRICT")
    """The desk. An entry of the catalogue stays as long as a referral points to it."""
    organization_id: UUID = Field(foreign_key="organization.id", ondelete="RESTRICT")
    """The team that is responsible now."""
    proposed_service_id: UUID | None = Field(default=None, foreign_key="service.id", ondelete="SET NULL")
    proposed_organization_id: UUID | None = Field(
        default=None, foreign_key="organization.id", ondelete="SET NULL"
    )
    """A better desk that waits for the young person's word."""
    claimed_by: UUID | None = Field(default=None, foreign_key="user_account.id", ondelete="SET NULL")
    prepared_by: UUID | None = Field(default=None, foreign_key="user_account.id", ondelete="SET NULL")
    """The professional who wrote the draft beside the young person."""

    key_sealed: bytes | None = Field(default=None, sa_type=LargeBinary)
    """The key of this referral, sealed with a key of the installation. None: erased."""
    person_sealed: bytes | None = Field(default=None, sa_type=LargeBinary)
    """`personal.Person`: how to reach them, what they tell."""
    code_lookup: str | None = Field(default=None, unique=True)
    """Keyed hash of the receipt code."""
    draft_lookup: str | None = Field(default=None, unique=True)
    """Keyed hash of the token in the cookie while it is a draft, or in the QR code of a prepared one."""

    created_at: datetime = Field(sa_type=UtcDateTime)
    requested_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    """When it was sent to the team that is responsible now."""
    due_date: date | None = Field(default=None, sa_type=Date, index=True)
    """The last day on which the promise of the first contact is kept."""
    first_contact_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    ended_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    erase_at: datetime = Field(sa_type=UtcDateTime, index=True)
    """Everything personal is gone by then; moved by submission and end."""
    alarm_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    """ "Nobody has called": the coordinator knows; None again after the next contact."""
    escalation: int = 0
    """0 nobody, 1 the team, 2 the coordinator was told that it is overdue, or after the first contact silent."""
    outcome: str | None = None
    worked: str | None = None
    """The young person's answer to "did it work?": yes, partly, no."""


class Consent(Table, table=True):
    """What was agreed, word for word, to whom and until when (Art. 7 GDPR, § 67b SGB X)."""

    __tablename__ = "referral_consent"

    id: UUID = Field(default_factory=uuid4, primary_key=True)
    referral_id: UUID = Field(foreign_key="referral.id", ondelete="CASCADE", index=True)
    kind: str
    organization_id: UUID = Field(foreign_key="organization.id", ondelete="CASCADE", index=True)
    service_id: UUID | None = Field(default=None, foreign_key="service.id", ondelete="SET NULL")
    text_version: str
    """Of the wording; the text itself is kept beside it."""
    language: str
    agreed_sealed: bytes | None = Field(default=None, sa_type=LargeBinary)
    """`personal.Agreed`: the text in both languages as it was shown, and what may be told."""
    asked_at: datetime = Field(sa_type=UtcDateTime)
    given_how: str | None = None
    recorded_by: UUID | None = Field(default=None, foreign_key="user_account.id", ondelete="SET NULL")
    """The counsellor, for a consent given in person."""
    given_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    """None: asked, not answered."""
    expires_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    declined_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    withdrawn_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    ended_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    """The team handed over, or it took part and the case was closed: it no longer sees anything."""


class ReferralEvent(Table, table=True):
    """Every move, in order."""

    __tablename__ = "referral_event"

    id: int | None = Field(
        default=None, primary_key=True, sa_type=BigInteger().with_variant(Integer, "sqlite")
    )
    referral_id: UUID = Field(foreign_key="referral.id", ondelete="CASCADE", index=True)
    at: datetime = Field(sa_type=UtcDateTime)
    actor: str
    user_id: UUID | None = Field(default=None, foreign_key="user_account.id", ondelete="SET NULL")
    organization_id: UUID | None = None
    """The team it concerned then; no foreign key: history."""
    move: str
    from_status: str
    to_status: str
    note_sealed: bytes | None = Field(default=None, sa_type=LargeBinary)


class Message(Table, table=True):
    """Between the young person and one team; other teams do not see it."""

    __tablename__ = "referral_message"

    id: UUID = Field(default_factory=uuid4, primary_key=True)
    referral_id: UUID = Field(foreign_key="referral.id", ondelete="CASCADE", index=True)
    organization_id: UUID = Field(foreign_key="organization.id", ondelete="CASCADE")
    at: datetime = Field(sa_type=UtcDateTime)
    author: str
    user_id: UUID | None = Field(default=None, foreign_key="user_account.id", ondelete="SET NULL")
    text_sealed: bytes | None = Field(default=None, sa_type=LargeBinary)
    read_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    """By the other side."""


class Appointment(Table, table=True):
    __tablename__ = "referral_appointment"

    id: UUID = Field(default_factory=uuid4, primary_key=True)
    referral_id: UUID = Field(foreign_key="referral.id", ondelete="CASCADE", index=True)
    organization_id: UUID = Field(foreign_key="organization.id", ondelete="CASCADE")
    """The team that proposes it."""
    joint: bool = False
    """For every team that takes part ("Fallkonferenz")."""
    state: str = AppointmentState.PROPOSED
    details_sealed: bytes | None = Field(default=None, sa_type=LargeBinary)
    """`personal.Meeting`: when, where, with whom."""
    proposed_at: datetime = Field(sa_type=UtcDateTime)
    answered_at: datetime | None = Field(default=None, sa_type=UtcDateTime)


class AppointmentAnswer(Table, table=True):
    """Whether a joint appointment suits a team that did not propose it."""

    __tablename__ = "referral_appointment_answer"

    appointment_id: UUID = Field(foreign_key="referral_appointment.id", ondelete="CASCADE", primary_key=True)
    organization_id: UUID = Field(foreign_key="organization.id", ondelete="CASCADE", primary_key=True)
    fits: bool
    answered_at: datetime = Field(sa_type=UtcDateTime)


class Notice(Table, table=True):
    """ "There is something for you", on its way. The address is looked up when it is sent, so none stands here."""

    __tablename__ = "referral_notice"
    __table_args__ = (Index(None, "sent_at", "next_try_at"),)

    id: UUID = Field(default_factory=uuid4, primary_key=True)
    key: str = Field(unique=True)
    """Event and receiver: written twice, sent once."""
    referral_id: UUID | None = Field(default=None, foreign_key="referral.id", ondelete="CASCADE", index=True)
    about: str
    """What happened, as `referral.requested`; chooses the sentence."""
    to_person: bool
    """To the young person, by the channel they chose; else to the team or to the coordinators."""
    organization_id: UUID | None = Field(default=None, foreign_key="organization.id", ondelete="CASCADE")
    user_id: UUID | None = Field(default=None, foreign_key="user_account.id", ondelete="CASCADE")
    """One receiver among the professionals; None with `to_person`, and for a team's mailbox."""
    written_at: datetime = Field(sa_type=UtcDateTime)
    sent_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    tries: int = 0
    next_try_at: datetime = Field(sa_type=UtcDateTime)
    failure: str | None = None


class Slip(Table, table=True):
    """A hand-over slip without a name: the desk that types its code reads what the person ticked."""

    __tablename__ = "referral_slip"

    id: UUID = Field(default_factory=uuid4, primary_key=True)
    region: str
    code_lookup: str = Field(unique=True)
    key_sealed: bytes = Field(sa_type=LargeBinary)
    situation_sealed: bytes = Field(sa_type=LargeBinary)
    """`personal.Situation`."""
    created_at: datetime = Field(sa_type=UtcDateTime)
    expires_at: datetime = Field(sa_type=UtcDateTime, index=True)
    opened_at: datetime | None = Field(default=None, sa_type=UtcDateTime)


class Count(Table, table=True):
    """What stays: how often, per team and month. Never anything by which somebody could be found again."""

    __tablename__ = "referral_count"

    region: str = Field(primary_key=True)
    organization_id: UUID = Field(primary_key=True)
    month_date: date = Field(primary_key=True, sa_type=Date)
    """First day of the month."""
    measure: str = Field(primary_key=True)
    """`requested`, `accepted`, `rejected`, `outcome:arrived`, `worked:yes`, `first_contact_days:2`,
    `first_contact_days:never` …"""
    number: int = 0


class CaseTalk(Table, table=True):
    """An anonymous case among colleagues ("Kollegiale Fallberatung"), in six steps."""

    __tablename__ = "case_talk"

    id: UUID = Field(default_factory=uuid4, primary_key=True)
    region: str = Field(index=True)
    referral_id: UUID | None = Field(default=None, foreign_key="referral.id", ondelete="SET NULL")
    key_sealed: bytes | None = Field(default=None, sa_type=LargeBinary)
    sheet_sealed: bytes | None = Field(default=None, sa_type=LargeBinary)
    """`personal.CaseSheet`: title, question, situation, what was tried; later the agreed next steps."""
    step: int = 1
    step_started_at: datetime = Field(sa_type=UtcDateTime)
    version: int = 1
    created_by: UUID | None = Field(default=None, foreign_key="user_account.id", ondelete="SET NULL")
    created_at: datetime = Field(sa_type=UtcDateTime)
    ended_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    erase_at: datetime = Field(sa_type=UtcDateTime, index=True)


class CaseTalkParticipant(Table, table=True):
    __tablename__ = "case_talk_participant"

    case_talk_id: UUID = Field(foreign_key="case_talk.id", ondelete="CASCADE", primary_key=True)
    user_id: UUID = Field(foreign_key="user_account.id", ondelete="CASCADE", primary_key=True)
    role: str
    """presenter, moderator, timekeeper, writer, advisor"""
    joined_at: datetime | None = Field(default=None, sa_type=UtcDateTime)


class CaseTalkIdea(Table, table=True):
    __tablename__ = "case_talk_idea"

    id: UUID = Field(default_factory=uuid4, primary_key=True)
    case_talk_id: UUID = Field(foreign_key="case_talk.id", ondelete="CASCADE", index=True)
    user_id: UUID | None = Field(default=None, foreign_key="user_account.id", ondelete="SET NULL")
    step: int
    at: datetime = Field(sa_type=UtcDateTime)
    text_sealed: bytes | None = Field(default=None, sa_type=LargeBinary)
    chosen: bool = False
    """Taken up by the presenter."""
