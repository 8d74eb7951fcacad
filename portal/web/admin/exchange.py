"""The catalogue as a file and back: export, and an import in three steps: file, columns, dry run."""

import io
import tempfile
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flask import Blueprint, Response, abort, redirect, request, url_for
from openpyxl.utils import get_column_letter
from werkzeug.wrappers import Response as BaseResponse

from portal.accounts import audit
from portal.accounts.permissions import Permission
from portal.catalogue import editing, exporting, importing, spreadsheets
from portal.catalogue.editing import EntryProblem
from portal.catalogue.importing import (
    ChangedMeanwhile,
    FaultyRows,
    FileRefused,
    KeptFile,
    KeptFiles,
    Plan,
    PlannedRow,
    Sheet,
    SheetMapping,
)
from portal.catalogue.models import Status, entity_id
from portal.catalogue.spreadsheets import COLUMNS, ENTITIES
from portal.web.admin import differences
from portal.web.admin.differences import Changed
from portal.web.admin.editing.wording import label, problem_words
from portal.web.admin.guard import me, needs
from portal.web.admin.paging import Paging
from portal.web.admin.rendering import render, say
from portal.web.current import current_portal
from portal.web.database import current_session
from portal.web.texts import N_, gettext, ngettext

FORMATS = ("xlsx", "csv", "content")
TITLES: Mapping[str, str] = {
    "organization": N_("Organizations"),
    "location": N_("Places"),
    "service": N_("Offers"),
}
ACTIONS: Mapping[str, str] = {
    "faulty": N_("Faulty"),
    "new": N_("New"),
    "changed": N_("Changed"),
    "unchanged": N_("Unchanged"),
}
_TAGS = {"faulty": "bad-tag", "new": "open", "changed": "wait", "unchanged": ""}
_LABELS: Mapping[str, str] = {"slug": N_("Short name in the address"), "address.postal_code": N_("Postcode")}
"""Of columns that no form has."""


def register(bp: Blueprint) -> None:
    bp.add_url_rule("/exchange", "exchange", exchange)
    bp.add_url_rule("/exchange/export", "export", export, methods=["POST"])
    bp.add_url_rule("/exchange/import", "upload", upload, methods=["POST"])
    bp.add_url_rule("/exchange/import/<token>", "import_columns", columns, methods=["GET", "POST"])
    bp.add_url_rule("/exchange/import/<token>/check", "import_check", check, methods=["GET", "POST"])


# What belongs to whoever asks.


def may(entity: str, record: Any) -> bool:
    """Whether this entry lies in the area for which the user may exchange lists."""
    region = current_portal().region.slug
    owner = record.slug if entity == "organization" else record.organization
    areas = record.service_areas if entity == "service" else ()
    if entity == "location" and record.place is not None:
        areas = (record.place,)
    return me().powers.may_for(
        Permission.EXCHANGE, organization_id=entity_id(region, "organization", owner), areas=areas
    )


def _kept_files() -> KeptFiles:
    return KeptFiles(current_portal().settings.data_dir / "imports")


def kept_or_404(token: str) -> KeptFile:
    found = _kept_files().get(me().user.id, token, now=current_portal().now())
    if found is None:
        abort(404)
    return found


def field_label(field: str) -> str:
    return gettext(_LABELS[field]) if field in _LABELS else label(field)


def _labels() -> dict[str, dict[str, str]]:
    return {
        entity: {column.field: field_label(column.field) for column in columns}
        for entity, columns in COLUMNS.items()
    }


# Export.


@needs(Permission.EXCHANGE)
def exchange() -> Response:
    return _start()


def _start(error: str = "", status: int = 200) -> Response:
    return render(
        "admin/export.html",
        status=status,
        error=error,
        everything=me().powers.may_everywhere(Permission.EXCHANGE),
        rows=importing.MOST_ROWS,
        megabytes=importing.MOST_BYTES // 1024 // 1024,
    )


