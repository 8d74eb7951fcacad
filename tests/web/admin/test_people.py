"""Who may sign in: inviting, roles, shutting out."""

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import select
from sqlmodel import Session, col

from portal.accounts import users
from portal.accounts.models import AuditEvent, Role, User
from portal.accounts.permissions import Grant
from portal.catalogue.models import entity_id
from portal.web.application import Portal
from tests.web.admin.conftest import PASSWORD, Clock, Mail, MakeUser, SignIn
from tests.web.admin.pages import AdminClient

Mailbox = Callable[[], list[Mail]]
PEOPLE, INVITE = "/admin/people", "/admin/people/invite"
NEW = {"email": "Neu@Example.org", "name": "Robin Neu", "language": "de", "role": "coordinator", "area": ""}


@pytest.fixture
def chief(database: Session, admin: AdminClient) -> User:
    found = users.user_by_email(database, admin.email)
    assert found is not None
    return found


@pytest.fixture
def kim(a_user: MakeUser) -> User:
    return a_user(Role.COORDINATOR, email="kim@example.org")


def address(user: User) -> str:
    return f"{PEOPLE}/{user.id}"


def grants(database: Session, user: User) -> set[Grant]:
    database.expire_all()
    return set(users.grants_of(database, user.id))


def organization(portal: Portal) -> Any:
    return portal.catalogue.services()[0].organization


def last_event(database: Session) -> AuditEvent:
    return database.execute(select(AuditEvent).order_by(col(AuditEvent.id).desc()).limit(1)).scalar_one()


# The list.


def test_the_list_shows_roles_and_state(admin: AdminClient, a_user: MakeUser, admin_portal: Portal) -> None:
    owner = organization(admin_portal)
    a_user(Role.EDITOR, email="editor@example.org", organization=owner.slug)
    a_user(Role.READER, email="new@example.org", password=False)
    rows = {row.find_all("td")[0].get_text(): row.get_text(" ") for row in admin.page(PEOPLE).all("tbody tr")}
    assert owner.text("name", "de").text in rows["editor@example.org"]
    assert len(rows) == 3
    found = admin.page(f"{PEOPLE}?q=EDITOR@").all("tbody tr")
    assert len(found) == 1
    assert admin.page(f"{PEOPLE}?q=nobody-has-this").all("tbody") == []


def test_names_are_text_and_nothing_else(admin: AdminClient, kim: User, database: Session) -> None:
    kim.name = '<img src=x onerror="alert(1)">'
    database.add(kim)
    database.commit()
    for path in (PEOPLE, address(kim), f"{PEOPLE}?q=%3Cimg+src%3Dx%3E"):
        assert not admin.page(path).all("main img")


def test_htmx_gets_the_table_only(admin: AdminClient, kim: User) -> None:
    answer = admin.get(f"{PEOPLE}?q=kim", headers={"HX-Request": "true"})
    body = answer.get_data(as_text=True)
    assert "<html" not in body
    assert body.count("<tr>") == 2


# Inviting.


def test_an_invitation(
    admin: AdminClient, stranger: AdminClient, database: Session, mailbox: Mailbox
) -> None:
    answer = admin.submit(INVITE, NEW)
    user = users.user_by_email(database, "neu@example.org")
    assert user is not None
    assert answer.location == address(user)
    (letter,) = mailbox()
    assert letter.recipient == "neu@example.org"
    assert "Robin Neu" in letter.body
    stranger.submit(letter.link, {"name": "Robin", "new_password": PASSWORD})
    assert stranger.get("/admin/").status_code == 200
    assert database.execute(
        select(col(AuditEvent.actor_name)).where(col(AuditEvent.action) == "user.invited")
    ).scalar()


def test_an_editor_is_of_one_organization(
    admin: AdminClient, database: Session, admin_portal: Portal
) -> None:
    owner = organization(admin_portal)
    name = owner.text("name", "de").text
    admin.submit(INVITE, {**NEW, "role": "editor", "organization": name})
    user = users.user_by_email(database, "neu@example.org")
    assert user is not None
    id_ = entity_id(admin_portal.region.slug, "organization", owner.slug)
    assert grants(database, user) == {Grant(Role.EDITOR, organization_id=id_)}


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"email": "no address"}, "email"),
        ({"email": "chief@EXAMPLE.org"}, "email"),
        ({"email": "a@example.org\nBcc: b@example.org"}, "email"),
        ({"name": ""}, "name"),
        ({"language": "tlh"}, "language"),
        ({"role": ""}, "role"),
        ({"role": "emperor"}, "role"),
        ({"area": "99"}, "area"),
        ({"role": "editor"}, "organization"),
        ({"role": "counsellor", "organization": "There is no such"}, "organization"),
    ],
)
def test_what_is_wrong_stands_at_the_field_and_nothing_is_lost(
    admin: AdminClient, mailbox: Mailbox, change: dict[str, str], field: str
) -> None:
    data = {**NEW, **change}
    page = admin.sent(admin.submit(INVITE, data, status=422), INVITE, status=422)
    assert page.one(f"#{field}")["aria-invalid"] == "true"
    assert page.all("main [role=alert]")
    assert page.one("#name")["value"] == data["name"]
    assert page.one("#email")["value"] == data["email"].replace("\n", " ") or "\n" in data["email"]
    assert mailbox() == []


