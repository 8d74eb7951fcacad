"""The whole way, from the start page to the card for the counter and to the saved one, in languages the portal is for.

Found by ids and addresses, never by words, so that it does not matter how far a translation has come.
"""

import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from werkzeug.serving import make_server

from portal.config import Settings
from portal.web.application import build
from portal.web.serving import prepare
from tests.journeys.conftest import Phone, Site
from tests.journeys.lines import Line
from tests.journeys.test_journeys import YOUNG, clean, go, place_of
from tests.journeys.test_offline import keeps_everything, until
from tests.web.conftest import NOW, SECRET

pytestmark = pytest.mark.browser
LANGUAGES = ("ar", "uk", "de-simple")


@pytest.fixture(scope="module")
def speaking(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The fictional region with these languages switched on, whatever it offers by itself."""
    folder = tmp_path_factory.mktemp("speaking")
    content = folder / "content"
    shutil.copytree(Settings(secret_key=SECRET).content_dir, content)
    path = content / "regions" / "musterkreis" / "region.yaml"
    region = yaml.safe_load(path.read_text(encoding="utf-8"))
    region["languages"] = list(dict.fromkeys(["de", *region["languages"], *LANGUAGES]))
    path.write_text(yaml.safe_dump(region, allow_unicode=True), encoding="utf-8")
    settings = Settings(
        secret_key=SECRET, region="musterkreis", content_dir=content, data_dir=Path(folder) / "data"
    )
    prepare(settings, lambda line: None)
    app = build(settings, now=lambda: NOW)
    server = make_server("127.0.0.1", 0, app, threaded=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield Site(f"http://127.0.0.1:{server.server_port}", app)
    server.shutdown()


def marked(tab: Phone, lang: str) -> None:
    right_to_left = speaking_right_to_left(lang)
    assert tab.page.get_attribute("html", "lang") == lang
    assert tab.page.get_attribute("html", "dir") == ("rtl" if right_to_left else "ltr")
    assert tab.page.evaluate("document.documentElement.scrollWidth") <= 360, tab.page.url


def german_texts(site: Site, slug: str) -> dict[str, str]:
    """What somebody at the counter wants to read on the card of an offer."""
    service = site.app.extensions["portal"].catalogue.service(slug)
    found = {
        "name": service.name,
        "office": service.organization.name,
        "how to start": service.application_process,
        "hours": "Am Telefon",
        "bring": service.required_documents[0],
    }
    for index, house in enumerate(service.locations):
        found[f"way {index}"] = house.transportation
        for phone in house.phones:
            found[f"phone {phone.number}"] = phone.description
    return {field: " ".join(text.split()) for field, text in found.items() if text}


def speaking_right_to_left(lang: str) -> bool:
    return lang in ("ar", "fa")


@pytest.mark.parametrize("lang", LANGUAGES)
def test_from_the_start_page_to_the_card_for_the_counter(speaking: Site, phone: Any, lang: str) -> None:
    tab = phone(speaking)
    tab.page.goto("/de/")
    tab.page.click(f'#languages a[lang="{lang}"]')
    tab.page.wait_for_url(f"**/{lang}/")
    marked(tab, lang)
    tab.picture(f"start-{lang}")
    tab.page.click(f'main a.btn[href="/{lang}/check"]')
    tab.page.wait_for_url(f"**/{lang}/check/who")
    tab.picture(f"who-{lang}")
    go(tab, {**YOUNG, "place": place_of(speaking)})
    assert tab.page.url.endswith(f"/{lang}/result")
    marked(tab, lang)
    tab.picture(f"result-{lang}", full=True)
    first = tab.page.locator("article.first")
    name = first.locator("h2").inner_text()
    first.locator(f'a[href^="/{lang}/result/both/"]').click()
    tab.page.wait_for_url(f"**/{lang}/result/both/*")
    marked(tab, lang)
    tab.picture(f"card-{lang}", full=True)
    assert name in tab.page.inner_text("main")
    german = " ".join(tab.page.locator('main [lang="de"]').all_text_contents())
    assert "Berufsberatung" in german
    assert "Ich hätte gern einen Termin." in german
    tab.page.click('main > .back a[href$="/result"]')
    tab.page.wait_for_url(f"**/{lang}/result")
    tab.page.click(f'main a[href="/{lang}/result/both"]')
    tab.page.wait_for_url(f"**/{lang}/result/both")
    assert tab.page.locator("main article").count() > 3
    clean(tab)


@pytest.mark.parametrize("lang", LANGUAGES)
def test_from_the_result_to_a_saved_card_without_network(speaking: Site, phone: Any, lang: str) -> None:
    line = Line(speaking)
    tab = phone(line.site)
    tab.page.goto(f"/{lang}/check")
    go(tab, {**YOUNG, "place": place_of(speaking)})
    keeps_everything(tab, lang)
    tab.page.locator("[data-keep]").first.click()
    until(tab.page, "!!localStorage.saved")
    line.cut()
    tab.page.goto(f"/{lang}/saved")
    marked(tab, lang)
    card = tab.page.locator("#saved > li")
    assert card.count() == 1
    assert card.locator("a[href^='tel:']").first.is_visible()
    if lang != "de-simple":
        texts = german_texts(speaking, "berufsberatung")
        german = " ".join(" ".join(card.locator("[lang=de]").all_text_contents()).split())
        office = texts.pop("office")
        assert office in card.text_content(), "in brackets behind it stands what it is"
        for field, text in texts.items():
            assert text in german, field
    tab.picture(f"saved-offline-{lang}", full=True)


def test_changing_the_language_in_the_middle_keeps_the_answers(speaking: Site, phone: Any) -> None:
    tab = phone(speaking)
    tab.page.goto("/de/check")
    go(tab, {**YOUNG, "place": place_of(speaking)})
    tab.page.goto("/de/result/both")
    for lang in LANGUAGES:
        tab.page.click("header details.menu > summary")
        tab.page.click(f'header .langs a[lang="{lang}"]')
        tab.page.wait_for_url(f"**/{lang}/result/both")
        marked(tab, lang)
