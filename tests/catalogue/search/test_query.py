import pytest

from portal.catalogue.search.query import MAX_LENGTH, MAX_TOKENS, MAX_WORDS, understand

PLACES = {
    "wernigerode": "15085370",
    "halberstadt": "15085135",
    "sorge": "15085230",
    "osterwieck": "15085235",
    "bad suderode": "15085235",
    "38855": "15085370",
}


def find_place(text):
    return PLACES.get(text.lower())


@pytest.fixture
def read(concepts):
    return lambda text, language="de": understand(text, language, concepts, find_place)


@pytest.mark.parametrize(
    ("text", "place", "rest"),
    [
        ("suchtberatung wernigerode", "15085370", "suchtberatung"),
        ("halberstadt vhs", "15085135", "vhs"),
        ("Ausbildung in Halberstadt", "15085135", "Ausbildung"),
        ("jugendclub nahe Wernigerode gesucht", "15085370", "jugendclub gesucht"),
        ("38855 schulden", "15085370", "schulden"),
        ("psychologe Bad Suderode", "15085235", "psychologe"),
        ("sorge um mein kind", None, "sorge um mein kind"),
        ("jobcenter in Sorge", "15085230", "jobcenter"),
        ("schulden", None, "schulden"),
        ("12345", None, "12345"),
    ],
)
def test_places(read, text, place, rest):
    understood = read(text)
    assert (understood.place, understood.rest_without_place) == (place, rest)


@pytest.mark.parametrize(
    ("text", "language", "age"),
    [
        ("hartz4 mit 17", "de", 17),
        ("ich bin 16 und will eine lehre", "de", 16),
        ("17 jahre alt schwanger", "de", 17),
        ("mein sohn ist 15", "de", 15),
        ("19-jährig ohne abschluss", "de", 19),
        ("mit 18 ausziehen", "de", 18),
        ("17j suche job", "de", 17),
        ("i am 19 and need a job", "en", 19),
        ("I'm 17", "en", 17),
        ("16 years old", "en", 16),
        ("17 yaşındayım iş arıyorum", "tr", 17),
        ("мені 16 років", "uk", 16),
        ("мне 17 лет", "ru", 17),
        ("عمري ١٧ سنة", "ar", 17),
        ("۱۶ ساله", "fa", 16),
        ("j'ai 17 ans", "fr", 17),
        ("mam 17 lat", "pl", 17),
        ("am 17 ani", "ro", 17),
        ("17 salî me", "ku", 17),
        ("praktikum für 15 jährige", "de", 15),
        ("ferienjob für 14jährige", "de", 14),
        ("job für 15-jährige", "de", 15),
        ("wohnung für 17 jährigen", "de", 17),
        ("job for 15 year old", "en", 15),
        ("jobs for 16-year-olds", "en", 16),
        ("stage pour 15 ans", "fr", 15),
        ("15 yaşındaki için staj", "tr", 15),
        ("mit 16 aus der schule", "de", 16),
        ("mit 10 aus der schule", "de", None),
        ("mit 10 jahren allein", "de", 10),
        ("eine wohnung für 2 jahre", "de", None),
        ("ausbildung für 10 jahre", "de", None),
        ("for 10 years", "en", None),
        ("angebote unter 18 jährige", "de", None),
        ("termin am 15. november", "de", None),
        ("schwanger im 7. monat", "de", None),
        ("hartz 4", "de", None),
        ("seit 10 jahren krank", "de", None),
        ("vor 12 jahren gekommen", "de", None),
        ("mit 20 leuten feiern", "de", None),
        ("mit 50 euro im monat leben", "de", None),
        ("paragraf 24", "de", None),
        ("§ 24", "de", None),
        ("unter 25", "de", None),
        ("mit 3 kindern", "de", None),
        ("112", "de", None),
    ],
)
def test_ages(read, text, language, age):
    assert read(text, language).age == age


def test_age_and_place_are_not_looked_up_as_words(read):
    understood = read("mit 17 ausbildung in halberstadt")
    assert [understood.tokens[i].fold for i in understood.words] == ["ausbildung"]


