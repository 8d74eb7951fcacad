"""The pages of the portal as a reader sees them, every language: what stands there in the wrong one?

The catalogues say which texts are translated; only the pages say which ones somebody forgot to put into a catalogue.
"""

import re
from collections import Counter, deque
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from html.parser import HTMLParser
from urllib.parse import urldefrag, urlsplit

from flask import Flask
from flask.testing import FlaskClient

from portal.catalogue.queries import (
    Catalogue,
    LocationView,
    OrganizationView,
    ServiceView,
    TermView,
    Translated,
)
from portal.catalogue.vocabulary import translatable_texts
from portal.web.languages import GERMAN, Language

_VOID = frozenset(
    [
        "area",
        "base",
        "br",
        "col",
        "embed",
        "hr",
        "img",
        "input",
        "link",
        "meta",
        "source",
        "track",
        "wbr",
        "path",
        "circle",
        "rect",
        "line",
    ]
)
_SILENT = frozenset(("script", "style", "svg", "noscript", "template"))
_SPOKEN = ("aria-label", "alt", "title", "placeholder", "content")
"""Attributes that people hear or read. Their language is that of the element."""


@dataclass(frozen=True, slots=True)
class Passage:
    """Text without a tag in it, or of an attribute."""

    text: str
    lang: str
    """Of the nearest element that says one."""
    tag: str
    attribute: str = ""


@dataclass(frozen=True, slots=True)
class Form:
    action: str
    fields: tuple[tuple[str, str, str], ...]
    """Name, value, type."""


@dataclass
class Seen:
    """One page."""

    path: str
    status: int
    lang: str
    passages: list[Passage] = field(default_factory=list)
    links: list[str] = field(default_factory=list)
    forms: list[Form] = field(default_factory=list)


class _Reader(HTMLParser):
    def __init__(self, page: Seen) -> None:
        super().__init__(convert_charrefs=True)
        self.page = page
        self._open: list[tuple[str, str]] = []
        self._form: tuple[str, list[tuple[str, str, str]]] | None = None

    @property
    def lang(self) -> str:
        return self._open[-1][1] if self._open else ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        lang = values.get("lang", self.lang)
        if tag == "html":
            self.page.lang = lang
        if tag == "a" and "href" in values:
            self.page.links.append(values["href"])
        elif tag == "form":
            self._form = (values.get("action", ""), [])
        elif tag == "input" and self._form is not None:
            self._form[1].append(
                (values.get("name", ""), values.get("value", ""), values.get("type", "text"))
            )
        for name in _SPOKEN:
            text = " ".join(values.get(name, "").split())
            described = name != "content" or values.get("name") == "description"
            if text and described:
                self.page.passages.append(Passage(text, lang, tag, name))
        if tag not in _VOID:
            self._open.append((tag, lang))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in _VOID:
            self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag == "form" and self._form is not None:
            self.page.forms.append(Form(self._form[0], tuple(self._form[1])))
            self._form = None
        while self._open:
            if self._open.pop()[0] == tag:
                break

    def handle_data(self, data: str) -> None:
        text = " ".join(data.split())
        if text and not any(tag in _SILENT for tag, _lang in self._open):
            self.page.passages.append(Passage(text, self.lang, self._open[-1][0] if self._open else ""))


def read(path: str, status: int, html: str) -> Seen:
    page = Seen(path, status, "")
    reader = _Reader(page)
    reader.feed(html)
    reader.close()
    return page


