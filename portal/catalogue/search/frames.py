"""Situations in many words: families of words, and frames that say which families together mean a concept.

A phrase of the synonyms file stands for itself; a frame stands for every sentence that can be made of its families:
`hit me` finds "mein Stiefvater hat mich gestern wieder geschlagen" and "my brother punches me". The top of
`content/synonyms.yaml` explains the notation.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, field_validator, model_validator
from rapidfuzz import process
from rapidfuzz.distance import OSA

from portal.catalogue.search import analysis
from portal.catalogue.search.analysis import LANGUAGES, Token

_Code = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$")]
_Word = Annotated[str, StringConstraints(pattern=r"^\s*[^\s$]+(\s+[^\s$]+)*(\s+\$)?\s*$", max_length=80)]
_Pattern = Annotated[
    str, StringConstraints(pattern=r"^\s*-?[a-z][a-z0-9_|]*(\s+[>-]?[a-z][a-z0-9_|]*)*\s*$", max_length=200)
]

NEAR = 5
"""So many other words may stand between two neighbouring words of a frame."""
_SHORTEST_STEM = 5
_SHORTEST_TYPO = 6
_END = "$"
_CLAUSE_STARTS = frozenset(
    analysis.fold(word)
    for word in [
        "und",
        "weil",
        "aber",
        "denn",
        "oder",
        "bitte",
        "hilfe",
        "and",
        "but",
        "because",
        "please",
        "help",
        "or",
        "ve",
        "ama",
        "çünkü",
        "et",
        "mais",
        "و",
        "لكن",
        "і",
        "але",
        "и",
        "но",
    ]
)
_SENTENCE_ENDS = re.compile(r"[.!?;\n…]")


class Family(BaseModel):
    """Words of one sense. `any` holds words that are used in every language."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    any: tuple[_Word, ...] = ()
    de: tuple[_Word, ...] = ()
    en: tuple[_Word, ...] = ()
    tr: tuple[_Word, ...] = ()
    ar: tuple[_Word, ...] = ()
    uk: tuple[_Word, ...] = ()
    ru: tuple[_Word, ...] = ()
    fa: tuple[_Word, ...] = ()
    fr: tuple[_Word, ...] = ()
    pl: tuple[_Word, ...] = ()
    ro: tuple[_Word, ...] = ()
    ku: tuple[_Word, ...] = ()

    @field_validator("*", mode="before")
    @classmethod
    def _split(cls, words: object) -> object:
        """Words are written one after the other with commas between them; a list is as good."""
        return [word.strip() for word in words.split(",")] if isinstance(words, str) else words

    def extended(self, more: "Family") -> "Family":
        return Family(
            **{
                field: tuple(dict.fromkeys((*getattr(self, field), *getattr(more, field))))
                for field in Family.model_fields
            }
        )


