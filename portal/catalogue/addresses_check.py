"""Are the web addresses, mailboxes and phone numbers of the catalogue still good?

Web addresses are fetched as a polite visitor would: one at a time from each machine, without reading the page. Of a
mailbox only the domain is looked up; whether there is a box behind it, and whether somebody reads it, cannot be known
without writing. Phone numbers are checked for their form; nobody is rung up.

No address may lead this program into the network it runs in: only public addresses are connected to, and the connection
goes to the very address that was checked (OWASP, Server-Side Request Forgery).
"""

import http.client
import ipaddress
import random
import socket
import ssl
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Literal
from urllib.parse import quote, urljoin, urlsplit
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    CompoundSelect,
    Subquery,
    and_,
    delete,
    func,
    literal,
    select,
    tuple_,
    union_all,
)
from sqlmodel import Session, col

from portal.catalogue import checking
from portal.catalogue.models import (
    CheckedAddress,
    Contact,
    Location,
    Organization,
    Phone,
    Region,
    Service,
    ServiceAtLocation,
    Status,
)
from portal.catalogue.reading import CatalogueError
from portal.db import SessionFactory

Kind = Literal["url", "email", "phone"]
KINDS: tuple[Kind, ...] = ("url", "email", "phone")
TIMEOUT_SECONDS = 10.0
"""For each step; the whole answer may take three times as long."""
MOST_REDIRECTS = 5
PAUSE_SECONDS = 1.0
"""Between two requests to one machine."""
AT_ONCE = 4
"""Machines that are asked at the same time."""
NETWORK = frozenset({"no_such_host", "no_answer", "timeout"})
"""Problems that may also be ours: when nothing at all can be reached, they say nothing about the addresses."""
_ENOUGH_TO_DOUBT = 3
"""So many addresses without a single answer are no coincidence."""
_AT_A_TIME = 25
_SOMEBODY_IS_THERE = frozenset({401, 403, 405, 406, 416, 429, 451, 999})
"""Answers of machines that do not like to be asked by a program; a person may well see the page."""
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_PATH = "/%:@!$&'()*+,;=~-._"
_NAT64 = ipaddress.ip_network("64:ff9b::/96")

Address = tuple[Any, ...]
"""What `socket.connect` takes."""
Resolve = Callable[[str, int], list[tuple[int, Address]]]


class Unknown(Exception):
    """Nothing can be said today: the own name server did not answer."""


class NetworkDown(CatalogueError):
    """Nothing outside could be reached, so that the failures are not the fault of the addresses."""


class _Problem(Exception):
    def __init__(self, code: str) -> None:
        self.code = code
        super().__init__(code)


# Looking.


def resolve(host: str, port: int) -> list[tuple[int, Address]]:
    """Family and address of a machine. Raises socket.gaierror."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [(family, address) for family, _type, _protocol, _name, address in found]


def is_public(address: str) -> bool:
    """Whether an address belongs to the open internet, also the one that is wrapped into it."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        wrapped = ip.ipv4_mapped or ip.sixtofour or (ip.teredo[1] if ip.teredo else None)
        if ip in _NAT64:
            wrapped = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
        if wrapped is not None:
            return is_public(str(wrapped))
    return ip.is_global and not ip.is_multicast


class _Connection(http.client.HTTPConnection):
    """To an address that was looked up before, so that the name cannot lead elsewhere meanwhile."""

    def __init__(self, host: str, port: int, addresses: list[tuple[int, Address]], tls: bool) -> None:
        super().__init__(host, port, timeout=TIMEOUT_SECONDS)
        self._addresses = addresses
        self._tls = tls

    def connect(self) -> None:
        failure: OSError | None = None
        for family, address in self._addresses[:4]:
            connection = socket.socket(family, socket.SOCK_STREAM)
            connection.settimeout(self.timeout)
            try:
                connection.connect(address)
                if self._tls:
                    connection = ssl.create_default_context().wrap_socket(
                        connection, server_hostname=self.host
                    )
            except OSError as error:
                connection.close()
                failure = error
                if isinstance(error, ssl.SSLCertVerificationError):
                    break
            else:
                self.sock = connection
                return
        raise failure or OSError("no address")


