"""Whatever comes in, somebody to turn to comes out."""

from datetime import date

from hypothesis import given, settings
from hypothesis import strategies as st

from portal.clearing import KINDS, load_clearing
from portal.clearing.schema import SAFETY_KINDS
from tests.clearing.conftest import QUESTIONNAIRES

CLEARING = load_clearing(QUESTIONNAIRES)
IDS = [question.id for question in CLEARING.questions]
OPTIONS = sorted({option.id for question in CLEARING.questions for option in question.all_options})

garbage = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.sampled_from(OPTIONS),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=6,
)
garbage_answers = st.dictionaries(st.sampled_from(IDS) | st.text(max_size=5), garbage, max_size=10)
plausible_answers = st.fixed_dictionaries(
    {},
    optional={
        question.id: st.lists(
            st.sampled_from([option.id for option in question.all_options]),
            min_size=1,
            max_size=question.max_choices,
            unique=True,
        ).map(tuple)
        for question in CLEARING.questions
    },
)
days = st.dates(date(2020, 1, 1), date(2040, 1, 1))
switches = st.dictionaries(st.sampled_from(["ukraine_asylblg", "x"]), st.sampled_from(["on", "off", "?"]))


@settings(max_examples=400, deadline=None)
@given(garbage_answers | plausible_answers, days, switches)
def test_any_answers_lead_to_a_contact(answers, day, setting):
    outcome = CLEARING.route(answers, switches=setting, today=day)
    assert outcome.primary.kind in KINDS
    assert outcome.primary.reason
    assert outcome.primary.say
    assert outcome.rules
    assert len(outcome.also) <= 3
    path = CLEARING.walk(answers)
    assert path.remaining <= 8
    assert len(path.steps) <= 8


@settings(max_examples=300, deadline=None)
@given(plausible_answers)
def test_cleaning_answers_twice_changes_nothing(answers):
    path = CLEARING.walk(answers)
    again = CLEARING.walk(path.answers)
    assert again.answers == path.answers
    assert (again.next and again.next.id) == (path.next and path.next.id)
    assert set(path.answers) <= set(answers)


@settings(max_examples=300, deadline=None)
@given(plausible_answers, st.data())
def test_changing_one_answer_keeps_what_still_applies(answers, data):
    before = CLEARING.walk(answers)
    if not before.steps:
        return
    step = data.draw(st.sampled_from(before.steps))
    other = data.draw(st.sampled_from(step.question.options(before.audience)))
    changed = CLEARING.walk(before.answers | {step.question.id: (other.id,)})
    for question_id, chosen in before.answers.items():
        if question_id == step.question.id:
            continue
        question = CLEARING.question(question_id)
        available = {option.id for option in question.options(changed.audience)}
        still_possible = tuple(option for option in chosen if option in available)
        if question_id in changed.answers:
            assert changed.answers[question_id] == still_possible
        else:
            earlier = sum(
                option.bit
                for kept in changed.steps
                if kept.question.position < question.position
                for option in kept.chosen
            )
            assert not question.test(earlier) or not still_possible


@settings(max_examples=300, deadline=None)
@given(plausible_answers)
def test_saying_that_you_are_in_danger_puts_safety_first(answers):
    danger = answers | {"who": ("me",), "topic": ("violence",), "safe_now": ("now",)}
    outcome = CLEARING.route(danger, switches={}, today=date(2026, 11, 20))
    assert outcome.primary.kind in SAFETY_KINDS
    assert outcome.urgent
    assert outcome.safety
