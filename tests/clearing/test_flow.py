import pytest

from tests.clearing.builders import a_questionnaire, a_routing, load

ME = {"who": ("me",)}


@pytest.mark.parametrize(
    ("answers", "asked", "following"),
    [
        ({}, [], "who"),
        (ME, ["who"], "topic"),
        ({"who": ("company",)}, ["who"], "company_topic"),
        ({"who": ("company",), "company_topic": ("trouble",)}, ["who", "company_topic"], "place"),
        ({**ME, "topic": ("feeling_bad",)}, ["who", "topic"], "crisis"),
        ({**ME, "topic": ("feeling_bad",), "crisis": ("now",)}, ["who", "topic", "crisis"], None),
        ({**ME, "topic": ("feeling_bad",), "crisis": ("no",)}, ["who", "topic", "crisis"], "place"),
        ({**ME, "topic": ("violence",), "safe_now": ("forced",)}, ["who", "topic", "safe_now"], None),
        ({**ME, "topic": ("violence",), "safe_now": ("unsafe",)}, ["who", "topic", "safe_now"], "age"),
        ({**ME, "topic": ("try_out",), "wish": ("internship",)}, ["who", "topic", "wish"], "place"),
        (
            {**ME, "topic": ("try_out",), "wish": ("internship",), "place": ("inside",)},
            ["who", "topic", "wish", "place"],
            None,
        ),
        ({**ME, "topic": ("child",), "child_issue": ("expecting",)}, ["who", "topic", "child_issue"], None),
        (
            {**ME, "topic": ("home",), "tonight": ("no",), "age": ("age_15_17",)},
            ["who", "topic", "tonight", "age"],
            None,
        ),
        ({"topic": ("addiction",)}, ["topic"], "who"),
        (
            {
                **ME,
                "topic": ("new_in_germany",),
                "new_issue": ("work",),
                "place": ("inside",),
                "papers": ("ukraine",),
            },
            ["who", "topic", "new_issue", "place", "papers"],
            "first_paper",
        ),
    ],
)
def test_which_question_comes_next(clearing, answers, asked, following):
    path = clearing.walk(answers)
    assert [step.question.id for step in path.steps] == asked
    assert (path.next.id if path.next else None) == following
    assert path.complete is (following is None)
    assert path.remaining >= (following is not None)


def test_the_longest_path_has_eight_questions(clearing):
    assert clearing.walk({}).remaining == 8


def test_remaining_shrinks_to_nothing(clearing):
    answers = {}
    path = clearing.walk(answers)
    before = path.remaining + 1
    while path.next is not None:
        assert path.remaining < before
        before = path.remaining
        answers[path.next.id] = (path.next.options(path.audience)[0].id,)
        path = clearing.walk(answers)
    assert path.remaining == 0


def test_remaining_does_not_count_answers_that_are_kept(clearing):
    open_topic = clearing.walk({**ME, "topic": ("no_plan",)})
    kept = clearing.walk({**ME, "topic": ("no_plan",), "place": ("inside",)})
    assert kept.next.id == "age"
    assert kept.remaining == open_topic.remaining - 1


def test_changing_an_early_answer_keeps_the_later_ones_that_still_apply(clearing):
    answers = {
        **ME,
        "topic": ("no_plan",),
        "age": ("age_15_17",),
        "place": ("inside",),
        "activity": ("school",),
        "benefits": ("none",),
    }
    changed = clearing.walk(answers | {"topic": ("home",)})
    assert changed.answers == {
        "who": ("me",),
        "topic": ("home",),
        "age": ("age_15_17",),
        "place": ("inside",),
    }
    assert changed.next.id == "tonight"
    back = clearing.walk(answers)
    assert back.complete
    assert back.answers == answers


def test_a_changed_reader_keeps_the_answers_both_can_give(clearing):
    answers = {**ME, "topic": ("no_plan",), "age": ("age_18_20",), "place": ("outside",)}
    as_parent = clearing.walk(answers | {"who": ("my_child",)})
    assert as_parent.audience == "parent"
    assert as_parent.answers == answers | {"who": ("my_child",)}
    assert clearing.walk(answers | {"who": ("company",)}).answers == {
        "who": ("company",),
        "place": ("outside",),
    }


def test_an_answer_only_others_may_give_is_ignored(clearing):
    assert "topic" not in clearing.walk({**ME, "topic": ("worried_child",)}).answers
    assert clearing.walk({"who": ("accompany",), "topic": ("worried_child",)}).complete


