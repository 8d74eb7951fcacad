"""Which German texts an entry has, and what became of them in another language."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal
from uuid import UUID, uuid5

from sqlalchemy import select
from sqlmodel import Session

from portal.catalogue import models, revision
from portal.catalogue.exporting import stored_terms
from portal.catalogue.models import EntryVersion, Status, entity_id, term_id
from portal.catalogue.reading import CatalogueError
from portal.catalogue.rows import AnyRow, Rows, table
from portal.catalogue.vocabulary import SOURCE_LANGUAGE, TRANSLATABLE

Entity = Literal["service", "location", "organization", "taxonomy_term"]
ENTITIES: tuple[Entity, ...] = ("service", "location", "organization", "taxonomy_term")

State = Literal["missing", "outdated", "machine", "unchecked", "checked"]
STATES: tuple[State, ...] = ("missing", "outdated", "machine", "unchecked", "checked")
OPEN_STATES: tuple[State, ...] = ("missing", "outdated")
"""Somebody has to translate."""
HISTORY = "translation"
"""`EntryVersion.entity` of what a translation said before."""


class UnknownText(CatalogueError):
    """There is no such entry, or it has no such German text."""


@dataclass(frozen=True, slots=True)
class Translated:
    text: str
    status: str
    source_hash: str


@dataclass(frozen=True, slots=True)
class Item:
    """One field in one language."""

    field: str
    german: str
    translated: Translated | None

    @property
    def german_hash(self) -> str:
        return revision.text_hash(self.german)

    @property
    def state(self) -> State:
        return state_of(self.german_hash, self.translated)

    @property
    def text(self) -> str:
        return self.translated.text if self.translated else ""

    @property
    def seen(self) -> str:
        """Changes with the German text and with the translation; a form brings it back."""
        if self.translated is None:
            return f"{self.german_hash}-"
        own = f"{self.translated.status} {self.translated.source_hash} {self.translated.text}"
        return f"{self.german_hash}-{revision.text_hash(own)}"


def state_of(german_hash: str, translated: Any) -> State:
    if translated is None:
        return "missing"
    if translated.source_hash != german_hash:
        return "outdated"
    status: State = translated.status
    return status


@dataclass(frozen=True, slots=True)
class Subject:
    """An entry with its German texts and their translations."""

    entity: Entity
    slug: str
    """For a term `taxonomy:code`."""
    id: UUID
    name: str
    organization_id: UUID | None
    organization: str
    """Name; empty where the entry has none."""
    areas: tuple[str, ...]
    public: bool
    """Published, and so is its organization: its texts may be read by everybody."""
    german: Mapping[str, str]
    """By field path, in the order of the page."""
    translations: Mapping[tuple[str, str], AnyRow]
    """By language and field."""

    def items(self, language: str) -> list[Item]:
        return [
            Item(field, german, _translated(self.translations.get((language, field))))
            for field, german in self.german.items()
        ]

    def item(self, language: str, field: str) -> Item:
        """Raises UnknownText."""
        if field not in self.german:
            raise UnknownText(f"{self.entity} {self.slug} has no text {field!r}")
        return Item(field, self.german[field], _translated(self.translations.get((language, field))))


def _translated(row: AnyRow | None) -> Translated | None:
    return Translated(row.text, row.status, row.source_hash) if row is not None else None


def subject(session: Session, region: str, entity: str, slug: str) -> Subject:
    """Raises UnknownText, also for an archived entry."""
    if entity == "taxonomy_term":
        found = [term for term in terms(session) if term.slug == slug]
    elif entity in TRANSLATABLE:
        found = list(subjects(session, region, entity, [subject_id(region, entity, slug)]))
    else:
        found = []
    if not found:
        raise UnknownText(f"there is no {entity} {slug!r}")
    return found[0]


def subjects(session: Session, region: str, entity: str, ids: Sequence[UUID]) -> Iterator[Subject]:
    """Those entries of one kind; what is archived or gone is left out."""
    session.flush()
    if entity == "service":
        rows = Rows(session, region, ids)
    else:
        rows = Rows(session, region, [])
        organization, location = table(models.Organization), table(models.Location)
        if entity == "organization":
            rows.read_organizations(
                session,
                select(organization).where(organization.c.id.in_(ids), organization.c.region == region),
                select(location).where(location.c.id.is_(None)),
            )
        else:
            chosen = select(location).where(location.c.id.in_(ids), location.c.region == region)
            owners = select(location.c.organization_id).where(location.c.id.in_(ids))
            rows.read_organizations(
                session, select(organization).where(organization.c.id.in_(owners)), chosen
            )
    wanted = set(ids)
    yield from (found for found in _of_rows(rows, region, (entity,)) if found.id in wanted)


def every_subject(session: Session, region: str, *, chunk: int = 500) -> Iterator[Subject]:
    """Offers first, then places, organizations and terms; a few hundred are in memory at a time."""
    session.flush()
    service = table(models.Service)
    ids = list(
        session.execute(
            select(service.c.id)
            .where(service.c.region == region, service.c.status != Status.ARCHIVED.value)
            .order_by(service.c.position, service.c.slug)
        ).scalars()
    )
    for start in range(0, len(ids), chunk):
        yield from subjects(session, region, "service", ids[start : start + chunk])
    yield from places_and_organizations(session, region)
    yield from terms(session)


def places_and_organizations(session: Session, region: str) -> Iterator[Subject]:
    rows = Rows(session, region, [])
    organization, location = table(models.Organization), table(models.Location)
    rows.read_organizations(
        session,
        select(organization).where(organization.c.region == region),
        select(location).where(location.c.region == region),
    )
    yield from _of_rows(rows, region, ("location", "organization"))


def _of_rows(rows: Rows, region: str, entities: Iterable[str]) -> Iterator[Subject]:
    for entity in entities:
        found = {"service": rows.services, "location": rows.locations, "organization": rows.organizations}[
            entity
        ]
        for id_, row in found.items():
            owner_id = id_ if entity == "organization" else row.organization_id
            owner = rows.organizations.get(owner_id)
            statuses = {getattr(row, "status", Status.PUBLISHED), getattr(owner, "status", Status.PUBLISHED)}
            if row.region != region or Status.ARCHIVED in statuses:
                continue
            yield Subject(
                entity,  # type: ignore[arg-type]
                row.slug,
                id_,
                row.name,
                owner_id,
                owner.name if owner is not None and entity != "organization" else "",
                tuple(rows.areas.get(id_, ())),
                statuses == {Status.PUBLISHED},
                dict(_row_texts(rows, entity, row)),
                {(text.language, text.field): text for text in rows.translations.get(id_, ())},
            )


def terms(session: Session) -> Iterator[Subject]:
    stored = stored_terms(session)
    texts: dict[str, dict[tuple[str, str], AnyRow]] = {}
    for (language, _entity, key, field), row in stored.translations.items():
        texts.setdefault(key, {})[language, field] = row
    for key, (record, row) in stored.terms.items():
        german: dict[str, str] = {}
        for pattern in TRANSLATABLE["taxonomy_term"]:
            name, _, many = pattern.partition(".")
            value = getattr(record, name)
            if many:
                german |= {f"{name}.{index}": text for index, text in enumerate(value)}
            elif value:
                german[name] = value
        yield Subject(
            "taxonomy_term", key, row.id, record.name, None, "", (), True, german, texts.get(key, {})
        )


def subject_id(region: str, entity: str, slug: str) -> UUID:
    if entity == "taxonomy_term":
        taxonomy, _, code = slug.partition(":")
        return term_id(taxonomy, code)
    return entity_id(region, entity, slug)


# German texts of a row, without making its record: there are thousands.

_HIDDEN = ("transportation", "accessibility")


def _row_texts(rows: Rows, entity: str, row: AnyRow) -> Iterator[tuple[str, str]]:
    hidden: tuple[str, ...] = ()
    if entity == "location":
        owner = rows.organizations.get(row.organization_id)
        if row.confidential or (owner is not None and owner.confidential):
            # Nobody outside learns where a shelter is, translators neither.
            hidden = _HIDDEN
    for pattern in TRANSLATABLE[entity]:
        steps = pattern.split(".")
        if steps[0] not in hidden:
            yield from _walk(rows, row, steps, "")


def _walk(rows: Rows, value: Any, steps: list[str], path: str) -> Iterator[tuple[str, str]]:
    step, *rest = steps
    here = f"{path}.{step}" if path else step
    many = {
        "phones": rows.phones,
        "schedules": rows.schedules,
        "contacts": rows.contacts,
        "accessibility": rows.accessibility,
        "locations": rows.at_locations,
        "required_documents": rows.documents,
    }.get(step)
    if many is not None:
        for index, inner in enumerate(many.get(value.id, ())):
            if len(rest) > 1:
                yield from _walk(rows, inner, rest[1:], f"{here}.{index}")
            elif inner.document:
                yield f"{here}.{index}", inner.document
    elif step == "expectations":
        yield from ((f"{here}.{index}", text) for index, text in enumerate(value.expectations) if text)
    elif step == "cost":
        cost = rows.costs.get(value.id)
        if cost is not None:
            yield from _walk(rows, cost, rest, here)
    elif text := getattr(value, step):
        yield here, text


# What was there before.


def earlier_german(session: Session, subject: Subject, items: Iterable[Item]) -> dict[str, str]:
    """For outdated translations the German text they were made from, where the history still has it."""
    wanted = {
        item.field: item.translated.source_hash
        for item in items
        if item.state == "outdated" and item.translated is not None
    }
    if not wanted or subject.entity == "taxonomy_term":
        return {}
    found: dict[str, str] = {}
    records = session.execute(
        select(table(EntryVersion).c.record)
        .where(table(EntryVersion).c.entity_id == subject.id)
        .order_by(table(EntryVersion).c.number.desc())
        .limit(100)
    ).scalars()
    for record in records:
        for field, hash_ in wanted.items():
            if field not in found:
                text = _of_plain(record, field)
                if text is not None and revision.text_hash(text) == hash_:
                    found[field] = text
        if len(found) == len(wanted):
            break
    return found


def _of_plain(record: Any, path: str) -> str | None:
    value = record
    for step in path.split("."):
        try:
            value = value[int(step)] if isinstance(value, list) else value[step]
        except (KeyError, IndexError, TypeError, ValueError):
            return None
    return value if isinstance(value, str) else None


def earlier_texts(session: Session, subject: Subject, language: str) -> dict[str, list[EntryVersion]]:
    """Field → what the translation said before, the newest first."""
    ids = {
        translation_id(subject.id, field, language): field
        for field in {*subject.german, *(name for code, name in subject.translations if code == language)}
    }
    found: dict[str, list[EntryVersion]] = {}
    for version in session.execute(
        select(EntryVersion)
        .where(table(EntryVersion).c.entity_id.in_(list(ids)), table(EntryVersion).c.entity == HISTORY)
        .order_by(table(EntryVersion).c.number.desc())
    ).scalars():
        found.setdefault(ids[version.entity_id], []).append(version)
    return found


def translation_id(owner: UUID, field: str, language: str) -> UUID:
    """As a load of the content files makes it."""
    return uuid5(owner, f"translation:{field}:{language}")


@dataclass(frozen=True, slots=True)
class Suggestion:
    text: str
    status: str


def known_translations(
    session: Session, region: str, language: str, items: Iterable[Item]
) -> dict[str, Suggestion]:
    """Field → how the same German text is translated elsewhere, for what is missing or outdated.

    Also finds texts that only moved to another place of the same entry.
    """
    wanted: dict[str, list[str]] = {}
    for item in items:
        if item.state in OPEN_STATES:
            wanted.setdefault(item.german_hash, []).append(item.field)
    if not wanted or language == SOURCE_LANGUAGE:
        return {}
    row = table(models.Translation)
    best: dict[str, Suggestion] = {}
    order = {"checked": 0, "unchecked": 1, "machine": 2}
    for found in session.execute(
        select(row.c.source_hash, row.c.text, row.c.status)
        .where(
            row.c.language == language,
            (row.c.region == region) | row.c.region.is_(None),
            row.c.source_hash.in_(list(wanted)),
        )
        .order_by(row.c.last_modified.desc(), row.c.id)
    ):
        known = best.get(found.source_hash)
        if known is None or order[found.status] < order[known.status]:
            best[found.source_hash] = Suggestion(found.text, found.status)
    return {field: best[hash_] for hash_, fields in wanted.items() if hash_ in best for field in fields}
