"""Texts that go to a translation office and come back, whatever the file is called.

What comes back is compared with what is here before anything is written: new, changed, unchanged or faulty, with the
reason. It is applied as a whole or not at all.
"""

import hashlib
import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from sqlmodel import Session

from portal.catalogue import revision
from portal.catalogue.editing import Author, lock
from portal.catalogue.reading import CatalogueError
from portal.catalogue.translating.saving import (
    LONGEST,
    Problem,
    Target,
    announce,
    figures_problem,
    put,
    tidy,
)
from portal.catalogue.translating.texts import (
    OPEN_STATES,
    Item,
    State,
    Subject,
    earlier_german,
    every_subject,
    subject,
    subject_id,
    subjects,
    terms,
)

MOST_ROWS = 200_000

_UNWRITABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff\ud800-\udfff]")


class FileProblem(CatalogueError):
    """The file cannot be read at all. `code` is for the page, the text for the command line."""

    def __init__(self, code: str, text: str, **values: Any) -> None:
        self.code = code
        self.values = values
        super().__init__(text)


def writable(text: str) -> str:
    """Without control characters, which neither XML nor a spreadsheet can hold."""
    return _UNWRITABLE.sub("", text)


@dataclass(frozen=True, slots=True)
class Unit:
    """One text on its way out."""

    entity: str
    slug: str
    field: str
    name: str
    """Of the entry, so that translators know what they read about."""
    german: str
    text: str
    state: State
    earlier: str = ""
    """The German text of which an outdated translation was made, when it is known."""

    @property
    def id(self) -> str:
        return f"{self.entity}:{self.slug}#{self.field}"


@dataclass(frozen=True, slots=True)
class Incoming:
    """One text on its way back. A translation office may have changed everything but the id."""

    where: str
    """Row or unit in the file, for people."""
    id: str
    german: str
    text: str
    wanted: Literal["checked", "unchecked"] | None
    """None: nobody said anything about its state."""
    problem: str | None = None
    """What the file itself has wrong: formula or markup."""


Selection = Literal["all", "open"]


def units(
    session: Session,
    region: str,
    language: str,
    *,
    only: Selection = "all",
    entry: tuple[str, str] | None = None,
    may: Collection[tuple[str, str]] | None = None,
) -> list[Unit]:
    """All texts, those that are missing or outdated, or those of one entry (entity and slug).

    `may` names the entries that can be taken out; None is no limit. Raises UnknownText.
    """
    found: Iterable[Subject] = (
        [subject(session, region, *entry)] if entry is not None else every_subject(session, region)
    )
    made = []
    for one in found:
        if may is not None and (one.entity, one.slug) not in may:
            continue
        items = [item for item in one.items(language) if only == "all" or item.state in OPEN_STATES]
        earlier = earlier_german(session, one, items)
        made += [
            Unit(
                one.entity,
                one.slug,
                item.field,
                one.name,
                item.german,
                item.text,
                item.state,
                earlier.get(item.field, ""),
            )
            for item in items
        ]
    return made


Kind = Literal["new", "changed", "unchanged", "faulty"]
KINDS: tuple[Kind, ...] = ("new", "changed", "unchanged", "faulty")


@dataclass(frozen=True, slots=True)
class Planned:
    where: str
    id: str
    kind: Kind
    german: str = ""
    before: str = ""
    after: str = ""
    status: str = ""
    """The state it gets."""
    problem: Problem | None = None
    name: str = ""
    key: tuple[str, str, str] | None = None
    """Entity, slug and field."""


@dataclass(frozen=True)
class Plan:
    language: str
    rows: tuple[Planned, ...]
    _subjects: Mapping[tuple[str, str], Subject] = field(repr=False, compare=False, default_factory=dict)

    def counts(self) -> dict[Kind, int]:
        found = Counter(row.kind for row in self.rows)
        return {kind: found[kind] for kind in KINDS}

    def of(self, kind: Kind) -> tuple[Planned, ...]:
        return tuple(row for row in self.rows if row.kind == kind)

    @property
    def writes(self) -> bool:
        return any(row.kind in ("new", "changed") for row in self.rows)

    @property
    def digest(self) -> str:
        """The same only when the same would happen."""
        told = repr([(row.id, row.kind, row.before, row.after, row.status) for row in self.rows])
        return hashlib.sha256(told.encode("utf-8", "surrogatepass")).hexdigest()[:24]


class Faulty(CatalogueError):
    """The plan has faulty rows, so nothing was written."""


