"""A query as typed to what it asks for: words, concepts, a place, an age."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from portal.catalogue.search import analysis
from portal.catalogue.search.analysis import STOP_WORDS, Token
from portal.catalogue.search.concepts import ConceptMatch, Concepts

FindPlace = Callable[[str], str | None]
"""Name or postal code to the AGS of the municipality, None when it is none or not clear which."""

MAX_LENGTH = 400
"""Characters of a query that are read; nobody types more, and time must not depend on it."""
MAX_TOKENS = 80
"""Words that are understood. People come to the point last: the danger may stand at the end of a long sentence."""
MAX_WORDS = 30
"""Words that are looked for in the index."""

_YOUNGEST, _OLDEST = 6, 99
_YOUNGEST_BARE = 12
"""With nothing but "mit" before the number: "mit 10 aus der Schule" is about the tenth form."""
_AGE_BEFORE = frozenset(
    analysis.fold(word)
    for word in [
        "mit", "bin", "alter", "age", "aged", "im", "am", "i'm", "yaş", "yaşım", "yaşında", "мне", "мені", "عمري", "سني", "من",
        "ai", "werde", "turned", "turning", "ist", "mam",
    ]
)  # fmt: skip
_YEARS = frozenset(
    analysis.fold(word)
    for word in [
        "jahre", "jahr", "jahren", "years", "year", "yrs", "yr", "yaş", "лет", "года", "год", "років", "роки", "рік",
        "سنة", "سنه", "عام", "عاما", "سال", "lat", "lata", "ani", "salî",
    ]
)  # fmt: skip
_AGED = frozenset(
    analysis.fold(word)
    for word in ["yo", "yaşında", "yaşındayım", "yaşındaki", "ساله", "سالم", "سالمه", "ans"]
)
"""After a number these say an age and nothing else, as do "jährig" with any ending and years that are old."""
_OLD = frozenset(["alt", "alte", "alter", "alten", "old", "olds"])
_A_WHILE = frozenset(
    analysis.fold(word)
    for word in [
        "seit", "vor", "nach", "in", "noch", "über", "unter", "bis", "since", "after", "before", "within", "under", "letzten",
        "paragraf", "через", "за", "منذ", "depuis", "pendant", "dans", "od", "przez", "acum",
    ]
)  # fmt: skip
"""Before a number: no age, whatever follows. "Unter 18-Jährige" are of every age but that."""
_FOR_WHOM = frozenset(analysis.fold(word) for word in ["für", "for", "ab", "pour", "для"])
"""Before a number: a while if years follow, but "für 15-Jährige" is for somebody of that age."""
_WHO = frozenset(["ich", "i", "je", "j", "я", "ben"])
_AGE_GLUED = re.compile(r"^(\d{1,2})(?:j|yo|y)$")
_BEFORE_PLACE = frozenset(
    analysis.fold(word)
    for word in [
        "in",
        "im",
        "aus",
        "bei",
        "nach",
        "nahe",
        "um",
        "raum",
        "ort",
        "ot",
        "near",
        "from",
        "at",
        "в",
        "у",
        "з",
        "із",
        "à",
        "en",
        "في",
        "من",
        "در",
        "از",
    ]
)
_ELIDED = re.compile(r"\b\w{1,2}['’]$")
_LONGEST_PLACE = 4
_SHORTEST_GUESS = 6


@dataclass(frozen=True, slots=True)
class Understood:
    """What a query says. `tokens` are all its words in order; the sets hold positions in it."""

    text: str
    language: str
    languages: tuple[str, ...]
    """Languages to look the words up in, the visitor's first."""
    tokens: tuple[Token, ...]
    words: tuple[int, ...]
    """Positions of the words to look for: without place, age and words that carry no meaning."""
    concepts: tuple[ConceptMatch, ...]
    urgent: bool
    place: str | None
    """AGS of the municipality named in the query."""
    place_text: str | None
    age: int | None
    rest_without_age: str
    """What stays of the query when the age is taken out of it; the place stays."""
    rest_without_place: str
    unfinished: bool
    """The last word may still be growing: nothing was typed after it."""


