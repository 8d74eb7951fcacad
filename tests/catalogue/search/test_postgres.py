"""The index in PostgreSQL: the same answers as Whoosh, damage, several processes, crashes, rights."""

import multiprocessing
import os
import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, text

from portal.catalogue.search import analysis
from portal.catalogue.search import postgres_reading as reading
from portal.catalogue.search import postgres_rows as stored
from portal.catalogue.search import postgres_writing as writing
from portal.catalogue.search.concepts import load_concepts
from portal.catalogue.search.documents import Texts
from portal.catalogue.search.index import (
    Filters,
    IndexBusy,
    IndexNotWritten,
    IndexUnusable,
    SearchRequest,
    ServiceIndex,
)
from portal.catalogue.search.postgres import PostgresIndex
from portal.catalogue.search.postgres_tables import METADATA
from portal.catalogue.search.whoosh import WhooshIndex
from portal.db import make_engine
from tests.catalogue.search import at_once
from tests.catalogue.search.conftest import SYNONYMS
from tests.catalogue.search.engines import Places
from tests.catalogue.search.samples import (
    HALBERSTADT,
    WERNIGERODE,
    a_document,
    id_of,
    many_documents,
    some_documents,
)

pytestmark = pytest.mark.postgres

REGION = "test"
PARTS = sorted(name for name in METADATA.tables if name != "search_index")


@pytest.fixture(scope="module")
def url(postgres, _postgres_template) -> Iterator[str]:
    with postgres.database(_postgres_template) as url:
        yield url


@pytest.fixture(scope="module")
def engine(url) -> Iterator[Engine]:
    engine = make_engine(url)
    yield engine
    engine.dispose()


@pytest.fixture
def index(engine, concepts) -> Iterator[PostgresIndex]:
    index = PostgresIndex(engine, REGION, concepts, Places())
    index.rebuild(some_documents(), revision=1)
    yield index
    with engine.begin() as connection:
        for name in METADATA.tables:
            connection.execute(text(f"DELETE FROM {name}"))


def again(engine, concepts, **options) -> PostgresIndex:
    """The index as another process sees it."""
    return PostgresIndex(engine, REGION, concepts, Places(), **options)


def slugs(index, words=""):
    return {hit.slug for hit in index.search(SearchRequest(words, limit=1000)).hits}


def rows(engine) -> dict[str, int]:
    with engine.connect() as connection:
        return {name: connection.scalar(text(f"SELECT count(*) FROM {name}")) for name in METADATA.tables}


# The same answers.


def with_other_languages(documents, seed):
    """Some of the offers also in Arabic or English, so that names and suggestions fall back to German or not."""
    chance = random.Random(seed)
    words = {
        "ar": ["عمل", "مدرسة", "سكن", "مال", "استشارة"],
        "en": ["work", "school", "money", "advice", "club"],
    }
    for document in documents:
        texts = dict(document.texts)
        for language, known in words.items():
            if chance.random() < 0.4:
                name, summary = (" ".join(chance.choices(known, k=k)) for k in (2, 8))
                texts[language] = Texts(
                    name=name, summary=summary, organization="Amt", topics=tuple(known[:1])
                )
        yield a_document(
            document.slug,
            **{
                field: getattr(document, field)
                for field in document.__dataclass_fields__
                if field not in ("id", "slug", "texts")
            },
            texts=texts,
        )


@pytest.fixture(scope="module", params=["tables", "planes"])
def pair(request, engine, tmp_path_factory, concepts) -> Iterator[tuple[ServiceIndex, ServiceIndex]]:
    """With scores one by one as in small catalogues, or with words stored and scored in planes as in large ones."""
    documents = [*some_documents(), *with_other_languages(many_documents(400), 7)]
    one = WhooshIndex(tmp_path_factory.mktemp("pair") / "index", concepts, Places())
    other = PostgresIndex(engine, f"pair-{request.param}", concepts, Places())
    with pytest.MonkeyPatch.context() as patch:
        if request.param == "planes":
            use_planes(patch)
        for index in (one, other):
            index.rebuild(documents)
        yield one, other


