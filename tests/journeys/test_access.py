"""What axe cannot see: large text, wide spacing, the keyboard, the focus after a swap, reading aloud."""

import re
from collections.abc import Callable
from typing import Any

import pytest

from tests.accessibility import LANGUAGES, Look, recorded
from tests.journeys.conftest import PHONE, Phone, Site
from tests.journeys.states import every_state
from tests.journeys.test_journeys import question

pytestmark = pytest.mark.browser

ZOOMED = {"width": 320, "height": 256}
"""1280 by 1024 CSS pixels at 400 % (WCAG 1.4.10)."""
SPACING = """
* { line-height: 1.5 !important; letter-spacing: .12em !important; word-spacing: .16em !important }
p { margin-block-end: 2em !important }
"""
"""WCAG 1.4.12."""
SIDEWAYS = "Math.max(document.documentElement.scrollWidth, document.body.scrollWidth)"
CUT_OFF = """
() => [...document.querySelectorAll("body *")].filter(element => {
  if (!element.checkVisibility() || element.closest("svg, .vh, [inert]") || element.matches("input, textarea")) return false;
  const style = getComputedStyle(element);
  // The summary on a card of the list ends after four lines at any spacing; the whole text is one touch away.
  if (element.matches(".clip p")) return false;
  const wide = element.scrollWidth > element.clientWidth + 1, high = element.scrollHeight > element.clientHeight + 1;
  const hides = /hidden|clip/.test(style.overflowX + style.overflowY);
  const boxed = element.matches(".btn, .chip, .tool, .tag, .tile, .pick, summary, .brand");
  return hides && (wide || high) || boxed && wide && style.display !== "inline";
}).slice(0, 3).map(element => "text is cut off: " + element.outerHTML.slice(0, 140))
"""
SMALL_TARGETS = """
size => [...document.querySelectorAll(".btn, .input, .tile, .pick, .chip, .tool, .langs a, summary, .help, .plain")]
  .filter(element => element.checkVisibility() && element.getClientRects().length && !element.closest(".vh"))
  .filter(element => element.getBoundingClientRect().height < size)
  .slice(0, 3).map(element => "target smaller than " + size + ": " + element.outerHTML.slice(0, 140))
"""
MOVING = """
() => [...document.querySelectorAll("*")].filter(element => {
  const style = getComputedStyle(element);
  return style.animationName !== "none" || parseFloat(style.transitionDuration) > 0 || style.scrollBehavior === "smooth";
}).slice(0, 3).map(element => "moves by itself: " + element.outerHTML.slice(0, 140))
"""


@pytest.mark.timeout(900)
@pytest.mark.parametrize("lang", LANGUAGES)
def test_large_text_narrow_screens_and_wide_spacing(phone: Any, site: Site, lang: str) -> None:
    tab = phone(site, bypass_csp=True)
    with recorded("reflow", lang) as look:
        for state in every_state(tab, site, lang):
            found = [*tab.page.evaluate(SMALL_TARGETS, 48), *tab.page.evaluate(MOVING)]
            tab.page.set_viewport_size(ZOOMED)
            if (width := tab.page.evaluate(SIDEWAYS)) > ZOOMED["width"]:
                found.append(f"{width} pixels wide on a screen of {ZOOMED['width']}")
            style = tab.page.add_style_tag(content=SPACING)
            if (width := tab.page.evaluate(SIDEWAYS)) > ZOOMED["width"]:
                found.append(f"{width} pixels wide with wide spacing")
            found += tab.page.evaluate(CUT_OFF)
            style.evaluate("element => element.remove()")
            tab.page.set_viewport_size(PHONE)
            look.at(f"{lang}, {state}", found)


def test_a_fault_of_each_kind_is_found(phone: Any, site: Site) -> None:
    """The test above must be able to fail."""
    tab = phone(site, bypass_csp=True)
    tab.page.goto("/de/")
    tab.page.add_style_tag(
        content=".far{margin-inline-start:400px} .low{height:1rem;overflow:hidden} .slow{transition:1s;min-block-size:0}"
    )
    tab.page.evaluate(
        "document.querySelector('main').insertAdjacentHTML('beforeend',"
        ' \'<p class="far">weit</p><p class="low">hoch<br>und tief</p><a class="plain slow">klein</a>\')'
    )
    assert tab.page.evaluate(SIDEWAYS) > PHONE["width"]
    assert any("hoch" in line for line in tab.page.evaluate(CUT_OFF))
    assert ["klein" in line for line in tab.page.evaluate(SMALL_TARGETS, 48)] == [True]
    assert ["klein" in line for line in tab.page.evaluate(MOVING)] == [True]


