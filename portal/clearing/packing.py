"""The questionnaire and its rules as plain data, for `assets/clearing.js`, which works without a network.

Everything that does not change while somebody answers is settled here: switches, the day, the language. What is left are
the conditions over answers, as a table: `[0, question, mask]` holds when any option of `mask` is chosen, `[1, question,
mask]` when none is, `[2, …]` when all of the named entries hold, `[3, …]` when any does. A test compares script and rules.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date
from typing import Any, Final

from portal.clearing.clearing import Clearing
from portal.clearing.conditions import Formula, assign
from portal.clearing.routing import ELSEWHERE, MAX_ALSO
from portal.clearing.schema import AUDIENCES, PERSONAL_PLACES, Question, Rule, Wording

_KINDS: Final = {"all": 2, "any": 3, "true": 2, "false": 3}
"""An empty "all" holds, an empty "any" does not."""
Say = Callable[[str], str]
"""A German source text in the language of the reader."""


def packed(clearing: Clearing, *, switches: Mapping[str, str], today: date, say: Say) -> dict[str, Any]:
    """Everything a path and its outcome are made of, but the desks."""
    table = _Table(clearing, switches)
    rules = clearing.router.active_rules(today)
    groups = {group: number for number, group in enumerate(dict.fromkeys(rule.group for rule in rules))}
    return {
        "audiences": list(clearing.audiences),
        "elsewhere": ELSEWHERE,
        "most": MAX_ALSO,
        "questions": [_question(question, table, say) for question in clearing.questions],
        "rules": [_rule(rule, groups, table, say) for rule in rules],
        "kinds": {
            kind: {
                "moves": _moves(about.place_counts),
                "reason": _words(about.reason, clearing.audiences, say),
            }
            for kind, about in clearing.kinds.items()
        },
        "companions": dict(clearing.router.companions),
        "conditions": table.entries,
    }


class _Table:
    """Conditions by number; equal ones share one."""

    def __init__(self, clearing: Clearing, switches: Mapping[str, str]) -> None:
        self.entries: list[list[int]] = []
        self._numbers: dict[int, int] = {}
        self._shifts = [(question.mask & -question.mask).bit_length() - 1 for question in clearing.questions]
        set_bits = clearing.router.switch_bits(switches)
        # A switch is a variable below zero; its bits lie above those of all questions.
        self._switches = [(-1 - index, set_bits) for index in range(len(clearing.switches))]
        self._kept: list[Formula] = []

    def number(self, formula: Formula) -> int:
        for variable, bits in self._switches:
            formula = assign(formula, variable, bits)
        return self._number(formula)

    def _number(self, formula: Formula) -> int:
        found = self._numbers.get(id(formula))
        if found is None:
            if formula.kind == "leaf":
                entry = [
                    0 if formula.positive else 1,
                    formula.variable,
                    formula.mask >> self._shifts[formula.variable],
                ]
            else:
                entry = [_KINDS[formula.kind], *(self._number(part) for part in formula.parts)]
            found = self._numbers[id(formula)] = len(self.entries)
            self.entries.append(entry)
            self._kept.append(formula)  # As long as it is here, nothing else gets its id.
        return found


def _question(question: Question, table: _Table, say: Say) -> dict[str, Any]:
    variants = [
        {
            "test": table.number(variant.formula),
            "text": _words(variant.question.wording, question.audiences, say),
            "company": variant.question.place_counts == "company",
        }
        for variant in question.variants
    ]
    return _full(
        id=question.id,
        place=question.type == "place",
        many=question.max_choices if question.type == "multiple" else 0,
        test=table.number(question.formula),
        text=_words(question.wording, question.audiences, say),
        hint=_words(question.hint_wording, question.audiences, say),
        company=question.place_counts == "company",
        variants=variants,
        options=[
            _full(
                id=option.id,
                text=_words(option.wording, option.audiences, say),
                hint=_words(option.hint_wording, option.audiences, say),
                audience=option.audience,
                audiences=list(option.audiences) if option.audiences != question.audiences else None,
                alone=option.exclusive,
                safety=option.safety,
            )
            for option in question.all_options
        ],
    )


def _rule(rule: Rule, groups: Mapping[str, int], table: _Table, say: Say) -> dict[str, Any]:
    return _full(
        test=table.number(rule.formula),
        group=groups[rule.group],
        kind=rule.kind,
        urgency=rule.urgency if rule.urgency != "normal" else None,
        safety=rule.safety,
        alone=rule.only_primary,
        moves=_moves(rule.place_counts),
        reason=_reason(rule, say),
        prefer=next(iter(rule.needs.values())).prefer_topic,
        also=[[also.kind, table.number(also.formula)] for also in rule.also],
    )


def _reason(rule: Rule, say: Say) -> str | dict[str, str] | None:
    """Grown-ups get what the contact says of itself where they would be addressed in words of their own: every byte
    of this waits on a narrow line.
    """
    words = _words(rule.reason, rule.audiences, say)
    if isinstance(words, str) or AUDIENCES[0] not in rule.audiences:
        return words
    return {AUDIENCES[0]: say(rule.reason(AUDIENCES[0]))}


def _moves(place_counts: str) -> str:
    """Whose place makes it another desk: the person's, the company's or nobody's."""
    if place_counts == "company":
        return "company"
    return "person" if place_counts in PERSONAL_PLACES else ""


def _words(wording: Wording | None, audiences: tuple[str, ...], say: Say) -> str | dict[str, str] | None:
    """One text, or one for each reader who gets another."""
    if wording is None:
        return None
    texts = {audience: say(wording(audience)) for audience in audiences}
    different = set(texts.values())
    return different.pop() if len(different) == 1 else texts


def _full(**values: Any) -> dict[str, Any]:
    """Without what is empty."""
    return {
        name: value
        for name, value in values.items()
        if value not in (None, "", [], False, 0) or name in ("test", "group")
    }