def use_planes(patch):
    patch.setattr(reading, "_LEAST_FOR_PLANES", 0)
    patch.setattr(reading, "_SHARE_FOR_PLANES", 10**9)
    patch.setattr(stored, "_LEAST_PLANES", 100)
    patch.setattr(writing, "_MOST_POSTINGS", 8000)


WORDS = [
    "ausbildung",
    "beratung",
    "schuldn",
    "wohnug",
    "garten",
    "wonung",
    "telefonseelsorgge",
    "kiffen",
    "mit 17",
]
WORDS += [
    "halberstadt",
    "jopcenter",
    "schulsportplatz",
    "عمل",
    "استشارة",
    "school",
    "müsik",
    "hartz4",
    "g",
    "ga",
    "q",
]
REQUESTS = st.builds(
    SearchRequest,
    text=st.lists(st.sampled_from(WORDS), max_size=4).map(" ".join),
    language=st.sampled_from(["de", "ar", "en", "uk"]),
    sort=st.sampled_from(["relevance", "distance"]),
    offset=st.integers(0, 60),
    near=st.none() | st.sampled_from([HALBERSTADT, WERNIGERODE]),
    filters=st.builds(
        Filters,
        topics=st.frozensets(st.sampled_from(["sucht", "wohnen", "familie"]), max_size=2),
        free=st.booleans(),
        age=st.none() | st.integers(5, 30),
        place=st.none() | st.sampled_from([HALBERSTADT, WERNIGERODE]),
        radius_km=st.none() | st.sampled_from([3.0, 15.0, 21.5]),
    ),
)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(request=REQUESTS)
def test_both_engines_answer_alike(pair, request):
    one, other = (index.search(request) for index in pair)
    assert [hit.slug for hit in other.hits] == [hit.slug for hit in one.hits]
    assert [hit.score for hit in other.hits] == pytest.approx([hit.score for hit in one.hits], rel=1e-6)
    for a, b in zip(one.hits, other.hits, strict=True):
        assert (a.id, a.distance_km, a.language, a.highlights) == (
            b.id,
            b.distance_km,
            b.language,
            b.highlights,
        )
    assert (other.total, other.facets, other.understood) == (one.total, one.facets, one.understood)
    assert (other.did_you_mean, other.fallback) == (one.did_you_mean, one.fallback)


@pytest.mark.parametrize("language", ["de", "ar", "en", "uk"])
def test_both_engines_suggest_alike(pair, language):
    one, other = pair
    for start in [
        "a",
        "s",
        "sch",
        "garten sp",
        "amt",
        "diak",
        "sucht",
        "عمل",
        "م",
        "work",
        "mon",
        "zzz",
        "%",
        "_",
    ]:
        assert other.suggest(start, language) == one.suggest(start, language), start


# Life.


def all_methods(index):
    return [
        lambda: index.search(SearchRequest("jobcenter")),
        lambda: index.suggest("job", "de"),
        index.count,
        lambda: index.revision,
        index.state,
        lambda: index.put([a_document("x")]),
        lambda: index.remove([id_of("x")]),
        lambda: index.catch_up([], [], since=1, revision=2),
    ]


def test_a_missing_index_asks_for_a_rebuild(engine, concepts):
    index = PostgresIndex(engine, "nowhere", concepts)
    for ask in all_methods(index):
        with pytest.raises(IndexUnusable):
            ask()
    index.rebuild(some_documents(), revision=1)
    for ask in all_methods(index):
        ask()


def test_regions_in_one_database_stay_apart(engine, concepts, index):
    other = PostgresIndex(engine, "elsewhere", concepts)
    other.rebuild([a_document("fern", "Fern")], revision=7)
    assert slugs(other) == {"fern"}
    assert "fern" not in slugs(index)
    assert (index.count(), index.revision) == (8, 1)
    index.rebuild([], revision=2)
    assert slugs(other, "fern") == {"fern"}


