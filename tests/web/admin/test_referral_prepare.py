"""A professional prepares a referral beside the young person, who agrees on their own phone."""

from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy import func, select
from sqlmodel import Session, col

from portal.accounts.models import AuditEvent, KeptForm
from portal.catalogue.queries import ServiceView
from portal.referral import actions
from portal.referral.actions import PREPARED_HOLDS
from portal.referral.models import Channel, GivenHow, Referral, Team
from portal.referral.personal import Agreed, Line, Person
from portal.web.application import Portal
from portal.web.referrals import Referrals
from tests.web.admin.conftest import Clock, MakeUser, SignIn
from tests.web.admin.pages import AdminClient
from tests.web.pages import Page

PATH = "/admin/referrals/prepare"
SEND = f"{PATH}/draft"
NAME, NUMBER = "Sternchen", "0340 1234567"
AGREED = Agreed(
    statement="Ja.",
    statement_de="Ja.",
    lines=(Line(key="name", label="Name", label_de="Name", value=NAME, value_de=NAME),),
)


@pytest.fixture
def tools(admin_portal: Portal) -> Referrals:
    assert admin_portal.referrals is not None
    return admin_portal.referrals


@pytest.fixture
def service(admin_portal: Portal, database: Session, a_user: MakeUser, clock: Clock) -> ServiceView:
    """Of a team that takes referrals."""
    found = admin_portal.catalogue.services()[0]
    a_user("counsellor", organization=found.organization.slug)
    database.add(
        Team(organization_id=found.organization.id, region="musterkreis", accepts=True, changed_at=clock())
    )
    database.commit()
    return found


@pytest.fixture
def school(signed_in: SignIn, admin_portal: Portal, service: ServiceView) -> AdminClient:
    """A social worker of another organization."""
    other = next(
        one.organization.slug
        for one in admin_portal.catalogue.services()
        if one.organization.id != service.organization.id
    )
    return signed_in("counsellor", organization=other)


@pytest.fixture
def typed(service: ServiceView) -> dict[str, str | list[str]]:
    return {
        "desk": str(service.id),
        "language": "ar",
        "name": NAME,
        "channels": ["phone", "page"],
        "phone": NUMBER,
        "leave_message": "y",
        "times": ["afternoon"],
        "interpreter": "y",
        "own_words": "Ich suche eine Ausbildung.",
    }


def drafts(database: Session) -> list[Referral]:
    database.expire_all()
    return list(database.execute(select(Referral)).scalars())


def token_of(page: Page) -> str:
    return page.one("#stand bdi").text.rpartition("/")[2]


def waiting(client: AdminClient, typed: dict[str, str | list[str]]) -> str:
    """Send the form; the path of the page that waits for the consent."""
    return str(client.submit(PATH, typed, to=SEND).location)


def send(database: Session, tools: Referrals, token: str, clock: Clock) -> str:
    """What the young person's phone does; the receipt code."""
    found = actions.draft(database, tools.keyring, token, now=clock())
    code = actions.submit(
        database,
        tools.keyring,
        found,
        AGREED,
        text_version="1",
        days=tools.days,
        now=clock(),
        given_how=GivenHow.OWN_PHONE,
    )
    database.commit()
    return code


def test_the_draft_waits_for_the_phone(
    school: AdminClient,
    database: Session,
    tools: Referrals,
    service: ServiceView,
    typed: dict[str, str | list[str]],
    clock: Clock,
) -> None:
    path = waiting(school, typed)
    (draft,) = drafts(database)
    assert (draft.status, draft.language, draft.service_id) == ("draft", "ar", service.id)
    assert draft.prepared_by is not None
    assert draft.erase_at == clock() + PREPARED_HOLDS
    sealer = tools.keyring.record(draft.id, draft.key_sealed)
    person = Person.open(sealer, "person", draft.person_sealed)
    assert (person.name, person.speaks) == (NAME, "ar")
    assert person.phone == "+493401234567"
    assert person.channels == (Channel.PHONE, Channel.PAGE)
    assert (person.interpreter, person.leave_message, person.say_who) == (True, True, False)
    page = school.page(path)
    assert page.one(".qrbox svg")
    address = page.one("#stand bdi").text
    assert "/ar/consent/" in address
    assert actions.draft(database, tools.keyring, token_of(page), now=clock()).id == draft.id
    # Neither the name nor the label before it was sent.
    for words in (NAME, draft.label, "Ausbildung."):
        assert words not in page.response.get_data(as_text=True)


