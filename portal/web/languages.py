"""Which languages the portal speaks, and their catalogues.

A language is added by a folder in `translations/` and a word in the region's `languages`, never in code.
Two gettext domains: `messages` (English msgids from code and templates) and `questionnaire` (German
msgids from `questionnaires/`). Catalogues become plain dictionaries, because that is what makes a page fast.

Where a language has no text yet it shows the German one, marked (`german`), so that a page can say so.
"""

import hashlib
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from functools import cached_property
from gettext import GNUTranslations, c2py
from pathlib import Path
from typing import Literal

import yaml
from babel import Locale
from babel.messages.catalog import Catalog, Message
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from pydantic import BaseModel, ConfigDict, model_validator

from portal.catalogue.translating.figures import mismatch

DOMAINS = {"messages": "en", "questionnaire": "de", "admin": "en"}
"""Gettext domain → language of its msgids."""
ADMIN_LANGUAGES = ("de", "en")
"""Languages of the admin pages; only these have the domain `admin`."""


GREETING = "Hello"
"""Extracted from `texts.py`."""


GERMAN = "de"
GERMAN_BEGINS, GERMAN_ENDS = "\x02", "\x03"
"""Stand around a German text on a page in another language. They mean nothing in HTML; `Renderer` turns them into `lang`."""
_REVIEWED = "reviewed\x04"
"""Context of the entries of a .mo file that hold what became of the translators' comments."""
_PLACEHOLDER = re.compile(r"%\(\w+\)[sd]|%%")
_REVIEW = re.compile(r"(machine)|checked(?: (\d{4}-\d{2}-\d{2}))?")


class CatalogueMissing(Exception):
    """A language is asked for whose catalogue is not there or not compiled."""


ReviewStatus = Literal["machine", "unchecked", "checked"]


@dataclass(frozen=True, slots=True)
class Review:
    """Whether a person has compared a translation with its source."""

    status: ReviewStatus = "unchecked"
    day: date | None = None
    """When it was checked, if somebody wrote that down."""


UNCHECKED = Review()


def review_of(comments: Iterable[str]) -> Review:
    """What the translator's comments of a .po entry say: `# checked 2026-11-20`, `# checked`, `# machine`.

    Raises ValueError for a day that does not exist.
    """
    for comment in comments:
        found = _REVIEW.fullmatch(comment.strip())
        if found:
            day = date.fromisoformat(found[2]) if found[2] else None
            return Review("machine") if found[1] else Review("checked", day)
    return UNCHECKED


def german(text: str) -> str:
    """Mark a German text that stands on a page in another language."""
    return f"{GERMAN_BEGINS}{text}{GERMAN_ENDS}" if text else text


def unmarked(text: str) -> str:
    """For what is no page: calendar files, file names."""
    return text.replace(GERMAN_BEGINS, "").replace(GERMAN_ENDS, "")


@dataclass(frozen=True)
class Catalogue:
    """One domain in one language. `plural` gives the index of the form for a number."""

    texts: Mapping[str, str]
    forms: Mapping[str, tuple[str, ...]]
    plural: Callable[[int], int]
    reviews: Mapping[str, Review] = field(default_factory=dict)
    """msgid → review, of the texts that somebody has said something about."""
    fallback: "Catalogue | None" = None
    """The German one, for what is not translated yet."""

    def gettext(self, msgid: str) -> str:
        text = self.texts.get(msgid)
        if text is not None:
            return text
        return german(self.fallback.gettext(msgid)) if self.fallback is not None else msgid

    def ngettext(self, singular: str, plural: str, number: int) -> str:
        forms, form = self.counted(singular, plural)
        return forms[form(number)]

    def counted(self, singular: str, plural: str) -> tuple[tuple[str, ...], Callable[[int], int]]:
        """The forms of a text and which of them a number takes; German ones, marked, where there are none yet."""
        forms = self.forms.get(singular)
        if forms is not None:
            return forms, self.plural
        if self.fallback is None:
            return (singular, plural), _english_plural
        forms, form = self.fallback.counted(singular, plural)
        return tuple(german(text) for text in forms), form

    @cached_property
    def gaps(self) -> int:
        """How many texts German has and this catalogue has not."""
        if self.fallback is None:
            return 0
        return len(self.fallback.texts.keys() - self.texts.keys()) + len(
            self.fallback.forms.keys() - self.forms.keys()
        )

    @cached_property
    def least_review(self) -> Review:
        """The review of the least checked text, and of all checked ones the oldest."""
        return least_of(self.reviews.get(msgid, UNCHECKED) for msgid in (*self.texts, *self.forms))


def _english_plural(number: int) -> int:
    return int(number != 1)


