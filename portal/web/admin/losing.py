"""Before an offer goes that is the last desk for somebody: which kinds and places, and whether that is really wanted."""

from collections.abc import Mapping
from dataclasses import dataclass

from flask import request

from portal.catalogue import last_desks
from portal.catalogue.last_desks import Loss
from portal.catalogue.records import ServiceRecord
from portal.web.admin.editing.choices import area_name
from portal.web.current import current_portal
from portal.web.database import current_session
from portal.web.public import presenting
from portal.web.texts import gettext, listing, ngettext

_NAMED = 8
"""So many places are called by name."""


@dataclass(frozen=True, slots=True)
class Line:
    kind: str
    places: str
    dangerous: bool


@dataclass(frozen=True, slots=True)
class Question:
    lines: tuple[Line, ...]
    mark: str

    @property
    def dangerous(self) -> bool:
        return any(line.dangerous for line in self.lines)

    @property
    def is_answered(self) -> bool:
        """With yes, for just these losses; where somebody may be in danger also with a word on who stands in."""
        return request.form.get("loses") == self.mark and (
            not self.dangerous or request.form.get("arranged") == "y"
        )


def question(changes: Mapping[str, ServiceRecord | None]) -> Question | None:
    """None when nobody loses a desk."""
    portal = current_portal()
    found = last_desks.losses(current_session(), portal.region.slug, changes, today=portal.catalogue.today)
    if not found:
        return None
    return Question(tuple(_line(loss) for loss in found), last_desks.mark(found))


def open_question(changes: Mapping[str, ServiceRecord | None]) -> Question | None:
    """The question, unless the form that was sent answers it."""
    asked = question(changes)
    return None if asked is None or asked.is_answered else asked


def _line(loss: Loss) -> Line:
    return Line(
        presenting.term_label("contact_kinds", loss.kind), places_words(loss.places), loss.is_dangerous
    )


def places_words(places: tuple[str, ...]) -> str:
    """The whole county, or names."""
    if len(places) > 1 and set(places) >= {place.ags for place in current_portal().catalogue.places.all()}:
        return gettext("the whole county")
    names = [area_name(ags) for ags in places]
    more = len(names) - _NAMED
    if more <= 1:
        return listing(names)
    return listing([*names[:_NAMED], ngettext("%(num)s more place", "%(num)s more places", more)])
