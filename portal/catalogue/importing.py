"""Spreadsheets into the catalogue: read, matched to fields, planned row by row, then applied all or nothing.

A plan writes nothing. Applying makes the plan anew in its own transaction and stops when a row is faulty, or when an
entry is no longer as it was in the plan somebody agreed to. Rows that are missing from the file change nothing.
"""

import csv
import io
import json
import re
import secrets
import shutil
import zipfile
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, time, timedelta
from pathlib import Path
from typing import Any, Literal
from uuid import UUID

from openpyxl import load_workbook
from sqlalchemy import func, select, update
from sqlmodel import Session, col

from portal.catalogue import checking, editing, models, revision
from portal.catalogue.editing import Author, Entry, EntryProblem, InvalidEntry
from portal.catalogue.loading import changed_fields
from portal.catalogue.models import EntryVersion, Status, entity_id
from portal.catalogue.reading import CatalogueError
from portal.catalogue.rows import table
from portal.catalogue.spreadsheets import (
    ENTITIES,
    KINDS,
    CellError,
    Value,
    nested,
    read_row,
)
from portal.catalogue.storing import Batch
from portal.catalogue.vocabulary import ORGANIZATION_KINDS, TERM_FIELDS

MOST_ROWS = 5000
MOST_COLUMNS = 200
MOST_BYTES = 8 * 1024 * 1024
MOST_UNPACKED = 40 * 1024 * 1024
"""Of everything in a packed file; the export of 5,000 offers has about half of it."""
MOST_PACKED_FILES = 300
_EMPTY_ROWS = 2000
"""So many empty rows in a row are the end of a sheet, whatever the file says about its size."""
KEPT_FOR = timedelta(days=1)


class FileRefused(CatalogueError):
    """The file cannot be read; `code` says why."""

    def __init__(self, code: str, **values: Any) -> None:
        self.code = code
        self.values = values
        super().__init__(code)


@dataclass(frozen=True, slots=True)
class Sheet:
    name: str
    header: tuple[str, ...]
    rows: tuple[tuple[int, tuple[Value, ...]], ...]
    """With the number that the spreadsheet program shows."""


# Reading files.


