"""Putting the application together: everything loaded once at start, nothing global."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from flask import Flask
from werkzeug.middleware.proxy_fix import ProxyFix

from portal.catalogue.queries import Catalogue, Translated, UnknownRegion
from portal.catalogue.records import RegionFile
from portal.catalogue.search.service import SearchService
from portal.clearing import Clearing, load_clearing
from portal.config import Settings
from portal.content import Pages
from portal.web import assets, errors, health, locale, logs, security
from portal.web.languages import Language, load_languages
from portal.web.pagecache import PageCache
from portal.web.public import routes as public_routes
from portal.web.rendering import ASSETS, Renderer, minify_css
from portal.web.responses import htmx, page_constants
from portal.web.wiring import Store, open_search, open_store


class NotPrepared(Exception):
    """Something the portal needs is not there yet; the text says which command makes it."""


@dataclass(slots=True)
class Portal:
    """All that the views use. One per process."""

    settings: Settings
    store: Store
    catalogue: Catalogue
    clearing: Clearing
    languages: dict[str, Language]
    renderer: Renderer
    search: SearchService
    pages: Pages
    now: Callable[[], datetime]
    page_constants: dict[str, dict[str, Any]] = field(default_factory=dict)

    def machine_languages(self) -> frozenset[str]:
        """Languages of which the catalogue has texts that only a machine has translated."""

        def find() -> frozenset[str]:
            views: list[Translated] = [*self.catalogue.services(), *self.catalogue.terms("contact_kinds")]
            return frozenset(
                text.language
                for view in views
                for by_language in view.translations.values()
                for text in by_language.values()
                if text.status == "machine"
            )

        return self.catalogue.cached("machine languages", find)

    @property
    def region(self) -> RegionFile:
        return self.catalogue.region

    @property
    def timezone(self) -> ZoneInfo:
        return ZoneInfo(self.region.timezone)

    @property
    def switches(self) -> dict[str, str]:
        return {name: value.value for name, value in self.region.switches.items()}


def utc_now() -> datetime:
    return datetime.now(UTC)


def build(settings: Settings, *, now: Callable[[], datetime] = utc_now) -> Flask:
    """The application. `now` is replaced in tests.

    Raises NotPrepared, CatalogueMissing, ClearingError.
    """
    logs.configure(settings.log_level)
    app = Flask("portal", static_folder=None, template_folder=None)
    app.secret_key = settings.secret_key
    zone = ZoneInfo("Europe/Berlin")  # Until the region has said which one is its own.
    store = open_store(settings, today=lambda: now().astimezone(zone).date())
    catalogue = store.catalogue
    try:
        region = catalogue.region
        zone = ZoneInfo(region.timezone)
    except UnknownRegion:
        raise NotPrepared(
            f"Region {settings.region!r} is not in the database: run `portal content load --region {settings.region}`."
        ) from None
    languages = load_languages(settings.translations_dir, region.languages)
    files = assets.Assets()
    css = minify_css((ASSETS / "app.css").read_text(encoding="utf-8") + theme_css(region))
    renderer = Renderer(languages.values(), css=css, globals={"asset": files.url})
    portal = Portal(
        settings=settings,
        store=store,
        catalogue=catalogue,
        clearing=load_clearing(settings.questionnaires_dir),
        languages=languages,
        renderer=renderer,
        search=open_search(settings, store),
        pages=Pages(settings.content_dir, settings.region, editorial_values(region, settings)),
        now=now,
    )
    app.extensions["portal"] = portal
    codes = tuple(languages)
    locale.install(app, codes, str(settings.translations_dir))
    htmx.init_app(app)
    security.install(app, settings, style_hash=renderer.style_hash, exit_url=region.exit_url)
    errors.install(app, codes)
    app.register_blueprint(assets.blueprint(files))
    app.register_blueprint(health.bp)
    app.register_blueprint(public_routes.blueprint())
    with app.test_request_context("/"):
        for code in codes:
            portal.page_constants[code] = page_constants(code, portal, files.url)


    def current_revision() -> int:
        catalogue.refresh()
        return catalogue.revision

    if settings.page_cache:
        app.wsgi_app = PageCache(  # type: ignore[method-assign]
            app.wsgi_app, seconds=settings.page_cache_seconds, revision=current_revision
        )
    if settings.proxies:
        hops = settings.proxies
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=hops, x_proto=hops, x_host=hops)  # type: ignore[method-assign]
    logging.getLogger("portal.web").info("region %s, languages %s", settings.region, ",".join(codes))
    return app


def theme_css(region: RegionFile) -> str:
    """The county's colours, and the soft tone behind them: a little of the colour on the card."""
    theme = region.theme
    return (
        f":root{{--act:{theme.action};--warm:{theme.warm};--act-soft:{mixed(theme.action, '#ffffff', 0.12)}}}"
        f"@media (prefers-color-scheme:dark){{:root{{--act:{theme.action_dark};--warm:{theme.warm_dark};"
        f"--act-soft:{mixed(theme.action_dark, '#14181a', 0.16)}}}}}"
    )


def mixed(colour: str, ground: str, share: float) -> str:
    """`share` of `colour` on `ground`, both `#rrggbb`."""
    parts = (
        round(int(colour[i : i + 2], 16) * share + int(ground[i : i + 2], 16) * (1 - share)) for i in (1, 3, 5)
    )
    return "#" + "".join(f"{part:02x}" for part in parts)


def editorial_values(region: RegionFile, settings: Settings) -> dict[str, str | Mapping[str, str]]:
    """Placeholders of the editorial pages."""
    controller = region.controller
    still_open = {
        "de": "**Noch offen:** Wer dieses Portal betreibt, muss diese Angaben noch bestätigen und ergänzen.",
        "en": "**Still open:** whoever runs this portal has yet to confirm and complete these details.",
    }
    return {
        "region": region.name,
        "portal": region.portal_name,
        "controller": controller.name,
        "controller_address": ", ".join(controller.address),
        "controller_email": str(controller.email or ""),
        "controller_phone": controller.phone or "",
        "imprint_open": "" if controller.confirmed else still_open,
        "session_minutes": str(settings.session_minutes),
    }
