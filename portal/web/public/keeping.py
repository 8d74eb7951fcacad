"""What a phone keeps: contacts somebody saved, and the portal as an app. The server is told nothing of either."""

from typing import Any

from flask import Blueprint, Response, url_for

from portal.web.current import current_language, current_portal
from portal.web.languages import unmarked
from portal.web.public import addresses, presenting
from portal.web.public.bilingual import in_german
from portal.web.public.offers import offer_or_404, offer_page
from portal.web.public.views import OfferPage
from portal.web.responses import kept_json, render
from portal.web.texts import day
from portal.web.texts import gettext as _

ICON_SIZES = (192, 512)


def register(bp: Blueprint) -> None:
    bp.add_url_rule("/<lang:lang>/saved", "saved", saved)
    bp.add_url_rule("/<lang:lang>/offers/<slug>/card", "kept_card", kept_card)
    bp.add_url_rule("/<lang:lang>/app.webmanifest", "manifest", manifest)


def saved() -> Response:
    return render("public/saved.html", keep=True, index=False)


def kept_card(slug: str) -> Response:
    """The neutral card of an offer. The script keeps its fragment on the phone, with the day it was made."""
    service = offer_or_404(slug)
    own = offer_page(service)
    return render(
        "public/kept_card.html",
        fragment="card",
        keep=True,
        index=False,
        offer=own,
        german=german_side(slug),
        offer_url=addresses.offer(slug),
        saved_on=day(presenting.local_now().date()),
    )


def german_side(slug: str) -> OfferPage | None:
    """The same offer in German, for a reader of another language."""
    if current_language().locale.language == "de":
        return None
    with in_german():
        return offer_page(offer_or_404(slug))


def manifest() -> Response:
    """W3C Application Manifest. Name and icon say nothing about what it is: others see the phone, too."""
    portal, language = current_portal(), current_language()
    # NOTE: Name of the app on the phone. It must not say what it is about, in case others look at the phone.
    name = unmarked(_("Overview"))
    found: dict[str, Any] = {
        "id": "/",
        "name": name,
        "short_name": name,
        "lang": language.code,
        "dir": language.dir,
        "start_url": url_for("public.start"),
        "scope": "/",
        "display": "standalone",
        "background_color": "#fbf9f4",
        "theme_color": portal.region.theme.action,
        "icons": [
            *(
                {"src": portal.asset(f"icon-{size}.png"), "sizes": f"{size}x{size}", "type": "image/png"}
                for size in ICON_SIZES
            ),
            {
                "src": portal.asset("icon-maskable.png"),
                "sizes": "512x512",
                "type": "image/png",
                "purpose": "maskable",
            },
            {"src": portal.asset("icon.svg"), "sizes": "any", "type": "image/svg+xml"},
        ],
    }
    return kept_json("manifest", lambda: found, content_type="application/manifest+json")
