"""The shape of the questionnaire and routing files, and what they become once loaded.

The `…Spec` models are the YAML, field by field. Conditions stay raw here; they can only
be read once every question and its options are known (see `loading`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Annotated, Any, Final, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, model_validator

from portal.clearing.conditions import Formula, Test

AUDIENCES: Final = ("young_person", "parent", "professional", "company")
PEOPLE: Final = AUDIENCES[:3]
SPECIAL_OPTIONS: Final = ("dont_know", "no_answer")
PLACE_OPTIONS: Final = ("inside", "outside", *SPECIAL_OPTIONS)

KINDS: Final = (
    "notruf",
    "krisentelefon",
    "jugendamt_schutz",
    "jugendamt_asd",
    "jugendberufshilfe",
    "jugendgerichtshilfe",
    "schule",
    "berufsberatung",
    "agentur_arbeit",
    "reha_team",
    "arbeitgeberservice",
    "jobcenter",
    "sozialamt",
    "teilhabeberatung",
    "auslaenderbehoerde",
    "migrationsberatung",
    "anerkennung",
    "kammer",
    "bafoeg_amt",
    "familienkasse",
    "wohngeldstelle",
    "wohnungsnotfall",
    "schwangerenberatung",
    "gewaltschutz",
    "suchtberatung",
    "schuldnerberatung",
    "psych_hilfe",
    "familienberatung",
    "kindertagesbetreuung",
    "freiwilligendienst",
    "zweiter_bildungsweg",
    "studienberatung",
    "stelle_am_wohnort",
    "clearing",
    "ombudsstelle",
)
"""The closed vocabulary of contact kinds. Their names and steps belong to the catalogue."""

SAFETY_KINDS: Final = frozenset(
    {"notruf", "krisentelefon", "jugendamt_schutz", "gewaltschutz", "wohnungsnotfall"}
)

Audience = Literal["young_person", "parent", "professional", "company"]
Urgency = Literal["now", "today", "days", "normal"]
PlaceCounts = Literal[
    "residence", "parents", "here_now", "company", "school", "assigned", "former_youth_office", "anywhere"
]
"""Whose place decides which desk: a postcode means something different for each office."""

PERSONAL_PLACES: Final = frozenset({"residence", "parents", "assigned"})
"""Places that move with the person, so that living elsewhere means another desk."""

NonEmpty = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
Identifier = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$")]


def _known_kind(value: str) -> str:
    if value not in KINDS:
        raise ValueError(f"{value!r} is not a contact kind")
    return value


Kind = Annotated[str, AfterValidator(_known_kind)]
TextSpec = NonEmpty | dict[Audience, NonEmpty]
RawCondition = dict[str, Any]


class _Spec(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class OptionSpec(_Spec):
    id: Identifier
    text: TextSpec | None = None
    hint: TextSpec | None = None
    icon: str | None = None
    said: TextSpec | Literal[""] | None = None
    """Label for "Du hast gesagt: …"; the option's text if left out, nothing if empty."""
    acknowledgement: TextSpec | None = None
    audience: Audience | None = None
    """Only in the entrance question: who reads the pages that follow."""
    audiences: list[Audience] | None = None
    exclusive: bool = False
    safety: bool = False
    """Someone may be in danger: the check demands a safety contact on top."""
    safety_unless: RawCondition | None = None
    """With `safety`: later answers that lift the danger, such as being of age."""
    same_as_unknown: bool = False
    """This answer leads where "dont_know" leads, on purpose: the plain "no" of a question."""
    topics: list[Identifier] = Field(default_factory=list)
    """Topics of the catalogue whose offers fit this answer."""
    told: bool | None = None
    """False: never offered among what an office is told. Left out: as the question says."""


class VariantSpec(_Spec):
    when: RawCondition
    text: TextSpec
    help: TextSpec | None = None
    place_counts: PlaceCounts | None = None


class QuestionSpec(_Spec):
    id: Identifier
    type: Literal["single", "multiple", "place"]
    step: Identifier
    audiences: list[Audience] = Field(default_factory=lambda: list[Audience](PEOPLE))
    when: RawCondition | None = None
    text: TextSpec
    help: TextSpec
    hint: TextSpec | None = None
    max_choices: int = Field(default=1, ge=1)
    place_counts: PlaceCounts | None = None
    options: list[OptionSpec]
    variants: list[VariantSpec] = Field(default_factory=list)
    told: bool = True
    """False: no answer to it is ever offered among what an office is told."""

    @model_validator(mode="after")
    def _kept_as_a_whole(self) -> Self:
        if not self.told and any(option.told is not None for option in self.options):
            raise ValueError("is told to nobody, so none of its options can say otherwise or the same again")
        return self


