"""Search, offers, organizations, suggestions, and an office hour for the calendar.

Everything is a plain GET form; htmx only fetches the same address earlier. What somebody typed is not kept: such
answers are private to the browser and stay out of the page cache. What found nothing is counted, as `misses` allows.

After the questionnaire the search starts with what the answers imply. The answers stay in the cookie: an address names at
most which of them are left aside.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Literal
from urllib.parse import urlencode
from uuid import UUID

from flask import Blueprint, Response, g, redirect, request, url_for
from sqlalchemy.exc import SQLAlchemyError
from werkzeug.exceptions import HTTPException, NotFound

from portal.catalogue import hours
from portal.catalogue.matching import FIRST_DESK, fitting_offers, resolve
from portal.catalogue.places import normalise
from portal.catalogue.queries import OrganizationView, ServiceView
from portal.catalogue.search.analysis import STOP_WORDS
from portal.catalogue.search.index import Filters, Place, SearchRequest, SearchResults
from portal.catalogue.search.misses import count_miss
from portal.catalogue.search.service import LimitedResults
from portal.web import provenance
from portal.web.current import current_portal
from portal.web.fragments import without_marks
from portal.web.languages import unmarked
from portal.web.public import addresses, presenting, taking
from portal.web.public.calendar import office_hour
from portal.web.public.check import current_path, place_of, stored_answers
from portal.web.public.outcome import topics_of
from portal.web.public.qr import qr_svg
from portal.web.public.views import (
    Bit,
    FilterGroup,
    FilterOption,
    Link,
    OfferCard,
    OfferPage,
    OrganizationPage,
    SearchPage,
)
from portal.web.responses import NO_STORE, PRIVATE, packed, render, wants_fragment
from portal.web.sorting import by_name
from portal.web.texts import N_, listing, questionnaire_text
from portal.web.texts import gettext as _

PAGE = 10
MOST = 200
LISTS = {
    "topic": ("topics", N_("Topic")),
    "group": ("target_groups", N_("For whom")),
    "format": ("formats", N_("How")),
}
"""Form field → taxonomy and label, for filters whose values are taxonomy terms."""
RADII = (5, 10, 20, 40)
STOOD = "X-Stood"
"""Sent by the script with a search that somebody finished: with Enter, or by leaving it as it is for a while."""
YEARS = {
    "under_15": range(12, 15),
    "age_15_17": range(15, 18),
    "age_18_20": range(18, 21),
    "age_21_24": range(21, 25),
    "age_25_26": range(25, 27),
    "over_26": range(27, 36),
}
"""The years of each answer to the question for the age."""


def register(bp: Blueprint) -> None:
    bp.add_url_rule("/<lang:lang>/offers", "offers", offers)
    bp.add_url_rule("/<lang:lang>/offers/<slug>", "offer", offer)
    bp.add_url_rule("/<lang:lang>/offers/<slug>/hours.ics", "offer_calendar", offer_calendar)
    bp.add_url_rule("/<lang:lang>/offers/<slug>/qr.svg", "offer_qr", offer_qr)
    bp.add_url_rule("/<lang:lang>/organizations/<slug>", "organization", organization)
    bp.add_url_rule("/<lang:lang>/suggest/places", "place_suggestions", place_suggestions)
    bp.add_url_rule("/<lang:lang>/suggest/offers", "offer_suggestions", offer_suggestions)


@dataclass(frozen=True, slots=True)
class Said:
    """What the answers of this visit say about a search. It never becomes part of an address."""

    place: str | None = None
    """AGS."""
    age: int | None = None
    age_words: str = ""
    topics: tuple[str, ...] = ()

    @classmethod
    def read(cls) -> "Said":
        if not stored_answers():
            return NOTHING_SAID
        answers, path = current_path()
        valid = path.answers
        place = place_of(answers) if "place" in valid else None
        known = place is not None and current_portal().catalogue.places.by_ags(place) is not None
        age, words = None, ""
        for step in path.steps:
            if step.question.id == "age" and step.chosen[0].id in YEARS:
                age = year_for_all(step.chosen[0].id)
                words = questionnaire_text(step.chosen[0].said(path.audience))
        return cls(place if known else None, age, words, topics_of(valid))


NOTHING_SAID = Said()
PARTS = ("place", "age", "topic")


def year_for_all(band: str) -> int | None:
    """The year of life that leaves in whatever fits anybody in `band`; None when there is no such year.

    The questionnaire asks for a span of years, the search filters by one: nothing that may fit is hidden by that.
    """
    catalogue = current_portal().catalogue

    def find() -> int | None:
        limits = {(service.minimum_age or 0, service.maximum_age or 999) for service in catalogue.services()}
        years = YEARS[band]
        fitting = [limit for limit in limits if any(limit[0] <= year <= limit[1] for year in years)]
        return next(
            (year for year in years if all(low <= year <= high for low, high in fitting)),
            None,
        )

    # Where the catalogue does not fit into memory, reading it all for this would not be worth it.
    return catalogue.cached(("year", band, catalogue.today), find) if catalogue.current.is_eager else None


@dataclass(frozen=True, slots=True)
class Asked:
    """The search form as it was sent; anything unknown is left out, so that no address is an error."""

    q: str = ""
    place: str = ""
    km: int | None = None
    topic: tuple[str, ...] = ()
    group: tuple[str, ...] = ()
    format: tuple[str, ...] = ()
    language: tuple[str, ...] = ()
    kind: tuple[str, ...] = ()
    age: int | None = None
    free: bool = False
    open: bool = False
    sort: str = "relevance"
    show: int = PAGE
    read_text: bool = True
    """Ages and places in the words count."""
    without: tuple[str, ...] = ()
    """Which of PARTS the answers shall not decide."""
    said: Said = NOTHING_SAID

    @classmethod
    def read(cls) -> "Asked":
        args = request.args
        said = Said.read()
        catalogue = current_portal().catalogue

        def codes(name: str, taxonomy: str) -> tuple[str, ...]:
            return tuple(dict.fromkeys(c for c in args.getlist(name) if catalogue.term(taxonomy, c)))

        def number(name: str, low: int, high: int) -> int | None:
            value = args.get(name, "")
            if not (value.isascii() and value.isdigit() and len(value) < 5):
                return None
            return int(value) if low <= int(value) <= high else None

        return cls(
            q=" ".join(without_marks(args.get("q", ""))[:400].split()),
            place=" ".join(without_marks(args.get("place", ""))[:120].split()),
            km=number("km", 1, 200),
            topic=codes("topic", "topics"),
            group=codes("group", "target_groups"),
            format=codes("format", "formats"),
            language=tuple(dict.fromkeys(c for c in args.getlist("language") if presenting.is_language(c))),
            kind=codes("kind", "contact_kinds"),
            age=number("age", 0, 99),
            free=args.get("free") == "1",
            open=args.get("open") == "1",
            sort="distance" if args.get("sort") == "distance" else "relevance",
            show=number("show", PAGE, MOST) or PAGE,
            without=tuple(part for part in PARTS if part in args.getlist("without")) if any_of(said) else (),
            said=said,
        )

    def url(self, **changes: Any) -> str:
        """The same search with something changed; back to the first page unless told."""
        changes.setdefault("show", PAGE)
        other = replace(self, **changes)
        pairs: list[tuple[str, str]] = []
        for name in ("q", "place"):
            if value := getattr(other, name):
                pairs.append((name, value))
        if other.km and (other.place or (other.said.place and "place" not in other.without)):
            pairs.append(("km", str(other.km)))
        for name in ("topic", "group", "format", "language", "kind"):
            pairs += [(name, value) for value in getattr(other, name)]
        if other.age is not None:
            pairs.append(("age", str(other.age)))
        pairs += [(name, "1") for name in ("free", "open") if getattr(other, name)]
        if other.sort != "relevance":
            pairs.append(("sort", other.sort))
        if other.show != PAGE:
            pairs.append(("show", str(other.show)))
        pairs += [("without", part) for part in other.without]
        return url_for("public.offers") + ("?" + urlencode(pairs) if pairs else "")

    def toggled(self, name: str, value: str) -> str:
        values: tuple[str, ...] = getattr(self, name)
        changed = tuple(v for v in values if v != value) if value in values else (*values, value)
        return self.url(**{name: changed})

    @property
    def typed(self) -> bool:
        return bool(self.q or self.place)

    @property
    def implied(self) -> Said:
        """What of the answers counts here: whatever was typed or chosen for this search goes before it."""
        said = self.said
        if not any_of(said):
            return said
        typed = current_portal().search.understood(self.q, g.lang) if self.q and self.read_text else None
        place = not (self.place or "place" in self.without or (typed and typed.place))
        age = not (self.age is not None or "age" in self.without or (typed and typed.age is not None))
        topic = not (self.q or self.topic or self.kind or "topic" in self.without)
        return Said(
            said.place if place else None,
            said.age if age else None,
            said.age_words if age else "",
            said.topics if topic else (),
        )


def any_of(said: Said) -> bool:
    return bool(said.place or said.age is not None or said.topics)


def offers() -> Response:
    portal = current_portal()
    asked = Asked.read()
    implied = asked.implied
    place, message, choices = find_place(asked)
    if place is None and implied.place:
        place = portal.catalogue.places.by_ags(implied.place)
    near = Place(place.ags, *(portal.catalogue.places.centre(place.ags) or (None, None))) if place else None
    open_ids = open_service_ids()
    filters = Filters(
        topics=frozenset(asked.topic or implied.topics),
        target_groups=frozenset(asked.group),
        formats=frozenset(asked.format),
        languages=frozenset(asked.language),
        kinds=frozenset(asked.kind),
        free=asked.free,
        age=asked.age if asked.age is not None else implied.age,
        place=near if asked.km else None,
        radius_km=asked.km if near else None,
        open_now_ids=open_ids if asked.open else None,
    )
    results = portal.search.search(
        SearchRequest(
            text=asked.q,
            language=g.lang,
            filters=filters,
            # Where no words are to be matched, the nearest is the best.
            sort="distance" if asked.sort == "distance" or (near and not asked.q) else "relevance",
            limit=asked.show,
            near=near,
            age_from_text=asked.read_text,
            place_from_text=asked.read_text,
            count_open_ids=open_ids,
        )
    )
    limited = isinstance(results, LimitedResults)
    missed = results.fallback and not results.understood.urgent and not limited
    if missed and (not wants_fragment() or STOOD in request.headers):
        # Most fragments are asked for while somebody types: a beginning is no word.
        count_miss(
            portal.store.sessions,
            portal.catalogue.slug,
            asked.q,
            g.lang,
            secret=portal.settings.secret_key,
            today=presenting.local_now().date(),
        )
    return render(
        "public/offers.html",
        fragment="results",
        cache=NO_STORE if any_of(asked.said) or limited else PRIVATE,
        keep="" if asked.typed or asked.open or any_of(asked.said) or limited else asked.url(),
        index=not request.args,
        search=search_page(asked, results, place.ags if place else None, message, choices),
        answered=answered_chips(asked, implied),
        without_answers=asked.url(without=PARTS, km=asked.km if asked.place else None),
        near=near is not None,
        limited=limited,
        missed=missed,
    )


def answered_chips(asked: Asked, implied: Said) -> tuple[Link, ...]:
    """What the answers decide in this search; a touch leaves one of them aside."""

    def left_aside(part: str, **changes: Any) -> str:
        return asked.url(without=tuple(p for p in PARTS if p == part or p in asked.without), **changes)

    found = []
    place = current_portal().catalogue.places.by_ags(implied.place) if implied.place else None
    if place:
        found.append(Link(_("near %(place)s", place=place.name), left_aside("place", km=None)))
    if implied.age is not None:
        found.append(Link(implied.age_words, left_aside("age")))
    found += (
        [
            Link(
                listing([presenting.term_label("topics", code) for code in implied.topics]),
                left_aside("topic"),
            )
        ]
        if implied.topics
        else []
    )
    return tuple(found)


def find_place(asked: Asked) -> tuple[Any, str | None, tuple[Link, ...]]:
    """The place, or what to say about it, or which ones could be meant."""
    if not asked.place:
        return None, None, ()
    places = current_portal().catalogue.places
    found = places.find(asked.place)
    if found.status == "found":
        return places.by_ags(found.places[0].ags), None, ()
    if found.status == "choose":
        links = tuple(Link(option.label, asked.url(place=option.label)) for option in found.places)
        return None, _("There are several places like that. Which one do you mean?"), links
    if found.status == "outside":
        text = _(
            "%(place)s is not in %(region)s. We show all offers.",
            place=found.outside.name if found.outside else asked.place,
            region=current_portal().region.name,
        )
        return None, text, ()
    return None, _("We do not know this place. We show all offers."), ()


def open_service_ids() -> frozenset[UUID]:
    """Services that are open this minute; worked out once a minute."""
    portal = current_portal()
    now = presenting.local_now()
    subdivision = portal.region.holiday_subdivision

    def find() -> frozenset[UUID]:
        return frozenset(
            service.id
            for service in portal.catalogue.services()
            if (texts := presenting.all_hours(service))
            and hours.open_now(texts, now, subdivision=subdivision, timezone=portal.timezone)
        )

    try:
        return portal.catalogue.cached(("open", now.strftime("%Y-%m-%dT%H:%M")), find)
    except SQLAlchemyError:
        # A catalogue that is not in memory, and a database that does not answer: then nothing is known to be open.
        return frozenset()


def search_page(
    asked: Asked, results: SearchResults, place: str | None, message: str | None, choices: tuple[Link, ...]
) -> SearchPage:
    portal = current_portal()
    understood = results.understood
    if place is None and asked.read_text:
        place = understood.place
    services = {s.id: s for s in portal.catalogue.services([hit.id for hit in results.hits])}
    cards = []
    for hit in results.hits:
        service = services.get(hit.id)
        if service is not None:
            marked = hit.highlights.get("summary", ())
            snippet = marked if any(found for _text, found in marked) and hit.language == g.lang else ()
            cards.append(
                presenting.offer_card(service, place=place, distance=hit.distance_km, snippet=snippet)
            )
    nothing = results.fallback or results.total == 0
    if nothing:
        cards.append(
            presenting.offer_card(resolve(portal.catalogue, FIRST_DESK, place=place).service, place=place)
        )
    suggestion = results.did_you_mean
    return SearchPage(
        query=asked.q,
        total=results.total,
        cards=tuple(cards),
        groups=filter_groups(asked, results),
        chips=chips(asked, results),
        sort=(
            Link(_("Best match"), asked.url(sort="relevance"), current=asked.sort == "relevance"),
            Link(_("Nearest first"), asked.url(sort="distance"), current=asked.sort == "distance"),
        )
        if place and asked.q
        else (),
        more_url=asked.url(show=min(asked.show + PAGE, MOST)) if results.total > asked.show < MOST else None,
        place_text=asked.place,
        place_message=message,
        place_choices=choices,
        urgent=understood.urgent,
        did_you_mean=Link(suggestion, asked.url(q=suggestion)) if suggestion else None,
        fallback=nothing,
        topics=presenting.topic_links() if nothing else (),
        shown=len(cards),
        hidden_fields=(
            *(("kind", kind) for kind in asked.kind),
            *(("without", part) for part in asked.without),
        ),
        suggest_url=url_for("public.place_suggestions"),
        word_url=url_for("public.offer_suggestions"),
        km=asked.km,
        radii=RADII,
        age=asked.age,
    )


def filter_groups(asked: Asked, results: SearchResults) -> tuple[FilterGroup, ...]:
    """Every value with the number of offers it would leave under the other filters; empty ones are not shown."""
    groups = []

    def count(name: str) -> int:
        return sum(results.facets.get(name, {}).values())

    for name, (taxonomy, label) in LISTS.items():
        counts = results.facets.get(taxonomy, {})
        chosen = getattr(asked, name)
        options = [
            FilterOption(
                term.code,
                presenting.term_label(taxonomy, term.code),
                counts.get(term.code, 0),
                term.code in chosen,
                asked.toggled(name, term.code),
            )
            for term in current_portal().catalogue.terms(taxonomy)
            if counts.get(term.code) or term.code in chosen
        ]
        if options:
            groups.append(FilterGroup(name, _(label), tuple(options), open=bool(chosen)))
    spoken = results.facets.get("languages", {})
    languages = [
        FilterOption(
            code,
            presenting.language_name(code),
            spoken.get(code, 0),
            code in asked.language,
            asked.toggled("language", code),
        )
        for code in by_name({*spoken, *asked.language}, presenting.language_name)
    ]
    if languages:
        groups.append(
            FilterGroup("language", _("Language spoken there"), tuple(languages), open=bool(asked.language))
        )
    other = [
        FilterOption("1", _("Free of charge"), count("free"), asked.free, asked.url(free=not asked.free))
    ]
    groups.append(FilterGroup("free", _("Cost"), tuple(other), open=asked.free))
    groups.append(
        FilterGroup(
            "open",
            _("Opening hours"),
            (
                FilterOption(
                    "1", _("Open now"), count("open_now"), asked.open, asked.url(open=not asked.open)
                ),
            ),
            open=asked.open,
        )
    )
    return tuple(groups)


def chips(asked: Asked, results: SearchResults) -> tuple[Link, ...]:
    """What narrows the search, also what was read out of the words; a touch takes it away."""
    understood = results.understood
    found = []
    if asked.read_text and understood.age is not None and asked.age is None:
        found.append(
            Link(_("%(age)s years old", age=understood.age), asked.url(q=understood.rest_without_age))
        )
    if asked.read_text and understood.place and not asked.place:
        place = current_portal().catalogue.places.by_ags(understood.place)
        found.append(
            Link(
                _("near %(place)s", place=place.name if place else ""),
                asked.url(q=understood.rest_without_place),
            )
        )
    for name, (taxonomy, _label) in {**LISTS, "kind": ("contact_kinds", "")}.items():
        found += [
            Link(presenting.term_label(taxonomy, value), asked.toggled(name, value))
            for value in getattr(asked, name)
        ]
    found += [
        Link(presenting.language_name(code), asked.toggled("language", code)) for code in asked.language
    ]
    if asked.age is not None:
        found.append(Link(_("%(age)s years old", age=asked.age), asked.url(age=None)))
    if asked.place:
        words = _("%(place)s, up to %(km)s km", place=asked.place, km=asked.km) if asked.km else asked.place
        found.append(Link(words, asked.url(place="", km=None)))
    elif asked.km and asked.implied.place:
        found.append(Link(_("up to %(km)s km", km=asked.km), asked.url(km=None)))
    if asked.free:
        found.append(Link(_("Free of charge"), asked.url(free=False)))
    if asked.open:
        found.append(Link(_("Open now"), asked.url(open=False)))
    return tuple(found)


def offer_or_404(slug: str) -> ServiceView:
    service = current_portal().catalogue.service(slug)
    if service is None:
        raise moved_or_gone("service", "offers", slug)
    return service


def moved_or_gone(entity: Literal["service", "organization"], folder: str, slug: str) -> HTTPException:
    """The way to what it was merged into, for cards on paper and saved links; else NotFound."""
    try:
        now = current_portal().catalogue.moved(entity, slug) if request.method == "GET" else None
    except SQLAlchemyError:
        # Pages are shown from memory when the database is away.
        now = None
    if now is None or now == slug:
        return NotFound()
    address = request.path.replace(f"/{folder}/{slug}", f"/{folder}/{now}", 1)
    response = redirect(address, code=301)
    # What is merged can be taken apart again.
    response.headers["Cache-Control"] = "no-cache"
    return HTTPException(response=response)


def offer(slug: str) -> Response:
    service = offer_or_404(slug)
    return render("public/offer.html", keep=True, offer=offer_page(service))


def offer_page(service: ServiceView) -> OfferPage:
    """Everything about one offer, with how far its translation can be trusted."""
    similar = similar_offers(service)
    with provenance.collected() as shown:
        for name in ("name", "description", "application_process"):
            # The originals are listed in this order, whatever is needed first to make the page.
            if text := service.text(name, g.lang):
                presenting.note_text(text)
        page = facts_of(service, similar)
    origin = provenance.origin_of(shown)
    provenance.hand_up(origin)
    return replace(page, origin=origin)


def similar_offers(service: ServiceView) -> tuple[OfferCard, ...]:
    found = fitting_offers(
        current_portal().catalogue,
        kinds=service.contact_kinds[:2],
        topics=service.topics,
        place=next((location.place for location in service.locations if location.place), None),
        exclude={service.slug},
        limit=3,
    )
    return tuple(presenting.offer_card(other.service) for other in found)


def facts_of(service: ServiceView, similar: tuple[OfferCard, ...]) -> OfferPage:
    portal = current_portal()
    lang = g.lang
    kind = portal.catalogue.term("contact_kinds", service.contact_kinds[0]) if service.contact_kinds else None
    organization = service.organization
    house = presenting.only_house(service)
    sites = tuple(
        presenting.site(location, main=index == 0) for index, location in enumerate(service.locations)
    )
    phones = presenting.phone_links(service.phones_at(house))
    website = service.url or organization.website
    # With several houses one line would be wrong for most of them; each house shows its own.
    opening = presenting.first_opening(service, house) if len(sites) < 2 else None
    email = service.email or organization.email
    url = addresses.offer(service.slug)
    topics = tuple(
        Link(presenting.term_label("topics", code), url_for("public.topic", code=code))
        for code in service.topics
    )
    known = phones or email or any(site.phones for site in sites)
    return OfferPage(
        name=presenting.quiet(service.text("name", lang)),
        organization=presenting.organization_name(organization),
        organization_url=url_for("public.organization", slug=organization.slug),
        description=presenting.bit(service.text("description", lang)),
        how_to_start=presenting.bit(service.text("application_process", lang)),
        phones=phones,
        write=f"mailto:{email}" if email else None,
        website=website,
        opening=opening,
        openings=presenting.openings(service.schedules),
        sites=sites,
        audience=tuple(presenting.term_label("target_groups", code) for code in service.target_groups),
        age=age_words(service),
        eligibility=presenting.bit(service.text("eligibility_description", lang)),
        cost=cost_words(service),
        languages=tuple(presenting.language_name(code) for code in service.languages),
        interpretation=presenting.bit(service.text("interpretation_services", lang)),
        formats=tuple(presenting.term_label("formats", code) for code in service.formats),
        bring=presenting.word_list(service, "required_documents"),
        steps=presenting.word_list(service, "expectations")
        or (presenting.word_list(kind, "expectations") if kind else ()),
        say=presenting.words(kind, "say") or None if kind else None,
        areas=area_words(service),
        legal=service.legal_text,
        freshness=presenting.freshness(service),
        source_url=None,
        missing=None
        if known
        else presenting.missing(service, phones, sites[0] if len(sites) == 1 else None, website),
        topics=topics,
        similar=similar,
        calendar_url=presenting.calendar_url(service),
        share_url=portal.settings.base_url + url,
        share_text=" · ".join(
            [presenting.words(service, "name"), organization.name, *(p.display for p in phones[:1])]
        ),
        capacity=presenting.capacity(service),
        contact_url=taking.contact_url(service),
    )


def age_words(service: ServiceView) -> str | None:
    low, high = service.minimum_age, service.maximum_age
    if low is not None and high is not None:
        return _("from %(low)s to %(high)s years", low=low, high=high)
    if low is not None:
        return _("from %(low)s years", low=low)
    if high is not None:
        return _("up to %(high)s years", high=high)
    return None


def cost_words(service: ServiceView) -> Bit:
    """What it costs in words; nothing is said where no source says anything."""
    amount = service.cost.text("amount_description", g.lang)
    if amount:
        return presenting.bit(amount)
    return Bit(
        {
            "free": _("Free of charge"),
            "covered": _("Someone else pays, you need not"),
            "paid": _("Costs something. Ask how much."),
        }.get(service.cost.option, "")
    )


def area_words(service: ServiceView) -> str:
    """For whom by place: municipalities, the county, the Land, all of Germany."""
    portal = current_portal()
    words = []
    for area in service.service_areas:
        if area == "":
            words.append(_("all of Germany"))
        elif area == portal.region.state_area:
            words.append(portal.region.state)
        elif area == portal.region.county_area:
            words.append(portal.region.name)
        else:
            place = portal.catalogue.places.by_ags(area)
            words.append(place.name if place else area)
    return listing(words)


def offer_calendar(slug: str) -> Response:
    """The next office hour as an appointment reminder (RFC 5545). Made from public data, kept nowhere."""
    service = offer_or_404(slug)
    portal = current_portal()
    found = presenting.next_slot(service)
    if found is None:
        raise NotFound
    slot, channel = found
    location = presenting.only_house(service)
    name = presenting.words(service, "name")
    remote = channel in presenting.REMOTE
    body = office_hour(
        uid=f"{service.id}-{slot.start:%Y%m%dT%H%M}@anlauf",
        stamp=portal.now(),
        start=slot.start,
        end=slot.end,
        title=f"{_(presenting.CHANNEL_LABELS[channel])}: {name}"
        if remote
        else _("Open: %(name)s", name=name),
        description="\n".join(
            part
            for part in (
                presenting.words(service, "application_process"),
                *(phone.display for phone in presenting.phone_links(service.phones_at(location))),
                portal.settings.base_url + addresses.offer(slug),
            )
            if part
        ),
        place=", ".join(presenting.site(location).address) if location and not remote else "",
        alarm=timedelta(hours=2),
    )
    response = Response(unmarked(body.decode()), content_type="text/calendar; charset=utf-8")
    response.headers["Content-Disposition"] = f'attachment; filename="{slug}.ics"'
    response.headers["Cache-Control"] = "public, max-age=300"
    return response


def offer_qr(slug: str) -> Response:
    """The address of the offer's page, to be read by another phone."""
    service = offer_or_404(slug)
    base = current_portal().settings.base_url or request.url_root.rstrip("/")
    response = packed("image/svg+xml", {"": qr_svg(base + addresses.offer(service.slug))})
    response.headers["Cache-Control"] = "public, max-age=3600"
    response.vary.add("Host")
    return response


