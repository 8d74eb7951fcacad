"""YAML to questions and rules. Every error names the file, the entry and the field."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path as FilePath
from typing import Any, Final, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from portal.clearing.conditions import (
    TRUE,
    ConditionError,
    Formula,
    Variable,
    Vocabulary,
    all_of,
    any_of,
    compile_formula,
    leaf,
    leaves,
    negate,
    parse,
)
from portal.clearing.schema import (
    AUDIENCES,
    KINDS,
    PLACE_OPTIONS,
    SPECIAL_OPTIONS,
    Also,
    ClearingError,
    ContactKind,
    Need,
    Option,
    OptionSpec,
    Question,
    QuestionnaireSpec,
    QuestionSpec,
    RoutingSpec,
    Rule,
    RuleSpec,
    SourceText,
    Switch,
    TextSpec,
    Variant,
    WhyNotRule,
    Wording,
)

QUESTIONNAIRE_FILE: Final = "clearing.yaml"
ROUTING_FILE: Final = "routing.yaml"

try:
    from yaml import CSafeLoader as _BaseLoader
except ImportError:  # PyYAML without libyaml: slower, same result.
    from yaml import SafeLoader as _BaseLoader  # type: ignore[assignment]


class _Loader(_BaseLoader):
    """PyYAML keeps the last of two equal keys without a word; here that is an error."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        mapping = super().construct_mapping(node, deep=deep)
        if len(mapping) != len(node.value):
            keys = [self.construct_object(key, deep=True) for key, _ in node.value]
            double = next(key for key in keys if keys.count(key) > 1)
            raise yaml.YAMLError(f"line {node.start_mark.line + 1}: {double!r} is given twice")
        return mapping


class Loaded:
    """What the files contain, ready for `Flow` and `Router`."""

    def __init__(
        self,
        questions: tuple[Question, ...],
        rules: tuple[Rule, ...],
        kinds: Mapping[str, ContactKind],
        switches: Mapping[str, Switch],
        companions: Mapping[str, str],
        texts: tuple[SourceText, ...],
        danger: Formula,
    ) -> None:
        self.questions = questions
        self.rules = rules
        self.kinds = kinds
        self.switches = switches
        self.companions = companions
        self.texts = texts
        self.danger = danger
        """Holds when a given answer means that somebody may be in danger."""


Spec = TypeVar("Spec", bound=BaseModel)


def load(directory: FilePath) -> Loaded:
    """Raises ClearingError for anything that is missing, unknown or contradictory."""
    questionnaire = _read(directory / QUESTIONNAIRE_FILE, QuestionnaireSpec)
    routing = _read(directory / ROUTING_FILE, RoutingSpec)
    texts = _Texts()
    questions, vocabulary = _questions(questionnaire, routing, texts)
    entrance = questions[0]
    facts = dict(vocabulary.facts)
    vocabulary = Vocabulary(vocabulary.questions, vocabulary.switches, facts)
    for name, source in routing.facts.items():
        if name in facts:
            raise ClearingError(ROUTING_FILE, f"fact {name}", f"is already defined in {QUESTIONNAIRE_FILE}")
        facts[name] = _condition(source, vocabulary, ROUTING_FILE, f"fact {name}")
    kinds = _kinds(routing, texts)
    rules = _rules(routing, vocabulary, entrance, kinds, texts)
    switches = {
        name: Switch(tuple(spec.values), spec.default, vocabulary.switches[name].bits)
        for name, spec in routing.switches.items()
    }
    companions: dict[str, str] = {}
    for companion in routing.companions:
        if companion.audience in companions:
            raise ClearingError(ROUTING_FILE, "companions", f"{companion.audience} has two")
        companions[companion.audience] = companion.kind
    danger = _danger(questionnaire, questions, vocabulary)
    return Loaded(questions, rules, kinds, switches, companions, texts.collected(), danger)


def _danger(spec: QuestionnaireSpec, questions: tuple[Question, ...], vocabulary: Vocabulary) -> Formula:
    dangers = []
    for question, question_spec in zip(questions, spec.questions, strict=True):
        lifted = {option.id: option.safety_unless for option in question_spec.options if option.safety_unless}
        for option in question.all_options:
            if not option.safety:
                continue
            given = leaf(question.position, option.bit)
            if option.id in lifted:
                where = f"question {question.id} › {option.id} › safety_unless"
                unless = _condition(lifted[option.id], vocabulary, QUESTIONNAIRE_FILE, where)
                given = all_of([given, negate(unless)])
            dangers.append(given)
    return any_of(dangers)


