"""The own account: name, language, password, and where it is signed in."""

from uuid import UUID

from flask import Blueprint, Response, current_app, redirect, request, url_for
from werkzeug.wrappers import Response as BaseResponse
from wtforms import PasswordField, StringField

from portal.accounts import audit, forms, users
from portal.accounts.errors import WeakPassword
from portal.accounts.permissions import Permission
from portal.web.admin.guard import me, needs, recently_confirmed, typed_before, without_second_factor
from portal.web.admin.letters import Letters
from portal.web.admin.links import why_weak
from portal.web.admin.rendering import render, say
from portal.web.admin.times import moment
from portal.web.current import current_portal
from portal.web.database import current_session
from portal.web.languages import ADMIN_LANGUAGES
from portal.web.security import PortalForm
from portal.web.texts import gettext, ngettext

LONGEST_NAME = 120


def register(bp: Blueprint) -> None:
    bp.add_url_rule("/account", "account", account, methods=["GET", "POST"])
    bp.add_url_rule("/account/password", "change_password", change_password, methods=["GET", "POST"])
    bp.add_url_rule("/account/sessions", "end_sessions", end_sessions, methods=["POST"])


class AccountForm(PortalForm):
    name = StringField()
    language = StringField()


@needs(Permission.SIGN_IN)
def account() -> BaseResponse:
    user = me().user
    form = AccountForm(typed_before(), obj=user) if request.method == "GET" else AccountForm()
    if request.method == "GET":
        return _account_page(form)
    name, language = " ".join((form.name.data or "").split()), form.language.data or ""
    if not name or len(name) > LONGEST_NAME:
        form.name.errors = [gettext("Please enter your name, as colleagues know it.")]
    if language not in ADMIN_LANGUAGES:
        form.language.errors = [gettext("Please choose a language.")]
    if form.errors:
        return _account_page(form, status=422)
    session, now = current_session(), current_portal().now()
    user.name, user.language = name, language
    session.add(user)
    forms.discard(session, user.id, request.path)
    audit.record(
        session, "account.saved", now=now, actor=user, entity="user", entity_id=user.id, entity_name=name
    )
    session.commit()
    say(gettext("Saved."))
    return redirect(url_for("admin.account"), code=303)


def _account_page(form: AccountForm, *, status: int = 200) -> Response:
    user = me()
    session, now = current_session(), current_portal().now()
    sessions = [
        {
            "id": sign_in.id,
            "device": sign_in.device,
            "started": moment(sign_in.started_at),
            "seen": moment(sign_in.seen_at),
            "this": sign_in.id == user.sign_in.id,
        }
        for sign_in in users.sign_ins_of(session, user.user.id, now=now)
    ]
    return render(
        "admin/account.html",
        form=form,
        status=status,
        user=user.user,
        sessions=sessions,
        languages=languages(),
    )


def languages() -> list[tuple[str, str]]:
    return [("de", gettext("German")), ("en", gettext("English"))]


class NewPasswordForm(PortalForm):
    new_password = PasswordField()


@needs(Permission.SIGN_IN)
@without_second_factor
@recently_confirmed
def change_password() -> BaseResponse:
    form = NewPasswordForm()
    if request.method == "GET":
        return render("admin/account_password.html", form=form)
    user = me()
    session, now = current_session(), current_portal().now()
    try:
        users.set_password(session, user.user, form.new_password.data or "", now=now, keep=user.sign_in.id)
    except WeakPassword as error:
        form.new_password.errors = [why_weak(error)]
        return render("admin/account_password.html", form=form, status=422)
    letters: Letters = current_app.extensions["letters"]
    letters.changed(session, user.user, "password", now=now)
    audit.record(
        session,
        "account.password_changed",
        now=now,
        actor=user,
        entity="user",
        entity_id=user.id,
        entity_name=user.name,
    )
    session.commit()
    letters.deliver_soon()
    say(gettext("Your new password is set. Everywhere else you are signed out."))
    return redirect(url_for("admin.account"), code=303)


@needs(Permission.SIGN_IN)
def end_sessions() -> BaseResponse:
    """One other session, or all others."""
    user = me()
    session, now = current_session(), current_portal().now()
    only = request.form.get("session", "")
    if only:
        try:
            chosen = UUID(only)
        except ValueError:
            return redirect(url_for("admin.account"), code=303)
        ended = users.end_sign_ins(session, user.user.id, now=now, only=chosen, keep=user.sign_in.id)
    else:
        ended = users.end_sign_ins(session, user.user.id, now=now, keep=user.sign_in.id)
    audit.record(session, "account.sessions_ended", now=now, actor=user, number=ended)
    session.commit()
    say(ngettext("%(num)s session ended.", "%(num)s sessions ended.", ended))
    return redirect(url_for("admin.account"), code=303)
