"""Extraction and checking of the gettext domains. Needs the source tree, not a running portal."""

import io
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from gettext import c2py
from pathlib import Path
from typing import Any

from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract_from_dir
from babel.messages.plurals import get_plural
from babel.messages.pofile import read_po, write_po

from portal.catalogue.translating.coverage import is_running_text
from portal.clearing import load_clearing
from portal.config import ROOT
from portal.web.languages import (
    ADMIN_LANGUAGES,
    DOMAINS,
    GERMAN,
    available,
    locale_of,
    po_path,
    review_of,
    strings_of,
    wrong_numbers,
)

METHODS = [("**.py", "python"), ("web/templates/**.html", "jinja2"), ("web/templates/**.txt", "jinja2")]
_JINJA = {"trim_blocks": "true", "lstrip_blocks": "true", "silent": "false"}
OPTIONS = {"web/templates/**.html": _JINJA, "web/templates/**.txt": _JINJA}
ADMIN_FILES = ("web/admin/", "web/templates/admin/", "web/templates/mail/")
"""Their texts are the domain `admin`, which only the languages of the admin pages have."""
KEYWORDS = {"_": None, "gettext": None, "ngettext": (1, 2), "N_": None, "lazy_gettext": None}
_PLACEHOLDER = re.compile(r"%\((\w+)\)[sd]")
_MARKUP = re.compile(r"</?[a-z][^>]*>|\]\([^)]*\)|&\w+;")
_REVIEW_WORDS = ("checked", "machine")


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing wrong with a catalogue."""

    language: str
    domain: str
    message: str
    fails: bool = True
    """False: worth a look, but readers are told nothing wrong."""

    def __str__(self) -> str:
        return f"{self.language}/{self.domain}: {self.message}"


@cache
def _extracted(package: Path) -> tuple[Any, ...]:
    """Reading the whole source takes some seconds, and it does not change meanwhile."""
    found = extract_from_dir(
        package, METHODS, OPTIONS, keywords=KEYWORDS, comment_tags=("NOTE:",), strip_comment_tags=True
    )
    return tuple(sorted(found, key=lambda f: (f[0], f[1])))


def messages_template(package: Path = ROOT / "portal", *, admin: bool = False) -> Catalog:
    """All msgids of code and templates: the domain `messages`, or the domain `admin`."""
    catalog = Catalog(project="Anlauf", fuzzy=False)
    for filename, _line, message, comments, _context in _extracted(package):
        if filename.startswith(ADMIN_FILES) is not admin:
            continue
        catalog.add(message, None, [(f"portal/{filename}", 0)], auto_comments=comments)
    return catalog


def questionnaire_template(directory: Path) -> Catalog:
    """All German texts of questions and rules (domain `questionnaire`)."""
    catalog = Catalog(project="Anlauf", fuzzy=False)
    for text in load_clearing(directory).source_texts():
        comments = [text.comment] if text.comment else []
        catalog.add(text.text, None, [(str(text.location).split(":")[0], 0)], auto_comments=comments)
    return catalog


def templates(questionnaires: Path) -> dict[str, Catalog]:
    return {
        "messages": messages_template(),
        "questionnaire": questionnaire_template(questionnaires),
        "admin": messages_template(admin=True),
    }


def has_domain(language: str, domain: str) -> bool:
    """Whether this language keeps a catalogue of that domain."""
    return DOMAINS[domain] != language and (domain != "admin" or language in ADMIN_LANGUAGES)


_po = po_path


def _read(path: Path, language: str) -> Catalog:
    if not path.exists():
        return Catalog(locale=locale_of(language), project="Anlauf", fuzzy=False)
    with path.open("rb") as source:
        return read_po(source, locale=locale_of(language))


def _written(catalog: Catalog) -> bytes:
    buffer = io.BytesIO()
    write_po(
        buffer,
        catalog,
        width=110,
        omit_header=False,
        sort_output=True,
        include_lineno=False,
        ignore_obsolete=True,
    )
    # Dates in headers make every extraction a change; nobody reads them.
    lines = [
        line
        for line in buffer.getvalue().decode().splitlines(keepends=True)
        if not re.match(
            r'"(POT-Creation-Date|PO-Revision-Date|Generated-By|Last-Translator|Report-Msgid)', line
        )
        and not line.startswith(("# FIRST AUTHOR", "# Copyright", "# This file is distributed"))
    ]
    return "".join(lines).encode()


def update(translations: Path, questionnaires: Path) -> list[Path]:
    """Bring every .po up to date with its sources; returns the files that changed."""
    changed = []
    sources = templates(questionnaires)
    for language in available(translations):
        for domain, template in sources.items():
            if not has_domain(language, domain):
                continue
            path = _po(translations, language, domain)
            catalog = _read(path, language)
            catalog.update(template, no_fuzzy_matching=True, update_header_comment=False)
            catalog.obsolete.clear()
            data = _written(catalog)
            if not path.exists() or path.read_bytes() != data:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(data)
                changed.append(path)
    return changed


def extract(questionnaires: Path, target: Path) -> list[Path]:
    """Write the texts of every domain as .pot files, for whoever begins a language in a gettext editor."""
    target.mkdir(parents=True, exist_ok=True)
    written = []
    for domain, template in templates(questionnaires).items():
        path = target / f"{domain}.pot"
        path.write_bytes(_written(template))
        written.append(path)
    return written


def _findings(
    language: str,
    domain: str,
    catalog: Catalog,
    template: Catalog,
    german: Mapping[object, tuple[str, ...]],
    complete: bool,
) -> Iterator[Finding]:
    ids = {message.id for message in template if message.id}
    known = {message.id for message in catalog if message.id}
    for missing in sorted(map(str, ids - known)):
        yield Finding(language, domain, f"not in the .po, run `portal translations update`: {missing}")
    for gone in sorted(map(str, known - ids)):
        yield Finding(language, domain, f"no longer used, run `portal translations update`: {gone}")
    yield from _plural_rule_findings(language, domain, catalog)
    for message in catalog:
        if not message.id or message.id not in ids:
            continue
        source = str(message.id[-1] if isinstance(message.id, (tuple, list)) else message.id)
        strings = strings_of(message)
        if not all(strings):
            if complete:
                why = "fuzzy, so it is not shown" if message.fuzzy else "not translated"
                yield Finding(language, domain, f"{why}: {source}")
            elif any(strings):
                yield Finding(language, domain, f"some plural forms are missing: {source}")
            continue
        for problem in (
            *_placeholder_problems(source, strings),
            *_plural_problems(source, strings, catalog),
            *_markup_problems(source, strings),
            *_leftover_problems(language, domain, source, strings, german.get(message.id, ())),
            *_review_problems(message),
        ):
            yield Finding(language, domain, f"{problem}: {source}")


def _plural_rule_findings(language: str, domain: str, catalog: Catalog) -> Iterator[Finding]:
    wanted = get_plural(locale_of(language)).num_plurals
    if catalog.num_plurals != wanted:
        yield Finding(
            language, domain, f"the head names {catalog.num_plurals} plural forms, CLDR knows {wanted}"
        )


def _placeholder_problems(source: str, strings: tuple[str, ...]) -> Iterator[str]:
    wanted = Counter(_PLACEHOLDER.findall(source))
    for text in strings:
        here = Counter(_PLACEHOLDER.findall(text))
        lost = wanted.keys() - here.keys() - ({"num"} if len(strings) > 1 else set())
        if odd := (here.keys() - wanted.keys()) | lost:
            yield f"placeholders differ ({', '.join(sorted(odd))})"
        elif wanted and "%" in _PLACEHOLDER.sub("", text.replace("%%", "")):
            yield "a % that is no placeholder; write %%"


def _plural_problems(source: str, strings: tuple[str, ...], catalog: Catalog) -> Iterator[str]:
    if len(strings) == 1 or "%(num)s" not in source:
        return
    form = c2py(catalog.plural_expr)
    numbers = Counter(form(number) for number in range(201))
    for index, text in enumerate(strings):
        # "two offers" may do without the number; "1, 21, 31 …" must say which one it is.
        if "%(num)s" not in text and numbers[index] > 1:
            yield f"plural form {index} stands for {numbers[index]} numbers and does not say which"


def _markup_problems(source: str, strings: tuple[str, ...]) -> Iterator[str]:
    wanted = Counter(_MARKUP.findall(source))
    if any(Counter(_MARKUP.findall(text)) != wanted for text in strings):
        yield "markup or links differ"


def _leftover_problems(
    language: str, domain: str, source: str, strings: tuple[str, ...], german: tuple[str, ...]
) -> Iterator[str]:
    """Nobody translated it: it is the German or the English text."""
    if locale_of(language).language != GERMAN:
        originals = german if DOMAINS[domain] != GERMAN else (source,)
        if any(text in originals and _is_text(text) for text in strings):
            yield "still German"
    if DOMAINS[domain] == "en" and any(text == source and _is_text(text) for text in strings):
        yield "still English"


def _is_text(text: str) -> bool:
    return is_running_text(_PLACEHOLDER.sub("", text))


def _review_problems(message: Message) -> Iterator[str]:
    for comment in message.user_comments:
        if comment.strip().startswith(_REVIEW_WORDS):
            try:
                understood = review_of([comment]).status in comment
            except ValueError:
                understood = False
            if not understood:
                yield f"not understood: # {comment} (# checked 2026-11-20, # checked or # machine)"


def check(translations: Path, questionnaires: Path) -> list[Finding]:
    """Catalogues against their sources: what is missing, superfluous or broken, and numbers that differ from German."""
    findings: list[Finding] = []
    sources = templates(questionnaires)
    german: dict[str, dict[object, tuple[str, ...]]] = {
        domain: {
            message.id: strings_of(message)
            for message in _read(_po(translations, GERMAN, domain), GERMAN)
            if message.id
        }
        for domain in sources
    }
    for language, complete in available(translations).items():
        for domain, template in sources.items():
            if not has_domain(language, domain):
                continue
            path = _po(translations, language, domain)
            catalog = _read(path, language)
            findings += _findings(language, domain, catalog, template, german[domain], complete)
            findings += [
                Finding(language, domain, f"says other numbers than German, so it is not shown: {message.id}")
                for message in wrong_numbers(translations, path, catalog)
            ]
    return findings
