"""Signing in with e-mail and password or with a passkey, the second step, and out again."""

from datetime import timedelta
from typing import Any
from uuid import UUID

from flask import Blueprint, Response, current_app, redirect, request, url_for
from flask import session as cookie_session
from werkzeug.wrappers import Response as BaseResponse
from wtforms import PasswordField, StringField

from portal.accounts import audit, passwords, second_factor, users
from portal.accounts.errors import WrongCode, WrongCredentials
from portal.accounts.models import User
from portal.accounts.permissions import Permission
from portal.accounts.tokens import token_hash
from portal.web import limits, mail
from portal.web.admin import guard, passkeys
from portal.web.admin.guard import me, needs, open_to_all, without_second_factor
from portal.web.admin.letters import Letters
from portal.web.admin.rendering import render
from portal.web.current import current_portal
from portal.web.database import current_session
from portal.web.limits import Limits
from portal.web.security import PortalForm
from portal.web.texts import gettext

PENDING = timedelta(minutes=10)
"""So long the second step may take."""


def register(bp: Blueprint) -> None:
    bp.add_url_rule("/sign-in", "sign_in", sign_in, methods=["GET", "POST"])
    bp.add_url_rule("/second-factor", "second_factor", second_step, methods=["GET", "POST"])
    bp.add_url_rule("/passkey/question", "passkey_question", passkey_question, methods=["POST"])
    bp.add_url_rule("/passkey", "sign_in_with_passkey", sign_in_with_passkey, methods=["POST"])
    bp.add_url_rule("/sign-out", "sign_out", sign_out, methods=["POST"])
    bp.add_url_rule("/confirm-password", "confirm_password", confirm_password, methods=["GET", "POST"])


def counters() -> Limits:
    found: Limits = current_app.extensions["limits"]
    return found


def too_many() -> str:
    return gettext("Too many tries. Please wait a quarter of an hour, or set a new password.")


# E-mail and password.


class SignInForm(PortalForm):
    email = StringField()
    password = PasswordField()


@open_to_all
def sign_in() -> BaseResponse:
    if guard.somebody() is not None:
        return redirect(url_for("admin.dashboard"), code=303)
    form = SignInForm()
    if request.method == "GET":
        return _sign_in_page(
            form,
            returning=cookie_session.get("after", "") not in ("", url_for("admin.dashboard")),
            typed=bool(cookie_session.get("typed")),
        )
    email, password = form.email.data or "", form.password.data or ""
    if not email.strip() or not password:
        return _sign_in_page(
            form, error=gettext("Please enter your e-mail address and your password."), status=422
        )
    account, client = users.folded_email(email), request.remote_addr or ""
    # Every try counts before it is known whether it fits, so that many at once are no way around the limit.
    if not counters().left(limits.SIGN_IN_CLIENT, client) or not counters().hit(
        limits.SIGN_IN_ACCOUNT, account
    ):
        _log("sign_in.locked")
        return _sign_in_page(form, error=too_many(), status=429)
    session = current_session()
    try:
        user = users.authenticate(session, email, password)
    except WrongCredentials:
        counters().hit(limits.SIGN_IN_CLIENT, client)
        _log("sign_in.failed")
        if not counters().left(limits.SIGN_IN_ACCOUNT, account):
            _tell_of_lockout(account, password_known=False)
        return _sign_in_page(
            form, error=gettext("E-mail address and password do not fit together."), status=401
        )
    counters().clear(limits.SIGN_IN_ACCOUNT, account)
    if users.has_second_factor(session, user):
        _wait_for_second_step(user)
        session.commit()
        return redirect(url_for("admin.second_factor"), code=303)
    return _signed_in(user, second_factor=False, way="password")


def _sign_in_page(
    form: SignInForm, *, error: str = "", status: int = 200, returning: bool = False, typed: bool = False
) -> Response:
    """`typed`: a form was sent after the session ran out, and it was kept."""
    return render(
        "admin/sign_in.html",
        form=form,
        error=error,
        status=status,
        returning=returning,
        typed=typed,
        passkeys_possible=passkeys.are_possible(),
    )


