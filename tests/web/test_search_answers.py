"""After the questionnaire the search starts with what was answered, and no address knows it."""

import re
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlsplit

import pytest
from flask import Flask, request

from portal.config import Settings
from portal.web import current
from portal.web.application import build
from portal.web.public.offers import YEARS, year_for_all
from tests.web.conftest import NOW
from tests.web.pages import Page, PageClient, text_of
from tests.web.test_offers import HTMX, catalogue, counts, offers, shown, ticked, total
from tests.web.walking import answer

GIVEN = {"who": ["me"], "topic": ["training_place"], "age": ["age_15_17"], "place": ["15085370"]}
"""Wernigerode."""
PRIVATE_WORDS = re.compile(r"Wernigerode|15085|15_17|\bage=|ausbildungsplatz|training_place|place=")


def after(app: Flask, **answers: Any) -> PageClient:
    """A visitor who has answered."""
    client = PageClient(app)
    with client.client.session_transaction() as cookie:
        cookie["a"] = {**GIVEN, **answers}
        cookie["_b"] = "00000000"
    return client


def taken(page: Page) -> dict[str, str]:
    """Chips that come from the answers → where they lead."""
    return {
        text_of(a.find("span")): str(a["href"])
        for nav in page.all("#results nav")
        if nav.select("p.row")
        for a in nav.select("li > a")
    }


def all_away(page: Page) -> str:
    return str(page.one("#results nav p.row a")["href"])


def test_without_answers_nothing_changes(harz: PageClient) -> None:
    page = offers(harz)
    assert not taken(page)
    assert "without" not in page.soup.decode()
    assert total(page) == len(catalogue(harz).services())
    assert not taken(offers(harz, without="place")), "left aside without answers: nothing to say"


def test_the_list_starts_with_what_was_answered(harz_app: Flask) -> None:
    client = after(harz_app)
    page = offers(client, show=200)
    place, age, topic = taken(page)
    assert "Wernigerode" in place
    assert age == "15 bis 17 Jahre"
    assert topic == "Ausbildungsplatz"
    views = {view.slug: view for view in catalogue(client).services()}
    assert 0 < total(page) < len(views)
    assert set(shown(page)) == {
        slug
        for slug, view in views.items()
        if "ausbildungsplatz" in view.topics and any(view.fits_age(year) for year in (15, 16, 17))
    }
    near = [text_of(tag) for tag in page.all("#results li.card bdi") if re.search(r"\d km|Ort", text_of(tag))]
    distances = [int(found[1]) if (found := re.search(r"(\d+) km", words)) else 0 for words in near]
    assert distances
    assert distances == sorted(distances)


def test_no_link_or_field_of_the_page_carries_an_answer(harz_app: Flask) -> None:
    """Addresses stand in the history of a shared device and in the server's log."""
    client = after(harz_app)
    seen, waiting = (
        set(),
        ["/de/offers", "/de/offers?show=20", "/de/offers?free=1&km=20", "/de/offers?q=geld"],
    )
    while waiting and len(seen) < 40:
        path = waiting.pop()
        seen.add(path)
        page = client.page(path)
        links = [str(tag["href"]) for tag in page.all("#results a[href*='/offers?']")]
        links += [str(tag["data-hx-get"]) for tag in page.all("#results [data-hx-get]")]
        for link in links:
            assert not PRIVATE_WORDS.search(urlsplit(link).query), link
            if "without" in link and link not in seen:
                waiting.append(link)
        for field in page.all("input[name]"):
            if field.get("type") not in ("checkbox", "radio") or field.has_attr("checked"):
                assert not PRIVATE_WORDS.search(f"{field['name']}={field['value']}") or not field["value"], (
                    field
                )
    assert len(seen) > 8


def test_a_touch_leaves_one_answer_aside_and_another_all_of_them(harz_app: Flask) -> None:
    client = after(harz_app)
    page = offers(client)
    labels = list(taken(page))
    for label, link in taken(page).items():
        left = client.page(link)
        assert list(taken(left)) == [other for other in labels if other != label]
        assert total(left) >= total(page)
    free = client.page(all_away(page))
    assert not taken(free)
    assert total(free) == len(catalogue(client).services())
    # The form and every link on the page remember it.
    kept = [str(field["value"]) for field in free.all('form#search input[name="without"]')]
    assert kept == ["place", "age", "topic"]
    for link in free.all("#results a[href*='/offers?']"):
        assert parse_qs(urlsplit(str(link["href"])).query)["without"] == kept


