"""Cards in two languages as they look: beside each other where there is room, whole on every paper, right in both directions."""

import re
from typing import Any

import pytest

from tests.journeys.conftest import Phone, Site
from tests.journeys.test_journeys import YOUNG, clean, go, place_of

pytestmark = pytest.mark.browser
MILLIMETRE = 96 / 25.4
MARGIN = 9
"""Of the page, as paper.css sets it."""


def result_in(tab: Phone, site: Site, lang: str) -> None:
    tab.page.goto(f"/{lang}/check")
    go(tab, {**YOUNG, "topic": ("training_place", "money"), "place": place_of(site)})
    tab.page.goto(f"/{lang}/result/both")


PAIRS = """() => [...document.querySelectorAll('main .two')].filter(two => two.children.length === 2).map(two => {
    const [own, german] = [...two.children].map(side => side.getBoundingClientRect());
    return {own: {x: own.x, y: own.y, r: own.right, b: own.bottom}, german: {x: german.x, y: german.y, r: german.right}};
})"""


def paper(tab: Phone, width: int, height: int) -> None:
    """Look at the page as it is laid out on a sheet of that many millimetres."""
    tab.page.emulate_media(media="print")
    tab.page.set_viewport_size(
        {
            "width": round((width - 2 * MARGIN) * MILLIMETRE),
            "height": round((height - 2 * MARGIN) * MILLIMETRE),
        }
    )


@pytest.mark.parametrize(("lang", "own_is_right"), [("ar", True), ("en", False)])
def test_both_sides_stand_where_they_belong(site: Site, phone: Any, lang: str, own_is_right: bool) -> None:
    tab = phone(site)
    result_in(tab, site, lang)
    tab.picture(f"both-{lang}", full=True)
    pairs = tab.page.evaluate(PAIRS)
    assert len(pairs) >= 8
    for pair in pairs:
        assert pair["german"]["y"] >= pair["own"]["b"] - 1, "on a phone one below the other"
    assert tab.page.evaluate("document.documentElement.scrollWidth") <= 360
    for width, height in ((210, 297), (105, 148)):
        paper(tab, width, height)
        for pair in tab.page.evaluate(PAIRS):
            assert abs(pair["own"]["y"] - pair["german"]["y"]) < 12, "side by side"
            left, right = (pair["german"], pair["own"]) if own_is_right else (pair["own"], pair["german"])
            assert left["r"] <= right["x"] + 1
    clean(tab)


@pytest.mark.parametrize("lang", ["ar", "en"])
def test_no_card_is_cut_by_the_edge_of_a_page(site: Site, phone: Any, lang: str) -> None:
    """A card may not be broken, so it has to be smaller than the smallest paper."""
    tab = phone(site)
    result_in(tab, site, lang)
    for width, height in ((210, 297), (105, 148)):
        paper(tab, width, height)
        room = tab.page.viewport_size["height"]
        cards = tab.page.evaluate(
            "[...document.querySelectorAll('main .card')].map(card =>"
            " ({height: card.offsetHeight, rule: getComputedStyle(card).breakInside}))"
        )
        assert len(cards) >= 4
        for card in cards:
            assert card["rule"] == "avoid"
            assert card["height"] <= room, f"{lang}, {width} mm: {card}"
        assert tab.page.locator("header, .foot, [data-print]").evaluate_all(
            "all => all.every(part => part.offsetHeight === 0)"
        ), "only the cards go on paper"


@pytest.mark.parametrize(("lang", "most"), [("de", 3), ("ar", 3), ("uk", 4)])
def test_the_questions_fit_on_few_sheets(site: Site, phone: Any, lang: str, most: int) -> None:
    tab = phone(site)
    tab.page.goto(f"/{lang}/check/print")
    tab.picture(f"sheet-{lang}", full=True)
    assert tab.page.evaluate("document.documentElement.scrollWidth") <= 360
    pdf = tab.page.pdf(format="A4")
    pages = len(re.findall(rb"/Type\s*/Page\b(?!s)", pdf))
    assert 1 <= pages <= most
    clean(tab)


SIZES = """() => [...document.querySelectorAll('main *')].filter(e =>
    e.offsetHeight && [...e.childNodes].some(n => n.nodeType === 3 && n.data.trim())
).map(e => parseFloat(getComputedStyle(e).fontSize) * .75)"""


@pytest.mark.parametrize("lang", ["de", "ar"])
@pytest.mark.parametrize(("width", "height"), [(210, 297), (105, 148)])
def test_whoever_reads_slowly_can_read_the_sheet(
    site: Site, phone: Any, lang: str, width: int, height: int
) -> None:
    tab = phone(site)
    tab.page.goto(f"/{lang}/check/print")
    paper(tab, width, height)
    assert min(tab.page.evaluate(SIZES)) >= 9.9, "points"
    between = "e => e.previousSibling.data"
    answers = tab.page.locator(".tick small[lang=de]")
    assert bool(answers.count()) is (lang != "de")
    assert all(text.endswith(" · ") for text in answers.evaluate_all(f"all => all.map({between})"))


def test_numbers_run_from_left_to_right_in_both_columns(site: Site, phone: Any) -> None:
    tab = phone(site)
    result_in(tab, site, "ar")
    numbers = tab.page.locator('main a[href^="tel:"] bdi')
    assert numbers.count()
    for number in numbers.all():
        assert number.evaluate("e => getComputedStyle(e).direction") == "ltr"
    german = tab.page.locator('main [lang="de"]')
    for text in german.all():
        assert text.evaluate("e => getComputedStyle(e).direction") == "ltr"