def _log(action: str) -> None:
    """Who tried is not kept: a mistyped address may be a password."""
    audit.record(current_session(), action, now=current_portal().now())
    current_session().commit()


def _signed_in(user: User, *, second_factor: bool, way: str) -> BaseResponse:
    session = current_session()
    target = guard.begin_session(user, second_factor=second_factor)
    audit.record(session, "sign_in.done", now=current_portal().now(), actor=user, way=way)
    session.commit()
    return redirect(target, code=303)


def _tell_of_lockout(account: str, *, password_known: bool) -> None:
    """To the account, if there is one. In the background, so that time does not tell whether there is."""
    portal, letters = current_portal(), _letters()

    def tell() -> None:
        with portal.store.sessions() as session:
            user = users.user_by_email(session, account)
            if user is None or user.disabled_at is not None or user.password_hash is None:
                return
            now = portal.now()
            if letters.lockout(session, user, now=now, password_known=password_known):
                audit.record(
                    session, "user.locked", now=now, entity="user", entity_id=user.id, entity_name=user.name
                )
                session.commit()
                letters.deliver()

    mail.in_background(tell)


def _letters() -> Letters:
    found: Letters = current_app.extensions["letters"]
    return found


# The second step.


def _wait_for_second_step(user: User) -> None:
    """The password was right; who it was stands in the signed cookie until the second factor is given."""
    cookie_session["pending"] = [user.id.hex, int(current_portal().now().timestamp()), _password_mark(user)]


def _password_mark(user: User) -> str:
    """Changes with the password: who was let in by the old one does not go on."""
    return token_hash(user.password_hash or "")[:12]


def _pending() -> User | None:
    kept: Any = cookie_session.get("pending")
    now = current_portal().now().timestamp()
    try:
        id_, at, mark = kept
        user = current_session().get(User, UUID(id_))
    except (TypeError, ValueError):
        return None
    fresh = 0 <= now - at <= PENDING.total_seconds()
    if user is None or user.disabled_at is not None or not fresh or mark != _password_mark(user):
        cookie_session.pop("pending", None)
        return None
    return user


class CodeForm(PortalForm):
    code = StringField()
    recovery_code = StringField()


@open_to_all
def second_step() -> BaseResponse:
    """A code of the app or one of those on paper; the passkey comes in through `sign_in_with_passkey`."""
    user = _pending()
    if user is None:
        return redirect(url_for("admin.sign_in"), code=303)
    form = CodeForm()
    if request.method == "GET":
        return _second_step_page(user, form)
    code, recovery = (form.code.data or "").strip(), (form.recovery_code.data or "").strip()
    if not code and not recovery:
        return _second_step_page(user, form, error=gettext("Please enter a code."), status=422)
    if not counters().hit(limits.SECOND_FACTOR, user.id.hex):
        _log("sign_in.locked")
        return _second_step_page(
            user, form, error=gettext("Too many tries. Please wait a quarter of an hour."), status=429
        )
    session, now = current_session(), current_portal().now()
    try:
        if recovery:
            second_factor.use_recovery_code(session, user, recovery, now=now)
        else:
            second_factor.check_app(session, user, passkeys.vault(), code, now=now)
    except WrongCode:
        session.rollback()
        _log("sign_in.second_factor_failed")
        if not counters().left(limits.SECOND_FACTOR, user.id.hex):
            _tell_of_lockout(user.email, password_known=True)
        return _second_step_page(user, form, error=_why_wrong(recovery=bool(recovery)), status=422)
    counters().clear(limits.SECOND_FACTOR, user.id.hex)
    if recovery:
        left = second_factor.recovery_codes_left(session, user.id)
        _letters().changed(session, user, "code_used", now=now, left=left)
    answer = _signed_in(user, second_factor=True, way="recovery code" if recovery else "app")
    if recovery:
        _letters().deliver_soon()
    return answer


