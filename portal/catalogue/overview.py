"""What the admin pages list and count: a page of lines and numbers for the filters, made by the database.

No line becomes a record or an object of the ORM, so that a region of thousands of offers stays quick to look through.
Everything here answers only for what lies in somebody's `Scope`.
"""

import json
import re
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any, Generic, Literal, TypeVar
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    CompoundSelect,
    Select,
    and_,
    case,
    false,
    func,
    not_,
    or_,
    select,
    true,
    union_all,
)
from sqlmodel import Session

from portal.catalogue import models, reviewing
from portal.catalogue.editing import ERASED_AFTER
from portal.catalogue.models import Status, entity_id, taxonomy_id
from portal.catalogue.rows import table
from portal.catalogue.translation_gaps import MISSING, OUTDATED, TranslationGaps
from portal.catalogue.vocabulary import ORGANIZATION_KINDS

ENDS_SOON_DAYS = 90

_service = table(models.Service)
_organization = table(models.Organization)
_location = table(models.Location)
_at = table(models.ServiceAtLocation)
_contact = table(models.Contact)
_phone = table(models.Phone)
_schedule = table(models.Schedule)
_area = table(models.ServiceArea)
_address = table(models.Address)
_attribute = table(models.Attribute)
_term = table(models.TaxonomyTerm)
_report = table(models.VisitorReport)
_proposal = table(models.Proposal)
_version = table(models.EntryVersion)
_checked = table(models.CheckedAddress)
_miss = table(models.SearchMiss)
_decision = table(models.SearchMissDecision)

Condition = ColumnElement[bool]
_Line = TypeVar("_Line")


@dataclass(frozen=True, slots=True)
class Reach:
    """One organization, or one part of the county, or both; neither is everything."""

    organization_id: UUID | None = None
    area: str = ""
    """Prefix of the Amtlicher Gemeindeschlüssel; an offer lies in it when all of its areas do."""

    def covers(self, organization_id: UUID, area: str) -> bool:
        return self.organization_id in (None, organization_id) and area.startswith(self.area)


@dataclass(frozen=True, slots=True)
class Scope:
    """The entries somebody may see or change."""

    region: str
    today: date
    reaches: tuple[Reach, ...] = (Reach(),)

    @property
    def is_everything(self) -> bool:
        return Reach() in self.reaches


@dataclass(frozen=True, slots=True)
class Filter:
    """What somebody looks for. Empty means any, except `state`: without one, archived entries are left out."""

    words: str = ""
    """Parts of names and slugs, or the digits of a phone number."""
    state: str = ""
    topic: str = ""
    organization: str = ""
    """Slug."""
    area: str | None = None
    """AGS prefix exactly as offers name it; "" is the nation."""
    attention: str = ""
    kind: str = ""
    """Of organizations."""
    contact: UUID | None = None
    """Offers that name the same contact as this one."""
    ids_by_words: frozenset[UUID] | None = None
    ids_by_attention: frozenset[UUID] | None = None
    """What `resolved` found for `words` and `attention`, so that a page looks for them once and not for each number."""


@dataclass(frozen=True, slots=True)
class Listed(Generic[_Line]):
    lines: list[_Line]
    total: int
    """Of all pages."""


@dataclass(frozen=True, slots=True)
class Facets:
    """How many lines each filter would leave, with the other filters as they are."""

    states: Mapping[str, int] = field(default_factory=dict)
    topics: Mapping[str, int] = field(default_factory=dict)
    organizations: Mapping[str, tuple[str, int]] = field(default_factory=dict)
    """Slug → name and number, the largest first, at most `MOST_ORGANIZATIONS`."""
    areas: Mapping[str, int] = field(default_factory=dict)
    attention: Mapping[str, int] = field(default_factory=dict)
    kinds: Mapping[str, int] = field(default_factory=dict)


MOST_ORGANIZATIONS = 15


@dataclass(frozen=True, slots=True)
class ServiceLine:
    id: UUID
    slug: str
    name: str
    organization_id: UUID
    organization: str
    organization_slug: str
    status: str
    assured_date: date | None
    review_due: date | None
    valid_to: date | None
    last_modified: datetime
    topics: tuple[str, ...] = ()
    """Names."""
    areas: tuple[str, ...] = ()
    phone: str | None = None
    in_review: bool = False
    """Somebody proposed a change that is not decided."""


@dataclass(frozen=True, slots=True)
class OrganizationLine:
    id: UUID
    slug: str
    name: str
    kind: str
    """Name of the term."""
    status: str
    email: str | None
    website: str | None
    assured_date: date | None
    last_modified: datetime
    services: int
    """Offers that are not archived."""
    phone: str | None = None
    areas: tuple[str, ...] = ()
    """As `organization_areas` has them."""
    in_review: bool = False


@dataclass(frozen=True, slots=True)
class LocationLine:
    id: UUID
    slug: str
    name: str
    organization_id: UUID
    organization: str
    organization_slug: str
    confidential: bool
    place: str | None
    """AGS."""
    street: str | None
    town: str | None
    last_modified: datetime
    services: int


@dataclass(frozen=True, slots=True)
class ContactLine:
    """The same words at several offers of one organization are one contact."""

    id: UUID
    name: str | None
    title: str | None
    department: str | None
    email: str | None
    organization_id: UUID
    organization: str
    organization_slug: str
    services: int
    service_slug: str
    """Of one of them."""
    phone: str | None = None


@dataclass(frozen=True, slots=True)
class ArchivedLine:
    entity: Literal["service", "organization", "location"]
    slug: str
    name: str
    organization_id: UUID
    organization: str
    archived_at: datetime | None
    """None: it is gone from the content files, and no term runs."""
    areas: tuple[str, ...] = ()
    version: int | None = None
    """Of a place, which has no state: it was taken away, and this version holds what it said."""

    def days_left(self, now: datetime) -> int | None:
        if self.archived_at is None:
            return None
        return max(0, (self.archived_at + ERASED_AFTER - now).days)

    def order(self) -> tuple[datetime, str, str]:
        """Whose term ends first stands first."""
        never = datetime.max.replace(tzinfo=UTC)
        return self.archived_at or never, fold(self.name), self.slug


