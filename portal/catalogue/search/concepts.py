"""What people mean: words they type, in eleven languages, to concepts with contact kinds and topics.

The words live in `content/synonyms.yaml`; a region may add its own in the same format. The rules at the top of that
file are carried out here: whole words first, then word starts, then typing errors by word length.
"""

import math
import re
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from datetime import date
from functools import lru_cache
from itertools import product
from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError
from rapidfuzz import process
from rapidfuzz.distance import OSA

from portal.catalogue.search import analysis
from portal.catalogue.search.analysis import LANGUAGES, STOP_WORDS, STOP_WORDS_BY_LANGUAGE, Token
from portal.catalogue.search.frames import Family, FrameRecord, Frames, Tags, clauses_of, without
from portal.catalogue.search.learned import NOTHING, Learned, Opinion
from portal.catalogue.search.readings import Reading, Readings, with_verb_beginnings

_Code = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$")]
_Words = tuple[Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)], ...]

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""The C loader is nine times as fast; it is missing in some builds."""

How = Literal["exact", "joined", "start", "typo", "loose", "tail", "frame", "hint", "learned"]


class SynonymsError(Exception):
    """A synonyms file cannot be used; the text names file, concept and field."""


class GermanWords(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    official: _Words = ()
    everyday: _Words = ()
    slang: _Words = ()
    old: _Words = ()
    misspelt: _Words = ()


class ConceptRecord(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    id: _Code
    kinds: tuple[_Code, ...] = ()
    topics: tuple[_Code, ...] = ()
    urgent: bool = False
    generic: bool = False
    """Words that say only that help is wanted; they step back behind every other concept."""
    de: GermanWords = GermanWords()
    en: _Words = ()
    tr: _Words = ()
    ar: _Words = ()
    uk: _Words = ()
    ru: _Words = ()
    fa: _Words = ()
    fr: _Words = ()
    pl: _Words = ()
    ro: _Words = ()
    ku: _Words = ()
    unlike: _Words = ()
    """Words and phrases that look like this concept and mean something else."""
    calm: tuple[_Code, ...] = ()
    """Families that show that an urgent concept is only talked about, unless somebody speaks of themselves."""
    never: tuple[_Code, ...] = ()
    """Families of figures of speech: the urgent concept is not meant at all."""
    weak: tuple[_Code, ...] = ()
    """Families whose words alone raise the alarm in a query of a word or two only; in more words a frame decides."""
    beware: str | None = None
    """For the people who keep the file."""


class SynonymsFile(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    version: Literal[1]
    updated: date
    languages: tuple[str, ...] = LANGUAGES
    topics: tuple[_Code, ...] = ()
    families: dict[_Code, Family] = {}
    frames: tuple[FrameRecord, ...] = ()
    concepts: Annotated[tuple[ConceptRecord, ...], Field(min_length=1)]


@dataclass(frozen=True, slots=True)
class Concept:
    """What a recognised word stands for. `label` is its everyday name by language, German always."""

    id: str
    kinds: tuple[str, ...]
    topics: tuple[str, ...]
    urgent: bool
    generic: bool
    label: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class ConceptMatch:
    """A concept found in a query.

    `tokens` are positions in the token list (none when the examples say it of the whole query), `start` and `end` the characters of the query, `strength` lies between
    0 and 1. `urgent` holds only where the concept is urgent *and* this match is sure enough to say so.
    `correction` is the right spelling when the words were misspelt.
    """

    concept: Concept
    tokens: frozenset[int]
    start: int
    end: int
    strength: float
    how: How
    urgent: bool
    correction: str | None = None


@dataclass(frozen=True, slots=True)
class _Entry:
    number: int
    concept: int
    language: str
    text: str
    words: tuple[str, ...]
    content: tuple[int, ...]
    """Positions of the words that carry the meaning."""
    heavy: int
    """How many of its words carry meaning by themselves."""
    light: bool
    """Made of stop words and negations only."""
    misspelt: bool
    against: bool
    """From `unlike`: takes the concept away instead of giving it."""
    done_to_me: bool
    """A phrase with "mich", "me", "beni": what stands between its words does not matter."""
    particle: bool
    """An `unlike` whose last little word makes the difference, as in "schlägt vor"."""


@dataclass(frozen=True, slots=True)
class _Alternative:
    word: str
    quality: float
    how: How
    sure: bool
    """Good enough for an urgent concept."""


_LIGHT = frozenset(
    analysis.fold(word)
    for word in [
        "nicht",
        "nichts",
        "kein",
        "keine",
        "keinen",
        "keiner",
        "keinem",
        "mehr",
        "nie",
        "niemand",
        "niemanden",
        "kann",
        "können",
        "will",
        "wo",
        "wohin",
        "no",
        "not",
        "dont",
        "don't",
        "cant",
        "can't",
        "anymore",
        "nowhere",
        "никак",
        "не",
        "нет",
        "нема",
        "لا",
        "ليس",
        "مش",
        "نه",
        "değil",
        "yok",
        "pas",
        "plus",
        "rien",
    ]
)
_NEGATIONS = frozenset(analysis.fold(word) for word in ["pas", "plus", "rien", "değil"])
"""Little words that turn a phrase round: "plus envie de vivre" is not "envie de vivre"."""
_FILLERS = frozenset(
    analysis.fold(word)
    for word in [
        "mehr", "überhaupt", "heute", "gestern", "nie", "richtig", "oft", "dauernd", "ständig", "länger", "endlich", "langsam",
        "more", "really", "anymore", "ever", "always", "often", "today", "again", "artık", "hiç", "hiçbir", "hep", "yine",
        "больше", "совсем", "вообще", "просто", "очень", "сегодня", "опять", "більше", "далі", "зовсім", "просто", "вже",
        "дуже", "сьогодні", "знову", "vraiment", "jamais", "toujours", "encore", "encor", "souvent", "trop",
        "tag", "tage", "tagen", "woche", "wochen", "monat", "monaten", "jahr", "jahren", "stunden", "zwei", "drei", "vier",
        "paar", "viele", "vielen", "letzte", "letzten", "nacht", "abend", "days", "weeks", "months", "years", "two", "three",
        "many", "last", "night", "günlerdir", "haftalardır", "недель", "месяцев", "дней", "дня", "три", "два", "днів", "тижнів",
        "місяців", "jours", "semaines", "mois", "ans", "deux", "trois",
        "دیگر", "هیچ", "امشب", "همیشه", "ابدا", "اليوم", "دائما", "بعد", "الليلة", "خلاص",
    ]
)  # fmt: skip
"""Words that may stand inside an urgent phrase and change nothing."""
_CLAUSE_STARTS = frozenset(
    analysis.fold(word)
    for word in [
        "und",
        "weil",
        "bitte",
        "hilfe",
        "oder",
        "aber",
        "hilf",
        "and",
        "please",
        "help",
        "because",
        "but",
        "ve",
        "çünkü",
        "lütfen",
        "et",
        "parce",
        "aidez",
    ]
)
_INFLECTIONS = frozenset(
    ["e", "en", "er", "ern", "em", "es", "s", "n", "in", "innen", "st", "t", "te", "ten", "et", "end"]
)
_ME = frozenset(
    analysis.fold(word)
    for word in [
        "mich", "mir", "uns", "me", "us", "beni", "bana", "bizi", "мене", "мені", "нас", "меня", "мне", "مرا", "منو", "nous",
    ]
)  # fmt: skip
_NEAR_ME = 4
_SURE = 0.6
"""From this strength on a concept counts as recognised."""
_DOUBTED = 0.7
"""What is left of a find of which no example knows anything."""
_OUTSPOKEN = 0.85
"""From this share on examples add a concept to those that were found for sure."""
_LEAST_SHARE, _BESIDE_OTHERS, _OF_ONE_WORD = 0.08, 0.2, 0.4
"""Examples have a guess from this share on; they must be surer where a general word was found, or of a single word."""
_GUESSED = (0.5, 0.4)
"""Strength of a guess, and what its share adds."""
_MOST_GUESSES = 3
_LONG, _STRETCH = 20, 12
"""In queries of more words than `_LONG` each stretch of `_STRETCH` words is asked about by itself, too."""
_FEW = 5
"""Queries of at most so many words are short."""
_RAISED = 0.8
_LIKELY_NOTHING, _PERHAPS_NOTHING = 0.5, 0.3
"""From this share on "means nothing we know" speaks against an alarm of phrases, or of examples for a few words."""
_NO_THREAT = 0.2
"""Up to this share of what raises an alarm nobody is in danger."""
_LONG_WORD, _SPELT_LIKE = 10, 0.8
"""A single long word that no example has is guessed by its pieces, from this share on."""
_LEAST_HINT, _BEST_HINT, _MOST_HINTS = 0.4, 0.55, 3
"""Hints stay below 0.6, where a concept counts as recognised; they never raise the alarm."""
_FAR = 4
"""How much farther apart words may stand when only words without meaning are between them."""
_FREE_ORDER = ("uk", "ru", "fa", "tr")
_FAR_START = {"tr": 7, "uk": 3, "ru": 3, "ar": 3, "fa": 4}
"""How many letters a language may add to the end of a word."""
_OF_LATIN = frozenset(analysis.SCRIPTS["latin"])
_ARABIC_PREFIXES = ("وال", "بال", "فال", "كال", "لل", "ال", "و", "ب", "ل", "ف")


def load_concepts(path: Path, *extensions: Path, learned: Learned | None = None) -> "Concepts":
    """Concepts of `path`; an extension adds words to known ids and may bring concepts of its own.

    Raises SynonymsError for an unreadable or malformed file.
    """
    records: dict[str, ConceptRecord] = {}
    families: dict[str, Family] = {}
    frames: list[FrameRecord] = []
    for number, file in enumerate((path, *extensions)):
        read = read_synonyms(file)
        for record in read.concepts:
            known = records.get(record.id)
            if known is not None and number == 0:
                raise SynonymsError(f"{file.name}: {record.id}: this id stands in the file twice")
            records[record.id] = _extended(known, record) if known else record
        for name, family in read.families.items():
            families[name] = families[name].extended(family) if name in families else family
        frames += read.frames
        try:
            _check(records, families, read.frames)
        except ValueError as error:
            raise SynonymsError(f"{file.name}: {error}") from error
    return Concepts(records.values(), families, frames, learned)


def _check(
    records: Mapping[str, ConceptRecord], families: Mapping[str, Family], frames: Iterable[FrameRecord]
) -> None:
    for frame in frames:
        for concept in (frame.concept, *frame.over):
            if concept not in records:
                raise ValueError(f"frames: there is no concept “{concept}”")
        for name in frame.families():
            if name not in families:
                raise ValueError(f"frames: {frame.concept}: there is no family “{name}”")
    for record in records.values():
        for name in (*record.calm, *record.never, *record.weak):
            if name not in families:
                raise ValueError(f"{record.id}: there is no family “{name}”")


def read_synonyms(path: Path) -> SynonymsFile:
    """Raises SynonymsError for an unreadable or malformed file."""
    try:
        data = yaml.load(path.read_text(encoding="utf-8"), Loader=_LOADER)  # noqa: S506 (both are safe loaders)
    except (OSError, yaml.YAMLError, UnicodeDecodeError) as error:
        raise SynonymsError(f"{path.name}: {error}") from error
    try:
        return SynonymsFile.model_validate(data)
    except ValidationError as error:
        first = error.errors()[0]
        where = list(first["loc"])
        if len(where) > 1 and where[0] == "concepts" and isinstance(where[1], int):
            where[:2] = [data["concepts"][where[1]].get("id", f"concept {where[1] + 1}")]
        raise SynonymsError(
            f"{path.name}: {': '.join(str(part) for part in where)}: {first['msg']}"
        ) from error


def _extended(known: ConceptRecord, more: ConceptRecord) -> ConceptRecord:
    update: dict[str, object] = {
        field: tuple(dict.fromkeys((*getattr(known, field), *getattr(more, field))))
        for field in (
            "kinds",
            "topics",
            "unlike",
            "calm",
            "never",
            "weak",
            *(code for code in LANGUAGES if code != "de"),
        )
    }
    update["de"] = GermanWords(
        **{
            field: tuple(dict.fromkeys((*getattr(known.de, field), *getattr(more.de, field))))
            for field in GermanWords.model_fields
        }
    )
    update["urgent"] = known.urgent or more.urgent
    return known.model_copy(update=update)


class Concepts:
    """The loaded words, ready to be looked for in queries. Immutable after construction; safe between threads."""

    def __init__(
        self,
        records: Iterable[ConceptRecord],
        families: Mapping[str, Family] | None = None,
        frames: Iterable[FrameRecord] = (),
        learned: Learned | None = None,
    ) -> None:
        self._learned = learned
        self._frames = Frames(families or {}, frames)
        self._all_words = frozenset[str]()
        self._concepts: list[Concept] = []
        self._care: list[tuple[frozenset[str], frozenset[str], frozenset[str]]] = []
        self._entries: list[_Entry] = []
        self._stems: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
        for record in records:
            self._add(record)
        self._occurrences: dict[str, list[tuple[int, int]]] = defaultdict(list)
        self._languages: dict[str, set[str]] = defaultdict(set)
        self._joined: dict[str, list[int]] = defaultdict(list)
        for entry in self._entries:
            for position, word in enumerate(entry.words):
                self._occurrences[word].append((entry.number, position))
                self._languages[word].add(entry.language)
            if len(entry.words) > 1 and sum(map(len, entry.words)) >= 6:
                self._joined["".join(entry.words)].append(entry.number)
        meaningful = {
            (entry.language, entry.words[position])
            for entry in self._entries
            for position in entry.content
            if entry.words[position] not in _LIGHT and not entry.against
        }
        self._typable = {
            language: sorted(word for of, word in meaningful if of == language and len(word) >= 4)
            for language in LANGUAGES
        }
        self._starters = {language: frozenset(words) for language, words in self._typable.items()}
        self._singles = frozenset(entry.words[0] for entry in self._entries if len(entry.words) == 1)
        self._all_words = frozenset(self._occurrences)
        self.by_id = {concept.id: concept for concept in self._concepts}
        self._urgent = frozenset(concept.id for concept in self._concepts if concept.urgent)
        self._numbers = {concept.id: number for number, concept in enumerate(self._concepts)}
        self._alternatives = lru_cache(maxsize=8192)(self._find_alternatives)
        self._telling = lru_cache(maxsize=8192)(self._share_of_word)
        written = {language: self._frames.vocabulary(language) for language in LANGUAGES}
        for entry in self._entries:
            if not entry.against:
                written[entry.language] |= {*entry.words}
        latin = frozenset[str]().union(*(written[language] for language in analysis.SCRIPTS["latin"]))
        self._latin = latin | STOP_WORDS | _LIGHT
        self._readings = Readings(
            {**written, "ar": written["ar"] | with_verb_beginnings(self._frames.opened("ar"))},
            lru_cache(maxsize=16384)(self._is_latin),
        )

    def __len__(self) -> int:
        return len(self._concepts)

    def __iter__(self) -> Iterator[Concept]:
        return iter(self._concepts)

    def _add(self, record: ConceptRecord) -> None:
        german = record.de
        label = {"de": next(iter((*german.everyday, *german.official)), record.id)}
        if german.official:
            label["de"] = german.official[0]
        for language in LANGUAGES[1:]:
            words: tuple[str, ...] = getattr(record, language)
            if words:
                label[language] = words[0]
        number = len(self._concepts)
        self._concepts.append(
            Concept(record.id, record.kinds, record.topics, record.urgent, record.generic, label)
        )
        self._care.append((frozenset(record.calm), frozenset(record.never), frozenset(record.weak)))
        seen: set[tuple[str, tuple[str, ...]]] = set()
        lists: list[tuple[str, tuple[str, ...], bool, bool]] = [
            ("de", (*german.official, *german.everyday, *german.slang, *german.old), False, False),
            *((language, getattr(record, language), False, False) for language in LANGUAGES[1:]),
            ("de", german.misspelt, True, False),
            ("de", record.unlike, False, True),
        ]
        for language, texts, misspelt, against in lists:
            for text in (phrase for listed in texts for phrase in phrases(listed)):
                found = analysis.tokens(text)
                words = tuple(token.fold for token in found)
                if not words or (language, words) in seen:
                    continue
                if not against:
                    for token in found:
                        for stem in _stems_of(token.fold, token.text, language):
                            self._stems[language][stem].add(token.fold)
                seen.add((language, words))
                stops = STOP_WORDS if against else STOP_WORDS_BY_LANGUAGE[language]
                content = tuple(i for i, word in enumerate(words) if word not in stops or word in _NEGATIONS)
                heavy = [i for i in content if words[i] not in _LIGHT]
                self._entries.append(
                    _Entry(
                        number=len(self._entries),
                        concept=number,
                        language=language,
                        text=text,
                        words=words,
                        content=content,
                        heavy=len(heavy),
                        light=not heavy,
                        misspelt=misspelt,
                        against=against,
                        done_to_me=not against
                        and len(words) > 1
                        and len(content) > 0
                        and bool(_ME & {*words}),
                        particle=against and len(words) - 1 not in content,
                    )
                )

    def words(self) -> frozenset[str]:
        """Every folded word that some concept uses."""
        return self._all_words

    def recognise(
        self,
        tokens: Sequence[Token],
        text: str,
        language: str,
        *,
        growing: bool = False,
        age_at: Set[int] = frozenset(),
    ) -> tuple[ConceptMatch, ...]:
        """Concepts in `text`, the strongest first; `tokens` are its words, `language` is that of the page.

        `growing`: the last word may still be typed, so its beginning is enough for a weak find. `age_at` are positions of
        words that say an age: they mean something only in phrases that name it, "mit 18 ausziehen".
        """
        apart = self._readings.apart(tokens, language)
        if apart is not None:
            return self._reread(apart, tokens, age_at)
        foreign = self._readings.in_other_letters(tokens, language)
        if foreign is not None:
            found = self._reread(foreign, tokens, age_at)
            if any(match.strength >= _SURE for match in found):
                return found
        return self._recognise(tokens, text, language, growing=growing, age_at=age_at)

    def _is_latin(self, folded: str, typed: str) -> bool:
        """Whether a word, or one of which it is a form, is known as it stands."""
        if folded in self._latin or analysis.is_known(folded):
            return True
        return any(option.how != "typo" for option in self._find_alternatives(folded, typed, _OF_LATIN))

    def _reread(
        self, reading: Reading, tokens: Sequence[Token], age_at: Set[int]
    ) -> tuple[ConceptMatch, ...]:
        """What is found in another reading, at the words that were typed. One word in other letters is no alarm."""
        ages = frozenset(i for i, at in enumerate(reading.origin) if at in age_at)
        out = []
        for match in self._recognise(reading.tokens, reading.text, reading.language, age_at=ages):
            at = frozenset(reading.origin[i] for i in match.tokens)
            out.append(
                replace(
                    match,
                    tokens=at,
                    start=tokens[min(at)].start if at else 0,
                    end=tokens[max(at)].end if at else 0,
                    urgent=match.urgent and not (reading.foreign and len(tokens) < 2),
                    correction=None,
                )
            )
        return tuple(out)

    def _recognise(
        self,
        tokens: Sequence[Token],
        text: str,
        language: str,
        *,
        growing: bool = False,
        age_at: Set[int] = frozenset(),
    ) -> tuple[ConceptMatch, ...]:
        likely = analysis.likely_languages(text, language)
        hits: dict[int, list[_Found]] = defaultdict(list)
        against: dict[int, list[frozenset[int]]] = defaultdict(list)
        alternatives = [self._alternatives(token.fold, token.text, likely) for token in tokens]
        if growing and tokens and not alternatives[-1] and not analysis.is_known(tokens[-1].fold):
            alternatives[-1] = self._beginnings(tokens[-1].fold, likely)
        for hit in self._hits(tokens, alternatives, likely, text):
            if hit.tokens & age_at and not hit.names_a_number:
                continue
            if not hit.against:
                hits[hit.concept].append(hit)
            elif hit.quality >= 0.9:
                against[hit.concept].append(hit.tokens)
        tags = without(self._frames.tags(tokens, text, likely), age_at)
        behind: set[str] = set()
        for match in self._frames.find(tokens, text, tags):
            behind.update(match.over)
            number = self._numbers[match.concept]
            quality = 0.95 if match.sure else 0.75
            hits[number].append(
                _Found(number, None, match.tokens, quality, "frame", match.sure and match.alarm)
            )
        spoken_of = frozenset[str]().union(*tags.values())
        clauses = clauses_of(tokens, text)
        found: dict[int, _Found] = {}
        explained = False
        for number, ways in hits.items():
            # What `unlike` explains is gone; a find that reaches beyond it stands: "schlägt vor und schlägt mich".
            for hit in ways:
                told = frozenset(i for i in hit.tokens if tokens[i].fold not in STOP_WORDS) or hit.tokens
                if any(told <= span or (hit.how == "frame" and told & span) for span in against[number]):
                    explained = explained or self._concepts[number].urgent
                    continue
                if self._concepts[number].urgent and hit.how != "frame":
                    _, never, _ = self._care[number]
                    there = {clauses[i] for i in hit.tokens}
                    if any(
                        clauses[occurrence.first] in there
                        for places in tags.values()
                        for name in never & places.keys()
                        for occurrence in places[name]
                    ):
                        explained = True
                        continue
                    if hit.sure and not self._serious(hit, tokens, tags, spoken_of):
                        explained = explained or not self._care[number][0].isdisjoint(spoken_of)
                        hit = replace(hit, sure=False)
                found[number] = found[number].better(hit) if number in found else hit
        if not any(hit.quality >= _SURE and not self._concepts[n].generic for n, hit in found.items()):
            for hint in self._hints(tokens, [() if i in age_at else o for i, o in enumerate(alternatives)]):
                if not against[hint.concept]:
                    found.setdefault(hint.concept, hint)
        matches = self._ranked(found, tokens, text, behind)
        if self._learned is None:
            return matches
        heard = [i for i in range(len(tokens)) if i not in age_at]
        opinion = _opinion(self._learned, [tokens[i] for i in heard], heard, text, language, tags, likely)
        settings = self._learned.settings
        matches = self._weighed(
            matches,
            opinion,
            threat=min(opinion.danger / settings.alarm, 1.0),
            longest=max((len(tokens[i].fold) for i in heard), default=0),
        )
        nothing = opinion.share(NOTHING)
        if any(match.urgent for match in matches):
            calm = settings.calm_meaning if nothing >= _LIKELY_NOTHING else settings.calm
            return self._calmed(matches) if opinion.danger < calm else matches
        sure = any(
            m.strength >= 0.9 and m.how != "learned" and not (m.concept.generic or m.concept.urgent)
            for m in matches
        )
        short = len(heard) <= _FEW
        if short and nothing >= _PERHAPS_NOTHING:
            return matches
        least = settings.alarm_short if short else settings.alarm
        if opinion.known < 2 or opinion.danger < (settings.alarm_against if sure or explained else least):
            return matches
        return self._alarmed(matches, opinion)

    def _weighed(
        self, matches: tuple[ConceptMatch, ...], opinion: Opinion, *, threat: float, longest: int
    ) -> tuple[ConceptMatch, ...]:
        """The finds in the light of what examples say; with their best guess where nothing was found for sure."""
        # Nobody is sent to an emergency service by a guess that sees no danger.
        shares = {
            code: share * (threat**2 if code in self._urgent else 1.0)
            for code, share in opinion.concepts
            if code != NOTHING
        }
        best = max(shares.values(), default=0.0)
        if best < (_LEAST_SHARE if opinion.known else _SPELT_LIKE):
            return matches
        if not opinion.known and (matches or threat > _NO_THREAT or longest < _LONG_WORD):
            return matches
        out = []
        specific = named = False
        for match in matches:
            if match.how == "hint":
                match = replace(match, strength=round(match.strength * _DOUBTED, 3))
            elif (
                match.concept.urgent
                and not match.urgent
                and threat <= _NO_THREAT
                and best >= _OUTSPOKEN
                and shares.get(match.concept.id, 0.0) < best / 2
            ):
                # "Von Kündigung bedroht": examples know what is meant, and it is nothing urgent.
                match = replace(match, strength=round(match.strength * 0.3, 3))
            elif match.strength >= _SURE and not match.concept.generic:
                specific = True
            if match.strength >= _SURE and not match.concept.generic and opinion.known > 1:
                share = shares.get(match.concept.id, 0.0) / best
                match = replace(
                    match, strength=round(match.strength * (_DOUBTED + (1 - _DOUBTED) * share), 3)
                )
            named = named or match.strength >= _SURE
            out.append(match)
        present = {match.concept.id: at for at, match in enumerate(out)}
        for code, share in sorted(shares.items(), key=lambda item: -item[1])[:_MOST_GUESSES]:
            concept = self.by_id.get(code)
            if concept is None or share < best / 2:
                continue
            if specific and (code in present or share < _OUTSPOKEN):
                continue
            if share < _OF_ONE_WORD and (opinion.known < 2 or (named and share < _BESIDE_OTHERS)):
                continue
            strength = _GUESSED[0] + _GUESSED[1] * share * (0.5 if specific else 1.0)
            if code in present:
                at = present[code]
                out[at] = replace(out[at], strength=max(out[at].strength, round(strength, 3)))
            else:
                out.append(_guess(concept, strength))
        return _in_order(out)

    def _calmed(self, matches: tuple[ConceptMatch, ...]) -> tuple[ConceptMatch, ...]:
        """An alarm taken back: examples say that such words are harmless."""
        other = any(m.strength >= _SURE and not m.concept.urgent for m in matches)
        return _in_order(
            replace(m, urgent=False, strength=round(m.strength * 0.3, 3) if other else m.strength)
            if m.urgent
            else m
            for m in matches
        )

    def _alarmed(self, matches: tuple[ConceptMatch, ...], opinion: Opinion) -> tuple[ConceptMatch, ...]:
        """An alarm raised by examples, for the urgent concept that they mean most likely."""
        shares = dict(opinion.concepts)
        urgent = [concept for concept in self._concepts if concept.urgent]
        if not urgent:
            return matches
        meant = max(urgent, key=lambda concept: shares.get(concept.id, 0.0))
        known = next((match for match in matches if match.concept is meant), _guess(meant, 0.0))
        raised = replace(known, urgent=True, strength=max(known.strength, _RAISED))
        return _in_order([raised, *(match for match in matches if match.concept is not meant)])

    def _serious(self, hit: "_Found", tokens: Sequence[Token], tags: Tags, spoken_of: Set[str]) -> bool:
        """Whether a find of an urgent concept is more than a film, a sport, a job, a word among others."""
        calm, _, weak = self._care[hit.concept]
        if not calm.isdisjoint(spoken_of) and not any(tokens[i].fold in _ME for i in hit.tokens):
            return False
        if len(hit.tokens) > 1 or not weak or sum(t.fold not in STOP_WORDS for t in tokens) <= 1:
            return True
        [at] = hit.tokens
        return not any(
            occurrence.first <= at <= occurrence.last
            for places in tags.values()
            for family in weak & places.keys()
            for occurrence in places[family]
        )

    def _hints(
        self, tokens: Sequence[Token], alternatives: Sequence[tuple["_Alternative", ...]]
    ) -> list["_Found"]:
        """Concepts whose phrases share the telling words of a query that is no phrase of any."""
        votes: dict[int, dict[int, float]] = defaultdict(dict)
        for i, options in enumerate(alternatives):
            if tokens[i].fold in STOP_WORDS or tokens[i].fold in _LIGHT:
                continue
            for option in options:
                for number, share in self._telling(option.word).items():
                    vote = share * option.quality
                    if vote > votes[number].get(i, 0.0):
                        votes[number][i] = vote
        ranked = sorted(((sum(v.values()), number) for number, v in votes.items()), reverse=True)[
            :_MOST_HINTS
        ]
        return [
            _Found(
                number, None, frozenset(votes[number]), min(0.3 + total / 4, _BEST_HINT), "hint", sure=False
            )
            for total, number in ranked
            if total >= _LEAST_HINT
            and total >= ranked[0][0] / 2
            and (len(votes[number]) > 1 or len(alternatives) > 1)
        ]

    def _share_of_word(self, word: str) -> dict[int, float]:
        """How much a word speaks for each concept: its share of the phrases with the word, less for common words."""
        counts: dict[int, int] = defaultdict(int)
        for number, position in self._occurrences.get(word, ()):
            entry = self._entries[number]
            concept = self._concepts[entry.concept]
            if position in entry.content and not (entry.against or concept.generic):
                counts[entry.concept] += 1
        every = sum(counts.values())
        return {
            number: count / every / math.sqrt(len(counts))
            for number, count in counts.items()
            if count > 1 and not self._concepts[number].urgent
        }

    def _ranked(
        self, found: Mapping[int, "_Found"], tokens: Sequence[Token], text: str, behind: Set[str]
    ) -> tuple[ConceptMatch, ...]:
        specific = any(not self._concepts[number].generic for number in found)
        told_of_other = any(
            not self._concepts[number].generic and not self._concepts[number].urgent and hit.quality >= 0.6
            for number, hit in found.items()
        )
        matches: list[ConceptMatch] = []
        for number, hit in found.items():
            concept = self._concepts[number]
            strength, urgent = hit.quality, concept.urgent and hit.sure
            inside = any(
                other is not hit and hit.tokens < other.tokens and other.quality >= 0.8
                for other in found.values()
            )
            if inside:
                # "Ausbildung abbrechen" is about trouble; that it is also about "Ausbildung" hardly counts.
                strength *= 0.3
                urgent = False
            if (
                (concept.generic and specific)
                or concept.id in behind
                or (concept.urgent and not hit.sure and told_of_other)
            ):
                strength *= 0.3
            first, last = tokens[min(hit.tokens)], tokens[max(hit.tokens)]
            matches.append(
                ConceptMatch(
                    concept=concept,
                    tokens=hit.tokens,
                    start=first.start,
                    end=last.end,
                    strength=round(strength, 3),
                    how=hit.how,
                    urgent=urgent,
                    correction=self._correction(hit, text[first.start : last.end]),
                )
            )
        return _in_order(matches)

    def _correction(self, hit: "_Found", typed: str) -> str | None:
        right = hit.entry
        if right is None or (hit.how != "typo" and not right.misspelt):
            return None
        if right.misspelt:
            folded = analysis.normalise(typed)
            candidates = [
                entry
                for entry in self._entries
                if entry.concept == right.concept
                and entry.language == right.language
                and not entry.misspelt
                and not entry.against
            ]
            if not candidates:
                return None
            right = min(candidates, key=lambda entry: OSA.distance(folded, " ".join(entry.words)))
            if OSA.distance(folded, " ".join(right.words)) > max(2, len(folded) // 3):
                return None
        return right.text if analysis.normalise(right.text) != analysis.normalise(typed) else None

    def _hits(
        self,
        tokens: Sequence[Token],
        alternatives: Sequence[tuple[_Alternative, ...]],
        likely: frozenset[str],
        text: str,
    ) -> Iterable["_Found"]:
        places: dict[str, list[tuple[int, _Alternative]]] = defaultdict(list)
        candidates: dict[int, None] = {}
        for i, options in enumerate(alternatives):
            for option in options:
                places[option.word].append((i, option))
                for number, position in self._occurrences[option.word]:
                    entry = self._entries[number]
                    if position in entry.content or not entry.content:
                        candidates[number] = None
        for number in candidates:
            entry = self._entries[number]
            if not self._plausible(entry, tokens, places, likely):
                continue
            yield from self._strict(entry, tokens, places, text)
            # One word with its little words is too little to be found loosely where danger is concerned.
            frail = self._concepts[entry.concept].urgent and entry.heavy < 2
            if entry.done_to_me or (frail and entry.heavy and len(entry.words) > 1 and not entry.against):
                yield from self._spread(entry, tokens, places)
            if len(entry.content) >= 2 and not entry.light and not entry.particle:
                if entry.against or not frail:
                    yield from self._loose(entry, tokens, places)
        yield from self._written_apart(tokens, likely)

    def _plausible(
        self,
        entry: _Entry,
        tokens: Sequence[Token],
        places: Mapping[str, list[tuple[int, _Alternative]]],
        likely: frozenset[str],
    ) -> bool:
        """Very short words of another language are usually just that language's little words."""
        if len(entry.words) > 1:
            return True
        word = entry.words[0]
        if len(word) <= 3 and entry.language not in likely and word not in STOP_WORDS:
            return len(tokens) == 1 and not self._concepts[entry.concept].urgent
        if len(word) <= 3 and any(word in STOP_WORDS_BY_LANGUAGE[code] for code in likely):
            # "BuT" and "JA" are offices, "but" and "ja" are not.
            return any(
                tokens[i].text == entry.text or (tokens[i].text.isupper() and len(tokens) > 1)
                for i, _ in places[word]
            )
        return True

    def _strict(
        self,
        entry: _Entry,
        tokens: Sequence[Token],
        places: Mapping[str, list[tuple[int, _Alternative]]],
        text: str,
    ) -> Iterable["_Found"]:
        anchor = entry.content[0] if entry.content else 0
        for i, _ in places[entry.words[anchor]]:
            start = i - anchor
            if start < 0 or start + len(entry.words) > len(tokens):
                continue
            quality, sure = 1.0, True
            how: How = "exact"
            for position, word in enumerate(entry.words):
                option = next((o for at, o in places.get(word, ()) if at == start + position), None)
                if option is None:
                    break
                quality = min(quality, option.quality)
                sure = sure and option.sure
                how = option.how if option.how != "exact" else how
            else:
                end = start + len(entry.words)
                if entry.light and len(entry.words) > 1 and not _ends_clause(tokens, end, text):
                    sure = False
                    quality *= 0.5
                yield _Found(entry.concept, entry, frozenset(range(start, end)), quality, how, sure)

    def _spread(
        self, entry: _Entry, tokens: Sequence[Token], places: Mapping[str, list[tuple[int, _Alternative]]]
    ) -> Iterable["_Found"]:
        """All words of the phrase near each other: "hat mich gestern wieder geschlagen", "чоловік мене побив".

        Without a "mich" only words that change nothing may stand between them: "не хочу больше жить".
        """
        anchor = entry.content[-1]
        for at, option in places[entry.words[anchor]]:
            chosen, options = {anchor: at}, [option]
            for position in range(len(entry.words)):
                if position == anchor:
                    continue
                before = position < anchor
                near = [
                    (i, other)
                    for i, other in places.get(entry.words[position], ())
                    if i not in chosen.values()
                    and 0 < abs(i - at) <= _NEAR_ME
                    and (entry.language in _FREE_ORDER or (i < at) == before)
                ]
                if not near:
                    break
                i, other = min(near, key=lambda pair: abs(pair[0] - at))
                chosen[position] = i
                options.append(other)
            else:
                span = range(min(chosen.values()), max(chosen.values()) + 1)
                between = [tokens[i].fold for i in span if i not in chosen.values()]
                if not entry.done_to_me and not _FILLERS.issuperset(between):
                    continue
                quality = 0.9 * min(o.quality for o in options)
                yield _Found(
                    entry.concept,
                    entry,
                    frozenset(chosen.values()),
                    quality,
                    "loose",
                    all(o.sure for o in options),
                )

    def _loose(
        self, entry: _Entry, tokens: Sequence[Token], places: Mapping[str, list[tuple[int, _Alternative]]]
    ) -> Iterable["_Found"]:
        """All meaningful words near each other: "Angst vor Schule" in "angst vor der großen schule"."""
        words = [entry.words[position] for position in entry.content]
        if any(word not in places for word in words):
            return
        reach = len(words) + 3
        urgent = self._concepts[entry.concept].urgent
        for first, option in places[words[0]]:
            chosen, options = [first], [option]
            for word in words[1:]:
                near = [
                    (at, o)
                    for at, o in places[word]
                    if at not in chosen and abs(at - first) < reach + _FAR and (not urgent or at > chosen[-1])
                ]
                if not near:
                    break
                at, o = min(near, key=lambda pair: abs(pair[0] - chosen[-1]))
                chosen.append(at)
                options.append(o)
            else:
                gaps = set(range(min(chosen), max(chosen) + 1)) - set(chosen)
                only_stops = all(
                    tokens[gap].fold in STOP_WORDS or tokens[gap].fold in _FILLERS for gap in gaps
                )
                if max(chosen) - min(chosen) >= reach and not only_stops:
                    continue
                quality = 0.9 * min(o.quality for o in options)
                sure = only_stops and all(o.sure for o in options)
                yield _Found(entry.concept, entry, frozenset(chosen), quality, "loose", sure)

    def _written_apart(self, tokens: Sequence[Token], likely: frozenset[str]) -> Iterable["_Found"]:
        """Spaces in the wrong place: "job center", "selbstmord" for "selbst mord"."""
        for start in range(len(tokens)):
            joined = tokens[start].fold
            for number in self._joined.get(joined, ()):
                entry = self._entries[number]
                yield _Found(entry.concept, entry, frozenset({start}), 0.95, "joined", True)
            for end in range(start + 1, min(start + 4, len(tokens))):
                joined += tokens[end].fold
                if len(joined) < 2:
                    continue
                span = frozenset(range(start, end + 1))
                for number, _ in self._occurrences.get(joined, ()):
                    entry = self._entries[number]
                    if len(entry.words) == 1 and (len(joined) > 3 or entry.language in likely):
                        yield _Found(entry.concept, entry, span, 0.95, "joined", True)

    def _find_alternatives(self, word: str, typed: str, likely: frozenset[str]) -> tuple[_Alternative, ...]:
        """Entry words that `word` may stand for: itself and its stems, else word starts, else typing errors."""
        if word in self._singles:
            return (_Alternative(word, 1.0, "exact", sure=True),)
        options: dict[str, _Alternative] = {}
        if word in self._occurrences:
            options[word] = _Alternative(word, 1.0, "exact", sure=True)
        if len(word) >= 3:
            # Three letters are a whole root in Arabic: "بيت" in "البيت".
            for language in likely & self._stems.keys() if len(word) > 3 else likely & {"ar"}:
                for spelling in _without_clitics(word, language):
                    for stem in _stems_of(spelling, typed, language):
                        for same in self._stems[language].get(stem, ()):
                            if same not in options and (len(same) > 3 or self._is_phrase_word(same)):
                                sure = abs(len(same) - len(word)) <= 3
                                options[same] = _Alternative(same, 0.95, "exact", sure=sure)
        if word in options and len(word) >= 5:
            # It stands in phrases only ("Azubis finden"); alone it may still be a form of another word ("Azubi").
            options = {**self._starts(word, likely), **options}
        if options:
            return tuple(options.values())
        if len(word) >= 5 and word not in analysis.common_words():
            options = (
                self._parts(word, likely)
                or self._typos(word, likely)
                or self._strange_compounds(word, likely)
            )
        return tuple(options.values())

    def _is_phrase_word(self, word: str) -> bool:
        """ "ending my life" may be "end my life", though "end" alone is too short to be recognised by its stem."""
        return len(word) == 3 and word.isascii() and word not in self._singles and word not in STOP_WORDS

    def _beginnings(self, start: str, likely: frozenset[str]) -> tuple[_Alternative, ...]:
        if len(start) < 4:
            return ()
        found: set[str] = set()
        for language in likely:
            words = self._typable.get(language, [])
            at = bisect_left(words, start)
            found.update(word for word in words[at : at + 8] if word.startswith(start))
        return tuple(_Alternative(word, 0.5, "start", sure=False) for word in sorted(found))

    def _starts(self, word: str, likely: frozenset[str]) -> dict[str, _Alternative]:
        for length in range(len(word) - 1, 3, -1):
            start, rest = word[:length], word[length:]
            languages = {language for language in likely if start in self._starters.get(language, ())}
            if not languages:
                continue
            if "de" in languages and analysis.scripts(word) == {"latin"}:
                bare = rest[1:] if rest[0] in "sn" and len(rest) > 3 else rest
                if rest in _INFLECTIONS:
                    return {start: _Alternative(start, 0.9, "start", sure=True)}
                if {rest, bare} & analysis.compound_words() or analysis.split_compound(bare):
                    return {start: _Alternative(start, 0.85, "start", sure=True)}
            if any(len(rest) <= _FAR_START.get(language, 0) and length >= 4 for language in languages):
                return {start: _Alternative(start, 0.85, "start", sure=length >= 5)}
        return {}

    def _parts(self, word: str, likely: frozenset[str]) -> dict[str, _Alternative]:
        """Beginning or end of a compound; a beginning that stands in phrases only does not hide the end."""
        starts = self._starts(word, likely)
        return starts if self._singles & starts.keys() else {**self._tails(word), **starts}

    def _strange_compounds(self, word: str, likely: frozenset[str]) -> dict[str, _Alternative]:
        """Known beginnings with an unknown rest: "jobcenterdings"."""
        if "de" not in likely or analysis.is_known(word):
            return {}
        for length in range(len(word) - 4, 5, -1):
            if word[:length] in self._starters["de"]:
                return {word[:length]: _Alternative(word[:length], 0.6, "start", sure=False)}
        return {}

    def _tails(self, word: str) -> dict[str, _Alternative]:
        """The last part of a German compound carries its meaning: "Handyschulden" are "Schulden"."""
        parts = analysis.split_compound(word)
        at = 0
        for part in parts[:-1]:
            at = word.index(part, at) + len(part)
            for cut in range(at, min(at + 3, len(word) - 3)):
                tail = word[cut:]
                if "de" in self._languages.get(tail, set()):
                    return {tail: _Alternative(tail, 0.75, "tail", sure=False)}
        return {}

    def _typos(self, word: str, likely: frozenset[str]) -> dict[str, _Alternative]:
        limit = edits_allowed(word)
        if not limit or analysis.is_known(word) or word.isdigit():
            return {}
        nearest: dict[str, int] = {}
        for language in likely:
            for candidate, distance, _ in process.extract(
                word, self._typable.get(language, ()), scorer=OSA.distance, score_cutoff=limit, limit=6
            ):
                if distance > 1 and candidate[0] != word[0]:
                    continue
                if distance > edits_allowed(candidate) and distance > 0:
                    continue
                nearest[candidate] = int(distance)
        if not nearest:
            return {}
        least = min(nearest.values())
        sure = (least == 1 and len(word) >= 6) or len(word) >= 9
        return {
            candidate: _Alternative(candidate, 0.8 if distance == 1 else 0.65, "typo", sure=sure)
            for candidate, distance in nearest.items()
            if distance == least
        }


