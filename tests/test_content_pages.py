"""The editorial pages that ship with the software: complete, honest and readable with an operator's data missing."""

import re
from pathlib import Path

import pytest

from portal.content import PageError, Pages

FOLDER = Path(__file__).resolve().parent.parent / "content"
FILES = sorted((FOLDER / "pages").glob("*/*.md"))
SLUGS = {
    "about",
    "explained",
    "sign-language",
    "privacy",
    "your-device",
    "imprint",
    "accessibility",
    "sources",
}
ROUTES = SLUGS | {"offers", "help-now", "topics", "check"}
VALUES = {
    "session_minutes": "30",
    "audit_days": "730",
    "retention_days": "90",
    "region": "Musterkreis",
    "portal": "Anlauf",
    "controller": "Kreis Muster",
    "controller_address": "Am Markt 1, 00101 Musterstadt",
    "controller_email": "portal@example.org",
    "controller_phone": "030 23125 000",
    "imprint_open": "",
}
MAY_BE_EMPTY = {"controller_address", "controller_email", "controller_phone", "imprint_open"}


def each_file(function):
    return pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.stem}")(
        function
    )


def outline(path: Path) -> list[str]:
    return re.findall(r"^(#+) ", path.read_text(encoding="utf-8"), re.M)


def made(path: Path, values: dict[str, str] = VALUES):
    return Pages(FOLDER, "no-such-region", values).page(path.parent.name, path.stem)


def test_every_page_the_footer_links_to_is_there_in_german_and_english():
    present = {(path.parent.name, path.stem) for path in FILES}
    assert {(slug, lang) for slug in SLUGS for lang in ("de", "en")} <= present


@each_file
def test_a_translation_has_the_same_parts_and_placeholders_as_the_german_page(path):
    german = path.with_stem("de")
    assert outline(path) == outline(german)

    def placeholders(file: Path) -> list[str]:
        return sorted(re.findall(r"\{\w+\}", file.read_text(encoding="utf-8")))

    assert set(placeholders(path)) == set(placeholders(german))
    assert {name.strip("{}") for name in placeholders(path)} <= VALUES.keys()


@each_file
def test_a_page_becomes_whole_html_with_one_title(path):
    page = made(path)
    assert page.language == path.stem
    assert page.title
    assert "{" not in page.title + page.html
    assert "<h1" not in page.html
    # What the sanitizer would throw away must not be written in the first place.
    assert re.findall(r"^#+ ", path.read_text(encoding="utf-8"), re.M).count("## ") == page.html.count("<h2>")


@each_file
def test_links_lead_to_pages_that_exist_or_to_the_outside_over_https(path):
    for target in re.findall(r"\]\(([^)]*)\)", path.read_text(encoding="utf-8")):
        assert target in ROUTES or target.startswith("https://"), target


@each_file
def test_a_page_reads_well_while_the_operator_has_not_given_everything(path):
    html = made(path, {**VALUES, **dict.fromkeys(MAY_BE_EMPTY, "")}).html
    text = re.sub(r"</?(p|li|h\d|br|ul|ol)\b[^>]*>", "\n", html)
    text = re.sub(r"<[^>]+>", "", text)
    assert not re.search(r"[:,] *\n\s*[.,]|\(\)| ,| \.|\n,", text), "punctuation around something empty"
    assert not re.search(r"<(p|li|td)>\s*</\1>", html)


@each_file
def test_addresses_are_the_operators_and_never_invented(path):
    text = path.read_text(encoding="utf-8")
    assert not re.search(r"\b0\d{2,5}[ /-]?\d{3,}", text), "a phone number"
    assert not re.search(r"[\w.]+@[\w.]+", text), "a mail address"
    assert not re.search(r"\b\d{5} [A-ZÄÖÜ]", text), "a postal address"


@pytest.mark.parametrize(
    "path", [path for path in FILES if path.stem == "de"], ids=lambda path: path.parent.name
)
def test_german_pages_say_du_and_need_no_special_signs(path):
    text = path.read_text(encoding="utf-8")
    assert not re.search(r"\w[*:_]in(nen)?\b", text)
    assert not re.search(r"\b(Ihr|Ihre[rnms]?|Ihnen)\b", text)
    assert not re.search(r"\b(zuständig|berechtigt|Maßnahme|Klient)", text, re.I)
    sentences = [sentence for line in text.splitlines() for sentence in re.split(r"(?<=[.!?:])\s", line)]
    long = [sentence for sentence in sentences if len(sentence.split()) > 22]
    assert not long


def test_sources_give_the_attribution_the_licences_ask_for():
    for lang in ("de", "en"):
        html = made(FOLDER / "pages" / "sources" / f"{lang}.md").html
        for wanted in (
            "geonames.org",
            "creativecommons.org/licenses/by/4.0",
            "govdata.de/dl-de/by-2-0",
            "lucide",
        ):
            assert wanted in html


def test_a_missing_language_falls_back_to_german_and_says_so():
    page = Pages(FOLDER, "no-such-region", VALUES).page("imprint", "xx")
    assert page is not None
    assert page.language == "de"


def test_a_region_can_put_its_own_page_in_front(tmp_path):
    for folder, text in (("pages", "general"), ("regions/here/pages", "of {region}")):
        (tmp_path / folder / "about").mkdir(parents=True)
        (tmp_path / folder / "about" / "de.md").write_text(f"# About\n\n{text}\n", encoding="utf-8")
    assert "of Here" in Pages(tmp_path, "here", {"region": "Here"}).page("about", "de").html
    assert "general" in Pages(tmp_path, "elsewhere", {}).page("about", "de").html
    assert Pages(tmp_path, "here", {}).page("nothing", "de") is None


def test_scripts_and_foreign_addresses_do_not_survive(tmp_path):
    (tmp_path / "pages" / "about").mkdir(parents=True)
    (tmp_path / "pages" / "about" / "de.md").write_text(
        "# T\n\n<script>alert(1)</script> <a href='javascript:x'>x</a> <b onclick=x>bold</b>\n\n[y](https://example.org)\n",
        encoding="utf-8",
    )
    html = Pages(tmp_path, "here", {}).page("about", "de").html
    assert "script" not in html
    assert "onclick" not in html
    assert 'href="https://example.org"' in html


def test_a_page_without_a_title_is_refused_by_name(tmp_path):
    (tmp_path / "pages" / "about").mkdir(parents=True)
    (tmp_path / "pages" / "about" / "de.md").write_text("No title\n", encoding="utf-8")
    with pytest.raises(PageError, match=r"de\.md"):
        Pages(tmp_path, "here", {}).page("about", "de")


def test_the_privacy_page_names_the_periods_that_the_software_keeps():
    from portal.accounts import forms, users
    from portal.catalogue import reports
    from portal.referral import actions, slips

    for path in FILES:
        if path.parent.name == "privacy":
            text = path.read_text(encoding="utf-8")
            assert str(reports.ERASED_AFTER.days) in text
            assert str(users.KEPT_AFTER_END.days) in text
            assert "{audit_days}" in text
            assert "{retention_days}" in text
            assert str(slips.HOLDS.days) in text
    assert forms.KEPT_FOR.days == 7, "the page says a week"
    assert actions.CONSENT_HOLDS.days == 182, "the page says six months"
    assert actions.DRAFT_HOLDS.total_seconds() == 3600, "the page says an hour"
