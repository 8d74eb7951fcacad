"""Whatever somebody sends: never a broken page, and always a contact."""

import re
from typing import Any
from urllib.parse import quote, urlsplit

import pytest
from bs4 import BeautifulSoup
from flask import Flask
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.web.pages import PageClient

TOKEN = re.compile(r'name="csrf_token" value="([^"]+)"')
LANGUAGES = st.sampled_from(["de", "en", "ar"])
NASTY = [
    "", " ", "\0", "0\0", "1\0000", "²", "٣", "½", "-1", "1e9", "0x1", "None", "null", "inside", "outside", "dont_know",
    "no_answer", "yes", "no", "me", "15085", "00000000", "15987001", "99999999", "06484", "00131", "<script>alert(1)</script>",
    "'; DROP TABLE service; --", "%00", "%(num)s", "{{7*7}}", "{0}", "\u202eetrop", "👩‍👩‍👧‍👦", "ǅ", "ß", "İstanbul", "\ud7ff", "\ufeff",
    "\r\nSet-Cookie: a=b", "../../etc/passwd", "a" * 121, "ä" * 5000, '"', "*", "?", "AND OR NOT (", "q:*", "[a TO z]", "~9", "^",
    "\u200f\u0645\u0631\u062d\u0628\u0627", "00:00", "OT (", "(Harz", "/", "\\",
]  # fmt: skip
TEXT = st.one_of(st.sampled_from(NASTY), st.text(st.characters(exclude_categories=["Cs"]), max_size=60))

fuzz = settings(
    deadline=None,
    max_examples=40,
    suppress_health_check=[
        HealthCheck.too_slow,
        HealthCheck.data_too_large,
        HealthCheck.function_scoped_fixture,
    ],
)


def portal_of(app: Flask) -> Any:
    return app.extensions["portal"]


def one_contact(client: PageClient, lang: str) -> None:
    """The result page of whatever was answered: one first contact with a reason and a way to it."""
    response = client.get(f"/{lang}/result")
    if response.status_code == 303:
        # Not enough is answered; then there is a question to go on with.
        assert client.get(str(response.location)).status_code == 200
        return
    assert response.status_code == 200
    soup = BeautifulSoup(response.get_data(as_text=True), "html.parser")
    first = soup.select("article.first")
    assert len(first) == 1
    assert first[0].select_one("h2").get_text(strip=True)
    assert first[0].select_one(".why").get_text(strip=True)
    ways = first[0].select('a[href^="tel:"], a[href^="mailto:"], a[href^="https:"], address, .box')
    assert ways, first[0].get_text(" ")
    assert len(soup.select("#others li.card")) <= 3


@st.composite
def steps(draw: st.DrawFn) -> list[tuple[str, dict[str, Any]]]:
    """Posts in any order: question id (or nonsense) and form."""
    return draw(
        st.lists(
            st.tuples(
                TEXT,
                st.fixed_dictionaries(
                    {},
                    optional={
                        "answer": st.lists(TEXT, max_size=6),
                        "place": TEXT,
                        "place_choice": TEXT,
                        "unknown": TEXT,
                        "csrf_token": TEXT,
                    },
                ),
            ),
            max_size=4,
        )
    )


@fuzz
@given(lang=LANGUAGES, posts=steps(), data=st.data())
def test_garbage_in_the_questionnaire_never_breaks_it(
    musterkreis_app: Flask, lang: str, posts: list[tuple[str, dict[str, Any]]], data: st.DataObject
) -> None:
    client = PageClient(musterkreis_app)
    ids = [question.id for question in portal_of(musterkreis_app).clearing.questions]
    for somewhere, form in posts:
        question = data.draw(st.sampled_from([*ids, somewhere]))
        path = f"/{lang}/check/{quote(question, safe='')}"
        shown = client.get(path)
        assert shown.status_code in (200, 303, 404)
        token = TOKEN.search(shown.get_data(as_text=True))
        response = client.post(path, {**({"csrf_token": token[1]} if token else {}), **form})
        assert response.status_code in (303, 404, 405, 413, 422), (path, form)
    assert client.get(f"/{lang}/check").status_code == 303
    one_contact(client, lang)


@settings(fuzz, max_examples=20)
@given(lang=LANGUAGES, data=st.data())
def test_any_answers_end_at_one_first_contact(app: Flask, lang: str, data: st.DataObject) -> None:
    client = PageClient(app)
    portal = portal_of(app)
    places = [option.ags for option in portal.catalogue.places.all()]
    path = str(client.get(f"/{lang}/check").location)
    for number in range(9):
        question_id = urlsplit(path).path.rsplit("/", 1)[1]
        if question_id == "result":
            break
        shown = client.get(path)
        assert shown.status_code == 200
        body = shown.get_data(as_text=True)
        offered = re.findall(r'<input type="(?:radio|checkbox)" name="answer" value="([^"]+)"', body)
        question = portal.clearing.question(question_id)
        most = question.max_choices if question.type == "multiple" else 1
        chosen = data.draw(st.lists(st.sampled_from(offered), min_size=1, max_size=most, unique=True))
        noise = [text for text in data.draw(st.lists(TEXT, max_size=1)) if text not in offered]
        form: dict[str, Any] = {"answer": [*chosen, *noise]}
        if question.type == "place" and data.draw(st.booleans()):
            form["answer"] = [data.draw(st.sampled_from(places))]
        token = TOKEN.search(body)
        assert token
        response = client.post(urlsplit(path).path, {"csrf_token": token[1], **form})
        assert response.status_code == 303, (path, form)
        path = str(response.location)
        if number == 1:
            assert client.get(f"/{lang}/result").status_code == 200, "two answers are enough"
    else:
        raise AssertionError(f"more than eight questions, now at {path}")
    one_contact(client, lang)


