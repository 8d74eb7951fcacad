"""The same thing written down twice: found, explained, and made one again.

Pairs are found by what they share (a word of the name, a phone number, an address), never by comparing everything with
everything. Which pairs somebody has called different is kept by the caller. Contacts stand with each offer; those that
are the same are shown and changed together.
"""

import hashlib
import re
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import combinations
from typing import Any, Literal
from uuid import UUID, uuid5

from rapidfuzz import fuzz
from sqlalchemy import or_, select, update
from sqlmodel import Session, col

from portal.catalogue import editing, importing, models
from portal.catalogue.editing import Author, Conflict, Entry, InvalidEntry, StillUsed
from portal.catalogue.geography import distance_km
from portal.catalogue.models import Status, Translation, entity_id
from portal.catalogue.reading import CatalogueError
from portal.catalogue.rows import table

_LARGEST_BLOCK = 80
"""What more than so many share (a switchboard, a common word) says nothing about two of them."""
_NEIGHBOURS = 6
"""In the order of names, for misspelt ones that share no word."""
_NEAR_KM = 0.05
MOST_PAIRS = 500


# Finding.


@dataclass(slots=True)
class Candidate:
    id: UUID
    slug: str
    name: str
    folded: str
    owner: UUID | None
    """Its organization; the parent of an organization."""
    alternate: str = ""
    """Its official name, folded."""
    phones: set[str] = field(default_factory=set)
    emails: set[str] = field(default_factory=set)
    pages: set[str] = field(default_factory=set)
    address: str = ""
    point: tuple[float, float] | None = None
    text: str = ""
    locations: set[UUID] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class Pair:
    entity: str
    left: Candidate
    right: Candidate
    score: float
    """From 0 to 1."""
    reasons: tuple[str, ...]
    """same_name, similar_name, same_phone, same_email, same_page, same_address, near, same_place, same_organization,
    similar_text; the strongest first."""

    @property
    def ids(self) -> frozenset[UUID]:
        return frozenset((self.left.id, self.right.id))


_WEIGHT = {
    "same_address": 0.25, "same_phone": 0.2, "same_email": 0.2, "same_page": 0.15, "similar_text": 0.2, "near": 0.1,
    "same_place": 0.1, "same_organization": 0.05,
}  # fmt: skip


def pairs(
    session: Session, region: str, entity: str, *, distinct: Collection[frozenset[UUID]] = ()
) -> list[Pair]:
    """Probable duplicates that are not archived, the most probable first; without those in `distinct`."""
    found = _candidates(session, region, entity)
    judged = []
    for left, right in _blocked(found):
        if frozenset((left.id, right.id)) in distinct:
            continue
        pair = _judged(entity, left, right)
        if pair is not None:
            judged.append(pair)
    judged.sort(key=lambda pair: (-pair.score, pair.left.slug, pair.right.slug))
    return judged[:MOST_PAIRS]


def _candidates(session: Session, region: str, entity: str) -> list[Candidate]:
    source = table(editing.MODELS[entity])
    conditions = [source.c.region == region]
    if "status" in source.c:
        conditions.append(source.c.status != Status.ARCHIVED.value)
    found: dict[UUID, Candidate] = {}
    for row in session.execute(select(source).where(*conditions).order_by(source.c.slug)):
        if row._mapping.get("confidential"):
            # A shelter is told from another by hand, not by a list that shows what they share.
            continue
        owner = row.parent_organization_id if entity == "organization" else row.organization_id
        one = Candidate(row.id, row.slug, row.name, folded_name(row.name), owner)
        if entity != "location":
            one.emails = {row.email.casefold()} if row.email else set()
            page = row.website if entity == "organization" else row.url
            one.pages = {_page(page)} if page else set()
            one.text = row.description or ""
            one.alternate = folded_name(row.alternate_name or "")
        elif row.latitude is not None and row.longitude is not None:
            one.point = (row.latitude, row.longitude)
        found[row.id] = one
    phone = table(models.Phone)
    column = phone.c[f"{entity}_id"]
    for row in session.execute(
        select(column.label("owner"), phone.c.number)
        .join(source, source.c.id == column)
        .where(*conditions, phone.c.type != "fax")
    ):
        if row.owner in found:
            found[row.owner].phones.add(phone_digits(row.number))
    if entity == "location":
        address = table(models.Address)
        for row in session.execute(
            select(address).join(source, source.c.id == address.c.location_id).where(*conditions)
        ):
            if row.address_1 and row.location_id in found:
                found[row.location_id].address = _address(row.address_1, row.postal_code or row.city)
    if entity == "service":
        at = table(models.ServiceAtLocation)
        for row in session.execute(
            select(at.c.service_id, at.c.location_id)
            .join(source, source.c.id == at.c.service_id)
            .where(*conditions)
        ):
            found[row.service_id].locations.add(row.location_id)
    return list(found.values())


