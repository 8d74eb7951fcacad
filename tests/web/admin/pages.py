"""A client for the admin pages: parsed, after what holds on every one of them was asserted."""

from itertools import pairwise
from typing import Any

from bs4 import BeautifulSoup, Tag
from flask import Flask
from itsdangerous import URLSafeTimedSerializer
from werkzeug.test import TestResponse

from portal.web.security import _signer
from tests.web.pages import Page, PageClient, _check_fields, text_of

BINDING = "binding-of-the-tests"


class AdminClient(PageClient):
    """`page` gets and checks a page; `submit` fetches a form and sends it; `send` posts with a token of its own."""

    def __init__(self, app: Flask) -> None:
        super().__init__(app)
        self.email = ""
        """Of the user who is signed in by `signed_in`."""

    def page(self, path: str, *, status: int = 200, **options: Any) -> Page:
        response = self.client.get(path, **options)
        return check_admin_page(response, path, status)

    def submit(
        self, path: str, data: Any = None, *, to: str | None = None, status: int = 303, **options: Any
    ) -> TestResponse:
        """Fetch the page with the form, fill it in as given (nothing else), send it to the same address or `to`."""
        form = self.page(path)
        token = str(form.all('main input[name="csrf_token"]')[0]["value"])
        fields = [*_pairs(data), ("csrf_token", token)]
        response = self.client.post(to or path, data=_multi(fields), **options)
        assert response.status_code == status, (
            f"{path}: {response.status_code}, wanted {status}: {response.get_data(as_text=True)[-1500:]}"
        )
        return response

    def send(self, path: str, data: Any = None, **options: Any) -> TestResponse:
        """Post without looking at a page first; for clients from `signed_in`."""
        return self.client.post(path, data=_multi([*_pairs(data), ("csrf_token", self.csrf)]), **options)

    @property
    def csrf(self) -> str:
        signer: URLSafeTimedSerializer = _signer(self.app.extensions["portal"].settings.secret_key)
        return str(signer.dumps(BINDING))

    def sent(self, response: TestResponse, path: str, *, status: int = 200) -> Page:
        """Parse the answer to a post."""
        return check_admin_page(response, path, status)


def _pairs(data: Any) -> list[tuple[str, Any]]:
    if data is None:
        return []
    pairs = data.items() if isinstance(data, dict) else data
    return [
        (name, item)
        for name, value in pairs
        for item in (value if isinstance(value, list) else [value])
        if item is not None
    ]


def _multi(pairs: list[tuple[str, Any]]) -> dict[str, list[Any]]:
    fields: dict[str, list[Any]] = {}
    for name, value in pairs:
        fields.setdefault(name, []).append(value)
    return fields


def check_admin_page(response: TestResponse, path: str, status: int = 200) -> Page:
    """One h1 that opens the title, labelled fields, unique ids, tokens in forms, tables with names, strict headers."""
    body = response.get_data(as_text=True)
    assert response.status_code == status, (
        f"{path}: {response.status_code}, wanted {status} (to {response.location}): {body[-800:]}"
    )
    soup = BeautifulSoup(body, "html5lib")
    page = Page(soup, response, path)
    assert soup.html is not None and soup.html["lang"] in ("de", "en")
    tags = soup.find_all(True)
    by_name: dict[str, list[Tag]] = {}
    for tag in tags:
        by_name.setdefault(tag.name, []).append(tag)
    headings = by_name.get("h1", [])
    assert len(headings) == 1, f"{path}: {len(headings)} h1"
    title = text_of(soup.title)
    assert title.startswith(text_of(headings[0])), f"{path}: title {title!r}, h1 {text_of(headings[0])!r}"
    ids = [str(tag["id"]) for tag in tags if tag.has_attr("id")]
    assert len(ids) == len(set(ids)), f"{path}: ids twice: {sorted({i for i in ids if ids.count(i) > 1})}"
    _check_fields(path, by_name, set(ids))
    _check_safety(path, tags, by_name, set(ids))
    for table in by_name.get("table", []):
        assert table.caption or table.get("aria-label") or table.get("aria-labelledby"), (
            f"{path}: a table without a name"
        )
        for head in table.find_all("th"):
            assert head.get("scope"), f"{path}: {head} without scope"
    levels = [int(tag.name[1]) for tag in soup.find_all(["h1", "h2", "h3", "h4", "h5", "h6"])]
    for before, after in pairwise(levels):
        assert after <= before + 1, f"{path}: heading jumps from h{before} to h{after}"
    for button in [*by_name.get("button", []), *by_name.get("a", [])]:
        assert text_of(button) or button.get("aria-label"), f"{path}: without words: {button}"
    for name in ("Content-Security-Policy", "Referrer-Policy", "X-Content-Type-Options"):
        assert name in response.headers, f"{path}: header {name} is missing"
    assert "unsafe-inline" not in response.headers["Content-Security-Policy"]
    assert response.headers["Cache-Control"] == "no-store"
    for mark in ("\0", "%(", "{{", "{%", ">None<", "Undefined"):
        assert mark not in body, f"{path}: {mark!r} was not filled in"
    return page


def _check_safety(path: str, tags: list[Tag], by_name: dict[str, list[Tag]], ids: set[str]) -> None:
    for script in by_name.get("script", []):
        assert script.get("src"), f"{path}: inline script"
    for tag in tags:
        inline = [name for name in tag.attrs if name == "style" or name.startswith("on")]
        assert not inline, f"{path}: inline style or handler: {inline} on {tag.name}"
        for name in ("aria-labelledby", "aria-describedby", "aria-controls"):
            missing = set(str(tag.get(name, "")).split()) - ids
            assert not missing, f"{path}: {name} names {missing}, which is not there"
    for form in by_name.get("form", []):
        if str(form.get("method", "get")).lower() == "post":
            assert form.select('input[name="csrf_token"]'), f"{path}: a form without a token: {form}"
