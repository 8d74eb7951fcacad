"""Admin lists and dashboard at thousands of offers: milliseconds of each page, and how many bare queries that is.

A page is asked for through the application, signed in as a coordinator, on SQLite. The bare query reads the same fifty
lines (for the dashboard: counts all offers) with Python's sqlite3, with nothing around it. Both take turns.
"""

import argparse
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from flask.testing import FlaskClient
from sqlmodel import Session

from portal.accounts import users
from portal.accounts.models import Role, User
from portal.accounts.permissions import Grant
from portal.catalogue import models, revision
from portal.catalogue.records import LocationRecord, OrganizationRecord, ServiceRecord
from portal.catalogue.storing import Batch
from portal.config import Settings
from portal.web.application import build
from portal.web.serving import prepare
from portal.web.wiring import open_store

REGION = "musterkreis"
GOAL_MS = 150
NOW = datetime.now(UTC)

PAGES = {
    "dashboard": "/admin/",
    "services": "/admin/services",
    "services, page 50": "/admin/services?page=50",
    "services, words": "/admin/services?q=beratung+600",
    "services, number": "/admin/services?q=03943+00123",
    "services, to confirm": "/admin/services?attention=due&state=published",
    "services, no hours": "/admin/services?attention=no_hours&state=published",
    "services, not in ar": "/admin/services?attention=missing-ar&state=published",
    "services, by changed": "/admin/services?sort=-changed",
    "organizations": "/admin/organizations",
    "organizations, by offers": "/admin/organizations?sort=-services",
    "locations": "/admin/locations",
    "contacts": "/admin/contacts",
    "archive": "/admin/archive",
    "funding": "/admin/funding",
    "translations": "/admin/translations?language=en&state=outdated",
    "translations, words": "/admin/translations?language=ar&state=any&q=beratung+600",
    "translate, one offer": "/admin/translations/en/service/angebot-600",
    "edit, one offer": "/admin/services/angebot-600",
    "review": "/admin/review",
    "confirmations": "/admin/confirmations",
    "addresses": "/admin/links",
    "reports": "/admin/reports",
    "shared contacts": "/admin/contacts/shared",
    "duplicates": "/admin/duplicates?entity=service",
    "statistics": "/admin/statistics",
    "audit": "/admin/audit",
}
BARE = {
    "services": "SELECT s.id, s.slug, s.name, o.name, s.status, s.assured_date, s.valid_to, s.last_modified "
    "FROM service s JOIN organization o ON o.id = s.organization_id WHERE s.region = ? ORDER BY s.name LIMIT 50",
    "organizations": "SELECT id, slug, name, kind, status, email FROM organization WHERE region = ? ORDER BY name LIMIT 50",
    "locations": "SELECT l.id, l.slug, l.name, a.city FROM location l LEFT JOIN address a ON a.location_id = l.id "
    "WHERE l.region = ? ORDER BY l.name LIMIT 50",
    "contacts": "SELECT c.name, c.email, s.name FROM contact c JOIN service s ON s.id = c.service_id "
    "WHERE s.region = ? ORDER BY c.name LIMIT 50",
    "archive": "SELECT id, slug, name FROM service WHERE region = ? AND status = 'archived'",
    "funding": "SELECT id, slug, name, valid_to FROM service WHERE region = ? AND valid_to IS NOT NULL ORDER BY valid_to",
    "translations": "SELECT s.id, s.slug, s.name, o.name FROM service s JOIN organization o ON o.id = s.organization_id "
    "WHERE s.region = ? ORDER BY s.name LIMIT 50",
    "translate": "SELECT s.*, t.* FROM service s JOIN translation t ON t.entity_id = s.id "
    "WHERE s.region = ? AND s.slug = 'angebot-600' AND t.language = 'en'",
    "edit": "SELECT s.*, o.name FROM service s JOIN organization o ON o.id = s.organization_id "
    "WHERE s.region = ? AND s.slug = 'angebot-600'",
    "review": "SELECT id, record FROM proposal WHERE region = ? AND state = 'in_review'",
    "confirmations": "SELECT s.id, s.slug, s.name, o.name, s.assured_date FROM service s "
    "JOIN organization o ON o.id = s.organization_id WHERE s.region = ? ORDER BY s.assured_date LIMIT 50",
    "addresses": "SELECT kind, value, problem FROM checked_address WHERE region = ? AND problem IS NOT NULL",
    "reports": "SELECT day, reason, text FROM visitor_report WHERE region = ? AND state = 'open'",
    "shared contacts": "SELECT c.name, c.email, s.name FROM contact c JOIN service s ON s.id = c.service_id "
    "WHERE s.region = ? ORDER BY c.name",
    "duplicates": "SELECT id, slug, name FROM service WHERE region = ?",
    "statistics": "SELECT id, slug, name FROM service WHERE region = ?",
    "audit": "SELECT at, actor_name, action FROM audit_event WHERE region = ? ORDER BY at DESC LIMIT 50",
    "dashboard": "SELECT status, count(*) FROM service WHERE region = ? GROUP BY status",
}


