"""Three short pages to be contacted by an office: how to reach me, what to tell them, and the consent.

What is typed stands sealed in a draft on the server; the cookie holds only the token that opens it. Nothing is sent
before the last page, and what that page shows is what is stored and sent, word for word.
"""

import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import date
from typing import Any

import phonenumbers
from email_validator import EmailNotValidError, validate_email
from flask import Blueprint, Response, redirect, request
from flask import session as cookie_session
from sqlmodel import Session
from werkzeug.exceptions import NotFound
from wtforms import SelectMultipleField, StringField, TextAreaField
from wtforms.validators import Length

from portal.catalogue.queries import ServiceView
from portal.referral import actions, choosing, codes, errors, queries
from portal.referral.choosing import Availability, Desk
from portal.referral.lifecycle import MoveNotAllowed
from portal.referral.models import Channel, ConsentKind, GivenHow, Referral, Status
from portal.referral.personal import OWN_WORDS_AT_MOST, Agreed, Person
from portal.referral.sealing import SealingError
from portal.web import consenting
from portal.web.current import current_language, current_portal
from portal.web.limits import connection
from portal.web.notices import notify_soon
from portal.web.promised import measured_sentence
from portal.web.public import addresses, check, presenting, views
from portal.web.public.telling import tellable
from portal.web.public.views import ErrorLine
from portal.web.referrals import CONTACT_CLIENT, Referrals
from portal.web.responses import render
from portal.web.security import PortalForm, bind_session, new_token, refuse_cross_site
from portal.web.texts import day
from portal.web.texts import gettext as _

TOKEN = "contact"
OWN = "contact_own"
"""In the cookie beside the token of a QR code, which stands on somebody else's screen, too: what only this browser has."""
SENT = "contact_sent"
"""In the cookie after sending, until the private page is opened: what the code is made of, so that a reload shows it again."""
MINE = "mine"
REACHED = "contact_reached"
"""In the cookie: the first page was answered, with the question about the age. A prepared draft comes without it."""
YOUNGER = "under_15"
OLDER_BANDS = ("age_15_17", "age_18_20", "age_21_24", "age_25_26", "over_26")
SHORT = 120


class ReachForm(PortalForm):
    age = StringField()
    name = StringField(validators=[Length(max=SHORT)])
    channel = SelectMultipleField(validate_choice=False)
    phone = StringField(validators=[Length(max=SHORT)])
    mail = StringField(validators=[Length(max=SHORT)])
    messenger = StringField(validators=[Length(max=SHORT)])
    times = SelectMultipleField(validate_choice=False)
    speaks = StringField(validators=[Length(max=20)])
    also = SelectMultipleField(validate_choice=False)
    desk = StringField(validators=[Length(max=SHORT)])


class TellForm(PortalForm):
    own_words = TextAreaField(validators=[Length(max=OWN_WORDS_AT_MOST)])
    tell = SelectMultipleField(validate_choice=False)


class AgreeForm(PortalForm):
    shown = StringField()


def register(bp: Blueprint) -> None:
    for path, endpoint, show, take in (
        ("contact-me", "contact_me", reach, take_reach),
        ("contact-me/tell", "contact_tell", tell, take_tell),
        ("contact-me/consent", "contact_consent", consent, take_consent),
    ):
        bp.add_url_rule(f"/<lang:lang>/{path}", endpoint, show, methods=["GET"])
        bp.add_url_rule(f"/<lang:lang>/{path}", f"take_{endpoint}", take, methods=["POST"])
    bp.add_url_rule("/<lang:lang>/contact-me/drop", "contact_drop", drop, methods=["POST"])
    bp.add_url_rule("/<lang:lang>/consent/<token>", "consent", prepared)


def referrals_or_404() -> Referrals:
    found = current_portal().referrals
    if found is None:
        raise NotFound
    return found


# -- the draft -----------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Draft:
    session: Session
    referral: Referral
    person: Person

    @property
    def desk(self) -> Desk:
        return Desk(self.referral.service_id, self.referral.organization_id)

    def write(self, **changed: Any) -> None:
        """Raises errors.Changed, MoveNotAllowed."""
        self.person = self.person.model_copy(update=changed)
        actions.write(
            self.session,
            referrals_or_404().keyring,
            self.referral,
            self.person,
            now=current_portal().now(),
            language=current_language().code,
        )


