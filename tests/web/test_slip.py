"""The slip without a name, and where "let them contact me" stands."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from urllib.parse import quote

import pytest
from sqlalchemy import select
from sqlmodel import Session

from portal.accounts.models import Role, RoleGrant, User
from portal.catalogue.models import entity_id
from portal.config import Settings
from portal.referral import choosing, slips
from portal.referral.models import Slip, Team
from portal.referral.personal import Situation
from portal.web.application import Portal, build
from portal.web.public.qr import drawn
from tests.web.conftest import NOW
from tests.web.pages import Page, PageClient, text_of
from tests.web.walking import walk

ANSWERS = {
    "topic": ("training_place", "money"),
    "age": "age_15_17",
    "activity": "school",
    "benefits": "family",
}


@dataclass
class Site:
    settings: Settings
    now: datetime = NOW

    def __post_init__(self) -> None:
        self.app = build(self.settings, now=lambda: self.now)
        self.client = PageClient(self.app)

    @property
    def portal(self) -> Portal:
        found: Portal = self.app.extensions["portal"]
        return found

    def session(self) -> Session:
        return self.portal.store.sessions()

    def situation(self, code: str) -> Situation:
        assert self.portal.referrals is not None
        with self.session() as session:
            return slips.open_slip(
                session, self.portal.referrals.keyring, code, region="musterkreis", now=self.now
            )[1]

    def kept(self) -> list[Slip]:
        with self.session() as session:
            return list(session.execute(select(Slip)).scalars())


@pytest.fixture
def site(own_settings: Settings) -> Iterator[Site]:
    made = Site(own_settings)
    yield made
    made.portal.store.engine.dispose()


def made(site: Site, lang: str, *, tell: list[str] | None = None, also: list[str] | None = None) -> Page:
    response = site.client.submit(f"/{lang}/slip", {"tell": tell or [], "also": also or []})
    assert response.location == f"/{lang}/slip/code", "the code is never part of an address"
    return site.client.page(response.location)


def code_of(page: Page) -> str:
    return text_of(page.one("article h2"))


def test_only_what_is_ticked_stands_on_the_slip(site: Site) -> None:
    result = walk(site.client, "ar", ANSWERS)
    first = text_of(result.one("article.first h2"))
    form = site.client.page(str(result.one('main a[href="/ar/slip"]')["href"]))
    boxes = {str(box["value"]): box for box in form.all('main input[type="checkbox"]')}
    assert {"desk", "answer:age", "answer:activity", "answer:topic"} <= boxes.keys()
    assert not [name for name, box in boxes.items() if box.has_attr("checked")]
    page = made(site, "ar", tell=["desk", "answer:age"], also=["interpreter"])
    situation = site.situation(code_of(page))
    assert [line.key for line in situation.lines] == ["desk", "answer:age"]
    assert situation.language == "ar"
    assert situation.interpreter
    assert not situation.accompanied
    assert situation.lines[0].value == first
    german = walk(site.client, "de", ANSWERS)
    assert situation.service_name == situation.lines[0].value_de == text_of(german.one("article.first h2"))
    for line in situation.lines:
        assert line.value in page.text
        assert line.value_de in page.text
    assert "Jemand soll für mich übersetzen" in page.text
    assert "Arabisch" in page.text
    assert page.response.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize(
    ("answers", "offered"),
    [
        (
            {"topic": ("new_in_germany", "school"), "new_issue": "work", "papers": "ukraine"},
            {"answer:topic", "answer:new_issue"},
        ),
        ({"topic": ("health", "no_plan"), "health_support": "soul", "age": "age_18_20"}, {"answer:topic"}),
        ({"topic": ("police", "money"), "police_mail": "yes", "age": "age_15_17"}, {"answer:topic"}),
        ({"topic": ("addiction",)}, set()),
        ({"topic": ("child",), "child_issue": "expecting"}, set()),
    ],
)
def test_status_health_and_police_are_never_offered(
    site: Site, answers: dict[str, object], offered: set[str]
) -> None:
    walk(site.client, "de", answers)
    page = site.client.page("/de/slip")
    boxes = {str(box["value"]): text_of(box.parent) for box in page.all('main input[name="tell"]')}
    assert offered <= boxes.keys()
    questions = {"papers", "first_paper", "health_support", "police_mail", "police_14", "child_issue"}
    assert boxes.keys().isdisjoint({"desk", *(f"answer:{question}" for question in questions)})
    words = " ".join(boxes.values())
    for kept in ("Ukraine", "Papier", "Krankheit", "seelisch", "Polizei", "Sucht", "chwanger"):
        assert kept not in words
    response = site.client.post(
        "/de/slip", {"csrf_token": page.token, "tell": ["answer:papers", "desk"], "also": []}
    )
    assert response.status_code == 422
    assert site.kept() == []


def test_it_works_without_answers_and_shows_the_code_again(site: Site) -> None:
    code = code_of(made(site, "de", also=["accompanied"]))
    assert site.situation(code).accompanied
    assert site.situation(code).lines == ()
    assert code_of(site.client.page("/de/slip/code")) == code
    assert code_of(site.client.page("/uk/slip/code")) == code, "in another language too"
    assert len(site.kept()) == 1


def test_what_was_ticked_is_there_on_the_way_back(site: Site) -> None:
    walk(site.client, "ar", ANSWERS)
    made(site, "ar", tell=["answer:age"], also=["interpreter"])
    ticked = site.client.page("/ar/slip").all("main input[checked]")
    assert [box["value"] for box in ticked] == ["answer:age", "interpreter"]


def test_whoever_made_it_does_not_count_as_the_desk(site: Site) -> None:
    made(site, "de")
    assert site.kept()[0].opened_at is None


def test_the_qr_code_holds_the_code_behind_the_number_sign(site: Site) -> None:
    page = made(site, "de")
    address = "http://localhost/admin/slip#" + quote(code_of(page).replace(" ", "-"))
    path = re.search(r' d="([^"]+)"', drawn(address).decode())
    assert path
    assert path.group(1) in page.response.get_data(as_text=True)
    assert "localhost/admin/slip." in page.text
    assert "4. Dezember 2026" in page.text


def test_after_fourteen_days_it_is_gone(site: Site) -> None:
    made(site, "de")
    site.now += timedelta(days=14, seconds=1)
    assert site.client.get("/de/slip/code").location == "/de/slip"
    assert PageClient(site.app).get("/de/slip/code").location == "/de/slip", "nor without a cookie"


def test_answers_that_have_run_out_are_noticed_and_nothing_ticked_is_lost(site: Site) -> None:
    response = site.client.post(
        "/de/slip",
        {"csrf_token": site.client.page("/de/slip").token, "tell": ["answer:age"], "also": ["interpreter"]},
    )
    assert response.status_code == 422
    assert site.kept() == []
    again = response.get_data(as_text=True)
    assert re.search(r'value="interpreter" checked', again)


def test_a_flood_of_slips_is_stopped(site: Site) -> None:
    for _ in range(20):
        assert site.client.submit("/de/slip", {}).status_code == 303
    assert "in einer Stunde" in site.client.submit("/de/slip", {}, status=429).get_data(as_text=True)
    assert len(site.kept()) == 20


def test_without_keys_there_is_nothing_of_it(site: Site) -> None:
    site.portal.referrals = None
    result = walk(site.client, "de", ANSWERS)
    assert not result.all('main a[href$="/slip"]')
    for path in ("/de/slip", "/de/slip/code"):
        assert site.client.get(path).status_code == 404
    assert site.client.post("/de/slip").status_code == 404


# The button.


BUTTON = 'main a[href^="/de/contact-me?desk="]'


def first_slug(result: Page) -> str:
    return str(result.all("article.first p.note a")[0]["href"]).rsplit("/", 1)[1]


def take(site: Site, slug: str, **team: object) -> None:
    service = site.portal.catalogue.service(slug)
    assert service is not None
    organization = entity_id("musterkreis", "organization", service.organization.slug)
    with site.session() as session:
        user = User(email="team@example.org", name="Team", password_hash="x", created_at=NOW)
        session.add(user)
        session.flush()
        session.add(
            RoleGrant(
                user_id=user.id, role=Role.COUNSELLOR.value, organization_id=organization, granted_at=NOW
            )
        )
        session.add(
            Team(
                **{
                    "organization_id": organization,
                    "region": "musterkreis",
                    "accepts": True,
                    "changed_at": NOW,
                    **team,
                }
            )
        )
        session.commit()


def change(site: Site, **values: object) -> None:
    with site.session() as session:
        team = session.execute(select(Team)).scalar_one()
        for name, value in values.items():
            setattr(team, name, value)
        session.commit()


def test_the_button_comes_and_goes_with_the_team(site: Site) -> None:
    before = walk(site.client, "de", ANSWERS)
    slug = first_slug(before)
    assert before.all(BUTTON) == []
    take(site, slug)
    assert site.client.page("/de/result").all(BUTTON) == [], "asked half a minute ago"
    site.now += timedelta(seconds=30)
    card = site.client.page("/de/result").one("article.first")
    assert [a["href"] for a in card.select('a[href*="contact-me"]')] == [f"/de/contact-me?desk={slug}"]
    offer = site.client.page(f"/de/offers/{slug}")
    assert "Sie sollen sich bei mir melden" in text_of(offer.one(BUTTON))
    change(site, away_from=date(2026, 11, 20), away_to=date(2026, 11, 30))
    site.now += timedelta(seconds=30)
    assert site.client.page("/de/result").all(BUTTON) == []


def test_the_button_stands_on_the_other_contacts_too(site: Site) -> None:
    other = str(walk(site.client, "de", ANSWERS).all("#others h3 a")[0]["href"])
    take(site, other.rsplit("/", 1)[1])
    site.now += timedelta(seconds=30)
    assert site.client.page("/de/result").one("#others " + BUTTON.removeprefix("main "))


def test_nobody_asks_for_somebody_else(site: Site) -> None:
    take(site, first_slug(walk(site.client, "de", ANSWERS)))
    site.now += timedelta(seconds=30)
    assert site.client.page("/de/result").all(BUTTON)
    parents = PageClient(site.app)
    page = walk(parents, "de", {"who": "my_child", **ANSWERS})
    assert page.all(BUTTON) == []
    assert not page.all('main a[href="/de/slip"]')


def test_the_database_is_asked_once_in_half_a_minute(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    real = choosing.services_to_ask

    def counted(*args: object, **options: object) -> frozenset[object]:
        asked.append(site.now)
        return real(*args, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(choosing, "services_to_ask", counted)
    walk(site.client, "de", ANSWERS)
    for service in site.portal.catalogue.services()[:20]:
        site.client.page(f"/de/offers/{service.slug}")
    assert len(asked) == 1


def test_pages_are_shown_while_the_database_is_away(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    from sqlalchemy.exc import OperationalError

    def broken(*args: object, **options: object) -> None:
        raise OperationalError("select", {}, Exception("away"))

    monkeypatch.setattr(choosing, "services_to_ask", broken)
    assert walk(site.client, "de", ANSWERS).one("article.first")
