"""What the public templates are given: plain values, already in the visitor's language.

Templates decide how something looks, never what it says or which record is meant; whoever fills these
dataclasses (`presenting.py`) has done the looking up, falling back and formatting.
"""

from dataclasses import dataclass, field

from portal.web.provenance import Origin


@dataclass(frozen=True, slots=True)
class Bit:
    """A text that may be in another language than the page. `lang` is None when it is the page's own."""

    text: str
    lang: str | None = None
    dir: str | None = None
    note: str | None = None
    """Words about the translation: "nur auf Deutsch", "automatisch übersetzt"."""

    def __bool__(self) -> bool:
        return bool(self.text)

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True)
class Link:
    label: str
    url: str
    current: bool = False
    lang: str | None = None
    dir: str | None = None
    icon: str | None = None
    count: int | None = None
    hint: str | None = None


@dataclass(frozen=True, slots=True)
class PhoneLink:
    display: str
    """Grouped for reading; always shown left to right (`<bdi>`)."""
    tel: str
    """For `href="tel:…"`."""
    note: str | None = None
    free: bool = False


@dataclass(frozen=True, slots=True)
class Opening:
    """Open or not, in words. `state`: open, closed, always, unknown."""

    state: str
    text: str
    """"Offen bis 16:00", "Öffnet Montag um 8:00", "Tag und Nacht"; empty when unknown."""
    week: tuple[tuple[str, str], ...] = ()
    """(weekday, "8:00–12:00, 13:00–16:00") from Monday on."""
    label: str | None = None
    """Which hours: visiting, on the phone …"""
    note: str | None = None
    visit: bool = True
    """Not of the phone or the chat: nobody may be sent to a closed door by the hours of those."""


@dataclass(frozen=True, slots=True)
class Site:
    """One house where a service is given. Confidential houses have no address at all."""

    name: Bit
    address: tuple[str, ...] = ()
    map_url: str | None = None
    directions: Bit | None = None
    distance: str | None = None
    openings: tuple[Opening, ...] = ()
    phones: tuple[PhoneLink, ...] = ()
    accessibility: tuple[Bit, ...] = ()
    main: bool = False
    note: Bit | None = None
    """What the service says about this house ("first floor")."""
    confidential: bool = False
    """A shelter: the page says that the address stays secret instead of showing nothing."""


@dataclass(frozen=True, slots=True)
class Freshness:
    """How far the facts can be trusted, in plain words."""

    state: str
    """confirmed or unconfirmed."""
    text: str
    """"Im Oktober 2026 bestätigt" or "Stand 2023, noch nicht bestätigt"."""


@dataclass(frozen=True, slots=True)
class OfferCard:
    """One offer in a list. `snippet` is a sequence of (text, highlighted)."""

    name: Bit
    url: str
    organization: Bit
    summary: Bit
    snippet: tuple[tuple[str, bool], ...] = ()
    opening: Opening | None = None
    distance: str | None = None
    town: str | None = None
    tags: tuple[str, ...] = ()
    free: bool = False
    freshness: Freshness | None = None
    phone: PhoneLink | None = None


@dataclass(frozen=True, slots=True)
class ContactCard:
    """A contact on the result page. The first one carries everything, the others less."""

    kind: str
    name: Bit
    """Everyday name of the kind, or of the service."""
    office: Bit
    """The organization behind it."""
    why: str
    helps_with: Bit | None
    opening: Opening | None
    """The hours that decide whether to go or call now."""
    openings: tuple[Opening, ...]
    """By channel, with the week."""
    phones: tuple[PhoneLink, ...]
    write: str | None
    """mailto: link."""
    website: str | None
    site: Site | None
    remote: Bit | None
    """How to reach it without telephoning."""
    bring: tuple[str, ...]
    steps: tuple[str, ...]
    say: str | None
    """Words to read out, in the page's language."""
    say_de: str | None
    """The German words, when the page is not German."""
    url: str
    """The offer's own page."""
    freshness: Freshness | None
    missing: str | None = None
    """What is not known, and the next best way ("Eine Telefonnummer kennen wir noch nicht. …")."""
    urgency: str = "normal"
    urgency_text: str | None = None
    """"Am besten heute noch"."""
    calendar_url: str | None = None
    bilingual_url: str | None = None
    """The same card in two languages, to show at the counter."""
    contact_url: str | None = None
    """Where to ask that they get in touch; None when they take nobody now."""

    origin: Origin | None = None


@dataclass(frozen=True, slots=True)
class Pair:
    """One text in two languages. `own` is None where the German text is all there is."""

    own: str | None
    german: str


@dataclass(frozen=True, slots=True)
class Fact:
    lines: tuple[Pair, ...]
    label: Pair | None = None
    listed: bool = False
    quoted: bool = False
    """Words to read out."""


@dataclass(frozen=True, slots=True)
class TwoCard:
    """A card that can be handed over. Addresses and numbers are the same in every language."""

    title: Pair | None
    office: Pair | None = None
    facts: tuple[Fact, ...] = ()
    address: tuple[str, ...] = ()
    phones: tuple[PhoneLink, ...] = ()
    write: str | None = None
    """mailto: link."""
    website: str | None = None
    hours: tuple[tuple[Pair, Pair], ...] = ()
    """(weekday, times)."""


