"""Referrals a second: begun, written and sent by young people, accepted and answered by teams, at a given rate.

    python -m bench.referrals [--seconds 60] [--rate 50] [--sqlite-rate 10] [--threads 8]

Each referral is what the pages do: three transactions of the young person (begin, write, submit). For every fourth a
counsellor accepts, both write, the inbox and the private page are read, each in a transaction of its own. Starts come
at fixed times whether the former ones are done or not, and a time is counted from when it should have started: waiting
is not left out. PostgreSQL (as it comes: every commit reaches the disk) and SQLite run one after the other.
"""

import argparse
import os
import queue
import statistics
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from sqlalchemy import func, select
from sqlmodel import Session, col

from portal.accounts.models import Role, RoleGrant, User
from portal.db import SessionFactory, make_engine, session_factory, session_scope, upgrade
from portal.referral import actions, queries
from portal.referral.actions import Counsellor
from portal.referral.choosing import Desk
from portal.referral.codes import load_words
from portal.referral.models import Message, Notice, Referral, Status, Team
from portal.referral.personal import Agreed, Line, Person
from portal.referral.promise import WorkingDays
from portal.referral.sealing import Keyring, new_key
from tests.databases import PostgresCluster, postgres_binaries
from tests.factories import REGION, a_region, a_service, an_organization

WORDS = load_words(Path(__file__).resolve().parent.parent / "content" / "words")
DAYS = WorkingDays("ST", ZoneInfo("Europe/Berlin"))
LANGUAGES = ("de", "ar", "uk", "en")
TEAMS = 12
ANSWERED = 4
"""Every how many-th referral a team answers while others come in."""
TEXT = "Ich habe keinen Abschluss und möchte wissen, was jetzt noch geht. Am liebsten nachmittags. " * 3
AGREED = Agreed(
    statement="أوافق على أن يحصل هذا المكتب على هذا النص. " * 6,
    statement_de="Ich bin einverstanden, dass diese Stelle diesen Text bekommt. " * 6,
    lines=tuple(
        Line(key=f"answer:{number}", label="السؤال", label_de="Frage", value=TEXT[:80], value_de=TEXT[:80])
        for number in range(8)
    ),
)


@dataclass(frozen=True)
class Office:
    desk: Desk
    counsellor: Counsellor


@dataclass
class Measured:
    """Filled by all threads; appending is atomic."""

    sent: list[float] = field(default_factory=list)
    """Seconds from when a referral should have begun until it was sent."""
    answered: list[float] = field(default_factory=list)
    """Seconds for accept, two messages, inbox and private page."""
    errors: Counter[str] = field(default_factory=Counter)
    took: float = 0.0
    busy: float = 0.0
    """Seconds of a processor that this program used."""

    def row(self, name: str, rate: float) -> str:
        def at(times: list[float]) -> str:
            if len(times) < 2:
                return "– | –"
            return (
                f"{statistics.median(times) * 1000:.0f} | {statistics.quantiles(times, n=20)[-1] * 1000:.0f}"
            )

        held = len(self.sent) / self.took
        errors = ", ".join(f"{number} {kind}" for kind, number in self.errors.items()) or "0"
        return (
            f"| {name} | {rate:g} | {held:.1f} | {len(self.sent)} | {len(self.answered)} | {errors} "
            f"| {at(self.sent)} | {at(self.answered)} |"
        )


def offices(session: Session) -> list[Office]:
    now = datetime.now(UTC)
    a_region(session)
    found = []
    for number in range(TEAMS):
        slug = f"stelle-{number}"
        organization = an_organization(session, slug=slug)
        service = a_service(session, slug=f"{slug}-empfang", organization=organization)
        user = User(email=f"{slug}@example.org", name=slug, password_hash="x", created_at=now)
        session.add(user)
        session.flush()
        session.add(
            RoleGrant(
                user_id=user.id, role=Role.COUNSELLOR.value, organization_id=organization.id, granted_at=now
            )
        )
        session.add(Team(organization_id=organization.id, region=REGION, accepts=True, changed_at=now))
        session.flush()
        found.append(
            Office(Desk(service.id, organization.id), Counsellor(user.id, frozenset({organization.id})))
        )
    return found


