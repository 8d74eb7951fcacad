"""Spreadsheets into the catalogue: what is read, what is planned, and all or nothing."""

import csv
import io
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from openpyxl import Workbook
from sqlalchemy import func
from sqlmodel import Session, col, select

from portal.catalogue import editing, importing, models, revision, spreadsheets
from portal.catalogue.exporting import stored_region
from portal.catalogue.importing import FileRefused, Plan, SheetMapping
from portal.catalogue.models import EntryVersion, Status, entity_id
from tests.factories import NOW, REGION, a_location, a_place, a_service, a_term, an_organization


@dataclass(frozen=True)
class Somebody:
    id: UUID | None = None
    name: str = "Frau Muster"


def table(*rows: Sequence[Any], name: str = "services") -> bytes:
    book = Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.title = name
    for row in rows:
        sheet.append(list(row))
    target = io.BytesIO()
    book.save(target)
    return target.getvalue()


def opened(data: bytes, name: str = "x.xlsx") -> tuple[list[importing.Sheet], list[SheetMapping]]:
    found = importing.read_file(name, data)
    return found, [importing.guessed(sheet, {}) for sheet in found]


def planned(session: Session, data: bytes) -> Plan:
    return importing.plan(session, REGION, *opened(data))


def applied(session: Session, data: bytes, agreed: Any = None, now: datetime = NOW) -> Plan:
    return importing.apply(
        session, REGION, *opened(data), agreed=agreed, author=Somebody(), now=now, comment="liste.xlsx"
    )


def everything(session: Session) -> bytes:
    stored = stored_region(session, REGION)
    return spreadsheets.xlsx(
        {
            "organization": [record for record, _row in stored.organizations.values()],
            "location": [record for record, _row in stored.locations.values()],
            "service": [record for record, _row in stored.services.values()],
        }
    )


def record(session: Session, slug: str, entity: str = "service") -> Any:
    return editing.entry(session, REGION, entity, slug).record


def versions(session: Session) -> int:
    return session.exec(select(func.count()).select_from(EntryVersion)).one()


@pytest.fixture
def catalogue(session: Session) -> Session:
    a_term(session, "topics", "wohnen", name="Wohnen und Miete")
    a_place(session, "15987001", "Musterstadt")
    owner = an_organization(session, "amt", name="Amt für Jugend")
    a_location(session, "haus", organization=owner, name="Rathaus")
    a_service(session, "eins", organization=owner, name="Erstes", locations=({"location": "haus"},))
    a_service(session, "zwei", organization=owner, name="Zweites", email="alt@example.org")
    session.commit()
    return session


# All or nothing.


def test_a_row_is_new_changed_unchanged_or_faulty(catalogue: Session) -> None:
    plan = planned(
        catalogue,
        table(
            ("slug", "name", "organization", "description", "topics", "service_areas", "minimum_age"),
            ("eins", "Erstes", "amt", "Hier hilft dir jemand.", "geld", "15987", None),
            ("zwei", "Neuer Name", "amt", "Hier hilft dir jemand.", "geld", "15987", 14),
            (None, "Ganz Neu", "amt", "Text.", "geld, wohnen", "DE", None),
            (None, "Falsch", "niemand", "Text.", "quatsch", "15987", "vierzehn"),
        ),
    )
    assert [(row.number, row.slug, row.action) for row in plan.rows] == [
        (2, "eins", "unchanged"),
        (3, "zwei", "changed"),
        (4, "ganz-neu", "new"),
        (5, "falsch", "faulty"),
    ]
    assert plan.rows[1].fields == ("name", "minimum_age")
    assert {(problem.field, problem.code) for problem in plan.rows[3].problems} == {
        ("minimum_age", "no_number"),
        ("organization", "unknown"),
        ("topics", "unknown"),
    }
    assert plan.counts() == {"new": 1, "changed": 1, "unchanged": 1, "faulty": 1}
    assert versions(catalogue) == 0


