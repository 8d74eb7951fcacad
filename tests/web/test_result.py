"""The result page against the reviewed cases: the contact that was meant, explained, and nothing that hurts."""

import random
import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml
from flask import Flask

from portal.catalogue.models import Region
from portal.clearing import Outcome, load_clearing
from portal.config import Settings
from portal.db import make_engine, session_factory
from portal.web.application import build
from tests.web.conftest import NOW
from tests.web.pages import Page, PageClient, text_of
from tests.web.walking import answer, question_of, walk

CASES = yaml.safe_load(
    (Path(__file__).parents[2] / "questionnaires" / "cases.yaml").read_text(encoding="utf-8")
)
OTHER_CIRCUMSTANCES = [case for case in CASES if "today" in case or "switches" in case]
"""These need another day or another setting of the region."""
CASES = [case for case in CASES if case not in OTHER_CIRCUMSTANCES]
TODAY = date(2026, 11, 20)
CAREER = {
    "berufsberatung",
    "agentur_arbeit",
    "arbeitgeberservice",
    "kammer",
    "studienberatung",
    "jugendberufshilfe",
    "anerkennung",
}
CLEARING = load_clearing(Path(__file__).parents[2] / "questionnaires")
URGENT_WORDS = {"now": "Am besten jetzt gleich", "today": "Am besten heute noch"}


def given(case: dict[str, Any]) -> dict[str, list[str]]:
    return {key: value if isinstance(value, list) else [value] for key, value in case["answers"].items()}


def walked(case: dict[str, Any]) -> Any:
    return CLEARING.walk({key: tuple(value) for key, value in given(case).items()})


USABLE = [case for case in CASES if walked(case).usable]
"""Cases with enough answers for a result page."""
DANGER = [case for case in USABLE if CLEARING.route(walked(case), switches={}, today=TODAY).safety]


def title(case: dict[str, Any]) -> str:
    return str(case["title"])


def with_answers(client: PageClient, answers: dict[str, list[str]]) -> None:
    """As if these had been given; the cookie is signed by the portal's own key."""
    with client.client.session_transaction() as cookie:
        cookie["a"] = answers


def expected(app: Flask, answers: dict[str, list[str]]) -> Outcome:
    portal = app.extensions["portal"]
    return portal.clearing.route(
        {key: tuple(value) for key, value in answers.items()}, switches=portal.switches, today=TODAY
    )


def kind_name(app: Flask, kind: str, lang: str = "de") -> str:
    text = app.extensions["portal"].catalogue.term("contact_kinds", kind).text("name", lang)
    return " ".join(text.text.split())


def shown_first(page: Page) -> str:
    return text_of(page.one("article.first h2"))


def shown_others(page: Page) -> list[str]:
    return [text_of(heading) for heading in page.all("#others li.card h3")]


def check_against(app: Flask, page: Page, outcome: Outcome, lang: str = "de") -> None:
    """What the page shows is what routing says, contact by contact and reason by reason."""
    meant = outcome.primary.named_kind or outcome.primary.kind
    assert shown_first(page) == kind_name(app, meant, lang)
    assert shown_others(page) == [kind_name(app, need.named_kind or need.kind, lang) for need in outcome.also]
    if lang == "de":
        assert text_of(page.one("article.first .why")) == outcome.primary.reason
        for entry in outcome.why_not:
            assert entry.text in page.text
        for said in outcome.said:
            if said.question_id != "place":
                assert said.label in text_of(page.one("details.said"))
        if outcome.primary.urgency in URGENT_WORDS:
            assert URGENT_WORDS[outcome.primary.urgency] in text_of(page.one("article.first"))


@pytest.mark.parametrize("case", USABLE, ids=title)
def test_the_page_shows_the_contact_that_was_meant(musterkreis_app: Flask, case: dict[str, Any]) -> None:
    client = PageClient(musterkreis_app)
    with_answers(client, given(case))
    page = client.page("/de/result")
    outcome = expected(musterkreis_app, given(case))
    assert outcome.primary.kind == case["kind"] or not {"law unknown"}.isdisjoint(title(case).split(", "))
    check_against(musterkreis_app, page, outcome)
    beside = {kind_name(musterkreis_app, kind) for kind in case.get("not_beside", ())}
    assert not beside & set(shown_others(page))


