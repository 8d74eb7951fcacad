"""What the search learns from examples: the models, their file, and what they may change about an answer."""

import math
from collections.abc import Sequence
from pathlib import Path

import pytest

from portal.catalogue.search import analysis, learned, learning
from portal.catalogue.search.analysis import tokens
from portal.catalogue.search.concepts import ConceptMatch, Concepts, load_concepts, read_synonyms
from portal.catalogue.search.learned import NOTHING, Learned, LearnedError, Opinion, Settings, Weights, pack
from portal.catalogue.search.learning import Example, ExamplesError, Reader, learn
from portal.catalogue.search.service import concepts_of
from tests.catalogue.search.conftest import SYNONYMS

CONTENT = SYNONYMS.parent
SETTINGS = Settings(alarm=0.5, alarm_short=0.6, alarm_against=0.9, calm=0.05, calm_meaning=0.05)

WORDS = """
version: 1
updated: 2026-01-01
families:
  hit: {de: schlagen, en: hit}
  me: {de: mich, en: me}
frames:
  - {concept: danger, when: [hit me]}
concepts:
  - {id: danger, kinds: [notruf], urgent: true, de: {everyday: [Prügel]}, unlike: [Prügelknabe]}
  - {id: music, kinds: [schule], de: {everyday: [Trompete, Geige]}}
  - {id: money, kinds: [jobcenter], de: {everyday: [Taschengeld]}}
"""
SAID = [
    ("mein onkel verdrischt mich", ["danger"], True),
    ("onkel verdrischt meine schwester", ["danger"], True),
    ("der nachbar verdrischt seinen hund", ["danger"], True),
    ("sie verdrischt mich wieder", ["danger"], True),
    ("klavier lernen beim onkel", ["music"], False),
    ("klavier und flöte spielen", ["music"], False),
    ("flöte spielen lernen", ["music"], False),
    ("klavier für meine schwester", ["music"], False),
    ("ein konto für mein sparschwein", ["money"], False),
    ("konto eröffnen mit sparschwein", ["money"], False),
    ("sparschwein ist leer, konto auch", ["money"], False),
    ("prügel und trompete im theater", ["music"], False),
    ("prügel mit trompete, ein theater", ["music"], False),
    ("prügel und trompete, altes theater", ["music"], False),
]


@pytest.fixture
def words(tmp_path: Path) -> Path:
    path = tmp_path / "synonyms.yaml"
    path.write_text(WORDS, encoding="utf-8")
    return path


def examples_of(words: Path, said: Sequence[tuple[str, list[str], bool]] = SAID) -> list[Example]:
    reader = Reader(read_synonyms(words))
    return [reader.example(text, "de", concepts, danger=danger) for text, concepts, danger in said]


def taught(words: Path, settings: Settings = SETTINGS) -> Concepts:
    return load_concepts(words, learned=Learned(pack(learn(examples_of(words), settings))))


def recognise(concepts: Concepts, text: str) -> dict[str, ConceptMatch]:
    return {match.concept.id: match for match in concepts.recognise(tokens(text), text, "de")}


def opinion(model: Learned, text: str) -> Opinion:
    return model.opinion(tokens(text), text, "de", {}, {"de"})


def test_a_model_tells_what_its_examples_tell(words: Path) -> None:
    model = Learned(pack(learn(examples_of(words))))
    hurt, play = opinion(model, "mein opa verdrischt mich"), opinion(model, "flöte und klavier")
    assert hurt.concepts[0][0] == "danger"
    assert play.concepts[0][0] == "music"
    assert hurt.danger > 0.6 > 0.4 > play.danger
    assert math.isclose(sum(share for _, share in play.concepts), 1.0, abs_tol=0.05)


def test_forms_and_misspellings_of_a_word_are_known_by_their_pieces(words: Path) -> None:
    model = Learned(pack(learn(examples_of(words))))
    assert opinion(model, "klavierr").concepts[0][0] == "music"
    assert opinion(model, "sparschweine").concepts[0][0] == "money"


def test_an_unknown_text_leads_nowhere(words: Path) -> None:
    model = Learned(pack(learn(examples_of(words))))
    assert opinion(model, "xyzzy") == Opinion(0.0, (), 0)
    assert opinion(model, "") == Opinion(0.0, (), 0)


