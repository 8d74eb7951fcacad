"""What breaks in the middle, and what happens twice: nothing lost, nothing doubled, nothing half."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier

import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError
from sqlmodel import Session, col, select

from portal.db import Table, session_factory
from portal.referral import actions, codes, counts, notices, queries, retention, slips
from portal.referral.errors import Changed, DeskUnavailable
from portal.referral.lifecycle import MoveNotAllowed
from portal.referral.models import Channel, Notice, Outcome, Referral, ReferralEvent, Status
from portal.referral.notices import Unreachable
from portal.referral.personal import Line, Meeting, Person, Situation
from portal.referral.sealing import Keyring, new_key
from tests.factories import REGION
from tests.referral.conftest import agreed

CLAIMED = timedelta(minutes=5)
WITH_MAIL = Person(name="Sternchen", channels=(Channel.MAIL,), mail="stern@example.org")


class Sender:
    """Remembers what it sent; `down` is what the server says instead."""

    def __init__(self, down=None, not_set_up=()):
        self.sent, self.tries, self.down, self.not_set_up = [], 0, down, not_set_up

    def send(self, receiver, about, *, id_):
        self.tries += 1
        if receiver.channel in self.not_set_up:
            raise Unreachable
        if self.down is not None:
            raise self.down
        self.sent.append((receiver.address, about, id_))


def to_person(session):
    return session.exec(select(Notice).where(Notice.to_person)).all()


KILLED = """
import os, sys
from datetime import datetime
from uuid import UUID
from portal.db import make_engine, session_factory
from portal.referral import actions, notices
from portal.referral.actions import Counsellor
from portal.referral.models import Referral
from portal.referral.sealing import Keyring

url, key, referral, user, organization, now, when, told = sys.argv[1:]
now, sessions = datetime.fromisoformat(now), session_factory(make_engine(url))
with sessions() as session:
    by = Counsellor(UUID(user), frozenset({UUID(organization)}))
    actions.accept(session, session.get(Referral, UUID(referral)), by, now=now)
    if when == "before the commit":
        os._exit(9)
    session.commit()
if when == "after the commit":
    os._exit(9)

class Dies:
    def send(self, receiver, about, *, id_):
        if receiver.to_person:
            if when == "after sending":
                open(told, "w").write(str(id_))
            os._exit(9)