def test_too_few_answers_lead_back_to_the_question_that_is_open(musterkreis_app: Flask) -> None:
    few = [case for case in CASES if case not in USABLE]
    assert few
    for case in few:
        client = PageClient(musterkreis_app)
        with_answers(client, given(case))
        assert client.get("/de/result").location == f"/de/check/{walked(case).next.id}"


@pytest.mark.parametrize("case", USABLE[::9], ids=title)
@pytest.mark.parametrize("lang", ["en", "ar"])
def test_the_same_contact_in_another_language(harz_app: Flask, lang: str, case: dict[str, Any]) -> None:
    client = PageClient(harz_app)
    with_answers(client, given(case))
    outcome = expected(harz_app, given(case))
    page = client.page(f"/{lang}/result")
    check_against(harz_app, page, outcome, lang)


@pytest.mark.parametrize("case", USABLE[::10], ids=title)
def test_answering_question_by_question_leads_to_the_same_contact(app: Flask, case: dict[str, Any]) -> None:
    """Whatever is not in the case is "I don't know", until its last answer is given."""
    wanted = given(case)
    client = PageClient(app)
    path = str(client.get("/de/check").location)
    asked: set[str] = set()
    while question_of(path) != "result" and (set(wanted) - asked or len(asked) < 2):
        question = question_of(path)
        values = wanted.get(question, ["dont_know"])
        if question == "place" and values == ["inside"]:
            values = [app.extensions["portal"].catalogue.places.all()[0].ags]
        offered = {option.id for option in CLEARING.question(question).all_options}
        known = [value for value in values if value in offered or value.isdigit()]
        path = answer(client, path, tuple(known or ["dont_know"]))
        asked.add(question)
    page = client.page("/de/result")
    with client.client.session_transaction() as cookie:
        kept = dict(cookie["a"])
    if kept.get("place", [""])[0].isdigit():
        kept["place"] = ["inside"]
    check_against(app, page, expected(app, kept))


def answers_for(wanted: set[str], switches: dict[str, str]) -> Iterator[tuple[str, dict[str, list[str]]]]:
    """Walks at random, the same in every run, until every rule of `wanted` took part in an outcome."""
    draw = random.Random(2026)
    for _ in range(40_000):
        if not wanted:
            return
        answers: dict[str, tuple[str, ...]] = {}
        path = CLEARING.walk(answers)
        while path.next and draw.random() > 0.04:
            options = [option.id for option in path.next.options(path.audience)]
            several = draw.choice((1, 1, 2)) if path.next.type == "multiple" else 1
            answers[path.next.id] = tuple(draw.sample(options, several))
            path = CLEARING.walk(answers)
        if path.usable:
            outcome = CLEARING.route(path, switches=switches, today=TODAY)
            for rule in wanted & set(outcome.rules):
                wanted.remove(rule)
                yield rule, {question: list(options) for question, options in answers.items()}
    raise AssertionError(f"no answers found for {sorted(wanted)}")


def test_every_rule_of_the_table_makes_a_page(harz_app: Flask) -> None:
    """Those of another day or switch are shown below."""
    switches = harz_app.extensions["portal"].switches
    shown = {rule for case in USABLE for rule in expected(harz_app, given(case)).rules}
    elsewhere = {
        rule.id
        for rule in CLEARING.rules
        if (rule.valid_to and rule.valid_to < TODAY) or (rule.valid_from and rule.valid_from > TODAY)
    }
    by_switch = {
        rule
        for case in OTHER_CIRCUMSTANCES
        for rule in CLEARING.route(
            walked(case), switches=case.get("switches", {}), today=case.get("today", TODAY)
        ).rules
    }
    for rule, answers in answers_for(
        {r.id for r in CLEARING.rules} - shown - elsewhere - by_switch, switches
    ):
        client = PageClient(harz_app)
        with_answers(client, answers)
        outcome = expected(harz_app, answers)
        assert rule in outcome.rules
        check_against(harz_app, client.page("/de/result"), outcome)


