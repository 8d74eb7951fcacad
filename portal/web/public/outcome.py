"""The result page: one first contact with its reason, at most three others, and what to do next."""

from collections.abc import Collection, Mapping
from typing import Any

from flask import Response, g, request, url_for
from werkzeug.exceptions import NotFound

from portal.catalogue.matching import Desk, desks, fitting_offers, resolve
from portal.catalogue.queries import ServiceView, TermView
from portal.clearing import Need, Outcome, Path
from portal.web.public import addresses, presenting
from portal.web.public.qr import qr_svg
from portal.web.public.views import Bit, ContactCard, Link
from portal.web.current import current_portal
from portal.web.responses import render
from portal.web.security import new_token
from portal.web.texts import N_, is_german, listing, questionnaire_text
from portal.web.texts import gettext as _

URGENCY = {
    "now": N_("Best right now"),
    "today": N_("Best still today"),
    "days": N_("Best within the next days"),
}
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
    portal = current_portal()
    outcome = route(path)
    first_desk = desk(outcome.primary, place)
    first = contact_card(outcome.primary, first_desk, place=place)
    used = {first_desk.service.slug}
    others = []
    for need in outcome.also:
        other = desk(need, place, avoid=used)
        used.add(other.service.slug)
        others.append(contact_card(need, other, place=place))
    offers = () if outcome.safety else offers_for(outcome, answers, place, used)
    share_url = addresses.offer(first_desk.service.slug)
    absolute = (portal.settings.base_url or request.url_root.rstrip("/")) + share_url
    labels = [questionnaire_text(said.label) for said in outcome.because]
    return render(
        "public/result.html",
        index=False,
        csrf=new_token(),
        said=said,
        first=first,
        others=tuple(others),
        because=_("That is why we begin here: %(answers)s.", answers=listing(labels)) if labels else "",
        why_not=tuple(
            (presenting.term_label("contact_kinds", item.kind), questionnaire_text(item.text)) for item in outcome.why_not
        ),
        urgent=outcome.urgent,
        safety=outcome.safety,
        formal=formal,
        offers=offers,
        offers_url=url_for("public.offers", kind=outcome.primary.kind, place=place_name(place)) if offers else None,
        restart_action=addresses.forget(),
        qr_svg=qr_svg(absolute),
        share_text=share_text(first),
        share_url=absolute,
        unfinished_url=unfinished_url,
        remaining=path.remaining,
        place_hint=place_hint(outcome.primary, place, answers, formal),
    )


def place_name(ags: str | None) -> str | None:
    place = current_portal().catalogue.places.by_ags(ags) if ags else None
    return place.name if place else None


def place_hint(
    need: Need, place: str | None, answers: Mapping[str, tuple[str, ...]], formal: bool
) -> str | None:
    """Which place counts, when it may be another one than the visitor thinks of."""
    if place is None and answers.get("place", ("dont_know",))[0] in ("dont_know", "no_answer"):
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
    found = resolve(portal.catalogue, need.kind, place=place, at=portal.now())
    if found.service.slug in avoid:
        return next((d for d in desks(portal.catalogue, need.kind, place=place) if d.service.slug not in avoid), found)
    return found


def offers_for(
    outcome: Outcome, answers: Mapping[str, tuple[str, ...]], place: str | None, used: set[str]
) -> tuple[Any, ...]:
    band = (answers.get("age") or ("",))[0]
    found = fitting_offers(
        current_portal().catalogue,
        kinds=[outcome.primary.kind, *(need.kind for need in outcome.also)],
        topics=topics_of(answers),
        place=place,
        age=AGE_OF_BAND.get(band),
        exclude=used,
        limit=4,
    )
    return tuple(
        presenting.offer_card(offer.service, place=place, distance=offer.distance_km) for offer in found
    )


def topics_of(answers: Mapping[str, tuple[str, ...]]) -> list[str]:
    """Catalogue topics of the chosen tiles (`Option.topics` in the questionnaire)."""
    portal = current_portal()
    found: dict[str, None] = {}
    for question in portal.clearing.questions:
        chosen = answers.get(question.id, ())
        if not chosen:
            continue
        for audience in portal.clearing.audiences:
            for option in question.options(audience):
                if option.id in chosen:
                    found.update(dict.fromkeys(getattr(option, "topics", ())))
    return list(found)


