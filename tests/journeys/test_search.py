"""The search on a phone: by keyboard, by touch, by ear, from right to left, and without scripts."""

import re
from collections.abc import Callable

import pytest

from tests.journeys.conftest import Phone, Site
from tests.journeys.test_journeys import YOUNG, go, place_of

pytestmark = pytest.mark.browser

LISTEN = """
() => {
  window.heard = [];
  new MutationObserver(() => {
    const text = document.getElementById("live").textContent;
    if (text) window.heard.push(text);
  }).observe(document.getElementById("live"), { childList: true, characterData: true, subtree: true });
}
"""


def clean(tab: Phone) -> None:
    assert tab.foreign == []
    # htmx writes that down when a newer search replaces one that is still on its way.
    assert [e for e in tab.errors if not e.startswith(("htmx:sendAbort", "htmx:afterRequest"))] == []


def field(tab: Phone, name: str, selector: str = "#q") -> str | None:
    found: str | None = tab.page.get_attribute(selector, name)
    return found


def type_word(tab: Phone, text: str, selector: str = "#q") -> None:
    tab.page.locator(selector).press_sequentially(text, delay=25)


def active(tab: Phone) -> str:
    """The option that a screen reader is told of, as it reads it."""
    option = tab.page.locator(f"#{field(tab, 'aria-activedescendant')}")
    assert option.get_attribute("role") == "option"
    assert option.get_attribute("aria-selected") == "true"
    return str(option.inner_text())


def wait_for_url(tab: Phone, words: str) -> None:
    """Also without scripts; htmx only pushes the address."""
    tab.page.wait_for_url(lambda url: words in url)


def test_the_suggestions_by_keyboard(harz_site: Site, phone: Callable[..., Phone]) -> None:
    """The pattern "editable combobox with list autocomplete" of the ARIA Authoring Practices."""
    tab = phone(harz_site)
    tab.page.goto("/de/offers")
    assert (field(tab, "role"), field(tab, "aria-expanded")) == ("combobox", "false")
    assert field(tab, "aria-autocomplete") == "list"
    box = f"#{field(tab, 'aria-controls')}"
    assert tab.page.get_attribute(box, "role") == "listbox"
    assert tab.page.get_attribute(box, "aria-label") == tab.page.inner_text("h1 label")
    tab.page.focus("#q")
    type_word(tab, "hartz")
    tab.page.wait_for_selector(f"{box} [role=option]")
    assert field(tab, "aria-expanded") == "true"
    assert field(tab, "aria-activedescendant") is None, "nothing is chosen before somebody chooses"
    tab.page.keyboard.press("ArrowDown")
    assert "Jobcenter" in active(tab)
    assert tab.page.evaluate("document.activeElement.id") == "q", "the focus stays where one types"
    tab.page.keyboard.press("Escape")
    assert (field(tab, "aria-expanded"), field(tab, "aria-activedescendant")) == ("false", None)
    assert tab.page.input_value("#q") == "hartz"
    tab.page.keyboard.press("ArrowUp")
    assert field(tab, "aria-expanded") == "true"
    assert active(tab)
    tab.page.keyboard.press("Enter")
    wait_for_url(tab, "q=Jobcenter")
    assert field(tab, "aria-expanded") == "false"
    tab.page.keyboard.press("Tab")
    assert tab.page.evaluate("document.activeElement.id") != "q", "no trap"
    clean(tab)


def test_enter_without_a_choice_searches_for_what_was_typed(
    harz_site: Site, phone: Callable[..., Phone]
) -> None:
    tab = phone(harz_site)
    tab.page.goto("/de/offers")
    type_word(tab, "hartz")
    tab.page.wait_for_selector("[role=option]")
    tab.page.keyboard.press("Enter")
    wait_for_url(tab, "q=hartz")
    assert field(tab, "aria-expanded") == "false"
    tab.page.wait_for_timeout(600)
    assert field(tab, "aria-expanded") == "false", "a late answer does not open it again"
    clean(tab)


def test_a_place_among_the_suggestions_by_touch(harz_site: Site, phone: Callable[..., Phone]) -> None:
    tab = phone(harz_site, has_touch=True, is_mobile=True)
    tab.page.goto("/de/offers")
    type_word(tab, "suchtberatung werni")
    place = tab.page.locator("[role=option][data-place]").first
    place.wait_for()
    assert place.bounding_box()["height"] >= 44
    place.tap()
    wait_for_url(tab, "place=Wernigerode")
    assert tab.page.input_value("#q") == "suchtberatung"
    assert tab.page.input_value("#place") == "Wernigerode"
    assert "km" in tab.page.inner_text("ul.cards") or "Ort" in tab.page.inner_text("ul.cards")
    clean(tab)


@pytest.mark.parametrize(("lang", "typed"), [("de", "suchtberatung werni"), ("ar", "Wernig")])
def test_the_list_stands_below_its_field_on_either_side(
    harz_site: Site, phone: Callable[..., Phone], lang: str, typed: str
) -> None:
    tab = phone(harz_site, locale=lang)
    tab.page.goto(f"/{lang}/offers")
    type_word(tab, typed)
    tab.page.wait_for_selector("[role=option]")
    box = tab.page.locator("[role=listbox]:visible").bounding_box()
    above = tab.page.locator("#q").bounding_box()
    assert box["y"] >= above["y"] + above["height"] - 1
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= 360
    assert tab.page.evaluate("document.documentElement.scrollWidth") <= 360
    option = tab.page.locator("[role=option]").first
    assert option.evaluate("o => getComputedStyle(o).direction") == ("rtl" if lang == "ar" else "ltr")
    clean(tab)