@pytest.mark.parametrize(
    ("switch", "day"),
    sorted(
        {
            (case.get("switches", {}).get("ukraine_asylblg", ""), case.get("today", TODAY))
            for case in OTHER_CIRCUMSTANCES
        }
    ),
)
def test_a_region_s_switch_and_the_day_decide_too(own_settings: Settings, switch: str, day: date) -> None:
    if switch:
        engine = make_engine(own_settings.database)
        with session_factory(engine)() as session:
            region = session.get(Region, "musterkreis")
            assert region is not None
            region.settings = {**region.settings, "switches": {"ukraine_asylblg": switch}}
            session.commit()
        engine.dispose()
    app = build(own_settings, now=lambda: datetime.combine(day, time(9), UTC))
    for case in OTHER_CIRCUMSTANCES:
        if case.get("today", TODAY) == day and case.get("switches", {}).get("ukraine_asylblg", "") == switch:
            client = PageClient(app)
            with_answers(client, given(case))
            assert shown_first(client.page("/de/result")) == kind_name(app, case["kind"]), case["title"]


def test_every_contact_kind_has_a_complete_card(app: Flask) -> None:
    """Whatever kind comes first, the card has a reason, a way, and says what is missing."""
    seen = set()
    for case in USABLE:
        if case["kind"] in seen:
            continue
        client = PageClient(app)
        with_answers(client, given(case))
        seen.add(case["kind"])
        page = client.page("/de/result")
        first = page.one("article.first")
        assert text_of(first.select_one(".why"))
        assert first.select('a[href^="tel:"], a[href^="mailto:"], a[href^="https:"], address, .box'), case[
            "title"
        ]
        if not first.select('a[href^="tel:"]'):
            assert first.select(".box, a[href^='https:']"), (
                f"{case['title']}: no number and not a word about it"
            )
        for label in first.select("dt, h3"):
            assert text_of(label)
        for link in page.all('main a[href^="/de/offers/"]'):
            assert client.get(str(link["href"])).status_code == 200, link["href"]
    assert len(seen) >= 30


@pytest.mark.parametrize("case", DANGER, ids=title)
def test_in_danger_there_are_no_offers_and_no_careers(harz_app: Flask, case: dict[str, Any]) -> None:
    app = harz_app
    client = PageClient(app)
    with_answers(client, given(case))
    page = client.page("/de/result")
    assert not page.all("#offers")
    assert not page.all('main a[href*="/offers?"]')
    names = {shown_first(page), *shown_others(page)}
    assert not names & {kind_name(app, kind) for kind in CAREER}
    assert "nicht allein" in page.h1
    assert page.all('main a[href^="tel:"]'), "somebody to call"


def test_the_result_explains_itself(client: PageClient) -> None:
    page = walk(
        client,
        "de",
        {"topic": ("training_place", "no_plan"), "age": "age_15_17", "activity": "school", "benefits": "family",
         "place": "Tannwerder"},
    )  # fmt: skip
    with client.client.session_transaction() as cookie:
        outcome = expected(client.app, {**cookie["a"], "place": ["inside"]})
    assert len(outcome.because) >= 2
    assert outcome.why_not
    said = text_of(page.one("details.said summary"))
    assert "Tannwerder" in said
    assert all(entry.label in said for entry in outcome.said if entry.question_id != "place")
    why = next(text_of(details) for details in page.all("main details") if "Warum hier" in text_of(details))
    sentence = why[why.index("Darum fangen wir hier an:") :].split(". ")[0]
    assert all(entry.label in sentence for entry in outcome.because)
    assert all(entry.text in why for entry in outcome.why_not), "and why not the other office"


@pytest.mark.parametrize("lang", ["en", "ar"])
def test_a_card_in_two_languages_for_the_counter(harz: PageClient, lang: str) -> None:
    result = walk(harz, lang, {"topic": "training_place", "age": "age_15_17", "activity": "school"})
    path = str(result.one('article.first a[href*="/result/both/"]')["href"])
    page = harz.page(path)
    german = " ".join(text_of(tag) for tag in page.all('[lang="de"]'))
    assert "Berufsberatung" in german
    assert "Ich hätte gern einen Termin." in german
    assert all(tag.get("dir") == "ltr" for tag in page.all('main [lang="de"]'))
    assert page.response.headers["Cache-Control"] == "no-store"
    assert harz.get(f"/{lang}/result/both/nonsense").status_code == 404
    assert harz.get(f"/{lang}/result/both/auslaenderbehoerde").status_code == 404, "only what is on the page"


