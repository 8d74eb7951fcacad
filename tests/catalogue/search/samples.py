"""Documents for the tests of the index: a small made-up catalogue, and one of any size."""

import random
from dataclasses import replace
from uuid import NAMESPACE_URL, UUID, uuid5

from portal.catalogue.search.documents import ServiceDocument, Site, Texts
from portal.catalogue.search.index import Place

HALBERSTADT = Place("15085135", 51.8958, 11.0467)
WERNIGERODE = Place("15085370", 51.8344, 10.7853)


def id_of(slug: str) -> UUID:
    return uuid5(NAMESPACE_URL, slug)


def a_document(slug: str, name: str = "", summary: str = "", **changes: object) -> ServiceDocument:
    texts = {"de": Texts(name=name or slug.replace("-", " "), summary=summary, organization="Amt")}
    document = ServiceDocument(id=id_of(slug), slug=slug, texts=texts, areas=("15085",))
    return replace(document, **changes)  # type: ignore[arg-type]


def site(place: Place) -> Site:
    return Site(place.ags, place.latitude, place.longitude)


def some_documents() -> list[ServiceDocument]:
    return [
        a_document(
            "jobcenter",
            "Jobcenter im Kreis",
            "Hier bekommst du Geld zum Leben, wenn es nicht reicht.",
            kinds=("jobcenter",),
            desk_for=("jobcenter",),
            topics=("geld_leben",),
            free=True,
            formats=("vor_ort",),
            sites=(site(HALBERSTADT),),
        ),
        a_document(
            "suchtberatung-wernigerode",
            "Suchtberatung",
            "Kiffen, Alkohol oder Zocken machen dir Probleme?",
            texts={
                "de": Texts(
                    name="Suchtberatung",
                    summary="Kiffen, Alkohol oder Zocken machen dir Probleme?",
                    organization="Diakonie",
                    topics=("Sucht",),
                ),
                "ar": Texts(
                    name="استشارة الإدمان", summary="هل لديك مشكلة مع المخدرات؟", organization="Diakonie"
                ),
            },
            organization="diakonie",
            kinds=("suchtberatung",),
            desk_for=("suchtberatung",),
            topics=("sucht",),
            languages=("de", "ar"),
            formats=("vor_ort", "telefon"),
            free=True,
            sites=(site(WERNIGERODE),),
        ),
        a_document(
            "suchtberatung-halberstadt",
            "Suchtberatung",
            "Kiffen, Alkohol oder Zocken machen dir Probleme?",
            kinds=("suchtberatung",),
            desk_for=("suchtberatung",),
            topics=("sucht",),
            formats=("vor_ort",),
            sites=(site(HALBERSTADT),),
        ),
        a_document(
            "ausbildungsplatzsuche",
            "Ausbildungsplatzsuche",
            "Wir finden mit dir einen Betrieb.",
            kinds=("berufsberatung",),
            topics=("ausbildungsplatz",),
            minimum_age=15,
            maximum_age=25,
            formats=("online",),
        ),
        a_document(
            "kammer",
            "Beratung der Kammer",
            "Ärger mit dem Chef? Wir vermitteln.",
            kinds=("kammer",),
            desk_for=("kammer",),
            topics=("ausbildung_probleme",),
            minimum_age=16,
        ),
        a_document(
            "maedchentreff",
            "Mädchentreff",
            "Offener Treff für Mädchen.",
            topics=("familie",),
            target_groups=("maedchen",),
            areas=("15085135",),
            minimum_age=10,
            maximum_age=18,
            sites=(site(HALBERSTADT),),
        ),
        a_document(
            "telefonseelsorge",
            "TelefonSeelsorge",
            "Tag und Nacht ist jemand da.",
            kinds=("krisentelefon",),
            desk_for=("krisentelefon",),
            topics=("krise",),
            areas=("",),
            formats=("telefon",),
            free=True,
        ),
        a_document(
            "deutschkurs",
            "Deutschkurs",
            "Deutsch lernen, auch am Abend.",
            kinds=("migrationsberatung",),
            topics=("sprache",),
            languages=("de", "uk", "ar"),
            sites=(site(WERNIGERODE), site(HALBERSTADT)),
        ),
    ]


_WORDS = [
    "Ausbildung",
    "Beratung",
    "Schule",
    "Wohnung",
    "Geld",
    "Hilfe",
    "Beruf",
    "Treff",
    "Kurs",
    "Sprache",
    "Familie",
    "Kinder",
    "Gesundheit",
    "Arbeit",
    "Betrieb",
    "Praktikum",
    "Bewerbung",
    "Zeugnis",
    "Abschluss",
    "Antrag",
    "Konflikt",
    "Trennung",
    "Sucht",
    "Schulden",
    "Freizeit",
    "Sport",
    "Musik",
    "Werkstatt",
    "Garten",
    "Lernen",
    "Mentor",
    "Begleitung",
    "Gruppe",
    "Termin",
    "Gespräch",
    "Telefon",
    "Internet",
    "Stadt",
    "Kreis",
    "Verein",
    "Projekt",
    "Chance",
    "Zukunft",
]


def many_documents(number: int, seed: int = 1) -> list[ServiceDocument]:
    chance = random.Random(seed)
    topics = ["geld_leben", "sucht", "schulden", "wohnen", "familie", "ausbildungsplatz", "sprache", "psyche"]
    kinds = ["jobcenter", "suchtberatung", "schuldnerberatung", "berufsberatung", "kammer", "clearing"]

    def some(codes: list[str], most: int = 2) -> tuple[str, ...]:
        return tuple(sorted(chance.sample(codes, chance.randint(0, most))))

    def text(length: int) -> str:
        return " ".join(
            chance.choice(_WORDS)
            if chance.random() < 0.8
            else chance.choice(_WORDS) + chance.choice(_WORDS).lower()
            for _ in range(length)
        )

    documents = []
    for i in range(number):
        youngest = chance.choice([None, None, 12, 14, 16, 18])
        place = chance.choice([None, HALBERSTADT, WERNIGERODE])
        documents.append(
            a_document(
                f"offer-{i}",
                texts={"de": Texts(name=text(4), summary=text(40), organization=text(2), text=text(20))},
                kinds=some(kinds),
                topics=some(topics),
                target_groups=some(["eltern", "azubis", "schueler"]),
                formats=some(["vor_ort", "online", "telefon"]),
                languages=some(["de", "ar", "en", "uk"]),
                free=chance.random() < 0.5,
                minimum_age=youngest,
                maximum_age=chance.choice([None, 21, 25, 27]),
                areas=chance.choice([("15085",), ("15",), ("",), ("15085135",), ("15085370",)]),
                sites=(
                    (
                        Site(
                            place.ags,
                            place.latitude + chance.random() / 5,
                            place.longitude + chance.random() / 5,
                        ),
                    )  # type: ignore[operator]
                    if place
                    else ()
                ),
                confirmed=chance.random() < 0.2,
            )
        )
    return documents