@needs(Permission.EXCHANGE)
def export() -> Response:
    wanted = request.form.get("format", "")
    if wanted not in FORMATS:
        return _start(gettext("Please choose a format."), 422)
    portal, session = current_portal(), current_session()
    region, now = portal.region.slug, portal.now()
    try:
        if wanted == "content":
            if not me().powers.may_everywhere(Permission.EXCHANGE):
                abort(403)
            data, number, kind = _content(), 0, "application/zip"
        else:
            entries = _entries()
            number = sum(len(records) for records in entries.values())
            if wanted == "csv":
                data, kind = spreadsheets.csv_zip(entries, labels=_labels()), "application/zip"
            else:
                data = spreadsheets.xlsx(
                    entries,
                    labels=_labels(),
                    titles={entity: gettext(title) for entity, title in TITLES.items()},
                    help_title=gettext("Help"),
                    help_lines=_help(),
                )
                kind = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
    except spreadsheets.TooLong as error:
        return _start(
            gettext(
                "An entry is too long for a table: %(entry)s. The content format has room for it.",
                entry=error,
            ),
            422,
        )
    audit.record(session, "list.exported", now=now, actor=me(), region=region, format=wanted, number=number)
    session.commit()
    day = now.astimezone(portal.timezone).date().isoformat()
    ending = "xlsx" if wanted == "xlsx" else "zip"
    response = Response(data, content_type=kind)
    response.headers["Content-Disposition"] = f'attachment; filename="{region}-{wanted}-{day}.{ending}"'
    return response


def _entries() -> dict[str, list[Any]]:
    stored = exporting.stored_region(current_session(), current_portal().region.slug)
    found: dict[str, list[Any]] = {}
    for entity, entries in (
        ("organization", stored.organizations),
        ("location", stored.locations),
        ("service", stored.services),
    ):
        found[entity] = [
            record
            for record, row in entries.values()
            if getattr(row, "status", "") != Status.ARCHIVED and may(entity, record)
        ]
    return found


def _content() -> bytes:
    target = io.BytesIO()
    with tempfile.TemporaryDirectory() as folder:
        exporting.export_region(current_session(), current_portal().region.slug, Path(folder))
        with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
            for path in sorted(Path(folder).rglob("*.yaml")):
                archive.write(path, path.relative_to(folder).as_posix())
    return target.getvalue()


def _help() -> list[str]:
    return [
        gettext("One row is one entry. The name in square brackets above a column belongs to the program; please leave it there."),
        gettext("The short name in the address says which entry is meant. Leave it empty for a new entry."),
        gettext("A column you take out changes nothing. A cell you empty empties the field. A row you take out changes nothing."),
        gettext("What there is several of stands in one cell, one per line, its parts set apart by | as here:"),
        "030 23125 123 | type=fax | description=Zentrale | languages=de, en",
        gettext("What belongs to a contact or a place of an offer follows on lines that begin with +, as here:"),
        "Anmeldung | email=post@example.org",
        "+ phones: 030 23125 124",
        gettext("Topics, languages and areas are set apart by commas. DE is the whole country."),
        gettext("Please keep phone numbers and postcodes as text, so that no zero gets lost."),
    ]  # fmt: skip


# Import, step 1: the file.

_REFUSED: Mapping[str, str] = {
    "empty": N_("This file has no rows. The first row needs the names of the columns."),
    "too_big": N_("This file is larger than %(megabytes)s MB. Please split it."),
    "too_many_rows": N_("This file has more than %(rows)s rows. Please split it."),
    "too_many_columns": N_("This file has more than %(columns)s columns. Is it the right one?"),
    "unpacks_too_big": N_("This file becomes too large when it is unpacked. Please save only the tables you need."),
    "broken": N_("This file is damaged. Please open it in your spreadsheet program and save it anew."),
    "macros": N_("This file has macros. Please save it as an Excel workbook without macros (.xlsx)."),
    "locked": N_("This file needs a password. Please save it without one."),
    "old_excel": N_("This is an old or a locked Excel file. Please save it as .xlsx without a password."),
    "open_document": N_("This is an OpenDocument table. Please save it as .xlsx or .csv."),
    "wrong_type": N_("This is neither an Excel workbook nor a CSV table."),
}  # fmt: skip


def refused_words(error: FileRefused) -> str:
    return gettext(_REFUSED[error.code], **error.values)