_LEGAL = re.compile(
    r"\b(e ?\. ?v ?\.|e\.? ?v\b\.?|g?gmbh|ggmbh|ag|kg|ohg|ug|gug|mbh|gemeinnuetzige[rs]?|eingetragener verein)(?=\W|$)"
)


def folded_name(name: str) -> str:
    """Small letters without accents, legal forms and punctuation."""
    text = _LEGAL.sub(" ", _plain_words(name))
    return " ".join(re.findall(r"[a-z0-9]+", text))


_GERMAN = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "ß": "ss"})


def _plain_words(text: str) -> str:
    folded = text.casefold().translate(_GERMAN)
    return unicodedata.normalize("NFKD", folded).encode("ascii", "ignore").decode()


def phone_digits(number: str) -> str:
    """As it is dialled inside Germany."""
    digits = re.sub(r"[^\d+]", "", number.replace("(0)", ""))
    return re.sub(r"^(\+49|0049)", "0", digits)


def _page(address: str) -> str:
    return re.sub(r"^https?://(www\.)?", "", address.strip().casefold()).rstrip("/")


def _address(street: str, town: str) -> str:
    text = re.sub(r"str(asse|\.)?(?=\W|\d|$)", "str", _plain_words(street))
    return f"{''.join(re.findall(r'[a-z0-9]+', text))}|{_plain_words(town)}"


def _blocked(found: Sequence[Candidate]) -> Iterable[tuple[Candidate, Candidate]]:
    """Every pair that shares something worth a look, once."""
    blocks: dict[tuple[str, str], list[int]] = defaultdict(list)
    for index, one in enumerate(found):
        keys = {("name", one.folded.replace(" ", "")), ("address", one.address)}
        keys |= {("word", word) for word in f"{one.folded} {one.alternate}".split() if len(word) > 3}
        keys |= {("phone", number) for number in one.phones}
        keys |= {("email", email) for email in one.emails} | {("page", page) for page in one.pages}
        if one.point:
            # Cells of about a hundred metres, each with its neighbours: who is nearer shares at least one.
            row, column = int(one.point[0] * 1000), int(one.point[1] * 1000)
            keys |= {("point", f"{row + i}:{column + j}") for i in (0, 1) for j in (0, 1)}
        for key in keys:
            if key[1]:
                blocks[key].append(index)
    seen: set[tuple[int, int]] = set()
    for members in blocks.values():
        if 1 < len(members) <= _LARGEST_BLOCK:
            seen.update(combinations(members, 2))
    order = sorted(range(len(found)), key=lambda index: found[index].folded)
    for place, index in enumerate(order):
        seen.update(
            (min(index, other), max(index, other)) for other in order[place + 1 : place + _NEIGHBOURS]
        )
    for left, right in sorted(seen):
        yield found[left], found[right]


def _judged(entity: str, left: Candidate, right: Candidate) -> Pair | None:
    reasons = {
        "same_address": bool(left.address) and left.address == right.address,
        "same_phone": bool(left.phones & right.phones),
        "same_email": bool(left.emails & right.emails),
        "same_page": bool(left.pages & right.pages),
        "near": bool(left.point and right.point) and distance_km(*left.point, *right.point) <= _NEAR_KM,  # type: ignore[misc]
        "same_place": bool(left.locations & right.locations),
        "same_organization": entity != "organization" and left.owner == right.owner,
    }
    if entity == "service" and not any(reasons.values()):
        # Most pairs share no more than a word of their names.
        return None
    name = max(
        _likeness(one, other)
        for one in {left.folded, left.alternate or left.folded}
        for other in {right.folded, right.alternate or right.folded}
    )
    reasons["similar_text"] = (
        name >= 0.5
        and min(len(left.text), len(right.text)) > 60
        and fuzz.ratio(left.text, right.text, score_cutoff=85) > 0
    )
    judge = {"organization": _organizations, "location": _locations, "service": _services}[entity]
    if not judge(left, right, name, reasons):
        return None
    evidence = sum(weight for reason, weight in _WEIGHT.items() if reasons[reason])
    score = 0.6 * name + min(0.4, evidence)
    same = left.folded.replace(" ", "") == right.folded.replace(" ", "")
    words = ["same_name" if same else "similar_name"] if name >= 0.6 else []
    words += [reason for reason in _WEIGHT if reasons[reason]]
    return Pair(entity, left, right, round(score, 3), tuple(words))


