"""The private page: what a young person sees and decides, while the offices act in between."""

import json
import logging
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from icalendar import Calendar
from sqlalchemy import delete, select, update
from sqlmodel import Session
from werkzeug.test import TestResponse

from portal.accounts.models import Role, RoleGrant, User
from portal.catalogue.models import Service
from portal.config import Settings
from portal.referral import actions, queries
from portal.referral.actions import Counsellor
from portal.referral.choosing import Desk
from portal.referral.errors import NotYourTeam
from portal.referral.models import (
    Appointment,
    Channel,
    Consent,
    Message,
    Notice,
    Outcome,
    Referral,
    Status,
    Team,
)
from portal.referral.personal import Agreed, Line, Meeting, Person
from portal.referral.sealing import Keyring, new_key
from portal.web.application import Portal, build
from portal.web.limits import Limits
from portal.web.public import mine
from portal.web.referrals import Referrals
from portal.web.serving import prepare
from tests.databases import PostgresCluster
from tests.web.conftest import NOW, SECRET
from tests.web.pages import Page, PageClient, check_page, text_of

NAME, WORDS = "Sternchen", "Ich schlafe seit Wochen kaum."
LINES = (
    Line(key="name", label="Name", label_de="Name", value=NAME, value_de=NAME),
    Line(key="own_words", label="Worte", label_de="Worte", value=WORDS, value_de=WORDS),
)


@dataclass(frozen=True)
class Office:
    desk: Desk
    by: Counsellor
    name: str


@dataclass
class Site:
    settings: Settings
    now: datetime = NOW
    offices: list[Office] = field(default_factory=list)
    kept: Any = None
    """Its `Referrals`, as they were built."""
    mails: int = 0
    """How often notices were handed to delivery."""

    def __post_init__(self) -> None:
        self.app = build(self.settings, now=lambda: self.now)
        self.client = PageClient(self.app)
        with self.session() as session:
            services = [
                session.execute(select(Service).where(Service.slug == slug)).scalar_one()  # type: ignore[arg-type]
                for slug in self._slugs()
            ]
            for service in services:
                self.offices.append(self._office(session, service))
            session.commit()

    def _slugs(self) -> list[str]:
        """Of three different organizations."""
        found: dict[UUID, str] = {}
        for service in self.portal.catalogue.services():
            if service.phones_at() and service.locations:
                found.setdefault(service.organization.id, service.slug)
        return list(found.values())[:3]

    def _office(self, session: Session, service: Service) -> Office:
        organization = service.organization_id
        user = User(email=f"{service.slug}@example.org", name="Team", password_hash="x", created_at=NOW)
        session.add(user)
        session.flush()
        session.add(
            RoleGrant(
                user_id=user.id, role=Role.COUNSELLOR.value, organization_id=organization, granted_at=NOW
            )
        )
        session.add(Team(organization_id=organization, region="musterkreis", accepts=True, changed_at=NOW))
        session.flush()
        view = self.portal.catalogue.services([service.id])[0]
        return Office(
            Desk(service.id, organization),
            Counsellor(user.id, frozenset({organization})),
            view.organization.text("name", "de").text,  # type: ignore[union-attr]
        )

    @property
    def portal(self) -> Portal:
        found: Portal = self.app.extensions["portal"]
        return found

    @property
    def referrals(self) -> Referrals:
        assert self.portal.referrals is not None
        return self.portal.referrals

    def session(self) -> Session:
        return self.portal.store.sessions()

    def sent(self, lines: tuple[Line, ...] = LINES, **person: Any) -> tuple[UUID, str]:
        """A request to the first office: its id and code."""
        with self.session() as session:
            keyring = self.referrals.keyring
            referral, _ = actions.begin(
                session, keyring, region="musterkreis", language="de", desk=self.offices[0].desk, now=self.now
            )
            told = Person(name=NAME, own_words=WORDS, **person)
            actions.write(session, keyring, referral, told, now=self.now)
            agreed = Agreed(statement="Einverstanden.", statement_de="Einverstanden.", lines=lines)
            code = actions.submit(
                session,
                keyring,
                referral,
                agreed,
                text_version="1",
                days=self.referrals.days,
                now=self.now,
                words=self.referrals.words_for("de"),
            )
            session.commit()
            return referral.id, code

    def does(self, id_: UUID, action: Any, *arguments: Any, sealed: bool = False, **named: Any) -> Any:
        """The first office, or whoever is named, acts; `sealed`: the action takes the keyring."""
        with self.session() as session:
            referral = session.get(Referral, id_)
            assert referral is not None
            front = (session, self.referrals.keyring, referral) if sealed else (session, referral)
            result = action(*front, *arguments, now=self.now, **named)
            session.commit()
            return getattr(result, "id", result)

    def accept(self, id_: UUID) -> None:
        self.does(id_, actions.accept, self.offices[0].by)

    def contact(self, id_: UUID) -> None:
        self.does(id_, actions.contact, self.offices[0].by, days=self.referrals.days)

    def writes(self, id_: UUID, text: str, office: int = 0) -> None:
        self.does(
            id_,
            actions.message,
            text,
            organization_id=self.offices[office].desk.organization_id,
            by=self.offices[office].by,
            days=self.referrals.days,
            sealed=True,
        )

    def proposes(self, id_: UUID, start: datetime, **options: Any) -> UUID:
        meeting = Meeting(start_at=start, minutes=45, place="Zimmer 12", note="Bring nichts mit.")
        found: UUID = self.does(
            id_, actions.propose_appointment, self.offices[0].by, meeting, sealed=True, **options
        )
        return found

    def referral(self, id_: UUID) -> Referral:
        with self.session() as session:
            found = session.get(Referral, id_)
            assert found is not None
            return found

    def enter(
        self, code: str, client: PageClient | None = None, lang: str = "de", status: int = 303
    ) -> TestResponse:
        client = client or self.client
        return client.submit(f"/{lang}/mine", {"code": code}, status=status)

    def opened(self, **person: Any) -> UUID:
        """Sent, and its page opened with the code."""
        id_, code = self.sent(**person)
        self.enter(code)
        return id_

    def page(self, lang: str = "de") -> Page:
        return self.client.page(f"/{lang}/mine")

    def post(
        self, what: str, data: dict[str, Any] | None = None, *, page: Page | None = None, status: int = 303
    ) -> TestResponse:
        """Send that form of the page as it stands there, with these fields."""
        page = page or self.page()
        return post_form(self.client, page, what, data or {}, status)


