"""How good this portal is, in numbers that it counts itself."""

from babel.numbers import format_decimal
from flask import Blueprint, Response, current_app, url_for

from portal.catalogue import quality as domain
from portal.catalogue.quality import CONFIRMED_DAYS, Quality
from portal.catalogue.translating.index import TranslationIndex
from portal.web.current import current_language, current_portal
from portal.web.pagecache import compress
from portal.web.public import pages, presenting
from portal.web.responses import render
from portal.web.texts import day

FIRST_WINDOW = 14_600
"""Bytes that a server may send in the first round trip (RFC 6928: ten segments)."""


def register(bp: Blueprint) -> None:
    bp.add_url_rule("/<lang:lang>/quality", "quality", quality)


def quality() -> Response:
    found = figures()
    portal = current_portal()
    weight = start_page_weight()
    return render(
        "public/quality.html",
        keep=True,
        services=found.services,
        confirmed=found.confirmed,
        confirmed_percent=found.confirmed_percent,
        never=found.never_confirmed,
        days=CONFIRMED_DAYS,
        languages=[
            (presenting.language_name(code), share.percent, share.percent_by_people)
            for code, share in found.translated.items()
            if code in portal.languages
        ],
        ways=found.reach.ways,
        own=found.reach.own,
        dead=len(found.reach.dead),
        weight=format_decimal(round(weight / 1000, 1), locale=current_language().locale),
        light=weight <= FIRST_WINDOW,
        last_change=day(found.last_change.astimezone(portal.timezone).date()) if found.last_change else "",
        sources_url=url_for("public.editorial", slug="sources"),
    )


def figures() -> Quality:
    """Counted once for each revision and day."""
    portal = current_portal()
    catalogue = portal.catalogue

    def count() -> Quality:
        index = _index()
        with portal.store.sessions() as session:
            return domain.quality(session, catalogue, index.lines(session))

    return catalogue.cached(("quality", catalogue.today), count)


def _index() -> TranslationIndex:
    portal = current_portal()
    languages = tuple(code for code in portal.languages if code != "de")
    kept = current_app.extensions.get("translation_index")
    if not isinstance(kept, TranslationIndex) or kept.languages != languages:
        kept = current_app.extensions["translation_index"] = TranslationIndex(
            portal.settings.region, languages
        )
    return kept


def start_page_weight() -> int:
    """Bytes of the start page as it is sent, compressed with gzip: everything that has to be there to paint it."""
    response = pages.start()
    body = response.get_data()
    if response.headers.get("Content-Encoding"):
        return len(body)
    return len(compress(body, "gzip", thorough=True))
