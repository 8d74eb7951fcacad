"""Opening hours between the form and OSM syntax: rows of weekdays, special days, and the sentence for them."""

import re
from collections.abc import Iterable, Mapping
from datetime import date, datetime, time
from typing import Any

from portal.catalogue import hours, weekly_hours
from portal.catalogue.editing import EntryProblem
from portal.catalogue.weekly_hours import BY_ARRANGEMENT, HOLIDAY, Day, Row, Span, Special, WeeklyHours
from portal.web.admin.editing.tree import Node, is_blank, numbered, rows, text, texts, ticked
from portal.web.current import current_portal
from portal.web.public import presenting
from portal.web.texts import N_, clock, day, gettext, listing, weekday

ALSO_BY_ARRANGEMENT = "Auch nach Vereinbarung."
"""Public text, so German; stands at the end of the note to the hours."""
WEEKS = {
    "0": N_("every week"),
    "1": N_("only the first of the month"),
    "2": N_("only the second of the month"),
    "3": N_("only the third of the month"),
    "4": N_("only the fourth of the month"),
    "-1": N_("only the last of the month"),
}
KINDS = {"open": N_("open"), "appointment": N_("by appointment"), "closed": N_("closed")}
_UNTOUCHED = ("kind", "week", "words", "yearly")
"""Fields of a row that have a value before anybody enters one."""
_CLOCK = re.compile(r"^(\d{1,2})(?:[:.h](\d{2}))?(?: ?uhr)?$", re.IGNORECASE)


# From a record to the form.


def schedule_tree(schedule: Mapping[str, Any]) -> Node:
    original = schedule["opening_hours"]
    note = schedule.get("description") or ""
    arranged = note == ALSO_BY_ARRANGEMENT or note.endswith(f" {ALSO_BY_ARRANGEMENT}")
    if arranged:
        note = note.removesuffix(ALSO_BY_ARRANGEMENT).rstrip()
    found = weekly_hours.read(original)
    node: Node = {
        "channel": [schedule.get("channel") or "visit"],
        "note": [note],
        "arrangement": ["y"] if arranged else [],
        "original": [original],
    }
    if found is None:
        return {**node, "mode": ["kept"]}
    return {**node, **_weekly_tree(found), "mode": ["rows"]}


def blank_schedule() -> Node:
    return {"channel": ["visit"], "mode": ["rows"], "holidays": ["y"]}


def _weekly_tree(found: WeeklyHours) -> Node:
    return {
        "always": ["y"] if found.always else [],
        "holidays": ["y"] if found.closed_on_holidays else [],
        "rows": numbered(
            {
                "days": [str(day) for day in row.days],
                "week": [str(row.week)],
                "kind": [row.kind],
                "words": [row.words],
                **_span_fields(row.spans),
            }
            for row in found.rows
        ),
        "specials": numbered(
            {
                "first": [_date_field(special.first)],
                "last": [_date_field(special.last) if special.last else ""],
                "yearly": ["y"] if special.first.year is None else [],
                "kind": [special.kind],
                "words": [special.words],
                **_span_fields(special.spans),
            }
            for special in found.specials
        ),
    }


def _span_fields(spans: Iterable[Span]) -> Node:
    fields: Node = {}
    for index, (start, end) in enumerate(spans, 1):
        fields[f"from{index}"], fields[f"to{index}"] = [start], [end]
    return fields


def _date_field(found: Day) -> str:
    # A date field wants a year; the tick beside it says that it does not count.
    return f"{found.year or 2028:04}-{found.month:02}-{found.day:02}"


# From the form to a record.


def is_blank_schedule(node: Node) -> bool:
    if text(node, "mode") == "kept" or ticked(node, "always"):
        return False
    return is_blank(
        {name: node.get(name, []) for name in ("rows", "specials", "note", "arrangement")}, but=_UNTOUCHED
    )


def tidy_schedule(node: Node) -> None:
    """Without rows in which nothing was entered."""
    for name in ("rows", "specials"):
        node[name] = numbered(row for row in rows(node, name) if not is_blank(row, but=_UNTOUCHED))


