""" "There is something for you": by mail and by the connector; nothing lost, nothing doubled, nothing told."""

import json
import re
import socketserver
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from flask import Flask
from sqlalchemy import Engine, select
from sqlmodel import Session, col

from portal.accounts.models import Role, RoleGrant, User
from portal.config import Settings
from portal.db import session_factory
from portal.referral import actions, notices
from portal.referral.models import Channel, Notice, Referral
from portal.referral.notices import Receiver, Unreachable
from portal.referral.personal import Person
from portal.referral.promise import WorkingDays
from portal.referral.sealing import Keyring
from portal.web import chores, current, mail
from portal.web import notices as delivery
from portal.web.notices import NoAddress, NoticeSender, notify_soon, signature
from tests.referral.conftest import (  # noqa: F401 (fixtures)
    MakeOffice,
    MakeReferral,
    a_referral,
    an_office,
    days,
    keyring,
)
from tests.web.conftest import SECRET

ADDRESS = "sternchen@mail.example"
PHONE = "+4915112345678"
BOTH = Person(
    name="Sternchen", channels=(Channel.MAIL, Channel.SMS), mail=ADDRESS, phone=PHONE, own_words="Geheim"
)
HOOK_SECRET = "hook-secret"


@dataclass
class MailServer:
    """Speaks as much SMTP as a client needs."""

    port: int = 0
    mails: list[EmailMessage] = field(default_factory=list)
    refuses: set[str] = field(default_factory=set)

    @contextmanager
    def running(self) -> Iterator["MailServer"]:
        outer = self

        class Handler(socketserver.StreamRequestHandler):
            timeout = 30

            def handle(self) -> None:
                self.say("220 here")
                while line := self.rfile.readline().decode().strip():
                    word = line.upper()
                    if word == "DATA":
                        self.say("354 go on")
                        lines = iter(self.rfile.readline, b".\r\n")
                        data = b"".join(re.sub(rb"^\.", b"", one) for one in lines)
                        message = message_from_bytes(data, policy=default)
                        assert isinstance(message, EmailMessage)
                        outer.mails.append(message)
                        self.say("250 taken")
                    elif word == "QUIT":
                        self.say("221 bye")
                        return
                    elif word.startswith("RCPT") and any(one in line for one in outer.refuses):
                        self.say("550 nobody of that name")
                    else:
                        self.say("250 fine")

            def say(self, line: str) -> None:
                self.wfile.write(f"{line}\r\n".encode())

        with serving(socketserver.ThreadingTCPServer(("127.0.0.1", self.port), Handler)) as port:
            self.port = port
            yield self


@dataclass
class Hook:
    """Stands in for whatever sends SMS; answers with `statuses`, then 202."""

    port: int = 0
    taken: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)

    @property
    def messages(self) -> list[dict[str, Any]]:
        return [json.loads(body) for _headers, body in self.taken]

    @contextmanager
    def running(self) -> Iterator["Hook"]:
        outer = self

        class Handler(BaseHTTPRequestHandler):
            timeout = 30

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                outer.taken.append((dict(self.headers.items()), body))
                status = outer.statuses.pop(0) if outer.statuses else 202
                self.send_response(status)
                if 300 <= status < 400:
                    self.send_header("Location", f"http://127.0.0.1:{outer.port}/elsewhere")
                self.send_header("Content-Length", "0")
                self.end_headers()

            def do_GET(self) -> None:
                self.do_POST()

            def log_message(self, *_arguments: object) -> None:
                pass

        with serving(ThreadingHTTPServer(("127.0.0.1", 0), Handler)) as self.port:
            yield self


@contextmanager
def serving(server: socketserver.TCPServer) -> Iterator[int]:
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
        thread.join(timeout=30)


@pytest.fixture(autouse=True)
def _no_request_before() -> None:
    """The portal of the last request of another test would be taken for the current one."""
    current._portal.set(None)


@pytest.fixture
def server() -> Iterator[MailServer]:
    with MailServer().running() as running:
        yield running


