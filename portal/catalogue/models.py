"""The catalogue's tables, in the words of HSDS 3.2.

What HSDS lacks has a table or a column of its own: region, place, locality, translation, the revision,
and on the main objects provenance (`source_…`, `confidence`) and loading (`loaded_hash`, `edited_at`).
Ids are UUID version 5 of region and slug, so that loading the same content again gives the same rows.
"""

from datetime import date, datetime
from enum import StrEnum
from typing import Any
from uuid import UUID, uuid4, uuid5

from sqlalchemy import (
    JSON,
    BigInteger,
    CheckConstraint,
    Index,
    Integer,
    Text,
    UniqueConstraint,
)
from sqlmodel import Field

from portal.db import Table, UtcDateTime

_ROOT = UUID("6f1c5f0e-9a55-5f0b-8a4e-2f6f3b0a9d11")
"""Chosen once; every id of every installation follows from it."""


class Status(StrEnum):
    """`archived`: no longer in the content files, or withdrawn; kept, because referrals may point to it.

    What waits for a review is a `Proposal` beside the entry, so that the public goes on seeing the entry as it was.
    """

    DRAFT = "draft"
    PUBLISHED = "published"
    ARCHIVED = "archived"


def region_namespace(region: str) -> UUID:
    return uuid5(_ROOT, f"region:{region}")


TAXONOMY_NAMESPACE = uuid5(_ROOT, "taxonomy")


def entity_id(region: str, entity: str, slug: str) -> UUID:
    """The id of a region's object: `entity` is the table name; dependent rows extend the slug."""
    return uuid5(region_namespace(region), f"{entity}:{slug}")


def taxonomy_id(code: str) -> UUID:
    return uuid5(TAXONOMY_NAMESPACE, f"taxonomy:{code}")


def term_id(taxonomy: str, code: str) -> UUID:
    return uuid5(TAXONOMY_NAMESPACE, f"taxonomy_term:{taxonomy}:{code}")


class Sourced(Table):
    """Where the facts come from, and how far they can be trusted."""

    source_url: str | None = None
    source_name: str | None = None
    source_date: str | None = None
    """As exact as the source shows it: `2023`, `2023-05` or `2023-05-17`."""
    source_note: str | None = Field(default=None, sa_type=Text)
    """For the person who checks the entry; never published."""
    confidence: str = "low"
    assured_date: date | None = None
    """The day on which somebody at the office confirmed the entry."""


class Loaded(Table):
    loaded_hash: str | None = None
    """Fingerprint of the record in the content files; None for a row that was made in the admin pages."""
    edited_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    """When a coordinator changed it here; from then on a reload leaves it alone."""
    last_modified: datetime = Field(sa_type=UtcDateTime)


class Region(Table, table=True):
    __tablename__ = "region"

    slug: str = Field(primary_key=True)
    name: str
    settings: dict[str, Any] = Field(default_factory=dict, sa_type=JSON)
    """The region's `RegionFile`."""
    surroundings: dict[str, Any] = Field(default_factory=dict, sa_type=JSON)
    """`neighbours` and `shared_postal_codes` of its `PlacesFile`."""
    overrides: dict[str, Any] | None = Field(default=None, sa_type=JSON)
    """Fields of `RegionFile` that were set in the admin pages; they win over `settings`, which a load replaces."""
    content_hash: str | None = None
    """Fingerprint of the files it was loaded from; equal means that there is nothing to load."""
    loaded_at: datetime | None = Field(default=None, sa_type=UtcDateTime)


class CatalogueRevision(Table, table=True):
    """One number per region that grows with every change; caches and the search index compare it."""

    __tablename__ = "catalogue_revision"

    region: str = Field(primary_key=True, foreign_key="region.slug", ondelete="CASCADE")
    number: int = 0
    changes_since: int = 0
    """`catalogue_change` is complete for the revisions after this one."""
    periods_noted: date | None = None
    """The day up to which services that began or ended have become a revision."""


