"""What the admin pages change about a region: settings over those of the files, words for the search, reworded texts.

All of it but the reworded texts stands in `Region.overrides`: fields of `RegionFile` by their name, and beside them, with
an underscore, what no file has. Every change gives the region a new revision, which is how running processes notice.
"""

import logging
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID
from xml.etree import ElementTree

from pydantic import ValidationError
from sqlalchemy import func, select, update
from sqlmodel import Session, col

from portal.catalogue import revision
from portal.catalogue.models import Region, TextOverride
from portal.catalogue.records import RegionFile

log = logging.getLogger("portal.catalogue")

EDITABLE = (
    "name",
    "portal_name",
    "theme",
    "helplines",
    "example_searches",
    "languages",
    "controller",
    "switches",
)
LOGO, SYNONYMS, CASES = "_logo", "_synonyms", "_cases"
LARGEST_LOGO = 2048
"""Bytes of the cleaned drawing: it stands in every page, which has to fit the first packets."""
MOST_WORDS, MOST_CASES = 2000, 500


class RegionChangeRefused(Exception):
    """`code` says why: unknown_field, invalid, logo_…, too_many, unknown_case, changed, unchanged."""

    def __init__(self, code: str, message: str = "") -> None:
        super().__init__(message or code)
        self.code = code


@dataclass(frozen=True, slots=True)
class TriedCase:
    """Answers that somebody tried, and the first contact they expect."""

    title: str
    answers: Mapping[str, tuple[str, ...]]
    kind: str


@dataclass(frozen=True, slots=True)
class Extras:
    """What `RegionFile` has no field for."""

    logo: str = ""
    """SVG markup, already cleaned."""
    synonyms: Mapping[str, Mapping[str, tuple[str, ...]]] = field(default_factory=dict)
    """Concept → language → words."""
    cases: tuple[TriedCase, ...] = ()
    wordings: Mapping[str, str] = field(default_factory=dict)
    """German text of the questionnaire files → what stands there instead."""


def merged(settings: Mapping[str, Any], overrides: Mapping[str, Any] | None) -> RegionFile:
    """The settings in force. An override that no longer fits the format is left out, and the log says so."""
    base = RegionFile.model_validate(settings)
    changes = {name: value for name, value in (overrides or {}).items() if name in EDITABLE}
    if not changes:
        return base
    try:
        return RegionFile.model_validate({**settings, **changes})
    except ValidationError:
        for name, value in changes.items():
            try:
                base = RegionFile.model_validate({**base.model_dump(mode="json"), name: value})
            except ValidationError:
                log.warning("region %s: the setting %s of the admin pages no longer fits", base.slug, name)
        return base


def extras(overrides: Mapping[str, Any] | None, wordings: Mapping[str, str]) -> Extras:
    given = overrides or {}
    return Extras(
        logo=str(given.get(LOGO, "")),
        synonyms={
            concept: {language: tuple(words) for language, words in by_language.items()}
            for concept, by_language in given.get(SYNONYMS, {}).items()
        },
        cases=tuple(_case(case) for case in given.get(CASES, ())),
        wordings=wordings,
    )


def _case(stored: Mapping[str, Any]) -> TriedCase:
    answers = {question: tuple(options) for question, options in stored["answers"].items()}
    return TriedCase(stored["title"], answers, stored["kind"])


def stored_overrides(session: Session, region: str) -> dict[str, Any]:
    """A copy of what stands there."""
    found = session.execute(select(col(Region.overrides)).where(col(Region.slug) == region)).scalar()
    return dict(found or {})


def _change(session: Session, region: str, *, now: datetime) -> dict[str, Any]:
    """Begin a change: the new revision locks out whoever else is at it, so that nothing read here gets old."""
    revision.bump(session, region, (), now=now)
    return stored_overrides(session, region)


def _store(session: Session, region: str, overrides: dict[str, Any]) -> None:
    session.execute(
        update(Region).where(col(Region.slug) == region).values(overrides=overrides or None),
        execution_options={"synchronize_session": False},
    )
    session.flush()


def save(session: Session, region: str, changes: Mapping[str, Any], *, now: datetime) -> list[str]:
    """Set fields of `RegionFile`; returns the names of those that differ now. A value of the files is no override.

    Raises RegionChangeRefused.
    """
    unknown = changes.keys() - set(EDITABLE)
    if unknown:
        raise RegionChangeRefused("unknown_field", ", ".join(sorted(unknown)))
    overrides = _change(session, region, now=now)
    settings = _settings(session, region)
    before = merged(settings, overrides).model_dump(mode="json")
    try:
        wanted = RegionFile.model_validate({**before, **changes}).model_dump(mode="json")
        of_files = RegionFile.model_validate(settings).model_dump(mode="json")
    except ValidationError as error:
        where = ".".join(str(part) for part in error.errors()[0]["loc"])
        raise RegionChangeRefused("invalid", where) from error
    for name in changes:
        if wanted[name] == of_files[name]:
            overrides.pop(name, None)
        else:
            overrides[name] = wanted[name]
    _store(session, region, overrides)
    return sorted(name for name in changes if wanted[name] != before[name])