LISTEN = """
() => {
  window.heard = [];
  const live = document.getElementById("live");
  new MutationObserver(() => { if (live.textContent) heard.push(live.textContent); })
    .observe(live, { childList: true, characterData: true, subtree: true });
}
"""
FOCUS = """
() => {
  const element = document.activeElement;
  if (!element || element === document.body || element === document.documentElement) return { lost: true };
  const marks = [element, element.closest(".tile, .pick, summary")].filter(Boolean);
  const visible = marks.some(mark => {
    const { outlineStyle, outlineWidth } = getComputedStyle(mark);
    return outlineStyle !== "none" && parseFloat(outlineWidth) >= 2;
  });
  const box = (element.closest(".tile, .pick") || element).getBoundingClientRect();
  const spots = [[.5, .5], [.05, .1], [.95, .1], [.05, .9], [.95, .9]].map(([x, y]) => [box.left + box.width * x, box.top + box.height * y]);
  const seen = spots.some(([x, y]) => {
    const top = document.elementFromPoint(x, y);
    return top && marks.concat(element.closest("label") || []).some(mark => mark.contains(top) || top.contains(mark) && top !== document.documentElement && top !== document.body);
  });
  return {
    lost: false, visible, seen, id: element.id, name: element.name || "", tag: element.tagName,
    text: (element.textContent || element.value || "").trim().slice(0, 60), html: element.outerHTML.slice(0, 120),
  };
}
"""


class Keyboard:
    """A person without a mouse: Tab until something is reached, and every stop on the way must be seen."""

    def __init__(self, tab: Phone, look: Look, lang: str) -> None:
        self.tab, self.look, self.lang = tab, look, lang

    def press(self, key: str) -> None:
        self.tab.page.keyboard.press(key)

    def stop(self) -> dict[str, Any]:
        here: dict[str, Any] = self.tab.page.evaluate(FOCUS)
        where = f"{self.lang}, {self.tab.page.url.partition('//')[2].partition('/')[2]}"
        problems = []
        if here["lost"]:
            problems.append("the focus is lost")
        else:
            problems += [] if here["visible"] else [f"the focus cannot be seen: {here['html']}"]
            problems += [] if here["seen"] else [f"what has the focus is covered: {here['html']}"]
        self.look.at(where, problems)
        return here

    def to(self, selector: str, *, key: str = "Tab", most: int = 60) -> dict[str, Any]:
        """Press `key` until an element that matches has the focus."""
        for _ in range(most):
            self.press(key)
            here = self.stop()
            if self.tab.page.evaluate("s => document.activeElement.matches(s)", selector):
                return here
        raise AssertionError(f"{selector} cannot be reached with {key} on {self.tab.page.url}")

    def leave_by(self, key: str = "Enter") -> None:
        before = self.tab.page.url
        self.press(key)
        self.tab.page.wait_for_url(lambda url: url != before)
        self.tab.page.wait_for_load_state()

    def heard(self, pattern: str) -> None:
        self.tab.page.wait_for_function(
            "p => window.heard.some(text => new RegExp(p).test(text))", arg=pattern
        )
        self.tab.page.evaluate("() => { window.heard.length = 0; }")


