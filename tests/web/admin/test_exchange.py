"""Lists out and in: export, columns, dry run, and all or nothing."""

import csv
import io
import re
import zipfile
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from openpyxl import Workbook, load_workbook
from sqlalchemy import func
from sqlmodel import Session, col, select

from portal.accounts.models import AuditEvent
from portal.catalogue import editing, importing
from portal.catalogue.models import EntryVersion, Place, Service
from portal.config import Settings
from portal.web.admin.mounting import PREFIX
from portal.web.application import Portal
from portal.web.cli import main
from tests.web.admin.conftest import Clock, SignIn
from tests.web.admin.pages import AdminClient
from tests.web.pages import Page

REGION = "musterkreis"


def workbook(*rows: Sequence[Any], name: str = "services") -> bytes:
    book = Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.title = name
    for row in rows:
        sheet.append(list(row))
    target = io.BytesIO()
    book.save(target)
    return target.getvalue()


def uploaded(client: AdminClient, data: bytes, name: str = "liste.xlsx") -> str:
    """The address of the step with the columns."""
    answer = client.send("/admin/exchange/import", {"file": (io.BytesIO(data), name)})
    assert answer.status_code == 303, answer.get_data(as_text=True)[-1500:]
    assert answer.location is not None
    return answer.location


def checked(client: AdminClient, data: bytes, name: str = "liste.xlsx") -> Page:
    return client.page(uploaded(client, data, name) + "/check")


def record(database: Session, slug: str) -> Any:
    database.expire_all()
    return editing.entry(database, REGION, "service", slug).record


def town(database: Session) -> str:
    """Its AGS."""
    return database.exec(select(Place.ags).order_by(Place.ags)).first() or ""


@pytest.fixture
def slugs(admin_portal: Portal) -> list[str]:
    return [view.slug for view in admin_portal.catalogue.services()]


# Out.


def test_a_workbook_comes_back_unchanged(admin: AdminClient, database: Session, slugs: list[str]) -> None:
    answer = admin.send("/admin/exchange/export", {"format": "xlsx"})
    assert answer.headers["Content-Disposition"].endswith('.xlsx"')
    book = load_workbook(io.BytesIO(answer.data))
    everywhere = database.exec(select(func.count()).select_from(Service)).one()
    assert book.worksheets[2].max_row == 1 + everywhere >= 1 + len(slugs)
    assert str(book.worksheets[2]["B1"].value).endswith("[name]")
    page = checked(admin, answer.data)
    assert "Alles aus der Datei ist schon da" in page.text or "there already" in page.text
    assert page.all('form[action$="/check"]') == []
    assert [event.action for event in database.exec(select(AuditEvent))] == ["list.exported"]


def test_csv_tables_come_back_unchanged(admin: AdminClient) -> None:
    answer = admin.send("/admin/exchange/export", {"format": "csv"})
    with zipfile.ZipFile(io.BytesIO(answer.data)) as archive:
        assert archive.namelist() == ["organizations.csv", "locations.csv", "services.csv"]
    page = checked(admin, answer.data, "alles.zip")
    assert numbers(page)[:3] == [0, 0, 0]


def test_the_content_format_is_what_the_loader_reads(admin: AdminClient) -> None:
    answer = admin.send("/admin/exchange/export", {"format": "content"})
    with zipfile.ZipFile(io.BytesIO(answer.data)) as archive:
        names = archive.namelist()
    assert f"regions/{REGION}/services.yaml" in names
    assert "taxonomies/topics.yaml" in names


def test_an_unknown_format_is_said_on_the_page(admin: AdminClient) -> None:
    admin.sent(admin.send("/admin/exchange/export", {"format": "pdf"}), "/admin/exchange", status=422)


def test_whoever_keeps_a_part_of_the_county_takes_out_only_that(
    signed_in: SignIn, database: Session, slugs: list[str]
) -> None:
    place = town(database)
    client = signed_in("coordinator", area=place)
    assert client.send("/admin/exchange/export", {"format": "content"}).status_code == 403
    assert not client.page("/admin/exchange").all("#format-content")
    answer = client.send("/admin/exchange/export", {"format": "csv"})
    with zipfile.ZipFile(io.BytesIO(answer.data)) as archive:
        rows = list(csv.reader(io.StringIO(archive.read("services.csv").decode("utf-8-sig")), delimiter=";"))
    areas = next(index for index, title in enumerate(rows[0]) if "service_areas" in title)
    assert len(rows) - 1 < len(slugs)
    assert all(area.strip("' ").startswith(place) for row in rows[1:] for area in row[areas].split(","))


# In.


def numbers(page: Page) -> list[int]:
    """Faulty, new, changed, unchanged."""
    return [int(chip.get_text()) for chip in page.all('nav[aria-label] a.chip[href*="show="] b')]


