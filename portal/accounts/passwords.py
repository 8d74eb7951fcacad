"""Passwords: Argon2id (RFC 9106), and which ones are accepted (NIST SP 800-63B section 3.1.1.2).

Length counts, not the sort of characters; nobody is made to change a password for its age.
"""

from collections.abc import Sequence
from functools import lru_cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from portal.accounts.errors import WeakPassword

MINIMUM, MAXIMUM = 12, 200
_hasher = PasswordHasher()
_COMMON = (
    "123456789012", "1234567890123", "12345678901234", "123456123456", "passwortpasswort", "passwordpassword",
    "qwertzuiopü", "qwertzuiopasdf", "qwertyuiopas", "qwertyuiopasdf", "qwertz123456", "qwerty123456", "1q2w3e4r5t6z",
    "1q2w3e4r5t6y", "1qaz2wsx3edc", "passwort1234", "password1234", "passwort123!", "password123!", "hallohallo12",
    "hallohallohallo", "schatzischatzi", "ichliebedich", "iloveyouiloveyou", "willkommen123", "willkommen2026",
    "administrator", "administrator1", "adminadminadmin", "landkreis123", "jugendamt123", "jobcenter123", "abcdefghijkl",
    "abcdefghijklm", "111111111111", "000000000000", "aaaaaaaaaaaa", "asdfghjklöäü", "sommersommer", "sommer202612",
    "geheimgeheim", "changemechangeme", "letmeinletmein", "trustno1trustno1", "correcthorsebatterystaple",
)  # fmt: skip
"""What is tried first among passwords that are long enough; shorter ones are refused anyway."""


def check(password: str, *, personal: Sequence[str] = ()) -> None:
    """`personal`: name, address and the like, which must not be most of the password.

    Raises WeakPassword.
    """
    folded = password.casefold()
    if len(password) < MINIMUM:
        raise WeakPassword("short")
    if len(password) > MAXIMUM:
        raise WeakPassword("long")
    if folded in _COMMON or len(set(folded)) < 5:
        raise WeakPassword("common")
    for word in personal:
        for part in (word, word.partition("@")[0]):
            part = part.casefold().strip()
            if len(part) >= 4 and part in folded and len(folded) - len(part) < 8:
                raise WeakPassword("personal")


def hashed(password: str) -> str:
    return _hasher.hash(password)


def verify(stored: str | None, password: str) -> bool:
    """Takes as long for an account without a password as for any other, so that time tells nothing."""
    known = stored or _decoy()
    try:
        _hasher.verify(known, password[: MAXIMUM + 1])
    except (VerificationError, InvalidHashError):
        return False
    return stored is not None


def needs_new_hash(stored: str) -> bool:
    """Made with weaker parameters than today's."""
    return _hasher.check_needs_rehash(stored)


@lru_cache(maxsize=1)
def _decoy() -> str:
    return _hasher.hash("nobody has this password")
