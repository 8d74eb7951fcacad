"""What editors and organizations propose: read, accept whole or in part, or refuse with a reason."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from flask import Blueprint, Response, abort, current_app, redirect, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from portal.accounts import audit, forms
from portal.accounts.models import User
from portal.accounts.permissions import Permission
from portal.catalogue import editing, proposals
from portal.catalogue.editing import Entry, InvalidEntry, MergedField, SlugTaken, StillUsed
from portal.catalogue.models import Proposal, entity_id
from portal.catalogue.proposals import AlreadyDecided
from portal.web.admin import differences, losing
from portal.web.admin.editing import readable
from portal.web.admin.editing.wording import label, problem_words
from portal.web.admin.guard import may_for_organization, me, needs, typed_before
from portal.web.admin.letters import Letters
from portal.web.admin.lists import reason
from portal.web.admin.rendering import render, say
from portal.web.admin.times import moment
from portal.web.current import current_portal
from portal.web.database import current_session
from portal.web.texts import N_, gettext


def register(bp: Blueprint) -> None:
    bp.add_url_rule("/review", "review", review)
    bp.add_url_rule("/review/<uuid:proposal_id>", "review_proposal", review_proposal, methods=["GET", "POST"])


WISHES: Mapping[str, str] = {
    "change": N_("Change"),
    "create": N_("New entry"),
    "archive": N_("No longer exists"),
}
SOURCES: Mapping[str, str] = {
    "editor": N_("proposed here"),
    "confirmation": N_("by the link in a mail"),
    "import": N_("from an import"),
}
ENTITIES: Mapping[str, str] = {
    "service": N_("Offer"),
    "organization": N_("Organization"),
    "location": N_("Place"),
}


@dataclass(frozen=True, slots=True)
class QueueLine:
    name: str
    entity: str
    wish: str
    who: str
    source: str
    at: str
    comment: str
    url: str


def may_decide(proposal: Proposal) -> bool:
    """Of the entry as it is proposed; what an entry serves now is checked again before it is written."""
    if proposal.entity == "organization":
        return may_for_organization(proposal.entity_id, Permission.EDIT)
    record = proposal.record
    areas = record.get("service_areas") if proposal.entity == "service" else [record.get("place")]
    return me().powers.may_for(
        Permission.EDIT,
        organization_id=_owner(proposal),
        areas=[area for area in areas or () if area is not None],
    )


def _owner(proposal: Proposal) -> UUID | None:
    slug = proposal.record.get("organization")
    return entity_id(proposal.region, "organization", slug) if slug else proposal.organization_id


def may_decide_now(proposal: Proposal, current: Entry | None) -> bool:
    if current is None or proposal.entity == "organization":
        return may_decide(proposal)
    record = editing.plain(current.record)
    areas: Sequence[str | None] = (
        record["service_areas"] if proposal.entity == "service" else [record.get("place")]
    )
    return may_decide(proposal) and me().powers.may_for(
        Permission.EDIT,
        organization_id=current.row.organization_id,
        areas=[area for area in areas if area is not None],
    )


def queue() -> list[Proposal]:
    """Those this person may decide, the oldest first."""
    waiting = proposals.waiting(current_session(), current_portal().region.slug)
    return [proposal for proposal in waiting if may_decide(proposal)]


@needs(Permission.EDIT)
def review() -> Response:
    return render("admin/review.html", lines=[_queue_line(proposal) for proposal in queue()])


def _queue_line(proposal: Proposal) -> QueueLine:
    return QueueLine(
        str(proposal.record.get("name") or proposal.slug),
        gettext(ENTITIES[proposal.entity]),
        gettext(WISHES[wish_of(proposal)]),
        author_of(proposal),
        gettext(SOURCES.get(proposal.source, proposal.source)),
        moment(proposal.made_at),
        proposal.comment,
        url_for("admin.review_proposal", proposal_id=proposal.id),
    )


def wish_of(proposal: Proposal) -> str:
    return "create" if proposal.wish == "change" and proposal.base_hash is None else proposal.wish


def author_of(proposal: Proposal) -> str:
    return proposal.author_name or gettext("somebody at the organization")


@dataclass(frozen=True, slots=True)
class FieldLine:
    name: str
    label: str
    change: differences.Changed
    """From what stands there now to what is proposed."""
    clash: bool
    since: differences.Changed | None
    """What somebody else changed in the same field meanwhile."""
    chosen: bool


@needs(Permission.EDIT)
def review_proposal(proposal_id: UUID) -> BaseResponse:
    session = current_session()
    proposal = session.get(Proposal, proposal_id)
    if proposal is None or proposal.region != current_portal().region.slug or proposal.state == "draft":
        abort(404)
    if request.method == "POST":
        # From here to the commit nobody else saves, so that what is compared is what is replaced.
        editing.lock(session, proposal.region)
    values, fields, current = proposals.merged(session, proposal)
    if not may_decide_now(proposal, current):
        abort(404)
    if request.method == "GET":
        return _page(proposal, fields, current)
    try:
        return _decide(proposal, values, fields, current)
    except AlreadyDecided:
        session.rollback()
        decided = session.get(Proposal, proposal_id, populate_existing=True)
        say(_already(decided) if decided else gettext("It has been decided already."), "info")
        return redirect(url_for("admin.review"), code=303)


def _already(proposal: Proposal) -> str:
    at = moment(proposal.decided_at)
    if proposal.state == "withdrawn":
        return gettext("The proposal was taken back on %(at)s. Nothing is left to decide.", at=at)
    if proposal.state == "accepted":
        return gettext("%(name)s has accepted it already, on %(at)s.", name=proposal.decided_name, at=at)
    return gettext("%(name)s has refused it already, on %(at)s.", name=proposal.decided_name, at=at)


def _decide(
    proposal: Proposal, values: dict[str, Any], fields: list[MergedField], current: Entry | None
) -> BaseResponse:
    session, now = current_session(), current_portal().now()
    comment = request.form.get("comment", "").strip()[:1000]
    decision = request.form.get("decision", "")
    if decision == "reject":
        if not comment:
            return _page(
                proposal,
                fields,
                current,
                problems=[gettext("Please say why, so that the author can do better.")],
            )
        proposals.reject(session, proposal, by=me(), now=now, comment=comment)
        return _decided(proposal, "rejected", comment)
    if decision != "accept":
        return _page(proposal, fields, current, problems=[gettext("Please choose: accept or refuse.")])
    if proposal.state != "in_review":
        raise AlreadyDecided(proposal.state)
    if request.form.get("seen", "") != (current.hash if current else ""):
        return _page(
            proposal, fields, current,
            problems=[gettext("Somebody has just changed the entry. Please look at the changes once more.")],
        )  # fmt: skip
    record = None
    if wish_of(proposal) != "archive":
        if fields and current is not None and not any(_is_taken(field) for field in fields):
            return _page(
                proposal, fields, current,
                problems=[gettext("No change is ticked. Tick at least one, or refuse the proposal.")],
            )  # fmt: skip
        record = _settled(values, fields, current)
    if asked := _loses(proposal, record, current):
        return _page(proposal, fields, current, asked=asked)
    try:
        saved = proposals.accept(session, proposal, by=me(), now=now, record=record, comment=comment)
    except InvalidEntry as error:
        session.rollback()
        found = [f"{label(problem.field)}: {problem_words(problem)}" for problem in error.problems]
        return _page(proposal, fields, current, problems=list(dict.fromkeys(found)))
    except StillUsed as error:
        session.rollback()
        return _page(proposal, fields, current, problems=[reason(error, proposal.entity)])
    except SlugTaken:
        session.rollback()
        return _page(
            proposal, fields, current, problems=[gettext("An entry with this name is there already.")]
        )
    return _decided(proposal, "accepted", comment, fields=list(saved.fields))


def _loses(
    proposal: Proposal, record: dict[str, Any] | None, current: Entry | None
) -> losing.Question | None:
    """Whether accepting takes somebody's last desk away."""
    if proposal.entity != "service" or current is None:
        return None
    if record is None:
        return losing.open_question({current.slug: None})
    try:
        wanted = editing.parsed("service", record)
    except InvalidEntry:
        return None  # It will not be saved.
    return losing.open_question({current.slug: wanted})


