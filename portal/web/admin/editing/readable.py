"""Values of a record as people read them: for merges and differences."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import select
from sqlmodel import Session

from portal.catalogue import models
from portal.catalogue.rows import table
from portal.catalogue.vocabulary import ORGANIZATION_KINDS, TERM_FIELDS
from portal.web.admin.editing import choices
from portal.web.admin.editing.hours_form import sentence
from portal.web.admin.editing.wording import label
from portal.web.current import current_portal
from portal.web.public import presenting
from portal.web.texts import gettext, partial_date


def lines(session: Session, field: str, value: Any) -> list[str]:
    """One line per thing; empty when there is nothing."""
    if value is None or value == "" or value == [] or value == {}:
        return []
    if isinstance(value, list):
        return [line for item in value for line in _item(session, field, item)]
    return _item(session, field, value)


def _item(session: Session, field: str, value: Any) -> list[str]:
    if isinstance(value, Mapping):
        return [_mapping(session, field, value)]
    if isinstance(value, bool):
        return [gettext("yes") if value else gettext("no")]
    if field in TERM_FIELDS:
        return [presenting.term_label(TERM_FIELDS[field], value)]
    if field == "kind":
        return [presenting.term_label(ORGANIZATION_KINDS, value)]
    if field == "service_areas":
        return [choices.area_name(value)]
    if field == "languages" and presenting.is_language(value):
        return [presenting.language_name(value)]
    if field in ("organization", "parent_organization"):
        return [_name(session, models.Organization, value)]
    if field in ("valid_from", "valid_to", "assured_date"):
        return [partial_date(value)]
    if field in choices.WORDS and value in choices.WORDS[field]:
        return [gettext(choices.WORDS[field][value])]
    return [str(value)]


def _mapping(session: Session, field: str, value: Mapping[str, Any]) -> str:
    if "opening_hours" in value:
        channel = presenting.CHANNEL_LABELS.get(value.get("channel", "visit"), "")
        said = f"{gettext(channel)}: {sentence(value['opening_hours'])}"
        return f"{said} {value['description']}" if value.get("description") else said
    if "number" in value:
        kind = choices.WORDS["phone_type"].get(value.get("type", "voice"), "")
        note = value.get("description")
        return f"{value['number']} ({gettext(kind)}{', ' + note if note else ''})"
    parts = []
    for name, inner in value.items():
        if name == "location":
            parts.append(_name(session, models.Location, inner))
            continue
        found = lines(session, "cost.option" if name == "option" else name, inner)
        if found and name in ("service_areas", "note", "url"):
            parts.append(f"{label('source.' + name if field == 'source' else name)}: {', '.join(found)}")
        else:
            parts += found
    return ", ".join(parts)


def _name(session: Session, model: Any, slug: str) -> str:
    columns = table(model).c
    found = session.execute(
        select(columns.name).where(columns.region == current_portal().region.slug, columns.slug == slug)
    ).scalar()
    return str(found or slug)
