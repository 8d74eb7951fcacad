"""Content files into the database.

A load compares what the files say with what the database says, entry by entry, and writes the difference; so
a second load writes nothing, and `dry_run` is the same comparison without the writing. The caller commits.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Literal
from uuid import UUID, uuid5

from sqlalchemy import delete, insert, select, update
from sqlmodel import Session, SQLModel

from portal.catalogue import models, revision, upkeep
from portal.catalogue.exporting import (
    Stored,
    StoredTerms,
    stored_region,
    stored_terms,
)
from portal.catalogue.models import Status, entity_id, term_id
from portal.catalogue.reading import (
    CatalogueError,
    ContentError,
    Origin,
    Problem,
    RegionContent,
    TaxonomyContent,
    content_fingerprint,
    read_region,
    read_taxonomies,
    region_slugs,
)
from portal.catalogue.records import Record, TermRecord, TranslationsFile
from portal.catalogue.rows import AnyRow, table
from portal.catalogue.stamping import stamp_content, stamp_translations
from portal.catalogue.storing import Batch, delete_where
from portal.catalogue.vocabulary import translatable_texts

__all__ = [
    "CatalogueError",
    "Change",
    "ContentError",
    "LoadReport",
    "Origin",
    "Problem",
    "RegionContent",
    "TaxonomyContent",
    "content_fingerprint",
    "is_loaded",
    "load_region",
    "outdated_translations",
    "read_region",
    "read_taxonomies",
    "region_slugs",
    "stamp_content",
    "stamp_translations",
]

Action = Literal["new", "changed", "kept", "removed"]


@dataclass(frozen=True, slots=True)
class Change:
    entity: str
    entry: str
    """Slug, code or AGS; for a translation `language:entity:slug`."""
    action: Action
    """`kept`: the files say something else, but a coordinator edited it here (or something still needs it)."""
    fields: tuple[str, ...] = ()

    def __str__(self) -> str:
        fields = f" ({', '.join(self.fields)})" if self.fields else ""
        return f"{self.action:8} {self.entity} {self.entry}{fields}"


@dataclass(frozen=True)
class LoadReport:
    region: str
    changes: tuple[Change, ...]
    unchanged: Mapping[str, int] = field(default_factory=dict)
    """Entity → number of entries that were the same."""
    revision: int = 0
    """Of the region, after the load."""
    dry_run: bool = False

    @property
    def changed(self) -> bool:
        """Whether anything was (or, dry, would be) written."""
        return any(change.action != "kept" for change in self.changes)

    def counts(self) -> dict[str, dict[str, int]]:
        """Entity → action (also `unchanged`) → number."""
        counts: dict[str, Counter[str]] = {}
        for change in self.changes:
            counts.setdefault(change.entity, Counter())[change.action] += 1
        for entity, number in self.unchanged.items():
            if number:
                counts.setdefault(entity, Counter())["unchanged"] += number
        return {entity: dict(actions) for entity, actions in counts.items()}

    def of(self, action: Action) -> tuple[Change, ...]:
        return tuple(change for change in self.changes if change.action == action)


def is_loaded(session: Session, content_dir: Path, region: str) -> bool:
    """Whether the files are those that were loaded last; costs a few milliseconds."""
    row = table(models.Region)
    stored = session.execute(select(row.c.content_hash).where(row.c.slug == region)).scalar()
    return stored is not None and stored == content_fingerprint(content_dir, region)


def load_region(
    session: Session, content: RegionContent, *, now: datetime, force: bool = False, dry_run: bool = False
) -> LoadReport:
    """Make the database say what the files say; entries that a coordinator edited are kept unless `force`.

    Entries that left the files: services and organizations are archived, locations, places and translations
    deleted. Entries that were made in the admin pages are not touched.
    """
    return _Load(session, content, now=now, force=force, dry_run=dry_run).run()


def record_hash(record: Record) -> str:
    plain = record.model_dump(mode="json")
    return hashlib.sha256(json.dumps(plain, sort_keys=True, ensure_ascii=False).encode()).hexdigest()


def changed_fields(before: Record, after: Record) -> tuple[str, ...]:
    return tuple(name for name in type(after).model_fields if getattr(before, name) != getattr(after, name))


class _Load:
    def __init__(
        self, session: Session, content: RegionContent, *, now: datetime, force: bool, dry_run: bool
    ) -> None:
        self.session = session
        self.content = content
        self.region = content.slug
        self.now = now
        self.force = force
        self.dry_run = dry_run
        session.flush()
        self.stored: Stored = stored_region(session, self.region)
        self.stored_terms: StoredTerms = stored_terms(session, with_history=True)
        self.batch = Batch(self.region, content.region.state, now=now)
        self.changes: list[Change] = []
        self.unchanged: Counter[str] = Counter()
        self.touched: dict[str, set[str]] = {
            "organization": set(),
            "location": set(),
            "service": set(),
            "taxonomy_term": set(),
        }
        """Entries that changed in a way that may show on the pages of services."""
        self.deleted: list[tuple[type[SQLModel], UUID]] = []
        self.needed_organizations: set[str] = set()
        self.needed_locations: set[str] = set()

    def run(self) -> LoadReport:
        before = self._region_row()
        self._region(before)
        self._taxonomies()
        self._services()
        self._locations()
        self._organizations()
        self._places()
        self._translations(
            self.content.translations,
            self.stored.translations,
            {
                "organization": {entry.slug: entry for entry in self.content.organizations},
                "location": {entry.slug: entry for entry in self.content.locations},
                "service": {entry.slug: entry for entry in self.content.services},
            },
        )
        self._translations(
            self.content.taxonomies.translations,
            self.stored_terms.translations,
            {"taxonomy_term": dict(self.content.taxonomies.terms())},
        )
        if not self.dry_run:
            self._write(before)
        return LoadReport(
            region=self.region,
            changes=tuple(self.changes),
            unchanged=dict(self.unchanged),
            revision=revision.current(self.session, self.region),
            dry_run=self.dry_run,
        )

    # The plan.

    def _region_row(self) -> AnyRow | None:
        row = table(models.Region)
        return self.session.execute(select(row).where(row.c.slug == self.region)).first()

    def _region_values(self) -> dict[str, Any]:
        surroundings = self.content.places.model_dump(mode="json", exclude={"places"})
        return {
            "name": self.content.region.name,
            "settings": self.content.region.model_dump(mode="json"),
            "surroundings": surroundings,
        }

    def _region(self, before: AnyRow | None) -> None:
        after = self._region_values()
        if before is None:
            self.changes.append(Change("region", self.region, "new"))
            return
        settings = {**before.settings, "places": before.surroundings}
        wanted = {**after["settings"], "places": after["surroundings"]}
        fields = tuple(
            sorted(name for name in {*settings, *wanted} if settings.get(name) != wanted.get(name))
        )
        self._note("region", self.region, before_exists=True, fields=fields)

    def _note(self, entity: str, entry: str, *, before_exists: bool, fields: tuple[str, ...]) -> bool:
        """Report; True when something has to be written."""
        if not before_exists:
            self.changes.append(Change(entity, entry, "new"))
        elif fields:
            self.changes.append(Change(entity, entry, "changed", fields))
        else:
            self.unchanged[entity] += 1
            return False
        return True

    def _taxonomies(self) -> None:
        for file in self.content.taxonomies.taxonomies:
            row = self.stored_terms.taxonomies.get(file.code)
            fields = () if row is None else tuple(
                name for name in ("name", "description") if getattr(row, name) != getattr(file, name)
            )  # fmt: skip
            if self._note("taxonomy", file.code, before_exists=row is not None, fields=fields):
                self.batch.taxonomy(file.code, file.name, file.description, exists=row is not None)
            for position, term in enumerate(file.terms):
                self._term(file.code, term, position)
        wanted = {key for key, _term in self.content.taxonomies.terms()}
        for key, (_record, row) in self.stored_terms.terms.items():
            if key not in wanted and row.loaded_hash is not None:
                self._removed_term(key, row)

    def _term(self, taxonomy: str, term: TermRecord, position: int) -> None:
        key = f"{taxonomy}:{term.code}"
        stored = self.stored_terms.terms.get(key)
        if self._differs("taxonomy_term", key, stored, term, position, models.TaxonomyTerm):
            self.batch.term(
                taxonomy,
                term,
                position=position,
                loaded_hash=record_hash(term),
                exists=stored is not None,
            )

    def _removed_term(self, key: str, row: AnyRow) -> None:
        attribute, service = table(models.Attribute), table(models.Service)
        ours = [
            entity_id(self.region, "service", entry.slug)
            for entry in self.content.services
            if not self._is_kept("service", entry.slug)
        ]
        users = self.session.execute(
            select(attribute.c.link_id)
            .join(service, service.c.id == attribute.c.link_id)
            .where(attribute.c.taxonomy_term_id == row.id, service.c.status != Status.ARCHIVED.value)
        ).scalars()
        if set(users) - set(ours) or (row.edited_at is not None and not self.force):
            self.changes.append(Change("taxonomy_term", key, "kept", ("still used",)))
            return
        self.changes.append(Change("taxonomy_term", key, "removed"))
        self.touched["taxonomy_term"].add(key)
        self.deleted.append((models.TaxonomyTerm, row.id))

    def _is_kept(self, entity: str, slug: str) -> bool:
        stored = getattr(self.stored, f"{entity}s").get(slug)
        return stored is not None and stored[1].edited_at is not None and not self.force

    def _differs(
        self,
        entity: str,
        key: str,
        stored: tuple[Record, AnyRow] | None,
        record: Record,
        position: int,
        model: type[SQLModel],
    ) -> bool:
        """Report the entry; True when its row and what hangs on it have to be written."""
        archived = stored is not None and getattr(stored[1], "status", None) == Status.ARCHIVED
        if stored is not None and archived and stored[1].edited_at is not None and not self.force:
            # Somebody archived it here: the files must not bring it back.
            self.changes.append(Change(entity, key, "kept", ("status",)))
            return False
        if stored is None or archived:
            self.changes.append(Change(entity, key, "new"))
            self.touched[entity].add(key)
            return True
        before, row = stored
        fields = changed_fields(before, record)
        if not fields:
            self.unchanged[entity] += 1
            hash_ = record_hash(record)
            if row.edited_at is not None or row.loaded_hash != hash_:
                self.batch.settle(model, row.id, hash_)
            if row.position != position:
                self.batch.reposition(model, row.id, position)
            return False
        if row.edited_at is not None and not self.force:
            self.changes.append(Change(entity, key, "kept", fields))
            return False
        self.changes.append(Change(entity, key, "changed", fields))
        self.touched[entity].add(key)
        return True

    def _services(self) -> None:
        wanted = set()
        for position, service in enumerate(self.content.services):
            wanted.add(service.slug)
            stored = self.stored.services.get(service.slug)
            kept = service
            if self._differs("service", service.slug, stored, service, position, models.Service):
                self.batch.service(
                    service,
                    position=position,
                    loaded_hash=record_hash(service),
                    exists=stored is not None,
                    content_file=self._content_file(service.slug),
                )
            elif stored is not None:
                kept = stored[0]
            self.needed_organizations.add(kept.organization)
            self.needed_locations.update(at.location for at in kept.locations)
        for slug, (record, row) in self.stored.services.items():
            if slug not in wanted and row.status != Status.ARCHIVED:
                if self._leaves("service", slug, row):
                    self.batch.set_status(models.Service, row.id, Status.ARCHIVED)
                else:
                    self.needed_organizations.add(record.organization)
                    self.needed_locations.update(at.location for at in record.locations)

    def _leaves(self, entity: str, key: str, row: AnyRow, *, needed: bool = False) -> bool:
        """An entry that is not in the files: True when it goes."""
        if row.loaded_hash is None:
            return False
        if needed or (row.edited_at is not None and not self.force):
            self.changes.append(Change(entity, key, "kept", ("no longer in the files",)))
            return False
        self.changes.append(Change(entity, key, "removed"))
        self.touched[entity].add(key)
        return True

    def _content_file(self, slug: str) -> str | None:
        origin = self.content.origins.get(("service", slug))
        return origin.file.removeprefix(f"regions/{self.region}/") if origin else None

    def _locations(self) -> None:
        wanted = set()
        for position, location in enumerate(self.content.locations):
            wanted.add(location.slug)
            stored = self.stored.locations.get(location.slug)
            kept = location
            if self._differs("location", location.slug, stored, location, position, models.Location):
                self.batch.location(
                    location,
                    position=position,
                    loaded_hash=record_hash(location),
                    exists=stored is not None,
                )
            elif stored is not None:
                kept = stored[0]
            self.needed_organizations.add(kept.organization)
        for slug, (record, row) in self.stored.locations.items():
            if slug not in wanted:
                if self._leaves("location", slug, row, needed=slug in self.needed_locations):
                    self.deleted.append((models.Location, row.id))
                else:
                    self.needed_organizations.add(record.organization)

    def _organizations(self) -> None:
        wanted = set()
        for position, organization in enumerate(self.content.organizations):
            wanted.add(organization.slug)
            stored = self.stored.organizations.get(organization.slug)
            if self._differs(
                "organization", organization.slug, stored, organization, position, models.Organization
            ):
                self.batch.organization(
                    organization,
                    position=position,
                    loaded_hash=record_hash(organization),
                    exists=stored is not None,
                )
        for slug, (_record, row) in self.stored.organizations.items():
            if slug not in wanted and row.status != Status.ARCHIVED:
                needed = slug in self.needed_organizations
                if self._leaves("organization", slug, row, needed=needed):
                    self.batch.set_status(models.Organization, row.id, Status.ARCHIVED)

    def _places(self) -> None:
        wanted = set()
        for position, place in enumerate(self.content.places.places):
            wanted.add(place.ags)
            stored = self.stored.places.get(place.ags)
            fields = changed_fields(stored[0], place) if stored else ()
            if stored and not fields and stored[1].position != position:
                self.batch.reposition(models.Place, stored[1].id, position)
            if self._note("place", place.ags, before_exists=stored is not None, fields=fields):
                self.batch.place(place, position=position, exists=stored is not None)
        for ags, (_record, row) in self.stored.places.items():
            if ags not in wanted:
                self.changes.append(Change("place", ags, "removed"))
                self.deleted.append((models.Place, row.id))

    def _translations(
        self,
        files: Iterable[TranslationsFile],
        stored: Mapping[tuple[str, str, str, str], AnyRow],
        records: Mapping[str, Mapping[str, Record]],
    ) -> None:
        wanted = set()
        sources: dict[tuple[str, str], dict[str, str]] = {}
        for file in files:
            for entity, key, name, text in texts_of(file):
                wanted.add((file.language, entity, key, name))
                if (entity, key) not in sources:
                    sources[entity, key] = dict(translatable_texts(entity, records[entity][key]))
                self._translation(
                    stored.get((file.language, entity, key, name)),
                    language=file.language,
                    entity=entity,
                    key=key,
                    name=name,
                    text=text.text,
                    status=text.status.value,
                    source_hash=text.source_hash,
                    german=sources[entity, key][name],
                )
        for (language, entity, key, name), row in stored.items():
            if (language, entity, key, name) in wanted or row.loaded_hash is None:
                continue
            entry = f"{language}:{entity}:{key}"
            if row.edited_at is not None and not self.force:
                self.changes.append(Change("translation", entry, "kept", (name,)))
                continue
            self.changes.append(Change("translation", entry, "removed", (name,)))
            self.touched[entity].add(key)
            self.deleted.append((models.Translation, row.id))

    def _translation(
        self,
        row: AnyRow | None,
        *,
        language: str,
        entity: str,
        key: str,
        name: str,
        text: str,
        status: str,
        source_hash: str | None,
        german: str,
    ) -> None:
        entry = f"{language}:{entity}:{key}"
        same_text = row is not None and row.text == text
        if source_hash is None:
            # Nobody stamped it: an unchanged translation still belongs to the German text of back then.
            source_hash = row.source_hash if row is not None and same_text else revision.text_hash(german)
        hash_ = hashlib.sha256(f"{status}\n{text}".encode()).hexdigest()
        if row is not None and (row.text, row.status, row.source_hash) == (text, status, source_hash):
            self.unchanged["translation"] += 1
            if row.edited_at is not None:
                self.batch.settle(models.Translation, row.id, hash_)
            return
        if row is not None and row.edited_at is not None and not self.force:
            self.changes.append(Change("translation", entry, "kept", (name,)))
            return
        self.changes.append(Change("translation", entry, "new" if row is None else "changed", (name,)))
        self.touched[entity].add(key)
        owner = self._entity_id(entity, key)
        self.batch.translation(
            exists=row is not None,
            id=row.id if row is not None else uuid5(owner, f"translation:{name}:{language}"),
            region=None if entity == "taxonomy_term" else self.region,
            entity=entity,
            entity_id=owner,
            field=name,
            language=language,
            text=text,
            status=status,
            source_hash=source_hash,
            loaded_hash=hash_,
        )

    def _entity_id(self, entity: str, key: str) -> UUID:
        if entity == "taxonomy_term":
            taxonomy, _, code = key.partition(":")
            return term_id(taxonomy, code)
        return entity_id(self.region, entity, key)

    # The writing.

    def _write(self, before: AnyRow | None) -> None:
        affected_elsewhere = self._services_with_terms()
        self._write_region(before)
        self.batch.write(self.session)
        for model, id_ in self.deleted:
            delete_where(self.session, model, "id", [id_])
        self._drop_unused_taxonomies()
        if before is None or self.force:
            upkeep.apply(self.session, self.region, self.content.upkeep, now=self.now)
        if not any(change.action != "kept" for change in self.changes):
            return
        affected = self._affected_services()
        for region in self._all_regions() if self._terms_changed() else {self.region}:
            ids = affected_elsewhere.get(region, set()) | self._with_terms_now(region)
            if region == self.region:
                ids |= affected
            elif not ids and not self._terms_changed():
                continue
            revision.bump(self.session, region, ids, now=self.now)

    def _write_region(self, before: AnyRow | None) -> None:
        values = self._region_values()
        target: Any = table(models.Region)
        if before is None:
            row = {
                "slug": self.region,
                **values,
                "content_hash": self.content.fingerprint,
                "loaded_at": self.now,
            }
            self.session.execute(insert(target).values(**row))
        elif (before.name, before.settings, before.surroundings, before.content_hash) != (
            values["name"],
            values["settings"],
            values["surroundings"],
            self.content.fingerprint,
        ):
            changes = {**values, "content_hash": self.content.fingerprint, "loaded_at": self.now}
            self.session.execute(update(target).where(target.c.slug == self.region).values(**changes))

    def _drop_unused_taxonomies(self) -> None:
        wanted = {file.code for file in self.content.taxonomies.taxonomies}
        taxonomy, term = table(models.Taxonomy), table(models.TaxonomyTerm)
        target: Any = taxonomy
        for code, row in self.stored_terms.taxonomies.items():
            if code in wanted:
                continue
            if not self.session.execute(select(term.c.id).where(term.c.taxonomy_id == row.id)).first():
                self.changes.append(Change("taxonomy", code, "removed"))
                self.session.execute(delete(target).where(target.c.id == row.id))

    def _terms_changed(self) -> bool:
        return bool(self.touched["taxonomy_term"])

    def _services_with_terms(self) -> dict[str, set[UUID]]:
        """Services that carry a term which is about to change or go, by region."""
        found: dict[str, set[UUID]] = {}
        for region, id_ in self._services_tagged():
            found.setdefault(region, set()).add(id_)
        return found

    def _with_terms_now(self, region: str) -> set[UUID]:
        if not self._terms_changed():
            return set()
        return {id_ for found, id_ in self._services_tagged() if found == region}

    def _services_tagged(self) -> Iterator[tuple[str, UUID]]:
        if not self._terms_changed():
            return
        attribute, service = table(models.Attribute), table(models.Service)
        terms = [self._entity_id("taxonomy_term", key) for key in sorted(self.touched["taxonomy_term"])]
        for start in range(0, len(terms), 500):
            for row in self.session.execute(
                select(service.c.region, service.c.id)
                .join(attribute, attribute.c.link_id == service.c.id)
                .where(attribute.c.taxonomy_term_id.in_(terms[start : start + 500]))
            ):
                yield row.region, row.id

    def _affected_services(self) -> set[UUID]:
        """Services of this region whose page or search entry may look different now."""
        ids = {entity_id(self.region, "service", slug) for slug in self.touched["service"]}
        services = [
            *((entry.slug, entry) for entry in self.content.services),
            *((slug, record) for slug, (record, _row) in self.stored.services.items()),
        ]
        for slug, record in services:
            if record.organization in self.touched["organization"] or any(
                at.location in self.touched["location"] for at in record.locations
            ):
                ids.add(entity_id(self.region, "service", slug))
        return ids

    def _all_regions(self) -> set[str]:
        row = table(models.Region)
        return set(self.session.execute(select(row.c.slug)).scalars())


def texts_of(file: TranslationsFile) -> Iterator[tuple[str, str, str, Any]]:
    """Entity, key, field and text."""
    for entity, section in (
        ("organization", file.organizations),
        ("location", file.locations),
        ("service", file.services),
        ("taxonomy_term", file.terms),
    ):
        for key, fields in section.items():
            for name, text in fields.items():
                yield entity, key, name, text


@dataclass(frozen=True, slots=True)
class Outdated:
    language: str
    entity: str
    entry: str
    field: str


def outdated_translations(content: RegionContent | TaxonomyContent) -> list[Outdated]:
    """Translations in the files whose German text has changed since they were made."""
    records: dict[str, dict[str, Record]]
    if isinstance(content, TaxonomyContent):
        records = {"taxonomy_term": dict(content.terms())}
    else:
        records = {
            "organization": {entry.slug: entry for entry in content.organizations},
            "location": {entry.slug: entry for entry in content.locations},
            "service": {entry.slug: entry for entry in content.services},
        }
    outdated = []
    for file in content.translations:
        for entity, key, name, text in texts_of(file):
            source = dict(translatable_texts(entity, records[entity][key]))[name]
            if text.source_hash is not None and text.source_hash != revision.text_hash(source):
                outdated.append(Outdated(file.language, entity, key, name))
    return outdated