_NUMBERS = re.compile(r"\d+")


def _likeness(left: str, right: str) -> float:
    # Also as one word: "Berufs-Beratung" is "Berufsberatung".
    joined = fuzz.ratio(left.replace(" ", ""), right.replace(" ", ""), score_cutoff=30)
    likeness = max(fuzz.token_sort_ratio(left, right, score_cutoff=30), joined) / 100
    # "Group 1" and "Group 2" are two groups on purpose.
    if likeness and set(_NUMBERS.findall(left)) != set(_NUMBERS.findall(right)):
        likeness *= 0.7
    return likeness


def _organizations(left: Candidate, right: Candidate, name: float, shared: Mapping[str, bool]) -> bool:
    reached = shared["same_phone"] + shared["same_email"] + shared["same_page"]
    related = left.owner == right.id or right.owner == left.id
    if related or (left.owner is not None and left.owner == right.owner):
        # Offices share switchboard and web page with the body they belong to, and with each other.
        return name >= 0.92
    direct = shared["same_phone"] or shared["same_email"]
    return name >= 0.92 or (name >= 0.6 and direct) or (name >= 0.75 and reached > 0) or reached >= 3


def _locations(left: Candidate, right: Candidate, name: float, shared: Mapping[str, bool]) -> bool:
    if left.address and right.address and not shared["same_address"]:
        return False
    if shared["same_address"]:
        return name >= 0.6 or shared["same_organization"]
    return (name >= 0.75 and shared["near"]) or (name >= 0.9 and shared["same_organization"])


def _services(left: Candidate, right: Candidate, name: float, shared: Mapping[str, bool]) -> bool:
    reached = shared["same_phone"] or shared["same_email"] or shared["same_page"] or shared["same_place"]
    near = reached or shared["same_organization"]
    # Under two different names, but in everything else the same.
    all_alike = all(
        shared[one] for one in ("same_phone", "same_email", "same_page", "same_place", "same_organization")
    )
    if all_alike and name >= 0.3:
        return True
    # Many towns have an offer of the same name: without anything else in common they are different ones.
    return near and (name >= 0.82 or (name >= 0.5 and shared["similar_text"]))


# Merging.

Side = Literal["left", "right", "both"]


class MergeRefused(CatalogueError):
    """These two cannot become one; `code` says why: same, confidential, helpline."""

    def __init__(self, code: str) -> None:
        self.code = code
        super().__init__(code)


@dataclass(frozen=True, slots=True)
class Field:
    """One that differs. `both` only for lists."""

    name: str
    left: Any
    right: Any
    both: bool
    usual: Side


@dataclass(frozen=True, slots=True)
class Merge:
    """What a merge would do: `left` survives, `right` is archived or, a place, taken away."""

    left: Entry
    right: Entry
    fields: tuple[Field, ...]
    record: Any
    """Of the survivor afterwards."""
    moved: tuple[tuple[str, Any], ...]
    """Entity and new record of what pointed to the other one."""


def planned_merge(
    session: Session, region: str, entity: str, left: str, right: str, choice: Mapping[str, str] | None = None
) -> Merge:
    """`choice`: field → left, right or both; what it does not say is as usual: what is there, else the other's.

    Raises UnknownEntry, MergeRefused, InvalidEntry.
    """
    if left == right:
        raise MergeRefused("same")
    one = editing.entry(session, region, entity, left)
    other = editing.entry(session, region, entity, right)
    if Status.ARCHIVED in (one.status, other.status):
        raise editing.UnknownEntry(entity, right)
    if getattr(one.record, "confidential", False) != getattr(other.record, "confidential", False):
        raise MergeRefused("confidential")
    fields = tuple(_differing(one.record, other.record))
    values = editing.plain(one.record)
    for found in fields:
        side = (choice or {}).get(found.name, found.usual)
        if side == "right":
            values[found.name] = found.right
        elif side == "both" and found.both:
            values[found.name] = _united(found.name, found.left, found.right)
    if entity == "organization" and values["parent_organization"] in (left, right):
        above = other.record.parent_organization
        values["parent_organization"] = None if above in (left, right) else above
    record = editing.parsed(entity, values)
    return Merge(one, other, fields, record, tuple(_moved(session, region, entity, left, right)))


