"""A translation says the same numbers as German, however its language writes them."""

import pytest

from portal.catalogue.translating.figures import mismatch

GERMAN = (
    "Für alle von 16 bis 27 Jahren. Montag 8:00 bis 15:30 Uhr, ab 1. August 2026.",
    "Das kostet 2,50 Euro. Ruf an: 03943 93-58, kostenlos 116 111.",
    "Zwei Menschen sind rund um die Uhr da. Nimm drei Fotos mit.",
)
SAME = {
    "en": (
        "For everyone from 16 to 27. Monday 8 am to 3:30 pm, from August 1, 2026.",
        "It costs €2.50. Call +49 3943 9358, free of charge 116111.",
        "Two people are there 24/7. Bring 3 photos.",
    ),
    "de-simple": (
        "Das Angebot ist für Menschen von 16 bis 27 Jahren. Am Montag von 8 bis 15:30 Uhr. Ab dem 1. August 2026.",
        "Das kostet 2,50 Euro. Die Telefon·nummer ist 03943 9358. Kosten·los: 116 111.",
        "2 Menschen sind Tag und Nacht da. Bring 3 Fotos mit.",
    ),
    "uk": (
        "Для всіх від 16 до 27 років. Понеділок 8:00–15:30, з 1 серпня 2026 р.",
        "Це коштує 2,50 євро. Подзвони: 03943 93-58, безкоштовно 116 111.",
        "Двоє людей чергують цілодобово, тобто 2 людини. Візьми три фото.",
    ),
    "ru": (
        "Для всех от 16 до 27 лет. Понедельник с 8:00 до 15:30, с 1 августа 2026 года.",
        "Это стоит 2,50 евро. Позвони: 03943 93-58, бесплатно 116 111.",
        "Два человека работают круглосуточно. Возьми 3 фотографии.",
    ),
    "ar": (
        "للجميع من ١٦ إلى ٢٧ سنة. الاثنين من 8:00 صباحًا إلى 3:30 بعد الظهر، ابتداءً من 1 أغسطس 2026.",
        "التكلفة ٢٫٥٠ يورو. اتصل على \u200e03943 93-58\u200e، مجانًا 116 111.",
        "هناك شخصان على مدار الساعة. أحضر ثلاث صور.",
    ),
    "fa": (
        "برای همه از ۱۶ تا ۲۷ سال. دوشنبه ۸:۰۰ تا ۱۵:۳۰، از ۱ اوت ۲۰۲۶.",
        "هزینه ۲٫۵۰ یورو است. زنگ بزن: 03943 93-58، رایگان 116 111.",
        "دو نفر شبانه‌روز آنجا هستند. سه عکس بیاور.",
    ),
    "tr": (
        "16-27 yaş arası herkes için. Pazartesi 8:00-15:30, 1 Ağustos 2026'dan itibaren.",
        "2,50 Euro tutar. Ara: 03943 93-58, ücretsiz 116 111.",
        "İki kişi 7/24 orada. 3 fotoğraf getir.",
    ),
    "fr": (
        "Pour toutes les personnes de 16 à 27 ans. Lundi de 8 h à 15 h 30, dès le 1er août 2026.",
        "Cela coûte 2,50 €. Appelle le 03943 93-58, gratuit : 116 111.",
        "Deux personnes sont là 24h/24. Apporte trois photos.",
    ),
    "pl": (
        "Dla wszystkich od 16 do 27 lat. Poniedziałek 8.00–15.30, od 1 sierpnia 2026 r.",
        "Kosztuje 2,50 euro. Zadzwoń: 03943 93-58, bezpłatnie 116 111.",
        "Dwie osoby są całodobowo. Weź trzy zdjęcia.",
    ),
    "ro": (
        "Pentru toți între 16 și 27 de ani. Luni 8:00–15:30, de la 1 august 2026.",
        "Costă 2,50 euro. Sună la 03943 93-58, gratuit 116 111.",
        "Două persoane sunt acolo non-stop. Adu 3 fotografii.",
    ),
    "ku": (
        "Ji bo her kesî ji 16 heta 27 salî. Duşem 8:00–15:30, ji 1ê Tebaxê 2026an ve.",
        "2,50 Euro ye. Telefon bike: 03943 93-58, belaş 116 111.",
        "Du kes şev û roj li wir in. Sê wêneyan bîne.",
    ),
}


@pytest.mark.parametrize(("language", "texts"), SAME.items(), ids=SAME)
def test_the_same_numbers_in_another_writing_are_no_difference(language, texts):
    for german, text in zip(GERMAN, texts, strict=True):
        assert not mismatch(german, text, language), f"{text}: {mismatch(german, text, language)}"


