"""All public addresses in one blueprint."""

from flask import Blueprint, Response, redirect, request

from portal.web.current import current_portal
from portal.web.locale import best_language
from portal.web.public import check, confirmation, offers, pages, quality, reporting


def blueprint(*, development: bool) -> Blueprint:
    bp = Blueprint("public", __name__)

    @bp.get("/")
    def front() -> Response:
        """The browser's language decides once; from then on it stands in the path."""
        lang = best_language(request, list(current_portal().languages))
        response = redirect(f"/{lang}/", code=302)
        response.headers["Vary"] = "Accept-Language"
        response.headers["Cache-Control"] = "public, max-age=300"
        return response  # type: ignore[return-value]

    if development:
        bp.add_url_rule("/dev/components", "components", pages.components)
    for module in (pages, check, offers, reporting, confirmation, quality):
        module.register(bp)
    return bp