def fill(session: Session, number: int, *, area: str, topics: Sequence[str]) -> None:
    """Offers, an organization and a place for every five of them, translations of most texts, checked addresses."""
    batch = Batch(REGION, "Sachsen-Anhalt", now=NOW)
    for index in range(number // 5):
        organization = OrganizationRecord(
            slug=f"traeger-{index}",
            name=f"Träger {index}",
            kind="verein",
            email=f"info@traeger-{index}.example.org",
        )
        batch.organization(organization, position=1000 + index, loaded_hash=None, exists=False)
        location = LocationRecord.model_validate(
            {
                "slug": f"haus-{index}",
                "name": f"Haus {index}",
                "organization": organization.slug,
                "address": {"address_1": f"Weg {index}", "postal_code": "00101", "city": "Quellmünde"},
                "schedules": ({"opening_hours": "Mo-Fr 08:00-12:00"},) if index % 3 else (),
            }
        )
        batch.location(location, position=1000 + index, loaded_hash=None, exists=False)
    for index in range(number):
        service = ServiceRecord.model_validate(
            {
                "slug": f"angebot-{index}",
                "organization": f"traeger-{index // 5}",
                "name": f"Beratung {index} für Ausbildung und Beruf",
                "description": f"Hier hilft dir jemand bei Frage {index}. Komm einfach vorbei oder ruf an.",
                "application_process": "Ruf an oder komm vorbei.",
                "expectations": ("Du kommst an.", "Ihr sprecht.", "Du weißt, wie es weitergeht."),
                "topics": (topics[index % len(topics)],),
                "service_areas": (area,),
                "locations": ({"location": f"haus-{index // 5}"},),
                "phones": ({"number": f"03943 00{index:04}"},) if index % 4 else (),
                "contacts": ({"name": "Empfang", "email": f"empfang@traeger-{index // 5}.example.org"},),
                "url": f"https://traeger-{index // 5}.example.org/{index}",
                "valid_to": NOW.date() + timedelta(days=index % 700) if index % 5 == 0 else None,
                "assured_date": NOW.date() - timedelta(days=index % 400) if index % 2 else None,
            }
        )
        batch.service(service, position=1000 + index, loaded_hash=None, exists=False, content_file=None)
    batch.write(session)
    fields = (
        "name",
        "description",
        "application_process",
        "expectations.0",
        "expectations.1",
        "expectations.2",
    )
    rows = []
    for index in range(number):
        id_ = models.entity_id(REGION, "service", f"angebot-{index}")
        for language in ("en", "ar"):
            for field in fields[: 6 if index % 7 else 4]:
                rows.append(
                    models.Translation(
                        id=models.entity_id(REGION, "translation", f"{id_}:{field}:{language}"), region=REGION,
                        entity="service", entity_id=id_, field=field, language=language, text="…", status="checked",
                        source_hash="0" * 12, last_modified=NOW,
                    )
                )  # fmt: skip
        rows.append(
            models.CheckedAddress(
                region=REGION, kind="url", value=f"https://traeger-{index // 5}.example.org/{index}",
                problem="not_found" if index % 50 == 0 else None, checked_at=NOW,
            )
        )  # fmt: skip
    session.bulk_save_objects(rows)
    revision.bump(session, REGION, [], now=NOW)
    session.commit()


def signed_in(settings: Settings) -> FlaskClient:
    app = build(settings)
    portal = app.extensions["portal"]
    admin = app.extensions["admin"].app
    with portal.store.sessions() as session:
        user: User
        user, _token = users.invite(
            session, email="bench@example.org", name="Bench", grants=[Grant(Role.ADMINISTRATOR)], now=NOW
        )
        _sign_in, token = users.start_sign_in(session, user, device="", second_factor=True, now=NOW)
        session.commit()
    client: FlaskClient = admin.test_client()
    with client.session_transaction(path="/admin/") as cookie:
        cookie.update({"_user_id": token, "_fresh": True, "_b": "bench"})
    return client


def first_look(client: FlaskClient) -> str:
    """The first page after a start, and how long the counting of translations takes beside it."""
    began = time.perf_counter()
    answer = client.get("/admin/")
    assert answer.status_code == 200
    shown = time.perf_counter()
    index = client.application.extensions["translation_index"]
    while not index.is_read:
        time.sleep(0.02)
    counted = time.perf_counter()
    return (
        f"first look after a start: {(shown - began) * 1000:.0f} ms; translations counted beside it after "
        f"{(counted - began) * 1000:.0f} ms"
    )


def timed(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return (time.perf_counter() - began) * 1000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--services", type=int, default=5000)
    parser.add_argument("--rounds", type=int, default=7)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(secret_key="b" * 40, region=REGION, data_dir=Path(folder))
        prepare(settings, lambda line: None)
        store = open_store(settings)
        topics = [term.code for term in store.catalogue.terms("topics")]
        with store.sessions() as session:
            fill(session, given.services, area=store.catalogue.region.county_area, topics=topics)
        store.engine.dispose()
        client = signed_in(settings)
        database = sqlite3.connect(Path(folder) / f"{REGION}.sqlite3")
        print(f"{given.services} offers, SQLite; goal: {GOAL_MS} ms")
        print(first_look(client))
        print(f"{'page':26}{'median ms':>10}{'worst ms':>10}{'bare ms':>9}{'ratio':>7}{'first ms':>10}")
        above = []
        for name, path in PAGES.items():
            bare = BARE[name.split(",")[0]]

            def ask(path: str = path) -> None:
                answer = client.get(path)
                assert answer.status_code == 200, f"{path}: {answer.status_code}"

            first = timed(ask)
            times, bares = [], []
            for _ in range(given.rounds):
                times.append(timed(ask))
                bares.append(timed(lambda bare=bare: database.execute(bare, (REGION,)).fetchall()))  # type: ignore[misc]
            median, plain = statistics.median(times), statistics.median(bares)
            mark = "" if median <= GOAL_MS else "  ABOVE"
            above += [name] if mark else []
            print(
                f"{name:26}{median:>10.1f}{max(times):>10.1f}{plain:>9.2f}{median / plain:>7.0f}{first:>10.1f}{mark}"
            )
        print("above the goal: " + (", ".join(above) or "none"))
        if above:
            sys.exit(1)


if __name__ == "__main__":
    main()
