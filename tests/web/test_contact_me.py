"""To be contacted by an office: three pages, the consent word for word, and the code."""

import re
from collections.abc import Iterator
from datetime import timedelta
from itertools import count
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import select
from sqlmodel import Session, col

from portal.accounts.models import Role, RoleGrant, User
from portal.catalogue.models import Organization, Service
from portal.config import Settings
from portal.referral import actions, choosing, counts, errors, promise, queries
from portal.referral.actions import Counsellor
from portal.referral.choosing import Availability, Desk
from portal.referral.models import Consent, GivenHow, Referral, Team
from portal.referral.personal import Agreed, Person
from portal.web import mail
from portal.web.application import Portal, build
from portal.web.public import contact_me, taking
from tests.web.conftest import NOW
from tests.web.pages import Page, PageClient, check_page, text_of

DESK = "schuldnerberatung"
YOUTH_OFFICE = "jugendamt-sozialer-dienst"
CLEARING = "startpunkt-gespraech"
COUNT = count()


@pytest.fixture
def own_app(own_settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Flask]:
    # Notices are sent before the answer instead of beside it: nothing goes on after a test.
    monkeypatch.setattr(mail, "in_background", lambda work: work())
    app = build(own_settings, now=lambda: NOW)
    yield app
    app.extensions["portal"].store.engine.dispose()


@pytest.fixture
def portal(own_app: Flask) -> Portal:
    found: Portal = own_app.extensions["portal"]
    return found


@pytest.fixture
def session(portal: Portal) -> Iterator[Session]:
    with portal.store.sessions() as session:
        yield session


def staff(session: Session, slug: str = DESK, **team: Any) -> tuple[Desk, Counsellor]:
    """A team that takes referrals at the desk of that service."""
    service = session.execute(select(Service).where(col(Service.slug) == slug)).scalar_one()
    user = User(email=f"{slug}@example.org", name=slug, password_hash="x", created_at=NOW)
    session.add(user)
    session.flush()
    session.add(
        RoleGrant(
            user_id=user.id,
            role=Role.COUNSELLOR.value,
            organization_id=service.organization_id,
            granted_at=NOW,
        )
    )
    session.add(
        Team(
            **{
                "organization_id": service.organization_id,
                "region": service.region,
                "accepts": True,
                "changed_at": NOW,
                **team,
            }
        )
    )
    session.commit()
    return Desk(service.id, service.organization_id), Counsellor(
        user.id, frozenset({service.organization_id})
    )


def set_team(session: Session, desk: Desk, **values: Any) -> None:
    team = session.get(Team, desk.organization_id)
    for name, value in values.items():
        setattr(team, name, value)
    session.commit()


@pytest.fixture
def desk(session: Session) -> Desk:
    return staff(session)[0]


@pytest.fixture
def client(own_app: Flask, desk: Desk) -> PageClient:
    return PageClient(own_app)


def filled(page: Page, **values: Any) -> dict[str, Any]:
    """The hidden fields of the first form of the page, and what is typed."""
    form = next(form for form in page.all("main form") if form.get("method") == "post")
    hidden = {field["name"]: field["value"] for field in form.select("input[type=hidden]")}
    return {**hidden, **values}


REACH = {"age": "older", "channel": ["page"], "speaks": "de"}


def begin(client: PageClient, lang: str = "de", **values: Any) -> Page:
    """To the second page."""
    page = client.page(f"/{lang}/contact-me?desk={DESK}")
    answer = client.post(f"/{lang}/contact-me", data=filled(page, **{**REACH, **values}))
    assert answer.headers["Location"] == f"/{lang}/contact-me/tell", answer.get_data(as_text=True)
    return client.page(f"/{lang}/contact-me/tell")


def to_consent(client: PageClient, lang: str = "de", **values: Any) -> Page:
    page = begin(client, lang)
    answer = client.post(f"/{lang}/contact-me/tell", data=filled(page, **values))
    assert answer.headers["Location"] == f"/{lang}/contact-me/consent"
    return client.page(f"/{lang}/contact-me/consent")


def send(client: PageClient, page: Page, lang: str = "de") -> Any:
    return client.post(f"/{lang}/contact-me/consent", data=filled(page))


