"""Ranking, filters, facets, corrections over a snapshot of an index, whatever engine holds the words.

A snapshot is a list of segments that never change. Sets of offers are integers used as bitsets, one bit an offer, so
that filters and counts cost next to nothing beside reading the words.
"""

import heapq
import math
import threading
from bisect import bisect_left
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from typing import Protocol, TypeVar
from uuid import UUID

from rapidfuzz import process
from rapidfuzz.distance import OSA

from portal.catalogue.geography import distance_km
from portal.catalogue.search import analysis
from portal.catalogue.search.analysis import Token
from portal.catalogue.search.concepts import ConceptMatch, Concepts, edits_allowed
from portal.catalogue.search.documents import SURFACE, ServiceDocument
from portal.catalogue.search.index import (
    FACETS,
    Filters,
    Hit,
    Place,
    SearchRequest,
    SearchResults,
    Snippet,
    Suggestion,
)
from portal.catalogue.search.query import Understood, understand
from portal.catalogue.search.snippets import LENGTH, Marker

_Value = TypeVar("_Value")

K1 = 1.2
"""BM25: how soon another occurrence of a word stops mattering."""
_WORD = 4.0
"""What the rarest word can give at most."""
_SURFACE_FACTOR, _STEM_FACTOR, _PARTS_FACTOR = 1.0, 0.85, 0.5
_PREFIX_FACTOR, _TYPO_FACTOR = 0.55, 0.65
_GERMAN_FALLBACK = 0.9
_MAX_EXPANSIONS = 24
_KIND, _DESK, _TOPIC = 3.0, 1.0, 2.0
"""What a recognised concept gives to an offer of its contact kind, to the reception of that kind, of its topic."""
_NOT_FIRST = 0.75
"""Second and later kinds or topics of a concept."""
_WORST = 0.12
"""Finds below this share of the best one are left out: they share one weak word."""
_NEAR_KM = 50.0
_NOT_SERVED = 0.55
_NEAR = 0.3
"""What being next door adds to a score."""
_AREA_NEARNESS = {8: 0.9, 5: 0.6, 3: 0.4, 2: 0.3, 0: 0.15}
_OLDEST = 120
MOST_WAYS = 500
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

    def postings(self, term: str) -> tuple[Sequence[int], Sequence[float]]:
        """Document numbers and weights of a term of `documents.terms`, prefixed "language:"."""

    def words(self, language: str) -> Sequence[str]:
        """All words as written (folded) of a language, sorted."""

    def texts(self, number: int) -> Mapping[str, Mapping[str, str]]:
        """Texts to show, by language: name, summary, organization."""


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
    return 1 + len(value) if isinstance(value, dict) else 1


_Scores = dict[int, float]


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
        self.alive = (
            bytes(1 if digit == "1" else 0 for digit in f"{self.live:0{size}b}"[::-1]) if size else b""
        )
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

    def _each(self) -> Iterator[tuple[int, Segment, int]]:
        for segment, offset in zip(self.segments, self.offsets, strict=True):
            for number in range(len(segment.columns.ids)):
                yield offset + number, segment, number

    def vocabulary(self, language: str) -> int:
        """How many different words of a language there are."""
        return len(set().union(*(segment.words(language) for segment in self.segments)))

    # -- words -------------------------------------------------------------------------------------------------

    def weights(self, term: str) -> _Scores:
        """Weights of a term (with its language) in each offer."""
        found: _Scores = {}
        for segment, offset in zip(self.segments, self.offsets, strict=True):
            numbers, weights = segment.postings(term)
            if offset:
                numbers = [offset + number for number in numbers]
            found.update(zip(numbers, weights, strict=True))
        return found

    def term(self, term: str) -> _Scores:
        """Scores of a term (with its language): its rarity by its saturated weight, at most `_WORD`."""
        return self._terms.get(term, lambda: self._scored(self.weights(term)))

    def _scored(self, weights: _Scores) -> _Scores:
        if not weights:
            return {}
        rarity = math.log1p((self.size - len(weights) + 0.5) / (len(weights) + 0.5)) / math.log1p(
            2 * self.size + 1
        )
        factor = _WORD * max(rarity, 0.05)
        return {number: factor * weight / (K1 + weight) for number, weight in weights.items()}

    def word(self, token: Token, languages: Sequence[str], *, growing: bool) -> _Scores:
        """What each offer gets for one word of the query."""
        key = (token.text, token.fold, tuple(languages), growing)
        return self._words.get(key, lambda: self._word(token, languages, growing=growing))

    def _word(self, token: Token, languages: Sequence[str], *, growing: bool) -> _Scores:
        best: _Scores = {}
        for position, language in enumerate(languages):
            share = _GERMAN_FALLBACK if position else 1.0
            forms = analysis.forms(token, language)
            _take(best, self.term(f"{language}:{SURFACE}{forms.fold}"), share * _SURFACE_FACTOR)
            _take(best, self.term(f"{language}:{forms.stem}"), share * _STEM_FACTOR)
            if forms.parts:
                together: _Scores = defaultdict(float)
                for part in forms.parts:
                    for number, score in self.term(f"{language}:{part}").items():
                        together[number] += score
                _take(best, together, share * _PARTS_FACTOR)
        if growing or not best:
            for language in languages:
                _take(best, self._beginning(token.fold, language), _PREFIX_FACTOR)
        return best

    def _beginning(self, start: str, language: str) -> _Scores:
        """All words that begin so as one word: as rare as all of them together, the closest counting most."""
        weights: _Scores = {}
        for word in self.beginning_with(start, language):
            closeness = 0.5 + 0.5 * len(start) / len(word)
            _take(weights, self.weights(f"{language}:{SURFACE}{word}"), closeness)
        return self._scored(weights)

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
            if any(self.alive[number] for number in self.term(f"{language}:{SURFACE}{candidate}"))
        ]
        if not alive:
            return []
        least = min(distance for _, _, distance in alive)
        alive = [near for near in alive if near[2] == least]
        return sorted(alive, key=lambda near: (-len(self.term(f"{near[0]}:{SURFACE}{near[1]}")), near[1]))[:4]

    def spelling(self, word: str, language: str) -> str:
        """How a folded word is written in the texts."""
        scores = self.term(f"{language}:{SURFACE}{word}")
        living = (number for number in scores if self.alive[number])
        for number in sorted(living, key=lambda number: -scores[number])[:5]:
            segment, local = self.locate(number)
            for text in segment.texts(local).get(language, {}).values():
                for token in analysis.tokens(text):
                    if token.fold == word:
                        return token.text
        return word

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


