from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from sqlalchemy import select
from sqlmodel import Session

from portal.accounts import passwords, users
from portal.accounts.errors import EmailTaken, LastAdministrator, TokenInvalid, WeakPassword, WrongCredentials
from portal.accounts.models import OneTimeToken, Role, SignIn, TokenPurpose, User
from portal.accounts.permissions import Grant
from tests.accounts.conftest import MakeUser

GOOD = "vier bunte Socken im Wind"
CHIEF = [Grant(Role.ADMINISTRATOR)]


def test_an_invitation_is_accepted_once(session: Session, now: datetime) -> None:
    user, token = users.invite(session, email=" Kim@Example.org ", name="Kim", grants=CHIEF, now=now)
    assert user.email == "kim@example.org"
    with pytest.raises(WrongCredentials):
        users.authenticate(session, "kim@example.org", "")
    users.set_password_by_token(session, token, TokenPurpose.INVITATION, GOOD, now=now)
    assert users.authenticate(session, "KIM@example.org", GOOD).id == user.id
    with pytest.raises(TokenInvalid):
        users.set_password_by_token(session, token, TokenPurpose.INVITATION, GOOD, now=now)


def test_the_database_keeps_no_token(session: Session, now: datetime) -> None:
    _user, token = users.invite(session, email="kim@example.org", name="Kim", grants=CHIEF, now=now)
    (row,) = session.execute(select(OneTimeToken)).scalars()
    assert token not in row.token_hash
    with pytest.raises(TokenInvalid):
        users.user_of_token(session, row.token_hash, TokenPurpose.INVITATION, now=now)


@pytest.mark.parametrize(
    ("purpose", "holds"),
    [(TokenPurpose.INVITATION, timedelta(days=7)), (TokenPurpose.RESET, timedelta(hours=1))],
)
def test_links_run_out(
    session: Session, now: datetime, a_user: MakeUser, purpose: TokenPurpose, holds: timedelta
) -> None:
    user = a_user()
    token = users.issue_token(session, user, purpose, now=now)
    almost = now + holds - timedelta(seconds=1)
    assert users.user_of_token(session, token, purpose, now=almost).id == user.id
    with pytest.raises(TokenInvalid):
        users.user_of_token(session, token, purpose, now=now + holds)


def test_a_link_is_for_one_purpose_and_the_newest_counts(
    session: Session, now: datetime, a_user: MakeUser
) -> None:
    user = a_user()
    first = users.issue_token(session, user, TokenPurpose.RESET, now=now)
    second = users.issue_token(session, user, TokenPurpose.RESET, now=now)
    with pytest.raises(TokenInvalid):
        users.user_of_token(session, first, TokenPurpose.RESET, now=now)
    with pytest.raises(TokenInvalid):
        users.user_of_token(session, second, TokenPurpose.INVITATION, now=now)
    assert users.user_of_token(session, second, TokenPurpose.RESET, now=now).id == user.id


def test_a_weak_password_does_not_use_up_the_link(session: Session, now: datetime, a_user: MakeUser) -> None:
    token = users.issue_token(session, a_user(), TokenPurpose.RESET, now=now)
    with pytest.raises(WeakPassword):
        users.set_password_by_token(session, token, TokenPurpose.RESET, "kurz", now=now)
    users.set_password_by_token(session, token, TokenPurpose.RESET, GOOD, now=now)


def test_a_new_password_ends_every_session_but_the_one_that_set_it(
    session: Session, now: datetime, a_user: MakeUser
) -> None:
    user = a_user()
    here, token = users.start_sign_in(session, user, device="a", second_factor=True, now=now)
    _there, other = users.start_sign_in(session, user, device="b", second_factor=True, now=now)
    users.set_password(session, user, GOOD, now=now, keep=here.id)
    session.expire_all()
    assert users.active_sign_in(session, token, now=now) is not None
    assert users.active_sign_in(session, other, now=now) is None


def test_a_sign_in_ends_when_idle_and_after_a_day_of_work(
    session: Session, now: datetime, a_user: MakeUser
) -> None:
    sign_in, token = users.start_sign_in(session, a_user(), device="", second_factor=True, now=now)
    assert users.active_sign_in(session, token, now=now + users.IDLE) is not None
    assert users.active_sign_in(session, token, now=now + users.IDLE + timedelta(seconds=1)) is None
    moment = now
    while moment - now <= users.LONGEST:
        users.seen(session, sign_in, now=moment)
        assert users.active_sign_in(session, token, now=moment) is not None
        moment += timedelta(hours=1)
    assert users.active_sign_in(session, token, now=moment) is None


def test_the_database_keeps_no_sign_in_token(session: Session, now: datetime, a_user: MakeUser) -> None:
    sign_in, token = users.start_sign_in(session, a_user(), device="", second_factor=True, now=now)
    assert token not in sign_in.token_hash
    assert users.active_sign_in(session, sign_in.token_hash, now=now) is None


def test_old_sign_ins_are_forgotten(session: Session, now: datetime, a_user: MakeUser) -> None:
    user = a_user()
    users.start_sign_in(session, user, device="", second_factor=True, now=now - timedelta(days=31))
    users.start_sign_in(session, user, device="", second_factor=True, now=now)
    assert len(list(session.execute(select(SignIn)).scalars())) == 1