def tokens() -> tuple[str, ...]:
    """What may open the draft of this visit. A prepared one is opened by its QR code until its first page is answered,
    and from then on by this browser alone."""
    token, own = cookie_session.get(TOKEN), cookie_session.get(OWN)
    if not isinstance(token, str):
        return ()
    return (f"{token}.{own}", token) if isinstance(own, str) else (token,)


def _find_draft(session: Session) -> Referral:
    """Raises errors.NotFound."""
    for token in tokens():
        with suppress(errors.NotFound):
            return actions.draft(session, referrals_or_404().keyring, token, now=current_portal().now())
    raise errors.NotFound


@contextmanager
def open_draft() -> Iterator[Draft | None]:
    """The draft of this visit, for reading and writing; None when there is none, or no more."""
    portal, referrals = current_portal(), referrals_or_404()
    with portal.store.sessions() as session:
        try:
            referral = _find_draft(session)
            if referral.region != portal.region.slug:
                raise errors.NotFound
            person = Person()
            if referral.person_sealed is not None:
                sealer = referrals.keyring.record(referral.id, referral.key_sealed)
                person = Person.open(sealer, "person", referral.person_sealed)
        except (errors.NotFound, SealingError):
            yield None
            return
        yield Draft(session, referral, person)


def over() -> Response:
    """The draft has run out, or was sent in another tab."""
    if MINE in cookie_session:
        return to(addresses.mine())
    cookie_session.pop(TOKEN, None)
    return render("public/contact_me_over.html", status=410, index=False, again_url=addresses.start())


def to(url: str) -> Response:
    response = redirect(url, code=303)
    response.headers["Cache-Control"] = "no-store"
    return response  # type: ignore[return-value]


def page_url(part: str = "") -> str:
    return f"/{current_language().code}/contact-me{'/' if part else ''}{part}"


class DeskGone(LookupError):
    """The desk has left the catalogue."""


def service_of(desk: Desk) -> ServiceView:
    """Raises DeskGone."""
    found = current_portal().catalogue.services((desk.service_id,))
    if not found:
        raise DeskGone
    return found[0]


# -- which desk ----------------------------------------------------------------------------------------------------------


def today() -> date:
    return presenting.local_now().date()


def desk_of(service: ServiceView) -> Desk:
    return Desk(service.id, service.organization.id)


def choose(session: Session, service: ServiceView) -> Desk | None:
    """The desk that was wished for, or who can help instead."""
    fitting = choosing.candidates(
        session,
        current_portal().catalogue,
        desk_of(service),
        place=check.place_of(check.stored_answers()),
        language=current_language().code,
        today=today(),
    )
    return choosing.choose(session, fitting, today=today())


@dataclass(frozen=True, slots=True)
class Spoken:
    """Whether the team speaks the language, and an equally fitting one that does where this one does not."""

    there: bool
    elsewhere: ServiceView | None = None


def spoken(service: ServiceView, language: str) -> Spoken:
    catalogue, desk = current_portal().catalogue, desk_of(service)
    with current_portal().store.sessions() as session:
        if choosing.that_speak(session, [desk], language):
            return Spoken(there=True)
        same = choosing.same_kind(catalogue, desk, place=check.place_of(check.stored_answers()))
        found = choosing.choose(session, choosing.that_speak(session, same, language), today=today())
    return Spoken(there=False, elsewhere=service_of(found) if found else None)


def instead_of(desk: Desk, service: ServiceView) -> str:
    """What to say when another desk is asked than the one that was wished for."""
    if desk.organization_id == service.organization.id:
        return ""
    office, _offer = consenting.desk_name(desk, current_language().code)
    wished = presenting.organization_name(service.organization).text
    return _(
        "%(wished)s has no free place right now. %(office)s can help you instead.",
        wished=wished,
        office=office,
    )


def nobody(service: ServiceView, *, young: bool = False) -> Response:
    """Other ways to the desk: nobody there can take somebody now, or the person is too young for the form."""
    return render(
        "public/contact_me_other_ways.html",
        index=False,
        young=young,
        office=presenting.organization_name(service.organization),
        offer=presenting.quiet(service.text("name", current_language().code)),
        phones=presenting.phone_links(service.phones),
        offer_url=addresses.offer(service.slug),
    )


