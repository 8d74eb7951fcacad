"""Scores of hundreds of thousands of offers at once, as columns of bits.

Bit i of the scores of all offers is one integer, with a bit for each offer: a plane. Python adds, compares and counts
such integers some thousand offers a microsecond, where a table takes as long for ten. Planes are rounded down, so they
decide only what is certain: which offers cannot be among the first, and which are surely above a bar. The few in
between are computed one by one as everywhere else, and the answer is exactly that of the tables.

What a query gives is first only written down (`Sliced`), as steps over the words' lists (`Leaf`) and over bitsets
(`Constant`); then it becomes tables, where only few offers have the words, or planes.
"""

import math
from array import array
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import reduce
from itertools import islice, zip_longest
from operator import or_
from typing import Protocol

from portal.catalogue.search.documents import STEPS
from portal.catalogue.search.ranking import FULLEST, WORST, Gains, ScoreTable, bitset, members

DEPTH = 8
"""Planes of a word: a weight is one of 255 steps."""
_UNIT = 4096
"""Steps of a score of 1 in planes."""
_FINE = 2048
"""Factors get about as many steps, more would only cost."""
_FUZZ = 1e-3
"""Units that floating-point numbers may be wrong by, generously."""
_FEW = 8000
"""Up to so many entries of a list its planes are made bit by bit."""

Planes = Sequence[int]


class Places:
    """Some offers whose scores are wanted one by one."""

    def __init__(self, numbers: Sequence[int], size: int) -> None:
        self.where = [(number, number >> 3, number & 7) for number in numbers]
        self.length = size // 8 + 1


class Postings:
    """The offers of a segment that have a word, and the steps of its weights there.

    Lists where they are few; where they are many, planes; both where a segment was written in several parts.
    """

    __slots__ = ("count", "levels", "numbers", "planes", "size")

    def __init__(self, size: int, numbers: "array[int]", levels: bytes, planes: Planes = ()) -> None:
        self.size = size
        self.numbers = numbers
        self.levels = levels
        self.planes = planes
        self.count = len(numbers) + reduce(or_, planes, 0).bit_count()

    @property
    def bytes(self) -> int:
        return 100 + 5 * len(self.numbers) + len(self.planes) * self.size // 8

    def listed(self) -> tuple[Sequence[int], Sequence[int]]:
        if not self.planes:
            return self.numbers, self.levels
        some = Places(list(members(reduce(or_, self.planes))), self.size)
        steps = dict(zip(self.numbers, self.levels, strict=True)) | _steps(self.planes, some)
        return list(steps), list(steps.values())

    def all_planes(self) -> Planes:
        if not self.numbers:
            return self.planes or (0,) * DEPTH
        listed = planes_of(self.numbers, self.levels, self.size)
        return (
            [one | other for one, other in zip(listed, self.planes, strict=True)] if self.planes else listed
        )


