"""From a view to a response: the page around it, whole or fragment, kept or not."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from flask import Response, g, request, url_for
from flask_htmx import HTMX

from portal.web.current import current_language, current_portal
from portal.web.fragments import without_marks
from portal.web.pagecache import MARK, accepted, compress
from portal.web.public.views import Link
from portal.web.rendering import Renderer

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
    robots: bool
    csrf: str
    start_url: str
    check_url: str
    offers_url: str
    help_url: str
    exit_action: str
    about_url: str
    privacy_url: str
    imprint_url: str
    accessibility_url: str
    sources_url: str
    exit_url: str
    css: str
    script_url: str
    htmx_url: str
    icon_url: str
    manifest_url: str
    portal_name: str
    region_name: str
    logo: str
    """The county's own drawing for the head of the page; empty for ours."""
    fictional: bool
    machine: bool
    """Something on the page was translated by a machine and not read by a person yet."""


def wants_fragment() -> bool:
    """htmx asks for a part. Boosted and restored pages are whole."""
    return bool(htmx) and not htmx.boosted and not htmx.history_restore_request


def page_context(*, index: bool, csrf: str, style: str = "full") -> Page:
    portal = current_portal()
    lang = current_language().code
    path = without_marks(request.path)
    rest = path[len(lang) + 1 :] if path.startswith(f"/{lang}/") else "/"
    languages = tuple(
        Link(
            other.autonym,
            f"/{other.code}{rest}",
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
        portal.settings.base_url + path,
        index,
        csrf,
        css=portal.renderer.style(style),
        logo=portal.renderer.fragments.keep(("logo", logo), lambda: logo) if logo else "",
        machine=lang in portal.catalogue.machine_languages,
        **static,
    )


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
        "imprint_url": to("public.editorial", slug="imprint"),
        "accessibility_url": to("public.editorial", slug="accessibility"),
        "sources_url": to("public.editorial", slug="sources"),
        "exit_url": region.exit_url,
        "script_url": asset("app.js"),
        "htmx_url": asset("htmx.min.js"),
        "icon_url": asset("icon.svg"),
        "manifest_url": asset("manifest.webmanifest"),
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
    **context: Any,
) -> Response:
    """One template, two answers: the block `fragment` for an htmx swap, the whole page otherwise.

    `keep` hands the page to the page cache: only for pages that depend on nothing but their address. Addresses
    with a query are kept only when it is the one given as `keep`, so that made-up ones cannot fill the cache.
    """
    portal = current_portal()
    part = fragment if fragment is not None and wants_fragment() else None
    policies = portal.policies
    context["page"] = page_context(index=index, csrf=csrf, style=style)
    if portal.policies is not policies:
        # The colours changed at this very moment; style and policy must be of the same time.
        policies = portal.policies
        context["page"] = page_context(index=index, csrf=csrf, style=style)
    text = portal.renderer.page(g.lang, template, context, fragment=part)
    response = Response(status=status, content_type="text/html; charset=utf-8")
    response.headers["Content-Language"] = g.lang
    response.headers["Content-Security-Policy"] = policies[style]
    public = bool(keep) and status == 200
    response.headers["Cache-Control"] = PUBLIC if public else cache
    response.headers["Vary"] = "HX-Request, Accept-Encoding"
    known_address = not request.query_string or keep == request.full_path
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


def json_response(value: object, *, status: int = 200) -> Response:
    body = json.dumps(value, ensure_ascii=False, indent=1)
    return Response(body + "\n", status=status, content_type="application/json; charset=utf-8")
