"""Pages put together from kept parts are byte for byte the page."""

import gzip

from hypothesis import given
from hypothesis import strategies as st

from portal.web.fragments import Fragments, without_marks

TEXT = st.text(st.characters(blacklist_characters="\0", blacklist_categories=["Cs"]), max_size=400)


@given(st.lists(st.tuples(TEXT, TEXT), max_size=6), TEXT)
def test_the_stream_unpacks_to_the_plain_page(pieces: list[tuple[str, str]], end: str) -> None:
    fragments = Fragments()
    text = "".join(free + str(fragments.keep(("part", kept), lambda kept=kept: kept)) for free, kept in pieces) + end
    whole = "".join(free + kept for free, kept in pieces) + end
    assert fragments.plain(text).decode() == whole
    assert gzip.decompress(fragments.gzip(text)).decode() == whole


def test_a_part_is_made_once_and_parts_may_hold_parts() -> None:
    fragments = Fragments()
    made: list[str] = []

    def inner() -> str:
        made.append("inner")
        return "<b>x</b>"

    def outer() -> str:
        made.append("outer")
        return f"[{fragments.keep('inner', inner)}]"

    for _ in range(3):
        page = f"{fragments.keep('outer', outer)}!{fragments.keep('inner', inner)}"
        assert fragments.plain(page) == b"[<b>x</b>]!<b>x</b>"
        assert gzip.decompress(fragments.gzip(page)) == b"[<b>x</b>]!<b>x</b>"
    assert made == ["outer", "inner"]


def test_the_oldest_parts_go_first() -> None:
    fragments = Fragments(capacity=2)
    made: list[int] = []
    for number in (1, 2, 3, 1):
        page = fragments.keep(number, lambda number=number: made.append(number) or str(number))
        assert fragments.plain(page) == str(number).encode()
    assert made == [1, 2, 3, 1]


def test_what_somebody_typed_cannot_name_a_part() -> None:
    assert without_marks("a\x007\x00b") == "a7b"
