"""Search, filters, offers and helplines: plain addresses that do what they say."""

import re
from datetime import UTC, date, datetime, timedelta
from html import unescape
from typing import Any
from urllib.parse import parse_qs, quote, urlencode, urlsplit
from zoneinfo import ZoneInfo

import icalendar
import pytest
from babel import Locale
from flask import Flask
from sqlalchemy import update
from sqlalchemy.exc import OperationalError

from portal.catalogue import hours
from portal.catalogue.models import Service, Status
from portal.catalogue.queries import ServiceView
from portal.catalogue.revision import bump
from portal.config import Settings
from portal.db import make_engine, session_factory
from portal.web.application import build
from tests.web.conftest import NOW
from tests.web.pages import Page, PageClient, text_of

BERLIN = ZoneInfo("Europe/Berlin")
HTMX = {"HX-Request": "true"}
FILTERS = ("topic", "group", "format", "language", "free", "open")


def total(page: Page) -> int:
    found = re.search(r"\d+", text_of(page.one("[data-total]")))
    assert found
    return int(found[0])


def shown(page: Page) -> list[str]:
    return [str(a["href"]).rsplit("/", 1)[1] for a in page.all("#results ul.cards > li a.stretch")]


def counts(page: Page, name: str) -> dict[str, int]:
    """Value → number written beside it; a switch is a link and has the one value 1."""
    labels = {str(field["value"]): field.find_parent("label") for field in page.all(f'input[name="{name}"]')}
    labels |= dict.fromkeys(["1"] if page.all(f"a#f-{name}") else [], page.soup.select_one(f"a#f-{name}"))
    numbers = {value: re.search(r"\((\d+)\)", text_of(label)) for value, label in labels.items()}
    return {value: int(number[1]) for value, number in numbers.items() if number}


def ticked(page: Page, name: str) -> list[str]:
    on = page.all(f'input[name="{name}"][checked], input[type="hidden"][name="{name}"]')
    return [str(field["value"]) for field in on]


def offers(client: PageClient, lang: str = "de", **query: Any) -> Page:
    return client.page(f"/{lang}/offers?{urlencode(query, doseq=True)}" if query else f"/{lang}/offers")


def catalogue(client: PageClient) -> Any:
    return client.app.extensions["portal"].catalogue


# Filters.


@pytest.mark.parametrize("name", FILTERS)
@pytest.mark.parametrize("query", [{}, {"q": "Geld"}])
def test_the_number_beside_a_filter_is_what_it_leads_to(app: Flask, name: str, query: dict[str, str]) -> None:
    client = PageClient(app)
    beside = counts(offers(client, **query), name)
    assert beside or query, f"no filter {name}"
    for value, number in list(beside.items())[:6]:
        found = offers(client, **query, **{name: value})
        assert total(found) == number, f"{name}={value}"
        assert ticked(found, name) == [value]


def test_numbers_beside_a_second_filter_hold_too(harz: PageClient) -> None:
    first = offers(harz, topic="schulden")
    for name in ("group", "format"):
        for value, number in list(counts(first, name).items())[:4]:
            assert total(offers(harz, topic="schulden", **{name: value})) == number, f"{name}={value}"


def test_a_filter_without_anything_behind_it_is_not_offered(harz: PageClient) -> None:
    for name in FILTERS:
        for value, number in counts(offers(harz, topic="schulden"), name).items():
            assert number > 0 or name in ("free", "open"), f"{name}={value}"


def test_two_values_of_one_filter_are_alternatives_and_two_filters_narrow(harz: PageClient) -> None:
    one, other = (total(offers(harz, topic=topic)) for topic in ("schulden", "sucht"))
    both = total(offers(harz, topic=["schulden", "sucht"]))
    assert max(one, other) <= both <= one + other
    assert total(offers(harz, topic="schulden", free=1)) <= one


