"""What stands twice: pairs with the reasons, merging with a preview, and contacts that many offers name."""

import hashlib
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from flask import Blueprint, Response, abort, current_app, redirect, request, url_for
from sqlalchemy import select
from sqlmodel import Session, col
from werkzeug.wrappers import Response as BaseResponse

from portal.accounts import audit, forms
from portal.accounts.models import AuditEvent, RoleGrant
from portal.accounts.permissions import Permission
from portal.catalogue import duplicates as domain
from portal.catalogue import editing, revision, spreadsheets
from portal.catalogue.duplicates import Merge, MergeRefused, Pair, SharedContact
from portal.catalogue.editing import Conflict, EntryProblem, InvalidEntry, StillUsed, UnknownEntry
from portal.catalogue.models import entity_id
from portal.referral import merging as referrals
from portal.web.admin import differences, losing
from portal.web.admin.differences import Changed
from portal.web.admin.editing import readable
from portal.web.admin.editing.wording import label, problem_words
from portal.web.admin.exchange import TITLES, fault_words, field_label
from portal.web.admin.guard import me, needs, typed_before
from portal.web.admin.paging import Paging
from portal.web.admin.rendering import render, say
from portal.web.current import current_portal
from portal.web.database import current_session
from portal.web.texts import N_, gettext, ngettext

_ENTITIES = "any(service,organization,location)"
DISTINCT = "duplicates.distinct"
"""Action in the log that remembers: these two are different. Forgotten with the log."""

REASONS: Mapping[str, str] = {
    "same_name": N_("same name"),
    "similar_name": N_("similar name"),
    "same_phone": N_("same phone"),
    "same_email": N_("same e-mail address"),
    "same_page": N_("same web page"),
    "same_address": N_("same address"),
    "near": N_("less than 50 metres apart"),
    "same_place": N_("in the same place"),
    "same_organization": N_("same organization"),
    "similar_text": N_("similar text"),
}
_REFUSED: Mapping[str, str] = {
    "same": N_("These are one and the same entry."),
    "confidential": N_("One of the two has a secret address, the other one has not. Please look at both by hand."),
}  # fmt: skip


def register(bp: Blueprint) -> None:
    bp.add_url_rule("/duplicates", "duplicates", duplicates)
    bp.add_url_rule(
        f"/duplicates/<{_ENTITIES}:entity>/<left>/<right>",
        "merge_entries",
        merge_entries,
        methods=["GET", "POST"],
    )
    bp.add_url_rule(
        f"/duplicates/<{_ENTITIES}:entity>/<left>/<right>/distinct", "distinct", distinct, methods=["POST"]
    )
    bp.add_url_rule("/contacts/shared", "contacts_shared", contacts_shared)
    bp.add_url_rule("/contacts/shared/<key>", "contact_shared", contact_shared, methods=["GET", "POST"])


def may(entity: str, record: Any) -> bool:
    """Whether the user may change this entry at once."""
    region = current_portal().region.slug
    owner = record.slug if entity == "organization" else record.organization
    areas = record.service_areas if entity == "service" else ()
    if entity == "location" and record.place is not None:
        areas = (record.place,)
    return me().powers.may_for(
        Permission.EDIT, organization_id=entity_id(region, "organization", owner), areas=areas
    )


# The list.


@dataclass(frozen=True, slots=True)
class PairLine:
    left: str
    left_name: str
    left_url: str
    right: str
    right_name: str
    right_url: str
    reasons: tuple[str, ...]
    percent: int


@needs(Permission.EDIT)
def duplicates() -> Response:
    found = {name: _pairs(name) for name in TITLES}
    entity = request.args.get("entity", "")
    if entity not in TITLES:
        entity = next((name for name, some in found.items() if some), "service")
    paging = Paging.read(len(found[entity]))
    chosen = found[entity][paging.offset : paging.offset + paging.size]
    edit = f"admin.edit_{entity}"
    return render(
        "admin/duplicates.html",
        chips=[
            (gettext(title), url_for("admin.duplicates", entity=name), len(found[name]), name == entity)
            for name, title in TITLES.items()
        ],
        entity=entity,
        lines=[
            PairLine(
                pair.left.slug,
                pair.left.name,
                url_for(edit, slug=pair.left.slug),
                pair.right.slug,
                pair.right.name,
                url_for(edit, slug=pair.right.slug),
                tuple(gettext(REASONS[reason]) for reason in pair.reasons),
                round(pair.score * 100),
            )
            for pair in chosen
        ],
        paging=paging,
    )


