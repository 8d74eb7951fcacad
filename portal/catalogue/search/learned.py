"""What a query probably means, learnt from examples: beside the phrases and frames, which know only what is listed.

Two linear models over the same features. Concepts: complement naive Bayes, which is kept as small whole weights of the
few concepts a feature speaks for. Danger: logistic regression. `portal search learn` (learning.py) makes the file.
"""

import json
import math
import re
import struct
import sys
import zlib
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from itertools import accumulate, pairwise
from pathlib import Path

from portal.catalogue.search import analysis
from portal.catalogue.search.analysis import Token
from portal.catalogue.search.frames import Tags

FORMAT = 1
"""Changes with the features and with the layout of the file; a file of another format is not used."""
NOTHING = "-"
"""Stands among the concepts for texts that mean none of them."""
_LAUGHING = re.compile(
    r"[😀-😆🤣😹🙃😜😛]|\b(?:lo+l|lma?f?ao|rofl|(?:ha){2,}h?|(?:hi){2,}|xd+|mdr+|ptdr+|jk|(?:ах){2,}а?|(?:ха){2,}|лол)\b|ه{3,}",
    re.IGNORECASE,
)
_CRYING = re.compile("[😢😭😞😔💔🥺😩😫]")
_ASKING = re.compile("[?؟]")
_MAGIC = b"ANLAUF-LEARNED\n"
_GRAMS = (3, 4, 5)
_SHARPNESS = 4.0
"""Makes the shares of the concepts about as likely as they say (by cross-validation)."""
_NEAR = 5
"""Families count as a pair when at most so many words apart."""


class LearnedError(Exception):
    """A file that `portal search learn` did not make, or made for another version."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What cross-validation chose (`learning.py`); kept in the file with the weights."""

    alarm: float
    """From this probability of danger on the alarm is raised, though no phrase and no frame says so."""
    alarm_short: float
    """The same for a query of a few words, which phrases know better."""
    alarm_against: float
    """The same where they say something else: another concept for sure, or that the dangerous word means no danger."""
    calm: float
    """Below this one an alarm of phrases and frames is taken back."""
    calm_meaning: float
    """The same where the other model finds that nothing we know is meant."""


@dataclass(frozen=True, slots=True)
class Opinion:
    """What the examples say about a query."""

    danger: float
    """Probability."""
    concepts: tuple[tuple[str, float], ...]
    """Ids with their share of likelihood, the best first; `NOTHING` among them."""
    known: int
    """How many words of the query occur in the examples at all."""

    def share(self, concept: str) -> float:
        return next((share for known, share in self.concepts if known == concept), 0.0)


def reading_language(text: str, language: str) -> str:
    """The language as which `text` is stemmed: that of the page, unless it is written in other letters."""
    found = analysis.scripts(text)
    for script, languages in analysis.SCRIPTS.items():
        if script in found:
            return language if language in languages else languages[0]
    return language


def features_of_word(folded: str, typed: str, language: str) -> Iterator[str]:
    """Its stem, the parts of a compound, and pieces of it, in which forms and misspellings of a word meet."""
    yield "w:" + analysis.stem(typed if language in analysis.ACCENTED else folded, language)
    if language == "de":
        for part in analysis.split_compound(folded):
            yield "w:" + analysis.stem(part, "de")
    if len(folded) >= _GRAMS[0]:
        whole = f"^{folded}$"
        for size in _GRAMS:
            for at in range(len(whole) - size + 1):
                yield "n:" + whole[at : at + size]


def features_of_marks(text: str) -> Iterator[str]:
    """What stands beside the words: laughing faces, crying faces, a question."""
    if _LAUGHING.search(text):
        yield "m:laughing"
    if _CRYING.search(text):
        yield "m:crying"
    if _ASKING.search(text):
        yield "m:asking"


def features_of_pairs(tokens: Sequence[Token], language: str) -> Iterator[str]:
    """Words beside each other, and with one other word between."""
    stems = [
        analysis.stem(token.text if language in analysis.ACCENTED else token.fold, language)
        for token in tokens
    ]
    for first, second in pairwise(stems):
        yield f"b:{first} {second}"
    for first, second in zip(stems, stems[2:], strict=False):
        yield f"k:{first} {second}"


