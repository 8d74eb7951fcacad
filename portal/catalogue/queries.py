"""What pages read: frozen views made from a few statements, and a snapshot of the region per process.

Addresses of confidential locations end here: their views have no address, place, way there or coordinates.
"""

import threading
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, time
from functools import cached_property
from time import monotonic as system_monotonic
from types import MappingProxyType
from typing import Any, Literal, TypeVar, cast
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, func, or_, select
from sqlalchemy.exc import OperationalError
from sqlmodel import Session, SQLModel

from portal.catalogue import models, revision
from portal.catalogue.actions import note_passing_periods
from portal.catalogue.direction import is_from_the_right, with_brackets_in_order
from portal.catalogue.exporting import UnknownRegion, stored_places, stored_terms
from portal.catalogue.models import Status
from portal.catalogue.places import PlaceFinder, known_towns
from portal.catalogue.records import NeighbourRecord, RegionFile, SharedPostalCode
from portal.catalogue.region_settings import Extras, extras, merged, wordings
from portal.catalogue.rows import AnyRow, Rows, german_text, table
from portal.catalogue.translating.figures import mismatch
from portal.catalogue.vocabulary import SOURCE_LANGUAGE, TERM_FIELDS
from portal.db import SessionFactory

TextStatus = Literal["original", "checked", "unchecked", "machine", "outdated"]


@dataclass(frozen=True, slots=True)
class Text:
    text: str
    language: str
    status: TextStatus
    """`original` is German; `outdated`: the German text has changed since this was translated."""
    german: str = field(default="", compare=False, repr=False)
    """What a translation was made from, as it is today."""
    checked_date: date | None = field(default=None, compare=False, repr=False)
    """When a person released it here; None also when nobody wrote down when."""


_Texts = Mapping[str, Mapping[str, Text]]
"""Field → language → text."""
_NOTHING: _Texts = MappingProxyType({})


def _nothing() -> _Texts:
    return _NOTHING


class Translated:
    """Something with texts: attributes hold the German ones, `text` and `texts` know the other languages."""

    __slots__ = ()
    translations: _Texts

    def text(self, field: str, language: str) -> Text | None:
        """The text in `language`, or in German; None when there is none."""
        translated = self.translations.get(field)
        if translated is not None and language in translated:
            return translated[language]
        german = getattr(self, field)
        return Text(german, SOURCE_LANGUAGE, "original") if german else None

    def texts(self, field: str, language: str) -> tuple[Text, ...]:
        """The same for a list; one entry may be translated and the next not."""
        found = []
        for position, german in enumerate(getattr(self, field)):
            translated = self.translations.get(f"{field}.{position}")
            if translated is not None and language in translated:
                found.append(translated[language])
            else:
                found.append(Text(german, SOURCE_LANGUAGE, "original"))
        return tuple(found)


@dataclass(frozen=True, slots=True)
class Freshness:
    state: Literal["confirmed", "unconfirmed"]
    as_of: str | None
    """`2023`, `2023-05` or `2023-05-17`: when it was confirmed, else how old the source is."""


class _Sourced:
    __slots__ = ()
    assured_date: date | None
    source_date: str | None
    confidence: str

    @property
    def freshness(self) -> Freshness:
        if self.assured_date is not None:
            return Freshness("confirmed", self.assured_date.isoformat())
        if self.confidence == "confirmed":
            return Freshness("confirmed", self.source_date)
        return Freshness("unconfirmed", self.source_date)


@dataclass(frozen=True, slots=True)
class PhoneView(Translated):
    number: str
    """As written in the source, for reading."""
    uri: str
    """`tel:+49…`, for dialling."""
    type: str
    description: str | None
    languages: tuple[str, ...]
    translations: _Texts = field(default_factory=_nothing, repr=False)

    @property
    def is_for_talking(self) -> bool:
        return self.type == "voice"


@dataclass(frozen=True, slots=True)
class ScheduleView(Translated):
    opening_hours: str
    channel: str
    """visit, phone, chat or consultation."""
    description: str | None
    translations: _Texts = field(default_factory=_nothing, repr=False)


@dataclass(frozen=True, slots=True)
class AddressView:
    address_1: str | None
    postal_code: str | None
    city: str
    attention: str | None


@dataclass(frozen=True, slots=True)
class AccessibilityView(Translated):
    description: str
    details: str | None
    translations: _Texts = field(default_factory=_nothing, repr=False)


@dataclass(frozen=True, slots=True)
class ContactView(Translated):
    name: str | None
    title: str | None
    department: str | None
    email: str | None
    phones: tuple[PhoneView, ...]
    translations: _Texts = field(default_factory=_nothing, repr=False)