@dataclass
class Checker:
    """Looks addresses up. The answer is None when all is well, else a code."""

    agent: str
    """Names the portal, so that whoever reads the log there knows who asks and why."""
    fictional: bool = False
    """A region with invented numbers."""
    private: bool = False
    """Also ask machines of the own network; for tests only."""
    pause: float = PAUSE_SECONDS
    timeout: float = TIMEOUT_SECONDS
    resolve: Resolve = resolve
    _turns: dict[str, threading.Lock] = field(default_factory=lambda: defaultdict(threading.Lock))
    _last: dict[str, float] = field(default_factory=dict)
    _guard: threading.Lock = field(default_factory=threading.Lock)

    def check(self, kind: str, value: str) -> str | None:
        """Raises Unknown."""
        return {"url": self.url, "email": self.email, "phone": self.phone}[kind](value)

    def phone(self, number: str) -> str | None:
        return "not_a_number" if checking.phone_problem(number, fictional=self.fictional) else None

    def email(self, address: str) -> str | None:
        """Looks only whether the domain exists: it may have a mailbox without a machine of its own."""
        domain = address.rpartition("@")[2]
        if not domain:
            return "malformed"
        try:
            self.resolve(_ascii(domain), 25)
        except _Problem as problem:
            return problem.code
        except socket.gaierror as error:
            return _lookup_problem(error, without_machine=None)
        return None

    def url(self, address: str) -> str | None:
        """Follow the address to its end."""
        try:
            for _step in range(MOST_REDIRECTS + 1):
                status, target = self._get(address)
                if status not in _REDIRECTS or not target:
                    return _status_problem(status)
                address = urljoin(address, target)
        except _Problem as problem:
            return problem.code
        return "redirects"

    def _get(self, address: str) -> tuple[int, str | None]:
        scheme, host, port, path = _parts(address)
        try:
            found = self.resolve(host, port)
        except socket.gaierror as error:
            raise _Problem(str(_lookup_problem(error, without_machine="no_such_host"))) from None
        if not self.private and not all(is_public(str(where[0])) for _family, where in found):
            raise _Problem("private")
        connection = _Connection(host, port, found, tls=scheme == "https")
        connection.timeout = self.timeout
        with self._turn(host):
            return self._ask(connection, path)

    def _ask(self, connection: _Connection, path: str) -> tuple[int, str | None]:
        # A machine that sends one letter every nine seconds would keep us for ever.
        watch = threading.Timer(self.timeout * 3, lambda: _hang_up(connection))
        watch.daemon = True
        watch.start()
        try:
            headers = {
                "User-Agent": self.agent.encode("ascii", "ignore").decode(),
                "Accept": "text/html,*/*;q=0.8",
                "Accept-Language": "de,en;q=0.5",
                "Range": "bytes=0-1023",
                "Connection": "close",
            }
            connection.request("GET", path, headers=headers)
            response = connection.getresponse()
            return response.status, response.headers.get("Location")
        except ssl.SSLCertVerificationError:
            raise _Problem("certificate") from None
        except ssl.SSLError:
            raise _Problem("no_secure_connection") from None
        except TimeoutError:
            raise _Problem("timeout") from None
        except (OSError, AttributeError):
            # AttributeError: hung up while http.client was about to read.
            raise _Problem("no_answer") from None
        except (http.client.HTTPException, ValueError):
            raise _Problem("not_understood") from None
        finally:
            watch.cancel()
            connection.close()

    @contextmanager
    def _turn(self, host: str) -> Iterator[None]:
        """One request at a time to each machine, with a pause between them."""
        with self._guard:
            turn = self._turns[host]
        with turn:
            wait = self._last.get(host, -self.pause) + self.pause - time.monotonic()
            if wait > 0 and host in self._last:
                time.sleep(wait)
            try:
                yield
            finally:
                self._last[host] = time.monotonic()


def _hang_up(connection: _Connection) -> None:
    if connection.sock is not None:
        with suppress(OSError):
            connection.sock.shutdown(socket.SHUT_RDWR)


