"""From the catalogue's records to what the templates show: language, words for hours, numbers to touch."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import lru_cache
from urllib.parse import quote_plus

from babel import Locale, UnknownLocaleError
from flask import g, url_for

from portal.catalogue import hours
from portal.catalogue.geography import distance_km
from portal.catalogue.matching import position
from portal.catalogue.queries import (
    LocationView,
    OrganizationView,
    PhoneView,
    ScheduleView,
    ServiceView,
    TermView,
    Text,
    Translated,
)
from portal.web import provenance
from portal.web.current import current_language, current_portal
from portal.web.languages import Review, ReviewStatus, german
from portal.web.provenance import Shown
from portal.web.public import addresses
from portal.web.public.views import (
    Bit,
    Freshness,
    HelpGroup,
    Helpline,
    Link,
    OfferCard,
    Opening,
    PhoneLink,
    Site,
)
from portal.web.sorting import name_key
from portal.web.texts import N_, clock, day, in_german, listing, partial_date, weekday, when
from portal.web.texts import gettext as _

CHANNEL_LABELS = {
    "visit": N_("Opening hours"),
    "consultation": N_("Consultation hours"),
    "phone": N_("On the phone"),
    "chat": N_("In the chat"),
}
"""The hours of the first one that is known decide whether to go or call now."""
REMOTE = ("phone", "chat")
"""In these hours nobody need be at the door."""
FREE_PREFIXES = ("0800", "00800", "116", "112", "110")


def local_now() -> datetime:
    portal = current_portal()
    return portal.now().astimezone(portal.timezone)


def bit(text: Text | None) -> Bit:
    """A catalogue text with the marks a reader needs: its language, and whether anyone has read the translation."""
    if text is None or not text.text:
        return Bit("")
    note_text(text)
    if text.language != g.lang:
        provenance.note(Shown(text.text, None))
        # On a page in Leichte Sprache it would be silly; there the foot says once that this text is not.
        silly = text.language == current_language().locale.language
        return Bit(text.text, text.language, "ltr", None if silly else _("only in German"))
    # Whether somebody has checked it is said once for all texts; beside every text it would be noise.
    if text.status == "outdated":
        return Bit(text.text, note=_("older translation, the German text is newer"))
    return Bit(text.text)


def quiet(text: Text | None) -> Bit:
    """As `bit`, without the note: for names and other short words, where it would be noise."""
    if text is None or not text.text:
        return Bit("")
    note_text(text)
    return Bit(text.text) if text.language == g.lang else Bit(text.text, text.language, "ltr")


def note_text(text: Text, *, label: bool = False) -> None:
    """Remember what the page shows in translation, for what it says about that."""
    if text.status != "original":
        checked = text.status == "checked"
        status: ReviewStatus = (
            "checked" if checked else "machine" if text.status == "machine" else "unchecked"
        )
        provenance.note(Shown(text.german, Review(status, text.checked_date), label))


def words(thing: Translated, field: str) -> str:
    """The text in the page's language, or in German and marked as such; `languages.unmarked` where no page shows it."""
    text = thing.text(field, g.lang)
    return spoken(text) if text else ""


def word_list(thing: Translated, field: str) -> tuple[str, ...]:
    return tuple(spoken(text) for text in thing.texts(field, g.lang))


def spoken(text: Text, *, label: bool = False) -> str:
    note_text(text, label=label)
    return text.text if text.language == g.lang else german(text.text)


def term_text(term: TermView, field: str) -> Bit:
    return quiet(term.text(field, g.lang))


def term_label(taxonomy: str, code: str) -> str:
    term = current_portal().catalogue.term(taxonomy, code)
    if term is None:
        return code
    text = term.text("short_name", g.lang) or term.text("name", g.lang)
    return spoken(text, label=True) if text else code


def topic_links() -> tuple[Link, ...]:
    return tuple(
        Link(
            label=term_label("topics", term.code),
            url=url_for("public.topic", code=term.code),
            icon=term.icon,
        )
        for term in current_portal().catalogue.terms("topics")
    )


