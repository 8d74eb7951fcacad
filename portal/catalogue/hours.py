"""Opening hours in OSM syntax: open now, open until, open again, the week.

`opening-hours-py` reads the syntax. It knows only the public holidays of all Germany, so holidays come from
`holidays` (6 January and 31 October are holidays in Sachsen-Anhalt): on such a day the hours are read with
`PH` meaning every day, on all others with `PH` meaning never. Times are kept local and without a zone until
the end, so that neither the machine's time zone nor a change of clocks moves them.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from itertools import pairwise
from typing import Literal
from zoneinfo import ZoneInfo

from holidays import country_holidays
from opening_hours import OpeningHours, ParserError  # type: ignore[attr-defined]  # Missing in its stub.
from opening_hours import State as _State

State = Literal["open", "closed", "unknown", "always"]

DEFAULT_TIMEZONE = ZoneInfo("Europe/Berlin")
_HORIZON_DAYS = 62
"""How far to look for the next opening: a desk that opens on the first Tuesday of a month is found."""
_DAY_MINUTES = 24 * 60
_LONG = (datetime.combine(date(2026, 1, 1), time()), datetime.combine(date(2028, 3, 11), time()))
"""Holds a week 53 and a 29 February: what never changes in it never changes, unless a year is named."""
_YEAR = re.compile(r"(?<![\d:])\d{4}(?![\d:])")
_PUBLIC_HOLIDAY = re.compile(r"\bPH\b(?!\s*[+-]\s*\d+\s*day)")
_SHIFTED_HOLIDAY = re.compile(r"\b(?:PH|SH)\s*[+-]\s*\d+\s*days?\b")
_STATED_OPEN = re.compile(r'\bopen\s+"')
_QUOTED = re.compile(r'"[^"]*"')


class HoursError(ValueError):
    """The text is not in OSM's opening hours syntax, or uses a part of it that is not understood here."""


@dataclass(frozen=True, slots=True)
class OpenStatus:
    state: State
    """`unknown`: the hours say "by appointment", or they are silent about a public holiday."""
    until: datetime | None = None
    """When `open` ends, or when `unknown` ends."""
    opens: datetime | None = None
    """When it surely is open again; None when that is not within two months."""
    comment: str | None = None
    """What the hours themselves say about this moment, as written."""
    holiday: bool = False
    """`at` lies on a public holiday."""


@dataclass(frozen=True, slots=True)
class _Span:
    """A part of one day, minutes since local midnight; `end` may be 1440."""

    start: int
    end: int
    state: Literal["open", "unknown"]
    comment: str


@dataclass(frozen=True, slots=True)
class _Hours:
    every_day: OpeningHours
    on_holidays: OpeningHours
    mentions_holidays: bool
    stated_open: bool
    always: bool


def _parse(text: str) -> OpeningHours:
    try:
        return OpeningHours(text, auto_country=False, auto_timezone=False)
    except ParserError as error:
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        raise HoursError(f"not in OSM syntax: {text!r} ({lines[-1].lstrip('= ')})") from None


@lru_cache(maxsize=4096)
def _hours(text: str) -> _Hours:
    without_comments = _QUOTED.sub('""', text)
    if _SHIFTED_HOLIDAY.search(without_comments):
        raise HoursError(f"days counted from a holiday are not supported: {text!r}")
    mentions_holidays = bool(_PUBLIC_HOLIDAY.search(without_comments))
    every_day = _parse(text)
    on_holidays = _parse(_PUBLIC_HOLIDAY.sub("Mo-Su", text)) if mentions_holidays else every_day
    return _Hours(
        every_day=every_day,
        on_holidays=on_holidays,
        mentions_holidays=mentions_holidays,
        stated_open=bool(_STATED_OPEN.search(text)),
        always=not _YEAR.search(without_comments) and all(map(_never_closes, (every_day, on_holidays))),
    )


def _never_closes(parsed: OpeningHours) -> bool:
    _start, end, state, comment = next(iter(parsed.intervals(*_LONG)))
    return state == _State.OPEN and not comment and end >= _LONG[1]


def check(text: str) -> None:
    """Raise HoursError when `text` cannot be used, with the reason."""
    _hours(text)


@lru_cache(maxsize=64)
def _holidays(subdivision: str, year: int) -> frozenset[date]:
    return frozenset(country_holidays("DE", subdiv=subdivision, years=year))


def is_public_holiday(day: date, subdivision: str) -> bool:
    return day in _holidays(subdivision, day.year)