def _parts(address: str) -> tuple[str, str, int, str]:
    """Scheme, host, port, path with query. Raises _Problem."""
    try:
        parts = urlsplit(address)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise _Problem("malformed") from None
    if parts.scheme not in ("http", "https") or not host:
        raise _Problem("malformed")
    target = quote(parts.path or "/", safe=_PATH) + (
        "?" + quote(parts.query, safe=_PATH + "?[]") if parts.query else ""
    )
    return parts.scheme, _ascii(host), port or (443 if parts.scheme == "https" else 80), target


def _ascii(host: str) -> str:
    """Raises _Problem."""
    try:
        return host.encode("idna").decode("ascii").lower()
    except UnicodeError:
        raise _Problem("malformed") from None


def _lookup_problem(error: socket.gaierror, *, without_machine: str | None) -> str | None:
    """`without_machine`: the answer for a name that exists but belongs to no machine. Raises Unknown."""
    if error.errno == socket.EAI_AGAIN:
        raise Unknown(str(error))
    if error.errno == getattr(socket, "EAI_NODATA", None):
        return without_machine
    return "no_such_host"


def _status_problem(status: int) -> str | None:
    if status in (404, 410):
        return "not_found"
    if status in _SOMEBODY_IS_THERE or 200 <= status < 400:
        return None
    return "server_error" if status >= 500 else "refused"


# What there is to look at.


def used(region: str, *, only_broken: bool = False) -> Subquery:
    """Every address in use: kind, value, and the entry it stands in (entity, id, slug, name, organization_id).

    `only_broken`: those that had a problem when they were last looked at.
    """

    def wanted(kind: str, value: Any) -> list[ColumnElement[bool]]:
        if not only_broken:
            return [value.is_not(None), value != ""]
        # Each part asks for itself: so none of them has to be put together as a whole.
        problems = select(col(CheckedAddress.value)).where(
            col(CheckedAddress.region) == region,
            col(CheckedAddress.kind) == kind,
            col(CheckedAddress.problem).is_not(None),
        )
        return [value.in_(problems)]

    service, organization, location = Service, Organization, Location

    def of_service(kind: str, value: Any) -> Any:
        return select(
            literal(kind).label("kind"), value.label("value"), literal("service").label("entity"),
            col(service.id).label("id"), col(service.slug).label("slug"), col(service.name).label("name"),
            col(service.organization_id).label("organization_id"),
        ).where(
            col(service.region) == region, col(service.status) != Status.ARCHIVED.value, *wanted(kind, value)
        )  # fmt: skip

    def of_organization(kind: str, value: Any) -> Any:
        return select(
            literal(kind).label("kind"), value.label("value"), literal("organization").label("entity"),
            col(organization.id).label("id"), col(organization.slug).label("slug"),
            col(organization.name).label("name"), col(organization.id).label("organization_id"),
        ).where(
            col(organization.region) == region, col(organization.status) != Status.ARCHIVED.value,
            *wanted(kind, value),
        )  # fmt: skip

    number, owner = col(Phone.number), Phone
    parts: list[Any] = [
        of_service("url", col(service.url)),
        of_organization("url", col(organization.website)),
        of_service("email", col(service.email)),
        of_organization("email", col(organization.email)),
        of_service("email", col(Contact.email)).join(Contact, col(Contact.service_id) == col(service.id)),
        of_service("phone", number).join(owner, col(owner.service_id) == col(service.id)),
        of_service("phone", number)
        .join(Contact, col(Contact.service_id) == col(service.id))
        .join(owner, col(owner.contact_id) == col(Contact.id)),
        of_service("phone", number)
        .join(ServiceAtLocation, col(ServiceAtLocation.service_id) == col(service.id))
        .join(owner, col(owner.service_at_location_id) == col(ServiceAtLocation.id)),
        of_organization("phone", number).join(owner, col(owner.organization_id) == col(organization.id)),
        select(
            literal("phone").label("kind"), number.label("value"), literal("location").label("entity"),
            col(location.id).label("id"), col(location.slug).label("slug"), col(location.name).label("name"),
            col(location.organization_id).label("organization_id"),
        ).join(owner, col(owner.location_id) == col(location.id)).where(col(location.region) == region, *wanted("phone", number)),
    ]  # fmt: skip
    everything: CompoundSelect[Any] = union_all(*parts)
    return everything.subquery("used")


