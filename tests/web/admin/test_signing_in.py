"""From outside: password, second step, passkey, links by mail; and what must not work."""

import json
import re
from collections.abc import Callable
from typing import Any

import pyotp
import pytest
from flask import Flask
from sqlalchemy import select
from sqlmodel import Session, col

from portal.accounts import second_factor, users
from portal.accounts.models import AuditEvent, Role, SignIn, TokenPurpose, User
from portal.accounts.second_factor import RelyingParty, Vault
from portal.web import limits
from portal.web.application import Portal
from tests.accounts.authenticator import Authenticator
from tests.web.admin.conftest import PASSWORD, Clock, Mail, MakeUser
from tests.web.admin.conftest import SignIn as SignsIn
from tests.web.admin.pages import AdminClient
from tests.web.conftest import SECRET

Mailbox = Callable[[], list[Mail]]
GOOD = "fünf leise Trommeln am See"
SIGN_IN, STEP = "/admin/sign-in", "/admin/second-factor"


@pytest.fixture
def user(a_user: MakeUser) -> User:
    a_user(Role.ADMINISTRATOR, email="chief@example.org")
    return a_user(Role.COORDINATOR, email="kim@example.org")


@pytest.fixture
def app_secret(user: User, database: Session, clock: Clock) -> str:
    """The user has a code app; its codes from now on are fresh."""
    secret = second_factor.new_secret()
    user.totp_secret = Vault(SECRET).seal(secret)
    database.add(user)
    database.commit()
    return secret


@pytest.fixture
def device(user: User, database: Session, clock: Clock) -> Authenticator:
    """The user has a passkey on it."""
    made = Authenticator()
    party = RelyingParty("localhost", "http://localhost", "Anlauf")
    answer = made.create(second_factor.registration_options(database, user, party, b"x" * 32))
    second_factor.register_passkey(database, user, party, answer, b"x" * 32, name="Phone", now=clock())
    database.commit()
    return made


