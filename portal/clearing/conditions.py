"""Conditions over answers: a closed set of operators, compiled once.

Every answer option owns one bit, so a whole answer set is one integer and a
condition is a boolean formula over "is any of these bits set". Formulas are kept
in negation normal form and shared: equal formulas are the same object. That makes
them quick to evaluate (`compile_formula`) and lets the checks substitute one answer
at a time (`assign`) and see which states no later question or rule can tell apart.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

OPERATORS: Final = ("is_one_of", "includes_any", "includes_only", "answered", "not", "all", "any", "switch")


class ConditionError(ValueError):
    """A condition that cannot be understood; the message names the part that is wrong."""


@dataclass(frozen=True, slots=True, eq=False)
class Formula:
    """One node. `kind` is "true", "false", "leaf", "all" or "any".

    A leaf holds when any bit of `mask` is set (or none, if not `positive`); all its bits
    belong to the variable `variable`: a question's position, or below zero a switch.
    """

    kind: str
    variable: int = 0
    mask: int = 0
    positive: bool = True
    parts: tuple[Formula, ...] = ()
    mentions: int = 0
    """One bit for every variable in it, see `mention`: what is not mentioned need not be looked at."""


_SWITCHES_AHEAD: Final = 32


def mention(variable: int) -> int:
    """The bit of one variable in `Formula.mentions`; switches, below zero, come first."""
    return 1 << (variable + _SWITCHES_AHEAD)


TRUE: Final = Formula("true")
FALSE: Final = Formula("false")

_leaves: dict[tuple[int, int, bool], Formula] = {}
_groups: dict[tuple[str, tuple[int, ...]], Formula] = {}


def leaf(variable: int, mask: int, positive: bool = True) -> Formula:
    if not mask:
        return FALSE if positive else TRUE
    key = (variable, mask, positive)
    found = _leaves.get(key)
    if found is None:
        found = _leaves[key] = Formula("leaf", variable, mask, positive, mentions=mention(variable))
    return found


def all_of(parts: Iterable[Formula]) -> Formula:
    return _group("all", parts, neutral=TRUE, absorbing=FALSE)


def any_of(parts: Iterable[Formula]) -> Formula:
    return _group("any", parts, neutral=FALSE, absorbing=TRUE)


def _group(kind: str, parts: Iterable[Formula], *, neutral: Formula, absorbing: Formula) -> Formula:
    # "any" of positive leaves of one variable is one leaf with both masks; so is "all" of negative ones.
    mergeable = kind == "any"
    masks: dict[int, int] = {}
    kept: dict[int, Formula] = {}
    pending = list(parts)
    while pending:
        part = pending.pop()
        if part is absorbing:
            return absorbing
        if part is neutral:
            continue
        if part.kind == kind:
            pending.extend(part.parts)
        elif part.kind == "leaf" and part.positive is mergeable:
            masks[part.variable] = masks.get(part.variable, 0) | part.mask
        else:
            kept[id(part)] = part
    for variable, mask in masks.items():
        merged = leaf(variable, mask, mergeable)
        kept[id(merged)] = merged
    if not kept:
        return neutral
    if len(kept) == 1:
        return next(iter(kept.values()))
    key = (kind, tuple(sorted(kept)))
    found = _groups.get(key)
    if found is None:
        ordered = tuple(kept[identity] for identity in key[1])
        mentions = 0
        for part in ordered:
            mentions |= part.mentions
        found = _groups[key] = Formula(kind, parts=ordered, mentions=mentions)
    return found


def negate(formula: Formula) -> Formula:
    if formula is TRUE:
        return FALSE
    if formula is FALSE:
        return TRUE
    if formula.kind == "leaf":
        return leaf(formula.variable, formula.mask, not formula.positive)
    parts = [negate(part) for part in formula.parts]
    return any_of(parts) if formula.kind == "all" else all_of(parts)


def assign(formula: Formula, variable: int, bits: int) -> Formula:
    """What is left of `formula` once `variable` is known; `bits` 0 means it stays unanswered."""
    if not formula.mentions & mention(variable):
        return formula
    if formula.kind == "leaf":
        return TRUE if bool(bits & formula.mask) is formula.positive else FALSE
    parts = [assign(part, variable, bits) for part in formula.parts]
    return all_of(parts) if formula.kind == "all" else any_of(parts)


def holds(formula: Formula, bits: int) -> bool:
    """The plain meaning of a formula; `compile_formula` must agree with it."""
    if formula.kind == "leaf":
        return bool(bits & formula.mask) is formula.positive
    if formula.kind == "all":
        return all(holds(part, bits) for part in formula.parts)
    if formula.kind == "any":
        return any(holds(part, bits) for part in formula.parts)
    return formula is TRUE


Test = Callable[[int], bool]


def compile_formula(formula: Formula) -> Test:
    """A closure over the answer bits that says whether `formula` holds."""
    if formula is TRUE:
        return lambda bits: True
    if formula is FALSE:
        return lambda bits: False
    mask = formula.mask
    if formula.kind == "leaf":
        if formula.positive:
            return lambda bits: bits & mask != 0
        return lambda bits: bits & mask == 0
    if formula.kind == "all":
        wanted = tuple(part.mask for part in formula.parts if part.kind == "leaf" and part.positive)
        unwanted = 0
        for part in formula.parts:
            if part.kind == "leaf" and not part.positive:
                unwanted |= part.mask
        rest = tuple(compile_formula(part) for part in formula.parts if part.kind != "leaf")
        return _compiled_all(wanted, unwanted, rest)
    wanted_any = 0
    for part in formula.parts:
        if part.kind == "leaf" and part.positive:
            wanted_any |= part.mask
    absent = tuple(part.mask for part in formula.parts if part.kind == "leaf" and not part.positive)
    rest = tuple(compile_formula(part) for part in formula.parts if part.kind != "leaf")
    return _compiled_any(wanted_any, absent, rest)


def _compiled_all(wanted: tuple[int, ...], unwanted: int, rest: tuple[Test, ...]) -> Test:
    def test(bits: int) -> bool:
        if bits & unwanted:
            return False
        for mask in wanted:
            if not bits & mask:
                return False
        for part in rest:
            if not part(bits):
                return False
        return True

    return test


def _compiled_any(wanted: int, absent: tuple[int, ...], rest: tuple[Test, ...]) -> Test:
    def test(bits: int) -> bool:
        if bits & wanted:
            return True
        for mask in absent:
            if not bits & mask:
                return True
        for part in rest:
            if part(bits):
                return True
        return False

    return test


def leaves(formula: Formula) -> Iterator[Formula]:
    if formula.kind == "leaf":
        yield formula
    for part in formula.parts:
        yield from leaves(part)


@dataclass(frozen=True, slots=True)
class Variable:
    """What a condition may ask about: a question or a switch, and the bit of each of its values."""

    position: int
    bits: Mapping[str, int]
    multiple: bool = False

    def mask(self, values: Iterable[str]) -> int:
        mask = 0
        for value in values:
            mask |= self.bits[value]
        return mask


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """Everything conditions may name. `facts` are conditions that have been given a name."""

    questions: Mapping[str, Variable]
    switches: Mapping[str, Variable]
    facts: Mapping[str, Formula]


def parse(source: object, vocabulary: Vocabulary) -> Formula:
    """Turn the YAML form of a condition into a formula. Raises ConditionError."""
    if not isinstance(source, dict):
        raise ConditionError(f"a condition is a mapping, not {source!r}")
    keys = set(source)
    if "question" in keys:
        return _question_condition(source, vocabulary)
    if "switch" in keys:
        return _switch_condition(source, vocabulary)
    if len(keys) != 1:
        raise ConditionError(f"expected one of {', '.join(OPERATORS)}, found {sorted(map(str, keys))}")
    operator, operand = next(iter(source.items()))
    if operator == "fact":
        if not isinstance(operand, str) or operand not in vocabulary.facts:
            raise ConditionError(f"there is no fact {operand!r} (facts are defined before they are used)")
        return vocabulary.facts[operand]
    if operator == "not":
        return negate(parse(operand, vocabulary))
    if operator in ("all", "any"):
        if not isinstance(operand, list) or not operand:
            raise ConditionError(f"{operator!r} needs a list of conditions")
        parts = [parse(part, vocabulary) for part in operand]
        return all_of(parts) if operator == "all" else any_of(parts)
    raise ConditionError(f"unknown operator {operator!r}; there are {', '.join(OPERATORS)}")


def _question_condition(source: dict[Any, Any], vocabulary: Vocabulary) -> Formula:
    name = source["question"]
    operators = sorted(str(key) for key in source if key != "question")
    if len(operators) != 1:
        raise ConditionError(f"question {name!r} needs exactly one operator, found {operators}")
    variable = vocabulary.questions.get(name) if isinstance(name, str) else None
    if variable is None:
        raise ConditionError(f"there is no question {name!r} (a question may only look at earlier ones)")
    operator = operators[0]
    everything = variable.mask(variable.bits)
    if operator == "answered":
        if not isinstance(source["answered"], bool):
            raise ConditionError(f"question {name!r}: answered is true or false")
        return leaf(variable.position, everything, source["answered"])
    if operator not in ("is_one_of", "includes_any", "includes_only"):
        raise ConditionError(f"question {name!r}: unknown operator {operator!r}")
    if (operator == "is_one_of") is variable.multiple:
        expected = "includes_any or includes_only" if variable.multiple else "is_one_of"
        raise ConditionError(f"question {name!r} takes {expected}, not {operator}")
    mask = variable.mask(_values(source[operator], variable, f"question {name!r}"))
    some = leaf(variable.position, mask)
    if operator == "includes_only":
        return all_of([some, leaf(variable.position, everything & ~mask, positive=False)])
    return some


def _switch_condition(source: dict[Any, Any], vocabulary: Vocabulary) -> Formula:
    name = source["switch"]
    if set(source) != {"switch", "is_one_of"}:
        raise ConditionError(f"switch {name!r} takes is_one_of and nothing else")
    variable = vocabulary.switches.get(name) if isinstance(name, str) else None
    if variable is None:
        raise ConditionError(f"there is no switch {name!r}")
    return leaf(variable.position, variable.mask(_values(source["is_one_of"], variable, f"switch {name!r}")))


def _values(source: object, variable: Variable, name: str) -> list[str]:
    if not isinstance(source, list) or not source:
        raise ConditionError(f"{name}: needs a list of values")
    for value in source:
        if isinstance(value, bool):
            raise ConditionError(
                f"{name}: {value!r} must be quoted, YAML reads bare yes/no/on/off as booleans"
            )
        if not isinstance(value, str) or value not in variable.bits:
            raise ConditionError(f"{name} has no value {value!r}; it has {', '.join(variable.bits)}")
    return source
