"""Entries as rows of a spreadsheet, and back again without losing anything.

Every entry is one row; a column is a field of the content format (`address.city` is a part of one). What repeats stands
in one cell, one item per line, its parts set apart by ` | `, the most important one first and without its name:

    030 23125 123 | type=fax | description=Zentrale | languages=de, en

What belongs to an item follows on lines that begin with `+`:

    Anmeldung | email=post@example.org
    + phones: 030 23125 124

Codes, languages and areas are set apart by commas; the area of the whole nation is `DE`. A backslash takes its meaning
from a sign: `\\|`, `\\n` for a new line inside an item, `\\\\` for itself.
"""

import csv
import io
import re
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from openpyxl import Workbook
from openpyxl.cell import WriteOnlyCell
from openpyxl.styles import Alignment, Font
from openpyxl.utils import get_column_letter
from openpyxl.utils.datetime import from_excel

from portal.catalogue.editing import EntryProblem, plain
from portal.catalogue.reading import CatalogueError
from portal.catalogue.records import Record

ENTITIES = ("organization", "location", "service")
"""In the order in which one points to the other."""
SHEETS = {"organization": "organizations", "location": "locations", "service": "services"}
NATION = "DE"
MOST_SIGNS = 32_767
"""No spreadsheet program keeps more in one cell."""

Value = str | int | float | date | bool | None
"""Of a cell. A date may be a datetime."""


class CellError(str):
    """What a formula that failed shows, as `#REF!`."""

    __slots__ = ()


class TooLong(CatalogueError):
    """An entry has more in one field than a cell can hold."""

    def __init__(self, entity: str, slug: str, field: str) -> None:
        super().__init__(f"{entity} {slug}: {field} is too long for a cell")


@dataclass(frozen=True, slots=True)
class Column:
    field: str
    kind: str
    """text, word (a code or slug), codes, areas, lines, items, date, partial_date, number, integer, yes_no, postcode, area."""
    width: int = 18


@dataclass(frozen=True, slots=True)
class _Item:
    """How an item of a list is written."""

    first: str
    parts: tuple[str, ...]
    lists: tuple[str, ...] = ()
    """Parts with several values, set apart by commas."""
    below: Mapping[str, str] | None = None
    """Lists of their own: field → kind of item, or `areas`."""


_ITEMS: Mapping[str, _Item] = {
    "phones": _Item("number", ("type", "description"), ("languages",)),
    "schedules": _Item("opening_hours", ("channel", "description")),
    "accessibility": _Item("description", ("details",)),
    "contacts": _Item("name", ("title", "department", "email"), below={"phones": "phones"}),
    "locations": _Item(
        "location",
        ("description",),
        below={"phones": "phones", "schedules": "schedules", "service_areas": "areas"},
    ),
}
_USUAL = {("phones", "type"): "voice", ("schedules", "channel"): "visit"}
"""Not written, because it is meant when nothing is said."""

