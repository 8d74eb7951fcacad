"""Cookies, caches, headers and forms: what a frightened person relies on without knowing it."""

import re
from datetime import timedelta

import pytest
from flask import Flask

from portal.web.application import build
from tests.web.conftest import NOW
from tests.web.pages import PageClient
from tests.web.walking import answer, walk

PUBLIC = (
    "/de/",
    "/de/offers",
    "/de/help-now",
    "/de/topics",
    "/de/about",
    "/de/privacy",
    "/de/imprint",
    "/de/accessibility",
)


@pytest.mark.parametrize("path", [*PUBLIC, "/de/check", "/de/check/who"])
def test_looking_sets_no_cookie(client: PageClient, path: str) -> None:
    assert "Set-Cookie" not in client.get(path).headers


def test_the_first_answer_sets_one_cookie_that_scripts_and_other_sites_cannot_use(client: PageClient) -> None:
    start = client.get("/de/check").location
    response = client.submit(start, {"answer": "dont_know"})
    cookie = response.headers["Set-Cookie"]
    assert cookie.startswith("anlauf=")
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    assert "Expires" not in cookie, "it must end with the browser"
    assert client.cookie_names() == ["anlauf"]


def test_behind_tls_the_cookie_is_secure_and_the_browser_is_told_to_stay_there(prepared) -> None:
    app = build(
        prepared("musterkreis").model_copy(update={"base_url": "https://anlauf.example"}), now=lambda: NOW
    )
    client = PageClient(app)
    first = client.get("/de/check", base_url="https://anlauf.example").location
    page = client.page(first, base_url="https://anlauf.example")
    response = client.post(
        first, {"csrf_token": page.token, "answer": "dont_know"}, base_url="https://anlauf.example"
    )
    assert re.match(r"__Host-anlauf=.*; Secure", response.headers["Set-Cookie"])
    assert "max-age=" in response.headers["Strict-Transport-Security"]


def test_pages_with_answers_are_never_stored_and_others_may_be(client: PageClient) -> None:
    stranger = PageClient(client.app)
    walk(client, "de", {})
    for path in ("/de/check/who", "/de/result"):
        assert client.get(path).headers["Cache-Control"] == "no-store"
    for path in PUBLIC:
        headers = (stranger if path == "/de/offers" else client).get(path).headers
        assert headers["Cache-Control"] == "public, max-age=60"
        # The list of offers begins with what the answers imply, so a copy without them is for strangers only.
        assert ("Cookie" in headers["Vary"]) == (path == "/de/offers")
        assert "HX-Request" in headers["Vary"]
        assert "Accept-Encoding" in headers["Vary"]


def test_what_somebody_typed_is_private_and_not_kept(client: PageClient) -> None:
    for path in ("/de/offers?q=schulden", "/de/offers?place=Musterstadt"):
        headers = client.get(path).headers
        assert headers["Cache-Control"].startswith("private")
        assert "ETag" not in headers, "kept by the page cache"


def test_kept_pages_are_the_same_with_and_without_answers(client: PageClient) -> None:
    before = client.get("/de/").get_data()
    walk(client, "de", {})
    assert client.get("/de/").get_data() == before


def test_the_policy_allows_no_foreign_source_and_nothing_inline(client: PageClient) -> None:
    policy = client.get("/de/").headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert client.get("/de/").headers["Referrer-Policy"] == "no-referrer"


def test_the_style_on_the_page_is_the_one_the_policy_allows(client: PageClient) -> None:
    import base64
    import hashlib

    response = client.get("/de/")
    style = re.search(r"<style>(.*?)</style>", response.get_data(as_text=True), re.S)
    assert style
    digest = base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()
    assert f"'sha256-{digest}'" in response.headers["Content-Security-Policy"]


def test_an_answer_without_a_token_is_asked_again_and_keeps_what_was_chosen(client: PageClient) -> None:
    first = client.get("/de/check").location
    response = client.post(first, {"answer": "dont_know"})
    assert response.status_code == 422
    assert "Set-Cookie" not in response.headers
    assert re.search(
        r'value="dont_know"[^>]* checked|checked[^>]*value="dont_know"', response.get_data(as_text=True)
    )


def test_an_answer_from_another_site_is_refused_even_with_a_token(client: PageClient) -> None:
    first = client.get("/de/check").location
    page = client.page(first)
    response = client.post(
        first, {"answer": "dont_know", "csrf_token": page.token}, headers={"Sec-Fetch-Site": "cross-site"}
    )
    assert response.status_code == 422
    assert "Set-Cookie" not in response.headers


