"""How much a phone has to fetch before it can paint, in every language the region offers, and how it is sent."""

import gzip
import re
from collections.abc import Iterator

import brotli
import pytest
from bs4 import BeautifulSoup
from flask import Flask
from werkzeug.test import TestResponse

from portal.web.assets import KEPT_FILES
from portal.web.responses import KEPT_PAGES
from tests.web.pages import PageClient

FIRST_FLIGHT = 14_600
"""Ten segments of 1,460 bytes: what a server may send before the first answer of the phone (RFC 6928)."""
VISIT = 100_000
"""Everything between the start page and the result, scripts and pictures included."""
UNPACK = {"": bytes, "gzip": gzip.decompress, "br": brotli.decompress}


def as_sent(response: TestResponse) -> int:
    """Bytes on the wire: status line, headers and body."""
    head = len(f"HTTP/1.1 {response.status}\r\n\r\n")
    return (
        head + sum(len(f"{name}: {value}\r\n") for name, value in response.headers) + len(response.get_data())
    )


def blocking(response: TestResponse, encoding: str) -> list[str]:
    """What the browser would wait for before it paints."""
    body = UNPACK[response.headers.get("Content-Encoding", "")](response.get_data())
    soup = BeautifulSoup(body, "html5lib")
    found = [str(link) for link in soup.select('link[rel="stylesheet"], link[rel="preload"]')]
    found += [str(script) for script in soup.select("script[src]") if not script.has_attr("defer")]
    assert soup.head is not None
    assert soup.head.find("style")
    return found + re.findall(r"@import|@font-face|url\([^#)][^)]*\)", str(soup.head.find("style")))