def features_of_families(tags: Tags, language: str, likely: Iterable[str]) -> Iterator[str]:
    """Families of the frames that occur, and which of them occur near each other: the same in every language."""
    masks: dict[str, int] = {}
    for code in _read_in(language, likely):
        for family, occurrences in tags.get(code, {}).items():
            mask = masks.get(family, 0)
            for occurrence in occurrences:
                mask |= (2 << occurrence.last) - (1 << occurrence.first)
            masks[family] = mask
    names = sorted(masks)
    for name in names:
        yield "f:" + name
    around = []
    for name in names:
        mask = masks[name]
        for _ in range(_NEAR):
            mask |= mask << 1 | mask >> 1
        around.append(mask)
    for i, name in enumerate(names):
        mine, near = masks[name], around[i]
        for other in names[i + 1 :]:
            theirs = masks[other]
            if near & theirs and not mine & theirs:
                yield f"p:{name}+{other}"


def _read_in(language: str, likely: Iterable[str]) -> list[str]:
    """Languages whose families count; Ukrainian and Russian are often mixed, Arabic and Persian are not."""
    codes = {*likely, language}
    if language in ("ar", "fa"):
        codes -= {"ar", "fa"} - {language}
    return sorted(codes)


def features(tokens: Sequence[Token], text: str, language: str, tags: Tags) -> set[str]:
    """Everything the models look at, for learning; `Learned` does the same without making all the words."""
    read_as = reading_language(text, language)
    found: set[str] = set()
    for token in tokens:
        found.update(features_of_word(token.fold, token.text, read_as))
    found.update(features_of_marks(text))
    found.update(features_of_pairs(tokens, read_as))
    found.update(features_of_families(tags, read_as, analysis.likely_languages(text, language)))
    return found


def number_of(feature: str) -> int:
    """A feature is known by a number: the file stays small, and two that share one do no harm."""
    return zlib.crc32(feature.encode())


@dataclass(frozen=True, slots=True)
class Weights:
    """What is learnt. `speaks_for`: feature → concept (by position in `concepts`) → weight."""

    concepts: tuple[str, ...]
    rest: tuple[float, ...]
    """What each concept gets for every feature, whichever it is."""
    speaks_for: Mapping[int, Mapping[int, float]]
    danger: Mapping[int, float]
    bias: float
    settings: Settings
    source: str
    """Fingerprint of what was learnt from."""


