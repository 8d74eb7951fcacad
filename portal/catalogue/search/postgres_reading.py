"""The index in PostgreSQL as the ranking reads it: a snapshot that fetches what it is asked for."""

import contextlib
import threading
from array import array
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from math import cos, inf, radians
from typing import Any, Generic, TypeVar, cast, overload
from uuid import UUID

import psycopg
import sqlalchemy as sa
from rapidfuzz import process
from rapidfuzz.distance import OSA

from portal.catalogue.geography import distance_km
from portal.catalogue.search import analysis, ranking
from portal.catalogue.search.documents import SURFACE
from portal.catalogue.search.index import (
    IndexBusy,
    IndexNotWritten,
    IndexUnusable,
    Place,
    SearchError,
    Suggestion,
)
from portal.catalogue.search.postgres_planes import Constant, Leaf, Postings, RankedPlanes, Sliced, tables
from portal.catalogue.search.postgres_rows import (
    LONGEST_START,
    Facts,
    Shown,
    unpack,
    unpack_bits,
    unpack_postings,
    unusable_if_broken,
)
from portal.catalogue.search.query import Understood
from portal.catalogue.search.ranking import Columns, Gains, Ranked, RankedTable, Snapshot

_Item = TypeVar("_Item")

_KEPT_POSTINGS = 64_000_000
"""Bytes of lists of words that a process keeps for each segment."""
_LEAST_FOR_PLANES = 2500
_SHARE_FOR_PLANES = 12
"""Planes are quicker than tables when the words of a query have so many entries, and more than that part of all offers."""
_KEPT_TEXTS = 2000
_KEPT_BITS = 4000
_KEPT_PLACES = 50_000
_FEW_NAMES = 50
"""So many new names are put into the order one by one; for more, the whole order is read."""
_KM_A_DEGREE = 110.0
"""A little less than a degree of latitude has anywhere."""
_BY_PLACE = ("area", "municipality")
"""Codes too many to read them all; each is read when asked for."""


_NO_TABLE = {"42P01", "42703"}
_BUSY = {"55P03", "57014"}
_REFUSED = {"25006", "42501"}


def translated(error: sa.exc.DBAPIError | psycopg.Error, *, writing: bool) -> SearchError | None:
    """What an error of the database means for the index; None when it is none of the index's business."""
    found = error.orig if isinstance(error, sa.exc.DBAPIError) else error
    state = getattr(found, "sqlstate", None) or ""
    reason = (str(found).splitlines() or [""])[0]
    if state in _NO_TABLE:
        text = f"{reason} (portal db upgrade makes the tables)"
        return IndexNotWritten(text) if writing else IndexUnusable(text)
    if writing and state in _BUSY:
        return IndexBusy("another process is writing to the index")
    # Class 53: disk full, out of memory, too many connections.
    if writing and (state in _REFUSED or state.startswith("53")):
        return IndexNotWritten(reason)
    return None


