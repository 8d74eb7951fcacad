"""A language nobody speaks is added by files alone, and the whole site is walked in it: nothing is hard-coded."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from babel.dates import get_day_names, get_month_names
from flask import Flask

from portal.config import Settings
from portal.web.application import Portal, build
from portal.web.crawling import Judge, Seen, Walker, crawl
from portal.web.serving import prepare
from tests.web.conftest import NOW, SECRET
from tests.web.pages import PageClient
from tests.web.pseudo import CODES, add_languages, pseudo

pytestmark = pytest.mark.timeout(600)

REGION = "musterkreis"
_WORD = re.compile(r"[^\W\d_]{2,}")
_NO_WORDS = re.compile(
    r"\S+@\S+|\bhttps?://\S+|\bwww\.\S+|\b[\w.-]+\.(?:de|org|example)\b\S*|§+ ?\d+\w*|\bSGB [IVX]+\b|\bkm\b"
)


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Flask:
    folder = tmp_path_factory.mktemp("pseudo")
    add_languages(folder / "translations", folder / "content", REGION)
    settings = Settings(
        secret_key=SECRET,
        region=REGION,
        data_dir=folder,
        content_dir=folder / "content",
        translations_dir=folder / "translations",
        page_cache=False,
    )
    prepare(settings, lambda line: None)
    return build(settings, now=lambda: NOW)


def allowed_words(portal: Portal, code: str) -> set[str]:
    """Proper names, and what CLDR says in this language: days, months, languages."""
    locale = portal.languages[code].locale
    names = Judge(portal.catalogue, portal.languages, ())._names
    names |= {str(name) for name in locale.languages.values()}
    names |= {language.autonym for language in portal.languages.values()}
    for width in ("wide", "abbreviated"):
        for context in ("format", "stand-alone"):
            names |= {*get_day_names(width, context, locale).values()}
            names |= {*get_month_names(width, context, locale).values()}
    names |= {"Dari", "German Sign Language", "لغة الإشارة الألمانية", "AM", "PM", "and", "Anlauf"}
    return {word.casefold() for name in names for word in _WORD.findall(name)}


def bare(page: Seen, code: str, allowed: set[str]) -> Iterator[str]:
    """What stands on the page without brackets and without saying that it is in another language."""
    depth = 0
    for passage in page.passages:
        if passage.attribute:
            # A description is cut off after a while.
            outside = "" if passage.text.startswith("⟦") else passage.text
        elif passage.tag == "title":
            outside = re.sub(r"⟦.*?(?:⟧|$)", " ", passage.text)
        else:
            outside = ""
            for piece in re.split("([⟦⟧])", passage.text):
                if piece == "⟦":
                    depth += 1
                elif piece == "⟧":
                    depth -= 1
                elif not depth:
                    outside += f"{piece} "
        if passage.lang == code:
            # The Arabic "and" stands directly before the next word.
            words = {word.casefold() for word in _WORD.findall(_NO_WORDS.sub(" ", outside))}
            if not {word if word in allowed else word.removeprefix("و") for word in words} <= allowed:
                yield f"{page.path}: {passage.tag} {passage.attribute}: {outside.strip()}"


@pytest.mark.parametrize("code", CODES)
def test_nothing_is_hard_coded(app: Flask, code: str) -> None:
    portal: Portal = app.extensions["portal"]
    allowed = allowed_words(portal, code)
    pages = 0
    found: dict[str, None] = {}
    for page in Walker(app).pages(code):
        assert page.lang == code, page.path
        assert page.status == (404 if page.path.endswith("/no-such-page") else 200), page.path
        pages += 1
        found |= dict.fromkeys(bare(page, code, allowed))
    assert pages > 150
    assert not found, "\n".join(found)


def test_the_crawler_finds_nothing_wrong_in_it(app: Flask) -> None:
    report = crawl(app, CODES, most=60)
    assert all(report.pages[code] > 60 for code in CODES)
    # Made-up Arabic is written in Latin letters, which the crawler rightly does not like.
    assert [str(fault) for fault in report.faults if fault.kind != "script"] == []


@pytest.mark.parametrize(("code", "direction"), [("en-xa", "ltr"), ("ar-xb", "rtl")])
def test_it_is_offered_like_any_other(app: Flask, code: str, direction: str) -> None:
    client = PageClient(app)
    html = client.get(f"/{code}/").get_data(as_text=True)
    assert f'<html lang="{code}" dir="{direction}">' in html
    assert f'hreflang="{code}"' in client.get("/de/").get_data(as_text=True)
    assert client.get("/", headers={"Accept-Language": f"{code},de;q=0.5"}).location == f"/{code}/"
    sitemap = client.get(f"/{code}/sitemap.xml").get_data(as_text=True)
    assert f"/{code}/help-now" in sitemap and sitemap.count('hreflang="x-default"') == sitemap.count("<url>")


def test_the_made_up_texts_keep_what_must_stay() -> None:
    assert pseudo("Ruf %(name)s an: 116 111.") == "⟦Ŕûf %(name)s àñ: 116 111.~~~~~~~~⟧"
    assert len(pseudo("x" * 100)) == 137


def test_files_are_all_it_takes(app: Flask) -> None:
    root = Path(__file__).resolve().parents[2]
    for path in root.glob("portal/**/*.py"):
        assert not any(code in path.read_text(encoding="utf-8") for code in CODES), path
