"""The search as the rest of the portal sees it: an index that keeps itself true to the database.

Every question first compares two numbers, the catalogue's revision and the index's mark. When the index lags, the
changed offers are written (any process may do it, one at a time); when it cannot be read, it is built anew.
"""

import logging
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Engine

from portal.catalogue import revision
from portal.catalogue.places import PlaceFinder
from portal.catalogue.queries import Catalogue, ServiceView, published_service_ids, service_views
from portal.catalogue.search.concepts import Concepts, load_concepts
from portal.catalogue.search.documents import ServiceDocument, document_from_view
from portal.catalogue.search.index import (
    IndexBusy,
    IndexNotWritten,
    IndexUnusable,
    Place,
    SearchRequest,
    SearchResults,
    ServiceIndex,
    Suggestion,
)
from portal.catalogue.search.whoosh import WhooshIndex
from portal.db import SessionFactory

log = logging.getLogger("portal.search")
_T = TypeVar("_T")
_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Places:
    """The region's places as the search asks for them."""

    finder: Callable[[], PlaceFinder]

    def find(self, text: str) -> str | None:
        """AGS of the one municipality that `text` names exactly; guesses are for the place field."""
        return self.finder().ags_of(text)

    def where(self, ags: str) -> Place:
        return Place(ags, *(self.finder().centre(ags) or (None, None)))


class SearchService:
    """One region's search. Safe to use from several threads and processes."""

    def __init__(
        self, catalogue: Catalogue, sessions: SessionFactory, index: ServiceIndex, languages: Iterable[str]
    ) -> None:
        self._catalogue = catalogue
        self._sessions = sessions
        self._index = index
        self._languages = tuple(languages)
        self._seen: int | None = None

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
        return cls(catalogue, sessions, index, catalogue.region.languages)

    def search(self, request: SearchRequest) -> SearchResults:
        """Only offers whose time it is: today in the region, unless the request names a day."""
        if request.today is None:
            request = replace(request, today=self._catalogue.today)
        return self._usable(lambda: self._index.search(request))

    def suggest(self, prefix: str, language: str, limit: int = 8) -> tuple[Suggestion, ...]:
        """Only what has a page today: the index also knows offers whose time is yet to come."""
        found = self._usable(lambda: self._index.suggest(prefix, language, limit * 2))
        return tuple(
            suggestion
            for suggestion in found
            if suggestion.kind != "service" or self._catalogue.service(suggestion.value) is not None
        )[:limit]

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
        """What is wrong with the index, in words for whoever watches the machine."""
        try:
            mark, count = self._index.revision, self._index.count()
        except IndexUnusable as error:
            return f"cannot be read ({error}): portal search rebuild"
        if mark != self._catalogue.revision:
            return (
                f"is at revision {mark}, the catalogue at {self._catalogue.revision}: portal search rebuild"
            )
        with self._sessions() as session:
            published = len(published_service_ids(session, self._catalogue.slug))
        if count != published:
            return f"holds {count} of {published} offers: portal search rebuild"
        return None

    def stats(self) -> dict[str, Any]:
        state = self._index.state()
        return {"count": state.count, "revision": state.revision, **state.details}

    def _usable(self, ask: Callable[[], _T]) -> _T:
        try:
            self._follow()
            return ask()
        except IndexUnusable as error:
            log.warning("the index is built anew: %s", error)
            self.rebuild()
            return ask()

    def _follow(self) -> None:
        """Bring the index to the catalogue's revision. Busy means that another process is just doing it."""
        wanted = self._catalogue.revision
        if wanted == self._seen:
            return
        mark = self._index.revision
        if mark == wanted:
            self._seen = wanted
            return
        try:
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
        except (IndexBusy, IndexNotWritten):
            log.info("another process is writing the index; answering from the last finished write")

    def _documents(self) -> Iterator[ServiceDocument]:
        """Every published offer, also those whose time is yet to come: the index knows their dates."""
        with self._sessions() as session:
            ids = published_service_ids(session, self._catalogue.slug)
            for first in range(0, len(ids), _AT_ONCE):
                for view in service_views(session, self._catalogue.slug, ids[first : first + _AT_ONCE]):
                    yield self._document(view)

    def _document(self, view: ServiceView) -> ServiceDocument:
        return document_from_view(view, self._catalogue, self._languages)


def concepts_of(path: Path, region_path: Path) -> Concepts:
    return load_concepts(path, region_path) if region_path.exists() else load_concepts(path)


def search_json(
    service: SearchService, catalogue: Catalogue, query: str, language: str, limit: int
) -> dict[str, Any]:
    """The command line's answer: `{"urgent", "concepts", "results": [{slug, title, kinds, topics, score}]}`."""
    results = service.search(SearchRequest(text=query, language=language, limit=limit))
    views = {view.id: view for view in catalogue.services([hit.id for hit in results.hits])}
    found = []
    for hit in results.hits:
        view = views.get(hit.id)
        if view is None:
            continue
        title = view.text("name", language)
        found.append(
            {
                "slug": view.slug,
                "title": title.text if title else view.name,
                "kinds": list(view.contact_kinds),
                "topics": list(view.topics),
                "score": round(hit.score, 3),
            }
        )
    return {
        "urgent": results.understood.urgent,
        "concepts": [match.concept.id for match in results.understood.concepts],
        "results": found,
    }
