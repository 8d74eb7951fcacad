"""`portal translations status` and `check`: every kind of text of an installation, in every language.

Domains: the gettext ones (`messages`, `questionnaire`, `admin`), `taxonomies`, each region by its name, and `pages`.
"""

import re
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from portal.catalogue.loading import ContentError, read_region, read_taxonomies
from portal.catalogue.reading import RegionContent, TaxonomyContent, region_slugs
from portal.catalogue.translating import coverage
from portal.catalogue.translating.figures import mismatch
from portal.catalogue.translating.texts import OPEN_STATES, State
from portal.config import Settings
from portal.content import page_mismatch
from portal.web.languages import (
    GERMAN,
    available,
    po_path,
    read_catalogue,
    review_of,
    strings_of,
    wrong_numbers,
)
from portal.web.translating import Finding, check, has_domain, templates

_LINK = re.compile(r"\]\(([^)\s]*)\)")
_PLACEHOLDER = re.compile(r"\{\w+\}")
_HEADING = re.compile(r"^#+ ", re.MULTILINE)


@dataclass(frozen=True)
class Line:
    """One domain in one language."""

    language: str
    domain: str
    states: Counter[State] = field(default_factory=Counter)
    wrong: int = 0
    """Texts that say other numbers than German and are therefore not shown: here missing or outdated."""

    @property
    def total(self) -> int:
        return self.states.total()

    @property
    def translated(self) -> int:
        return self.total - sum(self.states[state] for state in OPEN_STATES)

    @property
    def percent(self) -> int:
        """Rounded down: 100 is everything."""
        return 100 * self.translated // self.total if self.total else 100

    def as_json(self) -> dict[str, Any]:
        return {
            "language": self.language,
            "domain": self.domain,
            "texts": self.total,
            "translated": self.translated,
            **{state: self.states[state] for state in ("machine", "unchecked", "checked", "outdated")},
            "wrong_numbers": self.wrong,
        }


def status(settings: Settings, languages: Sequence[str] = ()) -> list[Line]:
    """In the order of `languages.yaml`. Raises ContentError."""
    directory = settings.translations_dir
    chosen = [
        code for code in available(directory) if code != GERMAN and (not languages or code in languages)
    ]
    sources = templates(settings.questionnaires_dir)
    taxonomies = read_taxonomies(settings.content_dir)
    regions = [read_region(settings.content_dir, slug) for slug in region_slugs(settings.content_dir)]
    lines = []
    for language in chosen:
        for domain, template in sources.items():
            if has_domain(language, domain):
                ids = {message.id for message in template if message.id}
                lines.append(_gettext_line(directory, language, domain, ids))
        lines.append(_content_line(taxonomies, language, "taxonomies"))
        lines += [
            _content_line(region, language, region.slug)
            for region in regions
            if language in region.region.languages
        ]
        lines.append(_pages_line(settings.content_dir, language))
    return lines


def _gettext_line(directory: Path, language: str, domain: str, ids: Collection[object]) -> Line:
    path = po_path(directory, language, domain)
    states: Counter[State] = Counter()
    if not path.exists():
        return Line(language, domain, Counter({"missing": len(ids)}))
    catalogue = read_catalogue(path)
    wrong = {message.id for message in wrong_numbers(directory, path, catalogue)}
    for message in catalogue:
        if message.id in ids:
            shown = all(strings_of(message)) and message.id not in wrong
            states[review_of(message.user_comments).status if shown else "missing"] += 1
    states["missing"] += len(ids) - states.total()
    return Line(language, domain, states, len(wrong & set(ids)))


def _content_line(content: RegionContent | TaxonomyContent, language: str, domain: str) -> Line:
    texts = list(coverage.texts(content, language))
    wrong = sum(
        bool(text.translation and mismatch(text.german, text.translation, language)) for text in texts
    )
    return Line(language, domain, Counter(text.state for text in texts), wrong)