def parsed(answer: Any) -> Page:
    return check_page(answer, answer.request.path, answer.status_code)


def code_of(html: str) -> str:
    found = re.search(r"<bdi data-copy-text>([^<]+)</bdi>", html)
    assert found, html
    return found[1]


def test_what_is_shown_is_what_is_stored(client: PageClient, portal: Portal, session: Session) -> None:
    page = begin(client, "ar", name="Amal", channel=["phone", "page"], phone="0170 1234567", also=["say_who"])
    client.post("/ar/contact-me/tell", data=filled(page, own_words="أريد أن أتعلم مهنة"))
    page = client.page("/ar/contact-me/consent")
    shown = text_of(page.one("main article"))
    answer = send(client, page, "ar")
    assert answer.status_code == 200
    keyring = portal.referrals.keyring
    referral = queries.by_code(session, keyring, code_of(answer.get_data(as_text=True)))
    consent = session.execute(select(Consent)).scalar_one()
    agreed = Agreed.open(
        keyring.record(referral.id, referral.key_sealed), f"consent:{consent.id}", consent.agreed_sealed
    )
    for sentence in (*agreed.statement.split("\n"), *agreed.statement_de.split("\n")):
        assert " ".join(sentence.split()) in shown
    for line in agreed.lines:
        for part in (line.label, line.value, line.label_de, line.value_de):
            assert part in shown
    told = {line.key: line.value_de for line in agreed.lines}
    assert told["name"] == "Amal"
    assert told["phone"] == "+49 170 1234567"
    assert told["say_who"] == "Ihr dürft sagen, wer anruft."
    assert told["leave_message"] == "Bitte hinterlasst keine Nachricht."
    assert told["own_words"] == "أريد أن أتعلم مهنة"
    assert not [key for key in told if key.startswith("answer:")]
    assert (referral.status, referral.language) == ("requested", "ar")


def test_nothing_is_ticked_before(client: PageClient) -> None:
    page = client.page(f"/de/contact-me?desk={DESK}")
    assert not page.all("main input[checked]")
    assert not begin(client).all("main input[checked]")


def test_answers_are_told_one_by_one(client: PageClient, portal: Portal, session: Session) -> None:
    from portal.web.public.check import ANSWERS

    with client.client.session_transaction() as cookie:
        cookie[ANSWERS] = {"who": ["me"], "topic": ["money"], "age": ["age_15_17"]}
    page = client.page(f"/de/contact-me?desk={DESK}")
    assert not page.all("#age"), "known already"
    answer = client.post("/de/contact-me", data=filled(page, **REACH))
    assert answer.status_code == 303
    page = client.page("/de/contact-me/tell")
    offered = [box["value"] for box in page.all("#tell input")]
    assert "answer:topic" in offered
    client.post("/de/contact-me/tell", data=filled(page, tell=["answer:topic", "answer:made-up"]))
    shown = text_of(client.page("/de/contact-me/consent").one("main article"))
    lines = {box["value"]: text_of(box.parent) for box in page.all("#tell input")}
    assert lines["answer:topic"].split()[0] in shown
    with client.client.session_transaction() as cookie:
        token = cookie["contact"]
    draft = actions.draft(session, portal.referrals.keyring, token, now=NOW)
    person = Person.open(
        portal.referrals.keyring.record(draft.id, draft.key_sealed), "person", draft.person_sealed
    )
    assert [line.key for line in person.answers] == ["answer:topic"]


def test_residence_status_is_no_answer_that_can_be_told(client: PageClient) -> None:
    from portal.web.public.check import ANSWERS

    with client.client.session_transaction() as cookie:
        cookie[ANSWERS] = {
            "who": ["me"],
            "topic": ["new_in_germany", "police"],
            "new_issue": ["money"],
            "papers": ["ukraine"],
            "first_paper": ["early"],
        }
    page = begin(client)
    offered = {str(box["value"]): text_of(box.parent) for box in page.all("#tell input")}
    assert {"answer:topic", "answer:new_issue"} <= offered.keys()
    assert offered.keys().isdisjoint({"desk", "answer:papers", "answer:first_paper"})
    assert "Polizei" not in offered["answer:topic"]
    client.post(
        "/de/contact-me/tell", data=filled(page, tell=["answer:papers", "answer:first_paper", "desk"])
    )
    shown = text_of(client.page("/de/contact-me/consent").one("main article"))
    assert "Ukraine" not in shown
    assert "2025" not in shown


