"""The questionnaire on paper, where nothing can leave out a question: what a reader has to know instead."""

from dataclasses import dataclass

from portal.clearing.clearing import Clearing
from portal.clearing.conditions import FALSE, assign
from portal.clearing.schema import Option, Question

_FEW = 4
"""A condition with more answers than that is none a person would look up."""


@dataclass(frozen=True, slots=True)
class PaperQuestion:
    number: int
    question: Question
    options: tuple[Option, ...]
    """Without "I don't know": on paper that is an empty box."""
    after: "tuple[int, tuple[Option, ...]] | None"
    """The question is only for those who ticked one of these options of the question with that number."""


def paper_questions(clearing: Clearing, audience: str) -> tuple[PaperQuestion, ...]:
    """All questions this audience can meet, in the order in which they are asked."""
    asked = [question for question in clearing.questions if audience in question.audiences]
    numbers = {question.position: number for number, question in enumerate(asked, 1)}
    return tuple(
        PaperQuestion(
            numbers[question.position],
            question,
            _ordinary(question, audience),
            _condition(question, asked, numbers, audience),
        )
        for question in asked
    )


def _ordinary(question: Question, audience: str) -> tuple[Option, ...]:
    return tuple(option for option in question.options(audience) if not option.special)


def _condition(
    question: Question, asked: list[Question], numbers: dict[int, int], audience: str
) -> tuple[int, tuple[Option, ...]] | None:
    """The earliest answer without which the question never comes, if it is one of a few."""
    for earlier in asked:
        if earlier.position >= question.position:
            break
        if assign(question.formula, earlier.position, 0) is not FALSE:
            continue  # It comes without this answer, too.
        options = _ordinary(earlier, audience)
        fitting = tuple(o for o in options if assign(question.formula, earlier.position, o.bit) is not FALSE)
        if fitting and len(fitting) <= min(_FEW, len(options) - 1):
            return numbers[earlier.position], fitting
    return None
