"""Machine drafts, against a server on this machine that speaks LibreTranslate's interface."""

from collections.abc import Iterator
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlmodel import Session

from portal.catalogue.queries import service_by_slug
from portal.catalogue.translating import machine
from portal.catalogue.translating.machine import Drafts, Keeper, LibreTranslate, TranslatorError
from portal.catalogue.translating.texts import subject
from tests.catalogue.translator import StandIn, stand_in
from tests.factories import REGION, a_service, an_organization
from tests.factories import a_translation as translated


@pytest.fixture
def server() -> Iterator[StandIn]:
    with stand_in() as server:
        yield server


@pytest.fixture
def client(server: StandIn) -> LibreTranslate:
    return LibreTranslate(server.url, server.key, timeout=0.5)


def draft(session: Session, client: machine.Translator, now: datetime, slug: str = "beratung") -> Drafts:
    session.commit()
    return machine.draft(
        session,
        REGION,
        subject(session, REGION, "service", slug),
        "en",
        client,
        names=machine.kept_names(session, REGION),
        author=None,
        now=now,
    )


def sent(server: StandIn) -> list[str]:
    return [text for wish in server.received for text in wish["q"]]


# The server.


def test_it_speaks_the_interface(server: StandIn, client: LibreTranslate) -> None:
    assert client.languages() == {"de", "en", "ar"}
    texts = [f"Satz {n}" for n in range(45)]
    assert client.translate(texts, "ar") == [f"ar:{text}" for text in texts]
    assert [len(wish["q"]) for wish in server.received] == [20, 20, 5]
    assert {key for wish in server.received for key in wish} == {"q", "source", "target", "format", "api_key"}


def test_a_server_below_a_path_and_without_a_key(server: StandIn) -> None:
    server.key = None  # type: ignore[assignment]
    assert LibreTranslate(f"{server.url}/").translate(["Hallo"], "en-GB") == ["en:Hallo"]


@pytest.mark.parametrize(
    ("status", "code"), [(403, "refused"), (429, "limit"), (400, "language"), (500, "answer")]
)
def test_every_refusal_has_a_name(server: StandIn, client: LibreTranslate, status: int, code: str) -> None:
    server.status = status
    with pytest.raises(TranslatorError) as error:
        client.translate(["Geheimes Wort"], "en")
    assert error.value.code == code
    assert "Geheimes" not in str(error.value) and server.key not in str(error.value)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"[]",
        b"{",
        b'{"translatedText": 5}',
        b'{"translatedText": []}',
        b'{"translatedText": [null]}',
        b"\xff",
    ],
)
def test_an_answer_that_is_none(server: StandIn, client: LibreTranslate, raw: bytes) -> None:
    server.raw = raw
    with pytest.raises(TranslatorError) as error:
        client.translate(["Hallo"], "en")
    assert error.value.code == "answer"


def test_a_wrong_key(server: StandIn) -> None:
    with pytest.raises(TranslatorError) as error:
        LibreTranslate(server.url, "wrong").translate(["Hallo"], "en")
    assert error.value.code == "refused"


def test_slow_and_absent_servers(server: StandIn, client: LibreTranslate) -> None:
    server.delay = 0.8
    with pytest.raises(TranslatorError) as error:
        client.translate(["Hallo"], "en")
    assert error.value.code == "timeout"
    with pytest.raises(TranslatorError) as error:
        LibreTranslate("http://127.0.0.1:9").translate(["Hallo"], "en")
    assert error.value.code == "unreachable"


@pytest.mark.parametrize("url", ["ftp://a", "localhost:5000", "http://", "http://a/?x=1"])
def test_an_address_that_is_none(url: str) -> None:
    with pytest.raises(TranslatorError):
        machine.translator(url)


def test_off_by_default() -> None:
    assert machine.translator("") is None


# Drafts.


def test_a_draft_is_marked_as_one(session: Session, client: LibreTranslate, now: datetime) -> None:
    a_service(session, "beratung", name="Hilfe beim Lernen")
    made = draft(session, client, now)
    assert set(made.fields) == {"name", "description"} and not made.skipped
    view = service_by_slug(session, REGION, "beratung")
    assert view is not None
    text = view.text("name", "en")
    assert text is not None and (text.text, text.status) == ("en:Hilfe beim Lernen", "machine")


def test_what_a_person_wrote_is_never_touched(
    session: Session, server: StandIn, client: LibreTranslate, now: datetime
) -> None:
    service = a_service(session, "beratung", alternate_name="Beratungsstelle für alle")
    translated(session, service, "name", text="By a person", status="unchecked")
    translated(session, service, "description", text="Outdated", status="checked", source_hash="0" * 12)
    translated(session, service, "alternate_name", text="Old draft", status="machine", source_hash="0" * 12)
    assert draft(session, client, now).fields == ("alternate_name",)
    assert sent(server) == ["Beratungsstelle für alle"]
    found = subject(session, REGION, "service", "beratung")
    assert found.item("en", "name").text == "By a person"
    assert found.item("en", "description").text == "Outdated"


