"""The engine for several machines: the words in tables beside the catalogue, the ranking shared with Whoosh.

PostgreSQL keeps sorted lists of words and packed lists of numbers; analysis and ranking stay in Python, so that both
engines give the same answers. A process fetches the words that a query asks for and keeps them; names and texts are
fetched only for what is shown. No extension of PostgreSQL is needed, nor a right beyond those for the catalogue.

Offers are numbered as they are written; a changed one gets a new number. Each write adds a segment of numbers, small
segments are joined. A rebuild makes a new generation of all rows. Every write is one transaction, every search reads
one snapshot of the database: it sees the last finished write and never waits for one.

    search_index     one row a region and make: which generation counts, which catalogue revision it holds
    search_segment   what every search needs of the offers, packed; which numbers no longer count
    search_code      bitsets of codes, areas, ages
    search_order     numbers in the order of names, by language
    search_document  names and texts to show
    search_posting   terms of `documents.terms`, with numbers and steps of weights, or as planes
    search_word      the vocabulary, to complete and correct words
    search_way       what suggestions lead to, with how many names lead there
"""

import contextlib
import secrets
import threading
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from uuid import UUID

import psycopg
import sqlalchemy as sa

from portal.catalogue.search import analysis, ranking
from portal.catalogue.search.concepts import Concepts
from portal.catalogue.search.documents import ServiceDocument
from portal.catalogue.search.index import (
    IndexState,
    IndexUnusable,
    SearchRequest,
    SearchResults,
    Suggestion,
)
from portal.catalogue.search.postgres_reading import Database, PostgresSnapshot, Segment, translated
from portal.catalogue.search.postgres_tables import METADATA
from portal.catalogue.search.postgres_writing import Fetch, Writer, fetching
from portal.catalogue.search.ranking import PlaceBook

_FORMAT = 2
"""Make of the stored rows; raise it with every change of `ranking.record` or of what `Writer` writes."""
_WAIT_SECONDS = 30.0
_LOCK = 0x616E6C61
"""First key of the advisory lock at which the writers of a region queue ("anla" in hex)."""
_OTHERS_KEPT = "1 day"
"""How long a rebuild leaves the index of another version alone after its last write."""


