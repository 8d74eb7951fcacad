"""The search as the rest of the portal sees it: an index that keeps itself true to the database.

Every question first compares two numbers, the catalogue's revision and the index's mark. When the index lags, the
changed offers are written (any process may do it, one at a time); when it cannot be read, it is built anew. That is done
beside the questions: they wait a little for it, and are then answered by what there is, the last finished index or the
catalogue in memory. Such an answer is `LimitedResults`, so that the page can say so.
"""

import hashlib
import json
import logging
import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, fields, replace
from functools import partial
from math import inf
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from portal.catalogue import revision
from portal.catalogue.geography import distance_km
from portal.catalogue.matching import FIRST_DESK, NoDesk, position, resolve
from portal.catalogue.places import PlaceFinder
from portal.catalogue.queries import Catalogue, ServiceView, published_service_ids, service_views
from portal.catalogue.search import analysis
from portal.catalogue.search.analysis import STOP_WORDS
from portal.catalogue.search.concepts import Concepts, SynonymsError, load_concepts
from portal.catalogue.search.documents import ServiceDocument, document_from_view
from portal.catalogue.search.index import (
    FACETS,
    Hit,
    IndexBusy,
    IndexUnusable,
    Place,
    SearchError,
    SearchRequest,
    SearchResults,
    ServiceIndex,
    Suggestion,
)
from portal.catalogue.search.learned import Learned, LearnedError
from portal.catalogue.search.query import Understood, understand
from portal.catalogue.search.whoosh import WhooshIndex
from portal.db import SessionFactory

log = logging.getLogger("portal.search")
_T = TypeVar("_T")
_AT_ONCE = 500
_PATIENCE = 4.0
"""Seconds that questions wait for an index that is being written. Small regions are built anew within one."""
_PAUSE = 5.0
"""Seconds until something that failed is tried again; questions do not pay for every try."""
_SOON = 0.5
"""The same, while the index is being built."""
_SURE, _PLAIN = 0.5, ("exact", "joined", "start", "typo")
"""Of a recognised concept: from here on it is shown as what somebody means."""
_BROKEN = (SearchError, SQLAlchemyError, OSError)


@dataclass(frozen=True, slots=True)
class LimitedResults(SearchResults):
    """An answer while something is wrong: from an index that lacks the newest changes, or from no index at all."""


@dataclass(frozen=True, slots=True)
class Places:
    """The region's places as the search asks for them."""

    finder: Callable[[], PlaceFinder]

    def find(self, text: str) -> str | None:
        """AGS of the one municipality that `text` names exactly; guesses are for the place field."""
        return self.finder().ags_of(text)

    def guess(self, text: str) -> str | None:
        """The same for a misspelt name, if it can be only one."""
        result = self.finder().find(text)
        return result.places[0].ags if result.status == "found" else None

    def where(self, ags: str) -> Place:
        return Place(ags, *(self.finder().centre(ags) or (None, None)))