@pytest.mark.parametrize("known", [True, False])
def test_under_fifteen_there_is_no_form_but_other_ways(
    client: PageClient, session: Session, known: bool
) -> None:
    if known:
        from portal.web.public.check import ANSWERS

        with client.client.session_transaction() as cookie:
            cookie[ANSWERS] = {"who": ["me"], "age": ["under_15"]}
        page = client.page(f"/de/contact-me?desk={DESK}")
    else:
        form = client.page(f"/de/contact-me?desk={DESK}")
        answer = client.post("/de/contact-me", data=filled(form, age="under_15", name="Mia"))
        assert answer.status_code == 200
        page = parsed(answer)
    assert not page.all("main form[method=post]")
    assert page.all('main a[href^="tel:"]')
    assert page.all('main a[href="/de/help-now"]')
    assert session.execute(select(Referral)).first() is None


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"age": ""}, "age"),
        ({"channel": []}, "channel"),
        ({"channel": ["phone"], "phone": "12"}, "phone"),
        ({"channel": ["sms"], "phone": ""}, "phone"),
        ({"channel": ["mail"], "mail": "mia@"}, "mail"),
        ({"channel": ["messenger"], "messenger": " "}, "messenger"),
    ],
)
def test_mistakes_are_named_and_nothing_typed_is_lost(
    client: PageClient, session: Session, values: dict[str, Any], field: str
) -> None:
    page = client.page(f"/de/contact-me?desk={DESK}")
    typed = {**REACH, "name": "Mia", "times": ["evening"], **values}
    answer = client.post("/de/contact-me", data=filled(page, **typed))
    assert answer.status_code == 422
    page = parsed(answer)
    assert page.all(f'[role=alert] a[href="#{field}"]')
    assert page.one("#name")["value"] == "Mia"
    assert DESK in page.one('form:has([name="channel"])')["action"], "also in another language"
    assert page.all('input[value="evening"][checked]')
    for name in ("phone", "mail"):
        assert page.one(f"#{name}")["value"] == values.get(name, "")
    assert session.execute(select(Referral)).first() is None


def test_what_was_typed_is_there_on_the_way_back(client: PageClient) -> None:
    begin(client, name="Mia", channel=["mail"], mail="mia@example.org")
    page = client.page("/de/contact-me")
    assert page.one("#name")["value"] == "Mia"
    assert page.one("#mail")["value"] == "mia@example.org"
    assert page.all('input[value="mail"][checked]')


def test_sent_twice_is_one_referral_and_the_same_code(client: PageClient, session: Session) -> None:
    page = to_consent(client)
    with client.client.session_transaction() as cookie:
        before = dict(cookie)
    first = code_of(send(client, page).get_data(as_text=True))
    # A second tap before the first answer arrived: the same cookie, the same form.
    with client.client.session_transaction() as cookie:
        cookie.clear()
        cookie.update(before)
    assert code_of(send(client, page).get_data(as_text=True)) == first
    assert len(session.execute(select(Referral)).all()) == 1
    assert code_of(send(client, page).get_data(as_text=True)) == first, "loaded again"
    client.page("/de/mine")
    assert send(client, page).headers["Location"] == "/de/mine", "who has gone on sees the page, not the code"


def test_a_text_that_changed_meanwhile_is_shown_again(client: PageClient, session: Session) -> None:
    page = to_consent(client)
    other_tab = client.page("/de/contact-me/tell")
    client.post("/de/contact-me/tell", data=filled(other_tab, own_words="Noch etwas"))
    answer = send(client, page)
    assert answer.status_code == 409
    assert "Noch etwas" in answer.get_data(as_text=True)
    assert session.execute(select(Consent)).first() is None


def test_a_desk_that_turned_full_is_said(client: PageClient, session: Session, desk: Desk) -> None:
    page = to_consent(client)
    team = session.get(Team, desk.organization_id)
    team.open_at_most = 0
    session.add(team)
    session.commit()
    answer = send(client, page)
    assert not parsed(answer).all('input[name="shown"]')
    assert parsed(answer).all('main a[href^="tel:"]')
    assert session.execute(select(Consent)).first() is None


