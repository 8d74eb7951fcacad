"""One entry read, checked, saved, merged, put back: what the admin pages do with organizations, locations and offers.

An entry is its record of the content format, so that files, history, import and pages speak of the same thing. Every
save keeps the state before and the state after it. Functions flush, the caller commits.
"""

import re
import unicodedata
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Literal, Protocol
from uuid import UUID

from pydantic import ValidationError
from sqlalchemy import delete, func, select
from sqlmodel import Session, col

from portal.catalogue import actions, checking, models, revision
from portal.catalogue.exporting import location_record, organization_record, service_record
from portal.catalogue.loading import changed_fields, record_hash
from portal.catalogue.models import EntryVersion, Status, entity_id
from portal.catalogue.reading import CatalogueError
from portal.catalogue.records import (
    Confidence,
    LocationRecord,
    OrganizationRecord,
    Record,
    ServiceRecord,
)
from portal.catalogue.rows import AnyRow, Rows, table
from portal.catalogue.storing import Batch

Entity = Literal["organization", "location", "service"]
MODELS: Mapping[str, type[models.Organization] | type[models.Location] | type[models.Service]] = {
    "organization": models.Organization,
    "location": models.Location,
    "service": models.Service,
}
RECORDS: Mapping[str, type[OrganizationRecord] | type[LocationRecord] | type[ServiceRecord]] = {
    "organization": OrganizationRecord,
    "location": LocationRecord,
    "service": ServiceRecord,
}
ERASED_AFTER = timedelta(days=90)
"""An archived entry can be put back for this long."""


class Author(Protocol):
    @property
    def id(self) -> UUID | None: ...
    @property
    def name(self) -> str: ...


class UnknownEntry(CatalogueError):
    def __init__(self, entity: str, slug: str) -> None:
        super().__init__(f"there is no {entity} {slug!r}")


class SlugTaken(CatalogueError):
    """An entry with this slug is there already, perhaps archived."""


class InvalidEntry(CatalogueError):
    """The record cannot be saved; `problems` are fields and what is wrong with them."""

    def __init__(self, problems: Sequence["EntryProblem"]) -> None:
        self.problems = tuple(problems)
        super().__init__("; ".join(f"{problem.field}: {problem.message}" for problem in problems))


class StillUsed(CatalogueError):
    """Offers would lose what they need; `slugs` names them."""

    def __init__(self, slugs: Sequence[str]) -> None:
        self.slugs = tuple(slugs)
        super().__init__(", ".join(slugs))


class Conflict(CatalogueError):
    """Somebody else saved meanwhile. `base` is the state the author began with, when it is known."""

    def __init__(self, current: "Entry", base: Record | None) -> None:
        self.current = current
        self.base = base
        super().__init__(f"{current.entity} {current.slug} was changed meanwhile")


@dataclass(frozen=True, slots=True)
class EntryProblem:
    """`field` is a path as `phones.0.number`; `message` is English, for the record; pages word it by `code`."""

    field: str
    code: str
    message: str
    values: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Entry:
    entity: str
    record: Any
    row: AnyRow
    hash: str
    """Changes with every change of the record; a form brings it back to show what it was made from."""

    @property
    def id(self) -> UUID:
        return self.row.id  # type: ignore[no-any-return]

    @property
    def slug(self) -> str:
        return str(self.row.slug)

    @property
    def status(self) -> str:
        """published, draft or archived; a location is always published."""
        return str(getattr(self.row, "status", Status.PUBLISHED.value))


@dataclass(frozen=True, slots=True)
class Saved:
    entry: Entry
    number: int
    """Of the version in the history."""
    fields: tuple[str, ...]
    """Those that changed; empty when nothing was written."""
    revision: int


# Reading.


def entry(session: Session, region: str, entity: str, slug: str) -> Entry:
    """Raises UnknownEntry."""
    found = entries(session, region, entity, [entity_id(region, entity, slug)])
    if not found:
        raise UnknownEntry(entity, slug)
    return found[0]


