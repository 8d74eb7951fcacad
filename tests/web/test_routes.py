"""Every address of the portal, in every language, in both regions."""

import re
from collections.abc import Callable, Iterator
from html import unescape
from typing import Any
from urllib.parse import urljoin, urlsplit

import pytest
from flask import Flask

from portal.config import Settings
from portal.web.application import Portal, build
from portal.web.public.pages import EDITORIAL
from tests.web.pages import PageClient, check_page

LANGUAGES = ("de", "en", "ar")

Examples = Callable[[Portal], list[dict[str, str]]]


def no_values(portal: Portal) -> list[dict[str, str]]:
    return [{}]


def some_offers(portal: Portal) -> list[dict[str, str]]:
    return [{"slug": service.slug} for service in portal.catalogue.services()[::9]]


def with_hours(portal: Portal) -> list[dict[str, str]]:
    return [{"slug": s.slug} for s in portal.catalogue.services() if s.schedules and not s.locations][:2]


def some_organizations(portal: Portal) -> list[dict[str, str]]:
    return [{"slug": slug} for slug in sorted(portal.catalogue.current.organizations)[::9]]


def some_topics(portal: Portal) -> list[dict[str, str]]:
    return [{"code": term.code} for term in portal.catalogue.terms("topics")[::7]]


PAGES: dict[str, Examples] = {
    "public.start": no_values,
    "public.topics": no_values,
    "public.topic": some_topics,
    "public.help_now": no_values,
    "public.quality": no_values,
    "public.offline": no_values,
    "public.saved": no_values,
    "public.kept_card": some_offers,
    "public.check_offline": no_values,
    "public.components": no_values,
    "public.editorial": lambda portal: [{"slug": slug} for slug in EDITORIAL],
    "public.offers": no_values,
    "public.offer": some_offers,
    "public.organization": some_organizations,
    "public.sheet": no_values,
    "public.offer_both": some_offers,
    "public.organization_both": some_organizations,
    "public.report": some_offers,
    "public.reported": some_offers,
    "public.slip": no_values,
    "public.mine": no_values,
}
"""Whole pages that anybody may open: endpoint → values to open it with."""
STEPS: dict[str, Examples] = {
    "public.question": lambda portal: [{"question_id": q.id} for q in portal.clearing.questions],
    "public.check": no_values,
    "public.result": no_values,
    "public.result_both": no_values,
    "public.result_bilingual": lambda portal: [{"kind": "jobcenter"}, {"kind": "nonsense"}],
}
"""Pages of the questionnaire: without answers they lead to its beginning."""
OTHERS: dict[str, tuple[Examples, int, str]] = {
    "public.front": (no_values, 302, "text/html"),
    "public.leave_page": (no_values, 303, "text/html"),
    "public.offer_calendar": (with_hours, 200, "text/calendar"),
    "public.offer_qr": (some_offers, 200, "image/svg+xml"),
    "public.sign_language_video": (no_values, 404, "text/html"),
    "public.robots": (no_values, 200, "text/plain"),
    "public.sitemaps": (no_values, 200, "application/xml"),
    "public.sitemap": (no_values, 200, "application/xml"),
    "public.place_suggestions": (no_values, 200, "text/html"),
    "public.offer_suggestions": (no_values, 200, "text/html"),
    "health.alive": (no_values, 200, "text/plain"),
    "health.ready": (no_values, 200, "application/json"),
    "public.manifest": (no_values, 200, "application/manifest+json"),
    "public.bundle": (no_values, 200, "application/json"),
    "public.check_offline_data": (no_values, 200, "application/json"),
    "public.slip_code": (no_values, 303, "text/html"),
    "public.contact_me": (no_values, 303, "text/html"),
    "public.contact_tell": (no_values, 410, "text/html"),
    "public.contact_consent": (no_values, 410, "text/html"),
    "public.withdraw_mine": (no_values, 303, "text/html"),
    "public.back_to_mine": (lambda portal: [{"what": "message"}], 303, "text/html"),
    "assets.worker": (no_values, 200, "text/javascript"),
    "assets.apple_icon": (no_values, 200, "image/png"),
    "assets.file": (lambda portal: [{"name": asset_name(portal)}], 200, "text/javascript"),
}
"""What is no page of its own: values, status and content type."""
KEYS = {"public.confirm", "public.confirm_correct", "public.consent"}
"""Pages that only a link from a letter or a QR code opens; see test_confirmation and test_contact_me."""
POSTS = {
    "public.answer",
    "public.leave",
    "public.forget",
    "public.send_report",
    "public.make_slip",
    "public.take_contact_me",
    "public.take_contact_tell",
    "public.take_contact_consent",
    "public.contact_drop",
    "public.open_mine",
    "public.act_on_mine",
    "public.mine_calendar",
    "public.mine_data",
    "public.confirm_answer",
    "public.confirm_corrected",
}
"""What changes something; see test_questionnaire, test_safety_floor, test_reporting, test_slip, test_mine and test_confirmation."""