def test_what_is_handed_on_names_the_office_and_no_answer(client: PageClient) -> None:
    page = walk(
        client, "de", {"topic": "money", "money_issue": "debts", "age": "age_18_20", "place": "Tannwerder"}
    )
    shared = page.one("[data-share]")
    address = urlsplit(str(shared["data-share"]))
    assert address.path.startswith("/de/offers/")
    assert not address.query
    assert PageClient(client.app).get(address.path).status_code == 200
    for attribute in ("data-share", "data-text"):
        for word in ("Schulden haben", "18 bis 20", "Du hast gesagt"):
            assert word not in str(shared[attribute])
    for image in page.all("img"):
        response = client.get(str(image["src"]))
        assert response.status_code == 200
        assert image["alt"]
    calendar = page.all('main a[href$=".ics"]')
    for link in calendar:
        assert client.get(str(link["href"])).status_code == 200


def test_a_calendar_is_only_offered_where_there_is_one(app: Flask) -> None:
    broken = []
    for case in USABLE[::3]:
        client = PageClient(app)
        with_answers(client, given(case))
        response = client.get("/de/result")
        for link in set(re.findall(r'href="([^"]+\.ics)"', response.get_data(as_text=True))):
            if client.get(link).status_code != 200:
                broken.append(link)
    assert not broken, sorted(set(broken))


def test_the_first_card_says_when_to_come_also_on_paper(client: PageClient) -> None:
    page = walk(client, "de", {"topic": "job", "age": "age_18_20", "place": "Tannwerder"})
    fold = next(d for d in page.all("article.first details") if "Adresse" in text_of(d.select_one("summary")))
    assert fold.select("address")
    week = fold.select_one(".week")
    assert week is not None and "Montag" in text_of(week) and re.search(r"\d:00–\d", text_of(week))
    assert not [part for part in (week, *week.parents) if "noprint" in (part.get("class") or ())]


def test_who_is_told_to_go_there_is_told_where(harz: PageClient) -> None:
    answers = {"topic": "home", "tonight": "no", "age": "age_18_20", "place": "Wernigerode"}
    page = walk(harz, "de", answers)
    told = [card for card in page.all("#others .card") if "geh einfach hin" in text_of(card).lower()]
    assert told
    for card in told:
        assert re.search(r"\d{5} \w", text_of(card.select_one("address")))


@pytest.mark.parametrize("safe", ["safe", "forced", "dont_know"])
def test_a_boy_who_is_hurt_is_not_turned_away(harz: PageClient, safe: str) -> None:
    page = walk(harz, "de", {"topic": "violence", "safe_now": safe, "age": "age_15_17"})
    first = page.one("article.first")
    assert "Frauen" not in text_of(first.select_one("h2").parent)
    for_all = first.select_one('a.btn[href="tel:116006"]')
    assert for_all is not None and "auch Jungen" in text_of(for_all)
    assert not for_all.find_parents("details")
    arabic = walk(harz, "ar", {"topic": "violence", "safe_now": safe, "age": "age_15_17"})
    assert "النساء" not in text_of(arabic.one("article.first h2").parent)


def test_the_way_from_here_counts_the_visitor_s_place(harz: PageClient) -> None:
    """Two towns, two houses of the same office."""
    towns = {}
    for town in ("Wernigerode", "Quedlinburg", "Halberstadt"):
        page = walk(
            PageClient(harz.app),
            "de",
            {"topic": "money", "money_issue": "living", "age": "age_21_24", "place": town},
        )
        towns[town] = text_of(page.one("article.first address"))
        assert town in towns[town]
    assert len(set(towns.values())) == 3


def test_a_result_is_as_fresh_as_the_clock(client: PageClient) -> None:
    """It is Friday, ten o'clock: what is open says until when, and nothing says it is closed and open."""
    page = walk(client, "de", {"topic": "training_place", "age": "age_15_17", "activity": "school"})
    assert NOW.strftime("%A") == "Friday"
    words = text_of(page.one("article.first"))
    assert re.search(r"Offen bis \d{1,2}:\d{2}|Öffnet \w+|Tag und Nacht", words)