def _pairs(entity: str) -> list[Pair]:
    """Computed once for each state of the catalogue, without what somebody called different."""
    session, region = current_session(), current_portal().region.slug
    number = revision.current(session, region)
    kept: dict[str, tuple[int, list[Pair]]] = current_app.extensions.setdefault("duplicates", {})
    if entity not in kept or kept[entity][0] != number:
        kept[entity] = (number, domain.pairs(session, region, entity))
    different = _different(session, region)
    found = [pair for pair in kept[entity][1] if pair.ids not in different]
    if me().powers.may_everywhere(Permission.EDIT):
        return found
    ids = list({id_ for pair in found for id_ in pair.ids})
    own = {entry.id for entry in editing.entries(session, region, entity, ids) if may(entity, entry.record)}
    return [pair for pair in found if pair.ids <= own]


def _different(session: Session, region: str) -> set[frozenset[UUID]]:
    rows = session.execute(
        select(col(AuditEvent.entity_id), col(AuditEvent.details)).where(
            col(AuditEvent.action) == DISTINCT, col(AuditEvent.region) == region
        )
    )
    return {frozenset((row.entity_id, UUID(row.details["other"]))) for row in rows}


def _own_or_404(entity: str, slug: str) -> editing.Entry:
    try:
        found = editing.entry(current_session(), current_portal().region.slug, entity, slug)
    except UnknownEntry:
        abort(404)
    if not may(entity, found.record):
        abort(404)
    return found


@needs(Permission.EDIT)
def distinct(entity: str, left: str, right: str) -> BaseResponse:
    one, other = _own_or_404(entity, left), _own_or_404(entity, right)
    portal, session = current_portal(), current_session()
    if one.id != other.id and frozenset((one.id, other.id)) not in _different(session, portal.region.slug):
        audit.record(
            session, DISTINCT, now=portal.now(), actor=me(), region=portal.region.slug, entity=entity,
            entity_id=one.id, entity_name=one.record.name, other=str(other.id), other_slug=other.slug,
        )  # fmt: skip
        session.commit()
    say(gettext("Noted: “%(left)s” and “%(right)s” are two.", left=one.record.name, right=other.record.name))
    return redirect(url_for("admin.duplicates", entity=entity), code=303)


# Merging.


@dataclass(frozen=True, slots=True)
class Option:
    value: str
    title: str
    lines: tuple[str, ...]
    chosen: bool


@dataclass(frozen=True, slots=True)
class FieldChoice:
    name: str
    label: str
    options: tuple[Option, ...]


@dataclass(frozen=True, slots=True)
class MovedLine:
    kind: str
    name: str