def entries(session: Session, region: str, entity: str, ids: Sequence[UUID]) -> list[Entry]:
    """Those of `ids` that are there, in that order; some twenty statements however many."""
    if not ids:
        return []
    session.flush()
    model = table(MODELS[entity])
    if entity == "service":
        rows = Rows(session, region, ids)
    else:
        rows = Rows(session, region, [])
        nothing = select(table(models.Location)).where(table(models.Location).c.id.is_(None))
        if entity == "organization":
            rows.read_organizations(
                session, select(model).where(model.c.id.in_(ids), model.c.region == region), nothing
            )
        else:
            owners = select(model.c.organization_id).where(model.c.id.in_(ids))
            organization = table(models.Organization)
            rows.read_organizations(
                session,
                select(organization).where(organization.c.id.in_(owners)),
                select(model).where(model.c.id.in_(ids), model.c.region == region),
            )
    slugs = {
        **{id_: row.slug for id_, row in rows.organizations.items()},
        **{id_: row.slug for id_, row in rows.locations.items()},
        **{id_: row.slug for id_, row in rows.services.items()},
    }
    own = {"service": rows.services, "organization": rows.organizations, "location": rows.locations}[entity]
    make = {"service": service_record, "organization": organization_record, "location": location_record}[
        entity
    ]
    found = []
    for id_ in dict.fromkeys(ids):
        row = own.get(id_)
        if row is not None:
            record = make(row, rows, slugs)
            found.append(Entry(entity, record, row, record_hash(record)))
    return found


def versions(session: Session, entry_id: UUID) -> list[EntryVersion]:
    """The newest first."""
    return list(
        session.execute(
            select(EntryVersion)
            .where(col(EntryVersion.entity_id) == entry_id)
            .order_by(col(EntryVersion.number).desc())
        ).scalars()
    )


def latest_version(session: Session, entry_id: UUID) -> EntryVersion | None:
    return session.execute(
        select(EntryVersion)
        .where(col(EntryVersion.entity_id) == entry_id)
        .order_by(col(EntryVersion.number).desc())
        .limit(1)
    ).scalar()


def parsed(entity: str, values: Mapping[str, Any]) -> Any:
    """The record of plain values, as a form, an import or a version has them. Raises InvalidEntry."""
    try:
        return RECORDS[entity].model_validate(values)
    except ValidationError as error:
        raise InvalidEntry(
            [
                EntryProblem(
                    ".".join(str(part) for part in detail["loc"]) or "record",
                    f"shape.{detail['type']}",
                    detail["msg"],
                    dict(detail.get("ctx") or {}),
                )
                for detail in error.errors()
            ]
        ) from None


def plain(record: Record) -> dict[str, Any]:
    """As it stands in a version: everything, also what is empty."""
    values: dict[str, Any] = record.model_dump(mode="json")
    return values


# Writing.


def save(
    session: Session,
    region: str,
    entity: str,
    record: Any,
    *,
    base_hash: str | None,
    author: Author | None,
    now: datetime,
    comment: str = "",
    cause: str = "edited",
) -> Saved:
    """Write the record; `base_hash` is the `hash` of the entry the author began with, None for a new one.

    The public sees it with the next request, the search index follows within a second. A save is never a check:
    `assured_date` and `confidence` change only when the record says so.

    Raises Conflict, SlugTaken, UnknownEntry, InvalidEntry.
    """
    id_ = entity_id(region, entity, record.slug)
    lock(session, region)
    known = entries(session, region, entity, [id_])
    current = known[0] if known else None
    if current is None and base_hash is not None:
        raise UnknownEntry(entity, record.slug)
    if current is not None and base_hash is None:
        raise SlugTaken(record.slug)
    if current is not None and current.hash != base_hash:
        raise Conflict(current, base_record(session, current, base_hash))
    if problems := entry_problems(session, region, entity, record):
        raise InvalidEntry(problems)
    fields = changed_fields(current.record, record) if current else tuple(type(record).model_fields)
    back_from_archive = current is not None and current.status == Status.ARCHIVED
    if current is not None and not fields and not back_from_archive:
        latest = session.execute(
            select(func.max(col(EntryVersion.number))).where(col(EntryVersion.entity_id) == id_)
        ).scalar()
        return Saved(current, latest or 0, (), 0)
    if current is not None:
        _remember_before(session, region, current, now=now)
    _write(session, region, entity, record, current, now=now)
    row: Any = session.get(MODELS[entity], id_)
    revision = actions.record_edit(session, row, now=now)
    saved = entries(session, region, entity, [id_])[0]
    number = _remember(
        session, region, saved, cause=cause if current else "created", fields=fields, author=author,
        comment=comment, now=now,
    )  # fmt: skip
    return Saved(saved, number, fields, revision)