def test_a_stranger_s_token_does_not_work_once_there_are_answers(
    client: PageClient, musterkreis_app: Flask
) -> None:
    stranger = PageClient(musterkreis_app)
    first = client.get("/de/check").location
    foreign = stranger.page(first).token
    answer(client, first, "dont_know")
    assert client.post(first, {"answer": "dont_know", "csrf_token": foreign}).status_code == 422


def test_answers_are_gone_after_thirty_minutes_and_the_page_says_so(client: PageClient, monkeypatch) -> None:
    import itsdangerous.timed as timed

    walk(client, "de", {})
    real = timed.time.time
    monkeypatch.setattr(timed.time, "time", lambda: real() + 31 * 60)
    page = client.page("/de/result")
    assert "30 Minuten" in page.text
    assert "Du hast gesagt" not in page.text


def test_a_step_within_thirty_minutes_keeps_the_answers_alive(client: PageClient, monkeypatch) -> None:
    import itsdangerous.timed as timed

    walk(client, "de", {})
    real = timed.time.time
    for minutes in (20, 40, 60):
        monkeypatch.setattr(timed.time, "time", lambda minutes=minutes: real() + minutes * 60)
        assert client.get("/de/result").status_code == 200
        assert "30 Minuten nichts" not in client.page("/de/result").text


@pytest.mark.parametrize(("path", "cleared"), [("/de/exit", '"cache", "storage"'), ("/de/forget", '"cache"')])
def test_leaving_and_forgetting_clear_the_answers(client: PageClient, path: str, cleared: str) -> None:
    """Exit takes saved contacts and kept pages, too; forgetting the answers leaves them."""
    walk(client, "de", {})
    assert client.cookie_names() == ["anlauf"]
    response = client.post(path)
    assert response.status_code == 303
    assert client.cookie_names() == []
    assert response.headers["Clear-Site-Data"] == cleared
    assert client.get("/de/result").status_code == 303


def test_exit_goes_to_the_region_s_neutral_page_and_works_without_token_or_cookie(client: PageClient) -> None:
    response = client.post("/de/exit", {"csrf_token": "long run out"})
    assert response.status_code == 303
    assert response.location == "https://www.dwd.de/"
    assert "form-action 'self' https://www.dwd.de" in response.headers["Content-Security-Policy"]


def test_exit_cannot_be_pressed_from_another_site(client: PageClient) -> None:
    walk(client, "de", {})
    assert client.post("/de/exit", headers={"Sec-Fetch-Site": "cross-site"}).status_code == 403
    assert client.cookie_names() == ["anlauf"]


def test_with_cookies_refused_the_questionnaire_says_so_kindly(musterkreis_app: Flask) -> None:
    client = PageClient(musterkreis_app)
    client.client = musterkreis_app.test_client(use_cookies=False)
    first = client.get("/de/check").location
    after = client.submit(first, {"answer": "dont_know"}).location
    page = client.page(after)
    assert "Cookie" in page.text
    assert page.link("Angebot") or page.all('a[href*="offers"]')
    for path in PUBLIC:
        client.page(path)


def test_answers_never_stand_in_an_address_or_the_log(client: PageClient, caplog, capsys) -> None:
    seen: list[str] = []
    path = str(client.get("/de/check").location)
    for _ in range(10):
        seen.append(path)
        if path.endswith("/result"):
            break
        path = answer(client, path, "no_answer")
    joined = " ".join(seen)
    assert "no_answer" not in joined
    logged = caplog.text + capsys.readouterr().err
    assert "no_answer" not in logged


def test_an_unexpected_error_is_a_page_and_its_log_has_no_text_of_the_visitor(
    prepared, caplog, capsys
) -> None:
    app = build(prepared("musterkreis"), now=lambda: NOW)
    portal = app.extensions["portal"]

    class Broken:
        def __getattr__(self, name: str) -> object:
            raise RuntimeError("geheime eingabe des menschen")

    portal.search = Broken()
    response = PageClient(app).get("/de/offers?q=geheim")
    assert response.status_code == 500
    body = response.get_data(as_text=True)
    assert "112" in body
    assert "RuntimeError" not in body
    logged = caplog.text + capsys.readouterr().err
    assert "RuntimeError" in logged
    assert "geheim" not in logged


def test_too_much_is_refused_with_a_page(client: PageClient) -> None:
    response = client.post("/de/check/who", {"answer": "x" * 70_000})
    assert response.status_code == 413
    assert "<h1" in response.get_data(as_text=True)


def test_the_clock_of_the_session_is_set_by_settings(prepared) -> None:
    app = build(prepared("musterkreis").model_copy(update={"session_minutes": 5}), now=lambda: NOW)
    assert app.permanent_session_lifetime == timedelta(minutes=5)