_SOURCED = (
    Column("source.url", "text"),
    Column("source.name", "text"),
    Column("source.date", "partial_date", 12),
    Column("source.note", "text", 30),
    Column("confidence", "word", 12),
    Column("assured_date", "date", 12),
)
COLUMNS: Mapping[str, tuple[Column, ...]] = {
    "organization": (
        Column("slug", "word", 28),
        Column("name", "text", 36),
        Column("alternate_name", "text", 28),
        Column("description", "text", 50),
        Column("kind", "word"),
        Column("parent_organization", "word", 28),
        Column("legal_status", "text"),
        Column("website", "text", 30),
        Column("email", "text", 28),
        Column("phones", "items", 30),
        Column("status", "word", 12),
        Column("confidential", "yes_no", 10),
        *_SOURCED,
    ),
    "location": (
        Column("slug", "word", 28),
        Column("name", "text", 36),
        Column("organization", "word", 28),
        Column("location_type", "word", 12),
        Column("address.attention", "text"),
        Column("address.address_1", "text", 28),
        Column("address.postal_code", "postcode", 10),
        Column("address.city", "text"),
        Column("latitude", "number", 12),
        Column("longitude", "number", 12),
        Column("place", "area", 12),
        Column("transportation", "text", 36),
        Column("confidential", "yes_no", 10),
        Column("accessibility", "items", 36),
        Column("phones", "items", 30),
        Column("schedules", "items", 36),
        Column("languages", "codes"),
        *_SOURCED,
    ),
    "service": (
        Column("slug", "word", 28),
        Column("name", "text", 36),
        Column("organization", "word", 28),
        Column("alternate_name", "text", 28),
        Column("description", "text", 50),
        Column("application_process", "text", 40),
        Column("status", "word", 12),
        Column("contact_kinds", "codes"),
        Column("desk_for", "codes"),
        Column("topics", "codes", 24),
        Column("target_groups", "codes", 24),
        Column("formats", "codes"),
        Column("legal_basis", "codes"),
        Column("legal_text", "text"),
        Column("helpline_needs", "codes"),
        Column("minimum_age", "integer", 8),
        Column("maximum_age", "integer", 8),
        Column("eligibility_description", "text", 40),
        Column("cost.option", "word", 10),
        Column("cost.amount_description", "text"),
        Column("languages", "codes"),
        Column("interpretation_services", "text"),
        Column("required_documents", "lines", 30),
        Column("expectations", "lines", 36),
        Column("url", "text", 30),
        Column("email", "text", 28),
        Column("phones", "items", 30),
        Column("contacts", "items", 36),
        Column("schedules", "items", 36),
        Column("locations", "items", 36),
        Column("service_areas", "areas"),
        Column("valid_from", "date", 12),
        Column("valid_to", "date", 12),
        *_SOURCED,
    ),
}
KINDS: Mapping[str, Mapping[str, str]] = {
    entity: {column.field: column.kind for column in columns} for entity, columns in COLUMNS.items()
}


# A record as cells.


def to_row(entity: str, record: Record) -> dict[str, Value]:
    """Field → value of its cell. Texts still lack what only CSV needs against formulas."""
    values = plain(record)
    return {
        column.field: _cell(column.field, column.kind, _at(values, column.field))
        for column in COLUMNS[entity]
    }


def _at(values: Mapping[str, Any], field: str) -> Any:
    head, _, rest = field.partition(".")
    value = values[head]
    return (value or {}).get(rest) if rest else value


def _cell(field: str, kind: str, value: Any) -> Value:
    if value is None:
        return None
    if kind in ("number", "integer"):
        # Files of spreadsheets hold 16 digits of a number.
        return value if float(f"{value:.16g}") == value else repr(value).replace(".", ",")
    if kind == "yes_no":
        return "ja" if value else "nein"
    if kind == "date":
        day = date.fromisoformat(value)
        # Spreadsheet programs know no days before 1900.
        return day if day.year > 1900 else str(value)
    if kind in ("codes", "areas"):
        return ", ".join(_area(item) if kind == "areas" else item for item in value)
    if kind == "lines":
        return "\n".join(_line_start(_part(item)) for item in value)
    if kind == "items":
        return items_text(field, value)
    if kind == "area":
        return _area(value)
    return _scalar(value)


def items_text(kind: str, items: Iterable[Mapping[str, Any]]) -> str:
    """Items of `phones`, `schedules`, `contacts` … as they stand in a cell."""
    return "\n".join(_item_line(kind, item) for item in items)


def _area(code: str) -> str:
    return code or NATION