def organization(slug: str) -> Response:
    return render("public/organization.html", keep=True, organization=organization_page(slug))


def organization_page(slug: str) -> OrganizationPage:
    """Raises NotFound."""
    portal = current_portal()
    found = portal.catalogue.organization(slug)
    if found is None:
        raise moved_or_gone("organization", "organizations", slug)
    view, services = found
    offers = tuple(presenting.offer_card(service) for service in presenting.sort_for_list(services))
    with provenance.collected() as shown:
        page = facts_of_organization(view, offers)
    origin = provenance.origin_of(shown)
    provenance.hand_up(origin)
    return replace(page, origin=origin)


def facts_of_organization(view: OrganizationView, offers: tuple[OfferCard, ...]) -> OrganizationPage:
    portal = current_portal()
    parent = portal.catalogue.organization(view.parent_organization) if view.parent_organization else None
    return OrganizationPage(
        name=presenting.organization_name(view),
        description=presenting.bit(view.text("description", g.lang)),
        parent=Link(presenting.words(parent[0], "name"), addresses.organization(parent[0].slug))
        if parent
        else None,
        phones=presenting.phone_links(view.phones),
        write=f"mailto:{view.email}" if view.email else None,
        website=view.website,
        sites=tuple(presenting.site(location) for location in view.locations),
        freshness=presenting.freshness(view),
        offers=offers,
    )