def _read(path: FilePath, spec: type[Spec]) -> Spec:
    try:
        with path.open("rb") as stream:
            source = yaml.load(stream, Loader=_Loader)  # noqa: S506 - a safe loader, only stricter
    except OSError as error:
        raise ClearingError(path.name, "", f"cannot be read: {error.strerror}") from error
    except yaml.YAMLError as error:
        raise ClearingError(path.name, "", f"is not valid YAML: {error}") from error
    try:
        return spec.model_validate(source)
    except ValidationError as error:
        first = error.errors()[0]
        raise ClearingError(path.name, _where(source, first["loc"]), first["msg"]) from error


def _where(source: Any, location: Sequence[int | str]) -> str:
    """A pydantic location with ids instead of list positions: questions, age, options, …"""
    words: list[str] = []
    for step in location:
        entry: Any = None
        if isinstance(source, Mapping):
            entry = source.get(step)
        elif isinstance(source, list) and isinstance(step, int) and step < len(source):
            entry = source[step]
        named = isinstance(entry, Mapping) and isinstance(step, int) and "id" in entry
        words.append(str(entry["id"]) if named else str(step))
        source = entry
    return " › ".join(words)


class _Texts:
    """Collects every translatable string once, with the first place it stands."""

    def __init__(self) -> None:
        self._texts: dict[str, SourceText] = {}

    def add(self, text: str, file: str, where: str, comment: str) -> None:
        self._texts.setdefault(text, SourceText(text, f"{file}:{where}", comment))

    def collected(self) -> tuple[SourceText, ...]:
        return tuple(self._texts.values())

    def wording(self, spec: TextSpec, audiences: Iterable[str], file: str, where: str, about: str) -> Wording:
        wanted = tuple(audiences)
        if isinstance(spec, str):
            self.add(spec, file, where, about)
            return Wording(dict.fromkeys(wanted, spec))
        missing = [audience for audience in wanted if audience not in spec]
        surplus = [audience for audience in spec if audience not in wanted]
        if missing:
            raise ClearingError(file, where, f"has no text for {', '.join(missing)}")
        if surplus:
            raise ClearingError(file, where, f"is never read by {', '.join(surplus)}")
        for audience in wanted:
            self.add(spec[audience], file, where, f"{about}; read by: {audience}")  # type: ignore[index]
        return Wording({audience: spec[audience] for audience in wanted})  # type: ignore[index]

    def optional(
        self, spec: TextSpec | None, audiences: Iterable[str], file: str, where: str, about: str
    ) -> Wording | None:
        return None if spec is None else self.wording(spec, audiences, file, where, about)


def _condition(source: object, vocabulary: Vocabulary, file: str, where: str) -> Formula:
    try:
        return parse(source, vocabulary)
    except ConditionError as error:
        raise ClearingError(file, where, str(error)) from error


def _questions(
    spec: QuestionnaireSpec, routing: RoutingSpec, texts: _Texts
) -> tuple[tuple[Question, ...], Vocabulary]:
    file = QUESTIONNAIRE_FILE
    next_bit = 1
    switches: dict[str, Variable] = {}
    for position, (name, switch) in enumerate(routing.switches.items(), start=1):
        if switch.default not in switch.values:
            raise ClearingError(ROUTING_FILE, f"switch {name}", f"has no value {switch.default!r}")
        bits = {}
        for value in switch.values:
            bits[value] = next_bit
            next_bit <<= 1
        switches[name] = Variable(-position, bits)
    special = _special_options(spec)
    variables: dict[str, Variable] = {}
    facts: dict[str, Formula] = {}
    vocabulary = Vocabulary(variables, switches, facts)
    pending_facts = dict(spec.facts)
    questions: list[Question] = []
    entrance: Question | None = None
    for position, question in enumerate(spec.questions):
        if question.id in variables:
            raise ClearingError(file, f"question {question.id}", "is defined twice")
        # A fact becomes known with the last question it looks at; only then may a condition use it.
        _define_facts(pending_facts, facts, vocabulary)
        options = _complete_options(question, special)
        bits = {}
        for option in options:
            bits[option.id] = next_bit
            next_bit <<= 1
        built = _question(question, position, options, bits, vocabulary, entrance, texts)
        entrance = entrance or built
        variables[question.id] = Variable(position, bits, multiple=question.type == "multiple")
        questions.append(built)
    _define_facts(pending_facts, facts, vocabulary)
    for name, source in pending_facts.items():
        _condition(source, vocabulary, file, f"fact {name}")  # Says which part is unknown.
    return tuple(questions), vocabulary


