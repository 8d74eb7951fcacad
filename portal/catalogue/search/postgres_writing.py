"""How offers get into the index in PostgreSQL."""

from array import array
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from hashlib import blake2b
from itertools import islice
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from psycopg.types.json import Jsonb

from portal.catalogue.search import analysis, ranking
from portal.catalogue.search.documents import SURFACE, ServiceDocument, step, terms
from portal.catalogue.search.index import IndexUnusable
from portal.catalogue.search.postgres_rows import (
    Facts,
    Shown,
    bitset_bytes,
    pack_bits,
    pack_postings,
    unpack_bits,
    unusable_if_broken,
)
from portal.catalogue.search.postgres_tables import METADATA
from portal.catalogue.search.snippets import FIELDS, places_of_words

_AT_ONCE = 1000
"""Offers that are written together."""
_MOST_POSTINGS = 2_000_000
"""Occurrences of words held in memory while writing, some 100 MB."""
_MOST_SEGMENTS = 8
_JOINED_FACTOR = 4
"""A segment is joined with those after it unless it is so many times larger than all of them."""
_SPARE_NUMBERS = 5000

Fetch = Callable[..., Sequence[Any]]


def fetching(connection: sa.Connection) -> Fetch:
    return lambda sql, *values: connection.exec_driver_sql(sql, values).all()


