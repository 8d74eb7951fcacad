"""When the index cannot be used: a simple list that says so, never an error, and it mends itself."""

import errno
import fcntl
import json
import math
import os
import shutil
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import text
from whoosh.filedb.filestore import FileStorage

from portal.catalogue.models import Status
from portal.catalogue.search import service as service_module
from portal.catalogue.search.index import Filters, Place, SearchRequest
from portal.catalogue.search.service import LimitedResults, SearchService
from portal.config import Settings
from portal.db import make_engine
from portal.web.application import build
from portal.web.serving import prepare
from tests.databases import PostgresCluster
from tests.web.conftest import NOW, SECRET
from tests.web.pages import PageClient, text_of
from tests.web.test_offers import change, offers, shown, time_passes, total

SENTENCE = "#results > .box.info"


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a slow machine building the index takes longer than a visitor waits; these tests are not about that."""
    monkeypatch.setattr(service_module, "_PATIENCE", 60.0)


@pytest.fixture
def own_app(own_settings: Settings, patient: None) -> Iterator[Flask]:
    app = build(own_settings, now=lambda: NOW)
    yield app
    app.extensions["portal"].store.engine.dispose()


@pytest.fixture
def client(own_app: Flask) -> PageClient:
    return PageClient(own_app)


@pytest.fixture
def clock(own_app: Flask) -> Clock:
    clock = Clock()
    search_of(own_app)._monotonic = clock
    return clock


@pytest.fixture
def without_index(own_app: Flask) -> PageClient:
    search_of(own_app)._ask_again = math.inf
    return PageClient(own_app)


def search_of(app: Flask) -> SearchService:
    found: SearchService = app.extensions["portal"].search
    return found


def ready(app: Flask) -> tuple[int, str]:
    response = app.test_client().get("/readyz")
    return response.status_code, json.loads(response.get_data())["index"]


def refuse(monkeypatch: pytest.MonkeyPatch, number: int) -> list[str]:
    """From now on no file of the index can be made; returns the names that were tried."""
    tried: list[str] = []

    def create_file(self: FileStorage, name: str, **options: Any) -> None:
        tried.append(name)
        raise OSError(number, os.strerror(number), f"/secret/{name}")

    monkeypatch.setattr(FileStorage, "create_file", create_file)
    return tried


def test_the_simple_list_says_so_in_the_language_of_the_page(without_index: PageClient) -> None:
    said = {}
    for lang in ("de", "en", "ar"):
        page = offers(without_index, lang, q="Schulden" if lang != "ar" else "ديون")
        assert total(page) == len(shown(page)) > 0
        said[lang] = text_of(page.one(SENTENCE))
        assert page.response.headers["Cache-Control"] == "no-store"
    assert len(set(said.values())) == 3, said


def test_with_an_index_nothing_is_said(client: PageClient) -> None:
    assert not offers(client, q="Schulden").all(SENTENCE)


def test_the_simple_list_finds_what_is_meant(without_index: PageClient) -> None:
    views = {view.slug: view for view in without_index.app.extensions["portal"].catalogue.services()}
    for words, kind in (
        ("Schulden", "schuldnerberatung"),
        ("hartz 4", "jobcenter"),
        ("ديون", "schuldnerberatung"),
    ):
        found = shown(offers(without_index, "ar" if words == "ديون" else "de", q=words))
        assert kind in {kind for slug in found[:3] for kind in views[slug].contact_kinds}, words
    assert shown(offers(without_index, q="schuldnerberat"))[:1] == ["schuldnerberatung"]


def test_danger_opens_a_hand_without_an_index_too(without_index: PageClient) -> None:
    assert offers(without_index, q="ich will nicht mehr leben").all('#results a[href="/de/help-now"]')


def test_nothing_found_leads_on_and_is_not_counted(without_index: PageClient) -> None:
    def counted() -> int:
        with without_index.app.extensions["portal"].store.sessions() as session:
            return int(session.execute(text("SELECT count(*) FROM search_miss_mark")).scalar_one())

    before = counted()
    page = offers(without_index, q="xqzwvkurs")
    assert page.all('main a[href="/de/check"]')
    assert page.all('#results a[href^="/de/topics/"]')
    assert counted() == before


def test_suggestions_go_on(without_index: PageClient) -> None:
    body = without_index.get("/de/suggest/offers?q=schuld").get_data(as_text=True)
    assert "Schuldnerberatung" in body
    assert without_index.get("/de/suggest/offers?q=").status_code == 200


@pytest.mark.parametrize(
    "filters",
    [
        Filters(),
        Filters(topics=frozenset({"schulden", "sucht"})),
        Filters(kinds=frozenset({"jobcenter"}), formats=frozenset({"telefon"})),
        Filters(languages=frozenset({"en"}), free=True),
        Filters(age=13),
        Filters(target_groups=frozenset({"nobody"})),
        Filters(open_now_ids=frozenset()),
    ],
    ids=["all", "topics", "two fields", "language and free", "age", "unknown code", "nothing open"],
)
def test_filters_and_counts_are_those_of_the_index(own_app: Flask, filters: Filters) -> None:
    service = search_of(own_app)
    catalogue = own_app.extensions["portal"].catalogue
    near = next(iter(catalogue.places.all())).ags
    place = Place(near, *catalogue.places.centre(near))
    some_open = frozenset(view.id for view in catalogue.services()[::3])
    for narrowed in (filters, replace(filters, place=place), replace(filters, place=place, radius_km=15)):
        request = SearchRequest(
            filters=narrowed,
            limit=500,
            near=place,
            sort="distance",
            today=NOW.date(),
            count_open_ids=some_open,
        )
        full, simple = service.search(request), service._memory.search(request)
        assert not isinstance(full, LimitedResults)
        assert (simple.total, simple.facets) == (full.total, full.facets)
        far = {hit.slug: hit.distance_km for hit in full.hits}
        assert {hit.slug for hit in simple.hits} == set(far)
        for hit in simple.hits:
            assert (hit.distance_km is None) is (far[hit.slug] is None), hit.slug
            assert hit.distance_km == pytest.approx(far[hit.slug], abs=0.1), hit.slug
        known = [hit.distance_km for hit in simple.hits if hit.distance_km is not None]
        assert known == sorted(known)
    assert full.total or filters in (
        Filters(target_groups=frozenset({"nobody"})),
        Filters(open_now_ids=frozenset()),
    )


def break_index(folder: Path, harm: str) -> None:
    if harm == "deleted":
        # A visitor's request may put a file there in the very moment.
        for _ in range(100):
            shutil.rmtree(folder, ignore_errors=True)
            if not (folder / "state").exists():
                return
        raise AssertionError("the folder is still there")
    for path in folder.rglob("*"):
        if path.is_file() and path.name not in ("lock", "turn"):
            whole = path.read_bytes()
            path.write_bytes(b"\0" * 50 if harm == "damaged" else whole[: len(whole) // 2])


@pytest.mark.parametrize("harm", ["deleted", "damaged", "cut short"])
def test_an_index_that_breaks_under_traffic_mends_itself(
    own_app: Flask, own_settings: Settings, harm: str
) -> None:
    stop = threading.Event()
    seen: list[tuple[int, int]] = []

    def visit() -> None:
        visitor = PageClient(own_app)
        while not stop.is_set():
            response = visitor.get("/de/offers?q=Schulden")
            seen.append((response.status_code, response.get_data(as_text=True).count('class="stretch"')))

    def mended() -> bool:
        found = offers(PageClient(own_app), q="Schulden")
        return ready(own_app) == (200, "ok") and not found.all(SENTENCE)

    visitors = [threading.Thread(target=visit, daemon=True) for _ in range(3)]
    for visitor in visitors:
        visitor.start()
    try:
        break_index(own_settings.index_dir, harm)
        search_of(own_app)._index.close()
        waited = threading.Event()
        for _ in range(300):
            if mended():
                break
            waited.wait(0.1)
    finally:
        stop.set()
        for visitor in visitors:
            visitor.join()
    assert ready(own_app) == (200, "ok")
    assert not offers(PageClient(own_app), q="Schulden").all(SENTENCE)
    assert len(seen) > 3
    assert {status for status, _ in seen} == {200}
    assert min(cards for _, cards in seen) > 0


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EACCES])
def test_a_disk_that_refuses_is_said_and_asked_again_later(
    own_app: Flask,
    client: PageClient,
    clock: Clock,
    own_settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    number: int,
) -> None:
    shutil.rmtree(own_settings.index_dir)
    with monkeypatch.context() as full:
        tried = refuse(full, number)
        for _ in range(3):
            page = offers(client, q="Schulden")
            assert page.all(SENTENCE)
            assert shown(page)
        assert len(tried) == 1, "not every visitor pays for the try"
        status, words = ready(own_app)
        assert status == 503
        assert os.strerror(number) in words
        assert "/" not in words, "no paths"
        clock.now += 60
        offers(client, q="Schulden")
        assert len(tried) == 2
    assert offers(client, q="Schulden").all(SENTENCE), "still within the pause"
    clock.now += 60
    assert not offers(client, q="Schulden").all(SENTENCE)
    assert ready(own_app) == (200, "ok")


def test_a_folder_that_cannot_be_made(
    own_app: Flask, client: PageClient, clock: Clock, own_settings: Settings
) -> None:
    folder = own_settings.index_dir.parent
    shutil.rmtree(folder)
    folder.write_text("in the way")
    assert offers(client, q="Schulden").all(SENTENCE)
    assert ready(own_app)[0] == 503
    folder.unlink()
    clock.now += 60
    assert not offers(client, q="Schulden").all(SENTENCE)


def test_an_index_that_cannot_follow_says_so(
    own_app: Flask,
    client: PageClient,
    clock: Clock,
    own_settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What was taken away is not shown in any case; what is new cannot be found yet."""
    assert "schuldnerberatung" in shown(offers(client, q="Schulden"))
    with monkeypatch.context() as full:
        refuse(full, errno.ENOSPC)
        change(own_settings, "schuldnerberatung", status=Status.DRAFT)
        time_passes(own_app)
        page = offers(client, q="Schulden")
        assert page.all(SENTENCE)
        assert "schuldnerberatung" not in shown(page)
        status, words = ready(own_app)
        assert status == 503
        assert "revision" in words
        assert "No space left" in words
    clock.now += 60
    assert not offers(client, q="Schulden").all(SENTENCE)
    assert ready(own_app) == (200, "ok")


