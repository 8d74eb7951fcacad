"""The link without login, from the letter to the answer."""

import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from sqlmodel import Session, col, select

from portal.accounts.models import AuditEvent, Letter, Role, RoleGrant, User
from portal.catalogue import editing
from portal.catalogue.models import Confirmation, Organization, Proposal, Service
from portal.config import Settings
from portal.web import mail
from portal.web.admin import reminding
from portal.web.admin.letters import Letters, command_letters
from portal.web.application import Portal, build
from portal.web.public.confirmation import Links
from tests.web.conftest import NOW
from tests.web.pages import Page, PageClient, check_page

SLUG = "reha-team"


@dataclass
class Office:
    """A portal with one due offer, its letters, and whoever opens the links."""

    settings: Settings
    now: datetime = NOW
    client: PageClient = field(init=False)

    def __post_init__(self) -> None:
        self.client = PageClient(build(self.settings, now=lambda: self.now))
        portal: Portal = self.client.app.extensions["portal"]
        self.portal = portal
        self.letters: Letters = command_letters(self.settings, portal.store)
        # The letters know the clock of the test, too.
        self.letters._now = lambda: self.now

    def session(self) -> Session:
        return self.portal.store.sessions()

    def make_due(self, slug: str, *, email: str | None = "office@example.org") -> None:
        with self.session() as session:
            service = session.exec(select(Service).where(Service.slug == slug)).one()
            service.assured_date = date(2026, 1, 1)
            service.confidence = "medium"
            service.email = email
            session.add(service)
            session.commit()

    def run(self) -> reminding.Sent:
        """`portal reminders send`"""
        with self.session() as session:
            sent = reminding.send(
                session,
                self.letters,
                self.portal.region,
                secret_key=self.settings.secret_key,
                today=self.now.date(),
                now=self.now,
            )
            session.commit()
        return sent

    def later(self, days: int) -> None:
        self.now += timedelta(days=days)

    def written(self) -> list[Letter]:
        with self.session() as session:
            return list(session.exec(select(Letter).order_by(col(Letter.written_at))).all())

    def link(self) -> str:
        """The path in the newest letter; absolute links begin with the public address."""
        (found,) = re.findall(r"(?m)^http://[^/]+(/de/confirm/\S+)$", self.written()[-1].body)
        return str(found)

    def entry(self, slug: str = SLUG) -> editing.Entry:
        with self.session() as session:
            return editing.entry(session, "musterkreis", "service", slug)

    def proposals(self) -> list[Proposal]:
        with self.session() as session:
            return list(session.exec(select(Proposal)).all())

    def state(self) -> list[Any]:
        """Everything a page could have changed."""
        with self.session() as session:
            asked = [
                (c.answered_at, c.answer, c.reminded_at) for c in session.exec(select(Confirmation)).all()
            ]
            events = len(session.exec(select(AuditEvent)).all())
        return [asked, events, self.proposals(), self.entry().hash]


