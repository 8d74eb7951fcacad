"""Whole stories on a phone, in a real browser. Nothing may leave the portal's own origin."""

import re
from typing import Any

import pytest

from tests.journeys.conftest import Phone, Site, utc

pytestmark = pytest.mark.browser


def question(phone: Phone) -> str:
    return str(phone.page.url.split("?")[0].rsplit("/", 1)[1])


def choose(phone: Phone, *values: str) -> None:
    """Tick answers of the question on the screen and go on."""
    before = phone.page.url
    for value in values:
        phone.page.check(f'main input[name="answer"][value="{value}"]', force=True)
    phone.page.click('form#question button:not([type="button"])')
    phone.page.wait_for_url(lambda url: url != before)


def name_place(phone: Phone, text: str) -> None:
    before = phone.page.url
    phone.page.fill("#place", text)
    phone.page.click('form#question button:not([type="button"])')
    phone.page.wait_for_url(lambda url: url != before)


def go(phone: Phone, answers: dict[str, Any], *, default: str = "dont_know") -> None:
    """Answer until the result; unnamed questions get `default`."""
    for _ in range(10):
        here = question(phone)
        if here == "result":
            return
        value = answers.get(here, default)
        if here == "place" and value not in ("dont_know", "no_answer", "outside"):
            name_place(phone, value)
        else:
            choose(phone, *(value if isinstance(value, tuple) else (value,)))
    raise AssertionError(f"no result, still at {phone.page.url}")


def clean(phone: Phone) -> None:
    assert phone.foreign == []
    assert phone.errors == []


YOUNG = {
    "who": "me",
    "topic": "training_place",
    "age": "age_15_17",
    "activity": "school",
    "benefits": "none",
}


def test_a_young_person_finds_the_one_right_contact(site: Site, phone: Any) -> None:
    tab = phone(site)
    tab.page.goto("/")
    assert tab.page.url.endswith("/de/")
    tab.picture("start-de")
    tab.page.click("a.btn:has-text('Los geht')")
    assert question(tab) == "who"
    choose(tab, "me")
    tab.picture("topics-de")
    choose(tab, "training_place")
    assert "Gut, dass du das" in tab.page.inner_text("main")
    go(tab, {**YOUNG, "place": place_of(site)})
    tab.picture("result-de", full=True)
    assert tab.page.inner_text("h1") == "Hier bist du richtig."
    said = tab.page.inner_text("main")
    assert "Ausbildung finden" in said
    assert "15 bis 17" in said
    first = tab.page.inner_text("article.first")
    assert "Berufsberatung" in first
    assert tab.page.locator("article.first").count() == 1
    number = tab.page.locator('article.first a[href^="tel:"]').first.get_attribute("href")
    assert re.fullmatch(r"tel:\+?\d+", number or "")
    assert tab.page.locator("#others li").count() <= 3
    tab.page.click("article.first >> text=Alles über dieses Angebot")
    assert "/de/offers/" in tab.page.url
    clean(tab)


def place_of(site: Site) -> str:
    portal = site.app.extensions["portal"]
    return str(portal.catalogue.places.all()[0].name)


def test_a_mother_is_spoken_to_as_sie_and_gets_her_own_advice_too(site: Site, phone: Any) -> None:
    tab = phone(site)
    tab.page.goto("/de/check")
    choose(tab, "my_child")
    go(tab, {"topic": "school", "age": "age_15_17", "activity": "school", "place": place_of(site)})
    text = tab.page.inner_text("main")
    assert "Sie" in text
    assert not re.search(r"\bdein(e[mnrs]?)?\b", tab.page.inner_text("h1") + tab.page.inner_text(".why"))
    kinds = tab.page.locator("article.first, #others").all_text_contents()
    assert "Famili" in " ".join(kinds)
    clean(tab)


