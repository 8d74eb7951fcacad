from datetime import date
from pathlib import Path
from time import process_time

import pytest
import yaml

from portal.clearing import KINDS
from tests.clearing.builders import a_questionnaire, a_routing, entry, load

CASES = yaml.safe_load(
    (Path(__file__).parents[2] / "questionnaires" / "cases.yaml").read_text(encoding="utf-8")
)
ME = {"who": ("me",)}


def as_answers(source):
    return {key: tuple(value) if isinstance(value, list) else (value,) for key, value in source.items()}


@pytest.mark.parametrize("case", CASES, ids=[case["title"] for case in CASES])
def test_reviewed_cases(clearing, today, case):
    outcome = clearing.route(
        as_answers(case["answers"]), switches=case.get("switches", {}), today=case.get("today", today)
    )
    shown = [need.kind for need in outcome.also]
    assert outcome.primary.kind == case["kind"], outcome.rules
    assert outcome.urgent is case["urgent"]
    assert outcome.primary.named_kind == case.get("named")
    assert outcome.primary.rule == case.get("rule", outcome.primary.rule)
    assert set(case.get("also", ())) <= set(shown), shown
    beside = {*shown, *(need.kind for need in outcome.more)}
    assert not beside & set(case.get("not_beside", ()))
    assert [entry.kind for entry in outcome.why_not] == case.get(
        "why_not", [entry.kind for entry in outcome.why_not]
    )


def test_cases_are_many_and_different():
    assert len(CASES) >= 90
    assert len({case["title"] for case in CASES}) == len(CASES)
    known = {
        "title",
        "title_de",
        "answers",
        "kind",
        "urgent",
        "also",
        "rule",
        "named",
        "not_beside",
        "today",
        "switches",
        "why_not",
    }
    assert all(set(case) <= known for case in CASES)


NEVER_TOLD = {
    "crisis",
    "safe_now",
    "police_14",
    "police_mail",
    "health_support",
    "papers",
    "first_paper",
    ("topic", "child"),
    ("topic", "health"),
    ("topic", "addiction"),
    ("topic", "police"),
    ("topic", "feeling_bad"),
    ("topic", "violence"),
    ("child_issue", "expecting"),
    ("cause", "not_well"),
    ("benefits", "asylum"),
}
"""Questions and answers about residence status, health, violence and trouble with the police."""


def test_what_no_office_is_told(clearing):
    kept = {
        question.id if not any(one.told for one in question.all_options) else (question.id, option.id)
        for question in clearing.questions
        for option in question.all_options
        if not option.told
    }
    assert kept == NEVER_TOLD


@pytest.mark.parametrize(
    ("answers", "gives_away"),
    [
        ({"topic": ["school"], "age": "age_15_17", "activity": "school"}, False),
        ({"topic": ["addiction", "training_place"]}, True),
        ({"topic": ["feeling_bad"], "crisis": "dont_know"}, True),
        ({"topic": ["new_in_germany"], "new_issue": "german", "age": "age_18_20"}, False),
        ({"topic": ["new_in_germany"], "new_issue": "work", "papers": "duldung"}, True),
    ],
)
def test_a_first_contact_can_give_away_what_no_office_is_told(clearing, today, answers, gives_away):
    outcome = clearing.route(as_answers({"who": "me", **answers}), switches={}, today=today)
    assert outcome.gives_away is gives_away


def test_every_row_of_the_decision_table_has_a_rule(clearing):
    assert {rule.row for rule in clearing.rules} == set(range(1, 50))


def test_at_most_three_are_shown_and_nobody_twice(clearing, today):
    for case in CASES:
        outcome = clearing.route(as_answers(case["answers"]), switches=case.get("switches", {}), today=today)
        kinds = [outcome.primary.kind, *(need.kind for need in (*outcome.also, *outcome.more))]
        assert len(outcome.also) <= 3
        assert len(kinds) == len(set(kinds)), case["title"]
        assert set(kinds) <= set(KINDS)
        assert bool(outcome.more) <= (len(outcome.also) == 3)


def test_an_outcome_explains_itself(clearing, today):
    outcome = clearing.route(
        {
            **ME,
            "topic": ("training_place", "no_plan"),
            "age": ("age_15_17",),
            "place": ("inside",),
            "activity": ("school",),
            "benefits": ("family",),
        },
        switches={},
        today=today,
    )
    assert [(said.question_id, said.label) for said in outcome.because] == [
        ("topic", "kein Plan für den Beruf"),
        ("activity", "noch in der Schule"),
    ]
    assert "15 bis 17 Jahre" in [said.label for said in outcome.said]
    assert [reason.kind for reason in outcome.why_not] == ["jobcenter"]
    assert outcome.rules == ("r45a_at_school_no_plan",)
    assert outcome.primary.bring == ("Letztes Zeugnis",)


@pytest.mark.parametrize(
    ("answers", "because"),
    [
        ({"who": ("company",)}, ["für meinen Betrieb"]),
        ({**ME, "topic": ("home",), "tonight": ("dont_know",)}, ["nicht sicher, wo heute Nacht"]),
        (
            {**ME, "topic": ("new_in_germany", "feeling_bad"), "crisis": ("no",)},
            ["Neu in Deutschland", "mir geht es schlecht"],
        ),
        ({**ME, "topic": ("dont_know",)}, []),
    ],
)
def test_what_rests_on_no_answer_of_its_own_rests_on_the_topic(clearing, today, answers, because):
    outcome = clearing.route(answers, switches={}, today=today)
    assert [said.label for said in outcome.because] == because


