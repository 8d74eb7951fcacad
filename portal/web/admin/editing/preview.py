"""The public page of an offer that is not saved yet, made by the public renderer."""

import re
from typing import Any

from flask import Flask, current_app, g

from portal.catalogue import unsaved
from portal.catalogue.editing import InvalidEntry, parsed
from portal.catalogue.records import ServiceRecord
from portal.catalogue.vocabulary import SOURCE_LANGUAGE
from portal.web import current, locale
from portal.web.current import current_language, current_portal
from portal.web.database import current_session
from portal.web.public import offers, routes
from portal.web.responses import page_context

_FILLED = {"name": "…", "description": "…", "topics": ["x"], "service_areas": [""]}
"""What a page cannot do without, while somebody is still typing."""
_NEW = "neu"
_SCRIPT = re.compile(r"<script[^>]*></script>")
_TRIES = 30


def service_page(values: dict[str, Any], *, slug: str = "") -> str | None:
    """The whole page as HTML; None as long as nobody knows whose offer it is. Fields that are wrong are left out.

    Nothing in it runs or leads anywhere: it is to be looked at. `slug` keeps the offer from being similar to itself.
    """
    record = _lenient({**values, "slug": slug or _NEW})
    if record is None:
        return None
    portal = current_portal()
    view = unsaved.service_view(current_session(), portal.region.slug, record, now=portal.now())
    if view is None:
        return None
    before = current_language()
    try:
        # The public pages are another application: their addresses and their language belong to it.
        with _public_app().test_request_context(f"/{SOURCE_LANGUAGE}/offers/{record.slug}"):
            g.lang = SOURCE_LANGUAGE
            current.begin(portal, portal.languages[SOURCE_LANGUAGE])
            context = {"page": page_context(index=False, csrf=""), "offer": offers.offer_page(view)}
            text = portal.renderer.page(SOURCE_LANGUAGE, "public/offer.html", context)
            html = portal.renderer.fragments.plain(text).decode()
    finally:
        current.begin(portal, before)
    html = _SCRIPT.sub("", html).replace("<details><summary>", "<details open><summary>")
    return html.replace("<body>", "<body inert>", 1)


def style_source() -> str:
    """For the policy of a page that shows a preview: the frame obeys it."""
    return f"'sha256-{current_portal().renderer.style_hashes['full']}'"


def _lenient(values: dict[str, Any]) -> ServiceRecord | None:
    wanted = dict(values)
    if not wanted.get("organization"):
        return None
    for name, filling in _FILLED.items():
        wanted[name] = wanted.get(name) or filling
    for _try in range(_TRIES):
        try:
            record: ServiceRecord = parsed("service", wanted)
        except InvalidEntry as error:
            for problem in error.problems:
                name = problem.field.split(".")[0]
                if name == "record":
                    wanted["minimum_age"] = wanted["maximum_age"] = None
                elif name == "slug":
                    wanted[name] = _NEW
                elif name in _FILLED:
                    wanted[name] = _FILLED[name]
                else:
                    wanted.pop(name, None)
            if not {"slug", "organization"} <= wanted.keys():
                return None
        else:
            return record if wanted["topics"] != ["x"] else record.model_copy(update={"topics": ()})
    return None


def _public_app() -> Flask:
    """Knows the public addresses, and answers nobody."""
    app: Flask | None = current_app.extensions.get("preview_app")
    if app is None:
        portal = current_portal()
        app = Flask("portal.preview", static_folder=None, template_folder=None)
        app.secret_key = portal.settings.secret_key
        app.extensions["portal"] = portal
        locale.install(app, tuple(portal.languages), str(portal.settings.translations_dir))
        app.register_blueprint(routes.blueprint(development=False))
        current_app.extensions["preview_app"] = app
    return app
