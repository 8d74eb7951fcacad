from datetime import date

import pytest
import yaml

from portal.catalogue.search.analysis import tokens
from portal.catalogue.search.concepts import SynonymsError, edits_allowed, load_concepts, phrases
from tests.catalogue.search.conftest import SYNONYMS


@pytest.fixture(scope="session")
def recognise(concepts):
    def recognise(text, language="de", **options):
        return concepts.recognise(tokens(text), text, language, **options)

    return recognise


def ids(matches, least=0.6):
    return [match.concept.id for match in matches if match.strength >= least]


def is_urgent(matches):
    return any(match.urgent for match in matches)


@pytest.mark.parametrize(
    ("language", "text", "concept"),
    [
        ("de", "ausbildung hinschmeißen", "ausbildung_aerger"),
        ("de", "hartz4", "grundsicherungsgeld"),
        ("de", "HARTZ-IV", "grundsicherungsgeld"),
        ("de", "jopcenter", "jobcenter"),
        ("de", "job center", "jobcenter"),
        ("de", "jobcentertermin", "jobcenter"),
        ("de", "Buergergeld beantragen", "grundsicherungsgeld"),
        ("de", "schuldnerberatun", "schulden"),
        ("de", "handyschulden", "schulden"),
        ("de", "mein chef zahlt mir nicht", "ausbildung_aerger"),
        ("de", "angst vor der neuen schule", "schule_schwierig"),
        ("de", "schwagner? ich bin schwnager", "schwanger"),
        ("de", "suchtberatug", "sucht"),
        ("de", "kindergelt", "kindergeld"),
        ("de", "berufsberattung", "berufsberatung"),
        ("de", "BuT antrag", "bildung_teilhabe"),
        ("en", "apprenticeships near me", "ausbildung"),
        ("en", "i have debts", "schulden"),
        ("en", "looking for work", "job"),
        ("en", "i am pregnant", "schwanger"),
        ("tr", "iş arıyorum", "job"),
        ("tr", "is ariyorum", "job"),
        ("tr", "cocuk parasi", "kindergeld"),
        ("tr", "borç danışmanlığı", "schulden"),
        ("ar", "الجوب سنتر", "jobcenter"),
        ("ar", "أريد عمل", "job"),
        ("ar", "ديون", "schulden"),
        ("ar", "تدريب مهني", "ausbildung"),
        ("uk", "шукаю роботу", "job"),
        ("uk", "допомога на дитину", "kindergeld"),
        ("uk", "борги", "schulden"),
        ("ru", "ищу работу", "job"),
        ("ru", "долгов много", "schulden"),
        ("ru", "пособие по безработице", "arbeitslosengeld_1"),
        ("fa", "دنبال کار", "job"),
        ("fa", "بدهی", "schulden"),
        ("fa", "مهدکودک", "kinderbetreuung"),
        ("fr", "je cherche un appartement", "ausziehen"),
        ("fr", "dettes", "schulden"),
        ("fr", "sage femme enceinte", "schwanger"),
    ],
)
def test_recognises(recognise, language, text, concept):
    assert concept in ids(recognise(text, language))


@pytest.mark.parametrize(
    ("language", "text"),
    [("de", "iş arıyorum"), ("de", "ديون"), ("de", "шукаю роботу"), ("en", "schulden"), ("ar", "Ausbildung")],
)
def test_the_page_may_be_in_another_language(recognise, language, text):
    assert ids(recognise(text, language))


