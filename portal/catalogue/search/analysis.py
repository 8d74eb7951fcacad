"""Text to words: folding, tokens, stems, compounds. Shared by every engine, by documents and queries alike.

Nothing here looks at a catalogue or a clock: the same text always gives the same words.
An index keeps the `fingerprint` it was made with; a change of the rules here needs a new `ANALYSIS`.
"""

import re
import unicodedata
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib import resources

import Stemmer

ANALYSIS = 3

LANGUAGES = ("de", "en", "tr", "ar", "uk", "ru", "fa", "fr", "pl", "ro", "ku")
SCRIPTS = {
    "latin": ("de", "en", "tr", "fr", "pl", "ro", "ku"),
    "cyrillic": ("uk", "ru"),
    "arabic": ("ar", "fa"),
}
"""Script → languages that are written in it, the likeliest first."""
ACCENTED = ("tr", "fr", "pl", "ro")
"""Languages whose stemmers know endings by accented letters: they see a word as it was typed."""

_STEMMERS = {
    "de": "german",
    "en": "english",
    "tr": "turkish",
    "ar": "arabic",
    "ru": "russian",
    "fa": "persian",
    "fr": "french",
    "pl": "polish",
    "ro": "romanian",
}

_LETTERS = str.maketrans(
    {
        "ı": "i",
        "İ": "i",
        "ё": "е",
        "Ё": "е",
        "ґ": "г",
        "Ґ": "г",
        "أ": "ا",
        "إ": "ا",
        "آ": "ا",
        "ٱ": "ا",
        "ى": "ي",
        "ی": "ي",
        "ې": "ي",
        "ة": "ه",
        "ۀ": "ه",
        "ک": "ك",
        "ø": "o",
        "Ø": "o",
        "ł": "l",
        "Ł": "l",
        "đ": "d",
        "ð": "d",
        "æ": "ae",
        "Æ": "ae",
        "œ": "oe",
        "Œ": "oe",
        "ـ": None,
        "\u00ad": None,
        "\u200d": None,
        "\u200e": None,
        "\u200f": None,
    }
)
_ARABIC_MARKS = re.compile("[\u064b-\u065f\u0670\u06d6-\u06ed]")
_UMLAUTS = re.compile("ae|oe|(?<!q)ue")
_WORD = re.compile(r"§|[^\W_](?:['’ʼ`´]?[^\W_]|[\u0300-\u036f\u064b-\u065f\u0670\u0640\u00ad\u200d])*")
_APOSTROPHE = re.compile(r"['’ʼ`´]")
_ELISION = re.compile(r"(?:[jldmtsnc]|qu)['’ʼ`´](?=\w)", re.IGNORECASE)
_GLUED = re.compile(r"[^\W\d_]{3,}(?=\d)|\d+(?=[^\W\d_]{5,})", re.UNICODE)
_HARD = {"g": "k", "b": "p", "d": "t"}
_PERSIAN = str.maketrans({"ك": "ک", "ي": "ی"})

_UK_ENDINGS = tuple(
    sorted(
        [
            "ами",
            "ями",
            "ого",
            "ому",
            "ему",
            "ими",
            "іми",
            "ові",
            "еві",
            "ення",
            "ання",
            "іння",
            "ення",
            "ати",
            "ити",
            "іти",
            "ють",
            "уть",
            "ять",
            "ає",
            "ує",
            "ах",
            "ях",
            "ів",
            "їв",
            "ою",
            "ею",
            "єю",
            "ій",
            "ий",
            "их",
            "іх",
            "им",
            "ім",
            "ом",
            "ем",
            "ам",
            "ям",
            "ти",
            "ть",
            "ся",
            "а",
            "я",
            "у",
            "ю",
            "і",
            "ї",
            "и",
            "е",
            "є",
            "о",
            "ь",
            "й",
        ],
        key=len,
        reverse=True,
    )
)


@dataclass(frozen=True, slots=True)
class Token:
    """A word and where it stands in the text it was cut from."""

    text: str
    fold: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Forms:
    """What a word is looked up by: as written (folded), its stem, and the stems of the parts of a compound."""

    fold: str
    stem: str
    parts: tuple[str, ...] = ()


@lru_cache(maxsize=65536)
def fold(word: str) -> str:
    """The form in which all spellings of one word meet: lower case, no marks, no umlauts however typed.

    Follows the rules at the top of `content/synonyms.yaml`. Digits of every script become 0-9.
    """
    word = unicodedata.normalize("NFKC", word).translate(_LETTERS).casefold()
    if word.isascii():
        return _UMLAUTS.sub(_without_e, word)
    out: list[str] = []
    latin = False
    for character in unicodedata.normalize("NFD", _ARABIC_MARKS.sub("", word)):
        if unicodedata.combining(character):
            if not latin:
                out.append(character)
            continue
        latin = character < "\u0370"
        digit = unicodedata.digit(character, None) if character > "\x7f" else None
        out.append(str(digit) if digit is not None else character)
    folded = unicodedata.normalize("NFC", "".join(out)).translate(_LETTERS)
    return _UMLAUTS.sub(_without_e, folded)


