"""The lists in `content/words`: what somebody reads out over a bad line is typed as what was meant."""

import itertools
import math
import unicodedata
from pathlib import Path

import pytest
from rapidfuzz.distance import OSA

from portal.referral import codes
from portal.referral.codes import RECEIPT_BITS, SLIP_BITS, Words, WordsUnusable, load_words

FOLDER = Path(__file__).resolve().parents[2] / "content" / "words"
LISTS = load_words(FOLDER)
SCRIPTS = {"uk": "CYRILLIC", "ru": "CYRILLIC", "ar": "ARABIC", "fa": "ARABIC"}
UNWANTED = {
    "de": "angst tod krieg waffe messer bombe rakete blut träne gefängnis polizei amt jobcenter schulden geld armut "
    "sucht wein bier schnaps kirche moschee gott teufel engel hölle kreuz schwein esel hure dumm brust krebs pflaume gorilla zelt",
    "en": "death fear knife bomb rocket blood tears prison police office debt money wine beer devil angel church "
    "mosque donkey stupid cancer breast jackpot pansy cracker coconut gorilla tent",
    "uk": "смерть війна зброя ракета танк бункер тюрма гроші борг церква пиво вино свиня літак страх вареник баклажан",
    "ru": "смерть война оружие ракета танк бункер тюрьма деньги долг церковь водка свинья самолёт страх петух баклажан козёл",
    "ar": "موت حرب سلاح صاروخ دبابة سجن شرطة مال دين خمر خنزير كلب حمار مسجد مخيم خيمة طائرة قارب خوف حزام",
    "fa": "مرگ جنگ موشک تانک زندان پلیس پول وام شراب خوک سگ خر مسجد قایق گریه بمب تیر چادر",
    "tr": "ölüm savaş silah bıçak bomba roket hapis polis para borç rakı domuz köpek eşek cami korku kurt",
    "fr": "mort guerre couteau bombe fusée prison argent dette vin bière cochon église peur grenade moule pédale",
    "pl": "śmierć wojna nóż bomba rakieta więzienie dług wino piwo świnia kościół strach krew pedał malarka",
    "ro": "moarte război cuțit bombă rachetă închisoare bani datorie vin porc biserică frică sânge cioară curcan",
}


@pytest.fixture(params=sorted(LISTS))
def words(request: pytest.FixtureRequest) -> Words:
    return LISTS[request.param]


def test_the_languages_of_most_readers_have_a_list():
    assert set(LISTS) >= {"de", "en", "uk", "ru", "ar", "fa", "tr", "fr", "pl", "ro"}
    assert all(len(LISTS[language].words) >= 1024 for language in ("de", "en")), "six words make a code"


def test_no_word_is_mistaken_for_another(words):
    typed = [codes.folded(word) for word in words.words]
    assert len(set(typed)) == len(typed)
    assert not [
        pair for pair in itertools.combinations(typed, 2) if OSA.distance(*pair, score_cutoff=1) <= 1
    ]  # fmt: skip


def test_words_are_short_and_in_the_script_of_their_language(words):
    script = SCRIPTS.get(words.language, "LATIN")
    shortest, longest = (3, 6) if script == "ARABIC" else (4, 8)
    for word in words.words:
        assert shortest <= len(word) <= longest, word
        assert word == unicodedata.normalize("NFC", word) == word.lower(), word
        assert all(letter.isalpha() and unicodedata.name(letter).startswith(script) for letter in word), word


def test_no_word_hurts(words):
    hurting = {codes.folded(word) for word in UNWANTED[words.language].split()}
    assert not [word for word in words.words if codes.folded(word) in hurting]


@pytest.mark.parametrize("bits", [RECEIPT_BITS, SLIP_BITS])
def test_a_code_of_words_is_as_hard_to_guess_as_one_of_digits(words, bits):
    number = len(codes.new_code(words, bits).split())
    assert number * words.bits >= bits > (number - 1) * words.bits
    assert math.log2(10) * len(codes.new_code(None, bits).replace(" ", "")) >= bits


@pytest.mark.parametrize(
    ("shown", "typed"),
    [
        ("mütze löwe käse", "Muetze, Loewe, Kaese"),
        ("mütze löwe käse", "mutze lowe kase"),
        ("straße frühling", "STRASSE FRUEHLING"),
        ("feuer trauer abenteuer", "feuer trauer abenteuer"),
        ("łódka żółw", "lodka zolw"),
        ("ışık çiçek", "IŞIK çicek"),
        ("вишня їжак", "Вишня їжак"),
        ("ёлка йогурт", "елка, йогурт"),
        ("أناناس مكتبة", "اناناس مكتبه"),
        ("کتاب یخچال", "كتاب يخچال"),
        ("۱۲۳۴ ۵۶۷۸", "1234-5678"),
    ],
)
def test_what_people_type_instead_is_understood(shown, typed):
    assert codes.folded(shown) == codes.folded(typed)


@pytest.mark.parametrize(
    "listed",
    ["apfel\n" * 256, "\n".join(f"wort{number}" for number in range(255)), "zwei wörter\n" * 256],
    ids=["the same word again and again", "too few", "two words in a line"],
)
def test_a_list_that_makes_weak_codes_is_refused(tmp_path, listed):
    (tmp_path / "de.txt").write_text(listed, encoding="utf-8")
    with pytest.raises(WordsUnusable):
        load_words(tmp_path)
