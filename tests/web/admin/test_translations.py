"""Translating in the admin pages: the list, side by side, out to offices and back."""

import io
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from flask import Flask
from sqlmodel import Session, col, select
from werkzeug.datastructures import FileStorage
from werkzeug.test import TestResponse, encode_multipart

from portal.accounts import users
from portal.accounts.models import AuditEvent
from portal.catalogue import editing
from portal.catalogue.models import Translation, entity_id
from portal.catalogue.translating.texts import subject
from portal.config import Settings
from portal.web.application import Portal
from portal.web.cli import main
from tests.catalogue.translator import StandIn, stand_in
from tests.web.admin.conftest import Clock, MakeUser, SignIn
from tests.web.admin.pages import AdminClient, check_admin_page
from tests.web.pages import Page, PageClient

REGION = "musterkreis"


@pytest.fixture
def slug(admin_portal: Portal) -> str:
    return admin_portal.catalogue.services()[0].slug


def address(slug: str, language: str = "en", entity: str = "service") -> str:
    return f"/admin/translations/{language}/{entity}/{slug}"


def typed(page: Page, **changes: str | None) -> dict[str, str]:
    """What a browser would send of the entry's form; None unticks. `text__name="…"` stands for `text.name`."""
    fields: dict[str, str] = {}
    for area in page.all("form[data-translating] textarea"):
        # A browser drops the first line break of a textarea.
        fields[str(area["name"])] = area.text.removeprefix("\n")
    for field in page.all('form[data-translating] input[name^="seen."]'):
        fields[str(field["name"])] = str(field["value"])
    for tick in page.all('form[data-translating] input[type="checkbox"][checked]'):
        fields[str(tick["name"])] = "y"
    for name, value in changes.items():
        name = name.replace("__", ".")
        if value is None:
            fields.pop(name, None)
        else:
            fields[name] = value
    return fields


def stored(database: Session, slug: str, field: str, language: str = "en") -> Translation | None:
    database.expire_all()
    return database.exec(
        select(Translation).where(
            col(Translation.entity_id) == entity_id(REGION, "service", slug),
            col(Translation.field) == field,
            col(Translation.language) == language,
        )
    ).one_or_none()


def german(database: Session, slug: str, field: str) -> str:
    return subject(database, REGION, "service", slug).german[field]


def at_once(public: PageClient, path: str) -> Page:
    """The public page, without the second in which it does not look for changes again."""
    public.app.extensions["portal"].catalogue._checked_at = float("-inf")
    return public.page(path)


# The list.


@pytest.mark.parametrize("state", ["open", "missing", "outdated", "machine", "unchecked", "checked", "any"])
def test_the_list_shows_the_entries_in_a_state(admin: AdminClient, state: str) -> None:
    page = admin.page(f"/admin/translations?language=en&state={state}")
    chip = next(link for link in page.all("main nav a[aria-current]") if link.find("b"))
    number = int(chip.b.text)
    rows = page.all("main tbody tr")
    assert len(rows) == min(number, 50)
    column = {"missing": 1, "outdated": 2, "machine": 3, "unchecked": 4, "checked": 5}.get(state)
    for row in rows if column else ():
        assert int(row.find_all("td")[column].text) > 0


def test_an_outdated_text_is_found_at_once(
    admin: AdminClient, admin_portal: Portal, database: Session, slug: str
) -> None:
    before = admin.page("/admin/translations?language=en&state=outdated&kind=service")
    assert slug not in [
        str(link["href"]).partition("?")[0].rpartition("/")[2] for link in before.all("tbody a")
    ]
    change_german(admin, slug, "description", "Ganz neue Worte, ohne Zahlen.")
    after = admin.page("/admin/translations?language=en&state=outdated&kind=service")
    assert [str(link["href"]).partition("?")[0].rpartition("/")[2] for link in after.all("tbody a")] == [slug]


def change_german(admin: AdminClient, slug: str, field: str, text: str) -> None:
    """As the edit page does, with history."""
    portal: Portal = admin.app.extensions["portal"]
    with portal.store.sessions() as session:
        entry = editing.entry(session, REGION, "service", slug)
        record = entry.record.model_copy(update={field: text})
        editing.save(session, REGION, "service", record, base_hash=entry.hash, author=None, now=portal.now())
        session.commit()