@dataclass(frozen=True, slots=True)
class EndingLine:
    slug: str
    name: str
    organization: str
    valid_to: date
    topics: tuple[str, ...]
    areas: tuple[str, ...]
    towns: tuple[str, ...]
    """Where it takes place; empty when it comes to people, or is only on the phone."""


@dataclass(frozen=True, slots=True)
class Figures:
    """What waits: numbers of published offers, except for the drafts."""

    due: int
    never: int
    no_phone: int
    no_hours: int
    ends_soon: int
    drafts: int


# Who sees what.


def _services_in(scope: Scope) -> Condition:
    if scope.is_everything:
        return true()
    served = select(_area.c.service_id).where(_area.c.service_id.is_not(None))
    parts = []
    for reach in scope.reaches:
        conditions: list[Condition] = []
        if reach.organization_id is not None:
            conditions.append(_service.c.organization_id == reach.organization_id)
        if reach.area:
            outside = served.where(not_(_area.c.area.startswith(reach.area)))
            conditions += [_service.c.id.in_(served), _service.c.id.not_in(outside)]
        parts.append(and_(*conditions))
    return or_(false(), *parts)


def _organizations_in(scope: Scope) -> Condition:
    if scope.is_everything:
        return true()
    own = [reach.organization_id for reach in scope.reaches if reach.organization_id and not reach.area]
    offering = select(_service.c.organization_id).where(
        _service.c.region == scope.region, _services_in(scope)
    )
    return or_(_organization.c.id.in_(own), _organization.c.id.in_(offering))


def _locations_in(scope: Scope) -> Condition:
    if scope.is_everything:
        return true()
    parts = []
    for reach in scope.reaches:
        conditions: list[Condition] = []
        if reach.organization_id is not None:
            conditions.append(_location.c.organization_id == reach.organization_id)
        if reach.area:
            conditions.append(_location.c.place.startswith(reach.area))
        parts.append(and_(*conditions))
    return or_(false(), *parts)


# Words.

_FOLDS = (("ä", "a"), ("ö", "o"), ("ü", "u"), ("Ä", "a"), ("Ö", "o"), ("Ü", "u"), ("ß", "ss"))
"""Neither SQLite nor a C locale knows that Ä and ä are one letter."""


def folded(column: Any) -> ColumnElement[str]:
    """What `fold` makes of a text, made by the database."""
    for letter, plain in _FOLDS:
        column = func.replace(column, letter, plain)
    return func.lower(column)


def fold(text: str) -> str:
    """For comparing and sorting: small letters without dots."""
    for letter, plain in _FOLDS:
        text = text.replace(letter, plain)
    return text.lower()


def _digits(words: str) -> str:
    """The national number of what looks like a phone number; empty when it does not."""
    if not re.fullmatch(r"[\d\s+()/.-]{4,30}", words.strip()):
        return ""
    digits = re.sub(r"\D", "", words)
    return re.sub(r"^(0049|49(?=\d{6})|0)", "", digits)


def _plain_number() -> ColumnElement[str]:
    number: Any = _phone.c.number
    for sign in " /-().":
        number = func.replace(number, sign, "")
    return number  # type: ignore[no-any-return]


def _with_words(words: str, *columns: Any, also: Sequence[Any] = ()) -> Condition:
    """Every word stands in one of the columns; `also` are functions from a folded word to a condition."""
    # Folding is what costs time, so it is done once for all columns. A word has no space and cannot span two of them.
    text: Any = func.coalesce(columns[0], "")
    for column in columns[1:]:
        text = text.concat(" ").concat(func.coalesce(column, ""))
    text = folded(text)
    conditions = []
    for word in words.split()[:8]:
        plain = fold(word)
        conditions.append(or_(text.contains(plain, autoescape=True), *(make(plain) for make in also)))
    return and_(true(), *conditions)


def _of_organization_called(column: Any) -> Any:
    def condition(word: str) -> Condition:
        named = select(_organization.c.id).where(folded(_organization.c.name).contains(word, autoescape=True))
        return column.in_(named)  # type: ignore[no-any-return]

    return condition


# What waits for a decision, and what is missing.


def _in_review(region: str, entity: str) -> Select[Any]:
    return select(_proposal.c.entity_id).where(
        _proposal.c.region == region, _proposal.c.entity == entity, _proposal.c.state == "in_review"
    )


def _in_review_of(session: Session, region: str, entity: str, ids: Sequence[UUID]) -> frozenset[UUID]:
    wanted = _in_review(region, entity).where(_proposal.c.entity_id.in_(ids))
    return frozenset(session.execute(wanted).scalars())


def _service_ids_by(owned: Any, condition: Condition) -> CompoundSelect[Any]:
    """Offers that have a phone or opening hours anywhere: at themselves, at a place, at a contact, at their office."""
    found = [
        select(owned.c.service_id).where(owned.c.service_id.is_not(None), condition),
        select(_at.c.service_id)
        .join(owned, owned.c.service_at_location_id == _at.c.id)
        .where(owned.c.service_at_location_id.is_not(None), condition),
        select(_at.c.service_id)
        .join(owned, owned.c.location_id == _at.c.location_id)
        .where(owned.c.location_id.is_not(None), condition),
    ]
    if "contact_id" in owned.c:
        found.append(
            select(_contact.c.service_id)
            .join(owned, owned.c.contact_id == _contact.c.id)
            .where(owned.c.contact_id.is_not(None), condition)
        )
        found.append(
            select(_service.c.id)
            .join(owned, owned.c.organization_id == _service.c.organization_id)
            .where(owned.c.organization_id.is_not(None), condition)
        )
    return union_all(*found)


def _broken(region: str, kind: str) -> Select[Any]:
    """Addresses that did not work when they were last looked at."""
    return select(_checked.c.value).where(
        _checked.c.region == region, _checked.c.kind == kind, _checked.c.problem.is_not(None)
    )


