"""What tells who somebody is, as far as it can be recognised in a text that shall be anonymous.

Read word by word by people afterwards: this holds back what slips in, not what somebody hides.
"""

import re
import unicodedata
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from functools import cache

import phonenumbers

from portal.catalogue.first_names import first_names


class Kind(StrEnum):
    PHONE = "phone"
    MAIL = "mail"
    ADDRESS = "address"
    TOWN = "town"
    """A postcode with its town."""
    BIRTH = "birth"
    CASE_NUMBER = "case_number"
    NAME = "name"
    FIRST_NAME = "first_name"
    """Borne by people, and yet it may be something else here: to be asked back."""


@dataclass(frozen=True, slots=True)
class Finding:
    kind: Kind
    start: int
    end: int
    passage: str = field(repr=False)


def refusals(
    text: str, *, today: date, names: Iterable[str] = (), no_names: Collection[str] = ()
) -> list[Finding]:
    """In the order of the text, without overlaps.

    `names` are those told in the referral, compared word by word; `no_names` are passages of the kind `FIRST_NAME` of
    which somebody said that they are none.
    """
    found = sorted(
        (
            (start, start + len(text[start:end].rstrip(" .,-")), kind)
            for kind, start, end in _all(text, today, names)
        ),
        key=lambda one: (one[0], -one[1]),
    )
    kept: list[Finding] = []
    for start, end, kind in found:
        if not kept or start >= kept[-1].end:
            kept.append(Finding(kind, start, end, text[start:end]))
    harmless = {_folded(one) for one in no_names}
    kept += (
        Finding(Kind.FIRST_NAME, start, end, text[start:end])
        for start, end in _first_names(text)
        if _folded(text[start:end]) not in harmless
        and all(end <= one.start or one.end <= start for one in kept)
    )
    return sorted(kept, key=lambda one: one.start)


Passage = tuple[Kind, int, int]


def _all(text: str, today: date, names: Iterable[str]) -> Iterator[Passage]:
    yield from _phones(text)
    for kind, pattern in _PATTERNS:
        yield from ((kind, *match.span()) for match in pattern.finditer(text))
    yield from _streets(text)
    yield from _towns(text)
    yield from _births(text, today)
    yield from _told(text, names)
    yield from _named(text)


# -- numbers and addresses ---------------------------------------------------------------------------------------------

_CAPITAL = "A-ZÄÖÜÀ-ÖØ-ÞŁŚŽŠČĐŞİ"
_SMALL = "a-zäöüßà-öø-ÿłśžščđşığ"
_WORD = f"[{_CAPITAL}][{_SMALL}{_CAPITAL}.’'-]{{0,40}}"