def test_a_list_goes_in_with_its_history(admin: AdminClient, database: Session, slugs: list[str]) -> None:
    one, other = slugs[:2]
    before = record(database, other)
    data = workbook(("slug", "name"), (one, "Ganz anderer Name"), (other, before.name))
    path = uploaded(admin, data)
    answer = admin.submit(path, fields_of(admin.page(path)))
    assert answer.location == f"{path}/check"
    page = admin.page(f"{path}/check")
    assert numbers(page) == [0, 0, 1, 1]
    assert "Ganz anderer Name" in page.text
    assert record(database, one).name != "Ganz anderer Name"
    assert admin.submit(f"{path}/check").location == "/admin/exchange"
    assert record(database, one).name == "Ganz anderer Name"
    versions = database.exec(select(EntryVersion).order_by(col(EntryVersion.number))).all()
    assert [(found.slug, found.cause, found.author_name) for found in versions] == [
        (one, "before", ""),
        (one, "imported", "Administrator 1"),
    ]
    assert "liste.xlsx" in versions[1].comment
    event = database.exec(select(AuditEvent).where(AuditEvent.action == "list.imported")).one()
    assert event.details == {"new": 0, "changed": 1, "unchanged": 1}
    assert admin.client.get(path).status_code == 404


def fields_of(page: Page) -> list[tuple[str, str]]:
    found = []
    for tag in page.all("main select"):
        chosen = tag.select("option[selected]") or tag.select("option")[:1]
        found.append((str(tag["name"]), str(chosen[0]["value"])))
    return found


def test_five_hundred_rows_with_twenty_faulty_ones_change_nothing_and_say_which(
    admin: AdminClient, database: Session, admin_portal: Portal
) -> None:
    owner = admin_portal.catalogue.services()[0].organization.slug
    head = ("Name", "Träger", "Beschreibung", "Themen", "Gebiet", "Telefon")
    rows = [
        (f"Angebot {n}", owner, "Text.", "geld", "bundesweit", 391123456 if n % 25 == 0 else None)
        for n in range(500)
    ]
    path = uploaded(admin, workbook(head, *rows, name="Angebote"))
    page = admin.page(f"{path}/check")
    assert numbers(page) == [20, 480, 0, 0]
    shown = [int(re.match(r"\d+", row.td.get_text())[0]) for row in page.all("tbody tr")]  # type: ignore[union-attr, index]
    assert shown == [2 + n for n in range(0, 500, 25)]
    assert "391123456" in page.text
    assert "F, “Telefon”" in page.text or "F, „Telefon“" in page.text
    # Also for somebody who sends the form that is not on the page.
    answer = admin.send(f"{path}/check")
    assert answer.status_code == 422
    assert database.exec(select(func.count()).select_from(EntryVersion)).one() == 0
    assert numbers(admin.page(f"{path}/check?show=new"))[1] == 480


def test_columns_can_be_chosen_and_left_out(admin: AdminClient, database: Session, slugs: list[str]) -> None:
    path = uploaded(admin, workbook(("slug", "Titelzeile", "Farbe"), (slugs[0], "Neu", "rot")))
    page = admin.page(path)
    assert "Farbe" in page.text
    assert dict(fields_of(page)) == {
        "sheet-0": "service",
        "sheet-0-0": "slug",
        "sheet-0-1": "",
        "sheet-0-2": "",
    }
    admin.submit(path, {"sheet-0": "service", "sheet-0-0": "slug", "sheet-0-1": "name", "sheet-0-2": ""})
    admin.page(f"{path}/check")
    admin.submit(f"{path}/check")
    assert record(database, slugs[0]).name == "Neu"


@pytest.mark.parametrize(
    "fields",
    [
        {"sheet-0": ""},
        {"sheet-0": "service", "sheet-0-0": "name", "sheet-0-1": "name"},
        {"sheet-0": "service", "sheet-0-0": "email", "sheet-0-1": "url"},
    ],
)
def test_columns_that_make_no_sense_are_shown_again(admin: AdminClient, fields: dict[str, str]) -> None:
    path = uploaded(admin, workbook(("slug", "name"), ("a", "b")))
    if not fields["sheet-0"]:
        admin.submit(path, fields)  # Another entity is matched anew first.
    answer = admin.submit(path, fields, status=422)
    page = admin.sent(answer, path, status=422)
    assert page.all('[role="alert"]')


def test_another_entity_matches_the_columns_anew(admin: AdminClient) -> None:
    path = uploaded(admin, workbook(("slug", "name", "kind"), ("a", "b", "c")))
    admin.submit(path, {"sheet-0": "organization"})
    assert dict(fields_of(admin.page(path)))["sheet-0-2"] == "kind"


def test_somebody_elses_change_since_the_dry_run_stops_the_import(
    admin: AdminClient, database: Session, slugs: list[str], clock: Clock
) -> None:
    path = uploaded(admin, workbook(("slug", "name"), (slugs[0], "Von der Liste")))
    admin.page(f"{path}/check")
    entry = editing.entry(database, REGION, "service", slugs[0])
    changed = entry.record.model_copy(update={"description": "Von jemand anderem."})
    editing.save(database, REGION, "service", changed, base_hash=entry.hash, author=None, now=clock())
    database.commit()
    page = admin.sent(admin.send(f"{path}/check"), path, status=409)
    assert page.all('[role="alert"]')
    assert record(database, slugs[0]).name != "Von der Liste"
    admin.submit(f"{path}/check")
    assert record(database, slugs[0]).name == "Von der Liste"
    assert record(database, slugs[0]).description == "Von jemand anderem."


