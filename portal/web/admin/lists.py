"""Lists of offers, organizations, places and contacts: search, filter, sort, choose columns, change or take out many."""

import csv
import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any, Literal
from urllib.parse import parse_qsl, urlencode
from uuid import UUID

from babel.dates import format_date
from flask import Blueprint, Response, abort, current_app, redirect, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from portal.accounts import audit
from portal.accounts.permissions import PERMISSIONS, Permission
from portal.catalogue import editing, models, overview
from portal.catalogue.editing import Conflict, InvalidEntry, StillUsed, UnknownEntry
from portal.catalogue.models import Status, entity_id
from portal.catalogue.overview import (
    ContactLine,
    Facets,
    Filter,
    LocationLine,
    OrganizationLine,
    Reach,
    Scope,
    ServiceLine,
)
from portal.catalogue.translation_gaps import MISSING, OUTDATED, TranslationGaps
from portal.catalogue.vocabulary import ORGANIZATION_KINDS, SOURCE_LANGUAGE
from portal.web.admin import guard, losing
from portal.web.admin.editing.choices import area_name
from portal.web.admin.editing.entries import NATION
from portal.web.admin.editing.wording import label as field_label
from portal.web.admin.editing.wording import problem_words
from portal.web.admin.guard import me, needs, safe_path
from portal.web.admin.rendering import render, say
from portal.web.admin.times import short_day
from portal.web.current import current_language, current_portal
from portal.web.database import current_session
from portal.web.public import presenting
from portal.web.texts import N_, gettext, listing, ngettext

PER_PAGE = 50
MOST_AT_ONCE = 200
"""Entries of one bulk action: each is saved on its own, with its history."""
MOST_EXPORTED = 20_000
COLUMNS_COOKIE = "anlauf-admin-columns"


def register(bp: Blueprint) -> None:
    bp.add_url_rule("/services", "services", services)
    bp.add_url_rule("/organizations", "organizations", organizations)
    bp.add_url_rule("/locations", "locations", locations)
    bp.add_url_rule("/contacts", "contacts", contacts)
    bp.add_url_rule("/services/bulk", "bulk_services", bulk_services, methods=["GET", "POST"])
    bp.add_url_rule("/organizations/bulk", "bulk_organizations", bulk_organizations, methods=["GET", "POST"])
    bp.add_url_rule("/locations/bulk", "bulk_locations", bulk_locations, methods=["GET", "POST"])
    bp.add_url_rule("/lists/<name>/export", "export_list", export_list, methods=["POST"])
    bp.add_url_rule("/archive", "archive", archive)
    bp.add_url_rule("/archive/<entity>/<slug>", "put_back", put_back, methods=["POST"])


# Whose entries.


def scope(permission: Permission = Permission.SEE_CATALOGUE) -> Scope:
    """Those entries for which the user has the permission, as `Powers.may_for` decides one by one."""
    portal = current_portal()
    powers = me().powers
    reaches = tuple(
        Reach(grant.organization_id, "" if powers.county.startswith(grant.area) else grant.area)
        for grant in powers.grants
        if permission in PERMISSIONS[grant.role]
    )
    return Scope(portal.region.slug, portal.now().astimezone(portal.timezone).date(), reaches)


def translation_gaps() -> TranslationGaps:
    """One per process; it follows the catalogue's revision."""
    portal = current_portal()
    known = current_app.extensions.get("translation_gaps")
    if not isinstance(known, TranslationGaps):
        languages = [code for code in portal.languages if code != SOURCE_LANGUAGE]
        known = current_app.extensions["translation_gaps"] = TranslationGaps(portal.region.slug, languages)
    return known


# Words.

STATE_NAMES: Mapping[str, str] = {
    "draft": N_("Draft"),
    "published": N_("Published"),
    "archived": N_("Archived"),
}
_STATE_TAGS = {"draft": "wait", "published": "open", "archived": "bad-tag"}
_IN_REVIEW = N_("In review")
_ATTENTION: Mapping[str, str] = {
    "in_review": _IN_REVIEW,
    "due": N_("To be confirmed"),
    "never": N_("Never confirmed"),
    "no_phone": N_("Without phone"),
    "no_hours": N_("Without hours"),
    "reported": N_("Reported by visitors"),
    "broken_link": N_("Dead address"),
    "ends_soon": N_("Funding ends in 90 days"),
    "no_services": N_("Without offers"),
    "no_address": N_("Without address"),
    "no_point": N_("Not on the map"),
    "unused": N_("Used by no offer"),
    "unreachable": N_("Neither phone nor e-mail"),
}


def attention_name(name: str) -> str:
    for kind, text in (
        (MISSING, N_("Not translated: %(language)s")),
        (OUTDATED, N_("Outdated: %(language)s")),
    ):
        if name.startswith(kind):
            return gettext(text, language=presenting.language_name(name.removeprefix(kind)))
    return gettext(_ATTENTION[name])


def short_date(day: date | None) -> str:
    return format_date(day, "medium", locale=current_language().locale) if day else ""


# What a list is made of.


@dataclass(frozen=True, slots=True)
class Column:
    id: str
    label: str
    order: str = ""
    """What to sort by; empty cannot be sorted."""
    usual: bool = True
    shape: Literal["", "num", "fixed"] = ""
    """CSS class: a number at the end of its cell, or a text that must not break, as a day."""


