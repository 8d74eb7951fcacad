"""Looking at addresses: against a web server and a name server of the test's own."""

import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from sqlalchemy import Engine
from sqlmodel import Session, select

from portal.catalogue import addresses_check as addresses
from portal.catalogue.addresses_check import Checker, Result
from portal.catalogue.models import CheckedAddress, Service
from portal.db import session_factory
from tests.factories import REGION, a_location, a_service, an_organization

TODAY = date(2026, 11, 20)


class Website:
    """Answers `/200`, `/404` … with that status, `/to/PATH` with a redirect, `/slow` not at all, `/drip` by letters."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []
        self.headers: list[dict[str, str]] = []
        self.at_once = self.most_at_once = 0
        self._lock = threading.Lock()
        self.done = threading.Event()
        site = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                with site._lock:
                    site.asked.append((self.command, self.path))
                    site.headers.append(dict(self.headers))
                    site.at_once += 1
                    site.most_at_once = max(site.most_at_once, site.at_once)
                try:
                    site.answer(self)
                except OSError:
                    pass  # The other side has hung up, as it should.
                finally:
                    with site._lock:
                        site.at_once -= 1

            do_HEAD = do_GET  # noqa: N815 (named by the base class)

            def log_message(self, *arguments: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        path = handler.path.partition("?")[0]
        if path.startswith("/to/"):
            handler.send_response(302)
            handler.send_header("Location", handler.path.removeprefix("/to"))
        elif path == "/round":
            handler.send_response(301)
            handler.send_header("Location", "/round")
        elif path == "/inside":
            handler.send_response(302)
            handler.send_header("Location", "http://10.0.0.1/secret")
        elif path == "/slow":
            self.done.wait(10)
            return
        elif path == "/drip":
            for _ in range(100):
                handler.wfile.write(b"H")
                handler.wfile.flush()
                if self.done.wait(0.1):
                    return
            return
        elif path == "/rude":
            handler.wfile.write(b"I do not speak HTTP\r\n\r\n")
            return
        else:
            handler.send_response(int(path[1:]) if path[1:].isdigit() else 200)
        handler.send_header("Content-Length", "2")
        handler.end_headers()
        handler.wfile.write(b"ok")

    def url(self, path: str, host: str = "site.test") -> str:
        return f"http://{host}:{self.server.server_port}{path}"


@pytest.fixture
def website() -> Iterator[Website]:
    site = Website()
    yield site
    site.done.set()
    site.server.shutdown()
    site.server.server_close()


def names(host: str, port: int) -> list[tuple[int, tuple[Any, ...]]]:
    """A name server: what ends in `.test` is this machine, `mail-only.test` has no machine, others do not exist."""
    if host == "mail-only.test":
        raise socket.gaierror(socket.EAI_NODATA, "no address")
    if host == "dark.test":
        raise socket.gaierror(socket.EAI_AGAIN, "try again")
    if host.endswith(".test"):
        return [(socket.AF_INET, ("127.0.0.1", port))]
    if host[0].isdigit():
        return [(socket.AF_INET, (host, port))]
    raise socket.gaierror(socket.EAI_NONAME, "unknown")


@pytest.fixture
def checker() -> Checker:
    return Checker("Anlauf link check (Anlauf Tal)", private=True, pause=0, timeout=0.5, resolve=names)


@pytest.mark.parametrize(
    ("path", "problem"),
    [
        ("/200", None),
        ("/to/to/200", None),
        ("/to/404", "not_found"),
        ("/404", "not_found"),
        ("/410", "not_found"),
        ("/400", "refused"),
        ("/403", None),
        ("/429", None),
        ("/500", "server_error"),
        ("/round", "redirects"),
        ("/slow", "timeout"),
        ("/rude", "not_understood"),
        ("/ümlaut?q=ä ß", None),
    ],
)
def test_web_addresses(website: Website, checker: Checker, path: str, problem: str | None) -> None:
    assert checker.url(website.url(path)) == problem


def test_whoever_answers_letter_by_letter_does_not_keep_us(website: Website, checker: Checker) -> None:
    began = time.monotonic()
    assert checker.url(website.url("/drip")) in ("no_answer", "not_understood")
    assert time.monotonic() - began < 5


def test_the_portal_names_itself_and_reads_little(website: Website, checker: Checker) -> None:
    checker.url(website.url("/200"))
    assert website.asked == [("GET", "/200")]
    sent = website.headers[0]
    assert sent["User-Agent"] == "Anlauf link check (Anlauf Tal)"
    assert sent["Range"].startswith("bytes=0-")
    assert "Cookie" not in sent
    assert "Referer" not in sent


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("http://unknown.example/", "no_such_host"),
        ("http://mail-only.test/", "no_such_host"),
        ("ftp://site.test/", "malformed"),
        ("http://", "malformed"),
        ("http://site.test:99999/", "malformed"),
        ("http://[", "malformed"),
        ("http://" + "a" * 70 + ".test/", "malformed"),
    ],
)
def test_addresses_that_lead_nowhere(checker: Checker, url: str, problem: str) -> None:
    assert checker.url(url) == problem


def test_a_closed_door(checker: Checker) -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        assert checker.url(f"http://site.test:{held.getsockname()[1]}/") == "no_answer"


def test_a_website_without_encryption_where_some_was_promised(website: Website, checker: Checker) -> None:
    assert checker.url(website.url("/200").replace("http:", "https:")) in (
        "no_secure_connection",
        "no_answer",
    )


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "0.0.0.0", "100.64.0.1",
        "224.0.0.1", "::1", "fe80::1%eth0", "fd00::1", "::ffff:10.0.0.1", "::ffff:127.0.0.1", "64:ff9b::7f00:1",
        "2002:a00:1::", "ff02::1", "::",
    ],
)  # fmt: skip
def test_nothing_inside_is_ever_asked(website: Website, host: str) -> None:
    def inside(name: str, port: int) -> list[tuple[int, tuple[Any, ...]]]:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return [(socket.AF_INET, ("93.184.216.34", port)), (family, (host, port))]

    assert not addresses.is_public(host)
    careful = Checker("x", pause=0, timeout=0.5, resolve=inside)
    assert careful.url(website.url("/200", "friendly.example")) == "private"
    assert website.asked == []


@pytest.mark.parametrize(
    "host", ["93.184.216.34", "2606:2800:220:1:248:1893:25c8:1946", "64:ff9b::5db8:d822"]
)
def test_what_is_public_is_public(host: str) -> None:
    assert addresses.is_public(host)


def test_a_redirect_into_the_own_network_is_not_followed(
    website: Website, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first step is public (as the test says), the second is not."""
    monkeypatch.setattr(addresses, "is_public", lambda address: address == "127.0.0.1")
    careful = Checker("x", pause=0, timeout=0.5, resolve=names)
    assert careful.url(website.url("/inside")) == "private"
    assert len(website.asked) == 1


