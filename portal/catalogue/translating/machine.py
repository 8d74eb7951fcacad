"""Machine drafts from a server of one's own that speaks the interface of LibreTranslate.

Off unless `PORTAL_TRANSLATOR_URL` is set. Only texts that everybody can read on the public pages are ever sent. A draft
has the state `machine` until a person has read it, and the public pages say so.
"""

import http.client
import json
import re
import ssl
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, Protocol
from urllib.parse import urlsplit

from sqlalchemy import select
from sqlmodel import Session

from portal.catalogue import models
from portal.catalogue.editing import Author, lock
from portal.catalogue.reading import CatalogueError
from portal.catalogue.rows import table
from portal.catalogue.translating.exchange import writable
from portal.catalogue.translating.figures import mismatch
from portal.catalogue.translating.saving import LONGEST, Target, announce, put, tidy
from portal.catalogue.translating.texts import Item, Subject, UnknownText, subject
from portal.catalogue.vocabulary import SOURCE_LANGUAGE

TIMEOUT_SECONDS = 20.0
_AT_ONCE = 20
"""Texts of one request."""
_LARGEST_ANSWER = 2 * 1024 * 1024

KEPT_NAMES = (
    "Agentur für Arbeit",
    "Agenturen für Arbeit",
    "Arbeitsagentur",
    "BAföG",
    "Berufsberatung der Agentur für Arbeit",
    "Bundesagentur für Arbeit",
    "Caritas",
    "Diakonie",
    "Handwerkskammer",
    "Industrie- und Handelskammer",
    "Jobcenter",
    "Jugendamt",
    "Jugendberufsagentur",
    "Jugendmigrationsdienst",
    "Kommunale Beschäftigungsagentur",
    "Kreisverwaltung",
    "Landesschulamt",
    "Landkreis",
    "Sozialamt",
    "Wohnungsamt",
    "Ausländerbehörde",
    "Ausländeramt",
    "Gesundheitsamt",
    "Bürgeramt",
    "Krankenkasse",
)
"""What stands on doors and letters: people have to recognise it, whatever their language."""


class TranslatorError(CatalogueError):
    """The server gave no usable answer. `code` is off, unreachable, timeout, refused, limit, language or answer."""

    def __init__(self, code: str, text: str) -> None:
        self.code = code
        super().__init__(text)


class Translator(Protocol):
    def languages(self) -> frozenset[str]:
        """Languages it can translate German into. Raises TranslatorError."""
        ...

    def translate(self, texts: Sequence[str], language: str) -> list[str]:
        """German texts into a language, in the same order. Raises TranslatorError."""
        ...


class LibreTranslate:
    """https://docs.libretranslate.com: `POST /translate` and `GET /languages`."""

    def __init__(self, url: str, key: str = "", *, timeout: float = TIMEOUT_SECONDS) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
            raise TranslatorError(
                "off", "PORTAL_TRANSLATOR_URL must be an address such as http://127.0.0.1:5000"
            )
        self._tls = parts.scheme == "https"
        self._host = parts.hostname
        self._port = parts.port
        self._path = parts.path.rstrip("/")
        self._key = key
        self._timeout = timeout

    def languages(self) -> frozenset[str]:
        answer = self._ask("GET", "/languages")
        if not isinstance(answer, list):
            raise TranslatorError("answer", "the translation server sent no list of languages")
        known = {str(entry.get("code")): entry for entry in answer if isinstance(entry, dict)}
        german = known.get(SOURCE_LANGUAGE)
        if german is None:
            return frozenset()
        targets = german.get("targets")
        return frozenset(map(str, targets)) if isinstance(targets, list) else frozenset(known)

    def translate(self, texts: Sequence[str], language: str) -> list[str]:
        found: list[str] = []
        for start in range(0, len(texts), _AT_ONCE):
            part = list(texts[start : start + _AT_ONCE])
            wish: dict[str, Any] = {
                "q": part,
                "source": SOURCE_LANGUAGE,
                "target": language.partition("-")[0],
                "format": "text",
            }
            if self._key:
                wish["api_key"] = self._key
            answer = self._ask("POST", "/translate", wish)
            translated = answer.get("translatedText") if isinstance(answer, dict) else None
            if isinstance(translated, str) and len(part) == 1:
                translated = [translated]
            if (
                not isinstance(translated, list)
                or len(translated) != len(part)
                or not all(isinstance(text, str) for text in translated)
            ):
                raise TranslatorError(
                    "answer", "the translation server sent something else than translations"
                )
            found += translated
        return found

    def _ask(self, method: str, path: str, wish: dict[str, Any] | None = None) -> Any:
        connection: http.client.HTTPConnection = (
            http.client.HTTPSConnection(
                self._host, self._port, timeout=self._timeout, context=ssl.create_default_context()
            )
            if self._tls
            else http.client.HTTPConnection(self._host, self._port, timeout=self._timeout)
        )
        try:
            body = json.dumps(wish).encode() if wish is not None else None
            headers = {"Accept": "application/json"} | ({"Content-Type": "application/json"} if body else {})
            connection.request(method, self._path + path, body, headers)
            response = connection.getresponse()
            raw = response.read(_LARGEST_ANSWER + 1)
        except TimeoutError:
            raise TranslatorError("timeout", "the translation server took too long") from None
        except (OSError, http.client.HTTPException):
            raise TranslatorError("unreachable", "the translation server cannot be reached") from None
        finally:
            connection.close()
        if response.status != 200:
            raise _error(response.status)
        try:
            if len(raw) > _LARGEST_ANSWER:
                raise ValueError("too large")
            return json.loads(raw)
        except ValueError:
            raise TranslatorError("answer", "the answer of the translation server cannot be read") from None


