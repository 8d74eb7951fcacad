"""The service promise: a first contact within so many working days, the holidays of the Land respected."""

from collections import Counter
from datetime import date, datetime, timedelta, tzinfo
from math import inf
from statistics import median
from uuid import UUID

from sqlmodel import Session

from portal.catalogue.hours import is_public_holiday
from portal.referral import counts

SATURDAY = 5
SHOWN_FROM_CASES = 10
"""The measured promise is public only when it rests on so many cases."""
MEASURED_DAYS = 365
_PREFIX = "first_contact_days:"
NEVER = f"{_PREFIX}never"
"""Name of the count for a case that ended without the first contact: later than every other."""


class WorkingDays:
    """Monday to Friday without the public holidays of a Land."""

    def __init__(self, subdivision: str, timezone: tzinfo) -> None:
        """`subdivision` as in ISO 3166-2 without "DE-": "ST"."""
        self._subdivision = subdivision
        self.timezone = timezone

    def is_one(self, day: date) -> bool:
        return day.weekday() < SATURDAY and not is_public_holiday(day, self._subdivision)

    def today(self, now: datetime) -> date:
        return now.astimezone(self.timezone).date()

    def after(self, day: date, number: int) -> date:
        """The working day that lies `number` working days after `day`, which may be none itself."""
        while number > 0:
            day += timedelta(days=1)
            if self.is_one(day):
                number -= 1
        return day

    def between(self, start: date, end: date) -> int:
        """Working days after `start` up to and with `end`."""
        return sum(self.is_one(start + timedelta(days=n)) for n in range(1, (end - start).days + 1))


def measure(days: int) -> str:
    """Name of the count for a first contact after so many working days."""
    return f"{_PREFIX}{min(days, 60)}"


def kept_days(session: Session, region: str, organization_id: UUID, *, today: date) -> float | None:
    """Median working days until the first contact in the last year; None when there are too few cases, or when every
    second person waited in vain."""
    since = today - timedelta(days=MEASURED_DAYS)
    found = counts.totals(session, region, {organization_id}, since=since).get(organization_id, Counter())
    days = [
        inf if name == NEVER else int(name.removeprefix(_PREFIX))
        for name, number in found.items()
        if name.startswith(_PREFIX)
        for _ in range(number)
    ]
    half = median(days) if len(days) >= SHOWN_FROM_CASES else inf
    return half if half < inf else None
