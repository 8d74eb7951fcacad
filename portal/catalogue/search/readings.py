"""Other ways to read what was typed: words without spaces between them, and other scripts in Latin letters.

"ichhabekeinewohnung" is read with spaces, "ya khochu umeret" in Cyrillic, "man mikham bemiram" in Arabic letters. What
comes of it is recognised like anything else; `Reading.origin` leads back to the words as they were typed.
"""

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from functools import lru_cache

from rapidfuzz.distance import Indel

from portal.catalogue.search import analysis
from portal.catalogue.search.analysis import STOP_WORDS_BY_LANGUAGE, Token

_GLUED, _GLUED_MOST = 10, 60
"""Letters of a word that may be several."""
_LONG_PIECE, _LONGEST_PIECE, _MOST_PIECES = 4, 18, 14
_LINKS = frozenset(["es", "er", "en", "in"])
"""Little words that may as well hold a compound together, "tag-es-mutti"."""
_SPACED = ("de", "en")
"""Languages whose words are looked for in a word without spaces."""
_ALONE = 5
"""So many letters a single word needs to be read in another script."""
_MOST_TOKENS = 30
_ALIKE, _ALIKE_ALONE = 0.7, 0.8
"""How much of a word in Latin letters must be in the Arabic one, short vowels and all; of a single one more."""

_CYRILLIC = str.maketrans(
    {
        "а": "a", "б": "b", "в": "v", "г": "g", "д": "d", "е": "e", "ж": "zh", "з": "z", "и": "i", "й": "y", "к": "k",
        "л": "l", "м": "m", "н": "n", "о": "o", "п": "p", "р": "r", "с": "s", "т": "t", "у": "u", "ф": "f", "х": "kh",
        "ц": "ts", "ч": "ch", "ш": "sh", "щ": "shch", "ъ": None, "ы": "y", "ь": None, "э": "e", "ю": "yu", "я": "ya",
        "і": "i", "ї": "yi", "є": "ye",
    }
)  # fmt: skip
_ARABIC = str.maketrans(
    {
        "ا": "a", "ب": "b", "پ": "p", "ت": "t", "ث": "s", "ج": "j", "چ": "C", "ح": "h", "خ": "x", "د": "d", "ذ": "z",
        "ر": "r", "ز": "z", "ژ": "Z", "س": "s", "ش": "S", "ص": "s", "ض": "d", "ط": "t", "ظ": "z", "ع": None, "غ": "g",
        "ف": "f", "ق": "k", "ك": "k", "گ": "g", "ل": "l", "م": "m", "ن": "n", "و": "o", "ه": "h", "ي": "i", "ء": None,
        "ئ": "i", "ؤ": "o",
    }
)  # fmt: skip
_ARABIC_VERBS = ("", "ي", "بي", "ت", "بت")
"""What stands before a verb whose beginning the families leave open."""
_RESPELT = (
    ("tsch", "C"), ("shch", "S"), ("sch", "S"), ("sh", "S"), ("zh", "Z"), ("ch", "C"), ("kh", "h"), ("x", "h"),
    ("ts", "c"), ("tz", "c"), ("w", "v"), ("q", "k"), ("yo", "e"), ("jo", "e"), ("y", "i"), ("j", "i"),
)  # fmt: skip
_RESPELT_ARABIC = (
    ("kh", "x"), ("sh", "S"), ("ch", "C"), ("gh", "g"), ("th", "s"), ("dh", "d"), ("zh", "Z"), ("q", "k"), ("y", "i"),
    ("w", "o"), ("v", "o"), ("u", "o"), ("e", "i"),
)  # fmt: skip
_TWICE = re.compile(r"(.)\1+")
_SOFT = re.compile("i(?=[aeou])")
_VOWELS = re.compile("[aeiou]|h$")


@dataclass(frozen=True, slots=True)
class Reading:
    """A query as it may be meant. `origin`: for each of its tokens the position of the one that was typed."""

    tokens: tuple[Token, ...]
    text: str
    language: str
    origin: tuple[int, ...]
    foreign: bool
    """In another script than it was typed in: it may be chance."""