@needs(Permission.EXCHANGE)
def upload() -> BaseResponse:
    sent = request.files.get("file")
    if sent is None or not sent.filename:
        return _start(gettext("Please choose a file."), 422)
    data = sent.stream.read(importing.MOST_BYTES + 1)
    try:
        sheets = importing.read_file(sent.filename, data)
    except FileRefused as error:
        return _start(refused_words(error), 422)
    files, owner, now = _kept_files(), me().user.id, current_portal().now()
    token = files.put(owner, sent.filename, data, now=now)
    names = _recognisable()
    _keep_mappings(kept_or_404(token), [importing.guessed(sheet, names) for sheet in sheets])
    return redirect(url_for("admin.import_columns", token=token), code=303)


def _recognisable() -> dict[str, dict[str, list[str]]]:
    return {entity: {field: [name] for field, name in fields.items()} for entity, fields in _labels().items()}


def _keep_mappings(kept: KeptFile, mappings: Sequence[SheetMapping], **notes: Any) -> None:
    stored = [[mapping.entity, list(mapping.fields)] for mapping in mappings]
    _kept_files().note(me().user.id, kept, mappings=stored, **notes)


def _mappings(kept: KeptFile) -> list[SheetMapping]:
    return [SheetMapping(entity, tuple(fields)) for entity, fields in kept.notes["mappings"]]


# Step 2: the columns.


@dataclass(frozen=True, slots=True)
class ColumnChoice:
    id: str
    letter: str
    title: str
    example: str
    field: str
    known: bool
    """Whether it was recognised or chosen."""


@dataclass(frozen=True, slots=True)
class SheetChoice:
    id: str
    name: str
    number: int
    """Of rows."""
    entity: str
    columns: tuple[ColumnChoice, ...]
    fields: tuple[tuple[str, str], ...]
    unknown: tuple[str, ...]
    twice: tuple[str, ...]


@needs(Permission.EXCHANGE)
def columns(token: str) -> BaseResponse:
    kept = kept_or_404(token)
    sheets = importing.read_file(kept.name, kept.data)
    if request.method == "GET":
        return _columns(kept, sheets, _mappings(kept))
    mappings = [
        _sent(index, sheet, before)
        for index, (sheet, before) in enumerate(zip(sheets, _mappings(kept), strict=True))
    ]
    if any(before.entity != after.entity for before, after in zip(_mappings(kept), mappings, strict=True)):
        # Other entries have other fields, so the columns are matched anew and shown once more.
        _keep_mappings(kept, mappings)
        return redirect(url_for("admin.import_columns", token=token), code=303)
    error = ""
    if not any(mapping.entity for mapping in mappings):
        error = gettext("Please say for at least one table what it is about.")
    elif any(mapping.twice for mapping in mappings):
        error = gettext("Two columns cannot fill the same field.")
    elif any(mapping.entity and not set(mapping.fields) & {"slug", "name"} for mapping in mappings):
        error = gettext("One column must be the name or the short name in the address.")
    if error:
        return _columns(kept, sheets, mappings, error=error, status=422)
    _keep_mappings(kept, mappings)
    return redirect(url_for("admin.import_check", token=token), code=303)


def _sent(index: int, sheet: Sheet, before: SheetMapping) -> SheetMapping:
    entity = request.form.get(f"sheet-{index}", "")
    if entity not in ENTITIES:
        return SheetMapping("", ("",) * len(sheet.header))
    if entity != before.entity:
        return importing.guessed(sheet, _recognisable(), entity)
    known = spreadsheets.KINDS[entity]
    chosen = [request.form.get(f"sheet-{index}-{number}", "") for number in range(len(sheet.header))]
    return SheetMapping(entity, tuple(name if name in known else "" for name in chosen))


