"""Headers, cookies and tokens that hold for every page.

Settled once here, so that no route can forget it. The rules: no third-party request, no inline script,
nothing personal in a referrer, answers never in a shared cache.
"""

from collections.abc import Callable
from functools import lru_cache
from hashlib import sha256
from typing import Any
from urllib.parse import urlsplit

from flask import Flask, Request, Response, abort, g, request
from flask import session as cookie_session
from flask.sessions import SecureCookieSession, SecureCookieSessionInterface
from flask_wtf import FlaskForm
from itsdangerous import BadSignature, SignatureExpired, URLSafeTimedSerializer
from wtforms.csrf.core import CSRF
from wtforms.validators import ValidationError

from portal.config import Settings
from portal.web.current import current_portal

TOKEN_FIELD = "csrf_token"
TOKEN_SECONDS = 6 * 3600
MOST_ADDRESS = 128 * 1024
"""Bytes of path and query. Far above what forms make, so that whatever somebody types ends on a page; the server itself
has no limit, because its answer would be a line of English."""
_BINDING = "_b"


class AnswerSessions(SecureCookieSessionInterface):
    """Signed cookie that ends with the browser session and after `PERMANENT_SESSION_LIFETIME` without a step.

    Remembers in `g.session_expired` that there were answers which have run out, so that a page can say so.
    """

    def __init__(self, secret_key: str, *, salt: str = "answers") -> None:
        self._signer = URLSafeTimedSerializer(secret_key, salt=salt, signer_kwargs={"digest_method": sha256})

    def get_signing_serializer(self, app: Flask) -> URLSafeTimedSerializer:
        return self._signer

    def open_session(self, app: Flask, request: Request) -> SecureCookieSession:
        value = request.cookies.get(self.get_cookie_name(app))
        if not value:
            return self.session_class()
        try:
            lifetime = int(app.permanent_session_lifetime.total_seconds())
            return self.session_class(self._signer.loads(value, max_age=lifetime))
        except SignatureExpired:
            g.session_expired = True
        except BadSignature:
            pass
        return self.session_class()


class CrossSite(Exception):
    """A form was posted from another site, or its token does not fit."""


class BoundToken(CSRF):
    """A CSRF token without a cookie of its own.

    Before the first answer there is no cookie, so the token is only signed and dated; from then on it is bound
    to the session. `Sec-Fetch-Site` is checked in any case (W3C Fetch Metadata). The referrer cannot be used: the
    portal sends none.
    """

    def generate_csrf_token(self, csrf_token_field: Any) -> str:
        return new_token()

    def validate_csrf_token(self, form: Any, field: Any) -> None:
        try:
            check_token(field.data or "")
        except CrossSite as error:
            raise ValidationError(str(error)) from None


class PortalForm(FlaskForm):
    """Base of every form: our own token, because Flask-WTF's would set a cookie on the first look."""

    class Meta(FlaskForm.Meta):
        csrf_class = BoundToken
        csrf_field_name = TOKEN_FIELD


@lru_cache(maxsize=8)
def _signer(secret_key: str) -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(secret_key, salt="form", signer_kwargs={"digest_method": sha256})


def _tokens() -> URLSafeTimedSerializer:
    return _signer(current_portal().settings.secret_key)


def new_token() -> str:
    return _tokens().dumps(cookie_session.get(_BINDING, ""))


def bind_session(value: Callable[[], str]) -> None:
    """Give the session a binding, once, when it is first written."""
    if _BINDING not in cookie_session:
        cookie_session[_BINDING] = value()


def is_from_elsewhere() -> bool:
    """The browser says that another site sent this; those that say nothing are held off by token and cookie."""
    return request.headers.get("Sec-Fetch-Site", "same-origin") not in ("same-origin", "none")


def check_token(token: str) -> None:
    """Raises CrossSite."""
    if is_from_elsewhere():
        raise CrossSite("posted from another site")
    try:
        bound = _tokens().loads(token, max_age=TOKEN_SECONDS)
    except BadSignature:
        raise CrossSite("the form has run out") from None
    if bound != cookie_session.get(_BINDING, ""):
        # A form from before the first answer may be sent when the cookie has come meanwhile (two tabs).
        raise CrossSite("the form belongs to other answers")


def refuse_cross_site() -> None:
    """For the two posts that need no token because forging them harms nobody: Exit and forgetting."""
    if is_from_elsewhere():
        abort(403)


def content_policy(style_hash: str | None, exit_url: str) -> str:
    """The Content-Security-Policy of a page with that style sheet; None for answers that are no page.

    Exit posts to us and is sent on to the neutral page, so forms may end there.
    """
    exit_origin = "{0.scheme}://{0.netloc}".format(urlsplit(exit_url))
    style = [f"style-src 'sha256-{style_hash}'"] if style_hash else []
    return "; ".join(
        (
            "default-src 'none'",
            *style,
            "script-src 'self'",
            "img-src 'self'",
            "connect-src 'self'",
            "manifest-src 'self'",
            f"form-action 'self' {exit_origin}",
            "base-uri 'none'",
            "frame-ancestors 'none'",
        )
    )


def install(app: Flask, settings: Settings, *, exit_url: str) -> None:
    """Configure cookies and put the headers on every response."""
    app.session_interface = AnswerSessions(settings.secret_key)
    app.config.update(
        SESSION_COOKIE_NAME="__Host-anlauf" if settings.https else "anlauf",
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        SESSION_COOKIE_SECURE=settings.https,
        PERMANENT_SESSION_LIFETIME=settings.session_minutes * 60,
        WTF_CSRF_ENABLED=True,
        MAX_CONTENT_LENGTH=64 * 1024,
    )
    headers = [
        ("Referrer-Policy", "no-referrer"),
        ("X-Content-Type-Options", "nosniff"),
    ]
    if settings.https:
        headers.append(("Strict-Transport-Security", "max-age=31536000; includeSubDomains"))

    no_page = content_policy(None, exit_url)

    @app.before_request
    def refuse_endless_addresses() -> None:
        if len(request.query_string) + len(request.path) > MOST_ADDRESS:
            abort(414)

    @app.after_request
    def secure(response: Response) -> Response:
        response.headers.extend(headers)
        if "Content-Security-Policy" not in response.headers:
            response.headers["Content-Security-Policy"] = no_page
        if "Cache-Control" not in response.headers:
            response.headers["Cache-Control"] = "no-store"
        return response