def lock(session: Session, region: str) -> None:
    """Let one save after the other happen: whoever comes second sees what the first one wrote."""
    row = table(models.CatalogueRevision)
    # On SQLite the first write of a transaction takes the one lock there is; on PostgreSQL this row is it.
    session.execute(
        row.update()  # type: ignore[attr-defined]
        .where(row.c.region == region)
        .values(changes_since=row.c.changes_since)
    )


def _write(
    session: Session, region: str, entity: str, record: Any, current: Entry | None, *, now: datetime
) -> None:
    state = session.execute(
        select(table(models.Region).c.settings).where(table(models.Region).c.slug == region)
    ).scalar_one()["state"]
    batch = Batch(region, state, now=now)
    model = table(MODELS[entity])
    position = (
        current.row.position
        if current
        else (
            session.execute(select(func.max(model.c.position)).where(model.c.region == region)).scalar() or 0
        )
        + 1
    )
    common: dict[str, Any] = {
        "position": position,
        "loaded_hash": current.row.loaded_hash if current else None,
        "exists": current is not None,
    }
    if entity == "service":
        batch.service(record, **common, content_file=current.row.content_file if current else None)
    elif entity == "organization":
        batch.organization(record, **common)
    else:
        batch.location(record, **common)
    batch.write(session)
    if hasattr(MODELS[entity], "archived_at"):
        row: Any = session.get(MODELS[entity], entity_id(region, entity, record.slug))
        row.archived_at = None
        session.add(row)


def set_status(
    session: Session,
    region: str,
    entity: Literal["organization", "service"],
    slug: str,
    status: Status,
    *,
    author: Author | None,
    now: datetime,
    comment: str = "",
) -> Saved:
    """Publish, withdraw to a draft, or archive.

    Raises UnknownEntry, StillUsed (an organization with offers, the clearing desk), InvalidEntry.
    """
    lock(session, region)
    current = entry(session, region, entity, slug)
    if current.status == status:
        return Saved(current, 0, (), 0)
    if status is not Status.PUBLISHED:
        _needed(session, region, entity, current)
    _remember_before(session, region, current, now=now)
    row: Any = session.get(MODELS[entity], current.id)
    row.status = status.value
    row.archived_at = now if status is Status.ARCHIVED else None
    revision = actions.record_edit(session, row, now=now)
    saved = entry(session, region, entity, slug)
    cause = {Status.PUBLISHED: "published", Status.DRAFT: "withdrawn", Status.ARCHIVED: "archived"}[status]
    number = _remember(
        session, region, saved, cause=cause, fields=("status",), author=author, comment=comment, now=now
    )
    return Saved(saved, number, ("status",), revision)


def _needed(session: Session, region: str, entity: str, current: Entry) -> None:
    if entity == "organization":
        service = table(models.Service)
        using = session.execute(
            select(service.c.slug).where(
                service.c.organization_id == current.id, service.c.status == Status.PUBLISHED.value
            )
        ).scalars()
        if slugs := sorted(using):
            raise StillUsed(slugs)
        return
    settings = session.execute(
        select(table(models.Region).c.settings).where(table(models.Region).c.slug == region)
    ).scalar_one()
    if settings.get("clearing_desk") == current.slug:
        raise StillUsed([current.slug])