def _item_line(kind: str, item: Mapping[str, Any]) -> str:
    spec = _ITEMS[kind]
    parts = []
    first = item.get(spec.first)
    if first is not None:
        text = _part(first)
        before, sign, _ = text.partition("=")
        named = bool(sign) and before.strip() in (spec.first, *spec.parts, *spec.lists)
        # Without its name, unless it would then be taken for something else.
        parts.append(f"{spec.first}={text}" if named else _line_start(text))
    for name in spec.parts:
        value = item.get(name)
        if value is not None and value != _USUAL.get((kind, name)):
            parts.append(f"{name}={_part(value)}")
    for name in spec.lists:
        if item.get(name):
            parts.append(f"{name}={', '.join(item[name])}")
    lines = [" | ".join(parts) or "-"]
    for name, below in (spec.below or {}).items():
        if below == "areas":
            if item[name]:
                lines.append(f"+ {name}: {', '.join(_area(code) for code in item[name])}")
        else:
            lines += [f"+ {name}: {_item_line(below, one)}" for one in item[name]]
    return "\n".join(lines)


_SIGNS = {"\\": "\\\\", "\n": "\\n", "|": "\\|"}
_BREAKS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\ufffe\uffff]|_(?=x[0-9A-Fa-f]{4}_)")
"""What no XML file may hold, what it would change, and what Excel takes for an escape of its own."""


def _named_sign(match: re.Match[str]) -> str:
    return f"\\u{ord(match[0]):04x}"


def _edges(text: str) -> str:
    """Blanks at the ends are named: whoever reads the cell takes bare ones away."""
    inner = text.strip()
    if inner == text:
        return text
    if not inner:
        return "".join(f"\\u{ord(sign):04x}" for sign in text)
    start, end = text[: text.index(inner[0])], text[len(text.rstrip()) :]
    return (
        "".join(f"\\u{ord(sign):04x}" for sign in start)
        + text[len(start) : len(text) - len(end)]
        + "".join(f"\\u{ord(sign):04x}" for sign in end)
    )


def _scalar(text: str) -> str:
    return _edges(_BREAKS.sub(_named_sign, text.replace("\\", "\\\\")))


def _part(text: str) -> str:
    marked = "".join(_SIGNS.get(sign, sign) for sign in text)
    return _edges(_BREAKS.sub(_named_sign, marked))


def _line_start(text: str) -> str:
    """A first part that looks like a sign of our own is not one."""
    return f"\\u{ord(text[0]):04x}{text[1:]}" if text == "-" or text.startswith("+ ") else text


_ESCAPE = re.compile(r"\\(u[0-9A-Fa-f]{4}|[\\n|])")


def _plain_text(text: str) -> str:
    def sign(match: re.Match[str]) -> str:
        code = match[1]
        if code[0] == "u":
            return chr(int(code[1:], 16))
        return "\n" if code == "n" else code

    return _ESCAPE.sub(sign, text.strip())


# Cells as values of a record.


@dataclass(frozen=True, slots=True)
class BadCell(Exception):
    """The cell cannot be understood: a `code` for words, and what they need."""

    code: str
    values: Mapping[str, Any]


def read_row(entity: str, cells: Mapping[str, Value]) -> tuple[dict[str, Any], list[EntryProblem]]:
    """Field → value as the record has it, and what could not be read. Only fields that are in `cells`."""
    found: dict[str, Any] = {}
    problems = []
    for field, raw in cells.items():
        try:
            found[field] = read_cell(KINDS[entity][field], field, raw)
        except BadCell as bad:
            problems.append(EntryProblem(field, bad.code, bad.code, bad.values))
    return found, problems


