"""Answers to needs: an ordered list of rules, of which the first that matches wins.

The order of the rule file is the law of this module; nothing here weighs or scores.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Final

from portal.clearing.flow import Flow, Path
from portal.clearing.schema import (
    PERSONAL_PLACES,
    ContactKind,
    Need,
    Option,
    Question,
    Rule,
    Said,
    Switch,
    WhyNot,
)

MAX_ALSO: Final = 3
ELSEWHERE: Final = "stelle_am_wohnort"
FALLBACK_KIND: Final = "clearing"
URGENT: Final = frozenset({"now", "today"})


@dataclass(frozen=True, slots=True)
class Outcome:
    """The one first contact, who else helps, and which answers led there."""

    primary: Need
    also: tuple[Need, ...]
    more: tuple[Need, ...]
    urgent: bool
    rules: tuple[str, ...]
    audience: str
    said: tuple[Said, ...]
    because: tuple[Said, ...]
    why_not: tuple[WhyNot, ...]
    safety: bool
    gives_away: bool = False
    """The first contact rests on an answer that no office is told: to name it would be to tell that answer."""


@dataclass(frozen=True, slots=True)
class Decision:
    """Which rules fired. `elsewhere` is set when the desk is at home in another county."""

    primary: Rule | None
    elsewhere: Rule | None
    others: tuple[Rule, ...]
    moved: bool

    @property
    def rules(self) -> tuple[str, ...]:
        fired = [self.elsewhere] if self.elsewhere else []
        if self.primary:
            fired.append(self.primary)
        return tuple(rule.id for rule in (*fired, *self.others))


class Router:
    def __init__(
        self,
        flow: Flow,
        rules: tuple[Rule, ...],
        kinds: Mapping[str, ContactKind],
        switches: Mapping[str, Switch],
        companions: Mapping[str, str],
    ) -> None:
        self.flow = flow
        self.rules = rules
        self.kinds = kinds
        self.switches = switches
        self.companions = companions
        self.change_dates = _change_dates(rules)
        self._active: list[tuple[Rule, ...] | None] = [None] * (len(self.change_dates) + 1)
        self._switch_bits: dict[tuple[tuple[str, str], ...], int] = {}
        self._beside: dict[tuple[str, str, str], Need] = {}
        self._elsewhere: dict[tuple[str, str, str], Need] = {}
        self._place = next((question for question in flow.questions if question.type == "place"), None)
        self._labels = {
            (question.position, option.bit, audience): Said(question.id, option.said(audience))
            for question in flow.questions
            for audience in question.audiences
            for option in question.options(audience)
            if option.said(audience)
        }

    def active_rules(self, today: date) -> tuple[Rule, ...]:
        position = bisect_right(self.change_dates, today)
        active = self._active[position]
        if active is None:
            active = self._active[position] = tuple(rule for rule in self.rules if rule.valid_on(today))
        return active

    def switch_bits(self, switches: Mapping[str, str]) -> int:
        """Unknown switches are ignored; a missing or unknown value means the declared default."""
        bits = 0
        for name, switch in self.switches.items():
            value = switches.get(name)
            bits |= switch.bits.get(value, 0) if isinstance(value, str) else 0
            if not bits & sum(switch.bits.values()):
                bits |= switch.bits[switch.default]
        return bits

    def decide(self, bits: int, rules: tuple[Rule, ...]) -> Decision:
        """`bits` carries the answers and the switches."""
        primary: Rule | None = None
        elsewhere: Rule | None = None
        others: list[Rule] = []
        groups: set[str] = set()
        only_safety = False
        for rule in rules:
            if primary is not None and (rule.only_primary or (only_safety and not rule.safety)):
                continue
            if rule.group in groups or not rule.test(bits):
                continue
            if rule.kind == ELSEWHERE:
                if primary is None and elsewhere is None:
                    elsewhere = rule
                continue
            groups.add(rule.group)
            if primary is None:
                primary = rule
                only_safety = rule.safety
            else:
                others.append(rule)
        moved = self.moved(bits)
        if elsewhere is not None and (primary is None or not self._moves(primary.place_counts, bits)):
            elsewhere = None
        if moved:
            others = [rule for rule in others if not self._moves(rule.place_counts, bits)]
        return Decision(primary, elsewhere, tuple(others), moved)

    def moved(self, bits: int) -> bool:
        """Whether the place that was asked for lies outside."""
        place = self._place
        return place is not None and bool(bits & place.bits_by_audience[place.audiences[0]]["outside"])

    def _moves(self, place_counts: str, bits: int) -> bool:
        """Whether a desk of this kind is another one because the place asked for lies outside."""
        assert self._place is not None
        if self._place.variant(bits).place_counts == "company":
            return place_counts == "company"
        return place_counts in PERSONAL_PLACES

    def route(self, path: Path, switches: Mapping[str, str], today: date) -> Outcome:
        bits = path.bits | self.switch_bits(switches)
        audience = path.audience
        decision = self.decide(bits, self.active_rules(today))
        rule = decision.primary
        if rule is None:  # The checks keep this from happening; a reader still gets a person to talk to.
            primary = self._need_beside(FALLBACK_KIND, "", audience)
            return Outcome(primary, (), (), False, (), audience, self._said(path), (), (), False)
        if decision.elsewhere is not None:
            primary = self._need_elsewhere(decision.elsewhere, rule, audience)
        else:
            primary = rule.needs[audience]
        rested_on = tuple(self._rested_on(path, decision))
        beside = [
            speaker.needs[audience] if speaker else self._need_beside(kind, rule.id, audience)
            for kind, speaker in self.beside(decision, bits, self.companions.get(audience))
        ]
        return Outcome(
            primary=primary,
            also=tuple(beside[:MAX_ALSO]),
            more=tuple(beside[MAX_ALSO:]),
            urgent=primary.urgency in URGENT,
            rules=decision.rules,
            audience=audience,
            said=self._said(path),
            because=self._because(rested_on, audience) or self._said_of_topic(path) or self._said(path),
            why_not=self._why_not(rule, bits, audience, beside[:MAX_ALSO]),
            safety=rule.safety,
            gives_away=any(not option.told for _question, option in rested_on),
        )

    def beside(self, decision: Decision, bits: int, companion: str | None) -> list[tuple[str, Rule | None]]:
        """Kinds to show beside the first contact, most useful first, with the rule that speaks for them."""
        rule = decision.primary
        if rule is None:
            return []
        own: list[tuple[str, Rule | None]] = [
            (also.kind, None) for also in rule.also if also.test is None or also.test(bits)
        ]
        other_worries: list[tuple[str, Rule | None]] = [(other.kind, other) for other in decision.others]
        # In danger, what belongs to the danger comes first; otherwise the reader's other worries do.
        wanted = own + other_worries if rule.safety else other_worries + own
        if companion is not None and not rule.safety:
            wanted.insert(min(len(wanted), MAX_ALSO - 1), (companion, None))
        seen = {ELSEWHERE if decision.elsewhere else rule.kind}
        beside = []
        for kind, speaker in wanted:
            if kind in seen:
                continue
            if decision.moved:
                place_counts = speaker.place_counts if speaker else self.kinds[kind].place_counts
                if self._moves(place_counts, bits):
                    continue
            seen.add(kind)
            beside.append((kind, speaker))
        return beside

    def _need_beside(self, kind: str, rule_id: str, audience: str) -> Need:
        key = (kind, rule_id, audience)
        need = self._beside.get(key)
        if need is None:
            about = self.kinds[kind]
            need = self._beside[key] = Need(
                kind=kind,
                rule=rule_id,
                urgency="normal",
                reason=about.reason(audience),
                bring=(),
                say=about.say(audience),
                place_counts=about.place_counts,
                law=about.law,
            )
        return need

    def _need_elsewhere(self, elsewhere: Rule, rule: Rule, audience: str) -> Need:
        key = (elsewhere.id, rule.id, audience)
        need = self._elsewhere.get(key)
        if need is None:
            need = self._elsewhere[key] = replace(
                rule.needs[audience],
                kind=ELSEWHERE,
                rule=elsewhere.id,
                reason=elsewhere.reason(audience),
                named_kind=rule.kind,
            )
        return need

    def _said(self, path: Path) -> tuple[Said, ...]:
        labels = self._labels
        said = []
        for step in path.steps:
            for option in step.chosen:
                label = labels.get((step.question.position, option.bit, path.audience))
                if label is not None:
                    said.append(label)
        return tuple(said)

    def _because(self, answers: Iterable[tuple[Question, Option]], audience: str) -> tuple[Said, ...]:
        labels = (self._labels.get((question.position, option.bit, audience)) for question, option in answers)
        return tuple(label for label in labels if label is not None)

    def _said_of_topic(self, path: Path) -> tuple[Said, ...]:
        """What a contact rests on that was only right because nothing nearer was."""
        topics = {step.question.id for step in path.steps if step.question.step == "topic"}
        return tuple(said for said in self._said(path) if said.question_id in topics)

    def _why_not(self, rule: Rule, bits: int, audience: str, beside: Iterable[Need]) -> tuple[WhyNot, ...]:
        """What the rule says, or else one sentence about the first contact beside it that has one."""
        own = tuple(
            WhyNot(entry.kind, entry.wording(audience))
            for entry in rule.why_not
            if entry.test is None or entry.test(bits)
        )
        if own:
            return own
        for need in beside:
            wording = self.kinds[need.kind].why_not
            if wording is not None:
                return (WhyNot(need.kind, wording(audience)),)
        return ()

    def nameable(self, audience: str) -> int:
        """Bits of the options that a result can name to this reader as its grounds."""
        return sum(bit for _position, bit, reader in self._labels if reader == audience)

    def _rested_on(self, path: Path, decision: Decision) -> Iterator[tuple[Question, Option]]:
        """The answers that made the first contact the first."""
        assert decision.primary is not None
        rules = [decision.primary] if decision.elsewhere is None else [decision.primary, decision.elsewhere]
        for step in path.steps:
            for option in step.chosen:
                if any(rule.rests_on(step.question.position, option.bit) for rule in rules):
                    yield step.question, option


def _change_dates(rules: tuple[Rule, ...]) -> list[date]:
    """Days on which the set of valid rules changes, in order."""
    days = {rule.valid_from for rule in rules if rule.valid_from}
    days |= {rule.valid_to + timedelta(days=1) for rule in rules if rule.valid_to}
    return sorted(days)