# -- 1: how to reach me --------------------------------------------------------------------------------------------------


def known_age() -> str:
    return (check.stored_answers().get("age") or ("",))[0]


def for_younger(draft: Draft) -> Response:
    """They said so after the first page, or in another tab."""
    try:
        return nobody(service_of(draft.desk), young=True)
    except DeskGone:
        return over()


def throw_away(draft: Draft) -> None:
    with suppress(errors.Changed, MoveNotAllowed):
        actions.discard(draft.session, draft.referral)
        draft.session.commit()
    cookie_session.pop(TOKEN, None)


def reach() -> Response:
    referrals_or_404()
    catalogue = current_portal().catalogue
    with open_draft() as draft:
        slug = request.args.get("desk", "")
        if draft is not None and not slug:
            if known_age() == YOUNGER:
                return for_younger(draft)
            try:
                return reach_page(service_of(draft.desk), draft.person, draft.referral)
            except DeskGone:
                return over()
        service = catalogue.service(slug)
        if service is None:
            return to(addresses.start())
        if known_age() == YOUNGER:
            return nobody(service, young=True)
        person, referral = (draft.person, draft.referral) if draft else (Person(channels=()), None)
    with current_portal().store.sessions() as session:
        choice = choose(session, service)
    if choice is None:
        return nobody(service)
    return reach_page(service_of(choice), person, referral, notice=instead_of(choice, service))


def reach_page(
    service: ServiceView,
    person: Person,
    referral: Referral | None = None,
    *,
    notice: str = "",
    typed: ReachForm | None = None,
    problems: Sequence[ErrorLine] = (),
    status: int = 200,
) -> Response:
    """`typed` wins over what the draft holds: nothing that was typed is lost."""
    channels = typed.channel.data or [] if typed else person.channels if referral else ()
    times = typed.times.data or [] if typed else person.times
    flags = {
        "interpreter": person.interpreter,
        "leave_message": person.leave_message,
        "say_who": person.say_who,
    }
    also = typed.also.data or [] if typed else [name for name, ticked in flags.items() if ticked]
    own = current_language().code
    speaks = (typed.speaks.data if typed else person.speaks) or own.partition("-")[0]
    language = spoken(service, speaks)
    if not language.there and typed is None and referral is None:
        also = ["interpreter", *also]
    prepared = referral is not None and referral.prepared_by is not None
    return render(
        "public/contact_me_reach.html",
        status=status,
        index=False,
        csrf=new_token(),
        # With the desk in it, also the same page in another language knows whom it is about.
        action=page_url() if referral else f"{page_url()}?desk={service.slug}",
        back_url=addresses.offer(service.slug),
        desk=service.slug,
        office=presenting.organization_name(service.organization),
        offer=presenting.quiet(service.text("name", own)),
        notice=notice,
        speaks=language.there,
        # What was prepared goes to the desk it was prepared for.
        speaking=other_desk(language.elsewhere) if language.elsewhere and not prepared else None,
        measured=measured_sentence(service.organization.id),
        prepared=prepared,
        errors=tuple(problems),
        wrong={problem.anchor: problem.text for problem in problems},
        ask_age=known_age() not in OLDER_BANDS,
        age=typed.age.data if typed else ("older" if referral and not referral.prepared_by else ""),
        name=typed.name.data if typed else person.name,
        channels=tuple(
            views.Choice(channel.value, _(label), checked=channel.value in channels)
            for channel, label in consenting.CHANNELS.items()
        ),
        phone=typed.phone.data if typed else consenting.spelled(person.phone),
        mail=typed.mail.data if typed else person.mail,
        messenger=typed.messenger.data if typed else person.messenger,
        times=tuple(
            views.Choice(code, _(label), checked=code in times) for code, label in consenting.TIMES.items()
        ),
        languages=tuple(
            (code, language.autonym, code == speaks)
            for code, language in current_portal().languages.items()
            if "-" not in code
        ),
        also=tuple(
            views.Choice(code, _(label), checked=code in also)
            for code, label in (
                ("interpreter", consenting.INTERPRETER),
                ("leave_message", consenting.MESSAGE[True]),
                ("say_who", consenting.SAY_WHO[True]),
            )
        ),
    )


