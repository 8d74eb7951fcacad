"""How far the translation is, entry by entry, for lists and numbers.

Whether a translation is outdated is a comparison of hashes that no database makes for us. So one small line per entry
is kept in memory and follows the region's revision: entries are read again only when they changed.
"""

import threading
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import DateTime, func, select, type_coerce
from sqlmodel import Session

from portal.catalogue import models, revision
from portal.catalogue.rows import table
from portal.catalogue.translating.texts import (
    ENTITIES,
    STATES,
    Entity,
    Subject,
    every_subject,
    state_of,
    subjects,
    terms,
)

Counts = tuple[int, ...]
"""Fields by state, in the order of STATES."""


@dataclass(frozen=True, slots=True)
class Line:
    entity: Entity
    slug: str
    id: UUID
    name: str
    organization_id: UUID | None
    organization: str
    areas: tuple[str, ...]
    public: bool
    counts: Mapping[str, Counts]
    """By language."""
    searched: str
    """Name, organization and slug, folded."""


May = Callable[[Line], bool]


class TranslationIndex:
    """One per process."""

    def __init__(self, region: str, languages: Collection[str]) -> None:
        self._region = region
        self.languages = tuple(languages)
        self._revision = -1
        self._known: dict[UUID, Line] = {}
        self._marks: dict[UUID, Any] = {}
        """Of places, organizations and terms: another mark means that the entry has changed."""
        self._lines: tuple[Line, ...] = ()
        self._lock = threading.Lock()

    @property
    def is_read(self) -> bool:
        """Before that, `lines` takes seconds where there are thousands of offers; later it is quick."""
        return self._revision >= 0

    @property
    def is_busy(self) -> bool:
        return self._lock.locked()

    def lines(self, session: Session) -> tuple[Line, ...]:
        """Offers, places, organizations, terms; each by name."""
        with self._lock:
            number = revision.current(session, self._region)
            if number != self._revision:
                self._read(session)
                self._revision = number
            return self._lines

    def _read(self, session: Session) -> None:
        changed = (
            revision.changed_service_ids(session, self._region, since=self._revision)
            if self._revision >= 0
            else None
        )
        marks = _marks(session, self._region)
        if changed is None:
            self._known = {}
            self._note(every_subject(session, self._region))
        else:
            others = {id_ for id_, mark in marks.items() if self._marks.get(id_) != mark}
            gone = self._marks.keys() - marks.keys()
            for id_ in changed | others | gone:
                self._known.pop(id_, None)
            if changed:
                self._note(subjects(session, self._region, "service", sorted(changed)))
            if others:
                # A place knows the name of its organization, and may be hidden by it.
                owned = {
                    line.id
                    for line in self._known.values()
                    if line.entity == "location" and line.organization_id in others
                }
                places = sorted(others | owned)
                for start in range(0, len(places), 500):
                    for entity in ("organization", "location"):
                        self._note(subjects(session, self._region, entity, places[start : start + 500]))
                self._note(one for one in terms(session) if one.id in others)
        self._marks = marks
        place = {entity: number for number, entity in enumerate(ENTITIES)}
        self._lines = tuple(
            sorted(
                self._known.values(), key=lambda line: (place[line.entity], line.name.casefold(), line.slug)
            )
        )

    def _note(self, found: Iterable[Subject]) -> None:
        self._known.update((one.id, self._line(one)) for one in found)

    def _line(self, subject: Subject) -> Line:
        counts: dict[str, list[int]] = {language: [0] * len(STATES) for language in self.languages}
        for field, german in subject.german.items():
            hash_ = revision.text_hash(german)
            for language, numbers in counts.items():
                state = state_of(hash_, subject.translations.get((language, field)))
                numbers[STATES.index(state)] += 1
        return Line(
            subject.entity,
            subject.slug,
            subject.id,
            subject.name,
            subject.organization_id,
            subject.organization,
            subject.areas,
            subject.public,
            {language: tuple(numbers) for language, numbers in counts.items()},
            f"{subject.name} {subject.organization} {subject.slug}".casefold(),
        )


def _marks(session: Session, region: str) -> dict[UUID, Any]:
    """When an entry and its translations were last written, and how many there are. Without offers: the revision
    names those."""
    organization, location = table(models.Organization), table(models.Location)
    term, translation = table(models.TaxonomyTerm), table(models.Translation)
    marks: dict[UUID, Any] = {}
    for owner in (organization, location, term):
        chosen = [owner.c.region == region] if "region" in owner.c else []
        # As the database keeps them: converting thousands of times to the time zone would cost more than asking.
        written = {
            row.id: row.at
            for row in session.execute(
                select(owner.c.id, type_coerce(owner.c.last_modified, DateTime()).label("at")).where(*chosen)
            )
        }
        texts = {
            row.entity_id: tuple(row[1:])
            for row in session.execute(
                select(
                    translation.c.entity_id,
                    func.count(),
                    func.max(type_coerce(translation.c.last_modified, DateTime())),
                    func.sum(func.length(translation.c.text)),
                    func.max(translation.c.status),
                )
                .where(translation.c.entity_id.in_(select(owner.c.id).where(*chosen)))
                .group_by(translation.c.entity_id)
            )
        }
        marks |= {id_: (at, texts.get(id_)) for id_, at in written.items()}
    return marks


def chosen(
    lines: Collection[Line],
    language: str,
    *,
    state: str = "any",
    entity: str = "",
    words: str = "",
    may: May | None = None,
) -> list[Line]:
    """Every word must be in the name, the organization or the slug."""
    return facets(lines, language, state=state, entity=entity, words=words, may=may).found


@dataclass(frozen=True, slots=True)
class Facets:
    found: list[Line]
    states: Counter[str]
    """Entries by state when only that filter were another one; also `open` and `any`."""
    entities: Counter[str]
    """The same by entity; all under the empty name."""
    fields: Counter[str]
    """Texts by state, whatever the filter by state is."""


def facets(
    lines: Collection[Line],
    language: str,
    *,
    state: str = "any",
    entity: str = "",
    words: str = "",
    may: May | None = None,
) -> Facets:
    wanted = words.casefold().split()
    found: list[Line] = []
    states: Counter[str] = Counter()
    entities: Counter[str] = Counter()
    sums = [0] * len(STATES)
    for line in lines:
        if wanted and not all(word in line.searched for word in wanted):
            continue
        if may is not None and not may(line):
            continue
        counts = line.counts[language]
        names = [name for name, number in zip(STATES, counts, strict=True) if number]
        fits = state == "any" or state in names or (state == "open" and (counts[0] or counts[1]))
        if fits:
            entities[line.entity] += 1
        if entity and line.entity != entity:
            continue
        states.update(names)
        states["open"] += bool(counts[0] or counts[1])
        states["any"] += 1
        sums = [total + number for total, number in zip(sums, counts, strict=True)]
        if fits:
            found.append(line)
    entities[""] = entities.total()
    return Facets(found, states, entities, Counter(dict(zip(STATES, sums, strict=True))))


def totals(lines: Collection[Line], language: str, *, public_only: bool = False) -> dict[str, Counter[str]]:
    """Entity → number of fields by state, and under `all` those of all entities."""
    found: dict[str, Counter[str]] = {"all": Counter(), **{entity: Counter() for entity in ENTITIES}}
    for line in lines:
        if line.public or not public_only:
            numbers = dict(zip(STATES, line.counts[language], strict=True))
            found[line.entity].update(numbers)
            found["all"].update(numbers)
    return found
