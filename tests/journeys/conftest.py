"""Whole stories in a real browser at 360×740, with a server of their own."""

import os
import shutil
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from werkzeug.serving import make_server

from portal.config import Settings
from portal.web.application import build
from portal.web.serving import prepare
from tests.web.conftest import NOW, SECRET

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or "/usr/bin/chromium"
PHONE = {"width": 360, "height": 740}
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
]
SCREENSHOTS = os.environ.get("SCREENSHOTS")
"""A folder; when set, journeys leave pictures there."""


_seen: dict[str, str] = {}


def browser_version() -> str:
    """Of the browser that the tests of this run have started."""
    return _seen["version"]


@dataclass
class Site:
    """A running portal whose clock can be set."""

    address: str
    app: Flask
    now: datetime = NOW


@pytest.fixture(scope="session")
def site_of(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Site]]:
    sites: dict[str, Site] = {}
    servers: list[Any] = []

    def make(region: str) -> Site:
        if region not in sites:
            settings = Settings(
                secret_key=SECRET, region=region, data_dir=tmp_path_factory.mktemp(f"site-{region}")
            )
            prepare(settings, lambda line: None)
            site = Site("", Flask(__name__))
            site.app = build(settings, now=lambda: site.now)
            server = make_server("127.0.0.1", 0, site.app, threaded=True)
            threading.Thread(target=server.serve_forever, daemon=True).start()
            servers.append(server)
            site.address = f"http://127.0.0.1:{server.server_port}"
            sites[region] = site
        sites[region].now = NOW
        return sites[region]

    yield make
    for server in servers:
        server.shutdown()


@pytest.fixture
def site(site_of: Callable[[str], Site]) -> Site:
    return site_of("musterkreis")


@pytest.fixture
def harz_site(site_of: Callable[[str], Site]) -> Site:
    return site_of("harz")


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    if not Path(CHROMIUM).exists():
        pytest.skip("Chromium is not installed (Debian package: chromium)")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        _seen["version"] = browser.version
        yield browser
        browser.close()


@dataclass
class Phone:
    """A browser tab on a phone that fails the test when a request leaves the portal."""

    page: Any
    context: Any
    foreign: list[str]
    errors: list[str]

    def picture(self, name: str, *, full: bool = False) -> None:
        if SCREENSHOTS:
            self.page.screenshot(path=str(Path(SCREENSHOTS) / f"{name}.png"), full_page=full)


@pytest.fixture
def phone(browser: Any) -> Iterator[Callable[..., Phone]]:
    """`phone(site, locale="de-DE", scripts=True)` opens a tab; at the end nothing may have left the origin."""
    opened: list[Phone] = []

    def make(site: Site, *, locale: str = "de-DE", scripts: bool = True, **options: Any) -> Phone:
        context = browser.new_context(
            viewport=PHONE, locale=locale, java_script_enabled=scripts, base_url=site.address, **options
        )
        foreign: list[str] = []
        errors: list[str] = []

        def guard(route: Any) -> None:
            url = route.request.url
            if url.startswith((site.address, "data:", "blob:")):
                route.continue_()
            else:
                foreign.append(url)
                route.abort()

        context.route("**/*", guard)
        page = context.new_page()
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
        page.set_default_timeout(8000)
        made = Phone(page, context, foreign, errors)
        opened.append(made)
        return made

    yield make
    for made in opened:
        made.context.close()


def utc(year: int, month: int, day: int, hour: int, minute: int = 0) -> datetime:
    return datetime(year, month, day, hour, minute, tzinfo=UTC)