def reset(session: Session, region: str, names: Iterable[str], *, now: datetime) -> list[str]:
    """Back to the files; returns what had been set."""
    overrides = _change(session, region, now=now)
    gone = sorted(name for name in names if overrides.pop(name, None) is not None)
    _store(session, region, overrides)
    return gone


def _settings(session: Session, region: str) -> dict[str, Any]:
    found = session.execute(select(col(Region.settings)).where(col(Region.slug) == region)).scalar_one()
    return dict(found)


# The logo.

_SHAPES = {
    "svg": {"viewBox"},
    "g": {"transform"},
    "path": {"d"},
    "circle": {"cx", "cy", "r"},
    "ellipse": {"cx", "cy", "rx", "ry"},
    "rect": {"x", "y", "width", "height", "rx", "ry"},
    "line": {"x1", "y1", "x2", "y2"},
    "polygon": {"points"},
    "polyline": {"points"},
}
_PAINT = {
    "fill", "fill-rule", "clip-rule", "fill-opacity", "stroke", "stroke-width", "stroke-linecap", "stroke-linejoin",
    "stroke-miterlimit", "stroke-opacity", "opacity", "transform",
}  # fmt: skip
_SILENT = {"title", "desc", "metadata", "defs"}
"""Say nothing that is seen. What `defs` holds is lost; a drawing that needs it is refused by its url()."""
_PLAIN = re.compile(r"[#\w\s.,()+%/-]*")


def clean_logo(source: bytes) -> str:
    """The drawing made of shapes alone, or RegionChangeRefused: only what is known to be harmless is kept."""
    if len(source) > 100_000:
        raise RegionChangeRefused("logo_large")
    text = source.decode("utf-8-sig", errors="replace")
    if "<!ENTITY" in text.upper() or "<!DOCTYPE" in text.upper():
        # Entities can grow without end; a drawing needs none. Programs write harmless doctypes, without brackets.
        text = re.sub(r"<!DOCTYPE[^>\[]*>", "", text, flags=re.IGNORECASE)
        if "<!" in text.replace("<!--", ""):
            raise RegionChangeRefused("logo_unsafe", "entities")
    try:
        root = ElementTree.fromstring(text)  # noqa: S314 (no entities are left)
    except ElementTree.ParseError as error:
        raise RegionChangeRefused("logo_no_svg") from error
    if _local(root.tag) != "svg":
        raise RegionChangeRefused("logo_no_svg")
    if "viewBox" not in root.attrib:
        size = [re.fullmatch(r"(\d+(?:\.\d+)?)(?:px)?", root.attrib.get(n, "")) for n in ("width", "height")]
        if not all(size):
            raise RegionChangeRefused("logo_no_size")
        root.attrib["viewBox"] = "0 0 {} {}".format(*(match.group(1) for match in size if match))
    markup = _drawn(root)
    if len(markup.encode()) > LARGEST_LOGO:
        raise RegionChangeRefused("logo_large")
    if not re.search(r"<(path|circle|ellipse|rect|line|poly)", markup):
        raise RegionChangeRefused("logo_empty")
    return markup


def _local(tag: object) -> str:
    """Name without its namespace; empty for comments, and for other namespaces than SVG's."""
    if not isinstance(tag, str):
        return ""
    space, _, name = tag.rpartition("}")
    return name if space in ("", "{http://www.w3.org/2000/svg") else ""


def _drawn(element: ElementTree.Element) -> str:
    name = _local(element.tag)
    if not name or name in _SILENT:
        return ""
    if name not in _SHAPES:
        raise RegionChangeRefused("logo_unsafe", name)
    attributes = ['aria-hidden="true"'] if name == "svg" else []
    paint = {**element.attrib, **_from_style(element.attrib.get("style", ""))}
    for key, value in paint.items():
        if key in _SHAPES[name] or key in _PAINT:
            if not _PLAIN.fullmatch(value) or "url" in value.lower():
                raise RegionChangeRefused("logo_unsafe", key)
            squeezed = " ".join(value.split())
            attributes.append(f'{key}="{squeezed}"')
        elif key.lower().startswith("on") or key.rpartition("}")[2] == "href":
            raise RegionChangeRefused("logo_unsafe", key.rpartition("}")[2])
    inner = "".join(_drawn(child) for child in element)
    opening = " ".join([name, *attributes])
    return f"<{opening}>{inner}</{name}>" if inner or name in ("svg", "g") else f"<{opening}/>"


def _from_style(style: str) -> dict[str, str]:
    """Style attributes as plain ones: our pages allow no inline style."""
    pairs = (part.partition(":") for part in style.split(";") if ":" in part)
    return {name.strip(): value.strip() for name, _, value in pairs}


