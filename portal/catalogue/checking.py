"""What a single record cannot know: references, codes, numbers, hours, colours, and a desk for everybody."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

import phonenumbers

from portal.catalogue import hours
from portal.catalogue.geography import covers, distance_km
from portal.catalogue.reading import Origin, Problem, RegionContent, TaxonomyContent
from portal.catalogue.records import (
    LocationRecord,
    OrganizationRecord,
    PhoneRecord,
    Record,
    ServiceRecord,
    TermRecord,
    Theme,
    TranslationsFile,
)
from portal.catalogue.revision import text_hash
from portal.catalogue.translating.figures import mismatch
from portal.catalogue.vocabulary import (
    CONTACT_KINDS,
    DANGER_KINDS,
    ORGANIZATION_KINDS,
    SOURCE_LANGUAGE,
    TAXONOMIES,
    TERM_FIELDS,
    translatable_texts,
)

# Shared with the style sheet's tokens: what the region's two colours have to be read on and beside.
_WHITE, _PAPER, _CARD_DARK, _PAPER_DARK, _INK_DARK = "#ffffff", "#fbf9f4", "#1d2326", "#14181a", "#06201d"
_FAR_KM = 40
"""No place of a county is larger; further from its centre means swapped or mistyped coordinates."""

_UNNAMED_LANGUAGES = frozenset({"prs", "gsg"})
"""Dari and German Sign Language: spoken in offices, missing among the names of the CLDR."""
_SHORT_NUMBERS = frozenset({"110", "112", "115"})
_FICTIONAL: tuple[tuple[str, int], ...] = (
    # Numbers that the Bundesnetzagentur keeps for film and television: area code and start, digits to follow.
    ("3023125", 3),
    ("6990009", 3),
    ("4066969", 3),
    ("2214710", 3),
    ("8999998", 3),
    ("17139200", 2),
    ("15228817386", 0),
    ("15228895456", 0),
    ("15254599371", 0),
    ("1729925904", 0),
)


class _Problems:
    def __init__(self, origins: Mapping[tuple[str, str], Origin], folder: str) -> None:
        self.found: list[Problem] = []
        self._origins = origins
        self._folder = folder

    def add(
        self,
        entity: str,
        entry: str | None,
        field: str | None,
        message: str,
        code: str = "",
        **values: Any,
    ) -> None:
        origin = self._origins.get((entity, entry or ""))
        file = origin.file if origin else f"{self._folder}/{entity}.yaml"
        line = origin.line if origin else None
        self.found.append(Problem(file, entry, field, message, line, code, values))


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What an entry may point to."""

    county_area: str
    fictional: bool
    parents: Mapping[str, str | None]
    """Organization → its parent."""
    confidential: Collection[str]
    """Organizations that run a shelter."""
    locations: Collection[str]
    places: Mapping[str, tuple[str, float, float]]
    """AGS → name, latitude, longitude."""
    codes: Mapping[str, Collection[str]]
    """Taxonomy → codes of its terms."""


def entry_problems(around: Surroundings, entity: str, record: Record) -> list[Problem]:
    """What one entry has wrong beyond its shape."""
    problems = _Problems({}, "")
    check = _EntryCheck(around, problems)
    if isinstance(record, ServiceRecord):
        check.service(record)
    elif isinstance(record, LocationRecord):
        check.location(record)
    elif isinstance(record, OrganizationRecord):
        check.organization(record)
    else:
        raise TypeError(entity)
    return problems.found


