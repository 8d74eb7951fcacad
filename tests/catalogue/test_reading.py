"""Content files are refused with messages that lead to the mistake."""

from pathlib import Path
from typing import Any

import pytest

from portal.catalogue import checking
from portal.catalogue.checking import contrast, desk_gaps, phone_problem, theme_problems
from portal.catalogue.reading import (
    ContentError,
    content_fingerprint,
    read_region,
    read_taxonomies,
    region_slugs,
)
from portal.catalogue.records import Theme
from tests.catalogue.conftest import ContentFolder


def problems_of(content: ContentFolder) -> list[str]:
    with pytest.raises(ContentError) as caught:
        content.read()
    return [str(problem) for problem in caught.value.problems]


def test_the_tiny_region_is_read(content: ContentFolder) -> None:
    region = content.read()
    assert [service.slug for service in region.services][-2:] == ["notruf", "reden"]
    assert region.places.places[0].postal_codes == ("00101", "00102")
    assert region.services[0].schedules[0].opening_hours == "Mo-Fr 09:00-15:00"
    assert region.services[0].assured_date is not None
    assert region.translations[0].language == "en"


def test_all_problems_are_named_with_file_line_entry_and_field(content: ContentFolder) -> None:
    content.entry("services.yaml", "berufsberatung", minimum_age="abc", phone="1", topics=[])
    content.edit("organizations.yaml", lambda data: data["organizations"][0].update(website="jobcenter"))
    found = problems_of(content)
    assert len(found) == 4
    assert any(
        problem.startswith("regions/tal/services.yaml:") and "berufsberatung: minimum_age: " in problem
        for problem in found
    )
    assert any("berufsberatung: phone: there is no such field" in problem for problem in found)
    assert any("berufsberatung: topics: " in problem for problem in found)
    assert any("organizations.yaml" in problem and "jobcenter-tal: website: " in problem for problem in found)


def test_the_line_is_the_right_one(content: ContentFolder) -> None:
    file = content.region / "locations.yaml"
    lines = file.read_text(encoding="utf-8").splitlines()
    wrong = next(index for index, line in enumerate(lines) if "latitude: 51.801" in line)
    lines[wrong] = "    latitude: 151.801"
    file.write_text("\n".join(lines), encoding="utf-8")
    with pytest.raises(ContentError) as caught:
        content.read()
    (problem,) = caught.value.problems
    assert (problem.line, problem.entry, problem.field) == (wrong + 1, "jobcenter-nieder", "latitude")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("services: [", "not valid YAML"),
        ("services:\n  - slug: a\n    slug: b\n", "slug: stands here twice"),
        ("services: 5\n", "services"),
        ("- a\n", "services.yaml"),
        ("", "services"),
    ],
)
def test_broken_yaml_is_reported(content: ContentFolder, text: str, message: str) -> None:
    (content.region / "services.yaml").write_text(text, encoding="utf-8")
    assert any(message in problem for problem in problems_of(content))


def test_a_missing_file_is_reported(content: ContentFolder) -> None:
    (content.region / "locations.yaml").unlink()
    assert any("regions/tal/locations.yaml: cannot be read" in problem for problem in problems_of(content))


def test_bytes_that_are_no_text_are_reported(content: ContentFolder) -> None:
    (content.region / "places.yaml").write_bytes(b"\xff\xfe\x00")
    assert any("places.yaml" in problem for problem in problems_of(content))


def test_yaml_does_not_turn_codes_into_numbers_or_booleans(content: ContentFolder) -> None:
    content.entry("locations.yaml", "jobcenter-ober", name="no")
    text = (
        (content.region / "locations.yaml")
        .read_text(encoding="utf-8")
        .replace("'no'", "no")
        .replace("'00101'", "00101")
    )
    (content.region / "locations.yaml").write_text(text, encoding="utf-8")
    location = content.read().locations[0]
    assert location.name == "no"
    assert location.address is not None
    assert location.address.postal_code == "00101"


