"""The protocol every search engine fulfils, and what goes in and out of it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Literal, Protocol
from uuid import UUID

from portal.catalogue.search.concepts import Concepts
from portal.catalogue.search.documents import ServiceDocument
from portal.catalogue.search.query import Understood

Sort = Literal["relevance", "distance"]
Snippet = tuple[tuple[str, bool], ...]
"""Pieces of a text in order; True marks what the query asked for."""

FACETS = ("topics", "target_groups", "formats", "languages", "kinds")


class SearchError(Exception):
    """Base of everything that can go wrong with an index."""


class IndexUnusable(SearchError):
    """The index is missing, damaged or of an older make: build it anew from the database."""


class IndexBusy(SearchError):
    """Another process has been writing for longer than this one would wait. Nothing was changed."""


class IndexNotWritten(SearchError):
    """The disk refused (full, read-only). The index is as it was before, and its revision too."""


@dataclass(frozen=True, slots=True)
class Place:
    """A municipality. Latitude and longitude in degrees; without them there is no distance."""

    ags: str
    latitude: float | None = None
    longitude: float | None = None


@dataclass(frozen=True, slots=True)
class Filters:
    """Codes within one field are alternatives, fields narrow each other. Empty fields and None do not filter."""

    topics: frozenset[str] = frozenset()
    target_groups: frozenset[str] = frozenset()
    formats: frozenset[str] = frozenset()
    languages: frozenset[str] = frozenset()
    kinds: frozenset[str] = frozenset()
    free: bool = False
    age: int | None = None
    place: Place | None = None
    """Without a radius what serves the municipality or stands in it. With `radius_km` and coordinates what is given
    within the radius, or has no house at all and serves the municipality."""
    radius_km: float | None = None
    open_now_ids: frozenset[UUID] | None = None
    """The offers that are open at this moment, to show only them. An empty set shows nothing."""


@dataclass(frozen=True, slots=True)
class SearchRequest:
    """One page of results. `limit` may be 0 for counts alone."""

    text: str = ""
    language: str = "de"
    filters: Filters = Filters()
    sort: Sort = "relevance"
    offset: int = 0
    limit: int = 20
    near: Place | None = None
    """Where the visitor is, to put the near first without leaving anything out."""
    age_from_text: bool = True
    """An age in the query filters, unless `filters.age` is set; False when the visitor took it back."""
    place_from_text: bool = True
    """A place in the query puts the near first; False when the visitor took it back."""
    count_open_ids: frozenset[UUID] | None = None
    """The offers that are open at this moment, to count them as facet `open_now`."""
    today: date | None = None
    """Leaves out what is outside of its funding period on that day."""


@dataclass(frozen=True, slots=True)
class Hit:
    """`highlights` has name, summary (an extract) and organization in `language`: the visitor's, else German."""

    id: UUID
    slug: str
    score: float
    distance_km: float | None
    language: str
    highlights: Mapping[str, Snippet]


@dataclass(frozen=True, slots=True)
class SearchResults:
    """`facets[name][code]` counts what would be found with that code chosen instead of the others of its field.

    Names are those of FACETS, and `free` and `open_now` with the one code "true".
    """

    total: int
    hits: tuple[Hit, ...]
    facets: Mapping[str, Mapping[str, int]]
    understood: Understood
    did_you_mean: str | None = None
    fallback: bool = False
    """The query matched nothing at all, with or without filters: offer the clearing desk and the topics."""


@dataclass(frozen=True, slots=True)
class Suggestion:
    """Something to pick while typing. `text` is the name to show, `value` the code or slug behind it."""

    kind: Literal["topic", "service", "organization"]
    text: str
    value: str


@dataclass(frozen=True, slots=True)
class IndexState:
    """`revision` is the catalogue's revision that is wholly contained, None for an index nobody has stamped."""

    count: int
    revision: int | None
    details: Mapping[str, str | int] = field(default_factory=dict)


class ServiceIndex(Protocol):
    """One index of the published offers. The database is the truth; this can be thrown away and built anew.

    Every method may raise IndexUnusable; the caller then rebuilds and asks again. Writers may raise IndexBusy and IndexNotWritten. Safe
    to use from several threads and processes; a reader sees the last finished write and never waits for one.
    """

    def use(self, concepts: Concepts) -> None:
        """From now on understand queries with these words; nothing is written."""

    def search(self, request: SearchRequest) -> SearchResults: ...

    def suggest(self, prefix: str, language: str, limit: int = 8) -> tuple[Suggestion, ...]: ...

    def put(self, documents: Iterable[ServiceDocument]) -> None:
        """Add or replace. Visible to every process when this returns."""

    def remove(self, ids: Iterable[UUID]) -> None:
        """Forget; unknown ids are ignored."""

    def catch_up(
        self, documents: Iterable[ServiceDocument], removed: Iterable[UUID], *, since: int, revision: int
    ) -> None:
        """Carry out in one write what changed in the catalogue after revision `since` up to `revision`.

        The mark moves to `revision` only if the index already held everything up to `since`; a gap left by a crash
        stays visible as an older mark.
        """

    def rebuild(self, documents: Iterable[ServiceDocument], revision: int | None = None) -> None:
        """Replace everything. Readers keep the old index until the new one is complete."""

    def count(self) -> int: ...

    @property
    def revision(self) -> int | None: ...

    def state(self) -> IndexState: ...

    def close(self) -> None: ...