def _service_has_broken_address(region: str) -> Condition:
    """The web address, mail address or phone number of the offer itself or of a contact of it."""
    number = _phone.c.number.in_(_broken(region, "phone"))
    by_contact = select(_contact.c.service_id).where(_contact.c.email.in_(_broken(region, "email")))
    by_phone = select(_phone.c.service_id).where(_phone.c.service_id.is_not(None), number)
    by_phone_of_contact = (
        select(_contact.c.service_id).join(_phone, _phone.c.contact_id == _contact.c.id).where(number)
    )
    return or_(
        func.coalesce(_service.c.url, "").in_(_broken(region, "url")),
        func.coalesce(_service.c.email, "").in_(_broken(region, "email")),
        _service.c.id.in_(union_all(by_contact, by_phone, by_phone_of_contact)),
    )


def _attention(scope: Scope) -> dict[str, Condition]:
    """Name of a list → which offers stand on it, apart from translations."""
    published = _service.c.status == Status.PUBLISHED.value
    reported = select(_report.c.service_id).where(_report.c.region == scope.region, _report.c.state == "open")
    return {
        "in_review": _service.c.id.in_(_in_review(scope.region, "service")),
        "due": reviewing.is_due(scope.region, scope.today),
        "never": and_(
            published,
            _service.c.assured_date.is_(None),
            or_(_service.c.valid_to.is_(None), _service.c.valid_to >= scope.today),
        ),
        "no_phone": and_(published, _service.c.id.not_in(_service_ids_by(_phone, _phone.c.type == "voice"))),
        "no_hours": and_(published, _service.c.id.not_in(_service_ids_by(_schedule, true()))),
        "reported": _service.c.id.in_(reported),
        "broken_link": and_(published, _service_has_broken_address(scope.region)),
        "ends_soon": and_(
            published,
            _service.c.valid_to >= scope.today,
            _service.c.valid_to <= scope.today + timedelta(days=ENDS_SOON_DAYS),
        ),
    }


# Offers.


def _service_conditions(
    session: Session, scope: Scope, wanted: Filter, gaps: TranslationGaps | None
) -> list[Condition]:
    conditions: list[Condition] = [
        _service.c.region == scope.region,
        _services_in(scope),
        _in_state(_service.c.status, wanted.state),
    ]
    if wanted.words and wanted.ids_by_words is not None:
        conditions.append(_among(session, _service.c.id, wanted.ids_by_words))
    elif wanted.words:
        by_words = _with_words(
            wanted.words,
            _service.c.name,
            _service.c.alternate_name,
            _service.c.slug,
            also=[_of_organization_called(_service.c.organization_id)],
        )
        digits = _digits(wanted.words)
        if digits:
            by_number = _service.c.id.in_(_service_ids_by(_phone, _plain_number().contains(digits)))
            by_words = or_(by_words, by_number)
        conditions.append(by_words)
    if wanted.topic:
        conditions.append(_service.c.id.in_(_with_topic(wanted.topic)))
    if wanted.organization:
        named = select(_organization.c.id).where(
            _organization.c.region == scope.region, _organization.c.slug == wanted.organization
        )
        conditions.append(_service.c.organization_id.in_(named))
    if wanted.area is not None:
        serving = select(_area.c.service_id).where(_area.c.area == wanted.area)
        conditions.append(_service.c.id.in_(serving.where(_area.c.service_id.is_not(None))))
    if wanted.contact is not None:
        conditions.append(_service.c.id.in_(_services_of_contact(wanted.contact)))
    if wanted.attention and wanted.ids_by_attention is not None:
        conditions.append(_among(session, _service.c.id, wanted.ids_by_attention))
    elif wanted.attention:
        conditions.append(_needs_attention(session, scope, wanted.attention, gaps))
    return conditions


def resolved(
    session: Session, scope: Scope, wanted: Filter, *, gaps: TranslationGaps | None = None
) -> Filter:
    """The same filter with what is slow to find already found; for offers."""

    def ids(**only: Any) -> frozenset[UUID]:
        conditions = _service_conditions(session, scope, Filter(state=ANY_STATE, **only), gaps)
        return frozenset(session.execute(select(_service.c.id).where(*conditions)).scalars())

    return replace(
        wanted,
        ids_by_words=ids(words=wanted.words) if wanted.words else None,
        ids_by_attention=ids(attention=wanted.attention) if wanted.attention else None,
    )


ANY_STATE = "any"


def _in_state(column: Any, state: str) -> Condition:
    if state == ANY_STATE:
        return true()
    if state:
        return column == state  # type: ignore[no-any-return]
    return column != Status.ARCHIVED.value  # type: ignore[no-any-return]


def _with_topic(code: str) -> Select[Any]:
    return (
        select(_attribute.c.link_id)
        .join(_term, _term.c.id == _attribute.c.taxonomy_term_id)
        .where(
            _attribute.c.link_type == "topics",
            _term.c.code == code,
            _term.c.taxonomy_id == taxonomy_id("topics"),
        )
    )


def _services_of_contact(id_: UUID) -> Select[Any]:
    one = _contact.alias()
    same = [
        func.coalesce(_contact.c[name], "") == func.coalesce(one.c[name], "")
        for name in ("name", "title", "department", "email")
    ]
    mine, its = _service.alias(), _service.alias()
    return (
        select(_contact.c.service_id)
        .join(one, and_(one.c.id == id_, *same))
        .join(mine, mine.c.id == one.c.service_id)
        .join(its, and_(its.c.id == _contact.c.service_id, its.c.organization_id == mine.c.organization_id))
    )


def _needs_attention(session: Session, scope: Scope, name: str, gaps: TranslationGaps | None) -> Condition:
    if name.startswith((MISSING, OUTDATED)):
        return _among(session, _service.c.id, gaps.ids(session, name)) if gaps else false()
    return _attention(scope).get(name, false())


def _among(session: Session, column: Any, ids: Collection[UUID]) -> Condition:
    """Like `column IN (…)`, for thousands of ids: on SQLite one parameter instead of one for each."""
    if session.get_bind().dialect.name != "sqlite":
        return column.in_(ids)  # type: ignore[no-any-return]
    each = func.json_each(json.dumps([id_.hex for id_ in ids])).table_valued("value")
    return column.in_(select(each.c.value))  # type: ignore[no-any-return]


