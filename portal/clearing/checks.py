"""Proof, not hope: every reachable combination of answers, explored once.

Answer sets that no later question and no rule can tell apart are one state: what is left
of every condition after the answers so far. A layer of such states per question stands for
all answer sets, and each state keeps one real answer set as its witness, so that whatever
is wrong is shown by an example somebody can click through. Decisions are taken by the
router itself on these witnesses, not by a second implementation.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from itertools import product
from time import perf_counter
from typing import Final

from portal.clearing.clearing import Clearing
from portal.clearing.conditions import (
    FALSE,
    TRUE,
    Formula,
    all_of,
    any_of,
    assign,
    holds,
    leaf,
    leaves,
    mention,
    negate,
)
from portal.clearing.flow import choices
from portal.clearing.routing import ELSEWHERE, Decision
from portal.clearing.schema import SAFETY_KINDS, Question, Rule

MAX_QUESTIONS: Final = 8
HARMLESS: Final = frozenset({("crisis", "no"), ("tonight", "yes"), ("tonight", "no_answer")})
"""Answers to questions about safety that mean no danger. Every other one has to be marked `safety`."""
NEVER_TOLD: Final = frozenset(
    {"behinderung", "krise", "polizei_gericht", "psyche", "schutz_gewalt", "schwanger_kind", "sucht"}
)
"""Topics of health, violence and trouble with the police: no office is told an answer about them (Art. 9, 10 GDPR)."""


@dataclass(frozen=True, slots=True)
class Problem:
    """`code` is stable; `message` names the place and, where there is one, a counter-example."""

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Report:
    problems: list[Problem]
    states: int
    answer_sets: int
    """How many distinct complete answer sets the merged states stand for, counted exactly."""
    longest_path: int
    kinds: tuple[str, ...]
    """Every kind some answers lead to, as first contact or beside it."""
    seconds: float

    @property
    def passed(self) -> bool:
        return not self.problems


def check(
    clearing: Clearing,
    *,
    today: date,
    switches_variants: Sequence[Mapping[str, str]] | None = None,
    translations: Mapping[str, Container[str]] | None = None,
    complete_languages: Iterable[str] = (),
    desk_for: Callable[[str, str], bool] | None = None,
    places: Sequence[str] = (),
) -> Report:
    """Explore everything and say what is wrong.

    `switches_variants` are the switch settings to try, by default all of them. The rules of
    `today` are checked and those on both sides of every day on which a rule starts or ends.
    `desk_for(kind, place)` says whether the catalogue has a desk of this kind for a place.
    """
    started = perf_counter()
    if switches_variants is None:
        names = list(clearing.switches)
        values = product(*(clearing.switches[name].values for name in names))
        switches_variants = [dict(zip(names, chosen, strict=True)) for chosen in values]
    exploration = _Exploration(clearing, _variants(clearing, switches_variants, today))
    exploration.run()
    problems = [
        *exploration.path_problems(),
        *exploration.rule_problems(),
        *exploration.option_problems(),
        *exploration.because_problems(),
        *_safety_problems(clearing),
        *_told_problems(clearing),
        *_translation_problems(clearing, translations or {}, complete_languages),
        *_desk_problems(exploration.kinds, desk_for, places),
    ]
    return Report(
        problems=problems,
        states=exploration.states,
        answer_sets=exploration.answer_sets,
        longest_path=exploration.longest_path,
        kinds=tuple(sorted(exploration.kinds)),
        seconds=perf_counter() - started,
    )


@dataclass(frozen=True, slots=True)
class _Variant:
    """One setting of the switches on one day: the world the answers are given in."""

    name: str
    bits: int
    rules: tuple[Rule, ...]


def _variants(clearing: Clearing, switches: Sequence[Mapping[str, str]], today: date) -> list[_Variant]:
    router = clearing.router
    days = [today]
    for day in router.change_dates:
        days += [day - timedelta(days=1), day]
    variants: dict[tuple[int, tuple[str, ...]], _Variant] = {}
    for day in days:
        rules = router.active_rules(day)
        for setting in switches or [{}]:
            bits = router.switch_bits(setting)
            name = ", ".join([f"on {day}", *(f"{key}={value}" for key, value in sorted(setting.items()))])
            variants.setdefault((bits, tuple(rule.id for rule in rules)), _Variant(name, bits, rules))
    return list(variants.values())


@dataclass(frozen=True, slots=True, eq=False)
class _RuleLeft:
    """What is left of a rule. Equal ones are the same object, which makes states cheap to compare."""

    rule: Rule
    formula: Formula
    also: tuple[Formula, ...]
    variables: int


_Rules = tuple[_RuleLeft, ...]


@dataclass(slots=True, eq=False)
class _State:
    """All answer sets that look the same from the question at `position` on."""

    position: int
    """The question asked next; behind the last question the path is complete."""
    conditions: tuple[Formula, ...]
    """What is left of every question's `when`; FALSE for those that will not be asked any more."""
    rules: _Rules
    place: tuple[Formula, Formula]
    danger: Formula
    audience: str
    variant: _Variant
    bits: int
    length: int
    """Number of questions on the longest path here; `longest` is that path's answers."""
    longest: int
    count: int
    children: list[tuple[tuple[int, ...], _State]] = field(default_factory=list)
    behaviour: int = -1


