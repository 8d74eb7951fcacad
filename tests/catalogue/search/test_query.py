import pytest

from portal.catalogue.search.query import MAX_LENGTH, understand

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
    assert (understood.place, understood.rest) == (place, rest)


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
    assert len(understood.tokens) <= 30


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