def test_searching_and_another_language(admin: AdminClient, admin_portal: Portal) -> None:
    name = admin_portal.catalogue.services()[0].name
    page = admin.page(
        "/admin/translations", query_string={"language": "ar", "state": "any", "q": name.upper()}
    )
    assert name in page.text
    nothing = admin.page("/admin/translations?language=ar&q=gibtesnicht")
    assert not nothing.all("tbody tr")


def test_nonsense_in_the_address_does_no_harm(admin: AdminClient) -> None:
    admin.page("/admin/translations?language=xx&state=%01&kind=user&page=-3&q=%25")
    admin.page("/admin/translations/xx/service/a", status=404)
    admin.page("/admin/translations/de/service/a", status=404)
    admin.page(address("gibt-es-nicht"), status=404)
    admin.page(address("a", entity="user"), status=404)
    admin.page(address("a:b", entity="taxonomy_term"), status=404)


def test_from_one_to_the_next_until_the_last(admin: AdminClient, database: Session) -> None:
    """Following "next" visits every entry of the list once, then says so."""
    entries = admin.page("/admin/translations?language=en&state=any&kind=organization").all("tbody a")
    where = "/admin/translations/next?language=en&state=any&kind=organization"
    seen = []
    for _entry in entries:
        target = admin.get(where).location
        seen.append(target.partition("?")[0])
        where = (
            "/admin/translations/next?language=en&state=any&kind=organization&after=organization/"
            + seen[-1].rpartition("/")[2]
        )
    assert sorted(seen) == sorted(str(link["href"]).partition("?")[0] for link in entries)
    done = admin.get("/admin/translations/next?language=en&state=unchecked&q=gibtesnicht")
    assert done.location.startswith("/admin/translations?")


# Side by side.


@pytest.mark.parametrize("language", ["en", "ar"])
def test_side_by_side_in_the_right_direction(admin: AdminClient, slug: str, language: str) -> None:
    page = admin.page(address(slug, language))
    areas = page.all("form[data-translating] textarea")
    assert areas
    assert {(area["lang"], area["dir"]) for area in areas} == {
        (language, "rtl" if language == "ar" else "ltr")
    }
    assert {(box["lang"], box["dir"]) for box in page.all(".source")} == {("de", "ltr")}


def test_saving_without_touching_anything_changes_nothing(
    admin: AdminClient, database: Session, slug: str
) -> None:
    before = stored(database, slug, "name")
    assert before is not None and before.status == "machine"
    admin.submit(address(slug), typed(admin.page(address(slug)), do="save"))
    after = stored(database, slug, "name")
    assert after is not None and after.status == "machine" and after.edited_at is None
    assert not database.exec(select(AuditEvent).where(col(AuditEvent.action) == "translation.saved")).all()


def test_a_changed_text_is_unchecked_a_ticked_one_checked(
    admin: AdminClient, public: PageClient, database: Session, slug: str
) -> None:
    page = admin.page(address(slug))
    fields = typed(page, text__name="A new name", checked__description="y", do="save")
    admin.submit(address(slug), fields)
    name, description = stored(database, slug, "name"), stored(database, slug, "description")
    assert name is not None and (name.text, name.status) == ("A new name", "unchecked")
    assert description is not None and description.status == "checked"
    assert name.edited_at is not None
    event = database.exec(select(AuditEvent).where(col(AuditEvent.action) == "translation.saved")).one()
    assert sorted(event.details["fields"]) == ["description", "name"]
    assert "A new name" not in str(event.details)
    assert "A new name" in at_once(public, f"/en/offers/{slug}").text


def test_two_people_one_text(admin: AdminClient, database: Session, slug: str) -> None:
    """The second one reads what the first one wrote, and nothing that was typed is lost."""
    page = admin.page(address(slug))
    first = typed(page, text__name="From the first", do="save")
    second = typed(page, text__name="From the second", text__description="Also mine", do="save")
    admin.submit(address(slug), first)
    answer = admin.submit(address(slug), second, status=422)
    shown = check_admin_page(answer, address(slug), 422)
    assert typed(shown)["text.name"] == "From the second"
    assert typed(shown)["text.description"] == "Also mine"
    assert "From the first" in shown.text
    description = stored(database, slug, "description")
    assert description is not None and description.text != "Also mine", "all or nothing"
    admin.submit(address(slug), {**typed(shown), "do": "save"})
    name = stored(database, slug, "name")
    assert name is not None and name.text == "From the second"
    assert "From the first" in admin.page(address(slug)).text, "kept as an earlier text"