def test_changing_an_early_answer_keeps_the_others(site: Site, phone: Any) -> None:
    tab = phone(site)
    tab.page.goto("/de/check")
    go(tab, {**YOUNG, "place": place_of(site)})
    before = tab.page.inner_text("article.first h2")
    tab.page.goto("/de/check/topic")
    assert tab.page.is_checked('input[value="training_place"]')
    tab.page.uncheck('input[value="training_place"]', force=True)
    choose(tab, "police")
    go(tab, {"police_14": "yes", "police_mail": "yes"})
    after = tab.page.inner_text("article.first h2")
    assert after != before
    text = tab.page.inner_text("main")
    assert "15 bis 17" in text
    assert place_of(site) in text
    clean(tab)


def test_back_and_reload_behave(site: Site, phone: Any) -> None:
    tab = phone(site)
    tab.page.goto("/de/check")
    choose(tab, "me")
    choose(tab, "training_place")
    here = tab.page.url
    tab.page.go_back()
    assert question(tab) == "topic"
    assert tab.page.is_checked('input[value="training_place"]')
    tab.page.goto(here)
    tab.page.reload()
    assert tab.page.url == here
    tab.page.goto("/de/result")
    assert tab.page.locator("article.first").count() == 1
    clean(tab)


def test_unsafe_tonight_at_eleven(site: Site, phone: Any) -> None:
    site.now = utc(2026, 11, 21, 22)
    tab = phone(site)
    tab.page.goto("/de/check")
    choose(tab, "me")
    choose(tab, "home")
    go(tab, {"tonight": "no", "safe_now": "unsafe", "age": "age_15_17"})
    tab.picture("unsafe-de", full=True)
    assert "Du bist nicht allein" in tab.page.inner_text("h1")
    first = tab.page.inner_text("article.first")
    assert "Jugendamt" in first
    assert "geschlossen" not in first
    assert not tab.page.locator("h2#offers").count(), "no careers page on this screen"
    others = tab.page.inner_html("#others")
    assert "tel:112" in others or "tel:110" in others
    clean(tab)


def test_without_scripts_everything_still_works(site: Site, phone: Any) -> None:
    tab = phone(site, scripts=False)
    tab.page.goto("/de/")
    tab.page.click("a.btn:has-text('Los geht')")
    choose(tab, "me")
    choose(tab, "training_place")
    go(tab, {**YOUNG, "place": place_of(site)})
    assert tab.page.locator("article.first").count() == 1
    tab.picture("result-no-scripts")
    tab.page.goto("/de/offers")
    tab.page.fill("#q", "ausbildung")
    tab.page.click('form#search button[class*="btn"]')
    assert "q=ausbildung" in tab.page.url
    assert tab.page.locator("ul.cards > li").count() > 0
    clean(tab)


def test_arabic_is_a_mirror_and_numbers_stay_left_to_right(site: Site, phone: Any) -> None:
    tab = phone(site, locale="ar")
    tab.page.goto("/")
    assert tab.page.url.endswith("/ar/")
    tab.picture("start-ar")
    assert tab.page.get_attribute("html", "dir") == "rtl"
    brand = tab.page.locator(".brand svg").bounding_box()
    leave = tab.page.locator("form.exit").bounding_box()
    assert brand["x"] > leave["x"], "the bar is mirrored"
    tab.page.click("main a.btn")
    tab.picture("question-ar")
    go(tab, {**YOUNG, "place": place_of(site)})
    tab.picture("result-ar", full=True)
    number = tab.page.locator('article.first a[href^="tel:"] bdi').first
    assert number.get_attribute("dir") == "ltr"
    width = tab.page.evaluate("document.documentElement.scrollWidth")
    assert width <= 360
    clean(tab)


