"""The gate in front of every admin page."""

import pytest
from flask import Flask, g
from sqlmodel import Session

from portal.accounts import forms
from portal.accounts.models import Role
from portal.web.admin import guard
from portal.web.admin.guard import safe_path, typed
from portal.web.application import Portal
from portal.web.current import current_language
from tests.web.admin.conftest import PASSWORD, Clock, MakeUser, SignIn
from tests.web.admin.pages import AdminClient


@pytest.mark.parametrize(
    "path", ["/admin/", "/admin", "/admin/people?q=a", "/admin/services/berufs-orientierung"]
)
def test_own_pages_are_safe(path: str) -> None:
    assert safe_path(path) == path


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/",
        "/de/",
        "/administrator",
        "https://evil.example/admin/",
        "//evil.example/admin/",
        "/\\evil.example/admin/",
        "/admin\\@evil.example",
        "javascript:alert(1)",
        "/admin/\r\nSet-Cookie: a=b",
        "\t//evil.example",
        "http:///admin/",
    ],
)
def test_everything_else_is_not(path: str) -> None:
    assert safe_path(path) == ""


def test_secrets_are_never_kept_and_everything_else_is() -> None:
    sent = [
        ("csrf_token", "a"),
        ("form_page", "/admin/"),
        ("password", "b"),
        ("new_password", "c"),
        ("code", "d"),
        ("recovery_code", "e"),
        ("credential", "f"),
        ("postal_code", "38820"),
        ("encoded_name", "x"),
        ("text", "y"),
        ("text", "z"),
    ]
    assert typed(sent) == [["postal_code", "38820"], ["encoded_name", "x"], ["text", "y"], ["text", "z"]]


def test_a_view_that_names_no_permission_is_closed(admin_app: Flask, admin: AdminClient) -> None:
    admin_app.add_url_rule("/admin/forgot-to-say", "forgot", lambda: "nobody may read this")
    answer = admin.get("/admin/forgot-to-say")
    assert answer.status_code == 403
    assert "nobody may read this" not in answer.get_data(as_text=True)


def test_what_was_typed_survives_the_end_of_the_session(
    signed_in: SignIn, a_user: MakeUser, clock: Clock, database: Session
) -> None:
    a_user(Role.ADMINISTRATOR)
    user = a_user(Role.COORDINATOR)
    client = signed_in(user=user)
    clock.later(hours=3)
    answer = client.send("/admin/account", {"name": "Ein neuer Name", "language": "en", "password": "geheim"})
    assert answer.location == "/admin/sign-in"
    kept = forms.kept(database, user.id, "/admin/account")
    assert kept is not None
    assert kept.fields == [["name", "Ein neuer Name"], ["language", "en"]]
    client = signed_in(user=user)
    page = client.page("/admin/account")
    assert page.one("#name")["value"] == "Ein neuer Name"
    assert page.one("#language option[selected]")["value"] == "en"
    client.send("/admin/account", {"name": "Ein neuer Name", "language": "en"})
    database.expire_all()
    assert forms.kept(database, user.id, "/admin/account") is None


def test_a_rewording_survives_too_and_can_be_let_go(
    signed_in: SignIn, a_user: MakeUser, clock: Clock, admin: AdminClient
) -> None:
    user = a_user(Role.COORDINATOR)
    client = signed_in(user=user)
    path = str(client.page("/admin/clearing/texts").all('main a[href^="/admin/clearing/texts/"]')[0]["href"])
    clock.later(hours=3)
    typing = {"HX-Request": "true", "HX-Current-URL": f"http://localhost{path}"}
    beside = client.post("/admin/meter", {"text": "Wer bist"}, headers=typing)
    assert beside.status_code == 204
    assert "HX-Redirect" not in beside.headers, "nobody is torn away while typing"
    client.send(path, {"text": "Wer bist du denn?", "seen": "0"})
    client = signed_in(user=user)
    assert client.page(path).one("textarea[name=text]").text.strip() == "Wer bist du denn?"
    line = client.page("/admin/").one("section[aria-labelledby=kept] li")
    assert line.a.text == "Fragebogen"
    client.send("/admin/keep-form", {"action": "discard", "form_page": path, "back": "/admin/"})
    assert not client.page("/admin/").all("section[aria-labelledby=kept]")


def test_what_a_page_does_not_fill_in_again_can_be_copied(
    signed_in: SignIn, a_user: MakeUser, clock: Clock, admin: AdminClient
) -> None:
    user = a_user(Role.COORDINATOR)
    client = signed_in(user=user)
    path = "/admin/clearing/cases"
    clock.later(hours=3)
    client.send(path, {"title": "Ein langer Fall", "kind": "x"})
    client = signed_in(user=user)
    box = client.page(path).one("section[aria-labelledby=typed]")
    assert box.blockquote.text == "Ein langer Fall"


