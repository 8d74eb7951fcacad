"""XLIFF 2.1 and tables: what goes out comes back the same, and what came back wrong is noticed."""

import io
import re
import zipfile
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any
from xml.etree.ElementTree import Element, fromstring

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openpyxl import Workbook, load_workbook
from sqlmodel import Session

from portal.catalogue.loading import load_region
from portal.catalogue.translating import exchange, xliff, xlsx
from portal.catalogue.translating.exchange import Faulty, FileProblem, Incoming, Plan, Unit
from portal.catalogue.translating.texts import STATES, subject
from tests.catalogue.conftest import ContentFolder
from tests.factories import REGION, a_service, a_term
from tests.factories import a_translation as translated

NAMESPACE = "{urn:oasis:names:tc:xliff:document:2.0}"
NMTOKEN = re.compile(r"[\w.:-]+")


# The rules of the core of XLIFF 2.1, section 4.2 and 4.3, as far as our files use it.

CHILDREN = {
    "xliff": r"(file )+",
    "file": r"(notes )?(unit )+",
    "unit": r"(notes )?(segment )+",
    "notes": r"(note )+",
    "segment": r"source (target )?",
    "note": "",
    "source": "",
    "target": "",
}
ATTRIBUTES = {
    "xliff": ({"version", "srcLang", "trgLang"}, {"{http://www.w3.org/XML/1998/namespace}space"}),
    "file": ({"id"}, {"original", "srcDir", "trgDir"}),
    "unit": ({"id"}, {"name"}),
    "notes": (set(), set()),
    "segment": (set(), {"id", "state", "subState"}),
    "note": (set(), {"category"}),
    "source": (set(), set()),
    "target": (set(), set()),
}


def assert_valid(body: bytes) -> Element:
    root: Element = fromstring(body)
    assert root.tag == f"{NAMESPACE}xliff"
    for element in root.iter():
        name = element.tag.removeprefix(NAMESPACE)
        children = "".join(child.tag.removeprefix(NAMESPACE) + " " for child in element)
        assert re.fullmatch(CHILDREN[name], children), f"{name} holds {children}"
        required, allowed = ATTRIBUTES[name]
        assert required <= set(element.attrib) <= required | allowed, f"{name} has {element.attrib}"
        if "id" in element.attrib:
            assert NMTOKEN.fullmatch(element.attrib["id"])
        if "state" in element.attrib:
            assert element.attrib["state"] in ("initial", "translated", "reviewed", "final")
        if "subState" in element.attrib:
            prefix, _, value = element.attrib["subState"].partition(":")
            assert prefix not in ("", "xlf") and value and "state" in element.attrib
        for direction in ("srcDir", "trgDir"):
            assert element.attrib.get(direction, "auto") in ("ltr", "rtl", "auto")
    files = [file.attrib["id"] for file in root]
    assert len(files) == len(set(files)), "ids of files are unique"
    for file in root:
        ids = [unit.attrib["id"] for unit in file.iter(f"{NAMESPACE}unit")]
        assert len(ids) == len(set(ids)), "ids of units are unique in a file"
    return root


def made(units: list[Unit], kind: str) -> bytes:
    if kind == "xliff":
        body = xliff.write(units, region=REGION, language="en", right_to_left=False)
        assert_valid(body)
        return body
    return xlsx.write(units, language="en", right_to_left=False)


def read(body: bytes, kind: str, language: str = "en") -> list[Incoming]:
    return (xliff if kind == "xliff" else xlsx).read(body, language=language)


BOTH = pytest.mark.parametrize("kind", ["xliff", "xlsx"])


@pytest.fixture
def loaded(session: Session, content: ContentFolder, now: datetime) -> Session:
    load_region(session, content.read(), now=now)
    return session


def plan(session: Session, incoming: list[Incoming], region: str = "tal") -> Plan:
    return exchange.plan(session, region, "en", incoming)


