"""The check finds nothing in what we ship, and finds each kind of mistake when we make it."""

from datetime import date
from itertools import combinations

import pytest
import yaml

from portal.clearing.checks import check
from portal.clearing.flow import choices
from tests.clearing.builders import a_questionnaire, a_routing, entry, load
from tests.clearing.conftest import QUESTIONNAIRES

TODAY = date(2026, 11, 20)


@pytest.fixture(scope="module")
def report(clearing):
    return check(clearing, today=TODAY)


def test_the_shipped_questionnaire_passes(report):
    assert [problem.message for problem in report.problems] == []
    assert report.longest_path <= 8
    assert report.answer_sets > 2_000_000
    assert report.seconds < 60


def test_every_contact_kind_is_reached(report):
    from portal.clearing import KINDS

    assert set(report.kinds) == set(KINDS)


def test_the_small_questionnaire_passes(tmp_path):
    report = check(load(tmp_path, a_questionnaire(), a_routing()), today=TODAY)
    assert report.problems == []


def count_by_hand(clearing):
    """Every complete answer set, one by one, through the public walk."""
    complete, longest, pending = 0, 0, [{}]
    while pending:
        answers = pending.pop()
        path = clearing.walk(answers)
        if path.next is None:
            complete += 1
            longest = max(longest, len(path.steps))
            continue
        for bits in choices(path.next, path.audience):
            chosen = tuple(option.id for option in path.next.chosen(bits))
            pending.append({**answers, path.next.id: chosen})
    return complete, longest


def test_answer_sets_are_counted_exactly(tmp_path):
    clearing = load(tmp_path, a_questionnaire(), a_routing())
    report = check(clearing, today=TODAY)
    assert (report.answer_sets, report.longest_path) == count_by_hand(clearing)


def test_answer_sets_of_the_shipped_questionnaire_with_one_tile_each(tmp_path):
    questionnaire = yaml.safe_load((QUESTIONNAIRES / "clearing.yaml").read_text(encoding="utf-8"))
    routing = yaml.safe_load((QUESTIONNAIRES / "routing.yaml").read_text(encoding="utf-8"))
    entry(questionnaire, "questions", "topic")["max_choices"] = 1
    clearing = load(tmp_path, questionnaire, routing)
    report = check(clearing, today=TODAY)
    assert (report.answer_sets, report.longest_path) == count_by_hand(clearing)


def test_choices_are_all_combinations(clearing):
    topic = clearing.question("topic")
    free = [option.bit for option in topic.options("young_person") if not option.exclusive]
    expected = {sum(parts) for size in (1, 2, 3) for parts in combinations(free, size)}
    found = choices(topic, "young_person")
    assert len(found) == len(set(found))
    assert set(found) == expected | {o.bit for o in topic.options("young_person") if o.exclusive}


def problems_after(tmp_path, change, **options):
    questionnaire, routing = a_questionnaire(), a_routing()
    change(questionnaire, routing)
    return check(load(tmp_path, questionnaire, routing), today=TODAY, **options).problems


def drop_fallback(questionnaire, routing):
    routing["rules"].remove(entry(routing, "rules", "anything"))


def add_question_nobody_reaches(questionnaire, routing):
    late = dict(entry(questionnaire, "questions", "age"), id="late", help="Nie.")
    late["when"] = {"all": [{"fact": "minor"}, {"question": "age", "is_one_of": ["adult"]}]}
    late["options"] = [{"id": "a", "text": "A", "same_as_unknown": True}]
    questionnaire["questions"].append(late)


def hide_a_rule(questionnaire, routing):
    copy = dict(entry(routing, "rules", "money"), id="shadow")
    routing["rules"].insert(-1, dict(copy, group="money"))
    entry(routing, "rules", "money")["group"] = "money"


def add_idle_option(questionnaire, routing):
    entry(questionnaire, "questions", "age")["options"].append({"id": "ancient", "text": "Sehr alt"})


