"""Settings of the region: checked, taken over by running processes, put back."""

import base64
import hashlib
from io import BytesIO
from typing import Any

import pytest
from sqlmodel import Session, select

from portal.accounts.models import AuditEvent, Role
from portal.catalogue import region_settings
from portal.web.application import Portal
from tests.web.admin.conftest import SignIn
from tests.web.admin.pages import AdminClient
from tests.web.pages import Page, PageClient

PATH = "/admin/settings"
GREEN = {"action": "#0b5750", "action_dark": "#7fdccf", "warm": "#8a2b13", "warm_dark": "#ffb49c"}


@pytest.fixture
def coordinator(signed_in: SignIn) -> AdminClient:
    return signed_in(Role.COORDINATOR)


def seen(page: Page, section: str) -> str:
    return str(page.one(f"#{section} input[name=seen]")["value"])


def save(client: AdminClient, section: str, status: int = 303, **fields: Any) -> Page | None:
    page = client.page(PATH)
    answer = client.send(PATH, {"section": section, "seen": seen(page, section), **fields})
    assert answer.status_code == status, answer.get_data(as_text=True)[-500:]
    return client.sent(answer, PATH, status=status) if status != 303 else None


def overrides(session: Session) -> dict[str, Any]:
    session.expire_all()
    return region_settings.stored_overrides(session, "musterkreis")


def shown(public: PageClient, path: str = "/de/about") -> Page:
    public.app.extensions["portal"].catalogue._checked_at = float("-inf")
    return public.page(path)


def test_a_new_name_is_on_every_page_at_once(coordinator: AdminClient, public: PageClient) -> None:
    shown(public)
    save(coordinator, "names", name="Kreis Eins", portal_name="Wegweiser")
    assert "Wegweiser" in shown(public).one("a.brand").get_text()
    assert "Kreis Eins" in shown(public, "/de/sources").text


def test_new_colours_come_with_a_policy_that_allows_them(
    coordinator: AdminClient, public: PageClient
) -> None:
    before = shown(public).one("style").string or ""
    assert "#1f3d7a" in before
    save(coordinator, "colours", **GREEN)
    page = shown(public)
    style = page.one("style").string or ""
    assert "--act:#0b5750" in style.replace(" ", "")
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert f"'sha256-{digest}'" in page.response.headers["Content-Security-Policy"]
    own = coordinator.page(PATH)
    digest = base64.b64encode(hashlib.sha256((own.one("style").string or "").encode()).digest()).decode()
    assert f"'sha256-{digest}'" in own.response.headers["Content-Security-Policy"]


def test_colours_that_not_everybody_can_read_are_refused_with_figures(
    coordinator: AdminClient, database: Session
) -> None:
    page = save(coordinator, "colours", 422, **{**GREEN, "action": "#88aaff"})
    assert page is not None
    assert ":1" in page.one("#s-action-error").get_text()
    assert page.one("#s-action")["value"] == "#88aaff"
    assert overrides(database) == {}


@pytest.mark.parametrize("colour", ["red", "", "#12345", "#1234567", "url(x)", "#0b5750;}"])
def test_only_colours_are_colours(coordinator: AdminClient, colour: str) -> None:
    page = save(coordinator, "colours", 422, **{**GREEN, "action": colour})
    assert page is not None and page.one("#s-action-error")


def test_contrast_is_counted_before_saving(coordinator: AdminClient) -> None:
    good = coordinator.send("/admin/settings/contrast", GREEN, headers={"HX-Request": "true"})
    text = good.get_data(as_text=True)
    assert "<html" not in text and text.count("<tr>") == 8
    assert coordinator.send("/admin/settings/contrast", {"action": "x"}).status_code == 200


def test_a_logo_is_cleaned_and_stands_in_the_head(coordinator: AdminClient, public: PageClient) -> None:
    drawing = b'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9"><path d="M1 1h7" class="x"/></svg>'
    save(coordinator, "logo", logo=(BytesIO(drawing), "wappen.svg"))
    assert str(shown(public).one("a.brand svg")) == (
        '<svg aria-hidden="true" viewBox="0 0 9 9"><path d="M1 1h7"></path></svg>'
    )
    save(coordinator, "logo", do="reset")
    assert "M1 1h7" not in str(shown(public).one("a.brand"))


@pytest.mark.parametrize(
    "body", [b"", b"\x89PNG", b"<svg xmlns='http://www.w3.org/2000/svg'><script/></svg>"]
)
def test_other_files_are_refused(coordinator: AdminClient, body: bytes, database: Session) -> None:
    page = save(coordinator, "logo", 422, logo=(BytesIO(body), "x.svg"))
    assert page is not None and page.one("#s-logo-error")
    assert overrides(database) == {}