class _Exploration:
    def __init__(self, clearing: Clearing, variants: list[_Variant]) -> None:
        self.clearing = clearing
        self.router = clearing.router
        self.questions = clearing.questions
        self.all_rules = clearing.rules
        self.variants = variants
        self.layers: list[list[_State]] = [[] for _ in range(len(self.questions) + 1)]
        self.kinds: set[str] = set(self.router.companions.values())
        self._shown: set[str] = set()
        self._found: dict[tuple[str, str], Problem] = {}
        self._place = self._place_formulas()
        self._choices = self._choice_classes()
        self._choices_ahead = self._visible_choices()
        self._known: list[dict[object, _State]] = [{} for _ in self.layers]
        self._formulas_left: dict[tuple[Formula, int, int], Formula] = {}
        self._rules_left: dict[tuple[_RuleLeft, int, int], _RuleLeft | None] = {}
        self._rule_pool: dict[tuple[str, Formula, tuple[Formula, ...]], _RuleLeft] = {}
        self._behaviours: dict[object, int] = {}

    @property
    def states(self) -> int:
        return sum(len(layer) for layer in self.layers)

    @property
    def answer_sets(self) -> int:
        return sum(state.count for state in self.layers[-1])

    @property
    def longest_path(self) -> int:
        return max(state.length for state in self.layers[-1])

    def run(self) -> None:
        for number, variant in enumerate(self.variants):
            self._begin(variant, count=1 if number == 0 else 0)
        for position, question in enumerate(self.questions):
            for state in self.layers[position]:
                for same in self._choices[position, state.audience]:
                    state.children.append((same, self._advance(state, question, same)))
            self._known[position] = {}
            self._formulas_left = {}
            self._rules_left = {}
        for layer in self.layers:
            for state in layer:
                self._judge(state)

    def _begin(self, variant: _Variant, count: int) -> None:
        """Answer sets are the same in every variant, so only one of them is counted."""
        rules = [
            self._rule_left(
                rule,
                self._settle(rule.formula, variant.bits),
                tuple(self._settle(also.formula, variant.bits) for also in rule.also),
            )
            for rule in variant.rules
        ]
        start = _State(
            position=0,
            conditions=tuple(self._settle(question.formula, variant.bits) for question in self.questions),
            rules=_canonical(filter(None, rules)),
            place=self._place,
            danger=self.clearing.danger,
            audience=self.clearing.flow.default_audience,
            variant=variant,
            bits=0,
            length=0,
            longest=0,
            count=count,
        )
        self._arrive(start)

    def _settle(self, formula: Formula, bits: int) -> Formula:
        for number in range(1, len(self.clearing.switches) + 1):
            formula = assign(formula, -number, bits)
        return formula

    def _place_formulas(self) -> tuple[Formula, Formula]:
        """ "Lives elsewhere" and "was asked about the company": both decide which desks move."""
        for question in self.questions:
            if question.type == "place":
                outside = next(option.bit for option in question.all_options if option.id == "outside")
                company = TRUE if question.place_counts == "company" else FALSE
                for variant in reversed(question.variants):
                    is_company = TRUE if variant.question.place_counts == "company" else FALSE
                    company = any_of(
                        [
                            all_of([variant.formula, is_company]),
                            all_of([negate(variant.formula), company]),
                        ]
                    )
                return leaf(question.position, outside), company
        return FALSE, FALSE

    def _choice_classes(self) -> dict[tuple[int, str], list[tuple[int, ...]]]:
        """Every possible answer, those that no condition anywhere tells apart side by side."""
        masks: dict[int, set[int]] = {question.position: set() for question in self.questions}
        formulas = [*self._place, self.clearing.danger, *(question.formula for question in self.questions)]
        for rule in self.all_rules:
            formulas += [rule.formula, *(also.formula for also in rule.also)]
        for formula in formulas:
            for part in leaves(formula):
                if part.variable >= 0:
                    masks[part.variable].add(part.mask)
        classes: dict[tuple[int, str], list[tuple[int, ...]]] = {}
        for question in self.questions:
            for audience in question.audiences:
                same: dict[object, list[int]] = {}
                for bits in choices(question, audience):
                    reader = self.clearing.flow.audience(bits) if question.position == 0 else ""
                    seen = tuple(bool(bits & mask) for mask in masks[question.position])
                    same.setdefault((reader, seen), []).append(bits)
                classes[question.position, audience] = [tuple(group) for group in same.values()]
        return classes

    def _visible_choices(self) -> dict[tuple[int, str], tuple[tuple[int, ...], ...]]:
        """What a reader can still be offered from a position on: readers offered the same may merge."""
        ahead: dict[tuple[int, str], tuple[tuple[int, ...], ...]] = {}
        for audience in self.clearing.audiences:
            rest: tuple[tuple[int, ...], ...] = ()
            ahead[len(self.questions), audience] = rest
            for question in reversed(self.questions):
                if any(option.audiences != question.audiences for option in question.all_options):
                    rest = (tuple(option.bit for option in question.options(audience)), *rest)
                ahead[question.position, audience] = rest
        return ahead

    def _advance(self, state: _State, question: Question, same: tuple[int, ...]) -> _State:
        bits = same[0]
        after = _State(
            position=question.position,
            conditions=state.conditions,
            rules=state.rules,
            place=state.place,
            danger=state.danger,
            audience=self.clearing.flow.audience(bits) if question.position == 0 else state.audience,
            variant=state.variant,
            bits=state.bits | bits,
            length=state.length + 1,
            longest=state.longest | bits,
            count=state.count * len(same),
        )
        unasked = self._substitute(after, mention(question.position), bits)
        while unasked:
            unasked = self._substitute(after, unasked, 0)
        after.rules = _canonical(after.rules)
        if after.place[0] is FALSE:
            after.place = (FALSE, FALSE)
        after.position += 1
        while after.position < len(self.questions) and after.conditions[after.position] is FALSE:
            after.position += 1
        return self._arrive(after)

    def _arrive(self, state: _State) -> _State:
        """Merge with an equal state that is already there."""
        ahead = self._choices_ahead[state.position, state.audience]
        key = (state.conditions[state.position :], state.rules, state.place, state.danger, ahead)
        known = self._known[state.position].setdefault(key, state)
        if known is state:
            self.layers[state.position].append(state)
            return state
        known.count += state.count
        if state.length > known.length:
            known.length, known.longest = state.length, state.longest
        return known

    def _substitute(self, state: _State, variables: int, bits: int) -> int:
        """Put in the answer `bits` of the questions mentioned (0: they stay unanswered).

        Returns the questions that, because of it, will not be asked.
        """
        unasked = 0
        conditions = list(state.conditions)
        for position in range(state.position + 1, len(conditions)):
            condition = conditions[position]
            if condition is not FALSE and condition.mentions & variables:
                conditions[position] = condition = self._left(condition, variables, bits)
                if condition is FALSE:
                    unasked |= mention(position)
        state.conditions = tuple(conditions)
        rules: list[_RuleLeft] = []
        for left in state.rules:
            if left.variables & variables:
                key = (left, left.variables & variables, bits)
                if key in self._rules_left:
                    found = self._rules_left[key]
                else:
                    found = self._rules_left[key] = self._rule_left(
                        left.rule,
                        self._left(left.formula, variables, bits),
                        tuple(self._left(also, variables, bits) for also in left.also),
                    )
                if found is not None:
                    rules.append(found)
            else:
                rules.append(left)
        state.rules = tuple(rules)
        state.place = (
            self._left(state.place[0], variables, bits),
            self._left(state.place[1], variables, bits),
        )
        state.danger = self._left(state.danger, variables, bits)
        return unasked

    def _rule_left(self, rule: Rule, formula: Formula, also: tuple[Formula, ...]) -> _RuleLeft | None:
        if formula is FALSE:
            return None
        key = (rule.id, formula, also)
        found = self._rule_pool.get(key)
        if found is None:
            variables = formula.mentions
            for when in also:
                variables |= when.mentions
            found = self._rule_pool[key] = _RuleLeft(rule, formula, also, variables)
        return found

    def _left(self, formula: Formula, variables: int, bits: int) -> Formula:
        concerned = formula.mentions & variables
        if not concerned:
            return formula
        key = (formula, concerned, bits)
        found = self._formulas_left.get(key)
        if found is None:
            found = formula
            for question in self.questions:
                if concerned & mention(question.position):
                    found = assign(found, question.position, bits)
            self._formulas_left[key] = found
        return found

    # ---- What each state leads to ----------------------------------------------------------

    def _decide(self, state: _State) -> tuple[Decision, int]:
        bits = state.bits | state.variant.bits
        return self.router.decide(bits, state.variant.rules), bits

    def _judge(self, state: _State) -> None:
        decision, bits = self._decide(state)
        primary = decision.primary
        if primary is None:
            self._problem("no_primary", "", f"no rule gives a first contact for: {self._example(state)}")
            return
        kind = ELSEWHERE if decision.elsewhere else primary.kind
        beside = self.router.beside(decision, bits, None)
        self._shown.update(_rules_shown(decision, beside))
        self.kinds |= {kind, primary.kind, *(other for other, _ in beside)}
        if kind not in SAFETY_KINDS and holds(self.clearing.danger, state.bits):
            self._problem(
                "safety_not_on_top",
                primary.id,
                f"rule {primary.id} puts {kind} first although somebody may be in danger: "
                f"{self._example(state)}",
            )

    def _problem(self, code: str, about: str, message: str) -> None:
        self._found.setdefault((code, about), Problem(code, message))

    def _example(self, state: _State, bits: int | None = None) -> str:
        return f"{self._answers(state.bits if bits is None else bits)} ({state.variant.name})"

    def _answers(self, bits: int) -> str:
        parts = []
        for question in self.questions:
            chosen = question.chosen(bits)
            if chosen:
                parts.append(f"{question.id} = {' + '.join(option.id for option in chosen)}")
        return "; ".join(parts) or "nothing answered"

    # ---- Problems ------------------------------------------------------------------------------

    def path_problems(self) -> Iterable[Problem]:
        yield from self._found.values()
        for question in self.questions:
            if not self.layers[question.position]:
                yield Problem("unreachable_question", f"question {question.id} is never asked")
        worst = max(self.layers[-1], key=lambda state: state.length)
        if worst.length > MAX_QUESTIONS:
            yield Problem(
                "long_path",
                f"{worst.length} questions, allowed are {MAX_QUESTIONS}: {self._example(worst, worst.longest)}",
            )

    def rule_problems(self) -> Iterable[Problem]:
        for rule in self.all_rules:
            if rule.id not in self._shown:
                yield Problem("dead_rule", f"rule {rule.id} is never the first contact and never beside it")

    def because_problems(self) -> Iterable[Problem]:
        """Results that could not name one of the answers they came from.

        Answers that lead to the same state may be named or not, so the ones that are not are followed
        by themselves. Whom it is about is no answer to what it is about.
        """
        plain = sum(
            option.bit
            for question in self.questions[1:]
            for option in question.all_options
            if not option.special
        )
        nameable = {audience: self.router.nameable(audience) for audience in self.clearing.audiences}
        silent = dict.fromkeys(self.layers[0], 0)
        told: set[str] = set()
        for layer in self.layers:
            for state in layer:
                if state not in silent:
                    continue
                given = silent[state]
                rule = self.router.decide(given | state.variant.bits, state.variant.rules).primary
                if given & plain and rule is not None and rule.id not in told:
                    told.add(rule.id)
                    yield Problem(
                        "no_because",
                        f"rule {rule.id} cannot say which answers led to it: {self._example(state, given)}",
                    )
                for same, child in state.children:
                    for bits in same:
                        reader = self.clearing.flow.audience(bits) if state.position == 0 else state.audience
                        if bits & nameable[reader]:
                            continue
                        if child not in silent or (given | bits) & plain:
                            silent[child] = given | bits

    def option_problems(self) -> Iterable[Problem]:
        """Compares what follows from each option with what follows from "dont_know"."""
        self._name_behaviours()
        makes_a_difference: set[tuple[str, str]] = set()
        examples: dict[tuple[str, str], _State] = {}
        for question, layer in zip(self.questions, self.layers, strict=False):
            options = {option.bit: option.id for option in question.all_options if not option.special}
            unknown = next(option.bit for option in question.all_options if option.id == "dont_know")
            for state in layer:
                # Another reader means other words everywhere, even where the contact stays the same.
                after = {
                    bits: (child.behaviour, question.position == 0 and self.clearing.flow.audience(bits))
                    for same, child in state.children
                    for bits in same
                }
                for bits, behaviour in after.items():
                    for bit, option_id in options.items():
                        if bits & bit and behaviour != after[bits & ~bit or unknown]:
                            makes_a_difference.add((question.id, option_id))
                            examples.setdefault((question.id, option_id), state)
        for question in self.questions:
            for option in question.all_options:
                name = (question.id, option.id)
                if option.special or not self.layers[question.position]:
                    continue
                if option.same_as_unknown and name in makes_a_difference:
                    yield Problem(
                        "not_same_as_unknown",
                        f"question {question.id}, option {option.id} is marked same_as_unknown but changes "
                        f"something after: {self._example(examples[name])}",
                    )
                elif not option.same_as_unknown and name not in makes_a_difference:
                    yield Problem(
                        "idle_option",
                        f"question {question.id}, option {option.id} changes nothing anywhere: "
                        f"it leads exactly where dont_know leads",
                    )

    def _name_behaviours(self) -> None:
        """Number states so that equal numbers mean: same questions ahead, same outcomes."""
        for state in self.layers[-1]:
            decision, bits = self._decide(state)
            beside = self.router.beside(decision, bits, None)
            kinds = tuple(kind for kind, _ in beside)
            state.behaviour = self._behaviour(("end", _rules_shown(decision, beside), kinds))
        for question, layer in zip(reversed(self.questions), reversed(self.layers[:-1]), strict=True):
            for state in layer:
                ahead = tuple((bits, child.behaviour) for same, child in state.children for bits in same)
                state.behaviour = self._behaviour((question.id, ahead))

    def _behaviour(self, signature: object) -> int:
        return self._behaviours.setdefault(signature, len(self._behaviours))