def form_of(page: Page, what: str) -> dict[str, Any]:
    forms = [f for f in page.all("main form") if str(f["action"]).endswith(f"/mine/{what}".rstrip("/"))]
    assert forms, f"no form {what} on the page"
    fields: dict[str, Any] = {}
    for one in forms[0].select("input[name], textarea[name]"):
        if one.get("type") == "checkbox":
            fields.setdefault(str(one["name"]), [])
            if one.has_attr("checked"):
                fields[str(one["name"])].append(str(one["value"]))
        else:
            fields[str(one["name"])] = text_of(one) if one.name == "textarea" else str(one["value"])
    return fields


def has_form(page: Page, what: str) -> bool:
    return any(str(f["action"]).endswith(f"/mine/{what}") for f in page.all("main form"))


def post_form(client: PageClient, page: Page, what: str, data: dict[str, Any], status: int) -> TestResponse:
    lang = page.path.split("/")[1]
    response = client.post(f"/{lang}/mine/{what}", {**form_of(page, what), **data})
    assert response.status_code == status, response.get_data(as_text=True)[-3000:]
    return response


@pytest.fixture(scope="module")
def built(prepared: Callable[[str], Settings], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    source = prepared("musterkreis")
    folder = tmp_path_factory.mktemp("mine") / "data"
    shutil.copytree(source.data_dir, folder)
    made = Site(source.model_copy(update={"data_dir": folder}))
    made.kept = made.referrals
    yield made
    made.portal.store.engine.dispose()


@pytest.fixture
def site(built: Site, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """Without requests, without tries that were counted, in a new browser."""
    built.now, built.client = NOW, PageClient(built.app)
    built.portal.referrals = replace(built.kept, limits=Limits(""))
    built.mails = 0

    def told() -> None:
        built.mails += 1

    monkeypatch.setattr(mine, "notify_soon", told)
    yield built
    with built.session() as session:
        session.execute(delete(Referral))
        session.execute(update(Team).values(open_at_most=None, away_from=None, accepts=True))
        session.commit()


# -- the code ----------------------------------------------------------------------------------------------------------


def test_the_code_opens_the_page_and_stands_in_no_address(site: Site) -> None:
    _id, code = site.sent()
    response = site.enter(code.upper() + " ")
    assert response.location == "/de/mine"
    page = site.page()
    assert site.offices[0].name in page.text
    assert page.response.headers["Cache-Control"] == "no-store"
    assert text_of(page.soup.title) == "Übersicht"


@pytest.mark.parametrize("lang", ["ar", "uk", "en"])
def test_it_opens_in_every_language(site: Site, lang: str) -> None:
    _id, code = site.sent()
    site.enter(code, lang=lang)
    assert site.client.page(f"/{lang}/mine").one("#office")


def test_wrong_withdrawn_and_erased_look_alike(site: Site) -> None:
    _kept, _ = site.sent()
    withdrawn, first = site.sent()
    site.does(withdrawn, actions.withdraw)
    gone, second = site.sent()
    with site.session() as session:
        session.delete(session.get(Referral, gone))
        session.commit()
    answers = set()
    for code in (first, second, "1234 5678 9012 3456 789"):
        client = PageClient(site.app)
        body = site.enter(code, client, status=422).get_data(as_text=True)
        page = Page_of(body)
        for field_ in page.select('input[name="csrf_token"], input[name="code"]'):
            field_.decompose()
        answers.add(str(page.find("main")))
        assert "anlauf" not in " ".join(client.cookie_names())
    assert len(answers) == 1


def Page_of(body: str) -> Any:  # noqa: N802
    from bs4 import BeautifulSoup

    return BeautifulSoup(body, "html5lib")


def test_an_empty_code_is_no_try(site: Site) -> None:
    for _ in range(8):
        site.enter(" . ", status=422)
    assert site.enter(site.sent()[1]).status_code == 303


def test_wrong_codes_are_slowed_and_the_page_says_for_how_long(site: Site) -> None:
    _id, code = site.sent()
    for _ in range(5):
        site.enter("falsch", status=422)
    response = site.enter(code, status=429)
    assert response.headers["Retry-After"] == "600"
    assert "10 Minuten" in response.get_data(as_text=True)
    assert site.client.page("/de/mine").all("#code"), "a right code opens nothing either"


def test_right_codes_are_never_counted(site: Site) -> None:
    _id, code = site.sent()
    for _ in range(12):
        assert site.enter(code, PageClient(site.app)).status_code == 303


def test_guessing_by_others_slows_only_those_who_guess(site: Site) -> None:
    _id, code = site.sent()
    for at in range(130):
        address = {"REMOTE_ADDR": f"10.0.{at // 250}.{at % 250}"}
        with site.app.test_request_context("/de/mine", environ_base=address):
            mine.count_wrong(site.referrals)
    assert site.enter(code).status_code == 303
    guesser = PageClient(site.app)
    guesser.client.environ_base["REMOTE_ADDR"] = "10.0.0.3"
    site.enter(code, guesser, status=429)


def test_one_code_never_shows_another_request(site: Site) -> None:
    first, code = site.sent()
    other_lines = (Line(key="name", label="Name", label_de="Name", value="Mondlicht", value_de="Mondlicht"),)
    second, other = site.sent(other_lines)
    site.accept(second)
    site.writes(second, "Nur für Mondlicht.")
    appointment = site.proposes(second, NOW + timedelta(days=3))
    site.enter(code)
    page = site.page()
    assert "Mondlicht" not in page.text
    # Ids of somebody else's appointment do nothing.
    token = form_of(page, "alarm")["csrf_token"]
    for what in ("appointment", "appointment.ics"):
        site.client.post(
            f"/de/mine/{what}", {"csrf_token": token, "appointment": str(appointment), "answer": "yes"}
        )
    with site.session() as session:
        view = queries.for_person(session, site.referrals.keyring, session.get_one(Referral, second))
        assert view.appointments[0].appointment.state == "proposed"
    client = PageClient(site.app)
    site.enter(other, client)
    assert "Mondlicht" in client.page("/de/mine").text
    assert first != second


def test_a_cookie_that_was_not_signed_here_opens_nothing(site: Site) -> None:
    id_, _code = site.sent()
    site.client.client.set_cookie("anlauf", json.dumps({"mine": str(id_)}))
    assert site.client.page("/de/mine").all("#code")


def test_another_region_knows_nothing_of_it(site: Site) -> None:
    id_ = site.opened()
    _other, code = site.sent()
    with site.session() as session:
        session.execute(update(Referral).values(region="harz"))
        session.commit()
    assert site.client.page("/de/mine").all("#code")
    site.enter(code, status=422)
    assert site.referral(id_).key_sealed is not None


def test_with_the_wrong_keys_nobody_reads_anything(site: Site) -> None:
    site.opened()
    page = site.page()
    site.portal.referrals = replace(site.referrals, keyring=Keyring([new_key()]))
    assert site.client.get("/de/mine").status_code == 503
    site.post("data.json", page=page, status=503)
    site.post("message", {"text": "Hallo"}, page=page, status=503)


def test_without_keys_there_is_nothing_of_it(site: Site) -> None:
    site.opened()
    site.portal.referrals = None
    for path in ("/de/mine", "/de/mine/withdraw"):
        assert site.client.get(path).status_code == 404
    for path in ("", "/alarm", "/data.json", "/appointment.ics"):
        assert site.client.post(f"/de/mine{path}").status_code == 404


# -- where it stands ---------------------------------------------------------------------------------------------------


def stands(site: Site) -> str:
    return text_of(site.page().all("main p.big")[0])


def test_each_state_in_one_sentence(site: Site) -> None:
    id_ = site.opened()
    seen = [stands(site)]
    site.accept(id_)
    seen.append(stands(site))
    site.contact(id_)
    seen.append(stands(site))
    site.does(
        id_,
        actions.complete,
        site.offices[0].by,
        outcome=Outcome.ADVICE_GIVEN,
        keep=site.referrals.keep,
        sealed=True,
    )
    seen.append(stands(site))
    assert len(set(seen)) == 4
    assert not has_form(site.page(), "message"), "nobody reads it any more"


def test_the_office_stands_there_with_its_phone(site: Site) -> None:
    site.opened()
    card = site.page().one("div.card:has(#office)")
    assert site.offices[0].name in text_of(card)
    assert card.select('a[href^="tel:"]')


def test_the_promise_and_an_honest_word_when_it_is_broken(site: Site) -> None:
    id_ = site.opened()
    due = site.referral(id_).due_date
    assert due == date(2026, 11, 25)
    assert "bis 25. November 2026" in site.page().text
    assert "nicht deine Schuld" not in site.page().text
    site.now += timedelta(days=6)
    page = site.page()
    assert "nicht deine Schuld" in page.text
    assert has_form(page, "alarm")
    site.accept(id_)
    site.contact(id_)
    assert "25. November 2026" not in text_of(site.page().one("div.card:has(#office)"))


@pytest.mark.parametrize("gone", [{"away_from": NOW.date()}, {"accepts": False}])
def test_a_team_that_is_not_there_promises_nothing(site: Site, gone: dict[str, Any]) -> None:
    id_ = site.opened()
    with site.session() as session:
        team = session.get(Team, site.offices[0].desk.organization_id)
        for name, value in gone.items():
            setattr(team, name, value)
        session.commit()
    card = text_of(site.page().one("div.card:has(#office)"))
    assert "Gerade kann sich von dort niemand melden" in card
    assert "25. November" not in card
    site.accept(id_)
    assert "niemand melden" not in site.page().text, "somebody has it in their hands"


def test_a_full_team_keeps_its_word_to_those_it_has(site: Site) -> None:
    site.opened()
    with site.session() as session:
        session.execute(update(Team).values(open_at_most=1))
        session.commit()
    card = text_of(site.page().one("div.card:has(#office)"))
    assert "bis 25. November" in card


def test_nobody_has_called_is_told_once(site: Site) -> None:
    id_ = site.opened()
    site.post("alarm")
    page = site.page()
    assert not has_form(page, "alarm")
    assert site.referral(id_).alarm_at is not None
    site.accept(id_)
    site.contact(id_)
    assert not has_form(site.page(), "alarm")


def test_whoever_hears_nothing_any_more_says_so_again(site: Site) -> None:
    id_ = site.opened(channels=(Channel.PHONE,), phone="+4915112345678")
    site.accept(id_)
    site.contact(id_)
    site.now += timedelta(days=14)
    page = site.page()
    assert not has_form(page, "alarm")
    assert "nicht deine Schuld" not in page.text
    site.now += timedelta(days=3)
    page = site.page()
    assert "nicht deine Schuld" in page.text
    site.post("alarm", page=page)
    assert site.referral(id_).alarm_at == site.now
    site.writes(id_, "Entschuldigung, wir rufen morgen an.")
    assert site.referral(id_).alarm_at is not None, "nobody told them yet"
    assert "Entschuldigung" in site.page().text
    assert site.referral(id_).alarm_at is None


def test_silence_ends_before_an_appointment_and_begins_after_it(site: Site) -> None:
    id_ = site.opened()
    site.accept(id_)
    site.contact(id_)
    site.proposes(id_, site.now + timedelta(days=40))
    site.post("appointment", {"answer": "yes"})
    site.now += timedelta(days=39)
    assert not has_form(site.page(), "alarm")
    site.now += timedelta(days=20)
    assert has_form(site.page(), "alarm")


# -- messages ----------------------------------------------------------------------------------------------------------


def test_messages_both_ways(site: Site) -> None:
    id_ = site.opened()
    site.post("message", {"text": "Hallo?\r\nBitte ruft nicht an."})
    assert site.mails == 1, "the office is told at once"
    site.accept(id_)
    site.writes(id_, "Hallo Sternchen.")
    page = site.page()
    assert [text_of(one) for one in page.all("ul.cards .tag")] == ["Neu"]
    assert "Hallo Sternchen." in page.text
    assert "Bitte ruft nicht an." in page.text
    assert not site.page().all("ul.cards .tag"), "read now"
    with site.session() as session:
        rows = session.execute(select(Message)).scalars().all()
        assert [row.read_at is not None for row in rows if row.author == "counsellor"] == [True]
        assert [row.read_at for row in rows if row.author == "young_person"] == [None]


def test_a_message_sent_twice_arrives_once(site: Site) -> None:
    site.opened()
    page = site.page()
    for _ in range(2):
        site.post("message", {"text": "Hallo"}, page=page)
    with site.session() as session:
        assert len(session.execute(select(Message)).scalars().all()) == 1


@pytest.mark.parametrize("text", ["  ", "x" * 2001])
def test_a_message_that_cannot_be_sent_is_kept_in_the_field(site: Site, text: str) -> None:
    site.opened()
    response = site.post("message", {"text": text}, status=422)
    page = Page_of(response.get_data(as_text=True))
    area = page.find("textarea")
    assert area["aria-invalid"] == "true"
    assert "bitte" in text_of(page.find(id=area["aria-describedby"].split()[-1]))
    assert page.select(f'[role="alert"] a[href="#{area["id"]}"]')
    assert area.get_text().strip() == text.strip()


def test_a_form_that_was_open_for_long_keeps_what_was_typed(site: Site) -> None:
    site.opened()
    response = site.post("message", {"csrf_token": "x", "text": "Lang getippt"}, status=422)
    assert "Lang getippt" in response.get_data(as_text=True)
    with site.session() as session:
        assert not session.execute(select(Message)).scalars().all()


def test_a_message_written_for_longer_than_the_visit_waits_for_the_code(site: Site) -> None:
    _id, code = site.sent()
    site.enter(code)
    page = site.page()
    site.client.client.delete_cookie("anlauf")
    response = site.post("message", {"text": "Lang\ngetippt"}, page=page, status=200)
    form = form_of(check_page(response, "/de/mine"), "")
    assert "Lang" in form["text"]
    response = site.client.post("/de/mine", {**form, "text": "Lang\ngetippt", "code": code})
    page = check_page(response, "/de/mine")
    assert page.one("main textarea").get_text().strip() == "Lang\ngetippt"
    site.post("message", page=page)
    assert "getippt" in text_of(site.page().one("ul.cards"))


def test_the_address_of_a_form_leads_back_to_the_page(site: Site) -> None:
    site.opened()
    assert site.client.get("/ar/mine/message").location == "/ar/mine"
    assert site.client.get("/ar/mine/nothing").status_code == 404
    assert site.client.post("/ar/mine/nothing").status_code == 404


def test_markup_stays_text(site: Site) -> None:
    id_ = site.opened()
    site.accept(id_)
    site.writes(id_, "<b onclick=x>fett</b>")
    assert "<b onclick=x>" in site.page().text


# -- another office ----------------------------------------------------------------------------------------------------


def reject(site: Site, id_: UUID, better: Office | None) -> None:
    site.does(
        id_,
        actions.reject,
        site.offices[0].by,
        reason="Wir machen das nicht.",
        better=better.desk if better else None,
        sealed=True,
    )


def test_no_better_desk_is_known(site: Site) -> None:
    id_ = site.opened()
    reject(site, id_, None)
    page = site.page()
    assert not has_form(page, "handover")
    assert "Wir machen das nicht." in page.text
    assert has_form(page, "alarm")


def test_a_better_desk_takes_over_with_fewer_lines(site: Site) -> None:
    id_ = site.opened()
    reject(site, id_, site.offices[1])
    page = site.page()
    assert "Wir machen das nicht." in page.text
    assert not page.all('main a[href^="tel:"].btn'), "one thing to decide"
    assert form_of(page, "handover")["line"] == [], "neither the name nor what was told is ticked before"
    statement = [text_of(p) for p in page.one("#ask-handover").select(".two p")]
    site.post("handover", {"answer": "yes", "line": ["name"]})
    referral = site.referral(id_)
    assert referral.organization_id == site.offices[1].desk.organization_id
    with site.session() as session:
        view = queries.for_team(session, site.referrals.keyring, id_, site.offices[1].by, now=site.now)
        assert view.agreed is not None
        assert [line.key for line in view.agreed.lines] == ["name"]
        assert view.agreed.lines[0].value == NAME
        assert " ".join(view.agreed.statement.split()) == " ".join(statement), "word for word"
        with pytest.raises(NotYourTeam):
            queries.for_team(session, site.referrals.keyring, id_, site.offices[0].by, now=site.now)
    assert site.offices[1].name in text_of(site.page().one("#office"))


def test_only_the_way_to_get_in_touch_is_ticked_before(site: Site) -> None:
    lines = tuple(
        Line(key=key, label=key, label_de=key, value=f"Wert {key}", value_de=f"Wert {key}")
        for key in ("name", "channels", "phone", "language", "answer:topic", "own_words")
    )
    id_ = site.opened(lines=lines)
    reject(site, id_, site.offices[1])
    assert form_of(site.page(), "handover")["line"] == ["channels", "phone", "language"]
    site.post("handover", {"answer": "yes"})
    with site.session() as session:
        view = queries.for_team(session, site.referrals.keyring, id_, site.offices[1].by, now=site.now)
    assert view.agreed is not None
    assert [line.key for line in view.agreed.lines] == ["channels", "phone", "language"]


def test_the_consent_is_stored_in_the_language_it_was_read_in(site: Site) -> None:
    id_ = site.opened()
    reject(site, id_, site.offices[1])
    page = site.client.page("/uk/mine")
    post_form(site.client, page, "handover", {"answer": "yes"}, 303)
    with site.session() as session:
        referral = session.get(Referral, id_)
        assert referral is not None
        consent = actions.live_consent(session, referral, referral.organization_id, now=site.now)
        assert consent is not None
        assert consent.language == "uk"
        assert consent.given_how == "private_page"


def test_saying_no_keeps_everything_where_it_is(site: Site) -> None:
    id_ = site.opened()
    reject(site, id_, site.offices[1])
    site.post("handover", {"answer": "no"})
    assert site.referral(id_).status == Status.REJECTED
    assert not has_form(site.page(), "handover")


def test_a_desk_that_turned_full_is_said_and_ticks_stay(site: Site) -> None:
    id_ = site.opened()
    reject(site, id_, site.offices[1])
    with site.session() as session:
        team = session.get(Team, site.offices[1].desk.organization_id)
        assert team is not None
        team.open_at_most = 0
        session.add(team)
        session.commit()
    response = site.post("handover", {"answer": "yes", "line": ["name"]}, status=409)
    soup = Page_of(response.get_data(as_text=True))
    assert "kann gerade niemanden aufnehmen" in soup.get_text()
    assert [box["value"] for box in soup.select('input[name="line"][checked]')] == ["name"]
    assert site.referral(id_).status == Status.REJECTED


def test_what_was_not_read_is_not_agreed_to(site: Site) -> None:
    id_ = site.opened()
    reject(site, id_, site.offices[1])
    page = site.page()
    site.does(
        id_,
        actions.propose_handover,
        site.offices[2].desk,
        by=None,
        reason="Hier passt es.",
        sealed=True,
    )
    response = site.post("handover", {"answer": "yes"}, page=page, status=409)
    assert site.offices[2].name in response.get_data(as_text=True)
    assert site.referral(id_).status == Status.REJECTED
    site.post("handover", {"answer": "yes"})
    assert site.referral(id_).organization_id == site.offices[2].desk.organization_id


def test_the_first_office_turned_full(site: Site) -> None:
    id_ = site.opened()
    site.does(id_, actions.offer_other_desk, site.offices[1].desk)
    page = site.page()
    assert "gerade niemanden aufnehmen" in text_of(page.one("#ask-handover .why"))
    site.post("handover", {"answer": "yes"})
    assert site.referral(id_).organization_id == site.offices[1].desk.organization_id


def test_another_team_may_take_part_and_be_stopped(site: Site) -> None:
    id_ = site.opened()
    site.accept(id_)
    asked = site.does(id_, actions.propose_joint, site.offices[0].by, site.offices[1].desk)
    site.post("joint", {"answer": "yes", "line": ["name"]})
    with site.session() as session:
        view = queries.for_team(session, site.referrals.keyring, id_, site.offices[1].by, now=site.now)
        assert view.agreed is not None
        assert [line.key for line in view.agreed.lines] == ["name"]
    page = site.page()
    assert len(page.all("main textarea")) == 2, "one thread with each"
    meeting = site.proposes(id_, site.now + timedelta(days=3), joint=True)
    assert "noch keine Antwort" in site.page().text
    with site.session() as session:
        other = site.offices[1]
        referral, found = session.get(Referral, id_), session.get(Appointment, meeting)
        assert referral is not None and found is not None
        actions.join_appointment(
            session,
            referral,
            found,
            other.by,
            organization_id=other.desk.organization_id,
            fits=True,
            now=site.now,
        )
        session.commit()
    assert "ist dabei" in site.page().text
    site.post("end-joint")
    with site.session() as session:
        consent = session.get(Consent, asked)
        assert consent is not None
        assert consent.withdrawn_at is not None
        assert consent.agreed_sealed is None
    assert len(site.page().all("main textarea")) == 1
    assert not has_form(site.page(), "end-joint")


def test_the_message_field_asks_to_leave_some_things_out(site: Site) -> None:
    site.accept(site.opened())
    page = site.page()
    field = page.one("main textarea")
    described = " ".join(text_of(page.one(f"[id='{id_}']")) for id_ in str(field["aria-describedby"]).split())
    assert "Aufenthaltspapiere" in described


def test_no_to_another_team(site: Site) -> None:
    id_ = site.opened()
    site.accept(id_)
    asked = site.does(id_, actions.propose_joint, site.offices[0].by, site.offices[1].desk)
    site.post("joint", {"answer": "no"})
    with site.session() as session:
        consent = session.get(Consent, asked)
        assert consent is not None
        assert consent.declined_at is not None
        assert consent.given_at is None


# -- appointments ------------------------------------------------------------------------------------------------------


def test_an_appointment_fits_and_goes_into_the_calendar(site: Site) -> None:
    id_ = site.opened()
    site.accept(id_)
    site.proposes(id_, datetime(2026, 11, 26, 9, 0, tzinfo=UTC))
    page = site.page()
    assert "Donnerstag, 26. November 2026 · 10:00–10:45" in page.text
    assert "Zimmer 12" in page.text
    assert not has_form(page, "appointment.ics")
    site.post("appointment", {"answer": "yes"})
    site.post("appointment", {"answer": "yes"}, page=page)  # tapped twice
    page = site.page()
    assert not has_form(page, "appointment")
    response = site.post("appointment.ics", page=page, status=200)
    assert response.headers["Cache-Control"] == "no-store"
    assert "attachment" in response.headers["Content-Disposition"]
    event: Any = Calendar.from_ical(response.get_data()).walk("VEVENT")[0]
    assert str(event["summary"]) == "Termin"
    assert event["dtstart"].dt == datetime(2026, 11, 26, 9, 0, tzinfo=UTC)
    assert event["dtend"].dt - event["dtstart"].dt == timedelta(minutes=45)
    assert "description" not in event
    assert NAME not in response.get_data(as_text=True)


def test_an_appointment_does_not_fit(site: Site) -> None:
    id_ = site.opened()
    site.accept(id_)
    appointment = site.proposes(id_, NOW + timedelta(days=3))
    site.post("appointment", {"answer": "no"})
    with site.session() as session:
        referral = session.get(Referral, id_)
        assert referral is not None
        assert queries.appointment_of(session, referral, appointment).state == "declined"
    assert not has_form(site.page(), "appointment.ics")


def test_an_appointment_that_was_cancelled_meanwhile(site: Site) -> None:
    id_ = site.opened()
    site.accept(id_)
    appointment = site.proposes(id_, NOW + timedelta(days=3))
    page = site.page()
    with site.session() as session:
        referral = session.get(Referral, id_)
        assert referral is not None
        found = queries.appointment_of(session, referral, appointment)
        actions.cancel_appointment(session, referral, found, site.offices[0].by, now=site.now)
        session.commit()
    response = site.post("appointment", {"answer": "yes"}, page=page, status=409)
    page = check_page(response, "/de/mine", 409)
    assert "inzwischen" in page.text
    assert "Dieser Termin fällt aus" in page.text
    assert not has_form(page, "appointment.ics")


# -- the end -----------------------------------------------------------------------------------------------------------


def test_withdrawing_erases_at_once_and_says_goodbye(site: Site) -> None:
    id_, code = site.sent()
    site.enter(code)
    confirm = site.client.page("/de/mine/withdraw")
    response = post_form(site.client, confirm, "withdraw", {}, 303)
    assert response.location == "/de/mine"
    page = site.client.page("/de/mine")
    assert "gelöscht" in page.h1
    assert page.all('main a[href="/de/offers"]')
    referral = site.referral(id_)
    assert referral.status == Status.CANCELLED
    assert referral.key_sealed is None
    with site.session() as session:
        assert "referral.withdrawn" in {row.about for row in session.execute(select(Notice)).scalars()}
    assert site.client.page("/de/mine").all("#code")
    site.enter(code, status=422)


def test_nothing_is_withdrawn_without_the_token(site: Site) -> None:
    id_ = site.opened()
    site.client.post("/de/mine/withdraw", {"csrf_token": "x"})
    assert site.referral(id_).status == Status.REQUESTED
    site.client.post(
        "/de/mine/withdraw",
        {"csrf_token": form_of(site.page(), "alarm")["csrf_token"]},
        headers={"Sec-Fetch-Site": "cross-site"},
    )
    assert site.referral(id_).status == Status.REQUESTED


def test_the_office_cannot_outrun_a_withdrawal(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    id_ = site.opened()
    real, tried = actions.withdraw, []

    def overtaken(*arguments: Any, **named: Any) -> None:
        tried.append(1)
        if len(tried) == 1:
            site.accept(id_)
        real(*arguments, **named)

    monkeypatch.setattr(actions, "withdraw", overtaken)
    confirm = site.client.page("/de/mine/withdraw")
    post_form(site.client, confirm, "withdraw", {}, 303)
    assert site.referral(id_).key_sealed is None


def test_the_way_out_forgets_it_too(site: Site) -> None:
    site.opened()
    site.client.post(str(site.page().one("#exit")["action"]))
    assert site.client.page("/de/mine").all("#code")


def test_erased_while_the_page_is_open(site: Site) -> None:
    id_ = site.opened()
    page = site.page()
    site.does(id_, actions.withdraw)
    assert site.post("alarm", page=page).location == "/de/mine"
    assert site.client.page("/de/mine").all("#code")


def test_did_it_help_is_asked_once_after_two_weeks(site: Site) -> None:
    id_ = site.opened()
    assert not has_form(site.page(), "worked")
    site.now += timedelta(days=14)
    site.post("worked", {"answer": "partly"})
    assert site.referral(id_).worked == "partly"
    assert not has_form(site.page(), "worked")


def test_everything_as_a_file(site: Site) -> None:
    id_ = site.opened()
    site.accept(id_)
    site.writes(id_, "Hallo Sternchen.")
    response = site.post("data.json", status=200)
    assert response.headers["Cache-Control"] == "no-store"
    assert "attachment" in response.headers["Content-Disposition"]
    data = json.loads(response.get_data())
    assert data["told"]["name"] == NAME
    assert [one["text"] for one in data["messages"]] == ["Hallo Sternchen."]


def test_the_file_names_whoever_received_something(site: Site) -> None:
    id_ = site.opened()
    site.accept(id_)
    site.does(id_, actions.propose_joint, site.offices[0].by, site.offices[2].desk)
    site.post("joint", {"answer": "yes", "line": ["name"]})
    site.writes(id_, "Hallo Sternchen.")
    site.proposes(id_, NOW + timedelta(days=3))
    site.does(
        id_,
        actions.propose_handover,
        site.offices[1].desk,
        by=site.offices[0].by,
        reason="Dort.",
        sealed=True,
    )
    site.post("handover", {"answer": "yes"})
    data = json.loads(site.post("data.json", status=200).get_data())
    first, second, third = (office.name for office in site.offices)
    assert data["organization"] == second
    assert {one["organization"] for one in data["consents"]} == {first, second, third}
    assert data["messages"][0]["organization"] == first
    assert data["appointments"][0]["organization"] == first
    assert {one["organization"] for one in data["events"]} == {first}
    with site.session() as session:
        services = {
            session.get(Service, office.desk.service_id).name  # type: ignore[union-attr]
            for office in site.offices
        }
    assert data["service"] in services
    assert {one["service"] for one in data["consents"]} == services


def test_forget_it_on_this_device(site: Site) -> None:
    id_ = site.opened()
    site.post("forget")
    assert site.client.page("/de/mine").all("#code")
    assert site.referral(id_).key_sealed is not None


def test_what_was_agreed_and_what_happened_stand_there(site: Site) -> None:
    id_ = site.opened()
    site.accept(id_)
    site.does(id_, actions.note_try, site.offices[0].by, note="Keiner ging ran.", sealed=True)
    page = site.page()
    agreed, history = page.all("main details")[-2:]
    assert "Einverstanden." in text_of(agreed)
    assert WORDS in text_of(agreed)
    words = agreed.find(string=WORDS).parent
    assert (words["dir"], words.get("lang")) == ("auto", None), "in whatever language they were typed"
    assert "Keiner ging ran." in text_of(history)
    assert len(history.select("li")) == 3


# -- nothing leaks -----------------------------------------------------------------------------------------------------


def test_nothing_personal_in_addresses_headers_or_logs(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    id_, code = site.sent()
    responses = [site.enter("falsch geraten", status=422), site.enter(code)]
    site.accept(id_)
    site.writes(id_, "Geheime Antwort")
    responses.append(site.page().response)
    responses.append(site.post("message", {"text": "Geheime Frage"}))
    responses.append(site.post("message", {"text": "Geheim" * 500}, status=422))
    responses.append(site.post("data.json", status=200))
    secret = [code, NAME, WORDS, "Geheim", "falsch geraten", *code.split()]
    for response in responses:
        headers = str(response.headers)
        assert not [word for word in secret if word in headers]
    assert not [word for word in secret if word in caplog.text]
    for response in responses:
        assert response.headers["Cache-Control"] == "no-store"
        assert response.headers["Referrer-Policy"] == "no-referrer"


# -- the other database ------------------------------------------------------------------------------------------------


@pytest.mark.postgres
def test_a_whole_story_on_postgresql(
    postgres: PostgresCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mine, "notify_soon", lambda: None)
    with postgres.database() as url:
        settings = Settings(secret_key=SECRET, region="musterkreis", data_dir=tmp_path, database_url=url)
        prepare(settings, lambda line: None)
        site = Site(settings)
        id_, code = site.sent()
        site.enter(code)
        reject(site, id_, site.offices[1])
        site.post("handover", {"answer": "yes", "line": ["name"]})
        site.offices = [site.offices[1], site.offices[0]]
        site.accept(id_)
        site.writes(id_, "Hallo Sternchen.")
        site.proposes(id_, NOW + timedelta(days=3))
        site.post("message", {"text": "Danke"})
        site.post("appointment", {"answer": "yes"})
        assert site.post("appointment.ics", status=200).content_type.startswith("text/calendar")
        post_form(site.client, site.client.page("/de/mine/withdraw"), "withdraw", {}, 303)
        assert site.referral(id_).key_sealed is None
        site.portal.store.engine.dispose()