_PATTERNS = (
    (
        Kind.MAIL,
        re.compile(
            r"(?<![\w.+-])[\w.+-]{1,64}\s{0,2}(?:@|[(\[{](?:at|ät)[)\]}])\s{0,2}[\w-]+"
            r"(?:\s{0,2}(?:\.|[(\[{](?:dot|punkt)[)\]}])\s{0,2}[\w-]+)+",
            re.IGNORECASE,
        ),
    ),
    # Account names of messengers and networks.
    (Kind.NAME, re.compile(r"(?<![\w.@])@[^\W\d_][\w.]{2,}")),
    (
        Kind.NAME,
        re.compile(
            r"\b(?:insta(?:gram)?|snap(?:chat)?|tik\s?tok|whats\s?app|telegram|discord|signal|threema|facebook|skype|"
            r"fb|wa)(?:-?(?:account|konto|name|profil))?"
            r"(?:\s?(?:[:=]|(?:ist|heißt|lautet|als|unter|is)\b)\s?|\s)[„“\"‚‘]?"
            r"(?:(?=[a-zäöü])(?=[\w.]*(?:[_\d#]|[a-z]\.[a-z]))[\w.#]{3,}"
            r"|(?<=[:=]\s)(?!(?:ja|nein|kein\w*|nicht\w*|unbekannt|offen|gesperrt|nur|nutzt|schreibt|hat|ist|"
            r"liest|aktiv|viel|vorhanden)\b)(?-i:[a-zäöü])\w{2,}(?=[,;.)]|\s*$|\s*\n))",
            re.IGNORECASE | re.MULTILINE,
        ),
    ),
    # A number behind the word that announces one.
    (
        Kind.CASE_NUMBER,
        re.compile(
            r"\b(?:(?:Akten|Geschäfts)(?:zeichen|nummer|nr\b)|Az\b|Gz\b|IBAN\b|Steuer-?ID\b|"
            r"(?:BG|Kunden|Fall|Vorgangs|Mitglieds|Versicherten|Versicherungs|Krankenversicherungs|KV|SV|AZR|"
            r"Sozialversicherungs|Rentenversicherungs|Ausweis|Pass|Personal|Schüler|Bedarfsgemeinschafts)"
            r"\s?-?\s?(?:nummer|nr\b)|"
            r"file (?:number|no\b)|case number)"
            r"[\s.:#]{0,4}(?:ist |lautet |is )?(?:(?-i:[A-Z]{1,4})\s)?(?=[\w/-]{0,30}\d)[A-Z0-9][\w/.-]*(?: [\d/][\w/.-]*)*",
            re.IGNORECASE,
        ),
    ),
    # Customer number and Bedarfsgemeinschaft of the employment agencies, pension insurance, health card, IBAN, courts.
    (Kind.CASE_NUMBER, re.compile(r"\b\d{3}[A-Z]\d{6}\b|\b\d{5}\s?(?:BG|//)\s?\d{7}\b")),
    (Kind.CASE_NUMBER, re.compile(r"\b\d{2}\s?\d{6}\s?[A-Z]\s?\d{3}\b|\b[A-Z]\d{9}\b")),
    (Kind.CASE_NUMBER, re.compile(r"\bDE\d{2}(?:\s?\d{4}){4}\s?\d{2}\b")),
    (Kind.CASE_NUMBER, re.compile(r"\b\d{1,4}\s(?:[A-Z]{1,2}|Js|Ds|Ls|Cs|Qs)\s\d{1,6}/\d{2,4}\b")),
)

_DAY_OR_TIME = r"\d{1,2}\.\s?\d{1,2}\.|\d{1,2}[.:]\d{2}(?!\d)|\d{4}-\d{2}-\d{2}"
_NO_PHONE = re.compile(rf"\(?(?:{_DAY_OR_TIME})")
_LIKE_A_PHONE = re.compile(
    rf"(?<![\w/,.-])\(?(?!{_DAY_OR_TIME})(?!0\s?800)(?:\+|00?)[\s()/]{{0,2}}[1-9](?:[\s()/.\-–]{{0,3}}\d){{6,13}}(?!\d)"
)
"""Numbers that no network gives out, as well: whoever mistypes one tells it all the same."""


def _phones(text: str) -> Iterator[Passage]:
    """Not the free numbers of help lines, which belong to nobody."""
    free = phonenumbers.PhoneNumberType.TOLL_FREE
    for match in phonenumbers.PhoneNumberMatcher(text, "DE"):
        if phonenumbers.number_type(match.number) != free and not _NO_PHONE.match(match.raw_string):
            yield Kind.PHONE, match.start, match.end
    for found in _LIKE_A_PHONE.finditer(text):
        yield Kind.PHONE, *found.span()


