"""What ends when: offers whose funding runs out, by month, topic and town."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from babel.dates import format_skeleton
from flask import Blueprint, Response, url_for

from portal.accounts.permissions import Permission
from portal.catalogue import overview
from portal.catalogue.overview import EndingLine
from portal.web.admin.editing.choices import area_name
from portal.web.admin.guard import needs
from portal.web.admin.lists import scope, short_date, tabs
from portal.web.admin.rendering import render
from portal.web.current import current_language
from portal.web.database import current_session
from portal.web.texts import ngettext

MONTHS_AHEAD = 18
SHOWN_AFTERWARDS = timedelta(days=90)


def register(bp: Blueprint) -> None:
    bp.add_url_rule("/funding", "funding", funding)


@dataclass(frozen=True, slots=True)
class Ending:
    name: str
    url: str
    organization: str
    last_day: str
    left: str
    """How long it is still there; empty when it is gone."""
    topics: str
    areas: str


@dataclass(frozen=True, slots=True)
class Month:
    name: str
    lines: tuple[Ending, ...]


@needs(Permission.SEE_CATALOGUE)
def funding() -> Response:
    today = scope().today
    session = current_session()
    until = _months_later(today, MONTHS_AHEAD)
    coming = overview.ending(session, scope(), since=today, until=until)
    gone = overview.ending(session, scope(), since=today - SHOWN_AFTERWARDS, until=today - timedelta(days=1))
    return render(
        "admin/funding.html",
        tabs=tabs("funding"),
        months=_by_month(coming, today),
        gone=[_ending(line, today) for line in reversed(gone)],
        topics=_counted(topic for line in coming for topic in line.topics),
        areas=_counted(area_name(area) for line in coming for area in line.areas),
        total=len(coming),
        until=short_date(until),
    )


def _months_later(day: date, months: int) -> date:
    """The last day of that month."""
    months += day.month  # Counted from January of the same year; the day before the first of the month after.
    return date(day.year + months // 12, months % 12 + 1, 1) - timedelta(days=1)


def _by_month(lines: Sequence[EndingLine], today: date) -> list[Month]:
    months: dict[tuple[int, int], list[Ending]] = {}
    for line in lines:
        months.setdefault((line.valid_to.year, line.valid_to.month), []).append(_ending(line, today))
    locale = current_language().locale
    return [
        Month(format_skeleton("yMMMM", date(year, month, 1), locale=locale), tuple(found))
        for (year, month), found in months.items()
    ]


def _ending(line: EndingLine, today: date) -> Ending:
    days = (line.valid_to - today).days
    return Ending(
        line.name,
        url_for("admin.edit_service", slug=line.slug),
        line.organization,
        short_date(line.valid_to),
        ngettext("%(num)s day left", "%(num)s days left", days) if days >= 0 else "",
        ", ".join(line.topics),
        ", ".join(area_name(area) for area in line.areas),
    )


def _counted(names: Iterable[str]) -> list[tuple[str, int]]:
    return sorted(Counter(names).items(), key=lambda pair: (-pair[1], overview.fold(pair[0])))