def add_idle_tile(questionnaire, routing):
    entry(questionnaire, "questions", "topic")["options"].append({"id": "weather", "text": "Wetter"})


def claim_sameness(questionnaire, routing):
    entry(questionnaire, "questions", "age")["options"][0]["same_as_unknown"] = True


def make_it_long(questionnaire, routing):
    for number in range(6):
        question = dict(entry(questionnaire, "questions", "age"), id=f"more_{number}", help=f"Mehr {number}.")
        question["when"] = {"question": "topic", "includes_any": ["money"]}
        question["options"] = [{"id": "a", "text": "A", "same_as_unknown": True}]
        questionnaire["questions"].append(question)


def put_money_before_danger(questionnaire, routing):
    money = entry(routing, "rules", "money")
    routing["rules"].remove(money)
    routing["rules"].insert(0, money)


def send_danger_to_the_job_desk(questionnaire, routing):
    entry(routing, "rules", "danger")["kind"] = "berufsberatung"


def mark_the_job_desk_as_safety(questionnaire, routing):
    entry(routing, "rules", "money")["safety"] = True


def forget_to_mark_a_danger(questionnaire, routing):
    questionnaire["questions"].insert(
        2,
        {
            "id": "bed",
            "type": "single",
            "step": "safety",
            "when": {"question": "topic", "includes_any": ["money"]},
            "text": "Hast du heute einen Platz?",
            "help": "Darum.",
            "options": [
                {"id": "none", "text": "Nein", "same_as_unknown": True},
                {"id": "dont_know", "safety": True},
                {"id": "no_answer", "safety": True},
            ],
        },
    )


def say_nothing_of_money(questionnaire, routing):
    entry(entry(questionnaire, "questions", "topic"), "options", "money")["said"] = ""


def tell_an_office_about_an_illness(questionnaire, routing):
    entry(entry(questionnaire, "questions", "topic"), "options", "work")["topics"] = ["psyche"]


@pytest.mark.parametrize(
    ("change", "code", "words"),
    [
        (drop_fallback, "no_primary", ["nothing answered"]),
        (add_question_nobody_reaches, "unreachable_question", ["late"]),
        (hide_a_rule, "dead_rule", ["shadow"]),
        (add_idle_option, "idle_option", ["age", "ancient"]),
        (add_idle_tile, "idle_option", ["topic", "weather"]),
        (claim_sameness, "not_same_as_unknown", ["age", "minor"]),
        (make_it_long, "long_path", ["10 questions", "more_5 = "]),
        (put_money_before_danger, "safety_not_on_top", ["money", "topic = danger + money"]),
        (send_danger_to_the_job_desk, "safety_not_on_top", ["berufsberatung", "topic = danger"]),
        (send_danger_to_the_job_desk, "unsafe_safety_rule", ["danger", "berufsberatung"]),
        (mark_the_job_desk_as_safety, "unsafe_safety_rule", ["money", "jobcenter"]),
        (forget_to_mark_a_danger, "unmarked_danger", ["bed", "none"]),
        (say_nothing_of_money, "no_because", ["topic = money"]),
        (tell_an_office_about_an_illness, "sensitive_answer_told", ["topic", "work", "psyche"]),
    ],
)
def test_each_mistake_is_found_and_shown_by_an_example(tmp_path, change, code, words):
    problems = problems_after(tmp_path, change)
    assert code in {problem.code for problem in problems}
    message = " | ".join(problem.message for problem in problems if problem.code == code)
    for word in words:
        assert word in message


def shipped_after(tmp_path, change):
    questionnaire, routing = (
        yaml.safe_load((QUESTIONNAIRES / name).read_text(encoding="utf-8"))
        for name in ("clearing.yaml", "routing.yaml")
    )
    change(questionnaire, routing)
    return check(load(tmp_path, questionnaire, routing), today=TODAY).problems


