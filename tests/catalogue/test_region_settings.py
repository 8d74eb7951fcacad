"""Settings of the admin pages over those of the files; the logo; words; cases; reworded texts."""

from datetime import UTC, datetime
from typing import Any

import pytest
from sqlmodel import Session

from portal.catalogue import region_settings, revision
from portal.catalogue.models import Region
from portal.catalogue.queries import region_settings as settings_in_force
from portal.catalogue.records import RegionFile
from portal.catalogue.region_settings import RegionChangeRefused, TriedCase, clean_logo, extras, merged

NOW = datetime(2026, 11, 20, 9, tzinfo=UTC)
SETTINGS: dict[str, Any] = RegionFile.model_validate(
    {
        "slug": "tal", "name": "Tal", "county_area": "15987", "state_area": "15", "state": "Land",
        "holiday_subdivision": "ST", "clearing_desk": "start", "exit_url": "https://www.dwd.de/",
        "controller": {"name": "Amt"},
    }
).model_dump(mode="json")  # fmt: skip
BLUE = {"action": "#1f3d7a", "action_dark": "#a9c7ff", "warm": "#8a2f10", "warm_dark": "#ffbf8f"}


@pytest.fixture
def region(session: Session) -> str:
    session.add(Region(slug="tal", name="Tal", settings=SETTINGS))
    session.flush()
    return "tal"


def overrides(session: Session) -> dict[str, Any]:
    return region_settings.stored_overrides(session, "tal")


def test_what_is_saved_wins_and_gives_a_new_revision(session: Session, region: str) -> None:
    before = revision.current(session, region)
    assert region_settings.save(session, region, {"portal_name": "Weg", "theme": BLUE}, now=NOW) == [
        "portal_name",
        "theme",
    ]
    found = settings_in_force(session, region)
    assert (found.portal_name, found.theme.action, found.name) == ("Weg", "#1f3d7a", "Tal")
    assert revision.current(session, region) > before


def test_the_value_of_the_file_is_no_override(session: Session, region: str) -> None:
    region_settings.save(session, region, {"portal_name": "Weg"}, now=NOW)
    assert region_settings.save(session, region, {"portal_name": "Anlauf"}, now=NOW) == ["portal_name"]
    assert overrides(session) == {}
    assert region_settings.save(session, region, {"portal_name": "Anlauf"}, now=NOW) == []


def test_reset_takes_away_only_what_is_named(session: Session, region: str) -> None:
    region_settings.save(session, region, {"portal_name": "Weg", "name": "Berg"}, now=NOW)
    assert region_settings.reset(session, region, ["name", "theme"], now=NOW) == ["name"]
    assert overrides(session) == {"portal_name": "Weg"}


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"county_area": "01001"}, "unknown_field"),
        ({"_logo": "<svg/>"}, "unknown_field"),
        ({"portal_name": ""}, "invalid"),
        ({"theme": {"action": "red"}}, "invalid"),
        ({"switches": {"ukraine_asylblg": "maybe"}}, "invalid"),
    ],
)
def test_what_no_file_may_say_is_refused(
    session: Session, region: str, changes: dict[str, Any], code: str
) -> None:
    with pytest.raises(RegionChangeRefused) as refused:
        region_settings.save(session, region, changes, now=NOW)
    assert refused.value.code == code


def test_an_override_that_no_longer_fits_costs_only_itself() -> None:
    found = merged(SETTINGS, {"portal_name": "Weg", "theme": {"gone": "#000000"}, "_logo": "x"})
    assert found.portal_name == "Weg"
    assert found.theme.action == SETTINGS["theme"]["action"]


DRAWING = b"""<?xml version="1.0"?><!DOCTYPE svg PUBLIC "-//W3C//DTD SVG 1.1//EN" "http://x/svg11.dtd">
<svg xmlns="http://www.w3.org/2000/svg" xmlns:i="http://inkscape.org" width="32px" height="32px" i:version="1">
<title>Wappen</title><metadata>x</metadata><!-- made by hand -->
<g style="fill:#123456;font-family:Arial"><path d="M0 0h10
v10z" class="a" id="b" i:label="c"/></g></svg>"""


def test_a_drawing_keeps_its_shapes_and_nothing_else() -> None:
    assert clean_logo(DRAWING) == (
        '<svg aria-hidden="true" viewBox="0 0 32 32"><g fill="#123456"><path d="M0 0h10 v10z"/></g></svg>'
    )


def svg(inner: str, attributes: str = 'viewBox="0 0 1 1"') -> bytes:
    return f'<svg xmlns="http://www.w3.org/2000/svg" {attributes}>{inner}</svg>'.encode()


