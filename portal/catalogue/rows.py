"""Everything that belongs to a region's services, read with about twenty statements and grouped by owner.

Both the export and the pages' read model are made from this. No ORM objects: a row is a plain tuple with names.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, FromClause, Row, Select, case, or_, select
from sqlmodel import Session, SQLModel

from portal.catalogue import models

AnyRow = Row[Any]
_CHUNK = 500
"""Ids per statement; SQLite's limit for variables is 32,766, PostgreSQL plans long lists slowly."""


def table(model: type[SQLModel]) -> FromClause:
    return model.__table__  # type: ignore[attr-defined, no-any-return]


_service = table(models.Service)
_organization = table(models.Organization)
_location = table(models.Location)
_at_location = table(models.ServiceAtLocation)
_contact = table(models.Contact)
_phone = table(models.Phone)


def translation_columns(*, with_history: bool) -> Select[Any]:
    """There are thousands of them, so that every column that is not converted counts."""
    translation = table(models.Translation)
    if with_history:
        return select(translation)
    names = ("entity_id", "entity", "field", "language", "text", "status", "source_hash")
    checked_at = case((translation.c.status == "checked", translation.c.edited_at)).label("edited_at")
    return select(*(translation.c[name] for name in names), checked_at)


class Rows:
    """A region, or some of its services with their organizations and locations."""

    def __init__(
        self,
        session: Session,
        region: str,
        service_ids: Collection[UUID] | None = None,
        *,
        with_history: bool = False,
    ) -> None:
        """`service_ids` None reads the whole region, also organizations and locations without a service.

        `with_history`: translations also with what only a load needs to know of them.
        """
        self._with_history = with_history
        self.services: dict[UUID, AnyRow] = {}
        self.organizations: dict[UUID, AnyRow] = {}
        self.locations: dict[UUID, AnyRow] = {}
        self.at_locations: dict[UUID, list[AnyRow]] = defaultdict(list)
        """By service."""
        self.addresses: dict[UUID, AnyRow] = {}
        """By location."""
        self.costs: dict[UUID, AnyRow] = {}
        """By service."""
        self.accessibility: dict[UUID, list[AnyRow]] = defaultdict(list)
        self.contacts: dict[UUID, list[AnyRow]] = defaultdict(list)
        self.documents: dict[UUID, list[AnyRow]] = defaultdict(list)
        self.phones: dict[UUID, list[AnyRow]] = defaultdict(list)
        self.schedules: dict[UUID, list[AnyRow]] = defaultdict(list)
        self.areas: dict[UUID, list[str]] = defaultdict(list)
        self.languages: dict[UUID, list[str]] = defaultdict(list)
        """These four by whichever object they hang on."""
        self.codes: dict[tuple[UUID, str], list[str]] = defaultdict(list)
        """Term codes by object and field."""
        self.translations: dict[UUID, list[AnyRow]] = defaultdict(list)
        if service_ids is None:
            self._read_region(session, region)
        else:
            self._read_services(session, region, list(service_ids))

    def _read_region(self, session: Session, region: str) -> None:
        services = select(_service.c.id).where(_service.c.region == region)
        organizations = select(_organization.c.id).where(_organization.c.region == region)
        locations = select(_location.c.id).where(_location.c.region == region)
        self._keep(self.services, session, select(_service).where(_service.c.region == region))
        self._keep(
            self.organizations,
            session,
            select(_organization).where(_organization.c.region == region),
        )
        self._keep(
            self.locations,
            session,
            select(_location).where(_location.c.region == region),
        )
        self._read_children(session, services, organizations, locations)
        translation = table(models.Translation)
        self._read_translations(session, translation.c.region == region)

    def _read_services(self, session: Session, region: str, service_ids: list[UUID]) -> None:
        for start in range(0, len(service_ids), _CHUNK):
            ids = service_ids[start : start + _CHUNK]
            found = select(_service).where(_service.c.region == region, _service.c.id.in_(ids))
            self._keep(self.services, session, found)
            locations = [
                row.location_id
                for row in session.execute(
                    select(_at_location.c.location_id).where(_at_location.c.service_id.in_(ids)).distinct()
                )
            ]
            organizations = list({self.services[id_].organization_id for id_ in ids if id_ in self.services})
            self._keep(
                self.locations,
                session,
                select(_location).where(_location.c.id.in_(locations)),
            )
            self._keep(
                self.organizations,
                session,
                select(_organization).where(_organization.c.id.in_(organizations)),
            )
            self._keep_parents(session)
            # An organization or location of an earlier chunk must not get its phones twice.
            new_organizations = [id_ for id_ in organizations if id_ not in self.phones]
            new_locations = [id_ for id_ in locations if id_ not in self.phones]
            self._read_children(session, ids, new_organizations, new_locations)
            self._read_translations(
                session,
                table(models.Translation).c.entity_id.in_([*ids, *new_organizations, *new_locations]),
            )
            for id_ in (*new_organizations, *new_locations):
                self.phones[id_]  # The default dict remembers that it was read.

    def _read_children(
        self,
        session: Session,
        services: "_Ids",
        organizations: "_Ids",
        locations: "_Ids",
    ) -> None:
        at_locations = select(_at_location.c.id).where(_at_location.c.service_id.in_(services))
        contacts = select(_contact.c.id).where(_contact.c.service_id.in_(services))
        phone_owners = {
            "organization_id": organizations,
            "location_id": locations,
            "service_id": services,
            "service_at_location_id": at_locations,
            "contact_id": contacts,
        }
        phones = select(_phone.c.id).where(_any_owner(_phone, phone_owners))

        for row in _owned(session, models.ServiceAtLocation, {"service_id": services}):
            self.at_locations[row.service_id].append(row)
        for row in _owned(session, models.Contact, {"service_id": services}):
            self.contacts[row.service_id].append(row)
        for row in _owned(session, models.RequiredDocument, {"service_id": services}):
            self.documents[row.service_id].append(row)
        for row in _owned(session, models.CostOption, {"service_id": services}):
            self.costs[row.service_id] = row
        for row in _owned(session, models.Address, {"location_id": locations}):
            self.addresses[row.location_id] = row
        for row in _owned(session, models.Accessibility, {"location_id": locations}):
            self.accessibility[row.location_id].append(row)
        for row in _owned(session, models.Phone, phone_owners):
            self.phones[_owner(row, phone_owners)].append(row)
        owners: dict[str, _Ids] = {
            "location_id": locations,
            "service_id": services,
            "service_at_location_id": at_locations,
        }
        for row in _owned(session, models.Schedule, owners):
            self.schedules[_owner(row, owners)].append(row)
        owners = {"service_id": services, "service_at_location_id": at_locations}
        for row in _owned(session, models.ServiceArea, owners):
            self.areas[_owner(row, owners)].append(row.area)
        owners = {"location_id": locations, "service_id": services, "phone_id": phones}
        for row in _owned(session, models.Language, owners):
            self.languages[_owner(row, owners)].append(row.code)
        attribute, term = table(models.Attribute), table(models.TaxonomyTerm)
        for row in session.execute(
            select(attribute.c.link_id, attribute.c.link_type, term.c.code)
            .join(term, term.c.id == attribute.c.taxonomy_term_id)
            .where(attribute.c.link_id.in_(services))
            .order_by(attribute.c.position)
        ):
            self.codes[row.link_id, row.link_type].append(row.code)

    def _read_translations(self, session: Session, condition: ColumnElement[bool]) -> None:
        translation = table(models.Translation)
        for row in session.execute(
            translation_columns(with_history=self._with_history)
            .where(condition)
            .order_by(translation.c.language, translation.c.field)
        ):
            self.translations[row.entity_id].append(row)

    def read_organizations(
        self, session: Session, organizations: Select[Any], locations: Select[Any]
    ) -> None:
        """Add organizations and locations that no service leads to."""
        self._keep(self.organizations, session, organizations)
        self._keep(self.locations, session, locations)
        self._read_children(session, [], list(self.organizations), list(self.locations))
        self._keep_parents(session)
        translation = table(models.Translation)
        self._read_translations(session, translation.c.entity_id.in_([*self.organizations, *self.locations]))

    def _keep_parents(self, session: Session) -> None:
        """Only their own row, for their name."""
        parents = {row.parent_organization_id for row in self.organizations.values()} - {None}
        missing = sorted(parents - self.organizations.keys())
        if missing:
            self._keep(
                self.organizations, session, select(_organization).where(_organization.c.id.in_(missing))
            )

    @staticmethod
    def _keep(into: dict[UUID, AnyRow], session: Session, statement: Select[Any]) -> None:
        chosen = statement.selected_columns
        for row in session.execute(statement.order_by(chosen.position, chosen.slug)):
            into[row.id] = row