@pytest.mark.timeout(300)
@pytest.mark.parametrize("lang", ["de", "ar"])
def test_the_whole_way_with_the_keyboard(phone: Any, site: Site, lang: str) -> None:
    tab = phone(site)
    tab.context.grant_permissions(["clipboard-read", "clipboard-write"])
    tab.context.add_init_script("window.printed = 0; window.print = () => { window.printed++; };")
    page = tab.page
    with recorded("keyboard", lang) as look:
        keys = Keyboard(tab, look, lang)
        page.goto(f"/{lang}/")
        keys.to("a.skip", most=1)
        keys.press("Enter")
        assert page.evaluate("document.activeElement.id") == "main"
        keys.to("main a.btn")
        keys.leave_by()

        # The questions: a choice with the arrows, tiles with the space bar, a place with its suggestions.
        answer(keys, "who", "me")
        answer(keys, "topic", "training_place")
        for _ in range(10):
            if question(tab) == "result":
                break
            if question(tab) == "place":
                keys.to("#place")
                page.keyboard.type("001", delay=20)
                page.wait_for_selector("[role=listbox]:not([hidden]) [role=option]")
                keys.press("ArrowDown")
                keys.press("Enter")
                assert page.evaluate("document.activeElement.id") == "place"
                keys.leave_by()
            else:
                answer(keys, question(tab), "dont_know")
        assert question(tab) == "result"

        # The result: everything that is folded opens, the words are copied, the page is printed.
        keys.to("details.menu > summary")
        keys.press("Enter")
        keys.to("details.menu .langs a")
        keys.to("main details > summary")
        assert not page.locator("details.menu[open]").count(), "the menu would lie over what has the focus"
        keys.press("Enter")
        keys.stop()
        keys.to("[data-copy]")
        keys.press("Enter")
        page.wait_for_function(
            "() => document.activeElement.textContent === document.activeElement.dataset.done"
        )
        keys.stop()
        assert page.evaluate("navigator.clipboard.readText()")
        keys.to("[data-print]")
        keys.press("Enter")
        page.wait_for_function("() => window.printed === 1")
        keys.stop()

        # The search: while typing the focus stays in the field, and the number of results is said.
        page.goto(f"/{lang}/offers")
        page.evaluate(LISTEN)
        keys.to("#q")
        page.keyboard.type("deutsch", delay=20)
        page.wait_for_url("**q=deutsch*")
        keys.heard(r"\d+")
        assert page.evaluate("document.activeElement.id") == "q"
        keys.press("Escape")
        keys.stop()

        # A switch and a filter: after the swap the focus is where it was.
        switch = keys.to("a.chip[data-hx-get]")
        settled(page, lambda: keys.press("Enter"))
        assert keys.stop()["id"] == switch["id"]
        keys.heard(r"\d+")
        settled(page, lambda: keys.press("Enter"))
        assert keys.stop()["id"] == switch["id"]
        keys.to("#f-format > summary, #f-target > summary, #f-language > summary")
        keys.press("Enter")
        box = keys.to("details.filter[open] input")
        settled(page, lambda: keys.press("Space"))
        assert keys.stop()["id"] == box["id"]
        settled(page, lambda: keys.press("Space"))
        assert keys.stop()["id"] == box["id"]
        keys.to("details.filter[open] .btn")
        keys.press("Enter")
        assert keys.stop()["tag"] == "SUMMARY"

        # A long list of a filter: the button that stays at the lower edge never covers what has the focus.
        page.goto(f"/{lang}/offers")
        keys.to("#f-topic > summary")
        keys.press("Enter")
        keys.to("#f-topic .btn")

        # All offers, more of them: on with the first new one; then the offer itself.
        tab.context.clear_cookies()
        page.goto(f"/{lang}/offers")
        page.evaluate(LISTEN)
        keys.to("[data-next]", most=100)
        first_new = page.evaluate("document.activeElement.dataset.next")
        settled(page, lambda: keys.press("Enter"))
        assert keys.stop()["id"] == first_new
        keys.to(f"#{first_new} a")
        keys.leave_by()
        assert "/offers/" in page.url
        keys.to("main a.btn")
        assert tab.foreign == []


def answer(keys: Keyboard, step: str, value: str) -> None:
    page = keys.tab.page
    assert question(keys.tab) == step
    option = f'main input[name="answer"][value="{value}"]'
    if not page.locator(option).count():
        option = 'main input[name="answer"]'
    if page.locator(option).first.get_attribute("type") == "radio":
        keys.to('main input[name="answer"]')
        if not page.evaluate("s => document.activeElement.matches(s)", option):
            keys.to(option, key="ArrowDown")
        else:
            keys.press("Space")
    else:
        keys.to(option)
        keys.press("Space")
    assert page.locator(option).first.is_checked()
    keys.leave_by()


def settled(page: Any, act: Callable[[], None]) -> None:
    """Do something and wait until htmx has swapped."""
    page.evaluate(
        "() => { window.swaps = 0; addEventListener('htmx:afterSettle', () => { window.swaps++; }, { once: true }); }"
    )
    act()
    page.wait_for_function("() => window.swaps === 1")


def test_a_focused_filter_that_vanishes_hands_the_focus_to_the_number_of_results(
    site: Site, phone: Any
) -> None:
    tab = phone(site)
    tab.page.goto("/de/offers?q=deutsch")
    switch = tab.page.locator("a.chip[data-hx-get]").first
    # As if the answer had no offer for it any more.
    tab.context.route(
        "**/de/offers?*",
        lambda route: route.fulfill(
            content_type="text/html",
            body='<div class="row"><h2 tabindex="-1" data-total="0">0 Angebote</h2></div>',
        ),
    )
    switch.focus()
    settled(tab.page, lambda: tab.page.keyboard.press("Enter"))
    assert tab.page.evaluate("document.activeElement.textContent") == "0 Angebote"