@dataclass(frozen=True, slots=True)
class Cell:
    text: str
    url: str = ""
    tag: str = ""
    """CSS class of a status tag."""
    also: str = ""
    """A second tag: what waits beside the state."""

    @property
    def words(self) -> str:
        """For a file."""
        return f"{self.text}, {self.also}" if self.also else self.text


@dataclass(frozen=True, slots=True)
class Line:
    key: str
    name: str
    chosen: bool
    """Whether it can be ticked: where the ticks publish or archive, the user needs the right to change it."""
    cells: Mapping[str, Cell]


@dataclass(frozen=True, slots=True)
class Chip:
    id: str
    label: str
    url: str
    on: bool
    number: int | None = None


@dataclass(frozen=True, slots=True)
class Group:
    name: str
    label: str
    chips: tuple[Chip, ...]
    folded: bool = True

    @property
    def on(self) -> bool:
        return any(chip.on for chip in self.chips)


@dataclass(frozen=True, slots=True)
class Head:
    column: Column
    label: str
    url: str
    sorted: Literal["", "ascending", "descending"]


@dataclass(frozen=True, slots=True)
class PageLink:
    label: str
    url: str
    current: bool = False


@dataclass(frozen=True, slots=True)
class Asked:
    """The address of a list, read and checked."""

    wanted: Filter
    order: str
    descending: bool
    page: int

    def parameters(self) -> dict[str, str]:
        wanted = self.wanted
        found = {
            "q": wanted.words,
            "state": wanted.state,
            "topic": wanted.topic,
            "organization": wanted.organization,
            "area": "" if wanted.area is None else wanted.area or NATION,
            "attention": wanted.attention,
            "kind": wanted.kind,
            "contact": str(wanted.contact) if wanted.contact else "",
            "sort": ("-" if self.descending else "") + self.order
            if self.order != "name" or self.descending
            else "",
            "page": str(self.page) if self.page > 1 else "",
        }
        return {name: value for name, value in found.items() if value}


@dataclass(frozen=True, slots=True)
class Kind:
    """One of the four lists."""

    name: str
    """Also the name of its endpoint."""
    title: str
    search: str
    columns: tuple[Column, ...]
    orders: tuple[str, ...]
    read: Callable[..., overview.Listed[Any]]
    facets: Callable[..., Facets]
    line: Callable[[Any], Line]
    number: Callable[[int], str]
    empty: str
    bulk: str = ""
    """Endpoint of its bulk actions."""
    new: str = ""
    """Endpoint for a new entry."""
    new_label: str = ""


# Cells.


def may_open(permission: Permission, organization_id: UUID | None, areas: Iterable[str] = ()) -> bool:
    return me().powers.may_for(permission, organization_id=organization_id, areas=tuple(areas))


def _organization_cell(name: str, slug: str) -> Cell:
    return Cell(name, url_for("admin.services", organization=slug))


def _state_cell(line: ServiceLine | OrganizationLine) -> Cell:
    also = gettext(_IN_REVIEW) if line.in_review else ""
    return Cell(gettext(STATE_NAMES[line.status]), tag=_STATE_TAGS[line.status], also=also)


def _checked_cell(day: date | None) -> Cell:
    return Cell(short_date(day)) if day else Cell(gettext("never"), tag="wait")


def _service_line(line: ServiceLine) -> Line:
    opens = may_open(Permission.SEE_CATALOGUE, line.organization_id, line.areas)
    ended = line.valid_to is not None and line.valid_to < scope().today
    cells = {
        "name": Cell(line.name, url_for("admin.edit_service", slug=line.slug) if opens else ""),
        "organization": _organization_cell(line.organization, line.organization_slug),
        "status": _state_cell(line),
        "topics": Cell(", ".join(line.topics)),
        "areas": Cell(", ".join(area_name(area) for area in line.areas)),
        "phone": Cell(line.phone or ""),
        "checked": _checked_cell(line.assured_date),
        "due": Cell(short_date(line.review_due)),
        "ends": Cell(short_date(line.valid_to), tag="bad-tag" if ended else ""),
        "changed": Cell(short_day(line.last_modified)),
        "slug": Cell(line.slug),
    }
    chosen = may_open(Permission.EDIT, line.organization_id, line.areas)
    return Line(line.slug, line.name, chosen, cells)


def _organization_line(line: OrganizationLine) -> Line:
    opens = may_open(Permission.SEE_CATALOGUE, line.id, line.areas)
    cells = {
        "name": Cell(line.name, url_for("admin.edit_organization", slug=line.slug) if opens else ""),
        "kind": Cell(line.kind),
        "status": _state_cell(line),
        "services": Cell(str(line.services), url_for("admin.services", organization=line.slug)),
        "phone": Cell(line.phone or ""),
        "email": Cell(line.email or ""),
        "website": Cell(line.website or ""),
        "checked": _checked_cell(line.assured_date),
        "changed": Cell(short_day(line.last_modified)),
        "slug": Cell(line.slug),
    }
    return Line(line.slug, line.name, may_open(Permission.EDIT, line.id, line.areas), cells)


def _location_line(line: LocationLine) -> Line:
    opens = may_open(Permission.SEE_CATALOGUE, line.organization_id, [line.place] if line.place else [])
    hidden = Cell(gettext("secret"), tag="wait")
    cells = {
        "name": Cell(line.name, url_for("admin.edit_location", slug=line.slug) if opens else ""),
        "organization": _organization_cell(line.organization, line.organization_slug),
        "street": hidden if line.confidential else Cell(line.street or ""),
        "town": hidden if line.confidential else Cell(line.town or ""),
        "services": Cell(str(line.services)),
        "changed": Cell(short_day(line.last_modified)),
        "slug": Cell(line.slug),
    }
    return Line(line.slug, line.name, True, cells)