def other_desk(service: ServiceView) -> tuple[str, views.Bit]:
    """The address of the same page for it, and the name of its office."""
    return f"{page_url()}?desk={service.slug}", presenting.organization_name(service.organization)


def take_reach() -> Response:
    portal, referrals = current_portal(), referrals_or_404()
    form = ReachForm()
    with open_draft() as draft:
        service = _asked_for(draft, form)
        if service is None:
            return over()
        if YOUNGER in (known_age(), form.age.data):
            if draft is not None:
                throw_away(draft)
            return nobody(service, young=True)
        person, problems = read_reach(form, draft.person if draft else Person())
        if not form.validate():
            # Only a form that came too late, or a field longer than its page lets anybody type.
            problems.append(
                ErrorLine("main", _("That did not get through. Please tap “Continue” once more."))
            )
        if problems:
            return reach_page(
                service,
                person,
                draft.referral if draft else None,
                typed=form,
                problems=problems,
                status=422,
            )
        if draft is None and not referrals.limits.hit(CONTACT_CLIENT, connection(request.remote_addr)):
            words = _(
                "So many messages have come from your connection that we take a break. Please try again in an hour."
            )
            return reach_page(service, person, typed=form, problems=[ErrorLine("main", words)], status=429)
        with portal.store.sessions() as session:
            keep(session, draft, service, person)
    cookie_session[REACHED] = True
    return to(page_url("tell"))


def _asked_for(draft: Draft | None, form: ReachForm) -> ServiceView | None:
    """What was prepared goes to the desk it was prepared for."""
    if draft is None or not draft.referral.prepared_by:
        return current_portal().catalogue.service(form.desk.data or "")
    with suppress(DeskGone):
        return service_of(draft.desk)
    return None


def read_reach(form: ReachForm, before: Person) -> tuple[Person, list[ErrorLine]]:
    """What was typed, as far as it can be used, and what is wrong with it."""
    problems = []
    if known_age() not in OLDER_BANDS and form.age.data != "older":
        problems.append(ErrorLine("age", _("Please choose how old you are.")))
    channels = tuple(channel for channel in consenting.CHANNELS if channel.value in (form.channel.data or []))
    if not channels:
        problems.append(
            ErrorLine(
                "channel",
                _("Please choose how they may reach you. “Only through my private page” is fine too."),
            )
        )
    phone = read_phone(form.phone.data or "")
    if phone is None and {Channel.PHONE, Channel.SMS} & set(channels):
        problems.append(ErrorLine("phone", _("Please check the phone number.")))
    mail = read_mail(form.mail.data or "")
    if mail is None and Channel.MAIL in channels:
        problems.append(ErrorLine("mail", _("Please check the e-mail address.")))
    messenger = (form.messenger.data or "").strip()[:SHORT]
    if not messenger and Channel.MESSENGER in channels:
        problems.append(ErrorLine("messenger", _("Please write which app it is, and your name there.")))
    also = form.also.data or []
    speaks = form.speaks.data or ""
    # What belongs to a way that was not chosen is not kept.
    return before.model_copy(
        update={
            "name": (form.name.data or "").strip()[:SHORT],
            "channels": channels,
            "phone": phone or "" if {Channel.PHONE, Channel.SMS} & set(channels) else "",
            "mail": mail or "" if Channel.MAIL in channels else "",
            "messenger": messenger if Channel.MESSENGER in channels else "",
            "times": tuple(code for code in consenting.TIMES if code in (form.times.data or [])),
            "speaks": speaks if speaks in current_portal().languages else "",
            "interpreter": "interpreter" in also,
            "leave_message": "leave_message" in also,
            "say_who": "say_who" in also,
        }
    ), problems


def read_phone(text: str) -> str | None:
    """E.164; None for what is no number."""
    try:
        number = phonenumbers.parse(text, "DE")
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_valid_number(number):
        return None
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def read_mail(text: str) -> str | None:
    try:
        return validate_email(text.strip(), check_deliverability=False).normalized[:SHORT]
    except EmailNotValidError:
        return None