@dataclass(frozen=True, slots=True)
class CostView(Translated):
    option: str
    """free, paid, covered or unknown."""
    amount_description: str | None
    translations: _Texts = field(default_factory=_nothing, repr=False)


@dataclass(frozen=True, slots=True)
class LocationView(Translated, _Sourced):
    """A location, for a service with what that service says about it."""

    id: UUID
    slug: str
    name: str
    location_type: str
    confidential: bool
    address: AddressView | None
    latitude: float | None
    longitude: float | None
    place: str | None
    transportation: str | None
    accessibility: tuple[AccessibilityView, ...]
    languages: tuple[str, ...]
    phones: tuple[PhoneView, ...]
    """The service's own at this location, else the location's."""
    schedules: tuple[ScheduleView, ...]
    """The service's own at this location, else the location's."""
    assured_date: date | None
    source_date: str | None
    source_name: str | None
    confidence: str
    has_own_phones: bool = False
    has_own_schedules: bool = False
    description: str | None = None
    """What the service says about this location ("first floor")."""
    service_areas: tuple[str, ...] = ()
    """The municipalities that this house serves; empty means no division."""
    translations: _Texts = field(default_factory=_nothing, repr=False)


@dataclass(frozen=True, slots=True)
class OrganizationView(Translated, _Sourced):
    id: UUID
    slug: str
    name: str
    alternate_name: str | None
    description: str | None
    kind: str
    parent_organization: str | None
    """Slug; None also when the parent is not published."""
    legal_status: str | None
    website: str | None
    email: str | None
    phones: tuple[PhoneView, ...]
    confidential: bool
    status: str
    locations: tuple[LocationView, ...]
    assured_date: date | None
    source_date: str | None
    source_name: str | None
    confidence: str
    translations: _Texts = field(default_factory=_nothing, repr=False)


@dataclass(frozen=True, slots=True)
class ServiceView(Translated, _Sourced):
    id: UUID
    slug: str
    organization: OrganizationView
    name: str
    alternate_name: str | None
    description: str
    application_process: str | None
    status: str
    contact_kinds: tuple[str, ...]
    desk_for: tuple[str, ...]
    topics: tuple[str, ...]
    target_groups: tuple[str, ...]
    formats: tuple[str, ...]
    legal_basis: tuple[str, ...]
    helpline_needs: tuple[str, ...]
    legal_text: str | None
    minimum_age: int | None
    maximum_age: int | None
    eligibility_description: str | None
    cost: CostView
    languages: tuple[str, ...]
    interpretation_services: str | None
    required_documents: tuple[str, ...]
    expectations: tuple[str, ...]
    url: str | None
    email: str | None
    phones: tuple[PhoneView, ...]
    contacts: tuple[ContactView, ...]
    schedules: tuple[ScheduleView, ...]
    locations: tuple[LocationView, ...]
    service_areas: tuple[str, ...]
    valid_from: date | None
    valid_to: date | None
    assured_date: date | None
    source_date: str | None
    source_name: str | None
    confidence: str
    position: int
    last_modified: datetime
    translations: _Texts = field(default_factory=_nothing, repr=False)
    capacity: str | None = None
    """free, few or full, as the organization said at `capacity_at`."""
    capacity_until: date | None = None
    capacity_at: datetime | None = None

    def is_visible(self, today: date) -> bool:
        """Published, by a published organization, and within its funding period."""
        return (
            self.status == Status.PUBLISHED
            and self.organization.status == Status.PUBLISHED
            and (self.valid_from is None or self.valid_from <= today)
            and (self.valid_to is None or today <= self.valid_to)
        )

    def fits_age(self, age: int) -> bool:
        return (self.minimum_age is None or self.minimum_age <= age) and (
            self.maximum_age is None or age <= self.maximum_age
        )

    def covers(self, place: str) -> bool:
        """`place` is an AGS or a prefix of one."""
        return any(place.startswith(area) for area in self.service_areas)

    def phones_at(self, location: LocationView | None = None) -> tuple[PhoneView, ...]:
        """Numbers to call, the nearest to the matter first: one list, never a mix of several desks."""
        candidates: tuple[tuple[PhoneView, ...], ...] = (
            location.phones if location and location.has_own_phones else (),
            self.phones,
            tuple(phone for contact in self.contacts for phone in contact.phones),
            location.phones if location else (),
            self.organization.phones,
        )
        for phones in candidates:
            talking = tuple(phone for phone in phones if phone.type != "fax")
            if talking:
                return talking
        return ()

    def schedules_at(self, location: LocationView | None = None) -> tuple[ScheduleView, ...]:
        """The service's hours at this location, else its own in general, else the location's."""
        if location and location.has_own_schedules:
            return location.schedules
        return self.schedules or (location.schedules if location else ())


