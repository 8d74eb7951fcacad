"""The pages of the colleagues' case talk: from the sheet to the agreed steps, by two people at once."""

from dataclasses import dataclass
from uuid import UUID

import pytest
from sqlalchemy import select
from sqlmodel import Session, col

from portal.accounts.models import KeptForm, User
from portal.referral import actions
from portal.referral.choosing import Desk
from portal.referral.models import CaseTalk, CaseTalkParticipant, Notice, Team
from portal.referral.personal import Agreed, Line, Person
from portal.web.application import Portal
from tests.web.admin.conftest import Clock, MakeUser, SignIn
from tests.web.admin.pages import AdminClient
from tests.web.pages import Page

LIST, NEW, CREATE = "/admin/case-talks", "/admin/case-talks/new", "/admin/case-talks/create"
SHEET = {
    "title": "Steht morgens nicht auf",
    "question": "Wie komme ich wieder in Kontakt?",
    "situation": "Ein Mädchen, 17, geht <seit> Monaten nicht zur Schule.",
    "tried": "",
}


@dataclass(frozen=True)
class Two:
    presenter: AdminClient
    advisor: AdminClient
    advisor_id: str
    path: str


@pytest.fixture
def presenter_user(admin_portal: Portal, a_user: MakeUser) -> User:
    return a_user("counsellor", organization=admin_portal.catalogue.services()[0].organization.slug)


@pytest.fixture
def presenter(presenter_user: User, signed_in: SignIn) -> AdminClient:
    return signed_in(user=presenter_user)


@pytest.fixture
def two(presenter: AdminClient, a_user: MakeUser, signed_in: SignIn) -> Two:
    """A talk with a presenter and an advisor who has joined."""
    user = a_user("coordinator")
    answer = presenter.submit(NEW, SHEET, to=CREATE)
    path = str(answer.location)
    presenter.submit(path, {"people": str(user.id)}, to=f"{path}/invite")
    advisor = signed_in(user=user)
    advisor.submit(path, to=f"{path}/join")
    return Two(presenter, advisor, str(user.id), path)


def version(client: AdminClient, path: str) -> str:
    return str(client.page(path).all('main input[name="version"]')[0]["value"])


def go(client: AdminClient, path: str, step: int, *, status: int = 303) -> None:
    client.submit(path, {"what": step, "version": version(client, path)}, to=f"{path}/go", status=status)


def test_a_talk_from_beginning_to_end(two: Two, database: Session) -> None:
    presenter, advisor, path = two.presenter, two.advisor, two.path
    page = presenter.page(path)
    assert "Schritt 1 von 6" in page.text
    assert "noch 5 Minuten" in page.text
    assert "geht <seit> Monaten" in page.text
    roles = {"moderator": two.advisor_id, "timekeeper": "", "writer": "", "version": version(presenter, path)}
    presenter.submit(path, roles, to=f"{path}/cast")
    assert "moderiert" in presenter.page(path).text
    for step in (2, 3, 4):
        go(advisor, path, step)
    assert not presenter.page(path).all("textarea[name=text]"), "whoever brings the case listens"
    answer = advisor.submit(path, {"text": "Hausbesuch & Kakao"}, to=f"{path}/idea")
    assert answer.location == f"{path}#ideas"
    advisor.submit(path, {"text": "Einen Brief schreiben"}, to=f"{path}/idea")
    assert "Hausbesuch & Kakao" in presenter.page(path).text
    go(advisor, path, 5)
    page = presenter.page(path)
    (box, _other) = page.all("input[name=chosen]")
    presenter.submit(path, {"chosen": box["value"]}, to=f"{path}/choose")
    assert len(advisor.page(path).all(".chosen")) == 1
    go(presenter, path, 6)
    steps = {"next_steps": "Hausbesuch bis Freitag\r\n\r\nBrief", "version": version(presenter, path)}
    presenter.submit(path, steps, to=f"{path}/end")
    page = advisor.page(path)
    assert "Die Beratung endete am" in page.text
    assert "Hausbesuch bis Freitag" in page.text
    assert not page.all("#talk-now[data-hx-get]"), "nothing changes any more"
    ended = presenter.page(LIST)
    assert "Beendet" in ended.text and SHEET["title"] in ended.text
    database.expire_all()
    assert database.execute(select(CaseTalk)).scalar_one().ended_at is not None