def _special_options(spec: QuestionnaireSpec) -> dict[str, OptionSpec]:
    special = {option.id: option for option in spec.special_options}
    if set(special) != set(SPECIAL_OPTIONS):
        raise ClearingError(QUESTIONNAIRE_FILE, "special_options", f"must be {', '.join(SPECIAL_OPTIONS)}")
    return special


def _define_facts(
    pending: dict[str, dict[str, Any]], facts: dict[str, Formula], vocabulary: Vocabulary
) -> None:
    for name, source in list(pending.items()):
        try:
            facts[name] = parse(source, vocabulary)
        except ConditionError:
            continue
        del pending[name]


def _complete_options(question: QuestionSpec, special: Mapping[str, OptionSpec]) -> list[OptionSpec]:
    """Every question ends with the two full answers; a question may word them its own way."""
    where = f"question {question.id}"
    own = {option.id: option for option in question.options}
    if len(own) != len(question.options):
        raise ClearingError(QUESTIONNAIRE_FILE, where, "has two options with the same id")
    options = [option for option in question.options if option.id not in SPECIAL_OPTIONS]
    for name in SPECIAL_OPTIONS:
        default = special[name]
        override = own.get(name)
        if override is not None:
            default = default.model_copy(update=override.model_dump(exclude_unset=True))
        options.append(default.model_copy(update={"exclusive": True}))
    if question.type == "place" and tuple(option.id for option in options) != PLACE_OPTIONS:
        raise ClearingError(QUESTIONNAIRE_FILE, where, f"must have the options {', '.join(PLACE_OPTIONS)}")
    if question.type != "multiple" and question.max_choices != 1:
        raise ClearingError(QUESTIONNAIRE_FILE, where, "max_choices is only for type multiple")
    if question.type == "place" and question.place_counts is None:
        raise ClearingError(QUESTIONNAIRE_FILE, where, "must say in place_counts whose place it asks for")
    return options


def _question(
    spec: QuestionSpec,
    position: int,
    option_specs: list[OptionSpec],
    bits: Mapping[str, int],
    vocabulary: Vocabulary,
    entrance: Question | None,
    texts: _Texts,
) -> Question:
    file, where = QUESTIONNAIRE_FILE, f"question {spec.id}"
    audiences: tuple[str, ...] = AUDIENCES if entrance is None else tuple(spec.audiences)
    options = tuple(
        _option(
            option, bits[option.id], audiences, f"{where} › {option.id}", position == 0, texts, told=spec.told
        )
        for option in option_specs
    )
    condition = TRUE if spec.when is None else _condition(spec.when, vocabulary, file, f"{where} › when")
    if entrance is None:
        if spec.when is not None:
            raise ClearingError(file, where, "is the entrance and must not have a condition")
        readers = {option.audience for option in options}
        if readers - {None} != set(AUDIENCES) - ({AUDIENCES[0]} if None in readers else set()):
            raise ClearingError(file, where, f"must lead to every audience: {', '.join(AUDIENCES)}")
    else:
        condition = all_of([_read_by(entrance, audiences), condition])
    by_audience = {
        audience: tuple(option for option in options if audience in option.audiences)
        for audience in audiences
    }
    question = Question(
        id=spec.id,
        type=spec.type,
        step=spec.step,
        position=position,
        audiences=audiences,
        wording=texts.wording(spec.text, audiences, file, f"{where} › text", "question"),
        help_wording=texts.wording(
            spec.help, audiences, file, f"{where} › help", 'answer to "Warum fragen wir das?"'
        ),
        hint_wording=texts.optional(spec.hint, audiences, file, f"{where} › hint", "line below a question"),
        max_choices=spec.max_choices,
        place_counts=spec.place_counts,
        mask=sum(bits.values()),
        exclusive_mask=sum(option.bit for option in options if option.exclusive),
        all_options=options,
        options_by_audience=by_audience,
        bits_by_audience={
            audience: {option.id: option.bit for option in chosen} for audience, chosen in by_audience.items()
        },
        options_by_bits={option.bit: (option,) for option in options},
        formula=condition,
        test=compile_formula(condition),
    )
    if not spec.variants:
        return question
    variants = []
    for number, variant in enumerate(spec.variants, start=1):
        at = f"{where} › variant {number}"
        formula = _condition(variant.when, vocabulary, file, f"{at} › when")
        # Only these readers can meet the variant; asking for fewer texts keeps translations short.
        readers_of = _readers_of(variant.text, audiences)
        changes: dict[str, Any] = {"wording": texts.wording(variant.text, readers_of, file, at, "question")}
        if variant.help is not None:
            changes["help_wording"] = texts.wording(
                variant.help, readers_of, file, at, 'answer to "Warum fragen wir das?"'
            )
        if variant.place_counts is not None:
            changes["place_counts"] = variant.place_counts
        if entrance is not None:
            formula = all_of([formula, _read_by(entrance, readers_of)])
        variants.append(Variant(compile_formula(formula), formula, replace(question, **changes)))
    return replace(question, variants=tuple(variants))