@pytest.fixture
def hook() -> Iterator[Hook]:
    with Hook().running() as running:
        yield running


Deliver = Callable[..., tuple[int, int]]


@pytest.fixture
def settings(server: MailServer, hook: Hook) -> Settings:
    return Settings(
        secret_key=SECRET,
        region="musterkreis",
        base_url="https://anlauf.example.org",
        smtp_host="127.0.0.1",
        smtp_port=server.port,
        smtp_security="none",
        mail_from="Anlauf <post@anlauf.example.org>",
        message_webhook_url=f"http://127.0.0.1:{hook.port}/messages",
        message_webhook_secret=HOOK_SECRET,
    )


@pytest.fixture
def sender(settings: Settings, engine: Engine, musterkreis_app: Flask) -> NoticeSender:
    return NoticeSender(settings, session_factory(engine), musterkreis_app.extensions["portal"].languages)


@pytest.fixture
def deliver(engine: Engine, keyring: Keyring, sender: NoticeSender, now: datetime) -> Deliver:  # noqa: F811
    def run(minutes: int = 0, sender: Any = sender) -> tuple[int, int]:
        return notices.deliver(
            session_factory(engine), keyring, sender, now=lambda: now + timedelta(minutes=minutes)
        )

    return run


@pytest.fixture
def accepted(
    session: Session,
    an_office: MakeOffice,  # noqa: F811
    a_referral: MakeReferral,  # noqa: F811
    deliver: Deliver,
    server: MailServer,
    now: datetime,
) -> Callable[..., Referral]:
    """A referral whose team has been told and has accepted: one notice for the young person is due."""

    def make(person: Person = BOTH) -> Referral:
        office = an_office()
        referral, _code = a_referral(office, person)
        session.commit()
        assert deliver() == (1, 0)
        server.mails.clear()
        actions.accept(session, referral, office.counsellor, now=now)
        session.commit()
        return referral

    return make


def the_notice(session: Session) -> Notice:
    session.expire_all()
    return session.execute(select(Notice).where(Notice.to_person)).scalar_one()


def test_a_mail_tells_only_that_there_is_something(
    accepted: Callable[..., Referral], deliver: Deliver, server: MailServer, session: Session
) -> None:
    accepted()
    assert deliver() == (1, 0)
    (message,) = server.mails
    assert message["To"] == ADDRESS
    assert message["Message-ID"] == f"<{the_notice(session).id}@anlauf.example.org>"
    assert message["Auto-Submitted"] == "auto-generated"
    text = message.get_content()
    assert re.findall(r"https?://\S+", text) == ["https://anlauf.example.org/ar/mine"]
    whole = f"{message['Subject']}\n{text}"
    for told in ("Sternchen", "Geheim", "jugendamt", "Jugendamt", "Beratung", "\x02", "%("):
        assert told not in whole
    assert deliver(60) == (0, 0), "once"


def test_a_server_that_is_down_for_a_while_loses_nothing_and_doubles_nothing(
    accepted: Callable[..., Referral],
    deliver: Deliver,
    settings: Settings,
    sender: NoticeSender,
    server: MailServer,
    engine: Engine,
    musterkreis_app: Flask,
) -> None:
    accepted()
    away = NoticeSender(
        settings.model_copy(update={"smtp_port": 1}),
        session_factory(engine),
        musterkreis_app.extensions["portal"].languages,
    )
    assert deliver(0, away) == (0, 1)
    assert deliver(0) == (0, 0), "not at once again"
    assert deliver(24 * 60) == (1, 0)
    assert len(server.mails) == 1


def test_killed_between_sending_and_noting_it_comes_again_under_the_same_name(
    accepted: Callable[..., Referral], deliver: Deliver, sender: NoticeSender, server: MailServer
) -> None:
    class Killed(BaseException):
        pass

    class Dies:
        def send(self, *arguments: Any, **named: Any) -> None:
            sender.send(*arguments, **named)
            raise Killed

    accepted()
    with pytest.raises(Killed):
        deliver(0, Dies())
    assert deliver(1) == (0, 0), "somebody may still be at it"
    assert deliver(10) == (1, 0)
    assert len({message["Message-ID"] for message in server.mails}) == 1


