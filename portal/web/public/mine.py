"""The private page of a referral: whoever has the receipt code sees where it stands and decides.

No code and nothing personal is ever part of an address. The signed cookie holds the id of the referral for the visit; wrong
codes are counted and slowed, and a wrong, a withdrawn and an erased one get the same answer.
"""

import json
import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

from flask import Blueprint, Response, redirect, request
from flask import session as cookie_session
from sqlmodel import Session
from werkzeug.exceptions import NotFound as NoSuchPage
from werkzeug.exceptions import ServiceUnavailable

from portal.referral import actions, codes, errors, queries, silence
from portal.referral.lifecycle import MoveNotAllowed
from portal.referral.models import Actor, AppointmentState, Referral, Status
from portal.referral.sealing import Erased, SealingError
from portal.web import consenting
from portal.web.current import current_language, current_portal
from portal.web.fragments import without_marks
from portal.web.limits import Rule, connection
from portal.web.notices import notify_soon
from portal.web.public import addresses, check, mine_page
from portal.web.public.calendar import office_hour
from portal.web.public.contact_me import SENT
from portal.web.public.mine_page import Asked
from portal.web.public.views import ErrorLine
from portal.web.referrals import CODE_ALL, CODE_CLIENT, Referrals
from portal.web.responses import render
from portal.web.security import TOKEN_FIELD, CrossSite, bind_session, check_token, new_token
from portal.web.texts import N_
from portal.web.texts import gettext as _

MINE = "mine"
"""In the cookie: the id of the referral."""
SAID = "mine_said"
"""In the cookie until the next page: key of the sentence about what just happened."""
FIRST_WRONG = Rule("receipt-code-first", "1 per 10 minutes")
"""Who has typed no wrong code lately may still try when somebody else's guessing has used up the common limit."""
WAIT_MINUTES = 10
"""The period of `CODE_CLIENT` and `FIRST_WRONG`."""
CODE_AT_MOST = 300
GONE = "gone"
OPEN_LONG = N_("This page was open for a long time. Please send it once more.")
SENTENCES = {
    "changed": N_("Something has changed in the meantime. Please look again."),
    "full": N_("This office cannot take anybody right now. Nothing was sent. You can wait or say no."),
    "open_long": OPEN_LONG,
    "sent": N_("Thank you, it has arrived"),
}


def register(bp: Blueprint) -> None:
    bp.add_url_rule("/<lang:lang>/mine", "mine", mine, methods=["GET"])
    bp.add_url_rule("/<lang:lang>/mine", "open_mine", open_mine, methods=["POST"])
    bp.add_url_rule("/<lang:lang>/mine/withdraw", "withdraw_mine", ask_to_withdraw)
    # One file name for all: it says nothing when it lies among the downloads.
    bp.add_url_rule("/<lang:lang>/mine/appointment.ics", "mine_calendar", calendar_file, methods=["POST"])
    bp.add_url_rule("/<lang:lang>/mine/data.json", "mine_data", data_file, methods=["POST"])
    bp.add_url_rule("/<lang:lang>/mine/<what>", "act_on_mine", act, methods=["POST"])
    bp.add_url_rule("/<lang:lang>/mine/<what>", "back_to_mine", back_to_mine, methods=["GET"])


def referrals_or_404() -> Referrals:
    found = current_portal().referrals
    if found is None:
        raise NoSuchPage
    return found


# -- the code ----------------------------------------------------------------------------------------------------------


def mine() -> Any:
    referrals_or_404()
    said = str(cookie_session.pop(SAID, ""))
    with current_portal().store.sessions() as session:
        referral = own(session)
        if referral is None:
            return goodbye() if said == GONE else code_form()
        stay_alive()
        # Whoever goes on has seen the code: the page of the receipt does not come again.
        cookie_session.pop(SENT, None)
        return page(session, referral, said=said)


def open_mine() -> Any:
    portal, referrals = current_portal(), referrals_or_404()
    typed = without_marks(request.form.get("code", ""))[:CODE_AT_MOST]
    try:
        check_token(request.form.get(TOKEN_FIELD, ""))
    except CrossSite:
        return code_form(typed, _(OPEN_LONG), status=422)
    if not codes.folded(typed):
        return code_form(typed, _("Please type your code."), status=422)
    if not may_try(referrals):
        words = _("That was too often. Please wait %(minutes)s minutes.", minutes=WAIT_MINUTES)
        response = code_form(typed, words, status=429)
        response.headers["Retry-After"] = str(WAIT_MINUTES * 60)
        return response
    with portal.store.sessions() as session:
        try:
            referral = queries.by_code(session, referrals.keyring, typed)
        except errors.NotFound:
            referral = None
        if referral is None or referral.region != portal.region.slug:
            count_wrong(referrals)
            return code_form(typed, _("This code does not fit. Please look at it once more."), status=422)
        bind_session(lambda: secrets.token_hex(4))
        cookie_session[MINE] = str(referral.id)
        if request.form.get("text"):
            return page(session, referral, typed=typed_message())
    return back()


