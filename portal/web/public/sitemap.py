"""For search engines: every public page in every language, each with its other languages (sitemaps.org, hreflang).

In the pages themselves the twelve links would cost every reader; a sitemap may carry them instead
(https://developers.google.com/search/docs/specialty/international/localized-versions#sitemap).
"""

from collections.abc import Iterator
from xml.sax.saxutils import quoteattr

from flask import Blueprint, Response, g, request, url_for

from portal.web.current import current_portal
from portal.web.public.pages import EDITORIAL

HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n'
PLAIN = ("public.start", "public.topics", "public.help_now", "public.offers")


def register(bp: Blueprint) -> None:
    bp.add_url_rule("/robots.txt", "robots", robots)
    bp.add_url_rule("/sitemap.xml", "sitemaps", sitemaps)
    bp.add_url_rule("/<lang:lang>/sitemap.xml", "sitemap", sitemap)


def robots() -> Response:
    text = f"User-agent: *\nAllow: /\nSitemap: {base()}{url_for('public.sitemaps')}\n"
    return answer(text, "text/plain")


def sitemaps() -> Response:
    """One sitemap for each language."""
    lines = "".join(
        f"<sitemap><loc>{base()}{url_for('public.sitemap', lang=code)}</loc></sitemap>\n"
        for code in current_portal().languages
    )
    return answer(
        f'{HEAD}<sitemapindex xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">\n{lines}</sitemapindex>\n'
    )


def sitemap() -> Response:
    own = f"/{g.lang}/"
    site = base()
    codes = list(current_portal().languages)
    lines = []
    for page in pages():
        rest = page.removeprefix(own)
        others = "".join(
            f'<xhtml:link rel="alternate" hreflang="{code}" href={quoteattr(f"{site}/{code}/{rest}")}/>'
            for code in codes
        )
        # Whoever speaks none of them gets the region's first language.
        others += f'<xhtml:link rel="alternate" hreflang="x-default" href={quoteattr(f"{site}/{codes[0]}/{rest}")}/>'
        lines.append(f"<url><loc>{site}{page}</loc>{others}</url>\n")
    return answer(
        f'{HEAD}<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9"'
        f' xmlns:xhtml="http://www.w3.org/1999/xhtml">\n{"".join(lines)}</urlset>\n'
    )


def pages() -> Iterator[str]:
    """Addresses in the language of the request. Pages with answers, forms and what is kept for later are left out."""
    portal = current_portal()
    catalogue = portal.catalogue
    for endpoint in PLAIN:
        yield url_for(endpoint)
    for slug in EDITORIAL:
        yield url_for("public.editorial", slug=slug)
    for term in catalogue.terms("topics"):
        yield url_for("public.topic", code=term.code)
    organizations: dict[str, None] = {}
    for service in catalogue.every_service():
        yield url_for("public.offer", slug=service.slug)
        organizations[service.organization.slug] = None
    for slug in organizations:
        yield url_for("public.organization", slug=slug)


def base() -> str:
    return current_portal().settings.base_url or request.url_root.rstrip("/")


def answer(text: str, kind: str = "application/xml") -> Response:
    response = Response(text, content_type=f"{kind}; charset=utf-8")
    response.headers["Cache-Control"] = "public, max-age=3600"
    response.headers["Vary"] = "Host"
    return response
