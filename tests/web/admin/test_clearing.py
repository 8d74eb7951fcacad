"""The questionnaire in the admin pages: read, proved, tried out, reworded."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from sqlmodel import Session, select

from portal.accounts.models import AuditEvent, Role
from portal.catalogue.models import TextOverride
from portal.catalogue.revision import text_hash
from portal.web.admin import clearing
from portal.web.application import Portal
from tests.web.admin.conftest import SignIn
from tests.web.admin.pages import AdminClient
from tests.web.pages import PageClient

FIRST = "Für wen fragst du?"
KEY = text_hash(FIRST)


@pytest.fixture
def coordinator(signed_in: SignIn) -> AdminClient:
    return signed_in(Role.COORDINATOR)


def test_every_question_and_rule_is_there_in_words(coordinator: AdminClient, admin_portal: Portal) -> None:
    page = coordinator.page("/admin/clearing")
    assert len(page.all("li[id^=question-]")) == len(admin_portal.clearing.questions)
    page = coordinator.page("/admin/clearing/rules")
    assert len(page.all("li[id^=rule-]")) == len(admin_portal.clearing.rules)
    rule = page.one("#rule-r02b_feeling_very_bad").get_text(" ", strip=True)
    assert "Mir geht es" in rule or "„Was ist gerade los?“" in rule or "“Was ist gerade los?”" in rule


def test_facts_that_are_mentioned_are_explained_on_the_page(coordinator: AdminClient) -> None:
    page = coordinator.page("/admin/clearing/rules")
    mentioned = {str(a["href"]) for a in page.all('a[href^="#fact-"]')}
    assert mentioned
    for address in mentioned:
        assert page.one(address)


def test_rules_of_one_contact(coordinator: AdminClient, admin_portal: Portal) -> None:
    page = coordinator.page("/admin/clearing/rules?kind=jobcenter")
    wanted = {f"rule-{rule.id}" for rule in admin_portal.clearing.rules if rule.kind == "jobcenter"}
    assert {str(li["id"]) for li in page.all("li[id^=rule-]")} == wanted


def test_the_check_runs_beside_the_answer_and_says_when_it_is_old(
    coordinator: AdminClient, monkeypatch: pytest.MonkeyPatch, database: Session, admin_portal: Portal
) -> None:
    held: list[Callable[[], None]] = []
    monkeypatch.setattr(clearing, "begin_work", held.append)

    class Report:
        passed, problems, answer_sets, states, longest_path, seconds = True, (), 1234, 5, 7, 0.1

    asked: list[Any] = []
    monkeypatch.setattr(clearing, "prove", lambda *given, **named: asked.append(given) or Report())
    coordinator.submit("/admin/clearing", to="/admin/clearing/check")
    assert coordinator.page("/admin/clearing").all("#check [data-hx-trigger]")
    coordinator.send("/admin/clearing/check")
    assert len(held) == 1, "it runs already"
    held[0]()
    page = coordinator.page("/admin/clearing")
    assert "1 234" in page.text
    assert not page.all("#check [data-hx-trigger]")
    before = page.text
    coordinator.submit(f"/admin/clearing/texts/{KEY}", {"text": "Um wen geht es?", "seen": "0"})
    admin_portal.catalogue._checked_at = float("-inf")
    admin_portal.catalogue.refresh()
    assert coordinator.page("/admin/clearing").text != before


def test_a_check_that_breaks_off_says_so(coordinator: AdminClient, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_given: Any, **_named: Any) -> Any:
        raise OSError

    monkeypatch.setattr(clearing, "begin_work", lambda work: work())
    monkeypatch.setattr(clearing, "prove", broken)
    coordinator.send("/admin/clearing/check")
    assert coordinator.page("/admin/clearing").all("#check .error")


def test_what_the_check_found_has_the_names_of_places_kinds_and_questions(
    coordinator: AdminClient, monkeypatch: pytest.MonkeyPatch, admin_portal: Portal
) -> None:
    place = admin_portal.catalogue.places.all()[0]
    question = admin_portal.clearing.questions[0]
    rule = admin_portal.clearing.rules[0]
    messages = (
        f"jobcenter has no desk for {place.ags}",
        f"question {question.id} is never asked",
        f"rule {rule.id} is never the first contact and never beside it",
        "something else",
    )

    class Report:
        passed, answer_sets, states, longest_path, seconds = False, 1, 1, 1, 0.1
        problems = tuple(SimpleNamespace(message=message) for message in messages)

    monkeypatch.setattr(clearing, "begin_work", lambda work: work())
    monkeypatch.setattr(clearing, "prove", lambda *_given, **_named: Report())
    coordinator.send("/admin/clearing/check")
    lines = coordinator.page("/admin/clearing").all("#check li")
    said = [next(iter(line.stripped_strings)) for line in lines]
    names = {term.code: term.name for term in admin_portal.catalogue.terms("contact_kinds")}
    assert place.name in said[0]
    assert names["jobcenter"] in said[0]
    assert question.id not in said[1]
    assert names[rule.kind] in said[2]
    assert said[3] == "something else"


def tried(client: AdminClient, answers: dict[str, Any]) -> Any:
    fields = {f"q.{name}": value for name, value in answers.items()}
    return client.sent(client.send("/admin/clearing/try", fields), "/admin/clearing/try")


@pytest.mark.parametrize(
    ("answers", "rule"),
    [
        ({"who": "me", "topic": ["feeling_bad"], "crisis": "now"}, "r01_self_harm_now"),
        ({"topic": ["feeling_bad"]}, "r02b_feeling_very_bad"),
    ],
)
def test_tried_answers_lead_where_the_portal_leads(
    coordinator: AdminClient, admin_portal: Portal, answers: dict[str, Any], rule: str
) -> None:
    page = tried(coordinator, answers)
    given = {name: tuple(value) if isinstance(value, list) else (value,) for name, value in answers.items()}
    outcome = admin_portal.clearing.route(
        given, switches=admin_portal.switches, today=admin_portal.catalogue.today
    )
    assert rule in outcome.rules
    fired = [code.get_text() for code in page.all("section[aria-labelledby=fired] summary code")]
    assert fired == list(outcome.rules)
    assert outcome.primary.reason in page.text


def test_a_place_decides_the_office_and_nonsense_is_named(coordinator: AdminClient) -> None:
    assert "xyzzy" in tried(coordinator, {"topic": ["money"], "age": "age_18_20", "place": "xyzzy"}).text
    page = tried(coordinator, {"who": "me", "place": "Quellmünde", "made_up": "x"})
    assert page.all("section[aria-labelledby=first] a")


def test_nothing_at_all_still_leads_to_somebody(coordinator: AdminClient) -> None:
    assert tried(coordinator, {}).all("section[aria-labelledby=first] a")


def test_answers_are_kept_only_as_a_case(coordinator: AdminClient, database: Session) -> None:
    page = tried(coordinator, {"who": "me", "topic": ["feeling_bad"], "crisis": "now"})
    answers = str(page.one("input[name=answers]")["value"])
    coordinator.submit(
        "/admin/clearing/try",
        {"title": "in Not", "kind": "jobcenter", "answers": answers},
        to="/admin/clearing/cases",
    )
    page = coordinator.page("/admin/clearing/cases")
    first = page.all("tbody tr")[0].get_text(" ", strip=True)
    assert "in Not" in first, "what ends elsewhere stands on top"
    assert page.one("tbody tr:first-child .bad-tag")
    coordinator.submit("/admin/clearing/cases", {"title": "in Not", "do": "remove"})
    assert "in Not" not in coordinator.page("/admin/clearing/cases").one("tbody").get_text()
    logged = database.execute(select(AuditEvent).where(AuditEvent.region == "musterkreis")).scalars().all()
    assert "crisis" not in repr([(event.entity_name, event.details) for event in logged])


@pytest.mark.parametrize(
    "fields",
    [
        {"title": "", "kind": "jobcenter", "answers": '{"who": ["me"]}'},
        {"title": "a", "kind": "unknown", "answers": '{"who": ["me"]}'},
        {"title": "a", "kind": "jobcenter", "answers": "[1"},
        {"title": "a", "kind": "jobcenter", "answers": '{"who": ["nobody"]}'},
        {"title": "a", "kind": "jobcenter", "answers": '{"made_up": ["me"]}'},
    ],
)
def test_a_case_without_sense_is_refused(coordinator: AdminClient, fields: dict[str, str]) -> None:
    answer = coordinator.send("/admin/clearing/cases", fields)
    assert coordinator.sent(answer, "/admin/clearing/cases", status=422).one(".box.wrong")


def test_every_shipped_case_has_a_german_title_of_its_own(admin_portal: Portal) -> None:
    cases = clearing.shipped_cases(admin_portal.settings.questionnaires_dir)
    titles = [case.get("title_de") for case in cases]
    assert all(title and title != case["title"] for title, case in zip(titles, cases, strict=True))


def test_the_reviewed_cases_all_end_where_they_should(coordinator: AdminClient) -> None:
    page = coordinator.page("/admin/clearing/cases")
    assert len(page.all("tbody tr")) >= 90
    assert not page.all("tbody .bad-tag")


def test_a_reworded_question_stands_on_the_public_page_and_goes_back(
    coordinator: AdminClient, public: PageClient, database: Session
) -> None:
    portal: Portal = public.app.extensions["portal"]

    def question(language: str) -> str:
        portal.catalogue._checked_at = float("-inf")
        return public.page(f"/{language}/check/who").h1

    translated = question("en")
    assert question("de") == FIRST
    coordinator.submit(f"/admin/clearing/texts/{KEY}", {"text": " Um wen \n geht es? ", "seen": "0"})
    assert question("de") == "Um wen geht es?"
    assert question("en") == translated, "a translation of the earlier text is better than German"
    page = coordinator.page("/admin/clearing/texts?state=changed")
    [row] = page.all("tbody tr")
    assert "Um wen geht es?" in row.get_text()
    assert row.find_all("td")[-1].get_text(), "outdated in English and Arabic"
    coordinator.submit(f"/admin/clearing/texts/{KEY}", {"do": "back", "seen": "1"})
    assert question("de") == FIRST
    assert [row.text for row in database.execute(select(TextOverride)).scalars()] == ["Um wen geht es?", None]


def test_two_who_reword_the_same_text_lose_nothing(coordinator: AdminClient) -> None:
    path = f"/admin/clearing/texts/{KEY}"
    coordinator.submit(path, {"text": "Um wen geht es?", "seen": "0"})
    answer = coordinator.send(path, {"text": "Wer braucht etwas?", "seen": "0"})
    page = coordinator.sent(answer, path, status=422)
    assert page.one("textarea").get_text() == "Wer braucht etwas?"
    assert "Um wen geht es?" in page.text
    again = {str(field["name"]): str(field["value"]) for field in page.all("form.card input[name=seen]")}
    coordinator.submit(path, {"text": "Wer braucht etwas?", **again})
    assert coordinator.page(path).one("textarea").get_text() == "Wer braucht etwas?"


@pytest.mark.parametrize("text", ["", "   ", "x" * 1001])
def test_a_text_that_cannot_stand_there_is_refused(coordinator: AdminClient, text: str) -> None:
    path = f"/admin/clearing/texts/{KEY}"
    answer = coordinator.send(path, {"text": text, "seen": "0"})
    assert coordinator.sent(answer, path, status=422).one("#text-error")


def test_reworded_texts_are_only_text(coordinator: AdminClient, public: PageClient) -> None:
    evil = "<script>alert(1)</script>\"'>&amp;"
    coordinator.submit(f"/admin/clearing/texts/{KEY}", {"text": evil, "seen": "0"})
    public.app.extensions["portal"].catalogue._checked_at = float("-inf")
    assert public.page("/de/check/who").h1 == evil
    assert coordinator.page(f"/admin/clearing/texts/{KEY}").one("textarea").get_text() == evil


def test_who_keeps_only_a_part_of_the_county_rewords_nothing(signed_in: SignIn, admin_portal: Portal) -> None:
    part = next(place.ags for place in admin_portal.catalogue.places.all())
    local = signed_in(Role.COORDINATOR, area=part)
    path = f"/admin/clearing/texts/{KEY}"
    assert not local.page(path).all("textarea")
    assert local.send(path, {"text": "x", "seen": "0"}).status_code == 403
    assert local.send("/admin/clearing/cases", {"title": "x", "do": "remove"}).status_code == 403


def test_unknown_texts_and_cases_are_not_there(coordinator: AdminClient) -> None:
    coordinator.page("/admin/clearing/texts/000000000000", status=404)
    assert coordinator.send("/admin/clearing/cases", {"title": "x", "do": "remove"}).status_code == 404
    assert coordinator.page("/admin/clearing/texts?q=xyzzy").text