class _EntryCheck:
    def __init__(self, around: Surroundings, problems: _Problems) -> None:
        self.around = around
        self.problems = problems

    def organization(self, organization: OrganizationRecord) -> None:
        slug, add = organization.slug, self.problems.add
        if organization.kind not in self.around.codes.get(ORGANIZATION_KINDS, ()):
            self._unknown_code("organization", slug, "kind", ORGANIZATION_KINDS, organization.kind)
        parent = organization.parent_organization
        if parent and parent not in self.around.parents:
            add(
                "organization",
                slug,
                "parent_organization",
                f"no organization {parent!r}",
                "unknown",
                value=parent,
            )
        elif _in_a_circle(slug, self.around.parents):
            add("organization", slug, "parent_organization", "leads back to itself", "circle")
        self._phones("organization", slug, "phones", organization.phones)

    def location(self, location: LocationRecord) -> None:
        slug, add = location.slug, self.problems.add
        around, owner = self.around, location.organization
        if owner not in around.parents:
            add("location", slug, "organization", f"no organization {owner!r}", "unknown", value=owner)
        if location.confidential and location.place:
            add("location", slug, "place", "a confidential location must not say where it is", "confidential")
        if owner in around.confidential and not location.confidential and location.address:
            message = f"{owner} is confidential, so its locations must be too"
            add("location", slug, "confidential", message, "owner_confidential")
        place = location.place or ""
        if place.startswith(around.county_area) and place not in around.places:
            add("location", slug, "place", f"no place {place}", "unknown", value=place)
        if (location.latitude is None) != (location.longitude is None):
            add("location", slug, "latitude", "latitude and longitude belong together", "half_a_point")
        elif location.latitude is not None and location.longitude is not None:
            known = around.places.get(place)
            if known:
                name, latitude, longitude = known
                far = distance_km(location.latitude, location.longitude, latitude, longitude)
                if far > _FAR_KM:
                    message = f"lies {far:.0f} km from {name}"
                    add("location", slug, "latitude", message, "far_away", km=round(far), place=name)
            elif not (47 <= location.latitude <= 56 and 5 <= location.longitude <= 16):
                add("location", slug, "latitude", "does not lie in Germany", "abroad")
        self._phones("location", slug, "phones", location.phones)
        self._schedules("location", slug, "schedules", location.schedules)
        self._languages("location", slug, location.languages)

    def service(self, service: ServiceRecord) -> None:
        slug, add = service.slug, self.problems.add
        owner = service.organization
        if owner not in self.around.parents:
            add("service", slug, "organization", f"no organization {owner!r}", "unknown", value=owner)
        for field, taxonomy in TERM_FIELDS.items():
            codes: tuple[str, ...] = getattr(service, field)
            for code in codes:
                if code not in self.around.codes.get(taxonomy, ()):
                    self._unknown_code("service", slug, field, taxonomy, code)
            self._no_duplicates("service", slug, field, codes)
        for kind in service.desk_for:
            if kind not in service.contact_kinds:
                message = f"{kind!r} must be among contact_kinds too"
                add("service", slug, "desk_for", message, "desk_without_kind", value=kind)
        self._areas(slug, "service_areas", service.service_areas)
        self._no_duplicates("service", slug, "required_documents", service.required_documents)
        if service.valid_from and service.valid_to and service.valid_from > service.valid_to:
            add("service", slug, "valid_to", "is before valid_from", "ends_before_it_begins")
        self._phones("service", slug, "phones", service.phones)
        self._schedules("service", slug, "schedules", service.schedules)
        self._languages("service", slug, service.languages)
        for index, contact in enumerate(service.contacts):
            self._phones("service", slug, f"contacts.{index}.phones", contact.phones)
        self._no_duplicates("service", slug, "locations", tuple(at.location for at in service.locations))
        for index, at in enumerate(service.locations):
            if at.location not in self.around.locations:
                field = f"locations.{index}.location"
                add("service", slug, field, f"no location {at.location!r}", "unknown", value=at.location)
            self._phones("service", slug, f"locations.{index}.phones", at.phones)
            self._schedules("service", slug, f"locations.{index}.schedules", at.schedules)
            self._areas(slug, f"locations.{index}.service_areas", at.service_areas)

    def _areas(self, slug: str, field: str, areas: tuple[str, ...]) -> None:
        self._no_duplicates("service", slug, field, areas)
        county = self.around.county_area
        for area in areas:
            if len(area) == 8 and area.startswith(county) and area not in self.around.places:
                self.problems.add("service", slug, field, f"no place {area}", "unknown", value=area)
            elif not covers(area, county) and not area.startswith(county):
                message = f"{area} has nothing to do with {county}"
                self.problems.add("service", slug, field, message, "elsewhere", value=area)

    def _phones(self, entity: str, slug: str, field: str, phones: tuple[PhoneRecord, ...]) -> None:
        self._no_duplicates(entity, slug, field, tuple((phone.number, phone.type) for phone in phones))
        for index, phone in enumerate(phones):
            if message := phone_problem(phone.number, fictional=self.around.fictional):
                name = f"{field}.{index}.number"
                self.problems.add(entity, slug, name, message, "phone", value=phone.number)
            self._languages(entity, slug, phone.languages)

    def _schedules(self, entity: str, slug: str, field: str, schedules: Iterable[Any]) -> None:
        for index, schedule in enumerate(schedules):
            try:
                hours.check(schedule.opening_hours)
            except hours.HoursError as error:
                name = f"{field}.{index}.opening_hours"
                self.problems.add(entity, slug, name, str(error), "hours", value=schedule.opening_hours)

    def _languages(self, entity: str, slug: str, languages: tuple[str, ...]) -> None:
        self._no_duplicates(entity, slug, "languages", languages)
        for language in languages:
            language_problem(self.problems, entity, slug, language)

    def _unknown_code(self, entity: str, slug: str, field: str, taxonomy: str, code: str) -> None:
        message = f"{code!r} is not a term of {taxonomy}"
        self.problems.add(entity, slug, field, message, "unknown", value=code)

    def _no_duplicates(self, entity: str, slug: str, field: str, values: Iterable[Any]) -> None:
        def report(value: Any) -> None:
            message = f"{value!r} stands there twice"
            self.problems.add(entity, slug, field, message, "twice", value=value)

        _unique(values, report)


