"""The own account: name, password, sessions, second factors."""

from collections.abc import Callable

import pyotp
import pytest
from sqlalchemy import select
from sqlmodel import Session

from portal.accounts import passwords, second_factor, users
from portal.accounts.models import AuditEvent, Passkey, Role, User
from portal.web.application import Portal
from tests.accounts.authenticator import Authenticator
from tests.web.admin.conftest import Clock, Mail, MakeUser, SignIn
from tests.web.admin.pages import AdminClient

Mailbox = Callable[[], list[Mail]]
GOOD = "fünf leise Trommeln am See"
APP, KEYS, CODES, SECURITY = (
    "/admin/security/app",
    "/admin/security/passkey",
    "/admin/security/codes",
    "/admin/security",
)


@pytest.fixture
def user(a_user: MakeUser) -> User:
    a_user(Role.ADMINISTRATOR, email="chief@example.org")
    return a_user(Role.COORDINATOR, email="kim@example.org")


@pytest.fixture
def kim(user: User, signed_in: SignIn) -> AdminClient:
    return signed_in(user=user, second_factor=False)


def code(secret: str, clock: Clock) -> str:
    return pyotp.TOTP(secret).generate_otp(int(clock().timestamp()) // 30)


def set_up_app(client: AdminClient, clock: Clock) -> str:
    secret = client.page(APP).one(".secret").get_text().replace(" ", "")
    client.submit(APP, {"code": code(secret, clock)})
    return secret


def add_passkey(client: AdminClient, device: Authenticator, name: str = "Phone") -> None:
    question = client.send(f"{KEYS}/question")
    assert question.content_type == "application/json"
    answer = client.send(KEYS, {"credential": device.create(question.get_data(as_text=True)), "name": name})
    assert answer.status_code == 303, answer.get_data(as_text=True)


def reread(database: Session, user: User) -> User:
    database.expire_all()
    found = database.get(User, user.id)
    assert found is not None
    return found


# Name, language, password, sessions.


def test_name_and_language(kim: AdminClient, user: User, database: Session) -> None:
    assert kim.page("/admin/account").one("#name")["value"] == user.name
    kim.submit("/admin/account", {"name": "  Kim <b>Neu</b> ", "language": "en"})
    assert reread(database, user).name == "Kim <b>Neu</b>"
    page = kim.page("/admin/account")
    assert page.h1 == "My account"
    assert not page.all("b")


@pytest.mark.parametrize(
    ("data", "field"),
    [
        ({"name": " ", "language": "de"}, "name"),
        ({"name": "x" * 121, "language": "de"}, "name"),
        ({"name": "Kim", "language": "tlh"}, "language"),
    ],
)
def test_what_is_wrong_stands_at_the_field(
    kim: AdminClient, user: User, database: Session, data: dict[str, str], field: str
) -> None:
    page = kim.sent(kim.submit("/admin/account", data, status=422), "/admin/account", status=422)
    assert page.one(f"#{field}")["aria-invalid"] == "true"
    assert reread(database, user).language == "de"


def test_a_new_password_ends_the_other_sessions_and_is_told_by_mail(
    kim: AdminClient, user: User, signed_in: SignIn, database: Session, mailbox: Mailbox
) -> None:
    elsewhere = signed_in(user=user)
    kim.submit("/admin/account/password", {"new_password": "kurz"}, status=422)
    assert kim.submit("/admin/account/password", {"new_password": GOOD}).location == "/admin/account"
    assert kim.get("/admin/").status_code == 200
    assert elsewhere.get("/admin/").status_code == 303
    assert passwords.verify(reread(database, user).password_hash, GOOD)
    (letter,) = mailbox()
    assert letter.recipient == "kim@example.org"
    assert GOOD not in letter.body


def test_sessions_are_listed_and_ended(kim: AdminClient, user: User, signed_in: SignIn) -> None:
    others = [signed_in(user=user), signed_in(user=user)]
    page = kim.page("/admin/account")
    assert len(page.all("table tbody tr")) == 3
    ids = [str(field["value"]) for field in page.all('input[name="session"]')]
    assert len(ids) == 2
    kim.submit("/admin/account", {"session": ids[0]}, to="/admin/account/sessions")
    assert sorted(client.get("/admin/").status_code for client in others) == [200, 303]
    kim.submit("/admin/account", to="/admin/account/sessions")
    assert [client.get("/admin/").status_code for client in others] == [303, 303]
    assert len(kim.page("/admin/account").all("table tbody tr")) == 1


def test_nobody_ends_the_sessions_of_others(
    kim: AdminClient, a_user: MakeUser, signed_in: SignIn, database: Session, clock: Clock
) -> None:
    other = a_user(Role.READER, email="other@example.org")
    victim = signed_in(user=other)
    (sign_in,) = users.sign_ins_of(database, other.id, now=clock())
    kim.send("/admin/account/sessions", {"session": str(sign_in.id)})
    kim.send("/admin/account/sessions", {"session": "no id"})
    kim.send("/admin/account/sessions")
    assert victim.get("/admin/account").status_code == 200


# The code app.


def test_setting_up_an_app(
    kim: AdminClient, user: User, signed_in: SignIn, database: Session, clock: Clock, mailbox: Mailbox
) -> None:
    elsewhere = signed_in(user=user, second_factor=False)
    page = kim.page(APP)
    secret = page.one(".secret").get_text().replace(" ", "")
    assert f"secret={secret}" in str(page.one('main a[href^="otpauth:"]')["href"])
    assert page.one(".qrbox svg").find("path") is not None
    again = kim.sent(kim.submit(APP, {"code": "000000"}, status=422), APP, status=422)
    assert again.one(".secret").get_text().replace(" ", "") == secret
    assert again.one("#code")["aria-invalid"] == "true"
    assert kim.submit(APP, {"code": code(secret, clock)}).location == CODES
    assert secret not in (reread(database, user).totp_secret or "")
    # The running session counts as one with a second factor; the others began without.
    (sign_in,) = users.sign_ins_of(database, user.id, now=clock())
    assert sign_in.second_factor
    assert elsewhere.get("/admin/").status_code == 303
    (letter,) = mailbox()
    assert letter.recipient == "kim@example.org"
    assert secret not in letter.body


def test_the_cookie_does_not_tell_the_secret(kim: AdminClient) -> None:
    secret = kim.page(APP).one(".secret").get_text().replace(" ", "")
    with kim.client.session_transaction(path="/admin/") as cookie:
        assert secret not in str(dict(cookie))
        assert "app_secret" in cookie


def test_a_secret_begun_in_another_account_is_not_taken_over(
    kim: AdminClient, a_user: MakeUser, signed_in: SignIn
) -> None:
    kim.page(APP)
    with kim.client.session_transaction(path="/admin/") as cookie:
        planted = cookie["app_secret"]
    secret = kim.page(APP).one(".secret").get_text()
    other = signed_in(Role.READER)
    with other.client.session_transaction(path="/admin/") as cookie:
        cookie["app_secret"] = planted
    assert other.page(APP).one(".secret").get_text() != secret


def test_taking_the_app_away(
    kim: AdminClient, user: User, database: Session, clock: Clock, mailbox: Mailbox
) -> None:
    set_up_app(kim, clock)
    kim.submit(CODES, {"mark": ""}, status=200)
    assert kim.submit(SECURITY, to=f"{APP}/remove").location == SECURITY
    assert reread(database, user).totp_secret is None
    assert second_factor.recovery_codes_left(database, user.id) == 0
    assert len(mailbox()) == 3


@pytest.mark.parametrize("admin_settings", [{"second_factor": "everybody"}], indirect=True)
def test_the_only_factor_stays_where_one_is_needed(
    admin_portal: Portal, kim: AdminClient, user: User, database: Session, clock: Clock
) -> None:
    assert kim.get("/admin/").location == SECURITY
    set_up_app(kim, clock)
    assert kim.get("/admin/").status_code == 200
    kim.submit(SECURITY, to=f"{APP}/remove")
    assert kim.page(SECURITY).all(".box.wrong")
    assert reread(database, user).totp_secret is not None
    device = Authenticator()
    add_passkey(kim, device)
    kim.submit(SECURITY, to=f"{APP}/remove")
    assert reread(database, user).totp_secret is None
    (passkey,) = users.passkeys_of(database, user.id)
    kim.submit(SECURITY, {"remove": "1"}, to=f"{KEYS}/{passkey.id}")
    assert len(users.passkeys_of(database, user.id)) == 1


def test_who_came_in_by_password_only_adds_no_factor_to_those_there_are(
    kim: AdminClient, user: User, database: Session
) -> None:
    """Otherwise a stolen password would be enough to get past the second factor."""
    user.totp_secret = "sealed elsewhere"
    database.add(user)
    database.commit()
    assert kim.get(APP).status_code == 403
    assert kim.send(KEYS).status_code == 403
    assert kim.send(f"{KEYS}/question").status_code == 403


def test_guessing_codes_at_the_set_up_ends_soon(kim: AdminClient) -> None:
    for _ in range(8):
        kim.submit(APP, {"code": "12"}, status=422)
    kim.submit(APP, {"code": "12"}, status=429)


# Passkeys.


def test_passkeys_are_added_renamed_and_taken_away(
    kim: AdminClient, user: User, database: Session, mailbox: Mailbox
) -> None:
    kim.page(KEYS)
    device = Authenticator()
    add_passkey(kim, device, "  <i>Telefon</i> ")
    (passkey,) = users.passkeys_of(database, user.id)
    assert passkey.name == "<i>Telefon</i>"
    page = kim.page(SECURITY)
    assert not page.all("i")
    kim.submit(SECURITY, {"name": "Laptop"}, to=f"{KEYS}/{passkey.id}")
    assert kim.page(SECURITY).one(f"#name-{passkey.id}")["value"] == "Laptop"
    kim.submit(SECURITY, {"remove": "1"}, to=f"{KEYS}/{passkey.id}")
    database.expire_all()
    assert users.passkeys_of(database, user.id) == []
    assert [letter.recipient for letter in mailbox()] == ["kim@example.org"] * 2


def test_a_device_is_not_added_twice(kim: AdminClient, user: User, database: Session) -> None:
    device = Authenticator()
    add_passkey(kim, device)
    question = kim.send(f"{KEYS}/question").get_data(as_text=True)
    answer = kim.send(KEYS, {"credential": device.create(question), "name": "Twice"})
    page = kim.sent(answer, KEYS, status=422)
    assert page.one("#name")["value"] == "Twice"
    assert page.all(".box.wrong")


def test_a_question_for_signing_in_makes_no_passkey(kim: AdminClient, user: User, database: Session) -> None:
    question = kim.send("/admin/passkey/question")
    made = kim.send(f"{KEYS}/question").get_data(as_text=True)
    kim.send("/admin/passkey/question")
    assert question.status_code == 200
    answer = kim.send(KEYS, {"credential": Authenticator().create(made), "name": "x"})
    assert answer.status_code == 422
    assert users.passkeys_of(database, user.id) == []


def test_passkeys_of_others_are_not_there(
    kim: AdminClient, a_user: MakeUser, signed_in: SignIn, database: Session
) -> None:
    other = a_user(Role.READER, email="other@example.org")
    add_passkey(signed_in(user=other), Authenticator())
    (passkey,) = users.passkeys_of(database, other.id)
    assert kim.send(f"{KEYS}/{passkey.id}", {"remove": "1"}).status_code == 404
    assert kim.send(f"{KEYS}/{passkey.id}", {"name": "mine"}).status_code == 404
    database.expire_all()
    found = database.execute(select(Passkey)).scalar_one()
    assert found.name == "Phone"


def test_confirming_with_a_passkey(kim: AdminClient, user: User, signed_in: SignIn, clock: Clock) -> None:
    mine, foreign = Authenticator(), Authenticator()
    add_passkey(kim, mine)
    add_passkey(signed_in(Role.READER), foreign)
    clock.later(minutes=16)
    assert kim.get("/admin/account/password").location == "/admin/confirm-password"
    assert kim.page("/admin/confirm-password").all("form[data-passkey]")
    for device, status in ((foreign, 422), (mine, 303)):
        question = kim.send("/admin/passkey/question").get_data(as_text=True)
        answer = kim.send("/admin/confirm-password", {"credential": device.get(question)})
        assert answer.status_code == status
    assert kim.get("/admin/account/password").status_code == 200


# Recovery codes.


def test_codes_are_shown_once(kim: AdminClient, user: User, database: Session, clock: Clock) -> None:
    assert kim.get(CODES).location == SECURITY
    set_up_app(kim, clock)
    page = kim.sent(kim.submit(CODES, {"mark": ""}, status=200), CODES)
    shown = [tag.get_text() for tag in page.all(".codes code")]
    assert len(shown) == 10
    # Sent once more (reload), the page makes no other ones.
    assert kim.send(CODES, {"mark": ""}).location == CODES
    second_factor.use_recovery_code(database, user, shown[0], now=clock())
    database.commit()
    page = kim.page(CODES)
    assert not page.all(".codes")
    assert "9" in page.text
    mark = str(page.one('input[name="mark"]')["value"])
    renewed = kim.sent(kim.submit(CODES, {"mark": mark}, status=200), CODES)
    assert {tag.get_text() for tag in renewed.all(".codes code")}.isdisjoint(shown)


def test_everything_is_in_the_log_without_secrets(kim: AdminClient, database: Session, clock: Clock) -> None:
    secret = set_up_app(kim, clock)
    page = kim.sent(kim.submit(CODES, {"mark": ""}, status=200), CODES)
    shown = page.all(".codes code")[0].get_text()
    kim.submit("/admin/account/password", {"new_password": GOOD})
    events = list(database.execute(select(AuditEvent)).scalars())
    assert {event.action for event in events} == {
        "account.app_added",
        "account.codes_renewed",
        "account.password_changed",
    }
    for event in events:
        assert event.actor_name
        assert not {secret, shown, GOOD} & set(map(str, event.details.values()))
