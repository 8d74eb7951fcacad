"""For whoever watches over the machine: alive, and ready."""

from collections.abc import Callable

from flask import Blueprint, Response
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from portal.db import standing
from portal.web.current import current_portal
from portal.web.responses import json_response

bp = Blueprint("health", __name__)

NEWER = "newer than this program: update it"
"""Columns are taken away two releases after their last use, so the release before works on such a database."""
_DATABASES = {
    "current": None,
    "newer": NEWER,
    "older": "migrations are pending: portal db upgrade",
    "unknown": "its migration is unknown to this program: is it the right database?",
}


@bp.get("/healthz")
def alive() -> Response:
    """The process answers; nothing else is asked."""
    return Response("ok\n", content_type="text/plain")


@bp.get("/readyz")
def ready() -> Response:
    """Database, index and translations can be used; 503 names what cannot. Referrals are named only."""
    checks: dict[str, Callable[[], str | None]] = {
        "database": _database,
        "index": _index,
        "translations": _translations,
    }
    found: dict[str, str] = {}
    for name, check in checks.items():
        try:
            problem = check()
        except Exception as error:
            problem = type(error).__name__
        found[name] = problem or "ok"
    ok = all(state in ("ok", NEWER) for state in found.values())
    # Without referrals the rest of the portal goes on: they are named, and do not count.
    return json_response({"ready": ok, **found, "referrals": _referrals()}, status=200 if ok else 503)


def _database() -> str | None:
    engine = current_portal().store.engine
    with engine.connect() as connection:
        connection.execute(text("SELECT 1"))
    return _DATABASES[standing(engine)]


def _index() -> str | None:
    portal = current_portal()
    portal.catalogue.refresh()
    return portal.search.problem()


def _referrals() -> str:
    from portal.web.chores import neglected

    portal = current_portal()
    if portal.referrals is None:
        return "off (no key)"
    try:
        with portal.store.sessions() as session:
            waits = neglected(session, now=portal.now())
    except SQLAlchemyError as error:
        return type(error).__name__
    return (
        "something waits for hours: are portal referrals run and portal retention run called, do mails go out?"
        if waits
        else "ok"
    )


def _translations() -> str | None:
    portal = current_portal()
    missing = [
        code for code, language in portal.languages.items() if code != "en" and not language.messages.texts
    ]
    return f"no texts in: {', '.join(missing)}" if missing else None
