"""The result as it comes out of a printer."""

import re
from typing import Any

import pytest

from tests.journeys.conftest import Phone, Site
from tests.journeys.test_journeys import YOUNG, clean, go, place_of

pytestmark = pytest.mark.browser


def sheets(pdf: bytes) -> int:
    return len(re.findall(rb"/Type\s*/Page\b(?!s)", pdf))


def result_in(tab: Phone, site: Site, lang: str) -> None:
    tab.page.goto(f"/{lang}/check")
    go(tab, {**YOUNG, "place": place_of(site)})


@pytest.mark.parametrize("lang", ["de", "ar"])
def test_a_result_begins_on_the_first_sheet_and_fits_on_two(site: Site, phone: Any, lang: str) -> None:
    tab = phone(site)
    result_in(tab, site, lang)
    assert 1 <= sheets(tab.page.pdf(format="A4")) <= 2
    first = tab.page.pdf(format="A4", page_ranges="1")
    for way in ("tel:", "mailto:"):
        address = tab.page.locator(f'article.first .btn[href^="{way}"]').get_attribute("href")
        assert f"/URI ({address})".encode() in first, "the card stands below the heading"
    clean(tab)


@pytest.mark.parametrize("lang", ["de", "ar"])
def test_an_offer_with_three_houses_leaves_no_holes(site: Site, phone: Any, lang: str) -> None:
    tab = phone(site)
    tab.page.goto(f"/{lang}/offers/schulsozialarbeit")
    assert tab.page.locator("main .cards > .card").count() == 3
    assert 1 <= sheets(tab.page.pdf(format="A4")) <= 2
    clean(tab)


def test_on_paper_stands_where_to_write_and_nothing_that_has_to_be_touched(site: Site, phone: Any) -> None:
    tab = phone(site)
    result_in(tab, site, "ar")
    tab.page.emulate_media(media="print")
    mail = tab.page.locator('article.first .btn[href^="mailto:"]')
    address = str(mail.get_attribute("href")).removeprefix("mailto:")
    shown = mail.evaluate("e => getComputedStyle(e, '::after').content")
    assert shown == f'"{address}"'
    gap = mail.evaluate("e => parseFloat(getComputedStyle(e).columnGap)")
    assert mail.evaluate("e => getComputedStyle(e).display") == "flex"
    assert gap > 3, "the icon does not stick to the word"
    for hidden in ('[href*="openstreetmap"]', "form", ".noprint", 'a.quiet[href^="/"]'):
        assert tab.page.locator(f"main {hidden}").evaluate_all("all => all.every(e => !e.offsetHeight)"), (
            hidden
        )
