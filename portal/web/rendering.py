"""Templates to bytes.

One Jinja environment per language. Its catalogue is folded into the templates when they are compiled, so
that a page pays nothing for being translated (numbers in `docs/decisions/0003-speed.md`).
"""

import base64
import hashlib
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template, nodes
from jinja2.environment import TemplateModule
from jinja2.ext import Extension
from jinja2.runtime import Context
from jinja2.visitor import NodeTransformer
from markupsafe import Markup, escape

from portal.web.fragments import Fragments, Packer
from portal.web.languages import EMPTY, GERMAN_BEGINS, GERMAN_ENDS, Language
from portal.web.texts import checked_on, listing

HERE = Path(__file__).parent
TEMPLATES = HERE / "templates"
ASSETS = HERE / "assets"


class _Fold(NodeTransformer):
    """Replace gettext calls on constant texts by the translation, and squeeze white space in the markup."""

    def __init__(self, language: Language) -> None:
        self._catalogue = language.messages

    def visit_Call(self, node: nodes.Call) -> nodes.Node:  # noqa: N802 (name given by the visitor protocol)
        self.generic_visit(node)
        name = node.node.name if isinstance(node.node, nodes.Name) else None
        if name in ("_", "gettext") and node.args and isinstance(node.args[0], nodes.Const):
            text = self._catalogue.gettext(node.args[0].value)
            if not node.kwargs:
                return nodes.Const(text, lineno=node.lineno)
            target = nodes.Name("_fill", "load", lineno=node.lineno)
            return nodes.Call(target, [nodes.Const(text)], node.kwargs, None, None, lineno=node.lineno)
        if name == "ngettext":
            singular, plural = (a.value for a in node.args[:2] if isinstance(a, nodes.Const))
            forms, form = self._catalogue.counted(singular, plural)
            own = form is self._catalogue.plural
            target = nodes.Name("_count" if own else "_count_as_in_german", "load", lineno=node.lineno)
            return nodes.Call(
                target, [nodes.Const(forms), node.args[2]], node.kwargs, None, None, lineno=node.lineno
            )
        return node

    def visit_TemplateData(self, node: nodes.TemplateData) -> nodes.Node:  # noqa: N802
        node.data = re.sub(r"\s*\n\s*", "\n", node.data)
        return node


class _Template(Template):
    def _get_default_module(self, ctx: Context | None = None) -> TemplateModule:
        """Macros are imported once: no render brings names of its own, so there is nothing to compare."""
        if self._module is None:
            self._module = self.make_module()
        return self._module


class _LanguageEnvironment(Environment):
    template_class = _Template

    def __init__(self, language: Language, **options: Any) -> None:
        super().__init__(**options)
        self._fold = _Fold(language)

    def _parse(self, source: str, name: str | None, filename: str | None) -> nodes.Template:
        template = super()._parse(source, name, filename)
        self._fold.visit(template)
        return template


class _NoTranslationAtRuntime(Extension):
    """`{% trans %}` is not offered: one way to write a text is enough, and the folder knows that one."""

    tags = {"trans"}  # noqa: RUF012 (declared so by Jinja)

    def parse(self, parser: Any) -> nodes.Node:
        parser.fail("write {{ _('…') }} instead of {% trans %}", next(parser.stream).lineno)
        raise AssertionError


def _fill(text: str, **values: object) -> Markup:
    return Markup(escape(text)) % values


def _counting(plural: Callable[[int], int]) -> Callable[..., Markup]:
    def count(forms: tuple[str, ...], number: int, **values: object) -> Markup:
        form = forms[min(plural(number), len(forms) - 1)]
        return Markup(escape(form)) % {"num": number, **values}

    return count


_PARTS = re.compile(
    r"<(?P<raw>title|textarea|option|script|style)\b.*?</(?P=raw)\s*>"
    r"|<(?:[^<>\"']|\"[^\"]*\"|'[^']*')*>"
    r"|(?P<text>[^<]+|<)",
    re.DOTALL | re.IGNORECASE,
)
_MARKS = re.compile(f"([{GERMAN_BEGINS}{GERMAN_ENDS}])")
_BLOCK_ENDS = re.compile(r"</(?:p|li|div|d[dt]|h[1-6]|t[dh]|summary|label|button)\b", re.IGNORECASE)


def with_german_marked(html: str) -> str:
    """Turn the marks of German texts (`languages.german`) into elements that say their language.

    Attributes cannot say it, so marks in them only go; a title says it for itself.
    """
    return _GermanMarker().html(html) if GERMAN_BEGINS in html else html


class _GermanMarker:
    """A German text may have elements in it, so what is open goes on in the next piece of text, up to its block's end."""

    def __init__(self) -> None:
        self._depth = 0

    def html(self, html: str) -> str:
        return _PARTS.sub(self._part, html)

    def _part(self, part: re.Match[str]) -> str:
        whole = part.group()
        if part["text"] is not None:
            return self._text(whole) if self._depth or _MARKS.search(whole) else whole
        if self._depth and _BLOCK_ENDS.match(whole):
            # Only a text that was cut off has no end.
            self._depth = 0
        if GERMAN_BEGINS not in whole and GERMAN_ENDS not in whole:
            return whole
        bare = _MARKS.sub("", whole)
        titled = (part["raw"] or "").lower() == "title"
        return bare.replace("<title", '<title lang="de" dir="ltr"', 1) if titled else bare

    def _text(self, text: str) -> str:
        pieces: list[str] = []
        for piece in _MARKS.split(text):
            if piece == GERMAN_BEGINS:
                self._depth += 1
            elif piece == GERMAN_ENDS:
                self._depth = max(0, self._depth - 1)
            elif not piece.strip():
                pieces.append(piece)
            elif self._depth:
                pieces.append(f'<span lang="de" dir="ltr">{piece}</span>')
            else:
                pieces.append(piece)
        return "".join(pieces).replace('</span><span lang="de" dir="ltr">', "")