class CatalogueChange(Table, table=True):
    """Which services a revision touched, so that the search index need not be built anew.

    No foreign key to service: a row must outlive the service that was deleted.
    """

    __tablename__ = "catalogue_change"
    __table_args__ = (Index(None, "region", "revision"),)

    id: int | None = Field(
        default=None,
        primary_key=True,
        sa_type=BigInteger().with_variant(Integer, "sqlite"),
    )
    region: str = Field(foreign_key="region.slug", ondelete="CASCADE")
    revision: int
    service_id: UUID
    at: datetime = Field(sa_type=UtcDateTime)


class Taxonomy(Table, table=True):
    __tablename__ = "taxonomy"

    id: UUID = Field(primary_key=True)
    code: str = Field(unique=True)
    name: str
    description: str = Field(sa_type=Text)


class TaxonomyTerm(Loaded, table=True):
    __tablename__ = "taxonomy_term"
    __table_args__ = (UniqueConstraint("taxonomy_id", "code"),)

    id: UUID = Field(primary_key=True)
    taxonomy_id: UUID = Field(foreign_key="taxonomy.id", ondelete="CASCADE")
    code: str
    name: str
    short_name: str | None = None
    description: str | None = Field(default=None, sa_type=Text)
    parent_id: UUID | None = Field(
        default=None, foreign_key="taxonomy_term.id", ondelete="SET NULL", index=True
    )
    icon: str | None = None
    legal_text: str | None = None
    expectations: list[str] = Field(default_factory=list, sa_type=JSON)
    say: str | None = Field(default=None, sa_type=Text)
    elsewhere: str | None = Field(default=None, sa_type=Text)
    elsewhere_url: str | None = None
    remote: str | None = Field(default=None, sa_type=Text)
    position: int = 0


class Organization(Sourced, Loaded, table=True):
    __tablename__ = "organization"
    __table_args__ = (
        UniqueConstraint("region", "slug"),
        CheckConstraint("status IN ('draft', 'published', 'archived')", name="status"),
    )

    id: UUID = Field(primary_key=True)
    region: str = Field(foreign_key="region.slug", ondelete="CASCADE")
    slug: str
    name: str
    alternate_name: str | None = None
    description: str | None = Field(default=None, sa_type=Text)
    kind: str
    """Term of the taxonomy `organization_kinds`."""
    parent_organization_id: UUID | None = Field(
        default=None, foreign_key="organization.id", ondelete="SET NULL", index=True
    )
    legal_status: str | None = None
    website: str | None = None
    email: str | None = None
    status: str = Status.PUBLISHED.value
    confidential: bool = False
    """Runs a shelter: no address of this organization is ever shown."""
    archived_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    """By hand; 90 days later the entry may be erased."""
    position: int = 0


class Location(Sourced, Loaded, table=True):
    __tablename__ = "location"
    __table_args__ = (
        UniqueConstraint("region", "slug"),
        CheckConstraint(
            "NOT confidential OR (latitude IS NULL AND longitude IS NULL AND place IS NULL AND transportation IS NULL)",
            name="confidential",
        ),
    )

    id: UUID = Field(primary_key=True)
    region: str = Field(foreign_key="region.slug", ondelete="CASCADE")
    organization_id: UUID = Field(foreign_key="organization.id", ondelete="CASCADE", index=True)
    slug: str
    name: str
    location_type: str = "physical"
    latitude: float | None = None
    longitude: float | None = None
    place: str | None = None
    """AGS of the municipality the location stands in."""
    transportation: str | None = Field(default=None, sa_type=Text)
    confidential: bool = False
    """A shelter: without address, place and coordinates."""
    position: int = 0


class Address(Table, table=True):
    __tablename__ = "address"

    id: UUID = Field(primary_key=True)
    location_id: UUID = Field(foreign_key="location.id", ondelete="CASCADE", index=True)
    attention: str | None = None
    address_1: str | None = None
    postal_code: str | None = None
    city: str
    state_province: str
    country: str = "DE"
    address_type: str = "physical"


