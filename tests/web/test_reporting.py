""" "Something is wrong here": for everybody, about nobody."""

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlmodel import Session, delete, select

from portal.accounts.models import AuditEvent
from portal.catalogue.models import VisitorReport
from portal.config import Settings
from portal.web.application import Portal, build
from portal.web.public import reporting
from tests.web.conftest import NOW
from tests.web.pages import Page, PageClient, check_page

SLUG = "reha-team"
PATH = f"/de/offers/{SLUG}/report"


@dataclass
class Site:
    client: PageClient
    now: datetime = NOW

    @property
    def portal(self) -> Portal:
        found: Portal = self.client.app.extensions["portal"]
        return found

    def session(self) -> Session:
        return self.portal.store.sessions()

    def reports(self) -> list[tuple[str, str, str]]:
        with self.session() as session:
            found = session.exec(select(VisitorReport)).all()
            return sorted((report.reason, report.text, report.state) for report in found)

    def token(self, path: str = PATH) -> str:
        return str(self.client.page(path).one('input[name="token"]')["value"])

    def send(self, data: dict[str, str], *, after: float = 20, path: str = PATH, **options: Any) -> Any:
        """Open the page, wait, send."""
        token = self.token(path)
        self.now += timedelta(seconds=after)
        return self.client.post(path, data={"token": token, **data}, **options)


