"""From a kind of contact to the real desk for a place, and from a situation to offers that fit.

The most specific area wins: a desk of the municipality before one of the county, the Land, the nation; what
nobody serves ends at the region's clearing desk, so that every known kind has an answer for every place.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from zoneinfo import ZoneInfo

from portal.catalogue import hours
from portal.catalogue.geography import covers, distance_km
from portal.catalogue.queries import Catalogue, LocationView, PhoneView, ServiceView
from portal.catalogue.reading import CatalogueError
from portal.catalogue.vocabulary import CONTACT_KINDS, DANGER_KINDS

Level = Literal["municipality", "county", "state", "nation", "clearing"]

FIRST_DESK = "clearing"
"""The kind of contact that helps whoever does not know where to go."""
_CONFIDENCE = {"confirmed": 0, "high": 1, "medium": 2, "low": 3}
_NOWHERE = float("inf")


class UnknownKind(CatalogueError):
    """Not a term of `contact_kinds`: a mistake in the rules, not in the data."""


class NoDesk(CatalogueError):
    """The region has not a single visible service."""


@dataclass(frozen=True, slots=True)
class Desk:
    kind: str
    service: ServiceView
    location: LocationView | None
    """Where to go; None for a desk without a house, for a shelter, and when it has several and no place is known."""
    phones: tuple[PhoneView, ...]
    distance_km: float | None
    """From the middle of the municipality, as the crow flies."""
    level: Level


@dataclass(frozen=True, slots=True)
class Offer:
    service: ServiceView
    location: LocationView | None
    distance_km: float | None
    kinds: tuple[str, ...]
    topics: tuple[str, ...]
    """What of the question it matches."""


def resolve(catalogue: Catalogue, kind: str, *, place: str | None, at: datetime | None = None) -> Desk:
    """The one desk for `kind`. `place` is an AGS; None asks for the county as a whole.

    With `at`, where somebody may be in danger, a desk that is closed then gives way to one that is not.
    Raises UnknownKind.
    """
    ranked = desks(catalogue, kind, place=place)
    if at is not None and kind in DANGER_KINDS and len(ranked) > 1:
        return next((desk for desk in ranked if not _is_closed(catalogue, desk, at)), ranked[0])
    return ranked[0]


def desks(catalogue: Catalogue, kind: str, *, place: str | None) -> tuple[Desk, ...]:
    """All desks for `kind` that serve `place`, best first; never empty. Raises UnknownKind."""
    key = ("desks", kind, place, catalogue.today)
    return catalogue.cached(key, lambda: _ranked(catalogue, kind, place))


def _ranked(catalogue: Catalogue, kind: str, place: str | None) -> tuple[Desk, ...]:
    region = catalogue.region
    area = place or region.county_area
    centre = catalogue.places.centre(place) if place else None
    order = {slug: index for index, slug in enumerate(region.helplines)}
    if catalogue.term(CONTACT_KINDS, kind) is None:
        raise UnknownKind(kind)
    ranked = []
    for service in catalogue.desks.get(kind, ()):
        covering = max((len(own) for own in service.service_areas if covers(own, area)), default=None)
        if covering is None:
            continue
        location, is_its_house = _house(catalogue, service, area, centre)
        distance = _distance(catalogue, location, centre)
        sort_key = (
            -covering,
            not is_its_house,
            distance if distance is not None else _NOWHERE,
            order.get(service.slug, len(order)),
            _CONFIDENCE.get(service.confidence, 3),
            service.slug,
        )
        ranked.append((sort_key, _desk(kind, service, location, distance, _level(covering))))
    if ranked:
        return tuple(desk for _key, desk in sorted(ranked, key=lambda entry: entry[0]))
    return (_clearing_desk(catalogue, kind, area, centre),)


def _level(length: int) -> Level:
    if length == 8:
        return "municipality"
    if length == 5:
        return "county"
    return "state" if length else "nation"


def _desk(
    kind: str, service: ServiceView, location: LocationView | None, distance: float | None, level: Level
) -> Desk:
    shown = None if location is None or location.confidential else location
    return Desk(kind, service, shown, service.phones_at(location), distance, level)


def _clearing_desk(catalogue: Catalogue, kind: str, area: str, centre: tuple[float, float] | None) -> Desk:
    service = catalogue.service(catalogue.region.clearing_desk)
    if service is None:
        # Somebody unpublished it. A person in need must still get an answer, a listening one at best.
        service = next(iter(catalogue.helplines or catalogue.services()), None)
    if service is None:
        raise NoDesk(catalogue.slug)
    location, _ = _house(catalogue, service, area, centre)
    return _desk(kind, service, location, _distance(catalogue, location, centre), "clearing")


def _house(
    catalogue: Catalogue, service: ServiceView, area: str, centre: tuple[float, float] | None
) -> tuple[LocationView | None, bool]:
    """Where to go for this service, and whether that house says that it serves `area`."""
    best: tuple[int, LocationView] | None = None
    for location in service.locations:
        covering = max((len(own) for own in location.service_areas if covers(own, area)), default=-1)
        if covering >= 0 and (best is None or covering > best[0]):
            best = (covering, location)
    if best:
        return best[1], True
    # A house that serves other municipalities is the last choice, but better than no house.
    undivided = [location for location in service.locations if not location.service_areas]
    return _nearest(catalogue, undivided or service.locations, centre), False


def _nearest(
    catalogue: Catalogue, locations: Sequence[LocationView], centre: tuple[float, float] | None
) -> LocationView | None:
    if len(locations) < 2:
        return locations[0] if locations else None
    if centre is None:
        # Naming one of several houses without knowing the place would be a guess.
        return None

    def distance(location: LocationView) -> float:
        away = _distance(catalogue, location, centre)
        return _NOWHERE if away is None else away

    return min(locations, key=distance)


def position(catalogue: Catalogue, location: LocationView) -> tuple[float, float] | None:
    """Where a house stands; without coordinates the middle of its municipality, as the search counts too."""
    if location.latitude is not None and location.longitude is not None:
        return location.latitude, location.longitude
    return catalogue.places.centre(location.place) if location.place else None


def _distance(
    catalogue: Catalogue, location: LocationView | None, centre: tuple[float, float] | None
) -> float | None:
    there = position(catalogue, location) if location is not None else None
    return distance_km(*centre, *there) if centre is not None and there is not None else None


def _is_closed(catalogue: Catalogue, desk: Desk, at: datetime) -> bool:
    """Only when its hours say so."""
    schedules = desk.service.schedules_at(desk.location)
    by_phone = tuple(entry.opening_hours for entry in schedules if entry.channel in ("phone", "chat"))
    texts = by_phone or tuple(entry.opening_hours for entry in schedules)
    if not texts:
        return False
    region = catalogue.region
    status = hours.opening_status(
        texts, at, subdivision=region.holiday_subdivision, timezone=ZoneInfo(region.timezone)
    )
    return status.state == "closed"


def fitting_offers(
    catalogue: Catalogue,
    *,
    kinds: Sequence[str] = (),
    topics: Collection[str] = (),
    place: str | None = None,
    age: int | None = None,
    exclude: Collection[str] = (),
    limit: int = 6,
) -> tuple[Offer, ...]:
    """Offers beside the first contact: those that share most with the situation, near ones and confirmed ones first.

    `kinds` best first; `exclude` are slugs that already stand on the page. An age that does not fit, and a
    place that is not served, rule an offer out.
    """
    area = place or catalogue.region.county_area
    centre = catalogue.places.centre(place) if place else None
    weights = {kind: max(4 - index, 1) for index, kind in enumerate(dict.fromkeys(kinds))}
    wanted_topics = frozenset(topics)
    ranked = []
    tags = {"contact_kinds": list(weights), "topics": sorted(wanted_topics)}
    for service in catalogue.services_tagged(tags, limit=500):
        if service.slug in exclude or (age is not None and not service.fits_age(age)):
            continue
        covering = max((len(own) for own in service.service_areas if covers(own, area)), default=None)
        if covering is None:
            # Asked for the whole county: what one of its towns offers fits too, after the rest.
            if place is not None or not any(covers(area, own) for own in service.service_areas):
                continue
            covering = 0
        same_kinds = tuple(kind for kind in service.contact_kinds if kind in weights)
        same_topics = tuple(topic for topic in service.topics if topic in wanted_topics)
        location, _ = _house(catalogue, service, area, centre)
        distance = _distance(catalogue, location, centre)
        has_age = age is not None and (service.minimum_age is not None or service.maximum_age is not None)
        sort_key = (
            -(sum(weights[kind] for kind in same_kinds) + 2 * len(same_topics) + has_age),
            -covering,
            service.freshness.state != "confirmed",
            # Two kilometres more or less decide nothing, and without a distance it counts as far.
            round(distance / 5) if distance is not None else 20,
            _CONFIDENCE.get(service.confidence, 3),
            service.slug,
        )
        shown = None if location is None or location.confidential else location
        ranked.append((sort_key, Offer(service, shown, distance, same_kinds, same_topics)))
    ranked.sort(key=lambda entry: entry[0])
    return tuple(offer for _key, offer in ranked[:limit])