@dataclass(frozen=True, slots=True)
class TermView(Translated):
    code: str
    name: str
    short_name: str | None
    description: str | None
    parent: str | None
    icon: str | None
    legal_text: str | None
    expectations: tuple[str, ...]
    say: str | None
    elsewhere: str | None
    elsewhere_url: str | None
    remote: str | None
    position: int
    translations: _Texts = field(default_factory=_nothing, repr=False)


def telephone_uri(number: str) -> str:
    """`03943 93-58` → `tel:+4939439358`; short numbers (112, 116 111) stay as they are."""
    digits = "".join(filter(str.isdigit, number))
    if number.lstrip().startswith("+"):
        return f"tel:+{digits}"
    if digits.startswith("00"):
        return f"tel:+{digits[2:]}"
    return f"tel:+49{digits[1:]}" if digits.startswith("0") else f"tel:{digits}"


# Rows to views.


class _Builder:
    def __init__(self, rows: Rows) -> None:
        self.rows = rows
        self._organizations: dict[UUID, OrganizationView] = {}
        self._locations: dict[UUID, LocationView] = {}
        self._by_organization: dict[UUID, list[UUID]] = defaultdict(list)
        for row in rows.locations.values():
            self._by_organization[row.organization_id].append(row.id)

    def service(self, id_: UUID) -> ServiceView:
        rows, row = self.rows, self.rows.services[id_]
        texts = self._translations(row)
        organization = self.organization(row.organization_id)
        cost = rows.costs.get(id_)
        codes = {name: tuple(rows.codes.get((id_, name), ())) for name in TERM_FIELDS}
        return ServiceView(
            id=id_,
            slug=row.slug,
            organization=organization,
            name=row.name,
            alternate_name=row.alternate_name,
            description=row.description,
            application_process=row.application_process,
            status=row.status,
            **codes,
            legal_text=row.legal_text,
            minimum_age=row.minimum_age,
            maximum_age=row.maximum_age,
            eligibility_description=row.eligibility_description,
            cost=CostView(cost.option, cost.amount_description, _below(texts, "cost"))
            if cost
            else CostView("unknown", None),
            languages=tuple(rows.languages.get(id_, ())),
            interpretation_services=row.interpretation_services,
            required_documents=tuple(document.document for document in rows.documents.get(id_, ())),
            expectations=tuple(row.expectations),
            url=row.url,
            email=row.email,
            phones=self._phones(id_, texts, "phones"),
            contacts=tuple(
                ContactView(
                    contact.name,
                    contact.title,
                    contact.department,
                    contact.email,
                    self._phones(contact.id, texts, f"contacts.{index}.phones"),
                    _below(texts, f"contacts.{index}"),
                )
                for index, contact in enumerate(rows.contacts.get(id_, ()))
            ),
            schedules=self._schedules(id_, texts, "schedules"),
            locations=tuple(
                self._at_location(at, texts, f"locations.{index}", hide=organization.confidential)
                for index, at in enumerate(rows.at_locations.get(id_, ()))
                if at.location_id in rows.locations
            ),
            service_areas=tuple(rows.areas.get(id_, ())),
            valid_from=row.valid_from,
            valid_to=row.valid_to,
            assured_date=row.assured_date,
            source_date=row.source_date,
            source_name=row.source_name,
            confidence=row.confidence,
            position=row.position,
            last_modified=row.last_modified,
            translations=texts,
            capacity=row.capacity,
            capacity_until=row.capacity_until,
            capacity_at=row.capacity_at,
        )

    def organization(self, id_: UUID) -> OrganizationView:
        if id_ in self._organizations:
            return self._organizations[id_]
        rows, row = self.rows, self.rows.organizations[id_]
        texts = self._translations(row)
        parent = rows.organizations.get(row.parent_organization_id)
        view = OrganizationView(
            id=id_,
            slug=row.slug,
            name=row.name,
            alternate_name=row.alternate_name,
            description=row.description,
            kind=row.kind,
            parent_organization=parent.slug if parent and parent.status == Status.PUBLISHED else None,
            legal_status=row.legal_status,
            website=row.website,
            email=row.email,
            phones=self._phones(id_, texts, "phones"),
            confidential=row.confidential,
            status=row.status,
            locations=tuple(self.location(location) for location in self._by_organization.get(id_, ())),
            assured_date=row.assured_date,
            source_date=row.source_date,
            source_name=row.source_name,
            confidence=row.confidence,
            translations=texts,
        )
        self._organizations[id_] = view
        return view

    def location(self, id_: UUID) -> LocationView:
        if id_ in self._locations:
            return self._locations[id_]
        rows, row = self.rows, self.rows.locations[id_]
        texts = self._translations(row)
        owner = rows.organizations.get(row.organization_id)
        address = rows.addresses.get(id_)
        view = LocationView(
            id=id_,
            slug=row.slug,
            name=row.name,
            location_type=row.location_type,
            confidential=False,
            address=AddressView(address.address_1, address.postal_code, address.city, address.attention)
            if address
            else None,
            latitude=row.latitude,
            longitude=row.longitude,
            place=row.place,
            transportation=row.transportation,
            accessibility=tuple(
                AccessibilityView(item.description, item.details, _below(texts, f"accessibility.{index}"))
                for index, item in enumerate(rows.accessibility.get(id_, ()))
            ),
            languages=tuple(rows.languages.get(id_, ())),
            phones=self._phones(id_, texts, "phones"),
            schedules=self._schedules(id_, texts, "schedules"),
            assured_date=row.assured_date,
            source_date=row.source_date,
            source_name=row.source_name,
            confidence=row.confidence,
            translations=texts,
        )
        if row.confidential or (owner is not None and owner.confidential):
            view = _hidden(view)
        self._locations[id_] = view
        return view

    def _at_location(self, at: AnyRow, texts: _Texts, path: str, *, hide: bool) -> LocationView:
        location = self.location(at.location_id)
        phones = self._phones(at.id, texts, f"{path}.phones")
        schedules = self._schedules(at.id, texts, f"{path}.schedules")
        own = _below(texts, path)
        view = replace(
            location,
            phones=phones or location.phones,
            schedules=schedules or location.schedules,
            has_own_phones=bool(phones),
            has_own_schedules=bool(schedules),
            description=at.description,
            service_areas=tuple(self.rows.areas.get(at.id, ())),
            translations={**location.translations, **own} if own else location.translations,
        )
        return _hidden(view) if hide else view

    def _phones(self, owner: UUID, texts: _Texts, path: str) -> tuple[PhoneView, ...]:
        return tuple(
            PhoneView(
                phone.number,
                telephone_uri(phone.number),
                phone.type,
                phone.description,
                tuple(self.rows.languages.get(phone.id, ())),
                _below(texts, f"{path}.{index}"),
            )
            for index, phone in enumerate(self.rows.phones.get(owner, ()))
        )

    def _schedules(self, owner: UUID, texts: _Texts, path: str) -> tuple[ScheduleView, ...]:
        return tuple(
            ScheduleView(
                schedule.opening_hours,
                schedule.channel,
                schedule.description,
                _below(texts, f"{path}.{index}"),
            )
            for index, schedule in enumerate(self.rows.schedules.get(owner, ()))
        )

    def _translations(self, row: AnyRow) -> _Texts:
        found = self.rows.translations.get(row.id)
        if not found:
            return _NOTHING
        return _texts(found, lambda path: german_text(self.rows, row, path))


