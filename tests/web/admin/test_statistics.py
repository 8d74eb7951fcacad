"""What those read who plan."""

from datetime import timedelta

from sqlmodel import Session

from portal.catalogue import models
from portal.catalogue.models import entity_id
from portal.referral import counts
from portal.web.application import Portal
from tests.web.admin.conftest import NOW, SignIn
from tests.web.pages import Page

REGION = "musterkreis"


def rows(page: Page, table: str) -> dict[str, list[str]]:
    return {
        str(row.th.get_text(strip=True)): [cell.get_text(strip=True) for cell in row.select("td")]
        for row in page.all(f"section[aria-labelledby={table}] tbody tr")
        if row.th
    }


def test_a_reader_sees_what_there_is_and_what_is_missing(signed_in: SignIn, admin_portal: Portal) -> None:
    page = signed_in("reader").page("/admin/statistics")
    catalogue = admin_portal.catalogue
    assert str(catalogue.service_count) in rows(page, "catalogue")["Öffentliche Angebote"]
    topics = rows(page, "topics")
    assert len(topics) == len(catalogue.terms("topics"))
    assert [int(row[0]) for row in topics.values()] == sorted(int(row[0]) for row in topics.values())
    term = catalogue.terms("topics")[0]
    offers = [one for one in catalogue.services() if term.code in one.topics]
    assert topics[term.short_name or term.name][0] == str(len(offers))
    places = len(catalogue.places.all())
    for numbers in rows(page, "kinds").values():
        assert sum(map(int, numbers[:5])) == places


def test_small_numbers_of_a_team_are_in_no_sum(
    signed_in: SignIn, database: Session, admin_portal: Portal
) -> None:
    one, other = (entity_id(REGION, "organization", slug) for slug in ("one", "other"))
    for organization, times in ((one, 6), (other, counts.SHOWN_FROM - 1)):
        for _time in range(times):
            counts.add(database, REGION, organization, "requested", now=NOW)
    counts.add(database, REGION, one, "accepted", now=NOW)
    counts.add(database, REGION, one, "requested", now=NOW - timedelta(days=500))
    database.commit()
    found = rows(signed_in("reader").page("/admin/statistics"), "referrals")
    assert (found["Angekommen"][1], found["Angenommen"][1]) == ("6", "weniger als 5")


def test_words_that_found_nothing_and_everything_as_a_table(signed_in: SignIn, database: Session) -> None:
    day = NOW.date()
    miss = {"region": REGION, "language": "de", "first_day": day, "last_day": day}
    database.add(models.SearchMiss(term="mofaführerschein", count=4, **miss))
    database.commit()
    reader = signed_in("reader")
    assert rows(reader.page("/admin/statistics"), "words")["mofaführerschein"] == ["Deutsch", "4"]
    answer = reader.client.get("/admin/statistics.csv")
    assert answer.mimetype == "text/csv"
    assert "mofaführerschein;Deutsch;4" in answer.get_data(as_text=True)
