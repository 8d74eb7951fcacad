"""What tells who somebody is, and what only sounds like it."""

from datetime import date

import pytest

from portal.catalogue.first_names import first_names
from portal.referral import recognising
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

NAMED = [
    "‹Lena Schulz› kommt seit Wochen nicht zur Schule.",
    "Der Vater von ‹Yusuf Demir› hat angerufen.",
    "‹Sara›, 16, aus Quedlinburg",
    "Mein Klient ‹Jonas› will nicht mehr.",
    "Gestern war ‹Mohammed› wieder nicht da.",
    "‹Anna-Lena› streitet mit der Mutter.",
    "‹Hans-Peter Meyer› ist der Onkel.",
    "‹Lenas› Mutter ruft jeden Tag an.",
    "‹Jonas’› Bruder hat eine Lehre.",
    "Mit ‹Olena Kowalenko› spreche ich Ukrainisch.",
    "‹Fatima› wohnt im Wohnheim.",
    "Ich habe ‹Kevin› dreimal eingeladen.",
    "Wie erreiche ich ‹Rojin›?",
    "Die Familie sagt, ‹Zahra› soll arbeiten.",
    "‹Krzysztof Nowak› spricht kaum Deutsch.",
    "Danach hat ‹Ștefan› die Maßnahme abgebrochen.",
    "‹Büşra› möchte Erzieherin werden.",
    "‹Busra Yildiz› fehlt.",
    "‹Ali van der Berg› fehlt.",
    "‹Amira El-Sayed› wurde aufgenommen.",
    "Die Freundin, ‹Chantal›, kommt mit.",
    "Kontakt zu ‹Dmytro› abgebrochen",
    "Der Bruder von ‹Mark› war auch hier.",
    "Meine Schülerin ‹Rose› weint oft.",
    "Ansprechpartner für Klientin ‹Hope›",
    "‹Rose Schneider› ist die Oma.",
    "‹Mark Brandt› hat Schulden.",
    "‹Mark›, 17, bricht die Lehre ab.",
    "schülerin ‹lena› fehlt oft",
    "meine klientin ‹aylin› schreibt nicht",
    "Sohn ‹Hassan› lebt beim Vater.",
    "Fall um ‹Darius Müller-Lüdenscheidt›.",
    "‹LENA SCHULZ› fehlt.",
    "Ob ‹Reza› bleiben darf, ist offen.",
    "‹Nguyen Thi Linh› hilft im Laden.",
    "Heute hat ‹Ronny› geschrieben.",
    "‹Sofia› und ihr Freund",
    "sie und ‹Berivan› gehen nicht hin",
    "Vorschlag: ‹Justin› selbst fragen",
    "Brief an ‹Jacqueline› schicken",
]
"""Asked back."""

ACCOUNTS_AND_WAYS = [
    (Kind.NAME, "‹insta: lena_schulz05›"),
    (Kind.NAME, "schreibt über ‹Snapchat: sternchen›, selten"),
    (Kind.NAME, "ist auf ‹TikTok als mia.k05› zu finden"),
    (Kind.NAME, "‹Discord lena#1234›"),
    (Kind.NAME, "‹Telegram: mo_2008›"),
    (Kind.ADDRESS, "wohnt ‹am Markt 3›"),
    (Kind.ADDRESS, "wohnt ‹am markt 3› bei der Oma"),
    (Kind.ADDRESS, "‹in der Obermühle 12› beim Vater"),
    (Kind.ADDRESS, "gemeldet ‹an der Stadtmauer 7a›"),
    (Kind.ADDRESS, "wohnt ‹auf dem Schlossberg 4› mit drei Geschwistern"),
]