def _pages_line(content_dir: Path, language: str) -> Line:
    states: Counter[State] = Counter()
    wrong = 0
    for german in german_pages(content_dir):
        path = german.with_stem(language)
        differs = path.is_file() and bool(page_mismatch(german, path))
        wrong += differs
        shown = path.is_file() and not differs
        states[review_of(_comments(path)).status if shown else "missing"] += 1
    return Line(language, "pages", states, wrong)


def _comments(path: Path) -> list[str]:
    return [found.strip() for found in re.findall(r"<!--(.*?)-->", path.read_text(encoding="utf-8"), re.S)]


def german_pages(content_dir: Path) -> list[Path]:
    """Editorial pages, the general ones and those of the regions."""
    return sorted([*content_dir.glob("pages/*/de.md"), *content_dir.glob("regions/*/pages/*/de.md")])


def findings(settings: Settings, languages: Sequence[str] = ()) -> list[Finding]:
    """Everything that is wrong, breaks the promise of a complete language or, without failing, wants to be read again."""
    found = [
        finding
        for finding in check(settings.translations_dir, settings.questionnaires_dir)
        if not languages or finding.language in languages
    ]
    for language, complete in available(settings.translations_dir).items():
        if language != GERMAN and (not languages or language in languages):
            found += _page_findings(settings.content_dir, language, complete=complete)
    return found + list(_content_findings(settings, languages))


def _page_findings(content_dir: Path, language: str, *, complete: bool) -> Iterator[Finding]:
    for german in german_pages(content_dir):
        path = german.with_stem(language)
        name = german.parent.name
        if not path.is_file():
            if complete:
                yield Finding(language, "pages", f"{name}: not translated")
            continue
        texts = [one.read_text(encoding="utf-8") for one in (german, path)]
        for what, pattern in (("placeholders", _PLACEHOLDER), ("links", _LINK), ("headings", _HEADING)):
            if what == "links":
                ours, theirs = ({link for link in _LINK.findall(text) if _is_own(link)} for text in texts)
                differ = ours != theirs
            else:
                differ = Counter(pattern.findall(texts[0])) != Counter(pattern.findall(texts[1]))
            if differ:
                yield Finding(language, "pages", f"{name}: {what} differ from the German page")
        if wrong := page_mismatch(german, path):
            yield Finding(
                language, "pages", f"{name}: says other numbers than German, so it is not shown: {wrong}"
            )


def _outdated(language: str, domain: str, where: str, text: coverage.Text) -> Finding:
    """Readers get German when its numbers are others now; else they read what was right before."""
    if differ := mismatch(text.german, text.translation, language):
        why = f"made before the German text said other numbers, so it is not shown: {differ}"
        return Finding(language, domain, f"{where}: {why}: {text.german}")
    return Finding(language, domain, f"{where}: outdated, still shown: {text.german}", fails=False)


def _is_own(link: str) -> bool:
    """Pages elsewhere may have a translation of their own; ours, mailboxes and numbers have not."""
    return not link.startswith(("http:", "https:"))


def _content_findings(settings: Settings, languages: Sequence[str]) -> Iterator[Finding]:
    promises = available(settings.translations_dir)
    try:
        taxonomies = read_taxonomies(settings.content_dir)
        regions = [read_region(settings.content_dir, slug) for slug in region_slugs(settings.content_dir)]
    except ContentError as error:
        yield from (Finding(GERMAN, "content", str(problem)) for problem in error.problems)
        return
    offered = {code for region in regions for code in region.region.languages}
    for language, complete in promises.items():
        if language == GERMAN or (languages and language not in languages):
            continue
        sources: list[tuple[str, RegionContent | TaxonomyContent]] = [
            *([("taxonomies", taxonomies)] if language in offered else []),
            *((region.slug, region) for region in regions if language in region.region.languages),
        ]
        for domain, content in sources:
            for text in coverage.texts(content, language):
                where = f"{text.entity} {text.key}, {text.field}"
                if complete and text.promised and text.state == "missing":
                    yield Finding(language, domain, f"{where}: not translated: {text.german}")
                if complete and text.state == "outdated":
                    yield _outdated(language, domain, where, text)
                if text.is_left_german and not language.startswith(f"{GERMAN}-"):
                    yield Finding(language, domain, f"{where}: still German: {text.german}")
