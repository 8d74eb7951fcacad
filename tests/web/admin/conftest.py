"""The admin pages with a database of their own for each test, and clients that are signed in."""

import re
import shutil
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from email import message_from_bytes
from email.policy import default as default_policy
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol

import pytest
from argon2 import PasswordHasher
from flask import Flask
from jinja2 import Environment
from sqlmodel import Session

from portal.accounts import passwords, users
from portal.accounts.models import Role, RoleGrant, User
from portal.catalogue.models import entity_id
from portal.catalogue.search import service as search_service
from portal.config import Settings
from portal.web import mail
from portal.web.admin import application
from portal.web.admin.rendering import admin_renderer
from portal.web.application import Portal, build
from portal.web.languages import Language
from portal.web.rendering import Renderer
from portal.web.wiring import open_search, open_store
from tests.web.admin.pages import BINDING, AdminClient
from tests.web.conftest import NOW
from tests.web.pages import PageClient

PASSWORD = "vier bunte Socken im Wind"
"""Of every user that `signed_in` and `a_user` make."""


@dataclass
class Clock:
    now: datetime = NOW

    def __call__(self) -> datetime:
        return self.now

    def later(self, **by: float) -> datetime:
        """`clock.later(minutes=10)`"""
        self.now += timedelta(**by)
        return self.now


