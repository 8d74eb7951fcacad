"""The same texts as a table for Excel and LibreOffice: one row per text."""

import io
import zipfile
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from openpyxl import Workbook, load_workbook
from openpyxl.cell.cell import Cell
from openpyxl.styles import Alignment, Font
from openpyxl.utils.exceptions import InvalidFileException
from openpyxl.worksheet.datavalidation import DataValidation

from portal.catalogue.translating.exchange import MOST_ROWS, FileProblem, Incoming, Unit, writable
from portal.catalogue.translating.texts import STATES

COLUMNS = ("id", "entry", "field", "german", "translation", "state", "comment")
_WIDTHS = (34, 28, 24, 60, 60, 14, 40)
_LARGEST = 100 * 1024 * 1024
"""Bytes of the unpacked parts; a small file can hold a very large one."""


def write(
    units: Sequence[Unit],
    *,
    language: str,
    right_to_left: bool,
    headings: Sequence[str] = COLUMNS,
    states: Mapping[str, str] | None = None,
    fields: Mapping[str, str] | None = None,
) -> bytes:
    """`headings`, `states` and `fields` are words for people; the ids in the first column are for us.

    Raises FileProblem when there is nothing to write.
    """
    if not units:
        raise FileProblem("nothing", "there is nothing to translate")
    words: dict[str, str] = {state: (states or {}).get(state, state) for state in STATES}
    book = Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.title = language
    for column, heading in enumerate(headings, 1):
        sheet.cell(1, column, heading).font = Font(bold=True)
    top = Alignment(wrap_text=True, vertical="top")
    target = Alignment(wrap_text=True, vertical="top", readingOrder=2 if right_to_left else 1)
    for number, unit in enumerate(units, 2):
        texts = (
            unit.id,
            unit.name,
            (fields or {}).get(unit.field, unit.field),
            unit.german,
            unit.text,
            words[unit.state],
            unit.earlier,
        )
        for column, text in enumerate(texts, 1):
            cell = sheet.cell(number, column)
            _as_text(cell, writable(text))
            cell.alignment = target if column == 5 else top
    for letter, width in zip("ABCDEFG", _WIDTHS, strict=True):
        sheet.column_dimensions[letter].width = width
    sheet.freeze_panes = "D2"
    choice = DataValidation(
        type="list", formula1=f'"{",".join(words[state] for state in STATES)}"', allow_blank=True
    )
    sheet.add_data_validation(choice)
    choice.add(f"F2:F{len(units) + 1}")
    body = io.BytesIO()
    book.save(body)
    return body.getvalue()


def _as_text(cell: Any, text: str) -> None:
    """Never a formula, whatever it begins with (OWASP: CSV injection)."""
    if not text:
        return
    cell.value = text
    cell.data_type = "s"
    if text.startswith(("=", "+", "-", "@", "\t", "\r")):
        cell.quotePrefix = True


def read(body: bytes, *, language: str, states: Mapping[str, str] | None = None) -> list[Incoming]:
    """`states` are the words that `write` was given. Raises FileProblem."""
    meanings = {state: state for state in STATES} | {
        word.casefold(): state for state, word in (states or {}).items()
    }
    try:
        with zipfile.ZipFile(io.BytesIO(body)) as packed:
            if sum(part.file_size for part in packed.infolist()) > _LARGEST:
                raise FileProblem("too_large", "the table is too large")
        book = load_workbook(io.BytesIO(body), read_only=True, data_only=False)
    except FileProblem:
        raise
    except (zipfile.BadZipFile, InvalidFileException, KeyError, ValueError, OSError, SyntaxError, TypeError):
        raise FileProblem("not_xlsx", "this is no Excel file (.xlsx)") from None
    try:
        return _rows(book, language, meanings)
    except (zipfile.BadZipFile, KeyError, ValueError, SyntaxError, TypeError, AttributeError):
        raise FileProblem("not_xlsx", "this is no Excel file (.xlsx)") from None
    finally:
        book.close()


def _rows(book: Workbook, language: str, meanings: Mapping[str, str]) -> list[Incoming]:
    sheet = book.worksheets[0]
    if sheet.title.casefold() != language.casefold():
        raise FileProblem(
            "language", f"the sheet is called {sheet.title!r}, not {language!r}", language=sheet.title
        )
    found = []
    for number, cells in enumerate(sheet.iter_rows(min_row=2, max_col=len(COLUMNS)), 2):
        values = [_text(cell) for cell in cells] + [""] * (len(COLUMNS) - len(cells))
        if not any(value.strip() for value in values):
            continue
        state = meanings.get(values[5].strip().casefold())
        wanted: Literal["checked", "unchecked"] | None = (
            "checked" if state == "checked" else "unchecked" if state == "unchecked" else None
        )
        formula = len(cells) > 4 and "f" in {cells[3].data_type, cells[4].data_type}
        found.append(
            Incoming(
                str(number), values[0].strip(), values[3], values[4], wanted, "formula" if formula else None
            )
        )
        if len(found) > MOST_ROWS:
            raise FileProblem("too_many", f"more than {MOST_ROWS} texts")
    if not found:
        raise FileProblem("nothing", "there is no text in the file")
    return found


def _text(cell: Cell | Any) -> str:
    value = cell.value
    if value is None:
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)
