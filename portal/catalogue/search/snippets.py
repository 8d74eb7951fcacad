"""Texts with the asked-for words marked."""

from collections.abc import Sequence
from functools import lru_cache

from portal.catalogue.search import analysis
from portal.catalogue.search.analysis import Token
from portal.catalogue.search.index import Snippet

LENGTH = 180
_MIN_WORD_START = 3


class Marker:
    """Marks words of a text that share a form with the query's words. Made once per query and language."""

    def __init__(
        self, words: Sequence[Token], language: str, *, unfinished: bool, extra: Sequence[str] = ()
    ) -> None:
        self._language = language
        self._surfaces = {word.fold for word in words} | set(extra)
        self._stems: set[str] = set()
        for word in words:
            forms = analysis.forms(word, language)
            self._stems |= {forms.stem, *forms.parts}
        self._stems |= {analysis.stem(word, language) for word in extra}
        self._stems = {stem for stem in self._stems if len(stem) >= 3}
        last = words[-1].fold if words and unfinished else ""
        self._start = last if len(last) >= _MIN_WORD_START else None

    def _wanted(self, token: Token) -> bool:
        if token.fold in self._surfaces:
            return True
        if token.fold in analysis.STOP_WORDS_BY_LANGUAGE.get(self._language, ()):
            return False
        if self._start and token.fold.startswith(self._start):
            return True
        forms = analysis.forms(token, self._language)
        return forms.stem in self._stems or not self._stems.isdisjoint(forms.parts)

    def mark(self, text: str, length: int | None = None) -> Snippet:
        """`text` in pieces; with `length` only about that many characters around the most marks."""
        spans: list[tuple[int, int]] = []
        if self._surfaces or self._start:
            spans = [(token.start, token.end) for token in _words(text) if self._wanted(token)]
        start, end = (0, len(text)) if length is None else _window(text, spans, length)
        pieces: list[tuple[str, bool]] = []
        at = start
        for left, right in spans:
            if left < start or right > end:
                continue
            if left > at:
                pieces.append((text[at:left], False))
            pieces.append((text[left:right], True))
            at = right
        if at < end:
            pieces.append((text[at:end], False))
        if start > 0:
            pieces.insert(0, ("… ", False))
        if end < len(text):
            pieces.append((" …", False))
        return tuple(pieces)


@lru_cache(maxsize=2048)
def _words(text: str) -> tuple[Token, ...]:
    """The same few texts are shown again and again, and cutting them into words is half of a search."""
    return tuple(analysis.tokens(text))


def _window(text: str, spans: Sequence[tuple[int, int]], length: int) -> tuple[int, int]:
    if len(text) <= length:
        return 0, len(text)
    start = 0
    if spans and spans[0][1] > length:
        # Begin shortly before the mark that is followed by the most others.
        best = max(
            spans,
            key=lambda span: (sum(span[0] <= other[0] < span[0] + length - 40 for other in spans), -span[0]),
        )
        start = max(0, best[0] - 40)
    end = min(len(text), start + length)
    start = max(0, min(start, end - length))
    if start:
        start = text.find(" ", start, start + 30) + 1 or start
    if end < len(text):
        cut = text.rfind(" ", start + length // 2, end)
        end = cut if cut > 0 else end
    return start, end
