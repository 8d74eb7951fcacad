"""From examples to the weights of `learned.py`. Deterministic: the same examples always give the same file.

`portal search learn` runs it; `cross_validate` says how well it does on examples it did not see.
"""

import hashlib
import math
import random
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from portal.catalogue.search import analysis, learned
from portal.catalogue.search.concepts import SynonymsFile, phrases, read_synonyms
from portal.catalogue.search.frames import Frames
from portal.catalogue.search.learned import NOTHING, Settings, Weights

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_SMOOTHING = 0.1
_SEEN = 3
"""Features seen less often are chance."""
_SHARES = (1.0, 0.5, 0.3)
"""Of the first, second and third concept of an example."""
_UNLIKE = 1.0
"""What a phrase from `unlike` counts."""
_LEAST = 0.05
"""Weights below are left out."""
_ROUNDS = 8
_RATE = 0.25
_DECAY = 3e-6

SETTINGS = Settings(alarm=0.5, alarm_short=0.7, alarm_against=0.7, calm=0.05, calm_meaning=0.35)


class ExamplesError(Exception):
    """An examples file cannot be used; the text names file and example."""


class ExampleRecord(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    q: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=400)]
    lang: Literal["de", "en", "tr", "ar", "uk", "ru", "fa", "fr", "pl", "ro", "ku"]
    concepts: tuple[str, ...]
    urgent: bool