URGENT = [
    ("de", "keine wohnung"),
    ("de", "ich bin obdachlos"),
    ("de", "obdachloss"),
    ("de", "wo kann ich heute nacht schlafen"),
    ("de", "meine eltern haben mich rausgeschmissen"),
    ("de", "mein vater schlägt mich"),
    ("de", "mein freund hat mich geschlagen"),
    ("de", "vergewaltigt worden"),
    ("de", "häuslicher gewalt"),
    ("de", "kindesmissbrauch"),
    ("de", "ich habe angst nach hause zu gehen"),
    ("de", "ich will einfach nicht mehr leben"),
    ("de", "ich kann nicht mehr"),
    ("de", "ich kann nicht mehr, bitte helft mir"),
    ("de", "suizid gedanken"),
    ("de", "suizidgedanken"),
    ("de", "selbstmord"),
    ("de", "selbst mord"),
    ("de", "ich ritze mich"),
    ("de", "KRISENTELEFON"),
    ("de", "frauenhäuser"),
    ("de", "ich soll heiraten"),
    ("de", "zwangsheirrat"),
    ("en", "my dad hit me"),
    ("en", "i want to die"),
    ("en", "nowhere to sleep tonight"),
    ("en", "my parents threw me out"),
    ("en", "forced to marry"),
    ("tr", "ölmek istiyorum"),
    ("tr", "intihar"),
    ("tr", "babam beni dövüyor"),
    ("tr", "evsiz kaldım"),
    ("ar", "أبي يضربني"),
    ("ar", "اريد ان اموت"),
    ("ar", "انتحار"),
    ("ar", "ليس لدي مكان للنوم"),
    ("uk", "не хочу жити"),
    ("uk", "мене б'ють"),
    ("uk", "нема де спати"),
    ("ru", "не хочу жить"),
    ("ru", "отец меня бьет"),
    ("ru", "негде ночевать"),
    ("fa", "خودکشی"),
    ("fa", "پدرم مرا می‌زند"),
    ("fr", "je veux mourir"),
    ("fr", "mon père me frappe"),
    ("fr", "sans-abri"),
]

HARMLESS = [
    ("de", text)
    for text in """sitzen bleiben
        sitzen geblieben
        schlecht geschlafen
        gewählt werden
        gewaltenteilung
        gewaltfreie kommunikation
        landkreis harz
        kreis
        beamten ausbildung
        beamter werden
        aus der schule rausgeflogen
        aus der ausbildung rausgeflogen
        von arbeitslosigkeit bedroht
        von kündigung bedroht
        ich kann nicht mehr in die schule gehen
        ich kann die miete nicht mehr bezahlen
        ich will nicht mehr zuhause leben
        ich will nicht mehr zur arbeit
        ich will nicht mehr bei meinen eltern wohnen
        eigene wohnung
        wohnung suchen
        kann nicht schlafen
        keine ausbildung
        keine ahnung was ich machen soll
        keine lust auf schule
        kein plan
        wirtschaftskrise
        gras mähen
        streben
        rennen gehen
        kennen lernen
        freunde kennenlernen
        angebote in der nähe
        angst vor der prüfung
        lehrer werden
        hit radio
        lost
        drogenmissbrauch
        heiraten standesamt
        hochzeit feiern
        polizei beruf
        sterbegeld
        sommerferien
        hausaufgabenhilfe
        schlagzeug lernen
        fußball
        computerspiele
        leben in deutschland
        lebenslauf schreiben
        führerschein
        nebenjob
        mehr geld
        nicht bestanden
        telefon
        test
        wetter morgen
        bewerbung schreiben
        klassenfahrt
        schlafstörung
        mutterschutz
        verlobt
        kaputtes handy""".splitlines()
] + [
    ("en", "animal shelter"),
    ("en", "find a flat"),
    ("en", "hopeless at maths"),
    ("en", "living in germany"),
    ("en", "i want to learn german"),
    ("en", "is it free"),
    ("tr", "doktor olmak istiyorum"),
    ("tr", "almanca öğrenmek istiyorum"),
    ("tr", "ev arıyorum"),
    ("ar", "اريد ان ادرس"),
    ("ar", "شقة"),
    ("uk", "хочу жити окремо"),
    ("uk", "вивчати німецьку"),
    ("ru", "хочу жить отдельно"),
    ("ru", "ищу квартиру"),
    ("fa", "می‌خواهم کار کنم"),
    ("fr", "je veux apprendre l'allemand"),
    ("fr", "je cherche un stage"),
]


