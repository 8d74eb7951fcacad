"""One office hour as an iCalendar file (RFC 5545)."""

from datetime import datetime, timedelta

from icalendar import Alarm, Calendar, Event


def office_hour(
    *,
    uid: str,
    stamp: datetime,
    start: datetime,
    end: datetime,
    title: str,
    description: str,
    place: str,
    alarm: timedelta,
) -> bytes:
    """`start` and `end` are aware; written in UTC, which every phone understands without a time zone table."""
    from datetime import UTC

    event = Event()
    event.add("uid", uid)
    event.add("dtstamp", stamp.astimezone(UTC))
    event.add("dtstart", start.astimezone(UTC))
    event.add("dtend", end.astimezone(UTC))
    event.add("summary", title)
    if description:
        event.add("description", description)
    if place:
        event.add("location", place)
    reminder = Alarm()
    reminder.add("action", "DISPLAY")
    reminder.add("description", title)
    reminder.add("trigger", -alarm)
    event.add_component(reminder)
    calendar = Calendar()
    calendar.add("prodid", "-//Anlauf//DE")
    calendar.add("version", "2.0")
    calendar.add_component(event)
    return bytes(calendar.to_ical())