def test_nobody_of_that_kind_can_take_anybody(own_app: Flask, session: Session) -> None:
    staff(session, DESK, open_at_most=0)
    page = PageClient(own_app).page(f"/de/contact-me?desk={DESK}")
    assert page.all('main a[href^="tel:"]'), "other ways"
    assert not page.all("main form[method=post]")


def test_the_stand_in_is_named_before_it_is_asked(own_app: Flask, session: Session) -> None:
    stand_in, _counsellor = staff(session, "care-leaver-lotsin")
    staff(session, YOUTH_OFFICE, open_at_most=0, fallback_organization_id=stand_in.organization_id)
    page = PageClient(own_app).page(f"/de/contact-me?desk={YOUTH_OFFICE}")
    office = session.get(Organization, stand_in.organization_id).name
    assert office in text_of(page.one("main .box.info"))
    assert page.one('main input[name="desk"]')["value"] == "care-leaver-lotsin"


def offers_to_ask(own_app: Flask, slug: str) -> bool:
    taking.forget()
    # Another address each time: what was kept as bytes is not asked for again.
    page = PageClient(own_app).page(f"/de/offers/{slug}?{next(COUNT)}")
    return bool(page.all(f'main a[href="/de/contact-me?desk={slug}"]'))


def test_a_team_that_is_away_can_be_asked_as_long_as_somebody_stands_in(
    own_app: Flask, session: Session
) -> None:
    stand_in, _counsellor = staff(session, "care-leaver-lotsin")
    away, _counsellor = staff(session, YOUTH_OFFICE, away_from=NOW.date())
    assert not offers_to_ask(own_app, YOUTH_OFFICE), "nobody is named"
    set_team(session, away, fallback_organization_id=stand_in.organization_id)
    assert offers_to_ask(own_app, YOUTH_OFFICE)
    assert not offers_to_ask(own_app, DESK), "takes no referrals at all"
    set_team(session, stand_in, open_at_most=0)
    assert not offers_to_ask(own_app, YOUTH_OFFICE)
    staff(session, CLEARING)
    assert offers_to_ask(own_app, YOUTH_OFFICE), "helps with anything"
    assert not offers_to_ask(own_app, DESK), "takes no referrals at all"


def test_a_full_offer_leads_to_one_of_the_same_kind(own_app: Flask, session: Session) -> None:
    chamber, _counsellor = staff(session, "ihk-ausbildungsberatung", away_from=NOW.date())
    assert not offers_to_ask(own_app, "ihk-ausbildungsberatung")
    staff(session, "hwk-ausbildungsberatung")
    assert offers_to_ask(own_app, "ihk-ausbildungsberatung")
    page = PageClient(own_app).page("/de/contact-me?desk=ihk-ausbildungsberatung")
    assert page.one('main input[name="desk"]')["value"] == "hwk-ausbildungsberatung"
    set_team(session, chamber, away_from=None)
    page = PageClient(own_app).page("/de/contact-me?desk=ihk-ausbildungsberatung")
    assert page.one('main input[name="desk"]')["value"] == "ihk-ausbildungsberatung"


def next_after(portal: Portal, session: Session, desk: Desk) -> str | None:
    found = choosing.next_desk(session, portal.catalogue, desk, language="ar", today=NOW.date())
    return session.get(Service, found.service_id).slug if found else None


def test_who_may_take_over_always_knows_the_matter(portal: Portal, session: Session) -> None:
    desk, _counsellor = staff(session, YOUTH_OFFICE)
    assert next_after(portal, session, desk) is None
    staff(session, DESK)
    assert next_after(portal, session, desk) is None, "of another kind"
    clearing, _counsellor = staff(session, CLEARING)
    assert next_after(portal, session, desk) == CLEARING
    set_team(session, desk, fallback_organization_id=clearing.organization_id)
    assert next_after(portal, session, desk) == CLEARING, "none of its other offers"
    named, _counsellor = staff(session, "care-leaver-lotsin")
    set_team(session, desk, fallback_organization_id=named.organization_id)
    assert next_after(portal, session, desk) == "care-leaver-lotsin"