@needs(Permission.EDIT)
def merge_entries(entity: str, left: str, right: str) -> BaseResponse:
    _own_or_404(entity, left), _own_or_404(entity, right)
    portal, session = current_portal(), current_session()
    region = portal.region.slug
    choice = {
        name.removeprefix("field-"): value
        for name, value in request.form.items()
        if name.startswith("field-")
    }
    try:
        planned = domain.planned_merge(session, region, entity, left, right, choice)
    except UnknownEntry:
        abort(404)
    except MergeRefused as refused:
        say(gettext(_REFUSED[refused.code]), "wrong")
        return redirect(url_for("admin.duplicates", entity=entity), code=303)
    except InvalidEntry as error:
        planned = domain.planned_merge(session, region, entity, left, right)
        return _merge_page(planned, choice, error=_problems(error.problems), status=422)
    if not all(may(kind, record) for kind, record in planned.moved):
        say(
            gettext(
                "Offers or places outside of your area depend on it. Please ask somebody who may change them."
            ),
            "wrong",
        )
        return redirect(url_for("admin.duplicates", entity=entity), code=303)
    action = request.form.get("action", "")
    if request.method == "GET" or action not in ("preview", "merge"):
        return _merge_page(planned, choice)
    if action == "preview":
        if problems := editing.entry_problems(session, region, entity, planned.record):
            return _merge_page(planned, choice, error=_problems(problems), status=422)
        return _merge_page(planned, choice, preview=True)
    if _loses(planned):
        return _merge_page(planned, choice, preview=True, status=422)
    hashes = (request.form.get("left_hash", ""), request.form.get("right_hash", ""))
    now = portal.now()
    try:
        domain.merge(session, region, entity, left, right, choice, hashes=hashes, author=me(), now=now)
    except Conflict:
        session.rollback()
        fresh = domain.planned_merge(session, region, entity, left, right, choice)
        error_text = gettext(
            "Somebody changed one of the two meanwhile. Nothing was written. Please look again."
        )
        return _merge_page(fresh, choice, error=error_text, preview=True, status=409)
    except StillUsed:
        session.rollback()
        fresh = domain.planned_merge(session, region, entity, left, right, choice)
        error_text = gettext(
            "“%(name)s” is needed by the settings of the region, so it has to be the one that stays. Please swap the two.",
            name=fresh.right.record.name,
        )  # fmt: skip
        return _merge_page(fresh, choice, error=error_text, status=409)
    except InvalidEntry as error:
        session.rollback()
        fresh = domain.planned_merge(session, region, entity, left, right)
        return _merge_page(fresh, choice, error=_problems(error.problems), status=422)
    if entity == "organization":
        _move_people(session, planned.right.id, planned.left.id)
    referrals.merged(session, entity, gone=planned.right.id, stays=planned.left.id)
    audit.record(
        session, f"{entity}.merged", now=now, actor=me(), region=region, entity=entity,
        entity_id=planned.left.id, entity_name=planned.left.record.name, other=str(planned.right.id),
        other_slug=right, moved=len(planned.moved),
    )  # fmt: skip
    forms.discard(session, me().user.id, request.path)
    session.commit()
    say(
        gettext(
            "“%(right)s” is now part of “%(left)s”.",
            right=planned.right.record.name,
            left=planned.left.record.name,
        )
    )
    return redirect(url_for("admin.duplicates", entity=entity), code=303)


def _loses(planned: Merge) -> losing.Question | None:
    """Whether the one that stays no longer takes in whom the two took in before."""
    if planned.left.entity != "service":
        return None
    return losing.open_question({planned.left.slug: planned.record, planned.right.slug: None})


def _problems(problems: Sequence[EntryProblem]) -> str:
    return " ".join(
        f"{field_label(problem.field.split('.')[0])}: {problem_words(problem)}" for problem in problems
    )


def _move_people(session: Session, old: UUID, new: UUID) -> None:
    """Editors and counsellors of the organization that is gone go on with the other one."""
    grants = session.execute(select(RoleGrant).where(col(RoleGrant.organization_id) == old)).scalars()
    for grant in list(grants):
        there = session.execute(
            select(RoleGrant).where(
                col(RoleGrant.user_id) == grant.user_id,
                col(RoleGrant.role) == grant.role,
                col(RoleGrant.area) == grant.area,
                col(RoleGrant.organization_id) == new,
            )
        ).first()
        if there is None:
            grant.organization_id = new
            session.add(grant)
        else:
            session.delete(grant)
    session.flush()


def _merge_page(
    planned: Merge, choice: Mapping[str, str], *, error: str = "", preview: bool = False, status: int = 200
) -> Response:  # fmt: skip
    session = current_session()
    left, right = planned.left, planned.right
    entity = left.entity
    fields = []
    for found in planned.fields:
        side = choice.get(found.name, found.usual)
        options = [
            ("left", left.record.name, found.left),
            ("right", right.record.name, found.right),
        ]
        if found.both and found.left and found.right:
            options.append(("both", gettext("Both together"), None))
        fields.append(
            FieldChoice(
                found.name,
                label(found.name),
                tuple(
                    Option(
                        value,
                        title,
                        tuple(readable.lines(session, found.name, content)) if value != "both" else (),
                        value == side,
                    )
                    for value, title, content in options
                ),
            )
        )
    return render(
        "admin/duplicates_merge.html",
        status=status,
        error=error,
        entity=entity,
        left=left,
        right=right,
        fields=fields,
        preview=preview,
        asked=_loses(planned) if preview else None,
        chosen=[(found.name, choice.get(found.name, found.usual)) for found in planned.fields],
        changes=differences.compared(session, editing.plain(left.record), editing.plain(planned.record))
        if preview
        else [],
        moved=[MovedLine(gettext(TITLES[kind]), record.name) for kind, record in planned.moved],
        moved_words=ngettext(
            "%(num)s entry moves to the one that stays:",
            "%(num)s entries move to the one that stays:",
            len(planned.moved),
        ),
        own=url_for("admin.merge_entries", entity=entity, left=left.slug, right=right.slug),
        swapped=url_for("admin.merge_entries", entity=entity, left=right.slug, right=left.slug),
        is_location=entity == "location",
    )