notices.deliver(sessions, Keyring([key]), Dies(), now=lambda: now)
"""


@pytest.mark.parametrize("when", ["before the commit", "after the commit", "while sending", "after sending"])
def test_a_process_that_dies_loses_no_notice(
    engine, session, days, now, an_office, a_referral, tmp_path, when
):
    key = new_key()
    keyring = Keyring([key])
    office = an_office()
    referral, _token = actions.begin(
        session, keyring, region=REGION, language="ar", desk=office.desk, now=now
    )
    actions.write(session, keyring, referral, WITH_MAIL, now=now)
    actions.submit(session, keyring, referral, agreed(), text_version="1", days=days, now=now)
    session.commit()
    told = tmp_path / "told"
    died = subprocess.run(
        [
            sys.executable, "-c", KILLED, engine.url.render_as_string(hide_password=False), key,
            str(referral.id), str(office.counsellor.user_id), str(office.desk.organization_id),
            now.isoformat(), when, str(told),
        ],
        check=False, timeout=60, capture_output=True,
    )  # fmt: skip
    assert died.returncode == 9, died.stderr.decode()
    sessions = session_factory(engine)
    session.expire_all()
    sender = Sender()
    if when == "before the commit":
        assert session.get(Referral, referral.id).status == Status.REQUESTED
        assert to_person(session) == []
        return
    assert session.get(Referral, referral.id).status == Status.ACCEPTED
    (notice,) = to_person(session)
    assert notice.sent_at is None
    session.rollback()
    for minutes in range(20):
        later = now + timedelta(minutes=minutes)
        notices.deliver(sessions, keyring, sender, now=lambda: later)  # noqa: B023 (called at once)
        if when.endswith("sending") and later < now + CLAIMED:
            assert notice.id not in {id_ for _to, _about, id_ in sender.sent}
    assert [id_ for to, _about, id_ in sender.sent if to == WITH_MAIL.mail] == [notice.id]
    if when == "after sending":
        # The mail server got it twice, under the same id: it can be told apart.
        assert told.read_text() == str(notice.id)


def test_a_mail_server_that_is_down_for_a_day(engine, session, keyring, now, an_office, a_referral, caplog):
    office = an_office(email="team@example.org")
    a_referral(office, WITH_MAIL)
    session.commit()
    sessions, sender = session_factory(engine), Sender(down=OSError("stern@example.org refused"))
    for minutes in range(0, 24 * 60, 10):
        later = now + timedelta(minutes=minutes)
        assert notices.deliver(sessions, keyring, sender, now=lambda: later)[0] == 0  # noqa: B023
    assert 5 < sender.tries < 24, "neither given up nor a storm"
    sender.down = None
    for minutes in range(24 * 60, 31 * 60, 10):
        later = now + timedelta(minutes=minutes)
        notices.deliver(sessions, keyring, sender, now=lambda: later)  # noqa: B023
    assert [(to, about) for to, about, _id in sender.sent] == [("team@example.org", "referral.requested")]
    assert "@" not in caplog.text


def test_only_the_first_channel_that_is_set_up_is_used(engine, session, keyring, now, an_office, a_referral):
    office = an_office()
    person = Person(
        name="Sternchen",
        channels=(Channel.SMS, Channel.MAIL, Channel.MESSENGER),
        phone="+4915112345678",
        mail="stern@example.org",
        messenger="stern",
    )
    referral, _code = a_referral(office, person)
    actions.accept(session, referral, office.counsellor, now=now)
    session.commit()
    sender = Sender(not_set_up=(Channel.SMS,))
    notices.deliver(session_factory(engine), keyring, sender, now=lambda: now)
    assert [to for to, about, _id in sender.sent if about == "person.accepted"] == ["stern@example.org"]


def test_what_is_withdrawn_while_it_is_being_sent_stops_nobody(
    engine, session, keyring, now, an_office, a_referral
):
    office, other = an_office(), an_office("jobcenter")
    referral, _code = a_referral(office, WITH_MAIL)
    actions.accept(session, referral, office.counsellor, now=now)
    second, _code = a_referral(other, WITH_MAIL)
    actions.accept(session, second, other.counsellor, now=now)
    session.commit()
    sessions = session_factory(engine)

    class Withdraws(Sender):
        def send(self, receiver, about, *, id_):
            super().send(receiver, about, id_=id_)
            with sessions() as own:
                one = own.get(Referral, referral.id)
                if one.status == Status.ACCEPTED:
                    actions.withdraw(own, one, now=now)
                    own.commit()

    sender = Withdraws()
    assert notices.deliver(sessions, keyring, sender, now=lambda: now)[1] == 0
    assert sum(to == WITH_MAIL.mail for to, _about, _id in sender.sent) in (1, 2)
    with sessions() as own:
        assert all(one.sent_at for one in to_person(own))


def test_a_database_that_is_locked_takes_nothing_or_all(
    engine, session, keyring, days, now, an_office, a_referral
):
    office = an_office()
    referral, _code = a_referral(office, WITH_MAIL)
    session.commit()

    def state():
        with Session(engine) as own:
            one = own.get(Referral, referral.id)
            return (
                one.version, one.status, len(own.exec(select(ReferralEvent)).all()),
                len(own.exec(select(Notice)).all()), counts.totals(own, REGION, None, since=now.date()),
            )  # fmt: skip

    before = state()
    sqlite = engine.dialect.name == "sqlite"
    with engine.connect() as holder:
        if sqlite:
            holder.exec_driver_sql("BEGIN IMMEDIATE")
        else:
            holder.execute(text("SELECT 1 FROM referral FOR UPDATE"))
        for act in (
            lambda s, one: actions.accept(s, one, office.counsellor, now=now),
            lambda s, one: actions.withdraw(s, one, now=now),
            lambda s, one: actions.alarm(s, one, now=now),
            lambda s, one: actions.reject(
                s, keyring, one, office.counsellor, reason="x", better=None, now=now
            ),
        ):
            with session_factory(engine)() as own:
                one = own.get(Referral, referral.id)
                own.execute(text("PRAGMA busy_timeout = 20" if sqlite else "SET LOCAL lock_timeout = '20ms'"))
                with pytest.raises(OperationalError):
                    act(own, one)
                own.rollback()
                if sqlite:
                    own.execute(text("PRAGMA busy_timeout = 5000"))
        holder.rollback()
    assert state() == before
    actions.accept(session, referral, office.counsellor, now=now)
    session.commit()
    assert state()[1] == Status.ACCEPTED


def test_sent_twice_arrives_once(engine, session, keyring, days, now, an_office):
    office = an_office()
    referral, token = actions.begin(session, keyring, region=REGION, language="ar", desk=office.desk, now=now)
    actions.write(session, keyring, referral, WITH_MAIL, now=now)
    session.commit()

    def again(own, same):
        actions.submit(own, keyring, same, agreed(), text_version="1", days=days, now=now)

    def other_tab(own, same):
        actions.write(own, keyring, same, Person(name="Anders"), now=now)

    late = []
    for act in (again, other_tab, actions.discard):
        own = session_factory(engine)()
        same = actions.draft(own, keyring, token, now=now)
        own.commit()
        late.append((act, own, same))
    actions.submit(session, keyring, referral, agreed(), text_version="1", days=days, now=now)
    session.commit()
    for act, own, same in late:
        with own, pytest.raises(Changed):
            act(own, same)
    assert counts.totals(session, REGION, None, since=now.date()) == {
        office.desk.organization_id: {"requested": 1}
    }
    assert len(session.exec(select(Notice)).all()) == 1
    assert queries.for_person(session, keyring, referral).person.name == "Sternchen"


def both(engine, act, *arguments):
    """The two calls in the same moment, each in a session of its own; what they returned or raised."""
    start = Barrier(len(arguments))

    def one(argument):
        with session_factory(engine)() as own:
            prepared = own.exec(select(Referral)).all()
            # Ends the transaction and keeps what was read: both look at the same state.
            own.commit()
            start.wait(timeout=30)
            try:
                result = act(own, prepared, argument)
                own.commit()
            except (Changed, MoveNotAllowed, DeskUnavailable) as error:
                own.rollback()
                return type(error)
            return result

    with ThreadPoolExecutor(len(arguments)) as pool:
        return list(pool.map(one, arguments))


@pytest.mark.parametrize("act", [actions.claim, actions.accept])
def test_two_counsellors_at_once(engine, session, keyring, now, an_office, a_referral, act):
    office = an_office()
    colleague = an_office("jobcenter").counsellor
    colleague = actions.Counsellor(colleague.user_id, office.counsellor.organizations)
    referral, _code = a_referral(office)
    session.commit()
    done = both(engine, lambda own, found, by: act(own, found[0], by, now=now), office.counsellor, colleague)
    assert sorted(done, key=str) == [Changed, None]
    session.expire_all()
    winner = (office.counsellor, colleague)[done.index(None)]
    assert session.get(Referral, referral.id).claimed_by == winner.user_id
    moves = [one.move for one in session.exec(select(ReferralEvent)).all()]
    assert moves.count(act.__name__) == 1


def test_the_last_free_place_is_given_once(engine, session, keyring, days, now, an_office):
    office = an_office(open_at_most=1)
    for _ in range(2):
        one, _token = actions.begin(session, keyring, region=REGION, language="ar", desk=office.desk, now=now)
        actions.write(session, keyring, one, WITH_MAIL, now=now)
    session.commit()
    done = both(
        engine,
        lambda own, found, at: actions.submit(
            own, keyring, found[at], agreed(), text_version="1", days=days, now=now
        ),
        0,
        1,
    )
    assert [DeskUnavailable] == [one for one in done if not isinstance(one, str)]
    session.expire_all()
    assert sorted(one.status for one in session.exec(select(Referral)).all()) == ["draft", "requested"]


def test_two_taps_are_one_answer(engine, session, keyring, now, an_office, a_referral):
    office = an_office()
    a_referral(office)
    session.commit()
    later = now + timedelta(days=15)
    done = both(
        engine,
        lambda own, found, answer: actions.say_whether_it_worked(own, found[0], answer, now=later),
        "yes",
        "no",
    )
    assert sorted(done) == [False, True]
    found = counts.totals(session, REGION, None, since=later.date())[office.desk.organization_id]
    assert sum(number for name, number in found.items() if name.startswith("worked:")) == 1


MARKERS = ("Sternchenblau", "15112345678", "weggelaufen", "stern@example.org", "Seerosenweg", "Zusagezettel")


def everything(engine):
    """All bytes that the database keeps: SQLite's files, and every row there is."""
    found = []
    if engine.dialect.name == "sqlite":
        for suffix in ("", "-wal", "-shm"):
            with open(f"{engine.url.database}{suffix}", "rb") as file:
                found.append(file.read())
    with engine.connect() as connection:
        for table in Table.metadata.sorted_tables:
            for row in connection.execute(table.select()):
                found += [bytes(v) if isinstance(v, bytes | memoryview) else str(v).encode() for v in row]
    return b"\n".join(found)