def test_numbers_are_said_once_it_is_quiet_and_nothing_at_once(
    harz_site: Site, phone: Callable[..., Phone]
) -> None:
    tab = phone(harz_site)
    tab.page.goto("/de/offers")
    tab.page.evaluate(LISTEN)
    tab.page.locator("#q").press_sequentially("schuldnerberatung", delay=90)
    tab.page.wait_for_function("() => heard.length > 0")
    tab.page.wait_for_timeout(1200)
    heard = tab.page.evaluate("heard")
    assert len(heard) == 1, f"not at every letter: {heard}"
    assert re.fullmatch(r"\d+ Vorschl[aä]ge?\. \d+ Angebote?", heard[0]), heard
    tab.page.keyboard.press("Escape")
    tab.page.evaluate("heard.length = 0")
    tab.page.fill("#q", "xqzwvk")
    tab.page.wait_for_function("() => document.querySelector('[data-total]').dataset.total === '0'")
    tab.page.wait_for_timeout(150)
    assert tab.page.evaluate("heard") == ["0 Angebote"], "nothing found is said without delay"
    clean(tab)


def finished(tab: Phone) -> list[str]:
    """Addresses of searches that the script calls finished."""
    found: list[str] = []
    tab.page.on(
        "request", lambda request: found.append(request.url) if request.headers.get("x-stood") else None
    )
    return found


def test_only_a_search_that_stood_counts_as_one_without_hits(
    harz_site: Site, phone: Callable[..., Phone]
) -> None:
    tab = phone(harz_site)
    tab.page.goto("/de/offers")
    counted = finished(tab)
    for part in ("xqz", "wvk", "urs"):
        type_word(tab, part)
        tab.page.wait_for_timeout(900)
    assert counted == [], "a beginning is no word"
    tab.page.wait_for_timeout(2600)
    assert [url.partition("?")[2] for url in counted] == ["q=xqzwvkurs"]
    tab.page.keyboard.press("Enter")
    tab.page.wait_for_timeout(800)
    assert len(counted) == 1, "once is enough"
    tab.page.fill("#q", "xqzwvanders")
    tab.page.keyboard.press("Enter")
    tab.page.wait_for_timeout(900)
    assert len(counted) == 2, "Enter says that it is finished"
    tab.page.fill("#q", "schulden")
    tab.page.keyboard.press("Enter")
    tab.page.wait_for_timeout(3600)
    assert len(counted) == 2, "something was found"
    clean(tab)


@pytest.mark.parametrize("scripts", [True, False])
def test_show_more_is_a_link_and_goes_on_where_one_was(
    harz_site: Site, phone: Callable[..., Phone], scripts: bool
) -> None:
    tab = phone(harz_site, scripts=scripts)
    tab.page.goto("/de/offers?q=beratung")
    assert tab.page.locator("ul.cards > li").count() == 10
    tab.page.click("a[href*='show=20']")
    wait = tab.page.locator("ul.cards > li").nth(19)
    wait.wait_for()
    assert "show=20" in tab.page.url
    assert tab.page.locator("#r11").bounding_box()["y"] < 740
    if scripts:
        assert tab.page.evaluate("document.activeElement.id") == "r11"
    clean(tab)


@pytest.mark.parametrize("scripts", [True, False])
def test_by_distance_with_kilometres(harz_site: Site, phone: Callable[..., Phone], scripts: bool) -> None:
    tab = phone(harz_site, scripts=scripts)
    tab.page.goto("/de/offers?q=beratung&place=Wernigerode")
    tab.page.click("a:has-text('Was am nächsten ist')")
    tab.page.wait_for_url("**sort=distance**")
    near = [re.search(r"etwa (\d+) km", text) for text in tab.page.locator("ul.cards > li").all_inner_texts()]
    distances = [int(found[1]) if found else 0 for found in near]
    assert distances == sorted(distances)
    assert distances[-1] > 0
    clean(tab)


@pytest.mark.parametrize("scripts", [True, False])
def test_the_answers_narrow_the_search_until_somebody_takes_them_away(
    site: Site, phone: Callable[..., Phone], scripts: bool
) -> None:
    tab = phone(site, scripts=scripts)
    tab.page.goto("/de/check")
    place = place_of(site)
    go(tab, {**YOUNG, "place": place})
    tab.page.goto("/de/offers")
    said = tab.page.locator("#results nav:has(p.row)")
    assert "Aus deinen Antworten" in said.inner_text()
    assert all(words in said.inner_text() for words in (place, "15 bis 17", "Ausbildungsplatz"))
    narrowed = tab.page.inner_text("[data-total]")
    tab.page.fill("#q", "geld")
    tab.page.keyboard.press("Enter")
    wait_for_url(tab, "q=geld")
    assert "Ausbildungsplatz" not in said.inner_text()
    assert not re.search(r"place=[^&]|age=\d|topic=", tab.page.url)
    tab.page.goto("/de/offers")
    tab.page.click("text=Alle wegnehmen")
    tab.page.wait_for_url("**without=**")
    assert said.count() == 0
    assert tab.page.inner_text("[data-total]") != narrowed
    tab.page.fill("#q", "geld")
    tab.page.keyboard.press("Enter")
    wait_for_url(tab, "q=geld")
    assert "without=place" in tab.page.url, "taken away stays taken away"
    clean(tab)
