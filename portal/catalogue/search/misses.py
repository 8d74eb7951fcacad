"""Search terms without hits, counted without keeping what anybody typed.

A term is written down only when it was looked for on its third day. Until then there is one salted hash for each day,
made with a secret that is not in the database; each day has a salt of its own, and both are deleted after `KEPT_DAYS`.
What may be about a person is not even hashed: numbers, addresses, and whatever is or looks like a name. Nor is what somebody is
still typing: a search counts when it was sent, or stood for three seconds (the page's script says so).
"""

import hashlib
import hmac
import logging
import re
import secrets
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache
from importlib import resources
from itertools import pairwise

from sqlalchemy import delete, func, select, update
from sqlalchemy.exc import SQLAlchemyError
from sqlmodel import Session, col

from portal.catalogue.first_names import first_names
from portal.catalogue.models import SearchMiss, SearchMissDay, SearchMissMark
from portal.catalogue.search import analysis
from portal.catalogue.search.analysis import STOP_WORDS, Token
from portal.db import SessionFactory

log = logging.getLogger("portal.search")

DAYS = 3
"""A term is kept when it was looked for on this many days."""
KEPT_DAYS = 30
FORGOTTEN_AFTER_DAYS = 365
"""A kept term that nobody looked for any more."""
MOST_MARKS_A_DAY = 2000
"""So that a machine that types nonsense cannot fill the disk."""
MOST_WORDS, MOST_LETTERS = 4, 40
"""Longer texts are somebody's story."""

_ADDRESS = re.compile(r"@|://|www\.|(?:\d[\s/().+-]*){5,}")
_NAMES_FOLLOW = (
    "ich heiße", "mein name", "heisse", "frau", "herr", "my name", "called", "adım", "ismim", "اسمي", "اسم من",
    "نام من", "меня зовут", "мене звати", "зовут", "je m'appelle", "mon nom", "madame", "monsieur",
)  # fmt: skip
_NAME_ENDINGS = re.compile(
    r"..(?:[oe]wsk[ia]|[iy]nsk[ia]|czyk|wicz|enko|tschuk|oglu|escu|[oe]vic|[oe]witsch|zadeh?|nejad|m[ae][iy]er|huber|shvili|"
    r"енко|ович|евич|швили)$"
)
_NAMES_FOLLOW_FOLDED = tuple(f" {analysis.normalise(words)} " for words in _NAMES_FOLLOW)


@dataclass(frozen=True, slots=True)
class MissedTerm:
    term: str
    language: str
    count: int
    first_day: date
    last_day: date


def countable(text: str) -> str | None:
    """The words of `text` that may be counted, in lower case, or None when it may be about a person.

    Names of the lists are no such words, however they are written. Of the others that no word list knows, two in a row may be
    a name, and so may one with a capital; that of the first word says nothing, because phones put it there.
    """
    if _ADDRESS.search(text):
        return None
    tokens = analysis.tokens(text)
    folded = f" {' '.join(token.fold for token in tokens)} "
    if len(folded) > MOST_LETTERS + 2 or any(words in folded for words in _NAMES_FOLLOW_FOLDED):
        return None
    words = [token for token in tokens if not any(letter.isdigit() for letter in token.fold)]
    if any(_is_name(word) for word in words):
        return None
    first = 1 if sum(word.text[0].isupper() for word in words) < 2 else 0
    if any(_unknown(word) and word.text[0].isupper() for word in words[first:]):
        return None
    if any(_unknown(one) and _unknown(other) for one, other in pairwise(words)):
        return None
    meaningful = [_spelt(word) for word in words if word.fold not in STOP_WORDS and len(word.fold) > 2]
    return " ".join(meaningful) if 0 < len(meaningful) <= MOST_WORDS else None


def _unknown(word: Token) -> bool:
    return not analysis.is_known(word.fold)


def _is_name(word: Token) -> bool:
    """Also "Julias"."""
    if word.fold in STOP_WORDS:
        return False
    names, base = _names(), word.fold.removesuffix("s")
    if word.fold in names or (len(base) > 3 and base in names):
        return True
    return _unknown(word) and (word.fold in _names_and_words() or _NAME_ENDINGS.search(word.fold) is not None)


@cache
def _names() -> frozenset[str]:
    """Folded; without first names that are ordinary words."""
    lines = resources.files(__package__).joinpath("names.txt").read_text(encoding="utf-8").splitlines()
    others = (name for line in lines if not line.startswith("#") for name in line.split())
    unmistakable = (name for name, is_word in first_names().items() if not is_word)
    return frozenset(analysis.fold(name) for name in (*unmistakable, *others))


