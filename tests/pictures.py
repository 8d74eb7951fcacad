"""`make screenshots`: the main pages on a phone in every language of a region, one sheet of pictures for each kind of page.

The clock stands still and the answers are always the same, so that two runs differ only where the pages do.
"""

import argparse
import base64
import logging
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from html import escape
from pathlib import Path
from typing import Any

from playwright.sync_api import sync_playwright
from werkzeug.serving import make_server

from portal.config import Settings
from portal.web.application import build
from portal.web.serving import prepare
from tests.journeys.conftest import ARGUMENTS, CHROMIUM, PHONE, Phone, Site
from tests.journeys.states import a_team, press
from tests.journeys.test_journeys import YOUNG, choose, go, place_of
from tests.web.conftest import NOW, SECRET

ROOT = Path(__file__).resolve().parent.parent
MOST_BYTES = 3_000_000
"""Of all sheets together."""
COLUMNS = 6
WIDTH = 240
"""Of one phone on a sheet, in pixels."""


def start(tab: Phone, site: Site, lang: str) -> None:
    tab.page.goto(f"/{lang}/")


def question(tab: Phone, site: Site, lang: str) -> None:
    tab.page.goto(f"/{lang}/check/who")
    choose(tab, "me")


def result(tab: Phone, site: Site, lang: str) -> None:
    tab.page.goto(f"/{lang}/check")
    go(tab, {**YOUNG, "place": place_of(site)})


def search(tab: Phone, site: Site, lang: str) -> None:
    tab.page.goto(f"/{lang}/offers?topic=ausbildungsplatz")


def offer(tab: Phone, site: Site, lang: str) -> None:
    portal = site.app.extensions["portal"]
    tab.page.goto(f"/{lang}/offers/{portal.region.clearing_desk}")


def help_now(tab: Phone, site: Site, lang: str) -> None:
    tab.page.goto(f"/{lang}/help-now")


def card(tab: Phone, site: Site, lang: str) -> None:
    result(tab, site, lang)
    tab.page.goto(f"/{lang}/result/both")


def contact_me(tab: Phone, site: Site, lang: str) -> None:
    with a_team(site, site.app.extensions["portal"].region.clearing_desk) as slug:
        tab.page.goto(f"/{lang}/contact-me?desk={slug}")


def mine(tab: Phone, site: Site, lang: str) -> None:
    with a_team(site, site.app.extensions["portal"].region.clearing_desk) as slug:
        tab.page.goto(f"/{lang}/contact-me?desk={slug}")
        tab.page.check("input[value=older]", force=True)
        tab.page.check("input[value=page]", force=True)
        press(tab, "main form .btn")
        press(tab, "form:has(#own_words) .btn")
        press(tab, "form:has([name=shown]) .btn")
        tab.page.goto(f"/{lang}/mine")


PAGES: dict[str, Callable[[Phone, Site, str], None]] = {
    "start": start,
    "question": question,
    "result": result,
    "card": card,
    "search": search,
    "offer": offer,
    "help-now": help_now,
    "contact-me": contact_me,
    "mine": mine,
}
"""Name of a sheet → how to get to its page."""


@contextmanager
def serving(region: str, content: Path, data: Path) -> Iterator[Site]:
    settings = Settings(secret_key=SECRET, region=region, content_dir=content, data_dir=data)
    prepare(settings, lambda line: None)
    app = build(settings, now=lambda: NOW)
    server = make_server("127.0.0.1", 0, app, threaded=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield Site(f"http://127.0.0.1:{server.server_port}", app)
    finally:
        server.shutdown()


def phones(browser: Any, site: Site, names: list[str]) -> dict[str, list[tuple[str, bytes]]]:
    """Sheet → (name of the language, picture)."""
    found: dict[str, list[tuple[str, bytes]]] = {name: [] for name in names}
    for language in site.app.extensions["portal"].languages.values():
        context = browser.new_context(
            viewport=PHONE, base_url=site.address, reduced_motion="reduce", service_workers="block"
        )
        tab = Phone(context.new_page(), context, [], [])
        for name in names:
            context.clear_cookies()
            PAGES[name](tab, site, language.code)
            tab.page.mouse.move(0, 0)
            found[name].append((language.autonym, tab.page.screenshot(animations="disabled", caret="hide")))
        context.close()
        print(f"  {language.code}", flush=True)
    return found


def sheet(browser: Any, pictures: list[tuple[str, bytes]]) -> bytes:
    """All phones of one kind of page side by side, as WebP."""
    figures = "".join(
        f'<figure><img src="data:image/png;base64,{base64.b64encode(png).decode()}">'
        f"<figcaption dir=auto>{escape(name)}</figcaption></figure>"
        for name, png in pictures
    )
    columns = min(COLUMNS, len(pictures))
    page = browser.new_page(viewport={"width": columns * (WIDTH + 16) + 16, "height": 100})
    page.set_content(
        "<!doctype html><style>body{margin:0;padding:8px;background:#d9d6cf;font:14px system-ui,sans-serif;"
        f"display:grid;grid-template-columns:repeat({columns},{WIDTH}px);gap:16px;padding:16px}}"
        "figure{margin:0}img{width:100%;display:block;border-radius:10px}"
        f"figcaption{{text-align:center;padding-top:6px}}</style>{figures}"
    )
    page.wait_for_function("[...document.images].every(image => image.complete)")
    height = page.evaluate("document.documentElement.scrollHeight")
    page.set_viewport_size({"width": page.viewport_size["width"], "height": height})
    taken = page.context.new_cdp_session(page).send(
        "Page.captureScreenshot", {"format": "webp", "quality": 72}
    )
    page.close()
    return base64.b64decode(taken["data"])


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--region", default="harz")
    parser.add_argument("--content", type=Path, default=ROOT / "content")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "images" / "languages")
    parser.add_argument("--only", nargs="*", choices=list(PAGES), default=list(PAGES))
    given = parser.parse_args(arguments)
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    with (
        tempfile.TemporaryDirectory(prefix="anlauf-pictures-") as data,
        serving(given.region, given.content, Path(data)) as site,
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        found = phones(browser, site, given.only)
        sheets = {name: sheet(browser, pictures) for name, pictures in found.items()}
        browser.close()
    weight = sum(len(data) for data in sheets.values())
    for name, picture in sheets.items():
        print(f"  {name}.webp {len(picture) / 1000:.0f} kB")
    if weight > MOST_BYTES:
        print(f"{weight / 1e6:.1f} MB are more than {MOST_BYTES / 1e6:.0f} MB; nothing was written.")
        return 1
    given.out.mkdir(parents=True, exist_ok=True)
    for name, picture in sheets.items():
        (given.out / f"{name}.webp").write_bytes(picture)
    return 0


if __name__ == "__main__":
    sys.exit(main())
