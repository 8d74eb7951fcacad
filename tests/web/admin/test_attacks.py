"""Attacks on every address of the admin pages and on what reaches them from outside.

Endpoints come from the map of the application, so that a new page is attacked from its first day on.
"""

import csv
import io
import re
import zipfile
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from argon2 import PasswordHasher
from bs4 import BeautifulSoup, Tag
from flask import Flask
from itsdangerous import TimestampSigner
from openpyxl import load_workbook
from sqlmodel import Session, func, select
from werkzeug.routing import AnyConverter, Rule
from werkzeug.test import TestResponse

from portal.accounts import passwords
from portal.accounts.models import AuditEvent, KeptForm, Role, SignIn, User
from portal.catalogue import editing, proposals, reports
from portal.catalogue.models import Proposal, Service, VisitorReport, entity_id
from portal.catalogue.queries import ServiceView
from portal.web.admin.guard import safe_path
from portal.web.application import Portal
from portal.web.security import TOKEN_SECONDS, _signer
from tests.web.admin.conftest import PASSWORD, Clock, Mail, MakeUser
from tests.web.admin.conftest import SignIn as MakeClient
from tests.web.admin.ground import Ground, all_rules, an_upload, furnish
from tests.web.admin.pages import BINDING, AdminClient
from tests.web.admin.test_editing import fields_of, filled, look_again
from tests.web.admin.test_matrix import MATRIX
from tests.web.conftest import NOW
from tests.web.pages import Page, PageClient

REGION = "musterkreis"
REFUSED = (400, 403, 404, 410)


@pytest.fixture
def chief(a_user: MakeUser) -> User:
    return a_user(Role.ADMINISTRATOR, email="chief@example.org")


@pytest.fixture
def ground(admin_portal: Portal, database: Session, chief: User, monkeypatch: pytest.MonkeyPatch) -> Ground:
    return furnish(admin_portal, database, chief)


@pytest.fixture
def client(signed_in: MakeClient, chief: User) -> AdminClient:
    return signed_in(user=chief)


@pytest.fixture
def counsellor(signed_in: MakeClient, a_user: MakeUser) -> AdminClient:
    """For what an administrator may not even try."""
    return signed_in(user=a_user(Role.COUNSELLOR, organization="startpunkt-musterkreis"))


def may(rule: Rule, role: Role) -> bool:
    roles = MATRIX[rule.endpoint].roles
    return roles is None or role in roles


# Forged requests.


def tokens(secret_key: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, str | None]:
    signer = _signer(secret_key)
    with monkeypatch.context() as patch:
        before = TimestampSigner.get_timestamp
        patch.setattr(TimestampSigner, "get_timestamp", lambda self: before(self) - TOKEN_SECONDS - 60)
        old = signer.dumps(BINDING)
    right = str(signer.dumps(BINDING))
    return {
        "missing": None,
        "empty": "",
        "of another session": str(signer.dumps("somebody-else")),
        "of no session": str(signer.dumps("")),
        "old": str(old),
        "changed": right[:-2] + ("AA" if not right.endswith("AA") else "BB"),
        "of another site": right,
    }


