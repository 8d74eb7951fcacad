"""What needs me today, and that every number is the length of the list behind it."""

import re
from collections.abc import Callable
from datetime import timedelta

import pytest
from bs4 import BeautifulSoup
from sqlmodel import Session

from portal.accounts import forms
from portal.accounts.models import Letter
from portal.catalogue import editing, models, proposals
from portal.catalogue.models import entity_id
from portal.catalogue.queries import ServiceView
from portal.web import mail
from portal.web.application import Portal
from tests.web.admin.conftest import NOW, MakeUser, SignIn
from tests.web.admin.pages import AdminClient
from tests.web.pages import Page, text_of

REGION = "musterkreis"


def figures(page: Page) -> dict[str, int]:
    """Address → number."""
    return {str(a["href"]): int(text_of(a.select_one(".figure"))) for a in page.all(".figures a")}


def part(client: AdminClient, address: str) -> Page:
    """What htmx gets from there."""
    response = client.client.get(address, headers={"HX-Request": "true"})
    assert response.status_code == 200
    return Page(BeautifulSoup(response.get_data(as_text=True), "html5lib"), response, address)


@pytest.fixture
def service(admin_portal: Portal) -> ServiceView:
    """Published, with a translation, without an end."""
    return next(
        s
        for s in admin_portal.catalogue.services()
        if s.translations and s.valid_to is None and s.slug != admin_portal.region.clearing_desk
    )


@pytest.fixture
def trouble(database: Session, service: ServiceView) -> models.Service:
    """An offer with everything that can wait for somebody."""
    row = database.get(models.Service, service.id)
    assert row is not None
    record = editing.entry(database, REGION, "service", service.slug)
    changed = record.record.model_copy(
        update={"description": record.record.description + " Neu.", "url": "https://tot.example.org/"}
    )
    editing.save(database, REGION, "service", changed, base_hash=record.hash, author=None, now=NOW)
    database.refresh(row)
    row.review_due = NOW.date()
    row.valid_to = NOW.date() + timedelta(days=10)
    database.add(row)
    database.add(
        models.CheckedAddress(
            region=REGION, kind="url", value="https://tot.example.org/", problem="not_found", since=NOW.date(),
            checked_at=NOW,
        )
    )  # fmt: skip
    database.add(
        models.VisitorReport(region=REGION, service_id=row.id, reason="phone", language="de", day=NOW.date())
    )
    base = editing.entry(database, REGION, "service", service.slug)
    wish = base.record.model_copy(update={"description": "Ganz anders."})
    proposals.propose(
        database,
        REGION,
        "service",
        wish,
        base=base,
        author=None,
        now=NOW,
        organization_id=row.organization_id,
    )
    database.commit()
    return row


def test_every_number_is_the_length_of_its_list(admin: AdminClient, trouble: models.Service) -> None:
    found = figures(admin.page("/admin/"))
    for wanted in ("/admin/review", "/admin/reports", "/admin/confirmations", "/admin/links"):
        assert found[wanted] >= 1, wanted
    assert any("attention=ends_soon" in url for url in found)
    assert found["/admin/translations?language=en&state=outdated"] >= 1
    for url, number in found.items():
        page = admin.page(url)
        if url.startswith("/admin/translations"):
            assert int(text_of(page.one("#list [role=status]")).split()[0]) == number, url
        elif url.startswith("/admin/services"):
            assert int(text_of(page.one("[data-announce]")).split()[0]) == number, url
        elif url == "/admin/review":
            assert len(page.all("tbody tr")) == number
    assert trouble.name in admin.page("/admin/translations?language=en&state=outdated").text


