"""Editorial pages: Markdown in `content/pages/<slug>/<language>.md` to safe HTML.

A page may stand in the region's folder too (`content/regions/<region>/pages/…`), which then wins. The first
line is the title (`# …`). `{region}`, `{portal}` and the like are filled in from the region's settings.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import nh3
from markdown_it import MarkdownIt

from portal.catalogue.translating.figures import Mismatch, mismatch

_TAGS = {
    "h2",
    "h3",
    "p",
    "ul",
    "ol",
    "li",
    "a",
    "strong",
    "em",
    "br",
    "code",
    "table",
    "thead",
    "tbody",
    "tr",
    "th",
    "td",
}
_ATTRIBUTES = {"a": {"href"}, "th": {"scope"}}


_COMMENT = re.compile(r"<!--(.*?)-->", re.DOTALL)
_LINK = re.compile(r"\]\([^)]*\)")


def page_mismatch(german: Path, translation: Path) -> Mismatch:
    """Numbers, dates and addresses that differ. Where links lead is left out: there are pages in other languages."""
    if german == translation or not german.is_file():
        return Mismatch((), ())
    source, text = (
        _LINK.sub("]", _COMMENT.sub("", path.read_text(encoding="utf-8"))) for path in (german, translation)
    )
    return mismatch(source, text, translation.stem)


class PageError(Exception):
    """An editorial page is malformed; the text names the file."""


@dataclass(frozen=True, slots=True)
class EditorialPage:
    slug: str
    language: str
    """The language it is really in, which may be the fallback."""
    title: str
    html: str
    comments: tuple[str, ...] = ()
    """What stands in `<!-- … -->`: whether somebody has checked the translation, and when."""


class Pages:
    """All editorial pages of one installation.

    `values` fills the placeholders: a text, or one for each language with German as the fallback.
    """

    def __init__(self, content_dir: Path, region: str, values: Mapping[str, str | Mapping[str, str]]) -> None:
        self._folders = (content_dir / "regions" / region / "pages", content_dir / "pages")
        self._values = values
        self._markdown = MarkdownIt("commonmark").enable("table")
        self._made: dict[tuple[str, str], EditorialPage] = {}

    def slugs(self) -> set[str]:
        return {
            path.name
            for folder in self._folders
            if folder.is_dir()
            for path in folder.iterdir()
            if path.is_dir()
        }

    def sources_of_data(self) -> str:
        """The region's `SOURCES.md` as HTML, without its title; it is German in every region."""
        key = ("SOURCES.md", "de")
        if key not in self._made:
            path = self._folders[0].parent / "SOURCES.md"
            self._made[key] = (
                self._read(path, "SOURCES.md", "de") if path.is_file() else EditorialPage("", "de", "", "")
            )
        return self._made[key].html

    def page(self, slug: str, language: str) -> EditorialPage | None:
        """The page in `language`, else in German, else None. One that says other numbers than German is not shown."""
        for wanted in (language, "de"):
            key = (slug, wanted)
            if key in self._made:
                return self._made[key]
            path = self.file(slug, wanted)
            if path is None:
                continue
            shown = "de" if page_mismatch(path.with_stem("de"), path) else wanted
            self._made[key] = self._read(path.with_stem(shown), slug, shown)
            return self._made[key]
        return None

    def file(self, slug: str, language: str) -> Path | None:
        """Where the text stands: the region's own before the general one."""
        for folder in self._folders:
            path = folder / slug / f"{language}.md"
            if path.is_file():
                return path
        return None

    def _read(self, path: Path, slug: str, language: str) -> EditorialPage:
        text = path.read_text(encoding="utf-8")
        first, _, rest = text.partition("\n")
        if not first.startswith("# "):
            raise PageError(f"{path}: the first line must be the title, '# …'")
        for name, given in self._values.items():
            value = given if isinstance(given, str) else given.get(language, given["de"])
            first, rest = first.replace("{" + name + "}", value), rest.replace("{" + name + "}", value)
        html = nh3.clean(
            self._markdown.render(rest),
            tags=_TAGS,
            attributes=_ATTRIBUTES,
            url_schemes={"http", "https", "mailto", "tel"},
            link_rel="noopener noreferrer",
        )
        comments = tuple(comment.strip() for comment in _COMMENT.findall(rest))
        return EditorialPage(slug, language, first[2:].strip(), html, comments)
