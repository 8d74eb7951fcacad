"""Catalogues and the machinery of languages, with small languages made for the test."""

import os
from datetime import date
from pathlib import Path

import pytest
from flask import Flask, Request, g, url_for
from werkzeug.test import EnvironBuilder

from portal.config import ROOT
from portal.web import locale
from portal.web.languages import (
    UNCHECKED,
    CatalogueMissing,
    Language,
    Review,
    available,
    compile_catalogues,
    fingerprint,
    german,
    least_of,
    load_languages,
    locale_of,
    other_codes,
)
from portal.web.rendering import with_german_marked
from portal.web.sorting import by_name

HEADER = 'msgid ""\nmsgstr ""\n"Content-Type: text/plain; charset=UTF-8\\n"\n"Plural-Forms: {plural}\\n"\n\n'
GERMAN = "nplurals=2; plural=(n != 1);"
ARABIC = (
    "nplurals=6; plural=(n==0 ? 0 : n==1 ? 1 : n==2 ? 2 : n%100>=3 && n%100<=10 ? 3 : n%100>=11 ? 4 : 5);"
)


ARABIC_FORMS = ("zero", "one", "two", "few", "many", "other")


def again(po: Path) -> None:
    """Compile it however fast the test is."""
    po.with_suffix(".mo").unlink(missing_ok=True)
    for other in po.parent.parent.parent.glob("*/LC_MESSAGES/*.mo"):
        other.unlink()
    compile_catalogues(po.parent.parent.parent)


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
        'msgid "Back"\nmsgstr "Zurück"\n\nmsgid "Next"\nmsgstr "Weiter"\n\n'
        'msgid "%(num)s day"\nmsgid_plural "%(num)s days"\nmsgstr[0] "%(num)s Tag"\nmsgstr[1] "%(num)s Tage"\n\n'
        f'{offers}msgstr[0] "ein Angebot"\nmsgstr[1] "%(num)s Angebote"\n',
    )
    po(tmp_path, "en", "questionnaire", 'msgid "Wie alt bist du?"\nmsgstr "How old are you?"\n')
    forms = "".join(f'msgstr[{index}] "form {name}"\n' for index, name in enumerate(ARABIC_FORMS))
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
    assert languages["ar"].messages.gettext("Next") == german("Weiter"), (
        "German, marked, never the English msgid"
    )
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
            ("ar", number, f"form {ARABIC_FORMS[form]}")
            for number, form in [(0, 0), (1, 1), (2, 2), (7, 3), (11, 4), (100, 5), (103, 3)]
        ],
    ],
)
def test_plurals_follow_the_language(languages, language, number, text):
    assert languages[language].messages.ngettext("%(num)s offer", "%(num)s offers", number) == text


def test_a_plural_without_translation_counts_as_in_german(languages):
    arabic = languages["ar"].messages
    assert arabic.ngettext("%(num)s day", "%(num)s days", 1) == german("%(num)s Tag")
    assert arabic.ngettext("%(num)s day", "%(num)s days", 2) == german("%(num)s Tage")
    assert languages["de"].messages.ngettext("%(num)s week", "%(num)s weeks", 1) == "%(num)s week"


def test_how_much_is_lacking_is_known(languages):
    assert [language.messages.gaps for language in languages.values()] == [0, 0, 2]


def test_a_half_translated_plural_is_none(folder):
    """Babel would fill it up with the English msgids."""
    entry = 'msgid "%(num)s day"\nmsgid_plural "%(num)s days"\nmsgstr[0] "يوم"\n' + "".join(
        f'msgstr[{index}] ""\n' for index in range(1, 6)
    )
    again(po(folder, "ar", "messages", entry, ARABIC))
    arabic = load_languages(folder, ("ar",))["ar"].messages
    assert arabic.ngettext("%(num)s day", "%(num)s days", 7) == german("%(num)s Tage")


def test_other_numbers_than_german_are_not_shown(folder):
    again(po(folder, "de", "messages", 'msgid "From 16 on"\nmsgstr "Ab 16"\n'))
    again(po(folder, "ar", "messages", 'msgid "From 16 on"\nmsgstr "من 18 سنة"\n', ARABIC))
    assert load_languages(folder, ("ar",))["ar"].messages.gettext("From 16 on") == german("Ab 16")
    again(po(folder, "ar", "messages", 'msgid "From 16 on"\nmsgstr "من ١٦ سنة"\n', ARABIC))
    assert load_languages(folder, ("ar",))["ar"].messages.gettext("From 16 on") == "من ١٦ سنة"
    again(po(folder, "en", "questionnaire", 'msgid "Bist du 18?"\nmsgstr "Are you 16?"\n'))
    assert "Bist du 18?" not in load_languages(folder, ("en",))["en"].questionnaire.texts


