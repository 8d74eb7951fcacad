"""Ways in by a link that was sent by mail: invitation and forgotten password."""

from flask import Blueprint, Response, current_app, redirect, request, url_for
from werkzeug.wrappers import Response as BaseResponse
from wtforms import PasswordField, StringField

from portal.accounts import audit, users
from portal.accounts.errors import TokenInvalid, WeakPassword
from portal.accounts.models import TokenPurpose, User
from portal.accounts.passwords import MINIMUM
from portal.web import limits, mail
from portal.web.admin import guard
from portal.web.admin.guard import open_to_all
from portal.web.admin.letters import Letters
from portal.web.admin.rendering import render, say
from portal.web.current import current_portal
from portal.web.database import current_session
from portal.web.limits import Limits
from portal.web.security import PortalForm
from portal.web.texts import gettext


def register(bp: Blueprint) -> None:
    bp.add_url_rule("/forgotten", "forgotten", forgotten, methods=["GET", "POST"])
    bp.add_url_rule("/reset/<token>", "reset", reset, methods=["GET", "POST"])
    bp.add_url_rule("/invitation/<token>", "invitation", invitation, methods=["GET", "POST"])


class ForgottenForm(PortalForm):
    email = StringField()


@open_to_all
def forgotten() -> Response:
    """The same answer in the same time, whether there is such an account or not."""
    form = ForgottenForm()
    if request.method == "GET":
        return render("admin/reset_ask.html", form=form)
    email = users.folded_email(form.email.data or "")
    if not email or "@" not in email:
        form.email.errors = [gettext("Please enter your e-mail address.")]
        return render("admin/reset_ask.html", form=form, status=422)
    counters: Limits = current_app.extensions["limits"]
    client = request.remote_addr or ""
    if not counters.hit(limits.MAILS_CLIENT, client):
        return render(
            "admin/reset_ask.html",
            form=form,
            error=gettext("Too many tries. Please wait an hour."),
            status=429,
        )
    if counters.hit(limits.MAILS, email):
        _send_link(email)
    return render("admin/reset_asked.html", email=email)


def _send_link(email: str) -> None:
    portal = current_portal()
    letters: Letters = current_app.extensions["letters"]

    def send() -> None:
        with portal.store.sessions() as session:
            user = users.user_by_email(session, email)
            if user is None or user.disabled_at is not None:
                return
            now = portal.now()
            if user.password_hash is None:
                letters.invite(
                    session, user, users.issue_token(session, user, TokenPurpose.INVITATION, now=now), now=now
                )
            else:
                letters.reset(
                    session, user, users.issue_token(session, user, TokenPurpose.RESET, now=now), now=now
                )
            audit.record(
                session, "user.link_asked", now=now, entity="user", entity_id=user.id, entity_name=user.name
            )
            session.commit()
            letters.deliver()

    mail.in_background(send)


class PasswordForm(PortalForm):
    name = StringField()
    new_password = PasswordField()


@open_to_all
def reset(token: str) -> BaseResponse:
    session, now = current_session(), current_portal().now()
    try:
        user = users.user_of_token(session, token, TokenPurpose.RESET, now=now)
    except TokenInvalid:
        return render("admin/reset_over.html", status=410)
    form = PasswordForm()
    if request.method == "GET":
        return render("admin/reset.html", form=form, email=user.email)
    try:
        users.set_password_by_token(session, token, TokenPurpose.RESET, form.new_password.data or "", now=now)
    except WeakPassword as error:
        session.rollback()
        form.new_password.errors = [why_weak(error)]
        return render("admin/reset.html", form=form, email=user.email, status=422)
    except TokenInvalid:
        session.rollback()
        return render("admin/reset_over.html", status=410)
    letters: Letters = current_app.extensions["letters"]
    letters.changed(session, user, "password", now=now)
    audit.record(
        session, "user.password_reset", now=now, entity="user", entity_id=user.id, entity_name=user.name
    )
    session.commit()
    letters.deliver_soon()
    counters: Limits = current_app.extensions["limits"]
    counters.clear(limits.SIGN_IN_ACCOUNT, user.email)
    guard.end_session()
    say(gettext("Your new password is set. Please sign in with it."))
    return redirect(url_for("admin.sign_in"), code=303)


@open_to_all
def invitation(token: str) -> BaseResponse:
    session, now = current_session(), current_portal().now()
    try:
        user = users.user_of_token(session, token, TokenPurpose.INVITATION, now=now)
    except TokenInvalid:
        return render("admin/invitation_over.html", status=410)
    form = PasswordForm()
    if request.method == "GET":
        form.name.data = user.name
        return render("admin/invitation.html", form=form, email=user.email)
    name = " ".join((form.name.data or "").split())
    try:
        if name:
            user.name = name[:120]
        users.set_password_by_token(
            session, token, TokenPurpose.INVITATION, form.new_password.data or "", now=now
        )
    except (WeakPassword, TokenInvalid) as error:
        session.rollback()
        if isinstance(error, TokenInvalid):
            return render("admin/invitation_over.html", status=410)
        form.new_password.errors = [why_weak(error)]
    if not name:
        form.name.errors = [gettext("Please enter your name, as colleagues know it.")]
    if form.errors:
        session.rollback()
        return render("admin/invitation.html", form=form, email=user.email, status=422)
    audit.record(session, "user.joined", now=now, actor=user)
    return _come_in(user)


def _come_in(user: User) -> BaseResponse:
    session = current_session()
    if users.has_second_factor(session, user):
        session.commit()
        guard.end_session()
        say(gettext("Your new password is set. Please sign in with it."))
        return redirect(url_for("admin.sign_in"), code=303)
    guard.begin_session(user, second_factor=False)
    audit.record(session, "sign_in.done", now=current_portal().now(), actor=user, way="invitation")
    session.commit()
    say(gettext("Welcome. Your password is set. Now make your account safe with a second factor."))
    return redirect(url_for("admin.security"), code=303)


def why_weak(error: WeakPassword) -> str:
    return {
        "short": gettext("Please take at least %(number)s characters. A short sentence is easy to remember.", number=MINIMUM),
        "long": gettext("That is too long. 200 characters are enough."),
        "common": gettext("Many people use this password, so it is guessed first. Please take another one."),
        "personal": gettext("Your name or address is most of this password. Please take another one."),
    }[error.reason]  # fmt: skip