_SERVICE_ORDER: Mapping[str, Any] = {
    "name": folded(_service.c.name),
    "organization": folded(_organization.c.name),
    "status": _service.c.status,
    "checked": _service.c.assured_date,
    "due": _service.c.review_due,
    "ends": _service.c.valid_to,
    "changed": _service.c.last_modified,
    "slug": _service.c.slug,
}
SERVICE_ORDERS = tuple(_SERVICE_ORDER)


def services(
    session: Session,
    scope: Scope,
    wanted: Filter,
    *,
    order: str = "name",
    descending: bool = False,
    limit: int,
    offset: int = 0,
    gaps: TranslationGaps | None = None,
) -> Listed[ServiceLine]:
    """Offers that were never confirmed count as the oldest; without an end as the last to end."""
    conditions = _service_conditions(session, scope, wanted, gaps)
    statement = (
        select(
            _service.c.id, _service.c.slug, _service.c.name, _service.c.organization_id,
            _organization.c.name.label("organization"), _organization.c.slug.label("organization_slug"),
            _service.c.status, _service.c.assured_date, _service.c.review_due, _service.c.valid_to,
            _service.c.last_modified,
        )
        .join(_organization, _organization.c.id == _service.c.organization_id)
        .where(*conditions)
    )  # fmt: skip
    by = _SERVICE_ORDER.get(order, _SERVICE_ORDER["name"])
    statement = _sorted(statement, by, _service.c.slug, descending, empty_first=order == "checked")
    rows = list(session.execute(statement.limit(limit).offset(offset)))
    ids = [row.id for row in rows]
    topics, areas, phones = (
        _topic_names(session, ids),
        _areas(session, ids),
        _first_phones(session, "service_id", ids),
    )
    in_review = _in_review_of(session, scope.region, "service", ids)
    lines = [
        ServiceLine(
            **row._mapping,
            topics=tuple(topics.get(row.id, ())),
            areas=tuple(areas.get(row.id, ())),
            phone=phones.get(row.id),
            in_review=row.id in in_review,
        )
        for row in rows
    ]
    return Listed(lines, _number(session, _service, conditions, len(lines), limit, offset))


def _sorted(
    statement: Select[Any], by: Any, last: Any, descending: bool, *, empty_first: bool
) -> Select[Any]:
    ordered = by.desc() if descending else by.asc()
    at_start = empty_first is not descending
    return statement.order_by(ordered.nulls_first() if at_start else ordered.nulls_last(), last)


def _number(
    session: Session, source: Any, conditions: Sequence[Condition], lines: int, limit: int, offset: int
) -> int:
    if lines < limit and (lines or not offset):
        return offset + lines
    return session.execute(select(func.count()).select_from(source).where(*conditions)).scalar() or 0


def number_of_services(
    session: Session, scope: Scope, wanted: Filter, *, gaps: TranslationGaps | None = None
) -> int:
    conditions = _service_conditions(session, scope, wanted, gaps)
    return session.execute(select(func.count()).select_from(_service).where(*conditions)).scalar() or 0


def service_facets(
    session: Session, scope: Scope, wanted: Filter, *, gaps: TranslationGaps | None = None
) -> Facets:
    def where(**other: Any) -> list[Condition]:
        return _service_conditions(session, scope, replace(wanted, **other), gaps)

    states = _by_state(session, _service, where)
    topics: dict[str, int] = {}
    for row in session.execute(
        select(_term.c.code, func.count().label("number"))
        .select_from(_service)
        .join(_attribute, and_(_attribute.c.link_id == _service.c.id, _attribute.c.link_type == "topics"))
        .join(_term, _term.c.id == _attribute.c.taxonomy_term_id)
        .where(*where(topic=""))
        .group_by(_term.c.code)
    ):
        topics[row.code] = row.number
    areas = {
        row.area: row.number
        for row in session.execute(
            select(_area.c.area, func.count().label("number"))
            .select_from(_service)
            .join(_area, _area.c.service_id == _service.c.id)
            .where(*where(area=None))
            .group_by(_area.c.area)
        )
    }
    return Facets(
        states=states,
        topics=topics,
        organizations=_by_organization(session, where(organization="")),
        areas=areas,
        attention=_by_attention(session, scope, replace(wanted, attention="", ids_by_attention=None), gaps),
    )


def _by_state(session: Session, source: Any, where: Any) -> dict[str, int]:
    found = {
        row.status: row.number
        for row in session.execute(
            select(source.c.status, func.count().label("number"))
            .where(*where(state=ANY_STATE))
            .group_by(source.c.status)
        )
    }
    return {**found, "": sum(found.values()) - found.get(Status.ARCHIVED.value, 0)}


def _by_organization(session: Session, conditions: Sequence[Condition]) -> dict[str, tuple[str, int]]:
    number = func.count().label("number")
    return {
        row.slug: (row.name, row.number)
        for row in session.execute(
            select(_organization.c.slug, _organization.c.name, number)
            .select_from(_service)
            .join(_organization, _organization.c.id == _service.c.organization_id)
            .where(*conditions)
            .group_by(_organization.c.slug, _organization.c.name)
            .order_by(number.desc(), _organization.c.slug)
            .limit(MOST_ORGANIZATIONS)
        )
    }


def _by_attention(
    session: Session, scope: Scope, wanted: Filter, gaps: TranslationGaps | None
) -> dict[str, int]:
    """`wanted` without an attention of its own."""
    lists = _attention(scope)
    names = [kind + language for language in (gaps.languages if gaps else ()) for kind in (MISSING, OUTDATED)]
    of_gaps: dict[str, int] = {}
    if gaps and scope.is_everything and wanted in (Filter(), Filter(state=Status.PUBLISHED.value)):
        # Gaps are those of published offers, so there is nothing to ask the database.
        of_gaps = {name: len(gaps.ids(session, name)) for name in names}
    else:
        lists |= {name: _needs_attention(session, scope, name, gaps) for name in names}
    counted = _numbers(session, _service, _service_conditions(session, scope, wanted, gaps), lists)
    return {**counted, **of_gaps}