def phone_link(phone: PhoneView) -> PhoneLink:
    free = phone.number.replace(" ", "").startswith(FREE_PREFIXES)
    return PhoneLink(phone.number, phone.uri.removeprefix("tel:"), words(phone, "description") or None, free)


def phone_links(phones: Iterable[PhoneView]) -> tuple[PhoneLink, ...]:
    seen: dict[str, PhoneLink] = {}
    for phone in phones:
        if phone.is_for_talking:
            link = phone_link(phone)
            seen.setdefault(link.tel, link)
    return tuple(seen.values())


def opening(schedules: Sequence[ScheduleView], channel: str, *, week: bool = False) -> Opening | None:
    """Open or not on one channel, in words; None when no hours are known."""
    schedules = [schedule for schedule in schedules if schedule.channel == channel]
    if not schedules:
        return None
    portal = current_portal()
    now = local_now()
    texts = [schedule.opening_hours for schedule in schedules]
    subdivision = portal.region.holiday_subdivision
    status = hours.opening_status(texts, now, subdivision=subdivision, timezone=portal.timezone)
    state_words = ""
    if status.state == "always":
        state_words = _("Day and night")
    elif status.state == "open" and status.until is not None:
        state_words = _("Open until %(time)s", time=clock(status.until.astimezone(portal.timezone)))
    elif status.state == "open":
        state_words = _("Open now")
    elif status.state == "closed" and status.opens is not None:
        state_words = _("Opens %(when)s", when=when(status.opens.astimezone(portal.timezone), now))
    elif status.state == "closed":
        state_words = _("Closed now")
    notes = [words(schedule, "description") for schedule in schedules if schedule.description]
    if status.state == "unknown" and status.comment:
        notes.append(in_german(status.comment))
    table = week_table(texts) if week and status.state != "always" and hours.is_weekly(texts) else ()
    return Opening(
        status.state,
        state_words,
        table,
        _(CHANNEL_LABELS[channel]),
        "; ".join(dict.fromkeys(notes)) or None,
        visit=channel == "visit",
    )


def week_table(texts: Sequence[str]) -> tuple[tuple[str, str], ...]:
    portal = current_portal()
    rows = []
    for index, slots in hours.week_table(
        list(texts), at=local_now().date(), subdivision=portal.region.holiday_subdivision
    ):
        times = []
        for slot in slots:
            start = datetime.combine(local_now().date(), slot.start)
            end = datetime.combine(local_now().date(), slot.end)
            span = f"{clock(start)}–{clock(end)}"
            if slot.by_appointment:
                span = _("%(times)s by appointment", times=span)
            elif slot.comment:
                span = f"{span} ({in_german(slot.comment)})"
            times.append(span)
        rows.append((weekday(index), ", ".join(times) or _("closed")))
    return tuple(rows)


def openings(schedules: Sequence[ScheduleView], *, week: bool = True) -> tuple[Opening, ...]:
    """One entry for each channel (visiting, phone, chat) that has hours."""
    made = (opening(schedules, channel, week=week) for channel in CHANNEL_LABELS)
    return tuple(found for found in made if found)


def deciding_channel(schedules: Iterable[ScheduleView], order: Iterable[str] = CHANNEL_LABELS) -> str | None:
    known = {schedule.channel for schedule in schedules}
    return next((channel for channel in order if channel in known), None)


def schedules_there(service: ServiceView, location: LocationView | None) -> tuple[ScheduleView, ...]:
    """The service's hours, and those of the house on the channels of which the service says nothing."""
    own = service.schedules_at(location)
    said = {schedule.channel for schedule in own}
    return (*own, *(s for s in (location.schedules if location else ()) if s.channel not in said))


def first_opening(service: ServiceView, location: LocationView | None) -> Opening | None:
    """The hours that decide whether to go or call now: of the house, else of the service."""
    schedules = service.schedules_at(location)
    channel = deciding_channel(schedules)
    return opening(schedules, channel) if channel else None