class SearchService:
    """One region's search. Safe to use from several threads and processes."""

    def __init__(
        self,
        catalogue: Catalogue,
        sessions: SessionFactory,
        index: ServiceIndex,
        languages: Iterable[str],
        concepts: Concepts,
        places: Places,
        *,
        own_words: "OwnWords | None" = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._own_words = own_words
        self._catalogue = catalogue
        self._sessions = sessions
        self._index = index
        self._languages = tuple(languages)
        self._concepts = concepts
        self._places = places
        self._memory = CatalogueInMemory(catalogue, concepts, places)
        self._monotonic = monotonic
        self._seen: int | None = None
        self._lock = threading.Lock()
        self._work: _Work | None = None
        self._tries = 0
        self._not_written: Exception | None = None
        self._write_again = self._ask_again = -inf

    @classmethod
    def open(
        cls,
        catalogue: Catalogue,
        sessions: SessionFactory,
        *,
        index_dir: Path,
        content_dir: Path,
        database: Engine | None = None,
    ) -> "SearchService":
        """The search of `catalogue`, with its index in `index_dir`, or in `database` (PostgreSQL) if it is given.

        Reads the synonyms; touches no index yet.
        """
        own = content_dir / "regions" / catalogue.slug / "synonyms.yaml"
        concepts = concepts_of(content_dir / "synonyms.yaml", own)
        places = Places(lambda: catalogue.places)
        index: ServiceIndex
        if database is None:
            index = WhooshIndex(index_dir, concepts, places)
        else:
            from portal.catalogue.search.postgres import PostgresIndex

            index = PostgresIndex(database, catalogue.slug, concepts, places)
        own_words = OwnWords((content_dir / "synonyms.yaml", own), index_dir.parent / "words", catalogue.slug)
        return cls(
            catalogue, sessions, index, catalogue.region.languages, concepts, places, own_words=own_words
        )

    def search(self, request: SearchRequest) -> SearchResults:
        """Only offers whose time it is: today in the region, unless the request names a day.

        Never fails for want of an index: see `LimitedResults`.
        """
        self._follow_words()
        if request.today is None:
            request = replace(request, today=self._catalogue.today)
        found = self._asked(partial(self._index.search, request))
        if found is None:
            return self._memory.search(request)
        if self._seen != self._catalogue.revision:
            return LimitedResults(**{field.name: getattr(found, field.name) for field in fields(found)})
        return found

    def suggest(self, prefix: str, language: str, limit: int = 8) -> tuple[Suggestion, ...]:
        """Only what has a page today: the index also knows offers whose time is yet to come."""
        self._follow_words()
        found = self._asked(partial(self._index.suggest, prefix, language, limit * 2))
        if found is None:
            return self._memory.suggest(prefix, language, limit)
        return tuple(
            suggestion
            for suggestion in found
            if suggestion.kind != "service" or self._catalogue.service(suggestion.value) is not None
        )[:limit]

    def understood(self, text: str, language: str) -> Understood:
        """What a query says, without looking for anything."""
        self._follow_words()
        return understand(text, language, self._concepts, self._places.find, self._places.guess)

    def kinds_meant(self, text: str, language: str) -> tuple[str, ...]:
        """The kinds of contact that the words of `text` surely stand for, first the one behind most of them."""
        found = sorted(
            (
                match
                for match in self.understood(text, language).concepts
                if match.strength >= _SURE and match.how in _PLAIN
            ),
            key=lambda match: (-len(match.tokens), -match.strength),
        )
        return tuple(dict.fromkeys(match.concept.kinds[0] for match in found if match.concept.kinds))

    def rebuild(self) -> int:
        """Build the index anew from the database; returns the number of offers."""
        self._catalogue.refresh()
        mark = self._catalogue.revision
        self._index.rebuild(self._documents(), revision=mark)
        self._seen = mark
        return self._index.count()

    def rebuild_if_needed(self) -> bool:
        """True when the index had to be built or brought up to date."""
        self._catalogue.refresh()
        try:
            if self._index.revision == self._catalogue.revision:
                return False
        except IndexUnusable:
            pass
        self.rebuild()
        return True

    def problem(self) -> str | None:
        """What is wrong with the index, in words for whoever watches the machine; no paths, no addresses."""
        refused = self._not_written
        try:
            mark, count = self._index.revision, self._index.count()
        except _BROKEN as error:
            unreadable = f"cannot be read ({_reason(error)})"
            return (
                f"{unreadable} and cannot be written ({_reason(refused)})"
                if refused
                else f"{unreadable}: portal search rebuild"
            )
        if mark != self._catalogue.revision:
            lagging = f"is at revision {mark}, the catalogue at {self._catalogue.revision}"
            return (
                f"{lagging}; it cannot be written ({_reason(refused)})"
                if refused
                else f"{lagging}: portal search rebuild"
            )
        with self._sessions() as session:
            published = len(published_service_ids(session, self._catalogue.slug))
        if count != published:
            return f"holds {count} of {published} offers: portal search rebuild"
        return None

    def stats(self) -> dict[str, Any]:
        state = self._index.state()
        return {"count": state.count, "revision": state.revision, **state.details}

    @property
    def concepts(self) -> Concepts:
        """All words the search knows."""
        return self._concepts

    def _follow_words(self) -> None:
        """Take over words that coordinators added; questions meanwhile are understood without them."""
        own, wanted = self._own_words, self._catalogue.extras.synonyms
        if own is None or not own.begin(wanted):
            return
        threading.Thread(target=self._take_words, args=(own, wanted), name="words", daemon=True).start()

    def _take_words(self, own: "OwnWords", wanted: Mapping[str, Mapping[str, Sequence[str]]]) -> None:
        concepts = own.load(wanted)
        if concepts is not None:
            self._concepts = concepts
            self._index.use(concepts)
            self._memory.use(concepts)

    # -- an index that mends itself --------------------------------------------------------------------------------

    def _asked(self, ask: Callable[[], _T]) -> _T | None:
        """The index's answer; None when there is none to be had now."""
        if self._monotonic() < self._ask_again:
            return None
        try:
            if self._seen != self._catalogue.revision:
                self._bring_up(tries=self._tries)
            tries = self._tries
            try:
                return ask()
            except IndexUnusable as error:
                log.warning("the index cannot be used: %s", _reason(error))
                self._bring_up(tries=tries, anew=True)
                return ask()
        except _BROKEN as error:
            log.error("answered without the index: %s", _reason(error))
            # Asking what does not answer may take long, and building in vain even longer.
            now = self._monotonic()
            self._ask_again = now + (_PAUSE if self._work is None else _SOON)
            if isinstance(error, IndexUnusable):
                self._write_again = max(self._write_again, now + _PAUSE)
            return None

    def _bring_up(self, *, tries: int, anew: bool = False) -> None:
        """Have the index brought to the catalogue's revision, and wait for it, but not for long.

        `tries` is how often that had been done when the caller looked: if more by now, somebody else saw to it.
        """
        with self._lock:
            work = self._work
            if work is None:
                if tries != self._tries or self._monotonic() < self._write_again:
                    return
                work = self._work = _Work(self._monotonic() + _PATIENCE, threading.Event())
                threading.Thread(target=self._write, args=(work, anew), name="search", daemon=True).start()
        work.done.wait(max(0.0, work.patience_ends - self._monotonic()))

    def _write(self, work: "_Work", anew: bool) -> None:
        try:
            if anew:
                self.rebuild()
            else:
                self._catch_up()
            self._not_written = None
        except _BROKEN as error:
            # Busy: another process is doing it.
            log.log(
                logging.INFO if isinstance(error, IndexBusy) else logging.ERROR,
                "the index was not written: %s",
                _reason(error),
            )
            self._not_written = None if isinstance(error, IndexBusy) else error
            self._write_again = self._monotonic() + _PAUSE
        finally:
            with self._lock:
                self._tries += 1
                self._work = None
            work.done.set()

    def _catch_up(self) -> None:
        wanted = self._catalogue.revision
        try:
            mark = self._index.revision
            if mark == wanted:
                self._seen = wanted
                return
            with self._sessions() as session:
                changed = (
                    None
                    if mark is None
                    else revision.changed_service_ids(session, self._catalogue.slug, since=mark)
                )
            if changed is None or mark is None:
                self.rebuild()
                return
            with self._sessions() as session:
                published = set(published_service_ids(session, self._catalogue.slug)) & changed
                present = service_views(session, self._catalogue.slug, published)
            self._index.catch_up(
                [self._document(view) for view in present],
                changed - published,
                since=mark,
                revision=wanted,
            )
            self._seen = wanted
        except IndexUnusable as error:
            log.warning("the index is built anew: %s", _reason(error))
            self.rebuild()

    def _documents(self) -> Iterator[ServiceDocument]:
        """Every published offer, also those whose time is yet to come: the index knows their dates."""
        with self._sessions() as session:
            ids = published_service_ids(session, self._catalogue.slug)
            for first in range(0, len(ids), _AT_ONCE):
                for view in service_views(session, self._catalogue.slug, ids[first : first + _AT_ONCE]):
                    yield self._document(view)

    def _document(self, view: ServiceView) -> ServiceDocument:
        return document_from_view(view, self._catalogue, self._languages)


@dataclass(frozen=True, slots=True)
class _Work:
    """The index is being written; nobody waits longer than to `patience_ends` on the monotonic clock."""

    patience_ends: float
    done: threading.Event


def _reason(error: BaseException) -> str:
    """What went wrong, without the path or address that such messages carry."""
    cause = error
    for _ in range(5):
        # Bounded: an error may name itself as its cause.
        cause = cause.__cause__ or cause
    if isinstance(cause, OSError):
        return cause.strerror or type(cause).__name__
    if isinstance(cause, SearchError):
        return str(cause)
    return type(cause).__name__


@dataclass(frozen=True, slots=True)
class _Words:
    """An offer as the search without an index sees it: folded texts, each with a blank at both ends."""

    view: ServiceView
    title: str
    text: str


class CatalogueInMemory:
    """What is left of the search without an index: words and beginnings of words in the catalogue's own texts.

    It knows the offers that the process holds: all of a county's, and where there are too many for that, the desks and
    helplines. Concepts, places, ages, filters and their counts are the same as with an index; there is no stemming, no
    correction and no extract.
    """

    def __init__(self, catalogue: Catalogue, concepts: Concepts, places: Places) -> None:
        self._catalogue = catalogue
        self._concepts = concepts
        self._places = places

    def use(self, concepts: Concepts) -> None:
        self._concepts = concepts

    def search(self, request: SearchRequest) -> LimitedResults:
        understood = understand(
            request.text, request.language, self._concepts, self._places.find, self._places.guess
        )
        today = request.today or self._catalogue.today
        offers = [words for words in self._offers(request.language) if words.view.is_visible(today)]
        asked = bool(understood.words or understood.concepts)
        scores = {words.view.id: _score(words, understood) if asked else 1.0 for words in offers}
        matched = [words.view for words in offers if scores[words.view.id] > 0]

        tests = self._tests(request, understood)
        found = [view for view in matched if all(test(view) for test in tests.values())]
        place = request.filters.place or request.near
        if place is None and understood.place and request.place_from_text:
            place = self._places.where(understood.place)
        distances = {view.id: self._distance(view, place) for view in found}

        def order(view: ServiceView) -> tuple[object, ...]:
            km = distances[view.id]
            near = inf if km is None else km
            last = (view.freshness.state != "confirmed", view.name, view.slug)
            best = (-scores[view.id], near)
            return (near, best[0], *last) if request.sort == "distance" else (*best, *last)

        found.sort(key=order)
        start = max(request.offset, 0)
        return LimitedResults(
            total=len(found),
            hits=tuple(
                Hit(view.id, view.slug, scores[view.id], distances[view.id], request.language, {})
                for view in found[start : start + max(request.limit, 0)]
            ),
            facets=_counts(matched, tests, request),
            understood=understood,
            fallback=asked and not matched,
        )

    def suggest(self, prefix: str, language: str, limit: int) -> tuple[Suggestion, ...]:
        """Offers with a word that begins so."""
        start = f" {analysis.normalise(prefix[:100])}"
        if start == " ":
            return ()
        today = self._catalogue.today
        found = []
        for words in self._offers(language):
            name = words.view.text("name", language)
            if start in words.title and name and words.view.is_visible(today):
                found.append(Suggestion("service", name.text, words.view.slug))
        return tuple(found[:limit])

    def _offers(self, language: str) -> Sequence[_Words]:
        def make() -> list[_Words]:
            return [self._words(view, language) for view in self._catalogue.current.services.values()]

        return self._catalogue.cached(("words", language), make)

    def _words(self, view: ServiceView, language: str) -> _Words:
        def texts(field: str) -> list[str]:
            text = view.text(field, language)
            return [getattr(view, field) or "", text.text if text else ""]

        terms = [self._catalogue.term("topics", code) for code in view.topics]
        names = [name for term in terms if term for name in (term.name, _text(term.text("name", language)))]
        title = [*texts("name"), view.alternate_name or "", view.organization.name]
        return _Words(view, _folded(title), _folded([*texts("description"), *names]))

    def _tests(
        self, request: SearchRequest, understood: Understood
    ) -> dict[str, Callable[[ServiceView], bool]]:
        """One question for each filter that is set; their names are those of `ranking.Snapshot.filtered`."""
        filters = request.filters
        tests: dict[str, Callable[[ServiceView], bool]] = {}
        for field in FACETS:
            chosen: frozenset[str] = getattr(filters, field)
            if chosen:
                tests[field] = partial(_has_any, field, chosen)
        if filters.free:
            tests["free"] = _is_free
        age = filters.age
        if age is None and request.age_from_text:
            age = understood.age
        if age is not None:
            tests["age"] = partial(_fits_age, age)
        if filters.place is not None:
            tests["place"] = partial(self._is_near, filters.place, filters.radius_km)
        if filters.open_now_ids is not None:
            tests["open_now"] = partial(_is_one_of, filters.open_now_ids)
        return tests

    def _distance(self, view: ServiceView, place: Place | None) -> float | None:
        """To its nearest house, in km."""
        if place is None or place.latitude is None or place.longitude is None:
            return None
        there = (position(self._catalogue, location) for location in view.locations)
        return min((distance_km(place.latitude, place.longitude, *at) for at in there if at), default=None)

    def _is_near(self, place: Place, radius_km: float | None, view: ServiceView) -> bool:
        if radius_km is not None and place.latitude is not None:
            km = self._distance(view, place)
            return view.covers(place.ags) if km is None else km <= radius_km
        return view.covers(place.ags) or any(house.place == place.ags for house in view.locations)


def _text(text: Any) -> str:
    return text.text if text else ""


def _folded(texts: Iterable[str]) -> str:
    return f" {' '.join(analysis.normalise(text) for text in texts)} "


def _score(words: _Words, understood: Understood) -> float:
    """How much of what was asked stands in the name (most), in the text, or is what a concept means."""
    score = 0.0
    for i in understood.words:
        word = understood.tokens[i].fold
        if word not in STOP_WORDS or len(understood.words) == 1:
            # A short word inside of another one says nothing; a long one is part of a compound.
            inside = word if len(word) > 4 else f" {word}"
            score += 3 if inside in words.title else 1 if inside in words.text else 0
    for match in understood.concepts:
        concept, view = match.concept, words.view
        weight = match.strength * (0.5 if concept.generic else 1)
        for rank, kind in enumerate(concept.kinds):
            if kind in view.contact_kinds:
                score += weight * (5 if kind in view.desk_for else 4) / (rank + 1)
                break
        score += weight * any(topic in view.topics for topic in concept.topics)
    return score


def _codes(view: ServiceView, field: str) -> Sequence[str]:
    found: Sequence[str] = getattr(view, "contact_kinds" if field == "kinds" else field)
    return found


def _has_any(field: str, chosen: frozenset[str], view: ServiceView) -> bool:
    return not chosen.isdisjoint(_codes(view, field))


def _is_free(view: ServiceView) -> bool:
    return view.cost.option == "free"


def _fits_age(age: int, view: ServiceView) -> bool:
    return view.fits_age(age)


def _is_one_of(ids: frozenset[UUID], view: ServiceView) -> bool:
    return view.id in ids


def _counts(
    matched: Sequence[ServiceView],
    tests: Mapping[str, Callable[[ServiceView], bool]],
    request: SearchRequest,
) -> dict[str, dict[str, int]]:
    """As `SearchResults.facets` promises: under all filters but that of the same field."""

    def without(name: str) -> list[ServiceView]:
        others = [test for other, test in tests.items() if other != name]
        return [view for view in matched if all(test(view) for test in others)]

    out: dict[str, dict[str, int]] = {}
    for field in FACETS:
        chosen: frozenset[str] = getattr(request.filters, field)
        out[field] = dict.fromkeys(chosen, 0)
        for view in without(field):
            for code in set(_codes(view, field)):
                out[field][code] = out[field].get(code, 0) + 1
    out["free"] = {"true": sum(map(_is_free, without("free")))}
    if request.count_open_ids is not None:
        is_open = partial(_is_one_of, request.count_open_ids)
        out["open_now"] = {"true": sum(map(is_open, without("open_now")))}
    return out


def concepts_of(path: Path, *extensions: Path) -> Concepts:
    """With what was learnt from examples, if it lies beside `path`: the search also works without.

    Extensions that do not exist are left out.
    """
    learned: Learned | None = None
    try:
        learned = Learned.load(path.with_name("learned.bin"))
    except LearnedError as error:
        log.warning("the search does without examples: %s", error)
    return load_concepts(
        path, *(extension for extension in extensions if extension.exists()), learned=learned
    )


class OwnWords:
    """Words that coordinators added in the admin pages, written down in the format of the other word files."""

    def __init__(self, files: tuple[Path, ...], folder: Path, region: str) -> None:
        self._files = files
        self._folder = folder
        self._region = region
        self._taken: Mapping[str, Mapping[str, Sequence[str]]] = {}
        self._lock = threading.Lock()

    def begin(self, wanted: Mapping[str, Mapping[str, Sequence[str]]]) -> bool:
        """True for the one caller that has to load them."""
        if wanted is self._taken or wanted == self._taken:
            return False
        with self._lock:
            if wanted == self._taken:
                return False
            self._taken = wanted
            return True

    def load(self, wanted: Mapping[str, Mapping[str, Sequence[str]]]) -> Concepts | None:
        """All concepts with these words; None when they cannot be read, which is in the log."""
        try:
            return concepts_of(*self._files, *([self._written(wanted)] if wanted else []))
        except (SynonymsError, OSError) as error:
            log.error("words of the admin pages are not used: %s", type(error).__name__)
            return None

    def _written(self, wanted: Mapping[str, Mapping[str, Sequence[str]]]) -> Path:
        concepts = [
            {
                "id": concept,
                **{
                    language: {"everyday": list(words)} if language == "de" else list(words)
                    for language, words in sorted(by_language.items())
                },
            }
            for concept, by_language in sorted(wanted.items())
        ]
        body = json.dumps({"version": 1, "updated": "2026-01-01", "concepts": concepts}, ensure_ascii=False)
        digest = hashlib.sha256(body.encode()).hexdigest()[:16]
        # JSON is YAML. The name follows from the content, so processes may write it at the same time.
        path = self._folder / f"{self._region}-{digest}.yaml"
        if not path.exists():
            self._folder.mkdir(parents=True, exist_ok=True)
            new = path.with_suffix(f".{os.getpid()}")
            new.write_text(body, encoding="utf-8")
            new.replace(path)
            for old in self._folder.glob(f"{self._region}-*.yaml"):
                if old != path:
                    old.unlink(missing_ok=True)
        return path


def search_json(
    service: SearchService, catalogue: Catalogue, query: str, language: str, limit: int
) -> dict[str, Any]:
    """The command line's answer: `{"urgent", "concepts", "results": [{slug, title, kinds, topics, score}]}`.

    Where nothing is found there is the clearing desk, with a score of 0, as on the page.
    """
    results = service.search(SearchRequest(text=query, language=language, limit=limit))
    views = {view.id: view for view in catalogue.services([hit.id for hit in results.hits])}
    found = [(views[hit.id], hit.score) for hit in results.hits if hit.id in views]
    if not results.total and limit > 0:
        with suppress(NoDesk):
            found = [(resolve(catalogue, FIRST_DESK, place=results.understood.place).service, 0.0)]
    return {
        "urgent": results.understood.urgent,
        "concepts": [match.concept.id for match in results.understood.concepts],
        "results": [
            {
                "slug": view.slug,
                "title": title.text if (title := view.text("name", language)) else view.name,
                "kinds": list(view.contact_kinds),
                "topics": list(view.topics),
                "score": round(score, 3),
            }
            for view, score in found
        ],
    }
