"""Opening hours around midnight, holidays and changes of clocks, wherever the machine stands."""

import os
import subprocess
import sys
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from portal.catalogue.hours import (
    HoursError,
    OpenStatus,
    check,
    is_weekly,
    next_slots,
    open_now,
    opening_status,
    week_table,
)

BERLIN = ZoneInfo("Europe/Berlin")
OFFICE = "Mo-Fr 08:00-12:00,13:00-16:00; PH off"


def local(text: str, *, fold: int = 0) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=BERLIN, fold=fold)


def status(hours: str | list[str], at: str | datetime) -> OpenStatus:
    return opening_status(hours, local(at) if isinstance(at, str) else at, subdivision="ST")


@pytest.mark.parametrize(
    ("hours", "at", "state", "until", "opens"),
    [
        (OFFICE, "2026-11-20 08:00", "open", "2026-11-20 12:00", "2026-11-20 13:00"),
        (OFFICE, "2026-11-20 11:59", "open", "2026-11-20 12:00", "2026-11-20 13:00"),
        (OFFICE, "2026-11-20 12:00", "closed", None, "2026-11-20 13:00"),
        (OFFICE, "2026-11-20 16:00", "closed", None, "2026-11-23 08:00"),
        (OFFICE, "2026-11-20 23:00", "closed", None, "2026-11-23 08:00"),
        (OFFICE, "2026-11-22 23:00", "closed", None, "2026-11-23 08:00"),
        ("24/7", "2026-11-20 23:00", "always", None, None),
        ("Mo-Su 00:00-24:00", "2026-12-25 23:00", "always", None, None),
        ("Mo-Su,PH 00:00-24:00", "2026-12-25 23:00", "always", None, None),
        ("Fr 20:00-02:00", "2026-11-20 23:00", "open", "2026-11-21 02:00", "2026-11-27 20:00"),
        ("Fr 20:00-02:00", "2026-11-21 01:59", "open", "2026-11-21 02:00", "2026-11-27 20:00"),
        ("Fr 20:00-02:00", "2026-11-21 02:00", "closed", None, "2026-11-27 20:00"),
        (
            "Fr 18:00-24:00; Sa 00:00-06:00",
            "2026-11-20 23:00",
            "open",
            "2026-11-21 06:00",
            "2026-11-27 18:00",
        ),
        ("Tu[1] 09:00-12:00", "2026-11-20 10:00", "closed", None, "2026-12-01 09:00"),
        ("off", "2026-11-20 10:00", "closed", None, None),
    ],
)
def test_now_until_and_next(hours: str, at: str, state: str, until: str | None, opens: str | None) -> None:
    found = status(hours, at)
    assert found.state == state
    assert found.until == (local(until) if until else None)
    assert found.opens == (local(opens) if opens else None)


@pytest.mark.parametrize("day", ["2026-10-31", "2026-01-06", "2026-04-03", "2026-12-25", "2027-01-01"])
def test_public_holidays_of_the_land(day: str) -> None:
    every_day = "Mo-Su 08:00-12:00"
    closed = status(f"{every_day}; PH off", f"{day} 10:00")
    assert (closed.state, closed.holiday) == ("closed", True)
    silent = status(every_day, f"{day} 10:00")
    assert silent.state == "unknown", "hours that say nothing about holidays promise nothing on one"
    assert status("Mo-Fr 08:00-12:00; PH 10:00-11:00", f"{day} 10:30").until == local(f"{day} 11:00")
    assert status("Mo-Su,PH 08:00-12:00", f"{day} 10:00").state == "open"


def test_another_land_has_other_holidays() -> None:
    reformation_day = local("2026-10-31 10:00")
    assert opening_status("Mo-Su 08:00-12:00; PH off", reformation_day, subdivision="HE").state == "open"
    assert opening_status("Mo-Su 08:00-12:00; PH off", reformation_day, subdivision="ST").state == "closed"


def test_the_next_opening_jumps_over_holidays() -> None:
    # 24 December 2026 is a Thursday; the 25th and 26th are holidays, then comes a Sunday.
    assert status("Mo-Fr 08:00-12:00", "2026-12-24 18:00").opens == local("2026-12-28 08:00")
    assert status(OFFICE, "2026-01-05 18:00").opens == local("2026-01-07 08:00")


def test_when_clocks_go_forward() -> None:
    # 29 March 2026: after 1:59 comes 3:00.
    assert status("Su 01:00-04:00", "2026-03-29 01:30").until == local("2026-03-29 04:00")
    assert status("Su 02:30-04:00", "2026-03-29 01:59").opens == local("2026-03-29 03:30")
    assert status("Su 02:30-04:00", "2026-03-29 03:30").state == "open"
    assert status("Mo 08:00-12:00", "2026-03-28 12:00").opens == local("2026-03-30 08:00")


def test_when_clocks_go_back() -> None:
    # 25 October 2026: 2:00 to 2:59 comes twice.
    for fold in (0, 1):
        found = status("Su 01:00-04:00", local("2026-10-25 02:30", fold=fold))
        assert found.state == "open"
        assert found.until == local("2026-10-25 04:00")
    second = local("2026-10-25 02:15", fold=1)
    found = status("Su 02:30-04:00", second)
    assert found.opens is not None
    assert found.opens - second == timedelta(minutes=15)


def test_times_in_any_zone_mean_the_same() -> None:
    for zone in (UTC, ZoneInfo("America/Los_Angeles"), ZoneInfo("Asia/Kabul")):
        assert status(OFFICE, local("2026-11-20 11:30").astimezone(zone)).until == local("2026-11-20 12:00")
    with pytest.raises(ValueError, match="time zone"):
        opening_status(OFFICE, datetime.fromisoformat("2026-11-20 11:30"), subdivision="ST")


