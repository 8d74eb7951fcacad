"""Sealing what young people tell: cipher text at rest, keys outside of the database.

Each referral, slip and case talk has a key of its own (AES-256-GCM, NIST SP 800-38D), and that key is sealed with a key
of the installation (Fernet, https://github.com/fernet/spec). So a new installation key means sealing a few bytes
again, and a record is beyond reach as soon as its own key is gone. Each sealed field is bound to its record and its
name: cipher text copied into another row does not open.

The code a person keeps is never stored, only a keyed hash of it: whoever has a copy of the database cannot try codes.
"""

import base64
import hashlib
import hmac
import os
import secrets
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_NONCE_BYTES = 12


class SealingError(Exception):
    """Keys are missing or do not fit. The text never holds what was sealed."""


class KeysMissing(SealingError):
    """No key is set; referrals cannot be taken."""


class CannotOpen(SealingError):
    """Sealed with a key that is no longer there, for another record, or damaged."""


class Erased(SealingError):
    """The record's own key is gone, and with it everything it sealed."""


def new_key() -> str:
    """A key of the installation, as text for a setting or a line of the key file."""
    return Fernet.generate_key().decode()


def keys_in(text: str) -> list[str]:
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    return [key for line in lines for key in line.replace(",", " ").split()]


class Keyring:
    """The keys of the installation, the newest first; older ones still open what they sealed."""

    def __init__(self, keys: Sequence[str]) -> None:
        """Raises KeysMissing without a key, SealingError for text that is no key."""
        if not keys:
            raise KeysMissing("no key for referrals is set")
        try:
            fernets = [Fernet(key) for key in keys]
        except (ValueError, TypeError):
            raise SealingError("a key for referrals is not a key: 32 bytes in URL-safe Base64") from None
        self._fernet = MultiFernet(fernets)
        self._newest = fernets[0]
        self._peppers = [
            hashlib.sha256(b"anlauf: codes" + base64.urlsafe_b64decode(key)).digest() for key in keys
        ]

    @classmethod
    def from_text(cls, text: str) -> "Keyring":
        """Keys separated by white space or commas, the newest first; a line that begins with # is a comment."""
        return cls(keys_in(text))

    def __repr__(self) -> str:
        return f"Keyring({len(self._peppers)} keys)"

    # -- records -----------------------------------------------------------------------------------------------------

    def new_record(self, record: UUID) -> "tuple[Sealer, bytes]":
        """A sealer for a new record, and its key sealed for the row."""
        key = AESGCM.generate_key(bit_length=256)
        return Sealer(record, key), self._newest.encrypt(key)

    def record(self, record: UUID, key_sealed: bytes | None) -> "Sealer":
        """Raises Erased when the row has no key any more, CannotOpen when none of our keys opens it."""
        if key_sealed is None:
            raise Erased("erased")
        try:
            return Sealer(record, self._fernet.decrypt(key_sealed))
        except InvalidToken:
            raise CannotOpen("no key opens this record") from None

    def resealed(self, key_sealed: bytes) -> bytes | None:
        """With the newest key; None when it already is. Raises CannotOpen."""
        try:
            self._newest.extract_timestamp(key_sealed)
        except InvalidToken:
            pass
        else:
            return None
        try:
            return self._fernet.rotate(key_sealed)
        except InvalidToken:
            raise CannotOpen("no key opens this record") from None

    # -- codes -------------------------------------------------------------------------------------------------------

    def lookup(self, code: str) -> str:
        """What is stored for a code (HMAC-SHA-256 with the newest key)."""
        return _lookup(self._peppers[0], code)

    def lookups(self, code: str) -> list[str]:
        """What may be stored for it, by each of our keys: codes outlive a rotation."""
        return [_lookup(pepper, code) for pepper in self._peppers]


def _lookup(pepper: bytes, code: str) -> str:
    return hmac.new(pepper, code.encode(), hashlib.sha256).hexdigest()


class Sealer:
    """Seals and opens the fields of one record."""

    def __init__(self, record: UUID, key: bytes) -> None:
        self._record = record
        self._cipher = AESGCM(key)

    def seal(self, field: str, text: str) -> bytes:
        """`field` names the column, with the id of a dependent row where there are several."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, text.encode(), self._bound(field))

    def open(self, field: str, sealed: bytes) -> str:
        """Raises CannotOpen."""
        try:
            return self._cipher.decrypt(
                sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], self._bound(field)
            ).decode()
        except (InvalidTag, ValueError):
            raise CannotOpen("a sealed text does not open") from None

    def _bound(self, field: str) -> bytes:
        return f"{self._record}:{field}".encode()


def kept_keys(path: Path) -> str:
    """The key file for trying things out: made at the first start, readable by nobody else."""
    try:
        return path.read_text(encoding="ascii")
    except FileNotFoundError:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Written whole and then put in its place: of two processes that start at once the second reads the first's.
        fresh = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(descriptor, "w", encoding="ascii") as target:
                target.write(
                    "# Without these keys nobody can read the referrals. Keep a copy apart from the database.\n"
                    f"{new_key()}\n"
                )
            with suppress(FileExistsError):
                os.link(fresh, path)
        finally:
            fresh.unlink()
        return path.read_text(encoding="ascii")