def test_each_chip_takes_exactly_its_filter_away(harz: PageClient) -> None:
    query = {
        "q": "Beratung",
        "topic": ["schulden", "wohnen"],
        "free": "1",
        "place": "Wernigerode",
        "km": "40",
        "age": "19",
    }
    page = offers(harz, **query)
    chips = page.all("#results a.chip.on")
    assert len(chips) == 5, "two topics, free, age, place with its distance"
    asked = parse_qs(urlencode(query, doseq=True))
    for chip in chips:
        left = parse_qs(urlsplit(str(chip["href"])).query)
        gone = {(name, value) for name, values in asked.items() for value in values}
        gone -= {(name, value) for name, values in left.items() for value in values}
        assert {name for name, _ in gone} in ({"topic"}, {"free"}, {"age"}, {"place", "km"}), gone
        assert len({v for n, v in gone if n == "topic"}) <= 1
        assert not set(left) - set(asked)
        assert harz.get(str(chip["href"])).status_code == 200


def test_without_scripts_the_form_carries_every_filter_on(harz: PageClient) -> None:
    """Everything that is ticked belongs to the one form, so that a search for other words keeps it."""
    page = offers(harz, q="Geld", topic="schulden", free=1, age=17, kind="schuldnerberatung")
    form = page.one("form#search")
    assert form.get("method", "get").lower() == "get"
    carried: dict[str, list[str]] = {}
    for field in page.all("input"):
        inside = field.find_parent("form") is form or field.get("form") == "search"
        switchable = field.get("type") in ("checkbox", "radio")
        if inside and (not switchable or field.has_attr("checked")) and field.get("value"):
            carried.setdefault(str(field["name"]), []).append(str(field["value"]))
    assert carried == {
        "q": ["Geld"], "topic": ["schulden"], "free": ["1"], "age": ["17"], "kind": ["schuldnerberatung"],
    }  # fmt: skip
    assert page.all('button[form="search"], form#search button'), "a button for those without scripts"


def test_age_leaves_out_what_is_for_others(harz: PageClient) -> None:
    views = {view.slug: view for view in catalogue(harz).services()}
    for age in (12, 16, 19, 26):
        page = offers(harz, age=age, show=200)
        assert 0 < total(page) < len(views) or all(view.fits_age(age) for view in views.values())
        assert {slug for slug in shown(page) if not views[slug].fits_age(age)} == set()
        assert total(page) == sum(view.fits_age(age) for view in views.values())


def test_free_and_language_say_the_truth(client: PageClient) -> None:
    views = {view.slug: view for view in catalogue(client).services()}
    free = offers(client, free=1, show=200)
    assert set(shown(free)) == {slug for slug, view in views.items() if view.cost.option == "free"}
    for code in list(counts(offers(client), "language"))[:4]:
        assert set(shown(offers(client, language=code, show=200))) == {
            slug for slug, view in views.items() if code in view.languages
        }


def test_open_now_is_open_now(app: Flask) -> None:
    client = PageClient(app)
    portal = app.extensions["portal"]
    page = offers(client, open=1, show=200)
    assert 0 < total(page) < total(offers(client))
    for slug in shown(page):
        service = portal.catalogue.service(slug)
        texts = {s.opening_hours for s in service.schedules}
        texts |= {s.opening_hours for location in service.locations for s in service.schedules_at(location)}
        assert any(hours.open_now([text], NOW, subdivision="ST", timezone=BERLIN) for text in texts), slug


@pytest.fixture(scope="module")
def at_night(prepared: Any) -> PageClient:
    """Sunday, half past two."""
    return PageClient(build(prepared("harz"), now=lambda: datetime(2026, 11, 22, 1, 30, tzinfo=UTC)))


def test_at_night_other_offers_are_open(harz: PageClient, at_night: PageClient) -> None:
    at_three = set(shown(offers(at_night, open=1, show=200)))
    at_ten = set(shown(offers(harz, open=1, show=200)))
    assert at_three < at_ten
    assert "notruf-112" in at_three


# Places.


def test_a_place_brings_distances_and_a_radius(harz: PageClient) -> None:
    everywhere = offers(harz, q="Beratung", show=200)
    assert not everywhere.all('input[name="km"]')
    near = offers(harz, q="Beratung", place="Wernigerode", show=200)
    assert "km" in text_of(near.one("#results"))
    assert {field["value"] for field in near.all('input[name="km"]')} >= {"5", "10", "20", "40"}
    sizes = [total(offers(harz, q="Beratung", place="Wernigerode", km=km)) for km in (5, 10, 20, 40)]
    assert sizes == sorted(sizes)
    assert sizes[0] < sizes[-1] <= total(everywhere)