@dataclass(frozen=True, slots=True)
class Suggested:
    """One line below a field. `value` goes into that field, and `place` into the one for the place."""

    value: str
    label: Bit
    hint: str | None = None
    place: str | None = None


def place_suggestions() -> Response:
    """Options for the place field; part of a page, never a page of its own."""
    text = request.args.get("q", request.args.get("place", ""))[:120]
    portal = current_portal()
    places = portal.catalogue.places
    hint = _("Not in this county: %(region)s", region=portal.region.name)
    here = [Suggested(option.label, Bit(option.label)) for option in places.suggest(text, limit=6)]
    elsewhere = [Suggested(name, Bit(name), hint) for name in places.suggest_outside(text)]
    return suggestions([*here, *elsewhere][:6])


def offer_suggestions() -> Response:
    """Options for the search field: what the words mean, and the places, topics, offers, organizations they begin."""
    text = " ".join(without_marks(request.args.get("q", ""))[:120].split())
    return suggestions([*meant(text)[:2], *places_at_the_end(text)[:2], *begun(text, 5)])


def suggestions(options: Iterable[Suggested]) -> Response:
    return render(
        "public/suggestions.html", fragment="results", cache=NO_STORE, index=False, options=tuple(options)
    )


def meant(text: str) -> list[Suggested]:
    """Who helps with what the words stand for, in everyday words: "hartz" means the Jobcenter."""
    portal = current_portal()
    found = []
    for kind in portal.search.kinds_meant(text, g.lang):
        term = portal.catalogue.term("contact_kinds", kind)
        if term is not None:
            value = presenting.term_label("contact_kinds", kind)
            # NOTE: Beside the name of an office in a list of suggestions.
            found.append(Suggested(value, presenting.term_text(term, "name"), _("Who helps")))
    return found


