"""Signing in with e-mail and password, the second step, and out again."""

from flask import Blueprint, Response, current_app, redirect, request, url_for
from flask import session as cookie_session
from werkzeug.wrappers import Response as BaseResponse
from wtforms import PasswordField, StringField

from portal.accounts import audit, passwords, users
from portal.accounts.errors import WrongCredentials
from portal.accounts.permissions import Permission
from portal.web.admin import guard, limits
from portal.web.admin.guard import me, needs, open_to_all, without_second_factor
from portal.web.admin.limits import Limits
from portal.web.admin.rendering import render
from portal.web.current import current_portal
from portal.web.database import current_session
from portal.web.security import PortalForm
from portal.web.texts import gettext


def register(bp: Blueprint) -> None:
    bp.add_url_rule("/sign-in", "sign_in", sign_in, methods=["GET", "POST"])
    bp.add_url_rule("/sign-out", "sign_out", sign_out, methods=["POST"])
    bp.add_url_rule("/confirm-password", "confirm_password", confirm_password, methods=["GET", "POST"])


class SignInForm(PortalForm):
    email = StringField()
    password = PasswordField()


@open_to_all
def sign_in() -> BaseResponse:
    if guard.somebody() is not None:
        return redirect(url_for("admin.dashboard"), code=303)
    form = SignInForm()
    if request.method == "GET":
        return render("admin/sign_in.html", form=form, returning="after" in cookie_session)
    email, password = form.email.data or "", form.password.data or ""
    if not email.strip() or not password:
        return _refused(form, gettext("Please enter your e-mail address and your password."), 422)
    counters: Limits = current_app.extensions["limits"]
    account, client = users.folded_email(email), request.remote_addr or ""
    if not (counters.left(limits.SIGN_IN_ACCOUNT, account) and counters.left(limits.SIGN_IN_CLIENT, client)):
        _log("sign_in.locked")
        return _refused(
            form, gettext("Too many tries. Please wait a quarter of an hour, or set a new password."), 429
        )
    session = current_session()
    try:
        user = users.authenticate(session, email, password)
    except WrongCredentials:
        counters.hit(limits.SIGN_IN_ACCOUNT, account)
        counters.hit(limits.SIGN_IN_CLIENT, client)
        _log("sign_in.failed")
        return _refused(form, gettext("E-mail address and password do not fit together."), 401)
    counters.clear(limits.SIGN_IN_ACCOUNT, account)
    if users.has_second_factor(session, user):
        return _second_step(user.id.hex)
    target = guard.begin_session(user, second_factor=False)
    audit.record(session, "sign_in.done", now=current_portal().now(), actor=user)
    session.commit()
    return redirect(target, code=303)


def _second_step(user_id: str) -> BaseResponse:
    """The password was right; who it was stands in the signed cookie until the second factor is given."""
    cookie_session["pending"] = user_id
    cookie_session["pending_at"] = int(current_portal().now().timestamp())
    current_session().commit()
    return redirect(url_for("admin.second_factor"), code=303)


def _refused(form: SignInForm, text: str, status: int) -> Response:
    return render("admin/sign_in.html", form=form, error=text, status=status, returning=False)


def _log(action: str) -> None:
    """Who tried is not kept: a mistyped address may be a password."""
    audit.record(current_session(), action, now=current_portal().now())
    current_session().commit()


@needs(Permission.SIGN_IN)
@without_second_factor
def sign_out() -> BaseResponse:
    session = current_session()
    user = me()
    users.end_sign_ins(session, user.user.id, now=current_portal().now(), only=user.sign_in.id)
    audit.record(session, "sign_in.ended", now=current_portal().now(), actor=user)
    session.commit()
    guard.end_session()
    return redirect(url_for("admin.sign_in"), code=303)


class ConfirmForm(PortalForm):
    password = PasswordField()


@needs(Permission.SIGN_IN)
@without_second_factor
def confirm_password() -> BaseResponse:
    """Before a change of the account: who left the screen open must not lose the account by it."""
    form = ConfirmForm()
    if request.method == "GET":
        return render("admin/confirm_password.html", form=form)
    user = me()
    counters: Limits = current_app.extensions["limits"]
    if not counters.left(limits.SECOND_FACTOR, user.user.email):
        return render(
            "admin/confirm_password.html",
            form=form,
            error=gettext("Too many tries. Please wait a quarter of an hour, or set a new password."),
            status=429,
        )
    if not passwords.verify(user.user.password_hash, form.password.data or ""):
        counters.hit(limits.SECOND_FACTOR, user.user.email)
        return render(
            "admin/confirm_password.html", form=form, error=gettext("That is not your password."), status=422
        )
    user.sign_in.confirmed_at = current_portal().now()
    session = current_session()
    session.add(user.sign_in)
    session.commit()
    after = guard.safe_path(str(cookie_session.pop("after", "")))
    return redirect(after or url_for("admin.dashboard"), code=303)