def test_an_address_that_does_not_exist_hands_over_to_the_next_channel(
    accepted: Callable[..., Referral], deliver: Deliver, server: MailServer, hook: Hook, session: Session
) -> None:
    server.refuses.add(ADDRESS)
    accepted()
    assert deliver() == (1, 0)
    assert server.mails == []
    (message,) = hook.messages
    assert message["to"] == PHONE
    assert message["channel"] == "sms"
    assert message["language"] == "ar"
    assert message["id"] == str(the_notice(session).id)
    assert message["text"].endswith(" https://anlauf.example.org/ar/mine")
    assert set(message) == {"id", "channel", "to", "text", "language"}


@pytest.mark.parametrize("exists", [True, False])
def test_a_message_after_a_notice_that_did_not_arrive_is_no_contact(
    accepted: Callable[..., Referral],
    deliver: Deliver,
    server: MailServer,
    session: Session,
    keyring: Keyring,  # noqa: F811
    days: WorkingDays,  # noqa: F811
    now: datetime,
    exists: bool,
) -> None:
    server.refuses = set() if exists else {ADDRESS}
    referral = accepted(Person(channels=(Channel.MAIL,), mail=ADDRESS))
    assert deliver() == (1, 0)
    assert deliver(60) == (0, 0), "not tried again"
    session.refresh(referral)
    assert referral.claimed_by is not None
    by = actions.Counsellor(referral.claimed_by, frozenset({referral.organization_id}))
    actions.message(
        session, keyring, referral, "Guten Tag.", organization_id=referral.organization_id, by=by,
        days=days, now=now,
    )  # fmt: skip
    assert (referral.first_contact_at is not None) is exists


def test_a_mailbox_of_a_team_that_is_gone_is_named_in_the_log(
    an_office: MakeOffice,  # noqa: F811
    a_referral: MakeReferral,  # noqa: F811
    session: Session,
    deliver: Deliver,
    server: MailServer,
    caplog: pytest.LogCaptureFixture,
) -> None:
    server.refuses.add("gone@county.example")
    a_referral(an_office(email="gone@county.example"))
    session.commit()
    assert deliver() == (0, 1)
    written = session.execute(select(Notice).where(col(Notice.user_id).is_(None))).scalar_one()
    assert f"notice {written.id}" in caplog.text
    assert "gone@county" not in caplog.text


def test_the_connector_can_check_who_sent_it_and_when(
    accepted: Callable[..., Referral], deliver: Deliver, hook: Hook
) -> None:
    accepted(Person(channels=(Channel.SMS,), phone=PHONE))
    assert deliver() == (1, 0)
    ((headers, body),) = hook.taken
    timestamp = headers["X-Portal-Timestamp"]
    assert headers["X-Portal-Signature"] == signature(HOOK_SECRET, timestamp, body)
    assert headers["X-Portal-Signature"] != signature("another", timestamp, body)
    assert headers["Idempotency-Key"] == json.loads(body)["id"]


@pytest.mark.parametrize(
    ("status", "first", "later"),
    [
        (200, (1, 0), 0),
        (409, (1, 0), 0),
        (422, (1, 0), 0),
        (500, (0, 1), 1),
        (302, (0, 1), 1),
        (401, (0, 1), 1),
    ],
)
def test_answers_of_the_connector(
    accepted: Callable[..., Referral],
    deliver: Deliver,
    hook: Hook,
    status: int,
    first: tuple[int, int],
    later: int,
    caplog: pytest.LogCaptureFixture,
) -> None:
    accepted(Person(channels=(Channel.MESSENGER,), messenger="Signal sternchen.01"))
    hook.statuses.append(status)
    assert deliver() == first
    assert deliver(60) == (later, 0)
    assert len(hook.taken) == 1 + later, "a redirect is not followed"
    assert len({message["id"] for message in hook.messages}) == 1
    assert "sternchen" not in caplog.text