def test_the_same_kind_takes_over_before_the_clearing_desk(portal: Portal, session: Session) -> None:
    desk, _counsellor = staff(session, "ihk-ausbildungsberatung")
    staff(session, CLEARING, languages=["ar"])
    staff(session, "hwk-ausbildungsberatung")
    assert next_after(portal, session, desk) == "hwk-ausbildungsberatung"


def test_the_language_is_looked_at_before_anything_is_typed(own_app: Flask, session: Session) -> None:
    chamber, _counsellor = staff(session, "ihk-ausbildungsberatung")
    other, _counsellor = staff(session, "hwk-ausbildungsberatung")
    address = "contact-me?desk=ihk-ausbildungsberatung"

    def first_page(lang: str) -> tuple[bool, bool, list[str]]:
        """Whether it is said that nobody there speaks it, an interpreter is ticked, and who speaks it."""
        page = PageClient(own_app).page(f"/{lang}/{address}")
        links = [str(link["href"]) for link in page.all('main .box a[href*="contact-me?desk="]')]
        return bool(page.all("main .box.info")), bool(page.all('input[value="interpreter"][checked]')), links

    assert first_page("de") == (False, False, [])
    assert first_page("ar") == (True, True, [])
    set_team(session, other, languages=["ar"])
    assert first_page("ar") == (True, True, ["/ar/contact-me?desk=hwk-ausbildungsberatung"])
    set_team(session, other, away_from=NOW.date())
    assert first_page("ar") == (True, True, [])
    set_team(session, chamber, languages=["ar"])
    assert first_page("ar") == (False, False, [])


def test_no_interpreter_stays_no_interpreter(own_app: Flask, session: Session) -> None:
    staff(session)
    client = PageClient(own_app)
    begin(client, "ar", speaks="ar")
    page = client.page("/ar/contact-me")
    assert not page.all('input[value="interpreter"][checked]')


def test_rather_not_leaves_nothing(client: PageClient, session: Session) -> None:
    page = to_consent(client, own_words="Geheim")
    drop = page.all('form[action="/de/contact-me/drop"]')[0]
    answer = client.post("/de/contact-me/drop", data={"csrf_token": drop.select_one("input")["value"]})
    assert answer.status_code == 303
    assert session.execute(select(Referral)).first() is None
    assert client.get("/de/contact-me/consent").status_code == 410


def test_what_a_professional_prepared_is_agreed_on_the_own_phone(
    own_app: Flask, portal: Portal, session: Session
) -> None:
    desk, counsellor = staff(session)
    keyring = portal.referrals.keyring
    draft, token = actions.begin(
        session,
        keyring,
        region="musterkreis",
        language="de",
        desk=desk,
        now=NOW,
        prepared_by=counsellor,
    )
    actions.write(
        session, keyring, draft, Person(name="Juri", own_words="Will in die Lehre", channels=()), now=NOW
    )
    session.commit()
    phone = PageClient(own_app)
    answer = phone.get(f"/de/consent/{token}")
    assert answer.headers["Location"] == "/de/contact-me"
    page = phone.page("/de/contact-me")
    assert page.one("#name")["value"] == "Juri"
    assert not page.all("#age input[checked]")
    phone.post("/de/contact-me", data=filled(page, **{**REACH, "name": ""}))
    page = phone.page("/de/contact-me/tell")
    assert text_of(page.one("#own_words")) == "Will in die Lehre"
    phone.post("/de/contact-me/tell", data=filled(page, own_words=""))
    page = phone.page("/de/contact-me/consent")
    assert "Juri" not in text_of(page.one("main article")), "struck"
    code = code_of(send(phone, page).get_data(as_text=True))
    session.expire_all()
    referral = queries.by_code(session, keyring, code)
    consent = session.execute(select(Consent)).scalar_one()
    assert (referral.id, consent.given_how) == (draft.id, GivenHow.OWN_PHONE)


def test_a_draft_runs_out(client: PageClient, session: Session) -> None:
    to_consent(client)
    draft = session.execute(select(Referral)).scalar_one()
    draft.erase_at = NOW - timedelta(seconds=1)
    session.add(draft)
    session.commit()
    assert client.get("/de/contact-me/consent").status_code == 410