def _take(best: _Scores, scores: Mapping[int, float], factor: float) -> None:
    for number, full in scores.items():
        score = full * factor
        if score > best.get(number, 0.0):
            best[number] = score


# -- one search ----------------------------------------------------------------------------------------------------


def search(
    snapshot: Snapshot, request: SearchRequest, concepts: Concepts, places: "PlaceBook | None" = None
) -> SearchResults:
    """Answer a request from a snapshot."""
    understood = understand(request.text, request.language, concepts, places.find if places else None)
    snapshot.expect(understood)
    scores, corrections = _scores(snapshot, understood)
    asked = bool(understood.words or understood.concepts)
    valid = snapshot.live if request.today is None else snapshot.valid_on(request.today)
    if asked and scores:
        least = _WORST * max(scores.values())
        scores = {number: score for number, score in scores.items() if score >= least}
    matched = bitset(scores) & valid if asked else valid

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
    page = _first(end, snapshot, found, scores if asked else None, request, place)[start:]
    return SearchResults(
        total=found.bit_count(),
        hits=_hits(snapshot, page, request, understood, corrections, place),
        facets=_facets(snapshot, matched, narrowed, request),
        understood=understood,
        did_you_mean=_did_you_mean(understood, corrections),
        fallback=asked and not matched,
    )


class PlaceBook(Protocol):
    """What the search needs of the places; `find` gives an AGS, `where` the place behind it."""

    def find(self, text: str) -> str | None: ...

    def where(self, ags: str) -> Place: ...


_Corrections = dict[int, tuple[str, str]]
"""Position of a misspelt word → the word as the texts write it, and folded."""


def _scores(snapshot: Snapshot, understood: Understood) -> tuple[_Scores, _Corrections]:
    """Score of every offer that has anything of the query, and the words taken to be misspelt."""
    meant = frozenset[int]().union(*(match.tokens for match in understood.concepts if match.strength >= 0.6))
    parts: dict[int, _Scores] = {}
    corrections: _Corrections = {}
    weights: dict[int, float] = {}
    last = len(understood.tokens) - 1
    for i in understood.words:
        token = understood.tokens[i]
        weights[i] = 0.3 if token.fold.isdigit() or len(token.fold) == 1 else 1.0
        parts[i] = snapshot.word(token, understood.languages, growing=understood.unfinished and i == last)
        if not parts[i] and i not in meant:
            near = snapshot.nearest(token.fold, understood.languages)
            for language, word, edits in near:
                _take(parts[i], snapshot.term(f"{language}:{SURFACE}{word}"), _TYPO_FACTOR / edits)
            if near:
                corrections[i] = (snapshot.spelling(near[0][1], near[0][0]), near[0][1])
    lifts = [(match, _lift(snapshot, match)) for match in understood.concepts]
    for match, _ in lifts:
        for i in match.tokens:
            weights.setdefault(i, 0.0)

    # One bit for each word of the query that an offer has, in its text or by its concept.
    scores: _Scores = {}
    covered: dict[int, int] = {}
    for i, part in parts.items():
        bit = 1 << i
        for number, score in part.items():
            scores[number] = scores.get(number, 0.0) + score
            covered[number] = covered.get(number, 0) | bit
    for position, (match, lift) in enumerate(lifts):
        share = match.strength * (1.0 if position == 0 else 0.8)
        bits = sum(1 << i for i in match.tokens) if match.strength >= 0.6 else 0
        for number, score in lift.items():
            scores[number] = scores.get(number, 0.0) + score * share
            covered[number] = covered.get(number, 0) | bits
    whole = sum(weights.values()) or 1.0
    shares = {
        bits: 0.35 + 0.65 * sum(weight for i, weight in weights.items() if bits >> i & 1) / whole
        for bits in set(covered.values())
    }
    alive = snapshot.alive
    return {
        number: score * shares[covered[number]] for number, score in scores.items() if alive[number]
    }, corrections