@pytest.mark.parametrize("part", ["search_index", "search_segment", "search_document", "search_order"])
def test_lost_rows_ask_for_a_rebuild(engine, concepts, index, part):
    with engine.begin() as connection:
        connection.execute(text(f"DELETE FROM {part}"))
    with pytest.raises(IndexUnusable):
        again(engine, concepts).search(SearchRequest("jobcenter suchtberatung"))
    index.rebuild(some_documents(), revision=2)
    assert slugs(again(engine, concepts), "jobcenter")


@pytest.mark.parametrize(
    ("part", "column"),
    [
        ("search_segment", "facts"),
        ("search_code", "bits"),
        ("search_document", "shown"),
        ("search_posting", "weights"),
        ("search_order", "numbers"),
    ],
)
@pytest.mark.parametrize("damage", [b"\x00", b"not what was written", b"\xff" * 7])
def test_damaged_rows_ask_for_a_rebuild(engine, concepts, index, part, column, damage):
    with engine.begin() as connection:
        connection.execute(text(f"UPDATE {part} SET {column} = :damage"), {"damage": damage})
    with pytest.raises(IndexUnusable):
        again(engine, concepts).search(SearchRequest("jobcenter suchtberatung"))


def test_missing_tables_are_named(postgres, concepts):
    with postgres.database() as url:
        engine = make_engine(url)
        try:
            index = again(engine, concepts)
            with pytest.raises(IndexUnusable, match="portal db upgrade"):
                index.search(SearchRequest("jobcenter"))
            with pytest.raises(IndexNotWritten, match="portal db upgrade"):
                index.put([a_document("x")])
        finally:
            engine.dispose()


def test_an_index_of_another_analysis_is_built_anew(engine, concepts, index, monkeypatch):
    monkeypatch.setattr(analysis, "fingerprint", lambda: "tomorrow's")
    newer = again(engine, concepts)
    with pytest.raises(IndexUnusable):
        newer.count()
    newer.rebuild([a_document("neu")], revision=2)
    assert newer.count() == 1
    # While machines are updated one after the other, the old ones go on with theirs.
    monkeypatch.undo()
    assert (again(engine, concepts).count(), index.revision) == (8, 1)
    index.put([a_document("auch-neu")])
    with engine.begin() as connection:
        connection.execute(text("UPDATE search_index SET written_at = now() - interval '2 days'"))
    monkeypatch.setattr(analysis, "fingerprint", lambda: "tomorrow's")
    newer.rebuild([a_document("neu")], revision=3)
    assert rows(engine) | {"search_posting": 0, "search_code": 0, "search_word": 0, "search_way": 0} == {
        **dict.fromkeys(rows(engine), 0),
        **dict.fromkeys(("search_index", "search_segment", "search_order", "search_document"), 1),
    }


def test_other_processes_see_a_save_at_once(engine, concepts, index):
    other = again(engine, concepts)
    assert slugs(other, "nagelneu") == set()
    index.put([a_document("neu", "Nagelneu")])
    assert slugs(other, "nagelneu") == {"neu"}
    index.remove([id_of("neu")])
    assert slugs(other, "nagelneu") == set()
    index.rebuild([a_document("neu", "Nagelneu")], revision=4)
    assert slugs(other) == {"neu"}
    assert other.revision == 4


def test_a_rebuild_leaves_no_old_rows(engine, index):
    before = rows(engine)
    index.put([a_document("x"), *some_documents()])
    assert rows(engine)["search_posting"] > before["search_posting"]
    index.rebuild(some_documents(), revision=2)
    assert rows(engine) == before


