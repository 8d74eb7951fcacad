import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal.clearing.conditions import (
    FALSE,
    TRUE,
    ConditionError,
    Formula,
    Variable,
    Vocabulary,
    all_of,
    any_of,
    assign,
    compile_formula,
    holds,
    leaf,
    negate,
    parse,
)

AGE = {"young": 1, "old": 2, "dont_know": 4}
TOPIC = {"work": 8, "money": 16, "home": 32}
LAW = {"off": 64, "on": 128}
VOCABULARY = Vocabulary(
    questions={"age": Variable(0, AGE), "topic": Variable(1, TOPIC, multiple=True)},
    switches={"law": Variable(-1, LAW)},
    facts={"is_young": leaf(0, 1)},
)


def bits(*names: str) -> int:
    values = AGE | TOPIC | LAW
    return sum(values[name] for name in names)


@pytest.mark.parametrize(
    ("source", "holds_for", "fails_for"),
    [
        ({"question": "age", "is_one_of": ["young", "dont_know"]}, [["young"], ["dont_know"]], [["old"], []]),
        (
            {"question": "topic", "includes_any": ["work", "home"]},
            [["work", "money"], ["home"]],
            [["money"], []],
        ),
        ({"question": "topic", "includes_only": ["work"]}, [["work"]], [["work", "money"], ["money"], []]),
        (
            {"question": "topic", "includes_only": ["work", "money"]},
            [["work"], ["money", "work"]],
            [["work", "home"], []],
        ),
        ({"question": "age", "answered": True}, [["dont_know"], ["old"]], [[], ["work"]]),
        ({"question": "age", "answered": False}, [[], ["work"]], [["dont_know"]]),
        ({"not": {"question": "age", "is_one_of": ["young"]}}, [["old"], []], [["young"]]),
        (
            {"all": [{"fact": "is_young"}, {"question": "topic", "includes_any": ["work"]}]},
            [["young", "work"]],
            [["young"], ["work"], ["old", "work"]],
        ),
        (
            {"any": [{"fact": "is_young"}, {"question": "topic", "includes_any": ["work"]}]},
            [["young"], ["work"]],
            [["old"], []],
        ),
        ({"switch": "law", "is_one_of": ["on"]}, [["on"]], [["off"], []]),
    ],
)
def test_each_operator(source, holds_for, fails_for):
    formula = parse(source, VOCABULARY)
    test = compile_formula(formula)
    for names in holds_for:
        assert test(bits(*names)), names
    for names in fails_for:
        assert not test(bits(*names)), names


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("age", "mapping"),
        ({"question": "shoe_size", "is_one_of": ["42"]}, "shoe_size"),
        ({"question": "age", "is_one_of": ["ancient"]}, "ancient"),
        ({"question": "age", "is_one_of": []}, "list of values"),
        ({"question": "age", "is_one_of": [True]}, "quoted"),
        ({"question": "age", "includes_any": ["young"]}, "takes is_one_of"),
        ({"question": "topic", "is_one_of": ["work"]}, "takes includes_any"),
        ({"question": "age", "older_than": 12}, "older_than"),
        ({"question": "age"}, "exactly one operator"),
        ({"question": "age", "answered": "yes"}, "true or false"),
        ({"switch": "weather", "is_one_of": ["on"]}, "weather"),
        ({"switch": "law", "answered": True}, "is_one_of"),
        ({"fact": "is_green"}, "is_green"),
        ({"all": []}, "list of conditions"),
        ({"maybe": {}}, "maybe"),
        ({"all": [], "any": []}, "expected one of"),
    ],
)
def test_what_cannot_be_understood_is_named(source, message):
    with pytest.raises(ConditionError, match=message):
        parse(source, VOCABULARY)


VARIABLES = {0: 0b111, 1: 0b111000}
leaf_formulas = st.builds(
    lambda variable, mask, positive: leaf(variable, mask & VARIABLES[variable], positive),
    st.sampled_from(list(VARIABLES)),
    st.integers(0, 63),
    st.booleans(),
)
formulas = st.recursive(
    leaf_formulas | st.sampled_from([TRUE, FALSE]),
    lambda parts: (
        st.lists(parts, min_size=1, max_size=4).map(all_of)
        | st.lists(parts, min_size=1, max_size=4).map(any_of)
        | parts.map(negate)
    ),
    max_leaves=12,
)


@given(formulas, st.integers(0, 63))
def test_compiled_and_plain_meaning_agree(formula: Formula, answer: int):
    assert compile_formula(formula)(answer) is holds(formula, answer)
    assert holds(negate(formula), answer) is not holds(formula, answer)


@given(formulas, st.integers(0, 63))
def test_substituting_answers_one_by_one_ends_in_the_truth(formula: Formula, answer: int):
    left = assign(assign(formula, 0, answer), 1, answer)
    assert left is (TRUE if holds(formula, answer) else FALSE)


def test_equal_formulas_are_one_object():
    one = all_of([leaf(0, 1), any_of([leaf(1, 8), leaf(0, 2, positive=False)])])
    two = all_of([any_of([leaf(0, 2, positive=False), leaf(1, 8)]), leaf(0, 1), TRUE])
    assert one is two