def _contact_line(line: ContactLine) -> Line:
    name = line.name or line.department or line.title or line.email or gettext("without a name")
    url = (
        url_for("admin.edit_service", slug=line.service_slug)
        if line.services == 1
        else url_for("admin.services", contact=str(line.id))
    )
    cells = {
        "name": Cell(name, url),
        "title": Cell(line.title or ""),
        "department": Cell(line.department or ""),
        "organization": _organization_cell(line.organization, line.organization_slug),
        "phone": Cell(line.phone or ""),
        "email": Cell(line.email or ""),
        "services": Cell(str(line.services), url_for("admin.services", contact=str(line.id))),
    }
    return Line(str(line.id), name, True, cells)


KINDS: Mapping[str, Kind] = {
    "services": Kind(
        "services",
        N_("Offers"),
        N_("Name, organization or phone number"),
        (
            Column("name", N_("Name"), "name"),
            Column("organization", N_("Organization"), "organization"),
            Column("status", N_("State"), "status"),
            Column("topics", N_("Topics")),
            Column("areas", N_("For people from")),
            Column("phone", N_("Phone"), usual=False, shape="fixed"),
            Column("checked", N_("Confirmed"), "checked", shape="fixed"),
            Column("due", N_("Ask again on"), "due", usual=False, shape="fixed"),
            Column("ends", N_("Funding ends"), "ends", shape="fixed"),
            Column("changed", N_("Changed"), "changed", shape="fixed"),
            Column("slug", N_("Short name in the address"), "slug", usual=False),
        ),
        overview.SERVICE_ORDERS,
        overview.services,
        overview.service_facets,
        _service_line,
        lambda number: ngettext("%(num)s offer", "%(num)s offers", number),
        N_("No offer fits. Take a filter away, or search for a part of the name only."),
        bulk="admin.bulk_services",
        new="admin.new_service",
        new_label=N_("New offer"),
    ),
    "organizations": Kind(
        "organizations",
        N_("Organizations"),
        N_("Name or phone number"),
        (
            Column("name", N_("Name"), "name"),
            Column("kind", N_("Kind"), "kind"),
            Column("status", N_("State"), "status"),
            Column("services", N_("Offers"), "services", shape="num"),
            Column("phone", N_("Phone"), shape="fixed"),
            Column("email", N_("E-mail"), usual=False),
            Column("website", N_("Web page"), usual=False),
            Column("checked", N_("Confirmed"), "checked", shape="fixed"),
            Column("changed", N_("Changed"), "changed", shape="fixed"),
            Column("slug", N_("Short name in the address"), "slug", usual=False),
        ),
        overview.ORGANIZATION_ORDERS,
        overview.organizations,
        overview.organization_facets,
        _organization_line,
        lambda number: ngettext("%(num)s organization", "%(num)s organizations", number),
        N_("No organization fits. Take a filter away, or search for a part of the name only."),
        bulk="admin.bulk_organizations",
        new="admin.new_organization",
        new_label=N_("New organization"),
    ),
    "locations": Kind(
        "locations",
        N_("Places"),
        N_("Name, street, town or organization"),
        (
            Column("name", N_("Name"), "name"),
            Column("organization", N_("Organization"), "organization"),
            Column("street", N_("Street")),
            Column("town", N_("Town"), "town"),
            Column("services", N_("Offers"), "services", shape="num"),
            Column("changed", N_("Changed"), "changed", shape="fixed"),
            Column("slug", N_("Short name in the address"), "slug", usual=False),
        ),
        overview.LOCATION_ORDERS,
        overview.locations,
        overview.location_facets,
        _location_line,
        lambda number: ngettext("%(num)s place", "%(num)s places", number),
        N_("No place fits. Take a filter away, or search for a part of the name only."),
        bulk="admin.bulk_locations",
        new="admin.new_location",
        new_label=N_("New place"),
    ),
    "contacts": Kind(
        "contacts",
        N_("Contacts"),
        N_("Name, department, e-mail or phone number"),
        (
            Column("name", N_("Name"), "name"),
            Column("title", N_("Function"), usual=False),
            Column("department", N_("Department"), "department"),
            Column("organization", N_("Organization"), "organization"),
            Column("phone", N_("Phone"), shape="fixed"),
            Column("email", N_("E-mail"), "email"),
            Column("services", N_("Offers"), "services", shape="num"),
        ),
        overview.CONTACT_ORDERS,
        overview.contacts,
        overview.contact_facets,
        _contact_line,
        lambda number: ngettext("%(num)s contact", "%(num)s contacts", number),
        N_("No contact fits. Contacts are entered at an offer."),
    ),
}


# The page.


@needs(Permission.SEE_CATALOGUE)
def services() -> Response:
    return _list(KINDS["services"])


@needs(Permission.SEE_CATALOGUE)
def organizations() -> Response:
    return _list(KINDS["organizations"])


@needs(Permission.SEE_CATALOGUE)
def locations() -> Response:
    return _list(KINDS["locations"])


@needs(Permission.SEE_CATALOGUE)
def contacts() -> Response:
    return _list(KINDS["contacts"])