def test_five_hundred_rows_with_twenty_faulty_ones_change_nothing_and_say_which(catalogue: Session) -> None:
    head = ("name", "organization", "description", "topics", "service_areas", "phones")
    rows = [
        (f"Angebot {number}", "amt", "Text.", "geld", "15987", 391123456 if number % 25 == 0 else None)
        for number in range(500)
    ]
    before = revision.current(catalogue, REGION)
    with pytest.raises(importing.FaultyRows) as refused:
        applied(catalogue, table(head, *rows))
    faulty = refused.value.plan.faulty
    assert [row.number for row in faulty] == [2 + number for number in range(0, 500, 25)]
    assert {problem.code for row in faulty for problem in row.problems} == {"excel_number"}
    assert {row.columns["phones"] for row in faulty} == {"phones"}
    catalogue.commit()
    assert revision.current(catalogue, REGION) == before
    assert catalogue.exec(select(func.count()).select_from(models.Service)).one() == 2
    assert versions(catalogue) == 0


def test_five_hundred_good_rows_are_one_revision_with_a_history_each(catalogue: Session) -> None:
    head = ("name", "organization", "description", "topics", "service_areas")
    rows = [(f"Angebot {number}", "amt", "Text.", "geld", "15987") for number in range(500)]
    before = revision.current(catalogue, REGION)
    plan = applied(catalogue, table(head, *rows))
    catalogue.commit()
    assert plan.counts()["new"] == 500
    assert revision.current(catalogue, REGION) == before + 1
    changed = revision.changed_service_ids(catalogue, REGION, since=before)
    assert changed == {entity_id(REGION, "service", row.slug) for row in plan.rows}
    found = catalogue.exec(select(EntryVersion)).all()
    assert {(one.cause, one.number, one.author_name, one.comment) for one in found} == {
        ("created", 1, "Frau Muster", "liste.xlsx")
    }
    assert len(found) == 500


def test_everything_that_was_exported_is_unchanged(catalogue: Session) -> None:
    plan = planned(catalogue, everything(catalogue))
    assert {row.action for row in plan.rows} == {"unchanged"}
    assert len(plan.rows) == 4
    applied(catalogue, everything(catalogue))
    assert versions(catalogue) == 0


def test_writing_many_at_once_is_the_same_as_saving_one_by_one(catalogue: Session) -> None:
    entry = editing.entry(catalogue, REGION, "service", "eins")
    other = entry.record.model_copy(update={"name": "Anders", "minimum_age": 14})
    editing.save(
        catalogue,
        REGION,
        "service",
        other,
        base_hash=entry.hash,
        author=Somebody(),
        now=NOW,
        cause="imported",
    )
    wanted = [_version(one) for one in reversed(editing.versions(catalogue, entry.id))]
    row = _row(catalogue, "eins")
    catalogue.rollback()
    importing.write(
        catalogue, REGION, [("service", other, True)], author=Somebody(), now=NOW, cause="imported"
    )
    assert [_version(one) for one in reversed(editing.versions(catalogue, entry.id))] == wanted
    assert [one["cause"] for one in wanted] == ["before", "imported"]
    assert _row(catalogue, "eins") == row


def _version(found: EntryVersion) -> dict[str, Any]:
    return found.model_dump(exclude={"id"})


def _row(session: Session, slug: str) -> dict[str, Any]:
    session.expire_all()
    found = session.get(models.Service, entity_id(REGION, "service", slug))
    assert found is not None
    return found.model_dump()


def test_an_import_is_no_check(catalogue: Session) -> None:
    applied(catalogue, table(("slug", "name"), ("eins", "Anders")))
    assert record(catalogue, "eins").assured_date is None
    assert record(catalogue, "eins").confidence == "low"


# What was agreed to.


def test_an_entry_that_somebody_changed_since_the_dry_run_stops_the_import(catalogue: Session) -> None:
    data = table(("slug", "name"), ("eins", "Von der Liste"), ("zwei", "Auch von der Liste"))
    agreed = planned(catalogue, data).state()
    entry = editing.entry(catalogue, REGION, "service", "eins")
    changed = entry.record.model_copy(update={"description": "Von jemand anderem."})
    editing.save(catalogue, REGION, "service", changed, base_hash=entry.hash, author=None, now=NOW)
    catalogue.commit()
    with pytest.raises(importing.ChangedMeanwhile) as refused:
        applied(catalogue, data, agreed)
    assert [row.slug for row in refused.value.rows] == ["eins"]
    catalogue.rollback()
    assert record(catalogue, "zwei").name == "Zweites"
    assert applied(catalogue, data, planned(catalogue, data).state()).counts()["changed"] == 2


