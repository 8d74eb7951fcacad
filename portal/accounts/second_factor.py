"""Second factors: codes of an app (TOTP, RFC 6238), passkeys (WebAuthn level 3), and codes on paper for when both are
lost.

A passkey verifies the person by itself (PIN, finger, face), so it may also stand for password and second factor at once.
"""

import base64
import hmac
import json
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import pyotp
import webauthn
from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from sqlalchemy import ColumnElement, delete, func, or_, select, update
from sqlmodel import Session, col
from webauthn.helpers.structs import (
    AuthenticatorSelectionCriteria,
    AuthenticatorTransport,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from portal.accounts import users
from portal.accounts.errors import WrongCode
from portal.accounts.models import Passkey, RecoveryCode, User
from portal.accounts.tokens import token_hash

STEP_SECONDS = 30
DRIFT = 1
"""Time steps by which the phone's clock may be wrong (RFC 6238 section 5.2)."""
RECOVERY_CODES = 10
_LETTERS = "23456789abcdefghjkmnpqrstuvwxyz"
"""Without those that look alike on paper."""
_CODE_LENGTH = 16
"""Letters of a recovery code, 79 bits: random enough for a quick hash."""
PASSKEYS_AT_MOST = 20


class Vault:
    """Seals the secrets of the code apps with a key made from the portal's own (HKDF, RFC 5869; Fernet)."""

    def __init__(self, secret_key: str) -> None:
        key = HKDF(SHA256(), length=32, salt=None, info=b"anlauf: secrets of code apps").derive(
            secret_key.encode()
        )
        self._fernet = Fernet(base64.urlsafe_b64encode(key))

    def seal(self, text: str) -> str:
        return self._fernet.encrypt(text.encode()).decode()

    def open(self, sealed: str) -> str | None:
        """None when it was sealed with another key."""
        try:
            return self._fernet.decrypt(sealed.encode()).decode()
        except InvalidToken:
            return None


# Codes of an app.


def new_secret() -> str:
    """160 bits in base 32, as the apps read it."""
    return pyotp.random_base32()


def app_address(secret: str, *, user: User, issuer: str) -> str:
    """What stands in the QR code."""
    return pyotp.TOTP(secret).provisioning_uri(name=user.email, issuer_name=issuer)


def is_app_readable(user: User, vault: Vault) -> bool:
    """False when the portal's key was changed since: the app has to be set up again."""
    return user.totp_secret is None or vault.open(user.totp_secret) is not None


def set_up_app(session: Session, user: User, vault: Vault, secret: str, code: str, *, now: datetime) -> None:
    """Start to ask for codes of this secret; `code` shows that the app has it. Raises WrongCode."""
    step = _step(secret, code, now=now, after=None)
    if step is None:
        raise WrongCode("totp")
    user.totp_secret = vault.seal(secret)
    user.totp_step = step
    session.add(user)
    session.flush()


def check_app(session: Session, user: User, vault: Vault, code: str, *, now: datetime) -> None:
    """Raises WrongCode, also for a code that was used before and when the secret can no longer be read."""
    secret = vault.open(user.totp_secret) if user.totp_secret else None
    step = _step(secret, code, now=now, after=user.totp_step) if secret else None
    if step is None:
        raise WrongCode("totp")
    # Two requests with the same code may be here at once: only the first of them changes the row.
    unused: ColumnElement[bool] = or_(col(User.totp_step).is_(None), col(User.totp_step) < step)
    done = session.execute(update(User).where(col(User.id) == user.id, unused).values(totp_step=step))
    if done.rowcount != 1:  # type: ignore[attr-defined]
        raise WrongCode("totp")


def remove_app(session: Session, user: User) -> None:
    user.totp_secret = None
    user.totp_step = None
    session.add(user)
    _drop_useless_codes(session, user)


def _step(secret: str, code: str, *, now: datetime, after: int | None) -> int | None:
    """The time step whose code this is, if it is later than `after`."""
    digits = "".join(code.split())
    totp = pyotp.TOTP(secret, interval=STEP_SECONDS)
    present = int(now.timestamp()) // STEP_SECONDS
    found = None
    for step in range(present - DRIFT, present + DRIFT + 1):
        fits = hmac.compare_digest(totp.generate_otp(step).encode(), digits.encode())
        if fits and (after is None or step > after):
            found = step
    return found


# Recovery codes.


def renew_recovery_codes(session: Session, user: User) -> list[str]:
    """New codes; the old ones no longer work. This is the only time they can be shown."""
    session.execute(delete(RecoveryCode).where(col(RecoveryCode.user_id) == user.id))
    codes = [_new_code() for _ in range(RECOVERY_CODES)]
    session.add_all(RecoveryCode(user_id=user.id, code_hash=_code_hash(code)) for code in codes)
    session.flush()
    return codes


def recovery_codes_left(session: Session, user_id: UUID) -> int:
    number = session.execute(
        select(func.count())
        .select_from(RecoveryCode)
        .where(col(RecoveryCode.user_id) == user_id, col(RecoveryCode.used_at).is_(None))
    ).scalar_one()
    return int(number)


def recovery_codes_mark(session: Session, user_id: UUID) -> str:
    """Names the present set of codes, so that a page that was sent twice does not make them anew; empty without."""
    ids = session.execute(
        select(col(RecoveryCode.id))
        .where(col(RecoveryCode.user_id) == user_id)
        .order_by(col(RecoveryCode.id))
    ).scalars()
    joined = ",".join(id_.hex for id_ in ids)
    return token_hash(joined)[:16] if joined else ""


def use_recovery_code(session: Session, user: User, code: str, *, now: datetime) -> None:
    """Raises WrongCode, also for a code that was used before."""
    done = session.execute(
        update(RecoveryCode)
        .where(
            col(RecoveryCode.user_id) == user.id,
            col(RecoveryCode.code_hash) == _code_hash(code),
            col(RecoveryCode.used_at).is_(None),
        )
        .values(used_at=now)
    )
    if done.rowcount != 1:  # type: ignore[attr-defined]
        raise WrongCode("recovery code")


def _new_code() -> str:
    letters = "".join(secrets.choice(_LETTERS) for _ in range(_CODE_LENGTH))
    return "-".join(letters[start : start + 4] for start in range(0, _CODE_LENGTH, 4))


def _code_hash(code: str) -> str:
    """However it was typed: in capitals, with spaces, without hyphens."""
    return token_hash("".join(c for c in code.lower() if c in _LETTERS))


def _drop_useless_codes(session: Session, user: User) -> None:
    """Codes on paper replace another second factor; without one nobody is asked for them."""
    session.flush()
    if not users.has_second_factor(session, user):
        session.execute(delete(RecoveryCode).where(col(RecoveryCode.user_id) == user.id))


# Passkeys.


@dataclass(frozen=True, slots=True)
class RelyingParty:
    """For whom a passkey is made: it works for this name and nowhere else, which makes phishing useless."""

    id: str
    """Host without port."""
    origin: str
    name: str


def new_challenge() -> bytes:
    return secrets.token_bytes(32)


def registration_options(session: Session, user: User, party: RelyingParty, challenge: bytes) -> str:
    """JSON for `navigator.credentials.create`."""
    return webauthn.options_to_json(
        webauthn.generate_registration_options(
            rp_id=party.id,
            rp_name=party.name,
            user_id=user.id.bytes,
            user_name=user.email,
            user_display_name=user.name,
            challenge=challenge,
            authenticator_selection=AuthenticatorSelectionCriteria(
                resident_key=ResidentKeyRequirement.PREFERRED,
                user_verification=UserVerificationRequirement.REQUIRED,
            ),
            exclude_credentials=_descriptors(users.passkeys_of(session, user.id)),
        )
    )


def register_passkey(
    session: Session,
    user: User,
    party: RelyingParty,
    credential: str,
    challenge: bytes,
    *,
    name: str,
    now: datetime,
) -> Passkey:
    """Keep the new passkey; `credential` is what the browser answered, as JSON. Raises WrongCode."""
    try:
        verified = webauthn.verify_registration_response(
            credential=credential,
            expected_challenge=challenge,
            expected_rp_id=party.id,
            expected_origin=party.origin,
            require_user_verification=True,
        )
        transports = _transports(credential)
    except Exception as error:  # The browser's answer can be malformed in many ways, with as many exceptions.
        raise WrongCode("passkey") from error
    known = session.execute(
        select(col(Passkey.id)).where(col(Passkey.credential_id) == verified.credential_id)
    ).first()
    if known is not None or len(users.passkeys_of(session, user.id)) >= PASSKEYS_AT_MOST:
        raise WrongCode("passkey")
    passkey = Passkey(
        user_id=user.id,
        credential_id=verified.credential_id,
        public_key=verified.credential_public_key,
        sign_count=verified.sign_count,
        transports=transports,
        name=name,
        created_at=now,
    )
    session.add(passkey)
    session.flush()
    return passkey


def authentication_options(party: RelyingParty, challenge: bytes, passkeys: Iterable[Passkey] = ()) -> str:
    """JSON for `navigator.credentials.get`. Without `passkeys` the device offers those it knows for this portal."""
    return webauthn.options_to_json(
        webauthn.generate_authentication_options(
            rp_id=party.id,
            challenge=challenge,
            allow_credentials=_descriptors(passkeys),
            user_verification=UserVerificationRequirement.REQUIRED,
        )
    )


def user_of_passkey(
    session: Session, party: RelyingParty, credential: str, challenge: bytes, *, now: datetime
) -> User:
    """Who answered the challenge; an active user. Raises WrongCode."""
    try:
        given = json.loads(credential)
        credential_id = webauthn.base64url_to_bytes(given["rawId"])
        handle = given["response"].get("userHandle")
        named = webauthn.base64url_to_bytes(handle) if handle else None
    except Exception as error:
        raise WrongCode("passkey") from error
    found = session.execute(
        select(Passkey, User)
        .join(User, col(User.id) == col(Passkey.user_id))
        .where(col(Passkey.credential_id) == credential_id, col(User.disabled_at).is_(None))
    ).first()
    if found is None or found[1].password_hash is None or named not in (None, found[1].id.bytes):
        raise WrongCode("passkey")
    passkey: Passkey = found[0]
    user: User = found[1]
    try:
        verified = webauthn.verify_authentication_response(
            credential=credential,
            expected_challenge=challenge,
            expected_rp_id=party.id,
            expected_origin=party.origin,
            credential_public_key=passkey.public_key,
            credential_current_sign_count=passkey.sign_count,
            require_user_verification=True,
        )
    except Exception as error:
        raise WrongCode("passkey") from error
    passkey.sign_count = verified.new_sign_count
    passkey.last_used_at = now
    session.add(passkey)
    session.flush()
    return user


def remove_passkey(session: Session, user: User, passkey: Passkey) -> None:
    session.delete(passkey)
    _drop_useless_codes(session, user)


def _descriptors(passkeys: Iterable[Passkey]) -> list[PublicKeyCredentialDescriptor]:
    return [
        PublicKeyCredentialDescriptor(
            id=passkey.credential_id,
            transports=[AuthenticatorTransport(way) for way in passkey.transports] or None,
        )
        for passkey in passkeys
    ]


def _transports(credential: str) -> list[str]:
    """How the browser reaches the device; ways this library does not know are left out."""
    ways = json.loads(credential).get("response", {}).get("transports") or []
    known = {way.value for way in AuthenticatorTransport}
    return [way for way in ways if way in known]