@pytest.mark.parametrize("zone", ["America/Los_Angeles", "Asia/Kabul", "Pacific/Kiritimati"])
def test_the_machines_own_zone_does_not_matter(zone: str) -> None:
    program = (
        "from datetime import datetime, UTC; from portal.catalogue.hours import opening_status as s;"
        f"print(s({OFFICE!r}, datetime(2026, 11, 20, 22, tzinfo=UTC), subdivision='ST').opens.isoformat())"
    )
    finished = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "TZ": zone},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert finished.stdout.strip() == "2026-11-23T08:00:00+01:00"


def test_by_appointment_is_not_open() -> None:
    found = status('Mo-Fr 08:00-16:00 "nach Vereinbarung"', "2026-11-20 10:00")
    assert (found.state, found.comment, found.opens) == ("unknown", "nach Vereinbarung", None)
    assert status('"nach Vereinbarung"', "2026-11-20 10:00").state == "unknown"
    assert status("Mo-Fr 08:00-16:00 unknown", "2026-11-20 10:00").state == "unknown"
    assert status('Mo-Fr 08:00-16:00 open "am Hintereingang"', "2026-11-20 10:00").state == "open"


def test_a_reason_for_being_closed_is_told() -> None:
    found = status('Mo-Fr 08:00-12:00; Nov 16-24 off "Betriebsferien"', "2026-11-20 10:00")
    assert (found.state, found.comment, found.opens) == (
        "closed",
        "Betriebsferien",
        local("2026-11-25 08:00"),
    )


def test_several_schedules_are_read_together() -> None:
    both = ["Mo-Fr 08:00-12:00", 'Fr 10:00-18:00 "nach Vereinbarung"']
    assert status(both, "2026-11-20 11:00").state == "open"
    assert status(both, "2026-11-20 11:00").until == local("2026-11-20 12:00")
    assert status(both, "2026-11-20 15:00").state == "unknown"
    assert status(["Mo-Fr 08:00-12:00", "Fr 12:00-14:00"], "2026-11-20 11:00").until == local(
        "2026-11-20 14:00"
    )
    assert status(["Mo-Fr 08:00-12:00", "24/7"], "2026-11-20 23:00").state == "always"
    assert status([], "2026-11-20 10:00").state == "unknown"


def test_open_now_only_when_it_is_certain() -> None:
    at = local("2026-10-31 10:00")
    assert open_now(["24/7"], at, subdivision="ST")
    assert not open_now(["Mo-Sa 08:00-12:00"], at, subdivision="ST")
    assert not open_now([], at, subdivision="ST")


@pytest.mark.parametrize("text", ["", "morgens", "Mo 25:00-26:00", "Mo-Fr 8-12 Uhr", "PH -1 day 08:00-12:00"])
def test_what_is_not_understood_is_refused(text: str) -> None:
    with pytest.raises(HoursError):
        check(text)


def test_the_usual_week() -> None:
    table = week_table(
        ["Mo-Fr 08:00-12:00", 'Tu 14:00-18:00 "mit Termin"'], at=date(2026, 11, 20), subdivision="ST"
    )
    assert [weekday for weekday, _slots in table] == [0, 1, 2, 3, 4, 5, 6]
    assert [[(slot.start, slot.end) for slot in slots] for _weekday, slots in table] == [
        [(time(8), time(12))],
        [(time(8), time(12)), (time(14), time(18))],
        *[[(time(8), time(12))]] * 3,
        [],
        [],
    ]
    assert [slot.by_appointment for slot in table[1][1]] == [False, True]
    assert table[1][1][1].comment == "mit Termin"


def test_the_usual_week_shows_no_holidays() -> None:
    ordinary = week_table(OFFICE, at=date(2026, 11, 20), subdivision="ST")
    assert week_table(OFFICE, at=date(2026, 12, 25), subdivision="ST") == ordinary
    assert (
        week_table("Mo-Fr 08:00-12:00", at=date(2026, 4, 3), subdivision="ST")[4][1][0].by_appointment
        is False
    )


def test_midnight_ends_a_day() -> None:
    ((_monday, slots), *_rest) = week_table("Mo-Su 20:00-24:00", at=date(2026, 11, 20), subdivision="ST")
    assert (slots[0].start, slots[0].end) == (time(20), time(0))


@pytest.mark.parametrize(
    ("hours", "weekly"),
    [
        (OFFICE, True),
        ("24/7", True),
        ('Mo-Fr 08:00-12:00 "Termin im Mai vereinbaren"', True),
        ("Tu[1] 09:00-12:00", False),
        ("Nov-Mar Mo 08:00-12:00", False),
        ("week 1-53/2 Fr 09:00-12:00", False),
        ("2026 Mo 08:00-12:00", False),
        ("Mo-Fr 20:00-22:00", True),
    ],
)
def test_whether_a_week_tells_all(hours: str, weekly: bool) -> None:
    assert is_weekly(hours) is weekly


def test_the_next_times_for_a_calendar() -> None:
    slots = next_slots(OFFICE, local("2026-11-20 11:00"), subdivision="ST", limit=3)
    assert [(slot.start, slot.end) for slot in slots] == [
        (local("2026-11-20 08:00"), local("2026-11-20 12:00")),
        (local("2026-11-20 13:00"), local("2026-11-20 16:00")),
        (local("2026-11-23 08:00"), local("2026-11-23 12:00")),
    ]
    assert next_slots("off", local("2026-11-20 11:00"), subdivision="ST") == []
    assert next_slots([], local("2026-11-20 11:00"), subdivision="ST") == []
    christmas = next_slots("Mo-Fr 08:00-12:00", local("2026-12-24 18:00"), subdivision="ST", limit=1)
    assert christmas[0].start == local("2026-12-28 08:00")