_STREET_ENDS = r"stra(?:ß|ss)e|str\.?|gasse|allee|weg|platz|ring|damm|ufer|chaussee|steig|stieg|promenade|siedlung|pfad|graben"
_NUMBER = r"\d{1,3}(?:\s?[a-h])?(?:\s?[-–/]\s?\d{1,3}[a-h]?)?(?![\d.:/]*\d)(?!\s?(?:%|€|[Uu]hr|Euro|km|Monat|Woche|Jahr|Tag))"
_JOINED = re.compile(rf"\b[\w-]{{2,40}}?(?:{_STREET_ENDS})\s{{0,2}}{_NUMBER}\b", re.IGNORECASE)
_APART = re.compile(
    rf"\b{_WORD}(?:\s|-)(?:{_STREET_ENDS})\s{{1,2}}{_NUMBER}\b",
    re.IGNORECASE,
)
_OF_SOMETHING = re.compile(rf"\b(?:Straße|Platz|Allee|Weg)\s(?:der|des)\s{_WORD}(?:\s{_WORD})?\s{_NUMBER}\b")
_AT_SOMETHING = re.compile(
    rf"\b(?:Am|An der|An den|Im|In der|In den|Zum|Zur|Auf der|Auf dem|Unter den|Hinter der|Hinter dem|Alte[rs]?|Neue[rs]?)\s"
    rf"({_WORD})\s{_NUMBER}(?=\s*(?:$|[,;)\n]|\.\s|\.$))",
    re.MULTILINE,
)
_NEAR_SOMETHING = re.compile(
    r"(?i:\b(?:am|an der|an den|im|in der|in den|zum|zur|auf der|auf dem|unter den|hinter der|hinter dem)\s"
    r"(?!arbeits|wohnungs|stellen|schwarz|super|bau|floh|welt)\w{0,30}?"
    r"(?:markt|kirche|bahnhof|park|anger|berg|hang|wall|tor|mühle|brunnen|teich|bach|hof|plan|mauer|burg|kreuz|dorf|feld|"
    r"wiese|aue|kamp|brink|busch|wald|tal|winkel|höhe|kleers|rathaus|ziegelei|bleiche|linden?|eichen?|weinberg|kloster|"
    r"siedlung|neustadt|altstadt)"
    rf"\s{_NUMBER})\b(?!\s(?:[{_CAPITAL}]|mal\b|bis\b|oder\b|und\b|von\b|weitere|neue|verschiedene))"
)
_NO_STREETS = re.compile(
    r"(?:(?:arbeits|ausbildungs|praktikums|schul|studien|therapie|kita|kinder|wohn|wohnheim|betreuungs|förder|sitz|"
    r"schlaf|heim|pflege|kurs|maßnahme|einzel|gruppen)platz|"
    r"(?:aus|um|bildungs|rechts|berufs|lebens|lösungs|rück|dienst|schul|arbeits|hin|mittel|förder)weg|"
    r"(?:ein|aus|um|ab|auf|an)stieg|(?:ein|aus|um|ab|auf)steig|(?:frei|sport)ring)\b",
    re.IGNORECASE,
)
_NO_PLACES = re.compile(
    r"(?:Mon|Diens|Donners|Frei|Sams|Sonn)tag|Mittwoch|Januar|Februar|März|April|Mai|Juni|Juli|August|September|"
    r"Oktober|November|Dezember|Jahr|Monat|Woche|Tag|Ende|Anfang|Alter|Schritt|Punkt|Schuljahr|Klasse|Lehrjahr|"
    r"Halbjahr|Termin|Stufe|Phase|Teil|Frage|Idee|Nummer|Kapitel|Absatz|Fall|Durchschnitt|Schnitt|Zeugnis|Fach"
)
_LITTLE_WORDS = re.compile(
    r"(?:der|die|das|dem|den|ein|eine|einen|einem|einer|kein|keinen|vom|zum|am|im|auf|ihr|ihren|ihrem|sein|seinen|"
    r"seinem|mein|jeder|jeden|dieser|diesen|diesem|erster|erste|zweiter|letzter|nur|noch|und|oder|mit|ca)",
    re.IGNORECASE,
)


def _streets(text: str) -> Iterator[Passage]:
    for pattern in (_JOINED, _APART):
        for match in pattern.finditer(text):
            words = match.group()
            if not _NO_STREETS.search(words) and not _LITTLE_WORDS.fullmatch(words.split()[0]):
                yield Kind.ADDRESS, *match.span()
    for match in _OF_SOMETHING.finditer(text):
        yield Kind.ADDRESS, *match.span()
    for match in _AT_SOMETHING.finditer(text):
        if not _NO_PLACES.fullmatch(match.group(1)):
            yield Kind.ADDRESS, *match.span()
    for match in _NEAR_SOMETHING.finditer(text):
        yield Kind.ADDRESS, *match.span()


_TOWN = re.compile(rf"(?<![\d.,/-])(?:D-?\s?)?(\d{{5}})\s{{1,2}}({_WORD})")
_POSTCODE = re.compile(r"\b(?:PLZ|Postleitzahl|postcode)[\s:]{0,3}(?:ist |is )?\d{5}\b", re.IGNORECASE)
_UNITS = re.compile(
    r"Euro|EUR|Kilometer|Meter|Menschen|Personen|Schritte|Einwohner|Jugendliche|Stunden|Mal|Bewerbungen|Franken|Dollar|"
    r"Minuten|Kinder|Schüler|Leute|Punkte"
)