class Accessibility(Table, table=True):
    __tablename__ = "accessibility"

    id: UUID = Field(primary_key=True)
    location_id: UUID = Field(foreign_key="location.id", ondelete="CASCADE", index=True)
    description: str
    details: str | None = None
    position: int = 0


class Service(Sourced, Loaded, table=True):
    __tablename__ = "service"
    __table_args__ = (
        UniqueConstraint("region", "slug"),
        Index(None, "region", "status"),
        CheckConstraint("status IN ('draft', 'published', 'archived')", name="status"),
    )

    id: UUID = Field(primary_key=True)
    region: str = Field(foreign_key="region.slug", ondelete="CASCADE")
    organization_id: UUID = Field(foreign_key="organization.id", ondelete="CASCADE", index=True)
    slug: str
    name: str
    alternate_name: str | None = None
    description: str = Field(sa_type=Text)
    application_process: str | None = Field(default=None, sa_type=Text)
    status: str = Status.PUBLISHED.value
    legal_text: str | None = None
    minimum_age: int | None = None
    maximum_age: int | None = None
    """Both inclusive, in years."""
    eligibility_description: str | None = Field(default=None, sa_type=Text)
    interpretation_services: str | None = None
    expectations: list[str] = Field(default_factory=list, sa_type=JSON)
    url: str | None = None
    email: str | None = None
    valid_from: date | None = None
    valid_to: date | None = None
    """Both inclusive; outside of them the service hides itself."""
    capacity: str | None = None
    """`free`, `few` or `full`, as the organization says; None when nobody said anything."""
    capacity_until: date | None = None
    """`full` until that day, inclusive."""
    capacity_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    """When it was said; old words are not shown."""
    review_days: int | None = None
    """How long a confirmation holds; None is the region's usual time."""
    review_due: date | None = None
    """Set by hand: ask again on that day, whatever `assured_date` says."""
    archived_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    """By hand; 90 days later the entry may be erased."""
    content_file: str | None = None
    """The file it was loaded from, relative to the region's folder, so that an export puts it back there."""
    position: int = 0


class ServiceAtLocation(Table, table=True):
    __tablename__ = "service_at_location"
    __table_args__ = (UniqueConstraint("service_id", "location_id"),)

    id: UUID = Field(primary_key=True)
    service_id: UUID = Field(foreign_key="service.id", ondelete="CASCADE")
    location_id: UUID = Field(foreign_key="location.id", ondelete="CASCADE", index=True)
    description: str | None = Field(default=None, sa_type=Text)
    position: int = 0


class Contact(Table, table=True):
    """A function or a department, never a private person."""

    __tablename__ = "contact"

    id: UUID = Field(primary_key=True)
    service_id: UUID = Field(foreign_key="service.id", ondelete="CASCADE", index=True)
    name: str | None = None
    title: str | None = None
    department: str | None = None
    email: str | None = None
    position: int = 0


class Phone(Table, table=True):
    """Exactly one of the owners is set."""

    __tablename__ = "phone"

    id: UUID = Field(primary_key=True)
    organization_id: UUID | None = Field(
        default=None, foreign_key="organization.id", ondelete="CASCADE", index=True
    )
    location_id: UUID | None = Field(default=None, foreign_key="location.id", ondelete="CASCADE", index=True)
    service_id: UUID | None = Field(default=None, foreign_key="service.id", ondelete="CASCADE", index=True)
    service_at_location_id: UUID | None = Field(
        default=None,
        foreign_key="service_at_location.id",
        ondelete="CASCADE",
        index=True,
    )
    contact_id: UUID | None = Field(default=None, foreign_key="contact.id", ondelete="CASCADE", index=True)
    number: str
    type: str = "voice"
    description: str | None = None
    position: int = 0