@pytest.mark.parametrize("width", [360, 320])
def test_every_language_says_hello_on_the_first_screen_and_is_one_tap_away(
    harz_site: Site, phone: Any, width: int
) -> None:
    tab = phone(harz_site)
    tab.page.set_viewport_size({"width": width, "height": 740})
    offered = harz_site.app.extensions["portal"].languages.values()
    for shown in offered:
        tab.page.goto(f"/{shown.code}/")
        for language in offered:
            link = tab.page.locator(f"main a[lang='{language.code}'][href='/{language.code}/']")
            said, where = link.inner_text(), f"{language.code} on the page in {shown.code}"
            assert language.autonym in said, where
            assert language.greeting in said, where
            box = link.bounding_box()
            assert box and box["x"] >= 0 and box["x"] + box["width"] <= width, where
            assert box["y"] >= 0 and box["y"] + box["height"] <= 740, where
            assert box["height"] >= 44 and box["width"] >= 44, where
        if width == 360:
            begin = tab.page.locator(f"main a.btn[href='/{shown.code}/check']").bounding_box()
            assert begin and begin["y"] + begin["height"] <= 740, shown.code
    clean(tab)


def assert_forgotten(tab: Phone, site: Site) -> None:
    """The beacon travels beside the navigation; it has two seconds to arrive."""
    for _ in range(20):
        if tab.context.cookies(site.address) == []:
            return
        tab.page.wait_for_timeout(100)
    raise AssertionError("the answers are still there")


def test_exit_clears_and_cannot_be_undone_with_back(site: Site, phone: Any) -> None:
    tab = phone(site)
    tab.page.goto("/de/check")
    go(tab, {**YOUNG, "place": place_of(site)})
    tab.context.unroute("**/*")
    tab.context.route(
        "https://www.dwd.de/**", lambda route: route.fulfill(body="<title>Wetter</title>Wetter")
    )
    tab.page.click("form.exit button")
    tab.page.wait_for_url("https://www.dwd.de/**")
    assert_forgotten(tab, site)
    tab.page.go_back()
    tab.page.wait_for_timeout(300)
    assert "Du hast gesagt" not in tab.page.content()
    assert "/result" not in tab.page.url


def test_escape_three_times_is_exit(site: Site, phone: Any) -> None:
    tab = phone(site)
    tab.page.goto("/de/check")
    go(tab, {**YOUNG, "place": place_of(site)})
    tab.context.unroute("**/*")
    tab.context.route(
        "https://www.dwd.de/**", lambda route: route.fulfill(body="<title>Wetter</title>Wetter")
    )
    for _ in range(3):
        tab.page.keyboard.press("Escape")
    tab.page.wait_for_url("https://www.dwd.de/**")
    assert_forgotten(tab, site)


def test_with_the_keyboard_alone(site: Site, phone: Any) -> None:
    tab = phone(site)
    tab.page.goto("/de/check")
    tab.page.keyboard.press("Tab")
    assert "Inhalt" in tab.page.evaluate("document.activeElement.textContent")
    tab.page.keyboard.press("Enter")
    for _ in range(12):
        tab.page.keyboard.press("Tab")
        if tab.page.evaluate("document.activeElement.name") == "answer":
            break
    tab.page.keyboard.press("Space")
    outline = tab.page.evaluate(
        "getComputedStyle(document.activeElement.closest('label') || document.activeElement).outlineStyle"
        " + getComputedStyle(document.activeElement).outlineStyle"
    )
    assert "solid" in outline, "focus must be visible"
    tab.page.keyboard.press("Enter")
    tab.page.wait_for_url("**/check/topic*")
    clean(tab)


def test_results_appear_while_typing_and_back_works(site: Site, phone: Any) -> None:
    tab = phone(site)
    tab.page.goto("/de/offers")
    before = tab.page.inner_text("[data-total]")
    tab.page.locator("#q").press_sequentially("schulden", delay=20)
    tab.page.wait_for_function("t => document.querySelector('[data-total]').innerText != t", arg=before)
    assert "q=schulden" in tab.page.url
    assert "Schuld" in tab.page.inner_text("ul.cards > li:first-child")
    tab.picture("search-de")
    tab.page.reload()
    assert tab.page.input_value("#q") == "schulden"
    clean(tab)