# Round trips.


@BOTH
@pytest.mark.parametrize("only", ["all", "open"])
def test_untouched_means_unchanged(loaded: Session, kind: str, only: exchange.Selection) -> None:
    units = exchange.units(loaded, "tal", "en", only=only)
    assert {unit.state for unit in units} >= {"missing", "outdated"}
    planned = plan(loaded, read(made(units, kind), kind))
    assert planned.counts() == {"new": 0, "changed": 0, "unchanged": len(units), "faulty": 0}


@BOTH
def test_everything_translated_and_checked_comes_home(loaded: Session, kind: str, now: datetime) -> None:
    units = exchange.units(loaded, "tal", "en")
    done = [replace(unit, text=f"EN {unit.german}", state="checked") for unit in units]
    planned = plan(loaded, read(made(done, kind), kind))
    assert not planned.of("faulty")
    written = exchange.apply(loaded, "tal", planned, author=None, now=now)
    assert written == len(units)
    after = exchange.units(loaded, "tal", "en")
    assert [(unit.id, unit.text, unit.state) for unit in after] == [
        (unit.id, f"EN {unit.german}", "checked") for unit in units
    ]
    again = plan(loaded, read(made(after, kind), kind))
    assert again.counts()["unchanged"] == len(units)


# Anything that a person can type and a form hands on.
TEXTS = st.text(
    st.characters(exclude_categories=("Cs",), exclude_characters="\x00\r"), min_size=1, max_size=80
).filter(lambda text: bool(exchange.writable(text).strip()))
CODES = st.from_regex(r"[a-z][a-z0-9-]{0,10}", fullmatch=True)


@BOTH
@settings(max_examples=60, deadline=None)
@given(
    texts=st.lists(
        st.tuples(TEXTS, st.one_of(st.just(""), TEXTS), st.sampled_from(STATES)), min_size=1, max_size=5
    ),
    slug=CODES,
)
def test_a_round_trip_loses_nothing(kind: str, texts: list[tuple[str, str, str]], slug: str) -> None:
    units = [
        Unit("service", slug, f"expectations.{n}", "Name", german, text, state)  # type: ignore[arg-type]
        for n, (german, text, state) in enumerate(texts)
    ]
    found = read(made(units, kind), kind)
    assert [row.id for row in found] == [unit.id for unit in units]
    for row, unit in zip(found, units, strict=True):
        assert row.problem is None
        assert lines(row.german) == lines(exchange.writable(unit.german))
        assert lines(row.text) == lines(exchange.writable(unit.text))
        if unit.state == "checked":
            assert row.wanted == "checked" or not row.text


def lines(text: str) -> str:
    return text.replace("\r\n", "\n").strip()


def test_ids_are_stable(loaded: Session) -> None:
    ids = [unit.id for unit in exchange.units(loaded, "tal", "en")]
    assert ids == [unit.id for unit in exchange.units(loaded, "tal", "ar")]
    assert len(ids) == len(set(ids))
    assert "service:jobcenter#contacts.0.phones.0.description" in ids
    assert any(id_.startswith("taxonomy_term:topics:") for id_ in ids)


def test_one_entry_alone(loaded: Session) -> None:
    units = exchange.units(loaded, "tal", "en", entry=("service", "jobcenter"))
    assert {(unit.entity, unit.slug) for unit in units} == {("service", "jobcenter")}
    limited = exchange.units(loaded, "tal", "en", may={("location", "jobcenter-ober")})
    assert {(unit.entity, unit.slug) for unit in limited} == {("location", "jobcenter-ober")}


def test_direction_and_languages_stand_in_the_file(loaded: Session) -> None:
    units = exchange.units(loaded, "tal", "ar", entry=("service", "jobcenter"))
    root = assert_valid(xliff.write(units, region="tal", language="ar", right_to_left=True))
    assert (root.get("srcLang"), root.get("trgLang"), root[0].get("trgDir")) == ("de", "ar", "rtl")
    sheet = load_workbook(io.BytesIO(xlsx.write(units, language="ar", right_to_left=True))).active
    assert sheet is not None and sheet.title == "ar"
    assert sheet["E2"].alignment.readingOrder == 2


