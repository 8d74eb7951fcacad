"""Opening hours as rows of weekdays that a person can edit, and back to OSM syntax.

What the rows cannot say exactly is not taken apart: `read` then returns None, and the text stays as it is.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from functools import lru_cache
from typing import Literal

from portal.catalogue import hours

Kind = Literal["open", "appointment", "closed"]
Span = tuple[str, str]
"""From and to as `08:00`; `00:00` as the end is midnight at the end of the day."""

DAYS = ("Mo", "Tu", "We", "Th", "Fr", "Sa", "Su", "PH")
HOLIDAY = 7
"""Public holidays are the eighth day of the week."""
MOST_SPANS = 2
BY_ARRANGEMENT = "nach Vereinbarung"
_LAND = "ST"
"""Which holidays does not matter here, only that there are some."""
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")

_DAY = r"(?:Mo|Tu|We|Th|Fr|Sa|Su|PH)"
_DAY_ITEM = rf"{_DAY}(?:-{_DAY})?(?:\[-?\d\])?"
_TIME = r"\d{1,2}:\d{2}-\d{1,2}:\d{2}"
_DATE = rf"(?:\d{{4}}[ ])?(?:{'|'.join(_MONTHS)})[ ]\d{{1,2}}"
_RULE = re.compile(
    rf"""^(?:(?P<date>{_DATE}(?:-(?:{_DATE}|\d{{1,2}}))?)|(?P<days>{_DAY_ITEM}(?:\s*,\s*{_DAY_ITEM})*))?
    \s*(?P<times>{_TIME}(?:\s*,\s*{_TIME})*)?
    \s*(?P<state>off|closed|open|unknown)?
    \s*(?:"(?P<comment>[^"]*)")?$""",
    re.VERBOSE,
)
_MORE = re.compile(rf",\s+(?={_DAY_ITEM}(?:\s*,\s*{_DAY_ITEM})*\s+(?:\d|\"|unknown))")
"""A comma and a space before weekdays: a rule that adds to the one before instead of replacing it."""


@dataclass(frozen=True, slots=True)
class Row:
    days: tuple[int, ...]
    """0 is Monday, 7 public holidays."""
    spans: tuple[Span, ...] = ()
    """None of them: the whole day."""
    kind: Kind = "open"
    words: str = ""
    """For `appointment` what stands there instead of a promise, for `closed` why."""
    week: int = 0
    """1 to 5: only the first … fifth such day of a month, -1 the last; 0 every week."""


@dataclass(frozen=True, slots=True)
class Day:
    month: int
    day: int
    year: int | None = None
    """None: every year."""


@dataclass(frozen=True, slots=True)
class Special:
    """A day or some days on which it is different."""

    first: Day
    last: Day | None = None
    spans: tuple[Span, ...] = ()
    kind: Kind = "closed"
    words: str = ""


@dataclass(frozen=True, slots=True)
class WeeklyHours:
    rows: tuple[Row, ...] = ()
    specials: tuple[Special, ...] = ()
    always: bool = False
    closed_on_holidays: bool = False

    def __bool__(self) -> bool:
        return bool(self.rows or self.specials or self.always)


# From OSM syntax.


@lru_cache(maxsize=2048)
def read(text: str) -> WeeklyHours | None:
    """The rows that say the same as `text`; None when there are none. Raises nothing: a broken text is None."""
    try:
        hours.check(text)
    except hours.HoursError:
        return None
    found = _read(text)
    if found is None or not found:
        return None
    again = write(found)
    return found if again == text or same(again, text) else None


def _read(text: str) -> WeeklyHours | None:
    if text.strip() == "24/7":
        return WeeklyHours(always=True)
    rows: list[Row] = []
    specials: list[Special] = []
    closed_on_holidays = False
    for rule in _split(text):
        for index, part in enumerate(_MORE.split(rule)):
            found = _RULE.match(part.strip())
            if found is None:
                return None
            made = _rule(found)
            if made is None:
                return None
            if isinstance(made, Special):
                specials.append(made)
            elif made.days == (HOLIDAY,) and made.kind == "closed" and not made.words:
                closed_on_holidays = True
            elif specials:
                return None
            else:
                if index == 0:
                    rows = _without(rows, made)
                rows.append(made)
    return WeeklyHours(grouped(rows), tuple(specials), closed_on_holidays=closed_on_holidays)


