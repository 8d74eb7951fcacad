"""The questionnaire and its rules: read as sentences, proved, tried out, and reworded. The logic stays in the files."""

import hashlib
import json
import logging
import re
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml
from babel.lists import format_list
from flask import Blueprint, Response, abort, redirect, request, url_for
from sqlalchemy.exc import SQLAlchemyError
from werkzeug.wrappers import Response as BaseResponse

from portal.accounts import audit, forms
from portal.accounts.permissions import Permission
from portal.catalogue import region_settings
from portal.catalogue.matching import resolve
from portal.catalogue.overview import fold
from portal.catalogue.reading import CatalogueError
from portal.catalogue.region_settings import RegionChangeRefused, TriedCase
from portal.catalogue.revision import text_hash
from portal.clearing import KINDS, Clearing, ClearingError, Need, SourceText
from portal.clearing import Path as ClearingPath
from portal.clearing.loading import QUESTIONNAIRE_FILE, ROUTING_FILE
from portal.clearing.schema import QuestionnaireSpec, RoutingSpec, Wording
from portal.web.admin.guard import me, needs, typed_before
from portal.web.admin.losing import places_words
from portal.web.admin.paging import Paging
from portal.web.admin.rendering import render, say
from portal.web.admin.times import moment
from portal.web.answering import Router
from portal.web.current import current_language, current_portal
from portal.web.database import current_session
from portal.web.proof import prove
from portal.web.public.presenting import language_name
from portal.web.texts import N_, gettext, ngettext

log = logging.getLogger("portal.web.admin")

CASES_FILE = "cases.yaml"
LONGEST_TEXT = 1000
_GIVEN_UP_AFTER = timedelta(minutes=10)
"""A check that was begun so long ago and has no result was ended with its process."""

AUDIENCES = {
    "young_person": N_("young people"),
    "parent": N_("parents"),
    "professional": N_("professionals"),
    "company": N_("companies"),
}
URGENCIES = {
    "now": N_("right now"),
    "today": N_("still today"),
    "days": N_("within days"),
    "normal": N_("no hurry"),
}
PLACES = {
    "residence": N_("where the person lives"),
    "parents": N_("where the parents live"),
    "here_now": N_("where the person is"),
    "company": N_("where the company is"),
    "school": N_("where the school is"),
    "assigned": N_("where the person was assigned to"),
    "former_youth_office": N_("the youth office that helped so far"),
    "anywhere": N_("anywhere"),
}


def register(bp: Blueprint) -> None:
    bp.add_url_rule("/clearing", "clearing", clearing)
    bp.add_url_rule("/clearing/rules", "clearing_rules", rules)
    bp.add_url_rule("/clearing/check", "clearing_check", run_check, methods=["POST"])
    bp.add_url_rule("/clearing/try", "clearing_try", try_it, methods=["GET", "POST"])
    bp.add_url_rule("/clearing/cases", "clearing_cases", cases, methods=["GET", "POST"])
    bp.add_url_rule("/clearing/texts", "clearing_texts", texts)
    bp.add_url_rule("/clearing/texts/<key>", "clearing_text", text, methods=["GET", "POST"])


# The tree.


@dataclass(frozen=True, slots=True)
class Sentence:
    """A condition in words: one line, or a list that holds as a whole (`all`) or in one part (`any`), or `not`."""

    kind: str
    words: str = ""
    parts: tuple["Sentence", ...] = ()


@dataclass(frozen=True, slots=True)
class _Files:
    """The files as they are written: what was compiled no longer knows the names of facts."""

    questionnaire: QuestionnaireSpec
    routing: RoutingSpec
    fingerprint: str


@lru_cache(maxsize=4)
def _files(directory: Path, _changed: tuple[int, int]) -> _Files:
    bodies = [(directory / name).read_bytes() for name in (QUESTIONNAIRE_FILE, ROUTING_FILE)]
    return _Files(
        QuestionnaireSpec.model_validate(yaml.safe_load(bodies[0])),
        RoutingSpec.model_validate(yaml.safe_load(bodies[1])),
        hashlib.sha256(b"".join(bodies)).hexdigest()[:12],
    )


