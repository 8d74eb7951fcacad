"""Colleagues talk about an anonymous case ("Kollegiale Fallberatung"): the list, the sheet, and the talk itself.

As with referrals, forms lead to addresses of their own, so that what somebody types is kept nowhere but in the sealed
record.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from flask import Blueprint, Response, abort, redirect, request, url_for
from werkzeug.wrappers import Response as BaseResponse
from wtforms import SelectField, SelectMultipleField, StringField

from portal.accounts.permissions import Permission
from portal.referral import case_talk as talks
from portal.referral import queries
from portal.referral.actions import Counsellor
from portal.referral.case_talk import CAST, IDEA_AT_MOST, MINUTES, SEATS, Part, Refused, Step, TalkView
from portal.referral.errors import Changed, ConsentMissing, NotFound, NotYourTeam
from portal.referral.personal import OWN_WORDS_AT_MOST, CaseSheet
from portal.referral.recognising import Finding, Kind
from portal.referral.sealing import CannotOpen, Erased
from portal.web.admin.guard import needs
from portal.web.admin.referral_page import counsellor, tools_or_404
from portal.web.admin.rendering import render, say
from portal.web.admin.times import moment, short_day
from portal.web.current import current_portal
from portal.web.database import current_session
from portal.web.notices import notify_soon
from portal.web.referrals import Referrals
from portal.web.responses import wants_fragment
from portal.web.security import PortalForm
from portal.web.texts import N_, gettext

STEPS: Mapping[Step, tuple[str, str]] = {
    Step.CASTING: (
        N_("Who does what?"),
        N_("Agree on who moderates, who keeps the time and who writes down. Everybody else advises."),
    ),
    Step.PRESENTING: (
        N_("The case"),
        N_("Whoever brings the case tells it and names the question. The others listen."),
    ),
    Step.QUESTIONS: (
        N_("Questions for understanding"),
        N_("The others ask short questions about facts. No advice yet, and nothing that tells who it is."),
    ),
    Step.IDEAS: (
        N_("Ideas and hypotheses"),
        N_("The others collect ideas here. Nobody judges; whoever brought the case only listens."),
    ),
    Step.CHOOSING: (
        N_("Choosing"),
        N_("Whoever brought the case says which ideas fit, ticks them, and why. Nobody defends an idea."),
    ),
    Step.AGREEING: (
        N_("Next steps and feedback"),
        N_(
            "Agree on the next steps and write them down. Each says in one sentence what the talk was good for."
        ),
    ),
}
"""Name, and what to do."""

PARTS: Mapping[Part, str] = {
    Part.PRESENTER: N_("brings the case"),
    Part.MODERATOR: N_("moderates"),
    Part.TIMEKEEPER: N_("keeps the time"),
    Part.WRITER: N_("writes down"),
    Part.ADVISOR: N_("advises"),
}

KINDS: Mapping[Kind, str] = {
    Kind.PHONE: N_("looks like a phone number"),
    Kind.MAIL: N_("looks like an e-mail address"),
    Kind.ADDRESS: N_("looks like an address"),
    Kind.TOWN: N_("looks like a postcode"),
    Kind.BIRTH: N_("looks like a date of birth; the age is enough"),
    Kind.CASE_NUMBER: N_("looks like a file number"),
    Kind.NAME: N_("looks like a name"),
    Kind.FIRST_NAME: N_("looks like a name"),
}

AROUND = 24
"""So many characters are shown on both sides of what was recognised."""
POLL_ENDS = timedelta(hours=1)
"""A page that nobody closed stops asking, and does not keep a sign-in awake."""
STOP_POLLING = 286
"""What htmx understands as "do not ask again"."""
STEPS_AT_MOST = 12
MEANWHILE = (Changed, talks.NotYourPart, NotFound, ConsentMissing, NotYourTeam, Erased)


def register(bp: Blueprint) -> None:
    add, both = bp.add_url_rule, ["GET", "POST"]
    add("/case-talks", "case_talks", case_talks)
    add("/case-talks/new", "new_case_talk", new_case_talk)
    add("/case-talks/create", "create_case_talk", create_case_talk, methods=both)
    add("/case-talks/<uuid:talk_id>", "case_talk", case_talk)
    deeds = ",".join(DEEDS)
    add(f"/case-talks/<uuid:talk_id>/<any({deeds}):deed>", "move_case_talk", move_case_talk, methods=both)


# -- forms -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Passage:
    """What was recognised, with a little of what stands around it."""

    before: str
    found: str
    after: str
    why: str

    def __repr__(self) -> str:
        return "Passage(…)"


class TextField(StringField):
    passages: Sequence[Passage] = ()
    """What was recognised in it."""


class AnonymousForm(PortalForm):
    """Asks back where something may be a name, or something else."""

    no_name = SelectMultipleField(validate_choice=False)
    asked: Sequence[str] = ()
    """What was ticked as no name before is among them."""


class SheetForm(AnonymousForm):
    title = TextField()
    question = TextField()
    situation = TextField()
    tried = TextField()
    referral = StringField()


class IdeaForm(AnonymousForm):
    text = TextField()


class EndForm(AnonymousForm):
    next_steps = TextField()


class InviteForm(PortalForm):
    people = SelectMultipleField(validate_choice=False)


class CastForm(PortalForm):
    moderator = SelectField(validate_choice=False)
    timekeeper = SelectField(validate_choice=False)
    writer = SelectField(validate_choice=False)


class ButtonForm(PortalForm):
    """A button, with what it is about."""

    what = StringField()


class Incomplete(Exception):
    """The errors stand at the fields."""


AT_MOST = {"title": 120, "question": OWN_WORDS_AT_MOST, "situation": 4000, "tried": OWN_WORDS_AT_MOST}


def _sheet_of(form: SheetForm) -> CaseSheet:
    """Raises Incomplete."""
    values = {name: (form[name].data or "").replace("\r\n", "\n").strip() for name in AT_MOST}
    for name, required in (("title", True), ("question", True), ("situation", True), ("tried", False)):
        if required and not values[name]:
            form[name].errors = [gettext("Please fill this in.")]
        elif len(values[name]) > AT_MOST[name]:
            form[name].errors = [gettext("Please shorten this to %(num)s characters.", num=AT_MOST[name])]
    if any(form[name].errors for name in AT_MOST):
        raise Incomplete
    return CaseSheet(**values)


def _passages(text: str, findings: Sequence[Finding]) -> list[Passage]:
    return [
        Passage(
            ("…" if one.start > AROUND else "") + text[max(0, one.start - AROUND) : one.start],
            one.passage,
            text[one.end : one.end + AROUND] + ("…" if len(text) > one.end + AROUND else ""),
            gettext(KINDS[one.kind]),
        )
        for one in findings
    ]


def _refuse(form: AnonymousForm, refused: Refused) -> None:
    asked = dict.fromkeys(_no_names(form))
    for name, findings in refused.findings.items():
        field: TextField = form[name]
        field.passages = _passages(_as_checked(form, name), findings)
        field.errors = [gettext("This could tell who somebody is. Please say it in another way.")]
        asked |= dict.fromkeys(one.passage for one in findings if one.kind is Kind.FIRST_NAME)
    form.asked = tuple(asked)


def _no_names(form: AnonymousForm) -> tuple[str, ...]:
    return tuple(form.no_name.data or ())


def _as_checked(form: PortalForm, name: str) -> str:
    """The text that the findings count in."""
    text = (form[name].data or "").replace("\r\n", "\n").strip()
    return "\n".join(_lines(text)) if name == "next_steps" else text


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip()]


# -- the list, and a new one -------------------------------------------------------------------------------------------


@needs(Permission.CASE_TALKS)
def case_talks() -> Response:
    tools, now = tools_or_404(), current_portal().now()
    try:
        found = talks.mine(current_session(), tools.keyring, counsellor().user_id, region=_region(), now=now)
    except CannotOpen:
        return _locked()
    lines = [
        {
            "url": url_for("admin.case_talk", talk_id=one.talk.id),
            "title": gettext("The case is erased") if one.title is None else one.title,
            "part": gettext(PARTS[one.part]) if one.joined else "",
            "step": one.talk.step,
            "step_name": gettext(STEPS[Step(one.talk.step)][0]),
            "begun": short_day(one.talk.created_at),
            "ended": short_day(one.talk.ended_at),
            "erased": short_day(one.talk.erase_at),
        }
        for one in found
    ]
    return render(
        "admin/case_talks.html",
        open_talks=[line for line in lines if not line["ended"]],
        ended_talks=[line for line in lines if line["ended"]],
        keep_days=tools.keep.days,
    )


@needs(Permission.CASE_TALKS)
def new_case_talk() -> Response:
    tools_or_404()
    form = SheetForm(formdata=None)
    form.referral.data = request.args.get("referral", "")[:36]
    return _new_page(form)


@needs(Permission.CASE_TALKS)
def create_case_talk() -> BaseResponse:
    tools, portal = tools_or_404(), current_portal()
    if request.method == "GET":
        return redirect(url_for("admin.new_case_talk"), code=303)
    form = SheetForm()
    session, now = current_session(), portal.now()
    try:
        talk = talks.create(
            session,
            tools.keyring,
            _sheet_of(form),
            counsellor(),
            region=_region(),
            now=now,
            today=tools.days.today(now),
            referral_id=_uuid(form.referral.data),
            no_names=_no_names(form),
        )
    except Incomplete:
        return _new_page(form, status=422)
    except Refused as refused:
        _refuse(form, refused)
        return _new_page(form, status=422)
    except MEANWHILE:
        form.referral.data = ""
        problem = gettext("This referral can no longer be read. You can go on without it.")
        return _new_page(form, problem=problem, status=409)
    except CannotOpen:
        return _locked()
    session.commit()
    say(gettext("The case sheet is there. Now invite colleagues."))
    return redirect(url_for("admin.case_talk", talk_id=talk.id), code=303)


def _new_page(form: SheetForm, *, problem: str = "", status: int = 200) -> Response:
    return render(
        "admin/case_talk_new.html",
        status=status,
        form=form,
        problem=problem,
        mistakes=_mistakes(form),
        label=_label(_uuid(form.referral.data)),
        address=url_for("admin.new_case_talk"),
    )


def _label(referral_id: UUID | None) -> str:
    """Of a referral that the one who is signed in may read now."""
    if referral_id is None:
        return ""
    tools, by, now = tools_or_404(), counsellor(), current_portal().now()
    try:
        view = queries.for_team(current_session(), tools.keyring, referral_id, by, now=now)
    except (NotYourTeam, CannotOpen, Erased):
        return ""
    return view.referral.label if view.agreed is not None else ""


def _mistakes(form: PortalForm) -> list[tuple[str, str]]:
    return [(field.id, " ".join(map(str, field.errors))) for field in form if field.errors]


# -- one talk ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Opened:
    view: TalkView
    by: Counsellor
    tools: Referrals
    now: datetime

    @property
    def today(self) -> date:
        return self.tools.days.today(self.now)


def _open(talk_id: UUID) -> Opened:
    """404 for everybody who does not take part. Raises CannotOpen, Erased."""
    tools, by, now = tools_or_404(), counsellor(), current_portal().now()
    try:
        view = talks.view(current_session(), tools.keyring, talk_id, by.user_id, region=_region(), now=now)
    except NotFound:
        abort(404)
    return Opened(view, by, tools, now)


@needs(Permission.CASE_TALKS)
def case_talk(talk_id: UUID) -> BaseResponse:
    try:
        opened = _open(talk_id)
    except CannotOpen:
        return _locked()
    except Erased:
        return _erased()
    late = opened.now - opened.view.talk.step_started_at > POLL_ENDS
    over = wants_fragment() and (late or opened.view.talk.ended_at is not None)
    return _show(opened, status=STOP_POLLING if over else 200)


@needs(Permission.CASE_TALKS)
def move_case_talk(talk_id: UUID, deed: str) -> BaseResponse:
    if request.method == "GET":
        return _back(talk_id)
    try:
        opened = _open(talk_id)
    except CannotOpen:
        return _locked()
    except Erased:
        return _erased()
    form = FORMS.get(deed, ButtonForm)()
    if _was_sent_twice(opened, deed, form):
        return _back(talk_id)
    if deed in VERSIONED and request.form.get("version", "") != str(opened.view.talk.version):
        return _show(opened, {deed: form}, stale=True, status=409)
    try:
        words = DEEDS[deed](opened, form)
    except Incomplete:
        return _show(opened, {deed: form}, status=422)
    except Refused as refused:
        _refuse(form, refused)
        return _show(opened, {deed: form}, status=422)
    except MEANWHILE:
        current_session().rollback()
        try:
            return _show(_open(talk_id), {deed: form}, stale=True, status=409)
        except Erased:
            return _erased()
    except CannotOpen:
        current_session().rollback()
        return _locked()
    current_session().commit()
    notify_soon()
    if words:
        say(words)
    if deed in ("leave", "erase"):
        return redirect(url_for("admin.case_talks"), code=303)
    return _back(talk_id, ANCHORS.get(deed))


def _was_sent_twice(opened: Opened, deed: str, form: PortalForm) -> bool:
    """The button was pressed a second time: it is done already."""
    if deed != "go" or not isinstance(form, ButtonForm):
        return False
    before = request.form.get("version", "") == str(opened.view.talk.version - 1)
    return before and form.what.data == str(opened.view.talk.step)


def _join(opened: Opened, form: Any) -> str:
    talks.join(current_session(), opened.view.talk, opened.by.user_id, now=opened.now)
    return ""


def _leave(opened: Opened, form: Any) -> str:
    talks.leave(current_session(), opened.view.talk, opened.by.user_id)
    return gettext("You no longer take part.")


def _remove(opened: Opened, form: ButtonForm) -> str:
    talks.leave(current_session(), opened.view.talk, opened.by.user_id, who=_uuid(form.what.data))
    return ""


def _invite(opened: Opened, form: InviteForm) -> str:
    people = [id_ for one in form.people.data or [] if (id_ := _uuid(one)) is not None]
    if not people:
        form.people.errors = [gettext("Please choose somebody.")]
        raise Incomplete
    try:
        talks.invite(current_session(), opened.view.talk, opened.by.user_id, people, now=opened.now)
    except ValueError:
        form.people.errors = [gettext("At most %(num)s people can take part.", num=SEATS)]
        raise Incomplete from None
    return gettext("Invited. They get a mail without content, and find the talk in their list.")


def _cast(opened: Opened, form: CastForm) -> str:
    roles = {part: _uuid(form[part.value].data) for part in CAST}
    try:
        talks.cast(current_session(), opened.view.talk, opened.by.user_id, roles)
    except ValueError:
        form.moderator.errors = [
            gettext("Each person has one role, and must have joined. Please choose again.")
        ]
        raise Incomplete from None
    return gettext("The roles are cast.")


def _go(opened: Opened, form: ButtonForm) -> str:
    wanted = form.what.data or ""
    step = int(wanted) if wanted.isdecimal() and len(wanted) < 3 else 0
    talks.go_to(current_session(), opened.view.talk, opened.by.user_id, step, now=opened.now)
    return ""


def _idea(opened: Opened, form: IdeaForm) -> str:
    text = (form.text.data or "").replace("\r\n", "\n").strip()
    if not text:
        form.text.errors = [gettext("Please fill this in.")]
        raise Incomplete
    if len(text) > IDEA_AT_MOST:
        form.text.errors = [gettext("Please shorten this to %(num)s characters.", num=IDEA_AT_MOST)]
        raise Incomplete
    talks.add_idea(
        current_session(),
        opened.tools.keyring,
        opened.view.talk,
        opened.by.user_id,
        text,
        now=opened.now,
        today=opened.today,
        no_names=_no_names(form),
    )
    return ""


def _drop(opened: Opened, form: ButtonForm) -> str:
    talks.remove_idea(
        current_session(), opened.view.talk, opened.by.user_id, _uuid(form.what.data) or UUID(int=0)
    )
    return ""


def _choose(opened: Opened, form: Any) -> str:
    chosen = [id_ for one in request.form.getlist("chosen") if (id_ := _uuid(one)) is not None]
    talks.choose(current_session(), opened.view.talk, opened.by.user_id, chosen)
    return gettext("Kept.")


def _rewrite(opened: Opened, form: SheetForm) -> str:
    talks.rewrite(
        current_session(),
        opened.tools.keyring,
        opened.view.talk,
        opened.by.user_id,
        _sheet_of(form),
        now=opened.now,
        today=opened.today,
        no_names=_no_names(form),
    )
    return gettext("Kept.")


def _end(opened: Opened, form: EndForm) -> str:
    steps = _lines(form.next_steps.data or "")
    field = form.next_steps
    if not steps:
        field.errors = [gettext("Please write down at least one next step.")]
    elif len(steps) > STEPS_AT_MOST or any(len(step) > AT_MOST["title"] for step in steps):
        field.errors = [
            gettext(
                "At most %(steps)s lines, each with at most %(num)s characters.",
                steps=STEPS_AT_MOST,
                num=AT_MOST["title"],
            )
        ]
    if field.errors:
        raise Incomplete
    talks.end(
        current_session(),
        opened.tools.keyring,
        opened.view.talk,
        opened.by.user_id,
        steps,
        keep=opened.tools.keep,
        now=opened.now,
        today=opened.today,
        no_names=_no_names(form),
    )
    return gettext("The talk has ended. Thank you for taking part.")


def _erase(opened: Opened, form: Any) -> str:
    talks.erase(current_session(), opened.view.talk, opened.by.user_id)
    return gettext("The talk is erased.")


DEEDS: Mapping[str, Callable[[Opened, Any], str]] = {
    "join": _join,
    "leave": _leave,
    "remove": _remove,
    "invite": _invite,
    "cast": _cast,
    "go": _go,
    "idea": _idea,
    "drop": _drop,
    "choose": _choose,
    "rewrite": _rewrite,
    "end": _end,
    "erase": _erase,
}
FORMS: Mapping[str, type[PortalForm]] = {
    "invite": InviteForm,
    "cast": CastForm,
    "idea": IdeaForm,
    "rewrite": SheetForm,
    "end": EndForm,
}
ANCHORS = {"idea": "ideas", "drop": "ideas", "choose": "choosing", "invite": "people", "remove": "people"}
"""Where the page goes on after a deed."""
VERSIONED = frozenset({"cast", "go", "rewrite", "end"})
"""What must be done to the state that the page showed."""


# -- the page ----------------------------------------------------------------------------------------------------------


def _show(
    opened: Opened, sent: Mapping[str, PortalForm] | None = None, *, stale: bool = False, status: int = 200
) -> Response:
    sent, view, talk = sent or {}, opened.view, opened.view.talk
    me, ended = view.me, talk.ended_at is not None
    step = view.step
    seconds = MINUTES[step] * 60 - int((opened.now - talk.step_started_at).total_seconds())
    joined = sum(seat.joined for seat in view.seats)
    people = {seat.user_id: seat.name for seat in view.seats}
    leads = view.leads
    presents = me.joined and me.part is Part.PRESENTER
    own_address = url_for("admin.case_talk", talk_id=talk.id)
    collects = me.joined and not ended and step is Step.IDEAS and me.part is not Part.PRESENTER
    ends = me.joined and not ended and step is Step.AGREEING and (leads or me.part is Part.WRITER)
    return render(
        "admin/case_talk.html",
        fragment="live",
        status=status,
        stale=stale,
        mistakes=[mistake for form in sent.values() for mistake in _mistakes(form)],
        opens=set(sent),
        typed=_typed(sent) if stale else [],
        address=own_address,
        live_address=f"{own_address}?version={talk.version}&joined={joined}",
        moved=wants_fragment() and _has_moved(opened, joined),
        version=talk.version,
        me=me,
        joined=me.joined,
        ended=short_day(talk.ended_at),
        erased=short_day(talk.erase_at),
        leads=leads,
        presents=presents,
        collects=collects,
        chooses=presents and not ended and step is Step.CHOOSING and bool(view.ideas),
        ends=ends,
        step=int(step),
        step_name=gettext(STEPS[step][0]),
        what_to_do=gettext(STEPS[step][1]),
        steps=[(int(one), gettext(name), MINUTES[one]) for one, (name, _what) in STEPS.items()],
        before=int(step) - 1 if step > min(Step) else 0,
        after=int(step) + 1 if step < max(Step) else 0,
        after_name=gettext(STEPS[Step(step + 1)][0]) if step < max(Step) else "",
        minutes=MINUTES[step],
        seconds_left=seconds,
        minutes_left=-(-abs(seconds) // 60) if seconds >= 0 else abs(seconds) // 60,
        started=moment(talk.step_started_at).rpartition(", ")[2],
        sheet=view.sheet,
        presenter=next((seat.name for seat in view.seats if seat.part is Part.PRESENTER), ""),
        seats=[
            {
                "id": seat.user_id,
                "name": seat.name,
                "part": gettext(PARTS[seat.part]),
                "joined": seat.joined,
                "me": seat.user_id == me.user_id,
                "removes": leads and seat.part is not Part.PRESENTER and seat.user_id != me.user_id,
            }
            for seat in view.seats
        ],
        ideas=[
            {
                "id": one.id,
                "text": one.text,
                "who": people.get(one.user_id, "") if one.user_id else "",
                "chosen": one.chosen,
                "drops": not ended and (leads or one.user_id == me.user_id),
            }
            for one in view.ideas
        ],
        idea_form=_given(sent, "idea", IdeaForm),
        invite_form=_given(sent, "invite", InviteForm),
        cast_form=_cast_form(opened, sent),
        rewrite_form=_rewrite_form(opened, sent),
        end_form=_given(sent, "end", EndForm),
        castable=[
            (str(seat.user_id), seat.name)
            for seat in view.seats
            if seat.joined and seat.part is not Part.PRESENTER
        ],
        invitable=_invitable(opened) if leads and not wants_fragment() else (),
        referral_url=_referral_url(opened) if presents and not wants_fragment() else "",
    )


def _has_moved(opened: Opened, joined: int) -> bool:
    """Since the page was made; who leads also needs the forms for those who have joined meanwhile."""
    told = request.args
    return told.get("version", "") != str(opened.view.talk.version) or (
        opened.view.leads and told.get("joined", "") not in ("", str(joined))
    )


def _given(sent: Mapping[str, PortalForm], deed: str, kind: type[PortalForm]) -> PortalForm:
    return sent.get(deed) or kind(formdata=None)


def _cast_form(opened: Opened, sent: Mapping[str, PortalForm]) -> PortalForm:
    form = _given(sent, "cast", CastForm)
    if "cast" not in sent:
        for seat in opened.view.seats:
            if seat.part in CAST:
                form[seat.part.value].data = str(seat.user_id)
    return form


def _rewrite_form(opened: Opened, sent: Mapping[str, PortalForm]) -> PortalForm:
    form = _given(sent, "rewrite", SheetForm)
    if "rewrite" not in sent:
        for name in AT_MOST:
            form[name].data = getattr(opened.view.sheet, name)
    return form


def _typed(sent: Mapping[str, PortalForm]) -> list[str]:
    """What was written into a form that the page may no longer show, to be copied."""
    names = ("title", "question", "situation", "tried", "text", "next_steps")
    return [form[name].data for form in sent.values() for name in names if name in form and form[name].data]


def _invitable(opened: Opened) -> list[tuple[str, str]]:
    there = {seat.user_id for seat in opened.view.seats}
    return [
        (str(one.user_id), ", ".join((one.name, *one.offices)))
        for one in talks.colleagues(current_session(), _region())
        if one.user_id not in there
    ]


def _referral_url(opened: Opened) -> str:
    """Only for the presenter, and as long as the presenter's team may read it."""
    id_ = opened.view.talk.referral_id
    return url_for("admin.referral", referral_id=id_) if _label(id_) else ""


# -- inside ------------------------------------------------------------------------------------------------------------


def _region() -> str:
    return current_portal().region.slug


def _uuid(text: str | None) -> UUID | None:
    try:
        return UUID(text or "")
    except ValueError:
        return None


def _back(talk_id: UUID, anchor: str | None = None) -> BaseResponse:
    return redirect(url_for("admin.case_talk", talk_id=talk_id, _anchor=anchor), code=303)


def _erased() -> Response:
    """A page that is open somewhere is loaded again, so that the case leaves the screen."""
    response = render("admin/case_talk_erased.html", status=410)
    if wants_fragment():
        response.headers["HX-Refresh"] = "true"
    return response


def _locked() -> Response:
    return render("admin/case_talk_over.html", status=503)