def test_what_people_have_checked_is_known(folder):
    entries = (
        '# checked 2026-11-20\nmsgid "Back"\nmsgstr "رجوع"\n\n# machine\nmsgid "Next"\nmsgstr "التالي"\n\n'
        '# Somebody wondered.\nmsgid "Top"\nmsgstr "أعلى"\n'
    )
    again(po(folder, "ar", "messages", entries, ARABIC))
    arabic = load_languages(folder, ("ar",))["ar"].messages
    assert arabic.reviews["Back"] == Review("checked", date(2026, 11, 20))
    assert arabic.reviews["Next"] == Review("machine")
    assert arabic.reviews.get("Top", UNCHECKED) == UNCHECKED
    assert arabic.least_review == Review("machine")
    assert arabic.texts["Next"] == "التالي"


@pytest.mark.parametrize(
    ("reviews", "least"),
    [
        ([], Review("checked")),
        (
            [Review("checked", date(2026, 5, 1)), Review("checked", date(2026, 4, 1))],
            Review("checked", date(2026, 4, 1)),
        ),
        ([Review("checked", date(2026, 5, 1)), Review("checked")], Review("checked")),
        ([Review("checked"), Review("unchecked")], Review("unchecked")),
        ([Review("machine"), Review("unchecked")], Review("machine")),
    ],
)
def test_many_reviews_are_as_good_as_the_least_of_them(reviews, least):
    assert least_of(reviews) == least


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
    # Every other language is compared with German.
    assert compile_catalogues(folder) == [
        folder / code / "LC_MESSAGES" / "messages.mo" for code in ("ar", "de")
    ]
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


@pytest.mark.parametrize(
    ("header", "code"),
    [
        ("de-simple,de;q=0.8", "de-simple"),
        ("de-DE", "de"),
        ("de-simple;q=0,en", "en"),
        ("prs-AF,prs;q=0.9,en;q=0.5", "fa"),
        ("fa-IR", "fa"),
        ("kmr", "ku"),
        ("ckb", "de"),
        ("uk;q=0", "de"),
    ],
)
def test_leichte_sprache_and_languages_with_several_codes(header, code):
    shipped = load_languages(ROOT / "translations", tuple(available(ROOT / "translations")))
    assert locale.best_language(asking(header), list(shipped), other_codes(shipped.values())) == code


@pytest.mark.parametrize("code", available(ROOT / "translations"))
def test_every_shipped_language_has_a_direction_a_name_and_plurals(code):
    language = load_languages(ROOT / "translations", (code,))[code]
    assert language.dir == ("rtl" if code in ("ar", "fa") else "ltr")
    assert language.autonym and language.autonym != code
    assert language.locale == locale_of(code)
    assert language.greeting or not language.complete


def test_names_are_sorted_by_their_script_not_by_their_code_points():
    for names in (
        ["Ärztehaus", "Beratung", "Öffnung", "Zentrum"],
        ["Англійська", "Іспанська", "Українська", "Японська"],
        ["آلمانی", "پشتو", "ترکی", "چینی", "فارسی", "کردی", "گرجی"],
        ["Lato", "Łódź", "Maj"],
    ):
        assert by_name(reversed(names), str) == names


# German on pages in other languages


@pytest.mark.parametrize(
    ("html", "shown"),
    [
        (f"<p>{german('Weiter')}</p>", '<p><span lang="de" dir="ltr">Weiter</span></p>'),
        (f'<a title="{german("Weiter")}">x</a>', '<a title="Weiter">x</a>'),
        (
            f"<a data-x='{german('a > b')}'>{german('c')}</a>",
            '<a data-x=\'a > b\'><span lang="de" dir="ltr">c</span></a>',
        ),
        (f"<title>{german('Start')} · Anlauf</title>", '<title lang="de" dir="ltr">Start · Anlauf</title>'),
        (f"<p>{german('bei ' + german('Halle'))}</p>", '<p><span lang="de" dir="ltr">bei Halle</span></p>'),
        (f"<p>{german('abgeschnitten')[:-1]}</p>", '<p><span lang="de" dir="ltr">abgeschnitten</span></p>'),
        (f"<textarea>{german('x')}</textarea>1 < 2", "<textarea>x</textarea>1 < 2"),
        (
            f"<p>{german('<b>Halt:</b> dann')} mehr</p>",
            '<p><b><span lang="de" dir="ltr">Halt:</span></b><span lang="de" dir="ltr"> dann</span> mehr</p>',
        ),
        (f"<p>{german('ab')[:-1]}</p><p>own</p>", '<p><span lang="de" dir="ltr">ab</span></p><p>own</p>'),
        ("<p>nichts</p>", "<p>nichts</p>"),
    ],
)
def test_german_texts_say_their_language_wherever_html_lets_them(html, shown):
    assert with_german_marked(html) == shown


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
