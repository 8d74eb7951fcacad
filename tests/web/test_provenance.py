"""What a page says about its translations: who has checked them, where the German original is, what is lacking."""

import contextvars
import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from xml.etree import ElementTree

import pytest
from flask import Flask
from sqlalchemy import delete, update
from sqlmodel import Session, col

from portal.catalogue import revision
from portal.catalogue.models import Translation
from portal.config import ROOT, Settings
from portal.web import provenance
from portal.web.application import Portal, build
from portal.web.languages import Review, compile_catalogues, po_path
from portal.web.provenance import Origin, Shown, origin_of
from tests.web.conftest import NOW
from tests.web.pages import Page, PageClient

REGION = "musterkreis"
SLUG = "schuldnerberatung"
NOT_CHECKED = "Not yet checked by a person"
CHECKED = "A person checked this translation"
LACKING = "Some texts on this page exist only in German"
FOOT = "Not all texts on this page have been checked"


# What is noted, and what it comes to


@pytest.fixture
def noted() -> Iterator[None]:
    token = provenance._shown.set([])
    yield
    provenance._shown.reset(token)


def test_nothing_translated_is_nothing_to_say():
    assert origin_of([]) is None


def test_the_least_checked_text_decides_and_the_oldest_day_counts():
    checked = [Shown("Eins", Review("checked", date(2026, 5, day))) for day in (2, 1)]
    assert origin_of(checked) == Origin(True, date(2026, 5, 1), (), False)
    mixed = [*checked, Shown("Zwei", Review("unchecked")), Shown("Zwei", Review("machine"))]
    assert origin_of(mixed) == Origin(False, None, ("Zwei",), False)


def test_labels_have_no_original_beside_sentences_but_count():
    assert origin_of([Shown("Geld", Review("machine"), label=True)]) == Origin(False, None, (), False)


def test_an_article_says_its_own_and_hands_up_only_what_is_lacking(noted):
    with provenance.collected() as inside:
        provenance.note(Shown("Hier.", Review("machine")), Shown("Dort.", None))
    origin = origin_of(inside)
    assert origin == Origin(False, None, ("Hier.",), True)
    assert provenance.noted() == ()
    provenance.hand_up(origin)
    assert [shown.review for shown in provenance.noted()] == [None]
    provenance.hand_up(origin, said=False)
    assert Review("unchecked") in [shown.review for shown in provenance.noted()]


def test_outside_of_a_page_nothing_is_noted():
    def look() -> tuple[Shown, ...]:
        provenance.note(Shown("Hier.", None))
        return provenance.noted()

    # Whatever page a test before this one has shown is not in a new context.
    assert contextvars.Context().run(look) == ()


# On pages


@pytest.fixture
def translations(tmp_path: Path) -> Path:
    """A copy of the catalogues that a test may change."""
    folder = tmp_path / "translations"
    shutil.copytree(ROOT / "translations", folder, ignore=shutil.ignore_patterns("*.mo"))
    return folder


Make = Callable[[], PageClient]


@pytest.fixture
def site(own_settings: Settings, translations: Path) -> Make:
    def make() -> PageClient:
        compile_catalogues(translations)
        settings = own_settings.model_copy(update={"translations_dir": translations})
        return PageClient(build(settings, now=lambda: NOW))

    return make


def change(app: Flask, **values: object) -> None:
    """Set columns of every English translation."""
    portal: Portal = app.extensions["portal"]
    with portal.store.sessions() as session:
        session.execute(update(Translation).where(col(Translation.language) == "en").values(**values))
        seen_by_all(session)


def seen_by_all(session: Session) -> None:
    revision.bump(session, REGION, set(), now=datetime(2026, 11, 20, tzinfo=UTC))
    session.commit()


def fresh(client: PageClient, path: str) -> Page:
    portal: Portal = client.app.extensions["portal"]
    portal.catalogue._checked_at = float("-inf")
    return client.page(path)


def mark_checked(translations: Path, language: str, domain: str, day: str) -> None:
    path = po_path(translations, language, domain)
    head, *entries = path.read_text(encoding="utf-8").split("\n\n")
    path.write_text("\n\n".join([head, *(f"# checked {day}\n{e}" for e in entries)]), encoding="utf-8")


def test_german_pages_say_nothing_about_translations(client: PageClient) -> None:
    for path in ("/de/", f"/de/offers/{SLUG}", "/de/offers", "/de/check/who"):
        text = client.page(path).soup.get_text(" ")
        assert "geprüft" not in text and "Original" not in text, path


def test_an_offer_nobody_checked_shows_its_german_texts_folded(client: PageClient) -> None:
    page = client.page(f"/en/offers/{SLUG}")
    portal: Portal = client.app.extensions["portal"]
    service = portal.catalogue.service(SLUG)
    assert service is not None
    folded = next(found for found in page.all("main details") if NOT_CHECKED in found.summary.get_text())
    original = folded.find(lang="de")
    assert original is not None and original["dir"] == "ltr"
    assert service.description in original.get_text() and service.name in original.get_text()
    assert not folded.has_attr("open")