def test_what_is_chosen_for_this_search_goes_before_the_answers(harz_app: Flask) -> None:
    client = after(harz_app)
    assert list(taken(offers(client, topic="schulden"))) == ["nahe Wernigerode", "15 bis 17 Jahre"]
    assert list(taken(offers(client, kind="jobcenter"))) == ["nahe Wernigerode", "15 bis 17 Jahre"]
    assert list(taken(offers(client, place="Halberstadt"))) == ["15 bis 17 Jahre", "Ausbildungsplatz"]
    assert list(taken(offers(client, age=20))) == ["nahe Wernigerode", "Ausbildungsplatz"]
    words = offers(client, q="geld")
    assert list(taken(words)) == ["nahe Wernigerode", "15 bis 17 Jahre"], "words say what it is about now"
    assert total(words) > 0
    assert list(taken(offers(client, q="geld halberstadt"))) == ["15 bis 17 Jahre"]
    assert list(taken(offers(client, q="geld mit 20"))) == ["nahe Wernigerode"]
    other = offers(client, topic="schulden", place="Halberstadt", age=20)
    assert not taken(other)
    assert total(other) == total(offers(PageClient(harz_app), topic="schulden", place="Halberstadt", age=20))


def test_numbers_beside_filters_hold_under_the_answers(harz_app: Flask) -> None:
    client = after(harz_app)
    page = offers(client)
    assert not ticked(page, "topic"), "a tick would be sent with the form"
    for name in ("topic", "format", "free", "open"):
        for value, number in list(counts(page, name).items())[:4]:
            assert total(offers(client, **{name: value})) == number, f"{name}={value}"


def test_a_distance_can_be_chosen_around_the_answered_place(harz_app: Flask) -> None:
    client = after(harz_app)
    page = offers(client)
    assert page.all('input[name="km"]')
    sizes = [total(offers(client, km=km, without="topic")) for km in (5, 20, 40)]
    assert sizes == sorted(sizes)
    assert sizes[0] < sizes[-1]
    near = offers(client, km=5)
    chip = next(a for a in near.all("#results a.chip.on") if "5 km" in text_of(a))
    assert "km" not in dict(parse_qsl(urlsplit(str(chip["href"])).query))
    assert not offers(PageClient(harz_app), km=5).all('input[name="km"]')


@pytest.mark.parametrize(
    "answers",
    [
        {"place": ["outside"]},
        {"place": ["dont_know"]},
        {"place": ["99999999"]},
        {"age": ["dont_know"], "place": ["no_answer"]},
        {"age": ["x"], "place": ["²"], "topic": ["gone"]},
        {"topic": ["dont_know"]},
    ],
)
def test_what_was_not_answered_decides_nothing(harz_app: Flask, answers: dict[str, list[str]]) -> None:
    client = after(harz_app, **answers)
    found = " ".join(taken(offers(client)))
    assert ("Wernigerode" in found) is ("place" not in answers)
    assert ("Jahre" in found) is ("age" not in answers)
    assert ("Ausbildung" in found) is ("topic" not in answers)


def test_a_page_with_answers_is_kept_nowhere(harz_app: Flask) -> None:
    stranger, client = PageClient(harz_app), after(harz_app)
    for headers in ({}, HTMX):
        plain = stranger.get("/de/offers", headers=headers)
        mine = client.get("/de/offers", headers=headers)
        assert mine.headers["Cache-Control"] == "no-store"
        assert "Cookie" in mine.headers["Vary"]
        assert "15 bis 17" in mine.get_data(as_text=True)
        for again in (stranger.get("/de/offers", headers=headers), plain):
            assert "15 bis 17" not in again.get_data(as_text=True)
            assert "Cookie" in again.headers["Vary"], "so that a browser does not show the page from before"


def test_the_page_kept_for_strangers_is_not_for_who_has_answered(own_settings: Settings) -> None:
    """In both orders, also when the first one to come has a cookie without answers."""
    app = build(own_settings, now=lambda: NOW)
    made: list[str] = []

    @app.before_request
    def note() -> None:
        made.append(request.path)

    empty = PageClient(app)
    with empty.client.session_transaction() as cookie:
        cookie["_b"] = "00000000"
    stranger, client = PageClient(app), after(app, place=["dont_know"])
    for _ in range(2):
        assert not taken(offers(empty))
        assert not taken(offers(stranger))
        assert list(taken(offers(client))) == ["15 bis 17 Jahre", "Ausbildungsplatz"]
    assert made.count("/de/offers") == 4, "the stranger's page was made once, for the first visitor"
    assert client.post("/de/forget").status_code == 303
    assert not taken(offers(client))


def test_the_questionnaire_itself_leads_there(client: PageClient) -> None:
    answer(client, "/de/check/who", "me")
    answer(client, "/de/check/topic", "training_place")
    assert list(taken(offers(client))) == ["Ausbildungsplatz"]
    assert "إجاباتك" in offers(client, "ar").text


@pytest.mark.parametrize("band", YEARS)
def test_the_year_for_a_span_hides_nothing_that_may_fit(app: Flask, band: str) -> None:
    portal = app.extensions["portal"]
    with app.test_request_context("/de/offers"):
        current.begin(portal, portal.languages["de"])
        year = year_for_all(band)
        if year is None:
            return
        assert year in YEARS[band]
        for view in portal.catalogue.services():
            assert view.fits_age(year) or not any(view.fits_age(other) for other in YEARS[band]), view.slug