@dataclass(frozen=True, slots=True)
class SheetQuestion:
    """A question on paper."""

    number: int
    text: Pair
    hint: Pair | None
    only_if: str | None
    """Only for whoever fills it in, and so not in German."""
    options: tuple[Pair, ...]
    """Empty: something is written down."""


@dataclass(frozen=True, slots=True)
class SheetPlace:
    """Where the sheet can be taken, or who can be called."""

    name: Pair
    office: str
    address: str
    phone: PhoneLink | None


@dataclass(frozen=True, slots=True)
class Choice:
    """One answer that can be chosen."""

    id: str
    label: str
    hint: str | None = None
    icon: str | None = None
    checked: bool = False
    quiet: bool = False
    """"I don't know", "I'd rather not say": as large as the others, but after them."""
    exclusive: bool = False


@dataclass(frozen=True, slots=True)
class FilterOption:
    value: str
    label: str
    count: int
    selected: bool
    url: str
    """The same search with this option switched."""


@dataclass(frozen=True, slots=True)
class FilterGroup:
    name: str
    """Name of the form field."""
    label: str
    options: tuple[FilterOption, ...]
    open: bool = False
    multiple: bool = True


@dataclass(frozen=True, slots=True)
class HelpGroup:
    """Helplines for one need, open ones first."""

    label: str
    anchor: str
    icon: str | None
    entries: tuple["Helpline", ...]


@dataclass(frozen=True, slots=True)
class Helpline:
    name: Bit
    summary: Bit
    phones: tuple[PhoneLink, ...]
    opening: Opening | None
    website: str | None
    website_label: str | None
    channels: tuple[str, ...] = ()
    languages: tuple[str, ...] = ()
    free: bool = False
    cost: str | None = None
    url: str | None = None


@dataclass(frozen=True, slots=True)
class ErrorLine:
    """One line of the error summary; `anchor` is the id of the field."""

    anchor: str
    text: str


@dataclass(frozen=True, slots=True)
class SearchPage:
    query: str
    total: int
    cards: tuple[OfferCard, ...]
    groups: tuple[FilterGroup, ...]
    chips: tuple[Link, ...]
    """Active filters; the link removes one."""
    sort: tuple[Link, ...]
    more_url: str | None
    place_text: str
    place_message: str | None
    place_choices: tuple[Link, ...]
    urgent: bool
    did_you_mean: Link | None
    fallback: bool
    topics: tuple[Link, ...] = ()
    shown: int = 0
    hidden_fields: tuple[tuple[str, str], ...] = field(default=())
    suggest_url: str | None = None
    """Place suggestions: answers `?q=…` with `public/suggestions.html`."""
    word_url: str | None = None
    """Suggestions for the search field, in the same shape."""
    km: int | None = None
    radii: tuple[int, ...] = (5, 10, 20, 40)
    age: int | None = None


@dataclass(frozen=True, slots=True)
class OfferPage:
    """Everything about one offer. Empty values are not shown, never labelled."""

    name: Bit
    organization: Bit
    organization_url: str
    description: Bit
    how_to_start: Bit
    phones: tuple[PhoneLink, ...]
    write: str | None
    website: str | None
    opening: Opening | None
    """The hours that decide whether to go or call now."""
    openings: tuple[Opening, ...]
    """The service's own hours by channel, with the week."""
    sites: tuple[Site, ...]
    audience: tuple[str, ...]
    age: str | None
    eligibility: Bit
    cost: Bit
    languages: tuple[str, ...]
    interpretation: Bit
    formats: tuple[str, ...]
    bring: tuple[str, ...]
    steps: tuple[str, ...]
    say: str | None
    areas: str
    """For people from where."""
    legal: str | None
    """The paragraph, for counsellors."""
    freshness: Freshness
    source_url: str | None
    missing: str | None
    topics: tuple[Link, ...]
    similar: tuple[OfferCard, ...]
    calendar_url: str | None
    share_url: str
    share_text: str
    capacity: str | None = None
    """Free places, as the organization said lately."""
    contact_url: str | None = None
    """Where to ask that they get in touch; None when they take nobody now."""
    origin: Origin | None = None

    @property
    def site(self) -> Site | None:
        """The house of the "way there" button: only when there is exactly one."""
        return self.sites[0] if len(self.sites) == 1 else None


@dataclass(frozen=True, slots=True)
class OrganizationPage:
    name: Bit
    description: Bit
    parent: Link | None
    phones: tuple[PhoneLink, ...]
    write: str | None
    website: str | None
    sites: tuple[Site, ...]
    freshness: Freshness
    offers: tuple[OfferCard, ...]
    missing: str | None = None
    kind: str | None = None
    """What sort of body it is, in everyday words."""
    origin: Origin | None = None

    @property
    def site(self) -> Site | None:
        """The house of the "way there" button: only when there is exactly one."""
        return self.sites[0] if len(self.sites) == 1 else None
