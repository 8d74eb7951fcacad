"""Alive and ready: what whoever watches the machine is told."""

import json
import shutil
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import text

from portal.config import Settings
from portal.referral.models import Notice
from portal.web.application import build
from tests.web.conftest import NOW
from tests.web.pages import PageClient


@pytest.fixture
def own_app(own_settings: Settings) -> Iterator[Flask]:
    app = build(own_settings, now=lambda: NOW)
    engine = app.extensions["portal"].store.engine
    yield app
    engine.dispose()


def ready(app: Flask) -> tuple[int, dict[str, Any]]:
    response = app.test_client().get("/readyz")
    assert response.headers["Cache-Control"] == "no-store"
    return response.status_code, json.loads(response.get_data())


def time_passes(app: Flask) -> None:
    """The catalogue looks at the database at most once per second."""
    app.extensions["portal"].catalogue._checked_at = float("-inf")


def database_file(app: Flask) -> Path:
    return Path(app.extensions["portal"].store.engine.url.database)


def test_all_is_well(app: Flask) -> None:
    status, found = ready(app)
    assert status == 200
    assert found == {
        "ready": True,
        "database": "ok",
        "index": "ok",
        "translations": "ok",
        "referrals": "ok",
    }


def test_without_a_key_only_referrals_are_off(own_settings: Settings) -> None:
    app = build(own_settings.model_copy(update={"environment": "production"}), now=lambda: NOW)
    status, found = ready(app)
    app.extensions["portal"].store.engine.dispose()
    assert status == 200
    assert found["ready"] is True
    assert found["referrals"] == "off (no key)"


def test_it_says_when_nobody_looks_after_referrals(own_app: Flask) -> None:
    with own_app.extensions["portal"].store.sessions() as session:
        session.add(
            Notice(
                key="x",
                about="referral.requested",
                to_person=False,
                written_at=NOW - timedelta(hours=4),
                next_try_at=NOW - timedelta(hours=3),
            )
        )
        session.commit()
    status, found = ready(own_app)
    assert status == 200
    assert "portal referrals run" in found["referrals"]


def test_without_its_index_it_is_not_ready_until_somebody_searches(
    own_app: Flask, own_settings: Settings
) -> None:
    shutil.rmtree(own_settings.index_dir)
    status, found = ready(own_app)
    assert status == 503
    assert found["ready"] is False
    assert "portal search rebuild" in found["index"]
    assert found["database"] == "ok"
    page = PageClient(own_app).page("/de/offers?q=Schulden")
    assert page.all("#results ul.cards > li"), "the page builds the index anew"
    assert ready(own_app)[0] == 200


def test_a_damaged_index_is_named_and_mended(own_app: Flask, own_settings: Settings) -> None:
    for path in own_settings.index_dir.rglob("*"):
        if path.is_file():
            path.write_bytes(b"\0" * 20)
    status, found = ready(own_app)
    assert status == 503
    assert found["index"] != "ok"
    assert PageClient(own_app).page("/de/offers?q=Schulden").all("#results ul.cards > li")
    assert ready(own_app)[0] == 200


def test_a_database_that_is_gone_is_named(own_app: Flask) -> None:
    portal = own_app.extensions["portal"]
    portal.store.engine.dispose()
    database_file(own_app).rename(database_file(own_app).with_suffix(".away"))
    for rest in ("-wal", "-shm"):
        Path(f"{database_file(own_app)}{rest}").unlink(missing_ok=True)
    database_file(own_app).mkdir()
    time_passes(own_app)
    status, found = ready(own_app)
    assert status == 503
    assert found["database"] != "ok"
    assert "/" not in found["database"], "no paths, no addresses"


@pytest.mark.parametrize(
    ("version", "status", "words"),
    [
        ("0001", 503, "portal db upgrade"),
        ("9999", 200, "newer than this program"),
        ("4f1c0a9be2d7", 503, "unknown"),
        ("0000", 503, "unknown"),
        (None, 503, "portal db upgrade"),
    ],
)
def test_a_database_of_another_version_is_named(
    own_app: Flask, version: str | None, status: int, words: str
) -> None:
    """A newer one is that of a rolled back program, or of an update that has begun: it still works."""
    with own_app.extensions["portal"].store.engine.begin() as connection:
        if version is None:
            connection.execute(text("DROP TABLE alembic_version"))
        else:
            connection.execute(
                text("UPDATE alembic_version SET version_num = :version"), {"version": version}
            )
    answer, found = ready(own_app)
    assert answer == status
    assert found["ready"] is (status == 200)
    assert words in found["database"]


def test_missing_translations_are_named(own_app: Flask) -> None:
    own_app.extensions["portal"].languages["ar"].messages.texts.clear()
    status, found = ready(own_app)
    assert status == 503
    assert "ar" in found["translations"]


def test_alive_asks_nobody(own_app: Flask) -> None:
    """Neither database nor index: a machine whose disk is gone is still alive, and is not restarted for it."""
    portal = own_app.extensions["portal"]

    class Untouchable:
        def __getattr__(self, name: str) -> Any:
            raise AssertionError(f"asked for {name}")

        def __call__(self) -> Any:
            raise AssertionError("asked for a database session")

    portal.store = portal.search = Untouchable()
    portal.catalogue._session_factory = Untouchable()
    time_passes(own_app)
    response = own_app.test_client().get("/healthz")
    assert (response.status_code, response.get_data()) == (200, b"ok\n")


@pytest.mark.parametrize("path", ["/de/nowhere", "/de/help-now", "/de/"])
def test_without_a_database_there_is_still_a_page_with_numbers_to_call(own_app: Flask, path: str) -> None:
    """Error pages touch no database; a catalogue that was read once stays in memory."""
    client = PageClient(own_app)
    own_app.extensions["portal"].store.engine.dispose()
    shutil.move(database_file(own_app), database_file(own_app).with_suffix(".away"))
    database_file(own_app).mkdir()
    time_passes(own_app)
    response = client.get(path)
    body = response.get_data(as_text=True)
    assert response.status_code in (200, 404, 500, 503)
    assert "<h1" in body
    assert "112" in body


def test_head_answers_like_get_without_a_body(app: Flask) -> None:
    for path in ("/healthz", "/readyz", "/de/", "/de/offers", "/de/help-now", "/de/nowhere"):
        head, get = app.test_client().head(path), app.test_client().get(path)
        assert head.status_code == get.status_code
        assert head.get_data() == b""
        assert head.headers["Content-Type"] == get.headers["Content-Type"]


def test_no_connection_is_open_when_the_workers_are_forked(prepared):
    app = build(prepared("musterkreis"))
    assert app.extensions["portal"].store.engine.pool.checkedin() == 0
    assert PageClient(app).get("/readyz").status_code == 200
