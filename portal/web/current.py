"""The portal and the language of the request being answered.

Plain context variables: a page asks for them a hundred times, and Flask's proxies would cost more than the rest of
the request. Set for every request in `locale.install`.
"""

from contextvars import ContextVar
from typing import TYPE_CHECKING, cast

from flask import current_app

if TYPE_CHECKING:
    from portal.web.application import Portal
    from portal.web.languages import Language

_portal: ContextVar["Portal | None"] = ContextVar("portal", default=None)
_language: ContextVar["Language | None"] = ContextVar("language", default=None)


def begin(portal: "Portal", language: "Language") -> None:
    _portal.set(portal)
    _language.set(language)


def current_portal() -> "Portal":
    portal = _portal.get()
    # Outside of a request (start, commands) there is only the application.
    return portal if portal is not None else cast("Portal", current_app.extensions["portal"])


def current_language() -> "Language":
    """Raises RuntimeError outside of a request."""
    language = _language.get()
    if language is None:
        raise RuntimeError("there is no request, and so no language")
    return language
