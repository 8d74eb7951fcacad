"""Codes that can be read out: everyday words in the reader's script, or digits.

A receipt code has at least 60 bits, so that nobody finds one by trying; a slip's code is short, because only somebody
who signed in may type it, and slowly.
"""

import math
import re
import secrets
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

RECEIPT_BITS = 60
SLIP_BITS = 30
_WORDS_AT_LEAST = 256
_GROUP = 4
"""Digits that stand together."""
_MARKS = re.compile(r"[\u0300-\u036f\u064b-\u065f\u0670\u0640\u200c-\u200f\u2066-\u2069]")
_ALIKE = str.maketrans(
    {"أ": "ا", "إ": "ا", "آ": "ا", "ى": "ي", "ی": "ي", "ک": "ك", "ة": "ه", "ё": "е", "ı": "i", "ґ": "г"}
)


class WordsUnusable(Exception):
    """A list of words is too short, or two of its words look the same once they are typed."""


@dataclass(frozen=True, slots=True)
class Words:
    """A list of everyday words; `language` is the one they are in."""

    language: str
    words: tuple[str, ...]

    @property
    def bits(self) -> float:
        """Of each word."""
        return math.log2(len(self.words))


def folded(code: str) -> str:
    """What somebody typed, without what does not count: case, marks, signs, kind of digits, kinds of letters."""
    text = unicodedata.normalize("NFKD", code.casefold())
    text = _MARKS.sub("", text).translate(_ALIKE)
    text = "".join(str(unicodedata.decimal(letter, letter)) for letter in text)
    parts = re.findall(r"\w+", text.replace("_", " "))
    return "".join(parts) if all(part.isdecimal() for part in parts) else " ".join(parts)


def load_words(folder: Path) -> Mapping[str, Words]:
    """`<language>.txt`, one word a line, `#` begins a comment. Raises WordsUnusable."""
    found = {}
    for path in sorted(folder.glob("*.txt")):
        lines = [line.partition("#")[0].strip() for line in path.read_text(encoding="utf-8").splitlines()]
        words = tuple(line for line in lines if line)
        typed = {folded(word) for word in words}
        if len(words) < _WORDS_AT_LEAST:
            raise WordsUnusable(f"{path.name}: {len(words)} words, at least {_WORDS_AT_LEAST} are needed")
        if len(typed) < len(words) or any(" " in word or not word for word in typed):
            raise WordsUnusable(f"{path.name}: a word is there twice, or is more than one word")
        found[path.stem] = Words(path.stem, words)
    return found


def new_code(words: Words | None, bits: int = RECEIPT_BITS) -> str:
    """ "apfel brücke …", or "1234 5678 …" without a list."""
    if words is None:
        number = math.ceil(bits / math.log2(10))
        digits = "".join(secrets.choice("0123456789") for _ in range(number))
        return " ".join(digits[at : at + _GROUP] for at in range(0, number, _GROUP))
    return " ".join(secrets.choice(words.words) for _ in range(math.ceil(bits / words.bits)))