@pytest.mark.parametrize(
    ("file", "slug", "values", "message"),
    [
        ("services.yaml", "schutz", {"organization": "nobody"}, "schutz: organization: no organization 'nobody'"),
        ("services.yaml", "schutz", {"topics": ["kries"]}, "schutz: topics: 'kries' is not a term of topics"),
        ("services.yaml", "schutz", {"locations": [{"location": "x"}]}, "locations.0.location: no location 'x'"),
        ("services.yaml", "schutz", {"desk_for": ["clearing"]}, "'clearing' must be among contact_kinds too"),
        ("services.yaml", "schutz", {"service_areas": ["15987009"]}, "service_areas: no place 15987009"),
        ("services.yaml", "schutz", {"service_areas": ["09162"]}, "09162 has nothing to do with 15987"),
        ("services.yaml", "schutz", {"service_areas": ["15987", "15987"]}, "'15987' stands there twice"),
        ("services.yaml", "schutz", {"languages": ["de", "zz"]}, "no language has the code 'zz'"),
        ("services.yaml", "schutz", {"schedules": [{"opening_hours": "Mo 25 Uhr"}]}, "schedules.0.opening_hours"),
        ("services.yaml", "schutz", {"phones": [{"number": "93580"}]}, "phones.0.number: '93580' is not a valid"),
        ("services.yaml", "schutz", {"phones": [{"number": "03943 935800"}]}, "may be somebody's number"),
        ("services.yaml", "projekt-alt", {"valid_to": "2023-01-01"}, "valid_to: is before valid_from"),
        ("services.yaml", "clearing", {"status": "draft"}, "is the region's clearing desk and must be published"),
        ("services.yaml", "clearing", {"service_areas": ["15987001"]}, "the clearing desk must serve all of 15987"),
        ("services.yaml", "clearing", {"valid_to": "2027-01-01"}, "the clearing desk must not run out"),
        ("services.yaml", "clearing", {"phones": None}, "no phone, mail, web address or location"),
        ("services.yaml", "schutz", {"status": "draft"}, "jugendamt_schutz has no desk for Oberstadt (Tal)"),
        ("locations.yaml", "landratsamt", {"place": "15987009"}, "landratsamt: place: no place 15987009"),
        ("locations.yaml", "landratsamt", {"latitude": "11.95", "longitude": "51.8"}, "km from Niederstadt"),
        ("locations.yaml", "landratsamt", {"longitude": None}, "latitude and longitude belong together"),
        ("locations.yaml", "frauenhaus", {"place": "15987001"}, "must not say where it is"),
        ("locations.yaml", "landratsamt", {"organization": "frauenhaus-tal"}, "frauenhaus-tal is confidential"),
        ("organizations.yaml", "seelenohr", {"kind": "verein"}, "'verein' is not a term of organization_kinds"),
        ("organizations.yaml", "seelenohr", {"parent_organization": "x"}, "no organization 'x'"),
        ("organizations.yaml", "landkreis-tal", {"parent_organization": "jobcenter-tal"}, "leads back to itself"),
        ("places.yaml", "waldau", {"ags": "15988003"}, "15988003 does not lie in 15987"),
    ],
)  # fmt: skip
def test_entries_that_do_not_fit_together(
    content: ContentFolder, file: str, slug: str, values: dict[str, Any], message: str
) -> None:
    content.entry(file, slug, **values)
    found = problems_of(content)
    assert any(message in problem for problem in found), found


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"slug": "berg"}, "slug: is 'berg', but the folder is called 'tal'"),
        ({"clearing_desk": "nobody"}, "clearing_desk: no service 'nobody'"),
        ({"helplines": ["jobcenter"]}, "jobcenter: helpline_needs: is empty"),
        ({"helplines": ["reden", "reden"]}, "'reden' stands there twice"),
        ({"languages": ["en"]}, "languages: German is missing"),
        ({"state_area": "03"}, "the county 15987 does not lie in it"),
        ({"timezone": "Europe/Wernigerode"}, "timezone or holiday_subdivision"),
        ({"holiday_subdivision": "XX"}, "timezone or holiday_subdivision"),
        ({"theme": {"action": "#7fdccf"}}, "action #7fdccf on white has a contrast of"),
    ],
)
def test_settings_that_do_not_work(content: ContentFolder, values: dict[str, Any], message: str) -> None:
    content.edit("region.yaml", lambda data: data.update(values))
    found = problems_of(content)
    assert any(message in problem for problem in found), found


def test_the_same_slug_in_two_files(content: ContentFolder) -> None:
    content.edit("helplines.yaml", lambda data: data["services"][0].update(slug="schutz"))
    found = problems_of(content)
    assert any("helplines.yaml" in problem and "this service is already in" in problem for problem in found)


def test_confidential_entries_must_not_carry_an_address(content: ContentFolder) -> None:
    content.entry("locations.yaml", "frauenhaus", address={"city": "Oberstadt"})
    assert any("must not have an address" in problem for problem in problems_of(content))


@pytest.mark.parametrize(
    ("section", "key", "field", "message"),
    [
        ("services", "nobody", "name", "nobody: no service is called that"),
        ("services", "schutz", "alternate_name", "there is no German text to translate here"),
        ("services", "schutz", "expectations.0", "there is no German text to translate here"),
        ("services", "schutz", "slug", "there is no German text to translate here"),
        ("terms", "topics:geld", "name", "do not belong into this file"),
    ],
)
def test_translations_of_nothing(
    content: ContentFolder, section: str, key: str, field: str, message: str
) -> None:
    content.edit(
        "translations/en.yaml",
        lambda data: data.setdefault(section, {}).update({key: {field: {"text": "x"}}}),
    )
    assert any(message in problem for problem in problems_of(content))