@pytest.mark.parametrize("missing", ["message_webhook_url", "message_webhook_secret"])
def test_the_connector_is_off_without_address_or_secret(
    settings: Settings, engine: Engine, musterkreis_app: Flask, hook: Hook, missing: str
) -> None:
    off = NoticeSender(
        settings.model_copy(update={missing: ""}),
        session_factory(engine),
        musterkreis_app.extensions["portal"].languages,
    )
    with pytest.raises(Unreachable):
        off.send(Receiver(Channel.SMS, PHONE, "de", True), "person.accepted", id_=uuid4())
    assert hook.taken == []


def test_teams_and_coordinators_get_to_where_they_have_to_look(
    session: Session,
    an_office: MakeOffice,  # noqa: F811
    a_referral: MakeReferral,  # noqa: F811
    deliver: Deliver,
    server: MailServer,
    now: datetime,
) -> None:
    chief = User(email="lea@county.example", name="Lea", password_hash="x", created_at=now, language="en")
    session.add(chief)
    session.flush()
    session.add(RoleGrant(user_id=chief.id, role=Role.COORDINATOR.value, granted_at=now))
    referral, _code = a_referral(an_office(email="team@county.example"))
    actions.alarm(session, referral, now=now)
    session.commit()
    assert deliver() == (2, 0)
    found = {message["To"]: message for message in server.mails}
    team, coordinator = found["team@county.example"], found["lea@county.example"]
    assert "https://anlauf.example.org/admin/referrals" in team.get_content().split()
    assert "https://anlauf.example.org/admin/referrals/watch" in coordinator.get_content().split()
    assert "Please sign in today" in coordinator.get_content()
    assert "Bitte melden Sie sich" in team.get_content()
    for message in (team, coordinator):
        assert referral.label not in message.as_string()


def test_a_mailbox_that_is_gone_is_replaced_by_the_counsellors_and_at_last_the_coordinators(
    session: Session,
    engine: Engine,
    an_office: MakeOffice,  # noqa: F811
    a_referral: MakeReferral,  # noqa: F811
    deliver: Deliver,
    server: MailServer,
    now: datetime,
    caplog: pytest.LogCaptureFixture,
) -> None:
    chief = User(email="lea@county.example", name="Lea", password_hash="x", created_at=now)
    office = an_office(email="team@county.example")
    second = User(email="zweite@county.example", name="Zwei", password_hash="x", created_at=now)
    session.add_all([chief, second])
    session.flush()
    session.add(RoleGrant(user_id=chief.id, role=Role.COORDINATOR.value, granted_at=now))
    session.add(
        RoleGrant(
            user_id=second.id,
            role=Role.COUNSELLOR.value,
            organization_id=office.desk.organization_id,
            granted_at=now,
        )
    )
    a_referral(office)
    session.commit()
    server.refuses = {"team@county.example", "jugendamt@example.org"}
    assert deliver() == (0, 1)
    assert deliver(1) == (1, 2), "the mailbox again, and both counsellors"
    assert [message["To"] for message in server.mails] == ["zweite@county.example"]
    assert deliver(1) == (0, 0), "a colleague reads it: no case for the coordinators"
    server.refuses.add("zweite@county.example")
    a_referral(office)
    session.commit()
    server.mails.clear()
    for minutes in range(2, 12):
        deliver(minutes)
    assert {message["To"] for message in server.mails} == {"lea@county.example"}
    assert len(server.mails) == 1, "once, though three addresses are gone"
    failed = session.execute(select(Notice).where(col(Notice.sent_at).is_(None))).scalars().all()
    assert {one.failure for one in failed} == {"Unreachable"}
    assert "@" not in caplog.text
    assert not chores.neglected(session, now=now + timedelta(hours=1))
    assert chores.neglected(session, now=now + timedelta(hours=3))

    server.refuses.clear()
    deliver(60)
    assert "team@county.example" in {message["To"] for message in server.mails}, "it is there again"
    assert not chores.neglected(session, now=now + timedelta(hours=3))