def missing(
    service: ServiceView,
    phones: Sequence[PhoneLink],
    house: Site | None,
    website: str | None,
    *,
    formal: bool = False,
) -> str | None:
    """What is not known is said, with the next best way; a number is never made up."""
    if phones:
        return None
    towns = list(dict.fromkeys(a.city for location in service.locations if (a := location.address)))
    if house and house.address:
        if formal:
            return _("We do not know a phone number yet. Going there helps.")
        return _("We do not know a phone number yet. You can simply go there and ask.")
    if len(towns) > 1:
        return _("We do not know a phone number yet. There are offices in %(towns)s.", towns=listing(towns))
    if website:
        return _("We do not know a phone number yet. The website helps on.")
    how = words(service, "application_process")
    if how and not formal:
        return _("We do not know a phone number yet. This is how you get there: %(how)s", how=how)
    return _("We do not know a phone number yet. The public service number 115 connects to the right office.")


def only_house(service: ServiceView) -> LocationView | None:
    """The one house of a service; with several nobody can say which one is meant."""
    return service.locations[0] if len(service.locations) == 1 else None


def all_schedules(service: ServiceView) -> Sequence[ScheduleView]:
    """The hours of all its houses together: one of them is enough to be open."""
    return [s for location in service.locations for s in service.schedules_at(location)] or service.schedules


def all_hours(service: ServiceView) -> list[str]:
    return list(dict.fromkeys(schedule.opening_hours for schedule in all_schedules(service)))


def next_slot(service: ServiceView) -> tuple[hours.Slot, str] | None:
    """The next time somebody is there for sure, and on which channel.

    None for "day and night" and for "by appointment".
    """
    portal = current_portal()
    schedules = all_schedules(service)
    channel = deciding_channel(schedules)
    if channel is None:
        return None
    texts = list(dict.fromkeys(s.opening_hours for s in schedules if s.channel == channel))
    now = local_now()
    status = hours.opening_status(
        texts, now, subdivision=portal.region.holiday_subdivision, timezone=portal.timezone
    )
    if status.state == "always":
        return None
    slots = hours.next_slots(
        texts, now, subdivision=portal.region.holiday_subdivision, timezone=portal.timezone, limit=1
    )
    return (slots[0], channel) if slots else None


def calendar_url(service: ServiceView) -> str | None:
    """The calendar file, when there is something to put into it."""
    return addresses.offer_calendar(service.slug) if next_slot(service) else None


def any_opening(service: ServiceView) -> Opening | None:
    """Of several houses: whether one of them is open, else when the first one opens."""
    schedules = {
        (schedule.channel, schedule.opening_hours): schedule
        for location in service.locations
        for schedule in service.schedules_at(location)
    }
    channel = deciding_channel(schedules.values())
    return opening(list(schedules.values()), channel) if channel else None


def freshness(view: ServiceView | OrganizationView) -> Freshness:
    """ "Confirmed: 20 October 2026" or "As of 2023, not confirmed yet"; never more than is known."""
    known = view.freshness
    if known.state == "confirmed":
        if known.as_of:
            return Freshness("confirmed", _("Confirmed: %(date)s", date=partial_date(known.as_of)))
        return Freshness("confirmed", _("Confirmed"))
    if known.as_of:
        return Freshness(
            "unconfirmed", _("As of %(date)s, not confirmed yet", date=partial_date(known.as_of))
        )
    return Freshness("unconfirmed", _("Not confirmed yet"))


CAPACITY_DAYS = 60
"""What was said about free places is shown for that long."""


def capacity(service: ServiceView) -> str | None:
    """ "Places free, as of 20 November 2026"; None when nobody said anything, or too long ago."""
    if service.capacity is None or service.capacity_at is None:
        return None
    now = local_now()
    said = service.capacity_at.astimezone(now.tzinfo)
    if service.capacity == "full" and service.capacity_until is not None:
        if service.capacity_until < now.date():
            return None
        return _("Full until %(date)s", date=day(service.capacity_until))
    if (now - said).days > CAPACITY_DAYS:
        return None
    as_of = day(said.date())
    if service.capacity == "free":
        return _("Places free (as of %(date)s)", date=as_of)
    if service.capacity == "few":
        return _("Few places left (as of %(date)s)", date=as_of)
    return _("Full (as of %(date)s)", date=as_of)