class QuestionnaireSpec(_Spec):
    special_options: list[OptionSpec]
    facts: dict[Identifier, RawCondition] = Field(default_factory=dict)
    questions: list[QuestionSpec] = Field(min_length=2)


class AlsoSpec(_Spec):
    kind: Kind
    when: RawCondition | None = None


class WhyNotSpec(_Spec):
    kind: Kind
    text: TextSpec
    when: RawCondition | None = None


class RuleSpec(_Spec):
    id: Identifier
    row: int = Field(ge=1)
    """Row of the decision table this rule comes from."""
    group: Identifier
    """Rules of one group answer the same worry: only the first that matches is shown."""
    audiences: list[Audience] = Field(default_factory=lambda: list[Audience](PEOPLE))
    when: RawCondition | None = None
    kind: Kind
    urgency: Urgency
    safety: bool = False
    only_primary: bool = False
    reason: TextSpec
    say: TextSpec | None = None
    bring: list[NonEmpty] = Field(default_factory=list)
    also: list[Kind | AlsoSpec] = Field(default_factory=list)
    why_not: list[WhyNotSpec] = Field(default_factory=list)
    place_counts: PlaceCounts | None = None
    prefer_topic: Identifier | None = None
    """Of several equal desks the one whose first topic this is: the police when somebody threatens, not the ambulance."""
    law: str | None = None
    valid_from: date | None = None
    valid_to: date | None = None


class KindSpec(_Spec):
    reason: TextSpec
    say: TextSpec
    why_not: TextSpec | None = None
    """Why it stands beside the first contact and is not the first, whatever that is; for rules that say nothing nearer."""
    place_counts: PlaceCounts
    law: str | None = None


class SwitchSpec(_Spec):
    values: list[NonEmpty] = Field(min_length=2)
    default: NonEmpty


class CompanionSpec(_Spec):
    """A contact every reader of one audience gets beside the young person's own."""

    audience: Audience
    kind: Kind


class RoutingSpec(_Spec):
    switches: dict[Identifier, SwitchSpec] = Field(default_factory=dict)
    facts: dict[Identifier, RawCondition] = Field(default_factory=dict)
    companions: list[CompanionSpec] = Field(default_factory=list)
    kinds: dict[Kind, KindSpec]
    rules: list[RuleSpec] = Field(min_length=1)


class ClearingError(Exception):
    """A questionnaire or routing file that cannot be used: `file`, `where` in it, and why."""

    def __init__(self, file: str, where: str, message: str) -> None:
        super().__init__(f"{file}: {where}: {message}" if where else f"{file}: {message}")
        self.file = file
        self.where = where
        self.message = message


@dataclass(frozen=True, slots=True)
class Wording:
    """One text in the words of each audience that can meet it (German, the message id)."""

    by_audience: Mapping[str, str]

    def __call__(self, audience: str) -> str:
        return self.by_audience.get(audience) or next(iter(self.by_audience.values()))


@dataclass(frozen=True, slots=True)
class Option:
    id: str
    bit: int
    wording: Wording
    hint_wording: Wording | None
    icon: str | None
    said_wording: Wording | None
    acknowledgement_wording: Wording | None
    audience: str | None
    audiences: tuple[str, ...]
    exclusive: bool
    safety: bool
    same_as_unknown: bool
    topics: tuple[str, ...]
    told: bool
    """Whether somebody may pick it to be told to an office."""

    def text(self, audience: str) -> str:
        return self.wording(audience)

    def hint(self, audience: str) -> str | None:
        return self.hint_wording(audience) if self.hint_wording else None

    def said(self, audience: str) -> str:
        """Short label for "Du hast gesagt: …"; empty if the answer is not worth repeating."""
        return self.said_wording(audience) if self.said_wording else ""

    def acknowledgement(self, audience: str) -> str | None:
        return self.acknowledgement_wording(audience) if self.acknowledgement_wording else None

    @property
    def special(self) -> bool:
        return self.id in SPECIAL_OPTIONS


@dataclass(frozen=True, slots=True)
class Variant:
    test: Test
    formula: Formula
    question: Question