class FrameRecord(BaseModel):
    """Patterns that mean `concept` unless a word of the families in `unless` stands in the query."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    concept: _Code
    when: Annotated[tuple[_Pattern, ...], Field(min_length=1)]
    unless: tuple[_Code, ...] = ()
    never: tuple[_Code, ...] = ()
    """Families of figures of speech that take the frame away where they stand in the same clause."""
    over: tuple[_Code, ...] = ()
    """Concepts that step back behind this one, as "Diplom" behind "Diplom aus Syrien"."""
    near: Annotated[int, Field(ge=0, le=12)] = NEAR
    alarm: bool = True
    """Whether it is sure enough to raise the alarm of an urgent concept."""

    @model_validator(mode="after")
    def _asks_for_something(self) -> "FrameRecord":
        for pattern in self.when:
            if all(slot.startswith("-") for slot in pattern.split()):
                raise ValueError(f"“{pattern}” names only what must be missing")
        return self

    def families(self) -> Iterator[str]:
        """Every family that is named."""
        yield from (*self.unless, *self.never)
        for pattern in self.when:
            for slot in pattern.split():
                yield from slot.lstrip(">-").split("|")


@dataclass(frozen=True, slots=True)
class FrameMatch:
    """A frame found in a query; `tokens` are positions of its words."""

    concept: str
    tokens: frozenset[int]
    sure: bool
    alarm: bool
    over: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Frame:
    concept: str
    slots: tuple[frozenset[str], ...]
    after: tuple[bool, ...]
    """Whether the slot must follow the one before it."""
    without: frozenset[str]
    """Families that must not stand among the words of the frame or right beside them."""
    unless: frozenset[str]
    never: frozenset[str]
    near: int
    alarm: bool
    over: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Occurrence:
    first: int
    last: int
    sure: bool


Tags = Mapping[str, Mapping[str, list[_Occurrence]]]
"""By language: family → where its words stand."""
_Atoms = tuple[str, ...]


class _Words:
    """The words of all families in one language. `word~` is a beginning, `~word~` stands anywhere in a word."""

    def __init__(self, language: str) -> None:
        self.language = language
        self.exact: dict[str, set[str]] = defaultdict(set)
        self.stems: dict[str, set[str]] = defaultdict(set)
        self.starts: dict[str, set[str]] = defaultdict(set)
        self.inside: list[tuple[re.Pattern[str], str]] = []
        self.longer: dict[str, list[tuple[_Atoms, str]]] = defaultdict(list)
        """Phrases that begin with a beginning, by its first two letters."""
        self.by_first: dict[str, list[tuple[_Atoms, str]]] = defaultdict(list)
        self.lengths: tuple[int, ...] = ()
        self.vocabulary: set[str] = set()
        """Every word that is written out or whose beginning is."""
        self.opened: set[str] = set()
        """Those of them whose beginning is left open."""
        self.typable: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {}
        """By first letter: whole words and beginnings that are long enough to be misspelt."""

    def add(self, text: str, family: str) -> None:
        atoms = [atom for word in text.split() for atom in _atoms(word)]
        whole = {atom.strip("~") for atom in atoms if atom != _END and "~" not in atom.strip("~")}
        self.vocabulary |= whole
        self.opened.update(
            atom.strip("~") for atom in atoms if atom.startswith("~") and atom.strip("~") in whole
        )
        if len(atoms) > 1:
            folded = tuple(atoms)
            if "~" in atoms[0]:
                self.longer[atoms[0][:2]].append((folded, family))
            else:
                self.by_first[atoms[0]].append((folded, family))
            return
        if not atoms:
            return
        [atom] = atoms
        bare = atom.strip("~")
        if "~" in atom[:-1]:
            self.inside.append((_wildcard(atom), family))
        elif atom.endswith("~"):
            self.starts[bare].add(family)
        else:
            self.exact[bare].add(family)
            if len(bare) >= _SHORTEST_STEM:
                for stem in {analysis.stem(bare, self.language), analysis.stem(text.strip(), self.language)}:
                    self.stems[stem].add(family)

    def finish(self) -> None:
        self.lengths = tuple(sorted({len(start) for start in self.starts}))
        long_words = [word for word in self.exact if len(word) >= _SHORTEST_TYPO]
        long_starts = [start for start in self.starts if len(start) >= _SHORTEST_TYPO]
        for letter in {word[0] for word in (*long_words, *long_starts)}:
            self.typable[letter] = (
                tuple(word for word in long_words if word[0] == letter),
                tuple(start for start in long_starts if start[0] == letter),
            )

    def families(self, word: str, typed: str) -> set[str]:
        found: set[str] = set()
        for spelling in _without_article(word, self.language):
            found |= self.exact.get(spelling, set())
            for length in self.lengths:
                if length > len(spelling):
                    break
                found |= self.starts.get(spelling[:length], set())
        found.update(family for pattern, family in self.inside if pattern.match(word))
        if len(word) >= _SHORTEST_STEM:
            for stem in {analysis.stem(word, self.language), analysis.stem(typed, self.language)}:
                found |= self.stems.get(stem, set())
        if not found and self.language == "de":
            # A compound is what its last part says: "Handballverein".
            for part in analysis.split_compound(word)[-1:]:
                found |= self.exact.get(part, set())
        return found

    def misspelt(self, word: str) -> set[str]:
        """Families of words that `word` may be meant for: one wrong letter, two in a long word."""
        whole, starts = self.typable.get(word[0], ((), ()))
        near = process.extract(
            word, whole, scorer=OSA.distance, score_cutoff=1 if len(word) < 9 else 2, limit=3
        )
        found: set[str] = set()
        for known, distance, _ in near:
            if distance == near[0][1]:
                found |= self.exact[known]
        for start in starts:
            if OSA.distance(word[: len(start)], start, score_cutoff=1) <= 1:
                found |= self.starts[start]
        return found

    def phrases(self, tokens: Sequence[Token], at: int, ends: frozenset[int]) -> Iterator[tuple[str, int]]:
        """Families of several words that begin at `at`, with the position of their last word."""
        firsts = _without_article(tokens[at].fold, self.language)
        known: list[tuple[_Atoms, str]] = []
        for first in firsts:
            known += self.by_first.get(first, ())
            known += self.longer.get(first[:2], ())
        for atoms, family in known:
            words = atoms[:-1] if atoms[-1] == _END else atoms
            last = at + len(words) - 1
            if last >= len(tokens) or (words is not atoms and last not in ends):
                continue
            if any(_fits(words[0], first) for first in firsts) and all(
                _fits(atom, tokens[at + i].fold) for i, atom in enumerate(words[1:], 1)
            ):
                yield family, last


def _atoms(word: str) -> Iterator[str]:
    if word == _END:
        yield _END
        return
    if word.isalpha() and word.isascii():
        yield analysis.fold(word)
        return
    pieces = word.split("~")
    if len(pieces) > 1:
        yield "~".join("".join(token.fold for token in analysis.tokens(piece)) for piece in pieces)
    else:
        yield from (token.fold for token in analysis.tokens(word))


@cache
def _wildcard(atom: str) -> re.Pattern[str]:
    return re.compile(".*".join(re.escape(piece) for piece in atom.split("~")) + "$")


def _fits(atom: str, word: str) -> bool:
    if "~" not in atom:
        return word == atom
    return _wildcard(atom).match(word) is not None


_ARTICLES = ("وال", "بال", "فال", "كال", "لل", "ال", "و", "ب", "ل", "ف")


def _without_article(word: str, language: str) -> tuple[str, ...]:
    if language != "ar":
        return (word,)
    return (word, *(word[len(a) :] for a in _ARTICLES if word.startswith(a) and len(word) - len(a) >= 3))


class Frames:
    """The loaded families and frames. Immutable after construction; safe between threads."""

    def __init__(self, families: Mapping[str, Family], frames: Iterable[FrameRecord]) -> None:
        """Raises ValueError for a frame with a family that does not exist."""
        self._words = {language: _Words(language) for language in LANGUAGES}
        for name, family in families.items():
            for language in LANGUAGES:
                for text in (*family.any, *getattr(family, language)):
                    self._words[language].add(text, name)
        for words in self._words.values():
            words.finish()
        self._by_family: dict[str, list[_Frame]] = defaultdict(list)
        for record in frames:
            for name in record.families():
                if name not in families:
                    raise ValueError(f"frames of {record.concept}: there is no family “{name}”")
            for pattern in record.when:
                frame = _frame(pattern, record)
                # Looked for by its rarest slot.
                rare = min(frame.slots, key=lambda slot: sum(_size(families[name]) for name in slot))
                for name in rare:
                    self._by_family[name].append(frame)
        self._senses = lru_cache(maxsize=16384)(self._find_senses)

    def __bool__(self) -> bool:
        return bool(self._by_family)

    def vocabulary(self, language: str) -> frozenset[str]:
        """Words of all families, folded."""
        return frozenset(self._words[language].vocabulary)

    def opened(self, language: str) -> frozenset[str]:
        """Those of which the families give only the middle or the end."""
        return frozenset(self._words[language].opened)

    def tags(self, tokens: Sequence[Token], text: str, likely: Set[str]) -> Tags:
        """By language of the scripts in `text`: family → where it stands.

        Misspelt words are looked for in the `likely` languages only.
        """
        found: dict[str, dict[str, list[_Occurrence]]] = {}
        if not self._by_family:
            return found
        ends = _clause_ends(tokens, text)
        for script in sorted(analysis.scripts(text)):
            for language in analysis.SCRIPTS[script]:
                places: dict[str, list[_Occurrence]] = defaultdict(list)
                words = self._words[language]
                for i, token in enumerate(tokens):
                    for family, sure in self._senses(token.fold, token.text, language, language in likely):
                        places[family].append(_Occurrence(i, i, sure))
                    for family, last in words.phrases(tokens, i, ends):
                        places[family].append(_Occurrence(i, last, True))
                if places:
                    found[language] = places
        return found

    def _find_senses(
        self, word: str, typed: str, language: str, correct: bool
    ) -> tuple[tuple[str, bool], ...]:
        """Families of a word, and whether it is surely that word."""
        words = self._words[language]
        found = words.families(word, typed)
        if found:
            return tuple((family, True) for family in sorted(found))
        if not correct or len(word) < _SHORTEST_TYPO or word.isdigit() or analysis.is_known(word):
            return ()
        return tuple((family, len(word) >= 7) for family in sorted(words.misspelt(word)))

    def find(self, tokens: Sequence[Token], text: str, tags: Tags) -> list[FrameMatch]:
        """Every frame in the query; `tags` as `tags` gives them."""
        sentences = _sentences(tokens, text)
        clauses = clauses_of(tokens, text)
        found: dict[FrameMatch, None] = {}
        for language, places in tags.items():
            pooled = places
            if language in ("uk", "ru"):
                # Many write both in one sentence.
                pooled = _pooled(tags.get("uk", {}), tags.get("ru", {}))
            for family in places:
                for frame in self._by_family.get(family, ()):
                    if not frame.unless.isdisjoint(pooled):
                        continue
                    match = _match(frame, pooled, sentences, clauses)
                    if match is not None:
                        found[match] = None
        return list(found)


def without(tags: Tags, positions: Set[int]) -> Tags:
    """`tags` but for what touches one of these positions."""
    if not positions:
        return tags
    kept: dict[str, dict[str, list[_Occurrence]]] = {}
    for language, places in tags.items():
        for family, occurrences in places.items():
            left = [o for o in occurrences if positions.isdisjoint(range(o.first, o.last + 1))]
            if left:
                kept.setdefault(language, {})[family] = left
    return kept


def _pooled(
    some: Mapping[str, list[_Occurrence]], more: Mapping[str, list[_Occurrence]]
) -> dict[str, list[_Occurrence]]:
    return {family: [*some.get(family, ()), *more.get(family, ())] for family in {*some, *more}}


def _frame(pattern: str, record: FrameRecord) -> _Frame:
    slots = pattern.split()
    asked = [slot for slot in slots if not slot.startswith("-")]
    return _Frame(
        concept=record.concept,
        slots=tuple(frozenset(slot.lstrip(">").split("|")) for slot in asked),
        after=tuple(slot.startswith(">") for slot in asked),
        without=frozenset(name for slot in slots if slot.startswith("-") for name in slot[1:].split("|")),
        unless=frozenset(record.unless),
        never=frozenset(record.never),
        near=record.near,
        alarm=record.alarm,
        over=record.over,
    )


def _size(family: Family) -> int:
    return sum(len(getattr(family, field)) for field in Family.model_fields)


def _sentences(tokens: Sequence[Token], text: str) -> list[int]:
    """The number of the sentence each token stands in."""
    out: list[int] = []
    number = 0
    for i, token in enumerate(tokens):
        if i and _SENTENCE_ENDS.search(text, tokens[i - 1].end, token.start):
            number += 1
        out.append(number)
    return out


def clauses_of(tokens: Sequence[Token], text: str) -> list[int]:
    """The number of the clause each token stands in: punctuation and words like "and" begin another."""
    out: list[int] = []
    number = 0
    for i, token in enumerate(tokens):
        if i and (
            token.fold in _CLAUSE_STARTS
            or any(mark in ".,!?;:\n…" for mark in text[tokens[i - 1].end : token.start])
        ):
            number += 1
        out.append(number)
    return out


def _clause_ends(tokens: Sequence[Token], text: str) -> frozenset[int]:
    """Positions after which a thought ends."""
    clauses = clauses_of(tokens, text)
    return frozenset(i for i in range(len(tokens)) if i + 1 == len(tokens) or clauses[i + 1] > clauses[i])


def _match(
    frame: _Frame,
    places: Mapping[str, list[_Occurrence]],
    sentences: Sequence[int],
    clauses: Sequence[int],
) -> FrameMatch | None:
    options: list[list[_Occurrence]] = []
    for slot in frame.slots:
        here = [occurrence for name in slot for occurrence in places.get(name, ())]
        if not here:
            return None
        options.append(here)
    barred = [occurrence for name in frame.without for occurrence in places.get(name, ())]
    elsewhere = {clauses[o.first] for name in frame.never for o in places.get(name, ())}
    best: FrameMatch | None = None
    for start in options[0]:
        chosen = _complete(frame, start, options)
        if chosen is None:
            continue
        ordered = sorted(chosen, key=lambda o: (o.first, o.last))
        reach = ordered[0].last
        for one in ordered[1:]:
            if one.first - reach - 1 > frame.near:
                break
            reach = max(reach, one.last)
        else:
            first, last = ordered[0].first, max(o.last for o in chosen)
            if sentences[first] != sentences[last]:
                continue
            if any(clauses[o.first] in elsewhere for o in chosen):
                continue
            if any(first - 1 <= o.last and o.first <= last + 1 for o in barred):
                continue
            match = FrameMatch(
                concept=frame.concept,
                tokens=frozenset(i for o in chosen for i in range(o.first, o.last + 1)),
                sure=all(o.sure for o in chosen),
                alarm=frame.alarm,
                over=frame.over,
            )
            if match.sure:
                return match
            best = best or match
    return best


def _complete(
    frame: _Frame, start: _Occurrence, options: Sequence[list[_Occurrence]]
) -> list[_Occurrence] | None:
    """For each slot the occurrence nearest to the one before; no word fills two slots of the same family."""
    chosen = [start]
    for number in range(1, len(options)):
        before = chosen[-1]
        near: _Occurrence | None = None
        nearest = 0
        for occurrence in options[number]:
            if frame.after[number] and occurrence.first <= before.last:
                continue
            if occurrence in chosen and any(
                occurrence == other and frame.slots[i] & frame.slots[number] for i, other in enumerate(chosen)
            ):
                continue
            distance = min(
                max(occurrence.first - other.last, other.first - occurrence.last, 0) for other in chosen
            )
            if near is None or distance < nearest:
                near, nearest = occurrence, distance
        if near is None:
            return None
        chosen.append(near)
    return chosen
