"""Catalogues and the machinery of languages, with small languages made for the test."""

import os
from pathlib import Path

import pytest
from flask import Flask, Request, g, url_for
from werkzeug.test import EnvironBuilder

from portal.config import ROOT
from portal.web import locale
from portal.web.languages import (
    CatalogueMissing,
    Language,
    available,
    compile_catalogues,
    fingerprint,
    load_languages,
)

HEADER = 'msgid ""\nmsgstr ""\n"Content-Type: text/plain; charset=UTF-8\\n"\n"Plural-Forms: {plural}\\n"\n\n'
GERMAN = "nplurals=2; plural=(n != 1);"
ARABIC = (
    "nplurals=6; plural=(n==0 ? 0 : n==1 ? 1 : n==2 ? 2 : n%100>=3 && n%100<=10 ? 3 : n%100>=11 ? 4 : 5);"
)


def po(folder: Path, language: str, domain: str, entries: str, plural: str = GERMAN) -> Path:
    path = folder / language / "LC_MESSAGES" / f"{domain}.po"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(HEADER.format(plural=plural) + entries, encoding="utf-8")
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """German complete, Arabic begun, English needing no messages, German no questionnaire."""
    (tmp_path / "languages.yaml").write_text(
        "languages: {de: complete, en: complete, ar: partial}\n", encoding="utf-8"
    )
    offers = 'msgid "%(num)s offer"\nmsgid_plural "%(num)s offers"\n'
    po(
        tmp_path,
        "de",
        "messages",
        f'msgid "Back"\nmsgstr "Zurück"\n\n{offers}msgstr[0] "ein Angebot"\nmsgstr[1] "%(num)s Angebote"\n',
    )
    po(tmp_path, "en", "questionnaire", 'msgid "Wie alt bist du?"\nmsgstr "How old are you?"\n')
    forms = "".join(f'msgstr[{index}] "form {index}"\n' for index in range(6))
    po(
        tmp_path,
        "ar",
        "messages",
        f'msgid "Back"\nmsgstr "رجوع"\n\nmsgid "Next"\nmsgstr ""\n\n{offers}{forms}',
        ARABIC,
    )
    po(tmp_path, "ar", "questionnaire", "")
    compile_catalogues(tmp_path)
    return tmp_path


@pytest.fixture
def languages(folder: Path) -> dict[str, Language]:
    return load_languages(folder, ("de", "en", "ar"))


def test_languages_come_in_the_order_asked_for(folder):
    assert list(load_languages(folder, ("ar", "de"))) == ["ar", "de"]


def test_what_is_translated_is_given_and_what_is_not_stays(languages):
    assert languages["de"].messages.gettext("Back") == "Zurück"
    assert languages["ar"].messages.gettext("Back") == "رجوع"
    assert languages["ar"].messages.gettext("Next") == "Next"
    assert languages["de"].messages.gettext("Never seen") == "Never seen"


def test_the_language_of_the_msgids_needs_no_catalogue(languages):
    assert languages["en"].messages.gettext("Back") == "Back"
    assert languages["de"].questionnaire.gettext("Wie alt bist du?") == "Wie alt bist du?"
    assert languages["en"].questionnaire.gettext("Wie alt bist du?") == "How old are you?"


@pytest.mark.parametrize(
    ("language", "number", "text"),
    [
        ("de", 1, "ein Angebot"),
        ("de", 0, "%(num)s Angebote"),
        ("de", 5, "%(num)s Angebote"),
        ("en", 1, "%(num)s offer"),
        ("en", 0, "%(num)s offers"),
        *[
            ("ar", number, f"form {form}")
            for number, form in [(0, 0), (1, 1), (2, 2), (7, 3), (11, 4), (100, 5), (103, 3)]
        ],
    ],
)
def test_plurals_follow_the_language(languages, language, number, text):
    assert languages[language].messages.ngettext("%(num)s offer", "%(num)s offers", number) == text


def test_a_plural_without_translation_counts_as_in_english(languages):
    assert languages["de"].messages.ngettext("%(num)s day", "%(num)s days", 1) == "%(num)s day"
    assert languages["de"].messages.ngettext("%(num)s day", "%(num)s days", 2) == "%(num)s days"