def _lift(snapshot: Snapshot, match: ConceptMatch) -> _Scores:
    """What a concept gives to the offers of its kinds and topics, also when its words occur in no text."""
    concept = match.concept

    def make() -> _Scores:
        out: _Scores = defaultdict(float)
        by_kind: _Scores = {}
        for position, kind in enumerate(concept.kinds):
            share = _NOT_FIRST if position else 1.0
            kinds, desks = snapshot.bits("kinds=" + kind), snapshot.bits("desk=" + kind)
            _take(by_kind, dict.fromkeys(members(kinds & ~desks), _KIND), share)
            _take(by_kind, dict.fromkeys(members(desks), _KIND + _DESK), share)
        by_topic: _Scores = {}
        for position, topic in enumerate(concept.topics):
            share = _NOT_FIRST if position else 1.0
            _take(by_topic, dict.fromkeys(members(snapshot.bits("topics=" + topic)), _TOPIC), share)
        for some in (by_kind, by_topic):
            for number, score in some.items():
                out[number] += score
        return dict(out)

    return snapshot._words.get(("lift", concept.id), make)


def _first(
    number_of_offers: int,
    snapshot: Snapshot,
    found: int,
    scores: Mapping[int, float] | None,
    request: SearchRequest,
    place: Place | None,
) -> list[tuple[int, float]]:
    """Document numbers and their scores in the order to be shown, up to the end of the page."""
    rank = snapshot.position(request.language)
    distances = snapshot.distances(place) if place else None
    numbers = list(members(found))
    if request.sort == "distance" and distances is not None:
        far = math.inf
        nearest = heapq.nsmallest(
            number_of_offers,
            numbers,
            key=lambda n: (far if (km := distances[n]) is None else km, rank[n]),
        )
        return [(number, scores[number] if scores else 0.0) for number in nearest]
    if scores is None:
        return [(number, 0.0) for number in heapq.nsmallest(number_of_offers, numbers, key=rank.__getitem__)]
    numbers = _hopeful(numbers, scores, number_of_offers, by_place=place is not None)
    sure = frozenset(members(snapshot.bits("confirmed=true") & bitset(numbers)))
    rows: list[tuple[float, bool, float, int, int]] = []
    for number in numbers:
        score, km = scores[number], math.inf
        if place is not None and distances is not None:
            known = distances[number]
            km = math.inf if known is None else known
            score *= _nearness(snapshot, number, place, known)
        # Rounded, so that between practically equal offers the confirmed and then the nearer one wins.
        rows.append((-round(score, 2), number not in sure, km, rank[number], number))
    return [(number, -score) for score, _, _, _, number in heapq.nsmallest(number_of_offers, rows)]


def _hopeful(numbers: list[int], scores: Mapping[int, float], wanted: int, *, by_place: bool) -> list[int]:
    """Those that may still be among the `wanted` first, whatever nearness makes of their score."""
    if len(numbers) <= 2 * wanted:
        return numbers
    if not wanted:
        return []
    least, most = (_NOT_SERVED, 1 + _NEAR) if by_place else (1.0, 1.0)
    # Scores are compared rounded to two digits.
    bar = (min(heapq.nlargest(wanted, map(scores.__getitem__, numbers))) * least - 0.01) / most
    return [number for number in numbers if scores[number] >= bar]


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
        for code in snapshot.codes(field):
            number = (base & snapshot.bits(f"{field}={code}")).bit_count()
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
        shown = texts[language]
        highlights: dict[str, Snippet] = {
            "name": marker.mark(shown["name"]),
            "summary": marker.mark(shown["summary"], LENGTH),
            "organization": marker.mark(shown["organization"]),
        }
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