def back_to_mine(what: str) -> Any:
    """The address of a form that was shown once more, opened in another language or again."""
    if what not in STEPS:
        raise NoSuchPage
    return back()


def may_try(referrals: Referrals) -> bool:
    """Asked before anything is looked up, so that a right code among many guesses opens nothing either."""
    address = connection(request.remote_addr)
    return referrals.limits.left(CODE_CLIENT, address) and (
        referrals.limits.left(CODE_ALL, "") or referrals.limits.left(FIRST_WRONG, address)
    )


def count_wrong(referrals: Referrals) -> None:
    address = connection(request.remote_addr)
    for rule, key in ((CODE_CLIENT, address), (FIRST_WRONG, address), (CODE_ALL, "")):
        referrals.limits.hit(rule, key)


def own(session: Session) -> Referral | None:
    """The referral of this visit; None, and forgotten, when it is erased meanwhile."""
    if MINE not in cookie_session:
        return None
    try:
        referral = session.get(Referral, UUID(str(cookie_session[MINE])))
    except ValueError:
        referral = None
    if (
        referral is None
        or referral.region != current_portal().region.slug
        or referral.key_sealed is None
        or referral.status == Status.DRAFT
    ):
        cookie_session.pop(MINE)
        return None
    return referral


def stay_alive() -> None:
    """The thirty minutes begin anew."""
    minute = int(time.time() // 60)
    if cookie_session.get(check.MINUTE) != minute:
        cookie_session[check.MINUTE] = minute


def code_form(typed: str = "", problem: str = "", *, status: int = 200) -> Response:
    """Carries a message that was written for longer than the visit lasts; it waits for the code here."""
    return render(
        "public/mine_code.html",
        status=status,
        index=False,
        csrf=new_token(),
        action=addresses.mine(),
        typed=typed,
        message=typed_message(),
        errors=(ErrorLine("code", problem),) if problem else (),
    )


def goodbye() -> Response:
    return render("public/mine_gone.html", index=False)


def back(said: str = "") -> Any:
    if said:
        cookie_session[SAID] = said
    response = redirect(addresses.mine(), code=303)
    response.headers["Cache-Control"] = "no-store"
    return response


# -- the page ----------------------------------------------------------------------------------------------------------


def page(
    session: Session,
    referral: Referral,
    *,
    said: str = "",
    wrong: ErrorLine | None = None,
    typed: Mapping[UUID, str] | None = None,
    told: tuple[str, frozenset[str]] | None = None,
    status: int = 200,
) -> Response:
    """`told`: which lines were ticked for which question, when it has to be shown again."""
    referrals = referrals_or_404()
    with readable():
        shown = mine_page.shown(session, referrals, referral, typed=dict(typed or {}))
    if told is not None:
        again = tuple(replace(one, told=told[1]) if one.id == told[0] else one for one in shown.asked)
        shown = replace(shown, asked=again)
    response = render(
        "public/mine.html",
        status=status,
        style="paper",
        index=False,
        csrf=new_token(),
        shown=shown,
        said=_(SENTENCES[said]) if said in SENTENCES else "",
        went_well=said == "sent",
        errors=(wrong,) if wrong else (),
        action=addresses.mine(),
        longest=actions.TEXT_AT_MOST,
    )
    if shown.fresh:
        _read(session, referrals, referral)
    return response


def _read(session: Session, referrals: Referrals, referral: Referral) -> None:
    try:
        actions.read_by_person(session, referral, days=referrals.days, now=current_portal().now())
        session.commit()
    except errors.Changed:
        # Somebody acted in this very moment: the messages stay new until the next look.
        session.rollback()


@contextmanager
def readable() -> Iterator[None]:
    """Without the right keys nobody reads anything; that is no mistake of whoever asks."""
    try:
        yield
    except Erased:
        raise
    except SealingError:
        raise ServiceUnavailable from None


def ask_to_withdraw() -> Any:
    referrals_or_404()
    with current_portal().store.sessions() as session:
        if own(session) is None:
            return back()
    stay_alive()
    return render("public/mine_withdraw.html", index=False, csrf=new_token(), action=addresses.mine())


# -- what the young person does ----------------------------------------------------------------------------------------


class Again(Exception):
    """The page is shown once more, with what was typed."""

    def __init__(self, wrong: ErrorLine | None = None, *, said: str = "") -> None:
        super().__init__()
        self.wrong = wrong
        self.said = said


def act(what: str) -> Any:
    """One step, then the page anew. Whoever was overtaken sees the new state and loses nothing they typed."""
    referrals = referrals_or_404()
    step = STEPS.get(what)
    if step is None:
        raise NoSuchPage
    with current_portal().store.sessions() as session:
        referral = own(session)
        if referral is None:
            return code_form() if typed_message() else back()
        stay_alive()
        try:
            check_token(request.form.get(TOKEN_FIELD, ""))
            with readable():
                said = step(session, referrals, referral)
            session.commit()
        except Again as again:
            session.rollback()
            return shown_again(session, again)
        except CrossSite:
            session.rollback()
            return shown_again(session, Again(said="open_long"))
        except errors.DeskUnavailable:
            session.rollback()
            return shown_again(session, Again(said="full"))
        except (errors.ReferralError, MoveNotAllowed, Erased):
            session.rollback()
            return shown_again(session, Again(said="changed"))
    notify_soon()
    response = back(said)
    if MINE not in cookie_session:
        response.headers["Clear-Site-Data"] = '"cache"'
    return response


def shown_again(session: Session, again: Again) -> Any:
    """Nothing was changed: what is there now, above what was typed."""
    referral = own(session)
    if referral is None:
        return back()
    told = None
    if "question" in request.form:
        told = (request.form["question"], frozenset(request.form.getlist("line")))
    return page(
        session,
        referral,
        said=again.said,
        wrong=again.wrong,
        typed=typed_message(),
        told=told,
        status=422 if again.wrong or again.said == "open_long" else 409,
    )


def typed_message() -> dict[UUID, str]:
    """What stands in the form, by team."""
    text = without_marks(request.form.get("text", ""))
    try:
        return {_uuid("organization"): text} if text else {}
    except errors.NotFound:
        return {}


def _uuid(name: str) -> UUID:
    """Raises NotFound: the form was not ours."""
    try:
        return UUID(request.form.get(name, ""))
    except ValueError:
        raise errors.NotFound from None


def _message(session: Session, referrals: Referrals, referral: Referral) -> str:
    organization_id = _uuid("organization")
    # Line ends count once, as in the field.
    text = without_marks(request.form.get("text", "")).replace("\r\n", "\n").strip()
    anchor = f"text-{organization_id}"
    if not text:
        raise Again(ErrorLine(anchor, _("Please write something.")))
    if len(text) > actions.TEXT_AT_MOST:
        raise Again(ErrorLine(anchor, _("Please write at most %(num)s letters.", num=actions.TEXT_AT_MOST)))
    if not _sent_already(session, referrals, referral, organization_id, text):
        actions.message(
            session,
            referrals.keyring,
            referral,
            text,
            organization_id=organization_id,
            by=None,
            days=referrals.days,
            now=current_portal().now(),
        )
    return "sent"


def _sent_already(
    session: Session, referrals: Referrals, referral: Referral, organization_id: UUID, text: str
) -> bool:
    """The button was tapped twice."""
    view = queries.for_person(session, referrals.keyring, referral)
    with_team = [one for one in view.messages if one.message.organization_id == organization_id]
    return (
        bool(with_team)
        and with_team[-1].message.author == Actor.YOUNG_PERSON
        and with_team[-1].text == text
        and current_portal().now() - with_team[-1].message.at < timedelta(minutes=1)
    )


def _handover(session: Session, referrals: Referrals, referral: Referral) -> str:
    now = current_portal().now()
    if request.form.get("answer") != "yes":
        actions.decline_handover(session, referral, now=now)
        return "sent"
    asked = _as_shown(session, referrals, referral, "handover")
    actions.agree_handover(
        session,
        referrals.keyring,
        referral,
        consenting.ticked(asked.agreed, request.form.getlist("line")),
        text_version=consenting.TEXT_VERSION,
        days=referrals.days,
        now=now,
        shown_desk=asked.desk,
    )
    given = actions.live_consent(session, referral, asked.desk.organization_id, now=now)
    if given is not None:
        given.language = current_language().code
        session.add(given)
    return "sent"


def _joint(session: Session, referrals: Referrals, referral: Referral) -> str:
    consent = queries.asked_consent(session, referral, _uuid("question"))
    agreed = None
    if request.form.get("answer") == "yes":
        asked = _as_shown(session, referrals, referral, str(consent.id))
        agreed = consenting.ticked(asked.agreed, request.form.getlist("line"))
        consent.language = current_language().code
    actions.agree_joint(
        session,
        referrals.keyring,
        referral,
        consent,
        agreed,
        text_version=consenting.TEXT_VERSION,
        now=current_portal().now(),
    )
    return "sent"


def _as_shown(session: Session, referrals: Referrals, referral: Referral, id_: str) -> Asked:
    """The question, when it still says what was read: another desk or another day is shown first."""
    view = queries.for_person(session, referrals.keyring, referral)
    for asked in mine_page.open_questions(session, referrals, referral, view):
        if asked.id == id_:
            if secrets.compare_digest(
                asked.fingerprint.encode(), request.form.get("fingerprint", "").encode()
            ) and request.form.get("desk") == str(asked.desk.service_id):
                return asked
            break
    raise errors.Changed


def _end_joint(session: Session, referrals: Referrals, referral: Referral) -> str:
    consent = queries.asked_consent(session, referral, _uuid("consent"))
    actions.withdraw_joint(session, referral, consent, now=current_portal().now())
    return "sent"


def _appointment(session: Session, referrals: Referrals, referral: Referral) -> str:
    answer = request.form.get("answer")
    if answer not in ("yes", "no"):
        raise errors.NotFound
    found = queries.appointment_of(session, referral, _uuid("appointment"))
    wanted = AppointmentState.AGREED if answer == "yes" else AppointmentState.DECLINED
    if found.state != wanted:
        actions.answer_appointment(session, referral, found, fits=answer == "yes", now=current_portal().now())
    return "sent"


def _alarm(session: Session, referrals: Referrals, referral: Referral) -> str:
    now = current_portal().now()
    if referral.first_contact_at is not None and not silence.is_silent(
        session, referrals.keyring, referral, days=referrals.days, now=now
    ):
        raise errors.Changed
    actions.alarm(session, referral, now=now)
    return "sent"


def _worked(session: Session, referrals: Referrals, referral: Referral) -> str:
    counted = actions.say_whether_it_worked(
        session, referral, request.form.get("answer", ""), now=current_portal().now()
    )
    return "sent" if counted else ""


def _withdraw(session: Session, referrals: Referrals, referral: Referral) -> str:
    now = current_portal().now()
    try:
        actions.withdraw(session, referral, now=now)
    except errors.Changed:
        # Whatever the office did in this very moment, it does not stand in the way.
        session.rollback()
        session.refresh(referral)
        actions.withdraw(session, referral, now=now)
    _forget(session, referrals, referral)
    return GONE


def _forget(session: Session, referrals: Referrals, referral: Referral) -> str:
    cookie_session.pop(MINE, None)
    cookie_session.pop(SENT, None)
    return ""


STEPS: dict[str, Callable[[Session, Referrals, Referral], str]] = {
    "message": _message,
    "handover": _handover,
    "joint": _joint,
    "end-joint": _end_joint,
    "appointment": _appointment,
    "alarm": _alarm,
    "worked": _worked,
    "withdraw": _withdraw,
    "forget": _forget,
}
"""What can be posted; each says which sentence stands on the next page."""


# -- files -------------------------------------------------------------------------------------------------------------


def calendar_file() -> Any:
    """An appointment for the phone's calendar. Its title is neutral: others may look at the phone."""
    portal, referrals = current_portal(), referrals_or_404()
    with portal.store.sessions() as session:
        referral = own(session)
        if referral is None or not _token_fits():
            return back()
        try:
            wanted = _uuid("appointment")
        except errors.NotFound:
            return back("changed")
        with readable():
            view = queries.for_person(session, referrals.keyring, referral)
        found = next(
            (
                one
                for one in view.appointments
                if one.appointment.id == wanted and one.appointment.state == AppointmentState.AGREED
            ),
            None,
        )
        if found is None:
            return back("changed")
        body = office_hour(
            uid=f"{found.appointment.id}@anlauf",
            stamp=portal.now(),
            start=found.meeting.start_at,
            end=found.meeting.start_at + timedelta(minutes=found.meeting.minutes),
            title=_("Appointment"),
            description="",
            place=found.meeting.place,
            alarm=timedelta(hours=2),
        )
    return _download(body, "text/calendar; charset=utf-8", "appointment.ics")


def data_file() -> Any:
    """Everything that is kept about the person, as JSON."""
    portal, referrals = current_portal(), referrals_or_404()
    with portal.store.sessions() as session:
        referral = own(session)
        if referral is None or not _token_fits():
            return back()
        with readable():
            data = queries.export(session, referrals.keyring, referral, now=portal.now())
    body = json.dumps(data, ensure_ascii=False, indent=1).encode() + b"\n"
    return _download(body, "application/json; charset=utf-8", "data.json")


def _token_fits() -> bool:
    try:
        check_token(request.form.get(TOKEN_FIELD, ""))
    except CrossSite:
        return False
    return True


def _download(body: bytes, content_type: str, name: str) -> Response:
    response = Response(body, content_type=content_type)
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    response.headers["Cache-Control"] = "no-store"
    return response
