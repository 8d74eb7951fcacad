import pytest

from portal.catalogue.search import analysis
from portal.catalogue.search.analysis import fold, forms, normalise, split_compound, stem, tokens


@pytest.mark.parametrize(
    ("spellings", "folded"),
    [
        (["Übergang", "Uebergang", "Ubergang", "ÜBERGANG", "U\u0308bergang", "übergang"], "ubergang"),
        (["Straße", "Strasse", "STRASSE", "STRAẞE"], "strasse"),
        (["Bürgergeld", "Buergergeld", "burgergeld"], "burgergeld"),
        (["Köln", "Koeln"], "koln"),
        (["İş", "iş", "is", "IŞ"], "is"),
        (["ISPARTA", "ısparta", "İsparta"], "isparta"),
        (["çalışma", "calisma"], "calisma"),
        (["dépression", "de\u0301pression"], "depression"),
        (["œuvre", "oeuvre"], "ouvre"),
        (["ёлка", "елка"], "елка"),
        (["ґрунт", "грунт"], "грунт"),
        (["أحمد", "احمد", "إحمد", "آحمد"], "احمد"),
        (["مدرسة", "مدرسه", "مَدْرَسَة", "مـدرسة"], "مدرسه"),
        (["على", "علي", "علی"], "علي"),
        (["کمک", "كمك"], "كمك"),
        (["٣٨٨٥٥", "۳۸۸۵۵", "38855"], "38855"),
        (["ｊｏｂ", "job"], "job"),
        (["Job\u00adcenter", "jobcenter"], "jobcenter"),
    ],
)
def test_every_spelling_folds_to_the_same(spellings, folded):
    assert {fold(word) for word in spellings} == {folded}


@pytest.mark.parametrize(
    ("one", "other"),
    [("її", "іі"), ("мой", "мои"), ("Quelle", "Qulle"), ("Schulden", "Duldung")],
)
def test_what_means_something_else_stays_apart(one, other):
    assert fold(one) != fold(other)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("hartz4", ["hartz", "4"]),
        ("ALG2", ["alg", "2"]),
        ("17jährig", ["17", "jahrig"]),
        ("B1-Kurs U25", ["b1", "kurs", "u25"]),
        ("24er", ["24er"]),
        ("Schul-Sozialarbeit", ["schul", "sozialarbeit"]),
        ("§ 24 AufenthG", ["paragraf", "24", "aufenthg"]),
        ("mir geht's gut", ["mir", "gehts", "gut"]),
        ("j'ai besoin d'aide", ["ai", "besoin", "aide"]),
        ("мене б'ють", ["мене", "бють"]),
        ("می‌خواهم", ["مي", "خواهم"]),
        ("a_b*c~2 (x OR y)", ["a", "b", "c", "2", "x", "or", "y"]),
        ("😀 hilfe!!!", ["hilfe"]),
        ("", []),
        ("\x00\x01 \u202e", []),
    ],
)
def test_tokens(text, expected):
    assert [token.fold for token in tokens(text)] == expected


def test_tokens_know_where_they_stand():
    text = "Ich wohne in Übach-Palenberg, hartz4 l'école."
    for token in tokens(text):
        assert text[token.start : token.end] == token.text


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("de", ["Ausbildungen", "Ausbildung"]),
        ("de", ["Schulen", "Schule"]),
        ("de", ["Beratung", "Beratungen"]),
        ("en", ["apprenticeships", "apprenticeship"]),
        ("tr", ["işsizler", "işsiz"]),
        ("ar", ["المدرسة", "مدرسة", "مدرسه"]),
        ("ru", ["работу", "работа", "работы"]),
        ("uk", ["допомоги", "допомога", "допомогу"]),
        ("uk", ["квартира", "квартири", "квартиру"]),
        ("fr", ["formations", "formation"]),
        ("fr", ["dépression", "depression"]),
        ("pl", ["mieszkania", "mieszkanie"]),
        ("ro", ["datorii", "datoria"]),
    ],
)
def test_forms_of_a_word_share_a_stem(language, words):
    assert len({stem(word, language) for word in words}) == 1


def test_a_stem_is_never_shorter_than_three_letters():
    assert all(len(stem(word, "tr")) >= 3 for word in ("evim", "evde", "evsiz", "işim"))


def test_unknown_languages_have_no_stemmer_and_no_error():
    assert stem("canción", "es") == "cancion"


@pytest.mark.parametrize(
    ("word", "parts"),
    [
        ("Ausbildungsplatzsuche", ("ausbildung", "platz", "suche")),
        ("Maedchentreff", ("madchen", "treff")),
        ("MÄDCHENTREFF", ("madchen", "treff")),
        ("Schuldnerberatung", ("schuldner", "beratung")),
        ("Kinderbetreuungszeiten", ("kinder", "betreuung", "zeiten")),
        ("Handyschulden", ("handy", "schulden")),
        ("Berufsorientierungspraktikum", ("beruf", "orientierung", "praktikum")),
    ],
)
def test_compounds_come_apart(word, parts):
    def bare(part):
        return part[:-1] if part.endswith("s") and part[:-1] in analysis.compound_words() else part

    assert tuple(bare(part) for part in split_compound(fold(word))) == parts


@pytest.mark.parametrize(
    "word",
    [
        "Ausbildung",
        "Beratung",
        "Lehrer",
        "Wanderung",
        "Restaurant",
        "Donnerstag",
        "Gewaltenteilung",
        "Jobcenter",
    ],
)
def test_simple_and_unknown_words_stay_whole(word):
    assert split_compound(fold(word)) == ()


def test_compounds_meet_their_parts_in_both_directions():
    whole = forms(tokens("Ausbildungsplatzsuche")[0], "de")
    for part in ("Ausbildung", "Platz", "Suche"):
        assert forms(tokens(part)[0], "de").stem in whole.parts


def test_the_word_list_is_generous_and_clean():
    words = analysis.compound_words()
    assert len(words) >= 400
    assert all(word.isascii() and word.isalpha() for word in words)


def test_normalise_collapses_hyphens_and_spaces():
    assert normalise("  Job -  Center\tHALBERSTADT ") == "job center halberstadt"


@pytest.mark.parametrize(
    ("text", "page", "expected"),
    [
        ("my dad hit me", "de", {"de", "en"}),
        ("iş arıyorum", "de", {"de", "tr"}),
        ("je cherche un appartement", "en", {"de", "en", "fr"}),
        ("шукаю роботу", "de", {"de", "uk", "ru"}),
        ("أريد عمل", "en", {"de", "en", "ar", "fa"}),
        ("keine wohnung", "de", {"de"}),
        ("szukam pracy dla mojego brata", "de", {"de", "pl"}),
        ("caut apartament pentru familie", "de", {"de", "ro"}),
        ("dixwazim zimanê almanî hîn bibim", "de", {"de", "fr", "ku"}),
    ],
)
def test_likely_languages(text, page, expected):
    assert analysis.likely_languages(text, page) == expected


def test_the_fingerprint_is_stable_within_a_process():
    assert analysis.fingerprint() == analysis.fingerprint()