def asked(kind: Kind, given: Mapping[str, str]) -> Asked:
    """What does not fit is left out: an old bookmark still shows a list."""
    sort = given.get("sort", "")
    order = sort.removeprefix("-")
    area = given.get("area", "")
    try:
        contact = UUID(given["contact"]) if given.get("contact") else None
    except ValueError:
        contact = None
    page = given.get("page", "")
    state = given.get("state", "")
    wanted = Filter(
        words=" ".join(given.get("q", "").split())[:100],
        state=state if state in STATE_NAMES else "",
        topic=given.get("topic", "")[:80],
        organization=given.get("organization", "")[:80],
        area=None if not area else "" if area == NATION else area[:8],
        attention=given.get("attention", "")[:40],
        kind=given.get("kind", "")[:80],
        contact=contact,
    )
    known = order in kind.orders
    return Asked(
        wanted,
        order if known else "name",
        known and sort.startswith("-"),
        int(page) if page.isascii() and page.isdigit() and 0 < len(page) < 6 and int(page) else 1,
    )


def _read(kind: Kind, wished: Asked, *, limit: int, offset: int) -> overview.Listed[Any]:
    options: dict[str, Any] = {"gaps": translation_gaps()} if kind.name == "services" else {}
    return kind.read(
        current_session(),
        scope(),
        wished.wanted,
        order=wished.order,
        descending=wished.descending,
        limit=limit,
        offset=offset,
        **options,
    )


def _list(kind: Kind) -> Response:
    wished = asked(kind, request.args)
    options: dict[str, Any] = {}
    if kind.name == "services":
        options["gaps"] = translation_gaps()
        found = overview.resolved(current_session(), scope(), wished.wanted, gaps=translation_gaps())
        wished = replace(wished, wanted=found)
    listed = _read(kind, wished, limit=PER_PAGE, offset=(wished.page - 1) * PER_PAGE)
    facets = kind.facets(current_session(), scope(), wished.wanted, **options)
    columns, picked = _columns(kind)
    lines = [kind.line(line) for line in listed.lines]
    ticks = any(line.chosen for line in lines)
    may_edit = me().powers.may(Permission.EDIT)
    response = render(
        "admin/list.html",
        fragment="list",
        kind=kind,
        title=gettext(kind.title),
        search_label=gettext(kind.search),
        empty=gettext(kind.empty),
        words=wished.wanted.words,
        kept=[(name, value) for name, value in wished.parameters().items() if name not in ("q", "page")],
        address=_address(kind, wished),
        here=_address(kind, wished, page=str(wished.page)),
        reset=url_for(f"admin.{kind.name}"),
        groups=_groups(kind, wished, facets),
        heads=_heads(kind, wished, columns),
        columns=columns,
        lines=lines,
        total=listed.total,
        total_words=kind.number(listed.total),
        pages=_pages(kind, wished, listed.total),
        tabs=tabs(kind.name),
        ticks=ticks,
        bulk=url_for(kind.bulk) if kind.bulk and may_edit and ticks else "",
        export=url_for("admin.export_list", name=kind.name),
        new=_new_link(kind),
        new_label=gettext(kind.new_label),
        all_columns=[(column.id, gettext(column.label), column in columns) for column in kind.columns],
        query=urlencode(wished.parameters()),
        filtered=bool(wished.wanted != Filter()),
    )
    if picked:
        _keep_columns(response, kind, columns)
    return response


def _new_link(kind: Kind) -> str:
    """New places belong to offers and organizations that one may change; editors propose offers."""
    if not kind.new or kind.new not in current_app.view_functions:
        return ""
    needed: Permission | None = getattr(current_app.view_functions[kind.new], "needs", None)
    return url_for(kind.new) if needed is not None and me().powers.may(needed) else ""


def _address(kind: Kind, wished: Asked, /, **changes: str) -> str:
    """The list with other parameters; every change begins at the first page again."""
    values: dict[str, Any] = {**wished.parameters(), "page": "", **changes}
    return url_for(f"admin.{kind.name}", **{name: value for name, value in values.items() if value})


def _heads(kind: Kind, wished: Asked, columns: Sequence[Column]) -> list[Head]:
    heads = []
    for column in columns:
        by_this = bool(column.order) and column.order == wished.order
        state: Literal["", "ascending", "descending"] = (
            "" if not by_this else "descending" if wished.descending else "ascending"
        )
        sort = ("-" if by_this and not wished.descending else "") + column.order
        url = _address(kind, wished, sort="" if sort == "name" else sort) if column.order else ""
        heads.append(Head(column, gettext(column.label), url, state))
    return heads