def test_a_new_entry_whose_name_was_taken_meanwhile_stops_the_import(catalogue: Session) -> None:
    head = ("name", "organization", "description", "topics", "service_areas")
    data = table(head, ("Ganz Neu", "amt", "Text.", "geld", "15987"))
    agreed = planned(catalogue, data).state()
    a_service(catalogue, "ganz-neu")
    with pytest.raises(importing.ChangedMeanwhile):
        applied(catalogue, data, agreed)


# Cells and fields.


def test_columns_that_are_not_in_the_file_stay_and_empty_cells_empty(catalogue: Session) -> None:
    applied(catalogue, table(("slug", "name", "email"), ("zwei", "Zweites", None)))
    assert record(catalogue, "zwei").email is None
    assert record(catalogue, "zwei").description == "Hier hilft dir jemand."


def test_an_empty_state_keeps_the_state(catalogue: Session) -> None:
    editing.set_status(catalogue, REGION, "service", "zwei", Status.DRAFT, author=None, now=NOW)
    applied(catalogue, table(("slug", "name", "status", "confidence"), ("zwei", "Zwei", None, "")))
    assert record(catalogue, "zwei").status == "draft"


def test_rows_point_to_each_other(catalogue: Session) -> None:
    a_term(catalogue, "organization_kinds", "amt")
    book = Workbook()
    for title, rows in (
        ("Angebote", [("name", "organization", "description", "topics", "service_areas", "locations"),
                      ("Beratung", "Neuer Verein", "Text.", "Wohnen und Miete", "Musterstadt", "Altes Kino\n+ service_areas: Musterstadt")]),
        ("Orte", [("name", "organization", "address.city"), ("Altes Kino", "Neuer Verein", "Musterstadt")]),
        ("Organisationen", [("name", "kind", "parent_organization"), ("Neuer Verein", "Amt", "Amt für Jugend")]),
    ):  # fmt: skip
        sheet = book.create_sheet(title)
        for row in rows:
            sheet.append(list(row))
    target = io.BytesIO()
    book.save(target)
    plan = applied(catalogue, target.getvalue())
    assert [row.action for row in plan.rows] == ["new"] * 3
    made = record(catalogue, "beratung")
    assert made.organization == "neuer-verein"
    assert made.topics == ("wohnen",)
    assert made.service_areas == ("15987001",)
    assert made.locations[0].location == "altes-kino"
    assert made.locations[0].service_areas == ("15987001",)
    assert record(catalogue, "neuer-verein", "organization").parent_organization == "amt"
    assert record(catalogue, "altes-kino", "location").address.city == "Musterstadt"


def test_the_public_pages_of_an_organizations_offers_are_made_anew(catalogue: Session) -> None:
    before = revision.current(catalogue, REGION)
    applied(catalogue, table(("slug", "name"), ("amt", "Neues Amt"), name="organizations"))
    assert revision.changed_service_ids(catalogue, REGION, since=before) == {
        entity_id(REGION, "service", slug) for slug in ("eins", "zwei")
    }


@pytest.mark.parametrize(
    ("cells", "code"),
    [
        ({"slug": "Groß Geschrieben"}, "shape.string_pattern_mismatch"),
        ({"slug": "new"}, "reserved"),
        ({"name": None}, "shape.string_type"),
        ({"topics": None}, "shape.too_short"),
        ({"phones": "12"}, "phone"),
        ({"valid_from": "2026-05-02", "valid_to": "2026-05-01"}, "ends_before_it_begins"),
        ({"schedules": "immer mal"}, "hours"),
        ({"organization": "=1+1"}, "unknown"),
        ({"topics": "Gibt es nicht"}, "unknown"),
        ({"service_areas": "Nirgendwo"}, "unknown"),
        ({"locations": "Luftschloss"}, "unknown"),
    ],
)
def test_a_faulty_row_says_why(catalogue: Session, cells: dict[str, Any], code: str) -> None:
    good = {
        "slug": None, "name": "Neu", "organization": "amt", "description": "Text.", "topics": "geld",
        "service_areas": "15987",
    }  # fmt: skip
    values = {**good, **cells}
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(values)
    writer.writerow(["" if value is None else value for value in values.values()])
    found = importing.read_file("services.csv", text.getvalue().encode())
    plan = importing.plan(catalogue, REGION, found, [importing.guessed(found[0], {}, "service")])
    assert [problem.code for problem in plan.rows[0].problems] == [code]


