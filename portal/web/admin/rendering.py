"""Admin pages: the same renderer and components as in public, with their own frame and style."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, cast

from flask import Response, current_app, flash, get_flashed_messages, request, url_for
from markupsafe import Markup

from portal.accounts.permissions import Permission
from portal.web.admin import guard
from portal.web.assets import Assets
from portal.web.current import current_language, current_portal
from portal.web.languages import Language
from portal.web.rendering import ASSETS, Renderer, minify_css
from portal.web.responses import pack, wants_fragment
from portal.web.security import new_token
from portal.web.texts import N_, gettext

if TYPE_CHECKING:
    from portal.web.application import Portal


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of the navigation."""

    label: str
    endpoint: str
    icon: str
    permission: Permission
    everywhere: bool = False
    """Only for those who may do it in the whole county."""
    referrals: bool = False
    """Only where referrals are set up."""


NAVIGATION: list[Entry] = [
    Entry(N_("Today"), "admin.dashboard", "house", Permission.SIGN_IN),
    Entry(N_("Referrals"), "admin.referrals", "messages-square", Permission.REFERRALS, referrals=True),
    Entry(N_("Prepare together"), "admin.prepare", "smartphone", Permission.REFERRALS, referrals=True),
    Entry(N_("Offers"), "admin.services", "clipboard-list", Permission.SEE_CATALOGUE),
    Entry(N_("Organizations"), "admin.organizations", "building-2", Permission.SEE_CATALOGUE),
    Entry(N_("To review"), "admin.review", "eye", Permission.EDIT),
    Entry(N_("Translations"), "admin.translations", "languages", Permission.TRANSLATE),
    Entry(N_("Confirmations"), "admin.confirmations", "clipboard-check", Permission.EDIT),
    Entry(N_("Reports"), "admin.reports", "flag", Permission.EDIT),
    Entry(N_("Addresses"), "admin.links", "globe", Permission.SEE_CATALOGUE),
    Entry(N_("Slips"), "admin.slip_entry", "notebook-pen", Permission.SLIPS, referrals=True),
    Entry(N_("Case talks"), "admin.case_talks", "lightbulb", Permission.CASE_TALKS, referrals=True),
    Entry(N_("Unanswered"), "admin.referral_watch", "hourglass", Permission.WATCH, referrals=True),
    Entry(N_("Teams"), "admin.referral_teams", "users", Permission.TEAMS, referrals=True),
    Entry(N_("Numbers"), "admin.statistics", "activity", Permission.STATISTICS),
    Entry(N_("Words"), "admin.search_misses", "search", Permission.EDIT, everywhere=True),
    Entry(N_("Questionnaire"), "admin.clearing", "route", Permission.CLEARING),
    Entry(N_("Settings"), "admin.settings", "settings", Permission.SETTINGS, everywhere=True),
    Entry(N_("Log"), "admin.audit", "file-clock", Permission.AUDIT),
    Entry(N_("Import and export"), "admin.exchange", "file-text", Permission.EXCHANGE),
    Entry(N_("People"), "admin.people", "users-round", Permission.USERS),
]
"""In the order of the page."""
DAILY = 7
"""So many lines stand side by side; the others are behind "More"."""


@dataclass(frozen=True, slots=True)
class NavigationLink:
    label: str
    url: str
    icon: str
    current: bool


@dataclass(frozen=True, slots=True)
class Message:
    kind: str
    text: str
    ways: Sequence[tuple[str, str]] = ()
    """Addresses and words of links that go on from it."""


@dataclass(frozen=True, slots=True)
class AdminPage:
    """What the frame needs."""

    css: Markup
    script_url: str
    htmx_url: str
    icon_url: str
    portal_name: str
    region_name: str
    fictional: bool
    public_url: str
    csrf: str
    path: str
    user: guard.SignedIn | None
    navigation: tuple[NavigationLink, ...]
    """What is needed daily."""
    more: tuple[NavigationLink, ...]
    messages: tuple[Message, ...]
    typed: tuple[str, ...]
    """Kept of a form of this page, which the page itself does not fill in again."""