@pytest.mark.parametrize("who", ["dont_know", "no_answer"])
def test_not_saying_for_whom_leads_on_as_a_young_person(clearing, who):
    path = clearing.walk({"who": (who,)})
    assert path.audience == "young_person"
    assert path.next.id == "topic"


def test_a_result_is_usable_after_the_second_answer(clearing):
    assert not clearing.walk({}).usable
    assert not clearing.walk(ME).usable
    assert clearing.walk({**ME, "topic": ("money",)}).usable
    assert clearing.walk({"who": ("company",), "company_topic": ("trouble",)}).usable


def test_previous_follows_the_path_and_not_the_file(clearing):
    path = clearing.walk({**ME, "topic": ("try_out",), "wish": ("internship",)})
    assert path.previous("who") is None
    assert path.previous("topic").id == "who"
    assert path.previous("place").id == "wish"
    assert path.previous("benefits") is None


def test_previous_of_an_open_question_between_kept_answers(clearing):
    path = clearing.walk({**ME, "topic": ("no_plan",), "place": ("inside",)})
    assert path.next.id == "age"
    assert path.previous("age").id == "topic"


def test_asks(clearing):
    path = clearing.walk({**ME, "topic": ("try_out",)})
    assert path.asks("who")
    assert path.asks("wish")
    assert not path.asks("place")
    assert not path.asks("crisis")
    assert not path.asks("nonsense")


def test_every_question_can_be_left_open_in_two_ways(clearing):
    for question in clearing.questions:
        for audience in question.audiences:
            ids = [option.id for option in question.options(audience)]
            assert ids[-2:] == ["dont_know", "no_answer"], question.id


@pytest.mark.parametrize(
    ("answers", "text", "place_counts"),
    [
        ({**ME, "topic": ("addiction",)}, "Wo wohnst du?", "residence"),
        ({"who": ("company",), "company_topic": ("trouble",)}, "Wo ist Ihr Betrieb?", "company"),
        ({**ME, "topic": ("training_trouble",), "notice": ("received",)}, "Wo ist dein Betrieb?", "company"),
        (
            {
                "who": ("my_child",),
                "topic": ("home",),
                "tonight": ("yes",),
                "age": ("age_15_17",),
                "care": ("no",),
                "home_issue": ("quarrel",),
            },
            "Wo wohnen Sie?",
            "parents",
        ),
        (
            {**ME, "topic": ("home",), "tonight": ("yes",), "age": ("over_26",), "home_issue": ("flat",)},
            "Wo bist du gerade?",
            "here_now",
        ),
    ],
)
def test_the_place_question_asks_for_the_place_that_counts(clearing, answers, text, place_counts):
    path = clearing.walk(answers)
    assert path.next.id == "place"
    assert path.next.text(path.audience) == text
    assert path.next.place_counts == place_counts
    assert path.question("place") is path.next


def test_accepted_is_strict_where_walk_is_kind(clearing):
    topic = clearing.question("topic")
    assert topic.accepted(["money", "home"], "young_person") == ("money", "home")
    assert topic.accepted(("home", "money"), "young_person") == ("money", "home")
    assert topic.accepted([], "young_person") is None
    assert topic.accepted(["money", "moon"], "young_person") is None
    assert topic.accepted(["money", "home", "job", "child"], "young_person") is None
    assert topic.accepted(["money", "dont_know"], "young_person") is None
    assert topic.accepted(["worried_child"], "young_person") is None
    assert topic.accepted(["worried_child"], "professional") == ("worried_child",)
    assert topic.accepted("money", "young_person") is None
    assert clearing.question("age").accepted(["under_15", "over_26"], "young_person") is None


def test_tiles_stay_few_and_have_an_icon(clearing):
    topic = clearing.question("topic")
    for audience in ("young_person", "parent", "professional"):
        tiles = [option for option in topic.options(audience) if not option.special]
        assert len(tiles) <= 16
        assert all(tile.icon for tile in tiles)
        assert all(tile.acknowledgement(audience) for tile in tiles)
    assert topic.max_choices == 3


def test_a_plain_string_counts_as_one_answer(tmp_path):
    clearing = load(tmp_path, a_questionnaire(), a_routing())
    assert clearing.walk({"who": "my_child"}).audience == "parent"
