"""Who changed what in an entry, when and why; any two states beside each other, and the way back."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from flask import Blueprint, Response, abort, redirect, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from portal.accounts import audit
from portal.accounts.permissions import Permission
from portal.catalogue import editing
from portal.catalogue.editing import InvalidEntry
from portal.catalogue.models import EntryVersion, Status, entity_id
from portal.web.admin import differences, losing
from portal.web.admin.editing import readable
from portal.web.admin.editing.wording import label, problem_words
from portal.web.admin.guard import may_for_organization, me, needs
from portal.web.admin.lists import STATE_NAMES
from portal.web.admin.rendering import render, say
from portal.web.admin.times import moment
from portal.web.current import current_portal
from portal.web.database import current_session
from portal.web.texts import N_, gettext, listing

_ENTITIES = "any(service,organization,location)"


def register(bp: Blueprint) -> None:
    bp.add_url_rule(f"/<{_ENTITIES}:entity>/<slug>/history", "history", history)
    bp.add_url_rule(
        f"/<{_ENTITIES}:entity>/<slug>/history/<int:number>", "version", version, methods=["GET", "POST"]
    )


CAUSES: Mapping[str, str] = {
    "before": N_("As it was before the first change here"),
    "loaded": N_("Changed in the content files"),
    "created": N_("New"),
    "edited": N_("Changed"),
    "published": N_("Published"),
    "withdrawn": N_("Made a draft again"),
    "archived": N_("Archived"),
    "restored": N_("An older version put back"),
    "merged": N_("Merged"),
    "imported": N_("Imported"),
    "confirmed": N_("Confirmed by the organization"),
    "accepted": N_("Proposal accepted"),
}


@dataclass(frozen=True, slots=True)
class Subject:
    """An entry with its history, also one that is gone."""

    entity: str
    slug: str
    name: str
    current: editing.Entry | None
    versions: Sequence[EntryVersion]
    may_restore: bool

    def version(self, number: int) -> EntryVersion:
        found = next((found for found in self.versions if found.number == number), None)
        if found is None:
            abort(404)
        return found


def subject_or_404(entity: str, slug: str) -> Subject:
    portal, session = current_portal(), current_session()
    region = portal.region.slug
    id_ = entity_id(region, entity, slug)
    found = editing.entries(session, region, entity, [id_])
    current = found[0] if found else None
    versions = editing.versions(session, id_)
    if current is None and not versions:
        abort(404)
    record = editing.plain(current.record) if current else versions[0].record
    if not _may(Permission.SEE_CATALOGUE, region, entity, id_, record):
        abort(404)
    return Subject(
        entity,
        slug,
        str(record["name"]),
        current,
        versions,
        may_restore=_may(Permission.EDIT, region, entity, id_, record),
    )


def _may(permission: Permission, region: str, entity: str, id_: UUID, record: Mapping[str, Any]) -> bool:
    if entity == "organization":
        return may_for_organization(id_, permission)
    owner = entity_id(region, "organization", record["organization"])
    areas = record["service_areas"] if entity == "service" else [record.get("place")]
    return me().powers.may_for(
        permission, organization_id=owner, areas=[area for area in areas if area is not None]
    )


def edit_url(subject: Subject) -> str:
    return url_for(f"admin.edit_{subject.entity}", slug=subject.slug) if subject.current else ""


@dataclass(frozen=True, slots=True)
class VersionLine:
    number: int
    at: str
    who: str
    cause: str
    state: str
    comment: str
    fields: str
    url: str


def _line(subject: Subject, found: EntryVersion) -> VersionLine:
    return VersionLine(
        found.number,
        moment(found.at),
        author_of(found),
        gettext(CAUSES.get(found.cause, found.cause)),
        state_words(found),
        found.comment,
        # A new entry has all fields at once; naming them says nothing.
        "" if found.cause == "created" else listing([label(field) for field in found.fields]),
        url_for("admin.version", entity=subject.entity, slug=subject.slug, number=found.number),
    )


def state_words(found: EntryVersion) -> str:
    return gettext(STATE_NAMES[found.status]) if found.status and found.status in STATE_NAMES else ""


def author_of(found: EntryVersion) -> str:
    if found.author_name:
        return found.author_name
    if found.cause in ("before", "loaded"):
        return gettext("The content files")
    return gettext("the organization, by the link in a mail") if found.cause == "confirmed" else "–"


@needs(Permission.SEE_CATALOGUE)
def history(entity: str, slug: str) -> Response:
    subject = subject_or_404(entity, slug)
    numbers = {found.number for found in subject.versions}
    old, new = (_number(request.args.get(name)) for name in ("old", "new"))
    shown = old in numbers and new in numbers and old != new
    changes: list[differences.Changed] = []
    if shown and old is not None and new is not None:
        old, new = min(old, new), max(old, new)
        changes = _between(subject.version(old), subject.version(new))
    newest = max(numbers, default=0)
    return render(
        "admin/history.html",
        subject=subject,
        lines=[_line(subject, found) for found in subject.versions],
        back=edit_url(subject),
        old=old if old in numbers else max(newest - 1, min(numbers, default=0)),
        new=new if new in numbers else newest,
        shown=shown,
        changes=changes,
    )


def _number(text: str | None) -> int | None:
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 8 else None


def _between(old: EntryVersion, new: EntryVersion) -> list[differences.Changed]:
    """Also the state, which archived entries have beside their record."""
    session = current_session()
    changes = differences.compared(session, old.record, new.record)
    if old.status == new.status:
        return changes
    found = [change for change in changes if change.field != "status"]
    words = [[text] if (text := state_words(one)) else [] for one in (old, new)]
    return [
        differences.Changed("status", label("status"), tuple(differences.line_pieces(*words))),
        *found,
    ]


@needs(Permission.SEE_CATALOGUE)
def version(entity: str, slug: str, number: int) -> BaseResponse:
    """What an entry said then, and what would change by putting it back."""
    subject = subject_or_404(entity, slug)
    found = subject.version(number)
    if request.method == "GET":
        return _version_page(subject, found)
    if not subject.may_restore:
        abort(403)
    session, now = current_session(), current_portal().now()
    comment = request.form.get("comment", "").strip()[:500]
    if asked := _loses(subject, found):
        return _version_page(subject, found, asked=asked, comment=comment)
    try:
        saved = editing.restore(
            session, current_portal().region.slug, found, author=me(), now=now, comment=comment
        )
    except InvalidEntry as error:
        session.rollback()
        return _version_page(subject, found, error=error, comment=comment)
    audit.record(
        session, f"{entity}.restored", now=now, actor=me(), region=current_portal().region.slug, entity=entity,
        entity_id=saved.entry.id, entity_name=str(saved.entry.record.name), version=number,
        fields=list(saved.fields),
    )  # fmt: skip
    session.commit()
    if saved.fields or subject.current is None:
        say(gettext("The entry says again what it said in version %(number)s.", number=number))
    else:
        say(gettext("The entry says just that already. Nothing was changed."), "info")
    return redirect(url_for("admin.history", entity=entity, slug=slug), code=303)


def _loses(subject: Subject, found: EntryVersion) -> losing.Question | None:
    """Whether the older version takes somebody's last desk away."""
    if subject.entity != "service" or subject.current is None:
        return None
    try:
        record = editing.parsed("service", {**found.record, "status": subject.current.status})
    except InvalidEntry:
        return None  # It will not be put back.
    return losing.open_question({subject.slug: record})


def _version_page(
    subject: Subject,
    found: EntryVersion,
    *,
    error: InvalidEntry | None = None,
    asked: losing.Question | None = None,
    comment: str = "",
) -> Response:
    session = current_session()
    record = dict(found.record)
    now: Mapping[str, Any] = editing.plain(subject.current.record) if subject.current else {}
    if subject.current is not None and "status" in record:
        # Putting back leaves the state as it is.
        record["status"] = now["status"]
    by_number = {one.number: one for one in subject.versions}
    before = by_number.get(found.number - 1)
    return render(
        "admin/history_version.html",
        status=422 if error or asked else 200,
        asked=asked,
        subject=subject,
        line=_line(subject, found),
        since=_between(before, found) if before else [],
        facts=[
            (label(field), lines)
            for field, value in found.record.items()
            if field != "slug" and (lines := readable.lines(session, field, value))
        ],
        changes=differences.compared(session, now, record),
        archived=subject.current is not None and subject.current.status == Status.ARCHIVED,
        is_gone=subject.current is None,
        problems=[f"{label(problem.field)}: {problem_words(problem)}" for problem in error.problems]
        if error
        else [],
        comment=comment,
        latest=found.number == max(by_number),
    )
