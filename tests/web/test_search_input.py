"""Whatever is typed is answered as a normal page in normal time, by both engines, and no engine's syntax means anything."""

import time
from collections.abc import Iterator

import pytest
from flask import Flask
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from portal.config import Settings
from portal.web.application import build
from portal.web.serving import prepare
from tests.databases import PostgresCluster
from tests.web.conftest import NOW, SECRET
from tests.web.pages import PageClient, text_of
from tests.web.test_offers import offers, shown, total

SECONDS = 3.0
"""Far above what a page takes (some 20 ms), far below what a bad regular expression or an unbounded loop would."""


@pytest.fixture(scope="module")
def _postgres_app(postgres: PostgresCluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flask]:
    with postgres.database() as url:
        own = Settings(
            secret_key=SECRET,
            region="musterkreis",
            data_dir=tmp_path_factory.mktemp("data"),
            database_url=url,
            search="postgres",
        )
        prepare(own, lambda line: None)
        app = build(own, now=lambda: NOW)
        yield app
        app.extensions["portal"].store.engine.dispose()


@pytest.fixture(params=["whoosh", pytest.param("postgres", marks=pytest.mark.postgres)])
def engine_app(request: pytest.FixtureRequest) -> Flask:
    found: Flask = request.getfixturevalue(
        "musterkreis_app" if request.param == "whoosh" else "_postgres_app"
    )
    return found


LONG = {
    "one letter": "a" * 10_000,
    "one word": "schulden" * 1250,
    "words": "schulden wohnung geld " * 450,
    "different words": " ".join(f"wort{number}" for number in range(1500)),
    "umlauts": "ä" * 10_000,
    "zeroes": "\0" * 10_000,
    "blanks": " " * 10_000,
    "stars": "*" * 10_000,
    "brackets": "(" * 5_000 + ")" * 5_000,
    "quotes": '"' * 9_999,
    "emoji": "🧑‍🚀" * 3_000,
    "combining": "e" + "\u0301" * 9_999,
    "arabic": "شغل " * 2_500,
    "tatweel": "ـ" * 10_000,
    "digits": "1" * 10_000,
    "hyphens": "-" * 10_000,
    "years": "mit 17 " * 1_400,
    "direction": "\u202e\u202d" * 5_000,
}


@pytest.mark.parametrize("text", LONG.values(), ids=LONG.keys())
def test_ten_thousand_characters_are_a_normal_page(engine_app: Flask, text: str) -> None:
    client = PageClient(engine_app)
    client.get("/de/offers?q=a")
    began = time.perf_counter()
    for field in ("q", "place"):
        page = offers(client, **{field: text})
        assert page.all("[data-total]")
        assert len(str(page.one(f"#{field}")["value"])) <= 400
    assert client.get("/de/suggest/offers", query_string={"q": text}).status_code == 200
    assert client.get("/de/suggest/places", query_string={"q": text}).status_code == 200
    assert time.perf_counter() - began < 4 * SECONDS


SYNTAX = [
    "*", "?", "*:*", "name:*", "id:[0 TO z]", "[a TO z]", "schuld*", "sch?lden", "schulden~2", "schulden^99", "+schulden -geld",
    "schulden AND NOT geld", "schulden OR (", "(((", '"', '"schulden', "schulden\\", "'", "''", "schulden & ", "!schulden", "schulden | | geld",
    "schulden:*", "<->", "schulden <2> geld", "%", "_", "schuld%", "$$", "; DROP TABLE service; --", "\\x00", "'||'", "E'\\\\'", "NULL", "{schulden}",
    "/schulden/", "terms:de", "de:schulden", "de:", "\u0001de:schulden", "#", "@", "\x01\x02\x1b", "\ufeff", "\u200f\u200e", "İıŞş", "ﷺ", "ǅ", "𝓼𝓬𝓱𝓾𝓵𝓭𝓮𝓷",
    "schулден", "شغلschulden", "👩‍👩‍👧‍👦", "🏳️‍🌈 schulden", "ß", "ẞ", "½", "²", "٣", "1e9", "0x1", "\U0010ffff", "\ue000",
]  # fmt: skip


@pytest.mark.parametrize("text", SYNTAX)
def test_signs_are_only_signs(engine_app: Flask, text: str) -> None:
    client = PageClient(engine_app)
    page = offers(client, q=text)
    assert page.all("[data-total]")
    assert not page.all("#results > .box.info"), "answered by the index"
    assert client.get("/de/suggest/offers", query_string={"q": text}).status_code == 200


@pytest.mark.parametrize(
    "text",
    [
        "schulden*",
        "+schulden",
        '"schulden"',
        "(schulden)",
        "schulden~2",
        "schulden^9",
        "!schulden",
        "schulden\\",
        "%schulden%",
    ],
)
def test_signs_around_a_word_change_nothing(engine_app: Flask, text: str) -> None:
    client = PageClient(engine_app)
    assert shown(offers(client, q=text))[:5] == shown(offers(client, q=text.strip('*+"()~^!\\%92 ')))[:5]


@pytest.mark.parametrize("text", ["*", "*:*", "[a TO z]", "%", "_", ".*", "NOT xqzwv"])
def test_a_wildcard_does_not_find_everything(engine_app: Flask, text: str) -> None:
    """Without a word there is no search, and the list is the whole list, as for an empty field."""
    client = PageClient(engine_app)
    everything = total(offers(client))
    found = offers(client, q=text)
    assert total(found) in (0, everything) or total(found) < everything / 2, text_of(
        found.one("[data-total]")
    )


TYPED = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=120),
    st.lists(
        st.one_of(
            st.sampled_from(
                [*SYNTAX, "schulden", "wohnung", "mit 17", "Tannwerder", "нет", "عمل", "yardım", "hartz4"]
            ),
            st.text(st.characters(categories=["L", "M", "N", "Cf"]), max_size=8),
        ),
        max_size=12,
    ).map(" ".join),
    st.tuples(st.text(max_size=6, min_size=1), st.integers(1, 2000)).map(lambda pair: pair[0] * pair[1]),
)


@settings(
    deadline=None,
    max_examples=40,
    suppress_health_check=[
        HealthCheck.too_slow,
        HealthCheck.data_too_large,
        HealthCheck.function_scoped_fixture,
    ],
)
@given(text=TYPED, lang=st.sampled_from(["de", "en", "ar"]), sort=st.sampled_from(["", "distance"]))
@example(text="\0", lang="de", sort="")
@example(text="a" * 10_000, lang="ar", sort="distance")
def test_anything_typed_is_answered_by_the_index_in_time(
    engine_app: Flask, text: str, lang: str, sort: str
) -> None:
    client = PageClient(engine_app)
    began = time.perf_counter()
    query = {"q": text, "place": "Tannwerder", "sort": sort}
    response = client.get(f"/{lang}/offers", query_string=query, headers={"HX-Request": "true"})
    assert time.perf_counter() - began < SECONDS
    assert response.status_code == 200
    body = response.get_data(as_text=True)
    assert "data-total" in body
    assert '"box info"' not in body
    assert "\0" not in body
    assert client.get(f"/{lang}/suggest/offers", query_string={"q": text}).status_code == 200
