"""Texts that are read from the right."""

from functools import cache

from babel import Locale


@cache
def is_from_the_right(language: str) -> bool:
    """Of a path code: "ar", "de-simple"."""
    return Locale.parse(language.partition("-")[0]).text_direction == "rtl"


def with_brackets_in_order(text: str) -> str:
    """For a text read from the right.

    A bracket behind a Latin word would join that word's direction, and so read in the wrong order over two lines
    (Unicode Bidirectional Algorithm, N0).
    """
    return text.replace(" (", " \u200f(")
