"""All admin addresses in one blueprint."""

from flask import Blueprint

from portal.web.admin import (
    account,
    audit_log,
    confirmations,
    dashboard,
    duplicates,
    editing,
    exchange,
    funding,
    history,
    links,
    links_page,
    lists,
    people,
    reports,
    review,
    security,
    signing_in,
    translations,
)

MODULES = (
    dashboard,
    signing_in,
    links,
    editing,
    account,
    security,
    people,
    confirmations,
    reports,
    links_page,
    lists,
    review,
    history,
    funding,
    audit_log,
    translations,
    exchange,
    duplicates,
)


def blueprint() -> Blueprint:
    bp = Blueprint("admin", __name__)
    for module in MODULES:
        module.register(bp)
    return bp