def schedule_values(node: Node, path: str, problems: list[EntryProblem]) -> dict[str, Any]:
    """What stands in the record; hours that were not touched stay as they were written."""
    note = text(node, "note")
    if ticked(node, "arrangement"):
        note = f"{note} {ALSO_BY_ARRANGEMENT}".strip()
    return {
        "opening_hours": osm(node, path, problems),
        "channel": text(node, "channel") or "visit",
        "description": note or None,
    }


def osm(node: Node, path: str, problems: list[EntryProblem]) -> str:
    original = text(node, "original")
    if text(node, "mode") == "kept":
        return original
    wanted = weekly(node, path, problems)
    if original and weekly_hours.read(original) == wanted:
        return original
    written = weekly_hours.write(wanted)
    if not written:
        _wrong(problems, f"{path}.rows", "hours_missing")
    return written


def weekly(node: Node, path: str, problems: list[EntryProblem]) -> WeeklyHours:
    """The rows as they were entered; what is wrong is added to `problems`."""
    if ticked(node, "always"):
        return WeeklyHours(always=True)
    found = []
    for index, row in enumerate(rows(node, "rows")):
        here = f"{path}.rows.{index}"
        kind = _kind(row)
        days = tuple(sorted({int(day) for day in texts(row, "days") if day in tuple("01234567")}))
        spans = () if kind == "closed" else _spans(row, here, problems)
        week = text(row, "week")
        if not days:
            _wrong(problems, f"{here}.days", "hours_no_day")
        if kind == "open" and not spans:
            _wrong(problems, f"{here}.from1", "hours_no_time")
        found.append(Row(days, spans, kind, _words(row, kind), int(week) if week in WEEKS else 0))
    specials = []
    for index, row in enumerate(rows(node, "specials")):
        here = f"{path}.specials.{index}"
        kind = _kind(row)
        yearly = ticked(row, "yearly")
        first, last = (_day(row, name, here, problems, yearly=yearly) for name in ("first", "last"))
        spans = () if kind == "closed" else _spans(row, here, problems)
        if kind == "open" and not spans:
            _wrong(problems, f"{here}.from1", "hours_no_time")
        if first is None:
            if not text(row, "first"):
                _wrong(problems, f"{here}.first", "hours_no_date")
            continue
        if last is not None and not yearly and _key(last) < _key(first):
            _wrong(problems, f"{here}.last", "hours_ends_before")
        specials.append(Special(first, None if last == first else last, spans, kind, _words(row, kind)))
    if problems:
        found = [row for row in found if row.days]
    made = WeeklyHours(tuple(found), tuple(specials), closed_on_holidays=ticked(node, "holidays"))
    return WeeklyHours(
        weekly_hours.grouped(made.rows), made.specials, closed_on_holidays=made.closed_on_holidays
    )


def _kind(row: Node) -> weekly_hours.Kind:
    kind = text(row, "kind")
    return "appointment" if kind == "appointment" else "closed" if kind == "closed" else "open"


def _words(row: Node, kind: str) -> str:
    words = text(row, "words").replace('"', "'")[:80]
    if kind == "open":
        return ""
    return words or (BY_ARRANGEMENT if kind == "appointment" else "")


def _spans(row: Node, path: str, problems: list[EntryProblem]) -> tuple[Span, ...]:
    spans = []
    for index in (1, 2):
        ends = []
        for name in (f"from{index}", f"to{index}"):
            entered = text(row, name)
            moment = clock_of(entered)
            if entered and moment is None:
                _wrong(problems, f"{path}.{name}", "hours_no_clock", value=entered)
            ends.append(moment)
        start, end = ends
        if start and end:
            if start == end and start != "00:00":
                _wrong(problems, f"{path}.to{index}", "hours_same")
            else:
                spans.append((start, end))
        elif bool(text(row, f"from{index}")) != bool(text(row, f"to{index}")):
            missing = "to" if text(row, f"from{index}") else "from"
            _wrong(problems, f"{path}.{missing}{index}", "hours_half")
    return tuple(spans)


def clock_of(entered: str) -> str | None:
    """`8`, `8.30` and `8:30 Uhr` are understood; `24:00` is midnight."""
    found = _CLOCK.match(entered.strip())
    if not found:
        return None
    hour, minute = int(found[1]), int(found[2] or 0)
    if (hour, minute) == (24, 0):
        hour = 0
    return f"{hour:02}:{minute:02}" if hour < 24 and minute < 60 else None