def _towns(text: str) -> Iterator[Passage]:
    for match in _TOWN.finditer(text):
        # Round thousands are amounts; no postcode begins with 00.
        if match[1].endswith("000") or match[1].startswith("00") or _UNITS.match(match[2]):
            continue
        yield Kind.TOWN, *match.span()
    for match in _POSTCODE.finditer(text):
        yield Kind.TOWN, *match.span()


_MONTHS = (
    r"(?:Januar|Jänner|Februar|März|April|Mai|Juni|Juli|August|September|Oktober|November|Dezember|"
    r"January|February|March|May|June|July|October|December|Jan|Feb|Mär|Apr|Jun|Jul|Aug|Sept?|Okt|Nov|Dez)\b\.?"
)
_DATES = re.compile(
    rf"(?<!\d)(?:\d{{1,2}}\.\s?(?:\d{{1,2}}\.|{_MONTHS})\s?(?P<a>\d{{4}}|\d{{2}})|"
    rf"(?P<b>\d{{4}})-\d{{2}}-\d{{2}}|\d{{1,2}}[/-]\d{{1,2}}[/-](?P<c>\d{{4}}))(?!\d)",
    re.IGNORECASE,
)
_BORN = re.compile(
    r"(?:\bgeb(?:oren)?\b\.?(?:\s(?:ist|wurde|am|ist am))?|\bGeburts(?:tag|datum)(?:\s(?:ist|am|ist am))?|\*|"
    r"\bborn(?: on)?|\bdate of birth|\bbirthday(?: is| on)?)[\s:]{0,3}(?:der |dem |den |the )?$",
    re.IGNORECASE,
)
_BORN_AFTER = re.compile(r"\s?(?:geboren|zur Welt|ist (?:ihr|sein|der) Geburtstag)", re.IGNORECASE)
_CHILD_YEARS = 8
"""A full date so far back is taken for a birthday; what happened later may be told with its day."""


def _births(text: str, today: date) -> Iterator[Passage]:
    for match in _DATES.finditer(text):
        digits = match["a"] or match["b"] or match["c"]
        said = _BORN.search(text[max(0, match.start() - 40) : match.start()]) or _BORN_AFTER.match(
            text[match.end() :]
        )
        if said or (len(digits) == 4 and today.year - 100 <= int(digits) <= today.year - _CHILD_YEARS):
            yield Kind.BIRTH, *match.span()


# -- names -------------------------------------------------------------------------------------------------------------

_WORDS = re.compile(r"[^\W\d_](?:[^\W_]|[’'\u0610-\u061a\u064b-\u065f\u0670])*")


def _folded(word: str) -> str:
    """Without accents and case, as somebody types a foreign name in a hurry."""
    plain = unicodedata.normalize("NFKD", word.replace("ı", "i").replace("ø", "o").replace("ł", "l"))
    return "".join(c for c in plain if not unicodedata.combining(c)).casefold().strip("’'")


def _told(text: str, names: Iterable[str]) -> Iterator[Passage]:
    wanted = {match.group() for name in names for match in _WORDS.finditer(name) if len(match.group()) > 1}
    if not wanted:
        return
    short = {word for word in wanted if len(word) == 2}
    folded = {_folded(word) for word in wanted - short}
    for match in _WORDS.finditer(text):
        word = match.group()
        plain = _folded(word)
        genitive = re.sub(r"[’']?s$", "", plain)
        if word in short or plain in folded or genitive in folded:
            yield Kind.NAME, *match.span()


