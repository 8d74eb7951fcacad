"""A test client whose pages are parsed, after what must hold on every page was asserted."""

import re
from dataclasses import dataclass
from itertools import pairwise
from typing import Any
from urllib.parse import unquote, urlsplit

from bs4 import BeautifulSoup, Tag
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

NEUTRAL = {"de": "Übersicht", "en": "Overview"}
"""How every title begins (docs/decisions/0010-neutral-tab.md)."""
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
        return (
            str(self.one('main input[name="csrf_token"]')["value"])
            if self.soup.select('main input[name="csrf_token"]')
            else ""
        )


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
        assert response.status_code == status, (
            f"{path}: {response.status_code} {response.get_data(as_text=True)[:300]}"
        )
        return response

    def cookie_names(self) -> list[str]:
        return [cookie.key for cookie in self.client._cookies.values()]  # type: ignore[attr-defined]


def check_page(response: TestResponse, path: str, status: int = 200) -> Page:
    """The invariants of every page (style.md): one h1, a neutral title, labelled fields, unique ids …"""
    assert response.status_code == status, (
        f"{path}: {response.status_code}, wanted {status} (to {response.location})"
    )
    body = response.get_data(as_text=True)
    soup = BeautifulSoup(body, "html5lib")
    page = Page(soup, response, path)
    html = soup.html
    assert html is not None
    lang = path.split("/")[1]
    assert html["lang"] == (lang if re.fullmatch(r"[a-z]{2}(-[a-z]+)*", lang) else html["lang"])
    assert html["dir"] == ("rtl" if html["lang"] in ("ar", "fa") else "ltr")
    by_name: dict[str, list[Tag]] = {}
    for tag in soup.find_all(True):
        by_name.setdefault(tag.name, []).append(tag)
    headings = by_name.get("h1", [])
    assert len(headings) == 1, f"{path}: {len(headings)} h1"
    assert text_of(headings[0]), f"{path}: an empty h1"
    title = text_of(soup.title)
    neutral = NEUTRAL.get(str(html["lang"]), title.partition(" · ")[0])
    assert title == neutral or title.startswith(f"{neutral} · "), f"{path}: title {title!r}"
    tags = [tag for found in by_name.values() for tag in found]
    ids = [str(tag["id"]) for tag in tags if tag.has_attr("id")]
    assert len(ids) == len(set(ids)), f"{path}: ids twice: {sorted({i for i in ids if ids.count(i) > 1})}"
    _check_fields(path, by_name, set(ids))
    for script in by_name.get("script", []):
        assert script.get("src"), f"{path}: inline script"
    for tag in tags:
        inline = [name for name in tag.attrs if name == "style" or name.startswith("on")]
        assert not inline, f"{path}: inline style or handler: {inline} on {tag.name}"
        for name in ("aria-labelledby", "aria-describedby", "aria-controls"):
            missing = set(str(tag.get(name, "")).split()) - set(ids)
            assert not missing, f"{path}: {name} names {missing}, which is not there"
    for name, attribute in (
        ("script", "src"),
        ("img", "src"),
        ("link", "href"),
        ("source", "srcset"),
        ("iframe", "src"),
    ):
        for element in by_name.get(name, []):
            if attribute not in element.attrs or (name == "link" and "canonical" in element.get("rel", [])):
                continue
            assert not urlsplit(str(element[attribute])).netloc, f"{path}: third-party {element}"
    levels = [int(tag.name[1]) for tag in soup.find_all(re.compile(r"^h[1-6]$"))]
    assert levels[0] == 1 or levels.index(1) >= 0
    for before, after in pairwise(levels):
        assert after <= before + 1, f"{path}: heading jumps from h{before} to h{after}"
    exits = [form for form in by_name.get("form", []) if "exit" in form.get("class", [])]
    assert exits, f"{path}: no way out"
    for exit_form in exits:
        assert str(exit_form["method"]).lower() == "post"
    _check_links(path, by_name, set(ids))
    _check_nothing_empty(path, by_name)
    for name in ("Content-Security-Policy", "Referrer-Policy", "X-Content-Type-Options", "Cache-Control"):
        assert name in response.headers, f"{path}: header {name} is missing"
    assert "unsafe-inline" not in response.headers["Content-Security-Policy"]
    for word in SHELTER_WORDS:
        assert word not in body, f"{path}: a confidential address"
    for mark in ("\0", "%(", "{{", "{%", ">None<", "Undefined"):
        assert mark not in body or mark in unquote(path), f"{path}: {mark!r} was not filled in"
    return page


def _check_fields(path: str, by_name: dict[str, list[Tag]], ids: set[str]) -> None:
    labels = {str(label.get("for", "")) for label in by_name.get("label", [])} - {""}
    assert labels <= ids, f"{path}: labels for {labels - ids}, which are not there"
    for name in ("input", "select", "textarea"):
        for field in by_name.get(name, []):
            if field.get("type") in ("hidden", "submit"):
                continue
            labelled = (
                field.get("id") in labels
                or field.find_parent("label")
                or field.get("aria-label")
                or field.get("aria-labelledby")
            )
            assert labelled, f"{path}: field without a label: {field}"


def _check_links(path: str, by_name: dict[str, list[Tag]], ids: set[str]) -> None:
    """Every link and button has words and leads somewhere; help is among them."""
    help_at_hand = False
    for link in by_name.get("a", []):
        href = str(link.get("href", ""))
        # An empty address is this page once more: right where the network was gone, a mistake elsewhere.
        assert href or path.endswith(("/offline", "/offline?kept", "/components")), (
            f"{path}: a link that leads nowhere: {link}"
        )
        assert text_of(link) or link.get("aria-label"), f"{path}: a link without words: {link}"
        scheme = urlsplit(href).scheme
        assert scheme in ("", "https", "http", "tel", "mailto"), f"{path}: {href}"
        if scheme == "tel":
            assert re.fullmatch(r"tel:\+?[0-9]{3,15}", href), f"{path}: {href}"
        if href.startswith("#") and not path.startswith("/dev/"):
            assert href[1:] in ids, f"{path}: {href} is not on the page"
        help_at_hand = help_at_hand or "help-now" in href or href in ("tel:112", "tel:110")
    assert help_at_hand, f"{path}: no help"
    for button in by_name.get("button", []):
        assert text_of(button) or button.get("aria-label"), f"{path}: a button without words: {button}"
    for image in by_name.get("img", []):
        assert image.has_attr("alt"), f"{path}: {image}"


def _check_nothing_empty(path: str, by_name: dict[str, list[Tag]]) -> None:
    """Never a label without its value: what is not known is left out, or said."""
    for name in ("dt", "dd", "h1", "h2", "h3", "h4", "li", "summary", "legend", "label"):
        for tag in by_name.get(name, []):
            assert text_of(tag) or tag.find(["input", "svg", "img"]), (
                f"{path}: an empty {name} in {tag.parent}"
            )
    for term in by_name.get("dt", []):
        following = term.find_next_sibling()
        assert following is not None and following.name == "dd", f"{path}: {term} without its value"