@pytest.mark.parametrize("hidden", ["draft", "organization"])
def test_only_public_texts_are_sent(
    session: Session, server: StandIn, client: LibreTranslate, now: datetime, hidden: str
) -> None:
    organization = an_organization(
        session, "amt", status="draft" if hidden == "organization" else "published"
    )
    a_service(
        session, "beratung", organization=organization, status="draft" if hidden == "draft" else "published"
    )
    assert not draft(session, client, now)
    assert server.received == []


def test_notes_for_colleagues_are_never_sent(
    session: Session, server: StandIn, client: LibreTranslate, now: datetime
) -> None:
    a_service(session, "beratung", source={"note": "Frau X fragen", "name": "Flyer"}, email="amt@tal.example")
    draft(session, client, now)
    assert set(sent(server)) == {"Angebot beratung", "Hier hilft dir jemand."}


def test_names_of_authorities_survive(
    session: Session, server: StandIn, client: LibreTranslate, now: datetime
) -> None:
    server.change = lambda text, target: text.replace("Geh zum", "Go to").replace("oder zu", "or")
    an_organization(session, "anker", name="Anker e. V.")
    a_service(session, "beratung", description="Geh zum Jobcenter oder zu Anker e. V.", name="Jugendamt")
    made = draft(session, client, now)
    assert made.skipped == {"name": "name_only"}
    assert subject(session, REGION, "service", "beratung").item("en", "description").text == (
        "Go to Jobcenter or Anker e. V."
    )
    assert "Jobcenter" not in "".join(sent(server)) and "Anker" not in "".join(sent(server))


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ("Go to the office, from 16.", "name_lost"),
        ("XQAQX and XQAQX, from 16", "name_lost"),
        ("XQAQX and XQBQX, from 16", "name_lost"),
        ("XQAQX, from 18.", "figures"),
        ("XQAQX.", "figures"),
        (f"XQAQX 16 {'x' * 2000}", "too_long"),
    ],
)
def test_a_spoilt_draft_is_thrown_away(
    session: Session, server: StandIn, client: LibreTranslate, now: datetime, answer: str, why: str
) -> None:
    server.change = lambda text, target: answer if "XQ" in text else text
    a_service(session, "beratung", description="Ab 16 ins Jobcenter.")
    made = draft(session, client, now)
    assert made.skipped == {"description": why}
    assert subject(session, REGION, "service", "beratung").item("en", "description").state == "missing"


def test_an_empty_answer_is_no_draft(
    session: Session, server: StandIn, client: LibreTranslate, now: datetime
) -> None:
    server.change = lambda text, target: "  "
    a_service(session, "beratung")
    assert set(draft(session, client, now).skipped.values()) == {"empty"}


def test_a_person_who_was_quicker_wins(
    session: Session, server: StandIn, client: LibreTranslate, now: datetime
) -> None:
    service = a_service(session, "beratung")
    session.commit()

    class Slow:
        def languages(self) -> frozenset[str]:
            return frozenset({"en"})

        def translate(self, texts: list[str], language: str) -> list[str]:
            translated(session, service, "name", text="By a person")
            session.commit()
            return client.translate(texts, language)

    made = draft(session, Slow(), now)  # type: ignore[arg-type]
    assert made.skipped == {"name": "changed"} and made.fields == ("description",)
    assert subject(session, REGION, "service", "beratung").item("en", "name").text == "By a person"


def test_nothing_is_written_when_the_server_fails(
    session: Session, server: StandIn, client: LibreTranslate, now: datetime
) -> None:
    server.status = 500
    a_service(session, "beratung")
    with pytest.raises(TranslatorError):
        draft(session, client, now)
    assert {one.state for one in subject(session, REGION, "service", "beratung").items("en")} == {"missing"}


NAMES = ("Jobcenter", "Jobcenter Tal", "Amt für Jugend", "AfJ")


@given(
    st.lists(
        st.one_of(st.sampled_from(NAMES), st.sampled_from(["und", "geh", "zum", ",", "(", ")"])), max_size=40
    )
)
def test_hidden_and_shown_is_the_same(words: list[str]) -> None:
    text = " ".join(words)
    hidden, names = Keeper(NAMES).hide(text)
    assert not any(name in hidden for name in NAMES)
    assert Keeper.show(hidden, names) == text
    assert not any(char.isdigit() for char in hidden)


def test_a_name_inside_a_word_is_no_name() -> None:
    assert Keeper(["Amt"]).hide("Amtszeit im Amt")[1] == ["Amt"]
    assert Keeper([]).hide("Amt") == ("Amt", [])
