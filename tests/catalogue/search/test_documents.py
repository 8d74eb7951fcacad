from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from sqlalchemy import Engine

from portal.catalogue.loading import load_region
from portal.catalogue.queries import Catalogue
from portal.catalogue.reading import read_region
from portal.catalogue.search import analysis
from portal.catalogue.search.documents import SURFACE, Texts, document_from_view, terms
from portal.catalogue.search.index import Filters, Place, SearchRequest
from portal.catalogue.search.service import SearchService
from portal.catalogue.search.snippets import Marker, places_of_words
from portal.db import session_factory
from tests.databases import migrated

CONTENT = Path(__file__).parents[3] / "content"
REGIONS = sorted(path.name for path in (CONTENT / "regions").iterdir() if (path / "region.yaml").exists())


def test_a_word_in_the_name_weighs_more_than_in_the_text():
    found = terms(Texts(name="Garten", text="Musik " * 3), "de")
    assert found["gart"] > found["musik"]
    assert found[SURFACE + "garten"] == found["gart"]


def test_a_word_in_a_long_text_weighs_less():
    short = terms(Texts(name="x", summary="Garten"), "de")
    long = terms(Texts(name="x", summary="Garten " + "Musik Sport Kunst " * 20), "de")
    assert short["gart"] > long["gart"]


def test_the_places_of_words_are_kept_with_what_they_are_asked_by():
    texts = {"name": "Schulgärten", "summary": "Der Garten.", "organization": "VHS"}
    assert places_of_words(texts, "de") == (
        "|schulgarten ~schulgart ~schul ~gart @0-11|der @12-15|garten ~gart @16-22|vhs ~vhs @24-27"
    )


@pytest.mark.parametrize(
    ("query", "unfinished", "marked"),
    [
        ("garten", False, ["Schulgärten", "Garten"]),
        ("gar", True, ["Garten"]),
        ("gar", False, []),
        ("der", True, ["Der"]),
        ("de", True, []),
        ("schulen", False, ["Schulgärten"]),
        ("", True, []),
    ],
)
def test_what_is_marked(query, unfinished, marked):
    texts = {"name": "Schulgärten", "summary": "Der Garten.", "organization": "VHS"}
    marker = Marker(analysis.tokens(query), "de", unfinished=unfinished)
    kept = marker.highlights({**texts, "words": places_of_words(texts, "de")})
    assert kept == marker.highlights(texts)
    assert [text for pieces in kept.values() for text, mark in pieces if mark] == marked
    assert {field: "".join(text for text, _ in pieces) for field, pieces in kept.items()} == texts


def test_stop_words_are_left_out_and_parts_of_compounds_weigh_less():
    found = terms(Texts(name="Die Ausbildungsplatzsuche und der Schul-Garten"), "de")
    assert SURFACE + "die" not in found
    assert SURFACE + "schulgarten" in found
    assert found["platz"] < found["ausbildungsplatzsuch"]


def test_every_language_has_its_own_stems():
    assert terms(Texts(name="apprenticeships"), "en").keys() >= {"apprenticeship"}
    assert terms(Texts(name="المدرسة"), "ar").keys() >= {"مدرس"}


SHIPPED = [(region, "whoosh") for region in REGIONS] + [
    pytest.param((region, "postgres"), marks=pytest.mark.postgres) for region in REGIONS
]


@pytest.fixture(scope="module", params=SHIPPED, ids="-".join)
def shipped(request, tmp_path_factory) -> Iterator[tuple[Catalogue, SearchService, Engine]]:
    """A shipped region, loaded and indexed."""
    folder = tmp_path_factory.mktemp("shipped")
    region, kind = request.param
    with ExitStack() as stack:
        url = f"sqlite:///{folder / 'test.db'}"
        if kind == "postgres":
            template = request.getfixturevalue("_postgres_template")
            url = stack.enter_context(request.getfixturevalue("postgres").database(template))
        engine = stack.enter_context(migrated(url))
        sessions = session_factory(engine)
        with sessions() as session:
            load_region(session, read_region(CONTENT, region), now=datetime(2026, 11, 20, 9, tzinfo=UTC))
            session.commit()
        catalogue = Catalogue(sessions, region, today=lambda: date(2026, 11, 20))
        service = SearchService.open(
            catalogue,
            sessions,
            index_dir=folder / "index",
            content_dir=CONTENT,
            database=engine if kind == "postgres" else None,
        )
        service.rebuild()
        yield catalogue, service, engine


def test_documents_say_what_the_catalogue_says(shipped):
    catalogue, service, _ = shipped
    for view in catalogue.services():
        document = document_from_view(view, catalogue, catalogue.region.languages)
        assert (document.id, document.slug) == (view.id, view.slug)
        assert document.texts["de"].name == view.name
        assert set(document.topics) == set(view.topics)
        assert len(document.texts["de"].topics) == len(document.topics)
        assert document.confirmed == (view.freshness.state == "confirmed")
    assert service.search(SearchRequest()).total == len(catalogue.services())


def test_every_offer_is_found_by_its_name(shipped):
    catalogue, service, _ = shipped
    for view in catalogue.services():
        hits = service.search(SearchRequest(view.name, limit=5, place_from_text=False)).hits
        assert view.slug in [hit.slug for hit in hits], view.name


def test_every_topic_and_kind_is_counted_rightly(shipped):
    catalogue, service, _ = shipped
    facets = service.search(SearchRequest()).facets
    views = catalogue.services()
    for code, number in facets["topics"].items():
        assert number == sum(code in view.topics for view in views)
    for code, number in facets["kinds"].items():
        assert number == sum(code in view.contact_kinds for view in views)


def test_confidential_places_are_not_in_the_index(shipped):
    catalogue, _, _ = shipped
    confidential = [
        (view, location)
        for view in catalogue.services()
        for location in view.locations
        if location.confidential
    ]
    for view, location in confidential:
        document = document_from_view(view, catalogue, catalogue.region.languages)
        assert len(document.sites) == sum(not other.confidential for other in view.locations)
        assert all(location.name not in texts.text for texts in document.texts.values())


def test_places_of_the_region_are_understood(shipped):
    catalogue, service, _ = shipped
    place = catalogue.places.all()[0]
    understood = service.search(SearchRequest(f"beratung in {place.name}")).understood
    assert (understood.place, understood.rest_without_place) == (place.ags, "beratung")
    near = Place(place.ags, *(catalogue.places.centre(place.ags) or (None, None)))
    covered = service.search(SearchRequest(filters=Filters(place=near), limit=1000))
    assert covered.total >= sum(view.covers(place.ags) for view in catalogue.services()) > 0


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("ausbildung hinschmeißen", "kammer"),
        ("hartz4", "jobcenter"),
        ("kiffen", "suchtberatung"),
        ("ديون", "schuldnerberatung"),
        ("hamile", "schwangerenberatung"),
        ("суїцид", "krisentelefon"),
    ],
)
def test_the_right_kind_of_contact_is_among_the_first(shipped, text, kind):
    catalogue, service, _ = shipped
    hits = service.search(SearchRequest(text, limit=3)).hits
    views = [catalogue.service(hit.slug) for hit in hits]
    assert any(kind in view.contact_kinds for view in views if view is not None)