_KEPT = frozenset({"slug", "status", "confidential"})


def _differing(left: Any, right: Any) -> Iterable[Field]:
    one, other = editing.plain(left), editing.plain(right)
    for name in type(left).model_fields:
        if name in _KEPT or one[name] == other[name]:
            continue
        empty = one[name] in (None, [], "", {}) or (name == "cost" and one[name]["option"] == "unknown")
        # Confirmed is what somebody confirmed about the survivor.
        usual: Side = "right" if empty and name not in ("assured_date", "confidence") else "left"
        yield Field(name, one[name], other[name], isinstance(one[name], list), usual)


def _united(name: str, left: Sequence[Any], right: Sequence[Any]) -> list[Any]:
    if name == "locations":
        known = {at["location"] for at in left}
        return [*left, *(at for at in right if at["location"] not in known)]
    if name == "phones":
        numbers = {(phone["type"], phone_digits(phone["number"])) for phone in left}
        return [
            *left,
            *(phone for phone in right if (phone["type"], phone_digits(phone["number"])) not in numbers),
        ]
    return [*left, *(item for item in right if item not in left)]


def _moved(session: Session, region: str, entity: str, left: str, right: str) -> Iterable[tuple[str, Any]]:
    """What points to `right`, pointing to `left`. Archived offers stay where they are."""
    service, location = table(models.Service), table(models.Location)
    organization, at = table(models.Organization), table(models.ServiceAtLocation)
    gone = entity_id(region, entity, right)
    alive = service.c.status != Status.ARCHIVED.value
    if entity == "organization":
        wanted = {
            "service": select(service.c.id).where(service.c.organization_id == gone, alive),
            "location": select(location.c.id).where(location.c.organization_id == gone),
            "organization": select(organization.c.id).where(
                organization.c.parent_organization_id == gone,
                organization.c.slug != left,
                organization.c.status != Status.ARCHIVED.value,
            ),
        }
        for kind, statement in wanted.items():
            ids = list(session.execute(statement).scalars())
            pointer = "parent_organization" if kind == "organization" else "organization"
            for entry in editing.entries(session, region, kind, ids):
                yield kind, entry.record.model_copy(update={pointer: left})
    elif entity == "location":
        ids = list(
            session.execute(
                select(service.c.id)
                .join(at, at.c.service_id == service.c.id)
                .where(at.c.location_id == gone, alive)
            ).scalars()
        )
        for entry in editing.entries(session, region, "service", ids):
            yield "service", _elsewhere(entry.record, left, right)


def _elsewhere(record: Any, left: str, right: str) -> Any:
    """The offer at `left` instead of `right`; when it is at both, what is said of the two is put together."""
    values = editing.plain(record)
    places: list[dict[str, Any]] = []
    for at in values["locations"]:
        slug = left if at["location"] == right else at["location"]
        known = next((place for place in places if place["location"] == slug), None)
        if known is None:
            places.append({**at, "location": slug})
            continue
        known["description"] = known["description"] or at["description"]
        for name in ("phones", "schedules", "service_areas"):
            known[name] = _united(name, known[name], at[name])
    return editing.parsed("service", {**values, "locations": places})


