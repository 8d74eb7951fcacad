"""Second factors of the own account: what is set up, what is missing, setting up and taking away."""

import io
from uuid import UUID

import segno
from flask import Blueprint, Response, abort, current_app, redirect, request, url_for
from flask import session as cookie_session
from markupsafe import Markup
from werkzeug.wrappers import Response as BaseResponse
from wtforms import StringField

from portal.accounts import audit, second_factor, users
from portal.accounts.errors import WrongCode
from portal.accounts.models import Passkey
from portal.accounts.permissions import Permission
from portal.web import limits
from portal.web.admin import passkeys
from portal.web.admin.guard import device, me, needs, recently_confirmed, without_second_factor
from portal.web.admin.letters import Letters
from portal.web.admin.rendering import render, say
from portal.web.admin.times import short_day
from portal.web.current import current_portal
from portal.web.database import current_session
from portal.web.limits import Limits
from portal.web.security import PortalForm
from portal.web.texts import gettext

LONGEST_NAME = 60
_SETUP = "app_secret"


def register(bp: Blueprint) -> None:
    add = bp.add_url_rule
    add("/security", "security", security)
    add("/security/app", "set_up_app", set_up_app, methods=["GET", "POST"])
    add("/security/app/remove", "remove_app", remove_app, methods=["POST"])
    add("/security/passkey", "add_passkey", add_passkey, methods=["GET", "POST"])
    add("/security/passkey/question", "passkey_registration", passkey_registration, methods=["POST"])
    add("/security/passkey/<uuid:passkey_id>", "change_passkey", change_passkey, methods=["POST"])
    add("/security/codes", "recovery_codes", recovery_codes, methods=["GET", "POST"])


@needs(Permission.SIGN_IN)
@without_second_factor
def security() -> Response:
    user, session = me(), current_session()
    keys = users.passkeys_of(session, user.user.id)
    return render(
        "admin/second_factors.html",
        user=user,
        has_app=user.user.totp_secret is not None,
        app_readable=second_factor.is_app_readable(user.user, passkeys.vault()),
        passkeys=[
            {
                "id": key.id,
                "name": key.name,
                "created": short_day(key.created_at),
                "used": short_day(key.last_used_at),
            }
            for key in keys
        ],
        possible=passkeys.are_possible(),
        codes_left=second_factor.recovery_codes_left(session, user.user.id),
        has_any=users.has_second_factor(session, user.user),
    )


# The code app.


class CodeForm(PortalForm):
    code = StringField()


@needs(Permission.SIGN_IN)
@without_second_factor
@recently_confirmed
def set_up_app() -> BaseResponse:
    form, user = CodeForm(), me()
    _may_add_or_403()
    secret = _secret_of_setup()
    if request.method == "GET":
        return _app_page(form, secret)
    counters: Limits = current_app.extensions["limits"]
    if not counters.hit(limits.SECOND_FACTOR, user.user.id.hex):
        form.code.errors = [gettext("Too many tries. Please wait a quarter of an hour.")]
        return _app_page(form, secret, status=429)
    session, now = current_session(), current_portal().now()
    first = not users.has_second_factor(session, user.user)
    try:
        second_factor.set_up_app(session, user.user, passkeys.vault(), secret, form.code.data or "", now=now)
    except WrongCode:
        form.code.errors = [
            gettext(
                "This code does not fit. Is the clock of your phone right? Please enter the code shown now."
            )
        ]
        return _app_page(form, secret, status=422)
    counters.clear(limits.SECOND_FACTOR, user.user.id.hex)
    cookie_session.pop(_SETUP, None)
    return _added("app", first=first)


def _secret_of_setup() -> str:
    """The same one until it was confirmed, so that a mistyped code does not mean another scan. Sealed, because the
    cookie is only signed."""
    vault, user_id = passkeys.vault(), me().user.id.hex
    kept = vault.open(str(cookie_session.get(_SETUP, "")))
    if kept is not None and kept.startswith(f"{user_id}:"):
        return kept.partition(":")[2]
    secret = second_factor.new_secret()
    cookie_session[_SETUP] = vault.seal(f"{user_id}:{secret}")
    return secret


def _app_page(form: CodeForm, secret: str, *, status: int = 200) -> Response:
    address = second_factor.app_address(secret, user=me().user, issuer=passkeys.relying_party().name)
    return render(
        "admin/second_factor_app.html",
        form=form,
        status=status,
        address=address,
        qr=_qr(address),
        secret=" ".join(secret[start : start + 4] for start in range(0, len(secret), 4)),
        again=me().user.totp_secret is not None,
    )


def _qr(address: str) -> Markup:
    """Inline, so that the secret has no address of its own; dark on light in every theme."""
    buffer = io.BytesIO()
    segno.make(address, error="m", micro=False).save(
        buffer,
        kind="svg",
        scale=4,
        border=4,
        dark="#000",
        light="#fff",
        xmldecl=False,
        svgns=False,
        omitsize=True,
        svgclass="qr",
        lineclass=None,
    )
    return Markup(buffer.getvalue().decode())  # noqa: S704 (made here from our own values)


@needs(Permission.SIGN_IN)
@recently_confirmed
def remove_app() -> BaseResponse:
    user, session = me(), current_session()
    if user.user.totp_secret is not None and _may_remove(
        others=len(users.passkeys_of(session, user.user.id))
    ):
        second_factor.remove_app(session, user.user)
        _removed("app")
    return redirect(url_for("admin.security"), code=303)