def _groups(kind: Kind, wished: Asked, facets: Facets) -> list[Group]:
    wanted = wished.wanted

    def chip(group: str, value: str, label: str, number: int | None, *, on: bool) -> Chip:
        # A chosen filter that leaves nothing must stay, or nobody could take it away.
        name = value or "any"
        return Chip(
            f"f-{group}-{name}", label, _address(kind, wished, **{group: "" if on else value}), on, number
        )

    groups = []
    if facets.states:
        chips = [
            Chip(
                "f-state-any", gettext("All but archived"), _address(kind, wished, state=""), not wanted.state,
                facets.states.get("", 0),
            ),
            *(
                Chip(
                    f"f-state-{state}", gettext(name), _address(kind, wished, state=state), wanted.state == state,
                    facets.states.get(state, 0),
                )
                for state, name in STATE_NAMES.items()
            ),
        ]  # fmt: skip
        groups.append(Group("state", gettext("State"), tuple(chips), folded=False))
    translates = me().may(Permission.TRANSLATE)
    attention = [
        chip("attention", name, attention_name(name), number, on=name == wanted.attention)
        for name, number in facets.attention.items()
        if (number and (translates or not name.startswith((MISSING, OUTDATED)))) or name == wanted.attention
    ]
    if attention:
        groups.append(Group("attention", gettext("Needs attention"), tuple(attention), folded=False))
    topics = [
        chip("topic", code, presenting.term_label("topics", code), number, on=code == wanted.topic)
        for code, number in _by_number(facets.topics, wanted.topic)
    ]
    kinds = [
        chip("kind", code, presenting.term_label(ORGANIZATION_KINDS, code), number, on=code == wanted.kind)
        for code, number in _by_number(facets.kinds, wanted.kind)
    ]
    areas = [
        chip("area", area or NATION, area_name(area), number, on=area == wanted.area)
        for area, number in _by_number(facets.areas, wanted.area)
    ]
    of_organizations = dict(facets.organizations)
    if wanted.organization and wanted.organization not in of_organizations:
        names = overview.names(current_session(), scope().region, "organization", [wanted.organization])
        of_organizations[wanted.organization] = (names.get(wanted.organization, wanted.organization), 0)
    offices = [
        chip("organization", slug, name, number or None, on=slug == wanted.organization)
        for slug, (name, number) in of_organizations.items()
    ]
    for name, label, chips_ in (
        ("topic", N_("Topic"), topics),
        ("kind", N_("Kind"), kinds),
        ("area", N_("Area"), areas),
        ("organization", N_("Organization"), offices),
    ):
        if chips_:
            groups.append(Group(name, gettext(label), tuple(chips_)))
    if wanted.contact is not None:
        one = Chip("f-contact-on", gettext("One contact"), _address(kind, wished, contact=""), True)
        groups.append(Group("contact", gettext("Contact"), (one,), folded=False))
    return groups


def _by_number(facet: Mapping[str, int], chosen: str | None) -> list[tuple[str, int]]:
    found = dict(facet)
    if chosen:
        found.setdefault(chosen, 0)
    return sorted(found.items(), key=lambda item: (-item[1], item[0]))