def waiting(
    session: Session, region: str, *, kinds: Sequence[str] = KINDS, limit: int | None = None
) -> list[tuple[str, str]]:
    """Kind and value of each address in use, those that were never or longest ago looked at first."""
    found = used(region)
    rows = session.execute(
        select(found.c.kind, found.c.value, func.max(col(CheckedAddress.checked_at)).label("checked"))
        .outerjoin(
            CheckedAddress,
            and_(
                col(CheckedAddress.region) == region,
                col(CheckedAddress.kind) == found.c.kind,
                col(CheckedAddress.value) == found.c.value,
            ),
        )
        .where(found.c.kind.in_(list(kinds)))
        .group_by(found.c.kind, found.c.value)
    ).all()
    oldest = sorted(
        rows, key=lambda row: (row.checked is not None, str(row.checked or ""), row.kind, row.value)
    )
    return [(row.kind, row.value) for row in oldest[:limit]]


@dataclass(frozen=True, slots=True)
class Result:
    kind: str
    value: str
    problem: str | None


def look(checker: Checker, addresses: Sequence[tuple[str, str]]) -> Iterator[Result]:
    """Look at all of them, machines side by side; what did not answer is asked once more at the end.

    An address about which nothing can be said today is left out.
    """
    again: list[tuple[str, str]] = []
    for result in _look(checker, addresses):
        if result.kind == "url" and result.problem in NETWORK | {"server_error"}:
            again.append((result.kind, result.value))
        else:
            yield result
    yield from _look(checker, again)


def _look(checker: Checker, addresses: Sequence[tuple[str, str]]) -> Iterator[Result]:
    by_machine: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for kind, value in addresses:
        by_machine[_machine(kind, value)].append((kind, value))
    groups = list(by_machine.values())
    # Neighbours in the catalogue often share a provider.
    random.shuffle(groups)
    with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="check-links") as pool:
        running = [pool.submit(_look_at, checker, group) for group in groups]
        for done in as_completed(running):
            yield from done.result()


def _look_at(checker: Checker, addresses: Sequence[tuple[str, str]]) -> list[Result]:
    found = []
    for kind, value in addresses:
        with suppress(Unknown):
            found.append(Result(kind, value, checker.check(kind, value)))
    return found


def _machine(kind: str, value: str) -> str:
    if kind != "url":
        return f"{kind}:{value.rpartition('@')[2].casefold()}"
    try:
        return urlsplit(value).hostname or value
    except ValueError:
        return value


# What was found.


def look_and_record(
    sessions: SessionFactory,
    region: str,
    checker: Checker,
    addresses: Sequence[tuple[str, str]],
    *,
    today: date,
    now: datetime,
) -> list[Result]:
    """Look at all of them and keep what was seen, a few at a time; returns it.

    Raises NetworkDown when nothing at all could be reached; then nothing about the outside was kept.
    """
    found: list[Result] = []
    unsaved: list[Result] = []
    network_is_up = False
    outside = sum(kind != "phone" for kind, _value in addresses)

    def save() -> None:
        with sessions() as session:
            for result in unsaved:
                record(session, region, result, today=today, now=now)
            session.commit()
        unsaved.clear()

    for result in look(checker, addresses):
        found.append(result)
        unsaved.append(result)
        network_is_up = network_is_up or (result.kind != "phone" and result.problem not in NETWORK)
        if network_is_up and len(unsaved) >= _AT_A_TIME:
            save()
    failed = sum(result.kind != "phone" for result in found)
    if outside and not network_is_up and (failed == 0 or failed >= _ENOUGH_TO_DOUBT):
        unsaved[:] = [result for result in unsaved if result.kind == "phone"]
        save()
        raise NetworkDown("no network")
    save()
    return found


def record(session: Session, region: str, result: Result, *, today: date, now: datetime) -> None:
    """Write down what was seen; a problem keeps its first day as long as there is any."""
    known = session.get(CheckedAddress, (region, result.kind, result.value))
    if known is None:
        known = CheckedAddress(region=region, kind=result.kind, value=result.value, checked_at=now)
    if result.problem is None:
        known.since = None
    elif known.problem is None:
        known.since = today
    known.problem = result.problem
    known.checked_at = now
    session.add(known)
    session.flush()


