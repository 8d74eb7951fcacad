"""From a view to a response: the page around it, whole or fragment, kept or not."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from flask import Response, g, request, url_for
from flask_htmx import HTMX

from portal.web import provenance
from portal.web.current import current_language, current_portal
from portal.web.fragments import without_marks
from portal.web.languages import GERMAN
from portal.web.pagecache import MARK, accepted, compress
from portal.web.provenance import Origin
from portal.web.public.views import Link
from portal.web.rendering import Renderer
from portal.web.texts import day

if TYPE_CHECKING:
    from portal.web.application import Portal

htmx = HTMX()
NO_STORE = "no-store"
PUBLIC = "public, max-age=60"
PRIVATE = "private, max-age=60"


@dataclass(frozen=True, slots=True)
class Page:
    """What the layout needs besides the page itself."""

    languages: tuple[Link, ...]
    path: str
    canonical: str
    """The whole public address; empty when nobody has said where the portal stands."""
    robots: bool
    csrf: str
    start_url: str
    check_url: str
    offers_url: str
    help_url: str
    exit_action: str
    about_url: str
    privacy_url: str
    device_url: str
    """How to hide a visit."""
    imprint_url: str
    accessibility_url: str
    sources_url: str
    exit_url: str
    css: str
    script_url: str
    htmx_url: str
    icon_url: str
    manifest_url: str
    saved_url: str
    portal_name: str
    region_name: str
    logo: str
    """The county's own drawing for the head of the page; empty for ours."""
    fictional: bool
    origin: Origin | None
    """How far the translations on the page can be trusted; None on German pages."""
    show_german: bool
    """The German originals of unchecked texts can be folded out at the end of the page."""
    german_url: str
    kept: str
    """Day of a copy that a phone keeps for the time without network; empty on what is shown now."""


KEPT = b"kept"
"""The query of the copy of a page for later."""
KEPT_PAGES = ("offline", "help-now", "", "saved", "check/offline")
"""Pages a phone keeps for the time without network, behind the language."""


def is_kept_copy() -> bool:
    """Whether the page will be looked at later: then it says its day, and nothing about this minute."""
    return request.query_string == KEPT and request.path.partition("/")[2].partition("/")[2] in KEPT_PAGES


def wants_fragment() -> bool:
    """htmx asks for a part. Boosted and restored pages are whole."""
    return bool(htmx) and not htmx.boosted and not htmx.history_restore_request


def page_context(*, index: bool, csrf: str, style: str = "full", show_german: bool = False) -> Page:
    portal = current_portal()
    lang = current_language().code
    path = without_marks(request.path)
    rest = path[len(lang) + 1 :] if path.startswith(f"/{lang}/") else "/"
    # What somebody searches for stays when the language changes. It is a query of ours, so it is ASCII.
    asked = request.query_string.decode("ascii", "ignore")
    query = f"?{asked}" if asked and path.startswith(f"/{lang}/") and not is_kept_copy() else ""
    origin = page_origin()
    languages = tuple(
        Link(
            other.autonym,
            f"/{other.code}{rest}{query}",
            current=other.code == lang,
            lang=other.code,
            dir=other.dir,
            hint=other.greeting,
        )
        for other in portal.languages.values()
    )
    static = portal.page_constants[lang]
    logo = portal.catalogue.extras.logo  # Cleaned when it was stored.
    return Page(
        languages,
        path,
        portal.settings.base_url and portal.settings.base_url + path,
        index,
        csrf,
        css=portal.renderer.style(style),
        logo=portal.renderer.fragments.keep(("logo", logo), lambda: logo) if logo else "",
        origin=origin,
        show_german=show_german,
        german_url=f"/{GERMAN}{rest}{query}",
        kept=day(portal.now().astimezone(portal.timezone).date()) if is_kept_copy() else "",
        **static,
    )


def page_origin() -> Origin | None:
    """Of everything on this page that does not say it for itself."""
    language = current_language()
    if language.is_german:
        return None
    origin = provenance.origin_of(provenance.noted(), language.messages.least_review)
    return replace(origin, lacking=True) if origin and language.messages.gaps else origin


def page_constants(lang: str, portal: "Portal", asset: Callable[[str], str]) -> dict[str, Any]:
    """The part of `Page` that is the same for every page of one language; made once at start."""

    def to(endpoint: str, **values: Any) -> str:
        return url_for(endpoint, lang=lang, **values)

    region = portal.region
    return {
        "start_url": to("public.start"),
        "check_url": to("public.check"),
        "offers_url": to("public.offers"),
        "help_url": to("public.help_now"),
        "exit_action": to("public.leave"),
        "about_url": to("public.editorial", slug="about"),
        "privacy_url": to("public.editorial", slug="privacy"),
        "device_url": to("public.editorial", slug="your-device"),
        "imprint_url": to("public.editorial", slug="imprint"),
        "accessibility_url": to("public.editorial", slug="accessibility"),
        "sources_url": to("public.editorial", slug="sources"),
        "exit_url": region.exit_url,
        "script_url": asset("app.js"),
        "htmx_url": asset("htmx.min.js"),
        "icon_url": asset("icon.svg"),
        "manifest_url": to("public.manifest"),
        "saved_url": to("public.saved"),
        "portal_name": region.portal_name,
        "region_name": region.name,
        "fictional": region.fictional,
    }