def test_what_tells_who_it_is_comes_back_marked(presenter: AdminClient, database: Session) -> None:
    bad = {**SHEET, "situation": "Leyla, heißt Leyla, wohnt in der Birkenstraße 3, Tel. 0176 12345678"}
    page = presenter.sent(presenter.submit(NEW, bad, to=CREATE, status=422), CREATE, status=422)
    assert [mark.get_text() for mark in page.all("mark")] == [
        "Leyla",
        "Leyla",
        "Birkenstraße 3",
        "0176 12345678",
    ]
    assert page.one("#situation").get_text().strip() == bad["situation"]
    assert page.one("#situation")["aria-invalid"] == "true"
    assert page.one("#title")["value"] == SHEET["title"]
    assert page.one('.mistakes a[href="#situation"]')
    assert database.execute(select(CaseTalk)).first() is None
    assert database.execute(select(KeptForm)).first() is None


def test_what_may_be_a_name_is_asked_back(presenter: AdminClient, database: Session) -> None:
    may_be = {**SHEET, "title": "Fachkraft Vera", "situation": "Vera hilft seit Wochen. Ruf: 0176 12345678"}
    page = presenter.sent(presenter.submit(NEW, may_be, to=CREATE, status=422), CREATE, status=422)
    box = page.one("input[name=no_name]")
    assert (box["value"], box.get("checked")) == ("Vera", None), "asked once, however often it stands there"
    ticked = {**may_be, "no_name": "Vera"}
    page = presenter.sent(presenter.submit(NEW, ticked, to=CREATE, status=422), CREATE, status=422)
    assert [mark.get_text() for mark in page.all("mark")] == ["0176 12345678"]
    assert page.one("input[name=no_name]").get("checked") is not None, "nobody ticks twice"
    number = {**ticked, "no_name": ["Vera", "0176 12345678"]}
    presenter.submit(NEW, number, to=CREATE, status=422)
    path = str(presenter.submit(NEW, {**ticked, "situation": "Vera hilft seit Wochen."}, to=CREATE).location)
    assert "Vera hilft" in presenter.page(path).text


def test_ideas_and_next_steps_ask_back_too(two: Two) -> None:
    for step in (2, 3, 4):
        go(two.presenter, two.path, step)
    idea = {"text": "Fragt doch Lena."}
    sent = two.advisor.submit(two.path, idea, to=f"{two.path}/idea", status=422)
    box = two.advisor.sent(sent, two.path, status=422).one("input[name=no_name]")
    two.advisor.submit(two.path, {**idea, "no_name": box["value"]}, to=f"{two.path}/idea")
    for step in (5, 6):
        go(two.presenter, two.path, step)
    steps = {"next_steps": "Mit Lena reden", "version": version(two.presenter, two.path)}
    sent = two.presenter.submit(two.path, steps, to=f"{two.path}/end", status=422)
    box = two.presenter.sent(sent, two.path, status=422).one("input[name=no_name]")
    two.presenter.submit(two.path, {**steps, "no_name": box["value"]}, to=f"{two.path}/end")
    assert "Mit Lena reden" in two.advisor.page(two.path).text


def test_what_is_missing_or_too_long_is_said(presenter: AdminClient) -> None:
    sent = presenter.submit(NEW, {**SHEET, "title": " ", "question": "x" * 1001}, to=CREATE, status=422)
    page = presenter.sent(sent, CREATE, status=422)
    assert {link["href"] for link in page.all(".mistakes a")} == {"#title", "#question"}


def test_ideas_and_steps_are_checked_too(two: Two) -> None:
    for step in (2, 3, 4):
        go(two.presenter, two.path, step)
    text = "Frau Schulze vom Jobcenter anrufen"
    sent = two.advisor.submit(two.path, {"text": text}, to=f"{two.path}/idea", status=422)
    page = two.advisor.sent(sent, two.path, status=422)
    assert page.one("#text").get_text().strip() == text
    assert page.one("mark").get_text() == "Frau Schulze"
    assert not page.all(".ideas li")
    for step in (5, 6):
        go(two.presenter, two.path, step)
    steps = {"next_steps": "Anrufen\n0176 12345678 wählen", "version": version(two.presenter, two.path)}
    sent = two.presenter.submit(two.path, steps, to=f"{two.path}/end", status=422)
    page = two.presenter.sent(sent, two.path, status=422)
    assert page.one("mark").get_text() == "0176 12345678"
    assert "Anrufen" in page.one("#next_steps").get_text()


def test_only_those_who_take_part(two: Two, signed_in: SignIn, a_user: MakeUser, database: Session) -> None:
    stranger = signed_in("coordinator")
    assert stranger.get(two.path).status_code == 404
    for deed in ("join", "idea", "go", "erase", "leave"):
        assert stranger.send(f"{two.path}/{deed}", {"text": "x", "what": "2"}).status_code == 404
    assert SHEET["title"] not in stranger.page(LIST).text
    invited_user = a_user("coordinator")
    two.presenter.submit(two.path, {"people": str(invited_user.id)}, to=f"{two.path}/invite")
    invited = signed_in(user=invited_user)
    page = invited.page(two.path)
    assert "Teilnehmen" in page.text
    assert SHEET["question"] not in page.text
    assert "Sie sind eingeladen" in invited.page(LIST).text
    invited.submit(two.path, to=f"{two.path}/leave")
    assert invited.get(two.path).status_code == 404


