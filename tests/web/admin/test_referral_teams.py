"""Teams that take referrals: who sets them up, what is said of them, and who looks over everybody's shoulder."""

from contextvars import copy_context
from datetime import date, timedelta

import pytest
from sqlalchemy import select
from sqlmodel import Session, col

from portal.accounts.models import AuditEvent
from portal.catalogue.queries import ServiceView
from portal.referral import counts, promise
from portal.referral.models import Team
from portal.web.application import Portal
from portal.web.current import begin
from portal.web.promised import measured_sentence
from tests.web.admin.conftest import Clock, MakeUser, SignIn
from tests.web.admin.pages import AdminClient

REGION = "musterkreis"
ALL = "/admin/referrals/teams"
ACCESS = "/admin/referrals/access"
TYPED = {"accepts": "y", "email": "team@example.org", "promise_days": "2", "languages": ["ar", "en"]}


@pytest.fixture
def service(admin_portal: Portal) -> ServiceView:
    return admin_portal.catalogue.services()[0]


@pytest.fixture
def path(service: ServiceView) -> str:
    return f"{ALL}/{service.organization.id}"


@pytest.fixture
def other(admin_portal: Portal, service: ServiceView) -> ServiceView:
    return next(
        one for one in admin_portal.catalogue.services() if one.organization.id != service.organization.id
    )


@pytest.fixture
def coordinator(signed_in: SignIn) -> AdminClient:
    return signed_in("coordinator")


def team(database: Session, service: ServiceView) -> Team | None:
    database.expire_all()
    return database.get(Team, service.organization.id)


def test_a_coordinator_sets_a_team_up(
    coordinator: AdminClient, database: Session, path: str, service: ServiceView
) -> None:
    coordinator.submit(
        path, TYPED | {"open_at_most": "12", "away_from": "2026-12-21", "away_to": "2027-01-04"}
    )
    kept = team(database, service)
    assert kept is not None
    assert (kept.accepts, kept.email, kept.promise_days) == (True, "team@example.org", 2)
    assert sorted(kept.languages) == ["ar", "en"]
    assert (kept.open_at_most, kept.away_from, kept.away_to) == (12, date(2026, 12, 21), date(2027, 1, 4))
    (event,) = database.execute(select(AuditEvent).where(col(AuditEvent.action) == "team.saved")).scalars()
    assert event.entity_name == service.organization.text("name", "de").text  # type: ignore[union-attr]
    assert "team@example.org" not in str(event.details)
    page = coordinator.page(path)
    assert page.one("#email")["value"] == "team@example.org"
    assert {str(one["value"]) for one in page.all('input[name="languages"][checked]')} == {"ar", "en"}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("email", "no address"),
        ("promise_days", "0"),
        ("promise_days", "soon"),
        ("open_at_most", "-1"),
        ("away_from", "tomorrow"),
        ("away_to", "2026-12-24"),
        ("fallback", "somebody"),
    ],
)
def test_what_is_wrong_stands_at_the_field_and_nothing_is_lost(
    coordinator: AdminClient, database: Session, path: str, service: ServiceView, field: str, value: str
) -> None:
    answer = coordinator.submit(path, TYPED | {field: value}, status=422)
    page = coordinator.sent(answer, path, status=422)
    assert page.all('main [role="alert"] a')
    assert page.all("main [aria-invalid]")
    assert page.one("#accepts").has_attr("checked")
    if field != "fallback":
        assert page.one(f"#{field}")["value"] == value
    assert team(database, service) is None


def test_counsellors_have_their_own_team_only(
    signed_in: SignIn, database: Session, path: str, service: ServiceView, other: ServiceView
) -> None:
    counsellor = signed_in("counsellor", organization=service.organization.slug)
    assert counsellor.page(ALL).all(f'main a[href="{path}"]')
    elsewhere = f"{ALL}/{other.organization.id}"
    assert not counsellor.page(ALL).all(f'main a[href="{elsewhere}"]')
    counsellor.submit(path, TYPED)
    assert counsellor.get(elsewhere).status_code == 404
    assert counsellor.send(elsewhere, TYPED).status_code == 404
    assert team(database, other) is None
    assert team(database, service) is not None


def test_a_coordinator_of_another_part_of_the_county_does_not_see_it(
    signed_in: SignIn, admin_portal: Portal, path: str
) -> None:
    part = signed_in("coordinator", area=admin_portal.region.county_area + "999")
    assert part.get(path).status_code == 404
    for log in (ACCESS, f"{ACCESS}.csv"):
        assert part.get(log).status_code == 403, "of the whole county"
    assert not part.page(ALL).all(f'main a[href="{ACCESS}"]')


def test_a_team_without_anybody_is_warned_of(
    coordinator: AdminClient, a_user: MakeUser, path: str, service: ServiceView
) -> None:
    coordinator.submit(path, TYPED)
    assert "Niemand kann antworten" in coordinator.page(path).text
    assert "Niemand kann antworten" in coordinator.page(ALL).text
    a_user("counsellor", organization=service.organization.slug, password=False)
    assert "Niemand kann antworten" in coordinator.page(path).text, "invited is not there yet"
    a_user("counsellor", organization=service.organization.slug)
    assert "Niemand kann antworten" not in coordinator.page(path).text


