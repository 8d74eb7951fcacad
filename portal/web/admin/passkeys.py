"""Asking passkeys: for whom they are, and the question that each of them answers once."""

import base64
import binascii
from ipaddress import ip_address
from urllib.parse import urlsplit

from flask import Response, current_app, request
from flask import session as cookie_session

from portal.accounts import second_factor
from portal.accounts.errors import WrongCode
from portal.accounts.second_factor import RelyingParty, Vault
from portal.web import limits
from portal.web.current import current_portal
from portal.web.limits import Limits

ANSWER_WITHIN_SECONDS = 600
_KEY = "challenge"


def relying_party() -> RelyingParty:
    """By the public address in the settings; without one by the address of the request, for trying things out."""
    portal = current_portal()
    parts = urlsplit(portal.settings.base_url or request.host_url)
    return RelyingParty(
        parts.hostname or "localhost", f"{parts.scheme}://{parts.netloc}", portal.region.portal_name
    )


def are_possible() -> bool:
    """Browsers offer passkeys for names only, not for numbers."""
    try:
        ip_address(relying_party().id)
    except ValueError:
        return True
    return False


def vault() -> Vault:
    return Vault(current_portal().settings.secret_key)


def ask(purpose: str) -> bytes:
    """A new question for the browser; an earlier one is forgotten."""
    challenge = second_factor.new_challenge()
    cookie_session[_KEY] = [
        purpose,
        base64.b64encode(challenge).decode(),
        int(current_portal().now().timestamp()),
    ]
    return challenge


def asked(purpose: str) -> bytes:
    """The question that is answered now; it is used up. Raises WrongCode."""
    kept = cookie_session.pop(_KEY, None)
    now = int(current_portal().now().timestamp())
    try:
        wanted, text, at = kept
        challenge = base64.b64decode(text, validate=True)
    except (TypeError, ValueError, binascii.Error):
        raise WrongCode("passkey") from None
    counters: Limits = current_app.extensions["limits"]
    first = counters.hit(limits.CHALLENGE, text)
    if wanted != purpose or now - at > ANSWER_WITHIN_SECONDS or not first:
        raise WrongCode("passkey")
    return challenge


def options(text: str) -> Response:
    return Response(text, content_type="application/json")