def _is_taken(field: MergedField) -> bool:
    return request.form.get(f"take-{field.name}") == "yes"


def _settled(values: dict[str, Any], fields: list[MergedField], current: Entry | None) -> dict[str, Any]:
    """The record to write: of an entry that is there only the ticked changes."""
    record = dict(values)
    if current is not None:
        for field in fields:
            record[field.name] = field.mine if _is_taken(field) else field.theirs
    if request.form.get("publish") == "yes" and "status" in record:
        record["status"] = "published"
    return record


def _decided(proposal: Proposal, state: str, comment: str, **details: Any) -> BaseResponse:
    session, now = current_session(), current_portal().now()
    name = str(proposal.record.get("name") or proposal.slug)
    audit.record(
        session, f"proposal.{state}", now=now, actor=me(), region=proposal.region, entity=proposal.entity,
        entity_id=proposal.entity_id, entity_name=name, wish=wish_of(proposal), **details,
    )  # fmt: skip
    written = _tell_author(proposal, name, comment)
    forms.discard(session, me().user.id, request.path)
    session.commit()
    if written:
        letters: Letters = current_app.extensions["letters"]
        letters.deliver_soon()
    words = gettext("Accepted.") if state == "accepted" else gettext("Refused.")
    told = gettext("%(name)s gets a mail about it.", name=proposal.author_name) if written else ""
    say(f"{words} {told}".strip())
    return redirect(url_for("admin.review"), code=303)


