"""Answers as JSON to contacts as JSON: the questionnaire without a browser, for regression files and tests."""

import json
from collections.abc import Mapping
from datetime import date
from typing import Any

from portal.catalogue.matching import resolve
from portal.catalogue.queries import Catalogue
from portal.clearing import Clearing, Need

PLACE = "place"


class BadAnswers(Exception):
    """The input is not a JSON object of question ids to option ids; the text says what is wrong."""


class Router:
    """Routes answer sets against one catalogue, on one day."""

    def __init__(self, clearing: Clearing, catalogue: Catalogue, *, today: date) -> None:
        self._clearing = clearing
        self._catalogue = catalogue
        self._today = today
        region = catalogue.region
        self._switches: dict[str, str] = {name: value.value for name, value in region.switches.items()}
        self._county = region.county_area

    def route_json(self, text: str) -> dict[str, Any]:
        """`{"primary": {kind, service, reason}, "also": [{kind, service}], "urgent", "rules"}`.

        What no question knows is named under "ignored"; there is a contact in any case. Raises BadAnswers.
        """
        try:
            given = json.loads(text)
        except json.JSONDecodeError as error:
            raise BadAnswers(f"not JSON: {error.msg} at character {error.pos}") from None
        except RecursionError:
            raise BadAnswers("not an answer set: nested too deeply") from None
        if not isinstance(given, dict):
            raise BadAnswers("expected one object, question id to option id or list of option ids")
        answers, ags, ignored = self.read(given)
        outcome = self._clearing.route(answers, switches=self._switches, today=self._today)
        result: dict[str, Any] = {
            "primary": {**self._contact(outcome.primary, ags), "reason": outcome.primary.reason},
            "also": [self._contact(need, ags) for need in outcome.also],
            "urgent": outcome.urgent,
            "rules": list(outcome.rules),
        }
        if ignored:
            result["ignored"] = ignored
        return result

    def _contact(self, need: Need, ags: str | None) -> dict[str, str]:
        desk = resolve(self._catalogue, need.kind, place=ags)
        contact = {"kind": need.kind, "service": desk.service.slug}
        if need.named_kind:
            contact["named_kind"] = need.named_kind
        return contact

    def read(self, given: Mapping[str, Any]) -> tuple[dict[str, tuple[str, ...]], str | None, list[str]]:
        """Answers as clearing knows them, the AGS of the place, and what could not be read."""
        answers: dict[str, tuple[str, ...]] = {}
        ags = None
        ignored: list[str] = []
        questions = {question.id: question for question in self._clearing.questions}
        for question_id, value in given.items():
            values = [str(v) for v in (value if isinstance(value, list) else [value]) if v not in (None, "")]
            if question_id not in questions:
                ignored.append(question_id)
                continue
            if question_id == PLACE:
                answer, ags, problem = self._place(values)
                if problem:
                    ignored.append(problem)
                answers[PLACE] = (answer,)
                continue
            known = {
                option.id
                for audience in self._clearing.audiences
                for option in questions[question_id].options(audience)
            }
            ignored += [f"{question_id}: {v}" for v in values if v not in known]
            if any(v in known for v in values):
                answers[question_id] = tuple(v for v in values if v in known)
        return answers, ags, ignored

    def _place(self, values: list[str]) -> tuple[str, str | None, str | None]:
        """The answer clearing knows, the AGS, and what could not be read."""
        value = values[0] if values else "no_answer"
        if value in ("inside", "outside", "dont_know", "no_answer"):
            return value, None, None
        place = self._catalogue.places.by_ags(value) if value.isdigit() and len(value) == 8 else None
        if place:
            return "inside" if place.ags.startswith(self._county) else "outside", place.ags, None
        found = self._catalogue.places.find(value)
        if found.status in ("found", "choose") and found.places:
            # A postal code of several municipalities is still inside the county; only the house stays open.
            same = {option.ags for option in found.places}
            return "inside", found.places[0].ags if len(same) == 1 else None, None
        if found.status == "outside":
            return "outside", None, None
        return "dont_know", None, f"place: {value}"