def asset_name(portal: Portal) -> str:
    return str(portal.page_constants["de"]["script_url"]).rsplit("/", 1)[1]


def addresses(app: Flask, endpoint: str, examples: Examples, lang: str) -> Iterator[str]:
    portal = app.extensions["portal"]
    adapter = app.url_map.bind("localhost")
    localized = app.url_map.is_endpoint_expecting(endpoint, "lang")
    for values in examples(portal):
        yield adapter.build(endpoint, {**values, **({"lang": lang} if localized else {})})


def test_in_production_there_is_no_page_for_developers(prepared: Callable[[str], Settings]) -> None:
    app = build(prepared("musterkreis").model_copy(update={"environment": "production"}))
    assert PageClient(app).get("/dev/components").status_code == 404


def test_every_route_is_listed_here(app: Flask) -> None:
    got = {rule.endpoint for rule in app.url_map.iter_rules() if "GET" in (rule.methods or ())}
    posted = {rule.endpoint for rule in app.url_map.iter_rules() if "POST" in (rule.methods or ())}
    assert got == {*PAGES, *STEPS, *OTHERS, *KEYS}
    assert posted == POSTS


@pytest.mark.parametrize("lang", LANGUAGES)
@pytest.mark.parametrize("endpoint", PAGES)
def test_every_page_is_sound(app: Flask, endpoint: str, lang: str) -> None:
    client = PageClient(app)
    opened = [client.page(path) for path in addresses(app, endpoint, PAGES[endpoint], lang)]
    assert opened
    for page in opened:
        if page.path.startswith(f"/{lang}/"):
            assert page.soup.html["lang"] == lang
            assert page.response.headers["Content-Language"] == lang


@pytest.mark.parametrize("lang", LANGUAGES)
@pytest.mark.parametrize("endpoint", STEPS)
def test_without_answers_the_questionnaire_begins_at_its_beginning(
    app: Flask, endpoint: str, lang: str
) -> None:
    client = PageClient(app)
    first = f"/{lang}/check/{app.extensions['portal'].clearing.questions[0].id}"
    for path in addresses(app, endpoint, STEPS[endpoint], lang):
        if path == first:
            client.page(path)
            continue
        response = client.get(path)
        assert (response.status_code, response.location) == (303, first), path
        assert response.headers["Cache-Control"] == "no-store"
        assert "Set-Cookie" not in response.headers


@pytest.mark.parametrize("lang", LANGUAGES)
@pytest.mark.parametrize("endpoint", OTHERS)
def test_everything_else_answers_as_it_should(app: Flask, endpoint: str, lang: str) -> None:
    examples, status, content_type = OTHERS[endpoint]
    client = PageClient(app)
    paths = list(addresses(app, endpoint, examples, lang))
    assert paths
    for path in paths:
        response = client.get(path)
        assert response.status_code == status, path
        assert response.mimetype == content_type, path
        assert "Set-Cookie" not in response.headers


def test_every_offer_organization_and_topic_is_a_sound_page(app: Flask) -> None:
    portal = app.extensions["portal"]
    paths = [f"/de/offers/{service.slug}" for service in portal.catalogue.services()]
    paths += [f"/de/organizations/{slug}" for slug in portal.catalogue.current.organizations]
    paths += [f"/de/topics/{term.code}" for term in portal.catalogue.terms("topics")]
    assert len(paths) > 130
    client = PageClient(app)
    wrong = []
    for path in paths:
        try:
            client.page(path)
        except AssertionError as error:
            wrong.append(f"{path}: {error}")
    assert not wrong, "\n".join(wrong)


# Errors, in the language of the address.