class Learned:
    """The weights, ready for questions. Immutable after construction; safe between threads."""

    def __init__(self, data: bytes) -> None:
        """Raises LearnedError."""
        try:
            self._read(data)
        except (ValueError, KeyError, IndexError, TypeError, struct.error, zlib.error) as error:
            raise LearnedError(f"not made by “portal search learn”: {error}") from error
        self._of_word = lru_cache(maxsize=16384)(self._positions_of_word)
        self._of_feature = lru_cache(maxsize=32768)(self._position)

    @classmethod
    def load(cls, path: Path) -> "Learned":
        """Raises LearnedError."""
        try:
            return cls(path.read_bytes())
        except OSError as error:
            raise LearnedError(f"{path.name}: {error.strerror}") from error
        except LearnedError as error:
            raise LearnedError(f"{path.name}: {error}") from error

    def _read(self, data: bytes) -> None:
        if not data.startswith(_MAGIC):
            raise ValueError("another kind of file")
        raw = zlib.decompress(data[len(_MAGIC) :])
        (length,) = struct.unpack_from("<I", raw)
        head = json.loads(raw[4 : 4 + length])
        if head["format"] != FORMAT:
            raise ValueError(f"format {head['format']}, not {FORMAT}")
        at = 4 + length
        known = int(head["features"])

        def take(code: str, count: int) -> "array[int]":
            nonlocal at
            values = array(code)
            size = count * values.itemsize
            if at + size > len(raw):
                raise ValueError("cut off")
            values.frombytes(raw[at : at + size])
            at += size
            if sys.byteorder == "big":
                values.byteswap()
            return values

        numbers = take("I", known)
        self._danger = take("b", known)
        counts = take("B", known)
        self._concept_of = take("B", sum(counts))
        self._weight_of = take("B", sum(counts))
        self._ends = array("I", accumulate(counts, initial=0))
        self._positions = dict(zip(accumulate(numbers), range(known), strict=True))
        self.concepts: tuple[str, ...] = tuple(head["concepts"])
        self._rest: list[float] = head["rest"]
        self._scales: tuple[float, float] = (head["danger_scale"], head["weight_scale"])
        self._bias: float = head["bias"]
        self.settings = Settings(**head["settings"])
        self.source: str = head["source"]

    def _position(self, feature: str) -> int | None:
        return self._positions.get(number_of(feature))

    def _positions_of_word(self, folded: str, typed: str, language: str) -> tuple[tuple[int, ...], bool]:
        """Of its known features, and whether the word itself is known."""
        found = [self._position(feature) for feature in features_of_word(folded, typed, language)]
        return tuple({at for at in found if at is not None}), bool(found) and found[0] is not None

    def opinion(
        self, tokens: Sequence[Token], text: str, language: str, tags: Tags, likely: Iterable[str]
    ) -> Opinion:
        """What the query `text`, cut into `tokens` and tagged by the frames, probably means."""
        read_as = reading_language(text, language)
        found: set[int] = set()
        known = 0
        for token in tokens:
            positions, is_known = self._of_word(token.fold, token.text, read_as)
            found.update(positions)
            known += is_known
        of = self._of_feature
        found.update(at for f in features_of_marks(text) if (at := of(f)) is not None)
        found.update(at for f in features_of_pairs(tokens, read_as) if (at := of(f)) is not None)
        found.update(at for f in features_of_families(tags, read_as, likely) if (at := of(f)) is not None)
        return self._judge(found, known)

    def opinion_on(self, numbers: Iterable[int]) -> Opinion:
        """The same of features that were taken before, by their numbers."""
        positions = {at for number in numbers if (at := self._positions.get(number)) is not None}
        return self._judge(positions, len(positions))

    def _judge(self, found: set[int], known: int) -> Opinion:
        if not found:
            return Opinion(0.0, (), 0)
        ends, concept_of, weight_of, danger = self._ends, self._concept_of, self._weight_of, self._danger
        scores = [0] * len(self.concepts)
        alarm = 0
        for at in found:
            alarm += danger[at]
            for i in range(ends[at], ends[at + 1]):
                scores[concept_of[i]] += weight_of[i]
        norm = 1 / math.sqrt(len(found))
        by_danger, by_weight = self._scales
        several = len(found)
        totals = [
            (by_weight * score + several * rest) * norm
            for score, rest in zip(scores, self._rest, strict=True)
        ]
        best = max(totals)
        shares = [math.exp(max(_SHARPNESS * (total - best), -30.0)) for total in totals]
        whole = sum(shares)
        ranked = sorted(
            ((share / whole, code) for share, code in zip(shares, self.concepts, strict=True)), reverse=True
        )
        return Opinion(
            danger=1 / (1 + math.exp(-min(max(self._bias + by_danger * alarm * norm, -30.0), 30.0))),
            concepts=tuple((code, share) for share, code in ranked if share > 0.01),
            known=known,
        )


def pack(weights: Weights) -> bytes:
    """The file for these weights: features as numbers in order (each as its distance from the one before), and for
    each its weight for danger and its concepts with their weights, one byte each.
    """
    danger_scale = max((abs(weight) for weight in weights.danger.values()), default=0.0) / 127 or 1.0
    weight_scale = (
        max((weight for of in weights.speaks_for.values() for weight in of.values()), default=0.0) / 255
        or 1.0
    )
    numbers, danger = array("I"), array("b")
    counts, concept_of, weight_of = array("B"), array("B"), array("B")
    before = 0
    for number in sorted({*weights.speaks_for, *weights.danger}):
        speaks_for = {
            concept: step
            for concept, weight in weights.speaks_for.get(number, {}).items()
            if (step := round(weight / weight_scale))
        }
        alarm = round(weights.danger.get(number, 0.0) / danger_scale)
        if not speaks_for and not alarm:
            continue
        numbers.append(number - before)
        before = number
        danger.append(alarm)
        counts.append(len(speaks_for))
        for concept in sorted(speaks_for):
            concept_of.append(concept)
            weight_of.append(speaks_for[concept])
    head = json.dumps(
        {
            "format": FORMAT,
            "features": len(numbers),
            "concepts": weights.concepts,
            "rest": [round(value, 6) for value in weights.rest],
            "danger_scale": danger_scale,
            "weight_scale": weight_scale,
            "bias": weights.bias,
            "settings": asdict(weights.settings),
            "source": weights.source,
        }
    ).encode()
    if sys.byteorder == "big":
        numbers.byteswap()
    raw = b"".join(
        [
            struct.pack("<I", len(head)),
            head,
            *(a.tobytes() for a in (numbers, danger, counts, concept_of, weight_of)),
        ]
    )
    return _MAGIC + zlib.compress(raw, 9)