OTHER_WORDS = (
    ("en", "Du hast drei Tage Zeit.", "You have three days.", "You have five days."),
    ("en", "Ab zwölf Jahren.", "From the age of twelve.", "From the age of eight."),
    ("en", "Es dauert eine halbe Stunde.", "It takes half an hour.", "It takes an hour."),
    ("en", "Es kostet 1 Euro.", "It costs a euro.", "It is free."),
    ("en", "Montag 9 bis 12 Uhr", "Monday 9 to 12", "Tuesday 9 to 12"),
    ("uk", "Du hast fünf Tage Zeit.", "Маєш пʼять днів.", "Маєш десять днів."),
    ("uk", "Immer mittwochs", "Завжди в середу", "Завжди у вівторок"),
    ("tr", "Zwölf Monate lang", "On iki ay boyunca", "On bir ay boyunca"),
    ("tr", "Sonntag", "Pazar günü", "Pazartesi günü"),
    ("ar", "Ab zwölf Jahren.", "من عمر اثنتي عشرة سنة.", "من عمر ثماني سنوات."),
    ("ar", "Am Dienstag", "أيام الثلاثاء", "أيام الأربعاء"),
    ("fa", "Am Dienstag", "سه شنبه", "چهارشنبه"),
    ("pl", "Von Montag bis Freitag", "Od poniedziałku do piątku", "Od poniedziałku do soboty"),
    ("de-simple", "Samstag", "Sonn·abend", "Sonn·tag"),
)


@pytest.mark.parametrize(("language", "german", "same", "other"), OTHER_WORDS)
def test_words_instead_of_digits_send_people_wrong_too(
    language: str, german: str, same: str, other: str
) -> None:
    assert not mismatch(german, same, language), str(mismatch(german, same, language))
    assert mismatch(german, other, language)


@pytest.mark.parametrize(
    ("language", "german", "text"),
    [
        ("en", "Zwölf Monate", "A year, on call"),
        ("en", "Die ersten drei Tage", "The first few days"),
        ("en", "Werktags", "Monday to Friday"),
        ("en", "Montag bis Freitag", "On weekdays"),
        ("fr", "Sieben Tage lang", "Pendant une semaine, avec un neuf plan"),
        ("ro", "Am Dienstag, jeden Monat", "Marți, în fiecare lună"),
        ("tlh", "Drei Tage, am Montag", "wej jaj"),
    ],
)
def test_nobody_is_stopped_for_saying_it_otherwise(language: str, german: str, text: str) -> None:
    assert not mismatch(german, text, language), str(mismatch(german, text, language))


CHANGES = (
    ("27", "25"),
    ("2026", "2025"),
    ("15", "14"),
    ("2,50", "3,50"),
    ("58", "85"),
    ("116", "117"),
    ("16", "18"),
)


@pytest.mark.parametrize(("language", "texts"), SAME.items(), ids=SAME)
def test_every_changed_number_is_found(language, texts):
    """An age, a year, an hour, a price and phone numbers, each changed where it stands in Western digits."""
    found = 0
    for german, text in zip(GERMAN, texts, strict=True):
        for right, wrong in CHANGES:
            changed = text.replace(right, wrong)
            if changed != text:
                found += 1
                assert mismatch(german, changed, language), changed
    assert found >= 3


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("uk", "Від 3 березня"), ("ru", "с 3 марта"), ("ar", "من 3 آذار"), ("ar", "من 3 مارس"), ("fa", "از ۳ مارس"),
        ("tr", "3 Mart'tan itibaren"), ("fr", "à partir du 3 mars"), ("pl", "od 3 marca"), ("ro", "de la 3 martie"),
        ("ku", "ji 3ê Adarê ve"), ("en", "from 3rd of March"), ("de-simple", "ab dem 3. März"), ("nl", "vanaf 3 maart"),
    ],
)  # fmt: skip
def test_months_are_known_by_name(language, text):
    assert not mismatch("ab 3. März", text, language)
    assert mismatch("ab 3. Mai", text, language)


def test_leichte_sprache_may_count_but_not_change_ages_and_times():
    german = "Dort arbeiten Jobcenter, Jugendamt und Agentur zusammen."
    assert not mismatch(german, "Dort arbeiten 3 Ämter zusammen.", "de-simple")
    assert mismatch(german, "Dort arbeiten 3 Ämter zusammen.", "en")
    assert mismatch("Das dauert.", "Das dauert 3 Jahre.", "de-simple")
    assert mismatch("Komm vorbei.", "Komm um 9 Uhr.", "de-simple")


@pytest.mark.parametrize(
    ("german", "text"),
    [
        ("Schreib an hilfe@example.org.", "Напиши на pomich@example.org."),
        ("Ruf 112 an.", "Подзвони."),
        ("Komm vorbei.", "Приходь о 9."),
        ("Hallo %(name)s", "Привіт"),
    ],
)
def test_what_is_added_lost_or_changed_is_a_difference(german, text):
    assert mismatch(german, text, "uk")


def test_an_address_is_the_same_with_and_without_www():
    assert not mismatch("Auf 116117.de.", "www.116117.de", "ar")
    assert str(mismatch("Ab 16.", "From 18.", "en")) == "-16 +18"