def test_a_wrong_number_is_never_saved(admin: AdminClient, database: Session, slug: str) -> None:
    change_german(admin, slug, "description", "Hilfe für alle ab 16 Jahren.")
    page = admin.page(address(slug))
    before = stored(database, slug, "description")
    for checked in ({}, {"checked__description": "y"}):
        wrong = typed(page, text__description="Help from age 18.", do="save", **checked)
        answer = admin.submit(address(slug), wrong, status=422)
        shown = check_admin_page(answer, address(slug), 422)
        assert "16" in shown.one("#e-description").text and "18" in shown.one("#e-description").text
        assert stored(database, slug, "description") == before
    admin.submit(
        address(slug),
        typed(admin.page(address(slug)), text__description="Help from age ١٦.", checked__description="y"),
    )
    description = stored(database, slug, "description")
    assert description is not None and description.status == "checked"


def test_outdated_shows_what_changed(admin: AdminClient, database: Session, slug: str) -> None:
    old = german(database, slug, "description")
    change_german(admin, slug, "description", old + " Auch abends.")
    page = admin.page(address(slug))
    assert any("Auch abends" in box.text for box in page.all(".source ins"))
    assert not any("Auch abends" in box.text for box in page.all(".source del"))
    # White space alone is no change.
    change_german(admin, slug, "description", "  ".join([*old.split(" "), "Auch", "abends."]))
    admin.submit(address(slug), typed(page, checked__description="y", do="save"))
    assert not admin.page(address(slug)).all(".source ins")


def test_emptying_goes_back_to_german(
    admin: AdminClient, public: PageClient, database: Session, slug: str
) -> None:
    assert stored(database, slug, "name") is not None
    admin.submit(address(slug), typed(admin.page(address(slug)), text__name="  ", do="save"))
    assert stored(database, slug, "name") is None
    assert german(database, slug, "name") in at_once(public, f"/en/offers/{slug}").text


def test_an_older_text_can_be_taken_over_without_saving(
    admin: AdminClient, database: Session, slug: str
) -> None:
    page = admin.page(address(slug))
    original = typed(page)["text.name"]
    admin.submit(address(slug), typed(page, text__name="Second", do="save"))
    page = admin.page(address(slug))
    take = next(
        str(button["value"])
        for button in page.all('button[name="take"]')
        if str(button["value"]).endswith("|name")
    )
    answer = admin.submit(address(slug), typed(page, text__description="half typed", take=take), status=200)
    shown = check_admin_page(answer, address(slug))
    assert typed(shown)["text.name"] == original
    assert typed(shown)["text.description"] == "half typed"
    name = stored(database, slug, "name")
    assert name is not None and name.text == "Second"


def test_terms_are_translated_too(admin: AdminClient, public: PageClient) -> None:
    path = address("topics:ausbildungsplatz", entity="taxonomy_term")
    fields = typed(admin.page(path), do="save")
    for name in {"text.name", "text.short_name"} & fields.keys():
        fields[name] = "Dosh and bills"
    admin.submit(path, fields)
    assert "Dosh and bills" in admin.page(path).text
    assert "Dosh and bills" in at_once(public, "/en/offers?topic=ausbildungsplatz").text


def test_save_and_next(admin: AdminClient, slug: str) -> None:
    page = admin.page(address(slug) + "?state=any&kind=service")
    action = str(page.one("form[data-translating]")["action"])
    assert "state=any" in action and "kind=service" in action
    sent = admin.submit(action, typed(page, do="next"))
    assert sent.location.startswith("/admin/translations/next?")
    target = admin.get(sent.location).location
    assert target.startswith("/admin/translations/en/service/") and slug not in target


def test_a_script_in_a_text_stays_a_text(admin: AdminClient, slug: str) -> None:
    nasty = '</textarea><script>alert("x")</script>\'" onfocus=x'
    admin.submit(address(slug), typed(admin.page(address(slug)), text__name=nasty, do="save"))
    page = admin.page(address(slug))
    assert typed(page)["text.name"] == nasty
    assert "<script>alert" not in page.response.get_data(as_text=True)