def _without_e(found: re.Match[str]) -> str:
    return found[0][0]


def tokens(text: str) -> list[Token]:
    """Words of `text` in order. Hyphens separate, letters and digits glued together part (hartz4 → hartz 4)."""
    return list(_tokens(text))


def _tokens(text: str) -> Iterator[Token]:
    for found in _WORD.finditer(text):
        start, word = found.start(), found[0]
        if word == "§":
            yield Token(word, "paragraf", start, found.end())
            continue
        elision = _ELISION.match(word)
        if elision:
            start, word = start + elision.end(), word[elision.end() :]
        while glued := _GLUED.match(word):
            yield _token(glued[0], start)
            start, word = start + glued.end(), word[glued.end() :]
        if word:
            yield _token(word, start)


def _token(word: str, start: int) -> Token:
    return Token(word, fold(_APOSTROPHE.sub("", word)), start, start + len(word))


def normalise(text: str) -> str:
    """`text` as folded words with one space between them; hyphens count as spaces."""
    return " ".join(token.fold for token in _tokens(text))


@cache
def _stemmer(language: str) -> Stemmer.Stemmer:
    return Stemmer.Stemmer(_STEMMERS[language], 20000)


@lru_cache(maxsize=65536)
def stem(word: str, language: str) -> str:
    """Folded stem of `word` (folded or as written) in `language`; a language without a stemmer gives the word."""
    folded = fold(word)
    if len(folded) < 4 or folded.isdigit():
        return folded
    if language == "uk":
        return _light_ukrainian(folded)
    if language not in _STEMMERS:
        return folded
    if language == "fa":
        stemmed = _stemmer(language).stemWord(folded.translate(_PERSIAN))
    elif language in ACCENTED:
        typed = unicodedata.normalize("NFC", word).replace("İ", "i").lower()
        stemmed = _stemmer(language).stemWord(typed)
    else:
        if language == "ar" and len(folded) >= 5 and folded.startswith("ال"):
            # Folding took the letter by which the stemmer would know a noun with its article.
            folded = folded[2:]
        stemmed = _stemmer(language).stemWord(folded)
    stemmed = fold(stemmed)
    if language == "tr" and len(stemmed) > 3:
        # A hard sound at the end goes soft before a vowel: meslek, mesleği.
        stemmed = stemmed[:-1] + _HARD.get(stemmed[-1], stemmed[-1])
    # One or two letters say nothing any more (Turkish "evde" → "ev").
    return stemmed if len(stemmed) >= 3 else folded


def _light_ukrainian(word: str) -> str:
    """No maintained small Ukrainian stemmer exists: cut one ending, keep at least four letters."""
    for ending in _UK_ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= 4:
            return word[: -len(ending)]
    return word


def forms(token: Token, language: str) -> Forms:
    """Look-up forms of `token` read as a word of `language`."""
    return _forms(token.text if language in ACCENTED else token.fold, token.fold, language)


@lru_cache(maxsize=65536)
def _forms(text: str, folded: str, language: str) -> Forms:
    parts: tuple[str, ...] = ()
    if language == "de":
        parts = tuple(dict.fromkeys(stem(part, "de") for part in split_compound(folded)))
    return Forms(folded, stem(_APOSTROPHE.sub("", text), language), parts)


def _word_list(name: str) -> frozenset[str]:
    lines = resources.files(__package__).joinpath(name).read_text(encoding="utf-8").splitlines()
    return frozenset(fold(word) for line in lines for word in line.partition("#")[0].split())


@cache
def fingerprint() -> str:
    """Changes when documents would be cut into other words, so that indexes made before are built anew."""
    words = "\n".join(sorted(compound_words()))
    return f"{ANALYSIS}-{zlib.crc32(words.encode()):08x}-{Stemmer.version()}"


@cache
def compound_words() -> frozenset[str]:
    """Simple German words, folded, that compounds of our field are made of (`words_de.txt`)."""
    return _word_list("words_de.txt")


@cache
def common_words() -> frozenset[str]:
    """Everyday words, folded, that must not be taken for misspellings of a concept (`words_common.txt`)."""
    return _word_list("words_common.txt")


