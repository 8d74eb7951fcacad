"""The database back to records and files: what is loaded and then exported is the same again."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

import yaml
from sqlalchemy import select
from sqlmodel import Session

from portal.catalogue import models, upkeep
from portal.catalogue.models import Status
from portal.catalogue.reading import UPKEEP, CatalogueError
from portal.catalogue.records import (
    LocationRecord,
    OrganizationRecord,
    PlaceRecord,
    PlacesFile,
    Record,
    ServiceRecord,
    TaxonomyFile,
    TermRecord,
)
from portal.catalogue.region_settings import merged
from portal.catalogue.rows import AnyRow, Rows, table, translation_columns
from portal.catalogue.vocabulary import TERM_FIELDS

_SERVICE_FILE = re.compile(r"(services|helplines|services/[A-Za-z0-9_-]+)\.yaml")
_SECTIONS = {
    "organization": "organizations",
    "location": "locations",
    "service": "services",
    "taxonomy_term": "terms",
}


class UnknownRegion(CatalogueError):
    def __init__(self, region: str) -> None:
        super().__init__(f"region {region!r} is not in the database")


@dataclass(slots=True)
class Stored:
    """What the database holds of a region, in the words of the files; archived entries have only a row."""

    organizations: dict[str, tuple[OrganizationRecord, AnyRow]] = field(default_factory=dict)
    locations: dict[str, tuple[LocationRecord, AnyRow]] = field(default_factory=dict)
    services: dict[str, tuple[ServiceRecord, AnyRow]] = field(default_factory=dict)
    places: dict[str, tuple[PlaceRecord, AnyRow]] = field(default_factory=dict)
    """By AGS."""
    translations: dict[tuple[str, str, str, str], AnyRow] = field(default_factory=dict)
    """(language, entity, slug, field)"""


def stored_region(session: Session, region: str) -> Stored:
    rows = Rows(session, region, with_history=True)
    slugs = {
        **{id_: row.slug for id_, row in rows.organizations.items()},
        **{id_: row.slug for id_, row in rows.locations.items()},
        **{id_: row.slug for id_, row in rows.services.items()},
    }
    stored = Stored()
    for row in rows.organizations.values():
        stored.organizations[row.slug] = (organization_record(row, rows, slugs), row)
    for row in rows.locations.values():
        stored.locations[row.slug] = (location_record(row, rows, slugs), row)
    for row in rows.services.values():
        stored.services[row.slug] = (service_record(row, rows, slugs), row)
    for place, row in stored_places(session, region):
        stored.places[place.ags] = (place, row)
    for id_, texts in rows.translations.items():
        for text in texts:
            if id_ in slugs:
                stored.translations[text.language, text.entity, slugs[id_], text.field] = text
    return stored


def stored_places(session: Session, region: str) -> list[tuple[PlaceRecord, AnyRow]]:
    place, locality = table(models.Place), table(models.Locality)
    localities: dict[UUID, list[AnyRow]] = defaultdict(list)
    for row in session.execute(
        select(locality)
        .join(place, place.c.id == locality.c.place_id)
        .where(place.c.region == region)
        .order_by(locality.c.position)
    ):
        localities[row.place_id].append(row)
    found = session.execute(select(place).where(place.c.region == region).order_by(place.c.position))
    return [(_place(row, localities[row.id]), row) for row in found]


@dataclass(slots=True)
class StoredTerms:
    taxonomies: dict[str, AnyRow] = field(default_factory=dict)
    terms: dict[str, tuple[TermRecord, AnyRow]] = field(default_factory=dict)
    """By `taxonomy:code`."""
    translations: dict[tuple[str, str, str, str], AnyRow] = field(default_factory=dict)
    """(language, "taxonomy_term", `taxonomy:code`, field)"""


def stored_terms(session: Session, *, with_history: bool = False) -> StoredTerms:
    stored = StoredTerms()
    taxonomy, term, translation = (
        table(models.Taxonomy),
        table(models.TaxonomyTerm),
        table(models.Translation),
    )
    for row in session.execute(select(taxonomy).order_by(taxonomy.c.code)):
        stored.taxonomies[row.code] = row
    codes = {row.id: code for code, row in stored.taxonomies.items()}
    found = list(session.execute(select(term).order_by(term.c.position)))
    by_id = {row.id: row.code for row in found}
    keys = {row.id: f"{codes[row.taxonomy_id]}:{row.code}" for row in found}
    for row in found:
        stored.terms[keys[row.id]] = (_term(row, by_id), row)
    for row in session.execute(
        translation_columns(with_history=with_history).where(translation.c.region.is_(None))
    ):
        if row.entity_id in keys:
            stored.translations[row.language, row.entity, keys[row.entity_id], row.field] = row
    return stored


def _term(row: AnyRow, by_id: Mapping[UUID, str]) -> TermRecord:
    values = {name: getattr(row, name) for name in TermRecord.model_fields if name != "parent"}
    return TermRecord.model_validate({**values, "parent": by_id[row.parent_id] if row.parent_id else None})


def organization_record(row: AnyRow, rows: Rows, slugs: Mapping[UUID, str]) -> OrganizationRecord:
    return OrganizationRecord.model_validate(
        {
            **_same(row, OrganizationRecord),
            **_sourced(row),
            "status": _status(row),
            "parent_organization": slugs.get(row.parent_organization_id),
            "phones": _phones(row.id, rows),
        }
    )


_WHERE = ("latitude", "longitude", "place", "transportation")


def location_record(row: AnyRow, rows: Rows, slugs: Mapping[UUID, str]) -> LocationRecord:
    # A shelter has no address, whatever may have got into the table; its organization makes every house one.
    owner = rows.organizations.get(row.organization_id)
    hidden = row.confidential or (owner is not None and owner.confidential)
    address = None if hidden else rows.addresses.get(row.id)
    return LocationRecord.model_validate(
        {
            **_same(row, LocationRecord),
            **_sourced(row),
            **(dict.fromkeys(_WHERE) if hidden else {}),
            "organization": slugs[row.organization_id],
            "address": {
                name: getattr(address, name) for name in ("address_1", "postal_code", "city", "attention")
            }
            if address
            else None,
            "accessibility": [
                {"description": item.description, "details": item.details}
                for item in rows.accessibility[row.id]
            ],
            "phones": _phones(row.id, rows),
            "schedules": _schedules(row.id, rows),
            "languages": rows.languages[row.id],
        }
    )


def service_record(row: AnyRow, rows: Rows, slugs: Mapping[UUID, str]) -> ServiceRecord:
    cost = rows.costs.get(row.id)
    return ServiceRecord.model_validate(
        {
            **_same(row, ServiceRecord),
            **_sourced(row),
            **{name: rows.codes[row.id, name] for name in TERM_FIELDS},
            "status": _status(row),
            "organization": slugs[row.organization_id],
            "cost": {"option": cost.option, "amount_description": cost.amount_description} if cost else {},
            "languages": rows.languages[row.id],
            "required_documents": [document.document for document in rows.documents[row.id]],
            "phones": _phones(row.id, rows),
            "contacts": [
                {
                    "name": contact.name,
                    "title": contact.title,
                    "department": contact.department,
                    "email": contact.email,
                    "phones": _phones(contact.id, rows),
                }
                for contact in rows.contacts[row.id]
            ],
            "schedules": _schedules(row.id, rows),
            "service_areas": rows.areas[row.id],
            "locations": [
                {
                    "location": slugs[at.location_id],
                    "description": at.description,
                    "phones": _phones(at.id, rows),
                    "schedules": _schedules(at.id, rows),
                    "service_areas": rows.areas[at.id],
                }
                for at in rows.at_locations[row.id]
            ],
        }
    )


def _place(row: AnyRow, localities: Iterable[AnyRow]) -> PlaceRecord:
    return PlaceRecord.model_validate(
        {
            **_same(row, PlaceRecord),
            "localities": [
                {
                    "name": locality.name,
                    "postal_code": locality.postal_code,
                    "postal_code_uncertain": locality.postal_code_uncertain,
                }
                for locality in localities
            ],
        }
    )


def _same(row: AnyRow, model: type[Record]) -> dict[str, Any]:
    """The fields that are called the same in table and record."""
    columns = row._mapping
    return {name: columns[name] for name in model.model_fields if name in columns}


def _status(row: AnyRow) -> str:
    """The files know no archived entries; callers look at the row."""
    return str(Status.DRAFT if row.status == Status.ARCHIVED else row.status)


def _sourced(row: AnyRow) -> dict[str, Any]:
    values = {name: getattr(row, f"source_{name}") for name in ("url", "name", "date", "note")}
    return {"source": values if any(values.values()) else None}


def _phones(owner: UUID, rows: Rows) -> list[dict[str, Any]]:
    return [
        {
            "number": phone.number,
            "type": phone.type,
            "description": phone.description,
            "languages": rows.languages[phone.id],
        }
        for phone in rows.phones[owner]
    ]


def _schedules(owner: UUID, rows: Rows) -> list[dict[str, Any]]:
    return [
        {
            "opening_hours": schedule.opening_hours,
            "channel": schedule.channel,
            "description": schedule.description,
        }
        for schedule in rows.schedules[owner]
    ]


def export_region(session: Session, region: str, target: Path) -> list[Path]:
    """Write the region and the vocabularies below the content folder `target`; returns the files.

    Archived entries are left out. Files of services that have none left are removed.
    """
    row = session.execute(select(table(models.Region)).where(table(models.Region).c.slug == region)).first()
    if row is None:
        raise UnknownRegion(region)
    folder = target / "regions" / region
    stored = stored_region(session, region)
    settings = merged(row.settings, row.overrides)
    places = PlacesFile.model_validate(
        {"places": [record for record, _row in stored.places.values()], **row.surroundings}
    )
    services: dict[str, list[ServiceRecord]] = {"services.yaml": []}
    for service, service_row in stored.services.values():
        if service_row.status != Status.ARCHIVED:
            file = service_row.content_file or "services.yaml"
            if not _SERVICE_FILE.fullmatch(file):
                raise CatalogueError(f"service {service.slug}: {file!r} is no file for services")
            services.setdefault(file, []).append(service)
    if len(services) > 1 and not services["services.yaml"]:
        del services["services.yaml"]

    written = [
        _write(folder / "region.yaml", _plain(settings), f"{settings.name}: settings."),
        _write(folder / "places.yaml", _plain(places), f"{settings.name}: municipalities and villages."),
        _write(
            folder / "organizations.yaml",
            {"organizations": _published(stored.organizations.values())},
            f"{settings.name}: organizations.",
        ),
        _write(
            folder / "locations.yaml",
            {"locations": [_plain(record) for record, _row in stored.locations.values()]},
            f"{settings.name}: locations.",
        ),
    ]
    for file, records in services.items():
        written.append(
            _write(
                folder / file,
                {"services": [_plain(record) for record in records]},
                f"{settings.name}: services.",
            )
        )
    kept = _plain(upkeep.stored(session, region))
    if kept:
        written.append(_write(folder / UPKEEP, kept, f"{settings.name}: set in the admin pages."))
    else:
        (folder / UPKEEP).unlink(missing_ok=True)
    for old in (folder / "services.yaml", folder / "helplines.yaml", *(folder / "services").glob("*.yaml")):
        if old not in written:
            old.unlink(missing_ok=True)
    known = {
        "organization": {
            slug for slug, (_r, row) in stored.organizations.items() if row.status != Status.ARCHIVED
        },
        "location": set(stored.locations),
        "service": {slug for slug, (_r, row) in stored.services.items() if row.status != Status.ARCHIVED},
    }
    texts = {key: row for key, row in stored.translations.items() if key[2] in known[key[1]]}
    written += _write_translations(folder / "translations", texts, settings.name)
    return written + export_taxonomies(session, target)


def export_taxonomies(session: Session, target: Path) -> list[Path]:
    stored = stored_terms(session)
    terms: dict[str, list[TermRecord]] = {code: [] for code in stored.taxonomies}
    for key, (record, _row) in stored.terms.items():
        terms[key.partition(":")[0]].append(record)
    folder = target / "taxonomies"
    written = []
    for code, row in stored.taxonomies.items():
        file = TaxonomyFile(code=code, name=row.name, description=row.description, terms=tuple(terms[code]))
        written.append(_write(folder / f"{code}.yaml", _plain(file), f"{row.name}."))
    return written + _write_translations(folder / "translations", stored.translations, "Vocabularies")


def _published(stored: Iterable[tuple[Record, AnyRow]]) -> list[dict[str, Any]]:
    return [_plain(record) for record, row in stored if row.status != Status.ARCHIVED]


def _write_translations(
    folder: Path, texts: Mapping[tuple[str, str, str, str], AnyRow], title: str
) -> list[Path]:
    languages: dict[str, dict[str, Any]] = {}
    statuses: dict[str, Counter[str]] = defaultdict(Counter)
    for (language, *_key), row in texts.items():
        statuses[language][row.status] += 1
    for (language, entity, key, name), row in sorted(texts.items(), key=lambda item: item[0]):
        # The status that most texts have stands once at the top, as people write it.
        usual = max(sorted(statuses[language]), key=statuses[language].__getitem__)
        sections = languages.setdefault(language, {"language": language, "default_status": usual})
        text = {"text": row.text, "source_hash": row.source_hash}
        if row.status != usual:
            text["status"] = row.status
        sections.setdefault(_SECTIONS[entity], {}).setdefault(key, {})[name] = text
    return [
        _write(folder / f"{language}.yaml", data, f"{title}: translations into {language!r}.")
        for language, data in languages.items()
    ]


def _plain(record: Record) -> dict[str, Any]:
    plain: dict[str, Any] = record.model_dump(mode="json", exclude_defaults=True)
    return plain


class _Dumper(yaml.SafeDumper):
    """Indented lists and folded paragraphs, as the files are written by hand."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = "|" if "\n" in text else ">" if len(text) > 90 else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _represent_text)


def _write(path: Path, data: Any, title: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    text = yaml.dump(data, Dumper=_Dumper, allow_unicode=True, sort_keys=False, width=110)
    path.write_text(f"# {title}\n{text}", encoding="utf-8")
    return path