def forget_unused(session: Session, region: str) -> int:
    """Erase what no entry uses any more; returns how many."""
    found = used(region)
    done = session.execute(
        delete(CheckedAddress)
        .where(
            col(CheckedAddress.region) == region,
            tuple_(col(CheckedAddress.kind), col(CheckedAddress.value)).not_in(
                select(found.c.kind, found.c.value)
            ),
        )
        .execution_options(synchronize_session=False)
    )
    return int(done.rowcount)  # type: ignore[attr-defined]


@dataclass(frozen=True, slots=True)
class Use:
    entity: str
    slug: str
    name: str


@dataclass(frozen=True, slots=True)
class Broken:
    """An address with a problem, and where it stands."""

    kind: str
    value: str
    problem: str
    since: date | None
    checked_at: datetime
    uses: tuple[Use, ...]


def _broken(
    found: Subquery, region: str, organizations: Sequence[UUID] | None
) -> tuple[Subquery, ColumnElement[bool]]:
    """Kind and value of each broken address, once; and how it is found in `CheckedAddress`."""
    once = (
        select(found.c.kind, found.c.value).where(*_allowed(found, organizations)).distinct().subquery("once")
    )
    return once, and_(
        col(CheckedAddress.region) == region,
        col(CheckedAddress.kind) == once.c.kind,
        col(CheckedAddress.value) == once.c.value,
    )


def _allowed(found: Subquery, organizations: Sequence[UUID] | None) -> list[ColumnElement[bool]]:
    return [] if organizations is None else [found.c.organization_id.in_(organizations)]


def broken(
    session: Session,
    region: str,
    *,
    kind: str | None = None,
    organizations: Sequence[UUID] | None = None,
    limit: int | None = None,
    offset: int = 0,
) -> list[Broken]:
    """Addresses in use that have a problem, those for longest first; `organizations` None means all."""
    found = used(region, only_broken=True)
    once, same = _broken(found, region, organizations)
    rows = session.execute(
        select(CheckedAddress)
        .join(once, same)
        .where(*([col(CheckedAddress.kind) == kind] if kind else []))
        .order_by(col(CheckedAddress.since), col(CheckedAddress.kind), col(CheckedAddress.value))
        .limit(limit)
        .offset(offset)
    ).scalars()
    listed = list(rows)
    uses: dict[tuple[str, str], dict[Use, None]] = defaultdict(dict)
    if listed:
        where = session.execute(
            select(found.c.kind, found.c.value, found.c.entity, found.c.slug, found.c.name)
            .where(found.c.value.in_([row.value for row in listed]), *_allowed(found, organizations))
            .order_by(found.c.entity, found.c.name)
        )
        for row in where:
            uses[row.kind, row.value][Use(row.entity, row.slug, row.name)] = None
    return [
        Broken(
            row.kind, row.value, row.problem or "", row.since, row.checked_at, tuple(uses[row.kind, row.value])
        )
        for row in listed
    ]  # fmt: skip


def numbers_broken(
    session: Session, region: str, *, organizations: Sequence[UUID] | None = None
) -> dict[str, int]:
    """Kind → how many addresses in use have a problem."""
    once, _same = _broken(used(region, only_broken=True), region, organizations)
    rows = session.execute(select(once.c.kind, func.count()).group_by(once.c.kind))
    counted = {row[0]: int(row[1]) for row in rows}
    return {kind: counted.get(kind, 0) for kind in KINDS}


def last_look(session: Session, region: str) -> datetime | None:
    """When addresses were last looked at."""
    found: datetime | None = session.execute(
        select(func.max(col(CheckedAddress.checked_at))).where(col(CheckedAddress.region) == region)
    ).scalar()
    return found


def is_fictional(session: Session, region: str) -> bool:
    settings = session.execute(select(col(Region.settings)).where(col(Region.slug) == region)).scalar_one()
    return bool(settings.get("fictional"))
