"""Builders: what a test does not care about has a plausible value.

Catalogue objects come as they would from the admin pages (no `loaded_hash`), in the region "tal".
"""

from datetime import UTC, datetime
from itertools import count
from typing import Any, TypeVar

from sqlmodel import Session

from portal.catalogue import models, revision
from portal.catalogue.models import entity_id, taxonomy_id, term_id
from portal.catalogue.records import (
    LocationRecord,
    OrganizationRecord,
    PlaceRecord,
    RegionFile,
    ServiceRecord,
    TermRecord,
)
from portal.catalogue.storing import Batch
from portal.catalogue.vocabulary import ORGANIZATION_KINDS, TERM_FIELDS

NOW = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
REGION = "tal"
_numbers = count(1)
_T = TypeVar("_T")


def region_settings(slug: str = REGION, **fields: Any) -> RegionFile:
    return RegionFile.model_validate(
        {
            "slug": slug,
            "name": "Landkreis Tal",
            "county_area": "15987",
            "state_area": "15",
            "state": "Sachsen-Anhalt",
            "holiday_subdivision": "ST",
            "fictional": True,
            "clearing_desk": "clearing",
            "exit_url": "https://www.dwd.de/",
            "controller": {"name": "Landkreis Tal"},
            **fields,
        }
    )


def a_region(session: Session, slug: str = REGION, **settings: Any) -> models.Region:
    existing = session.get(models.Region, slug)
    if existing is not None and not settings:
        return existing
    file = region_settings(slug, **settings)
    region = existing or models.Region(slug=slug, name=file.name)
    region.name = file.name
    region.settings = file.model_dump(mode="json")
    session.add(region)
    session.flush()
    return region


def a_place(session: Session, ags: str, name: str, *, region: str = REGION, **fields: Any) -> models.Place:
    a_region(session, region)
    record = PlaceRecord.model_validate(
        {
            "slug": f"place-{ags}",
            "name": name,
            "ags": ags,
            "latitude": 51.9,
            "longitude": 11.9,
            "postal_codes": ("00101",),
            **fields,
        }
    )
    batch = Batch(region, "Sachsen-Anhalt", now=NOW)
    batch.place(record, position=next(_numbers), exists=False)
    return _written(session, batch, models.Place, entity_id(region, "place", ags))


def a_term(session: Session, taxonomy: str, code: str, **fields: Any) -> models.TaxonomyTerm:
    """The one that is there, or a new one."""
    existing = session.get(models.TaxonomyTerm, term_id(taxonomy, code))
    if existing is not None:
        return existing
    batch = Batch(REGION, "Sachsen-Anhalt", now=NOW)
    known = session.get(models.Taxonomy, taxonomy_id(taxonomy)) is not None
    if not known:
        batch.taxonomy(taxonomy, taxonomy, "Zum Testen.", exists=False)
    record = TermRecord.model_validate({"code": code, "name": code.capitalize(), **fields})
    batch.term(taxonomy, record, position=next(_numbers), loaded_hash=None, exists=False)
    return _written(session, batch, models.TaxonomyTerm, term_id(taxonomy, code))


def an_organization(
    session: Session, slug: str | None = None, *, region: str = REGION, **fields: Any
) -> models.Organization:
    a_region(session, region)
    slug = slug or f"organization-{next(_numbers)}"
    record = OrganizationRecord.model_validate(
        {"slug": slug, "name": f"Organisation {slug}", "kind": "amt", **fields}
    )
    a_term(session, ORGANIZATION_KINDS, record.kind)
    batch = Batch(region, "Sachsen-Anhalt", now=NOW)
    batch.organization(record, position=next(_numbers), loaded_hash=None, exists=False)
    return _written(session, batch, models.Organization, entity_id(region, "organization", slug))


def a_location(
    session: Session,
    slug: str | None = None,
    *,
    organization: models.Organization | None = None,
    region: str = REGION,
    **fields: Any,
) -> models.Location:
    owner = organization or an_organization(session, region=region)
    slug = slug or f"location-{next(_numbers)}"
    record = LocationRecord.model_validate(
        {"slug": slug, "name": f"Haus {slug}", "organization": owner.slug, **fields}
    )
    batch = Batch(region, "Sachsen-Anhalt", now=NOW)
    batch.location(record, position=next(_numbers), loaded_hash=None, exists=False)
    return _written(session, batch, models.Location, entity_id(region, "location", slug))


def a_service(
    session: Session,
    slug: str | None = None,
    *,
    organization: models.Organization | None = None,
    region: str = REGION,
    **fields: Any,
) -> models.Service:
    """`fields` are those of ServiceRecord; terms that are not there yet are made."""
    owner = organization or an_organization(session, region=region)
    slug = slug or f"service-{next(_numbers)}"
    if "desk_for" in fields:
        fields.setdefault("contact_kinds", fields["desk_for"])
    record = ServiceRecord.model_validate(
        {
            "slug": slug,
            "organization": owner.slug,
            "name": f"Angebot {slug}",
            "description": "Hier hilft dir jemand.",
            "topics": ("geld",),
            "service_areas": ("15987",),
            **fields,
        }
    )
    for field, taxonomy in TERM_FIELDS.items():
        for code in getattr(record, field):
            a_term(session, taxonomy, code)
    batch = Batch(region, "Sachsen-Anhalt", now=NOW)
    batch.service(record, position=next(_numbers), loaded_hash=None, exists=False, content_file=None)
    service = _written(session, batch, models.Service, entity_id(region, "service", slug))
    revision.bump(session, region, [service.id], now=NOW)
    return service


def a_translation(
    session: Session,
    entry: models.Service | models.Organization | models.Location | models.TaxonomyTerm,
    field: str,
    **fields: Any,
) -> models.Translation:
    """Into English, of the German text as it is now."""
    german = str(getattr(entry, field))
    # All regions share the terms.
    region = None if isinstance(entry, models.TaxonomyTerm) else entry.region
    key = f"{entry.id}:{field}:{fields.get('language', 'en')}"
    values = {
        "id": entity_id(region or REGION, "translation", key),
        "region": region,
        "entity": str(entry.__tablename__),
        "entity_id": entry.id,
        "field": field,
        "language": "en",
        "text": f"English: {german}",
        "status": "unchecked",
        "source_hash": revision.text_hash(german),
        "last_modified": NOW,
        **fields,
    }
    translation = models.Translation(**values)
    session.add(translation)
    session.flush()
    revision.bump(session, region or REGION, [entry.id], now=NOW)
    return translation


def _written(session: Session, batch: Batch, model: type[_T], id_: Any) -> _T:
    batch.write(session)
    written = session.get(model, id_)
    assert written is not None
    return written
