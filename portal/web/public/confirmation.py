"""Links without login, for an organization that is asked whether an offer is still right; and where they lead.

The pages themselves (`confirming.py`) are loaded when the first link is opened: whoever only serves visitors needs none of
what changes entries.
"""

import base64
from hashlib import sha256
from uuid import UUID

from flask import Blueprint
from itsdangerous import BadSignature, Signer
from werkzeug.wrappers import Response as BaseResponse


class Links:
    """Signed for this one purpose, made anew for a reminder, and kept only as a hash."""

    def __init__(self, secret_key: str) -> None:
        self._signer = Signer(secret_key, salt="confirmation", digest_method=sha256)

    def token(self, id_: UUID) -> str:
        """Of the `Confirmation` with this id."""
        name = base64.urlsafe_b64encode(id_.bytes).rstrip(b"=")
        return self._signer.sign(name).decode()

    def is_ours(self, token: str) -> bool:
        try:
            self._signer.unsign(token.encode())
        except (BadSignature, UnicodeEncodeError):
            return False
        return True


def path(token: str, lang: str) -> str:
    return f"/{lang}/confirm/{token}"


def register(bp: Blueprint) -> None:
    bp.add_url_rule("/<lang:lang>/confirm/<token>", "confirm", confirm, methods=["GET"])
    bp.add_url_rule("/<lang:lang>/confirm/<token>", "confirm_answer", confirm_answer, methods=["POST"])
    bp.add_url_rule("/<lang:lang>/confirm/<token>/correct", "confirm_correct", correct, methods=["GET"])
    bp.add_url_rule("/<lang:lang>/confirm/<token>/correct", "confirm_corrected", corrected, methods=["POST"])


def confirm(token: str) -> BaseResponse:
    from portal.web.public import confirming

    return confirming.confirm(token)


def confirm_answer(token: str) -> BaseResponse:
    from portal.web.public import confirming

    return confirming.confirm_answer(token)


def correct(token: str) -> BaseResponse:
    from portal.web.public import confirming

    return confirming.correct(token)


def corrected(token: str) -> BaseResponse:
    from portal.web.public import confirming

    return confirming.corrected(token)