def nested(values: Mapping[str, Any], before: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Values of `read_row` put together as the record is; what they do not say stays as in `before`."""
    result = dict(before or {})
    parts: dict[str, dict[str, Any]] = {}
    for field, value in values.items():
        head, _, rest = field.partition(".")
        if rest:
            parts.setdefault(head, dict(result.get(head) or {}))[rest] = value
        else:
            result[head] = value
    for head, group in parts.items():
        filled = {name: value for name, value in group.items() if value is not None}
        result[head] = filled or ({} if head == "cost" else None)
    return result


_BLOWN = re.compile(r"\d([.,]\d+)?E\+\d+", re.IGNORECASE)
_YES = frozenset({"ja", "j", "yes", "y", "true", "wahr", "1", "x"})
_NO = frozenset({"nein", "n", "no", "false", "falsch", "0", ""})


def read_cell(kind: str, field: str, raw: Value) -> Any:
    """Raises BadCell."""
    if isinstance(raw, CellError):
        raise BadCell("cell_error", {"value": str(raw)})
    if isinstance(raw, str):
        raw = _unguarded(raw)
    if raw is None or (isinstance(raw, str) and not raw.strip()):
        return [] if kind in ("codes", "areas", "lines", "items") else None
    if kind == "date":
        return _day(raw)
    if kind == "partial_date":
        return _partial(raw)
    if kind == "yes_no":
        return _yes_no(raw)
    if kind in ("number", "integer"):
        return _number(raw, whole=kind == "integer")
    if kind == "items":
        if field == "phones" and _is_number(raw):
            raise BadCell("excel_number", {"value": _text(raw)})
        return _items(field, _text(raw))
    text = _text(raw)
    if kind == "lines":
        return [_plain_text(line) for line in _lines(text) if line.strip()]
    if kind in ("codes", "areas"):
        items = [item.strip() for item in re.split(r"[,;\n]", text) if item.strip()]
        return [_area_code(item) for item in items] if kind == "areas" else items
    if kind == "area":
        return _area_code(text.strip())
    if kind == "postcode":
        text = text.strip()
        return text.zfill(5) if not isinstance(raw, str) else text
    return _plain_text(text.replace("\r\n", "\n"))


def _lines(text: str) -> list[str]:
    return text.replace("\r\n", "\n").split("\n")


def _text(raw: Value) -> str:
    if isinstance(raw, datetime):
        return raw.date().isoformat()
    if isinstance(raw, date):
        return raw.isoformat()
    if isinstance(raw, bool):
        return "ja" if raw else "nein"
    if isinstance(raw, float) and raw.is_integer():
        return str(int(raw))
    return str(raw)


def _is_number(raw: Value) -> bool:
    """Whether a program made a number of a phone number: its zero or its plus is gone."""
    if isinstance(raw, str):
        return _BLOWN.fullmatch(raw.strip()) is not None
    text = _text(raw)
    return not (text in ("110", "112", "115") or (text.startswith("116") and len(text) == 6))


_NATIONWIDE = frozenset({"de", "*", "deutschland", "bundesweit"})


def _area_code(text: str) -> str:
    if text.casefold() in _NATIONWIDE:
        return ""
    # Whoever takes a key for a number loses its first zero; keys have 2, 5 or 8 digits.
    return text.zfill(len(text) + 1) if text.isdigit() and len(text) in (1, 4, 7) else text


_GERMAN_DAY = re.compile(r"(\d{1,2})\.(\d{1,2})\.(\d{4})( 00:00(:00)?)?")
_GERMAN_MONTH = re.compile(r"(\d{1,2})[./](\d{4})")


def _day(raw: Value) -> str:
    if isinstance(raw, datetime | date):
        return _text(raw)
    if isinstance(raw, int | float) and not isinstance(raw, bool) and 20_000 < raw < 80_000:
        return _text(from_excel(raw))
    text = str(raw).strip()
    if match := _GERMAN_DAY.fullmatch(text):
        text = f"{match[3]}-{int(match[2]):02}-{int(match[1]):02}"
    try:
        return date.fromisoformat(text.removesuffix(" 00:00:00").removesuffix("T00:00:00")).isoformat()
    except ValueError:
        raise BadCell("no_date", {"value": text}) from None


def _partial(raw: Value) -> str:
    text = _text(raw).strip()
    if match := _GERMAN_DAY.fullmatch(text):
        return f"{match[3]}-{int(match[2]):02}-{int(match[1]):02}"
    if match := _GERMAN_MONTH.fullmatch(text):
        return f"{match[2]}-{int(match[1]):02}"
    return text


def _yes_no(raw: Value) -> bool:
    text = _text(raw).strip().casefold()
    if text in _YES:
        return True
    if text in _NO:
        return False
    raise BadCell("no_yes_no", {"value": text})


def _number(raw: Value, *, whole: bool) -> int | float:
    if isinstance(raw, bool | date):
        raise BadCell("no_number", {"value": _text(raw)})
    try:
        number = float(str(raw).strip().replace(",", "."))
    except ValueError:
        raise BadCell("no_number", {"value": str(raw)}) from None
    if not whole:
        return number
    if not number.is_integer():
        raise BadCell("no_number", {"value": str(raw)})
    return int(number)


def _items(kind: str, text: str) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = []
    below = _ITEMS[kind].below or {}
    for line in _lines(text):
        if not line.strip():
            continue
        if not line.lstrip().startswith("+ ") or not below:
            items.append(_item(kind, line))
            continue
        name, _, rest = line.lstrip()[2:].partition(":")
        name = name.strip()
        if name not in below or not items:
            raise BadCell("bad_line", {"value": line.strip()[:80]})
        if below[name] == "areas":
            codes = [_area_code(code.strip()) for code in rest.split(",") if code.strip()]
            items[-1].setdefault(name, []).extend(codes)
        else:
            items[-1].setdefault(name, []).append(_item(below[name], rest))
    return items


def _item(kind: str, line: str) -> dict[str, Any]:
    spec = _ITEMS[kind]
    item: dict[str, Any] = {}
    if line.strip() == "-":
        return item
    names = (spec.first, *spec.parts, *spec.lists)
    for index, part in enumerate(_parts(line)):
        part = part.strip()
        name, sign, value = part.partition("=")
        if sign and name.strip() in names:
            name = name.strip()
        elif index == 0:
            name, value = spec.first, part
        elif not part:
            continue
        else:
            raise BadCell("bad_part", {"value": part[:80], "names": ", ".join(names)})
        if name in item:
            raise BadCell("twice", {"value": part[:80]})
        if name in spec.lists:
            item[name] = [one.strip() for one in value.split(",") if one.strip()]
        elif (text := _plain_text(value)) or name == spec.first:
            item[name] = text
    return item


def _parts(line: str) -> list[str]:
    """Split at bars that have no backslash before them."""
    parts, start, index = [], 0, 0
    while index < len(line):
        if line[index] == "\\":
            index += 2
            continue
        if line[index] == "|":
            parts.append(line[start:index])
            start = index + 1
        index += 1
    return [*parts, line[start:]]


# Against formulas.

_FORMULA = "=+-@\t\r\n＝＋－＠"
_TAKEN_FOR_NUMBER = re.compile(
    r"0\d+|\d{12,}|\d+[-./]\d+([-./]\d+)?|\d+,\d+|\d+e\d+|true|false|wahr|falsch", re.IGNORECASE
)


def _doubled(text: str) -> str:
    """A text that really begins with an apostrophe gets a second one, where the first would be taken away."""
    return f"'{text}" if text.startswith("'") and _unguarded(text) != text else text


def guarded(text: str) -> str:
    """As it has to stand in CSV: no program takes it for a formula, a date or a number without its zero.

    https://owasp.org/www-community/attacks/CSV_Injection
    """
    if text and (text[0] in _FORMULA or _TAKEN_FOR_NUMBER.fullmatch(text)):
        return f"'{text}"
    return _doubled(text)


def _unguarded(text: str) -> str:
    """Without the apostrophe that keeps a program from reckoning; one that belongs to the text stays."""
    rest = text[1:]
    if not text.startswith("'") or not rest:
        return text
    held = rest[0] in _FORMULA or rest[0] == "'" or rest[0].isdigit() or _TAKEN_FOR_NUMBER.fullmatch(rest)
    return rest if held else text


# Files.


def header(field: str, labels: Mapping[str, str]) -> str:
    """ "Name in everyday words [name]": for people, and for the way back."""
    name = labels.get(field)
    return f"{name} [{field}]" if name else field


def xlsx(
    entries: Mapping[str, Iterable[Record]],
    *,
    labels: Mapping[str, Mapping[str, str]] | None = None,
    titles: Mapping[str, str] | None = None,
    help_title: str = "",
    help_lines: Sequence[str] = (),
) -> bytes:
    """A workbook with a sheet per entity; `labels` are names of fields and `titles` of sheets. Raises TooLong."""
    rows = {
        entity: [_checked(entity, record) for record in entries[entity]]
        for entity in ENTITIES
        if entity in entries
    }
    book = Workbook(write_only=True)
    wrap, top = Alignment(vertical="top", wrap_text=True), Alignment(vertical="top")
    for entity, lines in rows.items():
        sheet = book.create_sheet((titles or {}).get(entity, SHEETS[entity]))
        sheet.freeze_panes = "C2"
        names = (labels or {}).get(entity, {})
        head = []
        for index, column in enumerate(COLUMNS[entity], 1):
            sheet.column_dimensions[get_column_letter(index)].width = column.width
            cell = WriteOnlyCell(sheet, header(column.field, names))
            cell.font = Font(bold=True)
            cell.alignment = wrap
            head.append(cell)
        sheet.append(head)
        for line in lines:
            row: list[Any] = []
            for value in line:
                cell = WriteOnlyCell(sheet, value)  # type: ignore[arg-type]
                if isinstance(value, str) and value:
                    # Never a formula, and never a number without its zero, also after somebody edits the cell.
                    cell.data_type = "s"
                    cell.number_format = "@"
                    cell.quotePrefix = value[0] in _FORMULA
                elif isinstance(value, date):
                    cell.number_format = "DD.MM.YYYY"
                cell.alignment = wrap if isinstance(value, str) and "\n" in value else top
                row.append(cell)
            sheet.append(row)
    if help_lines:
        sheet = book.create_sheet(help_title or "help")
        sheet.column_dimensions["A"].width = 110
        for text in help_lines:
            cell = WriteOnlyCell(sheet, text)
            cell.data_type = "s"
            cell.alignment = Alignment(wrap_text=True, vertical="top")
            sheet.append([cell])
    target = io.BytesIO()
    book.save(target)
    return target.getvalue()


def _checked(entity: str, record: Record) -> list[Value]:
    values = []
    for field, value in to_row(entity, record).items():
        text = _doubled(value) if isinstance(value, str) else value
        if isinstance(text, str) and len(text) > MOST_SIGNS:
            raise TooLong(entity, str(getattr(record, "slug", "")), field)
        values.append(text)
    return values


def csv_text(entity: str, records: Iterable[Record], labels: Mapping[str, str] | None = None) -> bytes:
    """One table: semicolons, decimal commas and a byte order mark, as Excel in German reads it."""
    target = io.StringIO(newline="")
    writer = csv.writer(target, delimiter=";", lineterminator="\r\n", quoting=csv.QUOTE_MINIMAL)
    writer.writerow([header(column.field, labels or {}) for column in COLUMNS[entity]])
    for record in records:
        writer.writerow([_csv_value(value) for value in to_row(entity, record).values()])
    return target.getvalue().encode("utf-8-sig")


def _csv_value(value: Value) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return guarded(value)
    if isinstance(value, float):
        return repr(value).replace(".", ",")
    return _text(value)


def csv_zip(
    entries: Mapping[str, Iterable[Record]], *, labels: Mapping[str, Mapping[str, str]] | None = None
) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for entity in ENTITIES:
            if entity in entries:
                text = csv_text(entity, entries[entity], (labels or {}).get(entity))
                archive.writestr(f"{SHEETS[entity]}.csv", text)
    return target.getvalue()