def _texts(found: Iterable[AnyRow], german: Callable[[str], str | None]) -> _Texts:
    texts: dict[str, dict[str, Text]] = {}
    sources: dict[str, tuple[str, str] | None] = {}
    for row in found:
        if row.field not in sources:
            source = german(row.field)
            sources[row.field] = (source, revision.text_hash(source)) if source else None
        known = sources[row.field]
        if known is None:
            continue
        source, hash_ = known
        status: TextStatus = row.status if row.source_hash == hash_ else "outdated"
        if status == "outdated" and mismatch(source, row.text, row.language):
            # Nothing was saved with other numbers than German, but since then an age or a price has changed.
            continue
        checked = row.edited_at.date() if status == "checked" and row.edited_at else None
        text = with_brackets_in_order(row.text) if is_from_the_right(row.language) else row.text
        texts.setdefault(row.field, {})[row.language] = Text(text, row.language, status, source, checked)
    return texts


def _below(texts: _Texts, path: str) -> _Texts:
    if not texts:
        return _NOTHING
    prefix = f"{path}."
    below = {name[len(prefix) :]: text for name, text in texts.items() if name.startswith(prefix)}
    return below or _NOTHING


def _hidden(view: LocationView) -> LocationView:
    return replace(
        view,
        confidential=True,
        address=None,
        latitude=None,
        longitude=None,
        place=None,
        transportation=None,
        accessibility=(),
        translations=MappingProxyType(
            {
                name: texts
                for name, texts in view.translations.items()
                if not name.startswith(("transportation", "accessibility"))
            }
        ),
    )


# Questions to the database.


def service_views(session: Session, region: str, ids: Collection[UUID]) -> list[ServiceView]:
    """In the order of `ids`, also drafts; unknown ids are left out."""
    rows = Rows(session, region, ids)
    builder = _Builder(rows)
    return [builder.service(id_) for id_ in ids if id_ in rows.services]