def set_logo(session: Session, region: str, source: bytes, *, now: datetime) -> str:
    """Raises RegionChangeRefused."""
    markup = clean_logo(source)
    overrides = _change(session, region, now=now)
    _store(session, region, {**overrides, LOGO: markup})
    return markup


# Words for the search.


def add_word(session: Session, region: str, concept: str, language: str, word: str, *, now: datetime) -> bool:
    """From now on `word` means `concept` in searches of this region; False when it did already.

    Raises RegionChangeRefused when there are too many.
    """
    overrides = _change(session, region, now=now)
    synonyms: dict[str, dict[str, list[str]]] = {
        key: {code: list(words) for code, words in value.items()}
        for key, value in overrides.get(SYNONYMS, {}).items()
    }
    if sum(len(words) for by_language in synonyms.values() for words in by_language.values()) >= MOST_WORDS:
        raise RegionChangeRefused("too_many")
    words = synonyms.setdefault(concept, {}).setdefault(language, [])
    if word in words:
        return False
    words.append(word)
    _store(session, region, {**overrides, SYNONYMS: synonyms})
    return True


def remove_word(
    session: Session, region: str, concept: str, language: str, word: str, *, now: datetime
) -> bool:
    overrides = _change(session, region, now=now)
    synonyms = {
        key: {code: [known for known in words if (key, code, known) != (concept, language, word)]
              for code, words in value.items()}
        for key, value in overrides.get(SYNONYMS, {}).items()
    }  # fmt: skip
    kept = {
        key: {code: words for code, words in value.items() if words}
        for key, value in synonyms.items()
        if any(value.values())
    }
    changed = bool(kept != overrides.get(SYNONYMS, {}))
    overrides.pop(SYNONYMS, None)
    _store(session, region, {**overrides, **({SYNONYMS: kept} if kept else {})})
    return changed


# Tried cases.


def save_case(session: Session, region: str, case: TriedCase, *, now: datetime) -> None:
    """A case of the same title is replaced. Raises RegionChangeRefused."""
    overrides = _change(session, region, now=now)
    others = [stored for stored in overrides.get(CASES, ()) if stored["title"] != case.title]
    if len(others) >= MOST_CASES:
        raise RegionChangeRefused("too_many")
    made = {
        "title": case.title,
        "answers": {question: list(options) for question, options in case.answers.items()},
        "kind": case.kind,
    }
    _store(session, region, {**overrides, CASES: [*others, made]})


def remove_case(session: Session, region: str, title: str, *, now: datetime) -> None:
    """Raises RegionChangeRefused."""
    overrides = _change(session, region, now=now)
    kept = [stored for stored in overrides.get(CASES, ()) if stored["title"] != title]
    if len(kept) == len(overrides.get(CASES, ())):
        raise RegionChangeRefused("unknown_case")
    overrides.pop(CASES, None)
    _store(session, region, {**overrides, **({CASES: kept} if kept else {})})


# Reworded texts of the questionnaire.


def wordings(session: Session, region: str) -> dict[str, str]:
    """German text of the files → the newest wording, where it is another one."""
    rows = session.execute(
        select(col(TextOverride.key), col(TextOverride.text))
        .where(col(TextOverride.region) == region)
        .order_by(col(TextOverride.number))
    )
    newest: dict[str, str | None] = {}
    for key, text in rows:
        newest[key] = text
    return {key: text for key, text in newest.items() if text is not None and text != key}


def reword(
    session: Session,
    region: str,
    key: str,
    text: str | None,
    *,
    seen: int,
    author_id: UUID | None,
    author_name: str,
    now: datetime,
) -> TextOverride:
    """Write a new wording; None, or the text of the files, puts that back. The version it was made from is `seen`.

    Raises RegionChangeRefused: `changed` when there is a newer version, `unchanged` when nothing would be different.
    """
    _change(session, region, now=now)
    versions = versions_of(session, region, key)
    newest = versions[0] if versions else None
    if (newest.number if newest else 0) != seen:
        raise RegionChangeRefused("changed")
    wanted = None if text is None or text == key else text
    if wanted == (newest.text if newest else None):
        raise RegionChangeRefused("unchanged")
    made = TextOverride(
        region=region,
        key=key,
        number=seen + 1,
        text=wanted,
        at=now,
        author_id=author_id,
        author_name=author_name,
    )
    session.add(made)
    session.flush()
    return made


def versions_of(session: Session, region: str, key: str) -> Sequence[TextOverride]:
    """The newest first."""
    return (
        session.execute(
            select(TextOverride)
            .where(col(TextOverride.region) == region, col(TextOverride.key) == key)
            .order_by(col(TextOverride.number).desc())
        )
        .scalars()
        .all()
    )


def number_of_versions(session: Session, region: str) -> dict[str, int]:
    """German text of the files → how often it was reworded."""
    rows = session.execute(
        select(col(TextOverride.key), func.count())
        .where(col(TextOverride.region) == region)
        .group_by(col(TextOverride.key))
    )
    return {row[0]: row[1] for row in rows}