@pytest.fixture(scope="module")
def shared(prepared: Callable[[str], Settings], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    """Built once; nothing is due in its database."""
    source = prepared("musterkreis")
    folder = tmp_path_factory.mktemp("confirmation") / "data"
    shutil.copytree(source.data_dir, folder)
    made = Office(source.model_copy(update={"data_dir": folder}))
    with made.session() as session:
        for service in session.exec(select(Service)).all():
            service.assured_date = NOW.date()
            session.add(service)
        session.commit()
    made.portal.store.engine.dispose()
    shutil.copy(folder / "musterkreis.sqlite3", folder / "pristine.sqlite3")
    yield made
    made.portal.store.engine.dispose()


@pytest.fixture
def office(shared: Office) -> Iterator[Office]:
    """With a database and a browser of its own."""
    folder = shared.settings.data_dir
    for left_over in folder.glob("musterkreis.sqlite3*"):
        left_over.unlink()
    shutil.copy(folder / "pristine.sqlite3", folder / "musterkreis.sqlite3")
    shared.now = NOW
    shared.client = PageClient(shared.client.app)
    shared.portal.catalogue._checked_at = float("-inf")
    shared.portal.catalogue.refresh()
    yield shared
    shared.portal.store.engine.dispose()


@pytest.fixture
def link(office: Office) -> str:
    office.make_due(SLUG)
    assert office.run().asked == 1
    return office.link()


def thanked(office: Office, response: Any) -> Page:
    assert response.status_code == 303, response.get_data(as_text=True)[-1500:]
    return office.client.page(response.location)


# Letters.


def test_one_letter_for_each_mailbox_names_its_offers_and_a_second_run_sends_nothing(office: Office) -> None:
    with office.session() as session:
        organization = session.exec(select(Service).where(Service.slug == SLUG)).one().organization_id
        more = session.exec(select(Service).where(Service.organization_id == organization)).all()
        slugs = [service.slug for service in more]
    assert len(slugs) >= 2, "the example organization has several offers"
    for slug in slugs:
        office.make_due(slug)
    first = office.run()
    assert (first.asked, first.letters) == (len(slugs), 1)
    (letter,) = office.written()
    assert letter.recipient == "office@example.org"
    assert letter.body.count("/de/confirm/") == len(slugs)
    assert str(len(slugs)) in letter.subject
    second = office.run()
    assert (second.asked, second.reminded, second.escalated, second.letters) == (0, 0, 0, 0)
    assert len(office.written()) == 1


def test_whoever_has_no_mailbox_is_counted(office: Office) -> None:
    with office.session() as session:
        service = session.exec(select(Service).where(Service.slug == SLUG)).one()
        owner = session.get(Organization, service.organization_id)
        assert owner is not None
        owner.email = None
        session.add(owner)
        session.commit()
    office.make_due(SLUG, email=None)
    sent = office.run()
    assert (sent.asked, sent.to_be_phoned) == (0, 1)
    assert office.written() == []


def a_coordinator(office: Office, name: str, *, role: Role = Role.COORDINATOR, area: str = "") -> None:
    with office.session() as session:
        user = User(email=f"{name}@example.org", name=name, password_hash="x", created_at=NOW)
        session.add(user)
        session.flush()
        session.add(RoleGrant(user_id=user.id, role=role.value, area=area, granted_at=NOW))
        session.commit()


def test_reminder_and_escalation_with_the_same_link_all_along(office: Office, link: str) -> None:
    a_coordinator(office, "kim")
    a_coordinator(office, "elsewhere", area="99")
    a_coordinator(office, "chief", role=Role.ADMINISTRATOR)
    office.later(13)
    assert office.run().letters == 0
    office.later(1)
    assert office.run().reminded == 1
    assert office.run().letters == 0
    assert office.link() == link
    office.later(14)
    sent = office.run()
    assert (sent.escalated, sent.letters) == (1, 1)
    escalation = office.written()[-1]
    assert escalation.recipient == "kim@example.org"
    assert "/admin/confirmations?show=silent" in escalation.body
    assert office.entry().record.name in escalation.body
    assert office.run().letters == 0
    # It is not too late to answer.
    thanked(office, office.client.post(link, data={"answer": "right"}))
    assert office.entry().record.assured_date == office.now.date()


def test_without_a_coordinator_the_administrators_are_told_and_nobody_is_not_forgotten(
    office: Office, link: str
) -> None:
    office.later(14)
    office.run()
    office.later(14)
    assert office.run().escalated == 0
    a_coordinator(office, "chief", role=Role.ADMINISTRATOR)
    office.later(1)
    assert office.run().escalated == 1
    assert office.written()[-1].recipient == "chief@example.org"


def test_a_mail_server_that_is_down_loses_nothing(
    office: Office, link: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Down:
        def send(self, **_letter: str) -> None:
            raise ConnectionRefusedError

    sent: list[str] = []

    class Up:
        def send(self, *, recipient: str, **_letter: str) -> None:
            sent.append(recipient)

    monkeypatch.setattr(mail, "sender", lambda settings: Down())
    assert office.letters.deliver() == (0, 1)
    monkeypatch.setattr(mail, "sender", lambda settings: Up())
    office.now += timedelta(minutes=5)
    assert office.run().letters == 0
    assert office.letters.deliver() == (1, 0)
    assert sent == ["office@example.org"]


def test_after_a_new_secret_key_the_reminder_brings_a_link_that_works(office: Office, link: str) -> None:
    renewed = Office(
        office.settings.model_copy(update={"secret_key": "another-secret-0123456789abcdef0123456789"})
    )
    assert renewed.client.page(link, status=404).h1
    renewed.later(14)
    assert renewed.run().reminded == 1
    assert renewed.link() != link
    renewed.client.page(renewed.link())
    renewed.portal.store.engine.dispose()


# The page.


@pytest.mark.parametrize("lang", ["de", "en", "ar"])
def test_the_page_shows_the_facts_in_german_whatever_its_language(
    office: Office, link: str, lang: str
) -> None:
    page = office.client.page(link.replace("/de/", f"/{lang}/"))
    record = office.entry().record
    assert record.name in page.text
    assert " ".join(record.description.split()) in page.text
    assert page.response.headers["Cache-Control"] == "no-store"
    assert page.one('meta[name="robots"]')["content"] == "noindex"
    assert not office.client.cookie_names()
    form = office.client.page(link.replace("/de/", f"/{lang}/") + "/correct")
    assert form.one("#description").text.strip() == record.description.strip()


def test_looking_changes_nothing(office: Office, link: str) -> None:
    before = office.state()
    for path in (link, link + "/correct", link + "?answer=right", link + "?thanks=1"):
        for method in ("GET", "HEAD", "OPTIONS"):
            assert office.client.client.open(path, method=method).status_code == 200
    assert office.state() == before


def test_everything_still_right_with_one_tap(office: Office, link: str) -> None:
    page = office.client.page(link)
    assert page.one('button[value="right"]')
    thanks = thanked(office, office.client.post(link, data={"answer": "right"}))
    record = office.entry().record
    assert (record.assured_date, record.confidence.value) == (NOW.date(), "confirmed")
    assert office.proposals() == []
    assert thanks.path.endswith("?thanks=1")
    # Opened again, it says when that was, and a second answer changes nothing.
    again = office.client.page(link)
    assert "2026" in again.text
    before = office.state()
    for path, data in ((link, {"answer": "gone"}), (link + "/correct", {"description": "anders"})):
        assert office.client.post(path, data=data).status_code == 200
    assert office.state() == before
    with office.session() as session:
        events = session.exec(select(AuditEvent).where(AuditEvent.action == "confirmation.answered")).all()
    assert [(event.details, event.actor_id) for event in events] == [({"answer": "right"}, None)]


def test_the_public_page_says_so_at_once(office: Office, link: str) -> None:
    before = office.client.page(f"/de/offers/{SLUG}").one("p.note").text
    office.client.post(link, data={"answer": "right"})
    office.portal.catalogue._checked_at = float("-inf")
    after = office.client.page(f"/de/offers/{SLUG}").one("p.note").text
    assert after != before
    assert "2026" in after


def test_gone_goes_to_review(office: Office, link: str) -> None:
    thanked(office, office.client.post(link, data={"answer": "gone", "remarks": "Jetzt hilft das Rathaus."}))
    (proposal,) = office.proposals()
    assert (proposal.wish, proposal.state, proposal.source) == ("archive", "in_review", "confirmation")
    assert proposal.comment == "Jetzt hilft das Rathaus."
    assert office.entry().status == "published"


def filled(office: Office, link: str, **changes: Any) -> list[tuple[str, str]]:
    """The fields of the form as a browser sends them, with changes."""
    form = office.client.page(link + "/correct")
    fields = [
        (str(tag["name"]), str(tag.get("value", "")) if tag.name == "input" else tag.text.removeprefix("\n"))
        for tag in form.soup.select("main form input[name], main form textarea[name]")
    ]
    return [(name, changes.get(name, value)) for name, value in fields]


def send(office: Office, link: str, fields: list[tuple[str, str]]) -> Any:
    data: dict[str, list[str]] = {}
    for name, value in fields:
        data.setdefault(name, []).append(value)
    return office.client.post(link + "/correct", data=data)


def test_a_correction_goes_to_review_with_only_what_was_changed(office: Office, link: str) -> None:
    fields = filled(
        office, link, how_to_start="Komm einfach vorbei.", ends="31.12.2027", bring="Ausweis\n\n Brief "
    )
    thanked(office, send(office, link, fields))
    (proposal,) = office.proposals()
    changed = {d.path: d.after for d in editing.differences(proposal.base, proposal.record)}
    assert changed == {
        "application_process": "Komm einfach vorbei.",
        "valid_to": "2027-12-31",
        "required_documents": ["Ausweis", "Brief"],
        "assured_date": "2026-11-20",
        "confidence": "confirmed",
    }
    assert proposal.author_name == office.portal.catalogue.service(SLUG).organization.name  # type: ignore[union-attr]


def test_numbers_are_changed_taken_away_and_added(office: Office, link: str) -> None:
    base = office.entry().record
    fields = filled(office, link)
    numbers = [index for index, (name, _value) in enumerate(fields) if name == "number"]
    assert len(numbers) == len(base.phones) + 2
    fields[numbers[-1]] = ("number", "030 23125 987")
    fields[numbers[-1] + 1] = ("note", "Anmeldung")
    if base.phones:
        fields[numbers[0]] = ("number", "")
    thanked(office, send(office, link, fields))
    (proposal,) = office.proposals()
    phones = [(phone["number"], phone["description"]) for phone in proposal.record["phones"]]
    assert phones == [*((p.number, p.description) for p in base.phones[1:]), ("030 23125 987", "Anmeldung")]


def test_hours_as_text_reach_the_coordinator(office: Office, link: str) -> None:
    thanked(office, send(office, link, filled(office, link, hours="Nur noch montags, 9 bis 12")))
    (proposal,) = office.proposals()
    assert proposal.comment == "Öffnungszeiten: Nur noch montags, 9 bis 12"
    assert proposal.record["assured_date"] == "2026-01-01"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("description", ""),
        ("email", "keine Adresse"),
        ("website", "www.example.org"),
        ("ends", "bald"),
        ("number", "030 123"),
        ("bring", "Ausweis\nAusweis"),
    ],
)
def test_mistakes_are_said_at_the_field_and_nothing_typed_is_lost(
    office: Office, link: str, name: str, value: str
) -> None:
    fields = filled(office, link, how_to_start="Das habe ich getippt.")
    position = next(index for index, (field_name, _value) in enumerate(fields) if field_name == name)
    fields[position] = (name, value)
    response = send(office, link, fields)
    assert response.status_code == 422
    page = check_page(response, link + "/correct", 422)
    anchor = page.one(".box.wrong a")["href"]
    assert page.one(f"{anchor}-error").text.strip()
    assert page.one(str(anchor))["aria-invalid"] == "true"
    assert "Das habe ich getippt." in page.one("#how_to_start").text
    assert (page.one(str(anchor)).get("value") or page.one(str(anchor)).text.strip()) == value
    assert office.proposals() == []
    # The link is not used up.
    assert office.client.page(link).one('button[value="right"]')