def _rules_shown(decision: Decision, beside: Iterable[tuple[str, Rule | None]]) -> tuple[str, ...]:
    """Those whose words a reader sees: a rule that fires can still be left out beside the first contact."""
    speakers = (decision.elsewhere, decision.primary, *(speaker for _, speaker in beside))
    return tuple(rule.id for rule in speakers if rule is not None)


def _canonical(rules: Iterable[_RuleLeft]) -> _Rules:
    """Only what can still matter: mirrors `Router.decide` for rules that are partly decided."""
    kept: list[_RuleLeft] = []
    closed_groups: set[str] = set()
    undecided = False
    certain = False  # A rule holds that is not about living elsewhere: something will come first.
    only_safety = False
    for left in rules:
        rule = left.rule
        if rule.group in closed_groups or (certain and rule.only_primary):
            continue
        if only_safety and not rule.safety:
            continue
        kept.append(left)
        if left.formula is TRUE:
            closed_groups.add(rule.group)
            if rule.kind != ELSEWHERE and not certain:
                certain = True
                only_safety = rule.safety and not undecided
        elif rule.kind != ELSEWHERE:
            undecided = True
    return tuple(kept)


def _safety_problems(clearing: Clearing) -> Iterable[Problem]:
    """The proof of "safety on top" rests on marks; here a mark that is missing or promises too much is found."""
    for rule in clearing.rules:
        if rule.safety and rule.kind not in SAFETY_KINDS:
            yield Problem(
                "unsafe_safety_rule",
                f"rule {rule.id} is marked safety and leads to {rule.kind}, which is no safety contact",
            )
    for question in clearing.questions:
        for option in question.all_options:
            if question.step != "safety" or option.safety or (question.id, option.id) in HARMLESS:
                continue
            yield Problem(
                "unmarked_danger",
                f"question {question.id}, option {option.id} is neither marked safety nor among the harmless answers",
            )


def _told_problems(clearing: Clearing) -> Iterable[Problem]:
    for question in clearing.questions:
        for option in question.all_options:
            topics = sorted(NEVER_TOLD.intersection(option.topics))
            if option.told and topics:
                yield Problem(
                    "sensitive_answer_told",
                    f"question {question.id}, option {option.id} is about {', '.join(topics)} and could be told "
                    f"to an office: it needs told: false",
                )


def _translation_problems(
    clearing: Clearing, translations: Mapping[str, Container[str]], complete_languages: Iterable[str]
) -> Iterable[Problem]:
    for language in complete_languages:
        known = translations.get(language, ())
        for text in clearing.source_texts():
            if text.text not in known:
                yield Problem("missing_translation", f"{language}: {text.location}: {text.text!r}")


def _desk_problems(
    kinds: set[str], desk_for: Callable[[str, str], bool] | None, places: Sequence[str]
) -> Iterable[Problem]:
    if desk_for is None:
        return
    for kind in sorted(kinds - {ELSEWHERE}):
        without = [place for place in places if not desk_for(kind, place)]
        if without:
            yield Problem("no_desk", f"{kind} has no desk for {', '.join(without)}")
