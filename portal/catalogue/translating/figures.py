"""Do a German text and its translation say the same numbers?

A wrong age, date, price or phone number sends people to the wrong door, and nobody who only reads the translation can
notice. Digits of any script, usual ways to write dates, times and prices, and small numbers in words are understood.
Names of months and weekdays are CLDR's, so that a new language needs nothing here; without its number words ("three" for
3) the comparison of digits is only stricter.

Two number words, or two weekdays, are compared only where German counts in a unit ("drei Tage") or names the day, and
only another number or day in its place is a difference: "zwölf Monate" may be "a year".
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache

from babel import Locale, UnknownLocaleError
from babel.dates import get_day_names, get_month_names
from babel.numbers import get_currency_name

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
_ALWAYS = re.compile(
    r"\b24 ?/ ?7\b|\b7 ?/ ?24\b|\b24 ?h ?(?:/|sur) ?24(?:,? ?(?:et )?7 ?j?(?:ours)? ?(?:/|sur) ?7)?\b"
    r"|\brund um die Uhr\b|\bTag und Nacht\b|цілодобов|круглосуточн|على مدار الساعة|شبانه ?روز"
    r"|\bcałodobow|\bcałą dobę|\bgece gündüz\b|\bnon-?stop\b|\bşev û roj\b|\broj û şev\b",
    re.IGNORECASE,
)
_SAID = (
    (re.compile(r"\bhalbe[nr]? Stunde|\bhalbstündig", re.IGNORECASE), "30"),
    (re.compile(r"\bViertelstunde", re.IGNORECASE), "15"),
    (re.compile(r"\b(?:voll|minder)jährig|الثامن(?:ة)? عشر", re.IGNORECASE), "18"),
)
"""Words that are a number: of minutes, of years."""

_OTHER_MONTHS = (
    "Jänner Jan كانون_الثاني يناير rêbendan çile ژانویه",
    "Feb شباط فبراير reşemî sibat فوریه",
    "Mar Mrz آذار مارس adar avdar",
    "Apr نيسان أبريل nîsan avrêl آوریل",
    "أيار مايو gulan",
    "Jun حزيران يونيو hezîran pûşper ژوئن",
    "Jul تموز يوليو tîrmeh temûz ژوئیه جولای",
    "Aug آب أغسطس tebax gelawêj اوت آگوست",
    "Sept Sep أيلول سبتمبر îlon rezber",
    "Okt Oct تشرين_الأول أكتوبر cotmeh kewçêr",
    "Nov تشرين_الثاني نوفمبر mijdar sermawez",
    "Dez Dec كانون_الأول ديسمبر kanûn berfanbar",
)
"""What CLDR does not have: short names, those of the Levant, those that Kurds and Dari speakers say."""
_NUMERIC_DATES = (
    re.compile(r"(?<!\d)(?P<y>\d{4})-(?P<m>\d{1,2})-(?P<d>\d{1,2})(?!\d)"),
    re.compile(r"(?<![\d.])(?P<d>\d{1,2})\. ?(?P<m>\d{1,2})\.(?: ?(?P<y>\d{4}|\d{2})(?![\d.]))?"),
    re.compile(r"(?<!\d)(?P<d>\d{1,2})(?P<s>[/.-])(?P<m>\d{1,2})(?P=s)(?P<y>\d{4})(?!\d)"),
)

_AM = r"a\.?m\b\.?|صباحا|صباحًا|صباح|صبح|قبل الظهر"
_PM = r"p\.?m\b\.?|مساءً|مساء|بعد الظهر|ظهرًا|ظهرا|بعدازظهر|بعد از ظهر|عصر|شب|êvarê|piştî nîvro"
_HALF_DAY = re.compile(
    r"(?<![\d.,:])(?:(?P<h0>\d{1,2})(?:[:.](?P<m0>\d{2}))? ?(?:-|–|—|to|till|until|and|إلى|حتى|تا|heta) ?)?"
    rf"(?P<h>\d{{1,2}})(?:[:.](?P<min>\d{{2}}))?(?:'?[êa]n?)? ?(?:(?P<am>{_AM})|(?P<pm>{_PM}))",
    re.IGNORECASE,
)
_TIME = re.compile(
    r"(?<![\d.,:])(?P<h>\d{1,2})"
    r"(?:(?::(?P<min>\d{2}))(?!\d)(?: ?Uhr\b)?|(?:\.(?P<dot>\d{2}))? ?Uhr\b| ?h(?: ?(?P<fr>\d{2}))?(?![^\W\d]))"
)
_NUMBER = re.compile(r"\d{1,3}(?:[.,' ]\d{3})+(?:[.,]\d{1,2})?(?!\d)|\d+[.,]\d{1,2}(?!\d)|\d+")

_NUMBER_WORDS = {
    "de": (
        "ein eine einen einem einer eins erste ersten erster erstes einmal|zwei beide beiden beides zweite zweiten zweiter"
        " zweites zweimal|drei dritte dritten dritter dreimal|vier vierte vierten|fünf fünfte|sechs sechste|sieben siebte"
        "|acht achte|neun neunte neunten|zehn zehnte zehnten|elf|zwölf"
    ),
    "en": "one first once|two second both twice|three third|four fourth|five|six|seven|eight|nine|ten|eleven|twelve",
    # Apostrophes are left out.
    "uk": (
        "один одна одне одну одного однієї одному одним перший перша перше|два дві двох двом двома обидва обидві обох"
        "|три трьох третій|чотири чотирьох|пять пяти пятьох|шість шести|сім семи|вісім восьми|девять девяти|десять десяти"
        "|одинадцять|дванадцять"
    ),
    "ru": (
        "один одна одно одну одного одной одним первый первая первое|два две двух двум оба обе обоих|три трех трёх третий"
        "|четыре четырех четырёх|пять пяти|шесть шести|семь семи|восемь восьми|девять девяти|десять десяти|одиннадцать"
        "|двенадцать"
    ),
    # Prefixes are left out.
    "ar": (
        "واحد واحدة احد أحد احدى إحدى أول أولى|اثنان اثنين اثنتان اثنتين اثنا اثني اثنتا اثنتي كلا كلتا كلاهما|ثلاث ثلاثة|أربع أربعة اربع اربعة"
        "|خمس خمسة|ست ستة|سبع سبعة|ثمان ثماني ثمانية|تسع تسعة|عشر عشرة"
    ),
    "fa": "یک یکی اول|دو دوم هردو|سه سوم|چهار|پنج|شش|هفت|هشت|نه|ده|یازده|دوازده",
    "tr": "bir ilk birinci|iki ikisi ikinci her_ikisi|üç üçüncü|dört|beş|altı|yedi|sekiz|dokuz|on",
    "fr": "un une premier première|deux deuxième|trois troisième|quatre|cinq|six|sept|huit|neuf|dix|onze|douze",
    "pl": (
        "jeden jedna jedno jedną jednego jednej jednym pierwszy pierwsza pierwsze|dwa dwie dwóch dwu dwoje oba obie obu"
        "|trzy trzech troje trzeci|cztery czterech|pięć pięciu|sześć sześciu|siedem siedmiu|osiem ośmiu|dziewięć dziewięciu"
        "|dziesięć dziesięciu|jedenaście|dwanaście"
    ),
    "ro": (
        "un o una unu unul unei unui primul prima|doi două ambii ambele|trei|patru|cinci|șase|șapte|opt|nouă|zece"
        "|unsprezece|doisprezece douăsprezece"
    ),
    "ku": "yek yekî yekê yekem|du duyan herdu duyem|sê sisê|çar|pênc|şeş|heft|heşt|neh|deh|yazdeh|diwazdeh dwazdeh",
}
_WORDS = {
    code: {word: str(number) for number, same in enumerate(words.split("|"), 1) for word in same.split()}
    for code, words in _NUMBER_WORDS.items()
}
_ANY_WORD = {word: number for words in _WORDS.values() for word, number in words.items()}
_ALSO_OTHERWISE = frozenset({"نه", "ده", "neuf", "altı"})
"""Number words that are everyday words too: no, village, new, below."""
_WORD = re.compile(r"[^\W\d_]+")
_APOSTROPHES = re.compile("['\u2019\u02bc]")
_ARABIC_PREFIX = re.compile("^[وفبلك]?(?:ال)?")
_COUNTED_IN_WORDS = re.compile(
    r"\b(?P<n>drei|vier|fünf|sechs|sieben|acht|neun|zehn|elf|zwölf)(?: [a-zäöüß]+)? "
    r"(?:Jahre?n?|Monate?n?|Wochen?|Tage?n?|Stunden?|Minuten?|Uhr|Euro|Cent|Prozent|Kilometern?)\b",
    re.IGNORECASE,
)
_HALF_HOUR = re.compile(r"\bhalbe[nr]? Stunde", re.IGNORECASE)
_HALF = {
    "de": "halb|dreißig",
    "en": "half|thirty",
    "uk": "пів|тридцят",
    "ru": "пол|тридцат",
    "ar": "نصف|ثلاثين|ثلاثون",
    "fa": "نیم|سی",
    "tr": "yarım|buçuk|otuz",
    "fr": "demi|trente",
    "pl": "pół|trzydzie",
    "ro": "jumătate|treizeci",
    "ku": "nîv|sî",
}
"""A word for half, or for thirty minutes."""
_ONE_EURO = re.compile(r"(?<![\d.,])1(?:,0+)? ?(?:€|Euro\b)")
_SPLIT_DAY = re.compile(r"\b(یک|دو|سه|چهار|پنج) (?=شنبه)")
_ALEPHS = str.maketrans("أإآ", "ااا")
SIMPLE = "de-simple"
_COUNTED = re.compile(
    r"(?<![\d.,:-])(?P<n>[1-9]|10)\.? (?!Jahr|Monat|Woche|Tag|Stunde|Minute|Uhr|Euro|Prozent|Kilometer|[A-Z]{2}|km)(?=[A-ZÄÖÜ])"
)
"""Leichte Sprache counts what German only names, in digits: "3 Ämter", "das 1. Gespräch"."""
_NO_FIGURE = re.compile(r"[^\d@/%{]*")


@lru_cache(maxsize=64)
def _months(language: str) -> tuple[dict[str, int], tuple[re.Pattern[str], ...]]:
    """Names of months → number, and the dates that are written with them, in German, English and this language."""
    names: dict[str, int] = {
        name.replace("_", " ").casefold(): number
        for number, several in enumerate(_OTHER_MONTHS, 1)
        for name in several.split()
    }
    for code in ("de", "en", language.partition("-")[0]):
        try:
            locale = Locale.parse(code)
        except (UnknownLocaleError, ValueError):
            continue
        for context in ("format", "stand-alone"):
            months = get_month_names("wide", context, locale)
            names |= {name.casefold(): int(number) for number, name in months.items() if int(number) <= 12}
    # Longer names may have an ending: "20 Kasım'da", "1 mijdarê".
    ordered = sorted(names, key=len, reverse=True)
    month = "|".join(re.escape(name) + (r"(?:'?\w{0,3})\b" if len(name) > 3 else r"\b") for name in ordered)
    year = r"(?:,? (?P<y>\d{4})(?!\d))?"
    return names, (
        re.compile(
            rf"(?<!\d)(?P<d>\d{{1,2}})(?:\.|st|nd|rd|th|er|'?[êa]n?)? (?:of |de )?(?P<n>{month})\.?{year}",
            re.IGNORECASE,
        ),
        re.compile(rf"\b(?P<n>{month})\.? (?P<d>\d{{1,2}})(?:st|nd|rd|th)?(?!\d){year}", re.IGNORECASE),
    )


@lru_cache(maxsize=64)
def _weekdays(language: str) -> tuple[tuple[str, int], ...]:
    """How the names of the days begin in every case, the longest first."""
    code = language.partition("-")[0]
    try:
        locale = Locale.parse(code)
    except (UnknownLocaleError, ValueError):
        return ()
    names = {"sonnabend": 5} if code == "de" else {}
    for context in ("format", "stand-alone"):
        names |= {_day(name): number for number, name in get_day_names("wide", context, locale).items()}
    # Arabic days do without their article too; "احد" then means somebody.
    names |= {name[2:]: number for name, number in names.items() if name.startswith("ال") and len(name) > 5}
    if code != "de":  # Whose days only get longer ("montags", "Montagabend"); "Dienst" is none.
        names = {_without_ending(name): number for name, number in names.items()}
    return tuple(sorted(names.items(), key=lambda item: -len(item[0])))


def _without_ending(name: str) -> str:
    return name[:-2] if len(name) > 5 else name[:-1] if len(name) > 3 else name


def _day(written: str) -> str:
    return _APOSTROPHES.sub("", written.casefold()).translate(_ALEPHS)


def _days_in(text: str, language: str) -> set[int]:
    text = _SPLIT_DAY.sub(r"\1", _day(text).replace("·", ""))
    begins = _weekdays(language)
    words = _WORD.findall(text)
    found = (
        next((number for begin, number in begins if word.removeprefix("و").startswith(begin)), None)
        for word in words
    )
    return {number for number in found if number is not None}


def _month(names: dict[str, int], written: str) -> int:
    """The longest name that the written one begins with."""
    folded = written.casefold()
    while folded not in names:
        folded = folded[:-1]
    return names[folded]


@dataclass(frozen=True, slots=True)
class Mismatch:
    missing: tuple[str, ...]
    """Numbers, dates and addresses of the German text that the translation does not have."""
    extra: tuple[str, ...]
    """Those of the translation that the German text does not have."""

    def __bool__(self) -> bool:
        return bool(self.missing or self.extra)

    def __str__(self) -> str:
        """ "-18 +16"."""
        return " ".join([*(f"-{text}" for text in self.missing), *(f"+{text}" for text in self.extra)])


_Date = tuple[int, int, int | None]
_Note = Callable[[re.Match[str]], bool | None]


class _Read:
    """What one text says in numbers."""

    def __init__(self, text: str, language: str) -> None:
        self.exact: Counter[str] = Counter()
        """Placeholders, addresses and phone numbers."""
        self.dates: list[_Date] = []
        self.numbers: Counter[str] = Counter()
        self.words: set[str] = set()
        """Numbers in words: they may be digits in the other language."""
        text = _folded(text)
        self.written = text
        text = self._take(_PLACEHOLDER, text, lambda match: self._exactly(match.group()))
        text = self._take(_ADDRESS, text, lambda match: self._exactly(_address(match.group())))
        text = self._take(_ALWAYS, text, self._always)
        text = self._take(_PHONE, text, self._phone)
        self._names, patterns = _months(language)
        for pattern in (*_NUMERIC_DATES, *patterns):
            text = self._take(pattern, text, self._date)
        text = self._take(_HALF_DAY, text, self._half_day)
        text = self._take(_TIME, text, self._time)
        if language == SIMPLE:
            text = self._take(_COUNTED, text, lambda match: self.words.add(match["n"]))
        self._take(_NUMBER, text, lambda match: self._count(_plain_number(match.group())))
        self.words |= set(_numbers_in_words(text, _ANY_WORD))
        self.words |= {number for pattern, number in _SAID if pattern.search(text)}

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
        month = _month(self._names, found["n"]) if found.get("n") else int(found["m"])
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
        self._count(_clock(int(match["h"]), match["min"] or match["dot"] or match["fr"]))


def _numbers_in_words(text: str, words: dict[str, str]) -> Iterator[str]:
    """Also "on iki" (Turkish: ten two) and "اثنا عشر" (Arabic: two ten) for 12."""
    before = 0
    for word in _WORD.findall(_APOSTROPHES.sub("", text.casefold())):
        number = words.get(word) or words.get(_ARABIC_PREFIX.sub("", word))
        if number is None:
            before = 0
            continue
        here = int(number)
        if before and (before == 10) != (here == 10) and before + here <= 19:
            yield str(before + here)
        yield number
        before = here


def mismatch(german: str, text: str, language: str = "") -> Mismatch:
    """What differs; false when nothing does. `language` is that of the translation."""
    if (
        _NO_FIGURE.fullmatch(german)
        and _NO_FIGURE.fullmatch(text)
        and not _mentions_address(german, text)
        and not _COUNTED_IN_WORDS.search(german)
        and not _HALF_HOUR.search(german)
        and not _days_in(german, "de")
    ):
        return Mismatch((), ())
    source, target = _Read(german, "de"), _Read(text, language)
    missing = list((source.exact - target.exact).elements())
    extra = list((target.exact - source.exact).elements())
    _compare_dates(source, target, missing, extra)
    lacking, added = source.numbers - target.numbers, target.numbers - source.numbers
    _forgive_dots(lacking, added)
    unsaid = {"1"} | ({"2"} if language.partition("-")[0] == "ar" else set())
    """Many languages leave "1" out, and Arabic has a dual."""
    if _ONE_EURO.search(source.written) and not _says_euro(target.written, language):
        unsaid.discard("1")
    # A number that is written more often in one language ("from 14 to 16, and at 16 …") is no difference.
    missing += [n for n in lacking if n not in target.words and n not in target.numbers and n not in unsaid]
    extra += [n for n in added if n not in source.words and n not in source.numbers]
    if lacking.keys() & unsaid and extra:
        missing += [n for n in lacking if n in unsaid and n not in target.words]
    _compare_words(source, target, language, missing, extra)
    return Mismatch(tuple(missing), tuple(extra))


def _compare_words(source: _Read, target: _Read, language: str, missing: list[str], extra: list[str]) -> None:
    code = language.partition("-")[0]
    said = target.words | target.numbers.keys()
    counted = {_WORDS["de"][match["n"].casefold()] for match in _COUNTED_IN_WORDS.finditer(source.written)}
    own = {word: number for word, number in _WORDS.get(code, {}).items() if word not in _ALSO_OTHERWISE}
    instead = {
        number
        for number in _numbers_in_words(target.written, own)
        if int(number) >= 3 and number not in source.words | source.numbers.keys()
    }
    unsaid = sorted(counted - said - set(missing))
    if unsaid and (instead or extra):
        missing += unsaid
        extra += sorted(instead - set(extra))
    half = _HALF.get(code)
    if half and _HALF_HOUR.search(source.written) and "30" not in said:
        if not re.search(half, target.written.casefold().replace("·", "")):
            missing.append("0:30")
    days, others = _days_in(source.written, "de"), _days_in(target.written, language)
    if days - others and others - days:
        missing += [_day_name(day) for day in sorted(days - others)]
        extra += [_day_name(day) for day in sorted(others - days)]


def _day_name(day: int) -> str:
    return str(get_day_names("wide", "format", "de")[day])


def _says_euro(text: str, language: str) -> bool:
    try:
        name = get_currency_name("EUR", locale=language.partition("-")[0])
    except (UnknownLocaleError, ValueError):
        name = "euro"
    folded = text.casefold()
    return any(word in folded for word in ("€", "eur", name.casefold()))


def _address(written: str) -> str:
    return written.rstrip(".,;:!?/").casefold().removeprefix("https://").removeprefix("www.")


def _mentions_address(*texts: str) -> bool:
    return any("." in text and _ADDRESS.search(text) for text in texts)


def _forgive_dots(lacking: Counter[str], added: Counter[str]) -> None:
    """ "8.30" is a number here and a time of day there."""
    for one, other in ((lacking, added), (added, lacking)):
        for clock in [number for number in one if ":" in number]:
            hour, _, minutes = clock.partition(":")
            written = _plain_number(f"{hour}.{minutes}")
            if other[written]:
                del one[clock], other[written]


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