def test_the_same_offer_twice_in_a_rebuild_counts_once(engine, index, monkeypatch):
    monkeypatch.setattr(writing, "_AT_ONCE", 2)
    documents = [a_document("neu", "Xylofon Fassung"), *some_documents(), a_document("neu", "Zweite Fassung")]
    index.rebuild(documents)
    assert index.count() == 9
    assert slugs(index, "fassung") == {"neu"}
    assert slugs(index, "xylofon") == set()
    assert [found.text for found in index.suggest("fass", "de")] == ["Zweite Fassung"]


def test_a_large_write_in_many_parts_is_the_same(engine, concepts, index, monkeypatch):
    documents = many_documents(200)
    index.rebuild(documents)
    found = [
        index.search(SearchRequest(words, limit=50)) for words in ("garten", "schul", "beratung geld", "")
    ]
    monkeypatch.setattr(writing, "_AT_ONCE", 16)
    monkeypatch.setattr(writing, "_MOST_POSTINGS", 3000)
    index.rebuild(documents)
    assert rows(engine)["search_segment"] == 1
    with engine.connect() as connection:
        assert connection.scalar(text("SELECT count(DISTINCT first) FROM search_posting")) > 3
    assert found == [
        index.search(SearchRequest(words, limit=50)) for words in ("garten", "schul", "beratung geld", "")
    ]


def test_many_saves_keep_segments_and_answers(engine, concepts, index):
    """Also in the order of names, in every language, with offers that come, change and go."""
    chance = random.Random(3)
    kept = {document.slug: document for document in many_documents(60)}
    index.rebuild(kept.values())
    fresh = list(with_other_languages(many_documents(60, seed=5), 5))
    for i in range(70):
        some = chance.sample(fresh, chance.randint(1, 3))
        index.put(some)
        kept |= {document.slug: document for document in some}
        if i % 5 == 0:
            gone = chance.choice(list(kept))
            index.remove([id_of(gone)])
            del kept[gone]
        if i % 10 == 0:
            index.search(SearchRequest(language="ar"))
    assert int(index.state().details["segments"]) <= writing._MOST_SEGMENTS
    after = {
        language: [hit.slug for hit in index.search(SearchRequest(language=language, limit=100)).hits]
        for language in ("de", "ar", "en")
    }
    ways = {start: index.suggest(start, "ar", 50) for start in ("م", "s", "b", "amt")}
    facets = index.search(SearchRequest("garten")).facets
    assert index.count() == len(kept)
    index.rebuild(kept.values())
    for language, found in after.items():
        hits = index.search(SearchRequest(language=language, limit=100)).hits
        names = {hit.slug: hit.highlights["name"] for hit in hits}
        assert [names[slug] for slug in found] == [hit.highlights["name"] for hit in hits]
    assert ways == {start: index.suggest(start, "ar", 50) for start in ways}
    assert facets == index.search(SearchRequest("garten")).facets


def test_planes_of_several_segments_say_what_tables_say(engine, concepts, index, monkeypatch):
    """With words stored in planes and in lists, joined and not, and offers that have gone."""
    requests = [
        SearchRequest(words, language, limit=30, near=near, age_from_text=False)
        for words in (
            "garten",
            "garten sport ",
            "schul beratung",
            "wohnug",
            "kiffen",
            "g",
            "beratung halberstadt",
        )
        for language, near in (("de", None), ("ar", WERNIGERODE))
    ]
    monkeypatch.setattr(stored, "_LEAST_PLANES", 8)
    monkeypatch.setattr(writing, "_MOST_POSTINGS", 2000)
    index.rebuild(many_documents(150))
    chance = random.Random(11)
    fresh = list(with_other_languages(many_documents(150, seed=2), 2))
    for _ in range(2 * writing._MOST_SEGMENTS):
        index.put(chance.sample(fresh, chance.choice([1, 2, 30])))
        index.remove([id_of(chance.choice(fresh).slug)])
    with engine.connect() as connection:
        kinds = text("SELECT count(*) FILTER (WHERE numbers = ''), count(*) FROM search_posting")
        planes, every = connection.execute(kinds).one()
    assert 0 < planes < every and int(index.state().details["segments"]) > 2
    by_tables = [again(engine, concepts).search(request) for request in requests]
    monkeypatch.setattr(reading, "_LEAST_FOR_PLANES", 0)
    monkeypatch.setattr(reading, "_SHARE_FOR_PLANES", 10**9)
    assert [again(engine, concepts).search(request) for request in requests] == by_tables
    assert sum(bool(found.hits) for found in by_tables) > 8


