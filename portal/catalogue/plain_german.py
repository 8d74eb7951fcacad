"""How easy a German text is to read: counted, not judged, and always with what could be done.

Two published formulas. LIX (C. H. Björnsson, Läsbarhet, 1968): words per sentence plus the percentage of words of more
than six letters; 30 is a children's book, 60 a law. First Wiener Sachtextformel (R. Bamberger, E. Vanecek, Lesen –
Verstehen – Lernen – Schreiben, 1984): the school year that understands the text. Both were made for longer texts; below
`ENOUGH_WORDS` they say little, and only the single findings count.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

import yaml

Code = Literal["long_sentence", "long_word", "passive", "office_word"]
Level = Literal["easy", "medium", "hard"]

MOST_WORDS = 15
"""In one sentence."""
LONGEST_WORD = 18
"""Letters of a word, or of the part between two hyphens."""
ENOUGH_WORDS = 40
_LONG = 6
"""LIX and Wiener Sachtextformel: a long word has more letters than this."""

_WORD = re.compile(r"[^\W\d_]+(?:[-'’][^\W\d_]+)*", re.UNICODE)
_ADDRESS = re.compile(
    r"\S+@\S*[^\s.,;:!?)]|(?:https?://|www\.)\S*[^\s.,;:!?)]|\b[\w-]+\.(?:de|eu|org|com|net|info)\b(?:/\S*[^\s.,;:!?)])?"
)
_ABBREVIATION = re.compile(
    r"\b(?:z\. ?B|d\. ?h|u\. ?a|o\. ?g|i\. ?d\. ?R|u\. ?Ä|s\. ?o|bzw|ca|usw|ggf|evtl|inkl|max|min|Nr|Str|Abs|Art|Tel|Dr|Prof"
    r"|St|vgl|sog|etc|Std|Mo|Di|Mi|Do|Fr|Sa|So)\.",
    re.IGNORECASE,
)
_ORDINAL = re.compile(r"\b\d{1,3}\.(?=\s+[^\W\d_]|\d)")
_HIDDEN = "\u2024"
"""Stands for a full stop that ends no sentence."""
_END = re.compile(r"(?<=[.!?…:;])[\"“”»«)\]]*\s+|\n+")
_SYLLABLE = re.compile(r"aa|ee|oo|ie|ei|ai|au|eu|äu|ey|ay|[aeiouyäöüáàéèê]")

_WERDEN = frozenset(
    [
        "wird",
        "werden",
        "wirst",
        "werde",
        "werdet",
        "wurde",
        "wurden",
        "wurdest",
        "wurdet",
        "worden",
        "würde",
        "würden",
    ]
)
_STRONG = frozenset(
    [
        "abgeschlossen",
        "angeboten",
        "angenommen",
        "aufgenommen",
        "übernommen",
        "unternommen",
        "vorgenommen",
        "entnommen",
        "genommen",
        "geschrieben",
        "beschrieben",
        "verschrieben",
        "vorgeschrieben",
        "unterschrieben",
        "besprochen",
        "versprochen",
        "gesprochen",
        "entschieden",
        "unterschieden",
        "verboten",
        "geboten",
        "geholfen",
        "gegeben",
        "angegeben",
        "abgegeben",
        "vergeben",
        "gelesen",
        "gesehen",
        "vorgesehen",
        "angesehen",
        "gefunden",
        "empfunden",
        "verbunden",
        "gebunden",
        "gezogen",
        "bezogen",
        "einbezogen",
        "erzogen",
        "entzogen",
        "betroffen",
        "getroffen",
        "erhoben",
        "gehoben",
        "verstanden",
        "gehalten",
        "erhalten",
        "enthalten",
        "behalten",
        "eingehalten",
        "vergessen",
        "gelassen",
        "entlassen",
        "verlassen",
        "zugelassen",
        "erlassen",
        "getragen",
        "beantragen",
        "eingetragen",
        "übertragen",
        "beraten",
        "geladen",
        "eingeladen",
        "berufen",
        "gerufen",
        "angerufen",
        "gewiesen",
        "überwiesen",
        "nachgewiesen",
        "bewiesen",
        "verwiesen",
        "begonnen",
        "gewonnen",
        "ausgeschlossen",
        "beschlossen",
        "geschlossen",
        "gestrichen",
        "gekündigt",
        "verloren",
        "geboren",
        "verliehen",
        "gesprungen",
        "gezwungen",
        "gemessen",
        "angemessen",
    ]
) - {"beantragen", "angemessen"}
_PARTICIPLE = re.compile(
    r"(?:(?:ab|an|auf|aus|bei|dar|durch|ein|fest|fort|her|hin|los|mit|nach|vor|weg|weiter|zu|zurück|zusammen|um|unter"
    r"|über|statt|teil|wahr|bereit|sicher)?ge[^\W\d_]{2,}t|(?:be|er|ver|zer|ent|emp|über|unter|miss|wieder|voraus)"
    r"[^\W\d_]{3,}t|[^\W\d_]{3,}iert)"
)
_NO_PARTICIPLE = frozenset(
    [
        "bereit",
        "bekannt",
        "beliebt",
        "gerecht",
        "geeignet",
        "verwandt",
        "gesamt",
        "gesund",
        "gebt",
        "geht",
        "gibt",
        "bestimmt",
        "berühmt",
        "vielleicht",
        "beliebtest",
        "bedeutet",
        "gewohnt",
        "gewöhnt",
        "verliebt",
        "erst",
        "überhaupt",
        "entfernt",
        "erfahrt",
        "bekommt",
        "verdient",
        "beginnt",
        "besteht",
        "erhält",
        "gehört",
        "gefällt",
        "verrückt",
        "begeistert",
        "gut",
        "geschickt",
        "entsetzt",
        "verzweifelt",
        "überrascht",
        "insgesamt",
    ]
)
_TO_BE_DONE = re.compile(
    r"\b(?:ist|sind)\b(?:\s+(?!leicht|schwer|schön|gut|schnell|einfach)[\w.-]+){0,10}?\s+"
    r"(?:zu\s+[a-zäöüß]{2,}en|(?:ab|an|auf|aus|bei|ein|mit|nach|vor)zu[a-zäöüß]{2,}en)\b(?!\s+[A-ZÄÖÜ])"
)
"""What "is to be done"; "is easy to find" is not."""
_PASSIVE_REACH = 12
"""Words between the verb and its participle."""


@dataclass(frozen=True, slots=True)
class Finding:
    code: Code
    text: str
    """As it stands in the text."""
    start: int
    end: int
    number: int = 0
    """Words of a sentence, letters of a word."""
    suggestion: str = ""


@dataclass(frozen=True, slots=True)
class Findings:
    words: int
    sentences: int
    lix: float
    school_year: float
    """First Wiener Sachtextformel: 4 is very easy, 15 very hard."""
    words_per_sentence: float
    long_words_percent: float
    found: tuple[Finding, ...]
    """In the order of the text."""

    @property
    def is_telling(self) -> bool:
        """Whether the text is long enough for the formulas."""
        return self.words >= ENOUGH_WORDS

    @property
    def level(self) -> Level:
        """By the findings in a short text, by the formulas as well in a long one."""
        burden = len(self.found) / max(self.sentences, 1)
        if self.is_telling and (self.lix >= 55 or self.school_year >= 11):
            return "hard"
        if burden >= 1.5 and len(self.found) > 1:
            return "hard"
        if self.found or (self.is_telling and (self.lix >= 45 or self.school_year >= 9)):
            return "medium"
        return "easy"


class OfficeWords:
    """The list of `content/plain_german.yaml`."""

    def __init__(self, entries: Mapping[str, str]) -> None:
        self.entries = dict(entries)
        # The longest first, so that "zuständig ist" wins over "zuständig~".
        ordered = sorted(entries, key=lambda entry: -len(entry))
        self._say = {f"w{number}": entries[entry] for number, entry in enumerate(ordered)}
        self._pattern = re.compile(
            "|".join(f"(?P<w{number}>{_entry_pattern(entry)})" for number, entry in enumerate(ordered))
            or r"(?!)",
            re.IGNORECASE,
        )

    def find(self, text: str) -> Iterable[Finding]:
        for match in self._pattern.finditer(text):
            name = match.lastgroup or ""
            yield Finding(
                "office_word", match.group(), match.start(), match.end(), suggestion=self._say[name]
            )


def _entry_pattern(entry: str) -> str:
    parts = [re.escape(part).replace("\\~", "~").replace("~", r"[^\W\d_]*") for part in entry.strip().split()]
    # "d. h." is also written "d.h.".
    body = r"\s+".join(parts) if not entry.endswith(".") else r"\s*".join(parts)
    return rf"(?<![\w-]){body}(?![\w])"


def load_office_words(path: Path) -> OfficeWords:
    """Raises ValueError when the file is not a list of words with suggestions."""
    data: Any = yaml.safe_load(path.read_text(encoding="utf-8"))
    entries = data.get("office_words") if isinstance(data, dict) else None
    if not isinstance(entries, dict) or not all(
        isinstance(key, str) and isinstance(value, str) for key, value in entries.items()
    ):
        raise ValueError(f"{path.name}: office_words must be a mapping of word to suggestion")
    return OfficeWords(entries)


_NONE = OfficeWords({})


def meter(text: str, office_words: OfficeWords = _NONE) -> Findings:
    """Measure one text. Never raises, also not for an empty one."""
    text = _ADDRESS.sub(lambda match: "0" * len(match.group()), text)
    sentences = _sentences(text)
    words = [word.group() for start, end in sentences for word in _WORD.finditer(text, start, end)]
    found: list[Finding] = []
    for start, end in sentences:
        found += _in_sentence(text, start, end)
    for match in _WORD.finditer(text):
        longest = max(len(part) for part in match.group().split("-"))
        if longest > LONGEST_WORD:
            found.append(Finding("long_word", match.group(), match.start(), match.end(), longest))
    found += office_words.find(text)
    number, several = max(len(words), 1), max(len(sentences), 1)
    long_share = 100 * sum(len(word) > _LONG for word in words) / number
    counted = [syllables(word) for word in words]
    many_share = 100 * sum(count >= 3 for count in counted) / number
    single_share = 100 * sum(count == 1 for count in counted) / number
    length = len(words) / several
    year = 0.1935 * many_share + 0.1672 * length + 0.1297 * long_share - 0.0327 * single_share - 0.875
    return Findings(
        words=len(words),
        sentences=len(sentences),
        lix=round(length + long_share, 1) if words else 0.0,
        school_year=round(year, 1) if words else 0.0,
        words_per_sentence=round(length, 1),
        long_words_percent=round(long_share, 1),
        found=tuple(sorted(found, key=lambda finding: (finding.start, -finding.end))),
    )


def _sentences(text: str) -> list[tuple[int, int]]:
    """Where sentences begin and end. As with Björnsson a colon ends one too, and so does a line of its own."""
    hidden = _ABBREVIATION.sub(lambda match: match.group().replace(".", _HIDDEN), text)
    hidden = _ORDINAL.sub(lambda match: match.group().replace(".", _HIDDEN), hidden)
    cuts = [0, *(match.end() for match in _END.finditer(hidden)), len(text)]
    return [(start, end) for start, end in pairwise(cuts) if _WORD.search(text, start, end)]


def _in_sentence(text: str, start: int, end: int) -> Iterable[Finding]:
    words = list(_WORD.finditer(text, start, end))
    if len(words) > MOST_WORDS:
        last = start + len(text[start:end].rstrip())
        yield Finding("long_sentence", text[start:last], start, last, len(words))
    yield from _passives(words, text)
    must = _TO_BE_DONE.search(text, start, end)
    if must:
        yield Finding("passive", must.group(), must.start(), must.end())


def _passives(words: Sequence[re.Match[str]], text: str) -> Iterable[Finding]:
    verbs = [place for place, word in enumerate(words) if word.group().lower() in _WERDEN]
    taken: set[int] = set()
    for verb in verbs:
        near = [
            place
            for place, word in enumerate(words)
            if abs(place - verb) <= _PASSIVE_REACH and place not in taken and is_participle(word.group())
        ]
        if near:
            place = min(near, key=lambda at: abs(at - verb))
            taken.add(place)
            first, last = sorted((verb, place))
            yield Finding(
                "passive", f"{words[first].group()} … {words[last].group()}" if last - first > 1
                else text[words[first].start() : words[last].end()],
                words[first].start(), words[last].end(),
            )  # fmt: skip


def is_participle(word: str) -> bool:
    """A second participle, as far as one can see it at the word alone; nouns are written with a capital."""
    if word[:1].isupper() or word in _NO_PARTICIPLE:
        return False
    return word in _STRONG or bool(_PARTICIPLE.fullmatch(word))


@lru_cache(maxsize=20_000)
def syllables(word: str) -> int:
    """Counted by vowels and the pairs that are spoken as one."""
    return max(1, len(_SYLLABLE.findall(re.sub(r"qu", "q", word.lower()))))