@lru_cache(maxsize=65536)
def _day(text: str, day: date, subdivision: str) -> tuple[_Span, ...]:
    """The parts of `day` that are not closed, in order, none touching the next."""
    hours = _hours(text)
    holiday = is_public_holiday(day, subdivision)
    parsed = hours.on_holidays if holiday else hours.every_day
    midnight = datetime.combine(day, time())
    spans: list[_Span] = []
    for start, end, state, comment in parsed.intervals(midnight, midnight + timedelta(days=1)):
        if state == _State.CLOSED:
            continue
        # A comment alone ("by appointment") promises nothing, unless it stands beside the word "open".
        sure = state == _State.OPEN and (not comment or hours.stated_open)
        spans.append(
            _Span(
                _minute(start, day),
                _minute(end, day),
                "open" if sure else "unknown",
                comment,
            )
        )
    if holiday and not hours.mentions_holidays and spans != [_Span(0, _DAY_MINUTES, "open", "")]:
        # Offices rarely write that they close on holidays; what never closes anyway stays open.
        spans = [_Span(span.start, span.end, "unknown", span.comment) for span in spans]
    return tuple(spans)


def day_parts(text: str, day: date, subdivision: str) -> tuple[tuple[int, int, str, str], ...]:
    """The parts of a day that are not closed: minutes from midnight, `open` or `unknown`, and the comment."""
    return tuple((span.start, span.end, span.state, span.comment) for span in _day(text, day, subdivision))


def _minute(moment: datetime, day: date) -> int:
    return (moment.date() - day).days * _DAY_MINUTES + moment.hour * 60 + moment.minute


def _day_of_all(texts: tuple[str, ...], day: date, subdivision: str) -> tuple[_Span, ...]:
    """Several schedules together: open wins over unknown."""
    if len(texts) == 1:
        return _day(texts[0], day, subdivision)
    spans = [span for text in texts for span in _day(text, day, subdivision)]
    edges = sorted({edge for span in spans for edge in (span.start, span.end)})
    together: list[_Span] = []
    for start, end in pairwise(edges):
        covering = [span for span in spans if span.start <= start and span.end >= end]
        if not covering:
            continue
        best = next((span for span in covering if span.state == "open"), covering[0])
        last = together[-1] if together else None
        if last and last.end == start and (last.state, last.comment) == (best.state, best.comment):
            together[-1] = _Span(last.start, end, last.state, last.comment)
        else:
            together.append(_Span(start, end, best.state, best.comment))
    return tuple(together)


def _texts(opening_hours: str | Sequence[str]) -> tuple[str, ...]:
    return (opening_hours,) if isinstance(opening_hours, str) else tuple(opening_hours)


def _spans(
    texts: tuple[str, ...], first: date, days: int, subdivision: str
) -> Iterator[tuple[datetime, datetime, _Span]]:
    """Local times without a zone; a span that goes on after midnight comes as one."""
    held: tuple[datetime, datetime, _Span] | None = None
    for offset in range(days):
        day = first + timedelta(days=offset)
        midnight = datetime.combine(day, time())
        for span in _day_of_all(texts, day, subdivision):
            start, end = (
                midnight + timedelta(minutes=span.start),
                midnight + timedelta(minutes=span.end),
            )
            if held and held[1] == start and (held[2].state, held[2].comment) == (span.state, span.comment):
                held = (held[0], end, span)
                continue
            if held:
                yield held
            held = (start, end, span)
    if held:
        yield held


def opening_status(
    opening_hours: str | Sequence[str],
    at: datetime,
    *,
    subdivision: str,
    timezone: ZoneInfo = DEFAULT_TIMEZONE,
) -> OpenStatus:
    """Is it open at `at` (aware, any zone)? Several texts are read together.

    `subdivision` is the Land (`ST`), for its holidays. The times in the answer are in `timezone`.
    Raises HoursError for a text that is not valid.
    """
    if at.tzinfo is None:
        raise ValueError("a time without a time zone")
    texts = _texts(opening_hours)
    if not texts:
        return OpenStatus("unknown")
    now = at.astimezone(timezone)
    holiday = is_public_holiday(now.date(), subdivision)
    wall = now.replace(tzinfo=None, fold=0)
    if any(_hours(text).always for text in texts):
        return OpenStatus("always", holiday=holiday)
    state: State = "closed"
    until: datetime | None = None
    opens: datetime | None = None
    comment: str | None = None
    # The day before is read too, for hours that go on after midnight.
    first = wall.date() - timedelta(days=1)
    for start, end, span in _spans(texts, first, _HORIZON_DAYS, subdivision):
        if end <= wall:
            continue
        if start <= wall:
            state, until, comment = span.state, end, span.comment or None
        elif span.state == "open":
            opens = start
            break
    if until == datetime.combine(first + timedelta(days=_HORIZON_DAYS), time()):
        # Nobody looked further; for "always" the library itself says that nothing ever changes.
        until = None
    if state == "closed":
        comment = _closed_comment(texts, wall)
    return OpenStatus(
        state,
        until=_aware(until, timezone, after=now) if until else None,
        opens=_aware(opens, timezone, after=now) if opens else None,
        comment=comment,
        holiday=holiday,
    )