def _split(text: str) -> list[str]:
    """At the semicolons that do not stand inside a comment."""
    parts = re.findall(r'(?:[^;"]|"[^"]*")+', text)
    return [part.strip() for part in parts if part.strip()]


def _rule(found: re.Match[str]) -> Row | Special | None:
    times, state, comment = found["times"], found["state"], found["comment"] or ""
    if state == "open" and comment:
        return None
    kind: Kind = (
        "closed" if state in ("off", "closed") else "appointment" if comment or state == "unknown" else "open"
    )
    if kind == "closed" and times:
        return None
    spans = tuple(_span(piece) for piece in times.split(",")) if times else ()
    if len(spans) > MOST_SPANS:
        return None
    if found["date"]:
        days = _dates(found["date"])
        return Special(*days, spans, kind, comment) if days and (spans or kind != "open") else None
    if not found["days"]:
        return Row(tuple(range(7)), spans, kind, comment) if spans or kind == "appointment" else None
    days_and_week = _days(found["days"])
    if days_and_week is None:
        return None
    return Row(days_and_week[0], spans, kind, comment, days_and_week[1])


def _span(piece: str) -> Span:
    start, end = (f"{time.strip():0>5}" for time in piece.split("-"))
    return start, "00:00" if end == "24:00" else end


def _days(text: str) -> tuple[tuple[int, ...], int] | None:
    days: set[int] = set()
    weeks = set()
    for item in text.split(","):
        name, _, week = item.strip().rstrip("]").partition("[")
        first, _, last = name.partition("-")
        start, end = DAYS.index(first), DAYS.index(last or first)
        if HOLIDAY in (start, end) and last:
            return None
        between = range(start, end + 1) if start <= end else (*range(start, 7), *range(end + 1))
        days.update(between)
        weeks.add(int(week or 0))
    if len(weeks) != 1 or (HOLIDAY in days and weeks != {0}):
        return None
    return tuple(sorted(days)), weeks.pop()


def _dates(text: str) -> tuple[Day, Day | None] | None:
    first, _, last = text.partition("-")
    start = _day(first)
    if not last:
        return start, None
    if last.isdigit():
        end = replace(start, day=int(last))
    else:
        end = _day(last)
        if end.year is None and start.year is not None:
            end = replace(end, year=start.year)
    return (start, end) if (start.year is None) == (end.year is None) else None


def _day(text: str) -> Day:
    *year, month, day = text.split()
    return Day(_MONTHS.index(month) + 1, int(day), int(year[0]) if year else None)


def _without(rows: Sequence[Row], newer: Row) -> list[Row]:
    """OSM: a later rule replaces the earlier ones on its days."""
    left = []
    for row in rows:
        if row.week == newer.week or newer.week == 0:
            days = tuple(day for day in row.days if day not in newer.days)
            if days:
                left.append(replace(row, days=days))
        else:
            left.append(row)
    return left


# To OSM syntax.


def write(wanted: WeeklyHours) -> str:
    """`Mo-Fr 08:00-12:00; PH off`. Rows for the same day add up; empty when there is nothing to say."""
    if wanted.always:
        return "24/7"
    rows = grouped(wanted.rows)
    rules = []
    for days in dict.fromkeys((row.week, row.days) for row in rows):
        parts = [row for row in rows if (row.week, row.days) == days]
        rules.append(", ".join(f"{_days_text(row)} {_what(row)}" for row in parts))
    rules += [f"{_dates_text(special)} {_what(special)}" for special in wanted.specials]
    if rules and wanted.closed_on_holidays:
        rules.append("PH off")
    return "; ".join(rules)