def test_the_same_entry_twice_in_a_file_is_faulty(catalogue: Session) -> None:
    plan = planned(catalogue, table(("slug", "name"), ("eins", "A"), ("eins", "B"), ("zwei", "C")))
    assert [[problem.code for problem in row.problems] for row in plan.rows] == [
        ["twice_in_file"],
        ["twice_in_file"],
        [],
    ]


def test_an_archived_entry_is_not_woken_up(catalogue: Session) -> None:
    editing.set_status(catalogue, REGION, "service", "eins", Status.ARCHIVED, author=None, now=NOW)
    plan = planned(catalogue, table(("slug", "name"), ("eins", "A")))
    assert [problem.code for problem in plan.rows[0].problems] == ["archived"]


def test_a_new_entry_with_a_known_name_is_pointed_out(catalogue: Session) -> None:
    head = ("name", "organization", "description", "topics", "service_areas")
    plan = planned(
        catalogue, table(head, ("ERSTES", "amt", "T.", "geld", "DE"), ("Fremd", "amt", "T.", "geld", "DE"))
    )
    assert [(row.slug, row.like) for row in plan.rows] == [("erstes", "eins"), ("fremd", "")]


def test_what_lies_outside_is_refused(catalogue: Session) -> None:
    data = table(("slug", "name"), ("eins", "A"), ("zwei", "B"))
    plan = importing.plan(catalogue, REGION, *opened(data), may=lambda _entity, record: record.slug != "eins")
    assert [[problem.code for problem in row.problems] for row in plan.rows] == [["outside"], []]


# Columns.


def test_columns_are_recognised_by_field_label_and_what_people_write() -> None:
    labels = {"service": {"application_process": ["Wie es losgeht"], "name": ["Name in Alltagsworten"]}}
    sheet = importing.Sheet(
        "Tabelle1",
        ("Name in Alltagsworten [name]", "wie es  losgeht", "Telefon", "TOPICS", "Lieblingsfarbe", "name"),
        (),
    )
    assert importing.guessed(sheet, labels) == SheetMapping(
        "service", ("name", "application_process", "phones", "topics", "", "")
    )


def test_a_sheet_about_something_else_is_left_out() -> None:
    assert importing.guessed(importing.Sheet("Hilfe", ("So geht es",), ()), {}).entity == ""
    assert SheetMapping("service", ("name", "name", "", "")).twice == ("name",)


# Files.

TEXT = "slug;name\r\neins;Ämter & Söhne\r\n"


@pytest.mark.parametrize(
    "data",
    [
        TEXT.encode(),
        TEXT.encode("utf-8-sig"),
        TEXT.encode("utf-16"),
        TEXT.encode("utf-16-le"),
        TEXT.encode("utf-16-be"),
        TEXT.encode("cp1252"),
        TEXT.replace(";", ",").encode(),
        TEXT.replace(";", "\t").encode(),
        ("sep=;\r\n" + TEXT).encode(),
        ("\r\n;\r\n" + TEXT).encode(),
        TEXT.replace("name", '"na""me, \nund, mehr"').encode(),
    ],
)
def test_encodings_and_delimiters(data: bytes) -> None:
    (sheet,) = importing.read_file("Angebote.csv", data)
    assert sheet.header[0] == "slug"
    assert sheet.rows[0][1] == ("eins", "Ämter & Söhne")
    assert sheet.name == "Angebote"


def zipped(**files: bytes) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return target.getvalue()


def with_macros() -> bytes:
    target = io.BytesIO(table(("slug",), ("a",)))
    with zipfile.ZipFile(target, "a") as archive:
        archive.writestr("xl/vbaProject.bin", b"x")
    return target.getvalue()


