"""A whole installation on PostgreSQL: made, filled and used as a county would."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask

from portal.config import ROOT, Settings
from portal.web.application import build
from portal.web.serving import prepare
from tests.databases import PostgresCluster
from tests.web.conftest import NOW, SECRET
from tests.web.pages import PageClient, text_of
from tests.web.walking import walk

pytestmark = pytest.mark.postgres


@pytest.fixture(scope="module", params=["whoosh", "postgres"])
def engine_of_search(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def said(engine_of_search: str) -> list[str]:
    return []


@pytest.fixture(scope="module")
def on_postgres(
    postgres: PostgresCluster,
    tmp_path_factory: pytest.TempPathFactory,
    said: list[str],
    engine_of_search: str,
) -> Iterator[Flask]:
    with postgres.database() as url:
        # Hosters give the short form, without the driver.
        url = url.replace("postgresql+psycopg://", "postgresql://")
        folder = tmp_path_factory.mktemp("installation")
        settings = Settings(
            secret_key=SECRET,
            region="musterkreis",
            data_dir=folder,
            database_url=url,
            search=engine_of_search,  # type: ignore[arg-type]
        )
        prepare(settings, said.append)
        app = build(settings, now=lambda: NOW)
        yield app
        app.extensions["portal"].store.engine.dispose()


def test_everything_was_prepared_in_the_named_database(on_postgres: Flask, said: list[str]) -> None:
    portal = on_postgres.extensions["portal"]
    assert portal.store.engine.dialect.name == "postgresql"
    assert "database ready" in said
    assert "search index built" in said
    assert not list(Path(portal.settings.data_dir).glob("*.sqlite3"))
    assert portal.search.stats()["engine"] == portal.settings.search
    assert portal.settings.index_dir.exists() is (portal.settings.search == "whoosh")
    assert on_postgres.test_client().get("/readyz").status_code == 200


def test_a_second_start_changes_nothing(on_postgres: Flask) -> None:
    again: list[str] = []
    prepare(on_postgres.extensions["portal"].settings, again.append)
    assert again == []


def test_the_commands_of_the_search(on_postgres: Flask) -> None:
    settings = on_postgres.extensions["portal"].settings

    def portal(*arguments: str) -> str:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("PORTAL_")}
        environ = {
            "PORTAL_SECRET_KEY": SECRET,
            "PORTAL_REGION": settings.region,
            "PORTAL_DATA_DIR": str(settings.data_dir),
            "PORTAL_DATABASE_URL": settings.database_url,
            "PORTAL_SEARCH": settings.search,
        }
        return subprocess.run(
            [sys.executable, "-m", "portal.web.cli", *arguments],
            env=kept | environ,
            cwd=ROOT,
            check=True,
            capture_output=True,
            text=True,
        ).stdout

    stats = json.loads(portal("search", "stats"))
    assert stats["engine"] == settings.search
    assert f"{stats['count']} services indexed" in portal("search", "rebuild")
    assert "fits" in portal("search", "check")
    assert json.loads(portal("search", "stats"))["writes"] == stats["writes"] + 1
    assert json.loads(portal("catalogue", "search", "schulden"))["results"]


@pytest.mark.parametrize("lang", ["de", "en", "ar"])
def test_from_the_start_to_the_result(on_postgres: Flask, lang: str) -> None:
    client = PageClient(on_postgres)
    start = client.page(f"/{lang}/")
    assert start.all(f'main a[href="/{lang}/check"]')
    page = walk(
        client, lang, {"topic": "money", "money_issue": "living", "age": "age_18_20", "place": "Tannwerder"}
    )
    assert text_of(page.one("article.first h2"))
    assert page.all('article.first a[href^="tel:"]')


def test_the_same_result_as_on_sqlite(on_postgres: Flask, musterkreis_app: Flask) -> None:
    shown = []
    for app in (on_postgres, musterkreis_app):
        page = walk(
            PageClient(app), "de", {"topic": "training_place", "age": "age_15_17", "place": "Quellmünde"}
        )
        shown.append(text_of(page.one("main")))
    assert shown[0] == shown[1]


def test_offers_and_help(on_postgres: Flask, musterkreis_app: Flask) -> None:
    pages = [
        "/de/help-now",
        "/de/topics",
        "/de/offers?show=200",
        "/de/offers?q=Schulden&place=Tannwerder&km=40",
    ]
    portal = on_postgres.extensions["portal"]
    pages += [f"/de/offers/{service.slug}" for service in portal.catalogue.services()[::8]]
    pages += [f"/de/organizations/{slug}" for slug in list(portal.catalogue.current.organizations)[::8]]
    one, other = PageClient(on_postgres), PageClient(musterkreis_app)
    for path in pages:
        assert one.page(path).text == other.page(path).text, path
