"""Answers to a path: always replayed from the first question.

Nothing is remembered between two requests but the answers themselves, so going back,
reloading and changing an early answer need no code of their own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Final

from portal.clearing.conditions import FALSE, Formula, assign, leaves, mention
from portal.clearing.schema import Option, Question

Answers = Mapping[str, tuple[str, ...]]

USABLE_AFTER: Final = 2
_HORIZON_LIMIT: Final = 20_000


@dataclass(frozen=True, slots=True)
class Step:
    question: Question
    chosen: tuple[Option, ...]


class Path:
    """Where one set of answers leads. Invalid and inapplicable answers are already gone.

    An unanswered question does not end the replay: answers behind it that still apply are
    kept, so that changing an early answer costs only the answers it really overturns.
    """

    __slots__ = ("_flow", "audience", "bits", "next", "steps")

    def __init__(
        self, flow: Flow, bits: int, audience: str, steps: tuple[Step, ...], next_question: Question | None
    ) -> None:
        self._flow = flow
        self.bits = bits
        self.audience = audience
        self.steps = steps
        self.next = next_question

    @property
    def answers(self) -> dict[str, tuple[str, ...]]:
        return {step.question.id: tuple(option.id for option in step.chosen) for step in self.steps}

    @property
    def complete(self) -> bool:
        return self.next is None

    @property
    def usable(self) -> bool:
        """Enough is answered to show a result that is worth reading."""
        return self.next is None or len(self.steps) >= USABLE_AFTER

    @property
    def remaining(self) -> int:
        """The largest number of questions that can still come."""
        return 0 if self.next is None else self._flow.remaining(self.bits, self.next.position)

    def previous(self, question_id: str) -> Question | None:
        """The question before this one on the path; None at the start or off the path."""
        before: Question | None = None
        for step in self.steps:
            if step.question.id == question_id:
                return before
            if self.next is not None and question_id == self.next.id:
                if step.question.position > self.next.position:
                    return before
            before = step.question
        return before if self.next is not None and question_id == self.next.id else None

    def asks(self, question_id: str) -> bool:
        """Whether this question may be shown: it is answered on this path, or it is next."""
        return self.question(question_id) is not None

    def question(self, question_id: str) -> Question | None:
        """The question in the words that fit this path, or None if the path does not ask it."""
        if self.next is not None and self.next.id == question_id:
            return self.next
        for step in self.steps:
            if step.question.id == question_id:
                return step.question
        return None


class Flow:
    """The questions in file order, with the entrance question first."""

    def __init__(self, questions: tuple[Question, ...], default_audience: str) -> None:
        self.questions = questions
        self.default_audience = default_audience
        self._audience_of = {
            option.bit: option.audience or default_audience for option in questions[0].all_options
        }
        # What a later question can still see of the answers before it: all that tells horizons apart.
        visible = 0
        self._visible = [0] * len(questions)
        for question in reversed(questions):
            for seen in leaves(question.formula):
                visible |= seen.mask
            self._visible[question.position] = visible
        self._masks: list[set[int]] = [set() for _ in questions]
        for question in questions:
            for seen in leaves(question.formula):
                if seen.variable >= 0:
                    self._masks[seen.variable].add(seen.mask)
        self._telling: dict[tuple[int, str], list[int]] = {}
        self._horizons: dict[tuple[int, int, int], int] = {}
        self._left: dict[tuple[Formula, int], Formula] = {}
        self._longest: dict[tuple[str, tuple[Formula, ...], tuple[int, ...]], int] = {}

    def audience(self, bits: int) -> str:
        return self._audience_of.get(bits & self.questions[0].mask, self.default_audience)

    def walk(self, answers: object) -> Path:
        steps: list[Step] = []
        next_question: Question | None = None
        given: Mapping[object, object] = answers if isinstance(answers, Mapping) else {}
        bits = 0
        audience = self.default_audience
        for question in self.questions:
            if not question.test(bits):
                continue
            raw = given.get(question.id)
            own = 0 if raw is None else _read(question, raw, audience)
            if question.variants:
                question = question.variant(bits)
            if own:
                steps.append(Step(question, question.chosen(own)))
                bits |= own
                if question.position == 0:
                    audience = self._audience_of[own]
            elif next_question is None:
                next_question = question
        return Path(self, bits, audience, tuple(steps), next_question)

    def remaining(self, bits: int, position: int) -> int:
        """Largest number of questions from `position` on that answers to come can still ask."""
        later = 0
        for question in self.questions[position:]:
            later |= bits & question.mask
        earlier = bits & ~later
        key = (position, earlier & self._visible[position], later)
        found = self._horizons.get(key)
        if found is None:
            if len(self._horizons) > _HORIZON_LIMIT:
                self._horizons.clear()
                self._longest.clear()
            conditions = tuple(
                _assign_all(
                    (question.formula for question in self.questions[position:]), earlier, position, self
                )
            )
            known = tuple(bits & question.mask for question in self.questions[position:])
            found = self._horizons[key] = self._furthest(self.audience(bits), conditions, known)
        return found

    def _furthest(self, audience: str, conditions: tuple[Formula, ...], known: tuple[int, ...]) -> int:
        if not conditions:
            return 0
        key = (audience, conditions, known)
        found = self._longest.get(key)
        if found is not None:
            return found
        position = len(self.questions) - len(conditions)
        question = self.questions[position]
        rest, known_rest = conditions[1:], known[1:]
        if conditions[0] is FALSE:
            furthest = self._furthest(audience, self._assign(rest, position, 0), known_rest)
        elif known[0]:
            furthest = self._furthest(audience, self._assign(rest, position, known[0]), known_rest)
        else:
            furthest = 0
            outcomes = set()
            for bits in self._telling_choices(question, audience):
                reader = self._audience_of[bits] if position == 0 else audience
                outcomes.add((reader, self._assign(rest, position, bits)))
            for reader, left in outcomes:
                furthest = max(furthest, self._furthest(reader, left, known_rest))
            furthest += 1
        self._longest[key] = furthest
        return furthest

    def _assign(self, formulas: tuple[Formula, ...], position: int, bits: int) -> tuple[Formula, ...]:
        mentioned = mention(position)
        left = self._left
        rest = []
        for formula in formulas:
            if formula.mentions & mentioned:
                key = (formula, bits or ~position)
                known = left.get(key)
                if known is None:
                    known = left[key] = assign(formula, position, bits)
                rest.append(known)
            else:
                rest.append(formula)
        return tuple(rest)

    def _telling_choices(self, question: Question, audience: str) -> list[int]:
        """One answer of each sort: those that no later question tells apart are the same here."""
        key = (question.position, audience)
        found = self._telling.get(key)
        if found is None:
            masks = self._masks[question.position]
            sorts: dict[object, int] = {}
            for bits in choices(question, audience):
                reader = self.audience(bits) if question.position == 0 else audience
                sorts.setdefault((reader, *(bool(bits & mask) for mask in masks)), bits)
            found = self._telling[key] = list(sorts.values())
        return found


def _assign_all(formulas: Iterable[Formula], bits: int, before: int, flow: Flow) -> Iterable[Formula]:
    for formula in formulas:
        for question in flow.questions[:before]:
            formula = assign(formula, question.position, bits & question.mask)
        yield formula


def choices(question: Question, audience: str) -> list[int]:
    """Every valid answer of this reader to this question, as bits."""
    options = question.options(audience)
    answers = [option.bit for option in options]
    free = [option.bit for option in options if not option.exclusive]
    for size in range(2, question.max_choices + 1):
        answers.extend(sum(combination) for combination in combinations(free, size))
    return answers


def _read(question: Question, raw: object, audience: str) -> int:
    if isinstance(raw, str):
        raw = (raw,)
    elif not isinstance(raw, (tuple, list, set, frozenset)):
        return 0
    known = question.bits_by_audience[audience]
    own = 0
    for value in raw:
        if isinstance(value, str):
            own |= known.get(value, 0)
    if own & (own - 1) == 0:
        return own
    if question.max_choices == 1:
        return 0  # Two answers to one question say nothing; it is asked again.
    concrete = own & ~question.exclusive_mask
    if not concrete:
        return own & -own
    if concrete.bit_count() <= question.max_choices:
        return concrete
    # More than allowed, which no page sends: keep what may be about safety before anything else.
    ranked = sorted(question.chosen(concrete), key=lambda option: not option.safety)
    return sum(option.bit for option in ranked[: question.max_choices])