def test_pages_are_kept_by_nobody(client: PageClient) -> None:
    page = to_consent(client)
    assert page.response.headers["Cache-Control"] == "no-store"
    answer = send(client, page)
    assert answer.headers["Cache-Control"] == "no-store"
    assert 'name="robots" content="noindex' in answer.get_data(as_text=True)
    with client.client.session_transaction() as cookie:
        assert UUID(cookie["mine"])
        assert "contact" not in cookie


def test_without_keys_there_is_no_form(own_settings: Settings) -> None:
    app = build(
        own_settings.model_copy(update={"environment": "production", "base_url": "https://a.example"}),
        now=lambda: NOW,
    )
    assert app.extensions["portal"].referrals is None
    assert PageClient(app).get(f"/de/contact-me?desk={DESK}").status_code == 404


def test_race_for_the_last_place_with_a_double_tap(client, session, monkeypatch):
    """The first of two taps is sent and takes the last place; the second then hears DeskUnavailable."""
    page = to_consent(client)
    real = actions.submit

    def overtaken(own: Session, *args: Any, **values: Any) -> str:
        real(own, *args, **values)
        own.commit()  # the first tap
        monkeypatch.setattr(contact_me.choosing, "availability", lambda *a, **k: Availability.FULL)
        raise errors.DeskUnavailable(values.get("shown_desk"))  # what _must_be_open tells the second

    monkeypatch.setattr(contact_me.actions, "submit", overtaken)
    answer = send(client, page)
    assert "data-copy-text" in answer.get_data(as_text=True), "it was sent, and must say so"


def test_rather_not_when_the_desk_left_the_catalogue(client, monkeypatch):
    page = to_consent(client)

    def gone(desk):
        raise contact_me.DeskGone

    monkeypatch.setattr(contact_me, "service_of", gone)
    answer = client.post("/de/contact-me/drop", data=filled(page))
    assert answer.headers["Location"] == "/de/"


def test_prepared_with_channels_cannot_skip_the_age_question(own_app, portal, session):
    _draft, token = prepare(session, portal, Person(name="Juri"))
    phone = PageClient(own_app)
    phone.get(f"/de/consent/{token}")
    answer = phone.get("/de/contact-me/consent")
    assert answer.status_code != 200, "the consent is offered, nobody was asked for their age"


def test_how_quickly_they_answer_is_measured_or_not_said(
    client: PageClient, session: Session, desk: Desk
) -> None:
    words = "gehört"
    assert words not in client.page(f"/de/contact-me?desk={DESK}").text
    for _ in range(10):
        counts.add(session, "musterkreis", desk.organization_id, promise.measure(2), now=NOW)
    session.commit()
    page = client.page(f"/de/contact-me?desk={DESK}")
    assert words in page.text
    assert "2 Werktagen" in page.text


def told_younger(client: PageClient) -> None:
    from portal.web.public.check import ANSWERS

    with client.client.session_transaction() as cookie:
        cookie[ANSWERS] = {"who": ["me"], "age": ["under_15"]}


@pytest.mark.parametrize("part", ["", "/tell", "/consent"])
def test_who_says_later_to_be_under_fifteen_gets_no_further(client: PageClient, part: str) -> None:
    """The questionnaire is answered, or changed, in another tab after the first page."""
    to_consent(client)
    told_younger(client)
    page = client.page(f"/de/contact-me{part}")
    assert not page.all("main form[method=post]")
    assert page.all('main a[href^="tel:"]')


@pytest.mark.parametrize("part", ["tell", "consent"])
def test_under_fifteen_nothing_is_taken_by_a_form_that_was_open(
    client: PageClient, session: Session, part: str
) -> None:
    page = to_consent(client)
    if part == "tell":
        page = client.page("/de/contact-me/tell")
    told_younger(client)
    answer = client.post(f"/de/contact-me/{part}", data=filled(page))
    assert not parsed(answer).all("main form[method=post]")
    assert session.execute(select(Referral)).first() is None