@pytest.mark.parametrize("role", ["editor", "counsellor", "reader"])
def test_only_coordinators_translate(signed_in: SignIn, admin_portal: Portal, slug: str, role: str) -> None:
    organization = admin_portal.catalogue.services()[0].organization.slug
    client = signed_in(role, organization=organization if role != "reader" else None)
    for path in ("/admin/translations", address(slug), "/admin/translations/exchange"):
        assert client.get(path).status_code == 403


def test_a_coordinator_of_one_organization_sees_only_that(
    signed_in: SignIn, admin_portal: Portal, database: Session
) -> None:
    own = admin_portal.catalogue.services()[0]
    other = next(s for s in admin_portal.catalogue.services() if s.organization.slug != own.organization.slug)
    client = signed_in("coordinator", organization=own.organization.slug)
    page = client.page("/admin/translations?language=en&state=any")
    assert own.name in page.text and other.name not in page.text
    client.page(address(own.slug))
    client.page(address(other.slug), status=404)
    client.page(address("topics:ausbildungsplatz", entity="taxonomy_term"), status=404)
    foreign = {"language": "en", "format": "xliff", "entity": "service", "slug": other.slug}
    assert client.send("/admin/translations/export", foreign).status_code == 404
    everything = client.send(
        "/admin/translations/export", {"language": "en", "format": "xliff", "only": "all"}
    )
    assert own.slug in everything.get_data(as_text=True)
    assert f"service:{other.slug}" not in everything.get_data(as_text=True)


def test_what_was_typed_survives_the_end_of_the_session(
    signed_in: SignIn, a_user: MakeUser, database: Session, clock: Clock, slug: str
) -> None:
    user = a_user("coordinator")
    client = signed_in(user=user)
    fields = typed(
        client.page(address(slug)), text__name="Typed for an hour", checked__description="y", do="save"
    )
    users.end_sign_ins(database, user.id, now=clock())
    database.commit()
    assert client.send(address(slug), fields).location == "/admin/sign-in"
    again = signed_in(user=user)
    shown = typed(again.page(address(slug)))
    assert shown["text.name"] == "Typed for an hour" and "checked.description" in shown
    again.submit(address(slug), {**shown, "do": "save"})
    name = stored(database, slug, "name")
    assert name is not None and name.text == "Typed for an hour"


# Out and back.


def exported(client: AdminClient, kind: str, **fields: str) -> bytes:
    answer = client.send("/admin/translations/export", {"language": "en", "format": kind, **fields})
    assert answer.status_code == 200
    assert answer.headers["Content-Disposition"].startswith('attachment; filename="anlauf-musterkreis-en-')
    return bytes(answer.get_data())


def upload(client: AdminClient, body: bytes, name: str = "back.xlf", language: str = "en") -> TestResponse:
    fields = {"language": language, "csrf_token": client.csrf, "file": FileStorage(io.BytesIO(body), name)}
    # In memory: the client's own way through a temporary file leaves it open.
    boundary, data = encode_multipart(fields)
    return client.client.post(
        "/admin/translations/import",
        data=data,
        content_type=f"multipart/form-data; boundary={boundary}",
    )


def hidden(page: Page) -> dict[str, str]:
    return {
        str(field["name"]): str(field["value"])
        for field in page.all('main form input[type="hidden"]')
        if field["name"] != "csrf_token"
    }


def figures(page: Page) -> list[int]:
    return [int(box.text) for box in page.all("#counts b")]


@pytest.mark.parametrize(("kind", "name"), [("xliff", "a.xlf"), ("xlsx", "a.xlsx")])
def test_what_comes_back_untouched_changes_nothing(admin: AdminClient, kind: str, name: str) -> None:
    body = exported(admin, kind, only="all")
    page = check_admin_page(upload(admin, body, name), "import")
    new, changed, unchanged, faulty = figures(page)
    assert (new, changed, faulty) == (0, 0, 0) and unchanged > 100
    assert not page.all('button[value="apply"]')