def delete_location(
    session: Session,
    region: str,
    slug: str,
    *,
    author: Author | None,
    now: datetime,
    comment: str = "",
) -> int:
    """Locations have no state: one that no offer uses is taken away; its last version stays in the history.

    Returns the number of that version. Raises UnknownEntry, StillUsed.
    """
    lock(session, region)
    current = entry(session, region, "location", slug)
    at, service = table(models.ServiceAtLocation), table(models.Service)
    using = session.execute(
        select(service.c.slug)
        .join(at, at.c.service_id == service.c.id)
        .where(at.c.location_id == current.id, service.c.status != Status.ARCHIVED.value)
    ).scalars()
    if slugs := sorted(using):
        raise StillUsed(slugs)
    _remember_before(session, region, current, now=now)
    number = _remember(
        session, region, current, cause="archived", fields=(), author=author, comment=comment, now=now
    )
    row: Any = session.get(models.Location, current.id)
    actions.record_edit(session, row, now=now)
    session.delete(row)
    session.flush()
    return number


def restore(
    session: Session,
    region: str,
    version: EntryVersion,
    *,
    author: Author | None,
    now: datetime,
    comment: str = "",
) -> Saved:
    """Let the entry say again what it said in that version. The status stays as it is now.

    Raises InvalidEntry when the old text no longer fits (a topic or a place is gone), Conflict never.
    """
    record = parsed(version.entity, version.record)
    known = entries(session, region, version.entity, [version.entity_id])
    if known and "status" in type(record).model_fields:
        status = known[0].record.status
        record = record.model_copy(update={"status": status})
    return save(
        session,
        region,
        version.entity,
        record,
        base_hash=known[0].hash if known else None,
        author=author,
        now=now,
        comment=comment,
        cause="restored",
    )


def confirm(
    session: Session,
    region: str,
    entity: str,
    slug: str,
    *,
    on: date,
    author: Author | None,
    now: datetime,
    comment: str = "",
) -> Saved:
    """Somebody at the office said on that day that the entry is right. Raises UnknownEntry."""
    lock(session, region)
    current = entry(session, region, entity, slug)
    record = current.record.model_copy(update={"assured_date": on, "confidence": Confidence.CONFIRMED})
    saved = save(
        session, region, entity, record, base_hash=current.hash, author=author, now=now, comment=comment,
        cause="confirmed",
    )  # fmt: skip
    if entity == "service":
        row: Any = session.get(models.Service, saved.entry.id)
        if row.review_due is not None and row.review_due <= on:
            row.review_due = None
            session.add(row)
            session.flush()
    return saved


CAPACITIES = ("free", "few", "full")


def set_capacity(
    session: Session,
    region: str,
    slug: str,
    capacity: str | None,
    *,
    until: date | None = None,
    now: datetime,
) -> int:
    """What the organization says about free places; None takes it back. Returns the new revision.

    It is no part of the record: no version is kept, and a reload of the content files does not count it as an edit.
    Raises UnknownEntry, ValueError.
    """
    if capacity is not None and capacity not in CAPACITIES:
        raise ValueError(capacity)
    row = session.get(models.Service, entity_id(region, "service", slug))
    if row is None:
        raise UnknownEntry("service", slug)
    row.capacity = capacity
    row.capacity_until = until if capacity == "full" else None
    row.capacity_at = now if capacity else None
    session.add(row)
    session.flush()
    return revision.bump(session, region, [row.id], now=now)


def set_review(session: Session, region: str, slug: str, *, days: int | None, due: date | None) -> bool:
    """When the entry is to be confirmed again. True when something changed; the public sees nothing of it.

    Raises UnknownEntry.
    """
    row = session.get(models.Service, entity_id(region, "service", slug))
    if row is None:
        raise UnknownEntry("service", slug)
    if (row.review_days, row.review_due) == (days, due):
        return False
    row.review_days, row.review_due = days, due
    session.add(row)
    session.flush()
    return True