def is_known(folded: str) -> bool:
    """Whether a word is right as it stands, so that nobody corrects it."""
    if folded in compound_words() or folded in common_words() or folded in STOP_WORDS:
        return True
    return bool(split_compound(folded)) or _known_stem(folded)


@cache
def _known_stems() -> frozenset[str]:
    return frozenset(stem(word, "de") for word in compound_words() | common_words() if len(word) >= 5)


def _known_stem(folded: str) -> bool:
    return len(folded) >= 6 and folded.isascii() and stem(folded, "de") in _known_stems()


_LINKS = ("", "s", "n", "en", "es", "er", "e")
_MIN_PART = 3
_MIN_TAIL = 4


@lru_cache(maxsize=65536)
def split_compound(word: str) -> tuple[str, ...]:
    """Parts of a folded German compound as words of the list, or () for a simple or unknown word.

    The whole word must be covered by at least two listed words with linking letters between them; the fewest
    parts win, then the longest last part, which carries the meaning ("ausbildungsplatzsuche" → ausbildung, platz,
    suche).
    """
    length = len(word)
    if length < 7 or length > 60 or not word.isascii() or word in compound_words():
        return ()
    words = compound_words()
    # best[i]: fewest parts that cover word[:i], with the parts themselves
    best: list[tuple[int, int, tuple[str, ...]] | None] = [None] * (length + 1)
    best[0] = (0, 0, ())
    for start in range(length - _MIN_PART + 1):
        reached = best[start]
        if reached is None:
            continue
        count, _, parts = reached
        for end in range(start + _MIN_PART, length + 1):
            piece = word[start:end]
            if piece not in words:
                continue
            for link in _LINKS:
                stop = end + len(link)
                if not word.startswith(link, end) or stop > length:
                    continue
                if link and stop == length and link not in ("s", "n", "en", "e", "er"):
                    continue
                candidate = (count + 1, -len(piece), (*parts, piece))
                there = best[stop]
                if there is None or candidate[:2] < there[:2]:
                    best[stop] = candidate
    found = best[length]
    if found is None or found[0] < 2 or len(found[2][-1]) < _MIN_TAIL:
        return ()
    return found[2]


def _stop(text: str) -> frozenset[str]:
    return frozenset(fold(word) for word in text.split())


# Words that carry no meaning in a search. Negations stay out: "keine Wohnung" means something else than "Wohnung".
STOP_WORDS_BY_LANGUAGE: dict[str, frozenset[str]] = {
    "de": _stop(
        """aber alle allem allen aller alles als also am an ander andere auch auf aus bei beim bin bis bist bitte
        bräuchte brauche brauch da damit dann das dass dein deine deinem deinen deiner dem den denn der des dich die
        dies diese diesem diesen dieser dieses dir doch dort du durch echt ein eine einem einen einer eines einfach er es
        etwas euch für gar gegen gerade gern gerne gibt habe hab haben hat hatte hätte hier ich ihm ihn ihnen ihr ihre
        ihrem ihren ihrer im in ins ist ja jetzt kann kannst können könnte man mal mein meine meinem meinen meiner
        meines mich mir mit möchte muss müssen nach nämlich noch nun nur ob oder ohne schon sehr sei sein seine seinem
        seinen seiner seit sich sie sind so soll solle sollte sondern sonst such suche suchen über um und uns unser
        unsere vom von vor wann war was weg wegen weil wem wen wenn wer werde werden wie wieder wirklich wird wo woher
        wohin will wollen wurde würde zu zum zur zwischen geht gehts glaube halt immer irgendwie sowas eigentlich"""
    ),
    "en": _stop(
        """a about after all am an and any are as at be because been but by can could did do does for from get got had
        has have he her here him his how i if im in into is it its just like me my near need of on or our out please
        she should so some that the their them there they this to too up us want was we were what when where which
        who why will with would you your looking find ive"""
    ),
    "tr": _stop(
        """acaba ama ancak bana ben benim beni bir biz bizim bu çok da daha de değil diye en gibi hangi hem için ile
        ise istiyorum kim mi mı mu mü nasıl ne nedir nerede neden o olarak onu onun sen siz şey şu var ve veya ya"""
    ),
    "ar": _stop(
        """في من على الى إلى عن مع هذا هذه ذلك التي الذي ما ماذا كيف اين هل انا أنا هو هي نحن او أو ثم قد كان كل لي لا
        ان أن إن عند كنت يا و اريد أريد"""
    ),
    "uk": _stop(
        """а або але без би бо в ви він вона вони все де для до є з за і із й коли мене мені ми мій моя моє на над про
        по потрібно потрібна потрібен та так такий те ти то у хочу це чи що як який яка якщо я треба можна"""
    ),
    "ru": _stop(
        """а без бы в вы где да для до его ее если есть еще же за и из или их к как какой ко когда кто ли мне меня мой
        моя мои мы на над надо нам нас но о об он она они от по под при про с со так такой то тоже ты у уже хочу что
        чтобы это я нужна нужен нужно можно"""
    ),
    "fa": _stop(
        """از است اما ان آن با باید برای بر به تا چه چطور چگونه در دارم را که من ما می هم هست و یا یک این خود کجا
        میخواهم هستم شما او"""
    ),
    "fr": _stop(
        """a ai as au aux avec ce ces cette c d dans de des du elle en est et être eu faire il ils je j l la le les leur
        ma mais me mes moi mon n ne nos notre nous on ou où par pas plus pour qu que quel quelle qui s sa se ses son
        sont suis sur t ta te tes ton tu un une vos votre vous veux cherche besoin"""
    ),
    "pl": _stop(
        """a albo ale bardzo być co czy dla do gdzie i ja jak jest jestem już ktoś który która lub ma mam masz mi mnie moja
        moje mój na o od on ona ono oni po potrzebuję proszę przy się są szukam ta tak tam te ten to tu tylko u w we więc z
        za że chcę"""
    ),
    "ro": _stop(
        """a ai al ale am ar are aș au ca care caut ce cel cu cum că de din dar doar e ea ei el este eu fi foarte iar în îmi la
        le lui lor mai mea mei meu mi mă ne noi nostru o ori pe pentru prin sau să se și sunt te un una unde unei unui vreau"""
    ),
    "ku": _stop(
        """ez ji jî bi bo di de da ku û li min me te we ev ew va vê wî wê wan e ye in im a ê ên an her jî çi kî heye dixwazim
        divê gelek kengê çawa"""
    ),
}
STOP_WORDS: frozenset[str] = frozenset().union(*STOP_WORDS_BY_LANGUAGE.values())

