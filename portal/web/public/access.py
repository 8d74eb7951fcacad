"""What the law asks of the start page and of the statement (BITV 2.0 §§ 4 and 7, with Anlage 2).

The start page leads to an explanation in German Sign Language and to one in Leichte Sprache: what the portal is, how
to find one's way, and what the accessibility statement says. The statement itself carries the state of the tests.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from babel.numbers import format_decimal
from flask import Blueprint, Response, send_file, url_for
from werkzeug.exceptions import NotFound

from portal.web import tested
from portal.web.current import current_language, current_portal
from portal.web.public import presenting
from portal.web.public.views import Helpline, Link
from portal.web.texts import N_, day, listing
from portal.web.texts import gettext as _

EASY = "de-simple"
VIDEO_TYPES = {".webm": "video/webm", ".mp4": "video/mp4"}
WITHOUT_A_CALL = ("gebaerdensprache", "chat", "mail", "forum", "app")
"""Formats of help for which nobody needs to hear or speak; the first ones are shown first."""

_TESTS: Mapping[tested.Name, str] = {
    "rules": N_("Rules that a program can check"),
    "keyboard": N_("The whole way with the keyboard only"),
    "reflow": N_("Very large text and narrow screens"),
    "reading_order": N_("What a screen reader gets to read"),
    "html": N_("The code of the pages"),
}


@dataclass(frozen=True, slots=True)
class Tested:
    """One kind of test, and no more than it looked at: not every kind is run in every language."""

    label: str
    open: int
    tool: str
    views: str
    languages: str


def register(bp: Blueprint) -> None:
    bp.add_url_rule("/sign-language-video", "sign_language_video", sign_language_video)


def additions(slug: str) -> tuple[str, dict[str, Any]]:
    """Template of an editorial page, and what it shows besides its text."""
    if slug == "accessibility":
        return "public/accessibility.html", statement()
    if slug == "sign-language":
        return "public/sign_language.html", signing()
    return "public/page.html", {}


def explained() -> Link:
    """The explanation in Leichte Sprache; where the region does not offer that, the one in the page's language."""
    easy = current_portal().languages.get(EASY)
    if easy is None:
        return Link("Leichte Sprache", url_for("public.editorial", slug="explained"), lang="de", dir="ltr")
    return Link(easy.autonym, url_for("public.editorial", lang=EASY, slug="explained"), lang=EASY, dir="ltr")


def statement() -> dict[str, Any]:
    """The state of the tests in the words of the page."""
    portal = current_portal()
    run = tested.last_run()
    locale = current_language().locale

    def names(codes: Iterable[str]) -> str:
        return listing(
            [portal.languages[code].autonym if code in portal.languages else code for code in codes]
        )

    return {
        "tested_on": day(run.at.astimezone(portal.timezone).date()),
        "views": format_decimal(run.views, locale=locale),
        "in_languages": names(run.languages),
        "findings": run.findings,
        "tests": [
            Tested(
                _(_TESTS[test.name]),
                len(test.findings),
                test.tool,
                format_decimal(test.views, locale=locale),
                names(test.languages),
            )
            for test in run.tests
        ],
    }


def signing() -> dict[str, Any]:
    return {
        "video": url_for("public.sign_language_video") if video_file() else "",
        "lines": helplines_without_a_call(),
    }


def helplines_without_a_call() -> tuple[Helpline, ...]:
    """Those in sign language first, then those that can be written to, in the region's order."""
    catalogue = current_portal().catalogue
    order = {slug: index for index, slug in enumerate(catalogue.region.helplines)}
    found = []
    for service in catalogue.helplines:
        ranks = [WITHOUT_A_CALL.index(code) for code in service.formats if code in WITHOUT_A_CALL]
        if ranks:
            signs = min(ranks) > 0
            found.append((signs, order.get(service.slug, len(order)), service.slug, service))
    return tuple(presenting.helpline(entry[-1]) for entry in sorted(found, key=lambda entry: entry[:3]))


def video_file() -> Path | None:
    """The region's film: `sign-language.webm` or `.mp4` in its folder, served from here and nowhere else."""
    settings = current_portal().settings
    folder = settings.content_dir / "regions" / settings.region
    return next(
        (path for suffix in VIDEO_TYPES if (path := folder / f"sign-language{suffix}").is_file()), None
    )


def with_film(response: Response) -> Response:
    """The one page that may play a film may play only ours."""
    response.headers["Content-Security-Policy"] += "; media-src 'self'"
    return response


def sign_language_video() -> Response:
    path = video_file()
    if path is None:
        raise NotFound
    return send_file(path, mimetype=VIDEO_TYPES[path.suffix], conditional=True, max_age=24 * 3600)