def files() -> _Files:
    directory = current_portal().settings.questionnaires_dir
    first, second = ((directory / name).stat().st_mtime_ns for name in (QUESTIONNAIRE_FILE, ROUTING_FILE))
    return _files(directory, (first, second))


def german(source: str) -> str:
    return current_portal().catalogue.extras.wordings.get(source, source)


def _any_text(text: Any) -> str:
    """The wording for the first audience that has one."""
    return german(text if isinstance(text, str) else next(iter(text.values())))


def _worded(wording: Wording) -> str:
    return _any_text(dict(wording.by_audience))


def kind_name(code: str) -> str:
    term = current_portal().catalogue.term("contact_kinds", code)
    return term.name if term else code


class Reader:
    """Turns the conditions of the files into sentences."""

    def __init__(self) -> None:
        given = files()
        self.facts: Mapping[str, Any] = {**given.questionnaire.facts, **given.routing.facts}
        self.questions: dict[str, str] = {}
        self.options: dict[str, dict[str, str]] = {}
        for question in current_portal().clearing.questions:
            self.questions[question.id] = _worded(question.wording)
            self.options[question.id] = {
                option.id: _worded(option.wording) for option in question.all_options
            }
            if question.type == "place":
                self.options[question.id]["inside"] = gettext("a place in this county")
                self.options[question.id]["outside"] = gettext("a place outside of it")

    def read(self, source: Mapping[str, Any] | None) -> Sentence | None:
        """None: always."""
        return None if source is None else self._read(source)

    def _read(self, source: Mapping[str, Any]) -> Sentence:
        if "question" in source:
            return Sentence("line", self._about_question(source))
        if "switch" in source:
            return Sentence(
                "line",
                gettext(
                    "setting %(name)s: %(values)s", name=source["switch"], values=_or(source["is_one_of"])
                ),
            )
        operator, operand = next(iter(source.items()))
        if operator == "fact":
            # In words where it stands: nobody knows the names that the files give to facts.
            source_of = self.facts.get(str(operand))
            return Sentence("fact", str(operand), (self._read(source_of),) if source_of else ())
        if operator == "not":
            return Sentence("not", parts=(self._read(operand),))
        return Sentence(operator, parts=tuple(self._read(part) for part in operand))

    def _about_question(self, source: Mapping[str, Any]) -> str:
        name = source["question"]
        question = self.questions.get(name, name)
        if "answered" in source:
            return (
                gettext("“%(question)s” was answered", question=question)
                if source["answered"]
                else gettext("“%(question)s” was not answered", question=question)
            )
        operator = next(key for key in source if key != "question")
        options = self.options.get(name, {})
        answers = _or([options.get(str(value), str(value)) for value in source[operator]])
        if operator == "includes_only":
            return gettext("“%(question)s”: only %(answers)s", question=question, answers=answers)
        return gettext("“%(question)s”: %(answers)s", question=question, answers=answers)


def _or(values: Sequence[str]) -> str:
    return format_list(list(values), style="or", locale=current_language().locale)


@dataclass(frozen=True, slots=True)
class QuestionLine:
    id: str
    number: int
    text: str
    help: str
    several: int
    """How many answers at most; 1 for most questions."""
    readers: str
    when: Sentence | None
    options: tuple[tuple[str, str], ...]
    """Words, and what follows from the answer by itself."""


@needs(Permission.CLEARING)
def clearing() -> Response:
    given, portal = files(), current_portal()
    reader = Reader()
    lines = [
        QuestionLine(
            question.id,
            number,
            _any_text(question.text),
            _any_text(question.help),
            question.max_choices,
            _readers(question.audiences),
            reader.read(question.when),
            tuple(
                (
                    reader.options[question.id][option.id],
                    gettext("a sign of danger: a safe contact stands on top") if option.safety else "",
                )
                for option in portal.clearing.question(question.id).all_options
            ),
        )
        for number, question in enumerate(given.questionnaire.questions, 1)
    ]
    return render(
        "admin/clearing.html",
        fragment="check",
        tabs=tabs("admin.clearing"),
        questions=lines,
        facts=_facts(reader, given.questionnaire.facts),
        check=last_check(),
    )


