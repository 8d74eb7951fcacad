"""What a region has and what it lacks: for those who plan, not for those who seek."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import distinct, func, not_, select
from sqlmodel import Session

from portal.catalogue import models
from portal.catalogue.matching import Level, resolve
from portal.catalogue.quality import CONFIRMED_DAYS, visible_services
from portal.catalogue.queries import Catalogue, TermView
from portal.catalogue.rows import table
from portal.catalogue.vocabulary import CONTACT_KINDS

ENDS_WITHIN = timedelta(days=365)


@dataclass(frozen=True, slots=True)
class TopicSupply:
    term: TermView
    offers: int
    towns: int
    """With a house of such an offer."""
    confirmed: int
    """By the office within `CONFIRMED_DAYS`."""
    ending: int
    """Funded for less than a year from now."""


@dataclass(frozen=True, slots=True)
class KindSupply:
    term: TermView
    levels: Mapping[Level, int]
    """Number of places whose answer comes from there."""
    without: tuple[str, ...]
    """Names of the places where the clearing desk has to stand in."""


def by_topic(session: Session, catalogue: Catalogue) -> list[TopicSupply]:
    """The topic with the fewest offers first. Counts what the public sees today."""
    today = catalogue.today
    since, until = today - timedelta(days=CONFIRMED_DAYS), today + ENDS_WITHIN
    service, attribute, term = table(models.Service), table(models.Attribute), table(models.TaxonomyTerm)
    at, location, address = table(models.ServiceAtLocation), table(models.Location), table(models.Address)
    tagged = (
        service.join(attribute, attribute.c.link_id == service.c.id)
        .join(term, term.c.id == attribute.c.taxonomy_term_id)
    )  # fmt: skip
    visible = (
        attribute.c.link_type == "topics",
        service.c.id.in_(visible_services(catalogue.slug, today)),
    )
    counted = (
        select(
            term.c.code,
            func.count(),
            func.count().filter(service.c.assured_date >= since),
            func.count().filter(service.c.valid_to <= until),
        )
        .select_from(tagged)
        .where(*visible)
        .group_by(term.c.code)
    )
    numbers = {row[0]: tuple(row)[1:] for row in session.execute(counted)}
    housed = (
        tagged.join(at, at.c.service_id == service.c.id)
        .join(location, location.c.id == at.c.location_id)
        .join(address, address.c.location_id == location.c.id)
    )  # fmt: skip
    in_towns = (
        select(term.c.code, func.count(distinct(address.c.city)))
        .select_from(housed)
        .where(*visible, not_(location.c.confidential))
        .group_by(term.c.code)
    )
    towns = {row[0]: row[1] for row in session.execute(in_towns)}
    found = []
    for one in catalogue.terms("topics"):
        offers, confirmed, ending = numbers.get(one.code, (0, 0, 0))
        found.append(TopicSupply(one, offers, towns.get(one.code, 0), confirmed, ending))
    return sorted(found, key=lambda one: one.offers)


def by_kind(catalogue: Catalogue) -> list[KindSupply]:
    """Who answers in each place; the kind that most places lack first."""
    names = {place.ags: place.name for place in catalogue.places.all()}
    found = []
    for term in catalogue.terms(CONTACT_KINDS):
        desks = {ags: resolve(catalogue, term.code, place=ags) for ags in names}
        levels: Counter[Level] = Counter(desk.level for desk in desks.values())
        lacking = [names[ags] for ags, desk in desks.items() if desk.level == "clearing"]
        found.append(KindSupply(term, levels, tuple(sorted(lacking))))
    return sorted(found, key=lambda one: -len(one.without))