def _error(status: int) -> TranslatorError:
    # The server's own words may quote the text or the key, so only the number is passed on.
    if status in (401, 403):
        return TranslatorError("refused", f"the translation server refuses us (HTTP {status})")
    if status == 429:
        return TranslatorError("limit", "the translation server has had enough for now (HTTP 429)")
    if status in (400, 404, 422):
        return TranslatorError("language", f"the translation server cannot do this (HTTP {status})")
    return TranslatorError("answer", f"the translation server failed (HTTP {status})")


def translator(url: str, key: str = "") -> Translator | None:
    """None when machine drafts are off. Raises TranslatorError for an address that is none."""
    return LibreTranslate(url, key) if url else None


# Names that must survive.


class Keeper:
    """Replaces names by marks that no machine translates, and puts them back."""

    def __init__(self, names: Iterable[str]) -> None:
        ordered = sorted({name.strip() for name in names if len(name.strip()) > 2}, key=len, reverse=True)
        self._pattern = (
            re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, ordered))})(?!\w)") if ordered else None
        )

    def hide(self, text: str) -> tuple[str, list[str]]:
        """The text with marks, and the names in their order."""
        names: list[str] = []

        def mark(match: re.Match[str]) -> str:
            names.append(match.group())
            return _mark(len(names) - 1)

        return (self._pattern.sub(mark, text) if self._pattern else text), names

    @staticmethod
    def show(text: str, names: Sequence[str]) -> str | None:
        """None when the machine lost or doubled a mark: then nobody knows where the name belongs."""
        for index, name in enumerate(names):
            pattern = re.compile(rf"(?<![A-Za-z0-9]){_mark(index)}(?![A-Za-z0-9])", re.IGNORECASE)
            text, number = pattern.subn(lambda _match, name=name: name, text)  # type: ignore[misc]
            if number != 1:
                return None
        return None if _MARK.search(text) else text

    @staticmethod
    def has_words(text: str) -> bool:
        """Whether there is anything left to translate."""
        return re.search(r"[^\W\d_]{2,}", _MARK.sub("", text)) is not None


def _mark(index: int) -> str:
    return f"XQ{_letters(index)}QX"


def _letters(index: int) -> str:
    """Digits would look like a number that changed."""
    return chr(ord("A") + index % 26) * (1 + index // 26)


_MARK = re.compile(r"XQ([A-Z])\1*QX", re.IGNORECASE)


def kept_names(session: Session, region: str) -> list[str]:
    """Authorities, and all organizations of the region."""
    organization = table(models.Organization)
    names = [*KEPT_NAMES]
    for row in session.execute(
        select(organization.c.name, organization.c.alternate_name).where(organization.c.region == region)
    ):
        names += [name for name in row if name]
    return names


# Drafting.

Skipped = Literal["name_only", "name_lost", "figures", "empty", "too_long", "changed"]


@dataclass(frozen=True, slots=True)
class Drafts:
    fields: tuple[str, ...]
    """That have a draft now."""
    skipped: dict[str, Skipped]
    """Field → why it has none: it is only a name, or the machine changed names or numbers."""

    def __bool__(self) -> bool:
        return bool(self.fields)


def wanting(found: Subject, language: str) -> list[Item]:
    """What a machine may draft: missing texts, and its own old drafts. Nothing of what is not public."""
    if not found.public:
        return []
    return [
        item
        for item in found.items(language)
        if item.state == "missing"
        or (item.state == "outdated" and item.translated is not None and item.translated.status == "machine")
    ]


def draft(
    session: Session,
    region: str,
    found: Subject,
    language: str,
    translator: Translator,
    *,
    names: Iterable[str],
    author: Author | None,
    now: datetime,
    only: Collection[str] | None = None,
) -> Drafts:
    """Ask for drafts of one entry and keep them; `only` some fields. The server is asked before anything is locked.

    A draft that lost a name or changed a number is thrown away. Raises TranslatorError, UnknownText.
    """
    keeper = Keeper(names)
    skipped: dict[str, Skipped] = {}
    asked: list[tuple[Item, str, list[str]]] = []
    for item in wanting(found, language):
        if only is not None and item.field not in only:
            continue
        text, kept = keeper.hide(item.german)
        if keeper.has_words(text):
            asked.append((item, text, kept))
        else:
            skipped[item.field] = "name_only"
    # Whoever asks may hold a read transaction; the server may take long.
    session.rollback()
    answers = translator.translate([text for _item, text, _kept in asked], language) if asked else []
    targets: dict[str, Target] = {}
    for (item, _text, kept), answer in zip(asked, answers, strict=True):
        shown = keeper.show(tidy(writable(answer)), kept)
        if shown is None:
            skipped[item.field] = "name_lost"
        elif not shown:
            skipped[item.field] = "empty"
        elif len(shown) > LONGEST:
            skipped[item.field] = "too_long"
        elif mismatch(item.german, shown, language):
            skipped[item.field] = "figures"
        else:
            targets[item.field] = Target(item.field, shown, "machine")
    if not targets:
        return Drafts((), skipped)
    seen = {item.field: item.seen for item, _text, _kept in asked}
    lock(session, region)
    fresh = subject(session, region, found.entity, found.slug)
    if not fresh.public:
        raise UnknownText(f"{found.entity} {found.slug} is no longer public")
    for name in list(targets):
        if name not in fresh.german or fresh.item(language, name).seen != seen[name]:
            skipped[name] = "changed"
            del targets[name]
    changed = put(session, region, fresh, language, targets.values(), author=author, now=now, cause="machine")
    if changed:
        announce(session, region, [fresh], now=now)
    return Drafts(changed, skipped)
