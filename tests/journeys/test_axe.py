"""axe-core on every public page, in every language, on a phone: no violation."""

from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from portal.accounts.tokens import token_hash
from portal.catalogue.models import Confirmation
from portal.web.public.confirmation import Links, path
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
    for address in paths:
        axe_phone.page.goto(f"/{lang}/{address}")
        if found := violations(axe_phone):
            problems[address] = found
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


@pytest.mark.parametrize(
    ("lang", "scheme"), [("de", "light"), ("de", "dark"), ("en", "light"), ("ar", "light")]
)
def test_saying_that_something_is_wrong(phone: Any, site: Site, lang: str, scheme: str) -> None:
    tab = phone(site, bypass_csp=True, color_scheme=scheme)
    service = site.app.extensions["portal"].catalogue.services()[0]
    report = f"/{lang}/offers/{service.slug}/report"
    problems = {}
    tab.page.goto(report)
    assert tab.page.query_selector('main input[name="reason"]')
    problems["form"] = violations(tab)
    tab.page.evaluate("document.querySelector('main form').noValidate = true")
    with tab.page.expect_navigation():
        tab.page.click('main form button:not([type="button"])')
    assert tab.page.query_selector(
        "main [id=errors], main .errors, main [role=alert], main [aria-invalid=true]"
    )
    problems["refused"] = violations(tab)
    tab.page.goto(f"{report}ed")
    assert tab.page.query_selector(f'main a[href="/{lang}/offers/{service.slug}"]')
    problems["thanks"] = violations(tab)
    assert {name: found for name, found in problems.items() if found} == {}


@pytest.mark.parametrize(
    ("lang", "scheme"), [("de", "light"), ("de", "dark"), ("en", "light"), ("ar", "light")]
)
def test_the_page_of_a_confirmation_link(phone: Any, site: Site, lang: str, scheme: str) -> None:
    tab = phone(site, bypass_csp=True, color_scheme=scheme)
    still_open = path(a_question(site), lang)
    answered = path(a_question(site, answered_at=site.now, answer="right"), lang)
    pages = {
        "question": (still_open, 200),
        "correct": (f"{still_open}/correct", 200),
        "answered": (answered, 200),
        "thanks": (f"{answered}?thanks=1", 200),
        "expired": (path(a_question(site, expires_at=site.now - timedelta(days=1)), lang), 410),
        "unknown": (path("nothing", lang), 404),
    }
    problems = {}
    for name, (address, status) in pages.items():
        answer = tab.page.goto(address)
        assert answer.status == status, name
        if found := violations(tab):
            problems[name] = found
    assert problems == {}


def a_question(site: Site, **changes: Any) -> str:
    """The token of a link that was mailed to an organization."""
    portal = site.app.extensions["portal"]
    service = portal.catalogue.services()[0]
    id_ = uuid4()
    token = Links(portal.settings.secret_key).token(id_)
    values = {"asked_at": site.now, "expires_at": site.now + timedelta(days=60), **changes}
    with portal.store.sessions() as session:
        session.add(
            Confirmation(
                id=id_, region=portal.region.slug, service_id=service.id, recipient="office@example.org",
                token_hash=token_hash(token), **values,
            )
        )  # fmt: skip
        session.commit()
    return token


def test_all_components_together(axe_phone: Phone, site: Site) -> None:
    axe_phone.page.goto("/dev/components")
    assert violations(axe_phone) == []