def _closed_comment(texts: tuple[str, ...], wall: datetime) -> str | None:
    """`Jul 27-Aug 7 off "Betriebsferien"`: why it is closed."""
    for text in texts:
        state, comment = _hours(text).every_day.state(wall)
        if state == _State.CLOSED and comment:
            return comment
    return None


def _aware(wall: datetime, timezone: ZoneInfo, *, after: datetime) -> datetime:
    """When clocks go back, an hour comes twice; the second is meant when the first has passed."""
    moment = wall.replace(tzinfo=timezone, fold=0)
    if moment.astimezone(UTC) <= after.astimezone(UTC):
        moment = wall.replace(tzinfo=timezone, fold=1)
    # In spring an hour is missing; 2:30 then means 3:30.
    return moment.astimezone(UTC).astimezone(timezone)


@dataclass(frozen=True, slots=True)
class WeekSlot:
    start: time
    end: time
    """00:00 means midnight at the end of the day."""
    by_appointment: bool
    """The hours carry a comment or say "unknown" instead of a plain promise."""
    comment: str | None


def week_table(
    opening_hours: str | Sequence[str], *, at: date, subdivision: str
) -> list[tuple[int, list[WeekSlot]]]:
    """The usual week for showing, Monday (0) to Sunday (6), of the week that holds `at`.

    A public holiday in that week is shown like any other such weekday, because a table of the usual week
    must not depend on when it is looked at.
    """
    texts = _texts(opening_hours)
    monday = at - timedelta(days=at.weekday())
    table: list[tuple[int, list[WeekSlot]]] = []
    for weekday in range(7):
        day = monday + timedelta(days=weekday)
        for weeks in (1, 2, 3):
            if not is_public_holiday(day, subdivision):
                break
            day = monday + timedelta(days=weekday, weeks=weeks)
        slots = [
            WeekSlot(
                _clock(span.start),
                _clock(span.end),
                span.state == "unknown",
                span.comment or None,
            )
            for span in _day_of_all(texts, day, subdivision)
        ]
        table.append((weekday, slots))
    return table


def _clock(minutes: int) -> time:
    return time(minutes // 60 % 24, minutes % 60)


def is_weekly(opening_hours: str | Sequence[str]) -> bool:
    """Whether every week is the same, so that `week_table` tells all (holidays aside)."""
    return not any(
        re.search(r"\[|\bweek\b|\beaster\b|\bSH\b|\b(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)\b|\b\d{4}\b(?!:)",
                  _QUOTED.sub("", text))
        for text in _texts(opening_hours)
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Slot:
    start: datetime
    end: datetime
    comment: str | None


def next_slots(
    opening_hours: str | Sequence[str],
    at: datetime,
    *,
    subdivision: str,
    timezone: ZoneInfo = DEFAULT_TIMEZONE,
    limit: int = 10,
) -> list[Slot]:
    """The times after `at` at which it surely is open, the running one first; aware, in `timezone`."""
    texts = _texts(opening_hours)
    if not texts:
        return []
    now = at.astimezone(timezone)
    wall = now.replace(tzinfo=None, fold=0)
    slots: list[Slot] = []
    for start, end, span in _spans(texts, wall.date() - timedelta(days=1), _HORIZON_DAYS, subdivision):
        if end <= wall or span.state != "open":
            continue
        slots.append(
            Slot(
                start.replace(tzinfo=timezone).astimezone(UTC).astimezone(timezone),
                end.replace(tzinfo=timezone).astimezone(UTC).astimezone(timezone),
                span.comment or None,
            )
        )
        if len(slots) == limit:
            break
    return slots


def open_now(
    schedules: Iterable[str],
    at: datetime,
    *,
    subdivision: str,
    timezone: ZoneInfo = DEFAULT_TIMEZONE,
) -> bool:
    """True only when it is certain."""
    return opening_status(tuple(schedules), at, subdivision=subdivision, timezone=timezone).state in (
        "open",
        "always",
    )