def language_problem(problems: _Problems, entity: str, slug: str | None, language: str) -> None:
    if language.split("-", maxsplit=1)[0] not in _known_languages():
        message = f"no language has the code {language!r} (ISO 639)"
        problems.add(entity, slug, "languages", message, "unknown", value=language)


def taxonomy_problems(content: TaxonomyContent) -> list[Problem]:
    problems = _Problems(content.origins, "taxonomies")
    present = [file.code for file in content.taxonomies]
    for code in dict.fromkeys(present):
        if present.count(code) > 1:
            problems.add(code, None, "code", "this vocabulary is there twice")
    for code in TAXONOMIES:
        if code not in present:
            problems.add(code, None, None, "this vocabulary is missing")
    for file in content.taxonomies:
        parents = {term.code: term.parent for term in file.terms}
        for term in file.terms:
            if term.parent and term.parent not in parents:
                problems.add(
                    "taxonomy_term", f"{file.code}:{term.code}", "parent", f"no term {term.parent!r}"
                )
            elif _in_a_circle(term.code, parents):
                problems.add("taxonomy_term", f"{file.code}:{term.code}", "parent", "leads back to itself")
    terms = dict(content.terms())
    for translations in content.translations:
        name = f"translations/{translations.language}"
        _check_translations(problems, name, translations, {"terms": terms})
    return problems.found


def _in_a_circle(code: str, parents: Mapping[str, str | None]) -> bool:
    seen: set[str] = set()
    at: str | None = code
    while at is not None and at not in seen:
        seen.add(at)
        at = parents.get(at)
    return at is not None


def region_problems(content: RegionContent, *, folder: str) -> list[Problem]:
    return taxonomy_problems(content.taxonomies) + _RegionCheck(content, folder).run()