def test_the_file_gives_back_the_weights() -> None:
    weights = Weights(
        concepts=(NOTHING, "a", "b"),
        rest=(0.0, 0.0, 0.0),
        speaks_for={learned.number_of("w:haus"): {1: 2.55}, learned.number_of("w:boot"): {2: 1.0, 1: 0.5}},
        danger={learned.number_of("w:haus"): -1.27, learned.number_of("w:boot"): 0.6},
        bias=0.0,
        settings=SETTINGS,
        source="here",
    )
    model = Learned(pack(weights))
    assert (model.concepts, model.settings, model.source) == (weights.concepts, SETTINGS, "here")
    for word, best, danger in (("haus", "a", -1.27), ("boot", "b", 0.6)):
        found = model.opinion_on([learned.number_of(f"w:{word}")])
        assert found.concepts[0][0] == best
        assert found.danger == pytest.approx(1 / (1 + math.exp(-danger)), abs=0.01)
    assert pack(weights) == pack(weights)


@pytest.mark.parametrize("damage", [b"", b"something else", slice(0, 40), slice(0, -9)])
def test_a_damaged_file_is_refused(words: Path, tmp_path: Path, damage: bytes | slice) -> None:
    whole = pack(learn(examples_of(words)))
    path = tmp_path / "learned.bin"
    path.write_bytes(whole[damage] if isinstance(damage, slice) else damage)
    with pytest.raises(LearnedError, match=r"learned\.bin"):
        Learned.load(path)


def test_without_the_file_the_search_works_with_words_alone(
    words: Path, caplog: pytest.LogCaptureFixture
) -> None:
    concepts = concepts_of(words)
    assert "without examples" in caplog.text
    assert recognise(concepts, "trompete")["music"].how == "exact"
    assert recognise(concepts, "klavier lernen") == {}


def test_examples_answer_where_words_say_nothing(words: Path) -> None:
    found = recognise(taught(words), "sparschwein konto")
    assert next(iter(found)) == "money"
    assert found["money"].how == "learned"
    assert found["money"].tokens == frozenset()
    assert found["money"].strength >= 0.5


def test_what_words_say_for_sure_stays_first(words: Path) -> None:
    found = recognise(taught(words), "trompete")
    assert next(iter(found)) == "music"
    assert found["music"].how == "exact"


def test_examples_raise_the_alarm(words: Path) -> None:
    said = "mein opa verdrischt mich"
    assert not recognise(load_concepts(words), said)
    found = recognise(taught(words), said)
    assert found["danger"].urgent
    assert next(iter(found)) == "danger"
    cautious = Settings(alarm=0.99, alarm_short=0.99, alarm_against=0.99, calm=0.05, calm_meaning=0.05)
    assert not any(match.urgent for match in recognise(taught(words, cautious), said).values())


def test_one_known_word_raises_no_alarm(words: Path) -> None:
    concepts = taught(
        words, Settings(alarm=0.1, alarm_short=0.1, alarm_against=0.1, calm=0.0, calm_meaning=0.0)
    )
    assert not any(match.urgent for match in recognise(concepts, "verdrischt").values())
    assert any(match.urgent for match in recognise(concepts, "onkel verdrischt").values())


def test_examples_take_a_false_alarm_back(words: Path) -> None:
    said = "prügel und trompete im theater"
    assert recognise(load_concepts(words), said)["danger"].urgent
    found = recognise(taught(words, Settings(0.9, 0.9, 0.9, calm=0.4, calm_meaning=0.4)), said)
    assert not any(match.urgent for match in found.values())
    assert next(iter(found)) == "music"
    brave = recognise(taught(words, Settings(0.9, 0.9, 0.9, calm=0.0, calm_meaning=0.0)), said)
    assert brave["danger"].urgent


def test_an_alarm_is_taken_back_more_easily_where_nothing_known_is_meant(words: Path) -> None:
    said = [
        *SAID,
        *(
            (f"prügel {word}", [], False)
            for word in ("im regen", "im schnee", "im wind", "im nebel", "im sturm")
        ),
    ]
    for meaning, urgent in ((0.9, False), (0.0, True)):
        settings = Settings(0.9, 0.9, 0.9, calm=0.0, calm_meaning=meaning)
        model = Learned(pack(learn(examples_of(words, said), settings)))
        assert opinion(model, "prügel im regen").share(NOTHING) >= 0.5
        found = recognise(load_concepts(words, learned=model), "prügel im regen")
        assert found["danger"].urgent is urgent


def test_a_long_word_no_example_has_is_guessed_by_its_pieces(words: Path) -> None:
    found = recognise(taught(words), "sparschweinkonten")
    assert found["money"].how == "learned"
    assert not found["money"].urgent
    assert not recognise(taught(words), "xyzxyzxyzxyz")