def test_a_rule_without_a_word_on_other_offices_says_what_the_one_beside_it_says_of_itself(clearing, today):
    outcome = clearing.route(
        {"who": ("me",), "topic": ("addiction",), "age": ("adult",)}, switches={}, today=today
    )
    [why] = outcome.why_not
    assert why.kind in {need.kind for need in outcome.also}
    assert why.text == clearing.router.kinds[why.kind].why_not("young_person")


def test_the_place_is_part_of_the_reason_elsewhere(clearing, today):
    outcome = clearing.route({**ME, "topic": ("addiction",), "place": ("outside",)}, switches={}, today=today)
    assert outcome.rules == ("r12_elsewhere", "r18_addiction")
    assert [said.question_id for said in outcome.because] == ["topic", "place"]
    assert outcome.primary.say == clearing.rules[[r.id for r in clearing.rules].index("r18_addiction")].say(
        "young_person"
    )
    assert {need.place_counts for need in (*outcome.also, *outcome.more)} <= {
        "anywhere",
        "here_now",
        "school",
        "company",
        "former_youth_office",
    }


def test_refusing_to_answer_is_never_repeated_back(clearing, today):
    outcome = clearing.route(
        {"who": ("no_answer",), "topic": ("dont_know",), "age": ("no_answer",)}, switches={}, today=today
    )
    assert outcome.said == ()
    assert outcome.because == ()


def test_each_audience_gets_its_own_words(clearing, today):
    answers = {"topic": ("addiction",), "place": ("inside",)}
    reasons = {
        who: clearing.route({"who": (who,), **answers}, switches={}, today=today).primary.reason
        for who in ("me", "my_child", "accompany")
    }
    assert len(set(reasons.values())) == 3


def test_an_unknown_switch_value_means_the_default(clearing, today):
    answers = {
        **ME,
        "topic": ("new_in_germany",),
        "new_issue": ("money",),
        "papers": ("ukraine",),
        "first_paper": ("later",),
    }
    for switches in ({}, {"ukraine_asylblg": "perhaps"}, {"ukraine_asylblg": True}, {"other": "on"}):
        assert clearing.route(answers, switches=switches, today=today).primary.kind == "migrationsberatung"


@pytest.mark.parametrize(
    ("day", "urgent"), [(date(2026, 6, 30), False), (date(2026, 7, 1), True), (date(2030, 1, 1), True)]
)
def test_a_law_changes_on_a_day(clearing, day, urgent):
    answers = {**ME, "topic": ("money",), "age": ("age_25_26",), "money_issue": ("stopped",)}
    assert clearing.route(answers, switches={}, today=day).urgent is urgent


def test_the_earlier_rule_is_first_and_the_later_one_beside_it(tmp_path, today):
    routing = a_routing()
    clearing = load(tmp_path, a_questionnaire(), routing)
    answers = {**ME, "topic": ("work", "money"), "age": ("adult",)}
    assert clearing.route(answers, switches={}, today=today).rules == ("money", "work")
    routing["rules"].insert(1, routing["rules"].pop(5))
    outcome = load(tmp_path, a_questionnaire(), routing).route(answers, switches={}, today=today)
    assert outcome.rules == ("work", "money")
    assert [need.kind for need in outcome.also] == ["jobcenter", "schule", "agentur_arbeit"]


def test_only_the_first_rule_of_a_group_is_shown(tmp_path, today):
    clearing = load(tmp_path, a_questionnaire(), a_routing())
    answers = {**ME, "topic": ("money",), "age": ("adult",)}
    assert clearing.route(answers, switches={"law": "on"}, today=today).rules == ("money_switch",)
    assert clearing.route(answers, switches={"law": "off"}, today=today).rules == ("money",)


def test_in_danger_nothing_else_is_on_the_page(tmp_path, today):
    clearing = load(tmp_path, a_questionnaire(), a_routing())
    outcome = clearing.route({**ME, "topic": ("danger", "work")}, switches={}, today=today)
    assert outcome.safety
    assert outcome.rules == ("danger",)
    assert [need.kind for need in outcome.also] == ["notruf"]


def test_a_rule_set_without_an_answer_still_names_a_person(tmp_path, today):
    routing = a_routing()
    routing["rules"] = [entry(routing, "rules", "danger")]
    outcome = load(tmp_path, a_questionnaire(), routing).route(ME, switches={}, today=today)
    assert outcome.primary.kind == "clearing"
    assert outcome.rules == ()


def test_desks_that_do_not_move_stay_when_living_elsewhere(tmp_path, today):
    clearing = load(tmp_path, a_questionnaire(), a_routing())
    answers = {**ME, "topic": ("money", "work"), "age": ("minor",), "place": ("outside",)}
    outcome = clearing.route(answers, switches={}, today=today)
    assert (outcome.primary.kind, outcome.primary.named_kind) == ("stelle_am_wohnort", "jobcenter")
    assert [need.kind for need in outcome.also] == ["berufsberatung"]  # counts "anywhere" in this file
    only_work = clearing.route(answers | {"topic": ("work",)}, switches={}, today=today)
    assert only_work.primary.kind == "berufsberatung"
    assert only_work.rules == ("work",)


def test_one_answer_set_costs_far_less_than_a_millisecond(clearing, today):
    answers = [as_answers(case["answers"]) for case in CASES]
    best = min(_duration(clearing, answers, today) for _ in range(5))
    assert best / len(answers) < 0.00015


def _duration(clearing, answers, today):
    started = process_time()
    for one in answers:
        clearing.route(one, switches={}, today=today)
    return process_time() - started