class Database:
    """Reads within one transaction of the asking thread."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine
        self._here = threading.local()

    @contextlib.contextmanager
    def reading(self) -> Iterator[None]:
        try:
            with self._engine.connect() as connection:
                self._here.connection = connection
                try:
                    yield
                finally:
                    self._here.connection = None
        except sa.exc.DBAPIError as error:
            raise translated(error, writing=False) or error from error

    def fetch(self, sql: str, *values: object) -> Sequence[Any]:
        connection: sa.Connection = self._here.connection
        return connection.exec_driver_sql(sql, values).all()


class _Lazy(Sequence[_Item], Generic[_Item]):
    """A sequence whose items are made when asked for."""

    def __init__(self, length: int, item: Callable[[int], _Item]) -> None:
        self._length = length
        self._item = item

    def __len__(self) -> int:
        return self._length

    @overload
    def __getitem__(self, at: int) -> _Item: ...

    @overload
    def __getitem__(self, at: slice) -> Sequence[_Item]: ...

    def __getitem__(self, at: int | slice) -> _Item | Sequence[_Item]:
        if isinstance(at, slice):
            return [self._item(i) for i in range(*at.indices(self._length))]
        if not 0 <= at < self._length:
            raise IndexError(at)
        return self._item(at)


class _Bits(Mapping[str, int]):
    """Bitsets of a segment: those of codes at once, those of areas when asked for."""

    def __init__(self, database: Database, generation: int, first: int) -> None:
        self._database = database
        self._where = (generation, first)
        with unusable_if_broken():
            self._known: dict[str, int] = {
                code: unpack_bits(bits)
                for code, bits in database.fetch(
                    "SELECT code, bits FROM search_code WHERE generation = %s AND first = %s"
                    " AND split_part(code, '=', 1) <> ALL(%s)",
                    *self._where,
                    list(_BY_PLACE),
                )
            }
        self._placed: dict[str, int] = {}

    def __getitem__(self, code: str) -> int:
        known = self._known.get(code)
        if known is None and code.partition("=")[0] in _BY_PLACE:
            known = self._placed.get(code)
            if known is None:
                known = self._read(code)
        if known is None:
            raise KeyError(code)
        return known

    def _read(self, code: str) -> int:
        with unusable_if_broken():
            rows = self._database.fetch(
                "SELECT bits FROM search_code WHERE generation = %s AND first = %s AND code = %s",
                *self._where,
                code,
            )
            if len(self._placed) > _KEPT_BITS:
                self._placed.clear()
            self._placed[code] = found = unpack_bits(rows[0][0]) if rows else 0
            return found

    def __iter__(self) -> Iterator[str]:
        return iter(self._known)

    def __len__(self) -> int:
        return len(self._known)


class Segment:
    """Offers with consecutive numbers from `first`. Numbers within are counted from 0."""

    def __init__(self, database: Database, generation: int, first: int, size: int) -> None:
        self._database = database
        self._generation = generation
        self.first = first
        self.size = size
        with unusable_if_broken():
            rows = database.fetch(
                "SELECT facts FROM search_segment WHERE generation = %s AND first = %s", generation, first
            )
            facts = Facts.load(rows[0][0])
            if len(facts.areas) != size:
                raise ValueError("a segment is cut short")
        self.facts = facts
        self.columns = Columns(
            ids=_Lazy(size, lambda n: str(UUID(bytes=facts.ids[16 * n : 16 * n + 16]))),
            slugs=_Lazy(size, lambda n: self.shown(n).slug),
            labels=_Lazy(size, lambda n: self.shown(n).labels),
            topics=_Lazy(size, lambda n: self.shown(n).topics),
            organizations=_Lazy(size, lambda n: self.shown(n).organization),
            ages=(),
            areas=_Lazy(size, lambda n: facts.area_sets[facts.areas[n]]),
            sites=_Lazy(size, self._sites),
            periods=facts.periods,
            _sorting={},
            bits=_Bits(database, generation, first),
        )
        self._postings: dict[str, Postings] = {}
        self._kept = 0
        self._shown: dict[int, Shown] = {}
        self._orders: dict[str, array[int]] = {}
        self._ranks: dict[str, array[int]] = {}
        self.places: dict[object, int] = {}
        """Where offers of later segments belong in the order of this one's names."""

    def _sites(self, number: int) -> Sequence[Sequence[object]]:
        start, end = self.facts.ends[number - 1] if number else 0, self.facts.ends[number]
        sites = self.facts.sites[start:end]
        return list(zip(sites[::2], sites[1::2], strict=True))

    def within(self, latitude: float, longitude: float, radius_km: float) -> int:
        """Offers with a site that near."""
        sites, found, at = self.facts.sites, [], 0
        north = radius_km / _KM_A_DEGREE
        # Degrees of longitude shrink towards the poles; beside one, and across the date line, every site is measured.
        narrow = cos(radians(min(90.0, abs(latitude) + north)))
        east = north / narrow if narrow > 0.01 else inf
        if abs(longitude) + east > 180:
            east = inf
        for number, end in enumerate(self.facts.ends):
            for i in range(at, end, 2):
                if (
                    abs(sites[i] - latitude) <= north
                    and abs(sites[i + 1] - longitude) <= east
                    and distance_km(latitude, longitude, sites[i], sites[i + 1]) <= radius_km
                ):
                    found.append(number)
                    break
            at = end
        return ranking.bitset(found)

    # Words.

    def knows(self, term: str) -> bool:
        return term in self._postings

    def keep(self, term: str, postings: Postings) -> None:
        self._kept += postings.bytes
        if self._kept > _KEPT_POSTINGS:
            self._postings = {}
            self._kept = postings.bytes
        self._postings[term] = postings

    def packed(self, term: str) -> Postings:
        known = self._postings.get(term)
        if known is None:
            known = read_postings(self._database, self._generation, [self], [term])[self.first, term]
        return known

    def postings(self, term: str) -> tuple[Sequence[int], Sequence[int]]:
        return self.packed(term).listed()

    def words(self, language: str) -> Sequence[str]:
        rows = self._database.fetch(
            "SELECT word FROM search_word WHERE generation = %s AND language = %s ORDER BY word",
            self._generation,
            language,
        )
        return [word for (word,) in rows]

    # Texts.

    def show(self, numbers: Collection[int]) -> None:
        missing = [number + self.first for number in numbers if number not in self._shown]
        if not missing:
            return
        rows = self._database.fetch(
            "SELECT number, shown FROM search_document WHERE generation = %s AND number = ANY(%s)",
            self._generation,
            missing,
        )
        with unusable_if_broken():
            fresh = {number - self.first: Shown.load(shown) for number, shown in rows}
        if len(self._shown) + len(fresh) > _KEPT_TEXTS:
            self._shown = fresh
        else:
            self._shown.update(fresh)

    def shown(self, number: int) -> Shown:
        known = self._shown.get(number)
        if known is None:
            self.show([number])
            known = self._shown.get(number)
        if known is None:
            raise IndexUnusable("the texts of an offer are missing")
        return known

    def texts(self, number: int) -> Mapping[str, Mapping[str, str]]:
        shown = self.shown(number)
        return {
            language: {
                "name": labels[0],
                "summary": shown.summaries.get(language, ""),
                "organization": labels[1],
                "words": shown.words[language],
            }
            for language, labels in shown.labels.items()
        }

    # Names.

    def order(self, language: str) -> "array[int]":
        """All numbers of the database in the order of names; German for a language nobody here has."""
        known = self._orders.get(language)
        if known is None:
            rows = self._database.fetch(
                "SELECT numbers FROM search_order WHERE generation = %s AND first = %s"
                " AND language IN (%s, 'de') ORDER BY language = 'de' LIMIT 1",
                self._generation,
                self.first,
                language,
            )
            with unusable_if_broken():
                known = unpack("I", rows[0][0], order="big")
                if known and not self.first <= min(known) <= max(known) < self.first + self.size:
                    raise ValueError("an order names offers of elsewhere")
                self._orders[language] = known
        return known

    def ranks(self, language: str) -> "array[int]":
        """Where each offer stands in `order`."""
        known = self._ranks.get(language)
        if known is None:
            known = array("I", bytes(4 * self.size))
            for rank, number in enumerate(self.order(language)):
                known[number - self.first] = rank
            self._ranks[language] = known
        return known


