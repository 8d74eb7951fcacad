"""The admin pages are an application of their own below /admin, beside the public one.

It has its own cookie, its own rules for caching and its own style (docs/decisions/0008).
"""

import logging
from datetime import timedelta
from typing import TYPE_CHECKING

from flask import Flask, Response, g, request
from flask_login import LoginManager
from sqlalchemy.exc import SQLAlchemyError
from werkzeug.exceptions import HTTPException

from portal.web import current, database
from portal.web.admin import guard, routes
from portal.web.admin.letters import Letters
from portal.web.admin.mounting import PREFIX
from portal.web.admin.rendering import admin_css, admin_policy, admin_renderer, render
from portal.web.assets import Assets
from portal.web.languages import load_admin_languages
from portal.web.limits import Limits
from portal.web.locale import best_language
from portal.web.responses import htmx
from portal.web.security import AnswerSessions, CrossSite

if TYPE_CHECKING:
    from portal.web.application import Portal

log = logging.getLogger("portal.web.admin")

MAXIMUM_BODY = 8 * 1024 * 1024
"""Imports are sent as files."""


def build_admin(portal: "Portal") -> Flask:
    settings = portal.settings
    app = Flask("portal.admin", static_folder=None, template_folder=None)
    app.secret_key = settings.secret_key
    app.extensions["portal"] = portal
    app.session_interface = AnswerSessions(settings.secret_key, salt="admin")
    app.config.update(
        SESSION_COOKIE_NAME="__Secure-anlauf-admin" if settings.https else "anlauf-admin",
        SESSION_COOKIE_PATH=PREFIX,
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        SESSION_COOKIE_SECURE=settings.https,
        PERMANENT_SESSION_LIFETIME=timedelta(hours=24),
        MAX_CONTENT_LENGTH=MAXIMUM_BODY,
        MAX_FORM_MEMORY_SIZE=MAXIMUM_BODY,
        MAX_FORM_PARTS=5000,
    )
    languages = load_admin_languages(settings.translations_dir)
    renderer = admin_renderer(portal, languages.values())
    app.extensions["admin_renderer"] = renderer
    app.extensions["admin_assets"] = Assets()
    app.extensions["letters"] = Letters(
        settings,
        portal.store.sessions,
        renderer,
        lambda: {"portal_name": portal.region.portal_name, "region_name": portal.region.name},
        portal.now,
    )
    app.extensions["limits"] = Limits(settings.redis_url)
    app.extensions["admin_policy"] = admin_policy(renderer)
    app.extensions["admin_theme"] = portal.region.theme

    manager = LoginManager()
    manager.session_protection = (
        None  # The sign-in is a row in the database; an address may change on the way.
    )
    manager.init_app(app)

    @manager.user_loader
    def load_user(token: str) -> guard.SignedIn | None:
        return guard.load(token)

    htmx.init_app(app)
    database.install(app)

    @app.before_request
    def begin() -> None:
        try:
            portal.catalogue.refresh()
        except SQLAlchemyError as error:
            log.error("the database does not answer: %s", type(error).__name__)
        if app.extensions["admin_theme"] != portal.region.theme:
            app.extensions["admin_theme"] = portal.region.theme
            renderer.restyle({"admin": admin_css(portal)})
            app.extensions["admin_policy"] = admin_policy(renderer)
        g.lang = best_language(request, list(languages))
        current.begin(portal, languages[g.lang])
        chosen = guard.language_of_user()
        if chosen in languages:
            # Components of the public pages look for the language of the page there.
            g.lang = chosen
            current.begin(portal, languages[chosen])

    guard.install(app)
    app.register_blueprint(routes.blueprint(), url_prefix=PREFIX)
    _install_errors(app)

    headers = [
        ("Referrer-Policy", "same-origin"),
        ("X-Content-Type-Options", "nosniff"),
        ("X-Robots-Tag", "noindex, nofollow"),
        ("Cross-Origin-Opener-Policy", "same-origin"),
    ]
    if settings.https:
        headers.append(("Strict-Transport-Security", "max-age=31536000; includeSubDomains"))

    @app.after_request
    def secure(response: Response) -> Response:
        response.headers.extend(headers)
        response.headers.setdefault("Content-Security-Policy", app.extensions["admin_policy"])
        response.headers.setdefault("Cache-Control", "no-store")
        return response

    return app


def _install_errors(app: Flask) -> None:
    @app.errorhandler(CrossSite)
    def stale_form(_error: CrossSite) -> Response:
        kept = guard.keep_typed()
        return render("admin/stale.html", status=400, kept=kept, back=guard.form_page())

    @app.errorhandler(HTTPException)
    def http_error(error: HTTPException) -> Response:
        if error.code is not None and 300 <= error.code < 400:
            return Response.force_type(error.get_response(), request.environ)  # type: ignore[return-value]
        return render("admin/error.html", status=error.code or 500, code=error.code or 500)

    @app.errorhandler(Exception)
    def unexpected(error: Exception) -> Response:
        # The message of an exception may quote what somebody typed; its type and place never do.
        frame = error.__traceback__
        while frame is not None and frame.tb_next is not None:
            frame = frame.tb_next
        where = f"{frame.tb_frame.f_code.co_filename}:{frame.tb_lineno}" if frame else "unknown"
        log.error("%s at %s while answering endpoint %s", type(error).__name__, where, request.endpoint)
        if app.testing and app.config.get("PROPAGATE_EXCEPTIONS"):
            raise error
        return render("admin/error.html", status=500, code=500)