KEPT = st.dictionaries(
    st.one_of(TEXT, st.sampled_from(["who", "topic", "age", "place", "tonight", "activity"])),
    st.one_of(
        st.lists(st.one_of(TEXT, st.integers(), st.none()), max_size=4), TEXT, st.none(), st.integers()
    ),
    max_size=6,
)


@fuzz
@given(kept=st.one_of(KEPT, TEXT, st.none(), st.lists(TEXT, max_size=2)), lang=LANGUAGES)
@example(kept={"who": ["me"], "topic": ["money"], "place": ["²"]}, lang="de")
@example(kept={"who": ["me"], "topic": ["money"], "place": ["99999999"]}, lang="de")
@example(kept={"who": ["me"], "topic": ["money"], "place": []}, lang="de")
@example(kept={"who": ["me"], "topic": ["gone_since_the_last_version"], "removed": ["x"]}, lang="ar")
def test_a_cookie_from_another_version_of_the_questionnaire_never_breaks_it(
    musterkreis_app: Flask, kept: Any, lang: str
) -> None:
    client = PageClient(musterkreis_app)
    with client.client.session_transaction() as cookie:
        cookie["a"] = kept
    onward = client.get(f"/{lang}/check")
    assert onward.status_code == 303
    assert client.get(str(onward.location)).status_code == 200
    one_contact(client, lang)


PARAMETERS = (
    "q", "place", "km", "topic", "group", "format", "language", "kind", "age", "free", "open", "sort", "show", "utm",
)  # fmt: skip
KNOWN = [
    "jobcenter", "geld", "de", "ar", "uk", "zz", "qqq", "1", "16", "200", "distance", "relevance", "Quellmünde", "Wernigerode",
    "ich will nicht mehr leben", "schulden 17 wernigerode", "telefon", "praesenz",
]  # fmt: skip


@fuzz
@given(
    lang=LANGUAGES,
    pairs=st.lists(
        st.tuples(st.sampled_from(PARAMETERS), st.one_of(st.sampled_from(KNOWN), TEXT)), max_size=6
    ),
    headers=st.sampled_from([{}, {"HX-Request": "true"}, {"HX-Request": "true", "HX-Boosted": "true"}]),
)
@example(lang="de", pairs=[("age", "²")], headers={})
@example(lang="de", pairs=[("km", "²"), ("place", "Quellmünde")], headers={})
@example(lang="de", pairs=[("language", "zz")], headers={})
@example(lang="de", pairs=[("language", "de_DE")], headers={})
@example(lang="ar", pairs=[("language", "äö"), ("language", "qqq")], headers={})
@example(lang="de", pairs=[("place", "\0"), ("q", "\x001\0")], headers={"HX-Request": "true"})
def test_any_search_is_answered(
    app: Flask, lang: str, pairs: list[tuple[str, str]], headers: dict[str, str]
) -> None:
    client = PageClient(app)
    query = "&".join(f"{name}={quote(value, safe='')}" for name, value in pairs)
    response = client.get(f"/{lang}/offers?{query}", headers=headers)
    assert response.status_code == 200, pairs
    body = response.get_data(as_text=True)
    assert "data-total" in body
    assert "\0" not in body
    assert ("<html" in body) is (headers != {"HX-Request": "true"})


@fuzz
@given(lang=LANGUAGES, where=st.sampled_from(["places", "offers"]), text=TEXT)
def test_any_half_typed_word_gets_suggestions(
    musterkreis_app: Flask, lang: str, where: str, text: str
) -> None:
    client = PageClient(musterkreis_app)
    assert client.get(f"/{lang}/suggest/{where}?q={quote(text, safe='')}").status_code == 200


@fuzz
@given(
    lang=LANGUAGES,
    parts=st.lists(st.one_of(TEXT, st.sampled_from(["offers", "check", "result"])), max_size=3),
)
@example(lang="de", parts=["\0"])
@example(lang="ar", parts=["offers", "\x001\0"])
def test_any_address_is_a_page_or_leads_to_one(musterkreis_app: Flask, lang: str, parts: list[str]) -> None:
    path = "/".join(["", lang, *(quote(part, safe="") for part in parts)])
    response = PageClient(musterkreis_app).get(path)
    assert response.status_code in (200, 303, 308, 404), path


@pytest.mark.parametrize(
    "raw",
    [
        "%ff%fe",
        "%ed%a0%80",
        "%c0%80",
        "%",
        "%zz",
        "q=%ff&place=%fe&age=%ff",
        "q" * 3000,
        "&&&==&",
        "q[]=1&q[a]=2",
    ],
)
def test_queries_that_are_no_text_are_answered(client: PageClient, raw: str) -> None:
    for path in ("/de/offers", "/de/suggest/places", "/de/suggest/offers", "/de/check/who", "/de/"):
        assert client.get(f"{path}?q={raw}").status_code == 200
        assert client.get(f"{path}?{raw}").status_code == 200


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"\xff\xfe\x00", "application/x-www-form-urlencoded"),
        (b"{}", "application/json"),
        (b"--x\r\nbroken", "multipart/form-data; boundary=x"),
        (b"answer=me", "text/plain"),
        (b"answer=me", "multipart/form-data"),
        (b"&".join(b"answer=%d" % n for n in range(3000)), "application/x-www-form-urlencoded"),
        (b"csrf_token=%00&answer=%00&place=%00", "application/x-www-form-urlencoded"),
    ],
)
def test_bodies_that_are_no_form_are_refused_kindly(
    client: PageClient, body: bytes, content_type: str
) -> None:
    response = client.client.post("/de/check/who", data=body, content_type=content_type)
    assert response.status_code in (413, 422)
    assert "<h1" in response.get_data(as_text=True)