def test_names_of_many_new_offers_are_put_in_order(index, monkeypatch):
    monkeypatch.setattr(reading, "_FEW_NAMES", 2)
    index.rebuild([a_document(f"o{i:03}", f"Angebot {i:03}") for i in range(0, 100, 2)])
    index.remove([id_of("o050"), id_of("o000")])
    index.put([a_document("o051", "Angebot 051")])
    found = [hit.slug for hit in index.search(SearchRequest(limit=100)).hits]
    assert found == sorted(found) and "o051" in found
    index.put([a_document(f"o{i:03}", f"Angebot {i:03}") for i in range(1, 30, 2)])
    found = [hit.slug for hit in index.search(SearchRequest(limit=100)).hits]
    assert found == sorted(found) and len(found) == 48 + 1 + 15


def test_too_many_replaced_offers_ask_for_a_rebuild(index, monkeypatch):
    monkeypatch.setattr(writing, "_SPARE_NUMBERS", 5)
    for _ in range(16):
        index.put([a_document("x")])
    with pytest.raises(IndexUnusable, match="replaced"):
        index.put([a_document("x")])
    assert "x" in slugs(index)
    index.rebuild(some_documents())
    index.put([a_document("x")])


# Several at once.


def opened(url: str) -> PostgresIndex:
    return PostgresIndex(make_engine(url), REGION, load_concepts(SYNONYMS))


def test_two_writing_processes_lose_nothing(index, url):
    at_once.processes(at_once.save_some, *((opened, url, name, 12) for name in "ab"))
    assert {f"{name}-{i}" for name in "ab" for i in range(12)} <= slugs(index)
    assert index.count() == 8 + 24


def test_readers_never_fail_or_wait_while_others_write(index):
    def write():
        for i in range(12):
            index.put([a_document(f"w-{i}", "Angebot")])
            if i % 5 == 4:
                index.rebuild([*some_documents(), *(a_document(f"w-{j}", "Angebot") for j in range(i + 1))])

    def read():
        assert "jobcenter" in slugs(index, "jobcenter")
        index.suggest("su", "de")

    at_once.threads([write], meanwhile=read)
    assert index.count() == 8 + 12


@contextmanager
def a_writer_at_work(index):
    """Somebody has written and not yet committed."""
    going, done = threading.Event(), threading.Event()

    def documents():
        yield a_document("half", "Halb")
        going.set()
        done.wait(30)

    thread = threading.Thread(target=index.put, args=(documents(),), daemon=True)
    thread.start()
    assert going.wait(30)
    try:
        yield
    finally:
        done.set()
        thread.join(30)


def test_a_reader_sees_nothing_of_an_unfinished_write_and_a_writer_waits(engine, concepts, index):
    impatient = again(engine, concepts, wait_seconds=0.05)
    with a_writer_at_work(index):
        began = time.monotonic()
        assert slugs(impatient, "halb") == set()
        assert slugs(impatient, "jobcenter")
        with pytest.raises(IndexBusy):
            impatient.put([a_document("x")])
        with pytest.raises(IndexBusy):
            impatient.rebuild([])
        assert time.monotonic() - began < 5
    assert slugs(impatient, "halb") == {"half"}
    impatient.put([a_document("x", "Xylofon")])
    assert slugs(index, "xylofon") == {"x"}


def die_while_writing(url: str) -> None:
    index = opened(url)
    writing.Writer._mark_gone = lambda *_: os._exit(9)
    index.put([a_document("x", "Xylofon")])