@pytest.mark.parametrize(
    ("source", "code"),
    [
        (svg("<script>alert(1)</script>"), "logo_unsafe"),
        (svg('<path d="M0 0" onload="alert(1)"/>'), "logo_unsafe"),
        (svg('<a href="javascript:alert(1)"><path d="M0 0"/></a>'), "logo_unsafe"),
        (svg('<foreignObject><p xmlns="http://www.w3.org/1999/xhtml">x</p></foreignObject>'), "logo_unsafe"),
        (svg('<image href="https://x.example/pixel.png"/>'), "logo_unsafe"),
        (svg('<use href="#a"/>'), "logo_unsafe"),
        (svg('<path d="M0 0" fill="url(https://x.example/a#b)"/>'), "logo_unsafe"),
        (svg('<path d="M0 0" style="fill:url(#a)"/>'), "logo_unsafe"),
        (svg('<path d="M0 0&quot; onload=&quot;x"/>'), "logo_unsafe"),
        (svg("<style>*{display:none}</style><path d='M0 0'/>"), "logo_unsafe"),
        (svg("<animate attributeName='d'/>"), "logo_unsafe"),
        (svg("<text>Kreis</text>"), "logo_unsafe"),
        (b'<!DOCTYPE svg [<!ENTITY a "b">]>' + svg("<path d='M0 0'/>"), "logo_unsafe"),
        (svg("<path d='M0 0'/>", ""), "logo_no_size"),
        (svg("<g/>"), "logo_empty"),
        (svg(f"<path d='{'M0 0' * 600}'/>"), "logo_large"),
        (b"x" * 100_001, "logo_large"),
        (b"\x89PNG\r\n", "logo_no_svg"),
        (b"<html><body/></html>", "logo_no_svg"),
        (b"", "logo_no_svg"),
    ],
)
def test_other_files_are_no_logo(source: bytes, code: str) -> None:
    with pytest.raises(RegionChangeRefused) as refused:
        clean_logo(source)
    assert refused.value.code == code


def test_words_are_added_once_and_taken_back(session: Session, region: str) -> None:
    assert region_settings.add_word(session, region, "wohngeld", "de", "mietzuschuss", now=NOW)
    assert not region_settings.add_word(session, region, "wohngeld", "de", "mietzuschuss", now=NOW)
    assert region_settings.add_word(session, region, "wohngeld", "tr", "kira", now=NOW)
    assert extras(overrides(session), {}).synonyms == {"wohngeld": {"de": ("mietzuschuss",), "tr": ("kira",)}}
    assert region_settings.remove_word(session, region, "wohngeld", "de", "mietzuschuss", now=NOW)
    assert not region_settings.remove_word(session, region, "wohngeld", "de", "mietzuschuss", now=NOW)
    region_settings.remove_word(session, region, "wohngeld", "tr", "kira", now=NOW)
    assert overrides(session) == {}


def test_cases_are_replaced_by_their_title(session: Session, region: str) -> None:
    first = TriedCase("a", {"who": ("me",)}, "notruf")
    region_settings.save_case(session, region, first, now=NOW)
    region_settings.save_case(session, region, TriedCase("a", {"who": ("me",)}, "clearing"), now=NOW)
    assert [case.kind for case in extras(overrides(session), {}).cases] == ["clearing"]
    region_settings.remove_case(session, region, "a", now=NOW)
    assert overrides(session) == {}
    with pytest.raises(RegionChangeRefused):
        region_settings.remove_case(session, region, "a", now=NOW)


def reword(session: Session, text: str | None, seen: int, key: str = "Wo wohnst du?") -> None:
    region_settings.reword(session, "tal", key, text, seen=seen, author_id=None, author_name="Petra", now=NOW)


def test_the_newest_wording_holds_until_it_is_put_back(session: Session, region: str) -> None:
    reword(session, "Wo lebst du?", 0)
    reword(session, "Wo schläfst du?", 1)
    assert region_settings.wordings(session, region) == {"Wo wohnst du?": "Wo schläfst du?"}
    reword(session, None, 2)
    assert region_settings.wordings(session, region) == {}
    assert [version.text for version in region_settings.versions_of(session, region, "Wo wohnst du?")] == [
        None,
        "Wo schläfst du?",
        "Wo lebst du?",
    ]


def test_a_wording_made_from_an_older_one_is_refused(session: Session, region: str) -> None:
    reword(session, "Wo lebst du?", 0)
    for seen, text, code in ((0, "Wo bist du?", "changed"), (1, "Wo lebst du?", "unchanged")):
        with pytest.raises(RegionChangeRefused) as refused:
            reword(session, text, seen)
        assert refused.value.code == code
    with pytest.raises(RegionChangeRefused) as refused:
        reword(session, "Wie alt bist du?", 0, key="Wie alt bist du?")
    assert refused.value.code == "unchanged"