def _tell_author(proposal: Proposal, name: str, comment: str) -> bool:
    session = current_session()
    author = session.get(User, proposal.author_id) if proposal.author_id else None
    if author is None or author.disabled_at is not None or author.id == me().user.id:
        return False
    letters: Letters = current_app.extensions["letters"]
    found = editing.entries(session, proposal.region, proposal.entity, [proposal.entity_id])
    return letters.write(
        session,
        "proposal_decided",
        key=f"proposal:{proposal.id}",
        recipient=author.email,
        language=author.language,
        now=current_portal().now(),
        name=author.name,
        entry=name,
        accepted=proposal.state == "accepted",
        comment=comment,
        decided_by=me().name,
        link=letters.address(url_for(f"admin.edit_{proposal.entity}", slug=proposal.slug)) if found else "",
    )


def _page(
    proposal: Proposal,
    fields: list[MergedField],
    current: Entry | None,
    *,
    problems: list[str] | None = None,
    asked: losing.Question | None = None,
) -> Response:
    session = current_session()
    wish = wish_of(proposal)
    is_open = proposal.state == "in_review"
    posted = request.method == "POST"
    lines = []
    if wish != "archive" and is_open:
        for field in fields:
            lines.append(
                FieldLine(
                    field.name,
                    label(field.name),
                    differences.changed(session, field.name, field.theirs, field.mine),
                    field.clash,
                    differences.changed(session, field.name, field.base, field.theirs)
                    if field.clash and current is not None
                    else None,
                    _is_taken(field) if posted else True,
                )
            )
    return render(
        "admin/review_proposal.html",
        status=422 if problems or asked else 200,
        asked=asked,
        proposal=proposal,
        name=str(proposal.record.get("name") or proposal.slug),
        wish=wish,
        wish_words=gettext(WISHES[wish]),
        entity=gettext(ENTITIES[proposal.entity]),
        who=author_of(proposal),
        source=gettext(SOURCES.get(proposal.source, proposal.source)),
        at=moment(proposal.made_at),
        lines=lines,
        done=differences.compared(session, proposal.base, proposal.record)
        if not is_open and wish == "change"
        else [],
        facts=[
            (label(name), found)
            for name, value in proposal.record.items()
            if name != "slug" and (found := readable.lines(session, name, value))
        ]
        if wish != "change" or (current is None and is_open)
        else [],
        is_open=is_open,
        already=_already(proposal) if not is_open else "",
        seen=current.hash if current else "",
        edit=url_for(f"admin.edit_{proposal.entity}", slug=current.slug) if current else "",
        history=url_for("admin.history", entity=proposal.entity, slug=proposal.slug) if current else "",
        clashes=any(line.clash for line in lines) and current is not None,
        choosable=current is not None,
        may_publish=wish == "create" and proposal.record.get("status") == "draft",
        problems=problems or [],
        comment=(typed_before() or request.form).get("comment", ""),
        publish=request.form.get("publish") == "yes" or not posted,
    )