class Walker:
    """Opens pages like a browser without scripts, and answers the questions."""

    def __init__(self, app: Flask) -> None:
        self._app = app

    def client(self) -> FlaskClient:
        return self._app.test_client()

    def pages(self, language: str, *, most: int = 100_000) -> Iterator[Seen]:
        """Every page that links lead to, an error page, a search that finds nothing, and the questionnaire."""
        client = self.client()
        start = f"/{language}/"
        waiting = deque([start, f"{start}no-such-page", f"{start}offers?q=xyzzyx", f"{start}offline"])
        known = set(waiting)
        narrowed = 0
        while waiting and most > 0:
            path = waiting.popleft()
            page = self.open(client, path)
            if page is None:
                continue
            most -= 1
            yield page
            for link in page.links:
                found = urldefrag(link)[0]
                parts = urlsplit(found)
                if parts.scheme or parts.netloc or not parts.path.startswith(start) or found in known:
                    continue
                if parts.path.endswith(("/exit", ".ics", ".svg", ".xml")):
                    continue
                if parts.query:
                    # Combinations of filters have no end.
                    narrowed += 1
                    if narrowed > 12:
                        continue
                if parts.path.endswith("/report") and any(path.endswith("/report") for path in known):
                    continue
                known.add(found)
                waiting.append(found)
        for choice in range(6):
            yield from self.answers(language, choice)

    def open(self, client: FlaskClient, path: str) -> Seen | None:
        """None for what is no page."""
        response = client.get(path)
        for _redirect in range(5):
            if response.status_code not in (301, 302, 303):
                break
            path = str(response.location)
            response = client.get(path)
        if response.mimetype != "text/html":
            return None
        return read(path, response.status_code, response.get_data(as_text=True))

    def answers(self, language: str, choice: int) -> Iterator[Seen]:
        """One way through the questions: each time the answer number `choice`, or the last one before it."""
        client = self.client()
        page = self.open(client, f"/{language}/check")
        for _step in range(12):
            if page is None:
                return
            yield page
            form = next((form for form in page.forms if "/check/" in form.action), None)
            if form is None:
                break
            token = next((value for name, value, _type in form.fields if name == "csrf_token"), "")
            options = [value for name, value, _type in form.fields if name == "answer"]
            quiet = [value for value in options if value in ("dont_know", "no_answer")]
            plain = [value for value in options if value not in quiet] or quiet
            chosen = plain[min(choice, len(plain) - 1)] if plain else ""
            response = client.post(form.action, data={"csrf_token": token, "answer": chosen})
            if response.status_code != 303:
                return
            page = self.open(client, str(response.location))
        result = self.open(client, f"/{language}/result")
        if result is not None:
            yield result
            for link in dict.fromkeys(result.links):
                if link.startswith(f"/{language}/result/") and (shown := self.open(client, link)):
                    yield shown


@dataclass(frozen=True, slots=True)
class Fault:
    language: str
    path: str
    kind: str
    """german, english, script, placeholder or character."""
    text: str

    def __str__(self) -> str:
        return f"{self.language} {self.path}: {self.kind}: {self.text[:120]}"


@dataclass
class Report:
    pages: Counter[str] = field(default_factory=Counter)
    """Language → pages seen."""
    german: Counter[str] = field(default_factory=Counter)
    """Language → German passages that say that they are German."""
    unsayable: Counter[str] = field(default_factory=Counter)
    """Language → German texts in attributes, which cannot say it."""
    faults: list[Fault] = field(default_factory=list)


_UNFILLED = re.compile(r"%\(\w+\)[sd]?|\{[a-z_]+\}|\{\{|\{%|[\x00-\x08]|\bUndefined\b|^None$")
_GERMAN_WORDS = frozenset(
    [
        "und",
        "nicht",
        "ist",
        "für",
        "wir",
        "dich",
        "dir",
        "eine",
        "einen",
        "oder",
        "auf",
        "wenn",
        "kannst",
        "sich",
        "wird",
        "bei",
        "zum",
        "zur",
        "vom",
        "auch",
        "deine",
    ]
)
_ENGLISH_WORDS = frozenset(
    ["the", "and", "you", "your", "with", "for", "this", "that", "are", "not", "from", "have", "they", "what"]
)
_LETTERS = re.compile(r"[^\W\d_]+")
_BRACKETS = re.compile(r"\([^()]*\)?")
_ADDRESS = re.compile(r"\S+@\S+|https?://\S+|www\.\S+|\b[\w-]+\.(?:de|eu|org|com|net|info|example)\b\S*")


