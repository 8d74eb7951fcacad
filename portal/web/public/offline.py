"""What a phone keeps for the time without network: a few pages, and the questions with everything that
`assets/clearing.js` needs to ask and to route.

The worker fetches it ahead of time, without the cookie. It holds the whole questionnaire and no answer.
"""

from typing import Any

from flask import Blueprint, Response, current_app, url_for

from portal.catalogue.matching import desks
from portal.catalogue.queries import ServiceView
from portal.clearing import KINDS
from portal.clearing.packing import packed
from portal.clearing.routing import ELSEWHERE
from portal.web.current import current_language, current_portal
from portal.web.public import presenting
from portal.web.public.keeping import german_side
from portal.web.public.offers import offer_page
from portal.web.public.outcome import URGENCY
from portal.web.responses import KEPT, KEPT_PAGES, kept_json, render
from portal.web.texts import gettext as _
from portal.web.texts import questionnaire_text


def register(bp: Blueprint) -> None:
    bp.add_url_rule("/<lang:lang>/check/offline", "check_offline", check_offline)
    bp.add_url_rule("/<lang:lang>/check/offline.json", "check_offline_data", check_offline_data)
    bp.add_url_rule("/<lang:lang>/kept.json", "bundle", bundle)


def check_offline() -> Response:
    clearing = current_portal().clearing
    return render(
        "public/check_offline.html",
        keep=True,
        index=False,
        style="light",
        data_url=url_for("public.check_offline_data"),
        first_question=questionnaire_text(clearing.questions[0].text(clearing.audiences[0])),
    )


def check_offline_data() -> Response:
    return kept_json("questions", questions_and_desks)


def bundle() -> Response:
    """Everything for one language in one answer: the pages are much alike, together they are half as heavy."""
    return kept_json("bundle", lambda: {"pages": copies(), "questions": questions_and_desks()})


def copies() -> dict[str, dict[str, str]]:
    """Path behind the language → the page as it shall be read later, with the policy that belongs to it."""
    lang = current_language().code
    found = {}
    for page in KEPT_PAGES:
        # A request of its own: without cookie, and with the address that its links are made from.
        with current_app.test_request_context(f"/{lang}/{page}", query_string=KEPT.decode()):
            response = current_app.full_dispatch_request()
        found[page] = {
            "html": response.get_data(as_text=True),
            "policy": response.headers["Content-Security-Policy"],
        }
    return found


def questions_and_desks() -> dict[str, Any]:
    """Questions, rules and the desks for the county as a whole, in the language of the request."""
    portal = current_portal()
    today = portal.now().astimezone(portal.timezone).date()
    found = packed(portal.clearing, switches=portal.switches, today=today, say=questionnaire_text)
    found["desks"], found["cards"] = desks_of_rules(found["rules"])
    terms = portal.catalogue.terms("contact_kinds")
    found["names"] = {term.code: presenting.term_text(term, "name").text for term in terms}
    # How to find the same office in another county.
    found["find"] = {term.code: text for term in terms if (text := presenting.words(term, "elsewhere"))}
    found["words"] = words()
    return found


def desks_of_rules(rules: list[dict[str, Any]]) -> tuple[dict[str, str], dict[str, str]]:
    """Kind, or "kind topic" where a rule prefers a topic → offer; offer → its card as HTML."""
    portal = current_portal()
    renderer, lang = portal.renderer, current_language().code
    wanted = {kind: "" for kind in KINDS if kind != ELSEWHERE}
    wanted |= {f"{rule['kind']} {rule['prefer']}": rule["prefer"] for rule in rules if "prefer" in rule}
    chosen: dict[str, str] = {}
    cards: dict[str, str] = {}
    for name, topic in wanted.items():
        service = desk(name.split()[0], topic)
        chosen[name] = service.slug
        if service.slug not in cards:
            html = renderer.macro(
                lang,
                "ui/kept_card.html",
                "kept_card",
                offer_page(service),
                german_side(service.slug),
                3,
                True,
            )
            cards[service.slug] = renderer.fragments.plain(html).decode()
    return chosen, cards


def desk(kind: str, topic: str) -> ServiceView:
    ranked = [found.service for found in desks(current_portal().catalogue, kind, place=None)]
    return next((service for service in ranked if topic and topic in service.topics[:1]), ranked[0])


def words() -> dict[str, Any]:
    """What the page says around the cards; in pairs where grown-ups are addressed as Sie."""
    return {
        "first": [_("Your first step"), _("The first step")],
        "also": [_("Also there for you"), _("These help as well")],
        "safe": [
            _("You are not alone. Someone helps you now."),
            _("You are not alone with this. Someone helps now."),
        ],
        "right": [_("You are right here."), _("This is the right place to start.")],
        "urgent": {urgency: _(text) for urgency, text in URGENCY.items()},
        "most": _("At most %(max)s. Take one away first."),
    }
