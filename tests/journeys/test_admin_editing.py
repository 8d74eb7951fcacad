"""Corrected hours that everybody sees, two coordinators at one entry, and a tab that was closed too early."""

import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from flask import Flask
from werkzeug.serving import make_server

from portal.accounts import passwords
from portal.accounts.models import RoleGrant, User
from portal.catalogue.models import entity_id
from portal.config import Settings
from portal.web.application import Portal, build
from portal.web.serving import prepare
from tests.journeys.conftest import Phone, Site
from tests.journeys.test_axe import violations
from tests.web.conftest import SECRET

pytestmark = pytest.mark.browser
PASSWORD = "vier bunte Socken im Wind"
OFFER = "startpunkt-gespraech"
EDIT = f"/admin/services/{OFFER}"


@pytest.fixture(scope="module")
def admin_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    settings = Settings(
        secret_key=SECRET, region="musterkreis", data_dir=tmp_path_factory.mktemp("editing"), second_factor="optional"
    )  # fmt: skip
    prepare(settings, lambda line: None)
    site = Site("", Flask(__name__))
    site.app = build(settings, now=lambda: datetime.now(UTC))
    portal: Portal = site.app.extensions["portal"]
    with portal.store.sessions() as session:
        for name, role, organization in (
            ("Kim", "coordinator", None),
            ("Robin", "coordinator", None),
            ("Eda", "editor", "startpunkt-musterkreis"),
        ):
            user = User(
                email=f"{name.lower()}@example.org",
                name=name,
                password_hash=passwords.hashed(PASSWORD),
                created_at=datetime.now(UTC),
                language="de",
            )
            session.add(user)
            session.flush()
            owner = entity_id("musterkreis", "organization", organization) if organization else None
            session.add(
                RoleGrant(
                    user_id=user.id, role=role, area="", organization_id=owner, granted_at=datetime.now(UTC)
                )
            )
        session.commit()
    server = make_server("127.0.0.1", 0, site.app, threaded=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    site.address = f"http://127.0.0.1:{server.server_port}"
    yield site
    server.shutdown()


@pytest.fixture
def desk(phone: Callable[..., Phone], admin_site: Site) -> Callable[..., Phone]:
    """Signed in, on a screen as coordinators have one."""

    def make(name: str, *, width: int = 1280, height: int = 900, **options: Any) -> Phone:
        tab = phone(admin_site, **options)
        tab.page.set_viewport_size({"width": width, "height": height})
        tab.page.goto("/admin/sign-in")
        tab.page.fill("#email", f"{name.lower()}@example.org")
        tab.page.fill("#password", PASSWORD)
        tab.page.click("main form .btn")
        tab.page.wait_for_url("**/admin/")
        return tab

    return make


def save(page: Any) -> None:
    page.click('.savebar button[value="save"]')
    page.wait_for_load_state()


def test_hours_are_corrected_and_everybody_sees_them(desk: Callable[..., Phone], admin_site: Site) -> None:
    tab = desk("Kim")
    page = tab.page
    page.goto("/admin/services/startpunkt-chat")
    page.click('#g-schedules > button[value="add:schedules"]')
    page.wait_for_selector("#g-schedules [data-new]")
    row = page.locator("#g-schedules .hourrow").last
    name = str(row.locator('[name$=".days"]').first.get_attribute("name")).removesuffix(".days")
    assert page.evaluate("document.activeElement.name").endswith(".channel"), "the new row has the focus"
    for day in ("0", "1", "2"):
        page.check(f'[name="{name}.days"][value="{day}"]')
    page.fill(f'[name="{name}.from1"]', "06:10")
    page.fill(f'[name="{name}.to1"]', "07:20")
    page.locator(f'[name="{name}.to1"]').dispatch_event("change")
    page.wait_for_selector('.said-so:has-text("Montag bis Mittwoch: 6:10–7:20")')
    preview = page.frame_locator("#preview iframe").locator("main")
    preview.get_by_text("6:10").first.wait_for(timeout=8000)
    tab.picture("admin-edit-hours")
    save(page)
    assert "Gespeichert." in page.inner_text("main")
    page.wait_for_timeout(1100)  # The public pages ask for changes once a second.
    page.goto("/de/offers/startpunkt-chat")
    assert "6:10–7:20" in str(page.locator("main").text_content())
    assert tab.errors == []


def test_two_coordinators_at_one_entry(desk: Callable[..., Phone]) -> None:
    kim, robin = desk("Kim"), desk("Robin", width=360, height=740)
    kim.page.goto(EDIT)
    robin.page.goto(EDIT)
    robin.page.fill("#f-name", "Robins Name")
    robin.page.fill("#f-description", "Robins Beschreibung.")
    kim.page.fill("#f-name", "Kims Name")
    kim.page.fill("#f-legal_text", "§ 1 SGB I")
    save(kim.page)
    save(robin.page)
    assert "Nichts ist verloren" in robin.page.inner_text("main")
    assert robin.page.evaluate("document.documentElement.scrollWidth") <= 360
    robin.picture("admin-merge", full=True)
    robin.page.click('label:has-text("Schon gespeichert")')
    robin.page.click('button[value="merge"]')
    robin.page.wait_for_load_state()
    assert robin.page.inner_text("h1") == "Kims Name"
    assert robin.page.input_value("#f-description") == "Robins Beschreibung."
    assert robin.page.input_value("#f-legal_text") == "§ 1 SGB I"


def test_a_tab_closed_too_early_loses_nothing(desk: Callable[..., Phone]) -> None:
    tab = desk("Kim")
    page = tab.page
    page.goto(EDIT)
    before = page.input_value("#f-name")
    asked: list[str] = []
    page.on("dialog", lambda dialog: (asked.append(dialog.type), dialog.accept()))
    page.goto("/admin/")
    assert asked == [], "nothing was typed, so nobody asks"
    page.goto(EDIT)
    page.press("#f-name", "End")
    page.locator("#f-name").press_sequentially(" halb getippt")
    page.goto("/admin/")
    assert asked == ["beforeunload"]
    page.wait_for_timeout(300)
    page.goto(EDIT)
    assert page.input_value("#f-name") == f"{before} halb getippt"
    page.click('button[value="discard"]')
    page.wait_for_load_state()
    assert page.input_value("#f-name") == before


def test_without_scripts_an_editor_proposes(desk: Callable[..., Phone]) -> None:
    page = desk("Eda", scripts=False, width=360, height=740).page
    page.goto(EDIT)
    page.click('#g-phones > button[value="add:phones"]')
    page.fill("#f-application_process", "Komm einfach vorbei.")
    page.click('.savebar button[value="preview"]')
    assert "Komm einfach vorbei." in str(page.get_attribute("#preview iframe", "srcdoc"))
    page.click('.savebar button[value="propose"]')
    assert "in Prüfung" in page.inner_text("main")


@pytest.mark.parametrize("width", [360, 1280])
def test_axe_finds_nothing(desk: Callable[..., Phone], width: int) -> None:
    tab = desk("Kim", width=width, bypass_csp=True)
    page, problems = tab.page, {}
    for path in (
        EDIT,
        "/admin/services/new",
        "/admin/organizations/startpunkt-musterkreis",
        "/admin/organizations/new",
        "/admin/locations/startpunkt-quellmuende",
        "/admin/locations/new",
    ):
        page.goto(path)
        page.evaluate("document.querySelectorAll('details.fold').forEach(d => { d.open = true })")
        if found := violations(tab):
            problems[path] = found
        assert page.evaluate("document.documentElement.scrollWidth") <= width, path
        tab.picture(f"admin-edit{path.replace('/', '-')}-{width}", full=True)
    page.goto("/admin/services/new")
    page.click('.savebar button[value="save"]')
    page.wait_for_load_state()
    if found := violations(tab):
        problems["with mistakes"] = found
    assert problems == {}