class Schedule(Table, table=True):
    """Exactly one of the owners is set."""

    __tablename__ = "schedule"

    id: UUID = Field(primary_key=True)
    location_id: UUID | None = Field(default=None, foreign_key="location.id", ondelete="CASCADE", index=True)
    service_id: UUID | None = Field(default=None, foreign_key="service.id", ondelete="CASCADE", index=True)
    service_at_location_id: UUID | None = Field(
        default=None,
        foreign_key="service_at_location.id",
        ondelete="CASCADE",
        index=True,
    )
    opening_hours: str
    """OSM syntax, local time of the region."""
    channel: str = "visit"
    description: str | None = None
    position: int = 0


class ServiceArea(Table, table=True):
    """Exactly one of the owners is set."""

    __tablename__ = "service_area"

    id: UUID = Field(primary_key=True)
    service_id: UUID | None = Field(default=None, foreign_key="service.id", ondelete="CASCADE", index=True)
    service_at_location_id: UUID | None = Field(
        default=None,
        foreign_key="service_at_location.id",
        ondelete="CASCADE",
        index=True,
    )
    area: str = Field(index=True)
    """Prefix of the Amtlicher Gemeindeschlüssel; empty is the nation. HSDS' `uri` is made from it."""
    position: int = 0


class Language(Table, table=True):
    """A language spoken there. Exactly one of the owners is set."""

    __tablename__ = "language"

    id: UUID = Field(primary_key=True)
    location_id: UUID | None = Field(default=None, foreign_key="location.id", ondelete="CASCADE", index=True)
    service_id: UUID | None = Field(default=None, foreign_key="service.id", ondelete="CASCADE", index=True)
    phone_id: UUID | None = Field(default=None, foreign_key="phone.id", ondelete="CASCADE", index=True)
    code: str
    """ISO 639."""
    position: int = 0


class CostOption(Table, table=True):
    __tablename__ = "cost_option"

    id: UUID = Field(primary_key=True)
    service_id: UUID = Field(foreign_key="service.id", ondelete="CASCADE", index=True)
    option: str = "unknown"
    amount_description: str | None = None


class RequiredDocument(Table, table=True):
    __tablename__ = "required_document"

    id: UUID = Field(primary_key=True)
    service_id: UUID = Field(foreign_key="service.id", ondelete="CASCADE", index=True)
    document: str
    position: int = 0


class Attribute(Table, table=True):
    """A taxonomy term on an object.

    `link_type` is the field of the content format (`topics`, `desk_for` …): two fields share the taxonomy
    `contact_kinds`. `link_id` has no foreign key, because it points into several tables.
    """

    __tablename__ = "attribute"
    __table_args__ = (
        UniqueConstraint("link_id", "link_type", "taxonomy_term_id"),
        Index(None, "taxonomy_term_id", "link_type"),
    )

    id: UUID = Field(primary_key=True)
    link_entity: str
    link_id: UUID
    link_type: str
    taxonomy_term_id: UUID = Field(foreign_key="taxonomy_term.id", ondelete="CASCADE")
    position: int = 0


class Translation(Loaded, table=True):
    """One text of one field in one language; German stands in the object's own table."""

    __tablename__ = "translation"
    __table_args__ = (
        UniqueConstraint("entity_id", "field", "language"),
        Index(None, "region", "language"),
    )

    id: UUID = Field(primary_key=True)
    region: str | None = Field(default=None, foreign_key="region.slug", ondelete="CASCADE")
    """None for taxonomy terms, which all regions share."""
    entity: str
    """Table name: organization, location, service or taxonomy_term."""
    entity_id: UUID
    field: str
    """Column name; one entry of a list is `expectations.0`."""
    language: str
    text: str = Field(sa_type=Text)
    status: str = "unchecked"
    source_hash: str
    """`revision.text_hash` of the German text it was made from; a different one now means outdated."""


class Place(Table, table=True):
    """A municipality."""

    __tablename__ = "place"
    __table_args__ = (UniqueConstraint("region", "ags"),)

    id: UUID = Field(primary_key=True)
    region: str = Field(foreign_key="region.slug", ondelete="CASCADE")
    slug: str
    name: str
    kind: str = "municipality"
    association: str | None = None
    ags: str
    ars: str | None = None
    latitude: float
    longitude: float
    postal_codes: list[str] = Field(default_factory=list, sa_type=JSON)
    alternate_names: list[str] = Field(default_factory=list, sa_type=JSON)
    confidence: str = "low"
    position: int = 0


