"""Whatever length the address has, the answer is a page in the visitor's language, also from the real server."""

from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

from bs4 import BeautifulSoup

from portal.config import Settings
from portal.web.security import MOST_ADDRESS
from tests.web.real_server import ask, served


def test_long_addresses_are_answered_by_the_portal(
    prepared: Callable[[str], Settings], tmp_path: Path
) -> None:
    settings = prepared("musterkreis")
    with served(settings, tmp_path / "log") as port:
        for text in ("schulden " * 1_111, "ü" * 10_000, "🧑‍🚀" * 3_333):
            status, body = ask(port, f"/de/offers?q={quote(text)}")
            assert status == 200
            assert BeautifulSoup(body, "html.parser").select("[data-total]")
        for lang, direction in (("de", "ltr"), ("ar", "rtl")):
            status, body = ask(port, f"/{lang}/offers?q={'a' * MOST_ADDRESS}")
            page = BeautifulSoup(body, "html.parser").html
            assert page is not None
            assert (status, page["lang"], page["dir"]) == (414, lang, direction)
