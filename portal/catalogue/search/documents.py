"""What the search knows of an offer, and which words it is found by."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from itertools import pairwise
from typing import Protocol
from uuid import UUID

from portal.catalogue.places import PlaceFinder
from portal.catalogue.queries import LocationView, ServiceView, TermView, Translated
from portal.catalogue.search import analysis
from portal.catalogue.search.analysis import STOP_WORDS_BY_LANGUAGE, Token

SURFACE = "="
"""Marks a term that is a word as written (folded); terms without it are stems."""


@dataclass(frozen=True, slots=True)
class Texts:
    """The texts of an offer in one language, as people read them."""

    name: str
    alternate: str = ""
    """Other names it goes by."""
    summary: str = ""
    organization: str = ""
    topics: tuple[str, ...] = ()
    """Names of its topics, in the order of `ServiceDocument.topics`."""
    labels: tuple[str, ...] = ()
    """Names of contact kinds, target groups and other terms."""
    text: str = ""
    """Everything else worth finding: how to start, what to bring, places."""


@dataclass(frozen=True, slots=True)
class Site:
    """A place where the offer is given. `ags` is the municipality."""

    ags: str | None = None
    latitude: float | None = None
    longitude: float | None = None


@dataclass(frozen=True, slots=True)
class ServiceDocument:
    """An offer as the index stores it. Codes are those of the taxonomies; `areas` are AGS prefixes, "" the nation."""

    id: UUID
    slug: str
    texts: Mapping[str, Texts]
    """By language; German must be there."""
    organization: str = ""
    """Slug of the organization."""
    kinds: tuple[str, ...] = ()
    desk_for: tuple[str, ...] = ()
    topics: tuple[str, ...] = ()
    target_groups: tuple[str, ...] = ()
    formats: tuple[str, ...] = ()
    languages: tuple[str, ...] = ()
    free: bool = False
    minimum_age: int | None = None
    maximum_age: int | None = None
    areas: tuple[str, ...] = ("",)
    sites: tuple[Site, ...] = ()
    confirmed: bool = False
    valid_from: date | None = None
    valid_to: date | None = None


@dataclass(frozen=True, slots=True)
class _Weight:
    weight: float
    usual: float
    """Usual number of words: a longer text says less with each of them."""


# BM25F: the weights are folded into one number per word, so that every engine stores one list per word and language.
_FIELDS = {
    "name": _Weight(5.0, 4),
    "alternate": _Weight(4.0, 4),
    "summary": _Weight(2.0, 25),
    "organization": _Weight(1.8, 4),
    "topics": _Weight(2.0, 4),
    "labels": _Weight(1.2, 12),
    "text": _Weight(1.0, 40),
}
K1 = 1.2
"""BM25: how soon another occurrence of a word stops mattering."""
STEPS = 256
"""The weight of a word, saturated, is one of the steps 1 to 255: an engine may keep it in a byte."""
_LENGTH_MATTERS = 0.4
_PART = 0.45
"""A part of a compound against a word of its own."""


def terms(texts: Texts, language: str) -> dict[str, float]:
    """Terms of `texts` with their BM25F weights, before saturation, rounded to steps."""
    weights: dict[str, float] = defaultdict(float)
    stops = STOP_WORDS_BY_LANGUAGE.get(language, frozenset())
    for field, rule in _FIELDS.items():
        value = getattr(texts, field)
        words = list(_words(" \n ".join(value) if isinstance(value, tuple) else value))
        if not words:
            continue
        share = rule.weight / (1 - _LENGTH_MATTERS + _LENGTH_MATTERS * len(words) / rule.usual)
        for token in words:
            if token.fold in stops:
                continue
            found = analysis.forms(token, language)
            weights[SURFACE + found.fold] += share
            weights[found.stem] += share
            for part in found.parts:
                weights[part] += share * _PART
    return {term: WEIGHTS[step(weight)] for term, weight in weights.items()}


def step(weight: float) -> int:
    return min(STEPS - 1, max(1, round(STEPS * weight / (K1 + weight))))


WEIGHTS = tuple(K1 * number / (STEPS - number) for number in range(STEPS))
"""The weight that each step stands for."""


@lru_cache(maxsize=128)
def words(text: str) -> tuple[Token, ...]:
    """Kept for a moment: the same texts are indexed and then prepared to be shown."""
    return tuple(analysis.tokens(text))


def _words(text: str) -> Iterator[Token]:
    """Words of a text, and for "Schul-Sozialarbeit" also the word without its hyphen."""
    found = words(text)
    yield from found
    for before, after in pairwise(found):
        if after.start == before.end + 1 and text[before.end] in "-‐‑":
            joined = text[before.start : before.end] + text[after.start : after.end]
            yield Token(joined, analysis.fold(joined), before.start, after.end)


class Terms(Protocol):
    """Where the names of taxonomy terms and the middles of municipalities come from: a `Catalogue`."""

    @property
    def places(self) -> PlaceFinder: ...

    def term(self, taxonomy: str, code: str) -> TermView | None: ...


def document_from_view(view: ServiceView, terms: Terms, languages: Iterable[str]) -> ServiceDocument:
    """What the search may know of an offer: nothing about a confidential location, not even its name.

    A language without a translation of name or description gets no texts; its readers see the German ones.
    A house without coordinates counts as standing in the middle of its municipality.
    """
    houses = [location for location in view.locations if not location.confidential]
    return ServiceDocument(
        id=view.id,
        slug=view.slug,
        texts={
            language: _texts(view, houses, terms, language)
            for language in dict.fromkeys(("de", *languages))
            if language == "de" or _is_translated(view, language)
        },
        organization=view.organization.slug,
        kinds=view.contact_kinds,
        desk_for=view.desk_for,
        topics=view.topics,
        target_groups=view.target_groups,
        formats=view.formats,
        languages=view.languages,
        free=view.cost.option == "free",
        minimum_age=view.minimum_age,
        maximum_age=view.maximum_age,
        areas=view.service_areas,
        sites=tuple(_site(location, terms) for location in houses),
        confirmed=view.freshness.state == "confirmed",
        valid_from=view.valid_from,
        valid_to=view.valid_to,
    )


def _is_translated(view: ServiceView, language: str) -> bool:
    return any(
        found is not None and found.language == language
        for found in (view.text("name", language), view.text("description", language))
    )


def _texts(view: ServiceView, houses: Iterable[LocationView], terms: Terms, language: str) -> Texts:
    def text(of: Translated, field: str) -> str:
        found = of.text(field, language)
        return found.text if found else ""

    def names(taxonomy: str, codes: Iterable[str]) -> Iterator[str]:
        for code in codes:
            term = terms.term(taxonomy, code)
            yield (text(term, "short_name") or text(term, "name")) if term else code

    def more() -> Iterator[str]:
        yield text(view, "application_process")
        yield text(view, "eligibility_description")
        yield text(view, "interpretation_services")
        for field in ("required_documents", "expectations"):
            yield from (found.text for found in view.texts(field, language))
        for contact in view.contacts:
            yield from (text(contact, "department"), text(contact, "title"))
        for house in houses:
            yield from (text(house, "name"), text(house, "description"))
            if house.address is not None:
                yield house.address.city

    labels = (
        *names("contact_kinds", view.contact_kinds),
        *names("target_groups", view.target_groups),
        *names("helpline_needs", view.helpline_needs),
    )
    return Texts(
        name=text(view, "name"),
        alternate=" ".join((text(view, "alternate_name"), text(view.organization, "alternate_name"))).strip(),
        summary=text(view, "description"),
        organization=text(view.organization, "name"),
        topics=tuple(names("topics", view.topics)),
        labels=labels,
        text="\n".join(part for part in more() if part),
    )


def _site(location: LocationView, terms: Terms) -> Site:
    latitude, longitude = location.latitude, location.longitude
    if (latitude is None or longitude is None) and location.place:
        centre = terms.places.centre(location.place)
        latitude, longitude = centre or (None, None)
    return Site(location.place, latitude, longitude)