def test_translations_are_counted_beside_the_page(
    admin: AdminClient, trouble: models.Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first look after a start must not wait until thousands of offers are read."""
    later: list[Callable[[], object]] = []
    monkeypatch.setattr(mail, "in_background", later.append)
    page = admin.page("/admin/")
    waiting = page.one("#languages")
    assert waiting.select_one("a")["href"] == "/admin/translations", "without JavaScript"
    assert not any("/admin/translations?" in url for url in figures(page))
    ask = part(admin, str(waiting["data-hx-get"]))
    assert ask.one("#languages")["data-hx-trigger"] == "load delay:1s"
    assert not ask.all("h1"), "only this part"
    later[0]()
    ready = part(admin, str(waiting["data-hx-get"]))
    assert figures(ready) and "data-hx-get" not in ready.one("#languages").attrs
    now = figures(admin.page("/admin/"))
    assert figures(ready).items() <= now.items(), "from now on they stand in the page at once"


def test_who_translates_nothing_is_not_told_of_languages(
    signed_in: SignIn, trouble: models.Service, service: ServiceView
) -> None:
    editor = signed_in("editor", organization=service.organization.slug)
    assert not any("translations" in url for url in figures(editor.page("/admin/")))
    assert editor.client.get("/admin/", headers={"HX-Request": "true"}).status_code == 403


def test_numbers_of_an_editor_are_of_the_own_organization(
    signed_in: SignIn, trouble: models.Service, admin_portal: Portal, service: ServiceView
) -> None:
    other = next(
        s.organization.slug
        for s in admin_portal.catalogue.services()
        if s.organization.slug != service.organization.slug
    )
    own = figures(signed_in("editor", organization=service.organization.slug).page("/admin/"))
    assert any("attention=ends_soon" in url for url in own)
    assert "/admin/review" not in own and "/admin/reports" not in own
    foreign = figures(signed_in("editor", organization=other).page("/admin/"))
    assert not any("attention=ends_soon" in url for url in foreign)
    assert "/admin/links" not in foreign


def test_who_plans_starts_with_the_numbers(signed_in: SignIn, trouble: models.Service) -> None:
    assert signed_in("reader").get("/admin/").location == "/admin/statistics"


def test_a_counsellor_is_told_of_referrals_only(
    signed_in: SignIn, trouble: models.Service, service: ServiceView
) -> None:
    page = signed_in("counsellor", organization=service.organization.slug).page("/admin/")
    assert figures(page) == {}
    assert page.all("#done")


def test_everything_is_done(signed_in: SignIn, database: Session, clock: object) -> None:
    """An organization without offers has nothing to do."""
    from tests.factories import an_organization

    an_organization(database, "fertig", region=REGION, kind="verein")
    database.commit()
    page = signed_in("editor", organization="fertig").page("/admin/")
    assert figures(page) == {}
    assert page.all("#done")


def test_forms_that_were_not_saved_are_called_by_their_entry(
    signed_in: SignIn, a_user: MakeUser, database: Session, service: ServiceView
) -> None:
    user = a_user("coordinator")
    for path in (f"/admin/services/{service.slug}", "/admin/services/new", "/admin/people/invite"):
        forms.keep(database, user.id, path, [["name", "x"]], now=NOW)
    database.commit()
    page = signed_in(user=user).page("/admin/")
    links = {str(a["href"]): text_of(a) for a in page.all("section[aria-labelledby=kept] a")}
    assert links[f"/admin/services/{service.slug}"] == service.name
    assert set(links) == {
        f"/admin/services/{service.slug}",
        "/admin/services/new",
        "/admin/people/invite",
    }
    assert not page.all("#done")


def test_words_in_vain_are_for_those_who_keep_the_whole_county(
    admin: AdminClient, signed_in: SignIn, database: Session, service: ServiceView
) -> None:
    database.add(
        models.SearchMiss(
            region=REGION,
            language="de",
            term="mofa fahren",
            count=4,
            first_day=NOW.date(),
            last_day=NOW.date(),
        )
    )
    database.commit()
    page = admin.page("/admin/")
    assert "mofa fahren" in page.text
    assert "mofa fahren" in admin.page(str(page.one("section[aria-labelledby=misses] a.btn")["href"])).text
    editor = signed_in("editor", organization=service.organization.slug)
    assert "mofa fahren" not in editor.page("/admin/").text


def test_an_editor_reads_what_became_of_a_proposal(
    signed_in: SignIn, a_user: MakeUser, database: Session, service: ServiceView
) -> None:
    author, chief = a_user("editor", organization=service.organization.slug), a_user("coordinator")
    base = editing.entry(database, REGION, "service", service.slug)
    wish = base.record.model_copy(update={"description": "Ganz anders."})

    def propose() -> models.Proposal:
        return proposals.propose(
            database, REGION, "service", wish, base=base, author=author, now=NOW,
            organization_id=entity_id(REGION, "organization", service.organization.slug),
        )  # fmt: skip

    old, new = propose(), propose()
    assert old.state == "withdrawn"
    proposals.reject(database, new, by=chief, now=NOW, comment="Das steht schon da.")
    database.commit()
    page = signed_in(user=author).page("/admin/")
    own = page.all("section[aria-labelledby=own] li")
    assert len(own) == 1
    assert "Das steht schon da." in text_of(own[0])
    new.decided_at = NOW - timedelta(days=31)
    database.add(new)
    database.commit()
    assert not signed_in(user=author).page("/admin/").all("section[aria-labelledby=own]")


def test_letters_that_fail_are_listed_without_their_text(admin: AdminClient, database: Session) -> None:
    for number, (tries, failure, sent) in enumerate(
        ((0, None, None), (3, "SMTPServerDisconnected", None), (40, "OSError", None), (2, None, NOW))
    ):
        database.add(
            Letter(
                key=str(number), recipient=f"p{number}@example.org", subject="Ihr Link", body="https://geheim.example/",
                written_at=NOW, next_try_at=NOW, tries=tries, failure=failure, sent_at=sent,
            )
        )  # fmt: skip
    database.commit()
    assert figures(admin.page("/admin/"))["/admin/letters"] == 2
    page = admin.page("/admin/letters")
    assert re.findall(r"p\d@example\.org", page.text) == ["p1@example.org", "p2@example.org"]
    assert "geheim" not in page.response.get_data(as_text=True)


def test_keys_lead_only_where_one_may_go(admin: AdminClient, signed_in: SignIn, service: ServiceView) -> None:
    assert {str(a["data-go"]) for a in admin.page("/admin/").all("#keys [data-go]")} == {
        "h",
        "s",
        "o",
        "r",
        "l",
    }
    editor = signed_in("editor", organization=service.organization.slug)
    assert {str(a["data-go"]) for a in editor.page("/admin/").all("#keys [data-go]")} == {"h", "s", "o"}