def erase_archived(
    session: Session, region: str, *, now: datetime, in_use: Collection[UUID] = frozenset()
) -> list[str]:
    """Erase what was archived by hand more than 90 days ago; its history stays. Returns the slugs.

    `in_use`: what others still point to (referrals); it stays until they are gone.
    """
    erased: list[str] = []
    gone: list[UUID] = []
    for model in (models.Service, models.Organization):
        rows = session.execute(
            select(model).where(
                col(model.region) == region,
                col(model.status) == Status.ARCHIVED.value,
                col(model.archived_at) < now - ERASED_AFTER,
            )
        ).scalars()
        for row in list(rows):
            if row.id in in_use:
                continue
            if isinstance(row, models.Organization):
                used = session.execute(
                    select(col(models.Service.id)).where(col(models.Service.organization_id) == row.id)
                ).first()
                if used is not None:
                    continue
                # Its places go with it.
                gone += session.execute(
                    select(col(models.Location.id)).where(col(models.Location.organization_id) == row.id)
                ).scalars()
            erased.append(row.slug)
            gone.append(row.id)
            session.delete(row)
        session.flush()
    _erase_links(session, gone)
    return erased


def _erase_links(session: Session, ids: Sequence[UUID]) -> None:
    """What points to several tables has no foreign key that would take it along."""
    for start in range(0, len(ids), 500):
        some = ids[start : start + 500]
        session.execute(delete(models.Attribute).where(col(models.Attribute.link_id).in_(some)))
        session.execute(delete(models.Translation).where(col(models.Translation.entity_id).in_(some)))


# History.


def _remember_before(session: Session, region: str, current: Entry, *, now: datetime) -> None:
    """Keep the state that is about to be overwritten, unless the newest version is just that."""
    newest = latest_version(session, current.id)
    if newest is not None and newest.record_hash == current.hash and newest.status == current.status:
        return
    _remember(
        session,
        region,
        current,
        cause="before" if newest is None else "loaded",
        fields=(),
        author=None,
        comment="",
        now=current.row.last_modified,
    )


def _remember(
    session: Session,
    region: str,
    saved: Entry,
    *,
    cause: str,
    fields: Iterable[str],
    author: Author | None,
    comment: str,
    now: datetime,
) -> int:
    number = (
        session.execute(
            select(func.max(col(EntryVersion.number))).where(col(EntryVersion.entity_id) == saved.id)
        ).scalar()
        or 0
    ) + 1
    session.add(
        EntryVersion(
            region=region,
            entity=saved.entity,
            entity_id=saved.id,
            slug=saved.slug,
            number=number,
            record=plain(saved.record),
            record_hash=saved.hash,
            status=saved.status,
            cause=cause,
            fields=list(fields),
            at=now,
            author_id=author.id if author else None,
            author_name=author.name if author else "",
            comment=comment.strip(),
        )
    )
    session.flush()
    return number


def base_record(session: Session, current: Entry, base_hash: str | None) -> Any | None:
    """The state with that hash from the history; None when it was never kept."""
    found = session.execute(
        select(EntryVersion)
        .where(col(EntryVersion.entity_id) == current.id, col(EntryVersion.record_hash) == base_hash)
        .order_by(col(EntryVersion.number).desc())
        .limit(1)
    ).scalar()
    return parsed(current.entity, found.record) if found else None


# Comparing.


@dataclass(frozen=True, slots=True)
class Difference:
    """`path` is a field, or a place in a list as `phones.1`; None where there was or is nothing."""

    path: str
    before: Any
    after: Any


def differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Difference]:
    """Field by field, in the order of the record; what is empty on both sides is the same."""
    found = []
    for name in dict.fromkeys([*after, *before]):
        old, new = before.get(name), after.get(name)
        if _empty(old) and _empty(new):
            continue
        if old != new:
            found.append(Difference(name, old, new))
    return found


@dataclass(frozen=True, slots=True)
class MergedField:
    """A field that at least one of the two changed."""

    name: str
    base: Any
    mine: Any
    theirs: Any
    clash: bool
    """Both changed it, and differently: a person has to choose."""


