from datetime import datetime, timedelta

import pyotp
import pytest
from sqlalchemy import select
from sqlmodel import Session

from portal.accounts import second_factor, users
from portal.accounts.errors import WrongCode
from portal.accounts.models import RecoveryCode, User
from portal.accounts.second_factor import STEP_SECONDS, Vault
from tests.accounts.conftest import MakeUser

VAULT = Vault("only-for-tests-0123456789abcdef0123456789")


@pytest.fixture
def secret() -> str:
    return second_factor.new_secret()


@pytest.fixture
def user(session: Session, a_user: MakeUser, secret: str, now: datetime) -> User:
    """With a code app whose first code was used a minute ago."""
    made = a_user()
    before = now - timedelta(minutes=1)
    second_factor.set_up_app(session, made, VAULT, secret, code(secret, before), now=before)
    return made


def code(secret: str, at: datetime) -> str:
    """As an app shows it; pyotp counts in UTC."""
    return pyotp.TOTP(secret).generate_otp(int(at.timestamp()) // 30)


def test_codes_agree_with_the_rfc() -> None:
    """RFC 6238 appendix B, SHA-1, cut to six digits."""
    known = pyotp.TOTP("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ")
    assert [known.generate_otp(second // 30) for second in (59, 1111111109, 2000000000)] == [
        "287082", "081804", "279037",
    ]  # fmt: skip


@pytest.mark.parametrize("seconds", [-STEP_SECONDS, 0, STEP_SECONDS])
def test_the_phone_may_be_half_a_minute_off(
    session: Session, user: User, secret: str, now: datetime, seconds: int
) -> None:
    shown = code(secret, now + timedelta(seconds=seconds))
    second_factor.check_app(session, user, VAULT, f" {shown[:3]} {shown[3:]} ", now=now)


@pytest.mark.parametrize("seconds", [-2 * STEP_SECONDS, 2 * STEP_SECONDS])
def test_but_not_more(session: Session, user: User, secret: str, now: datetime, seconds: int) -> None:
    with pytest.raises(WrongCode):
        second_factor.check_app(session, user, VAULT, code(secret, now + timedelta(seconds=seconds)), now=now)


def test_a_code_is_good_for_one_sign_in(session: Session, user: User, secret: str, now: datetime) -> None:
    second_factor.check_app(session, user, VAULT, code(secret, now), now=now)
    session.expire_all()
    with pytest.raises(WrongCode):
        second_factor.check_app(session, user, VAULT, code(secret, now), now=now)
    with pytest.raises(WrongCode):  # an earlier one neither, though its half minute is still within reach
        second_factor.check_app(session, user, VAULT, code(secret, now - timedelta(seconds=30)), now=now)
    second_factor.check_app(session, user, VAULT, code(secret, now + timedelta(seconds=30)), now=now)


def test_the_same_code_at_the_same_moment_lets_one_in(
    session: Session, user: User, secret: str, now: datetime
) -> None:
    shown, before = code(secret, now), user.totp_step
    second_factor.check_app(session, user, VAULT, shown, now=now)
    # The other request has read the row before the first wrote it.
    session.expunge(user)
    user.totp_step = before
    with pytest.raises(WrongCode):
        second_factor.check_app(session, user, VAULT, shown, now=now)


def test_the_code_that_set_the_app_up_opens_nothing(
    session: Session, a_user: MakeUser, secret: str, now: datetime
) -> None:
    user = a_user()
    second_factor.set_up_app(session, user, VAULT, secret, code(secret, now), now=now)
    with pytest.raises(WrongCode):
        second_factor.check_app(session, user, VAULT, code(secret, now), now=now)


@pytest.mark.parametrize("wrong", ["", "000000", "abcdef", "12345", "１２３４５６", "' OR 1=1"])
def test_wrong_codes(session: Session, a_user: MakeUser, secret: str, now: datetime, wrong: str) -> None:
    if wrong == code(secret, now):
        pytest.skip("one in a million")
    user = a_user()
    with pytest.raises(WrongCode):
        second_factor.set_up_app(session, user, VAULT, secret, wrong, now=now)
    assert user.totp_secret is None


def test_the_secret_is_sealed_and_another_key_does_not_open_it(
    session: Session, user: User, secret: str, now: datetime
) -> None:
    other = Vault("another-key-0123456789abcdef0123456789")
    assert user.totp_secret is not None
    assert secret not in user.totp_secret
    assert VAULT.open(user.totp_secret) == secret
    assert other.open(user.totp_secret) is None
    assert second_factor.is_app_readable(user, VAULT)
    assert not second_factor.is_app_readable(user, other)
    with pytest.raises(WrongCode):
        second_factor.check_app(session, user, other, code(secret, now), now=now)


def test_recovery_codes_work_once_each_however_they_are_typed(
    session: Session, user: User, now: datetime
) -> None:
    codes = second_factor.renew_recovery_codes(session, user)
    assert len(set(codes)) == 10
    stored = [row.code_hash for row in session.execute(select(RecoveryCode)).scalars()]
    assert not set(codes) & set(stored)
    second_factor.use_recovery_code(session, user, codes[0].upper().replace("-", " "), now=now)
    assert second_factor.recovery_codes_left(session, user.id) == 9
    with pytest.raises(WrongCode):
        second_factor.use_recovery_code(session, user, codes[0], now=now)
    for wrong in ("", "----", codes[1][:-1], "null"):
        with pytest.raises(WrongCode):
            second_factor.use_recovery_code(session, user, wrong, now=now)


def test_new_codes_replace_the_old_ones(session: Session, user: User, now: datetime) -> None:
    assert second_factor.recovery_codes_mark(session, user.id) == ""
    old = second_factor.renew_recovery_codes(session, user)
    mark = second_factor.recovery_codes_mark(session, user.id)
    new = second_factor.renew_recovery_codes(session, user)
    assert second_factor.recovery_codes_mark(session, user.id) not in ("", mark)
    with pytest.raises(WrongCode):
        second_factor.use_recovery_code(session, user, old[0], now=now)
    second_factor.use_recovery_code(session, user, new[0], now=now)


def test_codes_of_one_open_nothing_of_another(
    session: Session, user: User, a_user: MakeUser, now: datetime
) -> None:
    codes = second_factor.renew_recovery_codes(session, user)
    with pytest.raises(WrongCode):
        second_factor.use_recovery_code(session, a_user("other@example.org"), codes[0], now=now)


def test_with_the_last_factor_the_codes_go(session: Session, user: User) -> None:
    second_factor.renew_recovery_codes(session, user)
    second_factor.remove_app(session, user)
    assert not users.has_second_factor(session, user)
    assert second_factor.recovery_codes_left(session, user.id) == 0
