"""From "let them contact me" to the end of a case, with the young person and the offices in browsers of their own."""

import re
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from sqlmodel import select

from portal.catalogue.models import entity_id
from portal.referral import escalation
from portal.referral.models import Referral, Status, Team
from tests.journeys.conftest import Phone
from tests.journeys.offices import Office, office, sign_in

pytestmark = pytest.mark.browser
DESK = {"width": 1280, "height": 900}
YOUTH_OFFICE, CLEARING = "jugendamt-musterkreis", "startpunkt-musterkreis"
PEOPLE = (
    ("Jana", "counsellor", YOUTH_OFFICE),
    ("Jo", "counsellor", YOUTH_OFFICE),
    ("Tom", "counsellor", CLEARING),
    ("Kim", "coordinator", None),
)
WISH = "أريد أن أعرف كيف أكمل المدرسة. Ich heiße Sternenstaub."
ANSWER = "Hallo! Magst du nächste Woche vorbeikommen?"
QUESTION = "هل أستطيع إحضار صديقتي؟"


@pytest.fixture(scope="module")
def portal_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    with office(tmp_path_factory.mktemp("referral"), PEOPLE) as made:
        with made.session() as session:
            for slug in (YOUTH_OFFICE, CLEARING):
                organization = entity_id("musterkreis", "organization", slug)
                session.add(
                    Team(
                        organization_id=organization,
                        region="musterkreis",
                        accepts=True,
                        changed_at=made.time(),
                    )
                )
            session.commit()
        yield made


@pytest.fixture
def counsellor(phone: Callable[..., Phone], portal_site: Office) -> Callable[[str], Any]:
    """Signed in, at a desk."""

    def make(name: str) -> Any:
        page = phone(portal_site).page
        page.set_viewport_size(DESK)
        page.goto("/admin/sign-in")
        sign_in(page, name)
        return page

    return make


def press(page: Any, selector: str) -> None:
    """Send a form and wait for the page it leads to."""
    with page.expect_navigation():
        page.locator(selector).first.click()


def words(page: Any) -> str:
    return str(page.inner_text("main"))


def ask(page: Any, service: str = "jugendamt-sozialer-dienst", lang: str = "ar", text: str = WISH) -> str:
    """The three pages, "only through this page"; returns the receipt code."""
    page.goto(f"/{lang}/offers/{service}")
    press(page, f'a[href^="/{lang}/contact-me"]')
    page.check('input[name="age"][value="older"]', force=True)
    page.check('input[name="channel"][value="page"]', force=True)
    press(page, 'form:has([name="channel"]) button.btn')
    page.fill("#own_words", text)
    press(page, "form:has(#own_words) button.btn")
    assert text in words(page), "what is agreed to is what is sent"
    press(page, 'form:has([name="shown"]) button.btn')
    return str(page.inner_text("[data-copy-text]"))


def newest(site: Office) -> Referral:
    with site.session() as session:
        found = session.exec(select(Referral).order_by(Referral.requested_at.desc())).first()  # type: ignore[union-attr]
        assert found is not None
        return found


def open_case(page: Any, label: str) -> None:
    page.goto("/admin/referrals")
    press(page, f'.inbox a:has-text("{label}")')


def do(page: Any, deed: str, **values: str) -> None:
    """Fill and send the form of a deed on the page of a referral."""
    form = page.locator(f'form[action$="/{deed}"]').first
    fold = form.locator("xpath=ancestor::details")
    if fold.count() and fold.get_attribute("open") is None:
        fold.locator("summary").click()
    for name, value in values.items():
        field = form.locator(f'[name="{name}"], [name$="-{name}"]').first
        if field.evaluate("field => field.tagName") == "SELECT":
            field.select_option(value)
        else:
            field.fill(value)
    with page.expect_navigation():
        form.locator("button").last.click()
    assert page.locator(".mistakes, [aria-invalid=true]").count() == 0, words(page)


def test_a_girl_of_16_only_through_this_page(
    phone: Callable[..., Phone], counsellor: Callable[[str], Any], portal_site: Office
) -> None:
    girl = phone(portal_site, locale="ar")
    page = girl.page
    code = ask(page)
    girl.picture("referral-code")
    assert len(code.split()) >= 6
    assert re.fullmatch(r"[\u0600-\u06ff ]+", code), "words in the script she reads"
    label = newest(portal_site).label

    jana = counsellor("Jana")
    open_case(jana, label)
    assert WISH in words(jana)
    do(jana, "accept")
    do(jana, "message", text=ANSWER)

    # Another phone, another day: only the code opens the page, typed as people type.
    page.context.clear_cookies()
    page.goto("/ar/mine")
    assert ANSWER not in words(page)
    page.fill("#code", code.replace("أ", "ا").replace(" ", "، "))
    press(page, "form:has(#code) button.btn")
    assert ANSWER in words(page)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.fill('form[action$="/message"] textarea', QUESTION)
    press(page, 'form[action$="/message"] button')
    girl.picture("referral-mine", full=True)

    open_case(jana, label)
    assert QUESTION in words(jana)
    day = (portal_site.time() + timedelta(days=5)).date().isoformat()
    do(jana, "appointment", day=day, time="14:30", place="Haus der Jugend, Zimmer 3")

    page.goto("/ar/mine")
    assert "Haus der Jugend" in words(page)
    press(page, 'form[action$="/appointment"] button[value="yes"]')
    with page.expect_download() as calendar:
        page.click('form[action$="/appointment.ics"] button')
    assert re.search(r"DTSTART[^\n]*T1[34]30", calendar.value.path().read_text(encoding="utf-8"))

    open_case(jana, label)
    do(jana, "complete", outcome="arrived")
    page.goto("/ar/mine")
    assert page.locator('form[action$="/message"]').count() == 0, "what is over takes no messages"
    with portal_site.session() as session:
        assert session.get(Referral, newest(portal_site).id).status == Status.COMPLETED  # type: ignore[union-attr]
    assert girl.errors == []


