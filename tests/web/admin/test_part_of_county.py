"""A coordinator for a part of the county and the organizations that are there for that part only."""

from dataclasses import dataclass
from datetime import timedelta

import pytest
from sqlmodel import Session, select

from portal.catalogue import editing, models, proposals
from portal.catalogue.models import Status, entity_id
from portal.catalogue.overview import organization_areas
from portal.web.application import Portal
from tests.factories import a_service, an_organization
from tests.web.admin.conftest import NOW, SignIn
from tests.web.admin.pages import AdminClient
from tests.web.admin.test_editing import fields_of, filled, record
from tests.web.pages import text_of

REGION = "musterkreis"
OWN = "/admin/organizations/nur-hier"


@dataclass
class Ground:
    here: str
    elsewhere: str
    organization: models.Organization
    service: models.Service


@pytest.fixture
def ground(database: Session, admin_portal: Portal) -> Ground:
    """An organization with one published offer, for one town."""
    here, elsewhere = sorted(database.exec(select(models.Place.ags)))[:2]
    organization = an_organization(database, "nur-hier", region=REGION, kind="verein", name="Nur hier e. V.")
    service = a_service(
        database, "rat-hier", organization=organization, region=REGION, name="Rat hier", service_areas=(here,)
    )
    database.commit()
    admin_portal.catalogue.refresh()
    return Ground(here, elsewhere, organization, service)


@pytest.fixture
def local(signed_in: SignIn, ground: Ground) -> AdminClient:
    return signed_in("coordinator", area=ground.here)


def an_offer(session: Session, ground: Ground, slug: str, area: str, status: str) -> None:
    a_service(
        session, slug, organization=ground.organization, region=REGION, name=slug, service_areas=(area,), status=status
    )  # fmt: skip
    session.commit()


def is_open(client: AdminClient) -> bool:
    status = client.get(OWN).status_code
    assert status in (200, 404)
    return status == 200


def test_it_is_opened_edited_and_found_in_the_history(
    local: AdminClient, database: Session, ground: Ground
) -> None:
    listed = local.page("/admin/organizations")
    assert [text_of(a) for a in listed.all(f'a[href="{OWN}"]')] == ["Nur hier e. V."]
    assert listed.all('input[name="chosen"][value="nur-hier"]')
    changed = filled(fields_of(local.page(OWN)), name="Nur hier und sonst nirgends")
    assert local.send(OWN, changed).status_code == 303
    assert record(database, "nur-hier", "organization").name == "Nur hier und sonst nirgends"
    assert local.page("/admin/organization/nur-hier/history").all("main a")


@pytest.mark.parametrize("status", ["published", "draft"])
def test_a_published_offer_for_elsewhere_closes_it(
    local: AdminClient, database: Session, ground: Ground, status: str
) -> None:
    assert is_open(local)
    an_offer(database, ground, "rat-dort", ground.elsewhere, status)
    assert is_open(local) is (status == "draft"), "nobody sees a draft yet"
    listed = local.page("/admin/organizations")
    assert bool(listed.all(f'a[href="{OWN}"]')) is (status == "draft")
    assert local.get("/admin/organization/nur-hier/history").status_code == (
        200 if status == "draft" else 404
    )


def test_an_offer_for_the_whole_county_closes_it(
    local: AdminClient, database: Session, ground: Ground, admin_portal: Portal
) -> None:
    an_offer(database, ground, "rat-ueberall", admin_portal.region.county_area, "published")
    assert not is_open(local)


def test_without_any_offer_nobody_knows_where_it_belongs(local: AdminClient, database: Session) -> None:
    leer = an_organization(database, "leer", region=REGION, kind="verein")
    database.commit()
    assert organization_areas(database, [leer.id]) == {}
    assert local.get("/admin/organizations/leer").status_code == 404


def test_what_is_archived_can_be_put_back(local: AdminClient, database: Session, ground: Ground) -> None:
    editing.set_status(database, REGION, "service", "rat-hier", Status.ARCHIVED, author=None, now=NOW)
    database.commit()
    assert local.send(OWN, filled(fields_of(local.page(OWN)), action="archive")).status_code == 303
    database.expire_all()
    row = database.get(models.Organization, ground.organization.id)
    assert row is not None and row.status == Status.ARCHIVED
    page = local.page("/admin/archive")
    assert page.all('form[action="/admin/archive/organization/nur-hier"]')
    assert local.send("/admin/archive/organization/nur-hier").status_code == 303
    database.expire_all()
    assert database.get(models.Organization, ground.organization.id).status == Status.DRAFT  # type: ignore[union-attr]


def test_proposals_for_it_are_decided_there(local: AdminClient, database: Session, ground: Ground) -> None:
    base = editing.entry(database, REGION, "organization", "nur-hier")
    proposals.propose(
        database, REGION, "organization", base.record.model_copy(update={"name": "Neuer Name"}), base=base,
        author=None, now=NOW + timedelta(minutes=1), organization_id=ground.organization.id,
    )  # fmt: skip
    database.commit()
    assert len(local.page("/admin/review").all("tbody tr")) == 1
    an_offer(database, ground, "rat-dort", ground.elsewhere, "published")
    assert not local.page("/admin/review").all("tbody tr")


def test_many_at_once(local: AdminClient, database: Session, ground: Ground) -> None:
    foreign = next(
        found for found in database.exec(select(models.Organization)) if found.slug != "nur-hier"
    ).slug
    form = {"action": "withdraw", "confirmed": "yes", "chosen": ["nur-hier", foreign]}
    editing.set_status(database, REGION, "service", "rat-hier", Status.DRAFT, author=None, now=NOW)
    database.commit()
    local.send("/admin/organizations/bulk", form)
    database.expire_all()
    states = {
        found.slug: found.status
        for found in database.exec(select(models.Organization))
        if found.slug in ("nur-hier", foreign)
    }
    assert states == {"nur-hier": Status.DRAFT, foreign: Status.PUBLISHED}


def test_areas_of_organizations(database: Session, ground: Ground) -> None:
    id_ = entity_id(REGION, "organization", "nur-hier")
    assert organization_areas(database, [id_]) == {id_: (ground.here,)}
    an_offer(database, ground, "entwurf", ground.elsewhere, "draft")
    assert organization_areas(database, [id_]) == {id_: (ground.here,)}
    editing.set_status(database, REGION, "service", "rat-hier", Status.DRAFT, author=None, now=NOW)
    assert organization_areas(database, [id_]) == {id_: tuple(sorted((ground.here, ground.elsewhere)))}