def test_words_without_meaning_are_looked_for_when_there_is_nothing_else(read):
    assert read("ohne").words == (0,)


def test_search_languages_start_with_the_visitors(read):
    assert read("Ausbildung", "ar").languages == ("ar", "de")
    assert read("تدريب", "de").languages == ("de", "ar", "fa")
    assert read("робота", "uk").languages == ("uk", "ru")


def test_long_queries_are_cut(read):
    understood = read("arbeit " * 3000)
    assert len(understood.text) <= MAX_LENGTH
    assert len(understood.tokens) <= MAX_TOKENS
    assert len(understood.words) <= MAX_WORDS


HARMLESS = (
    "bin neu in der stadt und wollte mal fragen ob es hier irgendwo einen sportverein oder sowas gibt weil ich gerne "
    "fussball spiele und neue leute kennenlernen will"
)


@pytest.mark.parametrize("ends_with", ["mein vater schlägt mich", "ich will nicht mehr leben"])
def test_danger_at_the_end_of_a_long_sentence_is_seen(concepts, learned_concepts, ends_with):
    for knowing in (concepts, learned_concepts):
        found = understand(f"{HARMLESS} aber {ends_with}", "de", knowing)
        assert len(found.tokens) > MAX_WORDS
        assert found.urgent
        assert not understand(HARMLESS, "de", knowing).urgent


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("ich bin 17 jahre alt", "de"),
        ("i am 17 years old", "en"),
        ("عمري 17 سنة", "ar"),
        ("мне 17 лет", "ru"),
        ("мені 17 років", "uk"),
        ("17 yaşındayım", "tr"),
        ("j'ai 17 ans", "fr"),
        ("۱۷ ساله", "fa"),
    ],
)
def test_an_age_means_nothing_but_an_age(learned_concepts, text, language):
    found = understand(text, language, learned_concepts)
    assert (found.age, found.concepts, found.words) == (17, (), ())
    assert found.rest_without_age == ""


@pytest.mark.parametrize(
    ("text", "concept"), [("mit 18 ausziehen", "ausziehen"), ("mit 18 aus der wohngruppe", "care_leaver")]
)
def test_phrases_with_an_age_in_them_go_on_meaning_something(learned_concepts, text, concept):
    assert concept in [match.concept.id for match in understand(text, "de", learned_concepts).concepts]


def test_an_age_does_not_hide_danger(learned_concepts):
    for text, language in [("мне 16 отец бьёт", "ru"), ("ich bin 15 und mein vater schlägt mich", "de")]:
        assert understand(text, language, learned_concepts).urgent


@pytest.mark.parametrize(
    ("text", "without_age", "without_place"),
    [
        ("suchtberatung wernigerode mit 17", "suchtberatung wernigerode", "suchtberatung mit 17"),
        ("ausbildung mit 16 jahren in halberstadt", "ausbildung in halberstadt", "ausbildung mit 16 jahren"),
        ("ich bin 17 und suche arbeit", "und suche arbeit", "ich bin 17 und suche arbeit"),
        ("praktikum für 15 jährige", "praktikum", "praktikum für 15 jährige"),
    ],
)
def test_age_and_place_are_taken_out_one_at_a_time(read, text, without_age, without_place):
    found = read(text)
    assert (found.rest_without_age, found.rest_without_place) == (without_age, without_place)


def test_a_word_is_finished_by_a_blank(read):
    assert read("ausbild").unfinished
    assert not read("ausbild ").unfinished


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("suchtberatung wernigerrode", "wernigerrode"),
        ("in wernigerrode eine wohnung", "wernigerrode"),
        ("suchtberatung", None),
        ("suchtberatugn", None),
        ("wernigerrode", "wernigerrode"),
        ("wernig", None),
    ],
)
def test_a_misspelt_town_is_a_place_when_it_is_no_other_word(concepts, text, place):
    def guess(name):
        return "15085370" if name.startswith("wernigerr") or "sucht" in name else None

    understood = understand(text + " ", "de", concepts, lambda name: None, guess)
    assert understood.place_text == place
    assert understood.place == (place and "15085370")