def test_direction_and_name_come_from_the_language_itself(languages):
    assert [(language.dir, language.autonym) for language in languages.values()] == [
        ("ltr", "Deutsch"),
        ("ltr", "English"),
        ("rtl", "العربية"),
    ]


def test_who_claims_to_be_complete_is_known(languages):
    assert {code: language.complete for code, language in languages.items()} == {
        "de": True,
        "en": True,
        "ar": False,
    }


def test_a_language_that_was_never_declared_is_refused(folder):
    with pytest.raises(CatalogueMissing, match="uk"):
        load_languages(folder, ("de", "uk"))


def test_a_catalogue_that_was_never_compiled_is_named_with_the_cure(folder):
    (folder / "ar" / "LC_MESSAGES" / "messages.mo").unlink()
    with pytest.raises(CatalogueMissing, match=r"ar/messages.*translations compile"):
        load_languages(folder, ("ar",))


def test_only_what_changed_is_compiled_again(folder):
    assert compile_catalogues(folder) == []
    changed = po(folder, "de", "messages", 'msgid "Back"\nmsgstr "Nach hinten"\n')
    later = changed.with_suffix(".mo").stat().st_mtime_ns + 1_000_000_000
    os.utime(changed, ns=(later, later))
    before = fingerprint(folder)
    assert compile_catalogues(folder) == [changed.with_suffix(".mo")]
    assert load_languages(folder, ("de",))["de"].messages.gettext("Back") == "Nach hinten"
    assert fingerprint(folder) != before


def test_a_new_language_needs_no_code(folder):
    (folder / "languages.yaml").write_text("languages: {de: complete, fa: partial}\n", encoding="utf-8")
    po(folder, "fa", "messages", 'msgid "Back"\nmsgstr "بازگشت"\n')
    po(folder, "fa", "questionnaire", "")
    compile_catalogues(folder)
    persian = load_languages(folder, ("fa",))["fa"]
    assert (persian.dir, persian.autonym, persian.messages.gettext("Back")) == ("rtl", "فارسی", "بازگشت")


def test_shipped_languages_are_german_and_english_complete_and_arabic():
    shipped = available(ROOT / "translations")
    assert shipped["de"] is True
    assert shipped["en"] is True
    assert "ar" in shipped


# The language of a page


def asking(header: str) -> Request:
    return Request(EnvironBuilder(headers={"Accept-Language": header} if header else {}).get_environ())


@pytest.mark.parametrize(
    ("header", "code"),
    [
        ("", "de"),
        ("ar", "ar"),
        ("ar-SY,de;q=0.5", "ar"),
        ("EN-gb", "en"),
        ("fr,en;q=0.8,de;q=0.9", "de"),
        ("fr", "de"),
        ("*", "de"),
        ("not a language at all;;;", "de"),
    ],
)
def test_the_browser_decides_the_first_language(header, code):
    assert locale.best_language(asking(header), ["de", "en", "ar"]) == code


@pytest.fixture
def app() -> Flask:
    app = Flask("test")
    locale.install(app, ("de", "en", "ar"), str(ROOT / "translations"))

    @app.get("/<lang:lang>/here")
    def here() -> str:
        return f"{g.lang} {url_for('here')} {url_for('here', lang='ar')}"

    return app


def test_the_path_decides_and_links_stay_in_the_language(app):
    client = app.test_client()
    assert client.get("/en/here", headers={"Accept-Language": "ar"}).text == "en /en/here /ar/here"


def test_a_language_nobody_offers_is_no_page(app):
    assert app.test_client().get("/fr/here").status_code == 404
    assert app.test_client().get("/deen/here").status_code == 404


@pytest.mark.parametrize(
    ("path", "header", "code"), [("/ar/nowhere", "en", "ar"), ("/nowhere", "en", "en"), ("/", "", "de")]
)
def test_an_address_that_leads_nowhere_still_has_a_language(app, path, header, code):
    with app.test_request_context(path, headers={"Accept-Language": header}):
        assert locale.language_of_address(("de", "en", "ar")) == code