def keep(session: Session, draft: Draft | None, service: ServiceView, person: Person) -> None:
    portal, referrals = current_portal(), referrals_or_404()
    desk = desk_of(service)
    try:
        if draft is None:
            referral, token = actions.begin(
                session,
                referrals.keyring,
                region=portal.region.slug,
                language=current_language().code,
                desk=desk,
                now=portal.now(),
            )
            actions.write(session, referrals.keyring, referral, person, now=portal.now())
            session.commit()
            bind_session(lambda: secrets.token_hex(4))
            cookie_session[TOKEN] = token
            cookie_session.pop(OWN, None)
            return
        if draft.desk != desk:
            actions.redirect_draft(draft.session, draft.referral, desk)
        draft.person = person
        draft.write()
        if draft.referral.prepared_by:
            actions.own_draft(draft.session, referrals.keyring, draft.referral, tokens()[0])
        draft.session.commit()
    except (errors.Changed, MoveNotAllowed):
        # Another tab was quicker; the next page shows what is there now.
        session.rollback()


# -- 2: what to tell them ------------------------------------------------------------------------------------------------


def tell() -> Response:
    with open_draft() as draft:
        if draft is None:
            return over()
        return for_younger(draft) if known_age() == YOUNGER else tell_page(draft)


def tell_page(draft: Draft, form: TellForm | None = None, error: str = "") -> Response:
    told = form.tell.data or [] if form else [line.key for line in draft.person.answers]
    lines = {line.key: line for line in (*tellable(), *draft.person.answers)}
    return render(
        "public/contact_me_tell.html",
        status=422 if error else 200,
        index=False,
        csrf=new_token(),
        action=page_url("tell"),
        back_url=page_url(),
        errors=(ErrorLine("main", error),) if error else (),
        own_words=form.own_words.data if form else draft.person.own_words,
        longest=OWN_WORDS_AT_MOST,
        answers=tuple(
            views.Choice(line.key, line.value, hint=line.label, checked=line.key in told)
            for line in lines.values()
        ),
    )


def take_tell() -> Response:
    form = TellForm()
    with open_draft() as draft:
        if draft is None:
            return over()
        if known_age() == YOUNGER:
            throw_away(draft)
            return for_younger(draft)
        if not form.validate():
            return tell_page(draft, form, _("That did not get through. Please tap “Continue” once more."))
        lines = {line.key: line for line in (*draft.person.answers, *tellable())}
        told = [key for key in form.tell.data or [] if key in lines]
        try:
            draft.write(
                own_words=(form.own_words.data or "").strip(), answers=tuple(lines[key] for key in told)
            )
        except (errors.Changed, MoveNotAllowed):
            return over()
        draft.session.commit()
    return to(page_url("consent"))


# -- 3: the consent ------------------------------------------------------------------------------------------------------


def composed(draft: Draft) -> Agreed:
    language = current_language().code
    return consenting.compose(
        ConsentKind.REFERRAL,
        draft.desk,
        consenting.lines_of(draft.person, language=language),
        language=language,
        now=current_portal().now(),
    )


def consent() -> Response:
    with open_draft() as draft:
        if draft is None:
            return over()
        if known_age() == YOUNGER:
            return for_younger(draft)
        if not draft.person.channels or REACHED not in cookie_session:
            return to(page_url())
        return offer_consent(draft)


def offer_consent(draft: Draft, *, notice: str = "", status: int = 200) -> Response:
    """The consent for a desk that can really take somebody: looked at again each time it is shown."""
    try:
        service = service_of(draft.desk)
    except DeskGone:
        return over()
    availability = choosing.availability(draft.session, draft.desk, today=today())
    if availability is not Availability.OPEN:
        choice = None if draft.referral.prepared_by else choose(draft.session, service)
        if choice is None:
            return nobody(service)
        notice = instead_of(choice, service) or notice
        actions.redirect_draft(draft.session, draft.referral, choice)
        draft.session.commit()
    agreed = composed(draft)
    same = agreed.statement == agreed.statement_de
    return render(
        "public/contact_me_consent.html",
        status=status,
        index=False,
        csrf=new_token(),
        action=page_url("consent"),
        drop_action=page_url("drop"),
        back_url=page_url("tell"),
        reach_url=page_url(),
        notice=notice,
        statement=agreed.statement.split("\n"),
        statement_de=None if same else agreed.statement_de.split("\n"),
        lines=agreed.lines,
        same=same,
        shown=consenting.fingerprint(agreed),
    )