@pytest.mark.parametrize(("language", "text"), URGENT)
def test_danger_is_recognised(recognise, language, text):
    assert is_urgent(recognise(text, language))


@pytest.mark.parametrize(("language", "text"), HARMLESS)
def test_no_false_alarm(recognise, language, text):
    assert not is_urgent(recognise(text.strip(), language))


def test_every_word_of_the_file_is_recognised_as_its_own_concept():
    data = yaml.safe_load(SYNONYMS.read_text(encoding="utf-8"))
    concepts = load_concepts(SYNONYMS)
    missed = []
    for record in data["concepts"]:
        for language in data["languages"]:
            words = record.get(language, ())
            texts = [text for list_ in words.values() for text in list_] if language == "de" else words
            for text in (phrase for entry in texts for phrase in phrases(entry)):
                found = [
                    m
                    for m in concepts.recognise(tokens(text), text, language)
                    if m.concept.id == record["id"]
                ]
                if not found or (found[0].strength < 0.6 and not record.get("generic")):
                    missed.append((record["id"], language, text))
                elif record.get("urgent") and not found[0].urgent:
                    missed.append((record["id"], language, text, "urgent"))
        for text in (phrase for entry in record.get("unlike", ()) for phrase in phrases(entry)):
            if any(m.concept.id == record["id"] for m in concepts.recognise(tokens(text), text, "de")):
                missed.append((record["id"], "unlike", text))
    assert missed == []


def test_kinds_and_topics_of_the_file_are_those_of_the_taxonomies():
    folder = SYNONYMS.parent / "taxonomies"

    def codes(name):
        return {term["code"] for term in yaml.safe_load((folder / name).read_text(encoding="utf-8"))["terms"]}

    concepts = load_concepts(SYNONYMS)
    assert {kind for concept in concepts for kind in concept.kinds} <= codes("contact_kinds.yaml")
    assert {topic for concept in concepts for topic in concept.topics} <= codes("topics.yaml")


@pytest.mark.parametrize(
    "text", ["is it ok", "but i want", "ja klar", "ja ich will", "argentinien", "download"]
)
def test_little_words_are_no_offices(recognise, text):
    assert ids(recognise(text)) == []


def test_abbreviations_count_in_capitals(recognise):
    assert "jugendamt" in ids(recognise("termin beim JA machen"))
    assert "bildung_teilhabe" in ids(recognise("BuT beantragen"))


def test_a_longer_phrase_beats_the_words_in_it(recognise):
    found = {match.concept.id: match for match in recognise("Ausbildung abbrechen")}
    assert found["ausbildung_aerger"].strength == 1
    assert found["ausbildung"].strength < 0.5


def test_general_calls_for_help_step_back(recognise):
    assert ids(recognise("hilfe bei schulden")) == ["schulden"]
    assert ids(recognise("hilfe")) == ["jugendberufsagentur"]


def test_matches_know_their_place(recognise):
    text = "ich habe  Mietschulden!"
    match = recognise(text)[0]
    assert text[match.start : match.end] == "Mietschulden"


@pytest.mark.parametrize(
    ("text", "right"),
    [
        ("jopcenter", "Jobcenter"),
        ("schuldnerberatugn", "Schuldnerberatung"),
        ("bafök", "BAföG"),
        ("sucht", None),
    ],
)
def test_misspelt_words_get_their_right_spelling(recognise, text, right):
    assert recognise(text)[0].correction == right


def test_the_beginning_of_a_word_counts_while_typing(recognise):
    assert recognise("schuldn") == recognise("schuldn", growing=False)
    weak = recognise("obdachlo", growing=True)
    assert "obdachlos" in ids(weak, least=0.3)
    assert not is_urgent(recognise("obda", growing=True))
    assert "schwanger" in ids(recognise("schwang", growing=True), least=0.3)


