"""Suggestions while typing: what the words mean, places, topics, offers, organizations."""

from html import unescape
from typing import Any
from urllib.parse import quote

import pytest
from bs4 import BeautifulSoup
from flask import Flask

from tests.web.pages import PageClient, text_of
from tests.web.test_offers import offers, shown


def suggested(client: PageClient, typed: str, lang: str = "de", where: str = "offers") -> list[Any]:
    body = client.get(f"/{lang}/suggest/{where}?q={quote(typed)}", headers={"HX-Request": "true"})
    return list(BeautifulSoup(body.get_data(as_text=True), "html.parser").select("li[role=option]"))


def labels(client: PageClient, typed: str, lang: str = "de") -> list[str]:
    return [text_of(option) for option in suggested(client, typed, lang)]


@pytest.mark.parametrize(
    ("typed", "wanted"),
    [
        ("hartz", "Geld zum Leben und Hilfe bei Arbeit (Jobcenter) Wer hilft"),
        ("jopcen", "Geld zum Leben und Hilfe bei Arbeit (Jobcenter) Wer hilft"),
        ("keine wohnung", "Kein Bett oder Wohnung in Gefahr (Hilfe bei Wohnungsverlust) Wer hilft"),
        ("schuld", "Schulden Thema"),
        ("suchtber", "Suchtberatung Wernigerode Angebot"),
        ("diakonie", "(Diakonie) Stelle"),
        ("werni", "nahe Wernigerode Ort"),
        ("388", "nahe Halberstadt Ort"),
        ("strobeck", "nahe Ströbeck (Halberstadt) Ort"),
    ],
)
def test_there_is_something_of_everything(harz: PageClient, typed: str, wanted: str) -> None:
    found = labels(harz, typed)
    assert any(label.endswith(wanted) for label in found), found
    assert len(found) <= 9


def test_they_are_in_the_language_of_the_page_and_german_is_marked(harz: PageClient) -> None:
    found = suggested(harz, "هارتس فير", "ar")
    assert "مال للمعيشة" in text_of(found[0])
    option = next(o for o in suggested(harz, "suchtberatung wern", "ar") if o.get("data-place"))
    assert "قرب" in text_of(option)
    german = [o.bdi for o in suggested(harz, "Frauenzentrum", "ar")]
    assert german
    assert all(bdi.get("dir") == "ltr" for bdi in german if bdi.get("lang") == "de")


@pytest.mark.parametrize(
    ("typed", "value", "place"),
    [
        ("werni", "", "Wernigerode"),
        ("suchtberatung werni", "suchtberatung", "Wernigerode"),
        ("suchtberatung in Wernigerode", "suchtberatung", "Wernigerode"),
        ("hilfe bad sud", "hilfe", "Bad Suderode (Quedlinburg)"),
    ],
)
def test_a_place_leads_to_a_search_near_it(harz: PageClient, typed: str, value: str, place: str) -> None:
    """What the script does with a place: the other words stay in the field, the place goes into its own."""
    option = next(o for o in suggested(harz, typed) if o.get("data-place"))
    assert (option["data-value"], option["data-place"]) == (value, place)
    page = offers(harz, q=option["data-value"], place=option["data-place"])
    assert page.all('input[name="km"]'), "the place is known"
    assert shown(page)


@pytest.mark.parametrize("typed", ["hartz", "keine wohnung", "schuld", "suchtber", "bafö", "schwanger"])
def test_what_is_picked_is_found(harz: PageClient, typed: str) -> None:
    for option in suggested(harz, typed):
        page = offers(harz, q=option["data-value"])
        assert shown(page), option["data-value"]
        assert not page.all("[data-missed]")


@pytest.mark.parametrize(
    "typed", ["", " ", "x", "qqq", "schul", "\0schul", "<b>", "%", "in", "ot", "*", '"', "1", "'or 1=1"]
)
def test_their_number_comes_with_them_and_none_is_promised_in_vain(app: Flask, typed: str) -> None:
    client = PageClient(app)
    body = client.get("/de/suggest/offers", query_string={"q": typed})
    assert body.status_code == 200
    soup = BeautifulSoup(body.get_data(as_text=True), "html.parser")
    (number,) = soup.select("li[hidden]")
    options = soup.select("li[role=option]")
    assert unescape(text_of(number)).split()[0] == str(len(options))
    for option in options:
        assert option["data-value"] or option["data-place"]
        assert text_of(option.bdi)


def test_a_beginning_of_a_word_names_no_place_by_typo(harz: PageClient) -> None:
    for typed in ("sucht", "geld", "ausbildung", "hilfe"):
        assert not [o for o in suggested(harz, typed) if o.get("data-place")], typed