def view_of(rows: Rows, id_: UUID) -> ServiceView:
    """Of rows that may never have been in the database (`unsaved`)."""
    return _Builder(rows).service(id_)


def all_service_views(session: Session, region: str) -> list[ServiceView]:
    """Every service that is not archived, also drafts, in the order of the files."""
    rows = Rows(session, region)
    builder = _Builder(rows)
    return [builder.service(id_) for id_, row in rows.services.items() if row.status != Status.ARCHIVED]


def service_by_slug(session: Session, region: str, slug: str) -> ServiceView | None:
    service = table(models.Service)
    id_ = session.execute(
        select(service.c.id).where(service.c.region == region, service.c.slug == slug)
    ).scalar()
    return next(iter(service_views(session, region, [id_])), None) if id_ else None


def organization_by_slug(
    session: Session, region: str, slug: str, *, today: date
) -> tuple[OrganizationView, tuple[ServiceView, ...]] | None:
    """A published organization with its visible services."""
    organization, service = table(models.Organization), table(models.Service)
    found = session.execute(
        select(organization.c.id).where(
            organization.c.region == region,
            organization.c.slug == slug,
            organization.c.status == Status.PUBLISHED.value,
        )
    ).scalar()
    if found is None:
        return None
    ids = session.execute(
        select(service.c.id)
        .where(service.c.organization_id == found, *_visible(today))
        .order_by(service.c.position, service.c.slug)
    ).scalars()
    services = tuple(service_views(session, region, list(ids)))
    return _organization_view(session, region, found), services


def moved_to(
    session: Session, region: str, entity: Literal["service", "organization"], slug: str
) -> str | None:
    """Slug of the published entry that `slug` was merged into."""
    former, target = table(models.FormerAddress), table(_MODELS[entity])
    return session.execute(
        select(target.c.slug)
        .join(former, former.c.entity_id == target.c.id)
        .where(
            former.c.region == region,
            former.c.entity == entity,
            former.c.slug == slug,
            target.c.status == Status.PUBLISHED.value,
        )
    ).scalar()


_MODELS: Mapping[str, type[SQLModel]] = {"service": models.Service, "organization": models.Organization}


def _organization_view(session: Session, region: str, id_: UUID) -> OrganizationView:
    """Also for an organization without services."""
    organization, location = table(models.Organization), table(models.Location)
    rows = Rows(session, region, [])
    rows.read_organizations(
        session,
        select(organization).where(organization.c.id == id_),
        select(location).where(location.c.organization_id == id_),
    )
    return _Builder(rows).organization(id_)


def _visible(today: date | None) -> list[ColumnElement[bool]]:
    service, organization = table(models.Service), table(models.Organization)
    conditions: list[ColumnElement[bool]] = [
        service.c.status == Status.PUBLISHED.value,
        service.c.organization_id.in_(
            select(organization.c.id).where(organization.c.status == Status.PUBLISHED.value)
        ),
    ]
    if today is not None:
        conditions.append(or_(service.c.valid_from.is_(None), service.c.valid_from <= today))
        conditions.append(or_(service.c.valid_to.is_(None), service.c.valid_to >= today))
    return conditions


def published_service_ids(session: Session, region: str, *, today: date | None = None) -> list[UUID]:
    """In the order of the files; without `today` also those outside of their funding period."""
    service = table(models.Service)
    return list(
        session.execute(
            select(service.c.id)
            .where(service.c.region == region, *_visible(today))
            .order_by(service.c.position, service.c.slug)
        ).scalars()
    )


def _count_published(session: Session, region: str, *, today: date | None = None) -> int:
    service = table(models.Service)
    counted = select(func.count()).where(service.c.region == region, *_visible(today))
    return int(session.execute(counted).scalar_one())


def services_tagged(
    session: Session,
    region: str,
    tags: Mapping[str, Collection[str]],
    *,
    today: date | None = None,
    limit: int | None = None,
) -> list[UUID]:
    """Published services with any of the term codes; `tags` is field (`topics`, `desk_for` …) → codes."""
    service, attribute, term = (
        table(models.Service),
        table(models.Attribute),
        table(models.TaxonomyTerm),
    )
    anything = or_(
        *(
            (attribute.c.link_type == field) & term.c.code.in_(list(codes))
            for field, codes in tags.items()
            if codes
        )
    )
    if not any(tags.values()):
        return []
    matching = (
        select(attribute.c.link_id, func.count().label("hits"))
        .join(term, term.c.id == attribute.c.taxonomy_term_id)
        .where(anything)
        .group_by(attribute.c.link_id)
        .subquery()
    )
    return list(
        session.execute(
            select(service.c.id)
            .join(matching, matching.c.link_id == service.c.id)
            .where(service.c.region == region, *_visible(today))
            .order_by(matching.c.hits.desc(), service.c.position, service.c.slug)
            .limit(limit)
        ).scalars()
    )


