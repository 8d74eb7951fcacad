"""What is erased is gone: from tables, files, the log of SQLite, the outbox, mails and logs.

Everything is done through the pages, on a clock half a year ago, so that the command itself finds it due.
"""

import logging
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import LargeBinary, func, select
from sqlmodel import Session, col
from werkzeug.test import TestResponse

from portal.accounts import passwords
from portal.accounts.models import User
from portal.config import Settings
from portal.db import Table
from portal.referral.choosing import Desk
from portal.referral.models import CaseTalk, Notice, Referral, Slip, Status
from portal.web import chores, mail
from portal.web.application import Portal, build
from portal.web.public.check import ANSWERS
from portal.web.serving import prepare
from tests.databases import PostgresCluster
from tests.test_cli import invoke
from tests.web.conftest import SECRET
from tests.web.pages import Page, PageClient, text_of
from tests.web.test_contact_me import DESK, REACH, code_of, filled, staff

PASSWORD = "vier bunte Socken im Wind"
LONG_AGO = datetime.now(UTC).replace(hour=9, minute=0, second=0) - timedelta(days=200)
CHUNK = 16
"""Bytes of cipher text that are looked for: a value may be cut where a page of the database ends."""


@dataclass(frozen=True)
class Marks:
    """Words that stand nowhere else."""

    name: str
    phone: str
    words: str
    asked: str
    answered: str
    tried: str
    place: str
    ended: str

    @classmethod
    def of(cls, one: str, phone: str) -> "Marks":
        return cls(f"Zarquine{one}", phone, *(f"{word}{one}" for word in WORDS))

    @property
    def mail(self) -> str:
        return f"{self.name.lower()}@marker.example"

    @property
    def all(self) -> list[str]:
        number = self.phone.replace(" ", "").lstrip("0")
        return [self.name, self.mail, self.phone, number, *(getattr(self, one) for one in MARKED)]


MARKED = ("words", "asked", "answered", "tried", "place", "ended")
WORDS = ("Quittenmus", "Fledermausfrage", "Eulenantwort", "Dachsnotiz", "Mardersteig", "Igelende")


@dataclass
class Site:
    app: Flask
    settings: Settings
    seen: list[TestResponse] = field(default_factory=list)
    """Every answer, for its address and its headers."""
    cookies: list[str] = field(default_factory=list)
    known: set[bytes] = field(default_factory=set)
    """Every sealed value and every fingerprint of a code that ever stood in a table."""

    @property
    def portal(self) -> Portal:
        found: Portal = self.app.extensions["portal"]
        return found

    def session(self) -> Session:
        return self.portal.store.sessions()

    def client(self) -> PageClient:
        client = PageClient(self.app)
        real = client.client.open

        def open_(*arguments: Any, **named: Any) -> TestResponse:
            answer = real(*arguments, **named)
            self.seen.append(answer)
            self.known |= self.sealed()
            if not answer.request.path.startswith("/admin"):
                with client.client.session_transaction() as cookie:
                    self.cookies.append(repr(dict(cookie)))
            return answer

        client.client.open = open_  # type: ignore[method-assign]
        return client

    def sealed(self) -> set[bytes]:
        """What stands in the tables now."""
        found = set()
        with self.session() as session:
            for table in Table.metadata.sorted_tables:
                columns = [
                    one
                    for one in table.c
                    if isinstance(one.type, LargeBinary) or one.name.endswith("_lookup")
                ]
                if columns and table.name.startswith(("referral", "case_talk")):
                    for row in session.execute(select(*columns)):
                        found |= {one.encode() if isinstance(one, str) else bytes(one) for one in row if one}
        return found

    def everything(self) -> bytes:
        """All files below the data folder, and all rows of all tables."""
        files = [path for path in sorted(self.settings.data_dir.rglob("*")) if path.is_file()]
        found = [path.read_bytes() for path in files]
        with self.session() as session:
            for table in Table.metadata.sorted_tables:
                if not table.name.startswith(("place", "service", "organization", "location", "translation")):
                    for row in session.execute(table.select()):
                        found += [one if isinstance(one, bytes) else str(one).encode() for one in row]
        return b"\n".join(found)

    def left(self, values: set[bytes]) -> list[bytes]:
        """Those of which any piece is still somewhere."""
        everything = self.everything()
        return [
            value
            for value in values
            if any(value[at : at + CHUNK] in everything for at in range(0, len(value) - CHUNK + 1, CHUNK))
        ]


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def site(
    request: pytest.FixtureRequest,
    prepared: Callable[[str], Settings],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Site]:
    monkeypatch.setattr(mail, "in_background", lambda work: work())
    folder = tmp_path / "data"
    if request.param == "sqlite":
        source = prepared("musterkreis")
        shutil.copytree(source.data_dir, folder)
        yield from _open(source.model_copy(update={"data_dir": folder, "log_level": "DEBUG"}))
        return
    cluster: PostgresCluster = request.getfixturevalue("postgres")
    with cluster.database() as url:
        settings = Settings(
            secret_key=SECRET, region="musterkreis", data_dir=folder, database_url=url, log_level="DEBUG"
        )
        prepare(settings, lambda line: None)
        yield from _open(settings)