def prepare(session: Session, portal: Portal, person: Person) -> tuple[Referral, str]:
    """By a professional: the draft, and what stands in the QR code."""
    assert portal.referrals is not None
    desk, counsellor = staff(session)
    draft, token = actions.begin(
        session,
        portal.referrals.keyring,
        region="musterkreis",
        language="de",
        desk=desk,
        now=NOW,
        prepared_by=counsellor,
    )
    actions.write(session, portal.referrals.keyring, draft, person, now=NOW)
    session.commit()
    return draft, token


def test_who_opened_the_qr_code_too_sees_nothing_once_it_is_the_young_persons(
    own_app: Flask, portal: Portal, session: Session
) -> None:
    """The token stands on the professional's screen: a second browser that opened it must learn neither what is
    changed on the phone nor the code."""
    _draft, token = prepare(session, portal, Person(name="Juri"))
    phone, other = PageClient(own_app), PageClient(own_app)
    other.get(f"/de/consent/{token}")
    phone.get(f"/de/consent/{token}")
    page = phone.page("/de/contact-me")
    first = filled(page, **REACH, name="Mia")
    assert phone.post("/de/contact-me", data=first).location == "/de/contact-me/tell"
    assert phone.post("/de/contact-me", data=first).location == "/de/contact-me/tell", "tapped twice"
    assert phone.get(f"/de/consent/{token}").location == "/de/contact-me", "and looked at the QR code again"
    phone.post("/de/contact-me", data=filled(phone.page("/de/contact-me"), **REACH, name="Mia"))
    for path in ("/de/contact-me", "/de/contact-me/tell", "/de/contact-me/consent", f"/de/consent/{token}"):
        assert "Mia" not in other.get(path).get_data(as_text=True)
    phone.post("/de/contact-me/tell", data=filled(phone.page("/de/contact-me/tell")))
    page = phone.page("/de/contact-me/consent")
    with phone.client.session_transaction() as cookie:
        before = dict(cookie)
    code = code_of(send(phone, page).get_data(as_text=True))
    with other.client.session_transaction() as cookie:
        # Whatever a form of that browser may hold.
        cookie.setdefault("_b", "other")
    form = filled(other.page("/de/slip"))
    answer = other.post("/de/contact-me/consent", data={"csrf_token": form["csrf_token"], "shown": "x"})
    assert code not in answer.get_data(as_text=True)
    with other.client.session_transaction() as cookie:
        assert "mine" not in cookie
    with phone.client.session_transaction() as cookie:
        cookie.clear()
        cookie.update(before)
    assert code_of(send(phone, page).get_data(as_text=True)) == code, "the phone's second tap sees it again"
    consent = session.execute(select(Consent)).scalar_one()
    assert consent.given_how == GivenHow.OWN_PHONE


def test_the_link_of_a_professional_opens_no_draft_of_somebody_else(client: PageClient) -> None:
    """Nobody sends a friend a link to a form that they can read along."""
    begin(client, name="Mia")
    with client.client.session_transaction() as cookie:
        token = cookie["contact"]
    friend = PageClient(client.app)
    assert friend.get(f"/de/consent/{token}").status_code == 410
    assert "Mia" not in friend.get("/de/contact-me").get_data(as_text=True)


@pytest.mark.parametrize("part", ["", "/tell", "/consent", "/drop"])
def test_another_site_sends_nothing(client: PageClient, session: Session, part: str) -> None:
    page = to_consent(client, own_words="Meine Worte")
    data = filled(page, **REACH, name="Fremd", own_words="Fremd", desk=DESK)
    answer = client.post(f"/de/contact-me{part}", data=data, headers={"Sec-Fetch-Site": "cross-site"})
    assert answer.status_code in (403, 422)
    assert session.execute(select(Consent)).first() is None
    assert "Meine Worte" in client.page("/de/contact-me/consent").text
    assert "Fremd" not in client.page("/de/contact-me/consent").text


def test_the_address_of_the_private_page_reads_left_to_right(client: PageClient) -> None:
    sentences = [text_of(line) for line in to_consent(client, "ar").all("main article > p")]
    assert "\u2066localhost/ar/mine\u2069" in sentences[-1]
    assert all(" (" not in sentence.replace(" \u200f(", "") for sentence in sentences)