class Readings:
    """Immutable after construction; safe between threads."""

    def __init__(self, words: Mapping[str, Set[str]], is_known: Callable[[str, str], bool]) -> None:
        """`words`: language → the folded words of phrases and families; `is_known`: whether a word, folded and as
        typed, is one in Latin letters.
        """
        self._is_known = is_known
        little = {language: STOP_WORDS_BY_LANGUAGE[language] for language in analysis.LANGUAGES}
        self._little = frozenset[str]().union(*(little[language] for language in _SPACED))
        self._pieces = {
            language: frozenset(
                word
                for word in words[language] | little[language]
                if word.isascii() and word.isalpha() and 2 <= len(word) <= _LONGEST_PIECE
            )
            for language in _SPACED
        }
        cyrillic: dict[str, str] = {}
        for language in ("ru", "uk"):
            for word in sorted(words[language] | little[language], key=lambda word: (len(word), word)):
                for key in _cyrillic_keys(word, language):
                    cyrillic.setdefault(key, word)
        self._cyrillic = cyrillic
        self._arabic = {code: _by_skeleton(words[code] | little[code], code) for code in ("fa", "ar")}
        self._apart = lru_cache(maxsize=4096)(self._find_apart)

    def apart(self, tokens: Sequence[Token], language: str) -> Reading | None:
        """With spaces in words that lack them, None when none lacks any."""
        pieces = [
            self._apart(token.fold, token.text) if _GLUED <= len(token.fold) <= _GLUED_MOST else ()
            for token in tokens
        ]
        if not any(pieces):
            return None
        return _reading(
            [found or (token.text,) for found, token in zip(pieces, tokens, strict=True)], language
        )

    def _find_apart(self, word: str, typed: str) -> tuple[str, ...]:
        """The fewest known words that make up all of `word`, little ones among them as in every sentence."""
        if not (word.isascii() and word.isalpha()) or self._is_known(word, typed):
            return ()
        readings = (self._cut(word, language) for language in _SPACED)
        return next((pieces for pieces in readings if self._is_sentence(pieces)), ())

    def _cut(self, word: str, language: str) -> tuple[str, ...]:
        known = self._pieces[language]
        best: list[tuple[int, tuple[str, ...]] | None] = [None] * (len(word) + 1)
        best[0] = (0, ())
        if language == "en" and word.startswith("i"):
            best[1] = (3, ("i",))
        for start in range(len(word) - 1):
            reached = best[start]
            if reached is None or len(reached[1]) >= _MOST_PIECES:
                continue
            for end in range(start + 2, min(start + _LONGEST_PIECE, len(word)) + 1):
                piece = word[start:end]
                if piece not in known:
                    continue
                cost = reached[0] + (3 if len(piece) == 2 else 2)
                there = best[end]
                if there is None or cost < there[0]:
                    best[end] = (cost, (*reached[1], piece))
        found = best[len(word)]
        return found[1] if found else ()

    def _is_sentence(self, pieces: Sequence[str]) -> bool:
        """No compound: those have no little words in them, but for links, and short parts."""
        if len(pieces) < 3:
            return False
        little = [piece for piece in pieces if piece in self._little and piece not in _LINKS]
        if not little:
            return min(map(len, pieces)) >= _LONG_PIECE
        return len(little) < len(pieces) or len(little) > 3

    def in_other_letters(self, tokens: Sequence[Token], language: str) -> Reading | None:
        """As Cyrillic or Arabic words in Latin letters, None when too few words are such."""
        if not 0 < len(tokens) <= _MOST_TOKENS or not all(token.fold.isascii() for token in tokens):
            return None
        if tokens[0].fold.isdigit() or (len(tokens) == 1 and len(tokens[0].fold) < _ALONE):
            return None
        known = [self._is_known(token.fold, token.text) for token in tokens]
        if not _is_strange(tokens, known):
            return None
        readable = [self._cyrillic.get(_cyrillic_key(token.fold)) for token in tokens]
        if _suffices(readable, known, 2 / 3):
            return _translated(readable, tokens, language if language in ("uk", "ru") else "ru")
        readings = []
        for code in ("fa", "ar"):
            least = _ALIKE if len(tokens) > 1 else _ALIKE_ALONE
            near = [self._in_arabic(token.fold, code, least) for token in tokens]
            readable = [written for _, written in near]
            if _suffices(readable, known, 1):
                alike = sum(share for share, _ in near)
                readings.append((alike + (code == language), code, readable))
        if not readings:
            return None
        _, code, readable = max(readings)
        return _translated(readable, tokens, code)

    def _in_arabic(self, word: str, language: str, least: float) -> tuple[float, str | None]:
        """The word that sounds most like `word`, and how much."""
        spelt = _respelt(word, _RESPELT_ARABIC)
        near = [
            (Indel.normalized_similarity(spelt, sound), -len(written), written)
            for sound, written in self._arabic[language].get(_VOWELS.sub("", spelt), ())
        ]
        alike, _, written = max(near, default=(0.0, 0, ""))
        return (alike, written) if alike >= least else (0.0, None)