@pytest.mark.parametrize(
    "asked",
    [{"place": "Wernigerode", "topic": "schulden"}, {"q": "beratung wernigerode"}],
    ids=["field", "words"],
)
def test_nearest_first_is_nearest_first(harz: PageClient, asked: dict[str, str]) -> None:
    page = offers(harz, **asked, sort="distance", show=200)
    near = [text_of(tag) for tag in page.all("#results li.card bdi") if re.search(r"km|Ort", text_of(tag))]
    distances = [int(found[1]) if (found := re.search(r"(\d+) km", words)) else 0 for words in near]
    assert distances
    assert distances == sorted(distances)


def test_a_place_among_the_words_can_be_sorted_by(harz: PageClient) -> None:
    page = offers(harz, q="suchtberatung wernigerode")
    nearest = page.one('#results a.chip[href*="sort=distance"]')
    sorted_page = harz.page(str(nearest["href"]))
    assert sorted_page.one('#results a.chip[aria-current="true"]')["href"] == nearest["href"]
    assert not offers(harz, q="suchtberatung").all('a[href*="sort=distance"]')


def test_age_and_place_among_the_words_go_one_at_a_time(harz: PageClient) -> None:
    page = offers(harz, q="ausbildung mit 16 jahren in thale")
    links = {parse_qs(urlsplit(str(a["href"])).query)["q"][0] for a in page.all("#results nav a.chip.on")}
    assert links == {"ausbildung in thale", "ausbildung mit 16 jahren"}


def test_a_place_that_could_be_several_offers_them_as_links(harz: PageClient) -> None:
    page = offers(harz, place="06493", q="Geld")
    links = [
        a
        for a in page.all("#results nav a.chip")
        if "place=" in str(a["href"]) and "on" not in a.get("class", [])
    ]
    assert len(links) >= 2
    for link in links[:3]:
        chosen = harz.page(str(link["href"]))
        assert chosen.one("#q")["value"] == "Geld"
        assert chosen.all('input[name="km"]')
        assert "06493" not in str(chosen.one("#place")["value"])


@pytest.mark.parametrize(
    ("typed", "words"),
    [("Atlantis", "kennen wir nicht|kennen diesen Ort nicht"), ("Goslar", "Goslar liegt|nicht in")],
)
def test_a_place_elsewhere_is_said_and_everything_is_shown(harz: PageClient, typed: str, words: str) -> None:
    page = offers(harz, place=typed)
    assert re.search(words, page.text), page.text[:500]
    assert page.one("#place")["value"] == typed
    assert total(page) == total(offers(harz))


# The list.


def test_more_is_a_link_that_works_until_everything_is_there(harz: PageClient) -> None:
    page = offers(harz)
    everything = total(page)
    assert everything > 20
    seen = shown(page)
    assert len(seen) == 10
    for _ in range(40):
        more = [a for a in page.all("#results > a, #results a.btn") if "show=" in str(a["href"])]
        if not more:
            break
        assert "#r" in str(more[0]["href"]), "the keyboard goes on at the first new one"
        page = harz.page(str(more[0]["href"]))
        anchor = str(more[0]["href"]).split("#")[1]
        assert page.all(f"#{anchor}")
        assert shown(page)[: len(seen)] == seen, "what was there stays where it was"
        seen = shown(page)
    assert len(seen) == everything == len(set(seen))


def test_htmx_gets_the_results_and_browsers_the_page(client: PageClient) -> None:
    path = "/de/offers?q=Geld"
    whole = client.get(path).get_data(as_text=True)
    part = client.get(path, headers=HTMX).get_data(as_text=True)
    assert "<html" not in part
    assert "<title" not in part
    assert part.strip() in whole, "the same block, not another one"
    for headers in ({**HTMX, "HX-Boosted": "true"}, {**HTMX, "HX-History-Restore-Request": "true"}):
        assert "<html" in client.get(path, headers=headers).get_data(as_text=True)
    for headers in ({}, HTMX):
        assert "HX-Request" in client.get(path, headers=headers).headers["Vary"]


