"""axe-core on every public page, in every language, on a phone: no violation."""

from pathlib import Path
from typing import Any

import pytest

from tests.journeys.conftest import Phone, Site
from tests.journeys.test_journeys import YOUNG, place_of

pytestmark = pytest.mark.browser
AXE = (Path(__file__).parent.parent / "vendor" / "axe.min.js").read_text(encoding="utf-8")
OPTIONS = {
    "runOnly": {
        "type": "tag",
        "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
    }
}

PATHS = [
    "",
    "offers",
    "offers?q=ausbildung&free=1",
    "offers?q=zzzzqqqq",
    "offers?q=ich+will+nicht+mehr+leben",
    "topics",
    "topics/geld_leben",
    "help-now",
    "about",
    "privacy",
    "imprint",
    "accessibility",
    "sources",
    "check/who",
    "nothing-here",
]


def violations(phone: Phone) -> list[str]:
    phone.page.evaluate(AXE)
    found = phone.page.evaluate("options => axe.run(document, options)", OPTIONS)
    return [
        f"{v['id']}: {v['help']}: {[n['html'][:160] for n in v['nodes'][:3]]}" for v in found["violations"]
    ]


@pytest.fixture
def axe_phone(phone: Any, site: Site) -> Phone:
    opened: Phone = phone(site, bypass_csp=True)
    return opened


@pytest.mark.parametrize("lang", ["de", "en", "ar"])
def test_public_pages(axe_phone: Phone, site: Site, lang: str) -> None:
    portal = site.app.extensions["portal"]
    service = portal.catalogue.services()[0]
    paths = [*PATHS, f"offers/{service.slug}", f"organizations/{service.organization.slug}"]
    problems = {}
    for path in paths:
        axe_phone.page.goto(f"/{lang}/{path}")
        if found := violations(axe_phone):
            problems[path] = found
    assert problems == {}


@pytest.mark.parametrize(("lang", "scheme"), [("de", "light"), ("de", "dark"), ("ar", "light")])
def test_questions_and_result(phone: Any, site: Site, lang: str, scheme: str) -> None:
    tab = phone(site, bypass_csp=True, color_scheme=scheme)
    problems = {}
    tab.page.goto(f"/{lang}/check")
    answers = {**YOUNG, "place": place_of(site)}
    for _ in range(10):
        if found := violations(tab):
            problems[tab.page.url] = found
        if tab.page.url.endswith("/result"):
            break
        step = tab.page.url.split("?")[0].rsplit("/", 1)[1]
        before = tab.page.url
        value = answers.get(step, "dont_know")
        if step == "place":
            tab.page.fill("#place", value)
            tab.page.keyboard.press("Escape")
        else:
            tab.page.check(f'main input[name="answer"][value="{value}"]', force=True)
        tab.page.click('form#question button:not([type="button"])')
        tab.page.wait_for_url(lambda url, before=before: url != before)
    assert tab.page.url.endswith("/result")
    assert problems == {}


def test_all_components_together(axe_phone: Phone, site: Site) -> None:
    axe_phone.page.goto("/dev/components")
    assert violations(axe_phone) == []