def test_helplines_follow_their_numbers(
    coordinator: AdminClient, admin_portal: Portal, database: Session
) -> None:
    slugs = [view.slug for view in admin_portal.catalogue.helplines][:3]
    save(coordinator, "helplines", **{f"helpline.{slugs[2]}": "1", f"helpline.{slugs[0]}": "2"})
    assert overrides(database)["helplines"] == [slugs[2], slugs[0]]
    page = save(coordinator, "helplines", 422, **{f"helpline.{slugs[0]}": "first"})
    assert page is not None and page.one(".error")
    save(coordinator, "helplines", **{"helpline.made-up": "1"})
    assert overrides(database)["helplines"] == []


def test_example_searches(coordinator: AdminClient, database: Session, public: PageClient) -> None:
    save(coordinator, "searches", example_searches=" Mofa  fahren \n\nMofa fahren\nZirkus")
    assert overrides(database)["example_searches"] == ["Mofa fahren", "Zirkus"]
    for wrong in ("\n".join(map(str, range(9))), "x" * 61):
        assert save(coordinator, "searches", 422, example_searches=wrong)


def test_german_stays(coordinator: AdminClient, database: Session) -> None:
    page = save(coordinator, "languages", 422, languages=["en"])
    assert page is not None and page.one("#languages .error")
    save(coordinator, "languages", languages=["en", "de", "made-up"])
    assert overrides(database)["languages"] == ["de", "en"]
    assert coordinator.page(PATH).one("#languages .box.info"), "a restart is needed"


def test_the_controller_stands_in_the_imprint_and_not_in_the_log(
    coordinator: AdminClient, public: PageClient, database: Session
) -> None:
    fields = {
        "controller_name": "Amt für Anfang", "controller_address": "Weg 1\n\n00101 Quellmünde",
        "controller_email": "amt@musterkreis.example", "controller_confirmed": "y",
    }  # fmt: skip
    save(coordinator, "controller", **fields)
    assert "Amt für Anfang" in shown(public, "/de/imprint").text
    event = database.execute(select(AuditEvent).where(AuditEvent.action == "settings.saved")).scalar_one()
    assert event.details["fields"] == ["controller"]
    assert "Stabsstelle" not in repr(event.details)
    page = save(coordinator, "controller", 422, **{**fields, "controller_email": "amt@"})
    assert page is not None and page.one("#s-controller_email-error")
    page = save(coordinator, "controller", 422, **{**fields, "controller_address": ""})
    assert page is not None and page.one("#s-controller_confirmed-error")


def test_a_switch_of_the_law(coordinator: AdminClient, admin_portal: Portal, database: Session) -> None:
    assert admin_portal.switches["ukraine_asylblg"] == "off"
    save(coordinator, "switches", ukraine_asylblg="on")
    admin_portal.catalogue._checked_at = float("-inf")
    admin_portal.catalogue.refresh()
    assert admin_portal.switches["ukraine_asylblg"] == "on"
    assert save(coordinator, "switches", 422, ukraine_asylblg="perhaps")


def test_two_at_the_same_part_lose_nothing(coordinator: AdminClient) -> None:
    old = seen(coordinator.page(PATH), "names")
    save(coordinator, "names", name="Kreis Eins", portal_name="Eins")
    answer = coordinator.send(
        PATH, {"section": "names", "seen": old, "name": "Kreis Zwei", "portal_name": "Zwei"}
    )
    page = coordinator.sent(answer, PATH, status=422)
    assert page.one("#names .box.wrong")
    assert page.one("#s-name")["value"] == "Kreis Zwei"
    again = {"section": "names", "seen": seen(page, "names"), "name": "Kreis Zwei", "portal_name": "Zwei"}
    assert coordinator.send(PATH, again).status_code == 303


def test_back_to_the_file(coordinator: AdminClient, database: Session) -> None:
    save(coordinator, "names", name="Kreis Eins", portal_name="Eins")
    save(coordinator, "names", do="reset")
    assert overrides(database) == {}
    assert coordinator.page(PATH).one("#s-name")["value"] == "Musterkreis"


@pytest.mark.parametrize("name", ["", "   ", "x" * 81, "\u200b"])
def test_a_name_is_needed(coordinator: AdminClient, name: str) -> None:
    page = save(coordinator, "names", 422, name=name, portal_name="Anlauf")
    assert page is not None and page.one("#s-name-error")


def test_names_are_only_text(coordinator: AdminClient, public: PageClient) -> None:
    evil = "<b>\"'&amp;"
    save(coordinator, "names", name=evil, portal_name=evil)
    assert evil in shown(public).one("a.brand").get_text()
    assert not shown(public, "/de/sources").all("main b")


def test_only_for_those_who_are_there_for_the_whole_county(signed_in: SignIn, admin_portal: Portal) -> None:
    part = next(place.ags for place in admin_portal.catalogue.places.all())
    local = signed_in(Role.COORDINATOR, area=part)
    local.page(PATH, status=403)
    assert local.send(PATH, {"section": "names", "do": "reset"}).status_code == 403


def test_an_unknown_part_is_no_part(coordinator: AdminClient) -> None:
    assert coordinator.send(PATH, {"section": "county_area"}).status_code == 400
