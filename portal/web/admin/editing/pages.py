"""The addresses of the edit pages: look, add a row, preview, save, propose, decide about the state, merge."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Literal
from uuid import UUID

from flask import Blueprint, Response, abort, current_app, g, redirect, request, url_for
from sqlmodel import Session
from werkzeug.exceptions import NotFound
from werkzeug.routing import BuildError
from werkzeug.wrappers import Response as BaseResponse

from portal.accounts import audit, forms
from portal.accounts.permissions import Permission
from portal.catalogue import editing, models, proposals
from portal.catalogue.editing import (
    Conflict,
    Entry,
    EntryProblem,
    InvalidEntry,
    MergedField,
    SlugTaken,
    StillUsed,
)
from portal.catalogue.models import Proposal, Status, entity_id
from portal.web.admin import guard, losing
from portal.web.admin.editing import choices, fitting, preview, readable
from portal.web.admin.editing.entries import FORMS, EntryForm, field_of
from portal.web.admin.editing.hours_form import KINDS, WEEKS, sentence, weekly, weekly_sentence
from portal.web.admin.editing.tree import (
    Node,
    Shown,
    at,
    below,
    by_field,
    flat,
    nested,
    renumbered,
    rows,
    text,
)
from portal.web.admin.editing.wording import LABELS, label, problem_words, worded
from portal.web.admin.guard import me, needs
from portal.web.admin.rendering import render, say
from portal.web.current import current_portal
from portal.web.database import current_session
from portal.web.texts import N_, clock, day, gettext, weekday

Slugged = Literal["service", "organization", "location"]
ENDPOINTS: Mapping[str, str] = {
    "service": "admin.edit_service",
    "organization": "admin.edit_organization",
    "location": "admin.edit_location",
}
NEW = {
    "service": N_("New offer"),
    "organization": N_("New organization"),
    "location": N_("New place"),
}
_LARGEST_MERGE = 400_000
_MOST_ORGANIZATIONS = 400
"""More are not put into a list to choose from."""


def register(bp: Blueprint) -> None:
    bp.add_url_rule("/services/new", "new_service", new_service, methods=["GET", "POST"])
    bp.add_url_rule("/services/preview", "preview_service", preview_service, methods=["POST"])
    bp.add_url_rule("/services/<slug>", "edit_service", edit_service, methods=["GET", "POST"])
    bp.add_url_rule("/organizations/new", "new_organization", new_organization, methods=["GET", "POST"])
    bp.add_url_rule("/organizations/<slug>", "edit_organization", edit_organization, methods=["GET", "POST"])
    bp.add_url_rule("/locations/new", "new_location", new_location, methods=["GET", "POST"])
    bp.add_url_rule("/locations/<slug>", "edit_location", edit_location, methods=["GET", "POST"])
    bp.add_url_rule("/keep-form", "keep_form", keep_form, methods=["POST"])


@needs(Permission.SEE_CATALOGUE)
def edit_service(slug: str) -> BaseResponse:
    return Page.of("service", slug).answer()


@needs(Permission.SEE_CATALOGUE)
def new_service() -> BaseResponse:
    return Page.new("service").answer()


@needs(Permission.SEE_CATALOGUE)
def edit_organization(slug: str) -> BaseResponse:
    return Page.of("organization", slug).answer()


@needs(Permission.EDIT)
def new_organization() -> BaseResponse:
    return Page.new("organization").answer()


@needs(Permission.SEE_CATALOGUE)
def edit_location(slug: str) -> BaseResponse:
    return Page.of("location", slug).answer()


@needs(Permission.SEE_CATALOGUE)
def new_location() -> BaseResponse:
    return Page.new("location").answer()


@needs(Permission.SIGN_IN)
def keep_form() -> BaseResponse:
    """What is being typed, every few seconds; or let go of it."""
    if request.form.get("action") == "discard":
        forms.discard(current_session(), me().user.id, guard.form_page())
        current_session().commit()
        return redirect(guard.safe_path(request.form.get("back", "")) or guard.form_page(), code=303)
    kept = guard.keep_typed()
    return Response(status=204 if kept else 422)


@needs(Permission.SEE_CATALOGUE)
def preview_service() -> BaseResponse:
    """The public page of what is being typed, for the frame beside the form."""
    tree = nested(request.form.items(multi=True))
    html = _preview(tree)
    if html is None:
        return Response(gettext("Please choose the organization first."), status=422, mimetype="text/plain")
    response = Response(html, content_type="text/html; charset=utf-8")
    # Should anybody open the answer by itself: nothing in it may run.
    response.headers["Content-Security-Policy"] = (
        f"default-src 'none'; img-src 'self'; style-src {preview.style_source()}; "
        "form-action 'none'; base-uri 'none'; frame-ancestors 'self'; sandbox"
    )
    return response


def _preview(tree: Node) -> str | None:
    """What the form does not hold (when it was confirmed) comes from the saved entry. Leaves `tree` alone."""
    values, _problems = FORMS["service"].to_values(_copy(tree))
    if not _may_preview(values):
        return None
    slug = text(tree, "entry")
    saved: dict[str, Any] = {}
    if slug:
        try:
            current = Page.of("service", slug).current
            saved = editing.plain(current.record) if current else {}
        except NotFound:
            return None
    return preview.service_page({**saved, **values}, slug=slug)


def _may_preview(values: Mapping[str, Any]) -> bool:
    id_ = entity_id(current_portal().region.slug, "organization", str(values.get("organization")))
    powers = me().powers
    return any(
        powers.may_for(permission, organization_id=id_, areas=values.get("service_areas") or ())
        for permission in (Permission.EDIT, Permission.PROPOSE)
    ) or (powers.may(Permission.EDIT) and powers.organizations(Permission.EDIT) is None)


@dataclass(slots=True)
class Page:
    """One entry, one user, one request."""

    entity: Slugged
    current: Entry | None
    may_edit: bool
    """At once; otherwise what is saved goes to a review."""
    proposal: Proposal | None = None
    """The user's own that is open, or was refused last."""

    # Which entry, and what may the user do with it?

    @classmethod
    def of(cls, entity: Slugged, slug: str) -> "Page":
        try:
            return cls._opened(entity, slug, Permission.EDIT, may_edit=True)
        except NotFound:
            pass
        try:
            return cls._opened(entity, slug, Permission.PROPOSE, may_edit=False)
        except NotFound:
            id_ = entity_id(current_portal().region.slug, entity, slug)
            own = _own_proposal(current_session(), id_)
            if own is None or own.wish != "create" or not _stored_is_missing(entity, id_):
                raise
            return cls(entity, None, False, own)

    @classmethod
    def _opened(cls, entity: Slugged, slug: str, permission: Permission, *, may_edit: bool) -> "Page":
        session, region = current_session(), current_portal().region.slug
        if entity == "service":
            guard.own_service_or_404(slug, permission)
        elif entity == "organization":
            guard.own_organization_or_404(slug, permission)
        else:
            location = session.get(models.Location, entity_id(region, "location", slug))
            if location is None or not me().powers.may_for(
                permission,
                organization_id=location.organization_id,
                areas=[location.place] if location.place else (),
            ):
                abort(404)
        current = editing.entry(session, region, entity, slug)
        return cls(entity, current, may_edit, None if may_edit else _own_proposal(session, current.id))

    @classmethod
    def new(cls, entity: Slugged) -> "Page":
        powers = me().powers
        return cls(entity, None, powers.may(Permission.EDIT))

    @property
    def form(self) -> EntryForm:
        return FORMS[self.entity]

    @property
    def session(self) -> Session:
        return current_session()

    @property
    def region(self) -> str:
        return current_portal().region.slug

    @property
    def path(self) -> str:
        return request.path

    # What was asked?

    def answer(self) -> BaseResponse:
        if request.method == "GET":
            return self.look()
        action = request.form.get("action", "save")
        tree = nested(request.form.items(multi=True))
        verb = action.partition(":")[0]
        if verb in ("add", "remove", "rewrite"):
            change_rows(self.form, tree, action)
            return self.show(renumbered(tree))
        if verb == "sentence":
            return self.show(tree)
        if verb == "preview":
            return self.show(tree, with_preview=True)
        if verb in ("withdraw", "archive", "restore", "publish_only"):
            return self.change_state(verb, tree)
        if verb == "delete":
            return self.delete(tree)
        if verb == "take_back":
            return self.take_back()
        if verb == "wish_archive":
            return self.wish_archive(tree)
        if verb == "merge":
            return self.merge()
        return self.save(tree, action)

    def look(self) -> Response:
        g.typed_is_shown = True
        kept = forms.kept(self.session, me().user.id, self.path)
        if kept is not None:
            tree = nested((name, value) for name, value in kept.fields)
            # Without it, it was only a button that was sent too late.
            if "base" in tree:
                return self.show(tree, kept_at=kept.kept_at)
        return self.show(self.stored_tree())

    def stored_tree(self) -> Node:
        if self.proposal is not None and self.proposal.state in ("draft", "in_review"):
            tree = self.form.to_tree(self.proposal.record)
            return {**tree, "base": [self.proposal.base_hash or ""]}
        if self.current is not None:
            tree = self.form.to_tree(editing.plain(self.current.record))
            tree["base"] = [self.current.hash]
            if self.entity == "service":
                row = self.current.row
                tree["review_days"] = [str(row.review_days or "")]
                tree["review_due"] = [row.review_due.isoformat() if row.review_due else ""]
            return tree
        return self.blank_tree()

    def blank_tree(self) -> Node:
        tree: Node = {"organization": [self._first_organization()]}
        if self.entity == "service":
            tree["languages"] = ["de"]
        if self.entity == "location":
            tree["schedules"] = {}
        return tree

    def _first_organization(self) -> str:
        wanted = request.args.get("organization", "")
        options = self._organization_options()
        if any(slug == wanted for slug, _name in options):
            return wanted
        return options[0][0] if len(options) == 1 else ""

    # Saving.

    def save(self, tree: Node, action: str) -> BaseResponse:
        values, problems = self.form.to_values(tree)
        base_hash = text(tree, "base") or None
        base = self._base(base_hash)
        values = {**(editing.plain(base.record) if base else {}), **values}
        values["slug"] = self._slug(values)
        if "status" in editing.RECORDS[self.entity].model_fields:
            values["status"] = "published" if action == "publish" else values.get("status", "draft")
        self._protect(values, base)
        review, review_problems = self._review(tree)
        problems += review_problems
        try:
            record = editing.parsed(self.entity, values)
        except InvalidEntry as error:
            # The shape of hours is said in better words by the rows themselves.
            own = {problem.field for problem in problems}
            problems += [p for p in error.problems if not _said(field_of(p.field), own)]
            return self.show(tree, problems=problems, status=422)
        problems += self._foreign(record)
        if problems:
            problems += editing.entry_problems(self.session, self.region, self.entity, record)
            return self.show(tree, problems=_once(problems), status=422)
        if asked := self._loses(record):
            return self.show(tree, status=422, asked=asked)
        try:
            if self.may_edit:
                return self._write(record, base_hash, tree, action, review)
            return self._propose(record, base, tree, action)
        except InvalidEntry as error:
            self.session.rollback()
            return self.show(tree, problems=list(error.problems), status=422)
        except SlugTaken:
            self.session.rollback()
            return self.show(
                tree, problems=[EntryProblem("name", "slug", "the slug is taken", {})], status=422
            )
        except Conflict as conflict:
            self.session.rollback()
            guard.keep_typed()
            return self.show_merge(
                editing.plain(record),
                editing.plain(conflict.base) if conflict.base is not None else None,
                conflict.current,
                comment=text(tree, "comment"),
            )

    def _write(
        self, record: Any, base_hash: str | None, tree: Node, action: str, review: tuple[Any, Any] | None
    ) -> BaseResponse:
        now, comment = current_portal().now(), text(tree, "comment")
        if self.current is None:
            base_hash = None
        saved = editing.save(
            self.session,
            self.region,
            self.entity,
            record,
            base_hash=base_hash,
            author=me(),
            now=now,
            comment=comment,
        )
        fields = list(saved.fields) if self.current else []
        if action == "confirm":
            today = current_portal().catalogue.today
            editing.confirm(
                self.session,
                self.region,
                self.entity,
                saved.entry.slug,
                on=today,
                author=me(),
                now=now,
                comment=comment,
            )
        if review is not None and self.entity == "service":
            days, due = review
            if editing.set_review(self.session, self.region, saved.entry.slug, days=days, due=due):
                fields.append("review")
        if fields or action == "confirm" or self.current is None:
            self._audit(
                "confirmed" if action == "confirm" else "saved" if self.current else "created",
                saved.entry,
                fields=fields,
            )
        self._done()
        say(self._said(action, changed=bool(fields) or self.current is None))
        return redirect(url_for(ENDPOINTS[self.entity], slug=saved.entry.slug), code=303)

    def _loses(self, record: Any) -> losing.Question | None:
        """Whether this save takes somebody's last desk away; a proposal takes nothing away yet."""
        if not self.may_edit or self.entity != "service" or self.current is None:
            return None
        return losing.open_question({self.current.slug: record})

    def _said(self, action: str, *, changed: bool) -> str:
        if action == "confirm":
            return gettext("Saved, and confirmed as of today.")
        if action == "publish":
            return gettext("Saved and published. Everybody can see it now.")
        if not changed:
            return gettext("Nothing was changed, so nothing was saved.")
        return gettext("Saved.")

    def _propose(self, record: Any, base: Entry | None, tree: Node, action: str) -> BaseResponse:
        organization = record.slug if self.entity == "organization" else record.organization
        made = proposals.propose(
            self.session,
            self.region,
            self.entity,
            record,
            base=base,
            author=me(),
            now=current_portal().now(),
            organization_id=entity_id(self.region, "organization", organization),
            comment=text(tree, "comment"),
            wish="change" if base else "create",
            draft=action == "draft",
        )
        self._audit_proposal("proposal.draft" if action == "draft" else "proposal.made", made, record.name)
        self._done()
        if action == "draft":
            say(gettext("Kept as a draft. Only you see it."))
        else:
            say(gettext("Thank you. A coordinator looks at it; until then the public sees the old text."))
        return redirect(url_for(ENDPOINTS[self.entity], slug=record.slug), code=303)

    def _base(self, base_hash: str | None) -> Entry | None:
        """The state the form was made from; the present one when that is no longer known."""
        current = self.current
        if current is None or base_hash is None or base_hash == current.hash:
            return current
        record = editing.base_record(self.session, current, base_hash)
        return Entry(current.entity, record, current.row, base_hash) if record is not None else current

    def _slug(self, values: Mapping[str, Any]) -> str:
        if self.current is not None:
            return self.current.slug
        if self.proposal is not None:
            return self.proposal.slug
        return editing.free_slug(self.session, self.region, self.entity, str(values.get("name") or ""))

    def _protect(self, values: dict[str, Any], base: Entry | None) -> None:
        """What a save must never change: only a check at the office moves the date, only a coordinator the trust."""
        before = editing.plain(base.record) if base else {}
        values["assured_date"] = before.get("assured_date")
        if not self.may_edit:
            values["confidence"] = before.get("confidence", "low")
            if "confidential" in before:
                values["confidential"] = before["confidential"]
            if "status" in editing.RECORDS[self.entity].model_fields:
                # A new entry that a coordinator accepts is meant to be seen.
                values["status"] = before.get("status", "published")

    def _review(self, tree: Node) -> tuple[tuple[int | None, date | None] | None, list[EntryProblem]]:
        """How often to ask again; None when the form does not say."""
        if self.entity != "service" or not self.may_edit or "review_days" not in tree:
            return None, []
        problems = []
        entered, due_entered = text(tree, "review_days"), text(tree, "review_due")
        days: int | None = None
        due: date | None = None
        if entered:
            if entered.isascii() and entered.isdigit() and 1 <= int(entered) <= 3650:
                days = int(entered)
            else:
                problems.append(EntryProblem("review_days", "shape", "no number of days", {}))
        if due_entered:
            try:
                due = date.fromisoformat(due_entered)
            except ValueError:
                problems.append(EntryProblem("review_due", "shape", "no date", {}))
        return (days, due), problems

    def _foreign(self, record: Any) -> list[EntryProblem]:
        """An entry must not be moved out of what the user may change."""
        powers = me().powers
        permission = Permission.EDIT if self.may_edit else Permission.PROPOSE
        areas: list[str] = []
        if self.entity == "service":
            areas = list(record.service_areas)
        elif self.entity == "location" and record.place:
            areas = [record.place]
        owner = record.slug if self.entity == "organization" else record.organization
        id_ = entity_id(self.region, "organization", owner)
        if self.entity == "organization":
            allowed = guard.may_for_organization(id_, permission)
        else:
            allowed = powers.may_for(permission, organization_id=id_, areas=areas)
        if allowed:
            return []
        limited = powers.organizations(permission)
        if limited is not None and id_ not in limited:
            return [EntryProblem("organization", "foreign", "another organization", {})]
        field = {"service": "service_areas", "location": "place", "organization": "name"}[self.entity]
        return [EntryProblem(field, "outside", "outside of the own area", {})]

    def _done(self) -> None:
        forms.discard(self.session, me().user.id, self.path)
        self.session.commit()

    def _audit(self, deed: str, found: Entry, **details: Any) -> None:
        audit.record(
            self.session,
            f"{self.entity}.{deed}",
            now=current_portal().now(),
            actor=me(),
            region=self.region,
            entity=self.entity,
            entity_id=found.id,
            entity_name=found.record.name,
            **details,
        )

    def _audit_proposal(self, action: str, made: Proposal, name: str) -> None:
        audit.record(
            self.session,
            action,
            now=current_portal().now(),
            actor=me(),
            region=self.region,
            entity=self.entity,
            entity_id=made.entity_id,
            entity_name=name,
            wish=made.wish,
        )

    # States and wishes.

    def change_state(self, verb: str, tree: Node) -> BaseResponse:
        if not self.may_edit or self.current is None or self.entity == "location":
            abort(404)
        status, deed = {
            "withdraw": (Status.DRAFT, "withdrawn"),
            "archive": (Status.ARCHIVED, "archived"),
            "restore": (Status.DRAFT, "put_back"),
            "publish_only": (Status.PUBLISHED, "published"),
        }[verb]
        target = url_for(ENDPOINTS[self.entity], slug=self.current.slug)
        if self.entity == "service" and verb in ("withdraw", "archive"):
            asked = losing.open_question({self.current.slug: None})
            if asked and not self._is_clearing_desk():
                return self._ask(verb, tree, asked)
        try:
            saved = editing.set_status(
                self.session,
                self.region,
                self.entity,
                self.current.slug,
                status,
                author=me(),
                now=current_portal().now(),
                comment=text(tree, "comment"),
            )
        except StillUsed as used:
            self.session.rollback()
            say(self._used_words(used), "wrong")
            return redirect(target, code=303)
        self._audit(deed, saved.entry)
        self.session.commit()
        say(
            {
                "withdraw": gettext("Withdrawn. The public no longer sees it."),
                "archive": gettext("Archived. For 90 days it can be put back."),
                "restore": gettext("Put back as a draft. Please check it before you publish it."),
                "publish_only": gettext("Published. Everybody can see it now."),
            }[verb]
        )
        return redirect(target, code=303)

    def _is_clearing_desk(self) -> bool:
        """It stays in any case, so that there is nothing to ask."""
        return self.current is not None and self.current.slug == current_portal().region.clearing_desk

    def _ask(self, verb: str, tree: Node, asked: losing.Question) -> Response:
        name = self.title(None)
        return render(
            "admin/edit/losing.html",
            status=422,
            title=gettext("Withdraw “%(name)s”?", name=name)
            if verb == "withdraw"
            else gettext("Archive “%(name)s”?", name=name),
            label=gettext("Withdraw from the public") if verb == "withdraw" else gettext("Archive"),
            verb=verb,
            asked=asked,
            comment=text(tree, "comment"),
        )

    def delete(self, tree: Node) -> BaseResponse:
        """A place has no state: one that no offer uses goes, and its last version stays in the history."""
        if not self.may_edit or self.current is None or self.entity != "location":
            abort(404)
        try:
            editing.delete_location(
                self.session, self.region, self.current.slug, author=me(), now=current_portal().now()
            )
        except StillUsed as used:
            self.session.rollback()
            say(
                gettext(
                    "These offers still use this place: %(offers)s. Please choose another one there first.",
                    offers=", ".join(used.slugs[:10]),
                ),
                "wrong",
            )
            return redirect(self.path, code=303)
        self._audit("deleted", self.current, reason=bool(text(tree, "comment")))
        self._done()
        history = url_for("admin.history", entity="location", slug=self.current.slug)
        say(
            gettext("The place is gone. For 90 days you can put it back."),
            ways=((url_for("admin.archive"), gettext("The archive")), (history, gettext("History"))),
        )
        return redirect(url_for("admin.edit_organization", slug=self.current.record.organization), code=303)

    def _used_words(self, used: StillUsed) -> str:
        if self.entity == "service":
            return gettext(
                "This offer catches everybody who finds nothing else. Please choose another one in the settings first."
            )
        return gettext(
            "These offers still belong to it: %(offers)s. Please move or archive them first.",
            offers=", ".join(used.slugs[:10]),
        )

    def take_back(self) -> BaseResponse:
        if self.proposal is None:
            abort(404)
        target = url_for("admin.dashboard") if self.current is None else self.path
        try:
            proposals.withdraw(self.session, self.proposal, now=current_portal().now())
        except proposals.AlreadyDecided:
            self.session.rollback()
            say(gettext("Somebody was quicker: it has been decided already."), "info")
            return redirect(target, code=303)
        self._audit_proposal("proposal.withdrawn", self.proposal, self.proposal.record["name"])
        self._done()
        say(gettext("Taken back."))
        return redirect(target, code=303)

    def wish_archive(self, tree: Node) -> BaseResponse:
        """An editor says that it no longer exists."""
        if self.may_edit or self.current is None or self.entity == "location":
            abort(404)
        record = self.current.record
        owner = record.slug if self.entity == "organization" else record.organization
        made = proposals.propose(
            self.session,
            self.region,
            self.entity,
            record,
            base=self.current,
            author=me(),
            now=current_portal().now(),
            organization_id=entity_id(self.region, "organization", owner),
            comment=text(tree, "comment"),
            wish="archive",
        )
        self._audit_proposal("proposal.made", made, record.name)
        self._done()
        say(gettext("Thank you. A coordinator looks at it and then takes it off the pages."))
        return redirect(self.path, code=303)

    # Two people, one entry.

    def show_merge(
        self, mine: dict[str, Any], base: dict[str, Any] | None, current: Entry, *, comment: str
    ) -> Response:
        theirs = editing.plain(current.record)
        _result, fields = editing.merge(base, mine, theirs)
        return render(
            "admin/edit/merge.html",
            status=409,
            title=self.title(mine.get("name")),
            back=self.path,
            base_hash=current.hash,
            mine=json.dumps(mine, ensure_ascii=False),
            base=json.dumps(base, ensure_ascii=False),
            comment=comment,
            who=self._last_change(current),
            clashing=[self._side_by_side(field) for field in fields if field.clash],
            settled=[self._side_by_side(field) for field in fields if not field.clash],
        )

    def _side_by_side(self, field: MergedField) -> dict[str, Any]:
        def lines(value: Any) -> list[str]:
            return readable.lines(self.session, field.name, value)

        return {
            "name": field.name,
            "label": label(field.name),
            "base": lines(field.base),
            "mine": lines(field.mine),
            "theirs": lines(field.theirs),
            "from_mine": field.mine != field.base,
        }

    def merge(self) -> BaseResponse:
        """The choice of the merge page. Whatever it brings along is checked like a form."""
        if not self.may_edit or self.current is None:
            abort(404)
        sent_mine, sent_base = request.form.get("mine", ""), request.form.get("base", "")
        if len(sent_mine) + len(sent_base) > _LARGEST_MERGE:
            abort(413)
        try:
            mine = editing.plain(editing.parsed(self.entity, json.loads(sent_mine)))
            loaded = json.loads(sent_base)
            base = editing.plain(editing.parsed(self.entity, loaded)) if loaded is not None else None
        except (ValueError, TypeError, InvalidEntry):
            abort(400)
        comment = request.form.get("comment", "")
        if self.current.hash != request.form.get("base_hash"):
            # A third save came in between: everything is shown again, with what stands there now.
            return self.show_merge(mine, base, self.current, comment=comment)
        theirs = editing.plain(self.current.record)
        result, fields = editing.merge(base, mine, theirs)
        for field in fields:
            if field.clash and request.form.get(f"choose.{field.name}") == "theirs":
                result[field.name] = field.theirs
        tree = self.form.to_tree(result)
        tree["base"] = [self.current.hash]
        tree["comment"] = [comment]
        if request.form.get("look"):
            return self.show(tree)
        result["slug"] = self.current.slug
        result["assured_date"] = theirs["assured_date"]
        record = editing.parsed(self.entity, result)
        if problems := self._foreign(record):
            return self.show(tree, problems=problems, status=422)
        if asked := self._loses(record):
            return self.show(tree, status=422, asked=asked)
        try:
            return self._write(record, self.current.hash, tree, "save", None)
        except InvalidEntry as error:
            self.session.rollback()
            return self.show(tree, problems=list(error.problems), status=422)
        except Conflict as conflict:
            self.session.rollback()
            return self.show_merge(mine, base, conflict.current, comment=comment)

    # Showing.

    def show(
        self,
        tree: Node,
        *,
        problems: list[EntryProblem] | None = None,
        status: int = 200,
        kept_at: datetime | None = None,
        with_preview: bool = False,
        asked: losing.Question | None = None,
    ) -> Response:
        shown = Shown(
            tree, by_field([_at_field(problem) for problem in problems or []], problem_words), set()
        )
        html = None
        if with_preview:
            html = _preview(tree)
        context = self._choices(tree)
        name_of, reason_for = worded(self.entity)
        response = render(
            f"admin/edit/{self.entity}.html",
            status=status,
            form=shown,
            here=self,
            title=self.title(text(tree, "name")),
            label=name_of,
            why=reason_for,
            known=LABELS,
            problems=shown.summary(),
            asked=asked,
            kept_at=moment_words(kept_at) if kept_at else None,
            preview=html,
            base=text(tree, "base"),
            comment=text(tree, "comment"),
            state=self.state(),
            hours_words=lambda path: _hours_words(tree, path),
            **context,
        )
        policy: str = current_app.extensions["admin_policy"]
        if self.entity == "service":
            policy = policy.replace("style-src ", f"style-src {preview.style_source()} ", 1)
        response.headers["Content-Security-Policy"] = policy
        return response

    def title(self, name: str | None) -> str:
        if self.current is not None:
            return str(self.current.record.name)
        return name or gettext(NEW[self.entity])

    def _choices(self, tree: Node) -> dict[str, Any]:
        session = self.session
        organization = text(tree, "organization")
        found: dict[str, Any] = {
            "weekdays": [(str(n), weekday(n, short=True), weekday(n)) for n in range(7)]
            + [("7", gettext("holidays"), gettext("Public holidays"))],
            "weeks": [(value, gettext(words)) for value, words in WEEKS.items()],
            "kinds": [(value, gettext(words)) for value, words in KINDS.items()],
            "channels": choices.channels(),
            "phone_types": choices.words("phone_type"),
            "confidences": choices.words("confidence"),
            "languages": choices.languages(tree.get("languages", [])),
            "organizations": self._organization_options(),
            "organization_name": choices.organization_name(session, organization) if organization else "",
        }
        if self.entity == "service":
            chosen = [text(row, "location") for row in rows(tree, "locations")]
            areas = [
                *tree.get("service_areas", []),
                *(area for row in rows(tree, "locations") for area in row.get("service_areas", [])),
            ]
            found |= {
                "terms": choices.terms,
                "costs": choices.words("cost.option"),
                "areas": choices.areas(session, areas),
                "places": choices.places(
                    session,
                    organization,
                    [slug for slug in chosen if slug],
                    allowed=me().powers.organizations(Permission.SEE_CATALOGUE),
                    used=self._used_places(),
                ),
                "capacities": choices.words("capacity"),
                "fitting": fitting.proposed(
                    text(tree, "name"),
                    text(tree, "description"),
                    slug=self.current.slug if self.current else "",
                ),
            }
        elif self.entity == "organization":
            found["terms_of_kind"] = [(code, words) for code, words, _hint in choices.terms("kind")]
            found["parents"] = choices.organizations(session, None)
        else:
            found["municipalities"] = choices.municipalities(session)
            found["location_types"] = choices.words("location_type")
        return found

    def _used_places(self) -> set[str]:
        """By the entry as it is stored, or as it was when the user proposed to change it."""
        stored = editing.plain(self.current.record) if self.current else {}
        proposed = self.proposal.base if self.proposal else {}
        return {
            at["location"] for record in (stored, proposed) for at in (record or {}).get("locations") or ()
        }

    def _organization_options(self) -> choices.Options:
        """Empty when there is nothing to choose: for an entry that is there, unless somebody asks for it."""
        if self.current is not None and "move" not in request.args:
            return []
        permission = Permission.EDIT if self.may_edit else Permission.PROPOSE
        allowed: frozenset[UUID] | None = me().powers.organizations(permission)
        return choices.organizations(self.session, allowed)

    def state(self) -> dict[str, Any]:
        """The line on top: what it is now, since when, by whom; and what waits."""
        current = self.current
        if current is None:
            return {
                "status": "new",
                "waiting": [],
                "proposal": self._proposal_words(),
                "history": None,
                "public": None,
            }
        session = self.session
        row = current.row
        words = choices.WORDS["status"][current.status]
        public = None
        if self.entity == "service" and current.status == Status.PUBLISHED:
            public = f"/de/offers/{current.slug}"
        elif self.entity == "organization" and current.status == Status.PUBLISHED:
            public = f"/de/organizations/{current.slug}"
        assured: date | None = current.record.assured_date
        return {
            "status": current.status,
            "words": gettext(words),
            "changed": self._last_change(current),
            "assured": day(assured) if assured else None,
            "waiting": [
                {
                    "who": waiting.author_name or gettext("somebody without an account"),
                    "at": moment_words(waiting.made_at),
                    "url": link("admin.review_proposal", proposal_id=waiting.id),
                }
                for waiting in (proposals.open_for(session, current.id) if self.may_edit else [])
            ],
            "proposal": self._proposal_words(),
            "history": link("admin.history", entity=self.entity, slug=current.slug),
            "public": public,
            "capacity": getattr(row, "capacity", None) or "",
            "capacity_until": getattr(row, "capacity_until", None),
            "capacity_at": moment_words(row.capacity_at) if getattr(row, "capacity_at", None) else None,
        }

    def _last_change(self, current: Entry) -> dict[str, str] | None:
        newest = editing.latest_version(self.session, current.id)
        if newest is None:
            return None
        return {
            "who": newest.author_name or gettext("the content files"),
            "at": moment_words(newest.at),
            "comment": newest.comment,
        }

    def _proposal_words(self) -> dict[str, Any] | None:
        own = self.proposal
        if own is None:
            return None
        return {
            "state": own.state,
            "wish": own.wish,
            "at": moment_words(own.made_at),
            "decided_at": moment_words(own.decided_at) if own.decided_at else None,
            "decided_by": own.decided_name,
            "answer": own.decision_comment,
        }