_LONG_WORD = rf"[{_CAPITAL}][{_SMALL}’'-]{{1,14}}(?:-[{_CAPITAL}][{_SMALL}]+)?(?![{_SMALL}{_CAPITAL}])"
_CALLED = re.compile(
    rf"\b(?i:heißt|heisst|heiße|heisse|namens|mit (?:Vor|Nach)?namen|(?:Vor|Nach|Familien|Ruf|Spitz)?namen?\s?"
    rf"(?:ist|lautet|:|=)|genannt|nennt sich|nennen (?:sie|ihn)|is called|her name is|his name is|name is)"
    rf"[\s:„“\"‚‘]{{1,3}}((?:{_LONG_WORD})(?:\s(?:von\s|van\s|al-|el-)?{_LONG_WORD})?)"
)
_NOT_CALLED = re.compile(
    r"\b(?:das|was|dies|es|wie|Maßnahme|Projekt|Schule|Angebot|Kurs|Beruf|Programm|Stelle|Betrieb|Verein|Ort|Stadt|"
    r"Gesetz|Antrag|Formular|Ausbildung|Abschluss|Frage|Fach|Methode|Thema|Firma)\s(?:[\w-]+\s){0,2}$",
    re.IGNORECASE,
)
_TITLED = re.compile(
    rf"\b(?:Herrn?|Frau|Hr\.|Fr\.|Familie|Fam\.|Mr\.?|Mrs\.?|Ms\.?)\s(?:Dr\.\s)?({_LONG_WORD})(?:\s{_LONG_WORD})?"
)
_NO_NAMES = re.compile(
    r"(?:Doktor|Doctor|Professor|Lehrer|Lehrerin|Chef|Chefin|Mutter|Vater|Und|Oder|In|Mit|Ist|Hat|Geld|Hilfe|Druck|Angst|"
    r"Stress|Probleme?|Unterstützung|Streit|Arbeit|Schulden|Termin|Termine|Ausbildung|Schule|Der|Die|Das|Ein|Eine|Ja|"
    r"Nein|Kinder|Kontakt|Halt|Sorgen|Verständnis|Zeit|Ruhe|Gewalt|Pflicht|Abbruch|Pause|Warten)"
)


def _named(text: str) -> Iterator[Passage]:
    for match in _CALLED.finditer(text):
        before = text[max(0, match.start() - 60) : match.start()]
        if not _NOT_CALLED.search(before) and not _NO_NAMES.fullmatch(match[1].split()[0]):
            yield Kind.NAME, *match.span(1)
    for match in _TITLED.finditer(text):
        if not _NO_NAMES.fullmatch(match[1]):
            yield Kind.NAME, *match.span()


_PERSON = re.compile(
    r"\b(?:Klient|Mandant|Patient|Schüler|Kund|Auszubildende|Jugendliche|Freund)(?:in|r|n|en)?\s$|"
    r"\b(?:Junge|Mädchen|Azubi|Sohn|Tochter|Bruder|Schwester|Cousin|Cousine|Onkel|Tante|Kumpel|Neffe|Nichte)\s$|"
    r"\b(?:Klient(?:in)?|Schüler(?:in)?|Mutter|Vater|Eltern|Bruder|Schwester|Schwestern|Geschwister|Oma|Opa|Großeltern|"
    r"Freund(?:in)?|Sohn|Tochter|Fall|Familie|Betreuer(?:in)?|Lehrer(?:in)?|Vormund|Kind)\s(?:von|namens|um)\s$",
    re.IGNORECASE,
)
_NO_PERSON = re.compile(
    r"\b(?:St\.|Sankt|Haus|Villa|Heim|Kinderheim|Café|Projekt|Programm|Stiftung|Verein|Wohngruppe|Kita|Hort|Klinik|"
    r"Klinikum|Hotel|Firma|Bäckerei|Kirche|Schule|Gymnasium|Zentrum|Treff|Grundschule|Sekundarschule|Bad|App|Software|"
    r"Straße|Fachstelle|Beratungsstelle|Familienzentrum|Jugendclub|Bus|Hund|Katze|Pferd|Sturm|Orkan|Gruppe|Modell|Marke)\s[„“\"‚‘]?$"
)
_HOUSE = re.compile(
    r"\s[\w-]*(?:schule|gymnasium|straße|platz|haus|heim|stiftung|klinik|klinikum|kirche|hof|park|werk|verein|institut|"
    r"theater|zentrum|bibliothek|hochschule|universität|akademie|gesellschaft|GmbH|AG)\b",
    re.IGNORECASE,
)
_GOES_BEFORE_NOUNS = re.compile(
    r"(?:\b(?:im|am|vom|zum|zur|seit|ab|bis|in|der|die|das|dem|den|des|ein\w*|kein\w*|jede\w*|\w+e[rsnm]|\d+)|[„“\"‚‘])\s?$",
    re.IGNORECASE,
)
_NO_SURNAME = re.compile(
    r".*(?:ung|heit|keit|schaft|tion|tät|nis|tum|amt|schule|platz|haus|zeit|geld|hilfe|gespräch|termin|kurs|tag|jahr|monat|"
    r"woche|beruf|lehre|ium|ismus|ment|abend|morgen|ferien|center|heim|praktikum|stunde)(?:en|e|n|s|es|er)?|"
    r".*gruppen?|Mai|Mutter|Vater|Eltern|Schulden|Probleme|Prüfungen|Bewerbungen|Kinder|Freunde|Angst|Streit|Stress|Uhr|"
    r"Montag|Euro|Cent|Prozent|Klasse|Schüler|Schülerin|Jobcenter|Agentur|Beratung|Bruder|Schwester|Oma|Opa|Mal|Note|Noten|"
    r"Unterhalt|Hartz|Bürgergeld|Frau|Herr|Sie|Er|Es|Wir|Ich|Und|Oder|Die|Der|Das|Aber|Am|Im|In"
)
_NUMBER_NEXT = re.compile(
    r"\.?\s?\d{1,2}(?:\.|\s?(?:Uhr|Tag|Woche|Monat|Stunde|Person|Euro|Mal|x\b))|\.?\s?(?:19|20)\d\d\b"
)
_AGE_NEXT = re.compile(r",?\s\(?(?:1[2-9]|2\d)(?:\sJahre)?[,;)]")
_LETTERS = r"[^\W\d_](?:[^\W\d_]|[’'])*"
_NAME_WORDS = re.compile(rf"(?<![\w-]){_LETTERS}(?:-{_LETTERS})*(?![\w-])")
_SURNAME = re.compile(
    rf"\s(?:(?:von|van|de|al|el|bin|ben)[\s-](?:der |den )?)?({_LETTERS}(?:-{_LETTERS})*)(?![\w-])"
)