def _may_add_or_403() -> None:
    """Who came in with the password alone, although there is a second factor, must not add one of their own."""
    user = me()
    if not user.sign_in.second_factor and users.has_second_factor(current_session(), user.user):
        abort(403)


def _added(what: str, *, first: bool) -> BaseResponse:
    """The running sign-in counts as one with a second factor from now on; all others end when it was the first."""
    user, session, now = me(), current_session(), current_portal().now()
    user.sign_in.second_factor = True
    session.add(user.sign_in)
    if first:
        users.end_sign_ins(session, user.user.id, now=now, keep=user.sign_in.id)
    _note(f"{what}_added")
    no_codes = second_factor.recovery_codes_left(session, user.user.id) == 0
    say(
        gettext("Your code app is set up.")
        if what == "app"
        else gettext("Your passkey is set up. You can sign in with it alone.")
    )
    return redirect(url_for("admin.recovery_codes" if no_codes else "admin.security"), code=303)


def _may_remove(*, others: int) -> bool:
    if others == 0 and me().must_have_second_factor:
        say(
            gettext(
                "Your role needs a second factor, and this is your only one. Please set up another one first."
            ),
            "wrong",
        )
        return False
    return True


def _removed(what: str) -> None:
    _note(f"{what}_removed")
    say(gettext("Your code app was taken away.") if what == "app" else gettext("The passkey was taken away."))


def _note(what: str) -> None:
    """Log, letter, commit."""
    user, session, now = me(), current_session(), current_portal().now()
    letters: Letters = current_app.extensions["letters"]
    letters.changed(session, user.user, what, now=now)
    audit.record(
        session,
        f"account.{what}",
        now=now,
        actor=user,
        entity="user",
        entity_id=user.id,
        entity_name=user.name,
    )
    session.commit()
    letters.deliver_soon()


# Passkeys.


class PasskeyForm(PortalForm):
    name = StringField()
    credential = StringField()


@needs(Permission.SIGN_IN)
@without_second_factor
@recently_confirmed
def add_passkey() -> BaseResponse:
    form, user = PasskeyForm(), me()
    _may_add_or_403()
    if request.method == "GET":
        form.name.data = device()
        return _passkey_page(form)
    name = (form.name.data or "").strip()[:LONGEST_NAME] or device()
    session, now = current_session(), current_portal().now()
    first = not users.has_second_factor(session, user.user)
    try:
        challenge = passkeys.asked("register")
        second_factor.register_passkey(
            session,
            user.user,
            passkeys.relying_party(),
            form.credential.data or "",
            challenge,
            name=name,
            now=now,
        )
    except WrongCode:
        session.rollback()
        return _passkey_page(
            form,
            error=gettext(
                "That did not work. Please try once more. Perhaps this device already has a passkey for your account."
            ),
            status=422,
        )
    return _added("passkey", first=first)


def _passkey_page(form: PasskeyForm, *, error: str = "", status: int = 200) -> Response:
    return render(
        "admin/second_factor_passkey.html",
        form=form,
        error=error,
        status=status,
        possible=passkeys.are_possible(),
    )


@needs(Permission.SIGN_IN)
@without_second_factor
@recently_confirmed
def passkey_registration() -> Response:
    """What `navigator.credentials.create` is asked."""
    _may_add_or_403()
    return passkeys.options(
        second_factor.registration_options(
            current_session(), me().user, passkeys.relying_party(), passkeys.ask("register")
        )
    )


@needs(Permission.SIGN_IN)
@recently_confirmed
def change_passkey(passkey_id: UUID) -> BaseResponse:
    """Rename, or with `remove` take away."""
    user, session = me(), current_session()
    passkey = session.get(Passkey, passkey_id)
    if passkey is None or passkey.user_id != user.user.id:
        abort(404)
    name = request.form.get("name", "").strip()[:LONGEST_NAME]
    if "remove" in request.form:
        others = len(users.passkeys_of(session, user.user.id)) - 1 + (user.user.totp_secret is not None)
        if _may_remove(others=others):
            second_factor.remove_passkey(session, user.user, passkey)
            _removed("passkey")
    elif name:
        passkey.name = name
        session.add(passkey)
        session.commit()
        say(gettext("Saved."))
    return redirect(url_for("admin.security"), code=303)


# Codes on paper.


@needs(Permission.SIGN_IN)
@recently_confirmed
def recovery_codes() -> BaseResponse:
    """Shown once, in the answer to the post; sending the same page again does not make new ones."""
    user, session = me(), current_session()
    if not users.has_second_factor(session, user.user):
        return redirect(url_for("admin.security"), code=303)
    mark = second_factor.recovery_codes_mark(session, user.user.id)
    if request.method == "GET":
        return render(
            "admin/second_factor_codes.html",
            codes=[],
            mark=mark,
            left=second_factor.recovery_codes_left(session, user.user.id),
        )
    if request.form.get("mark", "") != mark:
        say(gettext("These codes were made already. Make new ones if you do not have them."), "info")
        return redirect(url_for("admin.recovery_codes"), code=303)
    codes = second_factor.renew_recovery_codes(session, user.user)
    _note("codes_renewed")
    return render("admin/second_factor_codes.html", codes=codes, mark="", left=len(codes))
