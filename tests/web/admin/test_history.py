"""Versions of an entry: who, when, why; two of them beside each other; the way back. And differences for people."""

import os
from datetime import timedelta

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from sqlmodel import Session, select

from portal.accounts.models import AuditEvent
from portal.catalogue import editing, models
from portal.catalogue.models import Status, entity_id
from portal.catalogue.queries import ServiceView
from portal.config import Settings
from portal.web.admin.differences import DiffLine, line_pieces, word_pieces
from portal.web.application import Portal
from portal.web.cli import main
from tests.web.admin.conftest import NOW, Clock, MakeUser, SignIn
from tests.web.admin.pages import AdminClient
from tests.web.pages import text_of

REGION = "musterkreis"


@pytest.fixture
def service(admin_portal: Portal) -> ServiceView:
    return next(
        s
        for s in admin_portal.catalogue.services()
        if s.slug != admin_portal.region.clearing_desk and s.locations
    )


@pytest.fixture
def changed(database: Session, service: ServiceView, a_user: MakeUser) -> ServiceView:
    """An offer with three versions: as it came, its second and its third description."""
    who = a_user("coordinator")
    for number, text in enumerate(("Zweiter Text.", "Dritter Text, ganz neu.")):
        current = editing.entry(database, REGION, "service", service.slug)
        editing.save(
            database, REGION, "service", current.record.model_copy(update={"description": text}),
            base_hash=current.hash, author=who, now=NOW + timedelta(hours=number), comment=f"Grund {number}",
        )  # fmt: skip
    database.commit()
    return service


def path(service: ServiceView, number: int | None = None) -> str:
    return f"/admin/service/{service.slug}/history" + (f"/{number}" if number else "")


def description(database: Session, service: ServiceView) -> str:
    database.expire_all()
    return str(editing.entry(database, REGION, "service", service.slug).record.description)


def test_the_history_says_who_when_what_and_why(admin: AdminClient, changed: ServiceView) -> None:
    lines = [text_of(line) for line in admin.page(path(changed)).all("tbody tr")]
    assert len(lines) == 3
    assert "Coordinator" in lines[0] and "Grund 1" in lines[0] and "20.11.2026, 11:00" in lines[0]
    assert "Coordinator" not in lines[2]


def test_an_entry_nobody_changed_has_no_history_yet(admin: AdminClient, service: ServiceView) -> None:
    page = admin.page(path(service))
    assert page.all(".card") and not page.all("table")


def test_two_versions_beside_each_other_in_any_order(admin: AdminClient, changed: ServiceView) -> None:
    for query in ("old=1&new=3", "old=3&new=1"):
        page = admin.page(f"{path(changed)}?{query}")
        assert len(page.all(".diff dt")) == 1
        assert "Dritter Text, ganz neu." in " ".join(text_of(ins) for ins in page.all(".diff ins"))
        assert page.all(".diff del")
    for nonsense in ("old=1&new=1", "old=9&new=1", "old=x&new=-1", "old=1"):
        assert not admin.page(f"{path(changed)}?{nonsense}").all(".diff")


def test_a_version_is_put_back_and_the_history_goes_on(
    admin: AdminClient, changed: ServiceView, database: Session
) -> None:
    page = admin.page(path(changed, 2))
    assert "Zweiter Text." in page.text
    answer = admin.submit(path(changed, 2), {"comment": "Doch besser"})
    assert answer.location == path(changed)
    assert description(database, changed) == "Zweiter Text."
    newest = editing.versions(database, changed.id)[0]
    assert (newest.number, newest.cause, newest.comment) == (4, "restored", "Doch besser")
    event = database.exec(select(AuditEvent).where(AuditEvent.action == "service.restored")).one()
    assert event.details == {"version": 2, "fields": ["description"]}
    assert not admin.page(path(changed, 2)).all("aside form"), "it says that already"


def test_a_version_that_no_longer_fits_says_why(
    admin: AdminClient, changed: ServiceView, database: Session
) -> None:
    version = next(found for found in editing.versions(database, changed.id) if found.number == 2)
    version.record = {**version.record, "topics": ["gibt_es_nicht"]}
    database.add(version)
    database.commit()
    answer = admin.send(path(changed, 2), {"comment": "Bitte"})
    page = admin.sent(answer, "version", status=422)
    assert "gibt_es_nicht" in text_of(page.one("[role=alert]"))
    assert page.one("#comment")["value"] == "Bitte"
    assert description(database, changed) == "Dritter Text, ganz neu."


def test_restoring_an_archived_entry_makes_it_a_draft(
    admin: AdminClient, changed: ServiceView, database: Session
) -> None:
    editing.set_status(database, REGION, "service", changed.slug, Status.ARCHIVED, author=None, now=NOW)
    database.commit()
    admin.submit(path(changed, 2))
    row = database.get(models.Service, changed.id, populate_existing=True)
    assert row is not None
    assert (row.status, row.archived_at, row.description) == (Status.DRAFT, None, "Zweiter Text.")


