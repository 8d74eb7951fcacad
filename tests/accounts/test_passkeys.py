import json
from datetime import datetime
from typing import Any

import pytest
from sqlmodel import Session

from portal.accounts import second_factor, users
from portal.accounts.errors import WrongCode
from portal.accounts.models import Passkey, User
from portal.accounts.second_factor import RelyingParty
from tests.accounts.authenticator import Authenticator, b64
from tests.accounts.conftest import MakeUser

PARTY = RelyingParty("localhost", "http://localhost", "Anlauf Tal")


@pytest.fixture
def user(a_user: MakeUser) -> User:
    return a_user()


def register(session: Session, user: User, device: Authenticator, now: datetime, **changes: Any) -> Passkey:
    challenge = second_factor.new_challenge()
    answer = device.create(second_factor.registration_options(session, user, PARTY, challenge), **changes)
    return second_factor.register_passkey(session, user, PARTY, answer, challenge, name="Phone", now=now)


def sign_in(
    session: Session,
    device: Authenticator,
    now: datetime,
    *,
    party: RelyingParty = PARTY,
    **changes: Any,
) -> User:
    challenge = second_factor.new_challenge()
    answer = device.get(second_factor.authentication_options(PARTY, challenge), **changes)
    return second_factor.user_of_passkey(session, party, answer, challenge, now=now)


def test_a_passkey_names_its_user(session: Session, user: User, a_user: MakeUser, now: datetime) -> None:
    a_user("other@example.org")
    device = Authenticator()
    passkey = register(session, user, device, now)
    assert passkey.transports == ["internal"]
    assert users.has_second_factor(session, user)
    assert sign_in(session, device, now).id == user.id
    assert sign_in(session, device, now).id == user.id
    assert passkey.last_used_at == now
    assert passkey.sign_count == 2


def test_what_the_browser_is_asked(session: Session, user: User, now: datetime) -> None:
    device = Authenticator()
    register(session, user, device, now)
    made = json.loads(second_factor.registration_options(session, user, PARTY, b"x" * 32))
    assert made["rp"] == {"id": "localhost", "name": "Anlauf Tal"}
    assert made["user"]["id"] == b64(user.id.bytes)
    assert made["authenticatorSelection"]["userVerification"] == "required"
    assert made["authenticatorSelection"]["residentKey"] == "preferred"
    assert [known["id"] for known in made["excludeCredentials"]] == [b64(device.id)]
    asked = json.loads(second_factor.authentication_options(PARTY, b"x" * 32))
    assert asked["userVerification"] == "required"
    assert asked["allowCredentials"] == []


@pytest.mark.parametrize(
    ("device", "changes"),
    [
        (Authenticator(verifies_user=False), {}),
        (Authenticator(origin="https://localhost.evil.example"), {}),
        (Authenticator(), {"challenge": b64(b"another one")}),
        (Authenticator(), {"type": "webauthn.get"}),
    ],
    ids=["no finger, face or PIN", "another site", "another question", "another purpose"],
)
def test_not_every_answer_makes_a_passkey(
    session: Session, user: User, now: datetime, device: Authenticator, changes: dict[str, str]
) -> None:
    with pytest.raises(WrongCode):
        register(session, user, device, now, **changes)
    assert not users.has_second_factor(session, user)


def test_a_device_is_registered_once(session: Session, user: User, a_user: MakeUser, now: datetime) -> None:
    device = Authenticator()
    register(session, user, device, now)
    with pytest.raises(WrongCode):
        register(session, a_user("other@example.org"), device, now)


@pytest.mark.parametrize(
    ("wrong", "changes"),
    [
        ({"verifies_user": False}, {}),
        ({"origin": "https://localhost.evil.example"}, {}),
        ({"user_handle": b"somebody else"}, {}),
        ({"counter": -1}, {}),
        ({"id": b"unknown"}, {}),
        ({"key": Authenticator().key}, {}),
        ({}, {"challenge": b64(b"another one")}),
        ({}, {"type": "webauthn.create"}),
    ],
    ids=["no PIN", "site", "handle", "counter", "id", "signature", "question", "purpose"],
)
def test_forged_answers_open_nothing(
    session: Session, user: User, now: datetime, wrong: dict[str, Any], changes: dict[str, Any]
) -> None:
    device = Authenticator()
    register(session, user, device, now)
    sign_in(session, device, now)
    for name, value in wrong.items():
        setattr(device, name, value)
    with pytest.raises(WrongCode):
        sign_in(session, device, now, **changes)


def test_an_answer_for_another_portal_opens_nothing(session: Session, user: User, now: datetime) -> None:
    device = Authenticator()
    register(session, user, device, now)
    with pytest.raises(WrongCode):
        sign_in(session, device, now, party=RelyingParty("anlauf.example", "http://localhost", "x"))


def test_a_copied_device_is_noticed(session: Session, user: User, now: datetime) -> None:
    device = Authenticator()
    register(session, user, device, now)
    sign_in(session, device, now)
    device.counter -= 1
    with pytest.raises(WrongCode):
        sign_in(session, device, now)


def test_synchronised_passkeys_do_not_count(session: Session, user: User, now: datetime) -> None:
    device = Authenticator(counts=False)
    register(session, user, device, now)
    for _ in range(2):
        assert sign_in(session, device, now).id == user.id


@pytest.mark.parametrize(
    "answer", ["", "null", "[]", "{}", '{"rawId": 3}', '{"rawId": "AAAA", "response": 1}', "{" * 500]
)
def test_nonsense_is_refused_quietly(session: Session, user: User, now: datetime, answer: str) -> None:
    with pytest.raises(WrongCode):
        second_factor.user_of_passkey(session, PARTY, answer, b"x" * 32, now=now)
    with pytest.raises(WrongCode):
        second_factor.register_passkey(session, user, PARTY, answer, b"x" * 32, name="", now=now)


def test_disabled_and_invited_users_do_not_come_in(
    session: Session, user: User, a_user: MakeUser, now: datetime
) -> None:
    a_user("chief@example.org")
    device = Authenticator()
    register(session, user, device, now)
    users.disable(session, user, now=now)
    with pytest.raises(WrongCode):
        sign_in(session, device, now)
    users.enable(session, user)
    assert sign_in(session, device, now).id == user.id
    user.password_hash = None
    session.flush()
    with pytest.raises(WrongCode):
        sign_in(session, device, now)


def test_what_was_taken_away_opens_nothing(session: Session, user: User, now: datetime) -> None:
    device = Authenticator()
    second_factor.remove_passkey(session, user, register(session, user, device, now))
    with pytest.raises(WrongCode):
        sign_in(session, device, now)