class Icons:
    """Inline SVG from `assets/icons/`, one file per icon; how the lines look is in the style sheet (`.i`)."""

    def __init__(self, directory: Path = ASSETS / "icons") -> None:
        self._inner = {
            path.stem: re.sub(r"\s+", " ", _inner_svg(path.read_text(encoding="utf-8"))).strip()
            for path in directory.glob("*.svg")
        }

    def __contains__(self, name: str) -> bool:
        return name.replace("_", "-") in self._inner

    def __call__(self, name: str, css_class: str = "i") -> Markup:
        inner = self._inner.get(name.replace("_", "-")) or self._inner["circle-help"]
        return Markup(f'<svg class="{css_class}" viewBox="0 0 24 24" aria-hidden="true">{inner}</svg>')

    def sprite(self, *names: str) -> Markup:
        """Drawn once, unseen, for pages that show the same few icons dozens of times (`again`)."""
        symbols = "".join(
            f'<symbol id="i-{name}" viewBox="0 0 24 24">{self._inner[name]}</symbol>' for name in names
        )
        return Markup(f'<svg class="vh" aria-hidden="true">{symbols}</svg>')

    def again(self, name: str) -> Markup:
        """An icon of the page's `sprite`."""
        return Markup(f'<svg class="i" aria-hidden="true"><use href="#i-{name}"/></svg>')


def _inner_svg(text: str) -> str:
    text = re.sub(r"<!--.*?-->", "", text, flags=re.S)
    found = re.search(r"<svg[^>]*>(.*)</svg>", text, flags=re.S)
    return re.sub(r">\s+<", "><", re.sub(r"\s*/>", "/>", found.group(1))).strip() if found else ""


class Renderer:
    """Renders templates in every language of the installation."""

    def __init__(
        self, languages: Iterable[Language], *, styles: Mapping[str, str], names: dict[str, Any]
    ) -> None:
        """`styles`: name of a kind of page → its whole style sheet."""
        icons = Icons()
        self._styles = styles
        self.fragments = Fragments()
        self.packer = Packer()
        self.restyle(styles)
        self._environments: dict[str, Environment] = {}
        for language in languages:
            environment = _LanguageEnvironment(
                language,
                loader=FileSystemLoader(TEMPLATES),
                autoescape=True,
                trim_blocks=True,
                lstrip_blocks=True,
                undefined=StrictUndefined,
                auto_reload=False,
                extensions=[_NoTranslationAtRuntime],
                cache_size=-1,
            )
            environment.globals.update(
                _fill=_fill,
                _count=_counting(language.messages.plural),
                _count_as_in_german=_counting(EMPTY.plural),
                checked_on=checked_on,
                icon=icons,
                lang=language.code,
                dir=language.dir,
                **names,
            )
            environment.filters["listing"] = listing
            environment.filters["json"] = lambda value: Markup(
                json.dumps(value, ensure_ascii=False).replace("<", "\\u003c")
            )
            self._environments[language.code] = environment

    def restyle(self, styles: Mapping[str, str]) -> None:
        """Take other style sheets from now on."""
        self._styles = styles
        self.style_hashes = {
            name: base64.b64encode(hashlib.sha256(css.encode()).digest()).decode()
            for name, css in styles.items()
        }

    def style(self, name: str) -> Markup:
        """A whole style sheet, as a kept part."""
        css = self._styles[name]
        return self.fragments.keep(("style", name, self.style_hashes[name]), lambda: css)

    def macro(self, language: str, template: str, name: str, *arguments: Any) -> str:
        """One component on its own."""
        made = getattr(self._environments[language].get_template(template).module, name)(*arguments)
        return with_german_marked(str(made))

    def page(
        self, language: str, template: str, context: dict[str, Any], *, fragment: str | None = None
    ) -> str:
        """The whole page, or only its block `fragment`."""
        loaded = self._environments[language].get_template(template)
        made = loaded.render(context) if fragment is None else "".join(_block(loaded, fragment, context))
        return with_german_marked(made)


def _block(template: Any, name: str, context: dict[str, Any]) -> Iterator[str]:
    block_context = template.new_context(context)
    yield from template.blocks[name](block_context)


def minify_css(css: str) -> str:
    """Remove comments and white space that mean nothing; strings are left alone."""
    parts = re.split(r"(\"[^\"]*\"|'[^']*')", re.sub(r"/\*.*?\*/", "", css, flags=re.S))
    for index in range(0, len(parts), 2):
        text = re.sub(r"\s+", " ", parts[index])
        text = re.sub(r" ?([{};,>]) ?", r"\1", text)
        parts[index] = re.sub(r": (?=[^{}]*[;}])", ":", text).replace(";}", "}")
    return "".join(parts).strip()