def code(secret: str, clock: Clock) -> str:
    return pyotp.TOTP(secret).generate_otp(int(clock().timestamp()) // 30)


def give(
    client: AdminClient, password: str = PASSWORD, email: str = "kim@example.org", **options: Any
) -> Any:
    return client.submit(SIGN_IN, {"email": email, "password": password}, **options)


def is_in(client: AdminClient) -> bool:
    return client.get("/admin/").status_code == 200


def cookie_of(client: AdminClient) -> str:
    cookie = client.client.get_cookie("anlauf-admin", path="/admin")
    assert cookie is not None
    return cookie.value


def events(database: Session) -> list[str]:
    database.expire_all()
    return list(database.execute(select(col(AuditEvent.action)).order_by(col(AuditEvent.id))).scalars())


# Password.


def test_in_and_out(stranger: AdminClient, user: User, database: Session) -> None:
    assert stranger.get("/admin/").location == SIGN_IN
    assert give(stranger, email=" KIM@example.org ").location == "/admin/"
    page = stranger.page("/admin/")
    assert user.name in page.soup.get_text()
    assert stranger.get(SIGN_IN).location == "/admin/"
    token = str(page.all('form[action="/admin/sign-out"] input[name="csrf_token"]')[0]["value"])
    assert stranger.post("/admin/sign-out", {"csrf_token": token}).location == SIGN_IN
    assert not is_in(stranger)
    assert events(database) == ["sign_in.done", "sign_in.ended"]


def test_the_cookie_of_before_signing_out_opens_nothing(stranger: AdminClient, user: User) -> None:
    give(stranger)
    kept = cookie_of(stranger)
    token = str(stranger.page("/admin/").all('input[name="csrf_token"]')[0]["value"])
    stranger.post("/admin/sign-out", {"csrf_token": token})
    stranger.client.set_cookie("anlauf-admin", kept, path="/admin")
    assert not is_in(stranger)


def test_every_refusal_looks_the_same(
    admin_app: Flask, user: User, a_user: MakeUser, database: Session, clock: Clock
) -> None:
    a_user(Role.READER, email="invited@example.org", password=False)
    gone = a_user(Role.READER, email="disabled@example.org")
    users.disable(database, gone, now=clock())
    database.commit()
    bodies = set()
    tries = [
        ("kim@example.org", "falsch geraten"),
        ("kim@example.org", PASSWORD.lower()),
        ("nobody@example.org", PASSWORD),
        ("disabled@example.org", PASSWORD),
        ("invited@example.org", PASSWORD),
        ("kim@example.org' OR 1=1 --", PASSWORD),
    ]
    for email, password in tries:
        client = AdminClient(admin_app)
        page = client.sent(give(client, password, email, status=401), SIGN_IN, status=401)
        body = page.response.get_data(as_text=True)
        assert password not in body
        assert not is_in(client)
        for changing in ('name="csrf_token" value="[^"]*"', "X-CSRF-Token[^}]*", 'id="email"[^>]*'):
            body = re.sub(changing, "", body)
        bodies.add(body)
    assert len(bodies) == 1
    assert events(database) == ["sign_in.failed"] * len(tries)


def test_what_was_typed_stays_but_the_password(stranger: AdminClient, user: User) -> None:
    answer = stranger.submit(SIGN_IN, {"email": "kim@example.org", "password": ""}, status=422)
    page = stranger.sent(answer, SIGN_IN, status=422)
    assert page.one("#email")["value"] == "kim@example.org"
    assert page.one("#password")["value"] == ""


def test_lockout_after_ten_wrong_tries_even_for_the_right_password(
    stranger: AdminClient, user: User, mailbox: Mailbox, database: Session
) -> None:
    for _ in range(10):
        give(stranger, "falsch geraten", status=401)
    give(stranger, status=429)
    give(stranger, status=429)
    (letter,) = mailbox()
    assert letter.recipient == "kim@example.org"
    assert letter.link == "/admin/forgotten"
    assert events(database).count("user.locked") == 1


def test_ten_tries_for_an_unknown_address_lock_it_the_same_way_and_write_nobody(
    stranger: AdminClient, user: User, mailbox: Mailbox
) -> None:
    for _ in range(10):
        give(stranger, "falsch geraten", "nobody@example.org", status=401)
    give(stranger, "falsch geraten", "nobody@example.org", status=429)
    assert mailbox() == []


def test_the_lockout_letter_comes_once_per_lockout(
    stranger: AdminClient, admin_app: Flask, user: User, mailbox: Mailbox, clock: Clock
) -> None:
    counters: limits.Limits = admin_app.extensions["limits"]
    for minutes, letters in ((0, 1), (5, 1), (16, 2)):
        clock.later(minutes=minutes)
        counters.clear(limits.SIGN_IN_ACCOUNT, "kim@example.org")
        counters.clear(limits.SIGN_IN_CLIENT, "127.0.0.1")
        for _ in range(10):
            give(stranger, "falsch geraten", status=401)
        assert len(mailbox()) == letters


def test_a_right_password_forgets_the_wrong_ones(admin_app: Flask, user: User) -> None:
    for _ in range(2):
        client = AdminClient(admin_app)
        for _ in range(9):
            give(client, "falsch geraten", status=401)
        give(client)


def test_one_machine_cannot_try_many_accounts(stranger: AdminClient, user: User) -> None:
    for number in range(30):
        give(stranger, "falsch geraten", f"{number}@example.org", status=401)
    give(stranger, status=429)


# Sessions.


def test_signing_in_gives_a_new_token_and_a_new_binding(
    stranger: AdminClient, user: User, database: Session
) -> None:
    """Nothing that somebody planted before is worth anything afterwards (session fixation)."""
    stranger.page(SIGN_IN)
    planted = cookie_of(stranger)
    form_token = str(stranger.page(SIGN_IN).all('main input[name="csrf_token"]')[0]["value"])
    give(stranger)
    assert cookie_of(stranger) != planted
    attacker = AdminClient(stranger.app)
    attacker.client.set_cookie("anlauf-admin", planted, path="/admin")
    assert not is_in(attacker)
    assert stranger.post("/admin/account", {"csrf_token": form_token, "name": "X"}).status_code == 400
    first = database.execute(select(col(SignIn.token_hash))).scalar_one()
    give(AdminClient(stranger.app))
    assert database.execute(
        select(col(SignIn.token_hash)).where(col(SignIn.token_hash) != first)
    ).scalar_one()


def test_a_session_ends_by_itself(stranger: AdminClient, user: User, clock: Clock) -> None:
    give(stranger)
    clock.later(hours=1, minutes=59)
    assert is_in(stranger)
    clock.later(hours=2, minutes=1)
    assert not is_in(stranger)


def test_after_the_sign_in_it_goes_on_where_one_was(stranger: AdminClient, user: User) -> None:
    assert stranger.get("/admin/account?from=mail").location == SIGN_IN
    assert give(stranger).location == "/admin/account?from=mail"


@pytest.mark.parametrize(
    "target",
    ["https://evil.example/", "//evil.example/", "/\\evil.example", "/admin/../de/", "javascript:alert(1)"],
)
def test_nobody_is_sent_elsewhere(stranger: AdminClient, user: User, target: str) -> None:
    stranger.page(SIGN_IN)
    with stranger.client.session_transaction(path="/admin/") as cookie:
        cookie["after"] = target
    location = give(stranger, status=303).location
    assert location == "/admin/" or location.startswith("/admin/../"), location
    answer = AdminClient(stranger.app)
    answer.get(f"/admin/sign-in?next={target}&after={target}")
    assert give(answer).location == "/admin/"


def test_other_sites_cannot_send_the_form(stranger: AdminClient, user: User) -> None:
    answer = stranger.submit(
        SIGN_IN,
        {"email": "kim@example.org", "password": PASSWORD},
        headers={"Sec-Fetch-Site": "cross-site"},
        status=400,
    )
    assert stranger.sent(answer, SIGN_IN, status=400)
    assert stranger.post(SIGN_IN, {"email": "kim@example.org", "password": PASSWORD}).status_code == 400
    assert not is_in(stranger)


# The second step.


def test_password_and_code(
    stranger: AdminClient, user: User, app_secret: str, clock: Clock, database: Session
) -> None:
    assert give(stranger).location == STEP
    assert not is_in(stranger)
    page = stranger.page(STEP)
    assert page.one("#code")["autocomplete"] == "one-time-code"
    assert stranger.submit(STEP, {"code": code(app_secret, clock)}).location == "/admin/"
    assert is_in(stranger)
    assert database.execute(select(col(SignIn.second_factor))).scalar_one() is True


def test_a_code_seen_over_the_shoulder_is_worth_nothing(
    admin_app: Flask, user: User, app_secret: str, clock: Clock
) -> None:
    first, second = AdminClient(admin_app), AdminClient(admin_app)
    shown = code(app_secret, clock)
    give(first)
    first.submit(STEP, {"code": shown})
    give(second)
    second.submit(STEP, {"code": shown}, status=422)
    assert not is_in(second)


def test_the_second_step_needs_the_first(
    stranger: AdminClient, user: User, app_secret: str, clock: Clock
) -> None:
    assert stranger.get(STEP).location == SIGN_IN
    answer = stranger.submit(SIGN_IN, {"code": code(app_secret, clock)}, to=STEP)
    assert answer.location == SIGN_IN
    assert not is_in(stranger)


def test_the_second_step_must_follow_within_ten_minutes(
    stranger: AdminClient, user: User, app_secret: str, clock: Clock
) -> None:
    give(stranger)
    clock.later(minutes=9)
    stranger.page(STEP)
    clock.later(minutes=2)
    assert stranger.get(STEP).location == SIGN_IN


def test_a_password_that_was_changed_meanwhile_opens_no_second_step(
    stranger: AdminClient, user: User, app_secret: str, database: Session, clock: Clock
) -> None:
    give(stranger)
    stranger.page(STEP)
    users.set_password(database, user, GOOD, now=clock())
    database.commit()
    assert stranger.get(STEP).location == SIGN_IN


def test_guessing_codes_ends_soon_and_the_owner_hears_of_it(
    stranger: AdminClient, user: User, app_secret: str, clock: Clock, mailbox: Mailbox
) -> None:
    give(stranger)
    for _ in range(8):
        stranger.submit(STEP, {"recovery_code": "aaaa-bbbb-cccc-dddd"}, status=422)
    stranger.submit(STEP, {"code": code(app_secret, clock)}, status=429)
    give(stranger)
    stranger.submit(STEP, {"code": code(app_secret, clock)}, status=429)
    (letter,) = mailbox()
    assert letter.recipient == "kim@example.org"
    assert not is_in(stranger)


def test_a_recovery_code_opens_once_and_is_told_by_mail(
    admin_app: Flask, user: User, app_secret: str, database: Session, mailbox: Mailbox
) -> None:
    codes = second_factor.renew_recovery_codes(database, user)
    database.commit()
    client = AdminClient(admin_app)
    give(client)
    assert client.submit(STEP, {"recovery_code": codes[3].replace("-", " ")}).location == "/admin/"
    assert is_in(client)
    (letter,) = mailbox()
    assert "9" in letter.body
    again = AdminClient(admin_app)
    give(again)
    again.submit(STEP, {"recovery_code": codes[3]}, status=422)
    assert not is_in(again)


def test_a_changed_key_means_setting_up_again(
    stranger: AdminClient, user: User, database: Session, clock: Clock
) -> None:
    secret = second_factor.new_secret()
    user.totp_secret = Vault("the-key-of-before-0123456789abcdef").seal(secret)
    database.add(user)
    codes = second_factor.renew_recovery_codes(database, user)
    database.commit()
    give(stranger)
    page = stranger.page(STEP)
    assert page.all(".box.wrong")
    assert not page.all("#code")
    stranger.submit(STEP, {"code": code(secret, clock)}, status=422)
    stranger.submit(STEP, {"recovery_code": codes[0]})
    page = stranger.page("/admin/security")
    assert page.all(".box.wrong")
    page = stranger.page("/admin/security/app")
    new = page.one(".secret").get_text().replace(" ", "")
    assert new != secret
    stranger.submit("/admin/security/app", {"code": code(new, clock)})
    assert not stranger.page("/admin/security").all(".box.wrong")


# Passkeys.


def ask(client: AdminClient) -> str:
    token = str(client.page(SIGN_IN).all('main input[name="csrf_token"]')[0]["value"])
    answer = client.post("/admin/passkey/question", headers={"X-CSRF-Token": token})
    assert answer.status_code == 200
    return answer.get_data(as_text=True)


def test_in_with_a_passkey_alone(
    stranger: AdminClient, user: User, device: Authenticator, database: Session
) -> None:
    question = ask(stranger)
    assert json.loads(question)["allowCredentials"] == []
    answer = stranger.submit(SIGN_IN, {"credential": device.get(question)}, to="/admin/passkey")
    assert answer.location == "/admin/"
    assert is_in(stranger)
    assert database.execute(select(col(SignIn.second_factor))).scalar_one() is True


def test_a_passkey_as_second_step(stranger: AdminClient, user: User, device: Authenticator) -> None:
    give(stranger)
    page = stranger.page(STEP)
    token = str(page.all('main input[name="csrf_token"]')[0]["value"])
    question = stranger.post("/admin/passkey/question", headers={"X-CSRF-Token": token}).get_data(
        as_text=True
    )
    assert len(json.loads(question)["allowCredentials"]) == 1
    stranger.submit(STEP, {"credential": device.get(question)}, to="/admin/passkey")
    assert is_in(stranger)


def test_an_answer_is_good_once(
    stranger: AdminClient, user: User, device: Authenticator, admin_app: Flask
) -> None:
    device.counts = False
    answer = device.get(ask(stranger))
    kept = cookie_of(stranger)
    stranger.submit(SIGN_IN, {"credential": answer}, to="/admin/passkey")
    thief = AdminClient(admin_app)
    thief.client.set_cookie("anlauf-admin", kept, path="/admin")
    thief.submit(SIGN_IN, {"credential": answer}, to="/admin/passkey", status=401)
    assert not is_in(thief)


def test_a_question_is_answered_within_ten_minutes(
    stranger: AdminClient, user: User, device: Authenticator, clock: Clock
) -> None:
    answer = device.get(ask(stranger))
    clock.later(minutes=11)
    stranger.submit(SIGN_IN, {"credential": answer}, to="/admin/passkey", status=401)


def test_an_answer_without_a_question_opens_nothing(
    stranger: AdminClient, user: User, device: Authenticator
) -> None:
    question = ask(AdminClient(stranger.app))
    answer = stranger.submit(SIGN_IN, {"credential": device.get(question)}, to="/admin/passkey", status=401)
    page = stranger.sent(answer, SIGN_IN, status=401)
    assert page.all("[role=alert]")
    assert not is_in(stranger)


def test_the_sign_in_page_offers_passkeys_where_there_are_any(stranger: AdminClient) -> None:
    assert stranger.page(SIGN_IN).one("form[data-passkey]").has_attr("hidden")
    at_number = stranger.page(SIGN_IN, base_url="http://127.0.0.1:8000")
    assert not at_number.all("form[data-passkey]")


@pytest.mark.parametrize("admin_settings", [{"base_url": "https://anlauf.example"}], indirect=True)
def test_passkeys_are_for_the_public_address(admin_portal: Portal, stranger: AdminClient) -> None:
    page = stranger.page(SIGN_IN, base_url="https://intern.example")
    token = str(page.all('main input[name="csrf_token"]')[0]["value"])
    answer = stranger.post(
        "/admin/passkey/question", headers={"X-CSRF-Token": token}, base_url="https://intern.example"
    )
    assert json.loads(answer.get_data(as_text=True))["rpId"] == "anlauf.example"
    assert "Secure" in page.response.headers["Set-Cookie"]
    assert "HttpOnly" in page.response.headers["Set-Cookie"]
    assert "Path=/admin" in page.response.headers["Set-Cookie"]


# Forgotten password.


def test_a_forgotten_password(
    stranger: AdminClient, user: User, mailbox: Mailbox, database: Session, signed_in: SignsIn
) -> None:
    elsewhere = signed_in(user=user)
    answer = stranger.submit("/admin/forgotten", {"email": "Kim@example.org"}, status=200)
    assert "kim@example.org" in stranger.sent(answer, "/admin/forgotten", status=200).text
    (letter,) = mailbox()
    assert letter.recipient == "kim@example.org"
    stranger.page(letter.link)
    weak = stranger.submit(letter.link, {"new_password": "kurz"}, status=422)
    assert stranger.sent(weak, letter.link, status=422).all("#new_password-error")
    assert stranger.submit(letter.link, {"new_password": GOOD}).location == SIGN_IN
    assert not is_in(elsewhere)
    give(stranger, PASSWORD, status=401)
    give(stranger, GOOD)
    assert len(mailbox()) == 2
    stranger.page(letter.link, status=410)


def test_nobody_learns_who_has_an_account(
    admin_app: Flask, user: User, a_user: MakeUser, database: Session, clock: Clock, mailbox: Mailbox
) -> None:
    gone = a_user(Role.READER, email="gone@example.org")
    users.disable(database, gone, now=clock())
    database.commit()
    bodies = set()
    for email in ("kim@example.org", "nobody@example.org", "gone@example.org"):
        client = AdminClient(admin_app)
        answer = client.submit("/admin/forgotten", {"email": email}, status=200)
        page = client.sent(answer, "/admin/forgotten", status=200)
        bodies.add(page.text.replace(email, "…"))
    assert len(bodies) == 1
    assert [letter.recipient for letter in mailbox()] == ["kim@example.org"]


def test_a_stranger_cannot_flood_a_mailbox(stranger: AdminClient, user: User, mailbox: Mailbox) -> None:
    for _ in range(9):
        stranger.submit("/admin/forgotten", {"email": "kim@example.org"}, status=200)
    assert len(mailbox()) == 5
    for number in range(11):
        stranger.submit("/admin/forgotten", {"email": f"{number}@example.org"}, status=200)
    stranger.submit("/admin/forgotten", {"email": "last@example.org"}, status=429)


def test_a_new_password_unlocks(stranger: AdminClient, user: User, mailbox: Mailbox) -> None:
    for _ in range(10):
        give(stranger, "falsch geraten", status=401)
    stranger.submit("/admin/forgotten", {"email": "kim@example.org"}, status=200)
    stranger.submit(mailbox()[-1].link, {"new_password": GOOD})
    give(stranger, GOOD)
    assert is_in(stranger)


def test_who_is_invited_and_asks_for_a_password_gets_the_invitation_again(
    stranger: AdminClient, user: User, a_user: MakeUser, mailbox: Mailbox
) -> None:
    a_user(Role.READER, email="new@example.org", password=False)
    stranger.submit("/admin/forgotten", {"email": "new@example.org"}, status=200)
    assert mailbox()[0].link.startswith("/admin/invitation/")


# Invitations.


@pytest.fixture
def invited(a_user: MakeUser, user: User, database: Session, clock: Clock) -> str:
    """Address of the link."""
    who = a_user(Role.EDITOR, email="new@example.org", password=False)
    token = users.issue_token(database, who, TokenPurpose.INVITATION, now=clock())
    database.commit()
    return f"/admin/invitation/{token}"


def test_an_invitation_ends_at_the_second_factor(
    stranger: AdminClient, invited: str, database: Session
) -> None:
    page = stranger.page(invited)
    assert "new@example.org" in page.text
    assert stranger.submit(invited, {"name": "Robin Neu", "new_password": GOOD}).location == "/admin/security"
    assert "Robin Neu" in stranger.page("/admin/security").soup.get_text()
    who = users.user_by_email(database, "new@example.org")
    assert who is not None and who.name == "Robin Neu"
    AdminClient(stranger.app).page(invited, status=410)
    assert events(database) == ["user.joined", "sign_in.done"]


@pytest.mark.parametrize(
    ("data", "field"),
    [
        ({"name": "Robin", "new_password": "zu-klein7"}, "new_password"),
        ({"name": "Robin", "new_password": "passwort1234"}, "new_password"),
        ({"name": "Robin", "new_password": "robin-12345-"}, "new_password"),
        ({"name": " ", "new_password": GOOD}, "name"),
    ],
)
def test_what_is_wrong_stands_at_the_field_and_the_link_still_works(
    stranger: AdminClient, invited: str, data: dict[str, str], field: str
) -> None:
    page = stranger.sent(stranger.submit(invited, data, status=422), invited, status=422)
    assert page.one(f"#{field}")["aria-invalid"] == "true"
    assert data["new_password"] not in page.response.get_data(as_text=True)
    stranger.submit(invited, {"name": "Robin", "new_password": GOOD})


def test_an_invitation_runs_out(stranger: AdminClient, invited: str, clock: Clock) -> None:
    clock.later(days=7)
    page = stranger.page(invited, status=410)
    assert page.all(f'a[href="{SIGN_IN}"]')
    assert stranger.submit(SIGN_IN, {"new_password": GOOD, "name": "R"}, to=invited, status=410)


def test_whoever_opens_an_invitation_in_a_foreign_session_becomes_the_invited(
    signed_in: SignsIn, invited: str, user: User, database: Session
) -> None:
    client = signed_in(user=user)
    client.submit(invited, {"name": "Robin", "new_password": GOOD})
    assert "Robin" in client.page("/admin/account").soup.get_text()
    database.expire_all()
    ended = database.execute(select(col(SignIn.ended_at)).where(col(SignIn.user_id) == user.id)).scalar_one()
    assert ended is not None