def test_an_invitation_is_told_without_content(
    two: Two, database: Session, mailbox: object, a_user: MakeUser
) -> None:
    notice = database.execute(select(Notice).where(col(Notice.about) == "case_talk.invited")).scalar_one()
    assert str(notice.user_id) == two.advisor_id
    (mail,) = mailbox()  # type: ignore[operator]
    assert mail.link == LIST
    assert SHEET["title"] not in mail.subject + mail.body
    other = a_user("reader")
    sent = two.presenter.submit(two.path, {"people": str(other.id)}, to=f"{two.path}/invite", status=409)
    assert sent.status_code == 409
    empty = two.presenter.submit(two.path, {}, to=f"{two.path}/invite", status=422)
    assert "Bitte wählen Sie jemanden aus" in empty.get_data(as_text=True)


def test_an_advisor_does_not_lead(two: Two) -> None:
    page = two.advisor.page(two.path)
    assert not page.all('form[action$="/go"]')
    assert not page.all('form[action$="/erase"]')
    for deed in ("go", "cast", "invite", "rewrite", "erase"):
        data = {"what": "2", "people": two.advisor_id, "version": "1", **SHEET}
        assert two.advisor.send(f"{two.path}/{deed}", data).status_code in (409, 422), deed
    assert "Schritt 1 von 6" in two.advisor.page(two.path).text


def test_two_at_once(two: Two) -> None:
    before = version(two.presenter, two.path)
    data = {"what": 2, "version": before}
    two.presenter.submit(two.path, data, to=f"{two.path}/go")
    two.presenter.submit(two.path, data, to=f"{two.path}/go")
    assert "Schritt 2 von 6" in two.presenter.page(two.path).text, "pressed twice, moved once"
    sent = two.presenter.submit(
        two.path, {**SHEET, "title": "Neu", "version": before}, to=f"{two.path}/rewrite", status=409
    )
    page = two.presenter.sent(sent, two.path, status=409)
    assert "Jemand war schneller" in page.text
    assert "Neu" in page.text
    assert SHEET["title"] in two.presenter.page(two.path).one(".lead").get_text()


def test_who_leads_gets_the_forms_for_those_who_join(
    presenter: AdminClient, a_user: MakeUser, signed_in: SignIn
) -> None:
    user = a_user("coordinator")
    path = str(presenter.submit(NEW, SHEET, to=CREATE).location)
    presenter.submit(path, {"people": str(user.id)}, to=f"{path}/invite")
    page = presenter.page(path)
    assert not page.all(f'#moderator option[value="{user.id}"]')
    address = str(page.one("#talk-now")["data-hx-get"])
    asks = {"HX-Request": "true"}
    assert "data-moved" not in presenter.get(address, headers=asks).get_data(as_text=True)
    signed_in(user=user).submit(path, to=f"{path}/join")
    assert "data-moved" in presenter.get(address, headers=asks).get_data(as_text=True)
    assert presenter.page(path).all(f'#moderator option[value="{user.id}"]')


def test_the_page_follows_the_talk(two: Two, clock: Clock) -> None:
    address = str(two.advisor.page(two.path).one("#talk-now")["data-hx-get"])
    fragment = two.advisor.get(address, headers={"HX-Request": "true"})
    assert fragment.status_code == 200
    assert "<h1" not in fragment.get_data(as_text=True)
    assert "data-moved" not in fragment.get_data(as_text=True)
    clock.later(minutes=7)
    late = two.advisor.get(address, headers={"HX-Request": "true"}).get_data(as_text=True)
    assert "2 Minuten darüber" in late
    go(two.presenter, two.path, 2)
    assert "data-moved" in two.advisor.get(address, headers={"HX-Request": "true"}).get_data(as_text=True)
    clock.later(minutes=65)
    assert two.advisor.get(address, headers={"HX-Request": "true"}).status_code == 286
    assert two.advisor.get(two.path).status_code == 200


