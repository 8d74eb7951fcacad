"""How well the search answers judged queries: a file of queries with what should answer them, and the figures."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from portal.catalogue.queries import Catalogue
from portal.catalogue.search.analysis import LANGUAGES
from portal.catalogue.search.index import SearchRequest
from portal.catalogue.search.query import MAX_LENGTH
from portal.catalogue.search.service import SearchService

FIRST, TOP, DEPTH = 3, 5, 10
"""Places where nothing wrong may stand, where something right must stand, and how far the reciprocal rank looks."""


class JudgementError(Exception):
    """A file of judged queries cannot be used; the text names the file and the query."""


class JudgedQuery(BaseModel):
    """What somebody types, and what should come of it.

    An offer answers it with any of `kinds` or `topics`; without either only `urgent` is judged. An offer of one of the
    kinds in `not_first3` that answers nothing is wrong among the first three. `sounds_urgent` marks harmless queries
    near a dangerous word.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    query: Annotated[str, Field(min_length=1, max_length=MAX_LENGTH)]
    lang: str
    kinds: frozenset[str] = frozenset()
    topics: frozenset[str] = frozenset()
    not_first3: frozenset[str] = frozenset()
    urgent: bool
    sounds_urgent: bool = False

    @property
    def asks(self) -> bool:
        return bool(self.kinds or self.topics)


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    queries: Annotated[tuple[JudgedQuery, ...], Field(min_length=1)]


@dataclass(frozen=True, slots=True)
class Found:
    """An offer of an answer, in its order."""

    slug: str
    kinds: frozenset[str]
    topics: frozenset[str]

    def answers(self, query: JudgedQuery) -> bool:
        return bool(self.kinds & query.kinds or self.topics & query.topics)


@dataclass(frozen=True, slots=True)
class Answer:
    urgent: bool
    found: tuple[Found, ...]


@dataclass(frozen=True, slots=True)
class Judgement:
    """`rank` counts from 1, None when nothing among the first DEPTH answers the query."""

    query: JudgedQuery
    answer: Answer
    rank: int | None
    wrong: tuple[str, ...]
    """Slugs among the first three that must not be there."""

    @property
    def success(self) -> bool:
        return not self.query.asks or (self.rank is not None and self.rank <= TOP and not self.wrong)

    @property
    def missed(self) -> bool:
        return self.query.urgent and not self.answer.urgent

    @property
    def false_alarm(self) -> bool:
        return self.answer.urgent and not self.query.urgent

    @property
    def fine(self) -> bool:
        return self.success and not self.missed and not self.false_alarm

    def __str__(self) -> str:
        """One line for the person who looks into a failure."""
        said = []
        if self.missed:
            said.append("danger missed")
        if self.false_alarm:
            said.append("false alarm")
        if self.wrong:
            said.append(f"among the first {FIRST}: {', '.join(self.wrong)}")
        if self.query.asks and (self.rank is None or self.rank > TOP):
            wanted = ", ".join(sorted(self.query.kinds | self.query.topics))
            got = ", ".join(found.slug for found in self.answer.found[:TOP]) or "nothing"
            said.append(f"wanted {wanted}; found {got}")
        return f"{self.query.lang} “{self.query.query}”: {'; '.join(said)}"


@dataclass(frozen=True, slots=True)
class Figures:
    """Shares lie between 0 and 1; a share of nothing is 1 for what should be high and 0 for what should be low."""

    queries: int
    success: float
    """Share of the queries that ask for something and have it among the first five, with nothing wrong before."""
    mrr: float
    """Mean reciprocal rank of the first offer that answers."""
    urgent: float
    """Share of the urgent queries that were recognised."""
    false_alarms: float
    """Share of the harmless queries that raised the alarm."""

    def meets(self, *, success: float, urgent: float, false_alarms: float) -> bool:
        return self.success >= success and self.urgent >= urgent and self.false_alarms <= false_alarms


def read_judged(path: Path) -> tuple[JudgedQuery, ...]:
    """Raises JudgementError for a file that is unreadable, malformed or judges a query twice."""
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
        queries = _File.model_validate(data).queries
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise JudgementError(f"{path.name}: {error}") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ", ".join(str(part) for part in first["loc"])
        raise JudgementError(f"{path.name}: {where}: {first['msg']}") from error
    seen: set[tuple[str, str]] = set()
    for query in queries:
        if query.lang not in LANGUAGES:
            raise JudgementError(f"{path.name}: {query.query}: no language “{query.lang}”")
        if (query.lang, query.query) in seen:
            raise JudgementError(f"{path.name}: {query.query}: judged twice")
        if query.sounds_urgent and query.urgent:
            raise JudgementError(f"{path.name}: {query.query}: is urgent, so it does not only sound so")
        seen.add((query.lang, query.query))
    return queries


def unknown_codes(queries: Iterable[JudgedQuery], catalogue: Catalogue) -> list[str]:
    """Kinds and topics that no taxonomy has, so that a slip of the pen is no silent failure."""
    found: list[str] = []
    for query in queries:
        found += [
            f"{query.query}: {code}"
            for taxonomy, codes in (
                ("contact_kinds", query.kinds | query.not_first3),
                ("topics", query.topics),
            )
            for code in sorted(codes)
            if catalogue.term(taxonomy, code) is None
        ]
    return found


def judge(query: JudgedQuery, answer: Answer) -> Judgement:
    right = [found.answers(query) for found in answer.found[:DEPTH]]
    wrong = tuple(
        found.slug
        for found in answer.found[:FIRST]
        if found.kinds & query.not_first3 and not found.answers(query)
    )
    return Judgement(query, answer, right.index(True) + 1 if True in right else None, wrong)


def evaluate(queries: Iterable[JudgedQuery], ask: Callable[[JudgedQuery], Answer]) -> tuple[Judgement, ...]:
    return tuple(judge(query, ask(query)) for query in queries)


def asker(search: SearchService, catalogue: Catalogue) -> Callable[[JudgedQuery], Answer]:
    """Asks the search as the public page does."""

    def ask(query: JudgedQuery) -> Answer:
        results = search.search(SearchRequest(text=query.query, language=query.lang, limit=DEPTH))
        views = {view.id: view for view in catalogue.services([hit.id for hit in results.hits])}
        return Answer(
            results.understood.urgent,
            tuple(
                Found(view.slug, frozenset(view.contact_kinds), frozenset(view.topics))
                for hit in results.hits
                if (view := views.get(hit.id)) is not None
            ),
        )

    return ask


def figures(judgements: Sequence[Judgement]) -> Figures:
    asking = [j for j in judgements if j.query.asks]
    urgent = [j for j in judgements if j.query.urgent]
    harmless = [j for j in judgements if not j.query.urgent]
    return Figures(
        queries=len(judgements),
        success=_share((j.success for j in asking), of=len(asking), nothing=1.0),
        mrr=_share((1 / j.rank if j.rank else 0.0 for j in asking), of=len(asking), nothing=1.0),
        urgent=_share((not j.missed for j in urgent), of=len(urgent), nothing=1.0),
        false_alarms=_share((j.false_alarm for j in harmless), of=len(harmless), nothing=0.0),
    )


def _share(values: Iterable[float], *, of: int, nothing: float) -> float:
    return sum(values) / of if of else nothing


def by_language(judgements: Iterable[Judgement]) -> dict[str, Figures]:
    """Figures of each language that occurs, in the order of LANGUAGES."""
    groups: dict[str, list[Judgement]] = defaultdict(list)
    for judgement in judgements:
        groups[judgement.query.lang].append(judgement)
    return {language: figures(groups[language]) for language in LANGUAGES if language in groups}