def test_the_name_is_looked_up_once_and_not_again_when_connecting(website: Website) -> None:
    looked_up = []

    def counting(host: str, port: int) -> list[tuple[int, tuple[Any, ...]]]:
        looked_up.append(host)
        return names(host, port)

    Checker("x", private=True, pause=0, timeout=0.5, resolve=counting).url(website.url("/200"))
    assert looked_up == ["site.test"]


@pytest.mark.parametrize(
    ("email", "problem"),
    [
        ("a@site.test", None),
        ("a@mail-only.test", None),
        ("a@unknown.example", "no_such_host"),
        ("nobody@", "malformed"),
    ],
)
def test_mail_domains(checker: Checker, email: str, problem: str | None) -> None:
    assert checker.email(email) == problem


def test_when_the_name_server_is_silent_nothing_is_said(checker: Checker) -> None:
    for kind, value in (("url", "http://dark.test/"), ("email", "a@dark.test")):
        with pytest.raises(addresses.Unknown):
            checker.check(kind, value)


def test_phone_numbers() -> None:
    real = Checker("x")
    assert real.phone("03941 597030") is None
    assert real.phone("112") is None
    assert real.phone("597030") == "not_a_number"
    assert Checker("x", fictional=True).phone("030 23125 123") is None
    assert real.phone("030 23125 123") == "not_a_number"