def contact_card(need: Need, found: Desk, *, place: str | None) -> ContactCard:
    catalogue = current_portal().catalogue
    service, organization = found.service, found.service.organization
    term = catalogue.term("contact_kinds", need.kind)
    named = catalogue.term("contact_kinds", need.named_kind) if need.named_kind else None
    shown = named or term
    phones = presenting.phone_links(found.phones)
    email = service.email or organization.email
    website = service.url or organization.website
    site = presenting.site(found.location, place=place, main=True) if found.location else None
    say = spoken(need, shown)
    elsewhere = named.text("elsewhere", _lang()) if named else None
    name = presenting.term_text(shown, "name") if shown else presenting.quiet(service.text("name", _lang()))
    opening = presenting.first_opening(service, found.location)
    remote = shown.text("remote", _lang()) if shown else None
    return ContactCard(
        kind=need.kind,
        name=name,
        office=Bit("") if named else office(service, presenting.organization_name(organization), name),
        why=questionnaire_text(need.reason),
        helps_with=presenting.bit(elsewhere or (shown.text("description", _lang()) if shown else None)),
        opening=opening,
        phones=() if named else phones,
        write=f"mailto:{email}" if email and not named else None,
        website=(named.elsewhere_url if named else None) or (None if named else website),
        site=None if named else site,
        remote=presenting.bit(remote),
        bring=tuple(questionnaire_text(item) for item in need.bring),
        steps=steps(service, shown),
        say=say[0],
        say_de=say[1],
        url=addresses.offer(service.slug),
        freshness=presenting.freshness(service),
        missing=missing(phones, site, website, found) if not named else None,
        urgency=need.urgency,
        urgency_text=_(URGENCY[need.urgency]) if need.urgency in URGENCY else None,
        calendar_url=addresses.offer_calendar(service.slug) if opening and opening.state != "always" else None,
        bilingual_url=addresses.bilingual(need.kind) if _lang() != "de" else None,
        name_de=shown.name if shown and _lang() != "de" else None,
        why_de=need.reason if _lang() != "de" else None,
    )


def _lang() -> str:
    return str(g.lang)


def office(service: ServiceView, organization: Bit, kind_name: Bit) -> Bit:
    """The organization behind the desk, with the service's own name when it says more than the kind's."""
    service_name = presenting.quiet(service.text("name", _lang()))
    if service_name.text.lower() in kind_name.text.lower() or service_name.text.lower() in organization.text.lower():
        return organization
    return Bit(f"{service_name.text} · {organization.text}", organization.lang, organization.dir)


def spoken(need: Need, term: TermView | None) -> tuple[str | None, str | None]:
    """Words to read out: in the page's language, and in German when that is another one."""
    if need.say:
        if _lang() == "de":
            return need.say, None
        return (None, need.say) if is_german(need.say) else (questionnaire_text(need.say), need.say)
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


def missing(phones: tuple[Any, ...], site: Any, website: str | None, found: Desk) -> str | None:
    """What is not known is said, with the next best way; a number is never made up."""
    if phones:
        return None
    if site and site.address:
        if website:
            return _("We do not know a phone number yet. You can go there, or look on the website.")
        return _("We do not know a phone number yet. You can simply go there and ask.")
    if website:
        return _("We know neither a phone number nor an address yet. The website helps you on.")
    how = presenting.words(found.service, "application_process")
    if how:
        return _("We do not know a phone number yet. This is how you get there: %(how)s", how=how)
    return _("We do not know a phone number yet. Call 115: they connect you to the right office.")


def share_text(card: ContactCard) -> str:
    parts = [card.name.text, card.office.text]
    parts += [phone.display for phone in card.phones[:1]]
    if card.site:
        parts += [", ".join(card.site.address)]
    return " · ".join(part for part in parts if part)


def bilingual_page(path: Path, *, place: str | None, kind: str, formal: bool) -> Response:
    """One contact in two languages side by side, to show at the counter."""
    outcome = route(path)
    for need in (outcome.primary, *outcome.also):
        if need.kind == kind:
            card = contact_card(need, desk(need, place), place=place)
            return render("public/bilingual.html", index=False, card=card, back_url=addresses.result())
    raise NotFound