def _why_wrong(*, recovery: bool) -> str:
    if recovery:
        return gettext("This code does not fit, or it was used before. Each of them works once.")
    return gettext(
        "This code does not fit. Each works once and for half a minute: please wait for the next one in your app."
    )


def _second_step_page(user: User, form: CodeForm, *, error: str = "", status: int = 200) -> Response:
    session = current_session()
    return render(
        "admin/second_factor.html",
        form=form,
        error=error,
        status=status,
        has_app=user.totp_secret is not None,
        app_readable=second_factor.is_app_readable(user, passkeys.vault()),
        has_passkey=bool(users.passkeys_of(session, user.id)) and passkeys.are_possible(),
        has_codes=second_factor.recovery_codes_left(session, user.id) > 0,
        recovery_open=bool(form.recovery_code.data),
    )


# Passkeys.


@open_to_all
def passkey_question() -> Response:
    """What `navigator.credentials.get` is asked. Whoever is known already is asked for one of their own passkeys."""
    known = guard.somebody()
    user = known.user if known else _pending()
    own = users.passkeys_of(current_session(), user.id) if user else []
    return passkeys.options(
        second_factor.authentication_options(passkeys.relying_party(), passkeys.ask("sign-in"), own)
    )


class PasskeyForm(PortalForm):
    credential = StringField()


@open_to_all
def sign_in_with_passkey() -> BaseResponse:
    """A passkey alone is enough, because the device has checked finger, face or PIN before it answered."""
    if guard.somebody() is not None:
        return redirect(url_for("admin.dashboard"), code=303)
    client = request.remote_addr or ""
    if not counters().left(limits.SIGN_IN_CLIENT, client):
        _log("sign_in.locked")
        return _sign_in_page(SignInForm(formdata=None), error=too_many(), status=429)
    try:
        user = _user_of_answer()
    except WrongCode:
        counters().hit(limits.SIGN_IN_CLIENT, client)
        current_session().rollback()
        _log("sign_in.failed")
        return _sign_in_page(
            SignInForm(formdata=None),
            error=gettext(
                "That did not work with the passkey. Please try once more, or sign in with your password."
            ),
            status=401,
        )
    return _signed_in(user, second_factor=True, way="passkey")


def _user_of_answer() -> User:
    """Raises WrongCode."""
    challenge = passkeys.asked("sign-in")
    return second_factor.user_of_passkey(
        current_session(),
        passkeys.relying_party(),
        PasskeyForm().credential.data or "",
        challenge,
        now=current_portal().now(),
    )


# Out, and: is it still you?


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
    credential = StringField()


@needs(Permission.SIGN_IN)
@without_second_factor
def confirm_password() -> BaseResponse:
    """Before a change of the account: who left the screen open must not lose the account by it."""
    form = ConfirmForm()
    if request.method == "GET":
        return _confirm_page(form)
    user = me()
    if not counters().hit(limits.SECOND_FACTOR, user.user.id.hex):
        return _confirm_page(form, error=too_many(), status=429)
    session = current_session()
    if form.credential.data:
        try:
            confirmed = _user_of_answer().id == user.user.id
        except WrongCode:
            confirmed = False
        error = gettext("That did not work with the passkey. Please enter your password.")
    else:
        confirmed = passwords.verify(user.user.password_hash, form.password.data or "")
        error = gettext("That is not your password.")
    if not confirmed:
        session.rollback()
        return _confirm_page(form, error=error, status=422)
    counters().clear(limits.SECOND_FACTOR, user.user.id.hex)
    user.sign_in.confirmed_at = current_portal().now()
    session.add(user.sign_in)
    session.commit()
    after = guard.safe_path(str(cookie_session.pop("after", "")))
    return redirect(after or url_for("admin.dashboard"), code=303)


def _confirm_page(form: ConfirmForm, *, error: str = "", status: int = 200) -> Response:
    has_passkey = bool(users.passkeys_of(current_session(), me().user.id)) and passkeys.are_possible()
    return render(
        "admin/confirm_password.html", form=form, error=error, status=status, has_passkey=has_passkey
    )