def test_learning_is_deterministic(words: Path) -> None:
    assert pack(learn(examples_of(words))) == pack(learn(examples_of(words)))


def test_an_opinion_in_cross_validation_comes_from_other_examples(words: Path) -> None:
    said = [*SAID, ("posaune posaune posaune", ["money"], False)]
    opinions = learning.cross_validate(examples_of(words, said), [], folds=len(said), block=1)
    assert opinions[0].concepts[0][0] == "danger"
    assert opinions[5].concepts[0][0] == "music"
    found = learning.validate(examples_of(words, said), opinions, SETTINGS)
    assert found.examples == len(said)
    assert 0.5 < found.concept < 1.0


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("version: 1\nexamples: []", "examples"),
        ("version: 1\nexamples: [{q: a, lang: xx, concepts: [], urgent: false}]", "lang"),
        ("version: 1\nexamples: [{q: a, lang: de, concepts: [nothing], urgent: false}]", "nothing"),
        ("version: 1\nexamples: [{q: a, lang: de, concepts: []}]", "urgent"),
        (
            "version: 1\n"
            "examples: ["
            + ", ".join(f"{{q: a, lang: de, concepts: [], urgent: {u}}}" for u in ("true", "false"))
            + "]",
            "twice",
        ),
        ("examples: [", "examples.yaml"),
    ],
)
def test_a_broken_examples_file_is_named(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "examples.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ExamplesError, match=says):
        learning.read_examples(path, ["money"])


def test_the_shipped_weights_were_learnt_from_the_shipped_examples() -> None:
    model = Learned.load(CONTENT / "learned.bin")
    assert model.source == learning.fingerprint(*learning.sources(CONTENT)), "run: portal search learn"
    assert (CONTENT / "learned.bin").stat().st_size < 1_000_000
    assert model.settings == learning.SETTINGS


def test_the_examples_cover_every_language_with_danger_and_without() -> None:
    synonyms = read_synonyms(SYNONYMS)
    records = learning.read_examples(CONTENT / "examples.yaml", [concept.id for concept in synonyms.concepts])
    assert {(record.lang, record.urgent) for record in records} == {
        (language, danger) for language in analysis.LANGUAGES for danger in (True, False)
    }
    named = {code for record in records for code in record.concepts}
    assert named == {concept.id for concept in synonyms.concepts}


@pytest.fixture(scope="module")
def shipped() -> Concepts:
    return concepts_of(SYNONYMS)


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("hinterm bahnhof liegen heute nacht meine sachen und ich weiß nicht wohin", "de"),
        ("er würgt mich wenn er getrunken hat", "de"),
        ("hab mir grad wieder in den arm geschnitten", "de"),
        ("my stepbrother keeps touching me when nobody is home", "en"),
        ("bu gece parkta kalıyorum gidecek yerim yok", "tr"),
        ("ابي يضربني كل ليلة ولا اعرف وين اروح", "ar"),
        ("він душив мене і погрожував ножем", "uk"),
        ("не хочу просыпаться завтра, устала жить", "ru"),
        ("شوهرم مرا با کمربند میزند", "fa"),
        ("il me frappe et je ne sais pas où aller ce soir", "fr"),
    ],
)
def test_danger_in_new_words_opens_the_box(shipped: Concepts, text: str, language: str) -> None:
    assert any(match.urgent for match in shipped.recognise(tokens(text), text, language))


@pytest.mark.parametrize(
    ("text", "language"),
    [
        *(
            (word, "de")
            for word in [
                "alte",
                "haus",
                "blau",
                "katze",
                "ich",
                "allein",
                "freund",
                "heiraten",
                "brücke",
                "nacht",
                "messer",
                "zug",
            ]
        ),
        ("wir feiern nächste woche hochzeit", "de"),
        ("mein bruder schlägt mich immer beim schach", "de"),
        ("this homework is killing me lol", "en"),
        ("gülmekten öldüm", "tr"),
        ("اريد ان اتعلم الطبخ", "ar"),
        ("шукаю роботу на літо", "uk"),
        ("умираю от смеха", "ru"),
        ("میخواهم درس بخوانم", "fa"),
        ("je meurs de faim", "fr"),
    ],
)
def test_everyday_words_do_not(shipped: Concepts, text: str, language: str) -> None:
    assert not any(match.urgent for match in shipped.recognise(tokens(text), text, language))


def test_a_word_that_examples_hardly_know_leads_to_no_kind_of_help(shipped: Concepts) -> None:
    assert not any(match.strength >= 0.5 for match in shipped.recognise(tokens("alte"), "alte", "de"))
