"""How hard codes are to guess: bits of every list, and a guesser who uses up what the real limits leave.

    python -m bench.codes [--hours 6] [--open 10000]

The guesser asks the same functions as the pages do, on a clock that is moved by a minute: as often as they let through,
from one, ten and a hundred addresses. What gets through in some hours is taken for a year. "No limit" is a server that
does nothing else but answer a thousand guesses a second, all year.
"""

import argparse
import itertools
import math
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast
from unittest.mock import patch

from flask import Flask

from portal.referral.codes import RECEIPT_BITS, SLIP_BITS, Words, load_words, new_code
from portal.web.limits import Limits
from portal.web.public import mine
from portal.web.referrals import CODE_ALL, CODE_CLIENT, SLIP_USER, Referrals

WORDS = Path(__file__).resolve().parent.parent / "content" / "words"
YEAR = timedelta(days=365)
STEP = 60
"""Seconds."""
UNLIMITED = 1000
"""Answers a second."""

Try = Callable[[str], bool]
"""One guess of somebody; False when it was refused."""


class Clock:
    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        # No two looks at the same moment: at the exact end of a window the library says yes to "may I?" for ever.
        self.now += 0.0007
        return self.now


@contextmanager
def moved_clock() -> Iterator[Clock]:
    clock = Clock()
    with patch("time.time", clock):
        yield clock


def receipt_guard() -> Try:
    """A wrong code on the private page: `mine.may_try`, then `mine.count_wrong`."""
    app = Flask("bench")
    referrals = cast(Referrals, SimpleNamespace(limits=Limits("")))

    def guess(address: str) -> bool:
        with app.test_request_context(environ_base={"REMOTE_ADDR": address}):
            if not mine.may_try(referrals):
                return False
            mine.count_wrong(referrals)
            return True

    return guess


def slip_guard() -> Try:
    """A code at the desk, by somebody signed in."""
    limits = Limits("")
    return lambda user: limits.hit(SLIP_USER, user)


def tries_a_year(guard: Callable[[], Try], guessers: int, hours: float) -> float:
    names = [f"2001:db8:0:{number:x}::1" for number in range(guessers)]
    steps = int(hours * 3600 / STEP)
    through = 0
    with moved_clock() as clock:
        guess = guard()
        for _ in range(steps):
            for name in names:
                through += sum(1 for _ in itertools.takewhile(bool, map(guess, itertools.repeat(name))))
            clock.now += STEP
    return through * YEAR.total_seconds() / (steps * STEP)


def chance(tries: float, codes: float, bits: float) -> float:
    """That at least one guess meets one of the codes."""
    return -math.expm1(-tries * codes / 2**bits)


def shape(words: Words | None, wanted: int) -> tuple[int, float]:
    """How many words (or digits) a code has, and its bits."""
    parts = new_code(words, wanted).split()
    if words is None:
        digits = len("".join(parts))
        return digits, digits * math.log2(10)
    return len(parts), len(parts) * words.bits


def _share(value: float) -> str:
    return f"1 in {1 / value:,.0f}" if value < 0.1 else f"{value:.0%}"


def _table(head: tuple[str, ...], rows: list[tuple[Any, ...]]) -> None:
    print(f"| {' | '.join(head)} |\n|{'---|' * len(head)}")
    for row in rows:
        print(f"| {' | '.join(map(str, row))} |")
    print()


def lists(found: dict[str, Words | None]) -> None:
    rows = []
    for name, words in found.items():
        number, bits = shape(words, RECEIPT_BITS)
        short, short_bits = shape(words, SLIP_BITS)
        rows.append(
            (name, len(words.words) if words else 10, f"{number}: {bits:.1f}", f"{short}: {short_bits:.1f}")
        )
    _table(("list", "words", "receipt code, words: bits", "slip, words: bits"), rows)


def guessing(found: dict[str, Words | None], open_codes: int, hours: float) -> None:
    receipt_bits = min(shape(words, RECEIPT_BITS)[1] for words in found.values())
    slip_bits = min(shape(words, SLIP_BITS)[1] for words in found.values())
    everything = UNLIMITED * YEAR.total_seconds()
    few = max(1, open_codes // 100)
    rows = []
    for number in (1, 10, 100):
        tries = tries_a_year(receipt_guard, number, hours)
        rows.append(("receipt code", f"{number} address{'es' if number > 1 else ''}", tries, receipt_bits))
    rows.append(("receipt code", "no limit", everything, receipt_bits))
    for number in (1, 10):
        tries = tries_a_year(slip_guard, number, hours)
        rows.append(
            ("slip", "1 person signed in" if number == 1 else f"{number} people signed in", tries, slip_bits)
        )
    _table(
        ("code", "who guesses", "tries a year", f"hits one of {open_codes:,}", f"hits one of {few:,}"),
        [
            (
                what,
                who,
                f"{tries:,.0f}",
                _share(chance(tries, open_codes, bits)),
                _share(chance(tries, few, bits)),
            )
            for what, who, tries, bits in rows
        ],
    )


def model_holds(words: Words, codes: int = 300, tries: int = 200_000) -> tuple[float, float]:
    """Hits on made-up codes of two words and what `chance` expects: that guesses meet codes as often as computed."""
    bits = 2 * words.bits
    real = {new_code(words, int(bits)) for _ in range(codes)}
    hits = sum(f"{secrets.choice(words.words)} {secrets.choice(words.words)}" in real for _ in range(tries))
    return hits, tries * len(real) / 2**bits


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--hours", type=float, default=6, help="simulated, then taken for a year")
    parser.add_argument("--open", type=int, default=10_000, help="codes that would fit")
    chosen = parser.parse_args()
    found: dict[str, Words | None] = {**load_words(WORDS), "digits": None}
    lists(found)
    rules = ", ".join(
        f"{rule.name}: {rule.rate}" for rule in (CODE_CLIENT, mine.FIRST_WRONG, CODE_ALL, SLIP_USER)
    )
    print(f"Limits: {rules}\n")
    guessing(found, chosen.open, chosen.hours)
    german = found["de"]
    assert german is not None
    hits, expected = model_holds(german)
    print(
        f"Two words instead of {shape(german, RECEIPT_BITS)[0]}: {hits} hits in 200,000 guesses, {expected:.0f} expected."
    )


if __name__ == "__main__":
    main()
