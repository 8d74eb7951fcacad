"""The result page: one first contact with its reason, at most three others, and what to do next."""

import re
from collections.abc import Collection, Hashable, Mapping
from dataclasses import dataclass, replace

from flask import Response, request
from markupsafe import Markup

from portal.catalogue.matching import Desk, desks, fitting_offers, resolve
from portal.catalogue.queries import ServiceView, TermView
from portal.clearing import Need, Outcome, Path
from portal.web import provenance
from portal.web.current import current_language, current_portal
from portal.web.provenance import Shown
from portal.web.public import addresses, presenting, taking
from portal.web.public.views import Bit, ContactCard, Link
from portal.web.responses import render
from portal.web.texts import N_, german_text, is_german, listing, questionnaire_text
from portal.web.texts import gettext as _

URGENCY = {
    "now": N_("Best right now"),
    "today": N_("Best still today"),
    "days": N_("Best within the next days"),
}
HELPLINE = "hilfetelefon"
"""Of the `organization_kinds`."""
AGE_OF_BAND = {
    "under_15": 14,
    "age_15_17": 16,
    "age_18_20": 19,
    "age_21_24": 22,
    "age_25_26": 25,
    "over_26": 30,
}
"""A year in the middle of each band, to see which offers fit. Nobody is asked for a birth date."""


def route(path: Path) -> Outcome:
    portal = current_portal()
    today = portal.now().astimezone(portal.timezone).date()
    return portal.clearing.route(path, switches=portal.switches, today=today)


def result_page(
    path: Path,
    answers: Mapping[str, tuple[str, ...]],
    *,
    place: str | None,
    said: tuple[Link, ...],
    unfinished_url: str | None,
    formal: bool,
) -> Response:
    """The page for one path. What is on a card is the same for everybody with that need, and is kept as HTML."""
    portal = current_portal()
    outcome = route(path)
    first, *others = made = cards(outcome, place, formal)
    offers = offers_for(outcome, answers, place, tuple(one.slug for one in made))
    for one in made:
        # The first card says it for itself; the others are only named.
        provenance.hand_up(one.card.origin, said=one is first)
    labels = [questionnaire_text(said.label) for said in outcome.because]
    return render(
        "public/result.html",
        index=False,
        csrf="",
        said=said,
        first=first_html(first, formal),
        others=tuple(other_html(other) for other in others),
        because=_("That is why we begin here: %(answers)s.", answers=listing(labels)) if labels else "",
        why_not=tuple(
            (presenting.term_label("contact_kinds", item.kind), questionnaire_text(item.text))
            for item in outcome.why_not
        ),
        safety=outcome.safety,
        elsewhere=outcome.primary.named_kind is not None,
        formal=formal,
        offers=offers,
        offers_url=addresses.offers(kind=outcome.primary.kind),
        restart_action=addresses.forget(),
        save=save_html(first),
        both_url=addresses.result_both(),
        slip_url=None if formal or outcome.safety or portal.referrals is None else addresses.slip(),
        unfinished_url=unfinished_url,
        remaining=path.remaining,
        minutes=portal.settings.session_minutes,
        mine_url=addresses.mine(),
        place_hint=place_hint(outcome.primary, place, answers, formal),
    )


@dataclass(frozen=True, slots=True)
class Made:
    """A card and what it was made from; the same for everybody with this need at this place in this minute."""

    key: tuple[Hashable, ...]
    slug: str
    card: ContactCard


def cards(outcome: Outcome, place: str | None, formal: bool) -> list[Made]:
    """The first contact and the others, no desk twice where there is another one."""
    made: list[Made] = []
    for need in (outcome.primary, *outcome.also):
        made.append(card_of(need, place, formal, avoid=tuple(one.slug for one in made)))
    return made


