"""One questionnaire with its routing: the face of this package."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from pathlib import Path as FilePath
from typing import Any

from portal.clearing.flow import Flow, Path
from portal.clearing.loading import Loaded, load
from portal.clearing.routing import Outcome, Router
from portal.clearing.schema import AUDIENCES, Option, Question, Rule, SourceText


class Clearing:
    """Immutable after loading; the same answers always give the same path and outcome."""

    def __init__(self, loaded: Loaded) -> None:
        self.questions: tuple[Question, ...] = loaded.questions
        self.rules: tuple[Rule, ...] = loaded.rules
        self.audiences: tuple[str, ...] = AUDIENCES
        self.kinds = loaded.kinds
        self.switches = loaded.switches
        self.danger = loaded.danger
        self.flow = Flow(loaded.questions, AUDIENCES[0])
        self.router = Router(self.flow, loaded.rules, loaded.kinds, loaded.switches, loaded.companions)
        self._texts = loaded.texts
        self._by_id = {question.id: question for question in loaded.questions}

    def question(self, question_id: str) -> Question:
        """Raises KeyError. Prefer `Path.question`: it knows which wording fits the answers."""
        return self._by_id[question_id]

    def walk(self, answers: Mapping[str, tuple[str, ...]]) -> Path:
        return self.flow.walk(answers)

    def route(
        self, answers: Mapping[str, tuple[str, ...]] | Path, *, switches: Mapping[str, str], today: date
    ) -> Outcome:
        """Never raises on answers and always names a first contact; a walked path is taken as it is."""
        path = answers if isinstance(answers, Path) else self.flow.walk(answers)
        return self.router.route(path, switches, today)

    def source_texts(self) -> Iterable[SourceText]:
        return self._texts

    def as_json(self) -> dict[str, Any]:
        return {
            "audiences": list(self.audiences),
            "switches": {name: list(switch.values) for name, switch in self.switches.items()},
            "questions": [_question_json(question) for question in self.questions],
        }


def load_clearing(directory: FilePath) -> Clearing:
    """Read `clearing.yaml` and `routing.yaml` in this directory. Raises ClearingError."""
    return Clearing(load(directory))


def _question_json(question: Question) -> dict[str, Any]:
    return {
        "id": question.id,
        "type": question.type,
        "step": question.step,
        "max_choices": question.max_choices,
        "audiences": list(question.audiences),
        "text": {audience: question.text(audience) for audience in question.audiences},
        "help": {audience: question.help(audience) for audience in question.audiences},
        "options": [_option_json(option) for option in question.all_options],
    }


def _option_json(option: Option) -> dict[str, Any]:
    return {
        "id": option.id,
        "text": {audience: option.text(audience) for audience in option.audiences},
        "icon": option.icon,
        "audiences": list(option.audiences),
        "exclusive": option.exclusive,
        "safety": option.safety,
    }
