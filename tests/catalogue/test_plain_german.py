"""The plain-German meter: what it counts, what it finds, and what it leaves alone."""

from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from portal.catalogue.plain_german import (
    MOST_WORDS,
    OfficeWords,
    is_participle,
    load_office_words,
    meter,
    syllables,
)
from portal.config import ROOT

LIST = ROOT / "content" / "plain_german.yaml"
OFFICE = load_office_words(LIST)


def codes(text: str) -> list[str]:
    return [finding.code for finding in meter(text, OFFICE).found]


def test_lix_and_the_wiener_sachtextformel_by_hand() -> None:
    # 8 words, 2 sentences, long words: Ausbildung, Betrieb, vielleicht (more than six letters).
    found = meter("Die Ausbildung macht ein Betrieb. Du kannst vielleicht.")
    assert (found.words, found.sentences) == (8, 2)
    assert found.lix == round(8 / 2 + 100 * 3 / 8, 1)
    # Three syllables or more: Aus-bil-dung. One: Die, macht, ein, Du, kannst.
    share_many, share_single, share_long = 100 * 1 / 8, 100 * 5 / 8, 100 * 3 / 8
    year = 0.1935 * share_many + 0.1672 * 4 + 0.1297 * share_long - 0.0327 * share_single - 0.875
    assert found.school_year == round(year, 1)


@pytest.mark.parametrize(
    ("word", "number"),
    [
        ("Amt", 1), ("Ausbildung", 3), ("Eltern", 2), ("Quelle", 2), ("Beratung", 3), ("Häuser", 2), ("Tier", 1),
        ("Theater", 3), ("z", 1), ("Bäume", 2), ("Ausbildungsplatz", 4),
    ],
)  # fmt: skip
def test_syllables(word: str, number: int) -> None:
    assert syllables(word) == number


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("Ruf an, z. B. am Montag. Komm vorbei.", 2),
        ("Am 3. Mai ist zu. Am 4. Mai ist offen.", 2),
        ("Mo. bis Fr. ist jemand da.", 1),
        ("Bring mit:\nAusweis\nZeugnis", 3),
        ("Schreib an hilfe@amt.example.org. Wir antworten.", 2),
        ("Wirklich? Ja! Gut.", 3),
        ("", 0),
        (" \n…", 0),
    ],
)
def test_where_sentences_end(text: str, sentences: int) -> None:
    assert meter(text).sentences == sentences


def test_a_long_sentence_is_named_with_its_length() -> None:
    words = " ".join(["gut"] * (MOST_WORDS + 1))
    [found] = meter(f"Kurz. {words}. Kurz.").found
    assert (found.code, found.number) == ("long_sentence", MOST_WORDS + 1)
    assert found.text == f"{words}."
    assert meter(" ".join(["gut"] * MOST_WORDS)).found == ()


@pytest.mark.parametrize(
    "text",
    [
        "Der Antrag wird geprüft.",
        "Die Kosten werden vom Amt übernommen.",
        "Wenn dir gekündigt wird, komm gleich.",
        "Das Formular ist bis Montag abzugeben.",
        "Die Papiere sind im Amt zu zeigen.",
        "Dir wurde oft gesagt, dass es nicht geht.",
    ],
)
def test_passives_are_found(text: str) -> None:
    assert "passive" in codes(text)


@pytest.mark.parametrize(
    "text",
    [
        "Du wirst gesund.",
        "Dann wird alles gut.",
        "Wir werden dir helfen.",
        "Es wird vielleicht regnen.",
        "Das Amt ist bereit.",
        "Wer wird Erzieher? Das hat jemand gefragt.",
        "Ich werde Bäcker. Gestern habe ich gefragt.",
        "Hier ist jemand, um dir zu helfen.",
        "Das Haus ist leicht zu finden.",
        "Es ist zu festen Zeiten offen.",
        "Er hat Lust zu arbeiten.",
    ],
)
def test_what_only_looks_like_a_passive_is_left_alone(text: str) -> None:
    assert "passive" not in codes(text)


def test_nouns_are_no_participles() -> None:
    assert is_participle("gemacht")
    assert not is_participle("Gesicht")
    assert not is_participle("erst")


def test_office_words_come_with_a_suggestion() -> None:
    found = {
        finding.text: finding.suggestion
        for finding in meter("Die Behörde bewilligt es unverzüglich.", OFFICE).found
    }
    assert found == {"Behörde": "Amt", "bewilligt": "Ja sagen / genehmigen", "unverzüglich": "sofort"}


def test_the_longer_entry_wins_and_parts_of_words_do_not_count() -> None:
    words = OfficeWords({"zuständig~": "kurz", "zuständig ist": "lang", "träger~": "wer das macht"})
    assert [(f.text, f.suggestion) for f in words.find("Zuständig  ist das Amt")] == [
        ("Zuständig  ist", "lang")
    ]
    assert list(words.find("Der Briefträger kommt. Hosenträger-Laden.")) == []
    assert [f.text for f in OFFICE.find("Das ist i.d.R. so, d. h. oft.")] == ["i.d.R.", "d. h."]


def test_long_words_count_by_their_parts() -> None:
    assert codes("Schweigepflichtsfragebogen") == ["long_word"]
    assert codes("Schweigepflichts-Fragebogen") == []
    assert codes("https://www.einsehrlangername.example.org/nocheinsehrlangerweg") == []


def test_the_shipped_list_is_large_and_never_suggests_what_it_refuses() -> None:
    assert len(OFFICE.entries) >= 120
    own = {(entry, finding.text) for entry, say in OFFICE.entries.items() for finding in OFFICE.find(say)}
    assert own == set()


def test_a_list_of_another_shape_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "list.yaml"
    path.write_text(yaml.safe_dump({"office_words": ["Behörde"]}), encoding="utf-8")
    with pytest.raises(ValueError, match=r"list\.yaml"):
        load_office_words(path)


def test_levels() -> None:
    assert meter("Hier hilft dir jemand. Ruf an.", OFFICE).level == "easy"
    assert meter("Der Antrag wird geprüft. Ruf an. Komm.", OFFICE).level == "medium"
    assert meter("Die zuständige Behörde prüft die Voraussetzungen.", OFFICE).level == "hard"
    law = "Leistungsberechtigte Personen erhalten Eingliederungsleistungen vorbehaltlich der Anspruchsvoraussetzungen. "
    assert meter(law * 8).level == "hard"
    assert meter(law * 8).is_telling


@given(st.text())
def test_it_takes_every_text_and_points_into_it(text: str) -> None:
    found = meter(text, OFFICE)
    assert all(0 <= finding.start < finding.end <= len(text) for finding in found.found)
    assert found.level in ("easy", "medium", "hard")
