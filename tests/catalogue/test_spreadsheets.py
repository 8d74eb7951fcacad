"""Records to spreadsheets and back: nothing gets lost, nothing becomes a formula."""

import csv
import io
import re
import zipfile
from collections.abc import Callable
from datetime import date, datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from openpyxl import load_workbook

from portal.catalogue import importing
from portal.catalogue import spreadsheets as sheets
from portal.catalogue.editing import parsed
from portal.catalogue.loading import read_region
from portal.catalogue.records import LocationRecord, OrganizationRecord, Record, ServiceRecord
from portal.config import ROOT

RECORDS = {"organization": OrganizationRecord, "location": LocationRecord, "service": ServiceRecord}


def from_xlsx(entity: str, records: list[Any]) -> list[Any]:
    return _read(entity, importing.read_file("x.xlsx", sheets.xlsx({entity: records})))


def from_csv(entity: str, records: list[Any]) -> list[Any]:
    return _read(entity, importing.read_file("x.zip", sheets.csv_zip({entity: records})))


def _read(entity: str, found: list[importing.Sheet]) -> list[Any]:
    (sheet,) = found
    assert importing.guessed(sheet, {}) == importing.SheetMapping(entity, sheet.header)
    back = []
    for _number, cells in sheet.rows:
        values, problems = sheets.read_row(entity, dict(zip(sheet.header, cells, strict=True)))
        assert problems == []
        back.append(parsed(entity, sheets.nested(values)))
    return back


WAYS = pytest.mark.parametrize("there_and_back", [from_xlsx, from_csv])


@WAYS
@pytest.mark.parametrize("region", sorted(path.name for path in (ROOT / "content/regions").iterdir()))
def test_every_shipped_entry_comes_back_as_it_was(
    region: str, there_and_back: Callable[[str, list[Any]], list[Any]]
) -> None:
    content = read_region(ROOT / "content", region)
    for entity, records in (
        ("organization", content.organizations),
        ("location", content.locations),
        ("service", content.services),
    ):
        assert there_and_back(entity, list(records)) == list(records)


def test_every_field_of_the_records_has_a_column() -> None:
    for entity, model in RECORDS.items():
        heads = [column.field.partition(".")[0] for column in sheets.COLUMNS[entity]]
        assert set(heads) == set(model.model_fields)


# Records made by chance: signs that mean something somewhere stand out.

_NASTY = st.sampled_from(
    ["=1+1", "+ phones: 1", "-", "|", "a | b", "type=fax", "type = fax", "name=", "\\n", "\\", "\\\\|", "a\nb", "a\r\nb",
     "'", "''", "'=1", "'s", "_x0041_", "\u0085x", "0391", "1-2", "12,5", "TRUE", ";", '"', "\u200f", "\ufffe", "@cmd",
     "=HYPERLINK(\"http://x\")", "a=b=c", "+ x", "de, en", "1e5", "\x01", "＝1", "\t=1"]
)  # fmt: skip


def stripped(most: int) -> st.SearchStrategy[str]:
    text = st.one_of(
        _NASTY,
        st.text(st.characters(exclude_categories=["Cs"]), max_size=30),
        st.lists(_NASTY, max_size=3).map("".join),
    )
    # As pydantic does: only white space as Unicode defines it.
    return text.map(lambda value: re.sub(r"^\s+|\s+$", "", value)).filter(
        lambda value: 0 < len(value) <= most and value == value.strip("\x1c\x1d\x1e\x1f\u0085 ")
    )


