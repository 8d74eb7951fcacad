import pytest
import yaml

from portal.clearing import ClearingError, load_clearing
from tests.clearing.builders import a_questionnaire, a_routing, entry, load
from tests.clearing.conftest import QUESTIONNAIRES


def test_the_small_questionnaire_loads(tmp_path):
    clearing = load(tmp_path, a_questionnaire(), a_routing())
    assert [question.id for question in clearing.questions] == ["who", "topic", "age", "place"]


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ClearingError, match=r"clearing\.yaml"):
        load_clearing(tmp_path)


def broken(change):
    questionnaire, routing = a_questionnaire(), a_routing()
    change(questionnaire, routing)
    return questionnaire, routing


def set_question(question_id, **changes):
    return lambda questionnaire, routing: entry(questionnaire, "questions", question_id).update(changes)


def set_rule(rule_id, **changes):
    return lambda questionnaire, routing: entry(routing, "rules", rule_id).update(changes)


@pytest.mark.parametrize(
    ("change", "file", "where"),
    [
        (set_question("age", when={"question": "place", "is_one_of": ["inside"]}), "clearing.yaml", "age"),
        (set_question("age", type="essay"), "clearing.yaml", "questions › age › type"),
        (set_question("age", id="topic"), "clearing.yaml", "question topic"),
        (set_question("age", text={"young_person": "Wie alt?"}), "clearing.yaml", "question age › text"),
        (set_question("age", text={"company": "Wie alt?"}), "clearing.yaml", "question age › text"),
        (set_question("age", max_choices=2), "clearing.yaml", "question age"),
        (set_question("age", colour="red"), "clearing.yaml", "questions › age › colour"),
        (
            set_question("age", told=False, options=[{"id": "minor", "text": "Unter 18", "told": True}]),
            "clearing.yaml",
            "questions › age",
        ),
        (set_question("place", place_counts=None), "clearing.yaml", "question place"),
        (
            set_question("place", options=[{"id": "inside", "text": "Hier"}]),
            "clearing.yaml",
            "question place",
        ),
        (set_question("who", when={"question": "who", "answered": True}), "clearing.yaml", "question who"),
        (set_rule("work", kind="arbeitsamt"), "routing.yaml", "rules › work › kind"),
        (set_rule("work", when={"question": "age", "is_one_of": ["42"]}), "routing.yaml", "rule work › when"),
        (set_rule("work", when={"fact": "unknown"}), "routing.yaml", "rule work › when"),
        (set_rule("work", id="money"), "routing.yaml", "rule money"),
        (set_rule("work", urgency="soon"), "routing.yaml", "rules › work › urgency"),
        (set_rule("work", reason={"parent": "Nur hier"}), "routing.yaml", "rule work › reason"),
        (
            set_rule("work", also=[{"kind": "schule", "when": {"fact": "x"}}]),
            "routing.yaml",
            "rule work › also",
        ),
        (lambda q, r: r["kinds"].pop("notruf"), "routing.yaml", "kinds"),
        (lambda q, r: r["switches"]["law"].update(default="maybe"), "routing.yaml", "switch law"),
        (lambda q, r: q["special_options"].pop(), "clearing.yaml", "special_options"),
        (
            lambda q, r: q["facts"].update(odd={"question": "mood", "answered": True}),
            "clearing.yaml",
            "fact odd",
        ),
        (
            lambda q, r: r.update(facts={"minor": {"question": "age", "answered": True}}),
            "routing.yaml",
            "fact minor",
        ),
    ],
)
def test_an_error_names_file_and_place(tmp_path, change, file, where):
    with pytest.raises(ClearingError) as caught:
        load(tmp_path, *broken(change))
    assert caught.value.file == file
    assert where in caught.value.where
    assert caught.value.message
    assert str(caught.value).startswith(file)


def test_dates_in_the_wrong_order(tmp_path):
    from datetime import date

    change = set_rule("work", valid_from=date(2026, 7, 1), valid_to=date(2026, 6, 30))
    with pytest.raises(ClearingError, match="valid_to lies before"):
        load(tmp_path, *broken(change))


def test_a_key_given_twice_is_an_error(tmp_path):
    load(tmp_path, a_questionnaire(), a_routing())
    path = tmp_path / "routing.yaml"
    path.write_text(path.read_text(encoding="utf-8") + "\nrules: []\n", encoding="utf-8")
    with pytest.raises(ClearingError, match="given twice"):
        load_clearing(tmp_path)


def test_bare_yes_and_no_are_caught(tmp_path):
    load(tmp_path, a_questionnaire(), a_routing())
    path = tmp_path / "routing.yaml"
    text = path.read_text(encoding="utf-8").replace("- 'on'\n    default", "- on\n    default")
    assert "- on\n" in text
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ClearingError, match=r"routing\.yaml: switches › law › values"):
        load_clearing(tmp_path)


@pytest.mark.parametrize("name", ["clearing.yaml", "routing.yaml"])
def test_the_files_read_the_same_without_libyaml(name):
    """libyaml accepts some texts that PyYAML's own parser refuses; ours must suit both."""
    text = (QUESTIONNAIRES / name).read_text(encoding="utf-8")
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    assert yaml.load(text, Loader=yaml.SafeLoader) == yaml.load(text, Loader=loader)