@cache
def _known() -> tuple[frozenset[str], frozenset[str]]:
    """First names, folded; of them those that are ordinary words as well."""
    names = first_names()
    return (
        frozenset(_folded(name) for name in names),
        frozenset(_folded(name) for name, is_word in names.items() if is_word),
    )


def _known_as(word: str) -> str | None:
    """The first name in it, folded and without the ending of the genitive: "Lenas", "Anna-Lena"."""
    names, _words = _known()
    parts = [_folded(part) for part in word.split("-")]
    last = parts[-1]
    if last not in names and last.endswith("s") and last[:-1].rstrip("’'") in names:
        parts[-1] = last[:-1].rstrip("’'")
    return "-".join(parts) if all(part in names for part in parts) else None


def _first_names(text: str) -> Iterator[tuple[int, int]]:
    words, end = _known()[1], 0
    for match in _NAME_WORDS.finditer(text):
        word = match.group()
        if match.start() < end or (name := _known_as(word)) is None:
            continue
        before = text[max(0, match.start() - 40) : match.start()]
        of_a_person = _PERSON.search(before) is not None
        if word[0].islower():
            if of_a_person and len(name) > 2 and name not in words:
                yield match.span()
            continue
        surname = _surname(text, match.end())
        end = surname or match.end()
        if _NO_PERSON.search(before) or _HOUSE.match(text, end):
            continue
        if not of_a_person:
            if name in words and _GOES_BEFORE_NOUNS.search(before):
                continue
            if surname is None and _is_rather_a_word(word, name, text[end : end + 20]):
                continue
        yield match.start(), end


def _is_rather_a_word(word: str, name: str, after: str) -> bool:
    """Of one that stands alone."""
    if _AGE_NEXT.match(after):
        return False
    abbreviation = word.isupper() and len(word) < 4
    return name in _known()[1] or abbreviation or _NUMBER_NEXT.match(after) is not None


def _surname(text: str, at: int) -> int | None:
    """Where the surname ends that follows a first name; more first names go before it."""
    end = None
    while (match := _SURNAME.match(text, end or at)) is not None:
        if match[1][0].islower() or _NO_SURNAME.fullmatch(match[1]):
            break
        end = match.end()
        if _known_as(match[1]) is None:
            break
    return end