def admin_css(portal: "Portal") -> str:
    from portal.web.application import themed

    app, more, admin = (
        (ASSETS / name).read_text(encoding="utf-8") for name in ("app.css", "more.css", "admin.css")
    )
    return minify_css(themed(app, portal.region) + more + admin)


def admin_renderer(portal: "Portal", languages: Iterable[Language]) -> Renderer:
    files = Assets()
    return Renderer(
        languages, styles={"admin": admin_css(portal)}, names={"asset": files.url, "url_for": url_for}
    )


def admin_policy(renderer: Renderer) -> str:
    return "; ".join(
        (
            "default-src 'none'",
            f"style-src 'sha256-{renderer.style_hashes['admin']}'",
            "script-src 'self'",
            "img-src 'self' data:",
            "connect-src 'self'",
            "form-action 'self'",
            "frame-src 'self'",
            "base-uri 'none'",
            "frame-ancestors 'self'",
        )
    )


def say(
    text: str, kind: Literal["good", "info", "wrong"] = "good", *, ways: Sequence[tuple[str, str]] = ()
) -> None:
    """A message on top of the next page."""
    # The cookie keeps plain JSON only: markup would come back as text.
    flash(cast(Any, (text, ways)) if ways else text, kind)


def admin_page(*, with_typed: bool) -> AdminPage:
    portal = current_portal()
    user = guard.somebody()
    path = request.path
    files = cast(Renderer, current_app.extensions["admin_renderer"])
    entries = [
        (entry, url_for(entry.endpoint)) for entry in NAVIGATION if user is not None and _may_go(user, entry)
    ]
    # Pages of referrals lie below the inbox: the entry that says most is the current one.
    current = max((url for _entry, url in entries if _is_current(path, url)), key=len, default="")
    navigation = tuple(
        NavigationLink(gettext(entry.label), url, entry.icon, current=url == current)
        for entry, url in entries
    )
    static = portal.page_constants["de"]
    return AdminPage(
        css=files.style("admin"),
        script_url=current_app.extensions["admin_assets"].url("admin.js"),
        htmx_url=static["htmx_url"],
        icon_url=static["icon_url"],
        portal_name=portal.region.portal_name,
        region_name=portal.region.name,
        fictional=portal.region.fictional,
        public_url=f"/{next(iter(portal.languages))}/",
        csrf=new_token(),
        path=path,
        user=user,
        navigation=navigation[:DAILY],
        more=navigation[DAILY:],
        messages=tuple(
            Message(kind, said) if isinstance(said, str) else Message(kind, *said)
            for kind, said in cast(Any, get_flashed_messages(with_categories=True))
        ),
        typed=tuple(guard.typed_and_not_shown()) if with_typed else (),
    )


def area_of(path: str) -> str:
    """What the navigation calls the part of the admin pages that an address belongs to."""
    parts = [(url_for(entry.endpoint), entry.label) for entry in NAVIGATION]
    fitting = [(len(url), label) for url, label in parts if _is_current(path, url)]
    return gettext(max(fitting)[1]) if fitting else path


def _may_go(user: guard.SignedIn, entry: Entry) -> bool:
    may = user.powers.may_everywhere if entry.everywhere else user.powers.may
    return may(entry.permission) and (not entry.referrals or current_portal().referrals is not None)


def _is_current(path: str, url: str) -> bool:
    return path == url or (url.rstrip("/") != "/admin" and path.startswith(url.rstrip("/") + "/"))


def render(template: str, *, fragment: str | None = None, status: int = 200, **context: Any) -> Response:
    """The whole page, or for htmx its block `fragment`."""
    renderer = cast(Renderer, current_app.extensions["admin_renderer"])
    part = fragment if fragment is not None and wants_fragment() else None
    # A page about a mistake must not need the database, which may be the mistake.
    context["page"] = admin_page(with_typed=status == 200 and part is None)
    text = renderer.page(current_language().code, template, context, fragment=part)
    response = Response(status=status, content_type="text/html; charset=utf-8")
    response.headers["Content-Language"] = current_language().code
    response.headers["Vary"] = "HX-Request, Accept-Encoding, Cookie"
    response.headers["Cache-Control"] = "no-store"
    pack(response, text, renderer)
    return response
