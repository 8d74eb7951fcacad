"""Web addresses, mailboxes and numbers that no longer work, and where they stand."""

from flask import Blueprint, Response, request, url_for

from portal.accounts.permissions import Permission
from portal.catalogue import addresses_check as addresses
from portal.web.admin.guard import needs
from portal.web.admin.paging import Paging, short_date
from portal.web.admin.reach import organizations_for
from portal.web.admin.rendering import render
from portal.web.admin.times import moment
from portal.web.current import current_portal
from portal.web.database import current_session
from portal.web.texts import N_, gettext

SHOWN = {
    "": N_("All"),
    "url": N_("Web addresses"),
    "email": N_("E-mail addresses"),
    "phone": N_("Phone numbers"),
}
PROBLEMS = {
    "not_found": N_("The page no longer exists"),
    "no_such_host": N_("There is no such domain (the part behind the @ or https://)"),
    "no_answer": N_("Nobody answers there"),
    "timeout": N_("No answer within ten seconds"),
    "certificate": N_("The certificate is not valid; browsers warn of this page"),
    "no_secure_connection": N_("No secure connection is possible"),
    "server_error": N_("The website reports an error of its own"),
    "refused": N_("The website refuses to answer"),
    "redirects": N_("The address leads round in a circle"),
    "private": N_("The address leads into an internal network"),
    "malformed": N_("The address is not complete"),
    "not_understood": N_("What answers there is no website"),
    "not_a_number": N_("The number cannot be right; is the area code missing?"),
}


def register(bp: Blueprint) -> None:
    bp.add_url_rule("/links", "links", links)


@needs(Permission.SEE_CATALOGUE)
def links() -> Response:
    portal, session = current_portal(), current_session()
    region, organizations = portal.region.slug, organizations_for(Permission.SEE_CATALOGUE)
    kind = request.args.get("show", "")
    kind = kind if kind in SHOWN else ""
    counted = addresses.numbers_broken(session, region, organizations=organizations)
    numbers = {**counted, "": sum(counted.values())}
    paging = Paging.read(numbers[kind])
    rows = addresses.broken(
        session,
        region,
        kind=kind or None,
        organizations=organizations,
        limit=paging.size,
        offset=paging.offset,
    )
    return render(
        "admin/links.html",
        fragment="list",
        chips=[
            (gettext(label), url_for("admin.links", show=name or None), numbers[name], name == kind)
            for name, label in SHOWN.items()
        ],
        rows=[
            {
                "kind": row.kind,
                "value": row.value,
                "problem": gettext(PROBLEMS[row.problem]) if row.problem in PROBLEMS else row.problem,
                "since": short_date(row.since),
                "uses": [
                    {"name": use.name, "url": url_for(f"admin.edit_{use.entity}", slug=use.slug)}
                    for use in row.uses
                ],
            }
            for row in rows
        ],
        paging=paging,
        last=moment(addresses.last_look(session, region)),
    )
