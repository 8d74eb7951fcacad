"""Ranking, filters, facets, corrections over a snapshot of an index, whatever engine holds the words.

A snapshot is a list of segments that never change. Sets of offers are integers used as bitsets, one bit an offer, so
that filters and counts cost next to nothing beside reading the words.
"""

import heapq
import math
import threading
from bisect import bisect_left
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import lru_cache
from itertools import islice
from typing import Any, Protocol, TypeVar, cast
from uuid import UUID

from rapidfuzz import process
from rapidfuzz.distance import OSA

from portal.catalogue.geography import distance_km
from portal.catalogue.search import analysis
from portal.catalogue.search.analysis import Token
from portal.catalogue.search.concepts import ConceptMatch, Concepts, edits_allowed
from portal.catalogue.search.documents import STEPS, SURFACE, ServiceDocument
from portal.catalogue.search.index import (
    FACETS,
    Filters,
    Hit,
    Place,
    SearchRequest,
    SearchResults,
    Suggestion,
)
from portal.catalogue.search.query import Understood, understand
from portal.catalogue.search.snippets import FIELDS, Marker

_Value = TypeVar("_Value")

_SATURATED = tuple(step / STEPS for step in range(STEPS))
_WORD = 4.0
"""What the rarest word can give at most."""
_SURFACE_FACTOR, _STEM_FACTOR, _PARTS_FACTOR = 1.0, 0.85, 0.5
_PREFIX_FACTOR, _TYPO_FACTOR = 0.55, 0.65
_GERMAN_FALLBACK = 0.9
_MAX_EXPANSIONS = 24
_KIND, _DESK, _TOPIC = 3.0, 1.0, 2.0
"""What a recognised concept gives to an offer of its contact kind, to the reception of that kind, of its topic."""
_NAME_LENGTH = 3
_NOT_FIRST = 0.75
"""Second and later kinds or topics of a concept."""
WORST = 0.12
"""Finds below this share of the best one are left out: they share one weak word."""
_NEAR_KM = 50.0
_NOT_SERVED = 0.55
_NEAR = 0.3
"""What being next door adds to a score."""
_AREA_NEARNESS = {8: 0.9, 5: 0.6, 3: 0.4, 2: 0.3, 0: 0.15}
_OLDEST = 120
MOST_WAYS = 500
FULLEST = 5
"""In so many offers a word is looked up, to see how it is written."""
_KEPT_SCORES = 300_000
"""Scores kept in memory for each process, some 30 MB."""


@dataclass(frozen=True, slots=True)
class Columns:
    """What filters, sorting and suggestions need of each offer of a segment; positions are document numbers.

    An engine may hand over sequences that fetch what they are asked for.
    """

    ids: Sequence[str]
    slugs: Sequence[str]
    labels: Sequence[Mapping[str, Sequence[str]]]
    """By language: name, organization, names of the topics."""
    topics: Sequence[Sequence[str]]
    organizations: Sequence[str]
    ages: Sequence[tuple[int, int]]
    areas: Sequence[Sequence[str]]
    sites: Sequence[Sequence[Sequence[object]]]
    periods: Mapping[int, tuple[str | None, str | None]]
    """First and last day as ISO dates, of the offers that have any."""
    _sorting: dict[str, tuple[str, ...]]
    bits: Mapping[str, int]
    """`field=code` to the offers that have it."""

    def sorting(self, language: str) -> tuple[str, ...]:
        """Folded names, to sort by."""
        known = self._sorting.get(language)
        if known is None:
            names = ((labels.get(language) or labels["de"])[0] for labels in self.labels)
            known = self._sorting[language] = tuple(analysis.normalise(name) for name in names)
        return known


Record = list[object]
"""A document as a row that JSON can carry; made by `record`, read by `columns`."""


def record(document: ServiceDocument) -> Record:
    codes = [f"{field}={code}" for field in FACETS for code in getattr(document, field)]
    codes += [f"desk={code}" for code in document.desk_for]
    codes += [f"area={area}" for area in document.areas]
    codes += [f"municipality={site.ags}" for site in document.sites if site.ags]
    codes += ["free=true"] if document.free else []
    codes += ["confirmed=true"] if document.confirmed else []
    codes += ["placed=true"] if any(site.latitude is not None for site in document.sites) else []
    labels = {
        language: [texts.name, texts.organization, *texts.topics]
        for language, texts in document.texts.items()
    }
    return [
        str(document.id),
        document.slug,
        document.organization,
        labels,
        list(document.topics),
        sorted(set(codes)),
        document.minimum_age if document.minimum_age is not None else 0,
        document.maximum_age if document.maximum_age is not None else _OLDEST,
        list(document.areas),
        [
            [site.latitude, site.longitude]
            for site in document.sites
            if site.latitude is not None and site.longitude is not None
        ],
        document.valid_from.isoformat() if document.valid_from else None,
        document.valid_to.isoformat() if document.valid_to else None,
    ]


