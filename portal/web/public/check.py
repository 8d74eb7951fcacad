"""The questionnaire and its result.

Answers live in the signed cookie and nowhere else; a path is replayed from the first question on every step,
so back, reload, bookmarks and a changed early answer all behave.
"""

import secrets
import time
from collections.abc import Mapping
from typing import Any

from flask import Blueprint, Response, g, redirect, request
from flask import session as cookie_session
from markupsafe import Markup
from werkzeug.exceptions import NotFound
from wtforms import SelectMultipleField, StringField
from wtforms.validators import Length

from portal.catalogue.places import PlaceResult
from portal.clearing import Option, Path, Question
from portal.web.current import current_language, current_portal
from portal.web.fragments import without_marks
from portal.web.public import addresses, outcome
from portal.web.public.views import Choice, ErrorLine, Link
from portal.web.responses import render
from portal.web.security import PortalForm, bind_session, new_token, refuse_cross_site
from portal.web.texts import gettext as _
from portal.web.texts import ngettext, note_questionnaire, questionnaire_text

ANSWERS = "a"
PLACE = "place"
FORMAL = ("parent", "professional", "company")
"""Audiences that are addressed as "Sie"."""
MINUTE = "m"
COOKIE_CHECK = "c"
"""Query parameter set once, after the first answer: the next page must come with a cookie."""


class AnswerForm(PortalForm):
    """One question's answer. Which options exist is checked against the questionnaire, not here."""

    answer = SelectMultipleField(validate_choice=False)
    place = StringField(validators=[Length(max=120)])
    place_choice = StringField(validators=[Length(max=40)])
    """Which of several places with the same name or postal code."""

    def chosen(self) -> list[str]:
        values = [*(self.answer.data or ()), self.place_choice.data or ""]
        return [value for value in dict.fromkeys(values) if value]


def stored_answers() -> dict[str, tuple[str, ...]]:
    """What the cookie holds: question → options; the place is an AGS or one of the fixed answers."""
    raw = cookie_session.get(ANSWERS)
    if not isinstance(raw, dict):
        return {}
    return {
        str(question): tuple(str(option) for option in options)
        for question, options in raw.items()
        if isinstance(options, list)
    }


def place_of(answers: Mapping[str, tuple[str, ...]]) -> str | None:
    """The AGS that was chosen, if one was."""
    value = (answers.get(PLACE) or ("",))[0]
    return value if value.isdigit() else None


