"""Which translated texts a page shows, and whether a person has checked them.

Whoever shows a text of the catalogue or of the questionnaire notes it here. What an article shows is summed up there,
with the German original (`article`); everything else is said once, at the foot of the page.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import date

from portal.web.languages import UNCHECKED, Review, least_of


@dataclass(frozen=True, slots=True)
class Shown:
    """One text. `review` is None for a German one that stands there because there is no translation."""

    german: str
    review: Review | None
    label: bool = False
    """A word of a vocabulary: no sense in showing its original beside those of sentences."""


@dataclass(frozen=True, slots=True)
class Origin:
    """How far translated texts can be trusted. `checked`: a person has compared all of them with German."""

    checked: bool
    checked_date: date | None
    """Of all checks the oldest; None when one of them names no day."""
    originals: tuple[str, ...]
    """The German texts behind what nobody has checked."""
    lacking: bool
    """Some texts stand there in German."""


_NOTHING: list[Shown] = []
_shown: ContextVar[list[Shown]] = ContextVar("shown", default=_NOTHING)


def begin() -> None:
    """A new page."""
    _shown.set([])


def note(*shown: Shown) -> None:
    noted = _shown.get()
    if noted is not _NOTHING:  # Outside of a request nobody asks.
        noted.extend(shown)


@contextmanager
def collected() -> Iterator[list[Shown]]:
    """What is noted inside, for parts that are kept: whoever takes one out again notes it anew."""
    inside: list[Shown] = []
    token = _shown.set(inside)
    try:
        yield inside
    finally:
        _shown.reset(token)


def noted() -> tuple[Shown, ...]:
    return tuple(_shown.get())


def origin_of(shown: Iterable[Shown], *more: Review) -> Origin | None:
    """None when nothing is translated and nothing is lacking."""
    shown = tuple(shown)
    reviews = [*more, *(one.review for one in shown if one.review is not None)]
    lacking = any(one.review is None for one in shown)
    if not reviews:
        return Origin(True, None, (), lacking) if lacking else None
    least = least_of(reviews)
    unchecked = (
        one.german
        for one in shown
        if one.review is not None and one.review.status != "checked" and not one.label
    )
    return Origin(least.status == "checked", least.day, tuple(dict.fromkeys(unchecked)), lacking)


def hand_up(origin: Origin | None, *, said: bool = True) -> None:
    """Leave to the foot of the page what an article does not say itself; `said`: all but that something is lacking."""
    if origin is not None and origin.lacking:
        note(Shown("", None))
    if origin is not None and not said and not origin.checked:
        note(Shown("", UNCHECKED, label=True))
