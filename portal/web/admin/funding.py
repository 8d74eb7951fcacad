"""What ends when: offers whose funding runs out, by month, topic and town."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from babel.dates import format_skeleton
from flask import Blueprint, Response, request, url_for

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
    where: str


@dataclass(frozen=True, slots=True)
class Month:
    name: str
    lines: tuple[Ending, ...]


@dataclass(frozen=True, slots=True)
class Count:
    name: str
    number: int
    url: str
    chosen: bool


@needs(Permission.SEE_CATALOGUE)
def funding() -> Response:
    """`?topic=` and `?town=` are names as the page shows them."""
    today = scope().today
    session = current_session()
    coming = overview.ending(session, scope(), since=today)
    gone = overview.ending(session, scope(), since=today - SHOWN_AFTERWARDS, until=today - timedelta(days=1))
    topic, town = request.args.get("topic", ""), request.args.get("town", "")
    in_topic = [line for line in coming if not topic or topic in line.topics]
    in_town = [line for line in coming if not town or town in _where(line)]
    shown = [line for line in in_topic if line in in_town]
    return render(
        "admin/funding.html",
        tabs=tabs("funding"),
        months=_by_month(shown, today),
        gone=[_ending(line, today) for line in reversed(gone)],
        topics=_counted((name for line in in_town for name in line.topics), "topic", topic, town=town),
        towns=_counted((name for line in in_topic for name in _where(line)), "town", town, topic=topic),
        total=len(shown),
        narrowed=bool(topic or town),
    )


def _where(line: EndingLine) -> tuple[str, ...]:
    """The towns of its houses; of one that has none, whom it is for."""
    return line.towns or tuple(area_name(area) for area in line.areas)


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
        ", ".join(_where(line)),
    )


def _counted(names: Iterable[str], field: str, chosen: str, **others: str) -> list[Count]:
    """The most frequent first; choosing one again takes the choice back."""
    kept: dict[str, Any] = {name: value for name, value in others.items() if value}
    numbers = Counter(names)
    if chosen:
        numbers.setdefault(chosen, 0)
    return [
        Count(
            name,
            number,
            url_for("admin.funding", **(kept if name == chosen else {**kept, field: name})),
            name == chosen,
        )
        for name, number in sorted(numbers.items(), key=lambda pair: (-pair[1], overview.fold(pair[0])))
    ]