def tabs(current: str) -> list[tuple[str, str, bool]]:
    return [
        (gettext(label), url_for(endpoint), endpoint == current)
        for label, endpoint in (
            (N_("Questions"), "admin.clearing"),
            (N_("Rules"), "admin.clearing_rules"),
            (N_("Try it"), "admin.clearing_try"),
            (N_("Cases"), "admin.clearing_cases"),
            (N_("Texts"), "admin.clearing_texts"),
        )
    ]


def _readers(audiences: Iterable[str]) -> str:
    found = list(audiences)
    if set(found) >= {"young_person", "parent", "professional"}:
        return ""
    return format_list(
        [gettext(AUDIENCES[name]) for name in found], style="standard", locale=current_language().locale
    )


def _facts(reader: Reader, facts: Mapping[str, Any]) -> list[tuple[str, Sentence | None]]:
    return [(name, reader.read(source)) for name, source in facts.items()]


@dataclass(frozen=True, slots=True)
class RuleLine:
    id: str
    row: int
    readers: str
    when: Sentence | None
    kind: str
    urgency: str
    reason: str
    say: str
    law: str
    place: str
    also: tuple[tuple[str, Sentence | None], ...]
    why_not: tuple[tuple[str, str], ...]
    safety: bool
    valid: str
    in_force: bool


@needs(Permission.CLEARING)
def rules() -> Response:
    given = files()
    reader = Reader()
    wanted = request.args.get("kind", "")
    wanted = wanted if wanted in KINDS else ""
    today = current_portal().catalogue.today
    lines = [
        RuleLine(
            rule.id,
            rule.row,
            _readers(rule.audiences),
            reader.read(rule.when),
            kind_name(rule.kind),
            gettext(URGENCIES[rule.urgency]),
            _any_text(rule.reason),
            _any_text(rule.say or given.routing.kinds[rule.kind].say),
            rule.law or given.routing.kinds[rule.kind].law or "",
            gettext(PLACES[rule.place_counts or given.routing.kinds[rule.kind].place_counts]),
            tuple(
                (kind_name(also), None)
                if isinstance(also, str)
                else (kind_name(also.kind), reader.read(also.when))
                for also in rule.also
            ),
            tuple((kind_name(entry.kind), _any_text(entry.text)) for entry in rule.why_not),
            rule.safety,
            _validity(rule.valid_from, rule.valid_to),
            (rule.valid_from is None or rule.valid_from <= today)
            and (rule.valid_to is None or today <= rule.valid_to),
        )
        for rule in given.routing.rules
        if not wanted or rule.kind == wanted
    ]
    used = {rule.kind for rule in given.routing.rules}
    return render(
        "admin/clearing_rules.html",
        tabs=tabs("admin.clearing_rules"),
        rules=lines,
        facts=_facts(reader, {**given.questionnaire.facts, **given.routing.facts}),
        kinds=sorted(((code, kind_name(code)) for code in used), key=lambda pair: fold(pair[1])),
        wanted=wanted,
    )


def _validity(first: date | None, last: date | None) -> str:
    if first and last:
        return gettext("from %(first)s to %(last)s", first=first.isoformat(), last=last.isoformat())
    if first:
        return gettext("from %(first)s on", first=first.isoformat())
    return gettext("until %(last)s", last=last.isoformat()) if last else ""


# The proof.


@dataclass(frozen=True, slots=True)
class CheckProblem:
    words: str
    source: str = ""
    """The line as the check wrote it, in English and with ids; empty when `words` is just that."""