def _open(settings: Settings) -> Iterator[Site]:
    made = Site(build(settings, now=lambda: LONG_AGO), settings)
    yield made
    logging.getLogger("portal").setLevel(logging.INFO)
    made.portal.store.engine.dispose()


# -- what people do ----------------------------------------------------------------------------------------------------


def at_the_office(site: Site) -> tuple[Desk, PageClient]:
    """A counsellor of the desk, signed in."""
    with site.session() as session:
        desk, by = staff(session)
        user = session.get_one(User, by.user_id)
        user.password_hash = passwords.hashed(PASSWORD)
        session.add(user)
        session.commit()
        email = user.email
    office = site.client()
    page = parse(office.get("/admin/sign-in"))
    answer = office.post("/admin/sign-in", {**hidden(page, "sign-in"), "email": email, "password": PASSWORD})
    assert answer.status_code == 303, answer.get_data(as_text=True)
    return desk, office


def parse(answer: TestResponse) -> Page:
    from bs4 import BeautifulSoup

    assert answer.status_code == 200, answer.get_data(as_text=True)[-1000:]
    return Page(BeautifulSoup(answer.get_data(as_text=True), "html5lib"), answer, answer.request.path)


def hidden(page: Page, part: str) -> dict[str, str]:
    """The hidden fields of the form that is sent to an address with that end."""
    form = next(
        one
        for one in page.all("main form")
        if str(one.get("method")).lower() == "post"
        and str(one.get("action") or page.path).rstrip("/").endswith(part)
    )
    return {str(one["name"]): str(one["value"]) for one in form.select("input[type=hidden]")}


def acts(office: PageClient, path: str, deed: str, **typed: str) -> None:
    fields = hidden(parse(office.get(path)), deed)
    answer = office.post(f"{path}/{deed}", {**fields, **{f"{deed}-{name}": to for name, to in typed.items()}})
    assert answer.status_code == 303, answer.get_data(as_text=True)[-2000:]


def does(young: PageClient, what: str, **typed: str) -> TestResponse:
    page = young.page("/de/mine/withdraw" if what == "withdraw" else "/de/mine")
    return young.post(f"/de/mine/{what}", {**hidden(page, f"/mine/{what}"), **typed})


def asks(site: Site, marks: Marks) -> tuple[PageClient, str, str]:
    """Sent: the young person, the code, and the address for the office."""
    young = site.client()
    page = young.page(f"/de/contact-me?desk={DESK}")
    reach = {"name": marks.name, "channel": ["mail", "phone"], "phone": marks.phone, "mail": marks.mail}
    young.post("/de/contact-me", filled(page, **{**REACH, **reach}))
    page = young.page("/de/contact-me/tell")
    young.post("/de/contact-me/tell", filled(page, own_words=marks.words))
    answer = young.post("/de/contact-me/consent", filled(young.page("/de/contact-me/consent")))
    code = code_of(answer.get_data(as_text=True))
    with site.session() as session:
        newest = select(Referral).where(col(Referral.status) == Status.REQUESTED.value)
        referral = session.execute(newest).scalar_one()
        return young, code, f"/admin/referrals/{referral.id}"


def goes_on(young: PageClient, office: PageClient, path: str, marks: Marks) -> None:
    """Messages both ways, a try, an appointment."""
    acts(office, path, "accept")
    acts(office, path, "try", note=marks.tried)
    acts(office, path, "message", text=marks.answered)
    day = (LONG_AGO + timedelta(days=4)).date().isoformat()
    acts(office, path, "appointment", day=day, time="14:30", minutes="30", place=marks.place, note="")
    page = young.page("/de/mine")
    for words in (marks.answered, marks.place):
        assert words in page.text
    assert does(young, "message", text=marks.asked).status_code == 303
    assert does(young, "appointment", answer="yes").status_code == 303
    assert does(young, "appointment.ics").status_code == 200
    assert does(young, "data.json").status_code == 200
    page = parse(office.get(path))
    for words in (marks.name, marks.words, marks.asked, marks.tried):
        assert words in page.text


def a_slip(site: Site, office: PageClient) -> str:
    young = site.client()
    with young.client.session_transaction() as cookie:
        cookie[ANSWERS] = {"who": ["me"], "topic": ["money"], "age": ["age_15_17"]}
    page = young.page("/de/slip")
    assert (
        young.post("/de/slip", filled(page, tell=["answer:topic"], also=["accompanied"])).status_code == 303
    )
    code = text_of(young.page("/de/slip/code").one("article h2"))
    fields = hidden(parse(office.get("/admin/slip")), "slip")
    assert "Jemand kommt mit" in parse(office.post("/admin/slip", {**fields, "code": code})).text
    return code