@cache
def _names_and_words() -> frozenset[str]:
    """First names, folded, that are ordinary words of some language."""
    return frozenset(analysis.fold(name) for name, is_word in first_names().items() if is_word)


def _spelt(word: Token) -> str:
    return unicodedata.normalize("NFKC", word.text).replace("\u00ad", "").lower()


def count_miss(
    sessions: SessionFactory, region: str, text: str, language: str, *, secret: str, today: date
) -> None:
    """`note` in a transaction of its own. Counting is never worth an error page."""
    term = countable(text)
    if term is None:
        return
    try:
        with sessions() as session:
            note(session, region, term, language, secret=secret, today=today)
            session.commit()
    except SQLAlchemyError as error:
        # The message would carry the parameters, and with them what was typed.
        log.warning("a search without hits was not counted: %s", type(error).__name__)


def note(session: Session, region: str, term: str, language: str, *, secret: str, today: date) -> None:
    """Count `term`, which `countable` has given. May raise IntegrityError when two do so at the same moment."""
    _forget(session, region, today)
    kept = session.execute(
        update(SearchMiss)
        .where(
            col(SearchMiss.region) == region,
            col(SearchMiss.language) == language,
            col(SearchMiss.term) == term,
        )
        .values(count=col(SearchMiss.count) + 1, last_day=today)
        .returning(col(SearchMiss.count)),
        execution_options={"synchronize_session": False},
    ).scalar()
    if kept is not None:
        return
    days = _digests(session, region, f"{language}\n{term}", secret, today)
    seen = {
        day
        for day, digest in session.execute(
            select(col(SearchMissMark.day), col(SearchMissMark.digest)).where(
                col(SearchMissMark.region) == region, col(SearchMissMark.digest).in_(days.values())
            )
        )
        if days.get(day) == digest
    }
    if today in seen:
        return
    if len(seen) + 1 < DAYS:
        marks = session.execute(
            select(func.count()).where(col(SearchMissMark.region) == region, col(SearchMissMark.day) == today)
        ).scalar_one()
        if marks < MOST_MARKS_A_DAY:
            session.add(SearchMissMark(region=region, day=today, digest=days[today]))
            session.flush()
        return
    session.execute(
        delete(SearchMissMark).where(
            col(SearchMissMark.region) == region, col(SearchMissMark.digest).in_(days.values())
        )
    )
    session.add(
        SearchMiss(
            region=region,
            language=language,
            term=term,
            count=len(seen) + 1,
            first_day=min(seen),
            last_day=today,
        )
    )
    session.flush()


def _digests(session: Session, region: str, message: str, secret: str, today: date) -> dict[date, str]:
    """What the message is called on each day that has a salt, today among them."""
    rows = session.execute(
        select(col(SearchMissDay.day), col(SearchMissDay.salt)).where(col(SearchMissDay.region) == region)
    )
    salts: dict[date, str] = {row[0]: row[1] for row in rows}
    if today not in salts:
        salts[today] = secrets.token_hex(16)
        session.add(SearchMissDay(region=region, day=today, salt=salts[today]))
        session.flush()
    return {
        day: hmac.new(f"{secret}\n{salt}".encode(), message.encode(), hashlib.sha256).hexdigest()[:24]
        for day, salt in salts.items()
    }


def _forget(session: Session, region: str, today: date) -> None:
    oldest = today - timedelta(days=KEPT_DAYS)
    for table in (SearchMissMark, SearchMissDay):
        session.execute(delete(table).where(col(table.region) == region, col(table.day) < oldest))
    session.execute(
        delete(SearchMiss).where(
            col(SearchMiss.region) == region,
            col(SearchMiss.last_day) < today - timedelta(days=FORGOTTEN_AFTER_DAYS),
        )
    )


def missed_terms(session: Session, region: str) -> Sequence[MissedTerm]:
    """The most frequent first."""
    rows = session.execute(
        select(
            col(SearchMiss.term),
            col(SearchMiss.language),
            col(SearchMiss.count),
            col(SearchMiss.first_day),
            col(SearchMiss.last_day),
        )
        .where(col(SearchMiss.region) == region)
        .order_by(col(SearchMiss.count).desc(), col(SearchMiss.language), col(SearchMiss.term))
    )
    return [MissedTerm(*row) for row in rows]
