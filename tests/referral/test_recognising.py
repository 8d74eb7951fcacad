"""What tells who somebody is, and what only sounds like it."""

from datetime import date

import pytest

from portal.referral.recognising import Kind, refusals

TODAY = date(2026, 11, 20)
NAMES = ("Amira Özdemir", "Jo", "أميرة")

TOLD = [
    (Kind.PHONE, "Sie ist unter ‹0176 12345678› erreichbar."),
    (Kind.PHONE, "Handy: ‹+49 176 1234 5678›."),
    (Kind.PHONE, "Ruf an: ‹03931/64-12345›"),
    (Kind.PHONE, "Mutter: ‹(03931) 641234›, tagsüber"),
    (Kind.PHONE, "‹0049 30 901820›"),
    (Kind.PHONE, "Nummer ‹0391-555 01 23› notiert"),
    (Kind.MAIL, "schreibt von ‹mia.k@example.org›"),
    (Kind.MAIL, "erreichbar über ‹mia (at) example (punkt) de›."),
    (Kind.NAME, "auf Instagram ‹@sternchen_99›"),
    (Kind.ADDRESS, "Sie wohnt in der ‹Bahnhofstraße 12›."),
    (Kind.ADDRESS, "zieht in die ‹Lange Straße 5a› um"),
    (Kind.ADDRESS, "‹Goethestr. 7›, zweiter Stock"),
    (Kind.ADDRESS, "Heim am ‹Birkenweg 3-5›"),
    (Kind.ADDRESS, "in der ‹musterstrasse 14›"),
    (Kind.ADDRESS, "Wohngruppe ‹Straße der Einheit 4›"),
    (Kind.ADDRESS, "Adresse: ‹Am Markt 8›, Hinterhaus"),
    (Kind.ADDRESS, "wohnt ‹Unter den Linden 77›"),
    (Kind.TOWN, "wohnt in ‹39576 Stendal›."),
    (Kind.TOWN, "Die ‹PLZ ist 39576›."),
    (Kind.BIRTH, "geboren am ‹3.4.2009›"),
    (Kind.BIRTH, "geb. ‹03.04.09›"),
    (Kind.BIRTH, "Geburtsdatum: ‹2009-04-03›"),
    (Kind.BIRTH, "* ‹3. April 2009› in Syrien"),
    (Kind.BIRTH, "Er ist am ‹03.04.2009› geboren."),
    (Kind.BIRTH, "17 Jahre (‹03.04.2009›), Klasse 9"),
    (Kind.CASE_NUMBER, "‹Az. 51-234/26›"),
    (Kind.CASE_NUMBER, "‹Aktenzeichen: JA 12/345› liegt vor"),
    (Kind.CASE_NUMBER, "Kunde ‹123A456789›"),
    (Kind.CASE_NUMBER, "‹12345//0001234›"),
    (Kind.CASE_NUMBER, "‹BG-Nummer 12345BG0001234›"),
    (Kind.CASE_NUMBER, "‹Kundennummer ist 4711 08 15›"),
    (Kind.CASE_NUMBER, "Rente ‹65 170839 J 003›"),
    (Kind.CASE_NUMBER, "Konto ‹DE02 1203 0000 0000 2020 51›"),
    (Kind.CASE_NUMBER, "Amtsgericht ‹12 F 345/26›"),
    (Kind.NAME, "‹Amira› will wieder zur Schule."),
    (Kind.NAME, "‹amiras› Mutter"),
    (Kind.NAME, "Familie sagt ‹Ozdemir›"),
    (Kind.NAME, "‹Jo› war da."),
    (Kind.NAME, "قالت ‹أميرة› نعم"),
    (Kind.NAME, "Sie heißt ‹Leyla›."),
    (Kind.NAME, "Ein Junge namens ‹Karim Haddad› sucht"),
    (Kind.NAME, "Ihr Name ist ‹Nele›, 17"),
    (Kind.NAME, "genannt „‹Momo›“"),
    (Kind.NAME, "Nachname: ‹Schulze›"),
    (Kind.NAME, "‹Frau Müller› vom Jobcenter"),
    (Kind.NAME, "Lehrer ‹Herr Dr. Braun›"),
    (Kind.NAME, "Die ‹Familie Yilmaz› ist"),
    (Kind.NAME, "Her name is ‹Sophie›."),
]
"""What is recognised stands between ‹ and ›."""

FINE = [
    "Ein Mädchen, 17, hat die Schule nach der 9. Klasse verlassen und bewirbt sich um einen Praktikumsplatz.",
    "Seit dem 01.09.2025 kommt er nicht mehr; Termin am 12.11.2026 um 14:30 Uhr.",
    "Offen von 08.30 - 12.00 Uhr und 13.00 - 16.30 Uhr.",
    "Das heißt Stillstand. Was heißt Berufsvorbereitung für sie?",
    "Die Maßnahme heißt Berufseinstiegsbegleitung.",
    "Die Mutter verdient 1500 Euro, die Schulden liegen bei 12000 Euro, genau 12345 Euro.",
    "Sie wohnt mit drei Geschwistern in einer kleinen Wohnung am Rand der Stadt.",
    "Auf dem Weg 2 Mal umgestiegen; der Ausbildungsweg 2 Jahre; ein Therapieplatz 3 Monate entfernt.",
    "Am Montag 3, am Dienstag 4.",
    "Im Oktober 12.",
    "Vorschlag: § 16h SGB II, § 41 SGB VIII und § 13 Abs. 2 prüfen, Az fehlt.",
    "Die Nummer gegen Kummer (116 111) und die Telefonseelsorge 0800 1110111 kennt er.",
    "Klasse 8b, Note 4,5, 16 Jahre, 2009 geboren, GdB 50, Sprachniveau B1.",
    "Frau M. vom Jobcenter, Herr K. und die Mutter",
    "Frau und Mann streiten; in der Familie Streit um Geld, Familie hat Schulden.",
    "Er heißt es gut, dass wir helfen.",
    "Jojo und johlen sind keine Namen; am Jordan.",
    "Bewerbungen: 12 in 2025, 8 in 2026; 40 %, 3/4 abgelehnt.",
    "Fallzahlen: 1:25, 2026/27, 10-12 Stunden.",
    "Erste Idee: mit ihr zusammen zum Jugendamt. Zweite Idee: Probearbeit an 2 Tagen im Betrieb.",
    "Die Kundin erhielt 2 Absagen, Versicherung unklar.",
    "",
]


@pytest.mark.parametrize(("kind", "marked"), TOLD, ids=[marked for _kind, marked in TOLD])
def test_is_recognised(kind: Kind, marked: str) -> None:
    text = marked.replace("‹", "").replace("›", "")
    start, end = marked.index("‹"), marked.index("›") - 1
    found = refusals(text, today=TODAY, names=NAMES)
    assert [(one.kind, one.passage) for one in found] == [(kind, text[start:end])]
    assert (found[0].start, found[0].end) == (start, end)


@pytest.mark.parametrize("text", FINE)
def test_is_no_hint(text: str) -> None:
    assert [(one.kind, one.passage) for one in refusals(text, today=TODAY, names=NAMES)] == []


def test_everything_is_found_in_its_order_and_the_repr_tells_nothing() -> None:
    text = "Sie heißt Leyla, wohnt Birkenweg 3, 39576 Stendal, 0176 12345678, leyla@example.org"
    found = refusals(text, today=TODAY)
    assert [one.kind for one in found] == [Kind.NAME, Kind.ADDRESS, Kind.TOWN, Kind.PHONE, Kind.MAIL]
    assert "Leyla" not in repr(found)