_NO_DESK = re.compile(r"(?P<kind>\w+) has no desk for (?P<places>[\d, ]+)")
_DEAD_RULE = re.compile(r"rule (?P<rule>\S+) is never the first contact")
_NEVER_ASKED = re.compile(r"question (?P<question>\w+) is never asked")
_IDLE = re.compile(r"question (?P<question>\w+), option (?P<option>\w+) changes nothing anywhere")


def check_problem(message: str) -> CheckProblem:
    """With the names of places, kinds and questions instead of their ids, where the sentence is known."""
    if found := _NO_DESK.match(message):
        places = places_words(tuple(found["places"].replace(" ", "").split(",")))
        words = gettext(
            "No office for “%(kind)s” in: %(places)s", kind=kind_name(found["kind"]), places=places
        )
        return CheckProblem(words, message)
    if found := _DEAD_RULE.match(message):
        kind = next((rule.kind for rule in files().routing.rules if rule.id == found["rule"]), "")
        words = gettext("A rule for “%(kind)s” never comes to bear.", kind=kind_name(kind) or found["rule"])
        return CheckProblem(words, message)
    reader = Reader()
    if found := _NEVER_ASKED.match(message):
        question = reader.questions.get(found["question"], found["question"])
        return CheckProblem(gettext("“%(question)s” is never asked.", question=question), message)
    if found := _IDLE.match(message):
        question = reader.questions.get(found["question"], found["question"])
        answer = reader.options.get(found["question"], {}).get(found["option"], found["option"])
        words = gettext(
            "“%(question)s”: the answer “%(answer)s” changes nothing.", question=question, answer=answer
        )
        return CheckProblem(words, message)
    return CheckProblem(message)


@dataclass(frozen=True, slots=True)
class CheckLine:
    state: str
    """none, running, failed, passed or problems."""
    at: str = ""
    current: bool = True
    """Nothing has changed since."""
    problems: tuple["CheckProblem", ...] = ()
    answer_sets: int = 0
    states: int = 0
    longest_path: int = 0
    seconds: float = 0.0


def _check_file() -> Path:
    portal = current_portal()
    return portal.settings.data_dir / f"clearing_check-{portal.region.slug}.json"


def _fingerprint() -> str:
    portal = current_portal()
    return f"{files().fingerprint}-{portal.catalogue.revision}-{portal.catalogue.today.isoformat()}"


def last_check() -> CheckLine:
    """Of this installation, whichever process ran it."""
    portal = current_portal()
    try:
        kept = json.loads(_check_file().read_text(encoding="utf-8"))
        at = datetime.fromisoformat(kept["at"])
        if kept["state"] == "running":
            return CheckLine("running" if portal.now() - at < _GIVEN_UP_AFTER else "failed", moment(at))
        return CheckLine(
            kept["state"],
            moment(at),
            kept["fingerprint"] == _fingerprint(),
            tuple(check_problem(message) for message in kept.get("problems", ())),
            kept.get("answer_sets", 0),
            kept.get("states", 0),
            kept.get("longest_path", 0),
            kept.get("seconds", 0.0),
        )
    except (OSError, ValueError, KeyError, TypeError):
        return CheckLine("none")


@needs(Permission.CLEARING)
def run_check() -> BaseResponse:
    """Begin it; it takes some seconds, so the page asks for the result."""
    if last_check().state != "running":
        portal, path, fingerprint = current_portal(), _check_file(), _fingerprint()
        now, today = portal.now(), portal.catalogue.today
        settings, catalogue = portal.settings, portal.catalogue
        _keep(path, {"state": "running", "at": now.isoformat(), "fingerprint": fingerprint})

        def work() -> None:
            result: dict[str, Any] = {"state": "failed", "at": now.isoformat(), "fingerprint": fingerprint}
            try:
                report = prove(settings, catalogue, today=today)
                result.update(
                    state="passed" if report.passed else "problems",
                    problems=[problem.message for problem in report.problems][:200],
                    answer_sets=report.answer_sets,
                    states=report.states,
                    longest_path=report.longest_path,
                    seconds=round(report.seconds, 1),
                )
            except (ClearingError, CatalogueError, SQLAlchemyError, OSError) as error:
                log.error("the clearing check ended early: %s", type(error).__name__)
            finally:
                _keep(path, result)

        begin_work(work)
    return redirect(url_for("admin.clearing"), code=303)


