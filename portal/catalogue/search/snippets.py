"""Texts with the asked-for words marked.

Cutting texts into words and those into stems would be most of a search. So an index may keep beside the texts of an
offer where each of their words stands and what it can be asked by (`places_of_words`); a query then only looks for its own
words in there.
"""

from collections.abc import Iterator, Mapping, Sequence

from portal.catalogue.search import analysis
from portal.catalogue.search.analysis import Token
from portal.catalogue.search.documents import words
from portal.catalogue.search.index import Snippet

LENGTH = 180
_MIN_WORD_START = 3
FIELDS = ("name", "summary", "organization")


def places_of_words(texts: Mapping[str, str], language: str) -> str:
    """Each word of name, summary and organization as `|fold ~stem ~part @start-end`, without stems for stop words.

    Positions count through all three, with one character between them.
    """
    stops = analysis.STOP_WORDS_BY_LANGUAGE.get(language, ())
    found: list[str] = []
    offset = 0
    for field in FIELDS:
        text = texts[field]
        for token in words(text):
            keys = ""
            if token.fold not in stops:
                forms = analysis.forms(token, language)
                keys = "".join(f"~{key} " for key in (forms.stem, *forms.parts))
            found.append(f"|{token.fold} {keys}@{offset + token.start}-{offset + token.end}")
        offset += len(text) + 1
    return "".join(found)


class Marker:
    """Marks words of a text that share a form with the query's words. Made once per query and language."""

    def __init__(
        self, words: Sequence[Token], language: str, *, unfinished: bool, extra: Sequence[str] = ()
    ) -> None:
        self._language = language
        stems: set[str] = {analysis.stem(word, language) for word in extra}
        for word in words:
            forms = analysis.forms(word, language)
            stems |= {forms.stem, *forms.parts}
        self._wanted = [f"|{fold} " for fold in {word.fold for word in words} | set(extra)]
        self._wanted += [f" ~{stem} " for stem in stems if len(stem) >= 3]
        last = words[-1].fold if words and unfinished else ""
        self._start = f"|{last}" if len(last) >= _MIN_WORD_START else None

    def highlights(self, texts: Mapping[str, str]) -> dict[str, Snippet]:
        """Name, an extract of the summary, and organization; `texts` may bring its `words`."""
        spans = self._spans(texts)
        out: dict[str, Snippet] = {}
        offset = 0
        for field in FIELDS:
            text = texts[field]
            end = offset + len(text)
            own = [(left - offset, right - offset) for left, right in spans if offset <= left < end]
            out[field] = _pieces(text, own, LENGTH if field == "summary" else None)
            offset = end + 1
        return out

    def _spans(self, texts: Mapping[str, str]) -> list[tuple[int, int]]:
        if not self._wanted and not self._start:
            return []
        places = texts.get("words")
        if places is None:
            places = places_of_words(texts, self._language)
        found = {place for wanted in self._wanted for place in _places(places, wanted)}
        if self._start:
            found.update(_places(places, self._start, inflected=True))
        return sorted(found)


def _places(places: str, wanted: str, *, inflected: bool = False) -> Iterator[tuple[int, int]]:
    at = places.find(wanted)
    while at >= 0:
        begin = places.index("@", at)
        # Only a word with a stem is more than a stop word.
        if not inflected or "~" in places[at:begin]:
            end = places.find("|", begin)
            left, _, right = places[begin + 1 : end if end > 0 else None].partition("-")
            yield int(left), int(right)
        at = places.find(wanted, begin)


def _pieces(text: str, spans: Sequence[tuple[int, int]], length: int | None) -> Snippet:
    """`text` in pieces; with `length` only about that many characters around the most marks."""
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