def test_kept_parts_and_pages_do_not_mix(client: PageClient) -> None:
    """The same address, with and without htmx, in any order, from the page cache."""
    for _ in range(2):
        assert "<html" not in client.get("/de/offers", headers=HTMX).get_data(as_text=True)
        assert "<html" in client.get("/de/offers").get_data(as_text=True)


def test_nothing_found_leads_on(client: PageClient) -> None:
    page = offers(client, q="xqzwvk jjjj")
    assert page.all('main a[href="/de/check"]')
    topics = page.all('#results a[href^="/de/topics/"]')
    assert len(topics) == len(catalogue(client).terms("topics"))
    page = offers(client, q="Schulden", topic="sport_freizeit", language="uk", age=99, open=1)
    if total(page) == 0:
        assert page.all('main a[href="/de/check"]')


@pytest.mark.parametrize(
    "words",
    ["ich will nicht mehr leben", "mein freund schlägt mich", "ich will mich umbringen", "selbstmord"],
)
def test_words_of_danger_open_a_hand(app: Flask, words: str) -> None:
    client = PageClient(app)
    page = offers(client, q=words)
    assert page.all('#results a[href="/de/help-now"]'), words
    part = client.get(f"/de/offers?q={quote(words)}", headers=HTMX).get_data(as_text=True)
    assert "/de/help-now" in part


@pytest.mark.parametrize("words", ["Schulden", "Ausbildung Tischler", "Deutschkurs"])
def test_other_words_do_not(app: Flask, words: str) -> None:
    assert not offers(PageClient(app), q=words).all('#results a[href="/de/help-now"]')


ATTACKS = (
    "<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "'-alert(1)-'", "</title><svg onload=alert(1)>",
    "javascript:alert(1)", "{{7*7}}", "<b>Geld</b>", "&lt;script&gt;", '" autofocus onfocus="alert(1)',
)  # fmt: skip


@pytest.mark.parametrize("attack", ATTACKS)
def test_what_is_typed_is_only_ever_text(client: PageClient, attack: str) -> None:
    clean = {tag.name for tag in offers(client, q="Geld", place="Tannwerder").soup.find_all(True)}
    for query in (
        {"q": attack},
        {"place": attack},
        {"q": f"Geld {attack}"},
        {"q": "x", "topic": attack, "km": attack},
    ):
        page = offers(client, **query)
        new = {tag.name for tag in page.soup.find_all(True) if not tag.find_parent("svg")} - clean
        assert new <= {"section", "mark", "small", "nav", "b"}, new
        assert not page.all("main script, main img, main b b, [onerror], [onload], [onfocus], [autofocus]")
        if "q" in query:
            assert page.one("#q")["value"] == " ".join(query["q"].split())
        for link in page.all("a"):
            assert not str(link["href"]).lower().startswith("javascript:")
    for where in ("places", "offers"):
        body = client.get(f"/de/suggest/{where}?q={quote(attack)}").get_data(as_text=True)
        assert "<script" not in body
        assert "<img" not in body


def test_what_was_found_is_marked_and_nothing_else_becomes_markup(harz: PageClient) -> None:
    page = offers(harz, q="Schulden")
    marks = [text_of(mark) for mark in page.all("#results mark")]
    assert any("chuld" in mark for mark in marks)
    assert not page.all("mark *")


@pytest.mark.parametrize(
    ("typed", "wanted"), [("schulden", "schuldnerberatung"), ("Schuldnerberatng", "schuldnerberatung")]
)
def test_the_search_finds_what_is_meant(harz: PageClient, typed: str, wanted: str) -> None:
    views = {view.slug: view for view in catalogue(harz).services()}
    kinds = {kind for slug in shown(offers(harz, q=typed))[:5] for kind in views[slug].contact_kinds}
    assert wanted in kinds


# One offer.


def slots_in(service: ServiceView, start: datetime, end: datetime) -> bool:
    """Whether the service, or one of its houses, is open from `start` to `end`."""
    texts = {s.opening_hours for s in service.schedules}
    texts |= {s.opening_hours for location in service.locations for s in service.schedules_at(location)}
    moments = [start + timedelta(minutes=1), start + (end - start) / 2, end - timedelta(minutes=1)]
    return all(
        any(hours.open_now([text], moment, subdivision="ST", timezone=BERLIN) for text in texts)
        for moment in moments
    )


