"""The public quality page."""

import gzip
import re

import pytest
from flask import Flask

from tests.web.pages import PageClient


@pytest.mark.parametrize("language", ["de", "en", "ar"])
def test_it_stands_in_every_language(client: PageClient, language: str) -> None:
    page = client.page(f"/{language}/quality")
    assert page.all("main h2")
    assert re.search(r"\d", page.text)


def test_it_is_linked_from_the_sources_and_not_from_every_page(client: PageClient) -> None:
    assert client.page("/de/sources").all('main a[href="/de/quality"]')
    assert not client.page("/de/about").all('a[href="/de/quality"]')


def test_the_numbers_are_those_of_the_catalogue(musterkreis_app: Flask, client: PageClient) -> None:
    portal = musterkreis_app.extensions["portal"]
    text = client.page("/en/quality").text
    assert f"of {portal.catalogue.service_count} offers" in text
    kinds, places = len(portal.catalogue.terms("contact_kinds")), len(portal.catalogue.places.all())
    assert f"{kinds * places} ways" in text


def test_the_weight_is_the_one_of_the_start_page(client: PageClient) -> None:
    sent = gzip.compress(client.client.get("/en/").get_data(), 9)
    found = re.search(r"weighs ([\d.]+) kB", client.page("/en/quality").text)
    assert found is not None
    assert abs(float(found.group(1)) - len(sent) / 1000) < 0.5
