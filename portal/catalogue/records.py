"""The product's own content format: what may stand in `content/`, field by field.

One region is one folder `content/regions/<region>/`; the vocabularies shared by all regions are in
`content/taxonomies/`. Field names are HSDS 3.2 where HSDS has the field. `docs/content-format.md`
explains the files to people; this module is what a file is checked against.
"""

from datetime import date, datetime
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    EmailStr,
    Field,
    HttpUrl,
    StringConstraints,
    TypeAdapter,
    model_validator,
)

Slug = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=80)]
Code = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$", max_length=60)]
Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=2000)]
ShortText = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
Language = Annotated[str, StringConstraints(pattern=r"^[a-z]{2,3}(-[A-Za-z0-9]+)*$")]
AreaCode = Annotated[str, StringConstraints(pattern=r"^(|\d{2}|\d{3}|\d{5}|\d{8})$")]
"""A prefix of the Amtlicher Gemeindeschlüssel (AGS): "" nation, 2 digits Land, 5 county, 8 municipality."""
PartialDate = Annotated[str, StringConstraints(pattern=r"^\d{4}(-\d{2}(-\d{2})?)?$")]
"""A date as exact as the source shows it: year, month or day."""
PostalCode = Annotated[str, StringConstraints(pattern=r"^\d{5}$")]
_HTTP_URL = TypeAdapter(HttpUrl)


def _web_address(value: str) -> str:
    """Check only: the address is kept as it was written, so that an export gives back what was loaded."""
    _HTTP_URL.validate_python(value)
    return value


WebAddress = Annotated[str, AfterValidator(_web_address)]
Colour = Annotated[str, StringConstraints(pattern=r"^#[0-9a-f]{6}$")]