def test_a_team_that_is_away_says_so(coordinator: AdminClient, path: str) -> None:
    coordinator.submit(path, TYPED | {"away_from": "2026-11-01", "away_to": "2026-11-30"})
    assert "30.11.2026" in coordinator.page(path).text


def test_small_numbers_are_not_told(
    coordinator: AdminClient, database: Session, clock: Clock, path: str, service: ServiceView
) -> None:
    def count(measure: str, times: int) -> None:
        for _ in range(times):
            counts.add(database, REGION, service.organization.id, measure, now=clock())

    count("requested", 17)
    count("outcome:arrived", counts.SHOWN_FROM - 1)
    count("worked:yes", counts.SHOWN_FROM)
    count(promise.measure(2), promise.SHOWN_FROM_CASES - 1)
    count(promise.measure(9), 0)
    database.commit()
    page = coordinator.page(path)
    rows = {str(row.th.text): str(row.td.text) for row in page.all("table tr") if row.th and row.td}
    assert rows["Angekommen"] == "17"
    assert rows["Ja"] == "5"
    assert set(rows.values()) - {"17", "5"} == {"weniger als 5"}
    assert "Die Hälfte" not in page.text
    count(promise.measure(3), 1)
    database.commit()
    assert "innerhalb von 2 Werktagen" in coordinator.page(path).text


def test_old_numbers_are_left_out(
    coordinator: AdminClient, database: Session, clock: Clock, path: str, service: ServiceView
) -> None:
    for _ in range(7):
        counts.add(database, REGION, service.organization.id, "requested", now=clock() - timedelta(days=500))
    database.commit()
    assert not [cell for cell in coordinator.page(path).all("table td") if "7" in cell.text]


# -- who opened what ---------------------------------------------------------------------------------------------------


@pytest.fixture
def log(database: Session, a_user: MakeUser, clock: Clock, service: ServiceView) -> list[str]:
    """Names of two counsellors who opened something."""
    names = []
    for number, label in enumerate(("AAAAAA", "BBBBBB", "=1+1")):
        user = a_user("counsellor", organization=service.organization.slug)
        names.append(user.name)
        database.add(
            AuditEvent(
                at=clock() - timedelta(minutes=number),
                actor_id=user.id,
                actor_name=user.name,
                action="referral.opened",
                region=REGION,
                entity="referral",
                entity_name=label,
                details={"note": "never shown"},
            )
        )
    database.add(AuditEvent(at=clock(), actor_name="x", action="service.saved", entity_name="Kein Fall"))
    database.commit()
    return names


def test_who_opened_what(coordinator: AdminClient, log: list[str], service: ServiceView) -> None:
    page = coordinator.page(ACCESS)
    name = service.organization.text("name", "de")
    assert name is not None
    for words in ("AAAAAA", "BBBBBB", *log, name.text):
        assert words in page.text
    for words in ("Kein Fall", "never shown"):
        assert words not in page.text
    found = coordinator.page(f"{ACCESS}?q=aaaaaa")
    assert "AAAAAA" in found.text
    assert "BBBBBB" not in found.text
    value = next(str(one["value"]) for one in page.all("#person option") if one.text == log[1])
    found = coordinator.page(f"{ACCESS}?person={value}")
    assert len(found.all("tbody tr")) == 1
    assert "BBBBBB" in found.text


def test_the_list_is_taken_out_as_csv(coordinator: AdminClient, database: Session, log: list[str]) -> None:
    text = coordinator.get(f"{ACCESS}.csv?q=B").get_data(as_text=True)
    assert "BBBBBB" in text
    assert "AAAAAA" not in text
    assert "\n=1+1" not in coordinator.get(f"{ACCESS}.csv").get_data(as_text=True).replace(";", "\n")
    database.expire_all()
    taken = database.execute(select(AuditEvent).where(col(AuditEvent.action) == "audit.exported"))
    assert len(list(taken.scalars())) == 2


def test_without_keys_there_are_no_such_pages(
    coordinator: AdminClient, admin_portal: Portal, path: str
) -> None:
    admin_portal.referrals = None
    for address in (ALL, path, ACCESS, f"{ACCESS}.csv", "/admin/referrals/watch"):
        assert coordinator.get(address).status_code == 404
    assert not coordinator.page("/admin/").all('nav a[href^="/admin/referrals"]')


# -- what the public reads ---------------------------------------------------------------------------------------------


def test_the_public_reads_the_median_of_enough_cases_only(
    admin_portal: Portal, database: Session, clock: Clock, service: ServiceView
) -> None:
    def sentence() -> str:
        begin(admin_portal, admin_portal.languages["en"])
        return measured_sentence(service.organization.id)

    def count(days: int, times: int) -> None:
        for _ in range(times):
            counts.add(database, REGION, service.organization.id, promise.measure(days), now=clock())
        database.commit()

    inside = copy_context()
    count(0, promise.SHOWN_FROM_CASES - 1)
    assert inside.run(sentence) == ""
    count(0, 1)
    assert inside.run(sentence) == "Half of all people heard from them within 1 working day."
    count(3, promise.SHOWN_FROM_CASES)
    # Between 0 and 3 lies 1.5; nobody is promised less than what was measured.
    assert inside.run(sentence) == "Half of all people heard from them within 2 working days."
    admin_portal.referrals = None
    assert inside.run(sentence) == ""
