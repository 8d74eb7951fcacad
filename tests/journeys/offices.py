"""A portal with people who work in its admin pages, and the clock they live by."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any

from flask import Flask
from sqlmodel import Session
from werkzeug.serving import make_server

from portal.accounts import passwords
from portal.accounts.models import RoleGrant, User
from portal.catalogue.models import entity_id
from portal.config import Settings
from portal.web.application import Portal, build
from portal.web.serving import prepare
from tests.journeys.conftest import Site
from tests.web.conftest import SECRET

PASSWORD = "vier bunte Socken im Wind"
PEOPLE = (
    ("Kim", "coordinator", None),
    ("Robin", "coordinator", None),
    ("Eda", "editor", "startpunkt-musterkreis"),
    ("Ada", "administrator", None),
)


@dataclass
class Office(Site):
    """`later` moves the clock of the pages; the database is asked directly where a page does not tell."""

    ahead: timedelta = field(default_factory=timedelta)

    def time(self) -> datetime:
        return datetime.now(UTC) + self.ahead

    def later(self, **by: float) -> None:
        self.ahead += timedelta(**by)

    @property
    def portal(self) -> Portal:
        found: Portal = self.app.extensions["portal"]
        return found

    def session(self) -> Session:
        return self.portal.store.sessions()


@lru_cache(maxsize=1)
def _password_hash() -> str:
    return passwords.hashed(PASSWORD)


@contextmanager
def office(folder: Path, people: Sequence[tuple[str, str, str | None]] = PEOPLE) -> Iterator[Office]:
    settings = Settings(secret_key=SECRET, region="musterkreis", data_dir=folder, second_factor="optional")
    prepare(settings, lambda line: None)
    made = Office("", Flask(__name__))
    made.app = build(settings, now=made.time)
    with made.session() as session:
        for name, role, organization in people:
            language = "en" if name == "Robin" else "de"
            user = User(
                email=f"{name.lower()}@example.org", name=name, password_hash=_password_hash(),
                created_at=made.time(), language=language,
            )  # fmt: skip
            session.add(user)
            session.flush()
            owner = entity_id("musterkreis", "organization", organization) if organization else None
            session.add(RoleGrant(user_id=user.id, role=role, organization_id=owner, granted_at=made.time()))
        session.commit()
    server = make_server("127.0.0.1", 0, made.app, threaded=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    made.address = f"http://127.0.0.1:{server.server_port}"
    yield made
    server.shutdown()


def sign_in(page: Any, name: str) -> None:
    """From the sign-in page, wherever it leads afterwards."""
    page.fill("#email", f"{name.lower()}@example.org")
    page.fill("#password", PASSWORD)
    page.click("main form:has(#password) .btn")
    page.wait_for_url(lambda url: "/sign-in" not in url)
