"""How far the translation is, entry by entry, for lists and numbers.

Whether a translation is outdated is a comparison of hashes that no database makes for us. So one small line per entry
is kept in memory and follows the region's revision: offers are read again only when they changed.
"""

import threading
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from uuid import UUID

from sqlmodel import Session

from portal.catalogue import revision
from portal.catalogue.translating.texts import (
    ENTITIES,
    OPEN_STATES,
    STATES,
    Entity,
    State,
    Subject,
    every_subject,
    places_and_organizations,
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

    def number(self, language: str, state: State) -> int:
        return self.counts[language][STATES.index(state)]

    def is_in(self, language: str, state: str) -> bool:
        """`open` is missing or outdated, `any` always."""
        if state == "any":
            return True
        states = OPEN_STATES if state == "open" else (state,)
        return any(self.counts[language][STATES.index(name)] for name in states)


May = Callable[[Line], bool]


class TranslationIndex:
    """One per process."""

    def __init__(self, region: str, languages: Collection[str]) -> None:
        self._region = region
        self.languages = tuple(languages)
        self._revision = -1
        self._offers: dict[UUID, Line] = {}
        self._lines: tuple[Line, ...] = ()
        self._lock = threading.Lock()

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
        if changed is None:
            found = [self._line(subject) for subject in every_subject(session, self._region)]
            self._offers = {line.id: line for line in found if line.entity == "service"}
        else:
            for id_ in changed:
                self._offers.pop(id_, None)
            for subject in subjects(session, self._region, "service", sorted(changed)):
                self._offers[subject.id] = self._line(subject)
            found = [self._line(subject) for subject in places_and_organizations(session, self._region)]
            found += [self._line(subject) for subject in terms(session)]
        others = [line for line in found if line.entity != "service"]
        place = {entity: number for number, entity in enumerate(ENTITIES)}
        self._lines = tuple(
            sorted(
                [*self._offers.values(), *others],
                key=lambda line: (place[line.entity], line.name.casefold(), line.slug),
            )
        )

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
        )


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
    wanted = words.casefold().split()
    return [
        line
        for line in lines
        if (not entity or line.entity == entity)
        and line.is_in(language, state)
        and (not wanted or all(word in _searched(line) for word in wanted))
        and (may is None or may(line))
    ]


def _searched(line: Line) -> str:
    return f"{line.name} {line.organization} {line.slug}".casefold()


def totals(lines: Collection[Line], language: str, *, public_only: bool = False) -> dict[str, Counter[str]]:
    """Entity → number of fields by state, and under `all` those of all entities."""
    found: dict[str, Counter[str]] = {"all": Counter(), **{entity: Counter() for entity in ENTITIES}}
    for line in lines:
        if line.public or not public_only:
            numbers = dict(zip(STATES, line.counts[language], strict=True))
            found[line.entity].update(numbers)
            found["all"].update(numbers)
    return found
