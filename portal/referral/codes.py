"""Codes that can be read out: everyday words in the reader's script, or digits.

A receipt code has at least 60 bits, so that nobody finds one by trying; a slip's code is short, because only somebody
who signed in may type it, and slowly.
"""

import hashlib
import math
import re
import secrets
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

RECEIPT_BITS = 60
SLIP_BITS = 40
_WORDS_AT_LEAST = 256
_DRAWN_BITS = 512
"""Far more than a code needs: what is left over by dividing favours no word noticeably."""
_GROUP = 4
"""Digits that stand together."""
_MARKS = re.compile(r"[\u0300-\u036f\u064b-\u065f\u0670\u0640\u200c-\u200f\u2066-\u2069]")
_ALIKE = str.maketrans(
    {
        "أ": "ا",
        "إ": "ا",
        "آ": "ا",
        "ى": "ي",
        "ی": "ي",
        "ک": "ك",
        "ة": "ه",
        "ё": "е",
        "ı": "i",
        "ґ": "г",
        "ł": "l",
    }
)
_SPELT_OUT = re.compile("(?<=[aou])e")
""" "muetze" is what people type for "mütze" on a foreign keyboard; marks are gone by then, so both become "mutze"."""


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
    text = _SPELT_OUT.sub("", _MARKS.sub("", text).translate(_ALIKE))
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


def new_code(words: Words | None, bits: int = RECEIPT_BITS, *, seed: str | None = None) -> str:
    """ "apfel brücke …", or "1234 5678 …" without a list.

    The same `seed`, a secret, gives the same code: somebody who sends a form twice sees the same one twice.
    """
    number = secrets.randbits(_DRAWN_BITS) if seed is None else _drawn(seed)
    if words is None:
        digits = ""
        for _place in range(math.ceil(bits / math.log2(10))):
            number, digit = divmod(number, 10)
            digits += str(digit)
        return " ".join(digits[at : at + _GROUP] for at in range(0, len(digits), _GROUP))
    chosen = []
    for _place in range(math.ceil(bits / words.bits)):
        number, word = divmod(number, len(words.words))
        chosen.append(words.words[word])
    return " ".join(chosen)


def _drawn(seed: str) -> int:
    return int.from_bytes(hashlib.sha512(b"anlauf: code" + seed.encode()).digest(), "big")