class _RegionCheck:
    def __init__(self, content: RegionContent, folder: str) -> None:
        self.content = content
        self.folder = folder
        self.problems = _Problems(content.origins, f"regions/{folder}")
        self.organizations = {entry.slug: entry for entry in content.organizations}
        self.locations = {entry.slug: entry for entry in content.locations}
        self.services = {entry.slug: entry for entry in content.services}
        self.places = {place.ags: place for place in content.places.places}
        self.codes = {taxonomy: content.taxonomies.codes(taxonomy) for taxonomy in TAXONOMIES}

    def run(self) -> list[Problem]:
        self._region()
        self._places()
        check = _EntryCheck(self._surroundings(), self.problems)
        for organization in self.content.organizations:
            check.organization(organization)
        for location in self.content.locations:
            check.location(location)
        for service in self.content.services:
            check.service(service)
        self._desks()
        entries: dict[str, Mapping[str, Record]] = {
            "organizations": self.organizations,
            "locations": self.locations,
            "services": self.services,
        }
        for translations in self.content.translations:
            _check_translations(self.problems, f"translations/{translations.language}", translations, entries)
        self._upkeep()
        return self.problems.found

    def _upkeep(self) -> None:
        upkeep = self.content.upkeep
        known: Mapping[str, Collection[str]] = {
            "organization": self.organizations,
            "service": self.services,
        }
        pointers: list[tuple[str, str, str]] = [
            *(("reviews", "service", one.service) for one in upkeep.reviews),
            *(("capacity", "service", one.service) for one in upkeep.capacity),
            *(("former_addresses", one.entity, one.now) for one in upkeep.former_addresses),
        ]
        for field, entity, slug in pointers:
            if slug not in known[entity]:
                self.problems.add("upkeep", None, field, f"no {entity} {slug!r}")

    def _surroundings(self) -> Surroundings:
        return Surroundings(
            county_area=self.content.region.county_area,
            fictional=self.content.region.fictional,
            parents={entry.slug: entry.parent_organization for entry in self.content.organizations},
            confidential=frozenset(entry.slug for entry in self.content.organizations if entry.confidential),
            locations=self.locations.keys(),
            places={ags: (place.name, place.latitude, place.longitude) for ags, place in self.places.items()},
            codes=self.codes,
        )

    def _region(self) -> None:
        region, add = self.content.region, self.problems.add
        if region.slug != self.folder:
            add("region", None, "slug", f"is {region.slug!r}, but the folder is called {self.folder!r}")
        if not region.county_area.startswith(region.state_area):
            add("region", None, "state_area", f"the county {region.county_area} does not lie in it")
        desk = self.services.get(region.clearing_desk)
        if desk is None:
            add("region", None, "clearing_desk", f"no service {region.clearing_desk!r}")
        else:
            self._clearing_desk(desk)
        for slug in region.helplines:
            if slug not in self.services:
                add("region", None, "helplines", f"no service {slug!r}")
            elif not self.services[slug].helpline_needs:
                add("service", slug, "helpline_needs", "is empty, but region.yaml lists it under helplines")
        for language in region.languages:
            language_problem(self.problems, "region", None, language)
        if SOURCE_LANGUAGE not in region.languages:
            add("region", None, "languages", "German is missing")
        for message in theme_problems(region.theme):
            add("region", None, "theme", message)
        try:
            ZoneInfo(region.timezone)
            hours.is_public_holiday(date(2026, 1, 1), region.holiday_subdivision)
        except (KeyError, ValueError, NotImplementedError) as error:
            add("region", None, "timezone or holiday_subdivision", str(error))
        _unique(
            region.helplines, lambda slug: add("region", None, "helplines", f"{slug!r} stands there twice")
        )

    def _clearing_desk(self, desk: ServiceRecord) -> None:
        region, add = self.content.region, self.problems.add
        if desk.status != "published":
            add("service", desk.slug, "status", "is the region's clearing desk and must be published")
        if not any(covers(area, region.county_area) for area in desk.service_areas):
            add(
                "service",
                desk.slug,
                "service_areas",
                f"the clearing desk must serve all of {region.county_area}",
            )
        if desk.valid_from or desk.valid_to:
            add("service", desk.slug, "valid_to", "the clearing desk must not run out")
        organization = self.organizations.get(desk.organization)
        reachable = desk.phones or desk.email or desk.url or desk.locations
        if not reachable and not (organization and (organization.phones or organization.website)):
            add("service", desk.slug, None, "the clearing desk has no phone, mail, web address or location")

    def _places(self) -> None:
        add, region = self.problems.add, self.content.region
        places = self.content.places
        _unique(
            [place.ags for place in places.places],
            lambda ags: add("places", None, "ags", f"{ags} stands there twice"),
        )
        known = {code for place in places.places for code in place.postal_codes}
        for place in places.places:
            if not place.ags.startswith(region.county_area):
                add("place", place.slug, "ags", f"{place.ags} does not lie in {region.county_area}")
            for locality in place.localities:
                if locality.postal_code not in known and not locality.postal_code_uncertain:
                    message = f"{locality.postal_code} is not among the postal codes of any place here"
                    add("place", place.slug, f"localities ({locality.name})", message)
        known |= {locality.postal_code for place in places.places for locality in place.localities}
        for shared in places.shared_postal_codes:
            if shared.postal_code not in known:
                add("places", None, "shared_postal_codes", f"{shared.postal_code} belongs to no place here")

    def _desks(self) -> None:
        """The clearing desk catches what no other desk serves, but it must not be where danger ends."""
        for kind, places in desk_gaps(self.content).items():
            if kind in DANGER_KINDS:
                message = f"{kind} has no desk for {', '.join(places[:5])}{' …' if len(places) > 5 else ''}"
                self.problems.add("services", None, "desk_for", message)


def _unique(values: Iterable[Any], report: Callable[[Any], None]) -> None:
    seen = set()
    for value in values:
        if value in seen:
            report(value)
        seen.add(value)


def desk_gaps(content: RegionContent) -> dict[str, list[str]]:
    """Contact kinds and the places (names) for which only the clearing desk is left."""
    areas: dict[str, list[str]] = {}
    for service in content.services:
        if service.status == "published":
            for kind in service.desk_for:
                areas.setdefault(kind, []).extend(service.service_areas)
    gaps: dict[str, list[str]] = {}
    for kind in sorted(content.taxonomies.codes(CONTACT_KINDS)):
        missing = [
            place.name
            for place in content.places.places
            if not any(covers(area, place.ags) for area in areas.get(kind, ()))
        ]
        if missing:
            gaps[kind] = missing
    return gaps


@cache
def _known_languages() -> frozenset[str]:
    from babel import Locale

    return frozenset(Locale("en").languages) | frozenset(Locale("de").languages) | _UNNAMED_LANGUAGES