def _own_proposal(session: Session, entry_id: UUID) -> Proposal | None:
    """The newest of the user for this entry, unless it was accepted or taken back."""
    found = [
        proposal
        for proposal in proposals.of_author(session, current_portal().region.slug, me().user.id)
        if proposal.entity_id == entry_id and proposal.state != "withdrawn"
    ]
    return found[0] if found and found[0].state in ("draft", "in_review", "rejected") else None


def _stored_is_missing(entity: str, id_: UUID) -> bool:
    return current_session().get(editing.MODELS[entity], id_) is None


def change_rows(form: EntryForm, tree: Node, action: str) -> None:
    """`add:phones`, `remove:phones.1`, `rewrite:schedules.0`; anything else changes nothing."""
    verb, _, path = action.partition(":")
    group = path if verb == "add" else path.rpartition(".")[0]
    if re.sub(r"\.\d+(?=\.|$)", ".*", group) not in form.groups or len(group.split(".")) > 6:
        return
    if verb == "add":
        node = at(tree, group)
        numbers = [int(name) for name in node if name.isdigit()]
        made = form.groups[re.sub(r"\.\d+(?=\.|$)", ".*", group)]()
        made["new"] = ["y"]
        node[str(max(numbers, default=-1) + 1)] = made
    elif verb == "remove":
        at(tree, group).pop(path.rpartition(".")[2], None)
    else:
        node = at(tree, path)
        node.update({"mode": ["rows"], "original": [""], "holidays": ["y"], "rows": {"0": {"new": ["y"]}}})