def least_of(reviews: Iterable[Review]) -> Review:
    """The least checked one. Of nothing: checked."""
    order: dict[ReviewStatus, int] = {"machine": 0, "unchecked": 1, "checked": 2}
    return min(reviews, key=lambda one: (order[one.status], one.day or date.min), default=Review("checked"))


EMPTY = Catalogue({}, {}, _english_plural)


@dataclass(frozen=True)
class Language:
    """One language of the interface. `code` is what stands in the path."""

    code: str
    messages: Catalogue
    questionnaire: Catalogue
    complete: bool
    name: str = ""
    """Only where CLDR knows no name for it, as for Leichte Sprache."""
    also: tuple[str, ...] = ()
    """Other codes that browsers send for it."""

    @property
    def is_german(self) -> bool:
        """German itself, the language of the originals. Leichte Sprache is not: its texts are texts of their own."""
        return self.code == GERMAN

    @cached_property
    def locale(self) -> Locale:
        return locale_of(self.code)

    @cached_property
    def dir(self) -> str:
        return "rtl" if self.locale.character_order == "right-to-left" else "ltr"

    @cached_property
    def autonym(self) -> str:
        """The language's name in itself and its own script, as its speakers write it at a line's start."""
        name = self.name or self.locale.get_display_name(self.locale) or self.code
        return name[:1].upper() + name[1:]

    @cached_property
    def greeting(self) -> str:
        """A hello in the language, for the first screen; empty while nobody has translated it."""
        return unmarked(self.messages.gettext(GREETING)) if self.speaks(GREETING) else ""

    def speaks(self, msgid: str) -> bool:
        """Whether a text of the interface is there in this language."""
        return msgid in self.messages.texts or DOMAINS["messages"] == self.code


def locale_of(code: str) -> Locale:
    """Of a path code: "de-simple" (BCP 47, a variant CLDR has no data for) is written like German."""
    return Locale.parse(code.partition("-")[0])


def po_path(directory: Path, language: str, domain: str) -> Path:
    return directory / language / "LC_MESSAGES" / f"{domain}.po"


def _mo_path(directory: Path, language: str, domain: str) -> Path:
    return po_path(directory, language, domain).with_suffix(".mo")


def read_catalogue(po: Path) -> Catalog:
    """A .po file of `translations/`; the language is that of its folder."""
    with po.open("rb") as source:
        return read_po(source, locale=locale_of(po.parent.parent.name))


def compile_catalogues(directory: Path) -> list[Path]:
    """Compile every .po whose .mo is missing or older; returns the files written.

    What says another number than German is left out: a page shows the German text instead.
    """
    written = []
    for po in sorted(directory.glob("*/LC_MESSAGES/*.po")):
        mo = po.with_suffix(".mo")
        sources = [po] if po.stem != "messages" else [po, po_path(directory, GERMAN, "messages")]
        newest = max((path.stat().st_mtime_ns for path in sources if path.exists()), default=0)
        if mo.exists() and mo.stat().st_mtime_ns >= newest:
            continue
        catalogue = read_catalogue(po)
        wrong = {id(message) for message in wrong_numbers(directory, po, catalogue)}
        for message in list(catalogue):
            if message.id and (id(message) in wrong or not all(strings_of(message))):
                # Babel would write the English msgids where plural forms are missing.
                catalogue.delete(message.id)
            elif message.id and message.user_comments:
                key = message.id[0] if isinstance(message.id, (tuple, list)) else message.id
                catalogue.add(key, _told(review_of(message.user_comments)), context=_REVIEWED[:-1])
        temporary = mo.with_suffix(".mo.new")
        with temporary.open("wb") as target:
            write_mo(target, catalogue)
        temporary.replace(mo)
        written.append(mo)
    return written


def _told(review: Review) -> str:
    return f"{review.status} {review.day}" if review.day else review.status


def wrong_numbers(directory: Path, po: Path, catalogue: Catalog) -> list[Message]:
    """Translations that say other numbers than German: an age, a time or a phone number nobody can check by reading."""
    language, domain = po.parent.parent.name, po.stem
    if language == GERMAN or DOMAINS.get(domain, language) == language:
        return []
    texts: dict[object, tuple[str, ...]] = {}
    reference = po_path(directory, GERMAN, domain)
    if DOMAINS[domain] != GERMAN and reference.exists():
        texts = {message.id: strings_of(message) for message in read_catalogue(reference) if message.id}
    found = []
    for message in catalogue:
        strings = strings_of(message)
        if not message.id or not all(strings):
            continue
        source = message.id if isinstance(message.id, (tuple, list)) else (message.id,)
        german_texts = [text for text in texts.get(message.id, ()) if text] or list(source)
        if any(differs(str(german_texts[-1]), text, language) for text in strings):
            found.append(message)
    return found