def merge(
    session: Session,
    region: str,
    entity: str,
    left: str,
    right: str,
    choice: Mapping[str, str],
    *,
    hashes: tuple[str, str],
    author: Author | None,
    now: datetime,
) -> Merge:
    """Make one of two; the caller commits. `hashes` are those of the two entries that somebody looked at.

    Raises Conflict, StillUsed, InvalidEntry, and what `planned_merge` raises.
    """
    editing.lock(session, region)
    planned = planned_merge(session, region, entity, left, right, choice)
    for entry, seen in zip((planned.left, planned.right), hashes, strict=True):
        if entry.hash != seen:
            raise Conflict(entry, None)
    if entity == "service" and right in _helplines(session, region):
        raise StillUsed([right])
    if problems := editing.entry_problems(session, region, entity, planned.record):
        raise InvalidEntry(problems)
    comment = f"{planned.right.record.name} ({right})"
    records = [(kind, record, True) for kind, record in planned.moved]
    records.append((entity, planned.record, True))
    importing.write(session, region, records, author=author, now=now, comment=comment, cause="merged")
    _move_translations(session, planned, choice)
    if entity == "service":
        report = models.VisitorReport
        session.execute(
            update(report)
            .where(col(report.service_id) == planned.right.id)
            .values(service_id=planned.left.id)
        )
    _remember_address(session, region, entity, planned)
    away = f"{planned.left.record.name} ({left})"
    if entity == "location":
        editing.delete_location(session, region, right, author=author, now=now)
    elif entity == "organization":
        editing.set_status(
            session, region, "organization", right, Status.ARCHIVED, author=author, now=now, comment=away
        )
    else:
        editing.set_status(
            session, region, "service", right, Status.ARCHIVED, author=author, now=now, comment=away
        )
    return planned


def _remember_address(session: Session, region: str, entity: str, planned: Merge) -> None:
    """Of the one that goes, and of those that went into it before. Places have no page of their own."""
    if entity == "location":
        return
    former = models.FormerAddress
    session.execute(
        update(former)
        .where(col(former.entity_id) == planned.right.id)
        .values(entity_id=planned.left.id)
        .execution_options(synchronize_session=False)
    )
    session.merge(
        former(region=region, entity=entity, slug=planned.right.record.slug, entity_id=planned.left.id)
    )


def _helplines(session: Session, region: str) -> set[str]:
    row = session.get(models.Region, region, populate_existing=True)
    assert row is not None
    return {*row.settings.get("helplines", ()), *(row.overrides or {}).get("helplines", ())}


def _move_translations(session: Session, planned: Merge, choice: Mapping[str, str]) -> None:
    """A text that comes from the other entry brings its translations along."""
    taken = [found.name for found in planned.fields if choice.get(found.name, found.usual) == "right"]
    for name in taken:
        fits = or_(col(Translation.field) == name, col(Translation.field).like(f"{name}.%"))
        brought = session.execute(
            select(Translation).where(col(Translation.entity_id) == planned.right.id, fits)
        ).scalars()
        for text in list(brought):
            old = session.execute(
                select(Translation).where(
                    col(Translation.entity_id) == planned.left.id,
                    col(Translation.field) == text.field,
                    col(Translation.language) == text.language,
                )
            ).scalar()
            if old is not None:
                session.delete(old)
                session.flush()
            id_ = uuid5(planned.left.id, f"translation:{text.field}:{text.language}")
            values = {**text.model_dump(), "id": id_, "entity_id": planned.left.id, "loaded_hash": None}
            session.add(Translation(**values))
    session.flush()


# Contacts that stand in several offers.


@dataclass(frozen=True, slots=True)
class ContactUse:
    slug: str
    name: str
    organization_id: UUID
    organization: str


@dataclass(frozen=True, slots=True)
class SharedContact:
    """Contacts of several offers with the same mail address, phone numbers and title."""

    key: str
    name: str
    title: str
    department: str
    email: str
    phones: tuple[str, ...]
    uses: tuple[ContactUse, ...]
    spellings: int
    """How many different names and departments it has."""


def contact_key(contact: Any) -> str:
    """The same for contacts that are one; empty for one that says nothing by which to know it."""
    phones = sorted({phone_digits(phone.number) for phone in contact.phones})
    return _key(contact.name, contact.title, contact.department, contact.email, phones)


def _key(
    name: str | None, title: str | None, department: str | None, email: str | None, phones: Sequence[str]
) -> str:
    parts = [(email or "").casefold(), *phones, _plain_words(title or "")]
    if not email and not phones:
        parts += [_plain_words(name or ""), _plain_words(department or "")]
    if not any(parts):
        return ""
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:20]