@dataclass(frozen=True, slots=True)
class Question:
    id: str
    type: str
    step: str
    position: int
    audiences: tuple[str, ...]
    wording: Wording
    help_wording: Wording
    hint_wording: Wording | None
    max_choices: int
    place_counts: str | None
    mask: int
    exclusive_mask: int
    all_options: tuple[Option, ...]
    options_by_audience: Mapping[str, tuple[Option, ...]]
    bits_by_audience: Mapping[str, Mapping[str, int]]
    options_by_bits: Mapping[int, tuple[Option, ...]]
    formula: Formula
    test: Test
    variants: tuple[Variant, ...] = field(default=())

    def text(self, audience: str) -> str:
        return self.wording(audience)

    def help(self, audience: str) -> str:
        """The answer to "Warum fragen wir das?"."""
        return self.help_wording(audience)

    def hint(self, audience: str) -> str | None:
        return self.hint_wording(audience) if self.hint_wording else None

    def options(self, audience: str) -> tuple[Option, ...]:
        return self.options_by_audience.get(audience, ())

    def accepted(self, chosen: object, audience: str) -> tuple[str, ...] | None:
        """The option ids of `chosen` in file order, or None if this is not a valid answer.

        Stricter than `Clearing.walk`, which makes the best of what it is given: here
        unknown options, two answers to a single question and more than `max_choices` fail.
        """
        if not isinstance(chosen, (tuple, list)):
            return None
        known = self.bits_by_audience.get(audience, {})
        wanted = {value for value in chosen if isinstance(value, str) and value in known}
        if not wanted or len(wanted) != len(set(map(repr, chosen))) or len(wanted) > self.max_choices:
            return None
        options = [option for option in self.options(audience) if option.id in wanted]
        if len(options) > 1 and any(option.exclusive for option in options):
            return None
        return tuple(option.id for option in options)

    def variant(self, bits: int) -> Question:
        """The question in the words that fit the answers before it."""
        for variant in self.variants:
            if variant.test(bits):
                return variant.question
        return self

    def chosen(self, bits: int) -> tuple[Option, ...]:
        own = bits & self.mask
        found = self.options_by_bits.get(own)
        if found is None:
            found = tuple(option for option in self.all_options if option.bit & own)
        return found


@dataclass(frozen=True, slots=True)
class Need:
    """One contact for one reader: which kind of desk, why, and what to take along."""

    kind: str
    rule: str
    urgency: str
    reason: str
    bring: tuple[str, ...]
    say: str
    place_counts: str
    named_kind: str | None = None
    law: str | None = None
    prefer_topic: str | None = None


@dataclass(frozen=True, slots=True)
class WhyNot:
    kind: str
    text: str


@dataclass(frozen=True, slots=True)
class Said:
    question_id: str
    label: str


@dataclass(frozen=True, slots=True)
class Also:
    kind: str
    formula: Formula
    test: Test | None


@dataclass(frozen=True, slots=True)
class WhyNotRule:
    kind: str
    wording: Wording
    formula: Formula
    test: Test | None


@dataclass(frozen=True, slots=True)
class Rule:
    id: str
    row: int
    position: int
    group: str
    audiences: tuple[str, ...]
    kind: str
    urgency: str
    safety: bool
    only_primary: bool
    formula: Formula
    test: Test
    wanted: Mapping[int, int]
    """Question position to the option bits its conditions ask for."""
    unwanted: Mapping[int, int]
    """The same for bits behind a "not"."""
    reason: Wording
    say: Wording
    bring: tuple[str, ...]
    also: tuple[Also, ...]
    why_not: tuple[WhyNotRule, ...]
    place_counts: str
    law: str | None
    valid_from: date | None
    valid_to: date | None
    needs: Mapping[str, Need]

    def rests_on(self, position: int, bit: int) -> bool:
        """Whether this answer is one of those that made the rule hold."""
        if self.wanted.get(position, 0) & bit:
            return True
        unwanted = self.unwanted.get(position)
        return unwanted is not None and position not in self.wanted and not unwanted & bit

    def valid_on(self, day: date) -> bool:
        if self.valid_from is not None and day < self.valid_from:
            return False
        return self.valid_to is None or day <= self.valid_to


@dataclass(frozen=True, slots=True)
class ContactKind:
    """What a contact kind says when it stands beside the primary one."""

    reason: Wording
    say: Wording
    why_not: Wording | None
    place_counts: str
    law: str | None


@dataclass(frozen=True, slots=True)
class Switch:
    values: tuple[str, ...]
    default: str
    bits: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class SourceText:
    """One translatable string: `location` is file and place in it, `comment` helps translators."""

    text: str
    location: str
    comment: str
