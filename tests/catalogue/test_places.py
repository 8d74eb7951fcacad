"""What people type, and which municipality is meant."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from portal.catalogue.places import PlaceFinder, distance_km, known_towns, normalise
from portal.catalogue.reading import read_region
from tests.catalogue.conftest import TINY
from tests.catalogue.test_reading import shipped_content

_content = read_region(TINY, "tal")
FINDER = PlaceFinder(_content.places.places, _content.places.neighbours, _content.places.shared_postal_codes)


@pytest.mark.parametrize(
    ("text", "ags", "locality"),
    [
        ("00101", "15987001", None),
        ("٠٠١٠١", "15987001", None),
        (" 00101 ", "15987001", None),
        ("D-00101", "15987001", None),
        ("00102", "15987001", None),
        ("Oberstadt", "15987001", None),
        ("OBERSTADT (TAL)", "15987001", None),
        ("oberstadt tal", "15987001", None),
        ("Königsmühle", "15987001", "Königsmühle"),
        ("Koenigsmuehle", "15987001", "Königsmühle"),
        ("Konigsmuhle", "15987001", "Königsmühle"),
        ("Ko\u0308nigsmu\u0308hle", "15987001", "Königsmühle"),
        ("königs mühle", "15987001", "Königsmühle"),
        ("Könnigsmühle", "15987001", "Königsmühle"),
        ("Königsmüle", "15987001", "Königsmühle"),
        ("Königsm", "15987001", "Königsmühle"),
        ("Bad Silberquell", "15987001", "Bad Silberquell"),
        ("Silberquell", "15987001", "Bad Silberquell"),
        ("silber", "15987001", "Bad Silberquell"),
        ("00101 Oberstadt", "15987001", None),
        ("Oberstadt-Königsmühle", "15987001", "Königsmühle"),
        ("Oberstadt OT Königsmühle", "15987001", "Königsmühle"),
        ("Königsmühle, Oberstadt", "15987001", "Königsmühle"),
        ("00102 Oberstadt OT Königsmühle", "15987001", "Königsmühle"),
        ("00104 Grünau", "15987002", "Grünau"),
        ("Gruenau 00104", "15987002", "Grünau"),
        ("00105 Neuendorf", "15987003", "Neuendorf"),
        ("Waldu", "15987003", None),
        ("Wladau", "15987003", None),
        ("auen", "15987003", None),
        ("Oberstadt Blumenviertel", "15987001", None),
        ("00101 Blumenviertel", "15987001", None),
    ],
)
def test_found(text: str, ags: str, locality: str | None) -> None:
    result = FINDER.find(text)
    assert result.status == "found", result
    assert (result.places[0].ags, result.places[0].locality) == (ags, locality)


def test_a_postal_code_of_two_municipalities_asks_for_the_village() -> None:
    result = FINDER.find("00104")
    assert result.status == "choose"
    assert [option.label for option in result.places] == ["Waldau", "Grünau (Niederstadt)"]
    assert result.outside is None


def test_a_postal_code_of_two_counties_offers_the_other_county() -> None:
    result = FINDER.find("00105")
    assert result.status == "choose"
    assert [option.label for option in result.places] == ["Neuendorf (Waldau)"]
    assert result.outside is not None
    assert result.outside.county == "Nachbarkreis"


def test_code_and_town_that_contradict_each_other_are_asked_about() -> None:
    result = FINDER.find("00101 Niederstadt")
    assert result.status == "choose"
    assert {option.ags for option in result.places} == {"15987001", "15987002"}


@pytest.mark.parametrize("text", ["001", "0010", "Obe", "nie"])
def test_beginnings_offer_a_choice(text: str) -> None:
    result = FINDER.find(text)
    assert result.status == "choose"
    assert result.places


@pytest.mark.parametrize("text", ["Nebenstadt", "nebenstat", "00199", "00199 Nebenstadt", "99999 Nebenstadt"])
def test_next_door(text: str) -> None:
    result = FINDER.find(text)
    assert result.status == "outside"
    assert result.outside is not None
    assert (result.outside.name, result.outside.county) == ("Nebenstadt", "Nachbarkreis")


def test_a_code_that_is_not_here_is_outside_and_a_near_one_offers_what_may_be_meant() -> None:
    far = FINDER.find("80331")
    assert (far.status, far.places, far.outside) == ("outside", (), None)
    near = FINDER.find("00111")
    assert near.status == "outside"
    assert "Oberstadt (Tal)" in [option.label for option in near.places]


@pytest.mark.parametrize(
    "text", ["xyz", "12", "123456", "Ob", "München", "'; DROP TABLE place; --", "x" * 10_000]
)
def test_unknown(text: str) -> None:
    assert FINDER.find(text).status == "unknown"


@pytest.mark.parametrize("text", ["", "  ", "-", "…", "\x00"])
def test_nothing_typed(text: str) -> None:
    assert FINDER.find(text).status == "empty"


def test_short_words_are_not_taken_for_typos() -> None:
    assert FINDER.find("Ole").status == "unknown"
    assert FINDER.find("Aue").status == "choose", "the beginning of Auen, and that is all"


def test_exact_only_for_search_queries() -> None:
    assert FINDER.ags_of("Waldau") == "15987003"
    assert FINDER.ags_of("waldau") == "15987003"
    assert FINDER.ags_of("00101") == "15987001"
    assert FINDER.ags_of("Waldu") is None
    assert FINDER.ags_of("Wald") is None
    assert FINDER.ags_of("00104") is None


def test_the_same_village_name_twice_asks() -> None:
    first, second, *_ = _content.places.places
    twin = {"name": "Neudorf", "postal_code": "00101"}
    places = [place.model_validate({**place.model_dump(), "localities": [twin]}) for place in (first, second)]
    result = PlaceFinder(places).find("Neudorf")
    assert result.status == "choose"
    assert [option.label for option in result.places] == ["Neudorf (Niederstadt)", "Neudorf (Oberstadt)"]
    assert PlaceFinder(places).find("Neudorf Niederstadt").places[0].ags == second.ags


def test_suggestions_while_typing() -> None:
    assert [option.label for option in FINDER.suggest("n")][:2] == ["Niederstadt", "Neuendorf (Waldau)"]
    assert [option.label for option in FINDER.suggest("0010", limit=2)] == [
        "Oberstadt (Tal)",
        "Bad Silberquell (Oberstadt)",
    ]
    assert [option.label for option in FINDER.suggest("Könnigsmühle")] == ["Königsmühle (Oberstadt)"]
    assert FINDER.suggest("") == ()
    assert FINDER.suggest("xyz") == ()


def test_places_by_key() -> None:
    assert [option.name for option in FINDER.all()] == ["Oberstadt (Tal)", "Niederstadt", "Waldau"]
    place = FINDER.by_ags("15987002")
    assert place is not None
    assert place.name == "Niederstadt"
    assert FINDER.by_ags("99") is None
    assert FINDER.centre("15987002") == (51.80, 11.95)
    assert FINDER.centre("99") is None


def test_distance() -> None:
    # Wernigerode to Halberstadt.
    assert distance_km(51.8346, 10.7852, 51.8957, 11.0526) == pytest.approx(19.6, abs=0.3)
    assert distance_km(51, 11, 51, 11) == 0


@given(st.text(max_size=60))
@settings(max_examples=300, deadline=None)
def test_anything_can_be_typed(text: str) -> None:
    result = FINDER.find(text)
    assert (result.status == "found") == (len(result.places) == 1 and result.status == "found")
    assert normalise(normalise(text)) == normalise(text)
    FINDER.suggest(text)


_harz = read_region(shipped_content(), "harz").places
HARZ = PlaceFinder(_harz.places, _harz.neighbours, _harz.shared_postal_codes)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Wernigerode-Hasserode", "Wernigerode"),
        ("38855 Wernigerode", "Wernigerode"),
        ("Wernigrode", "Wernigerode"),
        ("Halberstadt OT Ströbeck", "Halberstadt"),
        ("Stroebeck", "Halberstadt"),
        ("Bad Suderode", "Quedlinburg"),
        ("Gernrode", "Quedlinburg"),
        ("Blankenburg", "Blankenburg (Harz)"),
        ("Brocken", "Oberharz am Brocken"),
        ("06543 Pansfelde", "Falkenstein/Harz"),
        ("Quedlingburg", "Quedlinburg"),
    ],
)
def test_the_county_of_harz(text: str, name: str) -> None:
    result = HARZ.find(text)
    assert result.status == "found"
    assert result.places[0].name == name


@pytest.mark.parametrize(
    "text", ["Berlin", "Muenchen", "Stadt Magdeburg", "Halle", "Frankfurt", "Eisleben", "Zerbst"]
)
def test_larger_towns_lie_elsewhere(text: str) -> None:
    towns = PlaceFinder(_harz.places, _harz.neighbours, _harz.shared_postal_codes, known_towns())
    found = towns.find(text)
    assert found.status == "outside"
    assert found.outside and found.outside.name
    assert found.outside.name in towns.suggest_outside(text[:-1])


def test_a_region_s_own_places_go_before_towns_elsewhere() -> None:
    own = _harz.places[0]
    towns = PlaceFinder(_harz.places, towns=[(own.name,), ("Hale",)])
    assert towns.find(own.name).places[0].ags == own.ags
    assert towns.find("Tale").places[0].name == "Thale"


@pytest.mark.parametrize("code", ["06333", "06543", "39397"])
def test_postal_codes_of_harz_that_lie_in_two_counties(code: str) -> None:
    result = HARZ.find(code)
    assert result.status == "choose"
    assert result.outside is not None


@pytest.mark.parametrize(
    "text",
    ["Goslar", "38640", "38667", "38700", "39387", "06449", "06526", "99734", "Nordhausen", "Braunlage"],
)
def test_next_door_to_harz(text: str) -> None:
    assert HARZ.find(text).status == "outside"


def test_every_name_of_harz_finds_its_own_municipality() -> None:
    for place in _harz.places:
        for name in (place.name, *(locality.name for locality in place.localities)):
            result = HARZ.find(name)
            assert result.status in ("found", "choose"), name
            assert place.ags in {option.ags for option in result.places}, name
