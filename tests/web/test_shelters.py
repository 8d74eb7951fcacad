"""The address of a shelter appears in no output whatsoever, even when it got into the tables."""

import shutil
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote
from uuid import UUID, uuid4

import pytest
from click.testing import CliRunner
from flask import Flask
from sqlalchemy import select, text
from sqlmodel import Session

from portal.catalogue import models
from portal.catalogue.revision import bump
from portal.config import Settings
from portal.db import make_engine, session_factory
from portal.web.application import build
from portal.web.cli import main
from portal.web.serving import prepare
from tests.web.conftest import NOW
from tests.web.pages import PageClient, text_of
from tests.web.walking import walk

MARKS = (
    "Verratgasse",
    "Plauderhof",
    "Geheimstadt",
    "99987",
    "51.98765",
    "12.34567",
    "Bus Plaudertasche",
    "Neben dem Verrat",
)
"""Street, addressee, town, code, coordinates, way and surroundings of the planted address."""
SHELTER = "frauenhaus"
LANGUAGES = ("de", "en", "ar")


def plant(session: Session, location_id: UUID) -> None:
    """What a careless import or a hand in the database could do."""
    session.add(
        models.Address(
            id=uuid4(),
            location_id=location_id,
            attention="Plauderhof",
            address_1="Verratgasse 7",
            postal_code="99987",
            city="Geheimstadt",
            state_province="Musterland",
        )
    )
    session.add(
        models.Accessibility(id=uuid4(), location_id=location_id, description="Neben dem Verrat", position=9)
    )


@pytest.fixture(scope="module", params=["of the house", "of the organization"])
def planted(
    request: pytest.FixtureRequest,
    prepared: Callable[[str], Settings],
    tmp_path_factory: pytest.TempPathFactory,
) -> Settings:
    """Musterkreis with an address at the shelter; in one case only the organization is marked confidential."""
    source = prepared("musterkreis")
    folder = tmp_path_factory.mktemp("planted") / "data"
    shutil.copytree(source.data_dir, folder)
    own_settings = source.model_copy(update={"data_dir": folder})
    engine = make_engine(own_settings.database)
    with session_factory(engine)() as session:
        service = session.execute(select(models.Service).where(models.Service.slug == SHELTER)).scalar_one()
        location = session.execute(
            select(models.Location).where(models.Location.slug == "frauenhaus-musterkreis")
        ).scalar_one()
        assert location.confidential
        plant(session, location.id)
        if request.param == "of the organization":
            session.flush()
            session.execute(
                text(
                    "UPDATE location SET confidential = false, latitude = 51.98765, longitude = 12.34567,"
                    " place = '15987010', transportation = 'Bus Plaudertasche' WHERE slug = 'frauenhaus-musterkreis'"
                )
            )
        bump(session, own_settings.region, [service.id], now=NOW)
        session.commit()
        kept = session.execute(text("SELECT count(*) FROM address WHERE city = 'Geheimstadt'")).scalar_one()
        assert kept == 1
    engine.dispose()
    prepare(own_settings, lambda line: None)
    return own_settings


@pytest.fixture(scope="module")
def app_with_it(planted: Settings) -> Flask:
    return build(planted, now=lambda: NOW)


def clean(output: str | bytes, where: str) -> None:
    for mark in MARKS:
        found = mark.encode() in output if isinstance(output, bytes) else mark in output
        assert not found, f"{mark!r} in {where}"


def test_no_page_shows_it(app_with_it: Flask) -> None:
    """Every page in German; in the other languages those that could know of it."""
    client = PageClient(app_with_it)
    catalogue = app_with_it.extensions["portal"].catalogue
    shelter = catalogue.service(SHELTER)
    near = ["/", "/help-now", "/topics", "/offers?show=200", "/about", "/sources"]
    near += [f"/topics/{code}" for code in shelter.topics]
    near += [f"/offers/{SHELTER}{rest}" for rest in ("", "/hours.ics", "/qr.svg")]
    near += [f"/organizations/{shelter.organization.slug}"]
    every = [*near, *(f"/topics/{term.code}" for term in catalogue.terms("topics"))]
    every += [
        f"/offers/{service.slug}{rest}" for service in catalogue.services() for rest in ("", "/hours.ics")
    ]
    every += [f"/organizations/{slug}" for slug in catalogue.current.organizations]
    for lang in LANGUAGES:
        for path in every if lang == "de" else near:
            response = client.get(f"/{lang}{path}")
            clean(response.get_data(), f"/{lang}{path}")
            clean(str(response.headers), f"the headers of /{lang}{path}")


