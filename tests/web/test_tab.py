"""What somebody beside the screen can read off the tab, and what the browser may remember of a form."""

import re
from pathlib import Path

import pytest
from flask import Flask

from portal.web.rendering import ASSETS, TEMPLATES
from tests.web.pages import Page, PageClient, text_of
from tests.web.walking import answer, question_of

WORD = re.compile(r"\w{4,}")


def words(text: str) -> set[str]:
    return {word.lower() for word in WORD.findall(text)}


def title(page: Page) -> str:
    return text_of(page.soup.title)


def assert_neutral(page: Page) -> None:
    known = words(title(page)) & words(page.h1)
    assert not known, f"{page.path}: {title(page)!r} tells of {page.h1!r}"


@pytest.mark.parametrize("lang", ["de", "en", "ar"])
def test_no_title_tells_what_the_page_is_about(harz: PageClient, lang: str) -> None:
    portal = harz.app.extensions["portal"]
    service = portal.catalogue.services()[0]
    for path in (
        "",
        "offers?q=schulden",
        f"offers/{service.slug}",
        f"organizations/{service.organization.slug}",
        "topics/sucht",
        "help-now",
        "your-device",
    ):
        assert_neutral(harz.page(f"/{lang}/{path}"))
    path = f"/{lang}/check/who"
    titles = []
    for given in ("me", "violence", "safe", "dont_know"):
        page = harz.page(path.split("?")[0])
        assert_neutral(page)
        titles.append(title(page))
        path = answer(harz, path, given)
        if question_of(path) == "result":
            break
    page = harz.page(f"/{lang}/result")
    assert_neutral(page)
    titles.append(title(page))
    assert len(set(titles)) == len(titles), "yet the steps can be told apart"


def test_search_engines_get_the_name_and_only_of_public_pages(harz: PageClient) -> None:
    service = harz.app.extensions["portal"].catalogue.services()[0]
    offer = harz.page(f"/de/offers/{service.slug}")
    assert offer.one('meta[property="og:title"]')["content"] == offer.h1
    question = harz.page("/de/check/who")
    assert not question.all('meta[property="og:title"]')


def test_the_icon_of_the_tab_is_not_our_sign(harz: PageClient) -> None:
    page = harz.page("/de/")
    icon = harz.get(str(page.one('link[rel="icon"]')["href"])).get_data(as_text=True)
    theme = harz.app.extensions["portal"].region.theme
    assert theme.action.lower() not in icon.lower()
    brand = (TEMPLATES / "layouts" / "brand.svg").read_text(encoding="utf-8")
    paths = re.findall(r'\bd="([^"]+)"', brand)
    assert paths and not any(path in icon for path in paths)
    assert icon == (Path(ASSETS) / "icon.svg").read_text(encoding="utf-8")


@pytest.mark.parametrize("path", ["", "offers?q=geld", "check/who", "check/topic", "check/age", "report"])
def test_no_field_is_remembered_by_the_browser(musterkreis_app: Flask, path: str) -> None:
    client = PageClient(musterkreis_app)
    if path.startswith("check/"):
        for question, given in (("who", "me"), ("topic", "home"), ("tonight", "yes")):
            if path.endswith(question):
                break
            client.submit(f"/de/check/{question}", {"answer": given})
    if path == "report":
        path = f"offers/{musterkreis_app.extensions['portal'].catalogue.services()[0].slug}/report"
    page = client.page(f"/de/{path}")
    fields = [
        field
        for field in page.all("main input, main textarea, main select")
        if field.get("type") not in ("hidden", "submit")
    ]
    assert fields
    for field in fields:
        owner = page.soup.find(id=field["form"]) if field.get("form") else field.find_parent("form")
        off = field.get("autocomplete") == "off" or (owner and owner.get("autocomplete") == "off")
        assert off, field
        assert field.get("name") not in {"name", "email", "tel", "address", "city", "zip", "postal", "bday"}