def shared_contacts(session: Session, region: str, *, least: int = 2) -> list[SharedContact]:
    """Those that stand in at least so many offers, the most used first."""
    contact, phone, service = table(models.Contact), table(models.Phone), table(models.Service)
    organization = table(models.Organization)
    numbers: dict[UUID, list[str]] = defaultdict(list)
    for row in session.execute(
        select(phone.c.contact_id, phone.c.number)
        .join(contact, contact.c.id == phone.c.contact_id)
        .join(service, service.c.id == contact.c.service_id)
        .where(service.c.region == region)
        .order_by(phone.c.position)
    ):
        numbers[row.contact_id].append(row.number)
    groups: dict[str, list[Any]] = defaultdict(list)
    for row in session.execute(
        select(
            contact,
            service.c.slug,
            service.c.name.label("service"),
            organization.c.id.label("organization_id"),
            organization.c.name.label("organization"),
        )
        .join(service, service.c.id == contact.c.service_id)
        .join(organization, organization.c.id == service.c.organization_id)
        .where(service.c.region == region, service.c.status != Status.ARCHIVED.value)
        .order_by(service.c.name, service.c.slug)
    ):
        phones = sorted({phone_digits(number) for number in numbers[row.id]})
        if key := _key(row.name, row.title, row.department, row.email, phones):
            groups[key].append(row)
    found = []
    for key, rows in groups.items():
        uses = {
            row.slug: ContactUse(row.slug, row.service, row.organization_id, row.organization) for row in rows
        }
        if len(uses) < least:
            continue
        first = rows[0]
        found.append(
            SharedContact(
                key,
                first.name or "",
                first.title or "",
                first.department or "",
                first.email or "",
                tuple(numbers[first.id]),
                tuple(uses.values()),
                len({(row.name, row.department) for row in rows}),
            )
        )
    return sorted(found, key=lambda one: (-len(one.uses), one.name or one.title or one.email, one.key))


@dataclass(frozen=True, slots=True)
class ContactChange:
    before: Entry
    record: Any


def planned_contact(
    session: Session, region: str, key: str, values: Mapping[str, Any], slugs: Collection[str]
) -> list[ContactChange]:
    """The offers among `slugs` with that contact, and what they say afterwards; those that stay the same are left out.

    Raises InvalidEntry, with fields as `email` or `phones.0.number`.
    """
    ids = [entity_id(region, "service", slug) for slug in sorted(slugs)]
    changes = []
    for entry in editing.entries(session, region, "service", ids):
        plain = editing.plain(entry.record)
        contacts = []
        for position, contact in enumerate(entry.record.contacts):
            own = plain["contacts"][position]
            contacts.append({**own, **values} if contact_key(contact) == key else own)
        position = next((n for n, one in enumerate(entry.record.contacts) if contact_key(one) == key), 0)
        try:
            record = editing.parsed("service", {**plain, "contacts": contacts})
            if problems := editing.entry_problems(session, region, "service", record):
                raise InvalidEntry(problems)
        except InvalidEntry as error:
            own = [problem for problem in error.problems if problem.field.startswith("contacts.")]
            raise InvalidEntry(
                [
                    editing.EntryProblem(
                        problem.field.removeprefix(f"contacts.{position}."),
                        problem.code,
                        problem.message,
                        problem.values,
                    )
                    for problem in own or error.problems
                ]
            ) from None
        if record != entry.record:
            changes.append(ContactChange(entry, record))
    return changes


def change_contact(
    session: Session,
    region: str,
    key: str,
    values: Mapping[str, Any],
    hashes: Mapping[str, str],
    *,
    author: Author | None,
    now: datetime,
    comment: str = "",
    may: Callable[[str, Any], bool],
) -> list[ContactChange]:
    """Change it in all offers of `hashes` (slug → hash of the state somebody looked at) in one go.

    Raises InvalidEntry, Conflict, UnknownEntry (also for an offer that may not be changed).
    """
    editing.lock(session, region)
    changes = planned_contact(session, region, key, values, hashes.keys())
    known = {
        entry.slug: entry
        for entry in editing.entries(
            session, region, "service", [entity_id(region, "service", slug) for slug in hashes]
        )
    }
    for slug, seen in hashes.items():
        entry = known.get(slug)
        if entry is None or not may("service", entry.record):
            raise editing.UnknownEntry("service", slug)
        if entry.hash != seen:
            raise Conflict(entry, None)
    importing.write(
        session,
        region,
        [("service", change.record, True) for change in changes],
        author=author,
        now=now,
        comment=comment,
        cause="edited",
    )
    return changes