# Contacts.


@dataclass(frozen=True, slots=True)
class ContactRow:
    url: str
    name: str
    title: str
    email: str
    phones: str
    offers: int
    spellings: int


@needs(Permission.EDIT)
def contacts_shared() -> Response:
    query = request.args.get("q", "").strip()
    words = query.casefold().split()
    found = [one for one in _own_contacts() if all(word in _text_of(one) for word in words)]
    paging = Paging.read(len(found))
    return render(
        "admin/contacts_shared.html",
        fragment="list",
        query=query,
        number=len(found),
        rows=[
            ContactRow(
                url_for("admin.contact_shared", key=one.key),
                one.name or one.department or one.title or one.email or ", ".join(one.phones),
                one.title,
                one.email,
                ", ".join(one.phones),
                len(one.uses),
                one.spellings,
            )
            for one in found[paging.offset : paging.offset + paging.size]
        ],
        paging=paging,
    )


def _text_of(one: SharedContact) -> str:
    parts = (
        one.name,
        one.title,
        one.department,
        one.email,
        *one.phones,
        *(use.organization for use in one.uses),
    )
    return " ".join(parts).casefold()


def _own_contacts() -> list[SharedContact]:
    """Of offers that the user may change, at least one of them."""
    found = domain.shared_contacts(current_session(), current_portal().region.slug)
    if me().powers.may_everywhere(Permission.EDIT):
        return found
    own = _own_slugs({use.slug for one in found for use in one.uses})
    return [one for one in found if any(use.slug in own for use in one.uses)]


def _own_slugs(slugs: Collection[str]) -> set[str]:
    region = current_portal().region.slug
    ids = [entity_id(region, "service", slug) for slug in sorted(slugs)]
    entries = editing.entries(current_session(), region, "service", ids)
    return {entry.slug for entry in entries if may("service", entry.record)}


@dataclass(slots=True)
class Typed:
    """A field for the form macros."""

    name: str
    data: str
    errors: list[str]

    @property
    def id(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True)
class OfferTick:
    slug: str
    name: str
    organization: str
    chosen: bool


@dataclass(frozen=True, slots=True)
class OfferChange:
    slug: str
    name: str
    hash: str
    changes: tuple[Changed, ...]


_TEXTS = ("name", "title", "department", "email")


