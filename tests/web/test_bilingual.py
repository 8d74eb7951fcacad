"""Cards in two languages: nothing missing on either side, nothing said that was not asked for."""

import pytest
from flask import Flask

from portal.web.languages import german
from portal.web.public.bilingual import AT_THE_COUNTER, both, pairs
from tests.web.pages import Page, PageClient, text_of
from tests.web.walking import walk

ANSWERS = {
    "topic": ("training_place", "money"),
    "age": "age_15_17",
    "activity": "school",
    "benefits": "family",
    "place": "Wernigerode",
}


def german_side(page: Page) -> str:
    return " ".join(text_of(tag) for tag in page.all('main [lang="de"]'))


def own_side(page: Page) -> str:
    return " ".join(text_of(tag) for tag in page.all("main .two > :first-child") if tag.get("lang") != "de")


@pytest.mark.parametrize("lang", ["en", "ar"])
def test_the_whole_result_has_every_contact_in_both_languages(harz: PageClient, lang: str) -> None:
    own = walk(harz, lang, ANSWERS)
    in_german = harz.page("/de/result")
    page = harz.page(f"/{lang}/result/both")
    assert own.all(f'main a[href="/{lang}/result/both"]')
    for result, side in ((own, own_side(page)), (in_german, german_side(page))):
        names = [text_of(result.one("article.first h2"))]
        names += [text_of(heading) for heading in result.all("#others li.card h3")]
        reasons = [text_of(result.one("article.first .why"))]
        assert len(names) >= 2
        for text in (*names, *reasons):
            assert text in side, f"{lang}: {text!r} is missing"
    assert page.response.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("lang", ["en", "ar"])
def test_every_contact_has_a_page_of_its_own(harz: PageClient, lang: str) -> None:
    result = walk(harz, lang, ANSWERS)
    links = [str(a["href"]) for a in result.all('main a[href*="/result/both/"]')]
    assert len(links) == 1 + len(result.all("#others li.card"))
    names = {text_of(result.one("article.first h2"))} | {text_of(h) for h in result.all("#others h3")}
    shown = set()
    for link in links:
        page = harz.page(link)
        shown.add(text_of(page.all("main article h2 , main article .two h2")[0]))
        assert "Ich hätte gern einen Termin." in german_side(page)
        assert "?" not in link
    assert shown == names


def test_what_was_answered_is_not_handed_over(harz: PageClient) -> None:
    """The reason of a contact is; the list of answers stays on the result page."""
    result = walk(harz, "en", ANSWERS)
    said = text_of(result.one("details.said summary"))
    assert "15 to 17" in said
    page = harz.page("/en/result/both")
    assert "15 to 17" not in page.text
    assert "15 bis 17" not in page.text
    assert "noprint" in result.one("details.said")["class"], "nor does it go on paper"


def test_without_answers_there_is_nothing_to_show(client: PageClient) -> None:
    for path in ("/en/result/both", "/en/result/both/jobcenter"):
        response = client.get(path)
        assert (response.status_code, response.location) == (303, "/en/check/who")


@pytest.mark.parametrize("lang", ["de", "en", "ar"])
def test_offers_and_organizations_too(app: Flask, lang: str) -> None:
    portal = app.extensions["portal"]
    client = PageClient(app)
    for service in portal.catalogue.services()[::17]:
        offer = client.page(f"/{lang}/offers/{service.slug}")
        address = f"/{lang}/offers/{service.slug}/both"
        assert offer.all(f'main a[href="{address}"]')
        page = client.page(address)
        assert service.name in german_side(page)
        assert page.response.headers["Cache-Control"].startswith("public")
        for phone in offer.all('main > .stack a.btn[href^="tel:"]'):
            assert page.all(f'main a[href="{phone["href"]}"] bdi[dir="ltr"]'), service.slug
    slug = portal.catalogue.services()[0].organization.slug
    assert client.page(f"/{lang}/organizations/{slug}").all(
        f'main a[href="/{lang}/organizations/{slug}/both"]'
    )
    page = client.page(f"/{lang}/organizations/{slug}/both")
    assert portal.catalogue.organization(slug)[0].name in german_side(page)
    assert client.get(f"/{lang}/offers/nonsense/both").status_code == 404
    assert client.get(f"/{lang}/organizations/nonsense/both").status_code == 404


def test_whoever_reads_german_chooses_the_other_language_there(client: PageClient) -> None:
    slug = client.app.extensions["portal"].catalogue.services()[0].slug
    page = client.page(f"/de/offers/{slug}/both")
    links = {str(a["lang"]): str(a["href"]) for a in page.all("main .langs a")}
    assert set(links) == set(client.app.extensions["portal"].languages) - {"de"}
    assert links["en"] == f"/en/offers/{slug}/both"
    assert not page.all("main .two > :nth-child(2)"), "German stands there once"


def test_the_sentences_for_the_counter_are_translated_in_every_complete_language(harz_app: Flask) -> None:
    for language in harz_app.extensions["portal"].languages.values():
        if language.complete and language.code != "en":
            for sentence in AT_THE_COUNTER:
                assert language.messages.gettext(sentence) != sentence, (language.code, sentence)


def test_a_text_without_translation_stands_there_once() -> None:
    assert both("Termin", "Termin").own is None
    assert both(german("Termin"), "Termin").own is None
    split = both("Berufs·beratung", "Berufsberatung")
    assert (split.own, split.german) == (None, "Berufs·beratung")
    assert both("appointment", german("Termin")).german == "Termin"
    whole = pairs(("one", "two", "three"), ("eins", "zwei"))
    assert [(p.own, p.german) for p in whole] == [("one; two; three", "eins; zwei")]
