"""All admin addresses in one blueprint."""

from flask import Blueprint

from portal.web.admin import (
    account,
    audit_log,
    case_talks,
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
    referral_access,
    referral_prepare,
    referral_teams,
    referral_watch,
    referrals,
    reports,
    review,
    security,
    settings,
    signing_in,
    slip_entry,
    statistics,
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
    statistics,
    audit_log,
    translations,
    exchange,
    duplicates,
    clearing,
    meter,
    settings,
    words,
    slip_entry,
    referrals,
    referral_teams,
    referral_watch,
    referral_access,
    referral_prepare,
    case_talks,
)


def blueprint() -> Blueprint:
    bp = Blueprint("admin", __name__)
    for module in MODULES:
        module.register(bp)
    return bp