@needs(Permission.EDIT)
def contact_shared(key: str) -> BaseResponse:
    portal, session = current_portal(), current_session()
    region = portal.region.slug
    one = next((found for found in _own_contacts() if found.key == key), None)
    if one is None:
        abort(404)
    own = _own_slugs({use.slug for use in one.uses})
    if request.method == "GET":
        before = typed_before()
        if before is None:
            return _contact_page(one, own, _as_it_is(one, region, session), own)
        form = {name: Typed(name, before.get(name, ""), []) for name in (*_TEXTS, "phones")}
        return _contact_page(one, own, form, set(before.getlist("service")) & own)
    form = {name: Typed(name, request.form.get(name, "").strip(), []) for name in (*_TEXTS, "phones")}
    chosen = set(request.form.getlist("service")) & own
    values: dict[str, Any] = {name: form[name].data or None for name in _TEXTS}
    try:
        values["phones"] = spreadsheets.read_cell("items", "phones", form["phones"].data)
    except spreadsheets.BadCell as bad:
        form["phones"].errors.append(fault_words(EntryProblem("phones", bad.code, bad.code, bad.values)))
        return _contact_page(one, own, form, chosen, status=422)
    if not chosen:
        return _contact_page(
            one, own, form, chosen, error=gettext("Please tick at least one offer."), status=422
        )
    if not any(values.values()):
        return _contact_page(
            one, own, form, chosen, error=gettext("A contact needs at least one of these."), status=422
        )
    try:
        planned = domain.planned_contact(session, region, key, values, chosen)
    except InvalidEntry as error:
        return _refused_contact(one, own, form, chosen, error)
    hashes = {
        name.removeprefix("hash-"): value for name, value in request.form.items() if name.startswith("hash-")
    }
    seen = _digest(values, chosen)
    if request.form.get("action") != "save" or not hashes or request.form.get("seen") != seen:
        # Also when somebody typed on after the preview: only what was seen is written.
        if not planned:
            return _contact_page(one, own, form, chosen, error=gettext("Nothing would change."), status=422)
        return _contact_page(one, own, form, chosen, planned=planned, seen=seen)
    now = portal.now()
    try:
        changes = domain.change_contact(
            session, region, key, values, {slug: hashes.get(slug, "") for slug in chosen if slug in hashes},
            author=me(), now=now, may=may, comment=gettext("Contact changed in several offers"),
        )  # fmt: skip
    except Conflict:
        session.rollback()
        text = gettext(
            "Somebody changed one of these offers meanwhile. Nothing was written. Please look again."
        )
        return _contact_page(one, own, form, chosen, planned=planned, seen=seen, error=text, status=409)
    for change in changes:
        audit.record(
            session, "service.saved", now=now, actor=me(), region=region, entity="service",
            entity_id=change.before.id, entity_name=change.record.name, fields=["contacts"],
        )  # fmt: skip
    forms.discard(session, me().user.id, request.path)
    session.commit()
    say(
        ngettext(
            "The contact is changed in %(num)s offer.",
            "The contact is changed in %(num)s offers.",
            len(changes),
        )
    )
    return redirect(url_for("admin.contacts_shared"), code=303)


def _digest(values: Mapping[str, Any], chosen: Collection[str]) -> str:
    return hashlib.sha256(json.dumps([dict(values), sorted(chosen)]).encode()).hexdigest()[:32]


def _refused_contact(
    one: SharedContact, own: Collection[str], form: dict[str, Typed], chosen: Collection[str], error: InvalidEntry
) -> Response:  # fmt: skip
    rest = []
    for problem in error.problems:
        head = problem.field.split(".")[0]
        words = problem_words(problem)
        if head not in form:
            rest.append(words)
        elif words not in form[head].errors:
            form[head].errors.append(words)
    summary = " ".join(rest) or gettext("Please look at the fields that are marked.")
    return _contact_page(one, own, form, chosen, error=summary, status=422)


def _as_it_is(one: SharedContact, region: str, session: Session) -> dict[str, Typed]:
    """The first of them, in the notation of the tables."""
    entry = editing.entry(session, region, "service", one.uses[0].slug)
    contact = next(found for found in entry.record.contacts if domain.contact_key(found) == one.key)
    phones = spreadsheets.items_text("phones", editing.plain(contact)["phones"])
    texts = {"name": one.name, "title": one.title, "department": one.department, "email": one.email}
    return {name: Typed(name, text, []) for name, text in {**texts, "phones": phones}.items()}


def _contact_page(
    one: SharedContact,
    own: Collection[str],
    form: Mapping[str, Typed],
    chosen: Collection[str],
    *,
    planned: Sequence[domain.ContactChange] = (),
    seen: str = "",
    error: str = "",
    status: int = 200,
) -> Response:
    session = current_session()
    return render(
        "admin/contacts_shared_edit.html",
        status=status,
        error=error,
        form=form,
        key=one.key,
        seen=seen,
        spellings=one.spellings,
        offers=[
            OfferTick(use.slug, use.name, use.organization, use.slug in chosen)
            for use in one.uses
            if use.slug in own
        ],
        foreign=len([use for use in one.uses if use.slug not in own]),
        planned=[
            OfferChange(
                change.before.slug,
                change.record.name,
                change.before.hash,
                tuple(
                    differences.compared(
                        session, editing.plain(change.before.record), editing.plain(change.record)
                    )
                ),
            )
            for change in planned
        ],
    )