_ID = re.compile(r"(service|location|organization|taxonomy_term):([a-z0-9_:-]{1,200})#([a-z_.0-9]{1,100})")


def plan(
    session: Session,
    region: str,
    language: str,
    incoming: Sequence[Incoming],
    *,
    may: Collection[tuple[str, str]] | None = None,
) -> Plan:
    """What an import would do; nothing is written."""
    keys: dict[str, tuple[str, str, str]] = {}
    for row in incoming:
        match = _ID.fullmatch(row.id)
        if match is not None and (may is None or match.group(1, 2) in may):
            keys[row.id] = (match[1], match[2], match[3])
    known = _known(session, region, {key[:2] for key in keys.values()})
    times = Counter(row.id for row in incoming)
    rows = []
    for row in incoming:
        key = keys.get(row.id)
        one = known.get(key[:2]) if key is not None else None
        if key is None or one is None or key[2] not in one.german:
            rows.append(
                Planned(
                    row.where, row.id, "faulty", row.german, after=row.text, problem=Problem("unknown_id")
                )
            )
            continue
        item = one.item(language, key[2])
        rows.append(_planned(row, item, one, key, language, twice=times[row.id] > 1))
    return Plan(language, tuple(rows), known)


def _known(
    session: Session, region: str, entries: Iterable[tuple[str, str]]
) -> dict[tuple[str, str], Subject]:
    by_entity: dict[str, list[str]] = {}
    for entity, slug in sorted(entries):
        by_entity.setdefault(entity, []).append(slug)
    found: dict[tuple[str, str], Subject] = {}
    for entity, slugs in by_entity.items():
        if entity == "taxonomy_term":
            found |= {(entity, one.slug): one for one in terms(session) if one.slug in set(slugs)}
            continue
        for start in range(0, len(slugs), 500):
            ids = [subject_id(region, entity, slug) for slug in slugs[start : start + 500]]
            found |= {(entity, one.slug): one for one in subjects(session, region, entity, ids)}
    return found


def _planned(
    row: Incoming, item: Item, one: Subject, key: tuple[str, str, str], language: str, *, twice: bool
) -> Planned:
    text = tidy(row.text)

    def made(kind: Kind, *, status: str = "", problem: Problem | None = None) -> Planned:
        return Planned(row.where, row.id, kind, item.german, item.text, text, status, problem, one.name, key)

    if twice:
        return made("faulty", problem=Problem("twice"))
    if row.problem is not None:
        return made("faulty", problem=Problem(row.problem))
    if revision.text_hash(writable(item.german)) != revision.text_hash(writable(row.german)):
        return made("faulty", problem=Problem("source_changed", {"german": row.german}))
    if not text:
        if item.translated is None:
            return made("unchanged")
        return made("faulty", problem=Problem("empty"))
    if len(text) > LONGEST:
        return made("faulty", problem=Problem("too_long", {"most": LONGEST}))
    status = row.wanted or "unchecked"
    if text == tidy(writable(item.text)):
        # Untouched, unless somebody says that a text which was outdated or a machine's is right as it stands.
        settled = item.state not in OPEN_STATES and status == item.state
        if row.wanted is None or settled:
            return made("unchanged")
    problem = figures_problem(item.german, text, language)
    if problem is not None:
        return made("faulty", problem=problem)
    return made("new" if item.translated is None else "changed", status=status)


def apply(
    session: Session,
    region: str,
    planned: Plan,
    *,
    author: Author | None,
    now: datetime,
    leave_out_faulty: bool = False,
) -> int:
    """Write the plan; returns the number of texts. Make it after `hold`, in the same transaction.

    Raises Faulty unless there is no faulty row, or they are to be left out.
    """
    if planned.of("faulty") and not leave_out_faulty:
        raise Faulty(f"{len(planned.of('faulty'))} faulty rows: nothing was written")
    targets: dict[tuple[str, str], list[Target]] = {}
    for row in planned.rows:
        if row.kind in ("new", "changed") and row.key is not None:
            entity, slug, name = row.key
            targets.setdefault((entity, slug), []).append(Target(name, row.after, row.status))
    written = 0
    for entry, wanted in targets.items():
        one = planned._subjects[entry]
        written += len(
            put(session, region, one, planned.language, wanted, author=author, now=now, cause="imported")
        )
    if written:
        announce(session, region, [planned._subjects[entry] for entry in targets], now=now)
    return written


def hold(session: Session, region: str) -> None:
    """Let nobody change anything between the plan and its application."""
    lock(session, region)
