"""From settings to working parts; shared by the application, the start and the commands."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date

from sqlalchemy import Engine

from portal.catalogue.queries import Catalogue
from portal.catalogue.search.service import SearchService
from portal.config import Settings
from portal.db import SessionFactory, make_engine, session_factory


@dataclass(frozen=True, slots=True)
class Store:
    """The database of one installation, and its region as this process sees it."""

    engine: Engine
    sessions: SessionFactory
    catalogue: Catalogue


def open_store(settings: Settings, *, today: Callable[[], date] | None = None) -> Store:
    """`today` is the day in the region; by default the machine's clock in the region's time zone."""
    engine = make_engine(settings.database)
    sessions = session_factory(engine)
    return Store(engine, sessions, Catalogue(sessions, settings.region, today=today))


def open_search(settings: Settings, store: Store) -> SearchService:
    return SearchService.open(
        store.catalogue,
        store.sessions,
        index_dir=settings.index_dir,
        content_dir=settings.content_dir,
        database=store.engine if settings.search == "postgres" else None,
    )
