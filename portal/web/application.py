"""Putting the application together: everything loaded once at start, nothing global."""

import logging
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from flask import Flask
from sqlalchemy.exc import SQLAlchemyError
from werkzeug.middleware.proxy_fix import ProxyFix

from portal.catalogue.exporting import UnknownRegion
from portal.catalogue.queries import Catalogue
from portal.catalogue.records import RegionFile
from portal.catalogue.search.service import SearchService
from portal.clearing import Clearing, load_clearing
from portal.config import Settings
from portal.content import Pages
from portal.web import assets, errors, health, locale, logs, security
from portal.web.languages import Language, load_languages, other_codes
from portal.web.pagecache import PageCache
from portal.web.public import routes as public_routes
from portal.web.referrals import Referrals, open_referrals
from portal.web.rendering import ASSETS, Renderer, minify_css
from portal.web.responses import htmx, page_constants
from portal.web.texts import N_
from portal.web.wiring import Store, open_search, open_store

log = logging.getLogger("portal.web")


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
    policies: dict[str, str]
    """Content-Security-Policy by style sheet."""
    referrals: Referrals | None
    """None: no key is set, and nobody can ask to be contacted."""
    asset: Callable[[str], str]
    """Name of a file in `assets/` → its address."""
    page_constants: dict[str, dict[str, Any]] = field(default_factory=dict)
    dressed_for: tuple[RegionFile, str] | None = None
    """Settings and logo that style, policies, page constants and editorial pages were made with."""

    def wears_current(self) -> bool:
        seen = self.dressed_for
        return seen is not None and (
            seen[0] is self.region or (seen[0] == self.region and seen[1] == self.catalogue.extras.logo)
        )

    def dress(self, constants: Callable[[str], dict[str, Any]]) -> None:
        """Make everything anew that is made of the region's settings, when they have changed."""
        region = self.region
        self.dressed_for = (region, self.catalogue.extras.logo)
        self.renderer.restyle(style_sheets(region))
        self.policies = {
            name: security.content_policy(digest, region.exit_url)
            for name, digest in self.renderer.style_hashes.items()
        }
        self.pages = Pages(
            self.settings.content_dir,
            self.settings.region,
            editorial_values(region, self.settings, self.languages),
        )
        self.page_constants = {code: constants(code) for code in self.languages}

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

    Raises NotPrepared, CatalogueMissing, ClearingError, SealingError, WordsUnusable.
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
    renderer = Renderer(languages.values(), styles=style_sheets(region), names={"asset": files.url})
    portal = Portal(
        settings=settings,
        store=store,
        catalogue=catalogue,
        clearing=load_clearing(settings.questionnaires_dir),
        languages=languages,
        renderer=renderer,
        search=open_search(settings, store),
        pages=Pages(settings.content_dir, settings.region, editorial_values(region, settings, languages)),
        now=now,
        policies={
            name: security.content_policy(digest, region.exit_url)
            for name, digest in renderer.style_hashes.items()
        },
        referrals=open_referrals(settings, lambda: catalogue.region),
        asset=files.url,
    )
    app.extensions["portal"] = portal
    codes = tuple(languages)
    locale.install(app, codes, str(settings.translations_dir), other_codes(languages.values()))
    htmx.init_app(app)
    security.install(app, settings, exit_url=region.exit_url)
    errors.install(app, codes)
    app.register_blueprint(assets.blueprint(files, languages))
    app.register_blueprint(health.bp)
    app.register_blueprint(public_routes.blueprint(development=not settings.production))

    def constants(code: str) -> dict[str, Any]:
        with app.test_request_context("/"):
            return page_constants(code, portal, files.url)

    portal.dress(constants)

    @app.before_request
    def follow_settings() -> None:
        if not portal.wears_current():
            portal.dress(constants)

    def current_revision() -> int:
        try:
            catalogue.refresh()
        except SQLAlchemyError as error:
            # What is in memory goes on being shown; /readyz names the database.
            log.error("the database does not answer: %s", type(error).__name__)
        return catalogue.revision

    if settings.page_cache:
        app.wsgi_app = PageCache(  # type: ignore[method-assign]
            app.wsgi_app, seconds=settings.page_cache_seconds, revision=current_revision
        )
    from portal.web.admin.mounting import LazyAdmin

    app.wsgi_app = app.extensions["admin"] = LazyAdmin(app.wsgi_app, portal)  # type: ignore[method-assign]
    if settings.proxies:
        hops = settings.proxies
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=hops, x_proto=hops, x_host=hops)  # type: ignore[method-assign]
    # The server forks its workers from this process; a connection must not be shared by two of them.
    store.engine.dispose()
    log.info("region %s, languages %s", settings.region, ",".join(codes))
    return app


def style_sheets(region: RegionFile) -> dict[str, str]:
    """`light` for questions and the start page, `paper` for what is handed over, `full` for everything else.

    All stand in the page itself.
    """
    app, more, paper = (
        (ASSETS / name).read_text(encoding="utf-8") for name in ("app.css", "more.css", "paper.css")
    )
    app = themed(app, region)
    return {
        "light": minify_css(app),
        "full": minify_css(app + more),
        "paper": minify_css(app + more + paper),
    }


def themed(css: str, region: RegionFile) -> str:
    """The style with the county's colours, and the soft tone behind them: a little of the colour on the ground."""
    theme = region.theme
    light = {"act": theme.action, "warm": theme.warm, "act-soft": mixed(theme.action, "#ffffff", 0.12)}
    dark = {
        "act": theme.action_dark,
        "warm": theme.warm_dark,
        "act-soft": mixed(theme.action_dark, "#14181a", 0.16),
    }
    before, start, after = css.partition("@media (prefers-color-scheme: dark)")
    return recoloured(before, light) + start + recoloured(after, dark)


def recoloured(css: str, colours: Mapping[str, str]) -> str:
    """Set custom properties where they are first defined. Raises LookupError when one is not there."""
    for name, colour in colours.items():
        css, found = re.subn(rf"(--{name}:) *#[0-9a-f]{{3,6}}", rf"\1 {colour}", css, count=1)
        if not found:
            raise LookupError(f"app.css has no --{name}")
    return css


def mixed(colour: str, ground: str, share: float) -> str:
    """`share` of `colour` on `ground`, both `#rrggbb`."""
    parts = (
        round(int(colour[i : i + 2], 16) * share + int(ground[i : i + 2], 16) * (1 - share))
        for i in (1, 3, 5)
    )
    return "#" + "".join(f"{part:02x}" for part in parts)


STILL_OPEN = N_(
    # NOTE: In the imprint. Keep the ** around the first words.
    "**Still open:** whoever runs this portal has yet to confirm and complete these details."
)


def editorial_values(
    region: RegionFile, settings: Settings, languages: Mapping[str, Language]
) -> dict[str, str | Mapping[str, str]]:
    """Placeholders of the editorial pages."""
    controller = region.controller
    still_open = {code: language.messages.gettext(STILL_OPEN) for code, language in languages.items()}
    return {
        "region": region.name,
        "portal": region.portal_name,
        "controller": controller.name,
        "controller_address": ", ".join(controller.address),
        "controller_email": str(controller.email or ""),
        "controller_phone": controller.phone or "",
        "imprint_open": "" if controller.confirmed else still_open,
        "session_minutes": str(settings.session_minutes),
        "audit_days": str(settings.audit_days),
        "retention_days": str(settings.retention_days),
    }