def read_file(name: str, data: bytes) -> list[Sheet]:
    """The tables in an XLSX file, a CSV file or a ZIP file of CSV files. Raises FileRefused."""
    if len(data) > MOST_BYTES:
        raise FileRefused("too_big", megabytes=MOST_BYTES // 1024 // 1024)
    if not data.strip():
        raise FileRefused("empty")
    if data.startswith(b"PK"):
        sheets = _packed(data)
    elif data.startswith(b"\xd0\xcf\x11\xe0"):
        raise FileRefused("old_excel")
    else:
        sheets = [_csv_sheet(Path(name).stem, data)]
    sheets = [sheet for sheet in sheets if sheet.header]
    if not any(sheet.rows for sheet in sheets):
        raise FileRefused("empty")
    if sum(len(sheet.rows) for sheet in sheets) > MOST_ROWS:
        raise FileRefused("too_many_rows", rows=MOST_ROWS)
    return sheets


def _packed(data: bytes) -> list[Sheet]:
    try:
        archive = zipfile.ZipFile(io.BytesIO(data))
        members = archive.infolist()
    except (zipfile.BadZipFile, ValueError, NotImplementedError, EOFError):
        raise FileRefused("broken") from None
    # zipfile never unpacks more than the size that is written here.
    if len(members) > MOST_PACKED_FILES or sum(member.file_size for member in members) > MOST_UNPACKED:
        raise FileRefused("unpacks_too_big", megabytes=MOST_UNPACKED // 1024 // 1024)
    names = {member.filename for member in members}
    if any(member.flag_bits & 1 for member in members):
        raise FileRefused("locked")
    if "[Content_Types].xml" in names:
        if any(name.lower().endswith(("vbaproject.bin", "vbadata.xml")) for name in names):
            raise FileRefused("macros")
        if "xl/workbook.xml" not in names:
            raise FileRefused("wrong_type")
        return _workbook(data)
    if "mimetype" in names and "content.xml" in names:
        raise FileRefused("open_document")
    tables = [member for member in members if member.filename.lower().endswith(".csv")]
    if not tables:
        raise FileRefused("wrong_type")
    try:
        return [_csv_sheet(Path(member.filename).stem, archive.read(member)) for member in tables]
    except (zipfile.BadZipFile, NotImplementedError, EOFError):
        raise FileRefused("broken") from None


def _workbook(data: bytes) -> list[Sheet]:
    try:
        # Without defusedxml openpyxl would follow entities; it is a dependency of ours.
        book = load_workbook(io.BytesIO(data), read_only=True, data_only=True, keep_links=False)
        return [_worksheet(sheet) for sheet in book.worksheets]
    except FileRefused:
        raise
    except Exception:
        # A file made to break the reader fails in many ways; all of them mean that it is no workbook.
        raise FileRefused("broken") from None


def _worksheet(sheet: Any) -> Sheet:
    sheet.reset_dimensions()
    header: tuple[str, ...] = ()
    rows: list[tuple[int, tuple[Value, ...]]] = []
    empty = 0
    for number, cells in enumerate(sheet.iter_rows(max_col=MOST_COLUMNS + 1), 1):
        values = tuple(_value(cell) for cell in cells)
        if all(value is None or value == "" for value in values):
            empty += 1
            if empty > _EMPTY_ROWS:
                break
            continue
        empty = 0
        if not header:
            header = _header(values)
        else:
            rows.append((number, values[: len(header)]))
            if len(rows) > MOST_ROWS:
                raise FileRefused("too_many_rows", rows=MOST_ROWS)
    return Sheet(str(sheet.title), header, tuple(rows))


def _value(cell: Any) -> Value:
    value = cell.value
    if isinstance(value, str) and cell.data_type == "e":
        return CellError(value)
    if isinstance(value, time | timedelta):
        return str(value)
    return value  # type: ignore[no-any-return]


def _header(values: Iterable[Value]) -> tuple[str, ...]:
    names = ["" if value is None else str(value).strip() for value in values]
    while names and not names[-1]:
        names.pop()
    if len(names) > MOST_COLUMNS:
        raise FileRefused("too_many_columns", columns=MOST_COLUMNS)
    return tuple(names)


def _csv_sheet(name: str, data: bytes) -> Sheet:
    text = _decoded(data)
    delimiter = ""
    if match := re.match(r"sep=(.)\r?\n", text):
        delimiter, text = match[1], text[match.end() :]
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter or _delimiter(text))
    header: tuple[str, ...] = ()
    rows: list[tuple[int, tuple[Value, ...]]] = []
    try:
        for number, cells in enumerate(reader, 1):
            if not any(cell.strip() for cell in cells):
                continue
            if not header:
                header = _header(cells)
            else:
                padded = [*cells, *[""] * (len(header) - len(cells))]
                rows.append((number, tuple(padded[: len(header)])))
                if len(rows) > MOST_ROWS:
                    raise FileRefused("too_many_rows", rows=MOST_ROWS)
    except csv.Error:
        raise FileRefused("broken") from None
    return Sheet(name, header, tuple(rows))


def _decoded(data: bytes) -> str:
    """UTF-8, UTF-16 (Excel's "Unicode text") or the Windows encoding of western Europe."""
    encoding = "utf-8"
    if data.startswith(b"\xef\xbb\xbf"):
        encoding = "utf-8-sig"
    elif data.startswith((b"\xff\xfe", b"\xfe\xff")):
        encoding = "utf-16"
    else:
        # Without a mark, UTF-16 shows by the zeros in every second byte.
        sample = data[:400]
        odd, even = sample[1::2].count(0), sample[0::2].count(0)
        if max(odd, even) > len(sample) // 8:
            encoding = "utf-16-le" if odd > even else "utf-16-be"
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError:
        try:
            text = data.decode("cp1252")
        except UnicodeDecodeError:
            raise FileRefused("wrong_type") from None
    if "\0" in text or sum(text.count(chr(sign)) for sign in range(1, 9)) > 0:
        raise FileRefused("wrong_type")
    return text


def _delimiter(text: str) -> str:
    """What stands most often in the first line, outside of quotes."""
    quoted, counts = False, Counter[str]()
    for sign in text[:20_000]:
        if sign == '"':
            quoted = not quoted
        elif not quoted and sign == "\n" and counts:
            break
        elif not quoted and sign in ";,\t|":
            counts[sign] += 1
    return counts.most_common(1)[0][0] if counts else ";"


# Columns to fields.


@dataclass(frozen=True, slots=True)
class SheetMapping:
    entity: str
    """Empty leaves the sheet out."""
    fields: tuple[str, ...]
    """Of each column; empty leaves it out."""

    @property
    def twice(self) -> tuple[str, ...]:
        """Fields that two columns claim."""
        return tuple(name for name, number in Counter(self.fields).items() if name and number > 1)


_SHEET_NAMES = {
    "organization": ("organizations", "organization", "organisationen", "organisation", "träger", "stellen"),
    "location": ("locations", "location", "orte", "ort", "standorte", "standort", "häuser"),
    "service": ("services", "service", "angebote", "angebot", "leistungen", "dienste"),
}
_ALIASES: Mapping[str, tuple[str, ...]] = {
    "slug": ("kennung", "id", "schlüssel", "kurzname"),
    "name": ("bezeichnung", "titel", "angebot", "angebotsname"),
    "alternate_name": ("amtlicher name", "offizieller name", "kurzbezeichnung"),
    "description": ("beschreibung", "kurzbeschreibung", "inhalt"),
    "organization": ("träger", "organisation", "anbieter", "einrichtung"),
    "website": ("website", "webseite", "internet", "homepage", "url", "internetseite"),
    "url": ("url", "website", "webseite", "internet", "homepage", "link", "internetseite"),
    "email": ("e-mail", "email", "mail", "e-mail-adresse", "mailadresse"),
    "phones": ("telefon", "telefonnummer", "tel", "tel.", "rufnummer", "telefonnummern"),
    "address.address_1": ("straße", "strasse", "straße und hausnummer", "anschrift", "straße/nr."),
    "address.postal_code": ("plz", "postleitzahl"),
    "address.city": ("ort", "stadt", "wohnort"),
    "place": ("gemeinde", "ags"),
    "latitude": ("breite", "breitengrad", "lat"),
    "longitude": ("länge", "längengrad", "lon", "lng"),
    "schedules": ("öffnungszeiten", "sprechzeiten", "zeiten"),
    "topics": ("themen", "thema", "kategorie", "kategorien"),
    "target_groups": ("zielgruppe", "zielgruppen"),
    "minimum_age": ("alter von", "ab alter", "mindestalter"),
    "maximum_age": ("alter bis", "bis alter", "höchstalter"),
    "cost.option": ("kosten",),
    "languages": ("sprachen",),
    "locations": ("orte", "standorte"),
    "service_areas": ("gebiet", "gebiete", "einzugsgebiet", "zuständig für"),
    "valid_to": ("förderung bis", "förderende", "läuft bis", "laufzeit bis"),
    "valid_from": ("förderung ab", "läuft ab", "laufzeit ab", "beginn"),
    "kind": ("art", "art der organisation"),
    "legal_status": ("rechtsform",),
}
"""What people write above their columns."""


def _folded(text: str) -> str:
    return " ".join(text.casefold().replace("\xad", "").split())


def field_of(title: str, entity: str, labels: Mapping[str, Collection[str]]) -> str:
    """The field a column is meant for; empty when nobody can tell. `labels`: field → its names on the pages."""
    known = KINDS[entity]
    if (match := re.search(r"\[([a-z_.0-9]+)\]\s*$", title)) and match[1] in known:
        return match[1]
    text = _folded(title)
    if text in known:
        return text
    for names in (labels, _ALIASES):
        for name, words in names.items():
            if name in known and text in {_folded(word) for word in words}:
                return name
    return ""


def guessed(
    sheet: Sheet, labels: Mapping[str, Mapping[str, Collection[str]]], entity: str | None = None
) -> SheetMapping:
    """What the sheet is about, by its name or its columns, and what the columns mean."""

    def fields(of: str) -> tuple[str, ...]:
        taken: set[str] = set()
        found = []
        for title in sheet.header:
            name = field_of(title, of, labels.get(of, {}))
            found.append("" if name in taken else name)
            taken.add(name)
        return tuple(found)

    if entity is None:
        name = _folded(sheet.name)
        by_name = [one for one, names in _SHEET_NAMES.items() if name in names]
        recognised = {one: sum(1 for found in fields(one) if found) for one in ENTITIES}
        best = max(ENTITIES, key=lambda one: (recognised[one], ENTITIES.index(one)))
        entity = by_name[0] if by_name else best if recognised[best] >= 2 else ""
    if entity not in ENTITIES:
        return SheetMapping("", ("",) * len(sheet.header))
    return SheetMapping(entity, fields(entity))


# The plan.

Action = Literal["new", "changed", "unchanged", "faulty"]
May = Callable[[str, Any], bool]
"""Whether this record of this entity may be changed by whoever imports."""


@dataclass(frozen=True, slots=True)
class PlannedRow:
    sheet: str
    number: int
    entity: str
    slug: str
    name: str
    action: Action
    fields: tuple[str, ...] = ()
    """What changes; empty for new ones."""
    problems: tuple[EntryProblem, ...] = ()
    columns: Mapping[str, str] = field(default_factory=dict)
    """Field → title of its column in the file."""
    like: str = ""
    """A new entry: slug of one that has the same name already."""
    before: Mapping[str, Any] | None = None
    record: Any = None
    base_hash: str | None = None

    @property
    def state(self) -> tuple[str, int, str, str, str, str | None]:
        """What somebody agrees to."""
        return (self.sheet, self.number, self.entity, self.slug, self.action, self.base_hash)


@dataclass(frozen=True, slots=True)
class Plan:
    rows: tuple[PlannedRow, ...]

    @property
    def faulty(self) -> tuple[PlannedRow, ...]:
        return tuple(row for row in self.rows if row.action == "faulty")

    def counts(self) -> dict[str, int]:
        found = Counter(row.action for row in self.rows)
        return {action: found[action] for action in ("new", "changed", "unchanged", "faulty")}

    def state(self) -> list[list[Any]]:
        """Of every row, as JSON keeps it."""
        return [list(row.state) for row in self.rows]


def _anything(_entity: str, _record: Any) -> bool:
    return True


def plan(
    session: Session,
    region: str,
    sheets: Sequence[Sheet],
    mappings: Sequence[SheetMapping],
    *,
    may: May = _anything,
) -> Plan:
    """What the rows would do. Writes nothing."""
    return _Planner(session, region, may).run(sheets, mappings)


@dataclass(slots=True)
class _Draft:
    sheet: str
    number: int
    entity: str
    columns: Mapping[str, str]
    values: dict[str, Any]
    problems: list[EntryProblem]
    slug: str = ""


_SLUG = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_CODE = re.compile(r"[a-z][a-z0-9_]*")
_KEEPS_WHEN_EMPTY = ("status", "confidence", "location_type", "confidential")
"""Always say something: an empty cell leaves it as it is."""


class _Planner:
    def __init__(self, session: Session, region: str, may: May) -> None:
        self.session = session
        self.region = region
        self.may = may
        self.names: dict[str, dict[str, str]] = {}
        """Entity → slug → name, of what is there and what the file brings."""
        self.taken: dict[str, set[str]] = {}
        for entity in ENTITIES:
            source = table(editing.MODELS[entity])
            rows = session.execute(select(source.c.slug, source.c.name).where(source.c.region == region))
            self.names[entity] = {row.slug: row.name for row in rows}
            self.taken[entity] = set(self.names[entity])
        self.there = {
            entity: {_folded(name): slug for slug, name in names.items()}
            for entity, names in self.names.items()
        }
        self.by_name: dict[str, dict[str, str]] = {}
        self.codes: dict[str, dict[str, str]] = {}
        """Taxonomy → folded name or code → code."""
        term, taxonomy = table(models.TaxonomyTerm), table(models.Taxonomy)
        for row in session.execute(
            select(taxonomy.c.code.label("taxonomy"), term.c.code, term.c.name, term.c.short_name).join(
                term, term.c.taxonomy_id == taxonomy.c.id
            )
        ):
            names = self.codes.setdefault(row.taxonomy, {})
            for name in (row.name, row.short_name):
                if name:
                    names.setdefault(_folded(name), row.code)
        place = table(models.Place)
        self.places = {
            row.ags: (row.name, row.latitude, row.longitude)
            for row in session.execute(
                select(place.c.ags, place.c.name, place.c.latitude, place.c.longitude).where(
                    place.c.region == region
                )
            )
        }
        self.areas: dict[str, str] = {_folded(name): ags for ags, (name, _lat, _lon) in self.places.items()}

    def run(self, sheets: Sequence[Sheet], mappings: Sequence[SheetMapping]) -> Plan:
        drafts = [
            draft
            for sheet, mapping in zip(sheets, mappings, strict=True)
            if mapping.entity
            for draft in self._drafts(sheet, mapping)
        ]
        self._name(drafts)
        for entity in ENTITIES:
            names: dict[str, str] = {}
            for slug, name in self.names[entity].items():
                # A name that two have says nothing.
                names[_folded(name)] = "" if _folded(name) in names else slug
            self.by_name[entity] = names
        known = {
            entity: {
                entry.slug: entry
                for entry in editing.entries(
                    self.session,
                    self.region,
                    entity,
                    [
                        entity_id(self.region, entity, draft.slug)
                        for draft in drafts
                        if draft.entity == entity
                    ],
                )
            }
            for entity in ENTITIES
        }
        made = [(draft, self._record(draft, known[draft.entity].get(draft.slug))) for draft in drafts]
        around = self._surroundings(drafts, made)
        return Plan(
            tuple(
                self._planned(draft, record, known[draft.entity].get(draft.slug), around)
                for draft, record in made
            )
        )

    def _drafts(self, sheet: Sheet, mapping: SheetMapping) -> Iterable[_Draft]:
        columns = {name: index for index, name in enumerate(mapping.fields) if name}
        titles = {name: sheet.header[index] for name, index in columns.items()}
        for number, cells in sheet.rows:
            given = {name: cells[index] if index < len(cells) else None for name, index in columns.items()}
            if all(value is None or value == "" for value in given.values()):
                continue
            values, problems = read_row(mapping.entity, given)
            yield _Draft(sheet.name, number, mapping.entity, titles, values, problems)

    def _name(self, drafts: Sequence[_Draft]) -> None:
        """Give every row its slug; those that name one come first, so that nobody else gets it."""
        used: Counter[tuple[str, str]] = Counter()
        for draft in drafts:
            draft.slug = str(draft.values.get("slug") or "")
            if draft.slug:
                used[draft.entity, draft.slug] += 1
                self.taken[draft.entity].add(draft.slug)
        for draft in drafts:
            name = str(draft.values.get("name") or "")
            if draft.slug:
                if used[draft.entity, draft.slug] > 1:
                    draft.problems.append(
                        EntryProblem("slug", "twice_in_file", "twice in the file", {"value": draft.slug})
                    )
                if draft.slug in editing.RESERVED:
                    draft.problems.append(EntryProblem("slug", "reserved", "reserved", {"value": draft.slug}))
            else:
                draft.slug = self._free(draft.entity, name)
                draft.values["slug"] = draft.slug
        for draft in drafts:
            known = self.names[draft.entity]
            known.setdefault(draft.slug, str(draft.values.get("name") or ""))

    def _free(self, entity: str, name: str) -> str:
        wanted = editing.slug_of(name)
        taken = self.taken[entity]
        number, slug = 1, wanted
        while slug in taken or slug in editing.RESERVED:
            number += 1
            slug = f"{wanted}-{number}"
        taken.add(slug)
        return slug

    def _record(self, draft: _Draft, current: Entry | None) -> Any | None:
        before = editing.plain(current.record) if current else None
        values = dict(draft.values)
        for name in _KEEPS_WHEN_EMPTY:
            if name in values and values[name] is None:
                del values[name]
        self._resolve(draft, values)
        bad = {problem.field for problem in draft.problems}
        whole = nested({name: value for name, value in values.items() if name not in bad}, before)
        try:
            return editing.parsed(draft.entity, whole)
        except InvalidEntry as error:
            # What could not be read at all is missing now; that is said once.
            draft.problems += [
                problem
                for problem in error.problems
                if problem.field not in bad and problem.field.split(".")[0] not in bad
            ]
            return None

    def _resolve(self, draft: _Draft, values: dict[str, Any]) -> None:
        """Names to slugs and codes, where people wrote names."""
        for name in ("organization", "parent_organization"):
            if isinstance(values.get(name), str):
                values[name] = self._slug(draft, name, "organization", values[name])
        for at in values.get("locations") or []:
            if isinstance(at.get("location"), str):
                at["location"] = self._slug(draft, "locations", "location", at["location"])
            if "service_areas" in at:
                at["service_areas"] = [self._area(draft, "locations", area) for area in at["service_areas"]]
        for name, taxonomy in TERM_FIELDS.items():
            if name in values:
                values[name] = [self._code(draft, name, taxonomy, code) for code in values[name]]
        if isinstance(values.get("kind"), str):
            values["kind"] = self._code(draft, "kind", ORGANIZATION_KINDS, values["kind"])
        if "service_areas" in values:
            areas = [self._area(draft, "service_areas", area) for area in values["service_areas"]]
            values["service_areas"] = areas
        if isinstance(values.get("place"), str):
            values["place"] = self._area(draft, "place", values["place"])

    def _slug(self, draft: _Draft, field: str, entity: str, text: str) -> str:
        if text in self.names[entity]:
            return text
        found = self.by_name[entity].get(_folded(text), "")
        if not found and not _SLUG.fullmatch(text):
            self._unknown(draft, field, text)
        return found or text

    def _code(self, draft: _Draft, field: str, taxonomy: str, text: str) -> str:
        found = self.codes.get(taxonomy, {}).get(_folded(text), "")
        if not found and not _CODE.fullmatch(text):
            self._unknown(draft, field, text)
        return found or text

    def _area(self, draft: _Draft, field: str, text: str) -> str:
        found = self.areas.get(_folded(text), "")
        if text and not found and not text.isdigit():
            self._unknown(draft, field, text)
        return found or text

    def _unknown(self, draft: _Draft, field: str, text: str) -> None:
        """A name that nothing has; what looks like a slug or a code is checked with everything else."""
        draft.problems.append(EntryProblem(field, "unknown", "unknown", {"value": text[:80]}))

    def _surroundings(
        self, drafts: Sequence[_Draft], made: Sequence[tuple[_Draft, Any]]
    ) -> checking.Surroundings:
        """What is there once the file is in: a row may point to another one."""
        organization = table(models.Organization)
        parent = organization.alias()
        parents: dict[str, str | None] = {}
        confidential = set()
        for row in self.session.execute(
            select(organization.c.slug, organization.c.confidential, parent.c.slug.label("parent"))
            .outerjoin(parent, parent.c.id == organization.c.parent_organization_id)
            .where(organization.c.region == self.region)
        ):
            parents[row.slug] = row.parent
            if row.confidential:
                confidential.add(row.slug)
        for draft, record in made:
            if draft.entity != "organization":
                continue
            parents[draft.slug] = record.parent_organization if record else parents.get(draft.slug)
            if record:
                (confidential.add if record.confidential else confidential.discard)(draft.slug)
        settings = self.session.execute(
            select(table(models.Region).c.settings).where(table(models.Region).c.slug == self.region)
        ).scalar_one()
        codes: dict[str, set[str]] = {}
        term, taxonomy = table(models.TaxonomyTerm), table(models.Taxonomy)
        for row in self.session.execute(
            select(taxonomy.c.code.label("taxonomy"), term.c.code).join(
                term, term.c.taxonomy_id == taxonomy.c.id
            )
        ):
            codes.setdefault(row.taxonomy, set()).add(row.code)
        return checking.Surroundings(
            county_area=settings["county_area"],
            fictional=bool(settings.get("fictional")),
            parents=parents,
            confidential=frozenset(confidential),
            locations=frozenset(self.names["location"]),
            places=self.places,
            codes={name: frozenset(values) for name, values in codes.items()},
        )

    def _planned(
        self, draft: _Draft, record: Any, current: Entry | None, around: checking.Surroundings
    ) -> PlannedRow:
        problems = list(draft.problems)
        if record is not None:
            problems += [
                EntryProblem(
                    problem.field or "record", problem.code or "other", problem.message, problem.values or {}
                )
                for problem in checking.entry_problems(around, draft.entity, record)
            ]
            if not self.may(draft.entity, record) or (current and not self.may(draft.entity, current.record)):
                problems.append(EntryProblem("record", "outside", "not in the own area", {}))
        if current is not None and current.status == Status.ARCHIVED:
            problems.append(EntryProblem("slug", "archived", "is archived", {"value": draft.slug}))
        name = str(draft.values.get("name") or (current.record.name if current else ""))
        row = PlannedRow(
            draft.sheet,
            draft.number,
            draft.entity,
            draft.slug,
            name,
            "faulty",
            problems=tuple(problems),
            columns=draft.columns,
            before=editing.plain(current.record) if current else None,
            record=record,
            base_hash=current.hash if current else None,
        )
        if problems:
            return row
        if current is None:
            return replace(row, action="new", like=self.there[draft.entity].get(_folded(name), ""))
        fields = changed_fields(current.record, record)
        return replace(row, action="changed" if fields else "unchanged", fields=fields)


# Applying.


class FaultyRows(CatalogueError):
    """Nothing was written; `plan` says which rows are faulty."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        super().__init__(f"{len(plan.faulty)} faulty rows")


class ChangedMeanwhile(CatalogueError):
    """Nothing was written: these rows would no longer do what was agreed to."""

    def __init__(self, plan: Plan, rows: Sequence[PlannedRow]) -> None:
        self.plan = plan
        self.rows = tuple(rows)
        super().__init__(", ".join(row.slug for row in rows))


def apply(
    session: Session,
    region: str,
    sheets: Sequence[Sheet],
    mappings: Sequence[SheetMapping],
    *,
    agreed: Sequence[Sequence[Any]] | None,
    author: Author | None,
    now: datetime,
    comment: str = "",
    may: May = _anything,
) -> Plan:
    """Write every row or none; the caller commits. `agreed` is the `state` of the plan that somebody saw.

    Raises FaultyRows, ChangedMeanwhile.
    """
    editing.lock(session, region)
    made = plan(session, region, sheets, mappings, may=may)
    if made.faulty:
        raise FaultyRows(made)
    if agreed is not None:
        seen = {(str(one[0]), int(one[1])): tuple(one) for one in agreed}
        different = [row for row in made.rows if seen.get((row.sheet, row.number)) != row.state]
        if different or len(seen) != len(made.rows):
            raise ChangedMeanwhile(made, different)
    write(
        session,
        region,
        [
            (row.entity, row.record, row.base_hash is not None)
            for row in made.rows
            if row.action in ("new", "changed")
        ],
        author=author,
        now=now,
        comment=comment,
        cause="imported",
    )
    return made


def write(
    session: Session,
    region: str,
    records: Sequence[tuple[str, Any, bool]],
    *,
    author: Author | None,
    now: datetime,
    comment: str = "",
    cause: str,
) -> int:
    """Save many at once as `editing.save` saves one, with the history of each; returns the revision.

    `records` are entity, record and whether it is there already. They must have been checked, and the region locked.
    """
    if not records:
        return revision.current(session, region)
    ids = {entity: [] for entity in ENTITIES}  # type: dict[str, list[UUID]]
    for entity, record, _exists in records:
        ids[entity].append(entity_id(region, entity, record.slug))
    before = {
        entry.id: entry
        for entity in ENTITIES
        for entry in editing.entries(session, region, entity, ids[entity])
    }
    newest = _newest_versions(session, [id_ for some in ids.values() for id_ in some])
    numbers = {id_: version.number for id_, version in newest.items()}
    for id_, entry in before.items():
        version = newest.get(id_)
        if version is None or (version.record_hash, version.status) != (entry.hash, entry.status):
            old = "before" if version is None else "loaded"
            _remember(session, region, entry, numbers, cause=old, fields=(), at=entry.row.last_modified)
    state = session.execute(
        select(table(models.Region).c.settings).where(table(models.Region).c.slug == region)
    ).scalar_one()["state"]
    batch = Batch(region, state, now=now)
    positions = {entity: _last_position(session, region, entity) for entity in ENTITIES}
    for entity, record, _exists in records:
        current = before.get(entity_id(region, entity, record.slug))
        if current is None:
            positions[entity] += 1
        common: dict[str, Any] = {
            "position": current.row.position if current else positions[entity],
            "loaded_hash": current.row.loaded_hash if current else None,
            "exists": current is not None,
        }
        if entity == "service":
            file = current.row.content_file if current else None
            batch.service(record, **common, content_file=file)
        elif entity == "organization":
            batch.organization(record, **common)
        else:
            batch.location(record, **common)
    batch.write(session)
    for entity, some in ids.items():
        target: Any = table(editing.MODELS[entity])
        for start in range(0, len(some), 500):
            session.execute(
                update(target).where(target.c.id.in_(some[start : start + 500])).values(edited_at=now)
            )
    session.expire_all()
    number = revision.bump(session, region, _affected(session, ids), now=now)
    for entity in ENTITIES:
        for entry in editing.entries(session, region, entity, ids[entity]):
            was = before.get(entry.id)
            fields = (
                changed_fields(was.record, entry.record) if was else tuple(type(entry.record).model_fields)
            )
            _remember(
                session, region, entry, numbers, cause=cause if was else "created", fields=fields, at=now,
                author=author, comment=comment,
            )  # fmt: skip
    session.flush()
    return number


def _newest_versions(session: Session, ids: Sequence[UUID]) -> dict[UUID, Any]:
    version = table(EntryVersion)
    found: dict[UUID, Any] = {}
    for start in range(0, len(ids), 500):
        rows = session.execute(
            select(version.c.entity_id, version.c.number, version.c.record_hash, version.c.status)
            .where(version.c.entity_id.in_(ids[start : start + 500]))
            .order_by(version.c.number)
        )
        found.update((row.entity_id, row) for row in rows)
    return found


def _last_position(session: Session, region: str, entity: str) -> int:
    source = table(editing.MODELS[entity])
    return session.execute(select(func.max(source.c.position)).where(source.c.region == region)).scalar() or 0


def _remember(
    session: Session,
    region: str,
    entry: Entry,
    numbers: dict[UUID, int],
    *,
    cause: str,
    fields: Iterable[str],
    at: datetime,
    author: Author | None = None,
    comment: str = "",
) -> None:
    numbers[entry.id] = numbers.get(entry.id, 0) + 1
    session.add(
        EntryVersion(
            region=region,
            entity=entry.entity,
            entity_id=entry.id,
            slug=entry.slug,
            number=numbers[entry.id],
            record=editing.plain(entry.record),
            record_hash=entry.hash,
            status=entry.status,
            cause=cause,
            fields=list(fields),
            at=at,
            author_id=author.id if author else None,
            author_name=author.name if author else "",
            comment=comment.strip(),
        )
    )


def _affected(session: Session, ids: Mapping[str, Sequence[UUID]]) -> set[UUID]:
    """Services whose page may look different now."""
    found = set(ids["service"])
    service, at = col(models.Service.id), col(models.ServiceAtLocation.service_id)
    for chosen, column, entity in (
        (service, col(models.Service.organization_id), "organization"),
        (at, col(models.ServiceAtLocation.location_id), "location"),
    ):
        some = ids[entity]
        for start in range(0, len(some), 500):
            found.update(
                session.execute(select(chosen).where(column.in_(some[start : start + 500]))).scalars()
            )
    return found


# Files between two steps.

_TOKEN = re.compile(r"[A-Za-z0-9_-]{22}")


@dataclass(frozen=True, slots=True)
class KeptFile:
    token: str
    name: str
    data: bytes
    notes: Mapping[str, Any]
    """What the steps so far have settled."""


class KeptFiles:
    """Uploaded files, each only for its owner, under random names, for a day."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def put(self, owner: UUID, name: str, data: bytes, *, now: datetime) -> str:
        self.clear(now=now)
        folder = self._folder / owner.hex
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        token = secrets.token_urlsafe(16)
        (folder / f"{token}.file").write_bytes(data)
        self._write(owner, token, {"name": name[:200], "at": now.isoformat()})
        return token

    def get(self, owner: UUID, token: str, *, now: datetime) -> KeptFile | None:
        if not _TOKEN.fullmatch(token):
            return None
        folder = self._folder / owner.hex
        try:
            notes = json.loads((folder / f"{token}.json").read_text(encoding="utf-8"))
            data = (folder / f"{token}.file").read_bytes()
        except (OSError, ValueError):
            return None
        if datetime.fromisoformat(notes["at"]) < now - KEPT_FOR:
            return None
        return KeptFile(token, notes["name"], data, notes)

    def note(self, owner: UUID, kept: KeptFile, **notes: Any) -> None:
        self._write(owner, kept.token, {**kept.notes, **notes})

    def drop(self, owner: UUID, token: str) -> None:
        if _TOKEN.fullmatch(token):
            for ending in ("file", "json"):
                (self._folder / owner.hex / f"{token}.{ending}").unlink(missing_ok=True)

    def clear(self, *, now: datetime) -> None:
        """Remove what is older than a day, of everybody."""
        for notes in self._folder.glob("*/*.json"):
            try:
                at = datetime.fromisoformat(json.loads(notes.read_text(encoding="utf-8"))["at"])
                if at >= now - KEPT_FOR:
                    continue
            except (OSError, ValueError, KeyError):
                pass
            notes.with_suffix(".file").unlink(missing_ok=True)
            notes.unlink(missing_ok=True)
        for folder in self._folder.glob("*"):
            if folder.is_dir() and not any(folder.iterdir()):
                shutil.rmtree(folder, ignore_errors=True)

    def _write(self, owner: UUID, token: str, notes: Mapping[str, Any]) -> None:
        path = self._folder / owner.hex / f"{token}.json"
        path.write_text(json.dumps(notes, ensure_ascii=False), encoding="utf-8")