def test_the_calendar_lies_in_the_opening_hours(app: Flask) -> None:
    client = PageClient(app)
    seen = 0
    for service in app.extensions["portal"].catalogue.services():
        body = client.get(f"/de/offers/{service.slug}").get_data(as_text=True)
        if f"/de/offers/{service.slug}/hours.ics" not in body:
            continue
        response = client.get(f"/de/offers/{service.slug}/hours.ics")
        assert response.status_code == 200, f"{service.slug} links to a calendar that is not there"
        assert response.mimetype == "text/calendar"
        calendar = icalendar.Calendar.from_ical(response.get_data())
        assert calendar["version"] == "2.0"
        (event,) = calendar.walk("VEVENT")
        start, end = event["dtstart"].dt, event["dtend"].dt
        assert end > NOW
        assert start < end <= start + timedelta(hours=24)
        assert slots_in(service, start, end), service.slug
        assert service.name in str(event["summary"])
        assert f"/de/offers/{service.slug}" in str(event["description"])
        assert event.walk("VALARM")
        seen += 1
    assert seen > 10


def test_hours_of_the_phone_are_no_hours_to_stand_at_the_door(harz: PageClient) -> None:
    hotline = "/de/offers/berufsberatung"
    assert harz.page(hotline).one("address")
    body = harz.client.get(f"{hotline}/hours.ics").get_data()
    (event,) = icalendar.Calendar.from_ical(body).walk("VEVENT")
    assert "location" not in event
    assert str(event["summary"]).startswith("Am Telefon: ")
    for path in (hotline, "/de/offers?q=berufsberatung+agentur"):
        told = [text_of(tag) for tag in harz.page(path).all(".tag.open, .tag.wait")]
        assert "Am Telefon: Offen bis 18:00" in told, path
    assert "Am Telefon" in text_of(harz.page(f"{hotline}/card").one("main"))
    assert "Am Telefon" in text_of(harz.page("/ar/offers/berufsberatung/both").one("main"))


def test_an_hour_in_the_house_names_the_house(client: PageClient) -> None:
    for service in client.app.extensions["portal"].catalogue.services():
        if len(service.locations) == 1 and {
            s.channel for s in service.schedules_at(service.locations[0])
        } == {"visit"}:
            body = client.client.get(f"/de/offers/{service.slug}/hours.ics").get_data()
            (event,) = icalendar.Calendar.from_ical(body).walk("VEVENT")
            assert str(event["summary"]).startswith("Offen: ")
            assert service.locations[0].address.city in str(event["location"])
            return
    raise AssertionError("no such offer")


def test_an_offer_without_hours_has_no_calendar(app: Flask) -> None:
    client = PageClient(app)
    without = [
        s for s in app.extensions["portal"].catalogue.services() if not s.schedules and not s.locations
    ]
    for service in without[:5]:
        assert client.get(f"/de/offers/{service.slug}/hours.ics").status_code == 404


def change(settings: Settings, slug: str, **values: Any) -> None:
    engine = make_engine(settings.database)
    with session_factory(engine)() as session:
        session.execute(update(Service).where(Service.slug == slug).values(**values))
        id_ = session.scalars(
            Service.__table__.select().where(Service.slug == slug).with_only_columns(Service.id)
        ).one()
        bump(session, settings.region, [id_], now=NOW)
        session.commit()
    engine.dispose()