def render(
    template: str,
    *,
    fragment: str | None = None,
    status: int = 200,
    cache: str = NO_STORE,
    keep: bool | str = False,
    csrf: str = "",
    index: bool = True,
    style: str = "full",
    show_german: bool = False,
    **context: Any,
) -> Response:
    """One template, two answers: the block `fragment` for an htmx swap, the whole page otherwise.

    `keep` hands the page to the page cache: only for pages that depend on nothing but their address. Addresses
    with a query are kept only when it is the one given as `keep`, so that made-up ones cannot fill the cache.
    `show_german`: below the page, the German originals of its unchecked translations.
    """
    portal = current_portal()
    part = fragment if fragment is not None and wants_fragment() else None
    policies = portal.policies
    context["page"] = page_context(index=index, csrf=csrf, style=style, show_german=show_german)
    if portal.policies is not policies:
        # The colours changed at this very moment; style and policy must be of the same time.
        policies = portal.policies
        context["page"] = page_context(index=index, csrf=csrf, style=style, show_german=show_german)
    kept_copy = bool(context["page"].kept)
    text = portal.renderer.page(g.lang, template, context, fragment=part)
    response = Response(status=status, content_type="text/html; charset=utf-8")
    response.headers["Content-Language"] = g.lang
    response.headers["Content-Security-Policy"] = policies[style]
    public = bool(keep) and status == 200
    response.headers["Cache-Control"] = PUBLIC if public else cache
    response.headers["Vary"] = "HX-Request, Accept-Encoding"
    known_address = not request.query_string or kept_copy or keep == request.full_path
    if public and known_address and portal.settings.page_cache:
        response.headers[MARK] = "1"
        response.set_data(portal.renderer.fragments.plain(text))
    else:
        pack(response, text)
    return response


def pack(response: Response, text: str, renderer: Renderer | None = None) -> None:
    """Compress a page made for one visitor. gzip first: it has read the beginning of the page already."""
    renderer = renderer or current_portal().renderer
    page = renderer.fragments.plain(text)
    header = request.headers.get("Accept-Encoding", "")
    encoding = "gzip" if accepted(header.replace("br", "")) else accepted(header)
    if encoding == "gzip":
        page = renderer.packer.gzip(page)
    elif encoding:
        page = compress(page, encoding, thorough=False)
    if encoding:
        response.headers["Content-Encoding"] = encoding
    response.set_data(page)


def packed(content_type: str, bodies: dict[str, bytes]) -> Response:
    """A body in the coding that is asked for; `bodies` remembers each. Pictures are packed already."""
    encoding = "" if content_type == "image/png" else accepted(request.headers.get("Accept-Encoding", ""))
    if encoding not in bodies:
        bodies[encoding] = compress(bodies[""], encoding, thorough=True)
    response = Response(bodies[encoding], content_type=content_type)
    response.headers["Vary"] = "Accept-Encoding"
    if encoding:
        response.headers["Content-Encoding"] = encoding
    return response


def tagged(response: Response, *, cache: str) -> Response:
    """With an ETag, and empty when the browser has it already."""
    digest = hashlib.sha256(response.get_data()).hexdigest()[:20]
    response.set_etag(f"{digest}-{response.headers.get('Content-Encoding', 'plain')}")
    response.headers["Cache-Control"] = cache
    return response.make_conditional(request)  # type: ignore[return-value]


def kept_json(name: str, make: Callable[[], object], *, content_type: str = "application/json") -> Response:
    """Data that is the same for everybody on one day in one language; made once for each state of the catalogue."""
    portal = current_portal()
    today = portal.now().astimezone(portal.timezone).date()

    def write() -> dict[str, bytes]:
        return {"": json.dumps(make(), ensure_ascii=False, separators=(",", ":")).encode()}

    bodies = portal.catalogue.cached(("json", name, g.lang, today), write)
    return tagged(packed(content_type, bodies), cache="public, max-age=3600")


def json_response(value: object, *, status: int = 200) -> Response:
    body = json.dumps(value, ensure_ascii=False, indent=1)
    return Response(body + "\n", status=status, content_type="application/json; charset=utf-8")
