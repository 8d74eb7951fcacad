"""Which languages the portal speaks, and their catalogues.

A language is added by a folder in `translations/` and a word in the region's `languages`, never in code.
Two gettext domains: `messages` (English msgids from code and templates) and `questionnaire` (German
msgids from `questionnaires/`). Catalogues become plain dictionaries, because that is what makes a page fast.
"""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from gettext import GNUTranslations, c2py
from pathlib import Path

import yaml
from babel import Locale
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

DOMAINS = {"messages": "en", "questionnaire": "de", "admin": "en"}
"""Gettext domain → language of its msgids."""
ADMIN_LANGUAGES = ("de", "en")
"""Languages of the admin pages; only these have the domain `admin`."""


GREETING = "Hello"
"""Extracted from `texts.py`."""


class CatalogueMissing(Exception):
    """A language is asked for whose catalogue is not there or not compiled."""


@dataclass(frozen=True)
class Catalogue:
    """One domain in one language. `plural` gives the index of the form for a number."""

    texts: Mapping[str, str]
    forms: Mapping[str, tuple[str, ...]]
    plural: Callable[[int], int]

    def gettext(self, msgid: str) -> str:
        return self.texts.get(msgid, msgid)

    def ngettext(self, singular: str, plural: str, number: int) -> str:
        forms = self.forms.get(singular)
        if forms is None:
            return singular if number == 1 else plural
        return forms[self.plural(number)]


EMPTY = Catalogue({}, {}, lambda n: int(n != 1))


@dataclass(frozen=True)
class Language:
    """One language of the interface. `code` is what stands in the path."""

    code: str
    messages: Catalogue
    questionnaire: Catalogue
    complete: bool

    @cached_property
    def locale(self) -> Locale:
        return Locale.parse(self.code, sep="-")

    @cached_property
    def dir(self) -> str:
        return "rtl" if self.locale.character_order == "right-to-left" else "ltr"

    @cached_property
    def autonym(self) -> str:
        """The language's name in itself and its own script, as its speakers write it at a line's start."""
        name = self.locale.get_display_name(self.code) or self.code
        return name[:1].upper() + name[1:]

    @cached_property
    def greeting(self) -> str:
        """A hello in the language, for the first screen."""
        return self.messages.gettext(GREETING)


def _mo_path(directory: Path, language: str, domain: str) -> Path:
    return directory / language / "LC_MESSAGES" / f"{domain}.mo"


def compile_catalogues(directory: Path) -> list[Path]:
    """Compile every .po whose .mo is missing or older; returns the files written."""
    written = []
    for po in sorted(directory.glob("*/LC_MESSAGES/*.po")):
        mo = po.with_suffix(".mo")
        if mo.exists() and mo.stat().st_mtime_ns >= po.stat().st_mtime_ns:
            continue
        with po.open("rb") as source:
            catalogue = read_po(source, locale=po.parent.parent.name.replace("-", "_"))
        temporary = mo.with_suffix(".mo.new")
        with temporary.open("wb") as target:
            write_mo(target, catalogue)
        temporary.replace(mo)
        written.append(mo)
    return written


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
    for key, text in translations._catalog.items():  # type: ignore[attr-defined]
        if isinstance(key, tuple):
            forms.setdefault(key[0], {})[key[1]] = text
        elif key and text:
            texts[key] = text
    header = translations.info().get("plural-forms", "nplurals=2; plural=(n != 1);")
    plural = c2py(header.split("plural=", 1)[1].rstrip("; "))
    return Catalogue(texts, {k: tuple(v[i] for i in sorted(v)) for k, v in forms.items()}, plural)


def available(directory: Path) -> dict[str, bool]:
    """Languages the installation can speak → whether the catalogue claims to be complete."""
    with (directory / "languages.yaml").open(encoding="utf-8") as source:
        declared: dict[str, str] = yaml.safe_load(source)["languages"]
    return {code: state == "complete" for code, state in declared.items()}


def load_languages(directory: Path, codes: tuple[str, ...]) -> dict[str, Language]:
    """The languages in the order of `codes`.

    Raises CatalogueMissing when a wanted one has no compiled catalogue.
    """
    declared = available(directory)
    languages = {}
    for code in codes:
        if code not in declared:
            raise CatalogueMissing(f"{code}: not in {directory / 'languages.yaml'}")
        languages[code] = Language(
            code, _load(directory, code, "messages"), _load(directory, code, "questionnaire"), declared[code]
        )
    return languages


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
