"""Do a German text and its translation say the same numbers?

A wrong age, date, price or phone number sends people to the wrong door, and nobody who only reads the translation can
notice. Digits of any script, usual ways to write dates, times and prices, and small numbers in words are understood.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

_SPACES = re.compile(r"[\s\u00a0\u2007\u202f]+")
_INVISIBLE = re.compile(r"[\u200b-\u200f\u202a-\u202e\u2060\u2066-\u2069\ufeff]")
_SEPARATORS = str.maketrans({"\u066b": ".", "\u066c": ",", "\u060c": ",", "\u2212": "-", "\u2011": "-"})

_PLACEHOLDER = re.compile(r"%\(\w+\)[sd]|\{\w*\}")
_ADDRESS = re.compile(
    r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+|(?:https?://|www\.)[^\s<>\"„“”()،؛]+"
    r"|\b[a-z0-9][a-z0-9-]*(?:\.[a-z0-9-]+)*\.(?:de|eu|org|com|net|info)\b(?:/[^\s<>\"„“”()،؛]*)?",
    re.IGNORECASE | re.ASCII,
)
_PHONE = re.compile(r"(?<![\w.,:/-])(?:\+|00?)\(?\d[\d ()/–-]{4,}\d(?!\w)|(?<!\w)116 ?\d{3}(?!\d)")
_ALWAYS = re.compile(r"\b24 ?/ ?7\b|\brund um die Uhr\b", re.IGNORECASE)

_MONTHS = {
    name: number
    for number, names in enumerate(
        (
            "Januar Jänner January Jan", "Februar February Feb", "März March Mar Mrz", "April Apr", "Mai May",
            "Juni June Jun", "Juli July Jul", "August Aug", "September Sept Sep", "Oktober October Okt Oct",
            "November Nov", "Dezember December Dez Dec",
        ),
        1,
    )
    for name in names.split()
}  # fmt: skip
_MONTH = "|".join(sorted(_MONTHS, key=len, reverse=True))
_DATES = (
    re.compile(r"(?<!\d)(?P<y>\d{4})-(?P<m>\d{1,2})-(?P<d>\d{1,2})(?!\d)"),
    re.compile(r"(?<![\d.])(?P<d>\d{1,2})\. ?(?P<m>\d{1,2})\.(?: ?(?P<y>\d{4}|\d{2})(?![\d.]))?"),
    re.compile(r"(?<!\d)(?P<d>\d{1,2})(?P<s>[/.-])(?P<m>\d{1,2})(?P=s)(?P<y>\d{4})(?!\d)"),
    re.compile(
        rf"(?<!\d)(?P<d>\d{{1,2}})(?:\.|st|nd|rd|th)? (?:of )?(?P<n>{_MONTH})\b\.?,?(?: (?P<y>\d{{4}})(?!\d))?"
    ),
    re.compile(rf"\b(?P<n>{_MONTH})\.? (?P<d>\d{{1,2}})(?:st|nd|rd|th)?(?!\d)(?:,? (?P<y>\d{{4}})(?!\d))?"),
)

_AM = r"a\.?m\b\.?|صباحا|صباحًا|صباح|صبح|قبل الظهر"
_PM = r"p\.?m\b\.?|مساءً|مساء|بعد الظهر|ظهرًا|ظهرا|بعدازظهر|بعد از ظهر|عصر|شب"
_HALF_DAY = re.compile(
    r"(?<![\d.,:])(?:(?P<h0>\d{1,2})(?:[:.](?P<m0>\d{2}))? ?(?:-|–|—|to|till|until|and|إلى|حتى|تا) ?)?"
    rf"(?P<h>\d{{1,2}})(?:[:.](?P<min>\d{{2}}))? ?(?:(?P<am>{_AM})|(?P<pm>{_PM}))",
    re.IGNORECASE,
)
_TIME = re.compile(
    r"(?<![\d.,:])(?P<h>\d{1,2})(?:(?::(?P<min>\d{2}))(?!\d)(?: ?Uhr\b)?|(?:\.(?P<dot>\d{2}))? ?Uhr\b)"
)
_NUMBER = re.compile(r"\d{1,3}(?:[.,' ]\d{3})+(?:[.,]\d{1,2})?(?!\d)|\d+[.,]\d{1,2}(?!\d)|\d+")

_WORDS = {
    word: str(number)
    for number, words in enumerate(
        (
            "ein eine einen einem einer one", "zwei beide beiden two", "drei three", "vier four",
            "fünf five", "sechs six", "sieben seven", "acht eight", "neun nine", "zehn ten", "elf eleven",
            "zwölf twelve",
        ),
        1,
    )
    for word in words.split()
}  # fmt: skip
_WORD = re.compile(r"[^\W\d_]+")


@dataclass(frozen=True, slots=True)
class Mismatch:
    missing: tuple[str, ...]
    """Numbers, dates and addresses of the German text that the translation does not have."""
    extra: tuple[str, ...]
    """Those of the translation that the German text does not have."""

    def __bool__(self) -> bool:
        return bool(self.missing or self.extra)


_Date = tuple[int, int, int | None]
_Note = Callable[[re.Match[str]], bool | None]


class _Read:
    """What one text says in numbers."""

    def __init__(self, text: str) -> None:
        self.exact: Counter[str] = Counter()
        """Placeholders, addresses and phone numbers."""
        self.dates: list[_Date] = []
        self.numbers: Counter[str] = Counter()
        self.words: set[str] = set()
        """Numbers in words: they may be digits in the other language."""
        text = _folded(text)
        text = self._take(_PLACEHOLDER, text, lambda match: self._exactly(match.group()))
        text = self._take(
            _ADDRESS, text, lambda match: self._exactly(match.group().rstrip(".,;:!?/").casefold())
        )
        text = self._take(_ALWAYS, text, self._always)
        text = self._take(_PHONE, text, self._phone)
        for pattern in _DATES:
            text = self._take(pattern, text, self._date)
        text = self._take(_HALF_DAY, text, self._half_day)
        text = self._take(_TIME, text, self._time)
        self._take(_NUMBER, text, lambda match: self._count(_plain_number(match.group())))
        self.words |= {_WORDS[word] for word in _WORD.findall(text.casefold()) if word in _WORDS}

    @staticmethod
    def _take(pattern: re.Pattern[str], text: str, note: _Note) -> str:
        """Note what is found and leave a gap where it was; a note that answers False leaves it there."""
        return pattern.sub(lambda match: match.group() if note(match) is False else " ¦ ", text)

    def _always(self, match: re.Match[str]) -> None:
        self.words.add("24")

    def _exactly(self, text: str) -> None:
        self.exact[text] += 1

    def _count(self, number: str) -> None:
        self.numbers[number] += 1

    def _phone(self, match: re.Match[str]) -> bool:
        text = match.group()
        if text.startswith(("+", "00")):
            text = text.replace("(0)", "")
        digits = "".join(filter(str.isdigit, text))
        if len(digits) < 6:
            return False
        for prefix in ("0049", "49"):
            if text.startswith(("+", "00")) and digits.startswith(prefix):
                digits = "0" + digits.removeprefix(prefix)
                break
        self._exactly(digits)
        return True

    def _date(self, match: re.Match[str]) -> bool:
        found = match.groupdict()
        day = int(found["d"])
        month = _MONTHS[found["n"]] if found.get("n") else int(found["m"])
        if not (1 <= day <= 31 and 1 <= month <= 12):
            return False
        year = int(found["y"]) if found.get("y") else None
        self.dates.append((day, month, 2000 + year if year is not None and year < 100 else year))
        return True

    def _half_day(self, match: re.Match[str]) -> None:
        hour, afternoon = int(match["h"]), bool(match["pm"])
        if match["h0"]:
            first = int(match["h0"])
            # "2–4 pm" is afternoon on both sides, "9–2 pm" and "10–12 pm" are not.
            self._count(_clock(first + 12 if afternoon and first < hour < 12 else first, match["m0"]))
        if hour == 12:
            hour = 12 if afternoon else 0
        elif afternoon and hour < 12:
            hour += 12
        self._count(_clock(hour, match["min"]))

    def _time(self, match: re.Match[str]) -> None:
        self._count(_clock(int(match["h"]), match["min"] or match["dot"]))


def mismatch(german: str, text: str, language: str = "") -> Mismatch:
    """What differs; false when nothing does. `language` is that of the translation."""
    source, target = _Read(german), _Read(text)
    missing = list((source.exact - target.exact).elements())
    extra = list((target.exact - source.exact).elements())
    _compare_dates(source, target, missing, extra)
    lacking, added = source.numbers - target.numbers, target.numbers - source.numbers
    unsaid = {"1"} | ({"2"} if language.partition("-")[0] == "ar" else set())
    """Many languages leave "1" out, and Arabic has a dual."""
    # A number that is written more often in one language ("from 14 to 16, and at 16 …") is no difference.
    missing += [n for n in lacking if n not in target.words and n not in target.numbers and n not in unsaid]
    extra += [n for n in added if n not in source.words and n not in source.numbers]
    if lacking.keys() & unsaid and extra:
        missing += [n for n in lacking if n in unsaid and n not in target.words]
    return Mismatch(tuple(missing), tuple(extra))


def _compare_dates(source: _Read, target: _Read, missing: list[str], extra: list[str]) -> None:
    here, there = Counter(source.dates), Counter(target.dates)
    mine, theirs = [*(here - there).elements()], [*(there - here).elements()]
    if mine and theirs:
        missing += [_words(date) for date in mine if date not in target.dates]
        extra += [_words(date) for date in theirs if date not in source.dates]
        return
    # One side writes the month as a word that we do not know; day and year must be there all the same.
    for dates, side, other in ((mine, source, target), (theirs, target, source)):
        for day, month, year in dates:
            side.numbers.update([str(day), *([str(year)] if year is not None else [])])
            if str(month) in other.numbers:
                side.numbers.update([str(month)])


def _words(date: _Date) -> str:
    day, month, year = date
    return f"{day}.{month}.{year or ''}"


def _clock(hour: int, minutes: str | None) -> str:
    return f"{hour}:{minutes}" if minutes and minutes != "00" else str(hour)


def _plain_number(text: str) -> str:
    """`1.500,50` and `1,500.50` → `1500.5`; `10,00` → `10`; leading zeros stay, because a postal code has them."""
    match = re.fullmatch(r"(\d{1,3}(?:[.,' ]\d{3})+|\d+)(?:[.,](\d{1,2}))?", text)
    assert match is not None
    whole, rest = re.sub(r"\D", "", match[1]), (match[2] or "").rstrip("0")
    return f"{whole}.{rest}" if rest else whole


def _folded(text: str) -> str:
    text = _INVISIBLE.sub("", text).translate(_SEPARATORS)
    text = "".join(
        str(unicodedata.decimal(char)) if char.isdecimal() and not char.isascii() else char for char in text
    )
    return _SPACES.sub(" ", text)
