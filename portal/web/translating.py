"""Extraction and checking of the two gettext domains. Needs the source tree, not a running portal."""

import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po, write_po

from portal.clearing import load_clearing
from portal.config import ROOT
from portal.web.languages import ADMIN_LANGUAGES, DOMAINS, available

METHODS = [("**.py", "python"), ("web/templates/**.html", "jinja2"), ("web/templates/**.txt", "jinja2")]
_JINJA = {"trim_blocks": "true", "lstrip_blocks": "true", "silent": "false"}
OPTIONS = {"web/templates/**.html": _JINJA, "web/templates/**.txt": _JINJA}
ADMIN_FILES = ("web/admin/", "web/templates/admin/", "web/templates/mail/")
"""Their texts are the domain `admin`, which only the languages of the admin pages have."""
KEYWORDS = {"_": None, "gettext": None, "ngettext": (1, 2), "N_": None, "lazy_gettext": None}
_PLACEHOLDER = re.compile(r"%\((\w+)\)[sd]")


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing wrong with a catalogue."""

    language: str
    domain: str
    message: str

    def __str__(self) -> str:
        return f"{self.language}/{self.domain}: {self.message}"


def messages_template(package: Path = ROOT / "portal", *, admin: bool = False) -> Catalog:
    """All msgids of code and templates: the domain `messages`, or the domain `admin`."""
    catalog = Catalog(project="Anlauf", fuzzy=False)
    found = extract_from_dir(
        package, METHODS, OPTIONS, keywords=KEYWORDS, comment_tags=("NOTE:",), strip_comment_tags=True
    )
    for filename, _line, message, comments, _context in sorted(found, key=lambda f: (f[0], f[1])):
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


def _has_domain(language: str, domain: str) -> bool:
    """Whether this language keeps a catalogue of that domain."""
    return DOMAINS[domain] != language and (domain != "admin" or language in ADMIN_LANGUAGES)


def _po(directory: Path, language: str, domain: str) -> Path:
    return directory / language / "LC_MESSAGES" / f"{domain}.po"


def _read(path: Path, language: str) -> Catalog:
    if not path.exists():
        return Catalog(locale=language.replace("-", "_"), project="Anlauf", fuzzy=False)
    with path.open("rb") as source:
        return read_po(source, locale=language.replace("-", "_"))


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
            if not _has_domain(language, domain):
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


def _strings(message: Message) -> tuple[str, ...]:
    """The translation: one string, or one for each plural form; empty where there is none."""
    found = message.string if isinstance(message.string, (tuple, list)) else (message.string,)
    return tuple(str(text or "") for text in found)


def _findings(
    language: str, domain: str, catalog: Catalog, template: Catalog, complete: bool
) -> Iterator[Finding]:
    ids = {message.id for message in template if message.id}
    known = {message.id for message in catalog if message.id}
    for missing in sorted(map(str, ids - known)):
        yield Finding(language, domain, f"not in the .po, run `portal translations update`: {missing}")
    for gone in sorted(map(str, known - ids)):
        yield Finding(language, domain, f"no longer used, run `portal translations update`: {gone}")
    for message in catalog:
        if not message.id or message.id not in ids:
            continue
        source = str(message.id[-1] if isinstance(message.id, (tuple, list)) else message.id)
        strings = _strings(message)
        if not all(strings):
            if complete:
                yield Finding(language, domain, f"not translated: {source}")
            continue
        wanted = set(_PLACEHOLDER.findall(source))
        for text in strings:
            extra = set(_PLACEHOLDER.findall(text)) - wanted
            lost = wanted - set(_PLACEHOLDER.findall(text)) - ({"num"} if len(strings) > 1 else set())
            if extra or lost:
                yield Finding(
                    language, domain, f"placeholders differ ({', '.join(sorted(extra | lost))}): {source}"
                )


def check(translations: Path, questionnaires: Path) -> list[Finding]:
    """Catalogues against their sources: missing, superfluous, untranslated in a complete language, placeholders."""
    findings: list[Finding] = []
    sources = templates(questionnaires)
    for language, complete in available(translations).items():
        for domain, template in sources.items():
            if not _has_domain(language, domain):
                continue
            path = _po(translations, language, domain)
            findings += _findings(language, domain, _read(path, language), template, complete)
    return findings
