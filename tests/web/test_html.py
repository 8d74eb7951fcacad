"""The code of the pages, judged by the Nu Html Checker: every kind of page, once in three languages.

The checker is a Java program from npm, pinned in `.ci/nu/`. `.ci/run` installs both; elsewhere the test is skipped:

    npm ci --prefix .ci/nu --ignore-scripts
"""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
from flask import Flask, abort

from tests.accessibility import recorded
from tests.web.pages import PageClient
from tests.web.test_routes import PAGES, addresses
from tests.web.walking import walk

pytestmark = pytest.mark.java
CHECKER = Path(__file__).resolve().parent.parent.parent / ".ci/nu/node_modules/vnu-jar/build/dist/vnu.jar"
LANGUAGES = ("de", "de-simple", "ar")
SEARCHES = (
    "offers?q=ausbildung&free=1",
    "offers?q=zzzz",
    "offers?q=ich+will+nicht+mehr+leben",
    "offers?place=Xyz",
)
ANSWERS: dict[str, Any] = {"who": "me", "topic": ("training_place", "money"), "age": "age_15_17"}

FALSE = (
    # "de-simple" is well formed and registered (RFC 5646; variant "simple"); the checker's list is older.
    r"Bad value “[\w-]+” for attribute “(hreflang|lang)” on element “\w+”: The language subtag “simple” .*",
    # The checker guesses the language of the page from its words, and takes easy German or names for another one.
    r"This document appears to be written in .*",
)
"""What the checker says and is wrong about, each with the reason."""


@pytest.fixture(scope="module")
def checker() -> list[str]:
    java = shutil.which("java")
    if java is None or not CHECKER.is_file():
        pytest.skip("the Nu Html Checker needs Java and `npm ci --prefix .ci/nu --ignore-scripts`")
    return [java, "-jar", str(CHECKER), "--format", "json", "--exit-zero-always", "--stdout"]


def judged(checker: list[str], folder: Path) -> list[str]:
    """What is wrong with the files of a folder, one line each."""
    command = [*checker, "--skip-non-html", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=300)
    lines = []
    for message in json.loads(done.stdout)["messages"]:
        text = message["message"]
        name = unquote(Path(urlsplit(message["url"]).path).stem)
        if not any(re.fullmatch(pattern, text) for pattern in FALSE):
            lines.append(f"{name}: {text} ({message.get('extract', '')[:120]!r})")
    return lines


def pages(app: Flask, lang: str) -> Iterator[tuple[str, str]]:
    """Every kind of page: name → HTML."""
    client = PageClient(app)

    def body(path: str, status: int = 200) -> str:
        response = client.get(path)
        assert response.status_code == status, path
        return response.get_data(as_text=True)

    for endpoint, examples in PAGES.items():
        for path in list(addresses(app, endpoint, examples, lang))[
            : 20 if endpoint == "public.editorial" else 2
        ]:
            yield path, body(path)
    for search in SEARCHES:
        yield search, body(f"/{lang}/{search}")
    path = str(client.get(f"/{lang}/check").location)
    yield "question", body(path)
    refused = client.submit(path, {}, status=422)
    yield "no answer", refused.get_data(as_text=True)
    walked = PageClient(app)
    result = walk(walked, lang, ANSWERS)
    yield "result", result.response.get_data(as_text=True)
    for question in app.extensions["portal"].clearing.questions:
        answer = walked.get(f"/{lang}/check/{question.id}")
        if answer.status_code == 200:
            yield f"question {question.id}", answer.get_data(as_text=True)
    both = result.soup.select_one('main a[href*="both"]')
    if both is not None:
        yield "in two languages", walked.get(str(both["href"])).get_data(as_text=True)
    yield "404", body(f"/{lang}/nothing-here", 404)
    yield from errors(app, client, lang)


def errors(app: Flask, client: PageClient, lang: str) -> Iterator[tuple[str, str]]:
    usual = app.view_functions["public.topics"]
    try:
        for code in (403, 405, 410, 413, 429, 500, 503):
            app.view_functions["public.topics"] = lambda code=code: abort(code)
            response = client.get(f"/{lang}/topics?{code}")
            assert response.status_code == code
            yield str(code), response.get_data(as_text=True)
    finally:
        app.view_functions["public.topics"] = usual


def write(folder: Path, made: Iterator[tuple[str, str]]) -> int:
    count = 0
    for count, (name, html) in enumerate(made, 1):
        (folder / f"{count:03} {re.sub(r'[^a-z0-9-]+', ' ', name.lower()).strip()}.html").write_text(
            html, encoding="utf-8"
        )
    return count


@pytest.mark.timeout(400)
@pytest.mark.parametrize("lang", LANGUAGES)
def test_every_page_is_valid(checker: list[str], musterkreis_app: Flask, tmp_path: Path, lang: str) -> None:
    with recorded("html", lang) as look:
        for _ in range(write(tmp_path, pages(musterkreis_app, lang))):
            look.at(lang)
        look.findings += [f"{lang}, {line}" for line in judged(checker, tmp_path)]


def test_the_admin_area_before_signing_in_is_valid(
    checker: list[str], musterkreis_app: Flask, tmp_path: Path
) -> None:
    client = musterkreis_app.test_client()
    made = []
    doors = {
        "/admin/sign-in": 200,
        "/admin/forgotten": 200,
        "/admin/reset/unknown": 410,
        "/admin/nothing-here": 404,
    }
    for path, status in doors.items():
        answer = client.get(path)
        assert answer.status_code == status, path
        made.append((path, answer.get_data(as_text=True)))
    assert write(tmp_path, iter(made)) == 4
    assert judged(checker, tmp_path) == []


def test_a_fault_is_found(checker: list[str], tmp_path: Path) -> None:
    """The tests above must be able to fail."""
    good = '<!doctype html><html lang="de-simple"><head><title>Ein Titel</title></head><body><p>Ein Satz.</p></body></html>'
    bad = good.replace("<p>", '<p><div align="left">').replace("</p>", "</div></p>")
    assert write(tmp_path, iter([("good", good), ("bad", bad)])) == 2
    lines = judged(checker, tmp_path)
    assert lines
    assert {line.split(":")[0] for line in lines} == {"002 bad"}
