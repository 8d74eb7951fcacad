"""A coordinator's day and an editor's, in a real browser: what they change is what everybody then sees."""

import re
import time
from collections.abc import Callable, Iterator
from datetime import date
from typing import Any

import pytest
from sqlmodel import select

from portal.accounts.models import Letter
from portal.catalogue.models import Service, VisitorReport
from portal.web.admin import reminding
from portal.web.admin.letters import command_letters
from tests.journeys.conftest import Phone
from tests.journeys.offices import Office, office, sign_in

pytestmark = pytest.mark.browser
DESK = {"width": 1280, "height": 900}
TABLET = {"width": 820, "height": 1180}
SMALL = {"width": 360, "height": 740}


@pytest.fixture(scope="module")
def portal_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    with office(tmp_path_factory.mktemp("daily")) as made:
        yield made


@pytest.fixture
def desk(phone: Callable[..., Phone], portal_site: Office) -> Callable[..., Phone]:
    """Signed in, on a screen as coordinators have one."""

    def make(name: str, *, size: dict[str, int] = DESK, **options: Any) -> Phone:
        tab = phone(portal_site, **options)
        tab.page.set_viewport_size(size)
        tab.page.goto("/admin/sign-in")
        sign_in(tab.page, name)
        return tab

    return make


def save(page: Any, action: str = "save") -> None:
    page.click(f'.savebar button[value="{action}"]')
    page.wait_for_load_state()


def wait_until_public(page: Any, path: str, words: str, *, there: bool = True) -> float:
    """Seconds until a page that everybody sees shows the words, or no longer does."""
    started = time.monotonic()
    while True:
        page.goto(path)
        if (words in str(page.locator("main").text_content())) is there:
            return time.monotonic() - started
        assert time.monotonic() - started < 5, (
            f"{path} {'does not show' if there else 'still shows'} {words!r}"
        )
        page.wait_for_timeout(50)


def no_sideways_scrolling(page: Any) -> None:
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), page.url


def test_a_corrected_text_and_hours_reach_page_and_search_within_a_moment(
    desk: Callable[..., Phone], phone: Callable[..., Phone], portal_site: Office
) -> None:
    tab, visitor = desk("Kim"), phone(portal_site)
    page = tab.page
    page.goto("/admin/services/startpunkt-chat")
    page.click('#g-schedules > button[value="add:schedules"]')
    page.wait_for_selector("#g-schedules [data-new]")
    row = page.locator("#g-schedules .hourrow").last
    name = str(row.locator('[name$=".days"]').first.get_attribute("name")).removesuffix(".days")
    page.check(f'[name="{name}.days"][value="5"]')
    page.fill(f'[name="{name}.from1"]', "06:25")
    page.fill(f'[name="{name}.to1"]', "07:35")
    page.fill("#f-description", f"{page.input_value('#f-description')} Wir lieben Quittengelee.")
    save(page)
    assert "Gespeichert." in page.inner_text("main")
    seen = wait_until_public(visitor.page, "/de/offers/startpunkt-chat", "6:25–7:35")
    found = wait_until_public(visitor.page, "/de/offers?q=Quittengelee", "Startpunkt")
    print(f"public after {seen:.2f} s, found after {seen + found:.2f} s")
    assert tab.errors == visitor.errors == []


def test_an_offer_from_draft_to_archive(
    desk: Callable[..., Phone], phone: Callable[..., Phone], portal_site: Office
) -> None:
    page, visitor = desk("Kim").page, phone(portal_site).page
    page.goto("/admin/services/new?organization=startpunkt-musterkreis")
    page.fill("#f-name", "Zimtsternwerkstatt")
    save(page)
    assert page.get_attribute("#f-description", "aria-invalid") == "true", "it says what is missing"
    assert page.input_value("#f-name") == "Zimtsternwerkstatt", "and loses nothing"
    page.fill("#f-description", "Wir backen zusammen.")
    page.locator('input[name="topics"]').first.check(force=True)
    page.locator('input[name="service_areas"]').first.check(force=True)
    save(page)
    assert page.url.endswith("/admin/services/zimtsternwerkstatt")
    address = "/de/offers/zimtsternwerkstatt"
    assert visitor.goto(address).status == 404, "a draft is not public"
    save(page, "publish")
    wait_until_public(visitor, address, "Wir backen zusammen.")
    wait_until_public(visitor, "/de/offers?q=Zimtsternwerkstatt", "Wir backen zusammen.")
    page.locator('button[value="archive"]').scroll_into_view_if_needed()
    page.on("dialog", lambda dialog: dialog.accept())
    page.click('button[value="archive"]')
    page.wait_for_load_state()
    wait_until_public(visitor, "/de/offers?q=Zimtsternwerkstatt", "Wir backen zusammen.", there=False)
    assert visitor.goto(address).status == 404
    page.goto("/admin/archive")
    assert "Zimtsternwerkstatt" in page.inner_text("main")


