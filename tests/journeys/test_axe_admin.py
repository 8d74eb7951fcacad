"""axe-core on every admin page there is, as those who may do most and least in it, by day and by night."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from sqlmodel import Session, select

from portal.accounts.models import Role, User
from portal.catalogue.models import Service, entity_id
from portal.referral import actions, case_talk
from portal.referral.actions import Counsellor
from portal.referral.choosing import Desk
from portal.referral.models import Outcome, Referral, Team
from portal.referral.personal import Agreed, CaseSheet, Line, Meeting, Person
from tests.journeys.conftest import Phone
from tests.journeys.offices import PEOPLE, Office, office, sign_in
from tests.journeys.test_axe import violations
from tests.web.admin.ground import Ground, all_rules, furnish
from tests.web.admin.test_matrix import MATRIX

pytestmark = pytest.mark.browser
YOUTH_OFFICE, CLEARING = "jugendamt-musterkreis", "startpunkt-musterkreis"
NO_PAGES = {
    "admin.audit_csv": "a file",
    "admin.referral_access_csv": "a file",
    "admin.second_factor": "only between password and code; test_admin_sign_in looks at it",
}


@pytest.fixture(scope="module")
def furnished(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Office, Ground, list[UUID]]]:
    people = (*PEOPLE, ("Jana", "counsellor", YOUTH_OFFICE), ("Tom", "counsellor", CLEARING))
    with office(tmp_path_factory.mktemp("axe"), people) as made, made.session() as session:
        user = session.exec(select(User).where(User.email == "ada@example.org")).one()
        own = next(
            s for s in made.portal.catalogue.services()
            if s.organization.slug == "startpunkt-musterkreis" and s.slug != made.portal.region.clearing_desk
        )  # fmt: skip
        ground = furnish(made.portal, session, user, service=own)
        made.portal.catalogue._checked_at = float("-inf")
        yield made, ground, referrals_in_every_state(made, session, ground)


def referrals_in_every_state(site: Office, session: Session, ground: Ground) -> list[UUID]:
    """At the youth office, and a case talk; `ground` names one referral for every endpoint, the others are returned."""
    tools, now = site.portal.referrals, site.time()
    assert tools is not None
    desks, by = [], []
    for slug, name in ((YOUTH_OFFICE, "jana"), (CLEARING, "tom")):
        id_ = entity_id("musterkreis", "organization", slug)
        session.add(Team(organization_id=id_, region="musterkreis", accepts=True, changed_at=now))
        services = session.exec(
            select(Service).where(Service.organization_id == id_, Service.status == "published")
        )
        desks.append(Desk(services.first().id, id_))  # type: ignore[union-attr]
        user = session.exec(select(User).where(User.email == f"{name}@example.org")).one()
        by.append(Counsellor(user.id, frozenset({id_})))
    told = Line(key="name", label="الاسم", label_de="Name", value="Sternchen", value_de="Sternchen")
    agreed = Agreed(statement="أوافق.", statement_de="Ich bin einverstanden.", lines=(told,))
    key, jana, days = tools.keyring, by[0], tools.days

    def sent() -> Referral:
        made, _ = actions.begin(session, key, region="musterkreis", language="ar", desk=desks[0], now=now)
        actions.write(session, key, made, Person(name="Sternchen"), now=now)
        actions.submit(session, key, made, agreed, text_version="1", days=days, now=now)
        return made

    new, refused, better, joint, done, gone = (sent() for _ in range(6))
    actions.alarm(session, new, now=now)
    actions.reject(session, key, refused, jana, reason="Nein.", better=None, now=now)
    actions.reject(session, key, better, jana, reason="Dort.", better=desks[1], now=now)
    for one in (joint, done):
        actions.accept(session, one, jana, now=now)
        for text, who in (("Hallo", jana), ("مرحبا", None)):
            actions.message(
                session, key, one, text, organization_id=jana_team(jana), by=who, days=days, now=now
            )
    asked = actions.propose_joint(session, joint, jana, desks[1], now=now)
    meeting = Meeting(start_at=now + timedelta(days=3), minutes=30, place="Zimmer 3", note="Bitte klingeln")
    actions.propose_appointment(session, key, joint, jana, meeting, now=now)
    actions.note_try(session, key, joint, jana, note="Niemand ging dran.", now=now)
    actions.propose_handover(session, key, joint, desks[1], by=jana, reason="Dort.", now=now)
    actions.complete(session, key, done, jana, outcome=Outcome.ARRIVED, now=now, keep=tools.keep)
    actions.withdraw(session, gone, now=now)
    sheet = CaseSheet(
        title="Steht nicht auf", question="Was hilft?", situation="Kommt nicht.", tried="Briefe."
    )
    talk = case_talk.create(
        session, key, sheet, jana, region="musterkreis", now=now, today=now.date(), referral_id=joint.id
    )
    session.commit()
    ground.values |= {
        "organization_id": jana_team(jana),
        "talk_id": talk.id,
        "consent_id": asked.id,
    }
    ground.values["referral_id"] = joint.id
    for endpoint in ("admin.referral_watch_one", "admin.propose_desk"):
        ground.of_endpoint[endpoint] = {"referral_id": refused.id}
    return [one.id for one in (new, refused, better, done, gone)]


def jana_team(jana: Counsellor) -> UUID:
    (team,) = jana.organizations
    return team


def addresses(app: Flask, ground: Ground, role: Role, cases: list[UUID]) -> Iterator[str]:
    for rule in all_rules(app, "GET"):
        row = MATRIX.get(rule.endpoint)
        if rule.endpoint not in NO_PAGES and (row is None or row.roles is None or role in row.roles):
            yield ground.address(app, rule)
    if role is Role.COUNSELLOR:
        yield from (f"/admin/referrals/{id_}" for id_ in cases)


def prepare(page: Any) -> None:
    """A referral beside the young person, up to the QR code."""
    page.goto("/admin/referrals/prepare")
    page.locator("#desk").select_option(index=1)
    page.check('input[name="channels"][value="page"]')
    with page.expect_navigation():
        page.click("main form .btn")
    assert page.locator(".qrbox svg").count() == 1


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(
    ("name", "role"),
    [("Ada", Role.ADMINISTRATOR), ("Eda", Role.EDITOR), ("Jana", Role.COUNSELLOR)],
)
def test_axe_finds_nothing_on_any_page(
    name: str,
    role: Role,
    scheme: str,
    phone: Callable[..., Phone],
    furnished: tuple[Office, Ground, list[UUID]],
) -> None:
    site, ground, cases = furnished
    tab = phone(site, bypass_csp=True, color_scheme=scheme)
    page, problems, seen = tab.page, {}, 0
    page.set_viewport_size(
        {"width": 1280, "height": 900} if scheme == "light" else {"width": 360, "height": 740}
    )
    page.goto("/admin/sign-in")
    if found := violations(tab):
        problems["/admin/sign-in"] = found
    sign_in(page, name)
    for path in addresses(site.app.extensions["admin"].app, ground, role, cases):
        answer = page.goto(path)
        assert answer.status < (400 if path.endswith(tuple(map(str, cases))) else 500), path
        page.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true })")
        seen += 1
        if found := violations(tab):
            problems[path] = found
    assert problems == {}
    if role is Role.COUNSELLOR:
        prepare(page)
        problems |= {"prepared": found} if (found := violations(tab)) else {}
    assert seen >= 20
    assert tab.foreign == []
