"""Searches without hits are counted, and nothing that was typed can be read before its third day."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from click.testing import CliRunner
from flask import Flask
from sqlalchemy import Engine, text
from sqlmodel import Session

from portal.catalogue.models import Region
from portal.catalogue.search import misses
from portal.catalogue.search.index import SearchRequest, SearchResults
from portal.catalogue.search.misses import count_miss, countable, missed_terms, note
from portal.config import Settings
from portal.db import session_factory
from portal.web.application import build
from portal.web.cli import main
from portal.web.wiring import Store

DAY = date(2026, 11, 20)
SECRET = "a secret that is not in the database"


@pytest.fixture
def region(session: Session) -> str:
    session.add(Region(slug="harz", name="Harz"))
    session.flush()
    return "harz"


def miss(session: Session, term: str, day: date, *, region: str = "harz", language: str = "de") -> None:
    note(session, region, term, language, secret=SECRET, today=day)


def terms(session: Session, region: str = "harz") -> list[tuple[str, int]]:
    return [(missed.term, missed.count) for missed in missed_terms(session, region)]


def everything(engine_or_session: Session) -> str:
    tables = ("search_miss", "search_miss_day", "search_miss_mark")
    return repr([engine_or_session.execute(text(f"SELECT * FROM {table}")).all() for table in tables])


def test_a_term_is_kept_on_its_third_day(session: Session, region: str) -> None:
    for days in (0, 4):
        miss(session, "einradkurs", DAY + timedelta(days=days))
        assert terms(session) == []
        assert "einrad" not in everything(session)
    miss(session, "einradkurs", DAY + timedelta(days=5))
    assert terms(session) == [("einradkurs", 3)]
    [found] = missed_terms(session, region)
    assert (found.first_day, found.last_day) == (DAY, DAY + timedelta(days=5))
    assert session.execute(text("SELECT count(*) FROM search_miss_mark")).scalar() == 0


def test_one_busy_day_is_one_day(session: Session, region: str) -> None:
    for _ in range(10):
        miss(session, "einradkurs", DAY)
    miss(session, "einradkurs", DAY + timedelta(days=1))
    assert terms(session) == []
    assert session.execute(text("SELECT count(*) FROM search_miss_mark")).scalar() == 2


def test_a_kept_term_is_counted_on(session: Session, region: str) -> None:
    for days in (0, 1, 2, 2, 9):
        miss(session, "einradkurs", DAY + timedelta(days=days))
    assert terms(session) == [("einradkurs", 5)]
    miss(session, "einradkurs", DAY + timedelta(days=10 + misses.FORGOTTEN_AFTER_DAYS))
    assert terms(session) == [], "a year later it starts anew"


def test_days_far_apart_are_not_put_together(session: Session, region: str) -> None:
    for days in (0, misses.KEPT_DAYS + 1, 2 * misses.KEPT_DAYS + 2):
        miss(session, "einradkurs", DAY + timedelta(days=days))
    assert terms(session) == []
    assert session.execute(text("SELECT count(*) FROM search_miss_day")).scalar() == 1


def test_languages_and_terms_are_counted_apart(session: Session, region: str) -> None:
    for days in range(3):
        miss(session, "einradkurs", DAY + timedelta(days=days))
        miss(session, "einradkurs", DAY + timedelta(days=min(days, 1)), language="en")
    assert [(m.term, m.language) for m in missed_terms(session, "harz")] == [("einradkurs", "de")]


def test_the_same_term_looks_different_every_day_and_with_every_secret(session: Session, region: str) -> None:
    miss(session, "einradkurs", DAY)
    miss(session, "einradkurs", DAY + timedelta(days=1))
    note(session, "harz", "einradkurs", "de", secret="another", today=DAY)
    digests = session.execute(text("SELECT digest FROM search_miss_mark")).scalars().all()
    assert len(set(digests)) == len(digests) == 3


def test_a_machine_cannot_fill_the_disk(
    session: Session, region: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(misses, "MOST_MARKS_A_DAY", 5)
    for number in range(20):
        miss(session, f"unsinn{'x' * number}", DAY)
    assert session.execute(text("SELECT count(*) FROM search_miss_mark")).scalar() == 5


@pytest.mark.parametrize(
    ("typed", "term"),
    [
        ("einradkurs", "einradkurs"),
        ("  Kurs 2026 einradkurs", "kurs einradkurs"),
        ("wo gibt es einen einradkurs", "einradkurs"),
        ("übergangsgeld", "übergangsgeld"),
        ("Vertrauenslehrer", "vertrauenslehrer"),
        ("Hundeschule", "hundeschule"),
        ("Tripper", "tripper"),
        ("Kripo werden", "kripo"),
        ("kann ich einen einradkurs haben", "einradkurs"),
        ("велокурсы", "велокурсы"),
    ],
)
def test_words_are_counted_in_lower_case_without_numbers(typed: str, term: str) -> None:
    assert countable(typed) == term


@pytest.mark.parametrize(
    "typed",
    [
        "",
        "   ",
        "12345",
        "Xaver Zwirbelhuber",
        "xaver zwirbelhuber",
        "Termin bei Zwirbelhuber",
        "Zwirbelhuber Jugendamt",
        "julia",
        "Julia",
        "julias",
        "anna-lena",
        "mohammed",
        "Mohammed kennenlernen",
        "ahmadi",
        "kowalczyk",
        "wojciechowski",
        "schewtschenko",
        "тата",
        "محمد",
        "frau zwirbelhuber",
        "ich heiße zwirbelhuber",
        "my name is zwirbelhuber",
        "меня зовут ксаверий",
        "اسمي قصواء",
        "zwirbel@example.org",
        "www.zwirbel.example",
        "https://zwirbel.example/x",
        "ruf an 0391 123456",
        "٠٣٩١١٢٣٤٥٦ اتصل",
        "ein sehr langer satz in dem jemand erzählt was gestern alles in der schule gewesen ist",
    ],
)
def test_what_may_be_about_a_person_is_not_counted(typed: str) -> None:
    assert countable(typed) is None


def test_counting_never_breaks_the_search(caplog: pytest.LogCaptureFixture, own_engine: Engine) -> None:
    with own_engine.begin() as connection:
        connection.execute(text("DROP TABLE search_miss"))
    count_miss(session_factory(own_engine), "harz", "einradkurs", "de", secret=SECRET, today=DAY)
    assert "not counted" in caplog.text
    assert "einradkurs" not in caplog.text


# On the page.


class Days:
    def __init__(self) -> None:
        self.now = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def next(self) -> None:
        self.now += timedelta(days=1)


@pytest.fixture
def days() -> Days:
    return Days()


@pytest.fixture
def app(settings: Settings, days: Days) -> Flask:
    return build(settings, now=days)


def search(app: Flask, words: str, lang: str = "de", **headers: str) -> None:
    response = app.test_client().get(f"/{lang}/offers", query_string={"q": words}, headers=headers)
    assert response.status_code == 200


def kept(store: Store) -> list[str]:
    with store.sessions() as session:
        return [missed.term for missed in missed_terms(session, "harz")]


def marks(store: Store) -> int:
    with store.sessions() as session:
        return int(session.execute(text("SELECT count(*) FROM search_miss_mark")).scalar_one())


def test_a_search_without_hits_is_counted_by_the_page_and_listed_by_the_command(
    app: Flask, days: Days, store: Store, settings: Settings
) -> None:
    for _ in range(3):
        search(app, "xqzwvkurs")
        days.next()
    assert kept(store) == ["xqzwvkurs"]
    environ = {"PORTAL_DATA_DIR": str(settings.data_dir), "PORTAL_REGION": "harz"}
    result = CliRunner(env=environ).invoke(main, ["search", "misses"])
    assert result.exit_code == 0, result.output
    assert result.output.split() == ["3", "2026-11-20", "–", "2026-11-22", "de", "xqzwvkurs"]


@pytest.mark.parametrize(
    ("words", "headers"),
    [
        ("xqzwvkurs", {"HX-Request": "true"}),
        ("Schulden", {}),
        ("Zwirbelhuber Xaver", {}),
        ("", {}),
    ],
)
def test_typing_hits_names_and_nothing_leave_no_mark(
    app: Flask, store: Store, words: str, headers: dict[str, str]
) -> None:
    search(app, words, **headers)
    assert marks(store) == 0


def test_a_search_that_the_script_calls_finished_is_counted_as_a_page_is(
    app: Flask, days: Days, store: Store
) -> None:
    """Fragments are asked for at every letter; the script marks the one that was sent, or stood for a while."""
    for _ in range(3):
        for typed in ("xqz", "xqzwvk", "xqzwvkurs"):
            search(app, typed, **{"HX-Request": "true"})
        search(app, "xqzwvkurs", **{"HX-Request": "true", "X-Stood": "1"})
        days.next()
    assert kept(store) == ["xqzwvkurs"]
    assert marks(store) == 0


@pytest.mark.parametrize(
    "words", ["Schulden", "kowalczyk", "frau xqzwvkurs", "0391 123456", "xaver zwirbelhuber", ""]
)
def test_finished_or_not_the_same_is_left_out(app: Flask, store: Store, words: str) -> None:
    search(app, words, **{"HX-Request": "true", "X-Stood": "1"})
    assert marks(store) == 0


def test_danger_leaves_no_mark(app: Flask, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    service = app.extensions["portal"].search
    ask = service.search

    def urgent_without_hits(request: SearchRequest) -> SearchResults:
        found = ask(request)
        return replace(found, understood=replace(found.understood, urgent=True))

    search(app, "xqzwvkurs")
    assert marks(store) == 1
    monkeypatch.setattr(service, "search", urgent_without_hits)
    search(app, "xqzwvanders")
    assert marks(store) == 1