def test_a_change_of_an_editor_is_reviewed_and_answered(
    desk: Callable[..., Phone], phone: Callable[..., Phone], portal_site: Office
) -> None:
    eda, kim, visitor = desk("Eda", size=SMALL).page, desk("Kim").page, phone(portal_site).page
    eda.goto("/admin/services/startpunkt-gespraech")
    eda.fill("#f-application_process", "Zieh an der violetten Klingelschnur.")
    eda.fill("#f-comment", "Die Schnur ist neu")
    save(eda, "propose")
    no_sideways_scrolling(eda)
    assert "in Prüfung" in eda.inner_text("main")
    visitor.goto("/de/offers/startpunkt-gespraech")
    assert "violetten Klingelschnur" not in str(visitor.locator("main").text_content())
    kim.goto("/admin/review")
    assert "Die Schnur ist neu" in kim.inner_text("main")
    kim.click("main tbody a")
    assert kim.locator("ins", has_text="Klingelschnur").count() >= 1
    kim.fill("#comment", "Danke, schöne Farbe!")
    kim.click('button[value="accept"]')
    kim.wait_for_url("**/admin/review")
    wait_until_public(visitor, "/de/offers/startpunkt-gespraech", "violetten Klingelschnur")
    eda.goto("/admin/")
    assert "Danke, schöne Farbe!" in eda.inner_text("main")
    with portal_site.session() as session:
        letters = session.exec(select(Letter).where(Letter.recipient == "eda@example.org")).all()
    assert ["Startpunkt" in letter.subject or "Gespräch" in letter.subject for letter in letters] == [True]


def test_two_coordinators_in_two_languages_keep_both_texts(desk: Callable[..., Phone]) -> None:
    kim, robin = desk("Kim").page, desk("Robin", locale="en-GB").page
    path = "/admin/services/reha-team"
    for page in (kim, robin):
        page.goto(path)
    kim.fill("#f-legal_text", "§ 14 SGB I")
    robin.fill("#f-legal_text", "§ 15 SGB I")
    robin.fill("#f-alternate_name", "Robins zweiter Name")
    save(kim)
    save(robin)
    both = robin.inner_text("main")
    assert robin.get_attribute("html", "lang") == "en"
    assert "§ 14 SGB I" in both and "§ 15 SGB I" in both and "Robins zweiter Name" in both
    robin.click('button[value="merge"]')
    robin.wait_for_load_state()
    assert robin.input_value("#f-alternate_name") == "Robins zweiter Name"
    kim.goto("/admin/service/reha-team/history")
    assert kim.locator("tbody tr").count() == 3, "before, Kim's, Robin's: nobody's work is gone"


def test_an_older_version_is_put_back(desk: Callable[..., Phone]) -> None:
    page = desk("Kim").page
    path = "/admin/services/praktikumsboerse"
    page.goto(path)
    before = page.input_value("#f-description")
    page.fill("#f-description", "Ein Versehen.")
    save(page)
    page.goto("/admin/service/praktikumsboerse/history")
    page.locator("main tbody tr").last.locator("a").first.click()
    page.wait_for_load_state()
    page.fill("#comment", "War ein Versehen")
    page.click("main aside form .btn")
    page.wait_for_url("**/history")
    assert "War ein Versehen" in page.inner_text("main")
    page.goto(path)
    assert page.input_value("#f-description") == before


@pytest.mark.parametrize("scripts", [True, False])
def test_a_session_that_ends_while_somebody_types_loses_nothing(
    desk: Callable[..., Phone], portal_site: Office, scripts: bool
) -> None:
    page = desk("Robin", scripts=scripts).page
    path = "/admin/services/startpunkt-chat"
    page.goto(path)
    words = f"Stundenlang getippt {scripts}."
    page.fill("#f-application_process", words)
    page.on("dialog", lambda dialog: dialog.accept())
    portal_site.later(hours=13)
    # What the page asks for beside it while somebody types does not tear them away.
    page.click('.savebar button[value="save"]')
    page.wait_for_url("**/admin/sign-in")
    sign_in(page, "Robin")
    assert page.url.endswith(path)
    assert page.input_value("#f-application_process").strip() == words
    assert page.input_value("#f-name") != "", "the whole form is there again"
    save(page)
    page.goto(path)
    assert page.input_value("#f-application_process") == words
    assert page.locator('button[value="discard"]').count() == 0


def test_capacity_in_one_tap(
    desk: Callable[..., Phone], phone: Callable[..., Phone], portal_site: Office
) -> None:
    page, visitor = desk("Eda", size=SMALL).page, phone(portal_site).page
    page.goto("/admin/services/startpunkt-gespraech")
    page.click('form.capacity button[value="few"]')
    page.wait_for_load_state()
    assert page.get_attribute('form.capacity button[value="few"]', "aria-current") == "true"
    words = page.inner_text('form.capacity button[value="few"]')
    wait_until_public(visitor, "/de/offers/startpunkt-gespraech", words.strip())


