"""Several people save at the same moment, each with a connection of their own."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any

import pytest
from sqlalchemy import Engine
from sqlmodel import Session, select

from portal.catalogue import editing, models, revision
from portal.catalogue.editing import Conflict, Saved
from portal.catalogue.loading import load_region, read_region
from portal.catalogue.models import Status
from portal.db import SessionFactory, session_factory
from tests.catalogue.conftest import TINY

REGION = "tal"
WAIT = 60


@pytest.fixture
def sessions(engine: Engine, session: Session, now: datetime) -> SessionFactory:
    load_region(session, read_region(TINY, REGION), now=now)
    session.commit()
    # Nobody else than the writers of the test is connected.
    session.close()
    return session_factory(engine)


def at_once(*acts: Callable[[], Any]) -> list[Any]:
    """What each gave back, or what it raised."""

    def guarded(act: Callable[[], Any]) -> Any:
        try:
            return act()
        except Exception as error:
            return error

    with ThreadPoolExecutor(len(acts)) as pool:
        return [future.result(WAIT) for future in [pool.submit(guarded, act) for act in acts]]


def a_writer(
    sessions: SessionFactory, slug: str, ready: threading.Barrier, now: datetime, **changes: Any
) -> Callable[[], Saved]:
    """Opens the entry, waits until all others have opened theirs, saves and commits."""

    def write() -> Saved:
        with sessions() as session:
            found = editing.entry(session, REGION, "service", slug)
            # As the pages do before they save: who may open it is asked of the row.
            assert session.get(models.Service, found.id) is not None
            session.commit()
            ready.wait(WAIT)
            saved = editing.save(
                session, REGION, "service", found.record.model_copy(update=changes), base_hash=found.hash,
                author=None, now=now,
            )  # fmt: skip
            session.commit()
            return saved

    return write


@pytest.mark.parametrize("writers", [2, 6])
def test_of_those_who_save_one_entry_exactly_one_wins(
    sessions: SessionFactory, now: datetime, writers: int
) -> None:
    with sessions() as session:
        before = revision.current(session, REGION)
        slugs = [entry_slug(session, number) for number in range(2)]
    for round_, slug in enumerate(slugs, start=1):
        ready = threading.Barrier(writers)
        names = [f"Name {number}" for number in range(writers)]
        found = at_once(*(a_writer(sessions, slug, ready, now, name=name) for name in names))
        won = [one for one in found if isinstance(one, Saved)]
        lost = [one for one in found if isinstance(one, Conflict)]
        assert (len(won), len(lost)) == (1, writers - 1), found
        winner = won[0].entry.record.name
        assert winner == names[found.index(won[0])]
        for conflict in lost:
            assert conflict.current.record.name == winner, "they are shown what the other one wrote"
            assert conflict.base is not None and conflict.base.name not in names
        with sessions() as session:
            stored = editing.entry(session, REGION, "service", slug)
            assert stored.record.name == winner
            kept = [version.number for version in editing.versions(session, stored.id)]
            assert kept == [2, 1], "the state before and the winner's"
            assert revision.current(session, REGION) == before + round_


def test_those_who_save_different_entries_all_win(sessions: SessionFactory, now: datetime) -> None:
    with sessions() as session:
        before = revision.current(session, REGION)
        slugs = [entry_slug(session, number) for number in range(5)]
    for round_ in range(1, 4):
        ready = threading.Barrier(len(slugs))
        found = at_once(*(a_writer(sessions, slug, ready, now, name=f"{slug} {round_}") for slug in slugs))
        assert all(isinstance(one, Saved) for one in found), found
        assert len({one.revision for one in found}) == len(slugs), "each save is a revision of its own"
        assert {one.number for one in found} == {round_ + 1}
        with sessions() as session:
            assert revision.current(session, REGION) == before + round_ * len(slugs)
            for slug in slugs:
                stored = editing.entry(session, REGION, "service", slug)
                assert stored.record.name == f"{slug} {round_}"
                assert len(editing.versions(session, stored.id)) == round_ + 1


def test_a_save_and_an_archiving_of_the_same_entry(sessions: SessionFactory, now: datetime) -> None:
    """Whoever comes second: nothing is half done."""
    with sessions() as session:
        slug = entry_slug(session, 0)
    ready = threading.Barrier(2)

    def archive() -> Saved:
        with sessions() as session:
            ready.wait(WAIT)
            saved = editing.set_status(
                session, REGION, "service", slug, Status.ARCHIVED, author=None, now=now
            )
            session.commit()
            return saved

    found = at_once(a_writer(sessions, slug, ready, now, name="Neu"), archive)
    assert isinstance(found[1], Saved)
    assert isinstance(found[0], Saved | Conflict), found
    with sessions() as session:
        stored = editing.entry(session, REGION, "service", slug)
        numbers = [version.number for version in editing.versions(session, stored.id)]
        assert numbers == list(range(len(numbers), 0, -1))
        newest = editing.versions(session, stored.id)[0]
        assert (newest.record_hash, newest.status) == (stored.hash, stored.status)


def test_who_meets_somebody_slow_waits_and_is_not_sent_away(sessions: SessionFactory, now: datetime) -> None:
    """An import writes for a while; a save in between is late, never lost."""
    with sessions() as session:
        first, second = (entry_slug(session, number) for number in range(2))
    holds, release = threading.Event(), threading.Event()

    def slow() -> Saved:
        with sessions() as session:
            found = editing.entry(session, REGION, "service", first)
            saved = editing.save(
                session, REGION, "service", found.record.model_copy(update={"name": "Langsam"}),
                base_hash=found.hash, author=None, now=now,
            )  # fmt: skip
            holds.set()
            release.wait(WAIT)
            session.commit()
            return saved

    alone = threading.Barrier(1)

    def quick() -> Saved:
        holds.wait(WAIT)
        threading.Timer(1.5, release.set).start()
        return a_writer(sessions, second, alone, now, name="Schnell")()

    found = at_once(slow, quick)
    assert [one.entry.record.name for one in found if isinstance(one, Saved)] == ["Langsam", "Schnell"], found


def entry_slug(session: Session, number: int) -> str:
    """Of a published offer."""
    published = select(models.Service.slug).where(
        models.Service.region == REGION, models.Service.status == Status.PUBLISHED
    )
    return sorted(session.exec(published))[number]