@pytest.mark.parametrize(
    "values",
    [
        {"status": Status.DRAFT},
        {"status": Status.ARCHIVED},
        {"valid_to": date(2026, 11, 19)},
        {"valid_from": date(2026, 11, 21)},
    ],
    ids=["draft", "archived", "expired", "not yet"],
)
def test_what_is_not_public_is_nowhere(own_settings: Settings, values: dict[str, Any]) -> None:
    slug = "schuldnerberatung"
    app = build(own_settings, now=lambda: NOW)
    client = PageClient(app)
    found = app.extensions["portal"].catalogue
    view = found.service(slug)
    assert view is not None
    pages = ["/de/offers?show=200", f"/de/offers?q={quote(view.name)}", f"/de/topics/{view.topics[0]}",
             f"/de/organizations/{view.organization.slug}", f"/de/offers?kind={view.contact_kinds[0]}"]  # fmt: skip
    suggestions = f"/de/suggest/offers?q={quote(view.name[:12])}"
    link = f'/de/offers/{slug}"'
    assert all(link in client.get(path).get_data(as_text=True) for path in pages)
    assert view.name in unescape(client.get(suggestions).get_data(as_text=True))
    before = total(client.page(pages[0]))
    change(own_settings, slug, **values)
    time_passes(app)
    assert client.get(f"/de/offers/{slug}").status_code == 404
    assert total(client.page(pages[0])) == before - 1 == len(shown(client.page(pages[0])))
    for rest in ("hours.ics", "qr.svg"):
        assert client.get(f"/de/offers/{slug}/{rest}").status_code == 404
    for path in (*pages, *(f"/de/offers/{s.slug}" for s in found.services_of_topic(view.topics[0]))):
        assert link not in client.get(path).get_data(as_text=True), path
    assert view.name not in unescape(client.get(suggestions).get_data(as_text=True))


def time_passes(app: Flask) -> None:
    """The catalogue looks for changes at most once per second."""
    app.extensions["portal"].catalogue._checked_at = float("-inf")