@pytest.mark.parametrize(
    ("word", "edits"), [("geld", 0), ("arbeit", 1), ("sucht", 1), ("ausbildung", 2), ("", 0)]
)
def test_forgiveness_by_length(word, edits):
    assert edits_allowed(word) == edits


def write(path, **change):
    data = {
        "version": 1,
        "updated": date(2026, 11, 20),
        "concepts": [
            {"id": "tafel", "kinds": ["jobcenter"], "topics": ["geld_leben"], "de": {"everyday": ["Tafel"]}}
        ],
    }
    data.update(change)
    path.write_text(yaml.safe_dump(data, allow_unicode=True), encoding="utf-8")
    return path


def test_a_region_adds_words_and_concepts(tmp_path):
    own = write(
        tmp_path / "synonyms.yaml",
        concepts=[
            {"id": "jobcenter", "de": {"slang": ["Kobchen"]}},
            {"id": "tafel", "topics": ["geld_leben"], "de": {"everyday": ["Tafel Wernigerode"]}},
        ],
    )
    concepts = load_concepts(SYNONYMS, own)
    for text, expected in (
        ("kobchen", "jobcenter"),
        ("jobcenter", "jobcenter"),
        ("tafel wernigerode", "tafel"),
    ):
        assert expected in ids(concepts.recognise(tokens(text), text, "de"))
    assert concepts.by_id["jobcenter"].kinds == ("jobcenter",)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"version": 2}, ["version"]),
        ({"concepts": []}, ["concepts"]),
        ({"concepts": [{"id": "tafel", "dee": {}}]}, ["tafel", "dee"]),
        ({"concepts": [{"id": "tafel", "de": {"everyday": [4]}}]}, ["tafel", "everyday"]),
        ({"concepts": [{"id": "tafel", "en": [True]}]}, ["tafel", "en"]),
        ({"concepts": [{"id": "tafel"}, {"id": "tafel"}]}, ["tafel", "twice"]),
    ],
)
def test_a_wrong_file_says_what_is_wrong(tmp_path, change, words):
    path = write(tmp_path / "synonyms.yaml", **change)
    with pytest.raises(SynonymsError) as caught:
        load_concepts(path)
    assert all(word in str(caught.value) for word in ("synonyms.yaml", *words))


@pytest.mark.parametrize("text", ["concepts: [", "\x00", "- a", ""])
def test_a_broken_file_is_no_crash(tmp_path, text):
    path = tmp_path / "synonyms.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(SynonymsError):
        load_concepts(path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(SynonymsError, match=r"nowhere\.yaml"):
        load_concepts(tmp_path / "nowhere.yaml")


def test_an_entry_may_stand_for_several_phrases():
    assert set(phrases("Mama/Papa haut mich/uns")) == {
        "Mama haut mich",
        "Mama haut uns",
        "Papa haut mich",
        "Papa haut uns",
    }
    assert phrases("von zu Hause weg") == ("von zu Hause weg", "von zuhause weg")
    assert phrases("Schulden") == ("Schulden",)


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("de", "er hat mich gestern abend wieder geschlagen"),
        ("de", "mein vater schlägt mich und schlägt vor dass ich gehe"),
        ("uk", "чоловік мене вчора побив"),
        ("ru", "побил меня отчим"),
        ("tr", "babam dün akşam beni dövdü"),
        ("fr", "mon copain m'a frappée"),
        ("de", "bin gestern von zuhause weggelaufen"),
    ],
)
def test_danger_is_seen_however_the_words_stand(recognise, language, text):
    assert is_urgent(recognise(text, language))


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("de", "mein vater schlägt vor dass ich koch werde"),
        ("de", "der chef schlägt eine pause vor"),
        ("de", "meine mutter nervt und schlägt vor auszuziehen"),
        ("tr", "doktor olmak istiyorum"),
        ("fr", "il a envie de vivre en allemagne"),
    ],
)
def test_a_harmless_turn_of_phrase_stays_harmless(recognise, language, text):
    assert not is_urgent(recognise(text, language))