# What comes back wrong.


def incoming(session: Session, **changes: Any) -> Incoming:
    a_service(session, "beratung", name="Hilfe ab 16")
    values = {
        "where": "2",
        "id": "service:beratung#name",
        "german": "Hilfe ab 16",
        "text": "Help from 16",
        "wanted": None,
        **changes,
    }
    return Incoming(**values)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"id": "service:beratung#nonsense"}, "unknown_id"),
        ({"id": "service:gibt-es-nicht#name"}, "unknown_id"),
        ({"id": "=1+1"}, "unknown_id"),
        ({"german": "Hilfe ab 17"}, "source_changed"),
        ({"text": "Help from 18"}, "figures"),
        ({"text": "16 " + "x" * 2000}, "too_long"),
        ({"problem": "markup"}, "markup"),
        ({"problem": "formula"}, "formula"),
    ],
)
def test_faulty_rows_say_why(session: Session, changes: dict[str, Any], code: str) -> None:
    (row,) = plan(session, [incoming(session, **changes)], REGION).rows
    assert row.kind == "faulty" and row.problem is not None and row.problem.code == code


def test_an_empty_text_is_faulty_only_where_it_would_take_one_away(session: Session) -> None:
    row = incoming(session, text="  ")
    assert plan(session, [row], REGION).rows[0].kind == "unchanged"
    translated(session, a_service(session, "zwei", name="Zwei Dinge"), "name")
    other = Incoming("3", "service:zwei#name", "Zwei Dinge", "", None)
    found = plan(session, [row, other], REGION).rows[1]
    assert found.kind == "faulty" and found.problem is not None and found.problem.code == "empty"


def test_the_same_text_twice_is_faulty_twice(session: Session) -> None:
    row = incoming(session)
    assert [found.kind for found in plan(session, [row, row], REGION).rows] == ["faulty", "faulty"]


def test_white_space_in_the_german_text_is_no_change(session: Session) -> None:
    row = incoming(session, german="  Hilfe\n ab  16 ")
    assert plan(session, [row], REGION).rows[0].kind == "new"


def test_one_faulty_row_keeps_all_others_out(session: Session, now: datetime) -> None:
    good = incoming(session)
    planned = plan(session, [good, replace(good, id="service:beratung#nonsense")], REGION)
    with pytest.raises(Faulty):
        exchange.apply(session, REGION, planned, author=None, now=now)
    assert subject(session, REGION, "service", "beratung").item("en", "name").state == "missing"
    assert exchange.apply(session, REGION, planned, author=None, now=now, leave_out_faulty=True) == 1
    assert subject(session, REGION, "service", "beratung").item("en", "name").state == "unchecked"


def test_entries_of_others_cannot_be_changed(session: Session) -> None:
    row = incoming(session)
    planned = exchange.plan(session, REGION, "en", [row], may={("service", "andere")})
    assert planned.rows[0].kind == "faulty"


@pytest.mark.parametrize(
    ("before", "wanted", "after"),
    [
        ("machine", None, None),
        ("machine", "unchecked", "unchecked"),
        ("machine", "checked", "checked"),
        ("unchecked", "unchecked", None),
        ("checked", "checked", None),
        ("outdated", None, None),
        ("outdated", "unchecked", "unchecked"),
        ("outdated", "checked", "checked"),
    ],
)
def test_the_same_text_in_another_state(
    session: Session, before: str, wanted: Any, after: str | None
) -> None:
    row = incoming(session, wanted=wanted)
    service = a_service(session, "zwei", name="Hilfe ab 16")
    fields = {"source_hash": "000000000000"} if before == "outdated" else {"status": before}
    translated(session, service, "name", text="Help from 16", **fields)
    (found,) = plan(session, [replace(row, id="service:zwei#name")], REGION).rows
    assert (found.kind, found.status or None) == ("changed" if after else "unchanged", after)