def test_an_invitation_typed_too_slowly_is_not_lost(admin: AdminClient, clock: Clock) -> None:
    token = str(admin.page(INVITE).all('main input[name="csrf_token"]')[0]["value"])
    clock.later(minutes=16)
    fields = {**NEW, "csrf_token": token, "form_page": INVITE}
    assert admin.post(INVITE, fields).location == "/admin/confirm-password"
    assert admin.submit("/admin/confirm-password", {"password": PASSWORD}).location == INVITE
    page = admin.page(INVITE)
    assert page.one("#name")["value"] == "Robin Neu"
    assert page.one("#role option[selected]")["value"] == "coordinator"


def test_sending_it_again_makes_the_old_link_useless(
    admin: AdminClient, stranger: AdminClient, database: Session, mailbox: Mailbox, kim: User
) -> None:
    admin.submit(INVITE, NEW)
    user = users.user_by_email(database, "neu@example.org")
    assert user is not None
    admin.submit(address(user), to=f"{address(user)}/invitation")
    first, second = mailbox()
    stranger.page(first.link, status=410)
    stranger.page(second.link)
    admin.submit(address(kim), to=f"{address(kim)}/invitation")
    assert len(mailbox()) == 2


# Roles.


def test_roles_are_given_and_taken(
    admin: AdminClient, kim: User, database: Session, admin_portal: Portal
) -> None:
    county = admin_portal.region.county_area
    admin.submit(address(kim), {"role": "reader", "area": county}, to=f"{address(kim)}/roles")
    assert grants(database, kim) == {Grant(Role.COORDINATOR), Grant(Role.READER, county)}
    keys = [str(field["value"]) for field in admin.page(address(kim)).all('input[name="remove"]')]
    assert len(keys) == 2
    admin.submit(address(kim), {"remove": keys[0]}, to=f"{address(kim)}/roles")
    assert grants(database, kim) == {Grant(Role.READER, county)}
    assert last_event(database).action == "user.role_taken"
    assert last_event(database).details == {"role": "coordinator"}


def test_a_wrong_role_stands_at_the_field(admin: AdminClient, kim: User) -> None:
    answer = admin.submit(address(kim), {"role": "editor"}, to=f"{address(kim)}/roles", status=422)
    page = admin.sent(answer, address(kim), status=422)
    assert page.one("#organization")["aria-invalid"] == "true"
    assert page.one("#name")["value"] == kim.name


def test_a_new_role_holds_at_once(admin: AdminClient, kim: User, signed_in: SignIn) -> None:
    client = signed_in(user=kim)
    assert client.get(PEOPLE).status_code == 403
    admin.submit(address(kim), {"role": "administrator", "area": ""}, to=f"{address(kim)}/roles")
    assert client.get(PEOPLE).status_code == 200


def test_administrators_do_not_lock_themselves_out(
    admin: AdminClient, chief: User, a_user: MakeUser, database: Session
) -> None:
    second = a_user(Role.ADMINISTRATOR, email="second@example.org")
    admin.submit(address(chief), {"remove": "administrator||"}, to=f"{address(chief)}/roles")
    admin.submit(address(chief), {"access": "off"}, to=f"{address(chief)}/access")
    admin.submit(address(chief), to=f"{address(chief)}/second-factor")
    assert grants(database, chief) == {Grant(Role.ADMINISTRATOR)}
    assert admin.get("/admin/").status_code == 200
    admin.submit(address(second), {"remove": "administrator||"}, to=f"{address(second)}/roles")
    assert grants(database, second) == set()


