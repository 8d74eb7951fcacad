"""What can be chosen in the fields of the edit pages: pairs of value and words."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import or_, select
from sqlmodel import Session

from portal.catalogue import models
from portal.catalogue.overview import folded
from portal.catalogue.rows import table
from portal.catalogue.vocabulary import ORGANIZATION_KINDS, TERM_FIELDS
from portal.web.admin.editing.entries import NATION
from portal.web.current import current_portal
from portal.web.public import presenting
from portal.web.texts import N_, gettext

Options = list[tuple[str, str]]

WORDS: Mapping[str, Mapping[str, str]] = {
    "cost.option": {
        "unknown": N_("not known"),
        "free": N_("free of charge"),
        "paid": N_("costs something"),
        "covered": N_("somebody else pays"),
    },
    "confidence": {
        "low": N_("unsure: an old or second-hand source"),
        "medium": N_("rather sure: a newer source"),
        "high": N_("sure: the office's own page"),
        "confirmed": N_("confirmed by the office"),
    },
    "status": {"draft": N_("draft"), "published": N_("published"), "archived": N_("archived")},
    "phone_type": {
        "voice": N_("phone"),
        "sms": N_("text messages"),
        "fax": N_("fax"),
        "textphone": N_("text telephone"),
    },
    "location_type": {
        "physical": N_("a house to go to"),
        "postal": N_("only an address for letters"),
        "virtual": N_("only on the internet"),
    },
    "capacity": {
        "": N_("nothing said"),
        "free": N_("places free"),
        "few": N_("few places"),
        "full": N_("full"),
    },
}
_LANGUAGES = (
    "de", "en", "ar", "uk", "ru", "tr", "fa", "prs", "ps", "ku", "ti", "so", "fr", "es", "pl", "ro", "bg", "sq", "sr",
    "vi", "pt", "it", "gsg",
)  # fmt: skip


def words(name: str) -> Options:
    return [(value, gettext(text)) for value, text in WORDS[name].items()]


def channels() -> Options:
    return [(value, gettext(text)) for value, text in presenting.CHANNEL_LABELS.items()]


def terms(field: str) -> list[tuple[str, str, str]]:
    """Code, words, and a hint that explains them."""
    taxonomy = TERM_FIELDS.get(field, ORGANIZATION_KINDS)
    found = []
    for term in current_portal().catalogue.terms(taxonomy):
        name = presenting.words(term, "name")
        short = presenting.words(term, "short_name")
        found.append((term.code, name, f"{short} {presenting.words(term, 'description')}".strip()))
    return found


def languages(chosen: Iterable[str]) -> Options:
    codes = dict.fromkeys([*_LANGUAGES, *current_portal().region.languages, *chosen])
    return [
        (code, presenting.language_name(code) if presenting.is_language(code) else code) for code in codes
    ]


def area_name(area: str) -> str:
    region = current_portal().region
    if area in ("", NATION):
        return gettext("all of Germany")
    if area == region.state_area:
        return region.state
    if area == region.county_area:
        return gettext("all of %(region)s", region=region.name)
    place = current_portal().catalogue.places.by_ags(area)
    return place.name if place else area


def areas(session: Session, chosen: Iterable[str]) -> Options:
    """The whole county first, then its municipalities, then what is larger."""
    region = current_portal().region
    codes = [region.county_area, *(ags for ags, _name in municipalities(session))]
    codes += [region.state_area, NATION]
    return [(code, area_name(code)) for code in dict.fromkeys([*codes, *(c for c in chosen if c)])]


def municipalities(session: Session) -> Options:
    place = table(models.Place)
    return [
        (row.ags, row.name)
        for row in session.execute(
            select(place.c.ags, place.c.name)
            .where(place.c.region == current_portal().region.slug)
            .order_by(folded(place.c.name))
        )
    ]


def organizations(session: Session, allowed: Iterable[UUID] | None) -> Options:
    """Slug and name; `allowed` None means all."""
    organization = table(models.Organization)
    statement = select(organization.c.slug, organization.c.name).where(
        organization.c.region == current_portal().region.slug, organization.c.status != "archived"
    )
    if allowed is not None:
        statement = statement.where(organization.c.id.in_(list(allowed)))
    return [(row.slug, row.name) for row in session.execute(statement.order_by(folded(organization.c.name)))]


def organization_name(session: Session, slug: str) -> str:
    organization = table(models.Organization)
    found = session.execute(
        select(organization.c.name).where(
            organization.c.region == current_portal().region.slug, organization.c.slug == slug
        )
    ).scalar()
    return str(found or slug)


def places(
    session: Session,
    organization_slug: str,
    chosen: Sequence[str],
    *,
    allowed: Collection[UUID] | None,
    used: Collection[str],
) -> Options:
    """Places of the organization, of those above and below it, and those that are chosen already.

    Whoever is limited to `allowed` organizations reads of others only what the entry has `used` before.
    """
    region = current_portal().region.slug
    organization, location, address = (
        table(models.Organization),
        table(models.Location),
        table(models.Address),
    )
    owner = session.execute(
        select(organization.c.id, organization.c.parent_organization_id).where(
            organization.c.region == region, organization.c.slug == organization_slug
        )
    ).first()
    near: list[Any] = [location.c.slug.in_([slug for slug in chosen if allowed is None or slug in used])]
    if owner is not None and (allowed is None or owner.id in allowed):
        family = select(organization.c.id).where(organization.c.parent_organization_id == owner.id)
        near += [location.c.organization_id == owner.id, location.c.organization_id.in_(family)]
        if owner.parent_organization_id:
            near.append(location.c.organization_id == owner.parent_organization_id)
    found = session.execute(
        select(location.c.slug, location.c.name, address.c.address_1, address.c.city)
        .outerjoin(address, address.c.location_id == location.c.id)
        .where(location.c.region == region, or_(*near))
        .order_by(folded(location.c.name))
        .limit(300)
    )
    return [
        (row.slug, ", ".join(part for part in (row.name, row.address_1, row.city) if part)) for row in found
    ]