def test_a_disabled_user_is_out_at_once(session: Session, now: datetime, a_user: MakeUser) -> None:
    a_user("chief@example.org")
    user = a_user(role=Role.READER)
    users.set_password(session, user, GOOD, now=now)
    _sign_in, token = users.start_sign_in(session, user, device="", second_factor=True, now=now)
    link = users.issue_token(session, user, TokenPurpose.RESET, now=now)
    users.disable(session, user, now=now)
    session.expire_all()
    assert users.active_sign_in(session, token, now=now) is None
    with pytest.raises(WrongCredentials):
        users.authenticate(session, user.email, GOOD)
    with pytest.raises(TokenInvalid):
        users.user_of_token(session, link, TokenPurpose.RESET, now=now)
    users.enable(session, user)
    assert users.authenticate(session, user.email, GOOD).id == user.id


def _disable(session: Session, user: User, now: datetime) -> None:
    users.disable(session, user, now=now)


def _demote(session: Session, user: User, now: datetime) -> None:
    users.set_grants(session, user, [Grant(Role.READER)], now=now)


def _limit(session: Session, user: User, now: datetime) -> None:
    users.set_grants(session, user, [Grant(Role.ADMINISTRATOR, "15987")], now=now)


@pytest.mark.parametrize("change", [_disable, _demote, _limit])
def test_somebody_is_left_who_can_let_others_in(
    session: Session,
    now: datetime,
    a_user: MakeUser,
    change: Callable[[Session, User, datetime], None],
) -> None:
    user = a_user()
    session.commit()
    with pytest.raises(LastAdministrator):
        change(session, user, now)
    session.rollback()
    a_user("second@example.org")
    change(session, user, now)


def test_the_first_one_is_an_administrator(session: Session, now: datetime) -> None:
    with pytest.raises(LastAdministrator):
        users.invite(session, email="a@example.org", name="A", grants=[Grant(Role.COORDINATOR)], now=now)


def test_an_address_belongs_to_one_user(session: Session, now: datetime, a_user: MakeUser) -> None:
    user = a_user()
    other = a_user("other@example.org", Role.READER)
    with pytest.raises(EmailTaken):
        users.invite(session, email="KIM@example.org", name="K", grants=CHIEF, now=now)
    with pytest.raises(EmailTaken):
        users.set_email(session, other, "Kim@example.org")
    assert users.set_email(session, user, "New@Example.org") == "kim@example.org"
    assert user.email == "new@example.org"
    assert users.set_email(session, user, "new@example.org") == "new@example.org"


def test_a_hash_of_weaker_days_is_renewed_at_the_sign_in(
    session: Session, now: datetime, a_user: MakeUser, monkeypatch: pytest.MonkeyPatch
) -> None:
    from argon2 import PasswordHasher

    user = a_user()
    user.password_hash = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(GOOD)
    before = user.password_hash
    users.authenticate(session, user.email, GOOD)
    assert user.password_hash != before
    assert not passwords.needs_new_hash(user.password_hash)


def test_each_try_costs_one_hash_whatever_is_wrong(
    session: Session, now: datetime, a_user: MakeUser, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The time a refusal takes is that of one Argon2 check, so it tells nothing about the account."""
    a_user("chief@example.org")
    known = a_user("known@example.org", Role.READER)
    known.password_hash = passwords.hashed(GOOD)
    disabled = a_user("disabled@example.org", Role.READER)
    disabled.password_hash, disabled.disabled_at = known.password_hash, now
    invited = a_user("invited@example.org", Role.READER)
    invited.password_hash = None
    session.flush()
    passwords.verify(None, "warm")
    checked: list[str] = []
    real = passwords._hasher

    class Counting:
        def verify(self, stored: str, password: str) -> bool:
            checked.append(stored.split("$")[3])
            return real.verify(stored, password)

        def __getattr__(self, name: str) -> object:
            return getattr(real, name)

    monkeypatch.setattr(passwords, "_hasher", Counting())
    for email, password in (
        ("known@example.org", "falsch geraten"),
        ("disabled@example.org", GOOD),
        ("invited@example.org", GOOD),
        ("nobody@example.org", GOOD),
    ):
        checked.clear()
        with pytest.raises(WrongCredentials):
            users.authenticate(session, email, password)
        assert len(checked) == 1, email
        assert checked[0] == f"m={real.memory_cost},t={real.time_cost},p={real.parallelism}", email


COUNTY = "15987"


@pytest.mark.parametrize(
    ("mine", "wanted", "may"),
    [
        (Grant(Role.ADMINISTRATOR), Grant(Role.ADMINISTRATOR), True),
        (Grant(Role.ADMINISTRATOR, "15987"), Grant(Role.ADMINISTRATOR), False),
        (Grant(Role.ADMINISTRATOR, "15987"), Grant(Role.COORDINATOR, "15987015"), True),
        (Grant(Role.ADMINISTRATOR, "15987"), Grant(Role.COORDINATOR, "15986"), False),
        (Grant(Role.ADMINISTRATOR, "15987015"), Grant(Role.COORDINATOR, "15987"), False),
        (Grant(Role.COORDINATOR), Grant(Role.READER), False),
    ],
)
def test_nobody_gives_more_than_they_have(mine: Grant, wanted: Grant, may: bool) -> None:
    assert users.may_grant([mine], wanted, county=COUNTY) is may
    assert users.may_administer([mine], [wanted], county=COUNTY) is may


def test_the_list_knows_roles_and_second_factors(session: Session, now: datetime, a_user: MakeUser) -> None:
    chief = a_user()
    chief.totp_secret = "sealed"
    a_user("reader@example.org", Role.READER, "15987")
    session.flush()
    found = {one.user.email: (one.grants, one.has_second_factor) for one in users.listed(session)}
    assert found == {
        "kim@example.org": ((Grant(Role.ADMINISTRATOR),), True),
        "reader@example.org": ((Grant(Role.READER, "15987"),), False),
    }