def differs(german_text: str, text: str, language: str) -> bool:
    """Whether a text of the interface says other numbers than its German one. Placeholders are compared elsewhere."""
    found = mismatch(_PLACEHOLDER.sub("", german_text), _PLACEHOLDER.sub("", text), language)
    return bool(found)


def strings_of(message: Message) -> tuple[str, ...]:
    """The translation: one string, or one for each plural form; empty where there is none.

    A fuzzy entry is somebody's guess: gettext never shows it, so here there is none either.
    """
    if message.id and message.fuzzy:
        return ("",)
    found = message.string if isinstance(message.string, (tuple, list)) else (message.string,)
    return tuple(str(text or "") for text in found)


def _load(directory: Path, language: str, domain: str) -> Catalogue:
    if DOMAINS[domain] == language:
        return EMPTY
    path = _mo_path(directory, language, domain)
    try:
        with path.open("rb") as source:
            translations = GNUTranslations(source)
    except FileNotFoundError:
        raise CatalogueMissing(f"{language}/{domain}: run `portal translations compile`") from None
    texts: dict[str, str] = {}
    forms: dict[str, dict[int, str]] = {}
    reviews: dict[str, Review] = {}
    for key, text in translations._catalog.items():  # type: ignore[attr-defined]
        if isinstance(key, str) and key.startswith(_REVIEWED):
            reviews[key.removeprefix(_REVIEWED)] = review_of([text])
        elif isinstance(key, tuple):
            forms.setdefault(key[0], {})[key[1]] = text
        elif key and text:
            texts[key] = text
    header = translations.info().get("plural-forms", "nplurals=2; plural=(n != 1);")
    plural = c2py(header.split("plural=", 1)[1].rstrip("; "))
    # An empty form would be shown as nothing; then the text counts as not translated.
    filled = {k: tuple(v[i] for i in sorted(v)) for k, v in forms.items() if all(v.values())}
    return Catalogue(texts, filled, plural, reviews)


class Declared(BaseModel):
    """One line of `languages.yaml`: a state, or a mapping with the state and a name."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    state: Literal["complete", "partial"]
    name: str = ""
    also: tuple[str, ...] = ()
    """Codes that browsers send for this language besides its own: "prs" (Dari) for "fa"."""

    @model_validator(mode="before")
    @classmethod
    def _short(cls, data: object) -> object:
        return {"state": data} if isinstance(data, str) else data


def declared_languages(directory: Path) -> dict[str, Declared]:
    """What `languages.yaml` says, in its order."""
    with (directory / "languages.yaml").open(encoding="utf-8") as source:
        lines: dict[str, object] = yaml.safe_load(source)["languages"]
    return {code: Declared.model_validate(line) for code, line in lines.items()}


def available(directory: Path) -> dict[str, bool]:
    """Languages the installation can speak → whether the catalogue claims to be complete."""
    return {code: line.state == "complete" for code, line in declared_languages(directory).items()}


def load_languages(directory: Path, codes: tuple[str, ...]) -> dict[str, Language]:
    """The languages in the order of `codes`.

    Raises CatalogueMissing when a wanted one has no compiled catalogue.
    """
    declared = declared_languages(directory)
    own = _load(directory, GERMAN, "messages")
    languages = {}
    for code in codes:
        if code not in declared:
            raise CatalogueMissing(f"{code}: not in {directory / 'languages.yaml'}")
        messages = own if code == GERMAN else _load(directory, code, "messages")
        if code not in (GERMAN, DOMAINS["messages"]):
            messages = replace(messages, fallback=own)
        languages[code] = Language(
            code,
            messages,
            _load(directory, code, "questionnaire"),
            complete=declared[code].state == "complete",
            name=declared[code].name,
            also=declared[code].also,
        )
    return languages


def other_codes(languages: Iterable[Language]) -> dict[str, str]:
    """What browsers send besides a language's own code → the language."""
    return {other.lower(): language.code for language in languages for other in language.also}


def load_admin_languages(directory: Path) -> dict[str, Language]:
    """The languages of the admin pages; the public texts are in them too, because components are shared.

    Raises CatalogueMissing.
    """
    languages = load_languages(directory, ADMIN_LANGUAGES)
    for code, language in languages.items():
        own = _load(directory, code, "admin")
        public = language.messages
        merged = Catalogue({**public.texts, **own.texts}, {**public.forms, **own.forms}, public.plural)
        languages[code] = replace(language, messages=merged)
    return languages


def fingerprint(directory: Path) -> str:
    """Changes when any compiled catalogue changes."""
    digest = hashlib.sha256()
    for mo in sorted(directory.glob("*/LC_MESSAGES/*.mo")):
        digest.update(mo.read_bytes())
    return digest.hexdigest()[:12]