def _readers_of(text: TextSpec, audiences: tuple[str, ...]) -> tuple[str, ...]:
    return audiences if isinstance(text, str) else tuple(name for name in audiences if name in text)


def _read_by(entrance: Question, audiences: Iterable[str]) -> Formula:
    """True for readers of these audiences; nobody asked yet counts as the first audience."""
    wanted = set(audiences)
    if wanted == set(AUDIENCES):
        return TRUE
    default = AUDIENCES[0]
    if default in wanted:
        excluded = sum(
            option.bit for option in entrance.all_options if (option.audience or default) not in wanted
        )
        return leaf(entrance.position, excluded, positive=False)
    included = sum(option.bit for option in entrance.all_options if (option.audience or default) in wanted)
    return leaf(entrance.position, included)


def _option(
    spec: OptionSpec,
    bit: int,
    audiences: tuple[str, ...],
    where: str,
    entrance: bool,
    texts: _Texts,
    *,
    told: bool,
) -> Option:
    file = QUESTIONNAIRE_FILE
    if spec.text is None:
        raise ClearingError(file, where, "has no text")
    if spec.audience is not None and not entrance:
        raise ClearingError(file, where, "audience belongs to the entrance question (audiences: filters)")
    readers = audiences if spec.audiences is None else tuple(a for a in audiences if a in spec.audiences)
    if not readers:
        raise ClearingError(file, where, "is shown to nobody")
    special = spec.id in SPECIAL_OPTIONS
    said = (None if special or entrance else spec.text) if spec.said is None else spec.said or None
    return Option(
        id=spec.id,
        bit=bit,
        wording=texts.wording(spec.text, readers, file, f"{where} › text", "answer"),
        hint_wording=texts.optional(spec.hint, readers, file, f"{where} › hint", "line below an answer"),
        icon=spec.icon,
        said_wording=texts.optional(
            said,
            readers,
            file,
            f"{where} › said",
            'short label after "Du hast gesagt:" / "Sie haben gesagt:"',
        ),
        acknowledgement_wording=texts.optional(
            spec.acknowledgement, readers, file, f"{where} › acknowledgement", "shown right after this answer"
        ),
        audience=spec.audience,
        audiences=readers,
        exclusive=spec.exclusive,
        topics=tuple(spec.topics),
        safety=spec.safety,
        same_as_unknown=spec.same_as_unknown,
        told=told if spec.told is None else spec.told,
    )


def _kinds(spec: RoutingSpec, texts: _Texts) -> dict[str, ContactKind]:
    missing = [kind for kind in KINDS if kind not in spec.kinds]
    if missing:
        raise ClearingError(ROUTING_FILE, "kinds", f"{', '.join(missing)} missing")
    return {
        kind: ContactKind(
            reason=texts.wording(
                about.reason, AUDIENCES, ROUTING_FILE, f"kind {kind} › reason", "what this contact is for"
            ),
            say=texts.wording(
                about.say, AUDIENCES, ROUTING_FILE, f"kind {kind} › say", "words to read out when calling"
            ),
            why_not=texts.optional(
                about.why_not, AUDIENCES, ROUTING_FILE, f"kind {kind} › why_not", f"why {kind} is not first"
            ),
            place_counts=about.place_counts,
            law=about.law,
        )
        for kind, about in spec.kinds.items()
    }