def a_case_talk(office: PageClient, path: str, marks: Marks) -> str:
    new = f"/admin/case-talks/new?referral={path.rpartition('/')[2]}"
    fields = hidden(parse(office.get(new)), "create")
    sheet = {
        "title": marks.ended,
        "question": f"Wie geht es weiter? {marks.tried}",
        "situation": f"Jemand sucht eine Lehre. {marks.asked}",
        "tried": "",
    }
    answer = office.post("/admin/case-talks/create", {**fields, **sheet})
    assert answer.status_code == 303, answer.get_data(as_text=True)[-3000:]
    return str(answer.location)


def prepares(office: PageClient, desk: Desk, marks: Marks) -> None:
    fields = hidden(parse(office.get("/admin/referrals/prepare")), "draft")
    typed = {
        "desk": str(desk.service_id),
        "language": "de",
        "name": marks.name,
        "channels": ["phone"],
        "phone": marks.phone,
        "own_words": marks.words,
    }
    answer = office.post("/admin/referrals/prepare/draft", {**fields, **typed})
    assert answer.status_code == 303, answer.get_data(as_text=True)[-2000:]


def retention_run(site: Site) -> str:
    """`portal retention run`, today; what it says."""
    if site.settings.database_url:
        # The command leaves closing its connections to the end of its process, which a test does not have.
        done = chores.erase(site.portal.store, now=datetime.now(UTC))
        kinds = ("referrals", "drafts", "slips", "case_talks")
        return "erased: " + ", ".join(f"{done[kind]} {kind.replace('_', ' ')}" for kind in kinds)
    environ = {
        "PORTAL_SECRET_KEY": SECRET,
        "PORTAL_DATA_DIR": str(site.settings.data_dir),
        "PORTAL_REGION": "musterkreis",
    }
    run = invoke("retention", "run", environ=environ)
    assert run.exit_code == 0, run.output
    return run.output


# -- and what is left --------------------------------------------------------------------------------------------------


def test_nothing_is_left(site: Site, capfd: pytest.CaptureFixture[str]) -> None:
    first, second, third = (
        Marks.of("eins", "0340 7654321"),
        Marks.of("zwei", "0340 7654322"),
        Marks.of("drei", "0340 7654323"),
    )
    desk, office = at_the_office(site)

    withdrawing, code, path = asks(site, first)
    goes_on(withdrawing, office, path, first)
    talk = a_case_talk(office, path, first)
    of_first = site.known | site.sealed()
    codes = [code]

    # The second one stays for a while, so that what is gone of the first is not just everything.
    assert does(withdrawing, "withdraw").status_code == 303
    assert "zurückgenommen" in office.get(talk).get_data(as_text=True)
    staying, code, path = asks(site, second)
    codes.append(code)
    goes_on(staying, office, path, second)
    a_case_talk(office, path, second)
    slip_code = a_slip(site, office)
    prepares(office, desk, third)
    acts(office, path, "complete", outcome="arrived", note=second.ended)
    of_others = (site.known | site.sealed()) - of_first

    everything = site.everything()
    marks = [*first.all, *second.all, *third.all, *codes, slip_code]
    assert [mark for mark in marks if mark.encode() in everything] == [], "sealed from the beginning"
    assert len(of_first) > 10
    assert len(of_others) > 15
    mails = [path.read_bytes() for path in (site.settings.data_dir / "mail").glob("*.eml")]
    assert any(b"/de/mine" in one for one in mails), "the young people were told something"

    done = chores.erase(site.portal.store, now=LONG_AGO)
    assert done["unscrubbed"] == 0
    assert site.left(of_first) == [], "withdrawn: at once"
    with site.session() as session:
        (shell,) = session.execute(
            select(Referral).where(col(Referral.status) == Status.CANCELLED.value)
        ).scalars()
        assert (shell.key_sealed, shell.person_sealed, shell.code_lookup) == (None, None, None)
    assert len(site.left(site.sealed())) == len(site.sealed()) > 10, "what is not due is there"

    said = retention_run(site)
    assert "erased: 2 referrals, 1 drafts, 1 slips, 2 case talks" in said
    assert site.sealed() == set()
    assert site.left(of_first | of_others) == []
    everything = site.everything()
    assert [mark for mark in marks if mark.encode() in everything] == []
    with site.session() as session:
        for table in (Referral, Notice, Slip, CaseTalk):
            assert session.execute(select(func.count()).select_from(table)).scalar() == 0

    told = [*first.all, *second.all, *third.all, *codes]
    output = capfd.readouterr()
    for where in (output.out, output.err, said, *site.cookies):
        assert [mark for mark in [*told, *([] if "'slip'" in where else [slip_code])] if mark in where] == []
    for answer in site.seen:
        where = f"{answer.request.url}\n{answer.headers}"
        assert [mark for mark in [*told, slip_code] if mark in where] == []
        assert answer.headers["Cache-Control"] == "no-store", answer.request.path