def test_nothing_changed_is_said(office: Office, link: str) -> None:
    response = send(office, link, filled(office, link))
    assert response.status_code == 422
    assert office.proposals() == []


@pytest.mark.parametrize("attack", ["<script>alert(1)</script>", '"><img src=x onerror=alert(1)>'])
def test_what_is_typed_is_text(office: Office, link: str, attack: str) -> None:
    fields = [
        (name, attack if name not in ("base", "number", "ends") else value)
        for name, value in filled(office, link)
    ]
    response = send(office, link, fields)
    assert response.status_code == 422
    assert attack not in response.get_data(as_text=True)


# Links that do not open anything.


def test_expired_says_so_and_where_to_turn(office: Office, link: str) -> None:
    office.later(60)
    before = office.state()
    page = office.client.page(link, status=410)
    assert office.portal.region.controller.name in page.text
    assert office.client.post(link, data={"answer": "right"}).status_code == 410
    assert office.client.post(link + "/correct", data={}).status_code == 410
    assert office.state() == before


def test_unknown_cut_off_and_forged_links(office: Office, link: str) -> None:
    token = link.rsplit("/", 1)[1]
    forged = Links("another-secret-0123456789abcdef0123456789").token(_id(office))
    for bad in (
        token[:-1],
        token + "x",
        "nonsense",
        "%C3%A4",
        forged,
        Links(office.settings.secret_key).token(uuid4()),
    ):
        office.client.page(f"/de/confirm/{bad}", status=404)
        assert office.client.post(f"/de/confirm/{bad}", data={"answer": "right"}).status_code == 404


def _id(office: Office) -> Any:
    with office.session() as session:
        return session.exec(select(Confirmation)).one().id


def test_the_offer_was_withdrawn_meanwhile(office: Office, link: str) -> None:
    with office.session() as session:
        service = session.exec(select(Service).where(Service.slug == SLUG)).one()
        service.status = "archived"
        session.add(service)
        session.commit()
    office.client.page(link, status=410)
    assert office.client.post(link, data={"answer": "right"}).status_code == 410


def test_another_site_cannot_answer(office: Office, link: str) -> None:
    before = office.state()
    for path in (link, link + "/correct"):
        response = office.client.post(
            path, data={"answer": "right"}, headers={"Sec-Fetch-Site": "cross-site"}
        )
        assert response.status_code == 403
    assert office.state() == before


def test_no_answer_leads_back_to_the_question(office: Office, link: str) -> None:
    before = office.state()
    response = office.client.post(link, data={"answer": "nonsense"})
    assert (response.status_code, response.location) == (303, link)
    assert office.state() == before
