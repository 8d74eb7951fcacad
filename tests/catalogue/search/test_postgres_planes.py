"""Scores in planes: never above the true ones, never far below, and the same finds in the same order as by tables."""

import random
from array import array

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from portal.catalogue.search import postgres_planes as planes
from portal.catalogue.search.postgres_planes import Constant, Leaf, Places, Postings, RankedPlanes, Sliced
from portal.catalogue.search.ranking import Gains, RankedTable, bitset, members


def a_leaf(chance: random.Random, size: int) -> Leaf:
    """A word in up to three segments, with lists, planes or both."""
    parts, first = [], 0
    for length in (size - size // 3 - size // 7, size // 3, size // 7):
        numbers = sorted(chance.sample(range(length), int(length * chance.choice([0, 0.01, 0.1, 0.9]))))
        steps = bytes(chance.choice([1, 128, 200, 255, chance.randint(1, 255)]) for _ in numbers)
        cut = chance.choice([0, len(numbers) // 2, len(numbers)])
        dense = planes.planes_of(numbers[:cut], steps[:cut], length) if cut else ()
        parts.append((first, Postings(length, array("I", numbers[cut:]), steps[cut:], dense)))
        first += length
    return Leaf(parts)


def a_word(chance: random.Random, size: int, depth: int = 2) -> Sliced:
    out = Sliced()
    for _ in range(chance.randint(1, 3)):
        if depth and chance.random() < 0.5:
            term = a_word(chance, size, depth - 1)
        elif chance.random() < 0.3:
            some = bitset(chance.sample(range(size), chance.randint(0, size)))
            term = Constant(some, chance.choice([0.5, 2.0, 4.0]))
        else:
            term = a_leaf(chance, size)
        (out.take if chance.random() < 0.6 else out.add)(term, chance.choice([0.06, 0.55, 0.85, 1.0, 4.0]))
    return out


def some_gains(chance: random.Random, size: int) -> Gains:
    words = {i: a_word(chance, size) for i in range(chance.randint(0, 4))}
    weights = {i: chance.choice([1.0, 1.0, 0.3]) for i in words} | {7: 0.0}
    lifts = [
        (a_word(chance, size, 0), chance.choice([0.5, 0.8, 1.0]), chance.randrange(16))
        for _ in range(chance.randint(0 if words else 1, 2))
    ]
    return Gains(words, weights, lifts, {})


def value(digits: planes.Planes, number: int) -> int:
    return sum((plane >> number & 1) << i for i, plane in enumerate(digits))


@settings(max_examples=80, deadline=None)
@given(seed=st.integers(0, 10**9), size=st.sampled_from([1, 30, 700]))
def test_planes_are_a_little_below_the_true_scores(seed, size):
    word = a_word(random.Random(seed), size)
    table = word.table(None)
    digits, missing = word.scaled(0.9)
    assert word.present == bitset(table)
    for number in range(size):
        units = table.get(number, 0.0) * 0.9 * planes._UNIT
        assert value(digits, number) <= units + 1e-6
        assert units <= value(digits, number) + missing + 1e-6 or number not in table
    some = random.Random(seed).sample(range(size), size // 2)
    assert word.table(Places(some, size)) == {number: table[number] for number in some if number in table}


@settings(max_examples=150, deadline=None)
@given(seed=st.integers(0, 10**9), size=st.sampled_from([20, 700]), wanted=st.sampled_from([1, 5, 40]))
def test_the_same_finds_in_the_same_order_as_by_tables(seed, size, wanted):
    chance = random.Random(seed)
    gains = some_gains(chance, size)
    alive = bytes(chance.random() < 0.9 for _ in range(size))
    live = bitset(number for number in range(size) if alive[number])
    by_table = RankedTable(planes.tables(gains, None).table(alive))
    by_planes = RankedPlanes(gains, live, alive)
    assert by_planes.matched == by_table.matched

    true = planes.tables(gains, None).table(alive)
    for bar in chance.sample(sorted(true.values()), min(5, len(true))):
        above = bitset(number for number, score in true.items() if score >= bar)
        sure, likely = (by_planes._above(bar, live, surely=surely) for surely in (True, False))
        assert sure & ~above == 0 and above & ~likely == 0

    found = by_table.matched & bitset(chance.sample(range(size), size * 2 // 3))
    near = bitset(chance.sample(range(size), size // 2))
    groups = [(found & near, 1.0, 1.3), (found & ~near, 0.55, 0.715)]
    factors = {
        number: chance.uniform(least, most) for bits, least, most in groups for number in members(bits)
    }

    def first(hopeful):
        rows = sorted((-round(score * factors[n], 2), n) for n, score in hopeful.items())
        return rows[:wanted]

    every = by_table.scores([])
    everything = first({number: every[number] for number in members(found)})
    assert first(by_table.hopeful(groups, wanted)) == everything
    assert first(by_planes.hopeful(groups, wanted)) == everything
    assert by_planes.scores(list(members(found))) == {n: every[n] for n in members(found)}


@pytest.mark.parametrize("size", [planes._FEW - 1, 3 * planes._FEW])
def test_planes_of_a_list_hold_what_the_list_held(size):
    chance = random.Random(1)
    numbers = sorted(chance.sample(range(2 * size), size))
    steps = [chance.randint(1, 255) for _ in numbers]
    made = planes.planes_of(numbers, steps, 2 * size)
    assert list(members(made[0] | made[7])) == [n for n, s in zip(numbers, steps, strict=True) if s & 129]
    for number, step in list(zip(numbers, steps, strict=True))[::97]:
        assert value(made, number) == step


def test_the_heaviest_come_first():
    leaf = Leaf([(0, Postings(100, array("I", range(10)), bytes([9, 8, 200, 8, 200, 7, 7, 7, 255, 1])))])
    assert leaf.fullest((1 << 100) - 1) == [8, 2, 4, 0, 1]
    assert leaf.fullest(0b10_0000_0011) == [0, 1, 9]