_TELLING = {
    "en": _stop(
        "i my me is am the and are you he she they what how where need want have with for of im dont from"
    ),
    "tr": _stop("bir ve için istiyorum nasıl nerede benim bana var yok değil çok ne ile"),
    "fr": _stop("je mon ma mes le la les des une est suis pour avec dans où ai pas du au que qui un chez"),
    "pl": _stop(
        "mnie nie jest jestem mam moja moje mój mojego się chcę jak dla gdzie nas czy potrzebuję proszę już bardzo"
    ),
    "ro": _stop("nu vreau este sunt meu mea pentru cum unde caut acasă îmi mie"),
    "ku": _stop("ez min ji bo li dixwazim naxwazim çawa ku heye nîne tune bavê"),
}
_TURKISH = frozenset("şğıİçŞĞÇ")
_FRENCH = frozenset("éèêàâçîôûëïœÉÈÊÀÇ")
_POLISH = frozenset("ąćęłńśźżĄĆĘŁŃŚŹŻ")
_ROMANIAN = frozenset("ășțţĂȘȚŢ")
_KURDISH = frozenset("îûÎÛ")
_OF_THEIR_OWN = {"tr": _TURKISH, "fr": _FRENCH, "pl": _POLISH, "ro": _ROMANIAN, "ku": _KURDISH}


def scripts(text: str) -> frozenset[str]:
    """Which of latin, cyrillic, arabic the letters of `text` belong to."""
    found: set[str] = set()
    for character in text:
        if "a" <= character.lower() <= "z" or "À" <= character <= "ɏ":
            found.add("latin")
        elif "Ѐ" <= character <= "ӿ":
            found.add("cyrillic")
        elif "؀" <= character <= "ۿ" or "ﭐ" <= character <= "ﻼ":
            found.add("arabic")
    return frozenset(found)


def likely_languages(text: str, language: str) -> frozenset[str]:
    """Languages in which `text` may be written, for a visitor who reads the page in `language`.

    German is always among them: people mix it into every language.
    """
    likely = {"de", language}
    found = scripts(text)
    if "cyrillic" in found:
        likely |= {"uk", "ru"}
    if "arabic" in found:
        likely |= {"ar", "fa"}
    if "latin" in found:
        words = list(_tokens(text[:400]))
        folded = {token.fold for token in words}
        typed = {token.text.casefold() for token in words}
        for code, telling in _TELLING.items():
            # "iş" is no English "is", but "icin" is a hurried "için".
            if (typed if code == "en" else folded) & (telling - STOP_WORDS_BY_LANGUAGE["de"]):
                likely.add(code)
        letters = set(text)
        likely.update(code for code, of_its_own in _OF_THEIR_OWN.items() if of_its_own & letters)
    return frozenset(likely)