def test_one_at_a_time_at_each_machine_with_a_pause(website: Website, checker: Checker) -> None:
    checker.pause = 0.15
    wanted = [("url", website.url(f"/200?{number}")) for number in range(4)]
    began = time.monotonic()
    results = list(addresses.look(checker, wanted))
    assert time.monotonic() - began >= 0.45
    assert website.most_at_once == 1
    assert {result.value for result in results} == {value for _kind, value in wanted}
    assert {result.problem for result in results} == {None}


def test_what_did_not_answer_is_asked_once_more(website: Website, checker: Checker) -> None:
    wanted = [("url", website.url(path)) for path in ("/500", "/404", "/200")]
    results = list(addresses.look(checker, wanted))
    assert {result.value[-3:]: result.problem for result in results} == {
        "500": "server_error",
        "404": "not_found",
        "200": None,
    }
    assert Counter(path for _method, path in website.asked) == {"/500": 2, "/404": 1, "/200": 1}


# The catalogue.


@pytest.fixture
def catalogue(session: Session) -> Session:
    office = an_organization(
        session, "office", website="https://office.example/", email="info@office.example",
        phones=({"number": "0800 1110111"},),
    )  # fmt: skip
    house = a_location(session, "house", organization=office, phones=({"number": "0800 1110222"},))
    a_service(
        session,
        "a",
        organization=office,
        url="https://office.example/",
        email="a@office.example",
        phones=({"number": "0800 1110333"},),
        contacts=(
            {"name": "Empfang", "email": "desk@office.example", "phones": ({"number": "0800 1110444"},)},
        ),
        locations=({"location": house.slug, "phones": ({"number": "0800 1110555"},)},),
    )
    gone = a_service(session, "gone", organization=office, url="https://gone.example/")
    gone.status = "archived"
    session.add(gone)
    session.commit()
    return session


def test_every_address_in_use_is_found_once(catalogue: Session) -> None:
    assert sorted(addresses.waiting(catalogue, REGION)) == [
        ("email", "a@office.example"),
        ("email", "desk@office.example"),
        ("email", "info@office.example"),
        *(("phone", f"0800 1110{number}") for number in (111, 222, 333, 444, 555)),
        ("url", "https://office.example/"),
    ]
    assert addresses.waiting(catalogue, REGION, kinds=["url"]) == [("url", "https://office.example/")]


def test_those_not_looked_at_for_longest_come_first(catalogue: Session, now: datetime) -> None:
    emails = [value for _kind, value in addresses.waiting(catalogue, REGION, kinds=["email"])]
    for age, value in enumerate(emails[:2]):
        addresses.record(
            catalogue, REGION, Result("email", value, None), today=TODAY, now=now - timedelta(days=age)
        )
    found = addresses.waiting(catalogue, REGION, kinds=["email"])
    assert [value for _kind, value in found] == [emails[2], emails[1], emails[0]]
    assert len(addresses.waiting(catalogue, REGION, kinds=["email"], limit=2)) == 2


def note(session: Session, now: datetime, kind: str, value: str, problem: str | None, days: int = 0) -> None:
    addresses.record(
        session, REGION, Result(kind, value, problem),
        today=TODAY + timedelta(days=days), now=now + timedelta(days=days),
    )  # fmt: skip


def test_a_problem_keeps_its_first_day(catalogue: Session, now: datetime) -> None:
    url = "https://office.example/"

    def row() -> CheckedAddress:
        found = catalogue.get(CheckedAddress, (REGION, "url", url))
        assert found is not None
        return found

    for days, problem, since in (
        (0, None, None),
        (1, "timeout", TODAY + timedelta(days=1)),
        (2, "not_found", TODAY + timedelta(days=1)),
        (3, None, None),
        (4, "not_found", TODAY + timedelta(days=4)),
    ):
        note(catalogue, now, "url", url, problem, days)
        assert (row().problem, row().since) == (problem, since)
        assert row().checked_at == now + timedelta(days=days)