def test_after_retention_nothing_is_left(engine, session, keyring, days, now, an_office, caplog, tmp_path):
    caplog.set_level("DEBUG", logger="portal")
    office, other = an_office(), an_office("jobcenter")
    words = codes.Words("de", tuple(f"zauberwort{n:04}" for n in range(1024)))
    person = Person(
        name=MARKERS[0], channels=(Channel.MAIL,), phone=f"+49{MARKERS[1]}", mail=MARKERS[3],
        own_words=f"Ich bin {MARKERS[2]}.",
    )  # fmt: skip
    line = Line(key="name", label="Name", label_de="Name", value=MARKERS[0], value_de=MARKERS[0])
    secrets, keys = [], []
    for ends in ("completed", "withdrawn", "expired"):
        referral, token = actions.begin(
            session, keyring, region=REGION, language="ar", desk=office.desk, now=now
        )
        actions.write(session, keyring, referral, person, now=now)
        code = actions.submit(
            session, keyring, referral, agreed(line), text_version="1", days=days, now=now, words=words
        )
        secrets += [token, code, *code.split()]
        keys += [referral.key_sealed, referral.person_sealed]
        by = office.counsellor
        actions.accept(session, referral, by, now=now)
        actions.note_try(session, keyring, referral, by, note=MARKERS[2], now=now)
        for sender in (by, None):
            actions.message(
                session, keyring, referral, f"Hallo {MARKERS[0]}", organization_id=office.desk.organization_id,
                by=sender, days=days, now=now,
            )  # fmt: skip
        meeting = Meeting(start_at=now, minutes=30, place=MARKERS[4])
        actions.propose_appointment(session, keyring, referral, by, meeting, now=now, joint=True)
        asked = actions.propose_joint(session, referral, by, other.desk, now=now)
        actions.agree_joint(session, keyring, referral, asked, agreed(line), text_version="1", now=now)
        session.commit()
        if ends == "completed":
            actions.complete(
                session, keyring, referral, by, outcome=Outcome.ARRIVED, note=MARKERS[2], now=now,
                keep=timedelta(days=90),
            )  # fmt: skip
        elif ends == "withdrawn":
            actions.withdraw(session, referral, now=now)
        session.commit()
    slip_line = Line(key="own_words", label="-", label_de="-", value=MARKERS[5], value_de=MARKERS[5])
    situation = Situation(language="ar", lines=(slip_line,), service_name="Empfang")
    slip = slips.create(session, keyring, region=REGION, situation=situation, words=words, now=now)
    secrets += [slip, *slip.split()]
    session.commit()
    kept = everything(engine)
    assert keys[0] in kept, "the scan finds what is there"
    assert keys[2] not in kept or engine.dialect.name == "sqlite", "withdrawn: at once"
    for secret in (*MARKERS, *secrets):
        assert secret.encode() not in kept, "never in clear, not even before"
    notices.deliver(session_factory(engine), keyring, Sender(), now=lambda: now)

    for moment in (now + timedelta(days=200), now + timedelta(days=240)):
        retention.run(session, now=moment)
        session.commit()
        assert not retention.run(session, now=moment), "idempotent"
        session.commit()
    session.close()
    with engine.connect() as connection:
        assert retention.scrub(connection)
    left = everything(engine)
    for secret in (*MARKERS, *secrets):
        assert secret.encode() not in left
        assert secret not in caplog.text
    for sealed in keys:
        assert sealed not in left
    with Session(engine) as own:
        assert own.exec(select(Referral)).all() == []
        assert own.exec(select(Notice).where(col(Notice.to_person))).all() == []
        totals = counts.totals(own, REGION, None, since=now.date())[office.desk.organization_id]
        assert totals["outcome:arrived"] == totals["outcome:withdrawn"] == totals["expired"] == 1