def grouped(rows: Iterable[Row]) -> tuple[Row, ...]:
    """Days with the same hours in one row, in the order of the week; rows for the same day put together."""
    days: dict[tuple[int, int], dict[tuple[Kind, str], tuple[Span, ...]]] = {}
    for row in rows:
        for day in row.days:
            parts = days.setdefault((row.week, day), {})
            if row.kind == "closed":
                parts.clear()
            else:
                for key in [key for key in parts if key[0] == "closed"]:
                    del parts[key]
            key = (row.kind, row.words)
            # A row without times means the whole day, and nothing can be added to that.
            whole = key in parts and not parts[key]
            parts[key] = () if whole or not row.spans else _united((*parts.get(key, ()), *row.spans))
    grouped: dict[tuple[int, tuple[tuple[tuple[Kind, str], tuple[Span, ...]], ...]], list[int]] = {}
    for (week, day), parts in sorted(days.items(), key=lambda item: (item[0][0] != 0, item[0])):
        # Holidays come last: a later rule wins on its days, and a holiday is a weekday, too.
        plan = tuple(sorted(parts.items(), key=lambda part: (part[1], part[0])))
        grouped.setdefault((week, plan), []).append(day)
    alone = len({plan for (week, plan) in grouped if week == 0}) > 1
    found: list[Row] = []
    holidays: list[Row] = []
    for (week, plan), members in grouped.items():
        sets = [members]
        if alone and HOLIDAY in members and len(members) > 1:
            sets = [members[:-1], members[-1:]]
        for chosen in sets:
            made = [Row(tuple(chosen), spans, kind, words, week) for (kind, words), spans in plan]
            (holidays if chosen == [HOLIDAY] else found).extend(made)
    return (*found, *holidays)


def _united(spans: Iterable[Span]) -> tuple[Span, ...]:
    """In order; what overlaps becomes one. Spans over midnight stay as they are."""
    over = [span for span in spans if span[1] <= span[0] and span[1] != "00:00"]
    usual = sorted((start, "24:00" if end == "00:00" else end) for start, end in set(spans) - set(over))
    made: list[Span] = []
    for start, end in usual:
        if made and start < made[-1][1]:
            made[-1] = (made[-1][0], max(end, made[-1][1]))
        else:
            made.append((start, end))
    return tuple((start, "00:00" if end == "24:00" else end) for start, end in [*made, *sorted(set(over))])


def _days_text(row: Row) -> str:
    week = f"[{row.week}]" if row.week else ""
    runs: list[list[int]] = []
    for day in sorted(set(row.days)):
        if runs and day == runs[-1][-1] + 1 and day != HOLIDAY and not week:
            runs[-1].append(day)
        else:
            runs.append([day])
    names = []
    for run in runs:
        if len(run) > 2:
            names.append(f"{DAYS[run[0]]}-{DAYS[run[-1]]}")
        else:
            names += [f"{DAYS[day]}{week}" for day in run]
    return ",".join(names)


def _dates_text(special: Special) -> str:
    text = _day_text(special.first)
    return f"{text}-{_day_text(special.last)}" if special.last else text


def _day_text(day: Day) -> str:
    return f"{f'{day.year} ' if day.year else ''}{_MONTHS[day.month - 1]} {day.day:02}"


def _what(row: Row | Special) -> str:
    times = ",".join(f"{start}-{'24:00' if end == '00:00' else end}" for start, end in row.spans)
    words = row.words.replace('"', "'").strip()
    if row.kind == "closed":
        return f'off "{words}"' if words else "off"
    if row.kind == "appointment":
        return " ".join(part for part in (times, f'"{words}"' if words else "unknown") if part)
    return times or "00:00-24:00"


# Comparing.


def same(first: str, second: str) -> bool:
    """Whether both say the same on every day of the next years that could make a difference."""
    return all(
        hours.day_parts(first, day, _LAND) == hours.day_parts(second, day, _LAND)
        for day in _days_to_compare(first + second)
    )


def _days_to_compare(text: str) -> Iterable[date]:
    """Fourteen months from a fixed day, and the years that are named."""
    start = date(2026, 1, 1)
    days = {start + timedelta(days=offset) for offset in range(425)}
    for year in {int(found) for found in re.findall(r"(?<![\d:])(20\d\d)(?![\d:])", text)}:
        days.update(date(year, 1, 1) + timedelta(days=offset) for offset in range(366))
    return sorted(days)