def for_clearing(answers: Mapping[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    """The same answers with the place as clearing knows it: inside, outside, or not answered."""
    ags = place_of(answers)
    if ags is None:
        return dict(answers)
    inside = ags.startswith(current_portal().region.county_area)
    return {**answers, PLACE: ("inside",) if inside else ("outside",)}


def current_path() -> tuple[dict[str, tuple[str, ...]], Path]:
    """The stored answers and the path they make."""
    answers = stored_answers()
    return answers, current_portal().clearing.walk(for_clearing(answers))


def keep(answers: Mapping[str, tuple[str, ...]]) -> Path:
    """Write the answers that still apply to the cookie; returns the path they make."""
    path = current_portal().clearing.walk(for_clearing(answers))
    bind_session(lambda: secrets.token_hex(4))
    cookie_session[ANSWERS] = {question: list(answers[question]) for question in path.answers}
    cookie_session[MINUTE] = int(time.time() // 60)
    return path


def forget() -> None:
    cookie_session.clear()


def stay_alive() -> None:
    """A step was made: the thirty minutes begin anew. Signed again only when a minute has passed."""
    minute = int(time.time() // 60)
    if ANSWERS in cookie_session and cookie_session.get(MINUTE) != minute:
        cookie_session[MINUTE] = minute


def next_url(path: Path) -> str:
    return addresses.question(path.next.id) if path.next else addresses.result()


def register(bp: Blueprint) -> None:
    bp.add_url_rule("/<lang:lang>/check", "check", check)
    bp.add_url_rule("/<lang:lang>/check/<question_id>", "question", show_question, methods=["GET"])
    bp.add_url_rule("/<lang:lang>/check/<question_id>", "answer", answer_question, methods=["POST"])
    bp.add_url_rule("/<lang:lang>/result", "result", result)
    bp.add_url_rule("/<lang:lang>/forget", "forget", forget_all, methods=["POST"])


def check() -> Any:
    """Where the visitor stands: the next open question, or the result."""
    if g.get("session_expired"):
        return expired()
    _answers, path = current_path()
    response = redirect(next_url(path), code=303)
    response.headers["Cache-Control"] = "no-store"
    return response


def show_question(question_id: str) -> Any:
    portal = current_portal()
    if question_id not in {question.id for question in portal.clearing.questions}:
        raise NotFound
    answers, path = current_path()
    first = portal.clearing.questions[0]
    if request.args.get(COOKIE_CHECK) and not answers:
        return render("public/cookie_needed.html", index=False, minutes=portal.settings.session_minutes)
    if g.get("session_expired") and question_id != first.id:
        return expired()
    question = path.question(question_id)
    if question is None:
        response = redirect(next_url(path), code=303)
        response.headers["Cache-Control"] = "no-store"
        return response
    stay_alive()
    return question_page(question, answers, path, chosen=answers.get(question_id, ()))


def answer_question(question_id: str) -> Any:
    portal = current_portal()
    if question_id not in {question.id for question in portal.clearing.questions}:
        raise NotFound
    answers, path = current_path()
    if g.get("session_expired"):
        return expired()
    question = path.question(question_id)
    if question is None:
        return redirect(next_url(path), code=303)
    form = AnswerForm()
    chosen = form.chosen()
    place_text = without_marks(form.place.data or "").strip()[:120]
    if not form.validate():
        message = _("That did not get through. Please tap “Continue” once more.")
        return question_page(
            question, answers, path, chosen, place_text=place_text, error=message, status=422
        )
    if question.type == PLACE:
        accepted, problem, found = read_place(question, chosen, place_text, path)
        if accepted is None:
            return question_page(
                question, answers, path, chosen, place_text=place_text, error=problem, found=found, status=422
            )
        chosen = [accepted]
    else:
        chosen, problem = read_options(question, chosen, path)
        if problem:
            return question_page(question, answers, path, chosen, error=problem, status=422)
    fresh = not answers
    path = keep({**answers, question_id: tuple(chosen)})
    target = next_url(path)
    if fresh and path.next:
        target = f"{addresses.question(path.next.id)}?{COOKIE_CHECK}=1"
    return redirect(target, code=303)


def read_options(question: Question, chosen: list[str], path: Path) -> tuple[list[str], str | None]:
    """The valid part of what was chosen, and the problem with it, in words."""
    options = {option.id: option for option in question.options(path.audience)}
    valid = [option for option in chosen if option in options]
    if len(valid) > 1:
        # "I don't know" beside real answers: the real answers say more.
        valid = [option for option in valid if not options[option].exclusive] or valid[:1]
    if not valid:
        return valid, _("Please choose an answer. “I don't know” is fine too.")
    most = question.max_choices if question.type == "multiple" else 1
    if len(valid) > most:
        if most == 1:
            return valid, _("Please choose only one answer.")
        return valid, ngettext(
            "Please choose at most %(num)s answer.", "Please choose at most %(num)s answers.", most
        )
    return valid, None


def read_place(
    question: Question, chosen: list[str], text: str, path: Path
) -> tuple[str | None, str | None, PlaceResult | None]:
    """The accepted place (an AGS or a fixed answer), or the problem in words and what was found so far."""
    catalogue = current_portal().catalogue
    fixed = {option.id for option in question.options(path.audience)} - {"inside"}
    if text:
        # What was typed goes before a quiet answer that was still selected from an earlier visit.
        known = [value for value in chosen if value.isdigit() and catalogue.places.by_ags(value)]
        if known:
            return known[0], None, None
        found = catalogue.places.find(text)
        if found.status == "found":
            return found.places[0].ags, None, None
        if found.status == "outside":
            return "outside", None, None
        if "outside" in chosen:
            return "outside", None, None
        if found.status == "choose":
            return None, _("There are several places like that. Which one do you mean?"), found
        return None, _("We do not know this place. Check how it is written, or choose another answer."), found
    for value in chosen:
        if value in fixed or (value.isdigit() and catalogue.places.by_ags(value)):
            return value, None, None
    return None, _("Type a place or a postal code, or choose one of the answers below."), None


def question_page(
    question: Question,
    answers: Mapping[str, tuple[str, ...]],
    path: Path,
    chosen: Any = (),
    *,
    place_text: str = "",
    error: str | None = None,
    found: PlaceResult | None = None,
    status: int = 200,
) -> Response:
    portal = current_portal()
    audience = path.audience
    options = question.options(audience)
    previous = path.previous(question.id)
    place_choices: tuple[Choice, ...] = ()
    elsewhere: Choice | None = None
    if question.type == PLACE:
        options = tuple(option for option in options if option.id != "inside")
        if not place_text and chosen and chosen[0].isdigit():
            place = portal.catalogue.places.by_ags(chosen[0])
            place_text = place.name if place else ""
        if found:
            # One of the fixed answers too, but now most likely the one that is looked for.
            options = tuple(option for option in options if option.id != "outside")
            elsewhere = Choice("outside", _("Another place, not in %(region)s", region=portal.region.name))
        if found and elsewhere and found.places:
            known = (Choice(place.ags, place.label, checked=place.ags in chosen) for place in found.places)
            place_choices = (*known, elsewhere)
    texts = questionnaire_text
    # The list of answers may come out of the kept parts; what it says is on the page all the same.
    note_questionnaire(
        *(text for option in options for text in (option.text(audience), option.hint(audience)))
    )
    errors = [ErrorLine(PLACE if question.type == PLACE else "answer", error)] if error else []
    if elsewhere and not place_choices:
        errors.append(ErrorLine("elsewhere", elsewhere.label))
    return render(
        "public/question.html",
        status=status,
        index=False,
        style="light",
        csrf=new_token(),
        show_german=True,
        question_text=texts(question.text(audience)),
        hint=texts(hint) if (hint := question.hint(audience)) else None,
        help_text=texts(question.help(audience)),
        formal=audience in FORMAL,
        kind=question.type,
        choices=choices_html(question, options, audience, chosen),
        errors=tuple(errors),
        back_url=addresses.question(previous.id) if previous else addresses.start(),
        remaining=path.remaining if path.next and path.next.id == question.id else path.remaining + 1,
        acknowledgement=acknowledgement(question, path),
        result_url=addresses.result() if path.usable else None,
        action=addresses.question(question.id),
        place_text=place_text,
        place_choices=place_choices,
        elsewhere=elsewhere,
        suggest_url=addresses.place_suggestions(),
        said=said_links(path),
        number=1 + sum(step.question.position < question.position for step in path.steps),
    )


def choices_html(question: Question, options: tuple[Option, ...], audience: str, chosen: Any) -> Markup:
    """The tiles or the list. Without a chosen one they are the same for everybody, and kept."""
    portal = current_portal()
    renderer, lang = portal.renderer, current_language().code

    def make() -> str:
        choices = tuple(choice(option, audience, chosen) for option in options)
        if question.type == "multiple":
            return renderer.macro(lang, "ui/choices.html", "tiles", "answer", choices, question.max_choices)
        return renderer.macro(lang, "ui/choices.html", "choice_list", "answer", choices)

    if any(option.id in chosen for option in options):
        return Markup(make())  # noqa: S704 (our own template, escaped)
    return renderer.fragments.keep(
        ("choices", lang, question.id, audience, len(options), portal.catalogue.revision), make
    )


def choice(option: Option, audience: str, chosen: Any) -> Choice:
    hint = option.hint(audience)
    words = questionnaire_text(hint) if hint else None
    if option.id == "outside":
        words = _("Not in this county: %(region)s", region=current_portal().region.name)
    return Choice(
        option.id,
        questionnaire_text(option.text(audience)),
        hint=words,
        icon=option.icon,
        checked=option.id in chosen,
        quiet=option.special,
        exclusive=option.exclusive,
    )


def acknowledgement(question: Question, path: Path) -> str | None:
    """What the answer before this question is honoured with."""
    previous = path.previous(question.id)
    if previous is None:
        return None
    for step in path.steps:
        if step.question.id == previous.id:
            for option in step.chosen:
                if words := option.acknowledgement(path.audience):
                    return questionnaire_text(words)
    return None


def said_links(path: Path) -> tuple[Link, ...]:
    """Everything said so far, each a link to change it."""
    links = []
    place = place_of(stored_answers())
    for step in path.steps:
        for option in step.chosen:
            if step.question.type == PLACE and place:
                found = current_portal().catalogue.places.by_ags(place)
                label = found.name if found else ""
            else:
                label = questionnaire_text(words) if (words := option.said(path.audience)) else ""
            if label:
                links.append(Link(label, addresses.question(step.question.id)))
    return tuple(links)


def result() -> Any:
    if g.get("session_expired"):
        return expired()
    answers, path = current_path()
    if not path.usable and path.next:
        response = redirect(next_url(path), code=303)
        response.headers["Cache-Control"] = "no-store"
        return response
    stay_alive()
    return outcome.result_page(
        path,
        for_clearing(answers),
        place=place_of(answers),
        said=said_links(path),
        unfinished_url=addresses.question(path.next.id) if path.next else None,
        formal=path.audience in FORMAL,
    )


def expired() -> Response:
    return render("public/expired.html", index=False, minutes=current_portal().settings.session_minutes)


def forget_all() -> Any:
    """ "Alles löschen": the answers are gone, and the pages they stood on. Saved contacts are no answers and stay."""
    refuse_cross_site()
    forget()
    response = redirect(addresses.start(), code=303)
    response.headers["Clear-Site-Data"] = '"cache"'
    response.headers["Cache-Control"] = "no-store"
    return response