def test_after_the_consent_only_the_label_is_told(
    school: AdminClient,
    database: Session,
    tools: Referrals,
    typed: dict[str, str | list[str]],
    clock: Clock,
) -> None:
    path = waiting(school, typed)
    poll = str(school.page(path).one("#stand")["data-hx-get"])
    assert school.get(poll, headers={"HX-Request": "true"}).status_code == 204, "nothing is new"
    code = send(database, tools, token_of(school.page(path)), clock)
    (sent,) = drafts(database)
    part = school.get(poll, headers={"HX-Request": "true"})
    assert part.status_code == 200
    assert "data-hx-get" not in part.get_data(as_text=True), "it stops asking"
    page = school.page(path)
    assert f"Das Kennzeichen ist {sent.label}" in page.text
    assert not page.all(".qrbox")
    for words in (code, NAME, "/consent/"):
        assert words not in page.response.get_data(as_text=True)
    assert school.get(f"/admin/referrals/{sent.id}").status_code == 404
    assert sent.label not in school.page("/admin/referrals").text


def test_it_runs_out(
    school: AdminClient, database: Session, typed: dict[str, str | list[str]], clock: Clock
) -> None:
    path = waiting(school, typed)
    clock.now += PREPARED_HOLDS - timedelta(seconds=1)
    assert "Noch offen" in school.page(path).text
    clock.later(seconds=1)
    page = school.page(path)
    assert "Abgelaufen" in page.text
    assert not page.all("#stand bdi")


def test_throw_away(school: AdminClient, database: Session, typed: dict[str, str | list[str]]) -> None:
    path = waiting(school, typed)
    school.submit(path, to=f"{path}/discard")
    assert drafts(database) == []
    assert school.get(path).status_code == 404
    actions_ = database.execute(select(col(AuditEvent.action)).where(col(AuditEvent.entity) == "referral"))
    assert sorted(actions_.scalars()) == ["referral.discarded", "referral.prepared"]


def test_what_was_sent_meanwhile_is_not_thrown_away(
    school: AdminClient,
    database: Session,
    tools: Referrals,
    typed: dict[str, str | list[str]],
    clock: Clock,
) -> None:
    path = waiting(school, typed)
    send(database, tools, token_of(school.page(path)), clock)
    assert school.send(f"{path}/discard").location == path
    assert [one.status for one in drafts(database)] == ["requested"]


def test_nobody_else_sees_the_address(
    school: AdminClient, signed_in: SignIn, service: ServiceView, typed: dict[str, str | list[str]]
) -> None:
    path = waiting(school, typed)
    colleague = signed_in("counsellor", organization=service.organization.slug)
    assert colleague.get(path).status_code == 404
    assert colleague.send(f"{path}/discard").status_code == 404


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("desk", ""),
        ("desk", str(UUID(int=5))),
        ("language", "xx"),
        ("channels", []),
        ("phone", "12"),
        ("name", "x" * 121),
        ("own_words", "x" * 1001),
    ],
)
def test_what_is_wrong_stands_at_the_field_and_nothing_is_lost(
    school: AdminClient,
    database: Session,
    typed: dict[str, str | list[str]],
    field: str,
    value: str | list[str],
) -> None:
    answer = school.submit(PATH, typed | {field: value}, to=SEND, status=422)
    page = school.sent(answer, SEND, status=422)
    assert page.all(f'main [role="alert"] a[href="#{field}"]')
    if field != "own_words":
        assert "Ich suche eine Ausbildung." in page.one("#own_words").text
    if field != "phone":
        assert page.one("#phone")["value"] == NUMBER
    assert drafts(database) == []


def test_what_belongs_to_another_way_is_not_kept(
    school: AdminClient, database: Session, tools: Referrals, typed: dict[str, str | list[str]]
) -> None:
    waiting(school, typed | {"channels": ["page"], "mail": "nobody", "messenger": "x"})
    (draft,) = drafts(database)
    person = Person.open(tools.keyring.record(draft.id, draft.key_sealed), "person", draft.person_sealed)
    assert (person.phone, person.mail, person.messenger, person.leave_message) == ("", "", "", False)


def test_nothing_typed_is_kept_readable(
    school: AdminClient, database: Session, typed: dict[str, str | list[str]], clock: Clock
) -> None:
    """Not in the log, and not for later when the session ran out while somebody was typing."""
    school.submit(PATH, typed, to=SEND)
    events = database.execute(select(AuditEvent).where(col(AuditEvent.entity) == "referral")).scalars()
    assert [event.details for event in events] == [{}]
    page = school.page(PATH)
    token = str(page.all('main input[name="csrf_token"]')[0]["value"])
    form_page = str(page.all('main input[name="form_page"]')[0]["value"])
    clock.later(days=40)
    answer = school.client.post(SEND, data=typed | {"csrf_token": token, "form_page": form_page})
    assert answer.status_code == 303
    assert database.execute(select(func.count()).select_from(KeptForm)).scalar() == 0


def test_no_desk_takes_anybody(signed_in: SignIn, admin_portal: Portal) -> None:
    slug = admin_portal.catalogue.services()[0].organization.slug
    page = signed_in("counsellor", organization=slug).page(PATH)
    assert "Keine Stelle" in page.text
    assert not page.all("main form")