class Locality(Table, table=True):
    """A village or quarter of a municipality."""

    __tablename__ = "locality"

    id: UUID = Field(primary_key=True)
    place_id: UUID = Field(foreign_key="place.id", ondelete="CASCADE", index=True)
    name: str
    postal_code: str
    postal_code_uncertain: bool = False
    position: int = 0


class SearchMiss(Table, table=True):
    """A search term that found nothing on at least three days."""

    __tablename__ = "search_miss"

    region: str = Field(primary_key=True, foreign_key="region.slug", ondelete="CASCADE")
    language: str = Field(primary_key=True)
    term: str = Field(primary_key=True)
    """Folded words."""
    count: int
    first_day: date
    last_day: date


class SearchMissDay(Table, table=True):
    """The salt of a day's marks. Once it is gone, nobody can tell what the marks stood for."""

    __tablename__ = "search_miss_day"

    region: str = Field(primary_key=True, foreign_key="region.slug", ondelete="CASCADE")
    day: date = Field(primary_key=True)
    salt: str


class SearchMissMark(Table, table=True):
    """That something was looked for in vain on a day, as a salted hash."""

    __tablename__ = "search_miss_mark"

    region: str = Field(primary_key=True, foreign_key="region.slug", ondelete="CASCADE")
    day: date = Field(primary_key=True)
    digest: str = Field(primary_key=True)


class EntryVersion(Table, table=True):
    """What an entry said at a time. The record is the one of the content format, so that it can be put back.

    The state before the first change made here is kept as well, with `cause` `before`.
    """

    __tablename__ = "entry_version"
    __table_args__ = (
        UniqueConstraint("entity_id", "number"),
        Index(None, "entity_id", "record_hash"),
        Index(None, "region", "at"),
    )

    id: UUID = Field(default_factory=uuid4, primary_key=True)
    region: str = Field(foreign_key="region.slug", ondelete="CASCADE")
    entity: str
    """organization, location, service, or translation: one text in one language (`translating.texts.translation_id`)
    with the slug of its entry and a record of its own."""
    entity_id: UUID
    """No foreign key: the history outlives the entry."""
    slug: str
    number: int
    """From 1 on, for each entry."""
    record: dict[str, Any] = Field(sa_type=JSON)
    record_hash: str
    status: str | None = None
    cause: str
    """before, edited, created, published, archived, restored, merged, imported, confirmed, loaded."""
    fields: list[str] = Field(default_factory=list, sa_type=JSON)
    """Names of the fields that differ from the version before."""
    at: datetime = Field(sa_type=UtcDateTime)
    author_id: UUID | None = None
    """No foreign key: the history outlives the account."""
    author_name: str = ""
    comment: str = Field(default="", sa_type=Text)


class Proposal(Table, table=True):
    """A change that somebody wants and somebody else has to decide."""

    __tablename__ = "proposal"
    __table_args__ = (
        Index(None, "region", "state"),
        Index(None, "entity_id", "state"),
        CheckConstraint("state IN ('draft', 'in_review', 'accepted', 'rejected', 'withdrawn')", name="state"),
    )

    id: UUID = Field(default_factory=uuid4, primary_key=True)
    region: str = Field(foreign_key="region.slug", ondelete="CASCADE")
    entity: str
    entity_id: UUID
    """Of the entry, also of one that does not exist yet."""
    organization_id: UUID | None = None
    slug: str
    base_hash: str | None = None
    """`record_hash` of the state the author saw; None for a new entry."""
    base: dict[str, Any] = Field(default_factory=dict, sa_type=JSON)
    """That state itself, for a merge field by field."""
    record: dict[str, Any] = Field(sa_type=JSON)
    wish: str = "change"
    """change, create or archive."""
    source: str = "editor"
    """editor, confirmation (the link without login) or import."""
    comment: str = Field(default="", sa_type=Text)
    state: str = "in_review"
    made_at: datetime = Field(sa_type=UtcDateTime)
    author_id: UUID | None = None
    author_name: str = ""
    decided_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    decided_by: UUID | None = None
    decided_name: str = ""
    decision_comment: str = Field(default="", sa_type=Text)