def _day(row: Node, name: str, path: str, problems: list[EntryProblem], *, yearly: bool) -> Day | None:
    entered = text(row, name)
    if not entered:
        return None
    try:
        found = date.fromisoformat(entered)
    except ValueError:
        found = None
    if found is None or not 2000 <= found.year <= 2100:
        _wrong(problems, f"{path}.{name}", "no_date", value=entered)
        return None
    return Day(found.month, found.day, None if yearly else found.year)


def _key(found: Day) -> tuple[int, int, int]:
    return (found.year or 0, found.month, found.day)


def _wrong(problems: list[EntryProblem], field: str, code: str, **values: Any) -> None:
    problems.append(EntryProblem(field, code, code, values))


# In words.


def sentence(opening_hours: str) -> str:
    """What the hours say, for people; also for hours that the rows cannot show."""
    found = weekly_hours.read(opening_hours)
    return weekly_sentence(found) if found is not None else other_sentence(opening_hours)


def weekly_sentence(found: WeeklyHours) -> str:
    if found.always:
        return gettext("Day and night, every day.")
    parts = []
    for row in found.rows:
        parts.append(gettext("%(days)s: %(times)s", days=_days_words(row), times=_times_words(row)))
    for special in found.specials:
        parts.append(gettext("%(days)s: %(times)s", days=_dates_words(special), times=_times_words(special)))
    if found.closed_on_holidays:
        parts.append(gettext("Public holidays: closed"))
    return "; ".join(parts) + "." if parts else ""


def _days_words(row: Row) -> str:
    runs: list[list[int]] = []
    for number in row.days:
        if runs and number == runs[-1][-1] + 1 and number != HOLIDAY and not row.week:
            runs[-1].append(number)
        else:
            runs.append([number])
    names = []
    for run in runs:
        if len(run) > 2:
            names.append(gettext("%(first)s to %(last)s", first=_name(run[0]), last=_name(run[-1])))
        else:
            names += [_name(number) for number in run]
    words = listing(names)
    return f"{words} ({gettext(WEEKS[str(row.week)])})" if str(row.week) in WEEKS and row.week else words


def _name(number: int) -> str:
    return gettext("public holidays") if number == HOLIDAY else weekday(number)


def _dates_words(special: Special) -> str:
    first = _date_words(special.first)
    return f"{first} – {_date_words(special.last)}" if special.last else first


def _date_words(found: Day) -> str:
    if found.year is not None:
        try:
            return day(date(found.year, found.month, found.day))
        except ValueError:
            return f"{found.day}.{found.month}.{found.year}"
    return gettext("every year on %(date)s", date=f"{found.day}.{found.month}.")


def _times_words(part: Row | Special) -> str:
    spans = listing([f"{_clock(start)}–{_clock(end)}" for start, end in part.spans])
    if part.kind == "closed":
        return gettext("closed (%(why)s)", why=part.words) if part.words else gettext("closed")
    if part.kind == "appointment":
        words = part.words or gettext("by appointment")
        return f"{spans} ({words})" if spans else words
    return spans or gettext("the whole day")


def _clock(text: str) -> str:
    return clock(datetime.combine(date(2026, 1, 1), time.fromisoformat(text)))


def other_sentence(opening_hours: str) -> str:
    """The usual week, or, when no week is like the other, the next times."""
    portal = current_portal()
    try:
        hours.check(opening_hours)
    except hours.HoursError:
        return gettext("These hours cannot be read.")
    if hours.is_weekly(opening_hours):
        days = [
            gettext("%(days)s: %(times)s", days=name, times=times)
            for name, times in presenting.week_table([opening_hours])
            if times != gettext("closed")
        ]
        return "; ".join(days) + "."
    slots = hours.next_slots(
        opening_hours,
        portal.now(),
        subdivision=portal.region.holiday_subdivision,
        timezone=portal.timezone,
        limit=4,
    )
    times = listing([f"{day(slot.start.date())} {clock(slot.start)}–{clock(slot.end)}" for slot in slots])
    return (
        gettext("The next times: %(times)s.", times=times)
        if times
        else gettext("No fixed time in the next two months.")
    )