def test_a_dangerous_sentence_opens_a_hand_above_the_results(site: Site, phone: Any) -> None:
    tab = phone(site)
    tab.page.goto("/de/offers?q=ich+will+nicht+mehr+leben")
    notice = tab.page.locator("#results a[href$='/help-now']").first
    first = tab.page.locator("ul.cards > li").first
    assert notice.bounding_box()["y"] < first.bounding_box()["y"]
    clean(tab)


def test_offline_is_said_by_the_page_and_nothing_typed_is_lost(site: Site, phone: Any) -> None:
    tab = phone(site)
    tab.page.goto("/de/check")
    choose(tab, "me")
    tab.page.check('main input[name="answer"][value="money"]', force=True)
    tab.context.set_offline(True)
    tab.page.click('form#question button:not([type="button"])')
    tab.page.wait_for_timeout(600)
    assert (
        tab.page.locator("text=Gerade kein Netz").count()
        or tab.page.locator("[data-offline]:visible").count()
    )
    assert tab.page.is_checked('input[value="money"]')
    tab.context.set_offline(False)
    choose(tab)
    assert question(tab) != "topic"


def to_the_place(tab: Phone) -> None:
    tab.page.goto("/de/check")
    while question(tab) != "place":
        choose(tab, YOUNG.get(question(tab), "dont_know"))


@pytest.mark.parametrize("width", [360, 1280])
@pytest.mark.parametrize("touch", [True, False])
def test_the_first_tap_goes_on_while_suggestions_are_shown(
    site: Site, phone: Any, width: int, touch: bool
) -> None:
    tab = phone(site, has_touch=touch)
    tab.page.set_viewport_size({"width": width, "height": 740})
    to_the_place(tab)
    tab.page.locator("#place").press_sequentially(place_of(site), delay=20)
    tab.page.wait_for_selector(".list [role=option]")
    box = tab.page.locator('form#question button:not([type="button"])').bounding_box()
    middle = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    if touch:
        tab.page.touchscreen.tap(*middle)
    else:
        tab.page.mouse.move(*middle)
        tab.page.mouse.down()
        tab.page.wait_for_timeout(400)
        tab.page.mouse.up()
    tab.page.wait_for_url(lambda url: "/check/place" not in url)
    clean(tab)


def test_an_unknown_place_is_explained_and_kept(site: Site, phone: Any) -> None:
    tab = phone(site)
    to_the_place(tab)
    tab.page.fill("#place", "Xyzhausen-Nirgendwo")
    tab.page.click('form#question button:not([type="button"])')
    tab.page.wait_for_timeout(300)
    assert tab.page.input_value("#place") == "Xyzhausen-Nirgendwo"
    assert tab.page.locator("#place[aria-invalid=true]").count() == 1
    assert tab.page.locator("a[href='#place']").count() == 1
    tab.picture("place-error-de")


@pytest.mark.parametrize("width", [320, 360, 768])
def test_nothing_runs_out_of_the_side(site: Site, browser: Any, width: int) -> None:
    context = browser.new_context(viewport={"width": width, "height": 740}, base_url=site.address)
    page = context.new_page()
    for path in (
        "/de/",
        "/de/check/who",
        "/de/offers",
        "/de/help-now",
        "/de/topics",
        "/ar/",
        "/ar/check/who",
        "/en/about",
    ):
        page.goto(path)
        assert page.evaluate("document.documentElement.scrollWidth") <= width, path
    context.close()


def test_at_four_hundred_percent_the_text_reflows(site: Site, browser: Any) -> None:
    """WCAG 1.4.10: 1280 CSS pixels at 400 % are 320."""
    context = browser.new_context(viewport={"width": 320, "height": 256}, base_url=site.address)
    page = context.new_page()
    page.goto("/de/check/topic")
    assert page.evaluate("document.documentElement.scrollWidth") <= 320
    button = page.locator('form#question button:not([type="button"])').bounding_box()
    field = page.locator("h1").bounding_box()
    assert button and field
    assert button["height"] < 128, "the fixed button must leave room to read"
    context.close()