@pytest.fixture(scope="package", autouse=True)
def _quick_hashes() -> Iterator[None]:
    """Argon2 with the least work: hundreds of tests sign in."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(passwords, "_hasher", PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
        passwords._decoy.cache_clear()
        password_hash.cache_clear()
        yield
    passwords._decoy.cache_clear()


@lru_cache(maxsize=1)
def password_hash() -> str:
    return passwords.hashed(PASSWORD)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def admin_settings(
    prepared: Callable[[str], Settings], tmp_path: Path, request: pytest.FixtureRequest
) -> Settings:
    """Of the musterkreis with a data folder of its own. `@pytest.mark.parametrize("admin_settings", [{…}],
    indirect=True)` changes some."""
    source = prepared("musterkreis")
    shutil.copytree(source.data_dir, tmp_path / "data")
    changes: dict[str, Any] = {"data_dir": tmp_path / "data", **getattr(request, "param", {})}
    return source.model_copy(update=changes)


@pytest.fixture
def admin_portal(
    musterkreis_app: Flask, admin_settings: Settings, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Portal]:
    """What is expensive to load is shared with the public application; database, index and clock are not."""
    shared: Portal = musterkreis_app.extensions["portal"]
    store = open_store(admin_settings, today=lambda: clock().date())
    # The copied database stands at the same revision, so what was read from the original holds until a change.
    store.catalogue._snapshot = shared.catalogue.current
    store.catalogue._timezone = shared.catalogue._timezone
    monkeypatch.setattr(search_service, "concepts_of", _concepts_of)
    yield replace(
        shared,
        settings=admin_settings,
        store=store,
        catalogue=store.catalogue,
        search=open_search(admin_settings, store),
        now=clock,
    )
    store.engine.dispose()


_concepts_of = lru_cache(search_service.concepts_of)
_environments: dict[str, Environment] = {}


def _renderer(portal: Portal, languages: Iterable[Language]) -> Renderer:
    """Templates are compiled once per run, not once per test."""
    made = admin_renderer(portal, languages)
    if not _environments:
        _environments.update(made._environments)
    made._environments = _environments
    return made


@pytest.fixture
def admin_app(admin_portal: Portal, monkeypatch: pytest.MonkeyPatch) -> Flask:
    monkeypatch.setattr(application, "admin_renderer", _renderer)
    # Letters are sent before the answer instead of beside it, so that tests need not wait for them.
    monkeypatch.setattr(mail, "in_background", lambda work: work())
    app = application.build_admin(admin_portal)
    app.testing = True
    app.config["PROPAGATE_EXCEPTIONS"] = True
    return app


@pytest.fixture
def stranger(admin_app: Flask) -> AdminClient:
    """Somebody who is not signed in."""
    return AdminClient(admin_app)


@pytest.fixture
def public(admin_settings: Settings, admin_app: Flask, clock: Clock) -> PageClient:
    """The public pages on the same database; takes a second or two to build."""
    return PageClient(build(admin_settings, now=clock))


@pytest.fixture
def database(admin_portal: Portal) -> Iterator[Session]:
    """For preparing and looking; commit what the pages shall see, `expire_all` before looking again."""
    with admin_portal.store.sessions() as session:
        yield session


class MakeUser(Protocol):
    def __call__(
        self,
        role: Role | str | None = None,
        *,
        area: str = "",
        organization: str | None = None,
        email: str | None = None,
        password: bool = True,
    ) -> User: ...


@pytest.fixture
def a_user(database: Session, admin_portal: Portal) -> MakeUser:
    """A user in the database, with PASSWORD (or still invited) and one role; `organization` is a slug."""

    def make(
        role: Role | str | None = None,
        *,
        area: str = "",
        organization: str | None = None,
        email: str | None = None,
        password: bool = True,
    ) -> User:
        wanted = Role(role) if role else None
        number = len(users.all_users(database)) + 1
        user = User(
            email=email or f"{wanted.value if wanted else 'nobody'}-{number}@example.org",
            name=f"{wanted.value.capitalize() if wanted else 'Nobody'} {number}",
            password_hash=password_hash() if password else None,
            created_at=NOW,
        )
        database.add(user)
        database.flush()
        if wanted is not None:
            id_ = (
                entity_id(admin_portal.settings.region, "organization", organization)
                if organization
                else None
            )
            database.add(
                RoleGrant(user_id=user.id, role=wanted.value, area=area, organization_id=id_, granted_at=NOW)
            )
        database.commit()
        return user

    return make


@dataclass(frozen=True)
class Mail:
    recipient: str
    subject: str
    body: str

    @property
    def link(self) -> str:
        """Path of the only address in it."""
        found = re.findall(r"https?://[^/\s]+(/\S+)", self.body)
        assert len(found) == 1, self.body
        return found[0]


@pytest.fixture
def mailbox(admin_settings: Settings) -> Callable[[], list[Mail]]:
    """All mails sent so far, the oldest first."""

    def read() -> list[Mail]:
        files = sorted(
            (admin_settings.data_dir / "mail").glob("*.eml"), key=lambda path: path.stat().st_mtime_ns
        )
        parsed = [message_from_bytes(path.read_bytes(), policy=default_policy) for path in files]
        return [Mail(str(m["To"]), str(m["Subject"]), m.get_payload(decode=True).decode()) for m in parsed]

    return read


class SignIn(Protocol):
    def __call__(
        self,
        role: Role | str | None = None,
        *,
        area: str = "",
        organization: str | None = None,
        second_factor: bool = True,
        email: str | None = None,
        user: User | None = None,
    ) -> AdminClient: ...


@pytest.fixture
def signed_in(admin_app: Flask, database: Session, a_user: MakeUser, clock: Clock) -> SignIn:
    """`signed_in("coordinator")` → a client with a sign-in of its own, without going through the pages.

    Editors and counsellors: `signed_in("editor", organization="its-slug")`. `user` signs in an existing one.
    """

    def make(
        role: Role | str | None = None,
        *,
        area: str = "",
        organization: str | None = None,
        second_factor: bool = True,
        email: str | None = None,
        user: User | None = None,
    ) -> AdminClient:
        who = user or a_user(role, area=area, organization=organization, email=email)
        _sign_in, token = users.start_sign_in(
            database, who, device="Chrome, Linux", second_factor=second_factor, now=clock()
        )
        database.commit()
        client = AdminClient(admin_app)
        client.email = who.email
        with client.client.session_transaction(path="/admin/") as cookie:
            cookie.update({"_user_id": token, "_fresh": True, "_b": BINDING})
        return client

    return make


@pytest.fixture
def admin(signed_in: SignIn) -> AdminClient:
    """The administrator."""
    return signed_in(Role.ADMINISTRATOR, email="chief@example.org")