def begun(text: str, limit: int) -> list[Suggested]:
    portal = current_portal()
    hints = {"topic": _("Topic"), "service": _("Offer"), "organization": _("Organization")}
    found = []
    for suggestion in portal.search.suggest(text, g.lang, limit=limit):
        service = portal.catalogue.service(suggestion.value) if suggestion.kind == "service" else None
        name = presenting.quiet(service.text("name", g.lang)) if service else Bit(suggestion.text)
        found.append(Suggested(suggestion.text, name, hints[suggestion.kind]))
    return found


def places_at_the_end(text: str) -> list[Suggested]:
    """Places whose name the last words of `text` begin; the other words go on being looked for, near it."""
    places = current_portal().catalogue.places
    words = text.split()
    for first in range(max(0, len(words) - 3), len(words)):
        start = normalise(" ".join(words[first:]))
        if len(start) < 3 or start in STOP_WORDS:
            continue
        found = [
            option
            for option in places.suggest(start, limit=6)
            if f" {without_dots(start)}" in f" {without_dots(normalise(option.label))}"
            or (option.postal_code or "").startswith(start)
        ]
        if found:
            rest = words[:first]
            while rest and normalise(rest[-1]) in STOP_WORDS:
                rest.pop()
            return [
                Suggested(
                    " ".join(rest),
                    Bit(_("near %(place)s", place=option.label)),
                    # NOTE: Beside the name of a town or village in a list of suggestions.
                    _("Place"),
                    option.label,
                )
                for option in found
            ]
    return []


def without_dots(text: str) -> str:
    """`normalise` writes ö as oe; many type it as o."""
    return text.replace("ae", "a").replace("oe", "o").replace("ue", "u")
