"""What was set in the admin pages and belongs to no record: it moves to another machine in `upkeep.yaml`.

Settings of the region are not here: `region.yaml` of an export already says those in force.
"""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select, update
from sqlmodel import Session

from portal.catalogue import models, region_settings
from portal.catalogue.models import Status, entity_id
from portal.catalogue.records import (
    CapacityRecord,
    FormerAddressRecord,
    ReviewRecord,
    TriedCaseRecord,
    UpkeepFile,
    WordingRecord,
)
from portal.catalogue.rows import table


def stored(session: Session, region: str) -> UpkeepFile:
    service = table(models.Service)
    kept = (
        select(
            service.c.slug, service.c.review_days, service.c.review_due,
            service.c.capacity, service.c.capacity_until, service.c.capacity_at,
        )
        .where(service.c.region == region, service.c.status != Status.ARCHIVED.value)
        .order_by(service.c.slug)
    )  # fmt: skip
    rows = session.execute(kept).all()
    extras = region_settings.extras(
        region_settings.stored_overrides(session, region), region_settings.wordings(session, region)
    )
    return UpkeepFile(
        reviews=tuple(
            ReviewRecord(service=row.slug, days=row.review_days, due=row.review_due)
            for row in rows
            if row.review_days is not None or row.review_due is not None
        ),
        capacity=tuple(
            CapacityRecord(
                service=row.slug, capacity=row.capacity, until=row.capacity_until, said_at=row.capacity_at
            )
            for row in rows
            if row.capacity is not None and row.capacity_at is not None
        ),
        former_addresses=tuple(_former_addresses(session, region)),
        logo=extras.logo or None,
        synonyms={concept: dict(words) for concept, words in extras.synonyms.items()},
        cases=tuple(
            TriedCaseRecord(title=case.title, answers=dict(case.answers), kind=case.kind)
            for case in extras.cases
        ),
        wordings=tuple(
            WordingRecord(text=text, instead=instead) for text, instead in sorted(extras.wordings.items())
        ),
    )


def _former_addresses(session: Session, region: str) -> list[FormerAddressRecord]:
    former = table(models.FormerAddress)
    found = []
    for entity, model in (("organization", models.Organization), ("service", models.Service)):
        target = table(model)
        rows = session.execute(
            select(former.c.slug, target.c.slug.label("now"))
            .join(target, target.c.id == former.c.entity_id)
            .where(
                former.c.region == region,
                former.c.entity == entity,
                target.c.status != Status.ARCHIVED.value,
            )
            .order_by(former.c.slug)
        )
        found += [FormerAddressRecord(entity=entity, slug=row.slug, now=row.now) for row in rows]
    return found


def apply(session: Session, region: str, upkeep: UpkeepFile, *, now: datetime) -> None:
    """After the records are written. What is set here already and stands in `upkeep` as well is replaced."""
    for review in upkeep.reviews:
        _set(session, region, review.service, review_days=review.days, review_due=review.due)
    for one in upkeep.capacity:
        _set(
            session,
            region,
            one.service,
            capacity=one.capacity,
            capacity_until=one.until,
            capacity_at=one.said_at,
        )
    for address in upkeep.former_addresses:
        session.merge(
            models.FormerAddress(
                region=region,
                entity=address.entity,
                slug=address.slug,
                entity_id=entity_id(region, address.entity, address.now),
            )
        )
    if upkeep.logo:
        region_settings.set_logo(session, region, upkeep.logo.encode(), now=now)
    for concept, by_language in upkeep.synonyms.items():
        for language, words in by_language.items():
            for word in words:
                region_settings.add_word(session, region, concept, language, word, now=now)
    for case in upkeep.cases:
        region_settings.save_case(
            session, region, region_settings.TriedCase(case.title, case.answers, case.kind), now=now
        )
    for wording in upkeep.wordings:
        _reword(session, region, wording, now=now)


def _set(session: Session, region: str, slug: str, **values: Any) -> None:
    service: Any = table(models.Service)
    id_: UUID = entity_id(region, "service", slug)
    session.execute(update(service).where(service.c.id == id_).values(**values))


def _reword(session: Session, region: str, wording: WordingRecord, *, now: datetime) -> None:
    versions = region_settings.versions_of(session, region, wording.text)
    if versions and versions[0].text == wording.instead:
        return
    region_settings.reword(
        session,
        region,
        wording.text,
        wording.instead,
        seen=versions[0].number if versions else 0,
        author_id=None,
        author_name="",
        now=now,
    )
