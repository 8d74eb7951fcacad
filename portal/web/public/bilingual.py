"""Cards in two languages, the reader's and German: to show at a counter, to print, to hand over.

The German side is the same card made a second time in German, so nothing on it can be forgotten. The pages after the
questions read the cookie as the result does; their addresses say no more than which kind of desk is meant.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from flask import Blueprint, Response, g
from werkzeug.exceptions import NotFound

from portal.web.current import begin, current_language, current_portal
from portal.web.languages import GERMAN_BEGINS, unmarked
from portal.web.public import addresses, check, offers, outcome
from portal.web.public.views import (
    Bit,
    ContactCard,
    Fact,
    OfferPage,
    Opening,
    OrganizationPage,
    Pair,
    PhoneLink,
    Site,
    TwoCard,
)
from portal.web.responses import NO_STORE, render
from portal.web.texts import N_
from portal.web.texts import gettext as _

SAY = N_("You can say this")
SAY_FORMAL = N_("Words for the first call")
STEPS = N_("What happens next")
STEPS_THERE = N_("What happens there")
HELPS = N_("This is what they do for you")
HELPS_FORMAL = N_("This is what they do")
HOW_TO_START = N_("How to start")
COSTS = N_("What it costs")
BROUGHT = N_("I have brought:")
AT_THE_COUNTER = (
    N_("I would like an appointment, please."),
    N_("Please write down the day, the time and what I should bring."),
    N_("Does anyone here speak my language, or can an interpreter come?"),
    N_("If this is the wrong place, please tell me who can help me."),
)


def register(bp: Blueprint) -> None:
    bp.add_url_rule("/<lang:lang>/result/both", "result_both", result_both)
    bp.add_url_rule("/<lang:lang>/result/both/<kind>", "result_bilingual", result_bilingual)
    bp.add_url_rule("/<lang:lang>/offers/<slug>/both", "offer_both", offer_both)
    bp.add_url_rule("/<lang:lang>/organizations/<slug>/both", "organization_both", organization_both)


@contextmanager
def in_german() -> Iterator[None]:
    """Everything looked up inside is in German."""
    portal, own = current_portal(), current_language()
    german = portal.languages.get("de", own)
    try:
        begin(portal, german)
        g.lang = german.code
        yield
    finally:
        begin(portal, own)
        g.lang = own.code


def pair(own: Bit | str | None, german: Bit | str | None) -> Pair | None:
    """None when there is nothing to say. What the reader would get in German anyway stands there once."""
    german_text = str(german or own or "")
    if not german_text:
        return None
    foreign = isinstance(own, Bit) and own.lang is not None
    return both(None if foreign else str(own or ""), german_text)


def both(own: str | None, german: str) -> Pair:
    """A text whose translation is missing stands on the page in German already (`languages.german`)."""
    german = unmarked(german)
    if not own or GERMAN_BEGINS in own:
        return Pair(None, german)
    # Both can be read by everybody then; the split words only by some more.
    return Pair(None, own) if without_dots(own) == without_dots(german) else Pair(own, german)


def without_dots(text: str) -> str:
    """Leichte Sprache splits long words with a middle dot; that alone is no other text."""
    return text.replace("·", "")


def label(msgid: str) -> Pair:
    """A text of the interface in both languages."""
    own = _(msgid)
    with in_german():
        german = _(msgid)
    return both(own, german)


def pairs(own: Sequence[str], german: Sequence[str]) -> tuple[Pair, ...]:
    """Line by line; lists of different length cannot be matched and stand there as a whole."""
    if len(own) != len(german):
        whole = pair("; ".join(own), "; ".join(german))
        return (whole,) if whole else ()
    return tuple(p for one, other in zip(own, german, strict=True) if (p := pair(one, other)))


def fact(own: Bit | str | None, german: Bit | str | None, named: str | None = None) -> Fact | None:
    found = pair(own, german)
    return Fact((found,), label(named) if named else None) if found else None


def lines(own: Sequence[str], german: Sequence[str], named: str | None = None) -> Fact | None:
    found = pairs(own, german)
    return Fact(found, label(named) if named else None, listed=True) if found else None


def two_card(
    title: Pair | None,
    *,
    office: Pair | None = None,
    facts: Sequence[Fact | None] = (),
    site: Site | None = None,
    phones: Sequence[PhoneLink] = (),
    write: str | None = None,
    website: str | None = None,
) -> TwoCard:
    return TwoCard(
        title=title,
        office=office,
        facts=tuple(f for f in facts if f),
        address=site.address if site else (),
        phones=tuple(phones)[:3],
        write=write,
        website=website,
    )


def opening_hours(own: Sequence[Opening], german: Sequence[Opening]) -> TwoCard | None:
    """A card of their own: with them the first one would not fit on a postcard any more."""
    for one, other in zip(own, german, strict=True):
        if hours := week(one, other):
            return TwoCard(pair(one.label, other.label), hours=hours)
    return None


def all_openings(page: OfferPage | OrganizationPage) -> tuple[Opening, ...]:
    """Those of the one house, then the service's own."""
    own = page.openings if isinstance(page, OfferPage) else ()
    return (*(page.site.openings if page.site else ()), *own)


