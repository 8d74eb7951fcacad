"""A made-up language: every text in ⟦brackets⟧, with accents, and a third longer. What has no brackets is hard-coded.

`en-xa` is written from left to right, `ar-xb` from right to left; both are made of files alone.
"""

import re
import shutil
from pathlib import Path

import yaml
from babel.messages.pofile import write_po

from portal.catalogue.reading import read_region, read_taxonomies
from portal.catalogue.vocabulary import translatable_texts
from portal.config import ROOT
from portal.web.languages import GERMAN, po_path, read_catalogue, strings_of
from portal.web.translating import update

CODES = ("en-xa", "ar-xb")
NAMES = {"en-xa": "⟦Þšéûðö⟧", "ar-xb": "⟦Öðûéšþ⟧"}
_ACCENTS = str.maketrans("aeiouyncszdlrtgkAEIOUYNCSZDLRTGK", "àéîöûýñçšžđłŕţĝķÀÉÎÖÛÝÑÇŠŽĐŁŔŢĜĶ")
_KEPT = re.compile(
    r"%\(\w+\)[sd]|%%|\{\w+\}|\]\([^)]*\)|https?://\S+|<!--.*?-->|\S*(?:[\d@/]|\.\w)\S*", re.DOTALL
)
_SECTIONS = {
    "organization": "organizations",
    "location": "locations",
    "service": "services",
    "taxonomy_term": "terms",
}


def pseudo(text: str) -> str:
    """Placeholders, numbers and addresses stay; everything else changes."""
    pieces = []
    last = 0
    for found in _KEPT.finditer(text):
        pieces += [text[last : found.start()].translate(_ACCENTS), found.group()]
        last = found.end()
    pieces.append(text[last:].translate(_ACCENTS))
    return f"⟦{''.join(pieces)}{'~' * (len(text) * 35 // 100)}⟧"


def pseudo_page(markdown: str) -> str:
    """Line by line; marks of headings and lists stay in front."""
    lines = []
    for block in re.split(r"(\n\n+|\n(?=[-*|#]|\d+\. ))", markdown.rstrip()):
        mark = re.match(r"(?:#+|[-*]|\d+\.) ", block)
        start = mark.end() if mark else 0
        if not block.strip() or re.fullmatch(r"\s*(?:\||<!--|\{\w+\}$).*", block, re.DOTALL):
            lines.append(block)
        else:
            lines.append(block[:start] + pseudo(block[start:]))
    return "".join(lines)


def add_languages(translations: Path, content: Path, region: str, codes: tuple[str, ...] = CODES) -> None:
    """Write the files of the made-up languages into copies of `translations/` and `content/`."""
    shutil.copytree(ROOT / "translations", translations, ignore=shutil.ignore_patterns("*.mo"))
    shutil.copytree(ROOT / "content", content)
    declared = translations / "languages.yaml"
    told = yaml.safe_load(declared.read_text(encoding="utf-8"))
    told["languages"] |= {code: {"state": "complete", "name": NAMES[code]} for code in codes}
    declared.write_text(yaml.safe_dump(told, allow_unicode=True, sort_keys=False), encoding="utf-8")
    update(translations, ROOT / "questionnaires")
    for code in codes:
        for domain in ("messages", "questionnaire"):
            _fill(translations, code, domain)
        _content(content, region, code)
    settings = content / "regions" / region / "region.yaml"
    shown = yaml.safe_load(settings.read_text(encoding="utf-8"))
    shown["languages"] = [*shown["languages"], *codes]
    settings.write_text(yaml.safe_dump(shown, allow_unicode=True), encoding="utf-8")


def _fill(translations: Path, code: str, domain: str) -> None:
    path = po_path(translations, code, domain)
    catalogue = read_catalogue(path)
    german = {}
    if domain == "messages":
        german = {m.id: strings_of(m) for m in read_catalogue(po_path(translations, GERMAN, domain)) if m.id}
    for message in catalogue:
        if message.id:
            source = german.get(message.id, (message.id,))
            if message.pluralizable:
                message.string = (pseudo(source[-1]),) * catalogue.num_plurals
            else:
                message.string = pseudo(source[0])
    with path.open("wb") as target:
        write_po(target, catalogue)


def _content(content: Path, region: str, code: str) -> None:
    taxonomies, all_of_it = read_taxonomies(content), read_region(content, region)
    _write(content / "taxonomies", code, {"taxonomy_term": dict(taxonomies.terms())})
    _write(
        content / "regions" / region,
        code,
        {
            "organization": {entry.slug: entry for entry in all_of_it.organizations},
            "location": {entry.slug: entry for entry in all_of_it.locations},
            "service": {entry.slug: entry for entry in all_of_it.services},
        },
    )
    for page in content.glob("pages/*/de.md"):
        text = pseudo_page(page.read_text(encoding="utf-8"))
        page.with_stem(code).write_text(text, encoding="utf-8")


def _write(folder: Path, code: str, entities: dict[str, dict]) -> None:
    made: dict = {"language": code}
    for entity, records in entities.items():
        made[_SECTIONS[entity]] = {
            key: {field: {"text": pseudo(text)} for field, text in translatable_texts(entity, record)}
            for key, record in records.items()
        }
    path = folder / "translations" / f"{code}.yaml"
    path.parent.mkdir(exist_ok=True)
    path.write_text(yaml.safe_dump(made, allow_unicode=True), encoding="utf-8")