def understand(
    text: str,
    language: str,
    concepts: Concepts,
    find_place: FindPlace | None = None,
    guess_place: FindPlace | None = None,
) -> Understood:
    """Read a query in the page's `language`. Takes any text at all.

    `guess_place` also knows misspelt names; it is asked only about words that mean nothing else.
    """
    text = _clean(text)
    tokens = tuple(analysis.tokens(text)[:MAX_TOKENS])
    age, age_at = _age(tokens)
    unfinished = bool(tokens) and tokens[-1].end == len(text)
    found = concepts.recognise(tokens, text, language, growing=unfinished, age_at=age_at)
    place, place_at = _place(tokens, found, age_at, find_place)
    if place is None and guess_place is not None:
        place, place_at = _misspelt_place(tokens, found, age_at, concepts, guess_place, growing=unfinished)
    taken = age_at | place_at
    words = [i for i, token in enumerate(tokens) if i not in taken and token.fold not in STOP_WORDS]
    if not words and not taken:
        # "ohne" alone is a word to look for after all.
        words = list(range(len(tokens)))
    return Understood(
        text=text,
        language=language,
        languages=_languages(text, language),
        tokens=tokens,
        words=tuple(words[:MAX_WORDS]),
        concepts=found,
        urgent=any(match.urgent for match in found),
        place=place,
        place_text=" ".join(tokens[i].text for i in sorted(place_at) if tokens[i].fold not in STOP_WORDS)
        or None,
        age=age,
        rest_without_age=_rest(text, tokens, age_at),
        rest_without_place=_rest(text, tokens, place_at),
        unfinished=unfinished,
    )


def _clean(text: str) -> str:
    """At most MAX_LENGTH characters, control characters as spaces; a blank at the end stays, it ends a word."""
    text = "".join(
        character if character.isprintable() or character in "\u200c\u00ad" else " "
        for character in text[: MAX_LENGTH * 4]
    )
    return re.sub(r"\s+", " ", text).lstrip()[:MAX_LENGTH]


def _languages(text: str, language: str) -> tuple[str, ...]:
    found = analysis.scripts(text)
    languages = [language]
    if "cyrillic" in found:
        languages += ["uk", "ru"]
    if "arabic" in found:
        languages += ["ar", "fa"]
    if "latin" in found or not found:
        languages.append("de")
    return tuple(dict.fromkeys(languages))


def _age(tokens: Sequence[Token]) -> tuple[int | None, frozenset[int]]:
    """The first age that is said, and the positions of its words."""
    for i, token in enumerate(tokens):
        glued = _AGE_GLUED.match(token.fold)
        number = glued[1] if glued else token.fold
        if not (number.isascii() and number.isdigit() and len(number) <= 2):
            continue
        age = int(number)
        if not _YOUNGEST <= age <= _OLDEST:
            continue
        before = tokens[i - 1].fold if i else ""
        end, is_aged = _age_words(tokens, i + 1)
        is_aged = is_aged or bool(glued)
        if before in _A_WHILE or (before in _FOR_WHOM and not is_aged):
            continue
        announced = _announces_age(tokens, i)
        is_said = is_aged or end > i + 1
        is_bare = announced and _stands_alone(tokens, i) and (before != "mit" or age >= _YOUNGEST_BARE)
        if not (is_said or is_bare):
            continue
        start = i - 1 if announced or before in _FOR_WHOM else i
        if announced and start and tokens[start - 1].fold in _WHO:
            start -= 1
        return age, frozenset(range(start, end))
    return None, frozenset()


def _age_words(tokens: Sequence[Token], start: int) -> tuple[int, bool]:
    """Where the words after a number end that make it an age, and whether they can say nothing else."""
    following = [token.fold for token in tokens[start : start + 2]]
    if not following:
        return start, False
    if following[0] in _AGED or following[0].startswith("jahrig"):
        return start + 1, True
    if following[0] in _YEARS:
        is_old = following[-1] in _OLD
        return start + 1 + is_old, is_old
    return start, False


def _announces_age(tokens: Sequence[Token], i: int) -> bool:
    """ "Am" is English behind an "i", and else a German day: "am 15. November"."""
    before = tokens[i - 1].fold if i else ""
    return before in _AGE_BEFORE and (before != "am" or (i > 1 and tokens[i - 2].fold in _WHO))