def test_a_rule_whose_words_nobody_ever_sees_is_dead(tmp_path):
    """It fires, but whoever is in care has this contact first or beside it already."""

    def change(questionnaire, routing):
        about = entry(routing, "rules", "r49a_anything_else")
        seen = {
            "id": "unseen",
            "row": 49,
            "group": "unseen",
            "when": {"fact": "in_care"},
            "kind": "jugendamt_asd",
            "urgency": "normal",
            "reason": "Das liest niemand.",
        }
        routing["rules"].insert(routing["rules"].index(about), seen)

    assert [(problem.code, "unseen" in problem.message) for problem in shipped_after(tmp_path, change)] == [
        ("dead_rule", True)
    ]


def test_taking_the_mark_off_a_danger_is_no_way_round_the_proof(tmp_path):
    """No bed tonight, and the school comes first: without marks there would be nothing to prove."""

    def change(questionnaire, routing):
        del entry(entry(questionnaire, "questions", "tonight"), "options", "no")["safety"]
        for rule in ("r04a_minor_unsafe", "r07a_adult_no_bed"):
            entry(routing, "rules", rule).update(kind="schule", safety=False)

    codes = {problem.code: problem.message for problem in shipped_after(tmp_path, change)}
    assert "question tonight, option no" in codes["unmarked_danger"]


def test_only_the_mistake_is_reported(tmp_path):
    assert {problem.code for problem in problems_after(tmp_path, add_idle_tile)} == {"idle_option"}
    assert {problem.code for problem in problems_after(tmp_path, make_it_long)} == {"long_path"}


def test_a_mistake_behind_a_switch_is_found(tmp_path):
    def change(questionnaire, routing):
        entry(routing, "rules", "danger")["when"] = {
            "all": [entry(routing, "rules", "danger")["when"], {"switch": "law", "is_one_of": ["off"]}]
        }

    found = problems_after(tmp_path, change)
    assert {problem.code for problem in found} == {"safety_not_on_top"}
    assert all("law=on" in problem.message for problem in found)
    assert problems_after(tmp_path, change, switches_variants=[{"law": "off"}]) != found


def test_a_mistake_on_a_day_is_found(tmp_path):
    def change(questionnaire, routing):
        entry(routing, "rules", "danger")["valid_to"] = date(2027, 1, 31)

    found = problems_after(tmp_path, change)
    assert {problem.code for problem in found} == {"safety_not_on_top"}
    assert all("on 2027-02-01" in problem.message for problem in found)


def test_a_rule_that_never_becomes_valid_again_counts_as_used_before(tmp_path):
    def change(questionnaire, routing):
        entry(routing, "rules", "money_new")["valid_to"] = date(2020, 1, 1)

    assert problems_after(tmp_path, change) == []


def test_a_missing_translation_is_named(tmp_path):
    small = load(tmp_path, a_questionnaire(), a_routing())
    complete = {text.text for text in small.source_texts()}
    assert check(small, today=TODAY, translations={"en": complete}, complete_languages=["en"]).problems == []
    known = complete - {"Unter 18"}
    problems = check(small, today=TODAY, translations={"en": known}, complete_languages=["en"]).problems
    assert [problem.code for problem in problems] == ["missing_translation"]
    assert "en" in problems[0].message
    assert "Unter 18" in problems[0].message
    assert check(small, today=TODAY, translations={"en": known}, complete_languages=[]).problems == []


def test_a_kind_without_a_desk_is_named(tmp_path):
    small = load(tmp_path, a_questionnaire(), a_routing())
    problems = check(
        small,
        today=TODAY,
        places=["15085235", "15085110"],
        desk_for=lambda kind, place: (kind, place) != ("notruf", "15085110"),
    ).problems
    assert [problem.code for problem in problems] == ["no_desk"]
    assert "notruf" in problems[0].message
    assert "15085110" in problems[0].message
    assert "15085235" not in problems[0].message