def services_of_topic(session: Session, region: str, topic: str, *, today: date) -> list[ServiceView]:
    ids = services_tagged(session, region, {"topics": [topic]}, today=today)
    return service_views(session, region, ids)


def helplines(session: Session, region: str, *, today: date) -> list[ServiceView]:
    """Services for "help now": first those that the region lists, in its order, then the others."""
    service, attribute = table(models.Service), table(models.Attribute)
    ids = session.execute(
        select(service.c.id)
        .where(
            service.c.region == region,
            *_visible(today),
            service.c.id.in_(select(attribute.c.link_id).where(attribute.c.link_type == "helpline_needs")),
        )
        .order_by(service.c.position, service.c.slug)
    ).scalars()
    return _in_order(service_views(session, region, list(ids)), region_settings(session, region).helplines)


def _in_order(services: Iterable[ServiceView], slugs: Sequence[str]) -> list[ServiceView]:
    order = {slug: index for index, slug in enumerate(slugs)}
    return sorted(services, key=lambda service: order.get(service.slug, len(order)))


def terms(session: Session, taxonomy: str) -> list[TermView]:
    return list(all_terms(session).get(taxonomy, {}).values())


def all_terms(session: Session) -> dict[str, dict[str, TermView]]:
    """Taxonomy → code → term, in the order of the files."""
    stored = stored_terms(session)
    translations: dict[str, list[AnyRow]] = defaultdict(list)
    for (_language, _entity, key, _field), row in stored.translations.items():
        translations[key].append(row)
    found: dict[str, dict[str, TermView]] = {code: {} for code in stored.taxonomies}
    for key, (record, row) in stored.terms.items():
        values: dict[str, Any] = {name: getattr(record, name) for name in type(record).model_fields}
        found[key.partition(":")[0]][record.code] = TermView(
            **values,
            position=row.position,
            translations=_term_texts(translations[key], record) if key in translations else _NOTHING,
        )
    return found


def _term_texts(found: Iterable[AnyRow], record: Any) -> _Texts:
    def german(path: str) -> str | None:
        name, _, index = path.partition(".")
        value = getattr(record, name, None)
        if index and value:
            return str(value[int(index)]) if int(index) < len(value) else None
        return value if isinstance(value, str) else None

    return _texts(found, german)


def region_settings(session: Session, region: str) -> RegionFile:
    """Raises UnknownRegion."""
    row = _region_row(session, region)
    return merged(row.settings, row.overrides)


def _region_row(session: Session, region: str) -> AnyRow:
    target = table(models.Region)
    row = session.execute(select(target).where(target.c.slug == region)).first()
    if row is None:
        raise UnknownRegion(region)
    return row


def place_finder(session: Session, region: str) -> PlaceFinder:
    """Raises UnknownRegion."""
    row = _region_row(session, region)
    return PlaceFinder(
        [place for place, _row in stored_places(session, region)],
        [NeighbourRecord.model_validate(neighbour) for neighbour in row.surroundings.get("neighbours", ())],
        [SharedPostalCode.model_validate(code) for code in row.surroundings.get("shared_postal_codes", ())],
        known_towns(),
    )


# A process's copy.


class _Snapshot:
    """A region at one revision. Nothing changes in it but its caches."""

    def __init__(self, session: Session, region: str, *, eager_limit: int) -> None:
        # The number is read first: what is read after it can only be newer, and is then read again.
        self.revision = revision.current(session, region)
        row = _region_row(session, region)
        self.settings = merged(row.settings, row.overrides)
        self.extras = extras(row.overrides, wordings(session, region))
        self.places = place_finder(session, region)
        self.terms = all_terms(session)
        self.is_eager = _count_published(session, region) <= eager_limit
        self.services: dict[UUID, ServiceView] = {}
        if self.is_eager:
            rows = Rows(session, region)
            builder = _Builder(rows)
            self.services = {id_: builder.service(id_) for id_ in published_service_ids(session, region)}
            self.organizations = {
                row.slug: builder.organization(id_)
                for id_, row in rows.organizations.items()
                if row.status == Status.PUBLISHED
            }
        else:
            self.organizations = {}
            always = services_tagged(session, region, {"desk_for": list(self.terms.get("contact_kinds", ()))})
            attribute, service = table(models.Attribute), table(models.Service)
            helping = session.execute(
                select(service.c.id).where(
                    service.c.region == region,
                    *_visible(None),
                    service.c.id.in_(
                        select(attribute.c.link_id).where(attribute.c.link_type == "helpline_needs")
                    ),
                )
            ).scalars()
            needed = list(dict.fromkeys([*always, *helping]))
            self.services = {view.id: view for view in service_views(session, region, needed)}
        self.by_slug = {view.slug: view for view in self.services.values()}
        self.desk_cache: dict[Any, Any] = {}

    @cached_property
    def desks(self) -> dict[str, tuple[ServiceView, ...]]:
        found: dict[str, list[ServiceView]] = {code: [] for code in self.terms.get("contact_kinds", ())}
        for view in self.services.values():
            for kind in view.desk_for:
                found.setdefault(kind, []).append(view)
        return {kind: tuple(views) for kind, views in found.items()}

    @cached_property
    def helplines(self) -> list[ServiceView]:
        return _in_order(
            (view for view in self.services.values() if view.helpline_needs), self.settings.helplines
        )

    @cached_property
    def tagged(self) -> dict[tuple[str, str], list[ServiceView]]:
        """(field, code) → services; only of what is in memory."""
        found: dict[tuple[str, str], list[ServiceView]] = defaultdict(list)
        for view in self.services.values():
            for name in ("contact_kinds", "topics"):
                for code in getattr(view, name):
                    found[name, code].append(view)
        return dict(found)