def card_of(need: Need, place: str | None, formal: bool, avoid: tuple[str, ...] = ()) -> Made:
    portal = current_portal()
    minute = int(portal.now().timestamp() // 60)
    key = (current_language().code, need, place, formal, avoid, minute, taking.takers())

    def make() -> Made:
        found = desk(need, place, avoid=avoid)
        return Made(
            (*key, portal.catalogue.revision),
            found.service.slug,
            contact_card(need, found, place=place, formal=formal),
        )

    return portal.catalogue.cached(("card", *key), make)


def first_html(made: Made, formal: bool) -> Markup:
    renderer, lang = current_portal().renderer, current_language().code
    return renderer.fragments.keep(
        ("first", *made.key),
        lambda: renderer.macro(lang, "ui/contact_card.html", "first_contact", made.card, formal),
    )


def other_html(made: Made) -> Markup:
    renderer, lang = current_portal().renderer, current_language().code
    return renderer.fragments.keep(
        ("other", *made.key), lambda: renderer.macro(lang, "ui/contact_card.html", "other_contact", made.card)
    )


def save_html(made: Made) -> Markup:
    """The ways to keep or hand on: they name the office's public page, never an answer."""
    portal = current_portal()
    renderer, lang = portal.renderer, current_language().code
    address = (portal.settings.base_url or request.url_root.rstrip("/")) + addresses.offer(made.slug)
    return renderer.fragments.keep(
        ("save", address, *made.key),
        lambda: renderer.macro(
            lang,
            "ui/save.html",
            "save",
            address,
            share_text(made.card),
            addresses.offer_qr(made.slug),
            made.card.calendar_url,
            False,
            addresses.kept_card(made.slug) if made.card.office else None,
        ),
    )


def place_hint(
    need: Need, place: str | None, answers: Mapping[str, tuple[str, ...]], formal: bool
) -> str | None:
    """Which place counts, when it may be another one than the visitor thinks of."""
    if place is None and (answers.get("place") or ("dont_know",))[0] in ("dont_know", "no_answer"):
        if need.place_counts in ("residence", "parents", "company", "assigned"):
            return _("With a place we can show the office that is nearest.")
        return None
    return {
        "parents": _("Here it counts where the parents live.")
        if formal
        else _("Here it counts where your parents live."),
        "company": _("Here it counts where the company is."),
        "school": _("Here it counts where the school is."),
        "here_now": None if formal else _("Here it counts where you are right now."),
        "assigned": None if formal else _("Here it counts which place you were assigned to."),
        "former_youth_office": None
        if formal
        else _("The youth office that helped you so far stays responsible, also if you have moved."),
    }.get(need.place_counts)


def desk(need: Need, place: str | None, *, avoid: Collection[str] = ()) -> Desk:
    """The real desk of a need; a second contact is not the same desk as the first when there is another one."""
    portal = current_portal()
    at = portal.now() if need.urgency in ("now", "today") else None
    found = resolve(portal.catalogue, need.kind, place=place, at=at)
    ranked = desks(portal.catalogue, need.kind, place=place)
    if need.prefer_topic:
        found = next((d for d in ranked if need.prefer_topic in d.service.topics[:1]), found)
    if found.service.slug in avoid:
        return next((d for d in ranked if d.service.slug not in avoid), found)
    return found


def offers_for(
    outcome: Outcome, answers: Mapping[str, tuple[str, ...]], place: str | None, used: tuple[str, ...]
) -> Markup | None:
    """The fitting offers as one kept part; None when there are none.

    Nobody in danger is shown offers, and nobody who lives elsewhere or has not said what it is about.
    """
    topics = topics_of(answers)
    if outcome.safety or outcome.primary.named_kind or not topics:
        return None
    portal = current_portal()
    renderer, lang = portal.renderer, current_language().code
    band = AGE_OF_BAND.get((answers.get("age") or ("",))[0])
    kinds = (outcome.primary.kind, *(need.kind for need in outcome.also))
    minute = int(portal.now().timestamp() // 60)
    key = ("offers", lang, kinds, topics, place, band, used, minute)

    def find() -> tuple[str, tuple[Shown, ...]] | None:
        found = fitting_offers(
            portal.catalogue, kinds=kinds, topics=topics, place=place, age=band, exclude=used, limit=3
        )
        with provenance.collected() as shown:
            cards = [presenting.offer_card(o.service, place=place, distance=o.distance_km) for o in found]
        if not cards:
            return None
        html = "".join(renderer.macro(lang, "ui/offer_card.html", "offer_card", card) for card in cards)
        return html, tuple(shown)

    made = portal.catalogue.cached(key, find)
    if made is None:
        return None
    html, shown = made
    provenance.note(*shown)
    return renderer.fragments.keep((*key, portal.catalogue.revision), lambda: html)


def topics_of(answers: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
    """Catalogue topics of the chosen answers, as the questionnaire names them."""
    found: dict[str, None] = {}
    for question in current_portal().clearing.questions:
        for option in question.all_options:
            if option.topics and option.id in answers.get(question.id, ()):
                found.update(dict.fromkeys(option.topics))
    return tuple(found)


def contact_card(need: Need, found: Desk, *, place: str | None, formal: bool) -> ContactCard:
    """One card, with how far its translation can be trusted."""
    with provenance.collected() as shown:
        card = facts_of(need, found, place=place, formal=formal)
    return replace(card, origin=provenance.origin_of(shown))


def facts_of(need: Need, found: Desk, *, place: str | None, formal: bool) -> ContactCard:
    """Everything on one card. The catalogue's texts say du, so a formal card does without the longer ones."""
    lang = _lang()
    service, organization = found.service, found.service.organization
    shown = current_portal().catalogue.term("contact_kinds", need.named_kind or need.kind)
    elsewhere = need.named_kind is not None
    name = presenting.term_text(shown, "name") if shown else presenting.quiet(service.text("name", lang))
    phones = presenting.phone_links(found.phones)
    site = (
        presenting.site(found.location, place=place, main=True) if found.location and not elsewhere else None
    )
    email = None if elsewhere else service.email or organization.email
    website = (shown.elsewhere_url if shown else None) if elsewhere else service.url or organization.website
    say, say_german = spoken(need, shown)
    return ContactCard(
        kind=need.kind,
        name=name,
        office=Bit("") if elsewhere else office(service, presenting.organization_name(organization), name),
        why=questionnaire_text(need.reason),
        helps_with=helps_with(shown, elsewhere=elsewhere, formal=formal, name=name.text),
        opening=presenting.first_opening(service, found.location),
        openings=presenting.openings(
            presenting.schedules_there(service, None if elsewhere else found.location)
        ),
        phones=phones,
        write=f"mailto:{email}" if email else None,
        website=website,
        site=site,
        remote=None if formal or shown is None else presenting.bit(shown.text("remote", lang)),
        bring=tuple(questionnaire_text(item) for item in need.bring),
        steps=() if formal or elsewhere else steps(service, shown),
        say=say,
        say_de=say_german,
        url=addresses.offer(service.slug),
        freshness=presenting.freshness(service),
        missing=None if elsewhere else presenting.missing(service, phones, site, website, formal=formal),
        urgency=need.urgency,
        urgency_text=_(URGENCY[need.urgency]) if need.urgency in URGENCY else None,
        calendar_url=None if elsewhere else presenting.calendar_url(service),
        bilingual_url=addresses.bilingual(need.kind) if lang != "de" else None,
        # Whoever asks for somebody else cannot agree for them.
        contact_url=None if formal or elsewhere else taking.contact_url(service),
    )


def helps_with(term: TermView | None, *, elsewhere: bool, formal: bool, name: str) -> Bit | None:
    """What they do; for another county how to find the same office there."""
    if term is None:
        return None
    if formal:
        if elsewhere:
            return Bit(
                _("Search the internet for “%(name)s” together with the name of the place.", name=name)
            )
        return None
    return presenting.bit(term.text("elsewhere" if elsewhere else "description", _lang()))


def _lang() -> str:
    return current_language().code


def office(service: ServiceView, organization: Bit, kind_name: Bit) -> Bit:
    """The organization behind the desk, with the service's own name when that says something new.

    An organization that is a helpline itself would say no more, and may be named after only some of those it is for.
    """
    name = presenting.quiet(service.text("name", _lang()))
    if service.organization.kind == HELPLINE:
        return name
    own, behind = set(significant(name.text)), set(significant(organization.text))
    if own <= behind | set(significant(kind_name.text)):
        return organization
    if behind <= own or name.lang != organization.lang:
        return name
    return Bit(f"{name.text} · {organization.text}", organization.lang, organization.dir)


def significant(text: str) -> list[str]:
    """The words that carry meaning, roughly: the long ones."""
    return [word.lower() for word in re.findall(r"\w{5,}", text)]


def spoken(need: Need, term: TermView | None) -> tuple[str | None, str | None]:
    """Words to read out: in the page's language, and in German when that is another one."""
    if need.say:
        if _lang() == "de":
            return german_text(need.say), None
        german = german_text(need.say)
        return (None, german) if is_german(need.say) else (questionnaire_text(need.say), german)
    text = term.text("say", _lang()) if term else None
    if term is None or text is None:
        return None, None
    if _lang() == "de":
        return text.text, None
    return (text.text if text.language == _lang() else None), term.say


def steps(service: ServiceView, term: TermView | None) -> tuple[str, ...]:
    """What happens there: the service's own steps, else those of the kind."""
    return presenting.word_list(service, "expectations") or (
        presenting.word_list(term, "expectations") if term else ()
    )


def share_text(card: ContactCard) -> str:
    parts = [card.name.text, card.office.text]
    parts += [phone.display for phone in card.phones[:1]]
    if card.site:
        parts += [", ".join(card.site.address)]
    return " · ".join(part for part in parts if part)