def _opinion(
    learned: Learned,
    words: Sequence[Token],
    positions: Sequence[int],
    text: str,
    language: str,
    tags: Tags,
    likely: Set[str],
) -> Opinion:
    """What the examples say of `words`, which stand at `positions`; of a long query as dangerous as its worst stretch."""
    whole = learned.opinion(words, text, language, tags, likely)
    if len(words) <= _LONG:
        return whole
    worst = whole.danger
    for start in range(0, len(words) - _STRETCH // 2, _STRETCH // 2):
        here = slice(start, start + _STRETCH)
        there = {*positions[: here.start], *positions[here.stop :]}
        worst = max(worst, learned.opinion(words[here], text, language, without(tags, there), likely).danger)
    return replace(whole, danger=worst)


def _in_order(matches: Iterable[ConceptMatch]) -> tuple[ConceptMatch, ...]:
    return tuple(
        sorted(
            matches, key=lambda match: (-match.strength, -len(match.tokens), match.start, match.concept.id)
        )
    )


def _guess(concept: Concept, strength: float) -> ConceptMatch:
    """A concept that the whole query means; no words of it in particular."""
    return ConceptMatch(concept, frozenset(), 0, 0, round(strength, 3), "learned", urgent=False)


def _stems_of(folded: str, typed: str, language: str) -> tuple[str, ...]:
    """Some stemmers read accents, which people type or leave out."""
    stem = analysis.stem(folded, language)
    return (stem,) if language not in analysis.ACCENTED else tuple({stem, analysis.stem(typed, language)})


def phrases(text: str) -> tuple[str, ...]:
    """What an entry of the file stands for: "Mama/Papa haut" is two phrases, "zu Hause" is also written "zuhause"."""
    alternatives = [word.split("/") for word in text.split()]
    found = [" ".join(words) for words in product(*alternatives)]
    together = [_HOME.sub(r"\1hause", phrase) for phrase in found]
    return tuple(dict.fromkeys((*found, *together)))


_HOME = re.compile(r"\b(zu|nach) hause\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class _Found:
    concept: int
    entry: _Entry | None
    """None for a frame or a hint."""
    tokens: frozenset[int]
    quality: float
    how: How
    sure: bool

    @property
    def against(self) -> bool:
        return self.entry is not None and self.entry.against

    @property
    def names_a_number(self) -> bool:
        return self.entry is not None and any(word.isdigit() for word in self.entry.words)

    def better(self, other: "_Found") -> "_Found":
        """The stronger of two finds of one concept; a sure one keeps its word about urgency."""
        best = max(
            self,
            other,
            key=lambda find: (
                round(find.quality, 2),
                len(find.tokens),
                find.entry is None or not find.entry.misspelt,
            ),
        )
        spelt = next((find for find in (self, other) if find.entry and find.how == "typo"), None)
        if best.entry is None and spelt is not None and spelt.tokens == best.tokens:
            # A family knows no right spelling; the phrase does.
            best = replace(spelt, quality=best.quality)
        return replace(best, sure=self.sure or other.sure)


def edits_allowed(word: str) -> int:
    """Typing errors to forgive in a word of this length; shorter than five letters none."""
    return 0 if len(word) < 5 else 1 if len(word) < 8 else 2


def _ends_clause(tokens: Sequence[Token], end: int, text: str) -> bool:
    """Whether the words before position `end` end a thought: "ich kann nicht mehr", not "… mehr in die Schule"."""
    if end >= len(tokens) or tokens[end].fold in _CLAUSE_STARTS:
        return True
    return any(mark in text[tokens[end - 1].end : tokens[end].start] for mark in ".,!?;:\n…")


def _without_clitics(word: str, language: str) -> tuple[str, ...]:
    if language != "ar":
        return (word,)
    return (
        word,
        *(word[len(p) :] for p in _ARABIC_PREFIXES if word.startswith(p) and len(word) - len(p) >= 3),
    )