def test_the_wrong_office_names_a_better_one_and_the_young_person_decides(
    phone: Callable[..., Phone], counsellor: Callable[[str], Any], portal_site: Office
) -> None:
    page = phone(portal_site, locale="ar").page
    ask(page)
    case = newest(portal_site)
    jana, tom = counsellor("Jana"), counsellor("Tom")
    open_case(jana, case.label)
    desk = jana.locator('form[action$="/reject"] select option[value*="-"]').first.get_attribute("value")
    do(jana, "reject", reason="Startpunkt hilft dir schneller.", desk=str(desk))

    tom.goto("/admin/referrals")
    assert case.label not in words(tom), "before she agrees, the next office knows nothing"
    page.goto("/ar/mine")
    assert "Startpunkt hilft dir schneller." in words(page)
    ticked = page.eval_on_selector_all('[name="line"]:checked', "boxes => boxes.map((box) => box.value)")
    assert ticked == ["channels", "language", "interpreter"], "only how to get in touch"
    page.check('[name="line"][value="own_words"]', force=True)
    press(page, 'form:has([name="question"]) button[value="yes"]')
    open_case(tom, case.label)
    assert "Sternenstaub" in words(tom)
    jana.goto(f"/admin/referrals/{case.id}")
    assert "Sternenstaub" not in jana.content(), "and the first one nothing any more"


def test_withdrawn_in_the_middle_it_is_gone_everywhere(
    phone: Callable[..., Phone], counsellor: Callable[[str], Any], portal_site: Office
) -> None:
    page = phone(portal_site, locale="de-DE").page
    code = ask(page, lang="de", text="Eichhörnchen im Regenmantel")
    case = newest(portal_site)
    jana = counsellor("Jana")
    open_case(jana, case.label)
    do(jana, "accept")
    page.goto("/de/mine/withdraw")
    press(page, 'form[action$="/withdraw"] button')
    jana.goto(f"/admin/referrals/{case.id}")
    assert "Eichhörnchen" not in jana.content()
    page.goto("/de/mine")
    page.fill("#code", code)
    press(page, "form:has(#code) button.btn")
    assert "Eichhörnchen" not in page.content()
    assert page.locator("#code[aria-invalid=true]").count() == 1, "a code of nothing is a wrong code"
    assert newest(portal_site).person_sealed is None


def test_nobody_reacts_and_the_page_says_so(
    phone: Callable[..., Phone], counsellor: Callable[[str], Any], portal_site: Office
) -> None:
    page = phone(portal_site, locale="de-DE").page
    code = ask(page, lang="de")
    case = newest(portal_site)
    ahead = portal_site.ahead
    try:
        portal_site.later(days=9)
        referrals = portal_site.portal.referrals
        assert referrals is not None
        with portal_site.session() as session:
            escalation.run(
                session, referrals.keyring, "musterkreis", days=referrals.days, now=portal_site.time()
            )
            session.commit()
        page.goto("/de/mine")
        if page.locator("#code").count():
            page.fill("#code", code)
            press(page, "form:has(#code) button.btn")
        assert page.locator('form[action$="/alarm"]').count() == 1, words(page)
        press(page, 'form[action$="/alarm"] button')
        assert page.locator('form[action$="/alarm"]').count() == 0, "once is enough"
        kim = counsellor("Kim")
        kim.goto("/admin/referrals/watch")
        assert case.label in words(kim)
        assert "Sternenstaub" not in kim.content(), "a coordinator sees that, not what"
    finally:
        portal_site.ahead = ahead


def test_prepared_together_and_agreed_to_on_the_own_phone(
    phone: Callable[..., Phone], counsellor: Callable[[str], Any], portal_site: Office
) -> None:
    tom = counsellor("Tom")
    tom.goto("/admin/referrals/prepare")
    form = tom.locator('form:has([name$="own_words"])')
    wanted = form.locator('select[name$="desk"] option[value*="-"]').first.get_attribute("value")
    form.locator('select[name$="desk"]').select_option(wanted)
    form.locator('select[name$="language"]').select_option("ar")
    form.locator('input[name$="channels"][value="page"]').check()
    form.locator('[name$="own_words"]').fill("Zusammen aufgeschrieben.")
    with tom.expect_navigation():
        form.locator("button.btn").last.click()
    assert tom.locator(".qrbox svg").count() == 1
    address = str(tom.inner_text("bdi.typed"))

    page = phone(portal_site, locale="ar").page
    page.goto(address)
    assert address.rsplit("/", 1)[-1] not in page.url, "the token does not stay in the address"
    if page.locator('input[name="age"]').count():
        page.check('input[name="age"][value="older"]', force=True)
    press(page, 'form:has([name="channel"]) button.btn')
    assert page.input_value("#own_words") == "Zusammen aufgeschrieben."
    page.fill("#own_words", "Mit meinen Worten.")
    press(page, "form:has(#own_words) button.btn")
    press(page, 'form:has([name="shown"]) button.btn')
    label = newest(portal_site).label
    deadline = time.monotonic() + 8
    while label not in words(tom):
        assert time.monotonic() < deadline, "the professional sees that it was sent"
        tom.wait_for_timeout(200)
    assert page.inner_text("[data-copy-text]") not in tom.content()