def columns(records: Sequence[Record]) -> Columns:
    members: dict[str, list[int]] = defaultdict(list)
    for number, row in enumerate(records):
        for code in row[5]:  # type: ignore[attr-defined]
            members[code].append(number)
    return Columns(
        ids=tuple(str(row[0]) for row in records),
        slugs=tuple(str(row[1]) for row in records),
        organizations=tuple(str(row[2]) for row in records),
        labels=tuple(row[3] for row in records),  # type: ignore[misc]
        topics=tuple(row[4] for row in records),  # type: ignore[misc]
        ages=tuple((row[6], row[7]) for row in records),  # type: ignore[misc]
        areas=tuple(row[8] for row in records),  # type: ignore[misc]
        sites=tuple(row[9] for row in records),  # type: ignore[misc]
        periods={n: (row[10], row[11]) for n, row in enumerate(records) if row[10] or row[11]},  # type: ignore[misc]
        _sorting={},
        bits={code: bitset(numbers) for code, numbers in members.items()},
    )


class Segment(Protocol):
    """An unchanging part of an index, as its engine hands it over."""

    columns: Columns

    def postings(self, term: str) -> tuple[Sequence[int], Sequence[int]]:
        """Document numbers and weights (as `documents.step`) of a term of `documents.terms`, prefixed "language:"."""

    def words(self, language: str) -> Sequence[str]:
        """All words as written (folded) of a language, sorted."""

    def texts(self, number: int) -> Mapping[str, Mapping[str, str]]:
        """By language name, summary, organization, and where kept `words` as of `snippets.places_of_words`."""