def read_postings(
    database: Database, generation: int, segments: Sequence[Segment], wanted: Iterable[str]
) -> dict[tuple[int, str], Postings]:
    """Postings of terms "language:term" by segment, also kept there."""
    missing = {term: [s for s in segments if not s.knows(term)] for term in dict.fromkeys(wanted)}
    missing = {term: lacking for term, lacking in missing.items() if lacking}
    if not missing:
        return {}
    asked = [term.partition(":") for term in missing]
    rows = database.fetch(
        "SELECT p.language, p.term, p.first, p.numbers, p.weights"
        " FROM unnest(%s::text[], %s::text[]) AS asked (language, term)"
        ' JOIN search_posting p ON p.generation = %s AND p.language = asked.language COLLATE "C"'
        ' AND p.term = asked.term COLLATE "C" AND p.first >= %s ORDER BY p.first',
        [language for language, _, _ in asked],
        [term for _, _, term in asked],
        generation,
        min(segment.first for lacking in missing.values() for segment in lacking),
    )
    parts: dict[str, list[tuple[int, bytes, bytes]]] = defaultdict(list)
    for language, term, first, numbers, weights in rows:
        parts[f"{language}:{term}"].append((first, numbers, weights))
    found: dict[tuple[int, str], Postings] = {}
    with unusable_if_broken():
        for term, lacking in missing.items():
            for segment in lacking:
                own = [part for part in parts[term] if 0 <= part[0] - segment.first < segment.size]
                postings = unpack_postings(own, segment.first, segment.size)
                segment.keep(term, postings)
                found[segment.first, term] = postings
    return found


