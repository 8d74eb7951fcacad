"""Tables of the people who sign in. A young person who seeks help never has a row here.

What must stay secret is kept as a hash (tokens, codes) or encrypted (the TOTP secret), so that a copy of the
database opens no account.
"""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import JSON, BigInteger, CheckConstraint, Index, Integer, LargeBinary, Text, UniqueConstraint
from sqlmodel import Field

from portal.catalogue import models as catalogue
from portal.db import Table, UtcDateTime

__all__ = ["catalogue"]


class Role(StrEnum):
    ADMINISTRATOR = "administrator"
    COORDINATOR = "coordinator"
    """Keeps the catalogue of an area; reviews what editors propose."""
    EDITOR = "editor"
    """Of one organization: proposes changes of its own entries."""
    COUNSELLOR = "counsellor"
    """Answers referrals to one organization."""
    READER = "reader"
    """Sees statistics."""


class TokenPurpose(StrEnum):
    INVITATION = "invitation"
    RESET = "reset"


class User(Table, table=True):
    __tablename__ = "user_account"

    id: UUID = Field(default_factory=uuid4, primary_key=True)
    email: str = Field(unique=True)
    """Lower case; the name to sign in with."""
    name: str
    language: str = "de"
    """Of the admin pages and of mails."""
    password_hash: str | None = None
    """Argon2id with its parameters; None until the invitation was accepted."""
    totp_secret: str | None = None
    """Encrypted; see `second_factor`."""
    totp_step: int | None = Field(default=None, sa_type=BigInteger)
    """The last time step that was used: a code is good for one sign-in (RFC 6238 section 5.2)."""
    created_at: datetime = Field(sa_type=UtcDateTime)
    last_sign_in_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    disabled_at: datetime | None = Field(default=None, sa_type=UtcDateTime)


class RoleGrant(Table, table=True):
    """One role of a user, for an area or for an organization."""

    __tablename__ = "role_grant"
    __table_args__ = (
        UniqueConstraint("user_id", "role", "area", "organization_id"),
        CheckConstraint(
            "role IN ('administrator', 'coordinator', 'editor', 'counsellor', 'reader')", name="role"
        ),
    )

    id: UUID = Field(default_factory=uuid4, primary_key=True)
    user_id: UUID = Field(foreign_key="user_account.id", ondelete="CASCADE")
    role: str
    area: str = ""
    """Prefix of the Amtlicher Gemeindeschlüssel; empty is everywhere."""
    organization_id: UUID | None = Field(
        default=None, foreign_key="organization.id", ondelete="CASCADE", index=True
    )
    """Of editors and counsellors."""
    granted_at: datetime = Field(sa_type=UtcDateTime)


class Passkey(Table, table=True):
    """A WebAuthn credential (https://www.w3.org/TR/webauthn-3/)."""

    __tablename__ = "passkey"

    id: UUID = Field(default_factory=uuid4, primary_key=True)
    user_id: UUID = Field(foreign_key="user_account.id", ondelete="CASCADE", index=True)
    credential_id: bytes = Field(sa_type=LargeBinary, unique=True)
    public_key: bytes = Field(sa_type=LargeBinary)
    sign_count: int = 0
    transports: list[str] = Field(default_factory=list, sa_type=JSON)
    name: str
    created_at: datetime = Field(sa_type=UtcDateTime)
    last_used_at: datetime | None = Field(default=None, sa_type=UtcDateTime)


class RecoveryCode(Table, table=True):
    __tablename__ = "recovery_code"

    id: UUID = Field(default_factory=uuid4, primary_key=True)
    user_id: UUID = Field(foreign_key="user_account.id", ondelete="CASCADE", index=True)
    code_hash: str
    used_at: datetime | None = Field(default=None, sa_type=UtcDateTime)


class SignIn(Table, table=True):
    """A browser that is signed in. The row stays for a while after its end, for the list of sessions."""

    __tablename__ = "sign_in"

    id: UUID = Field(default_factory=uuid4, primary_key=True)
    user_id: UUID = Field(foreign_key="user_account.id", ondelete="CASCADE", index=True)
    token_hash: str = Field(unique=True)
    device: str = ""
    """Browser and system in two words, to recognise it by; no address."""
    second_factor: bool = False
    started_at: datetime = Field(sa_type=UtcDateTime)
    seen_at: datetime = Field(sa_type=UtcDateTime)
    confirmed_at: datetime = Field(sa_type=UtcDateTime)
    """When a password or passkey was last given; dangerous changes want it recent."""
    ended_at: datetime | None = Field(default=None, sa_type=UtcDateTime)


class OneTimeToken(Table, table=True):
    """A link that was sent by mail."""

    __tablename__ = "one_time_token"

    id: UUID = Field(default_factory=uuid4, primary_key=True)
    user_id: UUID = Field(foreign_key="user_account.id", ondelete="CASCADE", index=True)
    purpose: str
    token_hash: str = Field(unique=True)
    created_at: datetime = Field(sa_type=UtcDateTime)
    expires_at: datetime = Field(sa_type=UtcDateTime)
    used_at: datetime | None = Field(default=None, sa_type=UtcDateTime)


class KeptForm(Table, table=True):
    """What somebody typed and did not save: autosaved, or sent after the session had run out."""

    __tablename__ = "kept_form"
    __table_args__ = (UniqueConstraint("user_id", "path"),)

    id: UUID = Field(default_factory=uuid4, primary_key=True)
    user_id: UUID = Field(foreign_key="user_account.id", ondelete="CASCADE")
    path: str
    """Of the page the form stands on."""
    fields: list[list[str]] = Field(default_factory=list, sa_type=JSON)
    """Name and value, in the order of the form; never a password or a token."""
    kept_at: datetime = Field(sa_type=UtcDateTime)


class AuditEvent(Table, table=True):
    """Who did what, and when. Never passwords, never answers, never the text of a referral."""

    __tablename__ = "audit_event"
    __table_args__ = (Index(None, "at"), Index(None, "entity", "entity_id"))

    id: int | None = Field(
        default=None, primary_key=True, sa_type=BigInteger().with_variant(Integer, "sqlite")
    )
    at: datetime = Field(sa_type=UtcDateTime)
    actor_id: UUID | None = None
    """No foreign key: the event outlives the account. None for the system and for strangers."""
    actor_name: str = ""
    action: str
    """Dotted, as `service.saved` or `sign_in.failed`."""
    region: str | None = None
    entity: str | None = None
    entity_id: UUID | None = None
    entity_name: str = ""
    details: dict[str, Any] = Field(default_factory=dict, sa_type=JSON)


class Letter(Table, table=True):
    """A mail on its way. Written in the same transaction as the change it tells of; sent afterwards."""

    __tablename__ = "letter"
    __table_args__ = (Index(None, "sent_at", "next_try_at"),)

    id: UUID = Field(default_factory=uuid4, primary_key=True)
    key: str = Field(unique=True)
    """What the letter is about; writing it twice sends it once."""
    recipient: str
    subject: str
    body: str = Field(sa_type=Text)
    """Plain text; emptied once it was sent, because links in it open things."""
    written_at: datetime = Field(sa_type=UtcDateTime)
    sent_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    tries: int = 0
    next_try_at: datetime = Field(sa_type=UtcDateTime)
    failure: str | None = None
    """Kind of the last error, without its text."""
