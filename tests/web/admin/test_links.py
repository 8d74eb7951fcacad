"""Addresses that do not work, as coordinators and editors see them; and the commands for cron."""

import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from sqlmodel import Session, select

from portal.catalogue import addresses_check as addresses
from portal.catalogue.models import CheckedAddress, Organization, Service
from portal.config import Settings
from portal.web.admin import links_page
from portal.web.cli import main
from tests.web.admin.conftest import SignIn
from tests.web.admin.pages import AdminClient
from tests.web.conftest import NOW

SLUG = "reha-team"


def note(database: Session, kind: str, value: str, problem: str | None) -> None:
    addresses.record(
        database, "musterkreis", addresses.Result(kind, value, problem), today=NOW.date(), now=NOW
    )
    database.commit()


@pytest.fixture
def broken(database: Session) -> str:
    """The web address of an organization that no longer exists."""
    service = database.exec(select(Service).where(Service.slug == SLUG)).one()
    owner = database.get(Organization, service.organization_id)
    assert owner is not None
    owner.website = "https://gone.example/"
    database.add(owner)
    database.commit()
    note(database, "url", owner.website, "not_found")
    return owner.slug


def test_problems_are_listed_with_the_entries_that_use_them(
    admin: AdminClient, broken: str, database: Session
) -> None:
    note(database, "url", "https://unused.example/", "timeout")
    page = admin.page("/admin/links")
    (row,) = page.all("main tbody tr")
    assert "https://gone.example/" in row.text
    assert row.find("a", href=f"/admin/organizations/{broken}")
    assert page.all("main tbody a[rel]")[0]["rel"] == ["noopener", "noreferrer"]
    assert admin.page("/admin/links?show=phone").all("main tbody tr") == []
    assert len(admin.page("/admin/links?show=url").all("main tbody tr")) == 1


def test_an_editor_sees_only_the_own_organization(signed_in: SignIn, broken: str) -> None:
    own = signed_in("editor", organization=broken).page("/admin/links")
    assert len(own.all("main tbody tr")) == 1
    other = signed_in("editor", organization="jobcenter-musterkreis").page("/admin/links")
    assert other.all("main tbody tr") == []


def test_before_the_first_look_it_says_so(admin: AdminClient, database: Session) -> None:
    assert "portal check links" in admin.page("/admin/links").text
    note(database, "email", "a@example.org", None)
    assert "portal check links" not in admin.page("/admin/links").text


def test_an_address_that_is_no_web_address_is_no_link(admin: AdminClient, database: Session) -> None:
    owner = database.exec(select(Organization)).all()[0]
    owner.website = 'javascript:alert("<b>")'
    database.add(owner)
    database.commit()
    note(database, "url", owner.website, "malformed")
    page = admin.page("/admin/links")
    assert not [a for a in page.all("a") if str(a["href"]).startswith("javascript")]
    assert owner.website in page.text


def test_every_problem_has_words() -> None:
    source = Path(addresses.__file__).read_text(encoding="utf-8")
    for code in links_page.PROBLEMS:
        assert f'"{code}"' in source, f"{code} never happens"
    for code in addresses.NETWORK:
        assert code in links_page.PROBLEMS


# Commands.


@pytest.fixture
def portal(admin_settings: Settings) -> Callable[..., Result]:
    plain = {name: None for name in os.environ if name.startswith("PORTAL_")}
    environ = {"PORTAL_DATA_DIR": str(admin_settings.data_dir), "PORTAL_REGION": "musterkreis"}

    def run(*arguments: str, **more: str) -> Result:
        return CliRunner().invoke(main, arguments, env={**plain, **environ, **more})

    return run


def names(monkeypatch: pytest.MonkeyPatch, answer: Callable[[str], Any]) -> None:
    def found(checker: addresses.Checker, address: str) -> str | None:
        return answer(address)  # type: ignore[no-any-return]

    monkeypatch.setattr(addresses.Checker, "url", found)
    monkeypatch.setattr(addresses.Checker, "email", found)


def test_check_links_says_what_is_wrong_and_ends_with_one(
    portal: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    names(monkeypatch, lambda address: None)
    fine = portal("check", "links")
    assert (fine.exit_code, fine.stdout) == (0, "")
    names(monkeypatch, lambda address: "not_found")
    wrong = portal("check", "links", "--only", "url", "--limit", "2")
    assert wrong.exit_code == 1
    assert [line.split("\t")[:2] for line in wrong.stdout.splitlines()] == [["url", "not_found"]] * 2


def test_check_links_without_a_network_blames_nobody(
    portal: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    def silent(address: str) -> str:
        raise addresses.Unknown(address)

    names(monkeypatch, silent)
    result = portal("check", "links", "--only", "email")
    assert result.exit_code == 2
    assert "network" in result.stderr


def test_check_links_never_looks_inside(
    portal: Callable[..., Result], monkeypatch: pytest.MonkeyPatch, database: Session
) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", lambda host, port, **_: [(2, 1, 6, "", ("127.0.0.1", port))])
    assert portal("check", "links", "--only", "url", "--limit", "1").exit_code == 1
    assert {row.problem for row in database.exec(select(CheckedAddress)).all()} == {"private"}


def test_reminders_are_sent_once(portal: Callable[..., Result]) -> None:
    """Everything in the example region was entered lately, so that nothing is due."""
    first = portal("reminders", "send")
    assert first.exit_code == 0, first.output
    again = portal("reminders", "send")
    assert again.stdout.startswith("0 asked, 0 reminded, 0 escalated; 0 letters")


def test_reminders_want_a_public_address_in_production(portal: Callable[..., Result]) -> None:
    result = portal(
        "reminders", "send", PORTAL_ENVIRONMENT="production", PORTAL_SECRET_KEY="x7" * 20, PORTAL_BASE_URL=""
    )
    assert result.exit_code == 1
    assert "PORTAL_BASE_URL" in result.stderr