def test_the_shelter_itself_is_there_and_says_that_its_address_is_secret(app_with_it: Flask) -> None:
    client = PageClient(app_with_it)
    page = client.page(f"/de/offers/{SHELTER}")
    assert page.all('main a[href^="tel:"]'), "it can be called"
    assert not page.all("main address")
    assert not page.all('main a[href*="openstreetmap"]')
    assert "geheim" in page.text.lower() or "geschützt" in page.text.lower()


def test_no_search_finds_it(app_with_it: Flask) -> None:
    client = PageClient(app_with_it)
    for words in ("Verratgasse", "Plauderhof", "Geheimstadt", "99987", "Plaudertasche", "Verrat"):
        for lang in ("de", "ar"):
            page = client.page(f"/{lang}/offers?q={quote(words)}&show=200")
            typed = page.one("#q")
            typed["value"] = ""
            for mark in MARKS:
                assert mark not in text_of(page.one("#results"))
            offered = [str(a["href"]) for a in page.all("#results li.card h3 a") if SHELTER in str(a["href"])]
            fallback = page.all('#results a[href$="/check"]')
            assert not offered or fallback, "found by its address"
            for where in ("places", "offers"):
                clean(
                    client.get(f"/{lang}/suggest/{where}?q={quote(words)}").get_data(),
                    f"suggestions for {words}",
                )


def test_no_distance_gives_it_away(app_with_it: Flask) -> None:
    """How far a house is, from several towns, would be its place."""
    client = PageClient(app_with_it)
    for town in ("Tannwerder", "Quellmünde", "Nebelrode"):
        page = client.page(f"/de/offers?place={quote(town)}&q=Frauenhaus&show=200")
        cards = [
            card for card in page.all("#results li.card") if card.select(f'a[href$="/offers/{SHELTER}"]')
        ]
        assert cards
        for card in cards:
            assert " km" not in text_of(card)
            assert "in deinem Ort" not in text_of(card)


def test_no_result_shows_it(app_with_it: Flask) -> None:
    for lang in LANGUAGES:
        for answers in (
            {"topic": "violence", "safe_now": "unsafe", "age": "age_21_24"},
            {"topic": "violence", "safe_now": "forced"},
        ):
            client = PageClient(app_with_it)
            page = walk(client, lang, answers)
            clean(page.response.get_data(), f"the {lang} result")
            for link in page.all('a[href*="/result/both/"]'):
                clean(client.get(str(link["href"])).get_data(), "the page for the counter")


def test_the_index_on_the_disk_does_not_hold_it(planted: Settings) -> None:
    files = [path for path in planted.index_dir.rglob("*") if path.is_file()]
    assert files
    for path in files:
        clean(path.read_bytes(), path.name)


@pytest.fixture
def portal(planted: Settings, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    monkeypatch.setenv("PORTAL_DATA_DIR", str(planted.data_dir))
    monkeypatch.setenv("PORTAL_REGION", planted.region)

    def run(*arguments: str, given: str | None = None) -> str:
        result = CliRunner().invoke(main, arguments, input=given, catch_exceptions=False)
        assert result.exit_code == 0, result.output
        return result.output

    return run


def test_no_command_prints_it(portal: Callable[..., str], tmp_path: Path) -> None:
    clean(portal("catalogue", "search", "frauenhaus"), "catalogue search")
    clean(
        portal("clearing", "route", given='{"who": "me", "topic": "violence", "safe_now": "forced"}'), "route"
    )
    clean(portal("search", "stats"), "search stats")
    clean(portal("content", "load", "--dry-run"), "content load --dry-run")
    clean(portal("content", "export", str(tmp_path / "export")), "the names of exported files")
    written = [path for path in (tmp_path / "export").rglob("*") if path.is_file()]
    assert any(SHELTER in path.read_text(encoding="utf-8") for path in written)
    for path in written:
        # What the house is like inside comes from the content files, which the export mirrors.
        exported = path.read_text(encoding="utf-8").replace("Neben dem Verrat", "")
        clean(exported, f"the export ({path.name})")


def test_what_is_shipped_holds_no_shelter_s_address(app: Flask) -> None:
    engine = app.extensions["portal"].store.engine
    with session_factory(engine)() as session:
        houses = session.execute(
            text(
                "SELECT location.slug FROM location JOIN organization ON organization.id = location.organization_id"
                " LEFT JOIN address ON address.location_id = location.id"
                " WHERE (location.confidential OR organization.confidential)"
                " AND (address.id IS NOT NULL OR location.latitude IS NOT NULL OR location.place IS NOT NULL"
                " OR location.transportation IS NOT NULL)"
            )
        ).scalars()
        assert list(houses) == []
        assert session.execute(text("SELECT count(*) FROM organization WHERE confidential")).scalar_one() > 0