def _columns(
    kept: KeptFile, sheets: Sequence[Sheet], mappings: Sequence[SheetMapping], *, error: str = "", status: int = 200
) -> Response:  # fmt: skip
    labels = _labels()
    choices = []
    for index, (sheet, mapping) in enumerate(zip(sheets, mappings, strict=True)):
        fields = labels.get(mapping.entity, {})
        found = tuple(
            ColumnChoice(
                f"sheet-{index}-{number}",
                get_column_letter(number + 1),
                title,
                _example(sheet, number),
                name,
                known=bool(name),
            )
            for number, (title, name) in enumerate(zip(sheet.header, mapping.fields, strict=True))
        )
        choices.append(
            SheetChoice(
                f"sheet-{index}",
                sheet.name,
                len(sheet.rows),
                mapping.entity,
                found,
                tuple(fields.items()),
                tuple(one.title or one.letter for one in found if not one.known) if mapping.entity else (),
                tuple(fields[name] for name in mapping.twice),
            )
        )
    return render(
        "admin/import_columns.html",
        status=status,
        error=error,
        token=kept.token,
        file=kept.name,
        sheets=choices,
        entities=[
            ("", gettext("Leave it out")),
            *((entity, gettext(title)) for entity, title in TITLES.items()),
        ],
    )


def _example(sheet: Sheet, column: int) -> str:
    for _number, cells in sheet.rows:
        if column < len(cells) and cells[column] not in (None, ""):
            text = str(cells[column])
            return text if len(text) < 60 else f"{text[:57]}…"
    return ""


# Step 3: the dry run.


@dataclass(frozen=True, slots=True)
class Fault:
    where: str
    """Column, in words; empty for the row as a whole."""
    text: str


@dataclass(frozen=True, slots=True)
class RowLine:
    number: int
    sheet: str
    kind: str
    name: str
    slug: str
    action: str
    tag: str
    url: str
    """Of the entry that is there."""
    like: str
    like_url: str
    faults: tuple[Fault, ...]
    changes: tuple[Changed, ...]


@needs(Permission.EXCHANGE)
def check(token: str) -> BaseResponse:
    kept = kept_or_404(token)
    sheets, mappings = importing.read_file(kept.name, kept.data), _mappings(kept)
    if not any(mapping.entity for mapping in mappings):
        return redirect(url_for("admin.import_columns", token=token), code=303)
    portal, session = current_portal(), current_session()
    region = portal.region.slug
    if request.method == "GET":
        plan = importing.plan(session, region, sheets, mappings, may=may)
        _keep_mappings(kept, mappings, agreed=plan.state())
        return _check(kept, mappings, plan)
    agreed = kept.notes.get("agreed")
    if agreed is None:
        return redirect(url_for("admin.import_check", token=token), code=303)
    now = portal.now()
    try:
        plan = importing.apply(
            session, region, sheets, mappings, agreed=agreed, author=me(), now=now, may=may,
            comment=gettext("Import of “%(file)s”", file=kept.name),
        )  # fmt: skip
    except FaultyRows as refused:
        session.rollback()
        _keep_mappings(kept, mappings, agreed=refused.plan.state())
        return _check(kept, mappings, refused.plan, status=422)
    except ChangedMeanwhile as refused:
        session.rollback()
        _keep_mappings(kept, mappings, agreed=refused.plan.state())
        names = ", ".join(f"{row.name} ({row.number})" for row in refused.rows[:10])
        error = gettext(
            "Somebody changed entries since the dry run, so nothing was written. Please look at these rows again: %(rows)s",
            rows=names or "–",
        )  # fmt: skip
        return _check(kept, mappings, refused.plan, error=error, status=409)
    counts = plan.counts()
    audit.record(
        session, "list.imported", now=now, actor=me(), region=region, new=counts["new"],
        changed=counts["changed"], unchanged=counts["unchanged"],
    )  # fmt: skip
    session.commit()
    _kept_files().drop(me().user.id, token)
    numbers = {name: counts[name] for name in ("new", "changed", "unchanged")}
    say(gettext("The file is in: %(new)s new, %(changed)s changed, %(unchanged)s unchanged.", **numbers))
    return redirect(url_for("admin.exchange"), code=303)


def _check(
    kept: KeptFile, mappings: Sequence[SheetMapping], plan: Plan, *, error: str = "", status: int = 200
) -> Response:  # fmt: skip
    counts = plan.counts()
    show = request.args.get("show", "")
    if show not in ACTIONS:
        show = next(action for action in ACTIONS if counts[action] or action == "unchanged")
    rows = [row for row in plan.rows if row.action == show]
    paging = Paging.read(len(rows))
    by_sheet = _letters(kept, mappings)
    own = url_for("admin.import_check", token=kept.token)
    return render(
        "admin/import_check.html",
        status=status,
        error=error,
        token=kept.token,
        file=kept.name,
        counts=counts,
        writes=counts["new"] + counts["changed"],
        summary=_summary(counts),
        chips=[
            (gettext(name), f"{own}?show={action}", counts[action], action == show)
            for action, name in ACTIONS.items()
        ],
        show=show,
        lines=[_line(row, by_sheet) for row in rows[paging.offset : paging.offset + paging.size]],
        paging=paging,
    )