def begin_work(work: Any) -> None:
    """Beside the answer; tests do it before."""
    threading.Thread(target=work, name="clearing-check", daemon=True).start()


def _keep(path: Path, result: Mapping[str, Any]) -> None:
    new = path.with_suffix(".new")
    new.write_text(json.dumps(result, ensure_ascii=False), encoding="utf-8")
    new.replace(path)


# Try it.


@dataclass(frozen=True, slots=True)
class TriedQuestion:
    id: str
    text: str
    several: bool
    place: bool
    options: tuple[tuple[str, str], ...]
    chosen: frozenset[str]
    place_text: str


@dataclass(frozen=True, slots=True)
class TriedContact:
    kind: str
    urgency: str
    reason: str
    say: str
    bring: tuple[str, ...]
    rule: str
    place: str
    desk: str
    desk_url: str
    organization: str
    stands_in: bool
    """There is no desk of this kind: the clearing desk takes over."""


@dataclass(frozen=True, slots=True)
class TriedRule:
    id: str
    kind: str
    when: Sentence | None


@dataclass(frozen=True, slots=True)
class Tried:
    steps: tuple[tuple[str, str], ...]
    next: str
    unused: tuple[str, ...]
    """Answers that this path does not ask for."""
    ignored: tuple[str, ...]
    rules: tuple[TriedRule, ...]
    primary: TriedContact
    also: tuple[TriedContact, ...]
    kind_code: str
    answers_json: str


@needs(Permission.CLEARING)
def try_it() -> Response:
    given = _given_answers()
    tried = _tried(given) if request.method == "POST" else None
    reader = Reader()
    portal = current_portal()
    questions = [
        TriedQuestion(
            question.id,
            reader.questions[question.id],
            question.type == "multiple",
            question.type == "place",
            tuple(reader.options[question.id].items()),
            frozenset(given.get(question.id, ())),
            next(iter(given.get(question.id, ())), "") if question.type == "place" else "",
        )
        for question in files().questionnaire.questions
    ]
    return render(
        "admin/clearing_try.html",
        fragment="tried",
        tabs=tabs("admin.clearing_try"),
        questions=questions,
        tried=tried,
        kinds=_kinds_by_name(),
        places=[place.name for place in portal.catalogue.places.all()],
        may_save=may_reword(),
    )


def _kinds_by_name() -> list[tuple[str, str]]:
    return sorted(((code, kind_name(code)) for code in KINDS), key=lambda pair: fold(pair[1]))


def _given_answers() -> dict[str, list[str]]:
    """What the form says, with nothing but ids and a place of at most 80 characters."""
    found = {}
    for question in current_portal().clearing.questions:
        values = [value.strip()[:80] for value in request.form.getlist(f"q.{question.id}")]
        if any(values):
            found[question.id] = [value for value in values if value]
    return found


def _tried(given: Mapping[str, list[str]]) -> Tried:
    portal = current_portal()
    clearing = portal.clearing
    answers, ags, ignored = Router(clearing, portal.catalogue, today=portal.catalogue.today).read(given)
    path = clearing.walk(answers)
    outcome = clearing.route(path, switches=portal.switches, today=portal.catalogue.today)
    specs = {rule.id: rule for rule in files().routing.rules}
    reader = Reader()
    unused = [reader.questions[name] for name in answers if name not in path.answers]
    return Tried(
        tuple(
            (
                german(step.question.text(path.audience)),
                format_list(
                    [german(option.text(path.audience)) for option in step.chosen],
                    style="standard",
                    locale=current_language().locale,
                ),
            )
            for step in path.steps
        ),
        german(path.next.text(path.audience)) if path.next else "",
        tuple(unused),
        tuple(ignored),
        tuple(
            TriedRule(rule, kind_name(specs[rule].kind), reader.read(specs[rule].when))
            for rule in outcome.rules
        ),
        _contact(outcome.primary, ags),
        tuple(_contact(need, ags) for need in outcome.also),
        outcome.primary.kind,
        json.dumps({name: list(values) for name, values in _plain_answers(path, answers).items()}),
    )