@pytest.mark.parametrize(
    "forgery",
    ["missing", "empty", "of another session", "of no session", "old", "changed", "of another site"],
)
def test_no_form_is_taken_that_did_not_come_from_our_page(
    forgery: str,
    admin_app: Flask,
    admin_portal: Portal,
    client: AdminClient,
    counsellor: AdminClient,
    ground: Ground,
    database: Session,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    token = tokens(admin_portal.settings.secret_key, monkeypatch)[forgery]
    headers = {"Sec-Fetch-Site": "cross-site"} if forgery == "of another site" else {}
    before = events(database)
    taken = []
    for rule in all_rules(admin_app, "POST"):
        path = ground.address(admin_app, rule)
        data = {"name": "Fremd", "action": "save", "csrf_token": token}
        who = client if may(rule, Role.ADMINISTRATOR) else counsellor
        answer = who.client.post(path, data={k: v for k, v in data.items() if v is not None}, headers=headers)
        if answer.status_code != 400:
            taken.append(f"{path}: {answer.status_code} {answer.location or ''}")
    assert taken == []
    assert events(database) == before
    if forgery == "of another site":
        kept = database.exec(select(KeptForm)).all()
        assert kept == [], "what another site sent must not wait in our forms"


def test_the_right_token_is_taken_so_that_the_test_above_means_something(client: AdminClient) -> None:
    assert client.send("/admin/account", {"name": "Kim", "language": "de"}).status_code == 303


def test_another_site_cannot_fill_the_form_of_somebody_whose_session_ran_out(
    client: AdminClient, clock: Clock, database: Session
) -> None:
    clock.later(hours=3)
    client.send("/admin/account", {"name": "Fremd"}, headers={"Sec-Fetch-Site": "cross-site"})
    assert database.exec(select(KeptForm)).all() == []
    client.send("/admin/account", {"name": "Selbst"}, headers={"Sec-Fetch-Site": "same-origin"})
    assert len(database.exec(select(KeptForm)).all()) == 1


def test_a_button_pressed_too_late_does_not_empty_the_form_beside_it(
    client: AdminClient, clock: Clock, database: Session, ground: Ground, signed_in: MakeClient, chief: User
) -> None:
    path = f"/admin/services/{ground.service.slug}"
    before = fields_of(client.page(path))
    clock.later(hours=3)
    for where, data in (
        (f"{path}/capacity", {"capacity": "few", "form_page": path}),
        (path, {"action": "take_back", "form_page": path}),
        ("/admin/account/sessions", {"session": "", "form_page": "/admin/account"}),
    ):
        assert client.send(where, data).location == "/admin/sign-in"
    again = signed_in(user=chief)
    assert fields_of(again.page(path)) == before
    assert again.page("/admin/account").one("#name")["value"] == chief.name


def test_the_token_may_stand_in_a_header_but_not_in_the_address(client: AdminClient) -> None:
    data = {"name": "Kim", "language": "de"}
    assert (
        client.client.post("/admin/account", data=data, headers={"X-CSRF-Token": client.csrf}).status_code
        == 303
    )
    assert client.client.post(f"/admin/account?csrf_token={client.csrf}", data=data).status_code == 400


def test_looking_changes_nothing(
    admin_app: Flask, client: AdminClient, ground: Ground, database: Session
) -> None:
    """A link in a mail or an image on another site can only make a browser look."""
    before = events(database), entries(database)
    for rule in all_rules(admin_app, "GET"):
        if rule.endpoint in LOOKING_IS_NOTED:
            continue
        path = ground.address(admin_app, rule)
        for action in ("", "?action=delete&decision=accept&confirmed=1&remove=1&do=apply&access=off"):
            client.get(path + action)
        client.client.head(path)
    assert (events(database), entries(database)) == before


LOOKING_IS_NOTED = {
    "admin.audit_csv": "taking the log out is an event of the log itself",
    "admin.referral_access_csv": "the same",
}


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_public_forms_take_nothing_from_other_sites(public: PageClient, site: str) -> None:
    service = public.app.extensions["portal"].catalogue.services()[0].slug
    given = {"lang": "de", "slug": service, "token": "x", "question_id": "who", "what": "withdraw"}
    taken = []
    for rule in all_rules(public.app, "POST"):
        with public.app.test_request_context("/"):
            values = {name: given[name] for name in rule.arguments}
            path = public.app.url_map.bind("localhost").build(rule.endpoint, values)
        answer = public.client.post(path, data={"answer": "dont_know"}, headers={"Sec-Fetch-Site": site})
        nothing_there = rule.endpoint in WITHOUT_A_DRAFT and answer.status_code in (303, 410)
        if answer.status_code not in (400, 403, 422) and not nothing_there:
            taken.append(f"{path}: {answer.status_code}")
    assert taken == []


WITHOUT_A_DRAFT = {
    "public.take_contact_me",
    "public.take_contact_tell",
    "public.take_contact_consent",
    "public.act_on_mine",
    "public.mine_calendar",
    "public.mine_data",
}
"""This visitor has nothing that could be sent or taken back; with something, see test_contact_me and test_mine."""


def events(database: Session) -> int:
    database.expire_all()
    return int(database.exec(select(func.count()).select_from(AuditEvent)).one())


def entries(database: Session) -> list[Any]:
    """What stands in the catalogue and in its queues."""
    database.expire_all()
    return [
        sorted((one.slug, one.status, one.last_modified.isoformat() if one.last_modified else "")
               for one in database.exec(select(Service)).all()),
        sorted((str(one.id), one.state) for one in database.exec(select(Proposal)).all()),
        sorted((str(one.id), one.state) for one in database.exec(select(VisitorReport)).all()),
    ]  # fmt: skip


# Other people's entries.

MARK = "Geheimprojekt Zwirnfaden"
"""Stands in everything of the other organization that is not public."""
PLACE_MARK = "Haus Nadelöhr"
"""Name of its place: coordinators choose among all places, editors among those of their organization."""


@pytest.fixture
def foreign(admin_portal: Portal, database: Session, a_user: MakeUser) -> Ground:
    """An organization with a secret draft, a proposal, a report; all of it of others."""
    chief = a_user(Role.ADMINISTRATOR, email="chief@example.org")
    portal = admin_portal
    by_organization: dict[str, list[ServiceView]] = {}
    for one in portal.catalogue.services():
        if one.slug != portal.region.clearing_desk and one.locations:
            by_organization.setdefault(one.organization.slug, []).append(one)
    owner = next(reversed(by_organization))
    service = by_organization[owner][0]
    ground = furnish(
        portal, database, chief, service=service,
        texts={"report": MARK, "comment": MARK, "description": MARK},
    )  # fmt: skip
    base = editing.entry(database, REGION, "service", service.slug)
    for entity, slug in (
        ("service", service.slug),
        ("location", service.locations[0].slug),
    ):
        now = editing.entry(database, REGION, entity, slug)
        changes: dict[str, Any] = {"name": PLACE_MARK if entity == "location" else MARK}
        if entity == "service":
            changes["status"] = "draft"
        editing.save(
            database, REGION, entity, now.record.model_copy(update=changes), base_hash=now.hash, author=chief,
            now=portal.now(),
        )  # fmt: skip
    again = editing.entry(database, REGION, "service", service.slug)
    made = proposals.propose(
        database, REGION, "service", again.record.model_copy(update={"description": MARK}), base=again,
        author=a_user(Role.EDITOR, organization=owner), now=portal.now(),
        organization_id=base.row.organization_id, comment=MARK,
    )  # fmt: skip
    ground.values["proposal_id"] = made.id
    database.commit()
    portal.catalogue.refresh()
    return ground


def intruder(kind: str, foreign: Ground, signed_in: MakeClient) -> AdminClient:
    if kind == "editor of another organization":
        own = next(
            one.organization.slug
            for one in foreign.portal.catalogue.services()
            if one.organization.slug != foreign.service.organization.slug
        )
        return signed_in(Role.EDITOR, organization=own)
    return signed_in(Role.COORDINATOR, area=foreign.portal.region.county_area + "001")


OWN_ENTRY = {
    "entity",
    "slug",
    "left",
    "right",
    "proposal_id",
    "report_id",
    "token",
    "passkey_id",
    "user_id",
    "key",
}
"""Parts of addresses that name something that belongs to somebody."""
NAMES_NOTHING = {
    "admin.clearing_text": "a text of the questionnaire, which is the same for the whole region",
    "admin.reset": "the link in a mail is the key",
    "admin.invitation": "the link in a mail is the key",
}


@pytest.mark.parametrize("kind", ["editor of another organization", "coordinator of another part"])
def test_entries_of_others_are_as_if_they_were_not_there(
    kind: str, admin_app: Flask, foreign: Ground, signed_in: MakeClient, database: Session
) -> None:
    client = intruder(kind, foreign, signed_in)
    before, opened = entries(database), []
    for method in ("GET", "POST"):
        for rule in all_rules(admin_app, method):
            if not rule.arguments & OWN_ENTRY or rule.endpoint in NAMES_NOTHING:
                continue
            path = foreign.address(admin_app, rule)
            for data in foreign_fields(foreign):
                answer = client.get(path) if method == "GET" else client.send(path, data)
                if answer.status_code not in REFUSED or MARK in answer.get_data(as_text=True):
                    opened.append(f"{method} {path}: {answer.status_code} {answer.location or ''}")
                if method == "GET":
                    break
    assert opened == []
    assert entries(database) == before


def foreign_fields(foreign: Ground) -> Iterator[dict[str, Any]]:
    """Every form that could say: do it with theirs."""
    slug = foreign.service.slug
    everything = {
        "chosen": [slug], "service": [slug], "slug": slug, "entry": slug, "entity": "service", "confirmed": "1",
        "organization": foreign.service.organization.slug, "name": "Übernommen", "description": "Übernommen.",
        "format": "csv", "language": "en", "seen": "", "topic": "allgemein", "on": "2027-01-01", "capacity": "full",
        "session": "", "location": foreign.service.locations[0].slug, "locations.0.location": foreign.service.locations[0].slug,
    }  # fmt: skip
    for words in (
        {"action": "save"}, {"action": "archive"}, {"action": "publish"}, {"action": "delete"}, {"action": "preview"},
        {"action": "merge"}, {"action": "topic"}, {"action": "review"}, {"action": "wish_archive"},
        {"decision": "accept"}, {"decision": "reject", "comment": "Nein"}, {"decision": "done"}, {"do": "machine"},
        {"take": "known|name"}, {"action": "add:phones"}, {"action": "take_back"}, {"action": "confirm"},
    ):  # fmt: skip
        yield {**everything, **words}


@pytest.mark.parametrize("kind", ["editor of another organization", "coordinator of another part"])
def test_pages_without_an_entry_in_their_address_tell_nothing_of_others_and_change_nothing(
    kind: str, admin_app: Flask, foreign: Ground, signed_in: MakeClient, database: Session
) -> None:
    client = intruder(kind, foreign, signed_in)
    marks = re.compile(MARK if kind.startswith("coordinator") else f"{MARK}|{PLACE_MARK}")
    before, told = entries(database), []
    slug, organization = foreign.service.slug, foreign.service.organization.slug
    for rule in all_rules(admin_app, "GET"):
        if rule.arguments & OWN_ENTRY or rule.endpoint == "admin.sign_out":
            continue
        path = foreign.address(admin_app, rule)
        for query in ("", f"?organization={organization}&state=draft", "?q=Zwirnfaden", f"?organization={slug}",
                      "?state=&show=open", "?attention=due", "?state=draft&move=1", f"?after=service/{slug}"):  # fmt: skip
            answer = client.get(path + query)
            body = answer.get_data(as_text=True)
            if ("q=Zwirnfaden" not in query and MARK in body) or f'services/{slug}"' in body:
                told.append(f"GET {path}{query}: {answer.status_code}")
    for rule in all_rules(admin_app, "POST"):
        if rule.arguments & OWN_ENTRY or rule.endpoint == "admin.sign_out":
            continue
        path = foreign.address(admin_app, rule)
        for data in foreign_fields(foreign):
            answer = client.send(path, data)
            if marks.search(answer.get_data().decode("utf-8", "replace")):
                told.append(f"POST {path} {data.get('action') or data}: {answer.status_code}")
    assert told == []
    after = entries(database)
    own = {one for one in after[1] if one not in before[1]}
    owners = {database.get(Proposal, id_).organization_id for id_ in proposal_ids(own)}  # type: ignore[union-attr]
    assert entity_id(REGION, "organization", organization) not in owners
    assert [one for one in after[0] if one[0] == slug] == [one for one in before[0] if one[0] == slug]
    assert after[2] == before[2]


def proposal_ids(found: set[tuple[str, str]]) -> list[Any]:
    from uuid import UUID

    return [UUID(id_) for id_, _state in found]


def test_uploads_and_kept_forms_are_for_their_owner_only(
    admin_portal: Portal, client: AdminClient, chief: User, signed_in: MakeClient
) -> None:
    token = an_upload(admin_portal, chief, "x")
    client.page(f"/admin/exchange/import/{token}")
    client.send("/admin/keep-form", {"form_page": "/admin/services/new", "base": "", "name": MARK})
    other = signed_in(Role.ADMINISTRATOR)
    for path in (f"/admin/exchange/import/{token}", f"/admin/exchange/import/{token}/check"):
        assert other.get(path).status_code == 404
        assert other.send(path).status_code == 404
    assert MARK in client.get("/admin/services/new").get_data(as_text=True)
    assert MARK not in other.get("/admin/services/new").get_data(as_text=True)


def test_nobody_ends_the_sessions_of_others(
    client: AdminClient, signed_in: MakeClient, database: Session
) -> None:
    other = signed_in(Role.COORDINATOR)
    theirs = database.exec(select(SignIn).order_by(SignIn.started_at.desc())).first()  # type: ignore[attr-defined]
    assert theirs is not None
    client.send("/admin/account/sessions", {"session": str(theirs.id)})
    assert other.get("/admin/").status_code == 200


@pytest.mark.parametrize("role", ["administrator", "coordinator"])
def test_nobody_gives_more_than_they_have(
    role: str, signed_in: MakeClient, a_user: MakeUser, admin_portal: Portal
) -> None:
    """The administrator of one town is not the administrator of the county."""
    a_user(Role.ADMINISTRATOR)
    part = admin_portal.region.county_area + "001"
    client = signed_in(Role.ADMINISTRATOR, area=part)
    answer = client.send(
        "/admin/people/invite",
        {"email": "neu@example.org", "name": "Neu", "language": "de", "role": role, "area": ""},
    )
    assert answer.status_code == 422
    above = a_user(Role.ADMINISTRATOR)
    assert client.get(f"/admin/people/{above.id}").status_code == 404
    for path in ("access", "second-factor", "roles", "invitation"):
        assert client.send(f"/admin/people/{above.id}/{path}", {"access": "off"}).status_code == 404


# Open redirects.

ELSEWHERE = [
    "https://evil.example/admin/", "//evil.example/admin/", "/\\evil.example/admin/", "\\\\evil.example", "javascript:alert(1)",
    "/admin/..//evil.example", "/admin/../de/", "/admin/%2e%2e/de/", "/admin\r\nSet-Cookie: a=b", "http://[", "//[", "///evil.example",
    "https:evil.example", " //evil.example", "/admin/\u2028", "/de/", "@evil.example", "data:text/html,x",
]  # fmt: skip


@pytest.mark.parametrize("path", ELSEWHERE)
def test_only_our_pages_are_paths_to_go_on_to(path: str) -> None:
    assert safe_path(path) == ""


def leads_away(answer: TestResponse) -> bool:
    for target in (answer.location or "", answer.headers.get("HX-Redirect", "")):
        if target and (not re.match(r"/admin(/|$|\?)", target) or ".." in target or "\n" in target):
            return True
    return False


@pytest.mark.parametrize("elsewhere", ["//evil.example/admin/", "//["])
def test_no_field_leads_away(
    elsewhere: str, admin_app: Flask, ground: Ground, client: AdminClient, signed_in: MakeClient, chief: User
) -> None:
    names = ("after", "back", "next", "form_page", "return", "target", "url", "path", "list")
    header = "".join(c for c in elsewhere if c.isascii() and c.isprintable())
    away = []
    for rule in all_rules(admin_app, "POST"):
        if rule.endpoint in ENDS_THE_SESSION:
            continue
        path = ground.address(admin_app, rule)
        answer = client.send(
            path, dict.fromkeys(names, elsewhere), headers={"HX-Current-URL": header, "Referer": header}
        )
        if leads_away(answer) or answer.status_code >= 500:
            away.append(f"POST {path}: {answer.status_code} {answer.location}")
    for rule in all_rules(admin_app, "GET"):
        path = ground.address(admin_app, rule)
        answer = client.get(path, query_string=dict.fromkeys(names, elsewhere))
        if leads_away(answer) or answer.status_code >= 500:
            away.append(f"GET {path}: {answer.status_code} {answer.location}")
        links = BeautifulSoup(answer.get_data(as_text=True), "html.parser").select(
            "main a[href], main form[action]"
        )
        away += [
            f"GET {path}: {link}"
            for link in links
            if "evil" in str(link.get("href") or link.get("action")).split("?")[0]
        ]
    assert away == []


ENDS_THE_SESSION = {"admin.sign_out": "ends the session that the test needs"}


@pytest.mark.parametrize("elsewhere", ELSEWHERE)
def test_the_way_back_after_the_sign_in_does_not_lead_away(
    elsewhere: str, admin_app: Flask, chief: User
) -> None:
    header = "".join(c for c in elsewhere if c.isascii() and c.isprintable())
    stranger = AdminClient(admin_app)
    stranger.client.post("/admin/account", data={"form_page": elsewhere}, headers={"HX-Current-URL": header})
    page_token = first_token(stranger.page("/admin/sign-in"))
    data = {
        "email": chief.email,
        "password": PASSWORD,
        "csrf_token": page_token,
        "after": elsewhere,
        "next": elsewhere,
    }
    answer = stranger.client.post(f"/admin/sign-in?next={header}", data=data)
    assert answer.status_code == 303
    assert not leads_away(answer)


@pytest.mark.parametrize(
    "path",
    ["/admin//evil.example/x", "//admin/", "/admin//", "/admin/%2f%2fevil.example", "/admin/;@evil.example"],
)
def test_addresses_that_look_like_others_lead_nowhere(path: str, client: AdminClient) -> None:
    answer = client.client.get(path, base_url="http://localhost")
    assert not (answer.location or "").startswith(("//", "http://evil", "https://evil")), answer.location
    assert answer.status_code < 500


def test_a_forged_host_does_not_get_into_letters(
    admin_app: Flask, chief: User, mailbox: Callable[[], list[Mail]]
) -> None:
    stranger = AdminClient(admin_app)
    where = {"base_url": "http://evil.example", "headers": {"X-Forwarded-Host": "evil.example"}}
    token = first_token(stranger.page("/admin/forgotten", **where))
    answer = stranger.client.post(
        "/admin/forgotten", data={"email": chief.email, "csrf_token": token}, **where
    )
    assert answer.status_code == 200
    (letter,) = mailbox()
    assert "evil" not in letter.body and "/admin/reset/" in letter.body


# Sessions.


def test_a_cookie_from_before_the_sign_in_is_worth_nothing_after_it(
    admin_app: Flask, chief: User, a_user: MakeUser
) -> None:
    """Whoever plants a cookie in a browser is not signed in by its owner."""
    user = a_user(Role.COORDINATOR)
    victim, thief = AdminClient(admin_app), AdminClient(admin_app)
    victim.client.post("/admin/account", data={"name": "x"})
    planted = cookie(victim)
    page_token = first_token(victim.page("/admin/sign-in"))
    data = {"email": user.email, "password": PASSWORD, "csrf_token": page_token}
    assert victim.client.post("/admin/sign-in", data=data).status_code == 303
    assert victim.get("/admin/account").status_code == 200
    assert cookie(victim) != planted
    plant(thief, planted)
    assert thief.get("/admin/account").location == "/admin/sign-in"
    # The token of a form from before fits no more: it belonged to another session.
    answer = victim.client.post(
        "/admin/account", data={"name": "x", "language": "de", "csrf_token": page_token}
    )
    assert answer.status_code == 400


def test_a_cookie_from_before_the_sign_out_is_worth_nothing_after_it(
    client: AdminClient, admin_app: Flask
) -> None:
    stolen = cookie(client)
    assert client.send("/admin/sign-out").status_code == 303
    thief = AdminClient(admin_app)
    plant(thief, stolen)
    assert thief.get("/admin/account").location == "/admin/sign-in"


def test_a_changed_cookie_is_none(client: AdminClient, admin_app: Flask) -> None:
    value = cookie(client)
    # Of the last character of a signature not every bit counts; of one before it, each does.
    at = len(value) - 5
    for forged in (
        value[:-3],
        value[:at] + ("A" if value[at] != "A" else "B") + value[at + 1 :],
        "e30." + value.partition(".")[2],
        "x" * 3000,
    ):
        thief = AdminClient(admin_app)
        plant(thief, forged)
        assert thief.get("/admin/account").location == "/admin/sign-in"


def test_the_cookie_of_the_questions_signs_nobody_in(admin_portal: Portal, admin_app: Flask) -> None:
    """Both are signed with the same key, each with its own salt."""
    from itsdangerous import URLSafeTimedSerializer

    public = URLSafeTimedSerializer(admin_portal.settings.secret_key, salt="answers")
    thief = AdminClient(admin_app)
    plant(thief, str(public.dumps({"_user_id": "x", "_b": BINDING})))
    thief.get("/admin/")
    with thief.client.session_transaction(path="/admin/") as found:
        assert "_user_id" not in found


@pytest.mark.parametrize(
    ("admin_settings", "secure"),
    [({"base_url": "https://anlauf.example"}, True), ({}, False)],
    indirect=["admin_settings"],
)
def test_flags_of_the_cookie(admin_app: Flask, admin_portal: Portal, chief: User, secure: bool) -> None:
    base = "https://anlauf.example" if secure else "http://localhost"
    client = AdminClient(admin_app)
    found = client.client.get("/admin/sign-in", base_url=base)
    token = BeautifulSoup(found.data, "html.parser").select_one("input[name=csrf_token]")
    assert token is not None
    answer = client.client.post(
        "/admin/sign-in", base_url=base,
        data={"email": chief.email, "password": PASSWORD, "csrf_token": token["value"]},
    )  # fmt: skip
    (header,) = answer.headers.getlist("Set-Cookie")
    assert "HttpOnly" in header and "SameSite=Lax" in header and "Path=/admin" in header
    assert "Domain=" not in header
    assert ("; Secure" in header) is secure
    assert header.startswith("__Secure-") is secure
    assert ("Strict-Transport-Security" in answer.headers) is secure


def first_token(page: Page) -> str:
    return str(page.all('main input[name="csrf_token"]')[0]["value"])


def cookie(client: AdminClient) -> str:
    (found,) = [one.value for one in client.client._cookies.values() if one.key.endswith("anlauf-admin")]  # type: ignore[attr-defined]
    return str(found)


def plant(client: AdminClient, value: str) -> None:
    client.client.set_cookie("anlauf-admin", value, path="/admin")


# What the time would tell.


def without_tokens(answer: TestResponse) -> str:
    return re.sub(r"I[\w-]+\.[\w-]+\.[\w-]{20,}", "…", answer.get_data(as_text=True))


class Counted:
    """A hasher that counts what it does."""

    def __init__(self, real: PasswordHasher) -> None:
        self.real = real
        self.done: list[str] = []

    def verify(self, stored: str, password: str) -> Any:
        self.done.append(f"verify {re.sub(r'[$][^$]*[$][^$]*$', '', stored)}")
        return self.real.verify(stored, password)

    def hash(self, password: str) -> str:
        self.done.append("hash")
        return self.real.hash(password)

    def check_needs_rehash(self, stored: str) -> bool:
        return self.real.check_needs_rehash(stored)


def test_an_unknown_address_costs_as_much_work_as_a_known_one(
    admin_app: Flask, a_user: MakeUser, database: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    known, disabled, invited = (
        a_user(Role.READER), a_user(Role.READER), a_user(Role.READER, password=False)
    )  # fmt: skip
    disabled.disabled_at = NOW
    database.add(disabled)
    database.commit()
    passwords._decoy()
    counted = Counted(passwords._hasher)
    monkeypatch.setattr(passwords, "_hasher", counted)
    work, bodies = {}, set()
    for name, email, password in (
        ("known", known.email, "falsch geraten 1"),
        ("unknown", "niemand@example.org", "falsch geraten 1"),
        ("disabled", disabled.email, "falsch geraten 1"),
        ("disabled with the right password", disabled.email, PASSWORD),
        ("invited", invited.email, "falsch geraten 1"),
        ("long", known.email, "x" * 5000),
    ):
        counted.done.clear()
        answer = AdminClient(admin_app).submit(
            "/admin/sign-in", {"email": email, "password": password}, status=401
        )
        work[name] = list(counted.done)
        bodies.add(without_tokens(answer).replace(email, "…"))
    assert all(done == work["known"] and len(done) == 1 for done in work.values()), work
    assert len(bodies) == 1, "all of them read the same"


def test_asking_for_a_new_password_tells_nothing_and_costs_no_hash(
    admin_app: Flask, a_user: MakeUser, monkeypatch: pytest.MonkeyPatch
) -> None:
    from portal.web import mail

    later: list[Callable[[], object]] = []
    monkeypatch.setattr(mail, "in_background", later.append)
    known = a_user(Role.READER)
    pages = []
    for email in (known.email, "niemand@example.org"):
        answer = AdminClient(admin_app).submit("/admin/forgotten", {"email": email}, status=200)
        pages.append(without_tokens(answer).replace(email, "…"))
    assert pages[0] == pages[1]
    assert len(later) == 2, "what differs happens after the answer"


# Too much.


def test_bodies_that_are_too_large_are_refused(
    admin_app: Flask, ground: Ground, client: AdminClient, counsellor: AdminClient
) -> None:
    body = b"name=" + b"x" * int(admin_app.config["MAX_CONTENT_LENGTH"])
    taken = []
    for rule in all_rules(admin_app, "POST"):
        path = ground.address(admin_app, rule)
        who = client if may(rule, Role.ADMINISTRATOR) else counsellor
        answer = who.client.post(path, data=body, content_type="application/x-www-form-urlencoded")
        if answer.status_code != 413:
            taken.append(f"{path}: {answer.status_code}")
    assert taken == []
    part = b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\nx\r\n'
    answer = client.client.post(
        "/admin/exchange/import",
        data=part * 5100 + b"--x--\r\n",
        content_type="multipart/form-data; boundary=x",
    )
    assert answer.status_code == 413


def test_many_fields_deep_names_and_huge_numbers_break_nothing(
    admin_app: Flask, ground: Ground, client: AdminClient
) -> None:
    hostile: dict[str, Any] = {
        **{f"phones.{n}.number": "1" for n in range(300)},
        ".".join(["a"] * 500): "x", "a": "x", "a.b": "y", "phones": "x", "phones.0": "y", "phones.x.number": "z",
        "phones.99999999999999999999.number": "1", "schedules.0.rows.0.from1": "9" * 400, "": "leer", ".": "x", "..": "x",
        "minimum_age": "9" * 400, "review_days": "9" * 400, "page": "-1", "latitude": "1e999", "longitude": "nan",
        "valid_from": "9999-99-99", "on": "0000-00-00", "until": "10000-01-01", "base": "x" * 100_000, "mine": "[" * 5000,
        "action": "merge", "seen": "\ud800".encode("utf-16", "surrogatepass").decode("latin-1"), "decision": "\x00",
        "name": "\x00\x01\u202e", "slug": "../../etc", "query": "%ff%fe=%00", "content": "!!!", "digest": "x",
        "credential": "{" * 3000, "role": "x", "session": "x", "remove": "x|y|z", "do": "apply", "language": "en",
    }  # fmt: skip
    broken = []
    for rule in all_rules(admin_app, "POST"):
        if rule.endpoint in ENDS_THE_SESSION:
            continue
        path = ground.address(admin_app, rule)
        for action in (
            "merge",
            "save",
            "remove:" + "phones." * 50,
        ):
            answer = client.send(path, {**hostile, "action": action})
            if answer.status_code >= 500:
                broken.append(f"POST {path} {action}: {answer.status_code}")
    assert broken == []


@pytest.mark.parametrize(
    "value",
    [
        "9" * 40,
        "-1",
        "0",
        "x" * 5000,
        "\u202e\U0001f600",
        "' OR 1=1 --",
        "%",
        "%(x)s{{7*7}}",
        "a\x01b",
        "2026-13-45",
        "[]",
        "１２",
    ],
)
def test_nonsense_in_addresses_breaks_nothing(
    value: str, admin_app: Flask, ground: Ground, client: AdminClient
) -> None:
    names = (
        "page", "q", "state", "topic", "organization", "area", "attention", "kind", "contact", "sort", "columns", "show",
        "old", "new", "language", "after", "person", "action", "since", "until", "entity", "move", "size", "days", "by",
    )  # fmt: skip
    broken = []
    for rule in all_rules(admin_app, "GET"):
        path = ground.address(admin_app, rule)
        for chosen in (dict.fromkeys(names, value), {"page": value}):
            answer = client.get(path, query_string=chosen)
            if answer.status_code >= 500:
                broken.append(f"GET {path} {list(chosen)[:3]}: {answer.status_code}")
            if answer.status_code in (303, 404, 410):
                break
    assert broken == []


# Spreadsheets that reckon.

FORMULAS = ("=cmd|' /C calc'!A0", "+49 30+1", "-2+3", "@SUM(1;2)", "=HYPERLINK(\"https://evil.example\";\"x\")")  # fmt: skip


def test_no_table_that_leaves_the_portal_reckons(
    admin_app: Flask, ground: Ground, client: AdminClient, database: Session, admin_portal: Portal
) -> None:
    """In every table that any address gives out: CSV, zipped CSV, XLSX."""
    for number, formula in enumerate(FORMULAS):
        slug = admin_portal.catalogue.services()[number + 1].slug
        for entity, named in (
            ("service", slug),
            ("organization", admin_portal.catalogue.services()[number + 1].organization.slug),
        ):
            found = editing.entry(database, REGION, entity, named)
            record = found.record.model_copy(update={"name": formula, "description": formula})
            editing.save(
                database, REGION, entity, record, base_hash=found.hash, author=None, now=NOW, comment=formula
            )
        reports.report(
            database,
            editing.entry(database, REGION, "service", slug).row,
            "text",
            formula,
            language="de",
            day=NOW.date(),
        )
    chief = database.exec(select(User).where(User.email == client.email)).one()
    chief.name = FORMULAS[0]
    database.add(chief)
    database.commit()
    admin_portal.catalogue.refresh()
    client.send("/admin/account", {"name": FORMULAS[0], "language": "de"})
    tables = list(given_out(admin_app, ground, client))
    kinds = {kind for _path, kind, _cells in tables}
    assert {"csv", "xlsx"} <= kinds and len(tables) >= 10, [(path, kind) for path, kind, _cells in tables]
    reckoning = [
        f"{path} ({kind}): {cell!r}"
        for path, kind, cells in tables
        for cell in cells
        if kind == "csv" and cell[:1] in ("=", "+", "-", "@", "\t", "\r")
    ]
    assert reckoning == []
    seen = {cell.lstrip("'") for _path, _kind, cells in tables for cell in cells}
    assert set(FORMULAS) <= seen, "the formulas stand in the tables, as texts"


def given_out(app: Flask, ground: Ground, client: AdminClient) -> Iterator[tuple[str, str, list[str]]]:
    """Every table that a GET, or a POST with the usual fields of an export form, answers with."""
    for method in ("GET", "POST"):
        for rule in all_rules(app, method):
            for path, data in asked_for_tables(app, ground, rule):
                answer = client.get(path) if method == "GET" else client.send(path, data)
                if "attachment" not in answer.headers.get("Content-Disposition", ""):
                    continue
                name = answer.headers["Content-Disposition"]
                assert re.fullmatch(r'attachment; filename="[A-Za-z0-9._-]+"', name), name
                for kind, cells in cells_of(answer.data, answer.content_type):
                    yield f"{path} {data.get('format', '')}", kind, cells


def asked_for_tables(app: Flask, ground: Ground, rule: Rule) -> Iterator[tuple[str, dict[str, Any]]]:
    if rule.endpoint in ENDS_THE_SESSION:
        return
    paths = [ground.address(app, rule)]
    if rule.endpoint == "admin.export_list":
        paths = [
            f"/admin/lists/{name}/export" for name in ("services", "organizations", "locations", "contacts")
        ]
    for path in paths:
        if "GET" in (rule.methods or ()):
            yield path, {}
        if "export" in rule.endpoint:
            for form in ("csv", "xlsx", "xliff", "content"):
                yield path, {"format": form, "language": "en", "only": "all"}


def cells_of(body: bytes, content_type: str) -> Iterator[tuple[str, list[str]]]:
    if "csv" in content_type:
        yield "csv", csv_cells(body)
    elif "spreadsheetml" in content_type:
        cells = [
            cell for sheet in load_workbook(io.BytesIO(body)) for row in sheet.iter_rows() for cell in row
        ]
        formulas = [cell.value for cell in cells if cell.data_type == "f"]
        assert formulas == []
        yield "xlsx", [str(cell.value) for cell in cells if cell.value is not None]
    elif "zip" in content_type:
        with zipfile.ZipFile(io.BytesIO(body)) as archive:
            for name in archive.namelist():
                assert not name.startswith(("/", "\\")) and ".." not in name.split("/"), name
                if name.endswith(".csv"):
                    yield "csv", csv_cells(archive.read(name))


def csv_cells(body: bytes) -> list[str]:
    text = body.decode("utf-8-sig")
    return [cell for row in csv.reader(io.StringIO(text, newline=""), delimiter=";") for cell in row]


# Files.


@pytest.mark.parametrize(
    "name",
    [
        "../../../../tmp/x.csv",
        "..\\..\\x.csv",
        "/etc/x.csv",
        "x\x00.csv",
        "<script>alert(1)</script>.csv",
        "a" * 500 + ".csv",
        "-rf.csv",
    ],
)
def test_names_of_files_are_only_words(
    name: str, client: AdminClient, admin_portal: Portal, ground: Ground
) -> None:
    folder = admin_portal.settings.data_dir
    before = {path for path in folder.rglob("*") if path.is_file()}
    body = b"name;organization\nNeu;x\n"
    answer = client.client.post(
        "/admin/exchange/import",
        data={"csrf_token": client.csrf, "file": (io.BytesIO(body), name)},
    )
    assert answer.status_code == (400 if "\0" in name else 303)
    made = {path for path in folder.rglob("*") if path.is_file()} - before
    made = {path for path in made if "sqlite" not in path.name}
    assert all(path.parent.parent == folder / "imports" for path in made), made
    assert all(re.fullmatch(r"[\w-]+\.(file|json)", path.name) for path in made)
    if answer.location:
        harmless(client.page(answer.location).soup, "columns")
        harmless(client.page(answer.location + "/check").soup, "check")


@pytest.mark.parametrize("token", ["..", "../x", "%2e%2e%2fx", "..%5c..%5cx", "x" * 300, "a/../b", "%00"])
def test_tokens_of_uploads_are_no_paths(token: str, client: AdminClient) -> None:
    for path in (f"/admin/exchange/import/{token}", f"/admin/exchange/import/{token}/check"):
        assert client.get(path).status_code in (303, 308, 400, 404)


def test_a_bomb_in_an_upload_is_refused(client: AdminClient) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("[Content_Types].xml", "<Types/>")
        archive.writestr("xl/worksheets/sheet1.xml", b"0" * 120_000_000)
    assert len(packed.getvalue()) < 8 * 1024 * 1024
    for path, more in (("/admin/exchange/import", {}), ("/admin/translations/import", {"language": "en"})):
        answer = client.client.post(
            path, data={"csrf_token": client.csrf, "file": (io.BytesIO(packed.getvalue()), "x.xlsx"), **more}
        )
        assert answer.status_code in (413, 422)


def test_an_upload_names_no_files_of_ours(client: AdminClient, admin_portal: Portal) -> None:
    """External entities (https://owasp.org/www-community/vulnerabilities/XML_External_Entity_(XXE)_Processing)."""
    secret = admin_portal.settings.data_dir / "secret.txt"
    secret.write_text("Zwirnfaden", encoding="utf-8")
    attack = (
        f'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY e SYSTEM "file://{secret}">]>'
        '<xliff xmlns="urn:oasis:names:tc:xliff:document:2.0" version="2.0" srcLang="de" trgLang="en">'
        '<file id="f"><unit id="u"><segment><source>&e;</source><target>&e;</target></segment></unit></file></xliff>'
    )
    answer = client.client.post(
        "/admin/translations/import",
        data={"csrf_token": client.csrf, "language": "en", "file": (io.BytesIO(attack.encode()), "x.xlf")},
    )
    assert answer.status_code in (200, 422)
    assert "Zwirnfaden" not in answer.get_data(as_text=True)


# Letters.


def test_no_name_gets_into_the_head_of_a_letter(
    client: AdminClient, mailbox: Callable[[], list[Mail]], admin_settings: Any, database: Session
) -> None:
    evil = "Kim\r\nBcc: victim@example.org\r\n\r\nGanz anderer Text: https://evil.example"
    client.send("/admin/account", {"name": evil, "language": "de"})
    client.send("/admin/account/password", {"new_password": "ein ganz neues Passwort hier"})
    client.send(
        "/admin/people/invite",
        {"email": "neu@example.org", "name": evil, "language": "de", "role": "reader", "area": ""},
    )
    for address in (
        "a@example.org\r\nBcc: victim@example.org",
        "a@example.org, victim@example.org",
        '"a\r\nBcc: v"@example.org',
    ):
        answer = client.send(
            "/admin/people/invite",
            {"email": address, "name": "x", "language": "de", "role": "reader", "area": ""},
        )
        assert answer.status_code == 422, address
    files = sorted((admin_settings.data_dir / "mail").glob("*.eml"))
    assert len(files) >= 2
    for file in files:
        head = file.read_bytes().split(b"\n\n")[0].decode()
        assert "Bcc" not in head and "victim" not in head
    assert {mail.recipient for mail in mailbox()} == {"chief@example.org", "neu@example.org"}
    database.expire_all()
    names = [user.name for user in database.exec(select(User)).all()]
    assert all("\n" not in name and "\r" not in name for name in names), "names are one line"


def test_the_name_of_an_entry_stays_in_the_subject_and_out_of_the_head(
    admin_app: Flask,
    signed_in: MakeClient,
    ground: Ground,
    database: Session,
    a_user: MakeUser,
    admin_settings: Any,
) -> None:
    author = a_user(Role.EDITOR, organization=ground.service.organization.slug, email="erle@example.org")
    base = editing.entry(database, REGION, "service", ground.service.slug)
    evil = "Angebot\r\nBcc: victim@example.org\r\nX-Evil: 1"
    record = base.record.model_copy(update={"name": evil, "description": "Anders."})
    made = proposals.propose(
        database, REGION, "service", record, base=base, author=author, now=NOW, organization_id=base.row.organization_id,
        comment="x",
    )  # fmt: skip
    database.commit()
    client = signed_in(Role.COORDINATOR)
    client.send(
        f"/admin/review/{made.id}", {"decision": "reject", "comment": "Nein\r\nBcc: victim@example.org"}
    )
    (file,) = (admin_settings.data_dir / "mail").glob("*.eml")
    head = file.read_bytes().split(b"\n\n")[0].decode()
    assert not re.search(r"(?mi)^(bcc|x-evil):", head), head
    assert "erle@example.org" in head


# Scripts.

LETTERS = str.maketrans("0123456789", "abcdefghij")
PAYLOAD = "\"'><x-attack onmouseover=alert(1)>&lt;b&gt;</textarea></title></script></iframe><script>alert(1)</script>"
SAID = "x-attack onmouseover"
"""Of the payload, as it stands in the text of a page when it is only text."""


def harmless(soup: BeautifulSoup, where: str) -> None:
    """Nothing of a payload has become an element, an attribute or an address."""
    assert soup.find("x-attack") is None, f"{where}: markup came through: {context_of(soup.find('x-attack'))}"
    for tag in soup.find_all(True):
        for name, value in tag.attrs.items():
            assert not name.startswith("on"), f"{where}: {name} on <{tag.name}>"
            if name in ("href", "src", "action", "formaction", "data"):
                scheme = re.sub(r"[\x00-\x20]", "", str(value)).lower()
                assert not scheme.startswith(("javascript:", "data:text", "vbscript:")), f"{where}: {value}"
            if name == "srcdoc":
                harmless(BeautifulSoup(str(value), "html5lib"), f"{where} (preview)")
        if tag.name == "script":
            assert tag.get("src") and not tag.get_text(strip=True), f"{where}: a script: {tag}"


def context_of(tag: Any) -> str:
    return str(tag.parent)[:300] if isinstance(tag, Tag) else ""


def look(client: PageClient, path: str, **options: Any) -> str:
    answer = client.client.get(path, **options)
    return inspected(answer, path)


def inspected(answer: TestResponse, where: str) -> str:
    """The text of the answer, after it was found harmless."""
    assert answer.status_code < 500, f"{where}: {answer.status_code}"
    kind = answer.content_type or ""
    body = answer.get_data(as_text=True) if "html" in kind or "json" in kind or "text" in kind else ""
    if "html" in kind:
        assert "unsafe-inline" not in answer.headers["Content-Security-Policy"]
        soup = BeautifulSoup(body, "html5lib")
        harmless(soup, where)
        return soup.get_text() + " ".join(
            str(value)
            for tag in soup.find_all(["input", "iframe"])
            for value in (tag.get("value"), tag.get("srcdoc"))
        )
    assert answer.headers.get("X-Content-Type-Options") == "nosniff", where
    return body


NOT_FILLED_IN = {
    "/admin/sign-out": "ends the session that the test needs",
}


def test_whatever_is_typed_into_any_form_comes_back_as_text(
    admin_app: Flask, ground: Ground, client: AdminClient
) -> None:
    """Every text field of every form of every page, filled in at once and sent; with the page that follows."""
    sent = reflected = 0
    for rule in all_rules(admin_app, "GET"):
        path = ground.address(admin_app, rule)
        answer = client.client.get(path)
        if "html" not in (answer.content_type or ""):
            continue
        inspected(answer, path)
        for form in BeautifulSoup(answer.data, "html5lib").select("main form"):
            target = str(form.get("action") or path)
            if target.split("?")[0] in NOT_FILLED_IN:
                continue
            fields = [(name, PAYLOAD if typed else value) for name, value, typed in form_fields(form)]
            if not any(value == PAYLOAD for _name, value in fields):
                continue
            buttons = [(str(b["name"]), str(b.get("value", ""))) for b in form.select("button[name]")] or [
                ("", "")
            ]
            for button in {pair[1].partition(":")[0]: pair for pair in buttons}.values():
                sent += 1
                if str(form.get("method", "get")).lower() == "get":
                    answer = client.client.get(target.split("?")[0], query_string=dict([*fields, button]))
                else:
                    answer = client.send(
                        target, [pair for pair in [*fields, button] if pair[0] not in ("", "csrf_token")]
                    )
                found = inspected(answer, f"{path} → {target} {button}")
                if answer.location and answer.location.startswith("/admin"):
                    found += look(client, answer.location)
                reflected += SAID in found
    assert sent > 40 and reflected > 25, (sent, reflected)


def form_fields(form: Tag) -> Iterator[tuple[str, str, bool]]:
    """Name, value, and whether people type it."""
    for tag in form.select("input, select, textarea"):
        name, kind = str(tag.get("name", "")), str(tag.get("type", "text"))
        if not name or kind in ("submit", "button", "file"):
            continue
        if tag.name == "select":
            chosen = tag.select_one("option[selected]") or tag.select_one("option")
            yield name, str(chosen.get("value", "")) if chosen else "", False
        elif tag.name == "textarea":
            yield name, tag.get_text(), True
        elif kind in ("checkbox", "radio"):
            if tag.has_attr("checked"):
                yield name, str(tag.get("value", "on")), False
        else:
            yield (
                name,
                str(tag.get("value", "")),
                kind not in ("hidden", "date", "number", "time", "email", "password"),
            )


def test_what_is_stored_is_shown_as_text_everywhere(
    admin_app: Flask,
    admin_portal: Portal,
    database: Session,
    chief: User,
    client: AdminClient,
    signed_in: MakeClient,
    a_user: MakeUser,
    public: PageClient,
    clock: Clock,
) -> None:
    """In every field that takes free text: by the forms, then on all pages, public ones and tables too."""
    service = next(s for s in admin_portal.catalogue.services() if s.locations and s.phones and s.contacts)
    path = f"/admin/services/{service.slug}"
    words = f"A {PAYLOAD}"
    fields = fields_of(client.page(path))
    for row in ("required_documents", "expectations", "contacts", "phones"):
        answer = client.send(path, [*fields, ("action", f"add:{row}")])
        fields = fields_of(client.sent(answer, path))
    free = re.compile(
        r"(name|alternate_name|description|application_process|legal_text|eligibility_description|interpretation_services"
        r"|cost\.amount_description|comment|source\.(name|note)|(required_documents|expectations)\.\d+\.text"
        r"|contacts\.\d+\.(name|title|department)|phones\.\d+\.description|locations\.\d+\.description"
        r"|(locations|contacts)\.\d+\.phones\.\d+\.description|(locations\.\d+\.)?schedules\.\d+\.note)"
    )
    typed = [name for name, _value in fields if free.fullmatch(name)]
    assert len(typed) >= 15, typed
    # A translation has to say the numbers of the German text: names without any are easier to follow.
    changed = [
        (name, f"{words} {name.translate(LETTERS)}" if free.fullmatch(name) else value)
        for name, value in fields
    ]
    changed = [
        (name, "030 23125 777" if re.fullmatch(r"phones\.\d+\.number", name) and not value else value)
        for name, value in changed
    ]
    answer = client.send(path, [*changed, ("action", "save")])
    assert answer.status_code == 303, problems_of(answer)
    for page_path, free_names in (
        (f"/admin/organizations/{service.organization.slug}", r"name|alternate_name|description|legal_status|comment|source\.(name|note)"),
        (f"/admin/locations/{service.locations[0].slug}", r"name|transportation|comment|address\.(attention|address_1|city)|accessibility\.\d+\.\w+|source\.(name|note)"),
    ):  # fmt: skip
        found = fields_of(client.page(page_path))
        found = [(name, words if re.fullmatch(free_names, name) else value) for name, value in found]
        answer = client.send(page_path, [*found, ("action", "save")])
        assert answer.status_code == 303, problems_of(answer)
    client.send("/admin/account", {"name": PAYLOAD[:100], "language": "de"})
    editor = signed_in(Role.EDITOR, organization=service.organization.slug)
    editor.send("/admin/account", {"name": PAYLOAD[:100], "language": "de"})
    found = filled(
        fields_of(editor.page(path)), description=f"B {PAYLOAD}", comment=PAYLOAD, action="propose"
    )
    assert editor.send(path, found).status_code == 303
    admin_portal.catalogue.refresh()
    for language in admin_portal.languages:
        if language != "de":
            translate = f"/admin/translations/{language}/service/{service.slug}"
            answer = client.send(translate, [*translated(client, translate)])
            assert answer.status_code == 303, problems_of(answer)
    ground = furnish(
        admin_portal, database, chief, service=service,
        texts={"report": PAYLOAD, "comment": PAYLOAD, "description": f"C {PAYLOAD}"},
    )  # fmt: skip
    ground.values["token"] = an_upload(
        admin_portal, chief, PAYLOAD, name=PAYLOAD.replace(";", ","), file=f"{PAYLOAD}.csv"
    )
    mine = next(p for p in database.exec(select(Proposal)).all() if p.state == "in_review")
    shows = {}
    for rule in all_rules(admin_app, "GET"):
        if rule.endpoint != "admin.sign_in":
            shows[rule.endpoint] = look(client, ground.address(admin_app, rule))
    for more in (
        f"/admin/service/{service.slug}/history?old=1&new=3",
        f"/admin/service/{service.slug}/history/3",
        f"/admin/organization/{service.organization.slug}/history?old=1&new=2",
        f"/admin/location/{service.locations[0].slug}/history?old=1&new=2",
        f"/admin/review/{mine.id}",
        f"/admin/services?organization={service.organization.slug}&columns=name&columns=organization&columns=topics",
        "/admin/reports?show=open",
        f"/admin/audit?q={'attack'}",
    ):
        shows[more] = look(client, more)
    expected = {
        "admin.services", "admin.organizations", "admin.locations", "admin.contacts", "admin.edit_service", "admin.history",
        "admin.edit_organization", "admin.edit_location", "admin.version", "admin.review", "admin.reports", "admin.audit",
        "admin.audit_csv", "admin.translate_entry", "admin.import_columns", "admin.import_check", "admin.merge_entries",
        f"/admin/review/{mine.id}", f"/admin/service/{service.slug}/history?old=1&new=3", "admin.contacts_shared",
    }  # fmt: skip
    silent = {name for name in expected if SAID not in shows[name]}
    assert silent == set(), "the payload has to be shown there, or the test proves nothing"
    preview = client.send("/admin/services/preview", [*fields_of(client.page(path)), ("entry", service.slug)])
    assert SAID in inspected(preview, "preview")
    look_again(public)
    for address in public_addresses(public, service):
        shown = look(public, address)
        if address in (
            f"/de/offers/{service.slug}",
            f"/en/offers/{service.slug}",
            f"/de/organizations/{service.organization.slug}",
        ):
            assert SAID in shown, address


def translated(client: AdminClient, path: str) -> list[tuple[str, str]]:
    """A translation of everything, with the numbers of the German text, so that it is taken."""
    page = client.page(path)
    found = []
    for form in page.all("main form"):
        for name, value, _typed in form_fields(form):
            if name.startswith("text."):
                found.append((name, PAYLOAD + " " + re.sub("[0-9]", "", value)))
            elif name.startswith("seen."):
                found.append((name, value))
    assert found
    return found


def problems_of(answer: TestResponse) -> str:
    soup = BeautifulSoup(answer.get_data(as_text=True), "html5lib")
    return f"{answer.status_code}: {[box.get_text(' ', strip=True)[:800] for box in soup.select('[role=alert]')]}"


def public_addresses(public: PageClient, service: ServiceView) -> Iterator[str]:
    """Everything below /de/ and /en/ that can be looked at, with that offer where one is named."""
    given = {
        "slug": service.slug, "code": "allgemein", "term": "allgemein", "topic": "allgemein", "question_id": "who", "token": "x",
        "name": "app.css", "filename": "app.css", "page": "about", "path": "about",
    }  # fmt: skip
    for rule in all_rules(public.app, "GET"):
        if rule.rule.startswith("/<lang:lang>"):
            for lang in ("de", "en"):
                values = {**given, "lang": lang}
                if "organization" in rule.rule:
                    values["slug"] = service.organization.slug
                for name, converter in rule._converters.items():
                    if isinstance(converter, AnyConverter):
                        values[name] = min(converter.items)
                if rule.arguments <= values.keys():
                    with public.app.test_request_context("/"):
                        wanted = {name: values[name] for name in rule.arguments}
                        yield public.app.url_map.bind("localhost").build(rule.endpoint, wanted)
    for lang in ("de", "en"):
        yield f"/{lang}/offers?q=attack+onmouseover"


@pytest.mark.parametrize(
    "payload", [PAYLOAD, "javascript:alert(1)", "{{987*653}}${987*653}", "\u2028<svg/onload=alert(1)>"]
)
def test_searches_come_back_as_text(payload: str, public: PageClient, client: AdminClient) -> None:
    for path in ("/de/offers", "/en/offers", "/de/offers/suggestions", "/de/", "/de/check", "/de/help-now"):
        look(public, path, query_string={"q": payload, "place": payload, "topic": payload})
    for path in (
        "services",
        "organizations",
        "locations",
        "contacts",
        "translations",
        "people",
        "audit",
        "contacts/shared",
    ):
        found = look(client, f"/admin/{path}", query_string={"q": payload})
        assert payload.strip()[:20] in found or path == "translations", path
        assert "644511" not in found
    for headers in (
        {"HX-Request": "true"},
        {"HX-Request": "true", "HX-Target": payload.encode("ascii", "ignore").decode()},
    ):
        for path in ("services", "organizations", "people"):
            look(client, f"/admin/{path}", query_string={"q": payload}, headers=headers)


def test_a_web_address_is_never_a_script(
    client: AdminClient, admin_portal: Portal, database: Session
) -> None:
    service = admin_portal.catalogue.services()[0]
    path = f"/admin/services/{service.slug}"
    for address in (
        "javascript:alert(1)",
        "javascript://%0aalert(1)",
        "data:text/html,x",
        "JaVaScRiPt:alert(1)//https://x",
        "vbscript:x",
    ):
        answer = client.send(path, filled(fields_of(client.page(path)), url=address, source__url=address))
        inspected(answer, address)
        look(client, path)
        database.expire_all()
        stored = str(editing.entry(database, REGION, "service", service.slug).record.url or "https://")
        assert stored.startswith(("http://", "https://")), address


@pytest.mark.parametrize("where", ["report", "confirmation"])
def test_strangers_write_only_text(
    where: str,
    public: PageClient,
    admin_app: Flask,
    admin_portal: Portal,
    client: AdminClient,
    database: Session,
    clock: Clock,
) -> None:
    """What comes in by the two public forms, as the coordinator sees it."""
    service = next(
        s
        for s in admin_portal.catalogue.services()
        if s.slug != admin_portal.region.clearing_desk and s.phones
    )
    if where == "report":
        form = f"/de/offers/{service.slug}/report"
        page = public.page(form)
        clock.later(minutes=1)
        token = str(page.one("main input[name=token]")["value"])
        inspected(public.post(form, data={"reason": PAYLOAD, "text": PAYLOAD, "token": token}), form)
        answer = public.post(form, data={"reason": "text", "text": PAYLOAD, "token": token})
        assert answer.status_code == 303
        assert SAID in look(client, "/admin/reports")
        return
    link = confirmation_link(admin_portal, database, service)
    data = dict.fromkeys(("description", "how_to_start", "bring", "hours", "remarks", "note"), PAYLOAD)
    wrong = public.post(
        f"{link}/correct",
        data={**data, "email": PAYLOAD, "website": PAYLOAD, "ends": PAYLOAD, "number": PAYLOAD},
    )
    assert SAID in inspected(wrong, link)
    answer = public.post(f"{link}/correct", data={**data, "number": "030 23125 777"})
    assert answer.status_code == 303, problems_of(answer)
    made = database.exec(select(Proposal)).one()
    for path in ("/admin/review", f"/admin/review/{made.id}", "/admin/", "/admin/confirmations"):
        shown = look(client, path)
        assert SAID in shown or path in ("/admin/", "/admin/confirmations")


def confirmation_link(portal: Portal, database: Session, service: ServiceView) -> str:
    """The path of the link in a letter that asks about this offer."""
    from datetime import date

    from portal.web.admin import reminding
    from portal.web.admin.letters import command_letters

    row = database.exec(select(Service).where(Service.slug == service.slug)).one()
    row.assured_date, row.confidence, row.email = date(2026, 1, 1), "medium", "office@example.org"
    database.add(row)
    database.commit()
    letters = command_letters(portal.settings, portal.store)
    letters._now = portal.now
    now = portal.now()
    reminding.send(
        database,
        letters,
        portal.region,
        secret_key=portal.settings.secret_key,
        today=now.date(),
        now=now + timedelta(minutes=1),
    )
    database.commit()
    from portal.accounts.models import Letter

    bodies = [
        letter.body
        for letter in database.exec(select(Letter)).all()
        if letter.recipient == "office@example.org"
    ]
    found = re.search(rf"{re.escape(row.name)}\s+https?://[^/]+(/de/confirm/\S+)", "\n".join(bodies))
    assert found is not None, bodies
    return found.group(1)


def test_every_endpoint_is_attacked(admin_app: Flask) -> None:
    """The exemptions name endpoints that exist."""
    known = {rule.endpoint for rule in admin_app.url_map.iter_rules()}
    assert set(ENDS_THE_SESSION) | set(LOOKING_IS_NOTED) | set(NAMES_NOTHING) <= known
    assert set(MATRIX) >= known
