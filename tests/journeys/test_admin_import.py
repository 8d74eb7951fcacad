"""A list of offers from a spreadsheet, in a real browser: all or nothing, and the faulty rows named."""

import io
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from openpyxl import Workbook
from sqlmodel import func, select

from portal.catalogue.models import EntryVersion, Service
from tests.journeys.conftest import Phone
from tests.journeys.offices import Office, office, sign_in

pytestmark = pytest.mark.browser
HEAD = ("Name", "Träger", "Beschreibung", "Themen", "Gebiet", "Telefon")
TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


@pytest.fixture(scope="module")
def portal_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    with office(tmp_path_factory.mktemp("import")) as made:
        yield made


def workbook(owner: str, *, faulty: bool) -> bytes:
    """500 offers; every 25th has lost the zero of its phone number, as spreadsheets do it."""
    book = Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.append(HEAD)
    for n in range(500):
        phone = 391123456 if faulty and n % 25 == 0 else None
        sheet.append((f"Zitronenfalter {n}", owner, "Hier hilft dir jemand.", "geld", "bundesweit", phone))
    target = io.BytesIO()
    book.save(target)
    return target.getvalue()


def send(page: Any, data: bytes) -> None:
    page.goto("/admin/exchange")
    page.set_input_files("input[type=file]", {"name": "Angebote.xlsx", "mimeType": TYPE, "buffer": data})
    page.click('form[enctype="multipart/form-data"] .btn')
    page.click("main form .btn:not(.quiet)")
    page.wait_for_url("**/check")


def test_faulty_rows_are_named_and_nothing_is_written_until_all_are_right(
    phone: Callable[..., Phone], portal_site: Office
) -> None:
    owner = portal_site.portal.catalogue.services()[0].organization.slug
    with portal_site.session() as session:
        before = session.exec(select(func.count()).select_from(Service)).one()
    tab = phone(portal_site)
    page = tab.page
    page.set_viewport_size({"width": 1280, "height": 900})
    page.goto("/admin/sign-in")
    sign_in(page, "Kim")

    send(page, workbook(owner, faulty=True))
    rows = page.locator("main tbody tr")
    assert rows.count() == 20
    assert [int(text.split()[0]) for text in rows.all_inner_texts()] == [2 + n for n in range(0, 500, 25)]
    assert "391123456" in page.inner_text("main")
    assert page.locator('main form[action$="/check"] button').count() == 0, "nothing can be written"
    with portal_site.session() as session:
        assert session.exec(select(func.count()).select_from(Service)).one() == before
        assert session.exec(select(func.count()).select_from(EntryVersion)).one() == 0

    send(page, workbook(owner, faulty=False))
    page.click('main form[action$="/check"] button')
    page.wait_for_load_state()
    with portal_site.session() as session:
        assert session.exec(select(func.count()).select_from(Service)).one() == before + 500
        assert session.exec(select(func.count()).select_from(EntryVersion)).one() == 500
    page.goto("/admin/services?q=Zitronenfalter")
    assert "500" in page.inner_text("main")
    assert tab.errors == []