def _numbers(
    session: Session, source: Any, conditions: Sequence[Condition], wanted: Mapping[str, Condition]
) -> dict[str, int]:
    """How many of the rows fulfil each of `wanted`, in one pass."""
    if not wanted:
        return {}
    columns = [
        func.sum(case((condition, 1), else_=0)).label(f"n{i}") for i, condition in enumerate(wanted.values())
    ]
    row = session.execute(select(*columns).select_from(source).where(*conditions)).one()
    return {name: int(number or 0) for name, number in zip(wanted, row, strict=True)}


def _topic_names(session: Session, ids: Sequence[UUID]) -> dict[UUID, list[str]]:
    found: dict[UUID, list[str]] = defaultdict(list)
    for row in session.execute(
        select(_attribute.c.link_id, func.coalesce(_term.c.short_name, _term.c.name).label("name"))
        .join(_term, _term.c.id == _attribute.c.taxonomy_term_id)
        .where(_attribute.c.link_id.in_(ids), _attribute.c.link_type == "topics")
        .order_by(_attribute.c.position)
    ):
        found[row.link_id].append(row.name)
    return found


def _areas(session: Session, ids: Sequence[UUID]) -> dict[UUID, list[str]]:
    found: dict[UUID, list[str]] = defaultdict(list)
    for row in session.execute(
        select(_area.c.service_id, _area.c.area).where(_area.c.service_id.in_(ids)).order_by(_area.c.position)
    ):
        found[row.service_id].append(row.area)
    return found


def _towns(session: Session, ids: Sequence[UUID]) -> dict[UUID, list[str]]:
    """Of the houses whose address may be known."""
    found: dict[UUID, list[str]] = defaultdict(list)
    for row in session.execute(
        select(_at.c.service_id, _address.c.city)
        .join(_location, _location.c.id == _at.c.location_id)
        .join(_address, _address.c.location_id == _location.c.id)
        .where(_at.c.service_id.in_(ids), _is_open())
        .order_by(_at.c.position)
    ):
        if row.city not in found[row.service_id]:
            found[row.service_id].append(row.city)
    return found


def _first_phones(session: Session, owner: str, ids: Sequence[UUID]) -> dict[UUID, str]:
    found: dict[UUID, str] = {}
    for row in session.execute(
        select(_phone.c[owner].label("owner"), _phone.c.number)
        .where(_phone.c[owner].in_(ids), _phone.c.type == "voice")
        .order_by(_phone.c.position)
    ):
        found.setdefault(row.owner, row.number)
    return found


# Organizations.


def _organization_conditions(scope: Scope, wanted: Filter) -> list[Condition]:
    conditions: list[Condition] = [
        _organization.c.region == scope.region,
        _organizations_in(scope),
        _in_state(_organization.c.status, wanted.state),
    ]
    if wanted.words:
        by_words = _with_words(
            wanted.words, _organization.c.name, _organization.c.alternate_name, _organization.c.slug
        )
        digits = _digits(wanted.words)
        if digits:
            numbers = select(_phone.c.organization_id).where(
                _phone.c.organization_id.is_not(None), _plain_number().contains(digits)
            )
            by_words = or_(by_words, _organization.c.id.in_(numbers))
        conditions.append(by_words)
    if wanted.kind:
        conditions.append(_organization.c.kind == wanted.kind)
    if wanted.attention:
        conditions.append(_organization_attention(scope).get(wanted.attention, false()))
    return conditions


def _organization_attention(scope: Scope) -> dict[str, Condition]:
    published = _organization.c.status == Status.PUBLISHED.value
    reachable = select(_phone.c.organization_id).where(_phone.c.organization_id.is_not(None))
    offering = select(_service.c.organization_id).where(_service.c.status != Status.ARCHIVED.value)
    number = _phone.c.number.in_(_broken(scope.region, "phone"))
    broken = or_(
        func.coalesce(_organization.c.website, "").in_(_broken(scope.region, "url")),
        func.coalesce(_organization.c.email, "").in_(_broken(scope.region, "email")),
        _organization.c.id.in_(reachable.where(number)),
    )
    return {
        "in_review": _organization.c.id.in_(_in_review(scope.region, "organization")),
        "no_phone": and_(published, _organization.c.id.not_in(reachable.where(_phone.c.type == "voice"))),
        "no_services": and_(published, _organization.c.id.not_in(offering)),
        "broken_link": and_(published, broken),
    }


ORGANIZATION_ATTENTION = ("in_review", "no_phone", "no_services", "broken_link")
_kind_term = _term.alias()
_ORGANIZATION_ORDER: Mapping[str, Any] = {
    "name": folded(_organization.c.name),
    "kind": folded(func.coalesce(_kind_term.c.name, _organization.c.kind)),
    "status": _organization.c.status,
    "services": "services",
    "checked": _organization.c.assured_date,
    "changed": _organization.c.last_modified,
    "slug": _organization.c.slug,
}
ORGANIZATION_ORDERS = tuple(_ORGANIZATION_ORDER)


def organizations(
    session: Session,
    scope: Scope,
    wanted: Filter,
    *,
    order: str = "name",
    descending: bool = False,
    limit: int,
    offset: int = 0,
) -> Listed[OrganizationLine]:
    conditions = _organization_conditions(scope, wanted)
    offered = (
        select(_service.c.organization_id, func.count().label("number"))
        .where(_service.c.region == scope.region, _service.c.status != Status.ARCHIVED.value)
        .group_by(_service.c.organization_id)
        .subquery()
    )
    number = func.coalesce(offered.c.number, 0)
    statement = (
        select(
            _organization.c.id, _organization.c.slug, _organization.c.name,
            func.coalesce(_kind_term.c.name, _organization.c.kind).label("kind"), _organization.c.status,
            _organization.c.email, _organization.c.website, _organization.c.assured_date,
            _organization.c.last_modified, number.label("services"),
        )
        .outerjoin(offered, offered.c.organization_id == _organization.c.id)
        .outerjoin(
            _kind_term,
            and_(
                _kind_term.c.code == _organization.c.kind,
                _kind_term.c.taxonomy_id == taxonomy_id(ORGANIZATION_KINDS),
            ),
        )
        .where(*conditions)
    )  # fmt: skip
    by = number if order == "services" else _ORGANIZATION_ORDER.get(order, _ORGANIZATION_ORDER["name"])
    statement = _sorted(statement, by, _organization.c.slug, descending, empty_first=order == "checked")
    rows = list(session.execute(statement.limit(limit).offset(offset)))
    ids = [row.id for row in rows]
    phones = _first_phones(session, "organization_id", ids)
    areas = {} if scope.is_everything else organization_areas(session, ids)
    in_review = _in_review_of(session, scope.region, "organization", ids)
    lines = [
        OrganizationLine(
            **row._mapping,
            phone=phones.get(row.id),
            areas=areas.get(row.id, ()),
            in_review=row.id in in_review,
        )
        for row in rows
    ]
    return Listed(lines, _number(session, _organization, conditions, len(lines), limit, offset))