def test_a_crash_in_the_middle_of_a_write_loses_nothing_and_holds_no_lock(engine, concepts, index, url):
    before = rows(engine)
    context = multiprocessing.get_context("spawn")
    writer = context.Process(target=die_while_writing, args=(url,))
    writer.start()
    writer.join(60)
    assert writer.exitcode == 9
    assert rows(engine) == before
    assert slugs(again(engine, concepts)) == {document.slug for document in some_documents()}
    index.put([a_document("y", "Yacht")])
    assert slugs(index, "yacht") == {"y"}


def test_a_failing_source_of_documents_changes_nothing(engine, index):
    def documents():
        yield a_document("x")
        raise RuntimeError("the database went away")

    before = rows(engine)
    for write in (index.put, lambda docs: index.rebuild(docs, revision=2)):
        with pytest.raises(RuntimeError):
            write(documents())
    assert rows(engine) == before
    assert slugs(index) == {document.slug for document in some_documents()}


def test_processes_that_want_the_same_rebuild_do_it_once(engine, concepts, index):
    with a_writer_at_work(index):
        waiting = [
            threading.Thread(target=again(engine, concepts).rebuild, args=(some_documents(), 2), daemon=True)
            for _ in range(2)
        ]
        for thread in waiting:
            thread.start()
        time.sleep(0.3)
    for thread in waiting:
        thread.join(60)
    assert index.revision == 2
    # The first build, the waiting writer, and one of the two.
    assert index.state().details["writes"] == 3


def test_a_role_without_rights_is_told(engine, concepts, index, url):
    with engine.begin() as connection:
        connection.execute(text("CREATE ROLE guest LOGIN"))
        connection.execute(text(f"GRANT SELECT ON {', '.join(METADATA.tables)} TO guest"))
    guest = make_engine(url.replace("postgres@", "guest@"))
    try:
        other = again(guest, concepts)
        assert slugs(other, "jobcenter")
        with pytest.raises(IndexNotWritten, match="permission denied"):
            other.put([a_document("x")])
        with pytest.raises(IndexNotWritten, match="permission denied"):
            other.rebuild([])
    finally:
        guest.dispose()
        with engine.begin() as connection:
            connection.execute(text("DROP OWNED BY guest"))
            connection.execute(text("DROP ROLE guest"))
    assert slugs(index, "jobcenter")


def test_nothing_of_it_needs_a_superuser_or_an_extension(postgres, concepts):
    """As an operator makes it: a role and its database, and nothing else."""
    from portal.db import upgrade

    with postgres.database() as url:
        server = make_engine(url, isolation_level="AUTOCOMMIT")
        with server.connect() as connection:
            connection.execute(text("CREATE ROLE plain LOGIN"))
            name = connection.scalar(text("SELECT current_database()"))
            connection.execute(text(f"ALTER DATABASE {name} OWNER TO plain"))
        engine = make_engine(url.replace("postgres@", "plain@"))
        try:
            upgrade(engine)
            index = again(engine, concepts)
            index.rebuild(some_documents(), revision=1)
            assert slugs(index, "jopcenter")
            with engine.connect() as connection:
                assert connection.execute(text("SELECT extname FROM pg_extension")).scalars().all() == [
                    "plpgsql"
                ]
        finally:
            engine.dispose()
            with server.connect() as connection:
                connection.execute(text("REASSIGN OWNED BY plain TO postgres"))
                connection.execute(text("DROP OWNED BY plain"))
                connection.execute(text("DROP ROLE plain"))
            server.dispose()


def test_a_segment_whose_offers_have_all_gone_is_no_damage(engine, concepts, index):
    index.put([a_document("neu", "Neu")])
    index.remove([id_of("neu")])
    for i in range(writing._MOST_SEGMENTS + 2):
        index.put([a_document("kurz", f"Fassung {i}")])
        index.remove([id_of("kurz")])
        assert slugs(again(engine, concepts)) == {document.slug for document in some_documents()}
