"""What stands in the packed columns of the index in PostgreSQL."""

import contextlib
import json
import struct
import sys
import zlib
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import sqlalchemy as sa

from portal.catalogue.search import ranking
from portal.catalogue.search.index import IndexUnusable, SearchError
from portal.catalogue.search.postgres_planes import DEPTH, Postings, planes_of

LONGEST_START = 100
"""Characters of a name that suggestions are found by."""
_LEAST_PLANES = 1000
_MANY = 32
"""One offer in so many must have a word to store it in planes: they take as little room then, and are read at once."""


@contextlib.contextmanager
def unusable_if_broken() -> Iterator[None]:
    """Rows that make no sense ask for a rebuild, errors of the database do not."""
    try:
        yield
    except (SearchError, sa.exc.SQLAlchemyError, MemoryError):
        raise
    except Exception as error:
        raise IndexUnusable(f"{type(error).__name__}: {error}") from error


def pack(numbers: "array[Any]") -> bytes:
    """Little-endian, whatever this machine is: another one may read it."""
    if sys.byteorder == "big":
        numbers = array(numbers.typecode, numbers)
        numbers.byteswap()
    return numbers.tobytes()


def unpack(
    kind: str, packed: bytes | memoryview, *, order: Literal["little", "big"] = "little"
) -> "array[Any]":
    numbers = array(kind)
    numbers.frombytes(packed)
    if sys.byteorder != order:
        numbers.byteswap()
    return numbers


def pack_bits(bits: int) -> bytes:
    return zlib.compress(bits.to_bytes((bits.bit_length() + 7) // 8, "little"), 1)


def unpack_bits(packed: bytes) -> int:
    return int.from_bytes(zlib.decompress(packed), "little")


class Facts:
    """What searches need of every offer of a segment: id, areas, sites, periods; in some 40 bytes an offer."""

    def __init__(self) -> None:
        self.ids = b""
        self.area_sets: list[tuple[str, ...]] = []
        self.areas: array[int] = array("I")
        """Position in `area_sets` for each offer."""
        self.ends: array[int] = array("I")
        """Where the sites of each offer end in `sites`, counted in numbers."""
        self.sites: array[float] = array("d")
        """Latitude, longitude, latitude, …"""
        self.periods: dict[int, tuple[str | None, str | None]] = {}

    def dump(self) -> bytes:
        head = json.dumps(
            {
                "area_sets": self.area_sets,
                "periods": [[number, *period] for number, period in self.periods.items()],
                "offers": len(self.areas),
                "sites": len(self.sites),
            }
        ).encode()
        return b"".join(
            (
                struct.pack("<I", len(head)),
                head,
                self.ids,
                pack(self.areas),
                pack(self.ends),
                pack(self.sites),
            )
        )

    @classmethod
    def load(cls, packed: bytes) -> "Facts":
        (length,) = struct.unpack_from("<I", packed)
        at = 4 + length
        head = json.loads(packed[4:at])
        offers, sites = head["offers"], head["sites"]
        facts = cls()
        facts.area_sets = [tuple(areas) for areas in head["area_sets"]]
        facts.periods = {number: (first, last) for number, first, last in head["periods"]}
        facts.ids = packed[at : at + 16 * offers]
        at += 16 * offers
        facts.areas = unpack("I", packed[at : at + 4 * offers])
        at += 4 * offers
        facts.ends = unpack("I", packed[at : at + 4 * offers])
        at += 4 * offers
        facts.sites = unpack("d", packed[at : at + 8 * sites])
        if len(facts.ends) != offers or len(facts.sites) != sites:
            raise ValueError("a segment is cut short")
        return facts

    def extend(self, other: "Facts") -> None:
        before, sites = len(self.areas), len(self.sites)
        known = {areas: i for i, areas in enumerate(self.area_sets)}
        places = [known.setdefault(areas, len(known)) for areas in other.area_sets]
        self.area_sets = list(known)
        self.ids += other.ids
        self.areas.extend(places[i] for i in other.areas)
        self.ends.extend(end + sites for end in other.ends)
        self.sites.extend(other.sites)
        self.periods.update({before + number: period for number, period in other.periods.items()})


def pack_postings(
    numbers: "array[int]", steps: bytes | bytearray, first: int, size: int
) -> tuple[bytes, bytes]:
    """The columns `numbers` and `weights` of a word in the offers `first` to `first + size`.

    A word in many of them has no numbers: its weights are planes, counted from `first`.
    """
    if size < _LEAST_PLANES or len(numbers) * _MANY < size:
        return pack(numbers), bytes(steps)
    length = (size + 7) // 8
    planes = planes_of([number - first for number in numbers], steps, size)
    return b"", zlib.compress(b"".join(plane.to_bytes(length, "little") for plane in planes), 1)


def unpack_postings(rows: Iterable[tuple[int, bytes, bytes]], first: int, size: int) -> Postings:
    """A word in a segment, from rows of first number, numbers, weights."""
    numbers, steps = array("I"), bytearray()
    planes = [0] * DEPTH
    for start, packed, weights in rows:
        if packed:
            numbers.extend(unpack("I", packed))
            steps += weights
        else:
            for i, plane in enumerate(_unpack_planes(weights)):
                planes[i] |= plane << (start - first)
    if len(numbers) != len(steps) or 0 in steps or max(planes).bit_length() > size:
        raise ValueError("a list of words is cut short")
    if numbers and not first <= numbers[0] <= numbers[-1] < first + size:
        raise ValueError("a list of words names offers of elsewhere")
    if first:
        numbers = array("I", (number - first for number in numbers))
    return Postings(size, numbers, bytes(steps), planes if any(planes) else ())


def _unpack_planes(packed: bytes) -> list[int]:
    raw = zlib.decompress(packed)
    length, more = divmod(len(raw), DEPTH)
    if more:
        raise ValueError("planes are cut short")
    return [int.from_bytes(raw[i * length : (i + 1) * length], "little") for i in range(DEPTH)]


def bitset_bytes(bits: int, size: int) -> bytes:
    return bits.to_bytes((size + 7) // 8, "little")


@dataclass(frozen=True, slots=True)
class Shown:
    """What is kept of an offer to be shown; labels as in `Columns.labels`."""

    slug: str
    organization: str
    topics: Sequence[str]
    labels: Mapping[str, Sequence[str]]
    summaries: Mapping[str, str]
    words: Mapping[str, str]
    """By language what `snippets.places_of_words` says."""

    def dump(self) -> bytes:
        parts = [
            self.slug,
            self.organization,
            list(self.topics),
            dict(self.labels),
            dict(self.summaries),
            dict(self.words),
        ]
        return zlib.compress(json.dumps(parts, ensure_ascii=False, separators=(",", ":")).encode(), 6)

    @classmethod
    def load(cls, packed: bytes) -> "Shown":
        return cls(*json.loads(zlib.decompress(packed)))

    def ways(self) -> Iterator[tuple[str, ...]]:
        """Rows of `search_way` without their number: language, except_for, start, kind, text, value.

        Where an offer has no texts in a language, its readers are led by the German names.
        """
        others = "".join(f" {language}" for language in sorted(self.labels) if language != "de")
        for language, labels in self.labels.items():
            but = f"{others} " if language == "de" and others else ""
            for way in ranking.suggestions_of(labels, self.slug, self.organization, self.topics):
                for start in ranking.beginnings(way.text):
                    yield (language, but, start[:LONGEST_START], way.kind, way.text, way.value)