def public_pages(app: Flask, lang: str) -> Iterator[str]:
    portal = app.extensions["portal"]
    services = portal.catalogue.services()
    # The longest of each kind: what they weigh together stands for the others.
    longest = sorted(services, key=lambda s: len(s.description) + 300 * len(s.locations))
    houses = sorted(portal.catalogue.current.organizations)
    for path in ("", "topics", "help-now", "offers", "offers?q=geld", "quality", "saved", "offline"):
        yield f"/{lang}/{path}"
    for slug in ("about", "privacy", "imprint", "accessibility", "sources"):
        yield f"/{lang}/{slug}"
    for path in ("check/offline", "check/who", "check/print", "slip", "mine", "nothing-here"):
        yield f"/{lang}/{path}"
    for service in (longest[-1], longest[-2], longest[0]):
        yield f"/{lang}/offers/{service.slug}"
        yield f"/{lang}/offers/{service.slug}/card"
        yield f"/{lang}/offers/{service.slug}/both"
    for topic in portal.catalogue.terms("topics")[::5]:
        yield f"/{lang}/topics/{topic.code}"
    for slug in houses[:: max(1, len(houses) // 4)]:
        yield f"/{lang}/organizations/{slug}"
    for page in KEPT_PAGES:
        yield f"/{lang}/{page}?kept"


def test_every_first_view_fits_into_the_first_flight(app: Flask) -> None:
    client = app.test_client()
    heavy = {}
    for lang in app.extensions["portal"].languages:
        for path in public_pages(app, lang):
            for encoding in ("br", "gzip"):
                response = client.get(path, headers={"Accept-Encoding": encoding})
                assert response.status_code in (200, 404), path
                assert response.headers.get("Content-Encoding") == encoding, path
                if as_sent(response) > FIRST_FLIGHT:
                    heavy[path, encoding] = as_sent(response)
            assert blocking(response, encoding) == [], path
    assert heavy == {}


@pytest.mark.parametrize("place", ["", "known"])
def test_the_way_to_the_result_stays_light(app: Flask, place: str) -> None:
    """Every page of the way with gzip, as pages with answers are sent, and all that they load."""
    portal = app.extensions["portal"]
    heavy = {}
    for lang in portal.languages:
        client = PageClient(app)
        asked = {"Accept-Encoding": "gzip"}
        loaded: dict[str, int] = {}
        total, path = as_sent(client.get(f"/{lang}/", headers=asked)), f"/{lang}/check"
        for _ in range(12):
            response = client.get(path, headers=asked)
            total += as_sent(response)
            if response.status_code == 303:
                path = response.location
                continue
            page = BeautifulSoup(
                UNPACK[response.headers.get("Content-Encoding", "")](response.get_data()), "html5lib"
            )
            assert as_sent(response) <= FIRST_FLIGHT, path
            for tag, attribute in (("script", "src"), ("img", "src"), ("link", "href")):
                for element in page.find_all(tag, {attribute: True}):
                    if str(element[attribute]).startswith("/") and "canonical" not in element.get("rel", []):
                        loaded[str(element[attribute])] = 0
            if path.split("?")[0].endswith("/result"):
                break
            token = page.select_one('main input[name="csrf_token"]')
            assert token is not None
            options = [str(box["value"]) for box in page.select('main input[name="answer"]')]
            data = {"csrf_token": token["value"], "answer": options[0]}
            if place and page.select_one("#place"):
                data = {"csrf_token": token["value"], "place": portal.catalogue.places.all()[0].name}
            answered = client.post(path.split("?")[0], data=data, headers=asked)
            assert answered.status_code == 303, path
            total += as_sent(answered)
            path = answered.location
        assert path.split("?")[0].endswith("/result")
        for address in loaded:
            response = client.get(address, headers={"Accept-Encoding": "br"})
            assert response.status_code == 200, address
            total += as_sent(response)
        # What the worker keeps for later, too.
        for address in ("/worker.js", f"/{lang}/kept.json"):
            kept = client.get(address, headers={"Accept-Encoding": "br"})
            assert kept.status_code == 200, address
            total += as_sent(kept)
        total += sum(
            as_sent(client.get(portal.asset(name), headers={"Accept-Encoding": "br"}))
            for name in KEPT_FILES
            if portal.asset(name) not in loaded
        )
        if total > VISIT:
            heavy[lang] = total
    assert heavy == {}


@pytest.mark.parametrize(
    "path", ["/de/", "/de/help-now", "/de/offers", "/de/saved", "/de/check/offline.json", "/worker.js"]
)
@pytest.mark.parametrize("encoding", ["br", "gzip", ""])
def test_what_did_not_change_is_not_sent_again(musterkreis_app: Flask, path: str, encoding: str) -> None:
    client = musterkreis_app.test_client()
    first = client.get(path, headers={"Accept-Encoding": encoding})
    tag = first.headers["ETag"]
    again = client.get(path, headers={"Accept-Encoding": encoding, "If-None-Match": tag})
    assert (again.status_code, again.get_data()) == (304, b"")
    assert again.headers["ETag"] == tag
    assert (
        client.get(path, headers={"Accept-Encoding": encoding, "If-None-Match": '"other"'}).status_code == 200
    )


def test_pages_with_answers_have_no_tag(client: PageClient) -> None:
    client.submit("/de/check/who", {"answer": "me"})
    response = client.get("/de/check/topic")
    assert response.headers["Cache-Control"] == "no-store"
    assert "ETag" not in response.headers


def test_the_copy_for_later_says_its_day_and_nothing_of_this_minute(app: Flask) -> None:
    client = PageClient(app)
    for lang in app.extensions["portal"].languages:
        for path in KEPT_PAGES:
            page = client.page(f"/{lang}/{path}?kept")
            assert "2026" in page.one("header .demo:first-child").get_text()
            assert "kept" not in str(page.soup.select("nav.langs a"))
        now = client.page(f"/{lang}/help-now")
        assert (
            not now.all("header .demo:first-child")
            or "2026" not in now.all("header .demo:first-child")[0].text
        )
    german = client.page("/de/help-now?kept")
    states = {tag.get_text().split(": ")[-1] for tag in german.all("main .tag.open, main .tag.wait")}
    assert states <= {"Tag und Nacht"}
    assert german.all("main .week"), "when somebody is there"


def test_only_kept_pages_have_a_copy(client: PageClient) -> None:
    for path in ("/de/topics?kept", "/de/offers?kept", "/de/help-now?kept=1"):
        assert "20. November 2026" not in client.page(path).one("header").get_text(), path