short = stripped(200)
maybe = st.none() | short
slugs = st.from_regex(r"[a-z0-9]{1,6}(-[a-z0-9]{1,5}){0,2}", fullmatch=True)
codes = st.from_regex(r"[a-z][a-z0-9_]{0,8}", fullmatch=True)
languages = st.lists(st.from_regex(r"[a-z]{2,3}(-[A-Za-z0-9]{1,4})?", fullmatch=True), max_size=3)
areas = st.from_regex(r"(|[0-9]{2}|[0-9]{3}|[0-9]{5}|[0-9]{8})", fullmatch=True)
numbers = st.from_regex(r"[+0-9][0-9 ()/-]{1,12}", fullmatch=True)
emails = st.none() | st.sampled_from(["a@example.org", "+x@example.org", "=1@example.org"])
pages = st.none() | st.sampled_from(["https://example.org/?a=1|2", " https://example.org", "http://x.de/'"])
days = st.none() | st.dates()
partial = st.none() | st.from_regex(r"[0-9]{4}(-[0-9]{2}(-[0-9]{2})?)?", fullmatch=True)
phones = st.lists(
    st.fixed_dictionaries(
        {"number": numbers, "description": maybe, "languages": languages},
        optional={"type": st.sampled_from(["voice", "fax", "sms", "textphone"])},
    ),
    max_size=3,
)
schedules = st.lists(
    st.fixed_dictionaries(
        {
            "opening_hours": short,
            "channel": st.sampled_from(["visit", "phone", "chat", "consultation"]),
            "description": maybe,
        }
    ),
    max_size=2,
)
sources = st.none() | st.fixed_dictionaries(
    {"url": pages, "name": maybe, "date": partial, "note": maybe}
).filter(lambda source: any(source.values()))
sourced = {
    "source": sources,
    "confidence": st.sampled_from(["confirmed", "high", "medium", "low"]),
    "assured_date": days,
}
organizations = st.fixed_dictionaries(
    {
        "slug": slugs, "name": short, "alternate_name": maybe, "description": maybe, "kind": codes,
        "parent_organization": st.none() | slugs, "legal_status": maybe, "website": pages, "email": emails,
        "phones": phones, "status": st.sampled_from(["published", "draft"]), "confidential": st.booleans(), **sourced,
    }
)  # fmt: skip
locations = st.fixed_dictionaries(
    {
        "slug": slugs, "name": short, "organization": slugs,
        "location_type": st.sampled_from(["physical", "postal", "virtual"]),
        "address": st.none() | st.fixed_dictionaries(
            {
                "address_1": maybe, "postal_code": st.none() | st.from_regex(r"[0-9]{5}", fullmatch=True),
                "city": short, "attention": maybe,
            }
        ),
        "latitude": st.none() | st.floats(-90, 90), "longitude": st.none() | st.floats(-180, 180),
        "place": st.none() | areas, "transportation": maybe,
        "accessibility": st.lists(st.fixed_dictionaries({"description": short, "details": maybe}), max_size=2),
        "phones": phones, "schedules": schedules, "languages": languages, **sourced,
    }
)  # fmt: skip
services = st.fixed_dictionaries(
    {
        "slug": slugs, "organization": slugs, "name": short, "alternate_name": maybe, "description": short,
        "application_process": maybe, "status": st.sampled_from(["published", "draft"]),
        "contact_kinds": st.lists(codes, max_size=2), "topics": st.lists(codes, min_size=1, max_size=3),
        "legal_text": maybe, "minimum_age": st.none() | st.integers(0, 20), "maximum_age": st.none() | st.integers(20, 99),
        "cost": st.fixed_dictionaries(
            {"option": st.sampled_from(["free", "paid", "covered", "unknown"]), "amount_description": maybe}
        ),
        "languages": languages, "required_documents": st.lists(short, max_size=3),
        "expectations": st.lists(short, max_size=3), "url": pages, "email": emails, "phones": phones,
        "contacts": st.lists(
            st.fixed_dictionaries(
                {"name": maybe, "title": maybe, "department": maybe, "email": emails, "phones": phones}
            ),
            max_size=2,
        ),
        "schedules": schedules,
        "locations": st.lists(
            st.fixed_dictionaries(
                {
                    "location": slugs, "description": maybe, "phones": phones, "schedules": schedules,
                    "service_areas": st.lists(areas, max_size=2),
                }
            ),
            max_size=2,
        ),
        "service_areas": st.lists(areas, min_size=1, max_size=3), "valid_from": days, "valid_to": days, **sourced,
    }
)  # fmt: skip


@WAYS
@pytest.mark.parametrize(
    ("entity", "values"), [("organization", organizations), ("location", locations), ("service", services)]
)
def test_any_entry_comes_back_as_it_was(
    entity: str,
    values: st.SearchStrategy[dict[str, Any]],
    there_and_back: Callable[[str, list[Any]], list[Any]],
) -> None:
    @settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.lists(values, min_size=1, max_size=3))
    def check(made: list[dict[str, Any]]) -> None:
        records: list[Record] = [RECORDS[entity].model_validate(one) for one in made]
        assert there_and_back(entity, records) == records

    check()


# What programs must not do with it.


def a_service(**fields: Any) -> ServiceRecord:
    return ServiceRecord.model_validate(
        {
            "slug": "a", "organization": "b", "name": "N", "description": "D", "topics": ["geld"], "service_areas": [""],
            **fields,
        }
    )  # fmt: skip


@pytest.mark.parametrize("sign", ["=", "+", "-", "@"])
def test_no_text_is_a_formula(sign: str) -> None:
    record = a_service(name=f"{sign}cmd|' /C calc'!A0", required_documents=[f"{sign}1+1"])
    book = load_workbook(io.BytesIO(sheets.xlsx({"service": [record]})))
    assert "f" not in {cell.data_type for row in book.worksheets[0].iter_rows() for cell in row}
    assert book.worksheets[0]["B2"].quotePrefix
    text = sheets.csv_text("service", [record]).decode("utf-8-sig")
    cells = list(csv.reader(io.StringIO(text, newline=""), delimiter=";"))[1]
    assert not [cell for cell in cells if cell[:1] in tuple("=+-@\t\r")]