def test_production_without_a_public_address_sends_nothing(
    settings: Settings, engine: Engine, musterkreis_app: Flask
) -> None:
    languages = musterkreis_app.extensions["portal"].languages
    nowhere = settings.model_copy(update={"environment": "production", "base_url": ""})
    with pytest.raises(NoAddress):
        NoticeSender(nowhere, session_factory(engine), languages)


def test_production_without_a_mail_server_writes_no_address_into_a_folder(
    settings: Settings, engine: Engine, musterkreis_app: Flask, capsys: pytest.CaptureFixture[str]
) -> None:
    languages = musterkreis_app.extensions["portal"].languages
    without = settings.model_copy(update={"environment": "production", "smtp_host": ""})
    with pytest.raises(Unreachable):
        NoticeSender(without, session_factory(engine), languages).send(
            Receiver(Channel.MAIL, ADDRESS, "de", True), "person.message", id_=uuid4()
        )
    assert ADDRESS not in capsys.readouterr().err


def test_the_folder_for_trying_things_out_holds_no_address_either(
    settings: Settings,
    tmp_path: Path,
    engine: Engine,
    musterkreis_app: Flask,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Nothing is erased there."""
    languages = musterkreis_app.extensions["portal"].languages
    without = settings.model_copy(update={"smtp_host": "", "data_dir": tmp_path})
    NoticeSender(without, session_factory(engine), languages).send(
        Receiver(Channel.MAIL, ADDRESS, "de", True), "person.message", id_=uuid4()
    )
    (file,) = (tmp_path / "mail").glob("*.eml")
    assert ADDRESS.encode() not in file.read_bytes()
    assert ADDRESS not in capsys.readouterr().err


# -- after a commit ----------------------------------------------------------------------------------------------------


def test_nobody_waits_and_two_never_send_at_once(
    musterkreis_app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[Callable[[], object]] = []
    runs: list[int] = []
    monkeypatch.setattr(mail, "in_background", started.append)

    def deliver(*_arguments: object, **_named: object) -> tuple[int, int]:
        runs.append(len(runs))
        if len(runs) == 1:
            notify_soon()
            notify_soon()
        return 0, 0

    monkeypatch.setattr(delivery.notices, "deliver", deliver)
    with musterkreis_app.app_context():
        notify_soon()
        notify_soon()
        assert len(started) == 1, "one for both"
        assert runs == [], "the page does not wait"
        started.pop()()
        assert runs == [0, 1], "once more, for what came meanwhile"
        assert started == []
        notify_soon()
        assert len(started) == 1, "and ready again"
        started.pop()()


def test_what_goes_wrong_there_is_named_by_its_type_only(
    musterkreis_app: Flask, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(mail, "in_background", lambda work: work())

    def deliver(*_arguments: object, **_named: object) -> tuple[int, int]:
        raise ValueError(ADDRESS)

    monkeypatch.setattr(delivery.notices, "deliver", deliver)
    monkeypatch.setattr(delivery.log.parent, "propagate", True)
    with musterkreis_app.app_context():
        notify_soon()
        notify_soon()
    assert set(caplog.messages) == {"notices could not be sent: ValueError"}
    assert ADDRESS not in caplog.text


def test_no_thread_left_is_no_error_of_the_page(
    musterkreis_app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none_left(_work: object) -> None:
        raise RuntimeError("can't start new thread")

    started: list[Callable[[], object]] = []
    monkeypatch.setattr(mail, "in_background", none_left)
    with musterkreis_app.app_context():
        notify_soon()
        monkeypatch.setattr(mail, "in_background", started.append)
        notify_soon()
    assert len(started) == 1
    delivery._soon.clear()
