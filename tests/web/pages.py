"""A test client whose pages are parsed, after what must hold on every page was asserted."""

import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from bs4 import BeautifulSoup, Tag
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

SHELTER_WORDS = ("Frauenhausstraße", "Schutzweg")
"""Streets that stand only in test data of confidential places."""


@dataclass(frozen=True, slots=True)
class Page:
    """A parsed page and the response it came in."""

    soup: BeautifulSoup
    response: TestResponse
    path: str

    @property
    def h1(self) -> str:
        return text_of(self.soup.h1)

    @property
    def text(self) -> str:
        return text_of(self.soup.find("main") or self.soup)

    def one(self, selector: str) -> Tag:
        found = self.soup.select(selector)
        assert len(found) == 1, f"{selector}: {len(found)} on {self.path}"
        return found[0]

    def all(self, selector: str) -> list[Tag]:
        return list(self.soup.select(selector))

    def link(self, words: str) -> str:
        for a in self.soup.find_all("a", href=True):
            if words in text_of(a):
                return str(a["href"])
        raise AssertionError(f"no link {words!r} on {self.path}")

    @property
    def token(self) -> str:
        return str(self.one('main input[name="csrf_token"]')["value"]) if self.soup.select('main input[name="csrf_token"]') else ""


def text_of(tag: Any) -> str:
    return " ".join(tag.get_text(" ").split()) if tag else ""


class PageClient:
    """Like a browser without scripts: keeps cookies, follows redirects only when asked."""

    def __init__(self, app: Flask) -> None:
        self.app = app
        self.client: FlaskClient = app.test_client()

    def get(self, path: str, **options: Any) -> TestResponse:
        return self.client.get(path, **options)

    def post(self, path: str, data: Any = None, **options: Any) -> TestResponse:
        return self.client.post(path, data=data, **options)

    def page(self, path: str, *, status: int = 200, **options: Any) -> Page:
        response = self.client.get(path, **options)
        return check_page(response, path, status)

    def submit(self, path: str, data: Any, *, status: int = 303) -> TestResponse:
        """Fetch the form, fill it in, send it."""
        form = self.page(path)
        fields = dict(data) if isinstance(data, dict) else data
        response = self.client.post(path, data={"csrf_token": form.token, **fields})
        assert response.status_code == status, f"{path}: {response.status_code} {response.get_data(as_text=True)[:300]}"
        return response

    def cookie_names(self) -> list[str]:
        return [cookie.key for cookie in self.client._cookies.values()]  # type: ignore[attr-defined]


def check_page(response: TestResponse, path: str, status: int = 200) -> Page:
    """The invariants of every page (style.md): one h1 that opens the title, labelled fields, unique ids …"""
    assert response.status_code == status, f"{path}: {response.status_code}, wanted {status} (to {response.location})"
    soup = BeautifulSoup(response.get_data(as_text=True), "html5lib")
    page = Page(soup, response, path)
    html = soup.html
    assert html is not None
    lang = path.split("/")[1]
    assert html["lang"] == (lang if re.fullmatch(r"[a-z]{2}(-[a-z]+)*", lang) else html["lang"])
    assert html["dir"] == ("rtl" if html["lang"] in ("ar", "fa") else "ltr")
    headings = soup.find_all("h1")
    assert len(headings) == 1, f"{path}: {len(headings)} h1"
    title = text_of(soup.title)
    assert title.startswith(text_of(headings[0])), f"{path}: title {title!r}, h1 {text_of(headings[0])!r}"
    ids = [tag["id"] for tag in soup.find_all(id=True)]
    assert len(ids) == len(set(ids)), f"{path}: ids twice: {sorted({i for i in ids if ids.count(i) > 1})}"
    for field in soup.select("input:not([type=hidden]):not([type=submit]), select, textarea"):
        labelled = (
            field.find_parent("label")
            or (field.get("id") and soup.select_one(f'label[for="{field["id"]}"]'))
            or field.get("aria-label")
            or field.get("aria-labelledby")
        )
        assert labelled, f"{path}: field without a label: {field}"
    for script in soup.find_all("script"):
        assert script.get("src"), f"{path}: inline script"
    assert not soup.select("[style], [onclick], [onload], [onsubmit]"), f"{path}: inline style or handler"
    for tag, attribute in (("script", "src"), ("img", "src"), ("link", "href"), ("source", "srcset"), ("iframe", "src")):
        for element in soup.find_all(tag, attrs={attribute: True}):
            if tag == "link" and "canonical" in element.get("rel", []):
                continue
            assert not urlsplit(element[attribute]).netloc, f"{path}: third-party {element}"
    levels = [int(h.name[1]) for h in soup.find_all(re.compile(r"^h[1-6]$"))]
    assert levels[0] == 1 or levels.index(1) >= 0
    for before, after in zip(levels, levels[1:], strict=False):
        assert after <= before + 1, f"{path}: heading jumps from h{before} to h{after}"
    for exit_form in soup.select("form.exit"):
        assert exit_form["method"].lower() == "post"
    assert soup.select("form.exit"), f"{path}: no way out"
    assert soup.select('a[href*="help-now"], a[href^="tel:112"], a[href^="tel:110"]'), f"{path}: no help"
    for name in ("Content-Security-Policy", "Referrer-Policy", "X-Content-Type-Options", "Cache-Control"):
        assert name in response.headers, f"{path}: header {name} is missing"
    assert "unsafe-inline" not in response.headers["Content-Security-Policy"]
    body = response.get_data(as_text=True)
    for word in SHELTER_WORDS:
        assert word not in body, f"{path}: a confidential address"
    return page
