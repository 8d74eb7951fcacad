"""What changed between two states of an entry, word by word, for people."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any, Literal

from sqlmodel import Session

from portal.catalogue import editing
from portal.web.admin.editing import readable
from portal.web.admin.editing.wording import label

_TOKEN = re.compile(r"\w+|\s+|[^\w\s]")
_ALIKE = 0.4
"""Below this, two texts are shown one after the other: a mosaic of words helps nobody."""


@dataclass(frozen=True, slots=True)
class Piece:
    kind: Literal["same", "old", "new"]
    text: str


DiffLine = tuple[Piece, ...]


@dataclass(frozen=True, slots=True)
class Changed:
    field: str
    label: str
    lines: tuple[DiffLine, ...]
    """Before and after in one."""


def compared(session: Session, before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Changed]:
    """Field by field, in the order of the record."""
    return [
        changed(session, difference.path, difference.before, difference.after)
        for difference in editing.differences(before, after)
    ]


def changed(session: Session, field: str, before: Any, after: Any) -> Changed:
    old, new = readable.lines(session, field, before), readable.lines(session, field, after)
    return Changed(field, label(field), tuple(line_pieces(old, new)))


def line_pieces(old: Sequence[str], new: Sequence[str]) -> list[DiffLine]:
    """Lines that stand for one thing each; a changed line is compared word by word."""
    found: list[DiffLine] = []
    for tag, a, b, c, d in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if tag == "equal":
            found += [(Piece("same", text),) for text in old[a:b]]
            continue
        paired = min(b - a, d - c)
        for one, other in zip(old[a : a + paired], new[c : c + paired], strict=True):
            found += word_pieces(one, other)
        found += [(Piece("old", text),) for text in old[a + paired : b]]
        found += [(Piece("new", text),) for text in new[c + paired : d]]
    return found


def word_pieces(old: str, new: str) -> list[DiffLine]:
    """One line with what was taken away and added in it, or two when hardly anything stayed."""
    before, after = _TOKEN.findall(old), _TOKEN.findall(new)
    matcher = SequenceMatcher(None, before, after, autojunk=False)
    if matcher.ratio() < _ALIKE:
        return [(Piece("old", old),), (Piece("new", new),)]
    pieces: list[Piece] = []
    for tag, a, b, c, d in matcher.get_opcodes():
        if tag == "equal":
            pieces.append(Piece("same", "".join(before[a:b])))
            continue
        if b > a:
            pieces.append(Piece("old", "".join(before[a:b])))
        if d > c:
            pieces.append(Piece("new", "".join(after[c:d])))
    return [tuple(_joined(pieces))]


def _joined(pieces: Sequence[Piece]) -> list[Piece]:
    """A single space between two changes belongs to both: "old text" is easier to read than "old" and "text"."""
    found: list[Piece] = []
    waiting_old, waiting_new = "", ""

    def flush() -> None:
        nonlocal waiting_old, waiting_new
        # White space at both ends alike stays outside of the marks.
        if waiting_old:
            found.append(Piece("old", waiting_old))
        if waiting_new:
            found.append(Piece("new", waiting_new))
        waiting_old = waiting_new = ""

    for index, piece in enumerate(pieces):
        between = (
            piece.kind == "same"
            and piece.text.isspace()
            and bool(waiting_old or waiting_new)
            and index + 1 < len(pieces)
        )
        if between:
            waiting_old += piece.text if waiting_old else ""
            waiting_new += piece.text if waiting_new else ""
            if not waiting_old or not waiting_new:
                # Only one side changed: the space itself did not.
                text = waiting_old or waiting_new
                kind: Literal["old", "new"] = "old" if waiting_old else "new"
                found += [Piece(kind, text[: -len(piece.text)]), piece]
                waiting_old = waiting_new = ""
        elif piece.kind == "same":
            flush()
            found.append(piece)
        elif piece.kind == "old":
            waiting_old += piece.text
        else:
            waiting_new += piece.text
    flush()
    return found