def _hours_words(tree: Node, path: str) -> str:
    """The sentence for the hours as they are typed now."""
    node: Any = tree
    for step in path.split("."):
        node = below(node, step)
    if text(node, "mode") == "kept":
        return sentence(text(node, "original"))
    return weekly_sentence(weekly(node, path, []))


def _copy(tree: Node) -> Node:
    return nested(flat(tree))


def _at_field(problem: EntryProblem) -> EntryProblem:
    return EntryProblem(field_of(problem.field), problem.code, problem.message, problem.values)


def _said(field: str, own: set[str]) -> bool:
    return any(other.startswith(f"{field}.") or other == field for other in own) and "schedules" in field


def _once(problems: list[EntryProblem]) -> list[EntryProblem]:
    """Rows that are not finished make hours that cannot be read; that needs not be said twice."""
    fields = {problem.field for problem in problems}
    return [p for p in problems if p.code != "hours" or not _said(field_of(p.field), fields - {p.field})]


def moment_words(moment: datetime) -> str:
    local = moment.astimezone(current_portal().timezone)
    if local.date() == current_portal().now().astimezone(current_portal().timezone).date():
        return gettext("today at %(time)s", time=clock(local))
    return gettext("%(date)s at %(time)s", date=day(local.date()), time=clock(local))


def link(endpoint: str, **values: Any) -> str | None:
    """An address of another part of the admin pages; None where that part is not there."""
    try:
        return url_for(endpoint, **values)
    except BuildError:
        return None