def test_turkish_hard_sounds_that_go_soft_are_the_same_word(recognise):
    assert "berufsberatung" in ids(recognise("hangi mesleğe gideyim", "tr"))


def test_words_of_harmless_concepts_raise_no_alarm(concepts):
    data = yaml.safe_load(SYNONYMS.read_text(encoding="utf-8"))
    texts = {True: set(), False: set()}
    for record in data["concepts"]:
        for language in data["languages"]:
            words = record.get(language, ())
            entries = [text for list_ in words.values() for text in list_] if language == "de" else words
            texts[record.get("urgent", False)] |= {
                (language, phrase) for entry in entries for phrase in phrases(entry)
            }
    # A word may have both meanings, as the Ukrainian for shelter and asylum.
    harmless = texts[False] - texts[True]
    alarms = [
        (language, text)
        for language, text in sorted(harmless)
        if is_urgent(concepts.recognise(tokens(text), text, language))
    ]
    assert len(harmless) > 3000
    assert alarms == []


# -- frames ---------------------------------------------------------------------------------------------------------

A_FILE = """
version: 1
updated: 2026-11-20
families:
  hit:
    de: schlägt, prügel~
    ar: ~ضرب~
  me: {de: [mich], ar: ~ني}
  kin: {de: [vater, stief vater]}
  enough: {de: [kann nicht mehr $]}
  neg: {de: [nicht]}
  sport: {de: [schach]}
frames:
  - {concept: danger, when: [hit me -neg, kin >hit], unless: [sport], near: 2}
  - {concept: danger, when: [enough], alarm: false}
  - {concept: quarrel, when: [kin me], over: [danger]}
concepts:
  - {id: danger, kinds: [notruf], urgent: true, weak: [hit], calm: [sport], de: {everyday: [Schläge, schlägt, Prügel]}}
  - {id: quarrel, kinds: [familienberatung], de: {everyday: [Zoff]}}
"""


@pytest.fixture
def framed(tmp_path):
    def framed(text, changed=A_FILE, **options):
        path = tmp_path / "synonyms.yaml"
        path.write_text(changed, encoding="utf-8")
        return load_concepts(path).recognise(tokens(text), text, options.get("language", "de"))

    return framed


@pytest.mark.parametrize(
    ("text", "urgent"),
    [
        ("er schlägt mich", True),
        ("mich hat er verprügelt", False),
        ("mich prügelt er", True),
        ("mich prügeln sie", True),
        ("ein vater der immer schlägt", True),
        ("ein stief vater schlägt", True),
        ("mich sehr oft und viel schlägt", False),
        ("der mann dort schlägt nicht mich sondern trommeln", False),
        ("der mann dort schlägt. mich interessiert trommeln", False),
        ("er schlägt mich im schach", False),
        ("hier schlägt jeder die trommel laut", False),
        ("schlägt", True),
        ("أبوي يضربني", True),
    ],
)
def test_a_frame_needs_its_families_near_each_other_in_one_sentence(framed, text, urgent):
    assert is_urgent(framed(text)) is urgent


def test_the_order_of_a_pattern_holds_where_it_is_asked_for(framed):
    assert not is_urgent(framed("da schlägt der kuckuck dem vater ein ei auf"))


def test_a_phrase_may_have_to_end_the_clause(framed):
    assert "danger" in ids(framed("ich kann nicht mehr"))
    assert "danger" in ids(framed("ich kann nicht mehr, wirklich"))
    assert "danger" not in ids(framed("ich kann nicht mehr laufen"))
    assert not is_urgent(framed("ich kann nicht mehr"))