def test_a_dry_run_then_all_or_nothing(admin: AdminClient, database: Session, slug: str) -> None:
    body = exported(admin, "xliff", entity="service", slug=slug, only="all").decode()
    before = stored(database, slug, "name")
    assert before is not None
    changed = body.replace(f">{before.text}<", ">Renamed by the office<", 1)
    assert changed != body
    broken = changed.replace('unit id="description"', 'unit id="nonsense"')
    page = check_admin_page(upload(admin, broken.encode()), "import")
    assert figures(page)[1] == 1 and figures(page)[3] == 1
    assert stored(database, slug, "name").text == before.text, "a dry run writes nothing"  # type: ignore[union-attr]
    refused = admin.send("/admin/translations/import", {**hidden(page), "do": "apply"})
    check_admin_page(refused, "import", 422)
    assert stored(database, slug, "name").text == before.text  # type: ignore[union-attr]
    done = admin.send("/admin/translations/import", {**hidden(page), "do": "apply", "leave_out": "y"})
    assert done.status_code == 303
    after = stored(database, slug, "name")
    assert after is not None and (after.text, after.status) == ("Renamed by the office", "unchecked")
    event = database.exec(select(AuditEvent).where(col(AuditEvent.action) == "translation.imported")).one()
    assert event.details == {"language": "en", "texts": 1, "left_out": 1}


def test_what_changed_since_the_dry_run_is_not_overwritten(
    admin: AdminClient, database: Session, slug: str
) -> None:
    before = stored(database, slug, "name")
    assert before is not None
    body = exported(admin, "xliff", entity="service", slug=slug, only="all").decode()
    page = check_admin_page(upload(admin, body.replace(f">{before.text}<", ">Office<", 1).encode()), "import")
    admin.submit(address(slug), typed(admin.page(address(slug)), text__name="Meanwhile", do="save"))
    answer = admin.send("/admin/translations/import", {**hidden(page), "do": "apply"})
    check_admin_page(answer, "import", 422)
    assert stored(database, slug, "name").text == "Meanwhile"  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"PK\x03\x04 broken",
        b"<xliff",
        b"hello",
        b'<xliff version="1.2" xmlns="urn:oasis:names:tc:xliff:document:1.2"/>',
        b'<!DOCTYPE x [<!ENTITY a "b">]><x>&a;</x>',
        b"<html/>",
    ],
)
def test_a_file_that_is_none_is_refused_with_words(admin: AdminClient, body: bytes) -> None:
    page = check_admin_page(upload(admin, body), "import", 422)
    assert page.one("main .box.wrong").text


def test_a_forged_content_field_does_no_harm(admin: AdminClient) -> None:
    for content in ("!!", "aGFsbG8=", ""):
        answer = admin.send(
            "/admin/translations/import", {"language": "en", "content": content, "do": "apply"}
        )
        check_admin_page(answer, "import", 422)


def test_nothing_to_send_is_said(admin: AdminClient, database: Session, slug: str) -> None:
    assert stored(database, slug, "name") is not None
    wanted = {"language": "en", "format": "xliff", "entity": "service", "slug": slug, "only": "open"}
    answer = admin.send("/admin/translations/export", wanted)
    assert answer.status_code == 303
    assert answer.location.startswith("/admin/translations/exchange")
    assert admin.send("/admin/translations/export", {"language": "de", "format": "xliff"}).status_code == 400
    assert admin.send("/admin/translations/export", {"language": "en", "format": "pdf"}).status_code == 400


# Machine drafts.


@pytest.fixture
def server() -> Iterator[StandIn]:
    with stand_in() as server:
        yield server


def test_without_a_server_there_is_no_button(admin: AdminClient, slug: str) -> None:
    assert not admin.page(address(slug)).all('button[value="machine"]')


