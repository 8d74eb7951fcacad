"""A referral that a professional prepares with the young person beside them, who agrees on their own phone.

What is typed stands in the sealed draft and nowhere else: the form leads to an address of its own, so that
`guard.keep_typed` leaves it alone. Once the young person has agreed, whoever prepared it reads the label and nothing
more; the receipt code stands on the phone only.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import cast
from uuid import UUID

from flask import Blueprint, Response, abort, redirect, request, url_for
from flask import session as cookie_session
from werkzeug.wrappers import Response as BaseResponse
from wtforms import BooleanField, Field, SelectMultipleField, StringField, TextAreaField

from portal.accounts import audit
from portal.accounts.permissions import Permission
from portal.referral import actions
from portal.referral.actions import PREPARED_HOLDS
from portal.referral.choosing import Desk
from portal.referral.errors import Changed
from portal.referral.lifecycle import MoveNotAllowed
from portal.referral.models import Channel, Referral, Status
from portal.referral.personal import OWN_WORDS_AT_MOST, Person
from portal.web import consenting
from portal.web.admin.desks import offered_desk, open_desks
from portal.web.admin.guard import me, needs
from portal.web.admin.referral_page import counsellor, tools_or_404
from portal.web.admin.referral_words import Names
from portal.web.admin.rendering import render, say
from portal.web.current import current_portal
from portal.web.database import current_session
from portal.web.public.contact_me import read_mail, read_phone
from portal.web.public.presenting import language_name
from portal.web.public.qr import qr_inside
from portal.web.responses import wants_fragment
from portal.web.security import PortalForm
from portal.web.texts import gettext

PREPARED = "prepared"
"""In the cookie: id → token of what waits for a consent. Only the browser it was prepared in shows its address."""
AT_ONCE = 3
SHORT = 120


def register(bp: Blueprint) -> None:
    both = ["GET", "POST"]
    bp.add_url_rule("/referrals/prepare", "prepare", prepare)
    bp.add_url_rule("/referrals/prepare/draft", "write_prepared", write_prepared, methods=both)
    bp.add_url_rule("/referrals/prepare/<uuid:referral_id>", "prepared", prepared)
    bp.add_url_rule(
        "/referrals/prepare/<uuid:referral_id>/discard", "discard_prepared", discard_prepared, methods=both
    )


# -- what is typed -----------------------------------------------------------------------------------------------------


class PrepareForm(PortalForm):
    desk = StringField()
    language = StringField(default="de")
    name = StringField()
    channels = SelectMultipleField(validate_choice=False)
    phone = StringField()
    mail = StringField()
    messenger = StringField()
    leave_message = BooleanField()
    say_who = BooleanField()
    times = SelectMultipleField(validate_choice=False)
    interpreter = BooleanField()
    own_words = TextAreaField()


@needs(Permission.REFERRALS)
def prepare() -> Response:
    tools_or_404()
    return _form_page(PrepareForm(formdata=None))


def _form_page(form: PrepareForm, *, status: int = 200) -> Response:
    return render(
        "admin/referral_prepare.html",
        status=status,
        form=form,
        mistakes=[(field.id, " ".join(field.errors)) for field in form if field.errors],
        offices=open_desks(current_session()),
        languages=[(code, _language(code)) for code in current_portal().languages],
        channels=[(one.value, gettext(words)) for one, words in consenting.CHANNELS.items()],
        times=[(code, gettext(words)) for code, words in consenting.TIMES.items()],
        minutes=PREPARED_HOLDS // timedelta(minutes=1),
        at_most=OWN_WORDS_AT_MOST,
        short=SHORT,
    )


def _language(code: str) -> str:
    """As the professional and as the young person calls it."""
    name, own = language_name(code), current_portal().languages[code].autonym
    return name if name == own else f"{name} · {own}"


@needs(Permission.REFERRALS)
def write_prepared() -> BaseResponse:
    """Looked at, it is the empty form."""
    if request.method == "GET":
        return redirect(url_for("admin.prepare"), code=303)
    tools, session, now = tools_or_404(), current_session(), current_portal().now()
    form = PrepareForm()
    desk, person = _read(form)
    if desk is None or any(field.errors for field in form):
        return _form_page(form, status=422)
    referral, token = actions.begin(
        session,
        tools.keyring,
        region=current_portal().region.slug,
        language=str(form.language.data),
        desk=desk,
        now=now,
        prepared_by=counsellor(),
    )
    actions.write(session, tools.keyring, referral, person, now=now)
    _record("referral.prepared", referral, now)
    session.commit()
    waiting = [*_waiting().items(), (str(referral.id), token)]
    cookie_session[PREPARED] = dict(waiting[-AT_ONCE:])
    return redirect(url_for("admin.prepared", referral_id=referral.id), code=303)


def _read(form: PrepareForm) -> tuple[Desk | None, Person]:
    """What is wrong stands at the fields. What belongs to a way that was not chosen is not kept."""
    chosen = form.desk.data or ""
    desk = offered_desk(current_session(), chosen) if chosen else None
    if not chosen:
        form.desk.errors = [gettext("Please choose a desk.")]
    elif desk is None:
        form.desk.errors = [gettext("This desk takes nobody at the moment. Please choose another one.")]
    if form.language.data not in current_portal().languages:
        form.language.errors = [gettext("Please choose a language.")]
    channels = tuple(one for one in consenting.CHANNELS if one.value in (form.channels.data or ()))
    if not channels:
        form.channels.errors = [gettext("Please choose together how the desk may get in touch.")]
    calls = bool({Channel.PHONE, Channel.SMS} & set(channels))
    return desk, Person(
        name=_text(form.name),
        channels=channels or (Channel.PAGE,),
        phone=_phone(form.phone) if calls else "",
        mail=_mail(form.mail) if Channel.MAIL in channels else "",
        messenger=_messenger(form.messenger) if Channel.MESSENGER in channels else "",
        times=tuple(code for code in consenting.TIMES if code in (form.times.data or ())),
        speaks=str(form.language.data or "").partition("-")[0][:SHORT],
        interpreter=bool(form.interpreter.data),
        leave_message=calls and bool(form.leave_message.data),
        say_who=calls and bool(form.say_who.data),
        own_words=_text(form.own_words, OWN_WORDS_AT_MOST),
    )


def _text(field: Field, at_most: int = SHORT) -> str:
    text = str(field.data or "").strip()
    if len(text) > at_most:
        field.errors = [gettext("Please write at most %(number)s characters.", number=at_most)]
        return ""
    return text


def _phone(field: Field) -> str:
    number = read_phone(str(field.data or ""))
    if number is None:
        field.errors = [gettext("Please check the phone number. The area code belongs to it.")]
    return number or ""


def _mail(field: Field) -> str:
    address = read_mail(_text(field))
    if address is None:
        field.errors = [gettext("This is no complete e-mail address. It looks like name@example.org.")]
    return address or ""


def _messenger(field: Field) -> str:
    text = _text(field)
    if not text:
        field.errors = [gettext("Please write which app it is, and the name there.")]
    return text


# -- on the young person's phone ---------------------------------------------------------------------------------------


class Stand(StrEnum):
    OPEN = "open"
    SENT = "sent"
    OVER = "over"
    """It ran out, or was thrown away here or on the phone."""


@dataclass(frozen=True, slots=True)
class Prepared:
    stand: Stand
    label: str = ""
    """Only once it was sent."""
    until: str = ""
    desk: str = ""
    language: str = ""
    address: str = ""
    qr: str = ""

    @property
    def seen(self) -> str:
        """What a browser knows that shows this."""
        return f"{self.stand}-{self.until}"


@needs(Permission.REFERRALS)
def prepared(referral_id: UUID) -> BaseResponse:
    """A browser asks every few seconds, and gets an answer when something has changed."""
    tools_or_404()
    token = _waiting().get(str(referral_id))
    if token is None:
        abort(404)
    state = _state(referral_id, token)
    if wants_fragment() and request.args.get("seen", "") == state.seen:
        return Response(status=204, headers={"Cache-Control": "no-store"})
    return render(
        "admin/referral_prepared.html",
        fragment="stand",
        state=state,
        here=url_for("admin.prepared", referral_id=referral_id),
        poll=url_for("admin.prepared", referral_id=referral_id, seen=state.seen),
        discard=url_for("admin.discard_prepared", referral_id=referral_id),
    )


def _state(referral_id: UUID, token: str) -> Prepared:
    referral = current_session().get(Referral, referral_id)
    if referral is None or referral.prepared_by != me().user.id:
        return Prepared(Stand.OVER)
    if referral.status != Status.DRAFT:
        return Prepared(Stand.SENT, label=referral.label)
    if referral.erase_at <= current_portal().now():
        return Prepared(Stand.OVER)
    names = Names.read(services={referral.service_id}, organizations={referral.organization_id})
    address = _address(referral.language, token)
    return Prepared(
        Stand.OPEN,
        until=f"{referral.erase_at.astimezone(current_portal().timezone):%H:%M}",
        desk=names.desk(Desk(referral.service_id, referral.organization_id)),
        language=language_name(referral.language),
        address=address,
        qr=qr_inside(address),
    )


def _address(language: str, token: str) -> str:
    base = current_portal().settings.base_url or request.url_root.rstrip("/")
    return f"{base}/{language}/consent/{token}"


def _waiting() -> Mapping[str, str]:
    found = cookie_session.get(PREPARED)
    return cast(Mapping[str, str], found) if isinstance(found, dict) else {}


@needs(Permission.REFERRALS)
def discard_prepared(referral_id: UUID) -> BaseResponse:
    """Nothing was sent, nothing stays. Looked at, it is the page with the address."""
    tools_or_404()
    here = redirect(url_for("admin.prepared", referral_id=referral_id), code=303)
    waiting, session, now = dict(_waiting()), current_session(), current_portal().now()
    if str(referral_id) not in waiting:
        abort(404)
    if request.method == "GET":
        return here
    referral = session.get(Referral, referral_id)
    if referral is not None and referral.prepared_by == me().user.id:
        label = referral.label
        try:
            actions.discard(session, referral)
        except (Changed, MoveNotAllowed):
            # It was sent in this very moment; the page says so.
            session.rollback()
            return here
        _record("referral.discarded", None, now, referral_id=referral_id, label=label)
        session.commit()
    del waiting[str(referral_id)]
    cookie_session[PREPARED] = waiting
    say(gettext("Thrown away. Nothing was sent."))
    return redirect(url_for("admin.prepare"), code=303)


def _record(
    action: str, referral: Referral | None, now: datetime, *, referral_id: UUID | None = None, label: str = ""
) -> None:
    audit.record(
        current_session(),
        action,
        now=now,
        actor=me(),
        region=current_portal().region.slug,
        entity="referral",
        entity_id=referral.id if referral else referral_id,
        entity_name=referral.label if referral else label,
    )
