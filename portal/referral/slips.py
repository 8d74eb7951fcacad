"""Hand-over slips without a name: a short code, and behind it what the person ticked, for fourteen days."""

from datetime import datetime, timedelta
from uuid import uuid4

from sqlalchemy import select
from sqlmodel import Session, col

from portal.referral import codes
from portal.referral.errors import NotFound
from portal.referral.models import Slip
from portal.referral.personal import Situation
from portal.referral.sealing import Keyring

HOLDS = timedelta(days=14)


def create(
    session: Session,
    keyring: Keyring,
    *,
    region: str,
    situation: Situation,
    words: codes.Words | None,
    now: datetime,
) -> str:
    """Keep the situation and return the code."""
    id_ = uuid4()
    sealer, key_sealed = keyring.new_record(id_)
    code = _new_code(session, keyring, words)
    session.add(
        Slip(
            id=id_,
            region=region,
            code_lookup=keyring.lookup(codes.folded(code)),
            key_sealed=key_sealed,
            situation_sealed=situation.seal(sealer, "situation"),
            created_at=now,
            expires_at=now + HOLDS,
        )
    )
    session.flush()
    return code


def _new_code(session: Session, keyring: Keyring, words: codes.Words | None) -> str:
    """One that no slip has: it is short, so that two may meet."""
    while True:
        code = codes.new_code(words, codes.SLIP_BITS)
        lookups = keyring.lookups(codes.folded(code))
        if session.execute(select(col(Slip.id)).where(col(Slip.code_lookup).in_(lookups))).first() is None:
            return code


def open_slip(
    session: Session, keyring: Keyring, code: str, *, region: str, now: datetime
) -> tuple[Slip, Situation]:
    """Raises NotFound, for an expired one as well."""
    slip: Slip | None = session.execute(
        select(Slip).where(
            col(Slip.code_lookup).in_(keyring.lookups(codes.folded(code))),
            col(Slip.region) == region,
            col(Slip.expires_at) > now,
        )
    ).scalar_one_or_none()
    if slip is None:
        raise NotFound
    situation = Situation.open(keyring.record(slip.id, slip.key_sealed), "situation", slip.situation_sealed)
    slip.opened_at = slip.opened_at or now
    session.add(slip)
    session.flush()
    return slip, situation