def _rules(
    spec: RoutingSpec,
    vocabulary: Vocabulary,
    entrance: Question,
    kinds: Mapping[str, ContactKind],
    texts: _Texts,
) -> tuple[Rule, ...]:
    rules: list[Rule] = []
    seen: set[str] = set()
    for position, rule in enumerate(spec.rules):
        if rule.id in seen:
            raise ClearingError(ROUTING_FILE, f"rule {rule.id}", "is defined twice")
        seen.add(rule.id)
        rules.append(_rule(rule, position, vocabulary, entrance, kinds, texts))
    return tuple(rules)


def _rule(
    spec: RuleSpec,
    position: int,
    vocabulary: Vocabulary,
    entrance: Question,
    kinds: Mapping[str, ContactKind],
    texts: _Texts,
) -> Rule:
    file, where = ROUTING_FILE, f"rule {spec.id}"
    if spec.valid_from and spec.valid_to and spec.valid_to < spec.valid_from:
        raise ClearingError(file, where, "valid_to lies before valid_from")
    audiences = tuple(audience for audience in AUDIENCES if audience in spec.audiences)
    condition = TRUE if spec.when is None else _condition(spec.when, vocabulary, file, f"{where} › when")
    formula = all_of([_read_by(entrance, audiences), condition])
    about = kinds[spec.kind]
    reason = texts.wording(spec.reason, audiences, file, f"{where} › reason", f"why {spec.kind} comes first")
    say = about.say
    if spec.say is not None:
        say = texts.wording(spec.say, audiences, file, f"{where} › say", "words to read out when calling")
    for item in spec.bring:
        texts.add(item, file, f"{where} › bring", 'thing to bring, after "wenn du es hast"')
    wanted: dict[int, int] = {}
    unwanted: dict[int, int] = {}
    for part in leaves(condition):
        masks = wanted if part.positive else unwanted
        masks[part.variable] = masks.get(part.variable, 0) | part.mask
    place_counts = spec.place_counts or about.place_counts
    law = spec.law or about.law
    return Rule(
        id=spec.id,
        row=spec.row,
        position=position,
        group=spec.group,
        audiences=audiences,
        kind=spec.kind,
        urgency=spec.urgency,
        safety=spec.safety,
        only_primary=spec.only_primary,
        formula=formula,
        test=compile_formula(formula),
        wanted=wanted,
        unwanted=unwanted,
        reason=reason,
        say=say,
        bring=tuple(spec.bring),
        also=tuple(_also(spec, vocabulary)),
        why_not=tuple(_why_not(spec, vocabulary, audiences, texts)),
        place_counts=place_counts,
        law=law,
        valid_from=spec.valid_from,
        valid_to=spec.valid_to,
        needs={
            audience: Need(
                kind=spec.kind,
                rule=spec.id,
                urgency=spec.urgency,
                reason=reason(audience),
                bring=tuple(spec.bring),
                say=say(audience),
                place_counts=place_counts,
                law=law,
                prefer_topic=spec.prefer_topic,
            )
            for audience in audiences
        },
    )


def _also(spec: RuleSpec, vocabulary: Vocabulary) -> Iterable[Also]:
    for entry in spec.also:
        if isinstance(entry, str):
            yield Also(entry, TRUE, None)
            continue
        where = f"rule {spec.id} › also {entry.kind}"
        if entry.when is None:
            yield Also(entry.kind, TRUE, None)
        else:
            formula = _condition(entry.when, vocabulary, ROUTING_FILE, where)
            yield Also(entry.kind, formula, compile_formula(formula))


def _why_not(
    spec: RuleSpec, vocabulary: Vocabulary, audiences: tuple[str, ...], texts: _Texts
) -> Iterable[WhyNotRule]:
    for entry in spec.why_not:
        where = f"rule {spec.id} › why_not {entry.kind}"
        wording = texts.wording(entry.text, audiences, ROUTING_FILE, where, f"why {entry.kind} is not first")
        if entry.when is None:
            yield WhyNotRule(entry.kind, wording, TRUE, None)
        else:
            formula = _condition(entry.when, vocabulary, ROUTING_FILE, where)
            yield WhyNotRule(entry.kind, wording, formula, compile_formula(formula))