def _plain_answers(path: ClearingPath, answers: Mapping[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    """For a case: without what the path did not ask, the place as inside or outside."""
    return {name: values for name, values in answers.items() if name in path.answers}


def _contact(need: Need, ags: str | None) -> TriedContact:
    portal = current_portal()
    desk = resolve(portal.catalogue, need.kind, place=ags)
    return TriedContact(
        kind_name(need.named_kind or need.kind),
        gettext(URGENCIES[need.urgency]),
        german(need.reason),
        german(need.say) if need.say else "",
        tuple(german(item) for item in need.bring),
        need.rule,
        gettext(PLACES[need.place_counts]),
        desk.service.name,
        url_for("admin.edit_service", slug=desk.service.slug),
        desk.service.organization.name,
        desk.level == "clearing",
    )


# Cases.


@dataclass(frozen=True, slots=True)
class CaseLine:
    title: str
    expected: str
    found: str
    passed: bool
    own: bool
    why: str


@lru_cache(maxsize=2)
def _shipped(path: Path, _changed: int) -> tuple[Mapping[str, Any], ...]:
    return tuple(yaml.safe_load(path.read_text(encoding="utf-8")))


def shipped_cases(directory: Path) -> tuple[Mapping[str, Any], ...]:
    """Reviewed cases that come with the questionnaire; none when the file is not there."""
    path = directory / CASES_FILE
    return _shipped(path, path.stat().st_mtime_ns) if path.exists() else ()


def why_wrong(clearing: Clearing, case: Mapping[str, Any], *, today: date) -> tuple[str, str]:
    """The kind of contact that is named first, and what is wrong with it; empty when all is right."""
    answers = {
        name: tuple(value) if isinstance(value, list) else (value,) for name, value in case["answers"].items()
    }
    outcome = clearing.route(answers, switches=case.get("switches", {}), today=case.get("today", today))
    shown = {need.kind for need in outcome.also}
    beside = shown | {need.kind for need in outcome.more}
    found = outcome.primary.kind
    if found != case["kind"]:
        return found, gettext("another first contact")
    if "urgent" in case and outcome.urgent is not case["urgent"]:
        return found, gettext("the urgency is another one")
    if outcome.primary.named_kind != case.get("named", outcome.primary.named_kind):
        return found, gettext("another office at the place of residence")
    if outcome.primary.rule != case.get("rule", outcome.primary.rule):
        return found, gettext("another rule: %(rule)s", rule=outcome.primary.rule)
    if not set(case.get("also", ())) <= shown:
        return found, gettext("somebody is missing beside it")
    if beside & set(case.get("not_beside", ())):
        return found, gettext("somebody stands beside it who should not")
    reasons = [entry.kind for entry in outcome.why_not]
    if reasons != case.get("why_not", reasons):
        return found, gettext("another reason why not")
    return found, ""


def _case_line(case: Mapping[str, Any], *, own: bool) -> CaseLine:
    portal = current_portal()
    found, why = why_wrong(portal.clearing, case, today=portal.catalogue.today)
    title = case.get("title_de", case["title"]) if current_language().code == "de" else case["title"]
    return CaseLine(title, kind_name(case["kind"]), kind_name(found), not why, own, why)


@needs(Permission.CLEARING)
def cases() -> BaseResponse:
    if request.method == "POST":
        return _change_case()
    return _cases_page()


def _cases_page(error: str = "", *, status: int = 200) -> Response:
    portal = current_portal()
    session = current_session()
    stored = region_settings.extras(region_settings.stored_overrides(session, portal.region.slug), {}).cases
    own = [
        _case_line(
            {
                "title": case.title,
                "answers": {name: list(values) for name, values in case.answers.items()},
                "kind": case.kind,
                "switches": portal.switches,
            },
            own=True,
        )
        for case in stored
    ]
    shipped = [_case_line(case, own=False) for case in shipped_cases(portal.settings.questionnaires_dir)]
    everything = [*own, *shipped]
    return render(
        "admin/clearing_cases.html",
        status=status,
        tabs=tabs("admin.clearing_cases"),
        lines=sorted(everything, key=lambda line: line.passed),
        wrong=sum(not line.passed for line in everything),
        at=moment(portal.now()),
        error=error,
        may_save=may_reword(),
    )


def may_reword() -> bool:
    """What holds for everybody is for those who are there for the whole county."""
    return me().powers.may_everywhere(Permission.CLEARING)


def _change_case() -> BaseResponse:
    if not may_reword():
        abort(403)
    portal, session = current_portal(), current_session()
    region, now = portal.region.slug, portal.now()
    title = " ".join(request.form.get("title", "").split())[:120]
    try:
        if request.form.get("do") == "remove":
            region_settings.remove_case(session, region, title, now=now)
            words, action = gettext("The case is removed."), "clearing.case_removed"
        else:
            case = _sent_case(title)
            if case is None:
                return _cases_page(
                    gettext("A case needs a title, answers, and the contact you expect."), status=422
                )
            region_settings.save_case(session, region, case, now=now)
            words, action = (
                gettext("The case is kept. From now on it is checked here."),
                "clearing.case_saved",
            )
    except RegionChangeRefused as refused:
        session.rollback()
        if refused.code == "unknown_case":
            abort(404)
        return _cases_page(gettext("There are too many cases. Please remove some."), status=422)
    audit.record(session, action, now=now, actor=me(), region=region, entity="region")
    session.commit()
    say(words)
    return redirect(url_for("admin.clearing_cases"), code=303)


def _sent_case(title: str) -> TriedCase | None:
    """Only what the questionnaire knows is kept."""
    clearing = current_portal().clearing
    kind = request.form.get("kind", "")
    try:
        given = json.loads(request.form.get("answers", ""))
    except ValueError:
        return None
    if not title or kind not in KINDS or not isinstance(given, dict):
        return None
    answers: dict[str, tuple[str, ...]] = {}
    for question in clearing.questions:
        values = given.get(question.id)
        known = {option.id for option in question.all_options}
        if isinstance(values, list) and values and all(value in known for value in map(str, values)):
            answers[question.id] = tuple(map(str, values))
    return TriedCase(title, answers, kind) if answers else None


# Texts.


@dataclass(frozen=True, slots=True)
class TextLine:
    id: str
    text: str
    where: str
    changed: int
    outdated: str


def _sources() -> dict[str, SourceText]:
    """Key of the address → text; the texts of the running process, so that a key never misses."""
    return {text_hash(source.text): source for source in current_portal().clearing.source_texts()}


def _outdated(key: str, wordings: Mapping[str, str]) -> list[str]:
    """Languages whose translation was made from the German text before it was reworded."""
    if key not in wordings:
        return []
    return [
        code
        for code, language in current_portal().languages.items()
        if code != "de" and key in language.questionnaire.texts
    ]


def _names(codes: Iterable[str]) -> str:
    return ", ".join(language_name(code) for code in codes)


@needs(Permission.CLEARING)
def texts() -> Response:
    session, region = current_session(), current_portal().region.slug
    wordings = region_settings.wordings(session, region)
    versions = region_settings.number_of_versions(session, region)
    words = " ".join(request.args.get("q", "").split())[:80]
    state = request.args.get("state", "")
    found = [
        (id_, source)
        for id_, source in _sources().items()
        if all(
            word in f"{source.text} {wordings.get(source.text, '')}".casefold()
            for word in words.casefold().split()
        )
        and (state != "changed" or source.text in wordings)
    ]
    paging = Paging.read(len(found))
    return render(
        "admin/clearing_texts.html",
        fragment="list",
        tabs=tabs("admin.clearing_texts"),
        q=words,
        state=state,
        changed=len(wordings),
        lines=[
            TextLine(
                id_,
                wordings.get(source.text, source.text),
                where(source),
                versions.get(source.text, 0),
                _names(_outdated(source.text, wordings)),
            )
            for id_, source in found[paging.offset : paging.offset + paging.size]
        ],
        paging=paging,
    )


def where(source: SourceText) -> str:
    """Where it stands: file and place as the files name them."""
    return source.location.partition(":")[2] or source.location


@needs(Permission.CLEARING)
def text(key: str) -> BaseResponse:
    source = _sources().get(key)
    if source is None:
        abort(404)
    if request.method == "GET":
        before = typed_before()
        return _text_page(key, source, typed=before.get("text") if before else None)
    if not may_reword():
        abort(403)
    portal, session = current_portal(), current_session()
    region, now = portal.region.slug, portal.now()
    typed = " ".join(request.form.get("text", "").split())
    back = request.form.get("do") == "back"
    seen = request.form.get("seen", "")
    if not back and (not typed or len(typed) > LONGEST_TEXT):
        error = (
            gettext("Please write a text. An empty one would leave a gap on the page.")
            if not typed
            else ngettext("At most %(num)s character.", "At most %(num)s characters.", LONGEST_TEXT)
        )
        return _text_page(key, source, typed=typed, error=error, status=422)
    try:
        region_settings.reword(
            session,
            region,
            source.text,
            None if back else typed,
            seen=int(seen) if seen.isascii() and seen.isdigit() and len(seen) < 9 else -1,
            author_id=me().user.id,
            author_name=me().name,
            now=now,
        )
    except RegionChangeRefused as refused:
        session.rollback()
        if refused.code == "unchanged":
            _forget_typed()
            say(gettext("Nothing was changed: it stands there just so."), "info")
            return redirect(url_for("admin.clearing_text", key=key), code=303)
        return _text_page(
            key,
            source,
            typed=typed,
            error=gettext(
                "Somebody has reworded this text meanwhile; see below. What you typed is still here: save again to take it."
            ),
            status=422,
        )
    audit.record(
        session,
        "clearing.text_put_back" if back else "clearing.text_saved",
        now=now,
        actor=me(),
        region=region,
        entity="region",
        entity_name=where(source)[:120],
    )
    _forget_typed()
    say(
        gettext("The text of the files is back.")
        if back
        else gettext("Saved. The public pages show it at once.")
    )
    return redirect(url_for("admin.clearing_text", key=key), code=303)


def _forget_typed() -> None:
    forms.discard(current_session(), me().user.id, request.path)
    current_session().commit()


def _text_page(
    key: str, source: SourceText, *, typed: str | None = None, error: str = "", status: int = 200
) -> Response:
    portal, session = current_portal(), current_session()
    versions = region_settings.versions_of(session, portal.region.slug, source.text)
    current = versions[0].text if versions and versions[0].text is not None else source.text
    reworded = {source.text: current} if current != source.text else {}
    outdated = _outdated(source.text, reworded)
    return render(
        "admin/clearing_text.html",
        status=status,
        key=key,
        source=source.text,
        where=where(source),
        text=current if typed is None else typed,
        error=error,
        reworded=bool(reworded),
        seen=versions[0].number if versions else 0,
        may_save=may_reword(),
        longest=LONGEST_TEXT,
        versions=[
            (version.number, version.text, moment(version.at), version.author_name) for version in versions
        ],
        translations=[
            (
                language_name(code),
                code,
                language.dir,
                language.questionnaire.texts[source.text],
                code in outdated,
            )
            for code, language in portal.languages.items()
            if code != "de" and source.text in language.questionnaire.texts
        ],
    )