def phone_problem(number: str, *, fictional: bool) -> str | None:
    """Why the number cannot be right, or None. Fictional regions use only numbers kept for fiction."""
    try:
        parsed = phonenumbers.parse(number, "DE")
    except phonenumbers.NumberParseException as error:
        return f"{number!r}: {error}"
    digits = str(parsed.national_number)
    is_short = parsed.country_code == 49 and "".join(filter(str.isdigit, number)) == digits
    if is_short and (
        digits in _SHORT_NUMBERS
        or (len(digits) == 6 and digits.startswith("116"))
        or phonenumbers.is_valid_short_number_for_region(parsed, "DE")
    ):
        return None
    is_fictional = parsed.country_code == 49 and any(
        digits.startswith(start) and len(digits) == len(start) + more for start, more in _FICTIONAL
    )
    if is_fictional:
        return None if fictional else f"{number!r} is kept for films and reaches nobody"
    if is_short or not phonenumbers.is_valid_number(parsed):
        return f"{number!r} is not a valid number in Germany (is the area code missing?)"
    if fictional and phonenumbers.number_type(parsed) != phonenumbers.PhoneNumberType.TOLL_FREE:
        return f"{number!r} may be somebody's number; a fictional region uses numbers kept for films"
    return None


@dataclass(frozen=True, slots=True)
class ThemeContrast:
    name: str
    """Field of `Theme`."""
    colour: str
    on: str
    ratio: float
    needed: float

    @property
    def is_enough(self) -> bool:
        return self.ratio >= self.needed


def theme_contrasts(theme: Theme) -> Iterator[ThemeContrast]:
    """WCAG 2 contrast of the region's colours with what they stand on: 7:1 for text, 4.5:1 for the warm accent."""
    for name, colour, background, on, needed in (
        ("action", theme.action, _WHITE, "white", 7.0),
        ("action", theme.action, _PAPER, "paper", 7.0),
        ("action_dark", theme.action_dark, _CARD_DARK, "the dark card", 7.0),
        ("action_dark", theme.action_dark, _PAPER_DARK, "the dark paper", 7.0),
        ("action_dark", theme.action_dark, _INK_DARK, "the dark button's text", 7.0),
        ("warm", theme.warm, _WHITE, "white", 4.5),
        ("warm_dark", theme.warm_dark, _CARD_DARK, "the dark card", 4.5),
    ):
        yield ThemeContrast(name, colour, on, contrast(colour, background), needed)


def theme_problems(theme: Theme) -> Iterator[str]:
    for found in theme_contrasts(theme):
        if not found.is_enough:
            yield (
                f"{found.name} {found.colour} on {found.on} has a contrast of {found.ratio:.2f}:1, "
                f"needed are {found.needed:g}:1"
            )


def contrast(first: str, second: str) -> float:
    """https://www.w3.org/TR/WCAG22/#dfn-contrast-ratio"""
    darker, lighter = sorted((_luminance(first), _luminance(second)))
    return (lighter + 0.05) / (darker + 0.05)


def _luminance(colour: str) -> float:
    red, green, blue = (int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5))
    red, green, blue = (
        channel / 12.92 if channel <= 0.04045 else ((channel + 0.055) / 1.055) ** 2.4
        for channel in (red, green, blue)
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


_ENTITIES = {
    "organizations": "organization",
    "locations": "location",
    "services": "service",
    "terms": "taxonomy_term",
}


def _check_translations(
    problems: _Problems,
    name: str,
    translations: TranslationsFile,
    entries: Mapping[str, Mapping[str, Record | TermRecord]],
) -> None:
    if translations.language == SOURCE_LANGUAGE:
        problems.add(name, None, "language", "German stands in the entries themselves")
    for kind, entity in _ENTITIES.items():
        translated: dict[str, dict[str, Any]] = getattr(translations, kind)
        known = entries.get(kind)
        if known is None:
            if translated:
                problems.add(name, None, kind, "do not belong into this file")
            continue
        for key, fields in translated.items():
            if key not in known:
                problems.add(name, key, None, f"no {entity} is called that")
                continue
            sources = dict(translatable_texts(entity, known[key]))
            for field, translated_text in fields.items():
                if field not in sources:
                    problems.add(name, key, field, "there is no German text to translate here")
                    continue
                hash_ = translated_text.source_hash
                if hash_ is not None and hash_ != text_hash(sources[field]):
                    # Outdated: other numbers are no mistake of this file, and are not shown.
                    continue
                if found := mismatch(sources[field], translated_text.text, translations.language):
                    problems.add(name, key, field, f"says other numbers than German: {found}", "figures")
