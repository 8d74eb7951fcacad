"""What visitors say about offers: read, put right, done."""

from uuid import UUID

from flask import Blueprint, Response, abort, redirect, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from portal.accounts import audit
from portal.accounts.permissions import Permission
from portal.catalogue import models
from portal.catalogue import reports as domain
from portal.web.admin.guard import may_for_service, me, needs, safe_path
from portal.web.admin.paging import Paging, short_date
from portal.web.admin.reach import services_for
from portal.web.admin.rendering import render, say
from portal.web.current import current_portal
from portal.web.database import current_session
from portal.web.public.presenting import language_name
from portal.web.public.reporting import REASONS
from portal.web.texts import N_, gettext

SHOWN = {"open": N_("Not decided yet"), "done": N_("Put right"), "dismissed": N_("Dismissed")}


def register(bp: Blueprint) -> None:
    bp.add_url_rule("/reports", "reports", reports)
    bp.add_url_rule("/reports/<uuid:report_id>", "decide_report", decide_report, methods=["POST"])


@needs(Permission.EDIT)
def reports() -> Response:
    portal, session = current_portal(), current_session()
    region, reach = portal.region.slug, services_for(Permission.EDIT)
    state = request.args.get("show", "open")
    state = state if state in SHOWN else "open"
    numbers = {name: domain.number(session, region, name, conditions=reach) for name in SHOWN}
    paging = Paging.read(numbers[state])
    rows = domain.listed(session, region, state, conditions=reach, limit=paging.size, offset=paging.offset)
    return render(
        "admin/reports.html",
        fragment="list",
        state=state,
        chips=[
            (gettext(label), url_for("admin.reports", show=name), numbers[name], name == state)
            for name, label in SHOWN.items()
        ],
        rows=[
            {
                "id": row.report.id,
                "slug": row.slug,
                "name": row.name,
                "organization": row.organization,
                "public": row.status == models.Status.PUBLISHED,
                "reason": gettext(REASONS.get(row.report.reason, REASONS["other"])),
                "text": row.report.text,
                "lang": row.report.language,
                "language": language_name(row.report.language),
                "day": short_date(row.report.day),
            }
            for row in rows
        ],
        paging=paging,
        back=request.full_path.rstrip("?"),
        erased_days=domain.ERASED_AFTER.days,
    )


@needs(Permission.EDIT)
def decide_report(report_id: UUID) -> BaseResponse:
    session, now = current_session(), current_portal().now()
    report = session.get(models.VisitorReport, report_id)
    service = session.get(models.Service, report.service_id) if report else None
    if report is None or service is None or report.region != current_portal().region.slug:
        abort(404)
    if not may_for_service(service, Permission.EDIT):
        abort(404)
    decision = request.form.get("decision", "")
    try:
        if decision == "done":
            domain.decide(session, report, "done", by=me().id, now=now)
            words = gettext("Noted as put right.")
        elif decision == "dismissed":
            domain.decide(session, report, "dismissed", by=me().id, now=now)
            words = gettext("Dismissed.")
        elif decision == "open":
            domain.reopen(session, report)
            words = gettext("The report is open again.")
        else:
            abort(400)
    except domain.UnknownReport:
        session.rollback()
        say(gettext("Somebody else has just decided this report."), "info")
    else:
        audit.record(
            session,
            "report.reopened" if decision == "open" else "report.decided",
            now=now,
            actor=me(),
            region=report.region,
            entity="service",
            entity_id=service.id,
            entity_name=service.name,
            reason=report.reason,
            decision=decision,
        )
        session.commit()
        say(words)
    return redirect(safe_path(request.form.get("back", "")) or url_for("admin.reports"), code=303)