def organization_facets(session: Session, scope: Scope, wanted: Filter) -> Facets:
    def where(**other: Any) -> list[Condition]:
        return _organization_conditions(scope, replace(wanted, **other))

    kinds = session.execute(
        select(_organization.c.kind, func.count().label("number"))
        .where(*where(kind=""))
        .group_by(_organization.c.kind)
    )
    return Facets(
        states=_by_state(session, _organization, where),
        kinds={row.kind: row.number for row in kinds},
        attention=_numbers(session, _organization, where(attention=""), _organization_attention(scope)),
    )


# Locations.


def _location_conditions(scope: Scope, wanted: Filter) -> list[Condition]:
    conditions: list[Condition] = [_location.c.region == scope.region, _locations_in(scope)]
    if wanted.words:

        def addressed(word: str) -> Condition:
            at = select(_address.c.location_id).where(
                or_(
                    folded(_address.c.city).contains(word, autoescape=True),
                    folded(_address.c.address_1).contains(word, autoescape=True),
                    _address.c.postal_code.startswith(word, autoescape=True),
                )
            )
            return and_(_location.c.id.in_(at), _is_open())

        by_words = _with_words(
            wanted.words,
            _location.c.name,
            _location.c.slug,
            also=[addressed, _of_organization_called(_location.c.organization_id)],
        )
        digits = _digits(wanted.words)
        if digits:
            numbers = select(_phone.c.location_id).where(
                _phone.c.location_id.is_not(None), _plain_number().contains(digits)
            )
            by_words = or_(by_words, _location.c.id.in_(numbers))
        conditions.append(by_words)
    if wanted.organization:
        named = select(_organization.c.id).where(
            _organization.c.region == scope.region, _organization.c.slug == wanted.organization
        )
        conditions.append(_location.c.organization_id.in_(named))
    if wanted.area is not None:
        conditions.append(and_(_location.c.place == wanted.area, _is_open()))
    if wanted.attention:
        conditions.append(_location_attention().get(wanted.attention, false()))
    return conditions


def _is_open() -> Condition:
    """Not a shelter, nor a house of an organization that runs one: nobody finds those by their address."""
    hidden = select(_organization.c.id).where(_organization.c.confidential)
    return and_(not_(_location.c.confidential), _location.c.organization_id.not_in(hidden))


def _location_attention() -> dict[str, Condition]:
    physical = and_(_location.c.location_type == "physical", _is_open())
    hours = select(_schedule.c.location_id).where(_schedule.c.location_id.is_not(None))
    own_hours = select(_at.c.location_id).join(_schedule, _schedule.c.service_at_location_id == _at.c.id)
    used = (
        select(_at.c.location_id)
        .join(_service, _service.c.id == _at.c.service_id)
        .where(_service.c.status != Status.ARCHIVED.value)
    )
    return {
        "no_address": and_(physical, _location.c.id.not_in(select(_address.c.location_id))),
        "no_point": and_(physical, _location.c.latitude.is_(None)),
        "no_hours": and_(physical, _location.c.id.not_in(hours), _location.c.id.not_in(own_hours)),
        "unused": _location.c.id.not_in(used),
    }


LOCATION_ATTENTION = ("no_address", "no_point", "no_hours", "unused")
LOCATION_ORDERS = ("name", "organization", "town", "services", "changed", "slug")


def locations(
    session: Session,
    scope: Scope,
    wanted: Filter,
    *,
    order: str = "name",
    descending: bool = False,
    limit: int,
    offset: int = 0,
) -> Listed[LocationLine]:
    """Shelters are listed by name only: their lines have neither street nor town."""
    conditions = _location_conditions(scope, wanted)
    using = (
        select(_at.c.location_id, func.count().label("number"))
        .join(_service, _service.c.id == _at.c.service_id)
        .where(_service.c.region == scope.region, _service.c.status != Status.ARCHIVED.value)
        .group_by(_at.c.location_id)
        .subquery()
    )
    number = func.coalesce(using.c.number, 0)
    hidden = or_(_location.c.confidential, _organization.c.confidential)
    street = case((hidden, None), else_=_address.c.address_1)
    town = case((hidden, None), else_=_address.c.city)
    statement = (
        select(
            _location.c.id, _location.c.slug, _location.c.name, _location.c.organization_id,
            _organization.c.name.label("organization"), _organization.c.slug.label("organization_slug"),
            hidden.label("confidential"), case((hidden, None), else_=_location.c.place).label("place"),
            street.label("street"), town.label("town"),
            _location.c.last_modified, number.label("services"),
        )
        .join(_organization, _organization.c.id == _location.c.organization_id)
        .outerjoin(_address, _address.c.location_id == _location.c.id)
        .outerjoin(using, using.c.location_id == _location.c.id)
        .where(*conditions)
    )  # fmt: skip
    orders: dict[str, Any] = {
        "name": folded(_location.c.name),
        "organization": folded(_organization.c.name),
        "town": folded(town),
        "services": number,
        "changed": _location.c.last_modified,
        "slug": _location.c.slug,
    }
    statement = _sorted(
        statement, orders.get(order, orders["name"]), _location.c.slug, descending, empty_first=False
    )
    rows = list(session.execute(statement.limit(limit).offset(offset)))
    lines = [LocationLine(**{**row._mapping, "confidential": bool(row.confidential)}) for row in rows]
    return Listed(lines, _number(session, _location, conditions, len(lines), limit, offset))