class Judge:
    """Knows the texts of one installation, and so which language a passage is in."""

    def __init__(
        self, catalogue: Catalogue, languages: Mapping[str, Language], german_sources: Iterable[str]
    ) -> None:
        """`german_sources`: texts of the questionnaire, as the region words them."""
        german = languages[GERMAN].messages
        self._languages = languages
        self._names = _names(catalogue)
        self._translations = [
            texts for thing in _things(catalogue) for texts in thing.translations.values() if texts
        ]
        self._german = {
            _folded(text)
            for text in (
                *german_sources,
                *german.texts.values(),
                *(form for forms in german.forms.values() for form in forms),
                *_german_texts(catalogue),
            )
        }
        self._english = {_folded(msgid) for msgid in (*german.texts, *german.forms) if len(msgid.split()) > 1}

    def own(self, language: str) -> set[str]:
        """What this language says on purpose."""
        one = self._languages[language]
        texts = [*one.messages.texts.values(), *one.questionnaire.texts.values()]
        texts += [form for forms in one.messages.forms.values() for form in forms]
        texts += [found[language].text for found in self._translations if language in found]
        return {_folded(text) for text in texts}

    def faults(self, page: Seen, language: str, own: Collection[str], report: Report) -> Iterator[Fault]:
        is_german = self._languages[language].locale.language == GERMAN
        for passage in page.passages:
            text = passage.text
            if _UNFILLED.search(text):
                yield Fault(language, page.path, "placeholder", text)
            if "\ufffd" in text:
                yield Fault(language, page.path, "character", text)
            if passage.lang != language:
                # Leichte Sprache is German: there only what is marked counts as not translated.
                report.german[language] += passage.lang == GERMAN and not is_german
                continue
            kind = self._foreign(text, language, own, is_german=is_german)
            if kind in ("german", "script") and passage.attribute:
                report.unsayable[language] += 1
            elif kind:
                yield Fault(language, page.path, kind, text)

    def _foreign(self, text: str, language: str, own: Collection[str], *, is_german: bool) -> str:
        folded = _folded(text)
        if folded in own or self._is_name(folded):
            return ""
        # Names of offices stay German, behind their meaning or in brackets.
        words = _LETTERS.findall(_ADDRESS.sub("", _BRACKETS.sub("", text)))
        small = {word for word in words if word[:1].islower()}
        if not is_german:
            if folded in self._german and (small or len(words) > 2) and max(map(len, words), default=0) > 2:
                return "german"
            if len(_GERMAN_WORDS & small) > 1:
                return "german"
        if language != "en":
            if folded in self._english or len(_ENGLISH_WORDS & {word.lower() for word in words}) > 2:
                return "english"
        script = self._languages[language].locale
        if (
            script.language in _SCRIPTS
            and small
            and len(words) > 2
            and not _SCRIPTS[script.language].search(text)
        ):
            return "script"
        return ""

    def _is_name(self, folded: str) -> bool:
        return folded in self._names or any(
            part in self._names for part in re.split(r" ?· ?|, |: ", folded) if len(part) > 3
        )


_CYRILLIC, _ARABIC = re.compile("[\u0400-\u04ff]"), re.compile("[\u0600-\u06ff]")
_SCRIPTS = {"uk": _CYRILLIC, "ru": _CYRILLIC, "ar": _ARABIC, "fa": _ARABIC}


def _folded(text: str) -> str:
    return " ".join(text.split()).casefold()


def _names(catalogue: Catalogue) -> set[str]:
    region = catalogue.region
    found: set[str | None] = {region.name, region.portal_name, region.state, *region.controller.address}
    found.add(region.controller.name)
    for place in catalogue.places.all():
        found |= {place.name, place.label}
    for organization in catalogue.current.organizations.values():
        found |= {organization.name, organization.alternate_name}
    for service in catalogue.every_service():
        found |= {
            service.name,
            service.legal_text,
            service.organization.name,
            service.organization.alternate_name,
        }
        for location in service.locations:
            found.add(location.name)
            if location.address:
                address = location.address
                found |= {address.address_1, address.city, address.attention}
                found.add(f"{address.postal_code or ''} {address.city}".strip())
    return {_folded(name) for name in found if name}


_ENTITIES: tuple[tuple[type[Translated], str], ...] = (
    (ServiceView, "service"),
    (OrganizationView, "organization"),
    (LocationView, "location"),
    (TermView, "taxonomy_term"),
)


def _things(catalogue: Catalogue) -> Iterator[Translated]:
    """Whatever has texts; houses and organizations as often as there are offers."""
    for taxonomy in catalogue.current.terms.values():
        yield from taxonomy.values()
    for service in catalogue.every_service():
        yield from (service, service.organization, *service.locations)


def _german_texts(catalogue: Catalogue) -> Iterator[str]:
    for thing in _things(catalogue):
        entity = next(name for kind, name in _ENTITIES if isinstance(thing, kind))
        yield from (text for _field, text in translatable_texts(entity, thing))


def crawl(app: Flask, languages: Collection[str], *, most: int = 100_000) -> Report:
    """Every page in these languages."""
    portal = app.extensions["portal"]
    judge = Judge(
        portal.catalogue,
        portal.languages,
        [
            portal.catalogue.extras.wordings.get(source.text, source.text)
            for source in portal.clearing.source_texts()
        ],
    )
    report = Report()
    told: set[tuple[str, str, str]] = set()
    walker = Walker(app)
    for language in languages:
        own = judge.own(language)
        for page in walker.pages(language, most=most):
            report.pages[language] += 1
            for fault in judge.faults(page, language, own, report):
                if (fault.language, fault.kind, fault.text) not in told:
                    told.add((fault.language, fault.kind, fault.text))
                    report.faults.append(fault)
    return report