def test_the_language_of_a_file_is_its_name(content: ContentFolder) -> None:
    (content.region / "translations" / "en.yaml").rename(content.region / "translations" / "fr.yaml")
    assert any("is 'en', but the file is called fr.yaml" in problem for problem in problems_of(content))


def test_vocabularies_are_checked(content: ContentFolder) -> None:
    content.edit("taxonomies/topics.yaml", lambda data: data["terms"][2].update(parent="nothing"))
    (content.path / "taxonomies" / "formats.yaml").unlink()
    with pytest.raises(ContentError) as caught:
        read_taxonomies(content.path)
    found = [str(problem) for problem in caught.value.problems]
    assert any("topics:jobsuche: parent: no term 'nothing'" in problem for problem in found)
    assert any("formats.yaml: this vocabulary is missing" in problem for problem in found)


@pytest.mark.parametrize("slug", ["", "..", "../tal", "TAL", "nowhere", "/etc"])
def test_a_region_that_is_not_there(content: ContentFolder, slug: str) -> None:
    with pytest.raises(ContentError, match="there are: tal"):
        read_region(content.path, slug)


def test_services_may_be_split_by_subject(content: ContentFolder) -> None:
    (content.region / "services").mkdir()
    (content.region / "services.yaml").rename(content.region / "services" / "alles.yaml")
    region = content.read()
    assert len(region.services) == 10
    assert region.origins["service", "jobcenter"].file == "regions/tal/services/alles.yaml"


def test_the_fingerprint_follows_the_files(content: ContentFolder) -> None:
    before = content_fingerprint(content.path, "tal")
    assert content_fingerprint(content.path, "tal") == before
    content.entry("services.yaml", "schutz", name="Schutz jetzt")
    changed = content_fingerprint(content.path, "tal")
    assert changed != before
    (content.path / "regions" / "berg").mkdir()
    (content.path / "regions" / "berg" / "region.yaml").write_text("slug: berg", encoding="utf-8")
    assert content_fingerprint(content.path, "tal") == changed
    (content.region / "translations" / "en.yaml").rename(content.region / "translations" / "fr.yaml")
    assert content_fingerprint(content.path, "tal") != changed


def test_kinds_that_only_the_clearing_desk_serves(content: ContentFolder) -> None:
    assert desk_gaps(content.read()) == {"wohngeldstelle": ["Oberstadt (Tal)", "Niederstadt", "Waldau"]}
    content.entry("services.yaml", "jobcenter", service_areas=["15987001"])
    assert desk_gaps(content.read())["jobcenter"] == ["Niederstadt", "Waldau"]


@pytest.mark.parametrize(
    "number",
    [
        "112",
        "110",
        "115",
        "116 111",
        "116117",
        "116 016",
        "0800 111 0 111",
        "03943 93-5800",
        "+49 3943 935800",
    ],
)
def test_numbers_that_can_be_dialled(number: str) -> None:
    assert phone_problem(number, fictional=False) is None


@pytest.mark.parametrize("number", ["113", "935800", "03943", "030 23125 001", "116", "0800", "117 111"])
def test_numbers_that_cannot_be_right(number: str) -> None:
    assert phone_problem(number, fictional=False) is not None


@pytest.mark.parametrize(
    ("number", "allowed"),
    [
        ("030 23125 000", True),
        ("069 90009 999", True),
        ("040 66969 123", True),
        ("0221 4710 123", True),
        ("089 99998 123", True),
        ("0171 39200 12", True),
        ("0152 28817386", True),
        ("112", True),
        ("0800 111 0 111", True),
        ("030 23126 000", False),
        ("03943 935800", False),
    ],
)
def test_a_fictional_region_rings_nobody(number: str, allowed: bool) -> None:
    assert (phone_problem(number, fictional=True) is None) is allowed


def test_contrast_as_the_standard_computes_it() -> None:
    assert contrast("#ffffff", "#000000") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.478, abs=0.001)
    assert list(theme_problems(Theme())) == []
    assert len(list(theme_problems(Theme(action="#2f8f83", action_dark="#2f8f83")))) == 5


def shipped_content() -> Path:
    return Path(checking.__file__).parents[2] / "content"


@pytest.mark.parametrize("slug", region_slugs(shipped_content()))
def test_every_shipped_region_is_right(slug: str) -> None:
    region = read_region(shipped_content(), slug)
    assert region.services


def test_regions_are_shipped() -> None:
    assert "harz" in region_slugs(shipped_content())