def location_facets(session: Session, scope: Scope, wanted: Filter) -> Facets:
    def where(**other: Any) -> list[Condition]:
        return _location_conditions(scope, replace(wanted, **other))

    areas = session.execute(
        select(_location.c.place, func.count().label("number"))
        .where(*where(area=None), _location.c.place.is_not(None), _is_open())
        .group_by(_location.c.place)
    )
    by_organization = session.execute(
        select(_organization.c.slug, _organization.c.name, func.count().label("number"))
        .select_from(_location)
        .join(_organization, _organization.c.id == _location.c.organization_id)
        .where(*where(organization=""))
        .group_by(_organization.c.slug, _organization.c.name)
        .order_by(func.count().desc(), _organization.c.slug)
        .limit(MOST_ORGANIZATIONS)
    )
    return Facets(
        organizations={row.slug: (row.name, row.number) for row in by_organization},
        areas={row.place: row.number for row in areas},
        attention=_numbers(session, _location, where(attention=""), _location_attention()),
    )


# Contacts.


def _contact_conditions(scope: Scope, wanted: Filter) -> list[Condition]:
    conditions: list[Condition] = [
        _service.c.region == scope.region,
        _services_in(scope),
        _in_state(_service.c.status, wanted.state),
    ]
    if wanted.words:
        by_words = _with_words(
            wanted.words,
            *(_contact.c[name] for name in ("name", "title", "department", "email")),
            also=[_of_organization_called(_service.c.organization_id)],
        )
        digits = _digits(wanted.words)
        if digits:
            numbers = select(_phone.c.contact_id).where(
                _phone.c.contact_id.is_not(None), _plain_number().contains(digits)
            )
            by_words = or_(by_words, _contact.c.id.in_(numbers))
        conditions.append(by_words)
    if wanted.organization:
        conditions.append(_organization.c.slug == wanted.organization)
    if wanted.attention == "unreachable":
        conditions.append(_unreachable())
    elif wanted.attention:
        conditions.append(false())
    return conditions


def _unreachable() -> Condition:
    called = select(_phone.c.contact_id).where(_phone.c.contact_id.is_not(None))
    return and_(_contact.c.email.is_(None), _contact.c.id.not_in(called))


CONTACT_ATTENTION = ("unreachable",)
CONTACT_ORDERS = ("name", "organization", "department", "email", "services")


def _contact_groups(conditions: Sequence[Condition]) -> Select[Any]:
    words = [_contact.c[name] for name in ("name", "title", "department", "email")]
    owner = (
        _organization.c.id.label("organization_id"),
        _organization.c.name.label("organization"),
        _organization.c.slug.label("organization_slug"),
    )
    return (
        select(
            # PostgreSQL has no smallest UUID, so the id is found by its service's slug afterwards.
            func.min(_service.c.slug).label("service_slug"),
            func.count(_service.c.id.distinct()).label("services"),
            *words,
            *owner,
        )
        .select_from(_contact)
        .join(_service, _service.c.id == _contact.c.service_id)
        .join(_organization, _organization.c.id == _service.c.organization_id)
        .where(*conditions)
        .group_by(*words, _organization.c.id, _organization.c.name, _organization.c.slug)
    )


def contacts(
    session: Session,
    scope: Scope,
    wanted: Filter,
    *,
    order: str = "name",
    descending: bool = False,
    limit: int,
    offset: int = 0,
) -> Listed[ContactLine]:
    groups = _contact_groups(_contact_conditions(scope, wanted)).subquery()
    orders: dict[str, Any] = {
        "name": folded(func.coalesce(groups.c.name, groups.c.department, groups.c.title)),
        "organization": folded(groups.c.organization),
        "department": folded(groups.c.department),
        "email": groups.c.email,
        "services": groups.c.services,
    }
    statement = _sorted(
        select(groups),
        orders.get(order, orders["name"]),
        groups.c.service_slug,
        descending,
        empty_first=False,
    )
    rows = list(session.execute(statement.limit(limit).offset(offset)))
    slugs = {row.service_slug for row in rows}
    ids: dict[tuple[Any, ...], UUID] = {}
    for row in session.execute(
        select(_contact, _service.c.slug)
        .join(_service, _service.c.id == _contact.c.service_id)
        .where(_service.c.region == scope.region, _service.c.slug.in_(slugs))
        .order_by(_contact.c.position)
    ):
        ids.setdefault((row.slug, row.name, row.title, row.department, row.email), row.id)
    phones = _first_phones(session, "contact_id", list(ids.values()))
    lines = []
    for row in rows:
        id_ = ids[row.service_slug, row.name, row.title, row.department, row.email]
        lines.append(ContactLine(id=id_, **row._mapping, phone=phones.get(id_)))
    if len(lines) < limit and (lines or not offset):
        return Listed(lines, offset + len(lines))
    return Listed(lines, session.execute(select(func.count()).select_from(groups)).scalar() or 0)


def contact_facets(session: Session, scope: Scope, wanted: Filter) -> Facets:
    def groups(**other: Any) -> Select[Any]:
        return _contact_groups(_contact_conditions(scope, replace(wanted, **other)))

    owned = groups(organization="").subquery()
    organizations_ = session.execute(
        select(owned.c.organization_slug, owned.c.organization, func.count().label("number"))
        .group_by(owned.c.organization_slug, owned.c.organization)
        .order_by(func.count().desc(), owned.c.organization_slug)
        .limit(MOST_ORGANIZATIONS)
    )
    unreachable = groups(attention="unreachable").subquery()
    return Facets(
        organizations={row.organization_slug: (row.organization, row.number) for row in organizations_},
        attention={
            "unreachable": session.execute(select(func.count()).select_from(unreachable)).scalar() or 0
        },
    )


# Archive and funding.