# Files of others.


def edited(change: Callable[[str], str], **fields: Any) -> list[Incoming]:
    unit = Unit("service", "beratung", "name", "Name", "Hilfe. Hier.", "Help. Here.", "unchecked")
    body = made([replace(unit, **fields)], "xliff").decode()
    changed = change(body)
    assert changed != body
    return xliff.read(changed.encode(), language="en")


def test_sentences_that_were_cut_apart_are_joined() -> None:
    pattern = re.compile(r"<segment.*</segment>", re.DOTALL)
    parts = (
        '<segment id="s1" state="final"><source>Hilfe.</source><target>Help.</target></segment>'
        "<ignorable><source> </source></ignorable>"
        '<segment id="s2" state="{}"><source>Hier.</source><target>{}</target></segment>'
    )
    (row,) = edited(lambda body: pattern.sub(parts.format("final", "Here."), body))
    assert (row.german, row.text, row.wanted) == ("Hilfe. Hier.", "Help. Here.", "checked")
    (row,) = edited(lambda body: pattern.sub(parts.format("translated", "Here."), body))
    assert row.wanted == "unchecked", "as far as the sentence that is least far"
    (row,) = edited(lambda body: pattern.sub(parts.format("translated", ""), body))
    assert row.text == "", "half a translation is none"


def test_remarks_of_a_tool_are_read_over_but_no_markup() -> None:
    (row,) = edited(lambda body: body.replace("Help.", '<mrk id="m1" type="comment">Help.</mrk>'))
    assert (row.text, row.problem) == ("Help. Here.", None)
    (row,) = edited(lambda body: body.replace("Help.", 'Help<ph id="1"/>.'))
    assert row.problem == "markup"


def test_units_in_groups_are_found() -> None:
    (row,) = edited(
        lambda body: body.replace("<unit", '<group id="g"><unit', 1).replace("</unit>", "</unit></group>", 1)
    )
    assert row.id == "service:beratung#name"


def test_another_prefix_is_the_same_file() -> None:
    (row,) = edited(lambda body: re.sub(r"<(/?)(?=[a-z])", r"<\1x:", body).replace(' xmlns="', ' xmlns:x="'))
    assert row.text == "Help. Here."


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda body: body.replace('trgLang="en"', 'trgLang="fr"'), "language"),
        (lambda body: body.replace('srcLang="de"', 'srcLang="en"'), "source_language"),
        (lambda body: body.replace('version="2.1"', 'version="1.2"'), "version"),
        (lambda body: body.replace("document:2.0", "document:9.9"), "not_xliff"),
        (lambda body: body.replace(' id="name"', ""), "no_id"),
        (lambda body: re.sub("<source>.*</source>", "", body), "no_source"),
        (lambda body: re.sub("<unit.*</unit>", "", body, flags=re.DOTALL), "nothing"),
        (lambda body: body[:-20], "not_xml"),
        (lambda body: '<!DOCTYPE xliff [<!ENTITY a "aaaa">]>' + body.partition("?>")[2], "not_xml"),
        (lambda body: body.replace("utf-8", "nonsense"), "not_xml"),
    ],
)
def test_a_file_that_cannot_be_ours(change: Callable[[str], str], code: str) -> None:
    with pytest.raises(FileProblem) as problem:
        edited(change)
    assert problem.value.code == code


def test_a_regional_language_is_the_same_language() -> None:
    (row,) = edited(lambda body: body.replace('trgLang="en"', 'trgLang="en-GB"'))
    assert row.text == "Help. Here."


