"""A new coordinator's first day at the door: invited, password, passkey, code app, out and in again. With axe."""

import re
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyotp
import pytest
from flask import Flask
from werkzeug.serving import make_server

from portal.config import Settings
from portal.web.application import build
from portal.web.serving import prepare
from tests.journeys.conftest import Phone, Site
from tests.journeys.test_axe import violations
from tests.test_cli import invoke
from tests.web.conftest import SECRET

pytestmark = pytest.mark.browser
PASSWORD = "vier bunte Socken im Wind"


@pytest.fixture
def admin_site(tmp_path: Path) -> Iterator[Site]:
    """Reached by name, because passkeys belong to names. Real time: `portal users` and the pages share it."""
    settings = Settings(secret_key=SECRET, region="musterkreis", data_dir=tmp_path / "data")
    prepare(settings, lambda line: None)
    site = Site("", Flask(__name__))
    site.app = build(settings, now=lambda: datetime.now(UTC))
    server = make_server("127.0.0.1", 0, site.app, threaded=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    site.address = f"http://localhost:{server.server_port}"
    yield site
    server.shutdown()


@pytest.fixture
def invitation(admin_site: Site, tmp_path: Path) -> Callable[..., str]:
    """Invites by command; gives the path of the link."""

    def invite(*arguments: str) -> str:
        result = invoke(
            "users",
            "invite",
            *arguments,
            environ={
                "PORTAL_DATA_DIR": str(tmp_path / "data"),
                "PORTAL_REGION": "musterkreis",
                "PORTAL_SECRET_KEY": SECRET,
            },
        )
        assert result.exit_code == 0, result.output
        found = re.search(r"/admin/invitation/\S+", result.stdout)
        assert found is not None
        return found.group(0)

    return invite


def add_authenticator(tab: Phone) -> Any:
    """A virtual device with passkeys whose owner always says yes (https://www.w3.org/TR/webauthn-3/#sctn-automation)."""
    devtools = tab.context.new_cdp_session(tab.page)
    devtools.send("WebAuthn.enable")
    devtools.send(
        "WebAuthn.addVirtualAuthenticator",
        {
            "options": {
                "protocol": "ctap2",
                "transport": "internal",
                "hasResidentKey": True,
                "hasUserVerification": True,
                "isUserVerified": True,
                "automaticPresenceSimulation": True,
            }
        },
    )
    return devtools


def sign_out(tab: Phone) -> None:
    tab.page.click(".topbar summary")
    tab.page.click('form[action="/admin/sign-out"] button')
    tab.page.wait_for_url("**/admin/sign-in")


def test_invited_with_passkey_and_code_app(
    phone: Callable[..., Phone], admin_site: Site, invitation: Callable[..., str]
) -> None:
    tab = phone(admin_site, bypass_csp=True)
    page, problems = tab.page, {}

    def look(name: str) -> None:
        if found := violations(tab):
            problems[name] = found
        assert page.evaluate("document.documentElement.scrollWidth") <= 360, name
        tab.picture(f"admin-{name}", full=True)

    add_authenticator(tab)
    page.goto(invitation("kim@example.org", "--role", "administrator", "--name", "Kim"))
    look("invitation")
    page.fill("#name", "Kim Probe")
    page.fill("#new_password", PASSWORD)
    page.click("main .btn")
    page.wait_for_url("**/admin/security")
    look("second-factor-wanted")
    # Administrators are held here until a second factor is set up.
    page.goto("/admin/")
    assert page.url.endswith("/admin/security")

    page.click('a[href="/admin/security/passkey"]')
    look("passkey")
    page.fill("#name", "Mein Telefon")
    page.click("form[data-passkey] button")
    page.wait_for_url("**/admin/security/codes")
    look("codes-offered")
    page.click("main form .btn")
    page.wait_for_selector(".codes li")
    codes = page.locator(".codes code").all_inner_texts()
    assert len(codes) == 10
    look("codes")

    page.goto("/admin/security/app")
    page.click("summary:has-text('scannen')")
    secret = page.inner_text(".secret").replace(" ", "")
    look("code-app")
    page.fill("#code", pyotp.TOTP(secret).now())
    page.click("main form .btn")
    page.wait_for_url("**/admin/security")
    look("second-factors")
    page.goto("/admin/account")
    look("account")
    page.goto("/admin/people")
    look("people")
    page.goto("/admin/people/invite")
    look("invite")

    sign_out(tab)
    look("sign-in")
    page.click("form[data-passkey] button")
    page.wait_for_url("**/admin/")
    assert "Kim Probe" in page.inner_text(".topbar")

    sign_out(tab)
    page.fill("#email", "kim@example.org")
    page.fill("#password", PASSWORD)
    page.click("main form .btn")
    page.wait_for_url("**/admin/second-factor")
    look("second-step")
    page.click("summary:has-text('Notfall-Code')")
    page.fill("#recovery_code", codes[0])
    page.click("details[open] .btn")
    page.wait_for_url("**/admin/")
    assert problems == {}
    assert tab.foreign == []
    assert tab.errors == []


def test_without_scripts_a_code_app_is_enough(
    phone: Callable[..., Phone], admin_site: Site, invitation: Callable[..., str]
) -> None:
    tab = phone(admin_site, scripts=False)
    page = tab.page
    page.goto(invitation("kim@example.org", "--role", "administrator"))
    page.fill("#new_password", PASSWORD)
    page.click("main .btn")
    page.wait_for_url("**/admin/security")
    page.goto("/admin/security/passkey")
    assert not page.is_visible("form[data-passkey]")
    assert page.is_visible("noscript")
    page.goto("/admin/security/app")
    page.click("main summary")
    secret = page.inner_text(".secret").replace(" ", "")
    page.fill("#code", pyotp.TOTP(secret).now())
    page.click("main form .btn")
    page.wait_for_url("**/admin/security/codes")
    sign_out(tab)
    assert not page.is_visible("form[data-passkey]")
    page.fill("#email", "kim@example.org")
    page.fill("#password", PASSWORD)
    page.click("main form .btn")
    page.wait_for_url("**/admin/second-factor")
    # The code of this half minute set the app up; the next one is accepted already.
    following = int(datetime.now(UTC).timestamp()) // 30 + 1
    page.fill("#code", pyotp.TOTP(secret).generate_otp(following))
    page.click("main form .btn")
    page.wait_for_url("**/admin/")


def test_a_passkey_that_is_refused_says_so(
    phone: Callable[..., Phone], admin_site: Site, invitation: Callable[..., str]
) -> None:
    tab = phone(admin_site)
    page = tab.page
    invitation("kim@example.org", "--role", "administrator")
    devtools = add_authenticator(tab)
    page.goto("/admin/sign-in")
    page.click("form[data-passkey] button")  # The device knows no passkey for this portal.
    page.wait_for_selector("[data-failed]:visible")
    devtools.send("WebAuthn.disable")
    assert page.url.endswith("/admin/sign-in")