def _summary(counts: Mapping[str, int]) -> str:
    if counts["faulty"]:
        return ngettext(
            "%(num)s row is faulty. Nothing is written until it is right: correct it in your file and choose the file again.",
            "%(num)s rows are faulty. Nothing is written until they are right: correct them in your file and choose the file again.",
            counts["faulty"],
        )  # fmt: skip
    if not counts["new"] + counts["changed"]:
        return gettext("Everything in the file is there already. There is nothing to do.")
    return gettext("No row is faulty. Nothing has been written yet.")


def _letters(kept: KeptFile, mappings: Sequence[SheetMapping]) -> dict[str, dict[str, str]]:
    sheets = importing.read_file(kept.name, kept.data)
    return {
        sheet.name: {
            name: gettext("Column %(letter)s, “%(title)s”", letter=get_column_letter(index + 1), title=sheet.header[index])
            for index, name in enumerate(mapping.fields)
            if name
        }
        for sheet, mapping in zip(sheets, mappings, strict=True)
    }  # fmt: skip


def _line(row: PlannedRow, by_sheet: Mapping[str, Mapping[str, str]]) -> RowLine:
    there = row.base_hash is not None
    changes: Sequence[Changed] = ()
    if row.action == "changed" and row.before is not None:
        changes = differences.compared(current_session(), row.before, editing.plain(row.record))
    edit = f"admin.edit_{row.entity}"
    return RowLine(
        row.number,
        row.sheet,
        gettext(TITLES[row.entity]),
        row.name,
        row.slug,
        gettext(ACTIONS[row.action]),
        _TAGS[row.action],
        url_for(edit, slug=row.slug) if there else "",
        row.like,
        url_for(edit, slug=row.like) if row.like else "",
        tuple(Fault(_where(problem, by_sheet[row.sheet]), fault_words(problem)) for problem in row.problems),
        tuple(changes),
    )


def _where(problem: EntryProblem, columns: Mapping[str, str]) -> str:
    parts = problem.field.split(".")
    for length in (2, 1):
        if found := columns.get(".".join(parts[:length])):
            return found
    return "" if problem.field == "record" else field_label(parts[0])


def fault_words(problem: EntryProblem) -> str:
    """What is wrong with a cell or a row, and what to do."""
    values = {name: value for name, value in problem.values.items() if isinstance(value, str | int)}
    if problem.code in _FAULTS:
        return gettext(_FAULTS[problem.code], **{"value": "", "names": "", **values})
    return problem_words(problem)


_FAULTS: Mapping[str, str] = {
    "unknown": N_("“%(value)s” is not known here. Please write the name or the short name exactly as it stands in the lists, or add it to the file, too."),
    "excel_number": N_("The program made a number of this phone number: %(value)s. Its zero or plus is gone. Please format the column as text and enter it anew."),
    "cell_error": N_("A formula failed here: %(value)s. Please enter the value itself."),
    "no_date": N_("“%(value)s” is no date. Please write for example 31.12.2026."),
    "no_yes_no": N_("“%(value)s” is neither “ja” nor “nein”."),
    "no_number": N_("“%(value)s” is no number that fits here."),
    "bad_line": N_("This line cannot be read: “%(value)s”. The sheet “Help” of an export shows how it is written."),
    "bad_part": N_("This part has no name: “%(value)s”. It needs one of these before an equals sign: %(names)s."),
    "twice_in_file": N_("“%(value)s” stands in the file more than once."),
    "reserved": N_("“%(value)s” cannot be used as a short name. Please choose another one."),
    "archived": N_("“%(value)s” is archived. Put it back first, or leave this row out."),
    "shape.string_pattern_mismatch": N_("This is not written as it has to be. Short names and codes have only small letters, digits and a hyphen or underscore."),
}  # fmt: skip
