"""An offer as the public would see it, before anybody saved it. Writes nothing."""

from collections.abc import Mapping
from datetime import datetime
from types import SimpleNamespace
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import or_, select
from sqlmodel import Session

from portal.catalogue import models
from portal.catalogue.models import Status, entity_id
from portal.catalogue.queries import ServiceView, view_of
from portal.catalogue.records import PhoneRecord, Provenance, ScheduleRecord, ServiceRecord
from portal.catalogue.rows import Rows, table
from portal.catalogue.vocabulary import TERM_FIELDS


def service_view(
    session: Session, region: str, record: ServiceRecord, *, now: datetime
) -> ServiceView | None:
    """The German page of the record; None when its organization is not there. Unknown locations are left out."""
    organization, location = table(models.Organization), table(models.Location)
    owner = entity_id(region, "organization", record.organization)
    houses = [entity_id(region, "location", at.location) for at in record.locations]
    # A house may belong to another organization, which then decides whether its address is secret.
    owners = select(location.c.organization_id).where(location.c.id.in_(houses))
    rows = Rows(session, region, [])
    rows.read_organizations(
        session,
        select(organization).where(or_(organization.c.id == owner, organization.c.id.in_(owners))),
        select(location).where(location.c.id.in_(houses)),
    )
    if owner not in rows.organizations:
        return None
    id_ = entity_id(region, "service", record.slug)
    source = record.source or Provenance()
    kept: Any = rows
    kept.services[id_] = SimpleNamespace(
        **_scalars(record),
        id=id_,
        organization_id=owner,
        status=Status.PUBLISHED.value,
        expectations=list(record.expectations),
        source_date=source.date,
        source_name=source.name,
        confidence=record.confidence.value,
        capacity=None,
        capacity_until=None,
        capacity_at=None,
        position=0,
        last_modified=now,
    )
    for name in TERM_FIELDS:
        kept.codes[id_, name] = list(getattr(record, name))
    kept.costs[id_] = record.cost
    kept.languages[id_] = list(record.languages)
    kept.areas[id_] = list(record.service_areas)
    kept.documents[id_] = [SimpleNamespace(document=document) for document in record.required_documents]
    _hang(kept, id_, record.phones, record.schedules)
    for contact in record.contacts:
        made = SimpleNamespace(
            id=uuid4(),
            name=contact.name,
            title=contact.title,
            department=contact.department,
            email=contact.email,
        )
        kept.contacts[id_].append(made)
        _hang(kept, made.id, contact.phones, ())
    for at in record.locations:
        there = SimpleNamespace(
            id=uuid4(), location_id=entity_id(region, "location", at.location), description=at.description
        )
        kept.at_locations[id_].append(there)
        kept.areas[there.id] = list(at.service_areas)
        _hang(kept, there.id, at.phones, at.schedules)
    return view_of(rows, id_)


def _scalars(record: ServiceRecord) -> Mapping[str, Any]:
    names = (
        "slug", "name", "alternate_name", "description", "application_process", "legal_text", "minimum_age",
        "maximum_age", "eligibility_description", "interpretation_services", "url", "email", "valid_from", "valid_to",
        "assured_date",
    )  # fmt: skip
    return {name: getattr(record, name) for name in names}


def _hang(
    rows: Any, owner: UUID, phones: tuple[PhoneRecord, ...], schedules: tuple[ScheduleRecord, ...]
) -> None:
    for phone in phones:
        made = SimpleNamespace(
            id=uuid4(), number=phone.number, type=phone.type, description=phone.description
        )
        rows.phones[owner].append(made)
        rows.languages[made.id] = list(phone.languages)
    rows.schedules[owner] = list(schedules)