def test_the_list_names_every_entry_that_uses_the_address(catalogue: Session, now: datetime) -> None:
    note(catalogue, now, "url", "https://office.example/", "not_found")
    note(catalogue, now, "phone", "0800 1110222", "not_a_number", 1)
    note(catalogue, now, "email", "a@office.example", None)
    note(catalogue, now, "url", "https://gone.example/", "timeout")
    first, second = addresses.broken(catalogue, REGION)
    assert (first.value, first.problem, first.since) == ("https://office.example/", "not_found", TODAY)
    assert [(use.entity, use.slug) for use in first.uses] == [("organization", "office"), ("service", "a")]
    assert [(use.entity, use.slug) for use in second.uses] == [("location", "house")]
    assert addresses.numbers_broken(catalogue, REGION) == {"url": 1, "email": 0, "phone": 1}
    assert [found.kind for found in addresses.broken(catalogue, REGION, kind="phone")] == ["phone"]
    assert [found.kind for found in addresses.broken(catalogue, REGION, limit=1, offset=1)] == ["phone"]
    stranger = an_organization(catalogue)
    assert addresses.broken(catalogue, REGION, organizations=[stranger.id]) == []
    assert addresses.last_look(catalogue, REGION) == now + timedelta(days=1)
    assert addresses.forget_unused(catalogue, REGION) == 1
    assert len(catalogue.exec(select(CheckedAddress)).all()) == 3


def test_looking_keeps_what_was_seen(catalogue: Session, engine: Engine, now: datetime) -> None:
    def public(host: str, port: int) -> list[tuple[int, tuple[Any, ...]]]:
        return [(socket.AF_INET, ("127.0.0.1", port))]

    checker = Checker("x", fictional=True, private=True, pause=0, timeout=0.5, resolve=public)
    wanted = addresses.waiting(catalogue, REGION, kinds=["email", "phone"])
    found = addresses.look_and_record(session_factory(engine), REGION, checker, wanted, today=TODAY, now=now)
    assert len(found) == 8
    assert {row.problem for row in catalogue.exec(select(CheckedAddress)).all()} == {None}


@pytest.mark.parametrize("error", [socket.EAI_NONAME, socket.EAI_AGAIN])
def test_without_a_network_no_address_is_blamed(
    catalogue: Session, engine: Engine, now: datetime, error: int
) -> None:
    def dead(host: str, port: int) -> list[tuple[int, tuple[Any, ...]]]:
        raise socket.gaierror(error, "no network")

    checker = Checker("x", fictional=True, pause=0, timeout=0.5, resolve=dead)
    wanted = addresses.waiting(catalogue, REGION)
    with pytest.raises(addresses.NetworkDown):
        addresses.look_and_record(session_factory(engine), REGION, checker, wanted, today=TODAY, now=now)
    assert {row.kind for row in catalogue.exec(select(CheckedAddress)).all()} == {"phone"}


def test_a_single_dead_domain_is_believed(catalogue: Session, engine: Engine, now: datetime) -> None:
    def dead(host: str, port: int) -> list[tuple[int, tuple[Any, ...]]]:
        raise socket.gaierror(socket.EAI_NONAME, "unknown")

    checker = Checker("x", pause=0, timeout=0.5, resolve=dead)
    wanted = addresses.waiting(catalogue, REGION, kinds=["url"])
    addresses.look_and_record(session_factory(engine), REGION, checker, wanted, today=TODAY, now=now)
    (row,) = catalogue.exec(select(CheckedAddress)).all()
    assert (row.problem, row.since) == ("no_such_host", TODAY)


def test_a_service_takes_its_address_along(catalogue: Session, now: datetime) -> None:
    """What is corrected is no longer on the list, before the next look."""
    note(catalogue, now, "email", "a@office.example", "no_such_host")
    service = catalogue.exec(select(Service).where(Service.slug == "a")).one()
    service.email = "b@office.example"
    catalogue.add(service)
    catalogue.flush()
    assert addresses.broken(catalogue, REGION) == []