_T = TypeVar("_T")


class Catalogue:
    """A region as the pages of one process see it, kept in memory until its revision changes.

    Up to `eager_limit` services are all in memory; beyond, only desks and helplines are, and other services
    are read when asked for. Only visible services are ever returned: published and within their period.
    """

    def __init__(
        self,
        session_factory: SessionFactory,
        region: str,
        *,
        monotonic: Callable[[], float] = system_monotonic,
        today: Callable[[], date] | None = None,
        check_every_seconds: float = 1.0,
        eager_limit: int = 5000,
        kept_services: int = 5000,
    ) -> None:
        self._session_factory = session_factory
        self._region = region
        self._monotonic = monotonic
        self._today = today
        self._check_every_seconds = check_every_seconds
        self._eager_limit = eager_limit
        self._kept_services = kept_services
        self._lock = threading.Lock()
        self._checked_at = float("-inf")
        self._snapshot: _Snapshot | None = None
        self._timezone: ZoneInfo | None = None
        self._periods_noted: date | None = None
        self._recent: OrderedDict[str, ServiceView] = OrderedDict()

    @property
    def slug(self) -> str:
        return self._region

    def refresh(self) -> bool:
        """Take a newer revision, if there is one; asks the database at most once per second.

        Meant to be called at the beginning of each request. True when something changed. Raises
        UnknownRegion when the region was never loaded.
        """
        now = self._monotonic()
        if self._snapshot is not None and now - self._checked_at < self._check_every_seconds:
            return False
        with self._lock:
            if self._snapshot is not None and now - self._checked_at < self._check_every_seconds:
                return False
            with self._session_factory() as session:
                self._note_passing_periods(session)
                if self._snapshot and revision.current(session, self._region) == self._snapshot.revision:
                    self._checked_at = now
                    return False
                snapshot = _Snapshot(session, self._region, eager_limit=self._eager_limit)
            self._timezone = ZoneInfo(snapshot.settings.timezone)
            self._recent = OrderedDict()
            self._snapshot = snapshot
            self._checked_at = now
            return True

    def _note_passing_periods(self, session: Session) -> None:
        if self._timezone is None:
            self._timezone = ZoneInfo(region_settings(session, self._region).timezone)
        today = self.today
        if today == self._periods_noted:
            return
        midnight = datetime.combine(today, time(), self._timezone)
        try:
            note_passing_periods(session, self._region, today, now=midnight)
            session.commit()
        except OperationalError:
            # A copy that must not be written, or a lock held for long. Pages hide what has ended by themselves.
            session.rollback()
        self._periods_noted = today

    @property
    def current(self) -> _Snapshot:
        if self._snapshot is None:
            self.refresh()
        if self._snapshot is None:
            raise UnknownRegion(self._region)
        return self._snapshot

    @property
    def revision(self) -> int:
        return self.current.revision

    @property
    def region(self) -> RegionFile:
        return self.current.settings

    @property
    def extras(self) -> Extras:
        return self.current.extras

    @property
    def places(self) -> PlaceFinder:
        return self.current.places

    @property
    def today(self) -> date:
        if self._today is not None:
            return self._today()
        if self._timezone is None:
            self.refresh()
        return datetime.now(self._timezone).date()

    def terms(self, taxonomy: str) -> tuple[TermView, ...]:
        return tuple(self.current.terms.get(taxonomy, {}).values())

    def term(self, taxonomy: str, code: str) -> TermView | None:
        return self.current.terms.get(taxonomy, {}).get(code)

    @property
    def service_count(self) -> int:
        """How many services are visible today."""
        snapshot, today = self.current, self.today
        if snapshot.is_eager:
            return sum(view.is_visible(today) for view in snapshot.services.values())
        return self.cached(("count", today), self._count)

    def _count(self) -> int:
        with self._session_factory() as session:
            return _count_published(session, self._region, today=self.today)

    @property
    def helplines(self) -> tuple[ServiceView, ...]:
        today = self.today
        return tuple(view for view in self.current.helplines if view.is_visible(today))

    @property
    def desks(self) -> Mapping[str, tuple[ServiceView, ...]]:
        """Contact kind → services that are a reception for it; every kind is a key."""
        today = self.today
        return {
            kind: tuple(view for view in views if view.is_visible(today))
            for kind, views in self.current.desks.items()
        }

    def service(self, slug: str) -> ServiceView | None:
        snapshot = self.current
        view = snapshot.by_slug.get(slug)
        if view is None and not snapshot.is_eager:
            view = self._recent.get(slug)
            if view is None:
                with self._session_factory() as session:
                    view = service_by_slug(session, self._region, slug)
                if view is not None:
                    self._remember(view)
        return view if view is not None and view.is_visible(self.today) else None

    def services(self, ids: Collection[UUID] | None = None) -> list[ServiceView]:
        """In the order of `ids`; without ids all, in the order of the files (see also `every_service`)."""
        if ids is None:
            return list(self.every_service())
        snapshot, today = self.current, self.today
        found = dict.fromkeys(ids, cast("ServiceView | None", None))
        missing = []
        recent = {view.id: view for view in list(self._recent.values())} if not snapshot.is_eager else {}
        for id_ in found:
            view = snapshot.services.get(id_) or recent.get(id_)
            if view is not None:
                found[id_] = view
            elif not snapshot.is_eager:
                missing.append(id_)
        if missing:
            with self._session_factory() as session:
                for view in service_views(session, self._region, missing):
                    found[view.id] = view
                    self._remember(view)
        return [view for view in found.values() if view is not None and view.is_visible(today)]

    def every_service(self, chunk: int = 500) -> Iterator[ServiceView]:
        """All visible services one after the other, also where they are too many to hold in memory."""
        snapshot, today = self.current, self.today
        if snapshot.is_eager:
            yield from (view for view in snapshot.services.values() if view.is_visible(today))
            return
        with self._session_factory() as session:
            ids = published_service_ids(session, self._region, today=today)
            for start in range(0, len(ids), chunk):
                yield from service_views(session, self._region, ids[start : start + chunk])

    def services_tagged(
        self, tags: Mapping[str, Collection[str]], *, limit: int | None = None
    ) -> list[ServiceView]:
        """Services with any of the codes of `contact_kinds` and `topics`, in no promised order."""
        snapshot, today = self.current, self.today
        if not snapshot.is_eager:
            with self._session_factory() as session:
                ids = services_tagged(session, self._region, tags, today=today, limit=limit)
            return self.services(ids)
        found = {
            view.id: view
            for field, codes in tags.items()
            for code in codes
            for view in snapshot.tagged.get((field, code), ())
            if view.is_visible(today)
        }
        return list(found.values())[:limit]

    def services_of_topic(self, topic: str) -> list[ServiceView]:
        return sorted(self.services_tagged({"topics": [topic]}), key=lambda view: (view.position, view.slug))

    def organization(self, slug: str) -> tuple[OrganizationView, tuple[ServiceView, ...]] | None:
        """A published organization and its services."""
        snapshot, today = self.current, self.today
        if not snapshot.is_eager:
            with self._session_factory() as session:
                return organization_by_slug(session, self._region, slug, today=today)
        view = snapshot.organizations.get(slug)
        if view is None:
            return None
        services = tuple(
            service
            for service in snapshot.services.values()
            if service.organization.id == view.id and service.is_visible(today)
        )
        return view, services

    def moved(self, entity: Literal["service", "organization"], slug: str) -> str | None:
        """Where it is found that was merged into another one; for addresses that lead nowhere."""
        with self._session_factory() as session:
            return moved_to(session, self._region, entity, slug)

    def cached(self, key: Any, make: Callable[[], _T]) -> _T:
        """Kept until the next revision; for answers that depend on nothing else than `key`."""
        cache = self.current.desk_cache
        try:
            return cache[key]  # type: ignore[no-any-return]
        except KeyError:
            made = make()
            if len(cache) > 20_000:
                cache.clear()
            cache[key] = made
            return made

    def _remember(self, view: ServiceView) -> None:
        with self._lock:
            self._recent[view.slug] = view
            while len(self._recent) > self._kept_services:
                self._recent.popitem(last=False)