@pytest.fixture(scope="module")
def shared(prepared: Callable[[str], Settings], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    source = prepared("musterkreis")
    folder = tmp_path_factory.mktemp("reporting") / "data"
    shutil.copytree(source.data_dir, folder)
    clock: list[Site] = []
    app = build(source.model_copy(update={"data_dir": folder}), now=lambda: clock[0].now if clock else NOW)
    made = Site(PageClient(app))
    clock.append(made)
    yield made
    made.portal.store.engine.dispose()


@pytest.fixture
def site(shared: Site) -> Site:
    with shared.session() as session:
        session.exec(delete(VisitorReport))
        session.exec(delete(AuditEvent))
        session.commit()
    shared.now = NOW
    shared.client = PageClient(shared.client.app)
    shared.client.app.extensions.pop("report_counter", None)
    return shared


@pytest.mark.parametrize("lang", ["de", "en", "ar"])
def test_from_the_offer_to_the_thanks(site: Site, lang: str) -> None:
    offer = site.client.page(f"/{lang}/offers/{SLUG}")
    links = [str(a["href"]) for a in offer.all("main a[href]")]
    path = f"/{lang}/offers/{SLUG}/report"
    assert path in links
    page = site.client.page(path)
    assert len(page.all('input[type="radio"][name="reason"]')) == 6
    assert page.response.headers["Cache-Control"] == "no-store"
    assert page.one('meta[name="robots"]')["content"] == "noindex"
    sent = site.send({"reason": "phone", "text": "Es ist die 12."}, path=path)
    assert sent.status_code == 303
    thanks = site.client.page(sent.location)
    assert f"/{lang}/offers/{SLUG}" in [str(a["href"]) for a in thanks.all("main a[href]")]
    with site.session() as session:
        (report,) = session.exec(select(VisitorReport)).all()
    assert (report.reason, report.text, report.language) == ("phone", "Es ist die 12.", lang)
    assert report.day == NOW.date()


def test_nothing_tells_who_it_was(site: Site) -> None:
    site.send({"reason": "gone"}, environ_base={"REMOTE_ADDR": "203.0.113.77"})
    assert site.client.cookie_names() == []
    with site.session() as session:
        for row in [*session.exec(select(VisitorReport)).all(), *session.exec(select(AuditEvent)).all()]:
            assert "203.0.113" not in repr(row.model_dump())
        (event,) = session.exec(select(AuditEvent)).all()
    assert (event.action, event.actor_id, event.actor_name) == ("report.received", None, "")
    local = event.at.astimezone(site.portal.timezone)
    assert (local.hour, local.minute, local.second) == (0, 0, 0)


def test_looking_keeps_nothing(site: Site) -> None:
    for method in ("GET", "HEAD"):
        assert site.client.client.open(PATH + "?reason=phone", method=method).status_code == 200
    assert site.reports() == []


def test_the_same_said_twice_is_kept_once_and_thanked_twice(site: Site) -> None:
    for _ in range(2):
        assert site.send({"reason": "hours", "text": "Montag zu"}).status_code == 303
    assert site.reports() == [("hours", "Montag zu", "open")]


def page_of(response: Any, status: int) -> Page:
    return check_page(response, PATH, status)


def test_without_a_reason_it_is_said_at_the_field_and_the_text_stays(site: Site) -> None:
    page = page_of(site.send({"text": "Die Tür ist zu."}), 422)
    assert page.one("#text").text.strip() == "Die Tür ist zu."
    assert page.one(".box.wrong a")["href"] == "#reason"
    assert page.one("#reason")["aria-describedby"] == "wrong"
    assert page_of(site.send({"reason": "nonsense"}), 422)
    assert site.reports() == []


def test_faster_than_a_person_can_be(site: Site) -> None:
    token = site.token()
    page = page_of(site.client.post(PATH, data={"token": token, "reason": "phone", "text": "x"}), 422)
    assert page.one('input[value="phone"]').has_attr("checked")
    assert page.one("#text").text.strip() == "x"
    assert site.reports() == []
    # Whoever really was that quick sends it once more.
    site.now += timedelta(seconds=reporting.QUICKEST)
    again = str(page.one('input[name="token"]')["value"])
    assert site.client.post(PATH, data={"token": again, "reason": "phone"}).status_code == 303
    assert len(site.reports()) == 1


def test_a_page_that_lay_open_since_yesterday_is_sent_once_more(site: Site) -> None:
    page = page_of(site.send({"reason": "phone", "text": "x"}, after=25 * 3600), 422)
    site.now += timedelta(seconds=5)
    fields = {"token": str(page.one('input[name="token"]')["value"]), "reason": "phone", "text": "x"}
    assert site.client.post(PATH, data=fields).status_code == 303
    assert len(site.reports()) == 1


def test_tokens_are_signed_and_for_one_offer(site: Site) -> None:
    other = site.token("/de/offers/jobcenter/report")
    site.now += timedelta(seconds=20)
    for token in ("", "nonsense", other, other[:-2] + "xx"):
        assert site.client.post(PATH, data={"token": token, "reason": "phone"}).status_code == 422
    assert site.reports() == []


def test_who_fills_in_the_field_that_nobody_sees_is_thanked_and_forgotten(site: Site) -> None:
    page = site.client.page(PATH)
    trap = page.one(f'input[name="{reporting.TRAP}"]')
    assert trap["tabindex"] == "-1"
    assert trap.find_parent(attrs={"aria-hidden": "true"})
    assert site.send({"reason": "phone", reporting.TRAP: "https://spam.example"}).status_code == 303
    assert site.reports() == []


def test_ten_an_hour_from_one_connection(site: Site) -> None:
    for number in range(10):
        assert site.send({"reason": "other", "text": f"Nummer {number}"}).status_code == 303
    page = page_of(site.send({"reason": "other", "text": "Nummer 11"}), 429)
    assert page.one("#text").text.strip() == "Nummer 11"
    assert len(site.reports()) == 10
    elsewhere = {"REMOTE_ADDR": "203.0.113.9"}
    assert site.send({"reason": "phone"}, environ_base=elsewhere).status_code == 303


def test_addresses_are_counted_under_a_salt_that_changes_every_day(site: Site) -> None:
    site.send({"reason": "phone"})
    counter = site.client.app.extensions["report_counter"]
    today = NOW.date()
    first = counter.key("203.0.113.9", today)
    assert "203" not in first
    assert counter.key("203.0.113.9", today) == first
    assert counter.key("203.0.113.10", today) != first
    assert counter.key("203.0.113.9", today + timedelta(days=1)) != first


def test_another_site_cannot_report(site: Site) -> None:
    response = site.send({"reason": "phone"}, headers={"Sec-Fetch-Site": "cross-site"})
    assert response.status_code == 403
    assert site.reports() == []


def test_an_offer_that_does_not_exist(site: Site) -> None:
    for path in ("/de/offers/nothing/report", "/de/offers/nothing/reported"):
        site.client.page(path, status=404)
    assert site.client.post("/de/offers/nothing/report", data={"reason": "phone"}).status_code == 404


@pytest.mark.parametrize("attack", ["<script>alert(1)</script>", '"></textarea><img src=x onerror=alert(1)>'])
def test_what_is_typed_is_text(site: Site, attack: str) -> None:
    response = site.send({"text": attack})
    assert response.status_code == 422
    assert attack not in response.get_data(as_text=True)


def test_the_link_weighs_next_to_nothing(site: Site) -> None:
    page = site.client.page(f"/de/offers/{SLUG}")
    (link,) = [a for a in page.all("main a") if str(a["href"]).endswith("/report")]
    assert len(str(link)) < 120
