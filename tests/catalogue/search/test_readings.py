"""What is typed without spaces, or in Latin letters though it is another script."""

import pytest

from portal.catalogue.search.analysis import tokens


@pytest.fixture(scope="session")
def recognise(concepts):
    def recognise(text, language="de", **options):
        return concepts.recognise(tokens(text), text, language, **options)

    return recognise


def ids(matches):
    return [match.concept.id for match in matches if match.strength >= 0.6]


def is_urgent(matches):
    return any(match.urgent for match in matches)


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("de", "mamaschlägtuns"),
        ("de", "papaschlägtmama"),
        ("de", "ichwillnichtmehrleben"),
        ("de", "hilfe meinfreundschlägtmich"),
        ("en", "iwanttodie"),
        ("ru", "ya khochu umeret"),
        ("uk", "cholovik mene byie"),
        ("de", "muzh menya biet"),
        ("fa", "man mikham bemiram"),
        ("ar", "abi bidrobni"),
    ],
)
def test_danger_is_seen_in_another_reading(recognise, language, text):
    assert is_urgent(recognise(text, language))


@pytest.mark.parametrize(
    ("language", "text", "concept"),
    [
        ("de", "ichsucheeinewohnung", "ausziehen"),
        ("de", "ichbinschwanger", "schwanger"),
        ("ru", "rabota", "job"),
        ("ru", "nuzhna kvartira", "ausziehen"),
        ("uk", "potribna kvartyra", "ausziehen"),
        ("fa", "kar mikham", "job"),
    ],
)
def test_everyday_words_are_seen_too(recognise, language, text, concept):
    assert concept in ids(recognise(text, language))


@pytest.mark.parametrize("text", ["samoubiystvo", "khodkoshi", "intihaar"])
def test_one_word_in_other_letters_is_no_alarm(recognise, text):
    assert not is_urgent(recognise(text, "ru"))


@pytest.mark.parametrize(
    "text",
    [
        "tagesmutti gesucht",
        "donaudampfschifffahrtsgesellschaft",
        "berufsvorbereitungsjahr",
        "schlagzeugunterricht",
        "marina kasimir tatjana",
        "necesito trabajo por favor",
        "bogdan petrov",
        "abi nachholen",
    ],
)
def test_what_is_a_word_or_a_name_is_read_as_it_stands(concepts, text):
    words = tokens(text)
    assert concepts._readings.apart(words, "de") is None
    assert concepts._readings.in_other_letters(words, "de") is None


def test_finds_lead_back_to_the_words_that_were_typed(recognise):
    text = "bitte ichsucheeinewohnung in halberstadt"
    [match] = [match for match in recognise(text) if match.concept.id == "ausziehen"]
    assert match.tokens == {1}
    assert text[match.start : match.end] == "ichsucheeinewohnung"


def test_an_age_in_it_stays_an_age(recognise):
    words = tokens("ichbinschwanger mit 17")
    found = recognise("ichbinschwanger mit 17", age_at={1, 2})
    assert ids(found) == ["schwanger"]
    assert all(position < len(words) for match in found for position in match.tokens)


@pytest.mark.parametrize("word", ["ichhabe" * 40, "x" * 300, "ha" * 30, "müller" * 9, "ß" * 20])
def test_any_long_word_is_read_in_normal_time(recognise, word):
    assert isinstance(recognise(word), tuple)