def _stands_alone(tokens: Sequence[Token], i: int) -> bool:
    """A number that counts something is no age: "mit 20 Leuten", "mit 10 Euro", but "mit 17 schwanger"."""
    if i + 1 >= len(tokens):
        return True
    following = tokens[i + 1]
    return not (following.fold in _COUNTED or following.text.endswith(("€", "%")))


_COUNTED = frozenset(
    analysis.fold(word)
    for word in [
        "euro",
        "eur",
        "prozent",
        "stunden",
        "tage",
        "tagen",
        "wochen",
        "monat",
        "monate",
        "monaten",
        "woche",
        "ssw",
        "klasse",
        "schuljahr",
        "lehrjahr",
        "ausbildungsjahr",
        "semester",
        "uhr",
        "leute",
        "leuten",
        "kinder",
        "kindern",
        "kind",
        "freunde",
        "freunden",
        "personen",
        "menschen",
        "minuten",
        "km",
        "kilometer",
        "punkten",
        "noten",
        "hours",
        "days",
        "weeks",
        "months",
        "kids",
        "children",
        "people",
        "euros",
        "gün",
        "hafta",
        "ay",
        "часов",
        "дней",
        "недель",
        "месяцев",
        "heures",
        "jours",
        "mois",
    ]
)


def _place(
    tokens: Sequence[Token],
    found: Sequence[ConceptMatch],
    taken: frozenset[int],
    find_place: FindPlace | None,
) -> tuple[str | None, frozenset[int]]:
    if find_place is None:
        return None, frozenset()
    meant = frozenset[int]().union(*(match.tokens for match in found if match.strength >= 0.5))
    for length in range(min(_LONGEST_PLACE, len(tokens)), 0, -1):
        for start in range(len(tokens) - length + 1):
            span = range(start, start + length)
            if any(i in taken for i in span) or all(i in meant for i in span):
                continue
            before = start > 0 and tokens[start - 1].fold in _BEFORE_PLACE
            if not _may_be_place(tokens, span, announced=before):
                continue
            ags = find_place(" ".join(tokens[i].text for i in span))
            if ags:
                at = set(span)
                if before:
                    at.add(start - 1)
                return ags, frozenset(at)
    return None, frozenset()


def _misspelt_place(
    tokens: Sequence[Token],
    found: Sequence[ConceptMatch],
    taken: frozenset[int],
    concepts: Concepts,
    guess_place: FindPlace,
    *,
    growing: bool,
) -> tuple[str | None, frozenset[int]]:
    """A town with a typing error in it, "suchtberatung wernigerrode": one long word that is no other word."""
    meant = frozenset[int]().union(*(match.tokens for match in found))
    for i, token in enumerate(tokens):
        word = token.fold
        if i in taken or i in meant or len(word) < _SHORTEST_GUESS or not word.isascii():
            continue
        # A word that is still being typed is unfinished, not misspelt.
        if (growing and i + 1 == len(tokens) and len(tokens) == 1) or not word.isalpha():
            continue
        if word in concepts.words() or analysis.is_known(word):
            continue
        ags = guess_place(token.text)
        if ags:
            announced = i > 0 and tokens[i - 1].fold in _BEFORE_PLACE
            return ags, frozenset({i - 1, i}) if announced else frozenset({i})
    return None, frozenset()


def _may_be_place(tokens: Sequence[Token], span: range, *, announced: bool) -> bool:
    words = [tokens[i].fold for i in span]
    if any(word.isdigit() for word in words):
        return any(len(word) == 5 for word in words)
    if words[0] in STOP_WORDS or words[-1] in STOP_WORDS or max(map(len, words)) < 4:
        return False
    if announced:
        return True
    # "Sorge", "Elend" and "Tanne" are villages, and words.
    return not all(analysis.is_known(word) for word in words)


def _rest(text: str, tokens: Sequence[Token], taken: frozenset[int]) -> str:
    out, at = [], 0
    for i, token in enumerate(tokens):
        if i in taken:
            out.append(_ELIDED.sub("", text[at : token.start]))
            at = token.end
    out.append(text[at:])
    return re.sub(r"\s+", " ", "".join(out)).strip(" ,;-")