class PostgresIndex:
    """A `ServiceIndex` of one region in the catalogue's own database, for processes on any number of machines."""

    def __init__(
        self,
        engine: sa.Engine,
        region: str,
        concepts: Concepts,
        places: PlaceBook | None = None,
        *,
        wait_seconds: float = _WAIT_SECONDS,
    ) -> None:
        self._engine = engine
        self._region = region
        self._concepts = concepts
        self._places = places
        self._wait_seconds = wait_seconds
        self._database = Database(
            engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
        )
        self._opening = threading.Lock()
        self._open: _Open | None = None

    # -- reading ---------------------------------------------------------------------------------------------------

    def use(self, concepts: Concepts) -> None:
        self._concepts = concepts

    def search(self, request: SearchRequest) -> SearchResults:
        with self._database.reading():
            return ranking.search(self._current().snapshot, request, self._concepts, self._places)

    def suggest(self, prefix: str, language: str, limit: int = 8) -> tuple[Suggestion, ...]:
        with self._database.reading():
            return ranking.suggest(self._current().snapshot, prefix, language, limit)

    def count(self) -> int:
        with self._database.reading():
            return self._current().snapshot.count

    @property
    def revision(self) -> int | None:
        with self._database.reading():
            return self._read_state().revision

    def state(self) -> IndexState:
        with self._database.reading():
            now = self._current()
            words = self._database.fetch(
                "SELECT language, count(*) FROM search_word WHERE generation = %s GROUP BY language",
                now.state.generation,
            )
            return IndexState(
                count=now.snapshot.count,
                revision=now.state.revision,
                details={
                    "engine": "postgres",
                    "segments": len(now.snapshot.segments),
                    "bytes": sum(
                        self._database.fetch("SELECT pg_total_relation_size(%s::text::regclass)", name)[0][0]
                        for name in METADATA.tables
                    ),
                    "writes": now.state.writes,
                    **{f"words_{language}": number for language, number in sorted(words)},
                },
            )

    def close(self) -> None:
        self._open = None

    def _read_state(self) -> "_State":
        state = _state(self._database.fetch, self._region)
        if state is None:
            raise IndexUnusable("there is no index of this version")
        return state

    def _current(self) -> "_Open":
        """What this transaction sees. Costs one look at a row when nothing has changed."""
        state = self._read_state()
        now = self._open
        if now is not None and now.state == state:
            return now
        with self._opening:
            now = self._open
            if now is not None and now.state == state:
                return now
            opened = self._opened(state, now)
            if now is None or now.state.generation != state.generation or now.state.writes <= state.writes:
                self._open = opened
            return opened

    def _opened(self, state: "_State", before: "_Open | None") -> "_Open":
        same = before is not None and before.state.generation == state.generation
        known = {(s.first, s.size): s for s in before.snapshot.segments} if before and same else {}
        segments: list[Segment] = []
        live: list[int] = []
        rows = self._database.fetch(
            "SELECT first, size, deleted FROM search_segment WHERE generation = %s ORDER BY first",
            state.generation,
        )
        for first, size, deleted in rows:
            segment = known.get((first, size)) or Segment(self._database, state.generation, first, size)
            segments.append(segment)
            live.append(((1 << size) - 1) & ~int.from_bytes(deleted, "little"))
        ends = [0, *(segment.first + segment.size for segment in segments)]
        if [*(segment.first for segment in segments), state.size] != ends:
            raise IndexUnusable("segments are missing")
        return _Open(state, PostgresSnapshot(self._database, state.generation, segments, live))

    # -- writing ---------------------------------------------------------------------------------------------------

    def put(self, documents: Iterable[ServiceDocument]) -> None:
        self._write(documents, ())

    def remove(self, ids: Iterable[UUID]) -> None:
        self._write((), ids)

    def catch_up(
        self, documents: Iterable[ServiceDocument], removed: Iterable[UUID], *, since: int, revision: int
    ) -> None:
        self._write(documents, removed, since=since, revision=revision)

    def _write(
        self,
        documents: Iterable[ServiceDocument],
        removed: Iterable[UUID],
        *,
        since: int | None = None,
        revision: int | None = None,
    ) -> None:
        with self._writing() as connection:
            state = _state(fetching(connection), self._region)
            if state is None:
                raise IndexUnusable("there is no index")
            held = state.revision
            if revision is not None and held is not None and held >= revision:
                # Another process was quicker.
                return
            writer = Writer(connection, state.generation, state.size)
            added = writer.add(documents)
            writer.forget({one for one in removed if one not in added})
            writer.finish()
            if since is not None and revision is not None and held is not None and held >= since:
                held = revision
            connection.exec_driver_sql(
                "UPDATE search_index SET revision = %s, writes = writes + 1, size = %s, written_at = now()"
                " WHERE generation = %s",
                (held, writer.size, state.generation),
            )

    def rebuild(self, documents: Iterable[ServiceDocument], revision: int | None = None) -> None:
        with self._database.reading():
            before = _state(self._database.fetch, self._region)
        with self._writing() as connection:
            fetch = fetching(connection)
            now = _state(fetch, self._region)
            if now is not None and before != now and revision is not None and now.revision == revision:
                # Another process has just done the same while this one was waiting.
                return
            generation = secrets.randbelow(2**31)
            writer = Writer(connection, generation)
            writer.add(documents)
            writer.finish()
            # Machines of another version keep their own generation, or the two would take turns building it.
            old = fetch(
                "DELETE FROM search_index WHERE region = %s AND (made = %s OR written_at < now() - %s::interval)"
                " RETURNING generation",
                self._region,
                _made(),
                _OTHERS_KEPT,
            )
            connection.exec_driver_sql(
                "INSERT INTO search_index (region, made, generation, revision, writes, size, written_at)"
                " VALUES (%s, %s, %s, %s, %s, %s, now())",
                (
                    self._region,
                    _made(),
                    generation,
                    revision,
                    now.writes + 1 if now else 1,
                    writer.size,
                ),
            )
            for name in METADATA.tables:
                if old and name != "search_index":
                    connection.exec_driver_sql(
                        f"DELETE FROM {name} WHERE generation = ANY(%s)",  # noqa: S608
                        ([gone for (gone,) in old],),
                    )

    @contextlib.contextmanager
    def _writing(self) -> Iterator[sa.Connection]:
        """One transaction, one writer of a region at a time; the lock ends with the transaction, however it ends."""
        try:
            with self._engine.begin() as connection:
                connection.exec_driver_sql(
                    "SELECT set_config('lock_timeout', %s, true)",
                    (f"{max(1, int(self._wait_seconds * 1000))}ms",),
                )
                connection.exec_driver_sql(
                    "SELECT pg_advisory_xact_lock(%s, %s)",
                    (_LOCK, _signed(zlib.crc32(self._region.encode()))),
                )
                yield connection
        except (sa.exc.DBAPIError, psycopg.Error) as error:
            raise translated(error, writing=True) or error from error


@dataclass(frozen=True, slots=True)
class _State:
    generation: int
    revision: int | None
    writes: int
    size: int
    """Numbers that are taken, also by what is gone."""


@dataclass(frozen=True, slots=True)
class _Open:
    """The index as one process sees it."""

    state: _State
    snapshot: "PostgresSnapshot"


def _state(fetch: Fetch, region: str) -> _State | None:
    rows = fetch(
        "SELECT generation, revision, writes, size FROM search_index WHERE region = %s AND made = %s",
        region,
        _made(),
    )
    return _State(*rows[0]) if rows else None


def _made() -> str:
    """What can be read together: the same rows, cut from texts in the same way."""
    return f"{_FORMAT}-{analysis.fingerprint()}"


def _signed(number: int) -> int:
    return number - 2**32 if number >= 2**31 else number