def test_the_last_administrator_stays(
    admin: AdminClient, chief: User, a_user: MakeUser, signed_in: SignIn, database: Session, clock: Clock
) -> None:
    """Two who take each other's role at the same moment: one of them is told why not."""
    second = a_user(Role.ADMINISTRATOR, email="second@example.org")
    other = signed_in(user=second)
    users.disable(database, second, now=clock())
    users.enable(database, second)
    database.commit()
    other = signed_in(user=second)
    admin.submit(address(second), {"access": "off"}, to=f"{address(second)}/access")
    assert other.get(PEOPLE).status_code == 303
    # The chief's account is now the last; an administrator of a part of the area cannot end it either.
    third = a_user(Role.ADMINISTRATOR, area="15", email="third@example.org")
    part = signed_in(user=third)
    assert part.send(f"{address(chief)}/access", {"access": "off"}).status_code == 404
    assert grants(database, chief) == {Grant(Role.ADMINISTRATOR)}


def test_an_administrator_of_one_area_gives_nothing_beyond_it(
    signed_in: SignIn, chief: User, a_user: MakeUser, database: Session, admin_portal: Portal
) -> None:
    county = admin_portal.region.county_area
    local = signed_in(Role.ADMINISTRATOR, area=county)
    kim = a_user(Role.READER, area=county, email="kim@example.org")
    for data in ({"role": "administrator", "area": ""}, {"role": "coordinator", "area": ""}):
        local.submit(address(kim), data, to=f"{address(kim)}/roles", status=422)
    local.submit(address(kim), {"role": "coordinator", "area": county}, to=f"{address(kim)}/roles")
    assert grants(database, kim) == {Grant(Role.READER, county), Grant(Role.COORDINATOR, county)}
    assert local.get(address(chief)).status_code == 404
    for action in ("roles", "access", "invitation", "second-factor"):
        assert local.send(f"{address(chief)}/{action}", {"access": "off"}).status_code == 404
    assert local.send(address(chief), {"email": "mine@example.org"}).status_code == 404
    assert not local.page(PEOPLE).all(f'a[href="{address(chief)}"]')


def test_people_of_other_counties_are_not_listed(admin: AdminClient, a_user: MakeUser) -> None:
    a_user(Role.COORDINATOR, area="03", email="far@example.org")
    assert "far@example.org" not in admin.page(PEOPLE).text


# Access.


def test_shutting_out_and_letting_in_again(
    admin: AdminClient, kim: User, signed_in: SignIn, database: Session
) -> None:
    client = signed_in(user=kim)
    admin.submit(address(kim), {"access": "off"}, to=f"{address(kim)}/access")
    assert client.get("/admin/").status_code == 303
    assert last_event(database).action == "user.disabled"
    admin.submit(address(kim), {"access": "on"}, to=f"{address(kim)}/access")
    database.expire_all()
    assert kim.disabled_at is None
    assert client.get("/admin/").status_code == 303
    assert signed_in(user=kim).get("/admin/").status_code == 200


def test_a_lost_phone(
    admin: AdminClient, kim: User, signed_in: SignIn, database: Session, mailbox: Mailbox
) -> None:
    kim.totp_secret = "sealed"
    database.add(kim)
    database.commit()
    client = signed_in(user=kim)
    admin.submit(address(kim), to=f"{address(kim)}/second-factor")
    database.expire_all()
    assert kim.totp_secret is None
    assert client.get("/admin/").status_code == 303
    (letter,) = mailbox()
    assert letter.recipient == "kim@example.org"


def test_a_new_address_is_told_to_both(
    admin: AdminClient, kim: User, database: Session, mailbox: Mailbox
) -> None:
    admin.submit(address(kim), {"name": kim.name, "email": "Neu@Example.org", "language": "de"})
    database.expire_all()
    assert kim.email == "neu@example.org"
    assert {letter.recipient for letter in mailbox()} == {"kim@example.org", "neu@example.org"}
    assert last_event(database).details == {"fields": ["email"]}
    admin.submit(address(kim), {"name": "Anders", "email": "neu@example.org", "language": "en"})
    assert len(mailbox()) == 2
    assert last_event(database).details == {"fields": ["name", "language"]}


def test_an_address_of_somebody_else_is_refused(admin: AdminClient, kim: User) -> None:
    data = {"name": "Kim", "email": "chief@example.org", "language": "de"}
    page = admin.sent(admin.submit(address(kim), data, status=422), address(kim), status=422)
    assert page.one("#email")["aria-invalid"] == "true"
    assert page.one("#email")["value"] == "chief@example.org"


@pytest.mark.parametrize("action", ["", "/roles", "/access", "/invitation", "/second-factor"])
def test_every_change_wants_a_fresh_password(
    admin: AdminClient, kim: User, clock: Clock, action: str
) -> None:
    clock.later(minutes=16)
    data = {"name": "x", "email": "x@example.org", "language": "de", "role": "reader", "access": "off"}
    assert admin.send(f"{address(kim)}{action}", data).location == "/admin/confirm-password"