def letter_with_link(site: Office, slug: str) -> str:
    """`portal reminders send` asks about this offer; gives the path of the link in the letter."""
    with site.session() as session:
        service = session.exec(select(Service).where(Service.slug == slug)).one()
        service.assured_date, service.confidence = date(2020, 1, 1), "medium"
        service.email = f"{slug}@example.org"
        session.add(service)
        session.commit()
        letters = command_letters(site.portal.settings, site.portal.store)
        now = site.time()
        reminding.send(
            session, letters, site.portal.region, secret_key=site.portal.settings.secret_key, today=now.date(), now=now
        )  # fmt: skip
        session.commit()
        body = session.exec(select(Letter.body).where(Letter.recipient == f"{slug}@example.org")).one()
    found = re.search(r"https?://[^/\s]+(/de/confirm/\S+)", body)
    assert found is not None, body
    return found.group(1)


def test_the_link_in_a_letter_used_and_used_again(
    phone: Callable[..., Phone], portal_site: Office, desk: Callable[..., Phone]
) -> None:
    link = letter_with_link(portal_site, "reha-team")
    page = phone(portal_site).page
    page.goto(link)
    no_sideways_scrolling(page)
    page.click('button[value="right"]')
    page.wait_for_load_state()
    thanks = page.inner_text("main")
    page.goto(link)
    assert page.locator('button[value="right"]').count() == 0, "it has been answered"
    assert page.inner_text("main") != thanks
    kim = desk("Kim").page
    kim.goto("/admin/services/reha-team")
    assert "Bestätigt am" in kim.inner_text(".statusline")


def test_the_link_in_a_letter_runs_out(phone: Callable[..., Phone], portal_site: Office) -> None:
    link = letter_with_link(portal_site, "startpunkt-chat")
    page = phone(portal_site).page
    portal_site.later(days=200)
    try:
        answer = page.goto(link)
        assert answer.status == 410
        assert page.locator('button[value="right"]').count() == 0
        assert page.locator("main a, main p").count() > 1, "it says where to turn"
    finally:
        portal_site.later(days=-200)


def test_a_report_of_a_visitor_is_put_right(
    phone: Callable[..., Phone], desk: Callable[..., Phone], portal_site: Office
) -> None:
    visitor = phone(portal_site).page
    visitor.goto("/de/offers/startpunkt-chat/report")
    visitor.locator('input[name="reason"][value="hours"]').check(force=True)
    visitor.fill("#text", "Samstag ist zu.")
    portal_site.later(seconds=10)
    visitor.click("#send")
    visitor.wait_for_url("**/reported")
    page = desk("Kim").page
    page.goto("/admin/")
    page.click('main a[href^="/admin/reports"]')
    page.wait_for_load_state()
    assert "Samstag ist zu." in page.inner_text("main")
    page.click('main button[value="done"]')
    page.wait_for_load_state()
    assert "Samstag ist zu." not in page.inner_text("main")
    with portal_site.session() as session:
        assert [report.state for report in session.exec(select(VisitorReport)).all()] == ["done"]


def focus(page: Any, selector: str, *, most: int = 250) -> None:
    """With the tab key alone, as far as it takes."""
    for _ in range(most):
        if page.evaluate("s => !!document.activeElement?.matches(s)", selector):
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"the keyboard does not reach {selector}")


def test_with_the_keyboard_alone_from_the_list_to_the_saved_entry(desk: Callable[..., Phone]) -> None:
    page = desk("Ada").page
    page.goto("/admin/services")
    focus(page, "#q")
    page.keyboard.type("reha")
    page.keyboard.press("Enter")
    page.wait_for_url("**q=reha*")
    page.wait_for_function("document.querySelectorAll('#list tbody tr').length === 1")
    focus(page, '#list tbody a[href="/admin/services/reha-team"]')
    page.keyboard.press("Enter")
    page.wait_for_url("**/admin/services/reha-team")
    focus(page, "#f-name")
    page.keyboard.press("End")
    page.keyboard.type(" der Tasten")
    page.keyboard.press("Enter")
    page.wait_for_selector('main :text("Gespeichert.")')
    assert page.inner_text("h1").endswith(" der Tasten")


@pytest.mark.parametrize("size", [SMALL, TABLET, DESK], ids=["phone", "tablet", "desk"])
def test_nothing_is_wider_than_the_screen(desk: Callable[..., Phone], size: dict[str, int]) -> None:
    page = desk("Ada", size=size).page
    for path in (
        "", "services", "services/startpunkt-chat", "services/new", "organizations/startpunkt-musterkreis", "review", "reports",
        "confirmations", "translations", "people", "audit", "exchange", "duplicates", "account",
    ):  # fmt: skip
        page.goto(f"/admin/{path}")
        no_sideways_scrolling(page)


def test_without_scripts_an_entry_is_changed(desk: Callable[..., Phone]) -> None:
    page = desk("Ada", scripts=False, size=TABLET).page
    page.goto("/admin/services?q=chat")
    page.click('#list tbody a[href="/admin/services/startpunkt-chat"]')
    page.click('#g-phones > button[value="add:phones"]')
    page.locator('[name^="phones."][name$=".number"]').last.fill("030 23125 999 1")
    save(page)
    assert page.locator(".mistakes a").count() == 1
    page.locator('[name^="phones."][name$=".number"]').last.fill("030 23125 778")
    save(page)
    assert "Gespeichert." in page.inner_text("main")
    no_sideways_scrolling(page)