def planes_of(numbers: Sequence[int], levels: Sequence[int], size: int) -> Planes:
    if len(numbers) <= _FEW:
        planes = [bytearray(size // 8 + 1) for _ in range(DEPTH)]
        for number, level in zip(numbers, levels, strict=True):
            at, bit = number >> 3, 1 << (number & 7)
            for plane in _BITS[level]:
                planes[plane][at] |= bit
        return [int.from_bytes(plane, "little") for plane in planes]
    dense = bytearray(size)
    for number, level in zip(numbers, levels, strict=True):
        dense[number] = level
    dense.reverse()
    return [int(dense.translate(digit), 2) for digit in _DIGITS]


_BITS = [tuple(i for i in range(DEPTH) if level >> i & 1) for level in range(STEPS)]
_DIGITS = [bytes(48 + (level >> i & 1) for level in range(STEPS)) for i in range(DEPTH)]
"""For each plane a translation of steps to the digits 0 and 1."""


class _Term(Protocol):
    """What steps are made over."""

    @property
    def effort(self) -> int:
        """About how many entries a table of it takes."""

    @property
    def span(self) -> int:
        """Bits of a plane."""

    @property
    def present(self) -> int: ...

    def __len__(self) -> int: ...

    def table(self, places: Places | None) -> ScoreTable:
        """Exact scores, of all offers or of some."""

    def scaled(self, factor: float) -> tuple[Planes, int]:
        """Scores times `factor` in units, rounded down, and how many units may be missing."""


class Leaf:
    """Weights of a word, between 0 and 1, over all segments."""

    def __init__(self, parts: Iterable[tuple[int, Postings]]) -> None:
        self._parts = [(first, postings) for first, postings in parts if postings.count]
        self._planes: Planes | None = None
        self._present: int | None = None
        self.effort = sum(postings.count for _, postings in self._parts)
        self.span = max((first + postings.size for first, postings in self._parts), default=0)

    def __len__(self) -> int:
        return self.effort

    @property
    def planes(self) -> Planes:
        if self._planes is None:
            shifted = [
                [plane << first for plane in part.all_planes()] if first else part.all_planes()
                for first, part in self._parts
            ]
            planes = shifted[0] if shifted else (0,) * DEPTH
            for more in shifted[1:]:
                planes = [one | other for one, other in zip(planes, more, strict=True)]
            self._planes = planes
        return self._planes

    @property
    def present(self) -> int:
        if self._present is None:
            if self._planes is None and self.effort <= _FEW and not any(p.planes for _, p in self._parts):
                self._present = bitset(first + number for first, p in self._parts for number in p.numbers)
            else:
                self._present = reduce(or_, self.planes, 0)
        return self._present

    @property
    def entries(self) -> int:
        return 1 + min(self.effort, self.span // 100)

    def fullest(self, live: int) -> list[int]:
        """Some of the offers alive in which the word weighs most, the first of them first."""
        remaining, found = self.present & live, list[int]()
        while remaining and len(found) < FULLEST:
            heaviest = remaining
            for plane in reversed(self.planes):
                heaviest = heaviest & plane or heaviest
            found += islice(members(heaviest), FULLEST - len(found))
            remaining ^= heaviest
        return found

    def table(self, places: Places | None) -> ScoreTable:
        if places is None:
            found = ScoreTable()
            for first, postings in self._parts:
                for number, step in zip(*postings.listed(), strict=True):
                    found[first + number] = step / STEPS
            return found
        return ScoreTable({number: step / STEPS for number, step in _steps(self.planes, places).items()})

    def scaled(self, factor: float) -> tuple[Planes, int]:
        if not self._parts or factor <= 0:
            return (), 0
        fine = factor * _UNIT / STEPS
        drop = max(0, min(DEPTH, int(math.log2(_FINE / fine))))
        # A step is at most 255, so that what the factor loses stays below 2 ** (8 - drop) units.
        return _product(self.planes, int(fine * 2**drop))[drop:], 1 + 2 ** (DEPTH - drop)


def _steps(planes: Planes, places: Places) -> dict[int, int]:
    length = max(places.length, max(plane.bit_length() for plane in planes) // 8 + 1)
    present = reduce(or_, planes).to_bytes(length, "little")
    where = [place for place in places.where if present[place[1]] >> place[2] & 1]
    steps = [0] * len(where)
    for i, plane in enumerate(planes):
        digits, worth = plane.to_bytes(length, "little"), 1 << i
        for place, (_, at, bit) in enumerate(where):
            if digits[at] >> bit & 1:
                steps[place] += worth
    return {number: step for (number, _, _), step in zip(where, steps, strict=True)}


class Constant:
    """The same score for some offers."""

    def __init__(self, bits: int, score: float) -> None:
        self.present = bits
        self.effort = bits.bit_count()
        self.span = bits.bit_length()
        self._score = score

    def __len__(self) -> int:
        return self.effort

    def table(self, places: Places | None) -> ScoreTable:
        if places is None:
            return ScoreTable(dict.fromkeys(members(self.present), self._score))
        digits = self.present.to_bytes(max(places.length, self.present.bit_length() // 8 + 1), "little")
        return ScoreTable({number: self._score for number, at, bit in places.where if digits[at] >> bit & 1})

    def scaled(self, factor: float) -> tuple[Planes, int]:
        units = int(self._score * factor * _UNIT)
        return [self.present if units >> i & 1 else 0 for i in range(units.bit_length())], 1


class Sliced:
    """Scores written down as steps; a `Scores` of the ranking."""

    def __init__(self) -> None:
        self._steps: list[tuple[bool, _Term, float]] = []
        self._present: int | None = None
        self._planes: tuple[Planes, int] | None = None

    def __bool__(self) -> bool:
        return bool(self.effort)

    def __len__(self) -> int:
        return len(self._steps[0][1]) if len(self._steps) == 1 else self.present.bit_count()

    @property
    def effort(self) -> int:
        return sum(term.effort for _, term, _ in self._steps)

    @property
    def span(self) -> int:
        return max((term.span for _, term, _ in self._steps), default=0)

    @property
    def present(self) -> int:
        if self._present is None:
            self._present = reduce(or_, (term.present for _, term, _ in self._steps), 0)
        return self._present

    @property
    def entries(self) -> int:
        # As planes it will have some sixteen bits an offer at most.
        return 1 + min(self.effort, self.span // 50)

    def take(self, other: _Term, factor: float = 1.0) -> None:
        self._step(other, factor, best=True)

    def add(self, other: _Term, factor: float = 1.0) -> None:
        self._step(other, factor, best=False)

    def _step(self, other: _Term, factor: float, *, best: bool) -> None:
        if other.effort:
            self._steps.append((best, other, factor))
            self._present = self._planes = None

    def times(self, factor: float) -> "Sliced":
        out = Sliced()
        out.add(self, factor)
        return out

    def table(self, places: Places | None) -> ScoreTable:
        if len(self._steps) == 1:
            _, term, factor = self._steps[0]
            return term.table(places).times(factor)
        found = ScoreTable()
        for best, term, factor in self._steps:
            (found.take if best else found.add)(term.table(places), factor)
        return found

    def scaled(self, factor: float) -> tuple[Planes, int]:
        if factor == 1.0 and self._planes is not None:
            return self._planes
        found: Planes = ()
        missing = 0
        # Sums and maxima may be multiplied term by term, and planes of words are multiplied fastest.
        for best, term, share in self._steps:
            planes, slack = term.scaled(share * factor)
            if not found:
                found, missing = planes, max(slack, missing) if best else slack + missing
            elif best:
                found, missing = _best(found, planes), max(slack, missing)
            else:
                found, missing = _sum(found, planes), slack + missing
        if factor == 1.0:
            self._planes = found, missing
        return found, missing


# -- arithmetic --------------------------------------------------------------------------------------------------------


def _sum(one: Planes, other: Planes) -> list[int]:
    out: list[int] = []
    carry = 0
    for a, b in zip_longest(one, other, fillvalue=0):
        half = a ^ b
        out.append(half ^ carry)
        carry = a & b | half & carry
    if carry:
        out.append(carry)
    return out


def _product(planes: Planes, factor: int) -> list[int]:
    out: list[int] = []
    for bit in f"{factor:b}":
        if out:
            out.insert(0, 0)
        if bit == "1":
            out = _sum(out, planes)
    return out


def _best(one: Planes, other: Planes) -> list[int]:
    pairs = list(zip_longest(one, other, fillvalue=0))
    more = less = 0
    for a, b in reversed(pairs):
        differ = a ^ b
        if differ:
            open_ = differ ^ differ & (more | less)
            more |= open_ & a
            less |= open_ & b
    return [b ^ (a ^ b) & more for a, b in pairs]


def _at_least(planes: Planes, least: int, among: int) -> int:
    """Which offers of `among` have so many units."""
    if least <= 0:
        return among
    if least.bit_length() > len(planes):
        return 0
    more, same = 0, among
    for i in range(len(planes) - 1, -1, -1):
        if least >> i & 1:
            same &= planes[i]
        else:
            above = same & planes[i]
            more |= above
            same ^= above
        if not same:
            break
    return more | same


# -- the ranking -------------------------------------------------------------------------------------------------------


class RankedPlanes:
    """`ranking.Ranked` by planes, with the exact scores of those in doubt."""

    def __init__(self, gains: Gains, live: int, alive: Sequence[int]) -> None:
        self._gains = gains
        self._alive = alive
        self._planes: Planes = ()
        self._slack = 0
        covering = dict.fromkeys(gains.weights, 0)
        present = 0
        for i, scores in gains.words.items():
            self._plus(scores, 1.0)  # type: ignore[arg-type]
            covering[i] |= scores.present  # type: ignore[attr-defined]
            present |= scores.present  # type: ignore[attr-defined]
        for lift, share, covers in gains.lifts:
            self._plus(lift, share)  # type: ignore[arg-type]
            present |= lift.present  # type: ignore[attr-defined]
            for i in covering:
                if covers >> i & 1:
                    covering[i] |= lift.present  # type: ignore[attr-defined]
        self._present = present & live
        self._classes = self._by_share(covering)
        self.matched = self._matched()

    def _plus(self, scores: Sliced, factor: float) -> None:
        planes, slack = scores.scaled(factor)
        self._planes = _sum(self._planes, planes) if self._planes else planes
        self._slack += slack

    def _by_share(self, covering: Mapping[int, int]) -> list[tuple[float, int]]:
        """The offers by what counts of their scores: so much of the query is in them."""
        classes: dict[float, tuple[int, int]] = {0.0: (0, self._present)}
        for i, weight in self._gains.weights.items():
            if not weight:
                continue
            split: dict[float, tuple[int, int]] = {}
            for covered, (words, bits) in classes.items():
                having = bits & covering[i]
                for so_far, these, some in (
                    (covered, words, bits ^ having),
                    (round(covered + weight, 6), words | 1 << i, having),
                ):
                    if some:
                        split[so_far] = these, split.get(so_far, (0, 0))[1] | some
            classes = split
        return [(self._gains.share(words), bits) for words, bits in classes.values()]

    def _above(self, score: float, among: int, *, surely: bool) -> int:
        """Offers with at least that score; when not `surely`, also those of which it cannot be told."""
        found = 0
        for share, bits in self._classes:
            some = bits & among
            if some:
                units = score / share * _UNIT + (_FUZZ if surely else -_FUZZ - self._slack)
                found |= _at_least(self._planes, math.ceil(units), some)
        return found

    def _bar(self, groups: Sequence[tuple[int, float]], wanted: int) -> float:
        """A score, times the factor of its group, that `wanted` offers surely have."""

        def enough(units: int) -> bool:
            count = 0
            for bits, factor in groups:
                count += self._above(units / _UNIT / factor, bits, surely=True).bit_count()
                if count >= wanted:
                    return True
            return False

        low, high = 0, 1 << len(self._planes)
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if enough(middle) else (low, middle)
        return low / _UNIT

    def _matched(self) -> int:
        if not self._present:
            return 0
        least = self._bar([(self._present, 1.0)], 1)
        most = least + (self._slack + 2 + 2 * _FUZZ) / _UNIT
        sure = self._above(WORST * most, self._present, surely=True)
        doubtful = self._above(WORST * least, self._present, surely=False) ^ sure
        if not doubtful:
            return sure
        best = self._exact(self._above(least, self._present, surely=False))
        bar = WORST * max(best.values())
        return sure | bitset(number for number, score in self._exact(doubtful).items() if score >= bar)

    def _exact(self, bits: int) -> dict[int, float]:
        return self.scores(list(members(bits)))

    def scores(self, numbers: Sequence[int]) -> dict[int, float]:
        places = Places(numbers, len(self._alive))
        return tables(self._gains, places).table(self._alive)

    def hopeful(self, groups: Sequence[tuple[int, float, float]], wanted: int) -> dict[int, float]:
        bits = reduce(or_, (found for found, _, _ in groups), 0)
        if bits.bit_count() > 2 * wanted:
            bar = self._bar([(found, least) for found, least, _ in groups], wanted) - 0.01
            bits = 0
            for found, _, most in groups:
                bits |= self._above(bar / most, found, surely=False)
        return self._exact(bits)


def tables(gains: Gains, places: Places | None) -> Gains:
    change: Callable[[Sliced], ScoreTable] = lambda scores: scores.table(places)  # noqa: E731
    return gains.of(change)
