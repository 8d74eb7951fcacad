"""All admin addresses in one blueprint."""

from flask import Blueprint

from portal.web.admin import (
    account,
    audit_log,
    clearing,
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
    meter,
    people,
    reports,
    review,
    security,
    settings,
    signing_in,
    translations,
    words,
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
    clearing,
    meter,
    settings,
    words,
)


def blueprint() -> Blueprint:
    bp = Blueprint("admin", __name__)
    for module in MODULES:
        module.register(bp)
    return bp
