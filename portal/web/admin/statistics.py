"""Numbers for those who plan: what the county has, what it lacks, what people seek in vain, what comes of referrals.

Nothing here is about a single person: searches count from the third day on, referrals from `counts.SHOWN_FROM` on.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from flask import Blueprint, Response, url_for

from portal.accounts.permissions import Permission
from portal.catalogue import overview, supply
from portal.catalogue.matching import Level
from portal.referral import counts
from portal.web.admin.guard import needs
from portal.web.admin.lists import csv_bytes, download
from portal.web.admin.referral_teams import MEASURED, MEASURES
from portal.web.admin.rendering import render
from portal.web.current import current_language, current_portal
from portal.web.database import current_session
from portal.web.languages import unmarked
from portal.web.public import presenting
from portal.web.public.quality import figures
from portal.web.texts import N_, gettext, ngettext

MOST_WORDS = 50
LEVELS: Sequence[tuple[Level, str]] = (
    ("municipality", N_("In the place")),
    ("county", N_("In the county")),
    ("state", N_("In the Land")),
    ("nation", N_("Nationwide")),
    ("clearing", N_("Missing")),
)
"""Where the answer comes from, the nearest first."""


def register(bp: Blueprint) -> None:
    bp.add_url_rule("/statistics", "statistics", statistics)
    bp.add_url_rule("/statistics.csv", "statistics_csv", statistics_csv)


@dataclass(frozen=True, slots=True)
class Table:
    id: str
    title: str
    hint: str
    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@needs(Permission.STATISTICS)
def statistics() -> Response:
    return render(
        "admin/statistics.html",
        tables=_tables(),
        export=url_for("admin.statistics_csv"),
        quality_url=f"/{current_language().code}/quality",
    )


@needs(Permission.STATISTICS)
def statistics_csv() -> Response:
    """All tables below each other, each with its title."""
    rows: list[Sequence[str]] = []
    for table in _tables():
        rows += [(table.title,), table.heads, *(tuple(map(unmarked, row)) for row in table.rows), ()]
    day = current_portal().catalogue.today
    return download(csv_bytes(rows), f"statistics-{day}.csv", "text/csv; charset=utf-8")


def _tables() -> list[Table]:
    tables = [_catalogue(), _topics(), _kinds(), _words()]
    if current_portal().referrals is not None:
        tables += _referrals()
    return tables


def _catalogue() -> Table:
    found = figures()
    portal = current_portal()
    rows = [
        (gettext("Offers that the public sees"), str(found.services)),
        (gettext("Confirmed within 90 days"), f"{found.confirmed} ({found.confirmed_percent} %)"),
        (gettext("Never confirmed"), str(found.never_confirmed)),
        *(
            (
                gettext("Translated: %(language)s", language=presenting.language_name(code)),
                f"{share.percent} %",
            )
            for code, share in found.translated.items()
            if code in portal.languages
        ),
    ]
    return Table(
        "catalogue", gettext("The catalogue today"), "", (gettext("What"), gettext("How many")), tuple(rows)
    )


def _topics() -> Table:
    return Table(
        "topics",
        gettext("Offers by topic"),
        gettext("Those with the fewest first. “Ends” are offers whose funding ends within twelve months."),
        (
            gettext("Topic"),
            gettext("Offers"),
            gettext("Towns"),
            gettext("Confirmed within 90 days"),
            gettext("Ends"),
        ),
        tuple(
            (
                presenting.term_label("topics", one.term.code),
                *map(str, (one.offers, one.towns, one.confirmed, one.ending)),
            )
            for one in _by_topic()
        ),
    )


def _kinds() -> Table:
    places = current_portal().catalogue.places.all()
    return Table(
        "kinds",
        gettext("Where an office is missing"),
        ngettext(
            "For %(num)s place: whose office answers. “Missing” means that only the clearing desk is left.",
            "For %(num)s places: whose office answers. “Missing” means that only the clearing desk is left.",
            len(places),
        ),
        (gettext("Kind of office"), *(gettext(label) for _level, label in LEVELS), gettext("Missing in")),
        tuple(
            (
                presenting.term_label("contact_kinds", one.term.code),
                *(str(one.levels.get(level, 0)) for level, _label in LEVELS),
                gettext("everywhere") if len(one.without) == len(places) else ", ".join(one.without),
            )
            for one in _by_kind()
        ),
    )


def _by_topic() -> list[supply.TopicSupply]:
    catalogue = current_portal().catalogue
    return catalogue.cached(
        ("by topic", catalogue.today), lambda: supply.by_topic(current_session(), catalogue)
    )


def _by_kind() -> list[supply.KindSupply]:
    catalogue = current_portal().catalogue
    return catalogue.cached(("by kind", catalogue.today), lambda: supply.by_kind(catalogue))


def _words() -> Table:
    found = overview.open_misses(current_session(), current_portal().region.slug, limit=MOST_WORDS)
    return Table(
        "words",
        gettext("Sought in vain"),
        gettext("Words that found nothing on at least three days."),
        (gettext("Word"), gettext("Language"), gettext("How often")),
        tuple((one.term, presenting.language_name(one.language), str(one.count)) for one in found.lines),
    )


def _referrals() -> list[Table]:
    """Of all teams together, without the small numbers of each: from the sum those could be told."""
    portal = current_portal()
    by_team = counts.totals(
        current_session(), portal.region.slug, None, since=portal.catalogue.today - MEASURED
    )
    total: Counter[str] = Counter()
    for numbers in by_team.values():
        total += Counter({measure: number for measure, number in numbers.items() if counts.shown(number)})
    few = gettext("fewer than %(number)s", number=counts.SHOWN_FROM)
    rows = [
        (gettext(words), gettext(title), str(total[measure]) if total[measure] else few)
        for title, measures in MEASURES
        for measure, words in measures
    ]
    return [
        Table(
            "referrals",
            gettext("Referrals in the last twelve months"),
            gettext(
                "Of all teams. A number below %(number)s of a team is left out, so that nobody can be recognised.",
                number=counts.SHOWN_FROM,
            ),
            (gettext("What"), gettext("About"), gettext("How many")),
            tuple(rows),
        )
    ]