class _ExamplesFile(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    version: Literal[1]
    examples: Annotated[tuple[ExampleRecord, ...], Field(min_length=1)]


@dataclass(frozen=True, slots=True)
class Example:
    """A text as the models see it."""

    features: tuple[int, ...]
    concepts: tuple[str, ...]
    danger: bool
    share: float = 1.0


def read_examples(path: Path, concepts: Iterable[str]) -> tuple[ExampleRecord, ...]:
    """Raises ExamplesError for a file that is unreadable or malformed, or names a concept that is not there."""
    try:
        data = yaml.load(path.read_text(encoding="utf-8"), Loader=_LOADER)  # noqa: S506 (both are safe loaders)
        records = _ExamplesFile.model_validate(data).examples
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ExamplesError(f"{path.name}: {error}") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ", ".join(str(part) for part in first["loc"])
        raise ExamplesError(f"{path.name}: {where}: {first['msg']}") from error
    known = frozenset(concepts)
    seen: set[tuple[str, str]] = set()
    for record in records:
        for concept in record.concepts:
            if concept not in known:
                raise ExamplesError(f"{path.name}: {record.q}: there is no concept “{concept}”")
        if (record.lang, record.q) in seen:
            raise ExamplesError(f"{path.name}: {record.q}: stands in the file twice")
        seen.add((record.lang, record.q))
    return records


def fingerprint(*paths: Path) -> str:
    """Of the files that were learnt from."""
    digest = hashlib.sha256(str(learned.FORMAT).encode())
    for path in paths:
        digest.update(path.read_bytes().replace(b"\r\n", b"\n"))
    return digest.hexdigest()[:16]


class Reader:
    """Turns texts into examples with the families of a synonyms file."""

    def __init__(self, synonyms: SynonymsFile) -> None:
        self._synonyms = synonyms
        self._frames = Frames(synonyms.families, synonyms.frames)

    def example(
        self, text: str, language: str, concepts: Sequence[str], *, danger: bool, share: float = 1.0
    ) -> Example:
        tokens = analysis.tokens(text)[:30]
        tags = self._frames.tags(tokens, text, analysis.likely_languages(text, language))
        found = learned.features(tokens, text, language, tags)
        return Example(
            tuple(sorted({learned.number_of(feature) for feature in found})),
            tuple(concepts),
            danger,
            share,
        )

    def examples(self, records: Iterable[ExampleRecord]) -> list[Example]:
        return [self.example(r.q, r.lang, r.concepts, danger=r.urgent) for r in records]

    def phrases(self) -> list[Example]:
        """The phrases of the synonyms file as examples; those of `unlike` are harmless."""
        out: list[Example] = []
        for record in self._synonyms.concepts:
            german = record.de
            for language in analysis.LANGUAGES:
                listed: Sequence[str] = (
                    (*german.official, *german.everyday, *german.slang, *german.old, *german.misspelt)
                    if language == "de"
                    else getattr(record, language)
                )
                for text in dict.fromkeys(phrase for entry in listed for phrase in phrases(entry)[:2]):
                    out.append(self.example(text, language, [record.id], danger=record.urgent))
            for entry in record.unlike:
                for text in phrases(entry)[:2]:
                    out.append(self.example(text, "de", (), danger=False, share=_UNLIKE))
        return out


def sources(content_dir: Path) -> tuple[Path, Path]:
    """The files that are learnt from: words and examples."""
    return content_dir / "synonyms.yaml", content_dir / "examples.yaml"


def read_sources(content_dir: Path) -> tuple[list[Example], list[Example]]:
    """Examples, and the phrases of the synonyms file as examples. Raises SynonymsError, ExamplesError."""
    words, texts = sources(content_dir)
    synonyms = read_synonyms(words)
    reader = Reader(synonyms)
    records = read_examples(texts, (concept.id for concept in synonyms.concepts))
    return reader.examples(records), reader.phrases()


def learn_file(content_dir: Path) -> bytes:
    """What belongs into `learned.bin`. Raises SynonymsError, ExamplesError."""
    examples, listed = read_sources(content_dir)
    return learned.pack(learn([*examples, *listed], source=fingerprint(*sources(content_dir))))


@dataclass(frozen=True, slots=True)
class Validation:
    """How models do on examples they have not seen; shares between 0 and 1."""

    examples: int
    danger: float
    """Share of the dangerous ones that the model alone recognises."""
    false_alarms: float
    """Share of the harmless ones in which the model alone sees danger."""
    concept: float
    """Share of the examples with a concept where the best guess is one of theirs."""


def validate(
    examples: Sequence[Example], opinions: Sequence[learned.Opinion], settings: Settings
) -> Validation:
    danger: list[bool] = []
    harmless: list[bool] = []
    meant: list[bool] = []
    for example, opinion in zip(examples, opinions, strict=True):
        (danger if example.danger else harmless).append(opinion.danger >= settings.alarm)
        if example.concepts:
            best = next((code for code, _ in opinion.concepts if code != NOTHING), None)
            meant.append(best in example.concepts)
    return Validation(
        len(examples),
        sum(danger) / max(len(danger), 1),
        sum(harmless) / max(len(harmless), 1),
        sum(meant) / max(len(meant), 1),
    )


def learn(examples: Sequence[Example], settings: Settings = SETTINGS, source: str = "") -> Weights:
    """Weights for everything that occurs often enough in `examples`."""
    seen = Counter(number for example in examples for number in example.features)
    often = frozenset(number for number, count in seen.items() if count >= _SEEN)
    kept = [
        Example(
            tuple(number for number in example.features if number in often),
            example.concepts,
            example.danger,
            example.share,
        )
        for example in examples
    ]
    kept = [example for example in kept if example.features]
    concepts, rest, speaks_for = _naive_bayes(kept)
    danger, bias = _regression(kept)
    return Weights(concepts, rest, speaks_for, danger, bias, settings, source)


def _naive_bayes(
    examples: Sequence[Example],
) -> tuple[tuple[str, ...], tuple[float, ...], dict[int, dict[int, float]]]:
    """Complement naive Bayes (Rennie and others 2003), rewritten so that only concepts with a feature have a weight.

    Its score of a concept is minus the sum of log((all - mine + s) / rest) over the features of a text. The part that
    is the same for every concept is left out; what is left is nothing for a concept without the feature, and one
    number for each concept ("rest") for every feature.
    """
    concepts = tuple(sorted({NOTHING, *(code for example in examples for code in example.concepts)}))
    place = {code: number for number, code in enumerate(concepts)}
    counts: dict[int, dict[int, float]] = defaultdict(lambda: defaultdict(float))
    of_concept = [0.0] * len(concepts)
    for example in examples:
        value = example.share / math.sqrt(len(example.features))
        for code, share in zip(example.concepts or (NOTHING,), _SHARES, strict=False):
            number = place[code]
            of_concept[number] += value * share * len(example.features)
            for feature in example.features:
                counts[feature][number] += value * share
    whole = sum(of_concept) + _SMOOTHING * len(counts)
    least = min(whole - mine for mine in of_concept)
    rest = tuple(math.log((whole - mine) / least) for mine in of_concept)
    speaks_for: dict[int, dict[int, float]] = {}
    for feature, of in counts.items():
        every = sum(of.values()) + _SMOOTHING
        weights = {number: math.log(every / max(every - mine, _SMOOTHING)) for number, mine in of.items()}
        speaks_for[feature] = {number: weight for number, weight in weights.items() if weight >= _LEAST}
    return concepts, rest, speaks_for


def _regression(examples: Sequence[Example]) -> tuple[dict[int, float], float]:
    """Logistic regression by AdaGrad; the steps of the last half of the rounds are averaged."""
    index = {number: at for at, number in enumerate(sorted({n for e in examples for n in e.features}))}
    rows = [
        ([index[n] for n in e.features], 1 / math.sqrt(len(e.features)), float(e.danger), e.share)
        for e in examples
    ]
    weights, squares, sums = [0.0] * len(index), [1e-6] * len(index), [0.0] * len(index)
    bias = 0.0
    chance = random.Random(0)  # noqa: S311 (an order, no secret)
    averaged = 0
    for round_number in range(_ROUNDS):
        chance.shuffle(rows)
        for at, value, danger, share in rows:
            score = bias + value * sum([weights[i] for i in at])
            error = share * (1 / (1 + math.exp(-min(max(score, -30.0), 30.0))) - danger)
            bias -= 0.01 * error
            if -1e-4 < error < 1e-4:
                continue
            step = error * value
            for i in at:
                slope = step + _DECAY * weights[i]
                squares[i] += slope * slope
                weights[i] -= _RATE * slope / math.sqrt(squares[i])
        if round_number >= _ROUNDS // 2:
            averaged += 1
            for i, weight in enumerate(weights):
                sums[i] += weight
    return {number: sums[at] / averaged for number, at in index.items()}, bias


def cross_validate(
    examples: Sequence[Example], always: Sequence[Example], folds: int = 5, block: int = 4
) -> list[learned.Opinion]:
    """Of each example the opinion of a model that has not seen it, nor its neighbours in the file: an author's sentences
    in a row are alike. Every model has seen `always`.
    """
    opinions: list[learned.Opinion] = [learned.Opinion(0.0, (), 0)] * len(examples)
    for fold in range(folds):
        held = [at for at in range(len(examples)) if at // block % folds == fold]
        out = frozenset(held)
        model = learned.Learned(
            learned.pack(learn([*(e for at, e in enumerate(examples) if at not in out), *always]))
        )
        for at in held:
            opinions[at] = model.opinion_on(examples[at].features)
    return opinions