class PostgresSnapshot(Snapshot):
    """Asks the database for what the shared ranking would look up in memory."""

    segments: tuple[Segment, ...]

    def __init__(
        self, database: Database, generation: int, segments: Sequence[Segment], live: Sequence[int]
    ) -> None:
        super().__init__(segments, live)
        self._database = database
        self._generation = generation

    # Fetching at once what is asked for one by one.

    def expect(self, understood: Understood) -> None:
        self._read_terms(
            f"{language}:{term}"
            for i in understood.words
            for language in understood.languages
            for forms in (analysis.forms(understood.tokens[i], language),)
            for term in (SURFACE + forms.fold, forms.stem, *forms.parts)
        )

    def show(self, numbers: Sequence[int]) -> None:
        by_segment: dict[int, list[int]] = defaultdict(list)
        for number in numbers:
            by_segment[self._at(number)].append(number)
        for at, some in by_segment.items():
            segment = self.segments[at]
            segment.show([number - segment.first for number in some])

    def _at(self, number: int) -> int:
        return bisect_left(self.offsets, number + 1) - 1

    def _read_terms(self, wanted: Iterable[str]) -> None:
        read_postings(self._database, self._generation, self.segments, wanted)

    # Scores.

    def nothing(self) -> Sliced:
        return Sliced()

    def constant(self, bits: int, score: float) -> Sliced:
        found = Sliced()
        found.add(Constant(bits, score))
        return found

    def saturated(self, term: str) -> Sliced:
        found = Sliced()
        found.add(self._leaf(term))
        return found

    def _leaf(self, term: str) -> Leaf:
        return self._terms.get(
            ("leaf", term), lambda: Leaf((segment.first, segment.packed(term)) for segment in self.segments)
        )

    def alive_with(self, term: str) -> bool:
        return bool(self._leaf(term).present & self.live)

    def fullest(self, term: str) -> list[int]:
        return self._leaf(term).fullest(self.live)

    def ranked(self, gains: Gains) -> Ranked:
        every = cast(Iterable[Sliced], (*gains.words.values(), *(lift for lift, _, _ in gains.lifts)))
        effort = sum(scores.effort for scores in every)
        if effort < max(_LEAST_FOR_PLANES, self.size // _SHARE_FOR_PLANES):
            return RankedTable(tables(gains, None).table(self.alive))
        return RankedPlanes(gains, self.live, self.alive)

    # Vocabulary.

    def vocabulary(self, language: str) -> int:
        rows = self._database.fetch(
            "SELECT count(*) FROM search_word WHERE generation = %s AND language = %s",
            self._generation,
            language,
        )
        return int(rows[0][0])

    def continuations(self, start: str, language: str, limit: int) -> set[str]:
        rows = self._database.fetch(
            "SELECT word FROM search_word WHERE generation = %s AND language = %s"
            " AND word >= %s AND word < %s ORDER BY word LIMIT %s",
            self._generation,
            language,
            start,
            start + "\U0010ffff",
            limit,
        )
        return {word for (word,) in rows}

    def beginning_with(self, start: str, language: str) -> list[str]:
        words = super().beginning_with(start, language)
        self._read_terms(f"{language}:{SURFACE}{word}" for word in words)
        return words

    def resembling(self, word: str, language: str, edits: int) -> Iterator[Sequence[str]]:
        """`nearest` takes words with the same first letter, and those with one edit.

        An edit that changes the first letter leaves the rest alone (or the rest is the word itself), so that two
        indexes find everything without comparing `word` with the whole vocabulary.
        """
        rows = self._database.fetch(
            "SELECT word FROM search_word WHERE generation = %s AND language = %s AND initial = %s"
            " AND length BETWEEN %s AND %s"
            " UNION SELECT word FROM search_word WHERE generation = %s AND language = %s"
            " AND (tail = ANY(%s) OR word = %s)",
            self._generation,
            language,
            word[:1],
            len(word) - edits,
            len(word) + edits,
            self._generation,
            language,
            [word[1:], word, word[:1] + word[2:]],
            word[1:],
        )
        near = process.extract(
            word, sorted(found for (found,) in rows), scorer=OSA.distance, score_cutoff=edits, limit=8
        )
        words = [found for found, _, _ in near]
        self._read_terms(f"{language}:{SURFACE}{found}" for found in words)
        yield words

    # Filters.

    def for_age(self, age: int) -> int:
        def make() -> int:
            found = 0
            for code in self.codes("age"):
                youngest, _, oldest = code.partition("-")
                if int(youngest) <= age <= int(oldest):
                    found |= self.bits("age=" + code)
            return found

        return self._places.get(("age", age), make)

    def with_ids(self, ids: frozenset[UUID]) -> int:
        def make() -> int:
            wanted = {one.bytes for one in ids}
            found = 0
            for segment in self.segments:
                known = segment.facts.ids
                numbers = [n for n in range(segment.size) if known[16 * n : 16 * n + 16] in wanted]
                found |= ranking.bitset(numbers) << segment.first
            return found & self.live

        return self._sets.get(ids, make)

    def within(self, place: Place, radius_km: float) -> int:
        latitude, longitude = place.latitude, place.longitude
        if latitude is None or longitude is None:
            return super().within(place, radius_km)

        def make() -> int:
            near = 0
            for segment in self.segments:
                near |= segment.within(latitude, longitude, radius_km) << segment.first
            return near & self.live | self.serving(place.ags) & ~self.bits("placed=true")

        return self._places.get(("radius", place, radius_km), make)

    def distances(self, place: Place) -> Sequence[float | None]:
        """Measured for those offers only that are asked for."""
        latitude, longitude = place.latitude, place.longitude
        known: dict[int, float | None] = {}

        def item(number: int) -> float | None:
            if latitude is None or longitude is None:
                return None
            if number not in known:
                segment, local = self.locate(number)
                known[number] = min(
                    (distance_km(latitude, longitude, *site) for site in segment.columns.sites[local]),  # type: ignore[arg-type]
                    default=None,
                )
            return known[number]

        return self._places.get(("km", place), lambda: _Lazy(self.size, item))

    # Names.

    def by_name(self, language: str) -> Sequence[int]:
        def make() -> Sequence[int]:
            largest, others, places = self._placed(language)
            if largest is None:
                return ()
            order = largest.order(language)
            merged: list[int] = []
            at = 0
            for number, place in zip(others, places, strict=True):
                merged += order[at:place]
                merged.append(number)
                at = place
            return merged + order[at:].tolist() if others else order

        return self._orders.get(language, make)

    def position(self, language: str) -> Sequence[int]:
        """Numbers in the order of `by_name`, with gaps: those of the largest segment stay the same with every save."""

        def make() -> Sequence[int]:
            largest, others, places = self._placed(language)
            if largest is None:
                return ()
            ranks = largest.ranks(language)
            between = {
                number: (2 * place << 32) + i
                for i, (number, place) in enumerate(zip(others, places, strict=True))
            }

            def item(number: int) -> int:
                local = number - largest.first
                if 0 <= local < largest.size:
                    return 2 * ranks[local] + 1 << 32
                return between.get(number, 0)

            return _Lazy(self.size, item)

        return self._orders.get((language, "rank"), make)

    def _placed(self, language: str) -> tuple[Segment | None, Sequence[int], Sequence[int]]:
        """The largest segment, the offers of all others by name, and where each belongs in the order of the largest."""

        def make() -> tuple[Segment | None, Sequence[int], Sequence[int]]:
            largest = max(self.segments, key=lambda segment: segment.size, default=None)
            others = [
                n for segment in self.segments if segment is not largest for n in segment.order(language)
            ]
            others = [number for number in others if self.alive[number]]
            if largest is None or not others:
                return largest, (), ()
            names = self._names(others, language)
            others.sort(key=lambda number: (names[number], number))
            return largest, others, self._insertions(largest, others, names, language)

        return self._orders.get((language, "placed"), make)

    def _insertions(
        self, segment: Segment, numbers: Sequence[int], names: Mapping[int, str], language: str
    ) -> list[int]:
        """Before which position in the order of `segment` each number belongs; a place once found is kept there."""
        order = segment.order(language)
        new = [number for number in numbers if (language, number) not in segment.places]
        known = _Lazy(
            len(order), lambda at: (self._names([order[at]], language).get(order[at], ""), order[at])
        )
        keys: Sequence[tuple[str, int]] = known
        if len(new) > _FEW_NAMES or len(order) < 4 * _FEW_NAMES:
            every = self._names(order, language)
            # An offer that has gone keeps its place in the order, but not its name: it takes that of its neighbour.
            keys, last = [], ("", 0)
            for number in order:
                last = (every[number], number) if number in every else last
                keys.append(last)
        elif any(not self.alive[number] for number in order):
            keys = _Lazy(len(order), lambda at: self._name_before(order, at, language))
        if len(segment.places) > _KEPT_PLACES:
            segment.places.clear()
            new = list(numbers)
        for number in new:
            segment.places[language, number] = bisect_left(keys, (names[number], number))
        return [segment.places[language, number] for number in numbers]

    def _name_before(self, order: Sequence[int], at: int, language: str) -> tuple[str, int]:
        while at >= 0 and not self.alive[order[at]]:
            at -= 1
        if at < 0:
            return "", 0
        return self._names([order[at]], language).get(order[at], ""), order[at]

    def _names(self, numbers: Iterable[int], language: str) -> dict[int, str]:
        rows = self._database.fetch(
            "SELECT number, coalesce(names ->> %s, names ->> 'de') FROM search_document"
            " WHERE generation = %s AND number = ANY(%s)",
            language,
            self._generation,
            list(numbers),
        )
        return dict(map(tuple, rows))

    # Suggestions.

    def ways(self, start: str, language: str) -> Iterator[tuple[str, Suggestion]]:
        start = start[:LONGEST_START]
        some = (
            "(SELECT DISTINCT start, kind, text, value FROM search_way WHERE generation = %s AND language = %s"
            " AND strpos(except_for, %s) = 0 AND start >= %s AND start < %s ORDER BY start, kind, text LIMIT %s)"
        )
        # Offers without texts in the language lead there by their German names.
        languages = list(dict.fromkeys((language, "de")))
        values: list[object] = []
        for one in languages:
            values += [self._generation, one, f" {language} ", start, start + "\U0010ffff", ranking.MOST_WAYS]
        rows = self._database.fetch(
            f"SELECT * FROM ({' UNION '.join([some] * len(languages))}) AS found"  # noqa: S608
            " ORDER BY start, kind, text LIMIT %s",
            *values,
            ranking.MOST_WAYS,
        )
        for begin, kind, text, value in rows:
            yield begin, Suggestion(kind, text, value)
