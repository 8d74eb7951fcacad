"""Times as the admin pages show them: in the region's time zone, short."""

from datetime import datetime

from babel.dates import format_date, format_datetime

from portal.web.current import current_language, current_portal


def moment(at: datetime | None) -> str:
    """ "20.11.2026, 10:00"; empty for None."""
    if at is None:
        return ""
    local = at.astimezone(current_portal().timezone)
    return format_datetime(
        local, "short" if _english() else "dd.MM.y, HH:mm", locale=current_language().locale
    )


def short_day(at: datetime | None) -> str:
    """ "20.11.2026"; empty for None."""
    if at is None:
        return ""
    local = at.astimezone(current_portal().timezone)
    return format_date(local, "medium", locale=current_language().locale)


def _english() -> bool:
    return current_language().code == "en"