def test_a_machine_drafts_what_is_missing_and_the_public_is_told(
    admin_app: Flask,
    admin: AdminClient,
    public: PageClient,
    database: Session,
    slug: str,
    server: StandIn,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    use_translator(admin_app, monkeypatch, server.url, server.key)
    admin.submit(address(slug), typed(admin.page(address(slug)), text__description="", do="save"))
    page = admin.page(address(slug))
    assert page.all('button[value="machine"]')
    admin.submit(address(slug), typed(page, text__name="Typed before", do="machine"))
    description, name = stored(database, slug, "description"), stored(database, slug, "name")
    assert description is not None and description.status == "machine"
    assert description.text.startswith("en:")
    assert name is not None and name.text == "Typed before", "what was typed is saved first"
    shown = at_once(public, f"/en/offers/{slug}")
    assert "Not yet checked by a person" in shown.text


def test_a_server_that_is_away_is_no_catastrophe(
    admin_app: Flask, admin: AdminClient, slug: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_translator(admin_app, monkeypatch, "http://127.0.0.1:9")
    admin.submit(address(slug), typed(admin.page(address(slug)), text__description="", do="machine"))
    page = admin.page(address(slug))
    assert re.search(r"reach|erreich", page.one("main .box.wrong").text)


def use_translator(app: Flask, monkeypatch: pytest.MonkeyPatch, url: str, key: str = "") -> None:
    portal: Portal = app.extensions["portal"]
    changes = {"translator_url": url, "translator_key": key}
    monkeypatch.setattr(portal, "settings", portal.settings.model_copy(update=changes))


# Commands.


def command(settings: Settings, *arguments: str, **environ: str) -> Result:
    plain = {name: None for name in os.environ if name.startswith("PORTAL_")}
    own = {"PORTAL_DATA_DIR": str(settings.data_dir), "PORTAL_REGION": REGION}
    return CliRunner().invoke(
        main, ["catalogue", "translations", *arguments], env={**plain, **own, **environ}
    )


@pytest.mark.parametrize("kind", ["xliff", "xlsx"])
def test_commands_send_out_and_take_back(
    admin_settings: Settings, database: Session, slug: str, tmp_path: Path, kind: str
) -> None:
    file = tmp_path / "texts"
    wanted = ("--language", "en", "--format", kind, "--only", "all", "--entry", f"service:{slug}")
    out = command(admin_settings, "export", *wanted, str(file))
    assert out.exit_code == 0 and str(file) in out.output
    dry = command(admin_settings, "import", "--language", "en", "--dry-run", str(file))
    assert re.fullmatch(r"0 new, 0 changed, \d+ unchanged, 0 faulty\n", dry.output)
    assert command(admin_settings, "import", "--language", "ar", str(file)).exit_code == 1
    assert command(admin_settings, "export", "--language", "xx", str(file)).exit_code == 1
    assert (
        command(admin_settings, "export", "--language", "en", "--entry", "service:nie", str(file)).exit_code
        == 1
    )


def test_the_command_takes_over_all_or_nothing(
    admin_settings: Settings, database: Session, slug: str, tmp_path: Path
) -> None:
    before = stored(database, slug, "name")
    assert before is not None
    file = tmp_path / "texts.xlf"
    command(
        admin_settings, "export", "--language", "en", "--only", "all", "--entry", f"service:{slug}", str(file)
    )
    good = file.read_text().replace(f">{before.text}<", ">By the office<", 1)
    file.write_text(good.replace('unit id="description"', 'unit id="nonsense"'))
    refused = command(admin_settings, "import", "--language", "en", str(file))
    assert refused.exit_code == 1 and "unknown_id" in refused.output
    assert stored(database, slug, "name").text == before.text  # type: ignore[union-attr]
    file.write_text(good)
    done = command(admin_settings, "import", "--language", "en", str(file))
    assert done.exit_code == 0 and "1 texts taken over" in done.output
    assert stored(database, slug, "name").text == "By the office"  # type: ignore[union-attr]


def test_the_command_drafts_by_machine(
    admin_settings: Settings, admin: AdminClient, database: Session, slug: str, server: StandIn
) -> None:
    assert command(admin_settings, "machine", "--language", "en").exit_code == 1, "off by default"
    admin.submit(address(slug), typed(admin.page(address(slug)), text__description="", do="save"))
    environ = {"PORTAL_TRANSLATOR_URL": server.url, "PORTAL_TRANSLATOR_KEY": server.key}
    dry = command(admin_settings, "machine", "--language", "en", "--dry-run", **environ)
    assert dry.exit_code == 0 and server.received == []
    done = command(admin_settings, "machine", "--language", "en", **environ)
    assert done.exit_code == 0 and "drafted" in done.output
    description = stored(database, slug, "description")
    assert description is not None and description.status == "machine"