def take_consent() -> Response:
    portal, referrals = current_portal(), referrals_or_404()
    form = AgreeForm()
    token = next(iter(tokens()), "") or str(cookie_session.get(SENT, ""))
    words = referrals.words_for(current_language().code)
    # Made of the token: who sends the form twice sees the same code twice.
    code = codes.new_code(words, seed=referrals.keyring.lookup(f"receipt:{token}"))
    with open_draft() as draft:
        if draft is None:
            return sent_before(code) if token else over()
        if known_age() == YOUNGER:
            throw_away(draft)
            return for_younger(draft)
        if REACHED not in cookie_session:
            return to(page_url())
        if not form.validate():
            return offer_consent(
                draft, notice=_("That did not get through. Please look at the text once more."), status=422
            )
        try:
            agreed = composed(draft)
            if form.shown.data != consenting.fingerprint(agreed):
                notice = _("Something has changed. Please look at the text once more.")
                return offer_consent(draft, notice=notice, status=409)
            # In the language it was read in; the office's answers come in it as well.
            draft.write()
            actions.submit(
                draft.session,
                referrals.keyring,
                draft.referral,
                agreed,
                text_version=consenting.TEXT_VERSION,
                days=referrals.days,
                now=portal.now(),
                given_how=GivenHow.OWN_PHONE if draft.referral.prepared_by else GivenHow.FORM,
                words=words,
                code=code,
                shown_desk=draft.desk,
            )
            draft.session.commit()
        except (errors.DeskUnavailable, DeskGone):
            draft.session.rollback()
            if Status(draft.referral.status) is not Status.DRAFT:
                # The first of two taps was sent, and took the last place.
                return sent_before(code)
            return offer_consent(draft, status=409)
        except (errors.Changed, MoveNotAllowed):
            draft.session.rollback()
            return sent_before(code)
        notify_soon()
        return receipt(draft.referral, code)


def sent_before(code: str) -> Response:
    """The same form a second time: nothing is sent twice, and the code is shown once more."""
    portal, referrals = current_portal(), referrals_or_404()
    with portal.store.sessions() as session:
        try:
            return receipt(queries.by_code(session, referrals.keyring, code), code)
        except errors.NotFound:
            return over()


def receipt(referral: Referral, code: str) -> Response:
    bind_session(lambda: secrets.token_hex(4))
    cookie_session[SENT] = next(iter(tokens()), "") or cookie_session.get(SENT, "")
    cookie_session.pop(TOKEN, None)
    cookie_session.pop(OWN, None)
    cookie_session[MINE] = str(referral.id)
    office, _offer = consenting.desk_name(
        Desk(referral.service_id, referral.organization_id), current_language().code
    )
    return render(
        "public/contact_me_sent.html",
        index=False,
        code=code,
        office=office,
        until=day(referral.due_date) if referral.due_date else "",
        mine_url=addresses.mine(),
    )


def drop() -> Response:
    """ "Rather not": nothing was sent, nothing stays."""
    refuse_cross_site()
    with open_draft() as draft:
        if draft is not None:
            try:
                back = addresses.offer(service_of(draft.desk).slug)
            except DeskGone:
                back = addresses.start()
            try:
                actions.discard(draft.session, draft.referral)
                draft.session.commit()
            except (errors.Changed, MoveNotAllowed):
                return over()
            cookie_session.pop(TOKEN, None)
            return to(back)
    return over()


# -- prepared by a professional ------------------------------------------------------------------------------------------


def prepared(token: str) -> Response:
    """The address of a QR code: what was prepared beside the young person, to be changed and agreed on their phone."""
    portal, referrals = current_portal(), referrals_or_404()
    with portal.store.sessions() as session:
        try:
            found = actions.draft(session, referrals.keyring, token, now=portal.now())
        except errors.NotFound:
            found = None
    # Somebody's own form has no such address: whoever made one up for a friend could read along.
    if found is None or found.prepared_by is None:
        with open_draft() as draft:
            return over() if draft is None or cookie_session[TOKEN] != token else to(page_url())
    bind_session(lambda: secrets.token_hex(4))
    cookie_session[TOKEN] = token
    cookie_session[OWN] = secrets.token_urlsafe(16)
    # Another draft may have been open before: this one's first page is still to be answered.
    cookie_session.pop(REACHED, None)
    return to(page_url())