CASE_TALK = [
    "Seit August kommt sie nicht mehr, im Mai 2026 war die letzte Prüfung.",
    "Frau vom Jobcenter sagt, der Antrag fehlt.",
    "Jugendamt Harz, Agentur für Arbeit Halberstadt und Schule sind beteiligt.",
    "Er wohnt in Wernigerode, die Schule ist in Blankenburg.",
    "Klasse 9, Sekundarschule, Note 4 in Mathe und Deutsch.",
    "Die Mutter arbeitet in Quedlinburg, der Vater lebt in Thale.",
    "Ein Junge, 16, spielt nachts am Rechner und schläft im Unterricht.",
    "Mein Klient Anfang zwanzig hat keinen Abschluss.",
    "Meine Schülerin Klasse 10 fehlt an drei Tagen in der Woche.",
    "Sie hat 500 Mark gesagt und Euro gemeint.",
    "Im Mai Praktikum, im Juni Prüfung, im Juli Ferien.",
    "Mai und Juni waren ruhig.",
    "Max. 3 Tage Praktikum in der Woche.",
    "Seit Jan. 2026 ist das Geld gestrichen, bis Jan 2027 befristet.",
    "Der Vater von zwei Kindern ist in Haft.",
    "Mutter von Beruf Pflegerin, Vater Bauarbeiter.",
    "Sie träumt von einer Lehre im Hotel am Brocken.",
    "Das Anne-Frank-Gymnasium und die Käthe-Kollwitz-Schule sind keine Hilfe.",
    "Er war im Haus Maria und im Heim St. Martin.",
    "Haare in Rosa und ein Stern auf der Jacke sind wichtig für sie.",
    "Wer liest den Roman Seite für Seite?",
    "Das ist mein voller Ernst, und Ernst der Lage.",
    "Ihr Onkel fährt Mercedes, der Bruder einen Lada.",
    "Freunde auf TikTok sind alles; WhatsApp liest sie nicht.",
    "Instagram: nein. WhatsApp: nicht erreichbar.",
    "Auf Snapchat 3 Stunden am Tag.",
    "Am Bahnhof 2 Stunden gewartet, am Markt 3 Bewerbungen abgegeben.",
    "Auf dem Arbeitsmarkt 2026 wenig Stellen.",
    "Im Kurs B1, in der Gruppe 12 Personen, in der Woche 3 Termine.",
    "Der Islam und der Ramadan sind ihr wichtig, sie kommt aus Kuba.",
    "Server, Handy und Konsole sind sein Leben.",
    "Nur Mutter und Oma wissen davon.",
    "Sozialarbeiterin Schule und Betreuerin Wohngruppe reden nicht miteinander.",
    "Wolf und Bär als Kuscheltiere, Heide und Harz als Heimat.",
    "Die Ilse fließt bei Ilsenburg, dort war der Ausflug.",
    "Hilfe nach § 41 SGB VIII, Hilfeplan im Herbst, Teilhabe am Leben.",
    "Er will Mechatroniker, Koch oder Lagerist werden.",
    "Peer-Beratung, Mentor im Betrieb und Berufseinstiegsbegleitung gibt es.",
    "Bei Norma und Penny hat er sich beworben, bei Otto nicht.",
    "Am Montag war sie da, am Freitag, dem 13. November, nicht.",
]
"""As colleagues write; nobody is named."""


@pytest.mark.parametrize("marked", NAMED)
def test_a_first_name_is_asked_back_until_somebody_says_that_it_is_none(marked: str) -> None:
    text = marked.replace("‹", "").replace("›", "")
    passage = marked.partition("‹")[2].partition("›")[0]
    found = refusals(text, today=TODAY)
    assert [(one.kind, one.passage) for one in found] == [(Kind.FIRST_NAME, passage)]
    assert refusals(text, today=TODAY, no_names=[passage]) == []


@pytest.mark.parametrize(("kind", "marked"), ACCOUNTS_AND_WAYS, ids=[one for _kind, one in ACCOUNTS_AND_WAYS])
def test_accounts_and_ways_are_refused(kind: Kind, marked: str) -> None:
    text = marked.replace("‹", "").replace("›", "")
    passage = marked.partition("‹")[2].partition("›")[0]
    found = refusals(text, today=TODAY, no_names=[passage])
    assert [(one.kind, one.passage) for one in found] == [(kind, passage)]


@pytest.mark.parametrize("text", CASE_TALK)
def test_what_colleagues_write_passes(text: str) -> None:
    assert [(one.kind, one.passage) for one in refusals(text, today=TODAY)] == []


def test_what_was_told_in_the_referral_cannot_be_ticked_away() -> None:
    text = "Amira Schulz fehlt, Frau Demir auch."
    found = refusals(text, today=TODAY, names=["Amira"], no_names=["Amira", "Amira Schulz", "Frau Demir"])
    assert [(one.kind, one.passage) for one in found] == [(Kind.NAME, "Amira"), (Kind.NAME, "Frau Demir")]


def test_the_list_of_names_is_sorted_and_has_none_twice() -> None:
    names = list(first_names())
    assert len(names) == len({recognising._folded(name) for name in names}) > 1000
    assert all(name == name.lower() for name in names)


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
