"""Users, their grants, their sign-ins, and the links that let them in."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import delete, select, update
from sqlmodel import Session, col

from portal.accounts import passwords
from portal.accounts.errors import EmailTaken, LastAdministrator, TokenInvalid, WrongCredentials
from portal.accounts.models import (
    OneTimeToken,
    Passkey,
    RecoveryCode,
    Role,
    RoleGrant,
    SignIn,
    TokenPurpose,
    User,
)
from portal.accounts.permissions import Grant
from portal.accounts.tokens import new_token, token_hash

INVITATION_HOLDS = timedelta(days=7)
RESET_HOLDS = timedelta(hours=1)
IDLE = timedelta(hours=2)
"""A sign-in ends after this long without a page."""
LONGEST = timedelta(hours=12)
"""And after this long in any case."""
SEEN_EVERY = timedelta(minutes=1)
"""So that reading pages does not write all the time."""
KEPT_AFTER_END = timedelta(days=30)


def folded_email(email: str) -> str:
    return email.strip().lower()


def user_by_email(session: Session, email: str) -> User | None:
    return session.execute(select(User).where(col(User.email) == folded_email(email))).scalar_one_or_none()


def all_users(session: Session) -> list[User]:
    return list(session.execute(select(User).order_by(col(User.name), col(User.email))).scalars())


@dataclass(frozen=True, slots=True)
class Listed:
    """A user as a list shows them."""

    user: User
    grants: tuple[Grant, ...]
    has_second_factor: bool


def listed(session: Session) -> list[Listed]:
    """Everybody with roles and second factor, in three queries."""
    rows = session.execute(select(RoleGrant).order_by(col(RoleGrant.granted_at))).scalars()
    grants: dict[UUID, list[Grant]] = {}
    for row in rows:
        grants.setdefault(row.user_id, []).append(Grant(Role(row.role), row.area, row.organization_id))
    with_passkey = set(session.execute(select(col(Passkey.user_id)).distinct()).scalars())
    return [
        Listed(
            user,
            tuple(grants.get(user.id, ())),
            user.totp_secret is not None or user.id in with_passkey,
        )
        for user in all_users(session)
    ]


def may_grant(mine: Iterable[Grant], wanted: Grant, *, county: str) -> bool:
    """Whether somebody with the grants `mine` may give or take away `wanted`: nobody gives more than they have.

    `county` is the area of the organization when the grant is for one.
    """
    area = county if wanted.organization_id is not None else wanted.area
    return any(
        grant.role is Role.ADMINISTRATOR and grant.organization_id is None and area.startswith(grant.area)
        for grant in mine
    )


def may_administer(mine: Iterable[Grant], theirs: Iterable[Grant], *, county: str) -> bool:
    """Whether somebody with the grants `mine` may change the account of somebody with `theirs`."""
    own = tuple(mine)
    return all(may_grant(own, grant, county=county) for grant in theirs)


def grants_of(session: Session, user_id: UUID) -> tuple[Grant, ...]:
    rows = session.execute(
        select(RoleGrant).where(col(RoleGrant.user_id) == user_id).order_by(col(RoleGrant.granted_at))
    ).scalars()
    return tuple(Grant(Role(row.role), row.area, row.organization_id) for row in rows)


def set_grants(session: Session, user: User, grants: Iterable[Grant], *, now: datetime) -> None:
    """Raises LastAdministrator when nobody active would be left who can let others in."""
    wanted = list(dict.fromkeys(grants))
    session.execute(delete(RoleGrant).where(col(RoleGrant.user_id) == user.id))
    session.add_all(
        RoleGrant(
            user_id=user.id,
            role=grant.role.value,
            area=grant.area,
            organization_id=grant.organization_id,
            granted_at=now,
        )
        for grant in wanted
    )
    session.flush()
    _somebody_is_left(session)


def _somebody_is_left(session: Session) -> None:
    administrators = session.execute(
        select(col(User.id))
        .join(RoleGrant, col(RoleGrant.user_id) == col(User.id))
        .where(
            col(RoleGrant.role) == Role.ADMINISTRATOR.value,
            col(RoleGrant.area) == "",
            col(User.disabled_at).is_(None),
        )
        .limit(1)
    ).first()
    anybody = session.execute(select(col(User.id)).limit(1)).first()
    if anybody is not None and administrators is None:
        raise LastAdministrator("no active administrator would be left")


def invite(
    session: Session,
    *,
    email: str,
    name: str,
    grants: Iterable[Grant],
    now: datetime,
    language: str = "de",
) -> tuple[User, str]:
    """Make a user who cannot sign in yet; returns it and the token of the invitation.

    Raises EmailTaken, LastAdministrator (the first one must be an administrator).
    """
    if user_by_email(session, email) is not None:
        raise EmailTaken(folded_email(email))
    user = User(email=folded_email(email), name=name.strip(), language=language, created_at=now)
    session.add(user)
    session.flush()
    set_grants(session, user, grants, now=now)
    return user, issue_token(session, user, TokenPurpose.INVITATION, now=now)


def set_email(session: Session, user: User, email: str) -> str:
    """Sign in with another address from now on; returns the old one. Raises EmailTaken."""
    folded = folded_email(email)
    other = user_by_email(session, folded)
    if other is not None and other.id != user.id:
        raise EmailTaken(folded)
    before, user.email = user.email, folded
    session.add(user)
    session.flush()
    return before


def issue_token(session: Session, user: User, purpose: TokenPurpose, *, now: datetime) -> str:
    """A new link of this purpose; older ones of the same user no longer work."""
    session.execute(
        delete(OneTimeToken).where(
            col(OneTimeToken.user_id) == user.id, col(OneTimeToken.purpose) == purpose.value
        )
    )
    token = new_token()
    holds = INVITATION_HOLDS if purpose is TokenPurpose.INVITATION else RESET_HOLDS
    session.add(
        OneTimeToken(
            user_id=user.id,
            purpose=purpose.value,
            token_hash=token_hash(token),
            created_at=now,
            expires_at=now + holds,
        )
    )
    session.flush()
    return token


def user_of_token(session: Session, token: str, purpose: TokenPurpose, *, now: datetime) -> User:
    """Raises TokenInvalid."""
    return _token(session, token, purpose, now=now)[1]


def _token(
    session: Session, token: str, purpose: TokenPurpose, *, now: datetime
) -> tuple[OneTimeToken, User]:
    found = session.execute(
        select(OneTimeToken, User)
        .join(User, col(User.id) == col(OneTimeToken.user_id))
        .where(
            col(OneTimeToken.token_hash) == token_hash(token),
            col(OneTimeToken.purpose) == purpose.value,
            col(OneTimeToken.used_at).is_(None),
            col(OneTimeToken.expires_at) > now,
            col(User.disabled_at).is_(None),
        )
    ).first()
    if found is None:
        raise TokenInvalid(purpose.value)
    return found[0], found[1]


def set_password_by_token(
    session: Session, token: str, purpose: TokenPurpose, password: str, *, now: datetime
) -> User:
    """Accept an invitation or reset a password: the link is used up and every sign-in of the user ends.

    Raises TokenInvalid, WeakPassword.
    """
    link, user = _token(session, token, purpose, now=now)
    passwords.check(password, personal=(user.email, user.name))
    link.used_at = now
    session.add(link)
    set_password(session, user, password, now=now)
    return user


def set_password(
    session: Session, user: User, password: str, *, now: datetime, keep: UUID | None = None
) -> None:
    """Every other sign-in than `keep` ends. Raises WeakPassword."""
    passwords.check(password, personal=(user.email, user.name))
    user.password_hash = passwords.hashed(password)
    session.add(user)
    end_sign_ins(session, user.id, now=now, keep=keep)


def authenticate(session: Session, email: str, password: str) -> User:
    """The user with this password, still without the second factor.

    Raises WrongCredentials, after the same time whatever was wrong.
    """
    user = user_by_email(session, email)
    usable = user is not None and user.disabled_at is None
    fits = passwords.verify(user.password_hash if user else None, password)
    if user is None or not usable or not fits:
        raise WrongCredentials
    if user.password_hash and passwords.needs_new_hash(user.password_hash):
        user.password_hash = passwords.hashed(password)
        session.add(user)
    return user


def has_second_factor(session: Session, user: User) -> bool:
    return user.totp_secret is not None or bool(passkeys_of(session, user.id))


def passkeys_of(session: Session, user_id: UUID) -> list[Passkey]:
    return list(
        session.execute(
            select(Passkey).where(col(Passkey.user_id) == user_id).order_by(col(Passkey.created_at))
        ).scalars()
    )


def remove_second_factors(session: Session, user: User, *, now: datetime) -> None:
    """For somebody who lost phone and codes; every sign-in ends."""
    user.totp_secret = None
    user.totp_step = None
    session.add(user)
    session.execute(delete(Passkey).where(col(Passkey.user_id) == user.id))
    session.execute(delete(RecoveryCode).where(col(RecoveryCode.user_id) == user.id))
    end_sign_ins(session, user.id, now=now)


def disable(session: Session, user: User, *, now: datetime) -> None:
    """Nobody signs in with this account any more; history and log go on naming it.

    Raises LastAdministrator.
    """
    user.disabled_at = now
    session.add(user)
    session.flush()
    _somebody_is_left(session)
    end_sign_ins(session, user.id, now=now)
    session.execute(delete(OneTimeToken).where(col(OneTimeToken.user_id) == user.id))


def enable(session: Session, user: User) -> None:
    user.disabled_at = None
    session.add(user)


# Sign-ins.


def start_sign_in(
    session: Session, user: User, *, device: str, second_factor: bool, now: datetime
) -> tuple[SignIn, str]:
    """A new one with a new token each time, so that no earlier cookie becomes valid by it."""
    _forget_old_sign_ins(session, now=now)
    token = new_token()
    sign_in = SignIn(
        user_id=user.id,
        token_hash=token_hash(token),
        device=device[:80],
        second_factor=second_factor,
        started_at=now,
        seen_at=now,
        confirmed_at=now,
    )
    user.last_sign_in_at = now
    session.add_all([sign_in, user])
    session.flush()
    return sign_in, token


def active_sign_in(session: Session, token: str, *, now: datetime) -> tuple[SignIn, User] | None:
    found = sign_in_of(session, token)
    if found is None:
        return None
    sign_in, user = found
    over = (
        sign_in.ended_at is not None
        or now - sign_in.seen_at > IDLE
        or now - sign_in.started_at > LONGEST
        or user.disabled_at is not None
    )
    return None if over else (sign_in, user)


def sign_in_of(session: Session, token: str) -> tuple[SignIn, User] | None:
    """Also one that has ended."""
    found = session.execute(
        select(SignIn, User)
        .join(User, col(User.id) == col(SignIn.user_id))
        .where(col(SignIn.token_hash) == token_hash(token))
    ).first()
    return (found[0], found[1]) if found else None


def seen(session: Session, sign_in: SignIn, *, now: datetime) -> bool:
    """Note that a page was asked for; True when something was written."""
    if now - sign_in.seen_at < SEEN_EVERY:
        return False
    sign_in.seen_at = now
    session.add(sign_in)
    return True


def sign_ins_of(session: Session, user_id: UUID, *, now: datetime) -> list[SignIn]:
    """Those that are still open, the last used first."""
    return list(
        session.execute(
            select(SignIn)
            .where(
                col(SignIn.user_id) == user_id,
                col(SignIn.ended_at).is_(None),
                col(SignIn.seen_at) > now - IDLE,
                col(SignIn.started_at) > now - LONGEST,
            )
            .order_by(col(SignIn.seen_at).desc())
        ).scalars()
    )


def end_sign_ins(
    session: Session, user_id: UUID, *, now: datetime, keep: UUID | None = None, only: UUID | None = None
) -> int:
    """End all, all but `keep`, or `only` one; returns how many."""
    statement = update(SignIn).where(col(SignIn.user_id) == user_id, col(SignIn.ended_at).is_(None))
    if keep is not None:
        statement = statement.where(col(SignIn.id) != keep)
    if only is not None:
        statement = statement.where(col(SignIn.id) == only)
    done = session.execute(statement.values(ended_at=now))
    return int(done.rowcount)  # type: ignore[attr-defined]


def _forget_old_sign_ins(session: Session, *, now: datetime) -> None:
    session.execute(delete(SignIn).where(col(SignIn.seen_at) < now - KEPT_AFTER_END))