def test_a_frame_may_put_other_concepts_behind_it(framed):
    found = {
        match.concept.id: match.strength for match in framed("mich verpetzt der vater und bekommt schläge")
    }
    assert found["quarrel"] > 3 * found["danger"] > 0


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("hit me -neg", "hit mee", "danger: there is no family “mee”"),
        ("hit me -neg", "-neg", "names only what must be missing"),
        ("hit me -neg", "Hit + me", "when"),
        ("concept: quarrel", "concept: quarel", "no concept “quarel”"),
        ("over: [danger]", "over: [dangr]", "no concept “dangr”"),
        ("calm: [sport]", "calm: [film]", "danger: there is no family “film”"),
        ("unless: [sport]", "unless: [sports]", "no family “sports”"),
        ("me: {de: [mich]", "me: {de: [no]", "families: me: de"),
        ("me: {de: [mich]", "me: {de: [$]", "families: me: de"),
        ("me: {de: [mich]", "me: {xx: [mich]", "families: me"),
    ],
)
def test_a_wrong_frame_is_named(framed, old, new, words):
    assert old in A_FILE
    with pytest.raises(SynonymsError, match=words):
        framed("mich", A_FILE.replace(old, new))


def test_a_region_adds_words_to_families_and_frames_of_its_own(tmp_path):
    path, own = tmp_path / "synonyms.yaml", tmp_path / "own.yaml"
    path.write_text(A_FILE, encoding="utf-8")
    own.write_text(
        "version: 1\nupdated: 2026-11-20\n"
        "families: {hit: {de: [wichst]}, throw: {de: [schmeißt]}}\n"
        "frames: [{concept: danger, when: [throw me]}]\n"
        "concepts: [{id: quarrel}]\n",
        encoding="utf-8",
    )
    concepts = load_concepts(path, own)
    for text in ("er wichst mich", "er schmeißt mich", "er schlägt mich"):
        assert is_urgent(concepts.recognise(tokens(text), text, "de")), text


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("de", "mein stiefvater hat mich gestern wieder getreten"),
        ("de", "meine schwester wird von ihrem mann gewürgt"),
        ("de", "bin aus dem heim abgehauen und weiß nicht wo ich heute penne"),
        ("de", "ohne mich wären alle besser dran"),
        ("de", "onkel hat mich unter der dusche angefasst"),
        ("de", "meine freundin ist bewusstlos"),
        ("en", "my uncle keeps touching me at night"),
        ("en", "they took my passport and want me to marry my cousin"),
        ("tr", "üvey abim bana tokat attı"),
        ("ar", "خالي عم يلمسني"),
        ("uk", "вітчим підняв руку на маму і мене побив"),
        ("ru", "без меня всем будет легче"),
        ("fa", "کاکایم مرا با کمربند زد"),
        ("fr", "mon beau-frère me touche"),
    ],
)
def test_sentences_nobody_listed_raise_the_alarm(recognise, language, text):
    assert is_urgent(recognise(text, language))


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("de", "mein onkel schlägt mir eine lehre als tischler vor"),
        ("de", "mein bruder hat mich beim fifa geschlagen"),
        ("de", "vortrag über zwangsheirat"),
        ("de", "ehrenamt mit obdachlosen"),
        ("de", "mein vater ist gestorben"),
        ("de", "aus dem handballverein rausgeworfen"),
        ("en", "essay about domestic violence"),
        ("en", "my dad hit the jackpot"),
        ("ru", "умираю от скуки"),
        ("fr", "je meurs d'envie de voyager"),
    ],
)
def test_the_same_words_in_harmless_company_stay_calm(recognise, language, text):
    assert not is_urgent(recognise(text, language))


def test_a_query_that_is_no_phrase_gets_hints_that_never_raise_the_alarm(recognise):
    found = recognise("berichtsheft kontrolle")
    assert [match.concept.id for match in found][:1] == ["ausbildung_aerger"]
    hints = recognise("irgendwas mit überstundenzettel")
    assert all(match.strength < 0.6 and not match.urgent for match in hints if match.how == "hint")