@given(st.binary(max_size=300))
@settings(max_examples=80, deadline=None)
def test_noise_is_refused_and_nothing_else(noise: bytes) -> None:
    for kind in ("xliff", "xlsx"):
        with pytest.raises(FileProblem):
            read(noise, kind)


def test_nothing_is_no_file() -> None:
    with pytest.raises(FileProblem):
        made([], "xliff")
    with pytest.raises(FileProblem):
        made([], "xlsx")


# Tables.


@pytest.mark.parametrize("start", ["=1+1", "+49 1", "-5", "@SUM(A1)", "\tx", '=HYPERLINK("http://x")'])
def test_a_cell_is_never_a_formula(start: str) -> None:
    unit = Unit("service", "beratung", "name", start, start, start, "unchecked", start)
    body = made([unit], "xlsx")
    sheet = load_workbook(io.BytesIO(body)).active
    assert sheet is not None
    for cell in sheet[2]:
        assert cell.data_type == "s", cell.coordinate
    assert sheet["D2"].value == start and sheet["D2"].quotePrefix
    with zipfile.ZipFile(io.BytesIO(body)) as packed:
        assert b"<f>" not in packed.read("xl/worksheets/sheet1.xml").replace(b"<formula1>", b"")


def table(*rows: tuple[Any, ...], title: str = "en") -> bytes:
    book = Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.title = title
    sheet.append(xlsx.COLUMNS)
    for row in rows:
        sheet.append(row)
    body = io.BytesIO()
    book.save(body)
    return body.getvalue()


def test_a_formula_that_comes_back_is_faulty() -> None:
    (row,) = xlsx.read(table(("service:a#name", "", "", "Hilfe", "=A1", "checked")), language="en")
    assert row.problem == "formula"


def test_a_number_in_a_cell_is_its_text() -> None:
    (row,) = xlsx.read(table(("service:a#name", "", "", "116", 116.0, None)), language="en")
    assert (row.german, row.text, row.wanted) == ("116", "116", None)


def test_states_in_the_words_of_the_page() -> None:
    words = {"checked": "Geprüft", "machine": "Maschinell"}
    unit = Unit("service", "a", "name", "Name", "Hilfe", "Help", "checked")
    body = xlsx.write([unit], language="en", right_to_left=False, states=words)
    (row,) = xlsx.read(body, language="en", states=words)
    assert row.wanted == "checked"
    changed = table(("service:a#name", "", "", "Hilfe", "Help", " GEPRÜFT "))
    assert xlsx.read(changed, language="en", states=words)[0].wanted == "checked"


def test_empty_rows_and_missing_columns_are_no_trouble() -> None:
    found = xlsx.read(table((), (None, " "), ("service:a#name", "", "", "Hilfe")), language="en")
    assert [(row.where, row.text) for row in found] == [("4", "")]


def test_the_sheet_of_another_language_is_refused() -> None:
    with pytest.raises(FileProblem) as problem:
        xlsx.read(table(("a",), title="ar"), language="en")
    assert problem.value.code == "language"


def test_a_small_file_that_unpacks_to_a_large_one_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(xlsx, "_LARGEST", 1000)
    with pytest.raises(FileProblem) as problem:
        xlsx.read(table(("a",)), language="en")
    assert problem.value.code == "too_large"


def test_terms_go_out_and_come_back(session: Session, now: datetime) -> None:
    a_service(session)
    a_term(session, "contact_kinds", "jobcenter", name="Jobcenter", say="Guten Tag, ich bin 17.")
    units = exchange.units(session, REGION, "en", entry=("taxonomy_term", "contact_kinds:jobcenter"))
    done = [
        replace(unit, text="Hello, I am 17." if unit.field == "say" else "Jobcenter", state="unchecked")
        for unit in units
    ]
    planned = plan(session, xliff.read(made(done, "xliff"), language="en"), REGION)
    assert exchange.apply(session, REGION, planned, author=None, now=now) == 2