def test_a_checked_offer_says_when(site: Make, translations: Path) -> None:
    mark_checked(translations, "en", "questionnaire", "2026-10-01")
    client = site()
    change(client.app, status="checked", edited_at=datetime(2026, 11, 3, 12, tzinfo=UTC))
    page = fresh(client, f"/en/offers/{SLUG}")
    assert f"{CHECKED} on November 3, 2026" in page.text
    assert NOT_CHECKED not in page.text and FOOT not in page.one("footer").get_text()
    change(client.app, edited_at=None)
    assert f"{CHECKED}." in fresh(client, f"/en/offers/{SLUG}").text, "nobody wrote down when"


def test_one_text_nobody_checked_is_enough(site: Make) -> None:
    client = site()
    change(client.app, status="checked")
    portal: Portal = client.app.extensions["portal"]
    service = portal.catalogue.service(SLUG)
    assert service is not None
    with portal.store.sessions() as session:
        session.execute(
            update(Translation)
            .where(
                col(Translation.entity_id) == service.id,
                col(Translation.language) == "en",
                col(Translation.field) == "description",
            )
            .values(status="machine")
        )
        seen_by_all(session)
    page = fresh(client, f"/en/offers/{SLUG}")
    folded = next(found for found in page.all("main details") if NOT_CHECKED in found.summary.get_text())
    assert service.description in folded.get_text()
    assert service.name not in folded.get_text(), "what was checked needs no original"


def test_what_is_lacking_is_said_once_at_the_foot(site: Make) -> None:
    client = site()
    assert LACKING not in client.page("/en/offers").one("footer").get_text()
    portal: Portal = client.app.extensions["portal"]
    with portal.store.sessions() as session:
        session.execute(
            delete(Translation).where(
                col(Translation.language) == "en", col(Translation.field) == "description"
            )
        )
        seen_by_all(session)
    page = fresh(client, f"/en/offers/{SLUG}")
    assert page.one("footer").get_text().count(LACKING) == 1


def test_a_question_shows_its_german_words_and_those_of_its_answers(client: PageClient) -> None:
    for _again in range(2):  # The answers come out of the kept parts the second time.
        page = client.page("/en/check/who")
        folded = next(found for found in page.all("footer details") if NOT_CHECKED in found.get_text())
        assert "Für wen fragst du?" in folded.get_text() and "Für mich" in folded.get_text()


def test_a_list_leads_to_the_same_list_in_german(client: PageClient) -> None:
    page = client.page("/en/offers?q=money&topic=geld")
    foot = page.one("footer")
    assert FOOT in foot.get_text()
    link = foot.find("a", hreflang="de")
    assert link is not None and link["href"] == "/de/offers?q=money&topic=geld"


def test_a_checked_interface_says_so(site: Make, translations: Path) -> None:
    mark_checked(translations, "ar", "messages", "2026-10-05")
    language = site().app.extensions["portal"].languages["ar"]
    assert language.messages.least_review == Review("checked", date(2026, 10, 5))


# The way from one language to another


def test_the_language_menu_keeps_page_and_query(client: PageClient) -> None:
    page = client.page("/en/offers?q=m%C3%BCll+%26+co&free=1")
    links = {str(a["hreflang"]): str(a["href"]) for a in page.all("nav.langs a")}
    assert links["ar"] == "/ar/offers?q=m%C3%BCll+%26+co&free=1"
    assert client.page(links["ar"]).one("#q")["value"] == "müll & co"


def test_answers_stay_when_the_language_changes(client: PageClient) -> None:
    client.submit("/en/check/who", {"answer": "me"})
    following = client.get("/ar/check").location
    assert following is not None and following.startswith("/ar/check/") and not following.endswith("/who")


def test_every_page_of_the_sitemap_exists_in_every_language(client: PageClient) -> None:
    portal: Portal = client.app.extensions["portal"]
    index = client.get("/robots.txt").get_data(as_text=True).split("Sitemap: ")[1].strip()
    names = {"s": "http://www.sitemaps.org/schemas/sitemap/0.9", "x": "http://www.w3.org/1999/xhtml"}
    maps = ElementTree.fromstring(client.get(index).data).findall("s:sitemap/s:loc", names)
    assert len(maps) == len(portal.languages)
    pages = ElementTree.fromstring(client.get(str(maps[-1].text)).data).findall("s:url", names)
    assert len(pages) > 100
    for page in pages[::25]:
        alternates = {link.get("hreflang"): str(link.get("href")) for link in page.findall("x:link", names)}
        assert set(alternates) == {*portal.languages, "x-default"}
        for address in alternates.values():
            assert client.get(address).status_code == 200, address