def with_verb_beginnings(words: Iterable[str]) -> frozenset[str]:
    """Arabic words as they begin in a sentence: "ضربني" is "بيضربني"."""
    return frozenset(beginning + word for word in words for beginning in _ARABIC_VERBS)


def _is_strange(tokens: Sequence[Token], known: Sequence[bool]) -> bool:
    """Whether most of a text is unknown, by letters: little words are the same in many languages."""
    letters = sum(len(token.fold) for token in tokens)
    return 2 * sum(len(token.fold) for token, it in zip(tokens, known, strict=True) if not it) >= letters


def _suffices(readable: Sequence[str | None], known: Sequence[bool], least: float) -> bool:
    """Whether so many of the words can be read, one of them at least that is unknown otherwise."""
    found = sum(word is not None for word in readable)
    strange = any(word is not None and not it for word, it in zip(readable, known, strict=True))
    return strange and found >= least * len(readable)


def _translated(readable: Sequence[str | None], tokens: Sequence[Token], language: str) -> Reading:
    words = [(word or token.text,) for word, token in zip(readable, tokens, strict=True)]
    return _reading(words, language, foreign=True)


def _reading(words: Sequence[tuple[str, ...]], language: str, *, foreign: bool = False) -> Reading:
    text = " ".join(piece for pieces in words for piece in pieces)
    origin: list[int] = []
    for at, pieces in enumerate(words):
        origin += [at] * sum(len(analysis.tokens(piece)) for piece in pieces)
    return Reading(tuple(analysis.tokens(text)), text, language, tuple(origin), foreign)


def _respelt(word: str, rules: Iterable[tuple[str, str]]) -> str:
    for old, new in rules:
        word = word.replace(old, new)
    return _TWICE.sub(r"\1", word)


def _cyrillic_key(word: str) -> str:
    """In which all ways to write a Cyrillic word in Latin letters meet; `word` is folded and Latin."""
    return _SOFT.sub("", _respelt(word, _RESPELT))


def _cyrillic_keys(word: str, language: str) -> set[str]:
    spellings = [word.translate(_CYRILLIC)]
    if language == "uk":
        spellings.append(word.replace("г", "h").translate(_CYRILLIC))
    return {_cyrillic_key(analysis.fold(spelling)) for spelling in spellings if spelling.isascii()}


def _by_skeleton(words: Iterable[str], language: str) -> dict[str, list[tuple[str, str]]]:
    """Consonants → how the words sound that have them, as far as their letters tell, and the words."""
    found: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for word in sorted(words):
        sound = word.translate(_ARABIC)
        if not sound.isascii() or not sound.isalpha():
            continue
        if sound.endswith("h") and len(sound) > 2:
            sound = sound[:-1] + ("a" if language == "ar" else "i")
        skeleton = _VOWELS.sub("", _TWICE.sub(r"\1", sound))
        if skeleton:
            found[skeleton].append((_TWICE.sub(r"\1", sound), word))
    return dict(found)
