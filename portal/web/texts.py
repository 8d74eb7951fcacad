"""Texts of the interface from code. msgids are English; extraction finds `_`, `ngettext` and `N_`."""

from collections.abc import Sequence
from datetime import date, datetime

from babel.dates import format_date, format_skeleton, format_time, get_day_names
from babel.lists import format_list

from portal.web import provenance
from portal.web.current import current_language, current_portal
from portal.web.languages import UNCHECKED, german


def gettext(msgid: str, **values: object) -> str:
    text = current_language().messages.gettext(msgid)
    return text % values if values else text


def ngettext(singular: str, plural: str, number: int, **values: object) -> str:
    return current_language().messages.ngettext(singular, plural, number) % {"num": number, **values}


def N_(msgid: str) -> str:  # noqa: N802 (the conventional name)
    """Mark a text for extraction that is translated later."""
    return msgid


def questionnaire_text(source: str) -> str:
    """A German text of `questionnaires/` in the page's language; German itself, marked, when there is none yet."""
    language = current_language()
    if language.is_german:
        return german_text(source)
    note_questionnaire(source)
    translated = language.questionnaire.texts.get(source)
    return german(german_text(source)) if translated is None else translated


def note_questionnaire(*sources: str | None) -> None:
    """Texts of `questionnaires/` that the page shows, also out of parts that were kept."""
    language = current_language()
    if language.is_german:
        return
    known, reviews = language.questionnaire.texts, language.questionnaire.reviews
    for source in sources:
        if source:
            review = reviews.get(source, UNCHECKED) if source in known else None
            provenance.note(provenance.Shown(german_text(source), review))


def german_text(source: str) -> str:
    """A text of `questionnaires/` as the region words it."""
    return current_portal().catalogue.extras.wordings.get(source, source)


def in_german(text: str) -> str:
    """A German text of the region that is not translated, marked on a page in another language."""
    return text if current_language().is_german else german(text)


def is_german(source: str) -> bool:
    """True when a text of `questionnaires/` would be shown in German on a page in another language."""
    return not current_language().is_german and source not in current_language().questionnaire.texts


def checked_on(origin: provenance.Origin) -> str:
    """When a person compared the translated texts with German."""
    if origin.checked_date is None:
        return gettext("A person checked this translation.")
    return gettext("A person checked this translation on %(date)s.", date=day(origin.checked_date))


def clock(moment: datetime) -> str:
    """ "8:00", in the language's own way."""
    locale = current_language().locale
    if locale.language == "en":
        return format_time(moment, "short", locale=locale).replace("\u202f", "\u00a0")
    return format_time(moment, "H:mm", locale=locale)


def weekday(index: int, *, short: bool = False) -> str:
    """0 is Monday."""
    names = get_day_names("abbreviated" if short else "wide", "stand-alone", locale=current_language().locale)
    return str(names[index])


def day(moment: date) -> str:
    return format_date(moment, "long", locale=current_language().locale)


def when(moment: datetime, now: datetime) -> str:
    """ "today at 8:00", "tomorrow at 8:00", "Monday at 8:00", or with the date when it is further away."""
    days = (moment.date() - now.date()).days
    time = clock(moment)
    if days == 0:
        return gettext("today at %(time)s", time=time)
    if days == 1:
        return gettext("tomorrow at %(time)s", time=time)
    if days < 7:
        return gettext("%(weekday)s at %(time)s", weekday=weekday(moment.weekday()), time=time)
    return gettext("on %(date)s at %(time)s", date=day(moment.date()), time=time)


def partial_date(text: str) -> str:
    """ "2023" → 2023, "2023-05" → May 2023, "2023-05-17" → 17 May 2023."""
    parts = [int(part) for part in text.split("-")]
    if len(parts) == 1:
        return text
    if len(parts) == 2:
        return format_skeleton("yMMMM", date(parts[0], parts[1], 1), locale=current_language().locale)
    return day(date(*parts))


def listing(items: Sequence[str]) -> str:
    """ "a, b and c"."""
    return format_list(items, style="standard", locale=current_language().locale) if items else ""


_GREETING = N_("Hello")
"""On the first screen, once in every language that says it in its own way (`Language.greeting`)."""
