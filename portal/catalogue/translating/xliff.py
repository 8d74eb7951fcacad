"""XLIFF 2.1 (https://docs.oasis-open.org/xliff/xliff-core/v2.1/): one file per entry, one unit per field.

The ids follow from entry and field, so they are the same in every export.
"""

import re
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Literal
from xml.etree.ElementTree import Element, ParseError, SubElement, indent, register_namespace, tostring

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

from portal.catalogue.translating.exchange import MOST_ROWS, FileProblem, Incoming, Unit, writable
from portal.catalogue.vocabulary import SOURCE_LANGUAGE

NAMESPACE = "urn:oasis:names:tc:xliff:document:2.0"
_XML = "{http://www.w3.org/XML/1998/namespace}"
_OURS = "anlauf"
"""Prefix of our sub-states, as the standard asks for."""

register_namespace("", NAMESPACE)

_STATES = {
    "missing": "initial",
    "outdated": "initial",
    "machine": "translated",
    "unchecked": "translated",
    "checked": "final",
}
_ID = re.compile(r"[\w.:-]+")
_ORDER = ("initial", "translated", "reviewed", "final")


def _tag(name: str) -> str:
    return f"{{{NAMESPACE}}}{name}"


def write(units: Sequence[Unit], *, region: str, language: str, right_to_left: bool) -> bytes:
    """Raises FileProblem when there is nothing to write: the standard asks for at least one text."""
    if not units:
        raise FileProblem("nothing", "there is nothing to translate")
    root = Element(
        _tag("xliff"),
        {"version": "2.1", "srcLang": SOURCE_LANGUAGE, "trgLang": language, f"{_XML}space": "preserve"},
    )
    for (entity, slug), group in groupby(units, key=lambda unit: (unit.entity, unit.slug)):
        fields = list(group)
        file = SubElement(
            root,
            _tag("file"),
            {
                "id": f"{entity}:{slug}",
                "original": f"{region}/{entity}/{slug}",
                "srcDir": "ltr",
                "trgDir": "rtl" if right_to_left else "ltr",
            },
        )
        _notes(file, fields[0].name)
        for one in fields:
            unit = SubElement(file, _tag("unit"), {"id": one.field, "name": one.id})
            if one.earlier:
                _notes(unit, f"German before: {one.earlier}", category="earlier-source")
            segment = SubElement(
                unit,
                _tag("segment"),
                {"id": "s1", "state": _STATES[one.state], "subState": f"{_OURS}:{one.state}"},
            )
            SubElement(segment, _tag("source")).text = writable(one.german)
            if one.text:
                SubElement(segment, _tag("target")).text = writable(one.text)
    _indent(root)
    body: bytes = tostring(root, encoding="utf-8", xml_declaration=True)
    return body


def _notes(parent: Element, text: str, category: str = "") -> None:
    note = SubElement(
        SubElement(parent, _tag("notes")), _tag("note"), {"category": category} if category else {}
    )
    note.text = writable(text)


def _indent(root: Element) -> None:
    """Between elements only: inside of source and target every space belongs to the text."""
    indent(root, space=" ")


def read(body: bytes, *, language: str) -> list[Incoming]:
    """Raises FileProblem."""
    try:
        root = fromstring(body, forbid_dtd=True)
    except (ParseError, DefusedXmlException, ValueError, LookupError) as error:
        raise FileProblem("not_xml", f"this is no XML file: {error}") from None
    if root.tag.rpartition("}")[2] == "xliff" and root.get("version", "").startswith("1"):
        raise FileProblem(
            "version", "this is XLIFF 1; please save it as XLIFF 2", version=root.get("version")
        )
    if root.tag != _tag("xliff") or root.get("version") not in ("2.0", "2.1"):
        raise FileProblem("not_xliff", "this is no XLIFF 2 file")
    if _base(root.get("srcLang", "")) != SOURCE_LANGUAGE:
        raise FileProblem(
            "source_language", "the source language is not German", language=root.get("srcLang")
        )
    if not _same_language(root.get("trgLang", ""), language):
        raise FileProblem(
            "language",
            f"the file is for {root.get('trgLang')!r}, not {language!r}",
            language=root.get("trgLang"),
        )
    found = []
    for file in root.findall(_tag("file")):
        for unit in file.iter(_tag("unit")):
            found.append(_unit(file, unit))
            if len(found) > MOST_ROWS:
                raise FileProblem("too_many", f"more than {MOST_ROWS} texts")
    if not found:
        raise FileProblem("nothing", "there is no text in the file")
    return found


def _base(language: str) -> str:
    return language.partition("-")[0].casefold()


def _same_language(named: str, wanted: str) -> bool:
    return named.casefold() == wanted.casefold() or ("-" not in wanted and _base(named) == wanted.casefold())


def _unit(file: Element, unit: Element) -> Incoming:
    file_id, unit_id = file.get("id", ""), unit.get("id", "")
    if not _ID.fullmatch(file_id) or not _ID.fullmatch(unit_id):
        raise FileProblem("no_id", "a file or unit has no usable id")
    german, text, states, sub_states = "", "", [], set()
    complete, problem = True, None
    # Tools may cut a text into sentences; what stands between them is ignorable.
    for part in unit:
        if part.tag not in (_tag("segment"), _tag("ignorable")):
            continue
        source, target = part.find(_tag("source")), part.find(_tag("target"))
        if source is None:
            raise FileProblem("no_source", f"unit {unit_id!r} of {file_id!r} has no source")
        german += _plain(source)
        problem = problem or _markup(source) or _markup(target)
        if part.tag == _tag("ignorable"):
            text += _plain(target if target is not None else source)
            continue
        states.append(part.get("state", "initial"))
        sub_states.add(part.get("subState", ""))
        own = _plain(target) if target is not None else ""
        complete = complete and bool(own.strip())
        text += own
    if not states:
        raise FileProblem("no_source", f"unit {unit_id!r} of {file_id!r} has no segment")
    return Incoming(
        f"{file_id}, {unit_id}",
        f"{file_id}#{unit_id}",
        german,
        text if complete else "",
        _wanted(states, sub_states),
        problem,
    )


def _wanted(states: Sequence[str], sub_states: set[str]) -> Literal["checked", "unchecked"] | None:
    lowest = min(states, key=lambda state: _ORDER.index(state) if state in _ORDER else 0)
    if lowest in ("reviewed", "final"):
        return "checked"
    # What we sent out as a machine's draft and nobody touched is still one.
    if lowest == "translated" and sub_states != {f"{_OURS}:machine"}:
        return "unchecked"
    return None


_MARKS = ("mrk", "sm", "em")
"""Remarks about a text; anything else stands for something that our texts do not have."""


def _plain(element: Element) -> str:
    return "".join(_texts(element))


def _texts(element: Element) -> Iterator[str]:
    yield element.text or ""
    for child in element:
        yield from _texts(child)
        yield child.tail or ""


def _markup(element: Element | None) -> str | None:
    if element is None:
        return None
    marks = {_tag(name) for name in _MARKS}
    return (
        "markup" if any(child.tag not in marks for child in element.iter() if child is not element) else None
    )
