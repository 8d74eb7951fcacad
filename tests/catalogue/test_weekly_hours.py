"""Rows of weekdays and OSM syntax: what is read is written back with the same meaning, or not touched at all."""

from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from portal.catalogue import hours
from portal.catalogue.weekly_hours import HOLIDAY, Day, Row, Special, WeeklyHours, read, same, write

ROOT = Path(__file__).parents[2]


def written_hours(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for name, inner in value.items():
            if name == "opening_hours":
                yield inner
            else:
                yield from written_hours(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from written_hours(inner)


SHIPPED = sorted(
    {
        text
        for path in (ROOT / "content" / "regions").rglob("*.yaml")
        for text in written_hours(yaml.safe_load(path.read_text(encoding="utf-8")))
    }
)


def test_there_are_hours_to_try() -> None:
    assert len(SHIPPED) > 100


@pytest.mark.parametrize("text", SHIPPED)
def test_all_shipped_hours_can_be_edited_and_come_back_with_the_same_meaning(text: str) -> None:
    found = read(text)
    assert found is not None, "an editor could not change these hours"
    assert same(text, write(found))
    assert read(write(found)) == found, "a second round changes nothing"


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("24/7", WeeklyHours(always=True)),
        (
            "Mo-Fr 08:00-12:00,13:00-16:00; PH off",
            WeeklyHours(
                (Row((0, 1, 2, 3, 4), (("08:00", "12:00"), ("13:00", "16:00"))),), closed_on_holidays=True
            ),
        ),
        (
            "Mo-Fr 08:00-12:00; Tu 08:00-12:00,13:00-18:00",
            WeeklyHours(
                (
                    Row((0, 2, 3, 4), (("08:00", "12:00"),)),
                    Row((1,), (("08:00", "12:00"), ("13:00", "18:00"))),
                )
            ),
        ),
        ("Tu[1] 14:00-18:00", WeeklyHours((Row((1,), (("14:00", "18:00"),), week=1),))),
        (
            'Tu 10:00-15:00 "nach Vereinbarung"',
            WeeklyHours((Row((1,), (("10:00", "15:00"),), "appointment", "nach Vereinbarung"),)),
        ),
        ("Mo-Su,PH 18:00-09:00", WeeklyHours((Row(tuple(range(8)), (("18:00", "09:00"),)),))),
        (
            'Mo 08:00-12:00; 2026 Dec 24-2027 Jan 02 off "Betriebsferien"',
            WeeklyHours(
                (Row((0,), (("08:00", "12:00"),)),),
                (Special(Day(12, 24, 2026), Day(1, 2, 2027), (), "closed", "Betriebsferien"),),
            ),
        ),
        ("Mo-Fr 08:00-24:00", WeeklyHours((Row((0, 1, 2, 3, 4), (("08:00", "00:00"),)),))),
    ],
)
def test_reads(text: str, wanted: WeeklyHours) -> None:
    assert read(text) == wanted
    assert same(write(wanted), text)


@pytest.mark.parametrize(
    "text",
    [
        "Tu[1,3] 08:00-09:00",
        'Mo 08:00-12:00 open "Info"',
        'Mo-Fr 08:00-12:00 || "nach Vereinbarung"',
        "week 1-20/2 Mo 08:00-10:00",
        "Mo 08:00-09:00,10:00-11:00,12:00-13:00",
        "Mo-Fr sunrise-sunset",
        "SH Mo 08:00-10:00",
        "nonsense",
        "",
    ],
)
def test_what_rows_cannot_say_is_left_alone(text: str) -> None:
    assert read(text) is None


def test_rows_for_the_same_day_add_up() -> None:
    rows = (Row((0, 1), (("08:00", "12:00"),)), Row((1,), (("14:00", "18:00"),)))
    assert write(WeeklyHours(rows)) == "Mo 08:00-12:00; Tu 08:00-12:00,14:00-18:00"
    overlapping = (Row((0,), (("08:00", "12:00"),)), Row((0,), (("10:00", "14:00"),)))
    assert write(WeeklyHours(overlapping)) == "Mo 08:00-14:00"
    both = (
        Row((1,), (("09:00", "12:00"),)),
        Row((1,), (("13:00", "16:00"),), "appointment", "nach Vereinbarung"),
    )
    assert write(WeeklyHours(both)) == 'Tu 09:00-12:00, Tu 13:00-16:00 "nach Vereinbarung"'
    closed = (Row((0, 1), (("08:00", "12:00"),)), Row((1,), (), "closed"))
    assert write(WeeklyHours(closed)) == "Mo 08:00-12:00; Tu off"


def test_quotation_marks_in_words_cannot_break_out() -> None:
    row = Row((0,), (("08:00", "12:00"),), "appointment", 'x"; Mo-Su 00:00-24:00; "y')
    text = write(WeeklyHours((row,)))
    assert text.count('"') == 2
    hours.check(text)


clocks = st.builds("{:02}:{:02}".format, st.integers(0, 23), st.sampled_from([0, 15, 30, 45]))
spans = st.lists(st.tuples(clocks, clocks).filter(lambda s: s[0] < s[1]), min_size=1, max_size=2)
words = st.text("abc äöü.'", min_size=1, max_size=12).map(str.strip).filter(bool)
weekdays = st.sets(st.integers(0, 6), min_size=1).map(lambda days: tuple(sorted(days)))
rows = st.one_of(
    st.builds(Row, weekdays, spans.map(tuple), week=st.sampled_from([0, 0, 0, 1, 2, -1])),
    st.builds(Row, weekdays, spans.map(tuple), st.just("appointment"), words),
    st.builds(Row, weekdays, st.just(()), st.just("closed")),
    st.builds(Row, st.just((HOLIDAY,)), spans.map(tuple)),
)
days = st.dates(min_value=date(2026, 1, 1), max_value=date(2027, 12, 31))
specials = st.builds(
    lambda first, kind, times: Special(
        Day(first.month, first.day, first.year), None, tuple(times) if kind == "open" else (), kind
    ),
    days,
    st.sampled_from(["open", "closed"]),
    spans,
)


@settings(max_examples=150, deadline=None)
@given(st.lists(rows, min_size=1, max_size=4), st.lists(specials, max_size=2), st.booleans())
def test_whatever_is_entered_can_be_written_and_read_again(
    entered: list[Row], dates: list[Special], closed: bool
) -> None:
    """What cannot be shown in rows again (three times on one day) is at least valid, and kept as a text."""
    text = write(WeeklyHours(tuple(entered), tuple(dates), closed_on_holidays=closed))
    hours.check(text)
    again = read(text)
    if again is not None:
        assert same(write(again), text)
        assert read(write(again)) == again
