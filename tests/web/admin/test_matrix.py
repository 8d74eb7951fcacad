"""Every admin address by every role. An address that is not listed here fails."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

import pytest
from flask import Flask
from werkzeug.routing import Rule

from portal.accounts import users
from portal.accounts.models import Role, User
from portal.catalogue.revision import text_hash
from portal.web.application import Portal
from tests.web.admin.conftest import MakeUser, SignIn
from tests.web.admin.pages import AdminClient
from tests.web.conftest import NOW

A, C, E, K, R = Role.ADMINISTRATOR, Role.COORDINATOR, Role.EDITOR, Role.COUNSELLOR, Role.READER
EVERYBODY = frozenset({A, C, E, K, R})
ADMINISTRATORS = frozenset({A})
CATALOGUE = frozenset({A, C, E})
"""Who sees lists and entries."""
KEEPERS = frozenset({A, C})
"""Who changes them at once."""
STATISTICS = frozenset({A, C, R})
OPEN = None
"""For strangers too."""

OTHER = "somebody@example.org"

Values = Callable[[Portal], dict[str, Any]]


@dataclass(frozen=True)
class Row:
    roles: frozenset[Role] | None
    values: Values = field(default=lambda portal: {})
    """Parts of the address; what is not given comes from `example`."""
    missing: bool = False
    """The example does not exist, so 404 (400, 410) is the right answer for those who may."""
    ends: bool = False
    """It leads to the sign-in page for those who may, too."""


def no_passkey(portal: Portal) -> dict[str, Any]:
    return {"passkey_id": UUID(int=1)}


def somebody(portal: Portal) -> dict[str, Any]:
    """A user who is neither the only administrator nor the one who asks."""
    with portal.store.sessions() as session:
        user = users.user_by_email(session, OTHER) or User(email=OTHER, name="Somebody", created_at=NOW)
        session.add(user)
        session.commit()
        return {"user_id": user.id}


def no_referral(portal: Portal) -> dict[str, Any]:
    return {"referral_id": UUID(int=1), "consent_id": UUID(int=2), "deed": "accept"}


def one_team(portal: Portal) -> dict[str, Any]:
    return {"organization_id": portal.catalogue.services()[0].organization.id}


def no_case_talk(portal: Portal) -> dict[str, Any]:
    return {"talk_id": UUID(int=1), "deed": "go"}


def two_services(portal: Portal) -> dict[str, Any]:
    left, right = portal.catalogue.services()[:2]
    return {"entity": "service", "left": left.slug, "right": right.slug}


def a_source_text(portal: Portal) -> dict[str, Any]:
    return {"key": text_hash(next(iter(portal.clearing.source_texts())).text)}


MATRIX: dict[str, Row] = {
    # signing in
    "admin.sign_in": Row(OPEN),
    "admin.sign_out": Row(EVERYBODY, ends=True),
    "admin.confirm_password": Row(EVERYBODY),
    "admin.second_factor": Row(OPEN, ends=True),
    "admin.passkey_question": Row(OPEN),
    "admin.sign_in_with_passkey": Row(OPEN),
    "admin.forgotten": Row(OPEN),
    "admin.reset": Row(OPEN, lambda portal: {"token": "never-sent"}, missing=True),
    "admin.invitation": Row(OPEN, lambda portal: {"token": "never-sent"}, missing=True),
    # the own account
    "admin.account": Row(EVERYBODY),
    "admin.change_password": Row(EVERYBODY),
    "admin.end_sessions": Row(EVERYBODY),
    "admin.security": Row(EVERYBODY),
    "admin.set_up_app": Row(EVERYBODY),
    "admin.remove_app": Row(EVERYBODY),
    "admin.add_passkey": Row(EVERYBODY),
    "admin.passkey_registration": Row(EVERYBODY),
    "admin.change_passkey": Row(EVERYBODY, no_passkey, missing=True),
    "admin.recovery_codes": Row(EVERYBODY),
    # people
    "admin.people": Row(ADMINISTRATORS),
    "admin.invite": Row(ADMINISTRATORS),
    "admin.person": Row(ADMINISTRATORS, somebody),
    "admin.person_roles": Row(ADMINISTRATORS, somebody),
    "admin.invite_again": Row(ADMINISTRATORS, somebody),
    "admin.person_access": Row(ADMINISTRATORS, somebody),
    "admin.person_second_factor": Row(ADMINISTRATORS, somebody),
    # today
    "admin.dashboard": Row(EVERYBODY),
    "admin.letters": Row(KEEPERS),
    # lists
    "admin.services": Row(CATALOGUE),
    "admin.organizations": Row(CATALOGUE),
    "admin.locations": Row(CATALOGUE),
    "admin.contacts": Row(CATALOGUE),
    "admin.bulk_services": Row(KEEPERS),
    "admin.bulk_organizations": Row(KEEPERS),
    "admin.bulk_locations": Row(KEEPERS),
    "admin.export_list": Row(CATALOGUE, lambda portal: {"name": "services"}),
    "admin.archive": Row(CATALOGUE),
    "admin.put_back": Row(KEEPERS, lambda portal: {"entity": "service"}),
    "admin.funding": Row(CATALOGUE),
    "admin.statistics": Row(STATISTICS),
    "admin.statistics_csv": Row(STATISTICS),
    # edit pages
    "admin.edit_service": Row(CATALOGUE),
    "admin.new_service": Row(CATALOGUE),
    "admin.preview_service": Row(CATALOGUE),
    "admin.capacity": Row(CATALOGUE),
    "admin.edit_organization": Row(CATALOGUE, lambda portal: {"slug": example(portal)["organization_slug"]}),
    "admin.new_organization": Row(KEEPERS),
    "admin.edit_location": Row(
        CATALOGUE, lambda portal: {"slug": portal.catalogue.services()[0].locations[0].slug}
    ),
    "admin.new_location": Row(CATALOGUE),
    "admin.keep_form": Row(EVERYBODY),
    # review, history, log
    "admin.review": Row(KEEPERS),
    "admin.review_proposal": Row(KEEPERS, lambda portal: {"proposal_id": uuid4()}, missing=True),
    "admin.history": Row(CATALOGUE, lambda portal: {"entity": "service"}),
    "admin.version": Row(CATALOGUE, lambda portal: {"entity": "service", "number": 1}, missing=True),
    "admin.audit": Row(ADMINISTRATORS),
    "admin.audit_csv": Row(ADMINISTRATORS),
    # keeping it true
    "admin.confirmations": Row(KEEPERS),
    "admin.confirmed_by_phone": Row(KEEPERS),
    "admin.reports": Row(KEEPERS),
    "admin.decide_report": Row(KEEPERS, lambda portal: {"report_id": uuid4()}, missing=True),
    "admin.links": Row(CATALOGUE),
    # questionnaire, settings, words, meter
    "admin.clearing": Row(KEEPERS),
    "admin.clearing_rules": Row(KEEPERS),
    "admin.clearing_check": Row(KEEPERS),
    "admin.clearing_try": Row(KEEPERS),
    "admin.clearing_cases": Row(KEEPERS),
    "admin.clearing_texts": Row(KEEPERS),
    "admin.clearing_text": Row(KEEPERS, a_source_text),
    "admin.settings": Row(KEEPERS, missing=True),
    "admin.settings_contrast": Row(KEEPERS),
    "admin.search_misses": Row(KEEPERS),
    "admin.decide_miss": Row(KEEPERS, missing=True),
    "admin.meter": Row(CATALOGUE),
    # hand-over slips
    "admin.slip_entry": Row(frozenset({A, C, K})),
    # referrals: only for counsellors; a referral of another team is not there
    "admin.referrals": Row(frozenset({K})),
    "admin.referral": Row(frozenset({K}), no_referral, missing=True),
    "admin.move_referral": Row(frozenset({K}), no_referral, missing=True),
    "admin.record_consent": Row(frozenset({K}), no_referral, missing=True),
    "admin.record_joint_consent": Row(frozenset({K}), no_referral, missing=True),
    # teams of referrals, and those who watch over them
    "admin.referral_teams": Row(frozenset({A, C, K})),
    "admin.referral_team": Row(frozenset({A, C, K}), one_team),
    "admin.referral_watch": Row(KEEPERS),
    "admin.referral_watch_one": Row(KEEPERS, no_referral, missing=True),
    "admin.propose_desk": Row(KEEPERS, no_referral, missing=True),
    "admin.referral_access": Row(KEEPERS),
    "admin.referral_access_csv": Row(KEEPERS),
    "admin.prepare": Row(frozenset({K})),
    "admin.write_prepared": Row(frozenset({K})),
    "admin.prepared": Row(frozenset({K}), no_referral, missing=True),
    "admin.discard_prepared": Row(frozenset({K}), no_referral, missing=True),
    # colleagues' case talks: a talk of others is not there
    "admin.case_talks": Row(frozenset({C, K})),
    "admin.new_case_talk": Row(frozenset({C, K})),
    "admin.create_case_talk": Row(frozenset({C, K})),
    "admin.case_talk": Row(frozenset({C, K}), no_case_talk, missing=True),
    "admin.move_case_talk": Row(frozenset({C, K}), no_case_talk, missing=True),
    # translations
    "admin.translations": Row(KEEPERS),
    "admin.next_translation": Row(KEEPERS),
    "admin.translation_exchange": Row(KEEPERS),
    "admin.export_translations": Row(KEEPERS, missing=True),
    "admin.import_translations": Row(KEEPERS, missing=True),
    "admin.translate_entry": Row(KEEPERS, lambda portal: {"language": "en", "entity": "service"}),
    # lists in and out, and what stands twice
    "admin.exchange": Row(KEEPERS),
    "admin.export": Row(KEEPERS),
    "admin.upload": Row(KEEPERS),
    "admin.import_columns": Row(KEEPERS, lambda portal: {"token": "never-sent"}, missing=True),
    "admin.import_check": Row(KEEPERS, lambda portal: {"token": "never-sent"}, missing=True),
    "admin.duplicates": Row(KEEPERS),
    "admin.merge_entries": Row(KEEPERS, two_services),
    "admin.distinct": Row(KEEPERS, two_services),
    "admin.contacts_shared": Row(KEEPERS),
    "admin.contact_shared": Row(KEEPERS, lambda portal: {"key": "nobody"}, missing=True),
}


def example(portal: Portal) -> dict[str, Any]:
    """Values for the names of parts of addresses: a service of the organization whose editor asks."""
    service = portal.catalogue.services()[0]
    return {
        "slug": service.slug,
        "service_slug": service.slug,
        "organization_slug": service.organization.slug,
    }


def rules(app: Flask) -> list[Rule]:
    """The listed ones; `test_every_address_is_listed_and_nothing_else` sees to the others."""
    found = (rule for rule in app.url_map.iter_rules() if rule.endpoint in MATRIX)
    return sorted(found, key=lambda rule: rule.rule)


def address(app: Flask, portal: Portal, rule: Rule, row: Row) -> str:
    given = {**example(portal), **row.values(portal)}
    values = {name: given[name] for name in rule.arguments}
    with app.test_request_context("/admin/"):
        return app.url_map.bind("localhost").build(rule.endpoint, values)


def methods(rule: Rule) -> list[str]:
    return [method for method in ("GET", "POST") if method in (rule.methods or ())]


def test_every_address_is_listed_and_nothing_else(admin_app: Flask) -> None:
    assert {rule.endpoint for rule in admin_app.url_map.iter_rules()} == set(MATRIX)


def test_every_view_says_who_may(admin_app: Flask) -> None:
    silent = [name for name, view in admin_app.view_functions.items() if not hasattr(view, "needs")]
    assert silent == []


@pytest.mark.parametrize("role", list(Role))
def test_role(
    role: Role, admin_app: Flask, admin_portal: Portal, a_user: MakeUser, signed_in: SignIn
) -> None:
    organization = example(admin_portal)["organization_slug"] if role in (E, K) else None
    a_user(A)
    user = a_user(role, organization=organization)
    wrong = []
    for rule in rules(admin_app):
        row = MATRIX[rule.endpoint]
        path = address(admin_app, admin_portal, rule, row)
        for method in methods(rule):
            client = signed_in(user=user)
            answer = client.get(path) if method == "GET" else client.send(path)
            may = row.roles is None or role in row.roles
            if _fits(answer.status_code, answer.location or "", may=may, row=row):
                continue
            wrong.append(f"{method} {path}: {answer.status_code} {answer.location or ''}, may={may}")
    assert wrong == []


def _fits(status: int, location: str, *, may: bool, row: Row) -> bool:
    if not may:
        return status == 403
    if status in (404, 400, 410):
        return row.missing
    return status < 500 and status not in (401, 403, 405) and (row.ends or "/admin/sign-in" not in location)


def test_strangers_are_sent_to_the_sign_in(
    admin_app: Flask, admin_portal: Portal, stranger: AdminClient
) -> None:
    wrong = []
    for rule in rules(admin_app):
        row = MATRIX[rule.endpoint]
        path = address(admin_app, admin_portal, rule, row)
        for method in methods(rule):
            client = AdminClient(admin_app)
            answer = client.client.open(path, method=method)
            sent_away = answer.status_code == 303 and answer.location == "/admin/sign-in"
            if sent_away is (row.roles is OPEN) and not row.ends:
                wrong.append(f"{method} {path}: {answer.status_code} {answer.location or ''}")
    assert wrong == []


@pytest.mark.parametrize("role", [C, E, K, R])
def test_roles_of_another_county_open_nothing_but_the_own_account(
    role: Role, admin_app: Flask, admin_portal: Portal, a_user: MakeUser, signed_in: SignIn
) -> None:
    a_user(A)
    user = a_user(role, area="99")
    for rule in rules(admin_app):
        row = MATRIX[rule.endpoint]
        if row.roles is None or row.roles == EVERYBODY:
            continue
        for method in methods(rule):
            client = signed_in(user=user)
            path = address(admin_app, admin_portal, rule, row)
            answer = client.get(path) if method == "GET" else client.send(path)
            assert answer.status_code == 403, f"{method} {path}"
