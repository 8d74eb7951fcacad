"""All public addresses in one blueprint."""

from flask import Blueprint, Response, redirect, request

from portal.web.current import current_portal
from portal.web.languages import other_codes
from portal.web.locale import best_language
from portal.web.public import (
    access,
    bilingual,
    check,
    confirmation,
    contact_me,
    keeping,
    mine,
    offers,
    offline,
    pages,
    quality,
    reporting,
    sheet,
    sitemap,
    slip,
)


def blueprint(*, development: bool) -> Blueprint:
    bp = Blueprint("public", __name__)

    @bp.get("/")
    def front() -> Response:
        """The browser's language decides once; from then on it stands in the path."""
        languages = current_portal().languages
        lang = best_language(request, list(languages), other_codes(languages.values()))
        response = redirect(f"/{lang}/", code=302)
        response.headers["Vary"] = "Accept-Language"
        response.headers["Cache-Control"] = "public, max-age=300"
        return response  # type: ignore[return-value]

    if development:
        bp.add_url_rule("/dev/components", "components", pages.components)
    for module in (
        pages,
        access,
        check,
        sheet,
        bilingual,
        offers,
        reporting,
        confirmation,
        quality,
        keeping,
        offline,
        slip,
        contact_me,
        mine,
        sitemap,
    ):
        module.register(bp)
    return bp
