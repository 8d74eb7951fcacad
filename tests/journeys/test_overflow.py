"""No text leaves its component at 320 pixels, in any language, and not in one whose words are a third longer."""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from werkzeug.serving import make_server

from portal.config import Settings
from portal.web.application import build
from portal.web.languages import available
from portal.web.serving import prepare
from tests.journeys.conftest import SCREENSHOTS
from tests.web.conftest import NOW, SECRET
from tests.web.pseudo import CODES, add_languages

pytestmark = [pytest.mark.browser, pytest.mark.timeout(900)]

REGION = "musterkreis"
NARROW = {"width": 320, "height": 640}
OVERFLOWING = """() => {
  document.querySelectorAll("details").forEach(d => { d.open = true; });
  const wide = document.documentElement.clientWidth, found = [];
  const name = e => `${e.tagName.toLowerCase()}.${e.className} “${e.textContent.trim().slice(0, 60)}”`;
  if (document.documentElement.scrollWidth > wide) found.push(`the page is ${document.documentElement.scrollWidth} wide`);
  for (const e of document.querySelectorAll("header *, main *, footer *")) {
    if (e.closest("svg, .vh, [hidden]") || !e.getClientRects().length) continue;
    const style = getComputedStyle(e), box = e.getBoundingClientRect();
    const moves = e.closest("table, pre") || e.parentElement.closest(".scroll");
    if (!moves && box.width && (box.right > wide + 1 || box.left < -1)) found.push(`leaves the screen: ${name(e)}`);
    const block = !["inline", "contents"].includes(style.display) && !e.matches("input, select, textarea");
    const own = [...e.childNodes].some(n => n.nodeType === 3 && n.data.trim());
    if (block && own && e.scrollWidth > e.clientWidth + 1 && e.clientWidth) found.push(`is ${e.scrollWidth - e.clientWidth} px too long: ${name(e)}`);
  }
  return found;
}"""


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory, browser: Any) -> Iterator[str]:
    """A portal that speaks every language there is, and two that nobody speaks."""
    folder = tmp_path_factory.mktemp("overflow")
    add_languages(folder / "translations", folder / "content", REGION)
    settings_file = folder / "content/regions" / REGION / "region.yaml"
    region = yaml.safe_load(settings_file.read_text(encoding="utf-8"))
    region["languages"] = list(available(folder / "translations"))
    settings_file.write_text(yaml.safe_dump(region, allow_unicode=True), encoding="utf-8")
    settings = Settings(
        secret_key=SECRET,
        region=REGION,
        data_dir=folder,
        content_dir=folder / "content",
        translations_dir=folder / "translations",
    )
    prepare(settings, lambda line: None)
    server = make_server("127.0.0.1", 0, build(settings, now=lambda: NOW), threaded=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


def walk(page: Any, address: str, language: str) -> Iterator[str]:
    """Opens the main pages one after the other."""
    for path in (
        "",
        "help-now",
        "topics",
        "offers",
        "offers?q=geld",
        "offers/schuldnerberatung",
        "check/print",
    ):
        page.goto(f"{address}/{language}/{path}")
        yield path or "start"
    page.goto(f"{address}/{language}/check")
    page.locator("main form .pick").first.click()
    yield "question"
    page.locator("#question .btn").click()
    page.wait_for_selector(".tiles")
    yield "tiles"
    page.locator(".tile input[value=money]").check(force=True) if page.locator(
        ".tile input[value=money]"
    ).count() else page.locator(".tile").first.click()
    page.locator("#question .btn").click()
    page.wait_for_load_state()
    yield "next"
    page.goto(f"{address}/{language}/result")
    page.wait_for_selector("article.first")
    yield "result"


def test_nothing_overflows_at_320_pixels(address: str, browser: Any, tmp_path: Path) -> None:
    context = browser.new_context(viewport=NARROW, base_url=address)
    found: dict[str, list[str]] = {}
    try:
        page = context.new_page()
        page.set_default_timeout(20_000)
        for language in [*available(Path(__file__).parents[2] / "translations"), *CODES]:
            context.clear_cookies()
            for name in walk(page, address, language):
                faults = page.evaluate(OVERFLOWING)
                for fault in faults:
                    found.setdefault(fault, []).append(f"{language} {name}")
                if SCREENSHOTS and faults:
                    page.screenshot(
                        path=str(Path(SCREENSHOTS) / f"overflow-{language}-{name}.png"), full_page=True
                    )
    finally:
        context.close()
    assert not found, "\n".join(f"{fault}: {', '.join(where[:5])}" for fault, where in found.items())