class Portal:
    """One installation with its people."""

    def __init__(self, sessions: SessionFactory, found: list[Office]) -> None:
        self.sessions = sessions
        self.offices = found
        self.keyring = Keyring([new_key()])

    def send(self, number: int) -> str:
        """Three pages of a young person; returns the receipt code."""
        language, desk = LANGUAGES[number % len(LANGUAGES)], self.offices[number % TEAMS].desk
        with session_scope(self.sessions) as session:
            _referral, token = actions.begin(
                session, self.keyring, region=REGION, language=language, desk=desk, now=datetime.now(UTC)
            )
        with session_scope(self.sessions) as session:
            referral = actions.draft(session, self.keyring, token, now=datetime.now(UTC))
            person = Person(name="Sternchen", own_words=TEXT)
            actions.write(session, self.keyring, referral, person, now=datetime.now(UTC))
        with session_scope(self.sessions) as session:
            referral = actions.draft(session, self.keyring, token, now=datetime.now(UTC))
            return actions.submit(
                session,
                self.keyring,
                referral,
                AGREED,
                text_version="bench",
                days=DAYS,
                now=datetime.now(UTC),
                words=WORDS.get(language),
                shown_desk=desk,
            )

    def answer(self, number: int, code: str) -> None:
        office = self.offices[number % TEAMS]
        by, organization_id = office.counsellor, office.desk.organization_id
        with session_scope(self.sessions) as session:
            now = datetime.now(UTC)
            queries.inbox(session, by.organizations, today=DAYS.today(now), now=now)
            referral = queries.by_code(session, self.keyring, code)
            actions.accept(session, referral, by, now=now)
        for author in (by, None):
            with session_scope(self.sessions) as session:
                referral = queries.by_code(session, self.keyring, code)
                actions.message(
                    session,
                    self.keyring,
                    referral,
                    TEXT,
                    organization_id=organization_id,
                    by=author,
                    days=DAYS,
                    now=datetime.now(UTC),
                )
        with session_scope(self.sessions) as session:
            referral = queries.by_code(session, self.keyring, code)
            queries.for_person(session, self.keyring, referral)


def drive(portal: Portal, rate: float, seconds: float, threads: int) -> Measured:
    measured = Measured()
    jobs: queue.SimpleQueue[tuple[int, float] | None] = queue.SimpleQueue()

    def work() -> None:
        while (job := jobs.get()) is not None:
            number, due = job
            try:
                code = portal.send(number)
                sent = time.perf_counter()
                measured.sent.append(sent - due)
                if number % ANSWERED == 0:
                    portal.answer(number, code)
                    measured.answered.append(time.perf_counter() - sent)
            except Exception as error:
                measured.errors[type(error).__name__] += 1

    workers = [threading.Thread(target=work) for _ in range(threads)]
    for worker in workers:
        worker.start()
    began, busy = time.perf_counter(), time.process_time()
    for number in range(int(rate * seconds)):
        due = began + number / rate
        time.sleep(max(0.0, due - time.perf_counter()))
        jobs.put((number, due))
    for _ in workers:
        jobs.put(None)
    for worker in workers:
        worker.join()
    # The last one begins 1/rate before the end.
    measured.took = max(time.perf_counter() - began, seconds)
    measured.busy = time.process_time() - busy
    return measured


def lost(portal: Portal, measured: Measured) -> str:
    """What the database says afterwards, beside what was counted: nothing lost, nothing doubled."""
    with portal.sessions() as session:
        number = session.execute(
            select(func.count()).where(col(Referral.status) != Status.DRAFT.value)
        ).scalar_one()
        codes = session.execute(select(func.count(func.distinct(col(Referral.code_lookup))))).scalar_one()
        messages = session.execute(select(func.count(col(Message.id)))).scalar_one()
        notices = session.execute(select(func.count(col(Notice.id)))).scalar_one()
    if measured.errors:
        verdict = "not compared, because there were errors"
    elif number == codes == len(measured.sent) and messages == 2 * len(measured.answered):
        verdict = "as counted"
    else:
        verdict = "NOT as was counted"
    return f"{number} referrals with {codes} codes, {messages} messages, {notices} notices: {verdict}"


@contextmanager
def opened(url: str, threads: int) -> Iterator[Portal]:
    options = {"pool_size": threads, "max_overflow": 2}
    engine = make_engine(url, **options)
    try:
        upgrade(engine)
        sessions = session_factory(engine)
        with session_scope(sessions) as session:
            found = offices(session)
        yield Portal(sessions, found)
    finally:
        engine.dispose()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--rate", type=float, default=50, help="referrals a second on PostgreSQL")
    parser.add_argument("--sqlite-rate", type=float, default=10)
    parser.add_argument("--threads", type=int, default=8)
    chosen = parser.parse_args()
    with ExitStack() as stack:
        runs = [
            (
                "SQLite",
                f"sqlite:///{stack.enter_context(tempfile.TemporaryDirectory())}/bench.sqlite3",
                chosen.sqlite_rate,
            )
        ]
        binaries = postgres_binaries()
        if binaries is None:
            print("PostgreSQL is not installed")
        else:
            cluster = PostgresCluster(binaries, "-c listen_addresses=''")
            stack.callback(cluster.stop)
            cluster.start()
            runs.insert(0, ("PostgreSQL", stack.enter_context(cluster.database()), chosen.rate))
        print(
            "| database | wanted/s | held/s | sent | answered | errors | sent: p50 ms | p95 | answered: p50 | p95 |"
        )
        print(f"|{'---|' * 10}")
        notes = []
        for name, url, rate in runs:
            with opened(url, chosen.threads) as portal:
                measured = drive(portal, rate, chosen.seconds, chosen.threads)
                print(measured.row(name, rate), flush=True)
                cores, load = measured.busy / measured.took, os.getloadavg()[0]
                notes.append(
                    f"{name}: {cores:.2f} of {os.cpu_count()} cores were this program's, load {load:.1f}; "
                    f"{lost(portal, measured)}"
                )
        print("", *notes, sep="\n")
        if not all(note.endswith("as counted") for note in notes):
            sys.exit(1)


if __name__ == "__main__":
    main()