def test_from_a_referral(
    presenter: AdminClient,
    presenter_user: User,
    admin_portal: Portal,
    database: Session,
    clock: Clock,
    signed_in: SignIn,
) -> None:
    tools, service = admin_portal.referrals, admin_portal.catalogue.services()[0]
    assert tools is not None and presenter_user.id is not None
    database.add(
        Team(organization_id=service.organization.id, region="musterkreis", accepts=True, changed_at=clock())
    )
    referral, _token = actions.begin(
        database,
        tools.keyring,
        region="musterkreis",
        language="ar",
        desk=Desk(service.id, service.organization.id),
        now=clock(),
    )
    actions.write(database, tools.keyring, referral, Person(name="Sternchen"), now=clock())
    line = Line(key="name", label="الاسم", label_de="Name", value="Sternchen", value_de="Sternchen")
    agreed = Agreed(statement="أوافق.", statement_de="Ja.", lines=(line,))
    actions.submit(database, tools.keyring, referral, agreed, text_version="1", days=tools.days, now=clock())
    database.commit()
    label, id_ = referral.label, referral.id
    form = presenter.page(f"{NEW}?referral={id_}")
    assert label in form.text
    assert "Sternchen" not in form.text
    sheet = {**SHEET, "referral": str(id_)}
    named = presenter.submit(NEW, {**sheet, "tried": "Mit sternchen geredet"}, to=CREATE, status=422)
    page = presenter.sent(named, CREATE, status=422)
    assert page.one("mark").get_text() == "sternchen"
    assert page.one('input[name="referral"]')["value"] == str(id_)
    path = str(presenter.submit(NEW, sheet, to=CREATE).location)
    assert presenter.page(path).all(f'a[href="/admin/referrals/{id_}"]')
    # Not for somebody else.
    assert label not in signed_in("coordinator").page(f"{NEW}?referral={id_}").text
    refused = signed_in("coordinator").submit(NEW, sheet, to=CREATE, status=409)
    assert SHEET["question"] in refused.get_data(as_text=True)
    actions.withdraw(database, database.merge(referral), now=clock())
    database.commit()
    page = presenter.page(path, status=410)
    assert "zurückgenommen" in page.text and SHEET["title"] not in page.text
    assert presenter.get(path, headers={"HX-Request": "true"}).headers["HX-Refresh"] == "true"
    assert presenter.send(f"{path}/rewrite", SHEET).status_code == 410
    assert SHEET["title"] not in presenter.page(LIST).text
    assert presenter.page(LIST).all(f'a[href="{path}"]')


def test_rewording_and_erasing(two: Two, database: Session) -> None:
    data = {**SHEET, "title": "Kommt nicht mehr", "version": version(two.presenter, two.path)}
    two.presenter.submit(two.path, data, to=f"{two.path}/rewrite")
    assert "Kommt nicht mehr" in two.advisor.page(two.path).text
    two.presenter.submit(two.path, to=f"{two.path}/erase")
    assert two.advisor.get(two.path).status_code == 404
    assert database.execute(select(CaseTalkParticipant)).first() is None


def test_removing_people_and_ideas(two: Two) -> None:
    for step in (2, 3, 4):
        go(two.presenter, two.path, step)
    two.advisor.submit(two.path, {"text": "Hausbesuch"}, to=f"{two.path}/idea")
    fragment = two.presenter.get(two.path, headers={"HX-Request": "true"}).get_data(as_text=True)
    assert "Hausbesuch" in fragment and f'action="{two.path}/remove"' in fragment
    drop = two.advisor.page(two.path).one('button[id^="drop-"]')
    two.advisor.submit(two.path, {"what": drop["value"]}, to=f"{two.path}/drop")
    assert "Noch keine Ideen" in two.advisor.page(two.path).text
    two.presenter.submit(two.path, {"what": two.advisor_id}, to=f"{two.path}/remove")
    assert two.advisor.get(two.path).status_code == 404


def test_strange_values_are_no_errors(two: Two) -> None:
    for deed in ("remove", "drop", "go", "cast", "invite", "choose", "end"):
        data = {
            "what": "../x",
            "people": "x",
            "moderator": "x",
            "chosen": str(UUID(int=3)),
            "next_steps": "\n" * 40,
            "version": version(two.presenter, two.path),
        }
        assert two.presenter.send(f"{two.path}/{deed}", data).status_code in (303, 409, 422), deed
    assert two.presenter.get(f"{two.path}/go").location == two.path
    assert two.presenter.page(two.path)


def test_without_keys_there_are_no_talks(presenter: AdminClient, admin_portal: Portal) -> None:
    admin_portal.referrals = None
    for path in (LIST, NEW, CREATE):
        assert presenter.get(path).status_code == 404


def test_with_a_lost_key_the_list_says_so(two: Two, admin_portal: Portal) -> None:
    from dataclasses import replace

    from portal.referral.sealing import Keyring, new_key

    assert admin_portal.referrals is not None
    admin_portal.referrals = replace(admin_portal.referrals, keyring=Keyring([new_key()]))
    for path in (LIST, two.path):
        page: Page = two.presenter.page(path, status=503)
        assert "Schlüssel" in page.text
