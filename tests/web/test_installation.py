"""A whole installation on PostgreSQL: made, filled and used as a county would."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask

from portal.config import Settings
from portal.web.application import build
from portal.web.serving import prepare
from tests.databases import PostgresCluster
from tests.web.conftest import NOW, SECRET
from tests.web.pages import PageClient, text_of
from tests.web.walking import walk

pytestmark = pytest.mark.postgres


@pytest.fixture(scope="module")
def said() -> list[str]:
    return []


@pytest.fixture(scope="module")
def on_postgres(
    postgres: PostgresCluster, tmp_path_factory: pytest.TempPathFactory, said: list[str]
) -> Iterator[Flask]:
    with postgres.database() as url:
        # Hosters give the short form, without the driver.
        url = url.replace("postgresql+psycopg://", "postgresql://")
        folder = tmp_path_factory.mktemp("installation")
        settings = Settings(secret_key=SECRET, region="musterkreis", data_dir=folder, database_url=url)
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
    assert on_postgres.test_client().get("/readyz").status_code == 200


def test_a_second_start_changes_nothing(on_postgres: Flask) -> None:
    again: list[str] = []
    prepare(on_postgres.extensions["portal"].settings, again.append)
    assert again == []


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