def place_centre(ags: str | None) -> tuple[float, float] | None:
    return current_portal().catalogue.places.centre(ags) if ags else None


def distance_words(location: LocationView | None, ags: str | None) -> str | None:
    centre = place_centre(ags)
    there = position(current_portal().catalogue, location) if location is not None else None
    return kilometres(distance_km(*centre, *there)) if centre is not None and there is not None else None


def kilometres(km: float | None) -> str | None:
    if km is None:
        return None
    if km < 1.5:
        return _("in your town")
    return _("about %(km)s km", km=round(km))


def site(location: LocationView, *, place: str | None = None, main: bool = False) -> Site:
    """One house, with the hours and numbers of the service there when the location came with one."""
    address: list[str] = []
    map_url = None
    if location.address is not None:
        a = location.address
        address = [
            line for line in (a.attention, a.address_1, f"{a.postal_code or ''} {a.city}".strip()) if line
        ]
        if a.address_1:
            map_url = "https://www.openstreetmap.org/search?query=" + quote_plus(
                ", ".join(line for line in (a.address_1, f"{a.postal_code or ''} {a.city}".strip()) if line)
            )
    return Site(
        name=quiet(location.text("name", g.lang)),
        address=tuple(address),
        map_url=map_url,
        directions=bit(location.text("transportation", g.lang)),
        distance=distance_words(location, place),
        openings=openings(location.schedules),
        phones=phone_links(location.phones),
        accessibility=tuple(bit(a.text("description", g.lang)) for a in location.accessibility),
        note=bit(location.text("description", g.lang)),
        main=main,
    )


def organization_name(organization: OrganizationView) -> Bit:
    return quiet(organization.text("name", g.lang))


def town(service: ServiceView) -> str | None:
    towns = dict.fromkeys(
        location.address.city for location in service.locations if location.address and location.address.city
    )
    return listing(list(towns)) if len(towns) <= 2 else _("several places")


def offer_card(
    service: ServiceView,
    *,
    place: str | None = None,
    distance: float | None = None,
    snippet: tuple[tuple[str, bool], ...] = (),
) -> OfferCard:
    nearest = service.locations[0] if len(service.locations) == 1 else None
    phones = phone_links(service.phones_at(nearest))
    places = capacity(service)
    return OfferCard(
        name=quiet(service.text("name", g.lang)),
        url=addresses.offer(service.slug),
        organization=organization_name(service.organization),
        summary=bit(service.text("description", g.lang)),
        snippet=snippet,
        opening=first_opening(service, nearest) if len(service.locations) < 2 else any_opening(service),
        distance=kilometres(distance) if distance is not None else distance_words(nearest, place),
        town=town(service),
        tags=(places,) if places else (),
        free=service.cost.option == "free",
        freshness=freshness(service),
        phone=phones[0] if phones else None,
    )


def shown_name(service: ServiceView) -> tuple[int, ...]:
    """To sort by the name that the page shows."""
    text = service.text("name", g.lang)
    return name_key(text.text) if text else ()


def sort_for_list(services: Iterable[ServiceView]) -> list[ServiceView]:
    """Regional before far away, confirmed before unconfirmed, then by name."""
    rank = {"confirmed": 0, "high": 1, "medium": 2, "low": 3}
    return sorted(
        services,
        key=lambda s: (
            -max((len(a) for a in s.service_areas), default=0),
            rank.get(s.confidence, 4),
            shown_name(s),
        ),
    )