_Ids = Sequence[UUID] | Select[Any]


def _any_owner(owned: FromClause, owners: dict[str, _Ids]) -> ColumnElement[bool]:
    return or_(*(owned.c[column].in_(ids) for column, ids in owners.items()))


def _owned(session: Session, model: type[SQLModel], owners: dict[str, _Ids]) -> Iterable[AnyRow]:
    owned = table(model)
    statement = select(owned).where(_any_owner(owned, owners))
    return session.execute(statement.order_by(owned.c.position) if "position" in owned.c else statement)


def _owner(row: AnyRow, columns: Iterable[str]) -> UUID:
    for column in columns:
        owner = getattr(row, column)
        if owner is not None:
            return owner  # type: ignore[no-any-return]
    raise ValueError(f"row {row.id} has no owner")


def german_text(rows: Rows, row: AnyRow, path: str) -> str | None:
    """The text that a translation's field path (`contacts.0.title`) points to; None when it is gone."""
    step, _, rest = path.partition(".")
    index, _, deeper = rest.partition(".")
    try:
        if step == "expectations":
            return str(row.expectations[int(index)])
        if step == "required_documents":
            return str(rows.documents[row.id][int(index)].document)
        if step == "cost":
            return german_text(rows, rows.costs[row.id], rest)
        hanging = {
            "phones": rows.phones,
            "schedules": rows.schedules,
            "contacts": rows.contacts,
            "accessibility": rows.accessibility,
            "locations": rows.at_locations,
        }.get(step)
        if hanging is not None:
            return german_text(rows, hanging[row.id][int(index)], deeper)
        text = getattr(row, step)
    except (AttributeError, IndexError, KeyError, ValueError):
        return None
    return text if isinstance(text, str) else None