def merge(
    base: Mapping[str, Any] | None, mine: Mapping[str, Any], theirs: Mapping[str, Any]
) -> tuple[dict[str, Any], list[MergedField]]:
    """Both changes together, and the fields that were touched. What clashes is mine in the result.

    Without a base every difference clashes, because nobody can tell who changed it.
    """
    result, fields = dict(theirs), []
    for name in dict.fromkeys([*mine, *theirs]):
        own, other = mine.get(name), theirs.get(name)
        was = base.get(name) if base is not None else None
        if own == other or (_empty(own) and _empty(other)):
            continue
        mine_changed = base is None or own != was
        theirs_changed = base is None or other != was
        if mine_changed:
            result[name] = own
        fields.append(MergedField(name, was, own, other, clash=mine_changed and theirs_changed))
    return result, fields


def _empty(value: Any) -> bool:
    return value is None or value == "" or value == [] or value == {}


# Checking.


def entry_problems(session: Session, region: str, entity: str, record: Any) -> list[EntryProblem]:
    """What the record alone cannot know: references, codes, numbers, hours, areas."""
    found = checking.entry_problems(_surroundings(session, region, entity, record), entity, record)
    return [
        EntryProblem(
            problem.field or "record", problem.code or "other", problem.message, problem.values or {}
        )
        for problem in found
    ]


def _surroundings(session: Session, region: str, entity: str, record: Any) -> checking.Surroundings:
    """Only what this entry points to; a check must not read the whole region."""
    organization, location, place = (
        table(models.Organization),
        table(models.Location),
        table(models.Place),
    )
    parent = organization.alias()
    parents: dict[str, str | None] = {}
    confidential = set()
    for row in session.execute(
        select(organization.c.slug, organization.c.confidential, parent.c.slug.label("parent"))
        .outerjoin(parent, parent.c.id == organization.c.parent_organization_id)
        .where(organization.c.region == region)
    ):
        parents[row.slug] = row.parent
        if row.confidential:
            confidential.add(row.slug)
    if entity == "organization":
        parents[record.slug] = record.parent_organization
    locations = [at.location for at in record.locations] if entity == "service" else []
    known_locations = set(
        session.execute(
            select(location.c.slug).where(location.c.region == region, location.c.slug.in_(locations))
        ).scalars()
    )
    places = {
        row.ags: (row.name, row.latitude, row.longitude)
        for row in session.execute(
            select(place.c.ags, place.c.name, place.c.latitude, place.c.longitude).where(
                place.c.region == region
            )
        )
    }
    settings = session.execute(
        select(table(models.Region).c.settings).where(table(models.Region).c.slug == region)
    ).scalar_one()
    codes: dict[str, set[str]] = {}
    term, taxonomy = table(models.TaxonomyTerm), table(models.Taxonomy)
    for row in session.execute(
        select(taxonomy.c.code.label("taxonomy"), term.c.code).join(term, term.c.taxonomy_id == taxonomy.c.id)
    ):
        codes.setdefault(row.taxonomy, set()).add(row.code)
    return checking.Surroundings(
        county_area=settings["county_area"],
        fictional=bool(settings.get("fictional")),
        parents=parents,
        confidential=frozenset(confidential),
        locations=frozenset(known_locations),
        places=places,
        codes={name: frozenset(values) for name, values in codes.items()},
    )


# Slugs.

RESERVED = frozenset({"new", "preview", "export", "bulk", "archive", "import"})
"""Stand where a slug stands in the addresses of the admin pages."""
_GERMAN = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "ß": "ss"})


def slug_of(text: str) -> str:
    """A slug made from a name: "Ausbildung für Mütter" is `ausbildung-fuer-muetter`; never empty."""
    folded = text.casefold().translate(_GERMAN)
    folded = unicodedata.normalize("NFKD", folded).encode("ascii", "ignore").decode()
    slug = re.sub(r"[^a-z0-9]+", "-", folded).strip("-")[:60].strip("-")
    return slug or "eintrag"


def free_slug(session: Session, region: str, entity: str, text: str) -> str:
    """`slug_of` with a number behind it when it is taken."""
    wanted = slug_of(text)
    model = table(MODELS[entity])
    taken = set(
        session.execute(
            select(model.c.slug).where(model.c.region == region, model.c.slug.like(f"{wanted}%"))
        ).scalars()
    )
    number, slug = 1, wanted
    while slug in taken or slug in RESERVED:
        number += 1
        slug = f"{wanted}-{number}"
    return slug