def contacts_of_topic(code: str) -> tuple[Link, ...]:
    """The desks where somebody with this topic starts: kinds of the topic's offers, most frequent first."""
    catalogue = current_portal().catalogue
    counts: dict[str, int] = {}
    for service in catalogue.services_of_topic(code):
        for kind in service.desk_for:
            counts[kind] = counts.get(kind, 0) + 1
    links = []
    for kind in sorted(counts, key=lambda kind: (-counts[kind], kind))[:4]:
        term = catalogue.term("contact_kinds", kind)
        links.append(
            Link(
                label=term_label("contact_kinds", kind),
                url=url_for("public.offers", kind=kind),
                icon=term.icon if term else None,
            )
        )
    return tuple(links)


def helpline(service: ServiceView, *, live: bool = True) -> Helpline:
    """Not `live`: for reading on another day, with the week instead of what is open now."""
    website = service.url or service.organization.website
    channel = deciding_channel(service.schedules, ("phone", "visit", "consultation", "chat"))
    known = opening(service.schedules, channel, week=not live) if channel else None
    return Helpline(
        name=quiet(service.text("name", g.lang)),
        summary=bit(service.text("description", g.lang)),
        phones=phone_links(service.phones_at()),
        opening=known if live else any_day(known),
        website=website,
        website_label=website.split("//", 1)[1].rstrip("/").removeprefix("www.") if website else None,
        channels=tuple(term_label("formats", code) for code in service.formats if code != "telefon"),
        languages=tuple(language_name(code) for code in service.languages if code != "de"),
        free=service.cost.option == "free",
        cost=words(service.cost, "amount_description") or None,
        url=addresses.offer(service.slug),
    )


_OWN_NAMES: Mapping[str, Mapping[str, str]] = {
    "prs": {"en": "Dari"},
    "gsg": {"de": "Deutsche Gebärdensprache", "en": "German Sign Language", "ar": "لغة الإشارة الألمانية"},
}
"""Languages that Babel has no name for."""


@lru_cache(maxsize=256)
def is_language(code: str) -> bool:
    """Whether a code names a language that can be shown by name."""
    if code in _OWN_NAMES:
        return True
    try:
        return code.isascii() and bool(Locale.parse(code, sep="-"))
    except (UnknownLocaleError, ValueError):
        return False


def language_name(code: str) -> str:
    own = _OWN_NAMES.get(code)
    if own is not None:
        locale = current_language().locale
        known = locale.languages.get("fa_AF") if code == "prs" else None
        return str(known or own.get(locale.language, own["en"]))
    language = current_portal().languages.get(code)
    if language is not None and "-" in code:
        # A way of writing, as Leichte Sprache: CLDR knows none, or takes it for the language. It is called what it
        # calls itself.
        return in_german(language.autonym) if language.locale.language == "de" else language.autonym
    try:
        found = Locale.parse(code, sep="-")
    except (UnknownLocaleError, ValueError):
        return code
    return str(found.get_display_name(current_language().locale) or code)


def any_day(found: Opening | None) -> Opening | None:
    """Hours without what is true only now."""
    return found if found is None or found.state == "always" else replace(found, state="unknown", text="")


def help_groups(*, live: bool = True) -> tuple[HelpGroup, ...]:
    """Helplines by need; within a need those that answer now come first, then the region's order."""
    catalogue = current_portal().catalogue
    order = {slug: index for index, slug in enumerate(catalogue.region.helplines)}
    state = {"always": 0, "open": 0, "unknown": 1, "closed": 2}
    groups = []
    for term in catalogue.terms("helpline_needs"):
        services = [service for service in catalogue.helplines if term.code in service.helpline_needs]
        entries = [(service, helpline(service, live=live)) for service in services]
        entries.sort(
            key=lambda entry: (
                state[entry[1].opening.state] if entry[1].opening else 1,
                order.get(entry[0].slug, len(order)),
                name_key(entry[1].name.text),
            )
        )
        if entries:
            groups.append(
                HelpGroup(
                    words(term, "name"),
                    term.code.replace("_", "-"),
                    term.icon,
                    tuple(e for _s, e in entries),
                )
            )
    return tuple(groups)