def test_a_change_is_seen_by_a_running_portal(
    own_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also by the page cache, which may hold the old page."""
    app = build(own_settings, now=lambda: NOW)
    client = PageClient(app)
    slug = "schuldnerberatung"
    for _ in range(2):
        assert client.get(f"/de/offers/{slug}").status_code == 200
    change(own_settings, slug, name="Hilfe ganz neuer Name")
    time_passes(app)
    assert client.page(f"/de/offers/{slug}").h1 == "Hilfe ganz neuer Name"
    assert slug in shown(offers(client, q="ganz neuer Name"))
    change(own_settings, slug, status=Status.DRAFT)
    time_passes(app)
    assert client.get(f"/de/offers/{slug}").status_code == 404
    assert slug not in shown(offers(client, q="ganz neuer Name"))


def test_how_old_a_fact_is_stands_beside_it(harz: PageClient) -> None:
    states = set()
    for service in catalogue(harz).services():
        page_text = harz.get(f"/de/offers/{service.slug}").get_data(as_text=True)
        known = service.freshness
        states.add(known.state)
        if known.state == "confirmed":
            assert "estätigt" in page_text
        elif known.as_of:
            assert re.search(r"Stand [^<]{0,30}\d{4}, noch nicht bestätigt", page_text), service.slug
        else:
            assert "Noch nicht bestätigt" in page_text, service.slug
    assert "confirmed" not in states or len(states) > 1


def test_a_missing_number_is_said_and_never_an_empty_label(app: Flask) -> None:
    client = PageClient(app)
    silent = 0
    for service in app.extensions["portal"].catalogue.services():
        if service.phones_at() or service.email or service.organization.email or service.locations:
            continue
        silent += 1
        page = client.page(f"/de/offers/{service.slug}")
        assert not page.all('main a[href="tel:"], main a[href="mailto:"]')
        if not page.all('main a[href^="tel:"], main a[href^="mailto:"]'):
            assert "Telefonnummer" in page.text, service.slug
    assert silent or app.extensions["portal"].region.slug == "musterkreis"


def test_an_offer_in_another_language_marks_what_is_german(harz: PageClient) -> None:
    page = harz.page(
        "/ar/offers/schuldnerberatung" if catalogue(harz).service("schuldnerberatung") else "/ar/help-now"
    )
    foreign = page.all('main [lang="de"]')
    assert all(tag.get("dir") == "ltr" for tag in foreign)
    for number in page.all('a[href^="tel:"] bdi'):
        assert number["dir"] == "ltr"


@pytest.mark.parametrize(("lang", "between"), [("ar", " وال"), ("fa", "،\u200f "), ("de", ", ")])
def test_lists_are_joined_as_the_language_does(musterkreis_app: Flask, lang: str, between: str) -> None:
    views = musterkreis_app.extensions["portal"].catalogue.services()
    service = next(view for view in views if {"de", "en", "ar"} <= set(view.languages))
    page = PageClient(musterkreis_app).page(f"/{lang}/offers/{service.slug}")
    names = [Locale(lang).languages[code] for code in ("de", "en", "ar")]
    fact = next(text for text in map(text_of, page.all("dl.facts dd")) if all(name in text for name in names))
    assert between in fact
    assert lang == "de" or ", " not in fact


# Help now.


def test_helplines_by_need_those_that_answer_first(app: Flask) -> None:
    client = PageClient(app)
    page = client.page("/de/help-now")
    needs = page.all("main .picks > details")
    assert needs
    rank = {"always": 0, "open": 0, "unknown": 1, "closed": 2}
    portal = app.extensions["portal"]
    by_path = {f"/de/offers/{view.slug}": view for view in portal.catalogue.helplines}
    linked = set()
    for need in needs:
        states = []
        for heading in need.select("li.card h3 a"):
            view = by_path[str(heading["href"])]
            linked.add(view.slug)
            texts = [s.opening_hours for s in view.schedules if s.channel in ("phone", "visit")]
            texts = texts or [s.opening_hours for s in view.schedules]
            status = (
                hours.opening_status(texts, NOW.astimezone(BERLIN), subdivision="ST", timezone=BERLIN)
                if texts
                else None
            )
            states.append(rank[status.state] if status else 1)
        assert states == sorted(states), text_of(need.summary)
    assert linked == {view.slug for view in portal.catalogue.helplines}
    assert page.all('main a[href="tel:112"]')
    assert page.all('main a[href="tel:110"]')


def test_at_night_the_closed_ones_stand_below(at_night: PageClient) -> None:
    page = at_night.page("/de/help-now")
    mixed = 0
    for need in page.all("main .picks > details"):
        cards = need.select("li.card")
        names = [text_of(card.h3) for card in cards]
        assert len(names) == len(set(names)), "nobody twice under one need"
        closed = ["Öffnet" in text_of(card) or "Geschlossen" in text_of(card) for card in cards]
        assert closed == sorted(closed), text_of(need.summary)
        folded = [card.find_parent("details") is not need for card in cards]
        assert folded == closed, "who is not there now is folded away"
        mixed += len(set(closed)) == 2
    assert mixed, "a night in which some answer and some do not"


@pytest.mark.parametrize("lang", ["de", "en", "ar"])
def test_every_number_can_be_dialled_and_read(app: Flask, lang: str) -> None:
    client = PageClient(app)
    for path in (f"/{lang}/help-now", f"/{lang}/offers"):
        for link in client.page(path).all('a[href^="tel:"]'):
            number = link.select_one("bdi")
            if number is None:
                continue
            assert number.get("dir") == "ltr"
            dialled = re.sub(r"\D", "", str(link["href"]))
            read = re.sub(r"\D", "", text_of(number))
            assert dialled.removeprefix("49").lstrip("0") == read.removeprefix("49").lstrip("0"), link


def test_suggestions_are_part_of_a_page_and_name_what_is_there(client: PageClient) -> None:
    body = unescape(client.get("/de/suggest/places?q=Tann").get_data(as_text=True))
    assert "Tannwerder" in body
    assert "<html" not in client.get("/de/suggest/places?q=Tann", headers=HTMX).get_data(as_text=True)
    assert "Schuld" in unescape(client.get("/de/suggest/offers?q=schul").get_data(as_text=True))
    for where in ("places", "offers"):
        assert client.get(f"/de/suggest/{where}?q=Tann").headers["Cache-Control"] == "no-store"


def test_an_address_that_leads_nowhere_says_so_also_without_the_database(
    musterkreis_app: Flask, client: PageClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object) -> None:
        raise OperationalError("", {}, Exception())

    monkeypatch.setattr(musterkreis_app.extensions["portal"].catalogue, "moved", away)
    assert client.page("/de/offers/nirgends", status=404).h1
    assert client.page("/ar/organizations/nirgends", status=404).h1
