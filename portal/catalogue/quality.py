"""How true and how complete a region's catalogue is, in a few numbers that may be read by everybody."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Protocol

from sqlalchemy import Select, func, select
from sqlmodel import Session

from portal.catalogue import models
from portal.catalogue.matching import resolve
from portal.catalogue.models import Status
from portal.catalogue.queries import Catalogue
from portal.catalogue.rows import table
from portal.catalogue.translating.texts import STATES
from portal.catalogue.vocabulary import CONTACT_KINDS, DANGER_KINDS

CONFIRMED_DAYS = 90


class Counted(Protocol):
    """A line of the translation index."""

    @property
    def public(self) -> bool: ...
    @property
    def counts(self) -> Mapping[str, Sequence[int]]:
        """Language → fields by state, in the order of STATES."""
        ...


@dataclass(frozen=True, slots=True)
class TranslatedShare:
    total: int
    current: int
    """Translated, and not outdated."""
    by_people: int
    """Of these, those that a person wrote or read."""

    @property
    def percent(self) -> int:
        return _percent(self.current, self.total)

    @property
    def percent_by_people(self) -> int:
        return _percent(self.by_people, self.total)


@dataclass(frozen=True, slots=True)
class Reach:
    """Every kind of contact in every place, and where a question would end."""

    ways: int
    """Kinds times places."""
    own: int
    """With an office of that kind."""
    dead: tuple[tuple[str, str], ...]
    """Kind and AGS where not even the clearing desk may stand in."""


@dataclass(frozen=True, slots=True)
class Quality:
    services: int
    confirmed: int
    """Confirmed by the office within `CONFIRMED_DAYS`."""
    never_confirmed: int
    translated: Mapping[str, TranslatedShare]
    reach: Reach
    last_change: datetime | None

    @property
    def confirmed_percent(self) -> int:
        return _percent(self.confirmed, self.services)


def _percent(part: int, whole: int) -> int:
    """Rounded down, so that 100 means all of them."""
    return 100 * part // whole if whole else 0


def quality(session: Session, catalogue: Catalogue, lines: Iterable[Counted]) -> Quality:
    """`lines` are the translation index's. Counts what the public sees today."""
    today = catalogue.today
    services, confirmed, never, last_change = _confirmed(session, catalogue.slug, today)
    return Quality(services, confirmed, never, translated(lines), reach(catalogue), last_change)


def visible_services(region: str, today: date) -> Select[Any]:
    """Ids of the offers that the public sees on that day."""
    service, organization = table(models.Service), table(models.Organization)
    return (
        select(service.c.id)
        .join(organization, organization.c.id == service.c.organization_id)
        .where(
            service.c.region == region,
            service.c.status == Status.PUBLISHED,
            organization.c.status == Status.PUBLISHED,
            func.coalesce(service.c.valid_from, today) <= today,
            func.coalesce(service.c.valid_to, today) >= today,
        )
    )


def _confirmed(session: Session, region: str, today: date) -> tuple[int, int, int, datetime | None]:
    service = table(models.Service)
    since = today - timedelta(days=CONFIRMED_DAYS)
    row = session.execute(
        visible_services(region, today).with_only_columns(
            func.count(),
            func.count().filter(service.c.assured_date >= since),
            func.count().filter(service.c.assured_date.is_(None)),
            func.max(service.c.last_modified),
            maintain_column_froms=True,
        )
    ).one()
    return row[0], row[1], row[2], row[3]


def translated(lines: Iterable[Counted]) -> dict[str, TranslatedShare]:
    """By language; only of entries that are public."""
    sums: dict[str, list[int]] = {}
    for line in lines:
        if not line.public:
            continue
        for language, counts in line.counts.items():
            own = sums.setdefault(language, [0] * len(STATES))
            for place, number in enumerate(counts):
                own[place] += number
    found = {}
    for language, numbers in sums.items():
        by_state = dict(zip(STATES, numbers, strict=True))
        people = by_state["unchecked"] + by_state["checked"]
        found[language] = TranslatedShare(sum(numbers), people + by_state["machine"], people)
    return found


def reach(catalogue: Catalogue) -> Reach:
    """Asks the same question as the result page, for every kind and place."""
    kinds = [term.code for term in catalogue.terms(CONTACT_KINDS)]
    places = [place.ags for place in catalogue.places.all()]
    own, dead = 0, []
    for kind in kinds:
        for place in places:
            desk = resolve(catalogue, kind, place=place)
            if desk.level != "clearing":
                own += 1
            elif kind in DANGER_KINDS or desk.service.slug != catalogue.region.clearing_desk:
                dead.append((kind, place))
    return Reach(len(kinds) * len(places), own, tuple(dead))