def test_nobody_waits_for_a_long_rebuild_of_another_process(
    own_app: Flask, client: PageClient, own_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service_module, "_PATIENCE", 0.05)
    monkeypatch.setattr(service_module, "_PAUSE", 0.0)
    monkeypatch.setattr(service_module, "_SOON", 0.0)
    (own_settings.index_dir / "state").unlink()
    with (own_settings.index_dir / "lock").open("rb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for _ in range(3):
            page = offers(client, q="Schulden")
            assert page.all(SENTENCE)
            assert shown(page)
        work = search_of(own_app)._work
        assert work is not None
    assert work.done.wait(60), "the other process is ready, and so is this one soon after"
    monkeypatch.setattr(service_module, "_PATIENCE", 60.0)
    assert not offers(client, q="Schulden").all(SENTENCE)


def test_a_portal_is_ready_only_with_its_index(own_app: Flask, own_settings: Settings) -> None:
    (own_settings.index_dir / "state").write_bytes(b"{}")
    status, words = ready(own_app)
    assert status == 503
    assert "cannot be read" in words
    assert str(own_settings.data_dir) not in words


# PostgreSQL.


@pytest.fixture(scope="module")
def on_postgres(postgres: PostgresCluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    with postgres.database() as url:
        settings = Settings(
            secret_key=SECRET,
            region="musterkreis",
            data_dir=tmp_path_factory.mktemp("data"),
            database_url=url,
            search="postgres",
        )
        prepare(settings, lambda line: None)
        yield settings


@pytest.fixture
def postgres_app(on_postgres: Settings, patient: None) -> Iterator[Flask]:
    app = build(on_postgres, now=lambda: NOW)
    yield app
    app.extensions["portal"].store.engine.dispose()


@pytest.mark.postgres
def test_a_database_that_goes_away_and_comes_back(
    postgres: PostgresCluster, on_postgres: Settings, postgres_app: Flask
) -> None:
    client, clock = PageClient(postgres_app), Clock()
    search_of(postgres_app)._monotonic = clock
    full = shown(offers(client, q="Schulden"))
    name = on_postgres.database_url.split("@/")[1].split("?")[0]
    server = make_engine(postgres.url(), isolation_level="AUTOCOMMIT")
    try:
        with server.connect() as connection:
            connection.execute(text(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false"))
            connection.execute(
                text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = :name"),
                {"name": name},
            )
        for path in (
            "q=Schulden",
            "topic=schulden",
            "q=xqzwvkurs",
            "open=1",
            "place=Tannwerder&sort=distance",
        ):
            time_passes(postgres_app)
            page = client.page(f"/de/offers?{path}")
            assert page.all(SENTENCE), path
            assert path == "q=xqzwvkurs" or shown(page), path
        assert client.get("/de/suggest/offers?q=schul").status_code == 200
        time_passes(postgres_app)
        response = client.get("/readyz")
        assert response.status_code == 503
        assert json.loads(response.get_data())["database"] != "ok"
        assert "host=" not in response.get_data(as_text=True)
    finally:
        with server.connect() as connection:
            connection.execute(text(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true"))
        server.dispose()
    clock.now += 60
    page = offers(client, q="Schulden")
    assert not page.all(SENTENCE)
    assert shown(page) == full
    assert client.get("/readyz").status_code == 200


@pytest.mark.postgres
def test_an_index_emptied_in_the_database_is_made_anew(postgres_app: Flask) -> None:
    portal, client = postgres_app.extensions["portal"], PageClient(postgres_app)
    full = shown(offers(client, q="Schulden"))
    with portal.store.engine.begin() as connection:
        connection.execute(text("DELETE FROM search_index"))
    assert ready(postgres_app)[0] == 503
    assert shown(offers(client, q="Schulden")) == full
    assert ready(postgres_app) == (200, "ok")