class Writer:
    """Adds one segment to a generation within the caller's transaction, and joins small ones.

    `size` counts the numbers taken before; None begins a generation.
    """

    def __init__(self, connection: sa.Connection, generation: int, size: int | None = None) -> None:
        self._connection = connection
        self._fetch = fetching(connection)
        self._cursor: Any = connection.connection.cursor()
        self._generation = generation
        self._rebuild = size is None
        self._segments: list[tuple[int, int, int]] = [
            (first, length, int.from_bytes(deleted, "little"))
            for first, length, deleted in self._fetch(
                "SELECT first, size, deleted FROM search_segment WHERE generation = %s ORDER BY first",
                generation,
            )
        ]
        """First number, size, bitset of the numbers that no longer count."""
        self._first = self._next = self._part = size or 0
        gone = sum(deleted.bit_count() for _, _, deleted in self._segments)
        if sum(length for _, length, _ in self._segments) != self._first:
            raise IndexUnusable("segments are missing")
        if gone > self._first - gone + _SPARE_NUMBERS:
            raise IndexUnusable("more offers have been replaced than are left")
        self._facts = Facts()
        self._ids: list[bytes] = []
        self._area_sets: dict[tuple[str, ...], int] = {}
        self._codes: dict[str, list[int]] = defaultdict(list)
        self._postings: dict[tuple[str, str], tuple[array[int], bytearray]] = {}
        self._held = 0
        self._words: dict[str, set[str]] = defaultdict(set)
        self._ways: Counter[tuple[str, ...]] = Counter()
        self._languages = {"de"}
        self._gone: set[int] = set()
        self._seen: set[UUID] = set()

    @property
    def size(self) -> int:
        return self._next

    def add(self, documents: Iterable[ServiceDocument]) -> set[UUID]:
        """Write offers, and forget what was known of them. Returns their ids."""
        remaining = iter(documents)
        while some := {document.id: document for document in islice(remaining, _AT_ONCE)}:
            self.forget(some.keys() & self._seen if self._rebuild else some.keys())
            self._seen |= some.keys()
            self._add(list(some.values()))
        return self._seen

    def _add(self, documents: Sequence[ServiceDocument]) -> None:
        rows: list[tuple[object, ...]] = []
        for document in documents:
            number = self._next
            self._next += 1
            shown = self._add_facts(document, number - self._first)
            names = {language: analysis.normalise(labels[0]) for language, labels in shown.labels.items()}
            rows.append((self._generation, number, document.id, Jsonb(names), shown.dump()))
            self._ways.update(shown.ways())
            for language, texts in document.texts.items():
                self._languages.add(language)
                for term, weight in terms(texts, language).items():
                    known = self._postings.get((language, term))
                    if known is None:
                        known = self._postings[language, term] = array("I"), bytearray()
                        if term.startswith(SURFACE):
                            self._words[language].add(term.removeprefix(SURFACE))
                    known[0].append(number)
                    known[1].append(step(weight))
                    self._held += 1
            if self._held > _MOST_POSTINGS:
                self._flush_postings()
        self._copy(
            "search_document (generation, number, id, names, shown)",
            ["int4", "int4", "uuid", "jsonb", "bytea"],
            rows,
        )
        self._flush_ways()

    def _add_facts(self, document: ServiceDocument, local: int) -> Shown:
        record: Any = ranking.record(document)
        _, slug, organization, labels, topics, codes, youngest, oldest, areas, sites, first, last = record
        for code in (*codes, f"age={youngest}-{oldest}"):
            self._codes[code].append(local)
        facts = self._facts
        self._ids.append(document.id.bytes)
        facts.areas.append(self._area_sets.setdefault(tuple(areas), len(self._area_sets)))
        for latitude, longitude in sites:
            facts.sites.extend((latitude, longitude))
        facts.ends.append(len(facts.sites))
        if first or last:
            facts.periods[local] = first, last
        summaries = {language: texts.summary for language, texts in document.texts.items()}
        words = {
            language: places_of_words({field: getattr(texts, field) for field in FIELDS}, language)
            for language, texts in document.texts.items()
        }
        return Shown(slug, organization, topics, labels, summaries, words)

    def forget(self, ids: Collection[UUID]) -> None:
        """Unknown ids are ignored."""
        if not ids:
            return
        rows = self._fetch(
            "DELETE FROM search_document WHERE generation = %s AND id = ANY(%s) RETURNING number, shown",
            self._generation,
            list(ids),
        )
        for number, shown in rows:
            self._gone.add(number)
            with unusable_if_broken():
                self._ways.subtract(Shown.load(shown).ways())

    def finish(self) -> None:
        self._flush_postings()
        self._flush_ways()
        self._flush_words()
        self._mark_gone()
        size = self._next - self._first
        if size:
            self._facts.ids = b"".join(self._ids)
            self._facts.area_sets = list(self._area_sets)
            codes = {code: ranking.bitset(numbers) for code, numbers in self._codes.items()}
            gone = ranking.bitset(number - self._first for number in self._gone if number >= self._first)
            self._write_segment(self._first, size, gone, self._facts, codes, self._languages)
            self._segments.append((self._first, size, gone))
        self._join()
        if self._rebuild and size >= _AT_ONCE:
            # Else the planner knows nothing of the new rows until the autovacuum comes round.
            for name in METADATA.tables:
                self._connection.exec_driver_sql(f"ANALYZE {name}")

    def _write_segment(
        self,
        first: int,
        size: int,
        gone: int,
        facts: Facts,
        codes: Mapping[str, int],
        languages: Iterable[str],
    ) -> None:
        self._connection.exec_driver_sql(
            "INSERT INTO search_segment (generation, first, size, deleted, facts) VALUES (%s, %s, %s, %s, %s)",
            (self._generation, first, size, bitset_bytes(gone, size), facts.dump()),
        )
        self._copy(
            "search_code (generation, first, code, bits)",
            ["int4", "int4", "text", "bytea"],
            ((self._generation, first, code, pack_bits(bits)) for code, bits in codes.items()),
        )
        self._connection.exec_driver_sql(
            "INSERT INTO search_order (generation, first, language, numbers)"
            " SELECT %s, %s, asked.language, coalesce(string_agg(int4send(number), ''::bytea"
            " ORDER BY coalesce(names ->> asked.language, names ->> 'de') COLLATE \"C\", number), ''::bytea)"
            " FROM unnest(%s::text[]) AS asked (language)"
            " LEFT JOIN search_document ON generation = %s AND number >= %s AND number < %s"
            " GROUP BY asked.language",
            (self._generation, first, sorted(languages), self._generation, first, first + size),
        )

    def _mark_gone(self) -> None:
        for i, (first, size, deleted) in enumerate(self._segments):
            gone = ranking.bitset(number - first for number in self._gone if first <= number < first + size)
            if gone:
                self._segments[i] = first, size, deleted | gone
                self._connection.exec_driver_sql(
                    "UPDATE search_segment SET deleted = %s WHERE generation = %s AND first = %s",
                    (bitset_bytes(deleted | gone, size), self._generation, first),
                )

    def _join(self) -> None:
        """Join the newest segments once there are many; a large one waits until those after it have grown."""
        if len(self._segments) <= _MOST_SEGMENTS:
            return
        some = [self._segments[-1]]
        for segment in reversed(self._segments[:-1]):
            if segment[1] > _JOINED_FACTOR * sum(size for _, size, _ in some):
                break
            some.insert(0, segment)
        first = some[0][0]
        where = (self._generation, first)
        facts, codes, gone, languages, size = Facts(), defaultdict[str, int](int), 0, {"de"}, 0
        for start, length, deleted in some:
            rows = self._fetch(
                "SELECT facts FROM search_segment WHERE generation = %s AND first = %s",
                self._generation,
                start,
            )
            with unusable_if_broken():
                facts.extend(Facts.load(rows[0][0]))
            gone |= deleted << size
            size += length
        for start, code, bits in self._fetch(
            "SELECT first, code, bits FROM search_code WHERE generation = %s AND first >= %s", *where
        ):
            with unusable_if_broken():
                codes[code] |= unpack_bits(bits) << (start - first)
        for (language,) in self._fetch(
            "SELECT DISTINCT language FROM search_order WHERE generation = %s AND first >= %s", *where
        ):
            languages.add(language)
        for name in ("search_segment", "search_code", "search_order"):
            statement = f"DELETE FROM {name} WHERE generation = %s AND first >= %s"  # noqa: S608
            self._connection.exec_driver_sql(statement, where)
        self._connection.exec_driver_sql(
            # Lists are joined; planes stay as they are.
            "WITH old AS (DELETE FROM search_posting WHERE generation = %s AND first >= %s"
            " AND numbers <> ''::bytea RETURNING *)"
            " INSERT INTO search_posting (generation, language, term, first, numbers, weights)"
            " SELECT generation, language, term, min(first), string_agg(numbers, ''::bytea ORDER BY first),"
            " string_agg(weights, ''::bytea ORDER BY first) FROM old GROUP BY generation, language, term",
            where,
        )
        self._write_segment(first, size, gone, facts, codes, languages)

    # Rows by the thousand.

    def _flush_postings(self) -> None:
        self._copy(
            "search_posting (generation, language, term, first, numbers, weights)",
            ["int4", "text", "text", "int4", "bytea", "bytea"],
            (
                (
                    self._generation,
                    language,
                    term,
                    self._part,
                    *pack_postings(numbers, steps, self._part, self._next - self._part),
                )
                for (language, term), (numbers, steps) in self._postings.items()
            ),
        )
        self._postings.clear()
        self._held = 0
        self._part = self._next

    def _flush_words(self) -> None:
        remaining = iter(
            sorted((language, word) for language, words in self._words.items() for word in words)
        )
        while some := list(islice(remaining, 10 * _AT_ONCE)):
            self._connection.exec_driver_sql(
                "INSERT INTO search_word (generation, language, word, initial, length, tail)"
                " SELECT %s, language, word, left(word, 1), char_length(word), substr(word, 2)"
                " FROM unnest(%s::text[], %s::text[]) AS new (language, word) ON CONFLICT DO NOTHING",
                (self._generation, *(list(column) for column in zip(*some, strict=True))),
            )
        self._words.clear()

    def _flush_ways(self) -> None:
        changed = {way: number for way, number in self._ways.items() if number}
        self._ways.clear()
        if not changed:
            return
        keys = [_key(way) for way in changed]
        columns = [list(column) for column in zip(*changed, strict=True)]
        self._connection.exec_driver_sql(
            "INSERT INTO search_way"
            " (generation, key, language, except_for, start, kind, text, value, uses)"
            " SELECT %s, * FROM unnest(%s::bytea[], %s::text[], %s::text[], %s::text[], %s::text[],"
            " %s::text[], %s::text[], %s::int[]) ON CONFLICT (generation, key)"
            " DO UPDATE SET uses = search_way.uses + excluded.uses",
            (self._generation, keys, *columns, list(changed.values())),
        )
        fewer = [key for key, number in zip(keys, changed.values(), strict=True) if number < 0]
        if fewer:
            self._connection.exec_driver_sql(
                "DELETE FROM search_way WHERE generation = %s AND key = ANY(%s) AND uses <= 0",
                (self._generation, fewer),
            )

    def _copy(self, target: str, types: Sequence[str], rows: Iterable[tuple[object, ...]]) -> None:
        with self._cursor.copy(f"COPY {target} FROM STDIN (FORMAT BINARY)") as copy:
            copy.set_types(types)
            for row in rows:
                copy.write_row(row)


def _key(way: Sequence[str]) -> bytes:
    return blake2b("\x1f".join(way).encode(), digest_size=16).digest()
