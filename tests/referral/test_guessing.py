"""What guessing leads to, by the limits as they are: the figures of docs/decisions/0013 stay true."""

from bench.codes import WORDS, chance, receipt_guard, shape, slip_guard, tries_a_year
from portal.referral.codes import RECEIPT_BITS, SLIP_BITS, load_words

LISTS = [None, *load_words(WORDS).values()]
YEAR_OF_ONE = 365 * 24 * 6 * 5
"""Five in ten minutes."""


def test_a_year_of_guessing_finds_no_receipt_code():
    bits = min(shape(words, RECEIPT_BITS)[1] for words in LISTS)
    one, ten = (tries_a_year(receipt_guard, guessers, hours=2) for guessers in (1, 10))
    assert one == YEAR_OF_ONE
    assert one < ten < 2 * 120 * 24 * 365, "together they are slowed down as well"
    assert chance(ten, codes=10_000, bits=bits) < 1e-7
    assert chance(1000 * 365 * 86_400, codes=10_000, bits=bits) < 1e-3, "even with no limit at all"


def test_somebody_signed_in_hardly_finds_a_slip_while_it_is_open():
    bits = min(shape(words, SLIP_BITS)[1] for words in LISTS)
    tries = tries_a_year(slip_guard, 1, hours=2) * 14 / 365
    assert tries == 14 * 24 * 6 * 10
    assert chance(tries, codes=100, bits=bits) < 0.003