NOT_FOUND = ("nowhere", "offers/nowhere", "organizations/nowhere", "topics/nowhere", "check/nowhere",
             "offers/nowhere/hours.ics", "offers/a/b/c", "%00", "offers/%00", "offers/%001%00", "organizations/%F0%9F%98%80",
             "topics/..%2F..%2Fetc", "%FF%FE", "check/%E2%80%AE")  # fmt: skip


@pytest.mark.parametrize("lang", LANGUAGES)
@pytest.mark.parametrize("rest", NOT_FOUND)
def test_an_address_without_a_page_is_a_page_with_a_way_on(
    musterkreis_app: Flask, lang: str, rest: str
) -> None:
    page = PageClient(musterkreis_app).page(f"/{lang}/{rest}", status=404)
    assert page.soup.html["lang"] == lang
    assert page.response.headers["Cache-Control"] == "no-store"
    assert page.all(f'main a[href="/{lang}/"], main a[href="/{lang}/offers"], main a[href="/{lang}/check"]')
    assert "\0" not in page.response.get_data(as_text=True)


@pytest.mark.parametrize("lang", LANGUAGES)
@pytest.mark.parametrize(
    ("method", "rest"),
    [("POST", "offers"), ("PUT", "result"), ("DELETE", "check/who"), ("GET", "forget"), ("PATCH", "exit")],
)
def test_the_wrong_method_is_said_in_the_visitor_s_language(
    musterkreis_app: Flask, lang: str, method: str, rest: str
) -> None:
    path = f"/{lang}/{rest}"
    response = musterkreis_app.test_client().open(path, method=method)
    page = check_page(response, path, 405)
    assert page.soup.html["lang"] == lang
    assert response.headers["Allow"]


@pytest.mark.parametrize("lang", LANGUAGES)
@pytest.mark.parametrize("rest", ["check/who", "exit", "forget"])
def test_too_much_is_refused_in_the_visitor_s_language_where_it_is_read(
    musterkreis_app: Flask, lang: str, rest: str
) -> None:
    path = f"/{lang}/{rest}"
    response = PageClient(musterkreis_app).post(path, {"answer": "x" * 70_000})
    if rest == "check/who":
        assert check_page(response, path, 413).soup.html["lang"] == lang
    else:
        # Leaving never fails, whatever is sent along.
        assert response.status_code == 303


# Links.

HREF = re.compile(r'\s(?:href|action|data-hx-get|data-suggest)="([^"]*)"')


def links_of(body: str, path: str) -> set[str]:
    found = set()
    for raw in HREF.findall(body):
        target = unescape(raw)
        parts = urlsplit(urljoin(f"http://localhost{path}", target))
        if parts.scheme == "http" and parts.netloc == "localhost":
            found.add(parts.path + (f"?{parts.query}" if parts.query else ""))
    return found


def test_no_link_leads_nowhere(app: Flask) -> None:
    client = PageClient(app)
    seen: dict[str, str] = {"/de/": "(start)"}
    level = ["/de/"]
    broken = []
    posted = {"/exit", "/forget"}
    for depth in range(4):
        following: list[str] = []
        for path in level:
            response = client.get(path)
            if response.status_code not in (200, 302, 303):
                broken.append(f"{path} (on {seen[path]}): {response.status_code}")
            if response.status_code != 200 or response.mimetype != "text/html" or depth == 3:
                continue
            for target in links_of(response.get_data(as_text=True), path):
                if target not in seen and not target.endswith(tuple(posted)):
                    seen[target] = path
                    following.append(target)
        level = following
    assert not broken, "\n".join(broken)
    assert len(seen) > 200
    offers = {path for path in seen if re.fullmatch(r"/de/offers/[^/?]+", path)}
    portal: Any = app.extensions["portal"]
    unreachable = {f"/de/offers/{s.slug}" for s in portal.catalogue.services() if s.topics} - offers
    assert not unreachable, f"offers no link leads to within three steps: {sorted(unreachable)[:5]}"


def test_outside_links_are_encrypted_and_tell_nothing(app: Flask) -> None:
    client = PageClient(app)
    outside = set()
    portal = app.extensions["portal"]
    for path in ["/de/help-now", *(f"/de/offers/{s.slug}" for s in portal.catalogue.services())]:
        body = client.get(path).get_data(as_text=True)
        outside |= {unescape(h) for h in HREF.findall(body) if urlsplit(unescape(h)).netloc}
    assert outside
    assert {urlsplit(link).scheme for link in outside} == {"https"}, [
        x for x in outside if not x.startswith("https:")
    ]