class FormerAddress(Table, table=True):
    """Where an offer or an organization is found that was merged into another one: printed cards and saved links last."""

    __tablename__ = "former_address"

    region: str = Field(foreign_key="region.slug", ondelete="CASCADE", primary_key=True)
    entity: str = Field(primary_key=True)
    """service or organization."""
    slug: str = Field(primary_key=True)
    entity_id: UUID = Field(index=True)
    """Of the one that is left."""


class VisitorReport(Table, table=True):
    """ "Something is wrong here", said on a public page. Nothing tells who said it."""

    __tablename__ = "visitor_report"
    __table_args__ = (Index(None, "region", "state"),)

    id: UUID = Field(default_factory=uuid4, primary_key=True)
    region: str = Field(foreign_key="region.slug", ondelete="CASCADE")
    service_id: UUID = Field(foreign_key="service.id", ondelete="CASCADE", index=True)
    reason: str
    """phone, hours, address, gone, text or other."""
    text: str = Field(default="", sa_type=Text)
    language: str
    day: date
    """No time of day: it would say too much about a small number of visitors."""
    state: str = "open"
    """open, done or dismissed."""
    decided_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    decided_by: UUID | None = None


class Confirmation(Table, table=True):
    """The question to an organization whether an offer is still right, answered by a link without login."""

    __tablename__ = "confirmation"
    __table_args__ = (Index(None, "region", "answer", "asked_at"),)

    id: UUID = Field(default_factory=uuid4, primary_key=True)
    region: str = Field(foreign_key="region.slug", ondelete="CASCADE")
    service_id: UUID = Field(foreign_key="service.id", ondelete="CASCADE", index=True)
    recipient: str
    token_hash: str = Field(unique=True)
    asked_at: datetime = Field(sa_type=UtcDateTime)
    expires_at: datetime = Field(sa_type=UtcDateTime)
    reminded_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    escalated_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    answered_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    answer: str | None = None
    """right, corrected or gone."""


class CheckedAddress(Table, table=True):
    """What the last look at a web address, a mail domain or a phone number showed."""

    __tablename__ = "checked_address"

    region: str = Field(primary_key=True, foreign_key="region.slug", ondelete="CASCADE")
    kind: str = Field(primary_key=True)
    """url, email or phone."""
    value: str = Field(primary_key=True)
    problem: str | None = None
    """A code as `not_found` or `timeout`; None when it was fine."""
    since: date | None = None
    """First day of the problem."""
    checked_at: datetime = Field(sa_type=UtcDateTime)


class SearchMissDecision(Table, table=True):
    """What a coordinator did about words that found nothing."""

    __tablename__ = "search_miss_decision"

    region: str = Field(primary_key=True, foreign_key="region.slug", ondelete="CASCADE")
    language: str = Field(primary_key=True)
    term: str = Field(primary_key=True)
    decision: str
    """synonym, missing or ignored."""
    concept: str | None = None
    """The concept the words were added to."""
    decided_at: datetime = Field(sa_type=UtcDateTime)
    decided_by: UUID | None = None


class TextOverride(Table, table=True):
    """A text of the questionnaire or the routing that was reworded in the admin pages; the newest number holds."""

    __tablename__ = "text_override"
    __table_args__ = (UniqueConstraint("region", "key", "number"),)

    id: UUID = Field(default_factory=uuid4, primary_key=True)
    region: str = Field(foreign_key="region.slug", ondelete="CASCADE")
    key: str
    """The German source text as the files have it."""
    number: int
    text: str | None = Field(default=None, sa_type=Text)
    """None puts the text of the files back."""
    at: datetime = Field(sa_type=UtcDateTime)
    author_id: UUID | None = None
    author_name: str = ""