VOICES = """
(() => {
  const said = window.said = [], listeners = [];
  const voices = VOICES_HERE.map(([lang, localService]) => ({ lang, localService, name: lang, default: false }));
  let current = null;
  class Utterance { constructor(text) { this.text = text; } }
  const speech = {
    getVoices: () => voices,
    addEventListener: (name, listener) => listeners.push(listener),
    speak: utterance => { if (utterance.text) { said.push({ text: utterance.text, lang: utterance.lang }); current = utterance; } },
    cancel: () => { window.cancelled = (window.cancelled || 0) + 1; const was = current; current = null; if (was && was.onerror) setTimeout(() => was.onerror({ error: "canceled" })); },
  };
  window.finish = () => { const was = current; current = null; was.onend(); };
  Object.defineProperty(window, "speechSynthesis", { value: speech });
  window.SpeechSynthesisUtterance = Utterance;
})();
"""


@pytest.fixture
def reader(phone: Any, site: Site) -> Callable[..., Phone]:
    """A phone with the given voices: (language, belongs to the device)."""

    def make(*voices: tuple[str, bool], **options: Any) -> Phone:
        tab: Phone = phone(site, **options)
        listed = str([[lang, own] for lang, own in voices]).replace("True", "true").replace("False", "false")
        tab.context.add_init_script(VOICES.replace("VOICES_HERE", listed))
        return tab

    return make


def test_reading_aloud_is_offered_only_where_the_device_can_do_it(reader: Callable[..., Phone]) -> None:
    tab = reader(("de_DE", True), ("ar-SA", False))
    for address, offered in (("/de/", 1), ("/de-simple/", 1), ("/de/check/who", 1), ("/ar/", 0), ("/en/", 0)):
        tab.page.goto(address)
        tab.page.wait_for_load_state("networkidle")
        assert tab.page.locator("#read").count() == offered, address
    assert not any(
        "readaloud" in request for request in tab.page.evaluate("performance.getEntries().map(e => e.name)")
    )


def test_reading_aloud_sentence_by_sentence(reader: Callable[..., Phone]) -> None:
    tab = reader(("de-DE", True), ("en-GB", True))
    page = tab.page
    page.goto("/de/")
    assert page.get_by_role("button", name="Vorlesen").count() == 1
    assert page.evaluate("said.length") == 0, "nothing begins by itself"
    page.click("#read")
    page.wait_for_function("() => said.length === 1")
    assert page.get_by_role("button", name="Pause", exact=True).count() == 1
    for number in range(2, 8):
        page.evaluate("finish()")
        page.wait_for_function("n => said.length === n", arg=number)
    spoken = page.evaluate("said")
    texts = [one["text"] for one in spoken]
    heading = re.split(r"(?<=[.?])\s", page.inner_text("h1"))
    assert [text for text in texts if text in heading] == heading
    assert {one["lang"] for one in spoken if one["text"] in heading} == {"de-DE"}
    page.click("#read")
    assert page.get_by_role("button", name="Weiterlesen").count() == 1
    page.click("#read")
    page.wait_for_function("() => said.length === 8")
    assert page.evaluate("said[7].text") == texts[6], "on with the sentence that was broken off"
    # What is folded away is not read.
    page.goto("/de/offers?q=beratung")
    page.click("#read")
    for _ in range(400):
        page.wait_for_function("() => !!said.length")
        if page.inner_text("#read") != "Pause":
            break
        page.evaluate("finish()")
    assert page.inner_text("#read") == "Vorlesen", "it comes to an end"
    folded = page.locator("details.filter:not([open]) label").first.text_content().split("(")[0].strip()
    assert folded not in [one["text"] for one in page.evaluate("said")]
    assert tab.foreign == []


def test_exit_silences_the_reading(reader: Callable[..., Phone]) -> None:
    tab = reader(("de-DE", True))
    page = tab.page
    page.goto("/de/")
    page.click("#read")
    page.wait_for_function("() => said.length === 1")
    page.evaluate("document.getElementById('exit').dataset.to = '#away'")
    before = page.evaluate("window.cancelled")
    page.click("form.exit button")
    page.wait_for_function("n => window.cancelled > n", arg=before)
    page.wait_for_function("() => document.body.hidden")
    assert page.evaluate("said.length") == 1
