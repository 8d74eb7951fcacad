"""Pages put together from kept parts are byte for byte the page."""

import gzip

from hypothesis import given
from hypothesis import strategies as st

from portal.web.fragments import Fragments, Packer, without_marks

TEXT = st.text(st.characters(blacklist_characters="\0", blacklist_categories=["Cs"]), max_size=400)


@given(st.lists(st.tuples(TEXT, TEXT), max_size=6), TEXT)
def test_a_page_with_kept_parts_is_the_plain_page(pieces: list[tuple[str, str]], end: str) -> None:
    fragments = Fragments()
    text = (
        "".join(free + str(fragments.keep(("part", kept), lambda kept=kept: kept)) for free, kept in pieces)
        + end
    )
    whole = "".join(free + kept for free, kept in pieces) + end
    assert fragments.plain(text).decode() == whole


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


@given(st.lists(TEXT, max_size=5), st.lists(TEXT, min_size=1, max_size=5))
def test_packed_pages_unpack_to_themselves(beginnings: list[str], rests: list[str]) -> None:
    packer = Packer(capacity=2)
    for beginning in ["", *beginnings]:
        for rest in rests:
            page = f"{beginning}</style>{rest}".encode() if beginning else rest.encode()
            assert gzip.decompress(packer.gzip(page)) == page


def test_pages_that_begin_alike_cost_only_their_rest() -> None:
    packer = Packer()
    style = ("<style>" + " ".join(f".c{n}{{color:#{n:06x}}}" for n in range(2000)) + "</style>").encode()
    first, second = style + b"<p>one</p>", style + b"<p>two</p>"
    assert gzip.decompress(packer.gzip(first)) == first
    assert gzip.decompress(packer.gzip(second)) == second
    assert len(packer._begun) == 1
    assert len(packer.gzip(second)) < len(gzip.compress(second, 6)) + 40