def archived(session: Session, scope: Scope) -> list[ArchivedLine]:
    """Whose term ends first stands first."""
    found: list[ArchivedLine] = []
    rows = list(
        session.execute(
            select(
                _service.c.id, _service.c.slug, _service.c.name, _service.c.organization_id,
                _organization.c.name.label("organization"), _service.c.archived_at,
            )
            .join(_organization, _organization.c.id == _service.c.organization_id)
            .where(
                _service.c.region == scope.region,
                _service.c.status == Status.ARCHIVED.value,
                _services_in(scope),
            )
        )
    )  # fmt: skip
    areas = _areas(session, [row.id for row in rows])
    for row in rows:
        found.append(
            ArchivedLine(
                "service", row.slug, row.name, row.organization_id, row.organization, row.archived_at,
                tuple(areas.get(row.id, ())),
            )
        )  # fmt: skip
    rows = list(
        session.execute(
            select(_organization).where(
                _organization.c.region == scope.region,
                _organization.c.status == Status.ARCHIVED.value,
                _organizations_in(scope),
            )
        )
    )
    served = {} if scope.is_everything else organization_areas(session, [row.id for row in rows])
    for row in rows:
        found.append(
            ArchivedLine(
                "organization", row.slug, row.name, row.id, row.name, row.archived_at, served.get(row.id, ())
            )
        )
    return sorted(found, key=ArchivedLine.order)


def places_taken_away(session: Session, scope: Scope, *, now: datetime) -> list[ArchivedLine]:
    """In the last 90 days, of organizations that are still there: without them a place cannot be put back."""
    newer = _version.alias()
    rows = list(
        session.execute(
            select(_version.c.slug, _version.c.number, _version.c.at, _version.c.record).where(
                _version.c.region == scope.region,
                _version.c.entity == "location",
                _version.c.cause == "archived",
                _version.c.at >= now - ERASED_AFTER,
                _version.c.entity_id.not_in(select(_location.c.id).where(_location.c.region == scope.region)),
                not_(
                    select(newer.c.id)
                    .where(newer.c.entity_id == _version.c.entity_id, newer.c.number > _version.c.number)
                    .exists()
                ),
            )
        )
    )
    owners = {entity_id(scope.region, "organization", row.record["organization"]) for row in rows}
    called = {
        row.id: row.name
        for row in session.execute(
            select(_organization.c.id, _organization.c.name).where(_organization.c.id.in_(owners))
        )
    }
    found = []
    for row in rows:
        owner = entity_id(scope.region, "organization", row.record["organization"])
        place = row.record.get("place") or ""
        if owner in called and any(reach.covers(owner, place) for reach in scope.reaches):
            found.append(
                ArchivedLine(
                    "location", row.slug, row.record["name"], owner, called[owner], row.at,
                    (place,) if place else (), row.number,
                )
            )  # fmt: skip
    return found


def ending(session: Session, scope: Scope, *, since: date, until: date = date.max) -> list[EndingLine]:
    """Published offers whose last day lies between the two days, the first to go first."""
    rows = list(
        session.execute(
            select(
                _service.c.id, _service.c.slug, _service.c.name, _service.c.valid_to,
                _organization.c.name.label("organization"),
            )
            .join(_organization, _organization.c.id == _service.c.organization_id)
            .where(
                _service.c.region == scope.region,
                _service.c.status == Status.PUBLISHED.value,
                _service.c.valid_to >= since,
                _service.c.valid_to <= until,
                _services_in(scope),
            )
            .order_by(_service.c.valid_to, folded(_service.c.name), _service.c.slug)
        )
    )  # fmt: skip
    ids = [row.id for row in rows]
    topics, areas, towns = _topic_names(session, ids), _areas(session, ids), _towns(session, ids)
    return [
        EndingLine(
            row.slug, row.name, row.organization, row.valid_to, tuple(topics.get(row.id, ())),
            tuple(areas.get(row.id, ())), tuple(towns.get(row.id, ())),
        )
        for row in rows
    ]  # fmt: skip


def organization_areas(session: Session, ids: Collection[UUID]) -> dict[UUID, tuple[str, ...]]:
    """Whom the organizations are there for: the areas of their published offers, or of all when none is published.

    An offer without an area counts as one for everywhere (an empty area), which lies in no part of the county.
    """
    published: dict[UUID, set[str]] = defaultdict(set)
    others: dict[UUID, set[str]] = defaultdict(set)
    for row in session.execute(
        select(_service.c.organization_id, _service.c.status, func.coalesce(_area.c.area, "").label("area"))
        .outerjoin(_area, _area.c.service_id == _service.c.id)
        .where(_service.c.organization_id.in_(ids))
        .distinct()
    ):
        known = published if row.status == Status.PUBLISHED.value else others
        known[row.organization_id].add(row.area)
    return {id_: tuple(sorted(areas)) for id_, areas in {**others, **published}.items()}


def names(session: Session, region: str, entity: str, slugs: Collection[str]) -> dict[str, str]:
    """Slug → name, of those that are there."""
    source = {"service": _service, "organization": _organization, "location": _location}[entity]
    rows = session.execute(
        select(source.c.slug, source.c.name).where(source.c.region == region, source.c.slug.in_(slugs))
    )
    return {row.slug: row.name for row in rows}


# What waits.


def figures(session: Session, scope: Scope) -> Figures:
    wanted = Filter(state=Status.PUBLISHED.value)
    numbers = _by_attention(session, scope, wanted, None)
    return Figures(
        due=numbers["due"],
        never=numbers["never"],
        no_phone=numbers["no_phone"],
        no_hours=numbers["no_hours"],
        ends_soon=numbers["ends_soon"],
        drafts=number_of_services(session, scope, Filter(state=Status.DRAFT.value)),
    )


@dataclass(frozen=True, slots=True)
class MissLine:
    language: str
    term: str
    count: int
    last_day: date


def open_misses(session: Session, region: str, *, limit: int) -> Listed[MissLine]:
    """Words that found nothing and about which nothing was decided, the most frequent first."""
    decided = (
        select(_decision.c.term)
        .where(
            _decision.c.region == _miss.c.region,
            _decision.c.language == _miss.c.language,
            _decision.c.term == _miss.c.term,
        )
        .exists()
    )
    conditions = (_miss.c.region == region, not_(decided))
    rows = session.execute(
        select(_miss.c.language, _miss.c.term, _miss.c["count"], _miss.c.last_day)
        .where(*conditions)
        .order_by(_miss.c["count"].desc(), _miss.c.term)
        .limit(limit)
    )
    total = session.execute(select(func.count()).select_from(_miss).where(*conditions)).scalar() or 0
    return Listed([MissLine(*row) for row in rows], total)