def week(own: Opening, german: Opening) -> tuple[tuple[Pair, Pair], ...]:
    """Days and times. "Open now" would be wrong on paper."""
    with in_german():
        closed = _("closed")
    return tuple(
        (day, times)
        for (own_day, own_times), (german_day, german_times) in zip(own.week, german.week, strict=True)
        if german_times != closed
        and (day := pair(own_day, german_day))
        and (times := pair(own_times, german_times))
    )


def contact(own: ContactCard, german: ContactCard, *, formal: bool, first: bool) -> TwoCard:
    helps = HELPS_FORMAL if formal else HELPS
    return two_card(
        pair(own.name, german.name),
        office=pair(own.office, german.office),
        facts=(
            fact(own.urgency_text, german.urgency_text),
            fact(own.why, german.why),
            fact(own.helps_with, german.helps_with, helps) if first else None,
            fact(own.missing, german.missing),
        ),
        site=own.site,
        phones=own.phones,
        write=own.write,
        website=None if own.phones else own.website,
    )


def spoken(own: ContactCard, german: ContactCard, *, formal: bool) -> TwoCard | None:
    """The words to read out as a card of their own, named after the desk they are for."""
    said = pair(own.say, german.say)
    if said is None:
        return None
    return two_card(
        label(SAY_FORMAL if formal else SAY),
        office=pair(own.name, german.name),
        facts=(Fact((said,), quoted=True),),
    )


def counter(brought: Fact | None) -> TwoCard:
    """Sentences that help at any counter."""
    return two_card(None, facts=(*(Fact((label(text),)) for text in AT_THE_COUNTER), brought))


def result_both() -> Any:
    return from_answers(None)


def result_bilingual(kind: str) -> Any:
    return from_answers(kind)


def from_answers(kind: str | None) -> Any:
    """The whole result, or the contact of that kind."""
    answers, path = check.current_path()
    if g.get("session_expired") or not path.usable:
        return check.check()
    check.stay_alive()
    found = outcome.route(path)
    place, formal = check.place_of(answers), path.audience in check.FORMAL
    own = [made.card for made in outcome.cards(found, place, formal)]
    with in_german():
        german = [made.card for made in outcome.cards(found, place, formal)]
    cards: list[TwoCard | None] = []
    brought: Fact | None = None
    for one, other in zip(own, german, strict=True):
        if kind not in (None, one.kind):
            continue
        whole = not cards
        cards += [
            contact(one, other, formal=formal, first=whole),
            spoken(one, other, formal=formal),
        ]
        if whole:
            brought = lines(one.bring, other.bring, BROUGHT)
            if one.steps:
                cards.append(two_card(label(STEPS), facts=(lines(one.steps, other.steps),)))
            cards.append(opening_hours(one.openings, other.openings))
        if kind is not None:
            break
    if not cards:
        raise NotFound
    return page(cards, brought, addresses.result())


def offer_both(slug: str) -> Response:
    service = offers.offer_or_404(slug)
    own = offers.offer_page(service)
    with in_german():
        german = offers.offer_page(service)
    said = pair(own.say, german.say)
    cards = [
        two_card(
            pair(own.name, german.name),
            office=pair(own.organization, german.organization),
            facts=(
                fact(own.description, german.description),
                fact(own.how_to_start, german.how_to_start, HOW_TO_START),
                fact(own.cost, german.cost, COSTS),
                fact(own.missing, german.missing),
            ),
            site=own.site,
            phones=own.phones,
            write=own.write,
            website=None if own.phones else own.website,
        ),
        two_card(label(SAY), facts=(Fact((said,), quoted=True),)) if said else None,
        two_card(label(STEPS_THERE), facts=(lines(own.steps, german.steps),)) if own.steps else None,
        opening_hours(all_openings(own), all_openings(german)),
    ]
    brought = lines(own.bring, german.bring, BROUGHT)
    return page(cards, brought, addresses.offer(slug), keep=True)


def organization_both(slug: str) -> Response:
    own = offers.organization_page(slug)
    with in_german():
        german = offers.organization_page(slug)
    cards = [organization_card(own, german), opening_hours(all_openings(own), all_openings(german))]
    return page(cards, None, addresses.organization(slug), keep=True)


def organization_card(own: OrganizationPage, german: OrganizationPage) -> TwoCard:
    return two_card(
        pair(own.name, german.name),
        office=pair(own.kind, german.kind),
        facts=(fact(own.description, german.description), fact(own.missing, german.missing)),
        site=own.site,
        phones=own.phones,
        write=own.write,
        website=own.website,
    )


def page(
    cards: Sequence[TwoCard | None], brought: Fact | None, back_url: str, *, keep: bool = False
) -> Response:
    return render(
        "public/bilingual.html",
        style="paper",
        index=False,
        keep=keep,
        cache=NO_STORE,
        cards=[card for card in cards if card],
        counter=counter(brought),
        back_url=back_url,
    )
