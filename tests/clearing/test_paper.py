"""The questionnaire on paper says nothing that the questionnaire on the screen would contradict."""

import random
from pathlib import Path

import pytest

from portal.clearing import Clearing, load_clearing
from portal.clearing.paper import PaperQuestion, paper_questions

CLEARING = load_clearing(Path(__file__).parents[2] / "questionnaires")


def walks(clearing: Clearing, audience: str, number: int):
    """Random answers, the same in every run: pairs of a question that came and the answers before it."""
    draw = random.Random(2026)
    entrance = clearing.questions[0]
    first = [o.id for o in entrance.all_options if (o.audience or clearing.audiences[0]) == audience]
    for _ in range(number):
        answers: dict[str, tuple[str, ...]] = {entrance.id: (draw.choice(first),)}
        path = clearing.walk(answers)
        while path.next:
            yield path.next, dict(answers)
            options = [option.id for option in path.next.options(audience)]
            several = draw.choice((1, 1, 2, 3)) if path.next.type == "multiple" else 1
            answers[path.next.id] = tuple(draw.sample(options, min(several, len(options))))
            path = clearing.walk(answers)


@pytest.mark.parametrize("audience", ["young_person", "parent", "professional"])
def test_every_question_stands_on_the_sheet_once_and_in_its_order(audience: str) -> None:
    sheet = paper_questions(CLEARING, audience)
    wanted = [q.id for q in CLEARING.questions if audience in q.audiences]
    assert [paper.question.id for paper in sheet] == wanted
    assert [paper.number for paper in sheet] == list(range(1, len(wanted) + 1))
    assert all(paper.options and not any(option.special for option in paper.options) for paper in sheet)


@pytest.mark.parametrize("audience", ["young_person", "parent", "professional"])
def test_a_condition_on_paper_holds_whenever_the_screen_asks(audience: str) -> None:
    """Whoever left the earlier question open may get it too; nobody else does."""
    sheet = {paper.question.id: paper for paper in paper_questions(CLEARING, audience)}
    by_number: dict[int, PaperQuestion] = {paper.number: paper for paper in sheet.values()}
    met: set[str] = set()
    for question, answers in walks(CLEARING, audience, 4000):
        after = sheet[question.id].after
        if after is None:
            continue
        number, options = after
        given = set(answers.get(by_number[number].question.id, ()))
        assert given & {*(option.id for option in options), "dont_know", "no_answer"}, (question.id, answers)
        met.add(question.id)
    assert met == {name for name, paper in sheet.items() if paper.after}


def test_what_only_some_are_asked_is_said() -> None:
    sheet = {paper.question.id: paper for paper in paper_questions(CLEARING, "young_person")}
    crisis = sheet["crisis"].after
    assert crisis is not None
    assert crisis[0] == sheet["topic"].number
    assert [option.id for option in crisis[1]] == ["feeling_bad"]
    papers = sheet["papers"].after
    assert papers is not None and papers[0] == sheet["new_issue"].number
    assert sheet["age"].after is None, "too many reasons to name them"
