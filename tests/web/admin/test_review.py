"""Proposals: read, decided whole or in part, told to their author."""

from typing import Any, Protocol

import pytest
from flask import Flask
from sqlmodel import Session, select

from portal.accounts.models import AuditEvent, Letter, User
from portal.catalogue import editing, models, proposals
from portal.catalogue.models import Proposal, Status, entity_id
from portal.catalogue.queries import ServiceView
from portal.web.application import Portal
from tests.web.admin.conftest import NOW, MakeUser, SignIn
from tests.web.admin.pages import AdminClient
from tests.web.pages import Page, text_of

REGION = "musterkreis"


@pytest.fixture
def service(admin_portal: Portal) -> ServiceView:
    return next(
        s
        for s in admin_portal.catalogue.services()
        if s.slug != admin_portal.region.clearing_desk
        and admin_portal.region.county_area in s.service_areas
        and s.phones
        and not s.desk_for
    )


@pytest.fixture
def author(a_user: MakeUser, service: ServiceView) -> User:
    return a_user("editor", organization=service.organization.slug, email="erle@example.org")


@pytest.fixture(autouse=True)
def _letters_wait(admin_app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    """No thread that sends them while a test looks."""
    monkeypatch.setattr(admin_app.extensions["letters"], "deliver_soon", lambda: None)


class Propose(Protocol):
    def __call__(self, wish: str = "change", **changes: Any) -> Proposal: ...


@pytest.fixture
def propose(database: Session, author: User, service: ServiceView) -> Propose:
    def make(wish: str = "change", **changes: Any) -> Proposal:
        base = editing.entry(database, REGION, "service", service.slug)
        made = proposals.propose(
            database,
            REGION,
            "service",
            editing.parsed("service", {**editing.plain(base.record), **changes}),
            base=base,
            author=author,
            now=NOW,
            organization_id=entity_id(REGION, "organization", service.organization.slug),
            comment="Ab Januar",
            wish=wish,
        )
        database.commit()
        return made

    return make


def path(proposal: Proposal) -> str:
    return f"/admin/review/{proposal.id}"


def decide(client: AdminClient, proposal: Proposal, decision: str, **fields: Any) -> Any:
    """Send the form as it stands, with what a person changes in it."""
    page = client.page(path(proposal))
    form = {
        str(field["name"]): field["value"] for field in page.all("main form input[type=checkbox][checked]")
    }
    form |= {"seen": page.one("input[name=seen]")["value"], "decision": decision, **fields}
    return client.send(path(proposal), {name: value for name, value in form.items() if value is not None})


def record_of(database: Session, slug: str) -> Any:
    database.expire_all()
    return editing.entry(database, REGION, "service", slug).record


def problems(client: AdminClient, answer: Any) -> Page:
    page = client.sent(answer, "review", status=422)
    assert page.all("[role=alert]")
    return page


def test_the_queue_shows_the_oldest_first_to_those_who_decide(
    admin: AdminClient, signed_in: SignIn, propose: Propose, service: ServiceView, admin_portal: Portal
) -> None:
    made = propose(description="Neu.")
    line = admin.page("/admin/review").one("tbody tr")
    assert "Ab Januar" in text_of(line)
    assert line.select_one("a")["href"] == path(made)
    other = signed_in("coordinator", area=admin_portal.region.county_area + "001")
    assert other.page("/admin/review").all("tbody tr") == [], "the offer serves the whole county"
    assert other.get(path(made)).status_code == 404
    assert other.send(path(made), {"decision": "accept"}).status_code == 404


def test_the_difference_is_marked_without_colour(admin: AdminClient, propose: Propose) -> None:
    made = propose(description="Wir helfen dir gern weiter.")
    page = admin.page(path(made))
    assert page.all(".choice ins .vh") and page.all(".choice del .vh")
    assert len(page.all(".choice")) == 1


def test_accept_writes_it_and_tells_the_author(
    admin: AdminClient, propose: Propose, database: Session, service: ServiceView
) -> None:
    made = propose(description="Wir helfen dir gern weiter.")
    answer = decide(admin, made, "accept", comment="Danke!")
    assert (answer.status_code, answer.location) == (303, "/admin/review")
    assert record_of(database, service.slug).description == "Wir helfen dir gern weiter."
    assert made.state == "accepted" and made.decided_name.startswith("Administrator")
    assert editing.versions(database, service.id)[0].cause == "accepted"
    letter = database.exec(select(Letter)).one()
    assert letter.recipient == "erle@example.org"
    assert service.name in letter.subject and "Danke!" in letter.body
    assert f"/admin/services/{service.slug}" in letter.body
    event = database.exec(select(AuditEvent).where(AuditEvent.action == "proposal.accepted")).one()
    assert event.details["fields"] == ["description"] and "gern" not in str(event.details)


def test_only_what_is_ticked_is_taken_over(
    admin: AdminClient, propose: Propose, database: Session, service: ServiceView
) -> None:
    before = record_of(database, service.slug)
    made = propose(description="Nein danke.", application_process="Ruf einfach an.")
    decide(admin, made, "accept", **{"take-description": None})
    now = record_of(database, service.slug)
    assert (now.description, now.application_process) == (before.description, "Ruf einfach an.")


def test_nothing_ticked_is_no_decision(admin: AdminClient, propose: Propose) -> None:
    made = propose(description="Nein danke.")
    page = problems(admin, decide(admin, made, "accept", **{"take-description": None, "comment": "Hm"}))
    assert text_of(page.one("#comment")) == "Hm"
    assert not page.one("#take-description").has_attr("checked")


def test_refusing_needs_a_reason(
    admin: AdminClient, propose: Propose, database: Session, service: ServiceView
) -> None:
    made = propose(description="Nein danke.")
    problems(admin, decide(admin, made, "reject"))
    problems(admin, decide(admin, made, ""))
    before = record_of(database, service.slug)
    assert decide(admin, made, "reject", comment="Das stimmt so nicht.").status_code == 303
    assert record_of(database, service.slug) == before
    assert (made.state, made.decision_comment) == ("rejected", "Das stimmt so nicht.")
    assert "Das stimmt so nicht." in database.exec(select(Letter)).one().body


def test_a_clash_is_shown_and_both_changes_survive_where_they_do_not_clash(
    admin: AdminClient, propose: Propose, database: Session, service: ServiceView
) -> None:
    made = propose(description="Von der Organisation.", application_process="Ruf an.")
    current = editing.entry(database, REGION, "service", service.slug)
    changed = current.record.model_copy(
        update={"description": "Von der Koordination.", "eligibility_description": "Für alle."}
    )
    editing.save(database, REGION, "service", changed, base_hash=current.hash, author=None, now=NOW)
    database.commit()
    page = admin.page(path(made))
    assert [text_of(legend) for legend in page.all(".clash legend")] and len(page.all(".clash")) == 1
    assert "Von der Koordination." in text_of(page.one(".clash"))
    decide(admin, made, "accept", **{"take-description": None})
    now = record_of(database, service.slug)
    assert now.description == "Von der Koordination."
    assert (now.application_process, now.eligibility_description) == ("Ruf an.", "Für alle.")


def test_what_changed_after_looking_is_looked_at_again(
    admin: AdminClient, propose: Propose, database: Session, service: ServiceView
) -> None:
    made = propose(description="Von der Organisation.")
    seen = admin.page(path(made)).one("input[name=seen]")["value"]
    current = editing.entry(database, REGION, "service", service.slug)
    changed = current.record.model_copy(update={"description": "Von der Koordination."})
    editing.save(database, REGION, "service", changed, base_hash=current.hash, author=None, now=NOW)
    database.commit()
    form = {"seen": seen, "decision": "accept", "take-description": "yes", "comment": "Gut"}
    page = problems(admin, admin.send(path(made), form))
    assert len(page.all(".clash")) == 1 and text_of(page.one("#comment")) == "Gut"
    assert record_of(database, service.slug).description == "Von der Koordination."


def test_who_comes_second_is_told_kindly(
    admin: AdminClient, signed_in: SignIn, propose: Propose, database: Session, author: User
) -> None:
    made = propose(description="Neu.")
    seen = admin.page(path(made)).one("input[name=seen]")["value"]
    decide(signed_in("coordinator"), made, "reject", comment="Nein.")
    answer = admin.send(path(made), {"seen": seen, "decision": "accept", "take-description": "yes"})
    assert answer.location == "/admin/review"
    assert "Coordinator" in text_of(admin.page("/admin/review").one(".box.info"))
    assert "Nein." in admin.page(path(made)).text, "the decided proposal can still be read"
    assert not admin.page(path(made)).all("button[name=decision]")
    database.refresh(made)
    assert made.state == "rejected"
    taken_back = propose(description="Noch einmal.")
    proposals.withdraw(database, taken_back, now=NOW)
    database.commit()
    assert admin.page(path(taken_back)).all(".box.info")


def test_a_new_entry_is_read_and_published_at_once(
    admin: AdminClient, database: Session, author: User, service: ServiceView
) -> None:
    values = {
        **editing.plain(record_of(database, service.slug)),
        "slug": "brandneu",
        "name": "Brandneu",
        "status": "draft",
    }
    made = proposals.propose(
        database, REGION, "service", editing.parsed("service", values), base=None, author=author, now=NOW,
        organization_id=entity_id(REGION, "organization", service.organization.slug), wish="create",
    )  # fmt: skip
    database.commit()
    assert "Brandneu" in admin.page(path(made)).text
    assert decide(admin, made, "accept").status_code == 303
    assert record_of(database, "brandneu").status == "published"


def test_a_new_entry_may_stay_a_draft(
    admin: AdminClient, database: Session, author: User, service: ServiceView
) -> None:
    values = {
        **editing.plain(record_of(database, service.slug)),
        "slug": "brandneu",
        "name": "Brandneu",
        "status": "draft",
    }
    made = proposals.propose(
        database, REGION, "service", editing.parsed("service", values), base=None, author=author, now=NOW,
        organization_id=entity_id(REGION, "organization", service.organization.slug), wish="create",
    )  # fmt: skip
    database.commit()
    assert decide(admin, made, "accept", publish=None).status_code == 303
    assert record_of(database, "brandneu").status == "draft"


def test_a_wish_to_archive(
    admin: AdminClient, propose: Propose, database: Session, service: ServiceView
) -> None:
    made = propose("archive")
    assert decide(admin, made, "accept").status_code == 303
    row = database.get(models.Service, service.id, populate_existing=True)
    assert row is not None and row.status == Status.ARCHIVED


def test_what_no_longer_fits_is_said(
    admin: AdminClient, propose: Propose, database: Session, service: ServiceView
) -> None:
    made = propose(description="Neu.")
    made.record = {**made.record, "topics": ["no_such_topic"]}
    database.add(made)
    database.commit()
    page = problems(admin, decide(admin, made, "accept"))
    assert "no_such_topic" in text_of(page.one("[role=alert]"))
    database.refresh(made)
    assert made.state == "in_review"


def test_typed_text_stays_text(admin: AdminClient, propose: Propose) -> None:
    made = propose(
        description="<script>alert(1)</script>", application_process="<img src=x onerror=alert(1)>"
    )
    body = admin.page(path(made)).response.get_data(as_text=True)
    assert "<script>alert" not in body and "<img" not in body


def test_drafts_of_others_and_unknown_proposals_are_not_there(
    admin: AdminClient, propose: Propose, database: Session
) -> None:
    made = propose(description="Neu.")
    made.state = "draft"
    database.add(made)
    database.commit()
    assert admin.get(path(made)).status_code == 404
    assert admin.get("/admin/review/00000000-0000-0000-0000-000000000000").status_code == 404