def test_a_coordinator_of_another_part_changes_nothing_there(
    signed_in: SignIn, database: Session, slugs: list[str]
) -> None:
    client = signed_in("coordinator", area=town(database))
    page = checked(client, workbook(("slug", "name"), *((slug, "Gekapert") for slug in slugs)))
    faulty = numbers(page)[0]
    outside = [
        slug
        for slug in slugs
        if not all(area.startswith(town(database)) for area in record(database, slug).service_areas)
    ]
    assert faulty >= len(outside) > 0


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (b"", "leer.csv"),
        (b"\x89PNG\r\n\x1a\n\x00\x00", "bild.png"),
        (b"PK\x03\x04kaputt", "x.xlsx"),
        (None, ""),
    ],
)
def test_a_file_that_cannot_be_read_is_explained(admin: AdminClient, data: bytes | None, name: str) -> None:
    fields = {"file": (io.BytesIO(data), name)} if data is not None else {}
    page = admin.sent(admin.send("/admin/exchange/import", fields), "/admin/exchange", status=422)
    assert page.all('[role="alert"]')


def test_every_reason_to_refuse_a_file_has_words() -> None:
    from portal.web.admin.exchange import _REFUSED

    source = (importing.__file__ or "").replace(".pyc", ".py")
    with open(source, encoding="utf-8") as file:
        codes = set(re.findall(r'FileRefused\("(\w+)"', file.read()))
    assert codes == set(_REFUSED)


def test_a_file_is_only_for_whoever_sent_it_and_only_for_a_day(
    admin: AdminClient, signed_in: SignIn, clock: Clock, admin_settings: Settings
) -> None:
    path = uploaded(admin, workbook(("slug", "name"), ("a", "b")))
    other = signed_in("coordinator")
    for address in (path, f"{path}/check"):
        assert other.client.get(address).status_code == 404
        assert other.send(address).status_code == 404
    assert list((admin_settings.data_dir / "imports").glob("*/*.file"))
    clock.now += timedelta(hours=25)
    late = signed_in("coordinator")
    uploaded(late, workbook(("slug", "name"), ("a", "b")))
    assert len(list((admin_settings.data_dir / "imports").glob("*/*.file"))) == 1


@pytest.mark.parametrize(
    "nasty", ["<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "{{ 7*7 }}"]
)
def test_what_a_file_says_is_only_text(admin: AdminClient, nasty: str) -> None:
    path = uploaded(
        admin, workbook(("slug", "name", nasty), (None, nasty, nasty), name="services"), "<b>liste</b>.xlsx"
    )
    for address in (path, f"{path}/check"):
        answer = admin.client.get(address)
        assert answer.status_code == 200
        body = answer.get_data(as_text=True)
        assert "<script>alert" not in body
        assert "<img src=x" not in body
        assert "49" not in re.findall(r"\b49\b", body)


def test_the_start_page_leads_everywhere(admin: AdminClient) -> None:
    page = admin.page("/admin/exchange")
    links = {str(link["href"]) for link in page.all("main a")}
    assert {f"{PREFIX}/duplicates", f"{PREFIX}/contacts/shared"} <= links


@pytest.mark.parametrize(("kind", "name"), [("xlsx", "alles.xlsx"), ("csv", "alles.zip")])
def test_the_command_line_takes_out_and_puts_in(
    admin_settings: Settings, database: Session, tmp_path: Path, slugs: list[str], kind: str, name: str
) -> None:
    def run(*words: str) -> Result:
        environ = {"PORTAL_DATA_DIR": str(admin_settings.data_dir), "PORTAL_REGION": REGION}
        return CliRunner().invoke(main, ["catalogue", *words], env=environ)

    target = str(tmp_path / name)
    assert run("export", "--format", kind, "--to", target).exit_code == 0
    result = run("import", target, "--dry-run")
    assert result.exit_code == 0, result.output
    assert "0 new, 0 changed," in result.output
    good, bad = tmp_path / "gut.csv", tmp_path / "falsch.csv"
    good.write_text(f"slug;name;topics\n{slugs[0]};Vom Terminal;geld\n", encoding="utf-8")
    bad.write_text(f"slug;name;topics\n{slugs[0]};Kaputt;gibt_es_nicht\n", encoding="utf-8")
    assert run("import", str(good), "--dry-run").exit_code == 0
    assert record(database, slugs[0]).name != "Vom Terminal"
    assert run("import", str(good)).exit_code == 0
    refused = run("import", str(bad))
    assert refused.exit_code == 1
    assert "falsch:2: faulty" in refused.output
    assert record(database, slugs[0]).name == "Vom Terminal"