def test_csv_is_what_excel_in_german_reads() -> None:
    data = sheets.csv_zip({"service": [a_service(name="Jüngere; ältere", valid_to=date(2026, 12, 31))]})
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.namelist() == ["services.csv"]
        text = archive.read("services.csv")
    assert text.startswith(b"\xef\xbb\xbfslug;name;")
    assert '"Jüngere; ältere"'.encode() in text


def test_a_cell_that_is_too_long_is_refused_by_name() -> None:
    documents = [f"{number} {'x' * 190}" for number in range(200)]
    with pytest.raises(sheets.TooLong, match="service a: required_documents"):
        sheets.xlsx({"service": [a_service(required_documents=documents)]})


def test_the_cells_are_readable() -> None:
    record = a_service(
        phones=[
            {"number": "030 23125 123", "type": "fax", "description": "Zentrale", "languages": ["de", "en"]}
        ],
        contacts=[
            {"name": "Anmeldung", "email": "post@example.org", "phones": [{"number": "030 23125 124"}]}
        ],
    )
    row = sheets.to_row("service", record)
    assert row["phones"] == "030 23125 123 | type=fax | description=Zentrale | languages=de, en"
    assert row["contacts"] == "Anmeldung | email=post@example.org\n+ phones: 030 23125 124"
    assert row["service_areas"] == "DE"


# What programs and people write.


@pytest.mark.parametrize(
    ("kind", "field", "raw", "wanted"),
    [
        ("date", "valid_to", datetime(2026, 5, 17), "2026-05-17"),
        ("date", "valid_to", "17.05.2026", "2026-05-17"),
        ("date", "valid_to", "7.5.2026", "2026-05-07"),
        ("date", "valid_to", "2026-05-17 00:00:00", "2026-05-17"),
        ("date", "valid_to", 46159, "2026-05-17"),
        ("date", "valid_to", "", None),
        ("partial_date", "source.date", 2026, "2026"),
        ("partial_date", "source.date", "05/2026", "2026-05"),
        ("number", "latitude", "51,8958", 51.8958),
        ("integer", "minimum_age", 14.0, 14),
        ("postcode", "address.postal_code", 6484, "06484"),
        ("area", "place", 1001, "01001"),
        ("areas", "service_areas", "bundesweit", [""]),
        ("areas", "service_areas", 15085, ["15085"]),
        ("codes", "topics", "geld; wohnen\nschule", ["geld", "wohnen", "schule"]),
        ("yes_no", "confidential", "Ja", True),
        ("yes_no", "confidential", False, False),
        ("text", "name", "'0391", "0391"),
        ("text", "name", "'s Haus", "'s Haus"),
        ("text", "name", 5, "5"),
        ("lines", "required_documents", "Ausweis\r\n\r\nFoto", ["Ausweis", "Foto"]),
        ("items", "phones", "'+49 30 23125123", [{"number": "+49 30 23125123"}]),
        ("items", "phones", 112, [{"number": "112"}]),
    ],
)
def test_cells_as_programs_write_them(kind: str, field: str, raw: Any, wanted: Any) -> None:
    assert sheets.read_cell(kind, field, raw) == wanted


@pytest.mark.parametrize(
    ("kind", "field", "raw", "code"),
    [
        ("items", "phones", 391123456, "excel_number"),
        ("items", "phones", 3911234567.0, "excel_number"),
        ("items", "phones", "4,93912E+11", "excel_number"),
        ("date", "valid_to", "bald", "no_date"),
        ("date", "valid_to", "31.02.2026", "no_date"),
        ("number", "latitude", "Nord", "no_number"),
        ("integer", "minimum_age", "14,5", "no_number"),
        ("yes_no", "confidential", "vielleicht", "no_yes_no"),
        ("text", "name", sheets.CellError("#REF!"), "cell_error"),
        ("items", "phones", "030 23125 123 | Zentrale", "bad_part"),
        ("items", "phones", "030 23125 123 | type=fax | type=sms", "twice"),
        ("items", "contacts", "+ phones: 030 23125 123", "bad_line"),
        ("items", "contacts", "Büro\n+ Telefon: 030 23125 123", "bad_line"),
    ],
)
def test_cells_that_cannot_be_understood_say_why(kind: str, field: str, raw: Any, code: str) -> None:
    with pytest.raises(sheets.BadCell) as bad:
        sheets.read_cell(kind, field, raw)
    assert bad.value.code == code