class Record(BaseModel):
    """Unknown fields are refused: a misspelt field must not vanish silently."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Confidence(StrEnum):
    """How far a fact can be trusted; only `confirmed` means that a person at the office was asked."""

    CONFIRMED = "confirmed"
    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"


class Provenance(Record):
    """Where the facts of an entry come from. Shown to coordinators; the public sees its year in plain words."""

    url: WebAddress | None = None
    name: ShortText | None = None
    date: PartialDate | None = None
    note: Text | None = None
    """For the person who checks the entry; never published."""


class PhoneRecord(Record):
    number: Annotated[str, StringConstraints(pattern=r"^[+0-9][0-9 ()/-]{1,30}$")]
    type: Literal["voice", "fax", "sms", "textphone"] = "voice"
    description: ShortText | None = None
    languages: tuple[Language, ...] = ()


class ScheduleRecord(Record):
    """Opening hours in OSM syntax (https://wiki.openstreetmap.org/wiki/Key:opening_hours), local time."""

    opening_hours: ShortText
    channel: Literal["visit", "phone", "chat", "consultation"] = "visit"
    description: ShortText | None = None


class AddressRecord(Record):
    address_1: ShortText | None = None
    postal_code: PostalCode | None = None
    city: ShortText
    attention: ShortText | None = None


class AccessibilityRecord(Record):
    """HSDS accessibility: `description` in plain words, `details` what exactly is there."""

    description: ShortText
    details: ShortText | None = None


class LocationRecord(Record):
    slug: Slug
    name: ShortText
    organization: Slug
    location_type: Literal["physical", "postal", "virtual"] = "physical"
    address: AddressRecord | None = None
    latitude: Annotated[float, Field(ge=-90, le=90)] | None = None
    longitude: Annotated[float, Field(ge=-180, le=180)] | None = None
    place: AreaCode | None = None
    """AGS of the municipality the location stands in."""
    transportation: Text | None = None
    """How to get there, in everyday words."""
    confidential: bool = False
    """A women's shelter or safe flat: address, place and coordinates must be empty and are never shown."""
    accessibility: tuple[AccessibilityRecord, ...] = ()
    phones: tuple[PhoneRecord, ...] = ()
    schedules: tuple[ScheduleRecord, ...] = ()
    languages: tuple[Language, ...] = ()
    assured_date: date | None = None
    source: Provenance | None = None
    confidence: Confidence = Confidence.LOW

    @model_validator(mode="after")
    def _confidential_has_no_place(self) -> "LocationRecord":
        if self.confidential and (self.address or self.latitude or self.longitude or self.transportation):
            raise ValueError("a confidential location must not have an address, coordinates or a way there")
        return self


class OrganizationRecord(Record):
    slug: Slug
    name: ShortText
    alternate_name: ShortText | None = None
    description: Text | None = None
    kind: Code
    """What sort of body it is (jobcenter, jugendamt, kammer, freier_traeger …); term of `organization_kinds`."""
    parent_organization: Slug | None = None
    legal_status: ShortText | None = None
    website: WebAddress | None = None
    email: EmailStr | None = None
    phones: tuple[PhoneRecord, ...] = ()
    status: Literal["published", "draft"] = "published"
    confidential: bool = False
    """Runs a shelter: no address of this organization is ever shown."""
    assured_date: date | None = None
    source: Provenance | None = None
    confidence: Confidence = Confidence.LOW


class CostRecord(Record):
    option: Literal["free", "paid", "covered", "unknown"] = "unknown"
    """`covered`: someone else pays (insurance, Jobcenter). `unknown`: no source says it."""
    amount_description: ShortText | None = None


class ContactRecord(Record):
    """A function or a department, never a private person (HSDS trap 24)."""

    name: ShortText | None = None
    title: ShortText | None = None
    department: ShortText | None = None
    email: EmailStr | None = None
    phones: tuple[PhoneRecord, ...] = ()


class ServiceAtLocationRecord(Record):
    """Overrides of a service for one of its places."""

    location: Slug
    description: Text | None = None
    phones: tuple[PhoneRecord, ...] = ()
    schedules: tuple[ScheduleRecord, ...] = ()
    service_areas: tuple[AreaCode, ...] = ()
    """The municipalities this house serves, when a service divides the county among its houses."""


class ServiceRecord(Record):
    """One offer. Texts are German, du-form; everything about who, where and when is data, not prose."""

    slug: Slug
    organization: Slug
    name: ShortText
    alternate_name: ShortText | None = None
    description: Text
    application_process: Text | None = None
    """How to start, one or two sentences."""
    status: Literal["published", "draft"] = "published"
    contact_kinds: tuple[Code, ...] = ()
    """Terms of `contact_kinds`: through which kinds of contact this offer is reached or given."""
    desk_for: tuple[Code, ...] = ()
    """Contact kinds for which this service is a reception: routing ends here."""
    topics: Annotated[tuple[Code, ...], Field(min_length=1)]
    target_groups: tuple[Code, ...] = ()
    formats: tuple[Code, ...] = ()
    legal_basis: tuple[Code, ...] = ()
    """Terms of `legal_basis` (sgb2, sgb3, sgb8 …)."""
    legal_text: ShortText | None = None
    """The paragraph as written in the source, for counsellors."""
    helpline_needs: tuple[Code, ...] = ()
    """Terms of `helpline_needs`; non-empty makes the service appear under "help now"."""
    minimum_age: Annotated[int, Field(ge=0, le=99)] | None = None
    maximum_age: Annotated[int, Field(ge=0, le=99)] | None = None
    """Both inclusive, in years."""
    eligibility_description: Text | None = None
    cost: CostRecord = CostRecord()
    languages: tuple[Language, ...] = ()
    interpretation_services: ShortText | None = None
    required_documents: tuple[ShortText, ...] = ()
    expectations: tuple[ShortText, ...] = ()
    """What happens there, up to three steps in du-form; empty uses the steps of the contact kind."""
    url: WebAddress | None = None
    email: EmailStr | None = None
    phones: tuple[PhoneRecord, ...] = ()
    contacts: tuple[ContactRecord, ...] = ()
    schedules: tuple[ScheduleRecord, ...] = ()
    locations: tuple[ServiceAtLocationRecord, ...] = ()
    service_areas: Annotated[tuple[AreaCode, ...], Field(min_length=1)]
    valid_from: date | None = None
    valid_to: date | None = None
    """Funding or project period; outside of it the offer hides itself."""
    assured_date: date | None = None
    source: Provenance | None = None
    confidence: Confidence = Confidence.LOW

    @model_validator(mode="after")
    def _ages_in_order(self) -> "ServiceRecord":
        if (
            self.minimum_age is not None
            and self.maximum_age is not None
            and self.minimum_age > self.maximum_age
        ):
            raise ValueError("minimum_age is greater than maximum_age")
        return self


class LocalityRecord(Record):
    name: ShortText
    postal_code: PostalCode
    postal_code_uncertain: bool = False


class PlaceRecord(Record):
    """A municipality of the county."""

    slug: Slug
    name: ShortText
    kind: Literal["city", "municipality"] = "municipality"
    association: ShortText | None = None
    """Verbandsgemeinde or Samtgemeinde it belongs to."""
    ags: Annotated[str, StringConstraints(pattern=r"^\d{8}$")]
    ars: Annotated[str, StringConstraints(pattern=r"^\d{12}$")] | None = None
    latitude: Annotated[float, Field(ge=-90, le=90)]
    longitude: Annotated[float, Field(ge=-180, le=180)]
    postal_codes: Annotated[tuple[PostalCode, ...], Field(min_length=1)]
    localities: tuple[LocalityRecord, ...] = ()
    alternate_names: tuple[ShortText, ...] = ()
    confidence: Confidence = Confidence.LOW


class NeighbourRecord(Record):
    """A place outside the county that people type, so that the answer can be "that is next door"."""

    name: ShortText
    postal_codes: tuple[PostalCode, ...]
    county: ShortText
    state: ShortText


class SharedPostalCode(Record):
    """A postal code that lies in this county and in another one (section 3 of the rules of responsibility)."""

    postal_code: PostalCode
    other_county: ShortText


class PlacesFile(Record):
    places: Annotated[tuple[PlaceRecord, ...], Field(min_length=1)]
    neighbours: tuple[NeighbourRecord, ...] = ()
    shared_postal_codes: tuple[SharedPostalCode, ...] = ()


class ReviewRecord(Record):
    service: Slug
    days: Annotated[int, Field(ge=1)] | None = None
    due: date | None = None


class CapacityRecord(Record):
    service: Slug
    capacity: Literal["free", "few", "full"]
    until: date | None = None
    said_at: datetime


class FormerAddressRecord(Record):
    entity: Literal["organization", "service"]
    slug: Slug
    now: Slug
    """Slug of the entry it was merged into."""


class TriedCaseRecord(Record):
    title: ShortText
    answers: dict[str, tuple[str, ...]]
    kind: Code


class WordingRecord(Record):
    text: str
    """Of the questionnaire or the rules, as the files have it."""
    instead: str


class UpkeepFile(Record):
    """Set in the admin pages; taken over when a region is loaded for the first time, or with `--force`."""

    reviews: tuple[ReviewRecord, ...] = ()
    capacity: tuple[CapacityRecord, ...] = ()
    former_addresses: tuple[FormerAddressRecord, ...] = ()
    logo: str | None = None
    """SVG."""
    synonyms: dict[str, dict[Language, tuple[ShortText, ...]]] = Field(default_factory=dict)
    """Concept → language → words that coordinators added."""
    cases: tuple[TriedCaseRecord, ...] = ()
    wordings: tuple[WordingRecord, ...] = ()


class TermRecord(Record):
    code: Code
    name: ShortText
    """As shown."""
    short_name: ShortText | None = None
    """The everyday word on a tile or chip, when the name is long."""
    description: Text | None = None
    parent: Code | None = None
    icon: Code | None = None
    legal_text: ShortText | None = None
    expectations: tuple[ShortText, ...] = ()
    """Contact kinds: what happens there, three steps in du-form."""
    say: Text | None = None
    """Contact kinds: words to read out when calling, in the first person."""
    elsewhere: Text | None = None
    """Contact kinds: how to find the same desk at another place of residence."""
    elsewhere_url: WebAddress | None = None
    remote: Text | None = None
    """Contact kinds: how to reach it without telephoning, where a source says so."""


class TaxonomyFile(Record):
    code: Code
    name: ShortText
    description: Text
    terms: Annotated[tuple[TermRecord, ...], Field(min_length=1)]


class Ukraine(StrEnum):
    """Switch of `ukraine_asylblg`: who pays after a first § 24 paper issued after 31 March 2025."""

    OFF = "off"
    ON = "on"
    UNKNOWN = "unknown"


class Controller(Record):
    """Imprint and privacy: who runs this installation (Art. 13 DSGVO, § 5 DDG)."""

    name: ShortText
    address: tuple[ShortText, ...] = ()
    email: EmailStr | None = None
    phone: ShortText | None = None
    confirmed: bool = False
    """False: the page says plainly that the operator still has to fill this in."""


class Theme(Record):
    """The county's two colours, light and dark. Contrast is checked when the region is loaded."""

    action: Colour = "#0b5750"
    action_dark: Colour = "#7fdccf"
    warm: Colour = "#8a2b13"
    warm_dark: Colour = "#ffb49c"


class RegionFile(Record):
    slug: Slug
    name: ShortText
    """"Landkreis Harz"."""
    portal_name: ShortText = "Anlauf"
    county_area: Annotated[str, StringConstraints(pattern=r"^\d{5}$")]
    state_area: Annotated[str, StringConstraints(pattern=r"^\d{2}$")]
    state: ShortText
    holiday_subdivision: Annotated[str, StringConstraints(pattern=r"^[A-Z]{2}$")]
    """ISO 3166-2:DE code of the Land, for its public holidays."""
    timezone: str = "Europe/Berlin"
    fictional: bool = False
    """True shows on every page that this region does not exist."""
    clearing_desk: Slug
    """Service that takes over when nothing else fits."""
    exit_url: WebAddress
    """Neutral page that Exit opens."""
    languages: Annotated[tuple[Language, ...], Field(min_length=1)] = ("de", "en", "ar")
    """Languages offered on the first screen, in this order."""
    switches: dict[Literal["ukraine_asylblg"], Ukraine] = {"ukraine_asylblg": Ukraine.UNKNOWN}
    helplines: tuple[Slug, ...] = ()
    """Services in the order of "help now"; the rest follow."""
    controller: Controller
    theme: Theme = Theme()
    example_searches: tuple[ShortText, ...] = ()


class OrganizationsFile(Record):
    organizations: tuple[OrganizationRecord, ...]


class LocationsFile(Record):
    locations: tuple[LocationRecord, ...]


class ServicesFile(Record):
    services: tuple[ServiceRecord, ...]


class TranslationStatus(StrEnum):
    """`machine`: nobody read it. `unchecked`: a person wrote or read it, a second has not. `checked`: released."""

    MACHINE = "machine"
    UNCHECKED = "unchecked"
    CHECKED = "checked"


class TranslatedText(Record):
    text: Text
    source_hash: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{12}$")] | None = None
    """First 12 hex digits of SHA-256 of the German text, white space folded; missing is stamped by the tool."""
    status: TranslationStatus = TranslationStatus.UNCHECKED


class TranslationsFile(Record):
    """`translations/<language>.yaml`: entity → slug or code → field → text. List fields are `expectations.0`."""

    language: Language
    default_status: TranslationStatus = TranslationStatus.UNCHECKED
    """Of every text that names no status of its own."""
    organizations: dict[str, dict[str, TranslatedText]] = {}
    locations: dict[str, dict[str, TranslatedText]] = {}
    services: dict[str, dict[str, TranslatedText]] = {}
    terms: dict[str, dict[str, TranslatedText]] = {}
    """Keyed `taxonomy:code`, for example `contact_kinds:jobcenter`; only in `content/taxonomies/translations/`."""

    @model_validator(mode="before")
    @classmethod
    def _fill_status(cls, data: Any) -> Any:
        status = data.get("default_status") if isinstance(data, dict) else None
        if not status:
            return data
        filled = dict(data)
        for entity in ("organizations", "locations", "services", "terms"):
            entries = data.get(entity)
            if isinstance(entries, dict):
                filled[entity] = {
                    key: {
                        name: {"status": status, **text} if isinstance(text, dict) else text
                        for name, text in fields.items()
                    }
                    if isinstance(fields, dict)
                    else fields
                    for key, fields in entries.items()
                }
        return filled