def with_entities() -> bytes:
    bomb = b'<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><workbook>&b;</workbook>'
    source, target = zipfile.ZipFile(io.BytesIO(table(("slug",), ("a",)))), io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        for name in source.namelist():
            archive.writestr(name, bomb if name == "xl/workbook.xml" else source.read(name))
    return target.getvalue()


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "empty"),
        (b"slug;name\r\n", "empty"),
        (b"x" * (importing.MOST_BYTES + 1), "too_big"),
        (b"PK\x03\x04 and then nothing", "broken"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(512), "old_excel"),
        (b"\x89PNG\r\n\x1a\n" + bytes(range(256)), "wrong_type"),
        (b"%PDF-1.7\x00\x01\x02", "wrong_type"),
        (zipped(**{"a.txt": b"hello"}), "wrong_type"),
        (zipped(**{"mimetype": b"x", "content.xml": b"x"}), "open_document"),
        (zipped(**{"[Content_Types].xml": b"x", "word/document.xml": b"x"}), "wrong_type"),
        (zipped(**{"services.csv": b"0" * (importing.MOST_UNPACKED + 1)}), "unpacks_too_big"),
        (zipped(**{f"{number}.csv": b"a" for number in range(400)}), "unpacks_too_big"),
        (with_macros(), "macros"),
        (with_entities(), "broken"),
        (("slug;name\n" + "a;b\n" * 5001).encode(), "too_many_rows"),
        (table(("slug",), *[("a",)] * 5001), "too_many_rows"),
        ((";".join("x" * 201) + "\n1\n").encode(), "too_many_columns"),
        (b'slug;name\n"' + b"x" * 200_000 + b'";b\n', "broken"),
    ],
)
def test_files_that_are_refused_say_why(data: bytes, code: str) -> None:
    with pytest.raises(FileRefused) as refused:
        importing.read_file("x", data)
    assert refused.value.code == code


def test_a_formula_counts_as_what_it_shows(catalogue: Session) -> None:
    # openpyxl keeps no results, so a formula that nobody reckoned is an empty cell.
    plan = planned(catalogue, table(("slug", "name"), ("eins", "=1+1")))
    assert [problem.code for problem in plan.rows[0].problems] == ["shape.string_type"]


# Kept between the steps.


@pytest.fixture
def files(tmp_path: Path) -> importing.KeptFiles:
    return importing.KeptFiles(tmp_path / "imports")


def test_a_kept_file_is_only_for_its_owner_and_for_a_day(files: importing.KeptFiles, tmp_path: Path) -> None:
    me, you = uuid4(), uuid4()
    token = files.put(me, "liste.csv", b"data", now=NOW)
    kept = files.get(me, token, now=NOW)
    assert kept is not None
    assert (kept.name, kept.data) == ("liste.csv", b"data")
    files.note(me, kept, step=2)
    again = files.get(me, token, now=NOW + timedelta(hours=23))
    assert again is not None
    assert again.notes["step"] == 2
    assert files.get(you, token, now=NOW) is None
    assert files.get(me, "../" + token, now=NOW) is None
    assert files.get(me, token, now=NOW + timedelta(hours=25)) is None
    files.put(you, "b.csv", b"", now=NOW + timedelta(hours=25))
    assert not list((tmp_path / "imports").glob(f"{me.hex}/*"))


def test_a_dropped_file_is_gone(files: importing.KeptFiles) -> None:
    me = uuid4()
    token = files.put(me, "liste.csv", b"data", now=NOW)
    files.drop(me, token)
    assert files.get(me, token, now=NOW) is None


def test_versions_count_on(catalogue: Session) -> None:
    applied(catalogue, table(("slug", "name"), ("eins", "A")))
    applied(catalogue, table(("slug", "name"), ("eins", "B")), now=NOW + timedelta(days=1))
    found = catalogue.exec(
        select(EntryVersion.number, EntryVersion.cause).order_by(col(EntryVersion.number))
    ).all()
    assert [tuple(one) for one in found] == [(1, "before"), (2, "imported"), (3, "imported")]