def test_an_editor_reads_but_does_not_restore(
    signed_in: SignIn, changed: ServiceView, database: Session, admin_portal: Portal
) -> None:
    editor = signed_in("editor", organization=changed.organization.slug)
    assert not editor.page(path(changed, 2)).all("aside form")
    assert editor.send(path(changed, 2)).status_code == 403
    assert description(database, changed) == "Dritter Text, ganz neu."
    other = next(
        s.organization.slug
        for s in admin_portal.catalogue.services()
        if s.organization.slug != changed.organization.slug
    )
    stranger = signed_in("editor", organization=other)
    for where in (path(changed), path(changed, 2)):
        assert stranger.get(where).status_code == 404
    assert stranger.send(path(changed, 2)).status_code == 404


def test_what_is_not_there(admin: AdminClient, changed: ServiceView) -> None:
    assert admin.get(path(changed, 99)).status_code == 404
    assert admin.get("/admin/service/gibt-es-nicht/history").status_code == 404
    assert admin.get(f"/admin/place/{changed.slug}/history").status_code == 404


def test_organizations_and_locations_have_a_history_too(
    admin: AdminClient, service: ServiceView, database: Session
) -> None:
    for entity, slug in (
        ("organization", service.organization.slug),
        ("location", service.locations[0].slug),
    ):
        current = editing.entry(database, REGION, entity, slug)
        record = current.record.model_copy(update={"name": "Neuer Name"})
        editing.save(database, REGION, entity, record, base_hash=current.hash, author=None, now=NOW)
        database.commit()
        assert len(admin.page(f"/admin/{entity}/{slug}/history").all("tbody tr")) == 2
        admin.submit(f"/admin/{entity}/{slug}/history/1")
        database.expire_all()
        assert editing.entry(database, REGION, entity, slug).record.name == current.record.name


def test_an_erased_offer_can_come_back(
    admin: AdminClient,
    signed_in: SignIn,
    changed: ServiceView,
    database: Session,
    admin_settings: Settings,
    clock: Clock,
) -> None:
    long_ago = NOW - timedelta(days=400)
    editing.set_status(database, REGION, "service", changed.slug, Status.ARCHIVED, author=None, now=long_ago)
    database.commit()
    environ = {
        **{name: None for name in os.environ if name.startswith("PORTAL_")},
        "PORTAL_DATA_DIR": str(admin_settings.data_dir),
        "PORTAL_REGION": REGION,
    }
    result = CliRunner().invoke(main, ["catalogue", "erase-archived"], env=environ)
    assert result.exit_code == 0, result.output
    assert f"service {changed.slug}" in result.output
    again = CliRunner().invoke(main, ["catalogue", "erase-archived"], env=environ)
    assert again.output.strip() == "0 entries erased"
    database.expire_all()
    assert database.get(models.Service, entity_id(REGION, "service", changed.slug)) is None
    assert database.exec(select(AuditEvent).where(AuditEvent.action == "service.erased")).one()
    page = admin.page(path(changed, 2))
    assert page.all("aside form")
    admin.submit(path(changed, 2))
    assert description(database, changed) == "Zweiter Text."


# Differences.

_words = st.text(alphabet="ab ,.ü\n", max_size=30)


def side(lines: list[DiffLine], without: str) -> str:
    return "".join(piece.text for line in lines for piece in line if piece.kind != without)


@given(_words, _words)
def test_both_texts_can_be_read_out_of_a_difference(old: str, new: str) -> None:
    lines = word_pieces(old, new)
    assert side(lines, "new") == old
    assert side(lines, "old") == new
    assert all(piece.text for line in lines for piece in line) or not (old and new)


@given(st.lists(_words, max_size=5), st.lists(_words, max_size=5))
def test_lists_are_compared_line_by_line(old: list[str], new: list[str]) -> None:
    lines = line_pieces(old, new)
    assert side(lines, "new") == "".join(old)
    assert side(lines, "old") == "".join(new)


def test_only_the_changed_words_are_marked() -> None:
    (line,) = word_pieces("Montag 8 Uhr bis 12 Uhr", "Montag 9 Uhr bis 12 Uhr")
    assert [(piece.kind, piece.text) for piece in line] == [
        ("same", "Montag "),
        ("old", "8"),
        ("new", "9"),
        ("same", " Uhr bis 12 Uhr"),
    ]


def test_neighbouring_changes_are_one() -> None:
    (line,) = word_pieces("Wir helfen dir bei der Suche.", "Wir zeigen euch bei der Suche.")
    assert [(piece.kind, piece.text) for piece in line][1:3] == [
        ("old", "helfen dir"),
        ("new", "zeigen euch"),
    ]
