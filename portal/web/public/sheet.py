"""The questionnaire on paper, for places without any network.

Made from the same YAML. Small below each line stands the German text, so that whoever is handed the sheet can read it. It
is filled in by hand only: the page knows no answers.
"""

from collections import Counter

from flask import Blueprint, Response, g

from portal.catalogue.matching import Desk, resolve
from portal.catalogue.queries import ServiceView
from portal.clearing.paper import PaperQuestion, paper_questions
from portal.web.current import current_portal
from portal.web.public import presenting
from portal.web.public.bilingual import both, in_german, pair
from portal.web.public.views import Bit, Pair, SheetPlace, SheetQuestion
from portal.web.responses import render
from portal.web.texts import gettext as _
from portal.web.texts import questionnaire_text

READER = "young_person"
PLACES = 3
"""Desks beside the clearing desk: whoever most rules name first."""
NUMBERS = 4


def register(bp: Blueprint) -> None:
    bp.add_url_rule("/<lang:lang>/check/print", "sheet", sheet)


def sheet() -> Response:
    return render(
        "public/sheet.html",
        style="paper",
        keep=True,
        questions=questions(),
        places=places(),
        numbers=numbers(),
    )


def questions() -> tuple[SheetQuestion, ...]:
    asked = paper_questions(current_portal().clearing, READER)
    own = [wording(question) for question in asked]
    with in_german():
        german = [wording(question) for question in asked]
    return tuple(
        SheetQuestion(
            question.number,
            both(one[0], other[0]),
            pair(one[1], other[1]),
            one[2],
            ()
            if question.question.type == "place"
            else tuple(both(*texts) for texts in zip(one[3], other[3], strict=True)),
        )
        for question, one, other in zip(asked, own, german, strict=True)
    )


def wording(paper: PaperQuestion) -> tuple[str, str | None, str | None, list[str]]:
    """Question, hint, condition and options in the language of the moment."""
    question = paper.question
    hint = question.hint(READER)
    only_if = None
    if paper.after:
        number, options = paper.after
        answers = " / ".join(questionnaire_text(option.text(READER)) for option in options)
        only_if = _("Only if you ticked this at %(number)s: %(answers)s", number=number, answers=answers)
    return (
        questionnaire_text(question.text(READER)),
        questionnaire_text(hint) if hint else None,
        only_if,
        [option_words(*texts) for texts in ((o.text(READER), o.hint(READER)) for o in paper.options)],
    )


def option_words(text: str, hint: str | None) -> str:
    return f"{questionnaire_text(text)} ({questionnaire_text(hint)})" if hint else questionnaire_text(text)


def places() -> tuple[SheetPlace, ...]:
    """Where to take the sheet: the clearing desk, then the desks that most rules lead to."""
    portal = current_portal()
    catalogue = portal.catalogue
    own = catalogue.service(portal.region.clearing_desk)
    found = [sheet_place(own, None)] if own else []
    counts = Counter(rule.kind for rule in portal.clearing.rules if READER in rule.audiences)
    seen = {own.slug} if own else set()
    for kind, _count in counts.most_common():
        desk = resolve(catalogue, kind, place=None)
        if desk.service.slug not in seen and desk.level != "clearing" and len(found) <= PLACES:
            seen.add(desk.service.slug)
            found.append(sheet_place(desk.service, desk, kind))
    return tuple(found)


def sheet_place(service: ServiceView, desk: Desk | None, kind: str | None = None) -> SheetPlace:
    house = desk.location if desk else presenting.only_house(service)
    phones = presenting.phone_links(desk.phones if desk else service.phones_at(house))
    name = place_name(service, kind)
    with in_german():
        german = place_name(service, kind)
    return SheetPlace(
        pair(name, german) or Pair(None, service.name),
        service.organization.name,
        ", ".join(presenting.site(house).address) if house and not house.confidential else "",
        phones[0] if phones else None,
    )


def place_name(service: ServiceView, kind: str | None) -> Bit:
    term = current_portal().catalogue.term("contact_kinds", kind) if kind else None
    return presenting.term_text(term, "name") if term else presenting.quiet(service.text("name", g.lang))


def numbers() -> tuple[SheetPlace, ...]:
    """Who can be called at once, in the region's order."""
    catalogue = current_portal().catalogue
    services = [
        service for slug in catalogue.region.helplines if (service := catalogue.service(slug)) is not None
    ]
    found = [sheet_place(service, None) for service in services]
    return tuple(place for place in found if place.phone)[:NUMBERS]