def test_a_page_about_a_mistake_asks_the_database_for_nothing_typed(
    admin: AdminClient, admin_app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    @guard.open_to_all
    def broken() -> str:
        raise RuntimeError

    admin_app.add_url_rule("/admin/broken", "broken", broken)
    admin_app.config["PROPAGATE_EXCEPTIONS"] = False
    admin_app.testing = False
    monkeypatch.setattr(forms, "kept", lambda *_: pytest.fail("the database was asked"))
    assert admin.page("/admin/broken", status=500).h1
    assert admin.page("/admin/nowhere", status=404).h1


def test_a_stale_form_is_kept_too(signed_in: SignIn, a_user: MakeUser, database: Session) -> None:
    a_user(Role.ADMINISTRATOR)
    user = a_user(Role.COORDINATOR)
    client = signed_in(user=user)
    answer = client.post("/admin/account", {"name": "Noch nicht gesichert", "csrf_token": "stale"})
    page = client.sent(answer, "/admin/account", status=400)
    assert page.one("main a.btn")["href"] == "/admin/account"
    assert client.page("/admin/account").one("#name")["value"] == "Noch nicht gesichert"


def test_htmx_is_sent_to_the_sign_in_as_a_whole(stranger: AdminClient) -> None:
    answer = stranger.get("/admin/people", headers={"HX-Request": "true"})
    assert answer.status_code == 204
    assert answer.headers["HX-Redirect"] == "/admin/sign-in"


@pytest.mark.parametrize(
    ("admin_settings", "role", "forced"),
    [
        ({"second_factor": "administrators"}, Role.ADMINISTRATOR, True),
        ({"second_factor": "administrators"}, Role.COORDINATOR, False),
        ({"second_factor": "everybody"}, Role.COORDINATOR, True),
        ({"second_factor": "everybody"}, Role.READER, True),
        ({"second_factor": "optional"}, Role.ADMINISTRATOR, False),
    ],
    indirect=["admin_settings"],
)
def test_who_has_to_set_up_a_second_factor(
    signed_in: SignIn, admin_portal: Portal, role: Role, forced: bool
) -> None:
    client = signed_in(role, second_factor=False)
    answer = client.get("/admin/")
    assert answer.status_code == (303 if forced else 200)
    assert answer.location == ("/admin/security" if forced else None)
    assert client.get("/admin/account").status_code == (303 if forced else 200)
    page = client.page("/admin/security")
    assert bool(page.all("main > div > [role=alert]")) is forced


def test_dangerous_changes_want_a_fresh_password(admin: AdminClient, clock: Clock) -> None:
    assert admin.get("/admin/account/password").status_code == 200
    clock.later(minutes=16)
    assert admin.get("/admin/account/password").location == "/admin/confirm-password"
    admin.submit("/admin/confirm-password", {"password": "falsch geraten"}, status=422)
    assert admin.get("/admin/account/password").location == "/admin/confirm-password"
    answer = admin.submit("/admin/confirm-password", {"password": PASSWORD})
    assert answer.location == "/admin/account/password"
    assert admin.get("/admin/account/password").status_code == 200


def test_guessing_the_password_in_an_open_session_ends_soon(admin: AdminClient, clock: Clock) -> None:
    clock.later(minutes=16)
    for _ in range(8):
        admin.submit("/admin/confirm-password", {"password": "falsch geraten"}, status=422)
    admin.submit("/admin/confirm-password", {"password": PASSWORD}, status=429)


@pytest.mark.parametrize(
    ("agent", "device"),
    [
        ("Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/143.0 Safari/537.36", "Chrome, Linux"),
        ("Mozilla/5.0 (Linux; Android 15) Chrome/143.0 Mobile Safari/537.36 EdgA/143.0", "Edge, Android"),
        (
            "Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) Version/19.0 Safari/604.1",
            "Safari, iPhone",
        ),
        ("Mozilla/5.0 (Windows NT 10.0; rv:145.0) Gecko/20100101 Firefox/145.0", "Firefox, Windows"),
        ("<script>alert(1)</script>", "?, ?"),
    ],
)
def test_a_session_is_recognised_by_two_words(admin_app: Flask, agent: str, device: str) -> None:
    with admin_app.test_request_context("/admin/", headers={"User-Agent": agent}):
        assert guard.device() == device


@pytest.mark.parametrize(("asked", "language"), [("en-GB", "en"), ("de", "de"), ("fr", "de")])
def test_components_of_the_public_pages_speak_the_language_of_the_page(
    admin_app: Flask, asked: str, language: str
) -> None:
    """They look for it in `g`, on whichever admin page they stand."""
    with admin_app.test_request_context("/admin/sign-in", headers={"Accept-Language": asked}):
        admin_app.preprocess_request()
        assert g.lang == language
        assert current_language().code == language


def test_the_language_of_the_account_wins(signed_in: SignIn, a_user: MakeUser, database: Session) -> None:
    user = a_user("coordinator")
    user.language = "en"
    database.add(user)
    database.commit()
    client = signed_in(user=user)
    with client.client as browser:
        assert browser.get("/admin/", headers={"Accept-Language": "de"}).status_code == 200
        assert g.lang == "en"