def bitset(numbers: Iterable[int]) -> int:
    numbers = list(numbers)
    if not numbers:
        return 0
    out = bytearray(max(numbers) // 8 + 1)
    for number in numbers:
        out[number >> 3] |= 1 << (number & 7)
    return int.from_bytes(out, "little")


def members(bits: int) -> Iterator[int]:
    digits = bin(bits)[:1:-1]
    at = digits.find("1")
    while at >= 0:
        yield at
        at = digits.find("1", at + 1)


_Corrections = dict[int, tuple[str, str]]
"""Position of a misspelt word → the word as the texts write it, and folded."""


class _Cache:
    """A small least-recently-used cache that may be shared by threads; a mapping counts by its entries."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._used = 0
        self._lock = threading.Lock()
        self._values: OrderedDict[object, object] = OrderedDict()

    def get(self, key: object, make: Callable[[], _Value]) -> _Value:
        with self._lock:
            if key in self._values:
                self._values.move_to_end(key)
                return self._values[key]  # type: ignore[return-value]
        value = make()
        with self._lock:
            if key not in self._values:
                self._values[key] = value
                self._used += _entries(value)
            while self._used > self._size and len(self._values) > 1:
                self._used -= _entries(self._values.popitem(last=False)[1])
        return value


def _entries(value: object) -> int:
    return getattr(value, "entries", 1)


class Scores(Protocol):
    """What something in a query gives to the offers that have it. All scores of a snapshot are of one make."""

    def __len__(self) -> int:
        """How many offers have it, those that no longer count among them."""

    @property
    def entries(self) -> int:
        """About a hundred bytes each, for the caches."""

    def take(self, other: Any, factor: float = 1.0) -> None:
        """The better of both for each offer."""

    def add(self, other: Any, factor: float = 1.0) -> None: ...

    def times(self, factor: float) -> "Scores": ...


class ScoreTable(dict[int, float]):
    """Scores by document number."""

    @property
    def entries(self) -> int:
        return 1 + len(self)

    def take(self, other: Mapping[int, float], factor: float = 1.0) -> None:
        if not self:
            self.update({number: score * factor for number, score in other.items()})
            return
        for number, full in other.items():
            score = full * factor
            if score > self.get(number, 0.0):
                self[number] = score

    def add(self, other: Mapping[int, float], factor: float = 1.0) -> None:
        for number, score in other.items():
            self[number] = self.get(number, 0.0) + score * factor

    def times(self, factor: float) -> "ScoreTable":
        return ScoreTable({number: score * factor for number, score in self.items()})


class Snapshot:
    """The index at one moment: `segments` in order, `live` says for each which of its documents still count."""

    def __init__(self, segments: Sequence[Segment], live: Sequence[int]) -> None:
        self.segments = tuple(segments)
        self.offsets: list[int] = []
        self.live = 0
        size = 0
        for segment, alive in zip(segments, live, strict=True):
            self.offsets.append(size)
            self.live |= alive << size
            size += len(segment.columns.ids)
        self.size = size
        self.count = self.live.bit_count()
        # The digits' codes are 48 and 49.
        digits = f"{self.live:0{size}b}"[::-1] if size else ""
        self.alive = digits.encode().translate(bytes(code & 1 for code in range(256)))
        """One byte for each document number, 1 where the offer still counts."""
        self._bits = _Cache(4096)
        self._terms = _Cache(_KEPT_SCORES)
        self._words = _Cache(_KEPT_SCORES)
        self._places = _Cache(64)
        self._orders = _Cache(16)
        self._sets = _Cache(16)
        self._suggestions = _Cache(16)

    # An engine that fetches what is asked for is told beforehand, to fetch it all at once.

    def expect(self, understood: Understood) -> None:
        """The words of this query are about to be looked up."""

    def show(self, numbers: Sequence[int]) -> None:
        """The texts of these offers are about to be read."""

    def locate(self, number: int) -> tuple[Segment, int]:
        for segment, offset in zip(reversed(self.segments), reversed(self.offsets), strict=True):
            if number >= offset:
                return segment, number - offset
        raise IndexError(number)

    def bits(self, code: str) -> int:
        def make() -> int:
            out = 0
            for segment, offset in zip(self.segments, self.offsets, strict=True):
                out |= segment.columns.bits.get(code, 0) << offset
            return out & self.live

        return self._bits.get(code, make)

    def codes(self, field: str) -> tuple[str, ...]:
        """Codes of a facet that occur at all."""

        def make() -> tuple[str, ...]:
            prefix = field + "="
            found = {code for s in self.segments for code in s.columns.bits if code.startswith(prefix)}
            return tuple(sorted(code[len(prefix) :] for code in found))

        return self._bits.get((field,), make)

    def choices(self, field: str) -> tuple[tuple[str, int], ...]:
        """Codes of a facet that occur at all, each with its offers."""
        return self._bits.get(
            (field, "choices"),
            lambda: tuple((code, self.bits(f"{field}={code}")) for code in self.codes(field)),
        )

    def _each(self) -> Iterator[tuple[int, Segment, int]]:
        for segment, offset in zip(self.segments, self.offsets, strict=True):
            for number in range(len(segment.columns.ids)):
                yield offset + number, segment, number

    def vocabulary(self, language: str) -> int:
        """How many different words of a language there are."""
        return len(set().union(*(segment.words(language) for segment in self.segments)))

    def ranked(self, gains: "Gains") -> "Ranked":
        return RankedTable(gains.table(self.alive))

    # -- words -------------------------------------------------------------------------------------------------

    def nothing(self) -> Scores:
        return ScoreTable()

    def constant(self, bits: int, score: float) -> Scores:
        return ScoreTable(dict.fromkeys(members(bits), score))

    def saturated(self, term: str) -> Scores:
        """Weight of a term (with its language) in each offer, between 0 and 1."""
        found = ScoreTable()
        for segment, offset in zip(self.segments, self.offsets, strict=True):
            numbers, steps = segment.postings(term)
            if offset:
                numbers = [offset + number for number in numbers]
            found.update(zip(numbers, map(_SATURATED.__getitem__, steps), strict=True))
        return found

    def alive_with(self, term: str) -> bool:
        """Whether an offer that still counts has the term."""
        return any(
            self.alive[offset + number]
            for segment, offset in zip(self.segments, self.offsets, strict=True)
            for number in segment.postings(term)[0]
        )

    def term(self, term: str) -> Scores:
        """Scores of a term (with its language): its rarity by its saturated weight, at most `_WORD`."""

        def make() -> Scores:
            weights = self.saturated(term)
            return weights.times(self._worth(len(weights)))

        return self._terms.get(term, make)

    def _worth(self, offers: int) -> float:
        """What a word that so many offers have can give at most."""
        rarity = math.log1p((self.size - offers + 0.5) / (offers + 0.5)) / math.log1p(2 * self.size + 1)
        return _WORD * max(rarity, 0.05)

    def word(self, token: Token, languages: Sequence[str], *, growing: bool) -> Scores:
        """What each offer gets for one word of the query."""
        key = (token.text, token.fold, tuple(languages), growing)
        return self._words.get(key, lambda: self._word(token, languages, growing=growing))

    def _word(self, token: Token, languages: Sequence[str], *, growing: bool) -> Scores:
        best = self.nothing()
        for position, language in enumerate(languages):
            share = _GERMAN_FALLBACK if position else 1.0
            forms = analysis.forms(token, language)
            best.take(self.term(f"{language}:{SURFACE}{forms.fold}"), share * _SURFACE_FACTOR)
            best.take(self.term(f"{language}:{forms.stem}"), share * _STEM_FACTOR)
            if forms.parts:
                together = self.nothing()
                for part in forms.parts:
                    together.add(self.term(f"{language}:{part}"))
                best.take(together, share * _PARTS_FACTOR)
        if growing or not best:
            for language in languages:
                best.take(self._beginning(token.fold, language), _PREFIX_FACTOR)
        return best

    def _beginning(self, start: str, language: str) -> Scores:
        """All words that begin so as one word: as rare as all of them together, the closest counting most."""
        found = self.nothing()
        for word in self.beginning_with(start, language):
            closeness = 0.5 + 0.5 * len(start) / len(word)
            found.take(self.saturated(f"{language}:{SURFACE}{word}"), closeness)
        return found.times(self._worth(len(found)))

    def beginning_with(self, start: str, language: str) -> list[str]:
        """At most `_MAX_EXPANSIONS` words that begin with `start`, the shortest first."""
        if len(start) < 2:
            return []
        found = self.continuations(start, language, 40 * _MAX_EXPANSIONS)
        found.discard(start)
        return sorted(found, key=lambda word: (len(word), word))[:_MAX_EXPANSIONS]

    def continuations(self, start: str, language: str, limit: int) -> set[str]:
        """Words that begin with `start`: far more than needed, but not all, "s" opens a tenth of the language."""
        found: set[str] = set()
        for segment in self.segments:
            words = segment.words(language)
            at = bisect_left(words, start)
            for word in words[at : at + limit]:
                if not word.startswith(start):
                    break
                found.add(word)
        return found

    def resembling(self, word: str, language: str, edits: int) -> Iterator[Sequence[str]]:
        """Lists of words among which are all that `nearest` may take."""
        for segment in self.segments:
            yield segment.words(language)

    def nearest(self, word: str, languages: Sequence[str]) -> list[tuple[str, str, int]]:
        """Words of the index that `word` may be a misspelling of: language, word, number of edits; best first."""
        limit = edits_allowed(word)
        if not limit or word.isdigit() or analysis.is_known(word):
            return []
        found: dict[tuple[str, str], int] = {}
        for language in languages:
            for words in self.resembling(word, language, limit):
                for candidate, distance, _ in process.extract(
                    word, words, scorer=OSA.distance, score_cutoff=limit, limit=8
                ):
                    if len(candidate) >= 4 and (distance <= 1 or candidate[0] == word[0]):
                        found[language, candidate] = int(distance)
        alive = [
            (language, candidate, distance)
            for (language, candidate), distance in found.items()
            if self.alive_with(f"{language}:{SURFACE}{candidate}")
        ]
        if not alive:
            return []
        least = min(distance for _, _, distance in alive)
        alive = [near for near in alive if near[2] == least]
        return sorted(alive, key=lambda near: (-len(self.term(f"{near[0]}:{SURFACE}{near[1]}")), near[1]))[:4]

    def spelling(self, word: str, language: str) -> str:
        """How a folded word is written in the texts."""
        for number in self.fullest(f"{language}:{SURFACE}{word}"):
            segment, local = self.locate(number)
            texts = segment.texts(local).get(language, {})
            for field in FIELDS:
                for token in analysis.tokens(texts.get(field, "")):
                    if token.fold == word:
                        return token.text
        return word

    def fullest(self, term: str) -> list[int]:
        """Some offers in which the term weighs most."""
        scores = cast(ScoreTable, self.saturated(term))
        return heapq.nsmallest(
            FULLEST, (n for n in scores if self.alive[n]), key=lambda number: (-scores[number], number)
        )

    # -- places, ages, filters -----------------------------------------------------------------------------------

    def distances(self, place: Place) -> Sequence[float | None]:
        """Kilometres from `place` to the nearest site of each offer."""

        def make() -> list[float | None]:
            if place.latitude is None or place.longitude is None:
                return [None] * self.size
            here = lru_cache(maxsize=None)(
                lambda latitude, longitude: distance_km(place.latitude, place.longitude, latitude, longitude)  # type: ignore[arg-type]
            )
            return [
                min((here(site[0], site[1]) for site in segment.columns.sites[number]), default=None)
                for _, segment, number in self._each()
            ]

        return self._places.get(("km", place), make)

    def serving(self, ags: str) -> int:
        """Offers whose area covers the municipality."""

        def make() -> int:
            out = 0
            for length in {0, 2, 3, 5, 8, len(ags)}:
                out |= self.bits("area=" + ags[:length])
            return out

        return self._places.get(("area", ags), make)

    def within(self, place: Place, radius_km: float) -> int:
        def make() -> int:
            distances = self.distances(place)
            near = bitset(n for n, km in enumerate(distances) if km is not None and km <= radius_km)
            return near & self.live | self.serving(place.ags) & ~self.bits("placed=true")

        return self._places.get(("radius", place, radius_km), make)

    def for_age(self, age: int) -> int:
        def make() -> int:
            return self.live & bitset(
                n
                for n, s, local in self._each()
                if s.columns.ages[local][0] <= age <= s.columns.ages[local][1]
            )

        return self._places.get(("age", age), make)

    def with_ids(self, ids: frozenset[UUID]) -> int:
        def make() -> int:
            wanted = {str(one) for one in ids}
            return self.live & bitset(n for n, s, local in self._each() if s.columns.ids[local] in wanted)

        return self._sets.get(ids, make)

    def valid_on(self, day: date) -> int:
        """Offers within their funding period."""

        def make() -> int:
            text = day.isoformat()
            out = self.live
            for segment, offset in zip(self.segments, self.offsets, strict=True):
                for number, (first, last) in segment.columns.periods.items():
                    if (first and text < first) or (last and text > last):
                        out &= ~(1 << (offset + number))
            return out

        return self._places.get(("day", day), make)

    def filtered(self, filters: Filters, age: int | None) -> dict[str, int]:
        """One bitset for each filter that is set. A set filter without any match is 0, never "no filter"."""
        out: dict[str, int] = {}
        for field in FACETS:
            chosen: frozenset[str] = getattr(filters, field)
            if chosen:
                bits = 0
                for code in chosen:
                    bits |= self.bits(f"{field}={code}")
                out[field] = bits
        if filters.free:
            out["free"] = self.bits("free=true")
        if age is not None:
            out["age"] = self.for_age(age)
        if filters.place is not None:
            place = filters.place
            out["place"] = (
                self.within(place, filters.radius_km)
                if filters.radius_km is not None and place.latitude is not None
                else self.serving(place.ags) | self.bits("municipality=" + place.ags)
            )
        if filters.open_now_ids is not None:
            out["open_now"] = self.with_ids(filters.open_now_ids)
        return out

    def by_name(self, language: str) -> Sequence[int]:
        def make() -> list[int]:
            names: list[tuple[str, int]] = []
            for segment, offset in zip(self.segments, self.offsets, strict=True):
                names += ((name, offset + n) for n, name in enumerate(segment.columns.sorting(language)))
            return [number for _, number in sorted(names)]

        return self._orders.get(language, make)

    def position(self, language: str) -> Sequence[int]:
        """Rank of each offer in the order of names."""

        def make() -> list[int]:
            out = [0] * self.size
            for rank, number in enumerate(self.by_name(language)):
                out[number] = rank
            return out

        return self._orders.get((language, "rank"), make)

    def names(self, numbers: Collection[int], language: str) -> Sequence[Any] | Mapping[int, Any]:
        """By document number something to sort these offers by name."""
        return self.position(language)

    # -- suggestions ---------------------------------------------------------------------------------------------

    def ways(self, start: str, language: str) -> Iterator[tuple[str, Suggestion]]:
        """Beginnings of names that begin with `start`, in order, with what each leads to."""
        starts, ways = self.suggestions(language)
        at = bisect_left(starts, start)
        for begin, way in zip(starts[at : at + MOST_WAYS], ways[at : at + MOST_WAYS], strict=True):
            if not begin.startswith(start):
                break
            yield begin, way

    def suggestions(self, language: str) -> tuple[list[str], list[Suggestion]]:
        """Beginnings of names, sorted, and beside each what it leads to."""

        def make() -> tuple[list[str], list[Suggestion]]:
            found: set[tuple[str, Suggestion]] = set()
            for number, segment, local in self._each():
                if not self.alive[number]:
                    continue
                held = segment.columns
                labels = held.labels[local]
                ways = suggestions_of(
                    labels.get(language) or labels["de"],
                    held.slugs[local],
                    held.organizations[local],
                    held.topics[local],
                )
                found.update((start, way) for way in ways for start in beginnings(way.text))
            ordered = sorted(found, key=lambda pair: (pair[0], pair[1].kind, pair[1].text))
            return [start for start, _ in ordered], [way for _, way in ordered]

        return self._suggestions.get(language, make)


def suggestions_of(
    labels: Sequence[str], slug: str, organization: str, topics: Sequence[str]
) -> list[Suggestion]:
    """Where the names of one offer in one language lead to; `labels` as in `Columns.labels`."""
    name, owner, *names = labels
    ways = [Suggestion("service", name, slug)]
    if owner and organization:
        ways.append(Suggestion("organization", owner, organization))
    return ways + [Suggestion("topic", label, code) for code, label in zip(topics, names, strict=False)]


def beginnings(text: str) -> list[str]:
    """`text` from each of its words on, folded."""
    words = analysis.normalise(text).split()
    return [" ".join(words[i:]) for i in range(len(words))]


def suggest(snapshot: Snapshot, prefix: str, language: str, limit: int) -> tuple[Suggestion, ...]:
    """Topics, offers and organizations with a word that begins with `prefix`; names that begin with it first."""
    start = analysis.normalise(prefix[:100])
    if not start or limit <= 0:
        return ()
    found: dict[Suggestion, tuple[bool, int, int, str]] = {}
    order = {"topic": 0, "service": 1, "organization": 2}
    for _, way in snapshot.ways(start, language):
        whole = analysis.normalise(way.text).startswith(start)
        found[way] = min(
            found.get(way, (True, 9, 999, "")), (not whole, order[way.kind], len(way.text), way.text)
        )
    return tuple(sorted(found, key=lambda way: (found[way], way.value)))[:limit]


# -- one search ----------------------------------------------------------------------------------------------------


def search(
    snapshot: Snapshot, request: SearchRequest, concepts: Concepts, places: "PlaceBook | None" = None
) -> SearchResults:
    """Answer a request from a snapshot."""
    understood = understand(
        request.text,
        request.language,
        concepts,
        places.find if places else None,
        places.guess if places else None,
    )
    snapshot.expect(understood)
    gains = _gains(snapshot, understood)
    asked = bool(understood.words or understood.concepts)
    valid = snapshot.live if request.today is None else snapshot.valid_on(request.today)
    ranked = snapshot.ranked(gains) if asked else None
    matched = ranked.matched & valid if ranked else valid

    age = request.filters.age
    if age is None and request.age_from_text:
        age = understood.age
    narrowed = snapshot.filtered(request.filters, age)
    found = matched
    for bits in narrowed.values():
        found &= bits

    place = request.filters.place or request.near
    if place is None and understood.place and request.place_from_text and places:
        place = places.where(understood.place)
    start = max(request.offset, 0)
    end = start + max(request.limit, 0)
    page = _first(end, snapshot, found, ranked, request, place)[start:]
    return SearchResults(
        total=found.bit_count(),
        hits=_hits(snapshot, page, request, understood, gains.corrections, place),
        facets=_facets(snapshot, matched, narrowed, request),
        understood=understood,
        did_you_mean=_did_you_mean(understood, gains.corrections),
        fallback=asked and not matched,
    )


class PlaceBook(Protocol):
    """What the search needs of the places; `find` and `guess` give an AGS, `where` the place behind it."""

    def find(self, text: str) -> str | None: ...

    def guess(self, text: str) -> str | None:
        """Also for a misspelt name, if it can be only one."""

    def where(self, ags: str) -> Place: ...


@dataclass(frozen=True, slots=True)
class Gains:
    """What the words and concepts of a query give to which offers."""

    words: Mapping[int, Scores]
    """By position in the query."""
    weights: Mapping[int, float]
    """How much of the query each position is, also those that only concepts cover."""
    lifts: Sequence[tuple[Scores, float, int]]
    """Of each concept: its scores, what they count, and the positions it covers as bits."""
    corrections: _Corrections

    def share(self, covered: int) -> float:
        """What counts of a score when so many words of the query (as bits) are in the offer."""
        whole = sum(self.weights.values()) or 1.0
        return 0.35 + 0.65 * sum(weight for i, weight in self.weights.items() if covered >> i & 1) / whole

    def of(self, change: Callable[[Any], ScoreTable]) -> "Gains":
        """The same with other scores."""
        return replace(
            self,
            words={i: change(scores) for i, scores in self.words.items()},
            lifts=[(change(scores), share, covers) for scores, share, covers in self.lifts],
        )

    def table(self, alive: Sequence[int]) -> dict[int, float]:
        """Scores of every offer alive that has anything of the query; all scores here must be tables."""
        words = cast(Mapping[int, ScoreTable], self.words)
        if len(words) == 1 and not self.lifts:
            ((i, part),) = words.items()
            whole = self.share(1 << i)
            return {number: score * whole for number, score in part.items() if alive[number]}
        scores: dict[int, float] = {}
        covered: dict[int, int] = {}
        for i, part in words.items():
            bit = 1 << i
            if not scores:
                scores, covered = dict(part), dict.fromkeys(part, bit)
                continue
            for number, score in part.items():
                scores[number] = scores.get(number, 0.0) + score
                covered[number] = covered.get(number, 0) | bit
        for lift, share, covers in cast(Sequence[tuple[ScoreTable, float, int]], self.lifts):
            for number, score in lift.items():
                scores[number] = scores.get(number, 0.0) + score * share
                covered[number] = covered.get(number, 0) | covers
        shares = {bits: self.share(bits) for bits in set(covered.values())}
        return {number: score * shares[covered[number]] for number, score in scores.items() if alive[number]}


def _gains(snapshot: Snapshot, understood: Understood) -> Gains:
    """Look up the words of the query, those taken to be misspelt, and what its concepts lift."""
    meant = frozenset[int]().union(*(match.tokens for match in understood.concepts if match.strength >= 0.6))
    parts: dict[int, Scores] = {}
    corrections: _Corrections = {}
    weights: dict[int, float] = {}
    last = len(understood.tokens) - 1
    for i in understood.words:
        token = understood.tokens[i]
        weights[i] = 0.3 if token.fold.isdigit() or len(token.fold) == 1 else 1.0
        part = snapshot.word(token, understood.languages, growing=understood.unfinished and i == last)
        if not part and i not in meant:
            near = snapshot.nearest(token.fold, understood.languages)
            part = snapshot.nothing()
            for language, word, edits in near:
                part.take(snapshot.term(f"{language}:{SURFACE}{word}"), _TYPO_FACTOR / edits)
            if near:
                corrections[i] = (snapshot.spelling(near[0][1], near[0][0]), near[0][1])
        parts[i] = part
    lifts = []
    for position, match in enumerate(understood.concepts):
        # What examples say they say of the whole query; two or three words may be a name.
        told = weights.keys() if match.how == "learned" and len(weights) > _NAME_LENGTH else match.tokens
        covers = sum(1 << i for i in told) if match.strength >= 0.6 else 0
        lifts.append((_lift(snapshot, match), match.strength * (1.0 if position == 0 else 0.8), covers))
        for i in match.tokens:
            weights.setdefault(i, 0.0)
    return Gains(parts, weights, lifts, corrections)


def _lift(snapshot: Snapshot, match: ConceptMatch) -> Scores:
    """What a concept gives to the offers of its kinds and topics, also when its words occur in no text."""
    concept = match.concept

    def make() -> Scores:
        by_kind = snapshot.nothing()
        for position, kind in enumerate(concept.kinds):
            share = _NOT_FIRST if position else 1.0
            kinds, desks = snapshot.bits("kinds=" + kind), snapshot.bits("desk=" + kind)
            by_kind.take(snapshot.constant(kinds & ~desks, _KIND), share)
            by_kind.take(snapshot.constant(desks, _KIND + _DESK), share)
        by_topic = snapshot.nothing()
        for position, topic in enumerate(concept.topics):
            share = _NOT_FIRST if position else 1.0
            by_topic.take(snapshot.constant(snapshot.bits("topics=" + topic), _TOPIC), share)
        together = snapshot.nothing()
        together.add(by_kind)
        together.add(by_topic)
        return together

    return snapshot._words.get(("lift", concept.id), make)


class Ranked(Protocol):
    """What a query found in all offers, before any filter."""

    @property
    def matched(self) -> int:
        """The finds, without those far below the best."""

    def scores(self, numbers: Sequence[int]) -> Mapping[int, float]: ...

    def hopeful(self, groups: Sequence[tuple[int, float, float]], wanted: int) -> Mapping[int, float]:
        """Scores of finds, with all that may be among the `wanted` first.

        `groups` are the finds to choose from, as bitsets, each with the least and the most by which nearness may
        still multiply their scores. Scores are compared rounded to two digits.
        """


class RankedTable:
    """Ranked one by one."""

    def __init__(self, scores: dict[int, float]) -> None:
        least = WORST * max(scores.values(), default=0.0)
        self._scores = {number: score for number, score in scores.items() if score >= least}
        self.matched = bitset(self._scores)

    def scores(self, numbers: Sequence[int]) -> Mapping[int, float]:
        return self._scores

    def hopeful(self, groups: Sequence[tuple[int, float, float]], wanted: int) -> Mapping[int, float]:
        scores = self._scores
        listed = [
            (list(scores) if bits == self.matched else [*members(bits)], least, most)
            for bits, least, most in groups
        ]
        if sum(len(numbers) for numbers, _, _ in listed) > 2 * wanted:
            worst = [scores[number] * least for numbers, least, _ in listed for number in numbers]
            bar = min(heapq.nlargest(wanted, worst), default=math.inf) - 0.01
            listed = [([n for n in numbers if scores[n] * most >= bar], 1, 1) for numbers, _, most in listed]
        return {number: scores[number] for numbers, _, _ in listed for number in numbers}


def _first(
    number_of_offers: int,
    snapshot: Snapshot,
    found: int,
    ranked: Ranked | None,
    request: SearchRequest,
    place: Place | None,
) -> list[tuple[int, float]]:
    """Document numbers and their scores in the order to be shown, up to the end of the page."""
    distances = snapshot.distances(place) if place else None
    if not number_of_offers:
        return []
    if request.sort == "distance" and distances is not None:
        rank = snapshot.position(request.language)
        far = math.inf
        nearest = heapq.nsmallest(
            number_of_offers,
            members(found),
            key=lambda n: (far if (km := distances[n]) is None else km, rank[n]),
        )
        scores = ranked.scores(nearest) if ranked else {}
        return [(number, scores.get(number, 0.0)) for number in nearest]
    if ranked is None:
        wanted = found.to_bytes(snapshot.size // 8 + 1, "little")
        named = (n for n in snapshot.by_name(request.language) if wanted[n >> 3] >> (n & 7) & 1)
        return [(number, 0.0) for number in islice(named, number_of_offers)]
    groups = [(found, 1.0, 1.0)]
    if place is not None:
        served = snapshot.serving(place.ags)
        groups = [(found & served, 1.0, 1 + _NEAR), (found & ~served, _NOT_SERVED, _NOT_SERVED * (1 + _NEAR))]
    hopeful = ranked.hopeful(groups, number_of_offers)
    names = snapshot.names(hopeful, request.language)
    confirmed = snapshot.bits("confirmed=true").to_bytes(snapshot.size // 8 + 1, "little")
    rows: list[tuple[float, bool, float, Any, int]] = []
    for number, score in hopeful.items():
        km = math.inf
        if place is not None and distances is not None:
            known = distances[number]
            km = math.inf if known is None else known
            score *= _nearness(snapshot, number, place, known)
        # Rounded, so that between practically equal offers the confirmed and then the nearer one wins.
        sure = confirmed[number >> 3] >> (number & 7) & 1
        rows.append((-round(score, 2), not sure, km, names[number], number))
    return [(number, -score) for score, _, _, _, number in heapq.nsmallest(number_of_offers, rows)]


def _nearness(snapshot: Snapshot, number: int, place: Place, km: float | None) -> float:
    segment, local = snapshot.locate(number)
    covering = [len(area) for area in segment.columns.areas[local] if place.ags.startswith(area)]
    if km is not None:
        near = max(0.0, 1 - km / _NEAR_KM)
    else:
        near = _AREA_NEARNESS.get(max(covering), 0.15) if covering else 0.0
    return (1.0 if covering else _NOT_SERVED) * (1 + _NEAR * near)


def _facets(
    snapshot: Snapshot, matched: int, narrowed: Mapping[str, int], request: SearchRequest
) -> dict[str, dict[str, int]]:
    def without(name: str) -> int:
        bits = matched
        for other, narrow in narrowed.items():
            if other != name:
                bits &= narrow
        return bits

    out: dict[str, dict[str, int]] = {}
    for field in FACETS:
        base = without(field)
        chosen: frozenset[str] = getattr(request.filters, field)
        counts: dict[str, int] = {}
        for code, bits in snapshot.choices(field):
            number = (base & bits).bit_count()
            # A chosen code stays in the list with its nought, or nobody could take it back.
            if number or code in chosen:
                counts[code] = number
        for code in chosen:
            counts.setdefault(code, 0)
        out[field] = counts
    out["free"] = {"true": (without("free") & snapshot.bits("free=true")).bit_count()}
    if request.count_open_ids is not None:
        open_now = snapshot.with_ids(request.count_open_ids)
        out["open_now"] = {"true": (without("open_now") & open_now).bit_count()}
    return out


def _hits(
    snapshot: Snapshot,
    ordered: Sequence[tuple[int, float]],
    request: SearchRequest,
    understood: Understood,
    corrections: _Corrections,
    place: Place | None,
) -> tuple[Hit, ...]:
    distances = snapshot.distances(place) if place else None
    extra = tuple(folded for _, folded in corrections.values())
    words = [understood.tokens[i] for i in understood.words]
    markers: dict[str, Marker] = {}
    hits: list[Hit] = []
    snapshot.show([number for number, _ in ordered])
    for number, score in ordered:
        segment, local = snapshot.locate(number)
        texts = segment.texts(local)
        language = request.language if request.language in texts else "de"
        if language not in markers:
            markers[language] = Marker(words, language, unfinished=understood.unfinished, extra=extra)
        marker = markers[language]
        highlights = marker.highlights(texts[language])
        km = distances[number] if distances is not None else None
        hits.append(
            Hit(
                id=UUID(segment.columns.ids[local]),
                slug=segment.columns.slugs[local],
                score=score,
                distance_km=None if km is None else round(km, 1),
                language=language,
                highlights=highlights,
            )
        )
    return tuple(hits)


def _did_you_mean(understood: Understood, corrections: _Corrections) -> str | None:
    changes = [
        (understood.tokens[i].start, understood.tokens[i].end, text) for i, (text, _) in corrections.items()
    ]
    for match in understood.concepts:
        if match.correction and match.strength >= 0.6:
            changes.append((match.start, match.end, match.correction))
    if not changes:
        return None
    out, at = [], 0
    for start, end, text in sorted(changes):
        if start < at:
            continue
        out += [understood.text[at:start], text]
        at = end
    out.append(understood.text[at:])
    better = "".join(out).strip()
    return better if analysis.normalise(better) != analysis.normalise(understood.text) else None