def _pages(kind: Kind, wished: Asked, total: int) -> list[PageLink]:
    """The first, the last and those around this one."""
    last = max(1, -(-total // PER_PAGE))
    here = wished.page
    if last == 1 and here == 1:
        return []
    links = []
    if here > 1:
        links.append(PageLink(gettext("Back"), _address(kind, wished, page=_page(min(here - 1, last)))))
    wanted = sorted({1, last, *(number for number in range(here - 2, here + 3) if 1 <= number <= last)})
    links += [PageLink(str(n), _address(kind, wished, page=_page(n)), current=n == here) for n in wanted]
    if here < last:
        links.append(PageLink(gettext("Next"), _address(kind, wished, page=_page(here + 1))))
    return links


def _page(number: int) -> str:
    return str(number) if number > 1 else ""


@dataclass(frozen=True, slots=True)
class Tab:
    label: str
    url: str
    current: bool


def tabs(current: str) -> list[Tab]:
    """The ways from one list to the next."""
    found = [
        Tab(gettext(kind.title), url_for(f"admin.{name}"), name == current) for name, kind in KINDS.items()
    ]
    found.append(Tab(gettext("Funding"), url_for("admin.funding"), current == "funding"))
    found.append(Tab(gettext("The archive"), url_for("admin.archive"), current == "archive"))
    return found


# Which columns.


def _columns(kind: Kind) -> tuple[list[Column], bool]:
    """Those to show, and whether they were chosen just now. The name is always there."""
    just_chosen = "columns" in request.args
    wanted = set(request.args.getlist("columns")) if just_chosen else _kept_columns().get(kind.name)
    if wanted is None:
        return [column for column in kind.columns if column.usual], False
    return [column for column in kind.columns if column.id == "name" or column.id in wanted], just_chosen


def _kept_columns() -> dict[str, set[str]]:
    kept = request.cookies.get(COLUMNS_COOKIE, "")
    parts = (part.partition("=") for part in kept.split("/") if "=" in part)
    return {name: set(ids.split(".")) for name, _, ids in parts if name in KINDS}


def _keep_columns(response: Response, kind: Kind, columns: Sequence[Column]) -> None:
    kept = {**_kept_columns(), kind.name: [column.id for column in columns]}
    value = "/".join(f"{name}={'.'.join(sorted(ids))}" for name, ids in kept.items())
    response.set_cookie(
        COLUMNS_COOKIE, value, max_age=365 * 24 * 3600, path="/admin", httponly=True, samesite="Lax",
        secure=current_portal().settings.https,
    )  # fmt: skip


# Many at once.

Entity = Literal["service", "organization", "location"]


@dataclass(frozen=True, slots=True)
class Change:
    """What a bulk action does."""

    name: str
    label: str
    question: Callable[[int], str]
    done: Callable[[int], str]
    note: str = ""
    danger: bool = False


SERVICE_CHANGES: Mapping[str, Change] = {
    change.name: change
    for change in (
        Change(
            "publish",
            N_("Publish"),
            lambda n: ngettext("Publish %(num)s entry?", "Publish %(num)s entries?", n),
            lambda n: ngettext("%(num)s entry is published", "%(num)s entries are published", n),
            N_("Everybody can see them at once."),
        ),
        Change(
            "withdraw",
            N_("Withdraw"),
            lambda n: ngettext("Withdraw %(num)s entry?", "Withdraw %(num)s entries?", n),
            lambda n: ngettext("%(num)s entry is a draft again", "%(num)s entries are drafts again", n),
            N_("They become drafts. The public does not see them until you publish them again."),
        ),
        Change(
            "archive",
            N_("Archive"),
            lambda n: ngettext("Archive %(num)s entry?", "Archive %(num)s entries?", n),
            lambda n: ngettext("%(num)s entry is archived", "%(num)s entries are archived", n),
            N_("They disappear from the public pages. For 90 days you can put them back, then they are erased."),
            danger=True,
        ),
        Change(
            "topic",
            N_("Topic"),
            lambda n: ngettext("Change a topic of %(num)s offer", "Change a topic of %(num)s offers", n),
            lambda n: ngettext("The topic of %(num)s offer is changed", "The topic of %(num)s offers is changed", n),
            N_("The other topics stay as they are."),
        ),
        Change(
            "review",
            N_("Ask again on"),
            lambda n: ngettext("When shall %(num)s offer be asked about?", "When shall %(num)s offers be asked about?", n),
            lambda n: ngettext("%(num)s offer is noted for that day", "%(num)s offers are noted for that day", n),
            N_("On that day the organization gets a mail with one link to confirm."),
        ),
    )
}  # fmt: skip
LOCATION_CHANGES: Mapping[str, Change] = {
    "remove": Change(
        "remove",
        N_("Take it away"),
        lambda n: ngettext("Take %(num)s place away?", "Take %(num)s places away?", n),
        lambda n: ngettext("%(num)s place is taken away", "%(num)s places are taken away", n),
        N_("Only a place that no offer uses goes. For 90 days you can put it back from the archive."),
        danger=True,
    )
}
ORGANIZATION_CHANGES = {name: SERVICE_CHANGES[name] for name in ("publish", "withdraw", "archive")}
_STATUS = {"publish": Status.PUBLISHED, "withdraw": Status.DRAFT, "archive": Status.ARCHIVED}
_AUDIT = {"publish": "published", "withdraw": "withdrawn", "archive": "archived"}


@dataclass(frozen=True, slots=True)
class Failed:
    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class Wish:
    """The fields of the confirmation page."""

    change: Change
    comment: str = ""
    topic: str = ""
    remove: bool = False
    on: date | None = None


@needs(Permission.EDIT)
def bulk_services() -> BaseResponse:
    return _bulk(KINDS["services"], "service", SERVICE_CHANGES)


@needs(Permission.EDIT)
def bulk_organizations() -> BaseResponse:
    return _bulk(KINDS["organizations"], "organization", ORGANIZATION_CHANGES)


@needs(Permission.EDIT)
def bulk_locations() -> BaseResponse:
    return _bulk(KINDS["locations"], "location", LOCATION_CHANGES)


def _bulk(kind: Kind, entity: Entity, changes: Mapping[str, Change]) -> BaseResponse:
    """First what would happen, then what happened."""
    back = safe_path(request.form.get("back", "")) or url_for(f"admin.{kind.name}")
    change = changes.get(request.form.get("action", ""))
    slugs = list(dict.fromkeys(request.form.getlist("chosen")))[:MOST_AT_ONCE]
    if change is None:
        return redirect(back, code=303)
    names = _names(entity, slugs)
    slugs = [slug for slug in slugs if slug in names]
    if not slugs:
        say(gettext("Please tick at least one entry first."), "wrong")
        return redirect(back, code=303)
    if "confirmed" not in request.form:
        return _bulk_page(kind, change, slugs, names, back)
    try:
        wish = _wish(change)
    except ValueError as error:
        return _bulk_page(kind, change, slugs, names, back, error=str(error))
    if _loses(entity, change, slugs) is not None:
        warning = gettext("Somebody would lose the last desk. Please look at the list below.")
        return _bulk_page(kind, change, slugs, names, back, error=warning)
    done, failed = [], []
    for slug in slugs:
        reason = _apply(entity, slug, wish)
        if reason is None:
            done.append(names[slug])
        else:
            failed.append(Failed(names[slug], reason))
    return render(
        "admin/list_result.html",
        title=change.done(len(done)),
        done=done,
        failed=failed,
        failed_words=ngettext("%(num)s did not work", "%(num)s did not work", len(failed)),
        back=back,
        back_label=gettext(kind.title),
    )


def _loses(entity: str, change: Change, slugs: Sequence[str]) -> losing.Question | None:
    """Who would be left without a desk when all of them go together, unless that is agreed to."""
    if entity != "service" or change.name not in ("withdraw", "archive"):
        return None
    going = [slug for slug in slugs if slug != current_portal().region.clearing_desk]
    return losing.open_question(dict.fromkeys(going))


def _names(entity: Entity, slugs: Sequence[str]) -> dict[str, str]:
    """Slug → name; of what the user may not see only the slug they sent, because a draft's name is not public."""
    session, region = current_session(), scope().region
    found = overview.names(session, region, entity, slugs)
    if me().powers.may_everywhere(Permission.SEE_CATALOGUE):
        return found
    ids = [entity_id(region, entity, slug) for slug in found]
    seen = {
        entry.slug
        for entry in editing.entries(session, region, entity, ids)
        if may_open(Permission.SEE_CATALOGUE, *_reach_of(entry))
    }
    return {slug: name if slug in seen else slug for slug, name in found.items()}


def _reach_of(entry: editing.Entry) -> tuple[UUID, tuple[str, ...]]:
    """Whose it is, and where."""
    if entry.entity == "organization":
        return entry.id, ()
    if entry.entity == "service":
        return entry.row.organization_id, tuple(entry.record.service_areas)
    return entry.row.organization_id, (entry.record.place,) if entry.record.place else ()


def _bulk_page(
    kind: Kind,
    change: Change,
    slugs: Sequence[str],
    names: Mapping[str, str],
    back: str,
    *,
    error: str = "",
) -> Response:
    topics = [
        (term.code, presenting.term_label("topics", term.code))
        for term in current_portal().catalogue.terms("topics")
    ]
    form = request.form
    return render(
        "admin/list_confirm.html",
        status=422 if error else 200,
        action=url_for(kind.bulk),
        change=change,
        title=change.question(len(slugs)),
        label=gettext("Change the topic") if change.name == "topic" else gettext("Note the day") if change.name == "review" else gettext(change.label),
        note=_note(kind, change, len(slugs)),
        chosen=[(slug, names[slug]) for slug in slugs],
        back=back,
        error=error,
        asked=_loses(kind.name.removesuffix("s"), change, slugs),
        topics=topics,
        today=scope().today.isoformat(),
        given={name: form.get(name, "") for name in ("comment", "topic", "way", "on")},
    )  # fmt: skip


_NOTES_FOR_ONE: Mapping[tuple[str, str], str] = {
    ("services", "withdraw"): N_(
        "This offer becomes a draft. The public does not see it until you publish it again."
    ),
    ("organizations", "withdraw"): N_(
        "This organization becomes a draft. The public does not see it until you publish it again."
    ),
    ("services", "archive"): N_(
        "This offer disappears from the portal. For 90 days you can put it back, then it is erased."
    ),
    ("organizations", "archive"): N_(
        "This organization disappears from the portal. For 90 days you can put it back, then it is erased."
    ),
}


def _note(kind: Kind, change: Change, number: int) -> str:
    one = _NOTES_FOR_ONE.get((kind.name, change.name))
    return gettext(one) if one and number == 1 else gettext(change.note)


def _wish(change: Change) -> Wish:
    """Raises ValueError with the words to show."""
    form = request.form
    comment = form.get("comment", "").strip()[:500]
    if change.name == "topic":
        topic = form.get("topic", "")
        if current_portal().catalogue.term("topics", topic) is None:
            raise ValueError(gettext("Please choose a topic."))
        return Wish(change, comment, topic=topic, remove=form.get("way") == "remove")
    if change.name == "review":
        try:
            on = date.fromisoformat(form.get("on", ""))
        except ValueError:
            raise ValueError(gettext("Please enter a day.")) from None
        if on < scope().today:
            raise ValueError(gettext("This day is over. Please choose today or a later one."))
        return Wish(change, comment, on=on)
    return Wish(change, comment)


def _apply(entity: Entity, slug: str, wish: Wish) -> str | None:
    """Change one entry and commit; says why when it did not work. One by one, so that nobody waits for the lock."""
    session = current_session()
    now = current_portal().now()
    region = scope().region
    try:
        found = editing.entry(session, region, entity, slug)
        if entity == "organization":
            allowed = guard.may_for_organization(found.id, Permission.EDIT)
        else:
            allowed = may_open(Permission.EDIT, *_reach_of(found))
        if not allowed:
            return gettext("You may change only what lies in your own area.")
        action, details = _change(found, entity, wish, region, now)
    except UnknownEntry:
        session.rollback()
        return gettext("It is not there any more.")
    except Conflict:
        session.rollback()
        return gettext("Somebody else saved it at the same moment. Please try again.")
    except (StillUsed, InvalidEntry) as error:
        session.rollback()
        return reason(error, entity)
    audit.record(
        session, action, now=now, actor=me(), region=region, entity=entity, entity_id=found.id,
        entity_name=str(found.record.name), bulk=True, **details,
    )  # fmt: skip
    session.commit()
    return None


def _change(
    found: editing.Entry, entity: Entity, wish: Wish, region: str, now: datetime
) -> tuple[str, dict[str, Any]]:
    """Action and details for the log."""
    session = current_session()
    if entity == "location":
        editing.delete_location(session, region, found.slug, author=me(), now=now, comment=wish.comment)
        return "location.deleted", {"reason": bool(wish.comment)}
    if wish.change.name in _STATUS:
        editing.set_status(
            session, region, entity, found.slug, _STATUS[wish.change.name], author=me(), now=now,
            comment=wish.comment,
        )  # fmt: skip
        return f"{entity}.{_AUDIT[wish.change.name]}", {}
    if wish.change.name == "review":
        row = session.get(models.Service, found.id)
        assert row is not None
        row.review_due = wish.on
        session.add(row)
        session.flush()
        return "service.review_set", {"on": wish.on}
    topics = [code for code in found.record.topics if code != wish.topic]
    if not wish.remove:
        topics = list(found.record.topics) if wish.topic in found.record.topics else [*topics, wish.topic]
    record = editing.parsed("service", {**editing.plain(found.record), "topics": topics})
    if found.status == Status.ARCHIVED:
        # A save would put it back from the archive.
        raise StillUsed(())
    saved = editing.save(
        session, region, "service", record, base_hash=found.hash, author=me(), now=now, comment=wish.comment
    )
    return "service.saved", {"fields": list(saved.fields)}


def reason(error: StillUsed | InvalidEntry, entity: str) -> str:
    """Why an entry could not be saved or archived."""
    if isinstance(error, InvalidEntry):
        found = [f"{field_label(problem.field)}: {problem_words(problem)}" for problem in error.problems]
        return " ".join(dict.fromkeys(found))
    if not error.slugs:
        return gettext("It is archived. Put it back first.")
    if entity == "service":
        return gettext(
            "It takes over where nothing else fits. Name another clearing desk of the region first."
        )
    region = scope().region
    kind = "service" if entity in ("organization", "location") else entity
    names = overview.names(current_session(), region, kind, error.slugs)
    shown = [names.get(slug, slug) for slug in error.slugs]
    rest = len(shown) - 5
    words = listing(shown[:5]) if rest <= 0 else ", ".join(shown[:5]) + " …"
    return gettext("These offers still need it: %(offers)s. Archive or move them first.", offers=words)


# Taking a list out.


@needs(Permission.SEE_CATALOGUE)
def export_list(name: str) -> Response:
    """The ticked lines, else all that the filters leave, with the columns that are shown; as XLSX or CSV."""
    kind = KINDS.get(name)
    if kind is None:
        abort(404)
    wished = asked(kind, dict(parse_qsl(request.form.get("query", ""))))
    columns, _picked = _columns(kind)
    listed = _read(kind, wished, limit=MOST_EXPORTED, offset=0)
    lines = [kind.line(line) for line in listed.lines]
    chosen = set(request.form.getlist("chosen"))
    if chosen:
        lines = [line for line in lines if line.key in chosen]
    heads = [gettext(column.label) for column in columns]
    rows = [[line.cells[column.id].words for column in columns] for line in lines]
    title = gettext(kind.title)
    audit.record(
        current_session(), "list.exported", now=current_portal().now(), actor=me(), region=scope().region,
        list=kind.name, lines=len(rows),
    )  # fmt: skip
    current_session().commit()
    stem = f"{editing.slug_of(title)}-{scope().today.isoformat()}"
    if request.form.get("format") == "csv":
        return download(csv_bytes([heads, *rows]), f"{stem}.csv", "text/csv; charset=utf-8")
    return download(
        xlsx_bytes(title, heads, rows),
        f"{stem}.xlsx",
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    )


def download(body: bytes, filename: str, content_type: str) -> Response:
    response = Response(body, content_type=content_type)
    response.headers["Content-Disposition"] = f'attachment; filename="{filename}"'
    return response


def csv_bytes(rows: Iterable[Sequence[str]]) -> bytes:
    """With semicolons and a byte order mark, as a German Excel opens it; nothing in it is taken for a formula."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, delimiter=";")
    writer.writerows([harmless(cell) for cell in row] for row in rows)
    return buffer.getvalue().encode("utf-8-sig")


def harmless(cell: str) -> str:
    """https://owasp.org/www-community/attacks/CSV_Injection"""
    return f"'{cell}" if cell[:1] in ("=", "+", "-", "@", "\t", "\r") else cell


def xlsx_bytes(title: str, heads: Sequence[str], rows: Iterable[Sequence[str]]) -> bytes:
    from openpyxl import Workbook
    from openpyxl.cell import WriteOnlyCell
    from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE
    from openpyxl.styles import Font

    book = Workbook(write_only=True)
    sheet = book.create_sheet(title[:31])
    sheet.freeze_panes = "B2"

    def cell(text: str, *, bold: bool = False) -> Any:
        made = WriteOnlyCell(sheet, value=ILLEGAL_CHARACTERS_RE.sub("", text))
        # What begins with "=" is a text that somebody entered, never a formula.
        made.data_type = "s"
        if bold:
            made.font = Font(bold=True)
        return made

    sheet.append([cell(head, bold=True) for head in heads])
    for row in rows:
        sheet.append([cell(text) for text in row])
    buffer = io.BytesIO()
    book.save(buffer)
    return buffer.getvalue()


# The archive.


@needs(Permission.SEE_CATALOGUE)
def archive() -> Response:
    session, now = current_session(), current_portal().now()
    places = overview.places_taken_away(session, scope(), now=now)
    lines = sorted([*overview.archived(session, scope()), *places], key=overview.ArchivedLine.order)
    return render(
        "admin/list_archive.html",
        tabs=tabs("archive"),
        lines=[
            (line, short_day(line.archived_at), line.days_left(now), _may_put_back(line)) for line in lines
        ],
        has_places=bool(places),
        kept_days=editing.ERASED_AFTER.days,
    )


def _may_put_back(line: overview.ArchivedLine) -> bool:
    return may_open(Permission.EDIT, line.organization_id, line.areas)


@needs(Permission.EDIT)
def put_back(entity: str, slug: str) -> BaseResponse:
    """As a draft: whoever puts it back looks at it before the public does."""
    if entity == "service":
        row: Any = guard.own_service_or_404(slug, Permission.EDIT)
    elif entity == "organization":
        row = guard.own_organization_or_404(slug, Permission.EDIT)
    else:
        abort(404)
    session, now, region = current_session(), current_portal().now(), scope().region
    if row.status == Status.ARCHIVED:
        editing.set_status(
            session, region, "service" if entity == "service" else "organization", slug, Status.DRAFT,
            author=me(), now=now,
        )  # fmt: skip
        audit.record(
            session, f"{entity}.put_back", now=now, actor=me(), region=region, entity=entity,
            entity_id=row.id, entity_name=row.name,
        )  # fmt: skip
        session.commit()
        say(gettext("“%(name)s” is back as a draft. Please check it and publish it.", name=row.name))
    return redirect(url_for("admin.archive"), code=303)
