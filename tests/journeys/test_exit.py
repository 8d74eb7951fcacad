"""Exit leaves nothing to come back to: with the script, without it, by keyboard, without a network."""

import re
from typing import Any

import pytest

from tests.journeys.conftest import Phone, Site
from tests.journeys.test_journeys import YOUNG, go, place_of

pytestmark = pytest.mark.browser
NEUTRAL = "https://www.dwd.de/"
ANSWERS = {**YOUNG, "topic": "training_place"}


@pytest.fixture
def leaving(phone: Any) -> Any:
    """A tab for which the neutral page stands outside, as it does in life."""

    def make(site: Site, **options: Any) -> Phone:
        tab: Phone = phone(site, **options)
        tab.context.route(
            f"{NEUTRAL}**",
            lambda route: route.fulfill(
                content_type="text/html", body="<title>Wetter</title><h1>Wetter</h1>"
            ),
        )
        return tab

    return make


def answered(tab: Phone, site: Site, lang: str = "de") -> None:
    tab.page.goto(f"/{lang}/check")
    go(tab, {**ANSWERS, "place": place_of(site)})
    assert tab.context.cookies(site.address)


def assert_no_answers(tab: Phone, site: Site) -> None:
    """The beacon travels beside the navigation, so its arrival is waited for."""
    for _ in range(100):
        if not tab.context.cookies(site.address):
            break
        tab.page.wait_for_timeout(100)
    assert tab.context.cookies(site.address) == []


def back(tab: Phone) -> None:
    """As the button does it; what the page that comes up does then may interrupt it."""
    tab.page.evaluate("setTimeout(() => history.back())")


def test_back_after_exit_shows_nothing_however_often(site: Site, leaving: Any) -> None:
    tab = leaving(site)
    tab.page.goto("/de/offers?q=schulden")
    answered(tab, site)
    tab.page.click("#exit button")
    tab.page.wait_for_url(f"{NEUTRAL}**")
    assert_no_answers(tab, site)
    for _ in range(3):
        with tab.page.expect_request(lambda request: request.url.startswith(NEUTRAL)):
            back(tab)
        tab.page.wait_for_url(f"{NEUTRAL}**")
        assert tab.page.inner_text("h1") == "Wetter"
    tab.page.goto("/de/result")
    assert tab.page.url.endswith("/de/check/who"), "whoever comes anew begins anew"
    assert tab.page.locator("main").is_visible()
    assert tab.page.evaluate("window.name") == ""


def test_exit_without_the_script(site: Site, leaving: Any) -> None:
    tab = leaving(site, scripts=False)
    answered(tab, site)
    tab.page.click("#exit button")
    tab.page.wait_for_url(f"{NEUTRAL}**")
    assert_no_answers(tab, site)
    tab.page.go_back()
    assert tab.page.url.endswith("/de/check/who")
    assert not tab.page.locator("main input:checked").count()
    assert not tab.page.locator("details.said, article.first").count()


@pytest.mark.parametrize("lang", ["de", "ar"])
def test_escape_three_times_out_of_a_field(site: Site, leaving: Any, lang: str) -> None:
    tab = leaving(site)
    answered(tab, site, lang)
    tab.page.goto(f"/{lang}/offers")
    tab.page.locator("#q").press_sequentially("schul")
    for _ in range(3):
        tab.page.keyboard.press("Escape")
    tab.page.wait_for_url(f"{NEUTRAL}**")
    assert_no_answers(tab, site)


def test_exit_by_keyboard_alone(site: Site, leaving: Any) -> None:
    tab = leaving(site)
    answered(tab, site)
    for _ in range(12):
        tab.page.keyboard.press("Tab")
        if tab.page.evaluate("!!document.activeElement.closest('#exit')"):
            break
    tab.page.keyboard.press("Enter")
    tab.page.wait_for_url(f"{NEUTRAL}**")
    assert_no_answers(tab, site)


def test_what_could_not_be_sent_is_forgotten_with_the_next_network(site: Site, leaving: Any) -> None:
    tab = leaving(site)
    answered(tab, site)
    tab.context.set_offline(True)
    for _ in range(3):
        tab.page.keyboard.press("Escape")
    tab.page.wait_for_url(f"{NEUTRAL}**")
    tab.context.set_offline(False)
    tab.page.goto("/de/")
    assert_no_answers(tab, site)
    tab.page.goto("/de/result")
    assert tab.page.url.endswith("/de/check/who")


def test_exit_is_on_every_page_at_the_same_place(site: Site, phone: Any) -> None:
    tab = phone(site)
    portal = site.app.extensions["portal"]
    service = portal.catalogue.services()[0]
    places = {}
    for path in (
        "", "offers", "offers?q=zzzzqqqq", f"offers/{service.slug}", f"offers/{service.slug}/both", "topics",
        "help-now", "check/who", "check/print", "your-device", "privacy", "nothing-here",
    ):  # fmt: skip
        tab.page.goto(f"/de/{path}")
        box = tab.page.locator("#exit button").bounding_box()
        assert box["height"] >= 44, path
        places[path] = (round(box["x"]), round(box["y"]))
        assert re.match(r"Übersicht( · |$)", tab.page.title()), path
    assert len(set(places.values())) == 1, places


def test_what_the_server_says_when_somebody_leaves(site: Site, phone: Any) -> None:
    tab = phone(site)
    for form, status in (({}, 303), ({"quiet": "1"}, 204)):
        answer = tab.context.request.post("/de/exit", params=form, max_redirects=0)
        assert answer.status == status
        assert answer.headers["clear-site-data"] == '"cache", "storage"'
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["referrer-policy"] == "no-referrer"
